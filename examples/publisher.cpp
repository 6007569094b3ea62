// Publishes five temperatures, two seconds apart.
#include <inflight/client.hpp>

#include "arguments.hpp"

#include <semaphore>

int main(int argc, char** argv) {
    const arguments args(argc, argv, "publishes temperatures");
    inflight::client client(args.options);
    std::atomic<bool> is_publishing = false;
    std::counting_semaphore<> interrupted(0);
    const on_interrupt leave([&] {
        interrupted.release();
        if (!is_publishing) client.disconnect_async(); // Nobody waits for a broker any more.
    });

    client.on_connect([](const inflight::connect_result& result) {
        if (result) std::cout << "Connected to MQTT Broker!" << std::endl;
        else std::cout << "Failed to connect, return code " << result.return_code << std::endl;
    });
    if (const auto error = client.connect(args.host, args.port, std::chrono::seconds(60), args.retry)) {
        std::cerr << "Cannot connect to " << args.where() << ": " << error.message() << std::endl;
        return EXIT_FAILURE;
    }
    is_publishing = true;
    client.loop_start();

    const int count = args.count == 0 ? 5 : args.count;
    const std::chrono::duration<double> interval(args.interval < 0 ? 2 : args.interval);
    std::optional<std::chrono::milliseconds> patience{}; // For what is not acknowledged at the end.
    for (int i = 0; i != count; ++i) {
        if (i != 0 && interrupted.try_acquire_for(interval)) {
            patience = std::chrono::seconds(2);
            break;
        }
        const std::string text = "temp:" + std::to_string(20 + i);
        const auto result = client.publish(args.topic, text, args.qos);
        const auto [status, mid] = result;
        if (status == inflight::publish_status::success)
            std::cout << "Sent `" << text << "` to topic `" << args.topic << "` (MID: " << mid << ")"
                      << std::endl;
        else if (result) // There is no connection at the moment; it goes out with the next one.
            std::cout << "Queued `" << text << "` for topic `" << args.topic << "` (MID: " << mid << ")"
                      << std::endl;
        else
            std::cout << "Failed to send message to topic " << args.topic << ": " << name(status)
                      << std::endl;
    }

    if (const auto end = client.disconnect(patience); end.unacknowledged != 0) {
        std::cerr << end.unacknowledged << " messages were not acknowledged" << std::endl;
        return EXIT_FAILURE;
    }
    std::cout << (patience ? "Publisher interrupted." : "Publisher finished.") << std::endl;
}
