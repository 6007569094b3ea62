// inflight/client/client.hpp - the client in the shape of Python's paho.
#pragma once

#include <inflight/async_client/options.hpp>
#include <inflight/async_client/received_message.hpp>
#include <inflight/async_client/statistics.hpp>
#include <inflight/client/outcome.hpp>

#include <exception>
#include <initializer_list>

namespace inflight {

namespace detail {
class client_loop;
struct client_access;
}

/// An MQTT client with callbacks. Its I/O runs on a thread of its own from connect() on; callbacks run on the
/// loop, that is loop_start()'s thread or the caller of loop_forever(), so that a callback that takes a
/// minute stops neither pings nor acknowledgements. Every function may be called from any thread and from
/// inside callbacks; one that would have to wait for a callback returns errc::would_deadlock inside one.
class client {
public:
    explicit client(client_options options = {});
    explicit client(std::string client_id);
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    /// Drains nothing; what has no outcome gets errc::shutting_down, without a callback. Waits for a callback
    /// that is running, unless it is called inside one.
    ~client();

    // Callbacks. Each replaces the one before; an empty one removes it. They may be set at any time, in
    // callbacks too.

    void on_connect(std::function<void(const connect_result&)> f);
    void on_disconnect(std::function<void(const disconnect_result&)> f);
    /// Messages that no filter of message_callback_add() matches. QoS 1 and 2 are acknowledged when the
    /// callback has returned. If it throws they are not, and acknowledgements of later messages wait behind
    /// them: until ack() is called after all, or until a new connection, which delivers QoS 1 again.
    void on_message(std::function<void(const received_message&)> f);
    /// The outcome of a publish: QoS 0 has been written, QoS 1 and 2 have been acknowledged; or what went
    /// wrong. Never called before that publish() has returned.
    void on_publish(std::function<void(std::uint16_t mid, std::error_code)> f);
    /// The same with all that the broker has answered: f(const publish_outcome&).
    template <class F>
        requires std::invocable<F&, const publish_outcome&>
    void on_publish(F f) {
        on_publish_outcome(std::move(f));
    }
    void on_subscribe(std::function<void(const subscribe_outcome&)> f);
    void on_unsubscribe(std::function<void(const subscribe_outcome&)> f);
    /// The outcome of a reauthenticate(). If it has failed, the connection ends, and on_disconnect is called
    /// next; unless the broker has not heard of it yet.
    void on_reauthenticate(std::function<void(const authentication_result&)> f);
    /// 3.1.1: a message larger than maximum_packet_size was read past and acknowledged.
    void on_oversized(std::function<void(const oversized_message&)> f);
    /// What a callback, or a hook of the options, throws under loop_start(). Without this, or if it throws
    /// itself, a line goes to std::cerr. (loop_forever() lets it pass.) A retry_after_refusal that throws has
    /// said no; credentials and authenticators that throw have failed.
    void on_exception(std::function<void(std::exception_ptr)> f);

    /// Calls `f` for messages that match `filter`; all filters that match are called, on_message only if none
    /// does. Does not subscribe. A second callback for the same filter replaces the first. Errors:
    /// errc::filter_empty, errc::filter_invalid, errc::shared_filter_invalid, errc::filter_not_utf8,
    /// errc::filter_too_long.
    std::error_code message_callback_add(std::string filter, std::function<void(const received_message&)> f);
    void message_callback_remove(std::string_view filter);

    /// Calls `f` with a line for every packet, "> " before those sent and "< " before those received. Runs on
    /// the loop.
    void enable_logger(std::function<void(std::string_view)> f);
    /// Lines go to std::clog.
    void enable_logger();

    // Settings. Those of CONNECT take effect with the next connection.

    /// errc::will_topic_invalid, errc::invalid_qos: the Will is what it was.
    std::error_code will_set(std::string topic, bytes_view payload, qos level = qos::at_most_once,
                             bool retain = false, properties<packet_type::will> props = {});
    std::error_code will_set(will_message will);
    void will_clear();
    void username_pw_set(std::optional<std::string> user_name, std::optional<std::string> password = {});
    /// TLS: from the next connect() on it is for brokers without a scheme too ("host"), as it is for mqtts://
    /// and wss:// anyway. Without `ca_file` the system's authorities are trusted. The other files, all PEM,
    /// say who the client is, if the broker wants to know. A program with TLS includes <inflight/tls.hpp>.
    void tls_set(std::string ca_file = {}, std::string certificate_file = {}, std::string key_file = {},
                 std::string key_passphrase = {});
    void tls_set(tls_options options);
    /// True: the certificate may bear any host's name, so whoever has one of a trusted authority is believed.
    void tls_insecure_set(bool insecure);
    /// WebSocket, of ws:// and wss:// brokers. `path` is that of addresses that have none.
    void ws_set_options(std::string path, websocket_options::header_list headers = {});
    void ws_set_options(websocket_options options);
    /// The proxy between here and the broker. A program with one includes <inflight/proxy.hpp>.
    void proxy_set(proxy_options options);
    /// The local address or interface, buffer sizes and the like.
    void socket_set(socket_options options);
    /// The wait before reconnecting: the first time, and the longest.
    void reconnect_delay_set(std::chrono::milliseconds min_delay = std::chrono::seconds(1),
                             std::chrono::milliseconds max_delay = std::chrono::seconds(120));
    /// QoS 1 and 2 messages sent and not acknowledged at a time; 0: what the broker takes. May be changed
    /// while connected.
    void max_inflight_messages_set(std::uint16_t count);
    /// Messages that may wait to be sent; 0: 65,535. May be changed while connected.
    void max_queued_messages_set(std::size_t count);
    /// Bytes of all messages held, waiting or unacknowledged; 0: no limit. May be changed while connected.
    void max_queued_bytes_set(std::size_t bytes);
    /// What publish() does when there are too many. Since it never waits, queue_policy::wait refuses here.
    void queue_policy_set(queue_policy policy);
    /// Messages are acknowledged by ack() only.
    void manual_ack_set(bool manual);

    // Connecting.

    /// Connects, and keeps connected from then on. Returns when CONNACK has come and on_connect has returned:
    /// on the loop if one runs, else on this thread. An error if the broker refuses (a reason_code;
    /// on_connect is called with it) or cannot be reached (errc::connect_timeout, an error of the system or
    /// the resolver, or of the codec if the broker does not speak MQTT); then no other attempt is made,
    /// unless `retry_first_connection`. `host` may be an address, as "mqtts://jane:secret@host": see
    /// parse_broker(). `port` 0: that of the address, or else that of its transport. `keep_alive` in seconds,
    /// up to 65,535; empty: that of the options, or of an earlier call. Brokers and retry_first_connection
    /// are those of the call, whatever the options say. Before anything is tried: those of parse_broker(),
    /// errc::port_contradicted, errc::tls_missing, errc::websocket_missing, errc::proxy_missing,
    /// errc::no_proxy_host, errc::already_connected, errc::invalid_argument (`keep_alive`),
    /// errc::client_id_missing (keep_session needs one), errc::will_topic_invalid, errc::would_deadlock
    /// inside a callback. Also errc::shutting_down.
    std::error_code connect(std::string host, std::uint16_t port = 0,
                            std::optional<std::chrono::seconds> keep_alive = {},
                            bool retry_first_connection = false);

    /// The same with several brokers: `order`, `brokers_share_sessions` and all else that client_options says
    /// of them holds here too. errc::no_host if there is none, or one without a name.
    std::error_code connect(std::vector<broker> brokers, std::optional<std::chrono::seconds> keep_alive = {},
                            bool retry_first_connection = false);

    /// Connects in the background, and tries until it succeeds or the broker refuses for good, which
    /// on_connect tells. Messages published before the CONNACK are queued. Errors at once as of connect():
    /// errc::already_connected and the others that are told before anything is tried.
    std::error_code connect_async(std::string host, std::uint16_t port = 0,
                                  std::optional<std::chrono::seconds> keep_alive = {});
    std::error_code connect_async(std::vector<broker> brokers,
                                  std::optional<std::chrono::seconds> keep_alive = {});

    /// What TLS, WebSocket or the proxy know of the error of the latest connect(): which certificate, which
    /// answer. Empty: nothing.
    std::string connect_details() const;

    /// Drops the connection, if there is one, and connects anew to the same broker. Does not wait for it. An
    /// error if the system has no thread for the I/O.
    std::error_code reconnect();

    /// Proves anew who this client is, by the method of options.authentication, while messages go on (5.0).
    /// Does not wait: on_reauthenticate tells the outcome, unless there is an error here:
    /// errc::not_connected, errc::no_authentication_method, errc::already_running.
    std::error_code reauthenticate();

    struct disconnect_status {
        std::error_code error{};
        std::size_t unacknowledged = 0; // Messages left without an outcome; they get errc::not_connected.
        explicit operator bool() const { return !error; }
    };

    /// Waits up to `drain` for what is not acknowledged yet, sends DISCONNECT, closes. errc::not_connected if
    /// there was neither a connection nor an attempt to make one, errc::would_deadlock inside a callback: use
    /// disconnect_async() there. errc::shutting_down if a callback has destroyed the client meanwhile.
    disconnect_status disconnect(std::optional<std::chrono::milliseconds> drain = {}) {
        return disconnect(disconnect_options{.drain = drain});
    }
    /// As `how` says. Where that cannot be said, errc::reason_not_allowed, errc::session_expiry_zero,
    /// errc::invalid_argument, errc::property_not_allowed ...: then the connection stays.
    disconnect_status disconnect(const disconnect_options& how);

    /// The same without waiting: on_disconnect tells the end, and loop_forever() returns.
    void disconnect_async(std::optional<std::chrono::milliseconds> drain = {}) {
        disconnect_async(disconnect_options{.drain = drain});
    }
    /// What cannot be said is returned, and then the connection stays.
    std::error_code disconnect_async(const disconnect_options& how);

    bool is_connected() const;
    /// What the broker allows on this connection, or allowed on the latest one: CONNACK says it anew each
    /// time.
    inflight::server_limits server_limits() const;

    // The loop.

    /// Runs callbacks on a thread of its own. errc::already_running; an error of the system that has no
    /// thread.
    std::error_code loop_start();

    /// Ends that thread, when the callback it is in has returned. The connection stays. errc::not_running if
    /// there is none, errc::would_deadlock inside a callback.
    std::error_code loop_stop();

    /// Runs callbacks here until disconnect() or disconnect_async(), or until the broker refuses for good,
    /// which is returned: errors as of connect(). What a callback throws leaves it. errc::already_running,
    /// errc::not_connected (nothing has been asked to connect), errc::would_deadlock inside a callback.
    std::error_code loop_forever();

    // Messages.

    /// Publishes at once, or when connected: what is published after disconnect() waits for the next
    /// connect(), QoS 0 as well, and its status, queued_offline, says so. `mid` is the packet identifier (of
    /// QoS 0 a tracking number); on_publish tells the outcome of exactly this message later: none, or one of
    /// the errors of basic_async_client::async_publish() that are not told at once. Refused messages have no
    /// outcome, and their publish_status says why; to_errc() makes an error of it.
    publish_result publish(std::string_view topic, bytes_view payload = {}, qos level = qos::at_most_once,
                           bool retain = false, const properties<packet_type::publish>& props = {});
    publish_result publish(const message& m) { return publish(m.topic, m.payload, m.qos, m.retain, m.props); }

    /// Waits until the message has its outcome: no error if it was acknowledged (or is not known any more),
    /// else what went wrong, as on_publish tells it; errc::unknown_packet_id (0: publish() has refused it),
    /// errc::timed_out, errc::would_deadlock inside a callback.
    std::error_code wait_for_publish(std::uint16_t mid,
                                     std::optional<std::chrono::milliseconds> timeout = {});

    struct subscribe_status {
        std::error_code error{};
        std::uint16_t mid = 0;
        explicit operator bool() const { return !error; }
    };

    /// Subscribes now, or when connected; on_subscribe tells the answer. An error if the request is not
    /// valid, or asks for what the broker has not got: those of basic_async_client::async_subscribe() that
    /// are none of the broker's. unsubscribe() likewise.
    subscribe_status subscribe(std::string_view filter, qos level = qos::at_most_once) {
        return subscribe(std::vector<subscription_request>{{filter, level}});
    }
    subscribe_status subscribe(const std::vector<subscription_request>& filters,
                               const properties<packet_type::subscribe>& props = {});
    subscribe_status unsubscribe(std::string_view filter) {
        return unsubscribe(std::vector<std::string>{std::string(filter)});
    }
    subscribe_status unsubscribe(const std::vector<std::string>& filters);
    subscribe_status unsubscribe(std::initializer_list<std::string_view> filters) {
        return unsubscribe(std::vector<std::string>(filters.begin(), filters.end()));
    }

    /// The application has the message that a callback got with this identifier; for manual_ack, and for
    /// callbacks that have thrown. QoS 1: PUBACK goes out; QoS 2: PUBREC. They leave in the order of the
    /// messages. errc::unknown_packet_id (also when repeated), errc::qos_0_acknowledged (0),
    /// errc::stale_delivery (the connection, or for QoS 2 the session, it came over is gone: the broker will
    /// send it again). A `reason` of 0x80 and above refuses, and `why`, a Reason String and User Properties,
    /// goes along as far as it fits the broker's Maximum Packet Size (5.0); errc::not_supported (a refusal in
    /// 3.1.1), errc::reason_not_allowed, errc::property_not_allowed ...: cannot be sent, and the message is
    /// still to be acknowledged.
    /// errc::shutting_down.
    std::error_code ack(std::uint16_t mid, reason_code reason = reason_code::success,
                        explanation::view_type why = {});
    std::error_code publish_release(std::uint16_t mid) { return ack(mid); }

    /// Messages accepted whose outcome is open.
    std::size_t unsettled() const;
    /// Numbers: what waits, what has been sent, received, repeated and dropped, how long answers take.
    client_statistics statistics() const;
    /// QoS 0 messages dropped because callbacks were too slow.
    std::uint64_t dropped_messages() const { return statistics().inbound_dropped; }

private:
    friend struct detail::client_access; // For what is built on top.
    static client_options options_for(std::string client_id);
    std::error_code begin_connect(std::vector<broker> brokers, std::optional<std::chrono::seconds> keep_alive,
                                  bool retry);
    std::error_code wait_for_connect();
    void on_publish_outcome(std::function<void(const publish_outcome&)> f);

    std::shared_ptr<detail::client_loop> loop_;
};

} // namespace inflight

#ifndef INFLIGHT_SEPARATE_COMPILATION
#include <inflight/client/impl/client.hpp>
#endif
