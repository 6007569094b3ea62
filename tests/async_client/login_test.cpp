// Who the client is: credentials that are asked for, and enhanced authentication, against the test kit's server.
#include "support/catch.hpp"
#include "support/watched.hpp"

#include <inflight/testing/memory_transport.hpp>

#include <asio/bind_cancellation_slot.hpp>

#include <thread>

using namespace inflight;
using namespace std::chrono_literals;
using testing::authentication_answer, testing::memory_client, testing::network, testing::server_options;

namespace {

const std::error_code no_ticket = std::make_error_code(std::errc::permission_denied);

template <class Result>
struct login_outcome {
    int calls = 0;
    std::error_code error{};
    Result result{};
    auto handler() {
        return [this](std::error_code e, Result r) {
            ++calls;
            error = e;
            result = std::move(r);
        };
    }
};

/// What an authenticator was asked, and what it says: at once what stands in `script`, or, where that has come to its end,
/// whatever the test passes to answer().
struct notes {
    trace asked{};
    std::vector<std::pair<std::error_code, std::string>> script{};
    authenticator::reply pending{};
    int made = 0, alive = 0;

    void ask(std::string what, authenticator::reply done) {
        asked.push_back(std::move(what));
        if (asked.size() > script.size()) pending = std::move(done);
        else done(script[asked.size() - 1].first, script[asked.size() - 1].second);
    }
    void answer(std::error_code error, std::string words = {}) { std::exchange(pending, nullptr)(error, std::move(words)); }
};

class scripted_authenticator : public authenticator {
public:
    explicit scripted_authenticator(notes& n) : notes_(n) {
        ++notes_.made;
        ++notes_.alive;
    }
    ~scripted_authenticator() override { --notes_.alive; }
    void begin(bool again, reply done) override { notes_.ask(again ? "begin again" : "begin", std::move(done)); }
    void next(std::string words, reply done) override { notes_.ask("next '" + words + "'", std::move(done)); }
    void finish(std::string words, verdict done) override {
        notes_.ask("finish '" + words + "'", [done = std::move(done)](std::error_code error, const std::string&) { done(error); });
    }

private:
    notes& notes_;
};

client_options options_with(notes& n) {
    client_options o;
    o.client_id = "c";
    o.seed = 1;
    o.authentication = {"M", [&n] { return std::make_shared<scripted_authenticator>(n); }};
    return o;
}

/// Wants "one", then "two", each time with the number of its question; then it is content. Anything else is refused.
server_options knowing_m() {
    server_options o;
    o.authentication = [](std::string_view method, std::string_view) -> testing::authentication_exchange {
        if (method != "M") return {};
        return [n = 0](std::string_view words) mutable -> authentication_answer {
            const bool is_right = words == (n == 0 ? "one" : "two");
            if (!is_right) return {reason_code::not_authorized};
            ++n;
            return {n == 2 ? reason_code::success : reason_code::continue_authentication, std::to_string(n)};
        };
    };
    return o;
}

/// What its server and client agree on.
const std::vector<std::pair<std::error_code, std::string>> good_script{{{}, "one"}, {{}, "two"}, {{}, ""}};
const trace all_steps{"begin", "next '1'", "finish '2'"};

struct login_world {
    notes n{};
    trace heard{};
    connection_step before{};
    network net;
    client_options options = options_with(n);

    explicit login_world(server_options o = knowing_m()) : net(std::move(o)) {
        options.on_connected = [this](const connect_result&) { heard.push_back("connected"); };
        options.on_disconnected = [this](const disconnect_result& r) { heard.push_back("disconnected: " + r.error.message()); };
        options.on_connection_event = [this](const connection_event& e) {
            if (e.step == connection_step::lost && before != connection_step::accepted)
                heard.push_back("failed: " + e.error.message());
            before = e.step;
        };
    }

    login_outcome<connect_result> connected(memory_client& client) {
        login_outcome<connect_result> o;
        client.async_connect(o.handler());
        net.run_until([&] { return o.calls == 1; }, 1h);
        return o;
    }
    void connect(memory_client& client) {
        n.script = good_script;
        REQUIRE_FALSE(connected(client).error);
        n.asked.clear();
        n.script.clear();
        heard.clear();
    }
    std::uint64_t received(packet_type type) { return net.server().counters().received(type); }
};

} // namespace

TEST_CASE("async_client: an authenticator and the broker speak until both are content",
          "[async_client][v5:MQTT-4.12.0-3][v5:MQTT-4.12.0-5]") {
    login_world w;
    w.n.script = good_script;
    memory_client client(w.net.context(), w.options);
    const auto o = w.connected(client);
    CHECK_FALSE(o.error);
    CHECK(o.result.version == protocol_version::v5);
    CHECK(w.n.asked == all_steps);
    CHECK(w.received(packet_type::auth) == 1);
    w.net.run_ready();
    CHECK(w.n.alive == 0);
}

TEST_CASE("async_client: each step of an authenticator may take its time, and answer from any thread", "[async_client]") {
    login_world w;
    memory_client client(w.net.context(), w.options);
    login_outcome<connect_result> o;
    client.async_connect(o.handler());
    for (std::size_t i = 0; i != good_script.size(); ++i) {
        w.net.run_for(1s);
        CHECK(o.calls == 0);
        REQUIRE(w.n.asked.size() == i + 1);
        CHECK(w.net.server().counters().connections == (i == 0 ? 0 : 1)); // No broker waits for the first words.
        std::thread([&] { w.n.answer({}, good_script[i].second); }).join();
    }
    w.net.run_ready();
    CHECK(o.calls == 1);
    CHECK_FALSE(o.error);
    CHECK(w.n.asked == all_steps);
}

TEST_CASE("async_client: until the broker is believed it gets no message", "[async_client]") {
    login_world w;
    w.n.script = {good_script[0], good_script[1]};
    memory_client client(w.net.context(), w.options);
    login_outcome<connect_result> o;
    client.async_connect(o.handler());
    client.publish("a", "secret", qos::at_least_once);
    w.net.run_for(1s);
    REQUIRE(w.n.asked == all_steps);
    CHECK(w.net.server().session("c")->is_connected);
    CHECK_FALSE(client.is_connected());
    CHECK(w.received(packet_type::publish) == 0);
    SECTION("it is the one") {
        w.n.answer({});
        w.net.run_ready();
        CHECK_FALSE(o.error);
        CHECK(w.received(packet_type::publish) == 1);
    }
    SECTION("it is not") {
        w.n.answer(no_ticket);
        w.net.run_ready();
        CHECK(w.received(packet_type::publish) == 0);
        CHECK(w.received(packet_type::disconnect) == 1);
        CHECK(w.heard == trace{"failed: " + no_ticket.message()});
    }
}

TEST_CASE("async_client: what a broker sends right behind its CONNACK waits until the broker is believed", "[async_client]") {
    login_world w;
    w.options.keep_session_for(1h);
    {
        memory_client before(w.net.context(), w.options);
        w.connect(before);
        login_outcome<subscribe_ack> subscribed;
        before.async_subscribe("t", qos::at_least_once, subscribed.handler());
        w.net.run_until([&] { return subscribed.calls == 1; });
    }
    w.net.run_ready();
    (void)w.net.server().publish({"t", "x", qos::at_least_once}, w.net.now());
    w.n.script = {good_script[0], good_script[1]};
    memory_client client(w.net.context(), w.options);
    login_outcome<received_message> got;
    client.async_receive(got.handler());
    client.async_connect([](auto...) {});
    w.net.run_for(1s);
    CHECK(got.calls == 0);
    w.n.answer({});
    w.net.run_ready();
    CHECK(got.calls == 1);
    CHECK(got.result.payload == "x");
}

TEST_CASE("async_client: an authenticator's error at any step ends the attempt, is reported, and another attempt follows",
          "[async_client]") {
    const std::size_t step = GENERATE(0u, 1u, 2u);
    login_world w;
    w.n.script = good_script;
    w.n.script[step].first = no_ticket;
    SECTION("the only attempt") {
        w.options.retry_first_connection = false;
        memory_client client(w.net.context(), w.options);
        const auto o = w.connected(client);
        CHECK(o.error == no_ticket);
        CHECK(o.result.error == no_ticket);
        CHECK(w.n.asked.size() == step + 1);
    }
    SECTION("one of many") {
        memory_client client(w.net.context(), w.options);
        login_outcome<connect_result> o;
        client.async_connect(o.handler());
        w.net.run_until([&] { return w.n.asked.size() == step + 1; });
        const auto failed_at = w.net.now();
        w.net.run_ready();
        CHECK(o.calls == 0);
        w.n.script = good_script;
        w.n.asked.clear();
        w.net.run_until([&] { return o.calls == 1; });
        CHECK_FALSE(o.error);
        CHECK(w.net.now() - failed_at > 700ms); // It has waited.
        w.net.run_ready();
        CHECK(w.heard == trace{"failed: " + no_ticket.message(), "connected"});
        CHECK(w.n.made == 2);
    }
    w.net.run_ready();
    CHECK(w.n.alive == 0);
}

TEST_CASE("async_client: a step that has no answer in time ends the attempt, and a late one is ignored", "[async_client]") {
    const std::size_t step = GENERATE(0u, 1u, 2u);
    login_world w;
    w.options.retry_first_connection = false;
    w.n.script.assign(good_script.begin(), good_script.begin() + static_cast<long>(step));
    memory_client client(w.net.context(), w.options);
    const auto begun = w.net.now();
    const auto o = w.connected(client);
    CHECK(o.error == errc::authentication_timeout);
    CHECK(w.net.now() - begun == w.options.connect_timeout);
    w.n.answer({}, good_script[step].second);
    w.net.run_for(1min);
    CHECK_FALSE(client.is_connected());
    CHECK(w.heard == trace{"failed: credentials or authentication not ready within the time limit"});
}

TEST_CASE("async_client: a step that answers twice has answered once", "[async_client]") {
    login_world w;
    w.options.authentication.make = [&w]() -> std::shared_ptr<authenticator> {
        struct twice : scripted_authenticator {
            using scripted_authenticator::scripted_authenticator;
            void begin(bool, reply done) override {
                done({}, "one");
                done({}, "three");
                done(no_ticket, {});
            }
        };
        return std::make_shared<twice>(w.n);
    };
    w.n.script = {good_script[1], good_script[2]};
    memory_client client(w.net.context(), w.options);
    CHECK_FALSE(w.connected(client).error);
    CHECK(w.n.asked == trace{"next '1'", "finish '2'"});
}

TEST_CASE("async_client: a broker that refuses, or knows no such method, says so", "[async_client][v5:MQTT-4.12.0-4]") {
    const bool knows = GENERATE(true, false);
    login_world w(knows ? knowing_m() : server_options{});
    w.n.script = {good_script[0], {{}, "wrong"}};
    memory_client client(w.net.context(), w.options);
    const auto o = w.connected(client);
    CHECK(o.error == (knows ? reason_code::not_authorized : reason_code::bad_authentication_method));
    CHECK(o.result.return_code == (knows ? 0x87 : 0x8C));
    CHECK(w.n.asked.size() == (knows ? 2 : 1));
}

TEST_CASE("async_client: who asks for authentication gets no 3.1.1", "[async_client]") {
    server_options old = knowing_m();
    old.v5 = false;
    login_world w(old);
    w.n.script = good_script;
    SECTION("the broker has nothing else") {
        memory_client client(w.net.context(), w.options);
        const auto o = w.connected(client);
        CHECK(o.error == reason_code::unsupported_protocol_version);
        CHECK(w.net.server().counters().connections == 1);
    }
    SECTION("the options say 3.1.1") {
        w.options.version = protocol_version::v3_1_1;
        memory_client client(w.net.context(), w.options);
        CHECK(w.connected(client).error == errc::not_supported);
        CHECK(w.net.server().counters().connections == 0);
    }
    SECTION("only a method is named") {
        w.options.authentication = {};
        w.options.connect_properties.set<property_id::authentication_method>("M");
        memory_client client(w.net.context(), w.options);
        CHECK(w.connected(client).error == reason_code::unsupported_protocol_version);
    }
}

TEST_CASE("async_client: a method without an authenticator serves as long as the broker does not ask", "[async_client]") {
    login_world w;
    w.options.authentication = {};
    w.options.retry_first_connection = false;
    SECTION("it asks") {
        w.options.connect_properties.set<property_id::authentication_method>("M").set<property_id::authentication_data>("one");
        memory_client client(w.net.context(), w.options);
        CHECK(w.connected(client).error == errc::no_authenticator);
    }
    SECTION("it is content") {
        server_options o;
        o.authentication = [](auto, auto) { return [](auto) { return authentication_answer{}; }; };
        w.net.server().set_options(std::move(o));
        w.options.connect_properties.set<property_id::authentication_method>("M").set<property_id::authentication_data>("token");
        memory_client client(w.net.context(), w.options);
        CHECK_FALSE(w.connected(client).error);
        login_outcome<authentication_result> again;
        client.async_reauthenticate(again.handler());
        w.net.run_ready();
        CHECK(again.error == errc::no_authentication_method);
    }
}

TEST_CASE("async_client: the destruction of a client ends what it has asked", "[async_client]") {
    const std::size_t step = GENERATE(0u, 1u, 2u);
    login_world w;
    w.n.script.assign(good_script.begin(), good_script.begin() + static_cast<long>(step));
    login_outcome<connect_result> o;
    {
        memory_client client(w.net.context(), w.options);
        client.async_connect(o.handler());
        w.net.run_for(1s);
        REQUIRE(w.n.asked.size() == step + 1);
    }
    w.n.answer({}, "x");
    w.net.run_ready();
    CHECK(o.error == errc::shutting_down);
    CHECK(w.n.alive == 0);
    w.n.pending = nullptr;
}

TEST_CASE("async_client: disconnecting ends what the client has asked", "[async_client]") {
    const std::size_t step = GENERATE(0u, 1u, 2u);
    login_world w;
    w.n.script.assign(good_script.begin(), good_script.begin() + static_cast<long>(step));
    memory_client client(w.net.context(), w.options);
    login_outcome<connect_result> o;
    client.async_connect(o.handler());
    w.net.run_for(1s);
    login_outcome<std::size_t> gone;
    client.async_disconnect(gone.handler());
    w.net.run_for(1s);
    CHECK(gone.calls == 1);
    CHECK(o.error == errc::not_connected);
    w.n.answer({}, good_script[step].second);
    w.net.run_for(1min);
    CHECK_FALSE(client.is_connected());
}

// Re-authentication.

TEST_CASE("async_client: a hook that throws instead of answering has said no", "[async_client]") {
    login_world w;
    w.n.script = {{{}, "wrong"}};
    w.options.retry_after_refusal = [](std::error_code) -> bool { throw std::runtime_error("no idea"); };
    memory_client client(w.net.context(), w.options);
    login_outcome<connect_result> o;
    client.async_connect(o.handler());
    CHECK_THROWS_AS(w.net.run_ready(), std::runtime_error);
    w.net.run_ready();
    CHECK(o.calls == 1);
    CHECK(o.error == reason_code::not_authorized);
}

TEST_CASE("async_client: who answers on another thread does not meet what the client does meanwhile", "[async_client]") {
    login_world w;
    memory_client client(w.net.context(), w.options);
    w.connect(client);
    for (int round = 0; round != 20; ++round) {
        w.n.asked.clear();
        w.n.script.clear();
        login_outcome<authentication_result> again;
        client.async_reauthenticate(again.handler());
        for (const auto& [error, words] : good_script) {
            w.net.run_ready();
            REQUIRE(w.n.pending);
            std::thread other([&, text = words] { w.n.answer({}, text); });
            for (int i = 0; i != 20; ++i) {
                client.async_publish("a", "x", qos::at_least_once, [](auto...) {});
                w.net.run_ready();
            }
            other.join();
        }
        w.net.run_ready();
        CHECK(again.calls == 1);
        CHECK_FALSE(again.error);
    }
}

TEST_CASE("async_client: a client authenticates anew while its messages go on", "[async_client][v5:MQTT-4.12.1-1]") {
    login_world w;
    memory_client client(w.net.context(), w.options);
    w.connect(client);
    login_outcome<authentication_result> again, twice;
    client.async_reauthenticate(again.handler());
    client.async_reauthenticate(twice.handler());
    login_outcome<publish_ack> published;
    for (std::size_t i = 0; i != good_script.size(); ++i) {
        w.net.run_ready();
        CHECK(again.calls == 0);
        published = {};
        client.async_publish("a", "x", qos::at_least_once, published.handler());
        w.net.run_ready();
        CHECK(published.calls == 1);
        CHECK_FALSE(published.error);
        w.n.answer({}, good_script[i].second);
    }
    w.net.run_ready();
    CHECK(again.calls == 1);
    CHECK_FALSE(again.error);
    CHECK(again.result);
    CHECK(twice.error == errc::already_running);
    CHECK(w.n.asked == trace{"begin again", "next '1'", "finish '2'"});
    CHECK(w.n.alive == 0);
    CHECK(w.heard.empty());

    w.n.asked.clear(); // And once more.
    w.n.script = good_script;
    again = {};
    client.async_reauthenticate(again.handler());
    w.net.run_for(1h); // Nothing is left that could end it.
    CHECK_FALSE(again.error);
    CHECK(w.heard.empty());
}

TEST_CASE("async_client: a broker that refuses a re-authentication ends the connection, and the client connects anew",
          "[async_client][v5:MQTT-4.12.1-2]") {
    login_world w;
    memory_client client(w.net.context(), w.options);
    w.connect(client);
    w.options = {};
    w.n.script = {{{}, "wrong"}};
    login_outcome<authentication_result> again;
    client.async_reauthenticate(again.handler());
    w.net.run_ready();
    CHECK(again.error == reason_code::not_authorized);
    CHECK(again.result.reason == reason_code::not_authorized);
    CHECK(w.heard == trace{"disconnected: not authorized"});
    CHECK_FALSE(client.is_connected());
}

TEST_CASE("async_client: an authenticator's error in a re-authentication ends the connection once the broker has heard of it",
          "[async_client][v5:MQTT-4.12.1-2]") {
    const std::size_t step = GENERATE(0u, 1u, 2u);
    login_world w;
    memory_client client(w.net.context(), w.options);
    w.connect(client);
    w.n.script = good_script;
    w.n.script[step].first = no_ticket;
    login_outcome<authentication_result> again;
    client.async_reauthenticate(again.handler());
    w.net.run_ready();
    CHECK(again.error == no_ticket);
    CHECK(again.result.error == no_ticket);
    CHECK(client.is_connected() == (step == 0));
    CHECK(w.received(packet_type::disconnect) == (step == 0 ? 0 : 1));
    w.n.asked.clear();
    w.n.script = good_script;
    w.net.run_for(5s);
    if (step == 0) CHECK(w.heard.empty());
    else CHECK(w.heard == trace{"disconnected: " + no_ticket.message(), "connected"});
    CHECK(client.is_connected());
}

TEST_CASE("async_client: a re-authentication has the time limit of a connect", "[async_client]") {
    const std::size_t step = GENERATE(0u, 1u, 2u);
    login_world w;
    memory_client client(w.net.context(), w.options);
    w.connect(client);
    w.n.script.assign(good_script.begin(), good_script.begin() + static_cast<long>(step));
    login_outcome<authentication_result> again;
    const auto begun = w.net.now();
    client.async_reauthenticate(again.handler());
    w.net.run_until([&] { return again.calls == 1; });
    CHECK(again.error == errc::authentication_timeout);
    CHECK(w.net.now() - begun == w.options.connect_timeout);
    w.net.run_ready();
    CHECK(client.is_connected() == (step == 0));
    w.n.answer({}, good_script[step].second); // Too late.
    w.net.run_ready();
    CHECK(again.calls == 1);
}

TEST_CASE("async_client: a re-authentication ends with its connection, its client, or who waits for it", "[async_client]") {
    login_world w;
    std::optional<memory_client> client(std::in_place, w.net.context(), w.options);
    w.connect(*client);
    login_outcome<authentication_result> again;
    asio::cancellation_signal signal;
    client->async_reauthenticate(asio::bind_cancellation_slot(signal.slot(), again.handler()));
    w.net.run_ready();
    SECTION("connection") {
        w.net.cut();
        w.net.run_ready();
        CHECK(again.error == asio::error::connection_reset);
        w.n.script = {{}};
        w.n.answer({}, "one");
        w.net.run_ready();
        CHECK(w.received(packet_type::auth) == 1); // That of the first connect.
    }
    SECTION("client") {
        client.reset();
        w.net.run_ready();
        CHECK(again.error == errc::shutting_down);
    }
    SECTION("disconnect") {
        client->async_disconnect([](auto...) {});
        w.net.run_ready();
        CHECK(again.error == errc::not_connected);
    }
    SECTION("nobody waits") {
        signal.emit(asio::cancellation_type::terminal);
        w.net.run_ready();
        CHECK(again.error == asio::error::operation_aborted);
        w.n.script = {{}, good_script[1], good_script[2]};
        w.n.answer({}, "one");
        w.net.run_ready();
        CHECK(w.n.asked == trace{"begin again", "next '1'", "finish '2'"});
    }
    CHECK(again.calls == 1);
    w.n.pending = nullptr;
}

TEST_CASE("async_client: there is no re-authentication without a connection or a method", "[async_client][v5:MQTT-4.12.0-7]") {
    login_world w;
    w.options.authentication = {};
    memory_client client(w.net.context(), w.options);
    login_outcome<authentication_result> before, after;
    client.async_reauthenticate(before.handler());
    w.net.run_ready();
    CHECK(before.error == errc::not_connected);
    w.connect(client);
    client.async_reauthenticate(after.handler());
    w.net.run_ready();
    CHECK(after.error == errc::no_authentication_method);
    CHECK(w.received(packet_type::auth) == 0);
}

// Credentials.

namespace {

struct credentials_world : login_world {
    int asked = 0;
    credentials_callback pending{};
    trace seen{}; // By the server.

    credentials_world() : login_world(server_options{}) {
        server_options o;
        o.authenticate = [this](const inflight::connect& p) {
            seen.push_back(std::string(p.user_name.value_or("?")) + "/" + std::string(p.password.value_or("?")));
            return p.password == "old" ? reason_code::not_authorized : reason_code::success;
        };
        net.server().set_options(std::move(o));
        options.authentication = {};
        options.credentials = [this](credentials_callback done) {
            ++asked;
            pending = std::move(done);
        };
    }
};

} // namespace

TEST_CASE("async_client: credentials are asked for before each attempt, and before there is a transport", "[async_client]") {
    const bool keeps = GENERATE(false, true);
    credentials_world w;
    if (keeps) w.options.version = protocol_version::v3_1_1;
    memory_client client(w.net.context(), w.options);
    login_outcome<connect_result> o;
    client.async_connect(o.handler());
    w.net.run_for(1s);
    CHECK(w.asked == 1);
    CHECK(w.net.server().counters().connections == 0);
    std::thread([&] { w.pending({}, {"u", "first"}); }).join();
    w.net.run_ready();
    CHECK(o.calls == 1);
    w.net.cut();
    w.net.run_for(2s);
    REQUIRE(w.asked == 2);
    w.pending({}, {"u", "second"});
    w.net.run_ready();
    CHECK(client.is_connected());
    CHECK(w.seen == trace{"u/first", "u/second"});
}

TEST_CASE("async_client: a provider that fails, or never answers, has failed one attempt", "[async_client]") {
    const bool answers = GENERATE(true, false);
    credentials_world w;
    memory_client client(w.net.context(), w.options);
    login_outcome<connect_result> o;
    client.async_connect(o.handler());
    w.net.run_ready();
    const auto late = w.pending;
    if (answers) w.pending(no_ticket, {});
    else w.net.run_for(w.options.connect_timeout);
    w.net.run_for(500ms);
    CHECK(w.heard == trace{answers ? "failed: " + no_ticket.message()
                                   : "failed: credentials or authentication not ready within the time limit"});
    CHECK(o.calls == 0);
    CHECK(w.asked == 1);
    w.net.run_for(1s);
    REQUIRE(w.asked == 2);
    late({}, {"u", "old"});
    w.net.run_ready();
    CHECK(w.seen.empty());
    w.pending({}, {"u", "new"});
    w.net.run_ready();
    CHECK(o.calls == 1);
    CHECK_FALSE(o.error);
    CHECK(w.seen == trace{"u/new"});
}

TEST_CASE("async_client: a refusal of credentials is final, unless the user knows that the next ones are better", "[async_client]") {
    credentials_world w;
    const bool retries = GENERATE(false, true);
    w.options.credentials = credentials_from([&w] { return credentials{"u", ++w.asked == 1 ? "old" : "new"}; });
    if (retries) w.options.retry_after_refusal = [](std::error_code error) { return error == reason_code::not_authorized; };
    memory_client client(w.net.context(), w.options);
    const auto o = w.connected(client);
    CHECK(o.error == (retries ? std::error_code{} : make_error_code(reason_code::not_authorized)));
    CHECK(w.seen == (retries ? trace{"u/old", "u/new"} : trace{"u/old"}));
}

TEST_CASE("async_client: credentials go with an authenticator, and come first", "[async_client]") {
    login_world w;
    w.n.script = good_script;
    w.options.credentials = [&w](const credentials_callback& done) {
        CHECK(w.n.asked.empty());
        done({}, {"u", {}});
    };
    std::string user;
    server_options o = knowing_m();
    o.authenticate = [&](const inflight::connect& p) {
        user = p.user_name.value_or("");
        return reason_code::success;
    };
    w.net.server().set_options(std::move(o));
    memory_client client(w.net.context(), w.options);
    CHECK_FALSE(w.connected(client).error);
    CHECK(user == "u");
}
