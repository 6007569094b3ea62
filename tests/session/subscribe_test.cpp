// SUBSCRIBE and UNSUBSCRIBE, their answers, and subscriptions after a lost session.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"
#include "support/hex.hpp"

using namespace inflight;
using namespace std::chrono_literals;

namespace {

suback granted(unsigned number, std::vector<reason_code> reasons = {reason_code::granted_qos_1}) {
    return {.id = id(number), .reasons = std::move(reasons)};
}
unsuback gone(unsigned number, inflight::protocol_version version) {
    return {.id = id(number), .reasons = version == v5 ? std::vector{reason_code::success} : std::vector<reason_code>{}};
}

bool starts(const trace& lines, std::size_t i, std::string_view text) { return i < lines.size() && lines[i].starts_with(text); }

} // namespace

TEST_CASE("subscribe: SUBSCRIBE goes out with its options, and its SUBACK completes it",
          "[session][v5:MQTT-3.8.4-2][v3:MQTT-3.8.4-2]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    const subscribe request{.subscriptions = {{.filter = "a/+", .qos = qos::exactly_once, .no_local = true}, {.filter = "b"}}};
    const auto got = p.session.subscribe(request, 42, version);
    REQUIRE(got);
    CHECK(number(*got) == 1);
    CHECK(p.session.open_requests() == 1);
    CHECK(starts(p.sent(), 0, version == v5 ? "SUBSCRIBE id=1 filter='a/+' qos=2 no_local retain_handling=0 filter='b' qos=0"
                                            : "SUBSCRIBE id=1 filter='a/+' qos=2 filter='b' qos=0"));
    CHECK(p.gets(granted(1, {reason_code::granted_qos_1, reason_code::success})) == trace{"subscribed 42: 1 0"});
    CHECK(p.session.open_requests() == 0);
}

TEST_CASE("subscribe: the codes of SUBACK are those of the filters, in their order",
          "[session][v5:MQTT-3.9.3-1][v3:MQTT-3.9.3-1][v3:MQTT-3.8.4-5]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    const subscribe request{.subscriptions = {{.filter = "a"}, {.filter = "b"}, {.filter = "c"}}};
    (void)p.session.subscribe(request, 1, version);
    p.carry();
    CHECK(p.gets(granted(1, {reason_code::granted_qos_2, reason_code::unspecified_error, reason_code::success})) ==
          trace{"subscribed 1: 2 128 0"});
    // What was refused is not renewed.
    p.cut();
    (void)p.sent();
    p.connect(version);
    const trace sent = p.sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].find("filter='a'") != std::string::npos);
    CHECK(sent[0].find("filter='b'") == std::string::npos);
    CHECK(sent[0].find("filter='c'") != std::string::npos);
}

TEST_CASE("subscribe: a reply with another number of codes ends the connection",
          "[session][v5:MQTT-3.8.4-6][v5:MQTT-3.11.3-1][v3:MQTT-3.8.4-5]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    (void)p.subscribe("a");
    SECTION("SUBACK") { CHECK(p.gets(granted(1, {reason_code::success, reason_code::success})).empty()); }
    SECTION("UNSUBACK of 5.0") {
        if (version == v3) return;
        (void)p.unsubscribe("a");
        CHECK(p.gets(unsuback{.id = id(2), .reasons = {reason_code::success, reason_code::success}}).empty());
    }
    CHECK(p.session.close_reason() == errc::reply_count);
    CHECK(p.session.open_requests() >= 1);
}

TEST_CASE("subscribe: UNSUBACK completes the UNSUBSCRIBE, removed or not",
          "[session][v5:MQTT-3.10.4-5][v5:MQTT-3.11.3-1][v3:MQTT-3.10.4-4][v3:MQTT-3.10.4-5]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    CHECK(number(*p.unsubscribe("a")) == 1);
    CHECK(p.sent() == trace{"UNSUBSCRIBE id=1 filter='a'"});
    CHECK(p.session.open_requests() == 1);
    if (version == v5)
        CHECK(p.gets(unsuback{.id = id(1), .reasons = {reason_code::no_subscription_existed}}) == trace{"unsubscribed 1: 17"});
    else
        CHECK(p.gets(gone(1, version)) == trace{"unsubscribed 1:"});
    CHECK(p.session.open_requests() == 0);
}

TEST_CASE("subscribe: a reply for an unknown identifier is ignored, one of the wrong kind ends the connection",
          "[session][v5:MQTT-2.2.1-6][v3:MQTT-2.3.1-7]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    (void)p.subscribe("a");
    CHECK(p.gets(granted(9)).empty());
    CHECK(p.gets(gone(9, version)).empty());
    p.publish("t", "", qos::at_least_once);
    CHECK(p.gets(granted(2)).empty()); // That of a PUBLISH.
    CHECK_FALSE(p.session.is_closing());
    CHECK(p.gets(gone(1, version)).empty());
    CHECK(p.session.close_reason() == errc::unexpected_packet);
}

TEST_CASE("subscribe: PUBACK for a SUBSCRIBE's identifier completes nothing", "[session][v5:MQTT-2.2.1-5]") {
    scripted_peer p;
    p.connect();
    (void)p.subscribe("a");
    CHECK(p.gets(puback{.id = id(1)}).empty());
    CHECK(p.session.open_requests() == 1);
    CHECK(p.gets(granted(1)) == trace{"subscribed 1: 1"});
}

TEST_CASE("subscribe: an identifier is free again after its SUBACK or UNSUBACK",
          "[session][v5:U5-25][v3:MQTT-2.3.1-3]") {
    const auto version = GENERATE(v3, v5);
    session_options options = test_options();
    options.first_packet_id = 65'535;
    scripted_peer p(options);
    p.connect(version);
    CHECK(number(*p.subscribe("a")) == 65'535);
    CHECK(number(*p.unsubscribe("b")) == 1);
    p.carry();
    p.gets(granted(65'535));
    p.gets(gone(1, version));
    for (unsigned n = 2; n != 65'535; ++n)
        REQUIRE(p.session.publish({.qos = qos::at_least_once, .topic = "t"}, 0, version, p.now).mid == n);
    CHECK(number(*p.subscribe("a")) == 65'535);
    CHECK(number(*p.unsubscribe("a")) == 1);
    CHECK(p.subscribe("a").error() == errc::packet_ids_exhausted);
}

TEST_CASE("subscribe: filters that are none are refused, and nothing is sent", "[session]") {
    scripted_peer p;
    p.connect();
    CHECK(p.subscribe("a/#/b").error() == errc::filter_invalid);
    CHECK(p.subscribe("").error() == errc::filter_empty);
    CHECK(p.unsubscribe("a+").error() == errc::filter_invalid);
    CHECK(p.session.subscribe({}, 1, v5).error() == errc::no_filter);
    CHECK(p.session.unsubscribe({}, 1, v5).error() == errc::no_filter);
    CHECK(p.sent().empty());
    CHECK(number(*p.subscribe("a")) == 1);
}

TEST_CASE("subscribe: what the broker has switched off is refused at once", "[session][v5:U5-19]") {
    scripted_peer p;
    p.connect(v5, with([](auto& props) {
        props.template set<property_id::wildcard_subscription_available>(0);
        props.template set<property_id::subscription_identifier_available>(0);
        props.template set<property_id::shared_subscription_available>(0);
        props.template set<property_id::maximum_packet_size>(60);
    }));
    CHECK(p.subscribe("a/+").error() == errc::wildcards_not_supported);
    CHECK(p.subscribe("$share/g/a").error() == errc::shared_not_supported);
    properties<packet_type::subscribe> props;
    props.set<property_id::subscription_identifier>(1);
    CHECK(p.session.subscribe({.props = props, .subscriptions = {{.filter = "a"}}}, 1, v5).error() ==
          errc::subscription_identifiers_not_supported);
    CHECK(p.subscribe(std::string(53, 'a')).error() == errc::packet_too_large); // 61 bytes.
    CHECK(p.subscribe(std::string(52, 'a')));
    CHECK(p.unsubscribe("a/+")); // Of an earlier subscription.
    CHECK(p.sent().size() == 2);
}

TEST_CASE("subscribe: a request accepted offline that the broker has switched off is settled with that error, unsent",
          "[session][v5:U5-19]") {
    scripted_peer p;
    (void)p.subscribe("a/+");
    (void)p.subscribe("b");
    CHECK(p.connect(v5, with([](auto& props) { props.template set<property_id::wildcard_subscription_available>(0); })) ==
          trace{"connected", "subscribed 1: failed, broker does not support wildcard subscriptions"});
    const trace sent = p.sent();
    CHECK(sent.size() == 1);
    CHECK(starts(sent, 0, "SUBSCRIBE id=2 filter='b'"));
}

TEST_CASE("subscribe: a request without an answer is made anew on the next connection, in the order of wishes",
          "[session][v5:MQTT-3.8.4-1][v5:MQTT-3.10.4-4][v5:MQTT-4.4.0-1][v3:MQTT-3.8.4-1]") {
    const auto version = GENERATE(v3, v5);
    const bool resumed = GENERATE(false, true);
    scripted_peer p(kept_session());
    p.connect(version);
    (void)p.subscribe("a");
    (void)p.unsubscribe("b");
    CHECK(p.sent().size() == 2);
    p.cut();
    (void)p.subscribe("c");
    CHECK(p.events().empty());
    p.connect(version, {.session_present = resumed});
    const trace sent = p.sent();
    CHECK(sent.size() == 3);
    CHECK(starts(sent, 0, "SUBSCRIBE id=1 filter='a'"));
    CHECK(starts(sent, 1, "UNSUBSCRIBE id=2 filter='b'"));
    CHECK(starts(sent, 2, "SUBSCRIBE id=3 filter='c'"));
    CHECK(p.gets(granted(1)) == trace{"subscribed 1: 1"});
}

TEST_CASE("subscribe: detached, a request goes its way without an outcome, and is renewed all the same",
          "[session]") {
    scripted_peer p;
    p.connect();
    (void)p.subscribe("a");
    CHECK_FALSE(p.session.detach(9, id(1)));
    CHECK(p.session.detach(1, id(1)));
    CHECK(p.gets(granted(1)).empty());
    CHECK(p.session.open_requests() == 0);
    p.cut();
    p.connect();
    CHECK(starts(p.sent(), 0, "SUBSCRIBE"));
}

TEST_CASE("subscribe: abandoned requests get the error given, and no request is taken after stop",
          "[session]") {
    scripted_peer p;
    p.connect();
    (void)p.subscribe("a");
    (void)p.unsubscribe("b");
    p.session.stop();
    CHECK(p.subscribe("c").error() == errc::shutting_down);
    p.session.abandon(errc::shutting_down);
    CHECK(p.events() == trace{"subscribed 1: failed, client is shutting down", "unsubscribed 2: failed, client is shutting down"});
    CHECK(p.session.open_requests() == 0);
}

TEST_CASE("subscribe: subscriptions are renewed with their options after a lost session, and not after a resumed one",
          "[session][v5:MQTT-3.2.2-5][v3:MQTT-3.2.2-3]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p(kept_session());
    p.connect(version);
    properties<packet_type::subscribe> props;
    props.set<property_id::subscription_identifier>(7);
    const subscribe request{.props = props, .subscriptions = {{.filter = "a", .qos = qos::exactly_once, .no_local = true}}};
    (void)p.session.subscribe(request, 1, version);
    p.carry();
    p.gets(granted(1, {reason_code::granted_qos_2}));
    p.cut();
    p.resume(version);
    CHECK(p.sent().empty());
    p.cut();
    CHECK(p.connect(version) == trace{"connected lost"});
    CHECK(p.sent() == trace{version == v5 ? "SUBSCRIBE id=2 subscription_identifier=7 filter='a' qos=2 no_local retain_handling=0"
                                          : "SUBSCRIBE id=2 filter='a' qos=2"});
    CHECK(p.gets(granted(2, {reason_code::granted_qos_2})) == trace{"subscribed 0 'a': 2"}); // By itself: tag 0.
}

TEST_CASE("subscribe: nothing is renewed if the options say so", "[session]") {
    session_options options = test_options();
    options.resubscribe = false;
    scripted_peer p(options);
    p.connect();
    (void)p.subscribe("a");
    p.carry();
    p.gets(granted(1));
    p.cut();
    CHECK(p.connect() == trace{"connected lost"});
    CHECK(p.sent().empty());
}

TEST_CASE("subscribe: renewals come before new requests and before messages", "[session]") {
    scripted_peer p;
    p.connect();
    (void)p.subscribe("old");
    p.publish("t", "", qos::at_least_once);
    p.carry();
    p.gets(granted(1));
    p.cut();
    (void)p.subscribe("new");
    (void)p.sent();
    p.connect();
    const trace sent = p.sent();
    REQUIRE(sent.size() == 3);
    CHECK(sent[0].find("filter='old'") != std::string::npos);
    CHECK(sent[1].find("filter='new'") != std::string::npos);
    CHECK(starts(sent, 2, "PUBLISH"));
}

TEST_CASE("subscribe: what was unsubscribed is not renewed, whatever the order of wishes and answers",
          "[session]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    (void)p.subscribe("a");
    std::string last = "SUBSCRIBE";
    SECTION("subscribed, answered, unsubscribed, answered") {
        p.gets(granted(1));
        (void)p.unsubscribe("a");
        p.gets(gone(2, version));
    }
    SECTION("subscribed, answered, unsubscribed, the answer lost") {
        p.gets(granted(1));
        (void)p.unsubscribe("a");
        last = "UNSUBSCRIBE alone";
    }
    SECTION("unsubscribed before SUBACK has come") {
        (void)p.unsubscribe("a");
        p.gets(granted(1));
        p.gets(gone(2, version));
    }
    SECTION("unsubscribed before SUBACK has come, the answer lost") {
        (void)p.unsubscribe("a");
        p.gets(granted(1));
        last = "UNSUBSCRIBE"; // After the renewal, if there is one.
    }
    SECTION("and subscribed again") {
        (void)p.unsubscribe("a");
        (void)p.subscribe("a", qos::exactly_once);
        p.gets(granted(1));
        SECTION("answers in order") {
            p.gets(gone(2, version));
            p.gets(granted(3));
        }
        SECTION("answers out of order") {
            p.gets(granted(3));
            p.gets(gone(2, version));
        }
        last = "renewed";
    }
    p.carry();
    (void)p.sent();
    p.cut();
    p.connect(version);
    const trace sent = p.sent();
    if (last == "SUBSCRIBE") CHECK(sent.empty());
    if (last == "UNSUBSCRIBE alone") CHECK(sent.size() == 1);
    if (last.starts_with("UNSUBSCRIBE")) {
        REQUIRE_FALSE(sent.empty());
        CHECK(starts(sent, sent.size() - 1, "UNSUBSCRIBE"));
    }
    if (last == "renewed") {
        REQUIRE(sent.size() == 1);
        CHECK(sent[0].find("filter='a' qos=2") != std::string::npos);
    }
}

TEST_CASE("subscribe: renewals are batched, within the broker's Maximum Packet Size",
          "[session][v5:MQTT-3.2.2-15]") {
    scripted_peer p;
    p.connect();
    for (int i = 0; i != 150; ++i) {
        const auto got = p.subscribe("filter/" + std::to_string(100 + i));
        p.carry();
        p.gets(suback{.id = *got, .reasons = {reason_code::success}});
    }
    p.cut();
    p.connect();
    const trace whole = p.sent();
    CHECK(whole.size() == 3); // 64, 64, 22.
    p.cut();
    p.connect(v5, with([](auto& props) { props.template set<property_id::maximum_packet_size>(100); }));
    const trace small = p.sent();
    CHECK(small.size() == 25); // Six filters of 13 bytes each.
    CHECK_FALSE(p.session.is_closing());
    for (const trace& sent : {whole, small}) {
        std::size_t filters = 0;
        for (const std::string& line : sent)
            for (std::size_t at = line.find("filter='"); at != std::string::npos; at = line.find("filter='", at + 1)) ++filters;
        CHECK(filters == 150);
    }
    CHECK(p.events().empty());
}

TEST_CASE("subscribe: renewals with other properties go in packets of their own", "[session]") {
    scripted_peer p;
    p.connect();
    for (std::uint32_t n = 1; n <= 3; ++n) {
        properties<packet_type::subscribe> props;
        props.set<property_id::subscription_identifier>(n);
        const std::string filter = "f" + std::to_string(n);
        const auto got = p.session.subscribe({.props = props, .subscriptions = {{.filter = filter}}}, n, v5);
        p.carry();
        p.gets(suback{.id = *got, .reasons = {reason_code::success}});
    }
    p.cut();
    p.connect();
    const trace sent = p.sent();
    REQUIRE(sent.size() == 3);
    for (std::size_t i = 0; i != 3; ++i) CHECK(sent[i].find("subscription_identifier=" + std::to_string(i + 1)) != std::string::npos);
}

TEST_CASE("subscribe: a renewal that the link cuts is made once on the next connection", "[session]") {
    const bool resumed = GENERATE(false, true);
    scripted_peer p;
    p.connect();
    (void)p.subscribe("a");
    p.carry();
    p.gets(granted(1));
    p.cut();
    p.connect();
    CHECK(p.sent().size() == 1);
    p.cut(); // Before SUBACK.
    CHECK(p.session.open_requests() == 0);
    p.connect(v5, {.session_present = resumed});
    CHECK(p.sent().size() == 1);
}

TEST_CASE("subscribe: a lost CONNACK may have been that of a new session: subscriptions are renewed", "[session]") {
    scripted_peer p;
    p.connect();
    (void)p.subscribe("a");
    p.carry();
    p.gets(granted(1));
    p.cut();
    p.open(); // Its CONNACK does not arrive.
    p.cut();
    p.resume();
    CHECK(starts(p.sent(), 0, "SUBSCRIBE"));
    p.cut();
    p.resume(); // The one before was answered.
    CHECK(starts(p.sent(), 0, "SUBSCRIBE")); // Renewed again: that renewal had no SUBACK.
    p.gets(granted(3));
    p.cut();
    p.resume();
    CHECK(p.sent().empty());
}

TEST_CASE("subscribe: a broker without wildcards still gets the renewals it can take",
          "[session][v5:U5-19]") {
    scripted_peer p;
    p.connect();
    for (const char* filter : {"a", "b/+", "c"}) {
        const auto got = p.subscribe(filter);
        p.carry();
        p.gets(suback{.id = *got, .reasons = {reason_code::success}});
    }
    p.cut();
    const trace got = p.connect(v5, with([](auto& props) { props.template set<property_id::wildcard_subscription_available>(0); }));
    CHECK(got == trace{"connected lost", "subscribed 0 'b/+': failed, broker does not support wildcard subscriptions"});
    const trace sent = p.sent();
    REQUIRE(sent.size() == 2);
    CHECK(sent[0].ends_with("filter='a' qos=1 retain_handling=0"));
    CHECK(sent[1].ends_with("filter='c' qos=1 retain_handling=0"));
}
