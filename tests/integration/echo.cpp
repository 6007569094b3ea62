// Publishes whatever arrives on "ask/..." again on "answer/...", as it came: payload, QoS, properties. With
// INFLIGHT_LOG in the environment it shows every packet.
#include <inflight/client.hpp>

#include "../../examples/arguments.hpp"

int main(int argc, char** argv) {
    arguments args(argc, argv, "answers what it is asked");
    inflight::client client(args.options);
    const on_interrupt leave([&] { client.disconnect_async(); });
    if (std::getenv("INFLIGHT_LOG"))
        client.enable_logger([](std::string_view line) { std::cerr << line.substr(0, 200) << std::endl; });

    client.on_connect([&](const inflight::connect_result&) {
        client.subscribe("ask/#", inflight::qos::exactly_once);
    });
    client.on_subscribe([](const inflight::subscribe_outcome&) { std::cout << "Ready" << std::endl; });
    client.on_message([&](const inflight::received_message& m) {
        const auto sent = client.publish("answer/" + m.topic.substr(4), m.payload, m.qos, false, m.props);
        if (!sent) std::cerr << "Cannot answer " << m.topic << ": " << name(sent.status) << std::endl;
    });
    client.on_publish([](std::uint16_t mid, std::error_code error) {
        if (error) std::cerr << "Message " << mid << " failed: " << error.message() << std::endl;
    });

    if (const auto error = client.connect(args.host, args.port)) {
        std::cerr << error.message() << std::endl;
        return EXIT_FAILURE;
    }
    if (const auto error = client.loop_forever()) {
        std::cerr << error.message() << std::endl;
        return EXIT_FAILURE;
    }
}
