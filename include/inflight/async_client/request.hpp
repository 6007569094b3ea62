// inflight/async_client/request.hpp - request and response, in Asio's shape. Not part of async_client.hpp.
//
// A request is a message with a Response Topic, where the answer goes, and Correlation Data, which the answer
// repeats. Both are properties of MQTT 5.0. Standard: MQTT 5.0 section 4.10.
#pragma once

#include <inflight/async_client/basic_async_client.hpp>
#include <inflight/async_client/request_table.hpp>
#include <inflight/async_client/responder.hpp>

namespace inflight {

/// Publishes a request and waits for its answer. Any number may be on their way at a time, and answers may
/// come in any order. The client subscribes to its Response Topic with the first request, and again if the
/// session has been lost. That topic begins with the broker's Response Information where it gives some (ask
/// for it with request_response_information in connect_properties), else with "inflight/response/", and ends
/// with the client identifier; Response Topic and Correlation Data of `request` are set here.
///
/// Handler signature: void(std::error_code, received_message).
/// Completes: when the answer has come; it is acknowledged by then.
/// Errors: errc::timed_out; errc::not_supported (the connection speaks 3.1.1); a reason_code: the broker
/// refuses the request or the subscription, or knows nobody who would get the request
/// (no_matching_subscribers, of QoS 1 and 2); further those of async_publish and async_subscribe.
/// Cancellation: stops waiting; the request goes its way.
template <class Transport, session_store Store, class Mutex, class CompletionToken>
auto async_request(basic_async_client<Transport, Store, Mutex>& client, message request,
                   std::chrono::milliseconds timeout, CompletionToken&& token) {
    using core = detail::core<Transport, Store, Mutex>;
    return asio::async_initiate<CompletionToken, void(std::error_code, received_message)>(
        [i = client.implementation().shared_from_this()](auto handler, message m,
                                                         std::chrono::milliseconds limit) {
            auto& table = detail::request_table<core>::of(static_cast<core&>(*i));
            table.start(std::move(m), limit, std::move(handler));
        },
        token, std::move(request), timeout);
}
template <class Transport, session_store Store, class Mutex, class CompletionToken>
auto async_request(basic_async_client<Transport, Store, Mutex>& client, std::string_view topic,
                   bytes_view payload, std::chrono::milliseconds timeout, CompletionToken&& token) {
    return async_request(client, message(topic, payload, qos::at_least_once), timeout,
                         std::forward<CompletionToken>(token));
}

/// Answers that came when nobody waited for them any more, or that never were asked for. They are dropped.
template <class Transport, session_store Store, class Mutex>
std::uint64_t unknown_answers(basic_async_client<Transport, Store, Mutex>& client) {
    using core = detail::core<Transport, Store, Mutex>;
    return detail::request_table<core>::of(client.implementation()).unknown_answers();
}

/// Subscribes to `requests` and answers what comes: `handler` is called with each request, as by
/// on_message(filter, handler), and returns the payload of the answer (anything a bytes_view can be made of),
/// or takes a responder as its second argument, which it may keep and call later. Ends with
/// client.on_message(filter, {}).
///
/// Handler signature (of the token): void(std::error_code, subscribe_ack).
/// Completes, errors, cancellation: as async_subscribe.
template <class Transport, session_store Store, class Mutex, class Handler, class CompletionToken>
auto async_respond(basic_async_client<Transport, Store, Mutex>& client, subscription_request requests,
                   Handler handler, CompletionToken&& token) {
    auto publish = [weak = client.implementation().weak_from_this()](const message& m) -> publish_result {
        const auto core = std::static_pointer_cast<detail::core<Transport, Store, Mutex>>(weak.lock());
        return core ? core->publish(m.packet(), 0) : publish_result{publish_status::shutting_down};
    };
    // An invalid filter is what async_subscribe finds.
    (void)client.on_message(requests.filter, [handler = std::move(handler), publish = std::move(publish)](
                                                 const received_view& request) mutable {
        detail::respond(handler, request, publish);
    });
    return client.async_subscribe(std::vector<subscription_request>{std::move(requests)}, {},
                                  std::forward<CompletionToken>(token));
}

} // namespace inflight
