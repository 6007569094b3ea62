// The store of a session in a simulation: a journal, of which a beginning is committed. A crash keeps that, and by
// chance some of the rest.
#pragma once

#include <inflight/session/store.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace simulation {

using inflight::packet_id;
using inflight::stored_message;

enum class durability {
    none,    // The state is gone with the process.
    at_once, // Each record is committed when keep() returns.
    later,   // Records are committed some time after.
};

/// Outlives the processes of a world.
class disk {
public:
    struct record {
        packet_id id;
        inflight::qos qos;
        inflight::flow state;
        inflight::protocol_version version;
        std::string bytes;
    };
    using messages = std::map<std::uint64_t, record>;

    explicit disk(durability how) : how_(how) {}

    bool is_durable() const { return how_ != durability::none; }
    std::uint64_t last_ticket() const { return base_ + journal_.size(); }
    std::uint64_t committed_ticket() const { return base_; }
    const messages& committed_messages() const { return messages_; }
    const std::set<packet_id>& committed_received() const { return received_; }
    /// What has been forgotten, and that for good, since this was last called.
    std::vector<record> take_forgotten() { return std::exchange(forgotten_, {}); }

    std::uint64_t keep(const stored_message& m) {
        return add({m.sequence, m.id, false, record{m.id, m.qos, m.state, m.version, std::string(m.bytes)}});
    }
    std::uint64_t forget(std::uint64_t sequence) { return add({sequence, packet_id::none, true, {}}); }
    std::uint64_t keep_received(packet_id id) { return add({0, id, false, {}}); }
    std::uint64_t forget_received(packet_id id) { return add({0, id, true, {}}); }

    void commit(std::uint64_t ticket) {
        if (ticket <= base_) return;
        const auto count = static_cast<std::ptrdiff_t>(ticket - base_);
        for (auto i = journal_.begin(); i != journal_.begin() + count; ++i) apply(*i);
        journal_.erase(journal_.begin(), journal_.begin() + count);
        base_ = ticket;
    }

    /// The process is gone, and with it all that was not committed but the next `lucky` entries.
    void crash(std::size_t lucky) {
        commit(base_ + std::min(lucky, journal_.size()));
        journal_.clear();
    }
    std::size_t uncommitted() const { return journal_.size(); }

private:
    struct entry {
        std::uint64_t sequence; // 0: about a received identifier.
        packet_id id;
        bool forgets;
        record kept;
    };

    std::uint64_t add(entry e) {
        if (how_ == durability::none) return 0;
        if (how_ == durability::at_once) {
            apply(e);
            return 0;
        }
        journal_.push_back(std::move(e));
        return last_ticket();
    }

    void apply(const entry& e) {
        if (e.sequence == 0 && e.forgets) received_.erase(e.id);
        else if (e.sequence == 0) received_.insert(e.id);
        else if (e.forgets) forget_message(e.sequence);
        else messages_[e.sequence] = e.kept;
    }

    void forget_message(std::uint64_t sequence) {
        const auto found = messages_.find(sequence);
        if (found == messages_.end()) return;
        forgotten_.push_back(std::move(found->second));
        messages_.erase(found);
    }

    durability how_;
    messages messages_{};
    std::set<packet_id> received_{};
    std::vector<record> forgotten_{};
    std::vector<entry> journal_{};
    std::uint64_t base_ = 0; // The ticket of the last entry committed.
};

/// What a session is given: a way to the disk.
class disk_store {
public:
    explicit disk_store(disk& d) : disk_(&d) {}

    std::uint64_t keep(const stored_message& m) { return disk_->keep(m); }
    void forget(std::uint64_t sequence) { disk_->forget(sequence); }
    std::uint64_t keep_received(packet_id id) { return disk_->keep_received(id); }
    std::uint64_t forget_received(packet_id id) { return disk_->forget_received(id); }

    template <class OnMessage, class OnReceived>
    void restore(OnMessage&& on_message, OnReceived&& on_received) {
        for (const auto& [sequence, r] : disk_->committed_messages())
            on_message(stored_message{sequence, r.id, r.qos, r.state, r.version, r.bytes});
        for (const packet_id id : disk_->committed_received()) on_received(id);
    }

private:
    disk* disk_;
};

static_assert(inflight::session_store<disk_store>);

} // namespace simulation
