// inflight/session/resend_queue.hpp - every message accepted from the application: one record with one state.
#pragma once

#include <inflight/codec/encode.hpp>
#include <inflight/session/byte_buffer.hpp>
#include <inflight/session/flow.hpp>
#include <inflight/session/id_table.hpp>
#include <inflight/session/options.hpp>

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
    std::uint32_t previous = 0, next = 0;   // In the list of its stage.
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
    byte_buffer bytes{};
};

/// Slots for records, a list for each stage in the order of sending, and a table from identifier to slot:
/// nothing here searches, and in the steady state nothing allocates, since freed slots keep their buffers for
/// the next message until trim(). The slot freed last is used first, while it is in the processor's cache.
class resend_queue {
public:
    using slot = std::uint32_t;
    static constexpr slot nil = 0; // Slot 0 is the head of no list and holds no record.
    static constexpr std::size_t small = 1024; // A freed slot keeps a buffer of this size in any case.
    static constexpr std::size_t kept_large = std::size_t{4} << 20; // Of others, this many bytes in all.

    struct list {
        slot first = nil, last = nil;
        std::size_t size = 0, bytes = 0;
        bool empty() const { return size == 0; }
    };

    outgoing_record& operator[](slot s) { return records_[s]; }
    const outgoing_record& operator[](slot s) const { return records_[s]; }

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
    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const list& l : lists_) sum += l.bytes;
        return sum;
    }

    /// A new record at the end of the list `at`, with an empty buffer. Invalidates references to records.
    [[gnu::always_inline]] slot add(stage at, packet_id id, qos level) {
        const slot s = take_free();
        static_cast<outgoing_state&>(records_[s]) = {
            .sequence = ++last_sequence_, .id = id, .qos = level, .at = at};
        link_last(of(at, level), s);
        if (id != packet_id::none) by_id_.set(id, s);
        return s;
    }

    /// The record of an identifier that is not settled, or nil.
    slot find(packet_id id) {
        const slot* found = by_id_.find(id);
        return found ? *found : nil;
    }

    /// To the end of the list of another stage, or of the same one.
    [[gnu::always_inline]] void move_last(slot s, stage at) {
        outgoing_record& r = records_[s];
        unlink(of(r.at, r.qos), s);
        r.at = at;
        link_last(of(at, r.qos), s);
    }

    /// The record has its outcome, its identifier names nothing any more, and its bytes are needed no more. It
    /// waits to be told, unless nobody asked.
    [[gnu::always_inline]] void settle(slot s, errc error, reason_code reason) {
        outgoing_record& r = records_[s];
        if (r.id != packet_id::none) by_id_.erase(r.id);
        unlink(of(r.at, r.qos), s);
        r.bytes.clear();
        if (r.tag == 0) return free(s);
        r.error = error;
        r.reason = reason;
        r.at = stage::settled;
        link_last(of(stage::settled), s);
    }

    /// What came with the acknowledgement that has just settled it. It takes the place of the packet until
    /// the outcome is told.
    void explain(slot s, std::string_view why) {
        outgoing_record& r = records_[s];
        if (r.at != stage::settled) return; // Nobody asked.
        r.bytes.assign(why);
        of(stage::settled).bytes += why.size();
    }

    /// The bytes of a record, which is about to be settled while the output still points to them.
    byte_buffer take_bytes(slot s) {
        outgoing_record& r = records_[s];
        of(r.at, r.qos).bytes -= r.bytes.size();
        return std::exchange(r.bytes, {});
    }

    /// The application knows, the slot is free.
    void release(slot s) {
        assert(records_[s].at == stage::settled);
        unlink(of(stage::settled), s);
        free(s);
    }

    /// A burst is over: gives back the memory it took.
    void trim() {
        if (unsettled() + of(stage::settled).size == 0) {
            records_ = std::vector<outgoing_record>();
            by_id_.clear();
            free_ = nil;
        } else {
            for (slot s = free_; s != nil; s = records_[s].next) records_[s].bytes.release();
        }
        large_ = 0;
    }

    /// Replaces the bytes of a record by the encoding of `p`, which has been measured.
    [[gnu::always_inline]] void encode(slot s, const publish& p, protocol_version version, measure size) {
        outgoing_record& r = records_[s];
        list& l = of(r.at, r.qos);
        l.bytes += size.total - r.bytes.size();
        r.bytes.clear();
        encode_measured(p, version, size, r.bytes.grow(size.total));
        r.version = version;
    }

    /// Fills a new record from a store.
    void restore(slot s, std::uint64_t sequence, std::string_view bytes, protocol_version version) {
        outgoing_record& r = records_[s];
        r.sequence = sequence;
        r.bytes.assign(bytes);
        r.version = version;
        of(r.at, r.qos).bytes += bytes.size();
        last_sequence_ = std::max(last_sequence_, sequence);
    }

    /// The records of these stages by sequence: the order of acceptance.
    std::vector<slot> sorted(std::initializer_list<stage> stages) {
        std::vector<slot> out;
        for (const stage at : stages) {
            for (slot s = of(at).first; s != nil; s = records_[s].next) out.push_back(s);
            if (at != stage::waiting) continue;
            for (slot s = of(at, qos::at_most_once).first; s != nil; s = records_[s].next) out.push_back(s);
        }
        std::sort(out.begin(), out.end(),
                  [&](slot a, slot b) { return records_[a].sequence < records_[b].sequence; });
        return out;
    }

private:
    static constexpr std::size_t place_of(stage at, qos level) {
        const bool is_qos_0 = at == stage::waiting && level == qos::at_most_once;
        return static_cast<std::size_t>(is_qos_0 ? stage::free : at); // Free slots need no such list.
    }

    [[gnu::always_inline]] slot take_free() {
        if (free_ == nil) {
            if (records_.empty()) records_.resize(1);
            records_.emplace_back();
            return static_cast<slot>(records_.size() - 1);
        }
        const slot s = std::exchange(free_, records_[free_].next);
        if (records_[s].bytes.capacity() > small) large_ -= records_[s].bytes.capacity();
        return s;
    }

    [[gnu::always_inline]] void free(slot s) {
        outgoing_record& r = records_[s];
        if (r.bytes.capacity() > small) {
            if (large_ + r.bytes.capacity() > kept_large) r.bytes.release();
            else large_ += r.bytes.capacity();
        }
        r.at = stage::free;
        r.next = std::exchange(free_, s);
    }

    [[gnu::always_inline]] void link_last(list& l, slot s) {
        records_[s].previous = l.last;
        records_[s].next = nil;
        (l.last == nil ? l.first : records_[l.last].next) = s;
        l.last = s;
        ++l.size;
        l.bytes += records_[s].bytes.size();
    }

    [[gnu::always_inline]] void unlink(list& l, slot s) {
        const outgoing_record& r = records_[s];
        (r.previous == nil ? l.first : records_[r.previous].next) = r.next;
        (r.next == nil ? l.last : records_[r.next].previous) = r.previous;
        --l.size;
        l.bytes -= r.bytes.size();
    }

    std::vector<outgoing_record> records_{};
    id_table<slot> by_id_{};
    std::array<list, 6> lists_{}; // One for each stage.
    slot free_ = nil;       // The first of the free slots.
    std::size_t large_ = 0; // Capacity of their buffers that are not small.
    std::uint64_t last_sequence_ = 0;
};

} // namespace inflight
