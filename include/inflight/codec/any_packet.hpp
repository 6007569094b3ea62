// inflight/codec/any_packet.hpp - a packet of a type that is not known before.
//
// Apart from the rest, since what names all fifteen types is dear to compile: the layers above know the type
// wherever they handle a packet.
#pragma once

#include <inflight/codec/decode.hpp>
#include <inflight/codec/print.hpp>

#include <variant>

namespace inflight {

/// Any packet. Alternative n - 1 is the packet whose type is n on the wire.
using packet = std::variant<connect, connack, publish, puback, pubrec, pubrel, pubcomp, subscribe, suback,
                            unsubscribe, unsuback, pingreq, pingresp, disconnect, auth>;

constexpr packet_type type_of(const packet& p) { return static_cast<packet_type>(p.index() + 1); }

/// As encode() of its type.
inline errc encode(const packet& p, protocol_version version, std::string& out,
                   std::size_t maximum = wire::packet_max) {
    return std::visit([&](const auto& one) { return encode(one, version, out, maximum); }, p);
}

/// Decodes a frame of any type.
inline result<packet> decode(const frame& f, protocol_version version) {
    std::optional<packet> out;
    const errc bad = visit_frame(f, version, [&](auto&& p) { out.emplace(std::forward<decltype(p)>(p)); });
    if (bad != errc::none) return bad;
    return *std::move(out);
}

/// As print() of its type.
inline std::string print(const packet& p, protocol_version version) {
    return std::visit([&](const auto& one) { return print(one, version); }, p);
}

} // namespace inflight
