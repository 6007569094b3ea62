// Clients through tinyproxy (HTTP) and microsocks (SOCKS5) to a Mosquitto.
#include "support/attempt.hpp"
#include "support/mosquitto_process.hpp"
#include "support/proxy_process.hpp"

#include <inflight/proxy.hpp>

using namespace inflight;

namespace {

const std::string here = "127.0.0.1";

client_options options_through(proxy_kind kind, std::uint16_t port) {
    client_options o;
    o.client_id = "c";
    o.reconnect_delay = std::chrono::milliseconds(10);
    o.max_reconnect_delay = std::chrono::milliseconds(100);
    o.connect_timeout = o.ack_timeout = patience;
    *o.proxy = {kind, here, port, std::nullopt, std::nullopt};
    return o;
}
client_options with(client_options o, std::string user, std::string password) {
    o.proxy->user_name = std::move(user);
    o.proxy->password = std::move(password);
    return o;
}

// A message of each QoS, there and back.
void talk(client& c, const broker& where) {
    journal heard;
    c.on_message([&](const received_message& m) { heard.add(m.payload); });
    REQUIRE_FALSE(c.loop_start());
    REQUIRE_FALSE(c.connect({where}));
    REQUIRE(c.subscribe("proxy/test", qos::exactly_once));
    const trace payloads{"a", std::string(100'000, 'b'), "c"};
    for (std::size_t level = 0; level != payloads.size(); ++level)
        REQUIRE(c.publish("proxy/test", payloads[level], static_cast<qos>(level)));
    CHECK(heard.wait_for(payloads.size()) == payloads);
    CHECK(c.disconnect());
    c.loop_stop();
}

} // namespace

TEST_CASE("tinyproxy: messages of every QoS go through it, with credentials and without", "[integration]") {
    const bool wants_login = GENERATE(false, true);
    mosquitto_process broker;
    tinyproxy_process proxy(wants_login ? "BasicAuth user secret" : "");
    auto options = options_through(proxy_kind::http, proxy.port());
    if (wants_login) options = with(options, "user", "secret");
    for (const std::string& host : {here, std::string("localhost")}) {
        client c(options);
        talk(c, {.host = host, .port = broker.port()});
        CHECK(proxy.log().find("CONNECT " + host + ':' + std::to_string(broker.port()) + " HTTP/1.1") != std::string::npos);
    }
}

TEST_CASE("tinyproxy: wrong credentials, none and a port that it does not allow are fatal, each for itself", "[integration]") {
    mosquitto_process broker;
    tinyproxy_process closed("BasicAuth user secret"), picky("ConnectPort 443");
    const auto options = options_through(proxy_kind::http, closed.port());
    const std::tuple<client_options, proxy_errc, std::string> cases[] = {
        {options, proxy_errc::credentials_missing, "HTTP/1.0 407 Proxy Authentication Required"},
        {with(options, "user", "wrong"), proxy_errc::credentials_refused, "HTTP/1.0 401 Unauthorized"},
        {with(options, "other", "secret"), proxy_errc::credentials_refused, "HTTP/1.0 401 Unauthorized"},
        {with(options, "us:er", "secret"), proxy_errc::credentials_invalid, "user name with a colon"},
        {options_through(proxy_kind::http, picky.port()), proxy_errc::forbidden, "HTTP/1.1 403 Access violation"},
    };
    for (const auto& [o, expected, words] : cases) {
        const attempt made(o, {here, broker.port()});
        CHECK(made.error == expected);
        CHECK(made.error == error_condition::fatal);
        CHECK(made.details == words);
    }
}

TEST_CASE("tinyproxy: a broker that it cannot reach may be there later", "[integration]") {
    tinyproxy_process proxy;
    const auto options = options_through(proxy_kind::http, proxy.port());
    for (const std::string& host : {here, std::string("nowhere.invalid")}) {
        const attempt made(options, {host, free_port()});
        CHECK(made.error == proxy_errc::general_failure); // 500, whatever the cause.
        CHECK(made.error == error_condition::transient);
        CHECK(made.details == "HTTP/1.1 500 Unable to connect");
    }
}

TEST_CASE("microsocks: messages of every QoS go through it, with credentials and without", "[integration]") {
    const bool wants_login = GENERATE(false, true);
    mosquitto_process broker;
    microsocks_process proxy(wants_login ? "user" : "", wants_login ? "sec:ret" : "");
    auto options = options_through(proxy_kind::socks5, proxy.port());
    if (wants_login) options = with(options, "user", "sec:ret");
    for (const std::string& host : {here, std::string("localhost")}) {
        client c(options);
        talk(c, {.host = host, .port = broker.port()});
        CHECK(proxy.log().find("connected to " + host + ':' + std::to_string(broker.port())) != std::string::npos);
    }
}

TEST_CASE("microsocks: wrong credentials and none are fatal, each for itself", "[integration]") {
    mosquitto_process broker;
    microsocks_process closed("user", "secret");
    const auto options = options_through(proxy_kind::socks5, closed.port());
    const std::tuple<client_options, proxy_errc, std::string> cases[] = {
        {options, proxy_errc::credentials_missing, "SOCKS5 method 255"},
        {with(options, "user", "wrong"), proxy_errc::credentials_refused, "SOCKS5 status 2"},
        {with(options, "user", ""), proxy_errc::credentials_invalid, "password of 0 bytes; SOCKS5 takes 1 to 255"},
    };
    for (const auto& [o, expected, words] : cases) {
        const attempt made(o, {here, broker.port()});
        CHECK(made.error == expected);
        CHECK(made.error == error_condition::fatal);
        CHECK(made.details == words);
    }
}

TEST_CASE("microsocks: a broker that refuses and a name that nobody knows are told apart, and may be there later", "[integration]") {
    microsocks_process proxy;
    const auto options = options_through(proxy_kind::socks5, proxy.port());
    const attempt refused(options, {here, free_port()}), unknown(options, {"nowhere.invalid", 1883});
    CHECK(refused.error == proxy_errc::connection_refused);
    CHECK(refused.details == "SOCKS5 reply 5");
    CHECK(unknown.error == proxy_errc::general_failure);
    for (const attempt& made : {refused, unknown}) CHECK(made.error == error_condition::transient);
}

TEST_CASE("proxy: one that is not there is the system's error, and the steps say whose address it was", "[integration]") {
    const auto kind = GENERATE(proxy_kind::http, proxy_kind::socks5);
    auto options = options_through(kind, free_port());
    const std::string address = here + ':' + std::to_string(options.proxy->port);
    journal steps;
    options.on_connection_event = [&](const connection_event& e) { steps.add(print(e)); };
    client c(options);
    const std::error_code error = c.connect("broker.invalid", 1883); // A name that nobody looks up.
    CHECK(error == asio::error::connection_refused);
    CHECK(error == error_condition::transient);
    const trace all = steps.lines();
    CHECK(std::any_of(all.begin(), all.end(), [&](const std::string& line) { return line.find(address) != std::string::npos; }));
}

TEST_CASE("proxy: one of the other kind is told from one that fails", "[integration]") {
    microsocks_process socks;
    const attempt made(options_through(proxy_kind::http, socks.port()), {here, free_port()});
    CHECK(made.error.category() == proxy_category());
}

TEST_CASE("proxy: when it is restarted the client comes back through it, and loses nothing", "[integration]") {
    const bool is_socks = GENERATE(false, true);
    mosquitto_process broker;
    std::unique_ptr<server_process> proxy;
    if (is_socks) proxy = std::make_unique<microsocks_process>();
    else proxy = std::make_unique<tinyproxy_process>();
    client c(options_through(is_socks ? proxy_kind::socks5 : proxy_kind::http, proxy->port()));
    watched<int> connected, acknowledged;
    c.on_connect([&](const connect_result& r) {
        if (r) ++connected;
    });
    c.on_publish([&](std::uint16_t, std::error_code error) {
        if (!error) ++acknowledged;
    });
    REQUIRE_FALSE(c.loop_start());
    REQUIRE_FALSE(c.connect(here, broker.port()));
    for (int round = 1; round <= 3; ++round) {
        proxy->kill();
        REQUIRE(c.publish("proxy/test", "x", qos::at_least_once));
        proxy->start();
        acknowledged.wait_for(round);
        connected.wait_for(round + 1);
    }
    CHECK(c.disconnect());
    c.loop_stop();
}
