// TLS to a Mosquitto, through tinyproxy (HTTP) and microsocks (SOCKS5).
#include "support/proxy_process.hpp"
#include "tls_broker.hpp"

#include <inflight/proxy.hpp>

namespace {

client_options through(client_options o, proxy_kind kind, std::uint16_t port) {
    *o.proxy = {kind, "127.0.0.1", port, "user", "secret"};
    return o;
}

} // namespace

TEST_CASE("tls: goes through a proxy of either kind to the broker, whose certificate and name are what counts", "[integration]") {
    tls_broker all;
    all.start();
    tinyproxy_process http("BasicAuth user secret");
    microsocks_process socks("user", "secret");
    for (const auto& options : {through(all.options(), proxy_kind::http, http.port()),
                                through(all.options(), proxy_kind::socks5, socks.port())}) {
        client c(options);
        journal heard;
        c.on_message([&](const received_message& m) { heard.add(m.payload); });
        c.loop_start();
        REQUIRE_FALSE(c.connect(all.address()));
        REQUIRE(c.subscribe("tls/#", qos::exactly_once));
        const trace payloads{"small", std::string(300'000, 'x')};
        for (const std::string& payload : payloads) REQUIRE(c.publish("tls/x", payload, qos::exactly_once));
        CHECK(heard.wait_for(2) == payloads);
        CHECK(c.disconnect(patience).unacknowledged == 0);
        c.loop_stop();

        client_options elsewhere = options;
        elsewhere.tls->server_name = "other.example";
        client suspicious(elsewhere);
        CHECK(suspicious.connect(all.address()) == std::error_code(X509_V_ERR_HOSTNAME_MISMATCH, verification_category()));
    }
    CHECK(http.log().find("CONNECT localhost:" + std::to_string(all.process->port())) != std::string::npos);
}
