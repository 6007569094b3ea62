// inflight/async_client/request_table.hpp - requests of one client that have no answer yet.
//
// There is one Response Topic for each client, and one subscription to it, which the first request makes and
// the first one after a lost session makes again. What tells one answer from another is the Correlation Data:
// a number, behind eight random bytes of this client, so that answers to an earlier process are not taken for
// its own. Standard: MQTT 5.0 section 4.10.
#pragma once

#include <inflight/async_client/router.hpp>

#include <map>
#include <random>

namespace inflight::detail {

template <class Core>
class request_table final : public request_hooks {
    using lock_type = typename Core::lock_type;
    using operation_type = pending<received_message>;

public:
    request_table(Core& core, router<Core>& routes) : core_(core), routes_(routes), timer_(core.executor()) {
        std::mt19937_64 random(core.options_.seed.value_or(0));
        nonce_.resize(8);
        for (char& c : nonce_) c = static_cast<char>(random() & 0xFF);
    }

    /// That of a client, made if there is none.
    static request_table& of(Core& core) {
        auto& routes = router<Core>::of(core);
        const lock_type lock(core.mutex_);
        if (!routes.requests) routes.requests = std::make_unique<request_table>(core, routes);
        return static_cast<request_table&>(*routes.requests);
    }

    template <class Handler>
    void start(message m, std::chrono::milliseconds timeout, Handler handler) {
        auto* op = make_pending<received_message>(std::move(handler), *core_.completions_);
        bool must_subscribe = false;
        std::uint64_t number = 0;
        {
            const lock_type lock(core_.mutex_);
            if (core_.final_error_) return op->complete(core_.final_error_);
            if (const errc bad = check(m); bad != errc::none) return op->complete(bad);
            number = ++last_number_;
            const auto due = Core::clock::now() + bounded(timeout);
            open_.emplace(number, request{op, due, std::move(m)});
            deadlines_.emplace(due, number);
            core_.on_cancellation(op, [op, number](Core& core) {
                return of_existing(core).forget(number) ? op : nullptr;
            });
            arm();
            must_subscribe = state_ == state::none;
            if (must_subscribe) state_ = state::subscribing;
        }
        if (must_subscribe) subscribe();
        else send_if_ready(number);
    }

    /// Answers to nothing that is open: late ones, mostly.
    std::uint64_t unknown_answers() {
        const lock_type lock(core_.mutex_);
        return unknown_answers_;
    }

    // From the client, with the lock held.

    // A session that is lost has no subscription; the client renews it, if it may.
    void connected(bool session_present) override {
        if (topic_ != wanted_topic() && state_ == state::ready) state_ = state::none;
        if (session_present || state_ != state::ready) return;
        state_ = state::none;
        if (open_.empty() || core_.session_.options().resubscribe) return;
        state_ = state::subscribing;
        core_.post([this] { subscribe(); });
    }

    void fail_all(std::error_code error) override {
        stop_timer();
        deadlines_.clear();
        for (auto& [number, r] : std::exchange(open_, {})) r.op->complete(error);
        state_ = state::none;
    }

private:
    enum class state : std::uint8_t { none, subscribing, ready };
    struct request {
        operation_type* op;
        time_point due;
        message what; // Until it is published.
        bool is_published = false;
    };

    static request_table& of_existing(Core& core) {
        return static_cast<request_table&>(*static_cast<router<Core>&>(*core.router_).requests);
    }

    // What publish() would refuse for good is refused before it waits for the subscription.
    errc check(const message& m) const {
        if (const errc bad = check_topic_name(m.topic); bad != errc::none) return bad;
        if (core_.session_.is_connected() && core_.session_.version() != protocol_version::v5)
            return errc::not_supported; // 3.1.1 has neither Response Topic nor Correlation Data.
        if (core_.options_.version == protocol_version::v3_1_1) return errc::not_supported;
        return open_.size() < max_open ? errc::none : errc::queue_full;
    }

    bool forget(std::uint64_t number) {
        const auto found = open_.find(number);
        if (found == open_.end()) return false;
        deadlines_.erase({found->second.due, number});
        open_.erase(found);
        if (open_.empty()) stop_timer(); // It would keep the event loop busy.
        return true;
    }

    // With the lock held.
    void complete(std::uint64_t number, std::error_code error, received_message&& answer = {}) {
        const auto found = open_.find(number);
        if (found == open_.end()) return;
        operation_type* const op = found->second.op;
        forget(number);
        op->complete(error, std::move(answer));
    }

    // The Response Topic.

    std::string wanted_topic() const {
        std::string out = core_.session_.limits().response_information;
        if (out.empty()) out = "inflight/response/";
        if (!out.ends_with('/')) out += '/';
        return out + name();
    }

    // The client identifier, which may hold what a topic may not.
    std::string name() const {
        std::string out;
        for (const char c : core_.session_.client_id()) {
            if (c == '+') out += "%2B";
            else if (c == '#') out += "%23";
            else if (c == '%') out += "%25";
            else out += c;
        }
        return out;
    }

    // Without the lock. Its answer comes when there has been a connection, so that by then the Response
    // Information is known; where it is not known yet, the topic may have to be another one.
    void subscribe() {
        std::string topic, old;
        {
            const lock_type lock(core_.mutex_);
            topic = wanted_topic();
            old = std::exchange(topic_, topic);
        }
        if (!old.empty() && old != topic) routes_.set_handler(old, {});
        routes_.set_handler(topic, [this](const received_view& m) { on_answer(m); });
        inflight::subscribe wish;
        wish.subscriptions.push_back({.filter = topic, .qos = qos::at_least_once});
        core_.start_request(wish, reply_to_subscribe{core_.weak_from_this()});
    }

    struct reply_to_subscribe {
        std::weak_ptr<typename Core::pump_type> core;
        void operator()(std::error_code error, const subscribe_ack&) const {
            if (const auto c = core.lock()) of_existing(static_cast<Core&>(*c)).on_subscribed(error);
        }
    };

    void on_subscribed(std::error_code error) {
        bool again = false;
        {
            const lock_type lock(core_.mutex_);
            if (state_ != state::subscribing) return;
            if (!error && core_.session_.version() != protocol_version::v5) error = errc::not_supported;
            again = !error && topic_ != wanted_topic();
            if (!again) state_ = error ? state::none : state::ready;
        }
        if (again) return subscribe();
        std::vector<std::uint64_t> waiting;
        {
            const lock_type lock(core_.mutex_);
            for (const auto& [number, r] : open_)
                if (!r.is_published) waiting.push_back(number);
            if (error)
                for (const std::uint64_t number : waiting) complete(number, error);
        }
        if (!error)
            for (const std::uint64_t number : waiting) send_if_ready(number);
    }

    // Publishing.

    void send_if_ready(std::uint64_t number) {
        message m;
        {
            const lock_type lock(core_.mutex_);
            const auto found = open_.find(number);
            if (state_ != state::ready || found == open_.end() || found->second.is_published) return;
            found->second.is_published = true;
            m = std::move(found->second.what);
            m.response_topic(topic_).correlation_data(key(number));
        }
        core_.start_publish(m.packet(), reply_to_publish{core_.weak_from_this(), number});
    }

    // Of a request that has not arrived there is no answer to wait for; nor of one that nobody gets.
    struct reply_to_publish {
        std::weak_ptr<typename Core::pump_type> core;
        std::uint64_t number;
        void operator()(std::error_code error, const publish_ack& ack) const {
            const auto c = core.lock();
            if (!error && ack.reason() == reason_code::no_matching_subscribers) error = ack.reason();
            if (!c || !error) return;
            auto& self = of_existing(static_cast<Core&>(*c));
            const lock_type lock(self.core_.mutex_);
            self.complete(number, error);
        }
    };

    std::string key(std::uint64_t number) const {
        std::string out = nonce_;
        for (int shift = 56; shift >= 0; shift -= 8) out.push_back(static_cast<char>(number >> shift & 0xFF));
        return out;
    }

    std::uint64_t number_of(std::string_view correlation_data) const {
        if (correlation_data.size() != 16 || !correlation_data.starts_with(nonce_)) return 0;
        std::uint64_t out = 0;
        for (const char c : correlation_data.substr(8)) out = out << 8 | static_cast<std::uint8_t>(c);
        return out;
    }

    void on_answer(const received_view& m) {
        const lock_type lock(core_.mutex_);
        const std::uint64_t number = number_of(m.correlation_data().value_or(""));
        if (open_.contains(number)) complete(number, {}, received_message(m));
        else ++unknown_answers_;
    }

    // Time.

    void stop_timer() {
        timer_.cancel();
        armed_for_ = time_point::max();
    }

    void arm() {
        if (deadlines_.empty() || deadlines_.begin()->first >= armed_for_) return;
        armed_for_ = deadlines_.begin()->first;
        timer_.expires_at(armed_for_);
        core_.when_due(timer_, [this] {
            const lock_type lock(core_.mutex_);
            armed_for_ = time_point::max();
            const time_point now = Core::clock::now();
            while (!deadlines_.empty() && deadlines_.begin()->first <= now)
                complete(deadlines_.begin()->second, errc::timed_out);
            arm();
        });
    }

    static constexpr std::size_t max_open = 65'535;
    Core& core_;
    router<Core>& routes_;
    typename Core::timer timer_;
    std::string nonce_{}, topic_{};
    std::map<std::uint64_t, request> open_{};
    std::set<std::pair<time_point, std::uint64_t>> deadlines_{};
    time_point armed_for_ = time_point::max();
    std::uint64_t last_number_ = 0, unknown_answers_ = 0;
    state state_ = state::none;
};

} // namespace inflight::detail
