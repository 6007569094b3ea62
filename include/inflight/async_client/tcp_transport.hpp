// inflight/async_client/tcp_transport.hpp - a byte stream over TCP.
#pragma once

#include <inflight/async_client/handler_memory.hpp>
#include <inflight/async_client/options.hpp>
#include <inflight/async_client/resolver.hpp>

#include <asio/bind_allocator.hpp>
#include <asio/steady_timer.hpp>

#include <array>

namespace inflight {

/// What a client needs of a transport. One object is one connection; its handlers run on its executor and are
/// called exactly once, unless the object is destroyed first.
///   start_at(n)                                     of several addresses, which to begin with
///   async_open(broker, void(error_code))            resolves, connects, shakes hands
///   async_read(void(error_code, string_view))       some bytes, good during the call only
///   async_write(buffers, void(error_code, size_t))  some of the bytes, which stay where they are meanwhile
///   shutdown()                                      no more writing; the peer reads an end of file
///   close()                                         ends everything, pending handlers get an error
/// It also says which clock and timer go with it.
class tcp_transport {
public:
    using clock_type = std::chrono::steady_clock;
    using timer_type = asio::steady_timer;

    explicit tcp_transport(const asio::any_io_executor& executor) : socket_(executor), resolver_(executor) {}

    /// Begins with the nth address of a host, since an address that never answers takes all the time there
    /// is.
    void start_at(std::size_t n) { first_ = n; }

    using open_handler = std::function<void(std::error_code)>;

    void async_open(const broker& where, open_handler handler) {
        std::string host = where.host;
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        std::error_code not_literal;
        const auto address = asio::ip::make_address(host, not_literal);
        if (!not_literal) return connect({{address, where.port}}, std::move(handler));
        resolver_.resolve(std::move(host), where.port,
                          [this, handler = std::move(handler)](std::error_code error,
                                                               detached_resolver::endpoints found) {
                              if (error) return handler(error);
                              connect(std::move(found), handler);
                          });
    }

    // Waits for readability before it takes a buffer: a connection that is silent owns none.
    template <class Handler>
    void async_read(Handler handler) {
        auto read = [this, handler = std::move(handler)](std::error_code error) mutable {
            if (error) return handler(error, std::string_view{});
            static thread_local std::array<char, 64 * 1024> buffer;
            const std::size_t n = socket_.read_some(asio::buffer(buffer), error);
            if (error == asio::error::would_block || error == asio::error::try_again)
                return async_read(std::move(handler));
            handler(error, std::string_view(buffer.data(), n));
        };
        socket_.async_wait(asio::ip::tcp::socket::wait_read, in(reading_, std::move(read)));
    }

    template <class Buffers, class Handler>
    void async_write(const Buffers& buffers, Handler handler) {
        socket_.async_write_some(buffers, in(writing_, std::move(handler)));
    }

    void shutdown() {
        std::error_code ignored;
        socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    }

    void close() {
        is_closed_ = true;
        resolver_.cancel();
        std::error_code ignored;
        socket_.close(ignored);
    }

private:
    template <class Handler>
    static auto in(detail::handler_memory& memory, Handler handler) {
        return asio::bind_allocator(detail::handler_allocator<void>(memory), std::move(handler));
    }

    void connect(detached_resolver::endpoints endpoints, open_handler handler) {
        endpoints_ = std::move(endpoints);
        connect_next(asio::error::not_found, std::move(handler));
    }

    // The next address, now that the one before has failed. (asio::async_connect does the same, but costs the
    // compiler several times as much.)
    void connect_next(std::error_code error, open_handler handler) {
        if (is_closed_) return handler(asio::error::operation_aborted);
        if (tried_ == endpoints_.size()) return handler(error);
        std::error_code ignored;
        socket_.close(ignored); // It may be of the other family.
        socket_.async_connect(endpoints_[(first_ + tried_++) % endpoints_.size()],
                              [this, handler = std::move(handler)](std::error_code failure) mutable {
                                  if (failure || is_closed_) return connect_next(failure, std::move(handler));
                                  std::error_code e; // A transport without this option works, only slower.
                                  socket_.set_option(asio::ip::tcp::no_delay(true), e);
                                  socket_.non_blocking(true, e);
                                  handler(e);
                              });
    }

    detail::handler_memory reading_{}, writing_{};
    asio::ip::tcp::socket socket_;
    detached_resolver resolver_;
    detached_resolver::endpoints endpoints_{};
    std::size_t first_ = 0; // Of the addresses, the one to begin with.
    std::size_t tried_ = 0; // How many of them.
    bool is_closed_ = false;
};

} // namespace inflight
