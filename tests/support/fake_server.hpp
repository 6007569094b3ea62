// An MQTT server on 127.0.0.1 that does what the test says, and nothing else; or, with fake_server::broker, what a
// broker does. It reads and writes on a thread of its own; what it reads waits for the test, as printed packets:
//
//     fake_server server;
//     ... the client connects to server.port() ...
//     server.accept();
//     server.expect("CONNECT");                        // begins with
//     server.send(connack{});
//     server.expect(publish{.qos = qos::at_least_once, .topic = "a", .id = packet_id{1}, .payload = "x"});
//     server.close();
//
// Everything waits with a time limit, after which it throws with the trace of all that has been said. A client without a
// thread of its own gets its turns while the test waits: see share_thread().
#pragma once

#include "watched.hpp"

#include <inflight/codec.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>

class fake_server {
public:
    /// A packet, with the bytes it borrows from.
    struct received {
        std::string bytes{};
        inflight::packet packet{};
        std::string line{};

        template <class Packet>
        const Packet& as() const {
            if (const auto* p = std::get_if<Packet>(&packet)) return *p;
            throw std::runtime_error("not a " + std::string(inflight::name(Packet::type)) + ": " + line);
        }
    };

    /// One accepted connection. What a rule may use; the test has the functions of fake_server.
    class connection {
    public:
        inflight::protocol_version version = inflight::protocol_version::v5;

        template <class Packet>
        void send(const Packet& p) {
            std::string bytes;
            if (inflight::encode(p, version, bytes) != inflight::errc::none) throw std::runtime_error("cannot be encoded");
            server_.note(number_, "> ", inflight::print(p, version));
            out_ += bytes;
        }
        void send_bytes(std::string_view bytes) {
            server_.note(number_, "> ", std::to_string(bytes.size()) + " bytes");
            out_ += bytes;
        }
        /// When everything has been written.
        void close() { at_ = at_ == phase::closed ? at_ : phase::closing; }
        /// At once, with a reset.
        void abort() {
            if (at_ == phase::closed) return;
            const linger hard{1, 0};
            ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
            end("reset");
        }

        // For fake_server::broker.
        struct filter {
            std::string text{};
            inflight::qos qos{};
        };
        std::vector<filter> filters{};
        std::deque<inflight::message> waiting{}; // For the client's Receive Maximum.
        std::size_t open = 0, receive_maximum = 65'535;
        std::uint16_t last_id = 0;

    private:
        friend class fake_server;
        enum class phase { open, closing, closed };

        connection(fake_server& server, int socket, std::size_t number) : server_(server), socket_(socket), number_(number) {}

        void end(std::string_view how) {
            server_.note(number_, "- ", how);
            ::close(socket_);
            socket_ = -1;
            at_ = phase::closed;
        }

        fake_server& server_;
        int socket_;
        std::size_t number_;
        phase at_ = phase::open;
        bool has_ended_ = false; // The client has closed its side.
        std::string in_{}, out_{};
        std::deque<std::shared_ptr<const received>> packets_{};
        std::size_t packets_read_ = 0;
    };

    /// What the server does by itself with each packet. It runs on the server's thread, one at a time.
    using rule = std::function<void(connection&, const inflight::packet&)>;

    /// Nothing.
    static void scripted(connection&, const inflight::packet&) {}

    /// Takes every CONNECT, answers pings; the rest is the test's.
    static void accepting(connection& c, const inflight::packet& p) {
        if (std::holds_alternative<inflight::connect>(p)) c.send(inflight::connack{});
        if (std::holds_alternative<inflight::pingreq>(p)) c.send(inflight::pingresp{});
    }

    /// What a broker does: acknowledges, and sends what fits the connection's own subscriptions back. Keeps no sessions.
    static void broker(connection& c, const inflight::packet& p) {
        accepting(c, p);
        if (const auto* one = std::get_if<inflight::connect>(&p)) {
            if (const auto most = one->props.get<inflight::property_id::receive_maximum>()) c.receive_maximum = *most;
        } else if (const auto* s = std::get_if<inflight::subscribe>(&p)) {
            inflight::suback answer{.id = s->id};
            for (const inflight::subscription& wish : s->subscriptions) {
                answer.reasons.push_back(static_cast<inflight::reason_code>(wish.qos));
                c.filters.push_back({std::string(wish.filter), wish.qos});
            }
            c.send(answer);
        } else if (const auto* u = std::get_if<inflight::unsubscribe>(&p)) {
            inflight::unsuback answer{.id = u->id};
            answer.reasons.resize(u->filters.size());
            for (const std::string_view f : u->filters) std::erase_if(c.filters, [f](const auto& x) { return x.text == f; });
            c.send(answer);
        } else if (const auto* m = std::get_if<inflight::publish>(&p)) {
            if (m->qos == inflight::qos::at_least_once) c.send(inflight::puback{.id = m->id});
            if (m->qos == inflight::qos::exactly_once) c.send(inflight::pubrec{.id = m->id});
            for (const auto& f : c.filters) {
                if (!inflight::matches(f.text, m->topic)) continue;
                c.waiting.push_back(inflight::own(*m));
                c.waiting.back().qos = std::min(m->qos, f.qos);
                break;
            }
        } else if (const auto* r = std::get_if<inflight::pubrel>(&p)) {
            c.send(inflight::pubcomp{.id = r->id});
        } else if (const auto* r2 = std::get_if<inflight::pubrec>(&p)) {
            c.send(inflight::pubrel{.id = r2->id});
        } else if (std::holds_alternative<inflight::puback>(p) || std::holds_alternative<inflight::pubcomp>(p)) {
            --c.open;
        } else if (std::holds_alternative<inflight::disconnect>(p)) {
            c.close();
        }
        deliver_waiting(c);
    }

    explicit fake_server(rule r = scripted, bool is_v6 = false) : rule_(std::move(r)) {
        listener_ = ::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        const int yes = 1;
        ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        listen_at(is_v6, 0);
        if (::pipe2(wake_, O_NONBLOCK | O_CLOEXEC) != 0) throw std::runtime_error("fake_server: pipe");
        thread_ = std::thread([this] { run(); });
    }
    fake_server(const fake_server&) = delete;
    fake_server& operator=(const fake_server&) = delete;
    ~fake_server() {
        {
            const std::lock_guard lock(mutex_);
            stopped_ = true;
        }
        wake();
        thread_.join();
        for (const auto& c : connections_)
            if (c->socket_ >= 0) ::close(c->socket_);
        if (listener_ >= 0) ::close(listener_);
        if (port_keeper_ >= 0) ::close(port_keeper_);
        ::close(wake_[0]);
        ::close(wake_[1]);
    }

    std::uint16_t port() const { return port_; }
    /// `turn` runs while the test waits, again and again: it does something, or waits for something to do. `wake` is called
    /// on the server's thread with whatever happens there, and ends that waiting.
    void share_thread(std::function<void()> turn, std::function<void()> wake) {
        const std::lock_guard lock(mutex_);
        turn_ = std::move(turn);
        wake_test_ = std::move(wake);
    }

    void set_rule(rule r) {
        const std::lock_guard lock(mutex_);
        rule_ = std::move(r);
    }
    /// Connections are refused from now on, as if there were no server. The port stays ours: a socket that is bound and
    /// does not listen keeps it from other programs, which would answer.
    void stop_listening() {
        const std::lock_guard lock(mutex_);
        sockaddr_storage address{};
        socklen_t size = sizeof address;
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        ::getsockname(listener_, generic, &size);
        ::shutdown(listener_, SHUT_RDWR); // At once: closed, it goes on listening while our thread polls it.
        ::close(listener_);
        listener_ = -1;
        port_keeper_ = ::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const int yes = 1;
        ::setsockopt(port_keeper_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
        (void)::bind(port_keeper_, generic, size); // Fails while connections are open: they keep the port as well.
        note(0, "", "no longer listening");
        wake();
    }

    // The connection at hand is the one accepted last.

    /// Waits for the next connection, which becomes the one at hand. Its version is known when its CONNECT has come.
    void accept() {
        wait("a connection", [this] { return connections_.size() > current_; });
        ++current_;
    }
    /// accept(), a CONNECT, which is returned, and CONNACK.
    std::shared_ptr<const received> connect(const inflight::connack& answer = {}) {
        accept();
        auto p = receive();
        (void)p->as<inflight::connect>();
        send(answer);
        return p;
    }

    /// The next packet.
    std::shared_ptr<const received> receive() {
        std::shared_ptr<const received> out;
        wait("a packet", [&] {
            connection& c = at_hand();
            if (c.packets_read_ == c.packets_.size()) return false;
            out = c.packets_[c.packets_read_++];
            return true;
        });
        return out;
    }
    std::string receive_line() { return receive()->line; }

    /// The next packet prints like this, or begins so.
    void expect(std::string_view beginning) {
        const auto p = receive();
        if (!p->line.starts_with(beginning)) fail("expected " + std::string(beginning) + "\n     got " + p->line);
    }
    /// The next packet is this one.
    template <class Packet>
        requires requires { Packet::type; }
    void expect(const Packet& p) {
        const auto got = receive();
        const std::string wanted = inflight::print(p, version());
        if (got->line != wanted) fail("expected " + wanted + "\n     got " + got->line);
    }
    /// The client has closed, and had said nothing more.
    void expect_closed() {
        wait("the client to close", [this] { return at_hand().has_ended_ || at_hand().at_ == connection::phase::closed; });
        const std::lock_guard lock(mutex_);
        connection& c = at_hand();
        if (c.packets_read_ != c.packets_.size()) fail_locked("expected the end\n     got " + c.packets_[c.packets_read_]->line);
    }

    template <class Packet>
    void send(const Packet& p) {
        with_connection([&](connection& c) { c.send(p); });
    }
    void send_bytes(std::string_view bytes) {
        with_connection([&](connection& c) { c.send_bytes(bytes); });
    }
    void close() {
        with_connection([](connection& c) { c.close(); });
    }
    void abort() {
        with_connection([](connection& c) { c.abort(); });
    }

    inflight::protocol_version version() {
        const std::lock_guard lock(mutex_);
        return at_hand().version;
    }
    /// Connections so far, packets so far (all connections) whose print begins like this.
    std::size_t accepted() {
        const std::lock_guard lock(mutex_);
        return connections_.size();
    }
    std::size_t count(std::string_view beginning) {
        const std::lock_guard lock(mutex_);
        std::size_t n = 0;
        for (const auto& c : connections_)
            for (const auto& p : c->packets_) n += p->line.starts_with(beginning) ? 1 : 0;
        return n;
    }
    /// Every packet received, over all connections, in order of connections, whose print begins like this.
    std::vector<std::string> lines(std::string_view beginning = {}) {
        const std::lock_guard lock(mutex_);
        std::vector<std::string> out;
        for (const auto& c : connections_)
            for (const auto& p : c->packets_)
                if (p->line.starts_with(beginning)) out.push_back(p->line);
        return out;
    }
    /// When each connection was accepted.
    std::vector<std::chrono::steady_clock::time_point> times() {
        const std::lock_guard lock(mutex_);
        return accepted_at_;
    }
    /// All that has been said, on all connections.
    std::string trace() {
        const std::lock_guard lock(mutex_);
        return trace_locked();
    }

    /// Waits until `done`, which is asked after whatever happens here.
    template <class Done>
    void wait_until(std::string_view what, Done&& done) {
        const auto end = std::chrono::steady_clock::now() + patience;
        std::unique_lock lock(mutex_);
        for (;;) {
            const std::uint64_t seen = events_;
            lock.unlock();
            if (done()) return;
            lock.lock();
            wait_for_event(lock, seen, end, what);
        }
    }

private:
    static void deliver_waiting(connection& c) {
        while (!c.waiting.empty() && (c.version == inflight::protocol_version::v3_1_1 || c.open < c.receive_maximum)) {
            const inflight::message m = std::move(c.waiting.front());
            c.waiting.pop_front();
            inflight::publish p = m.packet();
            if (p.qos != inflight::qos::at_most_once) {
                if (++c.last_id == 0) ++c.last_id;
                p.id = inflight::packet_id{c.last_id};
                ++c.open;
            }
            c.send(p);
        }
    }

    void listen_at(bool is_v6, std::uint16_t port) {
        sockaddr_storage address{};
        socklen_t size = 0;
        if (is_v6) {
            auto& a = reinterpret_cast<sockaddr_in6&>(address);
            a.sin6_family = AF_INET6;
            a.sin6_addr = in6addr_loopback;
            a.sin6_port = htons(port);
            size = sizeof a;
        } else {
            auto& a = reinterpret_cast<sockaddr_in&>(address);
            a.sin_family = AF_INET;
            a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            a.sin_port = htons(port);
            size = sizeof a;
        }
        auto* generic = reinterpret_cast<sockaddr*>(&address);
        if (listener_ < 0 || ::bind(listener_, generic, size) != 0 || ::listen(listener_, 64) != 0)
            throw std::runtime_error("fake_server: cannot listen");
        ::getsockname(listener_, generic, &size);
        port_ = ntohs(is_v6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port : reinterpret_cast<sockaddr_in&>(address).sin_port);
    }

    connection& at_hand() {
        if (current_ == 0) throw std::logic_error("fake_server: accept() comes first");
        return *connections_[current_ - 1];
    }

    template <class F>
    void with_connection(F&& f) {
        {
            const std::lock_guard lock(mutex_);
            f(at_hand());
        }
        wake();
    }

    // `ready` is asked with the lock held.
    template <class Ready>
    void wait(std::string_view what, Ready&& ready) {
        const auto end = std::chrono::steady_clock::now() + patience;
        std::unique_lock lock(mutex_);
        while (!ready()) wait_for_event(lock, events_, end, what);
    }

    void wait_for_event(std::unique_lock<std::mutex>& lock, std::uint64_t seen, std::chrono::steady_clock::time_point end,
                        std::string_view what) {
        if (std::chrono::steady_clock::now() > end) fail_locked("waited in vain for " + std::string(what));
        if (!turn_) {
            changed_.wait_until(lock, end, [&] { return events_ != seen; });
            return;
        }
        lock.unlock();
        turn_();
        lock.lock();
    }

    void note(std::size_t number, std::string_view how, std::string_view what) {
        if (trace_.size() == 200) trace_.pop_front();
        trace_.push_back("  " + std::to_string(number) + how.data() + std::string(what));
    }
    std::string trace_locked() const {
        std::string out;
        for (const std::string& line : trace_) out += line + "\n";
        return out;
    }
    [[noreturn]] void fail(const std::string& what) {
        const std::lock_guard lock(mutex_);
        fail_locked(what);
    }
    [[noreturn]] void fail_locked(const std::string& what) { throw std::runtime_error(what + "\n" + trace_locked()); }

    void wake() {
        if (::write(wake_[1], "", 1) < 0 && errno != EAGAIN) std::abort();
    }

    // The server's thread.

    void run() {
        std::unique_lock lock(mutex_);
        while (!stopped_) {
            std::vector<pollfd> fds{{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
            std::vector<connection*> of;
            for (const auto& c : connections_) {
                if (c->at_ == connection::phase::closed) continue;
                const bool reads = !c->has_ended_ && c->at_ == connection::phase::open;
                fds.push_back({c->socket_, static_cast<short>((reads ? POLLIN : 0) | (c->out_.empty() ? 0 : POLLOUT)), 0});
                of.push_back(c.get());
            }
            lock.unlock();
            ::poll(fds.data(), fds.size(), -1);
            lock.lock();
            char buffer[64];
            while (::read(wake_[0], buffer, sizeof buffer) > 0) {}
            if (listener_ >= 0 && (fds[1].revents & POLLIN) != 0) accept_all();
            for (std::size_t i = 0; i != of.size(); ++i) serve(*of[i], fds[i + 2].revents);
            ++events_;
            changed_.notify_all();
            if (wake_test_) wake_test_();
        }
    }

    void accept_all() {
        for (;;) {
            const int s = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (s < 0) return;
            const int yes = 1;
            ::setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            connections_.push_back(std::unique_ptr<connection>(new connection(*this, s, connections_.size() + 1)));
            accepted_at_.push_back(std::chrono::steady_clock::now());
            note(connections_.size(), "- ", "accepted");
        }
    }

    void serve(connection& c, short events) {
        if (c.at_ == connection::phase::closed) return;
        if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && !c.has_ended_) read(c);
        if (c.at_ == connection::phase::closed) return;
        while (!c.out_.empty()) {
            const ssize_t n = ::send(c.socket_, c.out_.data(), c.out_.size(), MSG_NOSIGNAL);
            if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
            if (n < 0) return c.end("cannot write");
            c.out_.erase(0, static_cast<std::size_t>(n));
        }
        if (c.at_ == connection::phase::closing || c.has_ended_) c.end("closed");
    }

    void read(connection& c) {
        char buffer[64 * 1024];
        const ssize_t n = ::recv(c.socket_, buffer, sizeof buffer, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) {
            c.has_ended_ = true;
            note(c.number_, "- ", n == 0 ? "end of file" : "broken");
            return;
        }
        c.in_.append(buffer, static_cast<std::size_t>(n));
        std::size_t taken = 0;
        while (c.at_ == connection::phase::open) {
            const std::string_view rest = std::string_view(c.in_).substr(taken);
            const auto whole = inflight::next_frame(rest, c.version);
            if (!whole) break;
            taken += whole->size;
            auto p = std::make_shared<received>();
            p->bytes = rest.substr(0, whole->size);
            const auto f = *inflight::next_frame(p->bytes, c.version);
            if (f.type() == inflight::packet_type::connect && f.body.size() > 6)
                c.version = f.body[6] == 4 ? inflight::protocol_version::v3_1_1 : inflight::protocol_version::v5;
            const auto decoded = inflight::decode(f, c.version);
            if (decoded) p->packet = *decoded;
            p->line = decoded ? inflight::print(p->packet, c.version) : "BAD PACKET: " + std::string(row(decoded.error()).text);
            note(c.number_, "< ", p->line);
            c.packets_.push_back(p);
            if (decoded && rule_) rule_(c, p->packet);
        }
        c.in_.erase(0, taken);
    }

    std::mutex mutex_{};
    std::condition_variable changed_{};
    std::uint64_t events_ = 0; // Changes with everything that happens.
    std::function<void()> turn_{}, wake_test_{};
    rule rule_;
    int listener_ = -1, port_keeper_ = -1, wake_[2] = {-1, -1};
    std::uint16_t port_ = 0;
    bool stopped_ = false;
    std::vector<std::unique_ptr<connection>> connections_{};
    std::vector<std::chrono::steady_clock::time_point> accepted_at_{};
    std::size_t current_ = 0;
    std::deque<std::string> trace_{};
    std::thread thread_{};
};
