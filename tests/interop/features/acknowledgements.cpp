// Messages that the application acknowledges itself.
#include "feature.hpp"

namespace features {

namespace {

void acknowledge(peer& p, const received_message& m) {
    const std::error_code error = p.ack(m);
    check(!error, "ack of '" + m.payload + "': " + error.message());
}

client_options by_hand(const setting& s) {
    client_options o = s.options("worker");
    o.manual_ack = true;
    o.keep_session_for(600s);
    return o;
}

// What is not acknowledged comes again, to the next connection of the session, and what is does not.
void comes_again(const setting& s, qos level) {
    auto first = s.connected(by_hand(s));
    const auto sender = s.connected("s");
    subscribe(*first, s.topic(), level);
    publish(*sender, s.topic(), "done", level);
    publish(*sender, s.topic(), "dropped", level);
    const received_message done = next(*first, "done"), dropped = next(*first, "dropped");
    acknowledge(*first, done);
    publish(*sender, s.topic(), "kick", level); // Three in flight: the acknowledgement has left, and is awaited.
    (void)next(*first, "kick");
    first.reset(); // No DISCONNECT.
    const auto second = s.connected(by_hand(s));
    received_message m = next(*second, "dropped");
    if (m.payload == "done") m = next(*second, "dropped"); // Its PUBACK may have been lost with the connection.
    check(m.payload == "dropped", "got '" + m.payload + '\'');
    const bool is_marked = m.dup || level == qos::exactly_once;
    acknowledge(*second, m);
    acknowledge(*second, next(*second, "kick"));
    second->disconnect();
    if (!is_marked) throw not_supported("delivers a message again without DUP");
}

// Acknowledgements leave in the order of the messages, whatever the order of the calls. [v5:MQTT-4.6.0-2]
void in_order(const setting& s) {
    const auto worker = s.connected(by_hand(s));
    const auto sender = s.connected("s");
    subscribe(*worker, s.topic());
    std::vector<received_message> got;
    for (int i = 0; i != 5; ++i) publish(*sender, s.topic(), text(i));
    for (int i = 0; i != 5; ++i) got.push_back(next(*worker, text(i)));
    for (const std::size_t i : {4u, 0u, 2u, 3u, 1u}) acknowledge(*worker, got[i]);
    for (const received_message& m : got) check(worker->ack(m) == errc::unknown_packet_id, "acknowledged twice");
    publish(*sender, s.topic(), "next");
    acknowledge(*worker, next(*worker, "next"));
    worker->disconnect();
    // Nothing of it comes again.
    const auto again = s.connected(by_hand(s));
    publish(*sender, s.topic(), "end");
    expect(*again, "end");
}

// The broker holds back what is more than we take at a time, until something is acknowledged.
void flow_control(const setting& s) {
    constexpr std::uint16_t most = 5;
    client_options o = by_hand(s);
    o.receive_maximum = most;
    const auto worker = s.connected(o), sender = s.connected("s");
    subscribe(*worker, s.topic());
    for (int i = 0; i != 3 * most; ++i) publish(*sender, s.topic(), text(i));
    for (int i = 0; i != 3 * most; ++i) {
        const received_message m = next(*worker, text(i));
        const std::error_code error = worker->ack(m);
        if (const auto end = worker->endings.next(0s)) { // All that is open comes again then.
            check(end->error == errc::receive_maximum_exceeded, "connection ends: " + end->error.message());
            throw not_supported(end->error.message());
        }
        check(!error, "ack: " + error.message());
        check(m.payload == text(i), "got '" + m.payload + "' for '" + text(i) + '\'');
    }
    worker->disconnect();
}

void negative(const setting& s) {
    const auto worker = s.connected(by_hand(s)), sender = s.connected("s");
    subscribe(*worker, s.topic());
    publish(*sender, s.topic(), "bad");
    const received_message m = next(*worker, "bad");
    const std::error_code error = worker->ack(m, reason_code::payload_format_invalid);
    if (!s.v5()) {
        check(error == errc::not_supported, "3.1.1 cannot say no, and ack() says " + error.message());
        acknowledge(*worker, m); // Without a refusal.
    } else {
        check(!error, "ack: " + error.message());
    }
    publish(*sender, s.topic(), "good"); // The connection stands, and the broker goes on.
    const received_message good = next(*worker, "good");
    if (good.payload == "bad") throw not_supported("sends again what was refused");
    acknowledge(*worker, good);
    worker->disconnect();
}

} // namespace

feature_list acknowledgement_features() {
    return {
        {"manual acknowledgement, QoS 1", [](const setting& s) { comes_again(s, qos::at_least_once); }},
        {"manual acknowledgement, QoS 2", [](const setting& s) { comes_again(s, qos::exactly_once); }},
        {"manual acknowledgement in any order", in_order},
        {"flow control by our receive maximum", flow_control, true},
        {"negative acknowledgement", negative},
    };
}

} // namespace features
