// Messages from the broker: when they are delivered, and when and in which order they are acknowledged.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"
#include "support/hex.hpp"

using namespace inflight;
using namespace std::chrono_literals;

namespace {

publish sends(unsigned n, qos level, std::string_view topic = "t") {
    return {.qos = level, .topic = topic, .id = level == qos_0 ? packet_id::none : id(n)};
}

std::string delivered(unsigned n, qos level) {
    return "PUBLISH qos=" + std::to_string(static_cast<int>(level)) + " topic='t' id=" + std::to_string(n) + " payload='' (0 bytes)";
}

publish aliased(std::string_view topic, std::uint32_t alias, qos level = qos_0) {
    static properties<packet_type::publish> props;
    props.clear();
    props.set<property_id::topic_alias>(alias);
    publish p = sends(1, level, topic);
    p.props = props;
    return p;
}

} // namespace

TEST_CASE("receive: QoS 0 is delivered and not acknowledged", "[session][v5:MQTT-3.3.4-1][v3:MQTT-3.3.4-1]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    CHECK(p.gets(publish{.retain = true, .topic = "t", .payload = "x"}) == trace{"PUBLISH retain qos=0 topic='t' payload='x' (1 byte)"});
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::qos_0_acknowledged);
    CHECK(p.sent().empty());
    CHECK(p.session.unacknowledged() == 0);
}

TEST_CASE("receive: QoS 1 is acknowledged when the application has the message, not before",
          "[session][v5:MQTT-4.3.2-4][v5:MQTT-3.3.4-1][v3:MQTT-4.3.2-2][v3:MQTT-3.3.4-1]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    CHECK(p.gets(sends(7, qos_1)) == trace{delivered(7, qos_1)});
    CHECK(p.sent().empty());
    CHECK(p.session.unacknowledged() == 1);
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    CHECK(p.sent() == trace{"PUBACK id=7"});
    CHECK(p.session.unacknowledged() == 0);
}

TEST_CASE("receive: QoS 1 is never taken for a repeat, DUP or not",
          "[session][v5:MQTT-4.3.2-5][v3:MQTT-4.3.2-2]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    publish m = sends(7, qos_1);
    m.dup = true;
    CHECK(p.gets(m).size() == 1);
    CHECK(p.gets(m).size() == 1);
    for (const delivery& d : p.deliveries) CHECK(p.session.acknowledge(d) == errc::none);
    CHECK(p.sent() == trace{"PUBACK id=7", "PUBACK id=7"});
}

TEST_CASE("receive: QoS 2 is delivered at PUBLISH, and goes PUBREC, PUBREL, PUBCOMP",
          "[session][v5:MQTT-4.3.3-8][v5:MQTT-4.3.3-11][v5:MQTT-3.3.4-1][v3:MQTT-4.3.3-2]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    CHECK(p.gets(sends(7, qos_2)) == trace{delivered(7, qos_2)});
    CHECK(p.sent().empty());
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    CHECK(p.sent() == trace{"PUBREC id=7"});
    CHECK(p.session.unacknowledged() == 1);
    CHECK(p.gets(pubrel{.id = id(7)}).empty());
    CHECK(p.sent() == trace{"PUBCOMP id=7"});
    CHECK(p.session.unacknowledged() == 0);
}

TEST_CASE("receive: a repeat of QoS 2 before PUBREL is answered and not delivered, whatever its DUP says",
          "[session][v5:MQTT-4.3.3-10][v3:MQTT-4.3.3-2]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    publish m = sends(7, qos_2);
    p.gets(m);
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    m.dup = GENERATE(false, true);
    CHECK(p.gets(m).empty());
    CHECK(p.sent() == trace{"PUBREC id=7", "PUBREC id=7"});
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("receive: a repeat of QoS 2 before the application has the message is answered when it has",
          "[session][v5:MQTT-4.3.3-10]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    p.gets(sends(7, qos_2));
    CHECK(p.gets(sends(7, qos_2)).empty());
    CHECK(p.sent().empty());
    CHECK(p.session.unacknowledged() == 1);
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    CHECK(p.sent().at(0) == "PUBREC id=7");
}

TEST_CASE("receive: after PUBCOMP the identifier means a new message",
          "[session][v5:MQTT-4.3.3-12][v3:MQTT-4.3.3-2]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    for (std::size_t i = 0; i != 3; ++i) {
        CHECK(p.gets(sends(7, qos_2)).size() == 1);
        CHECK(p.session.acknowledge(p.deliveries.at(i)) == errc::none);
        p.gets(pubrel{.id = id(7)});
    }
    CHECK(p.sent().size() == 6);
}

TEST_CASE("receive: PUBREL for an unknown identifier gets its PUBCOMP, and the connection stays up",
          "[session][v5:MQTT-4.3.3-11][v5:U5-29][v3:MQTT-2.3.1-6]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    CHECK(p.gets(pubrel{.id = id(7)}).empty());
    CHECK(p.sent() == trace{version == v5 ? "PUBCOMP id=7 reason='packet identifier not found' (146)" : "PUBCOMP id=7"});
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("receive: PUBREL before our PUBREC ends the connection: the Receive Maximum would bind nobody",
          "[session][v5:MQTT-3.3.4-9]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    p.gets(sends(7, qos_2));
    CHECK(p.gets(pubrel{.id = id(7)}).empty());
    CHECK(p.session.close_reason() == errc::unexpected_packet);
    CHECK(p.session.unacknowledged() == 1);
}

TEST_CASE("receive: identifiers of the broker are not ours", "[session][v5:MQTT-2.2.1-4][v3:MQTT-2.3.1-4]") {
    scripted_peer p;
    p.connect(GENERATE(v3, v5));
    p.publish("mine", "", qos_2);
    CHECK(p.gets(sends(1, qos_2)).size() == 1);
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    CHECK(p.gets(pubrec{.id = id(1)}).empty());
    CHECK(p.gets(pubrel{.id = id(1)}).empty());
    CHECK(p.gets(pubcomp{.id = id(1)}) == trace{"published 1: success"});
}

TEST_CASE("receive: PUBACKs go out in the order of the messages, not in that of the application",
          "[session][v5:MQTT-4.6.0-2][v3:MQTT-4.6.0-2]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    for (const unsigned n : {5u, 3u, 9u}) p.gets(sends(n, qos_1));
    CHECK(p.session.acknowledge(p.deliveries.at(2)) == errc::none);
    CHECK(p.session.acknowledge(p.deliveries.at(1)) == errc::none);
    CHECK(p.sent().empty());
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    CHECK(p.sent() == trace{"PUBACK id=5", "PUBACK id=3", "PUBACK id=9"});
}

TEST_CASE("receive: PUBRECs go out in the order of the messages, apart from the PUBACKs",
          "[session][v5:MQTT-4.6.0-3][v3:MQTT-4.6.0-3]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    p.gets(sends(1, qos_2));
    p.gets(sends(1, qos_1));
    p.gets(sends(2, qos_2));
    CHECK(p.session.acknowledge(p.deliveries.at(2)) == errc::none);
    CHECK(p.sent().empty());
    CHECK(p.session.acknowledge(p.deliveries.at(1)) == errc::none);
    CHECK(p.sent() == trace{"PUBACK id=1"});
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    CHECK(p.sent() == trace{"PUBREC id=1", "PUBREC id=2"});
}

TEST_CASE("receive: the same delivery is acknowledged once", "[session]") {
    const auto level = GENERATE(qos_1, qos_2);
    scripted_peer p;
    p.connect();
    p.gets(sends(1, level));
    p.gets(sends(2, level));
    CHECK(p.session.acknowledge(p.deliveries.at(1)) == errc::none);
    CHECK(p.session.acknowledge(p.deliveries.at(1)) == errc::unknown_packet_id);
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::unknown_packet_id);
    CHECK(p.sent().size() == 2);
    CHECK(p.session.acknowledge({.sequence = 99, .connection = 1, .id = id(9), .qos = level}) == errc::unknown_packet_id);
}

TEST_CASE("receive: 5.0 may refuse a message, 3.1.1 may not", "[session][v5:MQTT-4.3.3-9][v5:MQTT-4.5.0-2]") {
    scripted_peer p;
    p.connect(v5);
    p.gets(sends(1, qos_1));
    p.gets(sends(2, qos_2));
    CHECK(p.session.acknowledge(p.deliveries.at(0), reason_code::not_authorized) == errc::none);
    CHECK(p.session.acknowledge(p.deliveries.at(1), reason_code::quota_exceeded) == errc::none);
    CHECK(p.sent() == trace{"PUBACK id=1 reason='not authorized' (135)", "PUBREC id=2 reason='quota exceeded' (151)"});
    CHECK(p.session.unacknowledged() == 0);
    CHECK(p.gets(sends(2, qos_2)).size() == 1); // A new message.

    scripted_peer old;
    old.connect(v3);
    old.gets(sends(1, qos_1));
    CHECK(old.session.acknowledge(old.deliveries.at(0), reason_code::not_authorized) == errc::not_supported);
    CHECK(old.session.acknowledge(old.deliveries.at(0)) == errc::none);
}

TEST_CASE("receive: a QoS 1 delivery of an earlier connection is stale, and nothing goes out for it",
          "[session][v5:MQTT-4.4.0-1]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(kept_session());
    p.connect(version);
    p.gets(sends(7, qos_1));
    p.cut();
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::stale_delivery);
    p.open(version);
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::stale_delivery);
    (void)p.sent();
    p.gets(connack{.session_present = true});
    CHECK(p.gets(sends(7, qos_1)).size() == 1);
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::stale_delivery);
    CHECK(p.sent().empty());
    CHECK(p.session.acknowledge(p.deliveries.at(1)) == errc::none);
    CHECK(p.sent() == trace{"PUBACK id=7"});
}

TEST_CASE("receive: QoS 2 reaches the application once over a resumed session",
          "[session][v5:MQTT-4.3.3-10][v5:MQTT-3.1.2-23][v3:MQTT-4.3.3-2][v3:MQTT-3.1.2-4]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(kept_session());
    p.connect(version);
    p.gets(sends(7, qos_2));
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    CHECK(p.sent() == trace{"PUBREC id=7"});
    p.cut(); // The broker has not seen the PUBREC.
    p.resume(version);
    CHECK(p.sent().empty()); // No PUBREC by itself.
    publish again = sends(7, qos_2);
    again.dup = true;
    CHECK(p.gets(again).empty());
    CHECK(p.sent() == trace{"PUBREC id=7"});
    p.gets(pubrel{.id = id(7)});
    CHECK(p.sent() == trace{"PUBCOMP id=7"});
    CHECK(p.gets(sends(7, qos_2)).size() == 1);
}

TEST_CASE("receive: a QoS 2 delivery stays valid over a resumed session; its PUBREC goes out when the broker repeats",
          "[session][v5:MQTT-4.3.3-8][v5:MQTT-4.4.0-1]") {
    const auto version = GENERATE(v3, v5);
    const int when = GENERATE(0, 1, 2, 3);
    CAPTURE(version, when);
    scripted_peer p(kept_session());
    p.connect(version);
    p.gets(sends(7, qos_2));
    if (when == 0) p.cut();
    if (when == 0) CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none); // No connection.
    if (when != 0) p.cut();
    p.open(version);
    if (when == 1) CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none); // Before CONNACK.
    CHECK(p.sent().size() == 1);                                                   // CONNECT, and nothing else.
    p.gets(connack{.session_present = true});
    if (when == 2) CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    CHECK(p.sent().empty());
    CHECK(p.gets(sends(7, qos_2)).empty());
    if (when == 3) {
        CHECK(p.sent().empty());
        CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    }
    CHECK(p.sent() == trace{"PUBREC id=7"});
    CHECK(p.session.unacknowledged() == 1);
}

TEST_CASE("receive: with a lost session QoS 2 identifiers are forgotten, and earlier deliveries stale",
          "[session][v5:MQTT-3.2.2-5][v3:MQTT-3.2.2-3]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    p.gets(sends(7, qos_2));
    p.gets(sends(8, qos_2));
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    p.cut();
    p.connect(version);
    CHECK(p.session.acknowledge(p.deliveries.at(1)) == errc::stale_delivery);
    CHECK(p.gets(sends(7, qos_2)) == trace{delivered(7, qos_2)});
    CHECK(p.gets(sends(8, qos_2)) == trace{delivered(8, qos_2)});
    CHECK(p.session.acknowledge(p.deliveries.at(1)) == errc::stale_delivery); // Not the new 8.
    CHECK(p.sent().empty());
}

TEST_CASE("receive: more open messages than our Receive Maximum end the connection",
          "[session][v5:MQTT-3.3.4-9]") {
    session_options options = test_options();
    options.receive_maximum = 2;
    scripted_peer p(options);
    p.connect(v5);
    p.gets(sends(1, qos_1));
    p.gets(sends(2, qos_2));
    SECTION("of QoS 1") { CHECK(p.gets(sends(3, qos_1)).empty()); }
    SECTION("of QoS 2") { CHECK(p.gets(sends(3, qos_2)).empty()); }
    SECTION("unless one was acknowledged") {
        CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
        CHECK(p.gets(sends(3, qos_1)).size() == 1);
        CHECK_FALSE(p.session.is_closing());
        CHECK(p.gets(sends(4, qos_1)).empty());
    }
    SECTION("a PUBREC frees nothing, PUBCOMP does") {
        CHECK(p.session.acknowledge(p.deliveries.at(1)) == errc::none);
        p.gets(pubrel{.id = id(2)});
        CHECK(p.gets(sends(2, qos_2)).size() == 1);
        CHECK(p.session.acknowledge(p.deliveries.at(2)) == errc::none);
        CHECK_FALSE(p.session.is_closing());
        CHECK(p.gets(sends(4, qos_1)).empty());
    }
    SECTION("a refusing PUBREC frees one") {
        CHECK(p.session.acknowledge(p.deliveries.at(1), reason_code::quota_exceeded) == errc::none);
        CHECK(p.gets(sends(5, qos_1)).size() == 1);
        CHECK(p.gets(sends(6, qos_1)).empty());
    }
    CHECK(p.session.close_reason() == errc::receive_maximum_exceeded);
    CHECK(p.sent().back() == "DISCONNECT reason='receive maximum exceeded' (147)");
}

// Mosquitto 2.0.11 with max_inflight_messages 0, seen in tests/bad_network: each connection ended like the one before.
TEST_CASE("receive: a broker that repeats more than our Receive Maximum is let through, until the connection ends",
          "[session][v5:MQTT-3.3.4-9]") {
    session_options options = kept_session();
    options.receive_maximum = 1;
    scripted_peer p(options);
    p.connect(v5);
    p.cut();
    p.resume(v5);
    const auto repeats = [](unsigned number, qos level) {
        publish out = sends(number, level);
        out.dup = true;
        return out;
    };
    for (const unsigned i : {1u, 2u}) CHECK(p.gets(repeats(i, qos_1)).size() == 1);
    CHECK(p.gets(repeats(3, qos_2)).size() == 1);
    CHECK(p.gets(sends(4, qos_1)).size() == 1);
    for (const delivery& d : p.deliveries) CHECK(p.session.acknowledge(d) == errc::none);
    CHECK_FALSE(p.session.is_closing());
    p.cut();
    p.resume(v5);
    p.gets(sends(5, qos_1));
    p.gets(sends(6, qos_1));
    CHECK(p.session.close_reason() == errc::receive_maximum_exceeded);
}

TEST_CASE("receive: a repeat of an open QoS 2 identifier takes no second unit, QoS 0 none at all",
          "[session][v5:MQTT-3.3.4-9]") {
    session_options options = test_options();
    options.receive_maximum = 1;
    scripted_peer p(options);
    p.connect(v5);
    p.gets(sends(1, qos_2));
    p.gets(sends(1, qos_2));
    CHECK(p.gets(sends(0, qos_0)).size() == 1);
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("receive: our Receive Maximum starts anew with each connection, and binds nobody in 3.1.1",
          "[session][v5:U5-27]") {
    session_options options = kept_session();
    options.receive_maximum = 1;
    scripted_peer p(options);
    p.connect(v5);
    p.gets(sends(1, qos_1));
    p.cut();
    p.resume(v5);
    CHECK(p.gets(sends(1, qos_1)).size() == 1);
    CHECK_FALSE(p.session.is_closing());
    p.cut();
    p.resume(v3);
    CHECK(p.gets(sends(1, qos_1)).size() == 1);
    CHECK(p.gets(sends(2, qos_1)).size() == 1);
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("receive: repeats that nobody acknowledges take no memory", "[session][v5:MQTT-4.3.3-10]") {
    // Seen from outside: each message is answered once for each time that its place in the order came.
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    p.gets(sends(1, qos_2));
    for (int i = 0; i != 1000; ++i) p.gets(sends(1, qos_2));
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    CHECK(p.sent().size() == 1);
    p.gets(sends(1, qos_2));
    CHECK(p.sent().size() == 1);
}

TEST_CASE("receive: a topic alias stands for its topic, and may be set anew", "[session][v5:MQTT-3.3.2-10]") {
    session_options options = test_options();
    options.topic_alias_maximum = 2;
    scripted_peer p(options);
    p.connect(v5);
    CHECK(p.gets(aliased("first", 1)) == trace{"PUBLISH qos=0 topic='first' topic_alias=1 payload='' (0 bytes)"});
    CHECK(p.gets(aliased("second", 2)).at(0).find("topic='second'") != std::string::npos);
    CHECK(p.gets(aliased("", 1)).at(0).find("topic='first'") != std::string::npos);
    CHECK(p.gets(aliased("third", 1)).at(0).find("topic='third'") != std::string::npos);
    CHECK(p.gets(aliased("", 1)).at(0).find("topic='third'") != std::string::npos);
    CHECK(p.gets(aliased("", 2)).at(0).find("topic='second'") != std::string::npos);
}

TEST_CASE("receive: a repeat of a QoS 2 message sets its alias all the same", "[session][v5:MQTT-3.3.2-10]") {
    session_options options = test_options();
    options.topic_alias_maximum = 2;
    scripted_peer p(options);
    p.connect(v5);
    p.gets(sends(1, qos_2));
    CHECK(p.gets(aliased("set", 1, qos_2)).empty());
    CHECK(p.gets(aliased("", 1)).at(0).find("topic='set'") != std::string::npos);
}

TEST_CASE("receive: an alias above our maximum ends the connection, and so does any if there is none",
          "[session][v5:MQTT-3.1.2-26][v5:MQTT-3.1.2-27][v5:MQTT-3.3.2-11]") {
    session_options options = test_options();
    options.topic_alias_maximum = 2;
    SECTION("above the maximum") {
        scripted_peer p(options);
        p.connect(v5);
        CHECK(p.gets(aliased("t", 3)).empty());
        CHECK(p.sent() == trace{"DISCONNECT reason='topic alias invalid' (148)"});
    }
    SECTION("none announced") {
        scripted_peer p;
        p.connect(v5);
        CHECK(p.gets(aliased("t", 1)).empty());
        CHECK(p.sent() == trace{"DISCONNECT reason='topic alias invalid' (148)"});
    }
}

TEST_CASE("receive: alias 0 ends the connection, and so does one that was never set",
          "[session][v5:MQTT-3.3.2-8][v5:U5-13]") {
    session_options options = test_options();
    options.topic_alias_maximum = 2;
    SECTION("0") {
        scripted_peer p(options);
        p.connect(v5);
        CHECK(p.gets_bytes(hex("30 07 00 01 74 03 23 00 00")).empty());
        CHECK(p.sent() == trace{"DISCONNECT reason='topic alias invalid' (148)"});
    }
    SECTION("never set") {
        scripted_peer p(options);
        p.connect(v5);
        p.gets(aliased("t", 1));
        CHECK(p.gets(aliased("", 2)).empty());
        CHECK(p.sent() == trace{"DISCONNECT reason='protocol error' (130)"});
    }
}

TEST_CASE("receive: aliases end with the connection", "[session][v5:MQTT-3.3.2-7]") {
    session_options options = kept_session();
    options.topic_alias_maximum = 2;
    scripted_peer p(options);
    p.connect(v5);
    p.gets(aliased("t", 1));
    p.cut();
    p.resume(v5);
    CHECK(p.gets(aliased("", 1)).empty());
    CHECK(p.session.close_reason() == errc::topic_alias_unknown);
}

TEST_CASE("receive: messages come before SUBACK and without a subscription",
          "[session][v5:U5-31][v5:MQTT-3.3.2-3][v3:MQTT-3.3.2-3]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    (void)p.subscribe("t");
    CHECK(p.gets(sends(1, qos_1)).size() == 1);
    CHECK(p.gets(sends(2, qos_1, "unasked")).size() == 1);
}

TEST_CASE("receive: 5.0 leaves a broker that sends a packet above our maximum",
          "[session][v5:MQTT-3.1.2-24]") {
    session_options options = test_options();
    options.maximum_packet_size = 1000;
    scripted_peer p(options);
    p.connect(v5);
    CHECK(p.gets(publish{.topic = "t", .payload = std::string(993, 'x')}).size() == 1); // 1,000 bytes.
    CHECK(p.gets(publish{.topic = "t", .payload = std::string(994, 'x')}).empty());
    CHECK(p.session.close_reason() == errc::packet_too_large);
    CHECK(p.sent() == trace{"DISCONNECT reason='packet too large' (149)"});
}

TEST_CASE("receive: 3.1.1 reads past an oversized message, reports and acknowledges it", "[session]") {
    const auto level = GENERATE(qos_0, qos_1, qos_2);
    session_options options = test_options();
    options.maximum_packet_size = 1000;
    scripted_peer p(options);
    p.connect(v3);
    const std::string payload(5000, 'x');
    publish m = sends(7, level);
    m.payload = payload;
    std::string bytes;
    REQUIRE(encode(packet(m), v3, bytes) == errc::none);
    REQUIRE(encode(packet(publish{.topic = "next"}), v3, bytes) == errc::none);
    trace got;
    for (std::size_t i = 0; i < bytes.size(); i += 100) // In pieces, as from a socket; the first ends in the packet's middle.
        for (std::string& line : p.gets_bytes(std::string_view(bytes).substr(i, 100))) got.push_back(line);
    CHECK(got == trace{"oversized 't' " + std::to_string(level == qos_0 ? 5006 : 5008), "PUBLISH qos=0 topic='next' payload='' (0 bytes)"});
    CHECK(p.sent() == (level == qos_0 ? trace{} : trace{level == qos_1 ? "PUBACK id=7" : "PUBREC id=7"}));
    if (level == qos_2) {
        p.gets(pubrel{.id = id(7)});
        CHECK(p.sent() == trace{"PUBCOMP id=7"});
    }
    CHECK(p.session.unacknowledged() == 0);
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("receive: an oversized message keeps its place in the order of acknowledgements",
          "[session][v3:MQTT-4.6.0-2]") {
    session_options options = test_options();
    options.maximum_packet_size = 100;
    scripted_peer p(options);
    p.connect(v3);
    p.gets(sends(1, qos_1));
    publish large = sends(2, qos_1);
    const std::string payload(200, 'x');
    large.payload = payload;
    p.gets(large);
    CHECK(p.sent().empty());
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    CHECK(p.sent() == trace{"PUBACK id=1", "PUBACK id=2"});
}

TEST_CASE("receive: 3.1.1 waits for topic and identifier of an oversized message", "[session]") {
    session_options options = test_options();
    options.maximum_packet_size = 100;
    scripted_peer p(options);
    p.connect(v3);
    CHECK(p.gets_bytes(hex("32 C8 01")).empty());
    CHECK(p.gets_bytes(hex("00 02 61")).empty());
    CHECK(p.gets_bytes(hex("62 00")).empty());
    CHECK(p.gets_bytes(hex("05")) == trace{"oversized 'ab' 203"});
    CHECK(p.sent() == trace{"PUBACK id=5"});
    p.cut(); // In its middle: the next connection starts with a packet.
    p.connect(v3);
    CHECK(p.gets(sends(0, qos_0)).size() == 1);
}

TEST_CASE("receive: an oversized packet that is no message, or has no identifier, ends a 3.1.1 connection",
          "[session][v3:MQTT-4.8.0-1]") {
    session_options options = test_options();
    options.maximum_packet_size = 100;
    const std::string bytes = GENERATE(hex("90 C8 01 00 05"), hex("32 C8 01 00 01 61 00 00"), hex("36 C8 01 00 01 61 00 01"));
    scripted_peer p(options);
    p.connect(v3);
    CHECK(p.gets_bytes(bytes).empty());
    CHECK(p.session.is_closing());
    CHECK(p.sent().empty());
}

TEST_CASE("receive: a message with identifier 0 ends the connection", "[session][v5:MQTT-2.2.1-4]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    CHECK(p.gets_bytes(version == v5 ? hex("32 06 00 01 74 00 00 00") : hex("32 05 00 01 74 00 00")).empty());
    CHECK(p.session.close_reason() == errc::packet_id_zero);
}
