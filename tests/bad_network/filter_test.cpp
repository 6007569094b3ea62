// Streams, Subscription Identifiers, shared subscriptions, and requests with their answers, with Mosquitto between.
#include "network_support.hpp"

#include <inflight/async_client/request.hpp>

#include <asio/co_spawn.hpp>
#include <asio/use_awaitable.hpp>

namespace {

/// Runs a coroutine to its end, with a time limit.
void run(asio::io_context& io, asio::awaitable<void> work) {
    std::exception_ptr failure;
    bool is_done = false;
    asio::co_spawn(io, std::move(work), [&](std::exception_ptr e) {
        failure = e;
        is_done = true;
    });
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!is_done && std::chrono::steady_clock::now() < end) io.run_one_for(50ms);
    if (failure) std::rethrow_exception(failure);
    REQUIRE(is_done);
}

asio::awaitable<std::string> next(message_stream& stream) {
    const auto m = co_await stream.async_receive(asio::use_awaitable);
    co_return m.payload;
}

} // namespace

TEST_CASE("mosquitto: each stream gets what matches its filter, once, and the rest goes to async_receive", "[bad_network]") {
    const auto version = GENERATE(v5, v3);
    const bool identified = GENERATE(false, true);
    mosquitto_process broker;
    asio::io_context io{1};
    async_client client(io, options(broker.port(), "c", version));
    run(io, [&]() -> asio::awaitable<void> {
        co_await client.async_connect(asio::use_awaitable);
        const stream_options how{.subscription_identifier = identified};
        auto wide = co_await client.async_subscribe_stream({"a/#", qos::exactly_once}, how, asio::use_awaitable);
        auto narrow = co_await client.async_subscribe_stream({"b/+", qos::at_least_once}, how, asio::use_awaitable);
        co_await client.async_subscribe("c", qos::at_least_once, asio::use_awaitable);
        for (int i = 0; i != 300; ++i) {
            const std::string text = std::to_string(i);
            const std::string topic = i % 3 == 0 ? "a/x/" + text : i % 3 == 1 ? "b/" + text : "c";
            co_await client.async_publish(topic, text, qos::exactly_once, asio::use_awaitable);
        }
        for (int i = 0; i != 300; i += 3) {
            const std::string one = co_await next(wide), other = co_await next(narrow);
            const auto rest = co_await client.async_receive(asio::use_awaitable);
            if (one != std::to_string(i) || other != std::to_string(i + 1) || rest.payload != std::to_string(i + 2)) FAIL(i);
        }
        CHECK(wide.size() + narrow.size() == 0);
        co_await client.async_disconnect(asio::use_awaitable);
    }());
}

TEST_CASE("mosquitto: workers with a stream each share the messages of one filter, and each message goes to one of them",
          "[bad_network]") {
    const auto version = GENERATE(v5, v3);
    mosquitto_process broker;
    asio::io_context io{1};
    std::vector<std::unique_ptr<async_client>> workers;
    std::vector<message_stream> streams;
    run(io, [&]() -> asio::awaitable<void> {
        for (const std::string name : {"w1", "w2", "w3"}) {
            auto& worker = *workers.emplace_back(std::make_unique<async_client>(io, options(broker.port(), name, version)));
            co_await worker.async_connect(asio::use_awaitable);
            auto stream = co_await worker.async_subscribe_stream("$share/group/job/#", qos::at_least_once, asio::use_awaitable);
            streams.push_back(std::move(stream));
        }
        for (int i = 0; i != 90; ++i) {
            const std::string text = std::to_string(i);
            co_await workers[0]->async_publish("job/" + text, text, qos::at_least_once, asio::use_awaitable);
        }
    }());
    const auto end = std::chrono::steady_clock::now() + patience;
    const auto total = [&] { return streams[0].size() + streams[1].size() + streams[2].size(); };
    while (total() != 90 && std::chrono::steady_clock::now() < end) io.run_one_for(50ms);
    CHECK(total() == 90);
    for (const auto& s : streams) CHECK(s.size() > 0);
}

TEST_CASE("mosquitto: many requests at a time get their answers, also after the broker has lost all sessions", "[bad_network]") {
    mosquitto_process broker("persistence false\n");
    asio::io_context io{1};
    async_client asker(io, options(broker.port(), "asker", v5)), answerer(io, options(broker.port(), "answerer", v5));
    const auto ask_all = [&]() -> asio::awaitable<void> {
        int right = 0, done = 0;
        for (int i = 0; i != 100; ++i)
            async_request(asker, "echo", std::to_string(i), patience, [&, i](std::error_code e, const received_message& m) {
                ++done;
                if (!e && m.payload == std::to_string(i) + '!') ++right;
            });
        asio::steady_timer pause(io);
        while (done != 100) {
            pause.expires_after(5ms);
            co_await pause.async_wait(asio::use_awaitable);
        }
        CHECK(right == 100);
    };
    run(io, [&]() -> asio::awaitable<void> {
        co_await asker.async_connect(asio::use_awaitable);
        co_await answerer.async_connect(asio::use_awaitable);
        co_await async_respond(answerer, {"echo", qos::at_least_once}, [](const received_view& m) { return std::string(m.payload) + '!'; },
                               asio::use_awaitable);
        co_await ask_all();
    }());
    broker.kill();
    while (asker.is_connected() || answerer.is_connected()) io.run_one_for(50ms);
    broker.start();
    while (!asker.is_connected() || !answerer.is_connected()) io.run_one_for(50ms);
    run(io, [&]() -> asio::awaitable<void> {
        co_await answerer.async_subscribe("something", qos::at_most_once, asio::use_awaitable); // By then it is renewed.
        co_await ask_all();
    }());
}
