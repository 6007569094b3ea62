// Retained messages and Wills: what the broker keeps, and publishes later.
#include "feature.hpp"

namespace features {

namespace {

// The payload of the message that comes first: `wanted`, or that of a message that is published now.
void expect_retained(peer& p, const std::string& filter, const std::string& wanted, const setting& s) {
    subscribe(p, filter);
    subscribe(p, s.topic("end"));
    publish(p, s.topic("end"), "end");
    const received_message m = next(p, "the message behind the retained one");
    if (m.payload == "end") throw not_supported("delivers no retained message");
    check(m.payload == wanted && m.retain, "got '" + m.payload + "', retain " + text(int(m.retain)));
    expect(p, "end");
}

// Aedes acknowledges a message before it keeps and delivers it. So the sender, who is subscribed, waits for it.
void publish_retained(peer& sender, const std::string& topic, const std::string& payload) {
    publish(sender, topic, payload, qos::at_least_once, true);
    expect(sender, payload);
}

void retained(const setting& s) {
    const auto sender = s.connected("s"), receiver = s.connected("r");
    subscribe(*sender, s.topic());
    publish_retained(*sender, s.topic(), "first");
    publish_retained(*sender, s.topic(), "kept");
    expect_retained(*receiver, s.topic(), "kept", s);
    publish_retained(*sender, s.topic(), "");
    expect(*receiver, "");
}

void retained_with_wildcard(const setting& s) {
    const auto sender = s.connected("s"), receiver = s.connected("r");
    subscribe(*sender, s.topic("a/b"));
    publish_retained(*sender, s.topic("a/b"), "kept");
    expect_retained(*receiver, s.topic("a/+"), "kept", s);
    publish(*sender, s.topic("a/b"), "", qos::at_least_once, true);
}

void cleared(const setting& s) {
    const auto sender = s.connected("s"), receiver = s.connected("r");
    subscribe(*sender, s.topic());
    publish_retained(*sender, s.topic(), "kept");
    publish_retained(*sender, s.topic(), "");
    subscribe(*receiver, s.topic());
    publish(*sender, s.topic(), "now");
    expect(*receiver, "now");
}

// Whoever is there already gets it as any other message.
void no_flag_for_others(const setting& s) {
    const auto sender = s.connected("s"), receiver = s.connected("r");
    subscribe(*receiver, s.topic());
    publish(*sender, s.topic(), "kept", qos::at_least_once, true);
    const received_message m = next(*receiver, "the message");
    publish(*sender, s.topic(), "", qos::at_least_once, true);
    if (m.retain) throw not_supported("sets the retain flag towards a subscriber that was there before");
}

client_options with_will(const setting& s, will_message will) {
    client_options o = s.options("dying");
    o.will = std::move(will);
    return o;
}

will_message last_words(const setting& s) { return {s.topic(), "died", qos::at_least_once}; }

void will(const setting& s) {
    const auto watcher = s.connected("w");
    subscribe(*watcher, s.topic());
    s.connected(with_will(s, last_words(s))).reset();
    expect(*watcher, "died");
}

void no_will_after_disconnect(const setting& s) {
    const auto watcher = s.connected("w");
    subscribe(*watcher, s.topic());
    const auto leaving = s.connected(with_will(s, last_words(s)));
    leaving->disconnect();
    publish(*watcher, s.topic(), "end");
    expect(*watcher, "end");
}

void retained_will(const setting& s) {
    will_message w = last_words(s);
    w.retain = true;
    const auto watcher = s.connected("w");
    subscribe(*watcher, s.topic());
    s.connected(with_will(s, w)).reset();
    expect(*watcher, "died");
    const auto late = s.connected("l");
    expect_retained(*late, s.topic(), "died", s);
    publish(*watcher, s.topic(), "", qos::at_least_once, true);
}

void will_with_delay_and_properties(const setting& s) {
    will_message w = last_words(s);
    w.props.set<property_id::will_delay_interval>(1)
        .set<property_id::payload_format_indicator>(1)
        .set<property_id::content_type>("text/plain")
        .set<property_id::response_topic>("to/me")
        .set<property_id::correlation_data>(std::string_view("\0\xFF", 2))
        .set<property_id::message_expiry_interval>(1000)
        .add_user_property("a", "1")
        .add_user_property("a", "2");
    const auto watcher = s.connected("w");
    subscribe(*watcher, s.topic());
    auto dying = s.connected(with_will(s, w));
    const auto death = std::chrono::steady_clock::now();
    dying.reset();
    const received_message m = next(*watcher, "the will");
    if (std::chrono::steady_clock::now() - death < 500ms) throw not_supported("publishes the will without delay");
    check(m.payload == "died", "got '" + m.payload + '\'');
    check(m.props.get<property_id::payload_format_indicator>() == 1u, "Payload Format Indicator");
    check(m.props.get<property_id::content_type>() == "text/plain", "Content Type");
    check(m.props.get<property_id::response_topic>() == "to/me", "Response Topic");
    check(m.props.get<property_id::correlation_data>() == std::string_view("\0\xFF", 2), "Correlation Data");
    const auto expiry = m.props.get<property_id::message_expiry_interval>();
    check(expiry && *expiry > 900 && *expiry <= 1000, "Message Expiry Interval");
}

// Who is back in time has not died.
void delayed_will_of_who_returns(const setting& s) {
    will_message w = last_words(s);
    w.props.set<property_id::will_delay_interval>(2);
    const auto watcher = s.connected("w");
    subscribe(*watcher, s.topic());
    client_options o = with_will(s, w);
    o.keep_session_for(60s);
    s.connected(o).reset();
    const auto back = s.connected(o);
    check(!watcher->messages.next(3s), "the will is published although its client has returned");
    back->disconnect();
}

} // namespace

feature_list retained_and_will_features() {
    return {
        {"retained message", retained},
        {"retained message for a wildcard filter", retained_with_wildcard},
        {"retained message cleared by an empty one", cleared},
        {"retain flag not set for who was subscribed before", no_flag_for_others},
        {"will", will},
        {"will not published after DISCONNECT", no_will_after_disconnect},
        {"retained will", retained_will},
        {"will with delay and properties", will_with_delay_and_properties, true},
        {"delayed will of a client that returns", delayed_will_of_who_returns, true},
    };
}

} // namespace features
