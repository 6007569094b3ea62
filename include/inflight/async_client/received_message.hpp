// inflight/async_client/received_message.hpp - a message as the application gets it, and its acknowledgement.
#pragma once

#include <inflight/codec/message.hpp>
#include <inflight/session/delivery.hpp>
#include <inflight/session/explanation.hpp>

#include <array>
#include <functional>
#include <memory>

namespace inflight {

namespace detail {

struct acknowledger { // The client, as a handle sees it.
    virtual std::error_code acknowledge(const delivery& d, reason_code reason,
                                        explanation::view_type why) = 0;

protected:
    ~acknowledger() = default;
};

} // namespace detail

/// The duty to acknowledge one message; with manual_ack every message that async_receive gives carries one.
/// Move-only. Dropping it unused acknowledges nothing, so that the broker delivers the message again in a
/// later connection.
class ack_handle {
public:
    ack_handle() = default;
    ack_handle(std::weak_ptr<detail::acknowledger> client, const delivery& d)
        : client_(std::move(client)), delivery_(d) {}
    ack_handle(ack_handle&&) = default;
    ack_handle& operator=(ack_handle&&) = default;

    /// Acknowledges; with a Reason Code of 0x80 and above (5.0 only) refuses. `why` is a Reason String and
    /// User Properties (5.0), which go along as far as they fit the broker's Maximum Packet Size. QoS 2: this
    /// is when PUBREC goes out. Acknowledgements leave in the order in which the messages came, so that one
    /// may wait for an earlier one.
    /// Errors: errc::stale_delivery (a QoS 1 message of an earlier connection, a QoS 2 message of a lost
    /// session), errc::unknown_packet_id (repeated), errc::qos_0_acknowledged, errc::shutting_down
    /// (the client is gone), errc::not_supported (a refusal in 3.1.1), errc::reason_not_allowed,
    /// errc::property_not_allowed ...: cannot be sent, and the message is still to be acknowledged.
    std::error_code ack(reason_code reason = reason_code::success, explanation::view_type why = {}) const {
        const auto client = client_.lock();
        return client ? client->acknowledge(delivery_, reason, why) : make_error_code(errc::shutting_down);
    }

private:
    std::weak_ptr<detail::acknowledger> client_{};
    delivery delivery_{};
};

/// A message as it was received. Its QoS is that of the delivery.
struct received_message : message {
    static constexpr std::size_t small = 1024; // Bytes of capacity() that are kept for later messages.

    bool dup = false;
    std::uint16_t mid = 0;    // The packet identifier; 0 for QoS 0.
    inflight::delivery delivery{};
    ack_handle handle{};      // With manual_ack.

    received_message() = default;
    explicit received_message(const received_view& m) { assign(m); }

    /// Becomes a copy of what is in the view, and keeps its memory.
    void assign(const received_view& m) {
        topic.assign(m.topic);
        payload.assign(std::string_view(m.payload));
        qos = m.qos;
        retain = m.retain;
        props.assign(m.props);
        dup = m.dup;
        mid = number(m.id);
        delivery = m.delivery;
        handle = {};
    }

    /// Bytes of memory for topic, payload and properties.
    std::size_t capacity() const { return topic.capacity() + payload.capacity() + props.capacity(); }

    /// It must outlive the view.
    received_view view() const {
        received_view out{packet(), {}, delivery};
        out.dup = dup;
        out.id = packet_id{mid};
        return out;
    }
};

using message_handler = std::function<void(const received_view&)>;

namespace detail {

// Memory of messages that have been dealt with, for the next ones. Each thread has its own.
class spare_messages {
public:
    static spare_messages& of_thread() {
        static thread_local spare_messages spare;
        return spare;
    }

    // What a handler of async_receive() has left of its message: all, if it has only looked at it.
    void take(received_message& left) {
        const std::size_t capacity = left.capacity();
        if (capacity == none_ || capacity > received_message::small || size_ == spare_.size()) return;
        left.handle = {};
        spare_[size_++] = std::move(left);
    }

    // To a message that has no memory.
    void give(received_message& to) {
        if (size_ != 0) to = std::move(spare_[--size_]);
    }

private:
    std::array<received_message, 4> spare_{};
    std::size_t size_ = 0;
    const std::size_t none_ = received_message().capacity();
};

inline void keep_spare(received_message& left) { spare_messages::of_thread().take(left); }

} // namespace detail

} // namespace inflight
