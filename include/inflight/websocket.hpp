// inflight/websocket.hpp - MQTT over WebSocket, for ws:// and wss:// addresses (RFC 6455). Needs wslay and
// OpenSSL: the CMake target is inflight::websocket.
//
// Including it, in any unit of a program, is all there is to do: clients find it by themselves.
#pragma once

#include <inflight/transport/layer_makers.hpp>
#include <inflight/websocket/client_layer.hpp>
#include <inflight/websocket/server_layer.hpp>

namespace inflight::detail {

// Set before main(), by the first of the units that include this.
inline const bool has_websocket = [] {
    known_layers.websocket = [](const broker& where,
                                const websocket_options& options) -> std::unique_ptr<layer> {
        return std::make_unique<websocket_client_layer>(where, options);
    };
    return true;
}();

} // namespace inflight::detail
