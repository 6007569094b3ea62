// A session, and the broker that the test plays by hand: packets in, printed packets and events out, and a clock
// that the test turns. A scenario reads like a trace:
//
//     scripted_peer p;
//     p.connect();
//     p.publish("a", "x", qos::at_least_once);
//     CHECK(p.sent() == trace{"PUBLISH qos=1 topic='a' id=1 payload='x' (1 byte)"});
//     CHECK(p.gets(puback{.id = id(1)}) == trace{"published 1: success"});
#pragma once

#include "short_names.hpp"

#include <inflight/session.hpp>

#include <memory>
#include <stdexcept>

using trace = std::vector<std::string>;

inline std::string words(inflight::errc error) { return std::string(inflight::row(error).text); }

/// An event in one line.
struct event_printer {
    inflight::protocol_version version;

    std::string operator()(const inflight::event::connected& e) const {
        return std::string("connected") + (e.session_present ? " resumed" : "") + (e.session_lost ? " lost" : "");
    }
    std::string operator()(const inflight::event::refused& e) const {
        return "refused: " + std::string(inflight::name(e.connack->reason)) + (e.version_refused ? " (version)" : "");
    }
    std::string operator()(const inflight::event::authentication& e) const {
        return std::string(e.is_final ? "authenticated: '" : "asked: '") + std::string(e.data) + "'" +
               (e.reason_string.empty() ? "" : " '" + std::string(e.reason_string) + "'");
    }
    std::string operator()(const inflight::event::message& e) const { return inflight::print<inflight::publish>(e.packet, version); }
    std::string operator()(const inflight::event::oversized& e) const {
        return "oversized '" + std::string(e.topic) + "' " + std::to_string(e.size);
    }
    std::string operator()(const inflight::event::published& e) const {
        return "published " + std::to_string(e.tag) + ": " +
               (e.error == inflight::errc::none ? std::string(inflight::name(e.reason)) : "failed, " + words(e.error));
    }
    std::string operator()(const inflight::event::replied& e) const {
        std::string out = (e.is_subscribe ? "subscribed " : "unsubscribed ") + std::to_string(e.tag);
        for (const std::string& filter : e.filters) out += " '" + filter + "'";
        out += ":";
        if (e.error != inflight::errc::none) return out + " failed, " + words(e.error);
        for (const inflight::reason_code reason : e.reasons) out += " " + std::to_string(inflight::number(reason));
        return out;
    }
    std::string operator()(const inflight::event::disconnected& e) const {
        return "disconnected: " + std::string(inflight::name(e.packet->reason));
    }
};

/// Options for tests: a client id, and the defaults.
inline inflight::session_options test_options() {
    inflight::session_options options;
    options.client_id = "c";
    return options;
}

inline inflight::session_options kept_session() {
    inflight::session_options options = test_options();
    options.keep_session = true;
    return options;
}

/// A CONNACK with the properties that `set` sets, which it borrows until the next call.
inline inflight::connack with(auto&& set) {
    static inflight::properties<inflight::packet_type::connack> props;
    props.clear();
    set(props);
    return {.props = props};
}
inline inflight::connack receive_maximum(std::uint16_t count) {
    return with([=](auto& props) { props.template set<inflight::property_id::receive_maximum>(count); });
}
inline inflight::connack maximum_packet_size(std::uint32_t size) {
    return with([=](auto& props) { props.template set<inflight::property_id::maximum_packet_size>(size); });
}

// A PUBLISH without a payload, printed.
inline std::string publish_line(char qos, const std::string& topic, int mid, bool dup) {
    return std::string("PUBLISH qos=") + qos + (dup ? " dup" : "") + " topic='" + topic + "' id=" + std::to_string(mid) +
           " payload='' (0 bytes)";
}
inline std::string publish_1(const std::string& topic, int mid, bool dup = false) { return publish_line('1', topic, mid, dup); }
inline std::string publish_2(const std::string& topic, int mid, bool dup = false) { return publish_line('2', topic, mid, dup); }

template <inflight::session_store Store = inflight::memory_store>
class scripted_peer {
public:
    inflight::time_point now{std::chrono::hours(1)};
    inflight::client_session<Store> session;
    /// What was delivered, to be acknowledged: 0 is the first.
    std::vector<inflight::delivery> deliveries{};

    explicit scripted_peer(inflight::session_options options = test_options(), Store store = {})
        : session(std::move(options), std::move(store)) {}

    /// A transport, up to CONNECT, which sent() shows.
    void open(inflight::protocol_version version = v5) {
        preferred_ = version;
        session.transport_opened(version);
    }

    /// A transport, CONNECT, which is not shown, and CONNACK.
    trace connect(inflight::protocol_version version = v5, const inflight::connack& answer = {}) {
        open(version);
        (void)sent();
        return gets(answer);
    }
    trace resume(inflight::protocol_version version = v5, inflight::connack answer = {}) {
        answer.session_present = true;
        return connect(version, answer);
    }

    void cut() {
        session.transport_closed();
        inbox_.clear();
        outbox_.clear();
        stream_.clear();
    }

    /// The broker sends a packet. What comes of it.
    template <class Packet>
    trace gets(const Packet& p) {
        std::string bytes;
        const inflight::errc bad = inflight::encode(p, session.version(), bytes);
        if (bad != inflight::errc::none) throw std::invalid_argument("cannot be encoded: " + words(bad));
        return gets_bytes(bytes);
    }

    /// The broker sends bytes, whole packets or not.
    trace gets_bytes(std::string_view bytes) {
        inbox_.append(bytes);
        trace out;
        while (true) {
            // An allocation of just this size, so that AddressSanitizer sees each byte read too many.
            const std::vector<char> exact(inbox_.begin(), inbox_.end());
            const std::size_t taken = session.received({exact.data(), exact.size()}, now);
            drain(out);
            if (taken == 0) return out;
            inbox_.erase(0, taken);
        }
    }

    /// Events that came of something else than packets.
    trace events() {
        trace out;
        drain(out);
        return out;
    }

    /// Everything the session has sent since this was last asked, as printed packets.
    trace sent() {
        carry();
        return std::exchange(outbox_, {});
    }

    /// Writes the output, as a fast transport does.
    void carry() {
        for (auto pieces = session.output(); !pieces.empty(); pieces = session.output()) {
            std::size_t size = 0;
            for (const std::string_view piece : pieces) {
                stream_.append(piece);
                size += piece.size();
            }
            session.written(size, now);
        }
        while (true) {
            const auto f = inflight::next_frame(stream_, session.version());
            if (!f) break;
            const auto p = inflight::decode(*f, session.version());
            outbox_.push_back(p ? inflight::print(*p, session.version()) : "BAD PACKET: " + words(p.error()));
            stream_.erase(0, f->size);
        }
    }

    /// Time passes, and every deadline in it is kept.
    void wait(std::chrono::nanoseconds time) {
        const inflight::time_point end = now + std::chrono::duration_cast<inflight::time_point::duration>(time);
        for (int i = 0; i != 10'000; ++i) {
            carry();
            const auto due = session.deadline();
            if (!due || *due > end) {
                now = end;
                return;
            }
            now = std::max(now, *due);
            session.deadline_reached(now);
        }
        throw std::logic_error("a deadline that does not move");
    }

    /// Publishes with the next tag: 1, 2, 3 ...
    inflight::publish_result publish(std::string_view topic, std::string_view payload, inflight::qos level) {
        return publish(inflight::publish{.qos = level, .topic = topic, .payload = payload});
    }
    inflight::publish_result publish(const inflight::publish& p) {
        return session.publish(p, ++last_tag_, preferred_, now);
    }
    inflight::result<inflight::packet_id> subscribe(std::string_view filter,
                                                    inflight::qos level = inflight::qos::at_least_once) {
        const inflight::subscribe p{.subscriptions = {{.filter = filter, .qos = level}}};
        return session.subscribe(p, ++last_tag_, preferred_);
    }
    inflight::result<inflight::packet_id> unsubscribe(std::string_view filter) {
        return session.unsubscribe({.filters = {filter}}, ++last_tag_, preferred_);
    }

private:
    void drain(trace& out) {
        while (auto e = session.next_event()) {
            out.push_back(std::visit(event_printer{session.version()}, *e));
            if (const auto* m = std::get_if<inflight::event::message>(&*e)) deliveries.push_back(m->packet.delivery);
        }
    }

    inflight::protocol_version preferred_ = v5;
    inflight::operation last_tag_ = 0;
    std::string inbox_{}, stream_{};
    trace outbox_{};
};
