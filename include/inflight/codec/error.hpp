// inflight/codec/error.hpp - every way the protocol can be broken: Reason Code to send, clause, words.
#pragma once

#include <inflight/codec/types.hpp>

#include <cassert>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace inflight {

/// What we found wrong, as opposed to reason_code, which is what the peer says.
enum class errc {
    none,
    // A packet that cannot be parsed, or that cannot be encoded.
    need_more, truncated, trailing_bytes, varint_too_long, varint_not_minimal, not_utf8, reserved_bits,
    bad_enumerator, bad_protocol_name, dup_without_qos, packet_id_zero, field_too_long, packet_too_large,
    empty_list, topic_empty, topic_wildcard, filter_invalid, shared_no_local, will_flags,
    password_without_user_name, empty_client_id, unknown_packet_type, unknown_property,
    property_not_allowed, property_repeated, property_value, reason_not_allowed,
    // A packet that must not be said here.
    unexpected_packet, session_not_known, reply_count, receive_maximum_exceeded,
    topic_alias_invalid, topic_alias_unknown, qos_not_supported, retain_not_supported,
    wildcards_not_supported, shared_not_supported, subscription_identifiers_not_supported,
    no_assigned_client_id, authentication_method_mismatch, unrequested_information,
    session_expiry_zero, no_authentication_method, no_authenticator, authentication_failed,
    // A wish of the application that cannot be fulfilled.
    invalid_qos, invalid_retain_handling, topic_too_long, topic_not_utf8, topic_nul, response_topic_invalid,
    topic_alias_by_hand, subscription_identifier_sent, property_not_utf8, property_too_long, no_filter,
    filter_empty, filter_too_long, filter_not_utf8, shared_filter_invalid, will_topic_invalid,
    client_id_missing, no_host, scheme_unknown, host_invalid, port_invalid, port_contradicted, escape_invalid,
    address_character_invalid, path_not_allowed, fragment_not_allowed, local_address_invalid, no_proxy_host,
    proxy_scheme_unknown, tls_missing, websocket_missing, proxy_missing, already_connected,
    qos_0_acknowledged,
    // The connection and the client.
    keep_alive_timeout, ack_timeout, connect_timeout, authentication_timeout, connection_lost,
    connection_refused, server_disconnected, version_refused, not_connected, session_lost, downgraded_qos,
    message_expired, message_dropped, queue_full, packet_ids_exhausted, unknown_packet_id, stale_delivery,
    inbound_overflow, shutting_down, would_deadlock, timed_out, already_running, not_running,
    invalid_argument, not_supported, server_reference_invalid, too_many_redirects,
};

struct errc_row {
    errc code;
    reason_code reason;      // What DISCONNECT says when this error ends a 5.0 connection.
    std::string_view clause; // The statement it enforces; empty where the standard numbers none.
    std::string_view text;
};

inline constexpr auto errc_table = [] {
    using rc = reason_code;
    return std::to_array<errc_row>({
        {errc::none, rc::success, "", "no error"},
        {errc::need_more, rc::success, "", "the packet is not complete yet"},
        {errc::truncated, rc::malformed_packet, "", "a field runs past the end of the packet"},
        {errc::trailing_bytes, rc::malformed_packet, "", "bytes left after the last field of the packet"},
        {errc::varint_too_long, rc::malformed_packet, "v5:U5-02", "variable byte integer longer than four bytes"},
        {errc::varint_not_minimal, rc::malformed_packet, "v5:MQTT-1.5.5-1", "variable byte integer not in its shortest form"},
        {errc::not_utf8, rc::malformed_packet, "v5:MQTT-1.5.4-1", "text is not UTF-8, or holds U+0000"},
        {errc::reserved_bits, rc::malformed_packet, "v5:MQTT-2.1.3-1", "reserved bits have the wrong value"},
        {errc::bad_enumerator, rc::malformed_packet, "v5:MQTT-3.3.1-4", "value outside its enumeration"},
        {errc::bad_protocol_name, rc::unsupported_protocol_version, "v5:MQTT-3.1.2-1", "protocol name or version not known"},
        {errc::dup_without_qos, rc::malformed_packet, "v5:MQTT-3.3.1-2", "DUP set on a QoS 0 message"},
        {errc::packet_id_zero, rc::protocol_error, "v5:MQTT-2.2.1-3", "packet identifier is zero"},
        {errc::field_too_long, rc::malformed_packet, "v5:MQTT-4.7.3-3", "field longer than 65,535 bytes"},
        {errc::packet_too_large, rc::packet_too_large, "v5:MQTT-3.1.2-24", "packet larger than the Maximum Packet Size"},
        {errc::empty_list, rc::protocol_error, "v5:MQTT-3.8.3-2", "a list without an entry"},
        {errc::topic_empty, rc::protocol_error, "v5:MQTT-4.7.3-1", "topic is empty"},
        {errc::topic_wildcard, rc::protocol_error, "v5:MQTT-3.3.2-2", "topic name holds a wildcard"},
        {errc::filter_invalid, rc::protocol_error, "v5:MQTT-4.7.1-1", "wildcard in a topic filter is not a whole level, or # not the last one"},
        {errc::shared_no_local, rc::protocol_error, "v5:MQTT-3.8.3-4", "No Local on a shared subscription"},
        {errc::will_flags, rc::malformed_packet, "v5:MQTT-3.1.2-11", "Will QoS or Will Retain without a Will"},
        {errc::password_without_user_name, rc::malformed_packet, "v3:MQTT-3.1.2-22", "password without user name, which 3.1.1 forbids"},
        {errc::empty_client_id, rc::client_identifier_not_valid, "v3:MQTT-3.1.3-7", "empty client identifier needs a clean session in 3.1.1"},
        {errc::unknown_packet_type, rc::malformed_packet, "", "reserved packet type"},
        {errc::unknown_property, rc::malformed_packet, "v5:U5-03", "unknown property identifier"},
        {errc::property_not_allowed, rc::malformed_packet, "v5:U5-03", "property not allowed in this packet"},
        {errc::property_repeated, rc::protocol_error, "v5:U5-04", "property included more than once"},
        {errc::property_value, rc::protocol_error, "v5:U5-05", "property value out of range"},
        {errc::reason_not_allowed, rc::protocol_error, "v5:MQTT-3.4.2-1", "reason code not allowed in this packet"},

        {errc::unexpected_packet, rc::protocol_error, "", "packet not expected in this state"},
        {errc::session_not_known, rc::protocol_error, "v5:MQTT-3.2.2-4", "broker resumes a session that this client does not have"},
        {errc::reply_count, rc::protocol_error, "v5:MQTT-3.8.4-6", "reply has not one reason code for each filter"},
        {errc::receive_maximum_exceeded, rc::receive_maximum_exceeded, "v5:MQTT-3.3.4-9", "broker sends more messages than the Receive Maximum allows"},
        {errc::topic_alias_invalid, rc::topic_alias_invalid, "v5:MQTT-3.3.2-8", "topic alias is zero or above the Topic Alias Maximum"},
        {errc::topic_alias_unknown, rc::protocol_error, "v5:U5-13", "topic alias was never set"},
        {errc::qos_not_supported, rc::qos_not_supported, "v5:MQTT-3.2.2-11", "broker does not support this QoS"},
        {errc::retain_not_supported, rc::retain_not_supported, "v5:MQTT-3.2.2-14", "broker does not support retained messages"},
        {errc::wildcards_not_supported, rc::wildcard_subscriptions_not_supported, "v5:U5-19", "broker does not support wildcard subscriptions"},
        {errc::shared_not_supported, rc::shared_subscriptions_not_supported, "v5:U5-19", "broker does not support shared subscriptions"},
        {errc::subscription_identifiers_not_supported, rc::subscription_identifiers_not_supported, "v5:U5-19", "broker does not support subscription identifiers"},
        {errc::no_assigned_client_id, rc::protocol_error, "v5:MQTT-3.2.2-16", "broker assigned no client identifier"},
        {errc::authentication_method_mismatch, rc::protocol_error, "v5:MQTT-4.12.0-5", "broker names another authentication method than CONNECT"},
        {errc::unrequested_information, rc::protocol_error, "v5:MQTT-3.1.2-29", "broker explains a reply, which CONNECT asked it not to"},
        {errc::session_expiry_zero, rc::protocol_error, "v5:U5-20", "a session that CONNECT began without expiry cannot be kept by DISCONNECT"},
        {errc::no_authentication_method, rc::success, "v5:MQTT-4.12.0-7", "CONNECT named no authentication method"},
        {errc::no_authenticator, rc::unspecified_error, "", "broker asks for authentication data, and there is no authenticator to answer"},
        {errc::authentication_failed, rc::unspecified_error, "v5:MQTT-4.12.1-2", "authentication failed on this side"},

        {errc::invalid_qos, rc::success, "v5:MQTT-3.3.1-4", "QoS is not 0, 1 or 2"},
        {errc::invalid_retain_handling, rc::success, "v5:U5-18", "retain handling is not 0, 1 or 2"},
        {errc::topic_too_long, rc::success, "v5:MQTT-4.7.3-3", "topic is longer than 65,535 bytes"},
        {errc::topic_not_utf8, rc::success, "v5:MQTT-3.3.2-1", "topic is not UTF-8"},
        {errc::topic_nul, rc::success, "v5:MQTT-4.7.3-2", "topic holds the character U+0000"},
        {errc::response_topic_invalid, rc::success, "v5:MQTT-3.3.2-14", "Response Topic is empty, is not UTF-8, or holds a wildcard"},
        {errc::topic_alias_by_hand, rc::success, "", "a Topic Alias is not for publish() to set: the client does that itself"},
        {errc::subscription_identifier_sent, rc::success, "v5:MQTT-3.3.4-6", "a Subscription Identifier goes with a subscription, not with a message that is published"},
        {errc::property_not_utf8, rc::success, "v5:MQTT-1.5.4-1", "text of a property is not UTF-8, or holds U+0000"},
        {errc::property_too_long, rc::success, "", "text of a property is longer than 65,535 bytes"},
        {errc::no_filter, rc::success, "v5:MQTT-3.8.3-2", "no topic filter is given"},
        {errc::filter_empty, rc::success, "v5:MQTT-4.7.3-1", "topic filter is empty"},
        {errc::filter_too_long, rc::success, "v5:MQTT-4.7.3-3", "topic filter is longer than 65,535 bytes"},
        {errc::filter_not_utf8, rc::success, "v5:MQTT-3.8.3-1", "topic filter is not UTF-8, or holds U+0000"},
        {errc::shared_filter_invalid, rc::success, "v5:MQTT-4.8.2-1", "shared subscription is not $share/NAME/FILTER with a NAME without wildcards"},
        {errc::will_topic_invalid, rc::success, "v5:MQTT-3.1.3-11", "topic of the Will is empty, too long, not UTF-8, or holds a wildcard"},
        {errc::client_id_missing, rc::success, "v3:MQTT-3.1.3-7", "a session that is to be kept needs a client identifier"},
        {errc::no_host, rc::success, "", "no name of a broker is given"},
        {errc::scheme_unknown, rc::success, "", "address begins with none of mqtt:// mqtts:// ws:// wss:// unix:"},
        {errc::host_invalid, rc::success, "", "host of the address is no name, and no IPv4 or IPv6 literal"},
        {errc::port_invalid, rc::success, "", "port of the address is no number from 1 to 65,535"},
        {errc::port_contradicted, rc::success, "", "port is given twice, in the address and beside it, and they differ"},
        {errc::escape_invalid, rc::success, "", "% in the address is not followed by two hexadecimal digits (% itself is %25)"},
        {errc::address_character_invalid, rc::success, "", "address holds a character that must be escaped, as a blank is by %20"},
        {errc::path_not_allowed, rc::success, "", "address has a path, which only ws:// and wss:// may have"},
        {errc::fragment_not_allowed, rc::success, "", "address has a # that is not escaped (%23)"},
        {errc::local_address_invalid, rc::success, "", "local address is no IPv4 or IPv6 literal"},
        {errc::no_proxy_host, rc::success, "", "no name of a proxy is given"},
        {errc::proxy_scheme_unknown, rc::success, "", "proxy's address begins with none of http:// socks5:// socks5h://"},
        {errc::tls_missing, rc::success, "", "address needs TLS: include <inflight/tls.hpp> in any unit of the program, link inflight::tls"},
        {errc::websocket_missing, rc::success, "", "address needs WebSocket: include <inflight/websocket.hpp> in any unit of the program, link inflight::websocket"},
        {errc::proxy_missing, rc::success, "", "proxies are not compiled in: include <inflight/proxy.hpp> in any unit of the program"},
        {errc::already_connected, rc::success, "", "already connected, or connecting"},
        {errc::qos_0_acknowledged, rc::success, "", "a message of QoS 0 has no acknowledgement"},

        {errc::keep_alive_timeout, rc::unspecified_error, "v5:U5-10", "no PINGRESP in time"},
        {errc::ack_timeout, rc::unspecified_error, "v5:MQTT-4.4.0-1", "no acknowledgement in time"},
        {errc::connect_timeout, rc::unspecified_error, "v5:U5-09", "no connection within the time limit"},
        {errc::authentication_timeout, rc::unspecified_error, "", "credentials or authentication not ready within the time limit"},
        {errc::connection_lost, rc::success, "", "connection lost"},
        {errc::connection_refused, rc::success, "", "broker refused the connection"},
        {errc::server_disconnected, rc::success, "", "broker ended the connection"},
        {errc::version_refused, rc::success, "v5:MQTT-3.1.2-2", "broker does not speak this version of MQTT"},
        {errc::not_connected, rc::success, "", "not connected"},
        {errc::session_lost, rc::success, "v5:MQTT-3.2.2-5", "broker has lost the session"},
        {errc::downgraded_qos, rc::success, "", "broker acknowledged a QoS 2 message as QoS 1"},
        {errc::message_expired, rc::success, "", "message expired before it was sent"},
        {errc::message_dropped, rc::success, "", "message dropped from the full queue to make room for a newer one"},
        {errc::queue_full, rc::success, "", "too many messages or bytes are waiting"},
        {errc::packet_ids_exhausted, rc::success, "v5:MQTT-2.2.1-3", "all 65,535 packet identifiers are in use"},
        {errc::unknown_packet_id, rc::success, "", "no message with this packet identifier awaits an acknowledgement"},
        {errc::stale_delivery, rc::success, "", "message belongs to an earlier connection and cannot be acknowledged any more"},
        {errc::inbound_overflow, rc::receive_maximum_exceeded, "", "application takes messages too slowly"},
        {errc::shutting_down, rc::success, "", "client is shutting down"},
        {errc::would_deadlock, rc::success, "", "blocking call inside a callback"},
        {errc::timed_out, rc::success, "", "timed out"},
        {errc::already_running, rc::success, "", "already running"},
        {errc::not_running, rc::success, "", "not running"},
        {errc::invalid_argument, rc::success, "", "argument out of range"},
        {errc::not_supported, rc::success, "", "not supported by the protocol version in use"},
        {errc::server_reference_invalid, rc::success, "", "broker refers to another one, but not in a form that can be read"},
        {errc::too_many_redirects, rc::success, "", "brokers refer to one another too many times in a row"},
    });
}();

static_assert([] {
    for (std::size_t i = 0; i != errc_table.size(); ++i)
        if (errc_table[i].code != static_cast<errc>(i)) return false;
    return errc_table.size() == static_cast<std::size_t>(errc::too_many_redirects) + 1;
}(), "errc_table has one row per errc, in order");

constexpr const errc_row& row(errc code) { return errc_table[static_cast<std::size_t>(code)]; }

/// The category of errc.
inline const std::error_category& protocol_category() {
    static const struct final : std::error_category {
        const char* name() const noexcept override { return "inflight"; }
        std::string message(int code) const override { return std::string(row(errc(code)).text); }
    } instance;
    return instance;
}

/// The category of reason_code: what the broker answered.
inline const std::error_category& reason_category() {
    static const struct final : std::error_category {
        const char* name() const noexcept override { return "mqtt"; }
        std::string message(int code) const override {
            return std::string(inflight::name(static_cast<reason_code>(code)));
        }
    } instance;
    return instance;
}

inline std::error_code make_error_code(errc code) { return {static_cast<int>(code), protocol_category()}; }
inline std::error_code make_error_code(reason_code code) { return {number(code), reason_category()}; }

/// A value or an errc. (std::expected is C++23; only this much of it is needed.)
template <class T>
class result {
public:
    result(T value) : value_(std::move(value)) {}
    result(errc code) : error_(code) { assert(code != errc::none); }

    explicit operator bool() const { return value_.has_value(); }
    T& operator*() & { return *value_; }
    const T& operator*() const& { return *value_; }
    T&& operator*() && { return *std::move(value_); }
    T* operator->() { return &*value_; }
    const T* operator->() const { return &*value_; }
    errc error() const { return error_; }

private:
    std::optional<T> value_;
    errc error_ = errc::none;
};

} // namespace inflight

template <>
struct std::is_error_code_enum<inflight::errc> : std::true_type {};
template <>
struct std::is_error_code_enum<inflight::reason_code> : std::true_type {};
