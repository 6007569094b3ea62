// Both ends of a layer, or of a stack of them, in memory: what they say and what they have heard, and a wire between them
// that cuts what it carries at will.
#pragma once

#include <inflight/transport/layer.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

/// An end, what it has received and what it has met with.
struct layer_end {
    std::unique_ptr<inflight::layer> machine{};
    std::string wire{}, plain{}; // To be sent; received.
    std::error_code error{};

    void start() { error = machine->start(wire); }
    void receive(std::string_view bytes) {
        if (!error) error = machine->received(bytes, plain, wire);
    }
    void say(std::string_view text) {
        if (!error) error = machine->send(text, wire);
    }
};

/// A client's end and a server's, and the wire.
struct layer_pair {
    layer_end client{}, server{};
    std::size_t piece = std::string::npos; // It carries so many bytes at a time.
    std::size_t turns = 0;                 // How often one end has heard something from the other.

    layer_pair(std::unique_ptr<inflight::layer> a, std::unique_ptr<inflight::layer> b) {
        client.machine = std::move(a);
        server.machine = std::move(b);
    }

    void start() {
        client.start();
        server.start();
        exchange();
    }

    /// Until neither has anything more to say.
    void exchange() {
        while (carry(client, server) || carry(server, client)) {}
    }

    bool is_open() const {
        return !client.error && !server.error && client.machine->is_open() && server.machine->is_open();
    }

private:
    bool carry(layer_end& from, layer_end& to) {
        const std::string bytes = std::exchange(from.wire, {});
        for (std::string_view rest = bytes; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size()))) {
            to.receive(rest.substr(0, piece));
            ++turns;
        }
        return !bytes.empty();
    }
};
