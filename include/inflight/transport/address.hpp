// inflight/transport/address.hpp - where a broker listens, and by which transport it is reached.
#pragma once

#include <inflight/codec/error.hpp>
#include <inflight/transport/boxed.hpp>

namespace inflight {

enum class transport_kind : std::uint8_t { tcp, tls, websocket, secure_websocket, unix_socket };

/// What the broker shall know the client by.
struct credentials {
    std::optional<std::string> user_name{};
    std::optional<std::string> password{}; // 3.1.1: only with a user name.
    friend bool operator==(const credentials&, const credentials&) = default;
};

/// Where a broker listens. `host` is a name, or an IPv4 or IPv6 literal, the latter with or without brackets;
/// the path of the socket for unix_socket.
struct broker {
    std::string host = "localhost";
    std::uint16_t port = 1883;
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

} // namespace inflight
