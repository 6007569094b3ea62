// What a durable store is asked to keep, what waits for its commits, and what comes back after a restart.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"

#include <map>
#include <set>

using namespace inflight;
using namespace std::chrono_literals;

namespace {

// Outlives the session, as a file does.
struct disk {
    struct record {
        packet_id id;
        inflight::qos qos;
        flow state;
        protocol_version version;
        std::string bytes;
    };
    std::map<std::uint64_t, record> messages{};
    std::set<packet_id> received{};
    std::uint64_t ticket = 0;
    bool commits_at_once = true;
};

class disk_store {
public:
    explicit disk_store(disk& d) : disk_(&d) {}
    std::uint64_t keep(const stored_message& m) {
        disk_->messages[m.sequence] = {m.id, m.qos, m.state, m.version, std::string(m.bytes)};
        return next_ticket();
    }
    void forget(std::uint64_t sequence) { disk_->messages.erase(sequence); }
    std::uint64_t keep_received(packet_id id) {
        disk_->received.insert(id);
        return next_ticket();
    }
    std::uint64_t forget_received(packet_id id) {
        disk_->received.erase(id);
        return next_ticket();
    }
    template <class OnMessage, class OnReceived>
    void restore(OnMessage&& on_message, OnReceived&& on_received) {
        for (const auto& [sequence, r] : disk_->messages) on_message(stored_message{sequence, r.id, r.qos, r.state, r.version, r.bytes});
        for (const packet_id id : disk_->received) on_received(id);
    }

private:
    std::uint64_t next_ticket() { return disk_->commits_at_once ? 0 : ++disk_->ticket; }
    disk* disk_;
};
static_assert(session_store<disk_store>);

using durable_peer = scripted_peer<disk_store>;

} // namespace

TEST_CASE("store: keeps QoS 1 and 2 from publish() to the last acknowledgement, QoS 0 never",
          "[session][v5:MQTT-4.3.2-3][v5:MQTT-4.3.3-3][v5:MQTT-4.3.1-1]") {
    disk d;
    durable_peer p(test_options(), disk_store(d));
    p.publish("zero", "", qos_0);
    CHECK(d.messages.empty());
    p.publish("a", "", qos_1);
    p.publish("b", "", qos_2);
    CHECK(d.messages.size() == 2);
    for (const auto& [sequence, r] : d.messages) CHECK(r.state == flow::none);
    p.connect();
    (void)p.sent();
    CHECK(d.messages.begin()->second.state == flow::await_puback);
    CHECK(d.messages.rbegin()->second.state == flow::await_pubrec);
    p.gets(puback{.id = d.messages.begin()->second.id});
    CHECK(d.messages.size() == 1);
    p.gets(pubrec{.id = d.messages.begin()->second.id});
    CHECK(d.messages.begin()->second.state == flow::await_pubcomp);
    p.gets(pubcomp{.id = d.messages.begin()->second.id});
    CHECK(d.messages.empty());
}

TEST_CASE("store: forgets what is settled in another way", "[session]") {
    disk d;
    session_options options = test_options();
    options.on_lost_session = lost_session_policy::fail;
    durable_peer p(options, disk_store(d));
    p.connect();
    p.publish("lost", "", qos_1);
    p.carry();
    p.cut();
    properties<packet_type::publish> props;
    props.set<property_id::message_expiry_interval>(1);
    p.publish({.qos = qos_1, .topic = "expired", .props = props});
    CHECK(d.messages.size() == 2);
    p.wait(2s);
    CHECK(p.connect().size() == 3);
    CHECK(d.messages.empty());
}

TEST_CASE("store: keeps messages that are abandoned, for another session", "[session]") {
    disk d;
    durable_peer p(test_options(), disk_store(d));
    p.publish("a", "", qos_1);
    p.session.abandon(errc::shutting_down);
    CHECK(d.messages.size() == 1);
}

TEST_CASE("store: a restart resumes with every message, its identifier and its place",
          "[session][v5:MQTT-4.4.0-1][v5:MQTT-4.3.3-6][v5:U5-25]") {
    disk d;
    const auto version = GENERATE(v3, v5);
    {
        durable_peer p(kept_session(), disk_store(d));
        p.connect(version);
        p.publish("a", "", qos_1);
        p.publish("b", "", qos_2);
        p.publish("c", "", qos_2);
        (void)p.sent();
        p.gets(pubrec{.id = id(2)});
        p.cut();
        p.publish("d", "", qos_1);
    }
    durable_peer p(kept_session(), disk_store(d));
    CHECK(p.session.unsettled() == 4);
    CHECK(p.session.is_outstanding(id(3)));
    CHECK(p.publish("e", "", qos_1).mid == 5);
    CHECK(p.resume(version) == trace{"connected resumed"});
    CHECK(p.sent() == trace{"PUBREL id=2", publish_1("a", 1, true), "PUBLISH qos=2 dup topic='c' id=3 payload='' (0 bytes)",
                            publish_1("d", 4), publish_1("e", 5)});
    CHECK(p.gets(puback{.id = id(1)}).empty()); // Nobody is left who asked.
    CHECK(p.gets(puback{.id = id(5)}) == trace{"published 1: success"});
    p.gets(pubcomp{.id = id(2)});
    CHECK(d.messages.size() == 2);
}

TEST_CASE("store: a restart that finds no session publishes everything as new, in order, and reports the loss",
          "[session][v5:MQTT-3.2.2-5][v5:MQTT-3.3.1-1]") {
    disk d;
    {
        durable_peer p(kept_session(), disk_store(d));
        p.connect();
        p.publish("a", "", qos_2);
        p.publish("b", "", qos_1);
        (void)p.sent();
        p.gets(pubrec{.id = id(1)});
    }
    durable_peer p(kept_session(), disk_store(d));
    CHECK(p.connect() == trace{"connected lost"});
    CHECK(p.sent() == trace{"PUBLISH qos=2 topic='a' id=1 payload='' (0 bytes)", publish_1("b", 2)});
}

TEST_CASE("store: stored messages are state of a session, and are resumed without keep_session in 5.0",
          "[session][v5:MQTT-3.2.2-4]") {
    disk d;
    {
        durable_peer p(test_options(), disk_store(d));
        p.connect();
        p.publish("a", "", qos_1);
        p.carry();
    }
    durable_peer p(test_options(), disk_store(d));
    p.open();
    CHECK(p.sent().at(0).find(" clean_start") == std::string::npos);
    CHECK(p.gets(connack{.session_present = true}) == trace{"connected resumed"});
    CHECK(p.sent() == trace{publish_1("a", 1, true)});
}

TEST_CASE("store: after a lost session a restart does not take the old state for that of the new session",
          "[session][v5:MQTT-3.2.2-5]") {
    disk d;
    properties<packet_type::connack> props;
    props.set<property_id::receive_maximum>(1);
    {
        durable_peer p(kept_session(), disk_store(d));
        p.connect();
        p.publish("a", "", qos_1);
        p.publish("b", "", qos_2);
        (void)p.sent();
        p.gets(pubrec{.id = id(2)});
        p.cut();
        p.connect(v5, {.props = props}); // Lost: b waits behind a.
        CHECK(p.sent() == trace{publish_1("a", 1)});
    }
    durable_peer p(kept_session(), disk_store(d));
    p.resume();
    CHECK(p.sent() == trace{publish_1("a", 1, true), "PUBLISH qos=2 topic='b' id=2 payload='' (0 bytes)"}); // No PUBREL.
}

TEST_CASE("store: a message is encoded anew when the restart speaks another version", "[session]") {
    disk d;
    {
        durable_peer p(kept_session(), disk_store(d));
        p.publish("a", "x", qos_1);
    }
    durable_peer p(kept_session(), disk_store(d));
    p.connect(v3);
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='a' id=1 payload='x' (1 byte)"});
}

TEST_CASE("store: received QoS 2 identifiers are kept from the acknowledgement to PUBREL, and survive a restart",
          "[session][v5:MQTT-4.3.3-10][v5:MQTT-4.3.3-8]") {
    disk d;
    const publish message{.qos = qos_2, .topic = "t", .id = id(7)};
    {
        durable_peer p(kept_session(), disk_store(d));
        p.connect();
        p.gets(message);
        CHECK(d.received.empty()); // The application may not have it yet.
        p.session.acknowledge(p.deliveries.at(0));
        CHECK(d.received.size() == 1);
        p.carry();
    }
    durable_peer p(kept_session(), disk_store(d));
    p.resume();
    CHECK(p.gets(message).empty());
    CHECK(p.sent() == trace{"PUBREC id=7"});
    p.gets(pubrel{.id = id(7)});
    CHECK(p.sent() == trace{"PUBCOMP id=7"});
    CHECK(d.received.empty());
}

TEST_CASE("store: a restart that gets PUBREL first completes, and one without a session forgets identifiers",
          "[session][v5:MQTT-4.3.3-11][v5:MQTT-3.2.2-5]") {
    disk d;
    d.received.insert(id(7));
    const bool resumed = GENERATE(true, false);
    durable_peer p(kept_session(), disk_store(d));
    p.connect(v5, {.session_present = resumed});
    if (resumed) {
        p.gets(pubrel{.id = id(7)});
        CHECK(p.sent() == trace{"PUBCOMP id=7"});
    } else {
        CHECK(p.gets(publish{.qos = qos_2, .topic = "t", .id = id(7)}).size() == 1);
    }
    CHECK(d.received.empty());
}

TEST_CASE("store: when the session is lost, stored messages of every state are published anew or given up, as the policy says",
          "[session][v5:MQTT-3.2.2-5][v5:MQTT-3.3.1-1]") {
    const auto policy = GENERATE(lost_session_policy::republish, lost_session_policy::fail);
    const bool restarts = GENERATE(true, false);
    session_options options = kept_session();
    options.on_lost_session = policy;
    disk d;
    auto p = std::make_unique<durable_peer>(options, disk_store(d));
    p->connect();
    p->publish("puback", "", qos_1);
    p->publish("pubrec", "", qos_2);
    p->publish("pubcomp", "", qos_2);
    p->publish("again", "", qos_1);
    (void)p->sent();
    p->gets(pubrec{.id = id(3)});
    p->cut();
    properties<packet_type::connack> props;
    props.set<property_id::receive_maximum>(3);
    p->resume(v5, {.props = props}); // "again" waits behind the others.
    CHECK(p->sent().size() == 3);
    p->cut();
    p->publish("new", "", qos_1);
    if (restarts) p = std::make_unique<durable_peer>(options, disk_store(d));

    const trace told = p->connect();
    CHECK(told.at(0) == "connected lost");
    const trace all{publish_1("puback", 1), "PUBLISH qos=2 topic='pubrec' id=2 payload='' (0 bytes)",
                    "PUBLISH qos=2 topic='pubcomp' id=3 payload='' (0 bytes)", publish_1("again", 4), publish_1("new", 5)};
    if (policy == lost_session_policy::republish) {
        CHECK(told.size() == 1);
        CHECK(p->sent() == all);
    } else {
        CHECK(told.size() == (restarts ? 1 : 5)); // After a restart nobody is left who asked.
        CHECK(p->sent() == trace{all.back()});
        CHECK(d.messages.size() == 1);
    }
}

TEST_CASE("store: identifiers of received messages alone are state of a session too", "[session][v5:MQTT-3.2.2-4]") {
    disk d;
    d.received.insert(id(7));
    durable_peer p(test_options(), disk_store(d));
    CHECK(p.resume() == trace{"connected resumed"});
    CHECK(p.gets(publish{.qos = qos_2, .topic = "t", .id = id(7)}).empty());
}

TEST_CASE("store: damaged records are left out and counted, and the others come back", "[session]") {
    disk d;
    {
        durable_peer p(kept_session(), disk_store(d));
        p.connect();
        for (int i = 0; i != 9; ++i) p.publish("a", "", i % 2 == 0 ? qos_1 : qos_2);
    }
    std::vector<disk::record*> r;
    for (auto& [sequence, one] : d.messages) r.push_back(&one);
    r[0]->bytes.pop_back();
    r[1]->id = packet_id::none;
    *r[2] = *r[7]; // One identifier twice: the first one has it.
    r[3]->state = flow::await_puback; // Of a QoS 2 message.
    r[4]->version = static_cast<protocol_version>(9);
    r[5]->bytes = std::string("\xC0\0", 2); // PINGREQ.
    r[6]->bytes += '\0'; // Behind the packet.
    d.messages[~std::uint64_t{0}] = *r[8];
    d.received = {packet_id::none, id(9)};
    durable_peer p(kept_session(), disk_store(d));
    CHECK(p.session.damaged_records() == 9);
    CHECK(p.session.unsettled() == 2);
    CHECK(p.resume() == trace{"connected resumed"});
    CHECK(p.sent() == trace{"PUBLISH qos=2 dup topic='a' id=8 payload='' (0 bytes)", publish_1("a", 9, true)});
    CHECK(p.publish("b", "", qos_1).mid == 10);
    CHECK(d.messages.size() == 11); // They are left in the store, and nothing takes their place.
}

TEST_CASE("store: any damage to a record is found, or leaves a message that can be sent", "[session]") {
    disk d;
    {
        durable_peer p(kept_session(), disk_store(d));
        p.connect();
        properties<packet_type::publish> props;
        props.set<property_id::response_topic>("answer").set<property_id::message_expiry_interval>(7);
        p.publish({.qos = qos_1, .topic = "topic", .props = props, .payload = "payload"});
    }
    const std::string good = d.messages.begin()->second.bytes;
    for (std::size_t i = 0; i != good.size(); ++i)
        for (unsigned bit = 0; bit != 8; ++bit) {
            std::string& bytes = d.messages.begin()->second.bytes;
            bytes = good;
            bytes[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ (1u << bit));
            durable_peer p(kept_session(), disk_store(d));
            CHECK(p.session.unsettled() + p.session.damaged_records() == 1);
            p.resume(i % 2 == 0 ? v5 : v3);
            for (const std::string& line : p.sent()) CHECK(line.find("BAD") == std::string::npos);
        }
}

TEST_CASE("store: PUBLISH, PUBREL and PUBREC wait for the commit that they rest on",
          "[session][v5:MQTT-4.3.3-8][v5:MQTT-4.3.3-3]") {
    disk d;
    d.commits_at_once = false;
    durable_peer p(kept_session(), disk_store(d));
    p.connect();
    p.publish("a", "", qos_2);
    CHECK(p.sent().empty());
    CHECK_FALSE(p.session.output_empty());
    p.session.committed(d.ticket);
    CHECK(p.sent() == trace{"PUBLISH qos=2 topic='a' id=1 payload='' (0 bytes)"});
    p.gets(pubrec{.id = id(1)});
    CHECK(p.sent().empty());
    p.session.committed(d.ticket);
    CHECK(p.sent() == trace{"PUBREL id=1"});
    CHECK(p.gets(pubcomp{.id = id(1)}) == trace{"published 1: success"});

    p.gets(publish{.qos = qos_2, .topic = "in", .id = id(9)});
    p.session.acknowledge(p.deliveries.at(0));
    CHECK(p.sent().empty());
    p.session.committed(d.ticket);
    CHECK(p.sent() == trace{"PUBREC id=9"});
    p.gets(publish{.qos = qos_1, .topic = "in", .id = id(9)});
    p.session.acknowledge(p.deliveries.at(1));
    CHECK(p.sent() == trace{"PUBACK id=9"}); // Rests on nothing.
}

TEST_CASE("store: one commit releases all that was gathered for it", "[session]") {
    disk d;
    d.commits_at_once = false;
    durable_peer p(test_options(), disk_store(d));
    p.connect();
    for (int i = 0; i != 100; ++i) p.publish("a", "", qos_1);
    CHECK(p.session.output().empty());
    p.session.committed(d.ticket - 1);
    CHECK(p.session.output().empty());
    p.session.committed(d.ticket);
    CHECK(p.session.output().size() == 1);
    CHECK(p.sent().size() == 100);
}

TEST_CASE("store: a PUBREC that rests on an uncommitted record is not sent on the next connection either",
          "[session][v5:MQTT-4.3.3-8]") {
    disk d;
    d.commits_at_once = false;
    durable_peer p(kept_session(), disk_store(d));
    p.connect();
    p.gets(publish{.qos = qos_2, .topic = "t", .id = id(7)});
    p.session.acknowledge(p.deliveries.at(0));
    p.cut();
    p.open();
    CHECK(p.sent().empty()); // Not even CONNECT.
    p.session.committed(d.ticket);
    CHECK(p.sent().size() == 1);
    p.gets(connack{.session_present = true});
    p.gets(publish{.dup = true, .qos = qos_2, .topic = "t", .id = id(7)});
    CHECK(p.sent() == trace{"PUBREC id=7"});
}

TEST_CASE("store: a PUBCOMP waits until the identifier is forgotten for good, so that a crash cannot bring it back",
          "[session][v5:MQTT-4.3.3-12]") {
    disk d;
    durable_peer p(kept_session(), disk_store(d));
    p.connect();
    p.gets(publish{.qos = qos_2, .topic = "t", .id = id(7)});
    p.session.acknowledge(p.deliveries.at(0));
    CHECK(p.sent() == trace{"PUBREC id=7"});
    d.commits_at_once = false;
    p.gets(pubrel{.id = id(7)});
    CHECK(p.sent().empty());
    p.session.committed(d.ticket);
    CHECK(p.sent() == trace{"PUBCOMP id=7"});
}

TEST_CASE("store: a crash amidst what a lost session changes leaves the order of acceptance", "[session][v5:MQTT-4.6.0-1]") {
    disk d;
    {
        durable_peer p(kept_session(), disk_store(d));
        p.connect();
        p.publish("a", "", qos_1);
        p.publish("b", "", qos_1);
        (void)p.sent();
    }
    d.messages.begin()->second.state = flow::none; // Committed after the loss; the record of b was not.
    durable_peer p(kept_session(), disk_store(d));
    p.resume();
    CHECK(p.sent() == trace{publish_1("a", 1), publish_1("b", 2, true)});
}
