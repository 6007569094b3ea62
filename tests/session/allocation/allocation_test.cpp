// The steady state allocates nothing. An executable of its own, since it replaces operator new for all of it.
#include <inflight/session.hpp>

#include "support/catch.hpp"
#include "support/counted_memory.hpp"

using namespace inflight;

namespace {

// A broker that costs nothing itself: its answers are patched into buffers that stand.
class sink {
public:
    client_session<> session;
    time_point now{std::chrono::hours(1)};

    sink(protocol_version version, session_options options) : session(std::move(options)) {
        session.transport_opened(version);
        write();
        std::string answer;
        (void)encode(packet(connack{}), version, answer);
        feed(answer);
        ack_.resize(4);
    }

    void write() {
        for (auto pieces = session.output(); !pieces.empty(); pieces = session.output()) {
            std::size_t size = 0;
            for (const std::string_view piece : pieces) size += piece.size();
            session.written(size, now);
        }
    }
    void feed(std::string_view bytes) {
        while (!bytes.empty()) {
            const std::size_t taken = session.received(bytes, now);
            take_events();
            if (taken == 0) break;
            bytes.remove_prefix(taken);
        }
    }
    void take_events() {
        while (auto e = session.next_event()) {
            if (const auto* m = std::get_if<event::message>(&*e)) last = m->packet.delivery;
            if (std::get_if<event::published>(&*e)) ++published;
        }
    }
    void acknowledge(packet_type type, packet_id id) {
        ack_[0] = static_cast<char>(static_cast<unsigned>(type) << 4 | (type == packet_type::pubrel ? 2u : 0u));
        ack_[1] = 2;
        ack_[2] = static_cast<char>(number(id) >> 8);
        ack_[3] = static_cast<char>(number(id) & 0xFF);
        feed(ack_);
    }

    std::size_t published = 0;
    delivery last{};

private:
    std::string ack_{};
};

session_options client() {
    session_options options;
    options.client_id = "c";
    options.first_packet_id = 65'500; // The table of their pages grows once, to 8 KiB: here at the start.
    return options;
}

// Allocations in `count` runs of `step`, once `warm` of them are behind us.
template <class Step>
std::size_t steady(Step step, int warm = 500, int count = 2000) {
    for (int i = 0; i != warm; ++i) step();
    const std::size_t before = counted_memory::allocations;
    for (int i = 0; i != count; ++i) step();
    return counted_memory::allocations - before;
}

protocol_version any_version() { return GENERATE(protocol_version::v3_1_1, protocol_version::v5); }

} // namespace

TEST_CASE("allocation: the counter counts", "[session]") {
    const std::size_t before = counted_memory::allocations;
    auto* volatile p = new int(1);
    delete p;
    CHECK(counted_memory::allocations == before + 1);
}

TEST_CASE("allocation: publishing QoS 0 costs none, from publish() to its outcome", "[session]") {
    const operation tag = GENERATE(0u, 1u);
    const std::size_t payload_size = GENERATE(8u, 3000u);
    sink s(any_version(), client());
    const std::string payload(payload_size, 'x');
    CHECK(steady([&] {
        s.session.publish({.topic = "sensor/temperature", .payload = payload}, tag, protocol_version::v5, s.now);
        s.write();
        s.take_events();
    }) == 0);
    CHECK(s.published == (tag == 0 ? 0 : 2500));
}

TEST_CASE("allocation: publishing QoS 1 costs none, from publish() to PUBACK", "[session]") {
    sink s(any_version(), client());
    CHECK(steady([&] {
        const auto got = s.session.publish({.qos = qos::at_least_once, .topic = "sensor/temperature", .payload = "temp:20"}, 1,
                                           protocol_version::v5, s.now);
        s.write();
        s.acknowledge(packet_type::puback, packet_id{got.mid});
    }) == 0);
    CHECK(s.published == 2500);
}

TEST_CASE("allocation: a full window of QoS 1 with messages waiting behind it costs none", "[session]") {
    session_options options = client();
    options.max_inflight_messages = 64;
    sink s(any_version(), options);
    std::uint16_t next_ack = 65'500;
    for (int i = 0; i != 128; ++i)
        s.session.publish({.qos = qos::at_least_once, .topic = "t", .payload = "temp:20"}, 1, protocol_version::v5, s.now);
    CHECK(steady([&] {
        s.session.publish({.qos = qos::at_least_once, .topic = "t", .payload = "temp:20"}, 1, protocol_version::v5, s.now);
        s.write();
        s.acknowledge(packet_type::puback, packet_id{next_ack});
        next_ack = next_ack == 65'535 ? std::uint16_t{1} : static_cast<std::uint16_t>(next_ack + 1);
    }) == 0);
    CHECK(s.session.in_flight() == 64);
    CHECK(s.published == 2500);
}

TEST_CASE("allocation: publishing QoS 2 costs none, from publish() to PUBCOMP", "[session]") {
    sink s(any_version(), client());
    CHECK(steady([&] {
        const auto got = s.session.publish({.qos = qos::exactly_once, .topic = "t", .payload = "temp:20"}, 1, protocol_version::v5, s.now);
        s.write();
        s.acknowledge(packet_type::pubrec, packet_id{got.mid});
        s.write();
        s.acknowledge(packet_type::pubcomp, packet_id{got.mid});
    }) == 0);
    CHECK(s.published == 2500);
}

TEST_CASE("allocation: receiving and acknowledging costs none, whatever the QoS", "[session]") {
    const auto version = any_version();
    const auto level = GENERATE(qos::at_most_once, qos::at_least_once, qos::exactly_once);
    sink s(version, client());
    std::string bytes;
    const packet_id id = level == qos::at_most_once ? packet_id::none : packet_id{7};
    const publish p{.qos = level, .topic = "sensor/temperature", .id = id, .payload = "temp:20"};
    REQUIRE(encode(packet(p), version, bytes) == errc::none);
    CHECK(steady([&] {
        s.feed(bytes);
        (void)s.session.acknowledge(s.last);
        s.write();
        if (level == qos::exactly_once) s.acknowledge(packet_type::pubrel, packet_id{7});
        s.write();
    }) == 0);
    CHECK(s.session.unacknowledged() == 0);
}

TEST_CASE("allocation: a message that is too large to be copied takes the buffer of the one before", "[session]") {
    sink s(any_version(), client());
    const std::string payload(100'000, 'x');
    CHECK(steady([&] {
        const auto got = s.session.publish({.qos = qos::at_least_once, .topic = "t", .payload = payload}, 1, protocol_version::v5, s.now);
        s.write();
        s.acknowledge(packet_type::puback, packet_id{got.mid});
    }, 50, 100) == 0);
}

TEST_CASE("allocation: pings cost none", "[session]") {
    sink s(any_version(), client());
    CHECK(steady([&] {
        s.now += std::chrono::seconds(60);
        s.session.deadline_reached(s.now);
        s.write();
        s.feed(std::string_view("\xD0\0", 2));
    }) == 0);
    CHECK(s.session.is_connected());
}

TEST_CASE("allocation: a full queue whose oldest message makes room costs none", "[session]") {
    session_options options = client();
    options.max_queued_messages = 64;
    options.on_full_queue = queue_policy::drop_oldest;
    sink s(any_version(), options);
    s.session.set_max_inflight_messages(1, s.now);
    CHECK(steady([&] {
        s.session.publish({.qos = qos::at_least_once, .topic = "t", .payload = "temp:20"}, 1, protocol_version::v5, s.now);
        s.write();
        s.take_events();
    }) == 0);
    CHECK(s.published == 2500 - 65);
}
