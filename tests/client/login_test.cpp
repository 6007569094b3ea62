// Credentials and enhanced authentication in paho's shape, against the test kit's server on a port.
#include "client_support.hpp"

#include <inflight/testing/tcp_server.hpp>

namespace {

/// The server on a thread of its own.
class embedded_server {
public:
    explicit embedded_server(testing::server_options options) : server(io_, std::move(options)) {}
    ~embedded_server() {
        server.stop();
        io_.stop();
        thread_.join();
    }
    embedded_server(const embedded_server&) = delete;
    embedded_server& operator=(const embedded_server&) = delete;

private:
    asio::io_context io_{1};

public:
    testing::tcp_server server;

private:
    std::thread thread_{[this] { io_.run(); }};
};

/// Method "M" wants a word, and then "two". It answers nothing while somebody holds `silence`.
testing::server_options knowing_m(std::mutex* silence = nullptr) {
    testing::server_options o;
    o.authentication = [silence](std::string_view, std::string_view) -> testing::authentication_exchange {
        return [silence, n = 0](std::string_view words) mutable -> testing::authentication_answer {
            const auto lock = silence ? std::unique_lock(*silence) : std::unique_lock<std::mutex>();
            if (n++ == 0) return {reason_code::continue_authentication, "go on"};
            return {words == "two" ? reason_code::success : reason_code::not_authorized};
        };
    };
    return o;
}

/// Answers each step on a thread of its own.
class busy_authenticator : public authenticator {
public:
    explicit busy_authenticator(std::string second) : second_(std::move(second)) {}
    void begin(bool, reply done) override { later([done] { done({}, "one"); }); }
    void next(std::string, reply done) override { later([done, words = second_] { done({}, words); }); }
    void finish(std::string, verdict done) override { later([done] { done({}); }); }

private:
    static void later(std::function<void()> f) { std::thread(std::move(f)).detach(); }
    std::string second_;
};

enhanced_authentication method_m(const std::shared_ptr<std::atomic<bool>>& is_wrong = {}) {
    return {"M", [is_wrong] { return std::make_shared<busy_authenticator>(is_wrong && *is_wrong ? "wrong" : "two"); }};
}

} // namespace

TEST_CASE("client: authenticates at connect and anew, with steps that answer on other threads",
          "[client][v5:MQTT-4.12.0-3][v5:MQTT-4.12.1-1]") {
    std::mutex silence;
    embedded_server broker(knowing_m(&silence));
    client_options options = test_options();
    options.authentication = method_m();
    watched<std::vector<std::string>> outcomes;
    client c(options);
    c.on_reauthenticate([&](const authentication_result& r) { outcomes.change([&](auto& all) { all.push_back(words(r.error)); }); });
    CHECK(c.reauthenticate() == errc::not_connected);
    CHECK_FALSE(c.connect(here, broker.server.port()));
    c.loop_start();
    {
        const std::lock_guard lock(silence);
        CHECK_FALSE(c.reauthenticate());
        CHECK(c.reauthenticate() == errc::already_running);
    }
    CHECK(outcomes.wait([](const auto& all) { return all.size() == 1; }) == std::vector<std::string>{"ok"});
    CHECK(c.is_connected());
    CHECK_FALSE(c.reauthenticate());
    outcomes.wait([](const auto& all) { return all.size() == 2; });
    CHECK_FALSE(c.disconnect().error);
}

TEST_CASE("client: a re-authentication that the broker refuses is told, and then the end of the connection",
          "[client][v5:MQTT-4.12.1-2]") {
    embedded_server broker(knowing_m());
    const auto is_wrong = std::make_shared<std::atomic<bool>>(false);
    client_options options = test_options();
    options.authentication = method_m(is_wrong);
    watched<std::vector<std::string>> heard;
    client c(options);
    const auto note = [&](std::string line) { heard.change([&](auto& all) { all.push_back(std::move(line)); }); };
    c.on_reauthenticate([&](const authentication_result& r) { note("again: " + words(r.error)); });
    c.on_disconnect([&](const disconnect_result& r) { note("disconnected: " + words(r.error)); });
    REQUIRE_FALSE(c.connect(here, broker.server.port()));
    c.loop_start();
    *is_wrong = true;
    CHECK_FALSE(c.reauthenticate());
    CHECK(heard.wait([](const auto& all) { return all.size() == 2; }) ==
          std::vector<std::string>{"again: not authorized", "disconnected: not authorized"});
}

TEST_CASE("client: there is no re-authentication without a method", "[client][v5:MQTT-4.12.0-7]") {
    fake_server server(fake_server::broker);
    client c(test_options());
    REQUIRE_FALSE(c.connect(here, server.port()));
    CHECK(c.reauthenticate() == errc::no_authentication_method);
    CHECK(server.count("AUTH") == 0);
}

TEST_CASE("client: authentication and 3.1.1 exclude each other", "[client]") {
    client_options options = test_options(v3);
    options.authentication = method_m();
    client c(options);
    CHECK(c.connect(here, 1) == errc::not_supported);
}

TEST_CASE("client: what an authenticator throws has failed, and goes where exceptions of callbacks go", "[client]") {
    struct thrower : authenticator {
        void begin(bool, reply) override { throw std::runtime_error("no begin"); }
        void next(std::string, reply) override {}
        void finish(std::string, verdict) override {}
    };
    const bool makes = GENERATE(true, false);
    embedded_server broker(knowing_m());
    client_options options = test_options();
    options.authentication = {"M", [makes]() -> std::shared_ptr<authenticator> {
                                  if (!makes) throw std::runtime_error("no make");
                                  return std::make_shared<thrower>();
                              }};
    watched<std::string> thrown;
    client c(options);
    c.on_exception([&](std::exception_ptr e) {
        try {
            std::rethrow_exception(e);
        } catch (const std::exception& what) {
            thrown.change([&](std::string& s) { s = what.what(); });
        }
    });
    c.loop_start();
    CHECK(c.connect(here, broker.server.port()) == (makes ? errc::authentication_failed : errc::no_authenticator));
    CHECK(thrown.wait_for(makes ? "no begin" : "no make") == (makes ? "no begin" : "no make"));
}

TEST_CASE("client: credentials are asked for before each connection, where a callback may not block", "[client]") {
    watched<std::vector<std::string>> seen;
    testing::server_options o;
    o.authenticate = [&](const inflight::connect& p) {
        seen.change([&](auto& all) { all.emplace_back(p.password.value_or("none")); });
        return reason_code::success;
    };
    embedded_server broker(std::move(o));
    client* self = nullptr;
    watched<std::error_code> blocked;
    int token = 0;
    client_options options = test_options();
    options.credentials = [&](credentials_callback done) {
        blocked.change([&](std::error_code& e) { e = self->connect(here, 1); });
        std::thread([done = std::move(done), number = ++token] { done({}, {"u", "token" + std::to_string(number)}); }).detach();
    };
    client c(options);
    self = &c;
    REQUIRE_FALSE(c.connect(here, broker.server.port()));
    CHECK(blocked.now() == errc::would_deadlock);
    c.loop_start();
    c.reconnect();
    CHECK(seen.wait([](const auto& all) { return all.size() == 2; }) == std::vector<std::string>{"token1", "token2"});
    c.disconnect();
}

TEST_CASE("client: credentials that throw have failed", "[client]") {
    fake_server server(fake_server::broker);
    client_options options = test_options();
    options.credentials = credentials_from([]() -> credentials { throw std::runtime_error("no token"); });
    watched<std::string> failed;
    options.on_connection_event = [&](const connection_event& e) {
        if (e.step == connection_step::lost) failed.change([&](std::string& s) { s = words(e.error); });
    };
    client c(options);
    c.on_exception([](std::exception_ptr) {});
    c.loop_start();
    CHECK(c.connect(here, server.port()) == errc::authentication_failed);
    CHECK(failed.wait_for("authentication failed on this side") != "");
    CHECK(server.accepted() == 0);
}
