// libmosquitto, as its documentation (mosquitto.h) advises:
//  - one thread only, which is its faster way: "if your application uses threads you must use mosquitto_threaded_set
//    [...] otherwise it makes some optimisations for the single threaded case";
//  - mosquitto_loop(), which "must be called frequently", so at least once for 64 messages (more of them unacknowledged
//    make each publish slower), waits in select() when there is nothing to do; its max_packets "is currently unused
//    and should be set to 1";
//  - publishing outside of callbacks, where packets "are normally sent immediately that their function is called";
//  - MOSQ_OPT_TCP_NODELAY, without which acknowledgements are delayed; MOSQ_OPT_SEND_MAXIMUM and
//    MOSQ_OPT_RECEIVE_MAXIMUM for the window;
//  - mosquitto_tls_set() for TLS; a Unix socket is its path in place of the host, with port 0.
// Ways: publish, receive, latency.
#include "measurement.hpp"

#include <mosquitto.h>

namespace {

using namespace benchmark;

void must(int result) {
    if (result != MOSQ_ERR_SUCCESS) fail(mosquitto_strerror(result));
}

class program {
public:
    explicit program(const arguments& a)
        : a_(a), meter_(a), latencies_(a), mosquitto_(mosquitto_new(nullptr, true, this)) {
        const auto window = static_cast<int>(a.window);
        mosquitto_int_option(mosquitto_, MOSQ_OPT_PROTOCOL_VERSION, a.version);
        mosquitto_int_option(mosquitto_, MOSQ_OPT_TCP_NODELAY, 1);
        mosquitto_int_option(mosquitto_, MOSQ_OPT_SEND_MAXIMUM, window);
        mosquitto_int_option(mosquitto_, MOSQ_OPT_RECEIVE_MAXIMUM, window);
        mosquitto_connect_callback_set(mosquitto_, [](mosquitto*, void* self, int) { of(self).awaited_ = true; });
        mosquitto_subscribe_callback_set(
            mosquitto_, [](mosquitto*, void* self, int, int, const int*) { of(self).awaited_ = true; });
        mosquitto_publish_callback_set(mosquitto_, [](mosquitto*, void* self, int) { of(self).meter_.settle(); });
        mosquitto_message_callback_set(
            mosquitto_, [](mosquitto*, void* self, const mosquitto_message*) { of(self).meter_.settle(); });
        if (a.transport == "websocket") fail("libmosquitto 2.0 knows no WebSocket");
        if (a.transport == "tls")
            must(mosquitto_tls_set(mosquitto_, a.ca_file.c_str(), nullptr, nullptr, nullptr, nullptr));
        const bool is_unix = a.transport == "unix";
        must(mosquitto_connect(mosquitto_, is_unix ? a.path.c_str() : "127.0.0.1", is_unix ? 0 : a.port, 60));
        await();
    }
    program(const program&) = delete;
    program& operator=(const program&) = delete;
    ~program() { mosquitto_destroy(mosquitto_); }

    void publish() {
        while (!meter_.done()) {
            for (int i = 0; i != 64 && may_publish(); ++i) publish_one();
            if (!meter_.done()) loop(may_publish() ? 0 : 1000);
        }
        meter_.print();
    }

    void receive() {
        must(mosquitto_subscribe(mosquitto_, nullptr, a_.filter.c_str(), a_.qos));
        await();
        say_ready();
        while (!meter_.done()) loop();
        meter_.print();
    }

    void latency() {
        while (sent_ != a_.total()) {
            latencies_.start();
            publish_one();
            while (meter_.settled() != sent_) loop();
            latencies_.stop();
        }
        latencies_.print();
    }

private:
    static program& of(void* self) { return *static_cast<program*>(self); }

    bool may_publish() const { return sent_ != a_.total() && sent_ - meter_.settled() < a_.ahead(); }

    void loop(int milliseconds = 1000) { must(mosquitto_loop(mosquitto_, milliseconds, 1)); }
    void await() {
        while (!awaited_) loop();
        awaited_ = false;
    }
    void publish_one() {
        must(mosquitto_publish(mosquitto_, nullptr, topic.data(), static_cast<int>(payload_.size()),
                               payload_.data(), a_.qos_of(sent_), false));
        ++sent_;
    }

    arguments a_;
    meter meter_;
    latencies latencies_;
    std::string payload_ = std::string(a_.size, 'x');
    std::size_t sent_ = 0;
    bool awaited_ = false;
    mosquitto* mosquitto_;
};

} // namespace

int main(int argc, char** argv) {
    const arguments a(argc, argv);
    mosquitto_lib_init();
    if (a.way == "publish") program(a).publish();
    else if (a.way == "receive") program(a).receive();
    else if (a.way == "latency") program(a).latency();
    else fail("unknown way " + a.way);
    mosquitto_lib_cleanup();
}
