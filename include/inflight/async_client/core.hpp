// inflight/async_client/core.hpp - wishes of the application, and what becomes of them.
//
// A wish is handed to the session at once, with the lock held, and goes out in the turn of the event loop in
// which it was made, as a rule at its end (pump.hpp). Its operation waits under its tag until the session
// tells the outcome, and is completed by posting its handler.
#pragma once

#include <inflight/async_client/pump.hpp>
#include <inflight/async_client/statistics.hpp>

#include <asio/dispatch.hpp>

#include <atomic>
#include <list>

namespace inflight::detail {

template <class Core>
class router;
template <class Core>
class request_table;

template <class Transport, session_store Store, class Mutex>
class core : public pump<Transport, Store, Mutex>, public acknowledger {
    using base = pump<Transport, Store, Mutex>;
    friend class router<core>;
    friend class request_table<core>;

public:
    using pump_type = base;
    using typename base::clock;
    using typename base::lock_type;

    core(asio::any_io_executor executor, client_options options, Store store)
        : base(std::move(executor), std::move(options), std::move(store)) {}

    /// For operations of layers on top.
    completions& operations() { return *completions_; }

    // Wishes.

    publish_result publish(inflight::publish&& p, operation tag) { return publish(p, tag); }
    publish_result publish(inflight::publish& p, operation tag) {
        const lock_type lock(mutex_);
        const publish_result r = session_.publish_in_place(p, tag, preferred_, time_of(p));
        if (r) published(p);
        else ++rejected_;
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
    void start_publish(inflight::publish&& p, Handler handler) {
        auto* op = make_pending<publish_ack>(std::move(handler), *completions_);
        const lock_type lock(mutex_);
        publish_result r{publish_status::queue_full};
        if (blocked_.empty()) r = session_.publish_in_place(p, op->tag(), preferred_, time_of(p));
        if (must_wait(r)) wait_for_room(op, own(p));
        else if (r) wait_in_session(op, packet_id{r.mid});
        else return ++rejected_, op->complete(to_errc(r.status));
        published(p);
    }

    template <class Packet, class Handler>
    void start_request(const Packet& p, Handler handler) {
        auto* op = make_pending<subscribe_ack>(std::move(handler), *completions_);
        const lock_type lock(mutex_);
        const result<packet_id> id = ask(p, op->tag());
        if (!id) return op->complete(id.error());
        wait_in_session(op, *id);
        schedule_flush();
    }

    template <class Handler>
    void start_receive(Handler handler) {
        auto* op = make_pending<received_message>(std::move(handler), *completions_);
        const lock_type lock(mutex_);
        acknowledge_oldest_taken();
        if (!inbound_.empty()) {
            inbound_.pop_for_spare([&](received_message&& m) { give(op, std::move(m)); });
        } else if (final_error_) {
            op->complete(final_error_);
        } else {
            wait_in(receivers_, op);
        }
        schedule_flush();
    }

    /// Messages that wait, for a caller who has no handler and acknowledges them by name: as many as there is
    /// room for in `out`, but few that are large, since what has been taken counts no more against the limits
    /// of the queue. Returns how many. What `out` holds has been dealt with, and its memory, which is small
    /// (inbound_queue::release_large), serves the messages to come.
    std::size_t take_messages(std::span<received_message> out) {
        constexpr std::size_t most_bytes = 64 * 1024;
        const lock_type lock(mutex_);
        std::size_t n = 0;
        for (std::size_t bytes = 0; n != out.size() && bytes < most_bytes && !inbound_.empty(); ++n) {
            inbound_.pop_in_exchange(out[n]);
            bytes += inbound_queue::size_of(out[n]);
        }
        this->room_made();
        return n;
    }

    /// Of the messages that have been taken and that nobody has yet, the broker will deliver this one again.
    bool comes_again(const received_message& m) const {
        const std::uint32_t connection = m.delivery.connection;
        return m.qos == qos::at_least_once && connection >= begun_ && connection < resumed_;
    }

    std::error_code acknowledge(const delivery& d, reason_code reason, explanation::view_type why) override {
        const lock_type lock(mutex_);
        if (this->is_shut_down()) return final_error_;
        const errc bad = session_.acknowledge(d, reason, why);
        schedule_flush();
        return bad == errc::none ? std::error_code{} : make_error_code(bad);
    }

    /// All of these, of which some may be stale by now: the broker sends them again.
    void acknowledge_all(std::span<const delivery> all) {
        const lock_type lock(mutex_);
        for (const delivery& d : all) (void)session_.acknowledge(d);
        schedule_flush();
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

    client_statistics statistics() {
        const lock_type lock(mutex_);
        return {session_.statistics(), inbound_.size(), inbound_.bytes(), rejected_,    dropped_,
                oversized_,            bytes_sent_,     bytes_received_,  connections_, failed_attempts_};
    }

protected:
    using base::completions_, base::executor_, base::final_error_, base::mutex_, base::observer_,
        base::options_, base::session_;
    using base::schedule_flush;

    // What the supervisor decides.
    virtual void on_connack(const event::connected& e) = 0;
    virtual void on_refusal(const event::refused& e) = 0;
    virtual void on_server_disconnect(const event::disconnected& e) = 0;
    virtual void on_authentication(const event::authentication& e) = 0;

    /// Whoever disconnects has all the messages that were handed out.
    void acknowledge_taken() {
        while (!taken_.empty()) acknowledge_oldest_taken();
        if (router_) router_->acknowledge_taken();
    }

    /// Every operation that has no outcome gets this one.
    void abandon(std::error_code error) {
        abandon_error_ = error;
        session_.abandon(errc::shutting_down);
        this->stop_session_timer(); // Nothing is left that could expire.
        settle_events();
        abandon_error_ = {};
        for (const auto& b : std::exchange(blocked_, {})) b.op->complete(error);
        receivers_.fail_all(error);
        if (router_) router_->fail_all(error);
    }

    // Cancelling an operation gives up waiting for it, and hurts nothing else. `take` is called with the lock
    // held, and gives the operation back if it still waits.
    template <class Op, class F>
    void on_cancellation(Op* op, F take) {
        auto slot = op->cancellation_slot();
        if (!slot.is_connected()) return;
        slot.assign([weak = this->weak_from_this(), take = std::move(take)](asio::cancellation_type) {
            const auto self = std::static_pointer_cast<core>(weak.lock());
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

    template <class Result>
    void call(const std::function<void(const Result&)>& hook, Result result) {
        if (hook) this->post_hook([hook, r = std::move(result)] { hook(r); });
    }

    protocol_version preferred_ = protocol_version::v5; // What is not connected yet is checked against it.
    std::uint64_t connections_ = 0, failed_attempts_ = 0;

private:
    using base::inbound_, base::receivers_, base::router_, base::bytes_sent_, base::bytes_received_;

    result<packet_id> ask(const subscribe& p, operation tag) {
        return session_.subscribe(p, tag, preferred_);
    }
    result<packet_id> ask(const unsubscribe& p, operation tag) {
        return session_.unsubscribe(p, tag, preferred_);
    }

    time_point time_of(const inflight::publish& p) { // Exact where the message may have an expiry.
        return p.props.empty() ? this->turn_time() : clock::now();
    }

    void published(const inflight::publish& p) {
        schedule_flush();
        if (p.qos != qos::at_most_once) this->send_first_part();
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

    void publish_blocked() override {
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
            else ++rejected_, b.op->complete(to_errc(r.status));
        }
    }

    // The session's outputs.

    void settle_events() override {
        while (event::any* const e = session_.next_event())
            std::visit([this](auto& one) { this->on(one); }, *e);
    }

    void on(event::connected& e) {
        // The broker will deliver again what was not acknowledged in this session: once is enough for what
        // nobody has yet.
        (e.session_present ? resumed_ : begun_) = session_.connection();
        if (e.session_present) inbound_.drop_since(begun_);
        if (router_) router_->connected(e.session_present, begun_);
        on_connack(e);
    }
    void on(event::refused& e) { on_refusal(e); }
    void on(event::disconnected& e) { on_server_disconnect(e); }
    void on(event::authentication& e) { on_authentication(e); }
    void on(event::oversized& e) {
        ++oversized_;
        oversized_message m{std::string(e.topic), e.size};
        if (observer_) observer_->on_oversized(m);
        call(options_.on_oversized, std::move(m));
    }

    void on(event::message& e) override {
        const bool is_kept = e.packet.qos != qos::at_most_once || inbound_.has_room() || !drops_qos_0();
        if (!is_kept) return (void)++dropped_;
        if (!receivers_.empty()) return give(receivers_.pop(), owned(e.packet));
        add_handle(inbound_.push(e.packet));
        if (observer_) observer_->on_message_queued();
    }

    bool drops_qos_0() const { // Where there is no room for it.
        return session_.version() == protocol_version::v5 &&
               options_.on_inbound_overflow == inflight::inbound_overflow::drop_qos_0;
    }

    void add_handle(received_message& m) {
        if (options_.manual_ack)
            m.handle = ack_handle(std::static_pointer_cast<core>(this->shared_from_this()), m.delivery);
    }

    received_message owned(const received_view& view) {
        received_message m;
        spare_messages::of_thread().give(m);
        m.assign(view);
        add_handle(m);
        return m;
    }

    void keep(received_message&& m) {
        if (!receivers_.empty()) return give(receivers_.pop(), std::move(m));
        inbound_.push(std::move(m));
        if (observer_) observer_->on_message_queued();
    }

    void on(event::published& e) {
        std::error_code error = error_of(e.error);
        if (!error && is_refusal(e.reason)) error = e.reason;
        if (e.tag != observer_tag)
            pending<publish_ack>::of(e.tag)->complete(error, {number(e.id), e.reason, explanation(e.why)});
        else if (observer_) observer_->on_published(e, error);
    }

    void on(event::replied& e) {
        std::error_code error = error_of(e.error);
        if (e.tag == 0)
            call(options_.on_resubscribed, resubscribe_result{error, e.filters, e.reasons, e.why});
        if (e.tag == observer_tag || e.tag == 0) {
            if (observer_) observer_->on_replied(std::move(e), error);
            return;
        }
        if (!error && !e.reasons.empty() && std::all_of(e.reasons.begin(), e.reasons.end(), is_refusal))
            error = e.reasons.front();
        pending<subscribe_ack>::of(e.tag)->complete(error,
                                                    {number(e.id), std::move(e.reasons), std::move(e.why)});
    }

    std::error_code error_of(errc error) const {
        if (error == errc::none) return {};
        return abandon_error_ ? abandon_error_ : make_error_code(error);
    }

    // Receiving.

    void give(pending<received_message>* op, received_message&& m) {
        taken_.push(m.delivery);
        op->complete({}, std::move(m));
    }

    // Who asks for the next message has the one before: of those handed out, the oldest is acknowledged.
    void acknowledge_oldest_taken() {
        if (taken_.empty()) return;
        const delivery d = taken_.take();
        if (!options_.manual_ack)
            (void)session_.acknowledge(d); // Stale after a reconnect: then it comes again.
    }

    std::list<blocked_publish> blocked_{};
    numbered_queue<delivery> taken_{}; // Handed out and not acknowledged yet.
    std::error_code abandon_error_{};
    std::uint64_t rejected_ = 0, dropped_ = 0, oversized_ = 0;
    std::atomic<std::uint32_t> begun_{0};   // The connection that the session began with; 0: before our time.
    std::atomic<std::uint32_t> resumed_{0}; // The latest connection to resume a session.
};

} // namespace inflight::detail
