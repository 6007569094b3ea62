// inflight/codec/property.hpp - MQTT 5.0 properties: one table, one borrowed and one owning container.
// Standard: MQTT 5.0 section 2.2.2, table 2-4.
#pragma once

#include <inflight/codec/topic.hpp>

#include <type_traits>

namespace inflight {

enum class property_id : std::uint8_t {
    payload_format_indicator = 0x01,
    message_expiry_interval = 0x02,
    content_type = 0x03,
    response_topic = 0x08,
    correlation_data = 0x09,
    subscription_identifier = 0x0B,
    session_expiry_interval = 0x11,
    assigned_client_identifier = 0x12,
    server_keep_alive = 0x13,
    authentication_method = 0x15,
    authentication_data = 0x16,
    request_problem_information = 0x17,
    will_delay_interval = 0x18,
    request_response_information = 0x19,
    response_information = 0x1A,
    server_reference = 0x1C,
    reason_string = 0x1F,
    receive_maximum = 0x21,
    topic_alias_maximum = 0x22,
    topic_alias = 0x23,
    maximum_qos = 0x24,
    retain_available = 0x25,
    user_property = 0x26,
    maximum_packet_size = 0x27,
    wildcard_subscription_available = 0x28,
    subscription_identifier_available = 0x29,
    shared_subscription_available = 0x2A,
};

enum class property_type : std::uint8_t { byte, two_byte, four_byte, varint, utf8, binary, utf8_pair };
enum class property_rule : std::uint8_t { any, zero_or_one, not_zero, alias, topic_name };

struct property_row {
    property_id id;
    std::string_view name;
    property_type type;
    property_rule rule;
    packet_set in;
    packet_set repeats{}; // Where it may be included more than once.
};

// MQTT 5.0 table 2-4, a row for each property, in ascending order.
inline constexpr auto property_table = [] {
    using enum packet_type;
    using enum property_type;
    using enum property_rule;
    using id = property_id;
    using on = packet_set;
    constexpr on all{will, connect, connack, publish, puback, pubrec, pubrel, pubcomp, subscribe, suback,
                     unsubscribe, unsuback, disconnect, auth};
    constexpr on replies{connack, puback, pubrec, pubrel, pubcomp, suback, unsuback, disconnect, auth};
    return std::to_array<property_row>({
        {id::payload_format_indicator, "payload_format_indicator", byte, zero_or_one, on{publish, will}},
        {id::message_expiry_interval, "message_expiry_interval", four_byte, any, on{publish, will}},
        {id::content_type, "content_type", utf8, any, on{publish, will}},
        {id::response_topic, "response_topic", utf8, topic_name, on{publish, will}},
        {id::correlation_data, "correlation_data", binary, any, on{publish, will}},
        {id::subscription_identifier, "subscription_identifier", varint, not_zero, on{publish, subscribe}, on{publish}},
        {id::session_expiry_interval, "session_expiry_interval", four_byte, any, on{connect, connack, disconnect}},
        {id::assigned_client_identifier, "assigned_client_identifier", utf8, any, on{connack}},
        {id::server_keep_alive, "server_keep_alive", two_byte, any, on{connack}},
        {id::authentication_method, "authentication_method", utf8, any, on{connect, connack, auth}},
        {id::authentication_data, "authentication_data", binary, any, on{connect, connack, auth}},
        {id::request_problem_information, "request_problem_information", byte, zero_or_one, on{connect}},
        {id::will_delay_interval, "will_delay_interval", four_byte, any, on{will}},
        {id::request_response_information, "request_response_information", byte, zero_or_one, on{connect}},
        {id::response_information, "response_information", utf8, any, on{connack}},
        {id::server_reference, "server_reference", utf8, any, on{connack, disconnect}},
        {id::reason_string, "reason_string", utf8, any, replies},
        {id::receive_maximum, "receive_maximum", two_byte, not_zero, on{connect, connack}},
        {id::topic_alias_maximum, "topic_alias_maximum", two_byte, any, on{connect, connack}},
        {id::topic_alias, "topic_alias", two_byte, alias, on{publish}},
        {id::maximum_qos, "maximum_qos", byte, zero_or_one, on{connack}},
        {id::retain_available, "retain_available", byte, zero_or_one, on{connack}},
        {id::user_property, "user_property", utf8_pair, any, all, all},
        {id::maximum_packet_size, "maximum_packet_size", four_byte, not_zero, on{connect, connack}},
        {id::wildcard_subscription_available, "wildcard_subscription_available", byte, zero_or_one, on{connack}},
        {id::subscription_identifier_available, "subscription_identifier_available", byte, zero_or_one, on{connack}},
        {id::shared_subscription_available, "shared_subscription_available", byte, zero_or_one, on{connack}},
    });
}();

static_assert(property_table.size() == 27);

// Where in property_table a number is, counted from 1. (Inside the function it would be built at each call.)
inline constexpr auto property_rows = [] {
    std::array<std::uint8_t, static_cast<std::size_t>(property_table.back().id) + 1> index{};
    for (std::size_t i = 0; i != property_table.size(); ++i)
        index[static_cast<std::size_t>(property_table[i].id)] = static_cast<std::uint8_t>(i + 1);
    return index;
}();

/// The row of the property with this number, or null when the standard has none.
constexpr const property_row* find_property(std::uint32_t number) {
    if (number >= property_rows.size() || property_rows[number] == 0) return nullptr;
    return &property_table[property_rows[number] - 1u];
}

constexpr const property_row& row(property_id id) { return *find_property(static_cast<std::uint32_t>(id)); }

constexpr bool is_text(property_id id) { return row(id).type >= property_type::utf8; }
constexpr bool is_pair(property_id id) { return row(id).type == property_type::utf8_pair; }

/// One property read in place: a number, or text; of a pair, `text` is the name and `value` the value.
struct property {
    const property_row* row = nullptr;
    std::uint32_t number = 0;
    std::string_view text{};
    std::string_view value{};
};

namespace detail {

constexpr property read_property(wire::reader& in) {
    using enum property_type;
    property out;
    out.row = find_property(in.varint());
    if (!out.row) {
        in.fail(errc::unknown_property); // [v5:U5-03]
        return out;
    }
    switch (out.row->type) {
        case byte: out.number = in.byte(); break;
        case two_byte: out.number = in.two_byte(); break;
        case four_byte: out.number = in.four_byte(); break;
        case varint: out.number = in.varint(); break;
        case utf8: out.text = in.utf8(); break;
        case binary: out.text = in.binary(); break;
        case utf8_pair:
            out.text = in.utf8();
            out.value = in.utf8();
            break;
    }
    return out;
}

constexpr errc check_value(const property& p) {
    switch (p.row->rule) {
        case property_rule::any: return errc::none;
        case property_rule::zero_or_one:
            return p.number > 1 ? errc::property_value : errc::none; // [v5:U5-05]
        case property_rule::not_zero:
            return p.number == 0 ? errc::property_value : errc::none; // [v5:U5-06] [v5:U5-07]
        case property_rule::alias:
            return p.number == 0 ? errc::topic_alias_invalid : errc::none; // [v5:MQTT-3.3.2-8]
        case property_rule::topic_name: return check_topic_name(p.text);   // [v5:MQTT-3.3.2-14]
    }
    return errc::none;
}

// These two stay out of the paths of packets without properties.
[[gnu::noinline]] constexpr errc check_each_property(std::string_view bytes, packet_type where) {
    std::uint64_t seen = 0;
    wire::reader in(bytes);
    while (!in.at_end()) {
        const property p = read_property(in);
        if (!in.ok()) break;
        if (!p.row->in.has(where)) return errc::property_not_allowed;
        const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(p.row->id);
        if ((seen & bit) != 0 && !p.row->repeats.has(where)) return errc::property_repeated; // [v5:U5-04]
        seen |= bit;
        if (const errc bad = check_value(p); bad != errc::none) return bad;
    }
    return in.error();
}

// The first one with this identifier; without a row if there is none.
[[gnu::noinline]] constexpr property first_property(std::string_view bytes, property_id id) {
    for (wire::reader in(bytes); !in.at_end();) {
        const property p = read_property(in);
        if (in.ok() && p.row->id == id) return p;
    }
    return {};
}

} // namespace detail

/// What is wrong with the property bytes of a packet of type `where`; none if they are good.
constexpr errc check_properties(std::string_view bytes, packet_type where) {
    return bytes.empty() ? errc::none : detail::check_each_property(bytes, where);
}

/// The properties of a packet, borrowed as the bytes that travel.
template <packet_type Where>
class properties_view {
public:
    constexpr properties_view() = default;
    /// `bytes` must outlive the view and must have passed check_properties.
    constexpr explicit properties_view(std::string_view bytes) : bytes_(bytes) {}

    constexpr bool empty() const { return bytes_.empty(); }
    constexpr std::string_view bytes() const { return bytes_; }
    friend constexpr bool operator==(properties_view, properties_view) = default;

    /// Calls `visit` with every property, in the order of the packet.
    template <class Visitor>
    constexpr void for_each(Visitor&& visit) const {
        for (wire::reader in(bytes_); !in.at_end();) {
            const property p = detail::read_property(in);
            if (in.ok()) visit(p);
        }
    }

    /// The value of a property, the first if it is repeated; empty when it is absent. What table 2-4 does not
    /// allow in this packet does not compile.
    template <property_id Id>
        requires(row(Id).in.has(Where) && !is_pair(Id))
    constexpr auto get() const {
        std::optional<std::conditional_t<is_text(Id), std::string_view, std::uint32_t>> out;
        if (empty()) return out;
        const property p = detail::first_property(bytes_, Id);
        if constexpr (is_text(Id)) {
            if (p.row) out = p.text;
        } else {
            if (p.row) out = p.number;
        }
        return out;
    }

    constexpr bool has(property_id id) const {
        return !bytes_.empty() && detail::first_property(bytes_, id).row;
    }

private:
    std::string_view bytes_{};
};

namespace detail {

// The bytes of owned properties, whatever the packet: what changes them is compiled once.
class property_bytes {
public:
    bool empty() const { return bytes_.empty(); }
    std::string_view bytes() const { return bytes_; }
    friend bool operator==(const property_bytes&, const property_bytes&) = default;

    /// Removes every property with this identifier.
    void erase(property_id id) {
        if (empty() || !first_property(bytes_, id).row) return;
        std::string kept;
        wire::reader in(bytes_);
        while (!in.at_end()) {
            const std::size_t begin = bytes_.size() - in.left();
            const property p = read_property(in);
            if (!in.ok()) return;
            if (p.row->id != id) kept.append(bytes_, begin, bytes_.size() - in.left() - begin);
        }
        bytes_ = std::move(kept);
    }

    void clear() { bytes_.clear(); }
    /// Bytes of memory.
    std::size_t capacity() const { return bytes_.capacity(); }

protected:
    property_bytes() = default;
    explicit property_bytes(std::string_view bytes) : bytes_(bytes) {}

    void assign(std::string_view bytes) { bytes_.assign(bytes); }

    void set_number(property_id id, bool is_repeatable, std::uint32_t number) {
        using enum property_type;
        const property_type type = row(id).type;
        if (!is_repeatable) erase(id);
        if (type == varint && number > wire::varint_max) number = 0; // Refused by check_properties.
        const std::size_t size = type == byte        ? 1
                                 : type == two_byte  ? 2
                                 : type == four_byte ? 4
                                                     : wire::varint_size(number);
        wire::writer out = grow(id, size);
        if (type == byte) out.byte(number & 0xFF);
        else if (type == two_byte) out.two_byte(number & 0xFFFF);
        else if (type == four_byte) out.four_byte(number);
        else out.varint(number);
    }

    void set_text(property_id id, std::string_view text) {
        if (text.size() > wire::text_max) return refuse();
        const std::string copy(text); // It may be borrowed from these very properties.
        erase(id);
        grow(id, 2 + copy.size()).binary(copy);
    }

    void add_pair(property_id id, std::string_view name, std::string_view value) {
        if (name.size() > wire::text_max || value.size() > wire::text_max) return refuse();
        const std::string copies[] = {std::string(name), std::string(value)}; // As above.
        wire::writer out = grow(id, 4 + name.size() + value.size());
        out.binary(copies[0]);
        out.binary(copies[1]);
    }

private:
    wire::writer grow(property_id id, std::size_t size) {
        const std::size_t before = bytes_.size();
        bytes_.resize(before + 1 + size);
        bytes_[before] = static_cast<char>(id); // Every identifier fits in one byte.
        return wire::writer(bytes_.data() + before + 1, size);
    }
    // A text that does not fit leaves bytes that no encoder accepts.
    void refuse() { bytes_.push_back('\0'); }

    std::string bytes_{};
};

} // namespace detail

/// The properties of a packet, owned. No property costs an allocation of its own.
template <packet_type Where>
class properties : public detail::property_bytes {
public:
    using view_type = properties_view<Where>;

    properties() = default;
    explicit properties(view_type view) : property_bytes(view.bytes()) {}

    /// Becomes a copy of what is in `view`, and keeps its memory.
    void assign(view_type view) { property_bytes::assign(view.bytes()); }

    view_type view() const { return view_type(bytes()); }
    operator view_type() const { return view(); }
    friend bool operator==(const properties&, const properties&) = default;

    template <class Visitor>
    void for_each(Visitor&& visit) const { view().for_each(std::forward<Visitor>(visit)); }
    template <property_id Id>
    auto get() const { return view().template get<Id>(); }
    bool has(property_id id) const { return view().has(id); }

    /// Sets a number, replacing an earlier value of the same property (the last one set of a repeatable one
    /// stays beside the others). A number wider than the field is cut to it.
    template <property_id Id>
        requires(row(Id).in.has(Where) && !is_text(Id))
    properties& set(std::uint32_t number) {
        set_number(Id, row(Id).repeats.has(Where), number);
        return *this;
    }

    /// Sets a text or binary property. `text` must not be longer than 65,535 bytes: encoding refuses a longer
    /// one.
    template <property_id Id>
        requires(row(Id).in.has(Where) && is_text(Id) && !is_pair(Id))
    properties& set(std::string_view text) {
        set_text(Id, text);
        return *this;
    }

    /// Adds a User Property; the same name may be added again, and order is kept.
    properties& add_user_property(std::string_view name, std::string_view value) {
        add_pair(property_id::user_property, name, value);
        return *this;
    }
};

} // namespace inflight
