// Hosts with several addresses: in which order they are tried, and that one that never answers costs little.
#include "support/async_fixture.hpp"

#include <asio/ip/tcp.hpp>

using asio::ip::tcp;
using inflight::detail::endpoint_list, inflight::detail::happy_eyeballs, inflight::detail::interleaved, inflight::detail::stream_socket;

namespace {

tcp::endpoint at(std::string_view address, std::uint16_t port) { return {asio::ip::make_address(address), port}; }

/// Listens on ::1, so that connecting is neither taken nor refused: its backlog is full.
class silent_listener {
public:
    silent_listener() {
        acceptor_.open(tcp::v6());
        acceptor_.bind({asio::ip::address_v6::loopback(), 0});
        acceptor_.listen(0);
        for (;;) { // Until one has no answer: in the backlog, or not to be connected at all.
            auto& s = sockets_.emplace_back(io_);
            bool is_connected = false;
            s.async_connect(acceptor_.local_endpoint(), [&](std::error_code e) { is_connected = !e; });
            io_.restart();
            io_.run_for(20ms);
            if (!is_connected) return;
        }
    }
    tcp::endpoint endpoint() const { return acceptor_.local_endpoint(); }

private:
    asio::io_context io_{1};
    tcp::acceptor acceptor_{io_};
    std::list<tcp::socket> sockets_{};
};

/// A port on which nobody listens, and which nobody else gets.
struct closed_port {
    asio::io_context io{1};
    tcp::socket keeper{io};

    explicit closed_port(tcp protocol) {
        keeper.open(protocol);
        keeper.bind({protocol == tcp::v6() ? asio::ip::make_address("::1") : asio::ip::make_address("127.0.0.1"), 0});
    }
    tcp::endpoint endpoint() const { return keeper.local_endpoint(); }
};

struct listener {
    asio::io_context& io;
    tcp::acceptor acceptor;
    explicit listener(asio::io_context& c, std::string_view address = "127.0.0.1") : io(c), acceptor(c, at(address, 0)) {}
    tcp::endpoint endpoint() const { return acceptor.local_endpoint(); }
};

/// One race, with what became of it.
struct race {
    asio::io_context io{1};
    int calls = 0;
    std::error_code error{};
    std::optional<stream_socket> winner{};
    std::vector<std::pair<stream_socket::endpoint_type, std::error_code>> told{};
    std::shared_ptr<happy_eyeballs> one{};

    void start(endpoint_list all, std::chrono::milliseconds delay) {
        one = std::make_shared<happy_eyeballs>(io.get_executor(), std::move(all), delay,
                                               [this](const auto& e, std::error_code failure) { told.emplace_back(e, failure); });
        one->start([this](std::error_code e, stream_socket s) {
            ++calls;
            error = e;
            winner.emplace(std::move(s));
        });
        CHECK(calls == 0);
    }
    /// Until there is nothing more to wait for: whoever has lost is closed by then.
    void run() {
        io.run_for(patience);
        CHECK(io.stopped());
        CHECK(calls == 1);
    }
};

} // namespace

TEST_CASE("happy eyeballs: IPv6 and IPv4 take turns, IPv6 first, each in the system's order", "[async_client]") {
    const auto a = at("192.0.2.1", 1), b = at("192.0.2.2", 1), c = at("192.0.2.3", 1), x = at("2001:db8::1", 1), y = at("2001:db8::2", 1);
    CHECK(interleaved(endpoint_list{a, b, c, x, y}) == endpoint_list{x, a, y, b, c});
    CHECK(interleaved(endpoint_list{x, y}) == endpoint_list{x, y});
    CHECK(interleaved(endpoint_list{b, a}) == endpoint_list{b, a});
    CHECK(interleaved({}).empty());
}

TEST_CASE("happy eyeballs: an address that does not answer costs the delay, and is closed when another one has won", "[async_client]") {
    const silent_listener silent;
    race r;
    const listener good(r.io);
    const auto begin = std::chrono::steady_clock::now();
    r.start(interleaved(endpoint_list{good.endpoint(), silent.endpoint()}), 30ms);
    r.run();
    CHECK_FALSE(r.error);
    CHECK(r.winner->remote_endpoint() == good.endpoint());
    CHECK(std::chrono::steady_clock::now() - begin >= 30ms);
    REQUIRE(r.told.size() == 2);
    CHECK(r.told[0].first == silent.endpoint());
    CHECK(r.told[1].first == good.endpoint());
}

TEST_CASE("happy eyeballs: after an address that fails the next one is tried at once", "[async_client]") {
    race r;
    const closed_port closed(tcp::v6());
    const listener good(r.io);
    r.start({closed.endpoint(), good.endpoint()}, 1h);
    r.run();
    CHECK_FALSE(r.error);
    CHECK(r.winner->remote_endpoint() == good.endpoint());
    REQUIRE(r.told.size() == 3);
    CHECK(r.told[1].first == closed.endpoint());
    CHECK(r.told[1].second == asio::error::connection_refused);
}

TEST_CASE("happy eyeballs: what was begun first may still win, and who comes second is closed", "[async_client]") {
    race r;
    listener first(r.io, "::1"), second(r.io);
    r.start({first.endpoint(), second.endpoint()}, 0ms);
    std::vector<tcp::socket> accepted;
    for (listener* l : {&first, &second})
        l->acceptor.async_accept([&accepted](std::error_code e, tcp::socket s) {
            if (!e) accepted.push_back(std::move(s));
        });
    while (r.calls == 0) r.io.run_one_for(patience);
    first.acceptor.close();
    second.acceptor.close();
    r.run();
    CHECK_FALSE(r.error);
    for (tcp::socket& s : accepted) {
        if (s.remote_endpoint() == r.winner->local_endpoint()) continue;
        char byte;
        std::error_code end;
        CHECK(s.read_some(asio::buffer(&byte, 1), end) == 0);
        CHECK(end == asio::error::eof);
    }
}

TEST_CASE("happy eyeballs: when all addresses fail the last error is told", "[async_client]") {
    race r;
    const closed_port v6(tcp::v6()), v4(tcp::v4());
    r.start({v6.endpoint(), v4.endpoint()}, 1h);
    r.run();
    CHECK(r.error == asio::error::connection_refused);
    CHECK(r.told.size() == 4);
}

TEST_CASE("happy eyeballs: closed, it ends once and soon, and abandoned without a word", "[async_client]") {
    const bool is_abandoned = GENERATE(false, true);
    const silent_listener silent;
    race r;
    r.start({silent.endpoint(), silent.endpoint()}, 0ms);
    r.io.run_one_for(20ms);
    if (is_abandoned) r.one->abandon();
    else r.one->close();
    r.io.run_for(patience);
    CHECK(r.io.stopped());
    CHECK(r.calls == (is_abandoned ? 0 : 1));
    if (!is_abandoned) CHECK(r.error == asio::error::operation_aborted);
}

TEST_CASE("happy eyeballs: it goes away with its io_context, and whoever waits for it with it", "[async_client]") {
    const silent_listener silent;
    std::weak_ptr<socket_transport> transport;
    int calls = 0;
    {
        asio::io_context io{1};
        const auto t = std::make_shared<socket_transport>(io.get_executor());
        transport = t;
        t->async_open({"::1", silent.endpoint().port()}, {}, [t, &calls](std::error_code) { ++calls; });
        io.run_one_for(1ms);
    }
    CHECK(transport.expired());
    CHECK(calls == 0);
}

TEST_CASE("async_client: a broker whose address does not answer costs the connect timeout, and events tell where it tried",
          "[async_client]") {
    const silent_listener silent;
    async_fixture f(fake_server::accepting);
    client_options options = f.options(v5);
    options.brokers = {{"::1", silent.endpoint().port()}, {"127.0.0.1", f.server.port()}};
    options.connect_timeout = 50ms;
    std::vector<std::string> steps;
    options.on_connection_event = [&](const connection_event& e) { steps.push_back(print(e)); };
    async_client client(f.io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    f.wait(o);
    f.settle();
    const std::string dead = "[::1]:" + std::to_string(silent.endpoint().port()), good = "127.0.0.1:" + std::to_string(f.server.port());
    REQUIRE(steps.size() == 6);
    CHECK(steps[0] == "connecting to " + dead + " (" + dead + ")");
    CHECK(steps[1] == "lost " + dead + ": no connection within the time limit");
    CHECK(steps[2].starts_with("waiting "));
    CHECK(steps[3] == "connecting to " + good + " (" + good + ")");
    CHECK(steps[4] == "connected to " + good + ", awaiting CONNACK");
    CHECK(steps[5] == "accepted by " + good);
}
