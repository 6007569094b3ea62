// inflight/async_client/redirect.hpp - where a broker sends its clients.
// Standard: MQTT 5.0 sections 4.11, 3.2.2.3.16 and 3.14.2.2.5.
#pragma once

#include <inflight/async_client/options.hpp>

namespace inflight {
namespace detail {

/// The codes that send a client to another broker. [v5:U5-28]
constexpr bool names_other_server(reason_code code) {
    return code == reason_code::use_another_server || code == reason_code::server_moved;
}

} // namespace detail

/// The brokers of a Server Reference, in its order: names or addresses parted by spaces, each with a port
/// behind a colon if it is not that of `from`, the broker that says it; names that hold a colon (IPv6) in
/// brackets. They are reached as `from` is, by the same kind of transport, with its path and login. The
/// standard only recommends this form, so one that is not in it says nothing: errc::server_reference_invalid,
/// also if it is empty, or if `from` is a Unix socket.
inline result<std::vector<broker>> parse_server_reference(std::string_view text, const broker& from) {
    std::vector<broker> out;
    if (from.transport == transport_kind::unix_socket) return errc::server_reference_invalid;
    while (!text.empty()) {
        const std::string_view one = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(text.size(), one.size() + 1));
        if (one.empty()) continue;
        if (std::any_of(one.begin(), one.end(), detail::is_blank_or_control))
            return errc::server_reference_invalid;
        broker& where = out.emplace_back(from);
        where.port = 0;
        if (detail::read_host_and_port(one, where) != errc::none) return errc::server_reference_invalid;
        if (where.port == 0) where.port = from.port;
    }
    if (out.empty()) return errc::server_reference_invalid;
    return out;
}

} // namespace inflight
