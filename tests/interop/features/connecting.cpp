// What the clients do by themselves around a connection: being redirected, counting, sorting messages by filters.
#include "feature.hpp"

#include "support/relay.hpp"

#include <inflight/codec/decode.hpp>
#include <inflight/testing/tcp_server.hpp>

#include <asio/io_context.hpp>

#include <atomic>
#include <set>
#include <thread>

namespace features {

namespace {

// A server that sends whoever comes to the broker under test.
class redirector {
public:
    explicit redirector(const broker& to) : server_(io_, options(to)), thread_([this] { io_.run(); }) {}
    ~redirector() {
        server_.stop();
        io_.stop();
        thread_.join();
    }
    broker where() const { return {"127.0.0.1", server_.local_endpoint().port()}; }

private:
    static testing::server_options options(const broker& to) {
        testing::server_options o;
        o.authenticate = [](const inflight::connect&) { return reason_code::use_another_server; };
        o.server_reference = to.host + ':' + text(to.port);
        return o;
    }
    asio::io_context io_{1};
    testing::tcp_server server_;
    std::thread thread_;
};

void redirected(const setting& s) {
    if (s.broker.where.transport != transport_kind::tcp)
        throw not_supported("the other one would have to speak it too");
    const redirector other(s.broker.where);
    client_options o = s.options("r");
    o.brokers = {other.where()};
    o.max_redirects = 1;
    const auto p = s.connected(o);
    publish(*p, s.topic(), "here");
}

// Thrice in the middle of a row of messages.
void cut_off(const setting& s) {
    relay between(s.broker.where.port);
    client_options o = s.options("s");
    o.brokers.at(0).port = between.port();
    const auto receiver = s.connected("r"), sender = s.connected(o);
    subscribe(*receiver, s.topic());
    std::set<std::string> missing;
    for (int i = 0; i != 150; ++i) {
        missing.insert(text(i));
        if (i % 50 == 0) publish(*sender, s.topic(), text(i)); // Waits until there is a connection.
        else check(bool(sender->post({s.topic(), text(i), qos::at_least_once})), "publish");
        if (i % 50 != 25) continue;
        between.cut();
        check(sender->endings.next().has_value(), "the connection does not end");
    }
    while (!missing.empty()) missing.erase(next(*receiver, "message " + *missing.begin()).payload);
    check(sender->disconnect() == 0, "messages were left without an acknowledgement");
}

// Good ones at the second time of asking; the first ones are wrong where the broker looks at them at all.
void credentials_provider(const setting& s) {
    const auto calls = std::make_shared<std::atomic<int>>(0);
    client_options o = s.options("c");
    o.user_name = o.password = std::nullopt;
    o.retry_after_refusal = [](std::error_code) { return true; };
    o.credentials = credentials_from([calls, good = credentials{s.broker.user_name, s.broker.password}] {
        credentials out = good;
        if (++*calls == 1 && out.password) *out.password += "!";
        return out;
    });
    const auto p = s.connected(o);
    publish(*p, s.topic(), "welcome");
    check(*calls == 1 || *calls == 2, "asked " + text(calls->load()) + " times");
}

// Topic Aliases that the broker uses towards us: the topics are right, and some did not travel.
void aliases_from_the_broker(const setting& s) {
    const auto aliases = std::make_shared<std::atomic<int>>(0);
    client_options o = s.options("r");
    o.topic_alias_maximum = 10;
    o.on_packet = [aliases](const packet_event& e) {
        const auto f = next_frame(e.bytes, e.version);
        if (e.is_sent || !f || f->type() != packet_type::publish) return;
        const auto m = decode_as<inflight::publish>(*f, e.version);
        if (m && m->topic.empty() && m->props.has(property_id::topic_alias)) ++*aliases;
    };
    const auto receiver = s.connected(o), sender = s.connected("s");
    subscribe(*receiver, s.topic("#"));
    for (int i = 0; i != 40; ++i) publish(*sender, s.topic("a/longer/topic/" + text(i % 20)), text(i % 20));
    for (int i = 0; i != 40; ++i) {
        const received_message m = next(*receiver, "a message");
        check(m.topic == s.topic("a/longer/topic/" + m.payload), "'" + m.payload + "' arrives on " + m.topic);
    }
    if (*aliases == 0) throw not_supported("uses none");
}

void statistics(const setting& s) {
    client_options o = s.options("p");
    o.keep_alive = 1s;
    const auto p = s.connected(o);
    subscribe(*p, s.topic());
    for (int i = 0; i != 10; ++i) publish(*p, s.topic(), text(i));
    for (int i = 0; i != 10; ++i) expect(*p, text(i));
    check(!bool(p->post({"no/#", "x"})), "a wildcard is published");
    const client_statistics n = p->statistics();
    check(n.messages_sent == 10 && n.messages_resent == 0 && n.refused == 0, "messages sent");
    check(n.messages_received == 10 && n.duplicates_received == 0 && n.inbound_dropped == 0, "messages received");
    check(n.waiting == 0 && n.in_flight == 0 && n.bytes == 0, "nothing is open");
    check(n.rejected == 1 && n.connections == 1 && n.failed_attempts == 0, "refusals and connections");
    check(n.bytes_sent > 10 * s.topic().size() && n.bytes_received > 10 * s.topic().size(), "bytes");
    check(n.acknowledgement.samples > 0 && n.acknowledgement.least <= n.acknowledgement.smoothed &&
              n.acknowledgement.smoothed < patience && n.acknowledgement.least.count() > 0,
          "round trips");
}

void handlers_by_filter(const setting& s) {
    const auto p = s.connected("p");
    inbox<std::string> a, all;
    check(!p->handle(s.topic("a/+"), [&](const message& m) { a.add(m.payload); }), "handler of a/+");
    check(!p->handle(s.topic("a/#"), [&](const message& m) { all.add(m.payload); }), "handler of a/#");
    subscribe(*p, s.topic("#"));
    for (const char* topic : {"a/1", "a/1/2", "b"}) publish(*p, s.topic(topic), topic);
    expect(*p, "b"); // For which there is none.
    check(a.next() == "a/1" && a.size() == 0, "the handler of a/+");
    check(all.next() == "a/1" && all.next() == "a/1/2" && all.size() == 0, "the handler of a/#");
    check(!p->handle(s.topic("a/+"), nullptr) && !p->handle(s.topic("a/#"), nullptr), "no handlers any more");
    publish(*p, s.topic("a/1"), "end");
    expect(*p, "end");
}

void requests(const setting& s) {
    const auto asker = s.connected("q"), answerer = s.connected("a");
    answerer->respond(s.topic("questions"), [](const std::string& question) { return question + '!'; });
    for (int i = 0; i != 10; ++i) {
        const std::string answer = asker->ask(s.topic("questions"), text(i));
        check(answer == text(i) + '!', "the answer to " + text(i) + " is " + answer);
    }
}

void one_shot_helpers(const setting& s) {
    publish_simply(s.options("1"), message(s.topic(), "kept", qos::at_least_once, true));
    check(receive_simply(s.options("2"), s.topic()) == "kept", "not the message that was published");
    publish_simply(s.options("3"), message(s.topic(), "", qos::at_least_once, true));
}

} // namespace

feature_list connection_features() {
    return {
        {"request and response", requests, true},
        {"one-shot helpers", one_shot_helpers},
        {"redirected to this broker by another", redirected, true},
        {"topic aliases from the broker", aliases_from_the_broker, true},
        {"credentials provider", credentials_provider},
        {"connections that are cut, and made anew", cut_off},
        {"statistics", statistics},
        {"handlers by filter", handlers_by_filter},
        {"stream of a filter (async_client)", [](const setting& s) {
             if (!s.is_async()) return; // Only the asynchronous client has streams.
             const auto p = s.connected("p");
             const auto got = p->streamed(s.topic("a/#"), 3, [&] {
                 for (const char* topic : {"b", "a/1", "a/2", "a"}) publish(*p, s.topic(topic), topic);
             });
             check(got == std::vector<std::string>{"a/1", "a/2", "a"}, "not the messages of that filter, in order");
         }},
    };
}

} // namespace features
