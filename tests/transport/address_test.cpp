// Addresses of brokers: what each form says, what is wrong with one that cannot be read, and the form that is printed.
#include "support/catch.hpp"

#include <inflight/transport/address.hpp>

using namespace inflight;

namespace {

constexpr const char* kinds[] = {"tcp", "tls", "ws", "wss", "unix"};

std::string text(const boxed<credentials>& login) {
    if (!login.is_set()) return "";
    return login->user_name.value_or("-") + "|" + login->password.value_or("-");
}

/// "kind host port path login", or what is wrong.
std::string read(std::string_view address) {
    const auto where = parse_broker(address);
    if (!where) return std::string(row(where.error()).text);
    std::string out = std::string(kinds[static_cast<int>(where->transport)]) + " " + where->host + " " + std::to_string(where->port);
    const broker& b = *where;
    if (b.path.is_set()) out += " " + *b.path;
    if (b.login.is_set()) out += " " + text(b.login);
    return out;
}

errc wrong(std::string_view address) { return parse_broker(address).error(); }

} // namespace

TEST_CASE("address: a scheme says the transport and its port", "[transport]") {
    CHECK(read("mqtt://h") == "tcp h 1883");
    CHECK(read("mqtts://h") == "tls h 8883");
    CHECK(read("ws://h") == "ws h 80");
    CHECK(read("wss://h") == "wss h 443");
    CHECK(read("tcp://h") == "tcp h 1883");
    CHECK(read("ssl://h") == "tls h 8883");
    CHECK(read("tls://h") == "tls h 8883");
    CHECK(read("MqTTs://Broker.Example:1") == "tls Broker.Example 1");
    CHECK(read("mqtt://h:65535") == "tcp h 65535");
    CHECK(read("mqtt://h/") == "tcp h 1883");
    CHECK(read("unix:/run/mqtt") == "unix /run/mqtt 0");
}

TEST_CASE("address: without a scheme it is a host, or a host and a port, over TCP", "[transport]") {
    CHECK(read("localhost") == "tcp localhost 1883");
    CHECK(read("localhost:1884") == "tcp localhost 1884");
    CHECK(read("192.0.2.1:1884") == "tcp 192.0.2.1 1884");
    CHECK(read("mqtt:1884") == "tcp mqtt 1884"); // A name like any other.
}

TEST_CASE("address: an IPv6 literal is in brackets where a port may follow", "[transport]") {
    CHECK(read("::1") == "tcp ::1 1883");
    CHECK(read("[::1]") == "tcp ::1 1883");
    CHECK(read("[2001:db8::1]:1884") == "tcp 2001:db8::1 1884");
    CHECK(read("mqtts://[::ffff:192.0.2.1]") == "tls ::ffff:192.0.2.1 8883");
    CHECK(read("fe80::1%eth0") == "tcp fe80::1%eth0 1883");
    CHECK(read("fe80::1%2501") == "tcp fe80::1%2501 1883");
    CHECK(read("mqtt://[fe80::1%25eth0]:1") == "tcp fe80::1%eth0 1");
    CHECK(read("mqtt://[fe80::1%eth0]") == "tcp fe80::1%eth0 1883");
}

TEST_CASE("address: user name and password come before the host, and escapes are undone", "[transport]") {
    CHECK(read("mqtt://jane@h") == "tcp h 1883 jane|-");
    CHECK(read("mqtt://jane:secret@h:1") == "tcp h 1 jane|secret");
    CHECK(read("mqtts://j%40x:p%3a%2F%25%20@h") == "tls h 8883 j@x|p:/% ");
    CHECK(read("mqtt://jane:a:b@h") == "tcp h 1883 jane|a:b");
    CHECK(read("mqtt://jane@corp.example:pw@h") == "tcp h 1883 jane@corp.example|pw");
    CHECK(read("mqtt://jane:@h") == "tcp h 1883 jane|");
    CHECK(read("mqtt://:token@h") == "tcp h 1883 -|token");
    CHECK(read("mqtt://@h") == "tcp h 1883");
    CHECK(read("wss://jane:pw@[::1]:9/p") == "wss ::1 9 /p jane|pw");
}

TEST_CASE("address: path and query are WebSocket's, and go to the server as they are", "[transport]") {
    CHECK(read("ws://h/") == "ws h 80 /");
    CHECK(read("ws://h:8080/mqtt?a=b%20c&d=/?@") == "ws h 8080 /mqtt?a=b%20c&d=/?@");
    CHECK(read("ws://h?token=1") == "ws h 80 /?token=1");
}

TEST_CASE("address: a Unix socket has a path, absolute or not, and escapes are undone", "[transport]") {
    CHECK(read("unix:///run/mqtt") == "unix /run/mqtt 0");
    CHECK(read("unix:mqtt.socket") == "unix mqtt.socket 0");
    CHECK(read("UNIX:/a b%25:1") == "unix /a b%:1 0");
    CHECK(read("unix:unix:a://b") == "unix ./unix:a://b 0"); // It is not to be read again.
}

TEST_CASE("address: each mistake has an error of its own", "[transport]") {
    for (const std::string_view a : {"http://h", "mqttt://h", "://h", "mqtt s://h"}) CHECK(wrong(a) == errc::scheme_unknown);
    for (const std::string_view a : {"", "mqtt://", "mqtt:///x", "mqtt://:1", "mqtt://u@", ":1", "unix:", "wss://?a"})
        CHECK(wrong(a) == errc::no_host);
    for (const std::string_view a : {"mqtt://[::1", "mqtt://[]", "mqtt://[::1]x", "mqtt://[h]", "mqtt://[:]", "mqtt://[::g]",
                                     "mqtt://[::1%]", "[::1%25]", "mqtt://a[b", "mqtt://a%20b", "a/b", "a<b", "::1%a]:9",
                                     "unix://h/run/mqtt", "g::1"})
        CHECK(wrong(a) == errc::host_invalid);
    for (const std::string_view a : {"mqtt://h:", "mqtt://h:0", "mqtt://h:65536", "mqtt://h:-1", "mqtt://h:1x", "mqtt://h:1:2", "h:", "h:x",
                                     "[::1]:", "mqtt:/h"})
        CHECK(wrong(a) == errc::port_invalid);
    for (const std::string_view a : {"mqtt://%@h", "mqtt://u:%4@h", "mqtt://u:%4g@h", "mqtt://%zz:p@h", "ws://h/%", "unix:/%1"})
        CHECK(wrong(a) == errc::escape_invalid);
    for (const std::string_view a : {"mqtt://a b", "mqtt://u:p w@h", "a b", "ws://h/a b", "ws://h/\r\nX: y", "mqtt://h\t",
                                     "ws://h/\xc3\xa4", "unix:/a%00b"})
        CHECK(wrong(a) == errc::address_character_invalid);
    CHECK(wrong(std::string_view("a\0b", 3)) == errc::address_character_invalid);
    for (const std::string_view a : {"mqtt://h/topic", "mqtts://h/?a", "mqtt://h?a"}) CHECK(wrong(a) == errc::path_not_allowed);
    for (const std::string_view a : {"mqtt://h#", "ws://h/a#b", "mqtt://u@h#x"}) CHECK(wrong(a) == errc::fragment_not_allowed);
}

TEST_CASE("address: no prefix and no single changed byte of one does harm, and what is read can be printed and read again",
          "[transport]") {
    for (const std::string address : {"wss://j%40x:p%3a@[fe80::1%25eth0]:9/p?q=%20", "mqtts://u:p@host.example:8884", "unix:/run/a%25b",
                                      "[2001:db8::1]:1884", "ws://h/x"}) {
        const auto survives = [](const std::string& one) {
            const auto where = parse_broker(one);
            if (!where) return;
            broker without_login = *where;
            without_login.login = {};
            INFO(one << " -> " << print(*where));
            const auto again = parse_broker(print(*where));
            REQUIRE(again);
            CHECK((*again == without_login));
        };
        for (std::size_t n = 0; n <= address.size(); ++n) survives(address.substr(0, n));
        for (std::size_t i = 0; i != address.size(); ++i)
            for (const char c : std::string_view("\0 %:/@[]?#a1\xff", 13)) {
                std::string changed = address;
                changed[i] = c;
                survives(changed);
            }
    }
}

TEST_CASE("address: it is printed without user name and password, and over TCP without the scheme", "[transport]") {
    const auto printed = [](std::string_view address) { return print(*parse_broker(address)); };
    CHECK(printed("mqtt://jane:secret@h") == "h:1883");
    CHECK(printed("mqtts://jane:secret@[::1]") == "mqtts://[::1]:8883");
    CHECK(printed("wss://h/mqtt?a") == "wss://h:443/mqtt?a");
    CHECK(printed("ws://h") == "ws://h:80");
    CHECK(printed("mqtt://unix") == "mqtt://unix:1883");
    CHECK(printed("unix:///run/a%25b") == "unix:/run/a%25b");
    CHECK(printed("unix:////run") == "unix:////run");
    CHECK(print(broker{.host = "[::1]"}) == "[::1]:1883");
    CHECK(printed("mqtt://[fe80::1%25eth0]") == "[fe80::1%eth0]:1883");
    CHECK(printed("mqtt://[fe80::1%252501]") == "[fe80::1%252501]:1883"); // The interface's name is 2501.
    CHECK(print(broker{.host = "h", .transport = transport_kind::tls}) == "mqtts://h:8883");
}

TEST_CASE("address: in place of a host it says the other members, once", "[transport]") {
    broker b{.host = "wss://u:p@h/x", .port = 9};
    CHECK(detail::complete(b) == errc::none);
    const broker read{"h", 9, transport_kind::secure_websocket, std::string("/x"), credentials{"u", "p"}};
    CHECK((b == read));
    CHECK(detail::complete(b) == errc::none);
    CHECK((b == read));

    broker plain{.host = "h", .transport = transport_kind::tls};
    CHECK(detail::complete(plain) == errc::none);
    CHECK(plain.port == 8883);

    broker socket{.host = "unix:/a%25b"};
    CHECK(detail::complete(socket) == errc::none);
    CHECK(detail::complete(socket) == errc::none);
    CHECK(socket.host == "/a%b");
}

TEST_CASE("address: a port beside it that contradicts it is an error, and nothing has changed", "[transport]") {
    broker b{.host = "mqtts://h:8884", .port = 8883};
    const broker before = b;
    CHECK(detail::complete(b) == errc::port_contradicted);
    CHECK((b == before));
    b.port = 8884;
    CHECK(detail::complete(b) == errc::none);
}
