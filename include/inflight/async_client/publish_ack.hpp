// inflight/async_client/publish_ack.hpp - the outcome of an asynchronous publish.
#pragma once

#include <inflight/codec/error.hpp>
#include <inflight/session/explanation.hpp>

#include <bit>
#include <cstdint>
#include <utility>

namespace inflight {

/// The outcome of a publish. It is as large as a pointer, since a coroutine that awaits it has it in its
/// frame twice, and there may be one for each of 65,535 messages in flight: only what has an explanation
/// takes memory of its own.
class publish_ack {
public:
    publish_ack() = default;
    publish_ack(std::uint16_t mid, reason_code reason, explanation why = {})
        : word_(why.empty() ? plain(mid, reason)
                            : std::bit_cast<std::uintptr_t>(new explained{mid, reason, std::move(why)})) {}
    publish_ack(const publish_ack& other)
        : word_(other.is_plain() ? other.word_
                                 : std::bit_cast<std::uintptr_t>(new explained(other.full()))) {}
    publish_ack(publish_ack&& other) noexcept : word_(std::exchange(other.word_, plain(0, {}))) {}
    publish_ack& operator=(publish_ack other) noexcept {
        std::swap(word_, other.word_);
        return *this;
    }
    ~publish_ack() {
        if (!is_plain()) delete &full();
    }

    std::uint16_t mid() const {
        return is_plain() ? static_cast<std::uint16_t>(word_ >> 16) : full().mid;
    }
    /// Of PUBACK, or of PUBREC; success for QoS 0.
    reason_code reason() const {
        return is_plain() ? static_cast<reason_code>(word_ >> 8 & 0xFF) : full().reason;
    }
    /// What the broker said besides.
    const explanation& why() const {
        static const explanation none{};
        return is_plain() ? none : full().why;
    }

private:
    struct explained {
        std::uint16_t mid;
        reason_code reason;
        explanation why;
    };

    // Either the address of what is explained, which is even, or an odd number.
    static constexpr std::uintptr_t plain(std::uint16_t mid, reason_code reason) {
        return std::uintptr_t{mid} << 16 | std::uintptr_t{static_cast<std::uint8_t>(reason)} << 8 | 1;
    }
    bool is_plain() const { return (word_ & 1) != 0; }
    const explained& full() const { return *std::bit_cast<const explained*>(word_); }

    std::uintptr_t word_ = plain(0, {});
};

} // namespace inflight
