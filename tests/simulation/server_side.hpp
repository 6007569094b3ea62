// The server of the test kit and what drives it, together with an observer: a second client with a connection that
// never fails, which is told at once of every message that the server accepts.
#pragma once

#include "ledger.hpp"
#include "packet_stream.hpp"
#include "profile.hpp"
#include "transport.hpp"

#include <inflight/testing/server.hpp>

namespace simulation {

using inflight::testing::connection_id;
using inflight::testing::server_options;

class server_side {
public:
    server_side(schedule& time, ledger& messages, const profile& p, trace& out)
        : time_(time), ledger_(messages), profile_(p), trace_(out), server_(unlimited()) {
        connect_observer();
    }

    static server_options unlimited() {
        server_options o;
        o.trace_lines = 0;
        o.connect_timeout = 0s;
        return o;
    }

    /// A transport stands, to a server with these options.
    void accept(const std::shared_ptr<transport>& t, inflight::protocol_version version, const server_options& options) {
        server_.set_options(options);
        const connection_id id = server_.opened(time_.now());
        connection& c = connections_[id];
        c.to_client = t;
        c.sent.restart(version);
        c.received.restart(version);
        t->server.on_bytes = [this, id](std::string_view bytes) { received(id, bytes); };
        t->server.on_closed = [this, id] {
            server_.closed(id, time_.now());
            connections_.erase(id);
            pump();
        };
    }

    void publish(const inflight::message& m) {
        server_.publish(m, time_.now());
        pump();
    }

    void restart(bool keeps_sessions) {
        trace_("server", "restarts and has ", keeps_sessions ? "kept" : "lost", " its sessions");
        server_.restart(keeps_sessions, time_.now());
        pump();
        connect_observer();
    }

    /// Ends the client's connection with a reason, if it has one.
    void disconnect(inflight::reason_code reason) {
        const auto id = server_.connection_of(profile_.options.client_id);
        if (!id) return;
        server_.disconnect(*id, reason, time_.now());
        pump();
    }

    std::optional<time_point> deadline() const { return server_.deadline(); }
    void deadline_reached() {
        server_.deadline_reached(time_.now());
        pump();
    }

    inflight::testing::fault_plan& faults() { return server_.faults(); }
    /// The QoS that the server has granted the client for this filter, once it has said so.
    std::optional<qos> granted(const std::string& filter) const {
        const auto found = granted_.find(filter);
        return found == granted_.end() ? std::nullopt : std::optional(found->second);
    }

private:
    struct connection {
        std::shared_ptr<transport> to_client{};
        packet_stream sent{}, received{};
        std::map<packet_id, std::vector<std::string>> asked{}; // Filters of each SUBSCRIBE and UNSUBSCRIBE.
    };

    void received(connection_id id, std::string_view bytes) {
        connection& c = connections_[id];
        c.received.add(bytes, [&](const auto& p, std::size_t) {
            if (trace_.is_on()) trace_("server <", inflight::print(p, c.received.version()));
            on_received(c, p);
        });
        server_.received(id, bytes, time_.now());
        pump();
    }

    template <class Packet>
    void on_received(connection&, const Packet&) {}
    void on_received(connection& c, const inflight::subscribe& p) {
        for (const auto& one : p.subscriptions) c.asked[p.id].emplace_back(one.filter);
    }
    void on_received(connection& c, const inflight::unsubscribe& p) {
        for (const auto filter : p.filters) c.asked[p.id].emplace_back(filter);
    }

    template <class Packet>
    void on_sent(connection_id, connection&, const Packet&) {}
    void on_sent(connection_id id, connection&, const inflight::connack& p) {
        if (p.reason != inflight::reason_code::success) return;
        if (id < latest_) ledger_.late_connect();
        latest_ = std::max(latest_, id);
        if (p.session_present) return;
        granted_.clear();
        ledger_.server_lost_session();
    }
    void on_sent(connection_id, connection& c, const inflight::suback& p) {
        const auto& filters = c.asked[p.id];
        for (std::size_t i = 0; i != p.reasons.size(); ++i)
            if (!inflight::is_refusal(p.reasons[i])) granted_[filters[i]] = qos{inflight::number(p.reasons[i])};
        c.asked.erase(p.id);
    }
    void on_sent(connection_id, connection& c, const inflight::unsuback& p) {
        for (const std::string& filter : c.asked[p.id]) granted_.erase(filter);
        c.asked.erase(p.id);
    }

    void pump() {
        observe();
        std::vector<connection_id> closing;
        for (auto& [id, c] : connections_) {
            write(id, c);
            if (server_.is_closing(id)) closing.push_back(id);
        }
        for (const connection_id id : closing) {
            connections_[id].to_client->close(way::to_client);
            connections_.erase(id);
            server_.closed(id, time_.now());
        }
    }

    void write(connection_id id, connection& c) {
        for (auto bytes = server_.output(id); !bytes.empty(); bytes = server_.output(id)) {
            c.sent.add(bytes, [&, id = id](const auto& p, std::size_t) {
                if (trace_.is_on()) trace_("server >", inflight::print(p, c.sent.version()));
                on_sent(id, c, p);
            });
            c.to_client->write(way::to_client, bytes);
            server_.written(id, bytes.size(), time_.now());
        }
    }

    void connect_observer() {
        do { // Again if it gets a refusal that was meant for the client.
            server_.closed(observer_, time_.now());
            try_connect_observer();
        } while (server_.is_closing(observer_));
    }

    void try_connect_observer() {
        server_.set_options(unlimited());
        observer_ = server_.opened(time_.now());
        observed_.restart(inflight::protocol_version::v3_1_1);
        std::string bytes;
        const auto version = inflight::protocol_version::v3_1_1;
        (void)inflight::encode(inflight::connect{.keep_alive = 0, .client_id = "observer"}, version, bytes);
        (void)inflight::encode(inflight::subscribe{.id = packet_id{1}, .subscriptions = {{.filter = "up/#"}}}, version, bytes);
        server_.received(observer_, bytes, time_.now());
        observe();
    }

    void observe() {
        for (auto bytes = server_.output(observer_); !bytes.empty(); bytes = server_.output(observer_)) {
            observed_.add(bytes, [this](const auto& p, std::size_t) { on_observed(p); });
            server_.written(observer_, bytes.size(), time_.now());
        }
    }
    template <class Packet>
    void on_observed(const Packet&) {}
    void on_observed(const inflight::publish& p) {
        if (!p.retain) ledger_.arrived_up(p); // Else it is an old one, for a new subscription.
    }

    schedule& time_;
    ledger& ledger_;
    const profile& profile_;
    trace& trace_;
    inflight::testing::server server_;
    std::map<connection_id, connection> connections_{};
    std::map<std::string, qos> granted_{};
    connection_id observer_{}, latest_{}; // Of those whose CONNECT has been accepted.
    packet_stream observed_{};
};

} // namespace simulation
