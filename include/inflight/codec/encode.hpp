// inflight/codec/encode.hpp - packets to bytes: measure and refuse first, then write without checks.
#pragma once

#include <inflight/codec/packet.hpp>

namespace inflight {
namespace detail {

struct visitor_base {
    protocol_version version;
    packet_type type;
    constexpr bool v5() const { return version == protocol_version::v5; }
    // AUTH leaves out both its Reason Code and its Property Length, or none of them. [v5:MQTT-2.2.2-1]
    constexpr bool writes_empty_properties(reason_code code) const {
        return type == packet_type::auth && code != reason_code::success;
    }
};

template <class... T>
constexpr unsigned pack(bit_run<T>... runs) {
    return (0u | ... | (static_cast<unsigned>(runs.value) << runs.shift));
}

// Whether `code` may stand in a packet of this type and version.
constexpr bool is_allowed(reason_code code, packet_type type, protocol_version version) {
    if (version == protocol_version::v3_1_1 && type == packet_type::connack) {
        const std::size_t octet = connack_byte(code, version); // Bytes 1 to 5 stand for other codes.
        return octet < 0x80 && (octet >= connack_return_codes.size() || connack_return_codes[octet] == code);
    }
    if (version == protocol_version::v3_1_1)
        return number(code) <= 2 || number(code) == 0x80; // [v3:MQTT-3.9.3-2]
    const reason_row* known = find_reason(code);
    return known && known->in.has(type);
}

// Computes the Remaining Length, and finds what cannot be put on the wire.
struct measurer : visitor_base {
    std::size_t size = 0;
    errc error = errc::none;

    void refuse(errc why) {
        if (error == errc::none) error = why;
    }
    void require(bool holds, errc otherwise) {
        if (!holds) refuse(otherwise);
    }

    void header(unsigned) {}
    template <class... T>
    void header(bit_run<T>... runs) { flags_valid(runs...); }
    template <class... T>
    void flags(bit_run<T>... runs) {
        flags_valid(runs...);
        size += 1;
    }
    void protocol(std::string_view name) { size += 2 + name.size() + 1; }
    void two_byte(std::string_view, std::uint16_t) { size += 2; }
    void binary(std::string_view, std::string_view bytes) {
        require(bytes.size() <= wire::text_max, errc::field_too_long); // [v5:MQTT-4.7.3-3]
        size += 2 + bytes.size();
    }
    void secret(std::string_view name, std::string_view bytes) { binary(name, bytes); }
    void utf8(std::string_view name, std::string_view text) {
        require(wire::is_utf8(text), errc::not_utf8);
        binary(name, text);
    }
    void topic(std::string_view name, std::string_view text) {
        if (const errc bad = check_characters(text); bad != errc::none) refuse(bad);
        binary(name, text);
    }
    void filter(std::string_view name, std::string_view text) {
        if (const errc bad = check_topic_filter(text); bad != errc::none) refuse(bad);
        binary(name, text);
    }
    void rest(std::string_view, std::string_view bytes) { size += bytes.size(); }
    void identifier(packet_id id) {
        require(id != packet_id::none, errc::packet_id_zero); // [v5:MQTT-2.2.1-3]
        size += 2;
    }
    void reason(std::string_view, reason_code code) {
        require(is_allowed(code, type, version), errc::reason_not_allowed);
        size += 1;
    }
    template <packet_type Where>
    void properties(properties_view<Where> props) { // [v5:MQTT-2.2.2-1]
        size += 1;
        if (props.empty()) return; // As a rule.
        const std::string_view bytes = props.bytes();
        if (const errc bad = check_properties(bytes, Where); bad != errc::none) refuse(bad);
        require(bytes.size() <= wire::varint_max, errc::packet_too_large);
        size += wire::varint_size(bytes.size()) - 1 + bytes.size();
    }
    template <packet_type Where>
    void reason_tail(reason_code code, properties_view<Where> props) {
        if (props.empty() && code == reason_code::success) return; // Which is allowed where there is a code.
        reason("", code);
        if (!props.empty() || writes_empty_properties(code)) properties(props);
    }
    template <class T>
    bool present(const std::optional<T>& field, bool) const { return field.has_value(); }
    template <class T>
    void derived(const T&, T) {}
    template <class List, class Each>
    void one_or_more(const List& list, Each each) {
        require(!list.empty(), errc::empty_list);
        for (const auto& entry : list) each(entry);
    }

private:
    template <class... T>
    void flags_valid(bit_run<T>... runs) { require((is_valid(runs.value) && ...), errc::bad_enumerator); }
};

struct encoder : visitor_base {
    wire::writer out;
    std::size_t remaining;

    void require(bool, errc) {}
    void header(unsigned flags) {
        out.byte(static_cast<unsigned>(type) << 4 | flags);
        out.varint(remaining);
    }
    template <class... T>
    void header(bit_run<T>... runs) { header(pack(runs...)); }
    template <class... T>
    void flags(bit_run<T>... runs) { out.byte(pack(runs...)); }
    void protocol(std::string_view name) {
        out.binary(name);
        out.byte(static_cast<unsigned>(version));
    }
    void two_byte(std::string_view, std::uint16_t value) { out.two_byte(value); }
    void binary(std::string_view, std::string_view bytes) { out.binary(bytes); }
    void secret(std::string_view, std::string_view bytes) { out.binary(bytes); }
    void utf8(std::string_view, std::string_view text) { out.binary(text); }
    void topic(std::string_view, std::string_view text) { out.binary(text); }
    void filter(std::string_view, std::string_view text) { out.binary(text); }
    void rest(std::string_view, std::string_view bytes) { out.raw(bytes); }
    void identifier(packet_id id) { out.two_byte(number(id)); }
    void reason(std::string_view, reason_code code) {
        out.byte(type == packet_type::connack ? connack_byte(code, version) : number(code));
    }
    template <packet_type Where>
    void properties(properties_view<Where> props) {
        out.varint(props.bytes().size());
        out.raw(props.bytes());
    }
    template <packet_type Where>
    void reason_tail(reason_code code, properties_view<Where> props) {
        if (!props.empty() || code != reason_code::success) out.byte(number(code));
        if (!props.empty() || writes_empty_properties(code)) properties(props);
    }
    template <class T>
    bool present(const std::optional<T>& field, bool) const { return field.has_value(); }
    template <class T>
    void derived(const T&, T) {}
    template <class List, class Each>
    void one_or_more(const List& list, Each each) {
        for (const auto& entry : list) each(entry);
    }
};

} // namespace detail

/// The sizes of a packet that can be encoded.
struct measure {
    std::size_t remaining = 0; // The Remaining Length.
    std::size_t total = 0;     // All bytes, the fixed header included.
};

/// Measures `p`, or says why it cannot be encoded. `maximum` is the peer's Maximum Packet Size, in bytes.
template <class Packet>
[[gnu::always_inline]] inline result<measure> measure_packet(const Packet& p, protocol_version version,
                                                             std::size_t maximum = wire::packet_max) {
    if (Packet::type == packet_type::auth && version != protocol_version::v5) return errc::not_supported;
    detail::measurer size{{version, Packet::type}};
    Packet::fields(p, size);
    if (size.error != errc::none) return size.error;
    if (size.size > wire::varint_max) return errc::packet_too_large;
    const std::size_t total = 1 + wire::varint_size(size.size) + size.size;
    if (total > maximum) return errc::packet_too_large; // [v5:MQTT-3.2.2-15]
    return measure{size.size, total};
}

/// Writes `p` to the `size.total` bytes at `out`. `size` comes from measure_packet for the same packet and
/// version; this cannot fail.
template <class Packet>
[[gnu::always_inline]] inline void encode_measured(const Packet& p, protocol_version version, measure size,
                                                   char* out) {
    detail::encoder encode{{version, Packet::type}, wire::writer(out, size.total), size.remaining};
    Packet::fields(p, encode);
    assert(encode.out.left() == 0);
}

/// Appends the bytes of `p` to `out`, or says why it cannot be encoded and leaves `out` alone.
template <class Packet>
errc encode(const Packet& p, protocol_version version, std::string& out,
            std::size_t maximum = wire::packet_max) {
    const result<measure> size = measure_packet(p, version, maximum);
    if (!size) return size.error();
    const std::size_t before = out.size();
    out.resize(before + size->total);
    encode_measured(p, version, *size, out.data() + before);
    return errc::none;
}

} // namespace inflight
