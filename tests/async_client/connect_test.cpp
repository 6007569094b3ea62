// Connecting, giving up, falling back, connecting again.
#include "support/async_fixture.hpp"

#include <dlfcn.h>
#include <netdb.h>

namespace {

// The system's resolver, as this test wants it. Names outside .test are left to the real one.
struct fake_dns {
    std::mutex mutex{};
    std::condition_variable changed{};
    bool is_hanging = false;
    bool knows_broker = false; // broker.test
    int lookups = 0, hanging = 0;

    static fake_dns& instance() {
        static fake_dns* one = new fake_dns; // For ever: a look-up may be left to itself.
        return *one;
    }

    void hang(bool whether) {
        const std::lock_guard lock(mutex);
        is_hanging = whether;
        changed.notify_all();
    }
    void wait_until_idle() {
        std::unique_lock lock(mutex);
        changed.wait(lock, [this] { return hanging == 0; });
    }
};

} // namespace

extern "C" int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** out) {
    using function = int (*)(const char*, const char*, const addrinfo*, addrinfo**);
    static const auto real = reinterpret_cast<function>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    if (!node || !std::string_view(node).ends_with(".test")) return real(node, service, hints, out);
    fake_dns& dns = fake_dns::instance();
    std::unique_lock lock(dns.mutex);
    ++dns.lookups;
    ++dns.hanging;
    dns.changed.wait(lock, [&] { return !dns.is_hanging; });
    --dns.hanging;
    dns.changed.notify_all();
    if (!dns.knows_broker || std::string_view(node) != "broker.test") return EAI_NONAME;
    lock.unlock();
    return real("127.0.0.1", service, hints, out);
}

namespace {

using protocol_list = std::vector<std::string>;

// "5.0", "3.1.1": what each CONNECT so far has asked for.
protocol_list versions_asked(fake_server& server) {
    protocol_list out;
    for (const std::string& line : server.lines("CONNECT")) out.push_back(line.find("version=5.0") != std::string::npos ? "5.0" : "3.1.1");
    return out;
}

connack refusal(reason_code why) { return connack{.reason = why}; }

} // namespace

TEST_CASE("async_client: async_connect completes with what CONNACK said, and not before it",
          "[async_client][v5:MQTT-3.1.0-1][v5:MQTT-3.1.0-2][v3:MQTT-3.1.0-1][v3:MQTT-3.1.0-2]") {
    const auto version = GENERATE(v5, v3);
    async_fixture f;
    async_client client(f.io, f.options(version));
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.server.accept();
    f.server.expect(version == v5 ? "CONNECT version=5.0 clean_start will_qos=0 keep_alive=60"
                                  : "CONNECT version=3.1.1 clean_start will_qos=0 keep_alive=60");
    f.settle();
    CHECK_FALSE(o.is_done());
    CHECK_FALSE(client.is_connected());
    f.server.send(connack{});
    f.wait(o);
    CHECK_FALSE(o.error());
    CHECK(o->version == version);
    CHECK_FALSE(o->session_present);
    CHECK_FALSE(o->session_lost);
    CHECK(client.is_connected());

    outcome<connect_result> again;
    client.async_connect(again.handler());
    f.wait(again);
    CHECK(again.error() == errc::already_connected);
    outcome<publish_ack> published;
    client.async_publish({"a", "x", qos::at_most_once}, published.handler());
    f.server.expect("PUBLISH"); // And no second CONNECT before it.
}

TEST_CASE("async_client: everyone who waits for the connection is told of it, once", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    outcome<connect_result> first, second;
    client.async_connect(first.handler());
    client.async_connect(second.handler());
    f.server.connect();
    f.wait(first);
    f.wait(second);
    f.settle();
    CHECK(first.calls() == 1);
    CHECK(second.calls() == 1);
    CHECK(f.server.accepted() == 1);
}

TEST_CASE("async_client: a fatal refusal completes async_connect with the broker's reason",
          "[async_client][v5:MQTT-3.2.2-7][v5:MQTT-3.1.3-8][v3:MQTT-3.1.3-8][v3:MQTT-3.1.3-9]") {
    const auto version = GENERATE(v5, v3);
    const auto reason =
        GENERATE(reason_code::bad_user_name_or_password, reason_code::not_authorized, reason_code::client_identifier_not_valid);
    async_fixture f;
    async_client client(f.io, f.options(version));
    outcome<connect_result> o;
    outcome<publish_ack> waiting;
    client.async_connect(o.handler());
    client.async_publish({"a", "x", qos::at_least_once}, waiting.handler());
    f.server.connect(refusal(reason));
    f.wait(o);
    f.wait(waiting);
    CHECK(o.error() == reason);
    CHECK(o->reason == reason);
    CHECK(o->return_code == connack_byte(reason, version));
    CHECK(o->version == version);
    CHECK(waiting.error() == reason);
    f.server.expect_closed();
    CHECK(f.server.accepted() == 1);
}

TEST_CASE("async_client: the broker's own words about a refusal are handed on", "[async_client][v5:U5-34]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    outcome<connect_result> o;
    client.async_connect(o.handler());
    properties<packet_type::connack> props;
    props.set<property_id::reason_string>("not on a Sunday");
    f.server.connect(connack{.reason = reason_code::banned, .props = props});
    f.wait(o);
    CHECK(o.error() == reason_code::banned);
    CHECK(o->reason_string == "not on a Sunday");
}

TEST_CASE("async_client: the broker's word about where else to go is handed on, of a refusal and of a DISCONNECT",
          "[async_client][v5:U5-28]") {
    const auto reason = GENERATE(reason_code::use_another_server, reason_code::server_moved);
    async_fixture f;
    client_options options = f.options(v5);
    outcome<disconnect_result> ended;
    options.on_disconnected = [told = ended.handler()](const disconnect_result& r) { told(r.error, r); };
    options.retry_first_connection = false;
    async_client client(f.io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    properties<packet_type::connack> refused;
    refused.set<property_id::server_reference>("a.example b.example:1884");
    f.server.connect(connack{.reason = reason, .props = refused});
    f.wait(o);
    CHECK(o.error() == reason);
    CHECK(o->server_reference == "a.example b.example:1884");
    f.server.close();
    f.connect(client);
    properties<packet_type::disconnect> left;
    left.set<property_id::server_reference>("c.example");
    f.server.send(disconnect{.reason = reason, .props = left});
    f.wait(ended);
    CHECK(ended.error() == reason);
    CHECK(ended->server_reference == "c.example");
}

TEST_CASE("async_client: an authentication that the broker ends, with a refusal or a bare close, is a connect that fails",
          "[async_client][v5:MQTT-4.12.0-4]") {
    const bool says_so = GENERATE(true, false);
    async_fixture f;
    client_options options = f.options(v5);
    options.connect_properties.set<property_id::authentication_method>("M");
    options.retry_first_connection = false;
    async_client client(f.io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.server.accept();
    f.server.expect("CONNECT");
    if (says_so) f.server.send(refusal(reason_code::bad_authentication_method));
    f.server.close();
    f.wait(o);
    if (says_so) CHECK(o.error() == reason_code::bad_authentication_method);
    else CHECK(o.error() == asio::error::eof);
    f.server.expect_closed();
}

TEST_CASE("async_client: a transient refusal is tried again until the broker accepts", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.server.connect(refusal(reason_code::server_busy));
    f.server.connect(refusal(reason_code::server_unavailable));
    f.server.connect();
    f.wait(o);
    CHECK_FALSE(o.error());
}

TEST_CASE("async_client: errors of the resolver are judged: a name may be known later, a service that no look-up knows never is",
          "[async_client]") {
    CHECK(std::error_code(asio::error::host_not_found) == error_condition::transient);
    CHECK(std::error_code(asio::error::host_not_found_try_again) == error_condition::transient);
    CHECK(std::error_code(asio::error::no_recovery) == error_condition::transient); // A name server that fails.
    CHECK(std::error_code(asio::error::service_not_found) == error_condition::fatal);
    CHECK(std::error_code(asio::error::eof) == error_condition::transient);
    CHECK(std::error_code(asio::error::connection_refused) == error_condition::transient);
    CHECK(std::error_code(asio::error::invalid_argument) == error_condition::fatal);
    CHECK(std::error_code(asio::error::operation_aborted) != error_condition::transient);
    CHECK(std::error_code(asio::error::operation_aborted) != error_condition::fatal);
}

TEST_CASE("async_client: what is wrong with one packet is fatal in CONNACK, and in DISCONNECT a reason to connect anew",
          "[async_client]") {
    const auto reason = GENERATE(reason_code::qos_not_supported, reason_code::topic_name_invalid);
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    f.server.send(disconnect{.reason = reason});
    f.server.expect_closed();
    outcome<publish_ack> o;
    client.async_publish({"a", "x", qos::at_least_once}, o.handler());
    f.server.connect(refusal(reason));
    f.wait(o);
    CHECK(o.error() == reason);
    CHECK(o.error() == error_condition::fatal);
}

TEST_CASE("async_client: a broker that has moved stops the client, unless there are others", "[async_client]") {
    const bool has_others = GENERATE(true, false);
    async_fixture f;
    fake_server second;
    f.shares_thread_with(second);
    client_options options = f.options(v5);
    if (has_others) options.brokers.push_back({"127.0.0.1", second.port()});
    async_client client(f.io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.server.connect(refusal(reason_code::server_moved));
    if (has_others) second.connect();
    f.wait(o);
    CHECK(o.error() == (has_others ? std::error_code{} : make_error_code(reason_code::server_moved)));
}

TEST_CASE("async_client: retry_after_refusal may change a fatal refusal into another attempt", "[async_client]") {
    async_fixture f;
    client_options options = f.options(v5);
    int asked = 0;
    options.retry_after_refusal = [&](std::error_code error) {
        CHECK(error == reason_code::not_authorized);
        return ++asked < 3;
    };
    async_client client(f.io, std::move(options));
    outcome<connect_result> o;
    client.async_connect(o.handler());
    for (int i = 0; i != 3; ++i) f.server.connect(refusal(reason_code::not_authorized));
    f.wait(o);
    CHECK(asked == 3);
    CHECK(o.error() == reason_code::not_authorized);
    CHECK(f.server.accepted() == 3);
}

TEST_CASE("async_client: retry_after_refusal runs without the client's lock", "[async_client]") {
    async_fixture f;
    client_options options = f.options(v5);
    std::function<bool()> in_hook;
    options.retry_after_refusal = [&](std::error_code) { return in_hook(); };
    basic_async_client<default_transport, memory_store, std::mutex> client(f.io, options);
    std::future<bool> asked;
    bool was_free = false;
    in_hook = [&] {
        asked = std::async(std::launch::async, [&] { return client.is_connected(); }); // Takes the lock.
        was_free = asked.wait_for(patience) == std::future_status::ready;
        return false;
    };
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.server.connect(refusal(reason_code::banned));
    f.wait(o);
    CHECK(was_free);
}

TEST_CASE("async_client: with retry_first_connection off, no server is an error at once", "[async_client]") {
    async_fixture f;
    f.server.stop_listening();
    client_options options = f.options();
    options.retry_first_connection = false;
    async_client client(f.io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.wait(o);
    CHECK(o.error() == asio::error::connection_refused);
    CHECK(o->error == asio::error::connection_refused);
    outcome<connect_result> again; // It may be asked anew.
    client.async_connect(again.handler());
    f.wait(again);
    CHECK(again.error() == asio::error::connection_refused);
}

TEST_CASE("async_client: a server that does not answer CONNECT costs the connect timeout, whatever it says meanwhile",
          "[async_client][v5:U5-09][v3:U3-02]") {
    async_fixture f;
    client_options options = f.options(GENERATE(v5, v3));
    options.connect_timeout = 100ms;
    options.retry_first_connection = false;
    async_client client(f.io, options);
    outcome<connect_result> o;
    const auto begin = std::chrono::steady_clock::now();
    client.async_connect(o.handler());
    f.server.accept();
    f.server.expect("CONNECT");
    f.server.send_bytes("\x20"); // The first byte of a CONNACK.
    f.wait(o);
    CHECK(o.error() == errc::connect_timeout);
    CHECK(std::chrono::steady_clock::now() - begin >= 100ms);
    f.server.expect_closed();
}

TEST_CASE("async_client: what is not a CONNACK ends the attempt", "[async_client][v5:MQTT-3.2.0-1][v3:MQTT-3.2.0-1]") {
    async_fixture f;
    client_options options = f.options(GENERATE(v5, v3));
    options.retry_first_connection = false;
    async_client client(f.io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.server.accept();
    f.server.expect("CONNECT");
    const auto [bytes, expected] = GENERATE(table<std::string, errc>({
        {"HTTP/1.1 400 Bad Request\r\n" + std::string(100, 'x'), errc::unexpected_packet},
        {std::string("\x20\xFF\xFF\xFF\xFF\x01", 6), errc::varint_too_long},
        {std::string("\x20\x03\x02\x00\x00", 5), errc::reserved_bits},
    }));
    f.server.send_bytes(bytes);
    f.wait(o);
    CHECK(o.error() == expected);
    f.server.expect_closed();
}

TEST_CASE("async_client: a name that cannot be resolved is tried again", "[async_client]") {
    fake_dns& dns = fake_dns::instance();
    dns.knows_broker = false;
    dns.lookups = 0;
    async_fixture f;
    client_options options = f.options(v5);
    options.brokers = {{"broker.test", f.server.port()}};
    async_client client(f.io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.until("three look-ups", [&] {
        const std::lock_guard lock(dns.mutex);
        return dns.lookups == 3;
    });
    CHECK_FALSE(o.is_done());
    {
        const std::lock_guard lock(dns.mutex);
        dns.knows_broker = true;
    }
    f.server.connect();
    f.wait(o);
    CHECK_FALSE(o.error());
}

TEST_CASE("async_client: a resolver that hangs costs the connect timeout and nothing more", "[async_client]") {
    fake_dns& dns = fake_dns::instance();
    dns.knows_broker = false;
    dns.hang(true);
    {
        async_fixture f(fake_server::accepting);
        client_options options = f.options(v5);
        options.brokers = {{"hanging.test", 1883}, {"127.0.0.1", f.server.port()}};
        options.connect_timeout = 50ms;
        async_client client(f.io, options);
        outcome<connect_result> o;
        client.async_connect(o.handler());
        f.wait(o);
        CHECK_FALSE(o.error());
    }
    dns.hang(false); // It comes back when there is nobody left.
    dns.wait_until_idle();
}

TEST_CASE("async_client: client and io_context may go away while the resolver hangs", "[async_client]") {
    fake_dns& dns = fake_dns::instance();
    dns.knows_broker = GENERATE(true, false);
    const bool runs_on = GENERATE(true, false);
    dns.hang(true);
    outcome<connect_result> o;
    {
        asio::io_context io;
        client_options options = options_for(1);
        options.brokers = {{"broker.test", 1}};
        async_client client(io, options);
        client.async_connect(o.handler());
        while (true) {
            io.run_one_for(1ms);
            const std::lock_guard lock(dns.mutex);
            if (dns.hanging != 0) break;
        }
        if (runs_on) io.run_for(5ms);
    }
    dns.hang(false);
    dns.wait_until_idle();
    CHECK_FALSE(o.is_done());
}

TEST_CASE("async_client: addresses may be names and literals, of IPv6 with or without brackets", "[async_client]") {
    const auto [host, is_v6] =
        GENERATE(table<std::string, bool>({{"127.0.0.1", false}, {"localhost", false}, {"[::1]", true}, {"::1", true}}));
    CAPTURE(host, is_v6);
    async_fixture f(fake_server::accepting, is_v6);
    client_options options = f.options();
    options.brokers = {{host, f.server.port()}};
    options.retry_first_connection = false;
    async_client client(f.io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.wait(o);
    CHECK_FALSE(o.error());
}

TEST_CASE("async_client: brokers are tried in turn, and another one begins the session anew", "[async_client]") {
    const bool shared = GENERATE(false, true);
    async_fixture f;
    fake_server second;
    f.shares_thread_with(second);
    client_options options = f.options(v5);
    options.brokers.push_back({"127.0.0.1", second.port()});
    options.brokers_share_sessions = shared;
    async_client client(f.io, options);
    f.connect(client);
    f.server.stop_listening();
    f.server.close();
    second.accept();
    second.expect(shared ? "CONNECT version=5.0 will_qos=0 keep_alive" : "CONNECT version=5.0 clean_start");
}

TEST_CASE("async_client: no broker in the options is the default one", "[async_client]") {
    async_fixture f;
    client_options options = f.options();
    options.brokers.clear();
    options.connect_timeout = 50ms;
    options.retry_first_connection = false;
    async_client client(f.io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.wait(o); // Whether there is one on this machine or not.
    CHECK(o.calls() == 1);
}

TEST_CASE("async_client: falls back to 3.1.1 when the server refuses 5.0 in the form of 3.1.1", "[async_client][v5:MQTT-3.1.2-2]") {
    async_fixture f;
    async_client client(f.io, f.options());
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.server.accept();
    f.server.expect("CONNECT version=5.0");
    f.server.send_bytes(std::string("\x20\x02\x00\x01", 4));
    f.server.accept();
    f.server.expect("CONNECT version=3.1.1");
    f.server.send(connack{});
    f.wait(o);
    CHECK_FALSE(o.error());
    CHECK(o->version == v3);
    CHECK(o->return_code == 0);
}

TEST_CASE("async_client: falls back to 3.1.1 on CONNACK 0x84, on a bare close and on a reset, at once", "[async_client]") {
    const std::string answer = GENERATE("0x84", "close", "reset");
    CAPTURE(answer);
    async_fixture f;
    client_options options = f.options();
    options.reconnect_delay = options.max_reconnect_delay = 1h;
    async_client client(f.io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.server.accept();
    f.server.expect("CONNECT version=5.0");
    if (answer == "0x84") f.server.send(refusal(reason_code::unsupported_protocol_version));
    else if (answer == "close") f.server.close();
    else f.server.abort();
    f.server.connect();
    f.wait(o);
    CHECK(o->version == v3);
    CHECK(versions_asked(f.server) == protocol_list{"5.0", "3.1.1"});
}

TEST_CASE("async_client: while the server closes on every CONNECT the versions alternate", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options());
    outcome<connect_result> o;
    client.async_connect(o.handler());
    for (int i = 0; i != 4; ++i) {
        f.server.accept();
        f.server.expect("CONNECT");
        f.server.close();
    }
    f.server.connect();
    f.wait(o);
    CHECK(versions_asked(f.server) == protocol_list{"5.0", "3.1.1", "5.0", "3.1.1", "5.0"});
    CHECK(o->version == v5);
}

TEST_CASE("async_client: a version that neither form is known in is a fatal refusal", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options());
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.server.connect(refusal(reason_code::unsupported_protocol_version));
    f.server.connect(refusal(reason_code::unsupported_protocol_version));
    f.wait(o);
    CHECK(o.error() == reason_code::unsupported_protocol_version);
    CHECK(o->return_code == 1); // As 3.1.1 has it.
    CHECK(o->version == v3);
}

TEST_CASE("async_client: the user's choice of a version does not fall back", "[async_client]") {
    const auto version = GENERATE(v5, v3);
    async_fixture f;
    async_client client(f.io, f.options(version));
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.server.accept();
    f.server.expect("CONNECT");
    f.server.close();
    f.server.connect(refusal(reason_code::unsupported_protocol_version));
    f.wait(o);
    CHECK(o.error() == reason_code::unsupported_protocol_version);
    const std::string name = version == v5 ? "5.0" : "3.1.1";
    CHECK(versions_asked(f.server) == protocol_list{name, name});
}

TEST_CASE("async_client: after a 5.0 CONNACK it never falls back", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options());
    f.connect(client);
    f.server.close();
    for (int i = 0; i != 2; ++i) {
        f.server.accept();
        f.server.expect("CONNECT version=5.0");
        f.server.close();
    }
    f.server.connect();
    f.server.close();
    outcome<publish_ack> o;
    client.async_publish({"a", "x", qos::at_least_once}, o.handler());
    f.server.connect(refusal(reason_code::unsupported_protocol_version));
    f.wait(o);
    CHECK(o.error() == reason_code::unsupported_protocol_version);
    CHECK(versions_asked(f.server) == protocol_list{"5.0", "5.0", "5.0", "5.0", "5.0"});
}

TEST_CASE("async_client: a 3.1.1 CONNACK is remembered", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options());
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.server.accept();
    f.server.expect("CONNECT version=5.0");
    f.server.close();
    f.server.connect();
    f.wait(o);
    for (int i = 0; i != 3; ++i) {
        f.server.close();
        f.server.connect();
    }
    CHECK(versions_asked(f.server) == protocol_list{"5.0", "3.1.1", "3.1.1", "3.1.1", "3.1.1"});
}

TEST_CASE("async_client: a server that accepts and drops every connection meets growing delays",
          "[async_client][v3:MQTT-3.1.4-2]") {
    async_fixture f([](fake_server::connection& c, const packet&) {
        c.send(connack{});
        c.close();
    });
    client_options options = f.options(GENERATE(v5, v3));
    options.reconnect_delay = 20ms;
    options.max_reconnect_delay = 10s;
    async_client client(f.io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.until("six connections", [&] { return f.server.accepted() >= 6; });
    const auto at = f.server.times();
    for (std::size_t i = 1; i != 6; ++i) {
        CAPTURE(i);
        CHECK(at[i] - at[i - 1] >= 14ms * (1 << (i - 1))); // 20 ms, doubled, less a quarter, and the server's clock is not ours.
    }
}

TEST_CASE("async_client: the delay starts over after a connection that has lasted", "[async_client]") {
    async_fixture f(fake_server::accepting);
    client_options options = f.options(v5);
    options.reconnect_delay = 1ms;
    options.max_reconnect_delay = 1h; // Which the doubling would reach in 22 steps.
    options.stable_after = 0ms;
    async_client client(f.io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    for (int i = 0; i != 30; ++i) {
        f.server.accept();
        f.server.expect("CONNECT");
        f.until("a connection", [&] { return client.is_connected(); });
        f.server.close();
        f.until("its end", [&] { return !client.is_connected(); });
    }
}

TEST_CASE("backoff: doubles to the greatest delay, give or take a quarter", "[async_client]") {
    std::mt19937_64 random(7);
    backoff b;
    b.configure(100ms, 1s);
    for (const auto expected : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
        const auto got = b.next(random);
        CHECK(got >= expected * 3 / 4);
        CHECK(got <= expected * 5 / 4);
    }
    b.reset();
    CHECK(b.next(random) <= 125ms);
    b.configure(0ms, 0ms);
    CHECK(b.next(random) >= 0ms);
}

TEST_CASE("async_client: after a lost session it subscribes and publishes anew, with DUP 0", "[async_client][v5:MQTT-3.2.2-5]") {
    const auto version = GENERATE(v5, v3);
    async_fixture f;
    async_client client(f.io, f.options(version));
    f.connect(client);
    outcome<subscribe_ack> subscribed;
    client.async_subscribe("s/#", qos::at_least_once, subscribed.handler());
    f.server.expect("SUBSCRIBE id=1 filter='s/#' qos=1");
    f.server.send(suback{.id = id(1), .reasons = {reason_code::granted_qos_1}});
    f.wait(subscribed);
    outcome<publish_ack> one, two;
    client.async_publish({"a", "1", qos::at_least_once}, one.handler());
    client.async_publish({"a", "2", qos::exactly_once}, two.handler());
    f.server.expect("PUBLISH qos=1 topic='a' id=2");
    f.server.expect("PUBLISH qos=2 topic='a' id=3");
    f.server.send(pubrec{.id = id(3)});
    f.server.expect("PUBREL id=3");
    f.server.close();

    const auto again = f.server.connect();
    CHECK(again->as<inflight::connect>().clean_start == (version == v3));
    const std::string renewed = f.server.receive_line();
    CHECK(renewed.find("filter='s/#' qos=1") != std::string::npos);
    f.server.expect(publish{.qos = qos::at_least_once, .topic = "a", .id = id(2), .payload = "1"});
    f.server.expect(publish{.qos = qos::exactly_once, .topic = "a", .id = id(3), .payload = "2"});
    f.server.send(puback{.id = id(2)});
    f.server.send(pubrec{.id = id(3)});
    f.server.expect("PUBREL id=3");
    f.server.send(pubcomp{.id = id(3)});
    f.wait(one);
    f.wait(two);
    CHECK_FALSE(one.error());
    CHECK_FALSE(two.error());
    CHECK(one->mid() == 2);
    CHECK(two->mid() == 3);
}

TEST_CASE("async_client: after a resumed session it repeats PUBLISH with DUP 1, and PUBREL",
          "[async_client][v5:MQTT-4.4.0-1][v3:MQTT-4.4.0-1][v5:MQTT-3.3.1-1]") {
    const auto version = GENERATE(v5, v3);
    async_fixture f;
    client_options options = f.options(version);
    options.keep_session_for(300s);
    options.first_packet_id = 10; // Not the one that is drawn at random.
    async_client client(f.io, options);
    f.connect(client);
    outcome<publish_ack> one, two;
    client.async_publish({"a", "1", qos::at_least_once}, one.handler());
    client.async_publish({"a", "2", qos::exactly_once}, two.handler());
    f.server.expect("PUBLISH qos=1 topic='a' id=10");
    f.server.expect("PUBLISH qos=2 topic='a' id=11");
    f.server.send(pubrec{.id = id(11)});
    f.server.expect("PUBREL id=11");
    f.server.abort();

    const auto again = f.server.connect(connack{.session_present = true});
    CHECK_FALSE(again->as<inflight::connect>().clean_start);
    f.server.expect("PUBREL id=11");
    f.server.expect(publish{.dup = true, .qos = qos::at_least_once, .topic = "a", .id = id(10), .payload = "1"});
    f.server.send(puback{.id = id(10)});
    f.server.send(pubcomp{.id = id(11)});
    f.wait(one);
    f.wait(two);
    CHECK_FALSE(one.error());
    CHECK_FALSE(two.error());
}

TEST_CASE("async_client: a fatal refusal on reconnecting stops the client, and that is the error of all that is pending",
          "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    outcome<publish_ack> published;
    outcome<subscribe_ack> subscribed, unsubscribed;
    outcome<received_message> received;
    client.async_publish({"a", "x", qos::exactly_once}, published.handler());
    client.async_subscribe("a", qos::at_least_once, subscribed.handler());
    client.async_unsubscribe("b", unsubscribed.handler());
    client.async_receive(received.handler());
    f.server.expect("PUBLISH");
    f.server.close();
    f.server.connect(refusal(reason_code::banned));
    f.wait(published);
    f.wait(subscribed);
    f.wait(unsubscribed);
    f.wait(received);
    CHECK(published.error() == reason_code::banned);
    CHECK(subscribed.error() == reason_code::banned);
    CHECK(unsubscribed.error() == reason_code::banned);
    CHECK(received.error() == reason_code::banned);
    outcome<received_message> later;
    client.async_receive(later.handler());
    f.wait(later);
    CHECK(later.error() == reason_code::banned);

    outcome<connect_result> anew; // And is ready to be asked again.
    client.async_connect(anew.handler());
    f.server.connect();
    f.wait(anew);
    CHECK_FALSE(anew.error());
}

TEST_CASE("async_client: DISCONNECT from the broker is followed by a reconnect, unless another client took the session over",
          "[async_client][v5:MQTT-3.1.4-3][v5:MQTT-4.13.2-1][v5:U5-24]") {
    const bool is_taken_over = GENERATE(true, false);
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    outcome<received_message> received;
    client.async_receive(received.handler());
    f.server.send(disconnect{.reason = is_taken_over ? reason_code::session_taken_over : reason_code::server_shutting_down});
    f.server.expect_closed();
    if (is_taken_over) {
        f.wait(received);
        CHECK(received.error() == reason_code::session_taken_over);
        CHECK(f.server.accepted() == 1);
    } else {
        f.server.connect();
        CHECK_FALSE(received.is_done());
    }
}

TEST_CASE("async_client: in 5.0 a missing acknowledgement makes it connect anew, in 3.1.1 send again", "[async_client][v5:MQTT-4.4.0-1]") {
    const auto version = GENERATE(v5, v3);
    async_fixture f;
    client_options options = f.options(version);
    options.ack_timeout = 250ms;
    async_client client(f.io, options);
    f.connect(client);
    outcome<publish_ack> o;
    client.async_publish({"a", "x", qos::at_least_once}, o.handler());
    f.server.expect(publish{.qos = qos::at_least_once, .topic = "a", .id = id(1), .payload = "x"});
    if (version == v5) {
        f.server.expect("DISCONNECT");
        f.server.expect_closed();
        f.server.connect(connack{.session_present = true});
    }
    f.server.expect(publish{.dup = true, .qos = qos::at_least_once, .topic = "a", .id = id(1), .payload = "x"});
    f.server.send(puback{.id = id(1)});
    f.wait(o);
    CHECK_FALSE(o.error());
}

TEST_CASE("async_client: a server that does not answer PINGREQ is left, and connected to anew",
          "[async_client][v5:MQTT-3.1.2-20]") {
    async_fixture f;
    client_options options = f.options(v5);
    options.keep_alive = 1s;
    options.ping_timeout = 50ms;
    async_client client(f.io, options);
    f.connect(client);
    f.server.expect("PINGREQ");
    f.server.expect("DISCONNECT");
    f.server.expect_closed();
    f.server.connect(connack{.session_present = true});
}
