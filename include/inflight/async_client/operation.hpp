// inflight/async_client/operation.hpp - a pending asynchronous operation: a handler, its type forgotten.
//
// Honours what is associated with the handler: its allocator for the memory, its executor for the call (which
// keeps that executor's context busy meanwhile). The call never comes from inside the client: by way of the
// queue of completions on the client's executor, posted on any other. (Debian 12's Asio has no
// any_completion_handler, which would do most of this.)
#pragma once

#include <inflight/async_client/completions.hpp>
#include <inflight/transport/boxed.hpp>

#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/recycling_allocator.hpp>

#include <cstdint>
#include <memory>
#include <system_error>
#include <type_traits>

namespace inflight {
struct received_message;
}

namespace inflight::detail {

inline void keep_spare(received_message& left); // received_message.hpp

/// Operations with this result are so rare, and it is so large, that there is no memory for it before it is
/// there.
template <class Result>
inline constexpr bool is_rare_result = false;

/// The operation with result `Result`, waiting. complete() ends its life.
template <class Result>
class pending : public operation_base {
public:
    void complete(std::error_code error, Result&& result = {}) {
        error_ = error;
        result_ = std::move(result);
        if (is_queued_) queue_.finish(*this);
        else end(ending::post);
    }

    /// Its name towards the session. Never 0, and even.
    std::uint64_t tag() const { return reinterpret_cast<std::uintptr_t>(this); }
    static pending* of(std::uint64_t tag) {
        return reinterpret_cast<pending*>(static_cast<std::uintptr_t>(tag));
    }

protected:
    using stored_result = std::conditional_t<is_rare_result<Result>, boxed<Result>, Result>;

    pending(function run, completions& queue, bool is_queued)
        : operation_base(run), queue_(queue), is_queued_(is_queued) {
        if (is_queued) queue.begin();
    }
    ~pending() = default;

    completions& queue_;
    bool is_queued_; // Its handler runs on the client's executor.
    std::error_code error_{};
    stored_result result_{};
};

// The call. Owns handler and result, and passes the handler's allocator on to the executor.
template <class Handler, class Work, class Result>
struct completion {
    Handler handler;
    Work work; // Keeps another executor than the client's busy.
    std::error_code error;
    Result result;

    using allocator_type = asio::associated_allocator_t<Handler, asio::recycling_allocator<void>>;
    allocator_type get_allocator() const noexcept {
        return asio::get_associated_allocator(handler, asio::recycling_allocator<void>());
    }

    // The cancellation slot is left alone until now: where the operation ended is not where it is cancelled.
    void operator()() {
        if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) slot.clear();
        std::move(handler)(error, std::move(result));
        if constexpr (std::is_same_v<Result, received_message>) keep_spare(result);
    }
};

template <class Result, class Handler>
class pending_handler final : public pending<Result> {
    using base = pending<Result>;
    using typename operation_base::ending;
    using executor_type = asio::associated_executor_t<Handler, asio::any_io_executor>;
    using work = std::decay_t<decltype(asio::prefer(std::declval<const executor_type&>(),
                                                    asio::execution::outstanding_work.tracked))>;
    using work_type = std::unique_ptr<work>; // As a rule there is none, and it is large.
    using allocator_type = typename std::allocator_traits<asio::associated_allocator_t<
        Handler, operation_allocator<void>>>::template rebind_alloc<pending_handler>;

public:
    pending_handler(Handler&& handler, const executor_type& executor, completions& queue)
        : base(&run, queue, is_same(executor, queue.executor())), handler_(std::move(handler)) {
        if (this->is_queued_) return;
        work_ = std::make_unique<work>(asio::prefer(executor, asio::execution::outstanding_work.tracked));
    }

    static pending_handler* make(Handler&& handler, completions& queue) {
        allocator_type allocator(asio::get_associated_allocator(handler, operation_allocator<void>(queue)));
        const executor_type executor = asio::get_associated_executor(handler, queue.executor());
        pending_handler* self = std::allocator_traits<allocator_type>::allocate(allocator, 1);
        return ::new (self) pending_handler(std::move(handler), executor, queue);
    }

    auto cancellation_slot() const { return asio::get_associated_cancellation_slot(handler_); }

private:
    static Result& value_of(Result& result) { return result; }
    static Result& value_of(boxed<Result>& result) { return *result; }

    static bool is_same(const asio::any_io_executor& one, const asio::any_io_executor& other) {
        return one == other;
    }
    template <class Executor>
    static bool is_same(const Executor& one, const asio::any_io_executor& other) {
        const Executor* const target = target_of<Executor>(other);
        return target && *target == one;
    }

    static void run(operation_base* op, ending how) {
        auto* self = static_cast<pending_handler*>(op);
        allocator_type allocator(
            asio::get_associated_allocator(self->handler_, operation_allocator<void>(self->queue_)));
        completion<Handler, work_type, Result> call{std::move(self->handler_), std::move(self->work_),
                                                    self->error_, std::move(value_of(self->result_))};
        // The memory is given back before the handler runs, so that its next operation can have it.
        self->~pending_handler();
        std::allocator_traits<allocator_type>::deallocate(allocator, self, 1);
        if (how == ending::call) return call();
        if (how == ending::destroy) return;
        const auto executor = *call.work;
        asio::post(executor, std::move(call));
    }

    Handler handler_;
    work_type work_{};
};

template <class Result, class Handler>
auto* make_pending(Handler handler, completions& queue) {
    return pending_handler<Result, Handler>::make(std::move(handler), queue);
}

} // namespace inflight::detail
