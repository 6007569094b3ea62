// inflight/client/outcome.hpp - what the broker has answered.
#pragma once

#include <inflight/codec/error.hpp>

#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

namespace inflight {

/// The broker's answer to subscribe() or unsubscribe(). mid 0: the client has renewed subscriptions after the
/// broker had lost them, and some of these `filters` were refused.
struct subscribe_outcome {
    std::uint16_t mid = 0;
    std::error_code error{};            // Why there are no answers.
    std::vector<reason_code> reasons{}; // One for each filter, in their order; a 3.1.1 UNSUBACK has none.
    std::vector<std::string> filters{}; // With mid 0.
};

} // namespace inflight
