// inflight/websocket/handshake.hpp - what both ends of a WebSocket handshake do alike. RFC 6455, 4.
#pragma once

#include <inflight/transport/from_base64.hpp>
#include <inflight/transport/http_head.hpp>
#include <inflight/transport/layer.hpp>
#include <inflight/websocket/frames.hpp>

#include <openssl/evp.h>

namespace inflight::detail {

/// A new Sec-WebSocket-Key; empty: there is no randomness.
inline std::string websocket_key() {
    std::string nonce(16, '\0');
    auto* out = reinterpret_cast<unsigned char*>(nonce.data());
    return ::RAND_bytes(out, static_cast<int>(nonce.size())) == 1 ? base64(nonce) : std::string();
}

/// Is it the Base64 of 16 bytes?
inline bool is_websocket_key(std::string_view text) {
    const auto nonce = from_base64(text);
    return nonce && nonce->size() == 16;
}

/// The Sec-WebSocket-Accept that goes with a key; empty: there is no SHA-1.
inline std::string websocket_accept(std::string_view key) {
    const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; // RFC 6455, 1.3.
    std::string digest(20, '\0');
    auto* out = reinterpret_cast<unsigned char*>(digest.data());
    return ::EVP_Digest(text.data(), text.size(), out, nullptr, EVP_sha1(), nullptr) == 1 ? base64(digest)
                                                                                          : std::string();
}

/// A layer that is WebSocket's once hands are shaken. Which is what its two kinds do, each in its way.
class websocket_layer : public layer {
public:
    std::error_code received(std::string_view bytes, std::string& plain, std::string& wire) final {
        while (!is_open_) {
            const auto progress = head_.read(bytes);
            if (!could_be_http()) return refuse(websocket_errc::not_http, wire);
            switch (progress) {
                case http_head::progress::incomplete: return {};
                case http_head::progress::malformed: return refuse(websocket_errc::head_malformed, wire);
                case http_head::progress::too_large: return refuse(websocket_errc::head_too_large, wire);
                case http_head::progress::complete: break;
            }
            if (const std::error_code bad = answered(bytes, wire)) return bad;
        }
        return frames_.received(bytes, plain, wire); // Those, too, that came with the head.
    }

    bool is_open() const final { return is_open_; }
    std::error_code send(std::string_view bytes, std::string& wire) final {
        return frames_.send(bytes, wire);
    }
    void finish(std::string& wire) final {
        if (is_open_) frames_.close(websocket_errc::closed_normally, wire);
    }
    bool is_finished() const final { return frames_.is_closed(); }

    std::error_code ended() final {
        if (!is_open_) return websocket_errc::closed_in_handshake;
        // Many peers say no more than TCP does, and a message of MQTT that is whole has lost nothing by that.
        if (frames_.is_closed() || frames_.is_close_sent() || !frames_.is_within_message()) return {};
        return websocket_errc::cut_off;
    }

    std::string details() const final { return details_.empty() ? frames_.details() : details_; }

protected:
    websocket_layer(websocket_role role, std::size_t max_frame_size) : frames_(role, max_frame_size) {}

    /// The head is complete. `body` is what has come behind it.
    virtual std::error_code answered(std::string_view body, std::string& wire) = 0;
    /// It never will be.
    virtual std::error_code refuse(websocket_errc why, std::string& wire) = 0;
    /// What there is of the head. Who speaks another protocol may never end a line.
    virtual bool could_be_http() const = 0;

    http_head head_{};
    std::string details_{};
    bool is_open_ = false;

private:
    websocket_frames frames_;
};

} // namespace inflight::detail
