// connect, disconnect, reconnect, and the loop.
#include "client_support.hpp"

namespace {

const std::string end_of_file = words(asio::error::make_error_code(asio::error::eof));

void note_connections(client& c, journal& j) {
    c.on_connect([&](const connect_result& r) { j.add("connect " + std::to_string(r.return_code)); });
    c.on_disconnect([&](const disconnect_result& r) { j.add("disconnect " + words(r.error) + (r.is_final ? ", final" : "")); });
}

// A broker that takes nobody.
fake_server::rule refusing(reason_code why) {
    return [why](fake_server::connection& c, const packet& p) {
        if (!std::holds_alternative<inflight::connect>(p)) return;
        c.send(connack{.reason = why});
        c.close();
    };
}

} // namespace

TEST_CASE("client: connect() returns after on_connect has, and the first publish() is a success", "[client]") {
    const bool loops = GENERATE(true, false);
    const auto version = GENERATE(v5, v3);
    fake_server server(fake_server::broker);
    client c(test_options(version));
    std::thread::id ran_in{};
    std::atomic<bool> has_returned = false;
    c.on_connect([&](const connect_result& r) {
        if (r && r.return_code == 0 && r.version == version) ran_in = std::this_thread::get_id();
        std::this_thread::sleep_for(10ms);
        has_returned = true;
    });
    if (loops) CHECK_FALSE(c.loop_start());
    CHECK_FALSE(c.connect(here, server.port()));
    CHECK(has_returned);
    CHECK((ran_in == std::this_thread::get_id()) == !loops);
    CHECK(c.is_connected());
    auto [status, mid] = c.publish("sensor/temperature", "temp:20", qos::at_least_once);
    CHECK(status == publish_status::success);
    CHECK(mid == 1);
}

TEST_CASE("client: a refusal reaches on_connect with the number seen on the wire", "[client][v5:MQTT-3.2.2-7][v3:MQTT-3.2.2-5]") {
    const auto [version, reason, number] = GENERATE(table<protocol_version, reason_code, int>({
        {v5, reason_code::bad_user_name_or_password, 0x86},
        {v5, reason_code::not_authorized, 0x87},
        {v3, reason_code::bad_user_name_or_password, 4},
        {v3, reason_code::not_authorized, 5},
        {v3, reason_code::server_unavailable, 3},
    }));
    const bool loops = GENERATE(true, false);
    fake_server server(refusing(reason));
    journal j;
    client c(test_options(version));
    note_connections(c, j);
    if (loops) c.loop_start();
    CHECK(c.connect(here, server.port()) == reason);
    CHECK(j.lines() == trace{"connect " + std::to_string(number)});
    CHECK_FALSE(c.is_connected());
    CHECK(server.accepted() == 1); // No retry unless asked for.
    c.disconnect();
    CHECK(server.accepted() == 1);
}

TEST_CASE("client: a broker that is not there is an error of connect(), and no business of on_connect", "[client]") {
    fake_server server;
    server.stop_listening();
    journal j;
    client c(test_options());
    note_connections(c, j);
    CHECK(c.connect(here, server.port()) == asio::error::connection_refused);
    CHECK(j.size() == 0);
    CHECK(c.loop_forever() == asio::error::connection_refused);
}

TEST_CASE("client: a broker that does not answer costs the connect timeout", "[client]") {
    fake_server server;
    client_options options = test_options();
    options.connect_timeout = 50ms;
    client c(options);
    CHECK(c.connect(here, server.port()) == errc::connect_timeout);
    CHECK(c.connect(here, server.port()) == errc::connect_timeout); // It may be tried again.
    server.wait_until("both attempts", [&] { return server.accepted() == 2; });
}

TEST_CASE("client: with retry_first_connection connect() waits for a broker that is not there yet", "[client]") {
    fake_server server([](fake_server::connection& c, const packet&) { c.abort(); });
    client c(test_options());
    auto connected = std::async(std::launch::async, [&] { return c.connect(here, server.port(), 60s, true); });
    server.wait_until("three attempts", [&] { return server.accepted() >= 3; });
    server.set_rule(fake_server::accepting);
    CHECK_FALSE(connected.get());
}

TEST_CASE("client: connect() refuses bad arguments and a second connection", "[client]") {
    fake_server server(fake_server::accepting);
    client c(test_options());
    CHECK(c.connect("", server.port()) == errc::no_host);
    CHECK(c.connect(here, server.port(), 65'536s) == errc::invalid_argument);
    CHECK(c.connect(here, server.port(), -1s) == errc::invalid_argument);
    CHECK_FALSE(c.connect(here, server.port()));
    CHECK(c.connect(here, server.port()) == errc::already_connected);
    CHECK(c.connect_async(here, server.port()) == errc::already_connected);
}

TEST_CASE("client: connect_async() returns at once, and what is published before CONNACK is delivered", "[client]") {
    fake_server server;
    client c(test_options());
    CHECK_FALSE(c.connect_async(here, server.port()));
    const publish_result r = c.publish("a", "x", qos::at_least_once);
    CHECK(r.status == publish_status::queued_offline);
    CHECK(r.mid == 1);
    CHECK(c.publish("a", "y").status == publish_status::queued_offline);
    server.connect();
    server.expect("PUBLISH qos=1 topic='a' id=1");
    server.expect("PUBLISH qos=0 topic='a'");
    server.send(puback{.id = id(1)});
    CHECK_FALSE(c.wait_for_publish(r.mid, patience));
    CHECK(c.publish("a", "z").status == publish_status::success);
}

TEST_CASE("client: what was set for CONNECT is what CONNECT says", "[client][v3:MQTT-3.1.3-11][v5:MQTT-3.1.3-12]") {
    const auto version = GENERATE(v5, v3);
    fake_server server(fake_server::accepting);
    auto options = test_options(version);
    options.keep_alive = 45s;
    client c(options);
    c.will_set("will/topic", "gone", qos::at_least_once, true);
    c.username_pw_set("user", "secret");
    const std::optional<std::chrono::seconds> asked = GENERATE(std::optional(30s), std::optional<std::chrono::seconds>());
    CHECK_FALSE(c.connect(here, server.port(), asked));
    server.accept();
    const auto got = server.receive();
    const auto& p = got->as<inflight::connect>();
    CHECK(p.keep_alive == (asked ? 30 : 45));
    CHECK(p.client_id == "c");
    REQUIRE(p.will);
    CHECK(p.will->topic == "will/topic");
    CHECK(p.will->payload == "gone");
    CHECK(p.will->qos == qos::at_least_once);
    CHECK(p.will->retain);
    CHECK(p.user_name == "user");
    CHECK(p.password == "secret");

    c.will_clear();
    c.username_pw_set(std::nullopt);
    server.close();
    server.accept();
    const auto second = server.receive();
    CHECK_FALSE(second->as<inflight::connect>().will);
    CHECK_FALSE(second->as<inflight::connect>().user_name);
}

TEST_CASE("client: an empty client id is replaced by one that stays", "[client][v5:MQTT-3.1.3-2][v3:MQTT-3.1.3-2]") {
    fake_server server(fake_server::accepting);
    client_options options = test_options(GENERATE(v5, v3));
    options.client_id = "";
    client c(options);
    CHECK_FALSE(c.connect(here, server.port()));
    server.accept();
    const std::string first(server.receive()->as<inflight::connect>().client_id);
    CHECK(first.size() <= 23);
    CHECK(first.size() > 10);
    server.close();
    server.accept();
    CHECK(server.receive()->as<inflight::connect>().client_id == first);
}

TEST_CASE("client: a server of 3.1.1 only is fallen back to, and says so to on_connect", "[client][v3:MQTT-7.0.0-2]") {
    fake_server server([](fake_server::connection& c, const packet& p) {
        if (std::holds_alternative<inflight::connect>(p) && c.version == v5) c.close();
        else fake_server::broker(c, p);
    });
    client c(test_options(std::nullopt));
    std::optional<protocol_version> version;
    c.on_connect([&](const connect_result& r) { version = r.version; });
    CHECK_FALSE(c.connect(here, server.port()));
    CHECK(version == v3);
    CHECK(c.publish("a", "x", qos::exactly_once).status == publish_status::success);
    CHECK_FALSE(c.disconnect().error);
}

TEST_CASE("client: retry_after_refusal may set other credentials", "[client]") {
    fake_server server([](fake_server::connection& c, const packet& p) {
        const auto* wish = std::get_if<inflight::connect>(&p);
        if (!wish) return;
        const bool good = wish->password == "right";
        c.send(connack{.reason = good ? reason_code::success : reason_code::bad_user_name_or_password});
        if (!good) c.close();
    });
    client_options options = test_options();
    client* self = nullptr;
    options.retry_after_refusal = [&](std::error_code) {
        self->username_pw_set("user", "right");
        return true;
    };
    client c(options);
    self = &c;
    c.username_pw_set("user", "wrong");
    CHECK_FALSE(c.connect(here, server.port(), 60s, true));
    CHECK(server.accepted() == 2);
}

TEST_CASE("client: the hooks of the options are callbacks too: what waits for one does not wait there", "[client]") {
    fake_server server(refusing(reason_code::banned));
    client_options options = test_options();
    client* self = nullptr;
    trace got;
    options.retry_after_refusal = [&](std::error_code) {
        got = {words(self->connect(here, server.port())), words(self->disconnect().error), words(self->loop_stop()),
               words(self->loop_forever()), words(self->wait_for_publish(1))};
        return false;
    };
    client c(options);
    self = &c;
    CHECK(c.connect(here, server.port(), 60s, true) == reason_code::banned);
    CHECK(got == trace(5, words(errc::would_deadlock)));
}

TEST_CASE("client: it may be destroyed in a hook of its options", "[client]") {
    fake_server server(refusing(reason_code::banned));
    client_options options = test_options();
    gate gone;
    std::unique_ptr<client> c;
    options.retry_after_refusal = [&](std::error_code) {
        c.reset();
        gone.open();
        return true;
    };
    c = std::make_unique<client>(options);
    REQUIRE_FALSE(c->connect_async(here, server.port()));
    gone.pass();
    CHECK_FALSE(c);
}

TEST_CASE("client: what a hook of the options throws goes the way of what callbacks throw", "[client]") {
    fake_server server(refusing(reason_code::banned));
    client_options options = test_options();
    const auto throws = [](const auto&) -> bool { throw std::runtime_error("so there"); };
    options.retry_after_refusal = throws;
    client c(options);
    SECTION("out of connect()") {
        CHECK_THROWS_AS(c.connect(here, server.port(), 60s, true), std::runtime_error);
    }
    SECTION("to on_exception, under loop_start()") {
        journal j;
        c.on_exception([&](std::exception_ptr) {
            j.add("caught");
            throw std::runtime_error("and again"); // For which a line goes to std::cerr.
        });
        c.loop_start();
        CHECK(c.connect(here, server.port(), 60s, true) == reason_code::banned);
        CHECK(j.wait_for(1) == trace{"caught"});
        CHECK_FALSE(c.loop_stop());
    }
}

TEST_CASE("client: the loop's functions say what they did", "[client]") {
    fake_server server(fake_server::accepting);
    client c(test_options());
    CHECK(c.loop_stop() == errc::not_running);
    CHECK(c.loop_forever() == errc::not_connected);
    CHECK_FALSE(c.loop_start());
    CHECK(c.loop_start() == errc::already_running);
    CHECK(c.loop_forever() == errc::already_running);
    CHECK_FALSE(c.loop_stop());
    CHECK(c.loop_stop() == errc::not_running);
    CHECK_FALSE(c.loop_start());
    CHECK_FALSE(c.connect(here, server.port()));
    CHECK_FALSE(c.loop_stop());
    CHECK(c.is_connected()); // The connection stays, as in paho.
    CHECK_FALSE(c.disconnect().error);
}

TEST_CASE("client: what waits for a callback does not wait inside one", "[client]") {
    const bool loops = GENERATE(true, false);
    fake_server server(fake_server::broker);
    client c(test_options());
    trace got;
    c.on_connect([&](const connect_result&) {
        got = {words(c.connect(here, server.port())), words(c.disconnect().error), words(c.loop_stop()), words(c.loop_forever()),
               words(c.wait_for_publish(1))};
    });
    if (loops) c.loop_start();
    CHECK_FALSE(c.connect(here, server.port()));
    CHECK(got == trace(5, words(errc::would_deadlock)));
    CHECK(c.is_connected());
}

TEST_CASE("client: what does not wait may be called inside any callback", "[client]") {
    fake_server server(fake_server::broker);
    journal j;
    client c(test_options());
    c.on_connect([&](const connect_result&) {
        j.add("connect");
        c.subscribe("a", qos::at_least_once);
    });
    c.on_subscribe([&](const subscribe_outcome& o) {
        j.add("subscribe " + std::to_string(o.mid));
        c.publish("a", "x", qos::exactly_once);
    });
    c.on_message([&](const received_message& m) {
        j.add("message " + m.payload);
        c.unsubscribe("a");
        c.on_message(nullptr);
    });
    c.on_unsubscribe([&](const subscribe_outcome&) {
        j.add("unsubscribe");
        c.on_publish(nullptr);
        c.disconnect_async();
    });
    CHECK_FALSE(c.connect(here, server.port()));
    CHECK_FALSE(c.loop_forever());
    CHECK(j.lines() == trace{"connect", "subscribe 1", "message x", "unsubscribe"});
}

TEST_CASE("client: disconnect_async() in a callback ends loop_forever()", "[client]") {
    fake_server server(fake_server::broker);
    journal j;
    client c(test_options());
    note_connections(c, j);
    c.on_publish([&](std::uint16_t mid, std::error_code) {
        j.add("published " + std::to_string(mid));
        c.disconnect_async();
    });
    CHECK_FALSE(c.connect(here, server.port()));
    c.publish("a", "x", qos::at_least_once);
    CHECK_FALSE(c.loop_forever());
    CHECK(j.lines() == trace{"connect 0", "published 1", "disconnect ok, final"});
    CHECK_FALSE(c.is_connected());
}

TEST_CASE("client: loop_forever() returns what stopped the client, after all callbacks", "[client]") {
    fake_server server(fake_server::accepting);
    journal j;
    client c(test_options());
    note_connections(c, j);
    c.on_publish([&](std::uint16_t mid, std::error_code error) { j.add("published " + std::to_string(mid) + " " + words(error)); });
    CHECK_FALSE(c.connect(here, server.port()));
    c.publish("a", "x", qos::at_least_once);
    c.publish("a", "x", qos::exactly_once);
    server.accept();
    server.expect("CONNECT");
    server.expect("PUBLISH");
    server.expect("PUBLISH");
    server.set_rule(refusing(reason_code::banned));
    server.close();
    CHECK(c.loop_forever() == reason_code::banned);
    CHECK(j.lines() ==
          trace{"connect 0", "disconnect " + end_of_file, "published 1 banned", "published 2 banned", "disconnect banned, final"});
}

TEST_CASE("client: disconnect() waits for acknowledgements, with and without a loop", "[client]") {
    const bool loops = GENERATE(true, false);
    fake_server server(fake_server::accepting);
    journal j;
    client c(test_options());
    note_connections(c, j);
    c.on_publish([&](std::uint16_t mid, std::error_code error) { j.add("published " + std::to_string(mid) + " " + words(error)); });
    if (loops) c.loop_start();
    CHECK_FALSE(c.connect(here, server.port()));
    c.publish("a", "x", qos::at_least_once);
    server.accept();
    server.expect("CONNECT");
    server.expect("PUBLISH");
    auto done = std::async(std::launch::async, [&] { return c.disconnect(); });
    CHECK(done.wait_for(20ms) == std::future_status::timeout);
    server.send(puback{.id = id(1)});
    server.expect("DISCONNECT session_expiry_interval=0");
    server.close();
    const auto result = done.get();
    CHECK_FALSE(result.error);
    CHECK(result.unacknowledged == 0);
    CHECK(j.lines() == trace{"connect 0", "published 1 ok", "disconnect ok, final"});
    CHECK(c.disconnect().error == errc::not_connected);
}

TEST_CASE("client: disconnect() returns what is left over after the drain time", "[client]") {
    fake_server server(fake_server::accepting);
    journal j;
    client c(test_options());
    c.on_publish([&](std::uint16_t mid, std::error_code error) { j.add("published " + std::to_string(mid) + " " + words(error)); });
    CHECK_FALSE(c.connect(here, server.port()));
    c.publish("a", "x", qos::at_least_once);
    c.publish("a", "x", qos::exactly_once);
    c.publish("a", "x", qos::at_most_once);
    const auto result = c.disconnect(20ms);
    CHECK_FALSE(result.error);
    CHECK(result.unacknowledged == 2);
    trace got = j.lines();
    std::sort(got.begin(), got.end());
    CHECK(got == trace{"published 1 not connected", "published 2 not connected", "published 3 ok"});
    CHECK(c.wait_for_publish(1) == errc::not_connected);
}

TEST_CASE("client: disconnect() while the broker is away does not take the drain time, if nothing waits", "[client]") {
    fake_server server(fake_server::accepting);
    client_options options = test_options();
    options.drain_timeout = 1h;
    gate lost;
    options.on_disconnected = [&](const disconnect_result&) { lost.open(); };
    client c(options);
    CHECK_FALSE(c.connect(here, server.port()));
    server.stop_listening();
    server.accept();
    server.abort();
    lost.pass();
    CHECK_FALSE(c.disconnect().error);
}

TEST_CASE("client: a lost connection is told, and made again", "[client]") {
    fake_server server(fake_server::accepting);
    journal j;
    client c(test_options());
    note_connections(c, j);
    c.loop_start();
    CHECK_FALSE(c.connect(here, server.port()));
    server.accept();
    server.close();
    CHECK(j.wait_for(3) == trace{"connect 0", "disconnect " + end_of_file, "connect 0"});
    server.accept();
    server.send(disconnect{.reason = reason_code::server_shutting_down});
    server.close();
    CHECK(j.wait_for(5)[3] == "disconnect server shutting down");
}

TEST_CASE("client: reconnect() drops the connection and makes another one at once", "[client]") {
    fake_server server(fake_server::accepting);
    client_options options = test_options();
    options.reconnect_delay = options.max_reconnect_delay = 1h;
    journal j;
    client c(options);
    note_connections(c, j);
    c.loop_start();
    CHECK_FALSE(c.connect(here, server.port()));
    SECTION("while connected") {}
    SECTION("while waiting for the next attempt") {
        server.accept();
        server.close();
        j.wait_for(2);
    }
    SECTION("after disconnect()") {
        CHECK_FALSE(c.disconnect(100ms).error);
    }
    CHECK_FALSE(c.reconnect());
    CHECK(j.wait_for(3)[2] == "connect 0");
    CHECK(server.count("CONNECT") == 2);
    CHECK_FALSE(c.disconnect(100ms).error);
}

TEST_CASE("client: connect() to another broker after disconnect() finds out its version anew", "[client]") {
    fake_server first(fake_server::broker);
    fake_server second([](fake_server::connection& c, const packet& p) {
        if (std::holds_alternative<inflight::connect>(p) && c.version == v5) c.close();
        else fake_server::broker(c, p);
    });
    client c(test_options(std::nullopt));
    std::vector<protocol_version> versions;
    c.on_connect([&](const connect_result& r) { versions.push_back(r.version); });
    for (fake_server* server : {&first, &second, &first}) {
        CHECK_FALSE(c.connect(here, server->port()));
        CHECK_FALSE(c.disconnect().error);
    }
    CHECK(versions == std::vector{v5, v3, v5});
}

TEST_CASE("client: the logger gets a line for every packet, with its direction", "[client]") {
    fake_server server(fake_server::broker);
    journal j;
    client c(test_options());
    c.enable_logger([&](std::string_view line) { j.add(std::string(line)); });
    c.username_pw_set("user", "secret");
    CHECK_FALSE(c.connect(here, server.port()));
    const auto [status, mid] = c.publish("a", "x", qos::at_least_once);
    CHECK(status == publish_status::success);
    CHECK_FALSE(c.wait_for_publish(mid));
    CHECK_FALSE(c.disconnect().error);
    const trace lines = j.lines();
    REQUIRE(lines.size() == 5);
    CHECK(lines[0].starts_with("> CONNECT version=5.0"));
    CHECK(lines[0].find("secret") == std::string::npos);
    CHECK(lines[1] == "< CONNACK reason='success' (0)");
    CHECK(lines[2] == "> PUBLISH qos=1 topic='a' id=1 payload='x' (1 byte)");
    CHECK(lines[3] == "< PUBACK id=1");
    CHECK(lines[4] == "> DISCONNECT session_expiry_interval=0");
    c.enable_logger(nullptr);
    CHECK_FALSE(c.connect(here, server.port()));
    CHECK(j.size() == 5);
}

TEST_CASE("client: connect() does not depend on the loop that ran when it began", "[client]") {
    fake_server server;
    client c(test_options());
    std::thread::id ran_in{};
    c.on_connect([&](const connect_result&) { ran_in = std::this_thread::get_id(); });
    c.loop_start();
    std::thread::id connecting{};
    auto connected = std::async(std::launch::async, [&] {
        connecting = std::this_thread::get_id();
        return c.connect(here, server.port());
    });
    server.accept();
    server.expect("CONNECT");
    CHECK_FALSE(c.loop_stop());
    server.send(connack{});
    CHECK_FALSE(connected.get());
    CHECK(ran_in == connecting);
}

TEST_CASE("client: two clients of one process do not know each other", "[client]") {
    fake_server server(fake_server::broker);
    client one(test_options()), two(test_options());
    trace got;
    one.loop_start();
    CHECK_FALSE(one.connect(here, server.port()));
    two.on_connect([&](const connect_result&) {
        got.push_back(words(two.loop_stop()));
        got.push_back(words(one.loop_stop())); // Not its own loop: allowed to wait.
        got.push_back(words(one.disconnect().error));
    });
    CHECK_FALSE(two.connect(here, server.port()));
    CHECK(got == trace{words(errc::would_deadlock), "ok", "ok"});
    CHECK(two.is_connected());
    CHECK_FALSE(one.is_connected());
}
