// One connection at a time: acknowledgements that are lost, sessions that are lost, links that are down or silent, slow
// handlers, destruction with much open, servers that drop whoever comes.
#include "network_support.hpp"

#include <asio/co_spawn.hpp>
#include <asio/use_awaitable.hpp>

#include <iostream>
#include <list>

namespace {

using clock = std::chrono::steady_clock;

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

} // namespace

TEST_CASE("bad network: without PUBACK a message goes out again with DUP and the same identifier, on the live connection in "
          "3.1.1, on a new one in 5.0",
          "[bad_network][v3:MQTT-3.3.1-1][v3:MQTT-2.3.1-4][v5:MQTT-4.4.0-1][v5:MQTT-3.3.1-1]") {
    const auto version = GENERATE(v3, v5);
    CAPTURE(name_of(version));
    network net;
    net.proxy.swallow([](const auto& p) { return p.type == packet_type::puback && p.nth <= 2; });
    sent_messages sent(net.proxy);
    client_options o = options(net.proxy.port(), "publisher", version);
    o.ack_timeout = 300ms; // Doubled each time: the third answer has more than a second.
    connected_client c(net.proxy, o);
    c.publish();
    c.until("PUBACK", [&] { return c.completed == 1; });
    INFO(net.proxy.trace());
    CHECK(c.failed == 0);
    const auto nth = [&](std::size_t n) { return version == v3 ? std::size_t{1} : n; };
    CHECK(net.proxy.accepted().size() == nth(3));
    CHECK(sent.taken() == std::vector<sent_messages::sent>{{1, false, id(1)}, {nth(2), true, id(1)}, {nth(3), true, id(1)}});
}

TEST_CASE("bad network: a message whose PUBACK is only late is repeated, and completes once", "[bad_network]") {
    network net;
    client_options o = options(net.proxy.port(), "publisher", v3);
    o.ack_timeout = 100ms;
    connected_client c(net.proxy, o);
    sent_messages sent(net.proxy);
    net.proxy.set_delay(100ms); // Each way.
    c.publish();
    c.until("both PUBACKs", [&] { return net.proxy.packets(direction::to_client, packet_type::puback) >= 2; });
    net.proxy.set_delay(0ms);
    c.publish(); // Its PUBACK comes behind the repeated ones.
    c.until("PUBACK", [&] { return c.completed >= 2; });
    INFO(net.proxy.trace());
    CHECK(c.completed == 2);
    CHECK(c.failed == 0);
    CHECK(net.proxy.accepted().size() == 1);
    const auto all = sent.taken();
    CHECK(std::count(all.begin(), all.end(), sent_messages::sent{1, true, id(1)}) >= 1);
    CHECK(all.back().id == id(2));
}

TEST_CASE("bad network: after a lost session a message goes out as a new one, with the same identifier",
          "[bad_network][v5:MQTT-3.2.2-5][v5:MQTT-3.3.1-1][v3:MQTT-3.3.1-1]") {
    const auto version = GENERATE(v3, v5);
    CAPTURE(name_of(version));
    network net;
    mosquitto_process another;
    net.proxy.swallow([](const auto& p) { return p.type == packet_type::puback && p.connection == 1; });
    sent_messages sent(net.proxy);
    connected_client c(net.proxy, options(net.proxy.port(), "publisher", version).keep_session_for(1h));
    c.publish();
    c.publish();
    c.until("two PUBACKs", [&] { return net.proxy.packets(direction::to_client, packet_type::puback) == 2; });
    net.proxy.set_upstream(another.port()); // Which knows nothing of us.
    net.proxy.cut_now();
    c.until("PUBACKs", [&] { return c.completed == 2; });
    INFO(net.proxy.trace());
    CHECK(c.failed == 0);
    auto all = sent.taken();
    REQUIRE(all.size() == 4);
    CHECK(all[1].id != all[0].id);
    CHECK(all[2] == sent_messages::sent{2, false, all[0].id});
    CHECK(all[3] == sent_messages::sent{2, false, all[1].id});
}

TEST_CASE("bad network: while the link is down messages are queued offline, and go out when it is up again", "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    CAPTURE(name_of(version));
    network net;
    connected_client c(net.proxy, options(net.proxy.port(), "publisher", version));
    CHECK(c.client.publish("link/test", "", qos::at_least_once).status == publish_status::success);
    net.proxy.set_mode(faulty_proxy::mode::refuse);
    net.proxy.cut_now();
    c.until("the end", [&] { return !c.client.is_connected(); });
    CHECK(c.client.publish("link/test", "", qos::at_least_once).status == publish_status::queued_offline);
    for (int i = 0; i != 100; ++i) c.publish(i % 2 == 0 ? qos::at_least_once : qos::exactly_once);
    net.proxy.set_mode(faulty_proxy::mode::pass);
    c.until("acknowledgements", [&] { return c.completed == 100 && c.client.unsettled() == 0; });
    CHECK(c.failed == 0);
    CHECK(c.client.publish("link/test", "", qos::at_least_once).status == publish_status::success);
}

namespace {

/// Its handler sleeps three times the keep alive over the first message: an application that takes its time.
struct sleeper {
    static constexpr auto keep_alive = 5s;

    faulty_proxy proxy;
    client c;
    watched<int> subscribed{}, handled{};
    std::size_t pubacks_before = 1;

    sleeper(std::uint16_t broker, protocol_version version, std::size_t inbound)
        : proxy(broker), c(with_inbound(options(proxy.port(), name(version, inbound), version), inbound)) {
        c.on_subscribe([this](const subscribe_outcome&) { ++subscribed; });
        c.on_message([this](const received_message& m) {
            if (m.payload == "first") {
                std::this_thread::sleep_for(3 * keep_alive);
                pubacks_before = pubacks();
            }
            ++handled;
        });
        REQUIRE_FALSE(c.connect("127.0.0.1", proxy.port(), keep_alive));
        c.loop_start();
        REQUIRE(c.subscribe("slow", qos::at_least_once));
        subscribed.wait_for(1);
    }
    std::size_t pubacks() { return proxy.packets(direction::to_server, packet_type::puback); }

    static std::string name(protocol_version version, std::size_t inbound) {
        return "sleeper-" + std::string(name_of(version)) + "-" + std::to_string(inbound);
    }
    static client_options with_inbound(client_options o, std::size_t inbound) {
        o.max_inbound_messages = inbound;
        return o;
    }
};

} // namespace

TEST_CASE("bad network: a handler that sleeps three times the keep alive loses neither connection nor acknowledgement",
          "[bad_network]") {
    mosquitto_process broker;
    std::list<sleeper> all; // Side by side.
    for (const auto version : {v3, v5})
        for (const std::size_t inbound : {1u, 1024u}) all.emplace_back(broker.port(), version, inbound);
    faulty_proxy straight(broker.port());
    connected_client feeder(straight, options(straight.port(), "feeder", v5));
    for (int i = 0; i != 20; ++i) feeder.client.publish("slow", i == 0 ? "first" : "x", qos::at_least_once);
    feeder.until("PUBACKs", [&] { return feeder.client.unsettled() == 0; });
    for (sleeper& s : all) {
        s.handled.wait_for(20);
        s.proxy.wait_until("its PUBACKs", [&] { return s.pubacks() == 20; });
        INFO(s.proxy.trace());
        CHECK(s.pubacks_before == 0);
        CHECK(s.proxy.accepted().size() == 1); // Never anything but this one connection.
        CHECK(s.proxy.packets(direction::to_server, packet_type::pingreq) >= 2);
    }
}

TEST_CASE("bad network: an echo coroutine with an inbound queue of one does not block itself over 10,000 messages",
          "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    CAPTURE(name_of(version));
    constexpr unsigned count = 10'000;
    network net;
    client_options o = options(net.proxy.port(), "echo", version);
    o.max_inbound_messages = 1;
    connected_client c(net.proxy, o);
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

    faulty_proxy straight(net.broker.port());
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
    c.until("10,000 echoes", [&] { return (heard >= count && echoed == count) || !failure.empty(); });
    CHECK(failure.empty());
    CHECK(echoed == count);
    CHECK(heard == count);
    CHECK(net.proxy.accepted().size() == 1);
}

TEST_CASE("bad network: a client with 1,000 unacknowledged messages is destroyed at once, and every operation completes",
          "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    CAPTURE(name_of(version));
    network net;
    net.proxy.swallow([](const auto& p) { return p.type == packet_type::puback; });
    unsigned completed = 0, shut_down = 0;
    asio::io_context io{1};
    {
        async_client client(io, options(net.proxy.port(), "publisher", version));
        client.async_connect([](std::error_code, connect_result) {});
        for (int i = 0; i != 1'000; ++i)
            client.async_publish(message("link/test", "x", qos::at_least_once), [&](std::error_code e, publish_ack) {
                ++completed;
                if (e == errc::shutting_down) ++shut_down;
            });
        net.proxy.run_until(io, "a PUBACK", [&] { return net.proxy.packets(direction::to_client, packet_type::puback) != 0; });
    }
    const auto start = clock::now();
    if (io.stopped()) io.restart();
    io.run(); // Which ends when nothing is left.
    CHECK(clock::now() - start < 10s); // No time limit of the client's has been waited for.
    CHECK(completed == 1'000);
    CHECK(shut_down == 1'000);
}

TEST_CASE("bad network: a client with 1,000 unacknowledged messages is destroyed at once, inside a callback too",
          "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    const bool inside = GENERATE(false, true);
    CAPTURE(name_of(version), inside);
    network net;
    net.proxy.swallow([](const auto& p) { return p.type == packet_type::puback; });
    auto client = std::make_unique<inflight::client>(options(net.proxy.port(), "publisher", version));
    gate destroyed;
    std::atomic<int> told{0};
    client->on_publish([&](std::uint16_t, std::error_code) { ++told; });
    client->on_message([&](const received_message&) {
        if (!inside) return;
        client.reset();
        destroyed.open();
    });
    REQUIRE_FALSE(client->connect("127.0.0.1", net.proxy.port()));
    client->loop_start();
    for (int i = 0; i != 1'000; ++i) REQUIRE(client->publish("link/test", "x", qos::at_least_once));
    net.proxy.wait_until("a PUBACK", [&] { return net.proxy.packets(direction::to_client, packet_type::puback) != 0; });
    const auto start = clock::now();
    if (inside) {
        client->subscribe("link/self");
        client->publish("link/self", "now");
        destroyed.pass();
    } else client.reset();
    CHECK(clock::now() - start < 10s);
    CHECK(told == 0 + (inside ? 1 : 0)); // The QoS 0 message's own.
    net.proxy.wait_until("the end of the connection", [&] { return net.proxy.open_connections() == 0; });
}

namespace {

/// Asks again and again for a connection that does not last.
struct unlucky {
    faulty_proxy proxy;
    async_client client;

    unlucky(asio::io_context& io, std::uint16_t broker, protocol_version version, bool says_connack)
        : proxy(broker), client(io, impatient(options(proxy.port(), "unlucky", version))) {
        if (says_connack) proxy.cut_behind([](const auto& p) { return p.type == packet_type::connack; });
        else proxy.set_mode(faulty_proxy::mode::drop);
        client.async_connect([](std::error_code, connect_result) {});
        client.publish("link/test", "", qos::at_least_once);
    }
    static client_options impatient(client_options o) {
        o.reconnect_delay = 20ms;
        o.max_reconnect_delay = 320ms;
        return o;
    }
};

} // namespace

TEST_CASE("bad network: a server that drops every connection sees ever longer waits", "[bad_network]") {
    mosquitto_process broker;
    asio::io_context io{1};
    std::list<unlucky> all; // Side by side.
    for (const auto version : {v3, v5})
        for (const bool says_connack : {false, true}) all.emplace_back(io, broker.port(), version, says_connack);
    for (unlucky& one : all) {
        one.proxy.run_until(io, "nine attempts", [&] { return one.proxy.accepted().size() >= 9; });
        const auto at = one.proxy.accepted();
        std::cout << "waits between attempts (s):";
        for (std::size_t i = 1; i != 9; ++i) {
            const double gap = seconds(at[i] - at[i - 1]);
            std::cout << ' ' << gap;
            CAPTURE(i, gap);
            CHECK(gap >= 0.75 * 0.020 * (1 << std::min<std::size_t>(i - 1, 4)));
        }
        std::cout << std::endl;
        CHECK(one.client.unsettled() == 1);
    }
    for (unlucky& one : all) {
        one.proxy.cut_behind({});
        one.proxy.set_mode(faulty_proxy::mode::pass);
    }
    for (unlucky& one : all) one.proxy.run_until(io, "PUBACK", [&] { return one.client.unsettled() == 0; });
}

namespace {

/// A publisher that goes on sending into a link that has become silent.
struct stranded {
    static constexpr auto keep_alive = 2s;

    faulty_proxy proxy;
    async_client client;
    const protocol_version version;
    const qos level;
    const bool much; // To be written: what waits there is no sign of life.
    asio::steady_timer next;
    clock::time_point silent_since{};
    unsigned failed = 0;

    stranded(asio::io_context& io, std::uint16_t broker, protocol_version v, qos q, bool much_)
        : proxy(broker), client(io, brief(options(proxy.port(), name(v, q, much_), v))), version(v), level(q), much(much_), next(io) {
        client.async_connect([](std::error_code, connect_result) {});
        proxy.run_until(io, "CONNACK", [&] { return client.is_connected(); });
    }
    static std::string name(protocol_version v, qos q, bool much) {
        return std::string(name_of(v)) + "-" + std::to_string(int(q)) + (much ? "-much" : "-little");
    }
    static client_options brief(client_options o) {
        o.keep_alive = keep_alive;
        return o;
    }

    void fall_silent() {
        proxy.set_mode(faulty_proxy::mode::black_hole);
        silent_since = clock::now();
        send();
    }
    void send() {
        for (int i = 0; i != (much ? 10 : 1) && client.unsettled() < 200; ++i)
            client.async_publish(message("link/test", std::string(much ? 100'000 : 10, 'x'), level),
                                 [this](std::error_code e, publish_ack) { failed += e ? 1 : 0; });
        next.expires_after(100ms);
        next.async_wait([this](std::error_code e) {
            if (!e) send();
        });
    }
    void recover() {
        next.cancel();
        proxy.set_mode(faulty_proxy::mode::pass);
    }
};

/// How late the timers of an io_context go off: it, or the machine, has others to serve.
class metronome {
public:
    explicit metronome(asio::io_context& io) : timer_(io) { beat(); }
    double worst() const { return worst_; }

private:
    void beat() {
        timer_.expires_after(20ms);
        timer_.async_wait([this](std::error_code error) {
            if (error) return;
            worst_ = std::max(worst_, seconds(clock::now() - timer_.expiry()));
            beat();
        });
    }
    asio::steady_timer timer_;
    double worst_ = 0;
};

} // namespace

TEST_CASE("bad network: a silent link is noticed within one and a half times the keep alive, however much waits to be written",
          "[bad_network]") {
    mosquitto_process broker;
    asio::io_context io{1};
    std::list<stranded> all; // Side by side.
    for (const auto version : {v3, v5})
        for (const auto level : {qos::at_most_once, qos::at_least_once})
            for (const bool much : {false, true}) all.emplace_back(io, broker.port(), version, level, much);
    const metronome lateness(io);
    for (stranded& one : all) one.fall_silent();
    for (stranded& one : all) { // The old link still says nothing, not even that it is closed.
        one.proxy.run_until(io, "another attempt", [&] { return one.proxy.accepted().size() >= 2; });
        const double noticed = seconds(one.proxy.accepted()[1] - one.silent_since);
        std::cout << "silent link, keep alive 2 s, " << name_of(one.version) << ", QoS " << int(one.level) << ", "
                  << (one.much ? "much" : "little") << " to write: noticed after " << noticed << " s, timers late by up to "
                  << lateness.worst() << " s" << std::endl;
        // Three timers, one after the other: that of the ping, that of its answer, that of the next attempt.
        CHECK(noticed < 1.5 * seconds(stranded::keep_alive) + 0.3 + 3 * lateness.worst());
    }
    for (stranded& one : all) one.recover();
    for (stranded& one : all) {
        one.proxy.run_until(io, "acknowledgements", [&] { return one.client.is_connected() && one.client.unsettled() == 0; });
        if (one.level == qos::at_least_once) CHECK(one.failed == 0);
    }
}
