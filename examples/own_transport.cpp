// A transport of one's own: what a command reads and writes is the connection, as with ssh's ProxyCommand:
// own_transport --host broker.example --command 'ssh gateway nc "$1" "$2"'
#include <inflight/async_client.hpp>

#include "arguments.hpp"

#include <asio/local/connect_pair.hpp>
#include <unistd.h>

/// Runs the command with the broker's host and port as its arguments.
class command_transport {
public:
    using clock_type = std::chrono::steady_clock;
    using timer_type = asio::steady_timer;
    static inline std::string command{};

    explicit command_transport(const asio::any_io_executor& executor) : ours_(executor) {}

    template <class Handler>
    void async_open(const inflight::broker& where, const inflight::opening&, Handler handler) {
        asio::local::stream_protocol::socket theirs(ours_.get_executor());
        asio::local::connect_pair(ours_, theirs, error_);
        const std::string port = std::to_string(where.port);
        if (!error_ && ::fork() == 0) {
            ::dup2(theirs.native_handle(), STDIN_FILENO);
            ::dup2(theirs.native_handle(), STDOUT_FILENO);
            ::close(ours_.native_handle()); // Or else the command would not see its end.
            ::close(theirs.native_handle());
            ::execl("/bin/sh", "sh", "-c", command.c_str(), "sh", where.host.c_str(), port.c_str(), nullptr);
            ::_exit(127);
        }
        asio::post(ours_.get_executor(), [this, handler]() mutable { handler(error_); });
    }
    template <class Handler>
    void async_read(Handler handler) {
        ours_.async_read_some(asio::buffer(buffer_), [this, handler](std::error_code error, auto n) mutable {
            handler(error, std::string_view(buffer_.data(), n));
        });
    }
    template <class Buffers, class Handler>
    void async_write(const Buffers& buffers, Handler handler) {
        ours_.async_write_some(buffers, std::move(handler));
    }
    void shutdown() { ours_.shutdown(asio::socket_base::shutdown_send, error_); }
    void close() { ours_.close(error_); }

private:
    asio::local::stream_protocol::socket ours_;
    std::array<char, 16 * 1024> buffer_{};
    std::error_code error_{};
};
static_assert(inflight::transport<command_transport>);

int main(int argc, char** argv) {
    arguments args(argc, argv, "publishes through a command");
    args.options.brokers = {{args.host, args.port}};
    args.options.retry_first_connection = args.retry;
    command_transport::command = args.command;
    std::signal(SIGCHLD, SIG_IGN); // Commands that have ended are forgotten.

    asio::io_context io;
    // basic_async_client<command_transport> will do where no address is mqtts:// or ws://.
    inflight::basic_async_client<inflight::layered_transport<command_transport>> client(io, args.options);
    int status = EXIT_FAILURE;
    client.async_connect([&](std::error_code error, const inflight::connect_result&) {
        if (error) std::cerr << args.where() << ": " << error.message() << std::endl;
    });
    const inflight::message message(args.topic, "by a command", args.qos);
    client.async_publish(message, [&](std::error_code error, const inflight::publish_ack& ack) {
        if (error) return;
        std::cout << "Acknowledged: MID " << ack.mid() << std::endl;
        status = EXIT_SUCCESS;
        client.async_disconnect([](std::error_code, std::size_t) {});
    });
    io.run();
    return status;
}
