// inflight/async_client/packet_trace.hpp - every packet as one printed line, for an observer that wants them.
#pragma once

#include <inflight/async_client/observer.hpp>
#include <inflight/codec/decode.hpp>
#include <inflight/codec/print.hpp>

#include <span>

namespace inflight::detail {

class packet_trace {
public:
    /// A connection begins.
    void clear() { sent_.clear(); }

    void received(observer& to, std::string_view packet, protocol_version version) {
        tell(to, false, packet, version);
    }

    /// The first `size` bytes of `pieces` have been written, up to anywhere in a packet.
    void written(observer& to, std::span<const std::string_view> pieces, std::size_t size,
                 protocol_version version) {
        for (const std::string_view piece : pieces) {
            const std::size_t n = std::min(size, piece.size());
            sent_.append(piece.substr(0, n));
            size -= n;
        }
        std::string_view rest = sent_;
        for (auto f = next_frame(rest, version); f; f = next_frame(rest, version)) {
            tell(to, true, rest.substr(0, f->size), version);
            rest.remove_prefix(f->size);
        }
        sent_.erase(0, sent_.size() - rest.size());
    }

private:
    static void tell(observer& to, bool sent, std::string_view packet, protocol_version version) {
        const auto f = next_frame(packet, version);
        if (!f) return;
        const auto p = decode(*f, version);
        to.on_packet(sent, p ? print(*p, version) : std::string(row(p.error()).text));
    }

    std::string sent_{}; // The beginning of a packet whose end has not been written yet.
};

} // namespace inflight::detail
