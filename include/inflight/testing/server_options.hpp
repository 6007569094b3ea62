// inflight/testing/server_options.hpp - what a test server allows, and how much it keeps.
#pragma once

#include <inflight/session/options.hpp>

#include <functional>

namespace inflight::testing {

/// The Session Expiry Interval of a session that never expires.
inline constexpr std::chrono::seconds never{0xFFFF'FFFF};

/// What an authentication method says: continue_authentication asks for more, success is content, a code of
/// 0x80 and above refuses. `data` goes to the client, except with a refusal.
struct authentication_answer {
    reason_code reason = reason_code::success;
    std::string data{};
};

/// One exchange: gets the client's words, the first ones to begin with, until it is content or refuses.
using authentication_exchange = std::function<authentication_answer(std::string_view data)>;

/// The limits are announced in a CONNACK of 5.0 and enforced in both versions.
struct server_options {
    /// QoS 2 messages that a client may have open, 1 to 65,535. (QoS 1 is acknowledged at once.)
    std::uint16_t receive_maximum = 65'535;
    inflight::qos maximum_qos = qos::exactly_once;
    bool retain_available = true;
    /// In bytes.
    std::uint32_t maximum_packet_size = std::uint32_t{16} << 20;
    /// Topic Aliases that clients may use towards the server.
    std::uint16_t topic_alias_maximum = 0;
    /// Topic Aliases that the server uses towards a client that allows as many; 0: none.
    std::uint16_t topic_aliases_to_clients = 0;
    bool wildcard_subscriptions = true;
    bool subscription_identifiers = true;
    bool shared_subscriptions = true;
    /// Seconds; replaces the Keep Alive of a 5.0 client.
    std::optional<std::uint16_t> server_keep_alive{};
    /// Lowers what CONNECT asks for.
    std::chrono::seconds maximum_session_expiry = never;
    /// How long a new transport may stay without a CONNECT; 0: for ever.
    std::chrono::seconds connect_timeout{30};

    /// The versions it speaks. The other is refused in its own form.
    bool v3_1_1 = true, v5 = true;
    /// Judges each CONNECT; a code of 0x80 and above refuses it. Empty: everybody is welcome. It must not
    /// call the server.
    std::function<reason_code(const connect&)> authenticate{};
    /// Enhanced authentication (5.0): begins an exchange of this method, at CONNECT, before `authenticate` is
    /// asked, and with every re-authentication. An empty exchange: the method is not known. Empty: none is.
    /// Neither it nor an exchange may call the server.
    std::function<authentication_exchange(std::string_view method, std::string_view client_id)>
        authentication{};
    /// For clients that request it; empty: none.
    std::string response_information{};
    /// Goes with the codes "use another server" and "server moved"; empty: none.
    std::string server_reference{};

    /// QoS 1 and 2 messages that wait for one session, away or slow. Those beyond are dropped and counted.
    std::size_t max_queued_messages = 100'000;
    /// Bytes that wait for one transport, from which on QoS 0 messages for it are dropped and counted, and
    /// those of QoS 1 and 2 wait in the session.
    std::size_t max_output_bytes = std::size_t{64} << 20;
    /// Packets that the trace remembers, the last ones; 0 prints none and is faster.
    std::size_t trace_lines = 1'000;
};

} // namespace inflight::testing
