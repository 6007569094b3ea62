// Sockets: Unix sockets, what the options say of a socket, and brokers by their addresses.
#include "support/async_fixture.hpp"

#include <inflight/testing.hpp>

#include <asio/local/stream_protocol.hpp>

#include <filesystem>

using asio::ip::tcp;
using inflight::detail::socket_preparer, inflight::detail::stream_socket;
using unix_endpoint = asio::local::stream_protocol::endpoint;

namespace {

/// A folder of its own for a socket, which goes away with it.
class socket_file {
public:
    socket_file() {
        std::string name = "/tmp/inflight_" + std::string(6, 'X');
        REQUIRE(::mkdtemp(name.data()));
        folder_ = name;
    }
    ~socket_file() { std::filesystem::remove_all(folder_); }
    socket_file(const socket_file&) = delete;
    socket_file& operator=(const socket_file&) = delete;
    std::string path() const { return folder_ + "/mqtt"; }

private:
    std::string folder_;
};

/// A client on its own io_context, which runs until something has happened.
struct connecting {
    asio::io_context io{1};
    client_options options = options_for(1883, v5);
    std::vector<std::string> steps{};
    std::optional<async_client> client{};
    outcome<connect_result> result{};

    std::error_code to(const std::string& address) {
        options.brokers = {{address}};
        options.retry_first_connection = false;
        options.on_connection_event = [this](const connection_event& e) { steps.push_back(print(e)); };
        client.emplace(io, options);
        result = {};
        client->async_connect(result.handler());
        until([this] { return result.is_done(); });
        return result.error();
    }
    template <class Done>
    void until(Done&& done) {
        const auto end = std::chrono::steady_clock::now() + patience;
        while (!done() && std::chrono::steady_clock::now() < end) {
            io.restart();
            io.run_one_for(50ms);
        }
        REQUIRE(done());
    }
};

stream_socket prepared_socket(asio::io_context& io, const socket_options& o, const tcp::endpoint& where, std::error_code& error) {
    stream_socket s(io);
    s.open(stream_socket::endpoint_type(where).protocol());
    error = socket_preparer(o, {})(s, where);
    return s;
}

template <class Option>
int value_of(const stream_socket& s) {
    Option option;
    s.get_option(option);
    return option.value();
}

/// The system's, whose category is Asio's, and then does not compare with std::errc.
bool is(std::error_code error, int number) { return error.value() == number && error.category() != protocol_category(); }

const tcp::endpoint this_machine(asio::ip::address_v4::loopback(), 9);

/// TCP that counts.
struct answering_transport : socket_transport {
    using socket_transport::socket_transport;
    static inline int answered = 0;
    void read_is_answered() {
        ++answered;
        socket_transport::read_is_answered();
    }
};

#ifdef TCP_QUICKACK
/// A transport, and the server's end of its connection.
class connected_transport {
public:
    explicit connected_transport(const socket_options& options) {
        tcp::acceptor acceptor(io_, {asio::ip::address_v4::loopback(), 0});
        std::error_code accepted = asio::error::would_block, opened = accepted;
        acceptor.async_accept(server_, [&](std::error_code error) { accepted = error; });
        opening how;
        how.socket = options;
        transport_->async_open({"127.0.0.1", acceptor.local_endpoint().port()}, how, [&](std::error_code error) { opened = error; });
        io_.run();
        REQUIRE_FALSE(accepted);
        REQUIRE_FALSE(opened);
        socket_ = own_socket();
    }

    /// The server sends a byte, which the transport reads; maybe it answers while it does.
    void read(bool answers) {
        asio::write(server_, asio::buffer("x", 1));
        std::string got;
        transport_->async_read([&, keep = transport_](std::error_code error, std::string_view bytes) {
            CHECK_FALSE(error);
            got = bytes;
            const std::array<asio::const_buffer, 1> answer{asio::buffer("y", 1)};
            if (answers) CHECK(keep->write_now(answer) == 1);
        });
        io_.restart();
        io_.run();
        CHECK(got == "x");
        transport_->read_is_answered();
    }

    /// What TCP will do with the next bytes: acknowledge them at once, or wait for an answer that takes the acknowledgement along.
    bool acknowledges_at_once() const {
        int on = 0;
        socklen_t size = sizeof(on);
        REQUIRE(::getsockopt(socket_, IPPROTO_TCP, TCP_QUICKACK, &on, &size) == 0);
        return on != 0;
    }

    /// Until TCP takes this for a conversation, which it does when answers come in time.
    void converse() {
        for (int i = 0; i != 1'000 && acknowledges_at_once(); ++i) read(true);
        REQUIRE_FALSE(acknowledges_at_once());
    }

private:
    // The transport keeps its socket to itself.
    int own_socket() const {
        const auto is_at = [](const tcp::endpoint& where, auto name_of, int socket) {
            tcp::endpoint e;
            auto size = static_cast<socklen_t>(e.capacity());
            return name_of(socket, e.data(), &size) == 0 && e == where;
        };
        for (int socket = 0; socket != 1'024; ++socket)
            if (is_at(server_.remote_endpoint(), ::getsockname, socket) && is_at(server_.local_endpoint(), ::getpeername, socket))
                return socket;
        FAIL("no socket");
        return -1;
    }

    asio::io_context io_{1};
    tcp::socket server_{io_};
    std::shared_ptr<socket_transport> transport_ = std::make_shared<socket_transport>(io_.get_executor());
    int socket_ = -1;
};
#endif

} // namespace

TEST_CASE("async_client: a message goes to a Unix socket and comes back, and the events name its path", "[async_client]") {
    const socket_file file;
    connecting c;
    testing::tcp_server server(c.io, {}, unix_endpoint(file.path()));
    CHECK(server.port() == 0);
    REQUIRE_FALSE(c.to("unix:" + file.path()));
    c.until([&] { return c.steps.size() == 3; });
    const std::string name = "unix:" + file.path();
    CHECK(c.steps ==
          std::vector<std::string>{"connecting to " + name, "connected to " + name + ", awaiting CONNACK", "accepted by " + name});
    std::string payload;
    c.client->on_message([&](const received_view& m) { payload = std::string(m.payload); });
    outcome<subscribe_ack> subscribed;
    c.client->async_subscribe("t", qos::at_least_once, subscribed.handler());
    c.until([&] { return subscribed.is_done(); });
    outcome<publish_ack> published;
    const std::string large(1'000'000, 'x');
    c.client->async_publish(message("t", large, qos::exactly_once), published.handler());
    c.until([&] { return published.is_done() && !payload.empty(); });
    CHECK_FALSE(published.error());
    CHECK(payload == large);
}

TEST_CASE("async_client: a Unix socket that is not there, has no server, or has too long a path is an error of the system's",
          "[async_client]") {
    const socket_file file;
    connecting c;
    CHECK(is(c.to("unix:" + file.path()), ENOENT));
    { const testing::tcp_server server(c.io, {}, unix_endpoint(file.path())); }
    CHECK(is(c.to("unix:" + file.path()), ECONNREFUSED));
    CHECK(is(c.to("unix:/" + std::string(107, 'x')), ENAMETOOLONG));
    CHECK(is(c.to("unix:/" + std::string(5'000, 'x')), ENAMETOOLONG));
}

TEST_CASE("async_client: a Unix socket whose backlog is full is an error that passes, and not taken for a connection", "[async_client]") {
    const socket_file file;
    connecting c;
    asio::local::stream_protocol::acceptor busy(c.io);
    busy.open();
    busy.bind(unix_endpoint(file.path()));
    busy.listen(0);
    asio::local::stream_protocol::socket waiting(c.io);
    waiting.connect(unix_endpoint(file.path()));
    const std::error_code error = c.to("unix:" + file.path());
    CHECK(is(error, ENOBUFS));
    CHECK(error == error_condition::transient);
}

TEST_CASE("socket: options are those that the user names, and small packets are sent at once unless he says otherwise",
          "[async_client]") {
    asio::io_context io{1};
    std::error_code error;
    const stream_socket usual = prepared_socket(io, {}, this_machine, error);
    CHECK_FALSE(error);
    CHECK(value_of<tcp::no_delay>(usual) == 1);
    CHECK(value_of<asio::socket_base::keep_alive>(usual) == 0);

    const stream_socket other =
        prepared_socket(io, {.no_delay = false, .keep_alive = true, .send_buffer = 30'000, .receive_buffer = 40'000}, this_machine, error);
    CHECK_FALSE(error);
    CHECK(value_of<tcp::no_delay>(other) == 0);
    CHECK(value_of<asio::socket_base::keep_alive>(other) == 1);
    const auto is_about = [](int size, int wanted) { return size >= wanted && size <= 2 * wanted; }; // Linux doubles it.
    CHECK(is_about(value_of<asio::socket_base::send_buffer_size>(other), 30'000));
    CHECK(is_about(value_of<asio::socket_base::receive_buffer_size>(other), 40'000));
}

#ifdef TCP_QUICKACK
TEST_CASE("socket: what is read and not answered is acknowledged at once, so that a broker with Nagle's algorithm goes on",
          "[async_client]") {
    connected_transport c({});
    c.converse();
    c.read(false);
    CHECK(c.acknowledges_at_once());
    c.converse(); // Each answer takes the acknowledgement along.
}

TEST_CASE("socket: TCP takes its time with acknowledgements if the user prefers that", "[async_client]") {
    connected_transport c({.quick_ack = false});
    c.converse();
    c.read(false);
    CHECK_FALSE(c.acknowledges_at_once());
}
#endif

TEST_CASE("async_client: a transport hears when what was read has been answered, below layers too", "[async_client]") {
    async_fixture f(fake_server::broker);
    answering_transport::answered = 0;
    basic_async_client<layered_transport<answering_transport>> client(f.io, f.options(v5));
    outcome<connect_result> connected;
    client.async_connect(connected.handler());
    f.wait(connected);
    CHECK(answering_transport::answered == 1); // CONNACK.
    outcome<publish_ack> published;
    client.async_publish(message("a", "x", qos::at_least_once), published.handler());
    f.wait(published);
    CHECK(answering_transport::answered == 2);
}

TEST_CASE("socket: a connection comes from the local address, and one that is none is told", "[async_client]") {
    asio::io_context io{1};
    std::error_code error;
    const stream_socket bound = prepared_socket(io, {.local_address = "127.0.0.2"}, this_machine, error);
    CHECK_FALSE(error);
    CHECK(bound.local_endpoint() != stream_socket::endpoint_type(tcp::endpoint(tcp::v4(), 0)));

    prepared_socket(io, {.local_address = "eth0"}, this_machine, error);
    CHECK(error == errc::local_address_invalid);
    CHECK(error == error_condition::fatal);
    prepared_socket(io, {.local_address = "::1"}, this_machine, error);
    CHECK(error == asio::error::address_family_not_supported);
    prepared_socket(io, {.local_address = "192.0.2.1"}, this_machine, error);
    CHECK(is(error, EADDRNOTAVAIL));
}

TEST_CASE("async_client: the server sees the local address that the options name", "[async_client]") {
    connecting c;
    tcp::acceptor acceptor(c.io, {asio::ip::address_v4::loopback(), 0});
    std::optional<tcp::endpoint> from;
    acceptor.async_accept([&](std::error_code e, tcp::socket s) {
        if (!e) from = s.remote_endpoint();
    });
    c.options.socket->local_address = "127.0.0.3";
    (void)c.to("mqtt://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()));
    REQUIRE(from);
    CHECK(from->address().to_string() == "127.0.0.3");
}

TEST_CASE("async_client: an interface is bound to, and one that is not there is told before anything is sent", "[async_client]") {
    connecting c;
    testing::tcp_server server(c.io);
    const std::string address = "127.0.0.1:" + std::to_string(server.port());
    c.options.socket->local_interface = "lo";
    CHECK_FALSE(c.to(address));
    c.options.socket->local_interface = "inflight none";
    CHECK(is(c.to(address), ENODEV));
    CHECK(c.steps.back().starts_with("stopped"));
}

TEST_CASE("async_client: a broker by its address, with the login that it holds unless the options have their own", "[async_client]") {
    testing::network net;
    client_options options = options_for(1883);
    options.brokers = {{"mqtt://jane:secret@a:1884"}};
    std::string expected = "user_name='jane' password=***";
    SECTION("that of the address") {}
    SECTION("the user name of the options, and no password of another's") {
        options.user_name = "own";
        expected = "user_name='own'";
    }
    SECTION("what a provider says") {
        options.credentials = credentials_from([] { return credentials{}; });
        expected = "client_id='c'";
    }
    std::vector<std::string> steps;
    options.on_connection_event = [&](const connection_event& e) { steps.push_back(print(e)); };
    testing::memory_client client(net.context(), options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    REQUIRE(net.run_until([&] { return o.is_done(); }));
    CHECK_FALSE(o.error());
    net.run_ready();
    CHECK(net.server().trace().at(0).ends_with(expected));
    CHECK(steps.back() == "accepted by a:1884");
}

TEST_CASE("async_client: connecting tells what is wrong with the address of any broker", "[async_client]") {
    connecting c;
    CHECK(c.to("http://h") == errc::scheme_unknown);
    CHECK(c.to("mqtt://h:0") == errc::port_invalid);
    CHECK(c.to("") == errc::no_host);
    CHECK(c.steps.empty());
    CHECK(c.result.error() == error_condition::fatal);
    c.options.brokers = {{"localhost"}, {"mqtt://h/topic"}};
    async_client client(c.io, c.options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    c.until([&] { return o.is_done(); });
    CHECK(o.error() == errc::path_not_allowed);
}
