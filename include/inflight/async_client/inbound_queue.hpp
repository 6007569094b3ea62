// inflight/async_client/inbound_queue.hpp - received messages on their way to the application.
#pragma once

#include <inflight/async_client/received_message.hpp>
#include <inflight/session/numbered_queue.hpp>

#include <algorithm>
#include <utility>

namespace inflight {

/// Bounded by count and by bytes. A message that has been dealt with can leave its memory for those to come:
/// pop_in_exchange().
class inbound_queue {
public:
    inbound_queue(std::size_t max_messages, std::size_t max_bytes)
        : max_messages_(std::max<std::size_t>(max_messages, 1)),
          max_bytes_(max_bytes),
          most_(max_messages_) {}

    bool empty() const { return messages_.empty(); }
    std::size_t size() const { return messages_.size(); }
    std::size_t bytes() const { return bytes_; }
    bool has_room() const { return messages_.size() < max_messages_ && bytes_ < max_bytes_; }
    /// This one, or another one of the same connection.
    bool is_full() const { return messages_.size() >= most_ || bytes_ >= max_bytes_; }
    /// Beyond this nothing is taken any more, whatever for.
    bool is_overfull() const {
        return are_others_overfull_ || bytes_ >= 2 * max_bytes_ ||
               messages_.size() >= 64 * max_messages_ + 65'536;
    }
    /// Whether one of the others is full, or overfull.
    void set_others(bool are_full, bool are_overfull) {
        most_ = are_full ? 0 : max_messages_;
        are_others_overfull_ = are_overfull;
    }

    void push(received_message&& m) {
        bytes_ += size_of(m);
        messages_.push(std::move(m));
    }

    /// Adds a copy.
    received_message& push(const received_view& m) {
        received_message& added = messages_.next();
        added.assign(m);
        bytes_ += size_of(added);
        messages_.push_next();
        return added;
    }

    /// Forgets QoS 1 messages that have come since this connection.
    void drop_since(std::uint32_t connection) {
        for (std::size_t n = size(); n != 0; --n) {
            received_message m = pop();
            if (m.qos != qos::at_least_once || m.delivery.connection < connection) push(std::move(m));
        }
    }

    received_message pop() {
        received_message m;
        pop_to([&](received_message&& oldest) { m = std::move(oldest); });
        return m;
    }
    /// Spares a message on its way to somewhere else the detour. `taker` does nothing with the queue, and
    /// makes a new message of this one: assigned to one that has memory, it would leave that memory here.
    template <class Taker>
    void pop_to(Taker&& taker) {
        received_message& oldest = messages_.front();
        bytes_ -= size_of(oldest);
        taker(std::move(oldest));
        messages_.pop();
    }
    /// To where it may be left (spare_messages): its place gets spare memory for that.
    template <class Taker>
    void pop_for_spare(Taker&& taker) {
        pop_to([&](received_message&& oldest) {
            taker(std::move(oldest));
            detail::spare_messages::of_thread().give(oldest);
        });
    }
    /// In exchange for one that has been dealt with, and whose memory is small.
    void pop_in_exchange(received_message& spent) {
        pop_to([&](received_message&& oldest) { std::swap(oldest, spent); });
    }
    /// Of a message that has been dealt with: gives back its memory, unless that is small.
    static void release_large(received_message& m) {
        if (m.capacity() > received_message::small)
            (void)std::exchange(m, {}); // Assigned to, it would keep it.
    }

    /// Gives back what a burst has needed, if it is over.
    void shrink_to_fit() { messages_.shrink_to_fit(); }

    static std::size_t size_of(const received_message& m) {
        return m.topic.size() + m.payload.size() + m.props.bytes().size();
    }

private:
    std::size_t max_messages_, max_bytes_, most_;
    bool are_others_overfull_ = false;
    std::size_t bytes_ = 0;
    detail::numbered_queue<received_message> messages_{};
};

} // namespace inflight
