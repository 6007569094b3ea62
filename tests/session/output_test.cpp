#include <inflight/session/output.hpp>

#include "support/catch.hpp"

using namespace inflight;

namespace {

std::string joined(std::span<const std::string_view> pieces) {
    std::string out;
    for (const std::string_view piece : pieces) out.append(piece);
    return out;
}

} // namespace

TEST_CASE("output: small packets share one piece, in their order", "[session]") {
    output_queue output;
    CHECK(output.empty());
    CHECK(output.next().empty());
    CHECK(output.add(pingreq{}, protocol_version::v5, 100) == errc::none);
    CHECK_FALSE(output.add_bytes("abc"));
    CHECK(output.next().size() == 1);
    CHECK(joined(output.next()) == std::string("\xC0\0abc", 5));
    CHECK(output.pending() == 5);
}

TEST_CASE("output: a packet above the maximum is refused and adds nothing", "[session][v5:MQTT-3.2.2-15]") {
    output_queue output;
    CHECK(output.add(publish{.topic = "topic"}, protocol_version::v5, 9) == errc::packet_too_large);
    CHECK(output.empty());
    CHECK(output.add(publish{.topic = "topic"}, protocol_version::v5, 10) == errc::none);
}

TEST_CASE("output: large packets are pointed to, not copied, between the small ones", "[session]") {
    output_queue output;
    const std::string large(output_queue::large, 'x'), small(output_queue::large - 1, 'y');
    output.add_bytes("a");
    CHECK(output.add_bytes(large));
    CHECK_FALSE(output.add_bytes(small));
    const auto pieces = output.next();
    REQUIRE(pieces.size() == 3);
    CHECK(pieces[1].data() == large.data());
    CHECK(joined(pieces) == "a" + large + small);
}

TEST_CASE("output: another first byte goes before bytes that stay as they are",
          "[session][v5:MQTT-3.3.1-1]") {
    output_queue output;
    const std::string large(output_queue::large + 1, 'x');
    CHECK_FALSE(output.add_bytes("abc", 'A'));
    CHECK(output.add_bytes(large, 'X'));
    CHECK(joined(output.next()) == "AbcX" + large.substr(1));
    CHECK(large[0] == 'x');
    CHECK(output.end_position() == 3 + large.size());
}

TEST_CASE("output: what was handed out stays as it is while more is added", "[session]") {
    output_queue output;
    output.add_bytes("first");
    const auto pieces = output.next();
    const std::string_view held = pieces[0];
    for (int i = 0; i != 1000; ++i) output.add_bytes("more and more and more");
    CHECK(held == "first");
    CHECK(joined(output.next()) == "first"); // The same again, until it has been written.
    output.written(5);
    CHECK(joined(output.next()).size() == 22'000);
}

TEST_CASE("output: written may end anywhere", "[session]") {
    const std::string large(output_queue::large, 'x');
    const std::string all = "ab" + large + "cd";
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, std::size_t{4'097}, all.size()}) {
        output_queue output;
        output.add_bytes("ab");
        output.add_bytes(large);
        output.add_bytes("cd");
        std::string got;
        while (!output.empty()) {
            const std::string rest = joined(output.next());
            CHECK(rest == all.substr(got.size()));
            const std::size_t n = std::min(step, rest.size());
            got += rest.substr(0, n);
            output.written(n);
            CHECK(output.written_position() == got.size());
            CHECK(output.pending() == all.size() - got.size());
        }
        CHECK(got == all);
        CHECK(output.next().empty());
    }
}

TEST_CASE("output: bytes given to keep live until what refers to them has been written", "[session]") {
    output_queue output; // AddressSanitizer watches.
    byte_buffer one, two;
    one.assign(std::string(5000, 'x'));
    two.assign(std::string(5000, 'y'));
    CHECK(output.add_bytes(one.view()));
    CHECK(output.add_bytes(two.view()));
    output.keep(std::move(one));
    const auto pieces = output.next();
    output.keep(std::move(two)); // Handed out already.
    CHECK(joined(pieces) == std::string(5000, 'x') + std::string(5000, 'y'));
    output.written(7000);
    CHECK(joined(output.next()) == std::string(3000, 'y'));
    output.written(3000);
    CHECK(output.empty());
}

TEST_CASE("output: what rests on a commit is withheld until it has come, with everything behind it",
          "[session]") {
    output_queue output;
    output.add_bytes("free");
    CHECK(joined(output.next()) == "free");
    output.written(4);
    output.add_bytes("a");
    output.rest_on(2);
    output.rest_on(1);
    output.add_bytes("b");
    CHECK(output.next().empty());
    CHECK_FALSE(output.empty());
    output.add_bytes("c");
    output.committed(1);
    CHECK(output.next().empty());
    output.committed(2);
    CHECK(joined(output.next()) == "ab");
    output.written(2);
    CHECK(joined(output.next()) == "c");
    output.written(1);
    output.committed(1); // Never backwards.
    output.add_bytes("d");
    output.rest_on(2);
    CHECK(joined(output.next()) == "d");
}

TEST_CASE("output: clear forgets the bytes, but not that something is still to be committed", "[session]") {
    const bool handed_out = GENERATE(false, true);
    output_queue output;
    output.add_bytes("gone");
    output.rest_on(5);
    if (handed_out) CHECK(output.next().empty());
    output.clear();
    CHECK(output.empty());
    CHECK(output.next().empty());
    output.add_bytes("next connection");
    CHECK(output.next().empty());
    output.committed(5);
    CHECK(joined(output.next()) == "next connection");
}

TEST_CASE("output: clear in the middle of a batch starts afresh, and positions go on", "[session]") {
    output_queue output;
    output.add_bytes("abcdef");
    (void)output.next();
    output.written(2);
    output.add_bytes("ghi");
    output.clear();
    CHECK(output.empty());
    CHECK(output.written_position() == 9);
    CHECK(output.end_position() == 9);
    output.add_bytes("j");
    CHECK(joined(output.next()) == "j");
    output.written(1);
    CHECK(output.written_position() == 10);
}
