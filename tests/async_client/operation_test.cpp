// Operations as Asio knows them: tokens, executors, allocators, cancellation; and how a client ends.
#include "support/async_fixture.hpp"

#include <asio/bind_allocator.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/redirect_error.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

namespace {

using asio::experimental::awaitable_operators::operator||;

// TCP that counts.
struct counting_transport : socket_transport {
    using socket_transport::socket_transport;
    static inline std::size_t writes = 0, opened = 0;
    static inline std::vector<std::size_t> sizes{};

    template <class Buffers, class Handler>
    void async_write(const Buffers& buffers, Handler handler) {
        ++writes;
        sizes.push_back(asio::buffer_size(buffers));
        socket_transport::async_write(buffers, std::move(handler));
    }
    template <class Buffers>
    std::size_t write_now(const Buffers& buffers) {
        const std::size_t n = socket_transport::write_now(buffers);
        if (n == 0) return 0; // async_write() comes next.
        ++writes;
        sizes.push_back(n);
        return n;
    }
    template <class Handler>
    void async_open(const broker& where, opening how, Handler handler) {
        ++opened;
        socket_transport::async_open(where, std::move(how), std::move(handler));
    }
};

// Counts what it has given and not got back.
template <class T>
struct counting_allocator {
    using value_type = T;
    std::shared_ptr<std::pair<int, int>> calls; // allocate, deallocate

    explicit counting_allocator(std::shared_ptr<std::pair<int, int>> c) : calls(std::move(c)) {}
    template <class U>
    counting_allocator(const counting_allocator<U>& other) : calls(other.calls) {}
    T* allocate(std::size_t n) {
        ++calls->first;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* p, std::size_t n) {
        ++calls->second;
        std::allocator<T>().deallocate(p, n);
    }
    template <class U>
    bool operator==(const counting_allocator<U>& other) const { return calls == other.calls; }
};

} // namespace

TEST_CASE("async_client: no handler runs inside the function that was given it", "[async_client]") {
    async_fixture f(fake_server::broker);
    async_client client(f.io, f.options(v5));
    int inside = 0, runs = 0, wrong = 0;
    const auto on_io = [&](auto initiate) {
        asio::post(f.io, [&, initiate] {
            ++inside;
            initiate();
            --inside;
        });
    };
    const auto note = [&](auto&&...) {
        ++runs;
        wrong += inside;
    };
    on_io([&] { client.async_receive([&](std::error_code, received_message) { note(); }); }); // At the end.
    on_io([&] { client.async_publish({"a/#", ""}, [&](std::error_code, publish_ack) { note(); }); });
    on_io([&] { client.async_subscribe("#/a", qos::at_most_once, [&](std::error_code, subscribe_ack) { note(); }); });
    on_io([&] { client.async_unsubscribe("#/a", [&](std::error_code, subscribe_ack) { note(); }); });
    on_io([&] { client.async_disconnect([&](std::error_code, std::size_t) { note(); }); });
    on_io([&] { client.async_connect([&](std::error_code, connect_result) { note(); }); });
    f.until("all but the message", [&] { return runs >= 5; });
    on_io([&] { client.async_connect([&](std::error_code, connect_result) { note(); }); });
    on_io([&] { client.async_publish({"a", ""}, [&](std::error_code, publish_ack) { note(); }); });
    on_io([&] { client.async_publish({"a", "", qos::exactly_once}, [&](std::error_code, publish_ack) { note(); }); });
    on_io([&] { client.async_subscribe("a", qos::at_most_once, [&](std::error_code, subscribe_ack) { note(); }); });
    f.until("four more", [&] { return runs >= 9; });
    on_io([&] { client.async_disconnect([&](std::error_code, std::size_t) { note(); }); });
    f.until("two more", [&] { return runs == 11; });
    CHECK(wrong == 0);
}

TEST_CASE("async_client: futures work, and throw what went wrong", "[async_client]") {
    async_fixture f(fake_server::broker);
    async_client client(f.io, f.options());
    auto connected = client.async_connect(asio::use_future);
    CHECK(f.wait(connected).version == v5);
    auto subscribed = client.async_subscribe("a", qos::exactly_once, asio::use_future);
    CHECK(f.wait(subscribed).reasons.front() == reason_code::granted_qos_2);
    auto received = client.async_receive(asio::use_future);
    auto published = client.async_publish({"a", "x", qos::exactly_once}, asio::use_future);
    CHECK(f.wait(published).mid() == 2);
    CHECK(f.wait(received).payload == "x");
    auto refused = client.async_publish({"a/#", "x"}, asio::use_future);
    CHECK_THROWS_AS(f.wait(refused), std::system_error);
    auto unsubscribed = client.async_unsubscribe("a", asio::use_future);
    CHECK(f.wait(unsubscribed).reasons.size() == 1);
    auto left = client.async_disconnect(asio::use_future);
    CHECK(f.wait(left) == 0);
}

TEST_CASE("async_client: coroutines work, with exceptions or error codes", "[async_client]") {
    async_fixture f(fake_server::broker);
    async_client client(f.io, f.options());
    bool is_done = false;
    asio::co_spawn(
        f.io,
        [&]() -> asio::awaitable<void> {
            co_await client.async_connect(asio::use_awaitable);
            co_await client.async_subscribe("a", qos::at_least_once, asio::use_awaitable);
            message m("a", "x", qos::at_least_once);
            const publish_ack acked = co_await client.async_publish(m, asio::use_awaitable);
            CHECK(acked.mid() == 2);
            const received_message got = co_await client.async_receive(asio::use_awaitable);
            CHECK(got.payload == "x");
            const publish_ack borrowed = co_await client.async_publish("a", m.payload, qos::exactly_once, asio::use_awaitable);
            CHECK(borrowed.mid() == 3);
            const received_message second = co_await client.async_receive(asio::use_awaitable);
            CHECK(second.payload == "x");
            std::error_code error;
            m.topic = "#";
            co_await client.async_publish(m, asio::redirect_error(asio::use_awaitable, error));
            CHECK(error == errc::topic_wildcard);
            const std::size_t left = co_await client.async_disconnect(asio::use_awaitable); // CHECK evaluates twice.
            CHECK(left == 0);
            is_done = true;
        },
        asio::detached);
    f.until("the coroutine", [&] { return is_done; });
}

TEST_CASE("async_client: a handler runs on the executor it is bound to", "[async_client]") {
    async_fixture f(fake_server::broker);
    async_client client(f.io, f.options());
    asio::thread_pool elsewhere(1);
    auto strand = asio::make_strand(elsewhere);
    std::promise<std::thread::id> ran_on;
    client.async_connect(asio::bind_executor(strand, [&](std::error_code, connect_result) {
        CHECK(strand.running_in_this_thread());
        ran_on.set_value(std::this_thread::get_id());
    }));
    auto where = ran_on.get_future();
    CHECK(f.wait(where) != std::this_thread::get_id());
    elsewhere.join();

    asio::io_context other;
    bool has_run = false;
    client.async_publish({"a", "x"}, asio::bind_executor(other.get_executor(), [&](std::error_code error, publish_ack) {
                             CHECK_FALSE(error);
                             has_run = true;
                         }));
    CHECK(other.poll() == 0); // And does not stop, since there is work to come:
    CHECK_FALSE(other.stopped());
    f.server.wait_until("the message", [&] { return f.server.count("PUBLISH") == 1; });
    f.settle();
    CHECK_FALSE(has_run);
    other.run();
    CHECK(has_run);
}

TEST_CASE("async_client: a coroutine elsewhere is resumed where it lives", "[async_client]") {
    async_fixture f(fake_server::broker);
    basic_async_client<default_transport, memory_store, std::mutex> client(f.io, f.options());
    asio::thread_pool elsewhere(1);
    std::atomic<bool> is_done = false;
    std::thread::id here = std::this_thread::get_id();
    bool was_elsewhere = true;
    asio::co_spawn(
        elsewhere,
        [&]() -> asio::awaitable<void> {
            co_await client.async_connect(asio::use_awaitable);
            was_elsewhere = was_elsewhere && std::this_thread::get_id() != here;
            for (int i = 0; i != 100; ++i) {
                message m("a", std::to_string(i), qos::exactly_once);
                co_await client.async_publish(std::move(m), asio::use_awaitable);
                was_elsewhere = was_elsewhere && std::this_thread::get_id() != here;
            }
            is_done = true;
        },
        asio::detached);
    f.until("the coroutine", [&] { return is_done.load(); });
    elsewhere.join();
    CHECK(was_elsewhere);
}

TEST_CASE("async_client: a handler's allocator serves its operation, and gets everything back before the handler runs", "[async_client]") {
    async_fixture f(fake_server::broker);
    async_client client(f.io, f.options());
    auto calls = std::make_shared<std::pair<int, int>>();
    const auto with_allocator = [&](auto handler) { return asio::bind_allocator(counting_allocator<void*>(calls), std::move(handler)); };
    int runs = 0;
    const auto check = [&, calls](std::error_code, auto&&) {
        ++runs;
        CHECK(calls->first == calls->second);
    };
    client.async_connect(with_allocator(check));
    f.until("the connection", [&] { return runs == 1; });
    CHECK(calls->first >= 1);
    client.async_publish({"a", "x", qos::at_least_once}, with_allocator(check));
    f.until("the publish", [&] { return runs == 2; });
    client.async_subscribe("a", qos::at_least_once, with_allocator(check));
    f.until("the subscribe", [&] { return runs == 3; });
    const int before = calls->first;
    CHECK(before >= 3);
    client.async_receive(with_allocator([&](std::error_code, received_message) { ++runs; }));
    CHECK(calls->first > before);
    client.publish("a", "x");
    f.until("the message", [&] { return runs == 4; });
    CHECK(calls->first == calls->second);
}

TEST_CASE("async_client: a cancelled publish completes at once, and the message arrives all the same", "[async_client][v5:MQTT-4.1.0-1]") {
    const auto type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial, asio::cancellation_type::total);
    async_fixture f;
    async_client client(f.io, f.options(v5));
    asio::cancellation_signal stop, stop_other;
    outcome<publish_ack> cancelled, other, never;
    client.async_publish({"a", "1", qos::at_least_once}, asio::bind_cancellation_slot(stop.slot(), cancelled.handler()));
    client.async_publish({"a", "2", qos::at_least_once}, asio::bind_cancellation_slot(stop_other.slot(), other.handler()));
    stop.emit(type); // It still waits for a connection.
    CHECK_FALSE(cancelled.is_done());
    f.wait(cancelled);
    CHECK(cancelled.error() == asio::error::operation_aborted);
    f.connect(client);
    f.server.expect(publish{.qos = qos::at_least_once, .topic = "a", .id = id(1), .payload = "1"});
    f.server.expect(publish{.qos = qos::at_least_once, .topic = "a", .id = id(2), .payload = "2"});
    f.server.send(puback{.id = id(1)});
    f.server.send(puback{.id = id(2)});
    f.wait(other);
    CHECK_FALSE(other.error());
    CHECK(cancelled.calls() == 1);
    stop.emit(type); // Nothing left to cancel.
    stop_other.emit(type);
    f.settle();
    CHECK(other.calls() == 1);
    CHECK(client.unsettled() == 0);
    CHECK(client.is_connected());
}

TEST_CASE("async_client: a publish that is cancelled in flight is still sent again when it must be", "[async_client]") {
    async_fixture f;
    client_options options = f.options(v5);
    async_client client(f.io, options);
    f.connect(client);
    asio::cancellation_signal stop;
    outcome<publish_ack> cancelled;
    client.async_publish({"a", "1", qos::exactly_once}, asio::bind_cancellation_slot(stop.slot(), cancelled.handler()));
    f.server.expect("PUBLISH qos=2");
    stop.emit(asio::cancellation_type::all);
    f.wait(cancelled);
    f.server.close();
    f.server.connect(connack{.session_present = true});
    f.server.expect("PUBLISH qos=2 dup");
    f.server.send(pubrec{.id = id(1)});
    f.server.expect("PUBREL");
    f.server.send(pubcomp{.id = id(1)});
    f.until("the end", [&] { return client.unsettled() == 0; });
}

TEST_CASE("async_client: a cancelled subscribe completes at once, and the subscription is made all the same", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    asio::cancellation_signal stop;
    outcome<subscribe_ack> cancelled, other;
    client.async_subscribe("a", qos::at_least_once, asio::bind_cancellation_slot(stop.slot(), cancelled.handler()));
    client.async_subscribe("b", qos::at_least_once, other.handler());
    stop.emit(asio::cancellation_type::all);
    f.wait(cancelled);
    CHECK(cancelled.error() == asio::error::operation_aborted);
    f.server.expect("SUBSCRIBE id=1 filter='a'");
    f.server.expect("SUBSCRIBE id=2 filter='b'");
    f.server.send(suback{.id = id(1), .reasons = {reason_code::granted_qos_1}});
    f.server.send(suback{.id = id(2), .reasons = {reason_code::granted_qos_1}});
    f.wait(other);
    CHECK_FALSE(other.error());
}

TEST_CASE("async_client: a cancelled receive takes no message, the next one gets it", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    asio::cancellation_signal stop;
    outcome<received_message> cancelled, other;
    client.async_receive(asio::bind_cancellation_slot(stop.slot(), cancelled.handler()));
    client.async_receive(other.handler());
    stop.emit(asio::cancellation_type::terminal);
    f.wait(cancelled);
    CHECK(cancelled.error() == asio::error::operation_aborted);
    f.server.send(publish{.topic = "t", .payload = "1"});
    f.wait(other);
    CHECK(other->payload == "1");
}

TEST_CASE("async_client: cancelling async_connect or async_disconnect stops the waiting only", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    asio::cancellation_signal stop;
    outcome<connect_result> cancelled, connected;
    client.async_connect(asio::bind_cancellation_slot(stop.slot(), cancelled.handler()));
    client.async_connect(connected.handler());
    stop.emit(asio::cancellation_type::terminal);
    f.server.connect();
    f.wait(cancelled);
    f.wait(connected);
    CHECK(cancelled.error() == asio::error::operation_aborted);
    CHECK_FALSE(connected.error());
    outcome<std::size_t> goodbye;
    client.async_disconnect(asio::bind_cancellation_slot(stop.slot(), goodbye.handler()));
    stop.emit(asio::cancellation_type::terminal);
    f.wait(goodbye);
    CHECK(goodbye.error() == asio::error::operation_aborted);
    f.server.expect("DISCONNECT");
}

TEST_CASE("async_client: `publish || timer` gives up waiting and hurts nothing else", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    bool timed_out = false;
    outcome<publish_ack> other;
    client.async_publish({"a", "other", qos::at_least_once}, other.handler());
    asio::co_spawn(
        f.io,
        [&]() -> asio::awaitable<void> {
            asio::steady_timer timer(f.io, 20ms);
            message m("a", "x", qos::at_least_once);
            const auto first = co_await (client.async_publish(std::move(m), asio::use_awaitable) || timer.async_wait(asio::use_awaitable));
            timed_out = first.index() == 1;
        },
        asio::detached);
    f.server.expect("PUBLISH qos=1 topic='a' id=1");
    f.server.expect("PUBLISH qos=1 topic='a' id=2");
    f.until("the timer", [&] { return timed_out; });
    f.server.send(puback{.id = id(2)});
    f.server.send(puback{.id = id(1)});
    f.wait(other);
    CHECK_FALSE(other.error());
    CHECK(f.server.accepted() == 1);
}

// The writes while `number` messages of a level were published in one turn of the event loop, and those in all.
template <class Client>
static std::vector<std::size_t> writes_of_one_turn(async_fixture& f, Client& client, unsigned number, qos level) {
    f.connect(client);
    f.settle();
    const std::size_t before = counting_transport::writes;
    std::size_t meanwhile = 0;
    asio::post(f.io, [&] {
        for (unsigned i = 0; i != number; ++i) client.publish("a", "x", level);
        meanwhile = counting_transport::writes - before;
    });
    f.until("the messages", [&] { return f.server.count("PUBLISH") == number; });
    return {meanwhile, counting_transport::writes - before};
}

TEST_CASE("async_client: what is published in one turn goes out together, of many messages the first without waiting for it",
          "[async_client]") {
    using writes = std::vector<std::size_t>;
    async_fixture f;
    basic_async_client<counting_transport> client(f.io, f.options(v5));
    SECTION("nineteen are few") {
        CHECK(writes_of_one_turn(f, client, 19, qos::at_least_once) == writes{0, 1});
    }
    SECTION("twenty go out at once, further ones when they are a third of all that is in flight") {
        const qos level = GENERATE(qos::at_least_once, qos::exactly_once);
        CHECK(writes_of_one_turn(f, client, 100, level) == writes{4, 5}); // 20, 40, 60, 89.
    }
    SECTION("for QoS 0 nobody waits") {
        CHECK(writes_of_one_turn(f, client, 100, qos::at_most_once) == writes{0, 1});
    }
    SECTION("a client with a lock may be on another thread than its transport") {
        basic_async_client<counting_transport, memory_store, std::mutex> locked(f.io, f.options(v5));
        CHECK(writes_of_one_turn(f, locked, 100, qos::at_least_once) == writes{0, 1});
    }
}

TEST_CASE("async_client: where many were acknowledged at once, what their handlers publish goes out in larger parts",
          "[async_client]") {
    constexpr unsigned number = 1000;
    constexpr std::size_t size = 9; // Of a packet.
    async_fixture f;
    basic_async_client<counting_transport> client(f.io, f.options(v5));
    f.connect(client);
    for (unsigned i = 0; i != number; ++i)
        client.async_publish("a", "x", qos::at_least_once, [&](std::error_code, publish_ack) {
            client.async_publish("a", "x", qos::at_least_once, [](auto...) {});
        });
    f.until("the messages", [&] { return f.server.count("PUBLISH") == number; });
    f.settle();
    const std::size_t before = counting_transport::sizes.size();
    std::string all;
    for (unsigned i = 1; i != number + 1; ++i) encode(puback{.id = id(i)}, v5, all);
    f.server.send_bytes(all);
    f.until("the next ones", [&] { return f.server.count("PUBLISH") == 2 * number; });
    CHECK(counting_transport::sizes.at(before) >= number / 16 * size);
    CHECK(counting_transport::sizes.at(before) < number * size); // The broker need not wait for all.
}

TEST_CASE("async_client: the acknowledgements of what was read together go out in one write", "[async_client]") {
    async_fixture f;
    basic_async_client<counting_transport> client(f.io, f.options(v5));
    f.connect(client);
    for (int i = 0; i != 20; ++i) client.publish("a", "x", qos::exactly_once);
    f.until("the messages", [&] { return f.server.count("PUBLISH") == 20; });
    f.settle();
    const std::size_t before = counting_transport::writes;
    std::string all;
    for (unsigned i = 1; i != 21; ++i) encode(pubrec{.id = id(i)}, v5, all);
    f.server.send_bytes(all);
    f.until("their answers", [&] { return f.server.count("PUBREL") == 20; });
    CHECK(counting_transport::writes - before <= 2); // The bytes may arrive in two pieces.
}

TEST_CASE("async_client: large messages arrive whole, whatever the transport takes at a time",
          "[async_client][v5:MQTT-4.2.0-1][v3:MQTT-7.1.2-1]") {
    async_fixture f(fake_server::broker);
    async_client client(f.io, f.options(GENERATE(v5, v3)));
    outcome<connect_result> connected;
    outcome<subscribe_ack> subscribed;
    client.async_connect(connected.handler());
    client.async_subscribe("big", qos::exactly_once, subscribed.handler());
    f.wait(subscribed);
    std::string payload(5'000'000, '\0');
    for (std::size_t i = 0; i != payload.size(); ++i) payload[i] = static_cast<char>(i * 7 + i / 251);
    for (int i = 0; i != 3; ++i) {
        outcome<publish_ack> sent;
        outcome<received_message> got;
        client.async_publish({"big", payload, static_cast<qos>(i)}, sent.handler());
        client.async_receive(got.handler());
        f.wait(sent);
        f.wait(got);
        CHECK_FALSE(sent.error());
        CHECK(got->payload == payload);
    }
}

TEST_CASE("async_client: async_disconnect waits for acknowledgements, then ends the session at the broker",
          "[async_client][v5:MQTT-3.14.4-1][v5:MQTT-3.14.4-2][v3:MQTT-3.14.4-1]") {
    const auto version = GENERATE(v5, v3);
    async_fixture f;
    async_client client(f.io, f.options(version));
    f.connect(client);
    outcome<publish_ack> published;
    outcome<std::size_t> done;
    outcome<received_message> received;
    client.async_receive(received.handler());
    client.async_publish({"a", "x", qos::at_least_once}, published.handler());
    client.async_disconnect(done.handler());
    f.server.expect("PUBLISH");
    f.settle();
    CHECK_FALSE(done.is_done());
    f.server.send(puback{.id = id(1)});
    if (version == v5) f.server.expect("DISCONNECT session_expiry_interval=0");
    else f.server.expect("DISCONNECT");
    f.server.expect_closed();
    f.wait(done);
    CHECK_FALSE(done.error());
    CHECK(*done == 0);
    CHECK_FALSE(published.error());
    f.wait(received);
    CHECK(received.error() == errc::not_connected);
    CHECK(f.server.accepted() == 1);

    outcome<std::size_t> again;
    client.async_disconnect(again.handler());
    f.wait(again);
    CHECK(again.error() == errc::not_connected);
}

TEST_CASE("async_client: async_disconnect tells how many messages are left over after the drain time", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    outcome<publish_ack> one, two;
    outcome<std::size_t> done;
    client.async_publish({"a", "1", qos::at_least_once}, one.handler());
    client.async_publish({"a", "2", qos::exactly_once}, two.handler());
    client.async_disconnect(20ms, reason_code::disconnect_with_will_message, done.handler());
    f.server.expect("PUBLISH");
    f.server.expect("PUBLISH");
    f.server.expect("DISCONNECT reason='disconnect with Will Message' (4) session_expiry_interval=0");
    f.server.close();
    f.wait(done);
    CHECK_FALSE(done.error());
    CHECK(*done == 2);
    f.wait(one);
    f.wait(two);
    CHECK(one.error() == errc::not_connected);
    CHECK(two.error() == errc::not_connected);
}

TEST_CASE("async_client: a server that never closes does not hold up async_disconnect for long", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    outcome<std::size_t> done;
    const auto begin = std::chrono::steady_clock::now();
    client.async_disconnect(done.handler());
    f.server.expect("DISCONNECT");
    f.wait(done);
    CHECK_FALSE(done.error());
    CHECK(std::chrono::steady_clock::now() - begin < patience / 2);
}

TEST_CASE("async_client: async_disconnect without a connection waits only if there is something to send", "[async_client]") {
    async_fixture f;
    f.server.stop_listening();
    client_options options = f.options(v5);
    options.drain_timeout = 1h;
    async_client client(f.io, options);
    outcome<connect_result> connecting;
    outcome<std::size_t> done;
    client.async_connect(connecting.handler());
    f.settle();
    SECTION("nothing: it ends at once") {
        client.async_disconnect(done.handler());
        f.wait(done);
        CHECK(*done == 0);
    }
    SECTION("a message: it goes on trying for the drain time") {
        client.publish("a", "x", qos::at_least_once);
        client.async_disconnect(30ms, reason_code::success, done.handler());
        f.wait(done);
        CHECK(*done == 1);
    }
    CHECK_FALSE(done.error());
    f.wait(connecting);
    CHECK(connecting.error() == errc::not_connected);
}

TEST_CASE("async_client: with keep_session DISCONNECT leaves the session alive", "[async_client]") {
    async_fixture f;
    client_options options = f.options(v5);
    options.keep_session_for(300s);
    async_client client(f.io, options);
    f.connect(client);
    outcome<std::size_t> done;
    client.async_disconnect(done.handler());
    CHECK(f.server.receive_line() == "DISCONNECT");
    f.server.close();
    f.wait(done);
}

TEST_CASE("async_client: it connects anew after async_disconnect", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    for (int i = 0; i != 3; ++i) {
        CHECK_FALSE(f.connect(client).session_lost); // It was ended, not lost.
        outcome<std::size_t> done;
        client.async_disconnect(done.handler());
        f.server.expect("DISCONNECT");
        f.server.close();
        f.wait(done);
    }
    CHECK(f.server.accepted() == 3);
}

TEST_CASE("async_client: destroying it completes everything with shutting_down", "[async_client]") {
    const std::string how_far = GENERATE("not begun", "CONNECT", "CONNACK");
    CAPTURE(how_far);
    const bool is_connected = how_far == "CONNACK";
    async_fixture f;
    outcome<connect_result> connected;
    outcome<publish_ack> published, waiting;
    outcome<subscribe_ack> subscribed;
    outcome<received_message> received;
    outcome<std::size_t> disconnected;
    {
        async_client client(f.io, f.options(v5));
        if (is_connected) f.connect(client);
        else client.async_connect(connected.handler());
        if (how_far == "CONNECT") {
            f.server.accept();
            f.server.expect("CONNECT");
        }
        client.async_publish({"a", "1", qos::at_least_once}, published.handler());
        if (is_connected) f.server.expect("PUBLISH");
        client.async_publish({"a", "2", qos::exactly_once}, waiting.handler());
        client.async_subscribe("a", qos::at_least_once, subscribed.handler());
        client.async_receive(received.handler());
        client.async_disconnect(disconnected.handler());
    }
    f.wait(published);
    f.wait(waiting);
    f.wait(subscribed);
    f.wait(received);
    f.wait(disconnected);
    CHECK(published.error() == errc::shutting_down);
    CHECK(waiting.error() == errc::shutting_down);
    CHECK(subscribed.error() == errc::shutting_down);
    CHECK(received.error() == errc::shutting_down);
    CHECK(disconnected.error() == errc::shutting_down);
    if (how_far != "not begun")
        f.until("the connection to end", [&] { return f.server.trace().find("end of file") != std::string::npos; });
    if (!is_connected) {
        f.wait(connected);
        CHECK(connected.error() == errc::shutting_down);
    }
    f.io.restart();
    f.io.run(); // There is nothing left: it returns.
}

TEST_CASE("async_client: it may be destroyed in its own handler", "[async_client]") {
    async_fixture f(fake_server::broker);
    using locked = basic_async_client<default_transport, memory_store, std::mutex>;
    auto client = std::make_unique<locked>(f.io, f.options(v5));
    outcome<publish_ack> other;
    client->async_connect([&](std::error_code, connect_result) {
        client->async_publish({"a", "x", qos::at_least_once}, other.handler());
        client.reset();
    });
    f.wait(other);
    CHECK(other.error() == errc::shutting_down);
}

TEST_CASE("async_client: client and io_context may go away at any moment", "[async_client]") {
    fake_server server(fake_server::broker);
    for (int turns = 0; turns != 60; ++turns) {
        asio::io_context io;
        async_client client(io, options_for(server.port()));
        outcome<received_message> received;
        outcome<publish_ack> published;
        client.async_connect(asio::detached);
        client.async_subscribe("a", qos::exactly_once, asio::detached);
        client.async_receive(received.handler());
        client.async_publish({"a", "x", qos::exactly_once}, published.handler());
        for (int i = 0; i != turns; ++i) io.run_one_for(2ms);
    }
}
