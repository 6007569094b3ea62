// Clients over TLS, at the test kit's server: in memory on virtual time, and on a port.
#include "support/options_for.hpp"
#include "support/watched.hpp"
#include "tls/tls_support.hpp"

#include <inflight/async_client.hpp>
#include <inflight/client.hpp>
#include <inflight/testing.hpp>

#include <map>

using namespace std::chrono_literals;

namespace {

/// TLS of a server that closes its connections without close_notify.
class rude_layer final : public layer {
public:
    explicit rude_layer(std::unique_ptr<layer> below) : below_(std::move(below)) {}
    std::error_code start(std::string& wire) override { return below_->start(wire); }
    std::error_code received(std::string_view bytes, std::string& plain, std::string& wire) override {
        return below_->received(bytes, plain, wire);
    }
    bool is_open() const override { return below_->is_open(); }
    std::error_code send(std::string_view bytes, std::string& wire) override { return below_->send(bytes, wire); }
    bool is_finished() const override { return below_->is_finished(); }

private:
    std::unique_ptr<layer> below_;
};

/// A server with TLS in memory, and a client that comes to it.
struct world : certificates {
    tls_server tls{for_server()};
    testing::network net{};
    client_options options = options_for("c");
    std::vector<std::string> steps{};
    std::optional<testing::layered_client> client{};
    std::optional<connect_result> result{};

    world() {
        *options.tls = for_client();
        options.brokers = {{"mqtts://localhost"}};
        options.reconnect_delay = 10ms;
        options.retry_first_connection = false;
        options.on_connection_event = [this](const connection_event& e) { steps.push_back(print(e)); };
        net.set_layers([this] { return tls.make_layer(); });
    }

    std::error_code connect() {
        client.emplace(net.context(), options);
        client->async_connect([this](std::error_code, connect_result r) { result = std::move(r); });
        REQUIRE(net.run_until([&] { return result.has_value(); }, 1h));
        return result->error;
    }
};

} // namespace

TEST_CASE("tls clients: nothing is lost when connections are cut, in the middle of records too", "[tls]") {
    world w;
    REQUIRE_FALSE(w.connect());
    std::map<std::string, int> got;
    w.client->on_message([&](const received_view& m) { ++got[std::string(m.payload.substr(0, 4))]; });
    w.client->async_subscribe("t", qos::exactly_once, [](std::error_code, subscribe_ack) {});
    int published = 0, failed = 0;
    for (int i = 0; i != 60; ++i) {
        const message m("t", std::to_string(1000 + i) + std::string(i % 4 == 0 ? 100'000 : 10, 'x'), qos::exactly_once);
        w.client->async_publish(m, [&](std::error_code e, publish_ack) { ++(e ? failed : published); });
        if (i % 10 == 5) {
            w.net.run_ready();
            w.net.cut();
        }
    }
    REQUIRE(w.net.run_until([&] { return published + failed == 60 && got.size() == 60; }));
    CHECK(failed == 0);
    for (const auto& [what, times] : got) CHECK(times == 1);
    std::optional<std::size_t> left;
    w.client->async_disconnect([&](std::error_code, std::size_t n) { left = n; });
    REQUIRE(w.net.run_until([&] { return left.has_value(); }));
    CHECK(left == 0U);
}

TEST_CASE("tls clients: a certificate that is refused is told with its details, in the result and in the events", "[tls]") {
    world w;
    w.options.tls->ca_text = pki::make({.subject = "stranger", .is_authority = true}).pem();
    w.options.tls->ca_file.clear();
    w.options.retry_first_connection = true; // Which does not help.
    CHECK(w.connect() == std::error_code(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, verification_category()));
    const std::string details = "the issuer is neither trusted nor sent along: authority's certificate, 1 above the peer's "
                                "(subject CN=test authority; issuer CN=test root)";
    CHECK(w.result->details == details);
    const std::string why = "certificate refused: unable to get local issuer certificate (" + details + ')';
    CHECK(w.steps == std::vector<std::string>{"handshake with mqtts://localhost:8883", "lost mqtts://localhost:8883: " + why,
                                              "stopped: " + why});
}

TEST_CASE("tls clients: whoever answers in the broker's place stops a client before its first connection, and none after it",
          "[tls]") {
    world w;
    const auto other = pki::make({});
    tls_server portal{{.certificate_file = w.files.write("portal.pem", other.pem() + other.key_pem())}};
    const auto hijack = [&] { w.net.set_layers([&] { return portal.make_layer(); }); };
    SECTION("before") {
        hijack();
        w.options.retry_first_connection = true;
        CHECK(w.connect() == error_condition::fatal);
        CHECK(w.steps.back().starts_with("stopped: "));
    }
    SECTION("after") {
        REQUIRE_FALSE(w.connect());
        hijack();
        w.net.cut();
        const auto refused = [](const std::string& step) {
            return step.starts_with("lost mqtts://localhost:8883: certificate refused: ");
        };
        REQUIRE(w.net.run_until([&] { return std::count_if(w.steps.begin(), w.steps.end(), refused) == 3; }, 1h));
        w.net.set_layers([&] { return w.tls.make_layer(); });
        const auto accepted = std::count(w.steps.begin(), w.steps.end(), "accepted by mqtts://localhost:8883");
        CHECK(w.net.run_until(
            [&] { return std::count(w.steps.begin(), w.steps.end(), "accepted by mqtts://localhost:8883") > accepted; }, 1h));
    }
}

TEST_CASE("tls clients: a file that cannot be read is told with its name, before anything is sent", "[tls]") {
    world w;
    w.options.tls->ca_file = w.files.path("absent.pem");
    CHECK(w.connect() == tls_errc::ca_unreadable);
    CHECK(w.result->details == w.files.path("absent.pem") + ": No such file or directory");
    CHECK(w.net.server().counters().connections == 0);
}

TEST_CASE("tls clients: an older broker that closes without a word is tried with 3.1.1, close_notify or not", "[tls]") {
    for (const bool is_rude : {false, true}) {
        CAPTURE(is_rude);
        world w;
        if (is_rude) w.net.set_layers([&] { return std::make_unique<rude_layer>(w.tls.make_layer()); });
        w.options.version.reset();
        w.net.server().faults().close_silently();
        CHECK_FALSE(w.connect());
        CHECK(w.result->version == protocol_version::v3_1_1);
        CHECK(std::find(w.steps.begin(), w.steps.end(),
                        is_rude ? "lost mqtts://localhost:8883: connection closed without TLS's close_notify: the peer died, or "
                                  "was cut off"
                                : "lost mqtts://localhost:8883: End of file") != w.steps.end());
    }
}

TEST_CASE("tls clients: a port without TLS is told as such", "[tls]") {
    world w;
    w.net.set_layers({});
    CHECK(w.connect() == tls_errc::closed_in_handshake);
    CHECK(w.result->details == "without a word: is it a port for TLS?");
}

TEST_CASE("tls clients: both shapes talk to a server on a port, from several threads", "[tls]") {
    const certificates all;
    asio::io_context io{1};
    tls_server tls(all.for_server());
    testing::tcp_server server(io);
    server.set_layers([&] { return tls.make_layer(); });
    std::thread serving([&] { io.run(); });
    {
        client_options o = options_for("callbacks");
        *o.tls = all.for_client();
        client c(o);
        watched<std::size_t> got(0);
        c.on_message([&](const received_message& m) { got.change([&](std::size_t& n) { n += m.payload.size(); }); });
        c.loop_start();
        CHECK_FALSE(c.connect("mqtts://127.0.0.1:" + std::to_string(server.port())));
        c.subscribe("t", qos::at_least_once);
        std::vector<std::thread> publishers;
        for (int i = 0; i != 3; ++i)
            publishers.emplace_back([&c] {
                for (int n = 0; n != 200; ++n) (void)c.publish("t", std::string(n % 50 == 0 ? 50'000 : 20, 'x'), qos::at_least_once);
            });
        for (std::thread& t : publishers) t.join();
        got.wait_for(std::size_t{3} * (4 * 50'000 + 196 * 20));
        CHECK(c.disconnect(patience).unacknowledged == 0);
    }
    io.stop();
    serving.join();
}
