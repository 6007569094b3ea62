// A connection between the client and the server, as a network has it: bytes come late, in other pieces, not at all
// for a while, or up to any byte; and one end may learn much later than the other that the connection is gone. There
// may be layers at both ends, TLS or WebSocket; then it is their bytes that this happens to.
#pragma once

#include "trace.hpp"

#include <inflight/transport/layer.hpp>

#include <memory>
#include <string>

namespace simulation {

/// What one end does with what comes out of the connection.
struct transport_end {
    std::function<void(std::string_view)> on_bytes{};
    std::function<void()> on_closed{};
};

enum class way { to_server, to_client };
constexpr way back(way w) { return w == way::to_server ? way::to_client : way::to_server; }

/// What stands between MQTT and the network at both ends; null: nothing.
struct layers {
    std::unique_ptr<inflight::layer> client{}, server{};
};

class transport : public std::enable_shared_from_this<transport> {
public:
    transport(schedule& time, dice& d, duration latency, layers between)
        : time_(time), dice_(d), latency_(latency), layers_(std::move(between)) {}

    transport_end client{}, server{};

    /// Both ends are there: the layers begin.
    void start() {
        for (const way to : {way::to_server, way::to_client}) {
            std::string wire;
            if (const auto& one = writer(to)) check(one->start(wire), *one);
            write_wire(to, wire);
        }
    }

    /// What is written before the layers have shaken hands waits for that.
    void write(way to, std::string_view bytes) {
        if (is_broken_ || bytes.empty()) return;
        const auto& one = writer(to);
        if (!one) return write_wire(to, bytes);
        of(to).early += bytes;
        write_early(to);
    }

    /// One end closes: what is under way to the other end arrives there before it learns of that.
    void close(way to) {
        std::string wire;
        if (const auto& one = writer(to); one && one->is_open()) one->finish(wire);
        write_wire(to, wire);
        end_of(back(to)) = {};
        deliver(to, arrival(to), {}, true);
    }

    /// Breaks here and now: what is under way is lost. Each end learns of it in its own time.
    void cut() {
        if (std::exchange(is_broken_, true)) return;
        for (const way to : {way::to_server, way::to_client})
            deliver(to, time_.now() + dice_.between(duration{}, dice_.chance(80) ? std::chrono::seconds(1) : long_time), {},
                    true);
    }
    /// Breaks after so many more bytes.
    void cut_after(way to, std::size_t bytes) { of(to).left = bytes; }

    /// Nothing arrives for a while.
    void stall(way to, duration time) {
        of(to).stalled_until = time_.now() + time;
        was_stalled_ = true;
    }
    bool is_broken() const { return is_broken_; }
    bool was_stalled() const { return was_stalled_; }

private:
    static constexpr duration long_time = std::chrono::seconds(60);

    struct pipe {
        time_point last_arrival{}, stalled_until{};
        std::size_t left = ~std::size_t{0}; // Bytes until it breaks.
        std::string early{};
    };

    // The layers of the end that writes that way, which are those of the end that reads the other way.
    const std::unique_ptr<inflight::layer>& writer(way to) const { return to == way::to_server ? layers_.client : layers_.server; }

    // The network loses bytes, but it spoils none.
    static void check(std::error_code error, const inflight::layer& one) {
        require(!error, "a layer fails: ", error.message(), " (", one.details(), ")");
    }

    void write_early(way to) {
        const auto& one = writer(to);
        if (!one->is_open() || of(to).early.empty()) return;
        std::string wire;
        check(one->send(std::exchange(of(to).early, {}), wire), *one);
        write_wire(to, wire);
    }

    void write_wire(way to, std::string_view bytes) {
        if (is_broken_ || bytes.empty()) return;
        std::size_t n = bytes.size();
        if (dice_.chance(30)) n = dice_.between(1, n); // The rest in a piece of its own.
        send(to, std::string(bytes.substr(0, n)));
        if (n != bytes.size()) send(to, std::string(bytes.substr(n)));
    }

    pipe& of(way to) { return pipes_[to == way::to_server ? 0 : 1]; }
    transport_end& end_of(way to) { return to == way::to_server ? server : client; }

    time_point arrival(way to) {
        pipe& p = of(to);
        p.last_arrival = std::max({p.last_arrival, time_.now() + latency_, p.stalled_until});
        return p.last_arrival;
    }

    void send(way to, std::string bytes) { deliver(to, arrival(to), std::move(bytes), false); }

    void deliver(way to, time_point when, std::string bytes, bool is_end) {
        time_.at(when, [self = shared_from_this(), to, bytes = std::move(bytes), is_end] {
            if (is_end) self->ended(to);
            else if (!self->is_broken_) self->arrived(to, bytes);
        });
    }

    void arrived(way to, std::string_view bytes) {
        pipe& p = of(to);
        const std::size_t n = std::min(p.left, bytes.size());
        if (p.left != ~std::size_t{0}) p.left -= n;
        const auto receiver = end_of(to).on_bytes; // A copy: the receiver may close this end.
        if (receiver && n != 0) receive(to, bytes.substr(0, n), receiver);
        if (p.left == 0) cut();
    }

    void receive(way to, std::string_view bytes, const std::function<void(std::string_view)>& receiver) {
        const auto& one = writer(back(to));
        if (!one) return receiver(bytes);
        std::string plain, wire;
        check(one->received(bytes, plain, wire), *one);
        write_wire(back(to), wire);
        write_early(back(to));
        if (!plain.empty()) receiver(plain);
    }

    void ended(way to) {
        const auto closed = std::exchange(end_of(to), {}).on_closed;
        if (closed) closed();
    }

    schedule& time_;
    dice& dice_;
    duration latency_;
    layers layers_;
    std::array<pipe, 2> pipes_{};
    bool is_broken_ = false, was_stalled_ = false;
};

} // namespace simulation
