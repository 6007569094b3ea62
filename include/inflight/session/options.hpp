// inflight/session/options.hpp - what a session is told, and what publish() answers.
#pragma once

#include <inflight/codec/message.hpp>

#include <chrono>
#include <limits>

namespace inflight {

/// A point in time, always given by the caller: codec and session read no clock.
using time_point = std::chrono::steady_clock::time_point;

/// What happens to unacknowledged messages when the broker has lost the session.
enum class lost_session_policy : std::uint8_t {
    republish, // Published again as new messages, with the same identifier and DUP 0. Loses nothing.
    fail,      // Completed with errc::session_lost.
};

/// What publish() does when max_queued_messages or max_queued_bytes is reached. Only messages that were never
/// sent are dropped, the oldest first; each completes with errc::message_dropped.
enum class queue_policy : std::uint8_t {
    reject,            // Refuses the new message, as Python's paho does and as brokers do by default.
    drop_oldest,       // For values of which only the latest count. (Paho's deleteOldestMessages.)
    drop_oldest_qos_0, // As long as QoS 0 messages wait; never drops what QoS 1 and 2 have promised.
    wait,              // async_publish() waits for room; publish(), which never waits, refuses.
};

struct session_options {
    /// Key of the session at the broker. The clients fill in a generated one when it is empty.
    std::string client_id{};
    std::optional<std::string> user_name{};
    std::optional<std::string> password{};
    std::optional<will_message> will{};
    /// Seconds without a packet of ours after which a PINGREQ goes out; 0 turns it off. At most 65,535.
    std::chrono::seconds keep_alive{60};
    /// How long a PINGREQ may stay without its answer; half the keep alive if that is shorter.
    std::chrono::milliseconds ping_timeout{10'000};

    /// The session outlives this object: it is resumed from the first connect on, and not ended by
    /// disconnect().
    bool keep_session = false;
    /// 5.0: how long the broker keeps the session of a connection that broke. 3.1.1 has no such limit.
    std::chrono::seconds session_expiry{300};
    lost_session_policy on_lost_session = lost_session_policy::republish;
    /// Renew the subscriptions when the broker has lost the session.
    bool resubscribe = true;

    /// QoS 1 and 2 messages sent and not acknowledged at a time, 1 to 65,535. 0: as many as the broker takes,
    /// which 5.0 announces; in 3.1.1, where it cannot, 20.
    std::uint16_t max_inflight_messages = 0;
    /// Accepted messages that wait to be sent for the first time. 0 is the most there can be, 65,535.
    std::size_t max_queued_messages = 65'535;
    /// Bytes of all messages held, waiting or unacknowledged: topic, properties and payload counted. One that
    /// could never be held is refused as too large. 0: no limit.
    std::size_t max_queued_bytes = std::size_t{64} << 20;
    queue_policy on_full_queue = queue_policy::reject;
    /// How long the oldest unacknowledged message may wait for its acknowledgement; doubled after each
    /// expiry. 0: for ever.
    std::chrono::milliseconds ack_timeout{20'000};

    /// 5.0: QoS 1 and 2 messages the broker may send before we acknowledge, 1 to 65,535.
    std::uint16_t receive_maximum = 1024;
    /// Largest packet we take, in bytes. In 3.1.1 a larger message is read past and reported.
    std::uint32_t maximum_packet_size = std::uint32_t{16} << 20;
    /// 5.0: topic aliases the broker may use towards us.
    std::uint16_t topic_alias_maximum = 0;
    /// 5.0: topics for which we use an alias towards the broker at a time, if it takes as many. From the
    /// second message on such a topic costs five bytes, however long it is. 0: none.
    std::uint16_t outgoing_topic_aliases = 16;
    /// Further CONNECT properties (User Properties, Request Response Information ...).
    properties<packet_type::connect> connect_properties{};

    /// The first packet identifier to use, 1 to 65,535. Empty: 1; the clients draw it at random when
    /// keep_session adopts a session of which nothing is stored, since identifiers may be open at the broker.
    std::optional<std::uint16_t> first_packet_id{};
};

/// What publish() answers at once. Numbers that Python's paho also has mean the same there.
enum class publish_status : int {
    success = 0,        // Accepted on a live connection.
    queued_offline = 4, // Accepted while there is no connection; sent after the next CONNACK.

    // Refused: nothing is kept, and nothing sent.
    invalid_qos = 3,      // Not 0, 1 or 2.
    packet_too_large = 9, // Larger than max_queued_bytes, the broker's Maximum Packet Size, or MQTT allows.
    queue_full = 15,      // max_queued_messages or max_queued_bytes is reached.
    topic_empty = 100,
    packet_ids_exhausted = 101,
    shutting_down = 102,        // The client has been stopped.
    qos_not_supported = 103,    // The QoS is above the broker's Maximum QoS.
    retain_not_supported = 104, // The broker keeps no retained messages.
    topic_too_long = 105,       // Longer than 65,535 bytes.
    topic_not_utf8 = 106,
    topic_nul = 107, // It holds U+0000.
    topic_wildcard = 108,
    response_topic_invalid = 109, // As a topic.
    topic_alias_by_hand = 110,    // The client sets aliases itself.
    subscription_identifier_sent = 111,
    property_value = 112, // Out of its range.
    property_repeated = 113,
    property_not_allowed = 114, // In a PUBLISH.
    property_not_utf8 = 115,
    property_too_long = 116, // A text of more than 65,535 bytes.
};

namespace detail {

struct refused_publish {
    publish_status status;
    errc error;
};

inline constexpr auto refused_publishes = std::to_array<refused_publish>({
    {publish_status::invalid_qos, errc::invalid_qos},
    {publish_status::packet_too_large, errc::packet_too_large},
    {publish_status::queue_full, errc::queue_full},
    {publish_status::topic_empty, errc::topic_empty},
    {publish_status::packet_ids_exhausted, errc::packet_ids_exhausted},
    {publish_status::shutting_down, errc::shutting_down},
    {publish_status::qos_not_supported, errc::qos_not_supported},
    {publish_status::retain_not_supported, errc::retain_not_supported},
    {publish_status::topic_too_long, errc::topic_too_long},
    {publish_status::topic_not_utf8, errc::topic_not_utf8},
    {publish_status::topic_nul, errc::topic_nul},
    {publish_status::topic_wildcard, errc::topic_wildcard},
    {publish_status::response_topic_invalid, errc::response_topic_invalid},
    {publish_status::topic_alias_by_hand, errc::topic_alias_by_hand},
    {publish_status::subscription_identifier_sent, errc::subscription_identifier_sent},
    {publish_status::property_value, errc::property_value},
    {publish_status::property_repeated, errc::property_repeated},
    {publish_status::property_not_allowed, errc::property_not_allowed},
    {publish_status::property_not_utf8, errc::property_not_utf8},
    {publish_status::property_too_long, errc::property_too_long},
});

} // namespace detail

/// The error of a publish that was refused; none of one that was accepted.
constexpr errc to_errc(publish_status status) {
    for (const detail::refused_publish& r : detail::refused_publishes)
        if (r.status == status) return r.error;
    return errc::none;
}

constexpr std::string_view name(publish_status status) {
    if (status == publish_status::success) return "success";
    if (status == publish_status::queued_offline) return "queued while offline";
    return row(to_errc(status)).text;
}

/// The status of a publish that is refused for this reason.
[[gnu::cold]] constexpr publish_status to_status(errc error) {
    for (const detail::refused_publish& r : detail::refused_publishes)
        if (r.error == error) return r.status;
    return publish_status::property_value; // What is left is wrong with a property.
}

/// Status and message identifier; true when the message was accepted.
struct publish_result {
    publish_status status = publish_status::success;
    std::uint16_t mid = 0; // The packet identifier; of a QoS 0 message a tracking number. 0 when refused.
    explicit constexpr operator bool() const {
        return status == publish_status::success || status == publish_status::queued_offline;
    }
    friend bool operator==(const publish_result&, const publish_result&) = default;
};

/// What the broker allows on this connection, and what it has decided: CONNACK properties, with the values
/// that their absence means. In 3.1.1, which announces nothing, these defaults.
struct server_limits {
    std::uint16_t receive_maximum = 65'535; // QoS 1 and 2 messages that may be unacknowledged.
    inflight::qos maximum_qos = qos::exactly_once;
    bool retain_available = true;
    std::size_t maximum_packet_size = wire::packet_max; // In bytes.
    std::uint16_t topic_alias_maximum = 0;
    bool wildcard_subscriptions = true;
    bool subscription_identifiers = true;
    bool shared_subscriptions = true;
    std::optional<std::chrono::seconds> keep_alive{};     // Replaces ours; empty: ours holds.
    std::optional<std::chrono::seconds> session_expiry{}; // In the same way.
    std::string assigned_client_id{};   // Where CONNECT had none.
    std::string response_information{}; // For Response Topics, if CONNECT has requested it.

    /// Limits never carry over from one connection to the next. [v5:MQTT-4.9.0-1] [v5:MQTT-3.2.2-18]
    static server_limits from(const connack& p) {
        server_limits out;
        p.props.for_each([&](const property& one) { out.take(one); });
        return out;
    }

private:
    void take(const property& one) {
        const auto number = one.number;
        switch (one.row->id) {
            case property_id::receive_maximum: receive_maximum = static_cast<std::uint16_t>(number); break;
            case property_id::maximum_qos: maximum_qos = static_cast<inflight::qos>(number); break;
            case property_id::retain_available: retain_available = number != 0; break;
            case property_id::maximum_packet_size: maximum_packet_size = number; break;
            case property_id::topic_alias_maximum:
                topic_alias_maximum = static_cast<std::uint16_t>(number);
                break;
            case property_id::wildcard_subscription_available: wildcard_subscriptions = number != 0; break;
            case property_id::subscription_identifier_available:
                subscription_identifiers = number != 0;
                break;
            case property_id::shared_subscription_available: shared_subscriptions = number != 0; break;
            case property_id::server_keep_alive: keep_alive = std::chrono::seconds(number); break;
            case property_id::session_expiry_interval: session_expiry = std::chrono::seconds(number); break;
            case property_id::assigned_client_identifier: assigned_client_id = one.text; break;
            case property_id::response_information: response_information = one.text; break;
            default: break;
        }
    }
};

} // namespace inflight
