// Topic aliases of ours: when they are used, when they are not, and that the broker can always tell the topic.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"

#include <map>
#include <random>

using namespace inflight;
using namespace std::chrono_literals;

namespace {

connack allowing(std::uint16_t aliases, std::uint32_t maximum_packet_size = 0) {
    return with([=](auto& props) {
        props.template set<property_id::topic_alias_maximum>(aliases);
        if (maximum_packet_size != 0) props.template set<property_id::maximum_packet_size>(maximum_packet_size);
    });
}

session_options using_aliases(std::uint16_t count) {
    session_options options = test_options();
    options.outgoing_topic_aliases = count;
    return options;
}

// The topics on the wire, with their aliases: "topic=3" names both, "=3" leaves the topic out.
trace topics(const trace& sent) {
    trace out;
    for (const std::string& line : sent) {
        const auto quoted = [&](std::string_view name) {
            const std::size_t begin = line.find(name) + name.size();
            return line.substr(begin, line.find('\'', begin) - begin);
        };
        const std::size_t alias = line.find(" topic_alias=");
        std::string topic = quoted("topic='");
        if (alias != std::string::npos) topic += "=" + line.substr(alias + 13, line.find(' ', alias + 13) - alias - 13);
        out.push_back(topic);
    }
    return out;
}

} // namespace

TEST_CASE("aliases: the first message to a topic names it and an alias, later ones the alias only, whatever their QoS",
          "[session][v5:MQTT-3.3.2-8][v5:MQTT-3.3.2-9]") {
    scripted_peer p;
    p.connect(v5, allowing(10));
    p.publish("first/topic", "1", qos_0);
    p.publish("first/topic", "2", qos_1);
    p.publish("second/topic", "3", qos_2);
    p.publish("first/topic", "4", qos_2);
    p.publish("second/topic", "5", qos_0);
    CHECK(p.sent() == trace{"PUBLISH qos=0 topic='first/topic' topic_alias=1 payload='1' (1 byte)",
                            "PUBLISH qos=1 topic='' id=2 topic_alias=1 payload='2' (1 byte)",
                            "PUBLISH qos=2 topic='second/topic' id=3 topic_alias=2 payload='3' (1 byte)",
                            "PUBLISH qos=2 topic='' id=4 topic_alias=1 payload='4' (1 byte)",
                            "PUBLISH qos=0 topic='' topic_alias=2 payload='5' (1 byte)"});
}

TEST_CASE("aliases: none are used where the broker announces none, the option says so, or 3.1.1 is spoken",
          "[session][v5:MQTT-3.2.2-18]") {
    const auto [version, allowed, wanted] = GENERATE(table<protocol_version, std::uint16_t, std::uint16_t>({
        {v5, std::uint16_t{0}, std::uint16_t{16}},
        {v5, std::uint16_t{16}, std::uint16_t{0}},
        {v3, std::uint16_t{0}, std::uint16_t{16}},
    }));
    scripted_peer p(using_aliases(wanted));
    p.connect(version, version == v5 ? allowing(allowed) : connack{});
    for (const qos level : {qos_0, qos_1, qos_2, qos_0, qos_1, qos_2}) p.publish("some/topic", "", level);
    CHECK(topics(p.sent()) == trace(6, "some/topic"));
}

TEST_CASE("aliases: there are no more of them than the broker and the option allow",
          "[session][v5:MQTT-3.2.2-17][v5:MQTT-3.3.2-9]") {
    const auto [allowed, wanted] = GENERATE(table<std::uint16_t, std::uint16_t>({{2, 16}, {16, 2}}));
    scripted_peer p(using_aliases(wanted));
    p.connect(v5, allowing(allowed));
    for (int round = 0; round != 3; ++round)
        for (const char* topic : {"topic/1", "topic/2", "topic/3"}) p.publish(topic, "", qos_1);
    CHECK(topics(p.sent()) == trace{"topic/1=1", "topic/2=2", "topic/3", "=1", "=2", "topic/3", "=1", "=2", "topic/3"});
}

TEST_CASE("aliases: a topic takes over the alias used longest ago, if it has come up since then", "[session]") {
    scripted_peer p(using_aliases(2));
    p.connect(v5, allowing(2));
    const auto publish = [&](const char* topic) {
        p.publish(topic, "", qos_0);
        return topics(p.sent()).at(0);
    };
    CHECK(publish("topic/a") == "topic/a=1");
    CHECK(publish("topic/b") == "topic/b=2");
    CHECK(publish("topic/c") == "topic/c");
    CHECK(publish("topic/b") == "=2");
    CHECK(publish("topic/c") == "topic/c=1");
    CHECK(publish("topic/c") == "=1");
    CHECK(publish("topic/b") == "=2");
    CHECK(publish("topic/a") == "topic/a");
    CHECK(publish("topic/c") == "=1");
    CHECK(publish("topic/a") == "topic/a=2"); // It was "b" that had not come up since.
    CHECK(publish("topic/b") == "topic/b");
}

TEST_CASE("aliases: a topic no longer than the property that would stand for it has none", "[session]") {
    scripted_peer p;
    p.connect(v5, allowing(10));
    for (int i = 0; i != 2; ++i)
        for (const char* topic : {"a", "abc", "abcd"}) p.publish(topic, "", qos_1);
    CHECK(topics(p.sent()) == trace{"a", "abc", "abcd=1", "a", "abc", "=1"});
}

TEST_CASE("aliases: other properties stay beside the alias, in their order", "[session]") {
    scripted_peer p;
    p.connect(v5, allowing(10));
    properties<packet_type::publish> props;
    props.set<property_id::content_type>("text").add_user_property("b", "1").add_user_property("a", "2");
    for (int i = 0; i != 2; ++i) p.publish({.qos = qos_1, .topic = "topic", .props = props, .payload = "x"});
    CHECK(p.sent() ==
          trace{"PUBLISH qos=1 topic='topic' id=1 content_type='text' user_property='b' value='1' user_property='a' value='2' "
                "topic_alias=1 payload='x' (1 byte)",
                "PUBLISH qos=1 topic='' id=2 content_type='text' user_property='b' value='1' user_property='a' value='2' topic_alias=1 "
                "payload='x' (1 byte)"});
}

TEST_CASE("aliases: they end with the connection, and a message is sent again with its full topic",
          "[session][v5:MQTT-3.3.2-7][v5:MQTT-4.4.0-1]") {
    scripted_peer p;
    p.connect(v5, allowing(10));
    p.publish("topic", "1", qos_1);
    p.publish("topic", "2", qos_2);
    p.publish("topic", "3", qos_1);
    CHECK(topics(p.sent()) == trace{"topic=1", "=1", "=1"});
    p.cut();
    p.publish("topic", "4", qos_1);
    p.publish("topic", "5", qos_0);
    p.resume(v5, allowing(10));
    CHECK(p.sent() == trace{"PUBLISH qos=1 dup topic='topic' id=1 payload='1' (1 byte)",
                            "PUBLISH qos=2 dup topic='topic' id=2 payload='2' (1 byte)",
                            "PUBLISH qos=1 dup topic='topic' id=3 payload='3' (1 byte)",
                            "PUBLISH qos=1 topic='topic' id=4 topic_alias=1 payload='4' (1 byte)",
                            "PUBLISH qos=0 topic='' topic_alias=1 payload='5' (1 byte)"});
    p.cut();
    p.resume(); // Now without any.
    CHECK(topics(p.sent()) == trace(4, "topic"));
}

TEST_CASE("aliases: a message that is published anew after a lost session is new to this connection as well", "[session]") {
    scripted_peer p;
    p.connect(v5, allowing(10));
    p.publish("topic", "1", qos_1);
    p.publish("topic", "2", qos_2);
    (void)p.sent();
    p.cut();
    p.connect(v5, allowing(10));
    CHECK(topics(p.sent()) == trace{"topic=1", "=1"});
}

TEST_CASE("aliases: a packet that one would make too large goes without, and one that only an alias would make fit is refused",
          "[session][v5:MQTT-3.2.2-15]") {
    scripted_peer p;
    p.connect(v5, allowing(10, 40));
    CHECK(p.publish("0123456789", std::string(25, 'x'), qos_0).status == publish_status::success); // 40 bytes.
    CHECK(topics(p.sent()) == trace{"0123456789"});
    CHECK(p.publish("0123456789", "", qos_0).status == publish_status::success);
    CHECK(topics(p.sent()) == trace{"0123456789=1"});
    CHECK(p.publish("0123456789", std::string(25, 'x'), qos_0).status == publish_status::success);
    CHECK(topics(p.sent()) == trace{"=1"});
    CHECK(p.publish("0123456789", std::string(26, 'x'), qos_0).status == publish_status::packet_too_large); // It may have to be repeated.
    CHECK(p.sent().empty());
}

TEST_CASE("aliases: a large payload is written from its record, which an early acknowledgement does not free", "[session]") {
    scripted_peer p;
    p.connect(v5, allowing(10));
    p.carry();
    const std::string large(100'000, 'x');
    p.publish("topic", "", qos_0);
    p.publish("topic", large, qos_1);
    CHECK(p.session.output_pending() > large.size());
    CHECK(p.gets(puback{.id = id(2)}) == trace{"published 2: success"});
    const trace sent = p.sent();
    REQUIRE(sent.size() == 2);
    CHECK(topics(sent) == trace{"topic=1", "=1"});
    CHECK(sent[1].ends_with("(100000 bytes)"));
}

TEST_CASE("aliases: a large payload is the application's again when publish() has returned, whatever its QoS", "[session]") {
    const qos level = GENERATE(qos_0, qos_1, qos_2);
    scripted_peer p;
    p.connect(v5, allowing(10));
    std::string large(5'000, 'x');
    for (int i = 0; i != 2; ++i) p.publish("topic", large, level);
    large.assign(large.size(), 'y');
    const trace sent = p.sent();
    CHECK(topics(sent) == trace{"topic=1", "=1"});
    for (const std::string& line : sent) CHECK(line.find("yyy") == std::string::npos);
}

TEST_CASE("aliases: whatever is published in whatever order, a broker that keeps the aliases finds each topic", "[session]") {
    const auto allowed = GENERATE(std::uint16_t{1}, std::uint16_t{3}, std::uint16_t{20}, std::uint16_t{300});
    std::mt19937 random(allowed);
    const auto draw = [&](unsigned below) { return static_cast<unsigned>(random()) % below; };
    scripted_peer p(using_aliases(allowed));
    for (int connection = 0; connection != 5; ++connection) {
        p.connect(v5, allowing(allowed));
        (void)p.sent();
        std::map<std::string, std::string> known; // By alias.
        std::vector<std::string> published;
        std::size_t with_topic = 0;
        for (int i = 0; i != 2'000; ++i) {
            const unsigned number = draw(2) == 0 ? draw(4) : draw(40) * draw(10);
            published.push_back("topic/" + std::to_string(number));
            p.publish(published.back(), "", qos_0);
        }
        const trace sent = topics(p.sent());
        REQUIRE(sent.size() == published.size());
        for (std::size_t i = 0; i != sent.size(); ++i) {
            const std::size_t mark = sent[i].find('=');
            const std::string topic = sent[i].substr(0, mark);
            with_topic += !topic.empty();
            if (mark == std::string::npos) {
                REQUIRE(topic == published[i]);
                continue;
            }
            const std::string alias = sent[i].substr(mark + 1);
            REQUIRE(std::stoul(alias) >= 1);
            REQUIRE(std::stoul(alias) <= allowed);
            if (!topic.empty()) known[alias] = topic;
            REQUIRE(known[alias] == published[i]);
        }
        CHECK(with_topic < (allowed == 1 ? 1'900u : allowed == 3 ? 1'500u : 800u));
        p.cut();
    }
}

TEST_CASE("aliases: of topics that take turns, as many keep theirs as there are", "[session]") {
    scripted_peer p(using_aliases(4));
    p.connect(v5, allowing(4));
    for (int round = 0; round != 10; ++round)
        for (int i = 0; i != 5; ++i) p.publish("topic/" + std::to_string(i), "", qos_0);
    const trace sent = topics(p.sent());
    CHECK(std::count_if(sent.begin(), sent.end(), [](const std::string& t) { return t.starts_with('='); }) == 36);
}
