// inflight/session/disconnect_options.hpp - how to take leave of the broker.
// Standard: MQTT 5.0 sections 3.14.2, 3.14.4; MQTT 3.1.1 section 3.14.
#pragma once

#include <inflight/session/options.hpp>

namespace inflight {

/// All but `drain` belongs to 5.0. Where the connection speaks 3.1.1,
/// reason_code::disconnect_with_will_message closes it without a DISCONNECT, which has the same effect, and
/// the rest is ignored.
struct disconnect_options {
    /// disconnect_with_will_message: the broker publishes the Will; so it does with any refusal.
    reason_code reason = reason_code::success;
    /// How long the broker keeps the session from now on; 0: it ends here. Empty: a session that is to be
    /// kept is kept as announced, another ends. The next connection of the same client resumes what is kept.
    std::optional<std::chrono::seconds> session_expiry{};
    /// Reason String and User Properties, as far as they fit the broker's Maximum Packet Size.
    properties<packet_type::disconnect> props{};
    /// For clients: how long to wait before for what is not acknowledged yet. Empty: their drain_timeout.
    std::optional<std::chrono::milliseconds> drain{};
};

namespace detail {

// What a client may send. [v5:MQTT-3.14.2-1]
constexpr bool is_clients_reason(reason_code code) {
    using enum reason_code;
    switch (code) {
        case success:
        case disconnect_with_will_message:
        case unspecified_error:
        case malformed_packet:
        case protocol_error:
        case implementation_specific_error:
        case topic_name_invalid:
        case receive_maximum_exceeded:
        case topic_alias_invalid:
        case packet_too_large:
        case message_rate_too_high:
        case quota_exceeded:
        case administrative_action:
        case payload_format_invalid: return true;
        default: return false;
    }
}

} // namespace detail

/// What is wrong with `d`, for a session with these options: errc::reason_not_allowed,
/// errc::invalid_argument (session_expiry), errc::session_expiry_zero, or what is wrong with its properties.
inline errc check(const disconnect_options& d, const session_options& session) {
    if (!detail::is_clients_reason(d.reason)) return errc::reason_not_allowed;
    if (d.session_expiry) {
        const std::int64_t seconds = d.session_expiry->count();
        if (seconds < 0 || seconds > 0xFFFF'FFFF) return errc::invalid_argument;
        if (seconds != 0 && session.session_expiry.count() <= 0)
            return errc::session_expiry_zero; // [v5:U5-20]
    }
    using enum property_id;
    if (d.props.has(session_expiry_interval) || d.props.has(server_reference)) // It has a place of its own.
        return errc::property_not_allowed;
    return check_properties(d.props.bytes(), packet_type::disconnect);
}

} // namespace inflight
