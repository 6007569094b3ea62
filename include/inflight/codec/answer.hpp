// inflight/codec/answer.hpp - the message that answers another one. Standard: MQTT 5.0 section 4.10.
#pragma once

#include <inflight/codec/message.hpp>

namespace inflight {

/// The answer to `request`, as it was received: goes to its Response Topic, with its Correlation Data and its
/// QoS. A request without a Response Topic wants no answer: then this one has no topic, and publish() refuses
/// it.
template <class Request>
message answer_to(const Request& request, bytes_view payload) {
    message out(request.response_topic().value_or(""), payload, request.qos);
    if (const auto data = request.correlation_data()) out.correlation_data(*data);
    return out;
}

} // namespace inflight
