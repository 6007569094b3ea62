// What Mosquitto says to a method of enhanced authentication: it knows none.
#include "support/catch.hpp"
#include "support/mosquitto_process.hpp"

#include <inflight/client.hpp>

using namespace inflight;

namespace {

struct one_word : authenticator {
    void begin(bool, reply done) override { done({}, "word"); }
    void next(std::string, reply done) override { done({}, {}); }
    void finish(std::string, verdict done) override { done({}); }
};

} // namespace

TEST_CASE("mosquitto: refuses an unknown authentication method, and the client says so", "[integration][v5:MQTT-4.12.0-4]") {
    mosquitto_process broker;
    client_options options;
    options.client_id = "c";
    options.authentication = {"M", [] { return std::make_shared<one_word>(); }};
    client c(options);
    connect_result heard;
    c.on_connect([&](const connect_result& r) { heard = r; });
    const auto error = c.connect("127.0.0.1", broker.port());
    CHECK(error == reason_code::bad_authentication_method);
    CHECK(error.message() == "bad authentication method");
    CHECK(heard.return_code == 0x8C);
    CHECK(heard.version == protocol_version::v5);
    CHECK_FALSE(c.is_connected());
}
