// Acknowledges a message only when its work is done: whatever is not acknowledged, the broker delivers again.
#include <inflight/client.hpp>

#include "arguments.hpp"

int main(int argc, char** argv) {
    arguments args(argc, argv, "acknowledges by hand");
    args.options.manual_ack = true;
    inflight::client client(args.options);
    const on_interrupt leave([&] { client.disconnect_async(); });
    bool has_subscribed = false;
    int received = 0;

    client.on_connect([&](const inflight::connect_result& result) {
        if (!result) std::cout << "Failed to connect, return code " << result.return_code << std::endl;
        else if (!std::exchange(has_subscribed, true)) client.subscribe(args.topic, args.qos);
    });
    client.on_message([&](const inflight::received_message& message) {
        std::cout << "Working on '" << message.payload << "' (MID: " << message.mid
                  << (message.dup ? ", delivered before)" : ")") << std::endl;
        std::this_thread::sleep_for(std::chrono::duration<double>(args.interval < 0 ? 1 : args.interval));
        if (message.mid != 0) { // QoS 0 has no acknowledgement.
            if (const auto error = client.ack(message.mid))
                std::cerr << "Cannot acknowledge: " << error.message() << std::endl;
            else
                std::cout << "Acknowledged MID " << message.mid << std::endl;
        }
        if (++received == args.count) client.disconnect_async();
    });

    if (const auto error = client.connect(args.host, args.port, std::chrono::seconds(60), args.retry)) {
        std::cerr << "Cannot connect to " << args.where() << ": " << error.message() << std::endl;
        return EXIT_FAILURE;
    }
    if (const auto error = client.loop_forever()) {
        std::cerr << "Connection ended: " << error.message() << std::endl;
        return EXIT_FAILURE;
    }
}
