// inflight/async_client/routing.hpp - what a client knows of its router, which is there only when used.
#pragma once

#include <inflight/session/event.hpp>

#include <memory>

namespace inflight::detail {

/// Requests that wait for their answers (request_table.hpp), as the client sees them.
struct request_hooks {
    virtual ~request_hooks() = default;
    virtual void connected(bool session_present) = 0;
    virtual void fail_all(std::error_code error) = 0;
};

/// Called with the client's lock held.
template <class Lock>
struct routing {
    virtual ~routing() = default;
    /// Calls handlers with the lock released, and may leave it so.
    virtual void take(event::message& m, Lock& lock) = 0;
    /// `begun`: the connection that the session began with.
    virtual void connected(bool session_present, std::uint32_t begun) = 0;
    virtual void acknowledge_taken() = 0;
    virtual void fail_all(std::error_code error) = 0;
    virtual void trim() = 0; // As a rule it has been quiet.

    std::unique_ptr<request_hooks> requests{}; // From the first request on.
};

} // namespace inflight::detail
