// inflight/testing/server.hpp - an MQTT server as a machine without I/O, for tests and demonstrations.
//
// It is no production broker: it has no authorisation, keeps everything in memory, and trusts its driver. It
// speaks 3.1.1 and 5.0 with QoS 0 to 2, retained messages, Wills, sessions that outlive their connections and
// shared subscriptions; it obeys the limits of its clients and enforces its own; and it does what a
// fault_plan says.
//
// Four kinds of methods, as in client_session. Events in: opened, received, written, closed,
// deadline_reached. Wishes in: publish, disconnect, restart, set_options, faults(). Outputs: output(),
// is_closing(), wants_input(), deadline(). Getters. It owns no socket, clock or thread. Whoever drives it,
// after each event or wish and for each connection: writes output(), arms a timer for deadline(), and closes
// the transport when is_closing() holds and the output is empty. One call may give output to any connection.
#pragma once

#include <inflight/testing/session_table.hpp>

namespace inflight::testing {

/// What a getter tells of a session.
struct session_info {
    std::string client_id{};
    bool is_connected = false;
    std::vector<server_subscription> subscriptions{}; // In the order of their filters.
    std::size_t in_flight = 0;                        // QoS 1 and 2 messages sent, not fully acknowledged.
    std::size_t waiting = 0;                          // Not sent yet.
};

class server {
public:
    explicit server(server_options options = {}) { set_options(std::move(options)); }
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    /// A transport stands.
    connection_id opened(time_point now) {
        const connection_id id{++parts_.log.counters.connections};
        server_connection& c = connections_.try_emplace(id, id, options_, parts_).first->second;
        if (options_->connect_timeout.count() != 0)
            parts_.timers.set(c.silence_timer(), now + options_->connect_timeout);
        return id;
    }

    /// Takes the next bytes of the stream, cut anywhere.
    void received(connection_id id, std::string_view bytes, time_point now) {
        server_connection* c = find(id);
        if (!c) return;
        const errc bad = c->received(bytes, now, [&](const frame& f) { on_frame(*c, f, now); });
        if (bad != errc::none) fail(*c, bad, now);
        expect_more(*c, now);
        settle(now);
    }

    /// What is to be written next: stays as it is until written() or closed(), while more gathers behind it.
    std::string_view output(connection_id id) {
        server_connection* c = find(id);
        return c ? c->output() : std::string_view{};
    }

    /// Bytes of output() and of what gathers behind it.
    std::size_t output_pending(connection_id id) const {
        const auto place = connections_.find(id);
        return place == connections_.end() ? 0 : place->second.pending_output();
    }
    /// False while a client does not take what it is sent. To bound that, read nothing from it then.
    bool wants_input(connection_id id) const {
        const auto place = connections_.find(id);
        return place != connections_.end() && place->second.wants_input();
    }

    /// The first `size` bytes of output() have been written.
    void written(connection_id id, std::size_t size, time_point now) {
        server_connection* c = find(id);
        if (!c) return;
        c->written(size);
        if (c->session) c->session->out.flush(*c, now); // What had no room.
        settle(now);
    }

    /// The transport is to be closed as soon as output() is empty.
    bool is_closing(connection_id id) const {
        const auto place = connections_.find(id);
        return place == connections_.end() || place->second.is_closing();
    }

    /// The transport is gone, whoever has closed it.
    void closed(connection_id id, time_point now) {
        server_connection* c = find(id);
        if (!c) return;
        c->close();
        settle(now);
        connections_.erase(id);
    }

    /// When deadline_reached() is to be called next.
    std::optional<time_point> deadline() const { return parts_.timers.next(); }

    void deadline_reached(time_point now) {
        while (const auto which = parts_.timers.take_due(now)) {
            on_timer(*which, now);
            settle(now);
        }
    }

    /// Crashes and starts again: all connections are closing, their clients are told nothing, and what was
    /// stored - sessions and retained messages - is kept or lost.
    void restart(bool keep_sessions, time_point now) {
        for (auto& [id, c] : connections_) {
            c.session = nullptr;
            c.crash();
        }
        sessions_.restart(keep_sessions, now);
        settle(now);
    }

    /// For connections to come.
    void set_options(server_options options) {
        parts_.log.set_capacity(options.trace_lines);
        options_ = std::make_shared<const server_options>(std::move(options));
    }

    /// Publishes a message of the server's own. What is wrong with its topic, if anything: then nobody gets
    /// it.
    errc publish(const message& m, time_point now) {
        if (const errc bad = check_topic_name(m.topic); bad != errc::none) return bad;
        sessions_.routes.route(make_routed(m, now), nullptr, now);
        settle(now);
        return errc::none;
    }

    /// Ends a connection: 5.0 tells the client why.
    void disconnect(connection_id id, reason_code reason, time_point now) {
        if (server_connection* c = find(id)) disconnect(*c, reason, now);
        settle(now);
    }

    fault_plan& faults() { return parts_.faults; }

    const server_counters& counters() const { return parts_.log.counters; }
    /// Printed packets, the last options.trace_lines of them. See journal.
    const std::deque<std::string>& trace() const { return parts_.log.trace(); }
    void clear_trace() { parts_.log.clear_trace(); }

    /// All sessions, in the order of their creation.
    std::vector<session_info> sessions() const {
        std::vector<session_info> out;
        sessions_.for_each([&](const server_session& s) { out.push_back(info(s)); });
        return out;
    }
    std::optional<session_info> session(std::string_view client_id) const {
        const server_session* s = sessions_.find(client_id);
        return s ? std::optional(info(*s)) : std::nullopt;
    }
    /// The connection of this client, if it has one.
    std::optional<connection_id> connection_of(std::string_view client_id) const {
        const server_session* s = sessions_.find(client_id);
        return s && s->connection ? std::optional(s->connection->id()) : std::nullopt;
    }
    /// The retained messages whose topics match, without their Message Expiry Interval.
    std::vector<message> retained(std::string_view filter = "#") const {
        return sessions_.routes.retained(filter);
    }

private:
    server_connection* find(connection_id id) {
        const auto place = connections_.find(id);
        return place == connections_.end() ? nullptr : &place->second;
    }

    static session_info info(const server_session& s) {
        session_info out{s.client_id, s.is_online(), {}, s.out.in_flight(), s.out.size() - s.out.in_flight()};
        for (const auto& [filter, one] : s.subscriptions) out.subscriptions.push_back(one);
        return out;
    }

    // Sessions learn that their connections are closing only here, never while messages are being routed:
    // it may end them, and publishes their Wills.
    void settle(time_point now) {
        while (!parts_.ending.empty()) {
            for (const connection_id id : std::exchange(parts_.ending, {})) {
                server_connection* c = find(id);
                if (!c || !c->session) continue;
                sessions_.detach(*std::exchange(c->session, nullptr), now);
            }
        }
    }

    // [v5:MQTT-3.1.2-22]
    void expect_more(server_connection& c, time_point now) {
        if (!c.is_connected()) return;
        if (c.keep_alive.count() == 0) return parts_.timers.cancel(c.silence_timer());
        const std::chrono::milliseconds limit(c.keep_alive);
        parts_.timers.set(c.silence_timer(), now + limit + limit / 2);
    }

    void on_timer(timer which, time_point now) {
        using enum timer::kind;
        if (which.what == will || which.what == session_end) return sessions_.due(which, now);
        server_connection* c = find(connection_id{which.number});
        if (!c) return;
        if (which.what == silence) return disconnect(*c, reason_code::keep_alive_timeout, now);
        c->release_delayed(now, [&](const frame& f) { on_frame(*c, f, now); });
        expect_more(*c, now);
    }

    void disconnect(server_connection& c, reason_code reason, time_point now) {
        if (c.is_connected() && c.v5()) {
            properties<packet_type::disconnect> props;
            if (names_other_server(reason) && !c.options->server_reference.empty())
                props.set<property_id::server_reference>(c.options->server_reference);
            (void)c.send(inflight::disconnect{.reason = reason, .props = props}, now);
        }
        c.close();
    }
    void fail(server_connection& c, errc error, time_point now) {
        parts_.log.add_line(c.id(), direction::to_server, "error: " + std::string(row(error).text));
        disconnect(c, row(error).reason, now);
    }

    static bool names_other_server(reason_code code) {
        return code == reason_code::use_another_server || code == reason_code::server_moved;
    }

    void on_frame(server_connection& c, const frame& f, time_point now) {
        ++parts_.log.counters.packets_received[static_cast<std::size_t>(f.type())];
        if (const auto raw = parts_.faults.take_raw()) c.send_raw(*raw);
        if (c.is_closing()) return; // A planned cut was in these bytes.
        if (c.authentication.holds_connect()) return on_frame_before_connack(c, f, now);
        if (!c.session) return on_first_frame(c, f, now);
        errc bad = errc::unexpected_packet; // [v5:MQTT-3.1.0-2]
        if (f.type() != packet_type::connect) {
            errc outcome = errc::none;
            bad = visit_frame(f, c.version(), [&](const auto& p) {
                note(c, p);
                outcome = on(c, p, now);
            });
            if (bad == errc::none) bad = outcome;
        }
        if (bad != errc::none) fail(c, bad, now);
    }

    template <class Packet>
    void note(const server_connection& c, const Packet& p) {
        parts_.log.add(c.id(), direction::to_server, p, c.version(), {});
    }

    // The first packet must be CONNECT. [v5:MQTT-3.1.0-1] What it refuses, it refuses in the form of the
    // version that the client speaks; before that is known, it closes without a word.
    void on_first_frame(server_connection& c, const frame& f, time_point now) {
        if (f.type() != packet_type::connect || parts_.faults.take_silent_close()) return c.close();
        wire::reader in(f.body);
        const std::string_view protocol = in.binary();
        const unsigned level = in.byte();
        if (!in.ok() || (protocol != "MQTT" && protocol != "MQIsdp")) return c.close();
        c.set_version(level >= 5 ? protocol_version::v5 : protocol_version::v3_1_1);
        const bool is_spoken = (level == 4 && c.options->v3_1_1) || (level == 5 && c.options->v5);
        if (!is_spoken) return refuse(c, reason_code::unsupported_protocol_version, now); // [v5:MQTT-3.1.2-2]

        const result<connect> p = decode_as<connect>(f, c.version());
        if (p) return on_connect(c, *p, f, now);
        if (c.v5() || p.error() == errc::empty_client_id) // [v3:MQTT-3.1.3-8]
            return refuse(c, row(p.error()).reason, now);
        c.close(); // [v3:MQTT-3.1.4-1]
    }

    // [v5:MQTT-3.2.2-7] [v3:MQTT-3.2.2-5]
    void refuse(server_connection& c, reason_code code, time_point now) {
        if (!inflight::detail::is_allowed(code, packet_type::connack, c.version()))
            code = c.v5() ? reason_code::unspecified_error : reason_code::server_unavailable;
        properties<packet_type::connack> props;
        if (names_other_server(code) && !c.options->server_reference.empty())
            props.set<property_id::server_reference>(c.options->server_reference);
        (void)c.send(connack{.reason = code, .props = props}, now);
        c.close();
    }

    void on_connect(server_connection& c, const connect& p, const frame& f, time_point now) {
        note(c, p);
        c.set_client_limits(p);
        if (const auto planned = parts_.faults.take_refusal()) return refuse(c, *planned, now);
        if (!p.props.has(property_id::authentication_method)) return admit(c, p, {}, now);
        answer(c, c.authentication.connected(p, *c.options, std::string(f.body)), now);
    }

    // Until CONNACK there are only AUTH and DISCONNECT. [v5:MQTT-3.1.2-30]
    void on_frame_before_connack(server_connection& c, const frame& f, time_point now) {
        if (f.type() == packet_type::disconnect) return c.close();
        const result<auth> p = f.type() == packet_type::auth ? decode_as<auth>(f, c.version())
                                                             : result<auth>(errc::unexpected_packet);
        if (p) note(c, *p);
        const errc bad = p ? on(c, *p, now) : p.error();
        if (bad != errc::none) refuse(c, row(bad).reason, now);
    }

    errc on(server_connection& c, const auth& p, time_point now) {
        authentication_answer words;
        const errc bad = c.authentication.received(p, *c.options, words);
        if (bad == errc::none) answer(c, words, now);
        return bad;
    }

    // What the authentication method says goes out in AUTH, in CONNACK, or with the end of the connection.
    void answer(server_connection& c, const authentication_answer& words, time_point now) {
        if (is_refusal(words.reason)) { // [v5:MQTT-4.12.0-4] [v5:MQTT-4.12.1-2]
            if (c.session) disconnect(c, words.reason, now);
            else refuse(c, words.reason, now);
        } else if (words.reason == reason_code::success && !c.session) {
            const std::string body = c.authentication.take_connect();
            constexpr auto first = static_cast<std::uint8_t>(unsigned(packet_type::connect) << 4);
            admit(c, *decode_as<connect>(frame{.first = first, .body = body}, c.version()), words.data, now);
        } else { // [v5:MQTT-4.12.0-2]
            properties<packet_type::auth> props;
            c.authentication.add_to(props, words.data);
            if (c.send(auth{.reason = words.reason, .props = props}, now) != errc::none) c.close();
        }
    }

    // The client is who it says, or has not been asked.
    void admit(server_connection& c, const connect& p, std::string_view words, time_point now) {
        if (const reason_code code = judge(c, p); is_refusal(code)) return refuse(c, code, now);
        const std::string id = p.client_id.empty() ? unused_client_id() : std::string(p.client_id);
        take_over(id, now);
        const auto [session, is_present] = sessions_.open(id, p.clean_start, now);
        c.keep_alive = std::chrono::seconds(p.keep_alive);
        if (c.v5()) c.keep_alive = std::chrono::seconds(c.options->server_keep_alive.value_or(p.keep_alive));
        session->options = c.options;
        c.asked_expiry = asked_expiry(c, p);
        session->expiry = std::min(c.asked_expiry, c.options->maximum_session_expiry);
        if (p.will) session->will = server_will::from(*p.will);
        session->connection = &c;
        c.session = session;
        if (const errc bad = send_connack(c, p, is_present, words, now); bad != errc::none) return c.close();
        session->out.restart();
        session->out.flush(c, now);
    }

    static reason_code judge(const server_connection& c, const connect& p) {
        const server_options& allowed = *c.options;
        if (p.will && p.will->qos > allowed.maximum_qos)
            return reason_code::qos_not_supported; // [v5:MQTT-3.2.2-12]
        if (p.will && p.will->retain && !allowed.retain_available)
            return reason_code::retain_not_supported; // [v5:MQTT-3.2.2-13]
        return allowed.authenticate ? allowed.authenticate(p) : reason_code::success;
    }

    // [v5:MQTT-3.1.4-3] [v3:MQTT-3.1.4-2]
    void take_over(std::string_view client_id, time_point now) {
        const server_session* old = sessions_.find(client_id);
        if (!old || !old->connection) return;
        ++parts_.log.counters.take_overs;
        disconnect(*old->connection, reason_code::session_taken_over, now);
        settle(now);
    }

    static std::chrono::seconds asked_expiry(const server_connection& c, const connect& p) {
        if (c.v5())
            return std::chrono::seconds(p.props.get<property_id::session_expiry_interval>().value_or(0));
        return p.clean_start ? std::chrono::seconds{0} : never;
    }

    std::string unused_client_id() { // [v5:MQTT-3.1.3-6]
        std::string id;
        do id = "assigned-" + std::to_string(++last_assigned_id_);
        while (sessions_.find(id));
        return id;
    }

    // What is not said has its default. [v5:MQTT-3.2.2-2] [v5:MQTT-3.2.2-16]
    errc send_connack(server_connection& c, const connect& p, bool is_present, std::string_view words,
                      time_point now) {
        using enum property_id;
        const server_options& o = *c.options;
        properties<packet_type::connack> props;
        if (c.session->expiry < c.asked_expiry)
            props.set<session_expiry_interval>(static_cast<std::uint32_t>(c.session->expiry.count()));
        if (o.receive_maximum != 65'535) props.set<property_id::receive_maximum>(o.receive_maximum);
        if (o.maximum_qos != qos::exactly_once)
            props.set<property_id::maximum_qos>(static_cast<std::uint32_t>(o.maximum_qos));
        if (!o.retain_available) props.set<property_id::retain_available>(0);
        props.set<property_id::maximum_packet_size>(o.maximum_packet_size);
        if (p.client_id.empty()) props.set<assigned_client_identifier>(c.session->client_id);
        if (o.topic_alias_maximum != 0) props.set<property_id::topic_alias_maximum>(o.topic_alias_maximum);
        if (!o.wildcard_subscriptions) props.set<wildcard_subscription_available>(0);
        if (!o.subscription_identifiers) props.set<subscription_identifier_available>(0);
        if (!o.shared_subscriptions) props.set<shared_subscription_available>(0);
        if (o.server_keep_alive) props.set<property_id::server_keep_alive>(*o.server_keep_alive);
        if (!o.response_information.empty() && p.props.get<request_response_information>().value_or(0) == 1)
            props.set<property_id::response_information>(o.response_information);
        c.authentication.add_to(props, words); // [v5:MQTT-4.12.0-5]
        return c.send(connack{.session_present = is_present, .props = props}, now);
    }

    // One function for each packet that a client may send; what is wrong ends the connection.

    errc on(server_connection& c, const inflight::publish& received, time_point now) {
        inflight::publish p = received;
        const server_options& o = *c.options;
        if (const errc bad = c.resolve_alias(p); bad != errc::none) return bad;
        if (p.qos > o.maximum_qos) return errc::qos_not_supported;
        if (p.retain && !o.retain_available) return errc::retain_not_supported;
        if (p.props.has(property_id::subscription_identifier))
            return errc::unexpected_packet; // [v5:MQTT-3.3.4-6]
        if (p.qos == qos::exactly_once) return on_qos_2(c, p, now);
        const reason_code outcome = accept(c, p, now);
        return p.qos == qos::at_most_once ? errc::none : c.send(puback{.id = p.id, .reason = outcome}, now);
    }

    errc on_qos_2(server_connection& c, const inflight::publish& p, time_point now) {
        auto& known = c.session->received;
        const connection_id* last = known.find(p.id);
        const flow_step* step = find_step(receiver_flow, last ? flow::await_pubrel : flow::none,
                                          packet_type::publish, reason_code::success, c.version());
        if (!last || *last != c.id()) {
            if (c.v5() && c.open_qos_2 >= c.options->receive_maximum) return errc::receive_maximum_exceeded;
            ++c.open_qos_2;
            known.set(p.id, c.id());
        }
        const reason_code outcome = step->then == effect::deliver ? accept(c, p, now) : reason_code::success;
        return c.send(pubrec{.id = p.id, .reason = outcome}, now);
    }

    reason_code accept(server_connection& c, const inflight::publish& p, time_point now) {
        ++parts_.log.counters.messages_in;
        const std::size_t receivers = sessions_.routes.route(make_routed(own(p), now), c.session, now);
        return receivers == 0 && c.v5() ? reason_code::no_matching_subscribers : reason_code::success;
    }

    errc on(server_connection& c, const pubrel& p, time_point now) {
        auto& known = c.session->received;
        const connection_id* last = known.find(p.id);
        const reason_code code =
            last || !c.v5() ? reason_code::success : reason_code::packet_identifier_not_found;
        if (last && *last == c.id()) --c.open_qos_2;
        known.erase(p.id);
        return c.send(pubcomp{.id = p.id, .reason = code}, now);
    }

    errc on(server_connection& c, const puback& p, time_point now) {
        return c.session->out.acknowledged(p, c, now);
    }
    errc on(server_connection& c, const pubrec& p, time_point now) {
        return c.session->out.acknowledged(p, c, now);
    }
    errc on(server_connection& c, const pubcomp& p, time_point now) {
        return c.session->out.acknowledged(p, c, now);
    }

    errc on(server_connection& c, const subscribe& p, time_point now) {
        suback reply{.id = p.id};
        std::vector<server_subscription> wants_retained;
        const auto identifier = p.props.get<property_id::subscription_identifier>();
        for (const subscription& wish : p.subscriptions) {
            const reason_code code = judge(c, wish, identifier.has_value());
            reply.reasons.push_back(c.v5() || !is_refusal(code) ? code : reason_code::unspecified_error);
            if (is_refusal(code)) continue;
            const server_subscription made{std::string(wish.filter), qos{number(code)}, wish.no_local,
                                           wish.retain_as_published, identifier};
            const bool is_new = sessions_.routes.subscribe(*c.session, made);
            const bool sends = wish.retain_handling == retain_handling::send ||
                               (wish.retain_handling == retain_handling::send_if_new && is_new);
            if (sends && !is_shared(wish.filter)) wants_retained.push_back(made); // [v5:MQTT-3.3.1-10]
        }
        if (const errc bad = c.send(reply, now); bad != errc::none) return bad;
        for (const auto& one : wants_retained) sessions_.routes.send_retained(*c.session, one, now);
        return errc::none;
    }

    // The granted QoS, or a refusal. [v5:MQTT-3.8.4-7]
    static reason_code judge(const server_connection& c, const subscription& wish, bool has_identifier) {
        const server_options& allowed = *c.options;
        if (!allowed.shared_subscriptions && is_shared(wish.filter))
            return reason_code::shared_subscriptions_not_supported;
        if (!allowed.wildcard_subscriptions && has_wildcard(wish.filter))
            return reason_code::wildcard_subscriptions_not_supported;
        if (!allowed.subscription_identifiers && has_identifier)
            return reason_code::subscription_identifiers_not_supported;
        return reason_code{static_cast<std::uint8_t>(std::min(wish.qos, allowed.maximum_qos))};
    }

    errc on(server_connection& c, const unsubscribe& p, time_point now) {
        unsuback reply{.id = p.id};
        for (const std::string_view filter : p.filters) {
            const bool was_there = sessions_.routes.unsubscribe(*c.session, filter);
            reply.reasons.push_back(was_there ? reason_code::success : reason_code::no_subscription_existed);
        }
        return c.send(reply, now);
    }

    errc on(server_connection& c, const pingreq&, time_point now) { return c.send(pingresp{}, now); }

    errc on(server_connection& c, const inflight::disconnect& p, time_point) {
        if (c.v5()) {
            if (const auto expiry = p.props.get<property_id::session_expiry_interval>()) {
                if (*expiry != 0 && c.asked_expiry.count() == 0) return errc::unexpected_packet; // [v5:U5-20]
                c.session->expiry =
                    std::min(std::chrono::seconds(*expiry), c.options->maximum_session_expiry);
            }
        }
        if (p.reason == reason_code::success) c.session->will.reset(); // [v5:MQTT-3.14.4-3]
        c.close();
        return errc::none;
    }

    // What only servers send.
    template <class Packet>
    errc on(server_connection&, const Packet&, time_point) {
        return errc::unexpected_packet;
    }

    server_parts parts_{};
    std::shared_ptr<const server_options> options_{};
    session_table sessions_{parts_};
    std::map<connection_id, server_connection> connections_{};
    std::uint64_t last_assigned_id_ = 0;
};

} // namespace inflight::testing
