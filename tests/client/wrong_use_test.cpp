// What a client is asked for by mistake.
#include "support/wrong_use.hpp"

#include "client/served.hpp"

namespace {

// After which everything before it has arrived.
void publish_good(client& c) { CHECK_FALSE(c.wait_for_publish(c.publish("a", "good", qos::at_least_once).mid, patience)); }

} // namespace

TEST_CASE("client: each wrong use has an error of its own, at once, and the server hears nothing of it", "[client]") {
    served server(wrong_use::poor_server());
    client c(test_options());
    wrong_use::distinct errors;
    errors.add(c.loop_forever(), errc::not_connected);
    errors.add(c.loop_stop(), errc::not_running);
    CHECK(c.disconnect().error == errc::not_connected);
    errors.add(c.connect(""), errc::no_host);
    errors.add(c.connect(here, server.port(), -1s), errc::invalid_argument);
    errors.add(c.will_set("a/#", "x"), errc::will_topic_invalid);
    CHECK(c.will_set("a", "x", static_cast<qos>(3)) == errc::invalid_qos);
    CHECK(server.trace().empty());

    REQUIRE_FALSE(c.loop_start());
    REQUIRE_FALSE(c.connect(here, server.port()));
    const std::size_t before = server.trace().size();
    errors.add(c.loop_start(), errc::already_running);
    errors.add(c.connect(here, server.port()), errc::already_connected);
    for (const auto& [what, error] : wrong_use::publishes()) {
        const publish_result r = c.publish(what);
        CHECK_FALSE(r);
        CHECK(r.mid == 0);
        CHECK(name(r.status) == row(error).text);
        errors.add(to_errc(r.status), error);
    }
    for (const auto& [filters, props, error] : wrong_use::subscribes()) errors.add(c.subscribe(filters, props).error, error);
    CHECK(c.subscribe("a", static_cast<qos>(3)).error == errc::invalid_qos);
    CHECK(c.unsubscribe(std::vector<std::string>{}).error == errc::no_filter);
    CHECK(c.unsubscribe("a+").error == errc::filter_invalid);
    CHECK(c.message_callback_add("", [](const received_message&) {}) == errc::filter_empty);
    CHECK(c.message_callback_add("$share//a", [](const received_message&) {}) == errc::shared_filter_invalid);
    errors.add(c.ack(0), errc::qos_0_acknowledged);
    errors.add(c.ack(77), errc::unknown_packet_id);
    CHECK_FALSE(c.wait_for_publish(77)); // Which is not outstanding.

    // Inside a callback, what would wait for another one.
    std::promise<std::vector<std::error_code>> inside;
    c.on_publish([&](std::uint16_t mid, std::error_code) {
        c.on_publish(nullptr);
        inside.set_value({c.wait_for_publish(mid), c.connect(here), c.disconnect().error, c.loop_stop(), c.loop_forever()});
    });
    CHECK(c.publish("a", "good", qos::at_least_once));
    const auto codes = inside.get_future().get();
    for (const std::error_code error : codes) CHECK(error == errc::would_deadlock);
    errors.add(codes[0], errc::would_deadlock);
    CHECK(errors.size() >= 14);

    CHECK(c.is_connected()); // The client goes on.
    publish_good(c);
    for (const std::string& line : wrong_use::received(server.trace(), before)) CHECK(line.find("good") != std::string::npos);
}

TEST_CASE("client: options that no broker can accept are refused without a connection", "[client][v5:MQTT-3.1.3-11]") {
    served server;
    client_options will = test_options(), nameless = test_options();
    will.will = will_message("", "x");
    nameless.client_id.clear();
    nameless.keep_session_for(60s);
    client with_will(will), without_name(nameless);
    CHECK(with_will.connect(here, server.port()) == errc::will_topic_invalid);
    CHECK(with_will.connect_async(here, server.port()) == errc::will_topic_invalid);
    CHECK(without_name.connect(here, server.port()) == errc::client_id_missing);
    CHECK(server.trace().empty());
    CHECK_FALSE(with_will.will_set("w", "x"));
    CHECK_FALSE(with_will.connect(here, server.port()));
}

TEST_CASE("client: what is acknowledged twice, or refused in 3.1.1, says so", "[client]") {
    served server;
    client_options o = test_options(v3);
    o.manual_ack = true;
    client c(o);
    REQUIRE_FALSE(c.loop_start());
    REQUIRE_FALSE(c.connect(here, server.port()));
    std::promise<std::uint16_t> got;
    c.on_message([&](const received_message& m) { got.set_value(m.mid); });
    CHECK(c.subscribe("a", qos::at_least_once));
    CHECK(c.publish("a", "good", qos::at_least_once));
    const std::uint16_t mid = got.get_future().get();
    CHECK(c.ack(mid, reason_code::not_authorized) == errc::not_supported);
    CHECK_FALSE(c.ack(mid));
    CHECK(c.ack(mid) == errc::unknown_packet_id);
    CHECK(c.unsubscribe("a"));
    publish_good(c);
    const auto lines = wrong_use::received(server.trace(), 0);
    CHECK(std::count_if(lines.begin(), lines.end(), [](const std::string& l) { return l.starts_with("PUBACK"); }) == 1);
}

TEST_CASE("client: what is published after disconnecting waits for the next connection", "[client]") {
    served server;
    client c(test_options());
    REQUIRE_FALSE(c.connect(here, server.port()));
    REQUIRE_FALSE(c.disconnect().error);
    const std::size_t before = server.trace().size();
    CHECK(c.publish("a", "late", qos::at_least_once).status == publish_status::queued_offline);
    CHECK(wrong_use::received(server.trace(), before).empty());
    REQUIRE_FALSE(c.connect(here, server.port()));
    publish_good(c);
    CHECK(wrong_use::received(server.trace(), before).size() == 3); // CONNECT, and both messages.
}
