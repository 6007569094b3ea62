// Catch2 3 or 2, whichever there is. Tests use what both have: TEST_CASE, SECTION, CHECK, REQUIRE, CAPTURE,
// INFO, GENERATE, CHECK_THROWS_AS.
#pragma once

#if __has_include(<catch2/catch_test_macros.hpp>)
#include <catch2/catch_test_macros.hpp>
#include <catch2/catch_tostring.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
