// What a client keeps of messages that have been told.
#include "client/client_support.hpp"
#include "support/counted_memory.hpp"

namespace {

// Until the client has the message, though no callback of it has been called: it answers what comes behind it.
// One by one, so that the server needs no memory for many.
void deliver(fake_server& server, client& c, std::string_view payload) {
    const std::uint16_t mark = c.publish("mark", "", qos::exactly_once).mid;
    server.expect("PUBLISH qos=2 topic='mark'");
    server.send(delivered(0, qos::at_most_once, "a", payload));
    server.send(pubrec{.id = id(mark)});
    server.expect("PUBREL");
    server.send(pubcomp{.id = id(mark)});
}

} // namespace

TEST_CASE("client: a message's memory is given back as soon as it has been told", "[client]") {
    constexpr std::size_t count = 64, size = 256 * 1024;
    const std::string payload(size, 'x');
    fake_server server(fake_server::accepting);
    std::promise<void> all_told;
    std::size_t told = 0;
    client c(test_options());
    c.on_message([&](const received_message&) {
        if (++told == count) all_told.set_value();
    });
    REQUIRE_FALSE(c.connect(here, server.port()));
    server.accept();
    server.expect("CONNECT");
    const std::size_t before = counted_memory::live_bytes;

    for (std::size_t n = 0; n != count; ++n) deliver(server, c, payload);
    CHECK(counted_memory::live_bytes > before + count * size);
    REQUIRE_FALSE(c.loop_start());
    all_told.get_future().get();
    c.loop_stop();
    CHECK(counted_memory::live_bytes < before + 8 * size);
}
