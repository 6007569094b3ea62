// What a client may send, judged by what it has sent and received before: identifiers, DUP, quota, order of
// acknowledgements, limits of the server. It sees the client's end of the connection and nothing of its inside.
#pragma once

#include "ledger.hpp"
#include "packet_stream.hpp"
#include "profile.hpp"

#include <deque>

namespace simulation {

class wire_rules {
public:
    wire_rules(ledger& messages, const disk& store, const schedule& time, const profile& p, trace& out)
        : ledger_(messages), disk_(store), time_(time), profile_(p), options_(p.options), trace_(out),
          window_(p.options.max_inflight_messages) {}

    void opened(inflight::protocol_version version) {
        sent_.restart(version);
        received_.restart(version);
        limits_ = {};
        aliases_.clear();
        is_first_ = true;
        is_connected_ = is_resumed_ = has_disconnected_ = is_fresh_ = false;
        quota_.clear();
        published_here_.clear();
        pubacks_.clear();
        pubrecs_.clear();
        pubcomps_.clear();
        first_number_here_ = ledger_.up.size();
        widest_window_ = 0;
        last_sent_ = time_.now();
        keep_alive_ = 0;
    }
    void closed() {
        is_connected_ = false;
        requests_.clear(); // Those of the application are its own; renewals are made from scratch.
    }

    void sent(std::string_view bytes) {
        last_sent_ = time_.now();
        sent_.add(bytes, [this](const auto& p, std::size_t size) {
            if (trace_.is_on()) trace_("client >", inflight::print(p, sent_.version()));
            require(!has_disconnected_, "nothing is sent after DISCONNECT");
            require(is_connected_ || is_first_, "nothing but CONNECT is sent before CONNACK");
            require(is_first_ || size <= limits_.maximum_packet_size, "a packet is above the Maximum Packet Size");
            on_sent(p);
            is_first_ = false;
        });
    }

    void received(std::string_view bytes) {
        received_.add(bytes, [this](const auto& p, std::size_t) {
            if (trace_.is_on()) trace_("client <", inflight::print(p, received_.version()));
            is_fresh_ = false;
            on_received(p);
        });
    }

    /// The application has a message that came over this connection, or over an earlier one.
    void acknowledged(const inflight::delivery& d) {
        if (d.qos == qos::at_least_once) {
            for (turn& t : pubacks_)
                if (t.sequence == d.sequence) t.may_go = true;
        } else {
            taken_.insert(d.id);
        }
    }
    void delivered(const inflight::delivery& d) {
        if (d.qos == qos::at_least_once) pubacks_.back().sequence = d.sequence;
    }
    /// The latest PUBLISH was above our limit: the session acknowledges it by itself.
    void read_past() {
        if (latest_.qos == qos::at_least_once) pubacks_.back().may_go = true;
        if (latest_.qos == qos::exactly_once) taken_.insert(latest_.id);
    }

    void process_ended(const disk& left) {
        taken_ = left.committed_received();
        window_ = options_.max_inflight_messages;
        for (const auto& [sequence, r] : left.committed_messages())
            if (r.state == inflight::flow::await_pubcomp) pubrecs_in_session_.insert(r.id);
    }

    /// The largest number of messages in flight. What is in flight already stays, when it is made smaller.
    void window_changed(std::size_t to) {
        widest_window_ = std::max(widest_window_, window());
        window_ = to;
    }

    /// Messages to this topic are only there to use up identifiers.
    static constexpr std::string_view spin_topic = "spin";

    const inflight::server_limits& limits() const { return limits_; }
    bool is_connected() const { return is_connected_; }
    /// The latest packet was a CONNACK that says that there is no session.
    bool has_just_lost_session() const { return is_fresh_; }
    bool is_used_by_request(packet_id id) const { return requests_.count(id) != 0; }

    /// Within each Keep Alive the client sends something.
    void check_keep_alive() {
        if (!is_connected_ || !profile_.writes_promptly() || keep_alive_ == 0 || has_disconnected_) return;
        require(time_.now() - last_sent_ <= std::chrono::seconds(keep_alive_), "nothing sent for a whole Keep Alive");
    }

private:
    struct turn {
        packet_id id;
        std::uint64_t sequence;
        bool may_go;
    };
    bool v5() const { return sent_.version() == inflight::protocol_version::v5; }

    // ---- What the client sends

    template <class Packet>
    void on_sent(const Packet& p) {
        require(false, "a client does not send ", inflight::name(p.type));
    }

    void on_sent(const inflight::connect& p) {
        require(is_first_, "CONNECT comes once");
        require(p.client_id == options_.client_id, "CONNECT has the client identifier");
        require(!options_.keep_session || !p.clean_start, "a session that is to be kept is not begun anew");
        require(options_.keep_session || v5() || p.clean_start, "3.1.1 begins a session anew unless it is to be kept");
        keep_alive_ = p.keep_alive;
    }

    void on_sent(const inflight::publish& packet) {
        const inflight::publish p = with_topic(packet);
        require(p.qos <= limits_.maximum_qos, "QoS above the server's maximum");
        require(!p.retain || limits_.retain_available, "RETAIN, which the server does not support");
        if (p.topic == spin_topic) return;
        upward& m = ledger_.sent_up(p);
        require(p.retain == m.retain, "RETAIN is as it was published");
        check_expiry(p, m);
        if (p.qos == qos::at_most_once) return void(m.was_sent = true);
        const std::size_t number = number_of(p.payload);
        // What was to be sent may have been overtaken by an answer to what had been sent before.
        if (p.dup && !profile_.writes_promptly() && !v5() && published_here_.count(number) != 0) return;
        require(m.is_open(), "message ", number, " is sent after its outcome");
        check_repeat(p, m, number);
        check_identifier(p.id, &m);
        require(is_kept(p.id, inflight::flow::none), "PUBLISH before its record is committed");
        quota_.insert(p.id);
        require(quota_.size() <= limits_.receive_maximum, "more messages in flight than the Receive Maximum");
        require(quota_.size() <= std::max(window(), widest_window_), "more messages in flight than the window");
        if (!m.sent_in_session) pubrecs_in_session_.erase(p.id);
        m.was_sent = m.sent_in_session = true;
    }

    // An alias is within both limits, names its topic before it stands for it on this connection, and is no part of a
    // repeat.
    inflight::publish with_topic(inflight::publish p) {
        const auto alias = p.props.get<inflight::property_id::topic_alias>();
        if (!alias) return p;
        require(*alias <= std::min(limits_.topic_alias_maximum, options_.outgoing_topic_aliases), "a topic alias above the limit");
        require(!p.dup, "a topic alias in a repeat");
        std::string& known = aliases_[*alias];
        if (!p.topic.empty()) known = p.topic;
        require(!known.empty(), "a topic alias that stands for nothing");
        p.topic = known;
        return p;
    }

    // A repeat says so, has the same identifier, and comes when it may.
    void check_repeat(const inflight::publish& p, const upward& m, std::size_t number) {
        require(p.id == m.id, "message ", number, " has changed its identifier");
        require(!m.sent_in_session || p.dup, "message ", number, " is sent again without DUP");
        const bool was_sent_here = !published_here_.insert(number).second;
        require(!was_sent_here || !v5(), "message ", number, " is sent again on the same connection");
        require(!was_sent_here || options_.ack_timeout.count() != 0, "message ", number, " is sent again for no reason");
        const bool is_older = number < first_number_here_ && is_resumed_;
        require(!p.dup || was_sent_here || is_older, "message ", number, " has DUP at its first sending");
        require(!m.received && !m.released, "message ", number, " is sent again after PUBREC");
    }

    void check_expiry(const inflight::publish& p, const upward& m) const {
        if (m.expires == time_point::max()) return;
        const bool is_first = profile_.writes_promptly() && !m.was_sent && m.awaited;
        require(!is_first || time_.now() < m.expires, "a message is sent that has expired");
        if (!v5() || profile_.versions_change) return; // A connection of 3.1.1 loses the properties.
        const auto left = p.props.get<inflight::property_id::message_expiry_interval>();
        require(bool(left) && *left != 0, "the Message Expiry Interval is kept");
        require(!is_first || std::chrono::seconds(*left) < m.expires - time_.now() + 1s,
                "the Message Expiry Interval is not lowered by the time of waiting");
    }

    void check_identifier(packet_id id, const upward* holder) {
        require(!is_used_by_request(id), "identifier ", number(id), " is used by a request too");
        for (const upward& m : ledger_.up)
            require(m.id != id || &m == holder || !m.sent_in_session || !m.is_open() || !m.owed,
                    "identifier ", number(id), " is used by two messages");
    }

    void on_sent(const inflight::pubrel& p) {
        require(pubrecs_in_session_.count(p.id) != 0, "PUBREL ", number(p.id), " without PUBREC");
        upward* m = in_session(p.id);
        if (!m || !m->received) return;
        m->released = true;
        require(is_kept(p.id, inflight::flow::await_pubcomp), "PUBREL before its record is committed");
    }

    void on_sent(const inflight::puback& p) {
        require(!pubacks_.empty() && pubacks_.front().id == p.id, "PUBACK ", number(p.id), " is not the next one");
        require(pubacks_.front().may_go, "PUBACK ", number(p.id), " comes before the application has the message");
        pubacks_.pop_front();
    }

    void on_sent(const inflight::pubrec& p) {
        while (!pubrecs_.empty() && pubrecs_.front() != p.id && is_dropped(pubrecs_.front())) pubrecs_.pop_front();
        require(!pubrecs_.empty() && pubrecs_.front() == p.id, "PUBREC ", number(p.id), " is not the next one");
        require(taken_.count(p.id) != 0, "PUBREC ", number(p.id), " comes before the application has the message");
        pubrecs_.pop_front();
        if (inflight::is_refusal(p.reason)) taken_.erase(p.id);
        else require(!disk_.is_durable() || disk_.committed_received().count(p.id) != 0, "PUBREC before its record is committed");
    }
    // Released by the server before its turn.
    bool is_dropped(packet_id id) const { return released_here_.count(id) != 0; }

    void on_sent(const inflight::pubcomp& p) {
        require(!pubcomps_.empty() && pubcomps_.front() == p.id, "PUBCOMP ", number(p.id), " is not the next one");
        pubcomps_.pop_front();
        require(disk_.committed_received().count(p.id) == 0, "PUBCOMP while the identifier may come back after a crash");
    }

    // The store has a record of this message, committed and at least as far as that.
    bool is_kept(packet_id id, inflight::flow state) const {
        const auto& records = disk_.committed_messages();
        return !disk_.is_durable() || std::any_of(records.begin(), records.end(), [&](const auto& one) {
            return one.second.id == id && (state == inflight::flow::none || one.second.state == state);
        });
    }

    void on_sent(const inflight::subscribe& p) { on_request(p.id); }
    void on_sent(const inflight::unsubscribe& p) { on_request(p.id); }
    void on_request(packet_id id) {
        check_identifier(id, nullptr);
        requests_.insert(id);
    }

    void on_sent(const inflight::pingreq&) {}
    void on_sent(const inflight::disconnect& p) {
        has_disconnected_ = true;
        require(v5() || p.reason == inflight::reason_code::success, "3.1.1 has no reasons");
    }

    // ---- What the client receives

    template <class Packet>
    void on_received(const Packet& p) {
        require(false, "a server does not send ", inflight::name(p.type));
    }

    void on_received(const inflight::connack& p) {
        if (p.reason != inflight::reason_code::success) return;
        is_connected_ = true;
        limits_ = inflight::server_limits::from(p);
        if (const auto theirs = p.props.get<inflight::property_id::server_keep_alive>()) keep_alive_ = *theirs;
        is_resumed_ = p.session_present;
        ledger_.limits_are(limits_);
        if (p.session_present) return ledger_.client_resumed();
        is_fresh_ = true;
        taken_.clear();
        pubrecs_in_session_.clear();
        ledger_.client_lost_session();
    }

    void on_received(const inflight::publish& p) {
        latest_ = {.qos = p.qos, .id = p.id};
        if (p.qos == qos::at_least_once) pubacks_.push_back({p.id, 0, false});
        if (p.qos != qos::exactly_once) return;
        released_here_.erase(p.id);
        if (std::find(pubrecs_.begin(), pubrecs_.end(), p.id) == pubrecs_.end()) pubrecs_.push_back(p.id);
    }
    void on_received(const inflight::pubrel& p) {
        pubcomps_.push_back(p.id);
        taken_.erase(p.id);
        released_here_.insert(p.id);
    }

    void on_received(const inflight::puback& p) { settled(p.id); }
    void on_received(const inflight::pubcomp& p) {
        if (const upward* m = in_session(p.id); m && m->received) settled(p.id);
    }
    void on_received(const inflight::pubrec& p) {
        pubrecs_in_session_.insert(p.id);
        if (inflight::is_refusal(p.reason)) settled(p.id);
        else if (upward* m = in_session(p.id)) m->received = true;
    }
    void settled(packet_id id) {
        quota_.erase(id);
        if (upward* m = in_session(id)) m->acknowledged = true;
    }

    void on_received(const inflight::suback& p) { requests_.erase(p.id); }
    void on_received(const inflight::unsuback& p) { requests_.erase(p.id); }
    void on_received(const inflight::pingresp&) {}
    void on_received(const inflight::disconnect&) {}

    // The message that has this identifier in the session, from its sending to its last acknowledgement.
    upward* in_session(packet_id id) {
        for (upward& m : ledger_.up)
            if (m.id == id && m.sent_in_session && m.is_open()) return &m;
        return nullptr;
    }

    std::size_t window() const { return window_ != 0 ? window_ : v5() ? 65'535u : 20u; }

    ledger& ledger_;
    const disk& disk_;
    const schedule& time_;
    const profile& profile_;
    const inflight::session_options& options_;
    trace& trace_;
    std::size_t window_;
    packet_stream sent_{}, received_{};
    inflight::server_limits limits_{};
    bool is_first_ = true, is_connected_ = false, is_resumed_ = false, has_disconnected_ = false, is_fresh_ = false;
    std::set<packet_id> quota_{};           // Published here, not acknowledged to the end.
    std::set<std::size_t> published_here_{};
    std::map<std::uint32_t, std::string> aliases_{}; // Named here.
    std::set<packet_id> requests_{};        // Sent here, not answered.
    inflight::publish latest_{};            // Received: its QoS and identifier.
    std::deque<turn> pubacks_{};            // To be sent here, in this order.
    std::deque<packet_id> pubrecs_{}, pubcomps_{};
    std::set<packet_id> released_here_{}, pubrecs_in_session_{};
    std::set<packet_id> taken_{};           // QoS 2 messages that the application has, up to PUBREL.
    std::size_t first_number_here_ = 0, widest_window_ = 0;
    time_point last_sent_{};
    unsigned keep_alive_ = 0;
};

} // namespace simulation
