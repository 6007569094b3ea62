// Publishes a message to itself, with coroutines: each line waits for the broker's answer.
#include <inflight/async_client.hpp>

#include "arguments.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/use_awaitable.hpp>

asio::awaitable<void> talk(inflight::async_client& client, const arguments& args) {
    co_await client.async_connect(asio::use_awaitable);
    co_await client.async_subscribe(args.topic, args.qos, asio::use_awaitable);

    for (int i = 0; i != (args.count == 0 ? 3 : args.count); ++i) {
        const inflight::message message(args.topic, "temp:" + std::to_string(20 + i), args.qos);
        const auto ack = co_await client.async_publish(message, asio::use_awaitable);
        std::cout << "Acknowledged: MID " << ack.mid() << std::endl;

        const auto received = co_await client.async_receive(asio::use_awaitable);
        std::cout << "Received message: '" << received.payload << "' on topic '" << received.topic << "'"
                  << std::endl;
    }
    co_await client.async_disconnect(asio::use_awaitable);
}

int main(int argc, char** argv) {
    arguments args(argc, argv, "publishes to itself, with coroutines");
    args.options.brokers = {{args.host, args.port}};
    args.options.retry_first_connection = args.retry;

    asio::io_context io;
    inflight::async_client client(io, args.options);
    int status = EXIT_SUCCESS;
    asio::co_spawn(io, talk(client, args), [&](std::exception_ptr failure) {
        try {
            if (failure) std::rethrow_exception(failure);
        } catch (const std::exception& error) {
            std::cerr << error.what() << std::endl;
            status = EXIT_FAILURE;
            client.async_disconnect(asio::detached); // Or else it keeps connected, and io.run() waits.
        }
    });
    io.run();
    return status;
}
