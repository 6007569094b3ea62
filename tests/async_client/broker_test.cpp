// Several brokers: in which order they are tried, which one has the session, and where they send their clients. Servers
// and network in memory, on virtual time.
#include "support/catch.hpp"
#include "support/options_for.hpp"
#include "support/short_names.hpp"

#include <inflight/async_client/redirect.hpp>
#include <inflight/testing/memory_transport.hpp>

#include <set>

using namespace inflight;
using namespace std::chrono_literals;
using testing::link_state, testing::memory_client, testing::network;

namespace {

using names = std::vector<std::string>;

/// Servers by their names, and one client.
struct broker_world {
    network net{};
    client_options options = options_for("c");
    std::optional<memory_client> client{};
    std::error_code error{};
    connect_result result{};
    int calls = 0, published = 0;
    names steps{};

    explicit broker_world(const names& servers) {
        options.brokers.clear();
        for (const std::string& name : servers) {
            net.add_server(name);
            options.brokers.push_back({name, 1883});
        }
        options.on_connection_event = [this](const connection_event& e) { steps.push_back(print(e)); };
    }
    testing::server& server(const std::string& name) { return net.add_server(name); } // The one that is there.
    void refers(const std::string& name, std::string to) {
        testing::server_options o;
        o.server_reference = std::move(to);
        server(name).set_options(o);
    }

    void connect() {
        if (!client) client.emplace(net.context(), options);
        client->async_connect([this](std::error_code e, connect_result r) {
            ++calls;
            error = e;
            result = std::move(r);
        });
    }
    bool wait() { return net.run_until([this] { return calls != 0; }); }
    /// A retained message, which counts as published when it is acknowledged.
    void publish() {
        client->async_publish(message("t", "x", qos::at_least_once, true), [this](std::error_code e, publish_ack) {
            CHECK_FALSE(e);
            ++published;
        });
        net.run_ready();
    }
    /// The server that the client is connected to, or "".
    std::string where() {
        for (const std::string name : {"a", "b", "c", "d"})
            if (const auto id = server(name).connection_of("c"); id && !server(name).is_closing(*id)) return name;
        return "";
    }
    bool reaches(const std::string& name) { return net.run_until([&] { return client->is_connected() && where() == name; }, 1h); }
    /// The CONNECTs that this server has got.
    names connects(const std::string& name) {
        names out;
        for (const std::string& line : server(name).trace())
            if (line.find("-> CONNECT") != line.npos) out.push_back(line.find("clean_start") != line.npos ? "clean" : "resume");
        return out;
    }
    void lose(const std::string& name) {
        net.set_link(name, link_state::down);
        net.run_ready();
    }
    void find_again(const std::string& name) { net.set_link(name, link_state::up); }
    void send_away(const std::string& name, reason_code why) {
        const auto id = server(name).connection_of("c");
        REQUIRE(id);
        server(name).disconnect(*id, why, net.now());
    }
};

std::string list(std::string_view reference) {
    const auto all = parse_server_reference(reference, broker{.port = 1883});
    if (!all) return std::string(row(all.error()).text);
    std::string out;
    for (const broker& one : *all) out += one.host + '|' + std::to_string(one.port) + ' ';
    return out;
}

} // namespace

TEST_CASE("brokers: a Server Reference is names and addresses with or without ports, parted by spaces", "[async_client][v5:U5-28]") {
    CHECK(list("myserver.xyz.org") == "myserver.xyz.org|1883 ");
    CHECK(list("myserver.xyz.org:8883") == "myserver.xyz.org|8883 ");
    CHECK(list("10.10.151.22:8883 [fe80::9610:3eff:fe1c]:1884") == "10.10.151.22|8883 fe80::9610:3eff:fe1c|1884 ");
    CHECK(list("  [::1]   b ") == "::1|1883 b|1883 ");
    CHECK(list("a:65535") == "a|65535 ");
    const std::string bad = GENERATE("", "   ", ":1883", "a:", "a:0", "a:65536", "a:-1", "a:1x", "a:1:2", "::1", "[::1", "[]", "[::1]x",
                                     "[::1]:", "good.example a:", "a[b", "mqtt://a", "a\r\nHost:b", "[fe80::1%\r\n]");
    CAPTURE(bad);
    CHECK(list(bad) == row(errc::server_reference_invalid).text);
}

TEST_CASE("brokers: those that a broker refers to are reached as it is itself, with its path and login", "[async_client]") {
    const auto from = parse_broker("wss://jane:secret@first:8443/path");
    REQUIRE(from);
    const auto to = parse_server_reference("second third:1", *from);
    REQUIRE(to);
    CHECK((to->at(0) == broker{"second", 8443, transport_kind::secure_websocket, std::string("/path"), credentials{"jane", "secret"}}));
    CHECK(to->at(1).port == 1);
    CHECK(to->at(1).transport == transport_kind::secure_websocket);
    const auto socket = parse_broker("unix:/run/mqtt"); // There is no such way to another host.
    CHECK(parse_server_reference("second", *socket).error() == errc::server_reference_invalid);
}

TEST_CASE("brokers: they are tried in turn, and from the beginning again", "[async_client]") {
    broker_world w({"a", "b", "c"});
    for (const std::string name : {"a", "b", "c"}) w.lose(name);
    w.connect();
    w.net.run_for(20s);
    w.find_again("b");
    REQUIRE(w.wait());
    CHECK_FALSE(w.error);
    CHECK(w.where() == "b");
    names tried;
    for (const std::string& s : w.steps)
        if (s.starts_with("waiting")) tried.push_back(s.substr(s.find("trying ") + 7));
    REQUIRE(tried.size() >= 4);
    CHECK(names(tried.begin(), tried.begin() + 4) == names{"b:1883", "c:1883", "a:1883", "b:1883"});
}

TEST_CASE("brokers: in random order clients differ, and each tries all before it tries one again", "[async_client]") {
    std::set<names> orders;
    for (std::uint64_t seed = 1; seed != 30; ++seed) {
        broker_world w({"a", "b", "c"});
        w.options.order = broker_order::random;
        w.options.seed = seed * 0x9E37'79B9; // Far apart, as those that are drawn.
        for (const std::string name : {"a", "b", "c"}) w.lose(name);
        w.connect();
        w.net.run_for(30s);
        names tried;
        for (const std::string& s : w.steps)
            if (s.starts_with("lost")) tried.push_back(s.substr(5, 1));
        REQUIRE(tried.size() >= 4);
        CHECK(tried[3] == tried[0]);
        tried.resize(3);
        CHECK(std::set<std::string>(tried.begin(), tried.end()).size() == 3);
        orders.insert(tried);
    }
    CHECK(orders.size() >= 4);
}

TEST_CASE("brokers: another broker begins the session anew and gets what is not acknowledged, a kept session too",
          "[async_client][v5:MQTT-3.1.2-4]") {
    const bool shared = GENERATE(false, true), kept = GENERATE(false, true);
    CAPTURE(shared, kept);
    broker_world w({"a", "b"});
    w.options.brokers_share_sessions = shared;
    if (kept) w.options.keep_session_for(1h);
    w.server("a").faults().lose(testing::direction::to_client, packet_type::puback);
    w.connect();
    REQUIRE(w.wait());
    w.publish();
    CHECK(w.published == 0);
    w.lose("a");
    REQUIRE(w.reaches("b"));
    w.net.run_ready();
    CHECK(w.published == 1);
    CHECK(w.connects("b") == names{shared ? "resume" : "clean"});
    CHECK(w.server("b").retained("t").size() == 1);
}

TEST_CASE("brokers: back at the broker that has the session it is resumed, unless another one has answered meanwhile",
          "[async_client]") {
    const bool other_answers = GENERATE(false, true);
    broker_world w({"a", "b"});
    if (!other_answers) w.lose("b");
    w.connect();
    REQUIRE(w.wait());
    w.lose("a");
    w.net.run_for(10s);
    w.find_again("a");
    w.lose("b");
    REQUIRE(w.reaches("a"));
    CHECK(w.connects("a") == names{"clean", other_answers ? "clean" : "resume"});
}

TEST_CASE("brokers: another broker may speak another version, and the first one's is remembered", "[async_client]") {
    broker_world w({"a", "b"});
    w.options.version.reset();
    testing::server_options old;
    old.v5 = false;
    w.server("b").set_options(old);
    w.connect();
    REQUIRE(w.wait());
    CHECK(w.result.version == v5);
    w.lose("a");
    REQUIRE(w.reaches("b"));
    w.find_again("a");
    w.lose("b");
    REQUIRE(w.reaches("a"));
    CHECK(w.connects("a").size() == 2);
}

TEST_CASE("brokers: while it drains a client may change to another broker, and nothing is left over", "[async_client]") {
    const bool has_other = GENERATE(true, false);
    broker_world w({"a", "b"});
    if (!has_other) w.lose("b");
    w.options.drain_timeout = 5s;
    w.connect();
    REQUIRE(w.wait());
    w.net.set_link("a", link_state::silent);
    int published = 0;
    for (int i = 0; i != 3; ++i)
        w.client->async_publish(message("t", "x", qos::exactly_once), [&](std::error_code e, publish_ack) {
            CHECK(e == (has_other ? std::error_code{} : make_error_code(errc::not_connected)));
            ++published;
        });
    w.net.run_for(1ms);
    std::optional<std::size_t> left;
    w.client->async_disconnect([&](std::error_code e, std::size_t n) {
        CHECK_FALSE(e);
        left = n;
    });
    w.net.run_for(1ms);
    w.lose("a");
    const auto begin = w.net.now();
    REQUIRE(w.net.run_until([&] { return left.has_value(); }, 1min));
    w.net.run_ready();
    CHECK(*left == (has_other ? 0u : 3u));
    CHECK(published == 3);
    CHECK(w.net.now() - begin <= 5s);
    CHECK(w.server("b").counters().received(packet_type::disconnect) == (has_other ? 1u : 0u));
}

TEST_CASE("async_client: with retry_first_connection off each broker is tried once, at once", "[async_client]") {
    const bool has_one = GENERATE(true, false);
    broker_world w({"a", "b", "c"});
    w.options.retry_first_connection = false;
    w.net.set_link("a", link_state::down);
    w.net.set_link("b", link_state::down);
    if (!has_one) w.net.set_link("c", link_state::down);
    const auto begin = w.net.now();
    w.connect();
    REQUIRE(w.wait());
    CHECK(w.net.now() == begin);
    CHECK(w.error == (has_one ? std::error_code{} : make_error_code(asio::error::connection_refused)));
    CHECK(w.where() == (has_one ? "c" : ""));
}

// Redirections.

TEST_CASE("redirect: by default none is followed, and the broker's code and reference are told", "[async_client][v5:U5-28]") {
    broker_world w({"a"});
    w.net.add_server("b");
    w.refers("a", "b");
    w.options.retry_first_connection = false;
    w.server("a").faults().refuse(reason_code::use_another_server);
    w.connect();
    REQUIRE(w.wait());
    CHECK(w.error == reason_code::use_another_server);
    CHECK(w.result.server_reference == "b");
    CHECK(w.connects("b").empty());
}

TEST_CASE("redirect: a reference in CONNACK or DISCONNECT is followed at once, for a while or for good",
          "[async_client][v5:U5-28]") {
    const bool in_connack = GENERATE(true, false), for_good = GENERATE(true, false);
    CAPTURE(in_connack, for_good);
    const auto why = for_good ? reason_code::server_moved : reason_code::use_another_server;
    broker_world w({"a"});
    w.net.add_server("b");
    w.net.add_server("c");
    w.refers("a", "down.example b:1883 c");
    w.options.max_redirects = 1;
    w.net.add_server("down.example");
    w.net.set_link("down.example", link_state::down);
    w.options.brokers_share_sessions = GENERATE(false, true);
    if (in_connack) w.server("a").faults().refuse(why);
    w.connect();
    const auto begin = w.net.now();
    if (!in_connack) {
        REQUIRE(w.wait());
        w.send_away("a", why);
    }
    REQUIRE(w.net.run_until([&] { return !w.steps.empty() && w.steps.back().starts_with("waiting"); }));
    CHECK(w.net.now() == begin); // The first of the reference is down.
    REQUIRE(w.reaches("b"));
    REQUIRE(w.wait());
    CHECK_FALSE(w.error);
    CHECK(w.connects("b") == names{!in_connack && w.options.brokers_share_sessions ? "resume" : "clean"});

    w.lose("b"); // A stay for a while is over; who moved for good has three brokers in its place.
    REQUIRE(w.reaches(for_good ? "c" : "a"));
    CHECK(w.connects("a").size() == (for_good ? 1u : 2u));
}

TEST_CASE("redirect: what is not acknowledged goes to the other server", "[async_client]") {
    broker_world w({"a"});
    w.net.add_server("b");
    w.refers("a", "b");
    w.options.max_redirects = 3;
    w.server("a").faults().lose(testing::direction::to_client, packet_type::puback);
    w.connect();
    REQUIRE(w.wait());
    w.publish();
    w.send_away("a", reason_code::use_another_server);
    w.net.run_ready();
    CHECK(w.published == 1);
    CHECK(w.server("b").retained("t").size() == 1);
}

TEST_CASE("redirect: servers that refer to one another are left after so many references, until the next attempt",
          "[async_client]") {
    const bool gives_up = GENERATE(true, false), after_connack = GENERATE(true, false);
    CAPTURE(gives_up, after_connack);
    broker_world w({"a"});
    w.net.add_server("b");
    w.refers("a", "b");
    w.refers("b", "a");
    w.options.max_redirects = 4;
    w.options.retry_first_connection = !gives_up;
    if (after_connack) {
        w.connect();
        REQUIRE(w.wait());
        const auto begin = w.net.now();
        while (w.net.now() == begin) {
            const std::string at = w.where();
            if (at.empty()) {
                (void)w.net.run_until([&] { return !w.where().empty(); });
                continue;
            }
            w.send_away(at, reason_code::use_another_server);
            w.net.run_ready();
        }
        CHECK(w.connects("a").size() + w.connects("b").size() == 6); // One, four more, and one after a wait.
        return;
    }
    for (const std::string name : {"a", "b"})
        for (int i = 0; i != 3; ++i) w.server(name).faults().refuse(reason_code::use_another_server);
    w.connect();
    w.net.run_ready();
    CHECK(w.connects("a").size() + w.connects("b").size() == 5);
    if (gives_up) {
        CHECK(w.error == errc::too_many_redirects);
        CHECK(w.error == error_condition::transient);
        CHECK(w.result.reason == reason_code::use_another_server);
    } else {
        REQUIRE(w.wait());
        CHECK_FALSE(w.error);
    }
}

TEST_CASE("redirect: a reference that cannot be read is an error of its own, and the list goes on", "[async_client]") {
    const bool gives_up = GENERATE(true, false);
    broker_world w(gives_up ? names{"a"} : names{"a", "b"});
    w.refers("a", GENERATE("", "a:", "http://b"));
    w.options.max_redirects = 1;
    w.options.retry_first_connection = !gives_up;
    w.server("a").faults().refuse(GENERATE(reason_code::use_another_server, reason_code::server_moved));
    w.connect();
    REQUIRE(w.wait());
    if (gives_up) {
        CHECK(w.error == errc::server_reference_invalid);
        CHECK(is_refusal(w.result.reason));
    } else {
        CHECK_FALSE(w.error);
        CHECK(w.where() == "b");
    }
}

TEST_CASE("redirect: accept_redirect is asked about each server, and where it says no nothing is sent", "[async_client]") {
    const bool accepts = GENERATE(true, false);
    broker_world w({"a"});
    w.net.add_server("b");
    w.net.add_server("c");
    w.refers("a", "b:1 c:2");
    w.options.max_redirects = 1;
    w.options.retry_first_connection = false;
    names asked;
    w.options.accept_redirect = [&](const broker& to) {
        asked.push_back(to.host + ':' + std::to_string(to.port));
        CHECK_FALSE(w.client->is_connected()); // It may call the client.
        return accepts && to.host == "c";
    };
    w.server("a").faults().refuse(reason_code::use_another_server);
    w.connect();
    REQUIRE(w.wait());
    CHECK(asked == names{"b:1", "c:2"});
    CHECK(w.connects("b").empty());
    CHECK(w.error == (accepts ? std::error_code{} : make_error_code(reason_code::use_another_server)));
    CHECK(w.where() == (accepts ? "c" : ""));
}

TEST_CASE("redirect: when it drains, and the last answer was there, a client stays away", "[async_client]") {
    broker_world w({"a"});
    w.net.add_server("b");
    w.refers("a", "b");
    w.options.max_redirects = 1;
    w.connect();
    REQUIRE(w.wait());
    w.client->async_disconnect([](std::error_code, std::size_t) {});
    w.send_away("a", reason_code::use_another_server);
    w.net.run_for(1min);
    CHECK(w.connects("b").empty());
}

TEST_CASE("connection events: they tell each step, in order, with what went wrong", "[async_client]") {
    broker_world w({"a", "b"});
    w.lose("a");
    w.server("b").faults().refuse(reason_code::server_busy);
    w.connect();
    REQUIRE(w.net.run_until([&] { return w.steps.size() == 5; }, 1h));
    w.find_again("a");
    REQUIRE(w.wait());
    w.client->async_disconnect([](std::error_code, std::size_t) {});
    w.net.run_for(1min);
    for (std::string& s : w.steps)
        if (s.starts_with("waiting")) s.replace(8, s.find(" ms") - 8, "n");
    const std::string refused = std::error_code(asio::error::connection_refused).message();
    CHECK(w.steps == names{"lost a:1883: " + refused, "waiting n ms before trying b:1883",
                           "connected to b:1883, awaiting CONNACK", "refused by b:1883: server busy", "lost b:1883: server busy",
                           "waiting n ms before trying a:1883", "connected to a:1883, awaiting CONNACK", "accepted by a:1883",
                           "stopped"});
}
