// The other end of the measurements: a server that does nothing but answer. It prints its port and serves until it is
// stopped. It acknowledges what is published. A subscription is an order: to `send/QOS/SIZE/COUNT/WINDOW` it sends
// COUNT messages of that kind, WINDOW of them unacknowledged at a time, from packets that were made beforehand.
#include "wire.hpp"

#include <sys/epoll.h>

#include <map>
#include <memory>
#include <optional>

namespace {

using namespace benchmark;

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
    explicit client(int fd) : connection_(fd) {}
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
        return connection_.out.size() != 0 || (delivery_ && delivery_->wants_to_write());
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
        while (done == connection::outcome::progress && connection_.out.size() != 0) done = connection_.write();
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
    server() : listener_(socket(AF_INET, SOCK_STREAM, 0)), epoll_(epoll_create1(0)) {
        sockaddr_in address = loopback(0);
        socklen_t size = sizeof address;
        auto* const any = reinterpret_cast<sockaddr*>(&address);
        if (bind(listener_, any, size) != 0 || listen(listener_, 1024) != 0) fail("cannot listen");
        getsockname(listener_, any, &size);
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
    void accept_one() {
        const int fd = accept(listener_, nullptr, nullptr);
        if (fd < 0) return;
        clients_[fd] = {std::make_unique<client>(fd), EPOLLIN};
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
    int listener_, epoll_;
    std::map<int, served> clients_{};
    std::vector<unsigned char> buffer_ = std::vector<unsigned char>(read_buffer_size);
};

} // namespace

int main() {
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    server().run();
}
