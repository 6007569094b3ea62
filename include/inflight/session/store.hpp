// inflight/session/store.hpp - what a session asks of the place where its state is kept.
#pragma once

#include <inflight/codec/decode.hpp>
#include <inflight/session/flow.hpp>
#include <inflight/session/options.hpp>

namespace inflight {

/// An unacknowledged message as a store sees it.
struct stored_message {
    std::uint64_t sequence = 0; // Its key: order of acceptance, never used twice.
    packet_id id{};
    inflight::qos qos{};
    flow state = flow::none; // none: accepted, not sent yet.
    protocol_version version{};
    std::string_view bytes{}; // The PUBLISH packet, with DUP 0.
};

/// Whether its members agree with each other.
inline bool is_consistent(const stored_message& m) {
    if (m.version != protocol_version::v3_1_1 && m.version != protocol_version::v5) return false;
    const bool is_flow = m.qos == qos::at_least_once
                             ? m.state == flow::await_puback
                             : m.state == flow::await_pubrec || m.state == flow::await_pubcomp;
    if (m.state != flow::none && !is_flow) return false;
    const auto f = next_frame(m.bytes, m.version);
    if (!f || f->size != m.bytes.size() || f->type() != packet_type::publish) return false;
    const auto p = decode_as<publish>(*f, m.version);
    return p && p->qos == m.qos && m.qos != qos::at_most_once && p->id == m.id;
}

/// keep(), keep_received() and forget_received() return a ticket: what rests on the record is not sent before
/// the session has heard committed(ticket). Tickets ascend and are committed in that order; ticket 0 is
/// committed already. forget() may be lost in a crash: the message is then sent once more. restore() calls
/// back with everything that was kept and not forgotten: messages in ascending order of sequence, then the
/// identifiers of received QoS 2 messages. It is called twice. What it gives back is checked, and left out if
/// it cannot be true. After a restart a message does not expire before it has been sent: how long it had
/// waited is not known.
template <class S>
concept session_store = requires(S s, const stored_message& m, packet_id id, std::uint64_t n) {
    { s.keep(m) } -> std::convertible_to<std::uint64_t>;
    s.forget(n);
    { s.keep_received(id) } -> std::convertible_to<std::uint64_t>;
    { s.forget_received(id) } -> std::convertible_to<std::uint64_t>;
    s.restore([](const stored_message&) {}, [](packet_id) {});
};

/// Keeps nothing beyond the session itself: the state is gone with the process.
struct memory_store {
    std::uint64_t keep(const stored_message&) { return 0; }
    void forget(std::uint64_t) {}
    std::uint64_t keep_received(packet_id) { return 0; }
    std::uint64_t forget_received(packet_id) { return 0; }
    template <class OnMessage, class OnReceived>
    void restore(OnMessage&&, OnReceived&&) {}
};

static_assert(session_store<memory_store>);

} // namespace inflight
