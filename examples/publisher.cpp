// Publishes five temperatures, two seconds apart.
#include <inflight/client.hpp>

#include "arguments.hpp"

int main(int argc, char** argv) {
    const arguments args(argc, argv, "publishes temperatures");
    inflight::client client(args.options);

    client.on_connect([](const inflight::connect_result& result) {
        if (result) std::cout << "Connected to MQTT Broker!" << std::endl;
        else std::cout << "Failed to connect, return code " << result.return_code << std::endl;
    });
    if (const auto error = client.connect(args.host, args.port, std::chrono::seconds(60), args.retry)) {
        std::cerr << "Cannot connect to " << args.host << ':' << args.port << ": " << error.message()
                  << std::endl;
        return EXIT_FAILURE;
    }
    client.loop_start();

    const int count = args.count == 0 ? 5 : args.count;
    for (int i = 0; i != count; ++i) {
        if (i != 0)
            std::this_thread::sleep_for(std::chrono::duration<double>(args.interval < 0 ? 2 : args.interval));
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

    if (const auto end = client.disconnect(); end.unacknowledged != 0) {
        std::cerr << end.unacknowledged << " messages were not acknowledged" << std::endl;
        return EXIT_FAILURE;
    }
    std::cout << "Publisher finished." << std::endl;
}
