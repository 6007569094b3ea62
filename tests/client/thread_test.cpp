// Many threads, and the end of a client at any moment.
#include "client_support.hpp"

namespace {

// A broker that never acknowledges what is published to "b".
void forgetful(fake_server::connection& c, const packet& p) {
    const auto* m = std::get_if<publish>(&p);
    if (!m || m->topic != "b") fake_server::broker(c, p);
}

void open_a_thousand(client& c) {
    for (int i = 0; i != 1000; ++i) c.publish("b", "x", i % 2 == 0 ? qos::at_least_once : qos::exactly_once);
}

} // namespace

TEST_CASE("client: eight threads publish while callbacks publish and subscribe, and every outcome is told once", "[client]") {
    constexpr int threads = 8, each = 200;
    fake_server server(fake_server::broker);
    struct tally {
        int accepted = 0, outcomes = 0, failures = 0;
    };
    watched<tally> all;
    std::atomic<int> messages = 0;
    gate last;
    client c(test_options());
    const auto publish = [&](std::string_view topic, std::string_view payload, qos level) {
        const publish_result r = c.publish(topic, payload, level);
        if (r) all.change([](tally& t) { ++t.accepted; });
        return r.mid;
    };
    c.on_publish([&](std::uint16_t mid, std::error_code error) {
        if (mid % 50 == 0) publish("echo", "from on_publish", qos::at_least_once);
        all.change([&](tally& t) {
            ++t.outcomes;
            if (error) ++t.failures;
        });
    });
    c.on_message([&](const received_message& m) {
        if (m.payload == "last") return last.open();
        ++messages;
        if (messages % 20 == 0) {
            c.subscribe("other/" + m.payload);
            c.message_callback_add("none/" + m.payload, [](const received_message&) {});
            publish("echo/from/callback", m.payload, qos::exactly_once);
        }
        (void)c.is_connected();
        (void)c.unsettled();
    });
    c.loop_start();
    REQUIRE_FALSE(c.connect(here, server.port()));
    REQUIRE(c.subscribe("in", qos::exactly_once));
    std::vector<std::thread> publishers;
    for (int t = 0; t != threads; ++t)
        publishers.emplace_back([&, t] {
            for (int i = 0; i != each; ++i) {
                const auto mid = publish("in", std::to_string(t * each + i), static_cast<qos>(i % 3));
                if (i % 50 == 49) (void)c.wait_for_publish(mid, patience);
            }
        });
    for (std::thread& t : publishers) t.join();
    publish("in", "last", qos::at_least_once); // It comes back behind all the others.
    last.pass();
    // QoS 0 may be dropped, and is counted then, when the loop gets so little time that its queue is full.
    CHECK(static_cast<std::uint64_t>(messages) + c.dropped_messages() == threads * each);
    const tally sum = all.wait([](const tally& t) { return t.outcomes == t.accepted; });
    CHECK(sum.failures == 0);
    const auto end = c.disconnect();
    CHECK_FALSE(end.error);
    CHECK(end.unacknowledged == 0);
    CHECK(all.now().outcomes == all.now().accepted);
}

TEST_CASE("client: eight threads publish while callbacks disconnect and another thread connects again, and every outcome is told once",
          "[client]") {
    constexpr int threads = 8, each = 200;
    struct tally {
        int accepted = 0, outcomes = 0, disconnects = 0;
        bool is_over = false;
    };
    watched<tally> all;
    std::atomic<int> messages = 0;
    fake_server server(fake_server::broker);
    client c(test_options());
    c.on_publish([&](std::uint16_t, std::error_code) {
        all.change([&](tally& t) {
            if (++t.outcomes % 50 != 0 || t.is_over) return;
            c.disconnect_async();
            ++t.disconnects;
        });
    });
    const auto publish = [&](std::string_view topic, qos level) {
        const publish_result r = c.publish(topic, "x", level);
        if (r) all.change([](tally& t) { ++t.accepted; });
        return r.mid;
    };
    c.on_message([&](const received_message&) {
        if (++messages % 20 == 0) publish("echo", qos::exactly_once);
    });
    c.on_connect([&](const connect_result&) { c.subscribe("in", qos::at_least_once); });
    c.loop_start();
    REQUIRE_FALSE(c.connect(here, server.port()));
    std::thread connector([&] {
        for (int seen = 0;;) {
            const tally now = all.wait([&](const tally& t) { return t.disconnects != seen || t.is_over; });
            if (now.disconnects == seen) return;
            seen = now.disconnects;
            (void)c.disconnect(); // Which waits for the end, if that has not come.
            (void)c.connect(here, server.port());
        }
    });
    std::vector<std::thread> publishers;
    for (int t = 0; t != threads; ++t)
        publishers.emplace_back([&] {
            for (int i = 0; i != each; ++i) {
                const auto mid = publish("in", static_cast<qos>(i % 3));
                if (i % 50 == 49) (void)c.wait_for_publish(mid, patience);
            }
        });
    for (std::thread& t : publishers) t.join();
    all.change([](tally& t) { t.is_over = true; });
    connector.join();
    CHECK_FALSE(c.disconnect().error);
    const tally end = all.now();
    CHECK(end.disconnects > 5);
    CHECK(end.accepted >= threads * each);
    CHECK(end.outcomes == end.accepted);
}

TEST_CASE("client: settings, callbacks and the loop may be changed by several threads at once", "[client]") {
    fake_server server(fake_server::broker);
    client c(test_options());
    REQUIRE_FALSE(c.connect(here, server.port()));
    std::atomic<bool> stop = false;
    std::vector<std::thread> all;
    const auto over_and_over = [&](auto f) {
        all.emplace_back([&stop, f] {
            while (!stop) f();
        });
    };
    over_and_over([&] {
        (void)c.loop_start();
        std::this_thread::yield();
        (void)c.loop_stop();
    });
    over_and_over([&] {
        c.on_message([](const received_message&) {});
        c.on_publish([](std::uint16_t, std::error_code) {});
        c.on_connect(nullptr);
        c.message_callback_add("a", [](const received_message&) {});
        c.message_callback_remove("a");
        c.enable_logger([](std::string_view) {});
        c.enable_logger(nullptr);
    });
    over_and_over([&] {
        c.max_inflight_messages_set(5);
        c.max_queued_messages_set(100);
        c.username_pw_set("a", "b");
        c.will_set("w", "x");
        c.will_clear();
        c.reconnect_delay_set(1ms, 5ms);
        c.manual_ack_set(false);
    });
    over_and_over([&] { (void)c.publish("in", "x", qos::at_least_once); });
    for (std::size_t connects = 1; connects != 30; ++connects) {
        server.wait_until("CONNECT", [&] { return server.count("CONNECT") == connects; });
        (void)c.reconnect();
    }
    stop = true;
    for (std::thread& t : all) t.join();
    c.max_queued_messages_set(0);
    const auto r = c.publish("in", "last", qos::at_least_once);
    CHECK(r);
    CHECK_FALSE(c.wait_for_publish(r.mid, patience));
    CHECK_FALSE(c.disconnect().error);
}

TEST_CASE("client: two threads that disconnect are both answered", "[client]") {
    fake_server server(fake_server::broker);
    client c(test_options());
    const bool loops = GENERATE(true, false);
    if (loops) c.loop_start();
    REQUIRE_FALSE(c.connect(here, server.port()));
    auto one = std::async(std::launch::async, [&] { return c.disconnect().error; });
    auto two = std::async(std::launch::async, [&] { return c.disconnect().error; });
    const auto first = one.get(), second = two.get();
    CHECK((!first || !second));
    CHECK((!first || first == errc::not_connected));
    CHECK((!second || second == errc::not_connected));
}

TEST_CASE("client: it may be destroyed with a thousand messages open, and tells nobody", "[client]") {
    const bool loops = GENERATE(true, false);
    fake_server server(forgetful);
    std::atomic<bool> wrong = false;
    {
        client c(test_options());
        c.on_publish([&](std::uint16_t, std::error_code) { wrong = true; });
        if (loops) c.loop_start();
        REQUIRE_FALSE(c.connect(here, server.port()));
        open_a_thousand(c);
        CHECK(c.unsettled() == 1000);
        if (loops) server.wait_until("some of them", [&] { return server.count("PUBLISH") > 10; });
    }
    CHECK_FALSE(wrong);
}

TEST_CASE("client: it may be destroyed without ever having been connected", "[client]") {
    fake_server silent;
    {
        client never(test_options());
    }
    {
        client looping(test_options());
        looping.loop_start();
        looping.publish("a", "x", qos::at_least_once);
    }
    {
        client connecting(test_options());
        CHECK_FALSE(connecting.connect_async(here, silent.port()));
        silent.accept();
        silent.expect("CONNECT");
    }
    {
        client resolving(test_options());
        CHECK_FALSE(resolving.connect_async("a.name.that.is.not.there.invalid"));
    }
}

TEST_CASE("client: it may be destroyed in a callback under loop_start()", "[client]") {
    fake_server server(forgetful);
    journal j;
    gate go, gone;
    auto c = std::make_unique<client>(test_options());
    // Goes with the callbacks, so with the last of the client.
    std::shared_ptr<gate> token(&gone, [](gate* g) { g->open(); });
    c->on_message([&, token](const received_message& m) {
        j.add(m.payload);
        go.pass();
        c.reset();
        j.add("destroyed");
    });
    c->loop_start();
    REQUIRE_FALSE(c->connect(here, server.port()));
    c->subscribe("a", qos::at_least_once);
    open_a_thousand(*c);
    c->publish("a", "x");
    c->publish("a", "y");
    go.open();
    j.wait_for(2);
    token.reset();
    gone.pass(); // What is left of it cleans up.
    CHECK(j.size() == 2);
}

TEST_CASE("client: it may be destroyed in a callback under loop_forever()", "[client]") {
    fake_server server(forgetful);
    auto c = std::make_unique<client>(test_options());
    int calls = 0;
    c->on_message([&](const received_message&) {
        ++calls;
        c.reset();
    });
    REQUIRE_FALSE(c->connect(here, server.port()));
    c->subscribe("a", qos::at_least_once);
    open_a_thousand(*c);
    for (int i = 0; i != 3; ++i) c->publish("a", "x");
    (void)c->loop_forever();
    CHECK(calls == 1);
    CHECK_FALSE(c);
}

TEST_CASE("client: it may be destroyed in a callback that connect() or disconnect() runs", "[client]") {
    fake_server server(fake_server::broker);
    auto c = std::make_unique<client>(test_options());
    SECTION("connect()") {
        c->on_connect([&](const connect_result&) { c.reset(); });
        CHECK_FALSE(c->connect(here, server.port())); // It had been connected.
    }
    SECTION("disconnect()") {
        c->on_publish([&](std::uint16_t, std::error_code) { c.reset(); });
        REQUIRE_FALSE(c->connect(here, server.port()));
        c->publish("a", "1", qos::at_least_once);
        c->publish("a", "2", qos::at_least_once);
        (void)c->disconnect();
    }
    CHECK_FALSE(c);
}

TEST_CASE("client: it may be destroyed in a callback that throws after that", "[client]") {
    fake_server server(fake_server::broker);
    auto c = std::make_unique<client>(test_options());
    c->on_connect([&](const connect_result&) {
        c.reset();
        throw std::runtime_error("so there");
    });
    CHECK_THROWS_AS(c->connect(here, server.port()), std::runtime_error);
}

TEST_CASE("client: the destructor waits for a callback that another thread is in", "[client]") {
    const bool forever = GENERATE(true, false);
    fake_server server(fake_server::broker);
    gate inside, go;
    std::atomic<bool> has_ended = false;
    auto c = std::make_unique<client>(test_options());
    c->on_message([&](const received_message&) {
        inside.open();
        go.pass();
        std::this_thread::sleep_for(20ms);
        has_ended = true;
    });
    REQUIRE_FALSE(c->connect(here, server.port()));
    std::thread loop;
    if (forever) loop = std::thread([&, p = c.get()] { (void)p->loop_forever(); });
    else c->loop_start();
    c->subscribe("a", qos::at_least_once);
    c->publish("a", "x", qos::at_least_once);
    inside.pass();
    go.open();
    c.reset();
    CHECK(has_ended);
    if (forever) loop.join();
}

TEST_CASE("client: the destructor waits for a hook that calls the client", "[client]") {
    fake_server server(fake_server::broker);
    std::promise<client*> itself;
    gate inside;
    std::atomic<bool> has_ended = false;
    auto options = test_options();
    options.on_connected = [&, me = itself.get_future().share()](const connect_result&) {
        client* const c = me.get();
        inside.open();
        for (int i = 0; i != 1000; ++i) (void)c->reconnect();
        has_ended = true;
    };
    auto c = std::make_unique<client>(options);
    REQUIRE_FALSE(c->connect_async(here, server.port()));
    itself.set_value(c.get());
    inside.pass();
    c.reset();
    CHECK(has_ended);
}

TEST_CASE("client: a hook is called for what has happened, though the client is destroyed next", "[client]") {
    fake_server server;
    server.stop_listening();
    for (int round = 0; round != 20; ++round) {
        int told = 0;
        auto options = test_options();
        options.on_connection_event = [&](const connection_event& e) { told += e.step == connection_step::lost; };
        { CHECK(client(options).connect(here, server.port())); }
        CHECK(told == 1);
    }
}

TEST_CASE("client: of several threads that connect one does, and the others hear of it", "[client]") {
    fake_server server(fake_server::broker);
    for (int round = 0; round != 20; ++round) {
        client c(test_options());
        c.loop_start();
        std::array<std::error_code, 4> results;
        std::vector<std::thread> threads;
        for (std::error_code& r : results) threads.emplace_back([&] { r = c.connect(here, server.port()); });
        for (std::thread& t : threads) t.join();
        CHECK(std::ranges::count(results, std::error_code()) == 1);
        CHECK(std::ranges::count(results, make_error_code(errc::already_connected)) == 3);
    }
}

TEST_CASE("client: a hundred of them come and go", "[client]") {
    fake_server server(fake_server::broker);
    for (int i = 0; i != 100; ++i) {
        client c(test_options());
        if (i % 2 == 0) c.loop_start();
        if (i % 3 == 0) REQUIRE_FALSE(c.connect(here, server.port()));
        else REQUIRE_FALSE(c.connect_async(here, server.port()));
        c.publish("a", "x", static_cast<qos>(i % 3));
        if (i % 5 == 0) c.disconnect_async();
        if (i % 7 == 0) (void)c.disconnect(0ms);
    }
}
