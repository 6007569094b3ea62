// inflight/testing/tcp_server.hpp - a server on a real port, or a Unix socket.
#pragma once

#include <inflight/async_client/stream_socket.hpp>
#include <inflight/testing/server.hpp>
#include <inflight/testing/server_wire.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/basic_socket_acceptor.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

namespace inflight::testing {

namespace detail {

// What handlers keep alive. Every function that is not private takes the lock.
class tcp_service : public std::enable_shared_from_this<tcp_service> {
    using clock = std::chrono::steady_clock;

public:
    using protocol = asio::generic::stream_protocol; // One type for TCP and Unix sockets.

    tcp_service(asio::any_io_executor executor, server_options options, const protocol::endpoint& where)
        : executor_(std::move(executor)),
          server_(std::move(options)),
          acceptor_(executor_, where),
          accept_timer_(executor_),
          server_timer_(executor_) {}

    protocol::endpoint local_endpoint() const { return acceptor_.local_endpoint(); }

    void start() {
        const std::lock_guard lock(mutex_);
        accept();
    }

    void stop() {
        const std::lock_guard lock(mutex_);
        if (std::exchange(is_stopped_, true)) return;
        std::error_code ignored;
        acceptor_.close(ignored);
        accept_timer_.cancel();
        server_timer_.cancel();
        for (const auto& [id, c] : connections_) say_goodbye(*c);
        connections_.clear();
        if (logger_) log();
    }

    void set_logger(std::function<void(std::string_view)> logger) {
        const std::lock_guard lock(mutex_);
        logger_ = std::move(logger);
    }

    void set_layers(layers_function make) {
        const std::lock_guard lock(mutex_);
        make_layers_ = std::move(make);
    }

    template <class F> decltype(auto) with_server(F&& f) {
        const std::lock_guard lock(mutex_);
        const struct finally {
            tcp_service& self;
            ~finally() { self.carry_out(); }
        } afterwards{*this};
        return std::forward<F>(f)(server_);
    }

private:
    struct connection {
        connection_id id;
        protocol::socket socket;
        server_wire wire;
        asio::steady_timer linger; // The time that the peer has to close after us.
        std::string chunk{};       // Being written,
        std::size_t output = 0;    // so many bytes of the server's output.
        bool is_reading = false, is_writing = false, is_over = false;
        connection(connection_id i, protocol::socket s, const layers_function& make)
            : id(i), socket(std::move(s)), wire(make), linger(socket.get_executor()) {}
    };
    using connection_ptr = std::shared_ptr<connection>;

    void accept() {
        acceptor_.async_accept([self = shared_from_this()](std::error_code error, protocol::socket socket) {
            const std::lock_guard lock(self->mutex_);
            if (self->is_stopped_) return;
            if (error) return self->accept_later(); // Too many files are open, above all.
            self->open(std::move(socket));
            self->accept();
        });
    }

    void accept_later() {
        accept_timer_.expires_after(std::chrono::milliseconds(100));
        accept_timer_.async_wait([self = shared_from_this()](std::error_code error) {
            const std::lock_guard lock(self->mutex_);
            if (!error && !self->is_stopped_) self->accept();
        });
    }

    void open(protocol::socket socket) {
        std::error_code error;
        socket.set_option(asio::ip::tcp::no_delay(true), error); // Which a Unix socket has not got.
        socket.non_blocking(true, error);
        if (error) return; // The peer is gone again.
        const connection_id id = server_.opened(clock::now());
        connections_.emplace(id, std::make_shared<connection>(id, std::move(socket), make_layers_));
        carry_out();
    }

    // What follows from anything that has happened: bytes to write, to read, connections to close, a
    // deadline.
    void carry_out() {
        if (is_stopped_) return;
        for (auto i = connections_.begin(); i != connections_.end();) {
            const connection_ptr c = (i++)->second; // Which may go away now.
            write(c);
            read(c);
        }
        arm_timer();
        if (logger_) log();
    }

    void log() {
        for (const std::string& line : server_.trace()) logger_(line);
        server_.clear_trace();
    }

    void write(const connection_ptr& c) {
        if (c->is_writing || c->is_over) return;
        const std::string_view output = server_.output(c->id);
        if (output.empty() && server_.is_closing(c->id)) c->wire.finish();
        c->output = c->wire.take(output, c->chunk); // A copy: the server's own goes with its connection.
        if (c->chunk.empty()) {
            if (c->wire.is_over() || (output.empty() && server_.is_closing(c->id))) close_politely(c);
            return;
        }
        c->is_writing = true;
        asio::async_write(c->socket, asio::buffer(c->chunk),
                          [self = shared_from_this(), c](std::error_code error, std::size_t) {
                              const std::lock_guard lock(self->mutex_);
                              c->is_writing = false;
                              if (self->is_stopped_ || c->is_over) return;
                              if (error)
                                  self->end(c);
                              else
                                  self->server_.written(c->id, c->output, clock::now());
                              self->carry_out();
                          });
    }

    // Waits for readability before it takes a buffer: a connection that is silent owns none.
    void read(const connection_ptr& c) {
        if (c->is_reading) return;
        if (!c->is_over && !server_.wants_input(c->id)) return;
        c->is_reading = true;
        c->socket.async_wait(protocol::socket::wait_read,
                             [self = shared_from_this(), c](std::error_code error) {
                                 const std::lock_guard lock(self->mutex_);
                                 c->is_reading = false;
                                 if (self->is_stopped_ || !c->socket.is_open()) return;
                                 self->take(c, error);
                                 self->carry_out();
                             });
    }

    void take(const connection_ptr& c, std::error_code error) {
        thread_local std::array<char, server_wire::max_chunk> buffer;
        const std::size_t n = error ? 0 : c->socket.read_some(asio::buffer(buffer), error);
        if (error == asio::error::would_block || error == asio::error::try_again) return;
        if (error) return end(c);
        if (c->is_over) return;
        if (const std::string_view plain = c->wire.received({buffer.data(), n}); !plain.empty())
            server_.received(c->id, plain, clock::now());
    }

    // The last bytes would be lost to a reset if the peer had sent something that nobody has read: it is
    // given the time to close its end.
    void close_politely(const connection_ptr& c) {
        server_.closed(c->id, clock::now());
        c->is_over = true;
        std::error_code ignored;
        c->socket.shutdown(protocol::socket::shutdown_send, ignored);
        c->linger.expires_after(std::chrono::seconds(1));
        c->linger.async_wait([self = shared_from_this(), c](std::error_code error) {
            const std::lock_guard lock(self->mutex_);
            if (!error) self->end(c);
        });
    }

    void end(const connection_ptr& c) {
        if (!std::exchange(c->is_over, true)) server_.closed(c->id, clock::now());
        c->linger.cancel();
        std::error_code ignored;
        c->socket.close(ignored);
        connections_.erase(c->id);
    }

    void say_goodbye(connection& c) {
        std::error_code ignored;
        if (!c.is_over) server_.disconnect(c.id, reason_code::server_shutting_down, clock::now());
        if (!c.is_over && !c.is_writing) {
            std::string layers_leave;
            (void)c.wire.take(server_.output(c.id), c.chunk);
            c.wire.finish();
            (void)c.wire.take({}, layers_leave);
            c.socket.write_some(asio::buffer(c.chunk + layers_leave), ignored);
        }
        c.linger.cancel();
        c.socket.shutdown(protocol::socket::shutdown_send, ignored);
        c.socket.close(ignored);
    }

    void arm_timer() {
        const auto due = server_.deadline();
        if (!due || (is_armed_ && server_timer_.expiry() <= *due))
            return; // It is armed anew when it goes off.
        is_armed_ = true;
        server_timer_.expires_at(*due);
        server_timer_.async_wait([self = shared_from_this()](std::error_code error) {
            const std::lock_guard lock(self->mutex_);
            if (error || self->is_stopped_) return; // Set to an earlier time, or stopped.
            self->is_armed_ = false;
            const auto now = clock::now();
            if (const auto d = self->server_.deadline(); d && *d <= now) self->server_.deadline_reached(now);
            self->carry_out();
        });
    }

    std::mutex mutex_{};
    asio::any_io_executor executor_;
    testing::server server_;
    asio::basic_socket_acceptor<protocol> acceptor_;
    asio::steady_timer accept_timer_, server_timer_;
    std::map<connection_id, connection_ptr> connections_{};
    std::function<void(std::string_view)> logger_{};
    layers_function make_layers_{};
    bool is_armed_ = false, is_stopped_ = false;
};

} // namespace detail

/// Serves a `server` over TCP or a Unix socket, on the executor it is given, whose context must outlive it.
/// For tests and demonstrations: everything is in memory, and encrypted only if set_layers() says so.
///
/// Thread safety: every function may be called from any thread, and the executor may have several threads.
class tcp_server {
public:
    using endpoint = asio::ip::tcp::endpoint;
    using generic_endpoint = asio::generic::stream_protocol::endpoint;

    /// Listens from now on; on this machine only, and on a port that the system chooses, unless `where` says
    /// otherwise. Throws std::system_error when it cannot listen there.
    explicit tcp_server(asio::any_io_executor executor, server_options options = {},
                        const endpoint& where = {asio::ip::address_v4::loopback(), 0})
        : tcp_server(std::move(executor), std::move(options), generic_endpoint(where)) {}
    /// The same on a Unix socket: `asio::local::stream_protocol::endpoint(path)`. Its file must not be there
    /// before, and is left to whoever removes it.
    tcp_server(asio::any_io_executor executor, server_options options, const generic_endpoint& where)
        : service_(std::make_shared<detail::tcp_service>(std::move(executor), std::move(options), where)) {
        endpoint_ = inflight::detail::tcp_endpoint_of(service_->local_endpoint());
        service_->start();
    }
    template <class Context>
        requires std::convertible_to<decltype(std::declval<Context&>().get_executor()), asio::any_io_executor>
    explicit tcp_server(Context& context, server_options options = {},
                        const endpoint& where = {asio::ip::address_v4::loopback(), 0})
        : tcp_server(asio::any_io_executor(context.get_executor()), std::move(options), where) {}
    template <class Context>
        requires std::convertible_to<decltype(std::declval<Context&>().get_executor()), asio::any_io_executor>
    tcp_server(Context& context, server_options options, const generic_endpoint& where)
        : tcp_server(asio::any_io_executor(context.get_executor()), std::move(options), where) {}
    tcp_server(const tcp_server&) = delete;
    tcp_server& operator=(const tcp_server&) = delete;
    ~tcp_server() { stop(); }

    /// Of a TCP server. 0 for a Unix socket.
    std::uint16_t port() const { return endpoint_.port(); }
    endpoint local_endpoint() const { return endpoint_; }

    /// Calls f(server&), while nothing else happens to the server, and returns what it returns. What is done
    /// to the server is carried out at once. `f` calls nothing of this object.
    template <class F> decltype(auto) with_server(F&& f) { return service_->with_server(std::forward<F>(f)); }

    /// Calls `f` with a line for every packet, "7 -> " before those received on connection 7 and "7 <- "
    /// before those sent. The lines are not in the server's own trace then. Runs with the server's I/O, and
    /// calls nothing of this object.
    void enable_logger(std::function<void(std::string_view)> f) { service_->set_logger(std::move(f)); }

    /// New connections get what `make` makes between MQTT and their socket; an empty function: nothing. Runs
    /// with the server's I/O, and calls nothing of this object.
    void set_layers(layers_function make) { service_->set_layers(std::move(make)); }

    /// Tells the clients (5.0), closes all connections, and listens no longer; final.
    void stop() { service_->stop(); }

private:
    std::shared_ptr<detail::tcp_service> service_;
    endpoint endpoint_{};
};

} // namespace inflight::testing
