// inflight/client/client.hpp - the client in the shape of Python's paho.
#pragma once

#include <inflight/client/loop.hpp>

namespace inflight {

/// An MQTT client with callbacks. Its I/O runs on a thread of its own from connect() on; callbacks run on the
/// loop, that is loop_start()'s thread or the caller of loop_forever(), so that a callback that takes a
/// minute stops neither pings nor acknowledgements. Every function may be called from any thread and from
/// inside callbacks; one that would have to wait for a callback returns errc::would_deadlock inside one.
class client {
public:
    explicit client(client_options options = {})
        : loop_(std::make_shared<detail::client_loop>(std::move(options))) {}
    explicit client(std::string client_id) : client(options_for(std::move(client_id))) {}
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    /// Drains nothing; what has no outcome gets errc::shutting_down, without a callback. Waits for a callback
    /// that is running, unless it is called inside one.
    ~client() {
        {
            const std::lock_guard lock(loop_->queue.mutex);
            loop_->destroyed = true;
            loop_->queue.changed.notify_all();
        }
        if (!loop_->in_callback()) {
            join_loop();
            loop_->wait_until([this] { return !loop_->loop_taken; }); // loop_forever() of another thread.
            loop_->stop_io();
            return;
        }
        // The thread that is in the callback, and the one for I/O, hold a reference, and clean up when they
        // end.
        loop_->async.implementation().shut_down();
        loop_->work.reset();
        const std::lock_guard lock(loop_->threads);
        if (loop_->loop_thread.joinable()) loop_->loop_thread.detach();
    }

    // Callbacks. Each replaces the one before; an empty one removes it. They may be set at any time, in
    // callbacks too.

    void on_connect(std::function<void(const connect_result&)> f) {
        set(&detail::callbacks::on_connect, std::move(f));
    }
    void on_disconnect(std::function<void(const disconnect_result&)> f) {
        set(&detail::callbacks::on_disconnect, std::move(f));
    }
    /// Messages that no filter of message_callback_add() matches. QoS 1 and 2 are acknowledged when the
    /// callback has returned. If it throws they are not, and acknowledgements of later messages wait behind
    /// them: until ack() is called after all, or until a new connection, which delivers QoS 1 again.
    void on_message(std::function<void(const received_message&)> f) {
        set(&detail::callbacks::on_message, std::move(f));
    }
    /// The outcome of a publish: QoS 0 has been written, QoS 1 and 2 have been acknowledged; or what went
    /// wrong. Never called before that publish() has returned.
    void on_publish(std::function<void(std::uint16_t mid, std::error_code)> f) {
        set(&detail::callbacks::on_publish, std::move(f));
    }
    void on_subscribe(std::function<void(const subscribe_outcome&)> f) {
        set(&detail::callbacks::on_subscribe, std::move(f));
    }
    void on_unsubscribe(std::function<void(const subscribe_outcome&)> f) {
        set(&detail::callbacks::on_unsubscribe, std::move(f));
    }
    /// 3.1.1: a message larger than maximum_packet_size was read past and acknowledged.
    void on_oversized(std::function<void(const oversized_message&)> f) {
        set(&detail::callbacks::on_oversized, std::move(f));
    }
    /// What a callback, or a hook of the options, throws under loop_start(). Without this, or if it throws
    /// itself, a line goes to std::cerr. (loop_forever() lets it pass.) A retry_after_refusal that throws has
    /// said no.
    void on_exception(std::function<void(std::exception_ptr)> f) {
        set(&detail::callbacks::on_exception, std::move(f));
    }

    /// Calls `f` for messages that match `filter`; all filters that match are called, on_message only if none
    /// does. Does not subscribe. A second callback for the same filter replaces the first. errc if `filter`
    /// is not valid.
    std::error_code message_callback_add(std::string filter, std::function<void(const received_message&)> f) {
        if (const errc bad = check_topic_filter(filter); bad != errc::none) return bad;
        if (!f) return message_callback_remove(filter), std::error_code{};
        change_filters([&](auto& all) {
            all[std::move(filter)] =
                std::make_shared<const std::function<void(const received_message&)>>(std::move(f));
        });
        return {};
    }
    void message_callback_remove(std::string_view filter) {
        change_filters([&](auto& all) {
            if (const auto found = all.find(filter); found != all.end()) all.erase(found);
        });
    }

    /// Calls `f` with a line for every packet, "> " before those sent and "< " before those received. Runs on
    /// the loop.
    void enable_logger(std::function<void(std::string_view)> f) {
        set(&detail::callbacks::on_log, std::move(f));
    }
    /// Lines go to std::clog.
    void enable_logger() {
        enable_logger([](std::string_view line) { std::clog << line << '\n'; });
    }

    // Settings. Those of CONNECT take effect with the next connection.

    void will_set(std::string topic, bytes_view payload, qos level = qos::at_most_once, bool retain = false,
                  properties<packet_type::will> props = {}) {
        will_message w{std::move(topic), std::string(std::string_view(payload)), level, retain,
                       std::move(props)};
        with_session([&](session& s, time_point) { s.set_will(std::move(w)); });
    }
    void will_clear() {
        with_session([](session& s, time_point) { s.set_will(std::nullopt); });
    }
    void username_pw_set(std::optional<std::string> user_name, std::optional<std::string> password = {}) {
        with_session(
            [&](session& s, time_point) { s.set_credentials(std::move(user_name), std::move(password)); });
    }
    /// The wait before reconnecting: the first time, and the longest.
    void reconnect_delay_set(std::chrono::milliseconds min_delay = std::chrono::seconds(1),
                             std::chrono::milliseconds max_delay = std::chrono::seconds(120)) {
        impl().set_reconnect_delay(min_delay, max_delay);
    }
    /// QoS 1 and 2 messages sent and not acknowledged at a time; 0: what the broker takes. May be changed
    /// while connected.
    void max_inflight_messages_set(std::uint16_t count) {
        with_session([&](session& s, time_point now) { s.set_max_inflight_messages(count, now); });
    }
    /// Messages that may wait to be sent; 0: 65,535. May be changed while connected.
    void max_queued_messages_set(std::size_t count) {
        with_session([&](session& s, time_point) { s.set_max_queued_messages(count); });
    }
    /// Bytes of all messages held, waiting or unacknowledged; 0: no limit. May be changed while connected.
    void max_queued_bytes_set(std::size_t bytes) {
        with_session([&](session& s, time_point) { s.set_max_queued_bytes(bytes); });
    }
    /// What publish() does when there are too many. Since it never waits, queue_policy::wait refuses here.
    void queue_policy_set(queue_policy policy) {
        with_session([&](session& s, time_point) { s.set_queue_policy(policy); });
    }
    /// Messages are acknowledged by ack() only.
    void manual_ack_set(bool manual) {
        impl().set_manual_ack(manual);
        loop_->manual_ack = manual;
    }

    // Connecting.

    /// Connects, and keeps connected from then on. Returns when CONNACK has come and on_connect has returned:
    /// on the loop if one runs, else on this thread. An error if the broker refuses (a reason_code;
    /// on_connect is called with it) or cannot be reached; then no other attempt is made, unless
    /// `retry_first_connection`. `keep_alive` in seconds.
    std::error_code connect(std::string host, std::uint16_t port = 1883,
                            std::chrono::seconds keep_alive = std::chrono::seconds(60),
                            bool retry_first_connection = false) {
        if (loop_->in_callback()) return errc::would_deadlock;
        if (const auto bad = begin_connect(std::move(host), port, keep_alive, retry_first_connection))
            return bad;
        return wait_for_connect();
    }

    /// Connects in the background, and tries until it succeeds or the broker refuses for good. Messages
    /// published before the CONNACK are queued.
    std::error_code connect_async(std::string host, std::uint16_t port = 1883,
                                  std::chrono::seconds keep_alive = std::chrono::seconds(60)) {
        return begin_connect(std::move(host), port, keep_alive, true);
    }

    /// Drops the connection, if there is one, and connects anew to the same broker. Does not wait for it.
    std::error_code reconnect() {
        if (const auto error = loop_->start_io()) return error;
        {
            const std::lock_guard lock(loop_->queue.mutex);
            loop_->queue.is_final = false;
        }
        impl().reconnect();
        return {};
    }

    struct disconnect_status {
        std::error_code error{};
        std::size_t unacknowledged = 0; // Messages left without an outcome; they get errc::not_connected.
        explicit operator bool() const { return !error; }
    };

    /// Waits up to `drain` for what is not acknowledged yet, sends DISCONNECT, closes. errc::not_connected if
    /// there was neither a connection nor an attempt to make one, errc::would_deadlock inside a callback: use
    /// disconnect_async() there.
    disconnect_status disconnect(std::optional<std::chrono::milliseconds> drain = {}) {
        if (loop_->in_callback()) return {errc::would_deadlock};
        if (const auto error = loop_->start_io()) return {error};
        const auto answer = std::make_shared<std::optional<disconnect_status>>();
        const auto l = loop_; // The client may be destroyed in a callback.
        impl().start_disconnect(drain.value_or(impl().options().drain_timeout), reason_code::success,
                                [l, answer](std::error_code error, std::size_t left) {
                                    const std::lock_guard lock(l->queue.mutex);
                                    *answer = disconnect_status{error, left};
                                    l->queue.changed.notify_all();
                                });
        l->pump_until([&] { return answer->has_value() && (l->queue.all_told() || l->destroyed); });
        return **answer;
    }

    /// The same without waiting: on_disconnect tells the end, and loop_forever() returns.
    void disconnect_async(std::optional<std::chrono::milliseconds> drain = {}) {
        if (loop_->start_io()) return; // Nothing can be connected.
        impl().start_disconnect(drain.value_or(impl().options().drain_timeout), reason_code::success,
                                [](std::error_code, std::size_t) {});
    }

    bool is_connected() const {
        return impl().ask_session([](session& s) { return s.is_connected(); });
    }

    // The loop.

    /// Runs callbacks on a thread of its own. errc::already_running.
    std::error_code loop_start() {
        const std::lock_guard lock(loop_->threads);
        if (loop_->loop_thread.joinable() || !loop_->claim_loop()) return errc::already_running;
        {
            const std::lock_guard l(loop_->queue.mutex);
            loop_->stop_loop = false;
        }
        const auto error = loop_->start(loop_->loop_thread, [l = loop_] {
            const detail::client_loop::release_loop release{*l};
            l->run_thread();
        });
        if (error) loop_->loop_taken = false;
        return error;
    }

    /// Ends that thread, when the callback it is in has returned. The connection stays. errc::not_running if
    /// there is none, errc::would_deadlock inside a callback.
    std::error_code loop_stop() {
        if (loop_->in_callback()) return errc::would_deadlock;
        {
            const std::lock_guard lock(loop_->queue.mutex);
            loop_->stop_loop = true;
            loop_->queue.changed.notify_all();
        }
        return join_loop() ? std::error_code{} : make_error_code(errc::not_running);
    }

    /// Runs callbacks here until disconnect() or disconnect_async(), or until the broker refuses for good,
    /// which is returned. What a callback throws leaves it. errc::already_running, errc::not_connected
    /// (nothing has been asked to connect).
    std::error_code loop_forever() {
        const auto l = loop_; // The client may be destroyed in a callback.
        if (l->in_callback()) return errc::would_deadlock;
        if (!l->claim_loop()) return errc::already_running;
        const detail::client_loop::release_loop release{*l};
        std::error_code error;
        l->run_until([&] {
            error = l->queue.final_error;
            return l->destroyed || (l->queue.is_final && l->queue.all_told());
        });
        return error;
    }

    // Messages.

    /// Publishes at once, or when connected. `mid` is the packet identifier (of QoS 0 a tracking number);
    /// on_publish tells the outcome of exactly this message later. Refused messages have no outcome.
    publish_result publish(std::string_view topic, bytes_view payload = {}, qos level = qos::at_most_once,
                           bool retain = false, const properties<packet_type::publish>& props = {}) {
        if (!loop_->queue.has_room()) return {publish_status::queue_full, 0};
        return impl().publish(
            {.qos = level, .retain = retain, .topic = topic, .props = props, .payload = payload},
            detail::observer_tag);
    }
    publish_result publish(const message& m) { return publish(m.topic, m.payload, m.qos, m.retain, m.props); }

    /// Waits until the message has its outcome: none if it was acknowledged (or is not known), else what went
    /// wrong; errc::timed_out, errc::would_deadlock.
    std::error_code wait_for_publish(std::uint16_t mid,
                                     std::optional<std::chrono::milliseconds> timeout = {}) {
        if (loop_->in_callback()) return errc::would_deadlock;
        std::optional<std::chrono::steady_clock::time_point> limit;
        if (timeout) limit = std::chrono::steady_clock::now() + bounded(*timeout);
        for (;;) {
            std::uint64_t seen = 0;
            {
                const std::lock_guard lock(loop_->queue.mutex);
                seen = loop_->queue.settled;
            }
            if (!impl().ask_session([&](session& s) { return s.is_outstanding(packet_id{mid}); })) break;
            if (!loop_->wait_until([&] { return loop_->queue.settled != seen; }, limit))
                return errc::timed_out;
        }
        const std::lock_guard lock(loop_->queue.mutex);
        const std::error_code* found = mid == 0 ? nullptr : loop_->queue.failed.find(packet_id{mid});
        return found ? *found : std::error_code{};
    }

    struct subscribe_status {
        std::error_code error{};
        std::uint16_t mid = 0;
        explicit operator bool() const { return !error; }
    };

    /// Subscribes now, or when connected; on_subscribe tells the answer. An error if the request is not
    /// valid.
    subscribe_status subscribe(std::string_view filter, qos level = qos::at_most_once) {
        return subscribe(std::vector<subscription_request>{{filter, level}});
    }
    subscribe_status subscribe(const std::vector<subscription_request>& filters,
                               const properties<packet_type::subscribe>& props = {}) {
        inflight::subscribe wish{.props = props};
        for (const subscription_request& s : filters)
            wish.subscriptions.push_back(
                {s.filter, s.qos, s.no_local, s.retain_as_published, s.retain_handling});
        return request(wish);
    }
    subscribe_status unsubscribe(std::string_view filter) {
        return unsubscribe(std::vector<std::string>{std::string(filter)});
    }
    subscribe_status unsubscribe(const std::vector<std::string>& filters) {
        inflight::unsubscribe wish;
        wish.filters.assign(filters.begin(), filters.end());
        return request(wish);
    }

    /// The application has the message that a callback got with this identifier; for manual_ack, and for
    /// callbacks that have thrown. QoS 1: PUBACK goes out; QoS 2: PUBREC. They leave in the order of the
    /// messages. errc::unknown_packet_id (also when repeated), errc::stale_delivery (the connection, or for
    /// QoS 2 the session, it came over is gone: the broker will send it again).
    std::error_code ack(std::uint16_t mid, reason_code reason = reason_code::success) {
        delivery d;
        {
            const std::lock_guard lock(loop_->queue.mutex);
            const delivery* found = mid == 0 ? nullptr : loop_->to_be_acknowledged.find(packet_id{mid});
            if (!found) return errc::unknown_packet_id;
            d = *found;
        }
        const std::error_code error = impl().acknowledge(d, reason);
        if (error == errc::not_supported) return error; // Still to be acknowledged, without a refusal.
        const std::lock_guard lock(loop_->queue.mutex);
        const delivery* found = loop_->to_be_acknowledged.find(packet_id{mid});
        if (found && *found == d) loop_->to_be_acknowledged.erase(packet_id{mid});
        return error;
    }
    std::error_code publish_release(std::uint16_t mid) { return ack(mid); }

    /// Messages accepted whose outcome is open.
    std::size_t unsettled() const {
        return impl().ask_session([](session& s) { return s.unsettled(); });
    }
    /// QoS 0 messages dropped because callbacks were too slow.
    std::uint64_t dropped_messages() const { return loop_->async.dropped_messages(); }

private:
    static client_options options_for(std::string client_id) {
        client_options o;
        o.client_id = std::move(client_id);
        return o;
    }

    using session = client_session<memory_store>;

    detail::supervisor<tcp_transport, memory_store, std::mutex>& impl() const {
        return loop_->async.implementation();
    }

    template <class F> std::invoke_result_t<F, session&, time_point> with_session(F&& f) const {
        return impl().with_session(std::forward<F>(f));
    }

    template <class... Args>
    void set(detail::callback<Args...> detail::callbacks::*which, std::function<void(Args...)> f) {
        auto shared = f ? std::make_shared<const std::function<void(Args...)>>(std::move(f)) : nullptr;
        loop_->queue.change_callbacks([&](detail::callbacks& all) { all.*which = std::move(shared); });
    }

    template <class F>
    void change_filters(F&& change) {
        loop_->queue.change_callbacks([&](detail::callbacks& all) {
            using map = std::remove_const_t<std::remove_reference_t<decltype(*all.by_filter)>>;
            auto changed = all.by_filter ? std::make_shared<map>(*all.by_filter) : std::make_shared<map>();
            change(*changed);
            all.by_filter = std::move(changed);
        });
    }

    template <class Packet>
    subscribe_status request(const Packet& wish) {
        const auto id = impl().request(wish, detail::observer_tag);
        if (!id) return {id.error()};
        return {{}, number(*id)};
    }

    std::error_code begin_connect(std::string host, std::uint16_t port, std::chrono::seconds keep_alive,
                                  bool retry) {
        if (keep_alive.count() < 0 || keep_alive.count() > 65'535 || host.empty())
            return errc::invalid_argument;
        if (!impl().is_keepable()) return errc::empty_client_id;
        if (!impl().is_idle()) return errc::already_running;
        if (const auto error = loop_->start_io()) return error;
        {
            const std::lock_guard lock(loop_->queue.mutex);
            loop_->queue.is_final = false;
            loop_->queue.final_error = {};
            ++loop_->queue.connects;
        }
        with_session([&](session& s, time_point) { s.set_keep_alive(keep_alive); });
        impl().set_brokers({broker{std::move(host), port}});
        impl().set_retry_first_connection(retry);
        impl().connect();
        return {};
    }

    std::error_code wait_for_connect() {
        const auto l = loop_; // The client may be destroyed in a callback.
        const auto is_told = [&] { return l->connects_told == l->queue.connects; };
        l->pump_until([&] { return is_told() || l->destroyed; });
        const std::lock_guard lock(l->queue.mutex);
        return is_told() ? l->connect_error : make_error_code(errc::shutting_down);
    }

    bool join_loop() {
        std::thread ended;
        {
            const std::lock_guard lock(loop_->threads);
            ended = std::move(loop_->loop_thread);
        }
        if (!ended.joinable()) return false;
        ended.join();
        return true;
    }

    std::shared_ptr<detail::client_loop> loop_;
};

} // namespace inflight
