// inflight/transport/options.hpp - how a client reaches its broker: TLS, WebSocket, proxy, socket.
//
// Plain values: what acts on those of TLS and WebSocket is in tls.hpp and websocket.hpp, which bring their
// libraries, and which a program includes that uses these.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace inflight {

enum class tls_version : std::uint8_t { v1_2, v1_3 };

/// TLS, of `mqtts://` and `wss://` addresses. As they stand the broker's certificate must come from an
/// authority that the system trusts, and bear the broker's name.
/// Files are PEM, and are read again for each connection, if they have changed: a renewed certificate is
/// taken with the next one.
struct tls_options {
    /// Authorities to trust. With none of these three the system's. More than one: any of them.
    std::string ca_file{};      // Certificates.
    std::string ca_directory{}; // Certificates, under their hash names (openssl rehash).
    std::string ca_text{};      // Certificates, as text.
    bool use_system_store = false; // The system's authorities besides those named here.
    std::string crl_file{};        // Revoked certificates. Then each certificate of the chain is looked up,
                                   // and each authority's list must be there.
    /// Who the client is, if the broker wants to know.
    std::string certificate_file{}; // With those of intermediate authorities behind it, if there are any.
    std::string key_file{};         // Empty: in certificate_file.
    std::string key_passphrase{};   // For an encrypted key.

    std::string server_name{}; // The name that the certificate must bear, and SNI says; empty: the host.
    std::vector<std::string> alpn{}; // Protocols offered, the best first: "mqtt", "x-amzn-mqtt-ca" ...
    tls_version minimum_version = tls_version::v1_2;
    std::string ciphers{};       // For TLS 1.2, in OpenSSL's notation; empty: the library's default.
    std::string cipher_suites{}; // For TLS 1.3.
    /// False: whoever answers is believed. Nothing is safe then; for experiments only.
    bool verify_certificate = true;
    bool verify_host_name = true; // False: any name will do, if the authority is trusted.
    bool resume_sessions = true;  // Reconnecting is one round trip and much arithmetic shorter.
    friend bool operator==(const tls_options&, const tls_options&) = default;
};

/// WebSocket, of `ws://` and `wss://` addresses.
struct websocket_options {
    using header_list = std::vector<std::pair<std::string, std::string>>;
    std::string path{};    // Of the request, with the query, if the address has none; empty: "/mqtt".
    header_list headers{}; // Of the request, beside those of the protocol: Authorization, Cookie ...
    std::size_t max_frame_size = std::size_t{16} << 20; // Bytes; a larger one ends the connection.
    /// What the request is to say, changed at will before each connection: for signed addresses, whose
    /// signature expires. Gets path with query, and headers. Runs with the client's I/O, must neither block
    /// nor throw.
    std::function<void(std::string& path, header_list& headers)> prepare_request{};
};

enum class proxy_kind : std::uint8_t {
    none,
    http,   // HTTP CONNECT. RFC 9110, 9.3.6.
    socks5, // RFC 1928; the proxy resolves the broker's name.
};

/// A proxy between client and broker, for TCP and all that is above: <inflight/proxy.hpp>. No environment
/// variable is read.
struct proxy_options {
    proxy_kind kind = proxy_kind::none;
    std::string host{};
    std::uint16_t port = 0; // 0: 8080 for HTTP, 1080 for SOCKS.
    std::optional<std::string> user_name{}, password{}; // "Basic" for HTTP, RFC 1929 for SOCKS.
    friend bool operator==(const proxy_options&, const proxy_options&) = default;
};

/// The port that the proxy listens on.
inline std::uint16_t port_of(const proxy_options& proxy) {
    if (proxy.port != 0) return proxy.port;
    return proxy.kind == proxy_kind::socks5 ? 1080 : 8080;
}

/// What the system is told of the socket.
struct socket_options {
    std::string local_address{};   // Of this machine, that connections come from; empty: the system's choice.
    std::string local_interface{}; // The name of an interface that they leave by ("eth0"; Linux).
    bool no_delay = true;          // Small packets are sent at once (TCP_NODELAY).
    /// What has come is acknowledged by TCP at once, and not after some 40 ms, if nothing is sent that would
    /// take the acknowledgement along (TCP_QUICKACK; Linux). A broker with Nagle's algorithm waits for it
    /// before it sends its next small packet; Mosquitto is one unless `set_tcp_nodelay` is on.
    bool quick_ack = true;
    bool keep_alive = false;       // The system probes a silent connection (SO_KEEPALIVE).
    int send_buffer = 0, receive_buffer = 0; // Bytes; 0: the system's choice.
    friend bool operator==(const socket_options&, const socket_options&) = default;
};

} // namespace inflight
