// Either client behind one blocking interface, so that each feature is written once and tried with both. (And
// compiles fast: only peer.cpp sees the clients.)
#pragma once

#include <inflight/async_client/options.hpp>
#include <inflight/async_client/received_message.hpp>
#include <inflight/async_client/statistics.hpp>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <stdexcept>

namespace features {

using namespace inflight;
using namespace std::chrono_literals;
using milliseconds = std::chrono::milliseconds;

/// For what takes some milliseconds on an idle machine.
inline constexpr milliseconds patience = 30s;

/// The client, or this program, does not do what it should.
struct failed : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline void check(bool condition, const std::string& what) {
    if (!condition) throw failed(what);
}

/// What has come in, for a thread that waits for it.
template <class T> class inbox {
public:
    void add(T item) {
        const std::lock_guard lock(mutex_);
        items_.push_back(std::move(item));
        changed_.notify_all();
    }
    /// The next one; empty if none comes within `limit`.
    std::optional<T> next(milliseconds limit = patience) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, limit, [&] { return !items_.empty(); })) return std::nullopt;
        std::optional<T> out = std::move(items_.front());
        items_.pop_front();
        return out;
    }
    std::size_t size() {
        const std::lock_guard lock(mutex_);
        return items_.size();
    }

private:
    std::mutex mutex_{};
    std::condition_variable changed_{};
    std::deque<T> items_{};
};

/// A client. Every function returns when the broker has answered.
class peer {
public:
    peer() = default;
    peer(const peer&) = delete;
    peer& operator=(const peer&) = delete;
    virtual ~peer() = default; // Says no DISCONNECT.

    virtual connect_result connect() = 0;
    /// Returns the codes, one for each filter.
    virtual std::vector<reason_code> subscribe(const std::vector<subscription_request>& filters,
                                               const properties<packet_type::subscribe>& props) = 0;
    virtual std::vector<reason_code> unsubscribe(const std::string& filter) = 0;
    /// Does not wait.
    virtual publish_result post(const message& m) = 0;
    /// Waits for the outcome.
    virtual std::error_code publish(const message& m) = 0;
    virtual std::error_code ack(const received_message& m, reason_code reason = reason_code::success,
                                explanation::view_type why = {}) = 0;
    /// Returns how many messages were left without an acknowledgement.
    virtual std::size_t disconnect(const disconnect_options& how = {}) = 0;
    virtual std::size_t unsettled() = 0;
    virtual client_statistics statistics() = 0;
    /// Messages whose topics match `filter` go to `f`; null: no more.
    virtual std::error_code handle(const std::string& filter, std::function<void(const message&)> f) = 0;
    /// The payload of the answer to a request.
    virtual std::string ask(const std::string& topic, const std::string& payload) = 0;
    /// Subscribes, and answers requests.
    virtual void respond(const std::string& filter, std::function<std::string(const std::string&)> f) = 0;
    /// Of a stream that has subscribed: the payloads of its first messages. `meanwhile` publishes them.
    virtual std::vector<std::string> streamed(const std::string&, std::size_t, std::function<void()>) { return {}; }

    std::vector<reason_code> subscribe(std::string_view filter, qos level = qos::at_most_once) {
        return subscribe({{filter, level}}, {});
    }

    inbox<received_message> messages{};
    inbox<disconnect_result> endings{}; // Of connections that have stood.
};

/// inflight::client, its callbacks on a thread of loop_start().
std::unique_ptr<peer> make_callback_peer(client_options o);
/// inflight::async_client, on a thread of its own.
std::unique_ptr<peer> make_async_peer(client_options o);

/// By the functions of <inflight/client/simple.hpp>, which make a client for it.
void publish_simply(const client_options& o, const message& m);
std::string receive_simply(const client_options& o, const std::string& filter);

} // namespace features
