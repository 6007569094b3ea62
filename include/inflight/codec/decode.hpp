// inflight/codec/decode.hpp - bytes to packets. A decoded packet borrows from the bytes it came from.
#pragma once

#include <inflight/codec/encode.hpp>

namespace inflight {

/// One packet cut from the front of a byte stream, not yet understood.
struct frame {
    std::uint8_t first = 0; // Type and flags.
    std::string_view body{};
    std::size_t size = 0; // Of the whole packet, in bytes.

    packet_type type() const { return static_cast<packet_type>(first >> 4); }
};

namespace detail {

struct decoder : visitor_base {
    wire::reader in;
    unsigned header_flags;

    void require(bool holds, errc otherwise) {
        if (!holds) in.fail(otherwise);
    }
    void header(unsigned expected) {
        require(header_flags == expected, errc::reserved_bits);
    } // [v5:MQTT-2.1.3-1]
    template <class... T>
    void header(bit_run<T>... runs) { unpack(header_flags, runs...); }
    template <class... T>
    void flags(bit_run<T>... runs) { unpack(in.byte(), runs...); }
    template <class... T>
    void unpack(unsigned octet, bit_run<T>... runs) {
        const auto one = [&](auto run) {
            using value_type = std::remove_reference_t<decltype(run.value)>;
            const unsigned raw = octet >> run.shift & ((1u << run.width) - 1);
            octet &= ~(raw << run.shift);
            run.value = static_cast<value_type>(raw);
            require(is_valid(run.value), errc::bad_enumerator);
        };
        (one(runs), ...);
        require(octet == 0, errc::reserved_bits);
    }
    void protocol(std::string_view name) {
        require(in.binary() == name && in.byte() == static_cast<std::uint8_t>(version),
                errc::bad_protocol_name);
    }
    void two_byte(std::string_view, std::uint16_t& value) { value = in.two_byte(); }
    void binary(std::string_view, std::string_view& bytes) { bytes = in.binary(); }
    void secret(std::string_view, std::string_view& bytes) { bytes = in.binary(); }
    void utf8(std::string_view, std::string_view& text) { text = in.utf8(); }
    [[gnu::always_inline]] void topic(std::string_view, std::string_view& text) {
        text = in.binary();
        if (const errc bad = check_characters(text); bad != errc::none) in.fail(bad);
    }
    void filter(std::string_view, std::string_view& text) {
        text = in.utf8();
        if (!in.ok()) return;
        if (const errc bad = check_topic_filter(text); bad != errc::none) in.fail(bad);
    }
    void rest(std::string_view, std::string_view& bytes) { bytes = in.rest(); }
    [[gnu::always_inline]] void identifier(packet_id& id) {
        id = packet_id{in.two_byte()};
        require(id != packet_id::none, errc::packet_id_zero); // [v5:MQTT-2.2.1-4]
    }
    void reason(std::string_view, reason_code& code) {
        const std::uint8_t octet = in.byte();
        code = reason_code{octet};
        if (type == packet_type::connack && !v5()) {
            if (octet < connack_return_codes.size()) code = connack_return_codes[octet]; // [v3:U3-04]
            return;
        }
        // A refusal ends the connection, whatever its number: one from outside the table is no worse.
        const bool ends_connection = type == packet_type::connack || type == packet_type::disconnect;
        require(is_allowed(code, type, version) || (ends_connection && is_refusal(code)),
                errc::reason_not_allowed);
    }
    template <packet_type Where>
    [[gnu::always_inline]] void properties(properties_view<Where>& props) {
        const std::size_t size = in.varint();
        if (size == 0) return; // As a rule.
        const std::string_view bytes = in.take(size);
        if (const errc bad = check_properties(bytes, Where); bad != errc::none) in.fail(bad);
        if (in.ok()) props = properties_view<Where>(bytes);
    }
    template <packet_type Where>
    [[gnu::always_inline]] void reason_tail(reason_code& code, properties_view<Where>& props) {
        if (in.at_end()) return; // Both may be left out.
        decoder slow = *this;    // So that this one can stay in registers.
        props = properties_view<Where>(slow.read_reason_tail(code));
        in = slow.in;
    }
    template <class T>
    bool present(std::optional<T>& field, bool flag) {
        if (flag) field.emplace();
        return flag;
    }
    template <class T>
    void derived(T& field, T value) { field = value; }
    template <class List, class Each>
    void one_or_more(List& list, Each each) {
        if (in.ok() && in.at_end()) in.fail(errc::empty_list);
        while (!in.at_end()) each(list.emplace_back());
    }

private:
    // This does not depend on the packet's type, and is rare.
    [[gnu::noinline]] std::string_view read_reason_tail(reason_code& code) {
        reason("", code);
        if (in.at_end() && type != packet_type::auth) return {}; // [v5:MQTT-2.2.2-1]
        const std::string_view bytes = in.take(in.varint());
        if (const errc bad = check_properties(bytes, type); bad != errc::none) in.fail(bad);
        return in.ok() ? bytes : std::string_view{};
    }
};

} // namespace detail

/// Cuts the first packet off `in`. errc::need_more: `in` holds only a part of it. A packet of more than
/// `maximum` bytes is refused as soon as its length is known. [v5:MQTT-3.1.2-24]
[[gnu::always_inline]] inline result<frame> next_frame(std::string_view in,
                                                       protocol_version version = protocol_version::v5,
                                                       std::size_t maximum = wire::packet_max) {
    using form = wire::reader::varint_form;
    wire::reader r(in);
    frame out;
    out.first = r.byte();
    const std::uint32_t remaining = r.varint(version == protocol_version::v5 ? form::shortest : form::any);
    if (!r.ok()) return r.error() == errc::truncated ? errc::need_more : r.error();
    out.size = in.size() - r.left() + remaining;
    if (out.size > maximum) return errc::packet_too_large;
    if (r.left() < remaining) return errc::need_more;
    out.body = r.take(remaining);
    return out;
}

/// How many bytes, at least, the first packet in `in` still lacks; 0 when it is all there, or malformed.
inline std::size_t bytes_lacking(std::string_view in) {
    wire::reader r(in);
    (void)r.byte();
    const std::uint32_t remaining = r.varint(wire::reader::varint_form::any);
    if (!r.ok()) return r.error() == errc::truncated ? 1 : 0;
    return remaining - std::min<std::size_t>(remaining, r.left());
}

/// Decodes a frame whose type is known to be that of `Packet` into a fresh one. Returns what is wrong with
/// it, if anything; then `out` is not to be used.
template <class Packet>
[[gnu::always_inline]] inline errc decode_into(Packet& out, const frame& f, protocol_version version) {
    assert(f.type() == Packet::type);
    detail::decoder decode{{version, Packet::type}, wire::reader(f.body), f.first & 0x0Fu};
    Packet::fields(out, decode);
    if (!decode.in.at_end()) decode.in.fail(errc::trailing_bytes);
    return decode.in.error();
}

/// The packet in a frame whose type is known to be that of `Packet`.
template <class Packet>
result<Packet> decode_as(const frame& f, protocol_version version) {
    result<Packet> out{Packet{}};
    if (const errc bad = decode_into(*out, f, version); bad != errc::none) out = bad;
    return out;
}

/// Decodes a frame and calls `visit` with the packet. Returns what is wrong with it, if anything.
template <class Visitor>
errc visit_frame(const frame& f, protocol_version version, Visitor&& visit) {
    const auto as = [&]<class Packet>(std::type_identity<Packet>) {
        result<Packet> p = decode_as<Packet>(f, version);
        if (!p) return p.error();
        visit(*std::move(p));
        return errc::none;
    };
    switch (f.type()) {
        case packet_type::connect: return as(std::type_identity<connect>{});
        case packet_type::connack: return as(std::type_identity<connack>{});
        case packet_type::publish: return as(std::type_identity<publish>{});
        case packet_type::puback: return as(std::type_identity<puback>{});
        case packet_type::pubrec: return as(std::type_identity<pubrec>{});
        case packet_type::pubrel: return as(std::type_identity<pubrel>{});
        case packet_type::pubcomp: return as(std::type_identity<pubcomp>{});
        case packet_type::subscribe: return as(std::type_identity<subscribe>{});
        case packet_type::suback: return as(std::type_identity<suback>{});
        case packet_type::unsubscribe: return as(std::type_identity<unsubscribe>{});
        case packet_type::unsuback: return as(std::type_identity<unsuback>{});
        case packet_type::pingreq: return as(std::type_identity<pingreq>{});
        case packet_type::pingresp: return as(std::type_identity<pingresp>{});
        case packet_type::disconnect: return as(std::type_identity<disconnect>{});
        case packet_type::auth:
            if (version == protocol_version::v5) return as(std::type_identity<auth>{});
            break;
        case packet_type::will: break;
    }
    return errc::unknown_packet_type; // [v3:MQTT-2.2.2-2]
}

} // namespace inflight
