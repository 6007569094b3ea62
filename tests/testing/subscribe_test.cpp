// The test server: who gets a message, and once.
#include "testing/peer.hpp"

#include "support/catch.hpp"

using namespace inflight;
using namespace inflight::testing;

namespace {

std::string subscribed_with(peer& p, subscription wish, std::uint32_t identifier = 0) {
    const auto props = with<packet_type::subscribe>([&](auto& set) {
        if (identifier != 0) set.template set<property_id::subscription_identifier>(identifier);
    });
    const trace got = p.says(subscribe{.id = id(7), .props = props, .subscriptions = {wish}});
    std::string out;
    for (const std::string& line : got) out += line + "\n";
    return out;
}

constexpr std::string_view granted_0 = "SUBACK id=7 reason='success' (0)\n";

} // namespace

TEST_CASE("server: overlapping subscriptions give one copy, with the highest QoS and every identifier",
          "[testing][v5:MQTT-3.3.4-2][v5:MQTT-3.3.4-3][v5:MQTT-3.3.4-4][v3:MQTT-3.3.5-1]") {
    world w;
    peer& a = w.connect("a");
    subscribed_with(a, {.filter = "t/#", .qos = qos_1}, 5);
    subscribed_with(a, {.filter = "t/+", .qos = qos_0}, 6);
    subscribed_with(a, {.filter = "+/x", .qos = qos_2});
    (void)w.server.publish(message("t/x", "1", qos_2), w.now);
    CHECK(a.gets() == trace{"PUBLISH qos=2 topic='t/x' id=1 subscription_identifier=5 subscription_identifier=6 payload='1' (1 byte)"});
    (void)w.server.publish(message("t", "2", qos_2), w.now);
    CHECK(a.gets() == trace{"PUBLISH qos=1 topic='t' id=2 subscription_identifier=5 payload='2' (1 byte)"});
}

TEST_CASE("server: a subscription to the same filter replaces the one before",
          "[testing][v5:MQTT-3.8.4-3][v3:MQTT-3.8.4-3]") {
    world w;
    peer& a = w.connect("a");
    subscribed_with(a, {.filter = "t", .qos = qos_2}, 5);
    subscribed_with(a, {.filter = "t", .qos = qos_0}, 6);
    (void)w.server.publish(message("t", "x", qos_2), w.now);
    CHECK(a.gets() == trace{"PUBLISH qos=0 topic='t' subscription_identifier=6 payload='x' (1 byte)"});
    const auto have = w.server.session("a")->subscriptions;
    REQUIRE(have.size() == 1);
    CHECK(have[0] == server_subscription{"t", qos_0, false, false, 6});
}

TEST_CASE("server: UNSUBSCRIBE ends the delivery, and 5.0 is told what was not there",
          "[testing][v5:MQTT-3.10.4-1][v5:MQTT-3.11.3-1][v3:MQTT-3.10.4-2][v3:MQTT-3.10.4-4]") {
    world w;
    peer& a = w.connect("a", v5);
    peer& b = w.connect("b", v3);
    const unsubscribe both{.id = id(9), .filters = {"t", "u"}};
    a.subscribes("t");
    b.subscribes("t");
    CHECK(a.says(both) == trace{"UNSUBACK id=9 reason='success' (0) reason='no subscription existed' (17)"});
    CHECK(b.says(both) == trace{"UNSUBACK id=9"});
    (void)w.server.publish(message("t", "x"), w.now);
    CHECK(a.gets().empty());
    CHECK(b.gets().empty());
}

TEST_CASE("server: No Local keeps a message from its own publisher only", "[testing][v5:MQTT-3.8.3-3]") {
    world w;
    peer& a = w.connect("a");
    peer& b = w.connect("b");
    for (peer* p : {&a, &b}) subscribed_with(*p, {.filter = "t", .no_local = true});
    CHECK(a.publishes("t", "x").empty());
    CHECK(b.gets().size() == 1);
    a.cut();
    peer& again = w.connect("a"); // Another session of the same client.
    subscribed_with(again, {.filter = "t", .no_local = true});
    CHECK(again.publishes("t", "x").empty());
}

TEST_CASE("server: Retain As Published keeps the flag", "[testing][v5:MQTT-3.3.1-12][v5:MQTT-3.3.1-13][v3:MQTT-3.3.1-9]") {
    world w;
    peer& a = w.connect("a", v5);
    peer& b = w.connect("b", v5);
    peer& c = w.connect("c", v3);
    subscribed_with(a, {.filter = "t", .retain_as_published = true});
    subscribed_with(b, {.filter = "t"});
    c.subscribes("t", qos_0);
    (void)w.server.publish(message("t", "x", qos_0, true), w.now);
    CHECK(a.gets() == trace{"PUBLISH retain qos=0 topic='t' payload='x' (1 byte)"});
    CHECK(b.gets() == trace{"PUBLISH qos=0 topic='t' payload='x' (1 byte)"});
    CHECK(c.gets() == trace{"PUBLISH qos=0 topic='t' payload='x' (1 byte)"});
}

TEST_CASE("server: Retain Handling decides whether a subscription gets retained messages",
          "[testing][v5:MQTT-3.3.1-9][v5:MQTT-3.3.1-10][v5:MQTT-3.3.1-11]") {
    world w;
    (void)w.server.publish(message("t", "x", qos_0, true), w.now);
    peer& a = w.connect("a");
    const std::string one = std::string(granted_0) + "PUBLISH retain qos=0 topic='t' subscription_identifier=3 payload='x' (1 byte)\n";
    const auto ask = [&](retain_handling how) { return subscribed_with(a, {.filter = "t", .retain_handling = how}, 3); };
    CHECK(ask(retain_handling::do_not_send) == granted_0);
    CHECK(ask(retain_handling::send_if_new) == granted_0);
    CHECK(ask(retain_handling::send) == one);
    CHECK(ask(retain_handling::send) == one);
    a.says(unsubscribe{.id = id(1), .filters = {"t"}});
    CHECK(ask(retain_handling::send_if_new) == one);
}

TEST_CASE("server: a leading wildcard does not match topics that begin with $, retained or not",
          "[testing][v5:MQTT-4.7.2-1][v3:MQTT-4.7.2-1]") {
    world w;
    peer& a = w.connect("a");
    for (const char* filter : {"#", "+/x", "+"}) a.subscribes(filter, qos_0);
    (void)w.server.publish(message("$SYS/x", "1", qos_0, true), w.now);
    (void)w.server.publish(message("$SYS", "1", qos_0, true), w.now);
    CHECK(a.gets().empty());
    peer& b = w.connect("b");
    CHECK(b.subscribes("#").size() == 1);
    CHECK(b.subscribes("+/x").size() == 1);
    CHECK(b.subscribes("$SYS/#").size() == 3);
    CHECK(w.server.retained("#").empty());
}

TEST_CASE("server: a shared subscription gives each message to one of the group in turn, who is there", "[testing]") {
    world w;
    peer& a = w.resume("a");
    peer& b = w.resume("b");
    peer& c = w.connect("c");
    a.subscribes("$share/g/t/+");
    b.subscribes("$share/g/t/+");
    c.subscribes("$share/other/t/+");
    c.subscribes("t/#", qos_0);
    for (int i = 0; i != 4; ++i) (void)w.server.publish(message("t/x", std::to_string(i)), w.now);
    CHECK(a.gets() == trace{"PUBLISH qos=0 topic='t/x' payload='0' (1 byte)", "PUBLISH qos=0 topic='t/x' payload='2' (1 byte)"});
    CHECK(b.gets() == trace{"PUBLISH qos=0 topic='t/x' payload='1' (1 byte)", "PUBLISH qos=0 topic='t/x' payload='3' (1 byte)"});
    CHECK(c.gets().size() == 8); // From its own two subscriptions.
    b.cut();
    for (int i = 0; i != 3; ++i) (void)w.server.publish(message("t/x", "y", qos_1), w.now);
    CHECK(a.gets().size() == 3);
    a.cut();
    for (int i = 0; i != 4; ++i) (void)w.server.publish(message("t/x", "z", qos_1), w.now);
    CHECK(w.server.session("a")->waiting == 2);
    CHECK(w.server.session("b")->waiting == 2);
}

TEST_CASE("server: a shared subscription gets no retained messages, and ends like any other", "[testing]") {
    world w;
    (void)w.server.publish(message("t", "x", qos_0, true), w.now);
    peer& a = w.connect("a");
    CHECK(a.subscribes("$share/g/t").size() == 1);
    CHECK(w.server.session("a")->subscriptions.at(0).filter == "$share/g/t");
    CHECK(a.says(unsubscribe{.id = id(1), .filters = {"$share/h/t", "$share/g/t"}}) ==
          trace{"UNSUBACK id=1 reason='no subscription existed' (17) reason='success' (0)"});
    (void)w.server.publish(message("t", "y"), w.now);
    CHECK(a.gets().empty());
}

TEST_CASE("server: what it does not support is refused in SUBACK, one code for each filter",
          "[testing][v5:MQTT-3.8.4-6][v5:MQTT-3.9.3-1][v3:MQTT-3.8.4-5]") {
    server_options o;
    o.wildcard_subscriptions = o.shared_subscriptions = o.subscription_identifiers = false;
    world w(o);
    peer& a = w.connect("a", v5);
    const subscribe three{.id = id(1), .subscriptions = {{.filter = "t/#"}, {.filter = "$share/g/t"}, {.filter = "t"}}};
    CHECK(a.says(three) == trace{"SUBACK id=1 reason='wildcard subscriptions not supported' (162)"
                                 " reason='shared subscriptions not supported' (158) reason='success' (0)"});
    CHECK(subscribed_with(a, {.filter = "u"}, 1) == "SUBACK id=7 reason='subscription identifiers not supported' (161)\n");
    const std::string failed = " reason='unspecified error' (128)";
    CHECK(w.connect("b", v3).says(three) == trace{"SUBACK id=1" + failed + failed + " reason='success' (0)"});
    CHECK(w.server.session("a")->subscriptions.size() == 1);
}

TEST_CASE("server: a session that ends takes its subscriptions with it", "[testing]") {
    world w;
    peer& a = w.connect("a");
    a.subscribes("t/#");
    a.subscribes("$share/g/t/#");
    a.cut();
    CHECK(w.connect("b").publishes("t", "x", qos_1, 1) == trace{"PUBACK id=1 reason='no matching subscribers' (16)"});
}
