#include <inflight/session/packet_id_allocator.hpp>

#include "support/catch.hpp"

#include <random>
#include <set>

using namespace inflight;

TEST_CASE("packet_id_allocator: starts at 1 and ascends", "[session][v5:MQTT-2.2.1-3][v3:MQTT-2.3.1-2]") {
    packet_id_allocator ids;
    CHECK(number(ids.allocate()) == 1);
    CHECK(number(ids.allocate()) == 2);
    CHECK(ids.count() == 2);
}

TEST_CASE("packet_id_allocator: does not hand out a released identifier before its turn comes again",
          "[session]") {
    packet_id_allocator ids;
    const packet_id first = ids.allocate();
    ids.release(first);
    CHECK_FALSE(ids.in_use(first));
    CHECK(number(ids.allocate()) == 2);
}

TEST_CASE("packet_id_allocator: goes from 65,535 to 1, never to 0", "[session][v5:MQTT-2.2.1-3]") {
    packet_id_allocator ids(65'534);
    CHECK(number(ids.allocate()) == 65'534);
    CHECK(number(ids.allocate()) == 65'535);
    CHECK(number(ids.allocate()) == 1);
    CHECK(number(packet_id_allocator(0).allocate()) == 1);
}

TEST_CASE("packet_id_allocator: hands out each of the 65,535 once, then none until one is free",
          "[session][v5:MQTT-4.3.2-1]") {
    packet_id_allocator ids(40'000);
    std::vector<bool> seen(65'536);
    for (int i = 0; i != 65'535; ++i) {
        const packet_id id = ids.allocate();
        REQUIRE(id != packet_id::none);
        REQUIRE_FALSE(seen[number(id)]);
        seen[number(id)] = true;
    }
    CHECK(ids.count() == 65'535);
    CHECK(ids.allocate() == packet_id::none);
    CHECK(ids.track() == packet_id::none);
    for (const std::uint16_t lone : {std::uint16_t{1}, std::uint16_t{63}, std::uint16_t{64}, std::uint16_t{4'096}, std::uint16_t{65'535}}) {
        ids.release(packet_id{lone});
        CHECK(number(ids.allocate()) == lone);
    }
    CHECK(ids.allocate() == packet_id::none);
}

TEST_CASE("packet_id_allocator: skips what a stored session has taken, and goes on behind it",
          "[session][v5:MQTT-2.2.1-3]") {
    packet_id_allocator ids;
    CHECK(ids.take(packet_id{2}));
    CHECK(ids.take(packet_id{5}));
    CHECK_FALSE(ids.take(packet_id{5}));
    CHECK(ids.count() == 2);
    CHECK(number(ids.allocate()) == 6);

    packet_id_allocator around(65'535);
    CHECK(around.take(packet_id{1}));
    CHECK(around.take(packet_id{65'534}));
    CHECK(number(around.allocate()) == 65'535);
    CHECK(number(around.allocate()) == 2);
}

TEST_CASE("packet_id_allocator: track names a free identifier and takes none", "[session]") {
    packet_id_allocator ids;
    CHECK(number(ids.track()) == 1);
    CHECK(number(ids.track()) == 2);
    CHECK(ids.count() == 0);
    CHECK(number(ids.allocate()) == 3);
    CHECK(ids.take(packet_id{4}));
    CHECK(number(ids.track()) == 5);
}

TEST_CASE("packet_id_allocator: agrees with a plain set over a random life", "[session]") {
    std::mt19937 random(1);
    packet_id_allocator ids(65'000);
    std::set<std::uint16_t> used;
    std::uint16_t next = 65'000;
    for (int i = 0; i != 60'000; ++i) {
        // Grows to a thousand that are scattered over all words, and stays there.
        if (used.size() < 1000 || random() % 2 == 0) {
            const std::uint16_t got = number(ids.allocate());
            while (used.count(next) != 0 || next == 0) ++next;
            REQUIRE(got == next);
            used.insert(got);
            ++next;
        } else {
            auto victim = used.lower_bound(static_cast<std::uint16_t>(random() % 65'536));
            if (victim == used.end()) victim = used.begin();
            ids.release(packet_id{*victim});
            used.erase(victim);
        }
        REQUIRE(ids.count() == used.size());
    }
}
