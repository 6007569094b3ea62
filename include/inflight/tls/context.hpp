// inflight/tls/context.hpp - options and files become an SSL_CTX, for either role.
#pragma once

#include <inflight/tls/material.hpp>

namespace inflight::detail {

enum class tls_role : std::uint8_t { client, server };

/// Makes an SSL_CTX. Every step gives an error, of which the details name the file or the option.
class tls_context_builder {
public:
    tls_context_builder(tls_role role, const tls_options& options, const tls_material& files,
                        std::string& details)
        : options_(options), files_(files), details_(details), role_(role) {}

    std::error_code build(shared_ssl_ctx& out) {
        ::ERR_clear_error();
        const bool is_client = role_ == tls_role::client;
        const shared_ssl_ctx made(::SSL_CTX_new(is_client ? ::TLS_client_method() : ::TLS_server_method()),
                                  openssl_deleter<&::SSL_CTX_free>());
        context_ = made.get();
        if (!context_) return take_openssl_error();
        if (const auto bad = set_protocol()) return bad;
        if (const auto bad = set_authorities()) return bad;
        if (const auto bad = set_revoked()) return bad;
        if (const auto bad = set_identity()) return bad;
        out = made;
        return {};
    }

private:
    std::error_code set_protocol() {
        // An idle connection owns no buffers, and nobody can begin TLS 1.2's handshake anew.
        ::SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS);
        ::SSL_CTX_set_options(context_, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
        const int least = options_.minimum_version == tls_version::v1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
        if (::SSL_CTX_set_min_proto_version(context_, least) != 1) return take_openssl_error();
        if ((!options_.ciphers.empty() &&
             ::SSL_CTX_set_cipher_list(context_, options_.ciphers.c_str()) != 1) ||
            (!options_.cipher_suites.empty() &&
             ::SSL_CTX_set_ciphersuites(context_, options_.cipher_suites.c_str()) != 1)) {
            details_ = take_reason();
            return tls_errc::invalid_ciphers;
        }
        return {};
    }

    std::error_code set_authorities() {
        X509_STORE* const store = ::SSL_CTX_get_cert_store(context_);
        const auto trust = [&](x509_ptr one) { return ::X509_STORE_add_cert(store, one.get()) == 1; };
        const bool are_named =
            !options_.ca_file.empty() || !options_.ca_text.empty() || !options_.ca_directory.empty();
        if (!options_.ca_file.empty() && !for_each<x509_ptr>(&::PEM_read_bio_X509, files_.authorities, trust))
            return unusable(tls_errc::ca_unreadable, options_.ca_file, "certificate");
        if (!options_.ca_text.empty() && !for_each<x509_ptr>(&::PEM_read_bio_X509, options_.ca_text, trust))
            return unusable(tls_errc::ca_unreadable, "ca_text", "certificate");
        if (!options_.ca_directory.empty() &&
            ::SSL_CTX_load_verify_dir(context_, options_.ca_directory.c_str()) != 1)
            return unusable(tls_errc::ca_unreadable, options_.ca_directory, "certificate");
        const bool wants_system = options_.use_system_store || (!are_named && role_ == tls_role::client);
        if (wants_system && ::SSL_CTX_set_default_verify_paths(context_) != 1) return take_openssl_error();
        return {};
    }

    std::error_code set_revoked() {
        X509_STORE* const store = ::SSL_CTX_get_cert_store(context_);
        if (options_.crl_file.empty()) { // An authority that is trusted need not be a root.
            ::X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
            return {};
        }
        const auto keep = [&](crl_ptr one) { return ::X509_STORE_add_crl(store, one.get()) == 1; };
        if (!for_each<crl_ptr>(&::PEM_read_bio_X509_CRL, files_.revoked, keep))
            return unusable(tls_errc::crl_unreadable, options_.crl_file, "list of revoked certificates");
        // Here it must: OpenSSL looks up the authority's own certificate too.
        ::X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
        return {};
    }

    std::error_code set_identity() {
        if (options_.certificate_file.empty())
            return role_ == tls_role::client ? std::error_code() : make_error_code(tls_errc::no_certificate);
        bool is_first = true;
        const auto take = [&](x509_ptr one) {
            if (std::exchange(is_first, false)) return ::SSL_CTX_use_certificate(context_, one.get()) == 1;
            return SSL_CTX_add1_chain_cert(context_, one.get()) == 1;
        };
        if (!for_each<x509_ptr>(&::PEM_read_bio_X509, files_.certificate, take))
            return unusable(tls_errc::certificate_unreadable, options_.certificate_file, "certificate");
        const bool is_apart = !options_.key_file.empty();
        return set_key(is_apart ? options_.key_file : options_.certificate_file,
                       is_apart ? files_.key : files_.certificate);
    }

    struct passphrase {
        std::string_view words;
        bool was_asked_for = false;

        static int tell(char* out, int size, int, void* self) noexcept {
            auto& p = *static_cast<passphrase*>(self);
            p.was_asked_for = true;
            if (p.words.empty() || p.words.size() > static_cast<std::size_t>(size)) return -1;
            p.words.copy(out, p.words.size());
            return static_cast<int>(p.words.size());
        }
        // Certificates have none; OpenSSL's own function would ask on the terminal.
        static int none(char*, int, int, void*) noexcept { return -1; }
    };

    std::error_code set_key(const std::string& path, std::string_view text) {
        passphrase secret{options_.key_passphrase};
        const bio_ptr in = bio_of(text);
        const key_ptr key(::PEM_read_bio_PrivateKey(in.get(), nullptr, &passphrase::tell, &secret));
        if (!key) {
            if (!secret.was_asked_for) return unusable(tls_errc::key_unreadable, path, "private key");
            details_ = path;
            ::ERR_clear_error();
            return secret.words.empty() ? tls_errc::key_passphrase_missing : tls_errc::key_passphrase_wrong;
        }
        if (::SSL_CTX_use_PrivateKey(context_, key.get()) != 1 ||
            ::SSL_CTX_check_private_key(context_) != 1) {
            details_ = path + " and " + options_.certificate_file + ": " + take_reason();
            return tls_errc::key_mismatch;
        }
        return {};
    }

    // Takes all objects of a kind out of a text; there must be one, and none may be damaged.
    template <class Pointer, class Read, class Take>
    static bool for_each(Read read, std::string_view text, Take take) {
        const bio_ptr in = bio_of(text);
        std::size_t count = 0;
        while (Pointer one{in ? read(in.get(), nullptr, &passphrase::none, nullptr) : nullptr}) {
            if (!take(std::move(one))) return false;
            ++count;
        }
        if (count == 0 || !is_end(::ERR_peek_last_error())) return false;
        ::ERR_clear_error();
        return true;
    }

    static bool is_end(unsigned long error) {
        return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
    }

    std::error_code unusable(tls_errc code, const std::string& where, std::string_view what) {
        const unsigned long error = ::ERR_peek_last_error();
        const bool is_absent = is_end(error) || ERR_GET_LIB(error) == ERR_LIB_OSSL_DECODER;
        details_ =
            where + ": " + (is_absent ? "no " + std::string(what) + " in PEM is in it" : take_reason());
        ::ERR_clear_error();
        return code;
    }

    static std::string take_reason() { return take_openssl_error().message(); }

    const tls_options& options_;
    const tls_material& files_;
    std::string& details_;
    SSL_CTX* context_ = nullptr;
    tls_role role_;
};

/// Protocol names as the extension has them, each with its length before it. RFC 7301, 3.1.
inline std::error_code encode_alpn(const std::vector<std::string>& names, std::string& out) {
    for (const std::string& name : names) {
        if (name.empty() || name.size() > 255) return tls_errc::invalid_alpn;
        out += static_cast<char>(name.size());
        out += name;
    }
    return out.size() > 65'535 ? make_error_code(tls_errc::invalid_alpn) : std::error_code();
}

} // namespace inflight::detail
