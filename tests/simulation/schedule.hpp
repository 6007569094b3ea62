// Virtual time: what is to happen, and when. Things of the same moment happen in the order in which they were scheduled.
#pragma once

#include "dice.hpp"

#include <inflight/session/options.hpp>

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

namespace simulation {

using inflight::time_point;

class schedule {
public:
    static constexpr time_point beginning{std::chrono::hours(1)};

    time_point now() const { return now_; }

    void at(time_point when, std::function<void()> what) {
        entries_.push_back({std::max(when, now_), ++last_number_, std::move(what)});
        std::push_heap(entries_.begin(), entries_.end(), later);
    }
    void after(duration delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }

    std::optional<time_point> next() const {
        if (entries_.empty()) return std::nullopt;
        return entries_.front().when;
    }

    /// Time passes until `when`, which is not after next().
    void advance(time_point when) { now_ = std::max(now_, when); }

    void run_next() {
        std::pop_heap(entries_.begin(), entries_.end(), later);
        const entry first = std::move(entries_.back());
        entries_.pop_back();
        advance(first.when);
        first.what();
    }

private:
    struct entry {
        time_point when;
        std::uint64_t number;
        std::function<void()> what;
    };
    static bool later(const entry& a, const entry& b) {
        return a.when != b.when ? a.when > b.when : a.number > b.number;
    }

    time_point now_ = beginning;
    std::vector<entry> entries_{};
    std::uint64_t last_number_ = 0;
};

} // namespace simulation
