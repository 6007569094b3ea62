// The test server: messages in and out, retained messages, limits.
#include "testing/peer.hpp"

#include "support/catch.hpp"

using namespace inflight;
using namespace inflight::testing;
using namespace std::chrono_literals;

TEST_CASE("server: QoS 0, 1 and 2 from a publisher to a subscriber in both versions", "[testing]") {
    const auto version = GENERATE(v3, v5);
    world w;
    peer& a = w.connect("a", version);
    peer& b = w.connect("b", version);
    CHECK(b.subscribes("t/#") == trace{"SUBACK id=1000 reason='granted QoS 2' (2)"});

    CHECK(a.publishes("t/x", "0") == trace{});
    CHECK(b.gets() == trace{"PUBLISH qos=0 topic='t/x' payload='0' (1 byte)"});

    CHECK(a.publishes("t/x", "1", qos_1, 7) == trace{"PUBACK id=7"});
    CHECK(b.gets() == trace{"PUBLISH qos=1 topic='t/x' id=1 payload='1' (1 byte)"});
    CHECK(b.says(puback{.id = id(1)}) == trace{});

    CHECK(a.publishes("t/x", "2", qos_2, 8) == trace{"PUBREC id=8"});
    CHECK(b.gets() == trace{"PUBLISH qos=2 topic='t/x' id=2 payload='2' (1 byte)"});
    CHECK(a.publishes("t/x", "2", qos_2, 8) == trace{"PUBREC id=8"}); // A repeat, not delivered.
    CHECK(a.says(pubrel{.id = id(8)}) == trace{"PUBCOMP id=8"});
    CHECK(b.says(pubrec{.id = id(2)}) == trace{"PUBREL id=2"});
    CHECK(b.says(pubcomp{.id = id(2)}) == trace{});
    CHECK(w.server.session("b")->in_flight == 0);
    CHECK(w.server.counters().messages_in == 3);
    CHECK(w.server.counters().messages_out == 3);
}


TEST_CASE("server: acknowledges what nobody has subscribed to, and 5.0 is told so", "[testing]") {
    world w;
    peer& a = w.connect("a", v5);
    CHECK(a.publishes("t", "x", qos_1, 1) == trace{"PUBACK id=1 reason='no matching subscribers' (16)"});
    CHECK(a.publishes("t", "x", qos_2, 1) == trace{"PUBREC id=1 reason='no matching subscribers' (16)"});
    CHECK(a.says(pubrel{.id = id(1)}) == trace{"PUBCOMP id=1"});
    CHECK(a.says(pubrel{.id = id(1)}) == trace{"PUBCOMP id=1 reason='packet identifier not found' (146)"});
    peer& b = w.connect("b", v3);
    CHECK(b.publishes("t", "x", qos_1, 1) == trace{"PUBACK id=1"});
    CHECK(b.says(pubrel{.id = id(5)}) == trace{"PUBCOMP id=5"});
}

TEST_CASE("server: delivers with the lower QoS of message and subscription, with all properties but its own",
          "[testing][v5:MQTT-3.8.4-8][v5:MQTT-3.3.2-4][v5:MQTT-3.3.2-17][v3:MQTT-3.8.4-6]") {
    world w;
    peer& a = w.connect("a", v5);
    peer& b = w.connect("b", v5);
    peer& c = w.connect("c", v3);
    b.subscribes("t", qos_1);
    c.subscribes("t", qos_0);
    const auto props = with<packet_type::publish>([](auto& p) {
        p.template set<property_id::payload_format_indicator>(1);
        p.template set<property_id::response_topic>("r");
        p.add_user_property("z", "1").add_user_property("a", "2");
    });
    a.says(publish{.qos = qos_2, .retain = true, .topic = "t", .id = id(1), .props = props, .payload = "x"});
    CHECK(b.gets() == trace{"PUBLISH qos=1 topic='t' id=1 payload_format_indicator=1 response_topic='r' user_property='z' value='1'"
                            " user_property='a' value='2' payload='x' (1 byte)"});
    CHECK(c.gets() == trace{"PUBLISH qos=0 topic='t' payload='x' (1 byte)"});
}

TEST_CASE("server: a refusing PUBREC ends the exchange, and the wrong acknowledgement the connection",
          "[testing][v5:MQTT-4.3.3-4][v5:MQTT-4.4.0-2]") {
    world w;
    peer& a = w.connect("a");
    peer& b = w.connect("b");
    b.subscribes("t");
    a.publishes("t", "x", qos_2, 1);
    (void)b.gets();
    CHECK(b.says(pubrec{.id = id(1), .reason = reason_code::quota_exceeded}).empty());
    CHECK(w.server.session("b")->in_flight == 0);
    a.publishes("t", "y", qos_2, 2);
    CHECK(b.says(puback{.id = id(2)}).back() == "(closed)");
}

TEST_CASE("server: an acknowledgement of something unknown is counted, and no error", "[testing]") {
    world w;
    peer& a = w.connect("a", v5);
    CHECK(a.says(puback{.id = id(1)}).empty());
    CHECK(a.says(pubcomp{.id = id(1)}).empty());
    CHECK(a.says(pubrec{.id = id(1)}) == trace{"PUBREL id=1 reason='packet identifier not found' (146)"});
    CHECK(w.connect("b", v3).says(pubrec{.id = id(1)}) == trace{"PUBREL id=1"});
    CHECK(w.server.counters().stray_acknowledgements == 4);
}

TEST_CASE("server: keeps to the client's Receive Maximum, and in order", "[testing][v5:MQTT-3.3.4-9][v5:MQTT-4.6.0-5]") {
    world w;
    const auto props = with<packet_type::connect>([](auto& p) { p.template set<property_id::receive_maximum>(2); });
    peer& b = w.connect("b", v5, {.props = props});
    b.subscribes("t");
    peer& a = w.connect("a");
    for (unsigned i = 1; i <= 5; ++i) a.publishes("t", std::to_string(i), i % 2 ? qos_1 : qos_2, i);
    CHECK(b.gets() == trace{"PUBLISH qos=1 topic='t' id=1 payload='1' (1 byte)", "PUBLISH qos=2 topic='t' id=2 payload='2' (1 byte)"});
    CHECK(b.says(pubrec{.id = id(2)}) == trace{"PUBREL id=2"}); // Frees nothing yet.
    CHECK(b.says(pubcomp{.id = id(2)}) == trace{"PUBLISH qos=1 topic='t' id=3 payload='3' (1 byte)"});
    CHECK(b.says(puback{.id = id(1)}) == trace{"PUBLISH qos=2 topic='t' id=4 payload='4' (1 byte)"});
    a.publishes("t", "0");
    CHECK(b.gets() == trace{"PUBLISH qos=0 topic='t' payload='0' (1 byte)"}); // No limit for QoS 0.
    CHECK(w.server.session("b")->waiting == 1);
}

TEST_CASE("server: a message larger than the client's Maximum Packet Size is dropped as if it were done",
          "[testing][v5:MQTT-3.1.2-24][v5:MQTT-3.1.2-25]") {
    world w;
    const auto props = with<packet_type::connect>([](auto& p) { p.template set<property_id::maximum_packet_size>(30); });
    peer& b = w.connect("b", v5, {.props = props});
    b.subscribes("t");
    peer& a = w.connect("a");
    const std::string large(23, 'x'), just(22, 'x');
    a.publishes("t", large, qos_1, 1);
    a.publishes("t", just, qos_1, 2);
    CHECK(b.gets().size() == 1);
    CHECK(w.server.session("b")->in_flight == 1);
    a.publishes("t", large + "xxx", qos_0);
    CHECK(b.gets().empty());
    CHECK(w.server.counters().messages_too_large == 2);
    CHECK(w.server.counters().messages_out == 1);
}

TEST_CASE("server: a connection whose limit no CONNACK meets is closed", "[testing][v5:MQTT-3.1.2-24]") {
    world w;
    const auto props = with<packet_type::connect>([](auto& p) { p.template set<property_id::maximum_packet_size>(4); });
    CHECK(w.open().says(connect{.props = props, .client_id = "a"}) == trace{"(closed)"});
    CHECK(w.server.sessions().empty());
    w.server.faults().refuse(reason_code::banned); // Found by the fuzzer: the limit holds for a refusal too.
    CHECK(w.open().says(connect{.props = props, .client_id = "a"}) == trace{"(closed)"});
}

TEST_CASE("server: enforces its own Receive Maximum in 5.0", "[testing][v5:MQTT-3.3.4-7]") {
    server_options o;
    o.receive_maximum = 2;
    world w(o);
    peer& a = w.connect("a", v5);
    peer& b = w.connect("b", v3);
    for (unsigned i = 1; i <= 3; ++i) {
        a.publishes("t", "x", qos_1, i); // Acknowledged at once.
        b.publishes("t", "x", qos_2, i);
    }
    a.publishes("t", "x", qos_2, 1);
    a.publishes("t", "x", qos_2, 2);
    CHECK(a.publishes("t", "x", qos_2, 2) == trace{"PUBREC id=2"}); // A repeat takes no unit.
    a.says(pubrel{.id = id(1)});
    a.publishes("t", "x", qos_2, 3);
    CHECK(a.publishes("t", "x", qos_2, 4) == trace{"DISCONNECT reason='receive maximum exceeded' (147)", "(closed)"});
    CHECK(b.says(pingreq{}).size() == 1); // 3.1.1 was never told.
}

TEST_CASE("server: QoS 2 messages of an earlier connection count when they are sent again", "[testing][v5:U5-27]") {
    server_options o;
    o.receive_maximum = 1;
    world w(o);
    peer& a = w.resume("a");
    a.publishes("t", "x", qos_2, 1);
    a.cut();
    peer& again = w.resume("a");
    CHECK(again.publishes("t", "y", qos_2, 2).size() == 1);
    CHECK(again.publishes("t", "x", qos_2, 1).back() == "(closed)");
}

TEST_CASE("server: enforces its other limits",
          "[testing][v5:MQTT-3.2.2-11][v5:MQTT-3.2.2-14][v5:MQTT-3.2.2-15]") {
    server_options o;
    o.maximum_qos = qos_1;
    o.retain_available = false;
    o.maximum_packet_size = 40;
    world w(o);
    const auto ended = [](std::string_view why) { return trace{"DISCONNECT reason=" + std::string(why), "(closed)"}; };
    CHECK(w.connect("a").publishes("t", "x", qos_2, 1) == ended("'QoS not supported' (155)"));
    CHECK(w.connect("a").publishes("t", "x", qos_0, 0, true) == ended("'retain not supported' (154)"));
    CHECK(w.connect("a").publishes("t", std::string(36, 'x')) == ended("'packet too large' (149)"));
    CHECK(w.connect("a", v3).publishes("t", "x", qos_2, 1) == trace{"(closed)"});
    CHECK(w.connect("a").subscribes("t", qos_2) == trace{"SUBACK id=1000 reason='granted QoS 1' (1)"});
}

TEST_CASE("server: topic aliases of a client stand for topics until the connection ends",
          "[testing][v5:MQTT-3.3.2-7][v5:MQTT-3.3.2-12][v5:MQTT-3.2.2-17]") {
    server_options o;
    o.topic_alias_maximum = 2;
    world w(o);
    peer& b = w.connect("b");
    b.subscribes("#", qos_0);
    peer& a = w.connect("a");
    const auto say = [&](peer& by, std::string_view topic, std::uint32_t alias) {
        return by.says(publish{.topic = topic, .props = with<packet_type::publish>([&](auto& p) {
                                   p.template set<property_id::topic_alias>(alias);
                               })});
    };
    say(a, "t/1", 1);
    say(a, "t/2", 2);
    say(a, "", 1);
    say(a, "t/3", 1);
    say(a, "", 1);
    trace topics;
    for (const std::string& line : b.gets()) topics.push_back(line.substr(0, line.find(" payload")));
    CHECK(topics == trace{"PUBLISH qos=0 topic='t/1'", "PUBLISH qos=0 topic='t/2'", "PUBLISH qos=0 topic='t/1'",
                          "PUBLISH qos=0 topic='t/3'", "PUBLISH qos=0 topic='t/3'"});
    CHECK(say(a, "t", 3) == trace{"DISCONNECT reason='topic alias invalid' (148)", "(closed)"});
    CHECK(say(w.connect("a"), "", 1) == trace{"DISCONNECT reason='protocol error' (130)", "(closed)"});
}

TEST_CASE("server: uses topic aliases towards clients, as many as both allow", "[testing][v5:MQTT-3.1.2-26][v5:MQTT-3.1.2-27]") {
    server_options o;
    o.topic_aliases_to_clients = 5;
    world w(o);
    const auto props = with<packet_type::connect>([](auto& p) { p.template set<property_id::topic_alias_maximum>(1); });
    peer& b = w.connect("b", v5, {.props = props});
    peer& c = w.connect("c", v5);
    b.subscribes("#", qos_0);
    c.subscribes("#", qos_0);
    for (const char* topic : {"t", "t", "u", "t"}) (void)w.server.publish(message(topic, "x"), w.now);
    CHECK(b.gets() == trace{"PUBLISH qos=0 topic='t' topic_alias=1 payload='x' (1 byte)",
                            "PUBLISH qos=0 topic='' topic_alias=1 payload='x' (1 byte)",
                            "PUBLISH qos=0 topic='u' payload='x' (1 byte)",
                            "PUBLISH qos=0 topic='' topic_alias=1 payload='x' (1 byte)"});
    CHECK(c.gets().at(1) == "PUBLISH qos=0 topic='t' payload='x' (1 byte)");
}

TEST_CASE("server: a message expires while it waits, and tells what time it has left",
          "[testing][v5:MQTT-3.3.2-5][v5:MQTT-3.3.2-6][v5:MQTT-4.3.3-7]") {
    world w;
    peer& b = w.resume("b");
    b.subscribes("t");
    peer& a = w.connect("a");
    const auto say = [&](unsigned number, std::uint32_t seconds) {
        a.says(publish{.qos = qos_1, .topic = "t", .id = id(number), .props = with<packet_type::publish>([&](auto& p) {
                           p.template set<property_id::message_expiry_interval>(seconds);
                       })});
    };
    say(1, 5);
    CHECK(b.gets().at(0).find(" message_expiry_interval=5 ") != std::string::npos);
    b.cut();
    say(2, 5);
    say(3, 60);
    w.wait(10s);
    peer& again = w.resume("b");
    (void)again;
    CHECK(w.server.counters().messages_expired == 1);
    CHECK(w.server.session("b")->in_flight == 2); // What has been sent before does not expire.
    CHECK(w.server.trace().back().find(" message_expiry_interval=50 ") != std::string::npos);
}

TEST_CASE("server: bounds what waits for a session and for a transport, and counts what it drops", "[testing]") {
    server_options o;
    o.max_queued_messages = 2;
    o.max_output_bytes = 30;
    world w(o);
    peer& b = w.resume("b");
    b.subscribes("t");
    for (int i = 0; i != 5; ++i) (void)w.server.publish(message("t", "0123456789"), w.now);
    CHECK(b.gets().size() == 2); // 32 bytes.
    b.cut();
    for (int i = 0; i != 5; ++i) (void)w.server.publish(message("t", "x", qos_1), w.now);
    CHECK(w.server.session("b")->waiting == 2);
    CHECK(w.server.counters().messages_dropped == 6);
}

TEST_CASE("server: QoS 1 and 2 messages wait while a transport has enough to write, and are not lost", "[testing]") {
    server_options o;
    o.max_output_bytes = 30;
    world w(o);
    peer& b = w.connect("b");
    b.subscribes("t");
    for (int i = 0; i != 5; ++i) (void)w.server.publish(message("t", "0123456789", qos_1), w.now);
    CHECK(w.server.session("b")->in_flight == 2);
    CHECK(w.server.session("b")->waiting == 3);
    CHECK(b.gets().size() == 5);
    CHECK(w.server.session("b")->in_flight == 5);
    CHECK(w.server.counters().messages_dropped == 0);
}

TEST_CASE("server: retained messages are kept by topic, the last one, until an empty one comes",
          "[testing][v5:MQTT-3.3.1-5][v5:MQTT-3.3.1-6][v5:MQTT-3.3.1-7][v3:MQTT-3.3.1-10]") {
    world w;
    peer& a = w.connect("a");
    a.publishes("t/1", "old", qos_0, 0, true);
    a.publishes("t/1", "new", qos_1, 1, true);
    a.publishes("t/2", "x", qos_2, 2, true);
    a.publishes("t/3", "not retained");
    CHECK(w.server.retained("t/+").size() == 2);
    CHECK(w.server.retained("t/1").at(0).payload == "new");
    peer& b = w.connect("b");
    CHECK(b.subscribes("t/#", qos_1) == trace{"SUBACK id=1000 reason='granted QoS 1' (1)",
                                              "PUBLISH retain qos=1 topic='t/1' id=1 payload='new' (3 bytes)",
                                              "PUBLISH retain qos=1 topic='t/2' id=2 payload='x' (1 byte)"});
    a.publishes("t/1", "", qos_0, 0, true);
    CHECK(b.gets() == trace{"PUBLISH qos=0 topic='t/1' payload='' (0 bytes)"});
    a.publishes("t/none", "", qos_0, 0, true);
    CHECK(w.server.retained().size() == 1);
}

TEST_CASE("server: a retained message expires, and tells what time it has left", "[testing][v5:MQTT-3.3.2-5][v5:MQTT-3.3.2-6]") {
    world w;
    message m("t", "x", qos_0, true);
    m.props.set<property_id::message_expiry_interval>(10);
    REQUIRE(w.server.publish(m, w.now) == errc::none);
    w.wait(4s);
    CHECK(w.connect("a").subscribes("t").at(1) == "PUBLISH retain qos=0 topic='t' message_expiry_interval=6 payload='x' (1 byte)");
    w.wait(7s);
    CHECK(w.connect("b").subscribes("t").size() == 1);
}

TEST_CASE("server: publishes messages of its own, to names only", "[testing]") {
    world w;
    peer& a = w.connect("a");
    a.subscribes("#");
    CHECK(w.server.publish(message("t", "x", qos_1), w.now) == errc::none);
    CHECK(a.gets().size() == 1);
    CHECK(w.server.publish(message("t/+", "x"), w.now) == errc::topic_wildcard);
    CHECK(w.server.publish(message("", "x", qos_0, true), w.now) == errc::topic_empty);
    CHECK(a.gets().empty());
    CHECK(w.server.retained().empty());
}

TEST_CASE("server: the trace shows the last packets both ways, and can be turned off", "[testing]") {
    server_options o;
    o.trace_lines = 3;
    world w(o);
    peer& a = w.connect("a");
    a.says(pingreq{});
    a.says(pingreq{});
    CHECK(trace(w.server.trace().begin(), w.server.trace().end()) == trace{"1 <- PINGRESP", "1 -> PINGREQ", "1 <- PINGRESP"});
    a.says_bytes(std::string_view("\0\0", 2));
    CHECK(w.server.trace().at(1) == "1 -> error: reserved packet type");
    CHECK(w.server.counters().received(packet_type::pingreq) == 2);
    CHECK(w.server.counters().sent(packet_type::pingresp) == 2);
    w.server.clear_trace();
    CHECK(w.server.trace().empty());
    o.trace_lines = 0;
    w.server.set_options(o);
    w.connect("a");
    CHECK(w.server.trace().empty());
}

TEST_CASE("server: a line of the trace is cut where a packet would fill pages", "[testing]") {
    world w;
    subscribe many{.id = id(1)};
    many.subscriptions.resize(1000, {.filter = "a/filter/of/some/length"});
    w.connect("a").says(many);
    const auto& lines = w.server.trace();
    CHECK(lines.at(lines.size() - 2).size() < 2100);
    CHECK(lines.at(lines.size() - 2).ends_with("..."));
}
