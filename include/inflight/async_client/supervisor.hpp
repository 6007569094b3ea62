// inflight/async_client/supervisor.hpp - what is to be connected, when, and when to give up.
//
// States: idle -> opening -> open -> (lost) -> waiting -> opening ...; stopping leads from any of them to
// idle. An attempt has one time limit for credentials, resolving, connecting, handshakes and CONNACK
// together.
#pragma once

#include <inflight/async_client/backoff.hpp>
#include <inflight/async_client/broker_list.hpp>
#include <inflight/async_client/context_clients.hpp>
#include <inflight/async_client/conversation.hpp>
#include <inflight/async_client/opener.hpp>
#include <inflight/async_client/prepared_options.hpp>
#include <inflight/async_client/redirect.hpp>

#include <asio/strand.hpp>

#include <atomic>
#include <exception>

namespace inflight::detail {

template <>
inline constexpr bool is_rare_result<connect_result> = true;

template <class Transport, session_store Store, class Mutex>
class supervisor final : public opener<Transport, Store, Mutex>, public ends_with_context {
    using base = opener<Transport, Store, Mutex>;
    using typename base::clock;
    using typename base::lock_type;
    using typename base::timer;

public:
    supervisor(asio::any_io_executor executor, client_options options, Store store)
        : supervisor(std::move(executor), prepared(std::move(options)), std::move(store), 0) {}

    static std::shared_ptr<supervisor> make(asio::any_io_executor executor, client_options options,
                                            Store store) {
        const auto self =
            std::make_shared<supervisor>(std::move(executor), std::move(options), std::move(store));
        self->siblings().add(self);
        return self;
    }

    /// Begins to connect, if it has not begun; the operation completes with the first CONNACK, or when it is
    /// given up.
    template <class Handler>
    void start_connect(Handler handler) {
        auto* op = make_pending<connect_result>(std::move(handler), *this->completions_);
        const lock_type lock(this->mutex_);
        if (state_ == state::shut_down) return op->complete(errc::shutting_down);
        if (this->session_.is_connected()) return op->complete(errc::already_connected);
        const errc bad = wrong_options(this->options_.brokers);
        if (bad != errc::none) return op->complete(bad);
        this->wait_in(connecting_, op);
        begin();
    }

    void connect() {
        const lock_type lock(this->mutex_);
        begin();
    }

    void set_brokers(std::vector<broker> brokers) {
        const lock_type lock(this->mutex_);
        if (brokers == this->options_.brokers) return;
        brokers_.set(std::move(brokers));
        agreed_version_.reset(); // The others may speak another one.
    }

    void set_reconnect_delay(std::chrono::milliseconds first, std::chrono::milliseconds greatest) {
        const lock_type lock(this->mutex_);
        backoff_.configure(bounded(first), bounded(greatest));
    }

    void set_retry_first_connection(bool retry) {
        const lock_type lock(this->mutex_);
        this->options_.retry_first_connection = retry;
    }

    /// Drains, says DISCONNECT, closes. The result is the number of messages left without an acknowledgement.
    template <class Handler>
    void start_disconnect(disconnect_options how, Handler handler) {
        disconnect(std::move(how), make_pending<std::size_t>(std::move(handler), *this->completions_));
    }
    template <class Op>
    void disconnect(disconnect_options how, Op* op) {
        const lock_type lock(this->mutex_);
        if (state_ == state::idle || state_ == state::shut_down)
            return op->complete(errc::not_connected, this->session_.unsettled());
        if (const errc bad = check(how, this->session_.options()); bad != errc::none)
            return op->complete(bad, this->session_.unsettled());
        this->wait_in(disconnecting_, op);
        if (stopping_ != stopping::no) return;
        stopping_ = stopping::draining;
        is_leaving_ = true;
        goodbye_ = std::make_unique<goodbye>(std::move(how), this->executor_);
        this->post([this] {
            const lock_type l(this->mutex_);
            if (state_ == state::shut_down) return;
            if (stopping_ != stopping::draining) return; // The last answer came in between.
            this->acknowledge_taken();
            set_drain_timer(goodbye_->how.drain.value_or(this->options_.drain_timeout));
            if (!this->session_.is_connected() && is_drained()) return on_drain_timeout();
            this->step([] {});
            this->schedule_flush();
        });
    }

    /// What speaks against disconnecting like this, if anything.
    errc wrong_goodbye(const disconnect_options& how) {
        const lock_type lock(this->mutex_);
        return check(how, this->session_.options());
    }

    /// Drops the connection, if there is one, and connects anew at once.
    void reconnect() {
        const lock_type lock(this->mutex_);
        this->post([this] {
            const lock_type l(this->mutex_);
            backoff_.reset();
            if (state_ == state::waiting) return attempt();
            if (state_ != state::open) return;
            reconnects_at_once_ = true;
            this->close({});
        });
        begin();
    }

    /// The owner goes away: nothing is drained, everything completes with errc::shutting_down.
    void shut_down() override {
        std::shared_ptr<const message_handler> handler; // Is not called any more. Dies unlocked.
        {
            const lock_type lock(this->mutex_);
            if (state_ == state::shut_down) return;
            state_ = state::shut_down;
            siblings().remove(self_ptr());
            stopping_ = stopping::no; // Or else the end of the draining would bring it back to life.
            this->observer_ = nullptr;
            handler = std::move(this->handler_);
            this->final_error_ = errc::shutting_down;
            ++attempt_;
            this->session_.stop();
            this->close_login(errc::shutting_down);
            this->abandon(errc::shutting_down);
            give_up(errc::shutting_down);
        }
        asio::dispatch(this->executor_, this->make_task([this] {
            const lock_type l(this->mutex_);
            attempt_timer_.cancel();
            goodbye_.reset();
            this->stop_opening();
            this->close(errc::shutting_down);
        }));
    }

    /// disconnect() has been called, and no connect() since then. Takes no lock.
    bool is_leaving() const { return is_leaving_; }

    /// Whether connect() may be called with these brokers, whose addresses are read, and if not, why.
    errc refusal_to_connect(std::vector<broker>& brokers) {
        const lock_type lock(this->mutex_);
        if (const errc bad = complete_all(brokers, this->options_); bad != errc::none) return bad;
        return state_ == state::idle ? wrong_options(brokers) : errc::already_connected;
    }

private:
    // What would make a CONNECT that cannot be encoded, or that no broker can accept. With the lock held.
    errc wrong_options(const std::vector<broker>& brokers) const {
        const session_options& o = this->session_.options();
        if (o.keep_session && o.client_id.empty()) return errc::client_id_missing; // To be kept under.
        if (this->needs_v5() && this->options_.version == protocol_version::v3_1_1)
            return errc::not_supported;
        for (const broker& b : brokers)
            if (const errc bad = layer_factory::check(b, this->options_); bad != errc::none) return bad;
        return o.will && wrong_topic(o.will->topic) != errc::none ? errc::will_topic_invalid : errc::none;
    }

    enum class state : std::uint8_t { idle, opening, open, waiting, shut_down };
    enum class stopping : std::uint8_t { no, draining, saying_goodbye };
    using typename base::transport_ptr;

    supervisor(asio::any_io_executor executor, client_options options, Store store, int)
        : base(std::move(executor), std::move(options), std::move(store)), attempt_timer_(this->executor_),
          random_(static_cast<std::uint32_t>(*this->options_.seed)) {
        backoff_.configure(this->options_.reconnect_delay, this->options_.max_reconnect_delay);
        this->preferred_ = this->options_.version.value_or(protocol_version::v5);
    }

    std::shared_ptr<supervisor> self_ptr() {
        return std::static_pointer_cast<supervisor>(this->shared_from_this());
    }

    // Services end in the reverse order of their making. That of strands is to end after ours: what a client
    // completes at the end of the context is posted.
    context_clients& siblings() {
        asio::execution_context& context = asio::query(this->executor_, asio::execution::context);
        if (!asio::has_service<context_clients>(context)) (void)asio::make_strand(this->executor_);
        return asio::use_service<context_clients>(context);
    }

    void begin() {
        if (state_ != state::idle) return;
        state_ = state::waiting;
        stopping_ = stopping::no;
        is_leaving_ = false;
        this->final_error_ = {};
        was_connected_ = false;
        brokers_.begin(this->options_.order, random_);
        this->preferred_ = first_version();
        this->post([this] {
            const lock_type l(this->mutex_);
            if (state_ == state::waiting) attempt();
        });
    }

    // The next broker knows nothing of the session, and may speak another version.
    bool is_elsewhere() const {
        return brokers_.is_elsewhere() && !this->options_.brokers_share_sessions;
    }

    protocol_version first_version() const {
        if (agreed_version_ && !is_elsewhere()) return *agreed_version_;
        return this->options_.version.value_or(protocol_version::v5);
    }

    // One attempt: what CONNECT is to say, a transport, CONNECT, until CONNACK or the time limit.
    void attempt() {
        state_ = state::opening;
        this->session_.server_changed(is_elsewhere());
        const std::uint64_t attempt = ++attempt_;
        said_.reset();
        version_refused_ = is_connect_bad_ = false;
        arm(this->options_.connect_timeout, [this, attempt] { on_attempt_timeout(attempt); });
        if (!this->has_to_ask()) return this->open(brokers_.current(), failures_);
        this->ask_credentials(); // Before there is a transport, on which a broker would wait.
    }

    void on_asked(std::error_code error) override {
        if (error) on_lost(error);
        else this->open(brokers_.current(), failures_);
    }

    void tell_step(connection_step step, std::error_code error = {}, std::chrono::milliseconds wait = {}) {
        if (this->options_.on_connection_event)
            this->tell({.step = step,
                        .where = brokers_.current(),
                        .error = error,
                        .details = error && said_ ? said_->result.details : std::string(),
                        .wait = wait});
    }

    void on_open(std::error_code error, transport_ptr t, std::string details) override {
        if (state_ != state::opening) return;
        if (error) return on_lost(error, std::move(details));
        state_ = state::open;
        tell_step(connection_step::connected);
        const boxed<credentials> none;
        const auto& who = this->options_.credentials ? none : brokers_.current().login;
        is_connect_bad_ =
            this->opened(std::move(t), this->preferred_, this->first_words(), *who) != errc::none;
    }

    void on_attempt_timeout(std::uint64_t attempt) {
        if (attempt != attempt_) return;
        const errc error = this->is_asking() ? errc::authentication_timeout : errc::connect_timeout;
        if (state_ == state::opening) {
            ++attempt_;
            this->stop_opening();
            on_lost(error);
        } else if (state_ == state::open && !this->session_.is_connected()) {
            this->close(error);
        }
    }

    void on_connack(const event::connected& e) override {
        attempt_timer_.cancel();
        ++attempt_;
        connected_at_ = clock::now();
        was_connected_ = true;
        failures_ = 0;
        ++this->connections_;
        brokers_.connected();
        tell_step(connection_step::accepted);
        agreed_version_ = e.version;
        this->preferred_ = e.version;
        said().take(e, this->session_.limits());
        const connect_result& result = said().result;
        if (this->observer_) this->observer_->on_connected(result);
        this->call(this->options_.on_connected, result);
        connecting_.complete_all({}, result);
        said_.reset();
    }

    void on_refusal(const event::refused& e) override {
        said().take(e);
        version_refused_ = e.version_refused;
        tell_step(connection_step::refused, said().result.error);
    }

    void on_server_disconnect(const event::disconnected& e) override { said().take(e); }

    void on_login_failed(std::error_code error) override { said().result.error = error; }

    // While a connection stands, nothing is kept of it.
    conversation& said() {
        if (!said_) {
            said_ = std::make_unique<conversation>();
            said_->result.version = this->preferred_;
        }
        return *said_;
    }

    void on_step() override {
        auto& session = this->session_;
        if (stopping_ == stopping::draining && is_drained()) {
            if (!session.is_connected()) return on_drain_timeout(); // Nothing to wait for, nobody to tell.
            if (!this->observer_ || !this->observer_->has_message_in_hand()) say_goodbye();
        }
        if (!session.is_closing()) return;
        if (!session.output_empty()) return limit_last_words();
        if (stopping_ == stopping::saying_goodbye && session.close_reason() == errc::none)
            return this->finish_writing();
        this->close(session.close_reason() == errc::none ? std::error_code{}
                                                         : make_error_code(session.close_reason()));
    }

    // The last bytes may never leave: nobody reads at the other end of a silent link.
    void limit_last_words() {
        if (!connected_at_ || stopping_ == stopping::saying_goodbye) return; // Another limit holds.
        if (limited_ == attempt_) return;
        limited_ = attempt_;
        const bool is_silent = this->session_.close_reason() == errc::keep_alive_timeout;
        arm(is_silent ? std::chrono::seconds(0) : std::chrono::seconds(1), [this, connection = attempt_] {
            if (connection == attempt_) this->close(this->session_.close_reason());
        });
    }

    void on_closed(std::error_code error, const Transport& was) override {
        if (state_ == state::shut_down) return;
        on_lost(error, error ? this->details_of(was) : std::string());
    }

    // No connection, or none any more: try again, now or later, or give up.
    void on_lost(std::error_code error, std::string details = {}) {
        attempt_timer_.cancel();
        ++attempt_;
        const bool had_connack = state_ == state::open && connected_at_.has_value();
        const bool saw_transport = state_ == state::open;
        if (!had_connack) {
            ++failures_;
            ++this->failed_attempts_;
        }
        if (had_connack && clock::now() - *connected_at_ >= this->options_.stable_after) {
            backoff_.reset();
            brokers_.forget_hops();
        }
        connected_at_.reset();
        if (said().result.error) error = said().result.error; // What the broker said says more.
        else said().result.details = std::move(details);
        if (!error) error = errc::connection_lost;
        said().result.error = error;

        if (stopping_ == stopping::saying_goodbye) return stop_connecting({}, had_connack);
        this->end_login(error);
        tell_step(connection_step::lost, error);
        if (!had_connack && saw_transport && other_version()) return attempt();
        if (may_be_redirected(error)) return ask_where_to(had_connack);
        retry_or_stop(had_connack);
    }

    void retry_or_stop(bool had_connack) {
        const std::error_code error = said().result.error;
        const bool is_first = !was_connected_ && !this->options_.retry_first_connection;
        const bool gives_up = is_first && !brokers_.has_untried();
        const bool fatal = is_fatal(error, had_connack);
        if (gives_up || (fatal && !this->options_.retry_after_refusal))
            return stop_connecting(error, had_connack);
        state_ = state::waiting;
        if (!fatal) return wait_for_next_attempt(error, had_connack);
        ask([this, error] { return this->options_.retry_after_refusal(error); },
            [this, error, had_connack](bool tries_again) {
                if (tries_again) wait_for_next_attempt(error, had_connack);
                else stop_connecting(error, had_connack);
            });
    }

    // A hook is the user's code, so it runs without the lock. If something else happens meanwhile, that
    // counts, and not its answer.
    template <class Question, class F>
    void ask(Question question, F then) {
        this->post([this, question, then, attempt = attempt_] {
            const auto is_over = [&] { return state_ != state::waiting || attempt_ != attempt; };
            {
                const lock_type l(this->mutex_);
                if (is_over()) return;
            }
            decltype(question()) answer{}; // Who throws has said no.
            std::exception_ptr thrown;
            try {
                answer = question();
            } catch (...) {
                thrown = std::current_exception();
            }
            {
                const lock_type l(this->mutex_);
                if (!is_over()) then(answer);
            }
            if (thrown) std::rethrow_exception(thrown);
        });
    }

    bool may_be_redirected(std::error_code error) {
        const reason_code reason = said().result.reason;
        return this->options_.max_redirects != 0 && names_other_server(reason) && error == reason;
    }

    void ask_where_to(bool had_connack) {
        const auto to = parse_server_reference(said().result.server_reference, brokers_.current());
        if (!to || brokers_.hops() >= this->options_.max_redirects) {
            said().result.error = to ? errc::too_many_redirects : to.error();
            return retry_or_stop(had_connack);
        }
        if (!this->options_.accept_redirect) return follow(*to, had_connack);
        state_ = state::waiting;
        ask(
            [this, all = *to] {
                auto accepted = all;
                std::erase_if(accepted,
                              [this](const broker& b) { return !this->options_.accept_redirect(b); });
                return accepted;
            },
            [this, had_connack](const std::vector<broker>& accepted) { follow(accepted, had_connack); });
    }

    void follow(const std::vector<broker>& to, bool had_connack) {
        if (to.empty()) return retry_or_stop(had_connack); // The user said no to all.
        if (stopping_ == stopping::draining && is_drained()) return stop_connecting({}, had_connack);
        if (had_connack) tell_disconnected(said().result.error, false);
        brokers_.redirect(to, said().result.reason == reason_code::server_moved);
        tell_step(connection_step::redirected);
        this->preferred_ = first_version();
        attempt();
    }

    void wait_for_next_attempt(std::error_code error, bool had_connack) {
        if (stopping_ == stopping::draining && is_drained()) return stop_connecting({}, had_connack);
        if (had_connack) tell_disconnected(error, false);
        if (std::exchange(reconnects_at_once_, false)) return attempt();
        brokers_.forget_hops();
        if (brokers_.has_others()) {
            brokers_.advance();
            this->preferred_ = first_version();
        }
        if (!was_connected_ && !this->options_.retry_first_connection) return attempt(); // An untried one.
        const auto wait = backoff_.next(random_);
        tell_step(connection_step::waiting, {}, wait);
        arm(wait, [this] {
            if (state_ == state::waiting) attempt();
        });
    }

    // Until a first CONNACK has come, the versions alternate: 5.0, then 3.1.1 at once, then, after a
    // wait, 5.0 again.
    bool other_version() {
        if ((agreed_version_ && !is_elsewhere()) || this->options_.version || this->needs_v5()) return false;
        const std::error_code error = said().result.error;
        const bool closed = error == asio::error::eof || error == asio::error::connection_reset ||
                            error == asio::error::broken_pipe || error == std::errc::connection_aborted ||
                            error == errc::version_refused;
        if (!version_refused_ && !closed) return false;
        const bool was_v5 = this->preferred_ == protocol_version::v5;
        this->preferred_ = was_v5 ? protocol_version::v3_1_1 : protocol_version::v5;
        return was_v5;
    }

    // Whether there is nothing to be hoped from another attempt. What is wrong with one broker's address says
    // nothing of the others, and bad bytes from a broker nothing of its next ones.
    bool is_fatal(std::error_code error, bool had_connack) {
        if (is_connect_bad_) return true;
        if (error != error_condition::fatal || error.category() == protocol_category()) return false;
        // Whoever answers before the broker does may be anybody, as the portal of a hotel's network: a client
        // that has been connected does not give up for it.
        const bool is_said_by_broker = error.category() == reason_category();
        if (!is_said_by_broker && was_connected_) return false;
        if (!is_said_by_broker || error == reason_code::server_moved) return !brokers_.has_others();
        return !had_connack || !is_about_packet(said().result.reason);
    }

    void stop_connecting(std::error_code error, bool had_connack) {
        state_ = state::idle;
        stopping_ = stopping::no;
        goodbye_.reset();
        this->end_login(error ? error : make_error_code(errc::not_connected));
        reconnects_at_once_ = false;
        attempt_timer_.cancel();
        this->final_error_ = error ? error : make_error_code(errc::not_connected);
        tell_step(connection_step::stopped, error);
        this->session_.session_ended(); // A later connection begins anew: what is open is given up here.
        const std::size_t left = this->session_.unsettled();
        this->abandon(this->final_error_); // Before the end is told: who has heard that listens no longer.
        if (had_connack || was_connected_) {
            tell_disconnected(error, true);
        } else if (this->observer_) {
            if (!said().result.error) said().result.error = this->final_error_;
            this->observer_->on_connect_failed(said().result);
        }
        give_up(this->final_error_, left);
    }

    void tell_disconnected(std::error_code error, bool is_final) {
        const disconnect_result result = said().ended(error, is_final);
        if (this->observer_) this->observer_->on_disconnected(result);
        this->call(this->options_.on_disconnected, result);
    }

    void give_up(std::error_code error, std::size_t left = 0) {
        connecting_.complete_all(error, said().result);
        disconnecting_.complete_all(state_ == state::shut_down ? error : std::error_code{}, left);
    }

    // Disconnecting.

    struct goodbye {
        disconnect_options how;
        timer limit;
        goodbye(disconnect_options h, const asio::any_io_executor& e) : how(std::move(h)), limit(e) {}
    };

    bool is_drained() { return this->session_.unsettled() == 0 && this->session_.open_requests() == 0; }

    void say_goodbye() {
        stopping_ = stopping::saying_goodbye;
        this->acknowledge_taken(); // What was handed out meanwhile, too.
        (void)this->session_.disconnect(goodbye_->how); // Checked.
        set_drain_timer(std::chrono::seconds(1)); // For the last bytes to leave, and the broker to close.
    }

    void set_drain_timer(std::chrono::milliseconds limit) {
        goodbye_->limit.expires_after(bounded(limit));
        this->when_due(goodbye_->limit, [this] {
            const lock_type l(this->mutex_);
            if (state_ != state::shut_down) on_drain_timeout();
        });
    }

    void on_drain_timeout() {
        if (stopping_ == stopping::no) return;
        if (stopping_ == stopping::draining && this->session_.is_connected()) {
            say_goodbye();
            return this->schedule_flush();
        }
        stopping_ = stopping::saying_goodbye;
        if (state_ == state::open) return this->close({});
        ++attempt_;
        this->stop_opening();
        stop_connecting({}, false);
    }

    void arm(std::chrono::milliseconds after, std::function<void()> f) {
        attempt_timer_.expires_after(after);
        this->when_due(attempt_timer_, [this, f = std::move(f)] {
            const lock_type l(this->mutex_);
            if (state_ != state::shut_down) f();
        });
    }

    timer attempt_timer_;
    std::minstd_rand random_; // Eight bytes in each client, where others take kilobytes.
    backoff backoff_{};
    state state_ = state::idle;
    stopping stopping_ = stopping::no;
    std::atomic<bool> is_leaving_{false};
    std::uint64_t attempt_ = 0; // Handlers of an earlier attempt find another number.
    std::uint64_t limited_ = 0; // The connection whose last bytes have a time limit.
    broker_list brokers_{this->options_.brokers};
    std::size_t failures_ = 0;                         // Attempts without a CONNACK, in a row.
    bool is_connect_bad_ = false;                      // Our own CONNECT cannot be encoded.
    bool version_refused_ = false;                     // By the attempt that is under way.
    bool reconnects_at_once_ = false;                  // The user has asked for it.
    bool was_connected_ = false;                       // Since begin().
    std::optional<protocol_version> agreed_version_{}; // That of the first CONNACK.
    std::optional<time_point> connected_at_{};
    std::unique_ptr<conversation> said_{};
    std::unique_ptr<goodbye> goodbye_{}; // While it is draining.
    waiters<connect_result> connecting_{};
    waiters<std::size_t> disconnecting_{};
};

} // namespace inflight::detail
