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
