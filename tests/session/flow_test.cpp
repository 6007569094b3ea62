// The tables of flow.hpp against the standard, written down here a second time and in another form: what each
// state must do with each packet. Everything that is not written here must not be a step.
#include <inflight/session/flow.hpp>

#include "support/catch.hpp"

#include <tuple>

using namespace inflight;

namespace {

struct outcome {
    flow to;
    std::optional<packet_type> reply;
    effect then;
    bool operator==(const outcome&) const = default;
};
using step = std::optional<outcome>;

const std::array all_states{flow::none, flow::await_puback, flow::await_pubrec, flow::await_pubcomp, flow::await_pubrel};

step as_sender(flow from, packet_type received, bool refused, bool is_v5) {
    switch (from) {
        case flow::await_puback:
            if (received == packet_type::puback) return outcome{flow::none, std::nullopt, effect::settle};
            return std::nullopt;
        case flow::await_pubrec:
            if (received == packet_type::pubrec && refused) return outcome{flow::none, std::nullopt, effect::settle};
            if (received == packet_type::pubrec) return outcome{flow::await_pubcomp, packet_type::pubrel, effect::nothing};
            if (received == packet_type::puback && !is_v5) return outcome{flow::none, std::nullopt, effect::settle_downgraded};
            return std::nullopt;
        case flow::await_pubcomp:
            if (received == packet_type::pubcomp) return outcome{flow::none, std::nullopt, effect::settle};
            if (received == packet_type::pubrec && refused) return outcome{flow::none, std::nullopt, effect::settle};
            if (received == packet_type::pubrec) return outcome{flow::await_pubcomp, packet_type::pubrel, effect::nothing};
            return std::nullopt;
        case flow::none:
        case flow::await_pubrel: return std::nullopt;
    }
    return std::nullopt;
}

step as_receiver(flow from, packet_type received) {
    if (from != flow::none && from != flow::await_pubrel) return std::nullopt;
    if (received == packet_type::publish)
        return outcome{flow::await_pubrel, packet_type::pubrec, from == flow::none ? effect::deliver : effect::nothing};
    if (received == packet_type::pubrel) return outcome{flow::none, packet_type::pubcomp, effect::nothing};
    return std::nullopt;
}

step found(const flow_step* s) {
    return s ? step(outcome{s->to, s->reply, s->then}) : std::nullopt;
}

template <class Check>
void for_all(Check check) {
    for (const flow from : all_states)
        for (int type = 0; type != 16; ++type)
            for (int code = 0; code != 256; ++code)
                for (const auto version : {protocol_version::v3_1_1, protocol_version::v5})
                    check(from, static_cast<packet_type>(type), static_cast<reason_code>(code), version);
}

} // namespace

TEST_CASE("flow: a sender steps as the standard says in every state, and in no other way",
          "[session][v5:MQTT-4.3.3-4][v5:MQTT-4.3.3-5][v5:MQTT-4.4.0-2][v3:MQTT-4.3.3-1]") {
    int steps = 0;
    for_all([&](flow from, packet_type type, reason_code reason, protocol_version version) {
        const step got = found(find_step(sender_flow, from, type, reason, version));
        if (got) ++steps;
        if (got == as_sender(from, type, is_refusal(reason), version == protocol_version::v5)) return;
        CAPTURE(static_cast<int>(from), name(type), static_cast<int>(reason), static_cast<int>(version));
        FAIL_CHECK("another step");
    });
    // PUBACK, two kinds of PUBREC in two states, PUBCOMP, each for all codes and both versions; the downgrade for one.
    CHECK(steps == 4 * 2 * 256 + 256);
}

TEST_CASE("flow: a receiver of QoS 2 delivers once, and answers PUBLISH and PUBREL in both states",
          "[session][v5:MQTT-4.3.3-8][v5:MQTT-4.3.3-10][v5:MQTT-4.3.3-11][v3:MQTT-4.3.3-2]") {
    int steps = 0;
    for_all([&](flow from, packet_type type, reason_code reason, protocol_version version) {
        const step got = found(find_step(receiver_flow, from, type, reason, version));
        if (got) ++steps;
        if (got == as_receiver(from, type)) return;
        CAPTURE(static_cast<int>(from), name(type), static_cast<int>(reason), static_cast<int>(version));
        FAIL_CHECK("another step");
    });
    CHECK(steps == 2 * 2 * 512);
}

TEST_CASE("flow: no two rows of a table are for the same thing", "[session]") {
    const auto unambiguous = [](const auto& table) {
        for_all([&](flow from, packet_type type, reason_code reason, protocol_version version) {
            int matching = 0;
            for (const flow_step& row : table) {
                const std::array<flow_step, 1> alone{row};
                if (find_step(alone, from, type, reason, version)) ++matching;
            }
            if (matching > 1) FAIL_CHECK("ambiguous");
        });
    };
    unambiguous(sender_flow);
    unambiguous(receiver_flow);
}

TEST_CASE("flow: the downgrade row alone has no clause of the standard", "[session]") {
    for (const flow_step& row : sender_flow) CHECK(row.clause.empty() == (row.then == effect::settle_downgraded));
    for (const flow_step& row : receiver_flow) CHECK_FALSE(row.clause.empty());
}
