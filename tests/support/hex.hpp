// Bytes as text, as the vectors of the tests write them: "30 05 00 01".
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

/// The bytes that `text` writes as pairs of hexadecimal digits. Spaces are skipped; anything else throws.
inline std::string hex(std::string_view text) {
    const auto digit = [&](char c) -> unsigned {
        if (c >= '0' && c <= '9') { return static_cast<unsigned>(c - '0'); }
        if (c >= 'a' && c <= 'f') { return static_cast<unsigned>(c - 'a' + 10); }
        if (c >= 'A' && c <= 'F') { return static_cast<unsigned>(c - 'A' + 10); }
        throw std::invalid_argument("hex: not a hexadecimal digit in '" + std::string(text) + "'");
    };
    std::string bytes;
    unsigned value = 0;
    bool half = false;
    for (const char c : text) {
        if (c == ' ') { continue; }
        value = value * 16 + digit(c);
        if (half) {
            bytes.push_back(static_cast<char>(value));
            value = 0;
        }
        half = !half;
    }
    if (half) { throw std::invalid_argument("hex: odd number of digits in '" + std::string(text) + "'"); }
    return bytes;
}

/// The inverse, for messages and comparisons: capital digits, one space between bytes.
inline std::string to_hex(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string text;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (!text.empty()) { text.push_back(' '); }
        text.push_back(digits[byte >> 4]);
        text.push_back(digits[byte & 15]);
    }
    return text;
}
