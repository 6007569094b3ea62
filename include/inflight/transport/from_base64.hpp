// inflight/transport/from_base64.hpp - Base64 that is read: by OpenSSL, and nothing but the one right form.
#pragma once

#include <inflight/transport/base64.hpp>

#include <openssl/evp.h>

#include <optional>

namespace inflight::detail {

/// What a text in Base64, with padding, stands for. RFC 4648, 4.
inline std::optional<std::string> from_base64(std::string_view in) {
    if (in.empty() || in.size() % 4 != 0) return std::nullopt;
    std::string out(in.size() / 4 * 3, '\0');
    const int size = ::EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                       reinterpret_cast<const unsigned char*>(in.data()),
                                       static_cast<int>(in.size()));
    if (size < 0) return std::nullopt;
    out.resize(out.size() - (in.ends_with("==") ? 2 : in.ends_with('=') ? 1 : 0)); // OpenSSL counts these.
    if (base64(out) != in) return std::nullopt; // OpenSSL takes blanks, stray padding and stray bits too.
    return out;
}

} // namespace inflight::detail
