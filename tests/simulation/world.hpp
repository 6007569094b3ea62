// A world made from a seed: a client and a server on virtual time, an application, a network, and fate. It runs for a
// while; then nothing goes wrong any more, it comes to rest, and everything that was promised must have come true.
#pragma once

#include "fate.hpp"

namespace simulation {

class world {
public:
    /// `make_layers` makes those of one connection; empty: there are none.
    world(std::uint64_t seed, std::ostream* out, std::function<layers()> make_layers)
        : dice_(seed), trace_(time_, out), profile_(draw_profile(dice_)), make_layers_(std::move(make_layers)),
          goes_round_(seed % 100 == 7) {
        trace_("world", "seed ", seed, ": ", describe(profile_));
        client_.dial = [this] { return dial(); };
    }
    world(const world&) = delete;

    void run() {
        if (profile_.has_history) write_history();
        application_.start();
        application_acts();
        server_publishes();
        fate_turns();
        if (goes_round_) time_.after(life_ / 2, [this] { application_.go_round(); });
        run_until(schedule::beginning + life_);
        settle();
        check_end();
    }

    std::size_t messages() const { return ledger_.up.size() + ledger_.down.size() - 2; }

private:
    std::shared_ptr<transport> dial() {
        auto t = std::make_shared<transport>(time_, dice_, is_calm_ ? 0ms : profile_.latency, make_layers_ ? make_layers_() : layers{});
        const auto limits = is_calm_ ? server_side::unlimited() : fate_.next_limits(client_.version());
        server_.accept(t, client_.version(), limits);
        t->start();
        return t;
    }

    // ---- Time

    void run_until(time_point end) {
        while (step(end)) {}
        time_.advance(end);
    }

    /// The next thing that happens not after `end`. Nobody may keep others from ever getting their turn.
    bool step(time_point end) {
        const auto client_due = client_.deadline(), server_due = server_.deadline(), due = time_.next();
        const time_point never = time_point::max();
        const time_point next = std::min({client_due.value_or(never), server_due.value_or(never), due.value_or(never)});
        if (next > end) return false;
        check_progress(next);
        if (due && *due == next) {
            time_.run_next();
        } else {
            time_.advance(next);
            if (client_due && *client_due == next) client_.deadline_reached();
            else server_.deadline_reached();
        }
        check_bounds();
        return true;
    }

    void check_progress(time_point next) {
        if (next > time_.now()) steps_here_ = 0;
        require(++steps_here_ < 100'000, "time does not move on");
    }

    // What is held has its limits at all times.
    void check_bounds() {
        const auto& s = client_.session();
        require(s.unacknowledged() <= profile_.options.receive_maximum || s.version() == inflight::protocol_version::v3_1_1,
                "more messages to acknowledge than our Receive Maximum");
        constexpr std::size_t answers = 256 * 1024; // To what the server has sent: bounded by its window.
        require(s.output_pending() <= inflight::outgoing<disk_store>::output_high_water + answers + profile_.largest_payload,
                "too much output");
    }

    // ---- What happens by itself

    void application_acts() {
        time_.after(dice_.between(10ms, 600ms), [this] {
            if (is_calm_) return;
            application_.act();
            application_acts();
        });
    }

    void server_publishes() {
        time_.after(dice_.between(50ms, 1'500ms), [this] {
            if (is_calm_) return;
            for (std::size_t n = dice_.between(1, 3); n != 0; --n) publish_down(dice_.below(2), dice_.chance(80));
            server_publishes();
        });
    }

    void publish_down(std::size_t group, bool is_small) {
        downward m;
        const std::size_t number = ledger_.down.size();
        m.qos = static_cast<qos>(dice_.below(3));
        m.topic = topic_of("down", static_cast<char>('a' + group), m.qos);
        const std::string payload = payload_of(number, is_small ? 8 : dice_.between(0, profile_.largest_payload));
        m.size = payload.size();
        // A larger one is not for this client.
        const auto granted = server_.granted(application::filters[group]);
        m.owed = granted && std::min(*granted, m.qos) != qos::at_most_once &&
                 !(ledger_.is_split() && m.qos == qos::exactly_once) &&
                 m.size + m.topic.size() + 20 < profile_.options.maximum_packet_size;
        trace_("server", "publishes ", m.topic, " ", number, " (", m.size, " bytes)", m.owed ? "" : ", not owed");
        const inflight::message content(m.topic, payload, m.qos);
        ledger_.down.push_back(std::move(m));
        server_.publish(content);
    }

    void fate_turns() {
        time_.after(dice_.between(100ms, 3'000ms), [this] {
            if (is_calm_) return;
            fate_.turn();
            if (dice_.chance(profile_.crashes)) crash();
            fate_turns();
        });
    }

    void crash() {
        if (dice_.chance(25)) application_.shut_down();
        else trace_("application", "crashes");
        if (const auto t = client_.current(); t && dice_.chance(50)) t->cut();
        const std::size_t lucky = dice_.below(disk_.uncommitted() + 1);
        client_.end_process();
        disk_.crash(lucky);
        application_.process_ended();
        rules_.process_ended(disk_);
        ledger_.process_ended(disk_);
        trace_("disk", disk_.committed_messages().size(), " messages and ", disk_.committed_received().size(),
               " identifiers are left");
        application_.start();
    }

    // An earlier process has left messages, with identifiers on both sides of where ours begin.
    void write_history() {
        const auto version = profile_.version;
        std::uint64_t sequence = 0;
        const std::size_t sent_count = dice_.below(6);
        for (const unsigned id : {2u, 3u, 65'533u, 5u, 65'530u}) {
            upward m;
            m.qos = dice_.chance(50) ? qos::at_least_once : qos::exactly_once;
            m.topic = topic_of("up", 'a', m.qos);
            m.id = packet_id{static_cast<std::uint16_t>(id)};
            m.awaited = false;
            m.was_sent = sequence < sent_count;
            const std::string payload = payload_of(ledger_.up.size(), 8);
            m.size = payload.size();
            m.packet_size = 40;
            std::string bytes;
            const inflight::publish p{.qos = m.qos, .topic = m.topic, .id = m.id, .payload = payload};
            (void)inflight::encode(p, version, bytes);
            using inflight::flow;
            const flow sent = m.qos == qos::at_least_once ? flow::await_puback : flow::await_pubrec;
            disk_.keep({++sequence, m.id, m.qos, m.was_sent ? sent : flow::none, version, bytes});
            ledger_.accepted(std::move(m));
        }
        disk_.commit(disk_.last_ticket());
    }

    // ---- The end

    void settle() {
        trace_("world", "is calm from now on");
        is_calm_ = true;
        server_.faults().clear();
        come_to_rest();
        for (std::size_t group = 0; group != application::filters.size(); ++group) {
            // Or it cannot know: a session that looks unsure is given all its subscriptions anew, if that is wished.
            const bool is_known = !ledger_.is_split() || (profile_.options.resubscribe && !ledger_.had_late_connect());
            require(!application_.wants(group) || !is_known || server_.granted(application::filters[group]),
                    "the client is still subscribed to ", application::filters[group]);
            publish_down(group, true);
        }
        run_until(time_.now() + 60s); // Longer than the network may still be stalled.
        come_to_rest();
    }

    void come_to_rest() {
        const time_point limit = time_.now() + 3'000s;
        do {
            application_.come_to_rest();
            run_until(time_.now() + 1s);
        } while (time_.now() < limit && !is_at_rest());
        require(is_at_rest(), "the world does not come to rest: ", unrest());
    }

    bool is_at_rest() { return unrest().empty(); }

    /// What is still going on.
    std::string unrest() {
        auto& s = client_.session();
        if (!s.is_connected()) return "not connected";
        if (s.unsettled() != 0) return std::to_string(s.unsettled()) + " messages have no outcome";
        if (s.open_requests() != 0) return std::to_string(s.open_requests()) + " requests have no answer";
        if (s.unacknowledged() != 0) return std::to_string(s.unacknowledged()) + " messages are not acknowledged";
        if (application_.unacknowledged() != 0) return "the application has messages to acknowledge";
        const std::size_t missing = ledger_.first_missing();
        return missing == 0 ? "" : "the application waits for message " + std::to_string(missing);
    }

    void check_end() {
        ledger_.check_rest();
        require(!application_.has_open_requests(), "a request has no answer");
        disk_.commit(disk_.last_ticket());
        require(disk_.committed_messages().empty(), disk_.committed_messages().size(), " messages are left in the store");
        require(disk_.committed_received().empty() || ledger_.is_split(), disk_.committed_received().size(),
                " identifiers are left in the store");
        if (goes_round_) check_identifiers_are_free();
    }

    // Each can be used once more.
    void check_identifiers_are_free() {
        client_.want_no_connection();
        auto& s = client_.session();
        s.transport_closed();
        s.set_max_queued_messages(0);
        if (s.options().max_queued_bytes < 1u << 20) return;
        const inflight::publish p{.qos = qos::at_least_once, .topic = "t"};
        for (int i = 0; i != 65'535; ++i)
            require(bool(s.publish(p, 0, client_.version(), time_.now())), "an identifier is lost");
    }

    static constexpr duration life_ = 60s;

    schedule time_{};
    dice dice_;
    trace trace_;
    profile profile_;
    std::function<layers()> make_layers_;
    ledger ledger_{profile_.options};
    disk disk_{profile_.store};
    wire_rules rules_{ledger_, disk_, time_, profile_, trace_};
    client client_{time_, dice_, profile_, disk_, rules_, trace_};
    server_side server_{time_, ledger_, profile_, trace_};
    application application_{time_, dice_, profile_, ledger_, disk_, rules_, client_, trace_};
    fate fate_{dice_, profile_, client_, server_, trace_};
    bool goes_round_, is_calm_ = false;
    std::size_t steps_here_ = 0;
};

} // namespace simulation
