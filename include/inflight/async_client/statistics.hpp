// inflight/async_client/statistics.hpp - what a client has done, in numbers.
#pragma once

#include <inflight/session/statistics.hpp>

namespace inflight {

/// Numbers about a client, as of the call that returned them; all of one moment. Those that do not say "now"
/// count since the client was made, over all connections.
struct client_statistics : session_statistics {
    std::size_t inbound_messages = 0, inbound_bytes = 0; // Now: received, and waiting for the application.

    std::uint64_t rejected = 0;           // publish() has refused them: queue full, topic not valid ...
    std::uint64_t inbound_dropped = 0;    // QoS 0 that came while the inbound queue was full.
    std::uint64_t inbound_oversized = 0;  // 3.1.1: larger than maximum_packet_size, read past.
    std::uint64_t bytes_sent = 0, bytes_received = 0; // Of MQTT, whatever the transport adds.
    std::uint64_t connections = 0;        // CONNACKs with success: all but the first are reconnects.
    std::uint64_t failed_attempts = 0;    // To connect, without such a CONNACK.
};

} // namespace inflight
