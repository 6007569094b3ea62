// Clients over WebSocket, plain and secure, at the test kit's server: in memory on virtual time, and on a port.
#include "support/certificates.hpp"
#include "support/layered_world.hpp"

#include <inflight/tls.hpp>
#include <inflight/tls/server.hpp>
#include <inflight/websocket.hpp>
#include <inflight/websocket/server_layer.hpp>

using namespace inflight;
using namespace std::chrono_literals;

namespace {

/// The server's certificate, and the authority that it comes from.
struct certificates {
    pki::directory files{};
    pki::identity root = pki::make({.subject = "test root", .is_authority = true}), server = pki::make({.issuer = &root});

    tls_server_options for_server() const {
        tls_server_options o;
        o.certificate_file = files.write("server.pem", server.pem());
        o.key_file = files.write("server.key", server.key_pem());
        return o;
    }
};

/// A web server that knows one answer.
class web_server final : public layer {
public:
    explicit web_server(std::string answer) : answer_(std::move(answer)) {}
    std::error_code start(std::string&) override { return {}; }
    std::error_code received(std::string_view, std::string&, std::string& wire) override {
        wire += answer_;
        return websocket_errc::bad_request;
    }
    bool is_open() const override { return false; }
    std::error_code send(std::string_view, std::string&) override { return {}; }

private:
    std::string answer_;
};

/// Answers the first packet with this frame, if it is a CONNECT of 5.0.
class old_broker final : public layer {
public:
    explicit old_broker(std::string frame) : frame_(std::move(frame)) {}
    std::error_code start(std::string& wire) override { return below_.start(wire); }
    std::error_code received(std::string_view bytes, std::string& plain, std::string& wire) override {
        const std::error_code bad = below_.received(bytes, plain, wire);
        if (bad || plain.size() < 9 || plain[8] != 5) return bad;
        plain.clear();
        wire += frame_;
        return websocket_errc::bad_close;
    }
    bool is_open() const override { return below_.is_open(); }
    std::error_code send(std::string_view bytes, std::string& wire) override { return below_.send(bytes, wire); }
    bool is_finished() const override { return below_.is_finished(); }

private:
    websocket_server_layer below_{};
    std::string frame_;
};

/// A server behind WebSocket in memory, and a client that comes to it.
struct world : layered_world {
    world() : layered_world("ws://localhost", [] { return std::make_unique<websocket_server_layer>(); }) {}
};

} // namespace

TEST_CASE("websocket clients: nothing is lost when connections are cut, in the middle of frames too", "[websocket]") {
    world w;
    w.check_that_nothing_is_lost();
}

TEST_CASE("websocket clients: secure WebSocket is WebSocket on TLS, and loses nothing either", "[websocket]") {
    const certificates all;
    tls_server tls(all.for_server());
    world w;
    w.options.brokers = {{"wss://localhost/mqtt"}};
    w.options.tls->ca_text = all.root.pem();
    w.net.set_layers([&] {
        auto stack = std::make_unique<layer_stack>();
        stack->push(tls.make_layer());
        stack->push(std::make_unique<websocket_server_layer>(websocket_server_options{"/mqtt"}));
        return stack;
    });
    w.check_that_nothing_is_lost();
}

TEST_CASE("websocket clients: an answer that is no consent is told with its status and words", "[websocket]") {
    world w;
    w.net.set_layers([] { return std::make_unique<websocket_server_layer>(websocket_server_options{"/other"}); });
    CHECK(w.connect() == websocket_errc::not_found);
    CHECK(w.result->details == "answer: HTTP/1.1 404 Not Found, MQTT is at /other");
    CHECK(w.steps == std::vector<std::string>{
                         "handshake with ws://localhost:80",
                         "lost ws://localhost:80: the WebSocket handshake was answered with HTTP "
                         "status 404 (Not Found) (answer: HTTP/1.1 404 Not Found, MQTT is at /other)",
                         "stopped: the WebSocket handshake was answered with HTTP status 404 (Not Found) (answer: HTTP/1.1 404 Not Found, "
                         "MQTT is at /other)"});
}

TEST_CASE("websocket clients: what another attempt cannot cure ends the attempts, and what it can does not", "[websocket]") {
    world w;
    w.options.retry_first_connection = true;
    int asked = 0;
    w.net.set_layers([&]() -> std::unique_ptr<layer> {
        if (++asked < 4) return std::make_unique<web_server>("HTTP/1.1 503 Service Unavailable\r\n\r\n");
        return std::make_unique<web_server>("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n\r\nno token");
    });
    CHECK(w.connect() == websocket_errc::unauthorized);
    CHECK(w.result->details == "answer: HTTP/1.1 401 Unauthorized, no token");
    CHECK(asked == 4);
}

TEST_CASE("websocket clients: a header that cannot be sent ends the attempts, and is told by its name", "[websocket]") {
    world w;
    w.options.websocket->headers = {{"X", "a\r\nb"}};
    w.options.retry_first_connection = true;
    CHECK(w.connect() == websocket_errc::header_invalid);
    CHECK(w.result->details == "header: X");
}

TEST_CASE("websocket clients: a request is prepared for each connection, and stands for itself", "[websocket]") {
    world w;
    std::vector<std::string> paths;
    w.options.brokers = {{"ws://localhost/mqtt?k=1"}};
    w.options.websocket->prepare_request = [&](std::string& path, websocket_options::header_list& headers) {
        path += "&signature=" + std::to_string(paths.size());
        headers.emplace_back("X-Token", "secret");
        paths.push_back(path);
    };
    REQUIRE_FALSE(w.connect());
    w.net.cut();
    REQUIRE(w.net.run_until([&] { return paths.size() == 2; }, 1h));
    CHECK(paths == std::vector<std::string>{"/mqtt?k=1&signature=0", "/mqtt?k=1&signature=1"});
    REQUIRE(w.net.run_until([&] { return w.client->is_connected(); }, 1h));
}

TEST_CASE("websocket clients: a broker that closes in answer to CONNECT is tried with 3.1.1, whatever its Close says",
          "[websocket]") { // RabbitMQ 3.10 says 1011.
    const std::string frame =
        GENERATE(std::string("\x88\x02\x03\xf3", 4), std::string("\x88\x02\x03\xe8", 4), std::string("\x88\x00", 2), std::string());
    world w;
    w.options.version.reset();
    w.net.set_layers([&] { return std::make_unique<old_broker>(frame); });
    CHECK_FALSE(w.connect());
    CHECK(w.result->version == protocol_version::v3_1_1);
}

TEST_CASE("websocket clients: a port of MQTT without WebSocket is told as such", "[websocket]") {
    world w;
    w.net.set_layers({});
    CHECK(w.connect() == websocket_errc::closed_in_handshake);
}

TEST_CASE("websocket clients: both shapes talk to a server on a port, from several threads", "[websocket]") {
    check_threads(options_for("callbacks"), "ws", [] { return std::make_unique<websocket_server_layer>(); });
}
