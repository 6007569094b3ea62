// inflight/codec/error_condition.hpp - whether it is of any use to try again.
//
// One judgement for every error code that a client hands out: its own, those of the broker, the system's and
// the resolver's. The clients themselves go by it when they decide whether to connect again. Categories of
// opt-in parts, and of users, judge their own errors: by default_error_condition().
#pragma once

#include <inflight/codec/error.hpp>

namespace inflight {

/// What an error code can be compared with: `if (error == error_condition::fatal)`. No error is neither, and
/// so are errc::need_more, errc::downgraded_qos and asio::error::operation_aborted, after which there is
/// nothing to be tried again.
enum class error_condition {
    fatal = 1, // The same again will fail again, until somebody changes something: arguments, options,
               // credentials, the broker.
    transient, // The same later may succeed. All that is not known to be fatal.
};

inline std::error_condition make_error_condition(error_condition c);

namespace detail {

enum class judgement : std::uint8_t { neither, fatal, transient };

/// Errors that the peer's bytes cause are transient: another connection may bring better ones.
constexpr judgement judge(errc code) {
    const bool is_our_mistake = code >= errc::invalid_qos && code <= errc::qos_0_acknowledged;
    if (is_our_mistake) return judgement::fatal;
    switch (code) {
        case errc::none:
        case errc::need_more:
        case errc::downgraded_qos: return judgement::neither;
        case errc::field_too_long:
        case errc::packet_too_large:
        case errc::empty_list:
        case errc::topic_empty:
        case errc::topic_wildcard:
        case errc::filter_invalid:
        case errc::shared_no_local:
        case errc::will_flags:
        case errc::password_without_user_name:
        case errc::empty_client_id:
        case errc::qos_not_supported:
        case errc::retain_not_supported:
        case errc::wildcards_not_supported:
        case errc::shared_not_supported:
        case errc::subscription_identifiers_not_supported:
        case errc::session_expiry_zero:
        case errc::no_authentication_method:
        case errc::no_authenticator:
        case errc::message_expired:
        case errc::unknown_packet_id:
        case errc::stale_delivery:
        case errc::shutting_down:
        case errc::would_deadlock:
        case errc::already_running:
        case errc::not_running:
        case errc::invalid_argument:
        case errc::not_supported: return judgement::fatal;
        default: return judgement::transient;
    }
}

/// The broker finds fault with one packet. In CONNACK that is our CONNECT; of a connection that stood it need
/// not be true of the next one.
constexpr bool is_about_packet(reason_code code) {
    switch (code) {
        case reason_code::topic_filter_invalid:
        case reason_code::topic_name_invalid:
        case reason_code::packet_too_large:
        case reason_code::payload_format_invalid:
        case reason_code::retain_not_supported:
        case reason_code::qos_not_supported:
        case reason_code::shared_subscriptions_not_supported:
        case reason_code::subscription_identifiers_not_supported:
        case reason_code::wildcard_subscriptions_not_supported: return true;
        default: return false;
    }
}

constexpr judgement judge(reason_code code) {
    if (!is_refusal(code)) return judgement::neither;
    if (is_about_packet(code)) return judgement::fatal;
    switch (code) {
        case reason_code::malformed_packet:
        case reason_code::protocol_error:
        case reason_code::unsupported_protocol_version:
        case reason_code::client_identifier_not_valid:
        case reason_code::bad_user_name_or_password:
        case reason_code::not_authorized:
        case reason_code::banned:
        case reason_code::bad_authentication_method:
        case reason_code::session_taken_over: // Two that take it from each other would do so for ever.
        case reason_code::server_moved: return judgement::fatal;
        default: return judgement::transient;
    }
}

/// Networks, name servers and machines come back; what the system cannot do, it will not learn.
inline judgement judge_system(std::error_code error) {
    // Asio's categories, which this layer knows by their names only. Its own one for the system's errors
    // compares with std::errc for some of them, and not for a cancellation.
    const std::string_view category = error.category().name();
    if (category == "asio.system") error.assign(error.value(), std::system_category());
    if (!error || error == std::errc::operation_canceled) return judgement::neither;
    if (category == "asio.addrinfo") return judgement::fatal; // What no look-up can ever find.
    for (const auto hopeless : {std::errc::invalid_argument, std::errc::protocol_not_supported,
                                std::errc::wrong_protocol_type, std::errc::function_not_supported})
        if (error == hopeless) return judgement::fatal;
    return judgement::transient;
}

inline judgement judge(std::error_code error) {
    if (error.category() == protocol_category()) return judge(static_cast<errc>(error.value()));
    if (error.category() == reason_category()) return judge(static_cast<reason_code>(error.value()));
    const std::error_condition own = error.default_error_condition();
    if (own == make_error_condition(error_condition::fatal)) return judgement::fatal;
    if (own == make_error_condition(error_condition::transient)) return judgement::transient;
    return judge_system(error);
}

} // namespace detail

/// The category of error_condition.
inline const std::error_category& condition_category() {
    static const struct final : std::error_category {
        const char* name() const noexcept override { return "inflight.condition"; }
        std::string message(int condition) const override {
            return static_cast<error_condition>(condition) == error_condition::fatal
                       ? "cannot succeed unless something is changed"
                       : "may succeed later";
        }
        bool equivalent(const std::error_code& error, int condition) const noexcept override {
            const auto wanted = static_cast<error_condition>(condition) == error_condition::fatal
                                    ? detail::judgement::fatal
                                    : detail::judgement::transient;
            return detail::judge(error) == wanted;
        }
        using std::error_category::equivalent;
    } instance;
    return instance;
}

inline std::error_condition make_error_condition(error_condition c) {
    return {static_cast<int>(c), condition_category()};
}

} // namespace inflight

template <>
struct std::is_error_condition_enum<inflight::error_condition> : std::true_type {};
