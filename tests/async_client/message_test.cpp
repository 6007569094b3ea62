// Publishing, receiving, acknowledging.
#include "support/async_fixture.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/use_awaitable.hpp>

namespace {

publish delivered(packet_id number, qos level, std::string_view payload, bool dup = false) {
    return {.dup = dup, .qos = level, .topic = "t", .id = number, .payload = payload};
}

} // namespace

TEST_CASE("async_client: publish() answers queued_offline without a connection and success with one", "[async_client]") {
    const auto version = GENERATE(v5, v3);
    async_fixture f;
    async_client client(f.io, f.options(version));
    CHECK(client.publish("a", "0", qos::at_most_once).status == publish_status::queued_offline);
    CHECK(client.publish("a", "1", qos::at_least_once) == publish_result{publish_status::queued_offline, 2});
    CHECK(client.publish("a", "2", qos::exactly_once) == publish_result{publish_status::queued_offline, 3});
    f.connect(client);
    f.server.expect("PUBLISH qos=0 topic='a'");
    f.server.expect("PUBLISH qos=1 topic='a' id=2");
    f.server.expect("PUBLISH qos=2 topic='a' id=3");
    CHECK(client.publish("a", "3", qos::at_least_once) == publish_result{publish_status::success, 4});
    f.server.expect("PUBLISH qos=1 topic='a' id=4");
    f.server.close();
    f.until("the end", [&] { return !client.is_connected(); });
    CHECK(client.publish("a", "4", qos::at_least_once) == publish_result{publish_status::queued_offline, 5});
}

TEST_CASE("async_client: publish() refuses what cannot be sent, and says why", "[async_client]") {
    async_fixture f;
    client_options options = f.options(v5);
    options.max_queued_messages = 2;
    async_client client(f.io, options);
    CHECK(client.publish("a/#", "x").status == publish_status::topic_wildcard);
    CHECK(client.publish("", "x").status == publish_status::topic_empty);
    CHECK(client.publish("a", "x", static_cast<qos>(3)).status == publish_status::invalid_qos);
    CHECK(client.publish("a", "1", qos::at_least_once));
    CHECK(client.publish("a", "2", qos::at_least_once));
    const publish_result third = client.publish("a", "3", qos::at_least_once);
    CHECK(third.status == publish_status::queue_full);
    CHECK_FALSE(third);
    CHECK(third.mid == 0);
    properties<packet_type::connack> props;
    props.set<property_id::maximum_qos>(0).set<property_id::maximum_packet_size>(64).set<property_id::retain_available>(0);
    f.connect(client, connack{.props = props});
    CHECK(client.publish("a", std::string(100, 'x')).status == publish_status::packet_too_large);
    CHECK(client.publish("a", "x", qos::at_least_once).status == publish_status::qos_not_supported);
    CHECK(client.publish("a", "x", qos::at_most_once, true).status == publish_status::retain_not_supported);
    outcome<publish_ack> too_large, unsupported, retained;
    client.async_publish({"a", std::string(100, 'x')}, too_large.handler());
    client.async_publish({"a", "x", qos::at_least_once}, unsupported.handler());
    client.async_publish({"a", "x", qos::at_most_once, true}, retained.handler());
    f.wait(retained);
    CHECK(too_large.error() == errc::packet_too_large);
    CHECK(unsupported.error() == errc::qos_not_supported);
    CHECK(retained.error() == errc::retain_not_supported);
}

TEST_CASE("async_client: async_publish completes with the last acknowledgement of its QoS",
          "[async_client][v5:MQTT-4.3.2-3][v5:MQTT-4.3.3-5]") {
    const auto version = GENERATE(v5, v3);
    async_fixture f;
    async_client client(f.io, f.options(version));
    f.connect(client);
    outcome<publish_ack> zero, one, two;
    client.async_publish({"a", "0", qos::at_most_once}, zero.handler());
    f.wait(zero);
    CHECK_FALSE(zero.error());
    f.server.expect("PUBLISH qos=0");

    client.async_publish({"a", "1", qos::at_least_once}, one.handler());
    client.async_publish({"a", "2", qos::exactly_once}, two.handler());
    const auto first = f.server.receive(), second = f.server.receive();
    const packet_id id_1 = first->as<publish>().id, id_2 = second->as<publish>().id;
    f.settle();
    CHECK_FALSE(one.is_done());
    f.server.send(puback{.id = id_1});
    f.wait(one);
    CHECK_FALSE(one.error());
    CHECK(one->mid() == number(id_1));
    f.server.send(pubrec{.id = id_2});
    f.server.expect(pubrel{.id = id_2});
    f.settle();
    CHECK_FALSE(two.is_done());
    f.server.send(pubcomp{.id = id_2});
    f.wait(two);
    CHECK_FALSE(two.error());
    CHECK(two->mid() == number(id_2));
    CHECK(client.unsettled() == 0);
}

TEST_CASE("async_client: the broker's refusal is the error of async_publish, a mere remark is not", "[async_client][v5:MQTT-4.4.0-2]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    outcome<publish_ack> refused, refused_2, remarked;
    client.async_publish({"a", "1", qos::at_least_once}, refused.handler());
    client.async_publish({"a", "2", qos::exactly_once}, refused_2.handler());
    client.async_publish({"a", "3", qos::at_least_once}, remarked.handler());
    for (int i = 0; i != 3; ++i) f.server.expect("PUBLISH");
    f.server.send(puback{.id = id(1), .reason = reason_code::not_authorized});
    f.server.send(pubrec{.id = id(2), .reason = reason_code::quota_exceeded});
    f.server.send(puback{.id = id(3), .reason = reason_code::no_matching_subscribers});
    f.wait(refused);
    f.wait(refused_2);
    f.wait(remarked);
    CHECK(refused.error() == reason_code::not_authorized);
    CHECK(refused->reason() == reason_code::not_authorized);
    CHECK(refused_2.error() == reason_code::quota_exceeded);
    CHECK_FALSE(remarked.error());
    CHECK(remarked->reason() == reason_code::no_matching_subscribers);
}

TEST_CASE("async_client: async_publish of what cannot be sent completes with the reason, once, later", "[async_client]") {
    async_fixture f;
    client_options options = f.options(v5);
    options.max_queued_messages = 1;
    async_client client(f.io, options);
    outcome<publish_ack> bad_topic, no_topic, waits, full;
    client.async_publish({"a/+", "x"}, bad_topic.handler());
    client.async_publish({"", "x"}, no_topic.handler());
    client.async_publish({"a", "x", qos::at_least_once}, waits.handler());
    client.async_publish({"a", "x", qos::at_least_once}, full.handler());
    CHECK_FALSE(bad_topic.is_done());
    CHECK_FALSE(full.is_done());
    f.wait(bad_topic);
    f.wait(no_topic);
    f.wait(full);
    CHECK(bad_topic.error() == errc::topic_wildcard);
    CHECK(no_topic.error() == errc::topic_empty);
    CHECK(full.error() == errc::queue_full);
    f.settle();
    CHECK_FALSE(waits.is_done());
    CHECK(bad_topic.calls() == 1);
}

TEST_CASE("async_client: PUBACK for a QoS 2 message in 3.1.1 completes it as downgraded", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v3));
    f.connect(client);
    outcome<publish_ack> o;
    client.async_publish({"a", "2", qos::exactly_once}, o.handler());
    f.server.expect("PUBLISH qos=2");
    f.server.send(puback{.id = id(1)});
    f.wait(o);
    CHECK(o.error() == errc::downgraded_qos);
}

TEST_CASE("async_client: subscribing and unsubscribing complete with the broker's codes",
          "[async_client][v5:MQTT-3.8.4-7][v5:MQTT-3.9.3-1]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    outcome<subscribe_ack> some, none, gone, bad;
    client.async_subscribe({{"a", qos::at_least_once}, {"b/#", qos::exactly_once}}, {}, some.handler());
    client.async_subscribe("c", qos::at_most_once, none.handler());
    client.async_unsubscribe("a", gone.handler());
    client.async_subscribe("a/#/b", qos::at_most_once, bad.handler());
    f.server.expect("SUBSCRIBE id=1 filter='a' qos=1");
    f.server.expect("SUBSCRIBE id=2 filter='c'");
    f.server.expect("UNSUBSCRIBE id=3 filter='a'");
    f.server.send(suback{.id = id(2), .reasons = {reason_code::not_authorized}});
    f.server.send(suback{.id = id(1), .reasons = {reason_code::granted_qos_1, reason_code::not_authorized}});
    f.server.send(unsuback{.id = id(3), .reasons = {reason_code::no_subscription_existed}});
    f.wait(some);
    f.wait(none);
    f.wait(gone);
    f.wait(bad);
    CHECK_FALSE(some.error()); // One of two was granted.
    CHECK(some->reasons == std::vector{reason_code::granted_qos_1, reason_code::not_authorized});
    CHECK(none.error() == reason_code::not_authorized);
    CHECK_FALSE(gone.error());
    CHECK(bad.error() == errc::filter_invalid);
}

TEST_CASE("async_client: async_receive gives messages in their order, whole", "[async_client]") {
    const auto version = GENERATE(v5, v3);
    async_fixture f;
    async_client client(f.io, f.options(version));
    f.connect(client);
    properties<packet_type::publish> props;
    if (version == v5) props.add_user_property("k", "v");
    f.server.send(publish{.retain = true, .topic = "t", .props = props, .payload = std::string_view("a\0b", 3)});
    f.server.send(delivered(id(7), qos::at_least_once, "1", true));
    f.server.send(delivered(id(7), qos::exactly_once, "2"));
    std::vector<received_message> got;
    for (int i = 0; i != 3; ++i) {
        outcome<received_message> o;
        client.async_receive(o.handler());
        f.wait(o);
        REQUIRE_FALSE(o.error());
        got.push_back(std::move(*o));
    }
    CHECK(got[0].payload == std::string("a\0b", 3));
    CHECK(got[0].retain);
    CHECK(got[0].mid == 0);
    CHECK(got[0].props == props);
    CHECK(got[1].payload == "1");
    CHECK(got[1].dup);
    CHECK(got[1].mid == 7);
    CHECK(got[1].qos == qos::at_least_once);
    CHECK(got[2].payload == "2");
    CHECK(got[2].qos == qos::exactly_once);
}

TEST_CASE("async_client: a message is acknowledged when the next one is asked for, and not before",
          "[async_client][v5:MQTT-4.3.2-4][v5:MQTT-4.3.3-8]") {
    const auto version = GENERATE(v5, v3);
    async_fixture f;
    async_client client(f.io, f.options(version));
    f.connect(client);
    f.server.send(delivered(id(1), qos::at_least_once, "1"));
    f.server.send(delivered(id(2), qos::exactly_once, "2"));
    outcome<received_message> one, two, three;
    client.async_receive(one.handler());
    f.wait(one);
    CHECK(client.publish("mark", "1")); // What goes out shows that nothing else did.
    f.server.expect("PUBLISH qos=0 topic='mark'");
    client.async_receive(two.handler());
    f.server.expect(puback{.id = id(1)});
    f.wait(two);
    CHECK(client.publish("mark", "2"));
    f.server.expect("PUBLISH qos=0 topic='mark'");
    client.async_receive(three.handler());
    f.server.expect(pubrec{.id = id(2)});
    f.server.send(pubrel{.id = id(2)});
    f.server.expect(pubcomp{.id = id(2)});
    CHECK_FALSE(three.is_done());
}

TEST_CASE("async_client: a message that was not acknowledged comes again, and is acknowledged on the new connection", "[async_client]") {
    async_fixture f;
    client_options options = f.options(v5);
    options.keep_session_for(300s);
    async_client client(f.io, options);
    f.connect(client);
    f.server.send(delivered(id(1), qos::at_least_once, "1"));
    outcome<received_message> first, second, third;
    client.async_receive(first.handler());
    f.wait(first);
    f.server.close();
    f.server.connect(connack{.session_present = true});
    f.server.send(delivered(id(1), qos::at_least_once, "1", true));
    client.async_receive(second.handler());
    f.wait(second);
    CHECK(second->dup);
    CHECK(client.publish("mark", "")); // The first one's acknowledgement was stale: nothing goes out for it.
    f.server.expect("PUBLISH qos=0 topic='mark'");
    client.async_receive(third.handler());
    f.server.expect(puback{.id = id(1)});
}

TEST_CASE("async_client: with manual_ack messages are acknowledged by their handles, in the order of the messages",
          "[async_client][v5:MQTT-4.6.0-2][v3:MQTT-4.6.0-2]") {
    const auto version = GENERATE(v5, v3);
    async_fixture f;
    client_options options = f.options(version);
    options.manual_ack = true;
    async_client client(f.io, options);
    f.connect(client);
    for (unsigned i = 1; i != 4; ++i) f.server.send(delivered(id(i), qos::at_least_once, "x"));
    std::vector<received_message> got;
    for (int i = 0; i != 3; ++i) {
        outcome<received_message> o;
        client.async_receive(o.handler());
        f.wait(o);
        got.push_back(std::move(*o));
    }
    CHECK_FALSE(got[1].handle.ack());
    CHECK_FALSE(got[2].handle.ack());
    CHECK(client.publish("mark", ""));
    f.server.expect("PUBLISH qos=0 topic='mark'"); // They wait for the first one.
    CHECK_FALSE(got[0].handle.ack());
    f.server.expect(puback{.id = id(1)});
    f.server.expect(puback{.id = id(2)});
    f.server.expect(puback{.id = id(3)});
    CHECK(got[0].handle.ack() == errc::unknown_packet_id); // Repeated.
}

TEST_CASE("async_client: a handle says what became of its message", "[async_client]") {
    async_fixture f;
    client_options options = f.options(v5);
    options.manual_ack = true;
    options.keep_session_for(300s);
    received_message one, two, refused;
    {
        async_client client(f.io, options);
        f.connect(client);
        f.server.send(delivered(id(1), qos::at_least_once, "1"));
        f.server.send(delivered(id(2), qos::exactly_once, "2"));
        f.server.send(delivered(id(3), qos::exactly_once, "3"));
        for (received_message* m : {&one, &two, &refused}) {
            outcome<received_message> o;
            client.async_receive(o.handler());
            f.wait(o);
            *m = std::move(*o);
        }
        f.server.close();
        f.server.connect(connack{.session_present = true});
        f.until("the connection", [&] { return client.is_connected(); });
        CHECK(one.handle.ack() == errc::stale_delivery);
        CHECK_FALSE(two.handle.ack()); // Exactly once: it is still the same message, and the PUBREC waits for the repeat.
        f.server.send(delivered(id(2), qos::exactly_once, "2", true));
        f.server.expect(pubrec{.id = id(2)});
        CHECK_FALSE(refused.handle.ack(reason_code::quota_exceeded));
        f.server.send(delivered(id(3), qos::exactly_once, "3", true));
        f.server.expect(pubrec{.id = id(3), .reason = reason_code::quota_exceeded});
    }
    CHECK(one.handle.ack() == errc::shutting_down);
    CHECK(ack_handle{}.ack() == errc::shutting_down);
}

TEST_CASE("async_client: in 5.0 the inbound queue is announced as Receive Maximum", "[async_client][v5:MQTT-3.3.4-9]") {
    async_fixture f;
    client_options options = f.options(v5);
    options.max_inbound_messages = 2;
    async_client client(f.io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    const auto asked = f.server.connect();
    CHECK(asked->as<inflight::connect>().props.get<property_id::receive_maximum>() == 2u);
    for (unsigned i = 1; i != 4; ++i) f.server.send(delivered(id(i), qos::at_least_once, "x"));
    f.server.expect("DISCONNECT reason='receive maximum exceeded'");
}

TEST_CASE("async_client: QoS 0 beyond a full inbound queue is dropped and counted, or stops the reading", "[async_client]") {
    const bool drops = GENERATE(true, false);
    async_fixture f;
    client_options options = f.options(v5);
    options.max_inbound_messages = 2;
    options.on_inbound_overflow = drops ? inbound_overflow::drop_qos_0 : inbound_overflow::pause_reading;
    async_client client(f.io, options);
    f.connect(client);
    for (char c = '0'; c != '5'; ++c) f.server.send(publish{.topic = "t", .payload = std::string_view(&c, 1)});
    if (drops) f.until("drops", [&] { return client.dropped_messages() == 3; });
    std::string got;
    for (int i = 0; i != (drops ? 2 : 5); ++i) {
        outcome<received_message> o;
        client.async_receive(o.handler());
        f.wait(o);
        got += o->payload;
    }
    CHECK(got == (drops ? "01" : "01234"));
    CHECK(client.dropped_messages() == (drops ? 3 : 0));
}

TEST_CASE("async_client: with a full inbound queue 3.1.1 stops reading, and goes on when there is room", "[async_client]") {
    async_fixture f;
    client_options options = f.options(v3);
    options.max_inbound_messages = 3;
    async_client client(f.io, options);
    f.connect(client);
    constexpr int count = 2000;
    const std::string payload(1000, 'x');
    for (int i = 0; i != count; ++i)
        f.server.send(
            publish{.qos = qos::at_least_once, .topic = std::to_string(i), .id = id(static_cast<unsigned>(i) + 1), .payload = payload});
    for (int i = 0; i != count; ++i) {
        outcome<received_message> o;
        client.async_receive(o.handler());
        f.wait(o);
        REQUIRE(o->topic == std::to_string(i));
        const auto held = client.implementation().ask_session([](auto& session) { return session.unacknowledged(); });
        REQUIRE(held <= options.max_inbound_messages + 1); // The one that was taken just now, and those in the queue.
    }
    f.until("all but the last to be acknowledged", [&] { return f.server.count("PUBACK") == count - 1; });
}

TEST_CASE("async_client: a pending operation is answered behind a full inbound queue", "[async_client]") {
    const auto version = GENERATE(v5, v3);
    async_fixture f;
    async_client client(f.io, f.pausing_options(1, version));
    f.connect(client);
    outcome<publish_ack> o;
    client.async_publish({"a", "x", qos::at_least_once}, o.handler());
    f.server.expect("PUBLISH");
    for (int i = 0; i != 10; ++i) f.server.send(publish{.topic = "t"});
    f.server.send(puback{.id = id(1)});
    f.wait(o);
    CHECK_FALSE(o.error());
}

TEST_CASE("async_client: beyond the hard limit of the inbound queue the connection ends instead of memory", "[async_client]") {
    async_fixture f;
    client_options options = f.pausing_options(1, v5);
    options.max_inbound_bytes = 1000;
    async_client client(f.io, options);
    f.connect(client);
    outcome<publish_ack> o;
    client.async_publish({"a", "x", qos::at_least_once}, o.handler());
    f.server.expect("PUBLISH");
    const std::string payload(100, 'x');
    for (int i = 0; i != 40; ++i) f.server.send(publish{.topic = "t", .payload = payload});
    f.server.expect("DISCONNECT reason='receive maximum exceeded'"); // And not that of the acknowledgement timer.
    f.server.expect_closed();
    CHECK_FALSE(o.is_done());
}

TEST_CASE("async_client: an echo with an inbound queue of one does not lock itself up", "[async_client]") {
    const auto version = GENERATE(v5, v3);
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    constexpr int count = 1000;
    async_fixture f(fake_server::broker);
    client_options options = f.options(version);
    options.max_inbound_messages = 1;
    options.max_inflight_messages = 100;
    async_client client(f.io, options);
    int echoed = 0;
    bool in_order = true;
    asio::co_spawn(
        f.io,
        [&]() -> asio::awaitable<void> {
            co_await client.async_connect(asio::use_awaitable);
            co_await client.async_subscribe("in", level, asio::use_awaitable);
            for (int i = 0; i != count; ++i) client.publish("in", std::to_string(i), level);
            for (; echoed != count; ++echoed) {
                const received_message m = co_await client.async_receive(asio::use_awaitable);
                in_order = in_order && m.payload == std::to_string(echoed);
                message echo("out", m.payload, level);
                co_await client.async_publish(std::move(echo), asio::use_awaitable);
            }
        },
        asio::detached);
    f.until("the echo", [&] { return echoed == count; });
    CHECK(in_order);
    CHECK(f.server.accepted() == 1);
}

TEST_CASE("async_client: a message handler gets messages at once, and they are acknowledged when it has returned",
          "[async_client]") {
    const auto version = GENERATE(v5, v3);
    async_fixture f;
    async_client client(f.io, f.options(version));
    std::vector<std::string> got;
    client.on_message([&](const received_view& m) {
        got.push_back(std::string(m.topic) + '=' + std::string(m.payload) + (m.dup ? " dup" : ""));
        CHECK(client.publish("answer", m.payload));
    });
    f.connect(client);
    f.server.send(delivered(packet_id::none, qos::at_most_once, "0"));
    f.server.expect("PUBLISH qos=0 topic='answer' payload='0'");
    f.server.send(delivered(id(7), qos::at_least_once, "1", true));
    f.server.expect("PUBLISH qos=0 topic='answer' payload='1'");
    f.server.expect(puback{.id = id(7)});
    f.server.send(delivered(id(8), qos::exactly_once, "2"));
    f.server.expect("PUBLISH qos=0 topic='answer' payload='2'");
    f.server.expect(pubrec{.id = id(8)});
    CHECK(got == std::vector<std::string>{"t=0", "t=1 dup", "t=2"});
}

TEST_CASE("async_client: a message handler gets what has waited before what comes later, async_receive its one",
          "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options());
    f.connect(client);
    outcome<received_message> first;
    client.async_receive(first.handler());
    std::string all;
    for (const std::string_view payload : {"1", "2", "3", "4"})
        REQUIRE(encode(delivered(packet_id::none, qos::at_most_once, payload), v5, all) == errc::none);
    f.server.send_bytes(all);
    f.wait(first);
    CHECK(first->payload == "1");
    std::vector<std::string> got;
    client.on_message([&](const received_view& m) { got.emplace_back(m.payload); });
    f.server.send(delivered(packet_id::none, qos::at_most_once, "5"));
    f.until("the last", [&] { return got.size() == 4; });
    CHECK(got == std::vector<std::string>{"2", "3", "4", "5"});

    client.on_message({});
    f.server.send(delivered(packet_id::none, qos::at_most_once, "6"));
    outcome<received_message> last;
    client.async_receive(last.handler());
    f.wait(last);
    CHECK(last->payload == "6");
    CHECK(got.size() == 4);
}

TEST_CASE("async_client: what a message handler throws leaves run(), later messages come all the same", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options());
    f.connect(client);
    std::vector<std::string> got;
    client.on_message([&](const received_view& m) {
        got.emplace_back(m.payload);
        if (m.payload == "2") throw std::runtime_error("no");
    });
    std::string all;
    for (unsigned i = 1; i != 5; ++i) REQUIRE(encode(delivered(id(i), qos::at_least_once, std::to_string(i)), v5, all) == errc::none);
    f.server.send_bytes(all);
    std::string thrown;
    while (got.size() != 4) {
        try {
            f.until("the last", [&] { return got.size() == 4; });
        } catch (const std::runtime_error& e) {
            thrown += e.what();
        }
    }
    CHECK(thrown == "no");
    CHECK(got == std::vector<std::string>{"1", "2", "3", "4"});
    f.server.expect(puback{.id = id(1)}); // The others wait behind the second.
    f.settle();
    CHECK(client.publish("end", "x"));
    f.server.expect("PUBLISH qos=0 topic='end'");
}

TEST_CASE("async_client: a message handler may replace itself, and destroy the client", "[async_client]") {
    async_fixture f;
    auto client = std::make_unique<async_client>(f.io, f.options());
    std::string got;
    client->on_message([&, name = std::string("first, a name too long to be held in place")](const received_view& m) {
        client->on_message([&, name](const received_view& n) {
            client.reset();
            got += ' ' + std::string(n.payload) + ' ' + name.substr(0, 5);
        });
        got += std::string(m.payload) + ' ' + name.substr(0, 5);
    });
    f.connect(*client);
    std::string all;
    for (const std::string_view payload : {"1", "2", "3"})
        REQUIRE(encode(delivered(packet_id::none, qos::at_most_once, payload), v5, all) == errc::none);
    f.server.send_bytes(all);
    f.until("the client's end", [&] { return !client; });
    f.settle();
    CHECK(got == "1 first 2 first");
}

TEST_CASE("async_client: packets that come in parts, however cut, are put together", "[async_client]") {
    const bool has_handler = GENERATE(false, true);
    const std::size_t part = GENERATE(1u, 2u, 7u, 100u);
    async_fixture f;
    async_client client(f.io, f.options());
    std::vector<std::string> got;
    if (has_handler) client.on_message([&](const received_view& m) { got.emplace_back(m.payload); });
    f.connect(client);
    std::string all;
    std::vector<std::string> sent;
    for (const std::size_t size : {0u, 1u, 3u, 130u, 200u, 0u}) {
        sent.emplace_back(size, static_cast<char>('a' + size % 26));
        REQUIRE(encode(delivered(packet_id::none, qos::at_most_once, sent.back()), v5, all) == errc::none);
    }
    for (std::size_t i = 0; i < all.size(); i += part) {
        f.server.send_bytes(std::string_view(all).substr(i, part));
        f.settle(); // As a rule the client reads part by part.
    }
    while (!has_handler && got.size() != sent.size()) {
        outcome<received_message> next;
        client.async_receive(next.handler());
        f.wait(next);
        got.push_back(next->payload);
    }
    f.until("the last", [&] { return got.size() == sent.size(); });
    CHECK(got == sent);
}
