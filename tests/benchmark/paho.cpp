// Paho C, as its documentation (MQTTAsync.h) advises:
//  - the asynchronous interface, "for non-blocking" use, whose calls "start a request in the background, with success
//    or failure notified by other callbacks";
//  - callbacks for the outcome of each message and for arriving ones, which take no time and return 1;
//  - MQTTCLIENT_PERSISTENCE_NONE, the "highest performance";
//  - maxInflight for the window, and maxBufferedMessages so large that nothing is refused;
//  - messages are published on the main thread; its own two threads send and receive;
//  - ssl:// and ws:// addresses, with certificate and host name verified (paho-mqtt3as).
// Ways: publish, receive, latency.
#include "measurement.hpp"

#include <MQTTAsync.h>

namespace {

using namespace benchmark;

void must(int result) {
    if (result != MQTTASYNC_SUCCESS) fail(std::string("Paho C: ") + MQTTAsync_strerror(result));
}

class program {
public:
    explicit program(const arguments& a) : a_(a), meter_(a), latencies_(a) {
        MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
        create.MQTTVersion = a.version;
        create.maxBufferedMessages = 100'000;
        const std::string scheme = a.transport == "tls" ? "ssl" : a.transport == "websocket" ? "ws" : "tcp";
        if (a.transport == "unix") fail("Paho C 1.3.12 knows no Unix sockets");
        const std::string uri = scheme + "://127.0.0.1:" + std::to_string(a.port) + (scheme == "ws" ? "/mqtt" : "");
        must(MQTTAsync_createWithOptions(&client_, uri.c_str(), "paho", MQTTCLIENT_PERSISTENCE_NONE, nullptr, &create));
        must(MQTTAsync_setCallbacks(client_, this, nullptr, on_message, nullptr));
        connect();
    }
    program(const program&) = delete;
    program& operator=(const program&) = delete;
    ~program() { MQTTAsync_destroy(&client_); }

    void publish() {
        while (sent_ != a_.total()) {
            if (sent_ - meter_.settled() >= a_.ahead()) progress_.wait_for(sent_ - a_.ahead() + 1 + a_.ahead() / 4);
            publish_one();
        }
        progress_.wait_for(a_.total());
        meter_.print();
    }

    void receive() {
        MQTTAsync_callOptions options = call_options();
        options.onSuccess = [](void* self, MQTTAsync_successData*) { of(self).arrived(); };
        options.onSuccess5 = [](void* self, MQTTAsync_successData5*) { of(self).arrived(); };
        keep_for_version(options);
        must(MQTTAsync_subscribe(client_, a_.filter.c_str(), a_.qos, &options));
        await();
        say_ready();
        progress_.wait_for(a_.total());
        meter_.print();
    }

    void latency() {
        while (sent_ != a_.total()) {
            latencies_.start();
            publish_one();
            progress_.wait_for(sent_);
            latencies_.stop();
        }
        latencies_.print();
    }

private:
    static program& of(void* self) { return *static_cast<program*>(self); }

    void connect() {
        MQTTAsync_connectOptions v3 = MQTTAsync_connectOptions_initializer;
        MQTTAsync_connectOptions v5 = MQTTAsync_connectOptions_initializer5;
        MQTTAsync_connectOptions& options = a_.version == 5 ? v5 : v3;
        MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer;
        tls.trustStore = a_.ca_file.c_str();
        tls.verify = 1;
        if (a_.transport == "tls") options.ssl = &tls;
        options.maxInflight = static_cast<int>(a_.window);
        options.context = this;
        if (a_.version == 5) {
            options.cleanstart = 1;
            options.onSuccess5 = [](void* self, MQTTAsync_successData5*) { of(self).arrived(); };
            options.onFailure5 = [](void*, MQTTAsync_failureData5*) { fail("Paho C: not connected"); };
        } else {
            options.onSuccess = [](void* self, MQTTAsync_successData*) { of(self).arrived(); };
            options.onFailure = [](void*, MQTTAsync_failureData*) { fail("Paho C: not connected"); };
        }
        must(MQTTAsync_connect(client_, &options));
        await();
    }

    MQTTAsync_callOptions call_options() {
        MQTTAsync_callOptions options = MQTTAsync_callOptions_initializer;
        options.context = this;
        return options;
    }
    // The version decides which of the two forms of a callback may be set.
    void keep_for_version(MQTTAsync_callOptions& options) const {
        if (a_.version == 5) options.onSuccess = nullptr;
        else options.onSuccess5 = nullptr;
    }

    void publish_one() {
        MQTTAsync_callOptions options = call_options();
        options.onSuccess = [](void* self, MQTTAsync_successData*) { of(self).progress_.settle(); };
        options.onSuccess5 = [](void* self, MQTTAsync_successData5*) { of(self).progress_.settle(); };
        keep_for_version(options);
        must(MQTTAsync_send(client_, topic.data(), static_cast<int>(payload_.size()), payload_.data(),
                            a_.qos_of(sent_), 0, &options));
        ++sent_;
    }
    static int on_message(void* self, char* name, int, MQTTAsync_message* m) {
        of(self).progress_.settle();
        MQTTAsync_freeMessage(&m);
        MQTTAsync_free(name);
        return 1;
    }

    // An answer, on one of Paho's threads.
    void arrived() {
        is_answered_ = true;
        is_answered_.notify_one();
    }
    void await() {
        is_answered_.wait(false);
        is_answered_ = false;
    }

    arguments a_;
    meter meter_;
    latencies latencies_;
    std::string payload_ = std::string(a_.size, 'x');
    std::size_t sent_ = 0;
    progress progress_{meter_};
    std::atomic<bool> is_answered_{false};
    MQTTAsync client_ = nullptr;
};

} // namespace

int main(int argc, char** argv) {
    const arguments a(argc, argv);
    program p(a);
    if (a.way == "publish") p.publish();
    else if (a.way == "receive") p.receive();
    else if (a.way == "latency") p.latency();
    else fail("unknown way " + a.way);
}
