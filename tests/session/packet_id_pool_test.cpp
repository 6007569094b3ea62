#include <inflight/session/packet_id_pool.hpp>

#include "support/catch.hpp"

#include <map>
#include <random>

using namespace inflight;

namespace {

using ids_with_numbers = packet_id_pool<unsigned>;

} // namespace

TEST_CASE("packet_id_pool: starts at 1 and ascends", "[session][v5:MQTT-2.2.1-3][v3:MQTT-2.3.1-2]") {
    ids_with_numbers ids;
    CHECK(number(ids.allocate()) == 1);
    CHECK(number(ids.allocate()) == 2);
    CHECK(ids.count() == 2);
}

TEST_CASE("packet_id_pool: does not hand out a released identifier before its turn comes again",
          "[session]") {
    ids_with_numbers ids;
    const packet_id first = ids.allocate();
    ids.release(first);
    CHECK_FALSE(ids.in_use(first));
    CHECK(number(ids.allocate()) == 2);
}

TEST_CASE("packet_id_pool: goes from 65,535 to 1, never to 0", "[session][v5:MQTT-2.2.1-3]") {
    ids_with_numbers ids(65'534);
    CHECK(number(ids.allocate()) == 65'534);
    CHECK(number(ids.allocate()) == 65'535);
    CHECK(number(ids.allocate()) == 1);
    CHECK(number(ids_with_numbers(0).allocate()) == 1);
}

TEST_CASE("packet_id_pool: hands out each of the 65,535 once, then none until one is free",
          "[session][v5:MQTT-4.3.2-1]") {
    ids_with_numbers ids(40'000);
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

TEST_CASE("packet_id_pool: skips what a stored session has taken, and goes on behind it",
          "[session][v5:MQTT-2.2.1-3]") {
    ids_with_numbers ids;
    CHECK(ids.take(packet_id{2}));
    CHECK(ids.take(packet_id{5}));
    CHECK_FALSE(ids.take(packet_id{5}));
    CHECK(ids.count() == 2);
    CHECK(number(ids.allocate()) == 6);

    ids_with_numbers around(65'535);
    CHECK(around.take(packet_id{1}));
    CHECK(around.take(packet_id{65'534}));
    CHECK(number(around.allocate()) == 65'535);
    CHECK(number(around.allocate()) == 2);
}

TEST_CASE("packet_id_pool: track names a free identifier and takes none", "[session]") {
    ids_with_numbers ids;
    CHECK(number(ids.track()) == 1);
    CHECK(number(ids.track()) == 2);
    CHECK(ids.count() == 0);
    CHECK(number(ids.allocate()) == 3);
    CHECK(ids.take(packet_id{4}));
    CHECK(number(ids.track()) == 5);
}

TEST_CASE("packet_id_pool: finds the value of an identifier until that is released", "[session]") {
    ids_with_numbers ids(63);
    CHECK(ids.find(packet_id{63}) == 0);
    const packet_id one = ids.allocate(), two = ids.allocate(); // On two pages.
    CHECK(ids.find(one) == 0); // It has none yet.
    ids.assign(one, 10);
    ids.assign(two, 20);
    CHECK(ids.find(one) == 10);
    CHECK(ids.find(two) == 20);
    CHECK(ids.find(packet_id{65}) == 0);
    CHECK(ids.find(packet_id{65'535}) == 0);
    ids.release(two);
    CHECK(ids.find(two) == 0);
    CHECK(number(ids.allocate()) == 65);
    CHECK(ids.find(packet_id{65}) == 0); // Although the page has had values.
    CHECK(ids.find(one) == 10);
}

TEST_CASE("packet_id_pool: trim() gives nothing back that is in use", "[session]") {
    ids_with_numbers ids;
    for (int i = 0; i != 1000; ++i) ids.assign(ids.allocate(), 7);
    for (std::uint16_t n = 1; n != 1000; ++n) ids.release(packet_id{n});
    ids.trim();
    CHECK(ids.find(packet_id{1000}) == 7);
    CHECK(ids.count() == 1);
    ids.release(packet_id{1000});
    ids.trim();
    CHECK(ids.find(packet_id{1000}) == 0);
    CHECK(number(ids.allocate()) == 1001);
}

TEST_CASE("packet_id_pool: agrees with a plain map over a random life", "[session]") {
    std::mt19937 random(1);
    ids_with_numbers ids(65'000);
    std::map<std::uint16_t, unsigned> used;
    std::uint16_t next = 65'000;
    for (int i = 0; i != 60'000; ++i) {
        // Grows to a thousand that are scattered over all words, and stays there.
        if (used.size() < 1000 || random() % 2 == 0) {
            const std::uint16_t got = number(ids.allocate());
            while (used.count(next) != 0 || next == 0) ++next;
            REQUIRE(got == next);
            used[got] = static_cast<unsigned>(random());
            ids.assign(packet_id{got}, used[got]);
            ++next;
        } else {
            auto victim = used.lower_bound(static_cast<std::uint16_t>(random() % 65'536));
            if (victim == used.end()) victim = used.begin();
            REQUIRE(ids.find(packet_id{victim->first}) == victim->second);
            ids.release(packet_id{victim->first});
            used.erase(victim);
        }
        REQUIRE(ids.count() == used.size());
    }
}
