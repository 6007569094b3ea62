// Bytes taken as a life of a session: transports that open and close, packets and garbage from the broker, wishes of the
// application, partial writes, time. Whatever comes, the session does not crash, what it sends are packets in a legal
// order, and each accepted publish has one outcome.
#include <inflight/session.hpp>

#include "fuzz/input.hpp"

#include <map>

using namespace inflight;

namespace {

// Commits late, if told so.
struct slow_store : memory_store {
    std::uint64_t* last = nullptr;
    std::uint64_t keep(const stored_message&) { return last ? ++*last : 0; }
    std::uint64_t keep_received(packet_id) { return last ? ++*last : 0; }
};

session_options options_from(input& in, bool has_method) {
    session_options out;
    const unsigned bits = in.byte();
    if (bits & 1) out.client_id = "c";
    out.keep_session = (bits & 2) != 0;
    if (bits & 4) out.on_lost_session = lost_session_policy::fail;
    if (bits & 8) out.ack_timeout = std::chrono::milliseconds(in.byte());
    if (bits & 16) out.keep_alive = std::chrono::seconds(in.byte());
    out.max_inflight_messages = bits & 32 ? static_cast<std::uint16_t>(in.byte()) : std::uint16_t{0};
    if (bits & 64) out.maximum_packet_size = 1 + in.byte();
    if (bits & 128) out.first_packet_id = static_cast<std::uint16_t>(in.two_byte());
    out.receive_maximum = 8;
    out.topic_alias_maximum = 3;
    out.max_queued_messages = 40;
    out.on_full_queue = static_cast<queue_policy>(bits % 4);
    if (has_method) out.connect_properties.set<property_id::authentication_method>("M");
    return out;
}

class life {
public:
    explicit life(input in)
        : in_(in), decisions_(in_.byte()), lag_((decisions_ & 1) != 0), has_method_((decisions_ & 2) != 0),
          session_(options_from(in_, has_method_), slow_store{{}, lag_ ? &ticket_ : nullptr}) {}

    void run() {
        while (!in_.at_end()) {
            step();
            take_events();
            check(session_.unsettled() >= open_.size(), "what has no outcome is held");
            check(held_.empty() || look() == held_, "output stays as it is until it is written");
            held_ = look();
        }
        close();
        session_.stop();
        session_.abandon(errc::shutting_down);
        take_events();
        check(open_.empty() && session_.unsettled() == 0 && session_.open_requests() == 0, "everything ends");
    }

private:
    void step() {
        switch (in_.byte() % 20) {
            case 0: open(in_.byte() & 1 ? protocol_version::v5 : protocol_version::v3_1_1); break;
            case 1: close(); break;
            case 2: receive(in_.bytes(in_.byte())); break;
            case 3: receive_connack(); break;
            case 4:
            case 5: receive_acknowledgement(); break;
            case 6: receive_publish(); break;
            case 7: receive_reply(); break;
            case 8:
            case 9: publish_one(); break;
            case 10: request(); break;
            case 11: acknowledge(); break;
            case 12:
            case 13: write(in_.two_byte()); break;
            case 14: pass_time(std::chrono::milliseconds(in_.two_byte())); break;
            case 15: pass_time(std::chrono::seconds(in_.byte())); break;
            case 16: session_.committed(ticket_); break;
            case 17: in_.byte() & 1 ? session_.reading_paused(now_) : session_.reading_resumed(now_); break;
            case 18: session_.set_max_inflight_messages(static_cast<std::uint16_t>(in_.byte()), now_); break;
            default: rare(); break;
        }
    }

    void rare() {
        const unsigned which = in_.byte();
        if (which >= 240) return authenticate(which);
        switch (which % 6) {
            case 0: session_.disconnect(static_cast<reason_code>(in_.byte())); break;
            case 1: session_.fail(errc::timed_out); break;
            case 2: session_.server_changed(); break;
            case 3: session_.abandon(errc::not_connected); break;
            case 4: session_.set_max_queued_messages(in_.byte()); break;
            default: receive(std::string_view("\xD0\0", 2)); break;
        }
    }

    void authenticate(unsigned which) {
        const auto props = properties<packet_type::auth>().set<property_id::authentication_method>("M");
        switch (which % 5) {
            case 0: receive(packet(auth{.reason = reason_code::continue_authentication, .props = props})); break;
            case 1: receive(packet(auth{.props = props})); break;
            case 2: (void)session_.authenticate("answer"); break;
            case 3: (void)session_.reauthenticate("again"); break;
            default: session_.authenticated(now_); break;
        }
    }

    void open(protocol_version version) {
        if (is_open_) return;
        session_.transport_opened(version);
        is_open_ = true;
        sent_connect_ = sent_disconnect_ = got_connack_ = has_repeats_ = false;
        version_ = version;
        held_ = look();
    }
    void close() {
        if (!is_open_) return;
        session_.transport_closed();
        is_open_ = false;
        inbox_.clear();
        stream_.clear();
        held_.clear();
    }

    void receive(std::string_view bytes) {
        if (!is_open_) return;
        inbox_.append(bytes);
        for (int i = 0; i != 1000; ++i) {
            const std::vector<char> exact(inbox_.begin(), inbox_.end());
            const bool was_closing = session_.is_closing();
            const std::size_t taken = session_.received({exact.data(), exact.size()}, now_);
            check(taken <= exact.size() && (taken == 0 || !was_closing), "no more is taken than there is");
            note_repeats({exact.data(), taken});
            take_events();
            if (taken == 0) return;
            inbox_.erase(0, taken);
        }
    }
    // The session forgives a broker that repeats more than it may.
    void note_repeats(std::string_view taken) {
        while (const auto f = next_frame(taken, version_)) {
            has_repeats_ = has_repeats_ || (f->type() == packet_type::publish && (f->first & 8) != 0);
            taken.remove_prefix(f->size);
        }
    }
    void receive(const packet& p) {
        std::string bytes;
        if (encode(p, version_, bytes) == errc::none) receive(bytes);
    }

    void receive_connack() {
        const unsigned bits = in_.byte();
        properties<packet_type::connack> props;
        if (bits & 2) props.set<property_id::receive_maximum>(1 + in_.byte() % 4);
        if (bits & 4) props.set<property_id::maximum_qos>(in_.byte() & 1);
        if (bits & 8) props.set<property_id::maximum_packet_size>(1 + in_.byte());
        if (bits & 16) props.set<property_id::server_keep_alive>(in_.byte());
        if (bits & 32) props.set<property_id::retain_available>(0);
        if (bits & 64) props.set<property_id::assigned_client_identifier>("made up");
        if (has_method_) props.set<property_id::authentication_method>("M");
        const auto reason = bits & 128 ? static_cast<reason_code>(in_.byte()) : reason_code::success;
        receive(packet(connack{.session_present = (bits & 1) != 0, .reason = reason, .props = props}));
    }
    void receive_acknowledgement() {
        const unsigned kind = in_.byte();
        const packet_id id{static_cast<std::uint16_t>(kind & 8 ? in_.two_byte() : in_.byte())};
        const auto reason = kind & 4 ? reason_code::quota_exceeded : reason_code::success;
        switch (kind & 3) {
            case 0: return receive(packet(puback{.id = id, .reason = reason}));
            case 1: return receive(packet(pubrec{.id = id, .reason = reason}));
            case 2: return receive(packet(pubcomp{.id = id}));
            default: return receive(packet(pubrel{.id = id}));
        }
    }
    void receive_publish() {
        const unsigned bits = in_.byte();
        const auto level = static_cast<qos>(bits & 3);
        const packet_id id{static_cast<std::uint16_t>(level == qos::at_most_once ? 0 : in_.byte())};
        properties<packet_type::publish> props;
        if (bits & 4) props.set<property_id::topic_alias>(1 + in_.byte() % 4);
        const std::string payload(bits & 8 ? in_.byte() * 20 : 3, 'x');
        const bool dup = (bits & 16) != 0 && level != qos::at_most_once;
        const std::string_view topic = bits & 32 ? "" : "t";
        receive(packet(publish{.dup = dup, .qos = level, .topic = topic, .id = id, .props = props, .payload = payload}));
    }
    void receive_reply() {
        const unsigned bits = in_.byte();
        const packet_id id{static_cast<std::uint16_t>(in_.byte())};
        const std::vector<reason_code> reasons(1 + (bits >> 1 & 1), bits & 4 ? reason_code::unspecified_error : reason_code::success);
        if (bits & 1) receive(packet(suback{.id = id, .reasons = reasons}));
        else receive(packet(unsuback{.id = id, .reasons = version_ == protocol_version::v5 ? reasons : std::vector<reason_code>{}}));
    }

    void publish_one() {
        const unsigned bits = in_.byte();
        properties<packet_type::publish> props;
        if (bits & 4) props.set<property_id::message_expiry_interval>(in_.byte());
        const std::string payload(bits & 8 ? 5000 + in_.byte() : bits & 64 ? 100'000 : 3, 'x');
        const operation tag = bits & 16 ? 0 : ++last_tag_;
        publish p{.qos = static_cast<qos>(bits & 3), .topic = "t", .props = props, .payload = payload};
        p.retain = (bits & 32) != 0;
        const auto got = session_.publish(p, tag, version_, now_);
        if (got && tag != 0) open_[tag] = 0;
        if (bits & 128 && session_.detach(tag, packet_id{got.mid})) open_.erase(tag);
    }
    void request() {
        const unsigned bits = in_.byte();
        const std::string filter(1, static_cast<char>('a' + (bits >> 4 & 3)));
        if (bits & 1) (void)session_.subscribe({.subscriptions = {{.filter = bits & 2 ? "w/#" : filter}}}, ++last_tag_, version_);
        else (void)session_.unsubscribe({.filters = {filter}}, ++last_tag_, version_);
    }
    void acknowledge() {
        if (deliveries_.empty()) return;
        const std::size_t which = in_.byte() % deliveries_.size();
        (void)session_.acknowledge(deliveries_[which], in_.byte() & 1 ? reason_code::quota_exceeded : reason_code::success);
    }

    void write(std::size_t at_most) {
        if (!is_open_) return;
        std::size_t size = 0;
        for (const std::string_view piece : session_.output()) {
            const std::string_view part = piece.substr(0, at_most - size);
            stream_.append(part);
            size += part.size();
            if (size == at_most) break;
        }
        session_.written(size, now_);
        held_ = look();
        while (true) {
            const auto f = next_frame(stream_, version_);
            if (!f) return check(f.error() == errc::need_more, "output is made of packets");
            const auto p = decode(*f, version_);
            check(bool(p), "output can be decoded");
            check(!sent_disconnect_, "nothing follows DISCONNECT");
            check((type_of(*p) == packet_type::connect) == !sent_connect_, "CONNECT comes first, and once");
            const bool is_early = type_of(*p) == packet_type::connect || type_of(*p) == packet_type::auth;
            check(is_early || got_connack_, "nothing but CONNECT, and AUTH if it names a method, before CONNACK");
            check(type_of(*p) != packet_type::auth || has_method_, "no AUTH without a method");
            sent_connect_ = true;
            sent_disconnect_ = type_of(*p) == packet_type::disconnect;
            stream_.erase(0, f->size);
        }
    }

    void pass_time(std::chrono::nanoseconds time) {
        now_ += std::chrono::duration_cast<time_point::duration>(time);
        const auto due = session_.deadline();
        if (!due || *due > now_) return;
        session_.deadline_reached(now_);
        const auto next = session_.deadline();
        check(!next || *next > now_, "a deadline that was kept moves");
    }

    // What is handed out, in short. AddressSanitizer sees whether it is there still.
    std::string look() {
        std::string out;
        if (is_open_)
            for (const std::string_view piece : session_.output())
                out.append(std::to_string(piece.size())).append({piece.front(), piece[piece.size() / 2], piece.back()});
        return out;
    }

    void take_events() {
        while (auto e = session_.next_event()) {
            if (const auto* m = std::get_if<event::message>(&*e)) {
                check(!m->packet.topic.empty(), "a delivered message has its topic");
                if (deliveries_.size() < 1000) deliveries_.push_back(m->packet.delivery);
            } else if (std::get_if<event::connected>(&*e)) {
                got_connack_ = true;
            } else if (const auto* a = std::get_if<event::authentication>(&*e)) {
                got_connack_ = got_connack_ || a->is_final;
            } else if (const auto* p = std::get_if<event::published>(&*e)) {
                check(open_.erase(p->tag) == 1, "one outcome for each accepted publish");
            }
        }
        const bool is_limited = session_.version() == protocol_version::v5 && !has_repeats_;
        check(session_.unacknowledged() <= 8 || !is_limited, "our Receive Maximum bounds what is open");
    }

    input in_;
    unsigned decisions_;
    bool lag_, has_method_;
    std::uint64_t ticket_ = 0;
    time_point now_{std::chrono::hours(1)};
    client_session<slow_store> session_;
    bool is_open_ = false, sent_connect_ = false, sent_disconnect_ = false, got_connack_ = false, has_repeats_ = false;
    protocol_version version_ = protocol_version::v5;
    std::string inbox_{}, stream_{}, held_{};
    std::vector<delivery> deliveries_{};
    std::map<operation, int> open_{};
    operation last_tag_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    life(input(data, size)).run();
    return 0;
}
