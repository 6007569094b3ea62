// What the broker says beside its answers: limits, properties, explanations.
#include "client_support.hpp"

TEST_CASE("client: what CONNACK announces can be read, in on_connect and later", "[client]") {
    properties<packet_type::connack> props;
    props.set<property_id::maximum_qos>(1).set<property_id::retain_available>(0).set<property_id::maximum_packet_size>(100);
    props.set<property_id::server_keep_alive>(7).set<property_id::response_information>("reply/");
    props.add_user_property("rack", "4");
    fake_server server([&](fake_server::connection& c, const packet& p) {
        if (std::holds_alternative<inflight::connect>(p)) c.send(connack{.props = props});
    });
    client c(test_options());
    connect_result told;
    c.on_connect([&](const connect_result& r) { told = r; });
    CHECK(c.server_limits().maximum_qos == qos::exactly_once);
    REQUIRE_FALSE(c.connect(here, server.port()));
    for (const server_limits& l : {told.limits, c.server_limits()}) {
        CHECK(l.maximum_qos == qos::at_least_once);
        CHECK_FALSE(l.retain_available);
        CHECK(l.maximum_packet_size == 100);
        CHECK(l.keep_alive == 7s);
        CHECK(l.response_information == "reply/");
    }
    CHECK(told.props == props);
    CHECK(c.publish("a", "", qos::exactly_once).status == publish_status::qos_not_supported);
    CHECK(c.publish("a", "", qos::at_least_once, true).status == publish_status::retain_not_supported);
    CHECK(c.publish("a", std::string(100, 'x')).status == publish_status::packet_too_large);
}

TEST_CASE("client: the broker's DISCONNECT is handed on with all its properties", "[client]") {
    properties<packet_type::disconnect> props;
    props.set<property_id::reason_string>("closing time").add_user_property("until", "9");
    fake_server server(fake_server::accepting);
    watched<disconnect_result> told;
    client c(test_options());
    c.on_disconnect([&](const disconnect_result& r) { told.change([&](disconnect_result& x) { x = r; }); });
    c.loop_start();
    REQUIRE_FALSE(c.connect(here, server.port()));
    server.accept();
    server.expect("CONNECT");
    server.send(disconnect{.reason = reason_code::server_shutting_down, .props = props});
    const auto end = told.wait([](const disconnect_result& r) { return bool(r.error); }, "a DISCONNECT");
    CHECK(end.error == reason_code::server_shutting_down);
    CHECK(end.props == props);
    CHECK(end.reason_string == "closing time");
}

namespace {

template <packet_type Type>
properties<Type> words_of(std::string_view text) {
    properties<Type> props;
    props.template set<property_id::reason_string>(text).add_user_property("code", "7");
    return props;
}

// A broker that has something to say to everything.
void talkative(fake_server::connection& c, const packet& p) {
    fake_server::accepting(c, p);
    if (const auto* m = std::get_if<inflight::publish>(&p)) {
        const auto why = words_of<packet_type::puback>("full");
        if (m->topic == "plain") c.send(puback{.id = m->id, .reason = reason_code::no_matching_subscribers});
        else c.send(puback{.id = m->id, .reason = reason_code::quota_exceeded, .props = why});
    } else if (const auto* s = std::get_if<inflight::subscribe>(&p)) {
        const auto why = words_of<packet_type::suback>("members only");
        c.send(suback{.id = s->id, .props = why, .reasons = {reason_code::not_authorized}});
    } else if (const auto* u = std::get_if<inflight::unsubscribe>(&p)) {
        const auto why = words_of<packet_type::unsuback>("never seen");
        c.send(unsuback{.id = u->id, .props = why, .reasons = {reason_code::no_subscription_existed}});
    } else if (std::holds_alternative<inflight::disconnect>(p)) {
        c.close();
    }
}

} // namespace

TEST_CASE("client: what the broker says with its acknowledgements comes with the outcomes", "[client]") {
    fake_server server(talkative);
    journal j;
    client c(test_options());
    c.on_publish([&](const publish_outcome& o) {
        j.add("publish " + std::to_string(o.mid) + " " + words(o.error) + ", " + std::string(name(o.reason)) + ", " +
              std::string(o.why.reason_string()));
    });
    c.on_subscribe([&](const subscribe_outcome& o) { j.add("subscribe " + std::string(o.why.reason_string())); });
    c.on_unsubscribe([&](const subscribe_outcome& o) { j.add("unsubscribe " + std::string(o.why.reason_string())); });
    c.loop_start();
    REQUIRE_FALSE(c.connect(here, server.port()));
    c.publish("a", "", qos::at_least_once);
    j.wait_for(1);
    c.publish("plain", "", qos::at_least_once);
    j.wait_for(2);
    c.subscribe("a");
    j.wait_for(3);
    c.unsubscribe("a");
    j.wait_for(4);
    c.on_publish([&](std::uint16_t mid, std::error_code error) { j.add("published " + std::to_string(mid) + " " + words(error)); });
    c.publish("a", "", qos::at_least_once);
    j.wait_for(5);
    c.on_publish([&](const publish_outcome& o) { j.add("again " + std::to_string(o.mid)); });
    c.publish("plain", "", qos::at_least_once);
    CHECK(j.wait_for(6) == trace{"publish 1 quota exceeded, quota exceeded, full", "publish 2 ok, no matching subscribers, ",
                                 "subscribe members only", "unsubscribe never seen", "published 5 quota exceeded", "again 6"});
    c.on_publish(nullptr);
    CHECK_FALSE(c.wait_for_publish(c.publish("plain", "", qos::at_least_once).mid));
    CHECK(j.size() == 6);
}

TEST_CASE("client: ack() says what the application says with it, and a wrong word does not use up the message", "[client]") {
    fake_server server(fake_server::accepting);
    journal j;
    client c(test_options());
    c.manual_ack_set(true);
    c.on_message([&](const received_message& m) { j.add(std::to_string(m.mid)); });
    c.loop_start();
    REQUIRE_FALSE(c.connect(here, server.port()));
    server.accept();
    server.expect("CONNECT");
    server.send(delivered(1, qos::at_least_once, "t", ""));
    server.send(delivered(2, qos::exactly_once, "t", ""));
    j.wait_for(2);
    const auto why = words_of<packet_type::puback>("full");
    CHECK(c.ack(1, reason_code::granted_qos_1) == errc::reason_not_allowed);
    CHECK_FALSE(c.ack(1, reason_code::quota_exceeded, why));
    CHECK_FALSE(c.ack(2, reason_code::success, why));
    CHECK(c.ack(2) == errc::unknown_packet_id);
    server.expect("PUBACK id=1 reason='quota exceeded' (151) reason_string='full' user_property='code' value='7'");
    server.expect("PUBREC id=2 reason_string='full' user_property='code' value='7'");
}

TEST_CASE("client: disconnect() says what the application wants it to", "[client][v5:U5-20]") {
    const bool waits = GENERATE(true, false);
    fake_server server(talkative);
    watched<int> ends;
    client c(test_options());
    c.on_disconnect([&](const disconnect_result&) { ++ends; });
    c.loop_start();
    REQUIRE_FALSE(c.connect(here, server.port()));
    server.accept();
    server.expect("CONNECT");
    disconnect_options how{.reason = reason_code::server_busy};
    if (waits) CHECK(c.disconnect(how).error == errc::reason_not_allowed);
    else CHECK(c.disconnect_async(how) == errc::reason_not_allowed);
    CHECK(c.is_connected());
    how.reason = reason_code::disconnect_with_will_message;
    how.session_expiry = 90s;
    how.props = words_of<packet_type::disconnect>("good night");
    if (waits) CHECK(c.disconnect(how));
    else CHECK_FALSE(c.disconnect_async(how));
    server.expect("DISCONNECT reason='disconnect with Will Message' (4) reason_string='good night' user_property='code' value='7' "
                  "session_expiry_interval=90");
    ends.wait_for(1);
}
