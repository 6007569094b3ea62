// inflight/tls/error.hpp - what can be wrong with TLS: files, certificates, the peer. Three categories.
//
// All of them judge their errors (codec/error_condition.hpp). What bad bytes cause, and what time or a
// renewed certificate heals, is transient. What somebody must put right is fatal: a file, a name, an
// authority.
#pragma once

#include <inflight/codec/error_condition.hpp>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <array>
#include <string>
#include <string_view>
#include <system_error>

namespace inflight {

/// What we found wrong. OpenSSL's errors, the peer's alerts among them, are of openssl_category(), and what
/// is wrong with a certificate of verification_category().
enum class tls_errc {
    none,
    not_tls,                // The peer's first bytes are no TLS.
    closed_in_handshake,
    truncated,              // The end came without close_notify.
    ca_unreadable,          // Files: the details say which, and why.
    crl_unreadable,
    certificate_unreadable,
    key_unreadable,
    key_passphrase_missing,
    key_passphrase_wrong,
    key_mismatch,
    files_unreadable_again, // One of the above, but they were good for an earlier connection.
    no_certificate,         // A server without.
    invalid_alpn,
    invalid_ciphers,
    invalid_server_name,
    openssl_failed,         // Without saying why: no memory, above all.
};

namespace detail {

struct tls_errc_row {
    tls_errc code;
    error_condition condition;
    std::string_view text;
};

inline constexpr auto tls_errc_table = [] {
    using enum error_condition;
    return std::to_array<tls_errc_row>({
        {tls_errc::not_tls, transient, "the peer does not speak TLS: is it the right port?"},
        {tls_errc::closed_in_handshake, transient, "the peer closed the connection during the TLS handshake"},
        {tls_errc::truncated, transient, "connection closed without TLS's close_notify: the peer died, or was cut off"},
        {tls_errc::ca_unreadable, fatal, "the certificates of authorities cannot be read"},
        {tls_errc::crl_unreadable, fatal, "the list of revoked certificates cannot be read"},
        {tls_errc::certificate_unreadable, fatal, "the certificate cannot be read"},
        {tls_errc::key_unreadable, fatal, "the private key cannot be read"},
        {tls_errc::key_passphrase_missing, fatal, "the private key is encrypted, and there is no passphrase"},
        {tls_errc::key_passphrase_wrong, fatal, "the passphrase does not open the private key"},
        {tls_errc::key_mismatch, fatal, "the private key does not belong to the certificate"},
        {tls_errc::files_unreadable_again, transient, "certificate files were changed and cannot be used as they are now"},
        {tls_errc::no_certificate, fatal, "a TLS server needs a certificate"},
        {tls_errc::invalid_alpn, fatal, "an ALPN name is empty or longer than 255 bytes, or there are too many"},
        {tls_errc::invalid_ciphers, fatal, "OpenSSL knows none of the ciphers"},
        {tls_errc::invalid_server_name, fatal, "the server's name cannot be one"},
        {tls_errc::openssl_failed, transient, "OpenSSL failed"},
    });
}();

constexpr const tls_errc_row* find_row(tls_errc code) {
    for (const tls_errc_row& row : tls_errc_table)
        if (row.code == code) return &row;
    return nullptr;
}

} // namespace detail

/// The category of tls_errc.
inline const std::error_category& tls_category() {
    static const struct final : std::error_category {
        const char* name() const noexcept override { return "tls"; }
        std::string message(int code) const override {
            if (code == 0) return "no error";
            const auto* row = detail::find_row(static_cast<tls_errc>(code));
            return row ? std::string(row->text) : "unknown TLS error";
        }
        std::error_condition default_error_condition(int code) const noexcept override {
            const auto* row = detail::find_row(static_cast<tls_errc>(code));
            return row ? make_error_condition(row->condition) : std::error_condition(code, *this);
        }
        // An end without close_notify is to a client what an end is without TLS.
        bool equivalent(int code, const std::error_condition& other) const noexcept override {
            const bool is_end = static_cast<tls_errc>(code) == tls_errc::truncated;
            return (is_end && other == std::errc::connection_aborted) || error_category::equivalent(code, other);
        }
        using error_category::equivalent;
    } instance;
    return instance;
}
inline std::error_code make_error_code(tls_errc code) { return {static_cast<int>(code), tls_category()}; }

/// The category of what is wrong with a certificate: X509_V_ERR_CERT_HAS_EXPIRED and the others of OpenSSL.
inline const std::error_category& verification_category() {
    static const struct final : std::error_category {
        const char* name() const noexcept override { return "tls.certificate"; }
        std::string message(int code) const override {
            if (code == X509_V_OK) return "certificate accepted";
            return std::string("certificate refused: ") + ::X509_verify_cert_error_string(code);
        }
        std::error_condition default_error_condition(int code) const noexcept override {
            switch (code) {
                case X509_V_OK: return {code, *this};
                // A matter of time, or of this machine's clock: certificates and lists are renewed.
                case X509_V_ERR_CERT_NOT_YET_VALID:
                case X509_V_ERR_CERT_HAS_EXPIRED:
                case X509_V_ERR_CRL_NOT_YET_VALID:
                case X509_V_ERR_CRL_HAS_EXPIRED:
                case X509_V_ERR_OUT_OF_MEM: return make_error_condition(error_condition::transient);
                default: return make_error_condition(error_condition::fatal);
            }
        }
    } instance;
    return instance;
}

namespace detail {

/// The alert that the peer has sent, if that is what the error says; 0 is none that we could get as an error.
inline int alert_of(unsigned long packed) {
    const int reason = ERR_GET_REASON(packed);
    return ERR_GET_LIB(packed) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET
                                                                               : 0;
}

/// The peer finds fault with something that will be the same next time.
constexpr bool is_fatal_alert(int alert) {
    switch (alert) {
        case SSL_AD_HANDSHAKE_FAILURE: // No cipher in common; of TLS 1.2, also a certificate that is missing.
        case SSL_AD_BAD_CERTIFICATE:
        case SSL_AD_UNSUPPORTED_CERTIFICATE:
        case SSL_AD_CERTIFICATE_REVOKED:
        case SSL_AD_CERTIFICATE_UNKNOWN:
        case SSL_AD_UNKNOWN_CA:
        case SSL_AD_ACCESS_DENIED:
        case SSL_AD_PROTOCOL_VERSION:
        case SSL_AD_INSUFFICIENT_SECURITY:
        case SSL_AD_UNRECOGNIZED_NAME:
        case SSL_AD_CERTIFICATE_REQUIRED:
        case SSL_AD_NO_APPLICATION_PROTOCOL: return true;
        default: return false;
    }
}

} // namespace detail

/// The category of OpenSSL's errors, as ERR_get_error() gives them, without those of the system.
inline const std::error_category& openssl_category() {
    static const struct final : std::error_category {
        const char* name() const noexcept override { return "tls.openssl"; }
        std::string message(int code) const override {
            const auto packed = static_cast<unsigned long>(code);
            const char* const text = ::ERR_reason_error_string(packed);
            const std::string words = text ? text : "OpenSSL error " + std::to_string(packed);
            return detail::alert_of(packed) ? "the peer ends TLS: " + words : "TLS: " + words;
        }
        std::error_condition default_error_condition(int code) const noexcept override {
            const auto packed = static_cast<unsigned long>(code);
            const bool is_too_old = ERR_GET_LIB(packed) == ERR_LIB_SSL &&
                                    (ERR_GET_REASON(packed) == SSL_R_UNSUPPORTED_PROTOCOL ||
                                     ERR_GET_REASON(packed) == SSL_R_NO_PROTOCOLS_AVAILABLE);
            const bool is_fatal = is_too_old || detail::is_fatal_alert(detail::alert_of(packed));
            return make_error_condition(is_fatal ? error_condition::fatal : error_condition::transient);
        }
    } instance;
    return instance;
}

} // namespace inflight

template <>
struct std::is_error_code_enum<inflight::tls_errc> : std::true_type {};
