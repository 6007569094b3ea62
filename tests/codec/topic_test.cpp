// Topic names, topic filters, and which filter matches which name.
#include "codec/codec_support.hpp"
#include "codec/oracle.hpp"

using namespace codec_test;

TEST_CASE("codec: takes any text of at least one character without wildcards as a topic name",
          "[codec][v5:MQTT-4.7.3-1][v3:MQTT-4.7.3-1]") {
    for (const auto good : {"a", "/", "//", "a/b", "/a", "a/", " ", "a b", "$SYS/x", "$share/g/a", "$", "\xC3\xA9"})
        CHECK(check_topic_name(good) == errc::none);
    CHECK(check_topic_name("") == errc::topic_empty);
    for (const auto version : versions) {
        CHECK(encode_error(publish{.topic = ""}, version) == errc::topic_empty);
        CHECK(encode_error(subscribe{.id = packet_id{1}, .subscriptions = {{.filter = ""}}}, version) == errc::topic_empty);
        CHECK(encode_error(unsubscribe{.id = packet_id{1}, .filters = {""}}, version) == errc::topic_empty);
        CHECK(encode_error(connect{.will = will{}}, version) == errc::topic_empty);
    }
    CHECK(decode_error("30 02 00 00", v3) == errc::topic_empty);
    CHECK(decode_error("30 03 00 00 00", v5) == errc::topic_empty);
    CHECK(row(errc::topic_empty).reason == reason_code::protocol_error);
}

TEST_CASE("codec: refuses wildcards in topic names", "[codec][v5:MQTT-4.7.0-1][v5:MQTT-3.3.2-2][v3:MQTT-4.7.1-1][v3:MQTT-3.3.2-2]") {
    for (const auto bad : {"+", "#", "a/+", "a/#", "a+", "#a", "a/b#/c"}) {
        CAPTURE(bad);
        CHECK(check_topic_name(bad) == errc::topic_wildcard);
        for (const auto version : versions) {
            CHECK(encode_error(publish{.topic = bad}, version) == errc::topic_wildcard);
            CHECK(encode_error(connect{.will = will{.topic = bad}}, version) == errc::topic_wildcard);
        }
    }
    CHECK(decode_error("30 05 00 03 61 2F 2B", v3) == errc::topic_wildcard);
    CHECK(decode_error("30 05 00 03 61 2F 23", v3) == errc::topic_wildcard);
    CHECK(decode_error("30 06 00 03 61 2F 2B 00", v5) == errc::topic_wildcard);
    CHECK(decode_error("30 06 00 03 61 2F 23 00", v5) == errc::topic_wildcard);
    CHECK(row(errc::topic_wildcard).reason == reason_code::protocol_error);
}

TEST_CASE("codec: finds a wildcard at every place of a topic name, beside any other character",
          "[codec][v5:MQTT-3.3.2-2][v3:MQTT-3.3.2-2]") {
    const auto expected = [](char c) {
        if (c == '+' || c == '#') return errc::topic_wildcard;
        return c == '\0' || static_cast<unsigned char>(c) >= 0x80 ? errc::not_utf8 : errc::none;
    };
    for (std::size_t size = 1; size <= 25; ++size)
        for (std::size_t place = 0; place != size; ++place)
            for (unsigned octet = 0; octet <= 0xFF; ++octet) {
                std::string name(size, 'a');
                name[place] = static_cast<char>(octet);
                if (check_topic_name(name) != expected(name[place])) FAIL("byte " << octet << " at " << place << " of " << size);
            }
    for (const std::string name : {"\xC3\xA9/room", "$SYS/uptime", "a b/'*'/,-."}) {
        CHECK(check_topic_name(name) == errc::none);
        CHECK(check_topic_name(name + "/+") == errc::topic_wildcard);
        CHECK(check_topic_name("#/" + name) == errc::topic_wildcard);
    }
}

TEST_CASE("codec: refuses U+0000 in topic names and filters", "[codec][v5:MQTT-4.7.3-2][v3:MQTT-4.7.3-2]") {
    CHECK(check_topic_name("a\0"sv) == errc::not_utf8);
    CHECK(check_topic_filter("a/\0/#"sv) == errc::not_utf8);
    for (const auto version : versions) {
        CHECK(encode_error(publish{.topic = "\0"sv}, version) == errc::not_utf8);
        CHECK(encode_error(subscribe{.id = packet_id{1}, .subscriptions = {{.filter = "\0"sv}}}, version) == errc::not_utf8);
        CHECK(encode_error(unsubscribe{.id = packet_id{1}, .filters = {"\0"sv}}, version) == errc::not_utf8);
    }
}

TEST_CASE("codec: takes topics and filters of 65,535 bytes and refuses longer ones", "[codec][v5:MQTT-4.7.3-3][v3:MQTT-4.7.3-3]") {
    const std::string longest(65'535, 'a'), longer(65'536, 'a');
    CHECK(check_topic_name(longest) == errc::none);
    CHECK(check_topic_name(longer) == errc::field_too_long);
    CHECK(check_topic_filter(longest) == errc::none);
    CHECK(check_topic_filter(longer) == errc::field_too_long);
    for (const auto version : versions) {
        CHECK(encode_error(publish{.topic = longest}, version) == errc::none);
        CHECK(encode_error(publish{.topic = longer}, version) == errc::field_too_long);
        CHECK(encode_error(subscribe{.id = packet_id{1}, .subscriptions = {{.filter = longest}}}, version) == errc::none);
        CHECK(encode_error(subscribe{.id = packet_id{1}, .subscriptions = {{.filter = longer}}}, version) == errc::field_too_long);
        CHECK(encode_error(unsubscribe{.id = packet_id{1}, .filters = {longer}}, version) == errc::field_too_long);
    }
}

TEST_CASE("codec: takes # only alone or behind a slash, and only at the end", "[codec][v5:MQTT-4.7.1-1][v3:MQTT-4.7.1-2]") {
    for (const auto good : {"#", "/#", "a/#", "a/b/#", "+/#", "//#", "$SYS/#"}) CHECK(check_topic_filter(good) == errc::none);
    for (const auto bad : {"a#", "#a", "##", "#/", "#/a", "a/#/b", "a/b#", "a/#b", "#/#", "a/#/"}) {
        CAPTURE(bad);
        CHECK(check_topic_filter(bad) == errc::filter_invalid);
        for (const auto version : versions) {
            CHECK(encode_error(subscribe{.id = packet_id{1}, .subscriptions = {{.filter = bad}}}, version) == errc::filter_invalid);
            CHECK(encode_error(unsubscribe{.id = packet_id{1}, .filters = {bad}}, version) == errc::filter_invalid);
        }
    }
}

TEST_CASE("codec: takes + only as a whole level", "[codec][v5:MQTT-4.7.1-2][v3:MQTT-4.7.1-3]") {
    for (const auto good : {"+", "+/", "/+", "+/+", "a/+", "+/a", "a/+/b", "+/+/#", "$SYS/+"})
        CHECK(check_topic_filter(good) == errc::none);
    for (const auto bad : {"a+", "+a", "++", "a/b+", "a/+b", "a+/b", "+#", "#+", "a/+#"}) {
        CAPTURE(bad);
        CHECK(check_topic_filter(bad) == errc::filter_invalid);
        for (const auto version : versions)
            CHECK(encode_error(subscribe{.id = packet_id{1}, .subscriptions = {{.filter = bad}}}, version) == errc::filter_invalid);
    }
}

TEST_CASE("codec: demands a share name, and a filter behind it", "[codec][v5:MQTT-4.8.2-1][v5:MQTT-4.8.2-2]") {
    for (const auto good : {"$share/g/a", "$share/g/#", "$share/g/+/a", "$share/g//a", "$share/g//", "$share/ /a", "$share/$share/a",
                            "$share", "$sharex/g", "$SHARE/g", "x$share/"})
        CHECK(check_topic_filter(good) == errc::none);
    for (const auto bad : {"$share/", "$share//a", "$share//", "$share/g", "$share/g/", "$share/+/a", "$share/#/a", "$share/g+/a",
                           "$share/#", "$share/+", "$share/g/a#", "$share/g/#/a"})
        CHECK(check_topic_filter(bad) == errc::filter_invalid);
    CHECK(encode_error(subscribe{.id = packet_id{1}, .subscriptions = {{.filter = "$share//a"}}}, v5) == errc::filter_invalid);
    CHECK(decode_error("82 0F 00 01 00 00 09 24 73 68 61 72 65 2F 2F 61 00", v5) == errc::filter_invalid);
}

TEST_CASE("codec: takes a shared filter apart at the second slash", "[codec][v5:MQTT-4.8.2-2]") {
    CHECK(is_shared("$share/g/a"));
    CHECK_FALSE(is_shared("$share"));
    CHECK_FALSE(is_shared("share/g/a"));
    CHECK(split_share("$share/group/a/+/b").share_name == "group");
    CHECK(split_share("$share/group/a/+/b").filter == "a/+/b");
    CHECK(split_share("$share/g//a").filter == "/a");
    CHECK(split_share("a/b").share_name.empty());
    CHECK(split_share("a/b").filter == "a/b");
}

TEST_CASE("codec: matches names to filters level by level", "[codec]") {
    struct { const char* filter; const char* yes; const char* no; } const table[]{ // Names apart by a space.
        {"a", "a", "b A a/ /a a/a"},
        {"a/b", "a/b", "a a/ a/b/ a/bb a/b/c /a/b"},
        {"#", "a / // a/b /a a/b/c", ""},
        {"a/#", "a a/ a/b a/b/c a//", "b ab /a A/b"},
        {"a/b/#", "a/b a/b/ a/b/c/d", "a a/ a/bc"},
        {"/#", "/ /a // /a/b", "a a/"},
        {"+", "a b", "/ /a a/ a/b"},
        {"+/+", "a/b / /a a/", "a // a/b/c"},
        {"/+", "/ /a", "a // /a/b"},
        {"a/+", "a/ a/b", "a a/b/c b/a"},
        {"a/+/c", "a/b/c a//c", "a/c a/b a/b/c/d a/b/d"},
        {"+/b/#", "a/b /b a/b/c", "b a/c/b a"},
        {"+/#", "a a/b / /a", ""},
        {"a//b", "a//b", "a/b a/x/b"},
        {"sport/tennis/player1/#", "sport/tennis/player1 sport/tennis/player1/score/wimbledon", "sport/tennis/player2"},
    };
    const auto words = [](std::string_view text) {
        std::vector<std::string_view> out;
        while (!text.empty()) {
            const std::size_t space = text.find(' ');
            out.push_back(text.substr(0, space));
            text.remove_prefix(space == text.npos ? text.size() : space + 1);
        }
        return out;
    };
    for (const auto& [filter, yes, no] : table) {
        for (const auto name : words(yes)) {
            CAPTURE(filter, name);
            CHECK(matches(filter, name));
        }
        for (const auto name : words(no)) {
            CAPTURE(filter, name);
            CHECK_FALSE(matches(filter, name));
        }
    }
}

TEST_CASE("codec: a leading wildcard does not match a name that starts with $", "[codec][v5:MQTT-4.7.2-1][v3:MQTT-4.7.2-1]") {
    CHECK_FALSE(matches("#", "$SYS/x"));
    CHECK_FALSE(matches("#", "$SYS"));
    CHECK_FALSE(matches("+", "$SYS"));
    CHECK_FALSE(matches("+/x", "$SYS/x"));
    CHECK_FALSE(matches("+/#", "$SYS/x"));
    CHECK_FALSE(matches("$share/g/#", "$SYS/x"));
    CHECK_FALSE(matches("$share/g/+/x", "$SYS/x"));
    CHECK(matches("$SYS/#", "$SYS/x"));
    CHECK(matches("$SYS/#", "$SYS"));
    CHECK(matches("$SYS/+", "$SYS/x"));
    CHECK(matches("$share/g/$SYS/#", "$SYS/x"));
    CHECK(matches("a/+", "a/$x"));
    CHECK(matches("#", "a/$SYS"));
}

TEST_CASE("codec: matching compares bytes, without case folding or normalisation", "[codec][v5:MQTT-4.7.3-4][v3:MQTT-4.7.3-4]") {
    CHECK_FALSE(matches("A", "a"));
    CHECK_FALSE(matches("\xC3\xA9", "e\xCC\x81")); // e acute, composed and decomposed
    CHECK(matches("\xC3\xA9", "\xC3\xA9"));
    CHECK_FALSE(matches("a", "a "));
    CHECK_FALSE(matches(" ", ""));
}

TEST_CASE("codec: the share name plays no part in matching", "[codec]") {
    CHECK(matches("$share/g/a/+", "a/b"));
    CHECK(matches("$share/a/b", "b"));
    CHECK_FALSE(matches("$share/a/b", "a/b"));
    CHECK_FALSE(matches("$share/g/a", "$share/g/a"));
    CHECK(matches("$share/g//a", "/a"));
    CHECK_FALSE(matches("$share/g//a", "a"));
}

TEST_CASE("codec: validity and matching agree with a plain reference for every short filter and name", "[codec]") {
    std::vector<std::string> texts{""}; // All texts of up to five of these characters.
    for (std::size_t begin = 0, length = 0; length != 5; ++length) {
        const std::size_t end = texts.size();
        for (; begin != end; ++begin)
            for (const char c : {'a', '/', '+', '#', '$'}) texts.push_back(texts[begin] + c);
    }
    std::vector<std::string> filters, names;
    for (const std::string& text : texts) {
        const bool filter_good = check_topic_filter(text) == errc::none, name_good = check_topic_name(text) == errc::none;
        if (filter_good != reference::is_filter(text)) FAIL("filter " << text);
        if (name_good != reference::is_name(text)) FAIL("name " << text);
        if (filter_good) filters.push_back(text);
        if (name_good && text.size() <= 4) names.push_back(text);
    }
    CHECK(filters.size() > 400);
    CHECK(names.size() > 100);
    for (const std::string& filter : filters)
        for (const std::string& name : names)
            if (matches(filter, name) != reference::matches(filter, name)) FAIL("filter " << filter << " name " << name);
    for (const std::string& filter : filters) {
        const std::string shared = "$share/g/" + filter;
        if (check_topic_filter(shared) != errc::none) FAIL("shared filter " << shared);
        for (const char* name : {"a", "/", "a/a", "$a", "a/$"})
            if (matches(shared, name) != reference::matches(shared, name)) FAIL("filter " << shared << " name " << name);
    }
}
