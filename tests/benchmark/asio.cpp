// Bare Asio, which knows nothing of MQTT but its bytes: what is left for any client on Asio. As its documentation has it:
// an io_context with a concurrency hint of 1, at most one async_write() and one async_read_some() at a time, large buffers.
// Ways:
//   latency       over TCP: writes a QoS 1 message, reads its PUBACK, and so on
//   publish       as limit.cpp: it encodes packets into one buffer, writes that in batches, and counts the acknowledgements
//                 that it walks over; it checks nothing and keeps nothing
// TLS is asio::ssl's, where it is built with OpenSSL (as asio_ssl), WebSocket that of websocket.hpp.
#include "websocket.hpp"

#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>

#include <optional>

#ifdef BENCHMARK_WITH_OPENSSL
#include <asio/ssl.hpp>
#endif

namespace {

using asio::ip::tcp;
using namespace benchmark;

constexpr std::string_view connect_v5{"\x10\x10\0\4MQTT\5\2\0\x3C\0\0\3raw", 18};
constexpr std::string_view connect_v3{"\x10\x0F\0\4MQTT\4\2\0\x3C\0\3raw", 17};

void connect_tcp(tcp::socket& s, std::uint16_t port) {
    s.connect({asio::ip::address_v4::loopback(), port});
    s.set_option(tcp::no_delay(true));
}

class ping_pong {
public:
    explicit ping_pong(const arguments& a) : a_(a), latencies_(a) {
        connect_tcp(socket_, a.port);
        asio::write(socket_, asio::buffer(connect_v5));
        char connack[5];
        asio::read(socket_, asio::buffer(connack));
        add_publish(message_, 5, 1, std::string(a.size, 'x'), 1);
    }

    void run() {
        next();
        io_.run();
        latencies_.print();
    }

private:
    void next() {
        if (count_++ == a_.total()) return;
        latencies_.start();
        asio::async_write(socket_, asio::buffer(message_.data(), message_.size()), [](std::error_code e, std::size_t) {
            if (e) fail(e.message());
        });
        socket_.async_read_some(asio::buffer(answer_), [this](std::error_code e, std::size_t n) {
            if (e || n != 4) fail("no PUBACK");
            latencies_.stop();
            next();
        });
    }

    arguments a_;
    latencies latencies_;
    outbox message_{};
    std::size_t count_ = 0;
    char answer_[1024]{};
    asio::io_context io_{1};
    tcp::socket socket_{io_};
};

/// `Stream` is connected, and hands are shaken.
template <class Stream>
class publisher {
public:
    publisher(const arguments& a, asio::io_context& io, Stream& stream) : a_(a), meter_(a), io_(io), stream_(stream) {
        if (a.transport == "websocket") shake_hands();
        out_.add(a.version == 5 ? connect_v5 : connect_v3);
        is_awaited_ = true;
        asio::write(stream_, framed());
        being_written_.taken(being_written_.size());
        while (is_awaited_) take(stream_.read_some(free_room()));
    }

    void run() {
        read();
        write();
        while (!meter_.done()) io_.run_one();
        meter_.print();
    }

private:
    void shake_hands() {
        asio::write(stream_, asio::buffer(websocket_codec::request));
        std::string answer;
        for (char c = 0; !answer.ends_with("\r\n\r\n"); answer += c) asio::read(stream_, asio::buffer(&c, 1));
        websocket_.emplace();
    }

    bool may_send() const { return sent_ != a_.total() && (a_.qos == 0 || sent_ - meter_.settled() < a_.window); }

    // What is to be written now; it stays where it is meanwhile.
    asio::const_buffer framed() {
        std::swap(out_, being_written_);
        if (!websocket_) return asio::buffer(being_written_.data(), being_written_.size());
        frame_.clear();
        websocket_->add_masked(frame_, being_written_.data(), being_written_.size());
        return asio::buffer(frame_);
    }

    void write() {
        if (is_writing_) return;
        while (may_send() && out_.size() < batch) {
            add_publish(out_, a_.version, a_.qos_of(sent_), payload_, id_);
            id_ = id_ == 65'535 ? std::uint16_t{1} : static_cast<std::uint16_t>(id_ + 1);
            ++sent_;
        }
        if (a_.qos == 0) meter_.settle_to(std::min(sent_, a_.total() - 1));
        if (out_.size() == 0) return;
        is_writing_ = true;
        asio::async_write(stream_, framed(), [this](std::error_code e, std::size_t) {
            if (e) fail(e.message());
            being_written_.taken(being_written_.size());
            is_writing_ = false;
            write();
        });
    }

    void read() {
        stream_.async_read_some(free_room(), [this](std::error_code e, std::size_t n) {
            if (e) fail(e.message());
            take(n);
            write();
            read();
        });
    }

    // The beginning of a packet stays at the front.
    asio::mutable_buffer free_room() { return asio::buffer(buffer_) + partial_; }
    void take(std::size_t n) {
        const std::size_t size = partial_ + (websocket_ ? websocket_->unframe(buffer_.data() + partial_, n) : n);
        const std::size_t taken = walk(buffer_.data(), size, [this](const packet& p) {
            if (p.type() == type::connack) is_awaited_ = false;
            if (p.type() == type::puback || p.type() == type::pubcomp) meter_.settle();
            answer(p, out_);
        });
        partial_ = size - taken;
        std::memmove(buffer_.data(), buffer_.data() + taken, partial_);
    }

    static constexpr std::size_t batch = std::size_t{64} << 10;

    arguments a_;
    meter meter_;
    asio::io_context& io_;
    Stream& stream_;
    std::optional<websocket_codec> websocket_{};
    std::string payload_ = std::string(a_.size, 'x'), frame_{};
    std::vector<unsigned char> buffer_ = std::vector<unsigned char>(read_buffer_size);
    std::size_t partial_ = 0, sent_ = 0;
    std::uint16_t id_ = 1;
    outbox out_{}, being_written_{};
    bool is_writing_ = false, is_awaited_ = false;
};

#ifdef BENCHMARK_WITH_OPENSSL
void publish_over_tls(const arguments& a) {
    asio::io_context io{1};
    asio::ssl::context tls{asio::ssl::context::tls_client};
    tls.load_verify_file(a.ca_file);
    asio::ssl::stream<tcp::socket> stream{io, tls};
    stream.set_verify_mode(asio::ssl::verify_peer);
    stream.set_verify_callback(asio::ssl::host_name_verification("127.0.0.1"));
    connect_tcp(stream.next_layer(), a.port);
    stream.handshake(asio::ssl::stream_base::client);
    publisher(a, io, stream).run();
}
#else
void publish_over_tls(const arguments&) { fail("built without OpenSSL"); }
#endif

void publish(const arguments& a) {
    if (a.transport == "tls") return publish_over_tls(a);
    asio::io_context io{1};
    if (a.transport == "unix") {
        asio::local::stream_protocol::socket socket(io);
        socket.connect({a.path});
        return publisher(a, io, socket).run();
    }
    tcp::socket socket(io);
    connect_tcp(socket, a.port);
    publisher(a, io, socket).run();
}

} // namespace

int main(int argc, char** argv) {
    const arguments a(argc, argv);
    if (a.way == "publish") publish(a);
    else if (a.way == "latency") ping_pong(a).run();
    else fail("unknown way " + a.way);
}
