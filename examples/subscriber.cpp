// Prints the temperatures that are published, and thinks about each for a second.
#include <inflight/client.hpp>

#include "arguments.hpp"

int main(int argc, char** argv) {
    const arguments args(argc, argv, "prints temperatures");
    inflight::client client(args.options);
    const on_interrupt leave([&] { client.disconnect_async(); });
    bool has_subscribed = false;
    int received = 0;

    client.on_connect([&](const inflight::connect_result& result) {
        if (!result) {
            std::cout << "Failed to connect, return code " << result.return_code << std::endl;
            return;
        }
        std::cout << "Connected to MQTT Broker!" << std::endl;
        if (!std::exchange(has_subscribed, true))
            client.subscribe(args.topic, args.qos); // Renewed by itself from then on.
    });
    client.on_subscribe([&](const inflight::subscribe_outcome& outcome) {
        for (const auto code : outcome.reasons)
            if (is_refusal(code))
                std::cerr << "Cannot subscribe to " << args.topic << ": " << name(code) << std::endl;
            else
                std::cout << "Subscribed to topic: " << args.topic << " with QoS "
                          << static_cast<int>(number(code)) << std::endl;
    });
    client.on_message([&](const inflight::received_message& message) {
        std::cout << "Received message: '" << message.payload << "' on topic '" << message.topic
                  << "' with QoS " << static_cast<int>(message.qos) << std::endl;
        std::this_thread::sleep_for(std::chrono::duration<double>(args.interval < 0 ? 1 : args.interval));
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
