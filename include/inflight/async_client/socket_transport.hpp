// inflight/async_client/socket_transport.hpp - a byte stream over TCP or a Unix socket.
#pragma once

#include <inflight/async_client/handler_memory.hpp>
#include <inflight/async_client/happy_eyeballs.hpp>
#include <inflight/async_client/resolver.hpp>
#include <inflight/async_client/transport.hpp>

#include <asio/bind_allocator.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/steady_timer.hpp>

#include <array>

namespace inflight {

namespace detail {

// What the options say of a socket, before it connects.
class socket_preparer {
public:
    /// `impossible`: why it need not be tried, if anything.
    socket_preparer(boxed<socket_options> options, std::error_code impossible)
        : options_(std::move(options)), impossible_(impossible) {}

    std::error_code operator()(stream_socket& socket, const stream_socket::endpoint_type& where) const {
        const socket_options& o = *options_;
        std::error_code error = impossible_;
        const auto set = [&](const auto& option) {
            if (!error) socket.set_option(option, error);
        };
        if (o.send_buffer > 0) set(asio::socket_base::send_buffer_size(o.send_buffer));
        if (o.receive_buffer > 0) set(asio::socket_base::receive_buffer_size(o.receive_buffer));
        if (!is_tcp(where)) return error;
        if (o.no_delay) set(asio::ip::tcp::no_delay(true));
        if (o.keep_alive) set(asio::socket_base::keep_alive(true));
        if (!error && !o.local_interface.empty()) error = bind_to_interface(socket, o.local_interface);
        if (!error && !o.local_address.empty()) error = bind_to_address(socket, o.local_address, where);
        return error;
    }

private:
    // It leaves by this interface even if the table of routes says otherwise.
    static std::error_code bind_to_interface(stream_socket& socket, const std::string& name) {
#ifdef SO_BINDTODEVICE
        const int bad = ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_BINDTODEVICE, name.data(),
                                     static_cast<socklen_t>(name.size()));
        return bad ? std::error_code(errno, std::system_category()) : std::error_code();
#else
        (void)socket, (void)name;
        return std::make_error_code(std::errc::function_not_supported);
#endif
    }

    static std::error_code bind_to_address(stream_socket& socket, const std::string& text,
                                           const stream_socket::endpoint_type& where) {
        std::error_code error;
        const auto address = asio::ip::make_address(text, error);
        if (error) return errc::local_address_invalid;
        if (address.is_v6() != (where.protocol().family() == AF_INET6))
            return asio::error::address_family_not_supported;
        socket.bind(asio::ip::tcp::endpoint(address, 0), error);
        return error;
    }

    boxed<socket_options> options_;
    std::error_code impossible_;
};

} // namespace detail

/// A transport over TCP or a Unix socket, by what the broker's address says; what it says of TLS and
/// WebSocket is for layers above.
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
        if (where.transport == transport_kind::unix_socket)
            return open_unix(where.host, std::move(how), std::move(handler));
        std::error_code not_literal;
        const auto address = asio::ip::make_address(where.host, not_literal);
        if (!not_literal)
            return connect({tcp_endpoint(address, where.port)}, std::move(how), std::move(handler));
        if (how.tell) how.tell({.step = connection_step::resolving});
        resolver_.resolve(where.host, where.port,
                          [this, how = std::move(how), handler = std::move(handler)](
                              std::error_code error, const detail::endpoint_list& found) {
                              if (error) return handler(error);
                              connect(found, how, handler);
                          });
    }

    // Waits for readability before it takes a buffer: a connection that is silent owns none.
    template <class Handler>
    void async_read(Handler handler) {
        auto read = [this, handler = std::move(handler)](std::error_code error) mutable {
            if (error) return handler(error, std::string_view{});
            auto& buffer = read_buffer();
            const std::size_t n = socket_.read_some(asio::buffer(buffer), error);
            if (error == asio::error::would_block || error == asio::error::try_again)
                return async_read(std::move(handler));
            owes_ack_ = n != 0;
            handler(error, std::string_view(buffer.data(), n));
        };
        socket_.async_wait(detail::stream_socket::wait_read, in(reading_, std::move(read)));
    }

    template <class Buffers, class Handler>
    void async_write(const Buffers& buffers, Handler handler) {
        owes_ack_ = false;
        socket_.async_write_some(buffers, in(writing_, std::move(handler)));
    }

    template <class Buffers>
    std::size_t write_now(const Buffers& buffers) {
        std::error_code would_block_or_worse;
        const std::size_t n = socket_.write_some(buffers, would_block_or_worse);
        if (n != 0) owes_ack_ = false;
        return n;
    }

    // Unless something was written, which has taken the acknowledgement along. A broker with Nagle's
    // algorithm sends its next small packet when it has it, and TCP would let it wait for some 40 ms.
    void read_is_answered() {
#ifdef TCP_QUICKACK
        if (!std::exchange(owes_ack_, false) || !is_quick_to_ack_) return;
        const int on = 1; // For now: TCP forgets it with what is written next.
        (void)::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
#endif
    }

    void shutdown() {
        std::error_code ignored;
        socket_.shutdown(detail::stream_socket::shutdown_send, ignored);
    }

    void close() {
        resolver_.cancel();
        std::error_code ignored;
        socket_.close(ignored);
        if (const auto c = connecting_.lock()) c->close();
    }

private:
    using tcp_endpoint = asio::ip::tcp::endpoint;

    // One of the thread for all its connections, and for whatever handlers they have.
    static std::array<char, 64 * 1024>& read_buffer() {
        static thread_local std::array<char, 64 * 1024> buffer;
        return buffer;
    }

    template <class Handler>
    static auto in(detail::handler_memory& memory, Handler handler) {
        return asio::bind_allocator(detail::handler_allocator<void>(memory), std::move(handler));
    }

    void open_unix(const std::string& path, opening how, open_handler handler) {
#ifdef ASIO_HAS_LOCAL_SOCKETS
        using endpoint = asio::local::stream_protocol::endpoint;
        if (path.size() < sizeof(sockaddr_un::sun_path))
            return connect({endpoint(path)}, std::move(how), std::move(handler));
        connect({endpoint()}, std::move(how), std::move(handler), asio::error::name_too_long);
#else
        (void)path;
        connect({detail::stream_socket::endpoint_type()}, std::move(how), std::move(handler),
                asio::error::address_family_not_supported);
#endif
    }

    // A host that has addresses, of which one takes TCP and then is silent, gets them in another order the
    // next time.
    void connect(const detail::endpoint_list& found, opening how, open_handler handler,
                 std::error_code impossible = {}) {
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
        is_quick_to_ack_ = how.socket->quick_ack && detail::is_tcp(all.front());
        const auto c = std::make_shared<detail::happy_eyeballs>(
            socket_.get_executor(), std::move(all), how.address_delay, std::move(tell),
            detail::socket_preparer(std::move(how.socket), impossible));
        connecting_ = c;
        c->start([this, handler = std::move(handler)](std::error_code error, detail::stream_socket winner) {
            connecting_.reset(); // Or else it keeps the memory of what it pointed to.
            if (error) return handler(error);
            socket_ = std::move(winner);
            socket_.non_blocking(true, error);
            handler(error);
        });
    }

    static std::string text_of(const detail::stream_socket::endpoint_type& where) {
        if (!detail::is_tcp(where)) return {};
        const tcp_endpoint ip = detail::tcp_endpoint_of(where);
        return detail::in_brackets(ip.address().to_string()) + ':' + std::to_string(ip.port());
    }

    detail::handler_memory reading_{}, writing_{};
    detail::stream_socket socket_;
    detached_resolver resolver_;
    bool is_quick_to_ack_ = false;
    bool owes_ack_ = false; // Bytes have been read, and nothing written since.
    // Owned by its own operations, which end with the execution context: its handler may own this transport.
    std::weak_ptr<detail::happy_eyeballs> connecting_{};
};

static_assert(transport<socket_transport>);

} // namespace inflight
