// inflight/transport/ascii.hpp - text in which ASCII's letters are the same, large or small.
#pragma once

#include <algorithm>
#include <string_view>

namespace inflight::detail {

constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) {
    const auto small = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [&](char x, char y) { return small(x) == small(y); });
}

} // namespace inflight::detail
