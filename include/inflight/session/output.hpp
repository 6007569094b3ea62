// inflight/session/output.hpp - the bytes that are to be written next, as a gather list.
#pragma once

#include <inflight/codec/encode.hpp>
#include <inflight/session/byte_buffer.hpp>

#include <span>
#include <vector>

namespace inflight {

/// Two batches: one that gathers, and one that has been handed out and stays as it is until it has been
/// written. Small packets are copied into the batch, since one piece of memory for many packets costs a write
/// less than a piece each; large ones are pointed to.
class output_queue {
public:
    /// From this size on a packet is pointed to, not copied.
    static constexpr std::size_t large = 4096;

    /// Appends the encoding of `p`, or says why it cannot be encoded.
    template <class Packet>
    errc add(const Packet& p, protocol_version version, std::size_t maximum) {
        const result<measure> size = measure_packet(p, version, maximum);
        if (!size) return size.error();
        add(p, version, *size);
        return errc::none;
    }

    /// Appends the encoding of a packet that has been measured.
    template <class Packet>
    void add(const Packet& p, protocol_version version, measure size) {
        encode_measured(p, version, size, grow(size.total));
    }

    /// Appends the encoding of a PUBLISH that has been measured: its payload in the way of add_bytes().
    bool add_publish(publish p, protocol_version version, measure size) {
        const std::string_view payload = std::exchange(p.payload, {});
        size.total -= payload.size(); // The Remaining Length counts it all the same.
        add(p, version, size);
        return !payload.empty() && add_bytes(payload);
    }

    /// Appends bytes: copies them when there are few, else refers to them. True if it refers: then they must
    /// stay where they are until clear(), until they are written, or until they are given to keep().
    [[gnu::always_inline]] bool add_bytes(std::string_view bytes) {
        if (bytes.size() < large) {
            std::memcpy(grow(bytes.size()), bytes.data(), bytes.size());
            return false;
        }
        gathering_.pieces.push_back({bytes.data(), 0, bytes.size()});
        end_ += bytes.size();
        return true;
    }

    /// As add_bytes, with another first byte: a PUBLISH with DUP.
    bool add_bytes(std::string_view bytes, char first) {
        *grow(1) = first;
        return add_bytes(bytes.substr(1));
    }

    /// Owns bytes that may be referred to, as long as they are.
    void keep(byte_buffer&& bytes) { gathering_.kept.push_back(std::move(bytes)); }

    /// What gathers rests on a record whose commit has this ticket, and is withheld until committed(ticket).
    void rest_on(std::uint64_t ticket) { gathering_.ticket = std::max(gathering_.ticket, ticket); }
    void committed(std::uint64_t ticket) { committed_ = std::max(committed_, ticket); }

    /// What to write next; stays valid until written() or clear() is called. Everything that has gathered, in
    /// one list.
    std::span<const std::string_view> next() {
        if (views_.size() == first_view_ && !gathering_.pieces.empty()) {
            handed_out_.swap(gathering_);
            gathering_.reset();
            views_.clear();
            first_view_ = 0;
            for (const piece& p : handed_out_.pieces)
                views_.emplace_back((p.external ? p.external : handed_out_.buffer.data()) + p.begin, p.size);
        }
        if (handed_out_.ticket > committed_) return {};
        return std::span<const std::string_view>(views_).subspan(first_view_);
    }

    /// The first `size` bytes of next() have been written.
    void written(std::size_t size) {
        written_ += size;
        assert(written_ <= end_);
        while (size != 0) {
            std::string_view& front = views_[first_view_];
            const std::size_t n = std::min(size, front.size());
            front.remove_prefix(n);
            size -= n;
            if (front.empty()) ++first_view_;
        }
        if (first_view_ == views_.size()) handed_out_.reset();
    }

    /// Forgets all bytes: the connection is gone. What was not committed holds back the next one too, since
    /// that may repeat what rested on it.
    void clear() {
        const std::uint64_t ticket = std::max(gathering_.ticket, handed_out_.ticket);
        gathering_.reset();
        handed_out_.reset();
        gathering_.ticket = ticket;
        views_.clear();
        first_view_ = 0;
        written_ = end_;
    }

    /// A burst is over: gives back the memory it took.
    void trim() {
        for (byte_buffer* const b : {&gathering_.buffer, &handed_out_.buffer})
            if (b->empty() && b->capacity() > 1024) b->release();
    }

    bool empty() const { return written_ == end_; }
    std::size_t pending() const { return static_cast<std::size_t>(end_ - written_); }
    /// Positions, counted from the beginning of time: behind the last byte added, behind the last written.
    std::uint64_t end_position() const { return end_; }
    std::uint64_t written_position() const { return written_; }

private:
    struct piece {
        const char* external; // Null: `begin` counts from the start of the buffer.
        std::size_t begin, size;
    };

    struct batch {
        static constexpr std::size_t kept_capacity = std::size_t{2} << 20;
        byte_buffer buffer{};
        std::vector<piece> pieces{};
        std::vector<byte_buffer> kept{};
        std::uint64_t ticket = 0;

        void swap(batch& other) noexcept {
            buffer.swap(other.buffer);
            pieces.swap(other.pieces);
            kept.swap(other.kept);
            std::swap(ticket, other.ticket);
        }
        void reset() {
            buffer.clear();
            if (buffer.capacity() > kept_capacity) buffer.release();
            pieces.clear();
            kept.clear();
            ticket = 0;
        }
    };

    [[gnu::always_inline]] char* grow(std::size_t size) {
        if (gathering_.pieces.empty() || gathering_.pieces.back().external)
            gathering_.pieces.push_back({nullptr, gathering_.buffer.size(), 0});
        gathering_.pieces.back().size += size;
        end_ += size;
        return gathering_.buffer.grow(size);
    }

    batch gathering_{}, handed_out_{};
    std::vector<std::string_view> views_{};
    std::size_t first_view_ = 0;
    std::uint64_t end_ = 0, written_ = 0, committed_ = 0;
};

} // namespace inflight
