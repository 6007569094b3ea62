// inflight/async_client/borrowing_allocator.hpp - an allocator for memory that somebody else owns.
#pragma once

#include <cstddef>

namespace inflight::detail {

/// Takes memory from `owner`, which must outlive it, and gives it back there.
template <class T, class Owner>
struct borrowing_allocator {
    using value_type = T;
    Owner* owner;

    explicit borrowing_allocator(Owner& o) : owner(&o) {}
    template <class U>
    borrowing_allocator(const borrowing_allocator<U, Owner>& other) : owner(other.owner) {}

    T* allocate(std::size_t n) {
        static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
        return static_cast<T*>(owner->allocate(n * sizeof(T)));
    }
    void deallocate(T* memory, std::size_t n) { owner->deallocate(memory, n * sizeof(T)); }
    friend bool operator==(const borrowing_allocator&, const borrowing_allocator&) = default;
};

} // namespace inflight::detail
