// What one world is like. Each kind of fault is there in some worlds and absent in others: where everything happens,
// much hides behind something else.
#pragma once

#include "disk.hpp"
#include "trace.hpp"

#include <inflight/session.hpp>

namespace simulation {

using namespace std::chrono_literals;
using inflight::qos;

enum class acknowledging { at_once, slowly, by_hand };

struct profile {
    inflight::protocol_version version{};
    inflight::session_options options{};
    durability store{};
    acknowledging application{};
    duration latency{};
    std::size_t largest_payload = 0;
    bool has_history = false; // An earlier process has left messages in the store.

    // Which faults there are, and how often: of 100 turns of fate, or of 100 that could be hit.
    unsigned cuts = 0, stalls = 0, restarts = 0, losses = 0, refusals = 0, late_acknowledgements = 0, crashes = 0;
    qos maximum_qos = qos::exactly_once; // Of the server, in 5.0.
    bool limits_change = false;   // Receive Maximum, Maximum Packet Size, keep alive ... with each connection.
    bool versions_change = false; // Now and then the server speaks one version only.
    bool bad_writes = false;      // The transport takes a part, late.

    /// What the session wants to send leaves at once.
    bool writes_promptly() const { return !bad_writes && store != durability::later; }

    // What the application does besides publishing, of 100 things.
    unsigned expiring = 0, cancels = 0, refusing = 0, pauses = 0, disconnects = 0, resubscribes = 0, adjusts = 0;
};

inline inflight::session_options draw_options(dice& d) {
    inflight::session_options o;
    o.client_id = "client";
    o.keep_session = d.chance(70);
    o.session_expiry = d.one_of({300s, 300s, 20s, 5s});
    o.keep_alive = d.one_of({60s, 10s, 4s, 0s});
    o.ack_timeout = d.one_of({20'000ms, 3'000ms, 0ms});
    using inflight::queue_policy;
    o.on_full_queue = d.one_of({queue_policy::reject, queue_policy::drop_oldest, queue_policy::drop_oldest_qos_0});
    o.on_lost_session = d.chance(70) ? inflight::lost_session_policy::republish : inflight::lost_session_policy::fail;
    o.resubscribe = d.chance(80);
    o.max_inflight_messages = d.one_of<std::uint16_t>({0, 0, 1, 3, 10});
    o.max_queued_messages = d.one_of<std::size_t>({0, 0, 3, 8});
    o.max_queued_bytes = d.one_of<std::size_t>({64u << 20, 64u << 20, 12'000});
    o.receive_maximum = d.one_of<std::uint16_t>({1024, 1, 2, 5, 65'535});
    o.maximum_packet_size = d.one_of<std::uint32_t>({16u << 20, 16u << 20, 2'000});
    o.topic_alias_maximum = d.one_of<std::uint16_t>({0, 3});
    o.outgoing_topic_aliases = d.one_of<std::uint16_t>({16, 2, 0});
    o.first_packet_id = d.one_of<std::uint16_t>({1, 65'520, 65'534});
    return o;
}

inline profile draw_profile(dice& d) {
    const auto sometimes = [&](unsigned one_in_two, unsigned rate) { return d.chance(one_in_two) ? rate : 0u; };
    profile p;
    p.version = d.chance(60) ? inflight::protocol_version::v5 : inflight::protocol_version::v3_1_1;
    p.options = draw_options(d);
    p.store = d.one_of({durability::none, durability::at_once, durability::later});
    p.application = d.one_of({acknowledging::at_once, acknowledging::slowly, acknowledging::by_hand});
    p.latency = d.one_of<duration>({0ms, 5ms, 80ms, 400ms});
    p.largest_payload = d.one_of<std::size_t>({20, 300, 20'000});
    p.has_history = p.store != durability::none && p.options.keep_session && d.chance(40);
    p.cuts = sometimes(75, 25);
    p.stalls = sometimes(40, 8);
    p.restarts = sometimes(40, 5);
    p.losses = sometimes(50, 50);
    p.refusals = sometimes(30, 15);
    p.late_acknowledgements = sometimes(40, 10);
    p.crashes = sometimes(40, 4);
    p.limits_change = d.chance(50);
    p.versions_change = d.chance(10);
    if (p.versions_change) p.options.maximum_packet_size = 16u << 20; // Which only 5.0 announces.
    if (!p.versions_change && d.chance(10)) p.maximum_qos = d.one_of({qos::at_most_once, qos::at_least_once});
    p.bad_writes = d.chance(40);
    p.expiring = sometimes(40, 25);
    p.cancels = sometimes(30, 6);
    p.refusing = sometimes(20, p.versions_change ? 0 : 10); // A refusal that waits would be none in 3.1.1.
    p.pauses = sometimes(30, 4);
    p.disconnects = sometimes(30, 3);
    p.resubscribes = sometimes(40, 6);
    p.adjusts = sometimes(30, 4);
    return p;
}

inline std::string describe(const profile& p) {
    constexpr std::array policies{"reject", "drop oldest", "drop oldest QoS 0", "wait"};
    constexpr std::array stores{"none", "at once", "later"};
    constexpr std::array takers{"at once", "slowly", "by hand"};
    const auto& o = p.options;
    const bool is_v5 = p.version == inflight::protocol_version::v5;
    const bool republishes = o.on_lost_session == inflight::lost_session_policy::republish;
    std::ostringstream out;
    out << (is_v5 ? "5.0" : "3.1.1") << (p.versions_change ? " or the other" : "") << (o.keep_session ? ", session kept" : "")
        << ", expiry " << o.session_expiry.count() << " s, lost session: " << (republishes ? "republish" : "fail")
        << (o.resubscribe ? "" : ", no renewal") << ", keep alive " << o.keep_alive.count() << " s, ack timeout "
        << o.ack_timeout.count() << " ms, window " << o.max_inflight_messages << ", queue " << o.max_queued_messages << " / "
        << o.max_queued_bytes << " bytes (" << policies[static_cast<std::size_t>(o.on_full_queue)] << "), Receive Maximum "
        << o.receive_maximum << ", topic aliases " << o.outgoing_topic_aliases << ", first identifier " << *o.first_packet_id << ", store: "
        << stores[static_cast<std::size_t>(p.store)] << (p.has_history ? " with history" : "") << ", acknowledges "
        << takers[static_cast<std::size_t>(p.application)] << ", payloads up to " << p.largest_payload;
    return out.str();
}

} // namespace simulation
