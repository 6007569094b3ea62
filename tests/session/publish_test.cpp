// publish(): what it answers, what goes out, and how it ends.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"
#include "support/hex.hpp"

#include <set>

using namespace inflight;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

publish_result accepted(std::uint16_t mid) { return {publish_status::success, mid}; }
publish_result refused(publish_status status) { return {status, 0}; }

session_options window(std::uint16_t count) {
    session_options options = test_options();
    options.max_inflight_messages = count;
    return options;
}

} // namespace

TEST_CASE("publish: QoS 0 goes out once, without identifier, and is done when it has been written",
          "[session][v5:MQTT-4.3.1-1][v3:MQTT-4.3.1-1]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    CHECK(p.publish("a", "x", qos_0) == accepted(1));
    CHECK(p.events().empty());
    CHECK(p.sent() == trace{"PUBLISH qos=0 topic='a' payload='x' (1 byte)"});
    CHECK(p.events() == trace{"published 1: success"});
    CHECK(p.session.unsettled() == 0);
}

TEST_CASE("publish: QoS 1 holds its identifier until PUBACK",
          "[session][v5:MQTT-4.3.2-2][v5:MQTT-4.3.2-3][v3:MQTT-4.3.2-1]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    CHECK(p.publish("a", "x", qos_1) == accepted(1));
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='a' id=1 payload='x' (1 byte)"});
    CHECK(p.events().empty());
    CHECK(p.session.in_flight() == 1);
    CHECK(p.session.is_outstanding(id(1)));
    CHECK(p.gets(puback{.id = id(1)}) == trace{"published 1: success"});
    CHECK(p.session.in_flight() == 0);
    CHECK_FALSE(p.session.is_outstanding(id(1)));
    CHECK(p.sent().empty());
}

TEST_CASE("publish: QoS 2 goes PUBLISH, PUBREC, PUBREL, PUBCOMP, and is done with the last",
          "[session][v5:MQTT-4.3.3-2][v5:MQTT-4.3.3-4][v5:MQTT-4.3.3-5][v3:MQTT-4.3.3-1]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    CHECK(p.publish("a", "x", qos_2) == accepted(1));
    CHECK(p.sent() == trace{"PUBLISH qos=2 topic='a' id=1 payload='x' (1 byte)"});
    CHECK(p.gets(pubrec{.id = id(1)}).empty());
    CHECK(p.sent() == trace{"PUBREL id=1"});
    CHECK(p.session.in_flight() == 1);
    CHECK(p.gets(pubrec{.id = id(1)}).empty());
    CHECK(p.sent() == trace{"PUBREL id=1"}); // Each PUBREC is answered.
    CHECK(p.gets(pubcomp{.id = id(1)}) == trace{"published 1: success"});
    CHECK(p.session.unsettled() == 0);
}

TEST_CASE("publish: a refusing PUBACK or PUBREC settles with its code, and nothing follows",
          "[session][v5:MQTT-4.4.0-2][v5:U5-30][v5:U5-25]") {
    scripted_peer p;
    p.connect(v5, receive_maximum(1));
    p.publish("a", "x", qos_1);
    p.publish("a", "y", qos_2);
    p.publish("a", "z", qos_1);
    CHECK(p.sent().size() == 1);
    CHECK(p.gets(puback{.id = id(1), .reason = reason_code::quota_exceeded}) == trace{"published 1: quota exceeded"});
    CHECK(p.sent().size() == 1);
    CHECK(p.gets(pubrec{.id = id(2), .reason = reason_code::not_authorized}) == trace{"published 2: not authorized"});
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='a' id=3 payload='z' (1 byte)"}); // No PUBREL; the quota is free.
    CHECK_FALSE(p.session.is_outstanding(id(2)));
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("publish: codes below 0x80 are success, and are told", "[session][v5:MQTT-4.3.3-4][v5:U5-29]") {
    scripted_peer p;
    p.connect();
    p.publish("a", "x", qos_1);
    p.publish("a", "y", qos_2);
    (void)p.sent();
    CHECK(p.gets(puback{.id = id(1), .reason = reason_code::no_matching_subscribers}) == trace{"published 1: no matching subscribers"});
    CHECK(p.gets(pubrec{.id = id(2), .reason = reason_code::no_matching_subscribers}).empty());
    CHECK(p.sent() == trace{"PUBREL id=2"});
    CHECK(p.gets(pubcomp{.id = id(2), .reason = reason_code::packet_identifier_not_found}) ==
          trace{"published 2: no matching subscribers"});
}

TEST_CASE("publish: 3.1.1 settles a QoS 2 message on PUBACK as downgraded, 5.0 calls it an error",
          "[session]") {
    scripted_peer p;
    p.connect(v3);
    p.publish("a", "x", qos_2);
    (void)p.sent();
    CHECK(p.gets(puback{.id = id(1)}) == trace{"published 1: failed, broker acknowledged a QoS 2 message as QoS 1"});
    CHECK(p.session.unsettled() == 0);
    CHECK_FALSE(p.session.is_closing());

    scripted_peer strict;
    strict.connect(v5);
    strict.publish("a", "x", qos_2);
    (void)strict.sent();
    CHECK(strict.gets(puback{.id = id(1)}).empty());
    CHECK(strict.session.close_reason() == errc::unexpected_packet);
}

TEST_CASE("publish: an acknowledgement of the wrong kind ends the connection, and the message is still held",
          "[session][v5:MQTT-2.2.1-5][v3:MQTT-2.3.1-6]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    p.publish("a", "x", qos_1);
    (void)p.sent();
    SECTION("PUBREC for QoS 1") { p.gets(pubrec{.id = id(1)}); }
    SECTION("PUBCOMP for QoS 1") { p.gets(pubcomp{.id = id(1)}); }
    SECTION("PUBCOMP before PUBREC") {
        p.publish("a", "x", qos_2);
        p.gets(pubcomp{.id = id(2)});
    }
    SECTION("PUBACK after PUBREC") {
        p.publish("a", "x", qos_2);
        p.gets(pubrec{.id = id(2)});
        p.gets(puback{.id = id(2)});
    }
    CHECK(p.session.close_reason() == errc::unexpected_packet);
    CHECK(p.session.is_outstanding(id(1)));
    CHECK(p.events().empty());
}

TEST_CASE("publish: acknowledgements for unknown identifiers are ignored, but PUBREC, which gets its PUBREL",
          "[session][v5:MQTT-2.2.1-5][v3:MQTT-2.3.1-6]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    CHECK(p.gets(puback{.id = id(9)}).empty());
    CHECK(p.gets(pubcomp{.id = id(9)}).empty());
    CHECK(p.sent().empty());
    CHECK(p.gets(pubrec{.id = id(9)}).empty());
    CHECK(p.sent() == trace{version == v5 ? "PUBREL id=9 reason='packet identifier not found' (146)" : "PUBREL id=9"});
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("publish: identifiers ascend, and one in use is skipped, of a SUBSCRIBE too",
          "[session][v5:MQTT-2.2.1-3][v5:MQTT-4.3.3-1][v3:MQTT-2.3.1-2]") {
    const auto version = GENERATE(v3, v5);
    session_options options = test_options();
    options.first_packet_id = 65'534;
    scripted_peer p(options);
    p.connect(version);
    CHECK(p.publish("a", "", qos_1) == accepted(65'534));
    CHECK(p.publish("a", "", qos_2) == accepted(65'535));
    CHECK(number(*p.subscribe("f")) == 1);
    CHECK(p.publish("a", "", qos_1) == accepted(2));
    // Once around: 1 and 2, 65,534 and 65,535 are taken.
    for (unsigned n = 3; n != 65'534; ++n) {
        REQUIRE(p.session.publish({.qos = qos_1, .topic = "a"}, 0, version, p.now).mid == n);
        p.carry();
        p.gets(puback{.id = id(n)});
    }
    CHECK(p.publish("a", "", qos_1) == accepted(3));
}

TEST_CASE("publish: with all identifiers in use it is refused, and each end of an exchange frees one, a refusal too",
          "[session][v5:MQTT-4.3.2-1][v5:U5-25]") {
    scripted_peer p;
    p.connect();
    for (unsigned n = 1; n <= 65'535; ++n)
        REQUIRE(p.session.publish({.qos = n < 700 ? qos_1 : qos_2, .topic = "a"}, 0, v5, p.now));
    p.carry();
    const auto publish_again = [&] { return p.publish("a", "", qos_1); };
    const publish_result exhausted = refused(publish_status::packet_ids_exhausted);
    CHECK(publish_again() == exhausted);
    CHECK(p.subscribe("f").error() == errc::packet_ids_exhausted);
    p.gets(puback{.id = id(666)});
    CHECK(publish_again() == accepted(666));
    p.gets(puback{.id = id(667), .reason = reason_code::quota_exceeded});
    CHECK(publish_again() == accepted(667));
    p.gets(pubrec{.id = id(777), .reason = reason_code::quota_exceeded});
    CHECK(publish_again() == accepted(777));
    p.gets(pubrec{.id = id(778)});
    CHECK(publish_again() == exhausted);
    p.gets(pubcomp{.id = id(778)});
    CHECK(publish_again() == accepted(778));
    CHECK(publish_again() == exhausted);
    CHECK(p.session.unsettled() == 65'535);
}

TEST_CASE("publish: a QoS 0 message's tracking number is that of no unacknowledged message", "[session]") {
    scripted_peer p(window(1));
    p.connect();
    CHECK(p.publish("a", "", qos_1) == accepted(1));
    CHECK(p.publish("a", "", qos_0) == accepted(2));
    CHECK(p.publish("a", "", qos_1) == accepted(3));
    CHECK(p.session.publish({.topic = "a"}, 0, v5, p.now).mid == 4); // Nobody asked for its outcome.
    CHECK(p.publish("a", "", qos_1) == accepted(5));
}

TEST_CASE("publish: what cannot be published is refused, takes no identifier and sends nothing",
          "[session][v5:MQTT-3.3.2-2][v5:MQTT-3.3.4-6]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    CHECK(p.publish("", "", qos_1) == refused(publish_status::topic_empty));
    CHECK(p.publish("a/#", "", qos_1) == refused(publish_status::topic_wildcard));
    CHECK(p.publish("a/+", "", qos_0) == refused(publish_status::topic_wildcard));
    CHECK(p.publish("\xc0\x80", "", qos_1) == refused(publish_status::topic_not_utf8));
    CHECK(p.publish("a"s + '\0', "", qos_1) == refused(publish_status::topic_nul));
    CHECK(p.publish(std::string(65'536, 'a'), "", qos_1) == refused(publish_status::topic_too_long));
    CHECK(p.publish("a", "", static_cast<qos>(3)) == refused(publish_status::invalid_qos));
    properties<packet_type::publish> alias, identifier, broken;
    alias.set<property_id::topic_alias>(1);
    identifier.set<property_id::subscription_identifier>(1);
    CHECK(p.publish({.qos = qos_1, .topic = "a", .props = alias}) == refused(publish_status::topic_alias_by_hand));
    CHECK(p.publish({.qos = qos_1, .topic = "a", .props = identifier})
          == refused(publish_status::subscription_identifier_sent));
    broken.set<property_id::content_type>("\xff");
    if (version == v5) CHECK(p.publish({.qos = qos_1, .topic = "a", .props = broken}) == refused(publish_status::property_not_utf8));
    CHECK(p.sent().empty());
    CHECK(p.events().empty());
    CHECK(p.publish("a", "", qos_1) == accepted(1));
}

TEST_CASE("publish: DUP and identifier of the packet given do not matter",
          "[session][v5:MQTT-3.3.1-3][v3:MQTT-3.3.1-3]") {
    scripted_peer p;
    p.connect(GENERATE(v3, v5));
    p.publish({.dup = true, .qos = qos_1, .topic = "a", .id = id(77)});
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='a' id=1 payload='' (0 bytes)"});
}

TEST_CASE("publish: what the broker does not support is refused at once, when that is known",
          "[session][v5:MQTT-3.2.2-11][v5:MQTT-3.2.2-14][v5:MQTT-3.2.2-15]") {
    scripted_peer p;
    p.connect(v5, with([](auto& props) {
        props.template set<property_id::maximum_qos>(1);
        props.template set<property_id::retain_available>(0);
        props.template set<property_id::maximum_packet_size>(20);
    }));
    CHECK(p.publish("a", "", qos_2) == refused(publish_status::qos_not_supported));
    CHECK(p.publish({.qos = qos_0, .retain = true, .topic = "a"}) == refused(publish_status::retain_not_supported));
    CHECK(p.publish("a", std::string(13, 'x'), qos_1) == refused(publish_status::packet_too_large)); // 21 bytes.
    CHECK(p.publish("a", std::string(12, 'x'), qos_1) == accepted(1));
    CHECK(p.publish("a", std::string(14, 'x'), qos_0) == accepted(2));
    CHECK(p.publish("a", std::string(15, 'x'), qos_0) == refused(publish_status::packet_too_large));
}

TEST_CASE("publish: what was accepted offline and the broker does not support is settled with that error, unsent",
          "[session][v5:MQTT-3.2.2-11][v5:MQTT-3.2.2-14][v5:MQTT-3.2.2-15]") {
    scripted_peer p;
    p.publish("a", "", qos_2);
    p.publish({.qos = qos_1, .retain = true, .topic = "a"});
    p.publish("a", std::string(30, 'x'), qos_1);
    p.publish("a", std::string(30, 'x'), qos_0);
    p.publish("b", "", qos_1);
    CHECK(p.connect(v5, with([](auto& props) {
        props.template set<property_id::maximum_qos>(1);
        props.template set<property_id::retain_available>(0);
        props.template set<property_id::maximum_packet_size>(30);
    })) == trace{"connected", "published 1: failed, broker does not support this QoS",
                 "published 2: failed, broker does not support retained messages",
                 "published 3: failed, packet larger than the Maximum Packet Size",
                 "published 4: failed, packet larger than the Maximum Packet Size"});
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='b' id=5 payload='' (0 bytes)"});
    CHECK(p.session.unsettled() == 1);
}

TEST_CASE("publish: at most Receive Maximum messages are open; a good PUBREC frees nothing",
          "[session][v5:MQTT-3.3.4-7][v5:MQTT-4.9.0-2]") {
    scripted_peer p;
    p.connect(v5, receive_maximum(2));
    for (const qos l : {qos_1, qos_2, qos_1, qos_2}) CHECK(p.publish("a", "", l).status == publish_status::success);
    CHECK(p.sent().size() == 2);
    CHECK(p.session.in_flight() == 2);
    CHECK(p.session.waiting() == 2);
    p.gets(pubrec{.id = id(2)});
    CHECK(p.sent() == trace{"PUBREL id=2"});
    p.gets(pubcomp{.id = id(2)});
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='a' id=3 payload='' (0 bytes)"});
    p.gets(puback{.id = id(1)});
    CHECK(p.sent() == trace{"PUBLISH qos=2 topic='a' id=4 payload='' (0 bytes)"});
}

TEST_CASE("publish: an empty quota holds back PUBLISH of QoS 1 and 2, and nothing else",
          "[session][v5:MQTT-3.3.4-8][v5:MQTT-4.9.0-3]") {
    session_options options = test_options();
    options.ack_timeout = 0s;
    scripted_peer p(options);
    p.connect(v5, receive_maximum(1));
    p.publish("a", "", qos_2);
    p.publish("a", "", qos_1);
    CHECK(p.sent().size() == 1);
    p.publish("zero", "", qos_0);
    (void)p.subscribe("f");
    (void)p.unsubscribe("f");
    p.gets(pubrec{.id = id(1)});
    p.gets(publish{.qos = qos_1, .topic = "in", .id = id(1)});
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    const trace sent = p.sent();
    REQUIRE(sent.size() == 5);
    CHECK(sent[0].starts_with("PUBLISH qos=0 topic='zero'"));
    CHECK(sent[1].starts_with("SUBSCRIBE"));
    CHECK(sent[2].starts_with("UNSUBSCRIBE"));
    CHECK(sent[3] == "PUBREL id=1");
    CHECK(sent[4] == "PUBACK id=1");
    p.wait(60s);
    CHECK(p.sent() == trace{"PINGREQ"});
}

TEST_CASE("publish: the window is ours where it is smaller, and 20 in 3.1.1 unless it is set",
          "[session][v5:MQTT-4.9.0-1]") {
    const auto filled = [](scripted_peer<>& p) {
        for (int i = 0; i != 100; ++i) p.publish("a", "", qos_1);
        p.carry();
        return p.session.in_flight();
    };
    scripted_peer ours(window(3));
    ours.connect(v5, receive_maximum(5));
    CHECK(filled(ours) == 3);
    ours.session.set_max_inflight_messages(4, ours.now);
    CHECK(ours.session.in_flight() == 4);
    ours.session.set_max_inflight_messages(50, ours.now);
    CHECK(ours.session.in_flight() == 5);
    scripted_peer theirs;
    theirs.connect(v5, receive_maximum(5));
    CHECK(filled(theirs) == 5);
    scripted_peer open;
    open.connect(v5);
    CHECK(filled(open) == 100);
    scripted_peer old;
    old.connect(v3);
    CHECK(filled(old) == 20);
    scripted_peer old_and_set(window(50));
    old_and_set.connect(v3);
    CHECK(filled(old_and_set) == 50);
}

TEST_CASE("publish: a window that was lowered while it was full opens at the new size", "[session]") {
    scripted_peer p(window(3));
    p.connect();
    for (int i = 0; i != 5; ++i) p.publish("a", "", qos_1);
    p.carry();
    p.session.set_max_inflight_messages(1, p.now);
    p.gets(puback{.id = id(1)});
    p.gets(puback{.id = id(2)});
    CHECK(p.session.in_flight() == 1);
    CHECK(p.session.waiting() == 2);
    p.gets(puback{.id = id(3)});
    CHECK(p.session.in_flight() == 1);
}

TEST_CASE("publish: messages of QoS 1 and 2 go out in the order of publish(), waiting or not",
          "[session][v5:MQTT-4.6.0-1]") {
    scripted_peer p(window(2));
    p.publish("1", "", qos_2);
    p.publish("2", "", qos_1);
    p.publish("3", "", qos_1);
    p.connect();
    p.publish("4", "", qos_2);
    p.carry();
    p.gets(puback{.id = id(2)});
    p.publish("5", "", qos_1);
    p.gets(puback{.id = id(3)});
    p.gets(pubrec{.id = id(1)});
    p.gets(pubcomp{.id = id(1)});
    trace publishes;
    for (const std::string& line : p.sent())
        if (line.starts_with("PUBLISH")) publishes.push_back(line.substr(0, 23));
    CHECK(publishes == trace{"PUBLISH qos=2 topic='1'", "PUBLISH qos=1 topic='2'", "PUBLISH qos=1 topic='3'",
                             "PUBLISH qos=2 topic='4'", "PUBLISH qos=1 topic='5'"});
}

TEST_CASE("publish: QoS 0 messages keep their order among themselves, offline too", "[session]") {
    scripted_peer p;
    p.publish("1", "", qos_0);
    p.publish("2", "", qos_0);
    p.connect();
    p.publish("3", "", qos_0);
    const trace sent = p.sent();
    REQUIRE(sent.size() == 3);
    for (std::size_t i = 0; i != 3; ++i) CHECK(sent[i].find("topic='" + std::to_string(i + 1)) != std::string::npos);
    CHECK(p.events() == trace{"published 1: success", "published 2: success", "published 3: success"});
}

TEST_CASE("publish: offline it is queued, in the version that will be spoken", "[session]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    CHECK(p.publish("a", "x", qos_1) == publish_result{publish_status::queued_offline, 1});
    CHECK(p.events().empty());
    p.connect(version); // Encoded for 5.0, sent in either.
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='a' id=1 payload='x' (1 byte)"});
}

TEST_CASE("publish: a message is encoded anew when the version of the connection changes", "[session]") {
    scripted_peer p;
    p.connect(v5);
    properties<packet_type::publish> props;
    props.set<property_id::content_type>("text");
    p.publish({.qos = qos_1, .topic = "a", .props = props, .payload = "x"});
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='a' id=1 content_type='text' payload='x' (1 byte)"});
    p.cut();
    p.connect(v3);
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='a' id=1 payload='x' (1 byte)"});
    CHECK(p.gets(puback{.id = id(1)}) == trace{"published 1: success"});
}

TEST_CASE("publish: waiting messages are bounded by count", "[session]") {
    session_options options = window(1);
    options.max_queued_messages = 2;
    scripted_peer p(options);
    p.connect();
    CHECK(p.publish("a", "", qos_1) == accepted(1)); // In flight: it does not wait.
    CHECK(p.publish("a", "", qos_1) == accepted(2));
    CHECK(p.publish("a", "", qos_1) == accepted(3));
    CHECK(p.publish("a", "", qos_1) == refused(publish_status::queue_full));
    CHECK(p.publish("a", "", qos_0).status == publish_status::success); // Does not wait either.
    p.session.set_max_queued_messages(3);
    CHECK(p.publish("a", "", qos_1).status == publish_status::success);
    CHECK(p.publish("a", "", qos_1) == refused(publish_status::queue_full));
    p.carry();
    p.gets(puback{.id = id(1)});
    CHECK(p.publish("a", "", qos_1).status == publish_status::success);
}

TEST_CASE("publish: held messages are bounded by bytes, and one above the whole limit is too large", "[session]") {
    session_options options = test_options();
    options.max_queued_bytes = 1000;
    scripted_peer p(options);
    const std::string half(500, 'x');
    CHECK(p.publish("a", half, qos_1));
    CHECK(p.publish("a", half, qos_1) == refused(publish_status::queue_full));
    CHECK(p.publish("a", half, qos_0) == refused(publish_status::queue_full));
    CHECK(p.publish("a", "small", qos_1));
    p.connect();
    p.carry();
    CHECK(p.publish("a", half, qos_1) == refused(publish_status::queue_full)); // Unacknowledged ones count.
    CHECK(p.publish("a", half, qos_0)); // One that is not kept does not.
    p.gets(puback{.id = id(1)});
    CHECK(p.publish("a", half, qos_1));

    CHECK(p.publish("a", std::string(1000, 'x'), qos_1) == refused(publish_status::packet_too_large));
    CHECK(p.publish("a", std::string(1000, 'x'), qos_0)); // It is not kept.
    p.session.set_max_queued_bytes(0);
    CHECK(p.publish("a", std::string(1000, 'x'), qos_1)); // No limit.
}

TEST_CASE("publish: the oldest message that was never sent makes room, and completes with that", "[session]") {
    session_options options = window(1);
    options.max_queued_messages = 2;
    options.on_full_queue = queue_policy::drop_oldest;
    scripted_peer p(options);
    p.connect();
    for (const char* topic : {"sent", "b", "c", "d"}) CHECK(p.publish(topic, "", qos_1));
    CHECK(p.events() == trace{"published 2: failed, message dropped from the full queue to make room for a newer one"});
    CHECK_FALSE(p.session.is_outstanding(id(2)));
    p.carry();
    p.cut();
    p.publish("zero", "", qos_0); // Takes the place of c.
    CHECK(p.events().size() == 1);
    p.publish("e", "", qos_1); // Of d: "sent" waits again, and is not the oldest of those never sent.
    p.publish("f", "", qos_1); // Of zero.
    CHECK(p.events() == trace{"published 4: failed, message dropped from the full queue to make room for a newer one",
                              "published 5: failed, message dropped from the full queue to make room for a newer one"});
    p.resume();
    for (const unsigned n : {1u, 6u, 7u}) {
        p.carry();
        p.gets(puback{.id = id(n)});
    }
    CHECK(p.session.unsettled() == 0);
}

TEST_CASE("publish: a message that waits to be sent again makes no room", "[session]") {
    session_options options = test_options();
    options.max_queued_messages = 1;
    options.on_full_queue = queue_policy::drop_oldest;
    scripted_peer p(options);
    p.connect();
    for (const char* topic : {"sent", "sent too"}) CHECK(p.publish(topic, "", qos_1));
    p.carry();
    p.cut();
    p.resume(v5, receive_maximum(1)); // The second one has to wait.
    for (const char* topic : {"c", "d"}) CHECK(p.publish(topic, "", qos_1));
    CHECK(p.events() == trace{"published 3: failed, message dropped from the full queue to make room for a newer one"});
    CHECK(p.session.is_outstanding(id(2)));
}

TEST_CASE("publish: when QoS 0 makes room, the oldest one does, and QoS 1 and 2 are kept", "[session]") {
    session_options options = test_options();
    options.max_queued_messages = 3;
    options.on_full_queue = queue_policy::drop_oldest_qos_0;
    scripted_peer p(options);
    p.publish("one", "", qos_1);
    p.publish("zero", "1", qos_0);
    p.publish("zero", "2", qos_0);
    CHECK(p.publish("two", "", qos_2)); // For the first zero.
    CHECK(p.publish("zero", "3", qos_0)); // For the second.
    CHECK(p.publish("one", "", qos_1)); // For the third.
    CHECK(p.events().size() == 3);
    CHECK(p.publish("zero", "4", qos_0) == refused(publish_status::queue_full));
    CHECK(p.publish("one", "", qos_1) == refused(publish_status::queue_full));
    CHECK(p.events().empty());
    CHECK(p.session.unsettled() == 3);
}

TEST_CASE("publish: several messages make room for the bytes of one, or none if all would not do", "[session]") {
    session_options options = window(1);
    options.max_queued_bytes = 1000;
    options.on_full_queue = queue_policy::drop_oldest;
    scripted_peer p(options);
    p.connect();
    const std::string third(300, 'x');
    for (const char* topic : {"sent", "b", "c"}) CHECK(p.publish(topic, third, qos_1));
    CHECK(p.publish("d", std::string(600, 'x'), qos_1)); // For b and c.
    CHECK(p.events().size() == 2);
    CHECK(p.session.unsettled() == 2);
    CHECK(p.publish("e", std::string(800, 'x'), qos_1) == refused(publish_status::queue_full)); // "sent" is in the way.
    CHECK(p.events().empty());
    CHECK(p.session.unsettled() == 2);
    CHECK(p.publish("f", std::string(1000, 'x'), qos_1) == refused(publish_status::packet_too_large));
}

TEST_CASE("publish: when all identifiers are taken, the oldest waiting message gives up its own", "[session][v5:U5-25]") {
    session_options options = test_options();
    const bool drops = GENERATE(true, false);
    if (drops) options.on_full_queue = queue_policy::drop_oldest;
    scripted_peer p(options);
    p.subscribe("a"); // Takes identifier 1, so that the queue is one short of its limit by count.
    for (int i = 0; i != 65'534; ++i) p.session.publish({.qos = qos_1, .topic = "a"}, 7, v5, p.now);
    const publish_result got = p.publish("b", "", qos_1);
    if (drops) CHECK(got == publish_result{publish_status::queued_offline, 2});
    else CHECK(got == refused(publish_status::packet_ids_exhausted));
    CHECK(p.events().size() == (drops ? 1 : 0));
    CHECK(p.session.unsettled() == 65'534);
}

TEST_CASE("publish: an identifier is taken from a QoS 0 message that holds one, and never for a QoS 0 message", "[session]") {
    session_options options = window(100);
    options.on_full_queue = GENERATE(queue_policy::drop_oldest, queue_policy::drop_oldest_qos_0);
    scripted_peer p(options);
    p.connect();
    for (int i = 0; i != 100; ++i) CHECK(p.publish("sent", "", qos_1));
    p.session.transport_closed();
    for (int i = 0; i != 2; ++i) p.session.publish({.topic = "no identifier"}, 0, v5, p.now);
    for (int i = 0; i != 65'435; ++i) p.session.publish({.topic = "zero"}, 7, v5, p.now);
    CHECK(p.events().empty());
    const auto one_more = [&](qos level) { return p.session.publish({.qos = level, .topic = "b"}, 8, v5, p.now); };
    CHECK(one_more(qos_1).status == publish_status::queued_offline);
    CHECK(p.events().size() == 1);
    CHECK(one_more(qos_0) == publish_result{publish_status::queued_offline, 0});
    CHECK(p.events().empty());
}

TEST_CASE("publish: under `wait` the session refuses: its driver does the waiting", "[session]") {
    session_options options = test_options();
    options.max_queued_messages = 1;
    options.on_full_queue = queue_policy::wait;
    scripted_peer p(options);
    CHECK(p.publish("a", "", qos_1));
    CHECK(p.publish("b", "", qos_1) == refused(publish_status::queue_full));
    CHECK(p.session.unsettled() == 1);
}

TEST_CASE("publish: a message whose time has passed while it waited is settled, unsent", "[session]") {
    scripted_peer p;
    properties<packet_type::publish> props;
    props.set<property_id::message_expiry_interval>(10);
    p.publish({.qos = qos_1, .topic = "one", .props = props});
    p.publish({.qos = qos_0, .topic = "zero", .props = props});
    p.publish({.qos = qos_2, .topic = "two"});
    p.wait(9'999ms);
    CHECK(p.events().empty());
    p.wait(1ms); // While there is no connection.
    CHECK(p.events() == trace{"published 1: failed, message expired before it was sent",
                              "published 2: failed, message expired before it was sent"});
    CHECK_FALSE(p.session.deadline());
    CHECK(p.connect() == trace{"connected"});
    CHECK(p.sent() == trace{"PUBLISH qos=2 topic='two' id=3 payload='' (0 bytes)"});
}

TEST_CASE("publish: messages behind the window expire one by one, each in its time, in 3.1.1 too", "[session]") {
    const auto version = GENERATE(v3, v5);
    session_options options = window(1);
    options.keep_alive = 0s;
    options.ack_timeout = 0s;
    scripted_peer p(options);
    p.connect(version);
    p.publish("first", "", qos_1);
    for (const unsigned seconds : {30u, 10u, 20u, 40u}) {
        properties<packet_type::publish> props;
        props.set<property_id::message_expiry_interval>(seconds);
        p.publish({.qos = qos_1, .topic = "a", .props = props});
    }
    p.carry();
    p.wait(10s);
    CHECK(p.events() == trace{"published 3: failed, message expired before it was sent"});
    p.wait(15s);
    CHECK(p.events() == trace{"published 4: failed, message expired before it was sent"});
    p.gets(puback{.id = id(1)}); // Then 2 is sent, and does not expire any more.
    p.wait(15s);
    CHECK(p.events() == trace{"published 5: failed, message expired before it was sent"});
    CHECK(p.session.in_flight() == 1);
    CHECK_FALSE(p.session.deadline());
    if (version == v3) CHECK(p.sent().back() == "PUBLISH qos=1 topic='a' id=2 payload='' (0 bytes)");
}

TEST_CASE("publish: the expiry that is sent is what is left of it", "[session]") {
    scripted_peer p;
    properties<packet_type::publish> props;
    props.set<property_id::message_expiry_interval>(10).add_user_property("k", "v");
    p.publish({.qos = qos_1, .topic = "a", .props = props});
    p.publish({.qos = qos_0, .topic = "b", .props = props});
    p.wait(9'500ms);
    p.connect();
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='a' id=1 user_property='k' value='v' message_expiry_interval=1 payload='' (0 bytes)",
                            "PUBLISH qos=0 topic='b' user_property='k' value='v' message_expiry_interval=1 payload='' (0 bytes)"});
    p.publish({.qos = qos_1, .topic = "c", .props = props});
    CHECK(p.sent().at(0).find("message_expiry_interval=10 ") != std::string::npos);
}

TEST_CASE("publish: a message that has been sent does not expire any more", "[session][v5:MQTT-4.3.3-7]") {
    const qos l = GENERATE(qos_1, qos_2);
    scripted_peer p;
    p.connect();
    properties<packet_type::publish> props;
    props.set<property_id::message_expiry_interval>(1);
    p.publish({.qos = l, .topic = "a", .props = props});
    CHECK(p.sent().size() == 1);
    p.cut();
    p.wait(10s);
    CHECK(p.resume() == trace{"connected resumed"});
    CHECK(p.sent().size() == 1);
    CHECK(p.session.unsettled() == 1);
}

TEST_CASE("publish: with tag 0, or detached, there is no outcome, and the message goes its way",
          "[session][v5:MQTT-4.1.0-1][v3:MQTT-4.1.0-1][v3:MQTT-4.1.0-2]") {
    const auto version = GENERATE(v3, v5);
    const qos l = GENERATE(qos_0, qos_1);
    scripted_peer p;
    p.connect(version);
    CHECK(p.session.publish({.qos = l, .topic = "a"}, 0, v5, p.now));
    CHECK(p.publish("b", "", l) == accepted(2)); // Tag 1.
    CHECK_FALSE(p.session.detach(7, id(2)));
    CHECK(p.session.detach(1, id(2)));
    CHECK(p.sent().size() == 2);
    if (l == qos_1) {
        CHECK(p.session.in_flight() == 2);
        p.gets(puback{.id = id(1)});
        p.gets(puback{.id = id(2)});
    }
    CHECK(p.events().empty());
    CHECK(p.session.unsettled() == 0);
}

TEST_CASE("publish: a message that has its outcome cannot be detached", "[session]") {
    scripted_peer p;
    p.connect();
    p.publish("a", "", qos_0);
    p.carry();
    CHECK_FALSE(p.session.detach(1, id(1)));
    CHECK(p.events() == trace{"published 1: success"});
}

TEST_CASE("publish: QoS 0 that was not written when the link broke is settled as lost, and not sent again",
          "[session][v5:MQTT-4.3.1-1]") {
    scripted_peer p;
    p.connect();
    p.publish("a", "", qos_0);
    p.cut();
    CHECK(p.events() == trace{"published 1: failed, connection lost"});
    p.resume();
    CHECK(p.sent().empty());
}

TEST_CASE("publish: QoS 0 that waited offline survives a connection that did not come about", "[session]") {
    scripted_peer p;
    p.publish("a", "", qos_0);
    p.open();
    p.cut();
    CHECK(p.events().empty());
    p.connect();
    CHECK(p.sent().size() == 1);
    CHECK(p.events() == trace{"published 1: success"});
}

TEST_CASE("publish: beyond 1 MiB of output messages wait, and go out as it is written", "[session]") {
    const qos l = GENERATE(qos_0, qos_1);
    scripted_peer p;
    p.connect();
    const std::string payload(400'000, 'x');
    for (int i = 0; i != 10; ++i) CHECK(p.publish("a", payload, l));
    CHECK(p.session.waiting() == 7);
    CHECK(p.sent().size() == 10);
    CHECK(p.session.waiting() == 0);
    if (l == qos_0) CHECK(p.events().size() == 10);
}

TEST_CASE("publish: abandoned messages get the error given, each once, in their order", "[session]") {
    scripted_peer p(window(1));
    p.connect();
    p.publish("a", "", qos_1);
    p.publish("b", "", qos_2);
    p.publish("c", "", qos_0);
    p.session.stop();
    CHECK(p.publish("d", "", qos_1) == refused(publish_status::shutting_down));
    p.session.abandon(errc::shutting_down);
    CHECK(p.events() == trace{"published 1: failed, client is shutting down", "published 2: failed, client is shutting down",
                              "published 3: failed, client is shutting down"});
    CHECK(p.session.unsettled() == 0);
    p.session.abandon(errc::shutting_down);
    CHECK(p.events().empty());
}

TEST_CASE("publish: the identifier of an abandoned QoS 2 exchange stays taken as long as the server keeps the session",
          "[session][v5:MQTT-2.2.1-3]") {
    session_options o = test_options();
    o.keep_session = true;
    scripted_peer p(o);
    p.connect();
    const auto abandoned = p.publish("a", "", qos_2).mid;
    p.publish("b", "", qos_1);
    p.cut();
    p.session.abandon(errc::not_connected);
    p.resume();
    p.cut();
    for (int i = 0; i != 65'534; ++i) {
        const auto r = p.publish("c", "", qos_1);
        REQUIRE((r && r.mid != abandoned));
    }
    CHECK(p.publish("d", "", qos_1) == refused(publish_status::packet_ids_exhausted));
    p.connect(); // The session is lost.
    CHECK(p.publish("d", "", qos_1).mid == abandoned);
}

TEST_CASE("publish: results convert to bool, and each status has a name and an error of its own",
          "[session]") {
    CHECK(accepted(1));
    CHECK(publish_result{publish_status::queued_offline, 1});
    CHECK(static_cast<int>(publish_status::queued_offline) == 4);
    CHECK(static_cast<int>(publish_status::queue_full) == 15);
    std::set<errc> errors;
    std::set<std::string_view> names;
    for (const auto& [status, error] : detail::refused_publishes) {
        CHECK_FALSE(refused(status));
        CHECK(to_status(error) == status);
        CHECK(to_errc(status) == error);
        errors.insert(to_errc(status));
        names.insert(name(status));
    }
    CHECK(errors.size() == detail::refused_publishes.size());
    CHECK(names.size() == detail::refused_publishes.size());
}

TEST_CASE("publish: acknowledgements that nobody asks for are taken together, up to a packet that has an event",
          "[session]") {
    scripted_peer p(window(3));
    p.connect();
    for (int i = 0; i != 4; ++i) CHECK(p.session.publish({.qos = qos_1, .topic = "t"}, 0, v5, p.now));
    CHECK(p.sent().size() == 3); // One waits.
    const std::string two = hex("40 02 00 01 40 02 00 02"), message = hex("30 05 00 01 74 00 78"), third = hex("40 02 00 03");
    const std::string all = two + message + third;
    CHECK(p.session.received(all, p.now) == two.size() + message.size());
    CHECK(p.session.has_event());
    CHECK(p.events() == trace{"PUBLISH qos=0 topic='t' payload='x' (1 byte)"});
    CHECK(p.session.in_flight() == 2); // The third, and the one that waited.
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='t' id=4 payload='' (0 bytes)"});
    CHECK(p.session.received(third, p.now) == third.size());
    CHECK(p.session.in_flight() == 1);

    // Nothing behind a packet that ends the connection is taken.
    const std::string bad = hex("40 02 00 00"), fourth = hex("40 02 00 04");
    CHECK(p.session.received(bad + fourth, p.now) == bad.size());
    CHECK(p.session.is_closing());
    CHECK(p.session.in_flight() == 1);
}
