// inflight/session/ack_timer.hpp - how long the oldest message in flight may wait for its acknowledgement.
#pragma once

#include <inflight/session/resend_queue.hpp>

namespace inflight {

/// Runs for that message only, starts anew when it is another one or has come further, and doubles with each
/// expiry. Positions are those of the output.
class ack_timer {
public:
    bool is_running() const { return sequence_ != 0; }
    std::optional<time_point> due() const { return is_running() ? std::optional(due_) : std::nullopt; }

    /// `oldest` is the one to wait for, for `first` to begin with; what it was sent with ends at `end`.
    void watch(const outgoing_record& oldest, std::uint64_t end, std::chrono::milliseconds first,
               time_point now) {
        if (oldest.sequence == sequence_ && oldest.state == state_) return;
        if (oldest.sequence != timed_sequence_) wait_ = first;
        sequence_ = timed_sequence_ = oldest.sequence;
        state_ = oldest.state;
        sent(end);
        due_ = now + wait_;
    }

    /// There is nothing to wait for. What it has doubled to stays, for the same message.
    void stop() { sequence_ = 0; }

    /// The message is overdue: it has left, and nothing has come in time.
    bool has_expired(std::uint64_t written, time_point now) {
        if (now < due_) return false;
        const bool has_left = written >= end_; // If it has not even left, once is enough.
        if (has_left) wait_ *= 2;
        due_ = now + wait_;
        return has_left;
    }

    /// It has been sent, once more, up to this position.
    void sent(std::uint64_t end) { end_ = end; }

    void shift(std::chrono::nanoseconds by) {
        due_ += std::chrono::duration_cast<time_point::duration>(by);
    }

private:
    std::uint64_t sequence_ = 0;       // The message it runs for; 0: it does not run.
    std::uint64_t timed_sequence_ = 0; // The message wait_ has been doubled for.
    flow state_ = flow::none;
    std::uint64_t end_ = 0; // Behind its last sending.
    std::chrono::milliseconds wait_{};
    time_point due_{};
};

} // namespace inflight
