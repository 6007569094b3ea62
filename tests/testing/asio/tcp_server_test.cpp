// The server on a real port: what the machine alone cannot show.
#include "support/catch.hpp"
#include "support/options_for.hpp"
#include "support/short_names.hpp"
#include "support/watched.hpp"

#include <inflight/client.hpp>
#include <inflight/testing/tcp_server.hpp>

#include <asio/read.hpp>
#include <asio/thread_pool.hpp>
#include <asio/write.hpp>

#include <optional>
#include <thread>

using namespace inflight;
using namespace std::literals;
using testing::tcp_server;
using asio::ip::tcp;

namespace {

const std::string here = "127.0.0.1";

/// A value that another thread provides. The first one counts.
template <class T>
class promised {
public:
    void set(T value) {
        value_.change([&](std::optional<T>& v) {
            if (!v) v = std::move(value);
        });
    }
    T get() {
        return *value_.wait([](const std::optional<T>& v) { return v.has_value(); });
    }

private:
    watched<std::optional<T>> value_{};
};

/// For what the server is not heard to do, and must be asked for.
template <class Done>
void until(Done&& done) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!done()) {
        if (std::chrono::steady_clock::now() > end) throw std::runtime_error("waited in vain");
        std::this_thread::sleep_for(1ms);
    }
}

/// A connection without a client.
struct raw_connection {
    asio::io_context io{};
    tcp::socket socket{io};

    explicit raw_connection(const tcp_server& server, int receive_buffer = 0) {
        socket.open(tcp::v4());
        if (receive_buffer != 0) socket.set_option(tcp::socket::receive_buffer_size(receive_buffer));
        socket.connect({asio::ip::address_v4::loopback(), server.port()});
    }
    template <class Packet>
    void send(const Packet& p, protocol_version version = v5) {
        std::string bytes;
        REQUIRE(encode(p, version, bytes) == errc::none);
        asio::write(socket, asio::buffer(bytes));
    }
    /// The first byte of the next packet, its rest read as well.
    unsigned next() {
        std::array<unsigned char, 2> head{}; // Short packets only.
        asio::read(socket, asio::buffer(head));
        std::string rest(head[1], '\0');
        asio::read(socket, asio::buffer(rest));
        return head[0];
    }
    std::error_code read_to_end() {
        std::array<char, 4096> buffer{};
        std::error_code error;
        while (!error) socket.read_some(asio::buffer(buffer), error);
        return error;
    }
};

} // namespace

TEST_CASE("tcp_server: a client gets what it publishes, in both versions and with every QoS", "[testing]") {
    asio::thread_pool pool(2);
    tcp_server server(pool);
    for (const auto version : {v5, v3})
        for (const auto level : {qos::at_most_once, qos::at_least_once, qos::exactly_once}) {
            client c(options_for("c", version));
            promised<std::pair<std::string, qos>> got;
            promised<bool> subscribed;
            c.on_message([&](const received_message& m) { got.set({m.payload, m.qos}); });
            c.on_subscribe([&](const subscribe_outcome&) { subscribed.set(true); });
            REQUIRE_FALSE(c.connect(here, server.port()));
            c.loop_start();
            c.subscribe("t", level);
            REQUIRE(subscribed.get());
            c.publish("t", "hello", level);
            CHECK(got.get() == std::pair(std::string("hello"), level));
            CHECK(c.disconnect().unacknowledged == 0);
        }
    CHECK(server.with_server([](auto& s) { return s.counters().messages_in; }) == 6);
}

TEST_CASE("tcp_server: eight megabytes pass in both directions", "[testing]") {
    asio::thread_pool pool(1);
    tcp_server server(pool);
    client c(options_for("c"));
    promised<std::string> got;
    c.on_message([&](const received_message& m) { got.set(m.payload); });
    REQUIRE_FALSE(c.connect(here, server.port()));
    c.loop_start();
    c.subscribe("large", qos::exactly_once);
    const std::string large(std::size_t{8} << 20, 'x');
    c.publish("large", large, qos::exactly_once);
    CHECK(got.get() == large);
}

TEST_CASE("tcp_server: two hundred clients on several threads get a message each", "[testing]") {
    asio::thread_pool pool(4);
    tcp_server server(pool);
    asio::io_context io;
    std::vector<std::unique_ptr<async_client>> clients;
    int connected = 0, got = 0;
    for (int i = 0; i != 200; ++i) {
        auto options = options_for("c" + std::to_string(i), i % 2 ? v3 : v5);
        options.brokers = {{here, server.port()}};
        clients.push_back(std::make_unique<async_client>(io, options));
        clients.back()->async_connect([](auto...) {});
        clients.back()->async_subscribe("all", qos::at_least_once, [&](std::error_code error, auto&&...) { connected += !error; });
        clients.back()->async_receive([&](std::error_code error, auto&&...) { got += !error; });
    }
    const auto run = [&](int& count) {
        const auto end = std::chrono::steady_clock::now() + 60s;
        while (count != 200 && std::chrono::steady_clock::now() < end) io.run_one_for(1s);
    };
    run(connected);
    REQUIRE(connected == 200);
    server.with_server([](auto& s) { s.publish({"all", "hello", qos::at_least_once}, std::chrono::steady_clock::now()); });
    run(got);
    CHECK(got == 200);
}

TEST_CASE("tcp_server: reads no more from a client that does not read its answers, until it does", "[testing]") {
    asio::thread_pool pool(1);
    testing::server_options options;
    options.trace_lines = 0;
    options.max_output_bytes = 0;
    tcp_server server(pool, options);
    raw_connection c(server, 64 << 10);
    c.send(inflight::connect{.client_id = "c"});
    REQUIRE(c.next() == 0x20);
    constexpr std::size_t count = 3'000'000; // More than the sockets take.
    std::thread writer([&] {
        std::string pings;
        for (int i = 0; i != 10'000; ++i) pings += "\xC0\0"s;
        for (std::size_t i = 0; i != count / 10'000; ++i) asio::write(c.socket, asio::buffer(pings));
    });
    const auto ask = [&](auto question) { return server.with_server([&](auto& s) { return question(s, *s.connection_of("c")); }); };
    until([&] { return ask([](auto& s, auto id) { return !s.wants_input(id); }); });

    raw_connection other(server); // Which gets its turns, as "c" would.
    other.send(inflight::connect{.client_id = "other"});
    REQUIRE(other.next() == 0x20);
    for (int i = 0; i != 50; ++i) {
        other.send(pingreq{});
        REQUIRE(other.next() == 0xD0);
    }
    constexpr std::size_t limit = 1 << 20, chunk = 64 << 10;
    CHECK(ask([](auto& s, auto id) { return s.output_pending(id); }) <= limit + chunk);

    std::string answers(2 * count, '\0');
    asio::read(c.socket, asio::buffer(answers));
    writer.join();
    CHECK(ask([](auto& s, auto id) { return s.wants_input(id); }));
}

TEST_CASE("tcp_server: sends a refusal and then closes, without a reset", "[testing]") {
    asio::thread_pool pool(1);
    tcp_server server(pool);
    server.with_server([](auto& s) { s.faults().refuse(reason_code::banned); });
    raw_connection c(server);
    std::string bytes;
    REQUIRE(encode(inflight::connect{.client_id = "c"}, v5, bytes) == errc::none);
    bytes.append(100'000, '\0'); // Which nobody will read.
    asio::write(c.socket, asio::buffer(bytes));
    CHECK(c.next() == 0x20);
    CHECK(c.read_to_end() == asio::error::eof);
}

TEST_CASE("tcp_server: a client whose connection is cut loses it, and its Will is published", "[testing]") {
    asio::thread_pool pool(1);
    tcp_server server(pool);
    client watcher(options_for("w"));
    promised<std::string> who;
    promised<bool> subscribed;
    watcher.on_message([&](const received_message& m) { who.set(m.payload); });
    watcher.on_subscribe([&](const subscribe_outcome&) { subscribed.set(true); });
    REQUIRE_FALSE(watcher.connect(here, server.port()));
    watcher.loop_start();
    watcher.subscribe("gone");
    REQUIRE(subscribed.get());
    {
        raw_connection c(server);
        const will last{.topic = "gone", .payload = "c"};
        c.send(inflight::connect{.client_id = "c", .will = last});
        REQUIRE(c.next() == 0x20);
    }
    CHECK(who.get() == "c");
}

TEST_CASE("tcp_server: ends the connection of a client that is silent beyond its keep alive", "[testing]") {
    asio::thread_pool pool(1);
    tcp_server server(pool);
    raw_connection c(server);
    c.send(inflight::connect{.keep_alive = 1, .client_id = "c"});
    REQUIRE(c.next() == 0x20);
    CHECK(c.next() == 0xE0);
    CHECK(c.read_to_end() == asio::error::eof);
}

TEST_CASE("tcp_server: stop tells the clients, closes their connections, and frees the port", "[testing]") {
    asio::thread_pool pool(2);
    auto server = std::make_unique<tcp_server>(pool);
    client c(options_for("c"));
    promised<reason_code> why;
    c.on_disconnect([&](const disconnect_result& r) { why.set(r.reason); });
    REQUIRE_FALSE(c.connect(here, server->port()));
    c.loop_start();
    raw_connection silent(*server);
    const auto where = server->local_endpoint();
    until([&] { return server->with_server([](auto& s) { return s.counters().connections == 2; }); });
    server->stop();
    CHECK(why.get() == reason_code::server_shutting_down);
    CHECK(silent.read_to_end());
    tcp::acceptor next(pool.get_executor());
    next.open(tcp::v4());
    next.set_option(tcp::acceptor::reuse_address(true));
    std::error_code error;
    next.bind(where, error);
    CHECK_FALSE(error);
    server->stop();
    server.reset();
}

TEST_CASE("tcp_server: says so when its port is taken", "[testing]") {
    asio::io_context io;
    const tcp_server one(io);
    CHECK_THROWS_AS(tcp_server(io, {}, one.local_endpoint()), std::system_error);
}

TEST_CASE("tcp_server: listens on another address when asked to", "[testing]") {
    asio::io_context io;
    const tcp_server server(io, {}, {asio::ip::address_v6::loopback(), 0});
    CHECK(server.local_endpoint().address().is_v6());
    CHECK(server.port() != 0);
}

TEST_CASE("tcp_server: a logger gets a line for every packet, the last ones too", "[testing]") {
    asio::thread_pool pool(1);
    tcp_server server(pool);
    std::vector<std::string> lines;
    server.enable_logger([&](std::string_view line) { lines.emplace_back(line); });
    raw_connection c(server);
    c.send(inflight::connect{.client_id = "c"});
    REQUIRE(c.next() == 0x20);
    c.send(pingreq{});
    REQUIRE(c.next() == 0xD0);
    server.stop();
    REQUIRE(lines.size() == 5);
    CHECK(lines[0].starts_with("1 -> CONNECT"));
    CHECK(lines[1].starts_with("1 <- CONNACK"));
    CHECK(lines[2] == "1 -> PINGREQ");
    CHECK(lines[3] == "1 <- PINGRESP");
    CHECK(lines[4].starts_with("1 <- DISCONNECT"));
}
