// Memory of received messages: what is kept of it, and what serves again.
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
    journal told;
    client c(test_options());
    c.on_message([&](const received_message& m) { told.add(std::to_string(m.payload.size())); });
    REQUIRE_FALSE(c.connect(here, server.port()));
    server.accept();
    server.expect("CONNECT");
    const std::size_t before = counted_memory::live_bytes;

    for (std::size_t n = 0; n != count; ++n) deliver(server, c, payload);
    CHECK(counted_memory::live_bytes > before + count * size);
    REQUIRE_FALSE(c.loop_start());
    CHECK(told.wait_for(count) == trace(count, std::to_string(size)));
    c.loop_stop();
    const std::size_t after = counted_memory::live_bytes;
    CHECK(after < before + 8 * size); // The largest packet may have left buffers here and at the server.

    deliver(server, c, "next");
    REQUIRE_FALSE(c.loop_start());
    told.wait_for(count + 1);
    c.loop_stop();
    CHECK(after < counted_memory::live_bytes + size / 2); // Nothing waited for that.
}

TEST_CASE("inbound_queue: the memory of messages that have been dealt with serves those to come", "[client]") {
    inbound_queue queue(1024, 1 << 20);
    std::vector<received_message> taken(3);
    const properties<packet_type::publish> props = properties<packet_type::publish>().set<property_id::content_type>(
        "text/plain; charset=utf-8");
    const std::string payload(500, 'x');
    const received_view message{publish{.topic = "a/topic/that/is/long/enough", .props = props, .payload = payload}, {}, {}};
    std::size_t intact = 0;
    const auto pass_some = [&] {
        for (std::size_t n = 0; n != taken.size(); ++n) queue.push(message);
        for (received_message& m : taken) {
            queue.pop_in_exchange(m);
            intact += m.topic == message.topic && m.payload == payload && m.props == props;
            inbound_queue::release_large(m);
        }
    };
    for (int n = 0; n != 4; ++n) pass_some(); // Until every place has been used.

    const std::size_t before = counted_memory::allocations;
    for (int n = 0; n != 100; ++n) pass_some();
    const std::size_t allocated = counted_memory::allocations - before;
    CHECK(allocated == 0);
    CHECK(intact == 104 * taken.size());
    CHECK(queue.bytes() == 0);
}

TEST_CASE("inbound_queue: the memory of large messages is given back", "[client]") {
    inbound_queue queue(1024, 1 << 20);
    std::vector<received_message> taken(3);
    const std::string large(received_message::small + 1, 'x');
    queue.push(received_view{publish{.topic = "a"}, {}, {}});
    queue.pop_in_exchange(taken[0]);
    const std::size_t before = counted_memory::live_bytes;
    for (int n = 0; n != 100; ++n)
        for (received_message& m : taken) {
            queue.push(received_view{publish{.topic = "a", .payload = large}, {}, {}});
            queue.pop_in_exchange(m);
            inbound_queue::release_large(m);
        }
    CHECK(counted_memory::live_bytes == before);
}
