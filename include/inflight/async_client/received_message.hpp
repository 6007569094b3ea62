// inflight/async_client/received_message.hpp - a message as the application gets it, and its acknowledgement.
#pragma once

#include <inflight/codec/message.hpp>
#include <inflight/session/delivery.hpp>

#include <functional>
#include <memory>

namespace inflight {

namespace detail {

struct acknowledger { // The client, as a handle sees it.
    virtual std::error_code acknowledge(const delivery& d, reason_code reason) = 0;

protected:
    ~acknowledger() = default;
};

} // namespace detail

/// The duty to acknowledge one message; with manual_ack every received QoS 1 and 2 message carries one.
/// Move-only. Dropping it unused acknowledges nothing, so that the broker delivers the message again in a
/// later connection.
class ack_handle {
public:
    ack_handle() = default;
    ack_handle(std::weak_ptr<detail::acknowledger> client, const delivery& d)
        : client_(std::move(client)), delivery_(d) {}
    ack_handle(ack_handle&&) = default;
    ack_handle& operator=(ack_handle&&) = default;

    /// Acknowledges; with a Reason Code of 0x80 and above (5.0 only) refuses. QoS 2: this is when PUBREC goes
    /// out. Acknowledgements leave in the order in which the messages came, so that one may wait for an
    /// earlier one.
    /// Errors: errc::stale_delivery (a QoS 1 message of an earlier connection, a QoS 2 message of a lost
    /// session), errc::unknown_packet_id (repeated), errc::shutting_down (the client is gone),
    /// errc::not_supported.
    std::error_code ack(reason_code reason = reason_code::success) const {
        const auto client = client_.lock();
        return client ? client->acknowledge(delivery_, reason) : make_error_code(errc::shutting_down);
    }

private:
    std::weak_ptr<detail::acknowledger> client_{};
    delivery delivery_{};
};

/// A message as it was received. Its QoS is that of the delivery.
struct received_message : message {
    bool dup = false;
    std::uint16_t mid = 0;    // The packet identifier; 0 for QoS 0.
    inflight::delivery delivery{};
    ack_handle handle{};      // With manual_ack.

    received_message() = default;
    explicit received_message(const received_view& m)
        : message(m.topic, m.payload, m.qos, m.retain, properties<packet_type::publish>(m.props)),
          dup(m.dup), mid(number(m.id)), delivery(m.delivery) {}

    /// It must outlive the view.
    received_view view() const {
        received_view out{packet(), {}, delivery};
        out.dup = dup;
        out.id = packet_id{mid};
        return out;
    }
};

using message_handler = std::function<void(const received_view&)>;

} // namespace inflight
