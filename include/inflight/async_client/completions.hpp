// inflight/async_client/completions.hpp - operations that have their outcome, on the way to their handlers.
//
// Many operations end in one turn of the event loop, and a post for each would cost more than all the rest of
// them. So they queue here, and one call, posted or at the end of a read, runs the handlers of all. It
// behaves as if each had been posted: no handler runs inside the function that was given it, in no handler's
// way is the end of another - one may throw, run the event loop or destroy the client - and what is left when
// the execution context goes away is destroyed with it.
#pragma once

#include <inflight/async_client/block_pool.hpp>
#include <inflight/async_client/borrowing_allocator.hpp>
#include <inflight/async_client/handler_memory.hpp>
#include <inflight/async_client/optional_mutex.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <typeinfo>
#include <utility>

namespace inflight::detail {

/// What stands behind an executor whose type is forgotten, if it is of this one; else null. (Debian 12's Asio
/// does not ask, and has any executor for the one that is asked for.)
template <class Executor>
const Executor* target_of(const asio::any_io_executor& executor) {
#ifdef ASIO_NO_TYPEID
    (void)executor;
    return nullptr;
#else
    return executor.target_type() == typeid(Executor) ? executor.target<Executor>() : nullptr;
#endif
}

/// With the handler's allocator, as far as that can be: an executor whose type is forgotten knows none.
template <class Handler>
void post_to(const asio::any_io_executor& executor, Handler handler) {
    const auto* const known = target_of<asio::io_context::executor_type>(executor);
    if (known) asio::post(*known, std::move(handler));
    else asio::post(executor, std::move(handler));
}

/// An operation, its type forgotten, as a link of the queue.
class operation_base {
public:
    operation_base(const operation_base&) = delete;
    operation_base& operator=(const operation_base&) = delete;

    enum class ending : std::uint8_t { call, post, destroy }; // What becomes of the handler.

    /// Ends its life.
    void end(ending how) { run_(this, how); }

protected:
    using function = void (*)(operation_base*, ending);
    explicit operation_base(function run) : run_(run) {}
    ~operation_base() = default;

private:
    friend class completions;

    function run_;
    operation_base* next_ = nullptr;
};

/// A client's operations. What is called for each of them is not virtual: an indirect call costs more than it
/// does, where the processor does not foresee it.
class completions : public std::enable_shared_from_this<completions> {
    using lock_type = std::unique_lock<optional_mutex>;

public:
    static constexpr int calls_at_a_time = 4096; // Then it is the turn of others in the event loop.

    completions(const completions&) = delete;
    completions& operator=(const completions&) = delete;

    /// The handlers run there.
    const asio::any_io_executor& executor() const { return executor_; }

    /// Of whoever runs on the executor and will soon be done, with no lock held. What ends meanwhile needs no
    /// posted call: run() calls the handlers. Without it, they are posted after all.
    class turn {
    public:
        explicit turn(completions& queue) : queue_(&queue) {
            const lock_type lock(queue.mutex_);
            is_first_ = !std::exchange(queue.is_posted_, true);
        }
        turn(const turn&) = delete;
        turn& operator=(const turn&) = delete;
        ~turn() {
            if (queue_ && is_first_) queue_->post_rest();
        }

        /// False if there was nothing to call.
        bool run() {
            if (!is_first_) return false;
            return std::exchange(queue_, nullptr)->call_some();
        }

    private:
        completions* queue_;
        bool is_first_; // Else there is a posted call already.
    };

    /// Operations whose handlers have not run. For whoever is on the only thread.
    std::size_t open() const { return open_; }

    /// There will be a call of finish(): the executor has work until then.
    void begin() {
        const lock_type lock(mutex_);
        ++open_;
        if (!work_) work_ = asio::prefer(executor_, asio::execution::outstanding_work.tracked);
    }

    void finish(operation_base& op) {
        lock_type lock(mutex_);
        (first_ ? last_->next_ : first_) = &op;
        last_ = &op;
        schedule(lock);
    }

    void* allocate(std::size_t size) {
        const lock_type lock(mutex_);
        return pool_.allocate(size);
    }
    void deallocate(void* memory, std::size_t size) {
        const lock_type lock(mutex_);
        pool_.deallocate(memory, size);
    }

protected:
    completions(asio::any_io_executor executor, optional_mutex mutex)
        : executor_(std::move(executor)), mutex_(mutex) {}
    ~completions() = default;

private:
    // The posted call. Destroyed uncalled, with its context, it takes the operations along.
    struct posted_call {
        std::shared_ptr<completions> queue;

        using allocator_type = handler_allocator<void>;
        allocator_type get_allocator() const noexcept { return allocator_type(queue->posting_); }

        explicit posted_call(std::shared_ptr<completions> q) : queue(std::move(q)) {}
        posted_call(posted_call&&) = default;
        posted_call& operator=(posted_call&&) = delete;
        ~posted_call() {
            if (queue) queue->destroy_all();
        }
        void operator()() {
            const auto q = std::move(queue);
            q->call_some();
        }
    };

    // Whoever leaves operations in the queue, or may do so by an exception, has one more call posted. An
    // execution context that has ended destroys it at once, and the operations with it.
    void schedule(lock_type& lock) {
        if (std::exchange(is_posted_, true)) return;
        lock.unlock();
        post_to(executor_, posted_call(shared_from_this()));
        lock.lock();
    }

    // The first one, whose handler is to be called. Others have a further call, should this one not get to
    // them.
    operation_base* take() {
        lock_type lock(mutex_);
        if (first_ && first_->next_) schedule(lock);
        return pop();
    }
    operation_base* pop() {
        if (!first_) return nullptr;
        --open_;
        return std::exchange(first_, first_->next_);
    }

    // Whether there were any.
    bool call_some() {
        const posted_turn until_end(*this);
        for (int i = 0; i != calls_at_a_time; ++i) {
            operation_base* const op = take();
            if (!op) return i != 0;
            op->end(operation_base::ending::call);
        }
        return true;
    }

    void post_rest() {
        lock_type lock(mutex_);
        is_posted_ = false;
        if (first_) schedule(lock);
    }

    void destroy_all() {
        const posted_turn until_end(*this);
        const auto next = [this] {
            const lock_type lock(mutex_);
            return pop();
        };
        while (operation_base* const op = next()) op->end(operation_base::ending::destroy);
    }

    // The posted call has come to its turn, or to its end: another one may be posted. And with no operation
    // open at last there is no work.
    struct posted_turn {
        completions& queue;
        explicit posted_turn(completions& q) : queue(q) {
            const lock_type lock(queue.mutex_);
            queue.is_posted_ = false;
        }
        posted_turn(const posted_turn&) = delete;
        posted_turn& operator=(const posted_turn&) = delete;
        ~posted_turn() {
            const lock_type lock(queue.mutex_);
            if (queue.open_ == 0) queue.work_ = {};
        }
    };

    asio::any_io_executor executor_;
    optional_mutex mutex_;
    block_pool pool_{};
    handler_memory posting_{};
    asio::any_io_executor work_{}; // While operations are open.
    std::size_t open_ = 0;
    operation_base *first_ = nullptr, *last_ = nullptr;
    bool is_posted_ = false;
};

/// With its mutex, which is needed as long as anybody knows the queue.
template <class Mutex>
class completion_queue final : public completions {
public:
    explicit completion_queue(asio::any_io_executor executor)
        : completions(std::move(executor), optional_mutex(own_mutex_)) {}

private:
    Mutex own_mutex_{};
};

/// Memory for operations whose handlers have no allocator of their own.
template <class T>
using operation_allocator = borrowing_allocator<T, completions>;

} // namespace inflight::detail
