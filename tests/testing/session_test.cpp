// The test server: what outlives a connection - sessions, Wills, what is sent again - and what does not.
#include "testing/peer.hpp"

#include "support/catch.hpp"

using namespace inflight;
using namespace inflight::testing;
using namespace std::chrono_literals;

namespace {

// CONNECT for a session that stays for `seconds`.
class lasting {
public:
    explicit lasting(std::uint32_t seconds, bool clean_start = false) {
        props_.set<property_id::session_expiry_interval>(seconds);
        packet.clean_start = clean_start;
        packet.props = props_;
    }
    lasting(const lasting&) = delete;
    connect packet{};

private:
    properties<packet_type::connect> props_{};
};

bool is_present(const trace& answer) { return answer.at(0).starts_with("CONNACK session_present"); }

bool resumes(world& w, std::string_view client_id, protocol_version version = v5) {
    lasting how(1000);
    how.packet.client_id = client_id;
    return is_present(w.open(version).says(how.packet));
}

will will_of(std::string_view topic, std::uint32_t delay = 0) {
    return {.props = with<packet_type::will>([&](auto& p) {
                if (delay != 0) p.template set<property_id::will_delay_interval>(delay);
            }),
            .topic = topic,
            .payload = "gone",
            .qos = qos_1};
}

} // namespace

TEST_CASE("server: a resumed session gets again what it has not acknowledged, in order, then what has waited",
          "[testing][v5:MQTT-4.4.0-1][v5:MQTT-3.3.1-1][v3:MQTT-4.4.0-1][v3:MQTT-4.6.0-1]") {
    const auto version = GENERATE(v3, v5);
    world w;
    peer& a = w.connect("a", version);
    peer& b = w.resume("b", version);
    b.subscribes("t");
    a.publishes("t", "1", qos_1, 1);
    a.publishes("t", "2", qos_2, 2);
    a.publishes("t", "3", qos_2, 3);
    CHECK(b.gets().size() == 3);
    CHECK(b.says(pubrec{.id = id(2)}) == trace{"PUBREL id=2"});
    b.cut();
    a.publishes("t", "4", qos_1, 4);
    a.publishes("t", "not kept", qos_0);
    CHECK(w.server.session("b")->waiting == 1);
    CHECK(w.server.session("b")->in_flight == 3);

    lasting how(9);
    how.packet.client_id = "b";
    peer& again = w.open(version);
    const trace got = again.says(how.packet);
    CHECK(is_present(got));
    CHECK(trace(got.begin() + 1, got.end()) ==
          trace{"PUBLISH qos=1 dup topic='t' id=1 payload='1' (1 byte)", "PUBREL id=2",
                "PUBLISH qos=2 dup topic='t' id=3 payload='3' (1 byte)", "PUBLISH qos=1 topic='t' id=4 payload='4' (1 byte)"});
    CHECK(again.says(pubcomp{.id = id(2)}).empty());
    CHECK(again.says(puback{.id = id(1)}).empty());
    CHECK(w.server.session("b")->in_flight == 2);
}

TEST_CASE("server: resending keeps to the new connection's Receive Maximum; PUBREL takes no unit of it",
          "[testing][v5:MQTT-3.3.4-9][v5:U5-26][v5:U5-27]") {
    world w;
    peer& a = w.connect("a");
    peer& b = w.resume("b");
    b.subscribes("t");
    for (unsigned i = 1; i <= 4; ++i) a.publishes("t", std::to_string(i), qos_2, i);
    (void)b.gets();
    b.says(pubrec{.id = id(1)});
    b.cut();

    properties<packet_type::connect> props;
    props.set<property_id::session_expiry_interval>(100).set<property_id::receive_maximum>(1);
    peer& again = w.open();
    const trace got = again.says(connect{.clean_start = false, .props = props, .client_id = "b"});
    CHECK(trace(got.begin() + 1, got.end()) == trace{"PUBREL id=1", "PUBLISH qos=2 dup topic='t' id=2 payload='2' (1 byte)"});
    CHECK(again.says(pubcomp{.id = id(1)}).empty());
    // It has not been sent again yet, so it is not in flight here.
    CHECK(again.says(pubrec{.id = id(4)}) == trace{"PUBREL id=4 reason='packet identifier not found' (146)"});
    CHECK(again.says(pubrec{.id = id(2)}) == trace{"PUBREL id=2"});
    CHECK(again.says(pubcomp{.id = id(2)}) == trace{"PUBLISH qos=2 dup topic='t' id=3 payload='3' (1 byte)"});
    CHECK(w.server.counters().stray_acknowledgements == 1);
}

TEST_CASE("server: a session ends with the connection unless CONNECT asks for more",
          "[testing][v5:MQTT-3.1.2-23][v3:MQTT-3.1.2-4][v3:MQTT-3.1.2-6]") {
    world w;
    w.connect("a", v3, {.clean_start = true}).cut();
    w.connect("b", v3, {.clean_start = false}).cut();
    w.connect("c", v5).cut();
    w.connect("d", v5, lasting(10).packet).cut();
    w.connect("e", v5, lasting(0xFFFF'FFFF).packet).cut();
    CHECK(w.server.sessions().size() == 3);
    w.wait(10s - 1ms);
    CHECK(w.server.session("d"));
    w.wait(1ms);
    CHECK_FALSE(w.server.session("d"));
    CHECK_FALSE(w.server.deadline());
    w.wait(24h * 365);
    CHECK(resumes(w, "b", v3));
    CHECK(resumes(w, "e"));
}

TEST_CASE("server: Clean Start throws away what was there",
          "[testing][v5:MQTT-3.1.2-4][v5:MQTT-3.1.2-5][v5:MQTT-3.2.2-2][v3:MQTT-3.2.2-1]") {
    const auto version = GENERATE(v3, v5);
    world w;
    peer& a = w.resume("a", version);
    a.subscribes("t");
    a.cut();
    CHECK(resumes(w, "a", version));
    CHECK(w.server.session("a")->subscriptions.size() == 1);
    peer& again = w.open(version);
    CHECK_FALSE(is_present(again.says(connect{.client_id = "a"})));
    CHECK(w.server.session("a")->subscriptions.empty());
    (void)w.server.publish(message("t", "x"), w.now);
    CHECK(again.gets().empty());
}

TEST_CASE("server: a client that comes back in time keeps its session, whose time begins again", "[testing]") {
    world w;
    w.connect("a", v5, lasting(10).packet).cut();
    w.wait(9s);
    CHECK(resumes(w, "a"));
    w.wait(5s);
    CHECK(w.server.session("a"));
}

TEST_CASE("server: DISCONNECT may change the Session Expiry Interval, but not from zero", "[testing][v5:U5-20]") {
    world w;
    const auto expiry = [](std::uint32_t seconds) {
        return with<packet_type::disconnect>([&](auto& p) { p.template set<property_id::session_expiry_interval>(seconds); });
    };
    peer& a = w.connect("a", v5, lasting(10).packet);
    CHECK(a.says(disconnect{.props = expiry(0)}) == trace{"(closed)"});
    CHECK_FALSE(w.server.session("a"));
    peer& b = w.connect("b", v5, lasting(10).packet);
    CHECK(b.says(disconnect{.props = expiry(20)}) == trace{"(closed)"});
    w.wait(19s);
    CHECK(w.server.session("b"));
    peer& c = w.connect("c", v5);
    CHECK(c.says(disconnect{.props = expiry(20)}) == trace{"DISCONNECT reason='protocol error' (130)", "(closed)"});
    CHECK_FALSE(w.server.session("c"));
}

TEST_CASE("server: the server's maximum lowers the Session Expiry Interval of every session", "[testing]") {
    server_options o;
    o.maximum_session_expiry = 5s;
    world w(o);
    w.connect("a", v5, lasting(10).packet).cut();
    w.connect("b", v3, {.clean_start = false}).cut();
    w.wait(5s);
    CHECK(w.server.sessions().empty());
}

TEST_CASE("server: QoS 2 identifiers outlive the connection, but not the session",
          "[testing][v5:MQTT-4.3.3-10][v3:MQTT-4.3.3-2]") {
    const auto version = GENERATE(v3, v5);
    world w;
    peer& b = w.connect("b", version);
    b.subscribes("t");
    peer& a = w.resume("a", version);
    CHECK(a.publishes("t", "x", qos_2, 9) == trace{"PUBREC id=9"});
    a.cut();
    peer& again = w.resume("a", version);
    CHECK(again.publishes("t", "x", qos_2, 9) == trace{"PUBREC id=9"});
    CHECK(b.gets().size() == 1);
    again.cut();
    peer& anew = w.connect("a", version);
    anew.publishes("t", "y", qos_2, 9);
    CHECK(b.gets().size() == 1);
    CHECK(w.server.counters().messages_in == 2);
}

TEST_CASE("server: the Will is published when the connection breaks, not after DISCONNECT",
          "[testing][v5:MQTT-3.1.2-8][v5:MQTT-3.1.2-10][v5:MQTT-3.14.4-3][v3:MQTT-3.1.2-8]") {
    const auto version = GENERATE(v3, v5);
    world w;
    peer& b = w.connect("b", version);
    b.subscribes("w/+");
    const trace one{"PUBLISH qos=1 topic='w/a' id=1 payload='gone' (4 bytes)"};
    SECTION("the transport breaks") {
        w.connect("a", version, {.will = will_of("w/a")}).cut();
        CHECK(b.gets() == one);
    }
    SECTION("the client breaks the protocol") {
        w.connect("a", version, {.will = will_of("w/a")}).says_bytes("\x01");
        w.connect("a", version, {.will = will_of("w/a")}).says_bytes(std::string_view("\0\0", 2));
        CHECK(b.gets().size() == 2);
    }
    SECTION("the Keep Alive runs out") {
        w.connect("a", version, {.keep_alive = 2, .will = will_of("w/a")});
        w.wait(3s);
        CHECK(b.gets() == one);
    }
    SECTION("the server says so") {
        w.server.disconnect(w.connect("a", version, {.will = will_of("w/a")}).number, reason_code::administrative_action, w.now);
        CHECK(b.gets() == one);
    }
    SECTION("another client takes over") {
        w.connect("a", version, {.will = will_of("w/a")});
        w.connect("a", version);
        CHECK(b.gets() == one);
    }
    SECTION("DISCONNECT") {
        CHECK(w.connect("a", version, {.will = will_of("w/a")}).says(disconnect{}) == trace{"(closed)"});
        w.wait(1h);
        CHECK(b.gets().empty());
        CHECK(w.server.counters().wills == 0);
    }
}

TEST_CASE("server: DISCONNECT 0x04 leaves the Will to be published", "[testing][v5:MQTT-3.14.4-3]") {
    world w;
    peer& b = w.connect("b");
    b.subscribes("w");
    w.connect("a", v5, {.will = will_of("w")}).says(disconnect{.reason = reason_code::disconnect_with_will_message});
    CHECK(b.gets().size() == 1);
}

TEST_CASE("server: a delayed Will waits for the client to come back, at most until the session ends",
          "[testing][v5:MQTT-3.1.3-9][v5:MQTT-3.1.2-8]") {
    world w;
    peer& b = w.connect("b");
    b.subscribes("w");
    lasting how(60);
    how.packet.will = will_of("w", 10);
    SECTION("it does not come back") {
        w.connect("a", v5, how.packet).cut();
        w.wait(10s - 1ms);
        CHECK(b.gets().empty());
        w.wait(1ms);
        CHECK(b.gets().size() == 1);
        w.wait(1h);
        CHECK(b.gets().empty());
    }
    SECTION("it comes back") {
        w.connect("a", v5, how.packet).cut();
        w.wait(9s);
        w.connect("a", v5, lasting(60).packet);
        w.wait(1h);
        CHECK(b.gets().empty());
    }
    SECTION("it comes back with Clean Start, which ends the session") {
        w.connect("a", v5, how.packet).cut();
        w.connect("a", v5);
        CHECK(b.gets().size() == 1);
    }
    SECTION("the session ends before") {
        lasting brief(5);
        brief.packet.will = will_of("w", 10);
        w.connect("a", v5, brief.packet).cut();
        w.wait(5s);
        CHECK(b.gets().size() == 1);
        w.wait(1h);
        CHECK(w.server.counters().wills == 1);
    }
    SECTION("another connection takes over in time") {
        w.connect("a", v5, how.packet);
        w.connect("a", v5, lasting(60).packet);
        w.wait(1h);
        CHECK(b.gets().empty());
    }
}

TEST_CASE("server: a Will carries its properties, and is retained if it says so",
          "[testing][v5:MQTT-3.1.2-15][v3:MQTT-3.1.2-17]") {
    world w;
    const auto props = with<packet_type::will>([](auto& p) {
        p.template set<property_id::will_delay_interval>(0);
        p.template set<property_id::payload_format_indicator>(1);
        p.template set<property_id::message_expiry_interval>(9);
        p.template set<property_id::content_type>("text");
        p.template set<property_id::response_topic>("r");
        p.template set<property_id::correlation_data>("id");
        p.add_user_property("name", "value");
    });
    w.connect("a", v5, {.will = will{.props = props, .topic = "w", .payload = "x", .retain = true}}).cut();
    CHECK(w.connect("b").subscribes("w").at(1) ==
          "PUBLISH retain qos=0 topic='w' payload_format_indicator=1 content_type='text' response_topic='r' correlation_data='id'"
          " user_property='name' value='value' message_expiry_interval=9 payload='x' (1 byte)");
}

TEST_CASE("server: restarts with what it has stored, or with nothing", "[testing]") {
    const bool keeps = GENERATE(true, false);
    world w;
    peer& a = w.resume("a");
    peer& b = w.connect("b", v5, {.will = will_of("t")});
    a.subscribes("t");
    b.publishes("t", "1", qos_1, 1, true);
    (void)a.gets();
    w.server.restart(keeps, w.now);
    CHECK(a.gets() == trace{"(closed)"});
    CHECK(b.gets() == trace{"(closed)"});
    CHECK(w.server.retained().size() == (keeps ? 1u : 0u));
    CHECK(w.server.sessions().size() == (keeps ? 1u : 0u));
    CHECK(w.server.counters().wills == 0);
    peer& again = w.open();
    lasting how(100);
    how.packet.client_id = "a";
    const trace got = again.says(how.packet);
    CHECK(is_present(got) == keeps);
    CHECK(got.size() == (keeps ? 2u : 1u)); // The message that was in flight.
}

TEST_CASE("server: what was not handed out before a crash is lost with it", "[testing]") {
    world w;
    peer& a = w.connect("a");
    w.server.received(a.number, std::string_view("\xC0\0", 2), w.now);
    w.server.restart(true, w.now);
    CHECK(a.gets() == trace{"(closed)"});
}
