// inflight/tls.hpp - TLS, of mqtts:// and wss:// addresses.
//
// Needs OpenSSL 3; the CMake target is inflight::tls.
// To include it, in any unit of a program, is all: clients find it. What is to be trusted, and who the client
// is, stand in tls_options (transport/options.hpp). The server's end is in tls/server.hpp.
#pragma once

#include <inflight/tls/client.hpp>

namespace inflight::detail {

inline std::unique_ptr<tls_layer_maker> make_tls_client(const tls_options& options) {
    return std::make_unique<tls_client_maker>(options);
}

inline const bool tls_is_known = [] {
    known_layers.tls = &make_tls_client;
    return true;
}();

} // namespace inflight::detail
