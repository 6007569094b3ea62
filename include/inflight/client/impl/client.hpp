// inflight/client/impl/client.hpp - the functions of client, which this header defines inline; or, in a
// program that defines INFLIGHT_SEPARATE_COMPILATION, once for all its units: in the one that includes this
// header.
#pragma once

#include <inflight/client/client.hpp>
#include <inflight/client/loop.hpp>

#ifdef INFLIGHT_SEPARATE_COMPILATION
#define INFLIGHT_DECL
#else
#define INFLIGHT_DECL inline
#endif

namespace inflight {
namespace detail {

struct client_access {
    static const std::shared_ptr<client_loop>& loop(client& c) { return c.loop_; }
};

template <class Packet>
client::subscribe_status ask(client_loop& loop, const Packet& wish) {
    const auto id = loop.impl().request(wish, observer_tag);
    if (!id) return {id.error()};
    return {{}, number(*id)};
}

// on_publish tells the outcome.
inline publish_result publish_noted(client_loop& loop, inflight::publish&& p) {
    if (!loop.queue.has_room()) return {publish_status::queue_full, 0};
    return loop.impl().publish(p, observer_tag);
}

// A disconnect() on its way: an operation with nothing of Asio's about it, which costs a compiler less than a
// handler would.
class disconnecting final : public pending<std::size_t> {
public:
    using answer = std::optional<client::disconnect_status>;

    // The answer is there when the connection is closed.
    static std::shared_ptr<const answer> start(const std::shared_ptr<client_loop>& loop,
                                               const disconnect_options& how) {
        auto* const op = new disconnecting(loop);
        const std::shared_ptr<const answer> result = op->answer_;
        loop->acknowledged.give();
        loop->impl().disconnect(how, op);
        return result;
    }

    static asio::cancellation_slot cancellation_slot() { return {}; }

private:
    explicit disconnecting(std::shared_ptr<client_loop> loop)
        : pending(&run, loop->impl().operations(), true), loop_(std::move(loop)) {}

    static void run(operation_base* op, ending how) {
        const std::unique_ptr<disconnecting> self(static_cast<disconnecting*>(op));
        if (how == ending::destroy) return;
        callback_queue& queue = self->loop_->queue;
        const std::lock_guard lock(queue.mutex);
        *self->answer_ = client::disconnect_status{self->error_, self->result_};
        queue.changed.notify_all();
    }

    std::shared_ptr<client_loop> loop_;
    std::shared_ptr<answer> answer_ = std::make_shared<answer>();
};

} // namespace detail

INFLIGHT_DECL client::client(client_options options)
    : loop_(std::make_shared<detail::client_loop>(std::move(options))) {}

INFLIGHT_DECL client::client(std::string client_id) : client(options_for(std::move(client_id))) {}

INFLIGHT_DECL client::~client() {
    loop_->acknowledged.give();
    {
        const std::lock_guard lock(loop_->queue.mutex);
        loop_->destroyed = true;
        loop_->queue.changed.notify_all();
    }
    if (!loop_->in_callback()) {
        loop_->join_loop();
        loop_->wait_until([this] { return !loop_->loop_taken; }); // loop_forever() of another thread.
        loop_->settle_io();
        loop_->stop_io();
        return;
    }
    // The thread that is in the callback, and the one for I/O, hold a reference, and clean up when they
    // end.
    loop_->impl().shut_down();
    loop_->work.reset();
    const std::lock_guard lock(loop_->threads);
    if (loop_->loop_thread.joinable()) loop_->loop_thread.detach();
}

INFLIGHT_DECL void client::on_connect(std::function<void(const connect_result&)> f) {
    loop_->queue.set(&detail::callbacks::on_connect, std::move(f));
}

INFLIGHT_DECL void client::on_disconnect(std::function<void(const disconnect_result&)> f) {
    loop_->queue.set(&detail::callbacks::on_disconnect, std::move(f));
}

INFLIGHT_DECL void client::on_message(std::function<void(const received_message&)> f) {
    loop_->queue.set(&detail::callbacks::on_message, std::move(f));
}

INFLIGHT_DECL void client::on_publish(std::function<void(std::uint16_t mid, std::error_code)> f) {
    loop_->queue.set(&detail::callbacks::on_publish, std::move(f)); // It comes before the other.
    loop_->queue.set(&detail::callbacks::on_publish_outcome, {});
}

INFLIGHT_DECL void client::on_publish_outcome(std::function<void(const publish_outcome&)> f) {
    loop_->queue.set(&detail::callbacks::on_publish_outcome, std::move(f));
    loop_->queue.set(&detail::callbacks::on_publish, {});
}

INFLIGHT_DECL void client::on_subscribe(std::function<void(const subscribe_outcome&)> f) {
    loop_->queue.set(&detail::callbacks::on_subscribe, std::move(f));
}

INFLIGHT_DECL void client::on_unsubscribe(std::function<void(const subscribe_outcome&)> f) {
    loop_->queue.set(&detail::callbacks::on_unsubscribe, std::move(f));
}

INFLIGHT_DECL void client::on_reauthenticate(std::function<void(const authentication_result&)> f) {
    loop_->queue.set(&detail::callbacks::on_reauthenticate, std::move(f));
}

INFLIGHT_DECL void client::on_oversized(std::function<void(const oversized_message&)> f) {
    loop_->queue.set(&detail::callbacks::on_oversized, std::move(f));
}

INFLIGHT_DECL void client::on_exception(std::function<void(std::exception_ptr)> f) {
    loop_->queue.set(&detail::callbacks::on_exception, std::move(f));
}

INFLIGHT_DECL std::error_code client::message_callback_add(std::string filter,
                                                           std::function<void(const received_message&)> f) {
    if (const errc bad = detail::wrong_filter(filter); bad != errc::none) return bad;
    if (!f) return message_callback_remove(filter), std::error_code{};
    loop_->by_filter.set(filter, std::make_shared<decltype(f)>(std::move(f)));
    return {};
}

INFLIGHT_DECL void client::message_callback_remove(std::string_view filter) {
    loop_->by_filter.set(filter, nullptr);
}

INFLIGHT_DECL void client::enable_logger(std::function<void(std::string_view)> f) {
    loop_->queue.printer = f ? &detail::print_packet : nullptr;
    loop_->queue.set(&detail::callbacks::on_log, std::move(f));
}

INFLIGHT_DECL void client::enable_logger() {
    enable_logger([](std::string_view line) { std::clog << line << '\n'; });
}

INFLIGHT_DECL std::error_code client::will_set(std::string topic, bytes_view payload, qos level, bool retain,
                                               properties<packet_type::will> props) {
    return will_set(will_message(topic, payload, level, retain, std::move(props)));
}

INFLIGHT_DECL std::error_code client::will_set(will_message will) {
    if (!is_valid(will.qos)) return errc::invalid_qos;
    if (detail::wrong_topic(will.topic) != errc::none) return errc::will_topic_invalid;
    loop_->impl().with_session([&](auto& s, time_point) { s.set_will(std::move(will)); });
    return {};
}

INFLIGHT_DECL void client::will_clear() {
    loop_->impl().with_session([](auto& s, time_point) { s.set_will(std::nullopt); });
}

INFLIGHT_DECL void client::username_pw_set(std::optional<std::string> user_name,
                                           std::optional<std::string> password) {
    loop_->impl().with_session(
        [&](auto& s, time_point) { s.set_credentials(std::move(user_name), std::move(password)); });
}

INFLIGHT_DECL void client::reconnect_delay_set(std::chrono::milliseconds min_delay,
                                               std::chrono::milliseconds max_delay) {
    loop_->impl().set_reconnect_delay(min_delay, max_delay);
}

INFLIGHT_DECL void client::max_inflight_messages_set(std::uint16_t count) {
    loop_->impl().with_session([&](auto& s, time_point now) { s.set_max_inflight_messages(count, now); });
}

INFLIGHT_DECL void client::max_queued_messages_set(std::size_t count) {
    loop_->impl().with_session([&](auto& s, time_point) { s.set_max_queued_messages(count); });
}

INFLIGHT_DECL void client::max_queued_bytes_set(std::size_t bytes) {
    loop_->impl().with_session([&](auto& s, time_point) { s.set_max_queued_bytes(bytes); });
}

INFLIGHT_DECL void client::queue_policy_set(queue_policy policy) {
    loop_->impl().with_session([&](auto& s, time_point) { s.set_queue_policy(policy); });
}

INFLIGHT_DECL void client::manual_ack_set(bool manual) {
    loop_->impl().set_manual_ack(manual);
    loop_->manual_ack = manual;
}

INFLIGHT_DECL void client::tls_set(tls_options options) {
    loop_->impl().with_transport_options([&](connection_options& o) { *o.tls = std::move(options); });
}

INFLIGHT_DECL void client::tls_set(std::string ca_file, std::string certificate_file, std::string key_file,
                                   std::string key_passphrase) {
    tls_options options;
    options.ca_file = std::move(ca_file);
    options.certificate_file = std::move(certificate_file);
    options.key_file = std::move(key_file);
    options.key_passphrase = std::move(key_passphrase);
    tls_set(std::move(options));
}

INFLIGHT_DECL void client::tls_insecure_set(bool insecure) {
    loop_->impl().with_transport_options([=](connection_options& o) { o.tls->verify_host_name = !insecure; });
}

INFLIGHT_DECL void client::ws_set_options(websocket_options options) {
    loop_->impl().with_transport_options([&](connection_options& o) { *o.websocket = std::move(options); });
}

INFLIGHT_DECL void client::ws_set_options(std::string path, websocket_options::header_list headers) {
    loop_->impl().with_transport_options([&](connection_options& o) {
        o.websocket->path = std::move(path);
        o.websocket->headers = std::move(headers);
    });
}

INFLIGHT_DECL void client::proxy_set(proxy_options options) {
    loop_->impl().with_transport_options([&](connection_options& o) { *o.proxy = std::move(options); });
}

INFLIGHT_DECL void client::socket_set(socket_options options) {
    loop_->impl().with_transport_options([&](connection_options& o) { *o.socket = std::move(options); });
}

INFLIGHT_DECL std::error_code client::connect(std::string host, std::uint16_t port,
                                              std::optional<std::chrono::seconds> keep_alive,
                                              bool retry_first_connection) {
    return connect(std::vector<broker>{{std::move(host), port}}, keep_alive, retry_first_connection);
}

INFLIGHT_DECL std::error_code client::connect(std::vector<broker> brokers,
                                              std::optional<std::chrono::seconds> keep_alive,
                                              bool retry_first_connection) {
    if (loop_->in_callback()) return errc::would_deadlock;
    if (const auto bad = begin_connect(std::move(brokers), keep_alive, retry_first_connection)) return bad;
    return wait_for_connect();
}

INFLIGHT_DECL std::string client::connect_details() const {
    const std::lock_guard lock(loop_->queue.mutex);
    return loop_->queue.connect_details;
}

INFLIGHT_DECL std::error_code client::connect_async(std::string host, std::uint16_t port,
                                                    std::optional<std::chrono::seconds> keep_alive) {
    return connect_async(std::vector<broker>{{std::move(host), port}}, keep_alive);
}

INFLIGHT_DECL std::error_code client::connect_async(std::vector<broker> brokers,
                                                    std::optional<std::chrono::seconds> keep_alive) {
    return begin_connect(std::move(brokers), keep_alive, true);
}

INFLIGHT_DECL std::error_code client::reconnect() {
    if (const auto error = loop_->start_io()) return error;
    {
        const std::lock_guard lock(loop_->queue.mutex);
        loop_->queue.is_final = false;
    }
    loop_->acknowledged.give();
    loop_->impl().reconnect();
    return {};
}

INFLIGHT_DECL std::error_code client::reauthenticate() {
    const errc bad = loop_->impl().reauthenticate();
    return bad == errc::none ? std::error_code{} : make_error_code(bad);
}

INFLIGHT_DECL client::disconnect_status client::disconnect(const disconnect_options& how) {
    if (loop_->in_callback()) return {errc::would_deadlock};
    if (const auto error = loop_->start_io()) return {error};
    const auto l = loop_; // The client may be destroyed in a callback.
    const auto answer = detail::disconnecting::start(l, how);
    l->pump_until([&] { return answer->has_value() && (l->queue.all_told() || l->destroyed); });
    return **answer;
}

INFLIGHT_DECL std::error_code client::disconnect_async(const disconnect_options& how) {
    if (const errc bad = loop_->impl().wrong_goodbye(how); bad != errc::none) return bad;
    if (loop_->start_io()) return {}; // Nothing can be connected.
    detail::disconnecting::start(loop_, how);
    return {};
}

INFLIGHT_DECL bool client::is_connected() const {
    return loop_->impl().ask_session([](auto& s) { return s.is_connected(); });
}

INFLIGHT_DECL server_limits client::server_limits() const {
    return loop_->impl().ask_session([](auto& s) { return s.limits(); });
}

INFLIGHT_DECL std::error_code client::loop_start() {
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

INFLIGHT_DECL std::error_code client::loop_stop() {
    if (loop_->in_callback()) return errc::would_deadlock;
    {
        const std::lock_guard lock(loop_->queue.mutex);
        loop_->stop_loop = true;
        loop_->queue.changed.notify_all();
    }
    return loop_->join_loop() ? std::error_code{} : make_error_code(errc::not_running);
}

INFLIGHT_DECL std::error_code client::loop_forever() {
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

INFLIGHT_DECL publish_result client::publish(std::string_view topic, bytes_view payload, qos level,
                                             bool retain, const properties<packet_type::publish>& props) {
    return detail::publish_noted(
        *loop_, {.qos = level, .retain = retain, .topic = topic, .props = props, .payload = payload});
}

INFLIGHT_DECL std::error_code client::wait_for_publish(std::uint16_t mid,
                                                       std::optional<std::chrono::milliseconds> timeout) {
    if (mid == 0) return errc::unknown_packet_id;
    if (loop_->in_callback()) return errc::would_deadlock;
    std::optional<std::chrono::steady_clock::time_point> limit;
    if (timeout) limit = std::chrono::steady_clock::now() + bounded(*timeout);
    for (;;) {
        std::uint64_t seen = 0;
        {
            const std::lock_guard lock(loop_->queue.mutex);
            seen = loop_->queue.settled;
        }
        if (!loop_->impl().ask_session([&](auto& s) { return s.is_outstanding(packet_id{mid}); })) break;
        if (!loop_->wait_until([&] { return loop_->queue.settled != seen; }, limit)) return errc::timed_out;
    }
    const std::lock_guard lock(loop_->queue.mutex);
    const std::error_code* found = loop_->queue.failed.find(packet_id{mid});
    return found ? *found : std::error_code{};
}

INFLIGHT_DECL client::subscribe_status client::subscribe(const std::vector<subscription_request>& filters,
                                                         const properties<packet_type::subscribe>& props) {
    inflight::subscribe wish{.props = props};
    for (const subscription_request& s : filters) wish.subscriptions.push_back(s.wish());
    return detail::ask(*loop_, wish);
}

INFLIGHT_DECL client::subscribe_status client::unsubscribe(const std::vector<std::string>& filters) {
    inflight::unsubscribe wish;
    wish.filters.assign(filters.begin(), filters.end());
    return detail::ask(*loop_, wish);
}

INFLIGHT_DECL std::error_code client::ack(std::uint16_t mid, reason_code reason, explanation::view_type why) {
    if (mid == 0) return errc::qos_0_acknowledged;
    delivery d;
    {
        const std::lock_guard lock(loop_->queue.mutex);
        const delivery* found = loop_->to_be_acknowledged.find(packet_id{mid});
        if (!found) return errc::unknown_packet_id;
        d = *found;
    }
    const std::error_code error = loop_->impl().acknowledge(d, reason, why);
    const bool is_over = !error || error == errc::stale_delivery || error == errc::unknown_packet_id;
    if (!is_over) return error; // Still to be acknowledged, in other words.
    const std::lock_guard lock(loop_->queue.mutex);
    const delivery* found = loop_->to_be_acknowledged.find(packet_id{mid});
    if (found && *found == d) loop_->to_be_acknowledged.erase(packet_id{mid});
    return error;
}

INFLIGHT_DECL std::size_t client::unsettled() const {
    return loop_->impl().ask_session([](auto& s) { return s.unsettled(); });
}

INFLIGHT_DECL client_statistics client::statistics() const { return loop_->impl().statistics(); }

INFLIGHT_DECL client_options client::options_for(std::string client_id) {
    client_options o;
    o.client_id = std::move(client_id);
    return o;
}

INFLIGHT_DECL std::error_code client::begin_connect(std::vector<broker> brokers,
                                                    std::optional<std::chrono::seconds> keep_alive,
                                                    bool retry) {
    if (brokers.empty()) return errc::no_host;
    const long long seconds = keep_alive ? keep_alive->count() : 0;
    if (seconds < 0 || seconds > 65'535) return errc::invalid_argument;
    const std::lock_guard connecting(loop_->connecting); // One of several callers; the others hear of it.
    if (const errc bad = loop_->impl().refusal_to_connect(brokers); bad != errc::none) return bad;
    if (const auto error = loop_->start_io()) return error;
    {
        const std::lock_guard lock(loop_->queue.mutex);
        loop_->queue.is_final = false;
        loop_->queue.final_error = {};
        ++loop_->queue.connects;
    }
    if (keep_alive) loop_->impl().with_session([&](auto& s, time_point) { s.set_keep_alive(*keep_alive); });
    loop_->impl().set_brokers(std::move(brokers));
    loop_->impl().set_retry_first_connection(retry);
    loop_->impl().connect();
    return {};
}

INFLIGHT_DECL std::error_code client::wait_for_connect() {
    const auto l = loop_; // The client may be destroyed in a callback.
    const auto is_told = [&] { return l->queue.connects_told == l->queue.connects; };
    l->pump_until([&] { return is_told() || l->destroyed; });
    const std::lock_guard lock(l->queue.mutex);
    return is_told() ? l->queue.connect_error : make_error_code(errc::shutting_down);
}

} // namespace inflight
