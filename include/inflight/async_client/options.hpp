// inflight/async_client/options.hpp - what a client is told beyond its session: brokers, time limits, queues.
#pragma once

#include <inflight/async_client/authenticator.hpp>
#include <inflight/async_client/connection_event.hpp>
#include <inflight/async_client/publish_ack.hpp>
#include <inflight/session/disconnect_options.hpp>
#include <inflight/session/explanation.hpp>
#include <inflight/transport/layer.hpp>
#include <inflight/transport/options.hpp>

#include <algorithm>
#include <functional>

namespace inflight {

/// A time limit that clocks can be asked for: a year at most, so that nothing overflows.
constexpr std::chrono::milliseconds bounded(std::chrono::milliseconds limit) {
    return std::clamp(limit, std::chrono::milliseconds(0),
                      std::chrono::milliseconds(std::chrono::hours(24 * 365)));
}

/// In which order brokers are tried.
enum class broker_order : std::uint8_t {
    in_turn, // As they stand in the list, and from its beginning again.
    random,  // In an order that each client draws for itself, so that many spread over all brokers.
};

/// What becomes of QoS 0 messages when the inbound queue is full (5.0; in 3.1.1 reading always pauses).
enum class inbound_overflow : std::uint8_t { drop_qos_0, pause_reading };

/// What CONNACK said.
struct connect_result {
    std::error_code error{};      // What went wrong; none when connected.
    reason_code reason{};         // The broker's answer, if it gave one.
    int return_code = 0;          // The same as the number seen on the wire, in the version last tried.
    protocol_version version = protocol_version::v5;
    bool session_present = false; // The broker has resumed the session.
    bool session_lost = false;    // It had one of ours, and has it no more.
    std::string details{};        // What TLS, WebSocket or the proxy know of the error besides.
    std::string reason_string{};  // The broker's own words (5.0), if any.
    std::string server_reference{}; // Where else it asks to go (5.0): a list, parted by spaces.
    server_limits limits{};         // When connected.
    properties<packet_type::connack> props{}; // All that came with the answer, User Properties among them.
    explicit operator bool() const { return !error; }
};

/// Why a connection ended.
struct disconnect_result {
    std::error_code error{};     // none: disconnect() was called.
    reason_code reason{};        // Of the broker's DISCONNECT (5.0), if it sent one.
    std::string reason_string{}; // The broker's own words (5.0), if any.
    std::string server_reference{}; // Where else it asks to go (5.0): a list, parted by spaces.
    bool is_final = false;       // There will be no reconnecting.
    std::string details{};       // What TLS, WebSocket or the proxy know of the error besides.
    properties<packet_type::disconnect> props{}; // All that came with it, User Properties among them.
};

/// How a re-authentication has ended.
struct authentication_result {
    std::error_code error{};     // none: both sides are content.
    reason_code reason{};        // The broker's refusal, if it gave one.
    std::string reason_string{}; // The broker's own words, if any.
    explicit operator bool() const { return !error; }
};

/// The broker's answer to subscriptions that were renewed because it had lost the session.
struct resubscribe_result {
    std::error_code error{}; // Why there is no answer: the broker has not got the feature, for example.
    std::vector<std::string> filters{};
    std::vector<reason_code> reasons{}; // One for each filter: granted QoS, or a refusal.
    explanation why{};
};

/// A message larger than maximum_packet_size, which in 3.1.1 cannot keep the broker from sending it. It was
/// read past and acknowledged, or else it would come again for ever.
struct oversized_message {
    std::string topic{};
    std::size_t size = 0; // Of the packet, in bytes.
};

/// A packet that has been read from the transport, or written to it.
struct packet_event {
    bool is_sent = false;
    std::string_view bytes{}; // The whole packet, good during the call.
    protocol_version version{};
    time_point time{};
};

/// What is known of brokers and connections, beside the session.
struct connection_options {
    /// When one cannot be reached, refuses or is lost, the next one is tried. Going to another one begins the
    /// session anew there (Clean Start 1, subscriptions renewed, messages published again), unless they share
    /// sessions, as the nodes of a cluster do.
    /// A broker may be given by its address: `options.brokers = {{"mqtts://host"}, {"unix:/run/mqtt"}}`;
    /// what is wrong with it connecting tells.
    std::vector<broker> brokers{broker{}};
    broker_order order = broker_order::in_turn;
    bool brokers_share_sessions = false;
    /// 5.0: a broker may refer to others (Server Reference with 0x9C, use another server, or 0x9D, server
    /// moved; in CONNACK or DISCONNECT). So many such references are followed in a row, at once; 0: none. Who
    /// moved is replaced in the list; another server is used until the connection to it is lost. They get
    /// our credentials, over the same kind of transport. When a reference is not followed, the error is the
    /// broker's reason_code, errc::server_reference_invalid or errc::too_many_redirects, and the brokers of
    /// the list are tried as after any other error.
    std::size_t max_redirects = 0;
    /// Asked before each reference is followed; false: not there. Runs with the client's I/O, must not block.
    std::function<bool(const broker&)> accept_redirect{};
    /// Empty: 5.0, falling back to 3.1.1 when a broker refuses it or closes in answer to its CONNECT.
    std::optional<protocol_version> version{};

    /// Asked for user name and password before each attempt to connect, in place of `user_name` and
    /// `password`: for tokens that expire. Calls the function it is given with the answer, at once (see
    /// credentials_from()) or later; an error ends the attempt as a broker that cannot be reached does, and
    /// another one follows. Runs with the client's I/O, must not block.
    std::function<void(credentials_callback)> credentials{};
    /// How mqtts:// and wss:// brokers are reached: <inflight/tls.hpp>; ws:// and wss://:
    /// <inflight/websocket.hpp>. `options.tls->ca_file = "ca.pem"`. Who sets anything of TLS wants it: then
    /// brokers without a scheme are reached by TLS too, on port 8883 unless they have another.
    boxed<tls_options> tls{};
    boxed<websocket_options> websocket{};
    boxed<proxy_options> proxy{};   // <inflight/proxy.hpp>. Not to Unix sockets.
    boxed<socket_options> socket{}; // Addresses and interfaces are not those of Unix sockets.

    /// A method of enhanced authentication, as scram_sha_256() of scram.hpp is one. Needs 5.0: the client
    /// does not fall back to 3.1.1 then, and with `version` 3.1.1 connecting fails with errc::not_supported.
    enhanced_authentication authentication{};

    /// For all of asking for credentials, resolving, connecting, handshakes, authentication and CONNACK
    /// together; and for a re-authentication.
    std::chrono::milliseconds connect_timeout{10'000};
    /// A host may have several addresses, of IPv6 and IPv4: when one has not answered for so long, the next
    /// is tried as well, and the first to answer is taken (RFC 8305, "happy eyeballs").
    std::chrono::milliseconds address_delay{250};
    /// Wait before reconnecting: the first time, and the longest; doubled each time. Give or take a quarter.
    std::chrono::milliseconds reconnect_delay{1'000};
    std::chrono::milliseconds max_reconnect_delay{120'000};
    /// The wait starts over only after a connection has lasted this long.
    std::chrono::milliseconds stable_after{10'000};
    /// False: a first connection that fails is final; of several brokers each is tried once, without a wait
    /// in between.
    bool retry_first_connection = true;
    /// Asked when the broker refuses for a reason that a repetition will not cure (bad credentials, banned
    /// ...) or says that another client took the session over; true tries again all the same. Before a first
    /// connection also when a certificate, a proxy or a file stands in the way; after it the client tries
    /// again by itself, since whoever answers in the broker's place may be gone next time. Runs with the
    /// client's I/O, must not block.
    std::function<bool(std::error_code)> retry_after_refusal{};

    /// Called on the client's executor with every connection that is made, and every one that ends, by itself
    /// or not.
    std::function<void(const connect_result&)> on_connected{};
    std::function<void(const disconnect_result&)> on_disconnected{};
    /// In the same way: every step on the way to a connection, and what becomes of it.
    std::function<void(const connection_event&)> on_connection_event{};
    /// In the same way: every packet. print() makes a line of it: <inflight/async_client/packet_trace.hpp>.
    std::function<void(const packet_event&)> on_packet{};
    /// In the same way: every answer to renewed subscriptions, and every message that is too large.
    std::function<void(const resubscribe_result&)> on_resubscribed{};
    std::function<void(const oversized_message&)> on_oversized{};

    /// Received messages that wait for the application, by count and by bytes. In 5.0 the count is also our
    /// Receive Maximum, if that is lower than receive_maximum, so that the broker does the waiting.
    std::size_t max_inbound_messages = 1024;
    std::size_t max_inbound_bytes = std::size_t{32} << 20;
    inflight::inbound_overflow on_inbound_overflow = inflight::inbound_overflow::drop_qos_0;
    /// Messages are acknowledged by an explicit call only.
    bool manual_ack = false;

    /// How long disconnecting waits for what is not acknowledged yet.
    std::chrono::milliseconds drain_timeout{10'000};

    /// Seed of the jitter and of a generated client identifier. Empty: a random one.
    std::optional<std::uint64_t> seed{};
};

struct client_options : session_options, connection_options {
    /// The session outlives the process: it is resumed from the first connect on and not ended by
    /// disconnecting. Needs a client_id. 5.0: the broker keeps it for `expiry`, rounded down to seconds, when
    /// the connection is gone.
    client_options& keep_session_for(std::chrono::seconds expiry) {
        keep_session = true;
        session_expiry = expiry;
        return *this;
    }
};

/// How a transport is to be opened.
struct opening {
    std::size_t first_address = 0; // Of several, the one to begin with: the nth, or as many beyond the last.
    std::chrono::milliseconds address_delay{250}; // Then the next one is tried as well.
    boxed<socket_options> socket{};
    std::shared_ptr<layer> layers{}; // Between the bytes of this transport and the wire; null: none.
    /// Told of each step, with step, address and error; empty: nobody wants to know.
    std::function<void(connection_event)> tell{};
};

/// A filter to subscribe to, with its options.
struct subscription_request {
    std::string filter{};
    inflight::qos qos = qos::at_most_once;
    bool no_local = false; // 5.0: not what this client publishes itself.
    bool retain_as_published = false;                                  // 5.0
    inflight::retain_handling retain_handling = retain_handling::send; // 5.0

    subscription_request() = default;
    subscription_request(std::string_view what, inflight::qos level) : filter(what), qos(level) {}

    /// What goes into SUBSCRIBE. It borrows the filter.
    subscription wish() const { return {filter, qos, no_local, retain_as_published, retain_handling}; }
};

/// The broker's answer to SUBSCRIBE or UNSUBSCRIBE: one code for each filter, in their order. Granted QoS, or
/// a refusal.
struct subscribe_ack {
    std::uint16_t mid = 0;
    std::vector<reason_code> reasons{};
    explanation why{}; // What the broker said besides.
};

} // namespace inflight
