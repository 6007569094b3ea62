// One rich packet of each type and version, and the short forms, as they travel: what the robustness test and
// the fuzzer begin with.
#pragma once

#include <inflight/codec.hpp>

#include <array>
#include <string_view>

namespace codec_test {

struct sample {
    std::string_view name;
    inflight::protocol_version version;
    inflight::packet_type type;
    std::string_view hex;
};

inline constexpr auto samples = [] {
    using enum inflight::packet_type;
    constexpr auto four = inflight::protocol_version::v3_1_1;
    constexpr auto five = inflight::protocol_version::v5;
    return std::to_array<sample>({
        {"v3_connect", four, connect,
         "10 1F 00 04 4D 51 54 54 04 EE 00 3C 00 02 69 64 00 03 67 2F 77 00 03 62 79 65 00 01 75 00 02 "
         "70 77"},
        {"v3_connect_short", four, connect, "10 0C 00 04 4D 51 54 54 04 02 00 3C 00 00"},
        {"v3_connack", four, connack, "20 02 01 00"},
        {"v3_publish_qos0", four, publish, "31 08 00 03 61 2F 62 68 69 21"},
        {"v3_publish_qos1", four, publish, "3A 0A 00 03 61 2F 62 00 07 68 69 21"},
        {"v3_publish_qos2", four, publish, "34 0A 00 03 61 2F 62 FF FF 68 69 21"},
        {"v3_puback", four, puback, "40 02 00 07"},
        {"v3_pubrec", four, pubrec, "50 02 00 07"},
        {"v3_pubrel", four, pubrel, "62 02 00 07"},
        {"v3_pubcomp", four, pubcomp, "70 02 00 07"},
        {"v3_subscribe", four, subscribe, "82 0E 00 0A 00 03 61 2F 2B 01 00 03 63 2F 23 02"},
        {"v3_suback", four, suback, "90 05 00 0A 01 80 02"},
        {"v3_unsubscribe", four, unsubscribe, "A2 0C 00 0B 00 03 61 2F 2B 00 03 63 2F 23"},
        {"v3_unsuback", four, unsuback, "B0 02 00 0B"},
        {"v3_pingreq", four, pingreq, "C0 00"},
        {"v3_pingresp", four, pingresp, "D0 00"},
        {"v3_disconnect", four, disconnect, "E0 00"},
        {"v5_connect", five, connect,
         "10 51 00 04 4D 51 54 54 05 CE 00 3C 1D 11 00 00 00 0A 21 00 14 27 00 00 10 00 22 00 05 19 01 "
         "17 00 15 00 01 4D 16 00 02 FE 00 00 02 69 64 13 18 00 00 00 05 01 01 02 00 00 00 0A 08 00 01 "
         "72 09 00 00 00 03 67 2F 77 00 03 62 79 65 00 01 75 00 02 70 77"},
        {"v5_connack", five, connack,
         "20 3F 01 00 3C 11 00 00 00 0A 21 00 14 24 01 25 01 27 00 00 10 00 12 00 01 69 22 00 05 1F 00 "
         "01 72 26 00 01 6B 00 01 76 28 01 29 01 2A 00 13 00 1E 1A 00 01 69 1C 00 01 73 15 00 01 4D 16 "
         "00 01 64"},
        {"v5_connack_refusal", five, connack, "20 03 00 87 00"},
        {"v5_publish_qos0", five, publish, "30 0B 00 03 61 2F 62 02 01 01 68 69 21"},
        {"v5_publish_qos1", five, publish,
         "3B 37 00 03 61 2F 62 00 07 2C 01 01 02 00 01 51 80 23 00 03 08 00 03 72 2F 74 09 00 02 00 FF "
         "26 00 01 6B 00 01 76 26 00 01 6B 00 01 76 0B C8 01 0B 01 03 00 01 74 68 69 21"},
        {"v5_publish_qos2_alias", five, publish, "34 0B 00 00 00 07 03 23 00 03 68 69 21"},
        {"v5_puback", five, puback, "40 10 00 07 10 0C 1F 00 02 6E 6F 26 00 01 6B 00 01 76"},
        {"v5_puback_two", five, puback, "40 02 00 07"},
        {"v5_puback_three", five, puback, "40 03 00 07 97"},
        {"v5_pubrec", five, pubrec, "50 09 00 07 80 05 1F 00 02 6E 6F"},
        {"v5_pubrel", five, pubrel, "62 09 00 07 92 05 1F 00 02 6E 6F"},
        {"v5_pubcomp", five, pubcomp, "70 03 00 07 92"},
        {"v5_subscribe", five, subscribe,
         "82 20 00 0A 0A 0B C8 01 26 00 01 6B 00 01 76 00 03 61 2F 2B 2D 00 0A 24 73 68 61 72 65 2F 67 "
         "2F 23 1A"},
        {"v5_suback", five, suback, "90 0C 00 0A 05 1F 00 02 6E 6F 00 02 87 A2"},
        {"v5_unsubscribe", five, unsubscribe,
         "A2 14 00 0B 07 26 00 01 6B 00 01 76 00 03 61 2F 2B 00 03 63 2F 23"},
        {"v5_unsuback", five, unsuback, "B0 0A 00 0B 05 1F 00 02 6E 6F 00 11"},
        {"v5_pingreq", five, pingreq, "C0 00"},
        {"v5_pingresp", five, pingresp, "D0 00"},
        {"v5_disconnect", five, disconnect, "E0 10 9D 0E 1C 00 01 73 1F 00 02 6E 6F 11 00 00 00 00"},
        {"v5_disconnect_none", five, disconnect, "E0 00"},
        {"v5_disconnect_one", five, disconnect, "E0 01 04"},
        {"v5_auth", five, auth, "F0 0A 18 08 15 00 01 4D 16 00 01 64"},
        {"v5_auth_none", five, auth, "F0 00"},
    });
}();

} // namespace codec_test
