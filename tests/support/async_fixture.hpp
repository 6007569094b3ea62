// A client, a fake server and an io_context that gets its turns while the test waits: everything of the client runs on the
// test's thread, and a scenario reads from top to bottom.
#pragma once

#include "catch.hpp"
#include "fake_server.hpp"
#include "short_names.hpp"

#include <inflight/async_client.hpp>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <future>

using namespace inflight;
using namespace std::chrono_literals;

/// Where the handler of an operation leaves what it got.
template <class Result>
class outcome {
public:
    auto handler() {
        return [s = state_](std::error_code error, Result r) {
            ++s->calls;
            s->error = error;
            s->result = std::move(r);
        };
    }
    bool is_done() const { return state_->calls != 0; }
    int calls() const { return state_->calls; }
    std::error_code error() const { return state_->error; }
    Result& operator*() const { return state_->result; }
    Result* operator->() const { return &state_->result; }

private:
    struct shared {
        int calls = 0;
        std::error_code error{};
        Result result{};
    };
    std::shared_ptr<shared> state_ = std::make_shared<shared>();
};

/// Options for tests: a client id, the server on this machine, and little patience.
inline client_options options_for(std::uint16_t port, std::optional<protocol_version> version = {}) {
    client_options o;
    o.client_id = "c";
    o.brokers = {{"127.0.0.1", port}};
    o.version = version;
    o.reconnect_delay = 10ms;
    o.max_reconnect_delay = 40ms;
    o.connect_timeout = o.ack_timeout = o.drain_timeout = patience;
    o.seed = 1;
    return o;
}

/// All that belongs to a test but the client.
struct async_fixture {
    asio::io_context io{1};
    fake_server server;

    explicit async_fixture(fake_server::rule rule = fake_server::scripted, bool is_v6 = false) : server(std::move(rule), is_v6) {
        shares_thread_with(server);
    }

    /// While the test waits for that server, the client gets its turns.
    void shares_thread_with(fake_server& s) {
        s.share_thread([this] { turn(); }, [this] { asio::post(io, [] {}); });
    }

    /// One handler: of the client, or one that says that something has happened at the server.
    void turn() {
        const auto work = asio::make_work_guard(io); // Without work it would not wait.
        io.restart();
        io.run_one_for(50ms); // What other threads do is noticed then.
    }

    template <class Done>
    void until(std::string_view what, Done&& done) {
        server.wait_until(what, std::forward<Done>(done));
    }
    template <class Result>
    void wait(const outcome<Result>& o) {
        until("an operation to complete", [&] { return o.is_done(); });
    }
    template <class Result>
    Result wait(std::future<Result>& f) {
        until("a future", [&] { return f.wait_for(0s) == std::future_status::ready; });
        return f.get();
    }
    /// Whatever is ready has run when this returns.
    void settle() {
        io.restart();
        while (io.poll() != 0) io.restart();
    }

    client_options options(std::optional<protocol_version> version = {}) { return options_for(server.port(), version); }

    /// With room for so many messages that nobody takes; then reading pauses.
    client_options pausing_options(std::size_t max_inbound_messages, std::optional<protocol_version> version) {
        client_options o = options(version);
        o.max_inbound_messages = max_inbound_messages;
        o.on_inbound_overflow = inbound_overflow::pause_reading;
        return o;
    }

    /// Connects `client`, the server's part included.
    template <class Client>
    connect_result connect(Client& client, const connack& answer = {}) {
        outcome<connect_result> o;
        client.async_connect(o.handler());
        server.connect(answer);
        wait(o);
        REQUIRE_FALSE(o.error());
        return *o;
    }
};
