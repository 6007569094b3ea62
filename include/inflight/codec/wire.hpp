// inflight/codec/wire.hpp - the data representations of the standard, in and out.
// Standard: MQTT 5.0 section 1.5; MQTT 3.1.1 sections 1.5, 2.2.3.
#pragma once

#include <inflight/codec/error.hpp>

#include <cstring>

namespace inflight::wire {

inline constexpr std::uint32_t varint_max = 268'435'455;
inline constexpr std::size_t text_max = 65'535;
/// The largest packet there can be: first byte, four bytes of Remaining Length, the rest.
inline constexpr std::size_t packet_max = 5 + std::size_t{varint_max};

constexpr std::size_t varint_size(std::size_t value) {
    return value < 128 ? 1 : value < 16'384 ? 2 : value < 2'097'152 ? 3 : 4;
}

using eight_bytes = std::uint64_t;

constexpr eight_bytes repeat(char c) {
    return eight_bytes{0x0101'0101'0101'0101} * static_cast<unsigned char>(c);
}

// Compilers make one load of it.
template <std::size_t... I>
constexpr eight_bytes load(const char* at, std::index_sequence<I...>) {
    return (... | (eight_bytes{static_cast<unsigned char>(at[I])} << 8 * I));
}

// Whether all characters are ASCII, none of them below `lowest`. Looks at eight of them at a time: a byte
// that is too small borrows from its high bit, in which one that is too large shows already.
constexpr bool is_ascii_from(char lowest, std::string_view text) {
    constexpr std::make_index_sequence<sizeof(eight_bytes)> each{};
    const auto is_good = [low = repeat(lowest)](eight_bytes word) {
        return ((word | (word - low)) & repeat('\x80')) == 0;
    };
    if (text.size() < each.size()) {
        constexpr std::make_index_sequence<sizeof(eight_bytes) / 2> half{};
        if (text.size() >= half.size()) { // The first four and the last four, which may overlap.
            const char* const first = text.data();
            return is_good(load(first, half) | load(first + (text.size() - half.size()), half) << 32);
        }
        eight_bytes word = repeat('a');
        for (const char c : text) word = word << 8 | static_cast<unsigned char>(c);
        return is_good(word);
    }
    const char* const last = text.data() + (text.size() - each.size()); // Overlaps the word before it.
    for (const char* at = text.data(); at < last; at += each.size())
        if (!is_good(load(at, each))) return false;
    return is_good(load(last, each));
}

[[gnu::noinline]] constexpr bool is_utf8_by_character(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    for (std::size_t i = 0; i != text.size();) {
        const unsigned lead = at(i);
        if (lead == 0) return false;
        if (lead < 0x80) {
            ++i;
            continue;
        }
        const std::size_t tail = lead >= 0xC2 && lead < 0xE0   ? 1
                                 : lead >= 0xE0 && lead < 0xF0 ? 2
                                 : lead >= 0xF0 && lead < 0xF5 ? 3
                                                               : 0;
        if (tail == 0 || text.size() - i <= tail) return false;
        const unsigned second = at(i + 1);
        if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) || // over-long; surrogate
            (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F))   // over-long; above U+10FFFF
            return false;
        for (std::size_t k = 1; k <= tail; ++k)
            if ((at(i + k) & 0xC0u) != 0x80u) return false;
        i += tail + 1;
    }
    return true;
}

/// True for well-formed UTF-8 without surrogates and without U+0000. Control characters, non-characters and a
/// byte order mark are let through. [v5:MQTT-1.5.4-1] [v5:MQTT-1.5.4-2] [v5:MQTT-1.5.4-3] [v5:U5-01]
constexpr bool is_utf8(std::string_view text) {
    return is_ascii_from('\x01', text) || is_utf8_by_character(text);
}

/// Reads from the front of a byte range. The first failure sticks, and every later read yields an empty
/// value, so that a caller may check once, at the end.
class reader {
public:
    constexpr explicit reader(std::string_view in) : in_(in) {}

    constexpr errc error() const { return error_; }
    constexpr bool ok() const { return error_ == errc::none; }
    constexpr bool at_end() const { return in_.empty(); }
    constexpr std::size_t left() const { return in_.size(); }
    constexpr void fail(errc code) {
        if (ok()) error_ = code;
        in_ = {};
    }

    [[gnu::always_inline]] constexpr std::uint8_t byte() {
        return static_cast<std::uint8_t>(big_endian<1>());
    }
    [[gnu::always_inline]] constexpr std::uint16_t two_byte() {
        return static_cast<std::uint16_t>(big_endian<2>());
    }
    constexpr std::uint32_t four_byte() { return big_endian<4>(); }

    enum class varint_form { shortest, any }; // 3.1.1 does not demand the shortest form.

    [[gnu::always_inline]] constexpr std::uint32_t varint(varint_form form = varint_form::shortest) {
        std::uint32_t value = byte();
        if (value < 0x80) return value;
        value &= 0x7F;
        for (unsigned shift = 7; shift <= 21; shift += 7) {
            const unsigned octet = byte();
            if (!ok()) return 0;
            value |= (octet & 0x7Fu) << shift;
            if (octet >= 0x80) continue;
            if (octet == 0 && form == varint_form::shortest) fail(errc::varint_not_minimal);
            return value;
        }
        fail(errc::varint_too_long); // [v5:U5-02] [v3:U3-01]
        return 0;
    }

    [[gnu::always_inline]] constexpr std::string_view binary() { return take(two_byte()); }
    [[gnu::always_inline]] constexpr std::string_view utf8() {
        const std::string_view text = binary();
        if (!is_utf8(text)) fail(errc::not_utf8);
        return ok() ? text : std::string_view{};
    }
    constexpr std::string_view rest() { return take(in_.size()); }

    [[gnu::always_inline]] constexpr std::string_view take(std::size_t size) {
        if (size > in_.size()) [[unlikely]] {
            fail(errc::truncated);
            return {};
        }
        std::string_view out = in_;
        out.remove_suffix(in_.size() - size);
        in_.remove_prefix(size);
        return out;
    }

private:
    template <std::size_t Size>
    [[gnu::always_inline]] constexpr std::uint32_t big_endian() {
        const std::string_view bytes = take(Size);
        if (bytes.size() != Size) [[unlikely]] return 0;
        std::uint32_t value = 0;
        for (std::size_t i = 0; i != Size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
        return value;
    }

    std::string_view in_;
    errc error_ = errc::none;
};

/// Fills a buffer whose size the caller has measured before.
class writer {
public:
    writer(char* out, std::size_t size) : at_(out), end_(out + size) {}

    std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

    void byte(unsigned value) {
        assert(at_ != end_);
        *at_++ = static_cast<char>(value);
    }
    void two_byte(unsigned value) {
        byte(value >> 8);
        byte(value & 0xFF);
    }
    void four_byte(std::uint32_t value) {
        two_byte(value >> 16);
        two_byte(value & 0xFFFF);
    }
    void varint(std::size_t value) {
        assert(value <= varint_max);
        for (; value >= 128; value >>= 7) byte(static_cast<unsigned>(value & 0x7F) | 0x80u);
        byte(static_cast<unsigned>(value));
    }
    [[gnu::always_inline]] void binary(std::string_view bytes) {
        assert(bytes.size() <= text_max);
        two_byte(static_cast<unsigned>(bytes.size()));
        raw(bytes);
    }
    void raw(std::string_view bytes) {
        assert(bytes.size() <= left());
        if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
        at_ += bytes.size();
    }

private:
    char* at_;
    char* end_;
};

} // namespace inflight::wire
