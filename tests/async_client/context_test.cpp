// A client ends with the execution context that serves it.
#include "support/async_fixture.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/strand.hpp>
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

TEST_CASE("async_client: what pends in a client on a strand goes away with the io_context", "[async_client]") {
    using strand_client = basic_async_client<default_transport, memory_store, std::mutex>;
    const auto owned = std::make_shared<int>();
    {
        asio::io_context io;
        const async_client first(io, options_for(1)); // Makes its service before there is one for strands.
        const auto client = std::make_shared<strand_client>(asio::make_strand(io), options_for(1));
        for (int i = 0; i != 3; ++i)
            client->async_publish(message("a", "x", qos::at_least_once), [client, owned](std::error_code, publish_ack) {});
        CHECK(owned.use_count() == 4);
    }
    CHECK(owned.use_count() == 1);
}
