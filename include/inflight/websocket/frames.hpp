// inflight/websocket/frames.hpp - the frames of a WebSocket connection. RFC 6455, 5 to 7.
//
// wslay packs and unpacks them, by its interface for single frames: that one allocates nothing, passes a
// large frame on as it comes, and lets us tell what is wrong with one. Its interface for events copies each
// message twice, in three allocations, and has the same answer to whatever is wrong.
#pragma once

#include <inflight/transport/http_head.hpp>
#include <inflight/websocket/error.hpp>

#include <openssl/rand.h>
#include <wslay/wslay.h>

#include <array>
#include <cstring>
#include <memory>
#include <utility>

namespace inflight::detail {

/// Random keys for masks, which nobody can foresee (RFC 6455, 5.3): many at once, since OpenSSL takes a
/// microsecond for a few bytes or for many.
class websocket_masks {
public:
    static constexpr std::size_t size = 4;

    bool take(char* out) {
        if (left_ == 0) {
            if (::RAND_bytes(bytes_.data(), static_cast<int>(bytes_.size())) != 1) return false;
            left_ = bytes_.size();
        }
        left_ -= size;
        std::memcpy(out, bytes_.data() + left_, size);
        return true;
    }

private:
    std::array<std::uint8_t, 64 * size> bytes_{};
    std::size_t left_ = 0;
};

enum class websocket_role : std::uint8_t { client, server };

class websocket_frames {
public:
    /// A frame whose payload is larger than `max_frame_size` is not taken.
    websocket_frames(websocket_role role, std::size_t max_frame_size)
        : role_(role), max_frame_size_(max_frame_size) {
        const wslay_frame_callbacks callbacks{on_send, on_receive, nullptr};
        wslay_frame_context* made = nullptr;
        if (::wslay_frame_context_init(&made, &callbacks, this) == 0) context_.reset(made);
    }
    websocket_frames(const websocket_frames&) = delete;
    websocket_frames& operator=(const websocket_frames&) = delete;

    /// A message of one frame. After our Close nothing may go out, and nobody would read it: like TCP then,
    /// this takes it all the same. [RFC 6455, 5.5.1]
    std::error_code send(std::string_view bytes, std::string& wire) {
        if (is_close_sent_) return {};
        return write(WSLAY_BINARY_FRAME, bytes, wire); // [v5:MQTT-6.0.0-1]
    }

    /// The Close frame, unless it has been sent.
    void close(websocket_errc code, std::string& wire) {
        if (std::exchange(is_close_sent_, true)) return;
        const auto number = static_cast<unsigned>(code);
        const std::array<char, 2> payload{static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
        const bool has_code = code != websocket_errc::closed_without_code;
        (void)write(WSLAY_CONNECTION_CLOSE, {payload.data(), has_code ? payload.size() : 0}, wire);
    }

    /// Appends the payload of messages to `plain`, and answers to `wire`. What follows a Close is not read.
    std::error_code received(std::string_view bytes, std::string& plain, std::string& wire) {
        if (!context_) return std::make_error_code(std::errc::not_enough_memory);
        input_ = bytes;
        std::error_code bad;
        while (!bad && !is_closed_) {
            wslay_frame_iocb frame{};
            const auto n = ::wslay_frame_recv(context_.get(), &frame);
            if (n == WSLAY_ERR_WANT_READ) break;
            bad = n < 0 ? make_error_code(websocket_errc::malformed_frame) : take(frame, plain, wire);
        }
        if (bad) close(close_code_for(bad), wire);
        // One Pong does for all Pings that came at once (RFC 6455, 5.5.3), so nobody gets a flood in return.
        if (std::exchange(is_pong_due_, false) && !is_close_sent_) bad = write(WSLAY_PONG, ping_, wire);
        return bad;
    }

    /// The peer's Close has come.
    bool is_closed() const { return is_closed_; }
    bool is_close_sent() const { return is_close_sent_; }
    /// The peer owes the rest of a message.
    bool is_within_message() const { return is_within_frame_ || is_message_open_; }
    const std::string& details() const { return details_; }

private:
    static constexpr std::size_t longest_head = 14;

    struct release {
        void operator()(wslay_frame_context* c) const { ::wslay_frame_context_free(c); }
    };

    std::error_code write(std::uint8_t opcode, std::string_view payload, std::string& wire) {
        if (!context_) return std::make_error_code(std::errc::not_enough_memory);
        // All the room there will be need of, so that no exception has to go through C.
        const std::size_t size = wire.size() + payload.size() + longest_head;
        if (size > wire.capacity()) wire.reserve(std::max(size, 2 * wire.capacity()));
        std::array<char, websocket_masks::size> key{};
        const bool is_masked = role_ == websocket_role::client;
        if (is_masked && !masks_.take(key.data())) return websocket_errc::crypto_failed;
        const std::size_t begin = wire.size();
        output_ = &wire;
        wslay_frame_iocb frame{};
        frame.fin = 1;
        frame.opcode = opcode;
        frame.payload_length = payload.size();
        (void)::wslay_frame_send(context_.get(), &frame); // The head. It cannot fail: all is sent at once.
        if (is_masked) {
            wire[begin + 1] = static_cast<char>(static_cast<unsigned char>(wire[begin + 1]) | 0x80);
            wire.append(key.data(), key.size());
        }
        frame.data = reinterpret_cast<const std::uint8_t*>(payload.data());
        frame.data_length = payload.size();
        if (!payload.empty()) (void)::wslay_frame_send(context_.get(), &frame);
        if (is_masked) mask(wire.data() + (wire.size() - payload.size()), payload.size(), key);
        return {};
    }

    // RFC 6455, 5.3. wslay would do it byte by byte, with eight instructions for each, which for a large
    // message is more than all that the rest of a client does.
    static void mask(char* at, std::size_t size, const std::array<char, websocket_masks::size>& key) {
        std::uint64_t wide = 0, word = 0;
        std::memcpy(&wide, key.data(), key.size());
        std::memcpy(reinterpret_cast<char*>(&wide) + key.size(), key.data(), key.size());
        for (; size >= sizeof word; size -= sizeof word, at += sizeof word) {
            std::memcpy(&word, at, sizeof word);
            word ^= wide;
            std::memcpy(at, &word, sizeof word);
        }
        for (std::size_t i = 0; i != size; ++i) at[i] = static_cast<char>(at[i] ^ key[i % key.size()]);
    }

    // A frame, or a piece of one.
    std::error_code take(const wslay_frame_iocb& frame, std::string& plain, std::string& wire) {
        const bool is_control = wslay_is_ctrl_frame(frame.opcode);
        if (!is_within_frame_) {
            if (const websocket_errc bad = begin(frame); bad != websocket_errc::none) return bad;
            is_within_frame_ = true;
            left_ = frame.payload_length;
            if (is_control)
                control_.clear();
            else
                is_message_open_ = !frame.fin;
        }
        left_ -= frame.data_length;
        (is_control ? control_ : plain).append(reinterpret_cast<const char*>(frame.data), frame.data_length);
        if (left_ != 0) return {};
        is_within_frame_ = false;
        if (frame.opcode == WSLAY_CONNECTION_CLOSE) return closed(wire);
        if (frame.opcode == WSLAY_PING) {
            is_pong_due_ = true;
            ping_ = control_;
        }
        return {};
    }

    // What is wrong with a frame can be seen when it begins. That control frames are short and whole, and
    // lengths in their shortest form, wslay has seen to.
    websocket_errc begin(const wslay_frame_iocb& frame) {
        const bool is_masked = frame.mask != 0;
        if (frame.rsv != WSLAY_RSV_NONE) return websocket_errc::reserved_bits;
        if (role_ == websocket_role::client && is_masked) return websocket_errc::masked_frame;
        if (role_ == websocket_role::server && !is_masked) return websocket_errc::unmasked_frame;
        switch (frame.opcode) {
            case WSLAY_PING:
            case WSLAY_PONG:
            case WSLAY_CONNECTION_CLOSE: return websocket_errc::none;
            case WSLAY_CONTINUATION_FRAME:
                if (!is_message_open_) return websocket_errc::unexpected_continuation;
                break;
            case WSLAY_BINARY_FRAME:
                if (is_message_open_) return websocket_errc::unfinished_message;
                break;
            case WSLAY_TEXT_FRAME: return websocket_errc::text_frame; // [v5:MQTT-6.0.0-1]
            default: return websocket_errc::unknown_opcode;
        }
        if (frame.payload_length <= max_frame_size_) return websocket_errc::none;
        details_ = "a frame of " + std::to_string(frame.payload_length) + " bytes, " +
                   std::to_string(max_frame_size_) + " are allowed";
        return websocket_errc::frame_too_large;
    }

    // RFC 6455, 5.5.1 and 7.4. That the reason is UTF-8 is not asked: it is the end in any case, and what it
    // says is worth more than how.
    std::error_code closed(std::string& wire) {
        is_closed_ = true;
        auto code = websocket_errc::closed_without_code;
        if (!control_.empty()) {
            const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(control_[i]); };
            const int number = control_.size() < 2 ? 0 : byte(0) << 8 | byte(1);
            code = static_cast<websocket_errc>(number);
            details_ = "Close code " + std::to_string(number);
            if (!may_be_sent(number)) return websocket_errc::bad_close;
            if (control_.size() > 2) details_ += ": " + quotable(std::string_view(control_).substr(2));
        }
        const bool is_answer = is_close_sent_;
        close(code, wire);
        const bool is_in_due_form = is_answer || code == websocket_errc::closed_normally ||
                                    code == websocket_errc::closed_going_away ||
                                    code == websocket_errc::closed_without_code;
        return is_in_due_form ? std::error_code{} : make_error_code(code);
    }

    // RFC 6455, 7.4.2, and what has been registered since.
    static bool may_be_sent(int code) {
        return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
               (code >= 3000 && code <= 4999);
    }

    static websocket_errc close_code_for(std::error_code bad) {
        if (bad == websocket_errc::text_frame) return websocket_errc::closed_unsupported_data;
        if (bad == websocket_errc::frame_too_large) return websocket_errc::closed_message_too_big;
        if (bad == websocket_errc::crypto_failed) return websocket_errc::closed_internal_error;
        return websocket_errc::closed_protocol_error;
    }

    static ssize_t on_send(const std::uint8_t* bytes, std::size_t size, int, void* self) {
        static_cast<websocket_frames*>(self)->output_->append(reinterpret_cast<const char*>(bytes), size);
        return static_cast<ssize_t>(size);
    }
    static ssize_t on_receive(std::uint8_t* out, std::size_t size, int, void* self) {
        std::string_view& input = static_cast<websocket_frames*>(self)->input_;
        const std::size_t n = std::min(size, input.size());
        if (n != 0) std::memcpy(out, input.data(), n);
        input.remove_prefix(n);
        return static_cast<ssize_t>(n); // 0: to be continued.
    }

    websocket_role role_;
    std::size_t max_frame_size_;
    std::unique_ptr<wslay_frame_context, release> context_{};
    websocket_masks masks_{};
    std::string_view input_{};       // While received() runs.
    std::string* output_ = nullptr;  // While write() runs.
    std::uint64_t left_ = 0;         // Of the frame that is being read.
    std::string control_{}, ping_{}; // Payload of a control frame: 125 bytes at most.
    std::string details_{};
    bool is_within_frame_ = false, is_message_open_ = false;
    bool is_pong_due_ = false, is_close_sent_ = false, is_closed_ = false;
};

} // namespace inflight::detail
