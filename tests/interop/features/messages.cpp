// Messages from one client to another.
#include "feature.hpp"

namespace features {

namespace {

void passes(const setting& s, std::string_view topic, std::string_view payload, qos level) {
    const auto receiver = s.connected("r"), sender = s.connected("s");
    subscribe(*receiver, topic, level);
    publish(*sender, topic, payload, level);
    const received_message m = next(*receiver, "the message");
    check(m.topic == topic, "topic '" + m.topic + '\'');
    check(m.payload == payload, "payload of " + text(m.payload.size()) + " bytes, not the one that was sent");
    check(m.qos == level, "arrives with " + words(m.qos));
    check(!m.retain && !m.dup, "arrives with a flag that was not set");
}

void a_thousand_in_order(const setting& s, qos level) {
    constexpr int count = 1000;
    const auto receiver = s.connected("r"), sender = s.connected("s");
    subscribe(*receiver, s.topic(), level);
    for (int i = 0; i != count; ++i) {
        const publish_result r = sender->post({s.topic(), text(i), level});
        check(bool(r), "publish: " + std::string(name(r.status)));
    }
    for (int i = 0; i != count; ++i) expect(*receiver, text(i));
    check(sender->disconnect() == 0, "some have no acknowledgement");
}

void bytes_of_every_value(const setting& s) {
    std::string all;
    for (int i = 0; i != 256; ++i) all.push_back(static_cast<char>(i));
    passes(s, s.topic(), all, qos::at_least_once);
}

// Disconnecting waits for what has no acknowledgement yet.
void drain(const setting& s) {
    const auto receiver = s.connected("r"), sender = s.connected("s");
    subscribe(*receiver, s.topic());
    for (int i = 0; i != 100; ++i) check(bool(sender->post({s.topic(), text(i), qos::at_least_once})), "publish");
    check(sender->disconnect() == 0, "messages were left without an acknowledgement");
    check(sender->unsettled() == 0, "unsettled() counts some");
    for (int i = 0; i != 100; ++i) expect(*receiver, text(i));
}

// What is published before there is a connection goes out with it.
void published_before_connecting(const setting& s) {
    const auto receiver = s.connected("r"), sender = s.make(s.options("s"));
    subscribe(*receiver, s.topic());
    const publish_result r = sender->post({s.topic(), "early", qos::at_least_once});
    check(r.status == publish_status::queued_offline, "publish says " + std::string(name(r.status)));
    const connect_result c = sender->connect();
    check(!c.error, "connect: " + c.error.message());
    expect(*receiver, "early");
}

} // namespace

feature_list message_features() {
    feature_list out;
    for (const qos level : {qos::at_most_once, qos::at_least_once, qos::exactly_once}) {
        out.push_back({words(level) + " both ways", [=](const setting& s) { passes(s, s.topic(), "hello", level); }});
        out.push_back({"1,000 messages in order, " + words(level),
                       [=](const setting& s) { a_thousand_in_order(s, level); }});
    }
    const auto add = [&](std::string what, std::function<void(const setting&)> run) {
        out.push_back({std::move(what), std::move(run)});
    };
    add("empty payload", [](const setting& s) { passes(s, s.topic(), "", qos::at_least_once); });
    add("payload of 1 MiB",
        [](const setting& s) { passes(s, s.topic(), std::string(1 << 20, 'x'), qos::at_least_once); });
    add("payload of bytes of every value", bytes_of_every_value);
    add("topics in UTF-8", [](const setting& s) {
        passes(s, s.topic("\xC3\xA4/\xE6\xB8\xA9\xE5\xBA\xA6/\xF0\x9F\x8C\xA1"), "warm", qos::at_least_once);
    });
    add("topics with empty levels and blanks",
        [](const setting& s) { passes(s, '/' + s.topic("a//b c/"), "x", qos::at_least_once); });
    add("drain at disconnect", drain);
    add("published before connecting", published_before_connecting);
    return out;
}

} // namespace features
