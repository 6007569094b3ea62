// print(): a packet in one readable line, safe to log.
#include "codec/codec_support.hpp"

using namespace codec_test;
using id = property_id;

TEST_CASE("codec: prints the name of a packet and its fields in wire order", "[codec]") {
    CHECK(print(publish{.dup = true, .qos = qos::at_least_once, .retain = true, .topic = "a/b", .id = packet_id{7}, .payload = "hi"}, v3)
          == "PUBLISH retain qos=1 dup topic='a/b' id=7 payload='hi' (2 bytes)");
    CHECK(print(publish{.topic = "a", .payload = "x"}, v5) == "PUBLISH qos=0 topic='a' payload='x' (1 byte)");
    CHECK(print(connect{.client_id = "c", .will = will{.topic = "w", .payload = "bye"}, .user_name = "u"}, v5)
          == "CONNECT version=5.0 clean_start will will_qos=0 has_user_name keep_alive=60 client_id='c' will_topic='w' "
             "will_payload='bye' (3 bytes) user_name='u'");
    CHECK(print(connect{}, v3) == "CONNECT version=3.1.1 clean_start will_qos=0 keep_alive=60 client_id=''");
    CHECK(print(connack{.session_present = true}, v5) == "CONNACK session_present reason='success' (0)");
    CHECK(print(puback{.id = packet_id{1}}, v5) == "PUBACK id=1");
    CHECK(print(pubrec{.id = packet_id{1}, .reason = reason_code::quota_exceeded}, v5) == "PUBREC id=1 reason='quota exceeded' (151)");
    CHECK(print(pubrel{.id = packet_id{65'535}}, v3) == "PUBREL id=65535");
    CHECK(print(pubcomp{.id = packet_id{1}}, v3) == "PUBCOMP id=1");
    CHECK(print(subscribe{.id = packet_id{1},
                          .subscriptions = {{.filter = "a/#", .qos = qos::exactly_once, .no_local = true}, {.filter = "b"}}},
                v5) == "SUBSCRIBE id=1 filter='a/#' qos=2 no_local retain_handling=0 filter='b' qos=0 retain_handling=0");
    CHECK(print(suback{.id = packet_id{1}, .reasons = {reason_code::granted_qos_1, reason_code::unspecified_error}}, v3)
          == "SUBACK id=1 reason='granted QoS 1' (1) reason='unspecified error' (128)");
    CHECK(print(unsubscribe{.id = packet_id{1}, .filters = {"a", "b"}}, v5) == "UNSUBSCRIBE id=1 filter='a' filter='b'");
    CHECK(print(unsuback{.id = packet_id{1}}, v3) == "UNSUBACK id=1");
    CHECK(print(pingreq{}, v5) == "PINGREQ");
    CHECK(print(pingresp{}, v5) == "PINGRESP");
    CHECK(print(disconnect{}, v5) == "DISCONNECT");
    CHECK(print(disconnect{.reason = reason_code::server_shutting_down}, v5) == "DISCONNECT reason='server shutting down' (139)");
    CHECK(print(packet{auth{.reason = reason_code::re_authenticate}}, v5) == "AUTH reason='re-authenticate' (25)");
}

TEST_CASE("codec: prints a return code of 3.1.1 with the number that was on the wire", "[codec][v3:U3-04]") {
    CHECK(print(connack{.reason = reason_code::not_authorized}, v3) == "CONNACK reason='not authorized' (5)");
    CHECK(print(connack{.reason = reason_code::not_authorized}, v5) == "CONNACK reason='not authorized' (135)");
    CHECK(print(connack{.reason = reason_code{0xF0}}, v5) == "CONNACK reason='unknown reason code' (240)");
}

TEST_CASE("codec: prints properties by name, and only in 5.0", "[codec]") {
    properties<packet_type::publish> props;
    props.set<id::topic_alias>(3).set<id::content_type>("text/plain").add_user_property("k", "v");
    const publish p{.topic = "a", .props = props};
    CHECK(print(p, v5) ==
          "PUBLISH qos=0 topic='a' topic_alias=3 content_type='text/plain' user_property='k' value='v' payload='' (0 bytes)");
    CHECK(print(p, v3) == "PUBLISH qos=0 topic='a' payload='' (0 bytes)");
}

TEST_CASE("codec: prints no password and no authentication data", "[codec]") {
    properties<packet_type::connect> props;
    props.set<id::authentication_method>("M").set<id::authentication_data>("hunter3");
    const connect p{.props = props, .client_id = "c", .user_name = "u", .password = "hunter2"};
    for (const auto version : versions) {
        const std::string line = print(p, version);
        CHECK(line.find("hunter") == line.npos);
        CHECK(line.find("password=***") != line.npos);
    }
    CHECK(print(p, v5).find("authentication_data=***") != std::string::npos);
    properties<packet_type::auth> more;
    more.set<id::authentication_data>("hunter4");
    CHECK(print(auth{.props = more}, v5).find("hunter") == std::string::npos);
}

TEST_CASE("codec: prints every byte that is not plain text as its number", "[codec]") {
    std::string all;
    for (unsigned c = 0; c != 256; ++c) {
        all = static_cast<char>(c);
        const std::string line = print(publish{.topic = "a", .payload = all}, v3);
        const bool plain = c >= 0x20 && c < 0x7F && c != '\'' && c != '\\';
        std::string number = "\\x";
        number.append(1, "0123456789abcdef"[c >> 4]).append(1, "0123456789abcdef"[c & 15]);
        CAPTURE(c);
        CHECK(line == "PUBLISH qos=0 topic='a' payload='" + (plain ? all : number) + "' (1 byte)");
    }
}

TEST_CASE("codec: a text cannot forge another field or line", "[codec]") {
    const std::string line = print(publish{.topic = "a' id=1\nPUBACK", .payload = ""}, v3);
    CHECK(line == "PUBLISH qos=0 topic='a\\x27 id=1\\x0aPUBACK' payload='' (0 bytes)");
}

TEST_CASE("codec: prints 64 bytes of a text and says that there are more", "[codec]") {
    const std::string fits(64, 'x'), cut(65, 'x');
    CHECK(print(publish{.topic = "a", .payload = fits}, v3) == "PUBLISH qos=0 topic='a' payload='" + fits + "' (64 bytes)");
    CHECK(print(publish{.topic = "a", .payload = cut}, v3) == "PUBLISH qos=0 topic='a' payload='" + fits + "...' (65 bytes)");
    CHECK(print(publish{.topic = cut}, v3) == "PUBLISH qos=0 topic='" + fits + "...' payload='' (0 bytes)");
}
