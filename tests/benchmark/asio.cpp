// Bare Asio, for comparison of the latency: writes a QoS 1 message, reads its PUBACK, and so on.
#include "wire.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

namespace {

using asio::ip::tcp;
using namespace benchmark;

tcp::socket connected(asio::io_context& io, std::uint16_t port) {
    tcp::socket s(io);
    s.connect({asio::ip::address_v4::loopback(), port});
    s.set_option(tcp::no_delay(true));
    asio::write(s, asio::buffer("\x10\x10\0\4MQTT\5\2\0\x3C\0\0\3raw", 18));
    char connack[5];
    asio::read(s, asio::buffer(connack));
    return s;
}

class ping_pong {
public:
    explicit ping_pong(const arguments& a) : a_(a), latencies_(a), socket_(connected(io_, a.port)) {
        add_publish(message_, 5, 1, std::string(a.size, 'x'), 1);
    }

    void run() {
        next();
        io_.run();
        latencies_.print();
    }

private:
    void next() {
        if (count_++ == a_.total()) return;
        latencies_.start();
        asio::async_write(socket_, asio::buffer(message_.data(), message_.size()), [this](std::error_code e, std::size_t) {
            if (e) fail(e.message());
        });
        socket_.async_read_some(asio::buffer(answer_), [this](std::error_code e, std::size_t n) {
            if (e || n != 4) fail("no PUBACK");
            latencies_.stop();
            next();
        });
    }

    arguments a_;
    latencies latencies_;
    outbox message_{};
    std::size_t count_ = 0;
    char answer_[1024]{};
    asio::io_context io_{1};
    tcp::socket socket_;
};

} // namespace

int main(int argc, char** argv) {
    ping_pong(arguments(argc, argv)).run();
}
