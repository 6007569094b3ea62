// When PINGREQ goes out, and how long its answer may take.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"

using namespace inflight;
using namespace std::chrono_literals;

namespace {

session_options pinging(std::chrono::seconds interval, std::chrono::milliseconds ping_timeout = 10s) {
    session_options options = test_options();
    options.keep_alive = interval;
    options.ping_timeout = ping_timeout;
    options.ack_timeout = 0s;
    return options;
}

connack server_keep_alive(std::uint16_t seconds) {
    return with([=](auto& props) { props.template set<property_id::server_keep_alive>(seconds); });
}

} // namespace

TEST_CASE("keep alive: a silent client sends PINGREQ, not before its time and not after",
          "[session][v5:MQTT-3.1.2-20][v5:MQTT-3.12.4-1][v3:MQTT-3.1.2-23][v3:MQTT-3.12.4-1]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(pinging(60s));
    p.connect(version);
    p.wait(59'999ms);
    CHECK(p.sent().empty());
    p.wait(1ms);
    CHECK(p.sent() == trace{"PINGREQ"});
    CHECK(p.gets(pingresp{}).empty());
    p.wait(59'999ms);
    CHECK(p.sent().empty());
    p.wait(1ms);
    CHECK(p.sent() == trace{"PINGREQ"});
}

TEST_CASE("keep alive: counts from the last packet sent, whatever is received",
          "[session][v5:MQTT-3.1.2-20][v3:MQTT-3.1.2-23]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(pinging(60s));
    p.connect(version);
    p.wait(40s);
    p.publish("a", "", qos::at_most_once);
    p.gets(publish{.topic = "b"});
    p.wait(59s);
    CHECK(p.sent().size() == 1); // The PUBLISH.
    p.gets(publish{.topic = "b"});
    p.wait(1s);
    CHECK(p.sent() == trace{"PINGREQ"});
}

// A half-open link takes what is sent for many minutes: seen in tests/bad_network.
TEST_CASE("keep alive: one that sends and hears nothing asks too, and closes the silent connection", "[session]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(pinging(60s, 10s));
    p.connect(version);
    std::size_t pings = 0;
    for (int i = 0; i != 69; ++i) {
        p.wait(1s);
        p.publish("a", "", qos::at_most_once);
        for (const std::string& line : p.sent()) pings += line == "PINGREQ";
        CHECK(pings == (i < 59 ? 0u : 1u));
    }
    CHECK_FALSE(p.session.is_closing());
    p.wait(1s);
    CHECK(p.session.close_reason() == errc::keep_alive_timeout);
}

TEST_CASE("keep alive: one that sends and is answered asks nothing", "[session]") {
    scripted_peer p(pinging(60s));
    p.connect();
    for (unsigned i = 1; i != 200; ++i) {
        p.wait(1s);
        p.publish("a", "", qos::at_least_once);
        CHECK(p.sent().size() == 1);
        p.gets(puback{.id = packet_id{static_cast<std::uint16_t>(i)}});
    }
}

TEST_CASE("keep alive: a packet that waits in the output has not been sent", "[session][v5:MQTT-3.1.2-20]") {
    scripted_peer p(pinging(60s));
    p.connect();
    p.wait(40s);
    p.gets(publish{.topic = "b"});
    p.publish("a", "", qos::at_most_once);
    REQUIRE(p.session.deadline());
    CHECK(*p.session.deadline() - p.now == 20s);
    p.carry();
    CHECK(*p.session.deadline() - p.now == 60s);
}

TEST_CASE("keep alive: an answer is not late while the PINGREQ waits behind a message that leaves slowly", "[session]") {
    scripted_peer p(pinging(60s, 10s));
    p.connect();
    (void)p.sent();
    const std::string payload(1'000'000, 'x');
    p.publish("a", payload, qos::at_most_once);
    for (int i = 0; i != 100; ++i) { // Two minutes of it, 10,000 bytes at a time.
        p.now += 1200ms;
        if (p.session.deadline() <= p.now) p.session.deadline_reached(p.now);
        REQUIRE_FALSE(p.session.output().empty());
        p.session.written(10'000, p.now);
        REQUIRE_FALSE(p.session.is_closing());
    }
    p.carry(); // The rest, and the PINGREQ.
    p.wait(9s);
    CHECK_FALSE(p.session.is_closing());
    p.wait(1s);
    CHECK(p.session.close_reason() == errc::keep_alive_timeout);
}

TEST_CASE("keep alive: a PINGREQ that waits in the output is not followed by another one at once", "[session]") {
    scripted_peer p(pinging(60s, 10s));
    p.connect();
    p.now += 60s;
    p.session.deadline_reached(p.now);
    CHECK(p.session.deadline() == p.now + 10s); // When its answer is due.
}

TEST_CASE("keep alive: the time before CONNACK counts", "[session][v5:MQTT-3.1.2-20][v3:MQTT-3.1.2-23]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(pinging(60s));
    p.open(version);
    (void)p.sent();
    p.wait(20s); // A slow server, which counts from CONNECT.
    p.gets(connack{});
    p.wait(40s);
    CHECK(p.sent() == trace{"PINGREQ"});
}

TEST_CASE("keep alive: a PINGREQ without an answer ends the connection",
          "[session][v5:U5-10][v5:MQTT-3.12.4-1][v3:U3-03][v3:MQTT-3.12.4-1]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(pinging(60s, 10s));
    p.connect(version);
    p.wait(60s);
    CHECK(p.sent() == trace{"PINGREQ"});
    p.gets(publish{.topic = "b"}); // No substitute.
    p.wait(9'999ms);
    CHECK_FALSE(p.session.is_closing());
    p.wait(1ms);
    CHECK(p.session.close_reason() == errc::keep_alive_timeout);
    CHECK(p.sent() == (version == v5 ? trace{"DISCONNECT reason='unspecified error' (128)"} : trace{}));
}

TEST_CASE("keep alive: the answer may take half the interval at most", "[session][v5:U5-10]") {
    scripted_peer p(pinging(10s, 30s));
    p.connect();
    p.wait(10s);
    CHECK(p.sent() == trace{"PINGREQ"});
    p.wait(5s);
    CHECK(p.session.close_reason() == errc::keep_alive_timeout);
}

TEST_CASE("keep alive: the interval of the server wins, for this connection",
          "[session][v5:MQTT-3.1.2-21][v5:MQTT-3.2.2-21]") {
    scripted_peer p(pinging(60s));
    p.connect(v5, server_keep_alive(5));
    p.wait(5s);
    CHECK(p.sent() == trace{"PINGREQ"});
    p.cut();
    p.resume();
    p.wait(59s);
    CHECK(p.sent().empty());
    p.wait(1s);
    CHECK(p.sent() == trace{"PINGREQ"});
}

TEST_CASE("keep alive: an interval that is set between CONNECT and CONNACK is for the next connection",
          "[session][v5:MQTT-3.1.2-20]") {
    scripted_peer p(pinging(5s));
    p.open();
    CHECK(p.sent().at(0).find("keep_alive=5 ") != std::string::npos);
    p.session.set_keep_alive(60s);
    p.gets(connack{});
    p.wait(5s);
    CHECK(p.sent() == trace{"PINGREQ"});
}

TEST_CASE("keep alive: an interval of 0, ours or the server's, sends no PINGREQ",
          "[session][v5:U5-35][v5:MQTT-3.1.2-20]") {
    scripted_peer ours(pinging(0s));
    ours.connect();
    CHECK_FALSE(ours.session.deadline());
    ours.wait(1h);
    CHECK(ours.sent().empty());

    scripted_peer theirs(pinging(60s));
    theirs.connect(v5, server_keep_alive(0));
    CHECK_FALSE(theirs.session.deadline());
}

TEST_CASE("keep alive: one outside of what CONNECT can say is what CONNECT says",
          "[session][v5:MQTT-3.1.2-20]") {
    scripted_peer longest(pinging(100'000s));
    longest.open();
    CHECK(longest.sent().at(0).find("keep_alive=65535") != std::string::npos);
    longest.gets(connack{});
    REQUIRE(longest.session.deadline());
    CHECK(*longest.session.deadline() - longest.now == 65'535s);

    scripted_peer none(pinging(-1s));
    none.open();
    CHECK(none.sent().at(0).find("keep_alive=0") != std::string::npos);
    none.gets(connack{});
    CHECK_FALSE(none.session.deadline());
}

TEST_CASE("keep alive: a PINGRESP that nobody asked for changes nothing",
          "[session][v5:U5-32]") {
    scripted_peer p(pinging(60s, 10s));
    p.connect();
    p.wait(30s);
    CHECK(p.gets(pingresp{}).empty());
    p.wait(30s);
    CHECK(p.sent() == trace{"PINGREQ"});
    p.wait(10s);
    CHECK(p.session.close_reason() == errc::keep_alive_timeout);
}

TEST_CASE("keep alive: PINGREQ goes out while nothing is read, and its answer is not missed",
          "[session][v5:MQTT-3.1.2-20]") {
    scripted_peer p(pinging(60s, 10s));
    p.connect();
    p.session.reading_paused(p.now);
    p.wait(600s);
    CHECK(p.sent() == trace(10, "PINGREQ"));
    CHECK_FALSE(p.session.is_closing());
    p.session.reading_resumed(p.now);
    p.wait(9s);
    CHECK_FALSE(p.session.is_closing()); // The answer may take its time from now on.
    p.gets(pingresp{});
    p.wait(30s);
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("keep alive: what a pause leaves of the time for an answer is what there was before it",
          "[session]") {
    scripted_peer p(pinging(60s, 10s));
    p.connect();
    p.wait(64s); // 4 s after PINGREQ.
    p.session.reading_paused(p.now);
    p.wait(20s);
    p.session.reading_resumed(p.now);
    p.wait(5'999ms);
    CHECK_FALSE(p.session.is_closing());
    p.wait(1ms);
    CHECK(p.session.close_reason() == errc::keep_alive_timeout);
}

TEST_CASE("keep alive: stops with the connection, and starts anew with the next", "[session]") {
    scripted_peer p(pinging(60s, 10s));
    p.connect();
    p.wait(65s);
    p.cut(); // With a PINGREQ unanswered.
    CHECK_FALSE(p.session.deadline());
    p.wait(1h);
    p.resume();
    p.wait(59s);
    CHECK(p.sent().empty());
    CHECK_FALSE(p.session.is_closing());
}
