// Clients over layers, at the test kit's server: in memory on virtual time, and on a port. What each kind of layer is to be
// tried with alike.
#pragma once

#include "catch.hpp"
#include "options_for.hpp"
#include "watched.hpp"

#include <inflight/async_client.hpp>
#include <inflight/client.hpp>
#include <inflight/testing.hpp>

#include <map>

/// A server behind layers in memory, and a client that comes to it.
struct layered_world {
    inflight::testing::network net{};
    inflight::client_options options = options_for("c");
    std::vector<std::string> steps{};
    std::optional<inflight::testing::layered_client> client{};
    std::optional<inflight::connect_result> result{};

    layered_world(std::string address, const inflight::testing::layers_function& make) {
        options.brokers = {{std::move(address)}};
        options.reconnect_delay = std::chrono::milliseconds(10);
        options.retry_first_connection = false;
        options.on_connection_event = [this](const inflight::connection_event& e) { steps.push_back(print(e)); };
        net.set_layers(make);
    }

    std::error_code connect() {
        client.emplace(net.context(), options);
        client->async_connect([this](std::error_code, inflight::connect_result r) { result = std::move(r); });
        REQUIRE(net.run_until([&] { return result.has_value(); }, std::chrono::hours(1)));
        return result->error;
    }

    /// Although connections are cut, in the middle of records and frames too.
    void check_that_nothing_is_lost() {
        using namespace inflight;
        REQUIRE_FALSE(connect());
        std::map<std::string, int> got;
        client->on_message([&](const received_view& m) { ++got[std::string(m.payload.substr(0, 4))]; });
        client->async_subscribe("t", qos::exactly_once, [](std::error_code, subscribe_ack) {});
        int published = 0, failed = 0;
        for (int i = 0; i != 60; ++i) {
            const message m("t", std::to_string(1000 + i) + std::string(i % 4 == 0 ? 100'000 : 10, 'x'), qos::exactly_once);
            client->async_publish(m, [&](std::error_code e, publish_ack) { ++(e ? failed : published); });
            if (i % 10 == 5) {
                net.run_ready();
                net.cut();
            }
        }
        REQUIRE(net.run_until([&] { return published + failed == 60 && got.size() == 60; }));
        CHECK(failed == 0);
        for (const auto& [what, times] : got) CHECK(times == 1);
        std::optional<std::size_t> left;
        client->async_disconnect([&](std::error_code, std::size_t n) { left = n; });
        REQUIRE(net.run_until([&] { return left.has_value(); }));
        CHECK(left == 0U);
    }
};

/// On a port: the client with callbacks, from several threads.
inline void check_threads(const inflight::client_options& options, const std::string& scheme,
                          inflight::testing::layers_function make) {
    using namespace inflight;
    asio::io_context io{1};
    testing::tcp_server server(io);
    server.set_layers(std::move(make));
    std::thread serving([&] { io.run(); });
    {
        client c(options);
        watched<std::size_t> got(0);
        c.on_message([&](const received_message& m) { got.change([&](std::size_t& n) { n += m.payload.size(); }); });
        c.loop_start();
        CHECK_FALSE(c.connect(scheme + "://127.0.0.1:" + std::to_string(server.port())));
        c.subscribe("t", qos::at_least_once);
        std::vector<std::thread> publishers;
        for (int i = 0; i != 3; ++i)
            publishers.emplace_back([&c] {
                for (int n = 0; n != 200; ++n) (void)c.publish("t", std::string(n % 50 == 0 ? 50'000 : 20, 'x'), qos::at_least_once);
            });
        for (std::thread& t : publishers) t.join();
        got.wait_for(std::size_t{3} * (4 * 50'000 + 196 * 20));
        CHECK(c.disconnect(patience).unacknowledged == 0);
    }
    io.stop();
    serving.join();
}
