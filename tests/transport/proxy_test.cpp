// Proxies without a socket: what is asked of them, and what becomes of every answer they may give.
#include "support/catch.hpp"
#include "support/hex.hpp"

#include <inflight/transport/proxy.hpp>

using namespace inflight;
using namespace std::string_literals;

namespace {

proxy_options http() { return {proxy_kind::http, "proxy", 0, std::nullopt, std::nullopt}; }
proxy_options socks() { return {proxy_kind::socks5, "proxy", 0, std::nullopt, std::nullopt}; }
proxy_options with(proxy_options p, std::string user, std::string password) {
    p.user_name = std::move(user);
    p.password = std::move(password);
    return p;
}
broker at(std::string host, std::uint16_t port = 1883) {
    broker b;
    b.host = std::move(host);
    b.port = port;
    return b;
}

// A layer, and what has become of it.
struct talk {
    explicit talk(const proxy_options& p, const broker& where = at("broker")) : one(make_proxy_layer(p, where)) {
        error = one->start(sent);
    }

    // What it sends in answer to these bytes, which come in pieces of that size.
    std::string hears(std::string_view bytes, std::size_t piece = std::string_view::npos) {
        sent.clear();
        for (; !bytes.empty() && !error; bytes.remove_prefix(std::min(piece, bytes.size())))
            error = one->received(bytes.substr(0, piece), plain, sent);
        return sent;
    }

    std::unique_ptr<layer> one;
    std::error_code error{};
    std::string sent{}, plain{};
};

std::error_code http_error(std::string_view answer, const proxy_options& p = http()) {
    talk t(p);
    (void)t.hears(answer);
    CHECK_FALSE(t.one->is_open());
    CHECK(t.plain.empty());
    return t.error;
}
std::string status(int code) { return "HTTP/1.1 " + std::to_string(code) + " Words\r\nServer: x\r\n\r\n"; }

const std::string wants_no_login = hex("05 00"), wants_login = hex("05 02"), login_accepted = hex("01 00");
const std::string connected = hex("05 00 00 01 0A 00 00 01 12 34");

} // namespace

TEST_CASE("proxy: HTTP CONNECT names host and port in the request line and in Host", "[transport]") {
    CHECK(talk(http(), at("broker.example", 8883)).sent
          == "CONNECT broker.example:8883 HTTP/1.1\r\nHost: broker.example:8883\r\n\r\n");
    CHECK(talk(http(), at("192.0.2.1")).sent == "CONNECT 192.0.2.1:1883 HTTP/1.1\r\nHost: 192.0.2.1:1883\r\n\r\n");
    for (const char* const host : {"2001:db8::1", "[2001:db8::1]"})
        CHECK(talk(http(), at(host)).sent == "CONNECT [2001:db8::1]:1883 HTTP/1.1\r\nHost: [2001:db8::1]:1883\r\n\r\n");
}

TEST_CASE("proxy: HTTP credentials are Basic, in Base64 with padding, and may be empty or hold a colon in the password", "[transport]") {
    const auto field = [](const std::string& user, const std::string& password) {
        const std::string sent = talk(with(http(), user, password)).sent;
        const std::string name = "\r\nProxy-Authorization: Basic ";
        const std::size_t begin = sent.find(name) + name.size();
        return sent.substr(begin, sent.find("\r\n", begin) - begin);
    };
    CHECK(field("Aladdin", "open sesame") == "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="); // RFC 7617, 2.
    CHECK(field("test", "123\xC2\xA3") == "dGVzdDoxMjPCow==");                // RFC 7617, 2.1.
    CHECK(field("u", "a:b") == "dTphOmI=");
    CHECK(field("u", "p") == "dTpw");
    CHECK(field("", "") == "Og==");
    CHECK(field("u", "\xFF\xFE\xFB\xEF\xBE") == "dTr//vvvvg=="); // The last digits of the alphabet.
    CHECK(field(std::string(300, 'u'), std::string(300, 'p')).size() == 804);
    CHECK(talk(http()).sent.find("Proxy-Authorization") == std::string::npos);
    proxy_options password_only = http();
    password_only.password = "p";
    CHECK(talk(password_only).sent.find("Basic OnA=\r\n") != std::string::npos);
}

TEST_CASE("proxy: what HTTP cannot say is an error before anything is sent", "[transport]") {
    for (const char* const user : {"a:b", "a\nb", "a\x7F"}) {
        talk t(with(http(), user, "p"));
        CHECK(t.error == proxy_errc::credentials_invalid);
        CHECK(t.sent.empty());
        CHECK_FALSE(t.one->details().empty());
    }
    CHECK(talk(with(http(), "u", "p\r\nX: y")).error == proxy_errc::credentials_invalid);
    for (const proxy_options& p : {http(), socks()}) {
        for (const std::string& host : {""s, "a b"s, "a\r\nHost: b"s, "a/b"s, "u@a"s, "a:1"s, "fe80::1%eth0"s, "[a]b"s, "a\0b"s,
                                        "\xC3\xA4.example"s}) {
            CAPTURE(host);
            talk t(p, at(host));
            CHECK(t.error == proxy_errc::host_invalid);
            CHECK(t.sent.empty());
        }
    }
    CHECK(talk(http(), at("a\nb")).one->details() == "\"a b\"");
    CHECK(talk(http(), at(std::string(1000, 'a'))).error == std::error_code()); // HTTP has no limit to a name.
}

TEST_CASE("proxy: any 2xx of HTTP opens, wherever it is cut, and what is behind the header passes on", "[transport]") {
    for (const std::string& answer :
         {"HTTP/1.1 200 Connection established\r\n\r\n"s, "HTTP/1.0 200 OK\r\nVia: x\r\nContent-Length: 100\r\n\r\n"s,
          "HTTP/1.1 204\r\n\r\n"s, "HTTP/1.1 299 \r\nTransfer-Encoding: chunked\r\n\r\n"s,
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"s}) {
        CAPTURE(answer);
        for (std::size_t piece = 1; piece <= answer.size() + 8; ++piece) {
            talk t(http());
            CHECK_FALSE(t.one->is_open());
            CHECK(t.hears(answer + "\x20\x02\r\n\r\nHTTP/", piece).empty());
            CHECK_FALSE(t.error);
            CHECK(t.one->is_open());
            CHECK(t.plain == "\x20\x02\r\n\r\nHTTP/");
        }
        talk unfinished(http());
        (void)unfinished.hears(std::string_view(answer).substr(0, answer.size() - 1));
        CHECK_FALSE(unfinished.error);
        CHECK_FALSE(unfinished.one->is_open());
    }
}

TEST_CASE("proxy: once open bytes pass both ways as they are, and the end is nothing special", "[transport]") {
    for (const bool is_socks : {false, true}) {
        talk t(is_socks ? socks() : http());
        CHECK(t.one->ended() == proxy_errc::closed);
        (void)t.hears(is_socks ? wants_no_login + connected : status(200));
        REQUIRE(t.one->is_open());
        CHECK(t.one->is_transparent());
        std::string wire;
        CHECK_FALSE(t.one->send("\5\1\r\n\r\n", wire));
        CHECK(wire == "\5\1\r\n\r\n");
        CHECK(t.hears("\5\1HTTP/1.1 403 No\r\n\r\n").empty());
        CHECK(t.plain == "\5\1HTTP/1.1 403 No\r\n\r\n");
        CHECK_FALSE(t.error);
        CHECK_FALSE(t.one->ended());
        CHECK_FALSE(t.one->is_finished());
    }
}

TEST_CASE("proxy: each status of HTTP is an error of its own kind, worth another attempt or not", "[transport]") {
    struct row { int status; proxy_errc code; error_condition condition; };
    using enum proxy_errc;
    using enum error_condition;
    const row rows[] = {
        {101, unexpected_status, transient}, {301, unexpected_status, transient}, {302, unexpected_status, transient},
        {400, bad_request, fatal}, {401, credentials_missing, fatal}, {403, forbidden, fatal}, {404, unexpected_status, transient},
        {405, connect_not_supported, fatal}, {408, timed_out, transient}, {418, unexpected_status, transient},
        {429, unavailable, transient}, {451, forbidden, fatal}, {500, general_failure, transient}, {501, connect_not_supported, fatal},
        {502, host_unreachable, transient}, {503, unavailable, transient}, {504, timed_out, transient},
        {505, unexpected_status, transient}, {599, unexpected_status, transient},
    };
    for (const row& one : rows) {
        CAPTURE(one.status);
        for (std::size_t piece = 1; piece != 50; ++piece) {
            talk t(http());
            (void)t.hears(status(one.status) + "<html>", piece);
            CHECK(t.error == one.code);
            CHECK(t.error == one.condition);
            CHECK((t.error == fatal) != (t.error == transient));
            CHECK(t.one->details() == "HTTP/1.1 " + std::to_string(one.status) + " Words");
            CHECK_FALSE(t.one->is_open());
            CHECK(t.plain.empty());
        }
    }
}

TEST_CASE("proxy: 407 tells missing credentials from wrong ones, and both from a way that is not known", "[transport]") {
    const std::string basic = "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n";
    const std::string digest = "HTTP/1.1 407 No\r\nproxy-AUTHENTICATE: Digest realm=\"x\"\r\nProxy-Authenticate:NTLM\r\n\r\n";
    const std::string both = "HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate, bAsIc realm=\"x\"\r\n\r\n";
    const proxy_options known = with(http(), "u", "p");
    for (const std::string& answer : {basic, both, status(407), status(401)}) {
        CHECK(http_error(answer) == proxy_errc::credentials_missing);
        CHECK(http_error(answer, known) == proxy_errc::credentials_refused);
        CHECK(http_error(answer, known) == error_condition::fatal);
    }
    CHECK(http_error(digest) == proxy_errc::authentication_not_supported);
    CHECK(http_error(digest, known) == proxy_errc::authentication_not_supported);
    talk t(known);
    (void)t.hears(digest);
    CHECK(t.one->details() == "HTTP/1.1 407 No; Proxy-Authenticate: Digest realm=\"x\"");
}

TEST_CASE("proxy: what is not HTTP is an error as soon as that shows, with its first bytes", "[transport]") {
    for (const std::string& answer :
         {"\5\xFF"s, "\x15\3\1\0\2"s, "220 mail\r\n"s, "HTTP/2"s, "h"s, "\r\nHTTP/1.1 200 OK\r\n\r\n"s, "\0"s}) {
        CAPTURE(answer);
        CHECK(http_error(answer) == proxy_errc::malformed_answer);
        CHECK(http_error(answer) == error_condition::transient);
    }
    for (const std::string& line : {"HTTP/1.x 200 OK"s, "HTTP/1.1"s, "HTTP/1.1 20"s, "HTTP/1.1 2000"s, "HTTP/1.1 0200"s, "HTTP/1.1 099 a"s,
                                    "HTTP/1.1  200"s, "HTTP/1.1 2x0 OK"s, "HTTP/1.1\t200 OK"s, "HTTP/1.1 200OK"s, "HTTP/1.1 600 a"s,
                                    "HTTP/1.1 200 OK\r\nno field"s}) {
        CAPTURE(line);
        CHECK(http_error(line + "\r\n\r\n") == proxy_errc::malformed_answer);
    }
    talk t(http());
    (void)t.hears("\x15\3\1");
    CHECK(t.one->details() == "it begins with 15 03 01");
    talk other(http());
    (void)other.hears("HTTP/2 200\r\n");
    CHECK(other.one->details() == "it begins with HTTP/2 200");
}

TEST_CASE("proxy: an endless header or endless interim answers end at 16 KiB", "[transport]") {
    const auto endless = [](const std::string& begin, const std::string& more, std::size_t piece) {
        talk t(http());
        (void)t.hears(begin, piece);
        std::size_t heard = begin.size();
        for (; !t.error && heard < 100'000; heard += more.size()) (void)t.hears(more, piece);
        CHECK(t.error == proxy_errc::answer_too_long);
        CHECK(t.error == error_condition::transient);
        return heard;
    };
    constexpr std::size_t limit = detail::http_head::limit;
    CHECK(endless("HTTP/1.1 200 OK\r\n", "X: y\r\n", 7) <= limit + 6);
    CHECK(endless("HTTP/1.1 200 OK", "O", 1) == limit);
    CHECK(endless("", status(100), 5) <= limit + status(100).size());
    (void)endless("HTTP/1.1 200 OK\r\n", std::string(64 * 1024, 'a'), std::string::npos);
    CHECK(http_error("HTTP/1.1 200 OK\r\nA: " + std::string(limit, 'a') + "\r\n\r\n") == proxy_errc::answer_too_long);

    talk fits(http());
    const std::string begin = "HTTP/1.1 200 OK\r\nA: ", end = "\r\n\r\n";
    (void)fits.hears(begin + std::string(limit - begin.size() - end.size(), 'a') + end + std::string(100'000, 'm'));
    CHECK(fits.one->is_open());
    CHECK(fits.plain.size() == 100'000);
}

TEST_CASE("proxy: SOCKS5 lets the proxy look up a name, and says an address as one", "[transport]") {
    const auto request = [](const broker& where) {
        talk t(socks(), where);
        CHECK(to_hex(t.sent) == "05 01 00");
        return to_hex(t.hears(wants_no_login));
    };
    CHECK(request(at("abc", 0x1234)) == "05 01 00 03 03 61 62 63 12 34");
    CHECK(request(at("192.0.2.255", 1883)) == "05 01 00 01 C0 00 02 FF 07 5B");
    const std::string ipv6 = "05 01 00 04 20 01 0D B8 00 00 00 00 00 00 00 00 00 00 00 01 07 5B";
    CHECK(request(at("2001:db8::1")) == ipv6);
    CHECK(request(at("[2001:db8::1]")) == ipv6);
    CHECK(request(at("1.2.3")) == "05 01 00 03 05 31 2E 32 2E 33 07 5B"); // Not an address of four numbers.
    CHECK(request(at(std::string(255, 'a'))).size() == (5 + 255 + 2) * 3 - 1);
    talk too_long(socks(), at(std::string(256, 'a')));
    CHECK(too_long.error == proxy_errc::host_too_long);
    CHECK(too_long.error == error_condition::fatal);
    CHECK(too_long.sent.empty());
}

TEST_CASE("proxy: SOCKS5 sends credentials if the proxy asks for them, each of 1 to 255 bytes", "[transport]") {
    talk t(with(socks(), "u:", "pw"));
    CHECK(to_hex(t.sent) == "05 02 00 02");
    CHECK(to_hex(t.hears(wants_login)) == "01 02 75 3A 02 70 77");
    CHECK(to_hex(t.hears(login_accepted)) == "05 01 00 03 06 62 72 6F 6B 65 72 07 5B");
    talk not_asked(with(socks(), "u", "p"));
    CHECK(to_hex(not_asked.hears(wants_no_login)) == "05 01 00 03 06 62 72 6F 6B 65 72 07 5B");
    talk answered_as_socks(with(socks(), "u", "p"));
    (void)answered_as_socks.hears(wants_login + "\5\0"s + connected);
    CHECK(answered_as_socks.one->is_open());

    const std::string longest(255, 'x'), too_long(256, 'x');
    talk largest(with(socks(), longest, longest));
    CHECK(largest.hears(wants_login) == "\1\xFF" + longest + "\xFF" + longest);
    for (const auto& [user, password] : {std::pair{""s, "p"s}, {"u"s, ""s}, {too_long, "p"s}, {"u"s, too_long}}) {
        talk bad(with(socks(), user, password));
        CHECK(bad.error == proxy_errc::credentials_invalid);
        CHECK(bad.error == error_condition::fatal);
        CHECK(bad.sent.empty());
    }
    CHECK(talk(with(socks(), "u", too_long)).one->details() == "password of 256 bytes; SOCKS5 takes 1 to 255");
    proxy_options user_only = socks();
    user_only.user_name = "u";
    CHECK(talk(user_only).one->details() == "password of 0 bytes; SOCKS5 takes 1 to 255");
}

TEST_CASE("proxy: SOCKS5 opens after any bound address, wherever the answers are cut", "[transport]") {
    for (const std::string& bound : {hex("01 01 02 03 04 00 00"), hex("04 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01 FF FF"),
                                     hex("03 00 12 34"), hex("03 02 61 62 12 34"), "\3\xFF"s + std::string(255, 'n') + "\1\2"}) {
        const std::string answers = wants_login + login_accepted + "\5\0\xAA"s + bound; // The third octet is reserved.
        CAPTURE(to_hex(answers));
        for (std::size_t piece = 1; piece <= answers.size() + 3; ++piece) {
            talk t(with(socks(), "u", "p"));
            (void)t.hears(answers + "\5\1!", piece);
            CHECK_FALSE(t.error);
            CHECK(t.one->is_open());
            CHECK(t.plain == "\5\1!");
        }
        talk unfinished(with(socks(), "u", "p"));
        (void)unfinished.hears(std::string_view(answers).substr(0, answers.size() - 1), 1);
        CHECK_FALSE(unfinished.error);
        CHECK_FALSE(unfinished.one->is_open());
    }
}

TEST_CASE("proxy: each reply code of SOCKS5 is its own error, worth another attempt or not", "[transport]") {
    using enum proxy_errc;
    using enum error_condition;
    const std::pair<proxy_errc, error_condition> known[] = {
        {general_failure, transient}, {forbidden, fatal}, {network_unreachable, transient}, {host_unreachable, transient},
        {connection_refused, transient}, {timed_out, transient}, {connect_not_supported, fatal}, {address_type_not_supported, fatal}};
    for (unsigned code = 1; code != 256; ++code) {
        CAPTURE(code);
        const auto [wanted, condition] = code <= std::size(known) ? known[code - 1] : std::pair{unexpected_status, transient};
        for (const bool has_address : {false, true}) {
            talk t(socks());
            (void)t.hears(wants_no_login);
            (void)t.hears("\5" + std::string(1, static_cast<char>(code)) + (has_address ? hex("00 01 00 00 00 00 00 00") : ""), 1);
            CHECK(t.error == wanted);
            CHECK(t.error == condition);
            CHECK(t.one->details() == "SOCKS5 reply " + std::to_string(code));
            CHECK_FALSE(t.one->is_open());
        }
    }
}

TEST_CASE("proxy: SOCKS5 tells missing credentials from wrong ones, and both from a way that is not known", "[transport]") {
    const auto error = [](const proxy_options& p, const std::string& answers) {
        talk t(p);
        (void)t.hears(answers, 1);
        CHECK_FALSE(t.one->is_open());
        CHECK_FALSE(t.one->details().empty());
        return t.error;
    };
    const proxy_options known = with(socks(), "u", "p");
    CHECK(error(socks(), "\5\xFF") == proxy_errc::credentials_missing);
    CHECK(error(known, "\5\xFF") == proxy_errc::authentication_not_supported);
    for (const char* const status : {"01 01", "01 FF", "05 01"}) {
        CHECK(error(known, wants_login + hex(status)) == proxy_errc::credentials_refused);
        CHECK(error(known, wants_login + hex(status)) == error_condition::fatal);
    }
}

TEST_CASE("proxy: what is not SOCKS5 is an error as soon as that shows", "[transport]") {
    const auto error = [](const proxy_options& p, const std::string& answers) {
        talk t(p);
        (void)t.hears(answers, 1);
        CHECK_FALSE(t.one->is_open());
        return t.error;
    };
    const proxy_options known = with(socks(), "u", "p");
    CHECK(error(socks(), "H") == proxy_errc::malformed_answer);
    CHECK(error(socks(), hex("00 5B")) == proxy_errc::malformed_answer); // SOCKS4.
    CHECK(error(socks(), wants_login) == proxy_errc::malformed_answer);  // It was not offered.
    CHECK(error(known, hex("05 01")) == proxy_errc::malformed_answer);
    CHECK(error(known, wants_login + hex("02 00")) == proxy_errc::malformed_answer);
    CHECK(error(socks(), wants_no_login + hex("01")) == proxy_errc::malformed_answer);
    for (const char* const type : {"00", "02", "05", "FF"})
        CHECK(error(socks(), wants_no_login + hex("05 00 00") + hex(type)) == proxy_errc::malformed_answer);
    talk t(socks());
    (void)t.hears("HTTP/1.1 400 Bad Request\r\n\r\n");
    CHECK(t.one->details() == "it begins with HTTP/1.1 400 Bad Request");
}

TEST_CASE("proxy: nothing opens by half, whatever the proxy says", "[transport]") {
    // All sequences of a few octets, of which some mean something.
    const std::string alphabet = hex("00 01 02 03 05 FF") + "H\r\n";
    for (const proxy_options& p : {http(), socks(), with(socks(), "u", "p")}) {
        for (std::size_t n = 0, size = alphabet.size(); n != size * size * size * size * size; ++n) {
            std::string answer;
            for (std::size_t rest = n, i = 0; i != 5; ++i, rest /= size) answer += alphabet[rest % size];
            talk t(p);
            (void)t.hears(answer, 1);
            if (t.one->is_open() || (t.error && t.error.category() != proxy_category())) FAIL(to_hex(answer));
        }
    }
}

TEST_CASE("proxy: a stack starts what stands above with the bytes behind the answer", "[transport]") {
    // Speaks first when started, and hands on what it hears in capitals.
    struct upper : layer {
        std::error_code start(std::string& wire) override {
            wire += "hello";
            return {};
        }
        std::error_code received(std::string_view bytes, std::string& plain, std::string&) override {
            for (const char c : bytes) plain += static_cast<char>(c - 'a' + 'A');
            return {};
        }
        bool is_open() const override { return true; }
        std::error_code send(std::string_view bytes, std::string& wire) override {
            wire += "<" + std::string(bytes) + ">";
            return {};
        }
    };
    layer_stack stack;
    stack.push(make_proxy_layer(socks(), at("broker")));
    stack.push(std::make_unique<upper>());
    std::string plain, wire;
    CHECK_FALSE(stack.start(wire));
    CHECK(to_hex(std::exchange(wire, {})) == "05 01 00");
    CHECK_FALSE(stack.received(wants_no_login, plain, wire));
    wire.clear();
    CHECK_FALSE(stack.is_open());
    CHECK_FALSE(stack.received(connected + "abc", plain, wire));
    CHECK(std::exchange(wire, {}) == "hello");
    CHECK(plain == "ABC");
    CHECK(stack.is_open());
    CHECK_FALSE(stack.send("m", wire));
    CHECK(wire == "<m>");
    (void)stack.received("d", plain, wire);
    CHECK(plain == "ABCD");
}

TEST_CASE("proxy: there is none unless asked, and each kind has its port", "[transport]") {
    CHECK_FALSE(make_proxy_layer({}, at("broker")));
    CHECK(port_of(http()) == 8080);
    CHECK(port_of(socks()) == 1080);
    proxy_options p = socks();
    p.port = 7;
    CHECK(port_of(p) == 7);
}

TEST_CASE("proxy: each error has words of its own, and a code that is none has some", "[transport]") {
    CHECK(make_error_code(proxy_errc::credentials_refused).message() == "proxy does not accept user name and password");
    CHECK(std::string(proxy_category().name()) == "proxy");
    CHECK(std::error_code(99, proxy_category()).message() == "unknown error of a proxy");
    CHECK(std::error_code(-1, proxy_category()) == error_condition::transient);
    CHECK(make_error_code(proxy_errc::none) != error_condition::transient);
    for (const proxy_errc_row& one : proxy_errc_table)
        for (const proxy_errc_row& other : proxy_errc_table) CHECK((one.text == other.text) == (one.code == other.code));
}
