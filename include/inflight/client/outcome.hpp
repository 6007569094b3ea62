// inflight/client/outcome.hpp - what the broker has answered.
#pragma once

#include <inflight/session/explanation.hpp>

#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

namespace inflight {

/// What has become of a publish().
struct publish_outcome {
    std::uint16_t mid = 0;
    std::error_code error{}; // None: QoS 0 has been written, QoS 1 and 2 have been acknowledged.
    reason_code reason{};    // Of PUBACK, or of PUBREC.
    explanation why{};       // What the broker said besides.
};

/// The broker's answer to subscribe() or unsubscribe(). mid 0: the client has renewed subscriptions after the
/// broker had lost them, and some of these `filters` were refused.
struct subscribe_outcome {
    std::uint16_t mid = 0;
    std::error_code error{};            // Why there are no answers.
    std::vector<reason_code> reasons{}; // One for each filter, in their order; a 3.1.1 UNSUBACK has none.
    std::vector<std::string> filters{}; // With mid 0.
    explanation why{};                  // What the broker said besides.
};

} // namespace inflight
