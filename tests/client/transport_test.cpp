// How a client reaches its broker: addresses, and what the setters say of TLS, WebSocket, proxy and socket.
#include "client_support.hpp"
#include "served.hpp"
#include "support/toy_layer.hpp"

#include <inflight/proxy.hpp>

namespace {

/// What the client has asked for, in place of a TLS that is not there.
struct {
    std::vector<tls_options> made{};
    std::vector<broker> where{};
    std::vector<websocket_options> websocket{};
} asked_for;

struct toy_tls final : detail::tls_layer_maker {
    std::error_code make(const broker& where, std::unique_ptr<layer>& out, std::string& details) override {
        asked_for.where.push_back(where);
        if (asked_for.made.back().ca_file == "missing.pem") {
            details = "missing.pem";
            return std::make_error_code(std::errc::no_such_file_or_directory);
        }
        out = std::make_unique<toy_layer>(toy_layer::role::client);
        return {};
    }
};

class toys {
public:
    toys() {
        asked_for = {};
        detail::known_layers.tls = [](const tls_options& o) -> std::unique_ptr<detail::tls_layer_maker> {
            asked_for.made.push_back(o);
            return std::make_unique<toy_tls>();
        };
        detail::known_layers.websocket = [](const broker& where, const websocket_options& o) -> std::unique_ptr<layer> {
            asked_for.where.push_back(where);
            asked_for.websocket.push_back(o);
            return std::make_unique<toy_layer>(toy_layer::role::client);
        };
    }
    ~toys() { detail::known_layers = before_; }
    toys(const toys&) = delete;
    toys& operator=(const toys&) = delete;

private:
    detail::layer_makers before_ = detail::known_layers;
};

std::string at(const served& s) { return "127.0.0.1:" + std::to_string(s.server->port()); }

} // namespace

TEST_CASE("client: connects by an address, with its login, and by host and port beside it", "[client]") {
    served s;
    client c(test_options());
    CHECK_FALSE(c.connect("mqtt://jane:secret@" + at(s)));
    CHECK(c.is_connected());
    CHECK_FALSE(c.disconnect().error);
    CHECK_FALSE(c.connect("mqtt://127.0.0.1", s.server->port()));
    CHECK_FALSE(c.disconnect().error);
    CHECK_FALSE(c.connect({{at(s)}, {"unix:/nowhere"}}));
    const std::string first = s.server->with_server([](testing::server& server) { return server.trace().at(0); });
    CHECK(first.ends_with("user_name='jane' password=***"));
}

TEST_CASE("client: what is wrong with an address is told at once, each mistake by its error", "[client]") {
    client c(test_options());
    CHECK(c.connect("http://h") == errc::scheme_unknown);
    CHECK(c.connect("mqtt://h/x") == errc::path_not_allowed);
    CHECK(c.connect("mqtt://h:1", 2) == errc::port_contradicted);
    CHECK(c.connect_async("mqtt://h:x") == errc::port_invalid);
    CHECK(c.connect({{"h"}, {"mqtt://"}}) == errc::no_host);
    CHECK(c.connect("mqtts://h") == errc::tls_missing);
    CHECK(c.connect("ws://h") == errc::websocket_missing);
    c.proxy_set({.kind = proxy_kind::http});
    CHECK(c.connect("h") == errc::no_proxy_host);
    c.proxy_set({});
    c.tls_set();
    CHECK(c.connect("h") == errc::tls_missing); // And not in clear.
    CHECK(c.connect_async("h") == errc::tls_missing);
}

TEST_CASE("client: after tls_set a host without a scheme means TLS, and an address what it says", "[client]") {
    const toys all;
    served s;
    s.server->set_layers(&toy_server);
    client c(test_options());
    c.tls_set("ca.pem", "me.pem", "me.key", "secret");
    c.tls_insecure_set(true);
    REQUIRE_FALSE(c.connect("127.0.0.1", s.server->port()));
    REQUIRE(asked_for.made.size() == 1);
    tls_options wanted{.ca_file = "ca.pem", .certificate_file = "me.pem", .key_file = "me.key", .key_passphrase = "secret"};
    wanted.verify_host_name = false;
    CHECK((asked_for.made[0] == wanted));
    CHECK(asked_for.where[0].transport == transport_kind::tls);
    CHECK_FALSE(c.disconnect().error);

    s.server->set_layers({});
    REQUIRE_FALSE(c.connect("mqtt://" + at(s)));
    CHECK(asked_for.where.size() == 1);
}

TEST_CASE("client: what is set of TLS takes effect with the next connection, and until then one maker serves all", "[client]") {
    const toys all;
    served s;
    s.server->set_layers(&toy_server);
    client c(test_options());
    const auto connects = [&](std::uint64_t n) {
        const auto end = std::chrono::steady_clock::now() + patience;
        while (c.statistics().connections < n && std::chrono::steady_clock::now() < end) std::this_thread::yield();
        CHECK(c.statistics().connections == n);
    };
    REQUIRE_FALSE(c.connect("mqtts://" + at(s)));
    CHECK_FALSE(c.reconnect());
    connects(2);
    CHECK(asked_for.made.size() == 1);
    CHECK(asked_for.where.size() == 2);
    c.tls_set("other.pem");
    CHECK_FALSE(c.reconnect());
    connects(3);
    REQUIRE(asked_for.made.size() == 2);
    CHECK(asked_for.made[1].ca_file == "other.pem");
}

TEST_CASE("client: ws_set_options says headers, and the path of addresses that have none", "[client]") {
    const toys all;
    served s;
    s.server->set_layers(&toy_server);
    client c(test_options());
    c.ws_set_options("/here", {{"Authorization", "Bearer x"}});
    REQUIRE_FALSE(c.connect("ws://" + at(s)));
    CHECK_FALSE(c.disconnect().error);
    REQUIRE_FALSE(c.connect("ws://" + at(s) + "/there"));
    CHECK_FALSE(c.disconnect().error);
    c.ws_set_options(websocket_options{.max_frame_size = 9});
    REQUIRE_FALSE(c.connect("ws://" + at(s)));
    REQUIRE(asked_for.where.size() == 3);
    CHECK(*asked_for.where[0].path == "/here");
    CHECK(*asked_for.where[1].path == "/there");
    CHECK_FALSE(asked_for.where[2].path.is_set());
    CHECK(asked_for.websocket[0].headers.at(0).second == "Bearer x");
    CHECK(asked_for.websocket[2].max_frame_size == 9);
}

TEST_CASE("client: connect_details says more of the error of the latest connect", "[client]") {
    const toys all;
    served s;
    client c(test_options());
    c.tls_set("missing.pem");
    CHECK(c.connect("mqtts://" + at(s)) == std::errc::no_such_file_or_directory);
    CHECK(c.connect_details() == "missing.pem");
    REQUIRE_FALSE(c.connect("mqtt://" + at(s)));
    CHECK(c.connect_details().empty());
}

TEST_CASE("client: proxy and socket are as they were set", "[client]") {
    served proxy, s; // A server that is no proxy, which says so by closing.
    client c(test_options());
    c.proxy_set({.kind = proxy_kind::socks5, .host = "127.0.0.1", .port = proxy.server->port()});
    CHECK(c.connect(at(s)) == std::error_code(proxy_errc::closed));
    CHECK(s.server->with_server([](testing::server& server) { return server.counters().connections; }) == 0);
    c.proxy_set({});
    c.socket_set({.local_address = "nonsense"});
    CHECK(c.connect(at(s)) == errc::local_address_invalid);
    c.socket_set({.local_address = "127.0.0.2"});
    CHECK_FALSE(c.connect(at(s)));
}
