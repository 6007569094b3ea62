// The memory of received messages serves those that come after them.
#include "support/async_fixture.hpp"

#include <inflight/async_client/message_memory.hpp>

namespace {

using inflight::detail::message_memory;

received_view viewed(std::string_view payload) {
    received_view v;
    v.topic = "a/topic/that/is/no/small/string";
    v.payload = payload;
    return v;
}

const publish& packet_of(const received_view& v) { return v; } // Without what the session says of it.

// Takes what has been freed of this size. Whoever finds its memory again all the same has kept it.
std::vector<std::string> take_freed(std::size_t size) { return std::vector<std::string>(64, std::string(size, 'x')); }

} // namespace

TEST_CASE("message_memory: a message that is given back lends its memory to the next, and nothing else", "[async_client]") {
    message_memory memory;
    properties<packet_type::publish> props;
    props.add_user_property("name", "value");
    const std::string long_payload(200, '1'), shorter(150, '2');
    received_view first = viewed(long_payload);
    first.qos = qos::exactly_once;
    first.retain = first.dup = true;
    first.id = id(7);
    first.props = props;
    received_message m = memory.own(first);
    const char* const at = m.payload.data();
    CHECK(packet_of(m.view()) == packet_of(first));
    memory.give_back(std::move(m));
    const auto others = take_freed(200);
    const received_message next = memory.own(viewed(shorter));
    CHECK(next.payload.data() == at);
    CHECK(packet_of(next.view()) == packet_of(viewed(shorter)));
    CHECK(memory.own(viewed("3")).payload == "3"); // It had no more.
}

TEST_CASE("message_memory: a message does not acknowledge the one whose memory it has", "[async_client]") {
    struct client final : inflight::detail::acknowledger {
        std::error_code acknowledge(const delivery&, reason_code, explanation::view_type) override { return {}; }
    };
    const auto owner = std::make_shared<client>();
    message_memory memory;
    received_message m = memory.own(viewed("1"));
    m.handle = ack_handle(owner, {});
    CHECK_FALSE(m.handle.ack());
    memory.give_back(std::move(m));
    CHECK(memory.own(viewed("2")).handle.ack() == errc::shutting_down);
}

TEST_CASE("message_memory: large messages are not kept, nor more than there may be", "[async_client]") {
    message_memory memory;
    const auto give_back = [&](std::size_t count, std::size_t size) {
        std::vector<received_message> all;
        for (std::size_t i = 0; i != count; ++i) all.push_back(received_message(viewed(std::string(size, 'x'))));
        for (received_message& m : all) memory.give_back(std::move(m));
    };
    const auto kept = [&] { // Empties it.
        std::size_t n = 0;
        while (memory.own(viewed("")).payload.capacity() > std::string().capacity()) ++n;
        return n;
    };
    give_back(1, message_memory::small + 1);
    CHECK(kept() == 0);
    give_back(message_memory::kept + 9, 20);
    CHECK(kept() == message_memory::kept);
    give_back(message_memory::kept_bytes / 900, 900);
    CHECK(kept() < message_memory::kept_bytes / 900);
    give_back(3, 900); // What it had is not counted any more.
    CHECK(kept() == 3);
    give_back(3, 900);
    memory.trim();
    CHECK(kept() == 0);
}

TEST_CASE("async_client: a handler that takes its message by reference leaves its memory to later ones", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    std::vector<const char*> found;
    std::vector<std::vector<std::string>> others;
    std::function<void()> receive = [&] {
        client.async_receive([&](std::error_code error, const received_message& m) {
            if (error) return;
            found.push_back(m.payload.data());
            CHECK(m.payload == std::string(200, static_cast<char>('0' + found.size())));
            asio::post(f.io, [&] {
                others.push_back(take_freed(200));
                receive();
            });
        });
    };
    receive();
    for (char c = '1'; c != '5'; ++c) {
        f.server.send(publish{.topic = "t", .payload = std::string(200, c)});
        f.until("a message", [&] { return found.size() == static_cast<std::size_t>(c - '0') && others.size() == found.size(); });
    }
    CHECK(found == std::vector(4, found[0]));
}

TEST_CASE("async_client: a handler that takes its message by value keeps it", "[async_client]") {
    async_fixture f;
    async_client client(f.io, f.options(v5));
    f.connect(client);
    std::vector<received_message> kept;
    std::function<void()> receive = [&] {
        client.async_receive([&](std::error_code error, received_message m) {
            if (error) return;
            kept.push_back(std::move(m));
            receive();
        });
    };
    receive();
    for (int i = 0; i != 3; ++i) f.server.send(publish{.topic = "t", .payload = std::string(200, static_cast<char>('0' + i))});
    f.until("three messages", [&] { return kept.size() == 3; });
    for (int i = 0; i != 3; ++i) CHECK(kept[static_cast<std::size_t>(i)].payload == std::string(200, static_cast<char>('0' + i)));
}
