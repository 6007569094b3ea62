// The end of a connection, ours or the broker's.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"
#include "support/hex.hpp"

using namespace inflight;
using namespace std::chrono_literals;

TEST_CASE("disconnect: DISCONNECT is the last packet, and nothing follows it whatever happens",
          "[session][v5:MQTT-3.14.4-1][v3:MQTT-3.14.4-2]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    p.gets(publish{.qos = qos_1, .topic = "in", .id = id(1)});
    p.session.disconnect();
    CHECK(p.session.is_closing());
    CHECK(p.session.close_reason() == errc::none);
    CHECK(p.sent().size() == 1);
    CHECK(p.publish("a", "", qos_1).status == publish_status::queued_offline);
    (void)p.subscribe("a");
    p.session.acknowledge(p.deliveries.at(0));
    p.session.disconnect();
    p.session.fail(errc::timed_out);
    CHECK(p.gets(publish{.topic = "late"}).empty());
    p.wait(1h);
    CHECK(p.sent().empty());
    CHECK(p.session.output_empty());
}

TEST_CASE("disconnect: what was published before goes out before it", "[session][v5:MQTT-3.14.4-1]") {
    scripted_peer p;
    p.connect();
    p.publish("a", "", qos::at_most_once);
    p.session.disconnect();
    const trace sent = p.sent();
    REQUIRE(sent.size() == 2);
    CHECK(sent[0].starts_with("PUBLISH"));
    CHECK(sent[1].starts_with("DISCONNECT"));
    CHECK(p.events() == trace{"published 1: success"});
}

TEST_CASE("disconnect: ends the session at the broker too, unless it is kept",
          "[session][v5:U5-20][v5:MQTT-3.1.2-23]") {
    scripted_peer p;
    p.connect();
    p.session.disconnect();
    CHECK(p.sent() == trace{"DISCONNECT session_expiry_interval=0"});
    p.cut();
    p.open();
    CHECK(p.sent().at(0).find(" clean_start") != std::string::npos);

    scripted_peer kept(kept_session());
    kept.connect();
    kept.session.disconnect();
    CHECK(kept.sent() == trace{"DISCONNECT"});
    kept.cut();
    kept.open();
    CHECK(kept.sent().at(0).find(" clean_start") == std::string::npos);
}

TEST_CASE("disconnect: a session that ends with its connection anyway needs no expiry",
          "[session][v5:U5-20]") {
    session_options options = test_options();
    options.session_expiry = 0s;
    scripted_peer p(options);
    p.connect();
    p.session.disconnect();
    CHECK(p.sent() == trace{"DISCONNECT"});
}

TEST_CASE("disconnect: with the Will, in 5.0; 3.1.1 knows no reason", "[session]") {
    scripted_peer p(kept_session());
    p.connect(v5);
    p.session.disconnect(reason_code::disconnect_with_will_message);
    CHECK(p.sent() == trace{"DISCONNECT reason='disconnect with Will Message' (4)"});
    p.cut();
    p.connect(v3, {.session_present = true});
    p.session.disconnect(reason_code::disconnect_with_will_message);
    CHECK(p.session.is_closing());
    CHECK(p.sent().empty()); // A connection that ends so has its Will published.
}

TEST_CASE("disconnect: says the reason, the session expiry and the properties it is given, in 5.0 only", "[session]") {
    const auto version = GENERATE(v3, v5);
    disconnect_options d{.reason = reason_code::administrative_action, .session_expiry = 90s};
    d.props.set<property_id::reason_string>("night").add_user_property("back", "at 6");
    scripted_peer p;
    p.connect(version);
    CHECK(p.session.disconnect(d) == errc::none);
    CHECK(p.sent() == (version == v3 ? trace{"DISCONNECT"}
                                     : trace{"DISCONNECT reason='administrative action' (152) reason_string='night' "
                                             "user_property='back' value='at 6' session_expiry_interval=90"}));
}

TEST_CASE("disconnect: of what does not fit the broker's Maximum Packet Size, User Properties are left out first, then the words",
          "[session][v5:MQTT-3.14.2-3][v5:MQTT-3.14.2-4]") {
    const auto [maximum, left] = GENERATE(table<std::uint32_t, std::string>({
        {40, "DISCONNECT reason='quota exceeded' (151) reason_string='because' user_property='a' value='bc' session_expiry_interval=90"},
        {27, "DISCONNECT reason='quota exceeded' (151) reason_string='because' user_property='a' value='bc' session_expiry_interval=90"},
        {26, "DISCONNECT reason='quota exceeded' (151) reason_string='because' session_expiry_interval=90"},
        {19, "DISCONNECT reason='quota exceeded' (151) reason_string='because' session_expiry_interval=90"},
        {18, "DISCONNECT reason='quota exceeded' (151) session_expiry_interval=90"},
    }));
    disconnect_options d{.reason = reason_code::quota_exceeded, .session_expiry = 90s};
    d.props.set<property_id::reason_string>("because").add_user_property("a", "bc");
    properties<packet_type::connack> props;
    props.set<property_id::maximum_packet_size>(maximum);
    scripted_peer p;
    p.connect(v5, {.props = props});
    CHECK(p.session.disconnect(d) == errc::none);
    CHECK(p.sent() == trace{left});
}

TEST_CASE("disconnect: what may not be said is refused with its own error, and the connection stays",
          "[session][v5:U5-20][v5:MQTT-3.14.2-1]") {
    session_options options = test_options();
    options.session_expiry = 0s;
    scripted_peer p(options), prolonging;
    p.connect();
    prolonging.connect();
    CHECK(p.session.disconnect({.session_expiry = 1s}) == errc::session_expiry_zero);
    CHECK(p.session.disconnect({.session_expiry = -1s}) == errc::invalid_argument);
    CHECK(prolonging.session.disconnect({.session_expiry = std::chrono::seconds(0x1'0000'0000)}) == errc::invalid_argument);
    for (const auto servers : {reason_code::server_shutting_down, reason_code::session_taken_over, reason_code::keep_alive_timeout,
                               reason_code::not_authorized, reason_code::granted_qos_1, reason_code{0x77}})
        CHECK(p.session.disconnect({.reason = servers}) == errc::reason_not_allowed);
    disconnect_options expiry, reference, broken;
    expiry.props.set<property_id::session_expiry_interval>(0);
    reference.props.set<property_id::server_reference>("elsewhere");
    broken.props.set<property_id::reason_string>("\xff");
    CHECK(p.session.disconnect(expiry) == errc::property_not_allowed);
    CHECK(p.session.disconnect(reference) == errc::property_not_allowed);
    CHECK(p.session.disconnect(broken) == errc::not_utf8);
    CHECK(p.sent().empty());
    CHECK_FALSE(p.session.is_closing());
    CHECK(p.session.disconnect({.session_expiry = 0s}) == errc::none);
    CHECK(p.sent() == trace{"DISCONNECT session_expiry_interval=0"});
    CHECK(prolonging.session.disconnect({.session_expiry = std::chrono::seconds(0xFFFF'FFFF)}) == errc::none);
    CHECK(prolonging.sent() == trace{"DISCONNECT session_expiry_interval=4294967295"});
}

TEST_CASE("disconnect: a session that it has asked to be kept is resumed by the next connection, one that it has ended is not lost",
          "[session][v5:MQTT-3.1.2-23]") {
    scripted_peer p;
    p.connect();
    const auto open = p.publish("a", "", qos::exactly_once).mid;
    CHECK(p.session.disconnect({.session_expiry = 90s}) == errc::none);
    (void)p.sent();
    p.cut();
    p.session.session_ended();
    p.session.abandon(errc::not_connected);
    p.open();
    CHECK(p.sent().at(0).find(" clean_start") == std::string::npos);
    CHECK(p.gets(connack{.session_present = true}) == trace{"connected resumed", "published 1: failed, not connected"});
    CHECK(p.publish("b", "", qos::exactly_once).mid != open);

    scripted_peer kept(kept_session());
    kept.connect();
    CHECK(kept.session.disconnect({.session_expiry = 0s}) == errc::none);
    CHECK(kept.sent() == trace{"DISCONNECT session_expiry_interval=0"});
    kept.cut();
    CHECK(kept.connect() == trace{"connected"});
}

TEST_CASE("disconnect: before CONNACK nothing is sent, without a connection nothing happens", "[session]") {
    scripted_peer p;
    p.session.disconnect();
    CHECK_FALSE(p.session.is_closing());
    p.open();
    (void)p.sent();
    p.session.disconnect();
    CHECK(p.session.is_closing());
    CHECK(p.sent().empty());
}

TEST_CASE("disconnect: the broker's DISCONNECT is reported and not answered, before CONNACK too",
          "[session][v5:U5-24][v5:MQTT-3.14.0-1][v5:MQTT-3.14.4-1]") {
    const bool early = GENERATE(false, true);
    scripted_peer p;
    if (early) {
        p.open();
        (void)p.sent();
    } else {
        p.connect();
    }
    CHECK(p.gets(disconnect{.reason = reason_code::server_shutting_down}) == trace{"disconnected: server shutting down"});
    CHECK(p.session.close_reason() == errc::server_disconnected);
    p.publish("a", "", qos_1);
    CHECK(p.sent().empty());
    CHECK(p.gets(publish{.topic = "late"}).empty());
}

TEST_CASE("disconnect: a Session Expiry Interval in the broker's DISCONNECT is an error",
          "[session][v5:MQTT-3.14.2-2]") {
    scripted_peer p;
    p.connect();
    CHECK(p.gets_bytes(hex("E0 07 00 05 11 00 00 00 01")).empty());
    CHECK(p.session.close_reason() == errc::property_not_allowed);
}

TEST_CASE("disconnect: 3.1.1 knows no DISCONNECT from the broker", "[session][v3:MQTT-3.14.1-1]") {
    scripted_peer p;
    p.connect(v3);
    CHECK(p.gets_bytes(hex("E0 00")).empty());
    CHECK(p.session.close_reason() == errc::unexpected_packet);
    CHECK(p.sent().empty());
}

TEST_CASE("disconnect: a failure outside the protocol closes, and tells a 5.0 broker",
          "[session][v5:U5-23][v3:MQTT-4.8.0-2]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    p.session.fail(errc::inbound_overflow);
    CHECK(p.session.close_reason() == errc::inbound_overflow);
    CHECK(p.sent() == (version == v5 ? trace{"DISCONNECT reason='receive maximum exceeded' (147)"} : trace{}));
}

TEST_CASE("disconnect: a broker whose Maximum Packet Size has no room for DISCONNECT is left without a word",
          "[session][v5:MQTT-3.2.2-15][v5:MQTT-4.13.2-1]") {
    properties<packet_type::connack> props;
    props.set<property_id::maximum_packet_size>(2);
    scripted_peer p;
    p.connect(v5, {.props = props});
    p.gets(connack{});
    CHECK(p.session.close_reason() == errc::unexpected_packet);
    CHECK(p.sent().empty());
}

TEST_CASE("disconnect: another broker is met with a clean start, even where the session is to be kept", "[session]") {
    const bool is_kept = GENERATE(false, true);
    scripted_peer p(is_kept ? kept_session() : test_options());
    p.connect();
    p.cut();
    p.session.server_changed();
    p.open();
    CHECK(p.sent().at(0).find(" clean_start") != std::string::npos);
    p.gets(connack{});
    p.cut();
    p.open(); // And now that one knows the session.
    CHECK(p.sent().at(0).find(" clean_start") == std::string::npos);
}

TEST_CASE("disconnect: a broker that is come back to, before another has answered, is asked to resume", "[session]") {
    scripted_peer p;
    p.connect();
    p.publish("a", "x", qos::at_least_once);
    (void)p.sent();
    p.cut();
    p.session.server_changed();
    p.open();
    CHECK(p.sent().at(0).find(" clean_start") != std::string::npos);
    p.cut();
    p.session.server_changed(false);
    p.open();
    CHECK(p.sent().at(0).find(" clean_start") == std::string::npos);
    p.gets(connack{.session_present = true});
    CHECK(p.sent() == trace{"PUBLISH qos=1 dup topic='a' id=1 payload='x' (1 byte)"});
}
