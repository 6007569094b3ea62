// Clients over TLS, at the test kit's server: in memory on virtual time, and on a port.
#include "support/layered_world.hpp"
#include "tls/tls_support.hpp"

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
struct world : certificates, layered_world {
    tls_server tls{for_server()};

    world() : layered_world("mqtts://localhost", [this] { return tls.make_layer(); }) { *options.tls = for_client(); }
};

} // namespace

TEST_CASE("tls clients: nothing is lost when connections are cut, in the middle of records too", "[tls]") {
    world().check_that_nothing_is_lost();
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
    tls_server tls(all.for_server());
    client_options o = options_for("callbacks");
    *o.tls = all.for_client();
    check_threads(o, "mqtts", [&] { return tls.make_layer(); });
}
