// The handshake from both ends: what is asked, which answers are taken, and what else an answer may be.
#include "websocket/peer.hpp"

using namespace inflight;
using namespace websocket_peer;

namespace {

std::string request_of(websocket_options options, const broker& where = at()) {
    driven c = client(std::move(options), where);
    REQUIRE_FALSE(c.error);
    return c.sent();
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    const std::size_t at = text.find(what);
    REQUIRE(at != text.npos);
    return text.replace(at, what.size(), by);
}

// A client that has got this answer.
driven answered(const std::string& answer) {
    driven c = client();
    c.sent();
    c.receive(answer);
    return c;
}

} // namespace

TEST_CASE("handshake: RFC 6455's example key gives its Sec-WebSocket-Accept", "[websocket]") { // 1.3.
    CHECK(detail::websocket_accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("handshake: the request is RFC 6455's, with the subprotocol mqtt", "[websocket][v5:MQTT-6.0.0-3][v3:MQTT-6.0.0-3]") {
    const std::string request = request_of({});
    CHECK(request.starts_with("GET /mqtt HTTP/1.1\r\n"));
    CHECK(request.ends_with("\r\n\r\n"));
    CHECK(field(request, "Host") == "broker.example");
    CHECK(field(request, "Upgrade") == "websocket");
    CHECK(field(request, "Connection") == "Upgrade");
    CHECK(field(request, "Sec-WebSocket-Version") == "13");
    CHECK(field(request, "Sec-WebSocket-Protocol") == "mqtt");
    CHECK(detail::is_websocket_key(field(request, "Sec-WebSocket-Key")));
    CHECK(field(request, "Sec-WebSocket-Key") != field(request_of({}), "Sec-WebSocket-Key"));
    CHECK(request.size() < 250); // And nothing else.
}

TEST_CASE("handshake: Host has the port unless it is the scheme's own, and IPv6 in brackets", "[websocket]") {
    const auto host = [](const std::string& name, std::uint16_t port, transport_kind kind) {
        return field(request_of({}, at(name, port, kind)), "Host");
    };
    CHECK(host("b", 80, transport_kind::websocket) == "b");
    CHECK(host("b", 443, transport_kind::websocket) == "b:443");
    CHECK(host("b", 443, transport_kind::secure_websocket) == "b");
    CHECK(host("b", 80, transport_kind::secure_websocket) == "b:80");
    CHECK(host("127.0.0.1", 9001, transport_kind::websocket) == "127.0.0.1:9001");
    CHECK(host("::1", 9001, transport_kind::websocket) == "[::1]:9001");
    CHECK(host("[::1]", 80, transport_kind::websocket) == "[::1]");
    CHECK(host("fe80::1%eth0", 0, transport_kind::websocket) == "[fe80::1]");
    CHECK(host("b", 0, transport_kind::secure_websocket) == "b");
}

TEST_CASE("handshake: the path is the address's, with its query", "[websocket]") {
    const auto line = [](const char* path) {
        broker where = at();
        where.path = std::string(path);
        const std::string request = request_of({}, where);
        return request.substr(0, request.find("\r\n"));
    };
    CHECK(line("/ws?token=a%20b&c=d") == "GET /ws?token=a%20b&c=d HTTP/1.1");
    CHECK(line("") == "GET / HTTP/1.1");
    CHECK(line("?token=x") == "GET /?token=x HTTP/1.1");
    CHECK(line("ws") == "GET /ws HTTP/1.1");
}

TEST_CASE("handshake: headers of the application go with the request; Host replaces ours", "[websocket]") {
    websocket_options o;
    o.headers = {{"Authorization", "Bearer a.b-c"}, {"Cookie", "a=b; c=d"}};
    std::string request = request_of(o);
    CHECK(field(request, "Authorization") == "Bearer a.b-c");
    CHECK(field(request, "Cookie") == "a=b; c=d");
    o.headers = {{"host", "other.example"}};
    request = request_of(o);
    CHECK(field(request, "host") == "other.example");
    CHECK(field(request, "Host") == "(none)");
}

TEST_CASE("handshake: what prepare_request says is asked, anew for each connection", "[websocket]") {
    int calls = 0;
    websocket_options o;
    o.headers = {{"X-Kept", "yes"}};
    o.prepare_request = [&](std::string& path, websocket_options::header_list& headers) {
        path += "?signature=" + std::to_string(++calls);
        headers.emplace_back("X-Date", "today");
    };
    for (const char* line : {"GET /mqtt?signature=1 HTTP/1.1\r\n", "GET /mqtt?signature=2 HTTP/1.1\r\n"}) {
        const std::string request = request_of(o);
        CHECK(request.starts_with(line));
        CHECK(field(request, "X-Kept") == "yes");
        CHECK(field(request, "X-Date") == "today");
    }
    CHECK(o.headers.size() == 1);
}

TEST_CASE("handshake: a path or header with which another request could be smuggled in is refused, and nothing is sent", "[websocket]") {
    for (const std::string path : {"/a b", "/a\r\nX: y", "/\n", "/\x7f", "/\xC3\xA4", "/#fragment"}) {
        CAPTURE(path);
        broker where = at();
        where.path = path;
        const driven c = client({}, where);
        CHECK(c.error == websocket_errc::path_invalid);
        CHECK(c.error == error_condition::fatal);
        CHECK(c.one->details().starts_with("path: /"));
        CHECK(c.wire.empty());
    }
    for (const auto& [name, value] : websocket_options::header_list{{"A", "secret\r\nX: y"},
                                                                    {"A", "secret\n"},
                                                                    {"A", std::string("secret\0", 7)},
                                                                    {"A: b\r\nX", "secret"},
                                                                    {"A ", "secret"},
                                                                    {"", "secret"},
                                                                    {"sec-websocket-protocol", "secret"},
                                                                    {"Sec-WebSocket-Extensions", "secret"},
                                                                    {"UPGRADE", "secret"},
                                                                    {"Connection", "secret"},
                                                                    {"Content-Length", "1"},
                                                                    {"Transfer-Encoding", "chunked"}}) {
        CAPTURE(name);
        for (const bool is_late : {false, true}) { // By the options, or by prepare_request.
            websocket_options o;
            if (is_late)
                o.prepare_request = [&](std::string&, auto& headers) { headers.emplace_back(name, value); };
            else
                o.headers.emplace_back(name, value);
            const driven c = client(o);
            CHECK(c.error == websocket_errc::header_invalid);
            CHECK(c.error == error_condition::fatal);
            CHECK(c.one->details() == "header: " + detail::quotable(name)); // And no secret.
            CHECK(c.wire.empty());
        }
    }
}

TEST_CASE("handshake: wherever the answer is cut it opens, and what is behind it are frames", "[websocket]") {
    for (std::size_t cut = 0;; ++cut) {
        CAPTURE(cut);
        driven c = client();
        const std::string answer = consent(c.sent()) + frame(binary, "at once") + frame(ping);
        c.receive(answer.substr(0, cut));
        REQUIRE_FALSE(c.error);
        REQUIRE(c.one->is_open() == (cut >= answer.find("\r\n\r\n") + 4));
        c.receive(answer.substr(cut));
        REQUIRE_FALSE(c.error);
        REQUIRE(c.one->is_open());
        REQUIRE(c.plain == "at once");
        REQUIRE(only_frame_in(c.wire).first == 0x8a);
        if (cut == answer.size()) break;
    }
    driven c = client();
    c.receive_bytewise(consent(c.sent()) + frame(binary, "at once"));
    CHECK(c.plain == "at once");
}

TEST_CASE("handshake: names and values that HTTP says are alike whatever their case are so", "[websocket]") {
    driven c = client();
    c.receive(consent(c.sent(), [](std::string& text) {
        text = replaced(text, "Upgrade: websocket", "UPGRADE:\tWebSocket");
        text = replaced(text, "Connection: Upgrade", "connection: keep-alive, upgrade");
        text = replaced(text, "Sec-WebSocket-Accept: ", "sec-websocket-accept:");
        text = replaced(text, "Sec-WebSocket-Protocol: mqtt", "SEC-WEBSOCKET-PROTOCOL:  mqtt \r\nServer: x");
        text = replaced(text, " Switching Protocols", " Whatever Somebody Wants To Say");
    }));
    CHECK_FALSE(c.error);
    CHECK(c.one->is_open());
}

TEST_CASE("handshake: consent that is none has its error, and says what was answered", "[websocket][v5:MQTT-6.0.0-4][v3:MQTT-6.0.0-4]") {
    const auto [what, by, error, details] = GENERATE(table<std::string, std::string, websocket_errc, std::string>({
        {"HTTP/1.1", "HTTP/1.0", websocket_errc::http_version, "answer: HTTP/1.0 101 Switching Protocols"},
        {"HTTP/1.1", "HTTP/2.0", websocket_errc::not_http, "answer: HTTP/2.0 101 Switching Protocols"},
        {"Upgrade: websocket", "Upgrade: h2c", websocket_errc::no_upgrade, ""},
        {"Upgrade: websocket\r\n", "", websocket_errc::no_upgrade, ""},
        {"Connection: Upgrade", "Connection: close", websocket_errc::no_upgrade, ""},
        {"Connection: Upgrade\r\n", "", websocket_errc::no_upgrade, ""},
        {"Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x", websocket_errc::wrong_accept, ", Sec-WebSocket-Accept: x"},
        {"Sec-WebSocket-Accept: ", "X: ", websocket_errc::wrong_accept, ", without it"},
        {"=\r\n", "=\r\nSec-WebSocket-Accept: second\r\n", websocket_errc::wrong_accept, ""},
        {"Upgrade: ", "Sec-WebSocket-Extensions: permessage-deflate\r\nUpgrade: ", websocket_errc::unknown_extension,
         ", Sec-WebSocket-Extensions: permessage-deflate"},
        {"Sec-WebSocket-Protocol: mqtt\r\n", "", websocket_errc::no_subprotocol, ""},
        {"Protocol: mqtt", "Protocol: mqttv3.1", websocket_errc::wrong_subprotocol, ", Sec-WebSocket-Protocol: mqttv3.1"},
        {"Protocol: mqtt", "Protocol: MQTT", websocket_errc::wrong_subprotocol, ", Sec-WebSocket-Protocol: MQTT"},
        {"Protocol: mqtt", "Protocol:", websocket_errc::wrong_subprotocol, ", Sec-WebSocket-Protocol: "},
        {"Protocol: mqtt", "Protocol: mqtt, mqtt", websocket_errc::wrong_subprotocol, ""},
        {"Protocol: mqtt", "Protocol: mqtt\r\nSec-WebSocket-Protocol: mqtt", websocket_errc::wrong_subprotocol, ""},
        {"Upgrade: ", "bad field\r\nUpgrade: ", websocket_errc::head_malformed, ""},
        {"Upgrade: ", " folded\r\nUpgrade: ", websocket_errc::head_malformed, ""},
    }));
    CAPTURE(what, by);
    driven c = client();
    c.receive(consent(c.sent(), [&, w = what, b = by](std::string& text) { text = replaced(text, w, b); }) + frame(binary, "x"));
    CHECK(c.error == error);
    CHECK(c.error != error_condition::fatal); // Another attempt may meet another server.
    CHECK_FALSE(c.one->is_open());
    CHECK(c.plain.empty());
    CHECK(c.wire.empty());
    CHECK(c.one->details().starts_with("answer: HTTP/"));
    CHECK(c.one->details().find(details) != std::string::npos);
    driven bytewise = client();
    bytewise.receive_bytewise(consent(bytewise.sent(), [&, w = what, b = by](std::string& text) { text = replaced(text, w, b); }));
    CHECK(bytewise.error == error);
}

TEST_CASE("handshake: another status than 101 is the error, with what the server says about it", "[websocket]") {
    const auto [answer, code, is_fatal, message, details] = GENERATE(table<std::string, int, bool, std::string, std::string>({
        {"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n<h1>\nWelcome\n</h1>", 200, false, "HTTP status 200",
         "answer: HTTP/1.1 200 OK, <h1> Welcome </h1>"},
        {"HTTP/1.0 200 OK\r\n\r\n", 200, false, "HTTP status 200", "answer: HTTP/1.0 200 OK"},
        {"HTTP/1.1 301 Moved\r\nLocation: wss://b.example/mqtt\r\n\r\n", 301, true, "HTTP status 301 (Moved Permanently)",
         "answer: HTTP/1.1 301 Moved, Location: wss://b.example/mqtt"},
        {"HTTP/1.1 302 Found\r\nlocation: /login\r\n\r\ngo", 302, false, "HTTP status 302 (Found elsewhere)",
         "answer: HTTP/1.1 302 Found, Location: /login, go"},
        {"HTTP/1.1 308 x\r\nLocation: /\xC3\xA4\r\n\r\n\x1b[2J", 308, true, "HTTP status 308 (Permanent Redirect)",
         "answer: HTTP/1.1 308 x, Location: /??, ?[2J"},
        {"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n\r\nWho are you?", 401, true, "HTTP status 401 (Unauthorized)",
         "answer: HTTP/1.1 401 Unauthorized, Who are you?"},
        {"HTTP/1.1 403\r\n\r\n", 403, true, "HTTP status 403 (Forbidden)", "answer: HTTP/1.1 403"},
        {"HTTP/1.1 404 Not Found\r\n\r\n", 404, false, "HTTP status 404 (Not Found)", "answer: HTTP/1.1 404 Not Found"},
        {"HTTP/1.1 503 Service Unavailable\r\n\r\n", 503, false, "HTTP status 503 (Service Unavailable)", ""},
        {"HTTP/1.1 599 x\r\n\r\n", 599, false, "HTTP status 599", ""},
    }));
    CAPTURE(answer);
    driven c = answered(answer);
    CHECK(c.error.category() == websocket_category());
    CHECK(c.error.value() == code);
    CHECK((c.error == error_condition::fatal) == is_fatal);
    CHECK((c.error == error_condition::transient) == !is_fatal);
    CHECK(c.error != std::errc::connection_aborted);
    CHECK(c.error.message() == "the WebSocket handshake was answered with " + message);
    if (!details.empty()) CHECK(c.one->details() == details);
    CHECK(c.plain.empty());
}

TEST_CASE("handshake: answers before the answer are passed over", "[websocket]") { // RFC 9110, 15.2.
    driven c = client();
    c.receive("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + consent(c.sent()) + frame(binary, "x"));
    CHECK_FALSE(c.error);
    CHECK(c.plain == "x");
    driven endless = client();
    for (int i = 0; i != 1000 && !endless.error; ++i) endless.receive("HTTP/1.1 102 Processing\r\n\r\n");
    CHECK(endless.error == websocket_errc::head_too_large);
}

TEST_CASE("handshake: who does not speak HTTP is found out with the first byte that shows it", "[websocket]") {
    const auto [bytes, needed] = GENERATE(table<std::string, std::size_t>({
        {hex("20 02 00 05"), 1},          // CONNACK.
        {hex("15 03 01 00 02 02 46"), 1}, // An alert of TLS.
        {"HTTX/1.1 101 Switching Protocols", 4},
        {"SSH-2.0-OpenSSH_9.2\r\n", 1},
        {"http/1.1 200 OK\r\n\r\n", 1},
        {"\r\n\r\n", 1},
    }));
    driven c = client();
    c.receive(bytes.substr(0, needed - 1));
    CHECK_FALSE(c.error);
    c.receive(bytes.substr(needed - 1, 1));
    CHECK(c.error == websocket_errc::not_http);
    CHECK(answered(bytes).error == websocket_errc::not_http);
    CHECK(answered("HTTP/1.1 abc\r\n\r\n").error == websocket_errc::not_http);
}

TEST_CASE("handshake: an answer without end is one of 16 KiB at most", "[websocket]") {
    driven c = client();
    c.sent();
    std::size_t sent = 0;
    for (std::string next = "HTTP/1.1 101 Switching Protocols\r\n"; !c.error; next = "X-Endless: " + std::string(100, 'x') + "\r\n") {
        c.receive(next);
        sent += next.size();
        REQUIRE(sent < 20'000);
    }
    CHECK(c.error == websocket_errc::head_too_large);
    CHECK(c.one->details().size() < 300);
    CHECK(sent > 16'000);
}

TEST_CASE("handshake: an end of the connection before its end is an error", "[websocket]") {
    driven silent = client();
    CHECK(silent.one->ended() == websocket_errc::closed_in_handshake);
    driven half = answered("HTTP/1.1 101");
    CHECK(half.one->ended() == websocket_errc::closed_in_handshake);
    driven refused = client();
    refused.one->finish(refused.wire); // There is nothing to close yet.
    CHECK(frames_in(refused.wire.substr(refused.wire.find("\r\n\r\n") + 4)).empty());
}

TEST_CASE("handshake: the server takes RFC 6455's example, and answers as it says",
          "[websocket][v5:MQTT-6.0.0-4][v3:MQTT-6.0.0-4]") { // 1.2.
    for (std::size_t cut = 0; cut <= good_request.size(); ++cut) {
        driven s = server();
        s.receive(good_request.substr(0, cut)).receive(good_request.substr(cut) + masked(binary, "at once"));
        REQUIRE_FALSE(s.error);
        REQUIRE(s.one->is_open());
        REQUIRE(s.plain == "at once");
        REQUIRE(s.wire == "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    }
    websocket_server_layer s;
    std::string plain, wire;
    CHECK_FALSE(s.received(good_request, plain, wire));
    CHECK(s.request().starts_with("GET /mqtt HTTP/1.1\r\n"));
}

TEST_CASE("handshake: the server refuses what is no request for MQTT, and says why", "[websocket][v5:MQTT-6.0.0-3][v3:MQTT-6.0.0-3]") {
    const auto [what, by, status, words] = GENERATE(table<std::string, std::string, int, std::string>({
        {"GET", "POST", 405, "GET is wanted"},
        {"/mqtt", "/other", 404, "MQTT is at /mqtt"},
        {"HTTP/1.1", "HTTP/1.0", 400, "HTTP 1.1 with one Host is wanted"},
        {"Host: server.example.com\r\n", "", 400, "HTTP 1.1 with one Host is wanted"},
        {"Host: ", "Host: a\r\nHost: ", 400, "HTTP 1.1 with one Host is wanted"},
        {"Upgrade: websocket\r\n", "", 426, "WebSocket is wanted"},
        {"Connection: Upgrade", "Connection: close", 426, "WebSocket is wanted"},
        {"Version: 13", "Version: 8", 426, "version 13 of WebSocket is wanted"},
        {"Sec-WebSocket-Version: 13\r\n", "", 426, "version 13 of WebSocket is wanted"},
        {"dGhlIHNhbXBsZSBub25jZQ==", "dGhl", 400, "Sec-WebSocket-Key is wanted, 16 bytes in Base64"},
        {"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZ!==", 400, "Sec-WebSocket-Key is wanted, 16 bytes in Base64"},
        {"dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQQQ", 400, "Sec-WebSocket-Key is wanted, 16 bytes in Base64"},
        {"Sec-WebSocket-Key: ", "Sec-WebSocket-Key: a\r\nSec-WebSocket-Key: ", 400, "Sec-WebSocket-Key is wanted, 16 bytes in Base64"},
        {"Protocol: chat, mqtt", "Protocol: chat, MQTT", 400, "the subprotocol mqtt is wanted"},
        {"Sec-WebSocket-Protocol: chat, mqtt\r\n", "", 400, "the subprotocol mqtt is wanted"},
        {"Origin: ", "Origin ", 400, "this is no HTTP request"},
        {"GET /mqtt HTTP/1.1", "!POST /mqtt HTTP/1.1", 400, "this is no HTTP request"},
        {"GET /mqtt HTTP/1.1", "GET /mqtt", 400, "this is no HTTP request"},
        {"GET ", std::string("\x10\x0c", 2), 400, "this is no HTTP request"},
    }));
    CAPTURE(what, by);
    driven s = server({.path = "/mqtt"});
    s.receive(replaced(good_request, what, by));
    CHECK(s.error == static_cast<websocket_errc>(status));
    CHECK(s.one->details() == words);
    CHECK_FALSE(s.one->is_open());
    CHECK(s.wire.starts_with("HTTP/1.1 " + std::to_string(status) + ' '));
    CHECK(s.wire.ends_with("\r\n\r\n" + words + "\n"));
    CHECK(field(s.wire, "Content-Length") == std::to_string(words.size() + 1));
    driven asking = client();
    asking.sent();
    asking.receive(s.wire); // And our own client says the same.
    CHECK(asking.error == s.error);
    CHECK(asking.one->details().ends_with(words));
}

TEST_CASE("handshake: a request without end is refused", "[websocket]") {
    driven s = server();
    for (int i = 0; i != 200 && !s.error; ++i) s.receive("X-Endless: " + std::string(100, 'x') + "\r\n");
    CHECK(s.error == websocket_errc::head_fields_too_large);
    CHECK(s.wire.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"));
}

TEST_CASE("websocket: client and server understand each other, whatever the pieces", "[websocket]") {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1000}, std::size_t{1} << 20}) {
        driven c = client(), s = server();
        const auto deliver = [&](driven& from, driven& to) {
            const std::string bytes = from.sent();
            for (std::size_t i = 0; i < bytes.size(); i += piece) to.receive(bytes.substr(i, piece));
        };
        const auto exchange = [&] {
            while (!c.wire.empty() || !s.wire.empty()) {
                deliver(c, s);
                deliver(s, c);
            }
        };
        exchange();
        REQUIRE(c.one->is_open());
        REQUIRE(s.one->is_open());
        std::string up, down;
        for (std::size_t size = 0; size < 10'000; size = size * 3 + 1) {
            up += std::string(size, 'u');
            down += std::string(size, 'd');
            CHECK_FALSE(c.one->send(std::string(size, 'u'), c.wire));
            CHECK_FALSE(s.one->send(std::string(size, 'd'), s.wire));
            exchange();
        }
        CHECK(s.plain == up);
        CHECK(c.plain == down);
        c.one->finish(c.wire);
        exchange();
        CHECK(s.one->is_finished());
        CHECK(c.one->is_finished());
        CHECK_FALSE(c.error);
        CHECK_FALSE(s.error);
    }
}

TEST_CASE("websocket: including the header is what makes clients know it", "[websocket]") {
    REQUIRE(detail::known_layers.websocket != nullptr);
    const auto made = detail::known_layers.websocket(at("h", 81), {});
    std::string wire;
    CHECK_FALSE(made->start(wire));
    CHECK(field(wire, "Host") == "h:81");
    CHECK_FALSE(made->is_transparent());
}

TEST_CASE("websocket: every error has words, and a category of its own", "[websocket]") {
    CHECK(std::string(websocket_category().name()) == "websocket");
    for (const auto& row : detail::websocket_texts) {
        const std::string message = make_error_code(row.code).message();
        CHECK(message.find(row.text) != message.npos);
        CHECK_FALSE(message.starts_with("unknown"));
    }
    for (int i = 0; i <= static_cast<int>(websocket_errc::cut_off); ++i)
        CHECK_FALSE(detail::text_of(static_cast<websocket_errc>(i)).empty());
    CHECK(make_error_code(static_cast<websocket_errc>(99)).message() == "unknown WebSocket error");
}
