// What 5.0 adds, between our clients and a Mosquitto: topic aliases, limits, the Will and its delay, words beside codes.
#include "network_support.hpp"

namespace {

/// Messages as a subscriber gets them.
struct subscriber {
    watched<std::vector<message>> got{};
    client c;

    subscriber(std::uint16_t port, const char* filter) : c(options(port, "subscriber", v5)) {
        watched<int> subscribed;
        c.on_subscribe([&](const subscribe_outcome&) { ++subscribed; });
        c.on_message([this](const received_message& m) { got.change([&](auto& all) { all.push_back(m); }); });
        c.loop_start();
        REQUIRE_FALSE(c.connect("127.0.0.1", port));
        c.subscribe(filter, qos::exactly_once);
        subscribed.wait_for(1);
        c.on_subscribe(nullptr);
    }
    std::vector<message> wait_for(std::size_t count) const {
        return got.wait([&](const auto& all) { return all.size() >= count; }, "messages");
    }
};

struct sent_publish {
    std::string topic;
    bool dup, has_alias;
};

} // namespace

TEST_CASE("features: Mosquitto finds the topics of our aliases, on each connection anew", "[bad_network][v5:MQTT-3.3.2-7]") {
    network net;
    subscriber s(net.broker.port(), "alias/#");
    watched<std::vector<sent_publish>> sent;
    net.proxy.observe([&](const faulty_proxy::passing& p) {
        const auto* m = p.as<publish>();
        if (!m || p.to != direction::to_server) return;
        sent.change([&](auto& all) {
            all.push_back({std::string(m->topic), m->dup, m->props.has(property_id::topic_alias)});
        });
    });
    client c(options(net.proxy.port(), "publisher", v5));
    watched<int> connects;
    c.on_connect([&](const connect_result&) { ++connects; });
    c.loop_start();
    REQUIRE_FALSE(c.connect("127.0.0.1", net.proxy.port()));
    CHECK(c.server_limits().topic_alias_maximum == 10); // What it offers if it is not told otherwise.
    const std::array topics{"alias/first", "alias/second", "alias/third"};
    std::size_t count = 0;
    for (int connection = 1; connection <= 2; ++connection) {
        std::uint16_t last = 0;
        for (int round = 0; round != 5; ++round)
            for (const qos level : {qos::at_most_once, qos::at_least_once, qos::exactly_once})
                for (const char* topic : topics) {
                    last = c.publish(topic, std::to_string(count++), level).mid;
                }
        CHECK_FALSE(c.wait_for_publish(last, patience));
        if (connection == 1) {
            c.reconnect();
            connects.wait_for(2);
        }
    }
    const auto got = s.wait_for(count);
    REQUIRE(got.size() == count);
    for (const message& m : got) CHECK(m.topic == topics.at(std::stoul(m.payload) % 3));
    const auto all = sent.now();
    CHECK(all.size() == count);
    CHECK(std::count_if(all.begin(), all.end(), [](const sent_publish& p) { return !p.topic.empty(); }) == 2 * 3);
    CHECK(std::all_of(all.begin(), all.end(), [](const sent_publish& p) { return p.has_alias && !p.dup; }));
    net.proxy.observe({});
}

TEST_CASE("features: what Mosquitto does not allow is refused before it is sent, each with its own status, and the connection stays",
          "[bad_network][v5:MQTT-3.2.2-11][v5:MQTT-3.2.2-14][v5:MQTT-3.2.2-15]") {
    mosquitto_process broker("max_qos 1\nretain_available false\nmax_packet_size 1000\nmax_keepalive 30");
    client c(options(broker.port(), "c", v5));
    std::atomic<int> ends = 0;
    c.on_disconnect([&](const disconnect_result&) { ++ends; });
    c.loop_start();
    REQUIRE_FALSE(c.connect("127.0.0.1", broker.port(), 60s));
    const server_limits limits = c.server_limits();
    CHECK(limits.maximum_qos == qos::at_least_once);
    CHECK_FALSE(limits.retain_available);
    CHECK(limits.maximum_packet_size == 1000);
    CHECK(limits.keep_alive == 30s);
    CHECK(c.publish("a", "x", qos::exactly_once).status == publish_status::qos_not_supported);
    CHECK(c.publish("a", "x", qos::at_least_once, true).status == publish_status::retain_not_supported);
    CHECK(c.publish("a", std::string(1000, 'x'), qos::at_least_once).status == publish_status::packet_too_large);
    CHECK_FALSE(c.wait_for_publish(c.publish("a", std::string(900, 'x'), qos::at_least_once).mid, patience));
    CHECK(ends == 0);
}

TEST_CASE("features: messages that waited for a broker with other limits are settled with what it does not allow, the rest is sent",
          "[bad_network][v5:MQTT-3.2.2-11][v5:MQTT-3.2.2-14][v5:MQTT-3.2.2-15]") {
    mosquitto_process broker("max_qos 1\nretain_available false\nmax_packet_size 1000");
    client c(options(broker.port(), "c", v5));
    watched<std::map<std::uint16_t, std::error_code>> outcomes;
    c.on_publish([&](std::uint16_t mid, std::error_code error) { outcomes.change([&](auto& all) { all[mid] = error; }); });
    const auto high = c.publish("a", "x", qos::exactly_once).mid, kept = c.publish("a", "x", qos::at_least_once, true).mid,
               large = c.publish("a", std::string(1000, 'x'), qos::at_least_once).mid, good = c.publish("a", "x", qos::at_least_once).mid;
    c.loop_start();
    REQUIRE_FALSE(c.connect("127.0.0.1", broker.port()));
    auto told = outcomes.wait([](const auto& all) { return all.size() == 4; }, "four outcomes");
    CHECK(told[high] == errc::qos_not_supported);
    CHECK(told[kept] == errc::retain_not_supported);
    CHECK(told[large] == errc::packet_too_large);
    CHECK_FALSE(told[good]);
}

TEST_CASE("features: the Will comes with all its properties, when the link is lost or DISCONNECT asks for it, and not otherwise",
          "[bad_network]") {
    using ending = std::string;
    const auto how = GENERATE(ending("lost"), ending("with Will"), ending("without"));
    mosquitto_process broker;
    subscriber s(broker.port(), "will/#");
    will_message will{"will/t", "gone", qos::at_least_once, false, {}};
    will.props.set<property_id::will_delay_interval>(1).set<property_id::payload_format_indicator>(1);
    will.props.set<property_id::message_expiry_interval>(1000).set<property_id::content_type>("text");
    will.props.set<property_id::response_topic>("will/answer").set<property_id::correlation_data>("7");
    will.props.add_user_property("a", "1").add_user_property("b", "2");
    const bool is_paho_shaped = GENERATE(true, false);
    asio::io_context io;
    client_options o = options(broker.port(), "dying", v5);
    if (!is_paho_shaped) o.will = will;
    auto c = std::make_unique<client>(o);
    if (is_paho_shaped) c->will_set(will.topic, will.payload, will.qos, will.retain, will.props);
    REQUIRE_FALSE(c->connect("127.0.0.1", broker.port()));
    const auto before = std::chrono::steady_clock::now();
    if (how == "with Will") CHECK(c->disconnect({.reason = reason_code::disconnect_with_will_message}));
    else if (how == "without") CHECK(c->disconnect());
    c.reset(); // Without a word, unless it has said one.
    if (how == "without") { // It would have come before what a later connection publishes, or with its delay.
        client other(options(broker.port(), "other", v5));
        REQUIRE_FALSE(other.connect("127.0.0.1", broker.port()));
        const auto later = std::chrono::steady_clock::now() + 2s;
        CHECK_FALSE(s.got.wait_until(later, [](const auto& all) { return !all.empty(); }));
        other.publish("will/end", "", qos::at_least_once);
        CHECK(s.wait_for(1).at(0).topic == "will/end");
        return;
    }
    const auto got = s.wait_for(1);
    const auto waited = std::chrono::steady_clock::now() - before;
    CHECK(got.at(0).topic == "will/t");
    CHECK(got.at(0).payload == "gone");
    if (how == "lost") CHECK(waited >= 900ms);
    const auto& props = got.at(0).props;
    CHECK(props.get<property_id::payload_format_indicator>() == 1u);
    CHECK(props.get<property_id::message_expiry_interval>().value_or(0) > 900);
    CHECK(props.get<property_id::content_type>() == "text");
    CHECK(props.get<property_id::response_topic>() == "will/answer");
    CHECK(props.get<property_id::correlation_data>() == "7");
    std::string users;
    props.for_each([&](const property& p) {
        if (p.row->id == property_id::user_property) users += std::string(p.text) + "=" + std::string(p.value) + ";";
    });
    CHECK(users == "a=1;b=2;");
}

TEST_CASE("features: a session that DISCONNECT has asked to be kept is there again, with what has come meanwhile", "[bad_network]") {
    mosquitto_process broker;
    watched<std::vector<bool>> present;
    watched<std::vector<std::string>> got;
    client c(options(broker.port(), "c", v5));
    c.on_connect([&](const connect_result& r) { present.change([&](auto& all) { all.push_back(r.session_present); }); });
    c.on_message([&](const received_message& m) { got.change([&](auto& all) { all.push_back(m.payload); }); });
    watched<int> subscribed;
    c.on_subscribe([&](const subscribe_outcome&) { ++subscribed; });
    c.loop_start();
    REQUIRE_FALSE(c.connect("127.0.0.1", broker.port()));
    c.subscribe("kept", qos::at_least_once);
    subscribed.wait_for(1);
    CHECK(c.disconnect({.session_expiry = 60s}));
    client other(options(broker.port(), "other", v5));
    REQUIRE_FALSE(other.connect("127.0.0.1", broker.port()));
    CHECK_FALSE(other.wait_for_publish(other.publish("kept", "meanwhile", qos::at_least_once).mid, patience));
    REQUIRE_FALSE(c.connect("127.0.0.1", broker.port()));
    CHECK(got.wait([](const auto& all) { return !all.empty(); }, "the message") == std::vector<std::string>{"meanwhile"});
    CHECK(c.disconnect());
    REQUIRE_FALSE(c.connect("127.0.0.1", broker.port()));
    CHECK(present.now() == std::vector<bool>{false, true, false});
}

TEST_CASE("features: Mosquitto takes refusals with words, and does not deliver again", "[bad_network][v5:MQTT-3.4.2-1][v5:MQTT-3.5.2-1]") {
    const qos level = GENERATE(qos::at_least_once, qos::exactly_once);
    network net;
    watched<std::vector<std::string>> said;
    net.proxy.observe([&](const faulty_proxy::passing& p) {
        const auto note = [&](const auto* ack) {
            if (ack) said.change([&](auto& all) { all.push_back(print(*ack, v5)); });
        };
        if (p.to == direction::to_server) note(p.as<puback>()), note(p.as<pubrec>());
    });
    client_options o = options(net.proxy.port(), "c", v5);
    o.manual_ack = true;
    client c(o);
    watched<std::vector<std::uint16_t>> got;
    watched<int> subscribed, connects;
    c.on_message([&](const received_message& m) { got.change([&](auto& all) { all.push_back(m.mid); }); });
    c.on_subscribe([&](const subscribe_outcome&) { ++subscribed; });
    c.on_connect([&](const connect_result&) { ++connects; });
    c.loop_start();
    REQUIRE_FALSE(c.connect("127.0.0.1", net.proxy.port()));
    c.subscribe("a", level);
    subscribed.wait_for(1);
    c.publish("a", "refused", level);
    c.publish("a", "taken", level);
    const auto mids = got.wait([](const auto& all) { return all.size() == 2; }, "two messages");
    properties<packet_type::puback> why;
    why.set<property_id::reason_string>("full").add_user_property("left", "0");
    CHECK_FALSE(c.ack(mids.at(0), reason_code::quota_exceeded, why));
    CHECK_FALSE(c.ack(mids.at(1)));
    const auto acks = said.wait([](const auto& all) { return all.size() == 2; }, "two acknowledgements");
    CHECK(acks.at(0).ends_with(" reason='quota exceeded' (151) reason_string='full' user_property='left' value='0'"));
    c.reconnect();
    connects.wait_for(2);
    CHECK_FALSE(c.wait_for_publish(c.publish("a", "last", level).mid, patience));
    const auto all = got.wait([](const auto& m) { return m.size() >= 3; }, "the last message");
    CHECK(all.size() == 3);
    net.proxy.observe({});
}
