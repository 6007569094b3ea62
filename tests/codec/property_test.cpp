// Properties of MQTT 5.0: the table, the rules of values and repeats, the borrowed and the owned container.
#include "codec/codec_support.hpp"

#include <algorithm>

using namespace codec_test;
using id = property_id;

namespace {

template <packet_type Where>
errc check(std::string_view hex_text) { return check_properties(hex(hex_text), Where); }

// A good value of every property, as it travels.
struct vector_row {
    property_id id;
    std::string_view hex;
};
constexpr std::array vectors{
    vector_row{id::payload_format_indicator, "01 01"},
    vector_row{id::message_expiry_interval, "02 00 01 51 80"},
    vector_row{id::content_type, "03 00 04 74 65 78 74"},
    vector_row{id::response_topic, "08 00 03 72 2F 74"},
    vector_row{id::correlation_data, "09 00 03 00 FF 0A"},
    vector_row{id::subscription_identifier, "0B FF FF FF 7F"},
    vector_row{id::session_expiry_interval, "11 FF FF FF FF"},
    vector_row{id::assigned_client_identifier, "12 00 02 69 64"},
    vector_row{id::server_keep_alive, "13 01 2C"},
    vector_row{id::authentication_method, "15 00 05 53 43 52 41 4D"},
    vector_row{id::authentication_data, "16 00 02 FE 00"},
    vector_row{id::request_problem_information, "17 00"},
    vector_row{id::will_delay_interval, "18 00 00 00 05"},
    vector_row{id::request_response_information, "19 01"},
    vector_row{id::response_information, "1A 00 02 72 69"},
    vector_row{id::server_reference, "1C 00 01 73"},
    vector_row{id::reason_string, "1F 00 03 77 68 79"},
    vector_row{id::receive_maximum, "21 FF FF"},
    vector_row{id::topic_alias_maximum, "22 00 0A"},
    vector_row{id::topic_alias, "23 00 01"},
    vector_row{id::maximum_qos, "24 01"},
    vector_row{id::retain_available, "25 00"},
    vector_row{id::user_property, "26 00 01 6B 00 02 76 31"},
    vector_row{id::maximum_packet_size, "27 00 10 00 00"},
    vector_row{id::wildcard_subscription_available, "28 01"},
    vector_row{id::subscription_identifier_available, "29 00"},
    vector_row{id::shared_subscription_available, "2A 01"},
};

// set() writes the vector, and get() reads the value back.
template <packet_type Where, property_id Id, class Value>
void golden_property(Value value) {
    INFO(row(Id).name);
    const auto* vector = std::find_if(vectors.begin(), vectors.end(), [](const vector_row& v) { return v.id == Id; });
    properties<Where> props;
    props.template set<Id>(value);
    CHECK(to_hex(props.bytes()) == vector->hex);
    CHECK(props.has(Id));
    const std::string bytes = hex(vector->hex);
    const properties_view<Where> view(bytes);
    REQUIRE(view.template get<Id>());
    CHECK(*view.template get<Id>() == value);
    CHECK_FALSE(properties_view<Where>().template get<Id>());
}

template <class Props, property_id Id>
concept takes_number = requires(Props props) { props.template set<Id>(1u); };
template <class Props, property_id Id>
concept takes_text = requires(Props props) { props.template set<Id>("x"); };
template <class Props, property_id Id>
concept gives = requires(Props props) { props.template get<Id>(); };

// What table 2-4 does not allow does not compile.
static_assert(takes_number<properties<packet_type::publish>, id::topic_alias>);
static_assert(!takes_number<properties<packet_type::subscribe>, id::topic_alias>);
static_assert(!takes_text<properties<packet_type::publish>, id::topic_alias>);
static_assert(takes_text<properties<packet_type::will>, id::content_type>);
static_assert(!takes_text<properties<packet_type::connect>, id::content_type>);
static_assert(gives<properties_view<packet_type::connack>, id::receive_maximum>);
static_assert(!gives<properties_view<packet_type::puback>, id::receive_maximum>);

} // namespace

TEST_CASE("codec: the table of properties is table 2-4 of the standard", "[codec][v5:U5-03]") {
    const auto table = read_table("properties.csv");
    REQUIRE(table.size() == property_table.size());
    const std::vector<std::pair<property_type, std::string>> types{
        {property_type::byte, "Byte"}, {property_type::two_byte, "Two Byte Integer"},
        {property_type::four_byte, "Four Byte Integer"}, {property_type::varint, "Variable Byte Integer"},
        {property_type::utf8, "UTF-8 Encoded String"}, {property_type::binary, "Binary Data"},
        {property_type::utf8_pair, "UTF-8 String Pair"}};
    for (std::size_t i = 0; i != table.size(); ++i) {
        const property_row& ours = property_table[i];
        const std::string &number = table[i][0], &type_name = table[i][2], &packets = table[i][3], &repeat = table[i][4];
        std::string its_name = table[i][1];
        std::transform(its_name.begin(), its_name.end(), its_name.begin(),
                       [](char c) { return c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
        CAPTURE(its_name);
        CHECK(static_cast<unsigned long>(ours.id) == std::stoul(number, nullptr, 16));
        CHECK(ours.name == its_name);
        CHECK(std::find(types.begin(), types.end(), std::pair(ours.type, type_name)) != types.end());
        CHECK(find_property(static_cast<std::uint32_t>(ours.id)) == &ours);

        const bool repeats_everywhere = repeat.starts_with("yes"), repeats_in_publish = repeat.starts_with("PUBLISH: yes");
        CHECK((repeats_everywhere || repeats_in_publish || repeat == "no"));
        for (const packet_type where : packet_types) {
            CAPTURE(name(where));
            const bool allowed = lists(packets, where);
            CHECK(ours.in.has(where) == allowed);
            const bool may_repeat = allowed && (repeats_everywhere || (repeats_in_publish && where == packet_type::publish));
            CHECK(ours.repeats.has(where) == may_repeat);
        }
    }
}

TEST_CASE("codec: accepts every property where table 2-4 allows it, refuses it elsewhere and refuses its repeat",
          "[codec][v5:U5-03][v5:U5-04]") {
    const auto table = read_table("properties.csv");
    for (std::size_t i = 0; i != vectors.size(); ++i) {
        const std::string once = hex(vectors[i].hex), twice = once + once;
        CHECK(static_cast<unsigned long>(vectors[i].id) == std::stoul(table[i][0], nullptr, 16));
        for (const packet_type where : packet_types) {
            CAPTURE(table[i][1], name(where));
            const bool allowed = lists(table[i][3], where);
            const bool may_repeat = table[i][4].starts_with("yes") || (table[i][4] != "no" && where == packet_type::publish);
            CHECK(check_properties(once, where) == (allowed ? errc::none : errc::property_not_allowed));
            CHECK(check_properties(twice, where)
                  == (!allowed ? errc::property_not_allowed : may_repeat ? errc::none : errc::property_repeated));
        }
        for (std::size_t cut = 1; cut != once.size(); ++cut) // The smallest packet that allows it does not matter here.
            for (const packet_type where : packet_types)
                if (lists(table[i][3], where)) CHECK(check_properties(once.substr(0, cut), where) == errc::truncated);
    }
    CHECK(row(errc::property_not_allowed).reason == reason_code::malformed_packet);
    CHECK(row(errc::property_repeated).reason == reason_code::protocol_error);
}

TEST_CASE("codec: all 27 properties keep their value on the wire", "[codec][v5:MQTT-1.5.7-1]") {
    using enum packet_type;
    golden_property<publish, id::payload_format_indicator>(1u);
    golden_property<will, id::message_expiry_interval>(86'400u);
    golden_property<publish, id::content_type>("text"sv);
    golden_property<publish, id::response_topic>("r/t"sv);
    golden_property<will, id::correlation_data>("\0\xFF\n"sv);
    golden_property<subscribe, id::subscription_identifier>(wire::varint_max);
    golden_property<disconnect, id::session_expiry_interval>(0xFFFF'FFFFu);
    golden_property<connack, id::assigned_client_identifier>("id"sv);
    golden_property<connack, id::server_keep_alive>(300u);
    golden_property<auth, id::authentication_method>("SCRAM"sv);
    golden_property<connect, id::authentication_data>("\xFE\0"sv);
    golden_property<connect, id::request_problem_information>(0u);
    golden_property<will, id::will_delay_interval>(5u);
    golden_property<connect, id::request_response_information>(1u);
    golden_property<connack, id::response_information>("ri"sv);
    golden_property<disconnect, id::server_reference>("s"sv);
    golden_property<pubcomp, id::reason_string>("why"sv);
    golden_property<connect, id::receive_maximum>(65'535u);
    golden_property<connack, id::topic_alias_maximum>(10u);
    golden_property<publish, id::topic_alias>(1u);
    golden_property<connack, id::maximum_qos>(1u);
    golden_property<connack, id::retain_available>(0u);
    golden_property<connect, id::maximum_packet_size>(1u << 20);
    golden_property<connack, id::wildcard_subscription_available>(1u);
    golden_property<connack, id::subscription_identifier_available>(0u);
    golden_property<connack, id::shared_subscription_available>(1u);

    properties<unsuback> pair;
    pair.add_user_property("k", "v1");
    CHECK(to_hex(pair.bytes()) == vectors[22].hex);
    std::size_t seen = 0;
    pair.for_each([&](const property& p) {
        ++seen;
        CHECK(p.row->id == id::user_property);
        CHECK(p.text == "k");
        CHECK(p.value == "v1");
    });
    CHECK(seen == 1);
}

TEST_CASE("codec: refuses property identifiers that the standard does not have", "[codec][v5:U5-03]") {
    for (unsigned number = 0; number != 128; ++number) {
        const bool known = std::any_of(vectors.begin(), vectors.end(),
                                       [&](const vector_row& v) { return static_cast<unsigned>(v.id) == number; });
        CHECK((find_property(number) != nullptr) == known);
        if (!known) CHECK(check_properties(std::string(1, static_cast<char>(number)), packet_type::publish) == errc::unknown_property);
    }
    CHECK(find_property(0x81) == nullptr);
    CHECK(find_property(0x101) == nullptr);
    CHECK(find_property(wire::varint_max) == nullptr);
    CHECK(check<packet_type::publish>("81 01 01") == errc::unknown_property); // 129, not 1
    CHECK(row(errc::unknown_property).reason == reason_code::malformed_packet);
}

TEST_CASE("codec: one-byte switches take 0 and 1 only", "[codec][v5:U5-05]") {
    for (const property_row& one : property_table) {
        if (one.type != property_type::byte) continue;
        for (const packet_type where : packet_types) {
            if (!one.in.has(where)) continue;
            for (unsigned value = 0; value != 256; ++value) {
                const std::string bytes{static_cast<char>(one.id), static_cast<char>(value)};
                const errc bad = check_properties(bytes, where);
                if (bad != (value <= 1 ? errc::none : errc::property_value)) FAIL(one.name << " " << value);
            }
        }
    }
    CHECK(decode_error("20 05 00 00 02 24 02", v5) == errc::property_value); // Maximum QoS 2
    CHECK(row(errc::property_value).reason == reason_code::protocol_error);
}

TEST_CASE("codec: refuses a Receive Maximum of 0", "[codec][v5:U5-06]") {
    CHECK(check<packet_type::connack>("21 00 00") == errc::property_value);
    CHECK(check<packet_type::connack>("21 00 01") == errc::none);
    properties<packet_type::connect> props;
    props.set<id::receive_maximum>(0);
    CHECK(encode_error(connect{.props = props}, v5) == errc::property_value);
}

TEST_CASE("codec: refuses a Maximum Packet Size of 0", "[codec][v5:U5-07]") {
    CHECK(check<packet_type::connack>("27 00 00 00 00") == errc::property_value);
    CHECK(check<packet_type::connack>("27 00 00 00 01") == errc::none);
    properties<packet_type::connect> props;
    props.set<id::maximum_packet_size>(0);
    CHECK(encode_error(connect{.props = props}, v5) == errc::property_value);
}

TEST_CASE("codec: Authentication Data needs an Authentication Method beside it", "[codec][v5:U5-08]") {
    properties<packet_type::connect> props;
    props.set<id::authentication_data>("x");
    CHECK(encode_error(connect{.props = props}, v5) == errc::property_value);
    props.set<id::authentication_method>("m"); // Order does not matter.
    CHECK(encode_error(connect{.props = props}, v5) == errc::none);
    CHECK(decode_error("20 07 00 00 04 16 00 01 78", v5) == errc::property_value);
    CHECK(decode_error("20 0B 00 00 08 16 00 01 78 15 00 01 6D", v5) == errc::none);
    CHECK(decode_error("F0 06 18 04 16 00 01 78", v5) == errc::property_value);
    CHECK(decode_error("F0 0A 18 08 16 00 01 78 15 00 01 6D", v5) == errc::none);
    properties<packet_type::auth> answer;
    answer.set<id::authentication_data>("x");
    CHECK(encode_error(auth{.reason = reason_code::continue_authentication, .props = answer}, v5) == errc::property_value);
}

TEST_CASE("codec: a Subscription Identifier is 1 to 268,435,455, and single in SUBSCRIBE", "[codec][v5:U5-15][v5:U5-04]") {
    const auto subscribe_with = [](const properties<packet_type::subscribe>& props) {
        return encode_error(subscribe{.id = packet_id{1}, .props = props, .subscriptions = {{.filter = "a"}}}, v5);
    };
    properties<packet_type::subscribe> props;
    CHECK(subscribe_with(props.set<id::subscription_identifier>(0)) == errc::property_value);
    CHECK(subscribe_with(props.set<id::subscription_identifier>(1)) == errc::none);
    CHECK(subscribe_with(props.set<id::subscription_identifier>(wire::varint_max)) == errc::none);
    CHECK(subscribe_with(props.set<id::subscription_identifier>(wire::varint_max + 1)) == errc::property_value);
    const std::string twice = hex("0B 01 0B 02");
    CHECK(encode_error(subscribe{.id = packet_id{1},
                                 .props = properties_view<packet_type::subscribe>(twice),
                                 .subscriptions = {{.filter = "a"}}},
                       v5) == errc::property_repeated);
    CHECK(decode_error("30 06 00 01 61 02 0B 00", v5) == errc::property_value);
}

TEST_CASE("codec: a PUBLISH lists all its Subscription Identifiers, equal ones too, in their order", "[codec][v5:MQTT-3.3.4-4]") {
    with_decoded<publish>("30 0D 00 01 61 09 0B 05 0B 80 01 0B 05 0B 01", v5, [](const publish& p) {
        std::vector<std::uint32_t> all;
        p.props.for_each([&](const property& one) { all.push_back(one.number); });
        CHECK(all == std::vector<std::uint32_t>{5, 128, 5, 1});
        CHECK(p.props.get<id::subscription_identifier>() == 5u); // the first
    });
    properties<packet_type::publish> props;
    props.set<id::subscription_identifier>(5).set<id::subscription_identifier>(6);
    CHECK(to_hex(props.bytes()) == "0B 05 0B 06");
}

TEST_CASE("codec: both halves of a User Property are strings, and may be empty",
          "[codec][v5:MQTT-1.5.7-1][v5:MQTT-1.5.4-1][v5:MQTT-1.5.4-2]") {
    CHECK(check<packet_type::publish>("26 00 00 00 00") == errc::none);
    CHECK(check<packet_type::publish>("26 00 01 FF 00 01 61") == errc::not_utf8);
    CHECK(check<packet_type::publish>("26 00 01 61 00 01 FF") == errc::not_utf8);
    CHECK(check<packet_type::publish>("26 00 01 00 00 01 61") == errc::not_utf8);
    CHECK(check<packet_type::publish>("26 00 01 61 00 01 00") == errc::not_utf8);
    for (const auto& [text, value] : {std::pair{"\xFF"sv, "v"sv}, std::pair{"n"sv, "\xFF"sv}, std::pair{"n"sv, "\0"sv}}) {
        properties<packet_type::publish> props;
        props.add_user_property(text, value);
        CHECK(encode_error(publish{.topic = "a", .props = props}, v5) == errc::not_utf8);
    }
}

TEST_CASE("codec: User Properties keep their order and their repeats", "[codec]") {
    properties<packet_type::publish> props;
    props.add_user_property("b", "1").add_user_property("a", "2").add_user_property("b", "1");
    const publish p{.topic = "t", .props = props};
    golden(p, v5, "30 19 00 01 74 15 26 00 01 62 00 01 31 26 00 01 61 00 01 32 26 00 01 62 00 01 31");
    std::string order;
    p.props.for_each([&](const property& one) { order.append(one.text).append(one.value); });
    CHECK(order == "b1a2b1");
}

TEST_CASE("codec: a Response Topic is a topic name", "[codec][v5:MQTT-3.3.2-13][v5:MQTT-3.3.2-14][v5:MQTT-4.7.0-1]") {
    CHECK(check<packet_type::publish>("08 00 01 FF") == errc::not_utf8);
    CHECK(check<packet_type::publish>("08 00 03 61 2F 2B") == errc::topic_wildcard);
    CHECK(check<packet_type::publish>("08 00 01 23") == errc::topic_wildcard);
    CHECK(check<packet_type::will>("08 00 01 23") == errc::topic_wildcard);
    CHECK(check<packet_type::publish>("08 00 00") == errc::topic_empty);
    properties<packet_type::publish> props;
    props.set<id::response_topic>("a/#");
    CHECK(encode_error(publish{.topic = "a", .props = props}, v5) == errc::topic_wildcard);
    props.set<id::response_topic>("\xFF");
    CHECK(encode_error(publish{.topic = "a", .props = props}, v5) == errc::not_utf8);
}

TEST_CASE("codec: a Content Type is a UTF-8 string", "[codec][v5:MQTT-3.3.2-19]") {
    CHECK(check<packet_type::publish>("03 00 02 C0 80") == errc::not_utf8);
    CHECK(check<packet_type::publish>("03 00 00") == errc::none);
    properties<packet_type::publish> props;
    props.set<id::content_type>("\xC0\x80");
    CHECK(encode_error(publish{.topic = "a", .props = props}, v5) == errc::not_utf8);
}

TEST_CASE("codec: refuses a Topic Alias of 0 with the reason code for it", "[codec][v5:MQTT-3.3.2-8]") {
    CHECK(decode_error("30 07 00 01 61 03 23 00 00", v5) == errc::topic_alias_invalid);
    CHECK(row(errc::topic_alias_invalid).reason == reason_code::topic_alias_invalid);
    properties<packet_type::publish> props;
    props.set<id::topic_alias>(0);
    CHECK(encode_error(publish{.topic = "a", .props = props}, v5) == errc::topic_alias_invalid);
}

TEST_CASE("codec: a packet without properties still carries a Property Length of zero", "[codec][v5:MQTT-2.2.2-1]") {
    CHECK(encoded(connack{}, v5) == "20 03 00 00 00");
    CHECK(encoded(publish{.topic = "a"}, v5) == "30 04 00 01 61 00");
    CHECK(encoded(subscribe{.id = packet_id{1}, .subscriptions = {{.filter = "a"}}}, v5) == "82 07 00 01 00 00 01 61 00");
    CHECK(encoded(suback{.id = packet_id{1}, .reasons = {reason_code::success}}, v5) == "90 04 00 01 00 00");
    for (const auto missing : {"20 02 00 00", "30 03 00 01 61", "90 02 00 01", "B0 02 00 01"}) {
        CAPTURE(missing);
        CHECK(decode_error(missing, v5) == errc::truncated);
    }
    for (const auto past_the_end : {"20 03 00 00 01", "30 04 00 01 61 01", "40 04 00 01 00 01", "E0 02 00 01", "F0 02 18 7F"}) {
        CAPTURE(past_the_end);
        CHECK(decode_error(past_the_end, v5) == errc::truncated);
    }
    CHECK(decode_error("20 07 00 00 02 21 00 0A 00", v5) == errc::truncated); // The last property crosses the length.
    CHECK(row(errc::truncated).reason == reason_code::malformed_packet);
}

TEST_CASE("codec: setting a property again replaces it, and erasing it leaves the others", "[codec]") {
    properties<packet_type::connect> props;
    props.set<id::receive_maximum>(1).set<id::session_expiry_interval>(7).add_user_property("a", "b").set<id::receive_maximum>(2);
    CHECK(props.get<id::receive_maximum>() == 2u);
    CHECK(to_hex(props.bytes()) == "11 00 00 00 07 26 00 01 61 00 01 62 21 00 02");
    props.set<id::authentication_method>("one").set<id::authentication_method>("two");
    CHECK(props.get<id::authentication_method>() == "two");
    props.erase(id::user_property);
    props.erase(id::authentication_method);
    props.erase(id::topic_alias_maximum); // never there
    CHECK(to_hex(props.bytes()) == "11 00 00 00 07 21 00 02");
    CHECK_FALSE(props.empty());
    props.clear();
    CHECK(props.empty());
}

TEST_CASE("codec: a number wider than its property is cut to it", "[codec]") {
    properties<packet_type::connack> props;
    props.set<id::server_keep_alive>(0x1'0005).set<id::maximum_qos>(0x101);
    CHECK(props.get<id::server_keep_alive>() == 5u);
    CHECK(props.get<id::maximum_qos>() == 1u);
}

TEST_CASE("codec: refuses a property text of more than 65,535 bytes when the packet is encoded", "[codec][v5:MQTT-4.7.3-3]") {
    const std::string longest(65'535, 'a'), longer(65'536, 'a');
    const auto with = [](const properties<packet_type::publish>& props) { return encode_error(publish{.topic = "a", .props = props}, v5); };
    CHECK(with(properties<packet_type::publish>().set<id::content_type>(longest)) == errc::none);
    CHECK(with(properties<packet_type::publish>().set<id::content_type>(longer)) != errc::none);
    CHECK(with(properties<packet_type::publish>().add_user_property(longest, longest)) == errc::none);
    CHECK(with(properties<packet_type::publish>().add_user_property(longer, "")) != errc::none);
    CHECK(with(properties<packet_type::publish>().add_user_property("", longer)) != errc::none);
    CHECK(with(properties<packet_type::publish>().add_user_property("", longer).set<id::topic_alias>(1)) != errc::none);
}

TEST_CASE("codec: refuses borrowed property bytes that were never checked", "[codec]") {
    for (const auto bad : {"00", "01", "21 00 01", "01 01 01 01"}) { // unknown, cut off, not of PUBLISH, repeated
        const std::string bytes = hex(bad);
        CHECK(encode_error(publish{.topic = "a", .props = properties_view<packet_type::publish>(bytes)}, v5) != errc::none);
    }
}

TEST_CASE("codec: owned properties are a copy that compares by its bytes", "[codec]") {
    properties<packet_type::publish> copy;
    {
        properties<packet_type::publish> props;
        props.set<id::content_type>("text").add_user_property("k", "v");
        copy = properties<packet_type::publish>(props.view());
        CHECK(copy == props);
    }
    CHECK(copy.get<id::content_type>() == "text");
    CHECK(copy.has(id::user_property));
    CHECK_FALSE(copy.has(id::topic_alias));
    CHECK(copy != properties<packet_type::publish>());
}
