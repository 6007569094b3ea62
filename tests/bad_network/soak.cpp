// soak [MESSAGES [CUTS]]: QoS 1 messages, 2,000,000 unless told otherwise, from one process to another through a proxy
// that cuts their connections, 200 times unless told otherwise. Prints the memory of both at the start, in the middle and
// at the end. Not run by ctest: it takes minutes.
#include "support/faulty_proxy.hpp"
#include "support/mosquitto_process.hpp"

#include <inflight/async_client.hpp>

#include <atomic>
#include <iostream>

using namespace inflight;
using namespace std::chrono_literals;

namespace {

std::size_t resident_kib() {
    std::ifstream in("/proc/self/status");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
    return 0;
}

void say_memory(std::string_view who, unsigned percent) {
    std::cout << who << ", " << percent << " %: " << resident_kib() << " KiB" << std::endl;
}

client_options options(std::uint16_t port, std::string id) {
    client_options o;
    o.client_id = std::move(id);
    o.brokers = {{"127.0.0.1", port}};
    o.keep_session_for(1h);
    o.reconnect_delay = 10ms;
    o.max_reconnect_delay = 40ms;
    return o;
}

bool is_mark(unsigned n, unsigned count) { return n == count / 100 || n == count / 2 || n == count; }
unsigned percent(unsigned n, unsigned count) { return static_cast<unsigned>(std::uint64_t{n} * 100 / count); }

int publisher(std::uint16_t port, unsigned count) {
    asio::io_context io{1};
    async_client client(io, options(port, "soak-publisher"));
    unsigned published = 0, completed = 0, failed = 0;
    std::function<void()> next = [&] {
        if (published == count) return;
        client.async_publish(message("soak", std::to_string(published++) + " of the messages", qos::at_least_once),
                             [&](std::error_code error, publish_ack) {
                                 if (error) ++failed;
                                 if (is_mark(++completed, count)) say_memory("publisher", percent(completed, count));
                                 if (completed == count) io.stop();
                                 next();
                             });
    };
    client.async_connect([](std::error_code, connect_result) {});
    for (int i = 0; i != 1'000; ++i) next();
    io.run();
    return failed == 0 ? 0 : 1;
}

int subscriber(std::uint16_t port, unsigned count) {
    asio::io_context io{1};
    async_client client(io, options(port, "soak-subscriber"));
    std::vector<bool> known(count);
    unsigned arrived = 0, repeated = 0;
    std::function<void()> next = [&] {
        client.async_receive([&](std::error_code error, received_message m) {
            if (error) return;
            const unsigned long n = std::strtoul(m.payload.c_str(), nullptr, 10);
            if (known.at(n)) ++repeated;
            else {
                known[n] = true;
                if (is_mark(++arrived, count)) say_memory("subscriber", percent(arrived, count));
            }
            if (arrived == count) io.stop();
            next();
        });
    };
    client.async_connect([](std::error_code, connect_result) {});
    client.async_subscribe("soak", qos::at_least_once, [](std::error_code error, subscribe_ack) {
        if (!error) std::cout << "subscribed" << std::endl;
    });
    next();
    io.run();
    std::cout << "subscriber: all " << arrived << " messages, " << repeated << " repeated" << std::endl;
    return 0;
}

pid_t start(const char* self, std::string role, std::uint16_t port, unsigned count, int output) {
    std::string p = std::to_string(port), c = std::to_string(count), name = self;
    char* const arguments[]{name.data(), role.data(), p.data(), c.data(), nullptr};
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, output, 1);
    pid_t pid = 0;
    if (::posix_spawn(&pid, self, &files, nullptr, arguments, environ) != 0) throw std::runtime_error("cannot start myself");
    ::posix_spawn_file_actions_destroy(&files);
    return pid;
}

int wait_for(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int all(const char* self, unsigned count, unsigned cuts) {
    mosquitto_process broker;
    faulty_proxy proxy(broker.port());
    proxy.set_recording(false);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return 1;
    const auto begin = std::chrono::steady_clock::now();
    const pid_t receives = start(self, "subscriber", proxy.port(), count, ends[1]);
    std::string said;
    char c = 0;
    while (said.find("subscribed") == std::string::npos && ::read(ends[0], &c, 1) == 1) said += c;
    std::thread copies([&] { // What the subscriber says from now on.
        while (::read(ends[0], &c, 1) == 1) std::cout << c << std::flush;
    });
    // Each message passes twice and costs at least 30 bytes, its acknowledgements eight.
    proxy.cut_randomly(1, cuts, std::uint64_t{count} * 60);
    const pid_t sends = start(self, "publisher", proxy.port(), count, 1);
    const int bad = wait_for(sends) + wait_for(receives);
    ::close(ends[1]);
    copies.join();
    ::close(ends[0]);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::cout << proxy.cuts() << " cuts, " << proxy.accepted().size() << " connections, " << took.count() << " s" << std::endl;
    return bad == 0 && proxy.cuts() == cuts ? 0 : 1;
}

} // namespace

int main(int argc, char** argv) {
    const std::string role = argc > 3 ? argv[1] : "";
    const auto number = [&](int i, unsigned otherwise) {
        return argc > i ? static_cast<unsigned>(std::stoul(argv[i])) : otherwise;
    };
    if (role == "publisher") return publisher(static_cast<std::uint16_t>(number(2, 0)), number(3, 0));
    if (role == "subscriber") return subscriber(static_cast<std::uint16_t>(number(2, 0)), number(3, 0));
    return all(argv[0], number(1, 2'000'000), number(2, 200));
}
