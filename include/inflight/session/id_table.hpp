// inflight/session/id_table.hpp - a map from packet identifiers, in memory proportional to what it holds.
#pragma once

#include <inflight/codec/types.hpp>

#include <bit>
#include <cassert>
#include <optional>
#include <utility>
#include <vector>

namespace inflight {

/// Open addressing, at most half full. Identifiers come in long runs, which Fibonacci hashing spreads evenly:
/// the identifier itself as hash would make one cluster of a run, and every erase() a walk to its end.
/// Allocates only when it grows.
template <class Value>
class id_table {
public:
    std::size_t size() const { return size_; }

    Value* find(packet_id id) {
        if (places_.empty()) return nullptr;
        for (std::size_t i = home(id); places_[i].id != packet_id::none; i = next(i))
            if (places_[i].id == id) return &places_[i].value;
        return nullptr;
    }

    /// Inserts or replaces.
    Value& set(packet_id id, Value value) {
        assert(id != packet_id::none);
        if (Value* found = find(id)) return *found = std::move(value);
        if (2 * (size_ + 1) > places_.size()) grow();
        ++size_;
        return insert(id, std::move(value));
    }

    bool erase(packet_id id) {
        if (places_.empty()) return false;
        std::size_t hole = home(id);
        while (places_[hole].id != id) {
            if (places_[hole].id == packet_id::none) return false;
            hole = next(hole);
        }
        // Pull back whatever had been pushed past the hole.
        for (std::size_t i = next(hole); places_[i].id != packet_id::none; i = next(i)) {
            const std::size_t wanted = home(places_[i].id), mask = places_.size() - 1;
            if (((i - wanted) & mask) >= ((i - hole) & mask)) {
                places_[hole] = std::move(places_[i]);
                hole = i;
            }
        }
        places_[hole] = place{};
        --size_;
        return true;
    }

    void clear() {
        places_.clear();
        places_.shrink_to_fit();
        size_ = 0;
    }

    template <class Visitor>
    void for_each(Visitor&& visit) {
        for (place& p : places_)
            if (p.id != packet_id::none) visit(p.id, p.value);
    }

private:
    struct place {
        packet_id id = packet_id::none;
        Value value{};
    };

    std::size_t home(packet_id id) const {
        return static_cast<std::uint32_t>(number(id) * 0x9E37'79B1u) >> shift_;
    }
    std::size_t next(std::size_t i) const { return (i + 1) & (places_.size() - 1); }

    Value& insert(packet_id id, Value value) {
        std::size_t i = home(id);
        while (places_[i].id != packet_id::none) i = next(i);
        places_[i] = place{id, std::move(value)};
        return places_[i].value;
    }

    void grow() {
        std::vector<place> old(places_.empty() ? 16 : places_.size() * 2);
        old.swap(places_);
        shift_ = 32 - std::countr_zero(places_.size());
        for (place& p : old)
            if (p.id != packet_id::none) insert(p.id, std::move(p.value));
    }

    std::vector<place> places_{};
    std::size_t size_ = 0;
    int shift_ = 32; // What is left of 32 bits are the bits of a place's index.
};

} // namespace inflight
