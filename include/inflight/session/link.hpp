// inflight/session/link.hpp - what lives as long as one connection.
#pragma once

#include <inflight/session/options.hpp>
#include <inflight/session/output.hpp>

namespace inflight {

class link {
public:
    // verifying: CONNACK has come, and whether it is the server's has to be found out yet.
    enum class phase : std::uint8_t { closed, connecting, connected, verifying, closing };

    output_queue output{};
    server_limits limits{};
    protocol_version version = protocol_version::v5;
    std::uint32_t number = 0; // Of this connection, counted from 1.
    phase at = phase::closed;
    errc why = errc::none; // closing: what went wrong.

    bool is_connected() const { return at == phase::connected; }
    bool is_open() const { return at == phase::connecting || at == phase::connected; }
    bool v5() const { return version == protocol_version::v5; }

    void open(protocol_version v) {
        output.clear();
        limits = {};
        version = v;
        ++number;
        at = phase::connecting;
        why = errc::none;
    }

    void close() {
        output.clear();
        at = phase::closed;
    }

    /// Sends a packet of the protocol's own. Not to be able to is an error of the connection.
    template <class Packet>
    void send(const Packet& p) {
        if (!is_open()) return; // [v5:MQTT-3.14.4-1]
        if (const errc bad = output.add(p, version, limits.maximum_packet_size); bad != errc::none) fail(bad);
    }

    /// The same with Reason String and User Properties, which are checked already: without these, and then
    /// without that, where the packet would exceed the Maximum Packet Size. [v5:MQTT-3.4.2-2]
    /// [v5:MQTT-3.4.2-3] [v5:MQTT-3.5.2-2] [v5:MQTT-3.5.2-3] [v5:MQTT-3.14.2-3] [v5:MQTT-3.14.2-4]
    template <class Packet>
    void send_explained(Packet p) {
        properties<Packet::type> left(p.props);
        for (const auto which : {property_id::user_property, property_id::reason_string}) {
            if (measure_packet(p, version, limits.maximum_packet_size)) break;
            left.erase(which);
            p.props = left;
        }
        send(p);
    }

    /// Ends the connection: 5.0 tells the broker why, 3.1.1 closes without DISCONNECT, so that the Will is
    /// published. [v5:U5-23] [v3:MQTT-4.8.0-1]
    void fail(errc error) {
        if (!is_open() && at != phase::verifying) return;
        const reason_code reason = row(error).reason;
        const bool had_connack = at == phase::connected || at == phase::verifying;
        if (had_connack && v5() && is_refusal(reason))
            (void)output.add(disconnect{.reason = reason}, version, limits.maximum_packet_size);
        at = phase::closing;
        why = error;
    }
};

} // namespace inflight
