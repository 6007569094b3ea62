// What a fault plan lets go wrong, alone and applied by the test server.
#include "testing/peer.hpp"

#include "support/catch.hpp"
#include "support/hex.hpp"

using namespace inflight;
using namespace inflight::testing;
using namespace std::chrono_literals;

namespace {

using enum direction;

} // namespace

TEST_CASE("fault_plan: counts packets from the call on, each fault by itself", "[testing]") {
    fault_plan plan;
    plan.lose(to_server, packet_type::publish, 2);
    CHECK(plan.next(to_server, packet_type::publish).copies == 1);
    plan.repeat(to_server, packet_type::publish, 2).delay(to_server, packet_type::publish, 2, 3s);
    CHECK(plan.next(to_client, packet_type::publish).copies == 1);
    CHECK(plan.next(to_server, packet_type::puback).copies == 1);
    CHECK(plan.next(to_server, packet_type::publish).copies == 0);
    const auto fate = plan.next(to_server, packet_type::publish);
    CHECK(fate.copies == 2);
    CHECK(fate.delay == 3s);
    CHECK(plan.next(to_server, packet_type::publish).copies == 1);
    CHECK(plan.pending().empty());
}

TEST_CASE("fault_plan: counts bytes from the call on, and cuts at the first of several places", "[testing]") {
    fault_plan plan;
    plan.cut_after(to_server, 10).cut_after(to_server, 4).cut_after(to_client, 0);
    CHECK(plan.cut(to_server, 0) == std::nullopt);
    CHECK(plan.cut(to_server, 3) == std::nullopt);
    CHECK(plan.cut(to_server, 3) == 1u);
    CHECK(plan.cut(to_server, 5) == std::nullopt);
    CHECK(plan.cut(to_server, 1) == 1u);
    CHECK(plan.cut(to_server, 1000) == std::nullopt);
    CHECK(plan.cut(to_client, 1) == 0u);
}

TEST_CASE("fault_plan: tells what has not happened", "[testing]") {
    fault_plan plan;
    plan.lose(to_client, packet_type::puback, 2).delay(to_server, packet_type::publish, 1, 1s).repeat(to_server, packet_type::pubrel);
    plan.cut_after(to_server, 9).refuse(reason_code::banned).close_silently().send_raw("abc");
    CHECK(plan.pending() == trace{"lose PUBACK to client, 2 to go", "delay PUBLISH to server, 1 to go", "repeat PUBREL to server, 1 to go",
                                  "cut to server after 9 bytes", "refuse with 'banned'", "close silently", "send 3 raw bytes"});
    plan.clear();
    CHECK(plan.pending().empty());
}

TEST_CASE("server: loses what the plan says, both ways", "[testing]") {
    world w;
    peer& a = w.connect("a");
    w.server.faults().lose(to_client, packet_type::puback, 2).lose(to_server, packet_type::publish, 3);
    CHECK(a.publishes("t", "1", qos_1, 1).size() == 1);
    CHECK(a.publishes("t", "2", qos_1, 2).empty());
    CHECK(a.publishes("t", "3", qos_1, 3).empty());
    CHECK(w.server.counters().messages_in == 2);
    CHECK(w.server.counters().sent(packet_type::puback) == 1);
    CHECK(w.server.trace().at(w.server.trace().size() - 2) == "1 <- PUBACK id=2 reason='no matching subscribers' (16) (lost)");
    CHECK(w.server.trace().back() == "1 -> PUBLISH qos=1 topic='t' id=3 payload='3' (1 byte) (lost)");
    CHECK(w.server.faults().pending().empty());
}

TEST_CASE("server: repeats what the plan says, both ways", "[testing]") {
    world w;
    peer& a = w.connect("a");
    peer& b = w.connect("b");
    b.subscribes("t");
    w.server.faults().repeat(to_server, packet_type::publish).repeat(to_client, packet_type::publish, 3);
    CHECK(a.publishes("t", "1", qos_1, 1) == trace{"PUBACK id=1", "PUBACK id=1"});
    CHECK(b.gets().size() == 2);
    a.publishes("t", "2");
    CHECK(b.gets() == trace{"PUBLISH qos=0 topic='t' payload='2' (1 byte)", "PUBLISH qos=0 topic='t' payload='2' (1 byte)"});
}

TEST_CASE("server: delays what the plan says; what comes behind overtakes it", "[testing]") {
    world w;
    peer& a = w.connect("a");
    w.server.faults().delay(to_client, packet_type::puback, 1, 5s).delay(to_server, packet_type::publish, 2, 2s);
    CHECK(a.publishes("t", "1", qos_1, 1).empty());
    CHECK(a.publishes("t", "2", qos_1, 2).empty());
    CHECK(a.publishes("t", "3", qos_1, 3).size() == 1);
    w.wait(2s);
    CHECK(a.gets() == trace{"PUBACK id=2 reason='no matching subscribers' (16)"});
    w.wait(2999ms);
    CHECK(a.gets().empty());
    w.wait(1ms);
    CHECK(a.gets() == trace{"PUBACK id=1 reason='no matching subscribers' (16)"});
    CHECK_FALSE(w.server.deadline());
}

TEST_CASE("server: a delayed packet dies with its connection", "[testing]") {
    world w;
    peer& a = w.connect("a");
    w.server.faults().delay(to_server, packet_type::publish, 1, 5s);
    a.publishes("t", "1", qos_1, 1);
    a.cut();
    CHECK_FALSE(w.server.deadline());
    w.wait(10s);
    CHECK(w.server.counters().messages_in == 0);
}

TEST_CASE("server: a delayed CONNECT is answered when it comes, and its Keep Alive counts from then", "[testing]") {
    world w;
    w.server.faults().delay(to_server, packet_type::connect, 1, 5s);
    peer& a = w.open();
    CHECK(a.says(connect{.keep_alive = 2, .client_id = "a"}).empty());
    w.wait(5s);
    CHECK(a.gets().size() == 1);
    w.wait(3s);
    CHECK(a.gets().size() == 2);
}

TEST_CASE("server: a delayed packet that the connection's version forbids by then is dropped", "[testing]") {
    world w;
    w.server.faults().delay(to_server, packet_type::connect, 1, 5s);
    peer& a = w.open();
    // A length that is not in its shortest form: 3.1.1 allows it, and so does a connection without version.
    CHECK(a.says_bytes(hex("10 8E 00 00 04 4D 51 54 54 05 02 00 00 00 00 01 61")).empty());
    CHECK(a.says(connect{.keep_alive = 0, .client_id = "a"}).size() == 1);
    w.wait(5s);
    CHECK(a.gets().empty());
}

TEST_CASE("server: the transport breaks after so many bytes, which is no DISCONNECT", "[testing]") {
    world w;
    peer& b = w.connect("b");
    b.subscribes("w");
    const connect with_will{.keep_alive = 0, .will = will{.topic = "w", .payload = "x"}};
    SECTION("from the client") {
        peer& a = w.connect("a", v5, with_will);
        w.server.faults().cut_after(to_server, 3);
        CHECK(a.publishes("t", "x") == trace{"(closed)"});
        CHECK(w.server.counters().messages_in == 0);
    }
    SECTION("to the client") {
        peer& a = w.connect("a", v5, with_will);
        w.server.faults().cut_after(to_client, 3);
        CHECK(a.says(pingreq{}) == trace{"PINGRESP"});
        CHECK(a.says(pingreq{}) == trace{"(cut off)", "(closed)"});
    }
    CHECK(b.gets() == trace{"PUBLISH qos=0 topic='w' payload='x' (1 byte)"});
    CHECK(w.server.faults().pending().empty());
}

TEST_CASE("server: refuses the next CONNECT, or closes on it without a word", "[testing]") {
    world w;
    w.server.faults().refuse(reason_code::server_busy).close_silently();
    CHECK(w.open().says(connect{.client_id = "a"}) == trace{"(closed)"});
    CHECK(w.open().says(connect{.client_id = "a"}) == trace{"CONNACK reason='server busy' (137)", "(closed)"});
    CHECK(w.open().says(connect{.client_id = "a"}).size() == 1);
}

TEST_CASE("server: sends raw bytes ahead of its next answer", "[testing]") {
    world w;
    w.server.faults().send_raw(std::string("\xD0\0", 2));
    CHECK(w.open().says(connect{.client_id = "a"}).at(0) == "PINGRESP");
    CHECK(w.server.trace().at(0) == "1 <- 2 raw bytes");
}

TEST_CASE("server: a cut within raw bytes ends the connection before its CONNECT takes over a session", "[testing]") {
    world w;
    w.connect("a");
    w.server.faults().send_raw("abc").cut_after(to_client, 2);
    CHECK(w.open().says(connect{.client_id = "a"}) == trace{"(cut off)", "(closed)"});
    CHECK(w.server.session("a")->is_connected);
    CHECK(w.server.counters().take_overs == 0);
}
