// What the tests of bad networks share: a client at a Mosquitto, and the proxy between them.
#pragma once

#include "support/catch.hpp"
#include "support/faulty_proxy.hpp"
#include "support/mosquitto_process.hpp"
#include "support/short_names.hpp"

#include <inflight/client.hpp>

#include <cstdlib>
#include <iostream>

using namespace inflight;
using namespace std::chrono_literals;

using direction = faulty_proxy::direction;

inline std::string_view name_of(protocol_version v) { return v == v5 ? "5.0" : "3.1.1"; }

inline double seconds(std::chrono::steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

inline client_options options(std::uint16_t port, std::string id, protocol_version version) {
    client_options o;
    o.client_id = std::move(id);
    o.brokers = {{"127.0.0.1", port}};
    o.version = version;
    o.reconnect_delay = 10ms;
    o.max_reconnect_delay = 40ms;
    o.connect_timeout = patience;
    o.seed = 1;
    return o;
}

/// How clients come to a proxy: over TCP, and without layers, unless it says otherwise.
struct route {
    std::string scheme = "mqtt";
    std::function<std::string()> socket_path{}; // For the Unix socket of the next proxy.
    testing::layers_function make_layers{};
    std::function<void(client_options&)> prepare{};

    faulty_proxy::entrance entrance() const { return {scheme, socket_path ? socket_path() : std::string(), make_layers}; }
    client_options options(const faulty_proxy& proxy, std::string id, protocol_version version) const {
        client_options o = ::options(proxy.port(), std::move(id), version).keep_session_for(1h);
        o.brokers = {{proxy.address()}};
        if (prepare) prepare(o);
        return o;
    }
};

/// A seed from the environment, or a new one; in any case in the output.
inline std::uint64_t seed() {
    const char* const given = std::getenv("INFLIGHT_SEED");
    const std::uint64_t s = given ? std::strtoull(given, nullptr, 10) : std::random_device()();
    std::cout << "INFLIGHT_SEED=" << s << std::endl;
    return s;
}

/// Watches a subscriber's connections: for which messages has the broker said PUBLISH again, as a new exchange, after it
/// had got our PUBREC? Mosquitto 2.0.11 does so after a restart, and when two connections in a row are cut, the second
/// before it has repeated its PUBRELs there (INFLIGHT_SEED=5000: PUBLISH, PUBREC, PUBREL, PUBCOMP, cut, cut, PUBLISH with
/// DUP). No client can tell that from a new message.
class broker_repeats {
public:
    void operator()(const faulty_proxy::passing& p) {
        if (p.to == direction::to_client) {
            if (const auto* sent = p.as<connack>(); sent && !sent->session_present) exchanges_.clear();
            if (const auto* released = p.as<pubrel>()) exchanges_.erase(released->id);
            const auto* m = p.as<publish>();
            if (!m || m->qos != qos::exactly_once) return;
            const std::string what(m->payload);
            const auto open = exchanges_.find(m->id);
            if (recorded_.contains(what) && (open == exchanges_.end() || open->second != what)) ++repeats_[what];
            exchanges_[m->id] = what;
        } else if (const auto* r = p.as<pubrec>()) {
            if (const auto open = exchanges_.find(r->id); open != exchanges_.end()) recorded_.insert(open->second);
        }
    }
    unsigned of(const std::string& payload) const {
        const auto found = repeats_.find(payload);
        return found == repeats_.end() ? 0 : found->second;
    }

private:
    std::map<packet_id, std::string> exchanges_{};
    std::set<std::string> recorded_{};
    std::map<std::string, unsigned> repeats_{};
};

/// A broker, and the way to it.
struct network {
    mosquitto_process broker{};
    faulty_proxy proxy{broker.port()};
};

/// A client whose callbacks run on the test's thread, connected through the proxy.
struct connected_client {
    asio::io_context io{1};
    faulty_proxy& proxy;
    async_client client;
    unsigned completed = 0, failed = 0;

    connected_client(faulty_proxy& p, client_options o) : proxy(p), client(io, std::move(o)) {
        bool done = false;
        client.async_connect([&](std::error_code e, connect_result) {
            INFO(e.message());
            REQUIRE_FALSE(e);
            done = true;
        });
        until("CONNACK", [&] { return done; });
    }
    template <class Done>
    void until(std::string_view what, Done&& done) {
        proxy.run_until(io, what, std::forward<Done>(done));
    }
    void publish(qos level = qos::at_least_once, std::string payload = "x") {
        client.async_publish(message("link/test", payload, level), [this](std::error_code e, publish_ack) {
            ++completed;
            if (e) ++failed;
        });
    }
};
