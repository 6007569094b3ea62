// inflight/transport/base64.hpp - Base64.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace inflight::detail {

/// RFC 4648, 4. OpenSSL has one too, which a program that reaches its broker through a proxy need not have.
inline std::string base64(std::string_view in) {
    constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (; !in.empty(); in.remove_prefix(std::min<std::size_t>(in.size(), 3))) {
        std::uint32_t bits = 0;
        for (std::size_t i = 0; i != 3; ++i)
            bits = bits << 8 | (i < in.size() ? static_cast<unsigned char>(in[i]) : 0u);
        for (std::size_t i = 0; i != 4; ++i)
            out += i <= in.size() ? digits[bits >> (18 - 6 * i) & 63] : '=';
    }
    return out;
}

} // namespace inflight::detail
