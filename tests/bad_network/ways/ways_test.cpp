// What TCP survives the other ways to a broker survive too: Unix sockets, TLS, WebSocket, and both. Connections are cut in
// the middle of records and frames.
#include "bad_network/pair_of_clients.hpp"
#include "bad_network/stories.hpp"
#include "support/certificates.hpp"

#include <inflight/tls.hpp>
#include <inflight/tls/server.hpp>
#include <inflight/websocket.hpp>
#include <inflight/websocket/server_layer.hpp>

namespace {

/// The certificate of the proxies' end, and a folder for sockets.
struct resources {
    pki::identity root = pki::make({.subject = "root", .is_authority = true});
    pki::identity server = pki::make({.issuer = &root});
    pki::directory files{};
    std::string ca = files.write("ca.pem", root.pem());
    tls_server_options tls{};
    int sockets = 0;

    resources() { tls.certificate_file = files.write("server.pem", server.pem() + server.key_pem()); }
};

/// From here to the proxies by `scheme`. Each proxy's connections are made on its own thread, with a TLS of its own.
route by(resources& r, const std::string& scheme) {
    route out{.scheme = scheme};
    if (scheme == "unix") {
        out.socket_path = [&r] { return r.files.path("socket" + std::to_string(++r.sockets)); };
        return out;
    }
    const bool is_secure = scheme == "mqtts" || scheme == "wss", is_websocket = scheme == "ws" || scheme == "wss";
    out.make_layers = [&r, is_secure, is_websocket]() -> std::unique_ptr<layer> {
        auto stack = std::make_unique<layer_stack>();
        if (is_secure) {
            thread_local std::map<const resources*, tls_server> servers;
            stack->push(servers.try_emplace(&r, r.tls).first->second.make_layer());
        }
        if (is_websocket) stack->push(std::make_unique<websocket_server_layer>());
        return stack;
    };
    if (is_secure) out.prepare = [&r](client_options& o) { o.tls->ca_file = r.ca; };
    return out;
}

} // namespace

TEST_CASE("ways: connections cut at random bytes lose nothing, double no QoS 2 message and keep the order, whatever the transport",
          "[bad_network]") {
    const std::string scheme = GENERATE("unix", "mqtts", "ws", "wss");
    const auto version = GENERATE(v3, v5);
    const auto s = seed();
    CAPTURE(scheme, name_of(version), s);
    resources r;
    pair_of_clients d(version, qos::exactly_once, 3'000, 1'000, by(r, scheme));
    d.start();
    d.to_publisher.cut_randomly(s, 10, 140'000);
    d.to_subscriber.cut_randomly(s + 1, 10, 140'000);
    d.publish_until_completed(3'000);
    d.finish();
    CHECK(d.to_publisher.cuts() == 10);
    CHECK(d.to_subscriber.cuts() == 10);
    d.report("cut, " + scheme);
    d.check_completions();
    d.check_arrivals();
    if (d.unexplained_duplicates() != 0) FAIL_CHECK(d.state());
}

TEST_CASE("ways: a broker that is killed acknowledges every message in the end, whatever the transport", "[bad_network]") {
    const std::string scheme = GENERATE("unix", "mqtts", "ws", "wss");
    CAPTURE(scheme);
    resources r;
    pair_of_clients d(v5, qos::at_least_once, 3'000, 1'000, by(r, scheme));
    d.start();
    d.lose_broker(1'000, &mosquitto_process::kill);
    d.broker.start();
    d.lose_broker(2'000, &mosquitto_process::stop);
    d.broker.start();
    d.publish_until_completed(3'000);
    d.report("killed, " + scheme);
    d.check_completions();
}

TEST_CASE("ways: the stories, 20 rounds with random cuts, nothing lost, whatever the transport", "[bad_network]") {
    const std::string scheme = GENERATE("unix", "mqtts", "ws", "wss");
    const auto s = seed();
    CAPTURE(scheme, s);
    resources r;
    stories all(v5, s, 4, by(r, scheme));
    try {
        for (int i = 0; i != 20; ++i) all.round();
        all.check();
    } catch (const std::runtime_error& e) {
        FAIL(e.what() << all.trace());
    }
    all.report();
}

TEST_CASE("ways: a silent link is noticed, and one that is down comes up again, whatever the transport", "[bad_network]") {
    const std::string scheme = GENERATE("unix", "mqtts", "ws", "wss");
    CAPTURE(scheme);
    resources r;
    const route way = by(r, scheme);
    mosquitto_process broker;
    faulty_proxy proxy(broker.port(), way.entrance());
    client_options o = way.options(proxy, "c", v5);
    o.keep_alive = 1s;
    o.ping_timeout = 500ms;
    std::vector<std::error_code> ends;
    o.on_disconnected = [&](const disconnect_result& d) { ends.push_back(d.error); };
    connected_client c(proxy, o);
    proxy.set_mode(faulty_proxy::mode::black_hole);
    c.until("the end of a silent connection", [&] { return ends.size() == 1; });
    CHECK(ends[0] == errc::keep_alive_timeout);
    c.publish();
    proxy.set_mode(faulty_proxy::mode::refuse);
    proxy.set_mode(faulty_proxy::mode::pass);
    c.until("PUBACK", [&] { return c.completed == 1; });
    CHECK(c.failed == 0);
}
