// inflight/async_client/message_memory.hpp - the memory of received messages, for those that come after them.
#pragma once

#include <inflight/async_client/received_message.hpp>

#include <utility>
#include <vector>

namespace inflight::detail {

/// Owned copies of received messages. What the application has seen and left is given back, and its memory
/// serves another one, so that receiving in the steady state allocates nothing.
class message_memory {
public:
    static constexpr std::size_t small = 1024; // Bytes of a message; the memory of larger ones is not kept.
    static constexpr std::size_t kept = 4096, kept_bytes = 512 * 1024; // At most, of all that are kept.

    received_message own(const received_view& view) {
        if (free_.empty()) return received_message(view);
        received_message m = std::move(free_.back());
        free_.pop_back();
        bytes_ -= memory_of(m);
        m.assign(view);
        return m;
    }

    void give_back(received_message&& m) {
        const std::size_t size = memory_of(m);
        if (size > small || free_.size() == kept || bytes_ + size > kept_bytes) return;
        bytes_ += size;
        free_.push_back(std::move(m));
    }

    void trim() {
        std::vector<received_message>().swap(free_);
        bytes_ = 0;
    }

private:
    static std::size_t memory_of(const received_message& m) {
        return m.topic.capacity() + m.payload.capacity() + m.props.bytes().size();
    }

    std::vector<received_message> free_{};
    std::size_t bytes_ = 0;
};

} // namespace inflight::detail
