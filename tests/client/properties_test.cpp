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
    client c(test_options());
    watched<disconnect_result> told;
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
