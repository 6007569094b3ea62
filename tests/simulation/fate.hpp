// What goes wrong in a world, and when.
#pragma once

#include "application.hpp"
#include "server_side.hpp"

namespace simulation {

class fate {
public:
    fate(dice& d, const profile& p, client& c, server_side& s, trace& out)
        : dice_(d), profile_(p), client_(c), server_(s), trace_(out) {}

    /// One turn: something happens, or nothing.
    void turn() {
        if (hits(profile_.restarts)) server_.restart(!dice_.chance(profile_.losses));
        if (hits(profile_.late_acknowledgements)) make_late();
        if (hits(profile_.refusals)) refuse();
        const auto t = client_.current();
        if (!t || t->is_broken()) return;
        if (hits(profile_.stalls)) stall(*t);
        if (hits(profile_.cuts)) cut(*t);
    }

    /// What the server allows on the next connection.
    server_options next_limits(inflight::protocol_version version) {
        server_options o = server_side::unlimited();
        if (profile_.versions_change && dice_.chance(30)) (dice_.chance(50) ? o.v5 : o.v3_1_1) = false;
        if (version == inflight::protocol_version::v3_1_1) return o; // It cannot announce a limit.
        o.maximum_qos = profile_.maximum_qos;
        if (!profile_.limits_change) return o;
        o.receive_maximum = dice_.one_of<std::uint16_t>({1, 2, 3, 10, 65'535});
        o.maximum_packet_size = dice_.one_of<std::uint32_t>({100, 5'000, 1u << 20});
        o.topic_alias_maximum = dice_.one_of<std::uint16_t>({0, 10});
        o.topic_aliases_to_clients = 10;
        if (dice_.chance(30)) o.server_keep_alive = dice_.one_of<std::uint16_t>({3, 20, 600});
        if (dice_.chance(10)) o.retain_available = false;
        if (dice_.chance(20)) o.maximum_session_expiry = 3s;
        return o;
    }

private:
    bool hits(unsigned rate) { return rate != 0 && dice_.chance(rate); }

    void cut(transport& t) {
        switch (dice_.below(3)) {
            case 0: trace_("network", "is cut"); return t.cut();
            case 1: return cut_after(t, way::to_server);
            default: return cut_after(t, way::to_client);
        }
    }
    void cut_after(transport& t, way to) {
        const std::size_t bytes = dice_.between(1, dice_.chance(70) ? 60 : 10'000);
        trace_("network", "will be cut after ", bytes, to == way::to_server ? " bytes to the server" : " bytes to the client");
        t.cut_after(to, bytes);
    }

    void stall(transport& t) {
        const auto time = dice_.between(500ms, 25'000ms);
        const way to = dice_.chance(50) ? way::to_server : way::to_client;
        trace_("network", "stalls ", to == way::to_server ? "to the server" : "to the client");
        t.stall(to, time);
    }

    void make_late() {
        using enum inflight::packet_type;
        using inflight::testing::direction;
        const auto type = dice_.one_of({puback, pubrec, pubcomp});
        const bool is_lost = profile_.options.ack_timeout.count() != 0 && dice_.chance(40);
        trace_("server", "will ", is_lost ? "lose a " : "be late with a ", inflight::name(type));
        if (is_lost) server_.faults().lose(direction::to_client, type);
        else server_.faults().delay(direction::to_client, type, 1, dice_.between(1s, 30s));
    }

    void refuse() {
        if (dice_.chance(40)) {
            trace_("server", "ends the connection");
            return server_.disconnect(inflight::reason_code::server_shutting_down);
        }
        trace_("server", "will not take the next connection");
        if (dice_.chance(50)) server_.faults().close_silently();
        else server_.faults().refuse(inflight::reason_code::server_unavailable);
    }

    dice& dice_;
    const profile& profile_;
    client& client_;
    server_side& server_;
    trace& trace_;
};

} // namespace simulation
