// inflight/session/packet_id_allocator.hpp - the pool of packet identifiers: PUBLISH, SUBSCRIBE and
// UNSUBSCRIBE share one.
#pragma once

#include <inflight/codec/types.hpp>

#include <bit>
#include <cassert>
#include <vector>

namespace inflight {

/// Hands out 1 to 65,535 in ascending order, then around again, skipping what is in use. Every call is O(1):
/// one bit for each identifier, and one for each full word of them. Memory grows with the highest identifier
/// used, to 8 KiB. [v5:MQTT-2.2.1-3] [v5:MQTT-4.3.2-1] [v3:MQTT-2.3.1-2]
class packet_id_allocator {
public:
    explicit packet_id_allocator(std::uint16_t first = 1) : next_(first == 0 ? std::uint16_t{1} : first) {}

    /// The next free identifier, taken; none when all 65,535 are in use.
    [[gnu::always_inline]] packet_id allocate() {
        const packet_id id = next_free();
        if (id != packet_id::none) set(id);
        return id;
    }

    /// The next free identifier, not taken: good to name something for a while. none when all are in use.
    packet_id track() {
        const packet_id id = next_free();
        if (id != packet_id::none) next_ = after(number(id));
        return id;
    }

    /// Takes a given identifier, of a stored session; false if it is in use.
    bool take(packet_id id) {
        assert(id != packet_id::none);
        if (in_use(id)) return false;
        set(id);
        return true;
    }

    void release(packet_id id) {
        assert(in_use(id));
        const std::size_t word = number(id) / 64u;
        used_[word] &= ~bit(number(id));
        full_[word / 64] &= ~bit(word);
        --count_;
    }

    bool in_use(packet_id id) const {
        const std::size_t word = number(id) / 64u;
        return word < used_.size() && (used_[word] & bit(number(id))) != 0;
    }

    std::size_t count() const { return count_; }
    bool is_exhausted() const { return count_ == 65'535; }

private:
    static constexpr std::uint64_t all = ~std::uint64_t{0};
    static constexpr std::uint64_t bit(std::size_t i) { return std::uint64_t{1} << (i % 64); }
    static constexpr std::uint16_t after(std::uint16_t id) {
        return static_cast<std::uint16_t>(id == 65'535 ? 1 : id + 1);
    }
    static constexpr std::uint64_t full_word(std::size_t word) {
        return word == 0 ? all - 1 : all;
    } // There is no 0.
    std::uint64_t used(std::size_t word) const {
        const std::uint64_t bits = word < used_.size() ? used_[word] : 0;
        return word == 0 ? bits | 1 : bits;
    }

    [[gnu::always_inline]] void set(packet_id id) {
        const std::size_t word = number(id) / 64u;
        if (word >= used_.size()) used_.resize(word + 1, 0);
        used_[word] |= bit(number(id));
        if (used_[word] == full_word(word)) full_[word / 64] |= bit(word);
        ++count_;
        next_ = after(number(id));
    }

    [[gnu::always_inline]] packet_id next_free() const {
        return in_use(packet_id{next_}) ? search_free() : packet_id{next_};
    }

    packet_id search_free() const {
        if (is_exhausted()) return packet_id::none;
        // In the word of next_, from next_ on; then the first word that is not full, from there around.
        const std::size_t start = next_ / 64u;
        const std::uint64_t here = ~used(start) & (all << (next_ % 64u));
        if (here != 0) return at(start, here);
        const std::size_t word = next_word_not_full((start + 1) % 1024);
        return at(word, ~used(word));
    }

    std::size_t next_word_not_full(std::size_t from) const {
        std::size_t group = from / 64;
        std::uint64_t open = ~full_[group] & (all << (from % 64));
        while (open == 0) {
            group = (group + 1) % full_.size();
            open = ~full_[group];
        }
        return group * 64 + static_cast<std::size_t>(std::countr_zero(open));
    }

    static packet_id at(std::size_t word, std::uint64_t free_bits) {
        return packet_id{
            static_cast<std::uint16_t>(word * 64 + static_cast<std::size_t>(std::countr_zero(free_bits)))};
    }

    std::vector<std::uint64_t> used_{};
    std::array<std::uint64_t, 16> full_{};
    std::size_t count_ = 0;
    std::uint16_t next_;
};

} // namespace inflight
