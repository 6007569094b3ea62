// inflight/codec/message.hpp - Application Messages that own what they hold.
#pragma once

#include <inflight/codec/message_properties.hpp>
#include <inflight/codec/packet.hpp>

namespace inflight {

/// An Application Message: what is published, and what subscribers get. (It has a constructor because GCC 12
/// destroys a braced aggregate twice when it is an argument inside a co_await expression.)
struct message : message_properties<message, packet_type::publish> {
    std::string topic{};
    std::string payload{};
    inflight::qos qos = qos::at_most_once;
    bool retain = false;
    properties<packet_type::publish> props{}; // Ignored where the connection speaks 3.1.1.

    message() = default;
    message(std::string_view name, bytes_view content, inflight::qos level = qos::at_most_once,
            bool is_retained = false, properties<packet_type::publish> properties = {})
        : topic(name),
          payload(std::string_view(content)),
          qos(level),
          retain(is_retained),
          props(std::move(properties)) {}
    friend bool operator==(const message&, const message&) = default;

    /// The packet that carries this message. It borrows: the message must outlive it.
    publish packet() const {
        return {.qos = qos, .retain = retain, .topic = topic, .props = props.view(), .payload = payload};
    }
};

/// The message a packet carries, copied out of the packet's buffer.
inline message own(const publish& p) {
    return {p.topic, p.payload, p.qos, p.retain, properties<packet_type::publish>(p.props)};
}

/// The Will Message: published by the broker when this client goes away without a word.
struct will_message : message_properties<will_message, packet_type::will> {
    std::string topic{};
    std::string payload{};
    inflight::qos qos = qos::at_most_once;
    bool retain = false;
    properties<packet_type::will> props{};

    will_message() = default;
    will_message(std::string_view name, bytes_view content, inflight::qos level = qos::at_most_once,
                 bool is_retained = false, properties<packet_type::will> properties = {})
        : topic(name),
          payload(std::string_view(content)),
          qos(level),
          retain(is_retained),
          props(std::move(properties)) {}

    using message_properties::will_delay_interval;
    will_message& will_delay_interval(std::chrono::seconds delay) {
        return set<property_id::will_delay_interval>(four_bytes(delay));
    }

    will packet() const { return {props.view(), topic, payload, qos, retain}; }
};

} // namespace inflight
