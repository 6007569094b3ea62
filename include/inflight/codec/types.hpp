// inflight/codec/types.hpp - the words of the protocol: versions, packet types, QoS, Reason Codes.
// Standard: MQTT 5.0 sections 2.1.2, 2.4, 4.3; MQTT 3.1.1 sections 2.2.1, 3.2.2.3, 4.3.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace inflight {

/// The Protocol Version byte of CONNECT is the value.
enum class protocol_version : std::uint8_t { v3_1_1 = 4, v5 = 5 };

enum class packet_type : std::uint8_t {
    will = 0, // Reserved on the wire; here it names the Will Properties of CONNECT.
    connect, connack, publish, puback, pubrec, pubrel, pubcomp, subscribe,
    suback, unsubscribe, unsuback, pingreq, pingresp, disconnect, auth,
};

inline constexpr std::array<std::string_view, 16> packet_names{
    "WILL", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP", "SUBSCRIBE",
    "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH"};

constexpr std::string_view name(packet_type type) { return packet_names[static_cast<std::size_t>(type)]; }

enum class qos : std::uint8_t { at_most_once = 0, at_least_once = 1, exactly_once = 2 };

/// A Packet Identifier, 1 to 65,535; `none` stands where a packet carries none.
enum class packet_id : std::uint16_t { none = 0 };

constexpr std::uint16_t number(packet_id id) { return static_cast<std::uint16_t>(id); }

enum class retain_handling : std::uint8_t { send = 0, send_if_new = 1, do_not_send = 2 };

constexpr bool is_valid(bool) { return true; }
constexpr bool is_valid(qos value) { return value <= qos::exactly_once; }
constexpr bool is_valid(retain_handling value) { return value <= retain_handling::do_not_send; }

/// A set of packet types: where a property or a Reason Code may stand.
class packet_set {
public:
    template <class... Types>
    constexpr explicit packet_set(Types... types) : bits_((0u | ... | bit(types))) {}
    constexpr bool has(packet_type type) const { return (bits_ & bit(type)) != 0; }

private:
    static constexpr unsigned bit(packet_type type) { return 1u << static_cast<unsigned>(type); }
    unsigned bits_;
};

/// MQTT 5.0 table 2-6. The return codes of 3.1.1 are mapped to these when they are decoded.
enum class reason_code : std::uint8_t {
    success = 0x00, // also "normal disconnection" and "granted QoS 0"
    granted_qos_1 = 0x01,
    granted_qos_2 = 0x02,
    disconnect_with_will_message = 0x04,
    no_matching_subscribers = 0x10,
    no_subscription_existed = 0x11,
    continue_authentication = 0x18,
    re_authenticate = 0x19,
    unspecified_error = 0x80,
    malformed_packet = 0x81,
    protocol_error = 0x82,
    implementation_specific_error = 0x83,
    unsupported_protocol_version = 0x84,
    client_identifier_not_valid = 0x85,
    bad_user_name_or_password = 0x86,
    not_authorized = 0x87,
    server_unavailable = 0x88,
    server_busy = 0x89,
    banned = 0x8A,
    server_shutting_down = 0x8B,
    bad_authentication_method = 0x8C,
    keep_alive_timeout = 0x8D,
    session_taken_over = 0x8E,
    topic_filter_invalid = 0x8F,
    topic_name_invalid = 0x90,
    packet_identifier_in_use = 0x91,
    packet_identifier_not_found = 0x92,
    receive_maximum_exceeded = 0x93,
    topic_alias_invalid = 0x94,
    packet_too_large = 0x95,
    message_rate_too_high = 0x96,
    quota_exceeded = 0x97,
    administrative_action = 0x98,
    payload_format_invalid = 0x99,
    retain_not_supported = 0x9A,
    qos_not_supported = 0x9B,
    use_another_server = 0x9C,
    server_moved = 0x9D,
    shared_subscriptions_not_supported = 0x9E,
    connection_rate_exceeded = 0x9F,
    maximum_connect_time = 0xA0,
    subscription_identifiers_not_supported = 0xA1,
    wildcard_subscriptions_not_supported = 0xA2,
};

constexpr std::uint8_t number(reason_code code) { return static_cast<std::uint8_t>(code); }

/// Codes from 0x80 on report a failure.
constexpr bool is_refusal(reason_code code) { return number(code) >= 0x80; }

struct reason_row {
    reason_code code;
    std::string_view name;
    packet_set in;
};

// MQTT 5.0 table 2-6, a row for each code, in ascending order.
inline constexpr auto reason_table = [] {
    using enum packet_type;
    using rc = reason_code;
    constexpr packet_set acks{connack, puback, pubrec, suback, unsuback, disconnect};
    return std::to_array<reason_row>({
        {rc::success, "success", packet_set{connack, puback, pubrec, pubrel, pubcomp, suback, unsuback, disconnect, auth}},
        {rc::granted_qos_1, "granted QoS 1", packet_set{suback}},
        {rc::granted_qos_2, "granted QoS 2", packet_set{suback}},
        {rc::disconnect_with_will_message, "disconnect with Will Message", packet_set{disconnect}},
        {rc::no_matching_subscribers, "no matching subscribers", packet_set{puback, pubrec}},
        {rc::no_subscription_existed, "no subscription existed", packet_set{unsuback}},
        {rc::continue_authentication, "continue authentication", packet_set{auth}},
        {rc::re_authenticate, "re-authenticate", packet_set{auth}},
        {rc::unspecified_error, "unspecified error", acks},
        {rc::malformed_packet, "malformed packet", packet_set{connack, disconnect}},
        {rc::protocol_error, "protocol error", packet_set{connack, disconnect}},
        {rc::implementation_specific_error, "implementation specific error", acks},
        {rc::unsupported_protocol_version, "unsupported protocol version", packet_set{connack}},
        {rc::client_identifier_not_valid, "client identifier not valid", packet_set{connack}},
        {rc::bad_user_name_or_password, "bad user name or password", packet_set{connack}},
        {rc::not_authorized, "not authorized", acks},
        {rc::server_unavailable, "server unavailable", packet_set{connack}},
        {rc::server_busy, "server busy", packet_set{connack, disconnect}},
        {rc::banned, "banned", packet_set{connack}},
        {rc::server_shutting_down, "server shutting down", packet_set{disconnect}},
        {rc::bad_authentication_method, "bad authentication method", packet_set{connack, disconnect}},
        {rc::keep_alive_timeout, "keep alive timeout", packet_set{disconnect}},
        {rc::session_taken_over, "session taken over", packet_set{disconnect}},
        {rc::topic_filter_invalid, "topic filter invalid", packet_set{suback, unsuback, disconnect}},
        {rc::topic_name_invalid, "topic name invalid", packet_set{connack, puback, pubrec, disconnect}},
        {rc::packet_identifier_in_use, "packet identifier in use", packet_set{puback, pubrec, suback, unsuback}},
        {rc::packet_identifier_not_found, "packet identifier not found", packet_set{pubrel, pubcomp}},
        {rc::receive_maximum_exceeded, "receive maximum exceeded", packet_set{disconnect}},
        {rc::topic_alias_invalid, "topic alias invalid", packet_set{disconnect}},
        {rc::packet_too_large, "packet too large", packet_set{connack, disconnect}},
        {rc::message_rate_too_high, "message rate too high", packet_set{disconnect}},
        {rc::quota_exceeded, "quota exceeded", packet_set{connack, puback, pubrec, suback, disconnect}},
        {rc::administrative_action, "administrative action", packet_set{disconnect}},
        {rc::payload_format_invalid, "payload format invalid", packet_set{connack, puback, pubrec, disconnect}},
        {rc::retain_not_supported, "retain not supported", packet_set{connack, disconnect}},
        {rc::qos_not_supported, "QoS not supported", packet_set{connack, disconnect}},
        {rc::use_another_server, "use another server", packet_set{connack, disconnect}},
        {rc::server_moved, "server moved", packet_set{connack, disconnect}},
        {rc::shared_subscriptions_not_supported, "shared subscriptions not supported", packet_set{suback, disconnect}},
        {rc::connection_rate_exceeded, "connection rate exceeded", packet_set{connack, disconnect}},
        {rc::maximum_connect_time, "maximum connect time", packet_set{disconnect}},
        {rc::subscription_identifiers_not_supported, "subscription identifiers not supported", packet_set{suback, disconnect}},
        {rc::wildcard_subscriptions_not_supported, "wildcard subscriptions not supported", packet_set{suback, disconnect}},
    });
}();

static_assert(reason_table.size() == 43);

// Where in reason_table a number is, counted from 1. (Inside the function it would be built at each call.)
inline constexpr auto reason_rows = [] {
    std::array<std::uint8_t, 256> index{};
    for (std::size_t i = 0; i != reason_table.size(); ++i)
        index[number(reason_table[i].code)] = static_cast<std::uint8_t>(i + 1);
    return index;
}();

/// The row of `code`, or null when the standard has none.
constexpr const reason_row* find_reason(reason_code code) {
    const std::size_t row = reason_rows[number(code)];
    return row == 0 ? nullptr : &reason_table[row - 1];
}

/// The code in words; "unknown reason code" when the standard has no such code.
constexpr std::string_view name(reason_code code) {
    const reason_row* row = find_reason(code);
    return row ? row->name : "unknown reason code";
}

} // namespace inflight
