// TLS and WebSocket for the worlds: what makes the layers of each connection. Their random numbers come from the seed of
// the world as well, so that a world replays byte by byte.
#pragma once

#include "transport.hpp"

#include "support/certificates.hpp"

#include <inflight/tls.hpp>
#include <inflight/tls/server.hpp>
#include <inflight/websocket.hpp>
#include <inflight/websocket/server_layer.hpp>

#include <openssl/rand.h>

#include <random>

namespace simulation {

enum class layer_kind { none, tls, websocket, secure_websocket };

/// OpenSSL's random numbers on this thread, until the next call. All its keys are guessed from now on.
inline void seed_openssl(std::uint64_t seed) {
    static thread_local std::mt19937_64 random;
    random.seed(seed);
    static const auto fill = [](unsigned char* out, int size) {
        std::generate_n(out, size, [] { return static_cast<unsigned char>(random()); });
        return 1;
    };
    // Another way needs a provider of one's own.
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wdeprecated-declarations\"")
    static const RAND_METHOD method{.seed = nullptr, .bytes = fill, .cleanup = nullptr, .add = nullptr, .pseudorand = fill,
                                    .status = [] { return 1; }};
    static const int is_set = ::RAND_set_rand_method(&method);
    _Pragma("GCC diagnostic pop") require(is_set == 1, "OpenSSL takes no random numbers");
}

/// Of one world: its connections have a server's certificate and the client's memory of TLS sessions in common.
class layer_source {
public:
    layer_source(layer_kind kind, std::uint64_t seed) : kind_(kind) {
        if (kind == layer_kind::none) return;
        seed_openssl(seed);
        where_.host = "localhost";
        where_.transport = kind == layer_kind::tls         ? inflight::transport_kind::tls
                           : kind == layer_kind::websocket ? inflight::transport_kind::websocket
                                                           : inflight::transport_kind::secure_websocket;
        if (!uses_tls(where_.transport)) return;
        server_.emplace(identity().for_server);
        require(!server_->error(), "TLS does not serve: ", server_->details());
        client_ = inflight::detail::known_layers.tls(identity().for_client);
    }

    layers operator()() {
        auto client = std::make_unique<inflight::layer_stack>(), server = std::make_unique<inflight::layer_stack>();
        if (kind_ == layer_kind::none) return {};
        if (server_) {
            std::unique_ptr<inflight::layer> one;
            std::string details;
            require(!client_->make(where_, one, details), "there is no TLS: ", details);
            client->push(std::move(one));
            server->push(server_->make_layer());
        }
        if (uses_websocket(where_.transport)) {
            client->push(inflight::detail::known_layers.websocket(where_, {}));
            server->push(std::make_unique<inflight::websocket_server_layer>());
        }
        return {std::move(client), std::move(server)};
    }

private:
    struct files {
        pki::identity root = pki::make({.subject = "root", .is_authority = true, .is_ed25519 = true});
        pki::identity server = pki::make({.issuer = &root, .is_ed25519 = true});
        pki::directory folder{};
        inflight::tls_server_options for_server{};
        inflight::tls_options for_client{};

        files() {
            for_server.certificate_file = folder.write("server.pem", server.pem() + server.key_pem());
            for_client.ca_file = folder.write("ca.pem", root.pem());
        }
    };
    static const files& identity() {
        static const files all;
        return all;
    }

    layer_kind kind_;
    inflight::broker where_{};
    std::optional<inflight::tls_server> server_{};
    std::unique_ptr<inflight::detail::tls_layer_maker> client_{};
};

} // namespace simulation
