// The test server: how connections begin and end.
#include "testing/peer.hpp"

#include "support/catch.hpp"
#include "support/hex.hpp"

using namespace inflight;
using namespace inflight::testing;
using namespace std::chrono_literals;

namespace {

constexpr auto in_connect = packet_type::connect;
const std::string sized = " maximum_packet_size=16777216";

trace refused(std::string_view text) { return {"CONNACK reason=" + std::string(text), "(closed)"}; }

} // namespace

TEST_CASE("server: accepts a CONNECT in both versions; 5.0 gets the limits that are not the default",
          "[testing][v5:MQTT-3.1.4-5][v3:MQTT-3.1.4-4]") {
    world w;
    CHECK(w.open(v3).says(connect{.client_id = "a"}) == trace{"CONNACK reason='success' (0)"});
    CHECK(w.open(v5).says(connect{.client_id = "b"}) == trace{"CONNACK reason='success' (0)" + sized});

    server_options o;
    o.receive_maximum = 10;
    o.maximum_qos = qos_1;
    o.retain_available = o.wildcard_subscriptions = o.subscription_identifiers = o.shared_subscriptions = false;
    o.topic_alias_maximum = 5;
    o.server_keep_alive = 7;
    o.maximum_session_expiry = 100s;
    o.response_information = "replies/";
    world strict(o);
    const auto props = with<in_connect>([](auto& p) {
        p.template set<property_id::session_expiry_interval>(101);
        p.template set<property_id::request_response_information>(1);
    });
    CHECK(strict.open().says(connect{.props = props}) ==
          trace{"CONNACK reason='success' (0) session_expiry_interval=100 receive_maximum=10 maximum_qos=1 retain_available=0" + sized +
                " assigned_client_identifier='assigned-1' topic_alias_maximum=5 wildcard_subscription_available=0"
                " subscription_identifier_available=0 shared_subscription_available=0 server_keep_alive=7"
                " response_information='replies/'"});
}

TEST_CASE("server: a version it does not speak is refused in the form of that version",
          "[testing][v5:MQTT-3.1.2-2][v3:MQTT-3.1.2-2]") {
    server_options only_v3, only_v5;
    only_v3.v5 = false;
    only_v5.v3_1_1 = false;
    CHECK(world(only_v3).open(v5).says(connect{.client_id = "a"}) == refused("'unsupported protocol version' (132)"));
    CHECK(world(only_v5).open(v3).says(connect{.client_id = "a"}) == refused("'unsupported protocol version' (1)"));
    CHECK(world(only_v3).open(v3).says(connect{.client_id = "a"}).size() == 1);
    // Level 3, as MQTT 3.1 says it, and a version yet to come.
    CHECK(world().open(v3).says_bytes(hex("10 0F 00 06 4D 51 49 73 64 70 03 02 00 3C 00 01 61")) ==
          refused("'unsupported protocol version' (1)"));
    CHECK(world().open(v5).says_bytes(hex("10 0D 00 04 4D 51 54 54 06 02 00 3C 00 00 01 61")) ==
          refused("'unsupported protocol version' (132)"));
}

TEST_CASE("server: a CONNECT that is malformed is refused with a code in 5.0, with silence in 3.1.1",
          "[testing][v5:MQTT-3.1.4-1][v3:MQTT-3.1.4-1]") {
    CHECK(world().open(v5).says_bytes(hex("10 0D 00 04 4D 51 54 54 05 03 00 3C 00 00 01 61")) == refused("'malformed packet' (129)"));
    CHECK(world().open(v3).says_bytes(hex("10 0D 00 04 4D 51 54 54 04 03 00 3C 00 01 61")) == trace{"(closed)"});
    CHECK(world().open(v5).says_bytes(hex("10 09 00 04 48 54 54 50 05 02 00")) == trace{"(closed)"}); // "HTTP"
    CHECK(world().open(v5).says(pingreq{}) == trace{"(closed)"});
    CHECK(world().open(v5).says_bytes(hex("10 FF FF FF FF 01")) == trace{"(closed)"});
}

TEST_CASE("server: an empty client id gets one, but not for a session that is to stay in 3.1.1",
          "[testing][v5:MQTT-3.1.3-6][v5:MQTT-3.2.2-16][v3:MQTT-3.1.3-6][v3:MQTT-3.1.3-8]") {
    world w;
    CHECK(w.open(v5).says(connect{}) == trace{"CONNACK reason='success' (0)" + sized + " assigned_client_identifier='assigned-1'"});
    CHECK(w.open(v3).says(connect{}) == trace{"CONNACK reason='success' (0)"});
    CHECK(w.server.sessions().size() == 2);
    CHECK(w.open(v3).says_bytes(hex("10 0C 00 04 4D 51 54 54 04 00 00 3C 00 00")) == refused("'client identifier not valid' (2)"));
    CHECK(w.server.session("assigned-2")->is_connected);
}

TEST_CASE("server: its owner judges each CONNECT, and 3.1.1 is told the code that comes nearest",
          "[testing][v5:MQTT-3.2.2-7][v3:MQTT-3.2.2-5]") {
    server_options o;
    reason_code verdict = reason_code::success;
    std::string user;
    o.server_reference = "other:1883";
    o.authenticate = [&](const connect& p) {
        user = p.user_name.value_or("");
        return verdict;
    };
    world w(o);
    CHECK(w.open().says(connect{.client_id = "a", .user_name = "joe", .password = "secret"}).size() == 1);
    CHECK(user == "joe");
    verdict = reason_code::bad_user_name_or_password;
    CHECK(w.open(v5).says(connect{.client_id = "a"}) == refused("'bad user name or password' (134)"));
    CHECK(w.open(v3).says(connect{.client_id = "a"}) == refused("'bad user name or password' (4)"));
    verdict = reason_code::quota_exceeded;
    CHECK(w.open(v3).says(connect{.client_id = "a"}) == refused("'server unavailable' (3)"));
    verdict = reason_code::use_another_server;
    CHECK(w.open(v5).says(connect{.client_id = "a"}) == refused("'use another server' (156) server_reference='other:1883'"));
    CHECK(w.server.session("a")->is_connected); // Nobody refused has taken the session over.
}

TEST_CASE("server: refuses an authentication method, and a Will above its limits",
          "[testing][v5:MQTT-4.12.0-1][v5:MQTT-3.2.2-12][v5:MQTT-3.2.2-13]") {
    server_options o;
    o.maximum_qos = qos_1;
    o.retain_available = false;
    world w(o);
    const auto props = with<in_connect>([](auto& p) { p.template set<property_id::authentication_method>("SCRAM"); });
    CHECK(w.open().says(connect{.props = props, .client_id = "a"}) == refused("'bad authentication method' (140)"));
    CHECK(w.open().says(connect{.client_id = "a", .will = will{.topic = "w", .qos = qos_2}}) == refused("'QoS not supported' (155)"));
    CHECK(w.open().says(connect{.client_id = "a", .will = will{.topic = "w", .retain = true}}) == refused("'retain not supported' (154)"));
}

TEST_CASE("server: a second client with the same id takes over; 5.0 is told, 3.1.1 is closed",
          "[testing][v5:MQTT-3.1.4-3][v3:MQTT-3.1.4-2]") {
    world w;
    peer& a = w.connect("x", v5);
    peer& b = w.connect("x", v3);
    CHECK(a.gets() == trace{"DISCONNECT reason='session taken over' (142)", "(closed)"});
    peer& c = w.connect("x", v5);
    CHECK(b.gets() == trace{"(closed)"});
    CHECK(c.says(pingreq{}) == trace{"PINGRESP"});
    CHECK(w.server.counters().take_overs == 2);
    CHECK(w.server.connection_of("x") == c.number);
}

TEST_CASE("server: closes after one and a half times the Keep Alive without a packet",
          "[testing][v5:MQTT-3.1.2-22][v3:MQTT-3.1.2-24]") {
    world w;
    peer& a = w.connect("a", v5, {.keep_alive = 10});
    peer& b = w.connect("b", v3, {.keep_alive = 10});
    peer& c = w.connect("c", v5, {.keep_alive = 0});
    w.wait(14s);
    CHECK(a.says(pingreq{}) == trace{"PINGRESP"});
    w.wait(1s);
    CHECK(b.gets() == trace{"(closed)"});
    w.wait(13999ms);
    CHECK(a.gets() == trace{});
    w.wait(1ms);
    CHECK(a.gets() == trace{"DISCONNECT reason='keep alive timeout' (141)", "(closed)"});
    w.wait(24h);
    CHECK(c.says(pingreq{}) == trace{"PINGRESP"});
    CHECK_FALSE(w.server.deadline());
}

TEST_CASE("server: Server Keep Alive rules in 5.0, where it is announced", "[testing][v5:MQTT-3.2.2-21]") {
    server_options o;
    o.server_keep_alive = 2;
    world w(o);
    peer& a = w.connect("a", v5, {.keep_alive = 10});
    peer& b = w.connect("b", v3, {.keep_alive = 10});
    w.wait(3s);
    CHECK(a.gets().size() == 2);
    CHECK(b.gets().empty());
}

TEST_CASE("server: a transport without CONNECT is closed after the connect timeout", "[testing]") {
    world w;
    peer& a = w.open();
    CHECK(a.says_bytes(hex("10")) == trace{});
    w.wait(29s);
    CHECK(a.gets() == trace{});
    w.wait(1s);
    CHECK(a.gets() == trace{"(closed)"});
}

TEST_CASE("server: what must not be said ends the connection, in 5.0 with the code that fits",
          "[testing][v5:MQTT-4.13.1-1][v3:MQTT-4.8.0-1][v5:MQTT-3.1.0-2][v3:MQTT-3.1.0-2]") {
    struct sample {
        const char* bytes;
        const char* answer;
    };
    const auto one = GENERATE(sample{"10 0E 00 04 4D 51 54 54 05 02 00 3C 00 00 01 61", "'protocol error' (130)"}, // CONNECT again
                              sample{"20 03 00 00 00", "'protocol error' (130)"},        // CONNACK
                              sample{"D0 00", "'protocol error' (130)"},                 // PINGRESP
                              sample{"F0 00", "'protocol error' (130)"},                 // AUTH
                              sample{"00 00", "'malformed packet' (129)"},               // Reserved
                              sample{"82 05 00 01 00 00 01", "'malformed packet' (129)"}, // A filter that is cut off
                              sample{"36 05 00 01 61 00 01", "'malformed packet' (129)"}, // QoS 3
                              sample{"32 06 00 01 61 00 00 00", "'protocol error' (130)"}, // Identifier 0
                              sample{"30 04 00 01 2B 00", "'protocol error' (130)"},     // A wildcard
                              sample{"30 06 00 01 61 02 0B 01", "'protocol error' (130)"}, // Subscription Identifier
                              sample{"30 FF FF FF FF", "'malformed packet' (129)"},      // A length of five bytes
                              sample{"30 FF FF FF 7F", "'packet too large' (149)"});
    CAPTURE(one.bytes);
    CHECK(world().connect("a", v5).says_bytes(hex(one.bytes)) == trace{"DISCONNECT reason=" + std::string(one.answer), "(closed)"});
    CHECK(world().connect("a", v3).says_bytes(hex("00 00")) == trace{"(closed)"});
    CHECK(world().connect("a", v3).says_bytes(hex("F0 00")) == trace{"(closed)"});
}

TEST_CASE("server: bytes come in any pieces, and output stays as it is until it is written", "[testing]") {
    world w;
    peer& a = w.open();
    std::string bytes;
    (void)encode(connect{.client_id = "a"}, v5, bytes);
    (void)encode(pingreq{}, v5, bytes);
    trace got;
    for (const char c : bytes)
        for (const std::string& line : a.says_bytes(std::string_view(&c, 1))) got.push_back(line);
    CHECK(got == trace{"CONNACK reason='success' (0)" + sized, "PINGRESP"});

    w.server.received(a.number, hex("C0 00"), w.now);
    const std::string_view first = w.server.output(a.number);
    w.server.received(a.number, hex("C0 00"), w.now);
    CHECK(first == hex("D0 00"));
    CHECK(w.server.output(a.number).data() == first.data());
    w.server.written(a.number, 1, w.now);
    CHECK(w.server.output(a.number) == hex("00"));
    w.server.written(a.number, 1, w.now);
    CHECK(w.server.output(a.number) == hex("D0 00"));
}

TEST_CASE("server: disconnects a client on its owner's wish, with a Server Reference where one is meant", "[testing]") {
    server_options o;
    o.server_reference = "other";
    world w(o);
    peer& a = w.connect("a", v5);
    peer& b = w.connect("b", v5);
    peer& c = w.connect("c", v3);
    w.server.disconnect(a.number, reason_code::server_shutting_down, w.now);
    w.server.disconnect(b.number, reason_code::server_moved, w.now);
    w.server.disconnect(c.number, reason_code::server_shutting_down, w.now);
    CHECK(a.gets() == trace{"DISCONNECT reason='server shutting down' (139)", "(closed)"});
    CHECK(b.gets() == trace{"DISCONNECT reason='server moved' (157) server_reference='other'", "(closed)"});
    CHECK(c.gets() == trace{"(closed)"});
}

TEST_CASE("server: options hold for connections to come", "[testing]") {
    world w;
    peer& a = w.connect("a");
    server_options o;
    o.maximum_qos = qos_0;
    w.server.set_options(o);
    CHECK(a.publishes("t", "x", qos_1, 1).size() == 1);
    CHECK(w.connect("b").publishes("t", "x", qos_1, 1) == trace{"DISCONNECT reason='QoS not supported' (155)", "(closed)"});
}

TEST_CASE("server: a connection it does not know is closing and says nothing", "[testing]") {
    world w;
    const connection_id unknown{99};
    w.server.received(unknown, "x", w.now);
    w.server.closed(unknown, w.now);
    w.server.disconnect(unknown, reason_code::banned, w.now);
    CHECK(w.server.output(unknown).empty());
    CHECK(w.server.is_closing(unknown));
}
