#include <inflight/session/resend_queue.hpp>

#include "support/catch.hpp"
#include "support/short_names.hpp"

#include <random>

using namespace inflight;

namespace {

using slot = resend_queue::slot;

std::vector<unsigned> ids(resend_queue& queue, stage at, qos level = qos::at_least_once) {
    std::vector<unsigned> out;
    for (slot s = queue.of(at, level).first; s != resend_queue::nil; s = s->next) out.push_back(number(s->id));
    return out;
}

slot add(resend_queue& queue, unsigned n, std::string_view payload = "payload", qos level = qos::at_least_once) {
    const slot s = queue.add(stage::waiting, id(n), level);
    s->tag = 1; // Somebody asks for its outcome.
    const publish p{.qos = level, .topic = "t", .id = id(n), .payload = payload};
    queue.encode(s, p, protocol_version::v5, *measure_packet(p, protocol_version::v5));
    return s;
}

} // namespace

TEST_CASE("resend_queue: a record stays where it is, and its slot serves again", "[session]") {
    resend_queue queue;
    std::vector<slot> slots;
    for (unsigned n = 1; n <= 100; ++n) slots.push_back(add(queue, n));
    for (unsigned n = 1; n <= 100; ++n) CHECK(number(slots[n - 1]->id) == n); // Still where it was.
    queue.move_last(slots[0], stage::in_flight);
    queue.settle(slots[0], errc::none, {});
    CHECK(queue.unsettled() == 99);
    queue.release(slots[0]);
    CHECK(add(queue, 101) == slots[0]); // The slot serves again.
    CHECK(slots[0]->sequence == 101);
}

TEST_CASE("resend_queue: lists keep the order of arrival, and what waits again has one of its own", "[session]") {
    resend_queue queue;
    std::vector<slot> slots;
    for (unsigned n = 1; n <= 5; ++n) slots.push_back(add(queue, n));
    for (const std::size_t i : {1u, 0u, 3u}) queue.move_last(slots[i], stage::in_flight);
    CHECK(ids(queue, stage::in_flight) == std::vector<unsigned>{2, 1, 4});
    CHECK(ids(queue, stage::waiting) == std::vector<unsigned>{3, 5});
    queue.move_last(slots[1], stage::in_flight);
    CHECK(ids(queue, stage::in_flight) == std::vector<unsigned>{1, 4, 2});
    queue.move_last(slots[3], stage::waiting_again);
    queue.move_last(slots[0], stage::waiting_again);
    CHECK(ids(queue, stage::waiting) == std::vector<unsigned>{3, 5});
    CHECK(ids(queue, stage::waiting_again) == std::vector<unsigned>{4, 1});
    CHECK(ids(queue, stage::in_flight) == std::vector<unsigned>{2});
    CHECK(queue.sorted({stage::in_flight, stage::waiting_again}) == std::vector<slot>{slots[0], slots[1], slots[3]});
    CHECK(queue.waiting() == 4);
    CHECK(queue.never_sent() == 2);
    CHECK(queue.in_flight() == 1);
}

TEST_CASE("resend_queue: QoS 0 waits in a list of its own", "[session]") {
    resend_queue queue;
    const slot one = add(queue, 1), two = queue.add(stage::waiting, id(2), qos::at_most_once);
    CHECK(ids(queue, stage::waiting) == std::vector<unsigned>{1});
    CHECK(ids(queue, stage::waiting, qos::at_most_once) == std::vector<unsigned>{2});
    CHECK(queue.waiting() == 2);
    CHECK(queue.sorted({stage::waiting}) == std::vector<slot>{one, two});
}

TEST_CASE("resend_queue: counts the bytes of all packets it holds", "[session]") {
    resend_queue queue;
    const slot one = add(queue, 1, "x"), two = add(queue, 2, std::string(5000, 'x'));
    const std::size_t first = one->bytes.size(), second = two->bytes.size();
    CHECK(queue.bytes() == first + second);
    queue.settle(one, errc::none, {});
    CHECK(queue.bytes() == second);
    queue.move_last(two, stage::in_flight);
    CHECK(queue.bytes() == second);
    queue.settle(two, errc::none, {});
    CHECK(queue.bytes() == 0);
    const slot three = queue.add(stage::waiting, id(3), qos::at_least_once);
    queue.restore(three, 77, "stored", protocol_version::v5);
    CHECK(queue.bytes() == 6);
}

TEST_CASE("resend_queue: bytes that the output still refers to can be taken before a record is settled", "[session]") {
    resend_queue queue;
    const slot referred = add(queue, 1, std::string(5000, 'x')), other = add(queue, 2, std::string(5000, 'y'));
    const byte_buffer taken = queue.take_bytes(referred);
    CHECK(taken.size() > 5000);
    CHECK(queue.bytes() == other->bytes.size());
    for (const slot s : {referred, other}) queue.settle(s, errc::none, {});
    CHECK(other->bytes.empty());
    CHECK(queue.bytes() == 0);
    CHECK(taken.view().ends_with("xxx"));
}

TEST_CASE("resend_queue: a record that nobody asks for is free as soon as it is settled", "[session]") {
    resend_queue queue;
    const slot asked = add(queue, 1), not_asked = add(queue, 2);
    not_asked->tag = 0;
    queue.settle(asked, errc::none, {});
    queue.settle(not_asked, errc::none, {});
    CHECK(ids(queue, stage::settled) == std::vector<unsigned>{1});
    CHECK(add(queue, 3) == not_asked);
}

TEST_CASE("resend_queue: sequence goes on behind what a store had", "[session]") {
    resend_queue queue;
    const slot s = queue.add(stage::waiting, id(1), qos::at_least_once);
    queue.restore(s, 500, "bytes", protocol_version::v3_1_1);
    CHECK(s->sequence == 500);
    CHECK(add(queue, 2)->sequence == 501);
}

TEST_CASE("resend_queue: a free slot keeps its buffer for the next message until trim()", "[session]") {
    resend_queue queue;
    const auto burst = [&](unsigned count, std::size_t size) {
        std::vector<slot> slots;
        for (unsigned n = 1; n <= count; ++n) slots.push_back(add(queue, n, std::string(size, 'x')));
        for (const slot s : slots) {
            queue.settle(s, errc::none, {});
            queue.release(s);
        }
    };
    const auto kept = [&](unsigned count) { // How much of it there is.
        std::size_t bytes = 0;
        std::vector<slot> slots;
        for (unsigned n = 1; n <= count; ++n) {
            slots.push_back(queue.add(stage::waiting, id(n), qos::at_least_once));
            bytes += slots.back()->bytes.capacity();
        }
        for (const slot s : slots) queue.settle(s, errc::none, {});
        return bytes;
    };
    burst(3000, 100);
    CHECK(kept(3000) >= 3000 * 100);
    queue.trim();
    CHECK(kept(1) == 0);
    const slot alone = add(queue, 9999);
    burst(3000, 100);
    queue.trim(); // With one message in flight.
    CHECK(ids(queue, stage::waiting) == std::vector<unsigned>{9999});
    CHECK(alone->bytes.size() > 0);
    CHECK(kept(3000) == 0);
    burst(1000, 16384); // Too much to be kept in the long run.
    CHECK(kept(1000) > resend_queue::kept_large / 2);
    CHECK(kept(1000) <= resend_queue::kept_large);
}

TEST_CASE("resend_queue: lists agree with a model over a random life", "[session]") {
    std::mt19937 random(3);
    resend_queue queue;
    std::vector<unsigned> waiting, again, in_flight; // The model.
    std::vector<slot> slots{nullptr}; // By number.
    unsigned next = 1;
    const auto take = [&](std::vector<unsigned>& from) {
        const auto i = from.begin() + static_cast<std::ptrdiff_t>(random() % from.size());
        const unsigned n = *i;
        from.erase(i);
        return n;
    };
    for (int i = 0; i != 5000; ++i) {
        switch (random() % 4) {
            case 0:
                slots.push_back(add(queue, next));
                waiting.push_back(next++);
                break;
            case 1:
                if (waiting.empty()) break;
                in_flight.push_back(take(waiting));
                queue.move_last(slots[in_flight.back()], stage::in_flight);
                break;
            case 2:
                if (in_flight.empty()) break;
                again.push_back(take(in_flight));
                queue.move_last(slots[again.back()], stage::waiting_again);
                break;
            default:
                if (in_flight.empty()) break;
                const slot s = slots[take(in_flight)];
                queue.settle(s, errc::none, {});
                queue.release(s);
        }
        if (i % 50 == 0) {
            REQUIRE(ids(queue, stage::waiting) == waiting);
            REQUIRE(ids(queue, stage::waiting_again) == again);
            REQUIRE(ids(queue, stage::in_flight) == in_flight);
            REQUIRE(queue.unsettled() == waiting.size() + again.size() + in_flight.size());
        }
    }
}
