// The asynchronous client, on one thread. Ways:
//   publish       publish(), which answers at once; who wants to go on asks unsettled() how far it has come
//   callback      async_publish() with a handler, which publishes the next message
//   coroutine     async_publish() from as many coroutines as messages are kept on their way
//   on_message    receiving by callback
//   receive       async_receive() with a handler, which asks for the next message
//   latency       async_publish() with a handler, which publishes the next message, one at a time
#include "library.hpp"

#include <inflight/async_client.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

namespace {

using namespace benchmark;
using inflight::async_client;

class program {
public:
    explicit program(const arguments& a)
        : a_(a), meter_(a), latencies_(a), client_(io_, options_of(a)) {}

    void run() {
        client_.async_connect([](std::error_code error, const inflight::connect_result&) { must(error); });
        while (!client_.is_connected()) io_.run_one();
        if (a_.way == "publish") publish();
        else if (a_.way == "callback") with_callbacks();
        else if (a_.way == "coroutine") with_coroutines();
        else if (a_.way == "on_message") on_message();
        else if (a_.way == "receive") receive();
        else if (a_.way == "latency") latency();
        else fail("unknown way " + a_.way);
    }

private:
    inflight::qos level(std::size_t index) const { return static_cast<inflight::qos>(a_.qos_of(index)); }
    const inflight::message& message(std::size_t index) {
        message_.qos = level(index);
        return message_;
    }

    void run_until_done() {
        while (!meter_.done()) io_.run_one();
        meter_.print();
    }

    void publish() {
        while (!meter_.done()) {
            const std::size_t until = std::min(a_.total(), meter_.settled() + a_.ahead());
            for (; sent_ < until; ++sent_)
                if (!client_.publish(message(sent_))) fail("publish() refuses");
            io_.run_one();
            meter_.settle_to(sent_ - client_.unsettled());
        }
        meter_.print();
    }

    void publish_next() {
        if (sent_ == a_.total()) return;
        client_.async_publish(message(sent_++), [this](std::error_code error, inflight::publish_ack) {
            must(error);
            meter_.settle();
            publish_next();
        });
    }
    void with_callbacks() {
        for (std::size_t i = 0; i != a_.ahead(); ++i) publish_next();
        run_until_done();
    }

    asio::awaitable<void> publish_in_turn() {
        while (sent_ != a_.total()) {
            const inflight::qos l = level(sent_++);
            co_await client_.async_publish(topic, message_.payload, l, asio::use_awaitable);
            meter_.settle();
        }
    }
    void with_coroutines() {
        for (std::size_t i = 0; i != a_.ahead(); ++i) asio::co_spawn(io_, publish_in_turn(), asio::detached);
        run_until_done();
    }

    void subscribe() {
        bool subscribed = false;
        client_.async_subscribe(a_.filter, static_cast<inflight::qos>(a_.qos),
                                [&](std::error_code error, const inflight::subscribe_ack&) {
                                    must(error);
                                    subscribed = true;
                                });
        while (!subscribed) io_.run_one();
        say_ready();
    }

    void on_message() {
        client_.on_message([this](const inflight::received_view&) { meter_.settle(); });
        subscribe();
        run_until_done();
    }

    void receive_next() {
        client_.async_receive([this](std::error_code error, const inflight::received_message&) {
            must(error);
            meter_.settle();
            receive_next();
        });
    }
    void receive() {
        receive_next();
        subscribe();
        run_until_done();
    }

    void publish_alone() {
        latencies_.start();
        client_.async_publish(message(sent_++), [this](std::error_code error, inflight::publish_ack) {
            must(error);
            latencies_.stop();
            if (sent_ != a_.total()) publish_alone();
            else io_.stop();
        });
    }
    void latency() {
        publish_alone();
        io_.run();
        latencies_.print();
    }

    arguments a_;
    meter meter_;
    latencies latencies_;
    inflight::message message_{topic, std::string(a_.size, 'x')};
    std::size_t sent_ = 0;
    asio::io_context io_{1};
    async_client client_;
};

} // namespace

int main(int argc, char** argv) {
    program(arguments(argc, argv)).run();
}
