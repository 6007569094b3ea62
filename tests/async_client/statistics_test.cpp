// What a client counts, and what it shows of its packets. Server and network in memory, on virtual time.
#include "support/catch.hpp"
#include "support/options_for.hpp"
#include "support/short_names.hpp"

#include <inflight/testing/memory_transport.hpp>

using namespace inflight;
using namespace std::chrono_literals;
using testing::direction, testing::link_state, testing::memory_client, testing::network;

namespace {

struct statistics_world {
    network net{};
    client_options options;
    std::optional<memory_client> client{};

    explicit statistics_world(protocol_version version = v5) : options(options_for("c", version)) {}
    void connect() {
        if (!client) client.emplace(net.context(), options);
        client->async_connect([](auto...) {});
        REQUIRE(net.run_until([&] { return client->is_connected(); }));
    }
    client_statistics now() { return client->statistics(); }
    void publish(qos level, std::string_view topic = "t") { (void)client->publish(topic, "x", level); }
    void receive(const std::string& topic, qos level) {
        REQUIRE(net.server().publish({topic, "y", level}, net.now()) == errc::none);
        net.run_ready();
    }
    void subscribe(const std::string& filter, qos level) {
        client->async_subscribe(filter, level, [](auto...) {});
        net.run_ready();
    }
};

} // namespace

TEST_CASE("statistics: what waits, is in flight, has been sent and received", "[async_client]") {
    statistics_world w(GENERATE(v3, v5));
    w.options.max_inflight_messages = 2;
    w.connect();
    CHECK(w.now().connections == 1);
    w.net.set_link(link_state::silent);
    for (int i = 0; i != 5; ++i) w.publish(qos::at_least_once);
    w.publish(qos::at_most_once);
    w.net.run_ready();
    client_statistics s = w.now();
    CHECK(s.in_flight == 2);
    CHECK(s.waiting == 3);
    CHECK(s.messages_sent == 3); // One of QoS 0 overtakes them.
    CHECK(s.bytes > 5 * 4);
    w.net.set_link(link_state::up);
    w.net.run_ready();
    s = w.now();
    CHECK(s.in_flight == 0);
    CHECK(s.waiting == 0);
    CHECK(s.bytes == 0);
    CHECK(s.messages_sent == 6);
    CHECK(s.messages_resent == 0);
    CHECK(s.bytes_sent > 6 * 5);

    w.subscribe("in/#", qos::exactly_once);
    const auto before = w.now().bytes_received;
    for (const qos level : {qos::at_most_once, qos::at_least_once, qos::exactly_once}) w.receive("in/a", level);
    s = w.now();
    CHECK(s.messages_received == 3);
    CHECK(s.inbound_messages == 3);
    CHECK(s.inbound_bytes == 3 * 5);
    CHECK(s.bytes_received > before);
    CHECK(s.duplicates_received == 0);
}

TEST_CASE("statistics: sending again and reconnecting are counted", "[async_client]") {
    statistics_world w(v5);
    w.connect();
    w.net.server().faults().lose(direction::to_client, packet_type::puback, 1).lose(direction::to_client, packet_type::puback, 2);
    w.publish(qos::at_least_once);
    w.publish(qos::at_least_once);
    w.net.run_ready();
    w.net.set_link(link_state::down);
    w.net.run_for(5s);
    w.net.set_link(link_state::up);
    REQUIRE(w.net.run_until([&] { return w.client->unsettled() == 0; }));
    const client_statistics s = w.now();
    CHECK(s.messages_sent == 2);
    CHECK(s.messages_resent == 2);
    CHECK(s.connections == 2);
    CHECK(s.failed_attempts >= 2);
}

TEST_CASE("statistics: in 3.1.1 what is sent again on the same connection counts, and its answer is not timed", "[async_client]") {
    statistics_world w(v3);
    w.options.ack_timeout = 1s;
    w.connect();
    w.net.server().faults().lose(direction::to_client, packet_type::puback);
    w.publish(qos::at_least_once);
    REQUIRE(w.net.run_until([&] { return w.client->unsettled() == 0; }));
    const client_statistics s = w.now();
    CHECK(s.messages_sent == 1);
    CHECK(s.messages_resent == 1);
    CHECK(s.connections == 1);
    CHECK(s.acknowledgement.samples == 0);
}

TEST_CASE("statistics: round trips are measured from sending to the answer", "[async_client]") {
    statistics_world w(v5);
    w.options.keep_alive = 10s;
    w.connect();
    CHECK(w.now().acknowledgement.samples == 0);
    auto& faults = w.net.server().faults();
    faults.delay(direction::to_client, packet_type::puback, 1, 80ms).delay(direction::to_client, packet_type::pubrec, 1, 40ms);
    w.publish(qos::at_least_once);
    w.net.run_for(1s);
    CHECK(w.now().acknowledgement.last == 80ms);
    w.publish(qos::exactly_once);
    w.net.run_for(1s);
    const round_trip one = w.now().acknowledgement;
    CHECK(one.last == 40ms);
    CHECK(one.least == 40ms);
    CHECK(one.smoothed == 75ms);
    CHECK(one.samples == 2);

    faults.delay(direction::to_client, packet_type::pingresp, 1, 30ms);
    w.net.run_for(25s);
    const round_trip ping = w.now().keep_alive;
    CHECK(ping.samples == 2);
    CHECK(ping.last == 0ms);
    CHECK(ping.smoothed == 30ms - 30'000us / 8);
}

TEST_CASE("statistics: one message at a time is timed, and not over a lost connection", "[async_client]") {
    statistics_world w(v5);
    w.connect();
    auto& faults = w.net.server().faults();
    faults.lose(direction::to_client, packet_type::puback);
    w.publish(qos::at_least_once); // Timed, and its answer is lost.
    w.publish(qos::at_least_once);
    w.net.run_ready();
    CHECK(w.now().acknowledgement.samples == 0);
    w.net.cut();
    REQUIRE(w.net.run_until([&] { return w.client->unsettled() == 0; }));
    CHECK(w.now().acknowledgement.samples == 1); // Of the second sending.
    CHECK(w.now().acknowledgement.last == 0ms);
}

TEST_CASE("statistics: repeats of the broker are counted, and those of QoS 2 are suppressed", "[async_client]") {
    statistics_world w(v5);
    w.connect();
    w.subscribe("in", qos::exactly_once);
    w.receive("in", qos::at_least_once);
    w.receive("in", qos::exactly_once);
    w.net.cut(); // Neither has been acknowledged: the application has not asked for the next one.
    REQUIRE(w.net.run_until([&] { return w.client->is_connected() && w.now().connections == 2; }));
    w.net.run_ready();
    const client_statistics s = w.now();
    CHECK(s.messages_received == 3);
    CHECK(s.duplicates_received == 2);
    CHECK(s.repeats_suppressed == 1);
    CHECK(s.inbound_messages == 2);
}

TEST_CASE("statistics: each message that does not get through is counted by its reason", "[async_client]") {
    statistics_world w(v5);
    w.options.max_queued_messages = 2;
    w.options.on_full_queue = queue_policy::drop_oldest;
    w.client.emplace(w.net.context(), w.options);
    const auto expiring = [](std::uint32_t seconds) {
        message m("t", "x", qos::at_least_once);
        m.props.set<property_id::message_expiry_interval>(seconds);
        return m;
    };
    w.publish(qos::at_least_once, "bad/#");
    w.client->async_publish(message("bad/+", "x", qos::at_least_once), [](auto...) {});
    CHECK(w.now().rejected == 2);
    for (int i = 0; i != 3; ++i) w.publish(qos::at_least_once);
    CHECK(w.now().dropped == 1);
    (void)w.client->publish(expiring(1));
    CHECK(w.now().dropped == 2);
    w.net.set_link(link_state::down);
    w.client->async_connect([](auto...) {});
    w.net.run_for(3s);
    CHECK(w.now().expired == 1);
    CHECK(w.now().waiting == 1);
    w.net.set_link(link_state::up);
    w.connect();
    w.net.run_ready();
    CHECK(w.now().waiting == 0);

    w.net.set_link(link_state::silent);
    for (int i = 0; i != 2; ++i) w.publish(qos::at_least_once);
    w.client->async_disconnect(1s, reason_code::success, [](auto...) {});
    w.net.run_for(5s);
    const client_statistics s = w.now();
    CHECK(s.abandoned == 2);
    CHECK(s.dropped == 2);
    CHECK(s.expired == 1);
    CHECK(s.refused + s.session_lost + s.connection_lost + s.not_sendable == 0);
}

TEST_CASE("statistics: a message that another broker does not take, and one that a lost session takes along", "[async_client]") {
    statistics_world w(v5);
    w.options.on_lost_session = lost_session_policy::fail;
    w.connect();
    w.net.server().faults().lose(direction::to_client, packet_type::puback);
    w.publish(qos::at_least_once);
    w.net.run_ready();
    testing::server_options poor;
    poor.maximum_qos = qos::at_most_once;
    w.net.server().set_options(poor);
    w.net.set_link(link_state::down);
    w.net.run_ready();
    w.publish(qos::at_least_once);
    w.net.server().restart(false, w.net.now());
    w.net.set_link(link_state::up);
    REQUIRE(w.net.run_until([&] { return w.client->unsettled() == 0; }));
    CHECK(w.now().session_lost == 1);
    CHECK(w.now().not_sendable == 1);
}

TEST_CASE("packets: on_packet gets each one whole, in order, with its time", "[async_client]") {
    statistics_world w(v5);
    std::vector<std::string> lines;
    std::vector<time_point> times;
    w.options.on_packet = [&](const packet_event& e) {
        CHECK(next_frame(e.bytes, e.version)->size == e.bytes.size());
        lines.push_back(print(e));
        times.push_back(e.time);
        (void)w.client->is_connected(); // It may call the client.
    };
    w.connect();
    w.net.run_for(1s);
    w.publish(qos::exactly_once);
    const auto begin = w.net.now();
    w.net.run_ready();
    REQUIRE(lines.size() == 6);
    CHECK(lines[0].starts_with("> CONNECT version=5.0"));
    CHECK(lines[1].starts_with("< CONNACK"));
    CHECK(lines[2] == "> PUBLISH qos=2 topic='t' id=1 payload='x' (1 byte)");
    CHECK(lines[3].starts_with("< PUBREC id=1"));
    CHECK(lines[4].starts_with("> PUBREL id=1"));
    CHECK(lines[5].starts_with("< PUBCOMP id=1"));
    CHECK(times[0] == begin - 1s);
    CHECK(times[2] == begin);
}
