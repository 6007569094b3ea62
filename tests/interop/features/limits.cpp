// What broker and client allow each other, and how connections begin and end.
#include "feature.hpp"

#include <thread>

namespace features {

namespace {

connect_result announced(const setting& s, client_options o) {
    const auto p = s.make(std::move(o));
    const connect_result r = p->connect();
    check(!r.error, "connect: " + r.error.message());
    return r;
}

// The topics are right at the other end, whether or not they travelled.
void aliases_to_the_broker(const setting& s) {
    const auto receiver = s.connected("r");
    subscribe(*receiver, s.topic("#"));
    const auto sender = s.make(s.options("s"));
    const connect_result r = sender->connect();
    check(!r.error, "connect: " + r.error.message());
    if (r.limits.topic_alias_maximum == 0) throw not_supported("announces no Topic Alias Maximum");
    constexpr int topics = 30; // More than there are aliases for.
    for (int round = 0; round != 3; ++round)
        for (int i = 0; i != topics; ++i) publish(*sender, s.topic("a/longer/topic/" + text(i)), text(i));
    for (int n = 0; n != 3 * topics; ++n) {
        const received_message m = next(*receiver, "a message");
        check(m.topic == s.topic("a/longer/topic/" + m.payload), "'" + m.payload + "' arrives on " + m.topic);
    }
}

void our_maximum_packet_size(const setting& s) {
    client_options o = s.options("r");
    o.maximum_packet_size = 1000;
    const auto receiver = s.connected(o), sender = s.connected("s");
    subscribe(*receiver, s.topic());
    publish(*sender, s.topic(), std::string(2000, 'x'));
    publish(*sender, s.topic(), "small");
    const received_message m = next(*receiver, "the small message");
    if (const auto end = receiver->endings.next(0s)) throw not_supported("sends it all the same: " + end->error.message());
    check(m.payload == "small", "got a message of " + text(m.payload.size()) + " bytes");
}

void its_maximum_packet_size(const setting& s) {
    const auto p = s.make(s.options("p"));
    const connect_result r = p->connect();
    check(!r.error, "connect: " + r.error.message());
    if (r.limits.maximum_packet_size >= wire::packet_max) throw not_supported("announces no Maximum Packet Size");
    const publish_result large = p->post({s.topic(), std::string(r.limits.maximum_packet_size, 'x'), qos::at_least_once});
    check(large.status == publish_status::packet_too_large, "publish says " + std::string(name(large.status)));
    publish(*p, s.topic(), "small"); // The connection stands.
}

void its_receive_maximum(const setting& s) {
    const auto receiver = s.connected("r"), sender = s.make(s.options("s"));
    const connect_result r = sender->connect();
    check(!r.error, "connect: " + r.error.message());
    if (r.limits.receive_maximum == 65'535) throw not_supported("announces no Receive Maximum");
    subscribe(*receiver, s.topic());
    const int count = std::min(5 * r.limits.receive_maximum, 1000);
    for (int i = 0; i != count; ++i) check(bool(sender->post({s.topic(), text(i), qos::at_least_once})), "publish");
    for (int i = 0; i != count; ++i) expect(*receiver, text(i));
    check(sender->disconnect() == 0 && sender->endings.size() == 1, "the connection does not last");
}

void server_keep_alive(const setting& s) {
    client_options o = s.options("k");
    o.keep_alive = 3600s;
    const auto theirs = announced(s, o).limits.keep_alive;
    if (!theirs) throw not_supported("announces none");
    check(*theirs < 3600s, "it is " + text(theirs->count()) + " s");
}

// Without a PINGREQ the broker would close after one and a half seconds.
void pings(const setting& s) {
    client_options o = s.options("k");
    o.keep_alive = 1s;
    const auto p = s.connected(o);
    std::this_thread::sleep_for(3s); // The broker's clock.
    check(p->endings.size() == 0, "the connection does not last");
    publish(*p, s.topic(), "still here");
}

void generated_client_id(const setting& s) {
    client_options o = s.options("");
    o.client_id.clear();
    const auto one = s.connected(o), other = s.connected(o);
    publish(*one, s.topic(), "one");
    publish(*other, s.topic(), "other");
    check(one->endings.size() == 0, "both have the same");
}

void disconnect_with_will(const setting& s) {
    const auto watcher = s.connected("w");
    subscribe(*watcher, s.topic());
    client_options o = s.options("l");
    o.will = will_message(s.topic(), "left", qos::at_least_once);
    const auto leaving = s.connected(o);
    leaving->disconnect({.reason = reason_code::disconnect_with_will_message});
    expect(*watcher, "left");
}

void disconnect_with_expiry(const setting& s) {
    client_options o = s.options("k");
    o.keep_session_for(600s);
    const auto first = s.connected(o);
    first->disconnect({.session_expiry = 0s});
    check(!announced(s, o).session_present, "the session is kept all the same");
    // And the other way round: kept for longer than was said.
    client_options brief = s.options("b");
    brief.keep_session_for(1s);
    const auto second = s.connected(brief);
    second->disconnect({.session_expiry = 600s});
    std::this_thread::sleep_for(2500ms); // The broker's clock.
    if (!announced(s, brief).session_present) throw not_supported("the session is not kept for longer");
}

void unknown_authentication(const setting& s) {
    client_options o = s.options("a");
    o.retry_first_connection = false;
    o.connect_properties.set<property_id::authentication_method>("no such method");
    const connect_result r = s.make(o)->connect();
    check(bool(r.error), "accepted without any authentication");
    if (r.error.category() != reason_category()) throw not_supported("closes without a word: " + r.error.message());
    check(r.error == reason_code::bad_authentication_method, "CONNACK says " + r.error.message());
}

void reasons_of_acknowledgements(const setting& s) {
    client_options o = s.options("r");
    o.manual_ack = true;
    const auto p = s.connected(o);
    subscribe(*p, s.topic());
    publish(*p, s.topic(), "bad");
    const received_message m = next(*p, "bad");
    properties<packet_type::puback> why;
    why.set<property_id::reason_string>("it is not good enough").add_user_property("who", "features");
    const std::error_code error = p->ack(m, reason_code::payload_format_invalid, why);
    check(!error, "ack: " + error.message());
    publish(*p, s.topic("end"), "end"); // The connection stands.
    check(p->endings.size() == 0, "the connection does not last");
}

} // namespace

feature_list limit_features() {
    return {
        {"topic aliases to the broker", aliases_to_the_broker, true},
        {"our maximum packet size", our_maximum_packet_size},
        {"maximum packet size of the broker", its_maximum_packet_size, true},
        {"flow control by the receive maximum of the broker", its_receive_maximum, true},
        {"server keep alive", server_keep_alive, true},
        {"keep alive by pings", pings},
        {"client identifier left out", generated_client_id},
        {"DISCONNECT with will", disconnect_with_will},
        {"DISCONNECT with another session expiry", disconnect_with_expiry, true},
        {"unknown authentication method refused clearly", unknown_authentication, true},
        {"reason string and user property of a negative acknowledgement", reasons_of_acknowledgements, true},
    };
}

} // namespace features
