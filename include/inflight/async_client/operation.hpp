// inflight/async_client/operation.hpp - a pending asynchronous operation: a handler, its type forgotten.
//
// Honours what is associated with the handler: its allocator for the memory, its executor for the call (which
// keeps that executor's context busy meanwhile). The call is always posted, so that no user code runs inside
// the client. (Debian 12's Asio has no any_completion_handler, which would do most of this.)
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>
#include <asio/recycling_allocator.hpp>

#include <cstdint>
#include <memory>
#include <system_error>
#include <tuple>

namespace inflight::detail {

/// The operation with result `Result`, waiting. complete() ends its life.
template <class Result>
class pending {
public:
    pending(const pending&) = delete;
    pending& operator=(const pending&) = delete;

    void complete(std::error_code error, Result result = {}) { complete_(this, error, std::move(result)); }

    /// Its name towards the session. Never 0, and even.
    std::uint64_t tag() const { return reinterpret_cast<std::uintptr_t>(this); }
    static pending* of(std::uint64_t tag) {
        return reinterpret_cast<pending*>(static_cast<std::uintptr_t>(tag));
    }

protected:
    using function = void (*)(pending*, std::error_code, Result&&);
    explicit pending(function end) : complete_(end) {}
    ~pending() = default;

private:
    function complete_;
};

// The posted call. Owns handler and result, and passes the handler's allocator on to the executor.
template <class Handler, class Executor, class Result>
struct completion {
    Handler handler;
    Executor work; // Tracks outstanding work.
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
    }
};

template <class Result, class Handler>
class pending_handler final : public pending<Result> {
    using executor_type = asio::associated_executor_t<Handler, asio::any_io_executor>;
    using work_type = std::decay_t<decltype(asio::prefer(std::declval<const executor_type&>(),
                                                         asio::execution::outstanding_work.tracked))>;
    using allocator_type = typename std::allocator_traits<asio::associated_allocator_t<
        Handler, asio::recycling_allocator<void>>>::template rebind_alloc<pending_handler>;

public:
    pending_handler(Handler&& handler, const asio::any_io_executor& fallback)
        : pending<Result>(&run),
          handler_(std::move(handler)),
          work_(asio::prefer(asio::get_associated_executor(handler_, fallback),
                             asio::execution::outstanding_work.tracked)) {}

    static pending_handler* make(Handler&& handler, const asio::any_io_executor& fallback) {
        allocator_type allocator(asio::get_associated_allocator(handler, asio::recycling_allocator<void>()));
        pending_handler* self = std::allocator_traits<allocator_type>::allocate(allocator, 1);
        return ::new (self) pending_handler(std::move(handler), fallback);
    }

    auto cancellation_slot() const { return asio::get_associated_cancellation_slot(handler_); }

private:
    static void run(pending<Result>* base, std::error_code error, Result&& result) {
        auto* self = static_cast<pending_handler*>(base);
        allocator_type allocator(
            asio::get_associated_allocator(self->handler_, asio::recycling_allocator<void>()));
        completion<Handler, work_type, Result> call{std::move(self->handler_), std::move(self->work_), error,
                                                    std::move(result)};
        // The memory is given back before the handler runs, so that its next operation can have it.
        self->~pending_handler();
        std::allocator_traits<allocator_type>::deallocate(allocator, self, 1);
        auto executor = call.work;
        asio::post(executor, std::move(call));
    }

    Handler handler_;
    work_type work_;
};

template <class Result, class Handler>
auto* make_pending(Handler handler, const asio::any_io_executor& fallback) {
    return pending_handler<Result, Handler>::make(std::move(handler), fallback);
}

} // namespace inflight::detail
