// inflight/transport/boxed.hpp - a value that costs a pointer until somebody writes to it.
#pragma once

#include <memory>
#include <utility>

namespace inflight {

/// A T, made when it is first written to: for options that few clients set. A value like T itself: copies are
/// deep, and one that was never written to equals T{}.
template <class T>
class boxed {
public:
    boxed() = default;
    boxed(T value) : value_(std::make_unique<T>(std::move(value))) {}
    boxed(const boxed& other) : value_(other.value_ ? std::make_unique<T>(*other.value_) : nullptr) {}
    boxed(boxed&&) noexcept = default;
    boxed& operator=(boxed other) noexcept {
        value_ = std::move(other.value_);
        return *this;
    }
    ~boxed() = default;

    T& operator*() {
        if (!value_) value_ = std::make_unique<T>();
        return *value_;
    }
    T* operator->() { return &**this; }
    const T& operator*() const {
        static const T unset{};
        return value_ ? *value_ : unset;
    }
    const T* operator->() const { return &**this; }

    /// Somebody has written to it.
    bool is_set() const { return value_ != nullptr; }

    friend bool operator==(const boxed& a, const boxed& b) {
        return (!a.value_ && !b.value_) || *a == *b;
    }

private:
    std::unique_ptr<T> value_{};
};

} // namespace inflight
