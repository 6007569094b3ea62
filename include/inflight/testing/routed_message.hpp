// inflight/testing/routed_message.hpp - an Application Message on its way through a test server.
#pragma once

#include <inflight/session/options.hpp>

#include <memory>

namespace inflight::testing {

/// One for all who get it. Its properties hold neither Topic Alias nor Message Expiry Interval.
struct routed_message {
    message content{};
    time_point received{};
    std::optional<std::chrono::seconds> expiry{};

    bool has_expired(time_point now) const { return expiry && now - received > *expiry; }

    /// The Message Expiry Interval to forward: what is left of it. [v5:MQTT-3.3.2-6]
    std::optional<std::uint32_t> remaining(time_point now) const {
        if (!expiry) return std::nullopt;
        const auto waited = std::chrono::floor<std::chrono::seconds>(now - received);
        return static_cast<std::uint32_t>(std::max(*expiry - waited, std::chrono::seconds{0}).count());
    }
};

using message_ptr = std::shared_ptr<const routed_message>;

inline message_ptr make_routed(message content, time_point now) {
    routed_message out{std::move(content), now, {}};
    auto& props = out.content.props;
    if (const auto expiry = props.get<property_id::message_expiry_interval>())
        out.expiry = std::chrono::seconds(*expiry);
    props.erase(property_id::message_expiry_interval);
    props.erase(property_id::topic_alias);
    return std::make_shared<const routed_message>(std::move(out));
}

/// What one session gets of a message.
struct delivery {
    message_ptr message{};
    inflight::qos qos{};
    bool retain = false;
    std::vector<std::uint32_t> identifiers{}; // Subscription Identifiers.
};

} // namespace inflight::testing
