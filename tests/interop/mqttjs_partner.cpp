// Our side of the talk with the npm package mqtt (mqttjs_partner.js). Says what it gets with all properties, and sends it back
// on "answer/..." as it came; answers requests; on "command" subscribes, or makes a request.
#include <inflight/client.hpp>

#include "../../examples/arguments.hpp"

#include <iomanip>
#include <sstream>

namespace {

using namespace inflight;

std::string hex(std::string_view bytes) {
    std::ostringstream out;
    for (const char c : bytes) out << std::hex << std::setfill('0') << std::setw(2) << (static_cast<unsigned>(c) & 0xFFu);
    return out.str();
}

// In the order of the packet. The seconds that are left of an expiry depend on how fast all went.
std::string words(const message& m) {
    std::ostringstream out;
    out << m.topic << " QoS " << static_cast<int>(m.qos) << (m.retain ? " retained" : "") << ' ' << hex(m.payload);
    m.props.for_each([&](const property& p) {
        out << ' ' << p.row->name << '=';
        if (p.row->id == property_id::user_property) out << p.text << ':' << p.value;
        else if (p.row->id == property_id::message_expiry_interval) out << (p.number > 900 ? "most" : "little");
        else if (is_text(p.row->id)) out << hex(p.text);
        else out << p.number;
    });
    return out.str();
}

class partner {
public:
    explicit partner(arguments& args) : client_(args.options) {
        client_.on_message([this](const received_message& m) { on_message(m); });
        client_.on_subscribe([](const subscribe_outcome&) { std::cout << "ready" << std::endl; });
        client_.on_connect([this](const connect_result&) {
            properties<packet_type::subscribe> numbered;
            numbered.set<property_id::subscription_identifier>(7);
            const auto all = {"ask/#", "requests/ours", "answers/ours", "command"};
            std::vector<subscription_request> wishes;
            for (const char* filter : all) wishes.emplace_back(filter, qos::exactly_once);
            client_.subscribe(wishes, numbered);
        });
    }
    client& get() { return client_; }

private:
    void on_message(const received_message& m) {
        std::cout << "got " << words(m) << std::endl;
        properties<packet_type::publish> props = m.props;
        props.erase(property_id::subscription_identifier); // Which are for receivers only.
        if (m.topic.starts_with("ask/")) send({"answer/" + m.topic.substr(4), m.payload, m.qos, m.retain, props});
        else if (m.topic == "requests/ours") respond(m);
        else if (m.payload == "request") request();
        else if (m.topic == "command") client_.subscribe(m.payload, qos::exactly_once);
    }

    void respond(const message& question) {
        properties<packet_type::publish> props;
        if (const auto mark = question.props.get<property_id::correlation_data>())
            props.set<property_id::correlation_data>(*mark);
        const auto where = question.props.get<property_id::response_topic>();
        if (where) send({*where, question.payload + "!", question.qos, false, props});
    }
    void request() {
        properties<packet_type::publish> props;
        props.set<property_id::response_topic>("answers/ours").set<property_id::correlation_data>(std::string_view("\0\xFE", 2));
        send({"requests/js", "question of ours", qos::at_least_once, false, props});
    }
    void send(const message& m) {
        if (const publish_result r = client_.publish(m); !r) std::cerr << m.topic << ": " << name(r.status) << std::endl;
    }

    client client_;
};

} // namespace

int main(int argc, char** argv) {
    arguments args(argc, argv, "talks with a client of the npm package mqtt");
    partner p(args);
    const on_interrupt leave([&] { p.get().disconnect_async(); });
    std::error_code error = p.get().connect(args.host, args.port);
    if (!error) error = p.get().loop_forever();
    if (!error) return EXIT_SUCCESS;
    std::cerr << error.message() << std::endl;
    return EXIT_FAILURE;
}
