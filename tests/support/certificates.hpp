// Certificates that tests make as they need them: authorities, servers, clients, good ones and bad ones, and lists of
// those that are revoked. And a directory for their files.
#pragma once

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

namespace pki {

inline void need(bool holds) {
    if (!holds) throw std::runtime_error("OpenSSL cannot make a certificate");
}

/// What a function of OpenSSL's writes to a BIO.
template <class Write>
std::string written(Write write) {
    const std::unique_ptr<BIO, void (*)(BIO*)> out(::BIO_new(::BIO_s_mem()), &::BIO_free_all);
    need(write(out.get()) == 1);
    char* data = nullptr;
    const long size = ::BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

/// A certificate and its key.
struct identity {
    std::shared_ptr<EVP_PKEY> key{};
    std::shared_ptr<X509> certificate{};

    std::string pem() const {
        return written([&](BIO* out) { return ::PEM_write_bio_X509(out, certificate.get()); });
    }
    /// Encrypted, if there is a passphrase.
    std::string key_pem(const std::string& passphrase = {}) const {
        const auto* const words = reinterpret_cast<const unsigned char*>(passphrase.data());
        return written([&](BIO* out) {
            return ::PEM_write_bio_PrivateKey(out, key.get(), passphrase.empty() ? nullptr : ::EVP_aes_256_cbc(), words,
                                              static_cast<int>(passphrase.size()), nullptr, nullptr);
        });
    }
};

/// What a certificate is to be like.
struct wish {
    std::string subject = "localhost";
    std::string names = "DNS:localhost,IP:127.0.0.1,IP:::1"; // As OpenSSL's configuration has them; empty: none.
    const identity* issuer = nullptr;                         // None: signed by itself.
    bool is_authority = false;
    bool is_ed25519 = false; // Whose signatures are all of one length. Otherwise P-256.
    long from_hours = -1, to_hours = 24; // Counted from now.
};

inline identity make(const wish& w) {
    static long serial = 1000;
    identity out;
    out.key.reset(w.is_ed25519 ? ::EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519") : ::EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256"),
                  &::EVP_PKEY_free);
    out.certificate.reset(::X509_new(), &::X509_free);
    need(out.key && out.certificate);
    X509* const x = out.certificate.get();
    const X509* const above = w.issuer ? w.issuer->certificate.get() : x;
    ::X509_set_version(x, 2);
    ::ASN1_INTEGER_set(::X509_get_serialNumber(x), ++serial);
    ::X509_gmtime_adj(::X509_getm_notBefore(x), w.from_hours * 3600);
    ::X509_gmtime_adj(::X509_getm_notAfter(x), w.to_hours * 3600);
    ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(w.subject.data()), static_cast<int>(w.subject.size()), -1, 0);
    ::X509_set_issuer_name(x, ::X509_get_subject_name(above));
    ::X509_set_pubkey(x, out.key.get());
    X509V3_CTX context{};
    X509V3_set_ctx(&context, const_cast<X509*>(above), x, nullptr, nullptr, 0);
    const auto extend = [&](int kind, const std::string& value) {
        X509_EXTENSION* const e = ::X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
        need(e && ::X509_add_ext(x, e, -1) == 1);
        ::X509_EXTENSION_free(e);
    };
    extend(NID_basic_constraints, w.is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
    extend(NID_subject_key_identifier, "hash");
    if (w.issuer) extend(NID_authority_key_identifier, "keyid");
    if (w.is_authority) extend(NID_key_usage, "critical,keyCertSign,cRLSign");
    if (!w.is_authority && !w.names.empty()) extend(NID_subject_alt_name, w.names);
    EVP_PKEY* const signer = (w.issuer ? w.issuer->key : out.key).get();
    need(::X509_sign(x, signer, ::EVP_PKEY_get_id(signer) == EVP_PKEY_ED25519 ? nullptr : ::EVP_sha256()) > 0);
    return out;
}

/// What an authority says it has revoked, in PEM.
inline std::string revocation_list(const identity& issuer, const std::vector<const identity*>& revoked, long from_hours = -1,
                                   long to_hours = 24) {
    const std::unique_ptr<X509_CRL, void (*)(X509_CRL*)> list(::X509_CRL_new(), &::X509_CRL_free);
    const std::unique_ptr<ASN1_TIME, void (*)(ASN1_TIME*)> time(::X509_gmtime_adj(nullptr, from_hours * 3600), &::ASN1_TIME_free);
    ::X509_CRL_set_version(list.get(), 1);
    ::X509_CRL_set_issuer_name(list.get(), ::X509_get_subject_name(issuer.certificate.get()));
    ::X509_CRL_set1_lastUpdate(list.get(), time.get());
    for (const identity* one : revoked) {
        X509_REVOKED* const entry = ::X509_REVOKED_new();
        ::X509_REVOKED_set_serialNumber(entry, ::X509_get_serialNumber(one->certificate.get()));
        ::X509_REVOKED_set_revocationDate(entry, time.get());
        need(::X509_CRL_add0_revoked(list.get(), entry) == 1);
    }
    ::X509_gmtime_adj(time.get(), to_hours * 3600);
    ::X509_CRL_set1_nextUpdate(list.get(), time.get());
    need(::X509_CRL_sign(list.get(), issuer.key.get(), ::EVP_sha256()) > 0);
    return written([&](BIO* out) { return ::PEM_write_bio_X509_CRL(out, list.get()); });
}

/// A directory of the test's own, for the files of it.
class directory {
public:
    directory() {
        std::string name = (std::filesystem::temp_directory_path() / "inflight-pki-").string() + std::string(6, 'X');
        if (!::mkdtemp(name.data())) throw std::runtime_error("no temporary directory");
        path_ = name;
    }
    directory(const directory&) = delete;
    directory& operator=(const directory&) = delete;
    ~directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    std::string path(const std::string& name) const { return (path_ / name).string(); }
    /// Writes a file, and returns its path.
    std::string write(const std::string& name, const std::string& content) const {
        std::ofstream(path_ / name, std::ios::binary) << content;
        return path(name);
    }

private:
    std::filesystem::path path_{};
};

} // namespace pki
