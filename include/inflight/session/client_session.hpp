// inflight/session/client_session.hpp - MQTT as a machine without I/O.
//
// Four kinds of methods. Events in: transport_opened, received, written, transport_closed, deadline_reached.
// Wishes in: publish, subscribe, unsubscribe, acknowledge, authenticate, reauthenticate, disconnect. Outputs:
// output(), next_event(), deadline(), is_closing(). Getters. It owns no socket, clock or thread and never
// calls out, so nothing can re-enter it. Whoever drives it, after each event or wish: takes next_event()
// until there is none, writes output(), arms a timer for deadline(), and closes the transport when
// is_closing() holds and the output is empty. Standard: MQTT 5.0 sections 3.1, 3.2, 3.14, 4.12, 4.13; MQTT
// 3.1.1 sections 3.1, 3.2, 3.14, 4.8.
#pragma once

#include <inflight/codec/credentials.hpp>
#include <inflight/session/authentication.hpp>
#include <inflight/session/disconnect_options.hpp>
#include <inflight/session/incoming.hpp>
#include <inflight/session/keep_alive.hpp>
#include <inflight/session/outgoing.hpp>
#include <inflight/session/requests.hpp>

namespace inflight {

template <session_store Store = memory_store>
class client_session {
public:
    explicit client_session(session_options options, Store store = {})
        : options_(std::move(options)), store_(std::move(store)),
          ids_(options_.first_packet_id.value_or(1)) {
        was_connected_ = outgoing_.unsettled() + incoming_.unreleased() != 0; // By what the store gave back.
        has_state_ = options_.keep_session || was_connected_;
    }
    client_session(const client_session&) = delete;
    client_session& operator=(const client_session&) = delete;

    /// A transport stands: sends CONNECT. A session that is not known to exist is begun with Clean Start,
    /// again and again until a CONNACK has come; otherwise a lost first CONNACK would end in
    /// [v5:MQTT-3.2.2-4]. An Authentication Method among the connect_properties begins an exchange (see
    /// authenticate()), with `authentication_data` unless that is empty. `login` is what to say if the
    /// options have neither user name nor password.
    errc transport_opened(protocol_version version, std::string_view authentication_data = {},
                          const credentials& login = {}) {
        link_.open(version);
        ++unanswered_connects_;
        asked_for_client_id_ = options_.client_id.empty() && version == protocol_version::v5;
        announced_keep_alive_ = keep_alive_interval();
        properties<packet_type::connect> props = connect_properties();
        if (!authentication_data.empty()) props.set<property_id::authentication_data>(authentication_data);
        const bool has_own = options_.user_name || options_.password;
        connect p{.clean_start = clean_start(version),
                  .keep_alive = static_cast<std::uint16_t>(announced_keep_alive_.count()),
                  .props = props,
                  .client_id = options_.client_id,
                  .user_name = has_own ? options_.user_name : login.user_name,
                  .password = has_own ? options_.password : login.password};
        if (options_.will) p.will = options_.will->packet();
        paused_at_.reset();
        authentication_.opened();
        link_.send(p); // [v5:MQTT-3.1.0-1]
        return link_.why;
    }

    /// Takes packets from the front of `bytes`, up to the first that has an event, and returns how many bytes
    /// they are; 0 when a whole packet is not there yet, or when the connection is closing, or while
    /// is_verifying(). The events borrow from `bytes`: take them before the next call.
    [[gnu::always_inline]] std::size_t received(std::string_view bytes, time_point now) {
        assert(is_told_);
        if (!link_.is_open()) return 0;
        keep_alive_.received(now);
        if (skip_ != 0) return skip(bytes);
        std::string_view rest = bytes;
        do {
            const std::size_t n = take_packet(rest, now);
            if (n == 0) break;
            rest.remove_prefix(n);
        } while (!has_event() && link_.is_open());
        outgoing_.acknowledgements_taken(now);
        return bytes.size() - rest.size();
    }

    /// The first `size` bytes of output() have been written to the transport.
    void written(std::size_t size, time_point now) {
        link_.output.written(size);
        if (size != 0) keep_alive_.sent(link_.output.written_position() >= ping_end_, now);
        outgoing_.written(now);
    }

    void transport_closed() {
        keep_alive_.stop();
        outgoing_.closed();
        incoming_.closed();
        requests_.closed();
        authentication_.closed();
        link_.close();
        is_told_ = true;
        skip_ = 0;
    }

    void deadline_reached(time_point now) {
        outgoing_.expire(now);
        if (!link_.is_connected()) return;
        const bool paused = paused_at_.has_value();
        switch (keep_alive_.deadline_reached(paused, now)) {
            case keep_alive::due::ping: // For a while nothing has been sent, or nothing has come.
                outgoing_.trim();
                link_.output.trim();
                link_.send(pingreq{});
                ping_end_ = link_.output.end_position();
                break;
            case keep_alive::due::timeout: link_.fail(errc::keep_alive_timeout); break;
            case keep_alive::due::nothing: break;
        }
        if (paused) return;
        if (const errc bad = outgoing_.deadline_reached(now); bad != errc::none) link_.fail(bad);
    }

    /// Nothing is read from the transport for a while, so no answer can come: the timers that wait for one
    /// stand still.
    void reading_paused(time_point now) {
        if (!paused_at_) paused_at_ = now;
    }
    void reading_resumed(time_point now) {
        if (!paused_at_) return;
        keep_alive_.shift_deadline(now - *paused_at_);
        outgoing_.shift_deadline(now - *paused_at_);
        paused_at_.reset();
    }

    /// Publishes `p`, whose id and dup do not matter. `tag` comes back in the event::published that tells the
    /// outcome; with tag 0 there is none.
    publish_result publish(inflight::publish p, operation tag, protocol_version preferred, time_point now) {
        return publish_in_place(p, tag, preferred, now);
    }
    /// The same, and `p` becomes what is sent. Faster than with a copy, which would have to be loaded from
    /// where it has just been stored in smaller pieces.
    publish_result publish_in_place(inflight::publish& p, operation tag, protocol_version preferred,
                                    time_point now) {
        return outgoing_.publish(p, tag, preferred, now);
    }

    /// Subscribes and unsubscribes; the answer is an event::replied with this tag. The packet identifier, or
    /// what is wrong.
    result<packet_id> subscribe(const inflight::subscribe& p, operation tag, protocol_version preferred) {
        return requests_.add(p, tag, preferred);
    }
    result<packet_id> unsubscribe(const inflight::unsubscribe& p, operation tag, protocol_version preferred) {
        return requests_.add(p, tag, preferred);
    }

    /// Nobody waits for the outcome of that operation any more. The operation itself goes on. False: it has
    /// its outcome.
    bool detach(operation tag, packet_id id) {
        return outgoing_.detach(tag, id) || requests_.detach(tag, id);
    }

    /// The application has this message. errc::stale_delivery, errc::unknown_packet_id (also when repeated),
    /// errc::qos_0_acknowledged, errc::not_supported (a refusal in 3.1.1), errc::reason_not_allowed and
    /// others where reason or properties cannot be sent: then it is still to be acknowledged.
    errc acknowledge(const delivery& d) { return incoming_.acknowledge(d); }
    errc acknowledge(const delivery& d, reason_code reason, explanation::view_type why = {}) {
        return incoming_.acknowledge(d, reason, why);
    }

    // Enhanced authentication. With each event::authentication it is the driver's turn: authenticate() or,
    // if the server is content, authenticated(); or fail(), if the exchange cannot go on or the server is
    // not to be believed. It takes all the time it wants for that: who limits it calls fail().

    /// The next words of ours. errc::not_running if the server has not asked for any.
    errc authenticate(std::string_view data) { return authentication_.answer(data); }

    /// Proves anew who we are, while messages go on. errc::not_connected, errc::no_authentication_method
    /// (CONNECT had none), errc::already_running.
    errc reauthenticate(std::string_view data) { return authentication_.begin_again(data); }

    /// The server is who it should be. Until then, at connect, it is told nothing more, and nothing more is
    /// taken from it.
    void authenticated(time_point now) {
        authentication_.accept();
        if (!is_verifying()) return;
        constexpr auto first = static_cast<std::uint8_t>(static_cast<unsigned>(packet_type::connack) << 4);
        connack_ = *decode_as<connack>(frame{.first = first, .body = held_connack_}, link_.version);
        on_connack(now);
    }
    /// A CONNACK awaits authenticated().
    bool is_verifying() const { return link_.at == link::phase::verifying; }

    /// DISCONNECT, after which nothing is sent; the session ends at the broker too, unless it is to be kept.
    /// What is wrong with `d`, as check() finds it: then nothing has happened.
    errc disconnect(const disconnect_options& d) {
        if (const errc bad = check(d, options_); bad != errc::none) return bad;
        const bool ends = d.session_expiry ? d.session_expiry->count() == 0 : !options_.keep_session;
        if (link_.is_connected()) send_disconnect(d, ends);
        if (link_.at != link::phase::closed) link_.at = link::phase::closing;
        if (ends && d.session_expiry) was_connected_ = false; // Whoever says so does not lose it.
        if (ends && !options_.keep_session) has_state_ = false;
        is_kept_ = !ends;
        return errc::none;
    }
    void disconnect(reason_code reason = reason_code::success) {
        (void)disconnect(disconnect_options{.reason = reason});
    }

    /// Everything that is open gets `error` as its outcome.
    void abandon(errc error) {
        outgoing_.abandon(error, options_.keep_session || is_kept_);
        requests_.abandon(error);
    }

    /// No wish is accepted from now on.
    void stop() {
        outgoing_.stop();
        requests_.stop();
    }

    /// The next connection leads to a broker that knows nothing of this session: it is begun anew there, even
    /// if it is to be kept, since what that broker may hold is another session of the same name. With false:
    /// back to the one that has this session, before a CONNACK has come from another.
    void server_changed(bool is_other = true) { is_elsewhere_ = is_other; }

    /// The session has been given up on purpose: the next connection begins a new one, and has not lost this.
    /// Unless it is to be kept, be it by DISCONNECT. Subscriptions are renewed all the same.
    void session_ended() {
        if (!options_.keep_session && !is_kept_) has_state_ = was_connected_ = false;
    }

    /// The connection is to be closed for a reason that lies outside the protocol.
    void fail(errc error) { link_.fail(error); }

    /// What is to be written next. Valid until written() or transport_closed() is called; wishes do not
    /// disturb it.
    std::span<const std::string_view> output() { return link_.output.next(); }

    /// The store has committed everything up to this ticket.
    void committed(std::uint64_t ticket) { link_.output.committed(ticket); }

    /// What happened, one after the other; null when there is nothing more. Good until the next call, but
    /// what has been received until the next received().
    event::any* next_event() {
        if (!std::exchange(is_told_, true)) return &event_;
        if (auto e = outgoing_.next_settled()) outcome_ = *e;
        else if (auto r = requests_.next_replied()) outcome_ = *std::move(r);
        else return nullptr;
        return &outcome_;
    }

    bool has_event() const { return !is_told_ || outgoing_.has_settled() || requests_.has_replied(); }

    /// The same if it is a message; null, and nothing is taken, if it is not.
    event::message* next_message() {
        event::message* const m = is_told_ ? nullptr : std::get_if<event::message>(&event_);
        if (m) is_told_ = true;
        return m;
    }

    /// When to call deadline_reached(), unless something else happens before: messages expire while there is
    /// no connection too.
    std::optional<time_point> deadline() const {
        std::optional<time_point> out = outgoing_.next_expiry();
        const auto consider = [&](std::optional<time_point> other) {
            if (other && (!out || *other < *out)) out = other;
        };
        if (!link_.is_connected()) return out;
        consider(keep_alive_.deadline(paused_at_.has_value()));
        if (!paused_at_) consider(outgoing_.deadline());
        return out;
    }

    /// The number of the latest connection, as deliveries have it.
    std::uint32_t connection() const { return link_.number; }
    bool is_connected() const { return link_.is_connected(); }
    /// The transport is to be closed as soon as the output is empty; why, close_reason() says.
    bool is_closing() const { return link_.at == link::phase::closing; }
    errc close_reason() const { return link_.why; }
    bool output_empty() const { return link_.output.empty(); }
    /// Bytes not written yet.
    std::size_t output_pending() const { return link_.output.pending(); }
    protocol_version version() const { return link_.version; }
    const server_limits& limits() const { return link_.limits; }
    const session_options& options() const { return options_; }
    const std::string& client_id() const { return options_.client_id; }
    /// Messages accepted whose outcome is open; those of them that have been sent; those that have not.
    std::size_t unsettled() const { return outgoing_.unsettled(); }
    std::size_t in_flight() const { return outgoing_.in_flight(); }
    std::size_t waiting() const { return outgoing_.waiting(); }
    /// SUBSCRIBE and UNSUBSCRIBE without an answer.
    std::size_t open_requests() const { return requests_.size(); }
    bool is_outstanding(packet_id id) { return outgoing_.is_outstanding(id); }
    /// What the store gave back and cannot be true. It is left out, and left in the store.
    std::size_t damaged_records() const {
        return outgoing_.damaged_records() + incoming_.damaged_records();
    }
    session_statistics statistics() const {
        return {outgoing_.statistics(), incoming_.statistics(), keep_alive_.round_trip()};
    }
    /// Delivered QoS 1 and 2 messages not yet acknowledged to the end.
    std::size_t unacknowledged() const { return incoming_.unacknowledged(); }

    void set_max_inflight_messages(std::uint16_t count, time_point now) {
        options_.max_inflight_messages = count;
        outgoing_.limits_changed(now);
    }
    void set_max_queued_messages(std::size_t count) { options_.max_queued_messages = count; }
    void set_max_queued_bytes(std::size_t bytes) { options_.max_queued_bytes = bytes; }
    void set_queue_policy(queue_policy policy) { options_.on_full_queue = policy; }
    void set_credentials(std::optional<std::string> user_name, std::optional<std::string> password) {
        options_.user_name = std::move(user_name);
        options_.password = std::move(password);
    }
    void set_keep_alive(std::chrono::seconds interval) { options_.keep_alive = interval; }
    void set_will(std::optional<will_message> will) { options_.will = std::move(will); }

private:
    bool clean_start(protocol_version version) const {
        if (is_elsewhere_) return true;
        if (options_.keep_session) return false;
        return version == protocol_version::v3_1_1 || !has_state_;
    }

    std::chrono::seconds keep_alive_interval() const { // What CONNECT can say.
        return std::clamp(options_.keep_alive, std::chrono::seconds(0), std::chrono::seconds(65'535));
    }

    properties<packet_type::connect> connect_properties() const {
        properties<packet_type::connect> props = options_.connect_properties;
        const auto expiry = std::clamp<std::int64_t>(options_.session_expiry.count(), 0, 0xFFFF'FFFF);
        if (expiry != 0) props.set<property_id::session_expiry_interval>(static_cast<std::uint32_t>(expiry));
        if (options_.receive_maximum != 65'535 && options_.receive_maximum != 0)
            props.set<property_id::receive_maximum>(options_.receive_maximum);
        props.set<property_id::maximum_packet_size>(options_.maximum_packet_size);
        if (options_.topic_alias_maximum != 0)
            props.set<property_id::topic_alias_maximum>(options_.topic_alias_maximum);
        return props;
    }

    void send_disconnect(const disconnect_options& d, bool ends) {
        if (!link_.v5()) { // Without DISCONNECT the Will is published. [v3:MQTT-3.14.4-3]
            if (d.reason != reason_code::disconnect_with_will_message) link_.send(inflight::disconnect{});
            return;
        }
        properties<packet_type::disconnect> props = d.props;
        constexpr auto expiry = property_id::session_expiry_interval;
        if (d.session_expiry) props.set<expiry>(static_cast<std::uint32_t>(d.session_expiry->count()));
        else if (ends && options_.session_expiry.count() != 0) props.set<expiry>(0); // CONNECT had another.
        link_.send_explained(inflight::disconnect{.reason = d.reason, .props = props});
    }

    template <class Event>
    void tell(const Event& e) {
        event_ = e;
        is_told_ = false;
    }

    // One packet; returns its size, or 0 if there is none to take.
    [[gnu::always_inline]] std::size_t take_packet(std::string_view bytes, time_point now) {
        const result<frame> f = next_frame(bytes, link_.version, options_.maximum_packet_size);
        if (!f) {
            if (f.error() == errc::packet_too_large && link_.is_connected() && !link_.v5())
                return begin_skip(bytes);
            if (f.error() != errc::need_more) link_.fail(f.error());
            return 0;
        }
        if (link_.at == link::phase::connecting) on_first_packet(*f, now);
        else if (const errc bad = on_frame(*f, now); bad != errc::none) link_.fail(bad);
        return f->size;
    }

    // Until CONNACK there is nothing else. [v5:MQTT-3.2.0-1] [v3:MQTT-3.2.0-1]
    void on_first_packet(const frame& f, time_point now) {
        if (f.type() == packet_type::disconnect && link_.v5()) return (void)on_disconnect(f);
        if (f.type() == packet_type::auth && link_.v5()) {
            if (const errc bad = on_auth(f); bad != errc::none) link_.fail(bad);
            return;
        }
        if (f.type() != packet_type::connack) return link_.fail(errc::unexpected_packet);
        // A server that knows only 3.1.1 answers in its own form, two bytes long. [v5:MQTT-3.1.2-2]
        const bool old_form = link_.v5() && f.body.size() == 2;
        const result<connack> p = decode_as<connack>(f, old_form ? protocol_version::v3_1_1 : link_.version);
        if (!p) return link_.fail(p.error());
        connack_ = *p;
        if (old_form || connack_.reason == reason_code::unsupported_protocol_version) {
            tell(event::refused{&connack_, old_form ? protocol_version::v3_1_1 : link_.version, true});
            return link_.fail(errc::version_refused);
        }
        if (connack_.reason != reason_code::success) { // [v3:U3-04]
            tell(event::refused{&connack_, link_.version, false});
            return link_.fail(errc::connection_refused); // [v5:MQTT-3.2.2-7]
        }
        if (const errc bad = judge_connack(); bad != errc::none) return link_.fail(bad);
        if (authentication_.awaits_verdict()) hold_connack(f);
        else on_connack(now);
    }

    errc judge_connack() {
        if (connack_.session_present && (!has_state_ || clean_start(link_.version)))
            return errc::session_not_known; // [v5:MQTT-3.2.2-4] [v3:MQTT-3.2.2-1]
        if (const errc bad = authentication_.received(connack_); bad != errc::none) return bad;
        if (asked_for_client_id_ && !connack_.props.has(property_id::assigned_client_identifier))
            return errc::no_assigned_client_id; // [v5:MQTT-3.2.2-16]
        return errc::none;
    }

    // What it promises counts when it is known to be the server's.
    [[gnu::noinline]] void hold_connack(const frame& f) {
        held_connack_ = f.body;
        link_.at = link::phase::verifying;
        tell_authentication(true, connack_.props);
    }

    template <class Properties>
    void tell_authentication(bool is_final, const Properties& props) {
        const auto data = props.template get<property_id::authentication_data>();
        const auto text = props.template get<property_id::reason_string>();
        tell(event::authentication{is_final, data.value_or(""), text.value_or("")});
    }

    [[gnu::noinline]] errc on_auth(const frame& f) {
        const result<auth> p = decode_as<auth>(f, link_.version);
        if (!p) return p.error();
        const errc bad = authentication_.received(*p);
        if (bad == errc::none) tell_authentication(authentication_.awaits_verdict(), p->props);
        return bad;
    }

    void on_connack(time_point now) {
        if (std::exchange(asked_for_client_id_, false)) // [v5:MQTT-3.1.3-7]
            options_.client_id = *connack_.props.get<property_id::assigned_client_identifier>();
        link_.at = link::phase::connected;
        link_.limits = server_limits::from(connack_);
        keep_alive_.start(link_.limits.keep_alive.value_or(announced_keep_alive_),
                          options_.ping_timeout); // [v5:MQTT-3.1.2-21]

        const bool resumed = connack_.session_present;
        const bool lost = !resumed && was_connected_; // [v5:MQTT-3.2.2-5]
        incoming_.connected(resumed);
        tell(event::connected{&connack_, link_.version, resumed, lost});
        has_state_ = was_connected_ = true;
        is_kept_ = false;
        is_elsewhere_ = false;
        // A CONNACK that was lost on its way may have been that of a new session, without our subscriptions.
        const bool unsure = std::exchange(unanswered_connects_, 0) > 1;
        // Before the messages: a subscription of ours may be for them.
        requests_.connected(!resumed || unsure);
        outgoing_.connected(resumed, now);
    }

    [[gnu::always_inline]] errc on_frame(const frame& f, time_point now) {
        switch (f.type()) {
            case packet_type::publish: return on_publish(f);
            case packet_type::puback: return on_ack<puback>(f, now);
            case packet_type::pubrec: return on_ack<pubrec>(f, now);
            case packet_type::pubcomp: return on_ack<pubcomp>(f, now);
            case packet_type::pubrel: return on_pubrel(f);
            case packet_type::suback: return on_reply<suback>(f);
            case packet_type::unsuback: return on_reply<unsuback>(f);
            case packet_type::pingresp: return on_pingresp(f);
            case packet_type::disconnect:
                return link_.v5() ? on_disconnect(f) : errc::unexpected_packet; // [v3:MQTT-3.14.1-1]
            case packet_type::will: return errc::unknown_packet_type;
            case packet_type::auth: return link_.v5() ? on_auth(f) : errc::unexpected_packet;
            default: return errc::unexpected_packet; // [v5:MQTT-3.2.0-2]
        }
    }

    errc on_publish(const frame& f) {
        auto& m = event_.emplace<event::message>(); // Where it is wanted, since it is large.
        if (const errc bad = decode_into(m.packet, f, link_.version); bad != errc::none) return bad;
        if (m.packet.qos > link_.limits.maximum_qos) return errc::qos_not_supported; // [v5:U5-17]
        const auto arrival = incoming_.publish(m.packet);
        is_told_ = !arrival.deliver;
        return arrival.error;
    }

    template <class Reply>
    errc decode_reply(Reply& p, const frame& f) const {
        const errc bad = decode_into(p, f, link_.version);
        return bad != errc::none || p.props.empty() ? bad : check_explanation(p);
    }

    // Neither acknowledgement nor SUBACK and UNSUBACK explain themselves if CONNECT has asked for that.
    template <class Reply>
    errc check_explanation(const Reply& p) const {
        const bool explains =
            p.props.has(property_id::reason_string) || p.props.has(property_id::user_property);
        constexpr auto wanted = property_id::request_problem_information;
        return explains && options_.connect_properties.get<wanted>() == 0u
                   ? errc::unrequested_information // [v5:MQTT-3.1.2-29]
                   : errc::none;
    }

    template <class Ack>
    errc on_ack(const frame& f, time_point now) {
        Ack p;
        const errc bad = decode_reply(p, f);
        if (bad != errc::none) return bad;
        return outgoing_.template acknowledged<Ack::type>(p.id, p.reason, p.props.bytes(), now);
    }

    errc on_pubrel(const frame& f) {
        pubrel p;
        const errc bad = decode_reply(p, f);
        return bad == errc::none ? incoming_.pubrel(p.id) : bad;
    }

    template <class Reply>
    errc on_reply(const frame& f) {
        Reply p;
        const errc bad = decode_reply(p, f);
        return bad == errc::none ? requests_.answered(p) : bad;
    }

    errc on_pingresp(const frame& f) { // [v5:U5-32]
        const result<pingresp> p = decode_as<pingresp>(f, link_.version);
        if (p) keep_alive_.answered();
        return p.error();
    }

    errc on_disconnect(const frame& f) {
        const result<inflight::disconnect> p = decode_as<inflight::disconnect>(f, link_.version);
        if (!p) return p.error();
        if (p->props.has(property_id::session_expiry_interval))
            return errc::property_not_allowed; // [v5:MQTT-3.14.2-2]
        disconnect_ = *p;
        tell(event::disconnected{&disconnect_});
        link_.fail(errc::server_disconnected); // Which sends nothing in answer.
        return errc::none;
    }

    // A packet above our limit, which 3.1.1 cannot announce. A PUBLISH is read past and acknowledged; if it
    // were not, it would come again with every connection, for ever.
    std::size_t begin_skip(std::string_view bytes) {
        wire::reader in(bytes);
        const unsigned first = in.byte();
        const std::size_t remaining = in.varint(wire::reader::varint_form::any);
        const std::size_t total = bytes.size() - in.left() + remaining;
        const auto level = static_cast<qos>(first >> 1 & 3u);
        if (first >> 4 != static_cast<unsigned>(packet_type::publish) || !is_valid(level)) {
            link_.fail(errc::packet_too_large);
            return 0;
        }
        received_view p;
        p.qos = level;
        p.topic = in.binary();
        if (level != qos::at_most_once) p.id = packet_id{in.two_byte()};
        if (!in.ok()) return 0; // The topic has not arrived yet.
        if (level != qos::at_most_once && p.id == packet_id::none) {
            link_.fail(errc::packet_id_zero);
            return 0;
        }
        const auto arrival = incoming_.publish(p);
        if (arrival.deliver) {
            tell(event::oversized{p.topic, total});
            incoming_.acknowledge(p.delivery, reason_code::success);
        }
        skip_ = total;
        return skip(bytes);
    }

    std::size_t skip(std::string_view bytes) {
        const std::size_t n = std::min(skip_, bytes.size());
        skip_ -= n;
        return n;
    }

    session_options options_;
    Store store_;
    link link_{};
    packet_ids ids_;
    outgoing<Store> outgoing_{link_, ids_, store_, options_};
    incoming<Store> incoming_{link_, store_, options_};
    requests requests_{link_, ids_, options_};
    authentication authentication_{link_, options_};
    keep_alive keep_alive_{};
    std::chrono::seconds announced_keep_alive_{0}; // By CONNECT: what is set later is for the next one.
    event::any event_{}, outcome_{};
    bool is_told_ = true; // event_ has been handed out.
    connack connack_{};
    std::string held_connack_{}; // Its body, while is_verifying().
    inflight::disconnect disconnect_{};
    std::uint64_t ping_end_ = 0; // Position in the output behind the latest PINGREQ.
    std::size_t skip_ = 0; // Bytes of an oversized packet still to come.
    std::optional<time_point> paused_at_{};
    bool has_state_ = false;           // The broker may hold a session that is ours.
    bool is_elsewhere_ = false;        // But not the broker that is asked next.
    unsigned unanswered_connects_ = 0; // Since the last CONNACK.
    bool was_connected_ = false;       // There has been a session, so that one can be lost.
    bool is_kept_ = false;             // By the latest DISCONNECT.
    bool asked_for_client_id_ = false; // CONNECT had none.
};

} // namespace inflight
