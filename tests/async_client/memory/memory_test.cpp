// Memory of messages that async_receive() has handed over: what serves again, and what is given back.
#include "support/async_fixture.hpp"
#include "support/counted_memory.hpp"

#include <asio/write.hpp>

namespace {

using asio::ip::tcp;

constexpr std::string_view topic = "a/topic/that/is/long/enough";

std::string packets(std::size_t count, std::string_view payload) {
    std::string bytes;
    for (std::size_t n = 0; n != count; ++n)
        REQUIRE(encode(publish{.topic = topic, .payload = payload}, v5, bytes) == errc::none);
    return bytes;
}

/// A connected client, and a broker whose bytes are there beforehand: what is allocated is the client's.
class receiving {
public:
    explicit receiving(bool with_stream = false) {
        std::string accepted;
        REQUIRE(encode(connack{}, v5, accepted) == errc::none);
        tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
        acceptor.async_accept(broker_, [&](std::error_code error) {
            REQUIRE_FALSE(error);
            asio::write(broker_, asio::buffer(accepted));
        });
        client_.emplace(io_, options_for(acceptor.local_endpoint().port(), v5));
        if (with_stream) stream_ = client_->stream("a/#");
        outcome<connect_result> connected;
        client_->async_connect(connected.handler());
        while (!connected.is_done()) io_.run_one();
        REQUIRE_FALSE(connected.error());
    }

    /// The broker sends as many packets, and this many handlers get them. QoS 0: there is nothing to answer.
    void pass(std::size_t count, std::string_view bytes, const std::string& payload) {
        left_ = count;
        expected_ = &payload;
        receive_next();
        asio::write(broker_, asio::buffer(bytes));
        while (left_ != 0) io_.run_one();
    }

    std::size_t intact() const { return intact_; }

private:
    void receive_next() {
        const auto handler = [this](std::error_code error, const received_message& m) {
            intact_ += !error && m.payload == *expected_ && m.topic == topic;
            if (--left_ != 0) receive_next();
        };
        if (stream_) stream_.async_receive(handler);
        else client_->async_receive(handler);
    }

    asio::io_context io_{1};
    tcp::socket broker_{io_};
    std::optional<async_client> client_{};
    message_stream stream_{};
    std::size_t left_ = 0, intact_ = 0;
    const std::string* expected_ = nullptr;
};

} // namespace

TEST_CASE("async_client: messages that handlers leave where they are have the memory of those before", "[async_client]") {
    const bool with_stream = GENERATE(false, true);
    receiving r(with_stream);
    const std::string payload(500, 'x');
    const std::string bytes = packets(10, payload);
    for (int n = 0; n != 20; ++n) r.pass(10, bytes, payload); // Until every place has been used.

    const std::size_t before = counted_memory::allocations;
    for (int n = 0; n != 100; ++n) r.pass(10, bytes, payload);
    const std::size_t allocated = counted_memory::allocations - before;
    CHECK(allocated == 0);
    CHECK(r.intact() == 1200);
}

TEST_CASE("async_client: the memory of large messages is given back when their handlers have had them", "[async_client]") {
    receiving r;
    const std::string small = "small", large(5'000, 'x');
    const std::string small_packets = packets(10, small), large_packets = packets(10, large);
    r.pass(10, small_packets, small);
    const std::size_t before = counted_memory::live_bytes;
    r.pass(10, large_packets, large);
    CHECK(counted_memory::live_bytes < before + 5'000);
    CHECK(r.intact() == 20);
}
