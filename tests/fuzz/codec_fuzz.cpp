// The codec on foreign bytes. The first byte chooses: bit 0 the version, bit 1 a small Maximum Packet
// Size.
#include "codec/oracle.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>

using namespace inflight;

namespace {

void require(bool holds, const std::string& what) {
    if (holds) return;
    std::fprintf(stderr, "codec_fuzz: %s\n", what.c_str());
    std::abort();
}

void examine_packets(std::string_view bytes, protocol_version version, std::size_t maximum) {
    while (true) {
        const result<frame> f = next_frame(bytes, version, maximum);
        if (!f) return;
        require(f->size >= 2 && f->size <= bytes.size() && f->size <= maximum, "frame: wrong size");
        for (const std::size_t part : {std::size_t{0}, std::size_t{1}, f->size / 2, f->size - 1})
            require(next_frame(bytes.substr(0, part), version, maximum).error() == errc::need_more,
                    "frame: a prefix is a packet");
        const result<packet> p = decode(*f, version);
        if (p) {
            require(type_of(*p) == f->type(), "decode: another type");
            const std::string wrong = oracle::examine(*p, version);
            require(wrong.empty(), wrong);
        }
        bytes.remove_prefix(f->size);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const unsigned choice = data[0];
    const auto version = (choice & 1) != 0 ? protocol_version::v5 : protocol_version::v3_1_1;
    examine_packets(bytes, version, (choice & 2) != 0 ? 64 : wire::packet_max);
    return 0;
}
