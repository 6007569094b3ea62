// inflight/session/topic_aliases.hpp - numbers that stand for the topics we publish to, on one connection.
//
// A topic that is worth it gets an alias with its first message, which names both, and later ones leave it
// out. When all aliases are in use, a topic takes over the one used longest ago, but only if it has come up
// itself since then: where more topics take turns than there are aliases, each would otherwise lose its alias
// before it has saved anything. Standard: MQTT 5.0 section 3.3.2.3.4.
#pragma once

#include <inflight/codec/encode.hpp>

#include <bit>

namespace inflight {

class topic_aliases {
public:
    /// `count`: how many may be in use, 1 to 65,535.
    explicit topic_aliases(std::size_t count)
        : most_(count), places_(std::bit_ceil(2 * count)), seen_(places_.size()) {}

    /// Puts an alias into `p`, in place of its topic where the broker knows it, if that saves bytes now or
    /// may do so later. `size` is what it measures, then what it has become, at most `maximum`. What it
    /// borrows is good until the next call. It must go out on this connection, next of those that have been
    /// here. False: it is as it was.
    bool shorten(publish& p, measure& size, std::size_t maximum) {
        if (p.topic.size() <= cost) return false;
        ++now_;
        number alias = entries_[none].older; // As a rule it is the same topic again.
        if (entries_[alias].topic == p.topic) {
            p.topic = {};
        } else {
            const std::size_t hash = std::hash<std::string_view>{}(p.topic);
            if (alias = find(p.topic, hash); alias != none) {
                p.topic = {};
            } else {
                alias = size.total + cost + 2 > maximum ? none : take(hash); // Both lengths may grow.
                if (alias == none) return false;
                assign(alias, p.topic, hash);
            }
            use(alias);
        }
        entries_[alias].used_at = now_;
        resize(p, size, entries_[alias]);
        if (p.props.empty()) {
            p.props = entries_[alias].alone;
        } else {
            props_.assign(p.props);
            p.props = props_.set<property_id::topic_alias>(alias);
        }
        return true;
    }

private:
    using number = std::uint16_t;
    static constexpr number none = 0; // The head of the list, too.

    static constexpr std::size_t cost = 3; // Bytes of the property.

    struct entry { // Its place is the alias.
        std::string topic{};
        properties<packet_type::publish> alone{}; // The alias, for messages without properties.
        std::size_t hash = 0;
        std::uint64_t used_at = 0;
        number newer = none, older = none; // In the order of use.
        number next = none;                // In the same place of the table.
    };
    struct topic_seen { // That has no alias.
        std::size_t hash = 0;
        std::uint64_t at = 0;
    };

    number& first_in_place(std::size_t hash) { return places_[hash & (places_.size() - 1)]; }

    number find(std::string_view topic, std::size_t hash) {
        number n = first_in_place(hash);
        while (n != none && (entries_[n].hash != hash || entries_[n].topic != topic)) n = entries_[n].next;
        return n;
    }

    // The alias for a topic that has none: a free one, or one that is taken from another.
    number take(std::size_t hash) {
        if (entries_.size() <= most_) { // [v5:MQTT-3.2.2-17] [v5:MQTT-3.3.2-9]
            entries_.emplace_back();
            return static_cast<number>(entries_.size() - 1);
        }
        const number oldest = entries_[none].newer;
        topic_seen& seen = seen_[hash & (seen_.size() - 1)];
        const bool has_come_up = seen.hash == hash && seen.at > entries_[oldest].used_at;
        seen = {hash, now_};
        if (!has_come_up) return none;
        number* link = &first_in_place(entries_[oldest].hash);
        while (*link != oldest) link = &entries_[*link].next;
        *link = entries_[oldest].next;
        unlink(oldest);
        return oldest;
    }

    void assign(number alias, std::string_view topic, std::size_t hash) {
        entry& e = entries_[alias];
        e.topic = topic;
        e.alone.set<property_id::topic_alias>(alias); // Never 0. [v5:MQTT-3.3.2-8]
        e.hash = hash;
        e.next = std::exchange(first_in_place(hash), alias);
        e.newer = e.older = alias; // In a list of its own.
    }

    // The latest.
    void use(number alias) {
        unlink(alias);
        const number newest = entries_[none].older;
        entries_[alias].older = newest;
        entries_[alias].newer = none;
        entries_[newest].newer = alias;
        entries_[none].older = alias;
    }
    // `p` still has its own properties.
    static void resize(const publish& p, measure& size, const entry& e) {
        const std::size_t before = p.props.bytes().size();
        size.remaining += cost + wire::varint_size(before + cost) - wire::varint_size(before);
        if (p.topic.empty()) size.remaining -= e.topic.size();
        size.total = 1 + wire::varint_size(size.remaining) + size.remaining;
    }

    void unlink(number alias) {
        const auto [older, newer] = std::pair(entries_[alias].older, entries_[alias].newer);
        entries_[older].newer = newer;
        entries_[newer].older = older;
    }

    std::size_t most_;
    std::vector<entry> entries_{1};
    std::vector<number> places_; // A hash table of entries.
    std::vector<topic_seen> seen_; // By hash, the latest of each place.
    std::uint64_t now_ = 0; // Counts messages.
    properties<packet_type::publish> props_{};
};

} // namespace inflight
