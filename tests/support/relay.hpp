// A port that leads to another one, whatever passes, until it is cut.
#pragma once

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/write.hpp>

#include <array>
#include <memory>
#include <thread>
#include <vector>

/// Passes connections on to a port of this machine. Everything runs on a thread of its own.
class relay {
    using tcp = asio::ip::tcp;

public:
    explicit relay(std::uint16_t to) : to_(to), port_(acceptor_.local_endpoint().port()) {
        accept();
        thread_ = std::thread([this] { io_.run(); });
    }
    relay(const relay&) = delete;
    relay& operator=(const relay&) = delete;
    ~relay() {
        io_.stop();
        thread_.join();
    }

    std::uint16_t port() const { return port_; }

    /// Ends all connections that stand. New ones are possible at once.
    void cut() {
        asio::post(io_, [this] {
            for (const auto& c : connections_) c->close();
            connections_.clear();
        });
    }

private:
    struct connection {
        tcp::socket client, server;
        std::array<char, 16 * 1024> up{}, down{};

        explicit connection(tcp::socket from, asio::io_context& io) : client(std::move(from)), server(io) {}
        void close() {
            asio::error_code ignored;
            client.close(ignored);
            server.close(ignored);
        }
    };
    using connection_ptr = std::shared_ptr<connection>;

    void accept() {
        acceptor_.async_accept([this](asio::error_code error, tcp::socket s) {
            if (error) return;
            const auto c = std::make_shared<connection>(std::move(s), io_);
            asio::error_code bad;
            c->server.connect({asio::ip::address_v4::loopback(), to_}, bad);
            if (!bad) {
                connections_.push_back(c);
                pass(c, c->client, c->server, c->up);
                pass(c, c->server, c->client, c->down);
            }
            accept();
        });
    }

    static void pass(const connection_ptr& c, tcp::socket& from, tcp::socket& to, std::array<char, 16 * 1024>& buffer) {
        from.async_read_some(asio::buffer(buffer), [c, &from, &to, &buffer](asio::error_code error, std::size_t n) {
            if (error) return c->close();
            asio::async_write(to, asio::buffer(buffer, n), [c, &from, &to, &buffer](asio::error_code failed, std::size_t) {
                if (failed) return c->close();
                pass(c, from, to, buffer);
            });
        });
    }

    asio::io_context io_{1};
    tcp::acceptor acceptor_{io_, {asio::ip::address_v4::loopback(), 0}};
    std::uint16_t to_, port_;
    std::vector<connection_ptr> connections_{};
    std::thread thread_{};
};
