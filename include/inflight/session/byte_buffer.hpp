// inflight/session/byte_buffer.hpp - bytes to be written, in one piece of memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace inflight {

/// What a std::string would be, were the bytes it grows by not cleared before they are written. Keeps its
/// memory until release().
class byte_buffer {
public:
    byte_buffer() = default;
    byte_buffer(byte_buffer&& other) noexcept { swap(other); }
    byte_buffer& operator=(byte_buffer&& other) noexcept {
        byte_buffer(std::move(other)).swap(*this);
        return *this;
    }

    const char* data() const { return bytes_.get(); }
    std::size_t size() const { return size_; }
    std::size_t capacity() const { return capacity_; }
    bool empty() const { return size_ == 0; }
    std::string_view view() const { return {bytes_.get(), size_}; }

    /// Room for `size` more bytes, which the caller writes.
    [[gnu::always_inline]] char* grow(std::size_t size) {
        if (capacity_ - size_ < size) [[unlikely]] reserve(std::max(size_ + size, 2 * capacity_));
        char* const out = bytes_.get() + size_;
        size_ += size;
        return out;
    }
    void assign(std::string_view bytes) {
        clear();
        if (!bytes.empty()) std::memcpy(grow(bytes.size()), bytes.data(), bytes.size());
    }
    void clear() { size_ = 0; }
    void release() { *this = {}; }

    void swap(byte_buffer& other) noexcept {
        bytes_.swap(other.bytes_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
    }

private:
    void reserve(std::size_t capacity) {
        auto bigger = std::make_unique_for_overwrite<char[]>(capacity);
        if (size_ != 0) std::memcpy(bigger.get(), bytes_.get(), size_);
        bytes_ = std::move(bigger);
        capacity_ = capacity;
    }

    std::unique_ptr<char[]> bytes_{};
    std::size_t size_ = 0, capacity_ = 0;
};

} // namespace inflight
