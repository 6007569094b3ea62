// The test kit's server on a port, for tests of the client.
#pragma once

#include "client/client_support.hpp"

#include <inflight/client/simple.hpp>
#include <inflight/testing/tcp_server.hpp>

/// A server with a thread of its own.
struct served {
    asio::io_context io{1};
    std::unique_ptr<testing::tcp_server> server;
    std::thread thread;

    explicit served(testing::server_options o = {}) : server(std::make_unique<testing::tcp_server>(io, std::move(o))) {
        thread = std::thread([this] { io.run(); });
    }
    ~served() {
        server.reset();
        thread.join();
    }
    std::uint16_t port() const { return server->port(); }
    void publish(const message& m) {
        server->with_server([&](auto& s) { (void)s.publish(m, std::chrono::steady_clock::now()); });
    }
    template <class F>
    auto ask(F&& f) {
        return server->with_server(std::forward<F>(f));
    }
    std::vector<std::string> trace() {
        return ask([](testing::server& s) { return std::vector(s.trace().begin(), s.trace().end()); });
    }
    connection_settings here(std::string id = {}) const {
        client_options o;
        o.client_id = std::move(id);
        o.brokers = {{"127.0.0.1", port()}};
        return o;
    }
};
