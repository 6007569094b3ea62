// What a connected client costs that has nothing to do: memory of `clients` of them on one io_context, after
// their CONNACKs have come. The broker is a child process, so that only the clients are counted.
//   idle_clients [3.1.1 | 5.0 | bare] [clients]     bare: Asio's sockets, each waiting for readability
// Prints one line: kind, number of clients, KiB each by resident pages and by the heap.
#include <inflight/async_client.hpp>

#include <asio/io_context.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include <malloc.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <list>
#include <string_view>

namespace {

using namespace inflight;
using asio::ip::tcp;

// Says on which port it listens, answers each CONNECT and then is silent, until its parent ends.
[[noreturn]] void serve(int says, std::string_view connack) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    asio::io_context io;
    tcp::acceptor acceptor(io, {asio::ip::address_v4::loopback(), 0});
    const std::uint16_t port = acceptor.local_endpoint().port();
    if (write(says, &port, sizeof port) != sizeof port) std::abort();
    std::list<tcp::socket> connections;
    std::array<char, 1024> ignored;
    for (;;) {
        tcp::socket& s = connections.emplace_back(acceptor.accept());
        if (connack.empty()) continue;
        s.read_some(asio::buffer(ignored));
        asio::write(s, asio::buffer(connack));
    }
}

// In a process of its own. Returns its port.
std::uint16_t start_server(std::string_view connack) {
    int ends[2];
    std::uint16_t port = 0;
    if (pipe(ends) != 0) std::abort();
    if (fork() == 0) serve(ends[1], connack);
    if (read(ends[0], &port, sizeof port) != sizeof port) std::abort();
    return port;
}

struct usage {
    double resident, heap; // KiB
    static usage now() {
        long pages = 0;
        std::ifstream("/proc/self/statm") >> pages >> pages;
        const auto m = mallinfo2();
        return {static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024,
                static_cast<double>(m.uordblks + m.hblkhd) / 1024};
    }
};

void connect_clients(asio::io_context& io, std::list<async_client>& clients, std::size_t count, std::uint16_t port,
                     protocol_version version) {
    client_options options;
    options.brokers = {{"127.0.0.1", port}};
    options.version = version;
    std::size_t open = 0;
    while (clients.size() != count) {
        ++open;
        async_client& client = clients.emplace_back(io, options);
        client.async_connect([&](std::error_code error, const connect_result&) {
            if (error) std::abort();
            --open;
        });
        client.async_receive([](std::error_code, const received_message&) {}); // As an idle subscriber waits.
    }
    while (open != 0) io.run_one();
    while (io.poll() != 0) {}
}

void connect_sockets(asio::io_context& io, std::list<tcp::socket>& sockets, std::size_t count, std::uint16_t port) {
    while (sockets.size() != count) {
        tcp::socket& s = sockets.emplace_back(io);
        s.connect({asio::ip::address_v4::loopback(), port});
        s.async_wait(tcp::socket::wait_read, [](std::error_code) {});
    }
    io.poll();
}

} // namespace

int main(int argc, char** argv) {
    const std::string_view kind = argc > 1 ? argv[1] : "5.0";
    const std::size_t count = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1000;
    const bool is_bare = kind == "bare";
    const protocol_version version = kind == "3.1.1" ? protocol_version::v3_1_1 : protocol_version::v5;

    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);

    std::string answer;
    if (!is_bare) (void)encode(connack{}, version, answer);
    const std::uint16_t port = start_server(answer);

    asio::io_context io{1};
    std::list<async_client> clients;
    std::list<tcp::socket> sockets;
    // Some first: what all share is there then.
    if (is_bare) connect_sockets(io, sockets, 10, port);
    else connect_clients(io, clients, 10, port, version);
    const usage before = usage::now();
    if (is_bare) connect_sockets(io, sockets, 10 + count, port);
    else connect_clients(io, clients, 10 + count, port, version);
    const usage after = usage::now();
    const auto each = [&](double a, double b) { return (b - a) / static_cast<double>(count); };
    std::printf("idle_clients kind=%s clients=%zu resident_kib=%.2f heap_kib=%.2f\n", kind.data(), count,
                each(before.resident, after.resident), each(before.heap, after.heap));
}
