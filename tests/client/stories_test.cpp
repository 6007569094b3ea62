// The stories a user tells of his messages, each against a server that the test plays.
#include "client_support.hpp"

namespace {

client_options keeping_session(protocol_version version) {
    client_options o = test_options(version);
    o.keep_session_for(300s);
    o.first_packet_id = 7; // Not the one that is drawn at random.
    return o;
}

/// A subscriber that acknowledges by hand. Destroyed, it is gone without a word.
struct subscriber {
    journal j{};
    client c;

    subscriber(fake_server& server, protocol_version version, bool session_present) : c(keeping_session(version)) {
        c.on_message([this](const received_message& m) { j.add(m.payload + (m.dup ? " again" : "")); });
        c.manual_ack_set(true);
        c.loop_start();
        REQUIRE_FALSE(c.connect_async(here, server.port()));
        const auto wish = server.connect(connack{.session_present = session_present});
        CHECK_FALSE(wish->as<inflight::connect>().clean_start);
    }
};

// Nothing but this has been said since the last packet that was expected.
void expect_silence(client& c, fake_server& server) {
    c.publish("mark", "");
    server.expect("PUBLISH qos=0 topic='mark'");
}

/// The client's part of the end of a delivery; for QoS 2 the server's too.
void expect_acknowledged(fake_server& server, qos level, unsigned number) {
    if (level == qos::at_least_once) return server.expect(puback{.id = id(number)});
    server.expect(pubrec{.id = id(number)});
    server.send(pubrel{.id = id(number)});
    server.expect(pubcomp{.id = id(number)});
}

} // namespace

TEST_CASE("story: PUBACK lost, the message is sent again with the same MID and DUP", "[client][v5:MQTT-4.4.0-1][v3:MQTT-4.4.0-1]") {
    const auto version = GENERATE(v5, v3);
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    fake_server server;
    client c(keeping_session(version));
    REQUIRE_FALSE(c.connect_async(here, server.port()));
    server.connect();
    const auto [status, mid] = c.publish("a", "x", level);
    CHECK(mid == 7);
    server.expect(publish{.qos = level, .topic = "a", .id = id(mid), .payload = "x"});
    server.close(); // The acknowledgement never arrives.
    server.connect(connack{.session_present = true});
    server.expect(publish{.dup = true, .qos = level, .topic = "a", .id = id(mid), .payload = "x"});
    if (level == qos::at_least_once) {
        server.send(puback{.id = id(mid)});
    } else {
        server.send(pubrec{.id = id(mid)});
        server.expect(pubrel{.id = id(mid)});
        server.send(pubcomp{.id = id(mid)});
    }
    CHECK_FALSE(c.wait_for_publish(mid, patience));
    CHECK(c.unsettled() == 0);
}

TEST_CASE("story: the broker had the message already, the subscriber sees a duplicate, of QoS 2 it sees none",
          "[client][v5:MQTT-4.3.2-5][v5:MQTT-4.3.3-10][v3:MQTT-4.3.3-2]") {
    const auto version = GENERATE(v5, v3);
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    fake_server server;
    subscriber s(server, version, false);
    server.send(delivered(1, level, "t", "x"));
    // The repeated message is a new one to the broker in QoS 1; in QoS 2 it knows the identifier, and so do we.
    if (level == qos::at_least_once) server.send(delivered(2, level, "t", "x"));
    else server.send(delivered(1, level, "t", "x", true));
    server.send(delivered(3, level, "t", "end"));
    CHECK(s.j.wait_for(level == qos::at_least_once ? 3 : 2) == (level == qos::at_least_once ? trace{"x", "x", "end"} : trace{"x", "end"}));
}

TEST_CASE("story: subscriber offline, what was stored is delivered on its return", "[client]") {
    const auto version = GENERATE(v5, v3);
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    fake_server server;
    subscriber s(server, version, true); // Subscribes to nothing: the session has its subscriptions.
    server.send(delivered(1, level, "t", "1"));
    server.send(delivered(2, level, "t", "2"));
    CHECK(s.j.wait_for(2) == trace{"1", "2"});
    CHECK_FALSE(s.c.publish_release(1));
    expect_acknowledged(server, level, 1);
    CHECK_FALSE(s.c.publish_release(2));
    expect_acknowledged(server, level, 2);
}

TEST_CASE("story: the subscriber dies before the acknowledgement, the message is delivered again",
          "[client][v5:MQTT-4.3.2-4][v3:MQTT-4.3.2-2]") {
    const auto version = GENERATE(v5, v3);
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    fake_server server;
    {
        subscriber first(server, version, false);
        server.send(delivered(1, level, "t", "x"));
        first.j.wait_for(1);
        expect_silence(first.c, server);
    }
    server.expect_closed();
    subscriber second(server, version, true);
    server.send(delivered(1, level, "t", "x", true));
    CHECK(second.j.wait_for(1) == trace{"x again"});
    CHECK_FALSE(second.c.publish_release(1));
    expect_acknowledged(server, level, 1);
    CHECK(second.j.size() == 1);
}

TEST_CASE("story: publish_release() acknowledges, and nothing else does", "[client][v5:MQTT-4.3.3-8]") {
    const auto version = GENERATE(v5, v3);
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    fake_server server;
    subscriber s(server, version, false);
    server.send(delivered(1, level, "t", "x"));
    s.j.wait_for(1);
    expect_silence(s.c, server);
    CHECK_FALSE(s.c.publish_release(1));
    expect_acknowledged(server, level, 1);
    expect_silence(s.c, server);
}

TEST_CASE("story: an unknown or repeated publish_release() is reported, and nothing is sent", "[client]") {
    const auto version = GENERATE(v5, v3);
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    fake_server server;
    subscriber s(server, version, false);
    CHECK(s.c.publish_release(1) == errc::unknown_packet_id);
    server.send(delivered(1, level, "t", "x"));
    s.j.wait_for(1);
    CHECK_FALSE(s.c.publish_release(1));
    expect_acknowledged(server, level, 1);
    CHECK(s.c.publish_release(1) == errc::unknown_packet_id);
    CHECK(s.c.publish_release(0) == errc::qos_0_acknowledged);
    expect_silence(s.c, server);
}
