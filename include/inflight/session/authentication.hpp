// inflight/session/authentication.hpp - whose turn it is in an exchange of AUTH packets.
//
// One exchange runs from CONNECT to CONNACK, others, which the client begins, may follow on the same
// connection while its messages go on. The words of an exchange mean nothing here: the method knows them.
// Standard: MQTT 5.0 sections 3.15, 4.12.
#pragma once

#include <inflight/session/link.hpp>

namespace inflight {

class authentication {
public:
    authentication(link& l, const session_options& options) : link_(l), options_(options) {}

    /// CONNECT names a method. Without one there is no AUTH. [v5:MQTT-4.12.0-6] [v5:MQTT-4.12.0-7]
    bool has_method() const { return link_.v5() && method().has_value(); }

    /// CONNECT goes out.
    void opened() { turn_ = has_method() ? turn::server : turn::nobody; }
    void closed() { turn_ = turn::nobody; }

    errc received(const auth& p) {
        if (turn_ != turn::server) return errc::unexpected_packet;
        if (p.props.get<property_id::authentication_method>() != method())
            return errc::authentication_method_mismatch; // [v5:MQTT-4.12.0-5] [v5:U5-22]
        if (p.reason == reason_code::continue_authentication) turn_ = turn::client;
        else if (p.reason == reason_code::success && link_.is_connected()) turn_ = turn::verdict;
        else return errc::unexpected_packet; // [v5:MQTT-4.12.0-2] [v5:MQTT-3.15.2-1]
        return errc::none;
    }

    /// CONNACK with success, which has no say in whether the client believes the server.
    errc received(const connack& p) {
        if (link_.v5() && p.props.get<property_id::authentication_method>() != method())
            return errc::authentication_method_mismatch; // [v5:MQTT-4.12.0-5] [v5:MQTT-4.12.0-6]
        if (turn_ == turn::client) return errc::unexpected_packet; // It has asked, and does not wait.
        if (turn_ == turn::server) turn_ = turn::verdict;
        return errc::none;
    }

    bool awaits_verdict() const { return turn_ == turn::verdict; }

    /// The answer to the server's AUTH.
    errc answer(std::string_view data) {
        if (turn_ != turn::client) return errc::not_running;
        return say(reason_code::continue_authentication, data); // [v5:MQTT-4.12.0-3]
    }

    /// The first words of another exchange; one at a time.
    errc begin_again(std::string_view data) {
        if (!link_.is_connected()) return errc::not_connected;
        if (!has_method()) return errc::no_authentication_method; // [v5:MQTT-4.12.0-7]
        if (turn_ != turn::nobody) return errc::already_running;
        return say(reason_code::re_authenticate, data); // [v5:MQTT-4.12.1-1]
    }

    /// The server is who it should be.
    void accept() {
        if (turn_ == turn::verdict) turn_ = turn::nobody;
    }

private:
    enum class turn : std::uint8_t { nobody, server, client, verdict };

    std::optional<std::string_view> method() const {
        return options_.connect_properties.get<property_id::authentication_method>();
    }

    errc say(reason_code reason, std::string_view data) {
        if (data.size() > wire::text_max) return errc::field_too_long;
        properties<packet_type::auth> props;
        props.set<property_id::authentication_method>(*method()); // [v5:MQTT-4.12.0-5]
        if (!data.empty()) props.set<property_id::authentication_data>(data);
        turn_ = turn::server;
        link_.send(auth{.reason = reason, .props = props});
        return link_.why;
    }

    link& link_;
    const session_options& options_;
    turn turn_ = turn::nobody;
};

} // namespace inflight
