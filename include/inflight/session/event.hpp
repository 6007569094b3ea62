// inflight/session/event.hpp - what a session tells whoever drives it.
#pragma once

#include <inflight/session/delivery.hpp>
#include <inflight/session/explanation.hpp>
#include <inflight/session/resend_queue.hpp>

#include <variant>
#include <vector>

namespace inflight {

/// Texts, packets and properties in events borrow: from the bytes given to received(), until the next call of
/// it; those of `published` from the session, until the next event.
namespace event {

/// CONNACK with success.
struct connected {
    const inflight::connack* connack;
    protocol_version version;
    bool session_present;
    bool session_lost; // We had state, the broker has none: subscriptions and messages are sent anew.
};

/// CONNACK with a refusal.
struct refused {
    const inflight::connack* connack;
    protocol_version version; // Of our CONNECT.
    bool version_refused;     // Another protocol version may be welcome.
};

/// A step of the server's in an authentication exchange: AUTH, or, at connect, the CONNACK that ends it.
struct authentication {
    bool is_final; // The server is content. False: it wants an answer, client_session::authenticate().
    std::string_view data;
    std::string_view reason_string;
};

/// An Application Message. Acknowledge it when the application has it, unless its QoS is 0.
struct message {
    received_view packet;
};

/// A message larger than our Maximum Packet Size was read past and acknowledged (3.1.1 only).
struct oversized {
    std::string_view topic;
    std::size_t size; // Of the packet, in bytes.
};

/// A message has its outcome: exactly one for each publish() that was accepted with a tag.
struct published {
    operation tag;
    packet_id id;
    inflight::qos qos;
    errc error;
    reason_code reason; // Of the acknowledgement, where error is none; of QoS 2, of its PUBREC.
    explanation::view_type why{}; // What came with it.
};

/// SUBSCRIBE or UNSUBSCRIBE has its answer. tag 0: the session renewed subscriptions by itself.
struct replied {
    operation tag;
    packet_id id;
    bool is_subscribe;
    errc error;
    std::vector<reason_code> reasons; // One for each filter, in their order; a 3.1.1 UNSUBACK has none.
    std::vector<std::string> filters{}; // tag 0: those that were to be renewed.
    explanation why{};
};

/// DISCONNECT from the broker.
struct disconnected {
    const inflight::disconnect* packet;
};

using any =
    std::variant<connected, refused, authentication, message, oversized, published, replied, disconnected>;

} // namespace event
} // namespace inflight
