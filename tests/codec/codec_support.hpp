// What the codec tests share: bytes in and out as hex text, and the tables of the standard read from csv.
#pragma once

#include "support/catch.hpp"
#include "support/hex.hpp"

#include <inflight/codec.hpp>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

template <>
struct Catch::StringMaker<inflight::errc> {
    static std::string convert(inflight::errc code) { return std::string(inflight::row(code).text); }
};
template <>
struct Catch::StringMaker<inflight::reason_code> {
    static std::string convert(inflight::reason_code code) {
        return std::string(inflight::name(code)) + " (" + std::to_string(number(code)) + ")";
    }
};

namespace codec_test {

using namespace inflight;
using namespace std::literals;

inline constexpr auto v3 = protocol_version::v3_1_1;
inline constexpr auto v5 = protocol_version::v5;
inline constexpr std::array versions{v3, v5};

using rc = reason_code;

/// The encoded packet as hex text, or "refused: " and why.
template <class Packet>
std::string encoded(const Packet& p, protocol_version version) {
    std::string bytes;
    const errc bad = encode(p, version, bytes);
    return bad == errc::none ? to_hex(bytes) : "refused: " + std::string(row(bad).text);
}

template <class Packet>
errc encode_error(const Packet& p, protocol_version version) {
    std::string bytes = "before";
    const errc bad = encode(p, version, bytes);
    CHECK((bad == errc::none) == (bytes != "before")); // A refusal leaves the output alone.
    return bad;
}

/// What is wrong with these bytes as one packet; none if they are a good one.
inline errc decode_error(std::string_view hex_text, protocol_version version) {
    const std::string bytes = hex(hex_text);
    const result<frame> f = next_frame(bytes, version);
    if (!f) return f.error();
    return decode(*f, version).error();
}

/// Decodes one packet of a known type and hands it to `look` while its bytes live.
template <class Packet, class Look>
void with_decoded(std::string_view hex_text, protocol_version version, Look&& look) {
    INFO(hex_text);
    const std::string bytes = hex(hex_text);
    const result<frame> f = next_frame(bytes, version);
    REQUIRE(f);
    CHECK(f->size == bytes.size());
    const result<packet> p = decode(*f, version);
    REQUIRE(p.error() == errc::none);
    REQUIRE(std::holds_alternative<Packet>(*p));
    look(std::get<Packet>(*p));
}

/// `p` encodes to exactly these bytes, and these bytes decode to exactly `p`.
template <class Packet>
void golden(const Packet& p, protocol_version version, std::string_view hex_text) {
    CHECK(encoded(p, version) == to_hex(hex(hex_text)));
    with_decoded<Packet>(hex_text, version, [&](const Packet& back) { CHECK(back == p); });
}

/// A csv file (RFC 4180) of tests/conformance, without its header row.
inline std::vector<std::vector<std::string>> read_table(const std::string& file) {
#ifdef INFLIGHT_TESTS_DIR
    const std::string tests = INFLIGHT_TESTS_DIR;
#else
    const std::string here = __FILE__;
    const std::string tests = here.substr(0, here.rfind("codec/"));
#endif
    std::ifstream in(tests + "/conformance/" + file, std::ios::binary);
    REQUIRE(in);
    std::vector<std::vector<std::string>> rows{{""}};
    bool quoted = false;
    for (std::istreambuf_iterator<char> at(in), end; at != end; ++at) {
        if (*at == '"') quoted = !quoted; // A doubled quote opens again at once; no field of ours needs the character.
        else if (*at == ',' && !quoted) rows.back().emplace_back();
        else if (*at == '\n' && !quoted) rows.push_back({""});
        else rows.back().back().push_back(*at);
    }
    rows.pop_back(); // What follows the last line end.
    rows.erase(rows.begin());
    return rows;
}

/// Whether `list`, as in "PUBLISH; Will Properties", names the packet.
inline bool lists(std::string_view list, packet_type type) {
    const std::string_view wanted = type == packet_type::will ? "Will Properties"sv : name(type);
    for (std::size_t at = list.find(wanted); at != std::string_view::npos; at = list.find(wanted, at + 1)) {
        const std::string_view after = list.substr(at + wanted.size());
        if ((at == 0 || list[at - 1] == ' ') && (after.empty() || after[0] == ';' || after[0] == ' ')) return true;
    }
    return false;
}

inline constexpr std::array packet_types{
    packet_type::will, packet_type::connect, packet_type::connack, packet_type::publish, packet_type::puback,
    packet_type::pubrec, packet_type::pubrel, packet_type::pubcomp, packet_type::subscribe, packet_type::suback,
    packet_type::unsubscribe, packet_type::unsuback, packet_type::pingreq, packet_type::pingresp,
    packet_type::disconnect, packet_type::auth};

} // namespace codec_test
