// inflight/async_client/routing.hpp - what a client knows of its router, which is there only when used.
#pragma once

#include <inflight/session/event.hpp>

namespace inflight::detail {

/// Called with the client's lock held.
template <class Lock>
struct routing {
    virtual ~routing() = default;
    /// Calls handlers with the lock released, and may leave it so.
    virtual void take(event::message& m, Lock& lock) = 0;
    virtual void session_resumed() = 0;
    virtual void acknowledge_taken() = 0;
    virtual void fail_receivers(std::error_code error) = 0;
    virtual void trim() = 0; // As a rule it has been quiet.
};

} // namespace inflight::detail
