// Properties: what our packets leave out, what the broker's may not say, and what is let pass.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"

using namespace inflight;
using namespace std::chrono_literals;

namespace {

// `p`, with a Reason String or a User Property.
template <class Packet>
Packet explained(Packet p, property_id how, std::string_view why = "because") {
    static properties<Packet::type> props;
    props.clear();
    if (how == property_id::reason_string) props.template set<property_id::reason_string>(why);
    else props.add_user_property("why", why);
    p.props = props;
    return p;
}

// What a client that takes no more than 100 bytes says to one more.
template <class Packet>
trace answer_to_long(const Packet& p, property_id how) {
    session_options options = test_options();
    options.maximum_packet_size = 100;
    scripted_peer peer(options);
    peer.connect();
    CHECK(peer.gets(explained(p, how, std::string(100, 'x'))).empty());
    CHECK(peer.session.close_reason() == errc::packet_too_large);
    return peer.sent();
}

const trace too_large{"DISCONNECT reason='packet too large' (149)"};

} // namespace

TEST_CASE("properties: PUBACK and PUBREC fit any limit, and one above ours ends the connection",
          "[session][v5:MQTT-3.4.2-2][v5:MQTT-3.4.2-3][v5:MQTT-3.5.2-2][v5:MQTT-3.5.2-3]") {
    scripted_peer p;
    p.connect(v5, maximum_packet_size(5));
    p.gets(publish{.qos = qos_1, .topic = "t", .id = id(1)});
    p.gets(publish{.qos = qos_2, .topic = "t", .id = id(2)});
    for (const delivery& d : p.deliveries) CHECK(p.session.acknowledge(d, reason_code::quota_exceeded) == errc::none);
    CHECK(p.sent() == trace{"PUBACK id=1 reason='quota exceeded' (151)", "PUBREC id=2 reason='quota exceeded' (151)"});
    CHECK_FALSE(p.session.is_closing());
    for (const auto how : {property_id::reason_string, property_id::user_property}) {
        CHECK(answer_to_long(puback{.id = id(1)}, how) == too_large);
        CHECK(answer_to_long(pubrec{.id = id(1)}, how) == too_large);
    }
}

TEST_CASE("properties: PUBREL and PUBCOMP explain nothing, so that they fit any limit, and one above ours ends the connection",
          "[session][v5:MQTT-3.6.2-2][v5:MQTT-3.6.2-3][v5:MQTT-3.7.2-2][v5:MQTT-3.7.2-3]") {
    scripted_peer p;
    p.connect(v5, maximum_packet_size(5));
    p.gets(pubrec{.id = id(1)});
    p.gets(pubrel{.id = id(2)});
    CHECK(p.sent() == trace{"PUBREL id=1 reason='packet identifier not found' (146)",
                            "PUBCOMP id=2 reason='packet identifier not found' (146)"});
    CHECK_FALSE(p.session.is_closing());
    for (const auto how : {property_id::reason_string, property_id::user_property}) {
        CHECK(answer_to_long(pubrel{.id = id(1)}, how) == too_large);
        CHECK(answer_to_long(pubcomp{.id = id(1)}, how) == too_large);
    }
}

TEST_CASE("properties: DISCONNECT fits any limit, and one above ours is an error",
          "[session][v5:MQTT-3.14.2-3][v5:MQTT-3.14.2-4]") {
    scripted_peer p;
    p.connect(v5, maximum_packet_size(3));
    p.gets(connack{});
    CHECK(p.sent() == trace{"DISCONNECT reason='protocol error' (130)"});
    for (const auto how : {property_id::reason_string, property_id::user_property})
        CHECK(answer_to_long(disconnect{.reason = reason_code::server_busy}, how) == too_large);
}

TEST_CASE("properties: an AUTH above our Maximum Packet Size ends the connection, and none of ours is above the broker's",
          "[session][v5:MQTT-3.15.2-2][v5:MQTT-3.15.2-3]") {
    for (const auto how : {property_id::reason_string, property_id::user_property})
        CHECK(answer_to_long(auth{.reason = reason_code::continue_authentication}, how) == too_large);
    scripted_peer p;
    p.connect(v5, maximum_packet_size(3));
    p.gets(auth{});
    CHECK(p.sent() == trace{"DISCONNECT reason='protocol error' (130)"}); // There is no AUTH of ours.
}

TEST_CASE("properties: with Request Problem Information 0 a reply that explains itself ends the connection",
          "[session][v5:MQTT-3.1.2-29]") {
    const auto how = GENERATE(property_id::reason_string, property_id::user_property);
    const bool is_asked_for = GENERATE(false, true);
    const int which = GENERATE(0, 1, 2, 3, 4, 5);
    CAPTURE(int(how), is_asked_for, which);
    session_options options = test_options();
    options.connect_properties.set<property_id::request_problem_information>(is_asked_for);
    scripted_peer p(options);
    p.connect();
    switch (which) {
        case 0: p.gets(explained(puback{.id = id(9)}, how)); break;
        case 1: p.gets(explained(pubrec{.id = id(9)}, how)); break;
        case 2: p.gets(explained(pubrel{.id = id(9)}, how)); break;
        case 3: p.gets(explained(pubcomp{.id = id(9)}, how)); break;
        case 4: p.gets(explained(suback{.id = id(9), .reasons = {reason_code::success}}, how)); break;
        case 5: p.gets(explained(unsuback{.id = id(9), .reasons = {reason_code::success}}, how)); break;
    }
    CHECK(p.session.is_closing() != is_asked_for);
    if (!is_asked_for) CHECK(p.sent() == trace{"DISCONNECT reason='protocol error' (130)"});
}

TEST_CASE("properties: CONNACK, PUBLISH and DISCONNECT may explain themselves even with Request Problem Information 0",
          "[session][v5:MQTT-3.1.2-29]") {
    session_options options = test_options();
    options.connect_properties.set<property_id::request_problem_information>(0);
    scripted_peer p(options);
    CHECK(p.connect(v5, explained(connack{}, property_id::reason_string)) == trace{"connected"});
    properties<packet_type::publish> props;
    props.add_user_property("k", "v");
    CHECK(p.gets(publish{.topic = "t", .props = props}).size() == 1);
    CHECK(p.gets(explained(disconnect{.reason = reason_code::server_busy}, property_id::reason_string)) ==
          trace{"disconnected: server busy"});
    CHECK(p.sent().empty());
}

TEST_CASE("properties: Response Information that nobody asked for is let pass", "[session][v5:MQTT-3.1.2-28]") {
    scripted_peer p;
    CHECK(p.connect(v5, with([](auto& props) { props.template set<property_id::response_information>("r/"); })) == trace{"connected"});
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("properties: a topic alias of the application's own is refused, however many the broker allows",
          "[session][v5:MQTT-3.2.2-17][v5:MQTT-3.2.2-18][v5:MQTT-3.3.2-8][v5:MQTT-3.3.2-9]") {
    const std::uint32_t allowed = GENERATE(0u, 1u, 10u);
    const std::uint32_t alias = GENERATE(0u, 1u, 11u);
    scripted_peer p;
    properties<packet_type::publish> props;
    props.set<property_id::topic_alias>(alias);
    CHECK(p.publish({.qos = qos_1, .topic = "a", .props = props}).status == publish_status::topic_alias_by_hand);
    p.publish("b", "", qos_1);
    p.connect(v5, with([=](auto& properties) { properties.template set<property_id::topic_alias_maximum>(allowed); }));
    CHECK(p.publish({.qos = qos_0, .topic = "a", .props = props}).status == publish_status::topic_alias_by_hand);
    p.publish("b", "", qos_1);
    for (const std::string& line : p.sent()) CHECK(line.starts_with("PUBLISH qos=1 topic='b' id="));
}

TEST_CASE("properties: a payload marked as text is delivered whatever it is", "[session][v5:U5-14]") {
    scripted_peer p;
    p.connect();
    properties<packet_type::publish> props;
    props.set<property_id::payload_format_indicator>(1);
    CHECK(p.gets(publish{.topic = "t", .props = props, .payload = "\xFF"}).size() == 1);
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("properties: a Subscription Identifier that no subscription of ours has is delivered", "[session][v5:U5-16]") {
    scripted_peer p;
    p.connect();
    properties<packet_type::publish> props;
    props.set<property_id::subscription_identifier>(77);
    CHECK(p.gets(publish{.topic = "t", .props = props}).size() == 1);
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("properties: a message above the broker's own Maximum QoS ends the connection", "[session][v5:U5-17]") {
    scripted_peer p;
    p.connect(v5, with([](auto& props) { props.template set<property_id::maximum_qos>(1); }));
    CHECK(p.gets(publish{.qos = qos_1, .topic = "t", .id = id(1)}).size() == 1);
    CHECK(p.gets(publish{.qos = qos_2, .topic = "t", .id = id(2)}).empty());
    CHECK(p.session.close_reason() == errc::qos_not_supported);
    CHECK(p.sent() == trace{"DISCONNECT reason='QoS not supported' (155)"});
}

TEST_CASE("properties: a QoS 2 message that has expired meanwhile is acknowledged to the end", "[session][v5:MQTT-4.3.3-13]") {
    session_options options = test_options();
    options.keep_alive = 0s;
    scripted_peer p(options);
    p.connect();
    properties<packet_type::publish> props;
    props.set<property_id::message_expiry_interval>(1);
    p.gets(publish{.qos = qos_2, .topic = "t", .id = id(7), .props = props});
    p.wait(10s);
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    CHECK(p.sent() == trace{"PUBREC id=7"});
    p.wait(10s);
    p.gets(pubrel{.id = id(7)});
    CHECK(p.sent() == trace{"PUBCOMP id=7"});
}
