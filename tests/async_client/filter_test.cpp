// Handlers and streams of filters, against the test kit's server.
#include "support/async_fixture.hpp"

#include <inflight/testing/memory_transport.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/use_awaitable.hpp>

namespace {

using names = std::vector<std::string>;
using testing::memory_client;

/// A server, one client that has subscribed to everything, and what was made of its messages.
struct filter_world {
    testing::network net;
    std::unique_ptr<memory_client> client;
    names got{};

    explicit filter_world(protocol_version version = v5, client_options o = {}) {
        o.client_id = "c";
        o.version = version;
        o.seed = 1;
        client = std::make_unique<memory_client>(net.context(), std::move(o));
        client->async_connect([](auto...) {});
        client->async_subscribe("#", qos::exactly_once, [](auto...) {});
        net.run_ready();
    }

    message_handler noting(std::string name) {
        return [this, name = std::move(name)](const received_view& m) {
            got.push_back(name + '=' + std::string(m.payload));
        };
    }
    void publish(std::string_view topic, std::string_view payload, qos level = qos::at_least_once) {
        (void)net.server().publish({topic, payload, level}, net.now());
        net.run_ready();
    }
    names taken() {
        std::sort(got.begin(), got.end());
        return std::exchange(got, {});
    }
    template <class Source>
    outcome<received_message> receive(Source& from) {
        outcome<received_message> o;
        from.async_receive(o.handler());
        net.run_ready();
        return o;
    }
    std::uint64_t acknowledged() {
        const auto& counters = net.server().counters();
        return counters.received(packet_type::puback) + counters.received(packet_type::pubrec);
    }
};

// Payload, or the error.
std::string text(const outcome<received_message>& o) {
    if (!o.is_done()) return "waits";
    return o.error() ? o.error().message() : o->payload;
}

} // namespace

TEST_CASE("async_client: a message goes to the handlers of all filters that match, and only what none matches to on_message",
          "[async_client]") {
    filter_world w(GENERATE(v5, v3));
    const auto level = GENERATE(qos::at_most_once, qos::at_least_once, qos::exactly_once);
    CHECK_FALSE(w.client->on_message("sensor/+/t", w.noting("plus")));
    CHECK_FALSE(w.client->on_message("sensor/#", w.noting("rest")));
    CHECK_FALSE(w.client->on_message("$share/g/sensor/1/t", w.noting("shared")));
    w.client->on_message(w.noting("others"));
    w.publish("sensor/1/t", "1", level);
    CHECK(w.taken() == names{"plus=1", "rest=1", "shared=1"});
    w.publish("sensor", "2", level);
    CHECK(w.taken() == names{"rest=2"});
    w.publish("a", "3", level);
    CHECK(w.taken() == names{"others=3"});
    CHECK(w.acknowledged() == (level == qos::at_most_once ? 0u : 3u));

    CHECK_FALSE(w.client->on_message("sensor/#", w.noting("new")));
    CHECK_FALSE(w.client->on_message("$share/g/sensor/1/t", {}));
    w.publish("sensor/1/t", "4", level);
    CHECK(w.taken() == names{"new=4", "plus=4"});
    CHECK_FALSE(w.client->on_message("sensor/+/t", {}));
    CHECK_FALSE(w.client->on_message("sensor/#", {}));
    w.publish("sensor/1/t", "5", level);
    CHECK(w.taken() == names{"others=5"});
}

TEST_CASE("async_client: a filter that is not valid has neither handler nor stream", "[async_client]") {
    filter_world w;
    CHECK(w.client->on_message("a/#/b", w.noting("x")) == errc::filter_invalid);
    CHECK(w.client->on_message("", w.noting("x")) == errc::filter_empty);
    CHECK_FALSE(w.client->stream("a+"));
    outcome<message_stream> o;
    w.client->async_subscribe_stream("a+", qos::at_least_once, o.handler());
    w.net.run_ready();
    CHECK(o.error() == errc::filter_invalid);
    CHECK_FALSE(*o);
}

TEST_CASE("async_client: what came before a handler or a stream goes to it, in order, and the rest stays where it was", "[async_client]") {
    filter_world w;
    for (const std::string_view payload : {"1", "2", "3"}) {
        w.publish("a", payload);
        w.publish("b", payload);
        w.publish("c", payload);
    }
    (void)w.client->on_message("a", w.noting("a"));
    auto stream = w.client->stream("b");
    w.publish("a", "4");
    w.publish("c", "4");
    CHECK(w.got == names{"a=1", "a=2", "a=3", "a=4"});
    for (const std::string payload : {"1", "2", "3"}) CHECK(text(w.receive(stream)) == payload);
    for (const std::string payload : {"1", "2", "3", "4"}) CHECK(text(w.receive(*w.client)) == payload);
}

TEST_CASE("async_client: a stream acknowledges a message when it is asked for the next one", "[async_client]") {
    filter_world w(GENERATE(v5, v3));
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    auto stream = w.client->stream("a/#");
    w.publish("a/1", "1", level);
    w.publish("a/2", "2", level);
    CHECK(stream.size() == 2);
    CHECK(text(w.receive(stream)) == "1");
    CHECK(w.acknowledged() == 0);
    CHECK(text(w.receive(stream)) == "2");
    CHECK(w.acknowledged() == 1);
    const auto third = w.receive(stream);
    CHECK(w.acknowledged() == 2);
    CHECK(text(third) == "waits");
    w.publish("a/3", "3", level);
    CHECK(text(third) == "3");
    stream.close();
    w.net.run_ready();
    CHECK(w.acknowledged() == 3);
    CHECK(text(w.receive(stream)) == asio::error_code(asio::error::operation_aborted).message());
}

TEST_CASE("async_client: a message of several streams and handlers is acknowledged when all have had it", "[async_client]") {
    filter_world w(GENERATE(v5, v3));
    const auto level = GENERATE(qos::at_least_once, qos::exactly_once);
    auto one = w.client->stream("a/#"), same = w.client->stream("a/#"), other = w.client->stream("a/1");
    (void)w.client->on_message("a/+", w.noting("handler"));
    w.publish("a/1", "1", level);
    CHECK(w.taken() == names{"handler=1"});
    for (auto* stream : {&one, &same, &other}) CHECK(text(w.receive(*stream)) == "1");
    (void)w.receive(one);
    (void)w.receive(same);
    CHECK(w.acknowledged() == 0);
    other = {}; // It has had it too.
    w.net.run_ready();
    CHECK(w.acknowledged() == 1);
}

TEST_CASE("async_client: what a stream has not given to anyone goes to others when it is closed, or to async_receive",
          "[async_client]") {
    filter_world w;
    const auto level = GENERATE(qos::at_most_once, qos::at_least_once);
    auto wide = w.client->stream("a/#");
    {
        const auto narrow = w.client->stream("a/1");
        w.publish("a/1", "1", level);
        w.publish("a/2", "2", level);
    }
    w.net.run_ready();
    CHECK(wide.size() == 2); // It has had a copy, and gets no second one.
    CHECK(text(w.receive(wide)) == "1");
    wide.close();
    w.net.run_ready();
    CHECK(text(w.receive(*w.client)) == "2");
    CHECK(text(w.receive(*w.client)) == "waits");
    CHECK(w.acknowledged() == (level == qos::at_most_once ? 0u : 2u));

    auto again = w.client->stream("b");
    w.publish("b", "3", level); // The one that waited above has been given a.
    w.client->on_message(w.noting("others"));
    again.close();
    w.net.run_ready();
    CHECK(again.size() == 0);
}

TEST_CASE("async_client: a stream that an exception destroys does not acknowledge what it has handed out, others do",
          "[async_client]") {
    filter_world w;
    const bool throws = GENERATE(true, false);
    w.publish("a", "1");
    const auto work = [&]() -> asio::awaitable<void> {
        auto stream = w.client->stream("a");
        (void)co_await stream.async_receive(asio::use_awaitable);
        if (throws) throw std::runtime_error("cannot");
    };
    if (throws) CHECK_THROWS_AS(w.net.run(work()), std::runtime_error);
    else w.net.run(work());
    w.net.run_ready();
    CHECK(w.acknowledged() == (throws ? 0u : 1u));
    w.net.cut();
    w.net.run_for(10s);
    CHECK(text(w.receive(*w.client)) == (throws ? "1" : "waits"));
}

TEST_CASE("async_client: a handler that throws leaves its message unacknowledged, what waited behind it comes all the same",
          "[async_client]") {
    filter_world w;
    for (const std::string_view payload : {"1", "2", "3"}) w.publish("a", payload);
    (void)w.client->on_message("a", [&](const received_view& m) {
        w.got.emplace_back(m.payload);
        if (m.payload == "2") throw std::runtime_error("cannot");
    });
    CHECK_THROWS_AS(w.net.run_ready(), std::runtime_error);
    w.net.run_ready();
    CHECK(w.got == names{"1", "2", "3"});
    CHECK(w.acknowledged() == 1);
}

TEST_CASE("async_client: a full stream drops QoS 0 and counts, others get theirs", "[async_client]") {
    filter_world w;
    auto small = w.client->stream("a", {.max_messages = 2}), by_bytes = w.client->stream("b", {.max_bytes = 8});
    for (const std::string_view payload : {"1", "2", "3", "4"}) {
        w.publish("a", payload, qos::at_most_once);
        w.publish("b", payload, qos::at_most_once);
        w.publish("c", payload, qos::at_most_once);
    }
    CHECK(small.size() == 2);
    CHECK(small.dropped_messages() == 2);
    CHECK(by_bytes.size() == 4);
    CHECK(w.client->dropped_messages() == 2);
    w.publish("a", "5", qos::at_least_once); // QoS 1 is limited by the Receive Maximum only.
    for (const std::string payload : {"1", "2", "5"}) CHECK(text(w.receive(small)) == payload);
    w.publish("a", "6", qos::at_most_once);
    CHECK(small.size() == 1);
    for (const std::string payload : {"1", "2", "3", "4"}) CHECK(text(w.receive(*w.client)) == payload);
}

TEST_CASE("async_client: in 3.1.1 a full stream pauses the reading until it is read, and loses nothing", "[async_client]") {
    filter_world w(v3);
    auto small = w.client->stream("a", {.max_messages = 2});
    for (int i = 0; i != 6; ++i) w.publish(i % 2 == 0 ? "a" : "b", std::to_string(i), qos::at_most_once);
    CHECK(small.size() == 2);
    CHECK(text(w.receive(*w.client)) == "1");
    const auto later = w.receive(*w.client);
    CHECK(text(later) == "waits");
    for (const std::string payload : {"0", "2", "4"}) CHECK(text(w.receive(small)) == payload);
    w.net.run_ready();
    CHECK(text(later) == "3");
    CHECK(text(w.receive(*w.client)) == "5");
    CHECK(w.client->dropped_messages() == 0);

    auto other = w.client->stream("c", {.max_messages = 1});
    for (const std::string_view payload : {"1", "2"}) w.publish("c", payload, qos::at_most_once);
    w.publish("b", "6", qos::at_most_once);
    const auto last = w.receive(*w.client);
    CHECK(text(last) == "waits");
    other = {}; // A stream that is gone pauses nothing.
    w.net.run_ready();
    CHECK(text(last) == "1");
}

TEST_CASE("async_client: a resumed session delivers again what waits in streams, and they get it once", "[async_client]") {
    filter_world w;
    auto stream = w.client->stream("a");
    for (const std::string_view payload : {"1", "2"}) w.publish("a", payload, qos::at_least_once);
    w.publish("a", "3", qos::exactly_once);
    w.net.cut();
    w.net.run_for(10s);
    names got;
    for (auto next = w.receive(stream); next.is_done(); next = w.receive(stream)) got.push_back(text(next));
    std::sort(got.begin(), got.end());
    CHECK(got == names{"1", "2", "3"});
    CHECK(w.net.server().session("c")->in_flight == 0);
}

TEST_CASE("async_client: ten thousand filters, each with a handler and a stream, get their own messages", "[async_client]") {
    filter_world w(GENERATE(v5, v3));
    constexpr std::size_t count = 10'000;
    std::vector<int> calls(count);
    std::vector<message_stream> streams;
    for (std::size_t i = 0; i != count; ++i) {
        const std::string filter = "plant/" + std::to_string(i % 100) + "/+/" + std::to_string(i);
        REQUIRE_FALSE(w.client->on_message(filter, [&calls, i](const received_view&) { ++calls[i]; }));
        streams.push_back(w.client->stream(filter));
    }
    for (std::size_t i = 0; i < count; i += 7)
        w.publish("plant/" + std::to_string(i % 100) + "/x/" + std::to_string(i), std::to_string(i), qos::at_most_once);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i != count; ++i) {
        const std::size_t wanted = i % 7 == 0 ? 1 : 0;
        if (static_cast<std::size_t>(calls[i]) != wanted || streams[i].size() != wanted) ++wrong;
    }
    CHECK(wrong == 0);
    for (std::size_t i = 0; i != count; i += 2) streams[i].close();
    w.net.run_ready();
    CHECK(text(w.receive(streams[7])) == "7");
}

TEST_CASE("async_client: a stream subscribes, and is there before the retained message comes", "[async_client]") {
    const auto version = GENERATE(v5, v3);
    const bool identified = GENERATE(false, true);
    testing::network net;
    (void)net.server().publish({"a/1", "kept", qos::at_least_once, true}, net.now());
    client_options o;
    o.version = version;
    memory_client client(net.context(), o);
    net.run([&]() -> asio::awaitable<void> {
        co_await client.async_connect(asio::use_awaitable);
        auto stream = co_await client.async_subscribe_stream({"a/#", qos::at_least_once}, {.subscription_identifier = identified},
                                                             asio::use_awaitable);
        const auto kept = co_await stream.async_receive(asio::use_awaitable);
        CHECK(kept.payload == "kept");
        CHECK(kept.retain);
        CHECK(kept.subscription_identifiers().empty() == !(identified && version == v5));
        CHECK(client.publish("a/2", "new", qos::at_least_once));
        const auto later = co_await stream.async_receive(asio::use_awaitable);
        CHECK(later.payload == "new");
    }());
}

TEST_CASE("async_client: a subscription that is refused has no stream", "[async_client]") {
    testing::server_options o;
    o.wildcard_subscriptions = false;
    o.subscription_identifiers = false;
    testing::network net(o);
    memory_client client(net.context());
    client.async_connect([](auto...) {});
    net.run_ready();
    outcome<message_stream> refused, no_identifiers;
    client.async_subscribe_stream("a/#", qos::at_least_once, refused.handler());
    client.async_subscribe_stream({"a", qos::at_least_once}, {.subscription_identifier = true}, no_identifiers.handler());
    net.run_ready();
    CHECK(refused.error() == errc::wildcards_not_supported);
    CHECK_FALSE(*refused);
    CHECK(no_identifiers.error() == errc::subscription_identifiers_not_supported);
}

TEST_CASE("async_client: a stream with a Subscription Identifier gets what comes of its subscription, not what is like it",
          "[async_client][v5:MQTT-3.3.4-3]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    outcome<message_stream> one, other;
    std::vector<std::uint32_t> identifiers;
    for (auto* const o : {&one, &other}) {
        client.async_subscribe_stream({o == &one ? "t/#" : "t/1", qos::at_least_once}, {.subscription_identifier = true}, o->handler());
        const auto asked = f.server.receive();
        identifiers.push_back(asked->as<subscribe>().props.get<property_id::subscription_identifier>().value());
        f.server.send(suback{.id = asked->as<subscribe>().id, .reasons = {reason_code::granted_qos_1}});
        f.wait(*o);
    }
    const auto send = [&](std::string_view payload, std::vector<std::uint32_t> of) {
        message m("t/1", payload);
        for (const auto n : of) m.props.set<property_id::subscription_identifier>(n);
        f.server.send(m.packet());
    };
    send("one", {identifiers[0]}); // A broker that sends a copy for each subscription.
    send("other", {identifiers[1]});
    send("both", identifiers);
    send("neither", {});
    send("unknown", {5}); // Of an earlier process, which asked for it under another number: then the topic decides.
    outcome<received_message> last;
    client.async_receive(last.handler());
    f.wait(last);
    CHECK(last->payload == "neither");
    const auto all = [&](message_stream& s, std::size_t count) {
        names out;
        f.until("the messages", [&] { return s.size() == count; });
        while (s.size() != 0) {
            outcome<received_message> o;
            s.async_receive(o.handler());
            f.wait(o);
            out.push_back(o->payload);
        }
        return out;
    };
    CHECK(all(*one, 3) == names{"one", "both", "unknown"});
    CHECK(all(*other, 3) == names{"other", "both", "unknown"});
}

TEST_CASE("async_client: cancelling a stream's operation takes no message; its end, and the client's, end all operations",
          "[async_client]") {
    filter_world w;
    auto stream = w.client->stream("a");
    asio::cancellation_signal signal;
    outcome<received_message> cancelled, waits;
    stream.async_receive(asio::bind_cancellation_slot(signal.slot(), cancelled.handler()));
    stream.async_receive(waits.handler());
    signal.emit(asio::cancellation_type::terminal);
    w.publish("a", "1");
    CHECK(cancelled.error() == asio::error::operation_aborted);
    CHECK(text(waits) == "1");

    auto other = w.client->stream("b");
    const auto closed = w.receive(other);
    other.close();
    w.net.run_ready();
    CHECK(closed.error() == asio::error::operation_aborted);

    const auto last = w.receive(stream);
    w.client.reset();
    w.net.run_ready();
    CHECK(last.error() == errc::shutting_down);
    CHECK(w.receive(stream).error() == errc::shutting_down);
    CHECK(stream.size() == 0);
}

TEST_CASE("async_client: hooks are not called any more when the client is gone", "[async_client]") {
    bool is_gone = false, has_been_called = false;
    client_options o;
    o.on_disconnected = [&](const disconnect_result&) { has_been_called |= is_gone; };
    o.on_connection_event = [&](const connection_event&) { has_been_called |= is_gone; };
    o.on_packet = [&](const packet_event&) { has_been_called |= is_gone; };
    filter_world w(v5, o);
    w.client->async_receive([](auto...) {});
    w.client->async_disconnect([&](auto...) {
        w.client.reset();
        is_gone = true;
    });
    w.net.run_ready();
    CHECK(is_gone);
    CHECK_FALSE(has_been_called);
}

TEST_CASE("async_client: a handler that is replaced may own what calls the client", "[async_client]") {
    testing::network net;
    basic_async_client<testing::memory_transport, memory_store, std::mutex> client(net.context());
    bool is_gone = false;
    const auto owner = [&] {
        return std::shared_ptr<message_stream>(new message_stream(client.stream("a")), [&](message_stream* s) {
            delete s; // Closes it, with the client's lock.
            is_gone = true;
        });
    };
    client.on_message([stream = owner()](const received_view&) {});
    client.on_message([](const received_view&) {});
    CHECK(is_gone);

    is_gone = false; // The same in a handler that replaces itself.
    client.async_connect([](auto...) {});
    client.async_subscribe("#", qos::at_most_once, [](auto...) {});
    std::vector<std::string> got;
    client.on_message([&, stream = owner()](const received_view& m) {
        got.emplace_back(m.payload);
        client.on_message([&](const received_view& other) { got.emplace_back(other.payload); });
    });
    net.run_ready();
    for (const char* payload : {"1", "2"}) (void)net.server().publish({"b", payload, qos::at_most_once}, net.now());
    net.run_ready();
    CHECK(got == std::vector<std::string>{"1", "2"});
    CHECK(is_gone);
}

TEST_CASE("async_client: disconnecting acknowledges what streams have handed out, and ends their operations", "[async_client]") {
    filter_world w;
    auto stream = w.client->stream("a");
    w.publish("a", "1");
    CHECK(text(w.receive(stream)) == "1");
    outcome<std::size_t> left;
    w.client->async_disconnect(left.handler());
    w.net.run_ready();
    CHECK(left.is_done());
    CHECK(w.acknowledged() == 1);
    CHECK(w.receive(stream).error() == errc::not_connected);
}

TEST_CASE("async_client: disconnecting acknowledges what was handed out, whatever goes out at the same time", "[async_client]") {
    const qos level = GENERATE(qos::at_least_once, qos::exactly_once);
    filter_world w;
    w.publish("a", "1", level); // It waits.
    outcome<std::size_t> left;
    w.client->async_receive([&](std::error_code error, received_message m) {
        CHECK_FALSE(error);
        CHECK(m.payload == "1");
        w.client->publish("b", "bye");
        w.client->async_disconnect(left.handler());
    });
    w.net.run_ready();
    CHECK(left.is_done());
    CHECK(w.acknowledged() == 1);
}

TEST_CASE("async_client: with manual_ack a stream's messages are acknowledged by their handles only", "[async_client]") {
    client_options o;
    o.manual_ack = true;
    filter_world w(v5, o);
    auto stream = w.client->stream("a");
    w.publish("a", "1");
    const auto first = w.receive(stream);
    (void)w.receive(stream);
    CHECK(w.acknowledged() == 0);
    CHECK_FALSE(first->handle.ack());
    w.net.run_ready();
    CHECK(w.acknowledged() == 1);
}

TEST_CASE("async_client: a filter's handler may replace handlers, close streams, and destroy the client", "[async_client]") {
    filter_world w;
    auto stream = w.client->stream("a");
    const bool waited = GENERATE(false, true);
    if (waited)
        for (const std::string_view payload : {"1", "2", "3"}) w.publish("b", payload);
    (void)w.client->on_message("b", [&](const received_view& m) {
        w.got.emplace_back(m.payload);
        stream.close();
        (void)w.client->on_message("b", [&, first = std::string(m.payload)](const received_view& n) {
            w.got.push_back(first + std::string(n.payload));
            (void)w.client->on_message("+", w.noting("never"));
            w.client.reset();
        });
    });
    if (!waited)
        for (const std::string_view payload : {"1", "2", "3"})
            (void)w.net.server().publish({"b", payload, qos::at_least_once}, w.net.now());
    w.net.run_ready();
    CHECK(w.got == names{"1", "12"});
}

TEST_CASE("async_client: a handler that destroys the client gets nothing more of what had waited for it", "[async_client]") {
    filter_world w;
    for (const std::string_view payload : {"1", "2"}) w.publish("b", payload);
    w.client->on_message([&](const received_view& m) {
        w.got.emplace_back(m.payload);
        w.client.reset();
    });
    w.net.run_ready();
    CHECK(w.got == names{"1"});
}
