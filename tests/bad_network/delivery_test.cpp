// Thousands of messages to a persistent subscriber while connections are cut and the broker is stopped, started and
// killed: nothing is missing, every completion comes once, the order of first arrivals is kept.
#include "network_support.hpp"

#include <atomic>
#include <iostream>
#include <map>
#include <unordered_map>

namespace {

constexpr unsigned topics = 4;

/// One client publishes, another one receives; both live on this thread.
struct pair_of_clients {
    asio::io_context io{1};
    mosquitto_process broker{};
    faulty_proxy to_publisher{broker.port()}, to_subscriber{broker.port()};
    broker_repeats repeats{};
    async_client publisher, subscriber;
    const protocol_version version;
    const qos level;
    const unsigned count;
    const std::size_t window; // Messages without an outcome at a time.

    unsigned published = 0, completed = 0, failed = 0, twice_completed = 0;
    std::vector<unsigned> outcomes, arrivals;
    std::array<std::vector<unsigned>, topics> first_arrivals{};
    unsigned arrived = 0; // Messages that have arrived at least once.
    bool ended = false;   // The last message of all has arrived.
    std::string error{};
    std::atomic<unsigned> complaints{0}, limit_complaints{0};

    pair_of_clients(protocol_version v, qos q, unsigned n, std::size_t at_a_time)
        : publisher(io, options(to_publisher.port(), "publisher", v).keep_session_for(1h)),
          subscriber(io, options(to_subscriber.port(), "subscriber", v).keep_session_for(1h)), version(v), level(q), count(n),
          window(at_a_time), outcomes(n), arrivals(n) {
        to_publisher.observe([this](const auto& p) { note_complaint(p); });
        to_subscriber.observe([this](const auto& p) {
            note_complaint(p);
            repeats(p);
        });
    }
    ~pair_of_clients() {
        to_publisher.observe({});
        to_subscriber.observe({});
    }

    // A DISCONNECT with an error: a client finds fault with the broker. It may where Mosquitto 2.0.11, after a session is
    // resumed, forgets the Receive Maximum.
    void note_complaint(const faulty_proxy::passing& p) {
        const auto* const d = p.as<disconnect>();
        if (!d || !is_refusal(d->reason)) return;
        if (d->reason == reason_code::receive_maximum_exceeded) ++limit_complaints;
        else ++complaints;
    }

    template <class Done>
    void until(std::string_view what, Done&& done, std::chrono::seconds limit = 2 * patience) {
        const auto end = std::chrono::steady_clock::now() + limit;
        while (!done()) {
            if (std::chrono::steady_clock::now() > end) FAIL("not within the time limit: " << what << "\n" << state());
            if (io.stopped()) io.restart();
            io.run_one_for(10ms);
        }
    }

    std::string state() {
        std::string missing;
        for (unsigned i = 0, shown = 0; i != count && shown != 20; ++i)
            if (arrivals[i] == 0 && ++shown) missing += ' ' + std::to_string(i);
        return std::to_string(published) + " published, " + std::to_string(completed) + " completed, " + std::to_string(arrived) +
               " arrived; missing:" + missing + "\n--- publisher" + to_publisher.trace() + "--- subscriber" +
               to_subscriber.trace() + "--- mosquitto\n" + broker.log();
    }

    void start() {
        bool subscribed = false;
        subscriber.async_connect([](std::error_code, connect_result) {});
        subscriber.async_subscribe("bad/#", level, [&](std::error_code e, subscribe_ack) {
            REQUIRE_FALSE(e);
            subscribed = true;
        });
        until("SUBACK", [&] { return subscribed; });
        receive();
        publisher.async_connect([](std::error_code, connect_result) {});
        until("CONNACK", [&] { return publisher.is_connected(); });
    }

    void receive() {
        subscriber.async_receive([this](std::error_code e, received_message m) {
            if (e) return;
            arrive(m);
            receive();
        });
    }

    void arrive(const received_message& m) {
        if (m.payload == "end") {
            ended = true;
            return;
        }
        const auto i = static_cast<unsigned>(std::strtoul(m.payload.c_str(), nullptr, 10));
        if (i >= count || m.topic != topic_of(i)) {
            error = "not ours: " + m.topic + " " + m.payload;
            return;
        }
        if (arrivals[i]++ != 0) return;
        ++arrived;
        first_arrivals[i % topics].push_back(i);
    }

    static std::string topic_of(unsigned i) { return "bad/" + std::to_string(i % topics); }
    static std::string payload_of(unsigned i) { return std::to_string(i) + " is the number of this message"; }

    /// Whether all are published.
    bool publish_more() {
        for (; published != count && published - completed < window; ++published) {
            const unsigned i = published;
            publisher.async_publish(message(topic_of(i), payload_of(i), level), [this, i](std::error_code e, publish_ack) {
                ++completed;
                if (++outcomes[i] != 1) ++twice_completed;
                if (e && failed++ == 0) error = "publish: " + e.message();
            });
        }
        return published == count;
    }

    /// Publishes until `n` messages have completed.
    void publish_until_completed(unsigned n) {
        until("completions", [&] {
            publish_more();
            return completed >= n;
        });
    }

    /// When `n` messages have completed the broker ends, by `end`, and both notice.
    template <class End>
    void lose_broker(unsigned n, End end) {
        publish_until_completed(n);
        (broker.*end)();
        until("the end of both connections", [&] { return !publisher.is_connected() && !subscriber.is_connected(); });
    }

    /// All have arrived, and so has whatever the broker had to say before the last one.
    void finish() {
        until("arrivals", [&] { return arrived == count; });
        bool acked = false;
        publisher.async_publish(message("bad/end", "end", level), [&](std::error_code e, publish_ack) { acked = !e; });
        until("the last message", [&] { return acked && ended; });
    }

    void check_completions() {
        INFO(error);
        CHECK(completed == count);
        CHECK(failed == 0);
        CHECK(twice_completed == 0);
        CHECK(publisher.unsettled() == 0);
        if (complaints != 0) FAIL_CHECK(complaints << " connections ended by a client\n" << state());
    }

    void check_arrivals() {
        INFO(error);
        CHECK(error.empty());
        CHECK(arrived == count);
        for (const auto& order : first_arrivals) CHECK(std::is_sorted(order.begin(), order.end()));
    }

    /// How many messages came more often than the trace says that the broker sent them.
    unsigned unexplained_duplicates() {
        to_subscriber.observe({});
        unsigned out = 0;
        for (unsigned i = 0; i != count; ++i)
            if (arrivals[i] > 1 + repeats.of(payload_of(i)) && ++out <= 5)
                WARN("message " << i << " came " << arrivals[i] << " times, the broker repeated it "
                                << repeats.of(payload_of(i)) << " times");
        return out;
    }
    std::size_t duplicates() const {
        std::size_t out = 0;
        for (const unsigned n : arrivals) out += n > 1 ? n - 1 : 0;
        return out;
    }
    void report(std::string_view what) {
        std::cout << what << ", " << name_of(version) << ", QoS " << int(level) << ": " << completed << " completed, " << arrived
                  << " arrived, " << duplicates() << " duplicates; " << to_publisher.accepted().size() << " + "
                  << to_subscriber.accepted().size() << " connections, " << to_publisher.cuts() << " + " << to_subscriber.cuts()
                  << " cuts, " << limit_complaints << " times too many for the Receive Maximum" << std::endl;
    }
};

} // namespace

TEST_CASE("bad network: connections cut at random bytes lose nothing, double no QoS 2 message and keep the order",
          "[bad_network][v5:MQTT-4.4.0-1][v3:MQTT-4.4.0-1][v5:MQTT-4.6.0-1][v3:MQTT-4.6.0-1]") {
    const auto version = GENERATE(v3, v5);
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    CAPTURE(name_of(version), int(level));
    pair_of_clients d(version, level, 10'000, 2'000);
    d.start();
    // Each message costs more than 50 bytes and each acknowledgement four, so that all cuts come before the end.
    const auto s = seed();
    CAPTURE(s);
    d.to_publisher.cut_randomly(s, 10, 480'000);
    d.to_subscriber.cut_randomly(s + 1, 10, 480'000);
    d.publish_until_completed(10'000);
    d.finish();
    CHECK(d.to_publisher.cuts() == 10);
    CHECK(d.to_subscriber.cuts() == 10);
    d.report("cut");
    d.check_completions();
    d.check_arrivals();
    if (level != qos::exactly_once) return;
    if (d.unexplained_duplicates() != 0) FAIL_CHECK(d.state());
}

TEST_CASE("bad network: a broker that is stopped and started three times loses nothing", "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    CAPTURE(name_of(version), int(level));
    pair_of_clients d(version, level, 10'000, 2'000);
    d.start();
    for (const unsigned at : {2'500u, 5'000u, 7'500u}) {
        d.lose_broker(at, &mosquitto_process::stop);
        const auto status = d.publisher.publish("elsewhere", "", qos::at_least_once).status;
        CHECK(status == publish_status::queued_offline);
        d.broker.start();
    }
    d.publish_until_completed(10'000);
    d.finish();
    d.report("restarted");
    d.check_completions();
    d.check_arrivals();
    if (level == qos::exactly_once) CHECK(d.unexplained_duplicates() == 0);
}

TEST_CASE("bad network: a broker that is killed three times acknowledges every message in the end", "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    CAPTURE(name_of(version), int(level));
    pair_of_clients d(version, level, 10'000, 2'000);
    d.start();
    for (const unsigned at : {2'500u, 5'000u, 7'500u}) {
        d.lose_broker(at, &mosquitto_process::kill);
        d.broker.start();
    }
    d.publish_until_completed(10'000);
    d.until("the subscriber's connection", [&] { return d.subscriber.is_connected(); });
    d.report("killed");
    d.check_completions();
}
