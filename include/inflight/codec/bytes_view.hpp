// inflight/codec/bytes_view.hpp - bytes as an argument, whatever they are held in.
#pragma once

#include <concepts>
#include <ranges>
#include <string_view>
#include <type_traits>

namespace inflight {

/// Bytes borrowed for the time of a call: text, or any contiguous range of byte-sized elements
/// (std::vector<std::uint8_t>, std::span<const std::byte>, std::array<char, N> ...).
class bytes_view {
public:
    constexpr bytes_view() = default;
    template <class Text>
        requires std::convertible_to<const Text&, std::string_view>
    constexpr bytes_view(const Text& text) : bytes_(text) {}
    template <std::ranges::contiguous_range Range>
        requires(!std::convertible_to<const Range&, std::string_view> &&
                 sizeof(std::ranges::range_value_t<Range>) == 1 &&
                 std::is_trivially_copyable_v<std::ranges::range_value_t<Range>>)
    bytes_view(const Range& bytes)
        : bytes_(reinterpret_cast<const char*>(std::ranges::data(bytes)), std::ranges::size(bytes)) {}

    constexpr operator std::string_view() const { return bytes_; }

private:
    std::string_view bytes_{};
};

} // namespace inflight
