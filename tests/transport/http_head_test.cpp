// Heads of HTTP messages: cut anywhere, of any case, and what is none.
#include "support/catch.hpp"

#include <inflight/transport/http_head.hpp>

using namespace inflight::detail;
using progress = http_head::progress;

namespace {

progress read(http_head& head, std::string_view bytes) { return head.read(bytes); }

const std::string upgraded =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\ncONNECTION:keep-alive , \tUpgrade\t\r\nEmpty:\r\n\r\n";

} // namespace

TEST_CASE("http_head: wherever the head is cut it is the same, and what is behind it stays", "[transport]") {
    const std::string bytes = upgraded + "behind";
    for (std::size_t cut = 0; cut <= upgraded.size(); ++cut) {
        CAPTURE(cut);
        http_head head;
        std::string_view first = std::string_view(bytes).substr(0, cut), rest = std::string_view(bytes).substr(cut);
        if (cut == upgraded.size()) {
            rest = bytes; // In one piece.
        } else {
            REQUIRE(head.read(first) == progress::incomplete);
            CHECK(first.empty());
        }
        REQUIRE(head.read(rest) == progress::complete);
        CHECK(rest == "behind");
        CHECK(head.start_line() == "HTTP/1.1 101 Switching Protocols");
        CHECK(head.value("empty") == "");
    }
}

TEST_CASE("http_head: a byte at a time it is complete with its last one", "[transport]") {
    http_head head;
    for (std::size_t i = 0; i != upgraded.size(); ++i)
        REQUIRE(read(head, std::string_view(upgraded).substr(i, 1)) ==
                (i + 1 == upgraded.size() ? progress::complete : progress::incomplete));
}

TEST_CASE("http_head: names and elements of lists are found whatever their case, values without the blanks around", "[transport]") {
    http_head head;
    REQUIRE(read(head, upgraded) == progress::complete);
    CHECK(head.value("upgrade") == "websocket");
    CHECK(head.value("Connection") == "keep-alive , \tUpgrade");
    CHECK(head.has_element("connection", "UPGRADE"));
    CHECK(head.has_element("connection", "Keep-Alive"));
    CHECK_FALSE(head.has_element("connection", "keep"));
    CHECK_FALSE(head.has_element("other", "upgrade"));
    CHECK_FALSE(head.value("Upgrad"));
    CHECK(head.count("EMPTY") == 1);
    CHECK(head.count("absent") == 0);
}

TEST_CASE("http_head: the lists of several fields of one name are one list", "[transport]") {
    http_head head;
    REQUIRE(read(head, "GET / HTTP/1.1\r\nP: a, b\r\nP:c\r\n\r\n") == progress::complete);
    for (const std::string_view one : {"a", "b", "c"}) CHECK(head.has_element("p", one));
    CHECK(head.count("p") == 2);
    CHECK(head.value("p") == "a, b");
}

TEST_CASE("http_head: status lines are HTTP/1.x, three digits and perhaps a reason", "[transport]") {
    const auto status_of = [](const std::string& line) {
        http_head head;
        REQUIRE(read(head, line + "\r\n\r\n") == progress::complete);
        const auto found = head.status_line();
        return found ? std::to_string(found->minor_version) + ' ' + std::to_string(found->status) + ' ' + std::string(found->reason)
                     : "none";
    };
    CHECK(status_of("HTTP/1.1 101 Switching Protocols") == "1 101 Switching Protocols");
    CHECK(status_of("HTTP/1.0 200 OK") == "0 200 OK");
    CHECK(status_of("HTTP/1.1 404") == "1 404 ");
    CHECK(status_of("HTTP/1.1 404 ") == "1 404 ");
    for (const std::string bad :
         {"", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 1", "HTTP/1.1 10", "HTTP/1.1 1a1 x", "HTTP/1.1 1011", "HTTP/1.1 099 x", "HTTP/1.1 600 x",
          "HTTP/2.0 200 OK", "HTTP/1.x 200 OK", "HTTP/11 200 OK", "http/1.1 200 OK", "SSH-2.0-x", "HTTP/1.1  200 OK"}) {
        CAPTURE(bad);
        CHECK(status_of(bad) == "none");
    }
}

TEST_CASE("http_head: request lines are a method, a target and HTTP/1.x", "[transport]") {
    const auto line_of = [](const std::string& line) {
        http_head head;
        REQUIRE(read(head, line + "\r\n\r\n") == progress::complete);
        const auto found = head.request_line();
        return found ? std::string(found->method) + '|' + std::string(found->target) + '|' + std::to_string(found->minor_version) : "none";
    };
    CHECK(line_of("GET /mqtt?a=b HTTP/1.1") == "GET|/mqtt?a=b|1");
    for (const std::string bad :
         {"", "GET", "GET /", "GET / HTTP/2.0", "GET  HTTP/1.1", "GET /a b HTTP/1.1", "G(T / HTTP/1.1", " / HTTP/1.1"}) {
        CAPTURE(bad);
        CHECK(line_of(bad) == "none");
    }
}

TEST_CASE("http_head: what is no field is malformed", "[transport]") {
    for (const std::string bad : {"no colon", ": no name", "blank : x", " goes: on", "\tgoes: on", "a(b: x", "a: \x01", "a: b\nc: d",
                                  "a: b\rc: d", "a: \x7f", "\xC3\xA4: x"}) {
        CAPTURE(bad);
        http_head head;
        CHECK(read(head, "HTTP/1.1 101 x\r\nGood: x\r\n" + bad + "\r\n\r\n") == progress::malformed);
    }
    http_head nul, line;
    CHECK(read(nul, std::string_view("HTTP/1.1 101 x\r\na: \0\r\n\r\n", 24)) == progress::malformed);
    CHECK(read(line, "HTTP/1.1 101 a\nb\r\n\r\n") == progress::malformed);
    http_head foreign; // Bytes that are no ASCII are allowed in a value.
    CHECK(read(foreign, "HTTP/1.1 101 x\r\na: \xC3\xA4\r\n\r\n") == progress::complete);
}

TEST_CASE("http_head: an endless head ends at the limit, whatever the pieces", "[transport]") {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}, http_head::limit, 2 * http_head::limit}) {
        http_head head;
        progress p = progress::incomplete;
        std::size_t sent = 0;
        for (; p == progress::incomplete; sent += piece) p = read(head, std::string(piece, 'a'));
        CHECK(p == progress::too_large);
        CHECK(sent < http_head::limit + 2 * piece);
        CHECK(head.text().size() == http_head::limit);
    }
    http_head largest; // As much as may be.
    CHECK(read(largest, "HTTP/1.1 101 x\r\na:" + std::string(http_head::limit - 22, 'x') + "\r\n\r\n") == progress::complete);
    http_head too_large;
    CHECK(read(too_large, "HTTP/1.1 101 x\r\na:" + std::string(http_head::limit - 21, 'x') + "\r\n\r\n") == progress::too_large);
}

TEST_CASE("http_head: what a peer has said is quoted on one line of printable ASCII, and cut", "[transport]") {
    CHECK(quotable("") == "");
    CHECK(quotable("<h1>\r\n\tNot  found</h1>") == "<h1> Not found</h1>");
    CHECK(quotable("\x1b[2J\xC3\xA4\x7f") == "?[2J???");
    CHECK(quotable(" \r\n a \r\n ") == "a");
    CHECK(quotable("abcdef", 3) == "abc...");
    CHECK(quotable("abc", 3) == "abc");
}

TEST_CASE("http_head: a value with a line break in it is none", "[transport]") {
    CHECK(is_http_value("Bearer a.b \t~\xC3\xA4"));
    for (const std::string_view bad : {"a\r\nb", "a\n", "\r", "\x7f"}) CHECK_FALSE(is_http_value(bad));
    CHECK_FALSE(is_http_value(std::string_view("\0", 1)));
    CHECK(is_http_token("X-Name_1"));
    for (const std::string_view bad : {"", "a b", "a:", "a\n", "\xC3\xA4"}) CHECK_FALSE(is_http_token(bad));
}
