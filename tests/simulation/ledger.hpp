// The messages of a world, both ways: what was promised about each, what became of it, and whether that is in order.
// Upward is from the application to the server, downward from the server to the application.
#pragma once

#include "disk.hpp"
#include "trace.hpp"

#include <inflight/session.hpp>

namespace simulation {

using inflight::errc;
using inflight::operation;
using inflight::qos;

// One topic has messages of one QoS, since order is promised among these.
inline std::string topic_of(std::string_view way, char group, qos level) {
    return std::string(way) + "/" + group + "/" + std::to_string(static_cast<int>(level));
}

/// The payload says the number of its message, and is the same byte up to its end.
inline std::string payload_of(std::size_t number, std::size_t size) {
    std::string out = std::to_string(number) + ":";
    out.resize(std::max(out.size(), size), static_cast<char>('a' + number % 26));
    return out;
}
inline std::size_t number_of(std::string_view payload) {
    std::size_t out = 0;
    for (const char c : payload.substr(0, payload.find(':'))) {
        require(c >= '0' && c <= '9', "a payload begins with its number");
        out = out * 10 + static_cast<std::size_t>(c - '0');
    }
    return out;
}

/// What both directions know of a message.
struct message_record {
    std::string topic{};
    inflight::qos qos{};
    std::size_t size = 0; // Of the payload.
    unsigned arrivals = 0;
    unsigned allowed = 1; // QoS 2: how often it may arrive.
    bool owed = true;     // QoS 1 and 2: it must arrive.
};

struct upward : message_record {
    packet_id id{};
    operation tag = 0;
    bool retain = false;
    bool lost_with_process = false; // Its process has ended: there will be no outcome.
    time_point expires = time_point::max();
    std::size_t packet_size = 0; // The larger of both versions.
    bool awaited = true;         // Somebody wants to hear its outcome.
    bool is_told = false;        // He has.
    errc outcome{};              // What he was told.
    bool was_sent = false;       // By any process, on any connection.
    bool acknowledged = false;   // The last acknowledgement has come.
    bool is_shadowed = false;    // An earlier process has left its identifier open at the server.
    // Within the session that the client believes in:
    bool sent_in_session = false, received = false, released = false; // PUBLISH sent, PUBREC come, PUBREL sent.

    // As far as one can see from outside: the session may have ended what nobody waits for.
    bool is_open() const {
        return !is_told && !lost_with_process && !acknowledged && (awaited || qos != inflight::qos::at_most_once);
    }
};

struct downward : message_record {
    bool acknowledged = false; // By the application, and so that a crash cannot take it back.
};

/// First arrivals of each topic come in the order of their numbers.
class arrival_order {
public:
    void first(const std::string& topic, std::size_t number) {
        const auto [at, is_new] = last_.try_emplace(topic, number);
        require(is_new || at->second < number, "order: message ", number, " of ", topic, " arrives after ", at->second);
        at->second = number;
    }

private:
    std::map<std::string, std::size_t> last_{};
};

class ledger {
public:
    explicit ledger(const inflight::session_options& options) : options_(options) {
        up.reserve(256);
        down.reserve(256);
        up.emplace_back();
        down.emplace_back(); // Numbers begin with 1.
        up.front().owed = up.front().awaited = down.front().owed = false;
    }

    std::vector<upward> up{};
    std::vector<downward> down{};

    /// The message that a PUBLISH carries, whole and unchanged.
    upward& sent_up(const inflight::publish& p) {
        upward& m = named(up, p);
        require(p.qos == m.qos, "message ", simulation::number_of(p.payload), " has changed its QoS");
        return m;
    }

    void arrived_up(const inflight::publish& p) {
        upward& m = named(up, p);
        // One that the server takes for another's repeat arrives in a later session, if at all.
        arrived(m, p, m.is_shadowed ? nullptr : &order_up_);
    }
    downward& arrived_down(const inflight::publish& p) {
        downward& m = named(down, p);
        if (m.arrivals == 0) m.qos = std::min(m.qos, p.qos); // The server may have granted less.
        require(p.qos == m.qos, "message ", simulation::number_of(p.payload), " from the server has changed its QoS");
        arrived(m, p, was_split_ && m.qos == qos::exactly_once ? nullptr : &order_down_);
        return m;
    }

    /// The server begins a new session: what it held for the client is gone, and the client publishes again what is
    /// open, if that is its policy, or if it does not hear of the loss.
    void server_lost_session() {
        for (downward& m : down) m.owed = false;
        left_open_.clear();
        loss_is_unheard();
        for (upward& m : up)
            if (m.is_open() && m.arrivals != 0) ++m.allowed;
    }

    void loss_is_unheard() { is_loss_unheard_ = true; }
    /// It was a CONNECT of an earlier connection that began the new session: it has come later than that of the next.
    void late_connect() { had_late_connect_ = true; }

    /// The client has heard of that.
    void client_lost_session() {
        is_loss_unheard_ = is_split_ = false;
        for (upward& m : up) {
            m.sent_in_session = m.received = m.released = false;
            if (options_.on_lost_session == inflight::lost_session_policy::republish) continue;
            if (!m.awaited) m.owed = false; // If it had been sent.
            m.allowed = std::max(m.arrivals, 1u);
        }
    }

    /// The client resumes a session. If the CONNACK that began it has been lost, it takes it for the one before: then it
    /// knows QoS 2 identifiers that mean other messages by now, which neither it nor the standard can help.
    void client_resumed() {
        if (is_loss_unheard_) is_split_ = was_split_ = true;
        if (!is_split_) return;
        for (downward& m : down)
            if (m.qos == qos::exactly_once) m.owed = false;
    }
    bool is_split() const { return is_split_; }
    bool had_late_connect() const { return had_late_connect_; }

    /// Nobody waits for its outcome. What then fails, fails silently.
    void give_up(upward& m, bool was_sent) const {
        m.awaited = false;
        const bool is_droppable = options_.on_full_queue == inflight::queue_policy::drop_oldest && !was_sent;
        if (m.expires != time_point::max() || is_droppable) m.owed = false;
    }

    /// A message has been accepted from the application.
    void accepted(upward m) {
        if (!m.awaited) give_up(m, m.was_sent);
        if (m.qos == qos::exactly_once && left_open_.count(m.id) != 0) {
            m.is_shadowed = true;
            m.owed = false;
        }
        up.push_back(std::move(m));
    }

    /// What a new connection forbids fails; where nobody waits for the outcome, silently.
    void limits_are(const inflight::server_limits& limits) {
        for (upward& m : up)
            if (!m.awaited && (m.packet_size > limits.maximum_packet_size || m.qos > limits.maximum_qos ||
                               (m.retain && !limits.retain_available)))
                m.owed = false;
    }

    /// The process has ended, and this is what the next one finds.
    void process_ended(disk& left) {
        for (const disk::record& r : left.take_forgotten()) check_forgotten(up[number_of(r)]);
        for (upward& m : up) m.lost_with_process = true;
        for (const auto& [sequence, r] : left.committed_messages()) restored(r);
        for (upward& m : up) {
            if (!m.lost_with_process || m.acknowledged) continue;
            if (!m.is_told) m.owed = false;
            if (m.sent_in_session && m.qos == qos::exactly_once) left_open_.insert(m.id);
        }
        for (downward& m : down)
            if (m.arrivals != 0 && !m.acknowledged) ++m.allowed;
    }

    /// What holds of every message once the world has come to rest.
    void check_rest() const {
        for (std::size_t n = 1; n != up.size(); ++n) {
            const upward& m = up[n];
            require(!m.awaited || m.is_told || m.lost_with_process, "no outcome of message ", n);
            check_arrivals("message ", n, m);
        }
        for (std::size_t n = 1; n != down.size(); ++n) check_arrivals("message from the server, ", n, down[n]);
    }

    /// A message that the application has not got yet; 0: none.
    std::size_t first_missing() const {
        return static_cast<std::size_t>(std::find_if(down.begin(), down.end(), is_missing) - down.begin()) % down.size();
    }

private:
    static bool is_missing(const message_record& m) {
        return m.owed && m.qos != qos::at_most_once && m.arrivals == 0;
    }

    static void check_arrivals(const char* what, std::size_t n, const message_record& m) {
        require(!is_missing(m), what, n, " has not arrived: ", m.topic);
    }

    template <class Record>
    static Record& named(std::vector<Record>& records, const inflight::publish& p) {
        const std::size_t n = simulation::number_of(p.payload);
        require(n != 0 && n < records.size(), "nobody has published message ", n);
        Record& m = records[n];
        const bool is_intact = p.topic == m.topic && p.payload == payload_of(n, m.size);
        require(is_intact, "message ", n, " has been changed on its way");
        return m;
    }

    static void arrived(message_record& m, const inflight::publish& p, arrival_order* order) {
        const std::size_t n = simulation::number_of(p.payload);
        if (++m.arrivals == 1 && order) order->first(m.topic + std::to_string(static_cast<int>(m.qos)), n);
        if (m.qos == qos::at_most_once) require(m.arrivals == 1, "QoS 0 message ", n, " arrives twice");
        if (m.qos == qos::exactly_once)
            require(m.arrivals <= m.allowed, "QoS 2 message ", n, " arrives ", m.arrivals, " times");
    }

    // The store forgets a message with its outcome; that its process ends is none.
    static void check_forgotten(const upward& m) {
        const bool has_ended = m.is_told && m.outcome != errc::shutting_down;
        require(has_ended || m.acknowledged || !m.awaited, "the store has forgotten a message too early");
    }

    static std::size_t number_of(const disk::record& r) {
        const auto f = inflight::next_frame(r.bytes, r.version);
        return simulation::number_of(inflight::decode_as<inflight::publish>(*f, r.version)->payload);
    }

    void restored(const disk::record& r) {
        upward& m = up[number_of(r)];
        // What has failed for the application, and was forgotten by it too late, may be delivered after all.
        if (m.is_told && !m.acknowledged) ++m.allowed;
        m.lost_with_process = m.acknowledged = m.is_told = false;
        m.received = r.state == inflight::flow::await_pubcomp;
        give_up(m, r.state != inflight::flow::none);
    }

    std::set<packet_id> left_open_{}; // QoS 2 exchanges that nobody will end: their processes kept nothing.
    const inflight::session_options& options_;
    bool is_loss_unheard_ = false, is_split_ = false, was_split_ = false, had_late_connect_ = false;
    arrival_order order_up_{}, order_down_{};
};

} // namespace simulation
