// Proxies as text, and what the environment says of them.
#include "support/catch.hpp"

#include <inflight/transport/proxy_address.hpp>

#include <map>

using namespace inflight;

namespace {

proxy_options proxy(proxy_kind kind, std::string host, std::uint16_t port = 0) { return {kind, std::move(host), port, {}, {}}; }

errc error(std::string_view address) {
    const auto read = parse_proxy(address);
    return read ? errc::none : read.error();
}

using environment = std::map<std::string, std::string>;
result<proxy_options> from(const environment& variables, const std::string& address) {
    return detail::proxy_from(broker{.host = address}, [&](const char* name) {
        const auto found = variables.find(name);
        return found == variables.end() ? nullptr : found->second.c_str();
    });
}
std::string host_from(const environment& variables, const std::string& address) {
    const auto found = from(variables, address);
    REQUIRE(found);
    return found->host;
}

} // namespace

TEST_CASE("proxy address: scheme, host, port and credentials are read", "[transport]") {
    CHECK(*parse_proxy("http://proxy:3128") == proxy(proxy_kind::http, "proxy", 3128));
    CHECK(*parse_proxy("HTTP://proxy/") == proxy(proxy_kind::http, "proxy"));
    CHECK(*parse_proxy("proxy:3128") == proxy(proxy_kind::http, "proxy", 3128));
    CHECK(*parse_proxy("192.0.2.1") == proxy(proxy_kind::http, "192.0.2.1"));
    for (const char* const scheme : {"socks5", "socks5h", "SOCKS5h"})
        CHECK(*parse_proxy(std::string(scheme) + "://[::1]:1080") == proxy(proxy_kind::socks5, "::1", 1080));
    proxy_options known = proxy(proxy_kind::http, "proxy", 1);
    known.user_name = "u@ser";
    known.password = "p:a/ss%";
    CHECK(*parse_proxy("http://u%40ser:p:a%2Fss%25@proxy:1") == known);
    known.user_name = "u";
    known.password.reset();
    CHECK(*parse_proxy("u@proxy:1") == known);
}

TEST_CASE("proxy address: what is none is refused, and it is said why", "[transport]") {
    for (const char* const address : {"https://proxy", "socks4://proxy", "socks://proxy", "mqtt://proxy", "://proxy"})
        CHECK(error(address) == errc::proxy_scheme_unknown);
    for (const char* const address : {"", "http://", "http://:3128", "u:p@"}) CHECK(error(address) == errc::no_proxy_host);
    for (const char* const address : {"proxy:", "proxy:0", "proxy:65536", "proxy:x", "[::1]:"}) CHECK(error(address) == errc::port_invalid);
    for (const char* const address : {"[::1", "[::1]x", "a|b"}) CHECK(error(address) == errc::host_invalid);
    for (const char* const address : {"u%4@proxy", "u:%zz@proxy"}) CHECK(error(address) == errc::escape_invalid);
    for (const char* const address : {"pro xy", "http://proxy\n"}) CHECK(error(address) == errc::address_character_invalid);
    for (const char* const address : {"http://proxy/path", "proxy?q", "proxy#f"}) CHECK(error(address) == errc::path_not_allowed);
    CHECK(std::error_code(errc::proxy_scheme_unknown) == error_condition::fatal);
}

TEST_CASE("proxy address: the environment's variable goes by TLS, and all_proxy is for the rest", "[transport]") {
    const environment both = {{"http_proxy", "plain"}, {"https_proxy", "secure"}, {"all_proxy", "any"}};
    for (const char* const address : {"mqtt://b", "ws://b/mqtt", "b", "b:1884"}) CHECK(host_from(both, address) == "plain");
    for (const char* const address : {"mqtts://b", "wss://b"}) CHECK(host_from(both, address) == "secure");
    CHECK(host_from({{"HTTPS_PROXY", "large"}}, "mqtts://b") == "large");
    CHECK(host_from({{"https_proxy", "small"}, {"HTTPS_PROXY", "large"}}, "mqtts://b") == "small");
    CHECK(host_from({{"https_proxy", ""}, {"HTTPS_PROXY", "large"}}, "mqtts://b") == "large");
    CHECK(host_from({{"ALL_PROXY", "any"}}, "mqtt://b") == "any");
    CHECK(host_from({{"all_proxy", "small"}, {"ALL_PROXY", "large"}}, "mqtts://b") == "small");
    CHECK(from({{"all_proxy", "socks5://p:1"}}, "mqtt://b")->kind == proxy_kind::socks5);
    CHECK(from({}, "mqtt://b")->kind == proxy_kind::none);
    CHECK(from({{"http_proxy", ""}}, "mqtt://b")->kind == proxy_kind::none);
    CHECK(from({{"HTTP_PROXY", "of a web request"}}, "mqtt://b")->kind == proxy_kind::none);
    CHECK(from({{"all_proxy", "p"}}, "unix:/run/mqtt")->kind == proxy_kind::none);
    CHECK(from({{"http_proxy", "ftp://p"}}, "mqtt://b").error() == errc::proxy_scheme_unknown);
    CHECK(from({{"http_proxy", "p"}}, "nonsense://b").error() == errc::scheme_unknown);
}

TEST_CASE("proxy address: no_proxy exempts names, what ends with them, addresses and networks", "[transport]") {
    const auto is_exempt = [](const std::string& list, const std::string& address) {
        const environment small = {{"all_proxy", "p"}, {"no_proxy", list}}, large = {{"all_proxy", "p"}, {"NO_PROXY", list}};
        const bool is_none = from(small, address)->kind == proxy_kind::none;
        CHECK(is_none == (from(large, address)->kind == proxy_kind::none));
        return is_none;
    };
    for (const char* const list : {"*", "b.example", ".b.example", "*.b.example", "example", "x, B.Example", "x b.example",
                                   "b.example:1883", ",,b.example"}) {
        CAPTURE(list);
        CHECK(is_exempt(list, "mqtt://b.example"));
    }
    for (const char* const list : {"", "a.b.example", "xb.example", ".example.b", "b.example:8883", "b.exampl", "b.example:x",
                                   "10.0.0.0/8", "**"}) {
        CAPTURE(list);
        CHECK_FALSE(is_exempt(list, "mqtt://b.example"));
    }
    CHECK_FALSE(is_exempt("b.example", "mqtt://ab.example"));
    CHECK(is_exempt("b.example", "mqtts://a.b.example"));
    for (const char* const list : {"10.1.2.3", "10.1.2.3:1883", "10.0.0.0/8", "10.1.2.2/31", "0.0.0.0/0", "10.1.2.3/32"}) {
        CAPTURE(list);
        CHECK(is_exempt(list, "mqtt://10.1.2.3"));
    }
    for (const char* const list : {"10.1.2.30", "10.1.2.0/31", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "0.1.2.3", "::/0", "2.3"}) {
        CAPTURE(list);
        CHECK_FALSE(is_exempt(list, "mqtt://10.1.2.3"));
    }
    for (const char* const list : {"2001:db8::1", "2001:db8:0::1", "[2001:db8::1]", "[2001:db8::1]:1883", "2001:db8::/32"}) {
        CAPTURE(list);
        CHECK(is_exempt(list, "mqtt://[2001:db8::1]"));
    }
    CHECK_FALSE(is_exempt("2001:db8::2", "mqtt://[2001:db8::1]"));
}

TEST_CASE("proxy address: the real environment is read when it is asked for", "[transport]") {
    const auto set = [](const char* name, const char* value) { return value ? ::setenv(name, value, 1) : ::unsetenv(name); };
    for (const char* const name : {"http_proxy", "no_proxy", "NO_PROXY"}) set(name, nullptr);
    set("http_proxy", "http://u:p@proxy:3128");
    const auto found = proxy_from_environment({.host = "mqtt://broker"});
    set("http_proxy", nullptr);
    REQUIRE(found);
    CHECK(found->host == "proxy");
    CHECK(found->port == 3128);
    CHECK(found->user_name == "u");
    CHECK(found->password == "p");
}
