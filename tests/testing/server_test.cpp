// The server of the test kit: connections, messages both ways, sessions.
#include "testing/peer.hpp"

#include "support/catch.hpp"

using namespace inflight;
using namespace inflight::testing;
using namespace std::chrono_literals;

TEST_CASE("server: QoS 0, 1 and 2 from a publisher to a subscriber in both versions", "[testing]") {
    const auto version = GENERATE(v3, v5);
    world w;
    peer& a = w.connect("a", version);
    peer& b = w.connect("b", version);
    CHECK(b.subscribes("t/#") == trace{"SUBACK id=1000 reason='granted QoS 2' (2)"});

    CHECK(a.publishes("t/x", "0") == trace{});
    CHECK(b.gets() == trace{"PUBLISH qos=0 topic='t/x' payload='0' (1 byte)"});

    CHECK(a.publishes("t/x", "1", qos_1, 7) == trace{"PUBACK id=7"});
    CHECK(b.gets() == trace{"PUBLISH qos=1 topic='t/x' id=1 payload='1' (1 byte)"});
    CHECK(b.says(puback{.id = id(1)}) == trace{});

    CHECK(a.publishes("t/x", "2", qos_2, 8) == trace{"PUBREC id=8"});
    CHECK(b.gets() == trace{"PUBLISH qos=2 topic='t/x' id=2 payload='2' (1 byte)"});
    CHECK(a.publishes("t/x", "2", qos_2, 8) == trace{"PUBREC id=8"}); // A repeat, not delivered.
    CHECK(a.says(pubrel{.id = id(8)}) == trace{"PUBCOMP id=8"});
    CHECK(b.says(pubrec{.id = id(2)}) == trace{"PUBREL id=2"});
    CHECK(b.says(pubcomp{.id = id(2)}) == trace{});
    CHECK(w.server.session("b")->in_flight == 0);
    CHECK(w.server.counters().messages_in == 3);
    CHECK(w.server.counters().messages_out == 3);
}

TEST_CASE("server: a resumed session gets what it has not acknowledged again, in order, then what has waited",
          "[testing]") {
    const auto version = GENERATE(v3, v5);
    world w;
    peer& a = w.connect("a", version);
    peer& b = w.resume("b", version);
    b.subscribes("t");
    a.publishes("t", "1", qos_1, 1);
    a.publishes("t", "2", qos_2, 2);
    a.publishes("t", "3", qos_2, 3);
    CHECK(b.gets().size() == 3);
    CHECK(b.says(pubrec{.id = id(2)}) == trace{"PUBREL id=2"});
    b.cut();
    a.publishes("t", "4", qos_1, 4);
    a.publishes("t", "lost", qos_0);
    CHECK(w.server.session("b")->waiting == 1);

    peer& again = w.open(version);
    const properties<packet_type::connect> props = properties<packet_type::connect>().set<property_id::session_expiry_interval>(9);
    const trace got = again.says(connect{.clean_start = false, .props = props, .client_id = "b"});
    REQUIRE(got.size() == 5);
    CHECK(got[0].starts_with("CONNACK session_present reason='success' (0)"));
    CHECK(trace(got.begin() + 1, got.end()) ==
          trace{"PUBLISH qos=1 dup topic='t' id=1 payload='1' (1 byte)", "PUBREL id=2",
                "PUBLISH qos=2 dup topic='t' id=3 payload='3' (1 byte)",
                "PUBLISH qos=1 topic='t' id=4 payload='4' (1 byte)"});
}
