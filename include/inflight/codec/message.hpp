// inflight/codec/message.hpp - Application Messages that own what they hold.
#pragma once

#include <inflight/codec/packet.hpp>

#include <concepts>
#include <ranges>

namespace inflight {

/// Bytes borrowed for the time of a call: text, or any contiguous range of byte-sized elements
/// (std::vector<std::uint8_t>, std::span<const std::byte>, std::array<char, N> ...).
class bytes_view {
public:
    constexpr bytes_view() = default;
    template <class Text>
        requires std::convertible_to<const Text&, std::string_view>
    constexpr bytes_view(const Text& text) : bytes_(text) {}
    template <std::ranges::contiguous_range Range>
        requires(!std::convertible_to<const Range&, std::string_view> &&
                 sizeof(std::ranges::range_value_t<Range>) == 1 &&
                 std::is_trivially_copyable_v<std::ranges::range_value_t<Range>>)
    bytes_view(const Range& bytes)
        : bytes_(reinterpret_cast<const char*>(std::ranges::data(bytes)), std::ranges::size(bytes)) {}

    constexpr operator std::string_view() const { return bytes_; }

private:
    std::string_view bytes_{};
};

/// An Application Message: what is published, and what subscribers get. (It has a constructor because GCC 12
/// destroys a braced aggregate twice when it is an argument inside a co_await expression.)
struct message {
    std::string topic{};
    std::string payload{};
    inflight::qos qos = qos::at_most_once;
    bool retain = false;
    properties<packet_type::publish> props{}; // Ignored where the connection speaks 3.1.1.

    message() = default;
    message(std::string_view name, bytes_view content, inflight::qos level = qos::at_most_once,
            bool is_retained = false, properties<packet_type::publish> properties = {})
        : topic(name),
          payload(std::string_view(content)),
          qos(level),
          retain(is_retained),
          props(std::move(properties)) {}
    friend bool operator==(const message&, const message&) = default;

    /// The packet that carries this message. It borrows: the message must outlive it.
    publish packet() const {
        return {.qos = qos, .retain = retain, .topic = topic, .props = props.view(), .payload = payload};
    }
};

/// The message a packet carries, copied out of the packet's buffer.
inline message own(const publish& p) {
    return {p.topic, p.payload, p.qos, p.retain, properties<packet_type::publish>(p.props)};
}

/// The Will Message: published by the broker when this client goes away without a word.
struct will_message {
    std::string topic{};
    std::string payload{};
    inflight::qos qos = qos::at_most_once;
    bool retain = false;
    properties<packet_type::will> props{};

    will packet() const { return {props.view(), topic, payload, qos, retain}; }
};

} // namespace inflight
