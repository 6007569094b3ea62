// inflight/client/impl/request.hpp - the functions of client/request.hpp. Defined as those of
// client/impl/client.hpp are.
#pragma once

#include <inflight/async_client/request.hpp>
#include <inflight/client/impl/client.hpp>
#include <inflight/client/request.hpp>

namespace inflight {
namespace detail {

// `done` is called on the thread that does the I/O.
template <class Done>
void start_request(client_loop& loop, const message& request, std::chrono::milliseconds timeout, Done done) {
    async_request(loop.async, request, timeout, [done = std::move(done)](std::error_code e, auto&& answer) {
        done(message_outcome{e, std::move(answer)});
    });
}

template <class Handler>
client::subscribe_status respond(client& c, const subscription_request& requests, Handler f) {
    auto publish = [weak = std::weak_ptr(client_access::loop(c))](const message& m) -> publish_result {
        const auto loop = weak.lock();
        return loop ? publish_noted(*loop, m.packet()) : publish_result{publish_status::shutting_down};
    };
    const auto error = c.message_callback_add(
        requests.filter, [f = std::move(f), publish](const received_message& m) { respond(f, m, publish); });
    if (error) return {error};
    return c.subscribe({requests});
}

} // namespace detail

INFLIGHT_DECL message_outcome request(client& c, const message& request, std::chrono::milliseconds timeout) {
    const auto loop = detail::client_access::loop(c);
    if (loop->in_callback()) return {errc::would_deadlock, {}};
    if (const auto error = loop->start_io()) return {error, {}};
    const auto answer = std::make_shared<std::optional<message_outcome>>();
    detail::start_request(*loop, request, timeout, [loop, answer](message_outcome&& got) {
        const std::lock_guard lock(loop->queue.mutex);
        *answer = std::move(got);
        loop->queue.changed.notify_all();
    });
    loop->wait_until([&] { return answer->has_value(); });
    return std::move(**answer);
}

INFLIGHT_DECL void request(client& c, const message& request, std::chrono::milliseconds timeout,
                           std::function<void(const message_outcome&)> f) {
    const auto loop = detail::client_access::loop(c);
    if (const auto error = loop->start_io())
        return loop->queue.on_call([f = std::move(f), error] { f({error, {}}); });
    detail::start_request(*loop, request, timeout, [loop, f = std::move(f)](message_outcome&& got) {
        // A std::function must be copyable, which a received message is not.
        auto shared = std::make_shared<const message_outcome>(std::move(got));
        loop->queue.on_call([f, shared = std::move(shared)] { f(*shared); });
    });
}

INFLIGHT_DECL std::uint64_t unknown_answers(client& c) {
    return unknown_answers(detail::client_access::loop(c)->async);
}

INFLIGHT_DECL client::subscribe_status respond(client& c, const subscription_request& requests,
                                               std::function<std::string(const received_message&)> f) {
    return detail::respond(c, requests, std::move(f));
}

INFLIGHT_DECL client::subscribe_status respond(client& c, const subscription_request& requests,
                                               std::function<void(const received_message&, responder)> f) {
    return detail::respond(c, requests, std::move(f));
}

} // namespace inflight
