// library.hpp - what the programs for inflight's clients share.
#pragma once

#include "measurement.hpp"

#include <inflight/async_client/options.hpp>
#ifdef BENCHMARK_WITH_LAYERS
#include <inflight/tls.hpp>
#include <inflight/websocket.hpp>
#endif

namespace benchmark {

inline void must(std::error_code error) {
    if (error) fail(error.message());
}

inline inflight::broker broker_of(const arguments& a) {
    using inflight::transport_kind;
    if (a.transport == "unix") return {a.path, 0, transport_kind::unix_socket};
    if (a.transport == "tls") return {"127.0.0.1", a.port, transport_kind::tls};
    if (a.transport == "websocket") return {"127.0.0.1", a.port, transport_kind::websocket};
    return {"127.0.0.1", a.port};
}

inline inflight::client_options options_of(const arguments& a) {
    inflight::client_options o;
    o.brokers = {broker_of(a)};
    if (!a.ca_file.empty()) o.tls->ca_file = a.ca_file;
    o.version = static_cast<inflight::protocol_version>(a.version);
    o.max_inflight_messages = static_cast<std::uint16_t>(a.window);
    o.receive_maximum = static_cast<std::uint16_t>(a.window);
    o.max_inbound_messages = 65'535;
    o.max_queued_bytes = 0;
    o.on_inbound_overflow = inflight::inbound_overflow::pause_reading; // Nothing may be dropped: we count.
    return o;
}

} // namespace benchmark
