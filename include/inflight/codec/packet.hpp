// inflight/codec/packet.hpp - the fifteen control packets, each field written down once.
//
// A packet is a plain value that borrows its texts, its payload and its properties: from the bytes it was
// decoded from, or from the caller who is going to encode it. Its fields() names the wire fields in wire
// order, and with require() the rules among them; measuring, encoding, decoding and printing are four
// visitors over that one list (encode.hpp, decode.hpp, print.hpp), and equality is the compiler's. What a
// message in flight passes through is inlined by force: at -O2 GCC would spend a third of a small PUBLISH on
// calls between these layers. Standard: MQTT 5.0 chapter 3; MQTT 3.1.1 chapter 3.
#pragma once

#include <inflight/codec/property.hpp>

#include <vector>

namespace inflight {

/// A named run of bits inside a flags byte.
template <class T>
struct bit_run {
    std::string_view name;
    T& value;
    unsigned shift;
    unsigned width;
};

template <class T>
constexpr bit_run<T> bits(std::string_view name, T& value, unsigned shift, unsigned width = 1) {
    return {name, value, shift, width};
}

/// The Will of a CONNECT packet.
struct will {
    properties_view<packet_type::will> props{};
    std::string_view topic{};
    std::string_view payload{};
    inflight::qos qos{};
    bool retain = false;
    friend bool operator==(const will&, const will&) = default;
};

struct connect {
    static constexpr packet_type type = packet_type::connect;
    bool clean_start = true; // Clean Session in 3.1.1.
    std::uint16_t keep_alive = 60; // Seconds; 0 turns it off.
    properties_view<type> props{};
    std::string_view client_id{};
    std::optional<inflight::will> will{};
    std::optional<std::string_view> user_name{};
    std::optional<std::string_view> password{};
    friend bool operator==(const connect&, const connect&) = default;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& v) {
        bool has_will = self.will.has_value(), will_retain = has_will && self.will->retain;
        bool has_user_name = self.user_name.has_value(), has_password = self.password.has_value();
        qos will_qos = has_will ? self.will->qos : qos::at_most_once;

        v.header(0);
        v.protocol("MQTT"); // [v5:MQTT-3.1.2-1] [v5:MQTT-3.1.2-2]
        v.flags(bits("clean_start", self.clean_start, 1), bits("will", has_will, 2),
                bits("will_qos", will_qos, 3, 2), bits("will_retain", will_retain, 5),
                bits("has_password", has_password, 6),
                bits("has_user_name", has_user_name, 7)); // [v5:MQTT-3.1.2-3]
        v.require(has_will || (will_qos == qos::at_most_once && !will_retain),
                  errc::will_flags); // [v5:MQTT-3.1.2-11] [v5:MQTT-3.1.2-13]
        v.require(v.v5() || has_user_name || !has_password,
                  errc::password_without_user_name); // [v3:MQTT-3.1.2-22]
        v.two_byte("keep_alive", self.keep_alive);
        if (v.v5()) v.properties(self.props);
        v.require(self.props.has(property_id::authentication_method) ||
                      !self.props.has(property_id::authentication_data),
                  errc::property_value);     // [v5:U5-08]
        v.utf8("client_id", self.client_id); // [v5:MQTT-3.1.3-3] [v5:MQTT-3.1.3-4]
        v.require(v.v5() || self.clean_start || !self.client_id.empty(),
                  errc::empty_client_id);     // [v3:MQTT-3.1.3-7]
        if (v.present(self.will, has_will)) { // [v5:MQTT-3.1.2-9]
            if (v.v5()) v.properties(self.will->props);
            v.topic("will_topic", self.will->topic); // [v5:MQTT-3.1.3-11]
            v.require(!self.will->topic.empty(), errc::topic_empty);
            v.binary("will_payload", self.will->payload);
            v.derived(self.will->qos, will_qos);
            v.derived(self.will->retain, will_retain);
        }
        if (v.present(self.user_name, has_user_name))
            v.utf8("user_name", *self.user_name); // [v5:MQTT-3.1.3-12]
        if (v.present(self.password, has_password))
            v.secret("password", *self.password); // [v5:MQTT-3.1.2-19]
    }
};

struct connack {
    static constexpr packet_type type = packet_type::connack;
    bool session_present = false;
    reason_code reason{}; // 3.1.1 return codes 1 to 5 are mapped; a reserved one keeps its number.
    properties_view<type> props{};
    friend bool operator==(const connack&, const connack&) = default;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& v) {
        v.header(0);
        v.flags(bits("session_present", self.session_present, 0)); // [v5:MQTT-3.2.2-1]
        v.reason("reason", self.reason); // [v5:MQTT-3.2.2-8]
        if (v.v5()) v.properties(self.props);
        v.require(self.props.has(property_id::authentication_method) ||
                      !self.props.has(property_id::authentication_data),
                  errc::property_value); // [v5:U5-08]
    }
};

struct publish {
    static constexpr packet_type type = packet_type::publish;
    bool dup = false;
    inflight::qos qos{};
    bool retain = false;
    std::string_view topic{};
    packet_id id{};
    properties_view<type> props{};
    std::string_view payload{};
    friend bool operator==(const publish&, const publish&) = default;

    template <class Self, class Visitor>
    [[gnu::always_inline]] static void fields(Self& self, Visitor& v) {
        v.header(bits("retain", self.retain, 0), bits("qos", self.qos, 1, 2),
                 bits("dup", self.dup, 3));                                           // [v5:MQTT-3.3.1-4]
        v.require(self.qos != qos::at_most_once || !self.dup, errc::dup_without_qos); // [v5:MQTT-3.3.1-2]
        v.topic("topic", self.topic); // [v5:MQTT-3.3.2-1] [v5:MQTT-3.3.2-2]
        if (self.qos != qos::at_most_once) v.identifier(self.id); // [v5:MQTT-2.2.1-2]
        if (v.v5()) v.properties(self.props);
        v.require(!self.topic.empty() || (v.v5() && self.props.has(property_id::topic_alias)),
                  errc::topic_empty); // [v5:U5-12]
        v.rest("payload", self.payload);
    }
};

/// PUBACK, PUBREC, PUBREL and PUBCOMP share one shape.
template <packet_type Type>
struct acknowledgement {
    static constexpr packet_type type = Type;
    packet_id id{};
    reason_code reason{};
    properties_view<Type> props{};
    friend bool operator==(const acknowledgement&, const acknowledgement&) = default;

    template <class Self, class Visitor>
    [[gnu::always_inline]] static void fields(Self& self, Visitor& v) {
        v.header(Type == packet_type::pubrel ? 0b0010 : 0); // [v5:MQTT-3.6.1-1]
        v.identifier(self.id);
        if (v.v5()) v.reason_tail(self.reason, self.props); // [v5:U5-21]
    }
};
using puback = acknowledgement<packet_type::puback>;
using pubrec = acknowledgement<packet_type::pubrec>;
using pubrel = acknowledgement<packet_type::pubrel>;
using pubcomp = acknowledgement<packet_type::pubcomp>;

/// One filter of a SUBSCRIBE packet with its Subscription Options.
struct subscription {
    std::string_view filter{};
    inflight::qos qos{};
    bool no_local = false, retain_as_published = false;
    inflight::retain_handling retain_handling{};
    friend bool operator==(const subscription&, const subscription&) = default;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& v) {
        v.filter("filter", self.filter); // [v5:MQTT-3.8.3-1]
        if (v.v5())
            v.flags(bits("qos", self.qos, 0, 2), bits("no_local", self.no_local, 2),
                    bits("retain_as_published", self.retain_as_published, 3),
                    bits("retain_handling", self.retain_handling, 4, 2)); // [v5:MQTT-3.8.3-5] [v5:U5-18]
        else
            v.flags(bits("qos", self.qos, 0, 2)); // [v3:MQTT-3.8.3-4]
        v.require(!v.v5() || !self.no_local || !is_shared(self.filter),
                  errc::shared_no_local); // [v5:MQTT-3.8.3-4]
    }
};

struct subscribe {
    static constexpr packet_type type = packet_type::subscribe;
    packet_id id{};
    properties_view<type> props{};
    std::vector<subscription> subscriptions{};
    friend bool operator==(const subscribe&, const subscribe&) = default;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& v) {
        v.header(0b0010); // [v5:MQTT-3.8.1-1]
        v.identifier(self.id);
        if (v.v5()) v.properties(self.props);
        v.one_or_more(self.subscriptions,
                      [&](auto& one) { subscription::fields(one, v); }); // [v5:MQTT-3.8.3-2]
    }
};

struct unsubscribe {
    static constexpr packet_type type = packet_type::unsubscribe;
    packet_id id{};
    properties_view<type> props{};
    std::vector<std::string_view> filters{};
    friend bool operator==(const unsubscribe&, const unsubscribe&) = default;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& v) {
        v.header(0b0010); // [v5:MQTT-3.10.1-1]
        v.identifier(self.id);
        if (v.v5()) v.properties(self.props);
        v.one_or_more(self.filters,
                      [&](auto& one) { v.filter("filter", one); }); // [v5:MQTT-3.10.3-1] [v5:MQTT-3.10.3-2]
    }
};

/// SUBACK and UNSUBACK.
template <packet_type Type>
struct subscription_reply {
    static constexpr packet_type type = Type;
    packet_id id{};
    properties_view<Type> props{};
    std::vector<reason_code> reasons{}; // One for each filter; a 3.1.1 UNSUBACK has none.
    friend bool operator==(const subscription_reply&, const subscription_reply&) = default;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& v) {
        v.header(0);
        v.identifier(self.id);
        if (v.v5()) v.properties(self.props);
        if (v.v5() || Type == packet_type::suback)
            v.one_or_more(self.reasons, [&](auto& one) { v.reason("reason", one); });
    }
};
using suback = subscription_reply<packet_type::suback>;
using unsuback = subscription_reply<packet_type::unsuback>;

template <packet_type Type>
struct ping {
    static constexpr packet_type type = Type;
    friend bool operator==(const ping&, const ping&) = default;
    template <class Self, class Visitor>
    static void fields(Self&, Visitor& v) { v.header(0); }
};
using pingreq = ping<packet_type::pingreq>;
using pingresp = ping<packet_type::pingresp>;

/// DISCONNECT, and AUTH, which 3.1.1 has not.
template <packet_type Type>
struct closing {
    static constexpr packet_type type = Type;
    reason_code reason{};
    properties_view<Type> props{};
    friend bool operator==(const closing&, const closing&) = default;

    template <class Self, class Visitor>
    static void fields(Self& self, Visitor& v) {
        v.header(0); // [v5:MQTT-3.14.1-1] [v5:MQTT-3.15.1-1]
        if (v.v5()) v.reason_tail(self.reason, self.props);
        v.require(Type != packet_type::auth || self.props.has(property_id::authentication_method)
                      || !self.props.has(property_id::authentication_data),
                  errc::property_value); // [v5:U5-08]
    }
};
using disconnect = closing<packet_type::disconnect>;
using auth = closing<packet_type::auth>;

// 3.1.1 CONNACK return codes 0 to 5, as 5.0 Reason Codes.
inline constexpr std::array connack_return_codes{
    reason_code::success, reason_code::unsupported_protocol_version, reason_code::client_identifier_not_valid,
    reason_code::server_unavailable, reason_code::bad_user_name_or_password, reason_code::not_authorized,
};

/// The byte that stands for `reason` in a CONNACK of that version: "return code" in 3.1.1.
constexpr std::uint8_t connack_byte(reason_code reason, protocol_version version) {
    if (version == protocol_version::v3_1_1)
        for (std::size_t i = 0; i != connack_return_codes.size(); ++i)
            if (connack_return_codes[i] == reason) return static_cast<std::uint8_t>(i);
    return number(reason);
}

} // namespace inflight
