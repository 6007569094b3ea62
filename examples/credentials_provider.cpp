// Publishes with a password that expires: it is read from a file anew before each connection.
#include <inflight/client.hpp>

#include "arguments.hpp"

#include <fstream>

int main(int argc, char** argv) {
    arguments args(argc, argv, "publishes with a password that it reads anew before each connection");
    if (args.password_file.empty() || !args.options.user_name) {
        std::cerr << "it needs --user and --password-file\n";
        return EXIT_FAILURE;
    }
    // What takes longer, a request to a token server for example, calls `done` when it has its answer, from
    // whatever thread. Who has it at once may use inflight::credentials_from().
    args.options.credentials = [&](const inflight::credentials_callback& done) {
        std::ifstream file(args.password_file);
        std::string password;
        if (!std::getline(file, password)) // The attempt has failed; another one follows.
            return done(std::make_error_code(std::errc::no_such_file_or_directory), {});
        done({}, {args.options.user_name, password});
    };
    // A password may have been replaced just after it was read: a refusal is not the last word.
    args.options.retry_after_refusal = [&](std::error_code) { return args.retry; };
    args.options.on_connection_event = [](const inflight::connection_event& event) {
        if (event.step == inflight::connection_step::lost) std::cerr << print(event) << std::endl;
    };
    inflight::client client(args.options);
    const on_interrupt leave([&] { client.disconnect_async(); });

    int published = 0;
    const int count = args.count == 0 ? 5 : args.count;
    client.on_connect([&](const inflight::connect_result& result) {
        if (!result) return;
        std::cout << "Connected to MQTT Broker!" << std::endl;
        if (published == 0) client.publish(args.topic, "temp:20", args.qos);
    });
    client.on_publish([&](std::uint16_t mid, std::error_code error) {
        std::cout << "MID " << mid << ": " << (error ? error.message() : "acknowledged") << std::endl;
        if (++published == count) return client.disconnect_async();
        std::this_thread::sleep_for(std::chrono::duration<double>(args.interval < 0 ? 2 : args.interval));
        client.publish(args.topic, "temp:" + std::to_string(20 + published), args.qos);
    });

    if (client.connect(args.host, args.port, std::chrono::seconds(60), args.retry)) return EXIT_FAILURE;
    return client.loop_forever() ? EXIT_FAILURE : EXIT_SUCCESS;
}
