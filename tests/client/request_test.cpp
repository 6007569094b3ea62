// Request and response, and connections for one thing to do, in paho's shape, against the test kit's server on a port.
#include "client/served.hpp"

#include <inflight/client/request.hpp>

namespace {

/// A client that answers: "echo" at once, "later" from another thread, "never" not.
struct answering : served {
    client c{test_options()};
    std::promise<responder> later{};

    answering() {
        REQUIRE_FALSE(c.connect(::here, port()));
        c.loop_start();
        std::promise<void> subscribed;
        c.on_subscribe([&, left = 3](const subscribe_outcome&) mutable {
            if (--left == 0) subscribed.set_value();
        });
        CHECK(respond(c, {"echo", qos::exactly_once}, [](const received_message& m) { return m.payload + '!'; }));
        CHECK(respond(c, {"later", qos::at_least_once}, [this](const received_message&, responder r) { later.set_value(std::move(r)); }));
        CHECK(respond(c, {"never", qos::at_least_once}, [](const received_message&, const responder&) {}));
        subscribed.get_future().wait();
        c.on_subscribe({});
    }
};

} // namespace

TEST_CASE("client: request() waits for the answer to this request, from any thread", "[client]") {
    answering a;
    client asker("asker");
    CHECK(words(request(asker, "echo", "1", 10ms).error) == words(errc::timed_out)); // Nobody has asked it to connect.
    REQUIRE_FALSE(asker.connect(here, a.port())); // And no loop runs: what answers needs none.
    std::vector<std::future<std::string>> all;
    for (int t = 0; t != 4; ++t)
        all.push_back(std::async(std::launch::async, [&, t] {
            std::string out;
            for (int i = 0; i != 10; ++i) {
                const std::string text = std::to_string(t) + '/' + std::to_string(i);
                const auto answer = request(asker, "echo", text, patience);
                if (!answer || answer.message.payload != text + '!') out += text + ' ' + words(answer.error) + ' ';
            }
            return out;
        }));
    for (auto& f : all) CHECK(f.get().empty());
    CHECK(unknown_answers(asker) == 0);
    CHECK(request(asker, "never", "x", 20ms).error == errc::timed_out);
    CHECK(request(asker, "nobody", "x", patience).error == reason_code::no_matching_subscribers);
    CHECK(request(asker, "a/+", "x", patience).error == errc::topic_wildcard);
    asker.disconnect();
    CHECK(request(asker, "echo", "x", patience).error == errc::not_connected);
}

TEST_CASE("client: inside a callback request() would deadlock; the one with a callback does not, and is told on the loop", "[client]") {
    answering a;
    std::promise<std::string> told;
    a.c.message_callback_add("go", [&](const received_message&) {
        CHECK(request(a.c, "echo", "x", patience).error == errc::would_deadlock);
        request(a.c, message("echo", "hello"), patience, [&](const message_outcome& o) {
            told.set_value(o.message.payload + ' ' + words(request(a.c, "echo", "x", patience).error));
        });
    });
    a.c.subscribe("go");
    a.c.publish("go", "");
    CHECK(told.get_future().get() == "hello! " + words(errc::would_deadlock));
}

TEST_CASE("client: a responder may answer later, from another thread, and outlive the client", "[client]") {
    auto a = std::make_unique<answering>();
    auto answer = std::async(std::launch::async, [&] { return request(a->c, "later", "x", patience); });
    const responder r = a->later.get_future().get();
    CHECK(r("done"));
    CHECK(answer.get().message.payload == "done");
    a.reset();
    CHECK(r("too late").status == publish_status::shutting_down);
}

TEST_CASE("client: what waits for an answer ends with the client", "[client]") {
    answering a;
    std::promise<void> done;
    auto asker = std::make_unique<client>("asker");
    REQUIRE_FALSE(asker->connect(here, a.port()));
    std::atomic<int> calls{0};
    request(*asker, message("never", "x"), patience, [&](const message_outcome&) { ++calls; });
    asker.reset(); // Without a callback, as everywhere.
    CHECK(calls == 0);
}

TEST_CASE("simple: one message, or many, are published, acknowledged, and that was that", "[client]") {
    served s;
    CHECK_FALSE(publish_single({here, s.port()}, message("a/b", "text", qos::exactly_once, true)));
    std::vector<message> many;
    for (int i = 0; i != 3000; ++i) many.emplace_back("c/" + std::to_string(i), "x", static_cast<qos>(i % 3), true);
    client_options few = s.here().options;
    few.max_queued_messages = 10; // There is no room for all at a time.
    CHECK_FALSE(publish_multiple(few, many));
    CHECK(s.ask([](auto& server) { return server.retained("#").size(); }) == 3001);
    CHECK(s.ask([](auto& server) { return server.counters().received(packet_type::disconnect); }) == 2);
    CHECK(s.ask([](auto& server) { return server.sessions().size(); }) == 0);
}

TEST_CASE("simple: what fails has its own error", "[client]") {
    testing::server_options o;
    o.authenticate = [](const auto& c) { return c.client_id == "bad" ? reason_code::not_authorized : reason_code::success; };
    o.wildcard_subscriptions = false;
    served s(o);
    CHECK(publish_single({here, s.port()}, message("a/#", "x")) == errc::topic_wildcard);
    CHECK(publish_single(s.here("bad"), message("a", "x")) == reason_code::not_authorized);
    CHECK(receive_one(s.here("bad"), "a").error == reason_code::not_authorized);
    CHECK(receive_one(s.here(), "a/#").error == errc::wildcards_not_supported);
    CHECK(receive_one(s.here(), "a//#/").error == errc::filter_invalid);
    CHECK(receive_one(s.here(), "a", 30ms).error == errc::timed_out);
    const auto nobody = served().here(); // Gone again.
    CHECK(publish_single(nobody, message("a", "x")) == asio::error::connection_refused);
    s.ask([](auto& server) { server.faults().lose(testing::direction::to_client, packet_type::puback); });
    CHECK(publish_single(s.here(), message("a", "x", qos::at_least_once), 50ms) == errc::timed_out);
}

TEST_CASE("simple: of several brokers the first that answers is taken", "[client]") {
    const auto nobody = served().here();
    served s;
    client_options o = nobody.options;
    o.brokers.push_back({here, s.port()});
    CHECK_FALSE(publish_single(o, message("a", "x", qos::at_least_once, true)));
    CHECK(receive_one(o, "a").message.payload == "x");
}

TEST_CASE("simple: one message is waited for, acknowledged, and the next one left to the broker", "[client]") {
    served s;
    client_options o = s.here("kept").options;
    o.keep_session_for(1h);
    auto first = std::async(std::launch::async, [&] { return receive_one(o, {"a/#", qos::at_least_once}, patience); });
    while (s.ask([](auto& server) { return server.sessions().empty() || server.sessions()[0].subscriptions.empty(); }))
        std::this_thread::yield();
    for (const std::string_view payload : {"1", "2"}) s.publish(message("a/b", payload, qos::at_least_once).content_type("t"));
    const auto got = first.get();
    CHECK_FALSE(got.error);
    CHECK(got.message.payload == "1");
    CHECK(got.message.content_type() == "t");
    CHECK(receive_one(o, {"a/#", qos::at_least_once}, patience).message.payload == "2");
}
