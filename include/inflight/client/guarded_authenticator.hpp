// inflight/client/guarded_authenticator.hpp - an authenticator of the user's whose exceptions are caught: on
// the thread that does the I/O nobody else would.
#pragma once

#include <inflight/async_client/authenticator.hpp>
#include <inflight/codec/error.hpp>

namespace inflight::detail {

class guarded_authenticator final : public authenticator {
public:
    using guard_function = std::function<bool(const std::function<void()>&)>; // False: it has thrown.
    using make_function = std::function<std::shared_ptr<authenticator>()>;

    static make_function maker(make_function make, guard_function guard) {
        return [make = std::move(make), guard = std::move(guard)]() -> std::shared_ptr<authenticator> {
            std::shared_ptr<authenticator> made;
            guard([&] { made = make(); });
            return made ? std::make_shared<guarded_authenticator>(std::move(made), guard) : nullptr;
        };
    }

    guarded_authenticator(std::shared_ptr<authenticator> users, guard_function guard)
        : users_(std::move(users)), guard_(std::move(guard)) {}

    void begin(bool is_reauthentication, reply done) override {
        if (!guard_([&] { users_->begin(is_reauthentication, done); })) done(errc::authentication_failed, {});
    }
    void next(std::string words, reply done) override {
        if (!guard_([&] { users_->next(std::move(words), done); })) done(errc::authentication_failed, {});
    }
    void finish(std::string words, verdict done) override {
        if (!guard_([&] { users_->finish(std::move(words), done); })) done(errc::authentication_failed);
    }

private:
    std::shared_ptr<authenticator> users_;
    guard_function guard_;
};

} // namespace inflight::detail
