// A broker for demonstrations: the server of the test kit on a real port. Not for production.
#include <inflight/testing/tcp_server.hpp>

#include <asio/io_context.hpp>
#include <asio/ip/address.hpp>
#include <asio/signal_set.hpp>

#include <charconv>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <string_view>

namespace {

struct broker_arguments {
    asio::ip::tcp::endpoint where{asio::ip::address_v4::loopback(), 1883};
    inflight::testing::server_options options{};
    bool is_verbose = false;

    broker_arguments(int argc, char** argv) {
        options.topic_alias_maximum = options.topic_aliases_to_clients = 16;
        for (int i = 1; i < argc; ++i) {
            const std::string_view name = argv[i];
            const std::string_view value = i + 1 < argc ? argv[i + 1] : "";
            if (name == "--help") usage(argv[0], EXIT_SUCCESS);
            if (name == "--verbose") {
                is_verbose = true;
                continue;
            }
            const bool good =
                (name == "--port" && set_port(value)) || (name == "--bind" && set_address(value)) ||
                (name == "--keep-alive" && set(options.server_keep_alive, value)) ||
                (name == "--receive-maximum" && set(options.receive_maximum, value) &&
                 options.receive_maximum != 0);
            if (!good) {
                std::cerr << "bad argument: " << name << ' ' << value << '\n';
                usage(argv[0], EXIT_FAILURE);
            }
            ++i;
        }
    }

private:
    [[noreturn]] static void usage(std::string_view program, int status) {
        (status == EXIT_SUCCESS ? std::cout : std::cerr)
            << program << ": a broker for demonstrations, not for production: everybody is let in,\n"
            << "nothing is encrypted, and all of it is forgotten when the program ends.\n"
               "  --port NUMBER   where to listen (1883); 0: the system chooses\n"
               "  --bind ADDRESS  IPv4 or IPv6 (127.0.0.1, this machine only)\n"
               "  --keep-alive SECONDS  in place of what a 5.0 client asks for\n"
               "  --receive-maximum NUMBER  QoS 1 and 2 messages that a 5.0 client may have in flight\n"
               "  --verbose       prints every packet, -> received and <- sent\n";
        std::exit(status);
    }

    static std::optional<std::uint16_t> number(std::string_view text) {
        std::uint16_t out = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
        if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
        return out;
    }

    bool set_port(std::string_view text) {
        const auto port = number(text);
        if (port) where.port(*port);
        return port.has_value();
    }

    template <class Option>
    static bool set(Option& option, std::string_view text) {
        const auto value = number(text);
        if (value) option = *value;
        return value.has_value();
    }

    bool set_address(std::string_view text) {
        std::error_code bad;
        where.address(asio::ip::make_address(std::string(text), bad));
        return !bad;
    }
};

} // namespace

int main(int argc, char** argv) try {
    const broker_arguments args(argc, argv);
    asio::io_context io(1);
    asio::signal_set signals(io, SIGINT, SIGTERM);
    inflight::testing::tcp_server server(io, args.options, args.where);
    if (args.is_verbose) server.enable_logger([](std::string_view line) { std::cout << line << std::endl; });
    signals.async_wait([&](std::error_code, int) {
        server.stop();
        io.stop();
    });

    std::cout << "Listening on " << server.local_endpoint() << " (for demonstrations, not for production)"
              << std::endl;
    io.run();
    std::cout << "Broker finished." << std::endl;
} catch (const std::exception& error) {
    std::cerr << "Cannot listen: " << error.what() << std::endl;
    return EXIT_FAILURE;
}
