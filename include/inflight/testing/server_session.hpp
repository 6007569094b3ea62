// inflight/testing/server_session.hpp - what a test server knows of one client, connected or not.
#pragma once

#include <inflight/session/id_table.hpp>
#include <inflight/testing/outbox.hpp>

namespace inflight::testing {

/// One subscription of one session.
struct server_subscription {
    std::string filter{}; // Whole: of a shared one with "$share/".
    inflight::qos qos{};
    bool no_local = false, retain_as_published = false;
    std::optional<std::uint32_t> identifier{};
    friend bool operator==(const server_subscription&, const server_subscription&) = default;
};

/// The Will Message of a session, kept for the time after its connection.
struct server_will {
    message content{};
    std::chrono::seconds delay{0};

    static server_will from(const will& w) {
        server_will out;
        out.content = message(w.topic, w.payload, w.qos, w.retain);
        w.props.for_each([&](const property& p) { out.take(p); });
        return out;
    }

private:
    void take(const property& p) {
        using enum property_id;
        auto& props = content.props;
        switch (p.row->id) {
        case will_delay_interval: delay = std::chrono::seconds(p.number); break;
        case payload_format_indicator: props.set<payload_format_indicator>(p.number); break;
        case message_expiry_interval: props.set<message_expiry_interval>(p.number); break;
        case content_type: props.set<content_type>(p.text); break;
        case response_topic: props.set<response_topic>(p.text); break;
        case correlation_data: props.set<correlation_data>(p.text); break;
        case user_property: props.add_user_property(p.text, p.value); break;
        default: break;
        }
    }
};

class server_session {
public:
    server_session(std::uint64_t nth, std::string id, server_parts& parts)
        : number(nth), client_id(std::move(id)), out(parts.log.counters), parts_(parts) {}
    server_session(const server_session&) = delete;
    server_session& operator=(const server_session&) = delete;

    const std::uint64_t number; // Counted from 1, in the order of creation.
    const std::string client_id;
    server_connection* connection = nullptr;
    std::shared_ptr<const server_options> options{}; // Of the last connection.
    std::chrono::seconds expiry{0};                  // From the end of the connection on.
    std::optional<server_will> will{};
    std::map<std::string, server_subscription> subscriptions{}; // By filter.
    outbox out;
    /// QoS 2 identifiers between PUBLISH and PUBREL, each with the connection it was last published on.
    id_table<connection_id> received{};

    bool is_online() const { return connection && connection->is_connected(); }

    void deliver(delivery d, time_point now) {
        if (d.qos != qos::at_most_once) {
            out.add(std::move(d), options->max_queued_messages);
            if (is_online()) out.flush(*connection, now);
            return;
        }
        auto& counters = parts_.log.counters;
        if (!is_online()) return; // QoS 0 is for those who are there.
        if (d.message->has_expired(now))
            ++counters.messages_expired;
        else if (!connection->takes_output())
            ++counters.messages_dropped;
        else if (connection->send(d, packet_id::none, false, now) != errc::none)
            ++counters.messages_too_large;
        else
            ++counters.messages_out;
    }

    timer will_timer() const { return {timer::kind::will, number}; }
    timer end_timer() const { return {timer::kind::session_end, number}; }

private:
    server_parts& parts_;
};

} // namespace inflight::testing
