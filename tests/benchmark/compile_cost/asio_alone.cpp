// What a publisher by hand takes of Asio, and nothing more: resolve, connect, write, read the answer, a time
// limit. The yardstick of compile_cost.py, which compiles it with the headers it needs and, with ALL_OF_ASIO,
// with <asio.hpp>.
#ifdef ALL_OF_ASIO
#include <asio.hpp>
#else
#include <asio/connect.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>
#endif

#include <array>
#include <iostream>
#include <string>

class publisher {
public:
    explicit publisher(asio::io_context& io) : resolver_(io), socket_(io), limit_(io) {}

    void start(const std::string& host, const std::string& port) {
        limit_.expires_after(std::chrono::seconds(10));
        limit_.async_wait([this](std::error_code error) {
            if (!error) socket_.close();
        });
        resolver_.async_resolve(host, port, [this](std::error_code error, const auto& found) {
            if (error) return fail(error);
            asio::async_connect(socket_, found, [this](std::error_code e, const asio::ip::tcp::endpoint&) {
                if (e) fail(e);
                else say_connect();
            });
        });
    }

private:
    void say_connect() {
        asio::async_write(socket_, asio::buffer(connect_), [this](std::error_code error, std::size_t) {
            if (error) return fail(error);
            asio::async_read(socket_, asio::buffer(connack_), [this](std::error_code e, std::size_t) {
                if (e) fail(e);
                else say_publish();
            });
        });
    }

    void say_publish() {
        asio::async_write(socket_, asio::buffer(publish_), [this](std::error_code error, std::size_t) {
            if (error) return fail(error);
            std::cout << "published\n";
            limit_.cancel();
        });
    }

    void fail(std::error_code error) {
        std::cerr << error.message() << '\n';
        limit_.cancel();
    }

    asio::ip::tcp::resolver resolver_;
    asio::ip::tcp::socket socket_;
    asio::steady_timer limit_;
    std::string connect_ = {'\x10', 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, 'c'};
    std::array<char, 4> connack_{};
    std::string publish_ = {'\x30', 4, 0, 1, 't', '!'};
};

int main() {
    asio::io_context io;
    publisher one(io);
    one.start("localhost", "1883");
    io.run();
}
