// Reason Strings and User Properties of acknowledgements: what the broker says to us, and what we say to it.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"

using namespace inflight;
using namespace std::chrono_literals;

namespace {

using rc = reason_code;

// `p`, with a Reason String and a User Property.
template <class Packet>
Packet explained(Packet p, std::string_view why) {
    static properties<Packet::type> props; // Borrowed by the packet until the next call.
    props.clear();
    props.template set<property_id::reason_string>(why).add_user_property("code", "7");
    p.props = props;
    return p;
}

properties<packet_type::puback> said(std::string_view why) {
    properties<packet_type::puback> out;
    out.set<property_id::reason_string>(why);
    return out;
}

// What the next outcomes say, and of which messages.
trace outcomes(client_session<>& session) {
    trace out;
    while (const auto* e = session.next_event()) {
        if (const auto* m = std::get_if<event::published>(e)) {
            const explanation why(m->why);
            out.push_back(std::to_string(m->tag) + " " + std::string(name(m->reason)) + ": " + std::string(why.reason_string()));
        }
        if (const auto* r = std::get_if<event::replied>(e))
            out.push_back(std::to_string(r->tag) + ": " + std::string(r->why.reason_string()));
    }
    return out;
}

// The broker sends packets, and what becomes of them is told only then.
struct telling_peer : scripted_peer<> {
    using scripted_peer<>::scripted_peer;
    template <class... Packets>
    trace told(const Packets&... packets) {
        (take(packets), ...);
        return outcomes(session);
    }

private:
    template <class Packet>
    void take(const Packet& p) {
        std::string bytes;
        REQUIRE(encode(p, session.version(), bytes) == errc::none);
        REQUIRE(session.received(bytes, now) == bytes.size());
    }
};

} // namespace

TEST_CASE("explanation: is empty without memory of its own, copies and compares as what it holds", "[session]") {
    const explanation none(properties_view<packet_type::suback>{});
    CHECK(none.empty());
    CHECK(none.reason_string().empty());
    CHECK(none == explanation());
    static_assert(sizeof(explanation) == sizeof(void*));
    explanation some(said("why").view());
    explanation copy = some;
    CHECK(copy == some);
    CHECK(copy != none);
    some = none;
    CHECK(some.empty());
    CHECK(copy.reason_string() == "why");
    some = std::move(copy);
    CHECK(some.props() == said("why").view());
    auto pairs = said("why");
    pairs.add_user_property("a", "1").add_user_property("b", "2");
    std::string users;
    const explanation with_users(pairs.view());
    for (const auto& [name, value] : with_users.user_properties()) users += std::string(name) + "=" + std::string(value) + ";";
    CHECK(users == "a=1;b=2;");
}

TEST_CASE("explanation: what PUBACK, a refusing PUBREC and PUBCOMP say comes with the outcome, each with its own", "[session]") {
    telling_peer p;
    p.connect();
    for (const qos level : {qos_1, qos_1, qos_2, qos_2, qos_1}) p.publish("a", std::string(3'000, 'x'), level);
    (void)p.sent();
    CHECK(p.told(explained(puback{.id = id(1), .reason = rc::quota_exceeded}, "full"), puback{.id = id(2)},
                 explained(pubrec{.id = id(3), .reason = rc::not_authorized}, "no"), pubrec{.id = id(4)},
                 explained(pubcomp{.id = id(4)}, "at last")) ==
          trace{"1 quota exceeded: full", "2 success: ", "3 not authorized: no", "4 success: at last"});
    CHECK(p.told(explained(puback{.id = id(5), .reason = rc::no_matching_subscribers}, "nobody")) ==
          trace{"5 no matching subscribers: nobody"});
    p.publish("a", "", qos_1);
    CHECK(p.told(puback{.id = id(6)}) == trace{"6 success: "});
}

TEST_CASE("explanation: of QoS 2, code and words of a good PUBREC are those of the outcome, unless PUBCOMP has words of its own",
          "[session]") {
    telling_peer p;
    p.connect();
    for (int i = 0; i != 3; ++i) p.publish("a", "", qos_2);
    const auto nobody = [](unsigned number) {
        return explained(pubrec{.id = id(number), .reason = rc::no_matching_subscribers}, "nobody");
    };
    CHECK(p.told(nobody(1)).empty());
    CHECK(p.told(nobody(2), pubrec{.id = id(3)}).empty());
    CHECK(p.told(explained(pubcomp{.id = id(2)}, "at last")) == trace{"2 no matching subscribers: at last"});
    CHECK(p.told(pubcomp{.id = id(3)}) == trace{"3 success: "});
    p.cut();
    p.resume();
    CHECK(p.told(pubcomp{.id = id(1)}) == trace{"1 no matching subscribers: nobody"});
}

TEST_CASE("explanation: the words for a message that was given up do not go to the next with its identifier", "[session]") {
    session_options options = test_options();
    options.on_lost_session = lost_session_policy::fail;
    telling_peer p(options);
    p.connect();
    p.publish("a", "", qos_2);
    CHECK(p.told(explained(pubrec{.id = id(1)}, "old")).empty());
    p.cut();
    p.connect();
    for (int i = 0; i != 65'534; ++i) {
        const auto mid = p.session.publish({.qos = qos_1, .topic = "a"}, 0, v5, p.now).mid;
        p.carry();
        CHECK(p.told(puback{.id = packet_id{mid}}).empty());
    }
    REQUIRE(p.publish("a", "", qos_2).mid == 1);
    CHECK(p.told(pubrec{.id = id(1)}, pubcomp{.id = id(1)}) == trace{"2 success: "});
}

TEST_CASE("explanation: what SUBACK and UNSUBACK say comes with the answer", "[session]") {
    telling_peer p;
    p.connect();
    p.subscribe("a");
    p.subscribe("b");
    p.unsubscribe("a");
    CHECK(p.told(explained(suback{.id = id(1), .reasons = {rc::not_authorized}}, "members only"),
                 suback{.id = id(2), .reasons = {rc::success}},
                 explained(unsuback{.id = id(3), .reasons = {rc::no_subscription_existed}}, "never seen")) ==
          trace{"1: members only", "2: ", "3: never seen"});
}

TEST_CASE("explanation: PUBACK and PUBREC say what the application says with them, in 5.0 only", "[session]") {
    scripted_peer p;
    p.connect();
    p.gets(publish{.qos = qos_1, .topic = "t", .id = id(1)});
    p.gets(publish{.qos = qos_2, .topic = "t", .id = id(2)});
    p.gets(publish{.qos = qos_1, .topic = "t", .id = id(3)});
    auto why = said("full");
    why.add_user_property("left", "0");
    CHECK(p.session.acknowledge(p.deliveries.at(0), rc::quota_exceeded, why) == errc::none);
    CHECK(p.session.acknowledge(p.deliveries.at(1), rc::success, why) == errc::none);
    CHECK(p.session.acknowledge(p.deliveries.at(2)) == errc::none);
    CHECK(p.sent() == trace{"PUBACK id=1 reason='quota exceeded' (151) reason_string='full' user_property='left' value='0'",
                            "PUBREC id=2 reason_string='full' user_property='left' value='0'", "PUBACK id=3"});
    scripted_peer old;
    old.connect(v3);
    old.gets(publish{.qos = qos_1, .topic = "t", .id = id(1)});
    CHECK(old.session.acknowledge(old.deliveries.at(0), rc::quota_exceeded, why) == errc::not_supported);
    CHECK(old.session.acknowledge(old.deliveries.at(0), rc::success, why) == errc::none);
    CHECK(old.sent() == trace{"PUBACK id=1"});
}

TEST_CASE("explanation: an acknowledgement that has to wait for an earlier one keeps its own words", "[session][v5:MQTT-4.6.0-2]") {
    const auto level = GENERATE(qos_1, qos_2);
    const std::string kind = level == qos_1 ? "PUBACK" : "PUBREC";
    scripted_peer p;
    p.connect();
    for (unsigned i = 1; i <= 3; ++i) p.gets(publish{.qos = level, .topic = "t", .id = id(i)});
    CHECK(p.session.acknowledge(p.deliveries.at(2), rc::quota_exceeded, said("third")) == errc::none);
    CHECK(p.session.acknowledge(p.deliveries.at(1)) == errc::none);
    CHECK(p.sent().empty());
    CHECK(p.session.acknowledge(p.deliveries.at(0), rc::not_authorized, said("first")) == errc::none);
    CHECK(p.sent() == trace{kind + " id=1 reason='not authorized' (135) reason_string='first'", kind + " id=2",
                            kind + " id=3 reason='quota exceeded' (151) reason_string='third'"});
}

TEST_CASE("explanation: of what does not fit the broker's Maximum Packet Size, User Properties are left out first, then the words",
          "[session][v5:MQTT-3.4.2-2][v5:MQTT-3.4.2-3][v5:MQTT-3.5.2-2][v5:MQTT-3.5.2-3]") {
    const auto level = GENERATE(qos_1, qos_2);
    const auto [maximum, left] = GENERATE(table<std::uint32_t, std::string>({
        {24, " reason_string='because' user_property='a' value='bc'"},
        {23, " reason_string='because'"},
        {16, " reason_string='because'"},
        {15, ""},
        {5, ""},
    }));
    scripted_peer p;
    p.connect(v5, maximum_packet_size(maximum));
    p.gets(publish{.qos = level, .topic = "t", .id = id(1)});
    auto why = said("because");
    why.add_user_property("a", "bc");
    CHECK(p.session.acknowledge(p.deliveries.at(0), rc::quota_exceeded, why) == errc::none);
    CHECK(p.sent() == trace{std::string(level == qos_1 ? "PUBACK" : "PUBREC") + " id=1 reason='quota exceeded' (151)" + left});
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("explanation: what no acknowledgement may say is refused, and the message is still to be acknowledged",
          "[session][v5:MQTT-3.4.2-1][v5:MQTT-3.5.2-1]") {
    const auto level = GENERATE(qos_1, qos_2);
    scripted_peer p;
    p.connect();
    p.gets(publish{.qos = level, .topic = "t", .id = id(1)});
    const delivery d = p.deliveries.at(0);
    for (const rc wrong : {rc::granted_qos_1, rc::server_busy, rc::packet_identifier_not_found, rc{0x77}})
        CHECK(p.session.acknowledge(d, wrong) == errc::reason_not_allowed);
    CHECK(p.session.acknowledge(d, rc::success, said("\xff")) == errc::not_utf8);
    CHECK(p.sent().empty());
    CHECK_FALSE(p.session.is_closing());
    CHECK(p.session.acknowledge(d) == errc::none);
    CHECK(p.sent().size() == 1);
}

TEST_CASE("explanation: a QoS 2 message acknowledged between connections gets its PUBREC, words included, when the broker repeats it",
          "[session][v5:MQTT-4.3.3-10]") {
    scripted_peer p(kept_session());
    p.connect();
    p.gets(publish{.qos = qos_1, .topic = "t", .id = id(1)});
    p.gets(publish{.qos = qos_2, .topic = "t", .id = id(2)});
    p.cut();
    CHECK(p.session.acknowledge(p.deliveries.at(0), rc::success, said("late")) == errc::stale_delivery);
    CHECK(p.session.acknowledge(p.deliveries.at(1), rc::success, said("late")) == errc::none);
    p.resume();
    CHECK(p.sent().empty());
    const publish again{.dup = true, .qos = qos_2, .topic = "t", .id = id(2)};
    CHECK(p.gets(again).empty());
    CHECK(p.gets(again).empty());
    const std::string answer = "PUBREC id=2 reason_string='late'";
    CHECK(p.sent() == trace{answer, answer});
    p.gets(pubrel{.id = id(2)});
    CHECK(p.sent() == trace{"PUBCOMP id=2"});
    p.gets(publish{.qos = qos_2, .topic = "t", .id = id(2)});
    CHECK(p.session.acknowledge(p.deliveries.back()) == errc::none);
    CHECK(p.sent() == trace{"PUBREC id=2"});
}

TEST_CASE("explanation: a QoS 2 message refused between connections is refused, with the words, when the broker repeats it",
          "[session][v5:MQTT-4.3.3-9]") {
    scripted_peer p(kept_session());
    p.connect();
    p.gets(publish{.qos = qos_2, .topic = "t", .id = id(2)});
    p.cut();
    CHECK(p.session.acknowledge(p.deliveries.at(0), rc::quota_exceeded, said("full")) == errc::none);
    p.resume();
    CHECK(p.gets(publish{.dup = true, .qos = qos_2, .topic = "t", .id = id(2)}).empty());
    CHECK(p.sent() == trace{"PUBREC id=2 reason='quota exceeded' (151) reason_string='full'"});
    CHECK(p.gets(publish{.qos = qos_2, .topic = "t", .id = id(2)}).size() == 1); // A new message.
}
