// inflight/session/explanation.hpp - what comes with an answer beside its Reason Code.
#pragma once

#include <inflight/codec/message_properties.hpp>

#include <memory>

namespace inflight {

/// Reason String and User Properties of an acknowledgement, SUBACK or UNSUBACK (5.0), owned. As a rule there
/// are none, and then it is a null pointer.
class explanation {
public:
    using view_type = properties_view<packet_type::puback>; // All these packets have the same two.

    explanation() = default;
    template <packet_type Where>
    explicit explanation(properties_view<Where> props) {
        if (!props.empty()) bytes_ = std::make_unique<const std::string>(props.bytes());
    }
    explanation(const explanation& other) : explanation(other.props()) {}
    explanation(explanation&&) noexcept = default;
    explanation& operator=(explanation other) noexcept {
        bytes_.swap(other.bytes_);
        return *this;
    }

    bool empty() const { return !bytes_; }
    /// Words for people; empty when there are none.
    std::string_view reason_string() const {
        return props().get<property_id::reason_string>().value_or(std::string_view{});
    }
    /// Pairs of name and value.
    user_property_range user_properties() const { return user_property_range(props().bytes()); }
    /// All of it.
    view_type props() const { return bytes_ ? view_type(*bytes_) : view_type(); }

    friend bool operator==(const explanation& a, const explanation& b) { return a.props() == b.props(); }

private:
    std::unique_ptr<const std::string> bytes_{};
};

} // namespace inflight
