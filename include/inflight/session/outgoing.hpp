// inflight/session/outgoing.hpp - messages on their way to the broker: from publish() to their outcome.
//
// A message waits, is in flight (QoS 1, 2) or being written (QoS 0), and is settled. With every new
// connection what was in flight waits again, before everything else and in its old order, so that there is
// one place that sends. While a message waits for the first time it may expire, and may be dropped to make
// room for a newer one; once sent, its exchange is brought to its end.
// Standard: MQTT 5.0 sections 4.3, 4.4, 4.6, 4.9; MQTT 3.1.1 sections 4.3, 4.4, 4.6.
#pragma once

#include <inflight/codec/decode.hpp>
#include <inflight/session/ack_timer.hpp>
#include <inflight/session/event.hpp>
#include <inflight/session/id_table.hpp>
#include <inflight/session/link.hpp>
#include <inflight/session/message_counter.hpp>
#include <inflight/session/store.hpp>
#include <inflight/session/topic_aliases.hpp>
#include <inflight/session/wrong_use.hpp>

#include <map>

namespace inflight {

template <session_store Store>
class outgoing {
public:
    /// Above this many bytes not yet written, messages wait instead of being added to the output.
    static constexpr std::size_t output_high_water = 1024 * 1024;

    outgoing(link& connection, packet_ids& ids, Store& store, const session_options& options)
        : link_(connection), ids_(ids), store_(store), options_(options) {
        store_.restore([this](const stored_message& m) { restore(m); }, [](packet_id) {});
        restore_order();
    }

    /// `p` becomes what is sent.
    publish_result publish(inflight::publish& p, operation tag, protocol_version preferred, time_point now) {
        if (stopped_) return {publish_status::shutting_down, 0};
        const bool online = link_.is_connected();
        const protocol_version version = online ? link_.version : preferred;
        p.dup = false;
        p.id = p.qos == qos::at_most_once ? packet_id::none : packet_id{1}; // To measure with.
        if (!p.props.empty() && (p.props.has(property_id::topic_alias) ||
                                 p.props.has(property_id::subscription_identifier))) // [v5:MQTT-3.3.4-6]
            return detail::refuse(p, errc::property_not_allowed);
        result<measure> size =
            measure_packet(p, version, online ? link_.limits.maximum_packet_size : wire::packet_max);
        if (!size) return detail::refuse(p, size.error());
        if (online)
            if (const errc bad = refusal(p.qos, p.retain); bad != errc::none) return detail::refuse(p, bad);

        const bool at_once = may_send(p.qos) && first_waiting(p.qos) == nil;
        const bool is_kept = !at_once || p.qos != qos::at_most_once;
        if (is_kept)
            if (const auto full = make_room(size->total, !at_once); full != publish_status::success)
                return {full, 0};

        const bool is_taken = p.qos != qos::at_most_once || tag != 0; // Else the identifier is a mere number.
        const packet_id id = p.qos != qos::at_most_once ? take_id()
                             : is_taken                 ? ids_.allocate()
                                                        : ids_.track();
        if (p.qos != qos::at_most_once && id == packet_id::none)
            return {publish_status::packet_ids_exhausted, 0};
        const publish_result accepted{online ? publish_status::success : publish_status::queued_offline,
                                      number(id)};
        if (p.qos != qos::at_most_once) p.id = id;

        if (!is_kept) {
            if (alias_limit_ != 0) shorten(p, *size);
            link_.output.add(p, version, *size);
            counter_.sent();
            if (tag != 0) {
                const slot s = add(stage::writing, id, p.qos);
                s->tag = tag;
                s->written_at = link_.output.end_position();
            }
            return accepted;
        }
        const slot s =
            add(at_once ? stage::in_flight : stage::waiting, is_taken ? id : packet_id::none, p.qos);
        queue_.encode(s, p, version, *size);
        s->tag = tag;
        if (at_once) {
            if (alias_limit_ == 0 || !put_shortened(*s, p, *size)) put_bytes(*s, false);
            sent(s, now);
            return accepted;
        }
        keep(s);
        if (const auto expiry = p.props.template get<property_id::message_expiry_interval>())
            begin_expiry(s, now + std::chrono::seconds(*expiry));
        return accepted;
    }

    /// Nobody waits for the outcome of this message any more; the message itself goes its way.
    /// [v5:MQTT-4.1.0-1] False when its outcome is there already.
    bool detach(operation tag, packet_id id) {
        const slot s = ids_.find(id);
        if (s == nil || s->tag != tag) return false;
        s->tag = 0;
        return true;
    }

    /// No publish() is accepted from now on.
    void stop() { stopped_ = true; }

    /// PUBACK, PUBREC or PUBCOMP, and the properties that came with it. Of those whose identifier names
    /// nothing, only a PUBREC is answered.
    template <packet_type Type>
    [[gnu::always_inline]] errc acknowledged(packet_id id, reason_code reason, std::string_view why,
                                             time_point now) {
        const slot s = ids_.find(id);
        if (s == nil || s->state == flow::none) { // Unknown, or new to this session of the broker's.
            if constexpr (Type == packet_type::pubrec)
                reply_pubrel(id, reason_code::packet_identifier_not_found); // [v5:MQTT-2.2.1-5]
            return errc::none;
        }
        outgoing_record& r = *s;
        const flow_step* step = find_step(sender_flow, r.state, Type, reason, link_.version);
        if (!step) return errc::unexpected_packet;
        // PUBCOMP "packet identifier not found" is no error: the broker had ended the exchange before.
        // [v5:U5-29]
        if constexpr (Type == packet_type::pubcomp) reason = r.reason;
        counter_.answered(r.sequence, now);
        if (step->then == effect::settle || step->then == effect::settle_downgraded)
            settle_inline(s, step->then == effect::settle ? errc::none : errc::downgraded_qos, reason);
        if constexpr (Type == packet_type::pubrec) r.reason = reason;
        if (!why.empty() || explained_) explain(s, step->to, id, why);
        if (step->to != flow::none && step->to != r.state) {
            r.state = step->to;
            count(r); // Unless it was: an acknowledgement may find it waiting to be sent again.
            queue_.move_last(s, stage::in_flight); // So PUBRELs resent keep their order. [v5:MQTT-4.6.0-4]
            keep(s);
        }
        if (step->reply) reply_pubrel(id, reason_code::success);
        has_acknowledged_ = true;
        return errc::none;
    }

    /// All that were there: others may be sent now, and the oldest may be another one.
    void acknowledgements_taken(time_point now) {
        if (!std::exchange(has_acknowledged_, false)) return;
        send_waiting(now);
        watch_oldest(now);
    }

    /// CONNACK: what was in flight is sent again. `resumed`: the broker has kept the session.
    /// [v5:MQTT-4.4.0-1]
    void connected(bool resumed, time_point now) {
        used_ = 0; // [v5:U5-27]
        window_ = window();
        alias_limit_ = std::min(link_.limits.topic_alias_maximum, options_.outgoing_topic_aliases);
        if (resumed) {
            resend_pubrels();
        } else {
            for (const packet_id id : std::exchange(abandoned_, {})) ids_.release(id);
        }
        for (const slot s : queue_.sorted({stage::waiting_again, stage::in_flight})) {
            outgoing_record& r = *s;
            if (resumed && r.state == flow::await_pubcomp) continue;
            r.counted = false;
            if (!resumed && options_.on_lost_session == lost_session_policy::fail) {
                settle(s, errc::session_lost, {});
                continue;
            }
            // A new session gets it as a new message, be it this one or, since it waits, the next.
            r.dup = resumed && r.state != flow::none; // [v5:MQTT-3.3.1-1]
            if (!resumed) {
                r.state = flow::none;
                keep(s);
            }
            queue_.move_last(s, stage::waiting_again);
        }
        send_waiting(now);
        timer_.stop(); // It starts anew.
        watch_oldest(now);
    }

    /// The transport is gone. To be called before the output is cleared.
    void closed() {
        counter_.connection_lost();
        settle_written();
        while (!queue_.of(stage::writing).empty())
            settle(queue_.of(stage::writing).first, errc::connection_lost, {});
        for (slot s = queue_.of(stage::in_flight).first; s != nil; s = s->next) s->written_at = 0;
        alias_limit_ = 0;
        aliases_.reset(); // [v5:MQTT-3.3.2-7]
    }

    /// Some output has been written: QoS 0 messages are done with that, and there may be room for others.
    void written(time_point now) {
        settle_written();
        send_waiting(now);
        watch_oldest(now);
    }

    void send_waiting(time_point now) {
        while (link_.is_connected()) {
            const slot zero = may_send(qos::at_most_once) ? first_waiting(qos::at_most_once) : nil;
            const slot other = may_send(qos::at_least_once) ? first_waiting(qos::at_least_once) : nil;
            const slot next = older(zero, other);
            if (next == nil) return;
            send(next, now);
        }
    }

    /// Messages whose time has passed while they waited are settled. Also without a connection.
    void expire(time_point now) {
        while (!expiring_.empty() && expiring_.begin()->first.first <= now)
            settle(expiring_.begin()->second, errc::message_expired, {});
    }
    std::optional<time_point> next_expiry() const {
        if (expiring_.empty()) return std::nullopt;
        return expiring_.begin()->first.first;
    }

    /// Every message that has no outcome gets this one. A store keeps them for another session. `kept`: the
    /// broker keeps this one.
    void abandon(errc error, bool kept) {
        settle_written();
        using enum stage;
        for (const slot s : queue_.sorted({in_flight, writing, waiting_again, waiting}))
            settle(s, error, {}, kept ? left_open : left_to_store);
        timer_.stop();
    }

    bool has_settled() const { return !queue_.of(stage::settled).empty(); }
    std::optional<event::published> next_settled() {
        const slot s = queue_.of(stage::settled).first;
        if (s == nil) return std::nullopt;
        const outgoing_record& r = *s;
        event::published out{r.tag, r.id, r.qos, r.error, r.reason};
        if (!r.bytes.empty()) {
            told_ = queue_.take_bytes(s);
            out.why = explanation::view_type(told_.view());
        }
        queue_.release(s);
        return out;
    }

    std::optional<time_point> deadline() const {
        return link_.is_connected() ? timer_.due() : std::nullopt;
    }

    /// 3.1.1 sends the message again on the live connection; 5.0 forbids that, and asks for a new connection.
    errc deadline_reached(time_point now) {
        if (!deadline() || !timer_.has_expired(link_.output.written_position(), now)) return errc::none;
        if (link_.v5()) return errc::ack_timeout;
        outgoing_record& r = *queue_.of(stage::in_flight).first;
        if (r.state == flow::await_pubcomp) reply_pubrel(r.id, reason_code::success);
        else {
            put_bytes(r, true);
            counter_.repeated(r.sequence);
        }
        timer_.sent(link_.output.end_position());
        return errc::none;
    }

    void shift_deadline(std::chrono::nanoseconds by) { timer_.shift(by); }

    /// A burst is over: gives back the memory it took.
    void trim() {
        queue_.trim();
        ids_.trim();
    }

    void limits_changed(time_point now) {
        window_ = window();
        send_waiting(now);
        watch_oldest(now);
    }

    std::size_t unsettled() const { return queue_.unsettled(); }
    std::size_t damaged_records() const { return damaged_records_; }
    std::size_t waiting() const { return queue_.waiting(); }
    std::size_t in_flight() const { return queue_.in_flight(); }
    std::size_t bytes() const { return queue_.bytes(); }
    outgoing_statistics statistics() const {
        outgoing_statistics out = counter_.statistics();
        out.waiting = waiting();
        out.in_flight = in_flight();
        out.bytes = bytes();
        return out;
    }
    /// Or has an outcome that has not been told.
    bool is_outstanding(packet_id id) const {
        if (ids_.find(id) != nil) return true;
        for (slot s = queue_.of(stage::settled).first; s != nil; s = s->next)
            if (s->id == id) return true;
        return false;
    }

private:
    using slot = resend_queue::slot;
    static constexpr slot nil = resend_queue::nil;
    // How a message is settled: its exchange has come to its end, or cannot go on in this session; or another
    // process may take it up from the store, while this one goes on in the same session, or in another one.
    enum ending : std::uint8_t { complete, given_up, left_open, left_to_store };

    errc refusal(qos level, bool retain) const {
        if (level > link_.limits.maximum_qos) return errc::qos_not_supported;            // [v5:MQTT-3.2.2-11]
        if (retain && !link_.limits.retain_available) return errc::retain_not_supported; // [v5:MQTT-3.2.2-14]
        return errc::none;
    }

    // Room for a message of this size, if need be at the cost of others.
    publish_status make_room(std::size_t size, bool waits) {
        const std::size_t most = options_.max_queued_messages == 0 ? 65'535 : options_.max_queued_messages;
        const std::size_t most_bytes =
            options_.max_queued_bytes == 0 ? ~std::size_t{0} : options_.max_queued_bytes;
        if (size > most_bytes) return publish_status::packet_too_large;
        const auto fits = [&](std::size_t count, std::size_t bytes) {
            return (!waits || queue_.never_sent() - count < most) &&
                   queue_.bytes() - bytes <= most_bytes - size;
        };
        if (fits(0, 0)) return publish_status::success;
        // What may be dropped, from the oldest on, until it is enough: nothing is, if all of it would not do.
        slot zero = first_droppable(qos::at_most_once), other = first_droppable(qos::at_least_once);
        std::size_t count = 0, bytes = 0;
        while (!fits(count, bytes)) {
            const slot oldest = older(zero, other);
            if (oldest == nil) return publish_status::queue_full;
            ++count;
            bytes += oldest->bytes.size();
            (oldest == zero ? zero : other) = oldest->next;
        }
        for (; count != 0; --count)
            settle(older(first_droppable(qos::at_most_once), first_droppable(qos::at_least_once)),
                   errc::message_dropped, {});
        return publish_status::success;
    }

    bool may_drop(qos level) const {
        return options_.on_full_queue == queue_policy::drop_oldest ||
               (options_.on_full_queue == queue_policy::drop_oldest_qos_0 && level == qos::at_most_once);
    }
    slot first_droppable(qos level) {
        return may_drop(level) ? queue_.of(stage::waiting, level).first : nil;
    }

    [[gnu::always_inline]] slot add(stage at, packet_id id, qos level) {
        const slot s = queue_.add(at, id, level);
        if (id != packet_id::none) ids_.assign(id, s);
        return s;
    }

    // Identifiers are a limit of the queue as well. Of QoS 0, messages with a tag hold one.
    [[gnu::always_inline]] packet_id take_id() {
        if (ids_.is_exhausted()) {
            slot zero = first_droppable(qos::at_most_once);
            while (zero != nil && zero->id == packet_id::none) zero = zero->next;
            const slot oldest = older(zero, first_droppable(qos::at_least_once));
            if (oldest != nil) settle(oldest, errc::message_dropped, {});
        }
        return ids_.allocate();
    }

    slot first_waiting(qos level) {
        const slot again = level == qos::at_most_once ? nil : queue_.of(stage::waiting_again).first;
        return again != nil ? again : queue_.of(stage::waiting, level).first;
    }

    slot older(slot a, slot b) const {
        if (a == nil || b == nil) return a == nil ? b : a;
        return a->sequence < b->sequence ? a : b;
    }

    void begin_expiry(slot s, time_point expires) {
        s->expires = expires;
        expiring_.emplace(std::pair(expires, s->sequence), s);
    }
    void end_expiry(slot s) {
        const time_point expires = std::exchange(s->expires, time_point::max());
        if (expires != time_point::max()) expiring_.erase({expires, s->sequence});
    }

    std::size_t window() const { // [v5:MQTT-4.9.0-1]
        const std::size_t theirs = link_.limits.receive_maximum;
        if (options_.max_inflight_messages != 0)
            return std::min<std::size_t>(theirs, options_.max_inflight_messages);
        return link_.v5() ? theirs : 20;
    }

    bool may_send(qos level) const { // [v5:MQTT-4.9.0-2] [v5:MQTT-3.3.4-7]
        return link_.is_connected() && link_.output.pending() < output_high_water &&
               (level == qos::at_most_once || used_ < window_);
    }

    // What a message that has waited must be for this connection, or why it cannot be sent over it.
    errc prepare(slot s, time_point now) {
        const outgoing_record& r = *s;
        if (r.expires <= now) return errc::message_expired;
        const bool expires = r.expires != time_point::max() && link_.v5();
        if (r.version != link_.version || expires) {
            const std::string old(r.bytes.view());
            inflight::publish p = *decode_as<inflight::publish>(*next_frame(old, r.version), r.version);
            properties<packet_type::publish> props(p.props);
            if (expires) { // Lowered by the time it has waited here, in whole seconds; at least one is left.
                const auto left = std::chrono::ceil<std::chrono::seconds>(r.expires - now);
                props.set<property_id::message_expiry_interval>(static_cast<std::uint32_t>(left.count()));
                p.props = props;
            }
            const result<measure> size = measure_packet(p, link_.version);
            if (!size) return size.error();
            queue_.encode(s, p, link_.version, *size);
        }
        if (s->bytes.size() > link_.limits.maximum_packet_size)
            return errc::packet_too_large; // [v5:MQTT-3.2.2-15]
        return refusal(r.qos, (static_cast<unsigned char>(r.bytes.view().front()) & 1) != 0);
    }

    // Before any PUBLISH, in the order of the PUBRECs. [v5:MQTT-4.3.3-6] Each takes a unit of the send quota,
    // although it need not: a server that still counts the message would find its limit exceeded.
    void resend_pubrels() {
        for (slot s = queue_.of(stage::in_flight).first; s != nil; s = s->next) {
            outgoing_record& r = *s;
            r.counted = false;
            if (r.state != flow::await_pubcomp) continue;
            reply_pubrel(r.id, reason_code::success);
            count(r);
        }
    }

    void count(outgoing_record& r) {
        if (!std::exchange(r.counted, true)) ++used_;
    }

    void put(outgoing_record& r) {
        if (r.dup || alias_limit_ == 0 || !put_with_alias(r)) put_bytes(r, r.dup);
    }

    [[gnu::always_inline]] void put_bytes(outgoing_record& r, bool dup) {
        constexpr char dup_bit = 0x08;
        const std::string_view bytes = r.bytes.view();
        written_later(r, dup ? link_.output.add_bytes(bytes, static_cast<char>(bytes.front() | dup_bit))
                             : link_.output.add_bytes(bytes));
    }
    void written_later(outgoing_record& r, bool refers) {
        if (refers || r.qos == qos::at_most_once) r.written_at = link_.output.end_position();
    }

    // The record keeps its full topic: an alias is for what goes out for the first time, and dies with the
    // connection. False: it is no use to this message.
    [[gnu::noinline]] bool put_shortened(outgoing_record& r, inflight::publish& p, measure& size) {
        const std::string_view kept = r.bytes.view(); // The caller's own may go before it is written.
        p.payload = kept.substr(kept.size() - p.payload.size());
        if (!shorten(p, size)) return false;
        written_later(r, link_.output.add_publish(p, link_.version, size));
        return true;
    }
    [[gnu::noinline]] bool put_with_alias(outgoing_record& r) {
        const auto f = next_frame(r.bytes.view(), r.version);
        inflight::publish p;
        (void)decode_into(p, *f, r.version);
        measure size{f->body.size(), f->size};
        return put_shortened(r, p, size);
    }
    [[gnu::noinline]] bool shorten(inflight::publish& p, measure& size) {
        if (!aliases_) aliases_ = std::make_unique<topic_aliases>(alias_limit_);
        return aliases_->shorten(p, size, link_.limits.maximum_packet_size);
    }

    // What has waited.
    void send(slot s, time_point now) {
        if (const errc bad = prepare(s, now); bad != errc::none) return settle(s, bad, {}, given_up);
        end_expiry(s); // What has been sent does not expire any more. [v5:MQTT-4.3.3-7]
        if (s->at == stage::waiting_again) counter_.is_repeat();
        queue_.move_last(s, s->qos == qos::at_most_once ? stage::writing : stage::in_flight);
        put(*s);
        sent(s, now);
    }

    // It is in the output, and awaits its acknowledgement from now on.
    [[gnu::always_inline]] void sent(slot s, time_point now) {
        outgoing_record& r = *s;
        if (r.qos == qos::at_most_once) return counter_.sent();
        counter_.sent(r.sequence, now);
        r.dup = false;
        count(r);
        r.state = r.qos == qos::at_least_once ? flow::await_puback : flow::await_pubrec;
        keep(s);
        if (!timer_.is_running()) watch_oldest(now);
    }

    // A new message with this identifier would be taken for a repeat of the old one. [v5:MQTT-4.3.3-10]
    static bool is_open_at_server(const outgoing_record& r, ending how) {
        const bool goes_on = how == given_up || how == left_open;
        return goes_on && r.qos == qos::exactly_once && r.state != flow::none;
    }
    void abandon_exchange(packet_id id) {
        ids_.assign(id, nil);
        abandoned_.push_back(id);
    }

    void settle(slot s, errc error, reason_code reason, ending how = complete) {
        settle_inline(s, error, reason, how);
    }
    [[gnu::always_inline]] void settle_inline(slot s, errc error, reason_code reason, ending how = complete) {
        end_expiry(s);
        outgoing_record& r = *s;
        if (error != errc::none || is_refusal(reason)) [[unlikely]]
            counter_.failed(error);
        if (r.counted) --used_;
        if (how <= given_up && r.qos != qos::at_most_once) store_.forget(r.sequence);
        if (is_open_at_server(r, how)) abandon_exchange(r.id);
        else if (r.id != packet_id::none) ids_.release(r.id); // [v5:U5-25]
        if (r.written_at > link_.output.written_position()) link_.output.keep(queue_.take_bytes(s));
        queue_.settle(s, error, reason);
    }

    // What the broker says of a message, beside the code. A good PUBREC says it for the PUBCOMP to come.
    [[gnu::noinline]] void explain(slot s, flow to, packet_id id, std::string_view why) {
        if (to == flow::none) {
            const std::string* const before = why.empty() && explained_ ? explained_->find(id) : nullptr;
            queue_.explain(s, before ? *before : why);
            if (explained_) explained_->erase(id);
        } else if (s->tag != 0 && !why.empty()) {
            if (!explained_) explained_ = std::make_unique<id_table<std::string>>();
            explained_->set(id, std::string(why));
        } else if (explained_) {
            explained_->erase(id); // Of an earlier message with this identifier.
        }
    }

    void settle_written() {
        for (slot s = queue_.of(stage::writing).first; s != nil; s = queue_.of(stage::writing).first) {
            if (s->written_at > link_.output.written_position()) return;
            settle(s, errc::none, reason_code::success);
        }
    }

    void reply_pubrel(packet_id id, reason_code reason) {
        link_.send(pubrel{.id = id, .reason = link_.v5() ? reason : reason_code::success});
    }

    void keep(slot s) {
        const outgoing_record& r = *s;
        if (r.qos == qos::at_most_once) return;
        link_.output.rest_on(store_.keep({r.sequence, r.id, r.qos, r.state, r.version, r.bytes.view()}));
    }

    // A store may have been damaged. What cannot be true is left out, and left in the store.
    bool is_sound(const stored_message& m) const {
        constexpr std::uint64_t sequence_max = ~std::uint64_t{0} >> 1;
        const bool is_next = m.sequence > queue_.last_sequence() && m.sequence <= sequence_max;
        return is_next && is_consistent(m) && !ids_.in_use(m.id);
    }

    void restore(const stored_message& m) {
        if (!is_sound(m)) return (void)++damaged_records_;
        ids_.take(m.id);
        const slot s = add(m.state == flow::none            ? stage::waiting
                           : m.state == flow::await_pubcomp ? stage::in_flight
                                                            : stage::waiting_again,
                           m.id, m.qos);
        queue_.restore(s, m.sequence, m.bytes, m.version);
        s->state = m.state;
    }

    // After a crash in the middle of what a lost session has changed, a message may wait for its first
    // sending although a later one had been sent. The order is that of acceptance all the same.
    void restore_order() {
        const slot last = queue_.of(stage::waiting_again).last;
        if (last == nil) return;
        for (const slot s : queue_.sorted({stage::waiting}))
            if (s->sequence < last->sequence) queue_.move_last(s, stage::waiting_again);
    }

    void watch_oldest(time_point now) {
        const slot s = queue_.of(stage::in_flight).first;
        if (s == nil || options_.ack_timeout.count() == 0) return timer_.stop();
        timer_.watch(*s, link_.output.end_position(), options_.ack_timeout, now);
    }

    link& link_;
    packet_ids& ids_;
    Store& store_;
    const session_options& options_;
    resend_queue queue_{};
    std::map<std::pair<time_point, std::uint64_t>, slot> expiring_{}; // By time, and then by sequence.
    std::vector<packet_id> abandoned_{}; // Their exchanges are still open at the server.
    std::unique_ptr<id_table<std::string>> explained_{}; // Properties of good PUBRECs, if there are any.
    byte_buffer told_{}; // Properties of the outcome told last.
    std::size_t window_ = 0; // The send quota of this connection,
    std::size_t used_ = 0;   // and what is used of it.
    std::uint16_t alias_limit_ = 0; // 0 also without a connection.
    std::unique_ptr<topic_aliases> aliases_{}; // From their first use on.
    bool stopped_ = false;
    bool has_acknowledged_ = false; // What follows from that, acknowledgements_taken() does.
    std::size_t damaged_records_ = 0;
    ack_timer timer_{};
    message_counter counter_{};
};

} // namespace inflight
