// inflight/websocket/error.hpp - what goes wrong with WebSocket: RFC 6455's own reasons, HTTP's and ours.
#pragma once

#include <inflight/codec/error_condition.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <system_error>

namespace inflight {

/// What ends a WebSocket connection, or keeps it from coming about. Two ranges are numbers that the peer has
/// said: 100 to 599, the HTTP status of an answer that is no consent, and 1000 to 4999, the code of its Close
/// frame. Any may occur; those below are the ones with a name.
enum class websocket_errc {
    none,
    // What this side was told to say.
    path_invalid,   // Not printable ASCII without blanks and '#'.
    header_invalid, // No field of HTTP, or one that WebSocket itself needs.
    crypto_failed,  // OpenSSL has failed: no randomness, or no SHA-1.
    // The peer's part of the handshake. RFC 6455, 4.
    not_http,
    http_version,
    head_malformed,
    head_too_large,
    no_upgrade,
    wrong_accept,
    unknown_extension,
    no_subprotocol,
    wrong_subprotocol,
    closed_in_handshake,
    // Its frames. RFC 6455, 5.
    text_frame,
    masked_frame,
    unmasked_frame,
    reserved_bits,
    unknown_opcode,
    unexpected_continuation,
    unfinished_message,
    malformed_frame,
    frame_too_large,
    bad_close,
    cut_off,

    moved_permanently = 301,
    found = 302,
    see_other = 303,
    temporary_redirect = 307,
    permanent_redirect = 308,
    bad_request = 400,
    unauthorized = 401,
    forbidden = 403,
    not_found = 404,
    method_not_allowed = 405,
    upgrade_required = 426,
    too_many_requests = 429,
    head_fields_too_large = 431,
    internal_server_error = 500,
    bad_gateway = 502,
    service_unavailable = 503,
    gateway_timeout = 504,

    closed_normally = 1000,
    closed_going_away = 1001,
    closed_protocol_error = 1002,
    closed_unsupported_data = 1003,
    closed_without_code = 1005, // Stands for a Close frame without one; is never sent.
    closed_invalid_data = 1007,
    closed_policy_violation = 1008,
    closed_message_too_big = 1009,
    closed_mandatory_extension = 1010,
    closed_internal_error = 1011,
    closed_service_restart = 1012,
    closed_try_again_later = 1013,
    closed_bad_gateway = 1014,
};

namespace detail {

struct websocket_words {
    websocket_errc code;
    std::string_view text;
};

inline constexpr auto websocket_texts = [] {
    using e = websocket_errc;
    return std::to_array<websocket_words>({
        {e::none, "no error"},
        {e::path_invalid, "path of the WebSocket request is not printable ASCII without blanks and #"},
        {e::header_invalid, "header of the WebSocket request is malformed, or one that the handshake sets itself"},
        {e::crypto_failed, "OpenSSL failed"},
        {e::not_http, "peer does not speak HTTP, with which WebSocket begins"},
        {e::http_version, "peer answers in an HTTP older than 1.1"},
        {e::head_malformed, "peer's HTTP head is malformed"},
        {e::head_too_large, "peer's HTTP head is larger than 16 KiB"},
        {e::no_upgrade, "peer changes to another protocol than WebSocket"},
        {e::wrong_accept, "peer's Sec-WebSocket-Accept does not belong to our key"},
        {e::unknown_extension, "peer uses a WebSocket extension that nobody has offered"},
        {e::no_subprotocol, "peer names no WebSocket subprotocol; it must be mqtt"},
        {e::wrong_subprotocol, "peer names another WebSocket subprotocol than mqtt"},
        {e::closed_in_handshake, "peer closed the connection during the WebSocket handshake"},
        {e::text_frame, "peer sends a WebSocket text frame; MQTT goes in binary ones"},
        {e::masked_frame, "server's WebSocket frame is masked"},
        {e::unmasked_frame, "client's WebSocket frame is not masked"},
        {e::reserved_bits, "reserved bits of a WebSocket frame are set"},
        {e::unknown_opcode, "WebSocket frame with a reserved opcode"},
        {e::unexpected_continuation, "WebSocket continuation frame without a message that goes on"},
        {e::unfinished_message, "WebSocket message begins before the one before it has ended"},
        {e::malformed_frame, "WebSocket control frame is too long or in fragments, or a length is not in its shortest form"},
        {e::frame_too_large, "WebSocket frame is larger than max_frame_size"},
        {e::bad_close, "WebSocket Close frame with a code that may not be sent"},
        {e::cut_off, "connection ended within a WebSocket message"},
        {e::moved_permanently, "Moved Permanently"},
        {e::found, "Found elsewhere"},
        {e::see_other, "See Other"},
        {e::temporary_redirect, "Temporary Redirect"},
        {e::permanent_redirect, "Permanent Redirect"},
        {e::bad_request, "Bad Request"},
        {e::unauthorized, "Unauthorized"},
        {e::forbidden, "Forbidden"},
        {e::not_found, "Not Found"},
        {e::method_not_allowed, "Method Not Allowed"},
        {e::upgrade_required, "Upgrade Required"},
        {e::too_many_requests, "Too Many Requests"},
        {e::head_fields_too_large, "Request Header Fields Too Large"},
        {e::internal_server_error, "Internal Server Error"},
        {e::bad_gateway, "Bad Gateway"},
        {e::service_unavailable, "Service Unavailable"},
        {e::gateway_timeout, "Gateway Timeout"},
        {e::closed_normally, "normal"},
        {e::closed_going_away, "going away"},
        {e::closed_protocol_error, "protocol error"},
        {e::closed_unsupported_data, "unsupported data"},
        {e::closed_without_code, "no code given"},
        {e::closed_invalid_data, "invalid data"},
        {e::closed_policy_violation, "policy violation"},
        {e::closed_message_too_big, "message too big"},
        {e::closed_mandatory_extension, "mandatory extension"},
        {e::closed_internal_error, "internal error"},
        {e::closed_service_restart, "service restart"},
        {e::closed_try_again_later, "try again later"},
        {e::closed_bad_gateway, "bad gateway"},
    });
}();

constexpr std::string_view text_of(websocket_errc code) {
    const auto* row = std::find_if(websocket_texts.begin(), websocket_texts.end(),
                                   [&](const websocket_words& w) { return w.code == code; });
    return row == websocket_texts.end() ? std::string_view{} : row->text;
}

/// The same request will get the same answer.
constexpr bool is_fatal(websocket_errc code) {
    switch (code) {
        case websocket_errc::path_invalid:
        case websocket_errc::header_invalid:
        case websocket_errc::moved_permanently:
        case websocket_errc::permanent_redirect:
        case websocket_errc::unauthorized:
        case websocket_errc::forbidden: return true;
        default: return false;
    }
}

} // namespace detail

/// The category of websocket_errc.
inline const std::error_category& websocket_category() {
    static const struct final : std::error_category {
        const char* name() const noexcept override { return "websocket"; }
        std::string message(int code) const override {
            const std::string known(detail::text_of(static_cast<websocket_errc>(code)));
            const std::string number = std::to_string(code) + (known.empty() ? "" : " (" + known + ')');
            if (code >= 1000) return "peer closed the WebSocket connection with code " + number;
            if (code >= 100) return "the WebSocket handshake was answered with HTTP status " + number;
            return known.empty() ? "unknown WebSocket error" : known;
        }
        std::error_condition default_error_condition(int code) const noexcept override {
            if (detail::is_fatal(static_cast<websocket_errc>(code))) return error_condition::fatal;
            return {code, *this};
        }
        // A Close that finds fault breaks the connection off, in answer to CONNECT for instance.
        bool equivalent(int code, const std::error_condition& condition) const noexcept override {
            return default_error_condition(code) == condition ||
                   (code >= 1000 && condition == std::errc::connection_aborted);
        }
        using std::error_category::equivalent;
    } instance;
    return instance;
}
inline std::error_code make_error_code(websocket_errc code) {
    return {static_cast<int>(code), websocket_category()};
}

} // namespace inflight

template <>
struct std::is_error_code_enum<inflight::websocket_errc> : std::true_type {};
