// The limit: what a client could reach at best that does nothing for its user. Publishing, it encodes each packet into
// one buffer, writes that in batches and walks the acknowledgements; receiving, it walks the packets and acknowledges
// from a template. It keeps no state of any message, checks nothing, and blocks when there is nothing to do.
// Ways: publish, receive, latency.
#include "websocket.hpp"

namespace {

using namespace benchmark;

class client {
public:
    client(const arguments& a) : a_(a), meter_(a), connection_(open(a)) {
        std::string id = std::to_string(getpid()); // The broker may have another one of this program, as its feeder.
        id.insert(0, {0, static_cast<char>(id.size())});
        send(type::connect, {0, 4, 'M', 'Q', 'T', 'T', static_cast<char>(a.version), 2, 0, 60}, id);
        await(type::connack);
    }

    void publish() {
        while (!meter_.done()) {
            fill();
            write();
            const bool can_go_on = !connection_.has_unwritten() && may_send();
            if (a_.qos != 0 || sent_ == a_.total())
                read(can_go_on || connection_.has_unwritten() ? MSG_DONTWAIT : 0);
        }
        meter_.print();
    }

    void receive() {
        std::string filter{0, static_cast<char>(a_.filter.size())};
        filter += a_.filter;
        filter += static_cast<char>(a_.qos);
        send(type::subscribe | 2, {0, 1}, filter);
        await(type::suback);
        say_ready();
        while (!meter_.done()) {
            read(connection_.has_unwritten() ? MSG_DONTWAIT : 0);
            write();
        }
        meter_.print();
    }

    void latency() {
        latencies times(a_);
        for (std::size_t i = 0; i != a_.total(); ++i) {
            times.start();
            fill();
            connection_.write();
            while (meter_.settled() == i) read(0);
            times.stop();
        }
        times.print();
    }

private:
    static std::unique_ptr<stream> open(const arguments& a) {
        const bool is_unix = a.transport == "unix";
        const int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM, 0);
        if (!(is_unix ? with_address(::connect, fd, unix_address(a.path)) : with_address(::connect, fd, loopback(a.port))))
            fail("cannot connect");
        if (a.transport == "websocket") return std::make_unique<websocket_stream>(fd);
        if (a.transport == "tls") fail("there is no limit with TLS: see asio.cpp");
        return std::make_unique<stream>(fd);
    }
    [[noreturn]] static void lost() { fail("connection lost"); }

    // Between the two parts stand the properties of 5.0, of which there are none.
    void send(unsigned first, std::string bytes, std::string_view rest) {
        if (a_.version == 5) bytes += '\0';
        bytes += rest;
        const char header[] = {static_cast<char>(first), static_cast<char>(bytes.size())};
        connection_.out.add({header, sizeof header});
        connection_.out.add(bytes);
        connection_.write();
    }

    // Messages may come together with the answer.
    void await(unsigned t) {
        awaited_ = t;
        while (awaited_ != 0) read(0);
    }

    bool may_send() const {
        return sent_ != a_.total() && (a_.qos == 0 || sent_ - meter_.settled() < a_.window);
    }

    void fill() {
        while (may_send() && connection_.out.size() < batch) {
            add_publish(connection_.out, a_.version, a_.qos_of(sent_), payload_, id_);
            id_ = id_ == 65'535 ? std::uint16_t{1} : static_cast<std::uint16_t>(id_ + 1);
            ++sent_;
        }
        if (a_.qos == 0) meter_.settle_to(std::min(sent_, a_.total() - 1));
    }

    void read(int flags) {
        const auto visit = [this](const packet& p) {
            const unsigned t = p.type();
            if (t == type::publish || t == type::puback || t == type::pubcomp) meter_.settle();
            if (t == awaited_) awaited_ = 0;
            answer(p, connection_.out);
        };
        if (connection_.read(buffer_, flags, visit) == connection::outcome::closed) lost();
    }

    // All of it, if the socket takes it; otherwise waits for it, or for something to read.
    void write() {
        if (connection_.has_unwritten() && connection_.write() == connection::outcome::closed) lost();
        if (connection_.has_unwritten()) wait(POLLIN | POLLOUT);
    }

    void wait(int events) {
        pollfd p{connection_.fd(), static_cast<short>(events), 0};
        poll(&p, 1, -1);
    }

    static constexpr std::size_t batch = std::size_t{64} << 10;

    arguments a_;
    meter meter_;
    connection connection_;
    std::string payload_ = std::string(a_.size, 'x');
    std::vector<unsigned char> buffer_ = std::vector<unsigned char>(read_buffer_size);
    std::size_t sent_ = 0;
    std::uint16_t id_ = 1;
    unsigned awaited_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    const arguments a(argc, argv);
    client c(a);
    if (a.way == "publish") c.publish();
    else if (a.way == "receive") c.receive();
    else if (a.way == "latency") c.latency();
    else fail("unknown way " + a.way);
}
