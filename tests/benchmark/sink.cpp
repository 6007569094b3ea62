// The other end of the measurements: a server that does nothing but answer. It prints its port and serves until it is
// stopped. It acknowledges what is published. A subscription is an order: to `send/QOS/SIZE/COUNT/WINDOW` it sends
// COUNT messages of that kind, WINDOW of them unacknowledged at a time, from packets that were made beforehand.
//
// sink [--transport tcp|tls|websocket|unix] [--path SOCKET] [--certificate FILE --key FILE]. TLS is OpenSSL on the
// socket, WebSocket that of websocket.hpp: neither has anything of the library's.
#include "websocket.hpp"

#include <sys/epoll.h>

#include <fcntl.h>

#include <map>
#include <optional>

#ifdef BENCHMARK_WITH_OPENSSL
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#endif

namespace {

using namespace benchmark;

struct sink_options {
    std::string transport = "tcp", path{}, certificate{}, key{};

    sink_options(int argc, char** argv) {
        for (int i = 1; i + 1 < argc; i += 2) {
            const std::string_view name = argv[i];
            if (name == "--transport") transport = argv[i + 1];
            else if (name == "--path") path = argv[i + 1];
            else if (name == "--certificate") certificate = argv[i + 1];
            else if (name == "--key") key = argv[i + 1];
            else fail("unknown argument " + std::string(name));
        }
    }
};

#ifdef BENCHMARK_WITH_OPENSSL

class tls_stream final : public stream {
public:
    tls_stream(int fd, SSL_CTX* context) : stream(fd), ssl_(SSL_new(context)) {
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        SSL_set_fd(ssl_, fd);
        SSL_set_accept_state(ssl_);
    }
    ~tls_stream() override { SSL_free(ssl_); }

    // All that is there: of what OpenSSL held back no event of the socket would tell.
    ssize_t read(void* to, std::size_t size, int) override {
        std::size_t taken = 0, n = 0;
        int good = 1;
        while (taken != size && (good = SSL_read_ex(ssl_, static_cast<char*>(to) + taken, size - taken, &n)) == 1)
            taken += n;
        return taken != 0 ? static_cast<ssize_t>(taken) : failed(good);
    }
    ssize_t write(const void* from, std::size_t size) override {
        std::size_t n = 0;
        const int good = SSL_write_ex(ssl_, from, size, &n);
        return good == 1 ? static_cast<ssize_t>(n) : failed(good);
    }

private:
    ssize_t failed(int result) {
        const int why = SSL_get_error(ssl_, result);
        ERR_clear_error();
        errno = EAGAIN;
        return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? -1 : 0;
    }
    SSL* ssl_;
};

SSL_CTX* tls_context(const sink_options& o) {
    SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_chain_file(context, o.certificate.c_str()) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, o.key.c_str(), SSL_FILETYPE_PEM) != 1)
        fail("cannot use " + o.certificate + " and " + o.key);
    return context;
}

std::unique_ptr<stream> tls_on(int fd, const sink_options& o) {
    static SSL_CTX* const context = tls_context(o);
    return std::make_unique<tls_stream>(fd, context);
}

std::string websocket_accept(const std::string& key) {
    const std::string text = key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char hash[EVP_MAX_MD_SIZE], base64[2 * EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_Digest(text.data(), text.size(), hash, &size, EVP_sha1(), nullptr);
    const int length = EVP_EncodeBlock(base64, hash, static_cast<int>(size));
    return {reinterpret_cast<const char*>(base64), static_cast<std::size_t>(length)};
}

#else

std::unique_ptr<stream> tls_on(int, const sink_options&) { fail("built without OpenSSL"); }
std::string websocket_accept(const std::string&) { fail("built without OpenSSL"); }

#endif

// What is sent to a subscriber. The packets stand side by side for the identifiers 1 to n, and are sent again and
// again; since all have the same size, a place in the stream is a place among them.
class delivery {
public:
    delivery(int version, int qos, std::size_t size, std::size_t count, std::size_t window)
        : packet_(version, qos, size) {
        const std::size_t fitting = std::clamp<std::size_t>(ring_size / packet_.size(), 64, 65'535);
        const std::size_t number = qos == 0 ? fitting : std::max(fitting, window); // None twice in flight.
        for (std::size_t i = 0; i != number; ++i)
            packet_.append(ring_, static_cast<std::uint16_t>(i + 1));
        total_ = count * packet_.size();
        window_ = qos == 0 ? total_ : window * packet_.size();
    }

    void acknowledged() { acknowledged_ += packet_.size(); }
    bool wants_to_write() const { return sent_ < allowed(); }

    connection::outcome write(connection& c) {
        const std::size_t at = sent_ % ring_.size();
        return write(c, std::min(allowed() - sent_, ring_.size() - at));
    }

    /// Nothing else may be written in the middle of a packet.
    bool is_inside_packet() const { return sent_ % packet_.size() != 0; }
    connection::outcome finish_packet(connection& c) { return write(c, packet_.size() - sent_ % packet_.size()); }

private:
    static constexpr std::size_t ring_size = std::size_t{2} << 20;

    connection::outcome write(connection& c, std::size_t size) {
        return c.write(ring_.data() + sent_ % ring_.size(), size, [this](std::size_t n) { sent_ += n; });
    }
    std::size_t allowed() const { return std::min(total_, acknowledged_ + window_); }

    publish_template packet_;
    outbox ring_{};
    std::size_t total_ = 0, window_ = 0, sent_ = 0, acknowledged_ = 0; // In bytes.
};

class client {
public:
    explicit client(std::unique_ptr<stream> s) : connection_(std::move(s)) {}
    int fd() const { return connection_.fd(); }

    /// Reads what is there, answers, sends what may be sent. False: the connection has ended.
    bool serve(std::vector<unsigned char>& buffer, unsigned events) {
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
            const auto read =
                connection_.read(buffer, MSG_DONTWAIT, [this](const packet& p) { received(p); });
            if (read == connection::outcome::closed || ended_) return false;
        }
        return write();
    }
    bool wants_to_write() const {
        return connection_.has_unwritten() || (delivery_ && delivery_->wants_to_write());
    }

private:
    void received(const packet& p) {
        switch (p.type()) {
        case type::connect: return connected(p);
        case type::subscribe: return subscribed(p);
        case type::pingreq: return connection_.out.add({"\xD0\0", 2});
        case type::disconnect: ended_ = true; return;
        case type::puback:
        case type::pubcomp:
            if (delivery_) delivery_->acknowledged();
            return;
        default: answer(p, connection_.out);
        }
    }

    void connected(const packet& p) {
        version_ = p.body[6];
        connection_.out.add(version_ == 5 ? std::string_view("\x20\3\0\0\0", 5) : std::string_view("\x20\2\0\0", 4));
    }

    void subscribed(const packet& p) {
        const std::size_t at = version_ == 5 ? 3u + p.body[2] : 2u; // Properties of less than 128 bytes.
        const std::string filter(reinterpret_cast<const char*>(p.body) + at + 2, p.body[at] << 8 | p.body[at + 1]);
        const char head[] = {static_cast<char>(type::suback), version_ == 5 ? '\4' : '\3', static_cast<char>(p.body[0]),
                             static_cast<char>(p.body[1])};
        connection_.out.add({head, sizeof head});
        connection_.out.add(version_ == 5 ? std::string_view("\0\2", 2) : std::string_view("\2", 1));
        int qos = 0;
        std::size_t size = 0, count = 0, window = 0;
        if (std::sscanf(filter.c_str(), "send/%d/%zu/%zu/%zu", &qos, &size, &count, &window) == 4)
            delivery_.emplace(version_, qos, size, count, window);
    }

    bool write() {
        auto done = connection::outcome::progress;
        while (done == connection::outcome::progress && delivery_ && delivery_->is_inside_packet())
            done = delivery_->finish_packet(connection_);
        while (done == connection::outcome::progress && connection_.has_unwritten()) done = connection_.write();
        while (done == connection::outcome::progress && delivery_ && delivery_->wants_to_write())
            done = delivery_->write(connection_);
        return done != connection::outcome::closed;
    }

    connection connection_;
    int version_ = 5;
    bool ended_ = false;
    std::optional<delivery> delivery_{};
};

class server {
public:
    explicit server(const sink_options& o)
        : options_(o), listener_(socket(is_unix() ? AF_UNIX : AF_INET, SOCK_STREAM, 0)), epoll_(epoll_create1(0)) {
        const bool is_bound = is_unix() ? with_address(bind, listener_, unix_address(o.path))
                                        : with_address(bind, listener_, loopback(0));
        if (!is_bound || listen(listener_, 1024) != 0) fail("cannot listen");
        sockaddr_in address{};
        socklen_t size = sizeof address;
        if (!is_unix()) getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        std::printf("%u\n", ntohs(address.sin_port));
        std::fflush(stdout);
        watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
    }

    [[noreturn]] void run() {
        for (;;) {
            epoll_event events[64];
            const int n = epoll_wait(epoll_, events, 64, -1);
            for (int i = 0; i < n; ++i) {
                if (events[i].data.fd == listener_) accept_one();
                else serve(events[i].data.fd, events[i].events);
            }
        }
    }

private:
    bool is_unix() const { return options_.transport == "unix"; }

    std::unique_ptr<stream> stream_on(int fd) const {
        if (options_.transport == "tls") return tls_on(fd, options_);
        if (options_.transport == "websocket") return std::make_unique<websocket_stream>(fd, websocket_accept);
        return std::make_unique<stream>(fd);
    }

    void accept_one() {
        const int fd = accept(listener_, nullptr, nullptr);
        if (fd < 0) return;
        clients_[fd] = {std::make_unique<client>(stream_on(fd)), EPOLLIN};
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }

    void serve(int fd, unsigned events) {
        auto& [c, watched] = clients_.at(fd);
        if (!c->serve(buffer_, events)) {
            clients_.erase(fd); // Which closes it, and so ends the watching.
            return;
        }
        const unsigned wanted = c->wants_to_write() ? unsigned{EPOLLIN | EPOLLOUT} : unsigned{EPOLLIN};
        if (wanted != watched) watch(EPOLL_CTL_MOD, fd, watched = wanted);
    }

    void watch(int operation, int fd, unsigned events) {
        epoll_event e{};
        e.events = events;
        e.data.fd = fd;
        epoll_ctl(epoll_, operation, fd, &e);
    }

    struct served {
        std::unique_ptr<client> c{};
        unsigned watched = 0;
    };
    sink_options options_;
    int listener_, epoll_;
    std::map<int, served> clients_{};
    std::vector<unsigned char> buffer_ = std::vector<unsigned char>(read_buffer_size);
};

} // namespace

int main(int argc, char** argv) {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    server(sink_options(argc, argv)).run();
}
