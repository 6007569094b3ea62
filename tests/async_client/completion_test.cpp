// Many operations that end in one turn of the event loop: each handler is called as if it alone had been posted.
#include "support/async_fixture.hpp"

#include <asio/bind_executor.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>

#include <numeric>
#include <stdexcept>

namespace {

// Publishes of which all have their outcome at once, and no handler has run.
struct ended_publishes {
    async_fixture f{};
    async_client client{f.io, f.options(v5)};
    std::vector<std::size_t> order{};

    template <class Handler>
    void start(std::size_t count, Handler handler) {
        for (std::size_t i = 0; i != count; ++i)
            client.async_publish({"not/#/valid", "x"}, [this, i, handler](std::error_code, publish_ack) {
                order.push_back(i);
                handler(i);
            });
    }
};

// TCP that looks at whether it is called within a strand.
struct guarded_transport : socket_transport {
    using socket_transport::socket_transport;
    static inline const asio::strand<asio::io_context::executor_type>* strand = nullptr;
    static inline int inside = 0, outside = 0;
    static void look() { ++(strand->running_in_this_thread() ? inside : outside); }

    template <class Handler>
    void async_read(Handler handler) {
        look();
        socket_transport::async_read(std::move(handler));
    }
    template <class Buffers, class Handler>
    void async_write(const Buffers& buffers, Handler handler) {
        look();
        socket_transport::async_write(buffers, std::move(handler));
    }
    template <class Buffers>
    std::size_t write_now(const Buffers& buffers) {
        look();
        return socket_transport::write_now(buffers);
    }
};

std::vector<std::size_t> first_numbers(std::size_t count) {
    std::vector<std::size_t> out(count);
    std::iota(out.begin(), out.end(), std::size_t{0});
    return out;
}

} // namespace

TEST_CASE("async_client: handlers of operations that end together are called in the order of their ends", "[async_client]") {
    ended_publishes p;
    p.start(1000, [](std::size_t) {});
    CHECK(p.order.empty());
    p.f.until("all", [&] { return p.order.size() == 1000; });
    CHECK(p.order == first_numbers(1000));
}

TEST_CASE("async_client: a handler that throws keeps no other from being called", "[async_client]") {
    ended_publishes p;
    p.start(5, [](std::size_t i) {
        if (i % 2 == 0) throw std::runtime_error("on purpose");
    });
    int caught = 0;
    while (p.order.size() != 5) {
        try {
            if (p.f.io.poll() == 0) break;
        } catch (const std::runtime_error&) { ++caught; }
    }
    CHECK(p.order == first_numbers(5));
    CHECK(caught == 3);
    try {
        p.f.io.run(); // Ends, since no work is left behind.
    } catch (const std::runtime_error&) { FAIL("thrown twice"); }
}

TEST_CASE("async_client: a handler that runs the event loop meets the handlers of operations that ended with its own",
          "[async_client]") {
    ended_publishes p;
    std::size_t met = 0;
    p.start(3, [&](std::size_t i) {
        if (i != 0) return;
        while (p.order.size() != 3 && p.f.io.poll() != 0) {}
        met = p.order.size();
    });
    p.f.until("all", [&] { return p.order.size() == 3; });
    CHECK(met == 3);
}

TEST_CASE("async_client: a handler that starts an operation which ends at once is not called before the event loop's others",
          "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    std::size_t calls = 0;
    bool other = false;
    std::function<void(std::error_code, publish_ack)> again = [&](std::error_code, publish_ack) {
        ++calls;
        if (!other) client.async_publish({"not/#/valid", "x"}, [&](std::error_code error, publish_ack a) { again(error, a); });
    };
    again({}, {});
    asio::post(f.io, [&] { other = true; });
    f.until("the other's turn", [&] { return other; });
    CHECK(calls > 1);
}

TEST_CASE("async_client: handlers that nobody has called go away with the io_context", "[async_client]") {
    const auto held = std::make_shared<int>();
    {
        asio::io_context io;
        async_client client(io, options_for(1, v5));
        for (int i = 0; i != 3; ++i) client.async_publish({"not/#/valid", "x"}, [held](std::error_code, publish_ack) { FAIL("called"); });
        CHECK(held.use_count() == 4);
    }
    CHECK(held.use_count() == 1);
}

TEST_CASE("async_client: an operation keeps the event loop until its handler has been called, and not longer", "[async_client]") {
    asio::io_context io;
    async_client client(io, options_for(1, v5));
    outcome<publish_ack> waits, ended;
    client.async_publish({"a", "x", qos::at_least_once}, waits.handler());
    client.async_publish({"not/#/valid", "x"}, ended.handler());
    while (io.poll() != 0) {}
    CHECK(ended.is_done());
    CHECK_FALSE(io.stopped());
    outcome<std::size_t> goodbye;
    client.async_connect([](std::error_code, connect_result) {});
    client.async_disconnect(0s, reason_code::success, goodbye.handler());
    io.run();
    CHECK(waits.is_done());
    CHECK(goodbye.is_done());
}

TEST_CASE("async_client: a client on a strand calls handlers within that strand", "[async_client]") {
    async_fixture f;
    auto strand = asio::make_strand(f.io);
    async_client client(strand, f.options(v5));
    int inside = 0, outside = 0;
    const auto check = [&](std::error_code, publish_ack) { ++(strand.running_in_this_thread() ? inside : outside); };
    asio::post(strand, [&] {
        client.async_publish({"not/#/valid", "x"}, check);
        client.async_publish({"not/#/valid", "x"}, asio::bind_executor(strand, check));
        client.async_publish({"not/#/valid", "x"}, asio::bind_executor(f.io, check)); // Which is below the strand.
    });
    f.until("all", [&] { return inside + outside == 3; });
    CHECK(inside == 2);
}

TEST_CASE("async_client: a client on a strand uses its transport within that strand only", "[async_client]") {
    async_fixture f(fake_server::broker);
    const auto strand = asio::make_strand(f.io);
    guarded_transport::strand = &strand;
    guarded_transport::inside = guarded_transport::outside = 0;
    {
        basic_async_client<guarded_transport> client(strand, f.options(v5));
        outcome<connect_result> connected;
        outcome<publish_ack> published;
        asio::post(strand, [&] { client.async_connect(connected.handler()); });
        f.wait(connected);
        REQUIRE_FALSE(connected.error());
        asio::post(strand, [&] { client.async_publish(message("a", "x", qos_2), published.handler()); });
        f.wait(published);
        CHECK_FALSE(published.error());
    }
    CHECK(guarded_transport::inside >= 6); // CONNECT, PUBLISH, PUBREL, and the reading before each.
    CHECK(guarded_transport::outside == 0);
}

TEST_CASE("async_client: a client may run on a pool's thread", "[async_client]") {
    fake_server server(fake_server::broker);
    asio::thread_pool pool(1);
    async_client client(pool, options_for(server.port(), v5));
    std::promise<std::error_code> published;
    asio::post(pool, [&] {
        client.async_connect([&](std::error_code, const connect_result&) {
            client.async_publish(message("a", "x", qos_2), [&](std::error_code error, publish_ack) { published.set_value(error); });
        });
    });
    auto result = published.get_future();
    REQUIRE(result.wait_for(patience) == std::future_status::ready);
    CHECK_FALSE(result.get());
    std::promise<void> left;
    asio::post(pool, [&] { client.async_disconnect([&](std::error_code, std::size_t) { left.set_value(); }); });
    CHECK(left.get_future().wait_for(patience) == std::future_status::ready);
    pool.join();
}

TEST_CASE("async_client: memory of operations serves those to come, side by side, and little is kept when none is left",
          "[async_client]") {
    detail::block_pool pool;
    const auto take = [&](std::size_t size) { return static_cast<std::byte*>(pool.allocate(size)); };
    std::byte* const first = take(80);
    pool.deallocate(first, 80);
    CHECK(take(65) == first);
    std::byte* const other = take(81);
    CHECK(other != first);
    pool.deallocate(first, 65);
    pool.deallocate(other, 81);
    CHECK(pool.bytes() == 80 + 96);

    std::vector<std::byte*> many;
    for (std::size_t i = 0; i != 2000; ++i) many.push_back(take(80));
    std::size_t apart = 0;
    for (std::size_t i = 1; i != many.size(); ++i) apart += many[i] != many[i - 1] + 80;
    CHECK(apart <= 10);
    std::byte* const last = take(96);
    const std::size_t all = pool.bytes();
    CHECK(all < 2 * 2000 * 80);
    for (std::byte* const b : many) pool.deallocate(b, 80);
    CHECK(pool.bytes() == all);
    CHECK(take(80) == many.back());
    pool.deallocate(many.back(), 80);
    pool.deallocate(last, 96);
    CHECK(pool.bytes() == 0);

    pool.deallocate(take(100'000), 100'000);
    CHECK(pool.bytes() == 0);
}
