// Request and response, against the test kit's server.
#include "support/async_fixture.hpp"
#include "support/options_for.hpp"

#include <inflight/async_client/request.hpp>
#include <inflight/testing/memory_transport.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/use_awaitable.hpp>

namespace {

using testing::memory_client;

/// A server, who asks, and who answers, in three ways: at once, in the opposite order, and never.
struct request_world {
    testing::network net;
    memory_client asker, answerer;
    std::vector<std::pair<std::string, responder>> kept{};
    int silent = 0;

    explicit request_world(client_options o = options_for("asker"), testing::server_options s = {})
        : net(std::move(s)), asker(net.context(), std::move(o)), answerer(net.context(), options_for("answerer")) {
        asker.async_connect([](auto...) {});
        answerer.async_connect([](auto...) {});
        const auto ignore = [](auto...) {};
        async_respond(answerer, {"echo", qos::exactly_once}, [](const received_view& m) { return std::string(m.payload) + '!'; }, ignore);
        async_respond(answerer, {"later", qos::exactly_once},
                      [this](const received_view& m, responder r) { kept.emplace_back(m.payload, std::move(r)); }, ignore);
        async_respond(answerer, {"never", qos::exactly_once}, [this](const received_view&, const responder&) { ++silent; }, ignore);
        net.run_ready();
    }

    outcome<received_message> ask(std::string_view topic, std::string_view payload, std::chrono::milliseconds limit = 5s) {
        outcome<received_message> o;
        async_request(asker, topic, payload, limit, o.handler());
        return o;
    }
    std::uint64_t subscribes() { return net.server().counters().received(packet_type::subscribe) - 3; }
};

} // namespace

TEST_CASE("request: the answer comes to the one who has asked, of every QoS, over one subscription", "[async_client]") {
    request_world w;
    for (const auto level : {qos::at_most_once, qos::at_least_once, qos::exactly_once}) {
        outcome<received_message> o;
        async_request(w.asker, message("echo", "hello", level).content_type("t"), 5s, o.handler());
        w.net.run_ready();
        REQUIRE(o.is_done());
        CHECK_FALSE(o.error());
        CHECK(o->payload == "hello!");
        CHECK(o->topic == "inflight/response/asker");
        CHECK(o->qos == std::min(level, qos::at_least_once));
    }
    CHECK(w.subscribes() == 1);
    CHECK(unknown_answers(w.asker) == 0);
    CHECK(w.asker.unsettled() == 0);
}

TEST_CASE("request: a coroutine gets its answer, whoever else receives everything", "[async_client]") {
    request_world w;
    w.asker.async_subscribe("#", qos::at_least_once, [](auto...) {});
    int others = 0;
    w.asker.on_message([&](const received_view& m) { others += m.topic == "echo"; });
    const auto answer = w.net.run(async_request(w.asker, "echo", "1", 5s, asio::use_awaitable));
    CHECK(answer.payload == "1!");
    w.net.run_ready();
    CHECK(others == 1); // The request itself; never an answer.
}

TEST_CASE("request: of many at a time each gets its own answer, in whatever order they come", "[async_client]") {
    request_world w;
    std::vector<outcome<received_message>> all;
    for (int i = 0; i != 1000; ++i) all.push_back(w.ask("later", std::to_string(i)));
    w.net.run_ready();
    REQUIRE(w.kept.size() == 1000);
    for (auto i = w.kept.rbegin(); i != w.kept.rend(); ++i) {
        CHECK(i->second.is_wanted());
        REQUIRE(i->second("re " + i->first));
    }
    w.net.run_ready();
    bool is_right = true;
    for (std::size_t i = 0; i != all.size(); ++i) is_right = is_right && all[i].is_done() && all[i]->payload == "re " + std::to_string(i);
    CHECK(is_right);
    CHECK(w.subscribes() == 1);
}

TEST_CASE("request: one that is not answered ends in time, and its late answer is dropped and counted", "[async_client]") {
    request_world w;
    const auto before = w.net.now();
    const auto never = w.ask("never", "x", 3s), late = w.ask("later", "y", 2s), good = w.ask("echo", "z", 1h);
    w.net.run_until([&] { return late.is_done(); });
    CHECK(w.net.now() - before == 2s);
    CHECK(late.error() == errc::timed_out);
    CHECK_FALSE(never.is_done());
    w.net.run_until([&] { return never.is_done(); });
    CHECK(w.net.now() - before == 3s);
    CHECK(never.error() == errc::timed_out);
    CHECK(good->payload == "z!");
    REQUIRE(w.kept[0].second("too late"));
    w.net.run_ready();
    CHECK(unknown_answers(w.asker) == 1);
    CHECK(late.calls() == 1);
}

TEST_CASE("request: answers without Correlation Data, with another one's, and repeated ones are dropped and counted",
          "[async_client]") {
    request_world w;
    const auto o = w.ask("later", "x");
    w.net.run_ready();
    const message good = w.kept.at(0).second.answer();
    message bad = good;
    bad.props.clear();
    CHECK(w.answerer.publish(bad));
    CHECK(w.answerer.publish(bad.correlation_data(std::string(16, 'x'))));
    CHECK(w.answerer.publish(bad.correlation_data(good.correlation_data()->substr(0, 15))));
    w.net.run_ready();
    CHECK_FALSE(o.is_done());
    CHECK(w.answerer.publish(good));
    CHECK(w.answerer.publish(good));
    w.net.run_ready();
    CHECK(o.calls() == 1);
    CHECK(unknown_answers(w.asker) == 4);
}

TEST_CASE("request: it works again after the broker has lost the session, also for one that was on its way", "[async_client]") {
    auto o = options_for("asker");
    o.resubscribe = GENERATE(true, false);
    request_world w(o);
    const auto before = w.ask("later", "before", 1h);
    w.net.run_ready();
    w.net.server().restart(false, w.net.now());
    w.net.run_for(10s);
    REQUIRE(w.kept.size() >= 1);
    REQUIRE(w.kept[0].second("answer"));
    w.net.run_ready();
    REQUIRE(before.is_done());
    CHECK(before->payload == "answer");
    const auto after = w.ask("echo", "after");
    w.net.run_ready();
    REQUIRE(after.is_done());
    CHECK(after->payload == "after!");
}

TEST_CASE("request: without a connection it waits for one, within its time", "[async_client]") {
    request_world w;
    w.net.set_link(testing::link_state::down);
    w.net.run_ready();
    const auto hopeless = w.ask("echo", "1", 1s), patient = w.ask("echo", "2", 1h);
    w.net.run_for(2s);
    CHECK(hopeless.error() == errc::timed_out);
    w.net.set_link(testing::link_state::up);
    w.net.run_until([&] { return patient.is_done(); });
    CHECK(patient->payload == "2!");
}

TEST_CASE("request: the Response Topic begins with the broker's Response Information, asked for or not before the first connection",
          "[async_client]") {
    testing::server_options s;
    s.response_information = "answers/here";
    auto o = options_for("as+k#er%");
    o.connect_properties.set<property_id::request_response_information>(1);
    request_world w(o, s);
    w.answerer.async_disconnect([](auto...) {});
    const auto answer = w.ask("later", "x");
    w.net.run_ready();
    CHECK(w.net.server().session("as+k#er%")->subscriptions.at(0).filter == "answers/here/as%2Bk%23er%25");

    memory_client early(w.net.context(), [&] {
        auto e = o;
        e.client_id = "early";
        return e;
    }());
    outcome<received_message> o2;
    async_request(early, "echo", "x", 5s, o2.handler()); // Before it knows.
    early.async_connect([](auto...) {});
    w.answerer.async_connect([](auto...) {});
    w.net.run_ready();
    CHECK(o2->topic == "answers/here/early");
}

TEST_CASE("request: what cannot be asked ends with the reason", "[async_client]") {
    request_world w;
    CHECK([&] { const auto o = w.ask("a/#", "x"); w.net.run_ready(); return o.error(); }() == errc::topic_wildcard);
    CHECK([&] { const auto o = w.ask("nobody", "x"); w.net.run_ready(); return o.error(); }() == reason_code::no_matching_subscribers);

    memory_client old(w.net.context(), options_for("old", v3));
    outcome<received_message> early, refused, last;
    async_request(old, "echo", "x", 5s, early.handler());
    old.async_connect([](auto...) {});
    w.net.run_ready();
    async_request(old, "echo", "x", 5s, refused.handler());
    w.net.run_ready();
    CHECK(early.error() == errc::not_supported);
    CHECK(refused.error() == errc::not_supported);

    testing::server_options only_3;
    only_3.v5 = false;
    testing::network net(only_3);
    auto any = options_for("any");
    any.version.reset();
    memory_client fallen_back(net.context(), any);
    async_request(fallen_back, "echo", "x", 5s, last.handler());
    fallen_back.async_connect([](auto...) {});
    net.run_ready();
    CHECK(last.error() == errc::not_supported);
}

TEST_CASE("request: cancelled, it is forgotten; the client's end ends all", "[async_client]") {
    testing::network net;
    auto client = std::make_unique<memory_client>(net.context(), options_for("c"));
    client->async_connect([](auto...) {});
    net.run_ready();
    asio::cancellation_signal signal;
    outcome<received_message> cancelled, left;
    client->async_subscribe("never", qos::at_most_once, [](auto...) {});
    async_request(*client, "never", "x", 1h, asio::bind_cancellation_slot(signal.slot(), cancelled.handler()));
    async_request(*client, "never", "x", 1h, left.handler());
    net.run_ready();
    signal.emit(asio::cancellation_type::terminal);
    net.run_ready();
    CHECK(cancelled.error() == asio::error::operation_aborted);
    client.reset();
    net.run_ready();
    CHECK(left.error() == errc::shutting_down);
    CHECK(cancelled.calls() == 1);
}

TEST_CASE("request: what asks for no answer is handled and not answered", "[async_client]") {
    request_world w;
    const auto before = w.net.server().counters().messages_in;
    CHECK(w.asker.publish("echo", "x", qos::at_least_once));
    CHECK(w.asker.publish("later", "y", qos::at_least_once));
    w.net.run_ready();
    CHECK(w.net.server().counters().messages_in == before + 2);
    REQUIRE(w.kept.size() == 1);
    CHECK_FALSE(w.kept[0].second.is_wanted());
    CHECK(w.kept[0].second("answer").status == publish_status::topic_empty);
}

TEST_CASE("request: a responder that outlives its client refuses", "[async_client]") {
    testing::network net;
    auto client = std::make_unique<memory_client>(net.context(), options_for("c"));
    client->async_connect([](auto...) {});
    responder kept;
    async_respond(*client, {"a", qos::at_least_once}, [&](const received_view&, responder r) { kept = std::move(r); }, [](auto...) {});
    net.run_ready();
    (void)net.server().publish(message("a", "x", qos::at_least_once).response_topic("r"), net.now());
    net.run_ready();
    CHECK(kept.is_wanted());
    client.reset();
    net.run_ready();
    CHECK(kept("answer").status == publish_status::shutting_down);
}
