// inflight/testing/outbox.hpp - QoS 1 and 2 messages on their way to one client, from the match to the end of
// the exchange.
//
// They stand in one list, in the order of their arrival. The front of it has been sent on this connection and
// awaits an acknowledgement; what stands behind has not been, and waits for room in the client's Receive
// Maximum. A new connection begins again at the front. So order, resending and the limit are one loop.
// Standard: MQTT 5.0 sections 3.3.4, 4.3, 4.4, 4.6; MQTT 3.1.1 sections 4.3, 4.4, 4.6.
#pragma once

#include <inflight/session/flow.hpp>
#include <inflight/session/packet_id_pool.hpp>
#include <inflight/testing/server_connection.hpp>

namespace inflight::testing {

class outbox {
public:
    explicit outbox(server_counters& counters) : counters_(counters) {}

    std::size_t size() const { return entries_.size(); }
    std::size_t in_flight() const { return ids_.count(); } // On this connection or an earlier one.

    /// A message to send when its turn comes; dropped if as many as `most` wait.
    void add(delivery d, std::size_t most) {
        if (entries_.size() - ids_.count() >= most) {
            ++counters_.messages_dropped;
            return;
        }
        const auto added = entries_.emplace_hint(entries_.end(), ++last_number_, entry{std::move(d)});
        if (next_ == entries_.end()) next_ = added;
    }

    /// A connection begins: everything is to be sent, or sent again. [v5:MQTT-4.4.0-1]
    void restart() {
        next_ = entries_.begin();
        window_ = 0;
        for (auto& [number, e] : entries_) e.is_sent = e.takes_window = false;
    }

    /// Sends what may be sent. [v5:MQTT-3.3.4-9]
    void flush(server_connection& to, time_point now) {
        while (next_ != entries_.end() && to.takes_output()) {
            entry& e = next_->second;
            if (e.at == flow::await_pubcomp) {
                (void)to.send(pubrel{.id = e.id}, now);
            } else if (window_ >= to.receive_maximum() ||
                       (e.id == packet_id::none && ids_.is_exhausted())) {
                return;
            } else if (!send(e, to, now)) {
                next_ = erase(next_);
                continue;
            }
            e.is_sent = true;
            ++next_;
        }
    }

    /// PUBACK, PUBREC or PUBCOMP. An identifier that is not in flight is no error, [v5:MQTT-4.3.3-4] the
    /// wrong packet for one that is, is.
    template <class Ack>
    errc acknowledged(const Ack& p, server_connection& by, time_point now) {
        const auto place = entries_.find(ids_.find(p.id));
        if (place == entries_.end() || !place->second.is_sent) {
            ++counters_.stray_acknowledgements;
            if constexpr (Ack::type == packet_type::pubrec)
                return by.send(pubrel{.id = p.id, .reason = not_found(by)}, now);
            return errc::none;
        }
        entry& e = place->second;
        const flow_step* step = find_step(sender_flow, e.at, Ack::type, p.reason, by.version());
        if (!step || step->then == effect::settle_downgraded) return errc::unexpected_packet;
        e.at = step->to;
        if (step->reply) return by.send(pubrel{.id = p.id}, now);
        if (step->then != effect::settle) return errc::none;
        erase(place);
        flush(by, now);
        return errc::none;
    }

private:
    struct entry {
        delivery what;
        packet_id id{};       // From its first sending on.
        flow at = flow::none; // none: never sent.
        bool is_sent = false; // On this connection.
        bool takes_window = false;
    };
    using entry_map = std::map<std::uint64_t, entry>;

    static reason_code not_found(const server_connection& c) {
        return c.v5() ? reason_code::packet_identifier_not_found : reason_code::success;
    }

    // PUBLISH, for the first time or again. False: nothing was sent, and nothing will be.
    bool send(entry& e, server_connection& to, time_point now) {
        const bool dup = e.at != flow::none; // [v5:MQTT-3.3.1-1]
        if (!dup) {
            if (e.what.message->has_expired(now)) { // [v5:MQTT-3.3.2-5]
                ++counters_.messages_expired;
                return false;
            }
            e.id = ids_.allocate();
            ids_.assign(e.id, next_->first);
            e.at = e.what.qos == qos::at_least_once ? flow::await_puback : flow::await_pubrec;
        }
        if (to.send(e.what, e.id, dup, now) != errc::none) { // [v5:MQTT-3.1.2-24] [v5:MQTT-3.1.2-25]
            ++counters_.messages_too_large;
            return false;
        }
        if (!dup) ++counters_.messages_out;
        e.takes_window = true;
        ++window_;
        return true;
    }

    entry_map::iterator erase(entry_map::iterator place) {
        const entry& e = place->second;
        if (e.id != packet_id::none) ids_.release(e.id);
        if (e.takes_window) --window_;
        return entries_.erase(place);
    }

    server_counters& counters_;
    entry_map entries_{};
    entry_map::iterator next_ = entries_.end(); // The first not sent on this connection.
    std::uint64_t last_number_ = 0;
    packet_id_pool<std::uint64_t> ids_{}; // With the numbers of their entries, which begin with 1.
    std::size_t window_ = 0; // Units of the client's Receive Maximum in use.
};

} // namespace inflight::testing
