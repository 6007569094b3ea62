// The fifteen packets: golden bytes in both directions and both versions, their short forms, and the rules among
// their fields.
#include "codec/codec_support.hpp"

using namespace codec_test;
using id = property_id;

// ---- Golden bytes

TEST_CASE("codec: CONNECT has the standard's bytes in 3.1.1",
          "[codec][v3:MQTT-3.1.2-1][v3:MQTT-3.1.2-2][v3:MQTT-3.1.2-3][v3:MQTT-3.1.3-3]") {
    golden(connect{}, v3, "10 0C 00 04 4D 51 54 54 04 02 00 3C 00 00");
    golden(connect{.clean_start = false, .keep_alive = 0x0102, .client_id = "id"}, v3, "10 0E 00 04 4D 51 54 54 04 00 01 02 00 02 69 64");
}

TEST_CASE("codec: CONNECT has the standard's bytes in 5.0", "[codec][v5:MQTT-3.1.2-1][v5:MQTT-3.1.2-2][v5:MQTT-3.1.2-3][v5:MQTT-3.1.3-3]") {
    golden(connect{}, v5, "10 0D 00 04 4D 51 54 54 05 02 00 3C 00 00 00");
    properties<packet_type::connect> props;
    props.set<id::session_expiry_interval>(10).set<id::receive_maximum>(20);
    golden(connect{.clean_start = false, .keep_alive = 0, .props = props, .client_id = "id"}, v5,
           "10 17 00 04 4D 51 54 54 05 00 00 00 08 11 00 00 00 0A 21 00 14 00 02 69 64");
}

TEST_CASE("codec: the payload of CONNECT is in the standard's order, with every subset of its fields, in 3.1.1",
          "[codec][v3:MQTT-3.1.3-1][v3:MQTT-3.1.2-9][v3:MQTT-3.1.2-19][v3:MQTT-3.1.2-21]") {
    const will w{.topic = "w", .payload = "bye", .qos = qos::at_least_once, .retain = true};
    golden(connect{.client_id = "c", .will = w, .user_name = "u", .password = "pw"}, v3,
           "10 1C 00 04 4D 51 54 54 04 EE 00 3C 00 01 63 00 01 77 00 03 62 79 65 00 01 75 00 02 70 77");
    golden(connect{.client_id = "c", .will = w, .user_name = "u"}, v3,
           "10 18 00 04 4D 51 54 54 04 AE 00 3C 00 01 63 00 01 77 00 03 62 79 65 00 01 75");
    golden(connect{.client_id = "c", .will = w}, v3, "10 15 00 04 4D 51 54 54 04 2E 00 3C 00 01 63 00 01 77 00 03 62 79 65");
    golden(connect{.client_id = "c", .user_name = "u", .password = "pw"}, v3,
           "10 14 00 04 4D 51 54 54 04 C2 00 3C 00 01 63 00 01 75 00 02 70 77");
    golden(connect{.client_id = "c", .user_name = "u"}, v3, "10 10 00 04 4D 51 54 54 04 82 00 3C 00 01 63 00 01 75");
    golden(connect{.client_id = "c", .will = will{.topic = "w", .qos = qos::exactly_once}}, v3,
           "10 12 00 04 4D 51 54 54 04 16 00 3C 00 01 63 00 01 77 00 00"); // An empty Will Message has its length.
    golden(connect{.client_id = "c", .user_name = "", .password = ""}, v3, "10 11 00 04 4D 51 54 54 04 C2 00 3C 00 01 63 00 00 00 00");
}

TEST_CASE("codec: the payload of CONNECT is in the standard's order, with every subset of its fields, in 5.0",
          "[codec][v5:MQTT-3.1.3-1][v5:MQTT-3.1.2-9][v5:MQTT-3.1.2-17][v5:MQTT-3.1.2-19]") {
    properties<packet_type::will> props;
    props.set<id::will_delay_interval>(5);
    const will w{.props = props, .topic = "w", .payload = "bye", .qos = qos::exactly_once};
    golden(connect{.client_id = "c", .will = w, .user_name = "u", .password = "pw"}, v5,
           "10 23 00 04 4D 51 54 54 05 D6 00 3C 00 00 01 63 05 18 00 00 00 05 00 01 77 00 03 62 79 65 00 01 75 00 02 70 77");
    golden(connect{.client_id = "c", .will = w, .user_name = "u"}, v5,
           "10 1F 00 04 4D 51 54 54 05 96 00 3C 00 00 01 63 05 18 00 00 00 05 00 01 77 00 03 62 79 65 00 01 75");
    golden(connect{.client_id = "c", .will = will{.topic = "w"}}, v5,
           "10 14 00 04 4D 51 54 54 05 06 00 3C 00 00 01 63 00 00 01 77 00 00"); // Both lengths are there, though 0.
    golden(connect{.client_id = "c", .will = w, .password = "pw"}, v5,
           "10 20 00 04 4D 51 54 54 05 56 00 3C 00 00 01 63 05 18 00 00 00 05 00 01 77 00 03 62 79 65 00 02 70 77");
    golden(connect{.client_id = "c", .user_name = "", .password = "\0\xFF"sv}, v5,
           "10 14 00 04 4D 51 54 54 05 C2 00 3C 00 00 01 63 00 00 00 02 00 FF"); // A password is bytes, not text.
    golden(connect{.client_id = "c", .password = "pw"}, v5, "10 12 00 04 4D 51 54 54 05 42 00 3C 00 00 01 63 00 02 70 77");
}

TEST_CASE("codec: CONNACK has the standard's bytes", "[codec][v5:MQTT-2.2.2-1]") {
    golden(connack{}, v3, "20 02 00 00");
    golden(connack{.session_present = true}, v3, "20 02 01 00");
    golden(connack{}, v5, "20 03 00 00 00");
    golden(connack{.session_present = true}, v5, "20 03 01 00 00");
    golden(connack{.reason = reason_code::banned}, v5, "20 03 00 8A 00");
    properties<packet_type::connack> props;
    props.set<id::server_keep_alive>(30).set<id::assigned_client_identifier>("x").set<id::maximum_qos>(1);
    golden(connack{.props = props}, v5, "20 0C 00 00 09 13 00 1E 12 00 01 78 24 01");
}

TEST_CASE("codec: PUBLISH has the standard's bytes", "[codec][v5:MQTT-2.2.1-2][v3:MQTT-2.3.1-5][v5:MQTT-3.3.2-1][v3:MQTT-3.3.2-1]") {
    golden(publish{.topic = "a/b", .payload = "hi"}, v3, "30 07 00 03 61 2F 62 68 69");
    golden(publish{.topic = "a/b", .payload = "hi"}, v5, "30 08 00 03 61 2F 62 00 68 69");
    golden(publish{.topic = "a"}, v3, "30 03 00 01 61");
    golden(publish{.retain = true, .topic = "a"}, v3, "31 03 00 01 61");
    golden(publish{.qos = qos::at_least_once, .topic = "a", .id = packet_id{1}, .payload = "x"}, v3, "32 06 00 01 61 00 01 78");
    golden(publish{.dup = true, .qos = qos::at_least_once, .topic = "a", .id = packet_id{0xFFFF}}, v3, "3A 05 00 01 61 FF FF");
    golden(publish{.qos = qos::exactly_once, .retain = true, .topic = "a", .id = packet_id{0x1234}}, v5, "35 06 00 01 61 12 34 00");
    golden(publish{.dup = true, .qos = qos::exactly_once, .retain = true, .topic = "a", .id = packet_id{7}, .payload = "\0\n"sv}, v5,
           "3D 08 00 01 61 00 07 00 00 0A");
    properties<packet_type::publish> props;
    props.set<id::topic_alias>(3).set<id::payload_format_indicator>(1);
    golden(publish{.topic = "a", .props = props, .payload = "x"}, v5, "30 0A 00 01 61 05 23 00 03 01 01 78");
    golden(publish{.topic = "", .props = props, .payload = "x"}, v5, "30 09 00 00 05 23 00 03 01 01 78");
}

TEST_CASE("codec: PUBLISH with a payload of 128 and of 16,384 bytes has a longer Remaining Length", "[codec][v5:MQTT-1.5.5-1]") {
    for (const auto& [size, head] : {std::pair<std::size_t, std::string_view>{124, "30 7F"},
                                     {125, "30 80 01"},
                                     {16'380, "30 FF 7F"},
                                     {16'381, "30 80 80 01"}}) {
        const std::string payload(size, 'x');
        golden(publish{.topic = "a", .payload = payload}, v3, std::string(head) + " 00 01 61 " + to_hex(payload));
    }
}

TEST_CASE("codec: the four acknowledgements have the standard's bytes", "[codec][v5:MQTT-3.6.1-1][v3:MQTT-3.6.1-1]") {
    for (const auto version : versions) {
        golden(puback{.id = packet_id{0x0102}}, version, "40 02 01 02");
        golden(pubrec{.id = packet_id{0x0102}}, version, "50 02 01 02");
        golden(pubrel{.id = packet_id{0x0102}}, version, "62 02 01 02");
        golden(pubcomp{.id = packet_id{0x0102}}, version, "70 02 01 02");
    }
    golden(puback{.id = packet_id{1}, .reason = reason_code::no_matching_subscribers}, v5, "40 03 00 01 10");
    golden(pubrec{.id = packet_id{1}, .reason = reason_code::quota_exceeded}, v5, "50 03 00 01 97");
    golden(pubrel{.id = packet_id{1}, .reason = reason_code::packet_identifier_not_found}, v5, "62 03 00 01 92");
    golden(pubcomp{.id = packet_id{1}, .reason = reason_code::packet_identifier_not_found}, v5, "70 03 00 01 92");
    properties<packet_type::puback> props;
    props.set<id::reason_string>("no");
    golden(puback{.id = packet_id{1}, .reason = reason_code::not_authorized, .props = props}, v5, "40 09 00 01 87 05 1F 00 02 6E 6F");
    golden(puback{.id = packet_id{1}, .props = props}, v5, "40 09 00 01 00 05 1F 00 02 6E 6F");
}

TEST_CASE("codec: SUBSCRIBE has the standard's bytes", "[codec][v5:MQTT-3.8.1-1][v3:MQTT-3.8.1-1][v3:MQTT-3.8.3-4][v5:MQTT-3.8.3-5]") {
    golden(
        subscribe{.id = packet_id{10},
                  .subscriptions = {{.filter = "a/b", .qos = qos::at_least_once}, {.filter = "c/#", .qos = qos::exactly_once}}},
        v3, "82 0E 00 0A 00 03 61 2F 62 01 00 03 63 2F 23 02");
    golden(subscribe{.id = packet_id{10},
                     .subscriptions = {{.filter = "a",
                                        .qos = qos::exactly_once,
                                        .no_local = true,
                                        .retain_as_published = true,
                                        .retain_handling = retain_handling::do_not_send},
                                       {.filter = "+", .retain_handling = retain_handling::send_if_new}}},
           v5, "82 0B 00 0A 00 00 01 61 2E 00 01 2B 10");
    properties<packet_type::subscribe> props;
    props.set<id::subscription_identifier>(200);
    golden(subscribe{.id = packet_id{1}, .props = props, .subscriptions = {{.filter = "$share/g/a"}}}, v5,
           "82 13 00 01 03 0B C8 01 00 0A 24 73 68 61 72 65 2F 67 2F 61 00");
    const subscribe all{.id = packet_id{1},
                        .subscriptions = {{.filter = "a",
                                           .qos = qos::at_least_once,
                                           .no_local = true,
                                           .retain_as_published = true,
                                           .retain_handling = retain_handling::do_not_send}}};
    CHECK(encoded(all, v3) == "82 06 00 01 00 01 61 01"); // In 3.1.1 the upper six bits are zero, whatever was asked.
}

TEST_CASE("codec: SUBACK has the standard's bytes and one code for each filter, in their order", "[codec][v5:MQTT-3.8.4-7]") {
    golden(suback{.id = packet_id{10}, .reasons = {rc::granted_qos_1, rc::unspecified_error, rc::success, rc::granted_qos_2}}, v3,
           "90 06 00 0A 01 80 00 02");
    golden(suback{.id = packet_id{10},
                  .reasons = {rc::granted_qos_1, rc::not_authorized, rc::success, rc::wildcard_subscriptions_not_supported}},
           v5, "90 07 00 0A 00 01 87 00 A2");
    properties<packet_type::suback> props;
    props.set<id::reason_string>("r");
    golden(suback{.id = packet_id{10}, .props = props, .reasons = {rc::granted_qos_2}}, v5, "90 08 00 0A 04 1F 00 01 72 02");
    CHECK_FALSE(is_refusal(rc::granted_qos_2));
    CHECK(is_refusal(rc::unspecified_error));
}

TEST_CASE("codec: UNSUBSCRIBE has the standard's bytes, filters without gaps",
          "[codec][v5:MQTT-3.10.1-1][v3:MQTT-3.10.1-1][v3:MQTT-3.10.3-1]") {
    golden(unsubscribe{.id = packet_id{11}, .filters = {"a/b", "#"}}, v3, "A2 0A 00 0B 00 03 61 2F 62 00 01 23");
    golden(unsubscribe{.id = packet_id{11}, .filters = {"a/b", "#"}}, v5, "A2 0B 00 0B 00 00 03 61 2F 62 00 01 23");
    properties<packet_type::unsubscribe> props;
    props.add_user_property("k", "v");
    golden(unsubscribe{.id = packet_id{11}, .props = props, .filters = {"a"}}, v5, "A2 0D 00 0B 07 26 00 01 6B 00 01 76 00 01 61");
}

TEST_CASE("codec: UNSUBACK has the standard's bytes: no codes in 3.1.1, one for each filter in 5.0", "[codec]") {
    golden(unsuback{.id = packet_id{11}}, v3, "B0 02 00 0B");
    golden(unsuback{.id = packet_id{11}, .reasons = {reason_code::success, reason_code::no_subscription_existed}}, v5,
           "B0 05 00 0B 00 00 11");
    CHECK(encode_error(unsuback{.id = packet_id{11}}, v5) == errc::empty_list);
    CHECK(decode_error("B0 03 00 0B 00", v3) == errc::trailing_bytes);
    CHECK(decode_error("B0 03 00 0B 00", v5) == errc::empty_list);
}

TEST_CASE("codec: PINGREQ and PINGRESP are two bytes", "[codec]") {
    for (const auto version : versions) {
        golden(pingreq{}, version, "C0 00");
        golden(pingresp{}, version, "D0 00");
        CHECK(decode_error("C0 01 00", version) == errc::trailing_bytes);
        CHECK(decode_error("D0 01 00", version) == errc::trailing_bytes);
    }
}

TEST_CASE("codec: DISCONNECT has the standard's bytes", "[codec][v5:MQTT-3.14.1-1][v3:MQTT-3.14.1-1][v5:U5-21]") {
    golden(disconnect{}, v3, "E0 00");
    golden(disconnect{}, v5, "E0 00");
    golden(disconnect{.reason = reason_code::disconnect_with_will_message}, v5, "E0 01 04");
    properties<packet_type::disconnect> props;
    props.set<id::session_expiry_interval>(0);
    golden(disconnect{.props = props}, v5, "E0 07 00 05 11 00 00 00 00");
    props.clear();
    props.set<id::server_reference>("s");
    golden(disconnect{.reason = reason_code::server_moved, .props = props}, v5, "E0 06 9D 04 1C 00 01 73");
    CHECK(encoded(disconnect{.reason = reason_code::disconnect_with_will_message}, v3) == "E0 00"); // 3.1.1 has no codes.
    CHECK(decode_error("E0 01 00", v3) == errc::trailing_bytes);
}

TEST_CASE("codec: AUTH has the standard's bytes in 5.0 and does not exist in 3.1.1", "[codec][v5:MQTT-3.15.1-1][v3:MQTT-2.2.2-2]") {
    properties<packet_type::auth> props;
    props.set<id::authentication_method>("M").set<id::authentication_data>("d");
    const auth full{.reason = reason_code::continue_authentication, .props = props};
    golden(auth{}, v5, "F0 00");
    golden(full, v5, "F0 0A 18 08 15 00 01 4D 16 00 01 64");
    golden(auth{.props = props}, v5, "F0 0A 00 08 15 00 01 4D 16 00 01 64");
    CHECK(encode_error(auth{}, v3) == errc::not_supported);
    CHECK(encode_error(packet{full}, v3) == errc::not_supported);
    CHECK(decode_error("F0 00", v3) == errc::unknown_packet_type);
}

// ---- Short forms

TEST_CASE("codec: an acknowledgement of two bytes means success, one of three has no properties", "[codec][v5:U5-21]") {
    const auto short_forms = [](auto shape, std::string first) {
        using ack = decltype(shape);
        const ack good{.id = packet_id{7}}, bad{.id = packet_id{7}, .reason = reason_code::packet_identifier_not_found};
        const bool takes_bad = ack::type == packet_type::pubrel || ack::type == packet_type::pubcomp;
        for (const auto form : {" 02 00 07", " 03 00 07 00", " 04 00 07 00 00"})
            with_decoded<ack>(first + form, v5, [&](const ack& p) { CHECK(p == good); });
        if (takes_bad)
            for (const auto form : {" 03 00 07 92", " 04 00 07 92 00"})
                with_decoded<ack>(first + form, v5, [&](const ack& p) { CHECK(p == bad); });
        with_decoded<ack>(first + " 02 00 07", v3, [&](const ack& p) { CHECK(p == good); });
        CHECK(decode_error(first + " 03 00 07 00", v3) == errc::trailing_bytes);
        CHECK(decode_error(first + " 05 00 07 00 00 00", v5) == errc::trailing_bytes);
        for (const auto version : versions) {
            CHECK(decode_error(first + " 00", version) == errc::truncated);
            CHECK(decode_error(first + " 01 00", version) == errc::truncated);
        }
    };
    short_forms(puback{}, "40");
    short_forms(pubrec{}, "50");
    short_forms(pubrel{}, "62");
    short_forms(pubcomp{}, "70");
}

TEST_CASE("codec: a DISCONNECT of length 0 means a normal end, one of length 1 has no properties", "[codec][v5:U5-21]") {
    for (const auto form : {"E0 00", "E0 01 00", "E0 02 00 00"})
        with_decoded<disconnect>(form, v5, [](const disconnect& p) { CHECK(p == disconnect{}); });
    for (const auto form : {"E0 01 8B", "E0 02 8B 00"})
        with_decoded<disconnect>(
            form, v5, [](const disconnect& p) { CHECK(p == disconnect{.reason = reason_code::server_shutting_down}); });
    CHECK(decode_error("E0 03 8B 00 00", v5) == errc::trailing_bytes);
}

TEST_CASE("codec: AUTH leaves out both its Reason Code and its Property Length or none of them", "[codec][v5:MQTT-2.2.2-1]") {
    golden(auth{.reason = reason_code::re_authenticate}, v5, "F0 02 19 00");
    for (const auto form : {"F0 00", "F0 02 00 00"}) with_decoded<auth>(form, v5, [](const auth& p) { CHECK(p == auth{}); });
    CHECK(decode_error("F0 01 00", v5) == errc::truncated);
    CHECK(decode_error("F0 01 18", v5) == errc::truncated);
}

// ---- Fixed header

TEST_CASE("codec: refuses every packet whose reserved header bits are not the standard's",
          "[codec][v5:MQTT-2.1.3-1][v3:MQTT-2.2.2-1][v3:MQTT-2.2.2-2]") {
    struct { std::string_view v3, v5; unsigned flags; } const packets[]{
        {"10 0C 00 04 4D 51 54 54 04 02 00 3C 00 00", "10 0D 00 04 4D 51 54 54 05 02 00 3C 00 00 00", 0},
        {"20 02 00 00", "20 03 00 00 00", 0},
        {"40 02 00 01", "40 02 00 01", 0},
        {"50 02 00 01", "50 02 00 01", 0},
        {"62 02 00 01", "62 02 00 01", 2},
        {"70 02 00 01", "70 02 00 01", 0},
        {"82 06 00 01 00 01 61 00", "82 07 00 01 00 00 01 61 00", 2},
        {"90 03 00 01 00", "90 04 00 01 00 00", 0},
        {"A2 05 00 01 00 01 61", "A2 06 00 01 00 00 01 61", 2},
        {"B0 02 00 01", "B0 04 00 01 00 00", 0},
        {"C0 00", "C0 00", 0},
        {"D0 00", "D0 00", 0},
        {"E0 00", "E0 00", 0},
        {"", "F0 00", 0},
    };
    for (const auto& one : packets)
        for (const auto version : versions) {
            const std::string_view text = version == v5 ? one.v5 : one.v3;
            if (text.empty()) continue;
            for (unsigned flags = 0; flags != 16; ++flags) {
                std::string changed(text);
                changed[1] = "0123456789ABCDEF"[flags];
                CAPTURE(changed);
                CHECK(decode_error(changed, version) == (flags == one.flags ? errc::none : errc::reserved_bits));
            }
        }
    CHECK(row(errc::reserved_bits).reason == reason_code::malformed_packet);
}

TEST_CASE("codec: refuses packet type 0, and 15 in 3.1.1", "[codec][v3:MQTT-2.2.2-2][v5:MQTT-2.1.3-1]") {
    for (const auto version : versions) CHECK(decode_error("00 00", version) == errc::unknown_packet_type);
    CHECK(decode_error("F0 00", v3) == errc::unknown_packet_type);
    CHECK(row(errc::unknown_packet_type).reason == reason_code::malformed_packet);
}

TEST_CASE("codec: refuses QoS 3 in PUBLISH", "[codec][v5:MQTT-3.3.1-4][v3:MQTT-3.3.1-4]") {
    CHECK(decode_error("36 05 00 01 61 00 01", v3) == errc::bad_enumerator);
    CHECK(decode_error("36 06 00 01 61 00 01 00", v5) == errc::bad_enumerator);
    for (const auto version : versions)
        CHECK(encode_error(publish{.qos = qos{3}, .topic = "a", .id = packet_id{1}}, version) == errc::bad_enumerator);
    CHECK(row(errc::bad_enumerator).reason == reason_code::malformed_packet);
}

TEST_CASE("codec: refuses DUP on a QoS 0 PUBLISH", "[codec][v5:MQTT-3.3.1-2][v3:MQTT-3.3.1-2]") {
    CHECK(decode_error("38 03 00 01 61", v3) == errc::dup_without_qos);
    CHECK(decode_error("38 04 00 01 61 00", v5) == errc::dup_without_qos);
    for (const auto version : versions) CHECK(encode_error(publish{.dup = true, .topic = "a"}, version) == errc::dup_without_qos);
    CHECK(row(errc::dup_without_qos).reason == reason_code::malformed_packet);
}

// ---- Packet identifiers

TEST_CASE("codec: refuses packet identifier 0 wherever there is one", "[codec][v5:MQTT-2.2.1-3][v5:MQTT-2.2.1-4][v3:MQTT-2.3.1-1]") {
    for (const auto version : versions) {
        CHECK(encode_error(publish{.qos = qos::at_least_once, .topic = "a"}, version) == errc::packet_id_zero);
        CHECK(encode_error(puback{}, version) == errc::packet_id_zero);
        CHECK(encode_error(subscribe{.subscriptions = {{.filter = "a"}}}, version) == errc::packet_id_zero);
        CHECK(encode_error(unsubscribe{.filters = {"a"}}, version) == errc::packet_id_zero);
        for (const auto ack : {"40 02 00 00", "50 02 00 00", "62 02 00 00", "70 02 00 00"})
            CHECK(decode_error(ack, version) == errc::packet_id_zero);
    }
    for (const auto bytes : {"32 05 00 01 61 00 00", "34 05 00 01 61 00 00", "82 06 00 00 00 01 61 00", "90 03 00 00 00",
                             "A2 05 00 00 00 01 61", "B0 02 00 00"})
        CHECK(decode_error(bytes, v3) == errc::packet_id_zero);
    for (const auto bytes : {"32 06 00 01 61 00 00 00", "82 07 00 00 00 00 01 61 00", "90 04 00 00 00 00", "B0 04 00 00 00 00"})
        CHECK(decode_error(bytes, v5) == errc::packet_id_zero);
}

TEST_CASE("codec: a QoS 0 PUBLISH carries no packet identifier, whatever the field says", "[codec][v5:MQTT-2.2.1-2][v3:MQTT-2.3.1-5]") {
    CHECK(encoded(publish{.topic = "a", .id = packet_id{7}, .payload = "x"}, v3) == "30 04 00 01 61 78");
    CHECK(encoded(publish{.topic = "a", .id = packet_id{7}, .payload = "x"}, v5) == "30 05 00 01 61 00 78");
    with_decoded<publish>("30 05 00 01 61 00 07", v3, [](const publish& p) {
        CHECK(p.id == packet_id::none);
        CHECK(p.payload == "\0\7"sv);
    });
}

// ---- CONNECT

TEST_CASE("codec: refuses another protocol name or version in CONNECT",
          "[codec][v5:MQTT-3.1.2-1][v5:MQTT-3.1.2-2][v3:MQTT-3.1.2-1][v3:MQTT-3.1.2-2]") {
    CHECK(decode_error("10 0C 00 04 4D 51 54 74 04 02 00 3C 00 00", v3) == errc::bad_protocol_name);
    CHECK(decode_error("10 0E 00 06 4D 51 49 73 64 70 03 02 00 3C 00 00", v3) == errc::bad_protocol_name);
    CHECK(decode_error("10 0C 00 04 4D 51 54 54 05 02 00 3C 00 00", v3) == errc::bad_protocol_name);
    CHECK(decode_error("10 0D 00 04 4D 51 54 54 04 02 00 3C 00 00 00", v5) == errc::bad_protocol_name);
    CHECK(row(errc::bad_protocol_name).reason == reason_code::unsupported_protocol_version);
}

TEST_CASE("codec: bit 0 of the Connect Flags stays 0", "[codec][v5:MQTT-3.1.2-3][v3:MQTT-3.1.2-3]") {
    CHECK(decode_error("10 0C 00 04 4D 51 54 54 04 03 00 3C 00 00", v3) == errc::reserved_bits);
    CHECK(decode_error("10 0D 00 04 4D 51 54 54 05 03 00 3C 00 00 00", v5) == errc::reserved_bits);
}

TEST_CASE("codec: without a Will its bits are 0 and its fields absent, in 3.1.1",
          "[codec][v3:MQTT-3.1.2-11][v3:MQTT-3.1.2-13][v3:MQTT-3.1.2-15]") {
    CHECK(decode_error("10 0C 00 04 4D 51 54 54 04 0A 00 3C 00 00", v3) == errc::will_flags);
    CHECK(decode_error("10 0C 00 04 4D 51 54 54 04 12 00 3C 00 00", v3) == errc::will_flags);
    CHECK(decode_error("10 0C 00 04 4D 51 54 54 04 22 00 3C 00 00", v3) == errc::will_flags);
    CHECK(decode_error("10 11 00 04 4D 51 54 54 04 02 00 3C 00 00 00 01 77 00 00", v3) == errc::trailing_bytes);
    CHECK(decode_error("10 0C 00 04 4D 51 54 54 04 06 00 3C 00 00", v3) == errc::truncated); // A Will announced, none there.
}

TEST_CASE("codec: without a Will its bits are 0 and its fields absent, in 5.0",
          "[codec][v5:MQTT-3.1.2-11][v5:MQTT-3.1.2-13][v5:MQTT-3.1.2-9]") {
    CHECK(decode_error("10 0D 00 04 4D 51 54 54 05 0A 00 3C 00 00 00", v5) == errc::will_flags);
    CHECK(decode_error("10 0D 00 04 4D 51 54 54 05 22 00 3C 00 00 00", v5) == errc::will_flags);
    CHECK(decode_error("10 0D 00 04 4D 51 54 54 05 06 00 3C 00 00 00", v5) == errc::truncated);
    CHECK(row(errc::will_flags).reason == reason_code::malformed_packet);
}

TEST_CASE("codec: refuses Will QoS 3", "[codec][v5:MQTT-3.1.2-12][v3:MQTT-3.1.2-14]") {
    for (const auto version : versions)
        CHECK(encode_error(connect{.will = will{.topic = "w", .qos = qos{3}}}, version) == errc::bad_enumerator);
    CHECK(decode_error("10 11 00 04 4D 51 54 54 04 1E 00 3C 00 00 00 01 77 00 00", v3) == errc::bad_enumerator);
    CHECK(decode_error("10 13 00 04 4D 51 54 54 05 1E 00 3C 00 00 00 00 00 01 77 00 00", v5) == errc::bad_enumerator);
}

TEST_CASE("codec: the User Name and Password flags of 3.1.1 say exactly which fields follow",
          "[codec][v3:MQTT-3.1.2-18][v3:MQTT-3.1.2-19][v3:MQTT-3.1.2-20][v3:MQTT-3.1.2-21]") {
    CHECK(decode_error("10 0F 00 04 4D 51 54 54 04 02 00 3C 00 00 00 01 75", v3) == errc::trailing_bytes);
    CHECK(decode_error("10 0C 00 04 4D 51 54 54 04 82 00 3C 00 00", v3) == errc::truncated);
    CHECK(decode_error("10 12 00 04 4D 51 54 54 04 82 00 3C 00 00 00 01 75 00 01 70", v3) == errc::trailing_bytes);
    CHECK(decode_error("10 0F 00 04 4D 51 54 54 04 C2 00 3C 00 00 00 01 75", v3) == errc::truncated);
}

TEST_CASE("codec: the User Name and Password flags of 5.0 say exactly which fields follow",
          "[codec][v5:MQTT-3.1.2-16][v5:MQTT-3.1.2-17][v5:MQTT-3.1.2-18][v5:MQTT-3.1.2-19]") {
    CHECK(decode_error("10 10 00 04 4D 51 54 54 05 02 00 3C 00 00 00 00 01 75", v5) == errc::trailing_bytes);
    CHECK(decode_error("10 0D 00 04 4D 51 54 54 05 82 00 3C 00 00 00", v5) == errc::truncated);
    CHECK(decode_error("10 13 00 04 4D 51 54 54 05 82 00 3C 00 00 00 00 01 75 00 01 70", v5) == errc::trailing_bytes);
    CHECK(decode_error("10 0D 00 04 4D 51 54 54 05 42 00 3C 00 00 00", v5) == errc::truncated);
}

TEST_CASE("codec: 3.1.1 demands a user name beside a password, 5.0 does not", "[codec][v3:MQTT-3.1.2-22][v5:MQTT-3.1.2-19]") {
    CHECK(encode_error(connect{.password = "p"}, v3) == errc::password_without_user_name);
    CHECK(encode_error(connect{.password = "p"}, v5) == errc::none);
    CHECK(decode_error("10 0F 00 04 4D 51 54 54 04 42 00 3C 00 00 00 01 70", v3) == errc::password_without_user_name);
}

TEST_CASE("codec: 3.1.1 demands a clean session of an empty client identifier, 5.0 does not", "[codec][v3:MQTT-3.1.3-7]") {
    CHECK(encode_error(connect{.clean_start = false}, v3) == errc::empty_client_id);
    CHECK(encode_error(connect{.clean_start = false}, v5) == errc::none);
    CHECK(encode_error(connect{.clean_start = false, .client_id = "x"}, v3) == errc::none);
    CHECK(decode_error("10 0C 00 04 4D 51 54 54 04 00 00 3C 00 00", v3) == errc::empty_client_id);
}

TEST_CASE("codec: client identifier and user name are UTF-8 strings",
          "[codec][v5:MQTT-3.1.3-4][v3:MQTT-3.1.3-4][v5:MQTT-3.1.3-12][v3:MQTT-3.1.3-11]") {
    for (const auto version : versions)
        for (const auto bad : {"\xFF"sv, "a\0b"sv, "\xED\xA0\x80"sv}) {
            CHECK(encode_error(connect{.client_id = bad}, version) == errc::not_utf8);
            CHECK(encode_error(connect{.user_name = bad}, version) == errc::not_utf8);
            CHECK(encode_error(connect{.user_name = "u", .password = bad}, version) == errc::none);
        }
    CHECK(decode_error("10 0D 00 04 4D 51 54 54 04 02 00 3C 00 01 FF", v3) == errc::not_utf8);
    CHECK(decode_error("10 0E 00 04 4D 51 54 54 05 02 00 3C 00 00 01 FF", v5) == errc::not_utf8);
    CHECK(decode_error("10 0F 00 04 4D 51 54 54 04 82 00 3C 00 00 00 01 FF", v3) == errc::not_utf8);
    CHECK(decode_error("10 10 00 04 4D 51 54 54 05 82 00 3C 00 00 00 00 01 FF", v5) == errc::not_utf8);
}

TEST_CASE("codec: a Will Topic is a topic name", "[codec][v5:MQTT-3.1.3-11][v3:MQTT-3.1.3-10][v5:MQTT-4.7.0-1]") {
    for (const auto version : versions) {
        CHECK(encode_error(connect{.will = will{.topic = "\xFF"}}, version) == errc::not_utf8);
        CHECK(encode_error(connect{.will = will{.topic = "a/+"}}, version) == errc::topic_wildcard);
        CHECK(encode_error(connect{.will = will{.topic = ""}}, version) == errc::topic_empty);
        CHECK(encode_error(connect{.will = will{.topic = "a", .payload = "\xFF\0"sv}}, version) == errc::none);
    }
    CHECK(decode_error("10 11 00 04 4D 51 54 54 04 06 00 3C 00 00 00 01 FF 00 00", v3) == errc::not_utf8);
    CHECK(decode_error("10 11 00 04 4D 51 54 54 04 06 00 3C 00 00 00 01 23 00 00", v3) == errc::topic_wildcard);
    CHECK(decode_error("10 10 00 04 4D 51 54 54 04 06 00 3C 00 00 00 00 00 00", v3) == errc::topic_empty);
    CHECK(decode_error("10 12 00 04 4D 51 54 54 05 06 00 3C 00 00 00 00 00 00 00 00", v5) == errc::topic_empty);
}

TEST_CASE("codec: refuses fields of CONNECT that are longer than 65,535 bytes", "[codec]") {
    const std::string longest(65'535, 'a'), longer(65'536, 'a');
    for (const auto version : versions) {
        CHECK(encode_error(connect{.client_id = longest,
                                   .will = will{.topic = longest, .payload = longest},
                                   .user_name = longest,
                                   .password = longest},
                           version) == errc::none);
        CHECK(encode_error(connect{.client_id = longer}, version) == errc::field_too_long);
        CHECK(encode_error(connect{.will = will{.topic = longer}}, version) == errc::field_too_long);
        CHECK(encode_error(connect{.will = will{.topic = "w", .payload = longer}}, version) == errc::field_too_long);
        CHECK(encode_error(connect{.user_name = longer}, version) == errc::field_too_long);
        CHECK(encode_error(connect{.user_name = "u", .password = longer}, version) == errc::field_too_long);
    }
}

// ---- CONNACK

TEST_CASE("codec: bits 1 to 7 of the CONNACK flags are zero", "[codec][v5:MQTT-3.2.2-1]") {
    for (unsigned bit = 1; bit != 8; ++bit) {
        const std::string flags = to_hex(std::string(1, static_cast<char>(1u << bit)));
        CHECK(decode_error("20 02 " + flags + " 00", v3) == errc::reserved_bits);
        CHECK(decode_error("20 03 " + flags + " 00 00", v5) == errc::reserved_bits);
    }
}

TEST_CASE("codec: the two-byte CONNACK of a 3.1.1 server is a refusal in 3.1.1 and cut off in 5.0",
          "[codec][v3:MQTT-3.1.2-2][v5:MQTT-3.1.2-2]") {
    with_decoded<connack>("20 02 00 01", v3, [](const connack& p) { CHECK(p.reason == reason_code::unsupported_protocol_version); });
    CHECK(decode_error("20 02 00 01", v5) != errc::none); // 0x01 is no code of a 5.0 CONNACK either.
    with_decoded<connack>("20 03 00 84 00", v5, [](const connack& p) { CHECK(p.reason == reason_code::unsupported_protocol_version); });
}

// ---- PUBLISH, SUBSCRIBE, UNSUBSCRIBE

TEST_CASE("codec: an empty topic needs a Topic Alias", "[codec][v5:U5-12][v5:MQTT-3.3.2-1][v3:MQTT-3.3.2-1]") {
    properties<packet_type::publish> props;
    props.set<id::topic_alias>(1);
    CHECK(encode_error(publish{.topic = "", .props = props}, v5) == errc::none);
    CHECK(encode_error(publish{.topic = "", .props = props}, v3) == errc::topic_empty);
    CHECK(decode_error("30 06 00 00 03 23 00 01", v5) == errc::none);
    CHECK(decode_error("30 05 00 00 02 01 00", v5) == errc::topic_empty);
    CHECK(decode_error("30 02 00 05", v3) == errc::truncated);
    CHECK(decode_error("30 00", v3) == errc::truncated);
    CHECK(decode_error("30 00", v5) == errc::truncated);
}

TEST_CASE("codec: 3.1.1 leaves out the properties of a packet, even bad ones", "[codec]") {
    properties<packet_type::publish> props;
    props.set<id::topic_alias>(0).set<id::content_type>("\xFF");
    CHECK(encoded(publish{.topic = "a", .props = props, .payload = "x"}, v3) == "30 04 00 01 61 78");
}

TEST_CASE("codec: filters are UTF-8 strings", "[codec][v5:MQTT-3.8.3-1][v3:MQTT-3.8.3-1][v5:MQTT-3.10.3-1][v3:MQTT-3.10.3-1]") {
    for (const auto version : versions) {
        CHECK(encode_error(subscribe{.id = packet_id{1}, .subscriptions = {{.filter = "a/\xC3"}}}, version) == errc::not_utf8);
        CHECK(encode_error(unsubscribe{.id = packet_id{1}, .filters = {"a", "\xC3"}}, version) == errc::not_utf8);
    }
    CHECK(decode_error("82 06 00 01 00 01 FF 00", v3) == errc::not_utf8);
    CHECK(decode_error("A2 05 00 01 00 01 FF", v3) == errc::not_utf8);
    CHECK(decode_error("82 07 00 01 00 00 01 FF 00", v5) == errc::not_utf8);
    CHECK(decode_error("A2 06 00 01 00 00 01 FF", v5) == errc::not_utf8);
}

TEST_CASE("codec: SUBSCRIBE names at least one filter", "[codec][v5:MQTT-3.8.3-2][v3:MQTT-3.8.3-3]") {
    for (const auto version : versions) CHECK(encode_error(subscribe{.id = packet_id{1}}, version) == errc::empty_list);
    CHECK(decode_error("82 02 00 01", v3) == errc::empty_list);
    CHECK(decode_error("82 03 00 01 00", v5) == errc::empty_list);
    CHECK(decode_error("82 05 00 01 00 01 61", v3) == errc::truncated); // A filter without its options.
    CHECK(row(errc::empty_list).reason == reason_code::protocol_error);
}

TEST_CASE("codec: UNSUBSCRIBE names at least one filter", "[codec][v5:MQTT-3.10.3-2][v3:MQTT-3.10.3-2]") {
    for (const auto version : versions) CHECK(encode_error(unsubscribe{.id = packet_id{1}}, version) == errc::empty_list);
    CHECK(decode_error("A2 02 00 01", v3) == errc::empty_list);
    CHECK(decode_error("A2 03 00 01 00", v5) == errc::empty_list);
}

TEST_CASE("codec: refuses a requested QoS of 3 and a Retain Handling of 3", "[codec][v3:MQTT-3.8.3-4][v5:U5-18]") {
    for (const auto version : versions)
        CHECK(encode_error(subscribe{.id = packet_id{1}, .subscriptions = {{.filter = "a", .qos = qos{3}}}}, version) ==
              errc::bad_enumerator);
    CHECK(encode_error(subscribe{.id = packet_id{1}, .subscriptions = {{.filter = "a", .retain_handling = retain_handling{3}}}},
                       v5) == errc::bad_enumerator);
    for (unsigned options = 0; options != 256; ++options) {
        const std::string last = to_hex(std::string(1, static_cast<char>(options)));
        const bool good = options < 64 && (options & 3) != 3 && options >> 4 != 3;
        CAPTURE(last);
        CHECK((decode_error("82 07 00 01 00 00 01 61 " + last, v5) == errc::none) == good);
        CHECK((decode_error("82 06 00 01 00 01 61 " + last, v3) == errc::none) == (options < 3));
    }
}

TEST_CASE("codec: the two top bits of the Subscription Options are zero", "[codec][v5:MQTT-3.8.3-5]") {
    CHECK(decode_error("82 07 00 01 00 00 01 61 40", v5) == errc::reserved_bits);
    CHECK(decode_error("82 07 00 01 00 00 01 61 80", v5) == errc::reserved_bits);
    CHECK(decode_error("82 06 00 01 00 01 61 04", v3) == errc::reserved_bits);
}

TEST_CASE("codec: refuses No Local on a shared subscription", "[codec][v5:MQTT-3.8.3-4]") {
    const auto with = [](std::string_view filter) {
        return encode_error(subscribe{.id = packet_id{1}, .subscriptions = {{.filter = filter, .no_local = true}}}, v5);
    };
    CHECK(with("$share/g/a") == errc::shared_no_local);
    CHECK(with("a") == errc::none);
    CHECK(with("$SYS/#") == errc::none);
    CHECK(decode_error("82 10 00 01 00 00 0A 24 73 68 61 72 65 2F 67 2F 61 04", v5) == errc::shared_no_local);
    CHECK(row(errc::shared_no_local).reason == reason_code::protocol_error);
}

// ---- Any packet

TEST_CASE("codec: a packet with two faults is refused for one of them", "[codec][v5:U5-33]") {
    const errc bad = decode_error("3E 05 00 01 23 00 00", v5); // QoS 3, a wildcard, identifier 0
    CHECK((bad == errc::bad_enumerator || bad == errc::topic_wildcard || bad == errc::packet_id_zero));
}

TEST_CASE("codec: a decoded packet borrows from the bytes that it was decoded from", "[codec]") {
    const std::string bytes = hex("30 09 00 01 61 03 23 00 01 68 69");
    const result<frame> f = next_frame(bytes);
    REQUIRE(f);
    const result<publish> p = decode_as<publish>(*f, v5);
    REQUIRE(p);
    CHECK(p->topic.data() == bytes.data() + 4);
    CHECK(p->props.bytes().data() == bytes.data() + 6);
    CHECK(p->payload.data() == bytes.data() + 9);
}

TEST_CASE("codec: alternative n - 1 of a packet is the packet of type n", "[codec]") {
    const std::vector<packet> all{connect{}, connack{}, publish{}, puback{}, pubrec{}, pubrel{}, pubcomp{}, subscribe{},
                                  suback{}, unsubscribe{}, unsuback{}, pingreq{}, pingresp{}, disconnect{}, auth{}};
    for (std::size_t i = 0; i != all.size(); ++i) {
        CHECK(type_of(all[i]) == static_cast<packet_type>(i + 1));
        std::visit([&](const auto& p) { CHECK(p.type == type_of(all[i])); }, all[i]);
    }
}

TEST_CASE("codec: encoding appends, and packets follow each other without a gap", "[codec]") {
    std::string out;
    CHECK(encode(packet{pingreq{}}, v5, out) == errc::none);
    CHECK(encode(puback{.id = packet_id{1}}, v5, out) == errc::none);
    CHECK(encode(publish{}, v5, out) == errc::topic_empty);
    CHECK(encode(disconnect{}, v5, out) == errc::none);
    CHECK(to_hex(out) == "C0 00 40 02 00 01 E0 00");
}
