// What the tests of TLS with a broker share.
#pragma once

#include "support/mosquitto_process.hpp"
#include "tls/tls_support.hpp"

#include <inflight/client.hpp>

/// A Mosquitto that speaks TLS, as one of the identities above it.
struct tls_broker : certificates {
    std::unique_ptr<mosquitto_process> process{};

    void start(const pki::identity& who, const std::string& more = {}) {
        process = std::make_unique<mosquitto_process>("certfile " + files.write("broker.crt", who.pem() + authority.pem()) +
                                                      "\nkeyfile " + files.write("broker.key", who.key_pem()) + '\n' + more);
    }
    void start(const std::string& more = {}) { start(server, more); }

    std::string demand() const { return "require_certificate true\ncafile " + files.write("client_ca.pem", root.pem()) + '\n'; }
    std::string address(const std::string& host = "localhost") const {
        return "mqtts://" + host + ':' + std::to_string(process->port());
    }
    client_options options() const {
        client_options o;
        *o.tls = for_client();
        o.connect_timeout = patience;
        o.reconnect_delay = std::chrono::milliseconds(10);
        o.max_reconnect_delay = std::chrono::milliseconds(40);
        o.seed = 1;
        return o;
    }
};
