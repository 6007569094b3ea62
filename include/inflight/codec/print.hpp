// inflight/codec/print.hpp - a packet in one readable line, safe to log: no control characters, no passwords.
#pragma once

#include <inflight/codec/encode.hpp>

namespace inflight {
namespace detail {

struct printer : visitor_base {
    static constexpr std::size_t longest = 64; // Longer texts are cut.
    std::string& out;

    void put(std::string_view name, std::string_view value) {
        out.append(" ").append(name).append("=").append(value);
    }
    void put_text(std::string_view name, std::string_view text) {
        out.append(" ").append(name).append("='");
        for (const char c : text.substr(0, longest)) {
            constexpr std::string_view digits = "0123456789abcdef";
            const unsigned octet = static_cast<unsigned char>(c);
            if (octet >= 0x20 && octet != 0x7F && octet < 0x80 && c != '\'' && c != '\\') out.push_back(c);
            else out.append("\\x").append(1, digits[octet >> 4]).append(1, digits[octet & 0xF]);
        }
        out.append(text.size() > longest ? "...'" : "'");
    }

    void require(bool, errc) {}
    void header(unsigned) {}
    template <class... T>
    void header(bit_run<T>... runs) { flags(runs...); }
    template <class... T>
    void flags(bit_run<T>... runs) { (flag(runs), ...); }
    template <class T>
    void flag(bit_run<T> run) {
        if constexpr (!std::is_same_v<std::remove_const_t<T>, bool>)
            put(run.name, std::to_string(static_cast<unsigned>(run.value)));
        else if (run.value) out.append(" ").append(run.name);
    }
    void protocol(std::string_view) { put("version", v5() ? "5.0" : "3.1.1"); }
    void two_byte(std::string_view name, std::uint16_t value) { put(name, std::to_string(value)); }
    void binary(std::string_view name, std::string_view bytes) { rest(name, bytes); }
    void secret(std::string_view name, std::string_view) { put(name, "***"); }
    void utf8(std::string_view name, std::string_view text) { put_text(name, text); }
    void topic(std::string_view name, std::string_view text) { put_text(name, text); }
    void filter(std::string_view name, std::string_view text) { put_text(name, text); }
    void rest(std::string_view name, std::string_view bytes) {
        put_text(name, bytes);
        out.append(" (")
            .append(std::to_string(bytes.size()))
            .append(bytes.size() == 1 ? " byte)" : " bytes)");
    }
    void identifier(packet_id id) { put("id", std::to_string(number(id))); }
    void reason(std::string_view name, reason_code code) {
        put_text(name, inflight::name(code));
        const unsigned octet = type == packet_type::connack ? connack_byte(code, version) : number(code);
        out.append(" (").append(std::to_string(octet)).append(")");
    }
    template <packet_type Where>
    void properties(properties_view<Where> props) {
        props.for_each([&](const property& p) {
            if (!is_text(p.row->id)) return put(p.row->name, std::to_string(p.number));
            if (p.row->id == property_id::authentication_data) return put(p.row->name, "***");
            put_text(p.row->name, p.text);
            if (is_pair(p.row->id)) put_text("value", p.value);
        });
    }
    template <packet_type Where>
    void reason_tail(reason_code code, properties_view<Where> props) {
        if (code != reason_code::success) reason("reason", code);
        properties(props);
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

/// One line: the packet's name, then its fields; texts are cut after 64 bytes, secrets are not shown.
template <class Packet>
std::string print(const Packet& p, protocol_version version) {
    std::string out(name(Packet::type));
    detail::printer print{{version, Packet::type}, out};
    Packet::fields(p, print);
    return out;
}

} // namespace inflight
