// Thousands of messages to a persistent subscriber while connections are cut and the broker is stopped, started and
// killed: nothing is missing, every completion comes once, the order of first arrivals is kept.
#include "pair_of_clients.hpp"

TEST_CASE("bad network: connections cut at random bytes lose nothing, double no QoS 2 message and keep the order",
          "[bad_network][v5:MQTT-4.4.0-1][v3:MQTT-4.4.0-1][v5:MQTT-4.6.0-1][v3:MQTT-4.6.0-1]") {
    const auto version = GENERATE(v3, v5);
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    CAPTURE(name_of(version), int(level));
    pair_of_clients d(version, level, 10'000, 2'000);
    d.start();
    // Each message costs more than 50 bytes and each acknowledgement four, so that all cuts come before the end.
    const auto s = seed();
    CAPTURE(s);
    d.to_publisher.cut_randomly(s, 10, 480'000);
    d.to_subscriber.cut_randomly(s + 1, 10, 480'000);
    d.publish_until_completed(10'000);
    d.finish();
    CHECK(d.to_publisher.cuts() == 10);
    CHECK(d.to_subscriber.cuts() == 10);
    d.report("cut");
    d.check_completions();
    d.check_arrivals();
    if (level != qos::exactly_once) return;
    if (d.unexplained_duplicates() != 0) FAIL_CHECK(d.state());
}

TEST_CASE("bad network: a broker that is stopped and started three times loses nothing", "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    CAPTURE(name_of(version), int(level));
    pair_of_clients d(version, level, 10'000, 2'000);
    d.start();
    for (const unsigned at : {2'500u, 5'000u, 7'500u}) {
        d.lose_broker(at, &mosquitto_process::stop);
        const auto status = d.publisher.publish("elsewhere", "", qos::at_least_once).status;
        CHECK(status == publish_status::queued_offline);
        d.broker.start();
    }
    d.publish_until_completed(10'000);
    d.finish();
    d.report("restarted");
    d.check_completions();
    d.check_arrivals();
    if (level == qos::exactly_once) CHECK(d.unexplained_duplicates() == 0);
}

TEST_CASE("bad network: a broker that is killed three times acknowledges every message in the end", "[bad_network]") {
    const auto version = GENERATE(v3, v5);
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    CAPTURE(name_of(version), int(level));
    pair_of_clients d(version, level, 10'000, 2'000);
    d.start();
    for (const unsigned at : {2'500u, 5'000u, 7'500u}) {
        d.lose_broker(at, &mosquitto_process::kill);
        d.broker.start();
    }
    d.publish_until_completed(10'000);
    d.until("the subscriber's connection", [&] { return d.subscriber.is_connected(); });
    d.report("killed");
    d.check_completions();
}
