// Clients over a network in memory, on virtual time.
#include "support/catch.hpp"
#include "support/options_for.hpp"
#include "support/short_names.hpp"

#include <inflight/testing/memory_transport.hpp>

#include <asio/use_awaitable.hpp>

using namespace inflight;
using namespace std::chrono_literals;
using testing::direction, testing::link_state, testing::memory_client, testing::network;

namespace {

/// What an operation ended with.
struct outcome {
    int calls = 0;
    std::error_code error{};
    auto handler() {
        return [this](std::error_code e, auto&&...) {
            ++calls;
            error = e;
        };
    }
};

void join(network& net, memory_client& client) {
    outcome o;
    client.async_connect(o.handler());
    REQUIRE(net.run_until([&] { return o.calls == 1; }));
    REQUIRE_FALSE(o.error);
}

std::uint64_t received(network& net, packet_type type) { return net.server().counters().received(type); }

/// Lines of the trace that hold `text`.
std::vector<std::string> lines(network& net, std::string_view text) {
    std::vector<std::string> out;
    for (const std::string& line : net.server().trace())
        if (line.find(text) != line.npos) out.push_back(line);
    return out;
}

const message temperature("sensor/temperature", "temp:20", qos::at_least_once);

} // namespace

TEST_CASE("network: a client talks to itself through the server, and no time passes", "[testing]") {
    network net;
    memory_client client(net.context(), options_for("c"));
    const auto before = net.now();
    std::string got;
    net.run([&]() -> asio::awaitable<void> {
        co_await client.async_connect(asio::use_awaitable);
        co_await client.async_subscribe("sensor/#", qos::exactly_once, asio::use_awaitable);
        co_await client.async_publish(temperature, asio::use_awaitable);
        got = (co_await client.async_receive(asio::use_awaitable)).payload;
        co_await client.async_disconnect(asio::use_awaitable);
    }());
    CHECK(got == "temp:20");
    CHECK(net.now() == before);
    CHECK(received(net, packet_type::disconnect) == 1);
}

TEST_CASE("network: run returns what the coroutine returns, throws what it throws, and gives up on one that hangs", "[testing]") {
    network net;
    CHECK(net.run([]() -> asio::awaitable<int> { co_return 7; }()) == 7);
    const auto broken = []() -> asio::awaitable<void> {
        throw std::invalid_argument("broken");
        co_return;
    };
    CHECK_THROWS_AS(net.run(broken()), std::invalid_argument);
    testing::virtual_timer timer(net.context(), 2h);
    CHECK_THROWS_AS(net.run(timer.async_wait(asio::use_awaitable), 1h), std::runtime_error);
}

TEST_CASE("network: run_until stops at the moment at which its condition is true", "[testing]") {
    network net;
    const auto before = net.now();
    int calls = 0;
    testing::virtual_timer one(net.context(), 1s), other(net.context(), 1s);
    one.async_wait([&](std::error_code) { ++calls; });
    other.async_wait([&](std::error_code) { ++calls; });
    CHECK(net.run_until([&] { return calls == 1; }));
    CHECK(net.now() == before + 1s);
    CHECK_FALSE(net.run_until([&] { return calls == 3; }, 1min));
    CHECK(calls == 2);
    CHECK(net.now() == before + 61s);
}

TEST_CASE("network: several clients meet at one server", "[testing]") {
    network net;
    std::vector<std::unique_ptr<memory_client>> clients;
    std::vector<std::string> got;
    for (const std::string id : {"a", "b", "c"}) {
        clients.push_back(std::make_unique<memory_client>(net.context(), options_for(id, id == "b" ? v3 : v5)));
        join(net, *clients.back());
        clients.back()->async_subscribe("all", qos::at_least_once, [](auto...) {});
        clients.back()->async_receive([&got, id](std::error_code, const received_message& m) { got.push_back(id + m.payload); });
    }
    net.run_ready();
    clients[1]->publish("all", "1", qos::at_least_once);
    net.run_ready();
    std::sort(got.begin(), got.end());
    CHECK(got == std::vector<std::string>{"a1", "b1", "c1"});
}

TEST_CASE("network: a scenario goes the same way each time it is run", "[testing]") {
    const auto run = [] {
        network net;
        memory_client a(net.context(), options_for("a")), b(net.context(), options_for("b", v3));
        a.async_connect([](auto...) {});
        b.async_connect([](auto...) {});
        b.async_subscribe("t/#", qos::exactly_once, [](auto...) {});
        net.server().faults().lose(direction::to_client, packet_type::puback, 2).cut_after(direction::to_server, 200);
        for (int i = 0; i != 20; ++i) {
            a.publish("t/1", std::to_string(i), static_cast<qos>(i % 3));
            net.run_for(7s);
        }
        return net.server().trace();
    };
    const auto first = run();
    CHECK(first.size() > 60);
    CHECK(first == run());
}

TEST_CASE("network: a lost PUBACK makes 3.1.1 send the message again with DUP, when ack_timeout has passed", "[testing]") {
    network net;
    memory_client client(net.context(), options_for("c", v3));
    join(net, client);
    net.server().faults().lose(direction::to_client, packet_type::puback);
    outcome acked;
    const auto before = net.now();
    client.async_publish(temperature, acked.handler());
    REQUIRE(net.run_until([&] { return acked.calls == 1; }));
    CHECK_FALSE(acked.error);
    CHECK(net.now() - before == client_options{}.ack_timeout);
    CHECK(net.server().faults().pending().empty());
    const auto sent = lines(net, "PUBLISH");
    REQUIRE(sent.size() == 2);
    CHECK(sent[0].find("dup") == std::string::npos);
    CHECK(sent[1].find("dup") != std::string::npos);
    CHECK(net.server().counters().connections == 1);
}

TEST_CASE("network: a lost PUBACK makes 5.0 reconnect and send the message again with DUP", "[testing]") {
    network net;
    memory_client client(net.context(), options_for("c"));
    join(net, client);
    net.server().faults().lose(direction::to_client, packet_type::puback);
    outcome acked;
    client.async_publish(temperature, acked.handler());
    REQUIRE(net.run_until([&] { return acked.calls == 1; }));
    CHECK_FALSE(acked.error);
    CHECK(net.server().counters().connections == 2);
    const auto sent = lines(net, "PUBLISH");
    REQUIRE(sent.size() == 2);
    CHECK(sent[1].starts_with("2 -> PUBLISH qos=1 dup"));
}

TEST_CASE("network: over a day without a server a client backs off, and costs no real time", "[testing]") {
    network net;
    bool is_busy = true;
    testing::server_options busy;
    busy.authenticate = [&](const auto&) { return is_busy ? reason_code::server_busy : reason_code::success; };
    net.server().set_options(busy);
    memory_client client(net.context(), options_for("c"));
    outcome connected;
    client.async_connect(connected.handler());
    const auto real = std::chrono::steady_clock::now();
    net.run_for(24h);
    CHECK(std::chrono::steady_clock::now() - real < 1min);
    CHECK(connected.calls == 0);
    const auto attempts = net.server().counters().connections;
    CHECK(attempts > 576); // The greatest wait is two minutes, give or take a quarter.
    CHECK(attempts < 970);
    is_busy = false;
    REQUIRE(net.run_until([&] { return connected.calls == 1; }, 150s));
    CHECK_FALSE(connected.error);
}

TEST_CASE("network: while the link is down connections are refused, and those that stand are reset", "[testing]") {
    network net;
    auto options = options_for("c");
    std::vector<std::error_code> ends;
    options.on_disconnected = [&](const disconnect_result& r) { ends.push_back(r.error); };
    memory_client client(net.context(), options);
    join(net, client);
    net.set_link(link_state::down);
    net.run_for(1h);
    CHECK(ends == std::vector<std::error_code>{asio::error::connection_reset});
    CHECK(net.server().counters().connections == 1);
    net.set_link(link_state::up);
    CHECK(net.run_until([&] { return client.is_connected(); }, 150s));
}

TEST_CASE("network: an idle client pings once per keep alive", "[testing]") {
    network net;
    auto options = options_for("c");
    options.keep_alive = 60s;
    memory_client client(net.context(), options);
    join(net, client);
    net.run_for(1h);
    CHECK(received(net, packet_type::pingreq) == 60);
    CHECK(net.server().counters().connections == 1);
}

TEST_CASE("network: on a silent link both ends give up after their keep alive, and meet again when it speaks", "[testing]") {
    network net;
    auto options = options_for("c");
    options.keep_alive = 60s;
    std::vector<std::error_code> ends;
    options.on_disconnected = [&](const disconnect_result& r) { ends.push_back(r.error); };
    memory_client client(net.context(), options), watcher(net.context(), options_for("w"));
    join(net, watcher);
    join(net, client);
    net.set_link(link_state::silent);
    net.run_for(2min);
    CHECK(ends == std::vector<std::error_code>{make_error_code(errc::keep_alive_timeout)});
    outcome acked;
    client.async_publish(temperature, acked.handler());
    net.run_for(1h);
    CHECK(acked.calls == 0);
    net.set_link(link_state::up);
    REQUIRE(net.run_until([&] { return acked.calls == 1; }, 150s));
    CHECK_FALSE(acked.error);
}

TEST_CASE("network: a client that has several brokers goes on to the next when one is down", "[testing]") {
    network net;
    auto& spare = net.add_server("spare");
    auto options = options_for("c");
    options.brokers = {{"first", 1883}, {"spare", 1883}};
    memory_client client(net.context(), options);
    join(net, client);
    CHECK(spare.counters().connections == 0);
    net.set_link(link_state::down);
    net.set_link("spare", link_state::up);
    CHECK(net.run_until([&] { return spare.counters().connections == 1; }, 10s));
    net.run_ready();
    CHECK(client.is_connected());
}

TEST_CASE("network: the Will of a client whose connection is cut reaches the others", "[testing]") {
    network net;
    auto options = options_for("c");
    options.will = will_message{"gone", "c", qos::at_least_once, false, {}};
    memory_client client(net.context(), options), watcher(net.context(), options_for("w"));
    join(net, watcher);
    watcher.async_subscribe("gone", qos::at_least_once, [](auto...) {});
    std::string who;
    watcher.async_receive([&](std::error_code, const received_message& m) { who = m.payload; });
    join(net, client);
    net.server().faults().cut_after(direction::to_server, 1);
    client.publish("cut", "here");
    net.run_ready();
    CHECK(who == "c");
}

TEST_CASE("network: a megabyte passes in both directions", "[testing]") {
    network net;
    memory_client client(net.context(), options_for("c"));
    const std::string large(1 << 20, 'x');
    std::string got;
    net.run([&]() -> asio::awaitable<void> {
        co_await client.async_connect(asio::use_awaitable);
        co_await client.async_subscribe("large", qos::exactly_once, asio::use_awaitable);
        co_await client.async_publish({"large", large, qos::exactly_once}, asio::use_awaitable);
        got = (co_await client.async_receive(asio::use_awaitable)).payload;
    }());
    CHECK(got == large);
}

TEST_CASE("network: a silent link takes as much as a socket does, and no more", "[testing]") {
    network net;
    memory_client client(net.context(), options_for("c"));
    join(net, client);
    net.set_link(link_state::silent);
    outcome small, large;
    client.async_publish({"a", "small", qos::at_most_once}, small.handler()); // Complete when they have been written.
    client.async_publish({"a", std::string(1 << 20, 'x'), qos::at_most_once}, large.handler());
    net.run_ready();
    CHECK(small.calls == 1);
    CHECK(large.calls == 0);
    net.set_link(link_state::up);
    net.run_ready();
    CHECK(large.calls == 1);
    CHECK(net.server().counters().messages_in == 2);
}

TEST_CASE("network: clients and coroutines that wait when it ends leave nothing behind", "[testing]") {
    network net;
    memory_client client(net.context(), options_for("c"));
    join(net, client);
    outcome acked;
    net.set_link(link_state::silent);
    client.async_publish(temperature, acked.handler());
    client.async_receive(acked.handler());
    net.run_ready();
    CHECK(acked.calls == 0); // The rest is for the leak sanitizer.
}

TEST_CASE("network: a transport on a foreign executor says what is wrong", "[testing]") {
    asio::io_context io;
    CHECK_THROWS_AS(testing::memory_transport(io.get_executor()), std::logic_error);
}

TEST_CASE("network: topic aliases both ways shorten packets, and the application sees full topics", "[testing][async_client]") {
    testing::server_options o;
    o.topic_alias_maximum = o.topic_aliases_to_clients = 2;
    network net(o);
    client_options options = options_for("c");
    options.topic_alias_maximum = 2;
    memory_client client(net.context(), options);
    join(net, client);
    const std::vector<std::string> topics{"sensor/1", "sensor/2", "sensor/3", "sensor/1", "sensor/3", "sensor/2", "sensor/1"};
    std::vector<std::string> got;
    net.run([&]() -> asio::awaitable<void> {
        co_await client.async_subscribe("sensor/#", qos::exactly_once, asio::use_awaitable);
        for (const qos level : {qos::at_most_once, qos::at_least_once, qos::exactly_once})
            for (const std::string& topic : topics) {
                co_await client.async_publish(message(topic, "x", level), asio::use_awaitable);
                got.push_back((co_await client.async_receive(asio::use_awaitable)).topic);
            }
    }());
    for (std::size_t i = 0; i != got.size(); ++i) CHECK(got[i] == topics[i % topics.size()]);
    CHECK(got.size() == 21);
    CHECK(lines(net, "-> PUBLISH").size() == 21);
    CHECK(lines(net, "-> PUBLISH qos=0 topic='' topic_alias=1").size() == 2);
    CHECK(lines(net, "-> PUBLISH qos=2 topic=''").size() >= 3);
    CHECK(lines(net, "<- PUBLISH qos=2 topic=''").size() >= 3);
}
