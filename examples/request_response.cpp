// Asks itself for a temperature: a request, and the answer that belongs to it, over any broker of MQTT 5.0.
#include "arguments.hpp"

#include <inflight/client/request.hpp>

int main(int argc, char** argv) {
    const arguments args(argc, argv, "asks for a temperature, and answers");
    inflight::client client(args.options);
    if (const auto error = client.connect(args.host, args.port)) {
        std::cerr << "Cannot connect to " << args.where() << ": " << error.message() << '\n';
        return 1;
    }
    client.loop_start(); // What answers is a callback.

    int degrees = 20;
    const inflight::subscription_request questions(args.topic, args.qos);
    const auto answering = respond(client, questions, [&](const inflight::received_message& question) {
        return question.payload + ": " + std::to_string(degrees++);
    });
    if (!answering) {
        std::cerr << "Cannot subscribe: " << answering.error.message() << '\n';
        return 1;
    }

    const int count = args.count != 0 ? args.count : 3;
    for (int i = 1; i <= count; ++i) {
        const inflight::message question(args.topic, "kitchen", args.qos);
        const auto answer = request(client, question, std::chrono::seconds(5));
        if (!answer) {
            std::cerr << "No answer: " << answer.error.message() << '\n';
            return 1;
        }
        std::cout << "Answer " << i << ": " << answer.message.payload << std::endl;
    }
    client.disconnect();
}
