// Everything random in a world comes from here, the same on every machine: the distributions of the standard library
// are not.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>

namespace simulation {

using duration = std::chrono::steady_clock::duration;

class dice {
public:
    explicit dice(std::uint64_t seed) : state_(seed) {}

    /// 0 to n - 1.
    std::size_t below(std::size_t n) { return static_cast<std::size_t>(next() % n); }
    std::size_t between(std::size_t low, std::size_t high) { return low + below(high - low + 1); }
    duration between(duration low, duration high) {
        const auto range = static_cast<std::size_t>((high - low) / std::chrono::milliseconds(1));
        return low + std::chrono::milliseconds(below(range + 1));
    }
    bool chance(unsigned percent) { return below(100) < percent; }

    template <class T>
    T one_of(std::initializer_list<T> values) {
        return *std::next(values.begin(), static_cast<std::ptrdiff_t>(below(values.size())));
    }

private:
    std::uint64_t next() { // SplitMix64.
        state_ += 0x9E37'79B9'7F4A'7C15u;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9u;
        z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EBu;
        return z ^ (z >> 31);
    }

    std::uint64_t state_;
};

} // namespace simulation
