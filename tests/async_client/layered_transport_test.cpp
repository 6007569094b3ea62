// A transport with layers, over one whose every move the test decides; and clients whose connections have layers.
#include "support/async_fixture.hpp"
#include "support/toy_layer.hpp"

#include <inflight/proxy.hpp>
#include <inflight/testing.hpp>

#include <array>

namespace {

/// What the lower transport has been asked for, and what it is to do.
struct below {
    std::function<void(std::error_code)> open{};
    std::function<void(std::error_code, std::string_view)> read{};
    std::function<void(std::error_code, std::size_t)> write{};
    std::string pending{}; // Of the write that is under way.
    std::string sent{};
    std::size_t room = std::string::npos; // Bytes that may be written without waiting.
    std::size_t writes = 0;
    bool is_shut = false, is_closed = false;

    void connected(std::error_code e) { std::exchange(open, nullptr)(e); }
    void bytes(std::string_view b) { std::exchange(read, nullptr)({}, b); }
    void end(std::error_code e) { std::exchange(read, nullptr)(e, {}); }
    /// So many bytes of the pending write are gone.
    void writable(std::size_t n) {
        n = std::min(n, pending.size());
        sent += pending.substr(0, n);
        std::exchange(write, nullptr)({}, n);
    }
    /// After close(): what is pending ends.
    void settle() {
        while (is_closed && (read || write || open)) {
            if (read) end(asio::error::operation_aborted);
            if (write) std::exchange(write, nullptr)(asio::error::operation_aborted, 0);
            if (open) std::exchange(open, nullptr)(asio::error::operation_aborted);
        }
    }
};

below* lower = nullptr; // That of the test.

struct played_transport {
    using clock_type = std::chrono::steady_clock;
    using timer_type = asio::steady_timer;

    explicit played_transport(const asio::any_io_executor&) {}
    template <class Handler>
    void async_open(const broker&, const opening&, Handler h) {
        lower->open = std::move(h);
    }
    template <class Handler>
    void async_read(Handler h) {
        REQUIRE_FALSE(lower->read);
        lower->read = std::move(h);
    }
    template <class Buffers, class Handler>
    void async_write(const Buffers& b, Handler h) {
        REQUIRE_FALSE(lower->write);
        lower->pending = text(b);
        lower->write = std::move(h);
    }
    template <class Buffers>
    std::size_t write_now(const Buffers& b) {
        const std::string bytes = text(b).substr(0, lower->room);
        if (lower->room != std::string::npos) lower->room -= bytes.size();
        lower->sent += bytes;
        ++lower->writes;
        return bytes.size();
    }
    void shutdown() { lower->is_shut = true; }
    void close() { lower->is_closed = true; }

    template <class Buffers>
    static std::string text(const Buffers& b) {
        std::string out(asio::buffer_size(b), '\0');
        asio::buffer_copy(asio::buffer(out), b);
        return out;
    }
};

using played_layers = layered_transport<played_transport>;

struct deaf_transport : played_transport {
    void async_read() = delete;
};
static_assert(transport<played_transport> && transport<played_layers> && transport<layered_transport<played_layers>>);
static_assert(transport<testing::memory_transport> && transport<default_transport>);
static_assert(!transport<deaf_transport> && !transport<std::string>);

/// A transport with the toy above it, and what it has told.
struct toy_transport {
    below wire{};
    asio::io_context io{1};
    std::shared_ptr<played_layers> t = std::make_shared<played_layers>(io.get_executor());
    std::optional<std::error_code> opened{}, read_end{};
    std::string plain{};
    std::optional<std::pair<std::error_code, std::size_t>> written{};
    std::vector<std::string> steps{};

    explicit toy_transport(std::shared_ptr<layer> layers = std::make_shared<toy_layer>(toy_layer::role::client)) {
        lower = &wire;
        opening how{.layers = std::move(layers)};
        how.tell = [this](connection_event e) { steps.push_back(print(e)); };
        t->async_open({"h"}, how, [this](std::error_code e) { opened = e; });
    }
    ~toy_transport() { t.reset(); }

    void open() {
        wire.connected({});
        wire.bytes("WELCOME\n");
        REQUIRE(opened);
        REQUIRE_FALSE(*opened);
        REQUIRE(std::exchange(wire.sent, {}) == "HELLO\n");
    }
    void read() {
        t->async_read([this, keep = t](std::error_code e, std::string_view bytes) {
            CHECK_FALSE((e && !bytes.empty()));
            plain += bytes;
            if (e) read_end = e;
        });
    }
    /// Until there is an end.
    void read_all(std::string_view bytes) {
        read();
        for (bool first = true; !read_end && (first || wire.is_closed); first = false) {
            if (first) wire.bytes(bytes);
            else wire.settle();
            if (!wire.read && !read_end) read();
        }
    }
    std::size_t write_now(std::vector<std::string> pieces) {
        std::vector<asio::const_buffer> buffers;
        for (const std::string& p : pieces) buffers.push_back(asio::buffer(p));
        return t->write_now(std::span<const asio::const_buffer>(buffers));
    }
    void write(const std::string& piece) {
        const std::array<asio::const_buffer, 1> buffers{asio::buffer(piece)};
        t->async_write(std::span<const asio::const_buffer>(buffers), [this, keep = t](std::error_code e, std::size_t n) {
            CHECK_FALSE(written);
            written.emplace(e, n);
        });
    }
    std::string frame(std::string_view text) {
        std::string out;
        (void)toy_layer(toy_layer::role::client).send(text, out);
        return out;
    }
};

const std::string farewell = "\xFF\xFF", a_ping("\0\0", 2), a_pong = "\xFF\xFE", a_bad_frame = "\xFF\x01";
const std::error_code bad_message = std::make_error_code(std::errc::bad_message);
const std::error_code aborted = std::make_error_code(std::errc::connection_aborted);

/// Nothing but bytes, once it has heard one.
struct transparent_layer final : layer {
    bool is_heard = false;
    std::error_code start(std::string&) override { return {}; }
    std::error_code received(std::string_view bytes, std::string& plain, std::string&) override {
        if (is_heard) plain += bytes;
        else if (!bytes.empty()) plain += bytes.substr(1);
        is_heard |= !bytes.empty();
        return {};
    }
    bool is_open() const override { return is_heard; }
    std::error_code send(std::string_view bytes, std::string& wire) override {
        wire += bytes;
        return {};
    }
    bool is_transparent() const override { return true; }
};

} // namespace

TEST_CASE("layered_transport: without layers everything is handed on as it is", "[async_client]") {
    toy_transport x(nullptr);
    x.wire.connected({});
    CHECK(x.opened);
    x.read();
    x.wire.bytes("abc");
    CHECK(x.plain == "abc");
    CHECK(x.write_now({"d", "ef"}) == 3);
    x.write("ghi");
    x.wire.writable(2);
    CHECK(x.wire.sent == "defgh");
    CHECK(x.written == std::pair(std::error_code(), std::size_t{2}));
    x.read();
    x.wire.end(asio::error::eof);
    CHECK(x.read_end == asio::error::eof);
    x.t->shutdown();
    CHECK(x.wire.is_shut);
    x.t->close();
    CHECK(x.wire.is_closed);
    CHECK(x.t->details().empty());
    CHECK(x.steps.empty());
}

TEST_CASE("layered_transport: it is open when the layers are, and the step in between is told", "[async_client]") {
    toy_transport x;
    CHECK_FALSE(x.opened);
    x.wire.connected({});
    CHECK(x.steps == std::vector<std::string>{"handshake with localhost:1883"});
    CHECK(x.wire.sent == "HELLO\n");
    for (const char c : std::string_view("WELCOME\n")) {
        CHECK_FALSE(x.opened);
        x.wire.bytes({&c, 1});
    }
    CHECK(x.opened == std::error_code());
}

TEST_CASE("layered_transport: an error below, or of a handshake, is that of opening, with the layer's details", "[async_client]") {
    SECTION("below") {
        toy_transport x;
        x.wire.connected(asio::error::connection_refused);
        CHECK(x.opened == asio::error::connection_refused);
        CHECK(x.t->details().empty());
    }
    SECTION("in the handshake, and its last words go out") {
        toy_transport x;
        x.wire.connected({});
        x.wire.bytes("WELC");
        x.wire.bytes("oh");
        CHECK(x.opened == bad_message);
        CHECK(x.t->details() == "it said WELCoh");
        CHECK(x.wire.sent == "HELLO\nWHO?");
    }
    SECTION("an end in the handshake, which is a reset if not all was read") {
        for (const std::error_code end : {std::error_code(asio::error::eof), std::error_code(asio::error::connection_reset)}) {
            toy_transport x;
            x.wire.connected({});
            x.wire.end(end);
            CHECK(x.opened == aborted);
            CHECK(x.t->details() == "no greeting");
        }
    }
    SECTION("closed in the handshake") {
        toy_transport x;
        x.wire.connected({});
        x.t->close();
        x.wire.settle();
        CHECK(x.opened == asio::error::operation_aborted);
    }
}

TEST_CASE("layered_transport: what comes is the same however it is cut, byte by byte and at every place", "[async_client]") {
    toy_transport whole;
    const std::string stream = whole.frame("abc") + a_ping + whole.frame("defghij") + a_ping + farewell;
    for (std::size_t cut = 0; cut <= stream.size() + 1; ++cut) {
        toy_transport x;
        x.open();
        x.read();
        const auto more = [&](std::string_view bytes) {
            x.wire.bytes(bytes);
            x.wire.settle();
            if (!x.wire.read && !x.read_end) x.read();
            x.wire.settle();
        };
        if (cut <= stream.size()) {
            if (cut != 0) more(stream.substr(0, cut));
            if (cut != stream.size() && !x.read_end) more(stream.substr(cut));
        } else {
            for (const char c : stream) more({&c, 1});
        }
        CAPTURE(cut);
        CHECK(x.plain == "abcdefghij");
        CHECK(x.read_end == asio::error::eof);
        CHECK(x.wire.sent == a_pong + a_pong + farewell);
    }
}

TEST_CASE("layered_transport: bytes in front of an error are delivered first, and the error next", "[async_client]") {
    toy_transport x;
    x.open();
    x.read_all(x.frame("last words") + a_bad_frame);
    CHECK(x.plain == "last words");
    CHECK(x.read_end == bad_message);
    CHECK(x.t->details() == "a frame of 65281");
    x.write("x"); // And nothing is written any more.
    x.wire.settle();
    REQUIRE(x.written);
    CHECK(x.written->first == bad_message);
}

TEST_CASE("layered_transport: an end below is an error unless the peer has taken its leave", "[async_client]") {
    toy_transport x;
    x.open();
    x.read();
    x.wire.end(asio::error::eof);
    CHECK(x.read_end == aborted);
    CHECK(x.t->details() == "no farewell");
}

TEST_CASE("layered_transport: bytes that come with the end of the handshake are those of the first read", "[async_client]") {
    toy_transport x;
    x.wire.connected({});
    x.wire.bytes("WELCOME\n" + x.frame("early"));
    REQUIRE(x.opened == std::error_code());
    x.read();
    x.wire.bytes(x.frame(" bird"));
    CHECK(x.plain == "early bird");
}

TEST_CASE("layered_transport: small buffers go down together, up to 64 KiB with one write, and large ones in such pieces",
          "[async_client]") {
    toy_transport x;
    x.open();
    x.wire.writes = 0;
    CHECK(x.write_now({"a", "", "bc", "d"}) == 4);
    CHECK(x.wire.sent == x.frame("abcd"));
    CHECK(x.wire.writes == 1);
    const std::string large(100'000, 'x');
    CHECK(x.write_now({large}) == played_layers::max_piece);
    CHECK(x.write_now({"ab", large}) == played_layers::max_piece);
    CHECK(x.write_now({std::string(played_layers::max_piece, 'y'), "z"}) == played_layers::max_piece);
    CHECK(x.wire.writes == 4);
}

TEST_CASE("layered_transport: what cannot be sent at once is sent later, and meanwhile nothing more is taken", "[async_client]") {
    toy_transport x;
    x.open();
    x.wire.room = 3;
    CHECK(x.write_now({"abcdef"}) == 6);
    CHECK(x.wire.sent == x.frame("abcdef").substr(0, 3));
    x.wire.room = 100;
    CHECK(x.write_now({"g"}) == 0);
    x.write("ghi");
    x.wire.writable(2);
    CHECK_FALSE(x.written);
    x.wire.writable(100);
    CHECK(x.written == std::pair(std::error_code(), std::size_t{0})); // There is room now.
    CHECK(x.wire.sent == x.frame("abcdef"));
    CHECK(x.write_now({"ghi"}) == 3);
    CHECK(x.wire.sent == x.frame("abcdef") + x.frame("ghi"));
}

TEST_CASE("layered_transport: where nothing can be sent at once, writing sends all that it has taken", "[async_client]") {
    toy_transport x;
    x.open();
    x.wire.room = 0;
    x.write("abc");
    x.wire.writable(1);
    CHECK_FALSE(x.written);
    x.wire.writable(100);
    CHECK(x.written == std::pair(std::error_code(), std::size_t{3}));
    CHECK(x.wire.sent == x.frame("abc"));
}

TEST_CASE("layered_transport: an answer goes out though nobody writes, after what is being sent", "[async_client]") {
    toy_transport x;
    x.open();
    x.read();
    x.wire.bytes(a_ping);
    CHECK(x.wire.sent == a_pong);
    x.wire.room = 0;
    CHECK(x.write_now({"abc"}) == 3);
    x.wire.bytes(a_ping);
    while (x.wire.write) x.wire.writable(1);
    CHECK(x.wire.sent == a_pong + x.frame("abc") + a_pong);
    CHECK(x.plain.empty());
}

TEST_CASE("layered_transport: a peer that asks and never reads the answers is left", "[async_client]") {
    toy_transport x;
    x.open();
    x.wire.room = 0;
    std::string pings;
    for (int i = 0; i != 10'000; ++i) pings += a_ping;
    x.read();
    for (int i = 0; i != 100 && !x.read_end; ++i) x.wire.bytes(pings);
    CHECK(x.read_end == asio::error::no_buffer_space);
}

TEST_CASE("layered_transport: shutting down sends what is left, the layers' farewell last, and then shuts what is below",
          "[async_client]") {
    toy_transport x;
    x.open();
    SECTION("nothing is left") { x.t->shutdown(); }
    SECTION("bytes are left") {
        x.wire.room = 1;
        CHECK(x.write_now({"abc"}) == 3);
        x.t->shutdown();
        CHECK_FALSE(x.wire.is_shut);
        while (x.wire.write) x.wire.writable(1);
        CHECK(x.wire.sent == x.frame("abc") + farewell);
    }
    CHECK(x.wire.is_shut);
    CHECK(x.wire.sent.ends_with(farewell));
}

TEST_CASE("layered_transport: closed while it reads and writes, each handler is told once", "[async_client]") {
    toy_transport x;
    x.open();
    x.read();
    x.wire.room = 0;
    CHECK(x.write_now({"abc"}) == 3);
    x.write("def");
    x.t->close();
    x.wire.settle();
    CHECK(x.read_end == asio::error::operation_aborted);
    REQUIRE(x.written);
    CHECK(x.written->first == asio::error::operation_aborted);
}

TEST_CASE("layered_transport: what a layer refuses to send ends the connection, with its error", "[async_client]") {
    toy_transport x;
    x.open();
    x.read();
    CHECK(x.write_now({"refused"}) == 0);
    x.write("refused");
    x.wire.settle();
    REQUIRE(x.written);
    CHECK(x.written->first == bad_message);
    CHECK(x.read_end == bad_message);
    CHECK(x.t->details() == "it was not to be sent");
}

TEST_CASE("layered_transport: when nothing can be sent any more, what has come is read all the same", "[async_client]") {
    toy_transport x;
    x.open();
    x.wire.room = 0;
    x.read();
    x.write("CONNECT");
    std::exchange(x.wire.write, nullptr)(asio::error::broken_pipe, 0);
    REQUIRE(x.written);
    CHECK(x.written->first == asio::error::broken_pipe);
    CHECK(x.write_now({"more"}) == 0);
    CHECK_FALSE(x.wire.is_closed);
    x.wire.bytes(x.frame("why"));
    CHECK(x.plain == "why");
    x.read();
    x.wire.bytes("\xF1\xF1"); // What the layer takes for an error.
    CHECK(x.read_end == bad_message);
}

TEST_CASE("layered_transport: operations that never end keep nothing alive once they are forgotten", "[async_client]") {
    toy_transport x;
    x.open();
    x.read();
    x.wire.room = 0;
    CHECK(x.write_now({"abc"}) == 3);
    x.write("def");
    const std::weak_ptr<played_layers> alive = x.t;
    x.t.reset();
    CHECK_FALSE(alive.expired());
    x.wire.read = nullptr;
    x.wire.write = nullptr;
    CHECK(alive.expired());
    CHECK_FALSE(x.written);
}

TEST_CASE("layered_transport: layers that have become transparent cost nothing any more", "[async_client]") {
    auto layers = std::make_shared<layer_stack>();
    layers->push(std::make_unique<transparent_layer>());
    const std::weak_ptr<layer> alive = layers;
    SECTION("they are gone") {
        toy_transport x(std::move(layers));
        x.wire.connected({});
        x.wire.bytes("!");
        CHECK(x.opened == std::error_code());
        CHECK(alive.expired());
        x.read();
        x.wire.bytes("abc");
        CHECK(x.plain == "abc");
    }
    SECTION("not while they hold bytes") {
        toy_transport x(std::move(layers));
        x.wire.connected({});
        x.wire.bytes("!ab");
        x.read();
        x.wire.bytes("c");
        CHECK(x.plain == "abc");
    }
}

namespace {

/// A client at a server with the toy between them, in memory.
struct toy_world {
    toy_in_place_of_websocket toy{};
    testing::network net{};
    client_options options = options_for(1883);
    std::vector<std::string> steps{};
    std::optional<testing::layered_client> client{};
    outcome<connect_result> result{};

    std::error_code connect(const std::string& address) {
        options.brokers = {{address}};
        options.on_connection_event = [this](const connection_event& e) { steps.push_back(print(e)); };
        client.emplace(net.context(), options);
        client->async_connect(result.handler());
        (void)net.run_until([&] { return result.is_done(); }, 1h);
        net.run_ready();
        return result.error();
    }
};

} // namespace

TEST_CASE("layers: clients and servers with layers talk, over a bad network too, and nothing is lost", "[async_client]") {
    toy_world w;
    w.net.set_layers(&toy_server);
    w.options.reconnect_delay = 10ms;
    REQUIRE_FALSE(w.connect("ws://a/x"));
    CHECK(w.steps == std::vector<std::string>{"handshake with ws://a:80/x", "connected to ws://a:80/x, awaiting CONNACK",
                                              "accepted by ws://a:80/x"});
    std::map<std::string, int> got;
    w.client->on_message([&](const received_view& m) { ++got[std::string(m.payload.substr(0, 4))]; });
    outcome<subscribe_ack> subscribed;
    w.client->async_subscribe("t", qos::exactly_once, subscribed.handler());
    REQUIRE(w.net.run_until([&] { return subscribed.is_done(); }));
    int published = 0;
    for (int i = 0; i != 40; ++i) {
        const message m("t", std::to_string(1000 + i) + std::string(i % 4 == 0 ? 100'000 : 10, 'x'), qos::exactly_once);
        w.client->async_publish(m, [&](std::error_code e, publish_ack) { published += !e; });
        if (i % 10 == 5) {
            w.net.run_ready();
            w.net.cut();
        }
    }
    REQUIRE(w.net.run_until([&] { return published == 40 && got.size() == 40; }));
    for (const auto& [what, times] : got) CHECK(times == 1);
    outcome<std::size_t> left;
    w.client->async_disconnect(left.handler());
    REQUIRE(w.net.run_until([&] { return left.is_done(); }));
    CHECK_FALSE(left.error());
}

TEST_CASE("layers: a client says why its handshake fails, in the event and in the result", "[async_client]") {
    toy_world w; // Whose server has no layers.
    w.options.retry_first_connection = false;
    w.options.version = v5;
    w.options.connect_timeout = 1h; // The server gives it up before.
    SECTION("the server does not understand") {
        CHECK(w.connect("ws://a") == aborted);
        CHECK(w.result->details == "no greeting");
    }
    SECTION("the client does not understand") {
        w.net.set_layers([] { return std::make_unique<toy_layer>(toy_layer::role::client); });
        CHECK(w.connect("ws://a") == bad_message);
        CHECK(w.result->details.starts_with("it said HELLO"));
    }
    REQUIRE(w.steps.size() == 3);
    CHECK(w.steps[1].starts_with("lost ws://a:80: "));
    CHECK(w.steps[1].ends_with(" (" + w.result->details + ")"));
    CHECK(w.steps[2].ends_with(" (" + w.result->details + ")"));
}

TEST_CASE("layers: a connection that breaks says what the layers know of it", "[async_client]") {
    toy_world w;
    w.net.set_layers(&toy_server);
    std::vector<disconnect_result> ends;
    w.options.on_disconnected = [&](const disconnect_result& r) { ends.push_back(r); };
    REQUIRE_FALSE(w.connect("ws://a"));
    w.net.cut();
    REQUIRE(w.net.run_until([&] { return ends.size() == 1; }));
    CHECK(ends[0].error == asio::error::connection_reset);
    CHECK(ends[0].details.empty());
}

TEST_CASE("layers: a broker whose address needs what the program has not got is told of at once", "[async_client]") {
    testing::network net;
    client_options options = options_for(1883);
    const auto error_of = [&](const std::string& address) {
        options.brokers = {{"a"}, {address}};
        testing::layered_client client(net.context(), options);
        outcome<connect_result> o;
        client.async_connect(o.handler());
        REQUIRE(net.run_until([&] { return o.is_done(); }));
        return o.error();
    };
    CHECK(error_of("mqtts://h") == errc::tls_missing);
    CHECK(error_of("wss://h") == errc::tls_missing);
    CHECK(error_of("ws://h") == errc::websocket_missing);
    CHECK(error_of("mqtts://h") == error_condition::fatal);
    CHECK(net.server().counters().connections == 0);
    options.proxy->kind = proxy_kind::socks5;
    CHECK(error_of("h") == errc::no_proxy_host);
    options.proxy->host = "p";
    const auto before = std::exchange(detail::known_layers.proxy, nullptr);
    CHECK(error_of("h") == errc::proxy_missing);
    detail::known_layers.proxy = before;
    CHECK(before);
    options.proxy = {};
    options.socket->local_address = "eth0";
    CHECK(error_of("h") == errc::local_address_invalid);
}

TEST_CASE("layers: a proxy is reached in place of the broker, and a Unix socket without it", "[async_client]") {
    toy_world w;
    w.options.proxy->kind = proxy_kind::socks5;
    w.options.proxy->host = "p";
    w.options.retry_first_connection = false;
    w.options.version = v5;
    CHECK(w.connect("a"));
    CHECK(w.steps.at(0) == "handshake with a:1883"); // With a server that is no proxy.
    w.result = {};
    w.steps.clear();
    CHECK_FALSE(w.connect("unix:/a"));
    CHECK(w.steps.at(0) == "connected to unix:/a, awaiting CONNACK");
}

TEST_CASE("layers: a server on a port takes clients with layers", "[async_client]") {
    const toy_in_place_of_websocket toy;
    asio::io_context io{1};
    testing::tcp_server server(io);
    server.set_layers(&toy_server);
    client_options options = options_for(server.port());
    options.brokers = {{"ws://127.0.0.1", server.port()}};
    async_client client(io, options);
    const auto until = [&](auto done) {
        const auto end = std::chrono::steady_clock::now() + patience;
        while (!done() && std::chrono::steady_clock::now() < end) io.run_one_for(50ms);
        REQUIRE(done());
    };
    outcome<connect_result> o;
    client.async_connect(o.handler());
    until([&] { return o.is_done(); });
    REQUIRE_FALSE(o.error());
    std::size_t got = 0;
    client.on_message([&](const received_view& m) { got += m.payload.size(); });
    outcome<subscribe_ack> subscribed;
    client.async_subscribe("t", qos::at_least_once, subscribed.handler());
    until([&] { return subscribed.is_done(); });
    int published = 0;
    const std::string large(3'000'000, 'x');
    for (int i = 0; i != 3; ++i)
        client.async_publish(message("t", large, qos::at_least_once), [&](std::error_code e, publish_ack) { published += !e; });
    until([&] { return published == 3 && got == 3 * large.size(); });
    outcome<std::size_t> left;
    client.async_disconnect(left.handler());
    until([&] { return left.is_done(); });
    CHECK_FALSE(left.error());
}

TEST_CASE("async_client: a broker's last words are heard though nothing can be sent to it any more", "[async_client]") {
    asio::io_context io{1};
    below wire;
    lower = &wire;
    client_options options = options_for(1883, v5);
    options.retry_first_connection = false;
    basic_async_client<played_transport> client(io, options);
    outcome<connect_result> o;
    client.async_connect(o.handler());
    const auto settle = [&] {
        io.restart();
        io.poll();
    };
    wire.room = 0;
    settle();
    wire.connected({});
    REQUIRE(wire.write);
    std::exchange(wire.write, nullptr)(asio::error::broken_pipe, 0);
    SECTION("a refusal") {
        wire.bytes(std::string("\x20\x03\x00\x87\x00", 5));
        settle();
        REQUIRE(wire.read);
        wire.end(asio::error::connection_reset);
        settle();
        REQUIRE(o.is_done());
        CHECK(o.error() == reason_code::not_authorized);
    }
    SECTION("half of one, and no more") {
        wire.bytes(std::string("\x20\x03", 2));
        settle();
        REQUIRE(wire.read);
        wire.end(asio::error::eof);
        settle();
        REQUIRE(o.is_done());
        CHECK(o.error() == asio::error::eof);
    }
    SECTION("none") {
        wire.end(asio::error::connection_reset);
        settle();
        REQUIRE(o.is_done());
        CHECK(o.error() == asio::error::connection_reset);
    }
}
