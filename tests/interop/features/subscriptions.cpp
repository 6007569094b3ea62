// Subscriptions: filters and options.
#include "feature.hpp"

#include <set>

namespace features {

namespace {

void unsubscribed(const setting& s) {
    const auto p = s.connected("p");
    subscribe(*p, {{s.topic("a"), qos::at_least_once}, {s.topic("b"), qos::at_least_once}});
    const std::vector<reason_code> codes = p->unsubscribe(s.topic("a"));
    check(codes.empty() || !is_refusal(codes[0]), "UNSUBACK refuses");
    publish(*p, s.topic("a"), "lost");
    publish(*p, s.topic("b"), "end");
    expect(*p, "end");
    if (!s.v5()) return;
    const std::vector<reason_code> again = p->unsubscribe(s.topic("a"));
    if (again.at(0) != reason_code::no_subscription_existed)
        throw not_supported("UNSUBACK says " + std::string(name(again[0])) + " where there is no subscription");
}

void wildcards(const setting& s) {
    const auto p = s.connected("p");
    subscribe(*p, {{s.topic("+/b"), qos::at_least_once}, {s.topic("c/#"), qos::at_least_once}});
    for (const char* topic : {"a/x", "a/b/c", "a/b", "d", "c/1/2", "c", "b/b"}) publish(*p, s.topic(topic), topic);
    for (const char* topic : {"a/b", "c/1/2", "c", "b/b"}) expect(*p, topic);
}

// One copy for each subscription, or one altogether: the standard allows both. [v5:MQTT-3.3.4-2]
void overlapping(const setting& s) {
    const auto p = s.connected("p");
    subscribe(*p, {{s.topic("#"), qos::at_most_once}, {s.topic("a"), qos::at_least_once}});
    publish(*p, s.topic("a"), "both");
    publish(*p, s.topic("end"), "end");
    qos greatest = qos::at_most_once;
    int copies = 0;
    for (;;) {
        const received_message m = next(*p, "both");
        if (m.payload == "end") break;
        greatest = std::max(greatest, m.qos);
        ++copies;
    }
    check(copies == 1 || copies == 2, text(copies) + " copies");
    if (greatest == qos::at_most_once) throw not_supported("delivers with QoS 0 what QoS 1 is granted for");
}

// A topic that begins with $ is not matched by a wildcard at the beginning of a filter. [v5:MQTT-4.7.2-1]
void dollar_topics(const setting& s) {
    const auto system = s.connected("s"), all = s.connected("a");
    (void)system->subscribe("$SYS/#", qos::at_most_once); // May be forbidden.
    subscribe(*all, {{"#", qos::at_least_once}, {"+/" + s.topic("#"), qos::at_least_once}});
    (void)system->post({"$features/" + s.topic(), "private", qos::at_most_once}); // In the case that there are none.
    (void)system->messages.next(200ms);
    publish(*system, s.topic("end"), "end");
    for (;;) {
        const received_message m = next(*all, "end"); // Of other features too.
        if (m.topic == s.topic("end")) return;
        if (m.topic.starts_with('$')) throw not_supported("# or + matches a topic that begins with $");
    }
}

void shared_among_three(const setting& s) {
    std::vector<std::unique_ptr<peer>> workers;
    for (const char* name : {"1", "2", "3"}) {
        workers.push_back(s.connected(name));
        subscribe(*workers.back(), "$share/group/" + s.topic(), qos::at_least_once);
        subscribe(*workers.back(), s.topic("end"));
    }
    const auto sender = s.connected("s");
    constexpr int count = 300;
    for (int i = 0; i != count; ++i) publish(*sender, s.topic(), text(i));
    publish(*sender, s.topic("end"), "end");
    std::multiset<std::string> got;
    std::string shares;
    for (const auto& w : workers) {
        int share = 0;
        for (received_message m = next(*w, "end"); m.payload != "end"; m = next(*w, "end"), ++share)
            got.insert(m.payload);
        shares += ' ' + text(share);
        if (share == 0) throw not_supported("one of three gets nothing");
    }
    check(got.size() == count, "together they get" + shares + ", of " + text(count));
}

subscription_request request(const setting& s) { return {s.topic(), qos::at_least_once}; }

void no_local(const setting& s) {
    const auto p = s.connected("p"), other = s.connected("o");
    subscription_request r = request(s);
    r.no_local = true;
    subscribe(*p, {r});
    publish(*p, s.topic(), "own");
    publish(*other, s.topic(), "other");
    const received_message m = next(*p, "other");
    if (m.payload == "own") throw not_supported("sends back the client's own message");
    check(m.payload == "other", "got '" + m.payload + '\'');
}

void retain_as_published(const setting& s) {
    const auto p = s.connected("p");
    subscription_request r = request(s);
    r.retain_as_published = true;
    subscribe(*p, {r});
    publish(*p, s.topic(), "kept", qos::at_least_once, true);
    const received_message m = next(*p, "kept");
    publish(*p, s.topic(), "", qos::at_least_once, true);
    if (!m.retain) throw not_supported("clears the retain flag");
}

// 0: with each SUBSCRIBE; 1: with the first one; 2: never.
void handling_of_retained(const setting& s, retain_handling handling) {
    const auto sender = s.connected("s"), p = s.connected("p");
    publish(*sender, s.topic(), "kept", qos::at_least_once, true);
    subscription_request r = request(s);
    r.retain_handling = handling;
    for (int i = 0; i != 2; ++i) {
        subscribe(*p, {r});
        publish(*sender, s.topic(), "end");
        received_message m = next(*p, "end");
        const bool wanted = handling == retain_handling::send || (handling == retain_handling::send_if_new && i == 0);
        const bool got = m.payload == "kept";
        if (got) m = next(*p, "end");
        check(m.payload == "end", "got '" + m.payload + '\'');
        if (got == wanted) continue;
        publish(*sender, s.topic(), "", qos::at_least_once, true);
        throw not_supported(got ? "sends the retained message all the same" : "does not send the retained message");
    }
    publish(*sender, s.topic(), "", qos::at_least_once, true);
}

void identifiers(const setting& s) {
    const auto p = s.connected("p");
    const auto with = [](std::uint32_t number) {
        properties<packet_type::subscribe> props;
        props.set<property_id::subscription_identifier>(number);
        return props;
    };
    subscribe(*p, {{s.topic("#"), qos::at_least_once}}, with(1));
    subscribe(*p, {{s.topic("a"), qos::at_least_once}}, with(268'435'455));
    publish(*p, s.topic("a"), "both");
    publish(*p, s.topic("end"), "end");
    std::set<std::uint32_t> got;
    for (;;) {
        const received_message m = next(*p, "both");
        if (m.payload == "end") break;
        m.props.for_each([&](const property& one) {
            if (one.row->id == property_id::subscription_identifier) got.insert(one.number);
        });
    }
    if (got.empty()) throw not_supported("sends none");
    check(got == std::set<std::uint32_t>{1, 268'435'455}, "not both of them arrive");
}

} // namespace

feature_list subscription_features() {
    return {
        {"unsubscribe", unsubscribed},
        {"wildcard filters", wildcards},
        {"overlapping subscriptions", overlapping},
        {"$ topics not matched by # and +", dollar_topics},
        {"shared subscription among three", shared_among_three},
        {"no local", no_local, true},
        {"retain as published", retain_as_published, true},
        {"retain handling 0", [](const setting& s) { handling_of_retained(s, retain_handling::send); }, true},
        {"retain handling 1", [](const setting& s) { handling_of_retained(s, retain_handling::send_if_new); }, true},
        {"retain handling 2", [](const setting& s) { handling_of_retained(s, retain_handling::do_not_send); }, true},
        {"subscription identifiers", identifiers, true},
    };
}

} // namespace features
