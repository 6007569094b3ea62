// inflight/session/resend_queue.hpp - every message accepted from the application: one record with one state.
#pragma once

#include <inflight/codec/encode.hpp>
#include <inflight/session/byte_buffer.hpp>
#include <inflight/session/flow.hpp>
#include <inflight/session/options.hpp>
#include <inflight/session/packet_id_pool.hpp>

#include <algorithm>
#include <initializer_list>

namespace inflight {

/// Names one wish of the application to whoever drives the session; 0 is nobody.
using operation = std::uint64_t;

enum class stage : std::uint8_t {
    free,          // An empty slot.
    waiting,       // Never sent: no window, or no connection.
    waiting_again, // Sent on an earlier connection, not yet on this one.
    writing,       // QoS 0, handed to the output.
    in_flight,     // QoS 1 or 2, sent; `state` says what acknowledgement is awaited.
    settled,       // Has its outcome, which the application has not been told yet.
};

/// What is known of one message but its bytes.
struct outgoing_state {
    std::uint64_t sequence = 0; // Order of acceptance: key of order and of the store.
    operation tag = 0;
    time_point expires = time_point::max(); // While it waits to be sent for the first time.
    std::uint64_t written_at = 0; // Position in the output behind the last byte that needs this record.
    packet_id id{};
    inflight::qos qos{};
    stage at = stage::free;
    flow state = flow::none;
    protocol_version version{}; // That `bytes` are encoded for.
    bool dup = false;           // The next sending is a repeat in a session that the broker has kept.
    bool counted = false;       // Takes a unit of the send quota.
    errc error = errc::none;    // settled: what became of it.
    reason_code reason{};
};

/// One message. Its bytes are the whole PUBLISH packet with DUP 0, encoded once, and serve every sending.
struct outgoing_record : outgoing_state {
    outgoing_record *previous = nullptr, *next = nullptr; // In the list of its stage.
    byte_buffer bytes{};
};

/// Slots for records, which stay where they are, and a list for each stage in the order of sending: nothing
/// here searches, and in the steady state nothing allocates, since freed slots keep their buffers for the
/// next message until trim(). The slot freed last is used first, while it is in the processor's cache.
class resend_queue {
public:
    using slot = outgoing_record*;
    static constexpr slot nil = nullptr;
    static constexpr std::size_t small = 1024; // A freed slot keeps a buffer of this size in any case.
    static constexpr std::size_t kept_large = std::size_t{4} << 20; // Of others, this many bytes in all.

    struct list {
        slot first = nil, last = nil;
        std::size_t size = 0;
        bool empty() const { return size == 0; }
    };

    /// QoS 0 messages wait in a list of their own.
    list& of(stage at, qos level = qos::at_least_once) { return lists_[place_of(at, level)]; }
    const list& of(stage at, qos level = qos::at_least_once) const { return lists_[place_of(at, level)]; }

    std::size_t never_sent() const {
        return of(stage::waiting).size + of(stage::waiting, qos::at_most_once).size;
    }
    std::size_t waiting() const { return never_sent() + of(stage::waiting_again).size; }
    std::size_t in_flight() const { return of(stage::in_flight).size; }
    /// Messages accepted whose outcome is open.
    std::size_t unsettled() const { return waiting() + in_flight() + of(stage::writing).size; }
    std::uint64_t last_sequence() const { return last_sequence_; }
    /// Bytes of all packets held.
    std::size_t bytes() const { return bytes_; }

    /// A new record at the end of the list `at`, with an empty buffer.
    [[gnu::always_inline]] slot add(stage at, packet_id id, qos level) {
        const slot s = take_free();
        static_cast<outgoing_state&>(*s) = {
            .sequence = ++last_sequence_, .id = id, .qos = level, .at = at};
        link_last(of(at, level), s);
        return s;
    }

    /// To the end of the list of another stage, or of the same one.
    [[gnu::always_inline]] void move_last(slot s, stage at) {
        unlink(of(s->at, s->qos), s);
        s->at = at;
        link_last(of(at, s->qos), s);
    }

    /// The record has its outcome, and its bytes are needed no more. It waits to be told, unless nobody
    /// asked.
    [[gnu::always_inline]] void settle(slot s, errc error, reason_code reason) {
        unlink(of(s->at, s->qos), s);
        bytes_ -= s->bytes.size();
        s->bytes.clear();
        if (s->tag == 0) return free(s);
        s->error = error;
        s->reason = reason;
        s->at = stage::settled;
        link_last(of(stage::settled), s);
    }

    /// What came with the acknowledgement that has just settled it. It takes the place of the packet until
    /// the outcome is told.
    void explain(slot s, std::string_view why) {
        if (s->at != stage::settled) return; // Nobody asked.
        s->bytes.assign(why);
        bytes_ += why.size();
    }

    /// The bytes of a record, which is about to be settled while the output still points to them.
    byte_buffer take_bytes(slot s) {
        bytes_ -= s->bytes.size();
        return std::exchange(s->bytes, {});
    }

    /// The application knows, the slot is free.
    void release(slot s) {
        assert(s->at == stage::settled);
        unlink(of(stage::settled), s);
        free(s);
    }

    /// A burst is over: gives back the memory it took.
    void trim() {
        if (unsettled() + of(stage::settled).size == 0) {
            std::vector<block>().swap(blocks_);
            slots_ = 0;
            free_ = nil;
        } else {
            for (slot s = free_; s != nil; s = s->next) s->bytes.release();
        }
        large_ = 0;
    }

    /// Replaces the bytes of a record by the encoding of `p`, which has been measured.
    [[gnu::always_inline]] void encode(slot s, const publish& p, protocol_version version, measure size) {
        bytes_ += size.total - s->bytes.size();
        s->bytes.clear();
        encode_measured(p, version, size, s->bytes.grow(size.total));
        s->version = version;
    }

    /// Fills a new record from a store.
    void restore(slot s, std::uint64_t sequence, std::string_view bytes, protocol_version version) {
        s->sequence = sequence;
        s->bytes.assign(bytes);
        s->version = version;
        bytes_ += bytes.size();
        last_sequence_ = std::max(last_sequence_, sequence);
    }

    /// The records of these stages by sequence: the order of acceptance.
    std::vector<slot> sorted(std::initializer_list<stage> stages) {
        std::vector<slot> out;
        for (const stage at : stages) {
            for (slot s = of(at).first; s != nil; s = s->next) out.push_back(s);
            if (at != stage::waiting) continue;
            for (slot s = of(at, qos::at_most_once).first; s != nil; s = s->next) out.push_back(s);
        }
        std::sort(out.begin(), out.end(), [](slot a, slot b) { return a->sequence < b->sequence; });
        return out;
    }

private:
    static constexpr std::size_t place_of(stage at, qos level) {
        const bool is_qos_0 = at == stage::waiting && level == qos::at_most_once;
        return static_cast<std::size_t>(is_qos_0 ? stage::free : at); // Free slots need no such list.
    }

    [[gnu::always_inline]] slot take_free() {
        if (free_ == nil) add_block();
        const slot s = std::exchange(free_, free_->next);
        if (s->bytes.capacity() > small) large_ -= s->bytes.capacity();
        return s;
    }

    // As many slots as there are already. The first of them will be used first.
    [[gnu::noinline]] void add_block() {
        const std::size_t size = std::max<std::size_t>(slots_, 2);
        const block& added = blocks_.emplace_back(std::make_unique<outgoing_record[]>(size));
        slots_ += size;
        for (std::size_t i = size; i != 0; --i) added[i - 1].next = std::exchange(free_, &added[i - 1]);
    }

    [[gnu::always_inline]] void free(slot s) {
        if (s->bytes.capacity() > small) {
            if (large_ + s->bytes.capacity() > kept_large) s->bytes.release();
            else large_ += s->bytes.capacity();
        }
        s->at = stage::free;
        s->next = std::exchange(free_, s);
    }

    [[gnu::always_inline]] void link_last(list& l, slot s) {
        s->previous = l.last;
        s->next = nil;
        (l.last == nil ? l.first : l.last->next) = s;
        l.last = s;
        ++l.size;
    }

    [[gnu::always_inline]] void unlink(list& l, slot s) {
        (s->previous == nil ? l.first : s->previous->next) = s->next;
        (s->next == nil ? l.last : s->next->previous) = s->previous;
        --l.size;
    }

    using block = std::unique_ptr<outgoing_record[]>;

    std::vector<block> blocks_{};
    std::size_t slots_ = 0; // In all blocks.
    std::array<list, 6> lists_{}; // One for each stage.
    slot free_ = nil;       // The first of the free slots.
    std::size_t bytes_ = 0;
    std::size_t large_ = 0; // Capacity of their buffers that are not small.
    std::uint64_t last_sequence_ = 0;
};

/// Each identifier that is in use, with the record of its message, if it is that of one.
using packet_ids = packet_id_pool<resend_queue::slot>;

} // namespace inflight
