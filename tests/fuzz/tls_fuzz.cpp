// TLS on a peer's bytes: foreign ones from the first on, and those of a real peer with some of them changed, lost or cut
// apart. Keys and nonces are random, so that an input does not run twice in the same way; what may come of it is the same.
#include "fuzz/input.hpp"
#include "support/certificates.hpp"

#include <inflight/tls/client.hpp>
#include <inflight/tls/server.hpp>

using namespace inflight;

namespace {

/// Made once: a server that everybody may connect to, and clients that trust it.
struct ends {
    pki::identity self = pki::make({});
    pki::directory files{};
    tls_server server{{.certificate_file = files.write("server.pem", self.pem() + self.key_pem())}};
    detail::tls_client_maker clients{{.ca_text = self.pem()}};

    std::unique_ptr<layer> client() {
        std::unique_ptr<layer> out;
        std::string details;
        check(!clients.make({.host = "localhost"}, out, details), "a client's end is made");
        return out;
    }
};

struct end {
    std::unique_ptr<layer> machine;
    std::string wire{}, plain{};
    bool has_failed = false;

    void judge(const std::error_code& error) {
        if (!error) return;
        has_failed = true;
        check(error == error_condition::fatal || error == error_condition::transient, "each error is judged");
        check(!error.message().empty(), "each error has words");
        check(machine->details().size() < 10'000, "details are no book");
    }
    void receive(std::string_view bytes) {
        if (has_failed) return;
        const std::size_t before = plain.size();
        judge(machine->received(bytes, plain, wire));
        check(machine->is_open() || plain.size() == before, "there is no message before the handshake is over");
        check(wire.size() < 100'000, "an answer is no flood");
    }
};

void foreign_bytes(end one, input& in) {
    one.judge(one.machine->start(one.wire));
    while (!in.at_end()) one.receive(in.bytes(in.byte() * 4));
    check(!one.machine->is_open(), "who knows no key gets through no handshake");
    if (!one.has_failed) one.judge(one.machine->ended());
}

// Bytes go from one end to the other; now and then the input changes one or takes some away.
bool carry(end& from, end& to, input& in, bool& is_whole) {
    std::string bytes = std::exchange(from.wire, {});
    if (bytes.empty()) return false;
    while (!bytes.empty()) {
        const unsigned what = in.byte();
        std::string piece = bytes.substr(0, what == 0 ? bytes.npos : 1 + what * what / 8);
        bytes.erase(0, piece.size());
        if (what % 8 == 1) {
            char& c = piece[in.two_byte() % piece.size()];
            const char was = c;
            c = static_cast<char>(c ^ static_cast<char>(in.byte()));
            is_whole = is_whole && c == was;
        } else if (what % 8 == 2) {
            is_whole = false;
            piece.resize(in.two_byte() % piece.size());
        }
        to.receive(piece);
    }
    return true;
}

void changed_bytes(end client, end server, input& in) {
    bool is_whole = true;
    client.judge(client.machine->start(client.wire));
    server.judge(server.machine->start(server.wire));
    for (int turn = 0; turn != 8; ++turn) {
        while (carry(client, server, in, is_whole) || carry(server, client, in, is_whole)) {}
        for (end* one : {&client, &server})
            if (!one->has_failed && one->machine->is_open()) one->judge(one->machine->send("message", one->wire));
    }
    check(!is_whole || (client.machine->is_open() && server.machine->is_open()), "whole bytes make a connection");
    for (const end* one : {&client, &server})
        for (std::size_t i = 0; i != one->plain.size(); ++i)
            check(one->plain[i] == "message"[i % 7], "what arrives is what was sent");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static ends all;
    input in(data, size);
    switch (in.byte() % 3) {
        case 0: foreign_bytes({all.client()}, in); break;
        case 1: foreign_bytes({all.server.make_layer()}, in); break;
        default: changed_bytes({all.client()}, {all.server.make_layer()}, in); break;
    }
    return 0;
}
