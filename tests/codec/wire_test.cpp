// The data representations: integers, strings, binary data, and frames cut from the stream.
#include "codec/codec_support.hpp"

#include <memory>

using namespace codec_test;

namespace {

std::string varint(std::size_t value) {
    std::string out(wire::varint_size(value), '\0');
    wire::writer w(out.data(), out.size());
    w.varint(value);
    CHECK(w.left() == 0);
    return to_hex(out);
}

errc varint_error(std::string_view hex_text, wire::reader::varint_form form) {
    const std::string bytes = hex(hex_text);
    wire::reader in(bytes);
    in.varint(form);
    return in.error();
}

// A QoS 0 PUBLISH whose topic is these bytes.
std::string publish_hex(std::string_view topic_hex, protocol_version version) {
    const std::string topic = hex(topic_hex);
    const std::string tail = version == v5 ? "00" : "";
    const std::size_t size = 2 + topic.size() + tail.size() / 2;
    return "30" + varint(size) + varint(topic.size() >> 8) + varint(topic.size() & 0x7F) + std::string(topic_hex) + tail;
}

constexpr auto shortest = wire::reader::varint_form::shortest;
constexpr auto any_form = wire::reader::varint_form::any;

// The compiler sees a read past the end, where a string's closing zero would hide it.
constexpr std::array cut_off{'\xF0', '\x9F', '\x98'};
static_assert(wire::is_utf8("sensor/temperature") && !wire::is_utf8("sensor/\xFFtemperature"));
static_assert(!wire::is_utf8({cut_off.data(), 1}) && !wire::is_utf8({cut_off.data(), 2}) && !wire::is_utf8({cut_off.data(), 3}));

} // namespace

TEST_CASE("codec: writes every variable byte integer in its shortest form", "[codec][v5:MQTT-1.5.5-1]") {
    CHECK(varint(0) == "00");
    CHECK(varint(1) == "01");
    CHECK(varint(127) == "7F");
    CHECK(varint(128) == "80 01");
    CHECK(varint(16'383) == "FF 7F");
    CHECK(varint(16'384) == "80 80 01");
    CHECK(varint(2'097'151) == "FF FF 7F");
    CHECK(varint(2'097'152) == "80 80 80 01");
    CHECK(varint(wire::varint_max) == "FF FF FF 7F");
}

TEST_CASE("codec: reads back every variable byte integer that it writes", "[codec][v5:MQTT-1.5.5-1]") {
    for (std::size_t value = 0; value <= wire::varint_max; value = value < 20'000 ? value + 1 : value * 9 / 8) {
        const std::string bytes = hex(varint(value));
        wire::reader in(bytes);
        const std::uint32_t back = in.varint();
        if (back != value || !in.ok() || !in.at_end()) FAIL("varint " << value);
    }
}

TEST_CASE("codec: refuses a variable byte integer that 5.0 calls over-long, and lets 3.1.1 use it",
          "[codec][v5:MQTT-1.5.5-1]") {
    for (const auto over_long : {"80 00", "81 00", "FF 80 00", "80 80 80 00"}) {
        CHECK(varint_error(over_long, shortest) == errc::varint_not_minimal);
        CHECK(varint_error(over_long, any_form) == errc::none);
    }
    CHECK(row(errc::varint_not_minimal).reason == reason_code::malformed_packet);
    CHECK(decode_error("D0 80 00", v5) == errc::varint_not_minimal); // Remaining Length
    CHECK(decode_error("D0 80 00", v3) == errc::none);
    CHECK(decode_error("40 06 00 01 00 82 00 00", v5) == errc::varint_not_minimal); // Property Length
    CHECK(decode_error("40 06 00 01 00 02 9F 00", v5) == errc::varint_not_minimal); // property identifier
}

TEST_CASE("codec: refuses a variable byte integer of five bytes", "[codec][v5:U5-02][v3:U3-01]") {
    for (const auto form : {shortest, any_form}) {
        CHECK(varint_error("FF FF FF FF", form) == errc::varint_too_long);
        CHECK(varint_error("80 80 80 80 01", form) == errc::varint_too_long);
        CHECK(varint_error("FF FF FF 7F", form) == errc::none);
    }
    for (const auto version : versions) CHECK(decode_error("30 FF FF FF FF 7F", version) == errc::varint_too_long);
    CHECK(decode_error("82 09 00 01 06 0B FF FF FF FF 01", v5) == errc::varint_too_long);
    CHECK(row(errc::varint_too_long).reason == reason_code::malformed_packet);
}

TEST_CASE("codec: accepts text exactly when it is well-formed UTF-8", "[codec][v5:MQTT-1.5.4-1][v3:MQTT-1.5.3-1]") {
    for (const auto good : {"", "61", "7F", "C2 80", "DF BF", "E0 A0 80", "ED 9F BF", "EE 80 80", "EF BF BF", "F0 90 80 80",
                            "F4 8F BF BF", "61 C3 A9 62", "E2 82 AC F0 9F 98 80"}) {
        CAPTURE(good);
        CHECK(wire::is_utf8(hex(good)));
    }
    for (const auto bad : {
             "80", "BF", "61 80",                                      // a lone continuation byte
             "C0 80", "C1 BF", "E0 80 80", "E0 9F BF", "F0 80 80 80", "F0 8F BF BF", // over-long
             "ED A0 80", "ED BF BF", "ED A0 80 ED B0 80",              // surrogates, alone and as a pair
             "F4 90 80 80", "F5 80 80 80", "F8 88 80 80 80", "FE", "FF", // above U+10FFFF
             "C2", "E2 82", "F0 9F 98", "61 C3",                       // cut off
             "C2 61", "E2 61 AC", "E2 82 61", "F0 61 98 80", "F0 9F 61 80", "F0 9F 98 61"}) { // broken off
        CAPTURE(bad);
        CHECK_FALSE(wire::is_utf8(hex(bad)));
        for (const auto version : versions) {
            CHECK(encode_error(publish{.topic = hex(bad)}, version) == errc::not_utf8);
            CHECK(decode_error(publish_hex(bad, version), version) == errc::not_utf8);
        }
    }
    CHECK(row(errc::not_utf8).reason == reason_code::malformed_packet);
}

TEST_CASE("codec: judges every byte the same at every place of texts up to three words long",
          "[codec][v5:MQTT-1.5.4-1][v5:MQTT-1.5.4-2][v3:MQTT-1.5.3-1][v3:MQTT-1.5.3-2]") {
    for (std::size_t size = 1; size <= 25; ++size)
        for (std::size_t place = 0; place != size; ++place)
            for (unsigned octet = 0; octet <= 0xFF; ++octet) {
                std::string text(size, '\x7F');
                text[place] = static_cast<char>(octet);
                const bool is_good = octet != 0 && octet < 0x80;
                if (wire::is_utf8(text) != is_good) FAIL("byte " << octet << " at " << place << " of " << size);
            }
}

TEST_CASE("codec: takes characters of two to four bytes at every place, also across the borders of words",
          "[codec][v5:MQTT-1.5.4-1][v3:MQTT-1.5.3-1]") {
    for (const auto character : {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"})
        for (std::size_t before = 0; before <= 16; ++before)
            for (std::size_t after = 0; after <= 9; ++after) {
                const std::string lead(before, 'a'), tail(after, 'z');
                CHECK(wire::is_utf8(lead + character + tail));
                CHECK_FALSE(wire::is_utf8(lead + std::string(character).substr(1) + tail));
                CHECK_FALSE(wire::is_utf8(lead + std::string(character, 1) + tail));
            }
}

TEST_CASE("codec: refuses exactly the code points that UTF-8 cannot carry, over all of Unicode",
          "[codec][v5:MQTT-1.5.4-1][v3:MQTT-1.5.3-1]") {
    const auto octet = [](unsigned value) { return static_cast<char>(value); };
    for (unsigned c = 1; c < 0x11'8000; ++c) {
        std::string text;
        if (c < 0x80) text = {octet(c)};
        else if (c < 0x800) text = {octet(0xC0 | c >> 6), octet(0x80 | (c & 63))};
        else if (c < 0x1'0000) text = {octet(0xE0 | c >> 12), octet(0x80 | (c >> 6 & 63)), octet(0x80 | (c & 63))};
        else text = {octet(0xF0 | c >> 18), octet(0x80 | (c >> 12 & 63)), octet(0x80 | (c >> 6 & 63)), octet(0x80 | (c & 63))};
        const bool is_surrogate = c >= 0xD800 && c < 0xE000;
        if (wire::is_utf8(text) != (!is_surrogate && c < 0x11'0000)) FAIL("code point " << c);
    }
}

TEST_CASE("codec: refuses U+0000 in a string", "[codec][v5:MQTT-1.5.4-2][v3:MQTT-1.5.3-2]") {
    CHECK_FALSE(wire::is_utf8("\0"sv));
    CHECK_FALSE(wire::is_utf8("a\0b"sv));
    for (const auto version : versions) {
        CHECK(encode_error(publish{.topic = "a\0b"sv}, version) == errc::not_utf8);
        CHECK(decode_error(publish_hex("61 00 62", version), version) == errc::not_utf8);
    }
}

TEST_CASE("codec: keeps a byte order mark wherever it stands", "[codec][v5:MQTT-1.5.4-3][v3:MQTT-1.5.3-3]") {
    constexpr auto mark = "\xEF\xBB\xBF"sv;
    golden(publish{.topic = "\xEF\xBB\xBF"
                            "a\xEF\xBB\xBF"sv},
           v5, "30 0A 00 07 EF BB BF 61 EF BB BF 00");
    golden(publish{.topic = mark}, v3, "30 05 00 03 EF BB BF");
    CHECK_FALSE(matches("a", "\xEF\xBB\xBF"
                             "a"));
    CHECK(matches(mark, mark));
}

TEST_CASE("codec: tolerates control characters and non-characters in strings", "[codec][v5:U5-01][v3:U3-06]") {
    for (const auto odd : {"\x01"sv, "\x1F"sv, "\x7F"sv, "\xC2\x85"sv, "\xEF\xBF\xBE"sv, "\xEF\xB7\x90"sv, "\xF4\x8F\xBF\xBF"sv})
        for (const auto version : versions) {
            CHECK(encode_error(publish{.topic = odd}, version) == errc::none);
            CHECK(decode_error(publish_hex(to_hex(odd), version), version) == errc::none);
        }
}

TEST_CASE("codec: a reader that has failed yields empty values and keeps the first error", "[codec]") {
    const std::string bytes = hex("00 05 61 62");
    wire::reader in(bytes);
    CHECK(in.utf8().empty());
    CHECK(in.error() == errc::truncated);
    CHECK(in.at_end());
    CHECK(in.byte() == 0);
    CHECK(in.two_byte() == 0);
    CHECK(in.four_byte() == 0);
    CHECK(in.varint() == 0);
    CHECK(in.binary().empty());
    CHECK(in.rest().empty());
    in.fail(errc::not_utf8);
    CHECK(in.error() == errc::truncated);
}

TEST_CASE("codec: integers travel with the high byte first", "[codec]") {
    const std::string bytes = hex("01 02 03 04 05 06 FF 00 02 61 62 63");
    wire::reader in(bytes);
    CHECK(in.two_byte() == 0x0102);
    CHECK(in.four_byte() == 0x03040506);
    CHECK(in.byte() == 0xFF);
    CHECK(in.left() == 5);
    CHECK(in.binary() == "ab");
    CHECK(in.rest() == "c");
    CHECK(in.ok());

    std::string out(7, '\0');
    wire::writer w(out.data(), out.size());
    w.byte(0xFF);
    w.two_byte(0x0102);
    w.four_byte(0x03040506);
    CHECK(to_hex(out) == "FF 01 02 03 04 05 06");
}

TEST_CASE("codec: cuts packets off a stream that was split and joined anywhere", "[codec][v5:MQTT-6.0.0-2][v3:MQTT-6.0.0-2]") {
    const std::string stream = hex("20 02 00 00 D0 00 30 09 00 01 61 68 65 6C 6C 6F 21 40 02 00 07");
    const std::vector<std::size_t> sizes{4, 2, 11, 4};
    for (std::size_t split = 0; split <= stream.size(); ++split) { // What has come so far, then the rest.
        std::size_t at = 0, packets = 0;
        for (const std::size_t end : {split, stream.size()})
            for (;;) {
                const result<frame> f = next_frame(std::string_view(stream).substr(at, end - at), v3);
                if (!f) {
                    CHECK(f.error() == errc::need_more);
                    break;
                }
                REQUIRE(packets < sizes.size());
                CHECK(f->size == sizes[packets++]);
                CHECK(decode(*f, v3));
                at += f->size;
            }
        CHECK(packets == sizes.size());
        CHECK(at == stream.size());
    }
}

TEST_CASE("codec: a frame borrows its body and knows its type and whole size", "[codec]") {
    const std::string stream = hex("D0 00 36 04 00 01 61 78 FF");
    const result<frame> ping = next_frame(stream);
    REQUIRE(ping);
    CHECK(ping->type() == packet_type::pingresp);
    CHECK(ping->size == 2);
    CHECK(ping->body.empty());
    const result<frame> pub = next_frame(std::string_view(stream).substr(2));
    REQUIRE(pub);
    CHECK(pub->type() == packet_type::publish);
    CHECK(pub->first == 0x36);
    CHECK(pub->size == 6);
    CHECK(pub->body.data() == stream.data() + 4);
    CHECK(pub->body.size() == 4);
}

TEST_CASE("codec: judges the Maximum Packet Size from the header, before the body has come", "[codec][v5:MQTT-3.1.2-24]") {
    const std::string head = hex("30 7E"); // 126 bytes are to follow: 128 in all.
    CHECK(next_frame(head, v5, 128).error() == errc::need_more);
    CHECK(next_frame(head, v5, 127).error() == errc::packet_too_large);
    CHECK(next_frame(hex("30 FF FF FF 7F"), v5, wire::packet_max - 1).error() == errc::packet_too_large);
    CHECK(next_frame(hex("30 FF FF FF 7F"), v5).error() == errc::need_more);
    CHECK(next_frame(hex("30 FF"), v5, 64).error() == errc::need_more); // The length is not known yet.
    CHECK(next_frame(head + std::string(126, 'x'), v5, 128));
    CHECK(row(errc::packet_too_large).reason == reason_code::packet_too_large);
}

TEST_CASE("codec: encodes up to the peer's Maximum Packet Size, the fixed header counted, and not a byte more",
          "[codec][v5:MQTT-3.2.2-15]") {
    const publish p{.topic = "a", .payload = "0123456789"};
    for (const auto version : versions) {
        const std::size_t size = version == v5 ? 16 : 15;
        const result<measure> m = measure_packet(p, version);
        REQUIRE(m);
        CHECK(m->total == size);
        CHECK(m->remaining == size - 2);
        std::string out = "before";
        CHECK(encode(p, version, out, size - 1) == errc::packet_too_large);
        CHECK(out == "before");
        CHECK(encode(p, version, out, size) == errc::none);
        CHECK(out.size() == 6 + size);
    }
}

TEST_CASE("codec: refuses to encode more than a Remaining Length can say", "[codec][v5:MQTT-1.5.5-1]") {
    const auto untouched = std::make_unique_for_overwrite<char[]>(wire::varint_max); // Measuring does not read it.
    for (const auto version : versions) {
        const std::size_t room = wire::varint_max - 3 - (version == v5 ? 1 : 0);
        const auto sized = [&](std::size_t size) { return publish{.topic = "a", .payload = {untouched.get(), size}}; };
        const result<measure> fits = measure_packet(sized(room), version);
        REQUIRE(fits);
        CHECK(fits->total == wire::packet_max);
        CHECK(measure_packet(sized(room + 1), version).error() == errc::packet_too_large);
    }
}

TEST_CASE("codec: says how many bytes a packet lacks, as far as they tell", "[codec]") {
    const std::string packet = hex("30 80 01") + std::string(128, 'x');
    for (std::size_t size = 0; size != 3; ++size) CHECK(bytes_lacking(std::string_view(packet).substr(0, size)) == 1);
    for (std::size_t size = 3; size <= packet.size(); ++size)
        CHECK(bytes_lacking(std::string_view(packet).substr(0, size)) == packet.size() - size);
    CHECK(bytes_lacking(packet + "more") == 0);
    CHECK(bytes_lacking(hex("30 FF FF FF FF")) == 0); // Malformed: no other byte makes it better.
}
