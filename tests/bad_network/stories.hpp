// The stories a user tells of his messages, one after the other against Mosquitto, while connections are cut at random
// bytes.
#pragma once

#include "network_support.hpp"

#include <deque>
#include <iostream>

enum class story : std::uint8_t { ack_lost, worker_offline, worker_dies, released_twice };
inline constexpr std::array<std::string_view, 4> story_names{"acknowledgements lost", "times offline", "deaths", "releases repeated"};

/// Has a message from its arrival until it says publish_release(). Destroyed, it dies without a word.
struct worker {
    struct task {
        std::uint16_t mid;
        std::string payload;
    };
    watched<std::deque<task>> inbox{};
    watched<int> subscribed{};
    client c;

    worker(const faulty_proxy& proxy, protocol_version version, const route& by) : c(by.options(proxy, "worker", version)) {
        c.manual_ack_set(true);
        c.on_subscribe([this](const subscribe_outcome&) { ++subscribed; });
        c.on_message([this](const received_message& m) {
            inbox.change([&](auto& all) { all.push_back({m.mid, m.payload}); });
        });
        c.loop_start();
        REQUIRE_FALSE(c.connect(proxy.address(), 0, 60s, true));
    }

    task next() {
        task first = inbox.wait([](const auto& all) { return !all.empty(); }, "a message").front();
        inbox.change([](auto& all) { all.pop_front(); });
        return first;
    }
};

/// What passed on the way of each message.
class record {
public:
    struct sent {
        packet_id id;
        bool dup;
    };
    void to_publisher(const faulty_proxy::passing& p) {
        const auto* m = p.as<publish>();
        if (m && p.to == direction::to_server) sends.change([&](auto& all) { all[std::string(m->payload)].push_back({m->id, m->dup}); });
    }
    void to_worker(const faulty_proxy::passing& p) {
        repeats(p);
        if (p.to == direction::to_server) return;
        if (const auto* m = p.as<publish>(); m && m->qos == qos::exactly_once) exchanges_[m->id] = m->payload;
        if (const auto* r = p.as<pubrel>()) recorded.change([&](auto& all) { all.insert(exchanges_[r->id]); });
    }

    watched<std::map<std::string, std::vector<sent>>> sends{};
    watched<std::set<std::string>> recorded{}; // QoS 2 messages whose PUBREC the broker has.
    broker_repeats repeats{};

private:
    std::map<packet_id, std::string> exchanges_{};
};

struct stories {
    const unsigned planned_cuts; // Of each connection, for a round or more each.
    const protocol_version version;
    std::mt19937_64 random;
    record seen{}; // Longer than the proxies, which write it.
    mosquitto_process broker{};
    const route by;
    faulty_proxy to_publisher, to_worker;
    client publisher;
    std::optional<worker> w{};
    std::map<std::string, qos> published{};
    std::map<std::string, unsigned> released{};
    std::array<unsigned, 4> told{};

    stories(protocol_version v, std::uint64_t seed, unsigned cuts = 20, const route& r = {})
        : planned_cuts(cuts), version(v), random(seed), by(r), to_publisher(broker.port(), by.entrance()),
          to_worker(broker.port(), by.entrance()), publisher(by.options(to_publisher, "publisher", v)) {
        to_publisher.observe([this](const auto& p) { seen.to_publisher(p); });
        to_worker.observe([this](const auto& p) { seen.to_worker(p); });
        publisher.loop_start();
        REQUIRE_FALSE(publisher.connect(to_publisher.address()));
        w.emplace(to_worker, version, by);
        REQUIRE(w->c.subscribe("story", qos::exactly_once));
        w->subscribed.wait_for(1);
        to_publisher.cut_randomly(seed, planned_cuts, 150 * planned_cuts);
        to_worker.cut_randomly(seed + 1, planned_cuts, 150 * planned_cuts);
    }

    std::string trace() { return "\n--- publisher" + to_publisher.trace() + "--- worker" + to_worker.trace(); }

    std::string publish(qos level) {
        const std::string payload = "message " + std::to_string(published.size());
        published[payload] = level;
        const publish_result r = publisher.publish("story", payload, level);
        REQUIRE(r);
        mid = r.mid;
        return payload;
    }
    void await_acknowledgement() {
        const std::error_code error = publisher.wait_for_publish(mid, patience);
        INFO(error.message());
        CHECK_FALSE(error);
    }

    // Releases what comes, until that message is there.
    worker::task take(const std::string& payload) {
        for (;;) {
            const worker::task t = w->next();
            if (t.payload == payload) return t;
            release(t);
        }
    }
    // False: the connection it came over is gone, and it will come again.
    bool release(const worker::task& t) {
        const std::error_code error = w->c.publish_release(t.mid);
        if (error == errc::stale_delivery || error == errc::unknown_packet_id) return false;
        CHECK_FALSE(error);
        ++released[t.payload];
        if (published[t.payload] == qos::exactly_once)
            seen.recorded.wait([&](const auto& all) { return all.contains(t.payload); }, "PUBREL"); // So that it may die.
        return true;
    }
    void work_off(const std::string& payload) {
        while (!release(take(payload))) {}
    }

    void round() {
        const auto level = (random() & 1) == 0 ? qos::at_least_once : qos::exactly_once;
        const auto which = static_cast<story>(random() % 4);
        ++told[static_cast<std::size_t>(which)];
        switch (which) {
            case story::ack_lost: return lose_acknowledgement(level);
            case story::worker_offline: return go_offline(level);
            case story::worker_dies: return die(level);
            case story::released_twice: return release_twice(level);
        }
    }

    void lose_acknowledgement(qos level) {
        const auto lost = std::make_shared<gate>();
        to_publisher.swallow([lost](const faulty_proxy::passing& p) {
            const bool is_it = p.to == direction::to_client && (p.type == packet_type::puback || p.type == packet_type::pubrec);
            if (!is_it || lost->is_open()) return false;
            lost->open();
            return true;
        });
        const std::string payload = publish(level);
        lost->pass();
        to_publisher.swallow({});
        to_publisher.cut_now();
        await_acknowledgement();
        CHECK(seen.sends.now()[payload].size() >= 2);
        work_off(payload);
    }

    void go_offline(qos level) {
        CHECK_FALSE(w->c.disconnect().error);
        w.reset();
        const std::string payload = publish(level);
        await_acknowledgement();
        w.emplace(to_worker, version, by);
        work_off(payload);
    }

    void die(qos level) {
        const std::string payload = publish(level);
        take(payload);
        w.reset();
        w.emplace(to_worker, version, by);
        work_off(payload);
        await_acknowledgement();
    }

    void release_twice(qos level) {
        const std::string payload = publish(level);
        worker::task t = take(payload);
        while (!release(t)) t = take(payload);
        // (A QoS 1 message whose PUBACK is lost may be here again.)
        if (level == qos::exactly_once) CHECK(w->c.publish_release(t.mid) == errc::unknown_packet_id);
        CHECK(w->c.publish_release(0) == errc::qos_0_acknowledged);
        await_acknowledgement();
    }

    void check() {
        CHECK(publisher.unsettled() == 0);
        CHECK(to_publisher.cuts() >= planned_cuts);
        CHECK(to_worker.cuts() >= planned_cuts);
        for (const auto& [payload, level] : published) {
            CAPTURE(payload, int(level));
            CHECK(released[payload] >= 1);
            if (level == qos::exactly_once) CHECK(released[payload] <= 1 + seen.repeats.of(payload));
        }
        for (const auto& [payload, sends] : seen.sends.now()) {
            CAPTURE(payload);
            for (std::size_t i = 1; i < sends.size(); ++i) {
                CHECK(sends[i].id == sends[0].id);
                CHECK(sends[i].dup);
            }
        }
    }
    void report() {
        std::cout << "stories, " << name_of(version) << ": " << published.size() << " rounds";
        for (std::size_t i = 0; i != told.size(); ++i) std::cout << ", " << told[i] << ' ' << story_names[i];
        std::cout << "; " << to_publisher.cuts() << " + " << to_worker.cuts() << " cuts, " << to_publisher.accepted().size() << " + "
                  << to_worker.accepted().size() << " connections" << std::endl;
    }

private:
    std::uint16_t mid = 0;
};
