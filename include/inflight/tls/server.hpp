// inflight/tls/server.hpp - the server's end of TLS, for the test kit and brokers of one's own.
#pragma once

#include <inflight/tls/context.hpp>
#include <inflight/tls/layer.hpp>

namespace inflight {

/// What a server shows and demands. Files are PEM.
struct tls_server_options {
    std::string certificate_file{};  // With those of intermediate authorities behind it.
    std::string key_file{};          // Empty: in certificate_file.
    std::string key_passphrase{};    // For an encrypted key.
    std::string client_ca_file{};    // Authorities of clients; if there are any, each client must bear a
                                     // certificate of one of them.
    std::string client_crl_file{};   // Clients' certificates that are revoked.
    std::vector<std::string> alpn{}; // Protocols spoken, the best first. A client that offers others only is
                                     // refused. Empty: what clients offer is ignored.
    tls_version minimum_version = tls_version::v1_2, maximum_version = tls_version::v1_3;
    std::string ciphers{};       // For TLS 1.2, in OpenSSL's notation; empty: the library's default.
    std::string cipher_suites{}; // For TLS 1.3.
};

/// Makes the server's ends of connections. They keep what they need: it may go before them. One thread at a
/// time.
class tls_server {
public:
    explicit tls_server(tls_server_options options) : options_(std::move(options)) { error_ = prepare(); }

    /// Why it cannot serve, if it cannot; and which file or option it is.
    std::error_code error() const { return error_; }
    const std::string& details() const { return details_; }

    /// The end of one connection; null if there is an error.
    std::unique_ptr<layer> make_layer() {
        detail::ssl_ptr ssl(context_ ? ::SSL_new(context_.get()) : nullptr);
        if (!ssl) return nullptr;
        ::SSL_set_accept_state(ssl.get());
        return std::make_unique<detail::tls_layer>(context_, std::move(ssl), std::string());
    }

private:
    // What all connections have in common.
    struct shared {
        detail::shared_ssl_ctx context{};
        std::string alpn{};
    };

    std::error_code prepare() {
        tls_options same; // The options of a client, which are read in the same way.
        same.certificate_file = options_.certificate_file;
        same.key_file = options_.key_file;
        same.key_passphrase = options_.key_passphrase;
        same.ca_file = options_.client_ca_file;
        same.crl_file = options_.client_crl_file;
        same.minimum_version = options_.minimum_version;
        same.ciphers = options_.ciphers;
        same.cipher_suites = options_.cipher_suites;
        const auto all = std::make_shared<shared>();
        if (const auto bad = detail::encode_alpn(options_.alpn, all->alpn)) return bad;
        detail::tls_material files;
        if (const auto bad = files.read(same, details_)) return bad;
        detail::tls_context_builder builder(detail::tls_role::server, same, files, details_);
        if (const auto bad = builder.build(all->context)) return bad;
        SSL_CTX* const context = all->context.get();
        context_ = detail::shared_ssl_ctx(all, context);
        if (options_.maximum_version == tls_version::v1_2)
            (void)::SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
        // Sessions go to the clients, as tickets; they count for this server alone.
        ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        constexpr std::string_view id = "inflight";
        (void)::SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(id.data()),
                                               static_cast<unsigned>(id.size()));
        if (!options_.alpn.empty()) ::SSL_CTX_set_alpn_select_cb(context, &select_protocol, &all->alpn);
        if (options_.client_ca_file.empty()) return {};
        ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
        ::SSL_CTX_set_client_CA_list(context, ::SSL_load_client_CA_file(options_.client_ca_file.c_str()));
        return {};
    }

    static int select_protocol(SSL*, const unsigned char** out, unsigned char* size,
                               const unsigned char* offered, unsigned offered_size, void* spoken) noexcept {
        const auto& ours = *static_cast<const std::string*>(spoken);
        unsigned char* chosen = nullptr;
        const int result =
            ::SSL_select_next_proto(&chosen, size, reinterpret_cast<const unsigned char*>(ours.data()),
                                    static_cast<unsigned>(ours.size()), offered, offered_size);
        *out = chosen;
        return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
    }

    tls_server_options options_;
    std::string details_{};
    detail::shared_ssl_ctx context_{};
    std::error_code error_{};
};

} // namespace inflight
