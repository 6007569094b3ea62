// TLS: what one connection leaves to the next: sessions, and certificates that were read.
#include "tls/tls_support.hpp"

namespace {

std::size_t resumed(tls_connections& connections, int count) {
    std::size_t out = 0;
    for (int i = 0; i != count; ++i) {
        layer_pair pair = connections.connect();
        REQUIRE(pair.is_open());
        CHECK(tls_of(pair.client).is_resumed() == tls_of(pair.server).is_resumed());
        pair.client.say("hello");
        pair.exchange();
        CHECK(pair.server.plain == "hello");
        if (tls_of(pair.client).is_resumed()) ++out;
        pair.client.machine->finish(pair.client.wire);
    }
    return out;
}

} // namespace

TEST_CASE("tls: the next connection goes on with the session of the one before, in TLS 1.2 and 1.3", "[tls]") {
    const certificates all;
    for (const auto version : {tls_version::v1_2, tls_version::v1_3}) {
        for (const bool is_mutual : {false, true}) {
            auto server = all.for_server(version);
            auto options = all.for_client();
            if (is_mutual) {
                server.client_ca_file = all.files.write("client_ca.pem", all.root.pem());
                options.certificate_file = all.file_of(all.client, "client.pem");
            }
            tls_connections connections(options, server);
            CHECK(resumed(connections, 5) == 4);
        }
    }
}

TEST_CASE("tls: sessions are resumed after connections that were cut off, too", "[tls]") {
    const certificates all;
    tls_connections connections(all.for_client(), all.for_server());
    REQUIRE(connections.connect().is_open()); // And gone, without a word.
    CHECK(tls_of(connections.connect().client).is_resumed());
}

TEST_CASE("tls: a session of TLS 1.3 is not used twice", "[tls]") {
    const certificates all;
    tls_connections connections(all.for_client(), all.for_server());
    REQUIRE(connections.connect().is_open());
    layer_end cut{connections.client_end()}; // Has taken it, and comes to nothing.
    cut.start();
    CHECK_FALSE(tls_of(connections.connect().client).is_resumed());
    CHECK(tls_of(connections.connect().client).is_resumed());
}

TEST_CASE("tls: no session is resumed where that is not wished, and none with another server, port or name", "[tls]") {
    const certificates all;
    auto options = all.for_client();
    options.resume_sessions = false;
    tls_connections unwished(options, all.for_server());
    CHECK(resumed(unwished, 3) == 0);

    options = all.for_client();
    tls_connections connections(options, all.for_server());
    REQUIRE(connections.connect().is_open());
    connections.where.port = 8884;
    CHECK_FALSE(tls_of(connections.connect().client).is_resumed());
    connections.where.host = "127.0.0.1";
    CHECK_FALSE(tls_of(connections.connect().client).is_resumed());
    connections.where = {.host = "localhost", .port = 8883};
    CHECK(tls_of(connections.connect().client).is_resumed());
}

TEST_CASE("tls: a server that knows nothing of the session makes a new one", "[tls]") {
    const certificates all;
    for (const auto version : {tls_version::v1_2, tls_version::v1_3}) {
        tls_connections connections(all.for_client(), all.for_server(version));
        CHECK(resumed(connections, 2) == 1);
        connections.server = tls_server(all.for_server(version)); // Restarted: its keys for tickets are new.
        CHECK(resumed(connections, 3) == 2);
    }
}

TEST_CASE("tls: sessions of the last sixteen servers are kept", "[tls]") {
    const certificates all;
    tls_connections connections(all.for_client(), all.for_server());
    const auto is_resumed = [&](std::uint16_t port) {
        connections.where.port = port;
        return tls_of(connections.connect().client).is_resumed();
    };
    for (std::uint16_t port = 1; port != 18; ++port) CHECK_FALSE(is_resumed(port));
    for (std::uint16_t port = 2; port != 18; ++port) CHECK(is_resumed(port));
    CHECK_FALSE(is_resumed(1));
}

TEST_CASE("tls: a certificate file that was renewed is taken with the next connection", "[tls]") {
    const certificates all;
    auto server = all.for_server();
    server.client_ca_file = all.files.write("client_ca.pem", all.root.pem());
    auto options = all.for_client();
    const auto second = pki::make({.subject = "device 8", .names = "", .issuer = &all.authority});
    options.certificate_file = all.files.write("client.pem", all.client.pem() + all.authority.pem());
    options.key_file = all.files.write("client.key", all.client.key_pem());
    tls_connections connections(options, server);
    const auto subject = [&] {
        layer_pair pair = connections.connect();
        INFO(pair.client.error.message() << pair.client.machine->details());
        REQUIRE(pair.is_open());
        const detail::x509_ptr shown(::SSL_get1_peer_certificate(tls_of(pair.server).native()));
        return detail::name_of(::X509_get_subject_name(shown.get()));
    };
    CHECK(subject() == "CN=device 7");
    CHECK(subject() == "CN=device 7");

    (void)all.files.write("client.pem", second.pem() + all.authority.pem()); // The key is still to come.
    CHECK_FALSE(connections.client_end());
    CHECK(connections.error == tls_errc::files_unreadable_again);
    CHECK(connections.error == error_condition::transient);
    CHECK(connections.details.starts_with("the private key does not belong to the certificate: " + options.key_file + " and " +
                                          options.certificate_file + ": "));
    (void)all.files.write("client.key", second.key_pem());
    CHECK(subject() == "CN=device 8");

    std::filesystem::remove(options.key_file);
    CHECK_FALSE(connections.client_end());
    CHECK(connections.error == tls_errc::files_unreadable_again);
    (void)all.files.write("client.key", second.key_pem());
    CHECK(subject() == "CN=device 8");
}

TEST_CASE("tls: an authority that is no longer trusted is refused with the next connection, session or not", "[tls]") {
    const certificates all;
    auto options = all.for_client();
    const std::string none_revoked = pki::revocation_list(all.root, {}) + pki::revocation_list(all.authority, {});
    options.crl_file = all.files.write("list.crl", none_revoked);
    tls_connections connections(options, all.for_server());
    CHECK(resumed(connections, 2) == 1);
    (void)all.files.write("list.crl", pki::revocation_list(all.root, {&all.authority}) + pki::revocation_list(all.authority, {}));
    CHECK(connections.connect().client.error == std::error_code(X509_V_ERR_CERT_REVOKED, verification_category()));
    (void)all.files.write("list.crl", none_revoked);
    CHECK(resumed(connections, 1) == 0);

    (void)all.files.write("ca.pem", pki::make({.subject = "stranger", .is_authority = true}).pem());
    CHECK(connections.connect().client.error ==
          std::error_code(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, verification_category()));
}

TEST_CASE("tls: an authority that is added to the directory is trusted with the next connection", "[tls]") {
    const certificates all;
    tls_options options;
    options.ca_directory = all.files.path("authorities");
    std::filesystem::create_directory(options.ca_directory);
    tls_connections connections(options, all.for_server());
    CHECK(connections.connect().client.error.category() == verification_category());
    char hash[32];
    (void)std::snprintf(hash, sizeof hash, "authorities/%08lx.0", ::X509_subject_name_hash(all.root.certificate.get()));
    (void)all.files.write(hash, all.root.pem());
    CHECK(connections.connect().is_open());
}

TEST_CASE("tls: clients with the same options share what was read, others do not", "[tls]") {
    const certificates all;
    auto options = all.for_client();
    const auto context_of = [](detail::tls_client_maker& maker) {
        std::unique_ptr<layer> out;
        std::string details;
        REQUIRE_FALSE(maker.make({.host = "localhost"}, out, details));
        return ::SSL_get_SSL_CTX(static_cast<detail::tls_layer&>(*out).native());
    };
    detail::tls_client_maker one(options), same(options);
    options.key_passphrase = "secret"; // Which counts, though there is no key.
    detail::tls_client_maker other(options);
    SSL_CTX* const context = context_of(one);
    CHECK(context_of(same) == context);
    CHECK(context_of(one) == context);
    CHECK(context_of(other) != context);
    (void)all.files.write("ca.pem", all.authority.pem());
    CHECK(context_of(same) != context);
    CHECK(context_of(one) == context_of(same));
}
