// Counts allocations of the whole process, libraries in C included: these functions stand before those of the C
// library, whose own names for them begin with __libc_. operator new comes here through malloc.
#include "measurement.hpp"

#include <cerrno>

namespace benchmark {
std::atomic<std::uint64_t> allocations{0};
bool counts_allocations = false;
} // namespace benchmark

namespace {
void count() {
    if (benchmark::counts_allocations) benchmark::allocations.fetch_add(1, std::memory_order_relaxed);
}
} // namespace

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) {
    count();
    return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) {
    count();
    return __libc_calloc(number, size);
}
void* realloc(void* old, std::size_t size) {
    count();
    return __libc_realloc(old, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
    count();
    return __libc_memalign(alignment, size);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
    *out = aligned_alloc(alignment, size);
    return *out ? 0 : ENOMEM;
}
}
