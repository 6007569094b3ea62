// probe HOST PORT VERSION: publishes a QoS 1 message every 50 ms to itself, and says what happens to the connection; for
// tests that spoil the network from outside. SIGTERM: publishes no more, waits until everything has been acknowledged and
// received, and ends. SIGINT: ends at once.
#include <inflight/async_client.hpp>

#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>

#include <iostream>
#include <set>
#include <unistd.h>

using namespace std::chrono_literals;

namespace {

struct probe final : inflight::detail::observer {
    asio::io_context io{1};
    asio::steady_timer timer{io};
    asio::signal_set stop{io, SIGTERM}, end{io, SIGINT};
    inflight::async_client client;
    unsigned published = 0, acknowledged = 0, failed = 0;
    std::set<std::string> received{};
    bool stopping = false;

    explicit probe(inflight::client_options o) : client(io, std::move(o)) {
        client.implementation().set_observer(this);
        stop.async_wait([this](std::error_code, int) { stopping = true; });
        end.async_wait([this](std::error_code, int) { io.stop(); });
        client.async_connect([](std::error_code, inflight::connect_result) {});
        client.async_subscribe("probe", inflight::qos::at_least_once, [](std::error_code error, inflight::subscribe_ack) {
            if (!error) std::cout << "subscribed" << std::endl;
        });
        receive();
        tick();
    }

    void on_connected(inflight::connect_result) override { std::cout << "connected" << std::endl; }
    void on_disconnected(inflight::disconnect_result r) override {
        std::cout << "disconnected: " << r.error.message() << std::endl;
    }

    void receive() {
        client.async_receive([this](std::error_code error, inflight::received_message m) {
            if (error) return;
            received.insert(m.payload);
            receive();
        });
    }

    void tick() {
        if (stopping && acknowledged + failed == published && received.size() >= acknowledged) {
            std::cout << published << " published, " << acknowledged << " acknowledged, " << received.size() << " received"
                      << std::endl;
            return io.stop();
        }
        if (!stopping)
            client.async_publish(inflight::message("probe", std::to_string(published++), inflight::qos::at_least_once),
                                 [this](std::error_code error, inflight::publish_ack) { ++(error ? failed : acknowledged); });
        timer.expires_after(50ms);
        timer.async_wait([this](std::error_code) { tick(); });
    }
};

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    inflight::client_options o;
    o.client_id = "probe-" + std::to_string(::getpid());
    o.brokers = {{argv[1], static_cast<std::uint16_t>(std::stoi(argv[2]))}};
    o.version = std::string_view(argv[3]) == "5" ? inflight::protocol_version::v5 : inflight::protocol_version::v3_1_1;
    o.keep_session_for(1h);
    o.keep_alive = 2s;
    o.connect_timeout = 1s;
    o.reconnect_delay = 50ms;
    o.max_reconnect_delay = 400ms;
    probe p(std::move(o));
    p.io.run();
}
