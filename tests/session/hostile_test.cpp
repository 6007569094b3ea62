// A broker that acknowledges what it cannot know, while its bytes are still on their way. AddressSanitizer watches.
#include "support/scripted_peer.hpp"

#include "support/catch.hpp"
#include "support/hex.hpp"

#include <random>

using namespace inflight;
using namespace std::chrono_literals;

namespace {

std::size_t read_all(std::span<const std::string_view> pieces) {
    std::size_t sum = 0;
    for (const std::string_view piece : pieces)
        for (const char c : piece) sum += static_cast<unsigned char>(c);
    return sum;
}

} // namespace

TEST_CASE("hostile: an acknowledgement for a large message whose bytes are handed out does not free them",
          "[session]") {
    const auto version = GENERATE(v3, v5);
    const int written = GENERATE(0, 1, 10'000);
    scripted_peer p;
    p.connect(version);
    p.publish("a", std::string(100'000, 'x'), qos_1);
    auto pieces = p.session.output();
    const std::size_t before = read_all(pieces);
    if (written != 0) p.session.written(static_cast<std::size_t>(written), p.now);
    pieces = p.session.output();
    const std::size_t rest = read_all(pieces);
    CHECK(rest <= before);
    CHECK(p.gets(puback{.id = id(1)}) == trace{"published 1: success"});
    for (int i = 0; i != 5; ++i) p.publish("b", std::string(100'000, 'y'), qos_1); // The slot serves again.
    CHECK(read_all(pieces) == rest);
    CHECK(read_all(p.session.output()) == rest);
    p.carry();
    CHECK(p.session.output_empty());
    CHECK_FALSE(p.session.is_closing());
}

TEST_CASE("hostile: nor does one for a large message that waits behind what is being written", "[session]") {
    scripted_peer p;
    p.connect();
    p.publish("first", "x", qos_0);
    const auto pieces = p.session.output();
    const std::size_t sum = read_all(pieces);
    p.publish("large", std::string(50'000, 'x'), qos_1);
    p.publish("large", std::string(50'000, 'x'), qos_2);
    p.gets(puback{.id = id(2)});
    p.gets(pubrec{.id = id(3), .reason = reason_code::quota_exceeded});
    CHECK(read_all(pieces) == sum);
    const trace sent = p.sent();
    REQUIRE(sent.size() == 3);
    CHECK(sent[1].starts_with("PUBLISH qos=1 topic='large' id=2"));
    CHECK(sent[2].starts_with("PUBLISH qos=2 topic='large' id=3"));
    CHECK(sent[2].ends_with("(50000 bytes)"));
}

TEST_CASE("hostile: a large QoS 0 message belongs to the output, and outlives abandon and a cut link",
          "[session]") {
    scripted_peer p;
    p.publish("large", std::string(50'000, 'x'), qos_0);
    p.connect();
    const bool abandoned = GENERATE(false, true);
    const auto pieces = p.session.output();
    const std::size_t sum = read_all(pieces);
    if (abandoned) {
        p.session.abandon(errc::shutting_down);
        CHECK(p.events() == trace{"published 1: failed, client is shutting down"});
        CHECK(read_all(pieces) == sum);
    }
    p.cut();
    CHECK(p.events() == (abandoned ? trace{} : trace{"published 1: failed, connection lost"}));
}

TEST_CASE("hostile: a message resent in 3.1.1 and acknowledged twice while that is written is settled once",
          "[session]") {
    session_options options = test_options();
    options.ack_timeout = 1s;
    scripted_peer p(options);
    p.connect(v3);
    p.publish("a", std::string(50'000, 'x'), qos_1);
    (void)p.sent();
    p.now += 1s;
    p.session.deadline_reached(p.now);
    const auto pieces = p.session.output();
    const std::size_t sum = read_all(pieces);
    CHECK(sum != 0);
    CHECK(p.gets(puback{.id = id(1)}) == trace{"published 1: success"});
    CHECK(p.gets(puback{.id = id(1)}).empty());
    CHECK(read_all(pieces) == sum);
    CHECK(p.sent().size() == 1);
    CHECK(p.session.unsettled() == 0);
}

TEST_CASE("hostile: acknowledgements of any kind for any identifier leave the session whole",
          "[session][v5:MQTT-2.2.1-5]") {
    const auto version = GENERATE(v3, v5);
    for (unsigned seed = 0; seed != 300; ++seed) {
        std::mt19937 random(seed);
        session_options options = test_options();
        options.max_inflight_messages = 3;
        scripted_peer p(options);
        p.connect(version);
        std::size_t accepted = 0, settled = 0;
        const auto count = [&](const trace& events) {
            for (const std::string& line : events)
                if (line.starts_with("published")) ++settled;
        };
        for (int i = 0; i != 60 && !p.session.is_closing(); ++i) {
            const std::string payload(random() % 3 == 0 ? 6000 : 5, 'x');
            const auto guess = id(static_cast<unsigned>(1 + random() % 6));
            switch (random() % 8) {
                case 0:
                case 1: accepted += p.publish("t", payload, static_cast<qos>(random() % 3)) ? 1 : 0; break;
                case 2: count(p.gets(puback{.id = guess})); break;
                case 3: count(p.gets(pubrec{.id = guess})); break;
                case 4: count(p.gets(pubcomp{.id = guess})); break;
                case 5: (void)read_all(p.session.output()); break;
                case 6: {
                    std::size_t size = 0;
                    for (const std::string_view piece : p.session.output()) size += piece.size();
                    if (size != 0) p.session.written(random() % (size + 1), p.now);
                    break;
                }
                default: p.carry();
            }
            count(p.events());
        }
        p.cut();
        p.session.abandon(errc::shutting_down);
        count(p.events());
        CAPTURE(seed);
        REQUIRE(settled == accepted);
        REQUIRE(p.session.unsettled() == 0);
    }
}

TEST_CASE("hostile: an acknowledgement for a message that still waits is not taken for one", "[session]") {
    session_options options = test_options();
    options.max_inflight_messages = 1;
    scripted_peer p(options);
    p.connect();
    p.publish("a", "", qos_1);
    p.publish("b", "", qos_1);
    (void)p.sent();
    CHECK(p.gets(puback{.id = id(2)}).empty());
    CHECK(p.session.unsettled() == 2);
    CHECK(p.gets(puback{.id = id(1)}) == trace{"published 1: success"});
    CHECK(p.sent() == trace{"PUBLISH qos=1 topic='b' id=2 payload='' (0 bytes)"});
    CHECK(p.gets(puback{.id = id(2)}) == trace{"published 2: success"});
}

TEST_CASE("hostile: messages and PUBRELs without end take no more than the Receive Maximum",
          "[session][v5:MQTT-3.3.4-9]") {
    session_options options = test_options();
    options.receive_maximum = 10;
    scripted_peer p(options);
    p.connect();
    std::size_t delivered = 0;
    for (unsigned i = 0; i != 1000 && !p.session.is_closing(); ++i) {
        delivered += p.gets(publish{.qos = qos_2, .topic = "t", .id = id(1 + i % 3)}).size();
        p.gets(pubrel{.id = id(1 + i % 3)});
    }
    CHECK(p.session.is_closing());
    CHECK(delivered <= 10);
}

TEST_CASE("hostile: a Remaining Length of five bytes, or one that never comes, is no packet", "[session]") {
    const auto version = GENERATE(v3, v5);
    scripted_peer p;
    p.connect(version);
    CHECK(p.gets_bytes(hex("30 FF FF FF")).empty());
    CHECK_FALSE(p.session.is_closing());
    CHECK(p.gets_bytes(hex("FF")).empty());
    CHECK(p.session.close_reason() == errc::varint_too_long);
}

TEST_CASE("hostile: the whole window acknowledged before a byte of it was written", "[session]") {
    scripted_peer p;
    p.connect();
    for (unsigned n = 1; n <= 200; ++n) p.publish("t", std::string(n % 2 == 0 ? 5000 : 10, 'x'), qos_1);
    trace got;
    for (unsigned n = 1; n <= 200; ++n)
        for (std::string& line : p.gets(puback{.id = id(n)})) got.push_back(line);
    while (!p.session.output_empty()) {
        p.carry();
        for (unsigned n = 1; n <= 200; ++n)
            for (std::string& line : p.gets(puback{.id = id(n)})) got.push_back(line);
    }
    CHECK(got.size() == 200);
    CHECK(p.sent().size() == 200);
    CHECK(p.session.unsettled() == 0);
}
