// inflight/async_client/conversation.hpp - what a broker has said of a connection, or an attempt to make one.
#pragma once

#include <inflight/async_client/options.hpp>
#include <inflight/session/event.hpp>

namespace inflight::detail {

/// From CONNACK or DISCONNECT, or what went wrong without one.
struct conversation {
    connect_result result{};
    properties<packet_type::disconnect> last_words{}; // In the broker's DISCONNECT.

    void take(const event::refused& e) {
        result.error = e.connack->reason;
        result.reason = e.connack->reason;
        result.version = e.version;
        result.return_code = connack_byte(e.connack->reason, e.version);
        take_words(e.connack->props);
    }

    void take(const event::connected& e, const server_limits& limits) {
        result.version = e.version;
        result.session_present = e.session_present;
        result.session_lost = e.session_lost;
        result.limits = limits;
        take_words(e.connack->props);
    }

    void take(const event::disconnected& e) {
        const reason_code reason = e.packet->reason;
        result.reason = reason;
        if (reason == reason_code::success) result.error = errc::server_disconnected;
        else result.error = reason;
        last_words = properties<packet_type::disconnect>(e.packet->props);
        take_text(e.packet->props);
    }

    disconnect_result ended(std::error_code error, bool is_final) const {
        return {error,    result.reason, result.reason_string, result.server_reference,
                is_final, result.details,       last_words};
    }

private:
    void take_words(properties_view<packet_type::connack> props) {
        result.props = properties<packet_type::connack>(props);
        take_text(props);
    }
    template <class Properties>
    void take_text(Properties props) {
        if (const auto text = props.template get<property_id::reason_string>()) result.reason_string = *text;
        if (const auto list = props.template get<property_id::server_reference>())
            result.server_reference = *list; // [v5:U5-28]
    }
};

} // namespace inflight::detail
