// inflight/client/callbacks.hpp - the user's callbacks, and the queue of what they are to be told.
#pragma once

#include <inflight/async_client/observer.hpp>
#include <inflight/client/filter_callbacks.hpp>
#include <inflight/client/outcome.hpp>
#include <inflight/session/id_table.hpp>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <iterator>
#include <mutex>

namespace inflight {

namespace detail {

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
    struct published_note {
        std::uint16_t mid;
        reason_code reason;
        std::error_code error;
    };
    struct message_note {
        std::size_t count; // How many, one behind the other.
    };
    struct replied_note {
        bool is_subscribe;
        subscribe_outcome outcome;
    };
    struct log_note {
        std::string line;
    };
    struct thrown_note { // By a hook of the options, which the loop did not call.
        std::exception_ptr exception;
    };
    struct call_note { // Of what is built on top.
        std::function<void()> call;
    };
    struct connect_note {
        connect_result result;
        std::uint64_t attempt; // The connect() it answers, or a later reconnect.
    };
    using rare_note = std::variant<connect_note, disconnect_result, authentication_result, replied_note,
                                   oversized_message, log_note, thrown_note, call_note,
                                   publish_outcome>; // The last where there is an explanation.
    using note = std::variant<published_note, message_note, std::unique_ptr<rare_note>>;

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
    std::uint64_t settled = 0;          // Publishes with an outcome, ever.
    std::size_t remarks = 0;
    std::size_t held_back = 0; // Messages that came too late: they wait for the next connection.
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
        add(connect_note{std::move(r), connects}, [&] {
            if (held_back != 0) notes.emplace_back(message_note{std::exchange(held_back, 0)});
        });
    }
    void on_connect_failed(connect_result r) override {
        add(connect_note{r, connects}, [&] { finish(r.error); });
    }
    void on_disconnected(disconnect_result r) override {
        add(r, [&] {
            if (r.is_final) finish(r.error);
        });
    }
    void on_reauthenticated(const authentication_result& r) override {
        add(r, [] {});
    }
    void on_message_queued() override {
        auto* const run = turn_.empty() ? nullptr : std::get_if<message_note>(&turn_.back());
        if (run) ++run->count;
        else turn_.emplace_back(message_note{1});
        note_taken();
    }
    void on_published(const event::published& e, std::error_code error) override {
        remember_failure(e.id, error);
        ++turn_settled_;
        if (wants_outcomes_) {
            count(outcomes_noted_);
            if (e.why.empty()) turn_.emplace_back(published_note{number(e.id), e.reason, error});
            else add_explained(e, error);
        }
        note_taken();
    }
    void on_replied(event::replied e, std::error_code error) override {
        const bool refused = std::any_of(e.reasons.begin(), e.reasons.end(), is_refusal);
        if (e.tag == 0 && !refused && !error) return; // Renewed, and all is well.
        const std::uint16_t mid = e.tag == 0 ? std::uint16_t{0} : number(e.id);
        add(replied_note{e.is_subscribe,
                         {mid, error, std::move(e.reasons), std::move(e.filters), std::move(e.why)}},
            [] {});
    }
    void on_oversized(const oversized_message& m) override { remark(&callbacks::on_oversized, m); }
    void on_packet(bool sent, std::string line) override {
        remark(&callbacks::on_log, log_note{(sent ? "> " : "< ") + line});
    }
    void on_turn_end() override {
        if (turn_size_ != 0) hand_over([] {});
    }
    packet_printer wanted_printer() const override { return printer; }
    bool has_message_in_hand() const override { return message_in_hand; }

    // Not with the client's lock held.
    void on_thrown(std::exception_ptr e) { add_now(thrown_note{std::move(e)}); }
    void on_call(std::function<void()> call) { add_now(call_note{std::move(call)}); }

private:
    using counter = std::atomic<std::size_t>; // Written by one thread.
    static void count(counter& c) { c.store(c + 1, std::memory_order_release); }

    void note_taken() {
        if (++turn_size_ == max_turn) hand_over([] {});
    }

    // Gives the loop what this turn has brought so far.
    template <class F>
    void hand_over(F&& also) {
        {
            const std::lock_guard lock(mutex);
            if (notes.empty()) notes.swap(turn_);
            else std::move(turn_.begin(), turn_.end(), std::back_inserter(notes));
            settled += std::exchange(turn_settled_, 0);
            also();
        }
        turn_.clear();
        turn_size_ = 0;
        changed.notify_all();
    }

    template <class Note, class F>
    void add(Note&& n, F&& also) {
        turn_.emplace_back(std::make_unique<rare_note>(std::forward<Note>(n)));
        hand_over(std::forward<F>(also));
    }

    template <class Note>
    void add_now(Note&& n) {
        const std::lock_guard lock(mutex);
        notes.emplace_back(std::make_unique<rare_note>(std::forward<Note>(n)));
        changed.notify_all();
    }

    void finish(std::error_code error) { // With the mutex held.
        is_final = true;
        final_error = error;
    }

    void add_explained(const event::published& e, std::error_code error) {
        turn_.emplace_back(
            std::make_unique<rare_note>(publish_outcome{number(e.id), error, e.reason, explanation(e.why)}));
    }

    // Nobody else writes there, so that to look whether there is anything takes no lock.
    void remember_failure(packet_id id, std::error_code error) {
        if (!error && failed.size() == 0) return;
        const std::lock_guard lock(mutex);
        if (error) failed.set(id, error);
        else failed.erase(id); // Of an earlier message with this identifier.
    }

    template <class Callback, class Note>
    void remark(Callback callbacks::*listener, Note n) {
        {
            const std::lock_guard lock(mutex);
            if (!((*callbacks_).*listener) || remarks == max_remarks) return;
            ++remarks;
        }
        add(std::move(n), [] {});
    }

    std::shared_ptr<const callbacks> callbacks_ = std::make_shared<callbacks>();
    std::atomic<const callbacks*> latest_{callbacks_.get()};
    std::atomic<bool> wants_outcomes_{false};
    counter outcomes_noted_{0}, outcomes_told_{0};
    std::vector<note> turn_{}; // Guarded by the client's lock, as is what follows.
    std::size_t turn_size_ = 0, turn_settled_ = 0;
};

} // namespace detail
} // namespace inflight
