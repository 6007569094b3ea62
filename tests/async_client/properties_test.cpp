// What the broker says beside its answers: limits, properties, explanations.
#include "support/async_fixture.hpp"

namespace {

// Every limit that CONNACK can announce.
properties<packet_type::connack> all_limits() {
    properties<packet_type::connack> props;
    props.set<property_id::session_expiry_interval>(50).set<property_id::receive_maximum>(3).set<property_id::maximum_qos>(1);
    props.set<property_id::retain_available>(0).set<property_id::maximum_packet_size>(100);
    props.set<property_id::assigned_client_identifier>("given").set<property_id::topic_alias_maximum>(5);
    props.set<property_id::wildcard_subscription_available>(0).set<property_id::subscription_identifier_available>(0);
    props.set<property_id::shared_subscription_available>(0).set<property_id::server_keep_alive>(7);
    props.set<property_id::response_information>("reply/").set<property_id::reason_string>("welcome");
    return props.add_user_property("rack", "4");
}

void check_all(const server_limits& l) {
    CHECK(l.session_expiry == 50s);
    CHECK(l.receive_maximum == 3);
    CHECK(l.maximum_qos == qos::at_least_once);
    CHECK_FALSE(l.retain_available);
    CHECK(l.maximum_packet_size == 100);
    CHECK(l.assigned_client_id == "given");
    CHECK(l.topic_alias_maximum == 5);
    CHECK_FALSE(l.wildcard_subscriptions);
    CHECK_FALSE(l.subscription_identifiers);
    CHECK_FALSE(l.shared_subscriptions);
    CHECK(l.keep_alive == 7s);
    CHECK(l.response_information == "reply/");
}

void check_none(const server_limits& l) {
    CHECK_FALSE(l.session_expiry);
    CHECK(l.receive_maximum == 65'535);
    CHECK(l.maximum_qos == qos::exactly_once);
    CHECK(l.retain_available);
    CHECK(l.maximum_packet_size > 268'000'000);
    CHECK(l.assigned_client_id.empty());
    CHECK(l.topic_alias_maximum == 0);
    CHECK(l.wildcard_subscriptions);
    CHECK(l.subscription_identifiers);
    CHECK(l.shared_subscriptions);
    CHECK_FALSE(l.keep_alive);
    CHECK(l.response_information.empty());
}

} // namespace

TEST_CASE("async_client: what CONNACK announces can be read, from its result and later, and is renewed by the next one",
          "[async_client][v5:MQTT-3.2.2-9][v5:MQTT-3.2.2-18]") {
    async_fixture f;
    client_options options = f.options(v5);
    std::vector<connect_result> results;
    options.on_connected = [&](const connect_result& r) { results.push_back(r); };
    async_client client(f.io, options);
    const auto props = all_limits();
    const connect_result first = f.connect(client, {.props = props});
    check_all(first.limits);
    check_all(client.server_limits());
    CHECK(first.props == props);
    CHECK(first.reason_string == "welcome");
    f.server.close();
    f.server.connect({.session_present = true});
    f.until("the second connection", [&] { return results.size() == 2; });
    check_none(results[1].limits);
    check_none(client.server_limits());
    CHECK(results[1].props.empty());
    CHECK(results[1].reason_string.empty());
}

TEST_CASE("async_client: the broker's DISCONNECT is handed on with all its properties, the next end of a connection without them",
          "[async_client]") {
    async_fixture f;
    client_options options = f.options(v5);
    std::vector<disconnect_result> ends;
    options.on_disconnected = [&](const disconnect_result& r) { ends.push_back(r); };
    async_client client(f.io, options);
    f.connect(client);
    properties<packet_type::disconnect> props;
    props.set<property_id::reason_string>("closing time").add_user_property("until", "9").add_user_property("until", "10");
    f.server.send(disconnect{.reason = reason_code::server_shutting_down, .props = props});
    f.server.connect();
    f.until("the second connection", [&] { return client.is_connected(); });
    f.server.close();
    f.until("two ends", [&] { return ends.size() == 2; });
    CHECK(ends[0].error == reason_code::server_shutting_down);
    CHECK(ends[0].props == props);
    CHECK(ends[0].reason_string == "closing time");
    CHECK(ends[1].props.empty());
    CHECK(ends[1].reason_string.empty());
}

namespace {

template <packet_type Type>
properties<Type> words(std::string_view text) {
    properties<Type> props;
    props.template set<property_id::reason_string>(text).add_user_property("code", "7");
    return props;
}

} // namespace

TEST_CASE("async_client: what the broker says with its acknowledgements comes with the outcomes", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    outcome<publish_ack> refused, plain;
    outcome<subscribe_ack> subscribed, unsubscribed;
    client.async_publish({"a", "1", qos::at_least_once}, refused.handler());
    client.async_publish({"a", "2", qos::exactly_once}, plain.handler());
    client.async_subscribe("b", qos::at_least_once, subscribed.handler());
    client.async_unsubscribe("c", unsubscribed.handler());
    for (int i = 0; i != 4; ++i) f.server.receive();
    const auto full = words<packet_type::puback>("full");
    const auto members = words<packet_type::suback>("members only");
    const auto unknown = words<packet_type::unsuback>("never seen");
    f.server.send(puback{.id = id(1), .reason = reason_code::quota_exceeded, .props = full});
    f.server.send(pubrec{.id = id(2), .reason = reason_code::no_matching_subscribers});
    f.server.send(suback{.id = id(3), .props = members, .reasons = {reason_code::not_authorized}});
    f.server.send(unsuback{.id = id(4), .props = unknown, .reasons = {reason_code::no_subscription_existed}});
    f.server.expect("PUBREL id=2");
    f.server.send(pubcomp{.id = id(2)});
    f.wait(plain);
    CHECK(refused.error() == reason_code::quota_exceeded);
    CHECK(refused->why().reason_string() == "full");
    CHECK(refused->why().props().bytes() == full.bytes());
    CHECK_FALSE(plain.error());
    CHECK(plain->reason() == reason_code::no_matching_subscribers);
    CHECK(plain->why().empty());
    CHECK(subscribed.error() == reason_code::not_authorized);
    CHECK(subscribed->why.reason_string() == "members only");
    CHECK_FALSE(unsubscribed.error());
    CHECK(unsubscribed->why.reason_string() == "never seen");
}

TEST_CASE("publish_ack: with an explanation and without one it is a value", "[async_client]") {
    static_assert(sizeof(publish_ack) == sizeof(void*));
    const auto words_of_broker = words<packet_type::puback>("full");
    const publish_ack plain(65'535, reason_code::wildcard_subscriptions_not_supported);
    const publish_ack explained(7, reason_code::quota_exceeded, explanation(words_of_broker.view()));
    const auto check = [&](const publish_ack& one, const publish_ack& other) {
        CHECK(one.mid() == other.mid());
        CHECK(one.reason() == other.reason());
        CHECK(one.why() == other.why());
    };
    CHECK(plain.mid() == 65'535);
    CHECK(plain.reason() == reason_code::wildcard_subscriptions_not_supported);
    CHECK(plain.why().empty());
    CHECK(explained.mid() == 7);
    CHECK(explained.reason() == reason_code::quota_exceeded);
    CHECK(explained.why().reason_string() == "full");
    for (const publish_ack& each : {plain, explained}) {
        publish_ack copy(each);
        check(copy, each);
        publish_ack moved(std::move(copy));
        check(moved, each);
        publish_ack assigned;
        check(assigned, publish_ack(0, reason_code::success));
        for (const publish_ack& next : {explained, plain, each}) {
            assigned = next;
            check(assigned, next);
        }
        assigned = std::move(moved);
        check(assigned, each);
    }
}

TEST_CASE("async_client: an acknowledgement says what the application says with it, by handle and by name",
          "[async_client][v5:MQTT-3.4.2-2]") {
    async_fixture f;
    client_options options = f.options(v5);
    options.manual_ack = true;
    async_client client(f.io, options);
    f.connect(client);
    f.server.send(publish{.qos = qos::at_least_once, .topic = "t", .id = id(1)});
    f.server.send(publish{.qos = qos::exactly_once, .topic = "t", .id = id(2)});
    outcome<received_message> first, second;
    client.async_receive(first.handler());
    client.async_receive(second.handler());
    f.wait(second);
    const auto full = words<packet_type::puback>("full");
    CHECK(first->handle.ack(reason_code::granted_qos_1) == errc::reason_not_allowed);
    CHECK_FALSE(first->handle.ack(reason_code::quota_exceeded, full));
    CHECK_FALSE(client.acknowledge(second->delivery, reason_code::success, full));
    f.server.expect("PUBACK id=1 reason='quota exceeded' (151) reason_string='full' user_property='code' value='7'");
    f.server.expect("PUBREC id=2 reason_string='full' user_property='code' value='7'");
}

TEST_CASE("async_client: DISCONNECT says what the application wants it to", "[async_client][v5:U5-20]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    outcome<std::size_t> refused, done;
    client.async_disconnect({.reason = reason_code::server_busy}, refused.handler());
    f.wait(refused);
    CHECK(refused.error() == errc::reason_not_allowed);
    CHECK(client.is_connected());
    disconnect_options how{.reason = reason_code::disconnect_with_will_message, .session_expiry = 90s};
    how.props = words<packet_type::disconnect>("good night");
    client.async_disconnect(how, done.handler());
    f.server.expect("DISCONNECT reason='disconnect with Will Message' (4) reason_string='good night' user_property='code' value='7' "
                    "session_expiry_interval=90");
    f.server.close();
    f.wait(done);
    CHECK_FALSE(done.error());
    outcome<connect_result> again; // The session was to be kept.
    client.async_connect(again.handler());
    f.server.accept();
    const auto p = f.server.receive();
    CHECK_FALSE(p->as<inflight::connect>().clean_start);
    f.server.send(connack{.session_present = true});
    f.wait(again);
    CHECK(again->session_present);
}

TEST_CASE("async_client: a session without expiry cannot be prolonged by DISCONNECT", "[async_client][v5:U5-20]") {
    async_fixture f;
    client_options options = f.options(v5);
    options.session_expiry = 0s;
    async_client client(f.io, options);
    f.connect(client);
    outcome<std::size_t> refused;
    client.async_disconnect({.session_expiry = 1s}, refused.handler());
    f.wait(refused);
    CHECK(refused.error() == errc::session_expiry_zero);
    CHECK(client.is_connected());
}
