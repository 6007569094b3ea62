// The queue of timers.
#include <inflight/testing/timer_queue.hpp>

#include "support/catch.hpp"

using namespace inflight;
using namespace inflight::testing;

TEST_CASE("timer_queue: gives what is due in the order of time, each timer once", "[testing]") {
    using kind = timer::kind;
    const time_point zero{};
    const auto at = [&](int seconds) { return zero + std::chrono::seconds(seconds); };
    timer_queue q;
    CHECK_FALSE(q.next());
    q.set({kind::will, 1}, at(5));
    q.set({kind::silence, 2}, at(3));
    q.set({kind::silence, 1}, at(3));
    q.set({kind::will, 1}, at(1));
    q.set({kind::session_end, 1}, at(2));
    q.cancel({kind::session_end, 1});
    q.cancel({kind::session_end, 7});
    CHECK(q.next() == at(1));
    CHECK(q.take_due(at(3)) == timer{kind::will, 1});
    CHECK(q.take_due(at(3)) == timer{kind::silence, 1});
    CHECK(q.take_due(at(3)) == timer{kind::silence, 2});
    CHECK_FALSE(q.take_due(at(9)));
    CHECK_FALSE(q.next());
}
