// inflight/async_client/pump.hpp - moves bytes between a session and one transport after the other.
//
// A read loop, a write loop, a timer. Whatever happens, from inside or from a user's call, is one step(): the
// lock is held, the session takes the event, its outputs are carried out, and the lock is released. After a
// turn of the event loop everything that has accumulated goes out in one gather write; of many messages the
// first do not wait for that. Handlers of I/O run on the client's executor, one at a time; only step() is
// entered from other threads.
#pragma once

#include <inflight/async_client/completions.hpp>
#include <inflight/async_client/inbound_queue.hpp>
#include <inflight/async_client/packet_trace.hpp>
#include <inflight/async_client/routing.hpp>
#include <inflight/async_client/waiters.hpp>
#include <inflight/session/client_session.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <mutex>

namespace inflight::detail {

template <class Transport, session_store Store, class Mutex>
class pump : public std::enable_shared_from_this<pump<Transport, Store, Mutex>> {
public:
    using clock = typename Transport::clock_type;
    using timer = typename Transport::timer_type;
    using lock_type = std::unique_lock<Mutex>;
    static constexpr std::size_t max_unwritten = std::size_t{64} << 20; // Bytes.
    static constexpr std::size_t min_part = 20; // Messages that are worth a write of their own.

    pump(asio::any_io_executor executor, client_options options, Store store)
        : executor_(std::move(executor)),
          completions_(std::make_shared<completion_queue<Mutex>>(executor_)),
          options_(static_cast<connection_options&&>(options)),
          session_(static_cast<session_options&&>(options), std::move(store)),
          inbound_(options_.max_inbound_messages, options_.max_inbound_bytes), session_timer_(executor_) {}
    virtual ~pump() = default;

    const asio::any_io_executor& executor() const { return executor_; }
    void set_observer(observer* o) { observer_ = o; }

    /// From now on messages go to `handler`, those that wait first; an empty one ends that.
    void set_message_handler(message_handler handler) {
        auto other = handler ? std::make_shared<const message_handler>(std::move(handler)) : nullptr;
        const lock_type lock(mutex_);
        handler_.swap(other); // What it was dies unlocked: it may own anything.
        hand_over_what_waits();
    }

protected:
    // What is left to others, with the lock held.
    virtual void settle_events() = 0;   // Carries out what the session says.
    virtual void on(event::message& e) = 0;
    virtual void publish_blocked() = 0; // There may be room for what waits for it.
    virtual void on_step() = 0;         // After every step: is something drained, or to be closed?
    virtual void on_closed(std::error_code error, const Transport& was) = 0; // Its handlers are gone.

    // Runs with the lock held: one event for the session, then all that follows from it.
    template <class F>
    void step(F&& f) {
        f();
        settle_events();
        publish_blocked();
        on_step();
        arm_session_timer();
        if (observer_) observer_->on_turn_end();
    }

    /// What is wrong with our own CONNECT, if anything.
    errc opened(std::shared_ptr<Transport> transport, protocol_version version, std::string_view words,
                const credentials& login) {
        transport_ = std::move(transport);
        partial_.clear();
        trace_.clear();
        reading_ = writing_ = paused_ = stalled_ = finished_writing_ = false;
        close_error_ = write_error_ = {};
        errc bad = errc::none;
        step([&] { bad = session_.transport_opened(version, words, login); });
        read();
        flush();
        return bad;
    }

    /// The server is believed. Behind its CONNACK, if that was held, more may have come.
    void authenticated() {
        const bool was_held = session_.is_verifying();
        step([&] { session_.authenticated(clock::now()); });
        if (was_held) take_what_is_there();
    }

    /// Ends the connection: from now on only the ends of pending handlers are awaited.
    void close(std::error_code error) {
        if (!transport_ || closing_) return;
        closing_ = true;
        close_error_ = error;
        transport_->close();
        stop_session_timer();
        closed_when_idle();
    }

    void stop_session_timer() {
        session_timer_.cancel();
        timer_armed_ = false;
    }

    /// No more output: what the peer still sends is read and thrown away until it closes, so that the last
    /// bytes we sent are not lost to a reset.
    void finish_writing() {
        if (!transport_ || finished_writing_) return;
        finished_writing_ = true;
        transport_->shutdown();
        read();
    }

    /// What the clock said at the first wish of this turn of the event loop, whatever it was: exact enough
    /// for timers of what goes out together, and much cheaper than to ask for every message.
    time_point turn_time() { return flush_scheduled_ ? turn_time_ : clock::now(); }

    void schedule_flush() {
        if (flush_scheduled_) return;
        flush_scheduled_ = true;
        turn_time_ = clock::now();
        post([this] {
            const lock_type lock(mutex_);
            flush_scheduled_ = false;
            step([&] { resume_reading(); });
            flush();
        });
    }

    /// One more message waits for the end of this turn, and will be acknowledged. Of many, the first go out
    /// while the others are still being made, so that the broker works at the same time: in parts of a third
    /// of all that is in flight, of which there are few whatever the window is. Where many operations have
    /// been acknowledged at once and wait for their handlers, little is in flight; then those count.
    void send_first_part() {
        if constexpr (is_on_one_thread) {
            ++held_back_;
            if (held_back_ < min_part || held_back_ < session_.in_flight() / 3) return;
            if (held_back_ < completions_->open() / 16) return;
            flush();
        }
    }

    // What is posted, or done when a timer goes off, has one type: Asio instantiates a great deal for each.
    // It keeps the client alive, so that `run` may borrow it; a `run` that holds no more allocates nothing.
    struct task {
        std::shared_ptr<pump> client;
        std::function<void()> run;
        void operator()() const { run(); }

        using allocator_type = operation_allocator<void>;
        allocator_type get_allocator() const noexcept { return allocator_type(*client->completions_); }
    };
    task make_task(std::function<void()> run) { return {this->shared_from_this(), std::move(run)}; }

    void post(std::function<void()> run) { post_to(executor_, make_task(std::move(run))); }

    // Without the client's memory, which has no lock where the client has none.
    void post_from_any_thread(std::function<void()> run) {
        asio::post(executor_, [what = make_task(std::move(run))] { what(); });
    }

    /// The client is gone.
    bool is_shut_down() const { return final_error_ == errc::shutting_down; }

    // One of the user's: it runs by itself, not inside a step, and not when the client is gone.
    void post_hook(std::function<void()> hook) {
        post([this, run = std::move(hook)] {
            {
                const lock_type lock(mutex_);
                if (is_shut_down()) return;
            }
            run();
        });
    }

    // Not if it is cancelled, or set anew, before that.
    void when_due(timer& t, std::function<void()> run) {
        t.async_wait([what = make_task(std::move(run))](std::error_code error) {
            if (!error) what();
        });
    }

    /// A message that no filter of the router matches. Calls the handler with the lock released.
    void take_unrouted(event::message& m, lock_type& lock) {
        if (!handler_ || !inbound_.empty() || !receivers_.empty()) return on(m);
        const auto handler = handler_;
        lock.unlock();
        hand_over(*handler, m.packet);
    }

    void hand_over_what_waits() {
        if (handler_ && !inbound_.empty())
            post([this] { hand_over_queued(); });
    }

    /// In the inbound queue.
    void room_made() {
        if (paused_) schedule_flush();
    }

    Mutex mutex_{};
    asio::any_io_executor executor_;
    const std::shared_ptr<completion_queue<Mutex>> completions_;
    connection_options options_;
    client_session<Store> session_;
    observer* observer_ = nullptr;
    std::shared_ptr<Transport> transport_{};
    inbound_queue inbound_;
    std::shared_ptr<const message_handler> handler_{};
    std::unique_ptr<routing<lock_type>> router_{}; // If there are handlers or streams of filters.
    waiters<received_message> receivers_{}; // Of messages.
    bool closing_ = false;
    std::error_code final_error_{}; // Why there will be no connection any more, unless one is asked for anew.
    std::uint64_t bytes_sent_ = 0, bytes_received_ = 0;

private:
    static constexpr bool is_on_one_thread = std::is_same_v<Mutex, null_mutex>; // That of the transport.

    // The packet trace.

    packet_printer wanted_printer() const { return observer_ ? observer_->wanted_printer() : nullptr; }
    bool is_traced() const { return options_.on_packet || wanted_printer(); }

    [[gnu::noinline]] void trace_packet(bool is_sent, std::string_view packet) {
        const protocol_version version = session_.version();
        if (!next_frame(packet, version)) return; // A part of one that is too large for us.
        if (const packet_printer print = wanted_printer())
            observer_->on_packet(is_sent, print(packet, version));
        if (!options_.on_packet) return;
        post_hook([this, is_sent, version, bytes = std::string(packet), now = clock::now()] {
            options_.on_packet({is_sent, bytes, version, now});
        });
    }

    // Reading.

    void read() {
        if (reading_ || closing_ || !transport_) return;
        reading_ = true;
        auto done = [self = this->shared_from_this(), t = transport_](
                        std::error_code error, std::string_view bytes) { self->on_read(error, bytes); };
        transport_->async_read(std::move(done));
    }

    void on_read(std::error_code error, std::string_view bytes) {
        {
            const lock_type lock(mutex_);
            reading_ = false;
            if (closing_) return closed_when_idle();
            if (error) return close(error);
            bytes_received_ += bytes.size();
            if (finished_writing_ || session_.is_closing()) return read(); // Nobody wants it any more.
        }
        typename completion_queue<Mutex>::turn ended(*completions_);
        take_bytes(bytes);
        {
            const lock_type lock(mutex_);
            if (closing_) return;
            step([] {});
            if (!paused_ && !stalled_ && !session_.is_verifying()) read();
            if (write_error_ && !reading_) return close(write_error_);
            flush();
        }
        const bool has_called = ended.run();
        const lock_type lock(mutex_);
        // What the handlers wish goes out at once, not with the flush that they have posted.
        if (has_called && flush_scheduled_) flush();
        if constexpr (requires { transport_->read_is_answered(); })
            if (transport_ && !closing_) transport_->read_is_answered();
    }

    // Packets are taken where they have been read into; only one that came in parts is put together first.
    // What is left is the beginning of another one, or what may not be taken now, or, if a handler throws,
    // all behind its message.
    void take_bytes(std::string_view bytes) {
        const time_point now = clock::now();
        std::string_view begun = partial_;
        const auto keep_rest = [&] {
            partial_.erase(0, partial_.size() - begun.size());
            begun = partial_.append(bytes);
        };
        try {
            for (take_packets(begun, now); !begun.empty(); take_packets(begun, now)) {
                const std::string_view next = bytes.substr(0, bytes_lacking(begun));
                if (next.empty()) return keep_rest();
                bytes.remove_prefix(next.size());
                partial_.erase(0, partial_.size() - begun.size());
                begun = partial_.append(next);
            }
            take_packets(bytes, now);
        } catch (...) {
            keep_rest();
            take_what_is_there();
            throw;
        }
        keep_rest();
    }

    // As many as there are and may be taken now.
    void take_packets(std::string_view& bytes, time_point now) {
        std::shared_ptr<const message_handler> handler;
        while (!bytes.empty() && take_some(bytes, handler, now)) {}
    }

    // Up to the first that has something to tell. The lock is released while `handler` runs, which is kept
    // current.
    [[gnu::always_inline]] bool take_some(std::string_view& bytes,
                                          std::shared_ptr<const message_handler>& handler, time_point now) {
        lock_type lock(mutex_);
        if (closing_ || !may_take()) return false;
        const std::size_t n = session_.received(bytes, now);
        if (n == 0) return false;
        if (is_traced()) [[unlikely]]
            packet_trace::each(bytes.substr(0, n), session_.version(),
                               [this](std::string_view packet) { trace_packet(false, packet); });
        if (router_ && route(lock, bytes, n)) return true;
        const bool is_direct = handler_ && inbound_.empty() && receivers_.empty();
        const event::message* const m = is_direct ? session_.next_message() : nullptr;
        if (session_.has_event()) settle_events();
        bytes.remove_prefix(n);
        if (!m) return true;
        if (handler != handler_) [[unlikely]] {
            const auto before = std::exchange(handler, handler_); // Dies unlocked.
            lock.unlock();
        } else {
            lock.unlock();
        }
        hand_over(*handler, m->packet);
        return true;
    }

    [[gnu::noinline]] bool route(lock_type& lock, std::string_view& bytes, std::size_t size) {
        event::message* const m = session_.next_message();
        if (!m) return false;
        bytes.remove_prefix(size);
        router_->take(*m, lock);
        return true;
    }

    // What is written to a broker that reads nothing, our answers to its packets above all, is bounded by
    // taking no more packets. A full inbound queue pauses the reading too, except while an operation of ours
    // awaits an answer, which may be behind the next message: then it goes on up to a hard limit.
    bool may_take() {
        if (session_.output_pending() > max_unwritten) {
            stalled_ = true;
            return false;
        }
        if (!inbound_.is_full() || !session_.is_connected()) return true; // CONNACK above all.
        const bool awaiting = session_.in_flight() != 0 || session_.open_requests() != 0;
        const bool drops =
            session_.version() == protocol_version::v5 && // By a broker that keeps to our limit.
            session_.unacknowledged() <= session_.options().receive_maximum &&
            options_.on_inbound_overflow == inflight::inbound_overflow::drop_qos_0;
        if (!inbound_.is_overfull() && (awaiting || drops)) return true;
        if (awaiting) {
            session_.fail(errc::inbound_overflow);
            return false;
        }
        if (!paused_) session_.reading_paused(clock::now());
        paused_ = true;
        return false;
    }

    void resume_reading() {
        if (!paused_ || closing_ || !transport_) return;
        if (inbound_.is_full() && session_.in_flight() == 0 && session_.open_requests() == 0) return;
        paused_ = false;
        session_.reading_resumed(clock::now());
        take_what_is_there();
    }

    void take_what_is_there() {
        post([this, t = transport_] {
            if (t == transport_ && !closing_ && !reading_) on_read({}, {});
        });
    }

    // Writing.

    void flush() {
        held_back_ = 0;
        while (!writing_ && !closing_ && !write_error_ && transport_) {
            const auto pieces = session_.output();
            if (pieces.empty()) return on_step();
            buffers_.clear();
            for (const std::string_view piece : pieces.first(std::min<std::size_t>(pieces.size(), 64)))
                buffers_.emplace_back(piece.data(), piece.size());
            const std::span<const asio::const_buffer> buffers(buffers_);
            if (const std::size_t n = write_now(buffers); n != 0) written(n);
            else write(buffers);
        }
    }

    std::size_t write_now(std::span<const asio::const_buffer> buffers) {
        if constexpr (requires { transport_->write_now(buffers); }) return transport_->write_now(buffers);
        else return 0;
    }

    void write(std::span<const asio::const_buffer> buffers) {
        writing_ = true;
        auto done = [self = this->shared_from_this(), t = transport_](std::error_code error, std::size_t n) {
            self->on_written(error, n);
        };
        transport_->async_write(buffers, std::move(done));
    }

    void on_written(std::error_code error, std::size_t n) {
        const lock_type lock(mutex_);
        writing_ = false;
        if (closing_) return closed_when_idle();
        if (error && reading_ && is_broken(error)) write_error_ = error; // Whoever reads has more to tell.
        if (write_error_) return;
        if (error) return close(error);
        written(n);
        flush();
    }

    // The peer has closed the connection, maybe with last words that are still to be read: why it refuses
    // us, a TLS alert.
    static bool is_broken(std::error_code error) {
        return error == asio::error::broken_pipe || error == asio::error::connection_reset;
    }

    void written(std::size_t n) {
        if (is_traced()) [[unlikely]]
            trace_.written(session_.output(), n, session_.version(),
                           [this](std::string_view packet) { trace_packet(true, packet); });
        bytes_sent_ += n;
        step([&] { session_.written(n, clock::now()); });
        if (stalled_ && session_.output_pending() <= max_unwritten) {
            stalled_ = false;
            take_what_is_there();
        }
    }

    // Bytes that a pending handler may still use are not given up before it has ended.
    void closed_when_idle() {
        if (reading_ || writing_) return;
        post([this, t = transport_] {
            const lock_type lock(mutex_);
            if (t != transport_ || !closing_) return;
            closing_ = false;
            transport_.reset();
            const std::error_code error = close_error_;
            session_.transport_closed();
            settle_events();
            arm_session_timer(); // Messages expire without a connection too.
            on_closed(error, *t);
        });
    }

    // Time.

    void arm_session_timer() {
        const auto due = session_.deadline();
        if (!due || closing_) return;
        if (timer_armed_ && *due >= armed_for_) return; // It will be armed anew when it goes off.
        timer_armed_ = true;
        armed_for_ = *due;
        session_timer_.expires_at(*due);
        when_due(session_timer_, [this] {
            const lock_type lock(mutex_);
            timer_armed_ = false;
            if (closing_) return;
            if (partial_.empty()) partial_.shrink_to_fit(); // As a rule it has been quiet.
            inbound_.shrink_to_fit();
            if (router_) router_->trim();
            step([&] { session_.deadline_reached(clock::now()); });
            flush();
        });
    }

    // The message handler. What it throws leaves the client, and its message is not acknowledged.

    // To be called without the lock.
    void hand_over(const message_handler& handler, const received_view& m) {
        handler(m);
        if (m.qos == qos::at_most_once) return;
        const lock_type lock(mutex_);
        if (!options_.manual_ack) (void)session_.acknowledge(m.delivery); // Maybe stale by now.
    }

    // One of the messages that have waited for a handler.
    void hand_over_queued() {
        std::shared_ptr<const message_handler> handler;
        received_message m;
        {
            const lock_type lock(mutex_);
            if (!handler_ || inbound_.empty()) return;
            handler = handler_;
            m = inbound_.pop();
            schedule_flush();
            if (!inbound_.empty())
                post([this] { hand_over_queued(); });
        }
        hand_over(*handler, m.view());
    }

    timer session_timer_;
    time_point armed_for_{}, turn_time_{};
    std::string partial_{};
    packet_trace trace_{};
    std::vector<asio::const_buffer> buffers_{};
    std::size_t held_back_ = 0; // Messages, for the end of this turn.
    std::error_code close_error_{}, write_error_{};
    bool reading_ = false, writing_ = false, paused_ = false, stalled_ = false, finished_writing_ = false;
    bool flush_scheduled_ = false, timer_armed_ = false;
};

} // namespace inflight::detail
