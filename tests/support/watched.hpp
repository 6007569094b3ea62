// What other threads bring about, and the test waits for without asking again and again.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

/// How long a test waits for what ought to come at once. Nobody waits that long unless the test fails, so that it can
/// allow for a slow machine that has other things to do. Mutations make tests fail on purpose, and set a shorter one.
#ifndef INFLIGHT_PATIENCE
#define INFLIGHT_PATIENCE 120
#endif
inline constexpr std::chrono::seconds patience{INFLIGHT_PATIENCE};

/// A value that any thread may change. (Catch2's own assertions belong to the test's thread.)
template <class T>
class watched {
public:
    watched() = default;
    explicit watched(T value) : value_(std::move(value)) {}

    template <class F>
    void change(F&& f) {
        const std::lock_guard lock(mutex_);
        f(value_);
        changed_.notify_all();
    }
    void operator++() {
        change([](T& value) { ++value; });
    }
    T now() const {
        const std::lock_guard lock(mutex_);
        return value_;
    }
    /// Waits until `done(value)`; the value then.
    template <class Done>
    T wait(Done&& done, std::string_view what = "a change") const {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, patience, [&] { return done(value_); }))
            throw std::runtime_error("waited in vain for " + std::string(what));
        return value_;
    }
    /// Whether it comes to that in time.
    template <class Done>
    bool wait_until(std::chrono::steady_clock::time_point end, Done&& done) const {
        std::unique_lock lock(mutex_);
        return changed_.wait_until(lock, end, [&] { return done(value_); });
    }
    T wait_for(const T& value) const {
        return wait([&](const T& now) { return now == value; });
    }

private:
    mutable std::mutex mutex_{};
    mutable std::condition_variable changed_{};
    T value_{};
};

using trace = std::vector<std::string>;

/// Lines, in the order in which they were added.
class journal {
public:
    void add(std::string line) {
        lines_.change([&](trace& all) { all.push_back(std::move(line)); });
    }
    trace lines() const { return lines_.now(); }
    std::size_t size() const { return lines().size(); }
    /// Waits until there are `count` lines; all there are then.
    trace wait_for(std::size_t count) const {
        return lines_.wait([&](const trace& all) { return all.size() >= count; }, "a line in the journal");
    }

private:
    watched<trace> lines_{};
};

/// Opens once, and stays open.
class gate {
public:
    void open() {
        open_.change([](bool& is_open) { is_open = true; });
    }
    void pass() const { open_.wait_for(true); }
    bool is_open() const { return open_.now(); }

private:
    watched<bool> open_{false};
};
