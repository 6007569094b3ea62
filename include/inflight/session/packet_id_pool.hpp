// inflight/session/packet_id_pool.hpp - the pool of packet identifiers: PUBLISH, SUBSCRIBE and UNSUBSCRIBE
// share one.
#pragma once

#include <inflight/codec/types.hpp>

#include <array>
#include <bit>
#include <cassert>
#include <memory>
#include <vector>

namespace inflight {

/// Hands out 1 to 65,535 in ascending order, then around again, skipping what is in use, and remembers a
/// value for each that is in use. Every call is O(1): identifiers that follow each other share a page, which
/// has a bit for each of them, and one more bit says that a page is full. Pages without an identifier in use
/// serve again: in the steady state nothing allocates. [v5:MQTT-2.2.1-3] [v5:MQTT-4.3.2-1] [v3:MQTT-2.3.1-2]
template <class Value>
class packet_id_pool {
public:
    explicit packet_id_pool(std::uint16_t first = 1) : next_(first == 0 ? std::uint16_t{1} : first) {}

    /// The next free identifier, taken; none when all 65,535 are in use.
    [[gnu::always_inline]] packet_id allocate() {
        const packet_id id = next_free();
        if (id != packet_id::none) take_free(id);
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
        take_free(id);
        return true;
    }

    [[gnu::always_inline]] void release(packet_id id) {
        assert(in_use(id));
        page& p = *pages_[page_of(id)];
        p.values[place_of(id)] = Value{};
        if (p.used == all) full_[page_of(id) / 64] &= ~bit(page_of(id));
        p.used &= ~bit(place_of(id));
        --count_;
        if (p.used == never_free(page_of(id))) spare_.push_back(std::move(pages_[page_of(id)]));
    }

    bool in_use(packet_id id) const { return (used(page_of(id)) & bit(place_of(id))) != 0; }

    /// The value of an identifier, Value{} until it is assigned one. Of an identifier that is not in use too.
    [[gnu::always_inline]] Value find(packet_id id) const {
        const std::size_t at = page_of(id);
        return has_page(at) ? pages_[at]->values[place_of(id)] : Value{};
    }
    [[gnu::always_inline]] void assign(packet_id id, Value value) {
        assert(in_use(id));
        pages_[page_of(id)]->values[place_of(id)] = value;
    }

    std::size_t count() const { return count_; }
    bool is_exhausted() const { return count_ == 65'535; }

    /// A burst is over: gives back the memory it took.
    void trim() {
        if (count_ == 0) std::vector<std::unique_ptr<page>>().swap(pages_);
        std::vector<std::unique_ptr<page>>().swap(spare_);
    }

private:
    static constexpr std::size_t page_size = 64, most_pages = 1024;
    static constexpr std::uint64_t all = ~std::uint64_t{0};

    struct page {
        std::uint64_t used = 0; // A bit for each identifier.
        std::array<Value, page_size> values{};
    };

    static constexpr std::size_t page_of(packet_id id) { return number(id) / page_size; }
    static constexpr std::size_t place_of(packet_id id) { return number(id) % page_size; }
    static constexpr std::uint64_t bit(std::size_t i) { return std::uint64_t{1} << (i % 64); }
    static constexpr std::uint16_t after(std::uint16_t id) {
        return static_cast<std::uint16_t>(id == 65'535 ? 1 : id + 1);
    }
    static constexpr std::uint64_t never_free(std::size_t at) { return at == 0 ? 1 : 0; } // There is no 0.

    bool has_page(std::size_t at) const { return at < pages_.size() && pages_[at]; }
    std::uint64_t used(std::size_t at) const { return has_page(at) ? pages_[at]->used : never_free(at); }

    [[gnu::always_inline]] void take_free(packet_id id) {
        const std::size_t at = page_of(id);
        page& p = has_page(at) ? *pages_[at] : add_page(at);
        p.used |= bit(place_of(id));
        if (p.used == all) full_[at / 64] |= bit(at);
        ++count_;
        next_ = after(number(id));
    }

    [[gnu::noinline]] page& add_page(std::size_t at) {
        if (at >= pages_.size()) pages_.resize(at + 1);
        if (spare_.empty()) {
            pages_[at] = std::make_unique<page>();
        } else {
            pages_[at] = std::move(spare_.back());
            spare_.pop_back();
        }
        pages_[at]->used = never_free(at);
        return *pages_[at];
    }

    [[gnu::always_inline]] packet_id next_free() const {
        return in_use(packet_id{next_}) ? search_free() : packet_id{next_};
    }

    [[gnu::noinline]] packet_id search_free() const {
        if (is_exhausted()) return packet_id::none;
        // In the page of next_, from next_ on; then the first page that is not full, from there around.
        const std::size_t start = next_ / page_size;
        const std::uint64_t here = ~used(start) & (all << (next_ % page_size));
        if (here != 0) return first_of(start, here);
        const std::size_t at = next_page_not_full((start + 1) % most_pages);
        return first_of(at, ~used(at));
    }

    std::size_t next_page_not_full(std::size_t from) const {
        std::size_t group = from / 64;
        std::uint64_t open = ~full_[group] & (all << (from % 64));
        while (open == 0) {
            group = (group + 1) % full_.size();
            open = ~full_[group];
        }
        return group * 64 + static_cast<std::size_t>(std::countr_zero(open));
    }

    static packet_id first_of(std::size_t at, std::uint64_t free_bits) {
        const auto place = static_cast<std::size_t>(std::countr_zero(free_bits));
        return packet_id{static_cast<std::uint16_t>(at * page_size + place)};
    }

    std::vector<std::unique_ptr<page>> pages_{}; // Up to the highest identifier used; null: none is in use.
    std::vector<std::unique_ptr<page>> spare_{};
    std::array<std::uint64_t, most_pages / 64> full_{};
    std::size_t count_ = 0;
    std::uint16_t next_;
};

} // namespace inflight
