#include <inflight/session/id_table.hpp>

#include "support/catch.hpp"
#include "support/short_names.hpp"

#include <map>
#include <random>

using namespace inflight;

TEST_CASE("id_table: finds what was set, and nothing else", "[session]") {
    id_table<int> table;
    CHECK(table.find(id(1)) == nullptr);
    CHECK_FALSE(table.erase(id(1)));
    table.set(id(1), 10);
    table.set(id(65'535), 20);
    REQUIRE(table.find(id(1)));
    CHECK(*table.find(id(1)) == 10);
    CHECK(*table.find(id(65'535)) == 20);
    CHECK(table.find(id(2)) == nullptr);
    CHECK(table.size() == 2);
}

TEST_CASE("id_table: set replaces, and counts an identifier once", "[session]") {
    id_table<int> table;
    table.set(id(7), 1);
    table.set(id(7), 2);
    CHECK(table.size() == 1);
    CHECK(*table.find(id(7)) == 2);
}

TEST_CASE("id_table: erasing one of several that collide leaves the others to be found", "[session]") {
    // 16 places at first: 1, 17 and 33 want the same one, 2 wants that of 17.
    for (const unsigned victim : {1u, 17u, 33u, 2u}) {
        id_table<unsigned> table;
        for (const unsigned n : {1u, 17u, 33u, 2u}) table.set(id(n), n);
        CHECK(table.erase(id(victim)));
        CHECK_FALSE(table.erase(id(victim)));
        for (const unsigned n : {1u, 17u, 33u, 2u}) {
            CAPTURE(victim, n);
            CHECK((table.find(id(n)) != nullptr) == (n != victim));
        }
    }
}

TEST_CASE("id_table: erasing pulls back across the end of the table", "[session]") {
    for (const unsigned victim : {15u, 31u, 47u, 16u}) {
        id_table<unsigned> table;
        for (const unsigned n : {15u, 31u, 47u, 16u}) table.set(id(n), n); // At 15, 0, 1 and 2 of 16 places.
        CHECK(table.erase(id(victim)));
        for (const unsigned n : {15u, 31u, 47u, 16u}) {
            CAPTURE(victim, n);
            CHECK((table.find(id(n)) != nullptr) == (n != victim));
        }
    }
}

TEST_CASE("id_table: for_each visits each entry once, and clear forgets all", "[session]") {
    id_table<unsigned> table;
    for (unsigned n = 1; n <= 100; ++n) table.set(id(n * 601), n);
    unsigned count = 0, sum = 0;
    table.for_each([&](packet_id, unsigned& value) {
        ++count;
        sum += value;
    });
    CHECK(count == 100);
    CHECK(sum == 5050);
    table.clear();
    CHECK(table.size() == 0);
    CHECK(table.find(id(601)) == nullptr);
}

TEST_CASE("id_table: agrees with std::map over a random life", "[session]") {
    const unsigned span = GENERATE(20u, 300u, 65'535u);
    std::mt19937 random(span);
    id_table<unsigned> table;
    std::map<unsigned, unsigned> model;
    for (unsigned i = 0; i != 30'000; ++i) {
        const unsigned n = 1 + static_cast<unsigned>(random() % span);
        if (random() % 2 == 0 && model.size() < 500) {
            table.set(id(n), i);
            model[n] = i;
        } else {
            REQUIRE(table.erase(id(n)) == (model.erase(n) != 0));
        }
        REQUIRE(table.size() == model.size());
        const unsigned probe = 1 + static_cast<unsigned>(random() % span);
        const unsigned* found = table.find(id(probe));
        const auto expected = model.find(probe);
        REQUIRE((found != nullptr) == (expected != model.end()));
        if (found) REQUIRE(*found == expected->second);
    }
}
