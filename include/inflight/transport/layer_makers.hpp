// inflight/transport/layer_makers.hpp - the layers that a program has.
//
// tls.hpp, websocket.hpp and proxy.hpp enter theirs by being included, in any unit of a program. So clients
// need not be told, and a program that includes none of them needs no library, and compiles no line of them.
#pragma once

#include <inflight/transport/address.hpp>
#include <inflight/transport/layer.hpp>
#include <inflight/transport/options.hpp>

namespace inflight::detail {

/// Makes the TLS layers of one client's connections, one after the other, and keeps what they have in common:
/// certificates that were read, sessions to resume.
class tls_layer_maker {
public:
    virtual ~tls_layer_maker() = default;
    /// The layer, or why there is none: a file that cannot be read, above all; then `details` says which.
    virtual std::error_code make(const broker& where, std::unique_ptr<layer>& out, std::string& details) = 0;
};

struct layer_makers {
    std::unique_ptr<tls_layer_maker> (*tls)(const tls_options&) = nullptr;
    std::unique_ptr<layer> (*proxy)(const proxy_options&, const broker&) = nullptr;
    std::unique_ptr<layer> (*websocket)(const broker&, const websocket_options&) = nullptr;
};

inline constinit layer_makers known_layers{};

} // namespace inflight::detail
