// What a client is asked for by mistake.
#include "support/options_for.hpp"
#include "support/short_names.hpp"
#include "support/wrong_use.hpp"

#include <inflight/testing/memory_transport.hpp>

#include <asio/use_awaitable.hpp>

using namespace inflight;
using namespace std::chrono_literals;

namespace {

struct fixture {
    testing::network net;
    testing::memory_client client;

    explicit fixture(testing::server_options limits = {}, client_options o = options_for("c"))
        : net(std::move(limits)), client(net.context(), std::move(o)) {}

    // The error with which an operation completes without time passing, if it does.
    template <class Start> std::error_code outcome(Start start) {
        std::optional<std::error_code> out;
        start([&out](std::error_code error, auto&&) { out = error; });
        net.run_ready();
        REQUIRE(out);
        return *out;
    }
    std::error_code connect(testing::memory_client& c) {
        return outcome([&](auto done) { c.async_connect(done); });
    }
};

} // namespace

TEST_CASE("async client: each wrong use has an error of its own, at once, and the server hears nothing of it", "[async_client]") {
    fixture f(wrong_use::poor_server());
    REQUIRE_FALSE(f.connect(f.client));
    const std::size_t before = f.net.server().trace().size();

    wrong_use::distinct errors;
    for (const auto& [what, error] : wrong_use::publishes()) {
        const publish_result r = f.client.publish(what);
        CHECK_FALSE(r);
        CHECK(r.mid == 0);
        CHECK(to_errc(r.status) == error);
        CHECK(name(r.status) == row(error).text);
        errors.add(f.outcome([&, &m = what](auto done) { f.client.async_publish(m, done); }), error);
    }
    for (const auto& [filters, props, error] : wrong_use::subscribes())
        errors.add(f.outcome([&, &l = filters, &p = props](auto done) { f.client.async_subscribe(l, p, done); }), error);
    CHECK(f.outcome([&](auto done) { f.client.async_unsubscribe("", done); }) == errc::filter_empty);
    CHECK(f.outcome([&](auto done) { f.client.async_unsubscribe(std::vector<std::string>{}, done); }) == errc::no_filter);
    CHECK(f.outcome([&](auto done) { f.client.async_subscribe("a", static_cast<qos>(3), done); }) == errc::invalid_qos);
    errors.add(f.connect(f.client), errc::already_connected);
    CHECK(errors.size() >= 14);

    // The client goes on.
    CHECK(f.client.is_connected());
    CHECK_FALSE(f.outcome([&](auto done) { f.client.async_publish({"a", "good", qos::at_least_once}, done); }));
    const auto got = wrong_use::received(f.net.server().trace(), before);
    REQUIRE(got.size() == 1);
    CHECK(got[0].find("good") != std::string::npos);
}

TEST_CASE("async client: options that no broker can accept are refused without a connection", "[async_client][v5:MQTT-3.1.3-11]") {
    wrong_use::distinct errors;
    client_options will = options_for("w"), nameless = options_for("");
    will.will = will_message("a/#", "x");
    nameless.keep_session_for(60s);
    for (const auto& [options, error] : {std::pair(will, errc::will_topic_invalid), {nameless, errc::client_id_missing}}) {
        fixture f({}, options);
        errors.add(f.connect(f.client), error);
        CHECK(f.net.server().counters().connections == 0);
    }
}

TEST_CASE("async client: what cannot be acknowledged says why", "[async_client]") {
    const auto version = GENERATE(v3, v5);
    client_options o = options_for("c", version);
    o.manual_ack = true;
    fixture f({}, o);
    REQUIRE_FALSE(f.connect(f.client));
    REQUIRE_FALSE(f.outcome([&](auto done) { f.client.async_subscribe("a", qos::at_least_once, done); }));
    std::vector<received_message> got;
    f.client.on_message([&](const received_view& m) { got.emplace_back(m); });
    for (const qos level : {qos::at_most_once, qos::at_least_once}) (void)f.client.publish("a", "x", level);
    f.net.run_ready();
    REQUIRE(got.size() == 2);
    const std::size_t before = f.net.server().trace().size();

    wrong_use::distinct errors;
    errors.add(f.client.acknowledge(got[0].delivery), errc::qos_0_acknowledged);
    if (version == v3) errors.add(f.client.acknowledge(got[1].delivery, reason_code::not_authorized), errc::not_supported);
    f.net.run_ready();
    CHECK(wrong_use::received(f.net.server().trace(), before).empty());

    CHECK_FALSE(f.client.acknowledge(got[1].delivery));
    errors.add(f.client.acknowledge(got[1].delivery), errc::unknown_packet_id); // Twice.
    f.net.run_ready();
    CHECK(wrong_use::received(f.net.server().trace(), before).size() == 1);

    std::optional<received_message> taken;
    f.client.on_message(nullptr);
    f.client.async_receive([&](std::error_code, received_message m) { taken = std::move(m); });
    (void)f.client.publish("a", "x");
    f.net.run_ready();
    REQUIRE(taken);
    CHECK(taken->handle.ack() == errc::qos_0_acknowledged);

    f.net.cut();
    REQUIRE(f.net.run_until([&] { return f.net.server().counters().connections == 2 && f.client.is_connected(); }));
    errors.add(f.client.acknowledge(got[1].delivery), errc::stale_delivery);
}

TEST_CASE("async client: what is published after disconnecting waits for the next connection", "[async_client]") {
    fixture f;
    REQUIRE_FALSE(f.connect(f.client));
    REQUIRE_FALSE(f.outcome([&](auto done) { f.client.async_disconnect(done); }));
    const std::size_t before = f.net.server().trace().size();
    const publish_result r = f.client.publish("a", "late", qos::at_least_once);
    CHECK(r.status == publish_status::queued_offline);
    CHECK(static_cast<int>(r.status) == 4); // As MQTT_ERR_NO_CONN of paho, which keeps the message as well.
    f.net.run_for(1min);
    CHECK(wrong_use::received(f.net.server().trace(), before).empty());
    CHECK(f.outcome([&](auto done) { f.client.async_disconnect(done); }) == errc::not_connected);

    REQUIRE_FALSE(f.connect(f.client));
    f.net.run_ready();
    CHECK(f.client.unsettled() == 0);
    CHECK(wrong_use::received(f.net.server().trace(), before).size() == 2); // CONNECT and PUBLISH.
}
