// inflight/async_client/basic_async_client.hpp - the client in Asio's shape.
#pragma once

#include <inflight/async_client/layered_transport.hpp>
#include <inflight/async_client/router.hpp>
#include <inflight/async_client/supervisor.hpp>

#include <asio/async_result.hpp>

namespace inflight {

/// An MQTT client for Asio: connects, and connects again, resends, resubscribes.
///
/// Every asynchronous operation takes any completion token, calls its handler through the handler's
/// associated executor (the client's if it has none), and supports cancellation of any type, which gives up
/// waiting for the operation and hurts nothing else: a message that was accepted is still sent, and sent
/// again. As everywhere in Asio, a cancellation signal must not be emitted while the initiating function or
/// the handler runs: emit it on the handler's executor. Handlers are never called before the initiating
/// function has returned. All operations complete with errc::shutting_down when the client is destroyed, with
/// the error that stopped it when it is stopped (that of async_connect), and with errc::not_connected after
/// async_disconnect; only other errors are told below. Each compares with error_condition::fatal or
/// ::transient, which says whether to try again.
///
/// Thread safety: one thread, or one strand, at a time: that of the executor. With a real Mutex its functions
/// may be called from any thread; the executor still has to run one handler at a time, and is a strand where
/// its context has several threads.
template <transport Transport, session_store Store = memory_store, class Mutex = detail::null_mutex>
class basic_async_client {
    using impl = detail::supervisor<Transport, Store, Mutex>;
    using router = detail::router<detail::core<Transport, Store, Mutex>>;

public:
    using executor_type = asio::any_io_executor;

    explicit basic_async_client(executor_type executor, client_options options = {}, Store store = {})
        : impl_(impl::make(std::move(executor), std::move(options), std::move(store))) {}
    template <class Context>
        requires std::convertible_to<decltype(std::declval<Context&>().get_executor()), executor_type>
    explicit basic_async_client(Context& context, client_options options = {}, Store store = {})
        : basic_async_client(executor_type(context.get_executor()), std::move(options), std::move(store)) {}
    basic_async_client(const basic_async_client&) = delete;
    basic_async_client& operator=(const basic_async_client&) = delete;
    /// Drains nothing; everything that is pending completes with errc::shutting_down.
    ~basic_async_client() { impl_->shut_down(); }

    executor_type get_executor() const { return impl_->executor(); }

    /// Connects to the brokers of the options, and keeps connected from then on.
    ///
    /// Handler signature: void(std::error_code, connect_result).
    /// Completes: when the first CONNACK has come, or when connecting has been given up.
    /// Errors: a reason_code when the broker refuses for good; errc::client_id_missing (keep_session needs a
    /// client_id), errc::not_supported (options.authentication with 3.1.1), errc::will_topic_invalid and
    /// others of a CONNECT that cannot be encoded; those of parse_broker(), errc::port_contradicted,
    /// errc::tls_missing, errc::websocket_missing, errc::proxy_missing, errc::no_proxy_host; an error of the
    /// system, the resolver, TLS, WebSocket or the proxy that no repetition will cure, of which `details` has
    /// more; errc::already_connected. With retry_first_connection false also whatever else made the
    /// first attempt fail: any reason_code, errc::connect_timeout, errc::authentication_timeout, what the
    /// credentials or the authenticator gave, errc::server_reference_invalid, errc::too_many_redirects, any
    /// error of the system, the resolver and the transport (asio::error::eof, connection_refused,
    /// host_not_found ...), any errc of bytes that are not MQTT.
    /// Cancellation: stops waiting; the client goes on connecting.
    template <class CompletionToken>
    auto async_connect(CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code, connect_result)>(
            [i = impl_](auto handler) { i->start_connect(std::move(handler)); }, token);
    }

    /// Proves anew who this client is, by the method of options.authentication, while messages go on (5.0):
    /// before a token expires, for example.
    ///
    /// Handler signature: void(std::error_code, authentication_result).
    /// Completes: when both sides are content, or when it has failed; then the connection ends too, unless
    /// the broker has not heard of it yet.
    /// Errors: errc::not_connected; errc::no_authentication_method; errc::already_running, since there is one
    /// at a time; what the authenticator gave; a reason_code when the broker refuses;
    /// errc::authentication_timeout after options.connect_timeout; otherwise what ended the connection.
    /// Cancellation: stops waiting; the re-authentication goes on.
    template <class CompletionToken>
    auto async_reauthenticate(CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code, authentication_result)>(
            [i = impl_](auto handler) { i->start_reauthenticate(std::move(handler)); }, token);
    }

    /// Publishes at once, or when connected. The message is kept until it is acknowledged, and the caller not
    /// told. Never waits: with queue_policy::wait a full queue refuses. What is refused has no other trace
    /// than the publish_status that is returned.
    publish_result publish(const message& m) { return impl_->publish(m.packet(), 0); }
    publish_result publish(std::string_view topic, bytes_view payload, qos level = qos::at_most_once,
                           bool retain = false, const properties<packet_type::publish>& props = {}) {
        return impl_->publish(
            {.qos = level, .retain = retain, .topic = topic, .props = props, .payload = payload}, 0);
    }

    /// Publishes a message.
    ///
    /// Handler signature: void(std::error_code, publish_ack).
    /// Completes: QoS 0 when the bytes have been given to the transport; QoS 1 with PUBACK; QoS 2 with
    /// PUBCOMP. With queue_policy::wait a full queue is waited for first, in the order of the calls; what
    /// expires meanwhile completes when its turn comes.
    /// Errors: those of publish_status: refused, nothing is kept. A reason_code: the broker refuses the
    /// message. errc::message_expired, errc::message_dropped (by on_full_queue), errc::session_lost (with
    /// lost_session_policy::fail), errc::connection_lost (QoS 0), errc::qos_not_supported,
    /// errc::retain_not_supported, errc::packet_too_large (accepted while there was no connection, and the
    /// broker does not take it), errc::downgraded_qos (delivered, but only at least once).
    /// Cancellation: stops waiting; the message goes its way. One that still waits for room is not published.
    /// Where the token starts the operation later, the client must be there then.
    template <class CompletionToken>
    auto async_publish(message&& m, CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code, publish_ack)>(
            start_publish(), token, std::move(m));
    }
    /// As above. The message is copied only where the token starts the operation later.
    template <class CompletionToken>
    auto async_publish(const message& m, CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code, publish_ack)>(start_publish(),
                                                                                        token, m);
    }

    /// As above, without a message. Topic and payload are borrowed until the operation starts: at once, or at
    /// `co_await`.
    template <class CompletionToken>
    auto async_publish(std::string_view topic, bytes_view payload, qos level, CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code, publish_ack)>(
            [i = impl_.get()](auto handler, qos l, std::string_view name, bytes_view content) {
                i->start_publish({.qos = l, .topic = name, .payload = content}, std::move(handler));
            },
            token, level, topic, payload);
    }

    /// Subscribes to one filter.
    ///
    /// Handler signature: void(std::error_code, subscribe_ack).
    /// Completes: with SUBACK; when there is no connection, after one has been made.
    /// Errors: a reason_code when the broker refuses every filter; errc::no_filter, errc::filter_empty,
    /// errc::filter_invalid, errc::filter_too_long, errc::filter_not_utf8, errc::shared_filter_invalid,
    /// errc::shared_no_local, errc::invalid_qos, errc::invalid_retain_handling, errc::packet_too_large or
    /// one of a property when the request is not valid; errc::wildcards_not_supported,
    /// errc::shared_not_supported, errc::subscription_identifiers_not_supported when the broker has not got
    /// the feature; errc::packet_ids_exhausted.
    /// Cancellation: stops waiting; the subscription is made all the same.
    template <class CompletionToken>
    auto async_subscribe(std::string filter, qos level, CompletionToken&& token) {
        return async_subscribe(std::vector<subscription_request>{{std::move(filter), level}}, {},
                               std::forward<CompletionToken>(token));
    }

    /// Subscribes to several filters at once. As above.
    template <class CompletionToken>
    auto async_subscribe(std::vector<subscription_request> filters, properties<packet_type::subscribe> props,
                         CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code, subscribe_ack)>(
            [i = impl_](auto handler, const std::vector<subscription_request>& all,
                        const properties<packet_type::subscribe>& p) {
                subscribe request{.props = p};
                for (const subscription_request& s : all) request.subscriptions.push_back(s.wish());
                i->start_request(request, std::move(handler));
            },
            token, std::move(filters), std::move(props));
    }

    /// Unsubscribes.
    ///
    /// Handler signature: void(std::error_code, subscribe_ack). In 3.1.1 the answer holds no codes.
    /// Completes: with UNSUBACK; when there is no connection, after one has been made.
    /// Errors: a reason_code when the broker refuses every filter; errc::no_filter, errc::filter_empty,
    /// errc::filter_invalid ..., errc::packet_too_large when the request is not valid;
    /// errc::packet_ids_exhausted.
    /// Cancellation: stops waiting; the subscription is ended all the same.
    template <class CompletionToken>
    auto async_unsubscribe(std::vector<std::string> filters, CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code, subscribe_ack)>(
            [i = impl_](auto handler, const std::vector<std::string>& all) {
                unsubscribe request;
                request.filters.assign(all.begin(), all.end());
                i->start_request(request, std::move(handler));
            },
            token, std::move(filters));
    }
    template <class CompletionToken>
    auto async_unsubscribe(std::string filter, CompletionToken&& token) {
        return async_unsubscribe(std::vector<std::string>{std::move(filter)},
                                 std::forward<CompletionToken>(token));
    }

    /// Takes the next message. By asking, the application says that it has the one before, which is then
    /// acknowledged; with several receivers at work, the oldest one taken. With manual_ack only ack_handle
    /// and acknowledge() do that.
    ///
    /// Handler signature: void(std::error_code, received_message). One that takes the message by const
    /// reference leaves its memory to those that follow: then none of them allocates.
    /// Completes: when there is a message.
    /// Errors: what stopped the client; errc::not_connected after async_disconnect.
    /// Cancellation: no message is taken.
    template <class CompletionToken>
    auto async_receive(CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code, received_message)>(
            [i = impl_](auto handler) { i->start_receive(std::move(handler)); }, token);
    }

    /// Calls `handler` with every message as soon as it has come, on the client's executor: the fastest way
    /// to receive, without a copy. Messages that wait already come first; an async_receive that waits still
    /// gets its one. QoS 1 and 2 are acknowledged when the handler has returned, unless manual_ack leaves
    /// that to acknowledge(). The handler may call everything, replace itself, or destroy the client, but
    /// must not run the event loop. What it throws leaves io_context::run(), and its message is not
    /// acknowledged: the acknowledgements of later ones wait behind it. An empty handler ends it: then
    /// messages wait for async_receive.
    void on_message(std::function<void(const received_view&)> handler) {
        impl_->set_message_handler(std::move(handler));
    }

    /// Calls `handler` with the messages whose topics match `filter`: all handlers and streams whose filters
    /// match get a message, on_message(handler) and async_receive only what none matches. Messages that wait
    /// already come first. Does not subscribe. A second handler for the same filter replaces the first; an
    /// empty one removes it. Otherwise as on_message(handler); a QoS 1 or 2 message is acknowledged when all
    /// have had it, and if one throws, those behind it do not get it.
    /// Errors: errc::filter_invalid ... when `filter` is not valid.
    std::error_code on_message(std::string_view filter, std::function<void(const received_view&)> handler) {
        if (const errc bad = detail::wrong_filter(filter); bad != errc::none) return bad;
        router::of(*impl_).set_handler(filter, std::move(handler));
        return {};
    }

    /// A stream of the messages whose topics match `filter`, those that wait already included: see
    /// message_stream. Does not subscribe. `filter` must be valid: for another one the result is no stream.
    message_stream stream(std::string_view filter, const stream_options& limits = {}) {
        if (check_topic_filter(filter) != errc::none) return {};
        return message_stream(router::of(*impl_).add_stream(filter, limits));
    }

    /// Subscribes to one filter, with a stream for its messages, which is there before the first of them.
    ///
    /// Handler signature: void(std::error_code, message_stream).
    /// Completes: as async_subscribe.
    /// Errors: those of async_subscribe; then there is no stream.
    /// Cancellation: stops waiting; the subscription is made all the same, without a stream.
    template <class CompletionToken>
    auto async_subscribe_stream(subscription_request filter, stream_options limits, CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code, message_stream)>(
            [i = impl_](auto handler, const subscription_request& s, const stream_options& l) {
                // What is not valid is what start_request() finds.
                const bool is_valid = check_topic_filter(s.filter) == errc::none;
                detail::stream_ptr made = is_valid ? router::of(*i).add_stream(s.filter, l) : nullptr;
                properties<packet_type::subscribe> props;
                if (made && made->identifier != 0)
                    props.set<property_id::subscription_identifier>(made->identifier);
                subscribe request{.props = props};
                request.subscriptions.push_back(s.wish());
                i->start_request(request, detail::stream_ready<decltype(handler)>{
                                              std::move(handler), message_stream(std::move(made))});
            },
            token, std::move(filter), limits);
    }
    template <class CompletionToken>
    auto async_subscribe_stream(std::string filter, qos level, CompletionToken&& token) {
        return async_subscribe_stream(subscription_request(filter, level), stream_options{},
                                      std::forward<CompletionToken>(token));
    }

    /// Waits for open messages, sends DISCONNECT and closes.
    ///
    /// Handler signature: void(std::error_code, std::size_t): how many messages were left without an
    /// acknowledgement; they and all other operations complete with errc::not_connected.
    /// Completes: when the connection is closed.
    /// Errors: errc::not_connected when there was neither a connection nor an attempt to make one. Where
    /// `how` cannot be said, errc::reason_not_allowed, errc::session_expiry_zero, errc::invalid_argument,
    /// errc::property_not_allowed ...: then the connection stays.
    /// Cancellation: stops waiting; the client disconnects all the same.
    template <class CompletionToken>
    auto async_disconnect(CompletionToken&& token) {
        return async_disconnect(disconnect_options{}, std::forward<CompletionToken>(token));
    }
    template <class CompletionToken>
    auto async_disconnect(disconnect_options how, CompletionToken&& token) {
        return asio::async_initiate<CompletionToken, void(std::error_code, std::size_t)>(
            [i = impl_](auto handler, disconnect_options h) {
                i->start_disconnect(std::move(h), std::move(handler));
            },
            token, std::move(how));
    }
    template <class CompletionToken>
    auto async_disconnect(std::chrono::milliseconds drain, reason_code reason, CompletionToken&& token) {
        return async_disconnect(disconnect_options{.reason = reason, .drain = drain},
                                std::forward<CompletionToken>(token));
    }

    /// The application has this message. Errors as ack_handle::ack.
    std::error_code acknowledge(const delivery& d, reason_code reason = reason_code::success,
                                explanation::view_type why = {}) {
        return impl_->acknowledge(d, reason, why);
    }

    bool is_connected() {
        return impl_->ask_session([](auto& session) { return session.is_connected(); });
    }
    /// What the broker allows on this connection, or allowed on the latest one: CONNACK says it anew each
    /// time.
    inflight::server_limits server_limits() {
        return impl_->ask_session([](auto& session) { return session.limits(); });
    }
    /// Messages accepted whose outcome is open.
    std::size_t unsettled() {
        return impl_->ask_session([](auto& session) { return session.unsettled(); });
    }
    /// Numbers: what waits, what has been sent, received, repeated and dropped, how long answers take.
    client_statistics statistics() { return impl_->statistics(); }
    /// QoS 0 messages that came while the inbound queue was full.
    std::uint64_t dropped_messages() { return statistics().inbound_dropped; }

    /// Records of the store that have been damaged: left out, and left in the store.
    std::size_t damaged_records() {
        return impl_->ask_session([](auto& session) { return session.damaged_records(); });
    }

    /// For layers on top: what a plain user needs stands above.
    impl& implementation() { return *impl_; }

private:
    auto start_publish() const {
        return [i = impl_.get()](auto handler, const message& m) {
            i->start_publish(m.packet(), std::move(handler));
        };
    }

    std::shared_ptr<impl> impl_;
};

/// Over TCP or a Unix socket, with TLS, WebSocket or a proxy if its options say so; its session in memory.
using async_client = basic_async_client<default_transport>;

} // namespace inflight

#include <inflight/async_client/impl/instances.hpp>
