// publish, subscribe, callbacks by filter, acknowledgements.
#include "client_support.hpp"

namespace {

// A client that runs its callbacks on a loop of its own, connected to a server that the test plays, or a rule.
struct connected_client {
    fake_server server;
    journal j{};
    client c;

    explicit connected_client(client_options options = test_options(), fake_server::rule rule = fake_server::accepting)
        : server(std::move(rule)), c(std::move(options)) {}

    void connect() {
        c.loop_start();
        connect_without_loop();
    }
    void connect_without_loop() {
        REQUIRE_FALSE(c.connect(here, server.port()));
        server.accept();
        server.expect("CONNECT");
    }
    // Until the client has them; no callback needs to have been called.
    void deliver_and_wait(const std::vector<publish>& messages) {
        for (const publish& m : messages) server.send(m);
        const std::uint16_t mark = c.publish("mark", "", qos::at_least_once).mid;
        server.expect("PUBLISH qos=1 topic='mark'");
        server.send(puback{.id = id(mark)});
        REQUIRE_FALSE(c.wait_for_publish(mark, patience));
    }
    void note_messages() {
        c.on_message([this](const received_message& m) { j.add(m.topic + " " + m.payload); });
    }
    void note_publishes() {
        c.on_publish([this](std::uint16_t mid, std::error_code error) { j.add(std::to_string(mid) + " " + words(error)); });
    }
};

struct tantrum : std::runtime_error {
    tantrum() : std::runtime_error("tantrum") {}
};

} // namespace

TEST_CASE("client: publish() counts its identifiers from 1, QoS 0 included", "[client][v5:MQTT-2.2.1-3]") {
    connected_client f(test_options(), fake_server::broker);
    f.connect();
    auto [status, mid] = f.c.publish("a", "1", qos::at_least_once);
    CHECK(status == publish_status::success);
    CHECK(mid == 1);
    CHECK(f.c.publish("a", "2", qos::exactly_once).mid == 2);
    const publish_result third = f.c.publish("a", "3");
    CHECK(third.mid == 3);
    CHECK(third);
    CHECK(f.c.publish(message("a", "4", qos::at_least_once)).mid == 4);
    if (const auto r = f.c.publish("a/#", "5"); r) FAIL("accepted");
    CHECK(f.c.publish("a", "6", qos::at_least_once).mid == 5);
    f.server.expect("PUBLISH qos=1 topic='a' id=1");
    f.server.expect("PUBLISH qos=2 topic='a' id=2");
}

TEST_CASE("client: payloads may be any bytes", "[client]") {
    connected_client f;
    f.connect();
    const std::vector<std::uint8_t> bytes{0, 1, 255};
    CHECK(f.c.publish("a", bytes));
    CHECK(f.c.publish("a", std::string_view("x\0y", 3), qos::at_most_once, true));
    CHECK(f.c.publish("a"));
    CHECK(f.server.receive()->as<publish>().payload == std::string_view("\0\1\377", 3));
    CHECK(f.server.receive()->as<publish>().retain);
    CHECK(f.server.receive()->as<publish>().payload.empty());
}

TEST_CASE("client: on_publish is called once for each accepted publish(), and for no refused one", "[client]") {
    connected_client f(test_options(), fake_server::broker);
    f.note_publishes();
    f.connect();
    std::vector<std::string> expected;
    for (int i = 0; i != 300; ++i) {
        const auto r = f.c.publish(i % 7 == 0 ? "a/#" : "a", "x", static_cast<qos>(i % 3));
        CHECK(static_cast<bool>(r) == (i % 7 != 0));
        if (r) expected.push_back(std::to_string(r.mid) + " ok");
    }
    trace got = f.j.wait_for(expected.size());
    CHECK_FALSE(f.c.disconnect().error);
    got = f.j.lines();
    std::sort(got.begin(), got.end());
    std::sort(expected.begin(), expected.end());
    CHECK(got == expected);
}

TEST_CASE("client: on_publish is never called inside publish(), and not before it has returned on this thread", "[client]") {
    std::atomic<bool> publishing = false, wrong = false;
    std::atomic<int> left = 100;
    connected_client f(test_options(), fake_server::broker);
    f.c.on_publish([&](std::uint16_t, std::error_code) {
        if (publishing) wrong = true;
        publishing = true;
        if (left > 0) f.c.publish("a", "x", static_cast<qos>(--left % 3));
        publishing = false;
        f.j.add("");
    });
    f.connect();
    f.c.publish("a", "x");
    f.j.wait_for(101);
    CHECK_FALSE(wrong);
}

TEST_CASE("client: on_publish tells what the broker refused", "[client]") {
    connected_client f;
    f.note_publishes();
    f.connect();
    f.c.publish("a", "1", qos::at_least_once);
    f.c.publish("a", "2", qos::exactly_once);
    f.server.send(puback{.id = id(1), .reason = reason_code::quota_exceeded});
    f.server.send(pubrec{.id = id(2), .reason = reason_code::not_authorized});
    CHECK(f.j.wait_for(2) == trace{"1 quota exceeded", "2 not authorized"});
}

TEST_CASE("client: a message is acknowledged when its callback has returned", "[client][v5:MQTT-4.3.2-4][v3:MQTT-4.3.2-2]") {
    const auto version = GENERATE(v5, v3);
    gate go;
    connected_client f(test_options(version));
    f.c.on_message([&](const received_message& m) {
        f.j.add(m.payload);
        go.pass();
    });
    f.connect();
    f.server.send(delivered(7, qos::at_least_once, "t", "1"));
    f.server.send(delivered(8, qos::exactly_once, "t", "2"));
    f.j.wait_for(1);
    f.c.publish("mark", "");
    f.server.expect("PUBLISH qos=0 topic='mark'");
    go.open();
    f.server.expect(puback{.id = id(7)});
    f.server.expect(pubrec{.id = id(8)});
    f.server.send(pubrel{.id = id(8)});
    f.server.expect(pubcomp{.id = id(8)});
}

TEST_CASE("client: of messages that wait together, one is acknowledged though the callback of the next takes its time",
          "[client][v5:MQTT-4.6.0-2]") {
    gate go;
    connected_client f;
    f.c.on_message([&](const received_message& m) {
        f.j.add(m.payload);
        if (m.payload == "3") go.pass();
    });
    f.connect_without_loop();
    f.deliver_and_wait({delivered(7, qos::at_least_once, "t", "1"), delivered(8, qos::exactly_once, "t", "2"),
                        delivered(9, qos::at_least_once, "t", "3"), delivered(10, qos::at_least_once, "t", "4")});
    f.c.loop_start();
    f.server.expect(puback{.id = id(7)});
    f.server.expect(pubrec{.id = id(8)});
    CHECK(f.j.wait_for(3).size() == 3);
    go.open();
    f.server.expect(puback{.id = id(9)});
    f.server.expect(puback{.id = id(10)});
}

TEST_CASE("client: a message that waits behind a slow callback comes once after a resumed session", "[client][v5:MQTT-4.4.0-1]") {
    gate go;
    client_options options = test_options();
    options.keep_session_for(300s);
    watched<int> connections;
    connected_client f(options, fake_server::scripted);
    f.c.on_message([&](const received_message& m) {
        f.j.add(m.payload);
        go.pass();
    });
    CHECK_FALSE(f.c.connect_async(here, f.server.port()));
    f.server.connect();
    f.deliver_and_wait({delivered(1, qos::at_least_once, "t", "1"), delivered(2, qos::at_least_once, "t", "2"),
                        delivered(3, qos::exactly_once, "t", "3")});
    f.c.loop_start();
    f.j.wait_for(1);
    f.server.close();
    f.server.connect(connack{.session_present = true});
    f.deliver_and_wait({delivered(1, qos::at_least_once, "t", "1", true), delivered(2, qos::at_least_once, "t", "2", true),
                        delivered(3, qos::exactly_once, "t", "3", true)});
    go.open();
    CHECK(f.j.wait_for(4) == trace{"1", "3", "1", "2"}); // 1 had begun.
}

TEST_CASE("client: messages that wait behind a callback that disconnects wait for the next connection", "[client]") {
    connected_client f;
    f.c.on_message([&](const received_message& m) {
        f.j.add(m.payload);
        if (m.payload == "1") f.c.disconnect_async();
    });
    f.c.on_connect([&](const connect_result&) { f.j.add("connected"); });
    f.connect_without_loop();
    f.deliver_and_wait({delivered(7, qos::at_least_once, "t", "1"), delivered(8, qos::at_least_once, "t", "2")});
    CHECK_FALSE(f.c.loop_forever());
    f.server.expect(puback{.id = id(7)});
    f.server.expect("DISCONNECT");
    CHECK(f.j.lines() == trace{"connected", "1"});
    f.c.loop_start();
    REQUIRE_FALSE(f.c.connect(here, f.server.port()));
    CHECK(f.j.wait_for(4) == trace{"connected", "1", "connected", "2"});
}

TEST_CASE("client: a slow callback does not stop the pings", "[client][v5:MQTT-3.1.2-20]") {
    gate go;
    connected_client f;
    f.c.on_message([&](const received_message&) {
        f.j.add("");
        go.pass();
    });
    f.c.loop_start();
    CHECK_FALSE(f.c.connect(here, f.server.port(), 1s));
    f.server.accept();
    f.server.expect("CONNECT");
    f.server.send(delivered(1, qos::at_least_once, "t", "x"));
    f.j.wait_for(1);
    f.server.expect("PINGREQ");
    f.server.expect("PINGREQ");
    go.open();
    f.server.expect(puback{.id = id(1)});
}

TEST_CASE("client: all filters that match are called, on_message only if none does", "[client]") {
    connected_client f;
    f.note_messages();
    const auto note = [&](std::string what) { return [&f, what](const received_message& m) { f.j.add(what + ": " + m.topic); }; };
    CHECK_FALSE(f.c.message_callback_add("a/+", note("plus")));
    CHECK_FALSE(f.c.message_callback_add("a/#", note("hash")));
    CHECK_FALSE(f.c.message_callback_add("b", note("old")));
    CHECK_FALSE(f.c.message_callback_add("b", note("new"))); // Replaces.
    CHECK_FALSE(f.c.message_callback_add("$share/group/s", note("shared")));
    CHECK(f.c.message_callback_add("a/#/b", note("bad")) == errc::filter_invalid);
    CHECK(f.c.message_callback_add("", note("bad")) == errc::filter_empty);
    f.connect();
    for (const std::string_view topic : {"a/1", "a/1/2", "b", "c", "s"}) f.server.send(publish{.topic = topic});
    trace got = f.j.wait_for(6);
    std::sort(got.begin(), got.begin() + 2);
    CHECK(got == trace{"hash: a/1", "plus: a/1", "hash: a/1/2", "new: b", "c ", "shared: s"});
    f.c.message_callback_remove("b");
    f.c.message_callback_remove("never/added");
    f.server.send(publish{.topic = "b"});
    CHECK(f.j.wait_for(7).back() == "b ");
}

TEST_CASE("client: a message that no callback wants is acknowledged", "[client][v5:MQTT-4.5.0-2][v3:MQTT-4.5.0-2]") {
    connected_client f(test_options(GENERATE(v5, v3)));
    f.connect();
    f.server.send(delivered(7, qos::at_least_once, "t", ""));
    f.server.expect(puback{.id = id(7)});
    f.server.send(delivered(8, qos::exactly_once, "t", ""));
    f.server.expect(pubrec{.id = id(8)});
    f.server.send(pubrel{.id = id(8)});
    f.server.expect(pubcomp{.id = id(8)});
}

TEST_CASE("client: callbacks may be replaced, and filters changed, while they run", "[client]") {
    connected_client f;
    f.c.message_callback_add("a", [&](const received_message&) {
        f.j.add("first");
        f.c.message_callback_add("a", [&](const received_message&) { f.j.add("second"); });
        f.c.message_callback_remove("a");
        f.c.message_callback_add("a", [&](const received_message&) {
            f.j.add("third");
            f.c.message_callback_remove("a");
            f.j.add("still there");
        });
    });
    f.note_messages();
    f.connect();
    for (int i = 0; i != 3; ++i) f.server.send(publish{.topic = "a", .payload = "x"});
    CHECK(f.j.wait_for(4) == trace{"first", "third", "still there", "a x"});
}

TEST_CASE("client: a filter and a shared subscription to the same filter have a callback each", "[client]") {
    connected_client f;
    const auto note = [&](std::string what) { return [&f, what](const received_message&) { f.j.add(what); }; };
    f.note_messages();
    f.c.message_callback_add("s/+", note("plain"));
    f.c.message_callback_add("$share/group/s/+", note("shared"));
    f.connect();
    f.server.send(publish{.topic = "s/1"});
    trace both = f.j.wait_for(2);
    std::sort(both.begin(), both.end());
    CHECK(both == trace{"plain", "shared"});
    f.c.message_callback_remove("$share/group/s/+");
    f.server.send(publish{.topic = "s/1"});
    CHECK(f.j.wait_for(3).back() == "plain");
    f.c.message_callback_add("s/+", {}); // As good as removing it.
    f.server.send(publish{.topic = "s/1", .payload = "x"});
    CHECK(f.j.wait_for(4).back() == "s/1 x");
}

TEST_CASE("client: what a callback for a filter owns may use the client when it is destroyed", "[client]") {
    connected_client f;
    struct heir {
        client& c;
        journal& j;
        ~heir() { c.message_callback_add("a", [&j = j](const received_message&) { j.add("heir"); }); }
    };
    f.c.message_callback_add("a", [&, owned = std::make_shared<heir>(f.c, f.j)](const received_message&) {
        f.j.add("first");
        f.c.message_callback_remove("a");
    });
    f.connect();
    f.server.send(publish{.topic = "a"});
    f.server.send(publish{.topic = "a"});
    CHECK(f.j.wait_for(2) == trace{"first", "heir"});
}

TEST_CASE("client: of outcomes that wait together, those behind a callback that replaces another go to the new one", "[client]") {
    connected_client f(test_options(), fake_server::broker);
    f.c.on_publish([&](std::uint16_t mid, std::error_code) {
        f.j.add("old " + std::to_string(mid));
        f.c.on_publish([&](std::uint16_t m, std::error_code) { f.j.add("new " + std::to_string(m)); });
    });
    REQUIRE_FALSE(f.c.connect(here, f.server.port()));
    for (int i = 0; i != 3; ++i) f.c.publish("a", "x", qos::at_least_once);
    for (std::uint16_t mid = 1; mid <= 3; ++mid) REQUIRE_FALSE(f.c.wait_for_publish(mid, patience));
    f.c.loop_start();
    CHECK(f.j.wait_for(3) == trace{"old 1", "new 2", "new 3"});
}

TEST_CASE("client: loop_stop() waits for one callback, not for all that are to be called, which are called later", "[client]") {
    constexpr int count = 1000;
    watched<int> calls;
    std::atomic<bool> slow = true;
    connected_client f(test_options(), fake_server::broker); // Ends before what its callbacks use.
    f.c.on_publish([&](std::uint16_t, std::error_code) {
        ++calls;
        if (slow) std::this_thread::sleep_for(5ms);
    });
    REQUIRE_FALSE(f.c.connect(here, f.server.port()));
    for (int i = 0; i != count; ++i) f.c.publish("a", "x", qos::at_least_once);
    REQUIRE_FALSE(f.c.wait_for_publish(count, patience));
    f.c.loop_start();
    calls.wait([](int n) { return n != 0; });
    CHECK_FALSE(f.c.loop_stop());
    CHECK(calls.now() < count);
    slow = false;
    f.c.loop_start();
    calls.wait_for(count);
}

TEST_CASE("client: what a callback throws leaves loop_forever(), and the message is not acknowledged", "[client]") {
    fake_server server(fake_server::accepting);
    client c(test_options());
    bool throws = true;
    c.on_message([&](const received_message& m) {
        if (throws && m.payload == "1") throw tantrum();
        if (m.payload == "3") c.disconnect_async(0ms);
    });
    CHECK_FALSE(c.connect(here, server.port()));
    server.accept();
    server.expect("CONNECT");
    server.send(delivered(1, qos::at_least_once, "t", "1"));
    server.send(delivered(2, qos::exactly_once, "t", "2"));
    server.send(delivered(3, qos::at_most_once, "t", "3"));
    CHECK_THROWS_AS(c.loop_forever(), tantrum);
    CHECK(c.is_connected());
    throws = false;
    CHECK_FALSE(c.loop_forever()); // It may be gone on with.
    server.expect(pubrec{.id = id(2)});
    server.expect("DISCONNECT");
}

TEST_CASE("client: what a callback throws inside connect() leaves it, and the connection stands", "[client]") {
    fake_server server(fake_server::accepting);
    client c(test_options());
    c.on_connect([&](const connect_result&) { throw tantrum(); });
    CHECK_THROWS_AS(c.connect(here, server.port()), tantrum);
    CHECK(c.is_connected());
    CHECK_FALSE(c.disconnect().error);
}

TEST_CASE("client: under loop_start() exceptions go to on_exception, and the loop goes on", "[client]") {
    connected_client f;
    f.c.on_exception([&](std::exception_ptr e) {
        try {
            std::rethrow_exception(e);
        } catch (const tantrum&) {
            f.j.add("caught");
        }
    });
    f.c.on_message([&](const received_message& m) {
        if (m.payload == "1") throw tantrum();
        f.j.add(m.payload);
    });
    f.connect();
    f.server.send(delivered(1, qos::at_least_once, "t", "1"));
    f.server.send(delivered(2, qos::exactly_once, "t", "2"));
    CHECK(f.j.wait_for(2) == trace{"caught", "2"});
    f.server.expect(pubrec{.id = id(2)}); // And not a PUBACK before it.
}

TEST_CASE("client: a message whose callback has thrown may be acknowledged after all, and lets the later ones go", "[client]") {
    const qos level = GENERATE(qos::at_least_once, qos::exactly_once);
    connected_client f;
    f.c.on_exception([&](std::exception_ptr) { f.j.add("caught"); });
    f.c.on_message([&](const received_message& m) {
        if (m.payload == "1") throw tantrum();
        f.j.add(m.payload);
    });
    f.connect();
    f.server.send(delivered(1, level, "t", "1"));
    f.server.send(delivered(2, level, "t", "2"));
    CHECK(f.j.wait_for(2) == trace{"caught", "2"});
    f.c.publish("mark", "");
    f.server.expect("PUBLISH qos=0 topic='mark'"); // 2 waits behind 1.
    CHECK_FALSE(f.c.ack(1));
    f.server.expect(level == qos::at_least_once ? "PUBACK id=1" : "PUBREC id=1");
    f.server.expect(level == qos::at_least_once ? "PUBACK id=2" : "PUBREC id=2");
    CHECK(f.c.ack(2) == errc::unknown_packet_id); // It is not the user's.
}

TEST_CASE("client: without on_exception a line goes to std::cerr", "[client]") {
    struct captured_cerr {
        std::ostringstream text{};
        std::streambuf* before = std::cerr.rdbuf(text.rdbuf());
        ~captured_cerr() { std::cerr.rdbuf(before); }
    } captured;
    {
        connected_client f;
        f.c.on_message([&](const received_message& m) {
            if (m.payload == "1") throw tantrum();
            f.j.add(m.payload);
        });
        f.connect();
        f.server.send(delivered(1, qos::at_most_once, "t", "1"));
        f.server.send(delivered(2, qos::at_most_once, "t", "2"));
        f.j.wait_for(1);
        CHECK_FALSE(f.c.loop_stop());
    }
    CHECK(captured.text.str().find("inflight: a callback has thrown: tantrum\n") != std::string::npos);
}

TEST_CASE("client: wait_for_publish() does not take a message that has been dropped for one that has arrived", "[client]") {
    fake_server server(fake_server::broker);
    auto options = test_options();
    options.max_queued_messages = 1;
    options.on_full_queue = queue_policy::drop_oldest;
    client c(options);
    const auto first = c.publish("a", "1", qos::at_least_once).mid;
    const auto second = c.publish("a", "2", qos::at_least_once).mid; // Makes room.
    CHECK(c.wait_for_publish(first, 0ms) == errc::timed_out); // Nobody could tell yet.
    REQUIRE_FALSE(c.connect(here, server.port()));
    CHECK(c.wait_for_publish(first, patience) == errc::message_dropped);
    CHECK_FALSE(c.wait_for_publish(second, patience));
}

TEST_CASE("client: wait_for_publish() returns the outcome, or that there is none yet", "[client]") {
    const bool loops = GENERATE(true, false);
    fake_server server(fake_server::accepting);
    client c(test_options());
    if (loops) c.loop_start();
    CHECK_FALSE(c.connect(here, server.port()));
    const auto good = c.publish("a", "1", qos::at_least_once).mid, bad = c.publish("a", "2", qos::at_least_once).mid;
    CHECK(c.wait_for_publish(good, 10ms) == errc::timed_out);
    server.accept();
    server.send(puback{.id = id(good)});
    CHECK_FALSE(c.wait_for_publish(good));
    CHECK_FALSE(c.wait_for_publish(good, 0ms)); // Again.
    server.send(puback{.id = id(bad), .reason = reason_code::quota_exceeded});
    CHECK(c.wait_for_publish(bad, patience) == reason_code::quota_exceeded);
    CHECK(c.wait_for_publish(bad, patience) == reason_code::quota_exceeded);
    CHECK_FALSE(c.wait_for_publish(999)); // Not known.
    CHECK(c.wait_for_publish(c.publish("a/#").mid) == errc::unknown_packet_id); // Refused.
    const auto zero = c.publish("a", "3").mid;
    CHECK_FALSE(c.wait_for_publish(zero, patience));
    const auto left = c.publish("a", "4", qos::exactly_once).mid;
    auto waiting = std::async(std::launch::async, [&] { return c.wait_for_publish(left); });
    CHECK(c.disconnect(10ms).unacknowledged == 1);
    CHECK(waiting.get() == errc::not_connected);
}

TEST_CASE("client: an identifier that failed and is used again has its new outcome", "[client]") {
    connected_client f;
    f.connect();
    CHECK(f.c.publish("a", "x", qos::at_least_once).mid == 1);
    f.server.send(puback{.id = id(1), .reason = reason_code::quota_exceeded});
    CHECK(f.c.wait_for_publish(1, patience) == reason_code::quota_exceeded);
    std::uint16_t mid = 0;
    while (mid != 1) { // Once around.
        const auto r = f.c.publish("a", "");
        if (r) mid = r.mid;
        else std::this_thread::yield();
    }
    CHECK_FALSE(f.c.wait_for_publish(1, patience));
}

TEST_CASE("client: with manual_ack_set messages are acknowledged by their identifiers", "[client][v5:MQTT-4.3.3-8][v3:MQTT-4.3.3-2]") {
    const auto version = GENERATE(v5, v3);
    connected_client f(test_options(version));
    f.note_messages();
    f.c.manual_ack_set(true);
    f.connect();
    f.server.send(delivered(7, qos::at_least_once, "t", "1"));
    f.server.send(delivered(8, qos::exactly_once, "t", "2"));
    f.server.send(delivered(9, qos::at_most_once, "t", "3"));
    CHECK(f.j.wait_for(3).back() == "t 3");
    f.c.publish("mark", "");
    f.server.expect("PUBLISH qos=0 topic='mark'");
    CHECK_FALSE(f.c.ack(7));
    f.server.expect(puback{.id = id(7)});
    CHECK_FALSE(f.c.publish_release(8)); // The same under the tutorial's name; of QoS 2 this is PUBREC.
    f.server.expect(pubrec{.id = id(8)});
    CHECK(f.c.ack(7) == errc::unknown_packet_id); // Repeated,
    CHECK(f.c.publish_release(8) == errc::unknown_packet_id);
    CHECK(f.c.ack(1234) == errc::unknown_packet_id); // never seen,
    CHECK(f.c.ack(0) == errc::qos_0_acknowledged);    // and QoS 0.
    f.c.manual_ack_set(false);
    f.server.send(delivered(10, qos::at_least_once, "t", "4"));
    f.server.expect(puback{.id = id(10)});
}

TEST_CASE("client: a handler may acknowledge its own message, and may refuse it in 5.0", "[client]") {
    connected_client f;
    f.c.manual_ack_set(true);
    f.c.on_message([&](const received_message& m) {
        f.j.add(words(f.c.ack(m.mid, m.payload == "bad" ? reason_code::payload_format_invalid : reason_code::success)));
    });
    f.connect();
    f.server.send(delivered(1, qos::at_least_once, "t", "good"));
    f.server.send(delivered(2, qos::at_least_once, "t", "bad"));
    CHECK(f.j.wait_for(2) == trace{"ok", "ok"});
    f.server.expect(puback{.id = id(1)});
    f.server.expect(puback{.id = id(2), .reason = reason_code::payload_format_invalid});
}

TEST_CASE("client: an acknowledgement that comes after the connection has gone says so", "[client]") {
    client_options options = test_options();
    options.keep_session_for(300s);
    watched<int> connections;
    connected_client f(options, fake_server::scripted);
    f.c.on_connect([&](const connect_result&) { ++connections; });
    f.note_messages();
    f.c.manual_ack_set(true);
    f.c.loop_start();
    CHECK_FALSE(f.c.connect_async(here, f.server.port()));
    f.server.connect();
    f.server.send(delivered(1, qos::at_least_once, "t", "1"));
    f.server.send(delivered(2, qos::exactly_once, "t", "2"));
    f.server.send(delivered(3, qos::exactly_once, "t", "3"));
    f.j.wait_for(3);
    f.server.close();
    f.server.connect(connack{.session_present = true});
    connections.wait_for(2);
    CHECK(f.c.ack(1) == errc::stale_delivery);
    CHECK_FALSE(f.c.ack(2)); // Of QoS 2 the session lives on, and so does the message.
    f.server.send(delivered(1, qos::at_least_once, "t", "1", true));
    CHECK(f.j.wait_for(4).back() == "t 1");
    CHECK_FALSE(f.c.ack(1));
    f.server.expect(puback{.id = id(1)});
    f.server.close();
    f.server.connect(); // The session is lost.
    connections.wait_for(3);
    CHECK(f.c.ack(3) == errc::stale_delivery);
}

TEST_CASE("client: max_inflight_messages_set() takes effect while connected", "[client]") {
    connected_client f;
    f.c.max_inflight_messages_set(1);
    f.connect();
    for (int i = 0; i != 5; ++i) CHECK(f.c.publish("a", std::to_string(i), qos::at_least_once).status == publish_status::success);
    f.server.expect("PUBLISH qos=1 topic='a' id=1");
    f.c.publish("mark", ""); // QoS 0 is not counted.
    f.server.expect("PUBLISH qos=0 topic='mark'");
    f.c.max_inflight_messages_set(3);
    f.server.expect("PUBLISH qos=1 topic='a' id=2");
    f.server.expect("PUBLISH qos=1 topic='a' id=3");
    f.c.publish("mark", "");
    f.server.expect("PUBLISH qos=0 topic='mark'");
    f.c.max_inflight_messages_set(0);
    f.server.expect("PUBLISH qos=1 topic='a' id=4");
    f.server.expect("PUBLISH qos=1 topic='a' id=5");
}

TEST_CASE("client: max_queued_messages_set() takes effect while connected", "[client]") {
    connected_client f;
    f.connect();
    f.c.max_inflight_messages_set(1);
    f.c.max_queued_messages_set(2);
    for (int i = 0; i != 3; ++i) CHECK(f.c.publish("a", "x", qos::at_least_once));
    CHECK(f.c.publish("a", "x", qos::at_least_once) == publish_result{publish_status::queue_full, 0});
    f.c.max_queued_messages_set(3);
    CHECK(f.c.publish("a", "x", qos::at_least_once).mid == 4);
    CHECK(f.c.publish("a", "x", qos::at_least_once).status == publish_status::queue_full);
    CHECK(static_cast<int>(publish_status::queue_full) == 15); // As in paho.
    f.server.send(puback{.id = id(1)});
    CHECK_FALSE(f.c.wait_for_publish(1, patience));
    CHECK(f.c.publish("a", "x", qos::at_least_once));
}

TEST_CASE("client: queue limits and policy may be changed, and a dropped message has its outcome", "[client]") {
    connected_client f;
    f.note_publishes();
    f.connect();
    f.c.max_inflight_messages_set(1);
    f.c.max_queued_bytes_set(600);
    const std::string large(250, 'x');
    CHECK(f.c.publish("a", large, qos::at_least_once)); // In flight.
    CHECK(f.c.publish("a", large, qos::at_least_once));
    CHECK(f.c.publish("a", large, qos::at_least_once).status == publish_status::queue_full);
    f.c.queue_policy_set(queue_policy::wait); // publish() does not.
    CHECK(f.c.publish("a", large, qos::at_least_once).status == publish_status::queue_full);
    f.c.queue_policy_set(queue_policy::drop_oldest);
    CHECK(f.c.publish("a", large, qos::at_least_once).mid == 3);
    CHECK(f.j.wait_for(1) == trace{"2 " + make_error_code(errc::message_dropped).message()});
    CHECK(f.c.wait_for_publish(2, patience) == errc::message_dropped);
    f.c.max_queued_bytes_set(0);
    CHECK(f.c.publish("a", large, qos::at_least_once));
    CHECK(f.c.unsettled() == 3);
}

TEST_CASE("client: a message that 3.1.1 could not keep from coming is told", "[client]") {
    client_options options = test_options(v3);
    options.maximum_packet_size = 100;
    connected_client f(options);
    f.c.on_oversized([&](const oversized_message& m) { f.j.add(m.topic + " " + std::to_string(m.size)); });
    f.connect();
    f.server.send(delivered(7, qos::at_least_once, "t", std::string(200, 'x')));
    CHECK(f.j.wait_for(1) == trace{"t 208"});
    f.server.expect(puback{.id = id(7)});
}

TEST_CASE("client: subscribe() and unsubscribe() return an identifier, and the answer comes with it", "[client]") {
    connected_client f;
    const auto tell = [&](std::string what) {
        return [&f, what](const subscribe_outcome& o) {
            std::string line = what + " " + std::to_string(o.mid) + " " + words(o.error);
            for (const reason_code r : o.reasons) line += " " + std::to_string(number(r));
            f.j.add(line);
        };
    };
    f.c.on_subscribe(tell("subscribe"));
    f.c.on_unsubscribe(tell("unsubscribe"));
    f.connect();
    const auto one = f.c.subscribe("a", qos::exactly_once);
    CHECK(one);
    CHECK(one.mid == 1);
    CHECK(f.c.subscribe({{"b", qos::at_least_once}, {"c/#", qos::at_most_once}}).mid == 2);
    CHECK(f.c.unsubscribe("a").mid == 3);
    CHECK(f.c.unsubscribe({"a", "b"}).mid == 4);
    CHECK(f.c.subscribe("a/#/b").error == errc::filter_invalid);
    CHECK(f.c.unsubscribe("").error);
    CHECK(f.c.subscribe(std::vector<subscription_request>{}).error == errc::no_filter);
    f.server.expect("SUBSCRIBE id=1 filter='a' qos=2");
    f.server.expect("SUBSCRIBE id=2 filter='b' qos=1");
    f.server.expect("UNSUBSCRIBE id=3 filter='a'");
    f.server.expect("UNSUBSCRIBE id=4 filter='a' filter='b'");
    f.server.send(suback{.id = id(1), .reasons = {reason_code::granted_qos_2}});
    f.server.send(suback{.id = id(2), .reasons = {reason_code::granted_qos_1, reason_code::not_authorized}});
    f.server.send(unsuback{.id = id(3), .reasons = {reason_code::success}});
    CHECK(f.j.wait_for(3) == trace{"subscribe 1 ok 2", "subscribe 2 ok 1 135", "unsubscribe 3 ok 0"});
}

TEST_CASE("client: subscriptions that the broker does not renew are told with mid 0", "[client]") {
    connected_client f;
    f.c.on_subscribe([&](const subscribe_outcome& o) {
        f.j.add(std::to_string(o.mid) + " " + std::to_string(number(o.reasons.at(0))) + (o.filters.empty() ? "" : " " + o.filters.at(0)));
    });
    f.connect();
    f.c.subscribe("a", qos::at_least_once);
    f.server.expect("SUBSCRIBE");
    f.server.send(suback{.id = id(1), .reasons = {reason_code::granted_qos_1}});
    f.j.wait_for(1);
    for (const reason_code answer : {reason_code::granted_qos_1, reason_code::not_authorized}) {
        f.server.close();
        f.server.accept();
        f.server.expect("CONNECT");
        const auto again = f.server.receive();
        f.server.send(suback{.id = again->as<subscribe>().id, .reasons = {answer}});
    }
    CHECK(f.j.wait_for(2) == trace{"1 1", "0 135 a"});
}

TEST_CASE("client: QoS 0 messages that come faster than callbacks take them are counted, not kept", "[client]") {
    client_options options = test_options();
    options.max_inbound_messages = 10;
    gate go;
    connected_client f(options);
    f.c.on_message([&](const received_message& m) {
        f.j.add(m.payload);
        go.pass();
    });
    f.connect();
    f.server.send(publish{.topic = "t", .payload = "first"});
    f.j.wait_for(1);
    const std::uint16_t mark = f.c.publish("mark", "", qos::at_least_once).mid;
    f.server.expect("PUBLISH qos=1 topic='mark'");
    for (int i = 0; i != 100; ++i) f.server.send(publish{.topic = "t", .payload = "x"});
    f.server.send(puback{.id = id(mark)});
    CHECK_FALSE(f.c.wait_for_publish(mark, patience)); // What was sent before is there, too.
    CHECK(f.c.dropped_messages() == 90);
    go.open();
    f.j.wait_for(11);
}
