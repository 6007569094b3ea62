// inflight/proxy.hpp - proxies between client and broker: HTTP CONNECT and SOCKS5. Needs no library.
//
// To include it, in any unit of a program, is all: clients find it. Which proxy, stands in proxy_options
// (transport/options.hpp), and parse_proxy() makes these of an address.
#pragma once

#include <inflight/transport/layer_makers.hpp>
#include <inflight/transport/proxy.hpp>
#include <inflight/transport/proxy_address.hpp>

namespace inflight::detail {

// Set before main(), by the first of the units that include this.
inline const bool proxies_are_known = [] {
    known_layers.proxy = &make_proxy_layer;
    return true;
}();

} // namespace inflight::detail
