// inflight/session/incoming.hpp - messages from the broker: delivered at PUBLISH, acknowledged when the
// application has them.
//
// Acknowledgements go out in the order in which the messages came in, whatever the order the application
// takes them in; QoS 1 and QoS 2 are separate sequences. What is known of a QoS 2 identifier outlives the
// connection. Standard: MQTT 5.0 sections 3.3.4, 4.3, 4.6; MQTT 3.1.1 sections 4.3, 4.6.
#pragma once

#include <inflight/session/event.hpp>
#include <inflight/session/id_table.hpp>
#include <inflight/session/link.hpp>
#include <inflight/session/numbered_queue.hpp>
#include <inflight/session/statistics.hpp>
#include <inflight/session/store.hpp>

#include <map>

namespace inflight {

template <session_store Store>
class incoming {
public:
    incoming(link& connection, Store& store, const session_options& options)
        : link_(connection), store_(store), options_(options) {
        store_.restore(
            [](const stored_message&) {},
            [this](packet_id id) {
                if (id == packet_id::none) ++damaged_records_;
                else received_.set(id, received{.acknowledged = true, .answered = true});
            });
    }

    struct arrival {
        errc error = errc::none;
        bool deliver = false;
    };

    /// PUBLISH. Sets the topic of `m` if an alias stands for it, and its name if it is to be delivered.
    [[gnu::always_inline]] arrival publish(received_view& m) {
        ++arrived_;
        if (m.qos == qos::at_most_once && m.props.empty()) {
            m.delivery.connection = link_.number;
            return {errc::none, true};
        }
        return publish_with_state(m);
    }

    /// PUBREL is answered whether its identifier is known or not, [v5:MQTT-4.3.3-11] but not before our
    /// PUBREC has gone out: it would give back its unit of the Receive Maximum while the application still
    /// has the message to take.
    errc pubrel(packet_id id) {
        const received* known = received_.find(id);
        if (known && !known->answered) return errc::unexpected_packet;
        static_assert(receiver_flow[2].reply == packet_type::pubcomp &&
                      receiver_flow[3].reply == packet_type::pubcomp);
        const reason_code reason =
            known || !link_.v5() ? reason_code::success : reason_code::packet_identifier_not_found;
        link_.send(pubcomp{.id = id, .reason = reason});
        if (known) forget(id); // [v5:MQTT-4.3.3-12]
        return errc::none;
    }

    /// The application has the message. As a rule it is that of QoS 1 whose turn it is.
    [[gnu::always_inline]] errc acknowledge(const delivery& d) {
        const bool is_next = d.qos == qos::at_least_once && is_current(d) && !order_1_.empty() &&
                             order_1_.begin() == d.sequence && !explained_;
        if (!is_next) return acknowledge(d, reason_code::success);
        link_.send(puback{.id = order_1_.front().id});
        order_1_.pop();
        --open_;
        if (!order_1_.empty() && order_1_.front().acknowledged) [[unlikely]] send_pubacks();
        return errc::none;
    }

    /// The application has the message, or with a Reason Code of 0x80 and above (5.0 only) refuses it. `why`
    /// goes along in 5.0, as far as it fits the broker's Maximum Packet Size.
    [[gnu::noinline]] errc acknowledge(const delivery& d, reason_code reason,
                                       explanation::view_type why = {}) {
        if (reason != reason_code::success || !why.empty())
            if (const errc bad = check(reason, why); bad != errc::none) return bad;
        if (d.qos == qos::at_most_once) return errc::qos_0_acknowledged;
        return d.qos == qos::at_least_once ? acknowledge_qos_1(d, reason, why)
                                           : acknowledge_qos_2(d, reason, why);
    }

    /// The transport is gone, and with it quota, order and aliases; QoS 2 identifiers belong to the session.
    void closed() {
        aliases_.clear(); // [v5:MQTT-3.3.2-7]
        open_ = 0;
        is_limit_waived_ = false;
        order_1_.clear();
        order_2_.clear();
        if (explained_)
            std::erase_if(*explained_, [](const auto& e) { return e.first.first == qos::at_least_once; });
        received_.for_each([](packet_id, received& r) { r.counted = r.queued = false; });
    }

    /// CONNACK. [v5:MQTT-4.3.3-10]
    void connected(bool resumed) {
        if (resumed) return;
        received_.for_each(
            [this](packet_id id, received&) { link_.output.rest_on(store_.forget_received(id)); });
        received_.clear();
        explained_.reset();
    }

    std::size_t unacknowledged() const { return open_; }
    /// QoS 2 identifiers between PUBLISH and PUBREL.
    std::size_t unreleased() const { return received_.size(); }
    std::size_t damaged_records() const { return damaged_records_; }
    incoming_statistics statistics() const {
        return {arrived_ - undelivered_ - suppressed_, duplicates_, suppressed_};
    }

private:
    struct turn { // A place in the order of acknowledgements.
        packet_id id{};
        std::uint64_t sequence =
            0; // QoS 2: of the message, since the identifier may mean another one by then.
        reason_code reason{};
        bool acknowledged = false; // QoS 1. QoS 2: received_ knows.
    };
    using explained_key = std::pair<qos, std::uint64_t>; // The sequence of the message.
    using explanations = std::map<explained_key, std::string>;
    struct received { // A QoS 2 identifier between PUBLISH and PUBREL.
        std::uint64_t sequence = 0;
        reason_code reason{};
        bool acknowledged = false; // By the application.
        bool answered = false;     // PUBREC has gone out, on some connection.
        bool queued = false;       // Has a place in the order: repeats take no second one.
        bool counted = false;      // Takes a unit of our Receive Maximum on this connection.
    };

    // [v5:MQTT-3.3.4-9] But where repeats exceed the limit, it is given up for this connection:
    // Mosquitto 2.0.11 without limits of its own repeats all that it holds at once and then forgets to count.
    // Closed for that, it would do so again on every later connection, and no message would ever get through.
    errc take_unit(bool dup) {
        if (link_.v5() && open_ >= options_.receive_maximum && !is_limit_waived_) {
            if (!dup) return errc::receive_maximum_exceeded;
            is_limit_waived_ = true;
        }
        ++open_;
        return errc::none;
    }

    arrival publish_with_state(received_view& m) {
        const arrival a = take(m);
        if (a.error != errc::none) ++undelivered_;
        else duplicates_ += m.dup;
        return a;
    }

    arrival take(received_view& m) {
        if (const errc bad = resolve_alias(m); bad != errc::none) return {bad};
        m.delivery = {.connection = link_.number, .id = m.id, .qos = m.qos};
        switch (m.qos) {
            case qos::at_most_once: return {errc::none, true};
            case qos::at_least_once: return publish_qos_1(m);
            case qos::exactly_once: return publish_qos_2(m);
        }
        return {errc::bad_enumerator};
    }

    // No table: the same identifier may be a new message. [v5:MQTT-4.3.2-5]
    arrival publish_qos_1(received_view& m) {
        if (const errc bad = take_unit(m.dup); bad != errc::none) return {bad};
        m.delivery.sequence = order_1_.end();
        order_1_.push({.id = m.id});
        return {errc::none, true};
    }

    arrival publish_qos_2(received_view& m) {
        const packet_id id = m.id;
        received* known = received_.find(id);
        const flow_step* step = find_step(receiver_flow, known ? flow::await_pubrel : flow::none,
                                          packet_type::publish, reason_code::success, link_.version);
        if (!known || !known->counted) {
            if (const errc bad = take_unit(m.dup); bad != errc::none) return {bad};
        }
        if (!known) known = &received_.set(id, received{.sequence = ++last_sequence_});
        known->counted = true;
        m.delivery.sequence = known->sequence;
        if (!known->queued) order_2_.push({.id = id, .sequence = known->sequence});
        known->queued = true;
        if (step->then == effect::deliver) return {errc::none, true};
        ++suppressed_;
        send_pubrecs(); // A repeat: answered at once, or when the application has acknowledged the message.
        return {};
    }

    // PUBACK and PUBREC may say the same things.
    errc check(reason_code reason, explanation::view_type why) const {
        if (!link_.v5()) return reason == reason_code::success ? errc::none : errc::not_supported;
        if (!detail::is_allowed(reason, packet_type::puback, link_.version)) return errc::reason_not_allowed;
        return check_properties(why.bytes(), packet_type::puback);
    }

    // [v5:MQTT-4.4.0-1]
    bool is_current(const delivery& d) const {
        return d.connection == link_.number && link_.at != link::phase::closed;
    }

    errc acknowledge_qos_1(const delivery& d, reason_code reason, explanation::view_type why) {
        if (!is_current(d)) return errc::stale_delivery;
        if (!order_1_.has(d.sequence) || order_1_[d.sequence].acknowledged) return errc::unknown_packet_id;
        order_1_[d.sequence].acknowledged = true;
        order_1_[d.sequence].reason = reason;
        if (!why.empty()) explain({qos::at_least_once, d.sequence}, why);
        send_pubacks();
        return errc::none;
    }

    void send_pubacks() { // [v5:MQTT-4.6.0-2]
        for (; !order_1_.empty() && order_1_.front().acknowledged; order_1_.pop()) {
            send(puback{.id = order_1_.front().id, .reason = order_1_.front().reason},
                 {qos::at_least_once, order_1_.begin()});
            --open_;
        }
    }

    void explain(explained_key key, explanation::view_type why) {
        if (!explained_) explained_ = std::make_unique<explanations>();
        (*explained_)[key] = why.bytes();
    }

    // An acknowledgement, with what the application had to say to it.
    template <class Ack>
    void send(Ack p, explained_key key) {
        if (explained_) send_explained(p, key);
        else link_.send(p);
    }
    template <class Ack>
    [[gnu::noinline]] void send_explained(Ack p, explained_key key) {
        const auto found = link_.v5() ? explained_->find(key) : explained_->end();
        if (found == explained_->end()) return link_.send(p);
        p.props = properties_view<Ack::type>(found->second);
        link_.send_explained(p);
        if (key.first == qos::at_least_once) explained_->erase(found); // QoS 2: the broker may ask once more.
    }

    errc acknowledge_qos_2(const delivery& d, reason_code reason, explanation::view_type why) {
        received* known = received_.find(d.id);
        if (!known || known->sequence != d.sequence)
            return d.connection == link_.number ? errc::unknown_packet_id : errc::stale_delivery;
        if (known->acknowledged) return errc::unknown_packet_id;
        known->acknowledged = true;
        known->reason = reason;
        if (!why.empty()) explain({qos::exactly_once, d.sequence}, why);
        if (!is_refusal(reason))
            link_.output.rest_on(store_.keep_received(d.id)); // Before the PUBREC. [v5:MQTT-4.3.3-8]
        send_pubrecs();
        return errc::none;
    }

    void send_pubrecs() { // [v5:MQTT-4.6.0-3]
        for (; !order_2_.empty(); order_2_.pop()) {
            const packet_id id = order_2_.front().id;
            received* known = received_.find(id);
            if (!known || known->sequence != order_2_.front().sequence)
                continue; // Released or refused meanwhile.
            if (!known->acknowledged) return;
            known->answered = true;
            known->queued = false;
            const reason_code reason = known->reason;
            send(pubrec{.id = id, .reason = reason}, {qos::exactly_once, known->sequence});
            if (is_refusal(reason)) forget(id); // [v5:MQTT-4.3.3-9]
        }
    }

    void forget(packet_id id) {
        const received& known = *received_.find(id);
        if (known.counted) --open_;
        if (explained_) explained_->erase({qos::exactly_once, known.sequence});
        received_.erase(id);
        // Before the PUBCOMP, after which the broker may give the identifier to another message: a process
        // that still found it in the store would take that for a repeat.
        link_.output.rest_on(store_.forget_received(id));
    }

    errc resolve_alias(inflight::publish& p) {
        if (!link_.v5() || p.props.empty()) return errc::none;
        const auto alias = p.props.template get<property_id::topic_alias>();
        if (!alias) return errc::none;
        if (*alias == 0 || *alias > options_.topic_alias_maximum)
            return errc::topic_alias_invalid; // [v5:MQTT-3.1.2-26]
        if (aliases_.size() < *alias) aliases_.resize(*alias);
        std::string& known = aliases_[*alias - 1];
        if (!p.topic.empty()) known = p.topic; // [v5:MQTT-3.3.2-10]
        else if (known.empty()) return errc::topic_alias_unknown;
        else p.topic = known;
        return errc::none;
    }

    link& link_;
    Store& store_;
    const session_options& options_;
    detail::numbered_queue<turn> order_1_{}, order_2_{};
    std::unique_ptr<explanations> explained_{}; // Properties of acknowledgements to come, if there were any.
    id_table<received> received_{};
    std::vector<std::string> aliases_{};
    std::size_t open_ = 0; // QoS 1 and 2 messages that take a unit of our Receive Maximum.
    std::uint64_t last_sequence_ = 0;
    std::size_t damaged_records_ = 0;
    std::uint64_t arrived_ = 0, undelivered_ = 0, duplicates_ = 0, suppressed_ = 0; // Of PUBLISH packets.
    bool is_limit_waived_ = false; // The broker does not keep to our Receive Maximum on this connection.
};

} // namespace inflight
