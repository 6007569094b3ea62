// inflight/client/message_outcome.hpp - a message that was waited for, or why there is none.
#pragma once

#include <inflight/async_client/received_message.hpp>

#include <system_error>

namespace inflight {

struct message_outcome {
    std::error_code error{};
    received_message message{};
    explicit operator bool() const { return !error; }
};

} // namespace inflight
