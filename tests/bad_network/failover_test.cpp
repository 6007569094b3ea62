// Two brokers that know nothing of each other, killed by turns under load: each message that was accepted is acknowledged
// by one of them, once, and changing takes no longer than the settings below promise.
#include "network_support.hpp"

#include <asio/steady_timer.hpp>

#include <thread>

namespace {

using clock = std::chrono::steady_clock;

constexpr unsigned rate = 5'000; // Messages a second.
constexpr unsigned changes = 5;
constexpr auto longest_change = 3s; // From the death of one broker to the CONNACK of the other.

/// A broker that is killed refuses new connections at once; these settings would also do where it is silent.
client_options settings(const mosquitto_process& first, const mosquitto_process& second) {
    client_options o = options(first.port(), "publisher", v5);
    o.brokers = {{"127.0.0.1", first.port()}, {"127.0.0.1", second.port()}};
    o.connect_timeout = 1s;
    o.reconnect_delay = 100ms;
    o.max_reconnect_delay = 500ms;
    o.stable_after = 500ms;
    return o;
}

/// Which broker has accepted the client last, and when. Events are told on another thread than the test's, maybe.
struct acceptances {
    watched<std::vector<connection_event>> all{};

    std::function<void(const connection_event&)> hook() {
        return [this](const connection_event& e) {
            if (e.step == connection_step::accepted) all.change([&](auto& list) { list.push_back(e); });
        };
    }
    std::size_t count() const { return all.now().size(); }
    /// Kills the broker that has the client, and checks the change that follows; then it is there again.
    template <class Run>
    void change(std::size_t nth, mosquitto_process& a, mosquitto_process& b, Run&& run_until) const {
        mosquitto_process& dying = all.now().back().where.port == a.port() ? a : b;
        dying.kill();
        const auto killed = clock::now();
        run_until([&] { return count() > nth; });
        const auto list = all.now();
        REQUIRE(list.size() == nth + 1); // Every change is one: none was undone.
        CHECK(list[nth].where != list[nth - 1].where);
        CHECK(list[nth].time - killed < longest_change);
        std::cout << "change " << nth << ": " << seconds(list[nth].time - killed) << " s" << std::endl;
        dying.start();
    }
};

} // namespace

TEST_CASE("failover: of two brokers killed by turns under load one acknowledges each message, once", "[bad_network]") {
    mosquitto_process a, b;
    asio::io_context io{1};
    acceptances accepted;
    client_options o = settings(a, b);
    o.on_connection_event = accepted.hook();
    async_client client(io, o);
    client.async_connect([](std::error_code, connect_result) {});

    std::vector<unsigned char> outcomes;
    std::size_t completed = 0, failed = 0, twice = 0;
    std::error_code error;
    const auto publish = [&] {
        const std::size_t i = outcomes.size();
        outcomes.push_back(0);
        client.async_publish("failover/load", std::to_string(i), qos::at_least_once, [&, i](std::error_code e, publish_ack) {
            ++completed;
            if (++outcomes[i] != 1) ++twice;
            if (e && failed++ == 0) error = e;
        });
    };
    const auto begin = clock::now();
    asio::steady_timer timer(io);
    const auto run_until = [&](auto&& done) { // Under load, however late this thread comes.
        const auto limit = clock::now() + patience;
        while (!done() && clock::now() < limit) {
            const auto due = static_cast<std::size_t>(seconds(clock::now() - begin) * rate);
            while (outcomes.size() < due) publish();
            timer.expires_after(1ms);
            timer.async_wait([](std::error_code) {});
            io.run_one();
            io.poll();
        }
        REQUIRE(done());
    };

    run_until([&] { return accepted.count() == 1; });
    for (unsigned nth = 1; nth <= changes; ++nth) {
        const auto steady = clock::now() + 700ms; // Longer than stable_after.
        const std::size_t before = completed;
        run_until([&] { return clock::now() >= steady && completed > before; });
        accepted.change(nth, a, b, run_until);
    }
    REQUIRE(outcomes.size() >= changes * 700 * rate / 1000);
    std::optional<std::size_t> left;
    client.async_disconnect([&](std::error_code, std::size_t n) { left = n; });
    const auto limit = clock::now() + patience;
    while (!left && clock::now() < limit) io.run_one_for(10ms);
    CHECK(left == 0u);
    io.poll();
    INFO(error.message());
    CHECK(failed == 0);
    CHECK(twice == 0);
    CHECK(completed == outcomes.size());
    const client_statistics s = client.statistics();
    CHECK(s.connections == changes + 1);
    CHECK(s.messages_sent == outcomes.size());
    CHECK(s.abandoned + s.dropped + s.refused + s.rejected == 0);
    std::cout << outcomes.size() << " messages, " << s.messages_resent << " of them sent again" << std::endl;
}

TEST_CASE("failover: the paho-shaped client changes its broker as well, and disconnect() leaves nothing over", "[bad_network]") {
    mosquitto_process a, b;
    acceptances accepted;
    client_options o = settings(a, b);
    o.on_connection_event = accepted.hook();
    client c(o);
    watched<std::pair<unsigned, unsigned>> outcomes; // All, and those that failed.
    c.on_publish([&](std::uint16_t, std::error_code e) {
        outcomes.change([&](auto& n) {
            ++n.first;
            n.second += e ? 1 : 0;
        });
    });
    c.loop_start();
    REQUIRE_FALSE(c.connect({{"127.0.0.1", a.port()}, {"127.0.0.1", b.port()}}));
    unsigned published = 0;
    const auto run_until = [&](auto&& done) {
        for (const auto limit = clock::now() + patience; !done() && clock::now() < limit; std::this_thread::sleep_for(1ms))
            for (unsigned i = 0; i != rate / 1000; ++i) published += c.publish("failover/load", "x", qos::at_least_once) ? 1 : 0;
        REQUIRE(done());
    };
    for (unsigned nth = 1; nth <= 2; ++nth) {
        const auto steady = clock::now() + 700ms;
        run_until([&] { return clock::now() >= steady; });
        accepted.change(nth, a, b, run_until);
    }
    const auto end = c.disconnect(patience);
    CHECK_FALSE(end.error);
    CHECK(end.unacknowledged == 0);
    CHECK(outcomes.now() == std::pair{published, 0u});
}
