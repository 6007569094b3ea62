// Clients played by hand against a test server: packets in, printed packets out, and a clock that the test turns.
//
//     world w;
//     peer& a = w.connect("a");
//     CHECK(a.says(pingreq{}) == trace{"PINGRESP"});
#pragma once

#include "support/short_names.hpp"

#include <inflight/codec/any_packet.hpp>
#include <inflight/testing/server.hpp>

#include <list>
#include <stdexcept>

using trace = std::vector<std::string>;

/// The properties that `set` sets, until the next call.
template <inflight::packet_type Where, class Set>
inflight::properties_view<Where> with(Set&& set) {
    static inflight::properties<Where> props;
    props.clear();
    set(props);
    return props;
}

class world;

class peer {
public:
    peer(world& w, inflight::protocol_version version);

    inflight::testing::connection_id number{};

    /// Sends a packet. What the server answers over this connection.
    template <class Packet>
    trace says(const Packet& p) {
        std::string bytes;
        const inflight::errc bad = inflight::encode(p, version_, bytes);
        if (bad != inflight::errc::none) throw std::invalid_argument(std::string(inflight::row(bad).text));
        return says_bytes(bytes);
    }
    trace says_bytes(std::string_view bytes);

    /// What the server has sent since this was last asked. At the end "(closed)" if it closes the transport.
    trace gets();

    /// The transport breaks.
    void cut();

    trace publishes(std::string_view topic, std::string_view payload, inflight::qos level = qos_0, unsigned packet = 0,
                    bool retain = false) {
        return says(inflight::publish{
            .qos = level, .retain = retain, .topic = topic, .id = id(packet), .payload = payload});
    }
    trace subscribes(std::string_view filter, inflight::qos level = qos_2) {
        return says(inflight::subscribe{.id = id(1000), .subscriptions = {{.filter = filter, .qos = level}}});
    }

private:
    world& world_;
    inflight::protocol_version version_;
    std::string stream_{};
    bool is_told_ = false;
};

class world {
public:
    inflight::testing::server server;
    inflight::time_point now{std::chrono::hours(1)};

    explicit world(inflight::testing::server_options options = {}) : server(std::move(options)) {}

    /// A transport without CONNECT.
    peer& open(inflight::protocol_version version = v5) { return peers_.emplace_back(*this, version); }

    /// A client that has its CONNACK, which is not shown.
    peer& connect(std::string_view client_id, inflight::protocol_version version = v5, inflight::connect p = {.keep_alive = 0}) {
        peer& out = open(version);
        p.client_id = client_id;
        (void)out.says(p);
        return out;
    }
    /// A client whose session stays: what it gets after its CONNACK is left to gets().
    peer& resume(std::string_view client_id, inflight::protocol_version version = v5, inflight::connect p = {.keep_alive = 0}) {
        p.clean_start = false;
        const auto expiry = inflight::properties<inflight::packet_type::connect>().set<
            inflight::property_id::session_expiry_interval>(1000);
        if (p.props.empty()) p.props = expiry;
        return connect(client_id, version, p);
    }

    /// Time passes, and every deadline in it is kept.
    void wait(std::chrono::nanoseconds time) {
        const inflight::time_point end = now + time;
        for (int i = 0; i != 10'000; ++i) {
            const auto due = server.deadline();
            if (!due || *due > end) {
                now = end;
                return;
            }
            now = std::max(now, *due);
            server.deadline_reached(now);
        }
        throw std::logic_error("a deadline that does not move");
    }

private:
    std::list<peer> peers_{};
};

inline peer::peer(world& w, inflight::protocol_version version)
    : number(w.server.opened(w.now)), world_(w), version_(version) {}

inline trace peer::says_bytes(std::string_view bytes) {
    world_.server.received(number, bytes, world_.now);
    return gets();
}

inline trace peer::gets() {
    trace out;
    for (std::string_view more = world_.server.output(number); !more.empty(); more = world_.server.output(number)) {
        stream_.append(more);
        world_.server.written(number, more.size(), world_.now);
    }
    while (true) {
        const auto f = inflight::next_frame(stream_, version_);
        if (!f && f.error() != inflight::errc::need_more) out.push_back("BAD BYTES");
        if (!f) break;
        const auto p = inflight::decode(*f, version_);
        out.push_back(p ? inflight::print(*p, version_) : "BAD PACKET: " + std::string(inflight::row(p.error()).text));
        stream_.erase(0, f->size);
    }
    if (world_.server.is_closing(number) && !std::exchange(is_told_, true)) {
        if (!stream_.empty()) out.push_back("(cut off)");
        out.push_back("(closed)");
        world_.server.closed(number, world_.now);
    }
    return out;
}

inline void peer::cut() {
    is_told_ = true;
    world_.server.closed(number, world_.now);
}
