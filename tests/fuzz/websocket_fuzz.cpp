// Both ends of WebSocket on foreign bytes: handshake and frames. However the bytes are cut, the same comes out of them;
// what is sent are frames that the other end takes; and nothing grows beyond its bounds.
#include "fuzz/input.hpp"

#include <inflight/websocket.hpp>
#include <inflight/websocket/server_layer.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

using namespace inflight;

namespace {

// The first byte of an input.
enum flag : unsigned { is_server = 1, is_open = 2, has_small_limit = 4, finishes = 8, cuts = 0xf0 };

constexpr std::string_view request =
    "GET /mqtt HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";
constexpr std::string_view answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                    "Sec-WebSocket-Accept: <accept>\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

// In an answer "Accept: <accept>" stands for what only the server of this connection can know. (Nowhere else, since it is
// another one each time.)
std::string completed(std::string text, const std::string& accept) {
    constexpr std::string_view name = "Accept: ", value = "<accept>";
    if (const std::size_t at = text.find(std::string(name).append(value)); at != text.npos)
        text.replace(at + name.size(), value.size(), accept);
    return text;
}

/// One end, and all that came of it.
class end {
public:
    explicit end(unsigned flags) : flags_(flags) {
        const std::size_t limit = (flags & has_small_limit) != 0 ? 100 : std::size_t{1} << 20;
        if ((flags & is_server) != 0) {
            one_ = std::make_unique<websocket_server_layer>(websocket_server_options{"/mqtt", limit});
        } else {
            websocket_options o;
            o.max_frame_size = limit;
            one_ = std::make_unique<websocket_client_layer>(broker{}, o);
        }
        check(!one_->start(wire_), "start() has no error");
        if (const std::size_t key = wire_.find("Sec-WebSocket-Key: "); key != wire_.npos)
            accept_ = detail::websocket_accept(std::string_view(wire_).substr(key + 19, 24));
        if ((flags & is_open) == 0) return;
        receive((flags & is_server) != 0 ? std::string(request) : completed(std::string(answer), accept_));
        check(one_->is_open() && !error, "a good handshake opens");
        wire_.clear();
    }

    void run(const std::string& stream, std::size_t cut) {
        const std::string bytes = one_->is_open() ? stream : completed(stream, accept_);
        for (std::size_t at = 0; at < bytes.size() && !error; at += cut) {
            if ((flags_ & finishes) != 0 && at != 0) finish();
            receive(bytes.substr(at, cut));
        }
        if (!error) (void)one_->ended();
        (void)one_->details();
    }

    std::error_code error{};
    std::string plain{};
    bool is_closed() const { return one_->is_finished(); }

private:
    void receive(const std::string& bytes) {
        const std::vector<char> exact(bytes.begin(), bytes.end()); // Reading beyond it is found out.
        const std::size_t plain_before = plain.size(), wire_before = wire_.size();
        const bool was_open = one_->is_open();
        error = one_->received({exact.data(), exact.size()}, plain, wire_);
        check(plain.size() - plain_before <= bytes.size(), "no more comes out than goes in");
        check(was_open || one_->is_open() || plain.empty(), "nothing comes out before the handshake");
        check(wire_.size() - wire_before < 600, "an answer is short");
        check(!error || error.category() == websocket_category(), "errors are of the category");
        check(one_->details().size() < 1000, "details are short");
        if (was_open) examine(std::string_view(wire_).substr(wire_before));
        if (was_open && error) check(is_close_sent_, "an error is told to the peer");
    }

    void finish() {
        const std::size_t before = wire_.size();
        one_->finish(wire_);
        if (one_->is_open()) examine(std::string_view(wire_).substr(before));
    }

    // What has been sent are frames, for somebody who reads them as the peer.
    void examine(std::string_view sent) {
        std::string got, answers;
        const auto peer = (flags_ & is_server) != 0 ? detail::websocket_role::client : detail::websocket_role::server;
        detail::websocket_frames reader(peer, 1000);
        check(!is_close_sent_ || sent.empty(), "nothing follows a Close");
        const std::error_code bad = reader.received(sent, got, answers);
        check(!bad || (reader.is_closed() && bad.value() >= 1000), "what is sent are frames");
        check(!reader.is_within_message() && got.empty(), "answers are whole, and no data");
        is_close_sent_ = is_close_sent_ || reader.is_closed();
    }

    unsigned flags_;
    std::unique_ptr<layer> one_{};
    std::string wire_{}, accept_{};
    bool is_close_sent_ = false;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    input in(data, size);
    const unsigned flags = in.byte();
    const std::string stream(in.bytes(size));
    const std::size_t cut = 1 + (flags & cuts) / 16 * 3;

    end whole(flags & ~finishes), pieces(flags & ~finishes), finishing(flags | finishes);
    whole.run(stream, std::max<std::size_t>(1, 2 * stream.size() + 100)); // With the Accept, in one piece.
    pieces.run(stream, cut);
    finishing.run(stream, cut);
    check(whole.error == pieces.error, "the same error, however the bytes are cut");
    check(whole.plain == pieces.plain, "the same bytes, however they are cut");
    check(whole.is_closed() == pieces.is_closed(), "the same end, however the bytes are cut");
    return 0;
}
