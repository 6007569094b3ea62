// Subscriptions with their options, and callbacks for filters, against the test kit's server on a port.
#include "client/served.hpp"

namespace {

/// A client at that server, connected, whose loop runs, and the answers to its subscriptions.
struct joined {
    client c;
    std::promise<subscribe_outcome> answer{};

    joined(const served& s, const std::string& id, protocol_version version = v5) : c(options(id, version)) {
        c.on_subscribe([this](const subscribe_outcome& o) { answer.set_value(o); });
        REQUIRE_FALSE(c.connect(here, s.port()));
        c.loop_start();
    }
    static client_options options(const std::string& id, protocol_version version) {
        client_options o = test_options(version);
        o.client_id = id;
        return o;
    }
    std::vector<reason_code> subscribe(const std::vector<subscription_request>& filters,
                                       const properties<packet_type::subscribe>& props = {}) {
        answer = {};
        REQUIRE(c.subscribe(filters, props));
        return answer.get_future().get().reasons;
    }
};

} // namespace

TEST_CASE("client: each filter has its own answer, and a refusal leaves the others", "[client]") {
    testing::server_options o;
    o.maximum_qos = qos::at_least_once;
    served s(o);
    const auto version = GENERATE(v5, v3);
    joined j(s, "c", version);
    using enum reason_code;
    CHECK(j.subscribe({{"a", qos::at_most_once}, {"b/#", qos::at_least_once}, {"c", qos::exactly_once}}) ==
          std::vector{success, granted_qos_1, granted_qos_1});
}

TEST_CASE("client: the options of a subscription are kept to, and its identifier comes with its messages",
          "[client][v5:MQTT-3.8.3-3]") {
    served s;
    joined j(s, "c"), other(s, "other");
    s.publish(message("kept", "old", qos::at_least_once, true));
    subscription_request all("#", qos::at_least_once);
    all.no_local = all.retain_as_published = true;
    all.retain_handling = retain_handling::do_not_send;
    properties<packet_type::subscribe> props;
    props.set<property_id::subscription_identifier>(77);
    std::promise<std::string> got;
    j.c.on_message([&](const received_message& m) {
        got.set_value(m.topic + (m.retain ? " retained " : " ") + std::to_string(*m.subscription_identifiers().begin()));
    });
    (void)j.subscribe({all}, props);
    const auto own = j.c.publish("own", "x", qos::at_least_once);
    CHECK_FALSE(j.c.wait_for_publish(own.mid, patience));
    CHECK(other.c.publish("a", "x", qos::at_least_once, true));
    CHECK(got.get_future().get() == "a retained 77"); // Neither "kept" nor "own" came before.
}

TEST_CASE("client: ten thousand callbacks for filters get the messages that match theirs", "[client]") {
    served s;
    joined j(s, "c", GENERATE(v5, v3));
    constexpr std::size_t count = 10'000;
    std::vector<int> calls(count);
    for (std::size_t i = 0; i != count; ++i) {
        const std::string filter = "plant/" + std::to_string(i % 100) + "/+/" + std::to_string(i);
        REQUIRE_FALSE(j.c.message_callback_add(filter, [&calls, i](const received_message&) { ++calls[i]; }));
    }
    std::promise<void> last;
    j.c.on_message([&](const received_message&) { last.set_value(); });
    (void)j.subscribe({{"#", qos::at_least_once}});
    for (std::size_t i = 0; i < count; i += 7)
        s.publish(message("plant/" + std::to_string(i % 100) + "/x/" + std::to_string(i), "x", qos::at_least_once));
    s.publish(message("end", "x", qos::at_least_once));
    last.get_future().wait();
    std::size_t wrong = 0;
    for (std::size_t i = 0; i != count; ++i) wrong += calls[i] != (i % 7 == 0 ? 1 : 0);
    CHECK(wrong == 0);
}

TEST_CASE("client: three workers share the messages of a filter, each message goes to one of them", "[client]") {
    served s;
    const auto version = GENERATE(v5, v3);
    std::vector<std::unique_ptr<joined>> team;
    std::array<std::atomic<int>, 3> done{};
    std::atomic<int> total{0};
    std::promise<void> all;
    for (std::size_t i = 0; i != done.size(); ++i) {
        auto& worker = *team.emplace_back(std::make_unique<joined>(s, "w" + std::to_string(i), version));
        CHECK_FALSE(worker.c.message_callback_add("$share/g/job/#", [&, i](const received_message&) {
            ++done[i];
            if (++total == 90) all.set_value();
        }));
        (void)worker.subscribe({{"$share/g/job/#", qos::at_least_once}});
    }
    for (int i = 0; i != 90; ++i) s.publish(message("job/" + std::to_string(i), "x", qos::at_least_once));
    all.get_future().wait();
    for (const auto& n : done) CHECK(n == 30);
}
