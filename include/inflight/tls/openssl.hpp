// inflight/tls/openssl.hpp - OpenSSL's objects and its queue of errors, as C++.
#pragma once

#include <inflight/tls/error.hpp>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

namespace inflight::detail {

template <auto Free> struct openssl_deleter {
    template <class T> void operator()(T* object) const { (void)Free(object); }
};
template <class T, auto Free> using openssl_ptr = std::unique_ptr<T, openssl_deleter<Free>>;

using ssl_ptr = openssl_ptr<SSL, &::SSL_free>;
using ssl_session_ptr = openssl_ptr<SSL_SESSION, &::SSL_SESSION_free>;
using bio_ptr = openssl_ptr<BIO, &::BIO_free_all>;
using x509_ptr = openssl_ptr<X509, &::X509_free>;
using crl_ptr = openssl_ptr<X509_CRL, &::X509_CRL_free>;
using key_ptr = openssl_ptr<EVP_PKEY, &::EVP_PKEY_free>;
using names_ptr = openssl_ptr<GENERAL_NAMES, &::GENERAL_NAMES_free>;
using shared_ssl_ctx = std::shared_ptr<SSL_CTX>; // Clients with the same options have one.

/// The text as something to read from, which borrows it.
inline bio_ptr bio_of(std::string_view text) {
    return bio_ptr(::BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// What a function has printed.
template <class Print> std::string printed(Print print) {
    const bio_ptr out(::BIO_new(::BIO_s_mem()));
    if (!out) return {};
    print(out.get());
    char* data = nullptr;
    const long size = ::BIO_get_mem_data(out.get(), &data);
    return data && size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

/// Takes the oldest error of OpenSSL's queue, which is the cause of the others, and empties it.
inline std::error_code take_openssl_error() {
    const unsigned long packed = ::ERR_get_error();
    ::ERR_clear_error();
    if (packed == 0) return tls_errc::openssl_failed;
    if (ERR_SYSTEM_ERROR(packed)) return {ERR_GET_REASON(packed), std::system_category()};
    return {static_cast<int>(packed), openssl_category()};
}

} // namespace inflight::detail
