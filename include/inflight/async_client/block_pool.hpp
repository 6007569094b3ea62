// inflight/async_client/block_pool.hpp - memory for operations, of which there may be as many as messages.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace inflight::detail {

/// Blocks of memory, kept for the next who want some of that size. They lie side by side, since operations
/// end in the order in which they began, as a rule: with tens of thousands of them it is the cache misses
/// that count.
class block_pool {
public:
    static constexpr std::size_t step = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
    static constexpr std::size_t max_size = 512; // Bytes; larger blocks are not kept.
    static constexpr std::size_t kept_idle = std::size_t{64} << 10; // Bytes, when none is in use.

    block_pool() = default;
    block_pool(const block_pool&) = delete;
    block_pool& operator=(const block_pool&) = delete;

    void* allocate(std::size_t size) {
        if (size > max_size) return ::operator new(size);
        const std::size_t kind = kind_of(size);
        if (!free_[kind]) add_slab(kind);
        ++in_use_;
        return std::exchange(free_[kind], free_[kind]->next);
    }

    void deallocate(void* memory, std::size_t size) {
        if (size > max_size) return ::operator delete(memory);
        block*& first = free_[kind_of(size)];
        first = ::new (memory) block{first};
        if (--in_use_ == 0 && bytes_ > kept_idle) clear();
    }

    /// Of all blocks, used and free ones.
    std::size_t bytes() const { return bytes_; }

private:
    struct block {
        block* next;
    };
    static constexpr std::size_t kinds = max_size / step;
    static std::size_t kind_of(std::size_t size) { return (size - 1) / step; }

    // Twice as many blocks as in the one before. The first of them will be used first.
    [[gnu::noinline]] void add_slab(std::size_t kind) {
        const std::size_t size = (kind + 1) * step, all = size << slabs_of_kind_[kind];
        const auto& slab = slabs_.emplace_back(std::make_unique_for_overwrite<std::byte[]>(all));
        for (std::size_t at = all; at != 0; at -= size)
            free_[kind] = ::new (&slab[at - size]) block{free_[kind]};
        ++slabs_of_kind_[kind];
        bytes_ += all;
    }

    void clear() {
        slabs_.clear();
        slabs_of_kind_ = {};
        free_ = {};
        bytes_ = 0;
    }

    std::array<block*, kinds> free_{};
    std::array<std::uint8_t, kinds> slabs_of_kind_{};
    std::vector<std::unique_ptr<std::byte[]>> slabs_{};
    std::size_t bytes_ = 0, in_use_ = 0; // The latter in blocks.
};

} // namespace inflight::detail
