// inflight/client/request.hpp - request and response, for the client in paho's shape. Not part of client.hpp.
//
// A request is a message with a Response Topic, where the answer goes, and Correlation Data, which the answer
// repeats. Both are properties of MQTT 5.0. Standard: MQTT 5.0 section 4.10.
#pragma once

#include <inflight/async_client/responder.hpp>
#include <inflight/client/client.hpp>
#include <inflight/client/message_outcome.hpp>

namespace inflight {

/// Publishes a request and waits for its answer. Several threads may wait at a time. The client subscribes to
/// its Response Topic with the first request, and again if the session has been lost; the broker's Response
/// Information, if it gives some, is the beginning of that topic. Response Topic and Correlation Data of
/// `request` are set here.
/// Errors: errc::timed_out; errc::would_deadlock inside a callback; errc::not_supported (the connection
/// speaks 3.1.1); a reason_code: the broker refuses the request or the subscription, or knows nobody who
/// would get the request (no_matching_subscribers, of QoS 1 and 2); errc::not_connected (after disconnect()),
/// errc::topic_wildcard and what else publish() may find.
message_outcome request(client& c, const message& request, std::chrono::milliseconds timeout);
inline message_outcome request(client& c, std::string_view topic, bytes_view payload,
                               std::chrono::milliseconds timeout) {
    return request(c, message(topic, payload, qos::at_least_once), timeout);
}

/// The same without waiting, also for callbacks: `f` is called on the loop, once.
void request(client& c, const message& request, std::chrono::milliseconds timeout,
             std::function<void(const message_outcome&)> f);

/// Answers to requests that nobody waited for any more, or that never were sent. They are dropped.
std::uint64_t unknown_answers(client& c);

/// Subscribes to `requests` and answers what comes: `f` is called with each request, as by
/// message_callback_add(), and returns the payload of the answer, or takes a responder, which it may keep and
/// call later, from any thread. on_subscribe tells whether the broker has agreed. Ends with unsubscribe() and
/// message_callback_remove().
client::subscribe_status respond(client& c, const subscription_request& requests,
                                 std::function<std::string(const received_message&)> f);
client::subscribe_status respond(client& c, const subscription_request& requests,
                                 std::function<void(const received_message&, responder)> f);

} // namespace inflight

#ifndef INFLIGHT_SEPARATE_COMPILATION
#include <inflight/client/impl/request.hpp>
#endif
