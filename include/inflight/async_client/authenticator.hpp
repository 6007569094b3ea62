// inflight/async_client/authenticator.hpp - who the client is: credentials, and methods of enhanced
// authentication.
#pragma once

#include <inflight/codec/credentials.hpp>

#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

namespace inflight {

/// Takes the answer: once, at once or later, from any thread. What comes after its attempt to connect has
/// ended, or a second time, is ignored.
using credentials_callback = std::function<void(std::error_code, credentials)>;

/// A provider for client_options::credentials that has its answer at once: `f()` returns credentials. It runs
/// with the client's I/O, so it must not block.
template <class F>
std::function<void(credentials_callback)> credentials_from(F f) {
    return [f = std::move(f)](const credentials_callback& done) { done({}, f()); };
}

/// This client's side of one exchange of enhanced authentication (5.0). What the exchange says is the
/// method's own affair: here are words to the broker and words from it, which may be empty.
///
/// Each step gets a function that takes its outcome: once, at once or later, from any thread; an error ends
/// the connection, or the attempt to make one, with this error. The steps run with the client's I/O, one
/// after the other, and must not block. An exchange whose connection breaks is destroyed: what then still
/// runs on behalf of a step must keep alive what it needs, and its outcome is ignored.
class authenticator {
public:
    using reply = std::function<void(std::error_code, std::string words)>;
    using verdict = std::function<void(std::error_code)>;

    virtual ~authenticator() = default;

    /// The first words, which go out with CONNECT, or with the AUTH that begins a re-authentication.
    virtual void begin(bool is_reauthentication, reply done) = 0;
    /// The broker asks for more; `words` are its own.
    virtual void next(std::string words, reply done) = 0;
    /// The broker is content, and `words` are its last. Is it who it should be? Until this is known it gets
    /// no message of ours, except in a re-authentication, during which messages go on.
    virtual void finish(std::string words, verdict done) = 0;
};

/// A method of enhanced authentication: its name, which CONNECT says, and what makes an authenticator for
/// each exchange. `make` runs with the client's I/O.
struct enhanced_authentication {
    std::string method{};
    std::function<std::shared_ptr<authenticator>()> make{};
    explicit operator bool() const { return make != nullptr; }
};

} // namespace inflight
