// inflight/async_client/message_stream.hpp - the messages of one filter, in a queue of their own.
#pragma once

#include <inflight/async_client/inbound_queue.hpp>
#include <inflight/async_client/waiters.hpp>

#include <asio/async_result.hpp>

#include <exception>

namespace inflight {

/// How much may wait in a stream. What does not fit is dealt with as in the client's own queue: QoS 0 as
/// on_inbound_overflow says, QoS 1 and 2 by the client's Receive Maximum; in 3.1.1 reading pauses, for
/// everyone.
struct stream_options {
    std::size_t max_messages = 1024;
    std::size_t max_bytes = std::size_t{32} << 20;
    /// 5.0, for async_subscribe_stream: the subscription gets a Subscription Identifier, and the stream only
    /// what comes of that subscription, where otherwise the topic decides. It matters with brokers that send
    /// a message once for each subscription that it matches. Refused by brokers that know no identifiers.
    bool subscription_identifier = false;
};

namespace detail {

struct stream_state;
using stream_ptr = std::shared_ptr<stream_state>;

// The client, as its streams see it. Takes the client's lock.
struct stream_host {
    using waiting = void (*)(const stream_ptr& s, pending<received_message>* op, std::uint64_t number);

    /// `waits` is called with the lock held if the operation has to.
    virtual void receive(const stream_ptr& s, pending<received_message>* op, waiting waits) = 0;
    /// Null if it waits no more.
    virtual pending<received_message>* take_back(stream_state& s, std::uint64_t number) = 0;
    virtual void close(const stream_ptr& s, bool has_all_taken) = 0;
    virtual std::size_t size(const stream_state& s) = 0;
    virtual std::uint64_t dropped(const stream_state& s) = 0;

protected:
    ~stream_host() = default;
};

// Guarded by the client's lock, but for what never changes.
struct stream_state {
    const std::string filter;
    const std::uint32_t identifier; // 0: none.
    const std::weak_ptr<stream_host> host;
    const std::shared_ptr<completions> done;
    inbound_queue queue;
    numbered_queue<delivery> taken{}; // Handed out and not acknowledged yet.
    waiters<received_message> receivers{};
    std::uint64_t dropped = 0;
    bool is_open = true, is_full = false, is_overfull = false;

    stream_state(std::string_view f, std::uint32_t id, const stream_options& limits,
                 std::weak_ptr<stream_host> h, std::shared_ptr<completions> d)
        : filter(f), identifier(id), host(std::move(h)), done(std::move(d)),
          queue(limits.max_messages, limits.max_bytes) {}
};

} // namespace detail

/// The messages whose topics match one filter, in a bounded queue of their own. Made by a client's stream()
/// or async_subscribe_stream(); move-only. A message goes to every stream and every handler whose filter
/// matches, and it is acknowledged when all of them have had it; only what none matches goes to the client's
/// on_message() or async_receive(). Acknowledgements leave in the order in which the messages came: a stream
/// that nobody reads holds back those of all messages behind its own, until the broker stops at the Receive
/// Maximum.
///
/// Thread safety: as its client.
class message_stream {
public:
    /// Is none: all that may be done with it is to assign another one.
    message_stream() = default;
    explicit message_stream(detail::stream_ptr state) : state_(std::move(state)) {}
    message_stream(message_stream&& other) noexcept : state_(std::move(other.state_)) {}
    message_stream& operator=(message_stream&& other) noexcept {
        if (this == &other) return *this;
        end(true);
        state_ = std::move(other.state_);
        return *this;
    }
    /// As close(). But when an exception destroys it, what was handed out is not acknowledged: what the
    /// application could not deal with comes again with the next connection, and until then later
    /// acknowledgements wait.
    ~message_stream() { end(std::uncaught_exceptions() <= exceptions_); }

    explicit operator bool() const { return state_ != nullptr; }
    const std::string& filter() const { return state_->filter; }

    /// Takes the next message. By asking, the application says that it has the one before, which is then
    /// acknowledged; with several receivers at work, the oldest one taken. With manual_ack only ack_handle
    /// and acknowledge() do that.
    ///
    /// Handler signature: void(std::error_code, received_message).
    /// Completes: when there is a message.
    /// Errors: what stopped the client; asio::error::operation_aborted when the stream is closed.
    /// Cancellation: no message is taken.
    template <class CompletionToken>
    auto async_receive(CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code, received_message)>(
            [s = state_](auto handler) { start_receive(s, std::move(handler)); }, token);
    }

    /// Messages that wait.
    std::size_t size() const {
        const auto host = state_->host.lock();
        return host ? host->size(*state_) : 0;
    }
    /// QoS 0 messages that came while the stream was full. The client's own number counts them too.
    std::uint64_t dropped_messages() const {
        const auto host = state_->host.lock();
        return host ? host->dropped(*state_) : state_->dropped;
    }

    /// What was handed out is acknowledged. What waits and nobody else has goes where messages go that this
    /// stream does not get any more: to another one, a handler, or the client's async_receive. Does not
    /// unsubscribe.
    void close() { end(true); }

private:
    template <class Handler>
    static void start_receive(const detail::stream_ptr& s, Handler handler) {
        auto* op = detail::make_pending<received_message>(std::move(handler), *s->done);
        if (const auto host = s->host.lock()) host->receive(s, op, &let_cancel<decltype(op)>);
        else op->complete(errc::shutting_down);
    }

    template <class Op>
    static void let_cancel(const detail::stream_ptr& s, detail::pending<received_message>* op,
                           std::uint64_t number) {
        auto slot = static_cast<Op>(op)->cancellation_slot();
        if (!slot.is_connected()) return;
        slot.assign([weak = std::weak_ptr(s), number](asio::cancellation_type) {
            const auto state = weak.lock();
            const auto host = state ? state->host.lock() : nullptr;
            if (!host) return;
            if (auto* const waiting = host->take_back(*state, number))
                waiting->complete(asio::error::operation_aborted);
        });
    }

    void end(bool has_all_taken) {
        if (!state_) return;
        if (const auto host = state_->host.lock()) host->close(state_, has_all_taken);
    }

    detail::stream_ptr state_{};
    int exceptions_ = std::uncaught_exceptions();
};

namespace detail {

// The handler of SUBACK that hands over the stream, which has been there since before SUBSCRIBE went out.
template <class Handler>
struct stream_ready {
    Handler handler;
    message_stream stream;

    void operator()(std::error_code error, subscribe_ack&&) {
        if (error) stream = {};
        std::move(handler)(error, std::move(stream));
    }
};

} // namespace detail
} // namespace inflight

// Executor, allocator and cancellation slot are those of the user's handler.
template <template <class, class> class Associator, class Handler, class Default>
struct asio::associator<Associator, inflight::detail::stream_ready<Handler>, Default>
    : Associator<Handler, Default> {
    using base = Associator<Handler, Default>;
    static auto get(const inflight::detail::stream_ready<Handler>& h) noexcept {
        return base::get(h.handler);
    }
    static auto get(const inflight::detail::stream_ready<Handler>& h, const Default& d) noexcept {
        return base::get(h.handler, d);
    }
};
