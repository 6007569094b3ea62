// inflight/testing/timer_queue.hpp - what is due when, for a machine that is told the time.
#pragma once

#include <inflight/session/options.hpp>

#include <compare>
#include <map>
#include <set>

namespace inflight::testing {

/// Names one timer: at most one of each kind for each connection or session.
struct timer {
    enum class kind : std::uint8_t { silence, delayed_packet, will, session_end };
    kind what;
    std::uint64_t number; // Of the connection, or of the session.
    friend auto operator<=>(const timer&, const timer&) = default;
};

/// Timers that are due at the same time come in the order of `timer`, so that a run can be repeated.
class timer_queue {
public:
    void set(timer which, time_point at) {
        const auto [place, is_new] = times_.emplace(which, at);
        if (!is_new) {
            order_.erase({place->second, which});
            place->second = at;
        }
        order_.emplace(at, which);
    }

    void cancel(timer which) {
        const auto place = times_.find(which);
        if (place == times_.end()) return;
        order_.erase({place->second, which});
        times_.erase(place);
    }

    std::optional<time_point> next() const {
        if (order_.empty()) return std::nullopt;
        return order_.begin()->first;
    }

    /// The first timer that is due, taken out.
    std::optional<timer> take_due(time_point now) {
        if (order_.empty() || order_.begin()->first > now) return std::nullopt;
        const timer out = order_.begin()->second;
        cancel(out);
        return out;
    }

    void clear() {
        order_.clear();
        times_.clear();
    }

private:
    std::set<std::pair<time_point, timer>> order_{};
    std::map<timer, time_point> times_{};
};

} // namespace inflight::testing
