// inflight/async_client/core.hpp - drives one session over one transport after the other.
//
// Theory of operation. A supervisor (supervisor.hpp) decides what is to be connected; the core moves bytes: a
// read loop, a write loop, a timer. Whatever happens, from inside or from a user's call, is one step(): the
// lock is held, the session takes the event, its outputs are carried out - operations completed by posting
// their handlers, messages queued - and the lock is released. After a turn of the event loop everything that
// has accumulated goes out in one gather write. Handlers of I/O run on the client's executor, one at a time;
// only step() is entered from other threads.
#pragma once

#include <inflight/async_client/inbound_queue.hpp>
#include <inflight/async_client/packet_trace.hpp>
#include <inflight/async_client/waiters.hpp>

#include <asio/buffer.hpp>
#include <asio/dispatch.hpp>
#include <asio/error.hpp>

#include <mutex>

namespace inflight::detail {

template <class Transport, session_store Store, class Mutex>
class core : public acknowledger, public std::enable_shared_from_this<core<Transport, Store, Mutex>> {
public:
    using clock = typename Transport::clock_type;
    using timer = typename Transport::timer_type;
    using lock_type = std::unique_lock<Mutex>;
    static constexpr std::size_t max_unwritten = std::size_t{64} << 20; // Bytes.

    core(asio::any_io_executor executor, client_options options, Store store)
        : executor_(std::move(executor)), options_(std::move(options)), session_(options_, std::move(store)),
          session_timer_(executor_), inbound_(options_.max_inbound_messages, options_.max_inbound_bytes) {}
    virtual ~core() = default;

    const asio::any_io_executor& executor() const { return executor_; }
    const client_options& options() const { return options_; }
    void set_observer(observer* o) { observer_ = o; }

    // Wishes.

    publish_result publish(const inflight::publish& p, operation tag) {
        const lock_type lock(mutex_);
        const publish_result r = session_.publish(p, tag, preferred_, clock::now());
        if (r) schedule_flush();
        return r;
    }

    template <class Packet>
    result<packet_id> request(const Packet& p, operation tag) {
        const lock_type lock(mutex_);
        const result<packet_id> id = ask(p, tag);
        if (id) schedule_flush();
        return id;
    }

    template <class Handler>
    void start_publish(message m, Handler handler) {
        auto* op = make_pending<publish_ack>(std::move(handler), executor_);
        const lock_type lock(mutex_);
        publish_result r{publish_status::queue_full};
        if (blocked_.empty()) r = session_.publish(m.packet(), op->tag(), preferred_, clock::now());
        if (must_wait(r)) wait_for_room(op, std::move(m));
        else if (r) wait_in_session(op, packet_id{r.mid});
        else return op->complete(to_errc(r.status));
        schedule_flush();
    }

    template <class Packet, class Handler>
    void start_request(const Packet& p, Handler handler) {
        auto* op = make_pending<subscribe_ack>(std::move(handler), executor_);
        const lock_type lock(mutex_);
        const result<packet_id> id = ask(p, op->tag());
        if (!id) return op->complete(id.error());
        wait_in_session(op, *id);
        schedule_flush();
    }

    template <class Handler>
    void start_receive(Handler handler) {
        auto* op = make_pending<received_message>(std::move(handler), executor_);
        const lock_type lock(mutex_);
        acknowledge_oldest_taken();
        if (!inbound_.empty()) {
            op->complete({}, take());
        } else if (final_error_) {
            op->complete(final_error_);
        } else {
            wait_in(receivers_, op);
        }
        schedule_flush();
    }

    /// The oldest message that waits, if any, for callers that have no handler.
    std::optional<received_message> try_receive() {
        const lock_type lock(mutex_);
        if (inbound_.empty()) return std::nullopt;
        received_message m = take();
        taken_.pop_back(); // Its caller acknowledges it by name.
        schedule_flush();
        return m;
    }

    std::error_code acknowledge(const delivery& d, reason_code reason) override {
        const lock_type lock(mutex_);
        if (final_error_ == errc::shutting_down) return final_error_;
        const errc bad = session_.acknowledge(d, reason);
        schedule_flush();
        return bad == errc::none ? std::error_code{} : make_error_code(bad);
    }

    /// A wish, or a setting, for which there is no function here.
    template <class F>
    auto with_session(F&& f) {
        const lock_type lock(mutex_);
        schedule_flush();
        return f(session_, clock::now());
    }

    /// A question, which changes nothing.
    template <class F>
    auto ask_session(F&& f) {
        const lock_type lock(mutex_);
        return f(session_);
    }

    /// The observer has an answer that on_step() has been waiting for.
    void observer_changed() {
        const lock_type lock(mutex_);
        schedule_flush();
    }

    void set_manual_ack(bool manual) {
        const lock_type lock(mutex_);
        options_.manual_ack = manual;
    }

    std::uint64_t dropped_messages() {
        const lock_type lock(mutex_);
        return dropped_;
    }

protected:
    // What the supervisor decides.
    virtual void on_connack(const event::connected& e) = 0;
    virtual void on_refusal(const event::refused& e) = 0;
    virtual void on_server_disconnect(const event::disconnected& e) = 0;
    virtual void on_step() = 0; // After every step: is something drained, or to be closed?
    virtual void on_closed(std::error_code error) = 0;  // The transport and its handlers are gone.

    // Runs with the lock held: one event for the session, then all that follows from it.
    template <class F>
    void step(F&& f) {
        f();
        settle_events();
        publish_blocked();
        on_step();
        arm_session_timer();
    }

    /// What is wrong with our own CONNECT, if anything.
    errc opened(std::shared_ptr<Transport> transport, protocol_version version) {
        transport_ = std::move(transport);
        partial_.clear();
        trace_.clear();
        reading_ = writing_ = paused_ = stalled_ = finished_writing_ = false;
        close_error_ = {};
        errc bad = errc::none;
        step([&] { bad = session_.transport_opened(version); });
        read();
        flush();
        return bad;
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

    void schedule_flush() {
        if (flush_scheduled_) return;
        flush_scheduled_ = true;
        asio::post(executor_, [self = this->shared_from_this()] {
            const lock_type lock(self->mutex_);
            self->flush_scheduled_ = false;
            self->step([&] { self->resume_reading(); });
            self->flush();
        });
    }

    /// Whoever disconnects has all the messages that were handed out.
    void acknowledge_taken() {
        while (!taken_.empty()) acknowledge_oldest_taken();
    }

    /// Every operation that has no outcome gets this one.
    void abandon(std::error_code error) {
        abandon_error_ = error;
        session_.abandon(errc::shutting_down);
        stop_session_timer(); // Nothing is left that could expire.
        settle_events();
        abandon_error_ = {};
        for (const auto& b : std::exchange(blocked_, {})) b.op->complete(error);
        receivers_.fail_all(error);
    }

    // Cancelling an operation gives up waiting for it, and hurts nothing else. `take` is called with the lock
    // held, and gives the operation back if it still waits.
    template <class Op, class F>
    void on_cancellation(Op* op, F take) {
        auto slot = op->cancellation_slot();
        if (!slot.is_connected()) return;
        slot.assign([weak = this->weak_from_this(), take = std::move(take)](asio::cancellation_type) {
            const auto self = weak.lock();
            if (!self) return;
            const lock_type lock(self->mutex_);
            if (auto* const waiting = take(*self)) waiting->complete(asio::error::operation_aborted);
        });
    }

    template <class Op>
    void wait_in_session(Op* op, packet_id id) {
        on_cancellation(op, [op, tag = op->tag(), id](core& self) {
            return self.session_.detach(tag, id) ? op : nullptr;
        });
    }

    template <class Op, class Result>
    void wait_in(waiters<Result>& list, Op* op) {
        const std::uint64_t number = list.push(op);
        on_cancellation(op, [number, &list](core&) { return list.take(number); });
    }

    // The user's hooks run by themselves, not inside a step.
    template <class Result>
    void call(const std::function<void(const Result&)>& hook, Result result) {
        if (hook) asio::post(executor_, [hook, r = std::move(result)] { hook(r); });
    }

    Mutex mutex_{};
    asio::any_io_executor executor_;
    client_options options_;
    client_session<Store> session_;
    observer* observer_ = nullptr;
    protocol_version preferred_ = protocol_version::v5; // What is not connected yet is checked against it.
    std::shared_ptr<Transport> transport_{};
    std::error_code final_error_{}; // Why there will be no connection any more, unless one is asked for anew.
    bool closing_ = false;

private:
    result<packet_id> ask(const subscribe& p, operation tag) {
        return session_.subscribe(p, tag, preferred_);
    }
    result<packet_id> ask(const unsubscribe& p, operation tag) {
        return session_.unsubscribe(p, tag, preferred_);
    }

    // queue_policy::wait.

    bool must_wait(const publish_result& r) const {
        const bool is_full = r.status == publish_status::queue_full ||
                             r.status == publish_status::packet_ids_exhausted;
        return is_full && session_.options().on_full_queue == queue_policy::wait;
    }

    // Cancelled before there is room, the message is not published.
    template <class Op>
    void wait_for_room(Op* op, message m) {
        const auto id = std::make_shared<packet_id>(packet_id::none);
        blocked_.emplace_back(op, std::move(m), id, clock::now());
        on_cancellation(op, [op, tag = op->tag(), id](core& self) {
            const bool is_blocked =
                std::erase_if(self.blocked_, [&](const blocked_publish& b) { return b.id == id; }) != 0;
            return is_blocked || self.session_.detach(tag, *id) ? op : nullptr;
        });
    }

    void publish_blocked() {
        for (; !blocked_.empty(); blocked_.pop_front()) {
            blocked_publish& b = blocked_.front();
            const time_point now = clock::now();
            if (!b.age(now)) {
                b.op->complete(errc::message_expired);
                continue;
            }
            const auto r = session_.publish(b.what.packet(), b.op->tag(), preferred_, now);
            if (must_wait(r)) return;
            if (r) *b.id = packet_id{r.mid};
            else b.op->complete(to_errc(r.status));
        }
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
            if (finished_writing_ || session_.is_closing()) return read(); // Nobody wants it any more.
        }
        take_bytes(bytes);
        const lock_type lock(mutex_);
        if (closing_) return;
        step([] {});
        if (!paused_ && !stalled_) read();
        flush();
    }

    // Packet by packet, the lock is taken for each. What is left is the beginning of another one.
    void take_bytes(std::string_view bytes) {
        if (!partial_.empty()) {
            partial_.append(bytes);
            const std::size_t taken = take_packets(partial_);
            partial_.erase(0, taken);
            if (partial_.empty()) partial_.shrink_to_fit();
        } else {
            bytes.remove_prefix(take_packets(bytes));
            partial_ = bytes;
        }
    }

    std::size_t take_packets(std::string_view bytes) {
        std::size_t taken = 0;
        while (taken != bytes.size()) {
            const lock_type lock(mutex_);
            if (closing_ || !may_take()) break;
            const std::size_t n = session_.received(bytes.substr(taken), clock::now());
            if (n == 0) break;
            if (observer_ && observer_->wants_packets())
                trace_.received(*observer_, bytes.substr(taken, n), session_.version());
            settle_events();
            taken += n;
        }
        return taken;
    }

    // What is written to a broker that reads nothing, our answers to its packets above all, is bounded by
    // taking no more packets. A full inbound queue pauses the reading too, except while an operation of ours
    // awaits an answer, which may be behind the next message: then it goes on up to a hard limit.
    bool may_take() {
        if (session_.output_pending() > max_unwritten) {
            stalled_ = true;
            return false;
        }
        if (!inbound_.is_full()) return true;
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
        asio::post(executor_, [self = this->shared_from_this(), t = transport_] {
            if (t == self->transport_ && !self->closing_ && !self->reading_) self->on_read({}, {});
        });
    }

    // Writing.

    void flush() {
        if (writing_ || closing_ || !transport_) return;
        const auto pieces = session_.output();
        if (pieces.empty()) return on_step();
        buffers_.clear();
        for (const std::string_view piece : pieces.first(std::min<std::size_t>(pieces.size(), 64)))
            buffers_.emplace_back(piece.data(), piece.size());
        writing_ = true;
        auto done = [self = this->shared_from_this(), t = transport_](std::error_code error, std::size_t n) {
            self->on_written(error, n);
        };
        transport_->async_write(std::span<const asio::const_buffer>(buffers_), std::move(done));
    }

    void on_written(std::error_code error, std::size_t n) {
        const lock_type lock(mutex_);
        writing_ = false;
        if (closing_) return closed_when_idle();
        if (error) return close(error);
        if (observer_ && observer_->wants_packets())
            trace_.written(*observer_, session_.output(), n, session_.version());
        step([&] { session_.written(n, clock::now()); });
        if (stalled_ && session_.output_pending() <= max_unwritten) {
            stalled_ = false;
            take_what_is_there();
        }
        flush();
    }

    // Bytes that a pending handler may still use are not given up before it has ended.
    void closed_when_idle() {
        if (reading_ || writing_) return;
        asio::post(executor_, [self = this->shared_from_this(), t = transport_] {
            const lock_type lock(self->mutex_);
            if (t != self->transport_ || !self->closing_) return;
            self->closing_ = false;
            self->transport_.reset();
            const std::error_code error = self->close_error_;
            self->session_.transport_closed();
            self->settle_events();
            self->arm_session_timer(); // Messages expire without a connection too.
            self->on_closed(error);
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
        session_timer_.async_wait([self = this->shared_from_this()](std::error_code error) {
            if (error) return; // Set to an earlier time, or closed.
            const lock_type lock(self->mutex_);
            self->timer_armed_ = false;
            if (self->closing_) return;
            self->step([&] { self->session_.deadline_reached(clock::now()); });
            self->flush();
        });
    }

    // The session's outputs.

    void settle_events() {
        while (auto e = session_.next_event())
            std::visit([this](auto& one) { this->on(one); }, *e);
    }

    void on(event::connected& e) {
        // The broker will deliver again what was not acknowledged: once is enough for what nobody has yet.
        if (e.session_present) inbound_.drop(qos::at_least_once);
        on_connack(e);
    }
    void on(event::refused& e) { on_refusal(e); }
    void on(event::disconnected& e) { on_server_disconnect(e); }
    void on(event::oversized& e) {
        oversized_message m{std::string(e.topic), e.size};
        if (observer_) observer_->on_oversized(m);
        call(options_.on_oversized, std::move(m));
    }

    void on(event::message& e) {
        received_message m;
        static_cast<message&>(m) = own(e.packet);
        m.dup = e.packet.dup;
        m.mid = number(e.packet.id);
        m.delivery = e.delivery;
        const bool is_kept = m.qos != qos::at_most_once || !inbound_.is_full() ||
                             session_.version() != protocol_version::v5 ||
                             options_.on_inbound_overflow != inflight::inbound_overflow::drop_qos_0;
        if (!is_kept) return (void)++dropped_;
        if (options_.manual_ack && m.qos != qos::at_most_once)
            m.handle = ack_handle(this->weak_from_this(), m.delivery);
        inbound_.push(std::move(m));
        if (observer_) observer_->on_message_queued();
        if (receivers_.empty()) return;
        receivers_.pop()->complete({}, take());
    }

    void on(event::published& e) {
        std::error_code error = error_of(e.error);
        if (!error && is_refusal(e.reason)) error = e.reason;
        if (e.tag != observer_tag) pending<publish_ack>::of(e.tag)->complete(error, {number(e.id), e.reason});
        else if (observer_) observer_->on_published(e.id, error);
    }

    void on(event::replied& e) {
        std::error_code error = error_of(e.error);
        if (e.tag == 0) call(options_.on_resubscribed, resubscribe_result{error, e.filters, e.reasons});
        if (e.tag == observer_tag || e.tag == 0) {
            if (observer_) observer_->on_replied(std::move(e), error);
            return;
        }
        if (!error && !e.reasons.empty() && std::all_of(e.reasons.begin(), e.reasons.end(), is_refusal))
            error = e.reasons.front();
        pending<subscribe_ack>::of(e.tag)->complete(error, {number(e.id), std::move(e.reasons)});
    }

    std::error_code error_of(errc error) const {
        if (error == errc::none) return {};
        return abandon_error_ ? abandon_error_ : make_error_code(error);
    }

    // Receiving.

    received_message take() {
        received_message m = inbound_.pop();
        taken_.push_back(m.delivery);
        return m;
    }

    // Who asks for the next message has the one before: of those handed out, the oldest is acknowledged.
    void acknowledge_oldest_taken() {
        if (taken_.empty()) return;
        const delivery d = taken_.front();
        taken_.pop_front();
        if (!options_.manual_ack)
            (void)session_.acknowledge(d); // Stale after a reconnect: then it comes again.
    }

    timer session_timer_;
    time_point armed_for_{};
    inbound_queue inbound_;
    std::deque<blocked_publish> blocked_{};
    waiters<received_message> receivers_{};
    std::deque<delivery> taken_{}; // Handed out and not acknowledged yet.
    std::string partial_{};
    packet_trace trace_{};
    std::vector<asio::const_buffer> buffers_{};
    std::error_code close_error_{}, abandon_error_{};
    std::uint64_t dropped_ = 0;
    bool reading_ = false, writing_ = false, paused_ = false, stalled_ = false, finished_writing_ = false;
    bool flush_scheduled_ = false, timer_armed_ = false;
};

} // namespace inflight::detail
