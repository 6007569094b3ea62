// The stories: a hundred rounds, and nothing is lost.
#include "stories.hpp"

TEST_CASE("bad network: the stories, 100 rounds with random cuts, nothing lost",
          "[bad_network][v5:MQTT-4.4.0-1][v3:MQTT-4.4.0-1][v5:MQTT-4.3.3-8][v3:MQTT-4.3.3-2]") {
    const auto version = GENERATE(v3, v5);
    const auto s = seed();
    CAPTURE(name_of(version), s);
    stories all(version, s);
    try {
        for (int i = 0; i != 100; ++i) all.round();
        all.check();
    } catch (const std::runtime_error& e) {
        FAIL(e.what() << all.trace());
    }
    all.report();
}
