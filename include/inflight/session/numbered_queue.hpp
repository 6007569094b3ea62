// inflight/session/numbered_queue.hpp - a queue whose elements have numbers.
#pragma once

#include <inflight/session/fixed_array.hpp>

#include <cstdint>

namespace inflight::detail {

/// In one piece of memory, none while it has never held anything. The numbers of its elements never change.
/// Allocates only when it grows.
template <class T>
class numbered_queue {
public:
    bool empty() const { return begin_ == end_; }
    std::size_t size() const { return static_cast<std::size_t>(end_ - begin_); }
    std::uint64_t begin() const { return begin_; }
    std::uint64_t end() const { return end_; }
    bool has(std::uint64_t number) const { return number >= begin_ && number < end_; }
    T& operator[](std::uint64_t number) { return places_[number & (places_.size() - 1)]; }
    T& front() { return (*this)[begin_]; }
    void pop() { ++begin_; }
    T take() {
        T value = std::move(front());
        pop();
        return value;
    }
    [[gnu::always_inline]] void push(T&& value) {
        next() = std::move(value);
        push_next();
    }
    void push(const T& value) { push(T(value)); }
    /// What an earlier element has left behind, to be filled anew before push_next() adds it.
    [[gnu::always_inline]] T& next() {
        if (size() == places_.size()) grow();
        return (*this)[end_];
    }
    void push_next() { ++end_; }
    void clear() { begin_ = end_; }
    /// An empty queue keeps no memory.
    void shrink_to_fit() {
        if (empty()) places_ = {};
    }

private:
    void grow() {
        fixed_array<T> bigger(places_.empty() ? 4 : places_.size() * 2);
        for (std::uint64_t n = begin_; n != end_; ++n)
            bigger[n & (bigger.size() - 1)] = std::move((*this)[n]);
        places_.swap(bigger);
    }

    fixed_array<T> places_{};
    std::uint64_t begin_ = 1, end_ = 1;
};

} // namespace inflight::detail
