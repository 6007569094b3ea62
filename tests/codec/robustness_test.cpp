// Whatever the peer sends becomes a packet or an errc, and what becomes a packet can be sent again.
#include "codec/codec_support.hpp"
#include "codec/oracle.hpp"
#include "codec/samples.hpp"

#include <random>

using namespace codec_test;

namespace {

// The bytes in a block of exactly their size, so that a sanitizer sees a read one past the end.
std::vector<char> exact(std::string_view bytes) { return {bytes.begin(), bytes.end()}; }
std::string_view view(const std::vector<char>& bytes) { return {bytes.data(), bytes.size()}; }

// A frame like `f` with another body, which may be empty.
frame with_body(const frame& f, std::string_view body) { return {f.first, body, f.size - f.body.size() + body.size()}; }

struct tally {
    std::size_t decoded = 0, refused = 0;
};

// Decodes everything in the bytes frame by frame. Returns what is wrong, if anything.
std::string examine_stream(std::string_view bytes, protocol_version version, tally& seen) {
    while (!bytes.empty()) {
        const result<frame> f = next_frame(bytes, version);
        if (!f) return ++seen.refused, std::string();
        if (f->size == 0 || f->size > bytes.size()) return "frame: wrong size";
        const result<packet> p = decode(*f, version);
        if (!p) return ++seen.refused, std::string();
        ++seen.decoded;
        if (std::string wrong = oracle::examine(*p, version); !wrong.empty()) return wrong;
        bytes.remove_prefix(f->size);
    }
    return {};
}

} // namespace

TEST_CASE("codec: each sample is one packet of its type and encodes to the same bytes", "[codec]") {
    std::vector<bool> have(32, false);
    for (const sample& one : samples) {
        CAPTURE(one.name);
        const std::string bytes = hex(one.hex);
        const result<frame> f = next_frame(bytes, one.version);
        REQUIRE(f);
        CHECK(f->size == bytes.size());
        CHECK(f->type() == one.type);
        const result<packet> p = decode(*f, one.version);
        REQUIRE(p.error() == errc::none);
        CHECK(type_of(*p) == one.type);
        CHECK(encoded(*p, one.version) == to_hex(bytes));
        CHECK(oracle::examine(*p, one.version).empty());
        have[static_cast<std::size_t>(one.type) + (one.version == v5 ? 16 : 0)] = true;
    }
    CHECK(std::count(have.begin(), have.end(), true) == 14 + 15); // Every type of either version.
}

TEST_CASE("codec: a prefix of a packet is never a packet and never an error", "[codec][v5:MQTT-6.0.0-2][v3:MQTT-6.0.0-2]") {
    for (const sample& one : samples) {
        const std::string bytes = hex(one.hex);
        for (std::size_t size = 0; size != bytes.size(); ++size) {
            const auto cut = exact(std::string_view(bytes).substr(0, size));
            CAPTURE(one.name, size);
            CHECK(next_frame(view(cut), one.version).error() == errc::need_more);
        }
    }
}

TEST_CASE("codec: every truncation of a packet's body ends in a packet or an error", "[codec]") {
    tally seen;
    for (const sample& one : samples) {
        const std::string bytes = hex(one.hex);
        const result<frame> f = next_frame(bytes, one.version);
        REQUIRE(f);
        for (std::size_t size = 0; size != f->body.size(); ++size) {
            const auto cut = exact(f->body.substr(0, size));
            const result<packet> p = decode(with_body(*f, view(cut)), one.version);
            ++(p ? seen.decoded : seen.refused);
            CAPTURE(one.name, size);
            if (p) CHECK(oracle::examine(*p, one.version) == "");
        }
    }
    CHECK(seen.decoded > 20); // Short forms, short payloads, fewer filters.
    CHECK(seen.refused > 300);
}

TEST_CASE("codec: every change of a single byte ends in a packet or an error, and every byte dropped or doubled", "[codec]") {
    tally seen;
    for (const sample& one : samples) {
        const std::string bytes = hex(one.hex);
        const auto examine = [&](std::string_view changed) {
            const auto input = exact(changed);
            if (const std::string wrong = examine_stream(view(input), one.version, seen); !wrong.empty())
                FAIL(one.name << ": " << to_hex(changed) << ": " << wrong);
        };
        for (std::size_t at = 0; at != bytes.size(); ++at) {
            std::string changed = bytes;
            for (unsigned value = 0; value != 256; ++value) {
                changed[at] = static_cast<char>(value);
                examine(changed);
            }
            std::string dropped = bytes, doubled = bytes;
            examine(dropped.erase(at, 1));
            examine(doubled.insert(at, 1, bytes[at]));
        }
    }
    CHECK(seen.decoded > 10'000);
    CHECK(seen.refused > 10'000);
}

TEST_CASE("codec: a body of any bytes behind any first byte ends in a packet or an error", "[codec]") {
    std::mt19937 random(20'261'121);
    tally seen;
    for (unsigned round = 0; round != 40'000; ++round) {
        std::string body(random() % 24, '\0');
        for (char& c : body) c = static_cast<char>(random() % (random() % 4 == 0 ? 256 : 4)); // Mostly lengths that fit.
        const auto input = exact(body);
        const sample& like = samples[random() % samples.size()];
        const unsigned good = static_cast<unsigned char>(hex(like.hex)[0]), any = static_cast<unsigned>(random() % 256);
        const auto first = static_cast<std::uint8_t>(round % 4 == 0 ? any : good);
        const result<packet> p = decode(frame{first, view(input), body.size() + 2}, like.version);
        ++(p ? seen.decoded : seen.refused);
        const std::string wrong = p ? oracle::examine(*p, like.version) : "";
        if (!wrong.empty()) FAIL(unsigned{first} << ": " << to_hex(body) << ": " << wrong);
    }
    CHECK(seen.decoded > 100);
    CHECK(seen.refused > 10'000);
}

TEST_CASE("codec: the packets of one version, read as the other, end in a packet or an error", "[codec]") {
    tally seen;
    for (const sample& one : samples) {
        const auto input = exact(hex(one.hex));
        CAPTURE(one.name);
        CHECK(examine_stream(view(input), one.version == v3 ? v5 : v3, seen) == "");
    }
    CHECK(seen.refused > 10);
}

TEST_CASE("codec: a Maximum Packet Size never changes what a packet is, only whether it is taken", "[codec][v5:MQTT-3.1.2-24]") {
    for (const sample& one : samples) {
        const std::string bytes = hex(one.hex);
        CAPTURE(one.name);
        CHECK(next_frame(bytes, one.version, bytes.size()));
        CHECK(next_frame(bytes, one.version, bytes.size() - 1).error() == errc::packet_too_large);
        const std::string header = bytes.substr(0, 2);
        CHECK(next_frame(header, one.version, bytes.size() - 1).error() == errc::packet_too_large);
    }
}
