// The program that uses the session: what it wishes, how it takes what comes, and what it expects to hear. It outlives
// its processes as a service does that is started again.
#pragma once

#include "client.hpp"

namespace simulation {

using inflight::property_id;

class application {
public:
    application(schedule& time, dice& d, const profile& p, ledger& messages, disk& store, wire_rules& rules, client& c,
                trace& out)
        : time_(time), dice_(d), profile_(p), ledger_(messages), disk_(store), rules_(rules), client_(c), trace_(out) {
        client_.on_event = [this](const inflight::event::any& e) { std::visit([this](const auto& one) { on(one); }, e); };
    }

    static constexpr std::array filters{"down/a/#", "down/b/#"};

    /// A process has begun.
    void start() {
        expects_loss_ = !disk_.committed_messages().empty() || !disk_.committed_received().empty();
        is_stopped_ = is_draining_ = false;
        pending_.clear();
        requests_.clear();
        client_.start_process();
        for (std::size_t i = 0; i != filters.size(); ++i)
            if (wants_[i]) subscribe(i);
    }

    /// The process is gone, and the disk is as the next one finds it.
    void process_ended() {
        for (const auto& [ticket, number] : taken_)
            if (disk_.is_durable() && ticket <= disk_.committed_ticket())
                ledger_.down[number].acknowledged = true;
        taken_.clear();
        if (loss_ticket_ > disk_.committed_ticket()) ledger_.loss_is_unheard(); // By the next process.
    }

    /// Does one thing.
    void act() {
        check_expired();
        if (is_draining_) return drain();
        const std::size_t what = dice_.below(100);
        std::size_t limit = 0;
        const auto is = [&](unsigned rate) { return what < (limit += rate); };
        if (is(profile_.cancels)) cancel();
        else if (is(profile_.pauses)) pause();
        else if (is(profile_.disconnects)) disconnect();
        else if (is(profile_.resubscribes)) resubscribe();
        else if (is(profile_.adjusts)) adjust();
        else if (profile_.application == acknowledging::by_hand && dice_.chance(50)) acknowledge_any();
        else
            for (std::size_t n = dice_.between(1, 3); n != 0; --n) publish();
        client_.pump();
    }

    /// Nothing but taking messages from now on.
    void come_to_rest() {
        is_calm_ = true;
        is_draining_ = false;
        client_.resume();
        client_.want_connection();
        while (!pending_.empty()) acknowledge(0);
        client_.pump();
    }

    bool has_open_requests() const { return !requests_.empty(); }
    bool wants(std::size_t filter) const { return wants_[filter]; }
    std::size_t unacknowledged() const { return pending_.size(); }

    /// Takes all identifiers once, but those in use: QoS 0 messages that nobody waits for are cheap.
    void go_round() {
        if (!client_.has_transport() || !session().is_connected()) return;
        trace_("application", "goes round all identifiers");
        has_gone_round_ = is_publishing_ = true;
        for (int i = 0; i != 65'535; ++i) {
            const auto result = session().publish({.topic = wire_rules::spin_topic}, 0, client_.version(), time_.now());
            if (!result) break;
            check_identifier(packet_id{result.mid});
            if (i % 1'000 == 0) client_.pump();
            if (!client_.has_transport()) break;
        }
        is_publishing_ = false;
        client_.pump();
    }

private:
    session_type& session() { return client_.session(); }

    // ---- Wishes

    void publish() {
        upward m;
        m.qos = static_cast<qos>(dice_.below(3));
        m.topic = topic_of("up", dice_.chance(50) ? 'a' : 'b', m.qos);
        m.size = dice_.chance(70) ? 8 : dice_.between(0, profile_.largest_payload);
        m.retain = dice_.chance(5);
        m.awaited = dice_.chance(90);
        m.tag = m.awaited ? ++last_tag_ : 0;
        const std::size_t number = ledger_.up.size();
        inflight::properties<inflight::packet_type::publish> props;
        if (dice_.chance(profile_.expiring)) {
            const auto seconds = dice_.between(std::size_t{1}, std::size_t{8});
            props.set<property_id::message_expiry_interval>(static_cast<std::uint32_t>(seconds));
            m.expires = time_.now() + std::chrono::seconds(seconds);
        }
        const std::string payload = payload_of(number, m.size);
        m.size = payload.size();
        const inflight::publish p{.qos = m.qos, .retain = m.retain, .topic = m.topic, .props = props, .payload = payload};
        m.packet_size = packet_size(p);

        const bool was_full = is_queue_full(m.packet_size);
        const auto result = session().publish(p, m.tag, client_.version(), time_.now());
        trace_("application", "publishes ", m.topic, " ", number, " (", m.size, " bytes)",
               m.awaited ? "" : ", untold", m.expires != time_point::max() ? ", expiring" : "", ": ",
               inflight::name(result.status), result ? ", identifier " + std::to_string(result.mid) : "");
        if (!result) return check_refusal(result.status, m, was_full);
        m.id = packet_id{result.mid};
        require(result.mid != 0 || !m.awaited, "an accepted message has an identifier");
        check_identifier(m.id);
        if (m.qos == qos::at_most_once) m.owed = false;
        if (m.qos == qos::at_most_once && !m.awaited) m.id = packet_id::none;
        ledger_.accepted(std::move(m));
        is_publishing_ = true; // Other messages may have made room for this one.
        if (profile_.writes_promptly()) client_.pump();
        else client_.take_events();
        is_publishing_ = false;
    }

    static std::size_t packet_size(inflight::publish p) {
        if (p.qos != qos::at_most_once) p.id = packet_id{1};
        return inflight::measure_packet(p, inflight::protocol_version::v5)->total;
    }

    // As far as one can know from outside: open messages, at most, fill the queue.
    bool is_queue_full(std::size_t size) {
        std::size_t bytes = 0;
        for (const upward& m : ledger_.up)
            if (m.is_open() || (!m.awaited && m.arrivals == 0)) bytes += m.packet_size;
        const auto& o = session().options();
        const std::size_t most = o.max_queued_messages == 0 ? 65'535 : o.max_queued_messages;
        return has_gone_round_ || session().waiting() >= most || bytes + size > o.max_queued_bytes;
    }

    void check_refusal(inflight::publish_status status, const upward& m, bool was_full) {
        const auto& limits = rules_.limits();
        switch (status) {
            case inflight::publish_status::queue_full:
                return require(was_full, "a message is refused although there is room");
            case inflight::publish_status::packet_too_large:
                return require(m.packet_size > std::min<std::size_t>(limits.maximum_packet_size,
                                                                     session().options().max_queued_bytes),
                               "a message is refused although it is not too large");
            case inflight::publish_status::qos_not_supported:
                return require(m.qos > limits.maximum_qos, "a message is refused although the server supports its QoS");
            case inflight::publish_status::retain_not_supported:
                return require(m.retain && !limits.retain_available, "a message is refused although the server retains");
            default: require(false, "a message is refused: ", inflight::name(status));
        }
    }

    // An identifier names one thing at a time.
    void check_identifier(packet_id id) const {
        if (id == packet_id::none) return;
        for (const upward& m : ledger_.up)
            require(m.id != id || !m.is_open() || !(m.awaited || (m.sent_in_session && m.owed)), "identifier ", number(id),
                    " is given out twice");
        for (const auto& [tag, r] : requests_) require(r.id != id, "identifier ", number(id), " is given out twice");
        require(!rules_.is_used_by_request(id), "identifier ", number(id), " is in use by a request");
    }

    void subscribe(std::size_t filter) {
        wants_[filter] = true;
        const auto id = session().subscribe({.subscriptions = {{.filter = filters[filter], .qos = qos::exactly_once}}},
                                            ++last_tag_, client_.version());
        requested(id, filter, true);
    }
    void unsubscribe(std::size_t filter) {
        wants_[filter] = false;
        const auto id = session().unsubscribe({.filters = {filters[filter]}}, ++last_tag_, client_.version());
        requested(id, filter, false);
    }
    void requested(const inflight::result<packet_id>& id, std::size_t filter, bool subscribes) {
        require(bool(id), "a request is refused: ", words(id.error()));
        trace_("application", subscribes ? "subscribes " : "unsubscribes ", filters[filter], ", identifier ", number(*id));
        check_identifier(*id);
        requests_[last_tag_] = {*id, filter, subscribes};
    }
    void resubscribe() {
        const std::size_t filter = dice_.below(filters.size());
        if (wants_[filter] && dice_.chance(70)) unsubscribe(filter);
        else subscribe(filter);
    }

    void cancel() {
        for (upward& m : ledger_.up) {
            if (!m.awaited || !m.is_open() || dice_.chance(60)) continue;
            trace_("application", "does not wait any more for identifier ", number(m.id));
            require(session().detach(m.tag, m.id), "an open operation can be given up");
            ledger_.give_up(m, m.was_sent);
            ledger_.limits_are(rules_.limits());
            return;
        }
        if (requests_.empty()) return;
        const auto [tag, r] = *requests_.begin();
        trace_("application", "does not wait any more for request ", number(r.id));
        require(session().detach(tag, r.id), "an open request can be given up");
        requests_.erase(tag);
    }

    void pause() {
        if (!client_.has_transport() || !session().is_connected()) return;
        if (client_.is_paused()) return client_.resume();
        client_.pause();
        time_.after(dice_.between(100ms, 15'000ms), [this, process = client_.process()] {
            if (process == client_.process()) client_.resume();
        });
    }

    void adjust() {
        switch (dice_.below(3)) {
            case 0:
                session().set_max_inflight_messages(dice_.one_of<std::uint16_t>({0, 1, 2, 20}), time_.now());
                rules_.window_changed(session().options().max_inflight_messages);
                return trace_("application", "changes the window to ", session().options().max_inflight_messages);
            case 1: return session().set_max_queued_messages(dice_.one_of<std::size_t>({0, 1, 5}));
            default: return session().set_keep_alive(dice_.one_of({5s, 30s}));
        }
    }

    // ---- The end of a connection, by the application's wish

    void disconnect() {
        if (!client_.has_transport()) return;
        is_draining_ = true;
        drain_until_ = time_.now() + dice_.between(0ms, 3'000ms);
        trace_("application", "disconnects when everything is sent");
        drain();
    }

    void drain() {
        const bool is_empty = session().unsettled() == 0 && session().open_requests() == 0;
        if (client_.has_transport() && !is_empty && time_.now() < drain_until_) return;
        is_draining_ = false;
        client_.want_no_connection();
        trace_("application", "disconnects, ", session().unsettled(), " messages left");
        session().disconnect();
        client_.pump();
        time_.after(dice_.between(0ms, 5'000ms), [this] { client_.want_connection(); });
    }

public:
    /// The process ends in good order: what is open has an outcome.
    void shut_down() {
        trace_("application", "shuts down");
        is_stopped_ = true;
        client_.want_no_connection();
        session().disconnect();
        session().stop();
        client_.pump();
        session().abandon(errc::shutting_down);
        client_.pump();
        const auto refused = session().publish({.topic = "t"}, 0, client_.version(), time_.now());
        require(refused.status == inflight::publish_status::shutting_down, "nothing is accepted after the end");
        require(session().unsettled() == 0 && session().open_requests() == 0, "at the end everything has its outcome");
        for (const upward& m : ledger_.up)
            require(!m.awaited || !m.is_open(), "a message has no outcome at the end");
        require(requests_.empty(), "a request has no outcome at the end");
    }

private:
    // ---- Events

    void on(const inflight::event::connected& e) {
        const bool lost = !e.session_present && expects_loss_;
        require(e.session_lost == lost, "the loss of a session is told when there was one: ", lost);
        require(e.session_present != rules_.has_just_lost_session(), "Session Present is told as it is");
        expects_loss_ = true;
        if (!e.session_present) {
            ++session_number_;
            loss_ticket_ = disk_.last_ticket();
        }
        if (!e.session_present && !profile_.options.resubscribe)
            for (std::size_t i = 0; i != filters.size(); ++i)
                if (wants_[i]) subscribe(i);
    }
    void on(const inflight::event::refused& e) {
        trace_("application", "is refused: ", inflight::name(e.connack->reason));
        if (e.version_refused) client_.use_other_version();
    }
    void on(const inflight::event::disconnected&) {}
    void on(const inflight::event::authentication&) {} // No world has a method.
    void on(const inflight::event::oversized&) { rules_.read_past(); }

    void on(const inflight::event::message& e) {
        downward& m = ledger_.arrived_down(e.packet);
        const std::size_t number = number_of(e.packet.payload);
        trace_("application", "gets ", e.packet.topic, " ", number, m.arrivals > 1 ? " again" : "");
        if (e.packet.delivery.qos == qos::at_most_once) return;
        rules_.delivered(e.packet.delivery);
        pending_.push_back({e.packet.delivery, number, client_.connections(), session_number_});
        if (is_calm_ || profile_.application == acknowledging::at_once) return acknowledge(pending_.size() - 1);
        if (profile_.application != acknowledging::slowly) return;
        time_.after(dice_.between(0ms, 3'000ms), [this, process = client_.process()] {
            if (process != client_.process() || pending_.empty()) return;
            acknowledge(0);
            client_.pump();
        });
    }

    void acknowledge_any() {
        if (!pending_.empty()) acknowledge(dice_.below(pending_.size()));
    }

    void acknowledge(std::size_t which) {
        const pending one = pending_[which];
        pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(which));
        const bool is_v5 = session().version() == inflight::protocol_version::v5;
        const bool refuses = is_v5 && dice_.chance(profile_.refusing);
        const auto reason = refuses ? inflight::reason_code::quota_exceeded : inflight::reason_code::success;
        const errc got = session().acknowledge(one.what, reason);
        trace_("application", refuses ? "refuses " : "acknowledges ", one.number, got == errc::none ? "" : ": ",
               got == errc::none ? "" : words(got));
        const bool is_current = one.connection == client_.connections() && client_.has_transport();
        const bool is_valid = one.what.qos == qos::at_least_once ? is_current : one.session == session_number_;
        require((got == errc::none) == is_valid, "acknowledging ", one.number, ": ", words(got));
        require(is_valid || got == errc::stale_delivery || got == errc::unknown_packet_id, "acknowledging ", one.number,
                ": ", words(got));
        if (got != errc::none) return;
        rules_.acknowledged(one.what);
        if (refuses) ++ledger_.down[one.number].allowed; // The server may not hear of it, and send it again.
        else taken_.emplace_back(disk_.last_ticket(), one.number);
    }

    void on(const inflight::event::published& e) {
        const auto found = std::find_if(ledger_.up.begin(), ledger_.up.end(),
                                        [&](const upward& m) { return m.tag == e.tag && e.tag != 0; });
        require(found != ledger_.up.end(), "an outcome of nothing");
        upward& m = *found;
        trace_("application", "hears of identifier ", number(m.id), ": ",
               e.error == errc::none ? inflight::name(e.reason) : words(e.error));
        require(m.awaited, "an outcome of a message that nobody waits for");
        require(!m.is_told, "a second outcome of one message");
        require(!m.lost_with_process, "an outcome of a message of another process");
        require(e.id == m.id && e.qos == m.qos, "an outcome names its message");
        check_outcome(e.error, m);
        m.is_told = true;
        m.outcome = e.error;
        if (e.error != errc::none) m.owed = false;
    }

    // Each outcome is true.
    void check_outcome(errc error, const upward& m) {
        const auto& limits = rules_.limits();
        const bool is_qos_0 = m.qos == qos::at_most_once;
        switch (error) {
            case errc::none:
                return require(is_qos_0 || (m.acknowledged && (m.arrivals != 0 || m.is_shadowed)),
                               "success without acknowledgement");
            case errc::connection_lost: return require(is_qos_0, "a QoS 1 or 2 message is lost with a connection");
            case errc::session_lost:
                require(profile_.options.on_lost_session == inflight::lost_session_policy::fail, "lost with a session");
                // What had been sent may not have left before the connection was gone.
                require(m.was_sent || !profile_.writes_promptly(), "lost before it was sent");
                return require(rules_.has_just_lost_session(), "lost with a session that is there");
            case errc::message_expired:
                require(time_.now() >= m.expires, "expired before its time");
                return require(!m.was_sent, "expired after it was sent");
            case errc::message_dropped: return check_dropped(m);
            case errc::packet_too_large:
                return require(m.packet_size > limits.maximum_packet_size, "too large, but it is not");
            case errc::qos_not_supported: return require(m.qos > limits.maximum_qos, "QoS is supported");
            case errc::retain_not_supported: return require(m.retain && !limits.retain_available, "RETAIN is supported");
            case errc::shutting_down: return require(is_stopped_, "nobody has shut down");
            default: require(false, "a message fails: ", words(error));
        }
    }

    // What waits has its outcome as soon as its time has passed, with and without a connection.
    void check_expired() const {
        if (!profile_.writes_promptly()) return;
        for (const upward& m : ledger_.up)
            require(!m.awaited || !m.is_open() || m.was_sent || time_.now() <= m.expires, "an expired message still waits");
    }

    // For a newer message, and by a policy that allows it.
    void check_dropped(const upward& m) const {
        using inflight::queue_policy;
        const auto policy = profile_.options.on_full_queue;
        require(policy == queue_policy::drop_oldest ||
                    (policy == queue_policy::drop_oldest_qos_0 && m.qos == qos::at_most_once),
                "dropped against the policy");
        require(is_publishing_, "dropped although nothing newer has come");
        const bool is_any = policy == queue_policy::drop_oldest;
        for (const upward& other : ledger_.up) {
            const bool is_candidate = other.awaited && other.is_open() && !other.was_sent &&
                                      (is_any || other.qos == qos::at_most_once);
            require(!is_candidate || &other >= &m || !profile_.writes_promptly(), "dropped although an older one waits");
        }
        require(!m.was_sent, "dropped after it was sent");
    }

    void on(const inflight::event::replied& e) {
        require(e.error == errc::none || (is_stopped_ && e.error == errc::shutting_down), "a request fails: ",
                words(e.error));
        if (e.tag == 0) return; // A renewal.
        const auto found = requests_.find(e.tag);
        require(found != requests_.end(), "a second answer to one request");
        require(found->second.id == e.id && found->second.subscribes == e.is_subscribe, "an answer names its request");
        requests_.erase(found);
    }

    struct pending {
        inflight::delivery what;
        std::size_t number;
        std::uint32_t connection;
        unsigned session;
    };
    struct request {
        packet_id id;
        std::size_t filter;
        bool subscribes;
    };

    schedule& time_;
    dice& dice_;
    const profile& profile_;
    ledger& ledger_;
    disk& disk_;
    wire_rules& rules_;
    client& client_;
    trace& trace_;
    std::array<bool, filters.size()> wants_{true, true};
    std::vector<pending> pending_{};
    std::vector<std::pair<std::uint64_t, std::size_t>> taken_{}; // With the ticket of their records.
    std::map<operation, request> requests_{};
    operation last_tag_ = 0;
    unsigned session_number_ = 0;
    std::uint64_t loss_ticket_ = 0; // Of the last record that the latest loss of a session has caused.
    bool expects_loss_ = false, is_stopped_ = false, is_draining_ = false, is_calm_ = false;
    bool is_publishing_ = false;
    bool has_gone_round_ = false; // The queue is full of what the ledger does not know.
    time_point drain_until_{};
};

} // namespace simulation
