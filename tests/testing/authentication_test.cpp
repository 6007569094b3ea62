// The test server: enhanced authentication with whatever method its owner knows.
#include "testing/peer.hpp"

#include "support/catch.hpp"
#include "support/hex.hpp"

using namespace inflight;
using namespace inflight::testing;
using namespace std::chrono_literals;

namespace {

constexpr auto go_on = reason_code::continue_authentication;
constexpr auto re_authenticate = reason_code::re_authenticate;

/// Method "M": asks until it is told "done", and is content then; refuses "no". Says how many words it has had.
server_options knowing_m() {
    server_options o;
    o.authentication = [](std::string_view method, std::string_view) -> authentication_exchange {
        if (method != "M") return {};
        return [n = 0](std::string_view data) mutable -> authentication_answer {
            ++n;
            if (data == "no") return {reason_code::not_authorized};
            return {data == "done" ? reason_code::success : go_on, std::to_string(n)};
        };
    };
    return o;
}

template <packet_type Where>
properties_view<Where> words(std::string_view data, std::string_view method = "M") {
    return with<Where>([&](auto& p) {
        if (!method.empty()) p.template set<property_id::authentication_method>(method);
        if (!data.empty()) p.template set<property_id::authentication_data>(data);
    });
}
connect with_method(std::string_view data, std::string_view method = "M") {
    return {.keep_alive = 0, .props = words<packet_type::connect>(data, method), .client_id = "a"};
}
auth says_auth(reason_code reason, std::string_view data, std::string_view method = "M") {
    return {.reason = reason, .props = words<packet_type::auth>(data, method)};
}

const std::string named = " authentication_method='M' authentication_data=***";
const trace asked{"AUTH reason='continue authentication' (24)" + named};
const trace accepted{"CONNACK reason='success' (0) maximum_packet_size=16777216" + named};
const trace broken{"DISCONNECT reason='protocol error' (130)", "(closed)"};

} // namespace

TEST_CASE("server: a method it knows goes through as many steps as it wants, then CONNACK carries its last words",
          "[testing]") {
    world w(knowing_m());
    CHECK(w.open().says(with_method("done")) == accepted);
    peer& p = w.open();
    CHECK(p.says(with_method("")) == asked);
    CHECK_FALSE(w.server.session("b"));
    CHECK(p.says(says_auth(go_on, "x")) == asked);
    CHECK(p.says(says_auth(go_on, "done")) == accepted);
    CHECK(w.server.session("a")->is_connected);
    CHECK(p.says(pingreq{}) == trace{"PINGRESP"});
}

TEST_CASE("server: a method it does not know is refused", "[testing][v5:MQTT-4.12.0-1]") {
    const trace refused{"CONNACK reason='bad authentication method' (140)", "(closed)"};
    CHECK(world().open().says(with_method("")) == refused);
    CHECK(world(knowing_m()).open().says(with_method("", "N")) == refused);
}

TEST_CASE("server: a method refuses at any step, and the client is told why", "[testing]") {
    const trace refused{"CONNACK reason='not authorized' (135)", "(closed)"};
    world w(knowing_m());
    CHECK(w.open().says(with_method("no")) == refused);
    peer& p = w.open();
    (void)p.says(with_method(""));
    CHECK(p.says(says_auth(go_on, "no")) == refused);
    CHECK(w.server.sessions().empty());
    peer& q = w.open();
    (void)q.says(with_method("done"));
    CHECK(q.says(says_auth(re_authenticate, "no")) == trace{"DISCONNECT reason='not authorized' (135)", "(closed)"});
}

TEST_CASE("server: who is known may still be unwelcome", "[testing]") {
    server_options o = knowing_m();
    o.authenticate = [](const connect& p) {
        return p.client_id == "a" ? reason_code::banned : reason_code::success;
    };
    world w(o);
    peer& p = w.open();
    (void)p.says(with_method(""));
    CHECK(p.says(says_auth(go_on, "done")) == trace{"CONNACK reason='banned' (138)", "(closed)"});
}

TEST_CASE("server: a client authenticates anew while its messages go on", "[testing]") {
    world w(knowing_m());
    peer& p = w.open();
    (void)p.says(with_method("done"));
    CHECK(p.says(says_auth(re_authenticate, "")) == asked);
    CHECK(p.says(pingreq{}) == trace{"PINGRESP"});
    CHECK(p.says(says_auth(go_on, "done")) == trace{"AUTH authentication_method='M' authentication_data=***"});
    CHECK(p.says(says_auth(re_authenticate, "done")) == trace{"AUTH authentication_method='M' authentication_data=***"});
}

TEST_CASE("server: AUTH out of turn or of another method, and anything else before CONNACK, is an error", "[testing]") {
    const trace refused{"CONNACK reason='protocol error' (130)", "(closed)"};
    const int which = GENERATE(0, 1, 2);
    const auth bad = which == 0 ? says_auth(re_authenticate, "") : says_auth(go_on, "", which == 1 ? "" : "N");
    world w(knowing_m());
    peer& before = w.open();
    (void)before.says(with_method(""));
    CHECK(before.says(bad) == refused);
    peer& other = w.open();
    (void)other.says(with_method(""));
    CHECK(other.says(pingreq{}) == refused);
    peer& leaves = w.open();
    (void)leaves.says(with_method(""));
    CHECK(leaves.says(disconnect{}) == trace{"(closed)"});

    peer& connected = w.open();
    (void)connected.says(with_method("done"));
    CHECK(connected.says(says_auth(go_on, "")) == broken); // It has not begun.
    peer& twice = w.open();
    (void)twice.says(with_method("done"));
    (void)twice.says(says_auth(re_authenticate, ""));
    CHECK(twice.says(says_auth(re_authenticate, "")) == broken);
    peer& without = w.connect("b");
    CHECK(without.says(says_auth(re_authenticate, "")) == broken);
}

TEST_CASE("server: an exchange that does not end is ended", "[testing]") {
    server_options o = knowing_m();
    o.connect_timeout = 5s;
    world w(o);
    peer& p = w.open();
    (void)p.says(with_method(""));
    w.wait(4s);
    CHECK(p.says(says_auth(go_on, "x")) == asked);
    w.wait(1s);
    CHECK(p.gets() == trace{"(closed)"});
}
