// Several brokers, and brokers that send their clients elsewhere.
#include "client_support.hpp"

namespace {

broker at(const fake_server& s) { return {here, s.port()}; }

/// Sends everybody to another server.
fake_server::rule referring(reason_code why, std::string to) {
    return [=](fake_server::connection& c, const packet& p) {
        if (!std::holds_alternative<inflight::connect>(p)) return;
        properties<packet_type::connack> props;
        props.set<property_id::server_reference>(to);
        c.send(connack{.reason = why, .props = props});
        c.close();
    };
}

} // namespace

TEST_CASE("client: connect() takes several brokers, and goes from one that is lost to the next", "[client]") {
    fake_server first(fake_server::broker), second(fake_server::broker);
    watched<int> connected;
    client c(test_options());
    c.on_connect([&](const connect_result& r) {
        if (r) ++connected;
    });
    c.loop_start();
    REQUIRE_FALSE(c.connect({at(first), at(second)}));
    CHECK(first.accepted() == 1);
    first.accept();
    first.stop_listening();
    first.close();
    connected.wait_for(2);
    CHECK(second.accepted() == 1);
    const auto sent = c.publish("a", "x", qos::exactly_once);
    REQUIRE(sent);
    CHECK_FALSE(c.wait_for_publish(sent.mid, patience));
    const auto left = c.disconnect();
    CHECK_FALSE(left.error);
    CHECK(left.unacknowledged == 0);

    CHECK(c.connect(std::vector<broker>{}) == errc::no_host);
    CHECK(c.connect_async({at(first), {"", 1883}}) == errc::no_host);
}

TEST_CASE("client: while it drains it may change to another broker; what no broker takes is left over", "[client]") {
    const bool has_other = GENERATE(true, false);
    fake_server first(fake_server::accepting), second(has_other ? fake_server::broker : fake_server::scripted); // No PUBACK; no CONNACK.
    client c(test_options());
    c.loop_start();
    REQUIRE_FALSE(c.connect({at(first), at(second)}));
    for (int i = 0; i != 3; ++i) REQUIRE(c.publish("a", "x", qos::at_least_once));
    first.accept();
    for (const auto* wanted : {"CONNECT", "PUBLISH", "PUBLISH", "PUBLISH"}) first.expect(wanted);
    auto leaving = std::async(std::launch::async, [&] { return c.disconnect(has_other ? patience : 100ms); });
    first.stop_listening();
    first.close();
    const auto left = leaving.get();
    CHECK_FALSE(left.error);
    CHECK(left.unacknowledged == (has_other ? 0u : 3u));
}

TEST_CASE("client: a reference to another server is followed if the options allow it, else it is the error of connect()",
          "[client][v5:U5-28]") {
    const bool allowed = GENERATE(true, false);
    fake_server second(fake_server::broker);
    fake_server first(referring(reason_code::use_another_server, here + ':' + std::to_string(second.port())));
    client_options options = test_options();
    options.max_redirects = allowed ? 1 : 0;
    watched<std::string> asked;
    options.accept_redirect = [&](const broker& to) {
        asked.change([&](std::string& host) { host = to.host; });
        return true;
    };
    client c(options);
    const auto error = c.connect(here, first.port());
    CHECK(error == (allowed ? std::error_code{} : make_error_code(reason_code::use_another_server)));
    CHECK(second.accepted() == (allowed ? 1u : 0u));
    CHECK(asked.now() == (allowed ? here : ""));
}

TEST_CASE("client: what accept_redirect throws goes to on_exception, and the reference is not followed", "[client]") {
    fake_server second(fake_server::broker);
    fake_server first(referring(reason_code::server_moved, here + ':' + std::to_string(second.port())));
    client_options options = test_options();
    options.max_redirects = 1;
    options.accept_redirect = [](const broker&) -> bool { throw std::runtime_error("no idea"); };
    watched<int> thrown;
    client c(options);
    c.on_exception([&](std::exception_ptr) { ++thrown; });
    c.loop_start();
    CHECK(c.connect(here, first.port()) == reason_code::server_moved);
    thrown.wait_for(1);
    CHECK(second.accepted() == 0);
}

TEST_CASE("client: statistics and the limits of the server can be asked for from any thread, in callbacks too", "[client]") {
    fake_server server;
    watched<client_statistics> seen;
    client c(test_options());
    c.on_connect([&](const connect_result&) { seen.change([&](client_statistics& s) { s = c.statistics(); }); });
    c.loop_start();
    auto connected = std::async(std::launch::async, [&] { return c.connect(here, server.port()); });
    properties<packet_type::connack> props;
    props.set<property_id::maximum_packet_size>(1000).set<property_id::receive_maximum>(7);
    server.connect(connack{.props = props});
    CHECK_FALSE(connected.get());
    CHECK(seen.now().connections == 1);
    CHECK(c.server_limits().maximum_packet_size == 1000);
    CHECK(c.server_limits().receive_maximum == 7);
    REQUIRE(c.publish("a", "x", qos::at_least_once));
    server.expect("PUBLISH");
    server.send(puback{.id = id(1), .reason = reason_code::quota_exceeded});
    (void)c.wait_for_publish(1, patience);
    const client_statistics now = c.statistics();
    CHECK(now.messages_sent == 1);
    CHECK(now.refused == 1);
    CHECK(now.acknowledgement.samples == 1);
    CHECK(now.acknowledgement.last > 0ns);
}
