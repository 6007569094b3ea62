#include <inflight/session/byte_buffer.hpp>

#include "support/catch.hpp"

#include <string>

using namespace inflight;

TEST_CASE("byte_buffer: keeps its bytes while it grows, and its memory when it is cleared", "[session]") {
    byte_buffer buffer;
    CHECK(buffer.empty());
    CHECK(buffer.view().empty());
    std::string all;
    for (int i = 0; i != 100; ++i) {
        const std::string piece(static_cast<std::size_t>(i), static_cast<char>('a' + i % 26));
        std::copy(piece.begin(), piece.end(), buffer.grow(piece.size()));
        all += piece;
        REQUIRE(buffer.view() == all);
    }
    const std::size_t capacity = buffer.capacity();
    CHECK(capacity >= all.size());
    buffer.clear();
    CHECK(buffer.empty());
    CHECK(buffer.capacity() == capacity);
    buffer.assign("short");
    CHECK(buffer.view() == "short");
    CHECK(buffer.capacity() == capacity);
    buffer.release();
    CHECK(buffer.empty());
    CHECK(buffer.capacity() == 0);
}

TEST_CASE("byte_buffer: what has been moved from is empty", "[session]") {
    byte_buffer one, two;
    one.assign("one");
    two.assign("two");
    one = std::move(two);
    CHECK(one.view() == "two");
    CHECK(two.empty());
    CHECK(two.capacity() == 0);
    const byte_buffer three(std::move(one));
    CHECK(three.view() == "two");
    CHECK(one.empty());
}
