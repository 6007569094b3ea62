// inflight/transport/proxy_address.hpp - a proxy as text, and the proxies that environment variables name.
//
// Clients do not include this header: no variable is read unless a program calls proxy_from_environment().
#pragma once

#include <inflight/transport/address.hpp>
#include <inflight/transport/http_head.hpp>
#include <inflight/transport/proxy.hpp>

#include <cstdlib>

namespace inflight {

/// Reads a proxy's address: http://user:password@host:3128, or socks5:// or socks5h://, which are the same
/// here: the proxy looks up the broker's name. Without a scheme it is an HTTP proxy, without a port 8080 or
/// 1080 is meant. In user name and password what has a meaning in an address is escaped ("p%40ss").
/// Errors: errc::proxy_scheme_unknown (also https://, a proxy that is itself reached by TLS, and socks4://),
/// errc::no_proxy_host, errc::host_invalid, errc::port_invalid, errc::escape_invalid,
/// errc::address_character_invalid, errc::path_not_allowed.
inline result<proxy_options> parse_proxy(std::string_view address) {
    proxy_options out{.kind = proxy_kind::http};
    std::string_view rest = address;
    if (const std::size_t end = address.find("://"); end != std::string_view::npos) {
        const std::string_view scheme = address.substr(0, end);
        const auto is = [&](std::string_view name) { return detail::equals_ignoring_case(scheme, name); };
        if (is("socks5") || is("socks5h")) out.kind = proxy_kind::socks5;
        else if (!is("http")) return errc::proxy_scheme_unknown;
        rest.remove_prefix(end + 3);
    }
    if (std::any_of(rest.begin(), rest.end(), detail::is_blank_or_control))
        return errc::address_character_invalid;
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    rest.remove_prefix(authority.size());
    if (!rest.empty() && rest != "/") return errc::path_not_allowed;

    broker read;
    const errc bad = detail::read_authority(authority, read);
    if (bad != errc::none) return bad == errc::no_host ? errc::no_proxy_host : bad;
    out.host = std::move(read.host);
    out.port = read.port;
    out.user_name = std::move(read.login->user_name);
    out.password = std::move(read.login->password);
    return out;
}

namespace detail {

// "10.0.0.0/8"
inline bool is_in_network(std::string_view network, const std::string& host) {
    const std::size_t slash = network.find('/');
    const std::string base = address_bytes(std::string(network.substr(0, slash)));
    const std::string address = address_bytes(host);
    if (slash == std::string_view::npos || base.empty() || base.size() != address.size()) return false;
    std::size_t bits = 0;
    const char* const last = network.data() + network.size();
    const auto [end, bad] = std::from_chars(network.data() + slash + 1, last, bits);
    if (bad != std::errc{} || end != last || bits > 8 * base.size()) return false;
    for (std::size_t i = 0; i != bits; ++i) {
        const int mask = 0x80 >> i % 8;
        if ((base[i / 8] & mask) != (address[i / 8] & mask)) return false;
    }
    return true;
}

// Whether an element of NO_PROXY means this broker: a name means all that end with it too.
inline bool is_exempt(std::string_view element, const std::string& host, std::uint16_t port) {
    if (element == "*" || is_in_network(element, host)) return true;
    const std::string address = address_bytes(host);
    const std::string whole = address_bytes(std::string(element)); // IPv6 without brackets, above all.
    if (!whole.empty()) return whole == address;
    std::string_view name = element;
    if (name.starts_with("*.")) name.remove_prefix(1);
    if (name.starts_with('.')) name.remove_prefix(1);
    broker read{.host = {}, .port = 0};
    if (read_host_and_port(name, read) != errc::none) return false;
    if (read.port != 0 && read.port != port) return false;
    if (!address.empty()) return address == address_bytes(read.host);
    if (host.size() <= read.host.size()) return equals_ignoring_case(host, read.host);
    const std::size_t behind = host.size() - read.host.size();
    return host[behind - 1] == '.' && equals_ignoring_case(std::string_view(host).substr(behind), read.host);
}

inline bool is_exempt_by(std::string_view list, const std::string& host, std::uint16_t port) {
    while (!list.empty()) {
        const std::size_t end = std::min(list.find_first_of(", \t"), list.size());
        if (is_exempt(list.substr(0, end), host, port)) return true;
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return false;
}

/// proxy_from_environment() of an environment that `variable` has: null where there is none of that name.
template <class Variable> result<proxy_options> proxy_from(const broker& to, Variable variable) {
    broker where = to;
    if (const errc bad = complete(where); bad != errc::none) return bad;
    if (where.transport == transport_kind::unix_socket) return proxy_options{};
    const auto first_of = [&](std::initializer_list<const char*> names) {
        for (const char* const name : names)
            if (const char* const value = variable(name); value && *value) return std::string_view(value);
        return std::string_view();
    };
    if (is_exempt_by(first_of({"no_proxy", "NO_PROXY"}), where.host, where.port)) return proxy_options{};
    // A web server hands the header "Proxy" of a request to its programs as HTTP_PROXY: it is not believed.
    const std::string_view address = uses_tls(where.transport)
                                         ? first_of({"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})
                                         : first_of({"http_proxy", "all_proxy", "ALL_PROXY"});
    if (address.empty()) return proxy_options{};
    return parse_proxy(address);
}

} // namespace detail

/// The proxy that the environment names for this broker, as for web browsers: https_proxy or HTTPS_PROXY for
/// mqtts:// and wss://, http_proxy (small letters only) for mqtt:// and ws://; then all_proxy or ALL_PROXY.
/// None of them, or empty: no proxy. no_proxy or NO_PROXY is a list, parted by commas, of what is reached
/// without: names, which stand for all that end with them too, addresses, both with a port or without,
/// networks (10.0.0.0/8), or "*".
///     options.proxy = *proxy_from_environment(where);
/// Errors: those of parse_proxy() and parse_broker(). Reads the environment: nobody may change it meanwhile.
inline result<proxy_options> proxy_from_environment(const broker& where) {
    return detail::proxy_from(where, [](const char* name) { return std::getenv(name); });
}

} // namespace inflight
