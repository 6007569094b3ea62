// What the tests of TLS share: the certificates, and both ends in memory.
#pragma once

#include "support/catch.hpp"
#include "support/certificates.hpp"
#include "support/layer_pair.hpp"

#include <inflight/tls.hpp>
#include <inflight/tls/server.hpp>

using namespace inflight;

/// A root, an authority below it, and a server and a client of that one.
struct certificates {
    pki::identity root = pki::make({.subject = "test root", .is_authority = true});
    pki::identity authority = pki::make({.subject = "test authority", .issuer = &root, .is_authority = true});
    pki::identity server = pki::make({.issuer = &authority});
    pki::identity client = pki::make({.subject = "device 7", .names = "", .issuer = &authority});
    pki::directory files{};

    /// For an identity of that authority's: certificate, authority and key in one file.
    std::string file_of(const pki::identity& who, const std::string& name) const {
        return files.write(name, who.pem() + authority.pem() + who.key_pem());
    }
    tls_server_options for_server(const pki::identity& who) const {
        tls_server_options out;
        out.certificate_file = file_of(who, "server.pem");
        return out;
    }
    tls_server_options for_server() const { return for_server(server); }
    tls_server_options for_server(tls_version latest) const {
        tls_server_options out = for_server();
        out.maximum_version = latest;
        return out;
    }
    tls_options for_client() const {
        tls_options out;
        out.ca_file = files.write("ca.pem", root.pem());
        return out;
    }
};

inline detail::tls_layer& tls_of(const layer_end& end) { return static_cast<detail::tls_layer&>(*end.machine); }

/// A client that connects again and again, and a server.
struct tls_connections {
    detail::tls_client_maker maker;
    tls_server server;
    broker where{.host = "localhost", .port = 8883, .transport = transport_kind::tls};
    std::error_code error{}; // Of making the client's end.
    std::string details{};

    tls_connections(const tls_options& c, const tls_server_options& s) : maker(c), server(s) {
        INFO(server.details());
        REQUIRE_FALSE(server.error());
    }

    std::unique_ptr<layer> client_end() {
        std::unique_ptr<layer> out;
        details.clear();
        error = maker.make(where, out, details);
        return out;
    }
    /// A connection whose handshake is over, or has failed.
    layer_pair connect(std::size_t piece = std::string::npos) {
        auto client = client_end();
        INFO(error.message() << ": " << details);
        REQUIRE(client);
        layer_pair out(std::move(client), server.make_layer());
        out.piece = piece;
        out.start();
        return out;
    }
};
