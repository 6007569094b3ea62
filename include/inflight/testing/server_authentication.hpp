// inflight/testing/server_authentication.hpp - the server's side of enhanced authentication, as far as it
// goes without knowing any method. Standard: MQTT 5.0 section 4.12.
#pragma once

#include <inflight/testing/server_options.hpp>

namespace inflight::testing {

/// Of one connection: its method, and the exchange that is under way, if there is one.
class server_authentication {
public:
    /// CONNECT names a method and brings its first words. Its packet waits until the exchange has ended.
    authentication_answer connected(const connect& p, const server_options& options, std::string packet) {
        method_ = p.props.get<property_id::authentication_method>().value_or("");
        client_id_ = p.client_id;
        connect_ = std::move(packet);
        return begin(options, p.props.get<property_id::authentication_data>().value_or(""));
    }

    /// AUTH. What is wrong with it, if anything; else `answer` is what the method says.
    errc received(const auth& p, const server_options& options, authentication_answer& answer) {
        if (method_.empty()) return errc::unexpected_packet; // [v5:MQTT-4.12.0-7]
        if (p.props.get<property_id::authentication_method>() != method_)
            return errc::authentication_method_mismatch; // [v5:MQTT-4.12.0-5]
        const bool begins = p.reason == reason_code::re_authenticate && connect_.empty();
        const bool goes_on = p.reason == reason_code::continue_authentication;
        if (begins == is_running() || begins == goes_on)
            return errc::unexpected_packet; // [v5:MQTT-4.12.0-3] [v5:MQTT-4.12.1-1]
        const auto data = p.props.get<property_id::authentication_data>().value_or("");
        answer = begins ? begin(options, data) : next(data);
        return errc::none;
    }

    /// From CONNECT to CONNACK, while nothing but AUTH and DISCONNECT may come. [v5:MQTT-3.1.2-30]
    bool holds_connect() const { return !connect_.empty(); }
    /// The CONNECT packet, which is answered now.
    std::string take_connect() { return std::exchange(connect_, {}); }

    /// The properties that say method and words.
    template <packet_type Where>
    void add_to(properties<Where>& props, std::string_view data) const {
        if (method_.empty()) return;
        props.template set<property_id::authentication_method>(method_);
        if (!data.empty()) props.template set<property_id::authentication_data>(data);
    }

private:
    bool is_running() const { return exchange_ != nullptr; }

    authentication_answer begin(const server_options& options, std::string_view data) {
        if (options.authentication) exchange_ = options.authentication(method_, client_id_);
        if (!exchange_) return {reason_code::bad_authentication_method}; // [v5:MQTT-4.12.0-1]
        return next(data);
    }
    authentication_answer next(std::string_view data) {
        authentication_answer out = exchange_(data);
        if (out.reason != reason_code::continue_authentication) exchange_ = nullptr;
        return out;
    }

    std::string method_{}, client_id_{}, connect_{};
    authentication_exchange exchange_{};
};

} // namespace inflight::testing
