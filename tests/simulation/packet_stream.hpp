// Bytes to packets: what one end of a connection has sent or received.
#pragma once

#include "trace.hpp"

namespace simulation {

class packet_stream {
public:
    void restart(inflight::protocol_version version) {
        version_ = version;
        bytes_.clear();
    }

    /// Calls `visit` with every packet that is complete now. Whatever is in the stream can be decoded.
    template <class Visitor>
    void add(std::string_view bytes, Visitor&& visit) {
        bytes_.append(bytes);
        std::size_t begin = 0;
        while (true) {
            const auto f = inflight::next_frame(std::string_view(bytes_).substr(begin), version_);
            if (!f && f.error() == inflight::errc::need_more) break;
            require(bool(f), "a stream is made of packets: ", words(f.error()));
            begin += f->size;
            const auto bad = inflight::visit_frame(*f, version_, [&](const auto& p) { visit(p, f->size); });
            require(bad == inflight::errc::none, "each packet can be decoded: ", words(bad));
        }
        bytes_.erase(0, begin);
    }

    inflight::protocol_version version() const { return version_; }

private:
    inflight::protocol_version version_{};
    std::string bytes_{};
};

} // namespace simulation
