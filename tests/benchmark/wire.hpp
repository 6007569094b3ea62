// wire.hpp - as little MQTT as will do, for the sink and for the limit: packets are walked and not decoded, answers
// come from a template, and nothing is remembered about a message.
#pragma once

#include "measurement.hpp"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <memory>

namespace benchmark {

// First bytes of packets, without the flags.
namespace type {
inline constexpr unsigned connect = 0x10, connack = 0x20, publish = 0x30, puback = 0x40, pubrec = 0x50,
                          pubrel = 0x60, pubcomp = 0x70, subscribe = 0x80, suback = 0x90, pingreq = 0xC0,
                          disconnect = 0xE0;
}

struct packet {
    unsigned first = 0;
    const unsigned char* body = nullptr;
    std::size_t size = 0; // Of the body.

    unsigned type() const { return first & 0xF0; }
    unsigned qos() const { return first >> 1 & 3; }
};

/// Calls `visit` with each whole packet of `data`. Returns how many bytes they have.
template <class Visit>
std::size_t walk(const unsigned char* data, std::size_t size, Visit visit) {
    std::size_t at = 0;
    for (;;) {
        if (size - at < 2) return at;
        std::size_t body = at + 1, length = data[body] & 0x7F;
        for (unsigned shift = 7; data[body++] >= 0x80; shift += 7) {
            if (body == size) return at;
            length |= static_cast<std::size_t>(data[body] & 0x7F) << shift;
        }
        if (size - body < length) return at;
        visit(packet{data[at], data + body, length});
        at = body + length;
    }
}

/// Bytes to be sent, in room that is made once for many packets.
class outbox {
public:
    char* room(std::size_t size) {
        if (begin_ == end_) begin_ = end_ = 0;
        if (bytes_.size() - end_ < size) bytes_.resize(end_ + size);
        return bytes_.data() + end_;
    }
    void add(std::size_t size) { end_ += size; }
    void add(std::string_view bytes) {
        std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
        add(bytes.size());
    }
    void taken(std::size_t size) { begin_ += size; }
    const char* data() const { return bytes_.data() + begin_; }
    std::size_t size() const { return end_ - begin_; }

private:
    std::vector<char> bytes_{};
    std::size_t begin_ = 0, end_ = 0;
};

inline void add_identified(outbox& out, unsigned first, const unsigned char* id) {
    char* const to = out.room(4);
    to[0] = static_cast<char>(first);
    to[1] = 2; // Without Reason Code, which means success in 5.0 too.
    std::memcpy(to + 2, id, 2);
    out.add(4);
}

/// Answers what both ends answer in the same way: QoS 1 and 2 messages, and the packets between.
inline void answer(const packet& p, outbox& out) {
    switch (p.type()) {
    case type::publish:
        if (p.qos() == 0) return;
        return add_identified(out, p.qos() == 1 ? type::puback : type::pubrec,
                              p.body + 2 + (p.body[0] << 8 | p.body[1]));
    case type::pubrec: return add_identified(out, type::pubrel | 2, p.body);
    case type::pubrel: return add_identified(out, type::pubcomp, p.body);
    }
}

/// Encodes a PUBLISH.
inline void add_publish(outbox& out, int version, int qos, std::string_view payload, std::uint16_t id) {
    std::size_t left = 2 + topic.size() + (qos ? 2u : 0u) + (version == 5 ? 1u : 0u) + payload.size();
    char* const begin = out.room(5 + left);
    char* at = begin;
    *at++ = static_cast<char>(type::publish | static_cast<unsigned>(qos) << 1);
    for (; left >= 0x80; left >>= 7) *at++ = static_cast<char>((left & 0x7F) | 0x80);
    *at++ = static_cast<char>(left);
    *at++ = static_cast<char>(topic.size() >> 8);
    *at++ = static_cast<char>(topic.size() & 0xFF);
    std::memcpy(at, topic.data(), topic.size());
    at += topic.size();
    if (qos != 0) {
        *at++ = static_cast<char>(id >> 8);
        *at++ = static_cast<char>(id & 0xFF);
    }
    if (version == 5) *at++ = '\0'; // No properties.
    std::memcpy(at, payload.data(), payload.size());
    out.add(static_cast<std::size_t>(at - begin) + payload.size());
}

/// A PUBLISH that is encoded once, for the other end, of which only the identifier changes.
class publish_template {
public:
    publish_template(int version, int qos, std::size_t size) {
        outbox out;
        add_publish(out, version, qos, std::string(size, 'x'), 0);
        bytes_.assign(out.data(), out.size());
        if (qos != 0) id_at_ = bytes_.size() - size - (version == 5 ? 1 : 0) - 2;
    }

    std::size_t size() const { return bytes_.size(); }
    void append(outbox& out, std::uint16_t id) const {
        char* const to = out.room(bytes_.size());
        std::memcpy(to, bytes_.data(), bytes_.size());
        out.add(bytes_.size());
        if (id_at_ == 0) return;
        to[id_at_] = static_cast<char>(id >> 8);
        to[id_at_ + 1] = static_cast<char>(id & 0xFF);
    }

private:
    std::string bytes_{};
    std::size_t id_at_ = 0;
};

/// A stream of bytes: a socket, and on it perhaps a protocol. Its functions return what recv() and send() do.
class stream {
public:
    explicit stream(int fd) : fd_(fd) {
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // Which other sockets know nothing of.
    }
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;
    virtual ~stream() { ::close(fd_); }

    int fd() const { return fd_; }
    virtual ssize_t read(void* to, std::size_t size, int flags) { return recv(fd_, to, size, flags); }
    virtual ssize_t write(const void* from, std::size_t size) {
        return send(fd_, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    /// What write() has taken waits for the socket.
    virtual bool has_unwritten() const { return false; }

private:
    int fd_;
};

/// What was read and what is to be written.
class connection {
public:
    enum class outcome { progress, none, closed };
    outbox out{};

    explicit connection(std::unique_ptr<stream> s) : stream_(std::move(s)) {}
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    int fd() const { return stream_->fd(); }
    bool has_unwritten() const { return out.size() != 0 || stream_->has_unwritten(); }

    /// Reads once, and walks what is whole. `flags`: 0 waits, MSG_DONTWAIT does not.
    template <class Visit>
    outcome read(std::vector<unsigned char>& buffer, int flags, Visit visit) {
        std::memcpy(buffer.data(), partial_.data(), partial_.size());
        const ssize_t n = stream_->read(buffer.data() + partial_.size(), buffer.size() - partial_.size(), flags);
        if (n <= 0) return n < 0 && (errno == EAGAIN || errno == EINTR) ? outcome::none : outcome::closed;
        const std::size_t size = partial_.size() + static_cast<std::size_t>(n);
        out.room(size); // No answer is longer than what it answers.
        const std::size_t taken = walk(buffer.data(), size, visit);
        partial_.assign(buffer.data() + taken, buffer.data() + size);
        return outcome::progress;
    }

    outcome write() { return write(out.data(), out.size(), [this](std::size_t n) { out.taken(n); }); }

    template <class Taken>
    outcome write(const char* data, std::size_t size, Taken taken) {
        const ssize_t n = stream_->write(data, size);
        if (n < 0) return errno == EAGAIN || errno == EINTR ? outcome::none : outcome::closed;
        taken(static_cast<std::size_t>(n));
        return outcome::progress;
    }

private:
    std::unique_ptr<stream> stream_;
    std::vector<unsigned char> partial_{}; // The beginning of a packet.
};

inline constexpr std::size_t read_buffer_size = std::size_t{256} << 10;

inline sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

inline sockaddr_un unix_address(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) fail("path too long: " + path);
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

/// Calls bind() or connect().
template <class Address>
bool with_address(int (*call)(int, const sockaddr*, socklen_t), int fd, const Address& address) {
    return call(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

} // namespace benchmark
