// Frames: RFC 6455's own examples, frames cut anywhere, and every way in which one can be wrong.
#include "websocket/peer.hpp"

using namespace inflight;
using namespace websocket_peer;

namespace {

// What ended the client's connection, what it still said, and what it had handed up before.
struct verdict {
    std::error_code error;
    unsigned close_code = 0;
    std::string plain;
};
verdict judge(driven d, std::string_view bytes) {
    d.receive(bytes);
    REQUIRE(d.error);
    const seen_frame f = only_frame_in(d.wire);
    REQUIRE(f.first == (0x80u | websocket_peer::close));
    REQUIRE(f.payload.size() >= 2);
    return {d.error, static_cast<unsigned>(static_cast<unsigned char>(f.payload[0])) << 8 | static_cast<unsigned char>(f.payload[1]),
            d.plain};
}

} // namespace

TEST_CASE("frames: RFC 6455's examples that a client may get are read as they say", "[websocket]") { // 5.7.
    driven c = open_client();
    c.receive(hex("89 05 48 65 6c 6c 6f")); // An unmasked Ping of "Hello".
    const seen_frame answer = only_frame_in(c.sent());
    CHECK(answer.first == 0x8a);
    CHECK(answer.payload == "Hello");
    CHECK(answer.is_masked);
    c.receive(hex("82 7E 01 00") + std::string(256, 'a')); // 256 bytes in a single frame.
    CHECK(c.plain == std::string(256, 'a'));
    c.plain.clear();
    c.receive(hex("82 7F 00 00 00 00 00 01 00 00") + std::string(65'536, 'b')); // 64 KiB.
    CHECK(c.plain == std::string(65'536, 'b'));
    CHECK_FALSE(c.error);
    CHECK(judge(open_client(), hex("81 05 48 65 6c 6c 6f")).error == websocket_errc::text_frame); // "Hello".
    CHECK(judge(open_client(), hex("01 03 48 65 6c")).error == websocket_errc::text_frame);       // "Hel", to be continued.
}

TEST_CASE("frames: RFC 6455's examples that a server may get are read as they say", "[websocket]") {
    driven s = open_server();
    s.receive(hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58")); // A masked Pong of "Hello".
    CHECK(s.wire.empty());
    s.receive(hex("82 85 37 fa 21 3d 7f 9f 4d 51 58")); // The masked "Hello", had it been binary.
    CHECK(s.plain == "Hello");
    CHECK_FALSE(s.error);
    CHECK(judge(open_server(), hex("81 85 37 fa 21 3d 7f 9f 4d 51 58")).error == websocket_errc::text_frame);
}

TEST_CASE("frames: what goes out is one binary frame for each send(), masked by the client, not by the server",
          "[websocket][v5:MQTT-6.0.0-1][v3:MQTT-6.0.0-1]") {
    for (const std::size_t size : {1u, 2u, 125u, 126u, 127u, 4095u, 4096u, 4097u, 65'535u, 65'536u, 200'000u}) {
        CAPTURE(size);
        std::string payload;
        for (std::size_t i = 0; i != size; ++i) payload += static_cast<char>(i * 7);
        driven c = open_client(), s = open_server();
        CHECK_FALSE(c.one->send(payload, c.wire));
        CHECK_FALSE(s.one->send(payload, s.wire));
        for (const driven* d : {&c, &s}) {
            const seen_frame f = only_frame_in(d->wire);
            CHECK(f.first == 0x82);
            CHECK(f.is_masked == (d == &c));
            CHECK(f.payload == payload);
        }
        CHECK(s.wire.ends_with(payload));
    }
}

TEST_CASE("frames: each mask is another one", "[websocket]") {
    driven c = open_client();
    std::vector<std::string> masks;
    for (int i = 0; i != 200; ++i) {
        CHECK_FALSE(c.one->send("x", c.wire));
        masks.push_back(c.sent().substr(2, 4));
    }
    std::sort(masks.begin(), masks.end());
    CHECK(std::adjacent_find(masks.begin(), masks.end()) == masks.end()); // Of 2^32: once in 200,000 runs by chance.
}

TEST_CASE("frames: packets of MQTT need not line up with frames", "[websocket][v5:MQTT-6.0.0-2][v3:MQTT-6.0.0-2]") {
    driven c = open_client();
    c.receive(frame(binary, "packet 1 packet 2 pac") + frame(binary, "k") + frame(binary, "") + frame(binary, "et 3"));
    CHECK(c.plain == "packet 1 packet 2 packet 3");
    CHECK_FALSE(c.error);
}

TEST_CASE("frames: wherever the bytes are cut, the same is read and answered", "[websocket]") {
    const std::string wire = frame(binary, "one") + frame(ping, "p") + raw_frame(binary, "two") + frame(ping, "between fragments") +
                             raw_frame(continuation, "") + frame(pong, "unasked") + frame(continuation, std::string(200, '3')) +
                             frame(binary, std::string(5000, '4')) + frame(binary) + frame(binary, "end") +
                             frame(websocket_peer::close, close_payload(1000, "bye"));
    const std::string expected = "onetwo" + std::string(200, '3') + std::string(5000, '4') + "end";
    const auto check = [&](driven& c) {
        REQUIRE_FALSE(c.error);
        REQUIRE(c.plain == expected);
        REQUIRE(c.one->is_finished());
        const auto answers = frames_in(c.wire);
        REQUIRE_FALSE(answers.empty());
        REQUIRE(answers.back().first == 0x88);
        REQUIRE(answers.back().payload == close_payload(1000));
        for (std::size_t i = 0; i + 1 != answers.size(); ++i) REQUIRE(answers[i].first == 0x8a);
    };
    for (std::size_t cut = 0; cut <= wire.size(); ++cut) {
        CAPTURE(cut);
        driven c = open_client();
        c.receive(wire.substr(0, cut)).receive(wire.substr(cut));
        check(c);
    }
    driven c = open_client();
    c.receive_bytewise(wire);
    check(c);
    CHECK(frames_in(c.wire).size() == 3); // Both Pings, which came one after the other, and the Close.
    CHECK(frames_in(c.wire)[1].payload == "between fragments");
}

TEST_CASE("frames: a message in frames of one byte is read", "[websocket]") {
    driven c = open_client();
    const std::string text = "a packet that somebody has cut very small";
    for (std::size_t i = 0; i != text.size(); ++i) {
        const unsigned end = i + 1 == text.size() ? 0x80 : 0;
        c.receive(raw_frame(end | (i == 0 ? binary : continuation), text.substr(i, 1)));
        CHECK(c.plain == text.substr(0, i + 1)); // And handed up as it comes.
    }
    CHECK_FALSE(c.error);
}

TEST_CASE("frames: a large frame is handed up as it comes", "[websocket]") {
    driven c = open_client();
    const std::string wire = frame(binary, std::string(std::size_t{16} << 20, 'x'));
    std::size_t got = 0;
    for (std::size_t at = 0; at < wire.size(); at += 10'000) {
        c.receive(std::string_view(wire).substr(at, 10'000));
        CHECK(c.plain.size() <= 10'000);
        got += std::exchange(c.plain, {}).size();
    }
    CHECK_FALSE(c.error);
    CHECK(got == std::size_t{16} << 20);
}

TEST_CASE("frames: each thing that may be wrong with a frame has its error and its Close code",
          "[websocket][v5:MQTT-6.0.0-1][v3:MQTT-6.0.0-1]") {
    const auto [name, bytes, error, code] = GENERATE(table<std::string, std::string, websocket_errc, unsigned>({
        {"text", frame(text, "x"), websocket_errc::text_frame, 1003},
        {"empty text", frame(text), websocket_errc::text_frame, 1003},
        {"text within a message", raw_frame(binary, "x") + frame(text, "x"), websocket_errc::text_frame, 1003},
        {"masked", masked(binary, "x"), websocket_errc::masked_frame, 1002},
        {"masked Ping", masked(ping, "x"), websocket_errc::masked_frame, 1002},
        {"masked Close", masked(websocket_peer::close), websocket_errc::masked_frame, 1002},
        {"RSV1", raw_frame(0xc2, "x"), websocket_errc::reserved_bits, 1002},
        {"RSV2", raw_frame(0xa2, "x"), websocket_errc::reserved_bits, 1002},
        {"RSV3", raw_frame(0x92, "x"), websocket_errc::reserved_bits, 1002},
        {"RSV1 of a Ping", raw_frame(0xc9, "x"), websocket_errc::reserved_bits, 1002},
        {"opcode 3", raw_frame(0x83, "x"), websocket_errc::unknown_opcode, 1002},
        {"opcode 7", raw_frame(0x87, ""), websocket_errc::unknown_opcode, 1002},
        {"opcode 11", raw_frame(0x8b, "x"), websocket_errc::unknown_opcode, 1002},
        {"opcode 15", raw_frame(0x8f, ""), websocket_errc::unknown_opcode, 1002},
        {"continuation of nothing", frame(continuation, "x"), websocket_errc::unexpected_continuation, 1002},
        {"continuation of what has ended", raw_frame(binary, "x") + frame(continuation, "") + frame(continuation, ""),
         websocket_errc::unexpected_continuation, 1002},
        {"message within a message", raw_frame(binary, "x") + frame(binary, "x"), websocket_errc::unfinished_message, 1002},
        {"Ping in fragments", raw_frame(ping, "x"), websocket_errc::malformed_frame, 1002},
        {"Ping of 126 bytes", raw_frame(0x89, std::string(126, 'x')), websocket_errc::malformed_frame, 1002},
        {"Close of 126 bytes", raw_frame(0x88, close_payload(1000, std::string(124, 'x'))), websocket_errc::malformed_frame, 1002},
        {"Ping of 70,000 bytes", raw_frame(0x89, std::string(70'000, 'x')), websocket_errc::malformed_frame, 1002},
        {"125 bytes, length in 16 bits", hex("82 7E 00 7D") + std::string(125, 'x'), websocket_errc::malformed_frame, 1002},
        {"65,535 bytes, length in 64 bits", hex("82 7F 00 00 00 00 00 00 FF FF") + "x", websocket_errc::malformed_frame, 1002},
        {"length of 2^63", hex("82 7F 80 00 00 00 00 00 00 00") + "x", websocket_errc::malformed_frame, 1002},
        {"length of 2^63 - 1", hex("82 7F 7F FF FF FF FF FF FF FF") + "x", websocket_errc::frame_too_large, 1009},
        {"16 MiB and 1", hex("82 7F 00 00 00 00 01 00 00 01") + "x", websocket_errc::frame_too_large, 1009},
        {"Close of one byte", frame(websocket_peer::close, "\x03"), websocket_errc::bad_close, 1002},
    }));
    CAPTURE(name);
    const verdict v = judge(open_client(), frame(binary, "before") + bytes + frame(binary, "behind"));
    CHECK(v.error == error);
    CHECK(v.close_code == code);
    CHECK(v.plain.starts_with("before"));
    CHECK(v.plain.find("behind") == v.plain.npos);
    driven bytewise = open_client();
    bytewise.receive_bytewise(bytes);
    CHECK(bytewise.error == error);
}

TEST_CASE("frames: a server wants its clients' frames masked, and answers with a Close that is not", "[websocket]") {
    const verdict v = judge(open_server(), masked(binary, "masked") + frame(binary, "bare"));
    CHECK(v.error == websocket_errc::unmasked_frame);
    CHECK(v.close_code == 1002);
    CHECK(v.plain == "masked");
    driven s = open_server();
    s.receive(frame(binary, "bare"));
    CHECK_FALSE(only_frame_in(s.wire).is_masked);
}

TEST_CASE("frames: a frame may be as large as the limit and no larger, whatever the message", "[websocket]") {
    websocket_options o;
    o.max_frame_size = 100;
    driven c = open_client(o);
    c.receive(raw_frame(binary, std::string(100, 'x')) + frame(continuation, std::string(100, 'y')));
    CHECK_FALSE(c.error);
    CHECK(c.plain.size() == 200);
    c.receive(frame(binary, std::string(101, 'z')));
    CHECK(c.error == websocket_errc::frame_too_large);
    CHECK(c.one->details() == "a frame of 101 bytes, 100 are allowed");
    CHECK(c.plain.size() == 200);
    driven s = open_server({.path = "", .max_frame_size = 3});
    s.receive(masked(binary, "abcd"));
    CHECK(s.error == websocket_errc::frame_too_large);
}

TEST_CASE("frames: a Ping is answered with a Pong of the same payload, of many at once the last", "[websocket]") {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{125}}) {
        driven c = open_client();
        c.receive(frame(ping, std::string(size, 'p')));
        const seen_frame f = only_frame_in(c.wire);
        CHECK(f.first == 0x8a);
        CHECK(f.payload == std::string(size, 'p'));
        CHECK(c.plain.empty());
    }
    driven answered = open_client();
    answered.receive(frame(ping, "asked") + frame(pong, "answered"));
    CHECK(only_frame_in(answered.wire).payload == "asked");
    driven flooded = open_client();
    std::string flood;
    for (int i = 0; i != 1000; ++i) flood += frame(ping, std::to_string(i));
    flooded.receive(flood);
    CHECK(only_frame_in(flooded.wire).payload == "999");
}

TEST_CASE("frames: a Pong is ignored", "[websocket]") {
    driven c = open_client();
    c.receive(frame(pong, "unasked") + raw_frame(binary, "a") + frame(pong) + frame(continuation, "b"));
    CHECK_FALSE(c.error);
    CHECK(c.wire.empty());
    CHECK(c.plain == "ab");
}

TEST_CASE("frames: a Close that says nothing bad is answered, and is the end without an error", "[websocket]") {
    const auto [payload, answer, details] = GENERATE(table<std::string, std::string, std::string>({
        {"", "", ""},
        {close_payload(1000), close_payload(1000), "Close code 1000"},
        {close_payload(1001, "restart"), close_payload(1001), "Close code 1001: restart"},
    }));
    driven c = open_client();
    c.receive(frame(binary, "last") + frame(websocket_peer::close, payload) + frame(binary, "too late") + "\xff\xff");
    CHECK_FALSE(c.error);
    CHECK(c.one->is_finished());
    CHECK(c.plain == "last");
    CHECK(only_frame_in(c.sent()).payload == answer);
    CHECK(c.one->details() == details);
    CHECK_FALSE(c.one->ended());
    c.one->finish(c.wire); // Nothing follows a Close.
    CHECK_FALSE(c.one->send("x", c.wire));
    CHECK(c.wire.empty());
}

TEST_CASE("frames: a Close that finds fault is an error with its code, and what it says is quoted", "[websocket]") {
    const auto [code, error, text] = GENERATE(table<unsigned, websocket_errc, std::string>({
        {1002, websocket_errc::closed_protocol_error, "code 1002 (protocol error)"},
        {1003, websocket_errc::closed_unsupported_data, "code 1003 (unsupported data)"},
        {1007, websocket_errc::closed_invalid_data, "code 1007 (invalid data)"},
        {1008, websocket_errc::closed_policy_violation, "code 1008 (policy violation)"},
        {1009, websocket_errc::closed_message_too_big, "code 1009 (message too big)"},
        {1011, websocket_errc::closed_internal_error, "code 1011 (internal error)"},
        {1013, websocket_errc::closed_try_again_later, "code 1013 (try again later)"},
        {3000, static_cast<websocket_errc>(3000), "code 3000"},
        {4999, static_cast<websocket_errc>(4999), "code 4999"},
    }));
    driven c = open_client();
    c.receive(frame(websocket_peer::close, close_payload(code, "go\r\n\x1b[away \xC3\xA4")));
    CHECK(c.error == error);
    CHECK(c.error.value() == static_cast<int>(code));
    CHECK(c.error == std::errc::connection_aborted);
    CHECK(c.error == error_condition::transient);
    CHECK(c.error.message() == "peer closed the WebSocket connection with " + text);
    CHECK(c.one->details() == "Close code " + std::to_string(code) + ": go ?[away ??");
    CHECK(c.one->is_finished());
    CHECK(only_frame_in(c.wire).payload == close_payload(code));
}

TEST_CASE("frames: a Close with a code that may not be sent is an error", "[websocket]") {
    for (const unsigned code : {0u, 1u, 999u, 1004u, 1005u, 1006u, 1015u, 1016u, 2999u, 5000u, 65'535u}) {
        CAPTURE(code);
        const verdict v = judge(open_client(), frame(websocket_peer::close, close_payload(code)));
        CHECK(v.error == websocket_errc::bad_close);
        CHECK(v.close_code == 1002);
    }
}

TEST_CASE("frames: finish() sends a Close once; what the peer still says is read, and its Close is the end whatever the code",
          "[websocket]") {
    const unsigned code = GENERATE(1000u, 1001u, 1011u);
    driven c = open_client();
    c.one->finish(c.wire);
    const seen_frame f = only_frame_in(c.sent());
    CHECK(f.first == 0x88);
    CHECK(f.payload == close_payload(1000));
    CHECK(f.is_masked);
    c.one->finish(c.wire);
    CHECK_FALSE(c.one->send("nothing may follow", c.wire));
    CHECK_FALSE(c.one->is_finished());
    c.receive(frame(binary, "on its way") + frame(ping, "no Pong") + frame(websocket_peer::close, close_payload(code)));
    CHECK_FALSE(c.error);
    CHECK(c.wire.empty());
    CHECK(c.plain == "on its way");
    CHECK(c.one->is_finished());
}

TEST_CASE("frames: an end of the connection without Close is one between messages, and an error within one", "[websocket]") {
    driven between = open_client();
    between.receive(frame(binary, "whole"));
    CHECK_FALSE(between.one->ended());
    driven in_frame = open_client();
    in_frame.receive(frame(binary, "half").substr(0, 4));
    CHECK(in_frame.one->ended() == websocket_errc::cut_off);
    driven in_message = open_client();
    in_message.receive(raw_frame(binary, "fragment"));
    CHECK(in_message.one->ended() == websocket_errc::cut_off);
    driven closed = open_client();
    closed.receive(raw_frame(binary, "fragment") + frame(websocket_peer::close));
    CHECK_FALSE(closed.one->ended());
    driven ours = open_client();
    ours.receive(raw_frame(binary, "fragment"));
    ours.one->finish(ours.wire);
    CHECK_FALSE(ours.one->ended());
}
