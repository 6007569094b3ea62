// A client's options where a test does not care for more: it goes the same way each time.
#pragma once

#include <inflight/async_client/options.hpp>

inline inflight::client_options options_for(std::string_view id,
                                            inflight::protocol_version version = inflight::protocol_version::v5) {
    inflight::client_options o;
    o.client_id = id;
    o.version = version;
    o.seed = 1;
    return o;
}
