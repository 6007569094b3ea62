// inflight/transport/address.hpp - where a broker listens, and by which transport it is reached.
// Standard: RFC 3986; RFC 6455, 3 (ws, wss); the other schemes are the habit of MQTT clients.
#pragma once

#include <inflight/codec/credentials.hpp>
#include <inflight/codec/error.hpp>
#include <inflight/transport/ascii.hpp>
#include <inflight/transport/boxed.hpp>

#include <algorithm>
#include <charconv>

namespace inflight {

enum class transport_kind : std::uint8_t { tcp, tls, websocket, secure_websocket, unix_socket };

/// Where a broker listens. `host` is a name, an IPv4 or IPv6 literal, the latter with or without brackets, or
/// the path of the socket for unix_socket. In its place may stand a whole address, "mqtts://host:8884" or
/// "host:1884", which then says the other members too: see parse_broker().
struct broker {
    std::string host = "localhost";
    std::uint16_t port = 0; // 0: the one that goes with the transport: 1883, 8883, 80, 443.
    transport_kind transport = transport_kind::tcp;
    boxed<std::string> path{};  // WebSocket: the request's, with the query; unset: "/mqtt".
    boxed<credentials> login{}; // Of the address; those of the options come first.
    friend bool operator==(const broker&, const broker&) = default;
};

constexpr bool uses_tls(transport_kind kind) {
    return kind == transport_kind::tls || kind == transport_kind::secure_websocket;
}
constexpr bool uses_websocket(transport_kind kind) {
    return kind == transport_kind::websocket || kind == transport_kind::secure_websocket;
}

namespace detail {

struct address_scheme {
    std::string_view name;
    transport_kind kind;
    std::uint16_t port;
};
// The first of each kind is the one that is printed; the others are those of other clients.
inline constexpr address_scheme address_schemes[] = {
    {"mqtt", transport_kind::tcp, 1883},     {"mqtts", transport_kind::tls, 8883},
    {"ws", transport_kind::websocket, 80},   {"wss", transport_kind::secure_websocket, 443},
    {"unix", transport_kind::unix_socket, 0}, {"tcp", transport_kind::tcp, 1883},
    {"ssl", transport_kind::tls, 8883},      {"tls", transport_kind::tls, 8883},
};

constexpr const address_scheme& scheme_of(transport_kind kind) {
    return *std::find_if(std::begin(address_schemes), std::end(address_schemes),
                         [kind](const address_scheme& s) { return s.kind == kind; });
}

inline const address_scheme* find_scheme(std::string_view name) {
    for (const address_scheme& s : address_schemes)
        if (equals_ignoring_case(s.name, name)) return &s;
    return nullptr;
}

/// The host without the brackets that an IPv6 literal may have.
inline std::string without_brackets(std::string host) {
    return host.starts_with('[') && host.ends_with(']') ? host.substr(1, host.size() - 2) : host;
}

/// The host as it stands before a port: an IPv6 literal in brackets. RFC 3986, 3.2.2.
inline std::string in_brackets(std::string host) {
    const bool is_bare = host.find(':') != std::string::npos && !host.starts_with('[');
    return is_bare ? '[' + host + ']' : host;
}

constexpr bool is_blank_or_control(char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; }

// "%41" is "A".
inline errc unescape(std::string_view text, std::string& out) {
    out.clear();
    for (; !text.empty(); text.remove_prefix(1)) {
        if (text.front() != '%') {
            out.push_back(text.front());
            continue;
        }
        unsigned char byte = 0;
        const char* const digits = text.data() + 1;
        if (text.size() < 3 || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2)
            return errc::escape_invalid;
        out.push_back(static_cast<char>(byte));
        text.remove_prefix(2);
    }
    return errc::none;
}

// "user", "user:password".
inline errc read_login(std::string_view text, broker& out) {
    if (text.empty()) return errc::none;
    const std::size_t colon = text.find(':');
    credentials read;
    if (const errc bad = unescape(text.substr(0, colon), read.user_name.emplace()); bad != errc::none)
        return bad;
    if (read.user_name->empty()) read.user_name.reset();
    if (colon != std::string_view::npos)
        if (const errc bad = unescape(text.substr(colon + 1), read.password.emplace()); bad != errc::none)
            return bad;
    *out.login = std::move(read);
    return errc::none;
}

constexpr std::string_view never_in_hosts = "[]<>\"\\^`{|}%@/?#:"; // Unless they are escaped.

// "2001:db8::1", or with a zone "fe80::1%eth0". In brackets it may have "%25" in place of "%" (RFC 6874).
inline errc read_ipv6(std::string_view text, std::string& host, bool is_in_brackets) {
    const std::string_view address = text.substr(0, text.find('%'));
    std::string_view zone = text.substr(address.size());
    if (is_in_brackets && zone.starts_with("%25")) zone.remove_prefix(2);
    if (std::count(address.begin(), address.end(), ':') < 2) return errc::host_invalid;
    if (address.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos)
        return errc::host_invalid;
    host = address;
    if (zone.empty()) return errc::none;
    zone.remove_prefix(1);
    if (zone.empty() || zone.find_first_of(never_in_hosts) != std::string_view::npos)
        return errc::host_invalid;
    host.append(1, '%').append(zone);
    return errc::none;
}

/// host, host:port, [host] or [host]:port. Without a port that of `out` stays.
inline errc read_host_and_port(std::string_view text, broker& out) {
    std::string_view host = text.substr(0, text.find(':')), rest = text.substr(host.size());
    const bool is_ipv6 = text.starts_with('[');
    if (is_ipv6) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return errc::host_invalid;
        host = text.substr(1, end - 1);
        rest = text.substr(end + 1);
        if (const errc bad = read_ipv6(host, out.host, true); bad != errc::none) return bad;
    } else {
        if (host.empty()) return errc::no_host;
        if (host.find_first_of(never_in_hosts) != std::string_view::npos) return errc::host_invalid;
        out.host = host;
    }
    if (rest.empty()) return errc::none;
    if (rest.front() != ':') return errc::host_invalid;
    std::uint16_t port = 0;
    const char* const last = rest.data() + rest.size();
    const auto [end, bad] = std::from_chars(rest.data() + 1, last, port);
    if (bad != std::errc{} || end != last || port == 0) return errc::port_invalid;
    if (out.port != 0 && out.port != port) return errc::port_contradicted;
    out.port = port;
    return errc::none;
}

// "user:password@host:port", of which all but the host may be missing.
inline errc read_authority(std::string_view text, broker& out) {
    const std::size_t at = text.rfind('@');
    if (at != std::string_view::npos)
        if (const errc bad = read_login(text.substr(0, at), out); bad != errc::none) return bad;
    return read_host_and_port(text.substr(at + 1), out);
}

// What follows "unix:", a path with or without an empty host ("unix:///run/mqtt").
inline errc read_socket_path(std::string_view text, broker& out) {
    if (text.starts_with("//")) {
        text.remove_prefix(2);
        if (!text.starts_with('/')) return errc::host_invalid; // It would be on another machine.
    }
    if (text.empty()) return errc::no_host;
    std::string path;
    if (const errc bad = unescape(text, path); bad != errc::none) return bad;
    if (path.find('\0') != std::string::npos) return errc::address_character_invalid;
    const bool is_mistakable = find_scheme(path.substr(0, path.find(':'))) != nullptr;
    out.host = is_mistakable ? "./" + path : std::move(path);
    return errc::none;
}

// What follows "scheme:".
inline errc read_address(std::string_view text, const address_scheme& scheme, broker& out) {
    out.transport = scheme.kind;
    if (scheme.kind == transport_kind::unix_socket) return read_socket_path(text, out);
    if (std::any_of(text.begin(), text.end(), is_blank_or_control)) return errc::address_character_invalid;
    text.remove_prefix(2);
    const std::string_view authority = text.substr(0, text.find_first_of("/?#"));
    const std::string_view rest = text.substr(authority.size());
    if (const errc bad = read_authority(authority, out); bad != errc::none) return bad;
    if (rest.find('#') != std::string_view::npos) return errc::fragment_not_allowed;
    if (rest.empty() || (rest == "/" && !uses_websocket(scheme.kind))) return errc::none;
    if (!uses_websocket(scheme.kind)) return errc::path_not_allowed;
    std::string unused;
    if (const errc bad = unescape(rest, unused); bad != errc::none) return bad;
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    if (!std::all_of(rest.begin(), rest.end(), is_ascii)) return errc::address_character_invalid;
    *out.path = rest.front() == '/' ? std::string(rest) : '/' + std::string(rest);
    return errc::none;
}

/// Reads what `host` says beyond a host, and sets the port. Then nothing is left to be read, and it may be
/// called again. What is wrong, if anything; then `b` is what it was. TCP, if no scheme says it, becomes
/// `without_scheme`.
inline errc complete(broker& b, transport_kind without_scheme = transport_kind::tcp) {
    broker read = b;
    const std::string_view text = b.host;
    if (text.empty()) return errc::no_host;
    const std::size_t colon = text.find(':');
    const std::string_view behind = text.substr(std::min(colon, text.size()));
    const address_scheme* const scheme = find_scheme(text.substr(0, colon));
    const bool is_socket = scheme && scheme->kind == transport_kind::unix_socket && !behind.empty();
    if (b.transport == transport_kind::unix_socket && !is_socket) return errc::none;
    const bool scheme_is_said = behind.starts_with("://") || is_socket;
    errc bad = errc::none;
    if (scheme_is_said)
        bad = scheme ? read_address(behind.substr(1), *scheme, read) : errc::scheme_unknown;
    else if (std::any_of(text.begin(), text.end(), is_blank_or_control))
        return errc::address_character_invalid;
    else if (!text.starts_with('[') && behind.find(':', 1) != std::string_view::npos)
        bad = read_ipv6(text, read.host, false);
    else
        bad = read_host_and_port(text, read);
    if (bad != errc::none) return bad;
    if (!scheme_is_said && read.transport == transport_kind::tcp) read.transport = without_scheme;
    if (read.port == 0) read.port = scheme_of(read.transport).port;
    b = std::move(read);
    return errc::none;
}

} // namespace detail

/// Reads an address: mqtt://, mqtts:// (TLS), ws://, wss:// (WebSocket) or unix:/path/of/socket; tcp://,
/// ssl:// and tls:// are other names of the first two. Behind the slashes user:password@host:port/path, of
/// which all but the host may be missing; what has a meaning there is escaped ("p%40ss"). A path and a query
/// are for WebSocket only. Without a scheme: host, host:port, an IPv6 literal; over TCP.
/// Errors: errc::scheme_unknown, errc::no_host, errc::host_invalid, errc::port_invalid, errc::escape_invalid,
/// errc::address_character_invalid, errc::path_not_allowed, errc::fragment_not_allowed.
inline result<broker> parse_broker(std::string_view address) {
    broker out{.host = std::string(address)};
    if (const errc bad = detail::complete(out); bad != errc::none) return bad;
    return out;
}

/// "host:1883", "mqtts://host:8883", "ws://[::1]:80/mqtt", "unix:/run/mqtt": an address that parse_broker()
/// takes, without user name and password.
inline std::string print(const broker& where) {
    const transport_kind kind = where.transport;
    const detail::address_scheme& scheme = detail::scheme_of(kind);
    std::string out;
    if (kind == transport_kind::unix_socket) {
        out = where.host.starts_with("//") ? "unix://" : "unix:"; // Or else a host would come next.
        for (const char c : where.host) c == '%' ? out.append("%25") : out.append(1, c);
        return out;
    }
    const bool is_mistakable = detail::find_scheme(where.host) != nullptr; // "unix:1883" is a path.
    if (kind != transport_kind::tcp || is_mistakable) out.append(scheme.name).append("://");
    std::string host = where.host;
    if (const std::size_t zone = host.find("%25"); zone != std::string::npos) host.insert(zone + 1, "25");
    out += detail::in_brackets(std::move(host)) + ':';
    out += std::to_string(where.port == 0 ? scheme.port : where.port);
    if (uses_websocket(kind) && where.path.is_set()) out += *where.path;
    return out;
}

} // namespace inflight
