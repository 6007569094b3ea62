// Prints the messages that come over WebSocket: --host ws://broker.example/mqtt, or wss:// for TLS below it.
#include <inflight/client.hpp>
#include <inflight/tls.hpp>       // For wss:// only. The CMake target is inflight::tls.
#include <inflight/websocket.hpp> // That is all it takes. The CMake target is inflight::websocket.

#include "arguments.hpp"

int main(int argc, char** argv) {
    arguments args(argc, argv, "prints messages that come over WebSocket"); // --ca: options.tls.
    if (args.host.find("://") == args.host.npos) args.host = "ws://" + args.host;
    // Asked before each connection: an address could be signed here, or a token renewed.
    args.options.websocket->prepare_request =
        [&args](std::string&, inflight::websocket_options::header_list& headers) {
            if (!args.token.empty()) headers.emplace_back("Authorization", "Bearer " + args.token);
        };
    // What happens meanwhile; of a web server's refusal the status, and what it says.
    args.options.on_connection_event = [](const inflight::connection_event& event) {
        std::cerr << print(event) << std::endl;
    };
    inflight::client client(args.options);
    const on_interrupt leave([&] { client.disconnect_async(); });
    int received = 0;

    client.on_connect([&, has_subscribed = false](const inflight::connect_result& result) mutable {
        if (result && !std::exchange(has_subscribed, true))
            client.subscribe(args.topic, args.qos); // Renewed by itself from then on.
    });
    client.on_subscribe([&](const inflight::subscribe_outcome& outcome) {
        for (const auto code : outcome.reasons)
            std::cout << "Subscribed to " << args.topic << ": " << name(code) << std::endl;
    });
    client.on_message([&](const inflight::received_message& message) {
        std::cout << message.topic << ": " << message.payload << std::endl;
        if (++received == args.count) client.disconnect_async();
    });

    if (client.connect(args.host, args.port, std::chrono::seconds(60), args.retry) || client.loop_forever())
        return EXIT_FAILURE; // Why has been printed.
}
