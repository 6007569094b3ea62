// inflight/async_client/connection_event.hpp - what a client does to be connected, step by step.
#pragma once

#include <inflight/codec/error_condition.hpp>
#include <inflight/session/options.hpp>
#include <inflight/transport/address.hpp>

namespace inflight {

enum class connection_step : std::uint8_t {
    resolving,      // The host's name is looked up.
    connecting,     // To `address`, perhaps while another one has not answered yet.
    address_failed, // `error` says why; others may be left.
    handshaking,    // An address has answered; the proxy, TLS and WebSocket come next, if they are used.
    connected,      // The transport stands, CONNECT is sent.
    accepted,       // CONNACK with success.
    refused,        // CONNACK with `error`.
    lost,           // The attempt, or the connection, has ended with `error`.
    redirected,     // The broker has sent us to `where`.
    waiting,        // `wait` long; then `where` is tried.
    stopped,        // No other attempt is made; `error` says why, none after disconnecting.
};

/// Enough to see why a client does not connect; a client prints nothing by itself.
struct connection_event {
    connection_step step{};
    broker where{};
    std::string address{}; // connecting, address_failed: of the host, with the port.
    std::error_code error{};
    std::string details{}; // lost, stopped: what TLS, WebSocket or the proxy know of the error besides.
    std::chrono::milliseconds wait{0};
    time_point time{};
};

/// "connecting to 192.0.2.1:1883 (broker.example:1883)"
inline std::string print(const connection_event& e) {
    const std::string where = print(e.where);
    const std::string address = e.address.empty() ? where : e.address + " (" + where + ")";
    std::string why = ": " + e.error.message();
    if (!e.details.empty()) why += " (" + e.details + ')';
    switch (e.step) {
        case connection_step::resolving: return "resolving " + where;
        case connection_step::connecting: return "connecting to " + address;
        case connection_step::address_failed: return "cannot connect to " + address + why;
        case connection_step::handshaking: return "handshake with " + where;
        case connection_step::connected: return "connected to " + where + ", awaiting CONNACK";
        case connection_step::accepted: return "accepted by " + where;
        case connection_step::refused: return "refused by " + where + why;
        case connection_step::lost: return "lost " + where + why;
        case connection_step::redirected: return "redirected to " + where;
        case connection_step::waiting:
            return "waiting " + std::to_string(e.wait.count()) + " ms before trying " + where;
        case connection_step::stopped: return e.error ? "stopped" + why : "stopped";
    }
    return {};
}

} // namespace inflight
