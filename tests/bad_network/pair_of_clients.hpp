// Two clients, one that publishes and one that receives, thousands of messages, and proxies that spoil the way of each.
#pragma once

#include "network_support.hpp"

#include <atomic>
#include <iostream>
#include <map>

/// One client publishes, another one receives; both live on this thread.
struct pair_of_clients {
    static constexpr unsigned topics = 4;

    asio::io_context io{1};
    mosquitto_process broker{};
    faulty_proxy to_publisher, to_subscriber;
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

    pair_of_clients(protocol_version v, qos q, unsigned n, std::size_t at_a_time, const route& by = {})
        : to_publisher(broker.port(), by.entrance()), to_subscriber(broker.port(), by.entrance()),
          publisher(io, by.options(to_publisher, "publisher", v)), subscriber(io, by.options(to_subscriber, "subscriber", v)), version(v),
          level(q), count(n), window(at_a_time), outcomes(n), arrivals(n) {
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
