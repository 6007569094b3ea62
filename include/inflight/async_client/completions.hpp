// inflight/async_client/completions.hpp - operations that have their outcome, on the way to their handlers.
//
// Many operations end in one turn of the event loop, and a post for each would cost more than all the rest of
// them. So they queue here, and one call, posted or at the end of a read, runs the handlers of all. It
// behaves as if each had been posted: no handler runs inside the function that was given it, in no handler's
// way is the end of another - one may throw, run the event loop or destroy the client - and what is left when
// the execution context goes away is destroyed with it.
#pragma once

#include <inflight/async_client/block_pool.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/post.hpp>
#include <asio/prefer.hpp>

#include <memory>
#include <mutex>
#include <utility>

namespace inflight::detail {

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
    template <class>
    friend class completion_queue;

    function run_;
    operation_base* next_ = nullptr;
};

/// A client's operations, as they see it.
class completions {
public:
    explicit completions(asio::any_io_executor executor) : executor_(std::move(executor)) {}
    completions(const completions&) = delete;
    completions& operator=(const completions&) = delete;

    /// Its handlers run there.
    const asio::any_io_executor& executor() const { return executor_; }

    /// There will be a call of finish(): the executor has work until then.
    virtual void begin() = 0;
    virtual void finish(operation_base& op) = 0;

    virtual void* allocate(std::size_t size) = 0;
    virtual void deallocate(void* memory, std::size_t size) = 0;

protected:
    ~completions() = default;
    asio::any_io_executor executor_;
};

/// Memory for operations whose handlers have no allocator of their own.
template <class T>
struct operation_allocator {
    using value_type = T;
    completions* owner;

    explicit operation_allocator(completions& c) : owner(&c) {}
    template <class U>
    operation_allocator(const operation_allocator<U>& other) : owner(other.owner) {}

    T* allocate(std::size_t n) {
        static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
        return static_cast<T*>(owner->allocate(n * sizeof(T)));
    }
    void deallocate(T* memory, std::size_t n) { owner->deallocate(memory, n * sizeof(T)); }
    friend bool operator==(const operation_allocator&, const operation_allocator&) = default;
};

template <class Mutex>
class completion_queue final : public completions,
                               public std::enable_shared_from_this<completion_queue<Mutex>> {
    using lock_type = std::unique_lock<Mutex>;

public:
    static constexpr int calls_at_a_time = 2048; // Then it is the turn of others in the event loop.

    using completions::completions;

    /// Of whoever runs on the executor and will soon be done, with no lock held. What ends meanwhile needs no
    /// posted call: run() calls the handlers. Without it, they are posted after all.
    class turn {
    public:
        explicit turn(completion_queue& queue) : queue_(&queue) {
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
        completion_queue* queue_;
        bool is_first_; // Else there is a posted call already.
    };

    /// Operations whose handlers have not run. For whoever is on the only thread.
    std::size_t open() const { return open_; }

    void begin() override {
        const lock_type lock(mutex_);
        ++open_;
        if (!work_) work_ = asio::prefer(executor_, asio::execution::outstanding_work.tracked);
    }

    void finish(operation_base& op) override {
        const lock_type lock(mutex_);
        (first_ ? last_->next_ : first_) = &op;
        last_ = &op;
        schedule();
    }

    void* allocate(std::size_t size) override {
        const lock_type lock(mutex_);
        return pool_.allocate(size);
    }
    void deallocate(void* memory, std::size_t size) override {
        const lock_type lock(mutex_);
        pool_.deallocate(memory, size);
    }

private:
    // The posted call. Destroyed uncalled, with its context, it takes the operations along.
    struct posted_call {
        std::shared_ptr<completion_queue> queue;

        explicit posted_call(std::shared_ptr<completion_queue> q) : queue(std::move(q)) {}
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

    // Whoever leaves operations in the queue, or may do so by an exception, has one more call posted.
    void schedule() {
        if (std::exchange(is_posted_, true)) return;
        asio::post(executor_, posted_call(this->shared_from_this()));
    }

    operation_base* pop() {
        if (!first_) return nullptr;
        --open_;
        return std::exchange(first_, first_->next_);
    }

    // Whether there were any.
    bool call_some() {
        const rest at_end{*this};
        lock_type lock(mutex_);
        is_posted_ = false;
        for (int i = 0; i != calls_at_a_time; ++i) {
            operation_base* const op = pop();
            if (!op) return i != 0;
            if (first_) schedule();
            lock.unlock();
            op->end(operation_base::ending::call);
            lock.lock();
        }
        if (first_) schedule();
        return true;
    }

    void post_rest() {
        const lock_type lock(mutex_);
        is_posted_ = false;
        if (first_) schedule();
    }

    void destroy_all() {
        const rest at_end{*this};
        lock_type lock(mutex_);
        while (operation_base* const op = pop()) {
            lock.unlock();
            op->end(operation_base::ending::destroy);
            lock.lock();
        }
    }

    // With no operation open there is no work.
    struct rest {
        completion_queue& queue;
        ~rest() {
            const lock_type lock(queue.mutex_);
            if (queue.open_ == 0) queue.work_ = {};
        }
    };

    Mutex mutex_{};
    block_pool pool_{};
    asio::any_io_executor work_{}; // While operations are open.
    std::size_t open_ = 0;
    operation_base *first_ = nullptr, *last_ = nullptr;
    bool is_posted_ = false;
};

} // namespace inflight::detail
