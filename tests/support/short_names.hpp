// Short names for what tests write in every other line.
#pragma once

#include <inflight/codec/types.hpp>

inline constexpr auto v3 = inflight::protocol_version::v3_1_1;
inline constexpr auto v5 = inflight::protocol_version::v5;

inline constexpr auto qos_0 = inflight::qos::at_most_once, qos_1 = inflight::qos::at_least_once,
                      qos_2 = inflight::qos::exactly_once;

constexpr inflight::packet_id id(unsigned number) { return inflight::packet_id{static_cast<std::uint16_t>(number)}; }
