// inflight/client/callbacks.hpp - the user's callbacks, and the queue of what they are to be told.
#pragma once

#include <inflight/async_client/observer.hpp>
#include <inflight/client/filter_callbacks.hpp>
#include <inflight/client/outcome.hpp>
#include <inflight/session/id_table.hpp>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>

namespace inflight {

namespace detail {

template <class Callback, class... Args>
void call(const Callback& f, const Args&... args) {
    if (f) (*f)(args...);
}

struct callbacks {
    callback<const connect_result&> on_connect{};
    callback<const disconnect_result&> on_disconnect{};
    callback<const received_message&> on_message{};
    callback<std::uint16_t, std::error_code> on_publish{};
    callback<const publish_outcome&> on_publish_outcome{}; // Instead of it.
    callback<const subscribe_outcome&> on_subscribe{};
    callback<const subscribe_outcome&> on_unsubscribe{};
    callback<const authentication_result&> on_reauthenticate{};
    callback<const oversized_message&> on_oversized{};
    callback<std::string_view> on_log{};
    callback<std::exception_ptr> on_exception{};
};

/// What happened, in order, until the loop comes to tell the user. Messages wait in the client's inbound
/// queue, which is bounded; here is only a note of how many more there are.
///
/// The client calls it with its own lock held, for every message and every outcome, so that what is noted
/// there needs no other lock. The loop gets it at the end of a turn of the event loop, all together.
class callback_queue final : public observer {
public:
    // What has a type and an allocation of its own, since it is rare.
    struct rare_note {
        virtual ~rare_note() = default;
        virtual void tell(const callbacks& c) const = 0;
        virtual void told(callback_queue&) const {} // With the mutex held.
    };
    struct note { // Small: there is one for each message, and each goes through the caches twice.
        enum class kind : std::uint8_t { published, messages, rare };
        kind what = kind::published;
        reason_code reason{};              // Published, with this outcome,
        std::uint16_t mid = 0;             // this one.
        std::uint32_t count = 0;           // So many messages, one behind the other.
        std::unique_ptr<rare_note> rare{}; // Published: if there is an error or an explanation.
    };

    static constexpr std::size_t max_published = 65'535; // Outcomes not told yet; publish() refuses beyond.
    static constexpr std::size_t max_remarks = 10'000;   // Log lines and oversized messages not told yet;
                                                         // further ones are lost.
    static constexpr std::size_t max_turn = 256; // So many are not kept back until the turn ends.

    std::mutex mutex{}; // Guards all that follows, unless it is atomic.
    std::condition_variable changed{};
    std::vector<note> notes{};
    bool is_telling = false;            // The loop has notes that it has not told yet.
    id_table<std::error_code> failed{}; // Outcomes of the latest publishes with these identifiers.
    std::uint64_t connects = 0;         // connect() and connect_async() so far.
    std::uint64_t connects_told = 0;    // The latest of them whose outcome on_connect has been told.
    std::error_code connect_error{};    // That outcome,
    std::string connect_details{};      // and what the transport knows of it.
    std::uint64_t settled = 0;          // Publishes with an outcome, ever.
    std::size_t remarks = 0;
    std::uint32_t held_back = 0; // Messages that came too late: they wait for the next connection.
    std::atomic<bool> message_in_hand{false}; // A callback has one.
    std::atomic<packet_printer> printer{nullptr}; // Of the packets that on_log gets.
    bool is_final = true; // There is no connection, and will be none unless one is asked for.
    std::error_code final_error = errc::not_connected;

    /// With the mutex held.
    bool all_told() const { return notes.empty() && !is_telling; }

    // The callbacks are replaced all together: the loop can keep what it is calling, and sees at a glance
    // whether that is still what is to be called.

    template <class F>
    void change_callbacks(F&& change) {
        std::shared_ptr<const callbacks> before; // Dies unlocked: callbacks may own anything.
        const std::lock_guard lock(mutex);
        auto after = std::make_shared<callbacks>(*callbacks_);
        change(*after);
        wants_outcomes_ = after->on_publish || after->on_publish_outcome;
        latest_ = after.get();
        before = std::exchange(callbacks_, std::move(after));
    }

    template <class... Args>
    void set(callback<Args...> callbacks::*which, std::function<void(Args...)> f) {
        auto shared = f ? std::make_shared<const std::function<void(Args...)>>(std::move(f)) : nullptr;
        change_callbacks([&](callbacks& all) { all.*which = std::move(shared); });
    }

    class current_callbacks {
    public:
        explicit current_callbacks(callback_queue& queue) : queue_(queue) {}
        /// As of now; good until the next call.
        const callbacks& get() {
            if (held_.get() != queue_.latest_) renew();
            return *held_;
        }

    private:
        void renew() {
            std::shared_ptr<const callbacks> before; // Dies unlocked.
            const std::lock_guard lock(queue_.mutex);
            before = std::exchange(held_, queue_.callbacks_);
        }

        callback_queue& queue_;
        std::shared_ptr<const callbacks> held_{};
    };

    // Outcomes: noted by one thread, told by another, and publish() wants to know about both.

    bool has_room() const {
        const std::size_t told = outcomes_told_; // First, or else more might have been told than noted.
        return outcomes_noted_ - told < max_published;
    }
    void outcome_told() { count(outcomes_told_); } // By the loop.

    // Observer.

    void on_connected(connect_result r) override {
        turn_.push_back(note_of<connect_note>(std::move(r), latest_connect()));
        if (const std::uint32_t n = take_held_back())
            turn_.push_back({.what = note::kind::messages, .count = n});
        hand_over();
    }
    void on_connect_failed(connect_result r) override {
        turn_.push_back(note_of<connect_note>(r, latest_connect()));
        hand_over(&r.error);
    }
    void on_disconnected(disconnect_result r) override {
        turn_.push_back(note_of<disconnect_note>(r));
        hand_over(r.is_final ? &r.error : nullptr);
    }
    void on_reauthenticated(const authentication_result& r) override {
        add<authentication_note>(r);
    }
    void on_message_queued() override {
        if (!turn_.empty() && turn_.back().what == note::kind::messages) ++turn_.back().count;
        else turn_.push_back({.what = note::kind::messages, .count = 1});
        note_taken();
    }
    void on_published(const event::published& e, std::error_code error) override {
        remember_failure(e.id, error);
        ++turn_settled_;
        if (wants_outcomes_) {
            count(outcomes_noted_);
            turn_.push_back({.reason = e.reason, .mid = number(e.id)});
            if (error || !e.why.empty()) explain(e, error);
        }
        note_taken();
    }
    void on_replied(event::replied e, std::error_code error) override {
        const bool refused = std::any_of(e.reasons.begin(), e.reasons.end(), is_refusal);
        if (e.tag == 0 && !refused && !error) return; // Renewed, and all is well.
        const std::uint16_t mid = e.tag == 0 ? std::uint16_t{0} : number(e.id);
        add<replied_note>(e.is_subscribe, subscribe_outcome{mid, error, std::move(e.reasons),
                                                            std::move(e.filters), std::move(e.why)});
    }
    void on_oversized(const oversized_message& m) override {
        if (may_remark(&callbacks::on_oversized)) add<oversized_note>(m);
    }
    void on_packet(bool sent, std::string line) override {
        if (may_remark(&callbacks::on_log)) add<log_note>((sent ? "> " : "< ") + line);
    }
    void on_turn_end() override {
        if (turn_size_ != 0) hand_over();
    }
    packet_printer wanted_printer() const override { return printer; }
    bool has_message_in_hand() const override { return message_in_hand; }

    // Not with the client's lock held.
    void on_thrown(std::exception_ptr e) { add_now<thrown_note>(std::move(e)); }
    void on_call(std::function<void()> f) { add_now<call_note>(std::move(f)); }

private:
    using counter = std::atomic<std::size_t>; // Written by one thread.
    static void count(counter& c) { c.store(c + 1, std::memory_order_release); }

    void note_taken() {
        if (++turn_size_ == max_turn) hand_over();
    }

    // Gives the loop what this turn has brought so far. `end`: why there will be no connection any more.
    void hand_over(const std::error_code* end = nullptr) {
        {
            const std::lock_guard lock(mutex);
            if (notes.empty()) notes.swap(turn_);
            for (note& n : turn_) notes.push_back(std::move(n));
            settled += std::exchange(turn_settled_, 0);
            if (end) {
                is_final = true;
                final_error = *end;
            }
        }
        turn_.clear();
        turn_size_ = 0;
        changed.notify_all();
    }

    template <class Note, class... Args>
    static note note_of(Args&&... args) {
        note n{.what = note::kind::rare};
        n.rare.reset(new Note(std::forward<Args>(args)...));
        return n;
    }
    template <class Note, class... Args>
    void add(Args&&... args) {
        turn_.push_back(note_of<Note>(std::forward<Args>(args)...));
        hand_over();
    }

    template <class Note, class... Args>
    void add_now(Args&&... args) {
        const std::lock_guard lock(mutex);
        notes.push_back(note_of<Note>(std::forward<Args>(args)...));
        changed.notify_all();
    }

    std::uint64_t latest_connect() {
        const std::lock_guard lock(mutex);
        return connects;
    }

    std::uint32_t take_held_back() {
        const std::lock_guard lock(mutex);
        return std::exchange(held_back, 0);
    }

    void explain(const event::published& e, std::error_code error) {
        turn_.back().rare.reset(
            new outcome_note(publish_outcome{number(e.id), error, e.reason, explanation(e.why)}));
    }

    // Nobody else writes there, so that to look whether there is anything takes no lock.
    void remember_failure(packet_id id, std::error_code error) {
        if (!error && failed.size() == 0) return;
        const std::lock_guard lock(mutex);
        if (error) failed.set(id, error);
        else failed.erase(id); // Of an earlier message with this identifier.
    }

    template <class Callback>
    bool may_remark(Callback callbacks::*listener) {
        const std::lock_guard lock(mutex);
        if (!((*callbacks_).*listener) || remarks == max_remarks) return false;
        ++remarks;
        return true;
    }

    struct connect_note final : rare_note {
        connect_result result;
        std::uint64_t attempt; // The connect() it answers, or a later reconnect.

        connect_note(connect_result r, std::uint64_t a) : result(std::move(r)), attempt(a) {}
        void tell(const callbacks& c) const override {
            if (!result.error || result.error.category() == reason_category()) call(c.on_connect, result);
        }
        void told(callback_queue& queue) const override {
            queue.connects_told = attempt;
            queue.connect_error = result.error;
            queue.connect_details = result.details;
        }
    };
    struct outcome_note final : rare_note {
        publish_outcome outcome;

        explicit outcome_note(publish_outcome o) : outcome(std::move(o)) {}
        void tell(const callbacks& c) const override {
            if (c.on_publish) (*c.on_publish)(outcome.mid, outcome.error);
            else call(c.on_publish_outcome, outcome);
        }
    };
    struct disconnect_note final : rare_note {
        disconnect_result result;

        explicit disconnect_note(disconnect_result r) : result(std::move(r)) {}
        void tell(const callbacks& c) const override { call(c.on_disconnect, result); }
    };
    struct authentication_note final : rare_note {
        authentication_result result;

        explicit authentication_note(authentication_result r) : result(std::move(r)) {}
        void tell(const callbacks& c) const override { call(c.on_reauthenticate, result); }
    };
    struct replied_note final : rare_note {
        bool is_subscribe;
        subscribe_outcome outcome;

        replied_note(bool subscribes, subscribe_outcome o)
            : is_subscribe(subscribes), outcome(std::move(o)) {}
        void tell(const callbacks& c) const override {
            call(is_subscribe ? c.on_subscribe : c.on_unsubscribe, outcome);
        }
    };
    struct oversized_note final : rare_note {
        oversized_message message;

        explicit oversized_note(oversized_message m) : message(std::move(m)) {}
        void tell(const callbacks& c) const override { call(c.on_oversized, message); }
        void told(callback_queue& queue) const override { --queue.remarks; }
    };
    struct log_note final : rare_note {
        std::string line;

        explicit log_note(std::string l) : line(std::move(l)) {}
        void tell(const callbacks& c) const override { call(c.on_log, std::string_view(line)); }
        void told(callback_queue& queue) const override { --queue.remarks; }
    };
    struct call_note final : rare_note { // Of what is built on top.
        std::function<void()> f;

        explicit call_note(std::function<void()> what) : f(std::move(what)) {}
        void tell(const callbacks&) const override { f(); }
    };
    struct thrown_note final : rare_note { // By a hook of the options, which the loop did not call.
        std::exception_ptr exception;

        explicit thrown_note(std::exception_ptr e) : exception(std::move(e)) {}
        void tell(const callbacks&) const override { std::rethrow_exception(exception); }
    };

    std::shared_ptr<const callbacks> callbacks_ = std::make_shared<callbacks>();
    std::atomic<const callbacks*> latest_{callbacks_.get()};
    std::atomic<bool> wants_outcomes_{false};
    counter outcomes_noted_{0}, outcomes_told_{0};
    std::vector<note> turn_{}; // Guarded by the client's lock, as is what follows.
    std::size_t turn_size_ = 0, turn_settled_ = 0;
};

} // namespace detail
} // namespace inflight
