// Sessions that outlive their connections.
#include "feature.hpp"

#include <thread>

namespace features {

namespace {

client_options kept(const setting& s, std::chrono::seconds expiry = 600s) {
    client_options o = s.options("keeper");
    o.keep_session_for(expiry);
    return o;
}

// Leaves no session behind.
void clean_up(const setting& s) {
    client_options o = s.options("keeper");
    o.session_expiry = 0s;
    s.connected(o)->disconnect();
}

void resumed(const setting& s, qos level) {
    auto first = s.connected(kept(s));
    subscribe(*first, s.topic(), level);
    first->disconnect();
    const auto sender = s.connected("s");
    for (int i = 0; i != 10; ++i) publish(*sender, s.topic(), text(i), level);
    const auto second = s.make(kept(s));
    const connect_result r = second->connect();
    check(!r.error, "connect: " + r.error.message());
    if (!r.session_present) throw not_supported("has no session any more");
    for (int i = 0; i != 10; ++i) expect(*second, text(i));
    second->disconnect();
    clean_up(s);
}

void not_kept(const setting& s) {
    const auto first = s.connected("keeper");
    subscribe(*first, s.topic());
    first->disconnect();
    const auto second = s.make(kept(s));
    const connect_result r = second->connect();
    check(!r.error, "connect: " + r.error.message());
    check(!r.session_present, "resumes a session that was to end");
    second->disconnect();
    clean_up(s);
}

void expires(const setting& s) {
    s.connected(kept(s, 1s))->disconnect();
    std::this_thread::sleep_for(2500ms); // The broker's clock.
    const auto second = s.make(kept(s));
    const connect_result r = second->connect();
    check(!r.error, "connect: " + r.error.message());
    second->disconnect();
    clean_up(s);
    if (r.session_present) throw not_supported("keeps a session beyond its expiry");
}

void taken_over(const setting& s) {
    const auto first = s.connected("keeper"), second = s.connected("keeper");
    const auto end = first->endings.next();
    check(end.has_value(), "the first connection does not end");
    if (!s.v5()) return; // Where the broker may only close; and then the client would come back, for ever.
    if (end->reason == reason_code::success) throw not_supported("closes without a DISCONNECT");
    check(end->reason == reason_code::session_taken_over, "DISCONNECT says " + std::string(name(end->reason)));
    check(end->is_final, "the client would come back, for ever");
}

} // namespace

feature_list session_features() {
    return {
        {"session resumed with messages of QoS 1", [](const setting& s) { resumed(s, qos::at_least_once); }},
        {"session resumed with messages of QoS 2", [](const setting& s) { resumed(s, qos::exactly_once); }},
        {"session not kept unless asked for", not_kept},
        {"session expiry", expires, true},
        {"session taken over", taken_over},
    };
}

} // namespace features
