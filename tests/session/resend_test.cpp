// What is sent again: on a resumed session, on a lost one, and when no acknowledgement comes.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"

using namespace inflight;
using namespace std::chrono_literals;

namespace {

template <property_id Id>
connack limit(std::uint32_t value) {
    return with([=](auto& props) { props.template set<Id>(value); });
}

session_options timeout(std::chrono::milliseconds time) {
    session_options options = test_options();
    options.keep_alive = 0s;
    options.ack_timeout = time;
    return options;
}

} // namespace

TEST_CASE("resend: a resumed session gets open PUBLISH packets with DUP and the same identifier, in their order",
          "[session][v5:MQTT-4.4.0-1][v5:MQTT-3.3.1-1][v5:MQTT-4.6.0-1][v3:MQTT-4.4.0-1]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(kept_session());
    p.connect(version);
    p.publish("a", "", qos_1);
    p.publish("b", "", qos_2);
    p.publish("c", "", qos_1);
    p.publish("d", "", qos_1);
    (void)p.sent();
    p.gets(puback{.id = id(3)});
    p.cut();
    CHECK(p.publish("e", "", qos_1) == publish_result{publish_status::queued_offline, 5});
    CHECK(p.resume(version) == trace{"connected resumed"});
    CHECK(p.sent() == trace{publish_1("a", 1, true), publish_2("b", 2, true), publish_1("d", 4, true), publish_1("e", 5)});
    CHECK(p.gets(puback{.id = id(1)}) == trace{"published 1: success"});
}

TEST_CASE("resend: nothing is sent again before CONNACK", "[session][v5:MQTT-4.4.0-1]") {
    scripted_peer p;
    p.connect();
    p.publish("a", "", qos_1);
    (void)p.sent();
    p.cut();
    p.open();
    CHECK(p.sent().size() == 1);
    p.wait(1h);
    CHECK(p.sent().empty());
}

TEST_CASE("resend: PUBREL, not PUBLISH, after PUBREC", "[session][v5:MQTT-4.3.3-6][v3:MQTT-4.3.3-1]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(kept_session());
    p.connect(version);
    p.publish("a", "", qos_2);
    (void)p.sent();
    p.gets(pubrec{.id = id(1)});
    p.cut();
    p.resume(version);
    CHECK(p.sent() == trace{"PUBREL id=1"});
    CHECK(p.gets(pubcomp{.id = id(1)}) == trace{"published 1: success"});
}

TEST_CASE("resend: PUBRELs go out in the order of their PUBRECs, before any PUBLISH",
          "[session][v5:MQTT-4.6.0-4][v5:MQTT-3.1.2-23][v3:MQTT-4.6.0-4][v3:MQTT-3.1.2-4]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(kept_session());
    p.connect(version);
    for (const char* topic : {"a", "b", "c", "d"}) p.publish(topic, "", qos_2);
    (void)p.sent();
    for (const unsigned n : {3u, 1u, 4u}) p.gets(pubrec{.id = id(n)});
    CHECK(p.sent() == trace{"PUBREL id=3", "PUBREL id=1", "PUBREL id=4"});
    p.cut();
    p.resume(version);
    CHECK(p.sent() == trace{"PUBREL id=3", "PUBREL id=1", "PUBREL id=4", publish_2("b", 2, true)});
    p.cut();
    p.resume(version); // And again.
    CHECK(p.sent() == trace{"PUBREL id=3", "PUBREL id=1", "PUBREL id=4", publish_2("b", 2, true)});
}

TEST_CASE("resend: a message that was never sent has no DUP when it is, on whatever connection",
          "[session][v5:MQTT-3.3.1-1][v3:MQTT-3.3.1-1]") {
    const auto version = GENERATE(v3, v5);
    session_options options = kept_session();
    options.max_inflight_messages = 1;
    scripted_peer p(options);
    p.connect(version);
    p.publish("a", "", qos_1);
    p.publish("b", "", qos_1);
    CHECK(p.sent() == trace{publish_1("a", 1)});
    p.cut();
    p.resume(version);
    CHECK(p.sent() == trace{publish_1("a", 1, true)});
    p.gets(puback{.id = id(1)});
    CHECK(p.sent() == trace{publish_1("b", 2)});
}

TEST_CASE("resend: a resumed connection with a lower Receive Maximum gets its share, the rest when there is room",
          "[session][v5:MQTT-4.9.0-2][v5:U5-27]") {
    scripted_peer p;
    p.connect();
    for (const char* topic : {"a", "b", "c", "d"}) p.publish(topic, "", qos_1);
    (void)p.sent();
    p.cut();
    p.resume(v5, receive_maximum(2));
    CHECK(p.sent() == trace{publish_1("a", 1, true), publish_1("b", 2, true)});
    p.publish("e", "", qos_1);
    CHECK(p.sent().empty());
    p.gets(puback{.id = id(2)});
    CHECK(p.sent() == trace{publish_1("c", 3, true)});
    p.cut(); // c is in flight, d waits and was sent on the first connection.
    p.resume(v5, receive_maximum(9));
    CHECK(p.sent() == trace{publish_1("a", 1, true), publish_1("c", 3, true), publish_1("d", 4, true), publish_1("e", 5)});
}

TEST_CASE("resend: what the resumed connection does not support any more is settled with that error, and not sent",
          "[session][v5:MQTT-3.2.2-11][v5:MQTT-3.2.2-14][v5:MQTT-3.2.2-15]") {
    scripted_peer p;
    p.connect();
    p.publish({.qos = qos_2, .topic = "long", .payload = "0123456789"});
    p.publish({.qos = qos_1, .retain = true, .topic = "kept"});
    p.publish({.qos = qos_2, .topic = "high"});
    p.publish({.qos = qos_1, .topic = "good"});
    const std::string good = "PUBLISH qos=1 dup topic='good' id=4 payload='' (0 bytes)";
    SECTION("Maximum Packet Size") {
        p.cut();
        CHECK(p.resume(v5, limit<property_id::maximum_packet_size>(20)) ==
              trace{"connected resumed", "published 1: failed, packet larger than the Maximum Packet Size"});
        CHECK(p.sent() == trace{"PUBLISH retain qos=1 dup topic='kept' id=2 payload='' (0 bytes)", publish_2("high", 3, true), good});
    }
    SECTION("Retain Available") {
        p.cut();
        CHECK(p.resume(v5, limit<property_id::retain_available>(0)) ==
              trace{"connected resumed", "published 2: failed, broker does not support retained messages"});
        CHECK(p.sent() == trace{"PUBLISH qos=2 dup topic='long' id=1 payload='0123456789' (10 bytes)", publish_2("high", 3, true), good});
    }
    SECTION("Maximum QoS") {
        p.cut();
        CHECK(p.resume(v5, limit<property_id::maximum_qos>(1)) ==
              trace{"connected resumed", "published 1: failed, broker does not support this QoS",
                    "published 3: failed, broker does not support this QoS"});
        CHECK(p.sent() == trace{"PUBLISH retain qos=1 dup topic='kept' id=2 payload='' (0 bytes)", good});
    }
}

TEST_CASE("resend: a QoS 2 exchange past PUBREC is brought to its end, whatever its PUBLISH would not be any more",
          "[session][v5:MQTT-4.3.3-4]") {
    scripted_peer p;
    p.connect();
    p.publish({.qos = qos_2, .retain = true, .topic = "a", .payload = "0123456789"});
    p.gets(pubrec{.id = id(1)});
    p.cut();
    properties<packet_type::connack> props;
    props.set<property_id::maximum_packet_size>(10).set<property_id::maximum_qos>(0).set<property_id::retain_available>(0);
    CHECK(p.resume(v5, {.props = props}) == trace{"connected resumed"});
    CHECK(p.sent() == trace{"PUBREL id=1"});
    CHECK(p.gets(pubcomp{.id = id(1)}) == trace{"published 1: success"});
}

TEST_CASE("resend: the identifier of a QoS 2 message that cannot be sent again names no other until the session ends",
          "[session][v5:MQTT-2.2.1-3]") {
    session_options o = test_options();
    o.first_packet_id = 65'535;
    scripted_peer p(o);
    p.connect();
    const auto lost = p.publish("a", "", qos_2).mid;
    p.cut();
    p.resume(v5, limit<property_id::maximum_qos>(1)); // Had it arrived, the broker would take a new one for its repeat.
    for (int i = 0; i != 65'534; ++i) {
        const auto r = p.publish("b", "", qos_1);
        REQUIRE((r && r.mid != lost));
    }
    CHECK(p.publish("c", "", qos_1).status == publish_status::packet_ids_exhausted);
}

TEST_CASE("resend: PUBRELs sent again hold back as much of the quota, and PUBCOMP never gives more than all of it",
          "[session][v5:U5-26][v5:MQTT-4.9.0-2]") {
    scripted_peer p;
    p.connect();
    for (const char* topic : {"a", "b"}) p.publish(topic, "", qos_2);
    (void)p.sent();
    p.gets(pubrec{.id = id(1)});
    p.gets(pubrec{.id = id(2)});
    p.cut();
    for (const char* topic : {"c", "d", "e"}) p.publish(topic, "", qos_1);
    p.resume(v5, receive_maximum(1));
    CHECK(p.sent() == trace{"PUBREL id=1", "PUBREL id=2"}); // A server may count both still.
    p.gets(pubcomp{.id = id(1)});
    CHECK(p.sent().empty());
    p.gets(pubcomp{.id = id(2)});
    CHECK(p.sent() == trace{publish_1("c", 3)});
    p.gets(pubcomp{.id = id(2)});
    CHECK(p.sent().empty());
    p.gets(puback{.id = id(3)});
    CHECK(p.sent() == trace{publish_1("d", 4)});
}

TEST_CASE("resend: an acknowledgement finds its message while that waits to be sent again",
          "[session][v5:MQTT-4.3.3-4][v5:MQTT-4.3.2-3]") {
    scripted_peer p;
    p.connect();
    for (const char* topic : {"a", "b"}) p.publish(topic, "", qos_2);
    p.publish("c", "", qos_1);
    (void)p.sent();
    p.cut();
    p.resume(v5, receive_maximum(1));
    CHECK(p.sent() == trace{publish_2("a", 1, true)});
    p.gets(pubrec{.id = id(2)});
    CHECK(p.sent() == trace{"PUBREL id=2"}); // Not with "packet identifier not found", which would end it.
    CHECK(p.gets(puback{.id = id(3)}) == trace{"published 3: success"});
    CHECK(p.gets(pubcomp{.id = id(2)}) == trace{"published 2: success"});
    CHECK(p.sent().empty());
}

TEST_CASE("resend: an acknowledgement for a message that is new to the session says nothing about it",
          "[session][v5:MQTT-2.2.1-5]") {
    scripted_peer p;
    p.connect();
    for (const char* topic : {"a", "b"}) p.publish(topic, "", qos_2);
    (void)p.sent();
    p.cut();
    p.connect(v5, receive_maximum(1)); // Lost: b waits.
    (void)p.sent();
    p.gets(pubrec{.id = id(2)});
    CHECK(p.sent() == trace{"PUBREL id=2 reason='packet identifier not found' (146)"});
    CHECK(p.session.unsettled() == 2);
}

TEST_CASE("resend: after a lost session messages are published as new ones, in order, with the same identifier and DUP 0",
          "[session][v5:MQTT-3.2.2-5][v5:MQTT-3.3.1-1][v3:MQTT-3.1.2-6]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    p.publish("a", "", qos_1);
    p.publish("b", "", qos_2);
    p.publish("c", "", qos_2);
    (void)p.sent();
    p.gets(pubrec{.id = id(2)});
    p.cut();
    p.publish("d", "", qos_1);
    CHECK(p.connect(version) == trace{"connected lost"});
    CHECK(p.sent() == trace{publish_1("a", 1), publish_2("b", 2), publish_2("c", 3), publish_1("d", 4)});
    p.gets(pubrec{.id = id(2)});
    CHECK(p.sent() == trace{"PUBREL id=2"});
    CHECK(p.gets(pubcomp{.id = id(2)}) == trace{"published 2: success"});
}

TEST_CASE("resend: a message that waits to be published anew is new to the next connection as well, resumed or not",
          "[session][v5:MQTT-3.3.1-1][v5:MQTT-3.2.2-5]") {
    scripted_peer p;
    p.connect();
    p.publish("a", "", qos_1);
    p.publish("b", "", qos_2);
    p.publish("c", "", qos_2);
    (void)p.sent();
    p.gets(pubrec{.id = id(2)});
    p.cut();
    p.connect(v5, receive_maximum(1)); // Lost. b and c wait behind a, unknown to the new session.
    CHECK(p.sent() == trace{publish_1("a", 1)});
    p.cut();
    p.resume();
    CHECK(p.sent() == trace{publish_1("a", 1, true), publish_2("b", 2), publish_2("c", 3)});
}

TEST_CASE("resend: a lost session settles messages that were sent, if that is the policy",
          "[session][v5:MQTT-3.2.2-5]") {
    const auto version = GENERATE(v3, v5);
    session_options options = test_options();
    options.on_lost_session = lost_session_policy::fail;
    scripted_peer p(options);
    p.connect(version);
    p.publish("a", "", qos_1);
    p.publish("b", "", qos_2);
    (void)p.sent();
    p.gets(pubrec{.id = id(2)});
    p.cut();
    p.publish("c", "", qos_1);
    const trace got = p.connect(version);
    CHECK(got.size() == 3);
    CHECK(std::count(got.begin(), got.end(), "published 1: failed, broker has lost the session") == 1);
    CHECK(std::count(got.begin(), got.end(), "published 2: failed, broker has lost the session") == 1);
    CHECK(p.sent() == trace{publish_1("c", 3)});
    CHECK(p.publish("d", "", qos_1).mid == 4);
    CHECK(p.session.unsettled() == 2);
}

TEST_CASE("resend: 5.0 sends nothing again on the same connection, and leaves it when no acknowledgement comes",
          "[session][v5:MQTT-4.4.0-1]") {
    scripted_peer p(timeout(20s));
    p.connect(v5);
    p.publish("a", "", qos_1);
    CHECK(p.sent().size() == 1);
    p.wait(19'999ms);
    CHECK(p.sent().empty());
    CHECK_FALSE(p.session.is_closing());
    p.wait(1ms);
    CHECK(p.session.close_reason() == errc::ack_timeout);
    CHECK(p.sent() == trace{"DISCONNECT reason='unspecified error' (128)"});
    p.cut();
    p.resume();
    CHECK(p.sent() == trace{publish_1("a", 1, true)});
}

TEST_CASE("resend: in 5.0 the time doubles for the message it has run out for, and not for the next one",
          "[session]") {
    scripted_peer p(timeout(20s));
    p.connect(v5);
    p.publish("a", "", qos_1);
    p.wait(20s);
    CHECK(p.session.is_closing());
    p.cut();
    p.resume();
    p.wait(39s);
    CHECK_FALSE(p.session.is_closing());
    p.publish("b", "", qos_1);
    p.gets(puback{.id = id(1)});
    (void)p.sent();
    p.wait(19s);
    CHECK_FALSE(p.session.is_closing());
    p.wait(1s);
    CHECK(p.session.is_closing());
}

TEST_CASE("resend: 3.1.1 sends the oldest message again with DUP on the same connection, ever more slowly",
          "[session][v3:MQTT-3.3.1-1][v3:MQTT-2.3.1-3]") {
    scripted_peer p(timeout(20s));
    p.connect(v3);
    p.publish("a", "", qos_1);
    p.wait(5s);
    p.publish("b", "", qos_1);
    CHECK(p.sent().size() == 2);
    p.wait(15s);
    CHECK(p.sent() == trace{publish_1("a", 1, true)});
    p.wait(39'999ms);
    CHECK(p.sent().empty());
    p.wait(1ms);
    CHECK(p.sent() == trace{publish_1("a", 1, true)});
    p.wait(80s);
    CHECK(p.sent() == trace{publish_1("a", 1, true)});
    p.gets(puback{.id = id(1)});
    p.wait(19s); // The time of b starts when it becomes the oldest.
    CHECK(p.sent().empty());
    p.wait(1s);
    CHECK(p.sent() == trace{publish_1("b", 2, true)});
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("resend: 3.1.1 sends PUBREL again when PUBCOMP does not come", "[session][v3:MQTT-4.3.3-1]") {
    scripted_peer p(timeout(20s));
    p.connect(v3);
    p.publish("a", "", qos_2);
    p.wait(10s);
    p.gets(pubrec{.id = id(1)});
    CHECK(p.sent().back() == "PUBREL id=1");
    p.wait(19s); // Anew for the new state.
    CHECK(p.sent().empty());
    p.wait(1s);
    CHECK(p.sent() == trace{"PUBREL id=1"});
}

TEST_CASE("resend: 3.1.1 sends a large message again, of which the output holds no copy",
          "[session][v3:MQTT-3.3.1-1]") {
    scripted_peer p(timeout(20s));
    p.connect(v3);
    p.publish("a", std::string(100'000, 'x'), qos_1);
    CHECK(p.sent().size() == 1);
    p.wait(20s);
    const trace again = p.sent();
    REQUIRE(again.size() == 1);
    CHECK(again[0].starts_with("PUBLISH qos=1 dup topic='a' id=1"));
    CHECK(again[0].ends_with("(100000 bytes)"));
}

TEST_CASE("resend: a message that has not left is not sent twice, however long it takes", "[session]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(timeout(20s));
    p.connect(version);
    p.publish("a", "", qos_1);
    for (int i = 0; i != 10; ++i) { // Nothing is written.
        p.now += 20s;
        p.session.deadline_reached(p.now);
    }
    CHECK_FALSE(p.session.is_closing());
    CHECK(p.sent() == trace{publish_1("a", 1)});
}

TEST_CASE("resend: other output that has not left does not hold up the acknowledgement timer", "[session]") {
    scripted_peer p(timeout(20s));
    p.connect(v3);
    p.publish("a", "", qos_1);
    (void)p.sent();
    p.now += 19s;
    p.publish("b", "", qos_0); // A stream of these never lets the output run empty.
    p.now += 1s;
    p.session.deadline_reached(p.now);
    CHECK(p.sent() == trace{"PUBLISH qos=0 topic='b' payload='' (0 bytes)", publish_1("a", 1, true)});
}

TEST_CASE("resend: a PINGREQ due at the same time does not hold up the acknowledgement timer", "[session]") {
    session_options options = timeout(20s);
    options.keep_alive = 20s;
    scripted_peer p(options);
    p.connect(v3);
    p.publish("a", "", qos_1);
    (void)p.sent();
    p.now += 20s;
    p.session.deadline_reached(p.now);
    const trace sent = p.sent();
    CHECK(std::count(sent.begin(), sent.end(), publish_1("a", 1, true)) == 1);
}

TEST_CASE("resend: with an ack_timeout of 0 a message waits for ever", "[session]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(timeout(0s));
    p.connect(version);
    p.publish("a", "", qos_1);
    CHECK_FALSE(p.session.deadline());
    p.wait(100h);
    CHECK(p.sent().size() == 1);
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("resend: the acknowledgement timer stands still while nothing is read", "[session]") {
    scripted_peer p(timeout(20s));
    p.connect(v3);
    p.publish("a", "", qos_1);
    p.wait(15s);
    CHECK(p.sent().size() == 1);
    p.session.reading_paused(p.now);
    p.wait(100s);
    CHECK(p.sent().empty());
    p.session.reading_resumed(p.now);
    p.wait(4'999ms);
    CHECK(p.sent().empty());
    p.wait(1ms);
    CHECK(p.sent() == trace{publish_1("a", 1, true)});
}

TEST_CASE("resend: identifiers of a resumed session stay taken", "[session][v5:U5-25][v3:MQTT-2.3.1-3]") {
    const auto version = GENERATE(v3, v5);
    session_options options = kept_session();
    options.first_packet_id = 65'535;
    scripted_peer p(options);
    p.connect(version);
    CHECK(p.publish("a", "", qos_1).mid == 65'535);
    CHECK(p.publish("b", "", qos_2).mid == 1);
    p.cut();
    CHECK(p.publish("c", "", qos_1).mid == 2);
    p.resume(version);
    CHECK(p.publish("d", "", qos_1).mid == 3);
}

TEST_CASE("resend: the acknowledgement timer ends with the messages that are abandoned", "[session]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(timeout(20s));
    p.connect(version);
    p.publish("a", "", qos_1);
    CHECK(p.sent().size() == 1);
    p.session.abandon(errc::not_connected);
    CHECK_FALSE(p.session.deadline());
    p.wait(100s);
    CHECK(p.sent().empty());
    CHECK_FALSE(p.session.is_closing());
}
