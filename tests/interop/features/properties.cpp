// What a PUBLISH carries beside topic and payload, all of it 5.0.
#include "feature.hpp"

#include <thread>

namespace features {

namespace {

// Binary data and repeated names on purpose.
properties<packet_type::publish> every_property() {
    properties<packet_type::publish> props;
    props.set<property_id::payload_format_indicator>(1)
        .set<property_id::message_expiry_interval>(1000)
        .set<property_id::content_type>("text/\xC3\xA4")
        .set<property_id::response_topic>("to/me")
        .set<property_id::correlation_data>(std::string_view("\0\xFF\x80 7", 5));
    for (const auto& [name, value] : {std::pair("b", "1"), {"a", "2"}, {"b", "3"}, {"", ""}, {"b", "1"}})
        props.add_user_property(name, value);
    return props;
}

std::vector<std::pair<std::string, std::string>> user_properties(const message& m) {
    std::vector<std::pair<std::string, std::string>> out;
    m.props.for_each([&](const property& one) {
        if (one.row->id == property_id::user_property) out.emplace_back(one.text, one.value);
    });
    return out;
}

void unharmed(const setting& s, qos level) {
    const auto receiver = s.connected("r"), sender = s.connected("s");
    subscribe(*receiver, s.topic(), level);
    const message sent(s.topic(), "hello", level, false, every_property());
    publish(*sender, sent);
    const received_message m = next(*receiver, "the message");
    constexpr auto format = property_id::payload_format_indicator;
    constexpr auto type = property_id::content_type;
    constexpr auto answer = property_id::response_topic;
    constexpr auto correlation = property_id::correlation_data;
    check(m.props.get<format>() == sent.props.get<format>(), "Payload Format Indicator is lost");
    check(m.props.get<type>() == sent.props.get<type>(), "Content Type is lost");
    check(m.props.get<answer>() == sent.props.get<answer>(), "Response Topic is lost");
    check(m.props.get<correlation>() == sent.props.get<correlation>(), "Correlation Data is lost");
    const auto expiry = m.props.get<property_id::message_expiry_interval>();
    check(expiry && *expiry > 900 && *expiry <= 1000, "Message Expiry Interval is lost");
    // [v5:MQTT-3.3.2-17] [v5:MQTT-3.3.2-18]
    check(user_properties(m) == user_properties(sent), "User Properties are not the same, in the same order");
}

void of_retained_message(const setting& s) {
    const auto sender = s.connected("s"), receiver = s.connected("r");
    publish(*sender, message(s.topic(), "kept", qos::at_least_once, true, every_property()));
    subscribe(*receiver, s.topic());
    const received_message m = next(*receiver, "the retained message");
    publish(*sender, s.topic(), "", qos::at_least_once, true);
    check(m.props.get<property_id::content_type>() == "text/\xC3\xA4", "Content Type is lost");
    check(user_properties(m).size() == 5, "User Properties are lost");
}

void message_expiry(const setting& s) {
    client_options o = s.options("away");
    o.keep_session_for(600s);
    auto first = s.connected(o);
    subscribe(*first, s.topic());
    first->disconnect();
    const auto sender = s.connected("s");
    message brief(s.topic(), "brief", qos::at_least_once);
    brief.props.set<property_id::message_expiry_interval>(1);
    message lasting(s.topic(), "lasting", qos::at_least_once);
    lasting.props.set<property_id::message_expiry_interval>(1000);
    publish(*sender, brief);
    publish(*sender, lasting);
    std::this_thread::sleep_for(2500ms); // The broker's clock.
    const auto second = s.connected(o);
    const received_message m = next(*second, "the message that lasts");
    if (m.payload == "brief") throw not_supported("delivers an expired message");
    const auto left = m.props.get<property_id::message_expiry_interval>();
    check(left && *left < 1000, "the broker has not subtracted the time that the message waited");
}

void request_and_response(const setting& s) {
    const auto requester = s.connected("q"), responder = s.connected("p");
    subscribe(*requester, s.topic("answers"));
    subscribe(*responder, s.topic("questions"));
    message question(s.topic("questions"), "6 * 7", qos::at_least_once);
    question.props.set<property_id::response_topic>(s.topic("answers"))
        .set<property_id::correlation_data>(std::string_view("\1\0\2", 3));
    publish(*requester, question);
    const received_message asked = next(*responder, "the question");
    message answer(*asked.props.get<property_id::response_topic>(), "42", asked.qos);
    answer.props.set<property_id::correlation_data>(*asked.props.get<property_id::correlation_data>());
    publish(*responder, answer);
    const received_message answered = next(*requester, "the answer");
    check(answered.payload == "42", "got '" + answered.payload + '\'');
    check(answered.props.get<property_id::correlation_data>() == std::string_view("\1\0\2", 3), "Correlation Data");
}

} // namespace

feature_list property_features() {
    feature_list out;
    for (const qos level : {qos::at_most_once, qos::at_least_once, qos::exactly_once})
        out.push_back({"all PUBLISH properties unharmed, " + words(level),
                       [=](const setting& s) { unharmed(s, level); }, true});
    out.push_back({"properties of a retained message", of_retained_message, true});
    out.push_back({"message expiry at the broker", message_expiry, true});
    out.push_back({"request and response by hand", request_and_response, true});
    return out;
}

} // namespace features
