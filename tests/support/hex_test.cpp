#include "support/hex.hpp"

#include "support/catch.hpp"

TEST_CASE("hex: reads pairs of digits of either case and ignores spaces", "[support]") {
    CHECK(hex("30 05 00 01") == std::string("\x30\x05\x00\x01", 4));
    CHECK(hex("3005 0 0fF") == std::string("\x30\x05\x00\xff", 4));
    CHECK(hex("").empty());
}

TEST_CASE("hex: refuses a lone digit and what is no digit", "[support]") {
    CHECK_THROWS_AS(hex("300"), std::invalid_argument);
    CHECK_THROWS_AS(hex("0x30"), std::invalid_argument);
    CHECK_THROWS_AS(hex("30\n05"), std::invalid_argument);
}

TEST_CASE("to_hex: gives what hex reads back", "[support]") {
    CHECK(to_hex(std::string("\x30\x05\x00\xfe", 4)) == "30 05 00 FE");
    std::string all;
    for (int value = 0; value < 256; ++value) { all.push_back(static_cast<char>(value)); }
    CHECK(hex(to_hex(all)) == all);
}
