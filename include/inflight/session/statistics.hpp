// inflight/session/statistics.hpp - what a session has done, in numbers.
//
// Each is counted where it happens, under whatever lock is held there, by a plain addition; no clock is read
// for any of them.
#pragma once

#include <inflight/session/options.hpp>

namespace inflight {

/// How long answers take; all zero until there has been one.
struct round_trip {
    std::chrono::nanoseconds last{0}, least{0};
    std::chrono::nanoseconds smoothed{0}; // Each new one counts an eighth, as in TCP.
    std::uint64_t samples = 0;

    void add(std::chrono::nanoseconds time) {
        last = std::max(time, std::chrono::nanoseconds(0));
        least = samples == 0 ? last : std::min(least, last);
        smoothed = samples == 0 ? last : smoothed + (last - smoothed) / 8;
        ++samples;
    }
};

/// Messages to the broker. All but the first three count since the client was made.
struct outgoing_statistics {
    std::size_t waiting = 0;   // Now: accepted and not sent yet, or not since the latest connection.
    std::size_t in_flight = 0; // Now: QoS 1 and 2, sent and not acknowledged.
    std::size_t bytes = 0;     // Now: of all messages held, as max_queued_bytes counts them.

    std::uint64_t messages_sent = 0;   // For the first time.
    std::uint64_t messages_resent = 0; // Again: a connection, an acknowledgement or the session was lost.

    // Accepted messages that were not delivered, by the outcome that they had instead.
    std::uint64_t refused = 0;         // By the broker: a reason_code.
    std::uint64_t dropped = 0;         // errc::message_dropped, to make room.
    std::uint64_t expired = 0;         // errc::message_expired
    std::uint64_t session_lost = 0;    // errc::session_lost, with lost_session_policy::fail.
    std::uint64_t connection_lost = 0; // errc::connection_lost: QoS 0, being written.
    std::uint64_t not_sendable = 0;    // The broker, of another connection, does not take such messages.
    std::uint64_t abandoned = 0;       // By disconnecting, giving up or destroying the client.

    /// From sending a QoS 1 or 2 message to its PUBACK or PUBREC, of one message at a time.
    round_trip acknowledgement{};
};

/// Messages from the broker.
struct incoming_statistics {
    std::uint64_t messages_received = 0;   // Whatever becomes of them here; without QoS 2 repeats.
    std::uint64_t duplicates_received = 0; // With DUP set: the broker sends them again.
    std::uint64_t repeats_suppressed = 0;  // Of these, QoS 2 that the application has had already.
};

struct session_statistics : outgoing_statistics, incoming_statistics {
    round_trip keep_alive{}; // From a PINGREQ that has left to its PINGRESP.
};

} // namespace inflight
