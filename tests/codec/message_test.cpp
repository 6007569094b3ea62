// Messages that own what they hold, and bytes borrowed for a call.
#include "codec/codec_support.hpp"

#include <cstddef>
#include <span>

using namespace codec_test;
using id = property_id;

namespace {

std::string_view borrowed(bytes_view bytes) { return bytes; }

static_assert(std::is_convertible_v<const char*, bytes_view>);
static_assert(std::is_convertible_v<std::string, bytes_view>);
static_assert(std::is_convertible_v<std::vector<std::byte>, bytes_view>);
static_assert(std::is_convertible_v<std::span<const unsigned char>, bytes_view>);
static_assert(!std::is_convertible_v<std::vector<int>, bytes_view>);
static_assert(!std::is_convertible_v<int, bytes_view>);

} // namespace

TEST_CASE("codec: a message outlives the buffer it was received in", "[codec]") {
    message m;
    {
        std::string bytes = hex("35 13 00 03 61 2F 62 00 07 08 23 00 03 03 00 02 74 78 68 69 21");
        const result<frame> f = next_frame(bytes);
        REQUIRE(f);
        const result<publish> p = decode_as<publish>(*f, v5);
        REQUIRE(p);
        m = own(*p);
        bytes.assign(bytes.size(), '\xFF');
    }
    CHECK(m.topic == "a/b");
    CHECK(m.payload == "hi!");
    CHECK(m.qos == qos::exactly_once);
    CHECK(m.retain);
    CHECK(m.props.get<id::topic_alias>() == 3u);
    CHECK(m.props.get<id::content_type>() == "tx");
}

TEST_CASE("codec: the packet of a message borrows from it and has all its fields", "[codec]") {
    message m{"a", "x", qos::at_least_once, true};
    m.props.set<id::message_expiry_interval>(5);
    publish p = m.packet();
    CHECK(p.topic.data() == m.topic.data());
    CHECK(p.payload.data() == m.payload.data());
    CHECK_FALSE(p.dup);
    CHECK(p.id == packet_id::none);
    p.id = packet_id{9};
    golden(p, v5, "33 0C 00 01 61 00 09 05 02 00 00 00 05 78");
    CHECK(own(p) == m);
}

TEST_CASE("codec: messages are equal when all their fields are", "[codec]") {
    const message one{"a", "x", qos::at_least_once, true};
    message other = one;
    CHECK(one == other);
    other.payload = "y";
    CHECK(one != other);
    other = one;
    other.props.set<id::topic_alias>(1);
    CHECK(one != other);
}

TEST_CASE("codec: a Will Message becomes the Will of CONNECT", "[codec][v5:MQTT-3.1.2-9]") {
    will_message w{"gone", "bye", qos::at_least_once, true};
    w.props.set<id::will_delay_interval>(5);
    const will borrowed_will = w.packet();
    CHECK(borrowed_will == will{.props = w.props, .topic = "gone", .payload = "bye", .qos = qos::at_least_once, .retain = true});
    golden(connect{.will = borrowed_will}, v5,
           "10 1E 00 04 4D 51 54 54 05 2E 00 3C 00 00 00 05 18 00 00 00 05 00 04 67 6F 6E 65 00 03 62 79 65");
}

TEST_CASE("codec: bytes are borrowed from text and from ranges of byte-sized elements", "[codec]") {
    const std::vector<std::uint8_t> numbers{0x61, 0x00, 0xFF};
    const std::array<std::byte, 2> bytes{std::byte{0x61}, std::byte{0x62}};
    const std::array<char, 3> chars{'a', '\0', 'b'};
    const std::string text = "a\0b"s;
    CHECK(borrowed(numbers) == "a\0\xFF"sv);
    CHECK(borrowed(numbers).data() == reinterpret_cast<const char*>(numbers.data()));
    CHECK(borrowed(std::span(bytes)) == "ab");
    CHECK(borrowed(chars) == "a\0b"sv);
    CHECK(borrowed(text) == text);
    CHECK(borrowed("literal") == "literal");
    CHECK(borrowed(std::string_view()).empty());
    CHECK(borrowed(std::vector<std::byte>{}).empty());
    CHECK(borrowed({}).empty());
}

TEST_CASE("codec: a message has the properties of the standard as functions of their names", "[codec]") {
    message m("a", "x");
    CHECK(m.payload_format_indicator() == payload_format::unspecified);
    CHECK_FALSE((m.message_expiry_interval() || m.content_type() || m.response_topic() || m.correlation_data()));
    CHECK(m.user_properties().empty());
    CHECK(m.subscription_identifiers().empty());

    const std::array<std::byte, 2> binary{std::byte{0}, std::byte{0xFF}};
    m.payload_format_indicator(payload_format::utf8).message_expiry_interval(5s).content_type("text/plain");
    m.response_topic("r").correlation_data(binary).add_user_property("k", "v").add_user_property("k", "w");
    golden(m.packet(), v5,
           "30 30 00 01 61 2B 01 01 02 00 00 00 05 03 00 0A 74 65 78 74 2F 70 6C 61 69 6E 08 00 01 72 09 00 02 00 FF "
           "26 00 01 6B 00 01 76 26 00 01 6B 00 01 77 78");
    CHECK(m.payload_format_indicator() == payload_format::utf8);
    CHECK(m.message_expiry_interval() == 5s);
    CHECK(m.content_type() == "text/plain");
    CHECK(m.response_topic() == "r");
    CHECK(m.correlation_data() == "\0\xFF"sv);
    CHECK(m.user_property("k") == "v");
    CHECK_FALSE(m.user_property("v"));

    m.content_type("b").message_expiry_interval(std::chrono::hours(1'000'000'000)); // Replaced; as long as there is.
    CHECK(m.content_type() == "b");
    CHECK(m.message_expiry_interval() == std::chrono::seconds(0xFFFF'FFFF));
    m.message_expiry_interval(-1s);
    CHECK(m.message_expiry_interval() == 0s);
}

TEST_CASE("codec: properties that repeat are a range, in their order, whatever stands between them", "[codec][v5:MQTT-3.3.2-17]") {
    using pair = std::pair<std::string_view, std::string_view>;
    message m("a", "x");
    m.add_user_property("b", "1").content_type("c");
    m.props.set<id::subscription_identifier>(7);
    m.add_user_property("a", "").props.set<id::subscription_identifier>(268'435'455);
    m.add_user_property("b", "1");
    const auto users = m.user_properties();
    static_assert(std::ranges::forward_range<decltype(users)>);
    CHECK(std::vector<pair>(users.begin(), users.end()) == std::vector<pair>{{"b", "1"}, {"a", ""}, {"b", "1"}});
    const auto numbers = m.subscription_identifiers();
    CHECK(std::vector<std::uint32_t>(numbers.begin(), numbers.end()) == std::vector<std::uint32_t>{7, 268'435'455});
}

TEST_CASE("codec: a Will Message has its properties as functions, the delay among them", "[codec]") {
    will_message w("gone", "bye");
    CHECK_FALSE(w.will_delay_interval());
    w.will_delay_interval(7s).content_type("t").add_user_property("k", "v");
    CHECK(w.will_delay_interval() == 7s);
    CHECK(w.props.get<id::will_delay_interval>() == 7u);
    CHECK(w.content_type() == "t");
    CHECK(w.user_property("k") == "v");
}

TEST_CASE("codec: names for the properties cost a message no memory", "[codec]") {
    struct plain {
        std::string topic, payload;
        inflight::qos qos;
        bool retain;
        std::string props;
    };
    CHECK(sizeof(message) == sizeof(plain));
    CHECK(sizeof(will_message) == sizeof(plain));
}
