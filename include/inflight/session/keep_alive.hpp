// inflight/session/keep_alive.hpp - when to send PINGREQ, and how long to wait for its answer.
// Standard: MQTT 5.0 and 3.1.1 section 3.1.2.10.
#pragma once

#include <inflight/session/options.hpp>

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

    /// Some bytes have left: only what we send counts. [v5:MQTT-3.1.2-20] [v3:MQTT-3.1.2-23]
    void sent(time_point now) { last_sent_ = now; }
    void answered() { asked_ = false; }

    std::optional<time_point> deadline(bool paused) const {
        if (interval_.count() == 0) return std::nullopt;
        const time_point ping = last_sent_ + interval_;
        return asked_ && !paused ? std::min(ping, answer_due_) : ping;
    }

    due deadline_reached(bool paused, time_point now) {
        if (interval_.count() == 0) return due::nothing;
        if (asked_ && !paused && now >= answer_due_) return due::timeout; // [v5:U5-10] [v3:U3-03]
        if (now < last_sent_ + interval_) return due::nothing;
        if (!asked_) answer_due_ = now + timeout_;
        asked_ = true;
        last_sent_ = now;
        return due::ping;
    }

    void shift_deadline(std::chrono::nanoseconds by) {
        answer_due_ += std::chrono::duration_cast<time_point::duration>(by);
    }

private:
    std::chrono::seconds interval_{0};
    std::chrono::milliseconds timeout_{0};
    time_point last_sent_{}, answer_due_{};
    bool asked_ = false; // A PINGREQ awaits its answer.
};

} // namespace inflight
