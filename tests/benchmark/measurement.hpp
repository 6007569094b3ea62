// measurement.hpp - what all programs of the benchmark share: their arguments, the clock, and the line of results.
#pragma once

#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace benchmark {

/// Allocations since the start, by whatever name (allocations.cpp). They are counted only on demand: the atomic
/// increment would be a cost of the clients that allocate.
extern std::atomic<std::uint64_t> allocations;
extern bool counts_allocations;

[[noreturn]] inline void fail(const std::string& why) {
    std::fprintf(stderr, "%s\n", why.c_str());
    std::exit(1);
}

struct arguments {
    std::string way = "publish"; // What the program does; each lists its own.
    std::string filter{};        // Receiving: what to subscribe to. The sink takes it as its order, see sink.cpp.
    std::string transport = "tcp"; // Or tls, websocket, unix.
    std::uint16_t port = 0;
    std::string path{};    // The socket's, for unix.
    std::string ca_file{}; // Of the authority behind the other end's certificate, for tls.
    int version = 5; // 5, or 4 for 3.1.1, as in CONNECT.
    int qos = 0;
    std::size_t size = 16;     // Of the payload, in bytes.
    std::size_t window = 64;   // QoS 1 and 2 messages in flight.
    std::size_t warm_up = 0;   // Messages before the measurement,
    std::size_t count = 10000; // and in it.

    arguments(int argc, char** argv) {
        for (int i = 1; i + 1 < argc; i += 2) set(argv[i], argv[i + 1]);
    }

    std::size_t total() const { return warm_up + count; }
    /// QoS 0 has no answer, so the last message of all is QoS 1: its PUBACK says that the others have arrived.
    int qos_of(std::size_t index) const { return qos == 0 && index + 1 == total() ? 1 : qos; }
    /// How many messages a publisher keeps on their way: the window; QoS 0, as many packets as fill a socket buffer
    /// twice, so that the next write is made while one is on its way.
    std::size_t ahead() const {
        return qos != 0 ? window : std::clamp<std::size_t>((std::size_t{512} << 10) / (size + 16), 16, 4000);
    }

private:
    void set(std::string_view name, const char* value) {
        const auto number = std::strtoull(value, nullptr, 10);
        if (name == "--way") way = value;
        else if (name == "--filter") filter = value;
        else if (name == "--transport") transport = value;
        else if (name == "--path") path = value;
        else if (name == "--ca-file") ca_file = value;
        else if (name == "--port") port = static_cast<std::uint16_t>(number);
        else if (name == "--version") version = static_cast<int>(number);
        else if (name == "--qos") qos = static_cast<int>(number);
        else if (name == "--size") size = number;
        else if (name == "--window") window = number;
        else if (name == "--warm-up") warm_up = number;
        else if (name == "--count") count = number;
        else if (name == "--allocations") counts_allocations = number != 0;
        else fail("unknown argument " + std::string(name));
    }
};

/// The subscription has been made: with a broker, messages may be published now.
inline void say_ready() {
    std::puts("ready");
    std::fflush(stdout);
}

inline constexpr std::string_view topic = "bench/t";

inline double seconds_now() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

/// Counts messages that are done, and measures from the one that ends the warm-up to the last. One thread counts;
/// others may ask.
class meter {
public:
    explicit meter(const arguments& a) : count_(a.count), total_(a.total()), mark_(a.warm_up) {
        if (mark_ == 0) begin();
    }

    void settle(std::size_t n = 1) { settle_to(settled() + n); }
    void settle_to(std::size_t n) {
        settled_.store(n, std::memory_order_relaxed);
        if (n >= mark_) pass(n);
    }
    std::size_t settled() const { return settled_.load(std::memory_order_relaxed); }
    bool done() const { return done_.load(std::memory_order_acquire); }

    /// The line of results: `name=value`, parted by blanks. Times in seconds, over all threads.
    void print() const {
        std::printf("messages=%zu seconds=%.9f user=%.6f system=%.6f allocations=%llu\n", count_ - early_,
                    end_.wall - start_.wall, end_.user - start_.user, end_.system - start_.system,
                    static_cast<unsigned long long>(end_.allocations - start_.allocations));
    }

private:
    struct reading {
        double wall = 0, user = 0, system = 0;
        std::uint64_t allocations = 0;
    };
    static double to_seconds(timeval t) {
        return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
    }
    static reading read() {
        rusage used{};
        getrusage(RUSAGE_SELF, &used);
        return {seconds_now(), to_seconds(used.ru_utime), to_seconds(used.ru_stime), allocations.load()};
    }
    void begin() {
        start_ = read();
        mark_ = total_;
    }
    void pass(std::size_t n) {
        if (mark_ != total_) {
            early_ = n - mark_;
            begin();
        }
        if (n < total_ || done()) return;
        end_ = read();
        done_.store(true, std::memory_order_release);
    }

    std::size_t count_, total_, mark_;
    std::size_t early_ = 0; // Counted together with the last one of the warm-up.
    std::atomic<std::size_t> settled_{0};
    std::atomic<bool> done_{false};
    reading start_{}, end_{};
};

/// For a user's thread, which sleeps while others settle messages, and is woken once.
class progress {
public:
    explicit progress(meter& m) : meter_(m) {}

    /// On the thread that counts.
    void settle() {
        meter_.settle();
        if (meter_.settled() != wake_at_) return;
        ++wakes_;
        wakes_.notify_one();
    }

    void wait_for(std::size_t settled) {
        wake_at_ = settled;
        for (;;) {
            const unsigned before = wakes_;
            if (meter_.settled() >= settled) return;
            wakes_.wait(before);
        }
    }

private:
    meter& meter_;
    std::atomic<std::size_t> wake_at_{0};
    std::atomic<unsigned> wakes_{0};
};

/// Times of single exchanges.
class latencies {
public:
    explicit latencies(const arguments& a) : warm_up_(a.warm_up) { all_.reserve(a.total()); }

    void start() { start_ = seconds_now(); }
    void stop() { all_.push_back(seconds_now() - start_); }

    void print() {
        all_.erase(all_.begin(), all_.begin() + static_cast<std::ptrdiff_t>(std::min(warm_up_, all_.size())));
        std::sort(all_.begin(), all_.end());
        std::printf("messages=%zu p50=%.9f p99=%.9f\n", all_.size(), at(0.5), at(0.99));
    }

private:
    double at(double share) const {
        return all_.at(static_cast<std::size_t>(share * static_cast<double>(all_.size() - 1)));
    }

    std::size_t warm_up_;
    double start_ = 0;
    std::vector<double> all_{};
};

} // namespace benchmark
