// inflight/async_client/packet_trace.hpp - every packet, for those who want to see it, as bytes or a line.
#pragma once

#include <inflight/async_client/observer.hpp>
#include <inflight/codec/decode.hpp>
#include <inflight/codec/print.hpp>

#include <span>

namespace inflight {
namespace detail {

/// What an observer that wants packets gets. It names every type of packet: who does not, has no code for it.
inline std::string print_packet(std::string_view packet, protocol_version version) {
    const auto f = next_frame(packet, version);
    if (!f) return std::string(row(f.error()).text);
    std::string line;
    const errc bad = visit_frame(*f, version, [&](const auto& p) { line = print(p, version); });
    return bad == errc::none ? line : std::string(row(bad).text);
}

class packet_trace {
public:
    /// A connection begins.
    void clear() { sent_.clear(); }

    /// Calls `tell` with each whole packet at the front of `bytes`, and returns their size.
    template <class F>
    static std::size_t each(std::string_view bytes, protocol_version version, F&& tell) {
        std::string_view rest = bytes;
        for (auto f = next_frame(rest, version); f; f = next_frame(rest, version)) {
            tell(rest.substr(0, f->size));
            rest.remove_prefix(f->size);
        }
        return bytes.size() - rest.size();
    }

    /// The first `size` bytes of `pieces` have been written, up to anywhere in a packet; `tell` gets those
    /// that are complete.
    template <class F>
    void written(std::span<const std::string_view> pieces, std::size_t size, protocol_version version,
                 F&& tell) {
        for (const std::string_view piece : pieces) {
            const std::size_t n = std::min(size, piece.size());
            sent_.append(piece.substr(0, n));
            size -= n;
        }
        sent_.erase(0, each(sent_, version, tell));
    }

private:
    std::string sent_{}; // The beginning of a packet whose end has not been written yet.
};

} // namespace detail

/// "> PUBLISH qos=1 ...", "< PUBACK ..."
inline std::string print(const packet_event& e) {
    return (e.is_sent ? "> " : "< ") + detail::print_packet(e.bytes, e.version);
}

} // namespace inflight
