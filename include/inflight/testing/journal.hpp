// inflight/testing/journal.hpp - what a test server has seen: printed packets and numbers.
#pragma once

#include <inflight/codec/print.hpp>
#include <inflight/testing/fault_plan.hpp>

#include <deque>

namespace inflight::testing {

/// Names one connection of a server, counted from 1.
enum class connection_id : std::uint64_t {};

constexpr std::uint64_t number(connection_id id) { return static_cast<std::uint64_t>(id); }

/// Numbers that only grow. Packets count when they have arrived or have been handed to the transport: what a
/// fault_plan loses does not.
struct server_counters {
    std::array<std::uint64_t, 16> packets_received{}, packets_sent{}; // See received() and sent().
    std::uint64_t connections = 0;
    std::uint64_t messages_in = 0;        // Taken from clients: QoS 2 repeats do not count.
    std::uint64_t messages_out = 0;       // Sent to clients for the first time.
    std::uint64_t messages_dropped = 0;   // No room: max_queued_messages, max_output_bytes.
    std::uint64_t messages_expired = 0;   // Before they could be sent.
    std::uint64_t messages_too_large = 0; // For the client's Maximum Packet Size.
    std::uint64_t wills = 0;              // Published.
    std::uint64_t take_overs = 0;
    std::uint64_t stray_acknowledgements = 0; // For an identifier that is not in flight on the connection.

    std::uint64_t received(packet_type type) const {
        return packets_received[static_cast<std::size_t>(type)];
    }
    std::uint64_t sent(packet_type type) const { return packets_sent[static_cast<std::size_t>(type)]; }
};

/// The counters, and the last packets both ways: "1 -> PINGREQ" came in over connection 1, "1 <- PINGRESP"
/// went out. What a fault plan did is told at the end of the line.
class journal {
public:
    server_counters counters{};

    const std::deque<std::string>& trace() const { return lines_; }
    void clear_trace() { lines_.clear(); }
    void set_capacity(std::size_t lines) {
        capacity_ = lines;
        trim();
    }

    template <class Packet>
    void add(connection_id id, direction way, const Packet& p, protocol_version version,
             fault_plan::fate fate) {
        if (capacity_ == 0) return;
        std::string text = print(p, version);
        if (text.size() > longest) text.replace(longest, std::string::npos, "...");
        add_line(id, way, text.append(words(fate)));
    }
    void add_line(connection_id id, direction way, std::string_view text) {
        if (capacity_ == 0) return;
        const std::string_view arrow = way == direction::to_server ? " -> " : " <- ";
        lines_.push_back(std::to_string(number(id)).append(arrow).append(text));
        trim();
    }

private:
    static constexpr std::size_t longest = 2'000; // A SUBSCRIBE may hold many thousand filters.

    static std::string_view words(fault_plan::fate fate) {
        if (fate.copies == 0) return " (lost)";
        if (fate.delay.count() != 0) return " (delayed)";
        return fate.copies > 1 ? " (repeated)" : "";
    }
    void trim() {
        while (lines_.size() > capacity_) lines_.pop_front();
    }

    std::deque<std::string> lines_{};
    std::size_t capacity_ = 0;
};

} // namespace inflight::testing
