// TLS: handshakes, what follows them, and how they end; both ends in memory.
#include "tls/tls_support.hpp"

namespace {

std::string noise(std::size_t size) {
    std::string out(size, '\0');
    unsigned state = 1;
    for (char& c : out) c = static_cast<char>((state = state * 1'103'515'245U + 12'345U) >> 16);
    return out;
}

bool is_alert(const std::error_code& error, int alert) {
    return error.category() == openssl_category() && detail::alert_of(static_cast<unsigned long>(error.value())) == alert;
}

} // namespace

TEST_CASE("tls: both ends are open after the handshake, however its bytes are cut", "[tls]") {
    const certificates all;
    for (const auto version : {tls_version::v1_2, tls_version::v1_3}) {
        for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{1000}, std::string::npos}) {
            CAPTURE(piece);
            tls_connections connections(all.for_client(), all.for_server(version));
            layer_pair pair = connections.connect(piece);
            INFO(pair.client.error.message() << " / " << pair.server.error.message());
            REQUIRE(pair.is_open());
            CHECK(tls_of(pair.client).version() == (version == tls_version::v1_3 ? "TLSv1.3" : "TLSv1.2"));
            pair.client.say("hello, server");
            pair.server.say("hello, client");
            pair.exchange();
            CHECK(pair.server.plain == "hello, server");
            CHECK(pair.client.plain == "hello, client");
            CHECK_FALSE(pair.client.machine->is_finished());
        }
    }
}

TEST_CASE("tls: what is sent arrives as it was, of any size, both ways, and is not to be read on the wire", "[tls]") {
    const certificates all;
    for (const auto version : {tls_version::v1_2, tls_version::v1_3}) {
        tls_connections connections(all.for_client(), all.for_server(version));
        layer_pair pair = connections.connect();
        std::string there, back;
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{16'384}, std::size_t{16'385}, std::size_t{1} << 20}) {
            pair.piece = size < 20'000 ? 1 : 60'000;
            const std::string text = noise(size);
            there += text;
            back += text + text;
            pair.client.say(text);
            pair.server.say(text);
            pair.server.say(text);
            if (size > 100) CHECK(pair.client.wire.find(text.substr(0, 16)) == std::string::npos);
            CHECK(pair.client.wire.empty() == (size == 0));
            pair.exchange();
        }
        REQUIRE(pair.is_open());
        CHECK(pair.server.plain == there);
        CHECK(pair.client.plain == back);
    }
}

TEST_CASE("tls: what is sent in one call is one record, up to 16 KiB", "[tls]") {
    const certificates all;
    tls_connections connections(all.for_client(), all.for_server());
    layer_pair pair = connections.connect();
    pair.client.say(noise(16'384));
    REQUIRE(pair.client.wire.size() > 16'384);
    const auto at = [&](std::size_t i) { return std::size_t{static_cast<unsigned char>(pair.client.wire[i])}; };
    CHECK(at(0) == 23);
    CHECK(pair.client.wire.size() == 5 + at(3) * 256 + at(4));
}

TEST_CASE("tls: bytes of the handshake and messages that come at once are both taken", "[tls]") {
    const certificates all;
    tls_connections connections(all.for_client(), all.for_server());
    layer_pair pair(connections.client_end(), connections.server.make_layer());
    pair.client.start();
    pair.server.start();
    pair.server.receive(std::exchange(pair.client.wire, {}));
    pair.client.receive(std::exchange(pair.server.wire, {}));
    REQUIRE(pair.client.machine->is_open());
    pair.client.say("CONNECT"); // Before the server has seen the end of the handshake.
    pair.exchange();
    REQUIRE(pair.is_open());
    CHECK(pair.server.plain == "CONNECT");
}

TEST_CASE("tls: each end is told of the other's close_notify, and may still speak itself", "[tls]") {
    const certificates all;
    for (const auto version : {tls_version::v1_2, tls_version::v1_3}) {
        tls_connections connections(all.for_client(), all.for_server(version));
        layer_pair pair = connections.connect();
        pair.client.say("last words");
        pair.client.machine->finish(pair.client.wire);
        pair.client.machine->finish(pair.client.wire);
        pair.exchange();
        CHECK(pair.server.plain == "last words");
        CHECK(pair.server.machine->is_finished());
        CHECK_FALSE(pair.client.machine->is_finished());
        CHECK_FALSE(pair.server.machine->ended());
        if (version == tls_version::v1_3) {
            pair.server.say("the same to you");
            pair.exchange();
            CHECK(pair.client.plain == "the same to you");
        }
        pair.server.machine->finish(pair.server.wire);
        pair.server.wire += "whatever";
        pair.exchange();
        CHECK(pair.client.machine->is_finished());
        CHECK_FALSE(pair.client.machine->ended());
        CHECK_FALSE(pair.client.error);
    }
}

TEST_CASE("tls: an end without close_notify is told apart from one with it, and from one during the handshake", "[tls]") {
    const certificates all;
    tls_connections connections(all.for_client(), all.for_server());
    layer_pair pair = connections.connect();
    CHECK(pair.client.machine->ended() == tls_errc::truncated);
    CHECK(make_error_code(tls_errc::truncated) == error_condition::transient);

    layer_end early{connections.client_end()};
    early.start();
    CHECK(early.machine->ended() == tls_errc::closed_in_handshake);
    CHECK(early.machine->details() == "without a word: is it a port for TLS?");
    CHECK(make_error_code(tls_errc::closed_in_handshake) == error_condition::transient);

    layer_pair half(connections.client_end(), connections.server.make_layer());
    half.client.start();
    half.server.start();
    half.server.receive(half.client.wire);
    half.client.receive(std::string_view(half.server.wire).substr(0, 200));
    CHECK_FALSE(half.client.error);
    CHECK(half.client.machine->ended() == tls_errc::closed_in_handshake);
    CHECK(half.client.machine->details().empty());
    std::string nothing;
    half.client.machine->finish(nothing); // There is nothing to take leave from.
    CHECK(nothing.empty());
}

TEST_CASE("tls: a peer that does not speak TLS is told as such, with what it says", "[tls]") {
    const certificates all;
    tls_connections connections(all.for_client(), all.for_server());
    for (const auto& [words, shown] : {std::pair<std::string, std::string>("HTTP/1.1 400 Bad Request\r\n", "HTTP/1.1 400 Bad"),
                                       {std::string("\x20\x02\x00\x05", 4), " \\x02\\x00\\x05"},
                                       {"\x16garbage", "\\x16garbage"},
                                       {"\\\n", "\\x5c\\x0a"}}) {
        layer_end client{connections.client_end()};
        client.start();
        client.receive(words);
        CHECK(client.error == tls_errc::not_tls);
        CHECK(client.error.message() == "the peer does not speak TLS: is it the right port?");
        CHECK(client.error == error_condition::transient);
        CHECK(client.machine->details() == "it says '" + shown + "'");
        CHECK(client.plain.empty());
    }
    layer_end server{connections.server.make_layer()};
    server.start();
    server.receive("\x10\x0d\x00\x04MQTT");
    CHECK(server.error == tls_errc::not_tls);
}

TEST_CASE("tls: garbage in place of a message, and a message that was tampered with, are errors, and the peer is told", "[tls]") {
    const certificates all;
    for (const auto version : {tls_version::v1_2, tls_version::v1_3}) {
        tls_connections connections(all.for_client(), all.for_server(version));

        layer_pair pair = connections.connect();
        pair.server.say("message");
        pair.server.say("tampered");
        pair.server.wire.back() = static_cast<char>(pair.server.wire.back() ^ 1);
        pair.exchange();
        CHECK(pair.client.plain == "message");
        CHECK(pair.client.error.category() == openssl_category());
        CHECK(pair.client.error == error_condition::transient);
        CHECK(is_alert(pair.server.error, SSL_AD_BAD_RECORD_MAC));

        for (std::size_t at = 5; at < 300; at += 7) { // In the server's hello and what follows it.
            CAPTURE(at);
            layer_pair broken(connections.client_end(), connections.server.make_layer());
            broken.client.start();
            broken.server.start();
            broken.server.receive(std::exchange(broken.client.wire, {}));
            broken.server.wire.at(at) = static_cast<char>(broken.server.wire[at] ^ 0x55);
            broken.exchange();
            CHECK_FALSE(broken.is_open());
            CHECK((broken.client.error || broken.server.error));
        }
    }
}

TEST_CASE("tls: clients prove who they are where the server demands it", "[tls]") {
    const certificates all;
    for (const auto version : {tls_version::v1_2, tls_version::v1_3}) {
        auto server = all.for_server(version);
        server.client_ca_file = all.files.write("client_ca.pem", all.root.pem());
        auto options = all.for_client();

        tls_connections nameless(options, server);
        layer_pair refused = nameless.connect();
        CHECK(is_alert(refused.client.error,
                       version == tls_version::v1_3 ? SSL_AD_CERTIFICATE_REQUIRED : SSL_AD_HANDSHAKE_FAILURE));
        CHECK(refused.client.machine->details().find("it wants a certificate, and none was sent") != std::string::npos);
        CHECK(refused.client.error == error_condition::fatal);
        if (version == tls_version::v1_3)
            CHECK(refused.client.error.message() == "the peer ends TLS: tlsv13 alert certificate required");

        options.certificate_file = all.file_of(all.client, "client.pem");
        tls_connections known(options, server);
        layer_pair pair = known.connect();
        REQUIRE(pair.is_open());
        const detail::x509_ptr shown(::SSL_get1_peer_certificate(tls_of(pair.server).native()));
        CHECK(detail::name_of(::X509_get_subject_name(shown.get())) == "CN=device 7");

        const auto stranger = pki::make({.subject = "stranger"});
        options.certificate_file = all.files.write("stranger.pem", stranger.pem() + stranger.key_pem());
        tls_connections unknown(options, server);
        layer_pair unwanted = unknown.connect();
        CHECK(unwanted.server.error == std::error_code(X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, verification_category()));
        CHECK(is_alert(unwanted.client.error, SSL_AD_UNKNOWN_CA));
        CHECK(unwanted.client.machine->details() == "it means our certificate (subject CN=stranger; issuer CN=stranger)");
        CHECK(unwanted.client.error == error_condition::fatal);

        server.client_crl_file = all.files.write(
            "clients.crl", pki::revocation_list(all.root, {}) + pki::revocation_list(all.authority, {&all.client}));
        options.certificate_file = all.file_of(all.client, "client.pem");
        tls_connections revoked(options, server);
        layer_pair revoked_pair = revoked.connect();
        CHECK(is_alert(revoked_pair.client.error, SSL_AD_CERTIFICATE_REVOKED));
        CHECK(revoked_pair.server.error == std::error_code(X509_V_ERR_CERT_REVOKED, verification_category()));
    }
}

TEST_CASE("tls: versions and ciphers without any in common are told", "[tls]") {
    const certificates all;
    auto options = all.for_client();
    auto server = all.for_server();
    options.minimum_version = tls_version::v1_3;
    server.maximum_version = tls_version::v1_2;
    layer_pair versions = tls_connections(options, server).connect();
    CHECK(is_alert(versions.client.error, SSL_AD_PROTOCOL_VERSION));
    CHECK(versions.client.error == error_condition::fatal);
    CHECK(versions.server.error == error_condition::fatal);

    options = all.for_client();
    options.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256";
    server.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305";
    layer_pair ciphers = tls_connections(options, server).connect();
    CHECK(is_alert(ciphers.client.error, SSL_AD_HANDSHAKE_FAILURE));
    CHECK(ciphers.client.error == error_condition::fatal);
    server.ciphers = options.ciphers;
    layer_pair agreed = tls_connections(options, server).connect();
    REQUIRE(agreed.is_open());
    CHECK(tls_of(agreed.client).cipher() == options.ciphers);

    options.cipher_suites = server.cipher_suites = "TLS_CHACHA20_POLY1305_SHA256";
    server.maximum_version = tls_version::v1_3;
    layer_pair suites = tls_connections(options, server).connect();
    REQUIRE(suites.is_open());
    CHECK(tls_of(suites.client).cipher() == "TLS_CHACHA20_POLY1305_SHA256");
}

TEST_CASE("tls: a server that knows no version of today is told as such", "[tls]") {
    const certificates all;
    tls_connections connections(all.for_client(), all.for_server());
    layer_end client{connections.client_end()};
    client.start();
    // A ServerHello of TLS 1.1: version, random, no session, cipher, no compression.
    std::string hello("\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02", 11);
    hello += noise(32) + std::string("\x00\xc0\x09\x00", 4);
    client.receive(hello);
    CHECK(client.error.message() == "TLS: unsupported protocol");
    CHECK(client.error == error_condition::fatal);
}

TEST_CASE("tls: the protocol is agreed on by ALPN, and none in common is told", "[tls]") {
    const certificates all;
    auto options = all.for_client();
    auto server = all.for_server();
    options.alpn = {"x-amzn-mqtt-ca", "mqtt"};
    layer_pair ignored = tls_connections(options, server).connect();
    REQUIRE(ignored.is_open());
    CHECK(tls_of(ignored.client).alpn().empty());

    server.alpn = {"http/1.1", "mqtt"};
    layer_pair agreed = tls_connections(options, server).connect(); // The server's end outlives who made it.
    REQUIRE(agreed.is_open());
    CHECK(tls_of(agreed.client).alpn() == "mqtt");
    CHECK(tls_of(agreed.server).alpn() == "mqtt");

    options.alpn = {"other"};
    layer_pair none = tls_connections(options, server).connect();
    CHECK(is_alert(none.client.error, SSL_AD_NO_APPLICATION_PROTOCOL));
    CHECK(none.client.machine->details() == "it speaks none of the protocols offered (ALPN)");
    CHECK(none.client.error == error_condition::fatal);
}

TEST_CASE("tls: protocols, ciphers and names that cannot be said are refused", "[tls]") {
    const certificates all;
    const auto error_of = [&](const tls_options& options, const std::string& host = "localhost") {
        tls_connections connections(options, all.for_server());
        connections.where.host = host;
        const auto end = connections.client_end();
        CHECK(!end == !!connections.error);
        return connections.error;
    };
    auto options = all.for_client();
    options.alpn = {""};
    CHECK(error_of(options) == tls_errc::invalid_alpn);
    options.alpn = {std::string(256, 'x')};
    CHECK(error_of(options) == tls_errc::invalid_alpn);
    options.alpn.assign(256, std::string(255, 'x'));
    CHECK(error_of(options) == tls_errc::invalid_alpn);
    options.alpn.resize(255);
    CHECK_FALSE(error_of(options));
    options = all.for_client();
    options.ciphers = "NO-SUCH-CIPHER";
    CHECK(error_of(options) == tls_errc::invalid_ciphers);
    options.ciphers.clear();
    options.cipher_suites = "NO-SUCH-CIPHER";
    CHECK(error_of(options) == tls_errc::invalid_ciphers);
    CHECK(error_of(all.for_client(), "") == tls_errc::invalid_server_name);
    CHECK(error_of(all.for_client(), std::string("localhost\0.evil.example", 23)) == tls_errc::invalid_server_name);
    CHECK(error_of(all.for_client(), std::string(300, 'x')) == tls_errc::invalid_server_name);
    CHECK(error_of(all.for_client(), "1.2.3.4.5") == tls_errc::invalid_server_name);
    CHECK(error_of(all.for_client(), "::1::") == tls_errc::invalid_server_name);
}

TEST_CASE("tls: keys are renewed when the peer wishes it", "[tls]") {
    const certificates all;
    tls_connections connections(all.for_client(), all.for_server());
    layer_pair pair = connections.connect();
    for (int i = 0; i != 3; ++i) {
        REQUIRE(::SSL_key_update(tls_of(pair.server).native(), SSL_KEY_UPDATE_REQUESTED) == 1);
        pair.server.say("with new keys");
        pair.exchange();
        pair.client.say("with new keys");
        pair.exchange();
    }
    REQUIRE(pair.is_open());
    CHECK(pair.client.plain == "with new keyswith new keyswith new keys");
    CHECK(pair.server.plain == pair.client.plain);
}

TEST_CASE("tls: a handshake within a connection of TLS 1.2 is refused", "[tls]") {
    const certificates all;
    tls_connections connections(all.for_client(), all.for_server(tls_version::v1_2));
    layer_pair pair = connections.connect();
    ::SSL_clear_options(tls_of(pair.server).native(), SSL_OP_NO_RENEGOTIATION);
    REQUIRE(::SSL_renegotiate(tls_of(pair.server).native()) == 1);
    pair.server.say("again?");
    pair.exchange();
    CHECK(pair.server.error.message() == "TLS: no renegotiation");
    CHECK(is_alert(pair.client.error, SSL_AD_HANDSHAKE_FAILURE)); // The server insists.
}

TEST_CASE("tls: what others have left in OpenSSL's queue of errors is not taken for ours", "[tls]") {
    const certificates all;
    tls_connections connections(all.for_client(), all.for_server());
    const auto disturb = [] { ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR); };
    disturb();
    layer_pair pair(connections.client_end(), connections.server.make_layer());
    disturb();
    pair.client.start();
    disturb();
    pair.server.start();
    disturb();
    pair.exchange();
    disturb();
    pair.client.say("x");
    disturb();
    pair.exchange();
    CHECK(pair.server.plain == "x");
    pair.client.say("y");
    pair.piece = 1;
    disturb();
    pair.exchange();
    CHECK(pair.is_open());
    CHECK(pair.server.plain == "xy");
    ::ERR_clear_error();
}
