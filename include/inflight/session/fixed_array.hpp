// inflight/session/fixed_array.hpp - elements of which there are always as many.
#pragma once

#include <cstddef>
#include <utility>

namespace inflight::detail {

/// What tables that grow by moving into a larger one need of a std::vector, whose some fifty functions cost a
/// compiler more, for each type of element.
template <class T>
class fixed_array {
public:
    fixed_array() = default;
    explicit fixed_array(std::size_t size) : first_(new T[size]{}), size_(size) {}
    fixed_array(fixed_array&& other) noexcept { swap(other); }
    fixed_array& operator=(fixed_array&& other) noexcept {
        fixed_array(std::move(other)).swap(*this);
        return *this;
    }
    ~fixed_array() { delete[] first_; }

    bool empty() const { return size_ == 0; }
    std::size_t size() const { return size_; }
    T& operator[](std::size_t i) { return first_[i]; }
    const T& operator[](std::size_t i) const { return first_[i]; }
    T* begin() { return first_; }
    T* end() { return first_ + size_; }

    void swap(fixed_array& other) noexcept {
        std::swap(first_, other.first_);
        std::swap(size_, other.size_);
    }

private:
    T* first_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace inflight::detail
