// A cancelled operation leaves all others as they were, whichever thread it is cancelled from.
#include "support/async_fixture.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/bind_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

TEST_CASE("async_client: of several operations of a kind, the one that is cancelled ends, and the others do not notice", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    constexpr std::size_t cancelled = 1;
    std::array<asio::cancellation_signal, 3> stop;

    SECTION("publish") {
        std::array<outcome<publish_ack>, 3> o;
        for (std::size_t i = 0; i != 3; ++i)
            client.async_publish({"a", "x", qos::exactly_once}, asio::bind_cancellation_slot(stop[i].slot(), o[i].handler()));
        for (int i = 0; i != 3; ++i) f.server.expect("PUBLISH");
        stop[cancelled].emit(asio::cancellation_type::all);
        for (unsigned n = 1; n != 4; ++n) {
            f.server.send(pubrec{.id = id(n)});
            f.server.expect(pubrel{.id = id(n)}); // Also for the one that nobody waits for.
            f.server.send(pubcomp{.id = id(n)});
            f.wait(o[n - 1]);
            CHECK(o[n - 1].error() == (n - 1 == cancelled ? make_error_code(asio::error::operation_aborted) : std::error_code{}));
        }
    }
    SECTION("subscribe and unsubscribe") {
        const bool subscribes = GENERATE(true, false);
        std::array<outcome<subscribe_ack>, 3> o;
        for (std::size_t i = 0; i != 3; ++i) {
            auto handler = asio::bind_cancellation_slot(stop[i].slot(), o[i].handler());
            if (subscribes) client.async_subscribe(std::to_string(i), qos::at_least_once, std::move(handler));
            else client.async_unsubscribe(std::to_string(i), std::move(handler));
        }
        for (int i = 0; i != 3; ++i) f.server.expect(subscribes ? "SUBSCRIBE" : "UNSUBSCRIBE");
        stop[cancelled].emit(asio::cancellation_type::all);
        for (unsigned n = 1; n != 4; ++n) {
            if (subscribes) f.server.send(suback{.id = id(n), .reasons = {reason_code::granted_qos_1}});
            else f.server.send(unsuback{.id = id(n), .reasons = {reason_code::success}});
            f.wait(o[n - 1]);
            CHECK(o[n - 1].error() == (n - 1 == cancelled ? make_error_code(asio::error::operation_aborted) : std::error_code{}));
        }
    }
    SECTION("receive") {
        std::array<outcome<received_message>, 3> o;
        for (std::size_t i = 0; i != 3; ++i) client.async_receive(asio::bind_cancellation_slot(stop[i].slot(), o[i].handler()));
        stop[cancelled].emit(asio::cancellation_type::all);
        f.server.send(publish{.topic = "t", .payload = "first"});
        f.server.send(publish{.topic = "t", .payload = "second"});
        for (auto& one : o) f.wait(one);
        CHECK(o[0]->payload == "first");
        CHECK(o[cancelled].error() == asio::error::operation_aborted);
        CHECK(o[2]->payload == "second");
    }
    CHECK(client.is_connected());
    CHECK(client.unsettled() == 0);
    for (auto& s : stop) s.emit(asio::cancellation_type::all); // Nothing is left to cancel.
    f.settle();
}

TEST_CASE("async_client: a cancellation that comes late cancels no operation that has taken the place of its own", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    asio::io_context elsewhere;
    asio::cancellation_signal late;
    outcome<received_message> first, second;
    client.async_receive(asio::bind_executor(elsewhere, asio::bind_cancellation_slot(late.slot(), first.handler())));
    f.server.send(publish{.topic = "t", .payload = "1"});
    f.server.send(publish{.topic = "t", .payload = "2"});
    outcome<received_message> taken; // Both messages are there.
    client.async_receive(taken.handler());
    f.wait(taken);
    // The first operation has ended, but its handler has not run. Its memory serves the next one.
    client.async_receive(asio::bind_executor(elsewhere, second.handler()));
    late.emit(asio::cancellation_type::all);
    f.server.send(publish{.topic = "t", .payload = "3"});
    f.until("the handlers", [&] { return elsewhere.poll(), second.is_done(); });
    CHECK_FALSE(first.error());
    CHECK(first->payload == "1");
    CHECK_FALSE(second.error());
    CHECK(second->payload == "3");
}

TEST_CASE("async_client: operations are cancelled on their handlers' executor while the client's thread completes them",
          "[async_client]") {
    fake_server server(fake_server::broker);
    asio::io_context io{1};
    client_options options = options_for(server.port(), v5);
    options.max_queued_messages = 4;
    options.max_inflight_messages = 4;
    options.on_full_queue = queue_policy::wait;
    basic_async_client<default_transport, memory_store, std::mutex> client(io, options);
    std::promise<void> connected;
    client.async_connect([&](std::error_code, connect_result) { connected.set_value(); });
    std::thread io_thread([&] { io.run(); });
    connected.get_future().wait();

    constexpr int count = 300;
    asio::thread_pool users(2);
    std::atomic<int> calls = 0;
    struct user {
        explicit user(asio::thread_pool& pool) : strand(asio::make_strand(pool)) {}
        asio::strand<asio::thread_pool::executor_type> strand;
        asio::cancellation_signal stop{};
    };
    std::vector<std::unique_ptr<user>> all;
    for (int i = 0; i != count; ++i) {
        all.push_back(std::make_unique<user>(users));
        user& u = *all.back();
        asio::post(u.strand, [&, i] {
            const auto done = [&](std::error_code, auto&&) { ++calls; };
            auto handler = asio::bind_executor(u.strand, asio::bind_cancellation_slot(u.stop.slot(), done));
            if (i % 3 == 0) client.async_subscribe("t", qos::at_least_once, std::move(handler));
            else if (i % 3 == 1) client.async_receive(std::move(handler));
            else client.async_publish({"t", "x", qos::exactly_once}, std::move(handler));
            // Before, at or after the end of the operation, with nothing in between that would put the two in order.
            const auto then = std::chrono::steady_clock::now() + (i % 100) * 50us;
            while (std::chrono::steady_clock::now() < then) {}
            u.stop.emit(asio::cancellation_type::all);
        });
    }
    users.join(); // Each operation has ended by itself or by its cancellation.
    CHECK(calls == count);
    std::promise<std::error_code> last;
    client.async_publish({"a", "x", qos::exactly_once}, [&](std::error_code error, publish_ack) { last.set_value(error); });
    CHECK_FALSE(last.get_future().get()); // And nothing else was hurt.
    std::promise<void> ended;
    client.async_disconnect([&](std::error_code, std::size_t) { ended.set_value(); });
    ended.get_future().wait();
    io_thread.join();
}
