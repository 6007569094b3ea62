// idle.hpp - what connected clients that do nothing cost in memory.
#pragma once

#include "measurement.hpp"

#include <malloc.h>
#include <unistd.h>

namespace benchmark {

/// The growth of this process from construction to print(), per client.
class memory_use {
public:
    explicit memory_use(const arguments& a) : clients_(a.count) {
        rlimit files{};
        getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
        resident_ = resident();
        heap_ = heap();
    }

    void print() const {
        std::printf("clients=%zu resident_bytes=%.0f heap_bytes=%.0f\n", clients_,
                    per_client(resident() - resident_), per_client(heap() - heap_));
    }

private:
    static std::size_t resident() {
        std::size_t all = 0, in_memory = 0;
        std::FILE* const f = std::fopen("/proc/self/statm", "r");
        if (!f || std::fscanf(f, "%zu %zu", &all, &in_memory) != 2) fail("cannot read /proc/self/statm");
        std::fclose(f);
        return in_memory * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    }
    static std::size_t heap() {
        const struct mallinfo2 m = mallinfo2();
        return m.uordblks + m.hblkhd;
    }
    double per_client(std::size_t bytes) const {
        return static_cast<double>(bytes) / static_cast<double>(clients_);
    }

    std::size_t clients_;
    std::size_t resident_ = 0, heap_ = 0;
};

} // namespace benchmark
