// inflight/client/acknowledgements.hpp - of messages that callbacks have had, on their way to the broker.
#pragma once

#include <inflight/async_client/basic_async_client.hpp>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

namespace inflight::detail {

/// They are given to the client together, which takes one lock and wakes one thread for many messages: when
/// the loop has told all it has, and a millisecond after the first one at the latest, since the callback that
/// comes next may take its time.
template <class AsyncClient>
class acknowledgements {
public:
    static constexpr std::chrono::milliseconds longest_wait{1};

    acknowledgements(asio::io_context& io, AsyncClient& async) : async_(async), timer_(io) {}

    /// A callback has had this message. `others_follow`: give() is not called at once.
    void add(const delivery& d, bool others_follow) {
        const std::lock_guard lock(mutex_);
        due_.push_back(d);
        if (others_follow && !is_timer_set_) set_timer();
    }

    void give() {
        const std::lock_guard lock(mutex_);
        give_locked();
    }

private:
    void give_locked() {
        if (!due_.empty()) async_.implementation().acknowledge_all(due_);
        due_.clear();
    }

    // Its handler runs on the thread that does the I/O, and so keeps what all this is a part of.
    void set_timer() {
        is_timer_set_ = true;
        timer_.expires_after(longest_wait);
        timer_.async_wait([this](std::error_code) {
            const std::lock_guard lock(mutex_);
            is_timer_set_ = false;
            give_locked();
        });
    }

    AsyncClient& async_;
    std::mutex mutex_{};
    std::vector<delivery> due_{};
    asio::steady_timer timer_;
    bool is_timer_set_ = false;
};

} // namespace inflight::detail
