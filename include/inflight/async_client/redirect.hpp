// inflight/async_client/redirect.hpp - where a broker sends its clients.
// Standard: MQTT 5.0 sections 4.11, 3.2.2.3.16 and 3.14.2.2.5.
#pragma once

#include <inflight/async_client/options.hpp>

#include <charconv>

namespace inflight {
namespace detail {

/// host, host:port, [host] or [host]:port.
inline std::optional<broker> parse_reference(std::string_view text, std::uint16_t default_port) {
    std::string_view host = text.substr(0, text.find(':')), rest = text.substr(host.size());
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        host = text.substr(1, end - 1);
        rest = text.substr(end + 1);
    }
    if (host.empty() || host.find('[') != std::string_view::npos) return std::nullopt;
    if (rest.empty()) return broker{std::string(host), default_port};
    std::uint16_t port = 0;
    const char* const last = text.data() + text.size();
    if (rest.front() != ':' || rest.size() == 1) return std::nullopt;
    const auto [end, bad] = std::from_chars(rest.data() + 1, last, port);
    if (bad != std::errc{} || end != last || port == 0) return std::nullopt;
    return broker{std::string(host), port};
}

/// The codes that send a client to another broker. [v5:U5-28]
constexpr bool names_other_server(reason_code code) {
    return code == reason_code::use_another_server || code == reason_code::server_moved;
}

} // namespace detail

/// The brokers of a Server Reference, in its order: names or addresses parted by spaces, each with a port
/// behind a colon if it is not `default_port`, names that hold a colon (IPv6) in brackets. The standard only
/// recommends this form, so one that is not in it says nothing: errc::server_reference_invalid, also if it
/// is empty.
inline result<std::vector<broker>> parse_server_reference(std::string_view text, std::uint16_t default_port) {
    std::vector<broker> out;
    while (!text.empty()) {
        const std::string_view one = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), one.size() + 1));
        if (one.empty()) continue;
        auto where = detail::parse_reference(one, default_port);
        if (!where) return errc::server_reference_invalid;
        out.push_back(*std::move(where));
    }
    if (out.empty()) return errc::server_reference_invalid;
    return out;
}

} // namespace inflight
