// CONNECT, CONNACK, and whose session it is.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"
#include "support/hex.hpp"

using namespace inflight;
using namespace std::chrono_literals;

namespace {

bool clean_start(const trace& sent) { return sent.at(0).find(" clean_start") != std::string::npos; }

} // namespace

TEST_CASE("connect: CONNECT is the first packet, and says what the options say",
          "[session][v5:MQTT-3.1.0-1][v3:MQTT-3.1.0-1]") {
    session_options options = test_options();
    options.user_name = "u";
    options.password = "p";
    options.keep_alive = 30s;
    options.topic_alias_maximum = 7;
    options.will = will_message("w", "gone", qos::at_least_once, true);
    scripted_peer p(options);
    p.publish("early", "x", qos::at_least_once);
    (void)p.subscribe("early");
    p.open(v5);
    CHECK(p.sent() == trace{"CONNECT version=5.0 clean_start will will_qos=1 will_retain has_password has_user_name keep_alive=30 "
                            "session_expiry_interval=300 receive_maximum=1024 maximum_packet_size=16777216 topic_alias_maximum=7 "
                            "client_id='c' will_topic='w' will_payload='gone' (4 bytes) user_name='u' password=***"});
    p.cut();
    p.open(v3);
    CHECK(p.sent() == trace{"CONNECT version=3.1.1 clean_start will will_qos=1 will_retain has_password has_user_name keep_alive=30 "
                            "client_id='c' will_topic='w' will_payload='gone' (4 bytes) user_name='u' password=***"});
}

TEST_CASE("connect: nothing but CONNECT is sent before CONNACK, and what waited follows it",
          "[session][v5:MQTT-3.1.4-5][v3:MQTT-3.1.4-4]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.open(version);
    CHECK(p.sent().size() == 1);
    CHECK(p.publish("a", "x", qos::at_least_once).status == publish_status::queued_offline);
    CHECK(p.publish("a", "y", qos::at_most_once).status == publish_status::queued_offline);
    CHECK(p.subscribe("b"));
    CHECK(p.sent().empty());
    CHECK_FALSE(p.session.is_connected());
    CHECK(p.gets(connack{}) == trace{"connected"});
    CHECK(p.session.is_connected());
    const trace sent = p.sent();
    REQUIRE(sent.size() == 3);
    CHECK(sent[0].starts_with("SUBSCRIBE id=3"));
    CHECK(sent[1].starts_with("PUBLISH qos=1 topic='a' id=1"));
    CHECK(sent[2].starts_with("PUBLISH qos=0 topic='a'"));
}

TEST_CASE("connect: Clean Start is asked for until a first CONNACK has come, and not again in 5.0",
          "[session][v5:MQTT-3.2.2-4]") {
    scripted_peer p;
    p.open();
    CHECK(clean_start(p.sent()));
    p.cut(); // The CONNACK was lost: the broker may hold a session we never heard of.
    p.open();
    CHECK(clean_start(p.sent()));
    p.gets(connack{});
    p.cut();
    p.open();
    CHECK_FALSE(clean_start(p.sent()));
}

TEST_CASE("connect: 3.1.1 begins a clean session each time, unless the session is kept",
          "[session][v3:MQTT-3.1.2-6][v3:MQTT-3.1.2-4]") {
    scripted_peer plain;
    plain.connect(v3);
    plain.cut();
    plain.open(v3);
    CHECK(clean_start(plain.sent()));

    scripted_peer kept(kept_session());
    kept.open(v3);
    CHECK_FALSE(clean_start(kept.sent()));
}

TEST_CASE("connect: keep_session resumes from the first connect on, in both versions",
          "[session][v3:MQTT-3.2.2-2]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(kept_session());
    p.open(version);
    CHECK_FALSE(clean_start(p.sent()));
    CHECK(p.gets(connack{.session_present = true}) == trace{"connected resumed"});
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("connect: Session Present without state of ours closes the connection before anything is sent",
          "[session][v5:MQTT-3.2.2-4][v5:MQTT-3.2.2-2][v3:MQTT-3.2.2-1][v3:U3-05]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.publish("a", "x", qos::at_least_once);
    p.open(version);
    (void)p.sent();
    CHECK(p.gets(connack{.session_present = true}).empty());
    CHECK(p.session.is_closing());
    CHECK(p.session.close_reason() == errc::session_not_known);
    CHECK(p.sent().empty());
    p.cut();
    p.open(version);
    CHECK(clean_start(p.sent()));
}

TEST_CASE("connect: a session the broker has lost is reported, the first one and a resumed one are not lost",
          "[session][v5:MQTT-3.2.2-5][v3:MQTT-3.2.2-3]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(kept_session());
    CHECK(p.connect(version) == trace{"connected"});
    p.cut();
    CHECK(p.resume(version) == trace{"connected resumed"});
    p.cut();
    CHECK(p.connect(version) == trace{"connected lost"});
}

TEST_CASE("connect: a session that was ended on purpose is not lost, and one that was to be kept is",
          "[session][v5:MQTT-3.2.2-5]") {
    const bool keeps = GENERATE(true, false);
    scripted_peer p(keeps ? kept_session() : test_options());
    p.connect();
    (void)p.subscribe("a");
    p.carry();
    p.gets(suback{.id = id(1), .reasons = std::vector<reason_code>{reason_code::granted_qos_1}});
    p.session.disconnect();
    p.carry();
    p.cut();
    p.session.session_ended();
    p.open();
    CHECK((p.sent().at(0).find(" clean_start") == std::string::npos) == keeps);
    CHECK(p.gets(connack{}) == trace{keeps ? "connected lost" : "connected"});
    CHECK(p.sent().size() == 1); // The subscription is renewed in both cases.
    p.cut();
    CHECK(p.connect() == trace{"connected lost"});
}

TEST_CASE("connect: another packet before CONNACK ends the connection without a word",
          "[session][v5:MQTT-3.2.0-1][v3:MQTT-3.2.0-1]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.open(version);
    (void)p.sent();
    p.gets(publish{.topic = "a"});
    CHECK(p.session.is_closing());
    CHECK(p.session.close_reason() == errc::unexpected_packet);
    CHECK(p.sent().empty());
}

TEST_CASE("connect: a second CONNACK, and what only a client sends, end the connection",
          "[session][v5:MQTT-3.2.0-2][v5:MQTT-3.1.0-2][v5:U5-23][v3:MQTT-4.8.0-1]") {
    const auto version = GENERATE(v3, v5);
    const packet wrong = GENERATE(packet(connack{}), packet(connect{.client_id = "x"}), packet(pingreq{}),
                                  packet(unsubscribe{id(1), {}, {"a"}}), packet(subscribe{id(1), {}, {{.filter = "a"}}}));
    scripted_peer p;
    p.connect(version);
    p.gets(wrong);
    CHECK(p.session.close_reason() == errc::unexpected_packet);
    // 3.1.1 closes without DISCONNECT, so that the Will is published.
    CHECK(p.sent() == (version == v5 ? trace{"DISCONNECT reason='protocol error' (130)"} : trace{}));
}

TEST_CASE("connect: Clean Start leaves nothing of the session before it", "[session][v5:MQTT-3.1.2-4]") {
    scripted_peer p;
    p.connect();
    p.publish("a", "", qos::at_least_once);
    p.publish("b", "", qos::exactly_once);
    p.carry();
    p.gets(pubrec{.id = id(2)});
    const publish theirs{.qos = qos::exactly_once, .topic = "t", .id = id(7)};
    p.gets(theirs);
    CHECK(p.session.acknowledge(p.deliveries.at(0)) == errc::none);
    (void)p.sent();
    p.cut();
    p.session.server_changed();
    p.open();
    CHECK(clean_start(p.sent()));
    p.gets(connack{});
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='a' id=1 payload='' (0 bytes)", "PUBLISH qos=2 topic='b' id=2 payload='' (0 bytes)"});
    CHECK(p.gets(theirs).size() == 1); // A new message.
}

TEST_CASE("connect: a refusal is reported with its code, and ends the connection",
          "[session][v5:MQTT-3.2.2-7][v3:MQTT-3.2.2-5][v3:U3-04]") {
    scripted_peer p;
    p.open(v5);
    CHECK(p.gets(connack{.reason = reason_code::not_authorized}) == trace{"refused: not authorized"});
    CHECK(p.session.close_reason() == errc::connection_refused);
    CHECK_FALSE(p.session.is_connected());
    p.cut();

    p.open(v3);
    CHECK(p.gets_bytes(hex("20 02 00 04")) == trace{"refused: bad user name or password"});
    p.cut();
    p.open(v3);
    CHECK(p.gets_bytes(hex("20 02 00 63")) == trace{"refused: unknown reason code"}); // Reserved: refused all the same.
    CHECK(p.session.close_reason() == errc::connection_refused);
}

TEST_CASE("connect: a refusal that shows a session is a refusal, and costs no state",
          "[session][v5:MQTT-3.2.2-6][v3:MQTT-3.2.2-4]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(kept_session());
    p.connect(version);
    p.publish("a", "x", qos::at_least_once);
    p.cut();
    p.open(version);
    p.gets_bytes(version == v5 ? hex("20 03 01 88 00") : hex("20 02 01 03"));
    CHECK(p.session.is_closing());
    CHECK_FALSE(p.session.is_connected());
    CHECK(p.session.unsettled() == 1);
}

TEST_CASE("connect: an old server's two-byte answer to a 5.0 CONNECT refuses the version",
          "[session][v5:MQTT-3.1.2-2]") {
    const std::string answer = GENERATE(hex("20 02 00 01"), hex("20 02 00 00"), hex("20 02 00 05"));
    scripted_peer p;
    p.open(v5);
    const trace got = p.gets_bytes(answer);
    REQUIRE(got.size() == 1);
    CHECK(got[0].ends_with("(version)"));
    CHECK(p.session.close_reason() == errc::version_refused);
}

TEST_CASE("connect: the reason code for it, or return code 1, refuses the version too",
          "[session][v5:MQTT-3.1.2-2]") {
    scripted_peer p;
    p.open(v5);
    CHECK(p.gets(connack{.reason = reason_code::unsupported_protocol_version}) == trace{"refused: unsupported protocol version (version)"});
    CHECK(p.session.close_reason() == errc::version_refused);
    p.cut();
    p.open(v3);
    CHECK(p.gets_bytes(hex("20 02 00 01")) == trace{"refused: unsupported protocol version (version)"});
}

TEST_CASE("connect: an assigned client identifier is used from then on", "[session][v5:MQTT-3.1.3-7]") {
    scripted_peer p{session_options{}};
    p.open(v5);
    CHECK(p.sent().at(0).ends_with("client_id=''"));
    CHECK(p.gets(with([](auto& props) { props.template set<property_id::assigned_client_identifier>("made up"); })) == trace{"connected"});
    CHECK(p.session.client_id() == "made up");
    p.cut();
    p.open(v5);
    CHECK(p.sent().at(0).ends_with("client_id='made up'"));
    CHECK(p.gets(connack{.session_present = true}) == trace{"connected resumed"});
}

TEST_CASE("connect: a broker that assigns no client identifier is left", "[session][v5:MQTT-3.2.2-16]") {
    scripted_peer p{session_options{}};
    p.open(v5);
    (void)p.sent();
    CHECK(p.gets(connack{}).empty());
    CHECK(p.session.close_reason() == errc::no_assigned_client_id);
}

TEST_CASE("connect: 3.1.1 with an empty client identifier needs no assignment, after a refused 5.0 either",
          "[session][v3:MQTT-3.1.3-7]") {
    scripted_peer p{session_options{}};
    p.open(v5);
    p.gets_bytes(hex("20 02 00 01"));
    p.cut();
    p.open(v3);
    CHECK(p.sent().at(0).ends_with("client_id=''"));
    CHECK(p.gets(connack{}) == trace{"connected"});
}

TEST_CASE("connect: 3.1.1 refuses an empty client identifier with a kept session by itself",
          "[session][v3:MQTT-3.1.3-7]") {
    session_options options;
    options.keep_session = true;
    scripted_peer p(options);
    p.open(v3);
    CHECK(p.sent().empty());
    CHECK(p.session.close_reason() == errc::empty_client_id);
}

TEST_CASE("connect: a CONNECT that cannot be encoded closes, and sends nothing", "[session]") {
    session_options options = test_options();
    options.client_id = "\xff";
    scripted_peer p(options);
    p.open(v5);
    CHECK(p.sent().empty());
    CHECK(p.session.close_reason() == errc::not_utf8);
}

TEST_CASE("connect: limits of CONNACK hold for this connection and not for the next",
          "[session][v5:MQTT-3.2.2-9][v5:MQTT-4.9.0-1][v5:MQTT-3.2.2-18]") {
    scripted_peer p;
    p.connect(v5, with([](auto& props) {
        props.template set<property_id::receive_maximum>(3);
        props.template set<property_id::maximum_qos>(1);
        props.template set<property_id::retain_available>(0);
        props.template set<property_id::maximum_packet_size>(100);
        props.template set<property_id::topic_alias_maximum>(5);
        props.template set<property_id::wildcard_subscription_available>(0);
        props.template set<property_id::subscription_identifier_available>(0);
        props.template set<property_id::shared_subscription_available>(0);
        props.template set<property_id::server_keep_alive>(7);
        props.template set<property_id::session_expiry_interval>(50);
        props.template set<property_id::assigned_client_identifier>("given");
        props.template set<property_id::response_information>("reply/");
    }));
    CHECK(p.session.limits().receive_maximum == 3);
    CHECK(p.session.limits().maximum_qos == qos::at_least_once);
    CHECK_FALSE(p.session.limits().retain_available);
    CHECK(p.session.limits().maximum_packet_size == 100);
    CHECK(p.session.limits().topic_alias_maximum == 5);
    CHECK_FALSE(p.session.limits().wildcard_subscriptions);
    CHECK_FALSE(p.session.limits().subscription_identifiers);
    CHECK_FALSE(p.session.limits().shared_subscriptions);
    CHECK(p.session.limits().keep_alive == 7s);
    CHECK(p.session.limits().session_expiry == 50s);
    CHECK(p.session.limits().assigned_client_id == "given");
    CHECK(p.session.limits().response_information == "reply/");
    p.cut();
    p.resume();
    CHECK(p.session.limits().receive_maximum == 65'535);
    CHECK(p.session.limits().maximum_qos == qos::exactly_once);
    CHECK(p.session.limits().retain_available);
    CHECK(p.session.limits().topic_alias_maximum == 0);
    CHECK(p.session.limits().wildcard_subscriptions);
    CHECK(p.session.limits().subscription_identifiers);
    CHECK(p.session.limits().shared_subscriptions);
    CHECK_FALSE(p.session.limits().keep_alive);
    CHECK_FALSE(p.session.limits().session_expiry);
    CHECK(p.session.limits().assigned_client_id.empty());
    CHECK(p.session.limits().response_information.empty());
}

TEST_CASE("connect: the Maximum Packet Size of one connection does not bind the CONNECT of the next",
          "[session][v5:MQTT-3.2.2-15]") {
    scripted_peer p;
    p.connect(v5, with([](auto& props) { props.template set<property_id::maximum_packet_size>(20); }));
    p.cut();
    p.open();
    CHECK(p.sent().size() == 1);
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("connect: properties of one's own go into CONNECT beside those of the session", "[session]") {
    session_options options = test_options();
    options.connect_properties.add_user_property("k", "v").set<property_id::request_problem_information>(0);
    options.receive_maximum = 65'535; // What absence means.
    options.session_expiry = 0s;
    scripted_peer p(options);
    p.open(v5);
    CHECK(p.sent() == trace{"CONNECT version=5.0 clean_start will_qos=0 keep_alive=60 user_property='k' value='v' "
                            "request_problem_information=0 maximum_packet_size=16777216 client_id='c'"});
}

TEST_CASE("connect: credentials and Will may change between connections", "[session]") {
    scripted_peer p;
    p.connect();
    p.cut();
    p.session.set_credentials("new", std::nullopt);
    p.session.set_will(will_message("w", ""));
    p.open();
    const std::string sent = p.sent().at(0);
    CHECK(sent.find("user_name='new'") != std::string::npos);
    CHECK(sent.find("will_topic='w'") != std::string::npos);
    CHECK(sent.find("password=") == std::string::npos);
}

TEST_CASE("connect: bytes that are no packet end the connection with their reason",
          "[session][v5:U5-23][v3:MQTT-4.8.0-1]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    p.gets_bytes(hex("00 00"));
    CHECK(p.session.close_reason() == errc::unknown_packet_type);
    CHECK(p.sent() == (version == v5 ? trace{"DISCONNECT reason='malformed packet' (129)"} : trace{}));
    CHECK(p.session.received(hex("D0 00"), p.now) == 0); // It does not listen any more.
}

TEST_CASE("connect: a packet may come in any pieces", "[session]") {
    scripted_peer p;
    p.open();
    const std::string bytes = hex("20 03 00 00 00 30 04 00 01 61 00");
    trace got;
    for (const char c : bytes)
        for (std::string& line : p.gets_bytes({&c, 1})) got.push_back(line);
    CHECK(got == trace{"connected", "PUBLISH qos=0 topic='a' payload='' (0 bytes)"});
}

