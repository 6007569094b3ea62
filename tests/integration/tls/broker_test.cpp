// TLS against Mosquitto: who is believed, who is not and why, and what a broker that goes away and comes back costs.
#include "support/attempt.hpp"
#include "tls_broker.hpp"

#include <atomic>

using namespace std::chrono_literals;

namespace {

attempt connect_once(const tls_broker& all, const client_options& o, const std::string& host = "localhost") {
    return {o, {all.address(host)}};
}

/// Processes that are started while it is there are held to TLS 1.2, by OpenSSL's configuration.
class at_most_tls_1_2 {
public:
    explicit at_most_tls_1_2(const pki::directory& files) {
        const std::string path = files.write("openssl.cnf", "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = tls\n"
                                                            "[tls]\nMaxProtocol = TLSv1.2\n");
        REQUIRE(::setenv("OPENSSL_CONF", path.c_str(), 1) == 0);
    }
    at_most_tls_1_2(const at_most_tls_1_2&) = delete;
    at_most_tls_1_2& operator=(const at_most_tls_1_2&) = delete;
    ~at_most_tls_1_2() { (void)::unsetenv("OPENSSL_CONF"); }
};

/// Messages of every QoS go to the broker and come back.
void check_messages(const tls_broker& all, client_options o) {
    client c(o);
    watched<std::vector<std::string>> got;
    c.on_message([&](const received_message& m) { got.change([&](auto& list) { list.push_back(m.payload); }); });
    c.loop_start();
    const auto error = c.connect(all.address());
    INFO(error.message());
    REQUIRE_FALSE(error);
    const std::string large(300'000, 'x');
    c.subscribe("tls/#", qos::exactly_once);
    for (const qos level : {qos::at_most_once, qos::at_least_once, qos::exactly_once}) {
        REQUIRE(c.publish("tls/small", "small", level));
        REQUIRE(c.publish("tls/large", large, level));
    }
    got.wait([](const auto& list) { return list.size() == 6; });
    CHECK(got.now() == std::vector<std::string>{"small", large, "small", large, "small", large});
    CHECK(c.disconnect(patience).unacknowledged == 0);
}

} // namespace

TEST_CASE("tls broker: messages pass both ways, in TLS 1.2 and 1.3, in both versions of MQTT", "[integration][tls]") {
    tls_broker all;
    for (const bool is_old : {true, false}) {
        std::optional<at_most_tls_1_2> limit;
        if (is_old) limit.emplace(all.files);
        all.start();
        limit.reset();
        auto o = all.options();
        o.tls->minimum_version = tls_version::v1_3; // Which the older server does not know.
        CHECK(!connect_once(all, o).error == !is_old);
        for (const auto version : {protocol_version::v3_1_1, protocol_version::v5}) {
            o = all.options();
            o.version = version;
            check_messages(all, o);
        }
    }
}

TEST_CASE("tls broker: a broker that demands certificates takes a client with a good one, and says what is wrong with others",
          "[integration][tls]") {
    tls_broker all;
    const auto stranger = pki::make({.subject = "stranger"});
    const auto old = pki::make({.subject = "device 6", .names = "", .issuer = &all.authority, .from_hours = -48, .to_hours = -24});
    for (const bool is_old_version : {true, false}) {
        CAPTURE(is_old_version);
        std::optional<at_most_tls_1_2> limit;
        if (is_old_version) limit.emplace(all.files);
        all.start(all.demand() + "use_identity_as_username true\n");
        limit.reset();

        auto o = all.options();
        o.tls->certificate_file = all.file_of(all.client, "client.pem");
        check_messages(all, o);
        CHECK(all.process->log().find("u'device 7'") != std::string::npos);

        const attempt nameless = connect_once(all, all.options());
        CHECK(nameless.error.message() == (is_old_version ? "the peer ends TLS: sslv3 alert handshake failure"
                                                          : "the peer ends TLS: tlsv13 alert certificate required"));
        CHECK(nameless.details.find("it wants a certificate, and none was sent") != std::string::npos);
        CHECK(nameless.error == error_condition::fatal);

        o.tls->certificate_file = all.files.write("stranger.pem", stranger.pem() + stranger.key_pem());
        const attempt unknown = connect_once(all, o);
        CHECK(unknown.error.message() == "the peer ends TLS: tlsv1 alert unknown ca");
        CHECK(unknown.details == "it means our certificate (subject CN=stranger; issuer CN=stranger)");

        o.tls->certificate_file = all.file_of(old, "old.pem");
        const attempt expired = connect_once(all, o);
        CHECK(expired.error.message() == "the peer ends TLS: sslv3 alert certificate expired");
        CHECK(expired.details == "it means our certificate (subject CN=device 6; issuer CN=test authority)");
    }
}

TEST_CASE("tls broker: each certificate that is not to be believed is refused with its own message", "[integration][tls]") {
    tls_broker all;
    const auto stranger = pki::make({.subject = "stranger", .is_authority = true});
    const auto alone = pki::make({});
    const auto expired = pki::make({.issuer = &all.authority, .from_hours = -48, .to_hours = -24});
    const auto early = pki::make({.issuer = &all.authority, .from_hours = 24, .to_hours = 48});
    const auto elsewhere = pki::make({.names = "DNS:broker.example", .issuer = &all.authority});
    struct row {
        const pki::identity* shown;
        int code;
        std::string message, details;
        std::string crl{};
        const pki::identity* trusted = nullptr;
    };
    const std::string ours = "certificate (subject CN=localhost; issuer CN=test authority)";
    const std::string none_of_root = pki::revocation_list(all.root, {}), none_of_authority = pki::revocation_list(all.authority, {});
    const row rows[] = {
        {&expired, X509_V_ERR_CERT_HAS_EXPIRED, "certificate has expired",
         "it was valid until " + detail::time_of(::X509_get0_notAfter(expired.certificate.get())) + ": " + ours},
        {&early, X509_V_ERR_CERT_NOT_YET_VALID, "certificate is not yet valid",
         "it is valid from " + detail::time_of(::X509_get0_notBefore(early.certificate.get())) +
             ", if the clock of this machine is right: " + ours},
        {&alone, X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "self-signed certificate",
         "no authority stands for it, and it is not trusted itself: certificate (subject CN=localhost; issuer CN=localhost)"},
        {&elsewhere, X509_V_ERR_HOSTNAME_MISMATCH, "hostname mismatch",
         "wanted localhost, but it is for broker.example: " + ours},
        {&all.server, X509_V_ERR_CERT_REVOKED, "certificate revoked", ours,
         none_of_root + pki::revocation_list(all.authority, {&all.server})},
        {&all.server, X509_V_ERR_CERT_REVOKED, "certificate revoked",
         "authority's certificate, 1 above the peer's (subject CN=test authority; issuer CN=test root)",
         none_of_authority + pki::revocation_list(all.root, {&all.authority})},
        {&all.server, X509_V_ERR_UNABLE_TO_GET_CRL, "unable to get certificate CRL",
         "there is no list of what its issuer has revoked: " + ours, none_of_root},
        {&all.server, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "unable to get local issuer certificate",
         "the issuer is neither trusted nor sent along: authority's certificate, 1 above the peer's (subject CN=test authority; "
         "issuer CN=test root)",
         "", &stranger},
    };
    for (const row& r : rows) {
        all.start(*r.shown);
        auto o = all.options();
        if (r.trusted) o.tls->ca_file = all.files.write("trusted.pem", r.trusted->pem());
        if (!r.crl.empty()) o.tls->crl_file = all.files.write("list.crl", r.crl);
        const attempt a = connect_once(all, o);
        CHECK(a.error == std::error_code(r.code, verification_category()));
        CHECK(a.error.message() == "certificate refused: " + r.message);
        CHECK(a.details == r.details);

        o.tls->verify_certificate = false; // Nothing else stands in the way.
        CHECK_FALSE(connect_once(all, o).error);
    }
    all.start(elsewhere);
    const attempt address = connect_once(all, all.options(), "127.0.0.1");
    CHECK(address.error == std::error_code(X509_V_ERR_IP_ADDRESS_MISMATCH, verification_category()));
    CHECK(address.details == "wanted 127.0.0.1, but it is for broker.example: " + ours);
}

TEST_CASE("tls broker: a port that speaks no TLS is told as such", "[integration][tls]") {
    tls_broker all;
    all.process = std::make_unique<mosquitto_process>();
    const attempt plain = connect_once(all, all.options());
    CHECK(plain.error == tls_errc::closed_in_handshake);
    CHECK(plain.details == "without a word: is it a port for TLS?");
}

TEST_CASE("tls broker: restarted ten times under load, the same client loses nothing that was accepted", "[integration][tls]") {
    tls_broker all;
    all.start();
    auto o = all.options();
    o.client_id = "publisher";
    o.keep_session_for(1h);
    client c(o);
    struct count {
        unsigned acknowledged = 0, failed = 0, connections = 0;
    };
    watched<count> seen;
    c.on_connect([&](const connect_result& r) { seen.change([&](count& n) { n.connections += r ? 1 : 0; }); });
    c.on_publish([&](std::uint16_t, std::error_code e) { seen.change([&](count& n) { ++(e ? n.failed : n.acknowledged); }); });
    c.loop_start();
    REQUIRE_FALSE(c.connect(all.address()));

    std::atomic<bool> is_over = false;
    std::atomic<unsigned> accepted = 0;
    std::thread load([&] {
        for (unsigned i = 0; !is_over; ++i) {
            const auto level = i % 2 == 0 ? qos::at_least_once : qos::exactly_once;
            if (c.publish("tls/load", std::to_string(i), level)) ++accepted;
            if (i % 16 == 15) std::this_thread::sleep_for(1ms); // Some ten thousand a second are load enough.
        }
    });
    try {
        for (unsigned restart = 1; restart <= 10; ++restart) {
            const unsigned before = seen.now().acknowledged;
            seen.wait([&](const count& n) { return n.acknowledged >= before + 500; }, "load");
            if (restart % 2 == 0) all.process->kill();
            else all.process->stop();
            all.process->start();
            seen.wait([&](const count& n) { return n.connections == restart + 1; }, "a new connection");
        }
    } catch (...) {
        is_over = true;
        load.join();
        throw;
    }
    is_over = true;
    load.join();
    const auto end = c.disconnect(patience);
    CHECK_FALSE(end.error);
    CHECK(end.unacknowledged == 0);
    CHECK(seen.now().failed == 0);
    CHECK(seen.now().acknowledged == accepted);
    CHECK(accepted > 5'000);
}

TEST_CASE("tls broker: certificates that were renewed at both ends are taken with the next connection", "[integration][tls]") {
    tls_broker all;
    all.start(all.demand() + "use_identity_as_username true\n");
    auto o = all.options();
    o.tls->certificate_file = all.file_of(all.client, "client.pem");
    client c(o);
    watched<unsigned> connections;
    c.on_connect([&](const connect_result& r) {
        if (r) ++connections;
    });
    c.loop_start();
    REQUIRE_FALSE(c.connect(all.address()));
    CHECK(all.process->log().find("u'device 8'") == std::string::npos);

    const auto renewed = pki::make({.subject = "device 8", .names = "", .issuer = &all.authority});
    all.process->stop();
    (void)all.file_of(renewed, "client.pem");
    all.server = pki::make({.subject = "localhost renewed", .issuer = &all.authority});
    (void)all.files.write("broker.crt", all.server.pem() + all.authority.pem());
    (void)all.files.write("broker.key", all.server.key_pem());
    all.process->start();
    connections.wait([](unsigned n) { return n == 2; });
    CHECK(all.process->log().find("u'device 8'") != std::string::npos);
    (void)c.disconnect(patience);
}
