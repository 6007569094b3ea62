#include "support/catch.hpp"
#include "support/watched.hpp"

#include <inflight/testing/virtual_clock.hpp>

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include <thread>

using namespace std::chrono_literals;
using inflight::testing::virtual_clock;
using inflight::testing::virtual_timer;

namespace {

struct timer_journal {
    std::vector<std::string> lines{};
    auto waiter(std::string name) {
        return [this, name](std::error_code error) { lines.push_back(error ? name + " cancelled" : name); };
    }
    std::vector<std::string> take() { return std::exchange(lines, {}); }
};

} // namespace

TEST_CASE("virtual clock: stands still until it is advanced", "[testing]") {
    const auto before = virtual_clock::now();
    const auto real = std::chrono::steady_clock::now();
    while (std::chrono::steady_clock::now() == real) {} // That one does not.
    CHECK(virtual_clock::now() == before);
    virtual_clock::advance(1h);
    CHECK(virtual_clock::now() == before + 1h);
}

TEST_CASE("virtual clock: each thread has a time of its own", "[testing]") {
    const auto before = virtual_clock::now();
    std::thread([] { virtual_clock::advance(100h); }).join();
    CHECK(virtual_clock::now() == before);
}

TEST_CASE("virtual timer: completes when the clock reaches its expiry, not a moment earlier", "[testing]") {
    asio::io_context io;
    timer_journal j;
    virtual_timer timer(io, 10s);
    timer.async_wait(j.waiter("timer"));
    virtual_clock::advance(10s - 1ns);
    io.poll();
    CHECK(j.take().empty());
    virtual_clock::advance(1ns);
    CHECK(j.take().empty()); // Never from inside advance().
    io.poll();
    CHECK(j.take() == trace{"timer"});
}

TEST_CASE("virtual timer: those that are due complete in the order of their expiry", "[testing]") {
    asio::io_context io;
    timer_journal j;
    virtual_timer a(io, 3s), b(io, 1s), c(io, 2s), d(io, 1s), e(io, 4s);
    a.async_wait(j.waiter("a"));
    b.async_wait(j.waiter("b"));
    c.async_wait(j.waiter("c"));
    d.async_wait(j.waiter("d"));
    e.async_wait(j.waiter("e"));
    virtual_clock::advance(3s);
    io.poll();
    CHECK(j.take() == trace{"b", "d", "c", "a"});
}

TEST_CASE("virtual timer: a wait for what is past completes at once", "[testing]") {
    asio::io_context io;
    timer_journal j;
    virtual_timer timer(io, 0s);
    timer.async_wait(j.waiter("timer"));
    CHECK(j.take().empty());
    io.poll();
    CHECK(j.take() == trace{"timer"});
}

TEST_CASE("virtual timer: a new expiry, cancel and the destructor cancel what waits", "[testing]") {
    asio::io_context io;
    timer_journal j;
    auto timer = std::make_unique<virtual_timer>(io, 1s);
    timer->async_wait(j.waiter("one"));
    timer->async_wait(j.waiter("two"));
    CHECK(timer->expires_after(2s) == 2);
    timer->async_wait(j.waiter("three"));
    CHECK(timer->cancel() == 1);
    timer->async_wait(j.waiter("four"));
    timer.reset();
    virtual_clock::advance(1h);
    io.poll();
    CHECK(j.take() == trace{"one cancelled", "two cancelled", "three cancelled", "four cancelled"});
}

TEST_CASE("virtual timer: a cancellation slot ends its own wait only", "[testing]") {
    asio::io_context io;
    timer_journal j;
    asio::cancellation_signal signal;
    virtual_timer timer(io, 1s);
    timer.async_wait(asio::bind_cancellation_slot(signal.slot(), j.waiter("one")));
    timer.async_wait(j.waiter("two"));
    signal.emit(asio::cancellation_type::terminal);
    io.poll();
    CHECK(j.take() == trace{"one cancelled"});
    virtual_clock::advance(1s);
    signal.emit(asio::cancellation_type::terminal); // Has nothing to cancel any more.
    io.poll();
    CHECK(j.take() == trace{"two"});
}

TEST_CASE("virtual timer: a coroutine sleeps for as long as it says", "[testing]") {
    asio::io_context io;
    timer_journal j;
    const auto sleep = [&]() -> asio::awaitable<void> {
        virtual_timer timer(io, 1s);
        co_await timer.async_wait(asio::use_awaitable);
        j.lines.push_back("one second");
        timer.expires_after(1h);
        co_await timer.async_wait(asio::use_awaitable);
        j.lines.push_back("an hour");
    };
    asio::co_spawn(io, sleep(), asio::detached);
    io.poll();
    CHECK(j.take().empty());
    virtual_clock::advance(1s);
    io.poll();
    CHECK(j.take() == trace{"one second"});
    virtual_clock::advance(1h);
    io.poll();
    CHECK(j.take() == trace{"an hour"});
}

TEST_CASE("virtual timer: what still waits is destroyed with the io_context, and nobody is called", "[testing]") {
    timer_journal j;
    std::weak_ptr<int> watched;
    {
        asio::io_context io;
        auto owner = std::make_shared<std::pair<virtual_timer, int>>(std::piecewise_construct, std::forward_as_tuple(io, 1s),
                                                                     std::forward_as_tuple(0));
        watched = std::shared_ptr<int>(owner, &owner->second);
        owner->first.async_wait([owner, waiter = j.waiter("timer")](std::error_code error) { waiter(error); });
        owner.reset();
        CHECK_FALSE(watched.expired());
    }
    CHECK(watched.expired());
    CHECK(j.take().empty());
}
