// Enhanced authentication: the exchange of AUTH packets at connect, and others after it.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"
#include "support/hex.hpp"

using namespace inflight;
using namespace std::chrono_literals;

namespace {

session_options with_method(std::string_view method = "M") {
    session_options options = test_options();
    options.connect_properties.set<property_id::authentication_method>(method);
    return options;
}

/// The properties of a packet of that type that name the method, and carry `data` unless it is empty. They live until the
/// next call.
template <packet_type Where>
properties_view<Where> words_of(std::string_view data, std::string_view method = "M") {
    static properties<Where> props;
    props.clear();
    if (!method.empty()) props.template set<property_id::authentication_method>(method);
    if (!data.empty()) props.template set<property_id::authentication_data>(data);
    return props;
}

auth asking(std::string_view data, std::string_view method = "M") {
    return {.reason = reason_code::continue_authentication, .props = words_of<packet_type::auth>(data, method)};
}
auth content(std::string_view data = {}) {
    return {.reason = reason_code::success, .props = words_of<packet_type::auth>(data)};
}
connack accepting(std::string_view data = {}, std::string_view method = "M") {
    return {.props = words_of<packet_type::connack>(data, method)};
}

/// Connected, with the method "M".
struct authenticated_peer : scripted_peer<> {
    authenticated_peer() : scripted_peer<>(with_method()) {
        connect(v5, accepting());
        session.authenticated(now);
        (void)events();
    }
};

/// The words in an AUTH or CONNECT that the session has sent; its print hides them.
std::string data_sent(scripted_peer<>& p) {
    std::string bytes, out;
    for (auto pieces = p.session.output(); !pieces.empty(); pieces = p.session.output()) {
        for (const std::string_view piece : pieces) bytes += piece;
        p.session.written(bytes.size(), p.now);
        break;
    }
    const auto got = decode(*next_frame(bytes), v5);
    std::visit(
        [&](const auto& one) {
            if constexpr (requires { one.props.template get<property_id::authentication_data>(); })
                out = one.props.template get<property_id::authentication_data>().value_or("(none)");
        },
        *got);
    return out;
}

const std::string auth_answer = "AUTH reason='continue authentication' (24) authentication_method='M' authentication_data=***";
const std::string anew = "AUTH reason='re-authenticate' (25) authentication_method='M'";

} // namespace

TEST_CASE("authentication: AUTH that CONNECT did not ask for ends the connection, and gets no AUTH in answer",
          "[session][v5:MQTT-4.12.0-6][v5:MQTT-4.12.0-7]") {
    const std::string bytes = GENERATE(hex("F0 00"), hex("F0 06 18 04 15 00 01 4D"), hex("F0 06 19 04 15 00 01 4D"));
    scripted_peer p;
    p.connect();
    p.gets_bytes(bytes);
    CHECK(p.session.close_reason() == errc::unexpected_packet);
    CHECK(p.sent() == trace{"DISCONNECT reason='protocol error' (130)"});
    scripted_peer before;
    before.open();
    (void)before.sent();
    before.gets_bytes(bytes);
    CHECK(before.session.close_reason() == errc::unexpected_packet);
    CHECK(before.sent().empty());
    scripted_peer old;
    old.connect(v3);
    old.gets_bytes(bytes);
    CHECK(old.session.is_closing());
    CHECK(old.sent().empty());
}

TEST_CASE("authentication: an Authentication Method in CONNACK that CONNECT did not name ends the connection",
          "[session][v5:MQTT-4.12.0-6]") {
    scripted_peer p;
    p.open();
    (void)p.sent();
    CHECK(p.gets(accepting()).empty());
    CHECK(p.session.close_reason() == errc::authentication_method_mismatch);
    CHECK(p.sent().empty());
}

TEST_CASE("authentication: CONNECT stays alone until a CONNACK names the same method",
          "[session][v5:MQTT-3.1.2-30][v5:MQTT-4.12.0-5]") {
    scripted_peer p(with_method());
    p.publish("a", "", qos::at_least_once);
    p.open();
    CHECK(p.sent().at(0).find(" authentication_method='M'") != std::string::npos);
    (void)p.subscribe("b");
    p.publish("c", "", qos::at_most_once);
    p.wait(1h);
    CHECK(p.sent().empty());
    SECTION("the same") {
        CHECK(p.gets(accepting()) == trace{"authenticated: ''"});
        CHECK(p.sent().empty());
        p.session.authenticated(p.now);
        CHECK(p.events() == trace{"connected"});
        CHECK(p.sent().size() == 3);
    }
    SECTION("another") {
        CHECK(p.gets(accepting("", "N")).empty());
        CHECK(p.session.close_reason() == errc::authentication_method_mismatch);
        CHECK(p.sent().empty());
    }
    SECTION("none") {
        CHECK(p.gets(connack{}).empty());
        CHECK(p.session.close_reason() == errc::authentication_method_mismatch);
        CHECK(p.sent().empty());
    }
}

TEST_CASE("authentication: the words go to and fro until CONNACK, and meanwhile nothing else is sent",
          "[session][v5:MQTT-4.12.0-2][v5:MQTT-4.12.0-3][v5:MQTT-4.12.0-5][v5:MQTT-3.1.2-30]") {
    scripted_peer p(with_method());
    p.publish("a", "", qos::at_least_once);
    p.session.transport_opened(v5, "one");
    CHECK(data_sent(p) == "one");
    CHECK(p.gets(asking("two")) == trace{"asked: 'two'"});
    p.wait(1h);
    CHECK(p.sent().empty());
    CHECK(p.session.authenticate("three") == errc::none);
    CHECK(p.sent() == trace{auth_answer});
    CHECK(p.gets(asking("")) == trace{"asked: ''"});
    CHECK(p.session.authenticate("") == errc::none);
    CHECK(data_sent(p) == "(none)");
    CHECK(p.gets(accepting("last")) == trace{"authenticated: 'last'"});
    CHECK_FALSE(p.session.is_connected());
    CHECK(p.sent().empty());
    p.session.authenticated(p.now);
    CHECK(p.events() == trace{"connected"});
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='a' id=1 payload='' (0 bytes)"});
}

TEST_CASE("authentication: what follows a CONNACK is taken when the server is known to be the one") {
    scripted_peer p(with_method());
    p.open();
    (void)p.sent();
    std::string bytes;
    REQUIRE(encode(accepting(), v5, bytes) == errc::none);
    REQUIRE(encode(publish{.topic = "t", .payload = "x"}, v5, bytes) == errc::none);
    CHECK(p.gets_bytes(bytes) == trace{"authenticated: ''"});
    CHECK(p.session.is_verifying());
    CHECK(p.gets_bytes("").empty());
    p.session.authenticated(p.now);
    CHECK(p.events() == trace{"connected"});
    CHECK(p.gets_bytes("") == trace{"PUBLISH qos=0 topic='t' payload='x' (1 byte)"});
}

TEST_CASE("authentication: what a held CONNACK says counts once the server is believed", "[session][v5:MQTT-3.1.3-7]") {
    session_options options = with_method();
    options.client_id.clear();
    scripted_peer p(options);
    p.open();
    (void)p.sent();
    properties<packet_type::connack> props(accepting().props);
    props.set<property_id::assigned_client_identifier>("given").set<property_id::receive_maximum>(3);
    p.gets(connack{.props = props});
    CHECK(p.session.client_id().empty());
    p.session.authenticated(p.now);
    CHECK(p.session.client_id() == "given");
    CHECK(p.session.limits().receive_maximum == 3);
}

TEST_CASE("authentication: a server that is not believed is told so, and gets nothing else", "[session]") {
    scripted_peer p(with_method());
    p.publish("a", "secret", qos::at_least_once);
    p.open();
    (void)p.sent();
    p.gets(accepting("forged"));
    p.session.fail(errc::authentication_failed);
    CHECK(p.session.is_closing());
    CHECK(p.sent() == trace{"DISCONNECT reason='unspecified error' (128)"});
    CHECK(p.session.unsettled() == 1);
    p.session.authenticated(p.now); // Too late.
    CHECK(p.session.is_closing());
    CHECK(p.events().empty());
}

TEST_CASE("authentication: a server that ends it with a refusal is heard at any step", "[session][v5:MQTT-4.12.0-4]") {
    scripted_peer p(with_method());
    p.open();
    (void)p.sent();
    if (GENERATE(false, true)) p.gets(asking("x"));
    CHECK(p.gets(connack{.reason = reason_code::not_authorized}) == trace{"refused: not authorized"});
    CHECK(p.session.is_closing());
    CHECK(p.session.authenticate("y") != errc::none);
    CHECK(p.sent().empty());
}

TEST_CASE("authentication: AUTH with another code or method, or out of turn, ends the connection",
          "[session][v5:MQTT-4.12.0-2][v5:MQTT-3.15.2-1][v5:U5-22][v5:MQTT-4.12.0-5]") {
    const std::string good = hex("F0 06 18 04 15 00 01 4D"), done = hex("F0 06 00 04 15 00 01 4D"),
                      again = hex("F0 06 19 04 15 00 01 4D"), other = hex("F0 06 18 04 15 00 01 4E"), bare = hex("F0 00");
    const auto fails = [](scripted_peer<>& p, std::string_view bytes) {
        CHECK(p.gets_bytes(bytes).empty());
        return p.session.is_closing();
    };
    for (const std::string& bytes : {done, again, other, bare}) {
        scripted_peer p(with_method());
        p.open();
        (void)p.sent();
        CHECK(fails(p, bytes));
        CHECK(p.sent().empty());
    }
    for (const std::string& bytes : {good, done, again, other, bare}) { // Nobody has begun another exchange.
        authenticated_peer p;
        CHECK(fails(p, bytes));
        CHECK(p.sent() == trace{"DISCONNECT reason='protocol error' (130)"});
    }
    for (const std::string& bytes : {again, other, bare}) {
        authenticated_peer p;
        REQUIRE(p.session.reauthenticate("") == errc::none);
        (void)p.sent();
        CHECK(fails(p, bytes));
        CHECK(p.sent() == trace{"DISCONNECT reason='protocol error' (130)"});
    }
    scripted_peer hasty(with_method()); // Asks twice, or asks and does not wait.
    hasty.open();
    (void)hasty.sent();
    hasty.gets_bytes(good);
    if (GENERATE(false, true)) CHECK(fails(hasty, good));
    else CHECK(hasty.gets(accepting()).empty());
    CHECK(hasty.session.close_reason() == errc::unexpected_packet);
}

TEST_CASE("authentication: it is done anew with AUTH of the same method, while messages go on",
          "[session][v5:MQTT-4.12.1-1][v5:MQTT-4.12.0-3]") {
    authenticated_peer p;
    CHECK(p.session.reauthenticate("") == errc::none);
    CHECK(p.sent() == trace{anew});
    CHECK(p.session.reauthenticate("") == errc::already_running);
    p.publish("a", "x", qos::at_least_once);
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='a' id=1 payload='x' (1 byte)"});
    CHECK(p.gets(asking("two")) == trace{"asked: 'two'"});
    CHECK(p.gets(puback{.id = id(1)}) == trace{"published 1: success"});
    CHECK(p.session.reauthenticate("") == errc::already_running);
    CHECK(p.session.authenticate("three") == errc::none);
    CHECK(p.sent() == trace{auth_answer});
    CHECK(p.gets(content("last")) == trace{"authenticated: 'last'"});
    CHECK(p.gets(publish{.topic = "t"}).size() == 1); // Nothing is held back.
    p.session.authenticated(p.now);
    CHECK(p.events().empty());
    CHECK(p.session.reauthenticate("one") == errc::none);
    CHECK(data_sent(p) == "one");
}

TEST_CASE("authentication: one that fails when done anew ends the connection, with the reason", "[session][v5:MQTT-4.12.1-2]") {
    authenticated_peer p;
    REQUIRE(p.session.reauthenticate("one") == errc::none);
    (void)p.sent();
    SECTION("the server says no") {
        CHECK(p.gets(disconnect{.reason = reason_code::not_authorized}) == trace{"disconnected: not authorized"});
        CHECK(p.sent().empty());
    }
    SECTION("we have no answer") {
        p.gets(asking("two"));
        p.session.fail(errc::authentication_failed);
        CHECK(p.sent() == trace{"DISCONNECT reason='unspecified error' (128)"});
    }
    SECTION("we do not believe the server") {
        p.gets(content("forged"));
        p.session.fail(errc::authentication_failed);
        CHECK(p.sent() == trace{"DISCONNECT reason='unspecified error' (128)"});
    }
    CHECK(p.session.is_closing());
    CHECK(p.session.reauthenticate("one") == errc::not_connected);
}

TEST_CASE("authentication: without a method, or in 3.1.1, nothing can be proven anew", "[session][v5:MQTT-4.12.0-7]") {
    scripted_peer p;
    CHECK(p.session.reauthenticate("x") == errc::not_connected);
    p.connect();
    CHECK(p.session.reauthenticate("x") == errc::no_authentication_method);
    CHECK(p.session.authenticate("x") == errc::not_running);
    CHECK(p.sent().empty());
    scripted_peer old(with_method());
    old.connect(v3);
    CHECK(old.session.reauthenticate("x") == errc::no_authentication_method);
    CHECK(old.sent().empty());
}

TEST_CASE("authentication: words without their turn are refused, and an exchange ends with its connection") {
    scripted_peer p(with_method());
    p.open();
    (void)p.sent();
    CHECK(p.session.authenticate("x") == errc::not_running);
    p.session.authenticated(p.now); // Nobody has said anything yet that could be believed.
    p.gets(asking("a"));
    CHECK(p.session.authenticate(std::string(65'536, 'x')) == errc::field_too_long);
    p.cut();
    CHECK(p.session.authenticate("x") == errc::not_running);
    p.open();
    (void)p.sent();
    CHECK(p.session.authenticate("x") == errc::not_running);
    p.gets(accepting());
    p.session.authenticated(p.now);
    CHECK(p.events() == trace{"connected"});
    REQUIRE(p.session.reauthenticate("") == errc::none);
    p.cut();
    p.connect(v5, accepting());
    p.session.authenticated(p.now);
    (void)p.events();
    (void)p.sent();
    CHECK(p.session.reauthenticate("") == errc::none);
    CHECK(p.sent() == trace{anew});
}

TEST_CASE("authentication: AUTH explains itself in its Reason String") {
    scripted_peer p(with_method());
    p.open();
    (void)p.sent();
    properties<packet_type::auth> props(asking("a").props);
    props.set<property_id::reason_string>("because");
    CHECK(p.gets(auth{.reason = reason_code::continue_authentication, .props = props}) == trace{"asked: 'a' 'because'"});
}

TEST_CASE("authentication: words longer than the broker takes end the connection, as any packet would") {
    authenticated_peer p;
    p.cut();
    p.open();
    (void)p.sent();
    properties<packet_type::connack> props(accepting().props);
    props.set<property_id::maximum_packet_size>(40);
    p.gets(connack{.props = props});
    p.session.authenticated(p.now);
    (void)p.events();
    CHECK(p.session.reauthenticate(std::string(50, 'x')) == errc::packet_too_large);
    CHECK(p.session.close_reason() == errc::packet_too_large);
}
