// Reason Codes: the table, where each code may stand, the return codes of 3.1.1, and error codes made of them.
#include "codec/codec_support.hpp"

#include <algorithm>
#include <cctype>

using namespace codec_test;

namespace {

std::string octet(unsigned value) { return to_hex(std::string(1, static_cast<char>(value))); }

std::string lower(std::string text) {
    for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
}

// A packet of 5.0 with this Reason Code, and what there is to say against the code in it.
struct carrier {
    packet_type type;
    std::string (*bytes)(unsigned code);
    errc (*encoding)(rc code);
};
template <class Packet>
errc encoding(Packet p) { return encode_error(p, v5); }

const std::vector<carrier> carriers{
    {packet_type::connack, [](unsigned c) { return "20 03 00 " + octet(c) + " 00"; }, [](rc c) { return encoding(connack{.reason = c}); }},
    {packet_type::puback, [](unsigned c) { return "40 03 00 01 " + octet(c); }, [](rc c) { return encoding(puback{packet_id{1}, c}); }},
    {packet_type::pubrec, [](unsigned c) { return "50 03 00 01 " + octet(c); }, [](rc c) { return encoding(pubrec{packet_id{1}, c}); }},
    {packet_type::pubrel, [](unsigned c) { return "62 03 00 01 " + octet(c); }, [](rc c) { return encoding(pubrel{packet_id{1}, c}); }},
    {packet_type::pubcomp, [](unsigned c) { return "70 03 00 01 " + octet(c); }, [](rc c) { return encoding(pubcomp{packet_id{1}, c}); }},
    {packet_type::suback, [](unsigned c) { return "90 04 00 01 00 " + octet(c); },
     [](rc c) { return encoding(suback{.id = packet_id{1}, .reasons = {c}}); }},
    {packet_type::unsuback, [](unsigned c) { return "B0 04 00 01 00 " + octet(c); },
     [](rc c) { return encoding(unsuback{.id = packet_id{1}, .reasons = {c}}); }},
    {packet_type::disconnect, [](unsigned c) { return "E0 01 " + octet(c); }, [](rc c) { return encoding(disconnect{.reason = c}); }},
    {packet_type::auth, [](unsigned c) { return "F0 02 " + octet(c) + " 00"; }, [](rc c) { return encoding(auth{.reason = c}); }},
};

// Every code in a packet of this type is taken and refused as the standard's table says.
void check_codes(packet_type type) {
    const auto table = read_table("reason_codes.csv");
    const auto& one = *std::find_if(carriers.begin(), carriers.end(), [&](const carrier& c) { return c.type == type; });
    for (unsigned code = 0; code != 256; ++code) {
        const bool allowed = std::any_of(table.begin(), table.end(), [&](const auto& line) {
            return std::stoul(line[0], nullptr, 16) == code && lists(line[2], type);
        });
        CAPTURE(name(type), code);
        CHECK(one.encoding(rc{static_cast<std::uint8_t>(code)}) == (allowed ? errc::none : errc::reason_not_allowed));
        const bool ends_connection = type == packet_type::connack || type == packet_type::disconnect;
        const bool taken = allowed || (ends_connection && code >= 0x80);
        CHECK(decode_error(one.bytes(code), v5) == (taken ? errc::none : errc::reason_not_allowed));
    }
}

} // namespace

TEST_CASE("codec: the table of reason codes is table 2-6 of the standard", "[codec]") {
    const auto table = read_table("reason_codes.csv");
    std::vector<unsigned> numbers;
    for (const auto& line : table) {
        const auto number = static_cast<unsigned>(std::stoul(line[0], nullptr, 16));
        CAPTURE(line[1]);
        const reason_row* known = find_reason(rc{static_cast<std::uint8_t>(number)});
        REQUIRE(known);
        if (numbers.empty() || numbers.back() != number) { // 0x00 has three names.
            CHECK(lower(std::string(known->name)) == lower(line[1]));
            numbers.push_back(number);
        }
        for (const packet_type type : packet_types) {
            CAPTURE(name(type));
            const bool listed = std::any_of(table.begin(), table.end(),
                                            [&](const auto& other) { return other[0] == line[0] && lists(other[2], type); });
            CHECK(known->in.has(type) == listed);
        }
    }
    CHECK(numbers.size() == 43);
    REQUIRE(numbers.size() == reason_table.size());
    for (std::size_t i = 0; i != numbers.size(); ++i) CHECK(number(reason_table[i].code) == numbers[i]);
    for (unsigned code = 0; code != 256; ++code)
        CHECK((find_reason(rc{static_cast<std::uint8_t>(code)}) != nullptr)
              == (std::find(numbers.begin(), numbers.end(), code) != numbers.end()));
}

TEST_CASE("codec: CONNACK takes the codes of its own table, and any refusal", "[codec][v5:MQTT-3.2.2-8]") {
    check_codes(packet_type::connack);
}
TEST_CASE("codec: PUBACK takes the codes of its own table only", "[codec][v5:MQTT-3.4.2-1]") { check_codes(packet_type::puback); }
TEST_CASE("codec: PUBREC takes the codes of its own table only", "[codec][v5:MQTT-3.5.2-1]") { check_codes(packet_type::pubrec); }
TEST_CASE("codec: PUBREL takes the codes of its own table only", "[codec][v5:MQTT-3.6.2-1]") { check_codes(packet_type::pubrel); }
TEST_CASE("codec: PUBCOMP takes the codes of its own table only", "[codec][v5:MQTT-3.7.2-1]") { check_codes(packet_type::pubcomp); }
TEST_CASE("codec: SUBACK takes the codes of its own table only", "[codec][v5:MQTT-3.9.3-2]") { check_codes(packet_type::suback); }
TEST_CASE("codec: UNSUBACK takes the codes of its own table only", "[codec][v5:MQTT-3.11.3-2]") { check_codes(packet_type::unsuback); }
TEST_CASE("codec: DISCONNECT takes the codes of its own table, and any refusal", "[codec][v5:MQTT-3.14.2-1]") {
    check_codes(packet_type::disconnect);
}
TEST_CASE("codec: AUTH takes the codes of its own table only", "[codec][v5:MQTT-3.15.2-1]") { check_codes(packet_type::auth); }

TEST_CASE("codec: a code that is not allowed is a protocol error", "[codec][v5:MQTT-3.4.2-1]") {
    CHECK(row(errc::reason_not_allowed).reason == rc::protocol_error);
}

TEST_CASE("codec: a refusal that no table knows keeps its number and is a refusal", "[codec][v5:MQTT-3.2.2-8][v5:MQTT-3.14.2-1]") {
    for (const unsigned code : {0x92u, 0xA3u, 0xF0u, 0xFFu}) {
        with_decoded<connack>("20 03 00 " + octet(code) + " 00", v5, [&](const connack& p) {
            CHECK(number(p.reason) == code);
            CHECK(is_refusal(p.reason));
        });
        with_decoded<disconnect>("E0 01 " + octet(code), v5, [&](const disconnect& p) {
            CHECK(number(p.reason) == code);
            CHECK(is_refusal(p.reason));
        });
    }
}

TEST_CASE("codec: the return codes of a 3.1.1 CONNACK become reason codes and back", "[codec][v3:U3-04]") {
    const std::vector<rc> meaning{rc::success, rc::unsupported_protocol_version, rc::client_identifier_not_valid,
                                  rc::server_unavailable, rc::bad_user_name_or_password, rc::not_authorized};
    for (unsigned code = 0; code != meaning.size(); ++code) {
        golden(connack{.reason = meaning[code]}, v3, "20 02 00 " + octet(code));
        CHECK(connack_byte(meaning[code], v3) == code);
        CHECK(connack_byte(meaning[code], v5) == number(meaning[code]));
    }
}

TEST_CASE("codec: a reserved return code of a 3.1.1 CONNACK is read and is not success", "[codec][v3:U3-04]") {
    for (unsigned code = 6; code != 256; ++code)
        with_decoded<connack>("20 02 00 " + octet(code), v3, [&](const connack& p) {
            CHECK(p.reason != rc::success);
            CHECK(number(p.reason) == code);
        });
    golden(connack{.reason = rc{6}}, v3, "20 02 00 06");
    golden(connack{.reason = rc{0x7F}}, v3, "20 02 00 7F");
}

TEST_CASE("codec: refuses what a 3.1.1 CONNACK cannot say", "[codec][v3:U3-04]") {
    for (unsigned code = 1; code <= 5; ++code) // As a number it would mean another refusal.
        CHECK(encode_error(connack{.reason = rc{static_cast<std::uint8_t>(code)}}, v3) == errc::reason_not_allowed);
    CHECK(encode_error(connack{.reason = rc::quota_exceeded}, v3) == errc::reason_not_allowed);
    CHECK(encode_error(connack{.reason = rc::banned}, v3) == errc::reason_not_allowed);
}

TEST_CASE("codec: a 3.1.1 SUBACK takes 0, 1, 2 and 128 only", "[codec][v3:MQTT-3.9.3-2]") {
    for (unsigned code = 0; code != 256; ++code) {
        const bool allowed = code <= 2 || code == 0x80;
        CAPTURE(code);
        CHECK(decode_error("90 03 00 01 " + octet(code), v3) == (allowed ? errc::none : errc::reason_not_allowed));
        CHECK(encode_error(suback{.id = packet_id{1}, .reasons = {rc{static_cast<std::uint8_t>(code)}}}, v3)
              == (allowed ? errc::none : errc::reason_not_allowed));
    }
}

TEST_CASE("codec: codes from 0x80 on are refusals, and no others", "[codec][v5:MQTT-3.8.4-7]") {
    for (unsigned code = 0; code != 256; ++code) CHECK(is_refusal(rc{static_cast<std::uint8_t>(code)}) == (code >= 0x80));
}

TEST_CASE("codec: a packet of 3.1.1 without room for a reason code leaves it out", "[codec]") {
    CHECK(encoded(puback{packet_id{1}, rc::quota_exceeded}, v3) == "40 02 00 01");
    CHECK(encoded(unsuback{.id = packet_id{1}, .reasons = {rc::success}}, v3) == "B0 02 00 01");
}

TEST_CASE("codec: errors and reason codes are error codes of two categories, with words", "[codec]") {
    const std::error_code ours = errc::not_utf8, theirs = rc::not_authorized;
    CHECK(ours == errc::not_utf8);
    CHECK(ours != errc::truncated);
    CHECK(ours.category() == protocol_category());
    CHECK(ours.message() == "text is not UTF-8, or holds U+0000");
    CHECK(theirs == rc::not_authorized);
    CHECK(theirs.value() == 0x87);
    CHECK(theirs.category() == reason_category());
    CHECK(theirs.message() == "not authorized");
    CHECK(ours.category() != theirs.category());
    CHECK_FALSE(std::error_code(errc::none));
    CHECK_FALSE(std::error_code(rc::success));
    CHECK(std::string(ours.category().name()) == "inflight");
    CHECK(std::string(theirs.category().name()) == "mqtt");
    CHECK(std::error_code(rc{0xF0}).message() == "unknown reason code");
}

TEST_CASE("codec: every error has words of its own, and a reason code that a client may send in DISCONNECT", "[codec]") {
    for (const errc_row& one : errc_table) {
        CAPTURE(one.text);
        CHECK_FALSE(one.text.empty());
        CHECK(std::count_if(errc_table.begin(), errc_table.end(), [&](const errc_row& other) { return other.text == one.text; }) == 1);
        CHECK((one.clause.empty() || one.clause.starts_with("v5:") || one.clause.starts_with("v3:")));
    }
    const auto table = read_table("reason_codes.csv");
    for (std::size_t i = 0; i != errc_table.size(); ++i) {
        const errc code = errc_table[i].code;
        // These end no connection of a client: they refuse what it was about to send, or are a server's.
        if (code == errc::bad_protocol_name || code == errc::empty_client_id || code == errc::retain_not_supported
            || code == errc::wildcards_not_supported || code == errc::shared_not_supported
            || code == errc::subscription_identifiers_not_supported)
            continue;
        CAPTURE(errc_table[i].text);
        CHECK(std::any_of(table.begin(), table.end(), [&](const auto& line) {
            return std::stoul(line[0], nullptr, 16) == number(errc_table[i].reason) && lists(line[3], packet_type::disconnect);
        }));
    }
}

TEST_CASE("codec: every error is worth another attempt or not, but those after which there is nothing to try", "[codec]") {
    const auto judged = [](std::error_code error) {
        CHECK_FALSE((error == error_condition::fatal && error == error_condition::transient));
        return error == error_condition::fatal ? 'f' : error == error_condition::transient ? 't' : '-';
    };
    for (const errc_row& one : errc_table) {
        CAPTURE(one.text);
        const bool is_neither = one.code == errc::none || one.code == errc::need_more || one.code == errc::downgraded_qos;
        CHECK((judged(one.code) == '-') == is_neither);
    }
    for (const reason_row& one : reason_table) {
        CAPTURE(one.name);
        CHECK((judged(one.code) == '-') == !is_refusal(one.code));
    }
    for (const errc fatal : {errc::topic_wildcard, errc::filter_invalid, errc::packet_too_large, errc::shutting_down,
                             errc::would_deadlock, errc::empty_client_id, errc::session_expiry_zero})
        CHECK(judged(fatal) == 'f');
    for (const errc transient : {errc::connection_lost, errc::keep_alive_timeout, errc::ack_timeout, errc::connect_timeout,
                                 errc::queue_full, errc::not_connected, errc::session_lost, errc::truncated})
        CHECK(judged(transient) == 't');
    for (const rc fatal : {rc::bad_user_name_or_password, rc::not_authorized, rc::banned, rc::client_identifier_not_valid,
                           rc::session_taken_over, rc::server_moved, rc::qos_not_supported})
        CHECK(judged(fatal) == 'f');
    for (const rc transient : {rc::server_busy, rc::server_unavailable, rc::use_another_server, rc::quota_exceeded,
                               rc::connection_rate_exceeded, rc::unspecified_error, rc::server_shutting_down})
        CHECK(judged(transient) == 't');
    CHECK(std::error_condition(error_condition::fatal).message() == "cannot succeed unless something is changed");
    CHECK(std::error_condition(error_condition::transient).message() == "may succeed later");
    CHECK(std::string(std::error_condition(error_condition::fatal).category().name()) == "inflight.condition");
}

TEST_CASE("codec: the system's errors are judged too, and Asio's by the name of their category", "[codec]") {
    for (const std::errc transient : {std::errc::connection_refused, std::errc::network_unreachable, std::errc::timed_out,
                                      std::errc::too_many_files_open, std::errc::permission_denied})
        CHECK(std::error_code(static_cast<int>(transient), std::system_category()) == error_condition::transient);
    const std::error_code hopeless(static_cast<int>(std::errc::invalid_argument), std::system_category());
    CHECK(hopeless == error_condition::fatal);
    CHECK(hopeless != error_condition::transient);
    const std::error_code cancelled(static_cast<int>(std::errc::operation_canceled), std::system_category());
    CHECK(cancelled != error_condition::fatal);
    CHECK(cancelled != error_condition::transient);
    CHECK(std::error_code() != error_condition::fatal);
    CHECK(std::error_code() != error_condition::transient);
}

TEST_CASE("codec: a category of somebody else's judges its own errors, and what it does not judge is transient", "[codec]") {
    static const struct final : std::error_category {
        const char* name() const noexcept override { return "other"; }
        std::string message(int) const override { return "other"; }
        std::error_condition default_error_condition(int code) const noexcept override {
            if (code == 1) return make_error_condition(error_condition::fatal);
            if (code == 2) return make_error_condition(error_condition::transient);
            return {code, *this};
        }
    } other;
    CHECK(std::error_code(1, other) == error_condition::fatal);
    CHECK(std::error_code(1, other) != error_condition::transient);
    CHECK(std::error_code(2, other) == error_condition::transient);
    CHECK(std::error_code(2, other) != error_condition::fatal);
    CHECK(std::error_code(3, other) == error_condition::transient);
    CHECK(std::error_code(3, other) != error_condition::fatal);
}
