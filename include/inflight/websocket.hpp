// inflight/websocket.hpp - MQTT over WebSocket, of ws:// and, with tls.hpp, wss:// addresses.
// Standard: RFC 6455.
//
// Needs wslay and OpenSSL; the CMake target is inflight::websocket.
// To include it, in any unit of a program, is all: clients find it. What may be said in the request stands in
// websocket_options (transport/options.hpp). The server's end is in websocket/server_layer.hpp.
#pragma once

#include <inflight/transport/layer_makers.hpp>
#include <inflight/websocket/client_layer.hpp>

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
