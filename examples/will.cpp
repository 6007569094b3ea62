// A client leaves without a word, and the broker tells the others: its Will.
#include <inflight/client.hpp>

#include "arguments.hpp"

#include <future>

int main(int argc, char** argv) {
    arguments args(argc, argv, "leaves a Will, and hears of it");
    args.options.client_id.clear(); // Two clients: each has an identifier of its own.
    const auto connect = [&](inflight::client& client) {
        const auto error = client.connect(args.host, args.port);
        if (error) std::cerr << "Cannot connect to " << args.where() << ": " << error.message() << '\n';
        return !error;
    };

    inflight::client watcher(args.options);
    std::promise<bool> subscribed;
    std::promise<std::string> told;
    watcher.on_subscribe([&](const inflight::subscribe_outcome& outcome) {
        subscribed.set_value(!outcome.error && !is_refusal(outcome.reasons.front()));
    });
    watcher.on_message([&, is_first = true](const inflight::received_message& message) mutable {
        if (std::exchange(is_first, false)) told.set_value(message.topic + ": " + message.payload);
    });
    if (!connect(watcher)) return EXIT_FAILURE;
    watcher.loop_start();
    watcher.subscribe(args.topic, args.qos);
    if (!subscribed.get_future().get()) {
        std::cerr << "Cannot subscribe to " << args.topic << '\n';
        return EXIT_FAILURE;
    }

    {
        inflight::client sensor(args.options);
        inflight::will_message last(args.topic, "gone", args.qos);
        last.content_type("text/plain"); // will_delay_interval() would give it time to come back.
        sensor.will_set(last);
        if (!connect(sensor)) return EXIT_FAILURE;
        std::cout << "Connected, with a Will." << std::endl;
    } // Destroyed, it does not disconnect. sensor.disconnect() would, and there would be no Will.

    auto will = told.get_future();
    if (will.wait_for(std::chrono::seconds(10)) != std::future_status::ready) {
        std::cerr << "The broker has published no Will\n";
        return EXIT_FAILURE;
    }
    std::cout << "Will on topic " << will.get() << std::endl;
    watcher.disconnect();
}
