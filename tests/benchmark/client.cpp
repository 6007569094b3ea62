// The client in the shape of Python's paho, used as its examples do: loop_start(), then publish() on the user's
// thread, and callbacks on the loop's. Ways: publish, receive.
#include "library.hpp"

#include <inflight/client.hpp>

namespace {

using namespace benchmark;

class program {
public:
    explicit program(const arguments& a) : a_(a), meter_(a), client_(options_of(a)) {
        client_.on_publish([this](std::uint16_t, std::error_code error) {
            must(error);
            progress_.settle();
        });
        client_.on_message([this](const inflight::received_message&) { progress_.settle(); });
        must(client_.loop_start());
        must(client_.connect({broker_of(a)}));
    }

    void publish() {
        const std::string payload(a_.size, 'x');
        for (std::size_t sent = 0; sent != a_.total(); ++sent) {
            if (sent - meter_.settled() >= max_ahead) progress_.wait_for(sent - max_ahead / 2);
            const auto level = static_cast<inflight::qos>(a_.qos_of(sent));
            if (!client_.publish(topic, payload, level)) fail("publish() refuses");
        }
        progress_.wait_for(a_.total());
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
        progress_.wait_for(a_.total());
        meter_.print();
    }

private:
    // More than the window, so that the client has something to send whenever an acknowledgement comes.
    static constexpr std::size_t max_ahead = 20'000;

    arguments a_;
    meter meter_;
    progress progress_{meter_};
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
