// inflight/session/id_table.hpp - a map from packet identifiers, in memory proportional to what it holds.
#pragma once

#include <inflight/codec/types.hpp>
#include <inflight/session/fixed_array.hpp>

#include <cassert>
#include <utility>

namespace inflight {

/// Open addressing, at most half full. Identifiers come in long runs, so each is its own hash: a run lies
/// side by side in memory. Entries keep the order of their homes (Robin Hood hashing), so that erase() stops
/// at the first one that is at home, in a run at once. Identifiers that collide, as a hostile peer may choose
/// them, cost a walk along the entries beside them. Allocates only when it grows.
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
    [[gnu::always_inline]] Value& set(packet_id id, Value value) {
        assert(id != packet_id::none);
        if (2 * (size_ + 1) > places_.size()) grow();
        if (place& p = places_[home(id)]; p.id == packet_id::none) { // As a rule.
            ++size_;
            p.id = id;
            return p.value = std::move(value);
        }
        if (Value* found = find(id)) return *found = std::move(value);
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
        // Pull back whatever had been pushed away from home.
        for (std::size_t i = next(hole); places_[i].id != packet_id::none && i != home(places_[i].id);
             hole = std::exchange(i, next(i)))
            places_[hole] = std::move(places_[i]);
        places_[hole] = place{};
        --size_;
        return true;
    }

    void clear() {
        places_ = {};
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

    std::size_t mask() const { return places_.size() - 1; }
    std::size_t home(packet_id id) const { return number(id) & mask(); }
    std::size_t next(std::size_t i) const { return (i + 1) & mask(); }
    std::size_t distance_from_home(std::size_t i) const { return (i - home(places_[i].id)) & mask(); }

    Value& insert(packet_id id, Value value) {
        std::size_t i = home(id);
        for (std::size_t distance = 0;
             places_[i].id != packet_id::none && distance_from_home(i) >= distance; ++distance)
            i = next(i);
        place moving{id, std::move(value)};
        for (std::size_t at = i; moving.id != packet_id::none; at = next(at))
            std::swap(moving, places_[at]); // Each goes one further, up to the first empty place.
        return places_[i].value;
    }

    void grow() {
        detail::fixed_array<place> old(places_.empty() ? 16 : places_.size() * 2);
        old.swap(places_);
        for (place& p : old)
            if (p.id != packet_id::none) insert(p.id, std::move(p.value));
    }

    detail::fixed_array<place> places_{};
    std::size_t size_ = 0;
};

} // namespace inflight
