// inflight/testing/virtual_clock.hpp - time that passes when a test says so.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/async_result.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/execution/context_as.hpp>
#include <asio/execution_context.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <vector>

namespace inflight::testing {

namespace detail {
class wait_queue;
}

/// A clock that stands still until advance(). Each thread has one of its own, which begins at the same time
/// in each of them; what runs on virtual time runs on one thread.
class virtual_clock {
public:
    using duration = std::chrono::steady_clock::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr bool is_steady = true;

    static time_point now() noexcept { return mine().now; }
    /// Time passes: the timers of this thread that are due now complete, in the order of their expiry.
    static void advance(duration d);

private:
    friend class detail::wait_queue;
    struct state {
        time_point now{std::chrono::hours(24)}; // Room for what is computed backwards from the present.
        std::vector<detail::wait_queue*> queues{};
    };
    static state& mine() noexcept {
        thread_local state s;
        return s;
    }
};

namespace detail {

// A handler that waits, its type forgotten. Destroying it instead of completing it calls nothing.
class timer_wait {
public:
    virtual ~timer_wait() = default;
    virtual void complete(std::error_code error) = 0;
};

template <class Handler> class timer_wait_of final : public timer_wait {
public:
    timer_wait_of(Handler handler, const asio::any_io_executor& fallback)
        : handler_(std::move(handler)),
          work_(asio::prefer(asio::get_associated_executor(handler_, fallback),
                             asio::execution::outstanding_work.tracked)) {}

    void complete(std::error_code error) override {
        if (auto slot = asio::get_associated_cancellation_slot(handler_); slot.is_connected()) slot.clear();
        asio::post(work_, [handler = std::move(handler_), error]() mutable { std::move(handler)(error); });
    }

private:
    Handler handler_;
    std::decay_t<decltype(asio::prefer(
        std::declval<asio::associated_executor_t<Handler, asio::any_io_executor>>(),
        asio::execution::outstanding_work.tracked))>
        work_;
};

// All that waits for virtual time in one execution context.
class wait_queue final : public asio::execution_context::service {
public:
    using key_type = wait_queue;
    using time_point = virtual_clock::time_point;
    using number = std::uint64_t;
    static inline asio::execution_context::id id{};

    explicit wait_queue(asio::execution_context& context) : service(context) {
        virtual_clock::mine().queues.push_back(this);
    }
    ~wait_queue() override { std::erase(virtual_clock::mine().queues, this); }

    static wait_queue& of(const asio::any_io_executor& executor) {
        return asio::use_service<wait_queue>(
            asio::query(executor, asio::execution::context_as<asio::execution_context&>));
    }

    number add(time_point due, const void* owner, std::unique_ptr<timer_wait> wait) {
        waits_.emplace(due, entry{++last_, owner, std::move(wait)});
        return last_;
    }

    std::size_t cancel(const void* owner) {
        return take_if([&](const auto& w) { return w.second.owner == owner; },
                       asio::error::operation_aborted);
    }
    void cancel(number which) {
        take_if([&](const auto& w) { return w.second.name == which; }, asio::error::operation_aborted);
    }
    void expire(time_point now) {
        take_if([&](const auto& w) { return w.first <= now; }, {});
    }

    /// When the next one is due.
    std::optional<time_point> deadline() const {
        return waits_.empty() ? std::nullopt : std::optional(waits_.begin()->first);
    }

private:
    struct entry {
        number name;
        const void* owner;
        std::unique_ptr<timer_wait> wait;
    };
    using map = std::multimap<time_point, entry>;

    template <class Predicate> std::size_t take_if(Predicate is_it, std::error_code error) {
        map taken;
        for (auto i = waits_.begin(); i != waits_.end();) {
            const auto next = std::next(i);
            if (is_it(*i)) taken.insert(waits_.extract(i));
            i = next;
        }
        for (auto& [due, e] : taken) e.wait->complete(error);
        return taken.size();
    }

    void shutdown() override {
        const map gone = std::exchange(waits_, {}); // A handler may own a timer, which cancels when it goes.
    }

    map waits_{}; // Those of the same time in the order of their coming.
    number last_ = 0;
};

} // namespace detail

inline void virtual_clock::advance(duration d) {
    state& s = mine();
    s.now += d;
    for (detail::wait_queue* queue : s.queues) queue->expire(s.now);
}

/// A timer of the virtual clock, with the functions of asio::steady_timer. (One of Asio's own would not do:
/// the operating system tells it that it is due, and knows real time only.)
class virtual_timer {
public:
    using clock_type = virtual_clock;
    using duration = virtual_clock::duration;
    using time_point = virtual_clock::time_point;
    using executor_type = asio::any_io_executor;

    explicit virtual_timer(executor_type executor)
        : executor_(std::move(executor)), queue_(detail::wait_queue::of(executor_)) {}
    virtual_timer(executor_type executor, time_point expiry) : virtual_timer(std::move(executor)) {
        expiry_ = expiry;
    }
    virtual_timer(executor_type executor, duration after)
        : virtual_timer(std::move(executor), virtual_clock::now() + after) {}
    template <class Context, class... Expiry>
        requires std::convertible_to<decltype(std::declval<Context&>().get_executor()), executor_type>
    explicit virtual_timer(Context& context, Expiry... expiry)
        : virtual_timer(executor_type(context.get_executor()), expiry...) {}
    virtual_timer(const virtual_timer&) = delete;
    virtual_timer& operator=(const virtual_timer&) = delete;
    ~virtual_timer() { cancel(); }

    executor_type get_executor() const { return executor_; }
    time_point expiry() const { return expiry_; }

    /// Cancels what waits; returns how many that were.
    std::size_t expires_at(time_point expiry) {
        expiry_ = expiry;
        return cancel();
    }
    std::size_t expires_after(duration after) { return expires_at(virtual_clock::now() + after); }
    std::size_t cancel() { return queue_.cancel(this); }

    /// Waits for the expiry.
    ///
    /// Handler signature: void(std::error_code).
    /// Completes: when virtual_clock::advance() has reached the expiry.
    /// Errors: asio::error::operation_aborted when cancelled.
    /// Cancellation: as cancel(), for this wait alone.
    template <class CompletionToken> auto async_wait(CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code)>(
            [this](auto handler) { this->start(std::move(handler)); }, token);
    }

private:
    template <class Handler> void start(Handler handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        auto wait = std::make_unique<detail::timer_wait_of<Handler>>(std::move(handler), executor_);
        if (expiry_ <= virtual_clock::now()) return wait->complete({});
        const auto name = queue_.add(expiry_, this, std::move(wait));
        if (slot.is_connected())
            slot.assign([&queue = queue_, name](asio::cancellation_type) { queue.cancel(name); });
    }

    executor_type executor_;
    detail::wait_queue& queue_;
    time_point expiry_{};
};

} // namespace inflight::testing
