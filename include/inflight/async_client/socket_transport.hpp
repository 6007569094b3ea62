// inflight/async_client/socket_transport.hpp - a byte stream over TCP.
#pragma once

#include <inflight/async_client/handler_memory.hpp>
#include <inflight/async_client/happy_eyeballs.hpp>
#include <inflight/async_client/options.hpp>
#include <inflight/async_client/resolver.hpp>

#include <asio/bind_allocator.hpp>
#include <asio/steady_timer.hpp>

#include <array>

namespace inflight {

/// What a client needs of a transport. One object is one connection; its handlers run on its executor and are
/// called exactly once, unless the object is destroyed first.
///   async_open(broker, opening, void(error_code))   resolves, connects, shakes hands
///   async_read(void(error_code, string_view))       some bytes, good during the call only
///   async_write(buffers, void(error_code, size_t))  some of the bytes, which stay where they are meanwhile
///   write_now(buffers)                              may be missing: what can be written without waiting; 0,
///                                                   also of an error, has async_write() asked
///   shutdown()                                      no more writing; the peer reads an end of file
///   close()                                         ends everything, pending handlers get an error
/// It also says which clock and timer go with it.
class socket_transport {
public:
    using clock_type = std::chrono::steady_clock;
    using timer_type = asio::steady_timer;

    explicit socket_transport(const asio::any_io_executor& executor)
        : socket_(executor), resolver_(executor) {}
    socket_transport(const socket_transport&) = delete;
    socket_transport& operator=(const socket_transport&) = delete;
    ~socket_transport() {
        if (const auto c = connecting_.lock()) c->abandon();
    }

    using open_handler = std::function<void(std::error_code)>;

    void async_open(const broker& where, opening how, open_handler handler) {
        std::string host = where.host;
        if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
        std::error_code not_literal;
        const auto address = asio::ip::make_address(host, not_literal);
        if (!not_literal) return connect({{address, where.port}}, std::move(how), std::move(handler));
        if (how.tell) how.tell({.step = connection_step::resolving});
        resolver_.resolve(std::move(host), where.port,
                          [this, how = std::move(how), handler = std::move(handler)](
                              std::error_code error, const detached_resolver::endpoints& found) {
                              if (error) return handler(error);
                              connect(found, how, handler);
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

    template <class Buffers>
    std::size_t write_now(const Buffers& buffers) {
        std::error_code would_block_or_worse;
        return socket_.write_some(buffers, would_block_or_worse);
    }

    void shutdown() {
        std::error_code ignored;
        socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    }

    void close() {
        resolver_.cancel();
        std::error_code ignored;
        socket_.close(ignored);
        if (const auto c = connecting_.lock()) c->close();
    }

private:
    template <class Handler>
    static auto in(detail::handler_memory& memory, Handler handler) {
        return asio::bind_allocator(detail::handler_allocator<void>(memory), std::move(handler));
    }

    // A host that has addresses, of which one takes TCP and then is silent, gets them in another order the
    // next time.
    void connect(const detached_resolver::endpoints& found, opening how, open_handler handler) {
        auto all = detail::interleaved(found);
        if (all.empty()) return handler(asio::error::not_found);
        const auto first = static_cast<std::ptrdiff_t>(how.first_address % all.size());
        std::rotate(all.begin(), all.begin() + first, all.end());
        detail::happy_eyeballs::listener tell;
        if (how.tell)
            tell = [tell_user = std::move(how.tell)](const auto& address, std::error_code error) {
                connection_event e; // GCC 12 warns of a braced one: it may be used uninitialized, it says.
                e.step = error ? connection_step::address_failed : connection_step::connecting;
                e.address = text_of(address);
                e.error = error;
                tell_user(e);
            };
        const auto c = std::make_shared<detail::happy_eyeballs>(socket_.get_executor(), std::move(all),
                                                                how.address_delay, std::move(tell));
        connecting_ = c;
        c->start([this, handler = std::move(handler)](std::error_code error, asio::ip::tcp::socket winner) {
            connecting_.reset(); // Or else it keeps the memory of what it pointed to.
            if (error) return handler(error);
            socket_ = std::move(winner);
            std::error_code e; // A transport without this option works, only slower.
            socket_.set_option(asio::ip::tcp::no_delay(true), e);
            socket_.non_blocking(true, e);
            handler(e);
        });
    }

    static std::string text_of(const asio::ip::tcp::endpoint& where) {
        const std::string address = where.address().to_string();
        return (where.address().is_v6() ? '[' + address + ']' : address) + ':' + std::to_string(where.port());
    }

    detail::handler_memory reading_{}, writing_{};
    asio::ip::tcp::socket socket_;
    detached_resolver resolver_;
    // Owned by its own operations, which end with the execution context: its handler may own this transport.
    std::weak_ptr<detail::happy_eyeballs> connecting_{};
};

} // namespace inflight
