// A proxy between clients and a broker that spoils the network as a test wishes, and keeps a record of what passed:
//
//     faulty_proxy proxy(broker.port());            // clients connect to proxy.port()
//     proxy.cut_randomly(seed, 20, 1'000'000);      // twenty cuts within the next million bytes
//     proxy.swallow([](const auto& p) { return p.type == packet_type::puback && p.nth <= 3; });
//     proxy.set_mode(faulty_proxy::mode::refuse);
//     INFO(proxy.trace());                          // both directions as printed packets, the last few thousand
//
// It cuts the streams into packets with our codec; a packet is passed on when it is complete, or up to the byte where the
// connection is cut. Clients may come over a Unix socket, and through layers (TLS, WebSocket), whose other end is here; the
// broker is reached over TCP and without layers. It runs on a thread of its own. Everything may be called from any thread;
// predicates and observers run on the proxy's.
#pragma once

#include "watched.hpp"

#include <inflight/async_client/stream_socket.hpp>
#include <inflight/codec.hpp>
#include <inflight/testing/server_wire.hpp>

#include <asio/basic_socket_acceptor.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

class faulty_proxy {
    using tcp = asio::ip::tcp;
    using protocol = asio::generic::stream_protocol;
    using stream = protocol::socket;
    using clock = std::chrono::steady_clock;

public:
    enum class direction : std::uint8_t { to_server, to_client };
    enum class mode : std::uint8_t {
        pass,
        refuse,     // Nobody listens; connections that stand are left alone.
        drop,       // Accepts, and closes at once; connections that stand are left alone.
        black_hole, // Nothing is read any more from anybody, in either direction, until the mode changes.
    };

    /// A packet on its way. `content` borrows, and is null when the packet is not valid.
    struct passing {
        std::size_t connection; // Counted from 1.
        direction to;
        inflight::packet_type type;
        std::size_t nth; // Of this type and direction, counted from 1 over all connections.
        const inflight::packet* content;

        template <class Packet>
        const Packet* as() const {
            return content ? std::get_if<Packet>(content) : nullptr;
        }
    };
    using predicate = std::function<bool(const passing&)>;
    using packet_observer = std::function<void(const passing&)>;

    /// How clients come here.
    struct entrance {
        std::string scheme = "mqtt";                      // Of the address that they use.
        std::string path{};                               // Of a Unix socket; empty: TCP.
        inflight::testing::layers_function make_layers{}; // For each connection; empty: none.
    };

    explicit faulty_proxy(std::uint16_t upstream) : faulty_proxy(upstream, entrance{}) {}
    faulty_proxy(std::uint16_t upstream, entrance how) : entrance_(std::move(how)), upstream_(upstream) {
        listen();
        thread_ = std::thread([this] { io_.run(); });
    }
    faulty_proxy(const faulty_proxy&) = delete;
    faulty_proxy& operator=(const faulty_proxy&) = delete;
    ~faulty_proxy() {
        io_.stop();
        thread_.join();
    }

    std::uint16_t port() const { return port_; }
    /// What a client connects to.
    std::string address() const {
        return entrance_.path.empty() ? entrance_.scheme + "://127.0.0.1:" + std::to_string(port_) : "unix:" + entrance_.path;
    }

    /// Where the next connections lead.
    void set_upstream(std::uint16_t port) {
        on_thread([&] { upstream_ = port; });
    }

    void set_mode(mode m) {
        on_thread([&] {
            const bool listened = mode_ != mode::refuse;
            mode_ = m;
            if (m == mode::refuse) bind(); // The port stays ours.
            else if (!listened) listen();
            if (m != mode::black_hole)
                for (const auto& c : std::set(connections_)) c->resume();
        });
    }

    /// Every byte arrives that much later.
    void set_delay(std::chrono::milliseconds delay) {
        on_thread([&] { delay_ = delay; });
    }

    /// Packets for which this is true are lost. An empty function: none.
    void swallow(predicate p) {
        on_thread([&] { swallowed_ = std::move(p); });
    }

    /// A connection is cut behind each packet for which this is true.
    void cut_behind(predicate p) {
        on_thread([&] { cut_behind_ = std::move(p); });
    }

    /// Told of each packet that is passed on in full.
    void observe(packet_observer o) {
        on_thread([&] { observer_ = std::move(o); });
    }

    /// Cuts the connection that is to pass the byte behind the next `bytes` bytes in that direction.
    void cut_after(direction to, std::uint64_t bytes) {
        on_thread([&] { plan_[index(to)].insert(passed_[index(to)] + bytes); });
    }

    /// Cuts the connections that are to pass `times` random bytes of the next `bytes`, both directions counted together;
    /// half of them with a reset.
    void cut_randomly(std::uint64_t seed, unsigned times, std::uint64_t bytes) {
        on_thread([&] {
            random_.seed(seed);
            const std::uint64_t passed = passed_[0] + passed_[1];
            std::uniform_int_distribution<std::uint64_t> position(1, bytes);
            while (times-- != 0) plan_[both].insert(passed + position(random_));
        });
    }

    void cut_now() {
        on_thread([&] {
            for (const auto& c : std::set(connections_)) c->cut("cut");
        });
    }

    std::size_t cuts() {
        return on_thread([&] { return cuts_; });
    }
    std::uint64_t passed_bytes() {
        return on_thread([&] { return passed_[0] + passed_[1]; });
    }
    /// When each connection was accepted.
    std::vector<clock::time_point> accepted() {
        return on_thread([&] { return accepted_; });
    }
    std::size_t open_connections() {
        return on_thread([&] { return connections_.size(); });
    }

    /// Packets of a type that have come so far, the swallowed ones too.
    std::size_t packets(direction to, inflight::packet_type type) {
        return on_thread([&] { return seen_[index(to)][static_cast<std::size_t>(type)]; });
    }

    /// Waits until `done`, which is asked after whatever happens here.
    template <class Done>
    void wait_until(std::string_view what, Done&& done) {
        const auto end = clock::now() + patience;
        for (std::uint64_t seen = events_.now(); !done(); seen = events_.now())
            if (!events_.wait_until(end, [&](std::uint64_t now) { return now != seen; })) fail(what);
    }
    /// Runs `io` until `done`, which is asked after whatever happens there or here.
    template <class Done>
    void run_until(asio::io_context& io, std::string_view what, Done&& done) {
        const auto end = clock::now() + patience;
        const auto work = asio::make_work_guard(io); // Without work it would not wait.
        const wake_up while_waiting(*this, io);
        while (!done()) {
            if (clock::now() > end) fail(what);
            if (io.stopped()) io.restart();
            io.run_one_until(end);
        }
    }

    /// Without a record and an observer packets are counted and not decoded, which is faster.
    void set_recording(bool on) {
        on_thread([&] { recording_ = on; });
    }

    /// The last packets and events. "#3 > ": on connection 3 to the server; "< ": to the client; "- ": neither.
    std::string trace() {
        return on_thread([&] {
            std::string out = "\n";
            if (lines_lost_ != 0) out += "(" + std::to_string(lines_lost_) + " earlier lines)\n";
            for (const std::string& line : lines_) out.append(line).append("\n");
            return out;
        });
    }

private:
    // INFLIGHT_TRACE_LINES in the environment for more.
    static std::size_t max_lines() {
        const char* const given = std::getenv("INFLIGHT_TRACE_LINES");
        return given ? std::strtoul(given, nullptr, 10) : 3'000;
    }
    static constexpr std::size_t high_water = 256 * 1024; // Bytes that wait to be written, above which reading stops.
    static constexpr std::size_t both = 2;
    static std::size_t index(direction to) { return static_cast<std::size_t>(to); }

    struct connection;

    // One direction of a connection.
    struct half {
        direction to;
        stream& source;
        stream& target;
        asio::steady_timer timer;
        std::array<char, 16 * 1024> buffer{};
        std::string in{}; // Read and not passed on: a part of a packet, or what a black hole holds.
        struct piece {
            clock::time_point due;
            std::string bytes;
        };
        std::deque<piece> out{};
        std::size_t out_bytes = 0;
        bool reading = false, writing = false, ended = false, end_told = false;

        half(direction d, stream& s, stream& t) : to(d), source(s), target(t), timer(s.get_executor()) {}
    };

    struct connection : std::enable_shared_from_this<connection> {
        faulty_proxy& proxy;
        std::size_t number;
        stream client, server;
        inflight::testing::detail::server_wire wire; // Between here and the client.
        std::array<half, 2> halves;
        inflight::protocol_version version = inflight::protocol_version::v5;
        bool cutting = false, closed = false;

        connection(faulty_proxy& p, stream s, std::size_t n)
            : proxy(p), number(n), client(std::move(s)), server(p.io_), wire(p.entrance_.make_layers),
              halves{half(direction::to_server, client, server), half(direction::to_client, server, client)} {}

        void start() {
            const tcp::endpoint where(asio::ip::address_v4::loopback(), proxy.upstream_);
            server.async_connect(where, [self = this->shared_from_this()](std::error_code error) {
                if (self->closed) return;
                if (error) return self->close("server: " + error.message(), true);
                std::error_code ignored;
                self->client.set_option(tcp::no_delay(true), ignored); // Which a Unix socket has not got.
                self->server.set_option(tcp::no_delay(true), ignored);
                self->resume();
            });
        }

        void resume() {
            if (!server.is_open()) return;
            for (half& h : halves) {
                pass(h);
                read(h);
            }
        }

        bool is_held() const { return closed || cutting || proxy.mode_ == mode::black_hole; }

        void read(half& h) {
            if (h.reading || h.ended || is_held() || h.out_bytes > high_water) return;
            h.reading = true;
            h.source.async_read_some(asio::buffer(h.buffer), [self = this->shared_from_this(), &h](std::error_code error,
                                                                                                   std::size_t n) {
                h.reading = false;
                if (self->closed) return;
                self->take(h, {h.buffer.data(), n});
                if (error && error != asio::error::eof) return self->close(self->name(h) + error.message(), true);
                h.ended = error == asio::error::eof;
                self->pass(h);
                self->read(h);
                self->write(h);
            });
        }

        void take(half& h, std::string_view bytes) {
            if (h.to == direction::to_client) return void(h.in += bytes);
            h.in += wire.received(bytes);
            send_wire({});
        }

        // To the client; `bytes` and what the layers have to say themselves.
        void send_wire(std::string_view bytes, bool is_torn = false) {
            half& h = halves[index(direction::to_client)];
            std::string chunk;
            do {
                bytes.remove_prefix(wire.take(bytes, chunk));
                if (is_torn && bytes.empty() && entrance_has_layers()) chunk.resize(proxy.random_() % (chunk.size() + 1));
                queue(h, chunk);
            } while (!bytes.empty() && !chunk.empty());
        }
        bool entrance_has_layers() const { return proxy.entrance_.make_layers != nullptr; }

        std::string name(const half& h) const { return h.to == direction::to_server ? "client: " : "server: "; }

        // Everything that is complete goes on its way, or is lost.
        void pass(half& h) {
            std::size_t done = 0;
            while (!is_held() && done != h.in.size()) {
                const std::string_view rest = std::string_view(h.in).substr(done);
                const auto f = inflight::next_frame(rest, version);
                if (!f && f.error() == inflight::errc::need_more) break;
                const std::size_t size = f ? f->size : rest.size();
                proxy.pass_packet(*this, h, f ? &*f : nullptr, rest.substr(0, size));
                done += size;
            }
            h.in.erase(0, done);
        }

        // `is_torn`: it is cut there, and what the layers have made of it somewhere.
        void send(half& h, std::string_view bytes, bool is_torn = false) {
            if (h.to == direction::to_client) send_wire(bytes, is_torn);
            else queue(h, bytes);
        }

        void queue(half& h, std::string_view bytes) {
            if (bytes.empty()) return;
            const auto due = clock::now() + proxy.delay_;
            h.out_bytes += bytes.size();
            if (!h.out.empty() && h.out.size() > (h.writing ? 1u : 0u) && h.out.back().due == due)
                h.out.back().bytes += bytes; // Of the same moment.
            else if (proxy.delay_.count() == 0 && h.out.size() > (h.writing ? 1u : 0u)) h.out.back().bytes += bytes;
            else h.out.push_back({due, std::string(bytes)});
            write(h);
        }

        void write(half& h) {
            if (h.writing || closed) return;
            if (h.out.empty()) return on_drained(h);
            h.writing = true;
            if (h.out.front().due > clock::now()) {
                h.timer.expires_at(h.out.front().due);
                h.timer.async_wait([self = this->shared_from_this(), &h](std::error_code) {
                    h.writing = false;
                    self->write(h);
                });
                return;
            }
            asio::async_write(h.target, asio::buffer(h.out.front().bytes),
                              [self = this->shared_from_this(), &h](std::error_code error, std::size_t) {
                                  h.writing = false;
                                  if (self->closed) return;
                                  if (error) return self->close("write: " + error.message(), true);
                                  h.out_bytes -= h.out.front().bytes.size();
                                  h.out.pop_front();
                                  self->write(h);
                                  self->read(h);
                              });
        }

        void on_drained(half& h) {
            if (cutting && halves[0].out.empty() && halves[1].out.empty())
                return close("closed by the proxy", (proxy.random_() & 1) != 0);
            if (!h.ended || h.end_told || cutting || proxy.mode_ == mode::black_hole) return;
            if (h.to == direction::to_client) {
                wire.finish();
                send_wire({});
                if (!h.out.empty()) return; // When that is written.
            }
            h.end_told = true;
            if (halves[0].end_told && halves[1].end_told) return close("closed by both", false);
            proxy.note(number, '-', h.to == direction::to_server ? "client has closed" : "server has closed");
            std::error_code ignored;
            h.target.shutdown(stream::shutdown_send, ignored);
        }

        // What has been passed on is still written.
        void cut(const std::string& why) {
            if (cutting || closed) return;
            proxy.note(number, '-', why);
            ++proxy.cuts_;
            cutting = true;
            write(halves[0]);
            if (!closed) write(halves[1]);
        }

        void close(const std::string& why, bool reset) {
            if (closed) return;
            closed = true;
            proxy.note(number, '-', why + (reset ? ", reset" : ""));
            std::error_code ignored;
            for (stream* s : {&client, &server}) {
                if (reset) s->set_option(stream::linger(true, 0), ignored);
                s->close(ignored);
            }
            for (half& h : halves) h.timer.cancel();
            proxy.connections_.erase(this->shared_from_this());
        }
    };

    template <class F>
    std::invoke_result_t<F> on_thread(F&& f) {
        if (std::this_thread::get_id() == thread_.get_id()) return f();
        std::packaged_task<std::invoke_result_t<F>()> task(std::forward<F>(f));
        auto result = task.get_future();
        asio::post(io_, [&task] { task(); });
        return result.get();
    }

    void bind() {
        std::error_code ignored;
        acceptor_.close(ignored);
        protocol::endpoint where = tcp::endpoint(asio::ip::address_v4::loopback(), port_);
        if (!entrance_.path.empty()) {
            where = asio::local::stream_protocol::endpoint(entrance_.path);
            (void)::unlink(entrance_.path.c_str());
        }
        acceptor_.open(where.protocol());
        if (entrance_.path.empty()) acceptor_.set_option(tcp::acceptor::reuse_address(true));
        acceptor_.bind(where);
        if (!entrance_.path.empty() || port_ != 0) return;
        port_ = inflight::detail::tcp_endpoint_of(acceptor_.local_endpoint()).port();
    }

    void listen() {
        bind();
        acceptor_.listen();
        accept();
    }

    void accept() {
        acceptor_.async_accept([this](std::error_code error, stream s) {
            if (error == asio::error::operation_aborted) return;
            if (!error) on_accept(std::move(s));
            if (mode_ != mode::refuse) accept();
        });
    }

    void on_accept(stream s) {
        accepted_.push_back(clock::now());
        const std::size_t number = accepted_.size();
        note(number, '-', mode_ == mode::drop ? "accepted and dropped" : "accepted");
        if (mode_ == mode::drop) return; // Which closes it.
        const auto c = std::make_shared<connection>(*this, std::move(s), number);
        connections_.insert(c);
        c->start();
    }

    // A whole packet, or, without a frame, bytes that are none.
    void pass_packet(connection& c, half& h, const inflight::frame* f, std::string_view bytes) {
        if (f && f->type() == inflight::packet_type::connect && f->body.size() > 6 && f->body[6] == 4)
            c.version = inflight::protocol_version::v3_1_1;
        const bool looks = recording_ || observer_ || swallowed_ || cut_behind_;
        std::optional<inflight::packet> content;
        if (f && looks)
            if (auto p = inflight::decode(*f, c.version)) content = *p;
        passing what{c.number, h.to, f ? f->type() : inflight::packet_type{}, 0, content ? &*content : nullptr};
        what.nth = ++seen_[index(h.to)][static_cast<std::size_t>(what.type)];
        std::string line = !recording_ ? "" : content ? inflight::print(*content, c.version) : std::to_string(bytes.size()) + " bytes";
        const char arrow = h.to == direction::to_server ? '>' : '<';
        if (swallowed_ && f && swallowed_(what)) return note(c.number, arrow, line + "  (swallowed)");

        const std::uint64_t left = until_cut(h.to);
        const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes.size()));
        passed_[index(h.to)] += n;
        if (left < bytes.size()) {
            note(c.number, arrow, line + "  (" + std::to_string(n) + " of " + std::to_string(bytes.size()) + " bytes)");
            drop_plans(h.to);
            c.send(h, bytes.substr(0, n), true);
            return c.cut("cut at a byte");
        }
        note(c.number, arrow, std::move(line));
        if (observer_) observer_(what);
        c.send(h, bytes);
        if (cut_behind_ && cut_behind_(what)) c.cut("cut behind a packet");
    }

    std::uint64_t until_cut(direction to) const {
        std::uint64_t left = std::numeric_limits<std::uint64_t>::max();
        const auto& one = plan_[index(to)];
        const auto& all = plan_[both];
        if (!one.empty()) left = std::min(left, *one.begin() - passed_[index(to)]);
        if (!all.empty()) left = std::min(left, *all.begin() - passed_[0] - passed_[1]);
        return left;
    }

    void drop_plans(direction to) { // One byte belongs to one cut: another one at the same place comes a byte later.
        auto& one = plan_[index(to)];
        auto& all = plan_[both];
        const std::uint64_t passed = passed_[0] + passed_[1];
        if (!one.empty() && *one.begin() == passed_[index(to)]) one.erase(one.begin());
        else if (!all.empty() && *all.begin() == passed) all.erase(all.begin());
        if (all.empty() || *all.begin() != passed) return;
        all.erase(all.begin());
        all.insert(passed + 1);
    }

    struct wake_up { // That io_context, with every event.
        faulty_proxy& proxy;
        wake_up(faulty_proxy& p, asio::io_context& io) : proxy(p) {
            proxy.on_thread([&] { proxy.waiting_ = &io; });
        }
        ~wake_up() {
            proxy.on_thread([&] { proxy.waiting_ = nullptr; });
        }
        wake_up(const wake_up&) = delete;
        wake_up& operator=(const wake_up&) = delete;
    };

    [[noreturn]] void fail(std::string_view what) { throw std::runtime_error("waited in vain for " + std::string(what) + trace()); }

    void tell_waiting() {
        if (std::exchange(telling_, true)) return;
        asio::post(io_, [this] { // When what is to be told has been done.
            telling_ = false;
            ++events_;
            if (waiting_) asio::post(*waiting_, [] {});
        });
    }

    void note(std::size_t number, char what, std::string text) {
        tell_waiting();
        if (!recording_) return;
        char head[48];
        const std::chrono::duration<double> at = clock::now() - started_;
        std::snprintf(head, sizeof head, "%8.3f #%zu %c ", at.count(), number, what);
        lines_.push_back(head + std::move(text));
        if (lines_.size() <= max_lines_) return;
        lines_.pop_front();
        ++lines_lost_;
    }

    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
    asio::basic_socket_acceptor<protocol> acceptor_{io_};
    std::thread thread_{};
    const entrance entrance_;
    std::uint16_t upstream_, port_ = 0;
    watched<std::uint64_t> events_{};

    // All below belongs to the thread.
    mode mode_ = mode::pass;
    std::chrono::milliseconds delay_{0};
    predicate swallowed_{}, cut_behind_{};
    packet_observer observer_{};
    std::array<std::multiset<std::uint64_t>, 3> plan_{}; // Positions to cut at, for each direction and for both.
    std::array<std::uint64_t, 2> passed_{};
    std::array<std::array<std::size_t, 16>, 2> seen_{};
    std::mt19937_64 random_{1};
    std::size_t cuts_ = 0;
    std::vector<clock::time_point> accepted_{};
    std::set<std::shared_ptr<connection>> connections_{};
    bool recording_ = true;
    const std::size_t max_lines_ = max_lines();
    std::deque<std::string> lines_{};
    std::size_t lines_lost_ = 0;
    asio::io_context* waiting_ = nullptr; // Of run_until().
    bool telling_ = false;
    const clock::time_point started_ = clock::now();
};
