// inflight/codec/message_properties.hpp - the properties of an Application Message under the names of the
// standard.
//
// They stay one string of encoded bytes: as members of their own, optional texts above all, they would make
// each message that waits some 200 bytes larger, most of them for nothing. So they are functions here: a
// getter without an argument, and a setter with one, which returns the message. Standard: MQTT 5.0 sections
// 3.1.3.2 and 3.3.2.3.
#pragma once

#include <inflight/codec/bytes_view.hpp>
#include <inflight/codec/property.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>

namespace inflight {

/// What a payload is said to be. Nobody checks it but the receiver.
enum class payload_format : std::uint8_t { unspecified, utf8 };

/// The values of one property that may be repeated, in their order, borrowed from the message: a
/// std::string_view pair, name and value, for User Properties, and a number for Subscription Identifiers.
template <property_id Id>
class repeated_property {
public:
    using value_type =
        std::conditional_t<is_pair(Id), std::pair<std::string_view, std::string_view>, std::uint32_t>;

    class iterator {
    public:
        using value_type = repeated_property::value_type;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::input_iterator_tag;
        using iterator_concept = std::forward_iterator_tag;

        constexpr iterator() = default;
        constexpr explicit iterator(std::string_view bytes) : left_(bytes) { advance(); }
        constexpr value_type operator*() const { return value_; }
        constexpr iterator& operator++() {
            advance();
            return *this;
        }
        constexpr iterator operator++(int) {
            const iterator before = *this;
            advance();
            return before;
        }
        friend constexpr bool operator==(const iterator& a, const iterator& b) {
            return a.is_end_ == b.is_end_ && (a.is_end_ || a.left_.size() == b.left_.size());
        }

    private:
        constexpr void advance() {
            wire::reader in(left_);
            while (!in.at_end()) {
                const property p = detail::read_property(in);
                if (!in.ok() || p.row->id != Id) continue;
                if constexpr (is_pair(Id)) value_ = {p.text, p.value};
                else value_ = p.number;
                left_.remove_prefix(left_.size() - in.left());
                return;
            }
            *this = iterator();
        }

        std::string_view left_{};
        value_type value_{};
        bool is_end_ = left_.data() == nullptr;
    };

    constexpr repeated_property() = default;
    constexpr explicit repeated_property(std::string_view bytes) : bytes_(bytes) {}

    constexpr iterator begin() const { return bytes_.empty() ? iterator() : iterator(bytes_); }
    constexpr iterator end() const { return iterator(); }
    constexpr bool empty() const { return begin() == end(); }

private:
    std::string_view bytes_{};
};

using user_property_range = repeated_property<property_id::user_property>;
using subscription_identifier_range = repeated_property<property_id::subscription_identifier>;

/// Getters, for what has a member `props`. Texts are borrowed from it.
template <class Message, packet_type Where>
class message_property_getters {
public:
    payload_format payload_format_indicator() const {
        return payload_format(read().template get<property_id::payload_format_indicator>().value_or(0));
    }
    std::optional<std::chrono::seconds> message_expiry_interval() const {
        return seconds<property_id::message_expiry_interval>();
    }
    std::optional<std::string_view> content_type() const {
        return read().template get<property_id::content_type>();
    }
    std::optional<std::string_view> response_topic() const {
        return read().template get<property_id::response_topic>();
    }
    std::optional<std::string_view> correlation_data() const {
        return read().template get<property_id::correlation_data>();
    }
    /// Pairs of name and value.
    user_property_range user_properties() const { return user_property_range(read().bytes()); }
    /// The value of the first User Property with this name.
    std::optional<std::string_view> user_property(std::string_view name) const {
        for (const auto& [key, value] : user_properties())
            if (key == name) return value;
        return std::nullopt;
    }
    /// Of received messages: those of the subscriptions that it matches, as far as they have one.
    subscription_identifier_range subscription_identifiers() const
        requires(Where == packet_type::publish)
    {
        return subscription_identifier_range(read().bytes());
    }
    /// How long the broker waits before it publishes the Will.
    std::optional<std::chrono::seconds> will_delay_interval() const
        requires(Where == packet_type::will)
    {
        return seconds<property_id::will_delay_interval>();
    }
    friend bool operator==(const message_property_getters&, const message_property_getters&) = default;

protected:
    properties_view<Where> read() const { return static_cast<const Message&>(*this).props; }

    template <property_id Id>
    std::optional<std::chrono::seconds> seconds() const {
        const auto number = read().template get<Id>();
        return number ? std::optional(std::chrono::seconds(*number)) : std::nullopt;
    }
};

/// Setters as well, for what owns its properties. Each replaces the value before; `props.erase()` removes it.
/// What cannot be encoded (a text of more than 65,535 bytes, or one that is not UTF-8) is refused by
/// publish().
template <class Message, packet_type Where>
class message_properties : public message_property_getters<Message, Where> {
    using getters = message_property_getters<Message, Where>;

public:
    using getters::content_type, getters::correlation_data, getters::message_expiry_interval,
        getters::payload_format_indicator, getters::response_topic;

    Message& payload_format_indicator(payload_format format) {
        return set<property_id::payload_format_indicator>(static_cast<std::uint32_t>(format));
    }
    /// Whole seconds, 136 years at most.
    Message& message_expiry_interval(std::chrono::seconds expiry) {
        return set<property_id::message_expiry_interval>(four_bytes(expiry));
    }
    Message& content_type(std::string_view type) { return set<property_id::content_type>(type); }
    Message& response_topic(std::string_view topic) { return set<property_id::response_topic>(topic); }
    Message& correlation_data(bytes_view data) {
        return set<property_id::correlation_data>(std::string_view(data));
    }
    /// The same name may be added again, and order is kept.
    Message& add_user_property(std::string_view name, std::string_view value) {
        self().props.add_user_property(name, value);
        return self();
    }
    friend bool operator==(const message_properties&, const message_properties&) = default;

protected:
    template <property_id Id, class Value>
    Message& set(Value value) {
        self().props.template set<Id>(value);
        return self();
    }
    static std::uint32_t four_bytes(std::chrono::seconds time) {
        return static_cast<std::uint32_t>(std::clamp<std::int64_t>(time.count(), 0, 0xFFFF'FFFF));
    }

private:
    Message& self() { return static_cast<Message&>(*this); }
};

} // namespace inflight
