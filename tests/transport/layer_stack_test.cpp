// Layers on top of each other: each shakes hands when the one below it is open, and what passes is the same however it is cut.
#include "support/catch.hpp"
#include "support/toy_layer.hpp"

using namespace inflight;

namespace {

std::unique_ptr<layer> toy(bool is_client) {
    return std::make_unique<toy_layer>(is_client ? toy_layer::role::client : toy_layer::role::server);
}

/// Bytes as they are, once a "!" has come from below, to which it answers with another one.
struct bell final : layer {
    bool is_rung = false;
    std::error_code start(std::string& wire) override {
        wire += '!';
        return {};
    }
    std::error_code received(std::string_view bytes, std::string& plain, std::string&) override {
        if (!is_rung && !bytes.starts_with('!')) return std::make_error_code(std::errc::bad_message);
        plain += bytes.substr(is_rung ? 0 : 1);
        is_rung = true;
        return {};
    }
    bool is_open() const override { return is_rung; }
    std::error_code send(std::string_view bytes, std::string& wire) override {
        wire += bytes;
        return {};
    }
    bool is_transparent() const override { return true; }
};

/// One end: its layers, and what has come of them.
struct end {
    layer_stack stack{};
    std::string wire{}, plain{};
    std::error_code error{};

    void start() { error = stack.start(wire); }
    void hears(std::string_view bytes) {
        if (!error) error = stack.received(bytes, plain, wire);
    }
    void says(std::string_view bytes) { error = stack.send(bytes, wire); }
};

/// Both ends, and a wire that carries pieces of that size.
struct pair_of_ends {
    end client{}, server{};
    std::size_t piece = std::string::npos;

    explicit pair_of_ends(int toys, bool has_bell = false) {
        for (const bool is_client : {true, false}) {
            end& e = is_client ? client : server;
            if (has_bell) e.stack.push(std::make_unique<bell>());
            for (int i = 0; i != toys; ++i) e.stack.push(toy(is_client));
        }
    }
    void start() {
        client.start();
        server.start();
        exchange();
    }
    void exchange() {
        while (carry(client, server) || carry(server, client)) {}
    }
    bool carry(end& from, end& to) {
        const std::string bytes = std::exchange(from.wire, {});
        for (std::string_view rest = bytes; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size())))
            to.hears(rest.substr(0, piece));
        return !bytes.empty();
    }
    bool is_open() const { return client.stack.is_open() && server.stack.is_open(); }
};

} // namespace

TEST_CASE("layers: a stack without any is open, and passes bytes as they are", "[transport]") {
    end one;
    CHECK(one.stack.empty());
    one.start();
    CHECK(one.stack.is_open());
    CHECK(one.stack.is_transparent());
    one.says("abc");
    one.hears("def");
    CHECK(one.wire == "abc");
    CHECK(one.plain == "def");
    CHECK_FALSE(one.stack.is_finished());
    CHECK_FALSE(one.stack.ended());
}

TEST_CASE("layers: each begins when those below it are open, and not before", "[transport]") {
    end client;
    client.stack.push(toy(true));
    client.stack.push(toy(true));
    client.start();
    CHECK(client.wire == "HELLO\n");
    client.wire.clear();
    client.hears("WELCOME");
    CHECK(client.wire.empty());
    client.hears("\n");
    std::string second;
    (void)toy(true)->send("HELLO\n", second);
    CHECK(client.wire == second); // In a frame of the first one's.
    CHECK_FALSE(client.stack.is_open());
    std::string answer;
    (void)toy(false)->send("WELCOME\n", answer);
    client.hears(answer);
    CHECK(client.stack.is_open());
    CHECK(client.plain.empty());
}

TEST_CASE("layers: bytes pass both ways through one to three of them, cut into pieces of every size", "[transport]") {
    for (int toys = 1; toys != 4; ++toys)
        for (const bool has_bell : {false, true})
            for (std::size_t piece = 1; piece != 60; ++piece) {
                CAPTURE(toys, has_bell, piece);
                pair_of_ends p(toys, has_bell);
                p.piece = piece;
                p.start();
                REQUIRE(p.is_open());
                p.client.says("question");
                p.client.says("");
                p.server.says(std::string(300, 'x'));
                p.exchange();
                CHECK(p.server.plain == "question");
                CHECK(p.client.plain == std::string(300, 'x'));
                CHECK_FALSE(p.client.error);
                CHECK_FALSE(p.server.error);
            }
}

TEST_CASE("layers: bytes for those above may come with the end of a handshake", "[transport]") {
    end client;
    client.stack.push(std::make_unique<bell>());
    client.stack.push(toy(true));
    client.start();
    std::string frame;
    (void)toy(false)->send("abc", frame);
    client.hears("!WELCOME\n" + frame);
    CHECK(client.stack.is_open());
    CHECK(client.plain == "abc");
    CHECK(client.wire == "!HELLO\n");
}

TEST_CASE("layers: the error of any of them is that of the stack, with its details and its last words, and bytes in front of it pass",
          "[transport]") {
    pair_of_ends p(2);
    p.start();
    std::string good, inner_bad, outer_bad = "\xFF\x01";
    SECTION("the upper one") {
        p.server.says("good");
        std::swap(good, p.server.wire);
        (void)toy(false)->send("\xFF\x01", inner_bad);
        p.client.hears(good + inner_bad);
        CHECK(p.client.plain == "good");
    }
    SECTION("the lower one") {
        p.server.says("good");
        std::swap(good, p.server.wire);
        p.client.hears(good + outer_bad);
        CHECK(p.client.plain == "good");
    }
    SECTION("while it begins") {
        end late;
        late.stack.push(std::make_unique<bell>());
        late.stack.push(toy(false));
        late.start();
        late.hears("!what");
        CHECK(late.error == std::errc::bad_message);
        CHECK(late.stack.details() == "it said what");
        CHECK(late.wire == "!WHO?");
        return;
    }
    CHECK(p.client.error == std::errc::bad_message);
    CHECK(p.client.stack.details() == "a frame of 65281");
}

TEST_CASE("layers: what one refuses to send is an error, whatever stands above it", "[transport]") {
    pair_of_ends p(1, true);
    p.start();
    p.client.says("refused");
    CHECK(p.client.error == std::errc::bad_message);
    CHECK(p.client.wire.empty());
}

TEST_CASE("layers: they take their leave from above to below, and the peer knows that each is meant", "[transport]") {
    pair_of_ends p(2);
    p.start();
    CHECK_FALSE(p.server.stack.is_finished());
    p.client.stack.finish(p.client.wire);
    std::string upper;
    (void)toy(true)->send("\xFF\xFF", upper);
    CHECK(p.client.wire == upper + "\xFF\xFF");
    p.exchange();
    CHECK(p.server.stack.is_finished());
    CHECK_FALSE(p.server.stack.ended());
    CHECK_FALSE(p.server.error);
    CHECK_FALSE(p.client.stack.is_finished());
}

TEST_CASE("layers: before they are open only those that have begun take their leave", "[transport]") {
    end client;
    client.stack.push(toy(true));
    client.stack.push(toy(true));
    client.start();
    client.wire.clear();
    client.stack.finish(client.wire);
    CHECK(client.wire == "\xFF\xFF");
}

TEST_CASE("layers: an end below is the error of the first that minds, and of none if it was announced", "[transport]") {
    pair_of_ends p(2, true);
    p.start();
    CHECK(p.client.stack.ended() == std::errc::connection_aborted);
    CHECK(p.client.stack.details() == "no farewell");

    end early;
    early.stack.push(std::make_unique<bell>());
    early.stack.push(toy(true));
    early.start();
    CHECK_FALSE(early.stack.ended()); // The bell does not mind, and the other has not begun.
    early.hears("!");
    CHECK(early.stack.ended() == std::errc::connection_aborted);
}

TEST_CASE("layers: a stack is transparent if all of it is, and those that are cost no copy on the way down", "[transport]") {
    end one;
    one.stack.push(std::make_unique<bell>());
    CHECK(one.stack.is_transparent());
    one.stack.push(toy(true));
    CHECK_FALSE(one.stack.is_transparent());
}
