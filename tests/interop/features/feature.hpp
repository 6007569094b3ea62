// A feature, what it is tried in, and how it ends: it returns (works), or throws not_supported or failed.
#pragma once

#include "peer.hpp"

namespace features {

/// The broker has not got it; what it answered, or which limit it announced.
struct not_supported : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// The broker under test.
struct target {
    broker where{};
    protocol_version version = protocol_version::v5;
    std::optional<std::string> user_name{}, password{};
    std::string ca_file{}; // For TLS.
    std::string run{}; // In all topics and client identifiers, which the broker may remember from earlier runs.
};

enum class kind : std::uint8_t { client, async_client };

inline std::string text(auto number) { return std::to_string(number); }

/// Topics, client identifiers and clients for one feature.
class setting {
public:
    setting(const target& where, kind which, std::size_t number)
        : broker(where), which_(which), prefix_(where.run + text(number) + (which == kind::client ? "c" : "a")) {}

    const target& broker;
    bool v5() const { return broker.version == protocol_version::v5; }
    bool is_async() const { return which_ == kind::async_client; }

    std::string topic(std::string_view rest = "t") const { return "features/" + prefix_ + '/' + std::string(rest); }
    std::string id(std::string_view name) const { return prefix_ + std::string(name); } // At most 23 letters.

    client_options options(std::string_view name) const {
        client_options o;
        o.client_id = id(name);
        o.brokers = {broker.where};
        o.version = broker.version;
        o.user_name = broker.user_name;
        o.password = broker.password;
        if (!broker.ca_file.empty()) o.tls->ca_file = broker.ca_file;
        o.reconnect_delay = 100ms;
        o.connect_timeout = o.drain_timeout = patience;
        return o;
    }

    std::unique_ptr<peer> make(client_options o) const {
        return is_async() ? make_async_peer(std::move(o)) : make_callback_peer(std::move(o));
    }
    std::unique_ptr<peer> connected(client_options o) const {
        auto p = make(std::move(o));
        const connect_result r = p->connect();
        check(!r.error, "connect: " + r.error.message() + ' ' + r.reason_string);
        return p;
    }
    std::unique_ptr<peer> connected(std::string_view name) const { return connected(options(name)); }

private:
    kind which_;
    std::string prefix_;
};

struct feature {
    std::string name;
    std::function<void(const setting&)> run;
    bool needs_v5 = false;
};

using feature_list = std::vector<feature>;
feature_list message_features();
feature_list retained_and_will_features();
feature_list session_features();
feature_list subscription_features();
feature_list property_features();
feature_list limit_features();
feature_list connection_features();
feature_list acknowledgement_features();
feature_list interface_features();

// What features have in common.

inline std::string words(qos level) { return "QoS " + text(static_cast<int>(level)); }

/// Subscribes; anything but the QoS that was asked for is a lack of the broker.
inline void subscribe(peer& p, const std::vector<subscription_request>& filters,
                      const properties<packet_type::subscribe>& props = {}) {
    const std::vector<reason_code> codes = p.subscribe(filters, props);
    check(codes.size() == filters.size(), "SUBACK has " + text(codes.size()) + " codes");
    for (std::size_t i = 0; i != codes.size(); ++i) {
        if (is_refusal(codes[i])) throw not_supported("SUBACK says " + std::string(name(codes[i])));
        if (number(codes[i]) != static_cast<int>(filters[i].qos))
            throw not_supported("SUBACK says " + std::string(name(codes[i])) + " for " + words(filters[i].qos));
    }
}
inline void subscribe(peer& p, std::string_view filter, qos level = qos::at_least_once) {
    subscribe(p, {{filter, level}});
}

/// Publishes, and the broker accepts.
inline void publish(peer& p, const message& m) {
    const std::error_code error = p.publish(m);
    if (error == errc::downgraded_qos) throw not_supported("answers QoS 2 with PUBACK");
    check(!error, "publish: " + error.message());
}
inline void publish(peer& p, std::string_view topic, bytes_view payload, qos level = qos::at_least_once,
                    bool retain = false) {
    publish(p, message(topic, payload, level, retain));
}

/// The next message, which must come.
inline received_message next(peer& p, std::string_view what) {
    auto m = p.messages.next();
    if (!m) throw failed("does not arrive: " + std::string(what));
    return std::move(*m);
}
inline void expect(peer& p, std::string_view payload) {
    const received_message m = next(p, payload);
    check(m.payload == payload, "got '" + m.payload.substr(0, 100) + "' for '" + std::string(payload) + '\'');
}

} // namespace features
