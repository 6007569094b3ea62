// inflight/testing/server_connection.hpp - one connection of a test server: bytes to frames, packets to
// bytes.
//
// Everything passes the fault plan and the journal here, and whatever dies with the connection lives here.
#pragma once

#include <inflight/codec/decode.hpp>
#include <inflight/testing/journal.hpp>
#include <inflight/testing/routed_message.hpp>
#include <inflight/testing/server_authentication.hpp>
#include <inflight/testing/timer_queue.hpp>

namespace inflight::testing {

/// What the parts of a server share.
struct server_parts {
    fault_plan faults{};
    journal log{};
    timer_queue timers{};
    std::vector<connection_id> ending{}; // Closing, but their sessions do not know yet.
};

class server_session;

class server_connection {
public:
    server_connection(connection_id id, std::shared_ptr<const server_options> allowed, server_parts& parts)
        : options(std::move(allowed)), id_(id), parts_(parts) {}
    server_connection(const server_connection&) = delete;
    server_connection& operator=(const server_connection&) = delete;

    const std::shared_ptr<const server_options> options; // As they were when it was opened.
    server_session* session = nullptr;                   // From CONNACK on.
    server_authentication authentication{};
    std::chrono::seconds keep_alive{0};
    std::chrono::seconds asked_expiry{0}; // The Session Expiry Interval of CONNECT.
    std::size_t open_qos_2 = 0;           // Of the client, counted against our Receive Maximum.

    connection_id id() const { return id_; }
    protocol_version version() const { return version_; }
    bool v5() const { return version_ == protocol_version::v5; }
    bool is_connected() const { return session && !is_closing_; }
    bool is_closing() const { return is_closing_; }

    /// CONNECT: what the client understands.
    void set_version(protocol_version version) { version_ = version; }
    void set_client_limits(const connect& p) {
        using enum property_id;
        const auto& props = p.props;
        receive_maximum_ = props.get<property_id::receive_maximum>().value_or(65'535);
        maximum_packet_size_ = props.get<maximum_packet_size>().value_or(wire::packet_max);
        alias_limit_ = std::min<std::uint32_t>(props.get<topic_alias_maximum>().value_or(0),
                                               options->topic_aliases_to_clients);
    }
    std::size_t receive_maximum() const { return receive_maximum_; }

    /// Calls on_frame(frame) for each packet that arrives, until the connection closes. What is wrong with
    /// the stream, if anything.
    template <class OnFrame>
    errc received(std::string_view bytes, time_point now, OnFrame&& on_frame) {
        if (is_closing_) return errc::none;
        const auto cut = parts_.faults.cut(direction::to_server, bytes.size());
        input_.append(bytes.substr(0, cut.value_or(bytes.size())));
        errc bad = errc::none;
        std::size_t taken = 0;
        while (!is_closing_) {
            const std::string_view rest = std::string_view(input_).substr(taken);
            const result<frame> f = next_frame(rest, version_, options->maximum_packet_size);
            if (!f) {
                if (f.error() != errc::need_more) bad = f.error();
                break;
            }
            taken += f->size;
            arrive(*f, rest.substr(0, f->size), now, on_frame);
        }
        input_.erase(0, taken);
        if (cut) close();
        return bad;
    }

    /// Sends a packet, or says why it cannot be sent to this client.
    template <class Packet>
    errc send(const Packet& p, time_point now) {
        if (is_closing_) return errc::not_connected;
        const std::size_t before = gathering_.size();
        if (const errc bad = encode(p, version_, gathering_, maximum_packet_size_); bad != errc::none)
            return bad;
        const fault_plan::fate fate = parts_.faults.next(direction::to_client, Packet::type);
        parts_.log.add(id_, direction::to_client, p, version_, fate);
        parts_.log.counters.packets_sent[static_cast<std::size_t>(Packet::type)] += fate.copies;
        if (fate.copies != 1 || fate.delay.count() != 0) {
            const std::string bytes = gathering_.substr(before);
            gathering_.resize(before);
            if (fate.delay.count() != 0)
                hold_back(direction::to_client, bytes, fate, now);
            else
                for (unsigned i = 0; i != fate.copies; ++i) gathering_.append(bytes);
        }
        cut_output(before);
        return errc::none;
    }

    /// Sends bytes that may be anything.
    void send_raw(std::string_view bytes) {
        if (is_closing_) return;
        const std::size_t before = gathering_.size();
        gathering_.append(bytes);
        parts_.log.add_line(id_, direction::to_client, std::to_string(bytes.size()) + " raw bytes");
        cut_output(before);
    }

    /// Sends an Application Message.
    errc send(const delivery& d, packet_id id, bool dup, time_point now) {
        const routed_message& m = *d.message;
        properties<packet_type::publish> props;
        publish p = m.content.packet();
        p.dup = dup;
        p.qos = d.qos;
        p.retain = d.retain;
        p.id = id;
        const std::uint16_t alias = v5() ? alias_of(p.topic) : std::uint16_t{0};
        if (v5() && (m.expiry || alias != 0 || !d.identifiers.empty())) {
            props = m.content.props;
            if (m.expiry) props.set<property_id::message_expiry_interval>(*m.remaining(now));
            for (const std::uint32_t one : d.identifiers)
                props.set<property_id::subscription_identifier>(one);
            if (alias != 0) props.set<property_id::topic_alias>(alias);
            p.props = props;
        }
        const bool is_known_alias = alias != 0 && alias <= aliases_to_client_.size();
        if (is_known_alias) p.topic = {};
        const errc bad = send(p, now);
        if (bad == errc::none && alias != 0 && !is_known_alias)
            aliases_to_client_.emplace(m.content.topic, alias);
        return bad;
    }

    /// Topic and alias of a PUBLISH from the client: sets the topic if the alias stands for it.
    errc resolve_alias(publish& p) {
        const auto alias = p.props.get<property_id::topic_alias>();
        if (!alias) return errc::none;
        if (*alias > options->topic_alias_maximum) return errc::topic_alias_invalid; // [v5:MQTT-3.2.2-17]
        if (!p.topic.empty()) {
            aliases_from_client_[*alias] = p.topic;
            return errc::none;
        }
        const auto known = aliases_from_client_.find(*alias);
        if (known == aliases_from_client_.end()) return errc::topic_alias_unknown;
        p.topic = known->second;
        return errc::none;
    }

    /// Delayed packets whose time has come: theirs to us go to on_frame.
    template <class OnFrame>
    void release_delayed(time_point now, OnFrame&& on_frame) {
        while (!is_closing_ && !delayed_.empty() && delayed_.begin()->first <= now) {
            const auto [way, bytes] = std::move(delayed_.extract(delayed_.begin()).mapped());
            if (way == direction::to_server) {
                if (const auto f = next_frame(bytes, version_)) on_frame(*f);
            } else {
                const std::size_t before = gathering_.size();
                gathering_.append(bytes);
                cut_output(before);
            }
        }
        if (!delayed_.empty()) parts_.timers.set(delay_timer(), delayed_.begin()->first);
    }

    /// Nothing more is sent or received. What is in the output is still to be written.
    void close() {
        if (is_closing_) return;
        is_closing_ = true;
        delayed_.clear();
        parts_.timers.cancel(delay_timer());
        parts_.timers.cancel(silence_timer());
        parts_.ending.push_back(id_);
    }
    /// As if the process had died: what has not been handed out is gone as well.
    void crash() {
        close();
        gathering_.clear();
    }

    std::string_view output() {
        if (written_ == handed_out_.size()) {
            handed_out_.clear();
            handed_out_.swap(gathering_);
            written_ = 0;
        }
        return std::string_view(handed_out_).substr(written_);
    }
    void written(std::size_t size) {
        written_ += size;
        assert(written_ <= handed_out_.size());
    }
    std::size_t pending_output() const { return gathering_.size() + handed_out_.size() - written_; }
    bool takes_output() const { return !is_closing_ && pending_output() < options->max_output_bytes; }
    /// Answers need room beyond that: a client that only receives slowly may still ping and acknowledge.
    bool wants_input() const { return pending_output() <= options->max_output_bytes + max_answers; }

    timer silence_timer() const { return {timer::kind::silence, number(id_)}; }

private:
    static constexpr std::size_t max_answers = std::size_t{1} << 20; // Bytes.

    timer delay_timer() const { return {timer::kind::delayed_packet, number(id_)}; }

    template <class OnFrame>
    void arrive(const frame& f, std::string_view bytes, time_point now, OnFrame& on_frame) {
        const fault_plan::fate fate = parts_.faults.next(direction::to_server, f.type());
        if (fate.copies == 0) return note_fault(f, fate);
        if (fate.delay.count() != 0) {
            note_fault(f, fate);
            return hold_back(direction::to_server, bytes, fate, now);
        }
        for (unsigned i = 0; i != fate.copies && !is_closing_; ++i) on_frame(f);
    }

    void note_fault(const frame& f, fault_plan::fate fate) {
        const errc bad = visit_frame(f, version_, [&](const auto& p) {
            parts_.log.add(id_, direction::to_server, p, version_, fate);
        });
        (void)bad; // What is not a packet is not worth a line.
    }

    void hold_back(direction way, std::string_view bytes, fault_plan::fate fate, time_point now) {
        const auto at = now + std::chrono::duration_cast<time_point::duration>(fate.delay);
        for (unsigned i = 0; i != fate.copies; ++i) delayed_.emplace(at, std::pair(way, std::string(bytes)));
        parts_.timers.set(delay_timer(), delayed_.begin()->first);
    }

    void cut_output(std::size_t before) {
        const auto through = parts_.faults.cut(direction::to_client, gathering_.size() - before);
        if (!through) return;
        gathering_.resize(before + *through);
        close();
    }

    // The alias to use for `topic`: one it has, or the next; 0 when there is none left.
    std::uint16_t alias_of(std::string_view topic) const {
        const auto known = aliases_to_client_.find(topic);
        if (known != aliases_to_client_.end()) return known->second;
        return aliases_to_client_.size() < alias_limit_
                   ? static_cast<std::uint16_t>(aliases_to_client_.size() + 1)
                   : std::uint16_t{0};
    }

    connection_id id_;
    server_parts& parts_;
    protocol_version version_ = protocol_version::v3_1_1; // The lenient one, until CONNECT tells.
    bool is_closing_ = false;
    std::size_t receive_maximum_ = 65'535, maximum_packet_size_ = wire::packet_max, alias_limit_ = 0;
    std::string input_{}, gathering_{}, handed_out_{};
    std::size_t written_ = 0; // Of handed_out_.
    std::map<std::string, std::uint16_t, std::less<>> aliases_to_client_{};
    std::map<std::uint32_t, std::string> aliases_from_client_{};
    std::multimap<time_point, std::pair<direction, std::string>> delayed_{};
};

} // namespace inflight::testing
