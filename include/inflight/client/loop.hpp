// inflight/client/loop.hpp - what a client consists of, shared by the object and the threads that serve it.
//
// Two threads at most: one does the I/O, another one, the loop, runs callbacks - loop_start()'s, or the
// user's own in loop_forever(). No lock is held while a callback runs, and the client may be destroyed inside
// one: then the thread that is in the callback finishes what the destructor could not.
#pragma once

#include <inflight/client/acknowledgements.hpp>
#include <inflight/client/callbacks.hpp>
#include <inflight/client/guarded_authenticator.hpp>

#include <asio/executor_work_guard.hpp>

#include <atomic>
#include <future>
#include <iostream>
#include <thread>

namespace inflight::detail {

class client_loop : public std::enable_shared_from_this<client_loop> {
public:
    using async_type = basic_async_client<default_transport, memory_store, std::mutex>;

    explicit client_loop(client_options options)
        : manual_ack(options.manual_ack),
          async(asio::any_io_executor(io.get_executor()), with_guarded_hooks(std::move(options))) {
        async.implementation().set_observer(&queue);
    }
    ~client_loop() { stop_io(); }

    auto& impl() { return async.implementation(); }

    /// Whether this thread is inside a callback of this client.
    bool in_callback() const {
        for (const inside_callback* i = innermost(); i; i = i->outer)
            if (i->loop == this) return true;
        return false;
    }

    /// An error if the system has no thread for us.
    std::error_code start_io() {
        const std::lock_guard lock(threads);
        if (is_over) return errc::shutting_down;
        if (io_thread.joinable()) return {};
        return start(io_thread, [l = shared_from_this()] { l->io.run(); });
    }

    template <class F>
    static std::error_code start(std::thread& thread, F&& run) {
        try {
            thread = std::thread(std::forward<F>(run));
            return {};
        } catch (const std::system_error& e) {
            return e.code();
        }
    }

    /// Runs callbacks until `done()`, which is asked with the queue's mutex held, says so. Exceptions of
    /// callbacks leave it.
    template <class Done>
    void run_until(Done&& done) {
        std::unique_lock lock(queue.mutex);
        while (!done())
            if (!queue.all_told() && !destroyed) run_some(lock);
            else queue.changed.wait(lock);
    }

    /// Waits while another thread runs the callbacks.
    template <class Done>
    bool wait_until(Done&& done, std::optional<std::chrono::steady_clock::time_point> limit = {}) {
        std::unique_lock lock(queue.mutex);
        if (limit) return queue.changed.wait_until(lock, *limit, done);
        queue.changed.wait(lock, done);
        return true;
    }

    /// One or the other, whichever there is to be done.
    template <class Done>
    void pump_until(Done&& done) {
        bool is_done = false;
        while (!is_done) {
            if (claim_loop()) {
                const release_loop release{*this};
                return run_until(done);
            }
            wait_until([&] { return (is_done = done()) || !loop_taken; });
        }
    }

    /// The loop is one thread at a time.
    bool claim_loop() { return !loop_taken.exchange(true); }
    struct release_loop {
        client_loop& loop;
        ~release_loop() {
            loop.loop_taken = false;
            const std::lock_guard lock(loop.queue.mutex);
            loop.queue.changed.notify_all();
        }
    };

    void run_thread() { // loop_start()'s.
        const auto done = [this] { return stop_loop || destroyed; };
        for (;;) {
            try {
                run_until(done);
                break;
            } catch (...) {
                report(std::current_exception());
            }
        }
    }

    /// False: no thread of loop_start() runs.
    bool join_loop() {
        std::thread ended;
        {
            const std::lock_guard lock(threads);
            ended = std::move(loop_thread);
        }
        if (!ended.joinable()) return false;
        ended.join();
        return true;
    }

    /// Whatever was posted before has run: hooks of the options above all, which are not called when the
    /// client is gone.
    void settle_io() {
        {
            const std::lock_guard lock(threads);
            if (!io_thread.joinable()) return;
        }
        std::promise<void> reached;
        asio::post(io, [&] { // What the handler before has posted comes behind this one,
            asio::post(io, [&] { reached.set_value(); }); // and before this one.
        });
        reached.get_future().wait();
    }

    void stop_io() {
        async.implementation().shut_down();
        work.reset();
        std::thread ended; // A hook that it is in may want the lock.
        {
            const std::lock_guard lock(threads);
            is_over = true;
            ended = std::move(io_thread);
        }
        if (!ended.joinable()) return;
        if (ended.get_id() == std::this_thread::get_id()) ended.detach(); // The last reference ended there.
        else ended.join();
    }

    asio::io_context io{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    callback_queue queue{};
    filter_callbacks by_filter{};
    std::atomic<bool> manual_ack;
    async_type async;
    acknowledgements<async_type> acknowledged{io, async};
    std::mutex connecting{}; // Held by who connects, until the client knows of it.
    std::mutex threads{};    // Guards the two thread objects.
    std::thread io_thread{}, loop_thread{};
    bool is_over = false;    // There is no thread for I/O any more.
    std::atomic<bool> loop_taken{false};
    std::atomic<bool> stop_loop{false}, destroyed{false}; // Changed with the queue's mutex held.
    // Guarded by the queue's mutex:
    id_table<delivery> to_be_acknowledged{}; // Given to the application, which calls ack() for it.

private:
    struct inside_callback { // Of this client, maybe inside a callback of another one.
        const client_loop* loop;
        const inside_callback* outer;
        explicit inside_callback(const client_loop* l) : loop(l), outer(std::exchange(innermost(), this)) {}
        ~inside_callback() { innermost() = outer; }
        inside_callback(const inside_callback&) = delete;
        inside_callback& operator=(const inside_callback&) = delete;
    };

    // The hooks of the options are callbacks too, though on the thread that does the I/O: what they throw
    // goes the way of what other callbacks throw.
    client_options with_guarded_hooks(client_options o) {
        if (o.retry_after_refusal)
            o.retry_after_refusal = [this, hook = std::move(o.retry_after_refusal)](std::error_code error) {
                bool tries_again = false;
                guard([&] { tries_again = hook(error); });
                return tries_again;
            };
        if (o.accept_redirect)
            o.accept_redirect = [this, hook = std::move(o.accept_redirect)](const broker& to) {
                bool is_accepted = false;
                guard([&] { is_accepted = hook(to); });
                return is_accepted;
            };
        if (o.credentials)
            o.credentials = [this, hook = std::move(o.credentials)](const credentials_callback& done) {
                if (!guard([&] { hook(done); })) done(errc::authentication_failed, {});
            };
        if (o.authentication)
            o.authentication.make =
                guarded_authenticator::maker(std::move(o.authentication.make),
                                             [this](const std::function<void()>& f) { return guard(f); });
        guard_hook(o.on_connection_event);
        guard_hook(o.on_packet);
        guard_hook(o.on_connected);
        guard_hook(o.on_disconnected);
        guard_hook(o.on_resubscribed);
        guard_hook(o.on_oversized);
        return o;
    }

    template <class Result>
    void guard_hook(std::function<void(const Result&)>& hook) {
        if (!hook) return;
        hook = [this, user = std::move(hook)](const Result& r) { guard([&] { user(r); }); };
    }

    // False: it has thrown.
    template <class F>
    bool guard(F&& f) {
        const inside_callback inside(this);
        std::exception_ptr thrown;
        try {
            f();
            return true;
        } catch (...) {
            thrown = std::current_exception();
        }
        queue.on_thrown(std::move(thrown)); // The last reference, so that it ends where it is told of.
        return false;
    }

    static const inside_callback*& innermost() {
        static thread_local const inside_callback* inside = nullptr;
        return inside;
    }

    using current_callbacks = callback_queue::current_callbacks;
    using note = callback_queue::note;

    // Tells the user some of what there is, with the lock released meanwhile: at least one note, at most one
    // that may be what done() waits for.
    void run_some(std::unique_lock<std::mutex>& lock) {
        if (next_note_ == notes_.size()) take_notes();
        lock.unlock();
        std::exception_ptr thrown;
        {
            const inside_callback inside(this);
            current_callbacks callbacks(queue); // Dies unlocked too: it may be the last to own a callback.
            try {
                while (tell_next(callbacks) && next_note_ != notes_.size() && !is_interrupted()) {}
            } catch (...) {
                thrown = std::current_exception();
            }
        }
        lock.lock();
        queue.is_telling = next_note_ != notes_.size();
        queue.changed.notify_all();
        if (thrown) std::rethrow_exception(thrown);
    }

    bool is_interrupted() const { return stop_loop || destroyed; }

    void take_notes() { // With the lock held.
        notes_.clear();
        notes_.swap(queue.notes);
        next_note_ = 0;
        queue.is_telling = true;
    }

    // False: somebody may wait for this one. What throws has been told all the same.
    bool tell_next(current_callbacks& c) {
        note& next = notes_[next_note_];
        if (next.what == note::kind::messages) {
            tell_messages(c, next.count);
            return true;
        }
        ++next_note_;
        if (next.what == note::kind::published) {
            tell_outcome(c.get(), next);
            return true;
        }
        const auto rare = std::move(next.rare);
        const told_at_last at_end{queue, *rare};
        rare->tell(c.get());
        return false;
    }

    struct told_at_last {
        callback_queue& queue;
        const callback_queue::rare_note& note;
        ~told_at_last() {
            const std::lock_guard lock(queue.mutex);
            note.told(queue);
        }
    };

    void tell_outcome(const callbacks& c, const note& n) {
        queue.outcome_told();
        if (n.rare) n.rare->tell(c);
        else if (c.on_publish) (*c.on_publish)(n.mid, {});
        else if (c.on_publish_outcome) (*c.on_publish_outcome)(publish_outcome{n.mid, {}, n.reason, {}});
    }

    // Messages that callbacks have had are acknowledged before DISCONNECT goes out. After disconnect() no
    // other is given to one: it could not be acknowledged any more, and would come again with the next
    // session.
    struct messages_in_hand {
        client_loop& loop;
        explicit messages_in_hand(client_loop& l) : loop(l) { loop.queue.message_in_hand = true; }
        ~messages_in_hand() {
            loop.acknowledged.give();
            loop.queue.message_in_hand = false;
            if (loop.impl().is_leaving()) loop.impl().observer_changed();
        }
    };

    // As many as there are in a row, until the loop is interrupted.
    void tell_messages(current_callbacks& c, std::uint32_t& run) {
        const messages_in_hand mine(*this);
        for (bool is_last = false; !is_last;) {
            if (impl().is_leaving()) hold_back(run);
            const received_message* const m = next_message(run);
            is_last = run == 0;
            if (is_last) ++next_note_;
            if (m) tell(c.get(), *m, !is_last);
            if (next_taken_ == taken_) forget_told(); // Not only when others come.
            if (is_interrupted()) return;
        }
    }

    void hold_back(std::uint32_t& run) {
        const std::lock_guard lock(queue.mutex);
        queue.held_back += std::exchange(run, 0);
    }

    // Null when there is none: messages may be dropped after they have been noted.
    const received_message* next_message(std::uint32_t& run) {
        while (run != 0) {
            if (next_taken_ == taken_) take_messages(run);
            if (taken_ == 0) {
                run = 0;
                return nullptr;
            }
            --run;
            const received_message& m = messages_[next_taken_++];
            if (!impl().comes_again(m)) return &m;
        }
        return nullptr;
    }

    void forget_told() {
        for (received_message& m : std::span(messages_).first(taken_)) inbound_queue::release_large(m);
        next_taken_ = taken_ = 0;
    }

    void take_messages(std::size_t most) {
        forget_told();
        messages_.resize(max_taken);
        taken_ = impl().take_messages(std::span(messages_).first(std::min(most, max_taken)));
    }

    void tell(const callbacks& c, const received_message& m, bool others_follow) {
        const bool manual = manual_ack;
        if (manual) leave_to_user(m);
        try {
            hand_over(c, m);
        } catch (...) {
            if (!manual) leave_to_user(m);
            throw;
        }
        if (!manual && m.qos != qos::at_most_once) acknowledged.add(m.delivery, others_follow);
    }

    void hand_over(const callbacks& c, const received_message& m) {
        auto wanted = std::exchange(wanted_, {}); // For its memory.
        by_filter.find(m.topic, wanted);
        for (const auto& f : wanted) call(f, m);
        if (wanted.empty()) call(c.on_message, m);
        wanted.clear();
        wanted_ = std::move(wanted);
    }

    // Acknowledged by ack(), if at all.
    void leave_to_user(const received_message& m) {
        const std::lock_guard lock(queue.mutex);
        if (m.mid != 0) to_be_acknowledged.set(packet_id{m.mid}, m.delivery);
    }

    void report(std::exception_ptr e) {
        const inside_callback inside(this);
        current_callbacks callbacks(queue);
        try {
            if (const auto& hook = callbacks.get().on_exception) return (*hook)(e);
            std::rethrow_exception(e);
        } catch (const std::exception& what) { // Of the hook itself, too: nobody is left to be told.
            std::cerr << "inflight: a callback has thrown: " << what.what() << '\n';
        } catch (...) {
            std::cerr << "inflight: a callback has thrown\n";
        }
    }

    // Of the thread that has the loop: what it has taken from the queue, and how far it has come; and in the
    // same way messages.
    static constexpr std::size_t max_taken = 64;
    std::vector<filter_callbacks::function> wanted_{}; // Empty between messages.
    std::vector<note> notes_{};
    std::size_t next_note_ = 0;
    std::vector<received_message> messages_{};
    std::size_t taken_ = 0, next_taken_ = 0;
};

} // namespace inflight::detail
