// inflight/session/keep_alive.hpp - when to send PINGREQ, and how long to wait for its answer.
// Standard: MQTT 5.0 and 3.1.1 section 3.1.2.10.
#pragma once

#include <inflight/session/statistics.hpp>

namespace inflight {

class keep_alive {
public:
    enum class due { nothing, ping, timeout };

    /// CONNACK; the time runs since CONNECT has been sent. An interval of 0 turns it off. [v5:U5-35]
    void start(std::chrono::seconds interval, std::chrono::milliseconds ping_timeout) {
        interval_ = interval;
        timeout_ = std::min(ping_timeout, std::chrono::milliseconds(interval) / 2);
        asked_ = false;
    }

    void stop() { interval_ = std::chrono::seconds(0); }

    /// Some bytes have left. [v5:MQTT-3.1.2-20] [v3:MQTT-3.1.2-23] `ping_too`: among them, or before, the
    /// PINGREQ, whose answer cannot be late while it waits behind a large message that is leaving slowly.
    void sent(bool ping_too, time_point now) {
        last_sent_ = now;
        if (asked_ && !ping_has_left_) answer_due_ = now + timeout_;
        ping_has_left_ = ping_too;
    }
    /// Some bytes have come. A link on which nothing comes may be dead, however much we send.
    void received(time_point now) { last_received_ = now; }
    void answered() {
        if (asked_ && ping_has_left_) round_trip_.add(last_received_ - (answer_due_ - timeout_));
        asked_ = false;
    }
    const inflight::round_trip& round_trip() const { return round_trip_; }

    std::optional<time_point> deadline(bool paused) const {
        if (interval_.count() == 0) return std::nullopt;
        const time_point ping = ping_due(paused);
        return asked_ && !paused ? std::min(ping, answer_due_) : ping;
    }

    due deadline_reached(bool paused, time_point now) {
        if (interval_.count() == 0) return due::nothing;
        if (asked_ && !paused && now >= answer_due_) return due::timeout; // [v5:U5-10] [v3:U3-03]
        if (now < ping_due(paused)) return due::nothing;
        if (!asked_) {
            answer_due_ = now + timeout_;
            ping_has_left_ = false;
        }
        asked_ = true;
        last_sent_ = now;
        return due::ping;
    }

    void shift_deadline(std::chrono::nanoseconds by) {
        answer_due_ += std::chrono::duration_cast<time_point::duration>(by);
        last_received_ += std::chrono::duration_cast<time_point::duration>(by);
    }

private:
    // While nothing is read, or an answer is awaited, it is no news that nothing comes.
    time_point ping_due(bool paused) const {
        return (paused || asked_ ? last_sent_ : std::min(last_sent_, last_received_)) + interval_;
    }

    std::chrono::seconds interval_{0};
    std::chrono::milliseconds timeout_{0};
    time_point last_sent_{}, last_received_{}, answer_due_{};
    inflight::round_trip round_trip_{};
    bool asked_ = false;         // A PINGREQ awaits its answer.
    bool ping_has_left_ = false; // It has been written.
};

} // namespace inflight
