// What the tests of the client share: options, and a journal that callbacks of any thread write into.
#pragma once

#include "support/catch.hpp"
#include "support/fake_server.hpp"

#include <inflight/client.hpp>

#include <algorithm>
#include <future>

using namespace inflight;
using namespace std::chrono_literals;

inline constexpr auto v3 = protocol_version::v3_1_1;
inline constexpr auto v5 = protocol_version::v5;

constexpr packet_id id(unsigned number) { return packet_id{static_cast<std::uint16_t>(number)}; }

inline const std::string here = "127.0.0.1";

inline client_options test_options(std::optional<protocol_version> version = v5) {
    client_options o;
    o.client_id = "c";
    o.version = version;
    o.reconnect_delay = 10ms;
    o.max_reconnect_delay = 40ms;
    o.drain_timeout = 5s;
    o.seed = 1;
    return o;
}

using trace = std::vector<std::string>;

/// Lines from any thread. (Catch2's own assertions belong to the test's thread.)
class journal {
public:
    void add(std::string line) {
        const std::lock_guard lock(mutex_);
        lines_.push_back(std::move(line));
        changed_.notify_all();
    }
    trace lines() const {
        const std::lock_guard lock(mutex_);
        return lines_;
    }
    std::size_t size() const { return lines().size(); }
    /// Waits until there are `count` lines; all there are then.
    trace wait_for(std::size_t count) const {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, 20s, [&] { return lines_.size() >= count; }))
            throw std::runtime_error("waited in vain for the journal");
        return lines_;
    }

private:
    mutable std::mutex mutex_{};
    mutable std::condition_variable changed_{};
    trace lines_{};
};

/// Opens once.
class gate {
public:
    void open() { promise_.set_value(); }
    void pass() const {
        if (future_.wait_for(20s) != std::future_status::ready) throw std::runtime_error("the gate did not open");
    }

private:
    std::promise<void> promise_{};
    std::shared_future<void> future_ = promise_.get_future().share();
};

template <class Done>
void until(Done&& done) {
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
        if (std::chrono::steady_clock::now() > end) throw std::runtime_error("waited in vain");
        std::this_thread::sleep_for(1ms);
    }
}

inline std::string words(std::error_code error) { return error ? error.message() : "ok"; }

inline publish delivered(unsigned number, qos level, std::string_view topic, std::string_view payload, bool dup = false) {
    return {.dup = dup, .qos = level, .topic = topic, .id = id(number), .payload = payload};
}
