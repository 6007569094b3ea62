// Counts what the whole program takes from operator new, which it replaces: for one file of an executable of its own.
#pragma once

#include <atomic>
#include <cstdlib>
#include <new>

namespace counted_memory {

inline std::atomic<std::size_t> allocations{0};
inline std::atomic<std::size_t> live_bytes{0};

// In front of each piece: its size.
inline constexpr std::size_t header = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
static_assert(header >= sizeof(std::size_t));

inline void* take_or_null(std::size_t size) noexcept {
    void* const block = std::malloc(header + size);
    if (!block) return nullptr;
    ++allocations;
    live_bytes += size;
    *static_cast<std::size_t*>(block) = size;
    return static_cast<char*>(block) + header;
}

inline void* take(std::size_t size) {
    if (void* p = take_or_null(size)) return p;
    throw std::bad_alloc();
}

inline void give_back(void* p) noexcept {
    if (!p) return;
    void* const block = static_cast<char*>(p) - header;
    live_bytes -= *static_cast<std::size_t*>(block);
    std::free(block);
}

} // namespace counted_memory

// All forms that the tests and Catch use: AddressSanitizer brings its own for those that are missing.
void* operator new(std::size_t size) { return counted_memory::take(size); }
void* operator new[](std::size_t size) { return counted_memory::take(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted_memory::take_or_null(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted_memory::take_or_null(size); }
void operator delete(void* p, const std::nothrow_t&) noexcept { counted_memory::give_back(p); }
void operator delete[](void* p, const std::nothrow_t&) noexcept { counted_memory::give_back(p); }
void operator delete(void* p) noexcept { counted_memory::give_back(p); }
void operator delete[](void* p) noexcept { counted_memory::give_back(p); }
void operator delete(void* p, std::size_t) noexcept { counted_memory::give_back(p); }
void operator delete[](void* p, std::size_t) noexcept { counted_memory::give_back(p); }
