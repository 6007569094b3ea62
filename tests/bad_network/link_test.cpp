// One connection at a time: acknowledgements that are lost, sessions that are lost, links that are down or silent, slow
// handlers, destruction with much open, servers that drop whoever comes.
#include "support/catch.hpp"
#include "support/faulty_proxy.hpp"
#include "support/mosquitto_process.hpp"

#include <inflight/client.hpp>

#include <asio/co_spawn.hpp>
#include <asio/use_awaitable.hpp>

#include <atomic>
#include <iostream>

using namespace inflight;
using namespace std::chrono_literals;

namespace {

using clock = std::chrono::steady_clock;
using direction = faulty_proxy::direction;

constexpr auto v3 = protocol_version::v3_1_1;
constexpr auto v5 = protocol_version::v5;

client_options options(std::uint16_t port, std::string id, std::optional<protocol_version> version) {
    client_options o;
    o.client_id = std::move(id);
    o.brokers = {{"127.0.0.1", port}};
    o.version = version;
    o.reconnect_delay = 10ms;
    o.max_reconnect_delay = 40ms;
    o.seed = 1;
    return o;
}

double seconds(clock::duration d) { return std::chrono::duration<double>(d).count(); }

/// Waits for something that other threads bring about.
template <class Done>
void until(faulty_proxy& proxy, std::string_view what, Done&& done, std::chrono::seconds limit = 20s) {
    const auto end = clock::now() + limit;
    while (!done()) {
        if (clock::now() > end) FAIL("not within the time limit: " << what << proxy.trace());
        std::this_thread::sleep_for(1ms); // Between two looks.
    }
}

/// What goes on in one io_context, until something is done.
template <class Done>
void run_until(asio::io_context& io, faulty_proxy& proxy, std::string_view what, Done&& done, std::chrono::seconds limit = 20s) {
    const auto end = clock::now() + limit;
    while (!done()) {
        if (clock::now() > end) FAIL("not within the time limit: " << what << proxy.trace());
        if (io.stopped()) io.restart();
        io.run_one_for(10ms);
    }
}

/// The PUBLISHes of a publisher, as the proxy saw them pass.
class sent_messages {
public:
    struct sent {
        std::size_t connection;
        bool dup;
        packet_id id;
        friend bool operator==(const sent&, const sent&) = default;
    };

    explicit sent_messages(faulty_proxy& proxy) : proxy_(proxy) {
        proxy.observe([this](const faulty_proxy::passing& p) {
            if (const auto* m = p.as<publish>(); m && p.to == direction::to_server) all_.push_back({p.connection, m->dup, m->id});
        });
    }
    ~sent_messages() { proxy_.observe({}); }
    std::vector<sent> taken() { // And no more.
        proxy_.observe({});
        return all_;
    }

private:
    faulty_proxy& proxy_;
    std::vector<sent> all_{};
};

constexpr packet_id id(unsigned n) { return packet_id{static_cast<std::uint16_t>(n)}; }

/// A client that is connected through the proxy, in an io_context that the test runs.
struct connected_client {
    asio::io_context io{1};
    faulty_proxy& proxy;
    async_client client;
    unsigned completed = 0, failed = 0;

    connected_client(faulty_proxy& p, client_options o) : proxy(p), client(io, std::move(o)) {
        bool done = false;
        client.async_connect([&](std::error_code e, connect_result) {
            INFO(e.message());
            REQUIRE_FALSE(e);
            done = true;
        });
        until("CONNACK", [&] { return done; });
    }
    template <class Done>
    void until(std::string_view what, Done&& done) {
        run_until(io, proxy, what, std::forward<Done>(done));
    }
    void publish(qos level = qos::at_least_once, std::string payload = "x") {
        client.async_publish(message("link/test", payload, level), [this](std::error_code e, publish_ack) {
            ++completed;
            if (e) ++failed;
        });
    }
};

} // namespace

TEST_CASE("bad network: without PUBACK a 3.1.1 message goes out again with DUP and the same identifier, on the live connection",
          "[bad_network][v3:MQTT-3.3.1-1][v3:MQTT-2.3.1-3]") {
    mosquitto_process broker;
    faulty_proxy proxy(broker.port());
    proxy.swallow([](const auto& p) { return p.type == packet_type::puback && p.nth <= 2; });
    sent_messages sent(proxy);
    client_options o = options(proxy.port(), "publisher", v3);
    o.ack_timeout = 100ms;
    connected_client c(proxy, o);
    c.publish();
    c.until("PUBACK", [&] { return c.completed == 1; });
    INFO(proxy.trace());
    CHECK(c.failed == 0);
    CHECK(proxy.accepted().size() == 1);
    CHECK(sent.taken() == std::vector<sent_messages::sent>{{1, false, id(1)}, {1, true, id(1)}, {1, true, id(1)}});
}

TEST_CASE("bad network: without PUBACK a 5.0 message goes out again with DUP and the same identifier, on a new connection",
          "[bad_network][v5:MQTT-4.4.0-1][v5:MQTT-3.3.1-1]") {
    mosquitto_process broker;
    faulty_proxy proxy(broker.port());
    proxy.swallow([](const auto& p) { return p.type == packet_type::puback && p.nth <= 2; });
    sent_messages sent(proxy);
    client_options o = options(proxy.port(), "publisher", v5);
    o.ack_timeout = 100ms;
    connected_client c(proxy, o);
    c.publish();
    c.until("PUBACK", [&] { return c.completed == 1; });
    INFO(proxy.trace());
    CHECK(c.failed == 0);
    CHECK(proxy.accepted().size() == 3);
    CHECK(sent.taken() == std::vector<sent_messages::sent>{{1, false, id(1)}, {2, true, id(1)}, {3, true, id(1)}});
}

TEST_CASE("bad network: after a lost session a message goes out as a new one, with the same identifier",
          "[bad_network][v5:MQTT-3.2.2-5][v5:MQTT-3.3.1-1][v3:MQTT-3.3.1-1]") {
    const auto version = GENERATE(v3, v5);
    CAPTURE(int(version));
    mosquitto_process broker, another;
    faulty_proxy proxy(broker.port());
    proxy.swallow([](const auto& p) { return p.type == packet_type::puback && p.connection == 1; });
    sent_messages sent(proxy);
    connected_client c(proxy, options(proxy.port(), "publisher", version).keep_session_for(1h));
    c.publish();
    c.publish();
    c.until("two messages", [&] { return c.client.unsettled() == 2 && proxy.trace().find("(swallowed)") != std::string::npos; });
    proxy.set_upstream(another.port()); // Which knows nothing of us.
    proxy.cut_now();
    c.until("PUBACKs", [&] { return c.completed == 2; });
    INFO(proxy.trace());
    CHECK(c.failed == 0);
    auto all = sent.taken();
    REQUIRE(all.size() == 4);
    CHECK(all[1].id != all[0].id);
    CHECK(all[2] == sent_messages::sent{2, false, all[0].id});
    CHECK(all[3] == sent_messages::sent{2, false, all[1].id});
}

TEST_CASE("bad network: while the link is down messages are queued offline, and go out when it is up again", "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    CAPTURE(int(version));
    mosquitto_process broker;
    faulty_proxy proxy(broker.port());
    connected_client c(proxy, options(proxy.port(), "publisher", version));
    CHECK(c.client.publish("link/test", "", qos::at_least_once).status == publish_status::success);
    proxy.set_mode(faulty_proxy::mode::refuse);
    proxy.cut_now();
    c.until("the end", [&] { return !c.client.is_connected(); });
    CHECK(c.client.publish("link/test", "", qos::at_least_once).status == publish_status::queued_offline);
    for (int i = 0; i != 100; ++i) c.publish(i % 2 == 0 ? qos::at_least_once : qos::exactly_once);
    proxy.set_mode(faulty_proxy::mode::pass);
    c.until("acknowledgements", [&] { return c.completed == 100 && c.client.unsettled() == 0; });
    CHECK(c.failed == 0);
    CHECK(c.client.publish("link/test", "", qos::at_least_once).status == publish_status::success);
}

namespace {

/// A handler that sleeps three times the keep alive: does the connection stay, does the acknowledgement follow?
void sleep_in_handler(protocol_version version, std::chrono::seconds keep_alive, std::size_t inbound) {
    mosquitto_process broker;
    faulty_proxy proxy(broker.port());
    std::atomic<int> pubacks{0}, pings{0};
    proxy.observe([&](const auto& p) {
        if (p.to != direction::to_server) return;
        if (p.type == packet_type::puback) ++pubacks;
        if (p.type == packet_type::pingreq) ++pings;
    });
    client_options o = options(proxy.port(), "sleeper", version);
    o.max_inbound_messages = inbound;
    client sleeper(o);
    std::atomic<int> handled{0};
    std::atomic<bool> subscribed{false}, asleep{false};
    std::atomic<int> pubacks_before{-1};
    sleeper.on_subscribe([&](const subscribe_outcome&) { subscribed = true; });
    sleeper.on_message([&](const received_message&) {
        if (handled == 0) {
            asleep = true;
            std::this_thread::sleep_for(3 * keep_alive); // What is tested: an application that takes its time.
            pubacks_before = pubacks.load();
        }
        ++handled;
    });
    REQUIRE_FALSE(sleeper.connect("127.0.0.1", proxy.port(), keep_alive));
    sleeper.loop_start();
    REQUIRE(sleeper.subscribe("slow", qos::at_least_once));
    until(proxy, "SUBACK", [&] { return subscribed.load(); });
    asio::io_context io;
    faulty_proxy straight(broker.port());
    connected_client feeder(straight, options(straight.port(), "feeder", version));
    for (int i = 0; i != 20; ++i) feeder.client.publish("slow", "x", qos::at_least_once);
    feeder.until("PUBACKs", [&] { return feeder.client.unsettled() == 0; });
    until(proxy, "the handler", [&] { return handled == 20; }, 3 * keep_alive + 10s);
    until(proxy, "PUBACKs of the sleeper", [&] { return pubacks == 20; });
    INFO(proxy.trace());
    CHECK(pubacks_before == 0);
    CHECK(proxy.accepted().size() == 1); // Never anything but this one connection.
    CHECK(pings >= 2);
    proxy.observe({});
}

} // namespace

TEST_CASE("bad network: a handler that sleeps three times the keep alive loses neither connection nor acknowledgement",
          "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    const std::size_t inbound = GENERATE(1u, 1024u);
    CAPTURE(int(version), inbound);
    sleep_in_handler(version, 1s, inbound);
}

TEST_CASE("bad network: a handler that sleeps three times a keep alive of five seconds", "[.slow][bad_network]") {
    const auto version = GENERATE(v3, v5);
    const std::size_t inbound = GENERATE(1u, 1024u);
    CAPTURE(int(version), inbound);
    sleep_in_handler(version, 5s, inbound);
}

TEST_CASE("bad network: an echo coroutine with an inbound queue of one does not block itself over 10,000 messages",
          "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    CAPTURE(int(version));
    constexpr unsigned count = 10'000;
    mosquitto_process broker;
    faulty_proxy proxy(broker.port());
    client_options o = options(proxy.port(), "echo", version);
    o.max_inbound_messages = 1;
    connected_client c(proxy, o);
    unsigned echoed = 0, heard = 0, published = 0;
    std::string failure;
    const auto echo = [&]() -> asio::awaitable<void> {
        co_await c.client.async_subscribe("echo/in", qos::at_least_once, asio::use_awaitable);
        while (echoed != count) {
            const received_message in = co_await c.client.async_receive(asio::use_awaitable);
            const message out("echo/out", in.payload, qos::at_least_once);
            co_await c.client.async_publish(out, asio::use_awaitable);
            ++echoed;
        }
    };
    asio::co_spawn(c.io, echo(), [&](std::exception_ptr e) {
        if (e) failure = "an operation has failed";
    });

    faulty_proxy straight(broker.port());
    straight.set_recording(false);
    async_client feeder(c.io, options(straight.port(), "feeder", version));
    bool listens = false;
    feeder.async_connect([](std::error_code, connect_result) {});
    feeder.async_subscribe("echo/out", qos::at_least_once, [&](std::error_code, subscribe_ack) { listens = true; });
    std::function<void()> hear = [&] {
        feeder.async_receive([&](std::error_code e, received_message) {
            if (e) return;
            ++heard;
            hear();
        });
    };
    hear();
    c.until("SUBACK", [&] { return listens; });
    std::function<void()> feed = [&] { // A few hundred at a time.
        feeder.async_publish(message("echo/in", std::to_string(published++), qos::at_least_once),
                             [&](std::error_code, publish_ack) {
                                 if (published != count) feed();
                             });
    };
    for (int i = 0; i != 500; ++i) feed();
    run_until(c.io, proxy, "10,000 echoes", [&] { return (heard >= count && echoed == count) || !failure.empty(); }, 100s);
    CHECK(failure.empty());
    CHECK(echoed == count);
    CHECK(heard == count);
    CHECK(proxy.accepted().size() == 1);
}

TEST_CASE("bad network: a client with 1,000 unacknowledged messages is destroyed at once, and every operation completes",
          "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    CAPTURE(int(version));
    mosquitto_process broker;
    faulty_proxy proxy(broker.port());
    proxy.swallow([](const auto& p) { return p.type == packet_type::puback; });
    unsigned completed = 0, shut_down = 0;
    asio::io_context io{1};
    {
        async_client client(io, options(proxy.port(), "publisher", version));
        client.async_connect([](std::error_code, connect_result) {});
        for (int i = 0; i != 1'000; ++i)
            client.async_publish(message("link/test", "x", qos::at_least_once), [&](std::error_code e, publish_ack) {
                ++completed;
                if (e == errc::shutting_down) ++shut_down;
            });
        run_until(io, proxy, "PUBLISHes", [&] { return proxy.trace().find("PUBACK") != std::string::npos; });
    }
    const auto start = clock::now();
    if (io.stopped()) io.restart();
    io.run(); // Which ends when nothing is left.
    CHECK(clock::now() - start < 2s);
    CHECK(completed == 1'000);
    CHECK(shut_down == 1'000);
}

TEST_CASE("bad network: a client with 1,000 unacknowledged messages is destroyed at once, inside a callback too",
          "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    const bool inside = GENERATE(false, true);
    CAPTURE(int(version), inside);
    mosquitto_process broker;
    faulty_proxy proxy(broker.port());
    proxy.swallow([](const auto& p) { return p.type == packet_type::puback; });
    auto client = std::make_unique<inflight::client>(options(proxy.port(), "publisher", version));
    std::atomic<bool> destroyed{false};
    std::atomic<int> told{0};
    client->on_publish([&](std::uint16_t, std::error_code) { ++told; });
    client->on_message([&](const received_message&) {
        if (!inside) return;
        client.reset();
        destroyed = true;
    });
    REQUIRE_FALSE(client->connect("127.0.0.1", proxy.port()));
    client->loop_start();
    for (int i = 0; i != 1'000; ++i) REQUIRE(client->publish("link/test", "x", qos::at_least_once));
    until(proxy, "a PUBACK", [&] { return proxy.trace().find("PUBACK") != std::string::npos; });
    const auto start = clock::now();
    if (inside) {
        client->subscribe("link/self");
        client->publish("link/self", "now");
        until(proxy, "the callback", [&] { return destroyed.load(); });
    } else client.reset();
    CHECK(clock::now() - start < 2s);
    CHECK(told == 0 + (inside ? 1 : 0)); // The QoS 0 message's own.
    until(proxy, "the end of the connection", [&] { return proxy.open_connections() == 0; });
}

TEST_CASE("bad network: a server that drops every connection sees ever longer waits", "[bad_network]") {
    const bool says_connack = GENERATE(false, true);
    const auto version = GENERATE(v3, v5);
    CAPTURE(says_connack, int(version));
    mosquitto_process broker;
    faulty_proxy proxy(broker.port());
    if (says_connack) proxy.cut_behind([](const auto& p) { return p.type == packet_type::connack; });
    else proxy.set_mode(faulty_proxy::mode::drop);
    asio::io_context io{1};
    client_options o = options(proxy.port(), "unlucky", version);
    o.reconnect_delay = 20ms;
    o.max_reconnect_delay = 320ms;
    async_client client(io, o);
    client.async_connect([](std::error_code, connect_result) {});
    client.publish("link/test", "", qos::at_least_once);
    run_until(io, proxy, "nine attempts", [&] { return proxy.accepted().size() >= 9; });
    const auto at = proxy.accepted();
    std::string all;
    for (std::size_t i = 1; i != 9; ++i) {
        const double gap = seconds(at[i] - at[i - 1]);
        all += " " + std::to_string(gap);
        CAPTURE(i, gap);
        CHECK(gap >= 0.75 * 0.020 * (1 << std::min<std::size_t>(i - 1, 4)) - 0.002);
    }
    std::cout << "waits between attempts (s):" << all << std::endl;
    CHECK(client.unsettled() == 1);
    proxy.cut_behind({});
    proxy.set_mode(faulty_proxy::mode::pass);
    run_until(io, proxy, "PUBACK", [&] { return client.unsettled() == 0; });
}

TEST_CASE("bad network: a silent link is noticed within one and a half times the keep alive, however much waits to be written",
          "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    const bool much = GENERATE(false, true);
    const auto level = GENERATE(qos::at_most_once, qos::at_least_once);
    CAPTURE(int(version), much, int(level));
    mosquitto_process broker;
    faulty_proxy proxy(broker.port());
    client_options o = options(proxy.port(), "publisher", version);
    o.keep_alive = 1s;
    connected_client c(proxy, o);
    proxy.set_mode(faulty_proxy::mode::black_hole);
    const auto start = clock::now();
    auto next = start;
    c.until("the end", [&] { // One that goes on sending gets no PINGRESP by mere politeness.
        if (clock::now() >= next) {
            for (int i = 0; i != (much ? 10 : 1) && c.client.unsettled() < 200; ++i)
                c.publish(level, std::string(much ? 100'000 : 10, 'x'));
            next += 100ms;
        }
        return proxy.accepted().size() == 2; // The old link still says nothing, not even that it is closed.
    });
    const double noticed = seconds(clock::now() - start);
    proxy.set_mode(faulty_proxy::mode::pass);
    c.until("a new connection", [&] { return c.client.is_connected(); });
    c.until("acknowledgements", [&] { return c.client.unsettled() == 0; });
    std::cout << "silent link, keep alive 1 s, " << (version == v5 ? "5.0" : "3.1.1") << ", QoS " << int(level) << ", "
              << (much ? "much" : "little") << " to write: noticed after " << noticed << " s, connected again after "
              << seconds(clock::now() - start) << " s" << std::endl;
    CHECK(noticed < 1.5 + 0.3); // The machine has others to serve.
    CHECK(seconds(clock::now() - start) < 4);
    if (level == qos::at_least_once) CHECK(c.failed == 0);
}
