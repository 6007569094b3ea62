// inflight/async_client/happy_eyeballs.hpp - connects to that address of a host which answers first.
// Standard: RFC 8305, sections 4 and 5.
#pragma once

#include <inflight/async_client/stream_socket.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/steady_timer.hpp>

#include <functional>
#include <list>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

namespace inflight::detail {

/// IPv6 and IPv4 by turns, IPv6 first, each in the order in which the system has sorted them.
inline endpoint_list interleaved(const endpoint_list& all) {
    endpoint_list out;
    out.reserve(all.size());
    const auto next = [&](std::size_t& at, bool v6) {
        while (at != all.size() && (all[at].protocol().family() == AF_INET6) != v6) ++at;
        if (at != all.size()) out.push_back(all[at++]);
    };
    for (std::size_t v6 = 0, v4 = 0; out.size() != all.size();) {
        next(v6, true);
        next(v4, false);
    }
    return out;
}

/// Tries one address, the next when that has not answered within `delay` or as soon as it has failed, and so
/// on; all that have begun go on. The first to stand wins and the others are closed. Runs on one strand.
class happy_eyeballs : public std::enable_shared_from_this<happy_eyeballs> {
public:
    using socket = stream_socket;
    using endpoint = socket::endpoint_type;
    /// Which socket has won, or the error of the one that failed last.
    using handler = std::function<void(std::error_code, socket)>;
    /// An address is about to be tried (no error), or has failed.
    using listener = std::function<void(const endpoint&, std::error_code)>;
    /// Makes a socket ready to connect, which is open; an error is that of the address.
    using preparer = std::function<std::error_code(socket&, const endpoint&)>;

    happy_eyeballs(const asio::any_io_executor& executor, endpoint_list all, std::chrono::milliseconds delay,
                   listener tell, preparer prepare = {})
        : timer_(executor), all_(std::move(all)), delay_(delay), tell_(std::move(tell)),
          prepare_(std::move(prepare)) {}

    /// `done` is called once, later, unless abandon() comes first. There is one address at least.
    void start(handler done) {
        done_ = std::move(done);
        start_next();
    }

    /// Ends with asio::error::operation_aborted.
    void close() {
        next_ = all_.size();
        close_all();
    }

    void abandon() {
        const handler forgotten = std::exchange(done_, nullptr);
        close();
    }

private:
    using attempts = std::list<std::pair<socket, const endpoint&>>; // Of all_.

    void start_next() {
        const endpoint& where = all_[next_++];
        if (tell_) tell_(where, {});
        attempts_.emplace_back(socket(timer_.get_executor()), where);
        const auto one = std::prev(attempts_.end());
        if (const auto error = prepare(*one)) return wait(std::chrono::milliseconds(0), one, error);
        one->first.async_connect(where, [self = shared_from_this(), one](std::error_code error) {
            if (!error) error = what_is_missing(*one);
            if (error) self->on_failed(one, error);
            else self->on_connected(one);
        });
        if (next_ == all_.size()) return (void)timer_.cancel();
        wait(delay_, attempts_.end(), {});
    }

    std::error_code prepare(attempts::reference one) {
        std::error_code error;
        one.first.open(one.second.protocol(), error);
        return error || !prepare_ ? error : prepare_(one.first, one.second);
    }

    // A Unix socket whose backlog is full answers "try again", which newer versions of Asio take for a
    // connection that is on its way, and then for one.
    static std::error_code what_is_missing(attempts::reference one) {
        std::error_code error;
        if (!is_tcp(one.second) && one.first.is_open()) (void)one.first.remote_endpoint(error);
        return error == asio::error::not_connected ? asio::error::no_buffer_space : error;
    }

    // Then the next one is tried, or this one has failed.
    void wait(std::chrono::milliseconds delay, attempts::iterator failed, std::error_code why) {
        timer_.expires_after(delay);
        timer_.async_wait(
            [self = shared_from_this(), number = next_, failed, why](std::error_code cancelled) {
                if (why) return self->on_failed(failed, why);
                if (!cancelled && self->next_ == number && number != self->all_.size()) self->start_next();
            });
    }

    void on_failed(attempts::iterator one, std::error_code error) {
        if (tell_ && done_ && error != asio::error::operation_aborted) tell_(one->second, error);
        attempts_.erase(one);
        if (!done_) return;
        if (next_ != all_.size()) return start_next();
        if (attempts_.empty()) finish(error, socket(timer_.get_executor()));
    }

    void on_connected(attempts::iterator one) {
        socket winner = std::move(one->first);
        const bool is_closed = !winner.is_open(); // Just when it was done.
        attempts_.erase(one);
        next_ = all_.size();
        close_all();
        finish(is_closed ? std::error_code(asio::error::operation_aborted) : std::error_code{},
               std::move(winner));
    }

    void finish(std::error_code error, socket winner) {
        if (const handler done = std::exchange(done_, nullptr)) done(error, std::move(winner));
    }

    void close_all() {
        timer_.cancel();
        for (auto& one : attempts_) {
            std::error_code ignored;
            one.first.close(ignored);
        }
    }

    asio::steady_timer timer_;
    endpoint_list all_;
    std::size_t next_ = 0; // Of all_, to be tried.
    std::chrono::milliseconds delay_;
    listener tell_;
    preparer prepare_;
    attempts attempts_{}; // That have begun and not ended.
    handler done_{};
};

} // namespace inflight::detail
