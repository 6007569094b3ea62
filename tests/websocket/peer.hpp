// The other end of a WebSocket layer, by hand: frames as RFC 6455 draws them, apart from the code under test.
#pragma once

#include "support/catch.hpp"
#include "support/hex.hpp"

#include <inflight/websocket.hpp>
#include <inflight/websocket/server_layer.hpp>

#include <functional>

namespace websocket_peer {

using inflight::broker;
using inflight::layer;
using inflight::make_error_code;
using inflight::transport_kind;
using inflight::websocket_client_layer;
using inflight::websocket_errc;
using inflight::websocket_options;
using inflight::websocket_server_layer;

enum opcode : unsigned { continuation = 0, text = 1, binary = 2, close = 8, ping = 9, pong = 10 };

/// A frame, its first byte whatever it is to be: 0x80 ends a message.
inline std::string raw_frame(unsigned first, std::string_view payload, std::string_view mask = {}) {
    std::string out(1, static_cast<char>(first));
    const auto put = [&](std::uint64_t value, int bytes) {
        while (bytes-- != 0) out += static_cast<char>(value >> (8 * bytes) & 0xff);
    };
    const unsigned is_masked = mask.empty() ? 0 : 0x80;
    if (payload.size() < 126) {
        put(payload.size() | is_masked, 1);
    } else if (payload.size() < 65'536) {
        put(126 | is_masked, 1);
        put(payload.size(), 2);
    } else {
        put(127 | is_masked, 1);
        put(payload.size(), 8);
    }
    out += mask;
    for (std::size_t i = 0; i != payload.size(); ++i) out += mask.empty() ? payload[i] : static_cast<char>(payload[i] ^ mask[i % 4]);
    return out;
}
inline std::string frame(opcode op, std::string_view payload = {}) { return raw_frame(0x80u | op, payload); }
inline std::string masked(opcode op, std::string_view payload = {}) { return raw_frame(0x80u | op, payload, "mAsK"); }
inline std::string close_payload(unsigned code, std::string_view reason = {}) {
    return std::string{static_cast<char>(code >> 8), static_cast<char>(code & 0xff)}.append(reason);
}

/// What a layer has sent, taken apart: each frame as its first byte and the payload without the mask.
struct seen_frame {
    unsigned first = 0;
    bool is_masked = false;
    std::string payload{};
};
inline std::vector<seen_frame> frames_in(std::string_view bytes) {
    std::vector<seen_frame> out;
    const auto take = [&](std::size_t n) {
        REQUIRE(bytes.size() >= n);
        const std::string_view taken = bytes.substr(0, n);
        bytes.remove_prefix(n);
        return taken;
    };
    const auto number = [&](std::size_t n) {
        std::uint64_t value = 0;
        for (const char c : take(n)) value = value << 8 | static_cast<unsigned char>(c);
        return value;
    };
    while (!bytes.empty()) {
        seen_frame f;
        f.first = static_cast<unsigned>(number(1));
        std::uint64_t size = number(1);
        f.is_masked = (size & 0x80) != 0;
        size &= 0x7f;
        if (size >= 126) size = number(size == 126 ? 2 : 8);
        const std::string mask(f.is_masked ? take(4) : std::string_view{});
        f.payload = take(static_cast<std::size_t>(size));
        for (std::size_t i = 0; f.is_masked && i != f.payload.size(); ++i) f.payload[i] = static_cast<char>(f.payload[i] ^ mask[i % 4]);
        out.push_back(std::move(f));
    }
    return out;
}
inline seen_frame only_frame_in(std::string_view bytes) {
    const auto all = frames_in(bytes);
    REQUIRE(all.size() == 1);
    return all[0];
}

/// The value of a field in a head that the code under test has made.
inline std::string field(std::string_view head, std::string_view name) {
    const std::string begin = "\r\n" + std::string(name) + ": ";
    const std::size_t at = head.find(begin);
    if (at == head.npos) return "(none)";
    const std::size_t from = at + begin.size();
    return std::string(head.substr(from, head.find("\r\n", from) - from));
}

/// A layer and all that it has said and handed up.
struct driven {
    std::unique_ptr<layer> one;
    std::string plain{}, wire{};
    std::error_code error{};

    explicit driven(std::unique_ptr<layer> l) : one(std::move(l)) { error = one->start(wire); }

    driven& receive(std::string_view bytes) {
        if (!error) error = one->received(std::string(bytes), plain, wire); // A copy, of exactly that size.
        return *this;
    }
    driven& receive_bytewise(std::string_view bytes) {
        for (const char c : bytes) receive({&c, 1});
        return *this;
    }
    std::string sent() { return std::exchange(wire, {}); }
};

inline broker at(std::string host = "broker.example", std::uint16_t port = 80, transport_kind kind = transport_kind::websocket) {
    broker b;
    b.host = std::move(host);
    b.port = port;
    b.transport = kind;
    return b;
}

inline driven client(websocket_options options = {}, const broker& where = at()) {
    return driven(std::make_unique<websocket_client_layer>(where, std::move(options)));
}

/// What a server says that agrees; `edit` changes it.
inline std::string consent(std::string_view request, const std::function<void(std::string&)>& edit = {}) {
    const std::string accept = inflight::detail::websocket_accept(field(request, "Sec-WebSocket-Key"));
    std::string out = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept +
                      "\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
    if (edit) edit(out);
    return out;
}

inline driven open_client(websocket_options options = {}) {
    driven c = client(std::move(options));
    c.receive(consent(c.sent()));
    REQUIRE(!c.error);
    REQUIRE(c.one->is_open());
    REQUIRE(c.wire.empty());
    return c;
}

inline const std::string good_request = "GET /mqtt HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\n"
                                        "Sec-WebSocket-Protocol: chat, mqtt\r\nSec-WebSocket-Version: 13\r\n\r\n";

inline driven server(inflight::websocket_server_options options = {}) {
    return driven(std::make_unique<websocket_server_layer>(std::move(options)));
}
inline driven open_server(inflight::websocket_server_options options = {}) {
    driven s = server(std::move(options));
    s.receive(good_request);
    REQUIRE(!s.error);
    REQUIRE(s.one->is_open());
    s.wire.clear();
    return s;
}

} // namespace websocket_peer
