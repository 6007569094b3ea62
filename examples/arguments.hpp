// What the examples take on their command lines.
#pragma once

#include <inflight/async_client/options.hpp>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

struct arguments {
    std::string host = "localhost"; // Or an address: mqtt://, mqtts:// ...
    std::uint16_t port = 0;         // 0: that of the address, or the one that goes with it.
    std::string topic = "sensor/temperature";
    int count = 0;           // 0: the example's own idea.
    double interval = -1;    // Seconds; below 0: the example's own idea.
    inflight::qos qos = inflight::qos::at_least_once;
    std::string password_file{}; // Of credentials_provider.
    std::string token{};         // Of websocket_subscriber.
    bool retry = false;      // A broker that is not there is waited for.
    std::string command{};       // Of own_transport.
    inflight::client_options options{};

    arguments(int argc, char** argv, std::string_view what) {
        for (int i = 1; i < argc; ++i) {
            const std::string_view name = argv[i];
            if (name == "--help") usage(argv[0], what, EXIT_SUCCESS);
            if (name == "--retry") {
                retry = true;
                continue;
            }
            if (name == "--keep-session") {
                options.keep_session_for(std::chrono::hours(24));
                continue;
            }
            if (i + 1 == argc) usage(argv[0], what, EXIT_FAILURE);
            const std::string value = argv[++i];
            bool good = true;
            if (name == "--host") host = value;
            else if (name == "--port") good = number(value, port, 1, 65'535);
            else if (name == "--topic") topic = value;
            else if (name == "--count") good = number(value, count, 1, 1'000'000'000);
            else if (name == "--interval") good = seconds(value);
            else if (name == "--qos") good = level(value);
            else if (name == "--id") options.client_id = value;
            else if (name == "--user") options.user_name = value;
            else if (name == "--password") options.password = value;
            else if (name == "--password-file") password_file = value;
            else if (name == "--token") token = value;
            else if (name == "--command") command = value;
            else if (name == "--ca") options.tls->ca_file = value;
            else if (name == "--certificate") options.tls->certificate_file = value;
            else if (name == "--key") options.tls->key_file = value;
            else if (name == "--version") good = version(value);
            else good = false;
            if (!good) {
                std::cerr << "bad argument: " << name << ' ' << value << '\n';
                usage(argv[0], what, EXIT_FAILURE);
            }
        }
        if (options.keep_session && options.client_id.empty()) {
            std::cerr << "--keep-session needs --id: the session is kept under that name\n";
            std::exit(EXIT_FAILURE);
        }
    }

    /// "localhost:1883", "mqtts://localhost:8883"
    std::string where() const {
        auto broker = inflight::parse_broker(host);
        if (!broker) return host;
        if (port != 0) broker->port = port;
        return print(*broker);
    }

private:
    [[noreturn]] static void usage(std::string_view program, std::string_view what, int status) {
        (status == EXIT_SUCCESS ? std::cout : std::cerr)
            << program << ": " << what << "\n"
            << "  --host NAME        broker, or its address: mqtt://name:port, unix:/path ... (localhost)\n"
               "  --port NUMBER      its port (that of the address; 1883)\n"
               "  --topic TOPIC      topic or topic filter (sensor/temperature)\n"
               "  --count NUMBER     messages to send, or to receive before leaving\n"
               "  --interval SECONDS between two messages, or for each of them\n"
               "  --qos 0|1|2        quality of service (1)\n"
               "  --id TEXT          client identifier (a generated one)\n"
               "  --user, --password credentials\n"
               "  --password-file F  holds the password (credentials_provider)\n"
               "  --ca FILE          authorities to trust, in place of the system's (tls_, websocket_ ...)\n"
               "  --certificate FILE, --key FILE: who we are (tls_publisher)\n"
               "  --token TEXT       shown to the web server (websocket_subscriber)\n"
               "  --command TEXT     leads to the broker, which is \"$1\" \"$2\" (own_transport)\n"
               "  --keep-session     the broker keeps the session while we are away; needs --id\n"
               "  --version 3.1.1|5  protocol version (5, falling back to 3.1.1)\n"
               "  --retry            wait for a broker that is not there\n";
        std::exit(status);
    }

    template <class T>
    static bool number(const std::string& text, T& out, long least, long most) {
        long value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
            return false;
        out = static_cast<T>(value);
        return true;
    }

    bool seconds(const std::string& text) {
        char* end = nullptr;
        interval = std::strtod(text.c_str(), &end);
        return !text.empty() && *end == '\0' && interval >= 0 && interval <= 86'400;
    }

    bool level(const std::string& text) {
        int value = 0;
        if (!number(text, value, 0, 2)) return false;
        qos = static_cast<inflight::qos>(value);
        return true;
    }

    bool version(const std::string& text) {
        if (text == "3.1.1" || text == "4") options.version = inflight::protocol_version::v3_1_1;
        else if (text == "5" || text == "5.0") options.version = inflight::protocol_version::v5;
        else return false;
        return true;
    }
};

/// Ctrl-C and a polite kill call `leave`, on a thread of their own. To be made before any other thread is,
/// and after what `leave` uses.
class on_interrupt {
public:
    explicit on_interrupt(std::function<void()> leave) : leave_(std::make_shared<guarded>(std::move(leave))) {
        sigset_t signals;
        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &signals, nullptr);
        std::thread([signals, leave = leave_] {
            int which = 0;
            while (sigwait(&signals, &which) == 0) {
                const std::lock_guard lock(leave->mutex);
                if (leave->call) leave->call();
                else std::_Exit(128 + which); // Nothing to leave any more.
            }
        }).detach(); // Waits for as long as the process lives.
    }
    ~on_interrupt() {
        const std::lock_guard lock(leave_->mutex);
        leave_->call = nullptr;
    }
    on_interrupt(const on_interrupt&) = delete;
    on_interrupt& operator=(const on_interrupt&) = delete;

private:
    struct guarded {
        std::function<void()> call;
        std::mutex mutex{};
        explicit guarded(std::function<void()> f) : call(std::move(f)) {}
    };
    std::shared_ptr<guarded> leave_;
};
