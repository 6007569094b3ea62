// inflight/session/flow.hpp - the QoS 1 and QoS 2 delivery protocols as tables, one row per clause.
// Standard: MQTT 5.0 and 3.1.1 sections 4.3.2, 4.3.3, 4.4.
#pragma once

#include <inflight/codec/types.hpp>

#include <optional>

namespace inflight {

enum class flow : std::uint8_t { none, await_puback, await_pubrec, await_pubcomp, await_pubrel };
enum class effect : std::uint8_t { nothing, deliver, settle, settle_downgraded };
enum class verdict : std::uint8_t { any, accepted, refused }; // What the received Reason Code must be.
enum class versions : std::uint8_t { both, only_v3_1_1 };

struct flow_step {
    flow from;
    packet_type received;
    verdict if_reason;
    versions in;
    flow to;
    std::optional<packet_type> reply;
    effect then;
    std::string_view clause;
};

// We are the sender of an Application Message.
inline constexpr auto sender_flow = [] {
    using enum packet_type;
    constexpr auto both = versions::both;
    return std::to_array<flow_step>({
        {flow::await_puback, puback, verdict::any, both, flow::none, std::nullopt, effect::settle, "v5:MQTT-4.3.2-3"},
        {flow::await_pubrec, pubrec, verdict::accepted, both, flow::await_pubcomp, pubrel, effect::nothing, "v5:MQTT-4.3.3-4"},
        {flow::await_pubrec, pubrec, verdict::refused, both, flow::none, std::nullopt, effect::settle, "v5:MQTT-4.4.0-2"},
        {flow::await_pubcomp, pubrec, verdict::accepted, both, flow::await_pubcomp, pubrel, effect::nothing, "v5:MQTT-4.3.3-4"},
        {flow::await_pubcomp, pubrec, verdict::refused, both, flow::none, std::nullopt, effect::settle, "v5:MQTT-4.4.0-2"},
        {flow::await_pubcomp, pubcomp, verdict::any, both, flow::none, std::nullopt, effect::settle, "v5:MQTT-4.3.3-5"},
        // Not in the standard: RabbitMQ answers QoS 2 in 3.1.1 with PUBACK, and nothing more will come.
        {flow::await_pubrec, puback, verdict::any, versions::only_v3_1_1, flow::none, std::nullopt, effect::settle_downgraded, ""},
    });
}();

// We are the receiver of a QoS 2 Application Message, which is delivered when its PUBLISH arrives.
inline constexpr auto receiver_flow = [] {
    using enum packet_type;
    constexpr auto both = versions::both;
    return std::to_array<flow_step>({
        {flow::none, publish, verdict::any, both, flow::await_pubrel, pubrec, effect::deliver, "v5:MQTT-4.3.3-8"},
        {flow::await_pubrel, publish, verdict::any, both, flow::await_pubrel, pubrec, effect::nothing, "v5:MQTT-4.3.3-10"},
        {flow::await_pubrel, pubrel, verdict::any, both, flow::none, pubcomp, effect::nothing, "v5:MQTT-4.3.3-11"},
        {flow::none, pubrel, verdict::any, both, flow::none, pubcomp, effect::nothing, "v5:MQTT-4.3.3-11"},
    });
}();

/// The step for `received` in state `from`; null when the protocol has none.
template <std::size_t N>
constexpr const flow_step* find_step(const std::array<flow_step, N>& table, flow from, packet_type received,
                                     reason_code reason, protocol_version version) {
    for (const flow_step& step : table) {
        const bool judged =
            step.if_reason == verdict::any || (step.if_reason == verdict::refused) == is_refusal(reason);
        const bool spoken = step.in == versions::both || version == protocol_version::v3_1_1;
        if (step.from == from && step.received == received && judged && spoken) return &step;
    }
    return nullptr;
}

} // namespace inflight
