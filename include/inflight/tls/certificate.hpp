// inflight/tls/certificate.hpp - why a certificate is refused, in words for a human being.
#pragma once

#include <inflight/tls/openssl.hpp>

namespace inflight::detail {

// Names come from the peer: what is no plain character is escaped.
inline constexpr unsigned long name_flags =
    XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);

/// The most that is told of a name, in bytes, and of how many of them.
inline constexpr std::size_t most_of_a_name = 200, most_names = 8;

inline std::string shortened(std::string text) {
    if (text.size() > most_of_a_name) text.replace(most_of_a_name, text.npos, "...");
    return text;
}

inline std::string name_of(const X509_NAME* name) {
    std::string text = printed([&](BIO* out) { ::X509_NAME_print_ex(out, name, 0, name_flags); });
    return text.empty() ? "(empty)" : shortened(std::move(text));
}

/// 2026-11-27 18:39:45Z
inline std::string time_of(const ASN1_TIME* time) {
    return printed([&](BIO* out) { ::ASN1_TIME_print_ex(out, time, ASN1_DTFLGS_ISO8601); });
}

inline std::string name_of(const GENERAL_NAME* name) {
    if (name->type == GEN_IPADD)
        return printed([&](BIO* out) { ::GENERAL_NAME_print(out, const_cast<GENERAL_NAME*>(name)); });
    if (name->type != GEN_DNS) return {};
    return shortened(
        printed([&](BIO* out) { ::ASN1_STRING_print_ex(out, name->d.dNSName, ASN1_STRFLGS_ESC_CTRL); }));
}

/// The names that a certificate bears: those that count, which are the subject's only if there are no others.
inline std::string names_in(const X509* certificate) {
    std::string out;
    const names_ptr names(
        static_cast<GENERAL_NAMES*>(::X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
    std::size_t count = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const std::string one = name_of(sk_GENERAL_NAME_value(names.get(), i));
        if (one.empty()) continue;
        if (++count > most_names) return out + " ...";
        out += (out.empty() ? "" : ", ") + one;
    }
    return out.empty() ? name_of(::X509_get_subject_name(certificate)) : out;
}

/// What more there is to say of one kind of refusal.
inline std::string cause_of(int error, const X509* certificate, const X509_CRL* crl,
                            std::string_view wanted) {
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "it was valid until " + time_of(::X509_get0_notAfter(certificate));
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "it is valid from " + time_of(::X509_get0_notBefore(certificate)) +
               ", if the clock of this machine is right";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "wanted " + std::string(wanted) + ", but it is for " + names_in(certificate);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE: return "the issuer is neither trusted nor sent along";
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return "no authority stands for it, and it is not trusted itself";
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return "the chain ends in an authority that is not trusted";
    case X509_V_ERR_UNABLE_TO_GET_CRL: return "there is no list of what its issuer has revoked";
    case X509_V_ERR_CRL_HAS_EXPIRED:
        return crl ? "a newer list was due on " + time_of(::X509_CRL_get0_nextUpdate(crl)) : std::string();
    case X509_V_ERR_CRL_NOT_YET_VALID:
        return crl ? "the list counts from " + time_of(::X509_CRL_get0_lastUpdate(crl)) : std::string();
    default: return {};
    }
}

/// Which certificate it is; `depth` is how far above the peer's own.
inline std::string describe(const X509* certificate, int depth) {
    return (depth == 0 ? "certificate"
                       : "authority's certificate, " + std::to_string(depth) + " above the peer's") +
           " (subject " + name_of(::X509_get_subject_name(certificate)) + "; issuer " +
           name_of(::X509_get_issuer_name(certificate)) + ")";
}

/// Which certificate, and why. `wanted` is the name that it should bear.
inline std::string describe_refusal(X509_STORE_CTX* store, std::string_view wanted) {
    const X509* const certificate = ::X509_STORE_CTX_get_current_cert(store);
    if (!certificate) return {};
    const std::string cause = cause_of(::X509_STORE_CTX_get_error(store), certificate,
                                       ::X509_STORE_CTX_get0_current_crl(store), wanted);
    return (cause.empty() ? "" : cause + ": ") +
           describe(certificate, ::X509_STORE_CTX_get_error_depth(store));
}

} // namespace inflight::detail
