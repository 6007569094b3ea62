// Messages that wait for room, for a connection or for the application; and what is told of a lost session.
#include "support/async_fixture.hpp"

#include <inflight/testing.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>

namespace {

client_options waiting_for_room(client_options options) {
    options.max_queued_messages = 1;
    options.max_inflight_messages = 1;
    options.on_full_queue = queue_policy::wait;
    return options;
}

properties<packet_type::publish> expiry(std::uint32_t seconds) {
    properties<packet_type::publish> props;
    props.set<property_id::message_expiry_interval>(seconds);
    return props;
}

publish delivered(unsigned number, qos level, std::string_view payload) {
    return {.qos = level, .topic = "t", .id = id(number), .payload = payload};
}

} // namespace

TEST_CASE("async_client: with queue_policy::wait async_publish waits for room, in the order of the calls", "[async_client]") {
    async_fixture f;
    async_client client(f.io, waiting_for_room(f.options(v5)));
    f.connect(client);
    std::vector<outcome<publish_ack>> o(4);
    for (std::size_t i = 0; i != o.size(); ++i) client.async_publish({"a", std::to_string(i), qos::at_least_once}, o[i].handler());
    CHECK(client.unsettled() == 2); // One in flight, one in the queue; the others wait outside.
    CHECK(client.publish("a", "never waits", qos::at_least_once).status == publish_status::queue_full);
    for (unsigned i = 0; i != o.size(); ++i) {
        f.server.expect(publish{.qos = qos::at_least_once, .topic = "a", .id = id(i + 1), .payload = std::to_string(i)});
        f.server.send(puback{.id = id(i + 1)});
        f.wait(o[i]);
        CHECK_FALSE(o[i].error());
        CHECK(o[i]->mid() == i + 1);
    }
}

TEST_CASE("async_client: a small message does not overtake a large one that waits for room", "[async_client]") {
    async_fixture f;
    client_options options = f.options(v5);
    options.max_queued_bytes = 1000;
    options.on_full_queue = queue_policy::wait;
    async_client client(f.io, options);
    const std::array payloads{std::string(600, 'a'), std::string(600, 'b'), std::string("c")};
    std::array<outcome<publish_ack>, 3> o;
    for (std::size_t i = 0; i != o.size(); ++i) client.async_publish({"t", payloads[i], qos::at_least_once}, o[i].handler());
    CHECK(client.unsettled() == 1);
    f.connect(client);
    for (unsigned i = 0; i != o.size(); ++i) {
        f.server.expect(publish{.qos = qos::at_least_once, .topic = "t", .id = id(i + 1), .payload = payloads[i]});
        f.server.send(puback{.id = id(i + 1)});
        f.wait(o[i]);
    }
}

TEST_CASE("async_client: what waits for room may be refused still", "[async_client]") {
    async_fixture f;
    client_options options = waiting_for_room(f.options(v5));
    options.max_queued_bytes = 1000;
    async_client client(f.io, options);
    outcome<publish_ack> first, bad, large;
    client.async_publish({"a", "x", qos::at_least_once}, first.handler());
    client.async_publish({"a/#", "x", qos::at_least_once}, bad.handler());
    client.async_publish({"a", std::string(2000, 'x'), qos::at_least_once}, large.handler());
    f.wait(bad); // No need to wait for that.
    CHECK(bad.error() == errc::topic_wildcard);
    f.wait(large);
    CHECK(large.error() == errc::packet_too_large);
    CHECK_FALSE(first.is_done());
}

TEST_CASE("async_client: with queue_policy::wait a free packet identifier is waited for, too", "[async_client]") {
    async_fixture f;
    client_options options = f.options(v5);
    options.on_full_queue = queue_policy::wait;
    async_client client(f.io, options);
    outcome<subscribe_ack> subscribed;
    client.async_subscribe("b", qos::at_least_once, subscribed.handler()); // Takes 1.
    for (unsigned n = 2; n <= 65'535; ++n) REQUIRE(client.publish("a", "", qos::at_least_once).mid == n);
    outcome<publish_ack> last;
    client.async_publish({"a", "", qos::at_least_once}, last.handler());
    f.connect(client);
    f.server.expect("SUBSCRIBE id=1");
    f.server.send(suback{.id = id(1), .reasons = {reason_code::granted_qos_1}});
    f.wait(subscribed);
    f.server.expect("PUBLISH qos=1 topic='a' id=2");
    f.settle();
    CHECK_FALSE(last.is_done());
    CHECK(client.unsettled() == 65'535);
}

TEST_CASE("async_client: a message expires while it waits for room, and has less time left when it finds some", "[async_client]") {
    const auto limit = GENERATE(2s, 100s);
    testing::network network;
    client_options options = waiting_for_room({});
    options.max_inflight_messages = 0;
    testing::memory_client client(network.context(), options);
    const auto props = expiry(static_cast<std::uint32_t>(limit.count()));
    outcome<publish_ack> first, second;
    client.async_publish({"a", "first", qos::at_least_once}, first.handler());
    client.async_publish({"a", "second", qos::at_least_once, true, props}, second.handler());
    network.run_for(30s);
    client.async_connect([](auto...) {});
    network.run_until([&] { return second.is_done(); });
    CHECK_FALSE(first.error());
    if (limit == 2s) CHECK(second.error() == errc::message_expired);
    else CHECK_FALSE(second.error());
    const auto& lines = network.server().trace();
    const auto told = std::count_if(lines.begin(), lines.end(),
                                    [](const auto& line) { return line.find("expiry_interval=70") != line.npos; });
    CHECK(told == (limit == 2s ? 0 : 1));
}

TEST_CASE("async_client: a publish that is cancelled while it waits for room is not published, the others are", "[async_client]") {
    async_fixture f;
    async_client client(f.io, waiting_for_room(f.options(v5)));
    std::vector<outcome<publish_ack>> o(4);
    std::vector<asio::cancellation_signal> stop(4);
    for (std::size_t i = 0; i != o.size(); ++i)
        client.async_publish({"a", std::to_string(i), qos::at_least_once}, asio::bind_cancellation_slot(stop[i].slot(), o[i].handler()));
    stop[2].emit(asio::cancellation_type::terminal);
    f.wait(o[2]);
    CHECK(o[2].error() == asio::error::operation_aborted);
    f.connect(client);
    f.server.expect(publish{.qos = qos::at_least_once, .topic = "a", .id = id(1), .payload = "0"});
    f.settle();
    stop[1].emit(asio::cancellation_type::terminal); // It has been accepted meanwhile: it goes its way.
    f.wait(o[1]);
    CHECK(o[1].error() == asio::error::operation_aborted);
    for (const unsigned n : {1u, 2u}) f.server.send(puback{.id = id(n)});
    f.server.expect(publish{.qos = qos::at_least_once, .topic = "a", .id = id(2), .payload = "1"});
    f.server.expect(publish{.qos = qos::at_least_once, .topic = "a", .id = id(3), .payload = "3"});
    f.server.send(puback{.id = id(3)});
    f.wait(o[3]);
    CHECK_FALSE(o[3].error());
    CHECK_FALSE(o[0].error());
    for (const auto& one : o) CHECK(one.calls() == 1);
}

TEST_CASE("async_client: disconnecting sends what waits for room, and its end is theirs too", "[async_client]") {
    const bool acknowledges = GENERATE(true, false);
    async_fixture f;
    std::optional<async_client> client(std::in_place, f.io, waiting_for_room(f.options(v5)));
    f.connect(*client);
    std::vector<outcome<publish_ack>> o(3);
    for (auto& one : o) client->async_publish({"a", "x", qos::at_least_once}, one.handler());
    outcome<std::size_t> goodbye;
    client->async_disconnect(acknowledges ? 10s : 0s, reason_code::success, goodbye.handler());
    for (unsigned i = 1; acknowledges && i != 4; ++i) {
        f.server.expect("PUBLISH qos=1");
        f.server.send(puback{.id = id(i)});
    }
    if (!acknowledges) f.server.expect("PUBLISH qos=1");
    f.server.expect("DISCONNECT");
    f.server.close();
    f.wait(goodbye);
    for (auto& one : o) {
        f.wait(one);
        CHECK(one.error() == (acknowledges ? std::error_code{} : make_error_code(errc::not_connected)));
    }
    outcome<publish_ack> queued, blocked;
    client->async_publish({"a", "x"}, queued.handler());
    client->async_publish({"a", "x"}, blocked.handler());
    client.reset();
    f.wait(blocked);
    CHECK(blocked.error() == errc::shutting_down);
    CHECK(queued.error() == errc::shutting_down);
}

TEST_CASE("async_client: a message that makes room for a newer one completes with that", "[async_client]") {
    async_fixture f;
    client_options options = f.options(v5);
    options.max_queued_messages = 1;
    options.on_full_queue = queue_policy::drop_oldest;
    async_client client(f.io, options);
    outcome<publish_ack> old;
    client.async_publish({"a", "old", qos::at_least_once}, old.handler());
    CHECK(client.publish("a", "new", qos::at_least_once).mid == 2);
    f.wait(old);
    CHECK(old.error() == errc::message_dropped);
    CHECK(old.calls() == 1);
    f.connect(client);
    f.server.expect(publish{.qos = qos::at_least_once, .topic = "a", .id = id(2), .payload = "new"});
}

TEST_CASE("async_client: a message expires while there is no connection, and between two", "[async_client]") {
    const bool was_connected = GENERATE(false, true);
    async_fixture f;
    async_client client(f.io, f.options(v5));
    if (was_connected) {
        f.connect(client);
        f.server.stop_listening();
        f.server.close();
        f.until("the end", [&] { return !client.is_connected(); });
    }
    outcome<publish_ack> late, later;
    message m("a", "x", qos::at_least_once);
    m.props = expiry(1);
    client.async_publish(m, late.handler());
    m.props = expiry(3600);
    client.async_publish(m, later.handler());
    f.wait(late);
    CHECK(late.error() == errc::message_expired);
    CHECK_FALSE(later.is_done());
}

TEST_CASE("async_client: a client that is gone does not keep the io_context for messages that would expire", "[async_client]") {
    asio::io_context io;
    std::optional<async_client> client(std::in_place, io);
    client->publish("a", "x", qos::at_least_once, false, expiry(3600));
    io.poll();
    CHECK_FALSE(io.stopped());
    client.reset();
    while (io.poll() != 0) {}
    CHECK(io.stopped());
}

TEST_CASE("async_client: QoS 1 messages that nobody has taken come once after a resumed session, and are not lost with a lost one",
          "[async_client][v5:MQTT-4.4.0-1]") {
    const bool resumed = GENERATE(true, false);
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    f.server.send(delivered(1, qos::at_least_once, "one"));
    f.server.send(delivered(2, qos::exactly_once, "two"));
    f.server.send(delivered(0, qos::at_most_once, "zero"));
    client.publish("mark", "", qos::at_least_once);
    f.server.expect("PUBLISH");
    f.server.send(puback{.id = id(1)});
    f.until("the messages", [&] { return client.unsettled() == 0; });
    f.server.close();
    f.server.connect(connack{.session_present = resumed});
    f.until("the connection", [&] { return client.is_connected(); });
    f.server.send(publish{.dup = resumed, .qos = qos::at_least_once, .topic = "t", .id = id(1), .payload = "again"});
    std::vector<std::string> expected{"two", "zero", "again"};
    if (!resumed) expected.insert(expected.begin(), "one");
    for (const std::string& payload : expected) {
        outcome<received_message> o;
        client.async_receive(o.handler());
        f.wait(o);
        CHECK(o->payload == payload);
    }
}

TEST_CASE("async_client: a message of a lost session is not lost when the next session is resumed", "[async_client][v5:MQTT-4.4.0-1]") {
    const bool has_stream = GENERATE(false, true);
    async_fixture f;
    async_client client(f.io, f.options(v5));
    message_stream stream;
    if (has_stream) stream = client.stream("t");
    f.connect(client);
    const auto deliver = [&](unsigned number, std::string_view payload) {
        f.server.send(delivered(number, qos::at_least_once, payload));
        const std::uint16_t mark = client.publish("mark", "", qos::at_least_once).mid;
        f.server.expect("PUBLISH");
        f.server.send(puback{.id = id(mark)});
        f.until("the message", [&] { return client.unsettled() == 0; });
    };
    const auto reconnect = [&](bool resumed) {
        f.server.close();
        f.until("the end", [&] { return !client.is_connected(); });
        f.server.connect(connack{.session_present = resumed});
        f.until("the connection", [&] { return client.is_connected(); });
    };
    deliver(1, "of the first session");
    reconnect(false);
    deliver(1, "of the second session");
    reconnect(true); // This one comes again; nobody has the other one any more.
    f.server.send(publish{.dup = true, .qos = qos::at_least_once, .topic = "t", .id = id(1), .payload = "of the second session"});
    for (const std::string payload : {"of the first session", "of the second session"}) {
        outcome<received_message> o;
        if (has_stream) stream.async_receive(o.handler());
        else client.async_receive(o.handler());
        f.wait(o);
        CHECK(o->payload == payload);
    }
    outcome<received_message> more; // By asking, the test says that it has the last one.
    if (has_stream) stream.async_receive(more.handler());
    else client.async_receive(more.handler());
    f.server.expect("PUBACK id=1");
    CHECK_FALSE(more.is_done());
}

TEST_CASE("async_client: a full inbound queue does not keep it from connecting again", "[async_client]") {
    const auto version = GENERATE(v3, v5);
    async_fixture f;
    async_client client(f.io, f.pausing_options(1, version));
    f.connect(client);
    for (const char* payload : {"one", "two"}) f.server.send(delivered(0, qos::at_most_once, payload));
    f.until("the first", [&] { return client.statistics().inbound_messages == 1; });
    f.server.close();
    f.until("the end", [&] { // Which nobody reads.
        client.publish("a", "x");
        return !client.is_connected();
    });
    f.server.connect();
    f.until("the connection", [&] { return client.is_connected(); });
    outcome<received_message> o;
    client.async_receive(o.handler());
    f.wait(o);
    CHECK(o->payload == "one");
}

TEST_CASE("async_client: refused renewals of subscriptions are told, with their filters", "[async_client][v5:MQTT-3.2.2-5]") {
    async_fixture f;
    std::vector<resubscribe_result> told;
    client_options options = f.options(v5);
    options.on_resubscribed = [&](const resubscribe_result& r) { told.push_back(r); };
    async_client client(f.io, options);
    f.connect(client);
    outcome<subscribe_ack> subscribed;
    client.async_subscribe({{"a", qos::at_least_once}, {"b", qos::at_least_once}}, {}, subscribed.handler());
    f.server.expect("SUBSCRIBE");
    f.server.send(suback{.id = id(1), .reasons = {reason_code::granted_qos_1, reason_code::granted_qos_1}});
    f.wait(subscribed);
    CHECK(told.empty());
    f.server.close();
    f.server.connect();
    const auto again = f.server.receive();
    f.server.send(suback{.id = again->as<subscribe>().id, .reasons = {reason_code::granted_qos_1, reason_code::not_authorized}});
    f.until("the report", [&] { return !told.empty(); });
    CHECK_FALSE(told.at(0).error);
    CHECK(told.at(0).filters == std::vector<std::string>{"a", "b"});
    CHECK(told.at(0).reasons == std::vector<reason_code>{reason_code::granted_qos_1, reason_code::not_authorized});
}

TEST_CASE("async_client: a message that 3.1.1 could not keep from coming is told", "[async_client]") {
    async_fixture f;
    std::vector<oversized_message> told;
    client_options options = f.options(v3);
    options.maximum_packet_size = 100;
    options.on_oversized = [&](const oversized_message& m) { told.push_back(m); };
    async_client client(f.io, options);
    f.connect(client);
    f.server.send(delivered(7, qos::at_least_once, std::string(200, 'x')));
    f.server.expect(puback{.id = id(7)});
    f.until("the report", [&] { return !told.empty(); });
    CHECK(told.at(0).topic == "t");
    CHECK(told.at(0).size == 208);
}
