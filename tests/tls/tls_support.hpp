// What the tests of TLS share: both ends in memory, bytes that are cut at will between them, and the certificates.
#pragma once

#include "support/catch.hpp"
#include "support/certificates.hpp"

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
    tls_options for_client() const {
        tls_options out;
        out.ca_file = files.write("ca.pem", root.pem());
        return out;
    }
};

/// An end, what it has received and what it has met with.
struct tls_end {
    std::unique_ptr<layer> machine{};
    std::string wire{}, plain{}; // To be sent; received.
    std::error_code error{};

    detail::tls_layer& tls() const { return static_cast<detail::tls_layer&>(*machine); }
    void start() { error = machine->start(wire); }
    void receive(std::string_view bytes) {
        if (!error) error = machine->received(bytes, plain, wire);
    }
    void say(std::string_view text) {
        if (!error) error = machine->send(text, wire);
    }
};

/// A client's end and a server's, and a wire that cuts what it carries into pieces.
struct tls_pair {
    tls_end client{}, server{};
    std::size_t piece = std::string::npos;
    std::size_t turns = 0; // How often one end has heard something from the other.

    explicit tls_pair(std::unique_ptr<layer> a, std::unique_ptr<layer> b) {
        client.machine = std::move(a);
        server.machine = std::move(b);
    }

    void start() {
        client.start();
        server.start();
        exchange();
    }

    /// Until neither has anything more to say.
    void exchange() {
        while (carry(client, server) || carry(server, client)) {}
    }

    bool is_open() const {
        return !client.error && !server.error && client.machine->is_open() && server.machine->is_open();
    }

private:
    bool carry(tls_end& from, tls_end& to) {
        const std::string bytes = std::exchange(from.wire, {});
        if (bytes.empty()) return false;
        for (std::size_t i = 0; i < bytes.size(); i += std::min(piece, bytes.size() - i)) {
            to.receive(std::string_view(bytes).substr(i, piece));
            ++turns;
        }
        return true;
    }
};

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
    tls_pair connect(std::size_t piece = std::string::npos) {
        auto client = client_end();
        INFO(error.message() << ": " << details);
        REQUIRE(client);
        tls_pair out(std::move(client), server.make_layer());
        out.piece = piece;
        out.start();
        return out;
    }
};
