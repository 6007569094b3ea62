// inflight/async_client/responder.hpp - answering requests, for both clients.
#pragma once

#include <inflight/codec/answer.hpp>
#include <inflight/session/options.hpp>

#include <functional>

namespace inflight {

/// What answers one request, now or later. May be copied, and outlive the client: then it refuses.
class responder {
public:
    responder() = default;
    responder(message answer, std::function<publish_result(const message&)> publish)
        : answer_(std::move(answer)), publish_(std::move(publish)) {}

    /// Whether an answer is wanted: the request has a Response Topic.
    bool is_wanted() const { return !answer_.topic.empty(); }

    /// Publishes the answer, with the QoS of the request. publish_status::topic_empty when none is wanted.
    publish_result operator()(bytes_view payload) const {
        message m = answer_;
        m.payload = std::string_view(payload);
        return publish_(m);
    }

    /// The answer without a payload, for one with further properties; send() publishes it.
    message answer() const { return answer_; }
    publish_result send(const message& m) const { return publish_(m); }

private:
    message answer_{};
    std::function<publish_result(const message&)> publish_{};
};

namespace detail {

// A handler gets the request, and returns the payload of the answer or takes a responder along.
template <class Handler, class Request>
void respond(Handler& handler, const Request& request,
             std::function<publish_result(const message&)> publish) {
    responder answer(answer_to(request, ""), std::move(publish));
    if constexpr (std::is_invocable_v<Handler&, const Request&, responder>) {
        handler(request, std::move(answer));
    } else {
        const auto payload = handler(request);
        if (answer.is_wanted()) (void)answer(payload);
    }
}

} // namespace detail

} // namespace inflight
