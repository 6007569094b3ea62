// The client in the shape of Python's paho, used as its examples do: loop_start(), then publish() on the user's
// thread, and callbacks on the loop's. Ways: publish, receive.
#include "measurement.hpp"

#include <inflight/client.hpp>

namespace {

using namespace benchmark;

void must(std::error_code error) {
    if (error) fail(error.message());
}

class program {
public:
    explicit program(const arguments& a) : a_(a), meter_(a), client_(options_of(a)) {
        client_.on_publish([this](std::uint16_t, std::error_code error) {
            must(error);
            count();
        });
        client_.on_message([this](const inflight::received_message&) { count(); });
        must(client_.loop_start());
        must(client_.connect("127.0.0.1", a.port));
    }

    void publish() {
        const std::string payload(a_.size, 'x');
        for (std::size_t sent = 0; sent != a_.total(); ++sent) {
            if (sent - meter_.settled() >= max_ahead) wait_for(sent - max_ahead / 2);
            const auto level = static_cast<inflight::qos>(a_.qos_of(sent));
            if (!client_.publish(topic, payload, level)) fail("publish() refuses");
        }
        wait_for(a_.total());
        meter_.print();
    }

    void receive() {
        std::atomic<bool> subscribed{false};
        client_.on_subscribe([&](const inflight::subscribe_outcome&) {
            subscribed = true;
            subscribed.notify_one();
        });
        client_.subscribe(a_.filter, static_cast<inflight::qos>(a_.qos));
        subscribed.wait(false);
        say_ready();
        wait_for(a_.total());
        meter_.print();
    }

private:
    static inflight::client_options options_of(const arguments& a) {
        inflight::client_options o;
        o.version = static_cast<inflight::protocol_version>(a.version);
        o.max_inflight_messages = static_cast<std::uint16_t>(a.window);
        o.receive_maximum = static_cast<std::uint16_t>(a.window);
        o.max_inbound_messages = 65'535;
        o.max_queued_bytes = 0;
        o.on_inbound_overflow = inflight::inbound_overflow::pause_reading; // Nothing may be dropped: we count.
        return o;
    }

    // The user's thread sleeps until so many are done, and is woken once.
    void wait_for(std::size_t settled) {
        wake_at_ = settled;
        while (meter_.settled() < settled) {
            const unsigned before = wakes_;
            if (meter_.settled() < settled) wakes_.wait(before);
        }
    }
    void count() {
        meter_.settle();
        if (meter_.settled() != wake_at_) return;
        ++wakes_;
        wakes_.notify_one();
    }

    // More than the window, so that the client has something to send whenever an acknowledgement comes.
    static constexpr std::size_t max_ahead = 20'000;

    arguments a_;
    meter meter_;
    std::atomic<std::size_t> wake_at_{0};
    std::atomic<unsigned> wakes_{0};
    inflight::client client_;
};

} // namespace

int main(int argc, char** argv) {
    const arguments a(argc, argv);
    program p(a);
    if (a.way == "publish") p.publish();
    else if (a.way == "receive") p.receive();
    else fail("unknown way " + a.way);
}
