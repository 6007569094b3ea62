// Messages per second into a sink on loopback: inflight, the bare socket with the same bytes, and
// libmosquitto if there is one. The sink runs on another thread, reads everything and acknowledges QoS 1.
// Best and median of several rounds.
#include <inflight/async_client.hpp>

#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#ifdef INFLIGHT_HAS_MOSQUITTO
#include <mosquitto.h>
#endif

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

using namespace inflight;
using asio::ip::tcp;

// Accepts connections one after the other and swallows what they send.
class sink {
public:
    sink()
        : acceptor_(io_, tcp::endpoint(asio::ip::address_v4::loopback(), 0)), thread_([this] { serve(); }) {}
    ~sink() {
        stop_ = true;
        std::error_code ignored;
        asio::io_context io;
        tcp::socket(io).connect(acceptor_.local_endpoint(), ignored); // Wakes accept().
        thread_.join();
    }
    std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

private:
    void serve() {
        for (;;) {
            tcp::socket s(io_);
            acceptor_.accept(s);
            if (stop_) return;
            s.set_option(tcp::no_delay(true));
            serve(s);
        }
    }

    static void serve(tcp::socket& s) {
        std::string in, out;
        std::vector<char> buffer(256 * 1024);
        std::error_code error;
        for (;;) {
            const std::size_t n = s.read_some(asio::buffer(buffer), error);
            if (error) return;
            in.append(buffer.data(), n);
            std::string_view rest = in;
            while (const auto f = next_frame(rest)) {
                if (f->type() == packet_type::connect) (void)encode(connack{}, protocol_version::v5, out);
                if (f->type() == packet_type::pingreq) (void)encode(pingresp{}, protocol_version::v5, out);
                if (f->type() == packet_type::publish && (f->first & 6) != 0) {
                    wire::reader r(f->body);
                    (void)r.binary();
                    (void)encode(puback{.id = packet_id{r.two_byte()}}, protocol_version::v5, out);
                }
                rest.remove_prefix(f->size);
            }
            in.erase(0, in.size() - rest.size());
            if (!out.empty()) asio::write(s, asio::buffer(out), error);
            out.clear();
        }
    }

    asio::io_context io_{};
    tcp::acceptor acceptor_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

constexpr std::string_view topic = "sensor/temperature";
const std::string payload(16, 'x');

// Both functions return messages per second.

double run_inflight(std::uint16_t port, qos level, std::uint16_t window, std::size_t count) {
    asio::io_context io{1};
    client_options options;
    options.brokers = {{"127.0.0.1", port}};
    options.version = protocol_version::v5;
    options.max_inflight_messages = window;
    async_client client(io, options);
    client.async_connect([](std::error_code error, const connect_result&) {
        if (error) std::abort();
    });
    while (!client.is_connected()) io.run_one();

    const std::size_t ahead = level == qos::at_most_once ? 2000 : window;
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t sent = 0; sent != count || client.unsettled() != 0;) {
        while (sent != count && client.unsettled() < ahead) {
            if (!client.publish(topic, payload, level)) break;
            if (++sent % 1000 == 0 && level == qos::at_most_once) break;
        }
        io.run_one();
        io.poll();
    }
    bool done = false;
    client.async_disconnect([&](std::error_code, std::size_t) { done = true; });
    while (!done) io.run_one();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    return static_cast<double>(count) / taken.count();
}

// The same bytes from a buffer that is encoded once: what the kernel and the sink can do.
double run_bare_socket(std::uint16_t port, std::size_t count) {
    asio::io_context io;
    tcp::socket s(io);
    s.connect({asio::ip::address_v4::loopback(), port});
    std::string bytes;
    (void)encode(inflight::connect{.client_id = "bare"}, protocol_version::v5, bytes);
    asio::write(s, asio::buffer(bytes));
    bytes.clear();
    std::size_t batch = 0;
    for (; bytes.size() < 64 * 1024; ++batch)
        (void)encode(publish{.topic = topic, .payload = payload}, protocol_version::v5, bytes);
    const auto start = std::chrono::steady_clock::now();
    std::size_t sent = 0;
    for (; sent < count; sent += batch) asio::write(s, asio::buffer(bytes));
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    return static_cast<double>(sent) / taken.count();
}

#ifdef INFLIGHT_HAS_MOSQUITTO
double run_libmosquitto(std::uint16_t port, int level, unsigned window, std::size_t count) {
    struct state {
        bool connected = false;
        std::size_t published = 0;
    } now;
    mosquitto* m = mosquitto_new("mosq", true, &now);
    mosquitto_int_option(m, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(m, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_max_inflight_messages_set(m, window);
    mosquitto_connect_callback_set(
        m, [](mosquitto*, void* s, int) { static_cast<state*>(s)->connected = true; });
    mosquitto_publish_callback_set(m, [](mosquitto*, void* s, int) { ++static_cast<state*>(s)->published; });
    if (mosquitto_connect(m, "127.0.0.1", port, 60) != MOSQ_ERR_SUCCESS) std::abort();
    while (!now.connected) mosquitto_loop(m, 100, 1);
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t sent = 0; now.published < count;) {
        const std::size_t ahead = level == 0 ? 1000 : window;
        while (sent != count && sent - now.published < ahead) {
            mosquitto_publish(m, nullptr, topic.data(), static_cast<int>(payload.size()), payload.data(),
                              level, false);
            ++sent;
        }
        mosquitto_loop(m, 0, 1000);
    }
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
    mosquitto_disconnect(m);
    mosquitto_destroy(m);
    return static_cast<double>(count) / taken.count();
}
#endif

template <class F>
void report(const char* what, F&& run) {
    std::vector<double> rounds;
    for (int i = 0; i != 5; ++i) rounds.push_back(run());
    std::sort(rounds.begin(), rounds.end());
    std::printf("%-34s %12.0f messages/s (median of 5; best %.0f)\n", what, rounds[2], rounds[4]);
}

} // namespace

int main(int argc, char** argv) {
    const std::size_t count = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 300'000;
    sink s;
    report("bare socket, QoS 0", [&] { return run_bare_socket(s.port(), count); });
    report("inflight, QoS 0", [&] { return run_inflight(s.port(), qos::at_most_once, 64, count); });
    report("inflight, QoS 1, window 64",
           [&] { return run_inflight(s.port(), qos::at_least_once, 64, count); });
    report("inflight, QoS 1, window 65,535",
           [&] { return run_inflight(s.port(), qos::at_least_once, 65'535, count); });
#ifdef INFLIGHT_HAS_MOSQUITTO
    mosquitto_lib_init();
    report("libmosquitto, QoS 0", [&] { return run_libmosquitto(s.port(), 0, 64, count / 10); });
    report("libmosquitto, QoS 1, window 64", [&] { return run_libmosquitto(s.port(), 1, 64, count / 10); });
    report("libmosquitto, QoS 1, window 65,535",
           [&] { return run_libmosquitto(s.port(), 1, 65'535, count / 10); });
    mosquitto_lib_cleanup();
#endif
}
