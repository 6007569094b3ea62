// inflight/session/message_counter.hpp - counts what becomes of messages to the broker, and times some.
#pragma once

#include <inflight/session/statistics.hpp>

namespace inflight {

/// Times one message after the other: the next one is that which is sent first after an answer has come.
class message_counter {
public:
    void sent() { ++sendings_; }
    void sent(std::uint64_t sequence, time_point now) {
        ++sendings_;
        if (timed_ != 0) return;
        timed_ = sequence;
        sent_at_ = now;
    }
    /// What is being sent had been sent before, on an earlier connection.
    void is_repeat() { ++counted_.messages_resent; }
    /// Sent again on the same connection: the answer may be one to the first sending.
    void repeated(std::uint64_t sequence) {
        ++sendings_;
        is_repeat();
        if (sequence == timed_) timed_ = 0;
    }
    void answered(std::uint64_t sequence, time_point now) {
        if (sequence != timed_) return;
        counted_.acknowledgement.add(now - sent_at_);
        timed_ = 0;
    }
    void connection_lost() { timed_ = 0; }

    /// One message less that gets through; errc::none: the broker refuses it.
    [[gnu::noinline]] void failed(errc why) {
        switch (why) {
            case errc::none: ++counted_.refused; break;
            case errc::downgraded_qos: break;
            case errc::message_dropped: ++counted_.dropped; break;
            case errc::message_expired: ++counted_.expired; break;
            case errc::session_lost: ++counted_.session_lost; break;
            case errc::connection_lost: ++counted_.connection_lost; break;
            case errc::not_connected:
            case errc::shutting_down: ++counted_.abandoned; break;
            default: ++counted_.not_sendable; break;
        }
    }

    /// Without the numbers of the moment.
    outgoing_statistics statistics() const {
        outgoing_statistics out = counted_;
        out.messages_sent = sendings_ - out.messages_resent;
        return out;
    }

private:
    outgoing_statistics counted_{};
    std::uint64_t sendings_ = 0;
    std::uint64_t timed_ = 0; // The sequence number of the message that is being timed, if there is one.
    time_point sent_at_{};
};

} // namespace inflight
