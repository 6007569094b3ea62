// Publishes five temperatures over TLS: --host mqtts://broker.example. The broker must prove who it is; with
// --certificate so do we.
#include <inflight/client.hpp>
#include <inflight/tls.hpp> // That is all it takes. The CMake target is inflight::tls.

#include "arguments.hpp"

#include <semaphore>

int main(int argc, char** argv) {
    const arguments args(argc, argv, "publishes temperatures over TLS"); // --ca and the like: options.tls.
    inflight::client client(args.options);
    std::atomic<bool> is_publishing = false;
    std::counting_semaphore<> interrupted(0);
    const on_interrupt leave([&] {
        interrupted.release();
        if (!is_publishing) client.disconnect_async(); // Nobody waits for a broker any more.
    });
    // Which certificate it is, and what is wrong with it; which file cannot be read.
    const auto explain = [&args](std::error_code error, const std::string& details) {
        std::cerr << args.where() << ": " << error.message();
        if (!details.empty()) std::cerr << " (" << details << ')';
        std::cerr << std::endl;
    };

    client.on_connect([](const inflight::connect_result& result) {
        if (result) std::cout << "Connected to MQTT Broker!" << std::endl;
    });
    client.on_disconnect([&](const inflight::disconnect_result& result) {
        if (result.error) explain(result.error, result.details); // It connects again by itself.
    });
    if (const auto error = client.connect(args.host, args.port, std::chrono::seconds(60), args.retry)) {
        explain(error, client.connect_details());
        return EXIT_FAILURE;
    }
    is_publishing = true;
    client.loop_start();

    const int count = args.count == 0 ? 5 : args.count;
    const std::chrono::duration<double> interval(args.interval < 0 ? 2 : args.interval);
    for (int i = 0; i != count; ++i) {
        if (i != 0 && interrupted.try_acquire_for(interval)) break;
        const std::string text = "temp:" + std::to_string(20 + i);
        if (const auto result = client.publish(args.topic, text, args.qos))
            std::cout << "Sent `" << text << "` to topic `" << args.topic << "`" << std::endl;
        else
            std::cerr << "Failed to send: " << name(result.status) << std::endl;
    }
    if (const auto end = client.disconnect(); end.unacknowledged != 0) {
        std::cerr << end.unacknowledged << " messages were not acknowledged" << std::endl;
        return EXIT_FAILURE;
    }
}
