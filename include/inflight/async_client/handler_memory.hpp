// inflight/async_client/handler_memory.hpp - memory for operations of which there is one at a time.
//
// Asio's own recycling keeps two blocks for each thread, which is less than one client's read, write and
// posts have at a time.
#pragma once

#include <inflight/async_client/borrowing_allocator.hpp>

#include <cstddef>
#include <new>
#include <utility>

namespace inflight::detail {

/// One block: that of the last operation serves the next. Outlives them, since their handlers own the owner.
class handler_memory {
public:
    handler_memory() = default;
    handler_memory(const handler_memory&) = delete;
    handler_memory& operator=(const handler_memory&) = delete;
    ~handler_memory() { ::operator delete(block_); }

    void* allocate(std::size_t size) {
        return block_ && size <= size_ ? std::exchange(block_, nullptr) : ::operator new(size);
    }
    void deallocate(void* block, std::size_t size) {
        ::operator delete(std::exchange(block_, block));
        size_ = size;
    }

private:
    void* block_ = nullptr;
    std::size_t size_ = 0;
};

template <class T>
using handler_allocator = borrowing_allocator<T, handler_memory>;

} // namespace inflight::detail
