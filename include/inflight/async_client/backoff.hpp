// inflight/async_client/backoff.hpp - how long to wait before the next attempt to connect.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace inflight {

/// Doubles from the first delay to the greatest, with a jitter of a quarter, so that many clients of a broker
/// that comes back do not come all at once. A connection that did not last does not make it start over: a
/// broker that accepts and drops every connection is met with growing delays.
class backoff {
public:
    using duration = std::chrono::milliseconds;

    void configure(duration first, duration greatest) {
        first_ = std::max(first, duration(1));
        greatest_ = std::max(first_, greatest);
        delay_ = std::clamp(delay_, duration(0), greatest_);
    }

    void reset() { delay_ = duration(0); }

    template <class Random>
    duration next(Random& random) {
        delay_ = delay_.count() == 0 ? first_ : std::min(greatest_, delay_ * 2);
        const auto quarter = delay_.count() / 4;
        return delay_ + duration(std::uniform_int_distribution<duration::rep>(-quarter, quarter)(random));
    }

private:
    duration first_{1'000}, greatest_{120'000}, delay_{0};
};

} // namespace inflight
