// inflight/session/delivery.hpp - a received message, and its name.
#pragma once

#include <inflight/codec/message_properties.hpp>
#include <inflight/codec/packet.hpp>

namespace inflight {

/// Names one delivered QoS 1 or 2 message until it has been acknowledged.
struct delivery {
    std::uint64_t sequence = 0;
    std::uint32_t connection = 0; // The connection it came over: a QoS 1 delivery is stale on any later one.
    packet_id id{};
    inflight::qos qos{};
    friend bool operator==(const delivery&, const delivery&) = default;
};

/// A message as it was received, with its full topic, borrowed: good until the handler that gets it returns.
struct received_view : publish, message_property_getters<received_view, packet_type::publish> {
    inflight::delivery delivery{};
};

} // namespace inflight
