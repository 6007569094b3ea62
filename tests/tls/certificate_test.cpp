// TLS: certificates that are refused, by either end, each with its own message.
#include "tls/tls_support.hpp"

namespace {

/// What the client says of a server that shows this certificate.
struct refusal {
    std::error_code error{};
    std::string details{};
    bool server_was_told = false; // By an alert.

    bool is(int code) const { return error == std::error_code(code, verification_category()); }
    bool says(std::string_view words) const { return details.find(words) != details.npos; }
};

refusal refusal_of(tls_connections& connections) {
    layer_pair pair = connections.connect();
    CHECK_FALSE(pair.client.machine->is_open());
    return {pair.client.error, pair.client.machine->details(), pair.server.error.category() == openssl_category()};
}

refusal refusal_of(const tls_options& client, const tls_server_options& server) {
    tls_connections connections(client, server);
    return refusal_of(connections);
}

} // namespace

TEST_CASE("tls: a certificate of an authority that is not trusted is refused", "[tls]") {
    const certificates all;
    const auto stranger = pki::make({.subject = "stranger", .is_authority = true});
    auto options = all.for_client();
    options.ca_file = all.files.write("stranger.pem", stranger.pem());
    const refusal r = refusal_of(options, all.for_server());
    CHECK(r.is(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY));
    CHECK(r.error.message() == "certificate refused: unable to get local issuer certificate");
    CHECK(r.details == "the issuer is neither trusted nor sent along: authority's certificate, 1 above the peer's "
                       "(subject CN=test authority; issuer CN=test root)");
    CHECK(r.error == error_condition::fatal);
    CHECK(r.server_was_told);
}

TEST_CASE("tls: an authority that is not trusted is refused though the server sends its certificate along", "[tls]") {
    const certificates all;
    auto options = all.for_client();
    options.ca_file = all.files.write("stranger.pem", pki::make({.subject = "stranger", .is_authority = true}).pem());
    auto server = all.for_server();
    server.certificate_file =
        all.files.write("whole.pem", all.server.pem() + all.authority.pem() + all.root.pem() + all.server.key_pem());
    const refusal r = refusal_of(options, server);
    CHECK(r.is(X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN));
    CHECK(r.details == "the chain ends in an authority that is not trusted: authority's certificate, 2 above the peer's "
                       "(subject CN=test root; issuer CN=test root)");
    CHECK(r.error == error_condition::fatal);
}

TEST_CASE("tls: a certificate signed by itself is refused, unless it is trusted itself", "[tls]") {
    const certificates all;
    const auto alone = pki::make({});
    tls_server_options server;
    server.certificate_file = all.files.write("alone.pem", alone.pem() + alone.key_pem());
    auto options = all.for_client();
    const refusal r = refusal_of(options, server);
    CHECK(r.is(X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT));
    CHECK(r.details == "no authority stands for it, and it is not trusted itself: certificate (subject CN=localhost; "
                       "issuer CN=localhost)");
    CHECK(r.error == error_condition::fatal);

    options.ca_file = all.files.write("trusted.pem", alone.pem());
    tls_connections connections(options, server);
    CHECK(connections.connect().is_open());
}

TEST_CASE("tls: a certificate that has expired or is not valid yet is refused, and may be good later", "[tls]") {
    const certificates all;
    const auto old = pki::make({.issuer = &all.authority, .from_hours = -48, .to_hours = -24});
    const refusal expired = refusal_of(all.for_client(), all.for_server(old));
    CHECK(expired.is(X509_V_ERR_CERT_HAS_EXPIRED));
    CHECK(expired.error.message() == "certificate refused: certificate has expired");
    CHECK(expired.says("it was valid until " + detail::time_of(::X509_get0_notAfter(old.certificate.get())) + ": certificate ("));
    CHECK(expired.error == error_condition::transient);

    const auto early = pki::make({.issuer = &all.authority, .from_hours = 24, .to_hours = 48});
    const refusal not_yet = refusal_of(all.for_client(), all.for_server(early));
    CHECK(not_yet.is(X509_V_ERR_CERT_NOT_YET_VALID));
    CHECK(not_yet.says("it is valid from " + detail::time_of(::X509_get0_notBefore(early.certificate.get())) +
                       ", if the clock of this machine is right: certificate ("));
    CHECK(not_yet.error == error_condition::transient);
}

TEST_CASE("tls: a certificate for another name or address is refused, and the names are told", "[tls]") {
    const certificates all;
    const auto elsewhere = pki::make({.names = "DNS:broker.example,DNS:*.example.org,IP:192.0.2.1", .issuer = &all.authority});
    for (const auto& [host, code] : {std::pair("localhost", X509_V_ERR_HOSTNAME_MISMATCH),
                                     std::pair("broker.example.evil", X509_V_ERR_HOSTNAME_MISMATCH),
                                     std::pair("a.b.example.org", X509_V_ERR_HOSTNAME_MISMATCH),
                                     std::pair("192.0.2.2", X509_V_ERR_IP_ADDRESS_MISMATCH),
                                     std::pair("2001:db8::1", X509_V_ERR_IP_ADDRESS_MISMATCH)}) {
        CAPTURE(host);
        tls_connections connections(all.for_client(), all.for_server(elsewhere));
        connections.where.host = host;
        const refusal r = refusal_of(connections);
        CHECK(r.is(code));
        CHECK(r.says(std::string("wanted ") + host +
                     ", but it is for broker.example, *.example.org, IP Address:192.0.2.1: certificate ("));
        CHECK(r.error == error_condition::fatal);
    }
    for (const char* host : {"broker.example", "BROKER.example", "broker.example.", "any.example.org", "192.0.2.1"}) {
        CAPTURE(host);
        tls_connections connections(all.for_client(), all.for_server(elsewhere));
        connections.where.host = host;
        CHECK(connections.connect().is_open());
    }
}

TEST_CASE("tls: an IPv6 address in brackets, with a zone, is looked for in the certificate without them", "[tls]") {
    const certificates all;
    const auto six = pki::make({.names = "IP:fe80::1", .issuer = &all.authority});
    for (const char* host : {"fe80::1", "[fe80::1]", "fe80:0::1%eth0", "[fe80::1%eth0]"}) {
        CAPTURE(host);
        tls_connections connections(all.for_client(), all.for_server(six));
        connections.where.host = host;
        CHECK(connections.connect().is_open());
    }
}

TEST_CASE("tls: the name to look for may be another one than the host's", "[tls]") {
    const certificates all;
    const auto named = pki::make({.names = "DNS:broker.example", .issuer = &all.authority});
    auto options = all.for_client();
    options.server_name = "broker.example";
    tls_connections connections(options, all.for_server(named));
    connections.where.host = "127.0.0.1";
    layer_pair pair = connections.connect();
    REQUIRE(pair.is_open());
    CHECK(std::string(::SSL_get_servername(tls_of(pair.server).native(), TLSEXT_NAMETYPE_host_name)) == "broker.example");
}

TEST_CASE("tls: SNI says the host's name, and nothing of an address", "[tls]") {
    const certificates all;
    tls_connections connections(all.for_client(), all.for_server());
    layer_pair named = connections.connect();
    REQUIRE(named.is_open());
    CHECK(std::string(::SSL_get_servername(tls_of(named.server).native(), TLSEXT_NAMETYPE_host_name)) == "localhost");
    for (const char* host : {"127.0.0.1", "::1"}) {
        connections.where.host = host;
        layer_pair pair = connections.connect();
        REQUIRE(pair.is_open());
        CHECK(::SSL_get_servername(tls_of(pair.server).native(), TLSEXT_NAMETYPE_host_name) == nullptr);
    }
}

TEST_CASE("tls: without verification anybody is believed, and without that of the name any name of a trusted authority", "[tls]") {
    const certificates all;
    const auto other = pki::make({.names = "DNS:other.example", .issuer = &all.authority});
    const auto alone = pki::make({.names = "DNS:other.example"});
    tls_server_options signed_by_itself;
    signed_by_itself.certificate_file = all.files.write("alone.pem", alone.pem() + alone.key_pem());

    auto options = all.for_client();
    options.verify_host_name = false;
    CHECK(tls_connections(options, all.for_server(other)).connect().is_open());
    CHECK(refusal_of(options, signed_by_itself).is(X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT));
    options.verify_certificate = false;
    CHECK(tls_connections(options, signed_by_itself).connect().is_open());
}

TEST_CASE("tls: revoked certificates are refused: the server's, and an authority's", "[tls]") {
    const certificates all;
    const std::string nothing_of_root = pki::revocation_list(all.root, {});
    auto options = all.for_client();

    options.crl_file = all.files.write("good.crl", nothing_of_root + pki::revocation_list(all.authority, {&all.client}));
    CHECK(tls_connections(options, all.for_server()).connect().is_open());

    options.crl_file = all.files.write("server.crl", nothing_of_root + pki::revocation_list(all.authority, {&all.server}));
    const refusal server = refusal_of(options, all.for_server());
    CHECK(server.is(X509_V_ERR_CERT_REVOKED));
    CHECK(server.error.message() == "certificate refused: certificate revoked");
    CHECK(server.details == "certificate (subject CN=localhost; issuer CN=test authority)");
    CHECK(server.error == error_condition::fatal);

    options.crl_file = all.files.write("authority.crl",
                                       pki::revocation_list(all.root, {&all.authority}) + pki::revocation_list(all.authority, {}));
    const refusal authority = refusal_of(options, all.for_server());
    CHECK(authority.is(X509_V_ERR_CERT_REVOKED));
    CHECK(authority.details == "authority's certificate, 1 above the peer's (subject CN=test authority; issuer CN=test root)");
}

TEST_CASE("tls: where revoked certificates are looked up, each authority's list must be there, and be of the day", "[tls]") {
    const certificates all;
    auto options = all.for_client();
    options.crl_file = all.files.write("root.crl", pki::revocation_list(all.root, {}));
    const refusal missing = refusal_of(options, all.for_server());
    CHECK(missing.is(X509_V_ERR_UNABLE_TO_GET_CRL));
    CHECK(missing.says("there is no list of what its issuer has revoked: certificate (subject CN=localhost; issuer CN=test authority)"));
    CHECK(missing.error == error_condition::fatal);

    options.crl_file = all.files.write(
        "old.crl", pki::revocation_list(all.root, {}) + pki::revocation_list(all.authority, {}, -48, -24));
    const refusal old = refusal_of(options, all.for_server());
    CHECK(old.is(X509_V_ERR_CRL_HAS_EXPIRED));
    CHECK(old.says("a newer list was due on 20"));
    CHECK(old.error == error_condition::transient);

    options.crl_file = all.files.write(
        "early.crl", pki::revocation_list(all.root, {}) + pki::revocation_list(all.authority, {}, 24, 48));
    const refusal early = refusal_of(options, all.for_server());
    CHECK(early.is(X509_V_ERR_CRL_NOT_YET_VALID));
    CHECK(early.says("the list counts from 20"));
    CHECK(early.error == error_condition::transient);
}

TEST_CASE("tls: authorities are a file, a text, a directory, or all of these, and need not be roots", "[tls]") {
    const certificates all;
    tls_options options;
    options.ca_text = all.root.pem();
    CHECK(tls_connections(options, all.for_server()).connect().is_open());
    options.ca_text = "An authority:\n" + all.authority.pem();
    CHECK(tls_connections(options, all.for_server()).connect().is_open());

    options.ca_text = pki::make({.subject = "stranger", .is_authority = true}).pem();
    CHECK(refusal_of(options, all.for_server()).is(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY));
    options.ca_file = all.files.write("both.pem", all.client.pem() + all.root.pem());
    CHECK(tls_connections(options, all.for_server()).connect().is_open());

    options.ca_file.clear();
    options.ca_directory = all.files.path("");
    CHECK(refusal_of(options, all.for_server()).is(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY));
    char hash[16];
    (void)std::snprintf(hash, sizeof hash, "%08lx.0", ::X509_subject_name_hash(all.root.certificate.get()));
    (void)all.files.write(hash, all.root.pem());
    CHECK(tls_connections(options, all.for_server()).connect().is_open());
}

TEST_CASE("tls: with no authority named the system's are trusted, and with one only if that is wished", "[tls]") {
    const certificates all;
    const std::string system = all.files.write("system.pem", all.root.pem());
    REQUIRE(::setenv("SSL_CERT_FILE", system.c_str(), 1) == 0); // Where OpenSSL looks for it.
    tls_options options;
    CHECK(tls_connections(options, all.for_server()).connect().is_open());
    options.ca_text = pki::make({.subject = "stranger", .is_authority = true}).pem();
    CHECK(refusal_of(options, all.for_server()).is(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY));
    options.use_system_store = true;
    CHECK(tls_connections(options, all.for_server()).connect().is_open());
    REQUIRE(::unsetenv("SSL_CERT_FILE") == 0);
}

TEST_CASE("tls: names in a certificate that would spoil a terminal or fill a log are told escaped and shortened", "[tls]") {
    const certificates all;
    std::string many = "DNS:0.example";
    for (int i = 1; i != 100; ++i) many += ",DNS:" + std::to_string(i) + ".example";
    const auto talkative = pki::make({.subject = "a\x1b[31m\nb", .names = many, .issuer = &all.authority});
    const refusal r = refusal_of(all.for_client(), all.for_server(talkative));
    CHECK(r.is(X509_V_ERR_HOSTNAME_MISMATCH));
    CHECK(r.says("it is for 0.example, 1.example, 2.example, 3.example, 4.example, 5.example, 6.example, 7.example ...: "));
    CHECK(r.says("(subject CN=a\\1B[31m\\0Ab; "));
}
