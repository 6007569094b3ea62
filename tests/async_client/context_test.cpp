// A client ends with the execution context that serves it.
#include "support/async_fixture.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/use_awaitable.hpp>

namespace {

struct at_end {
    bool& flag;
    explicit at_end(bool& f) : flag(f) {}
    ~at_end() { flag = true; }
};

asio::awaitable<void> wait_for_ever(asio::io_context& io, std::uint16_t port, bool& has_ended) {
    const at_end e(has_ended);
    async_client client(io, options_for(port));
    co_await client.async_connect(asio::use_awaitable);
    message m("a", "x", qos::at_least_once);
    client.async_publish(m, asio::detached);
    co_await client.async_receive(asio::use_awaitable);
}

} // namespace

TEST_CASE("async_client: a coroutine that waits for a client of its own goes away with the io_context", "[async_client]") {
    fake_server server(fake_server::accepting);
    bool has_ended = false;
    {
        asio::io_context io;
        asio::co_spawn(io, wait_for_ever(io, server.port(), has_ended), asio::detached);
        while (server.count("PUBLISH") == 0) io.run_one_for(10ms);
        CHECK_FALSE(has_ended);
    }
    CHECK(has_ended);
}
