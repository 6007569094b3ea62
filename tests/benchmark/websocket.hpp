// websocket.hpp - as little WebSocket as will do, for the sink, the limit and raw Asio: binary frames, the client's one for
// each write, and masked, the server's one for each packet, as brokers send them (Paho C 1.3.12 stalls at a frame with
// several). Frames that are read are taken apart in place. Independent of the library's. RFC 6455.
#pragma once

#include "wire.hpp"

#include <random>

namespace benchmark {

/// Frames. RFC 6455, 5.2.
class websocket_codec {
public:
    static constexpr std::string_view request = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                                "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

    /// Moves the payloads together and returns how long they are. Control frames are passed over.
    std::size_t unframe(unsigned char* bytes, std::size_t size) {
        std::size_t plain = 0;
        for (std::size_t at = 0; at != size;) {
            if (left_ == 0) {
                take_header(bytes[at++]);
                continue;
            }
            const std::size_t n = std::min<std::size_t>(left_, size - at);
            if (!is_control_) {
                std::memmove(bytes + plain, bytes + at, n);
                if (is_masked_) mask(bytes + plain, n, key_, masked_);
                plain += n;
            }
            masked_ += n;
            left_ -= n;
            at += n;
        }
        return plain;
    }

    /// A client's.
    void add_masked(std::string& out, const void* from, std::size_t size) const {
        add(out, static_cast<const unsigned char*>(from), size, own_key_);
    }

    /// A server's: each packet by itself.
    static void add_packets(std::string& out, const void* packets, std::size_t size) {
        const auto* const from = static_cast<const unsigned char*>(packets);
        const std::size_t whole = walk(from, size, [&](const packet& p) {
            const std::size_t head = p.size < 0x80 ? 2 : p.size < 0x4000 ? 3 : p.size < 0x200000 ? 4 : 5;
            add(out, p.body - head, head + p.size, nullptr);
        });
        if (whole != size) add(out, from + whole, size - whole, nullptr); // A part of a packet.
    }

private:
    void take_header(unsigned char byte) {
        header_[header_size_++] = byte;
        if (header_size_ < 2) return;
        const unsigned short_length = header_[1] & 0x7F;
        const std::size_t length_bytes = short_length == 126 ? 2 : short_length == 127 ? 8 : 0;
        is_masked_ = (header_[1] & 0x80) != 0;
        if (header_size_ < 2 + length_bytes + (is_masked_ ? 4 : 0)) return;
        left_ = length_bytes == 0 ? short_length : 0;
        for (std::size_t i = 0; i != length_bytes; ++i) left_ = left_ << 8 | header_[2 + i];
        if (is_masked_) std::memcpy(key_, header_ + 2 + length_bytes, 4);
        is_control_ = (header_[0] & 0x08) != 0;
        header_size_ = masked_ = 0;
    }

    static void add(std::string& out, const unsigned char* from, std::size_t size, const unsigned char* key) {
        const std::size_t length_bytes = size < 126 ? 0 : size < 65'536 ? 2 : 8, head = 2 + length_bytes + (key ? 4 : 0);
        unsigned char bytes[max_header] = {0x82}; // Final, binary.
        bytes[1] = static_cast<unsigned char>((key ? 0x80 : 0) | (length_bytes == 0 ? size : length_bytes == 2 ? 126 : 127));
        for (std::size_t i = 0; i != length_bytes; ++i)
            bytes[2 + i] = static_cast<unsigned char>(size >> 8 * (length_bytes - 1 - i));
        if (key) std::memcpy(bytes + head - 4, key, 4);
        out.append(reinterpret_cast<const char*>(bytes), head);
        out.append(reinterpret_cast<const char*>(from), size);
        if (key) mask(reinterpret_cast<unsigned char*>(out.data()) + out.size() - size, size, key, 0);
    }

    // Eight bytes at a time. `from` is the place of the first one in the frame.
    static void mask(unsigned char* bytes, std::size_t size, const unsigned char* key, std::size_t from) {
        unsigned char turned[8];
        for (std::size_t i = 0; i != 8; ++i) turned[i] = key[(from + i) % 4];
        std::uint64_t wide = 0, word = 0;
        std::memcpy(&wide, turned, 8);
        std::size_t at = 0;
        for (; size - at >= 8; at += 8) {
            std::memcpy(&word, bytes + at, 8);
            word ^= wide;
            std::memcpy(bytes + at, &word, 8);
        }
        for (; at != size; ++at) bytes[at] ^= turned[at % 8];
    }

    static constexpr std::size_t max_header = 14;

    const std::uint32_t random_ = std::random_device()() | 0x01010101u;
    const unsigned char own_key_[4]{static_cast<unsigned char>(random_), static_cast<unsigned char>(random_ >> 8),
                                    static_cast<unsigned char>(random_ >> 16), static_cast<unsigned char>(random_ >> 24)};
    unsigned char header_[max_header]{}, key_[4]{};       // Of the frame that is being read, as all that follows.
    std::size_t header_size_ = 0, left_ = 0, masked_ = 0;
    bool is_masked_ = false, is_control_ = false;
};

class websocket_stream final : public stream {
public:
    /// A client's.
    explicit websocket_stream(int fd) : stream(fd) {
        stream::write(websocket_codec::request.data(), websocket_codec::request.size());
        std::string answer;
        for (char c = 0; !answer.ends_with("\r\n\r\n"); answer += c)
            if (stream::read(&c, 1, 0) != 1) fail("no answer to the WebSocket handshake");
        if (!answer.starts_with("HTTP/1.1 101 ")) fail(answer);
        is_open_ = true;
    }
    /// A server's. What it answers to Sec-WebSocket-Key (RFC 6455, 4.2.2) takes SHA-1 and Base64.
    websocket_stream(int fd, std::string (*accept_of)(const std::string&)) : stream(fd), accept_of_(accept_of) {}

    ssize_t read(void* to, std::size_t size, int flags) override {
        auto* const bytes = static_cast<unsigned char*>(to);
        const ssize_t n = stream::read(bytes, size, flags);
        if (n <= 0) return n;
        if (!is_open_) return answer_request({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(n)});
        const std::size_t plain = codec_.unframe(bytes, static_cast<std::size_t>(n));
        return plain != 0 ? static_cast<ssize_t>(plain) : later();
    }

    ssize_t write(const void* from, std::size_t size) override {
        if (!unwritten_.empty()) {
            const ssize_t n = stream::write(unwritten_.data(), unwritten_.size());
            if (n < 0) return n;
            unwritten_.erase(0, static_cast<std::size_t>(n));
            if (!unwritten_.empty()) return later();
        }
        if (size == 0) return 0;
        if (accept_of_) codec_.add_packets(unwritten_, from, size);
        else codec_.add_masked(unwritten_, from, size);
        const ssize_t n = stream::write(unwritten_.data(), unwritten_.size());
        if (n < 0 && errno != EAGAIN) return n;
        unwritten_.erase(0, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        return static_cast<ssize_t>(size);
    }

    bool has_unwritten() const override { return !unwritten_.empty(); }

private:
    static ssize_t later() {
        errno = EAGAIN;
        return -1;
    }

    // A client sends nothing behind its request before it has the answer.
    ssize_t answer_request(std::string_view bytes) {
        request_ += bytes;
        if (!request_.ends_with("\r\n\r\n")) return later();
        const std::string_view name = "Sec-WebSocket-Key: ";
        const std::size_t at = request_.find(name) + name.size();
        const std::string answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                   "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " +
                                   accept_of_(request_.substr(at, request_.find("\r\n", at) - at)) + "\r\n\r\n";
        stream::write(answer.data(), answer.size());
        is_open_ = true;
        return later();
    }

    std::string (*accept_of_)(const std::string&) = nullptr;
    websocket_codec codec_{};
    bool is_open_ = false;
    std::string request_{}, unwritten_{};
};

} // namespace benchmark
