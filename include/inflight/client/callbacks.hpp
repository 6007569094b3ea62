// inflight/client/callbacks.hpp - the user's callbacks, and the queue of what they are to be told.
#pragma once

#include <inflight/async_client/observer.hpp>
#include <inflight/async_client/inbound_queue.hpp>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>

namespace inflight {

/// The broker's answer to subscribe() or unsubscribe(). mid 0: the client has renewed subscriptions after the
/// broker had lost them, and some of these `filters` were refused.
struct subscribe_outcome {
    std::uint16_t mid = 0;
    std::error_code error{};            // Why there are no answers.
    std::vector<reason_code> reasons{}; // One for each filter, in their order; a 3.1.1 UNSUBACK has none.
    std::vector<std::string> filters{}; // With mid 0.
};

namespace detail {

// A callback that may be replaced while it runs, from wherever.
template <class... Args>
using callback = std::shared_ptr<const std::function<void(Args...)>>;

struct callbacks {
    callback<const connect_result&> on_connect{};
    callback<const disconnect_result&> on_disconnect{};
    callback<const received_message&> on_message{};
    callback<std::uint16_t, std::error_code> on_publish{};
    callback<const subscribe_outcome&> on_subscribe{};
    callback<const subscribe_outcome&> on_unsubscribe{};
    callback<const oversized_message&> on_oversized{};
    callback<std::string_view> on_log{};
    callback<std::exception_ptr> on_exception{};
    std::shared_ptr<const std::map<std::string, callback<const received_message&>, std::less<>>> by_filter{};
};

/// What happened, in order, until the loop comes to tell the user. Messages wait in the client's inbound
/// queue, which is bounded; here is only a note that there is one more.
class callback_queue final : public observer {
public:
    struct message_note {};
    struct published_note {
        std::uint16_t mid;
        std::error_code error;
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
    struct connect_note {
        connect_result result;
        std::uint64_t attempt; // The connect() it answers, or a later reconnect.
    };
    using note = std::variant<connect_note, disconnect_result, message_note, published_note, replied_note,
                              oversized_message, log_note, thrown_note>;

    static constexpr std::size_t max_published = 65'535; // Outcomes not told yet; publish() refuses beyond.
    static constexpr std::size_t max_remarks = 10'000;   // Log lines and oversized messages not told yet;
                                                         // further ones are lost.

    std::mutex mutex{};
    std::condition_variable changed{};
    std::deque<note> notes{};
    inflight::detail::callbacks callbacks{};
    std::map<std::uint16_t, std::error_code>
        failed{}; // Outcomes of the latest publishes with these identifiers.
    std::uint64_t connects = 0;                        // connect() and connect_async() so far.
    std::uint64_t settled = 0;                         // Publishes with an outcome, ever.
    std::size_t published_notes = 0, remarks = 0;
    std::size_t held_back = 0; // Messages that came too late: they wait for the next connection.
    std::atomic<bool> message_in_hand{false}; // A callback has one.
    bool is_final = true;             // There is no connection, and will be none unless one is asked for.
    std::error_code final_error = errc::not_connected;

    // Observer: called by the client with its own lock held.

    void on_connected(connect_result r) override {
        add(connect_note{std::move(r), connects},
            [&] { notes.insert(notes.end(), std::exchange(held_back, 0), note(message_note{})); });
    }
    void on_connect_failed(connect_result r) override {
        add(connect_note{r, connects}, [&] { finish(r.error); });
    }
    void on_disconnected(disconnect_result r) override {
        add(r, [&] {
            if (r.is_final) finish(r.error);
        });
    }
    void on_message_queued() override {
        add(message_note{}, [] {});
    }
    void on_published(packet_id id, std::error_code error) override {
        const std::lock_guard lock(mutex);
        ++settled;
        if (error) failed[number(id)] = error;
        else failed.erase(number(id)); // Of an earlier message with this identifier.
        if (callbacks.on_publish) {
            ++published_notes;
            notes.emplace_back(published_note{number(id), error});
        }
        changed.notify_all();
    }
    void on_replied(event::replied e, std::error_code error) override {
        const bool refused = std::any_of(e.reasons.begin(), e.reasons.end(), is_refusal);
        if (e.tag == 0 && !refused && !error) return; // Renewed, and all is well.
        const std::uint16_t mid = e.tag == 0 ? std::uint16_t{0} : number(e.id);
        add(replied_note{e.is_subscribe, {mid, error, std::move(e.reasons), std::move(e.filters)}}, [] {});
    }
    void on_oversized(const oversized_message& m) override { remark(callbacks.on_oversized, m); }
    void on_packet(bool sent, std::string line) override {
        remark(callbacks.on_log, log_note{(sent ? "> " : "< ") + line});
    }
    bool wants_packets() const override { return wants_packets_; }
    bool has_message_in_hand() const override { return message_in_hand; }

    void on_thrown(std::exception_ptr e) {
        add(thrown_note{std::move(e)}, [] {});
    }

    void set_wants_packets(bool wants) { wants_packets_ = wants; }

private:
    template <class Note, class F>
    void add(Note&& n, F&& also) {
        const std::lock_guard lock(mutex);
        notes.emplace_back(std::forward<Note>(n));
        also();
        changed.notify_all();
    }

    void finish(std::error_code error) { // With the mutex held.
        is_final = true;
        final_error = error;
    }

    template <class Callback, class Note>
    void remark(const Callback& listener, Note n) {
        const std::lock_guard lock(mutex);
        if (!listener || remarks == max_remarks) return;
        ++remarks;
        notes.emplace_back(std::move(n));
        changed.notify_all();
    }

    std::atomic<bool> wants_packets_{false};
};

} // namespace detail
} // namespace inflight
