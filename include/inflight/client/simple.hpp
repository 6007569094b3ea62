// inflight/client/simple.hpp - a connection for one thing to do: publish, or wait for a message. Not part of
// client.hpp.
#pragma once

#include <inflight/client/client.hpp>
#include <inflight/client/message_outcome.hpp>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <span>

namespace inflight {

/// Which broker: a host or an address, with a port (0: the one that goes with it); or all options of a
/// client, of whose brokers the first that answers is taken.
struct connection_settings {
    client_options options{};
    connection_settings(std::string host, std::uint16_t port = 0)
        : connection_settings(broker{std::move(host), port}) {}
    connection_settings(const char* host, std::uint16_t port = 0)
        : connection_settings(std::string(host), port) {}
    connection_settings(broker where) { options.brokers = {std::move(where)}; }
    connection_settings(client_options all) : options(std::move(all)) {}
};

/// How long one of these functions may take, if nothing else is said.
inline constexpr std::chrono::milliseconds simple_timeout{10'000};

namespace detail {

// What is left of the time of one of these functions.
class time_left {
public:
    explicit time_left(std::chrono::milliseconds all) : end_(clock::now() + bounded(all)) {}
    std::chrono::milliseconds operator()() const {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - clock::now());
        return std::max(left, std::chrono::milliseconds(0));
    }

private:
    using clock = std::chrono::steady_clock;
    clock::time_point end_;
};

inline client_options limited(client_options options, const time_left& left) {
    options.connect_timeout = std::min(options.connect_timeout, left());
    return options;
}

inline std::error_code connect(client& c, const client_options& options) {
    return c.connect(options.brokers, std::chrono::duration_cast<std::chrono::seconds>(options.keep_alive));
}

// Publishes one after the other, and waits for outcomes only when there is no room, and at the end.
class simple_publisher {
public:
    simple_publisher(client& c, const time_left& left) : client_(c), left_(left) {}

    std::error_code publish(const message& m) {
        for (;;) {
            const publish_result r = client_.publish(m);
            const bool is_full = r.status == publish_status::queue_full ||
                                 r.status == publish_status::packet_ids_exhausted;
            if (!is_full || open_.empty()) {
                if (r) open_.push_back(r.mid);
                return to_errc(r.status);
            }
            if (const auto error = wait_for_oldest()) return error;
        }
    }
    std::error_code wait() {
        while (!open_.empty())
            if (const auto error = wait_for_oldest()) return error;
        return {};
    }

private:
    std::error_code wait_for_oldest() {
        const std::uint16_t mid = open_.front();
        open_.pop_front();
        return client_.wait_for_publish(mid, left_());
    }

    client& client_;
    const time_left& left_;
    std::deque<std::uint16_t> open_{};
};

} // namespace detail

/// Connects, publishes these messages in their order, waits for their outcomes and disconnects.
/// Errors: that of the first message that fails, and behind it nothing is certain; what connecting fails
/// with; errc::timed_out.
inline std::error_code publish_multiple(const connection_settings& where, std::span<const message> messages,
                                        std::chrono::milliseconds timeout = simple_timeout) {
    const detail::time_left left(timeout);
    client c(detail::limited(where.options, left));
    if (const auto error = detail::connect(c, where.options)) return error;
    detail::simple_publisher publisher(c, left);
    std::error_code error;
    for (auto m = messages.begin(); m != messages.end() && !error; ++m) error = publisher.publish(*m);
    if (!error) error = publisher.wait();
    (void)c.disconnect(std::chrono::milliseconds(0)); // Nothing is open, or there is no time left for it.
    return error;
}

/// The same with one message: `publish_single("localhost", {"a/b", "text"})`.
inline std::error_code publish_single(const connection_settings& where, const message& m,
                                      std::chrono::milliseconds timeout = simple_timeout) {
    return publish_multiple(where, std::span(&m, 1), timeout);
}

/// Connects, subscribes, waits for one message (a retained one will do), acknowledges it and disconnects.
/// Messages behind it are not acknowledged: the broker keeps them if the session is kept.
/// Errors: errc::timed_out; a reason_code, if the subscription is refused; what connecting fails with.
inline message_outcome receive_one(const connection_settings& where, const subscription_request& filter,
                                   std::chrono::milliseconds timeout = simple_timeout) {
    const detail::time_left left(timeout);
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<message_outcome> outcome;
    bool is_done = false;
    const auto is_first = [&](message_outcome&& o) {
        const std::lock_guard lock(mutex);
        if (outcome) return false;
        outcome = std::move(o);
        return true;
    };
    const auto tell = [&] {
        const std::lock_guard lock(mutex);
        is_done = true;
        changed.notify_all();
    };
    const auto fail = [&](std::error_code error) {
        if (is_first({error, {}})) tell();
    };
    client c(detail::limited(where.options, left));
    c.manual_ack_set(true);
    c.on_message([&](const received_message& m) {
        if (!is_first({{}, received_message(m.view())})) return;
        if (m.mid != 0) (void)c.ack(m.mid); // Before anybody hears of it, and disconnects.
        tell();
    });
    c.on_subscribe([&](const subscribe_outcome& o) {
        if (o.error) fail(o.error);
        else if (is_refusal(o.reasons.front())) fail(o.reasons.front());
    });
    c.on_disconnect([&](const disconnect_result& r) {
        if (r.is_final && r.error) fail(r.error);
    });
    if (const auto error = detail::connect(c, where.options)) return {error, {}};
    if (const auto status = c.subscribe({filter}); !status) return {status.error, {}};
    if (const auto error = c.loop_start()) return {error, {}};
    {
        std::unique_lock lock(mutex);
        changed.wait_for(lock, left(), [&] { return is_done; });
        if (!outcome) outcome = message_outcome{errc::timed_out, {}};
        else changed.wait(lock, [&] { return is_done; });
    }
    (void)c.disconnect(std::chrono::milliseconds(0));
    return std::move(*outcome);
}
inline message_outcome receive_one(const connection_settings& where, std::string_view filter,
                                   std::chrono::milliseconds timeout = simple_timeout) {
    return receive_one(where, subscription_request(filter, qos::at_least_once), timeout);
}

} // namespace inflight
