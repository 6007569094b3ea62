// inflight/async_client/login.hpp - asks the application who the client is: for credentials, and for its
// words in an exchange of enhanced authentication.
//
// The application's code is called without the lock and may answer late, from any thread, or never. Each
// question has a number, and an answer to any but the latest question is ignored. Clients that ask nothing
// pay a pointer for all this.
#pragma once

#include <inflight/async_client/core.hpp>

namespace inflight::detail {

/// The way back for answers: open for as long as the client is. Who answers never owns the client, not even
/// for a moment, so that it does not end on that thread.
class late_answers {
public:
    using run_function = std::function<void()>;
    explicit late_answers(std::function<void(run_function)> post) : post_(std::move(post)) {}

    void post(run_function run) {
        const std::lock_guard lock(mutex_);
        if (post_) post_(std::move(run));
    }
    void close() {
        const std::lock_guard lock(mutex_);
        post_ = nullptr;
    }

private:
    std::mutex mutex_{};
    std::function<void(run_function)> post_;
};

template <class Transport, session_store Store, class Mutex>
class login : public core<Transport, Store, Mutex> {
    using base = core<Transport, Store, Mutex>;

public:
    using typename base::clock;
    using typename base::lock_type;
    using typename base::timer;

    using base::base;

    template <class Handler>
    void start_reauthenticate(Handler handler) {
        auto* op = make_pending<authentication_result>(std::move(handler), *this->completions_);
        const lock_type lock(this->mutex_);
        if (const errc bad = begin_reauthentication(); bad != errc::none)
            return op->complete(bad, {make_error_code(bad), {}, {}});
        this->wait_in(dialogue_->reauthenticating, op);
    }

    /// The outcome goes to the observer. What speaks against it, if anything.
    errc reauthenticate() {
        const lock_type lock(this->mutex_);
        return begin_reauthentication();
    }

protected:
    // What is left to the supervisor, with the lock held.
    virtual void on_asked(std::error_code error) = 0; // CONNECT can go out, or not.
    virtual void on_login_failed(std::error_code error) = 0; // What the connection will end with.

    /// The user has asked for what 3.1.1 has not got: there is no falling back.
    bool needs_v5() const {
        return this->session_.options().connect_properties.has(property_id::authentication_method);
    }

    bool has_to_ask() const { return this->options_.credentials || this->options_.authentication; }

    /// Asks for what CONNECT is to say; then on_asked().
    [[gnu::noinline]] void ask_credentials() {
        dialogue& d = made();
        d.first_words.clear();
        if (!this->options_.credentials) return ask_first_words();
        consult<credentials>(
            [this](credentials_callback done) { this->options_.credentials(std::move(done)); },
            [this](std::error_code error, credentials c) {
                if (error) return on_asked(error);
                this->session_.set_credentials(std::move(c.user_name), std::move(c.password));
                ask_first_words();
            });
    }

    std::string_view first_words() const { return dialogue_ ? dialogue_->first_words : std::string_view{}; }

    /// It is the application that everything waits for.
    bool is_asking() const { return dialogue_ && dialogue_->is_asking; }

    /// The attempt, or the connection, is over.
    void end_login(std::error_code error) {
        if (!dialogue_) return;
        forget();
        end_reauthentication(error);
    }

    /// No answer arrives any more.
    void close_login(std::error_code error) {
        end_login(error);
        if (dialogue_) dialogue_->answers->close();
    }

    void on_authentication(const event::authentication& e) override {
        if (const auto who = dialogue_ ? dialogue_->who : nullptr)
            return e.is_final ? ask_verdict(who, std::string(e.data), std::string(e.reason_string))
                              : ask_next_words(who, std::string(e.data));
        if (e.is_final) return this->session_.authenticated(clock::now()); // There is nobody to doubt it.
        fail(errc::no_authenticator);
    }

private:
    struct dialogue {
        std::shared_ptr<late_answers> answers;
        timer limit; // Of a re-authentication.
        std::uint64_t question = 0;
        std::shared_ptr<authenticator> who{}; // While an exchange is under way.
        std::string first_words{};
        waiters<authentication_result> reauthenticating{};
        bool is_asking = false;
        bool is_reauthenticating = false, has_begun = false; // has_begun: the broker knows.

        dialogue(login& owner, std::function<void(std::function<void()>)> post)
            : answers(std::make_shared<late_answers>(std::move(post))), limit(owner.executor_) {}
    };

    dialogue& made() {
        if (!dialogue_)
            dialogue_ = std::make_unique<dialogue>(
                *this, [this](std::function<void()> f) { this->post_from_any_thread(std::move(f)); });
        return *dialogue_;
    }

    // Calls ask(done) soon and without the lock; then(error, answer) with the lock, if this is still the
    // latest question.
    template <class Answer, class Ask, class Then>
    void consult(Ask ask, Then then) {
        const std::uint64_t number = ++dialogue_->question;
        dialogue_->is_asking = true;
        this->post([this, number, ask = std::move(ask), then = std::move(then)] {
            {
                const lock_type lock(this->mutex_);
                if (number != dialogue_->question) return;
            }
            ask([this, answers = dialogue_->answers, number, then](std::error_code error, Answer answer) {
                answers->post([this, number, then, error, answer = std::move(answer)] {
                    const lock_type lock(this->mutex_);
                    if (number != dialogue_->question || this->closing_) return;
                    ++dialogue_->question;
                    dialogue_->is_asking = false;
                    then(error, answer);
                });
            });
        });
    }

    void ask_first_words() {
        if (!this->options_.authentication) return on_asked({});
        ask_authenticator(false, [this](std::error_code error, std::string words) {
            dialogue_->first_words = std::move(words);
            on_asked(error);
        });
    }

    template <class Then>
    void ask_authenticator(bool again, Then then) {
        consult<std::string>(
            [this, again](authenticator::reply done) {
                const std::shared_ptr<authenticator> who = this->options_.authentication.make();
                {
                    const lock_type lock(this->mutex_);
                    forget_who();
                    dialogue_->who = who;
                }
                if (!who) return done(errc::no_authenticator, {});
                who->begin(again, std::move(done));
            },
            std::move(then));
    }

    void ask_next_words(std::shared_ptr<authenticator> who, std::string theirs) {
        consult<std::string>(
            [who = std::move(who), theirs = std::move(theirs)](authenticator::reply done) {
                who->next(theirs, std::move(done));
            },
            [this](std::error_code error, const std::string& words) {
                const errc bad = error ? errc::none : this->session_.authenticate(words);
                if (error) fail(error);
                else if (bad != errc::none) fail(bad);
                this->schedule_flush();
            });
    }

    void ask_verdict(std::shared_ptr<authenticator> who, std::string theirs, std::string reason_string) {
        consult<std::monostate>(
            [who = std::move(who), theirs = std::move(theirs)](auto done) {
                who->finish(theirs, [done = std::move(done)](std::error_code error) { done(error, {}); });
            },
            [this, reason_string = std::move(reason_string)](std::error_code error, std::monostate) {
                if (error) {
                    fail(error);
                    return this->schedule_flush();
                }
                forget();
                this->authenticated();
                end_reauthentication({}, reason_string);
            });
    }

    // The broker is told, if there is one that listens, and the connection closed.
    void fail(std::error_code error) {
        on_login_failed(error);
        this->session_.fail(errc::authentication_failed); // [v5:MQTT-4.12.1-2]
    }

    // Re-authentication.

    errc begin_reauthentication() {
        if (this->is_shut_down()) return errc::shutting_down;
        if (!this->session_.is_connected()) return errc::not_connected;
        if (!this->options_.authentication) return errc::no_authentication_method; // [v5:MQTT-4.12.0-7]
        dialogue& d = made();
        if (d.is_reauthenticating) return errc::already_running;
        d.is_reauthenticating = true;
        d.has_begun = false;
        d.limit.expires_after(this->options_.connect_timeout);
        this->when_due(d.limit, [this] { on_limit(); });
        ask_authenticator(true, [this](std::error_code error, const std::string& words) {
            if (!error)
                if (const errc bad = this->session_.reauthenticate(words); bad != errc::none) error = bad;
            this->schedule_flush();
            if (error) return give_up_reauthentication(error);
            dialogue_->has_begun = true;
        });
        return errc::none;
    }

    void on_limit() {
        const lock_type lock(this->mutex_);
        if (!dialogue_->is_reauthenticating) return;
        if (!dialogue_->has_begun) return give_up_reauthentication(errc::authentication_timeout);
        fail(errc::authentication_timeout);
        this->schedule_flush();
    }

    // The broker has not heard of it.
    void give_up_reauthentication(std::error_code error) {
        forget();
        end_reauthentication(error);
    }

    void end_reauthentication(std::error_code error, std::string reason_string = {}) {
        if (!std::exchange(dialogue_->is_reauthenticating, false)) return;
        dialogue_->limit.cancel();
        const reason_code reason = error.category() == reason_category()
                                       ? static_cast<reason_code>(error.value())
                                       : reason_code::success;
        const authentication_result result{error, reason, std::move(reason_string)};
        if (this->observer_) this->observer_->on_reauthenticated(result);
        dialogue_->reauthenticating.complete_all(error, result);
    }

    // Answers that are on their way come too late.
    void forget() {
        ++dialogue_->question;
        dialogue_->is_asking = false;
        forget_who();
    }
    void forget_who() { // The end of a user's object runs without the lock.
        if (auto who = std::exchange(dialogue_->who, nullptr))
            this->post([who = std::move(who)] {});
    }

    std::unique_ptr<dialogue> dialogue_{};
};

} // namespace inflight::detail
