// Layers on top of each other: each shakes hands when the one below it is open, and what passes is the same however it is cut.
#include "support/catch.hpp"
#include "support/layer_pair.hpp"
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

/// An end with these layers, the lowest first.
template <class... Layers>
layer_end end_of(std::unique_ptr<Layers>... layers) {
    auto stack = std::make_unique<layer_stack>();
    (stack->push(std::move(layers)), ...);
    return {std::move(stack)};
}

std::unique_ptr<layer_stack> stack_of(int toys, bool has_bell, bool is_client) {
    auto stack = std::make_unique<layer_stack>();
    if (has_bell) stack->push(std::make_unique<bell>());
    for (int i = 0; i != toys; ++i) stack->push(toy(is_client));
    return stack;
}
layer_pair pair_of_stacks(int toys, bool has_bell = false) {
    return {stack_of(toys, has_bell, true), stack_of(toys, has_bell, false)};
}

} // namespace

TEST_CASE("layers: a stack without any is open, and passes bytes as they are", "[transport]") {
    CHECK(layer_stack().empty());
    layer_end one = end_of();
    one.start();
    CHECK(one.machine->is_open());
    CHECK(one.machine->is_transparent());
    one.say("abc");
    one.receive("def");
    CHECK(one.wire == "abc");
    CHECK(one.plain == "def");
    CHECK_FALSE(one.machine->is_finished());
    CHECK_FALSE(one.machine->ended());
}

TEST_CASE("layers: each begins when those below it are open, and not before", "[transport]") {
    layer_end client = end_of(toy(true), toy(true));
    client.start();
    CHECK(client.wire == "HELLO\n");
    client.wire.clear();
    client.receive("WELCOME");
    CHECK(client.wire.empty());
    client.receive("\n");
    std::string second;
    (void)toy(true)->send("HELLO\n", second);
    CHECK(client.wire == second); // In a frame of the first one's.
    CHECK_FALSE(client.machine->is_open());
    std::string answer;
    (void)toy(false)->send("WELCOME\n", answer);
    client.receive(answer);
    CHECK(client.machine->is_open());
    CHECK(client.plain.empty());
}

TEST_CASE("layers: bytes pass both ways through one to three of them, cut into pieces of every size", "[transport]") {
    for (int toys = 1; toys != 4; ++toys)
        for (const bool has_bell : {false, true})
            for (std::size_t piece = 1; piece != 60; ++piece) {
                CAPTURE(toys, has_bell, piece);
                layer_pair p = pair_of_stacks(toys, has_bell);
                p.piece = piece;
                p.start();
                REQUIRE(p.is_open());
                p.client.say("question");
                p.client.say("");
                p.server.say(std::string(300, 'x'));
                p.exchange();
                CHECK(p.server.plain == "question");
                CHECK(p.client.plain == std::string(300, 'x'));
                CHECK_FALSE(p.client.error);
                CHECK_FALSE(p.server.error);
            }
}

TEST_CASE("layers: bytes for those above may come with the end of a handshake", "[transport]") {
    layer_end client = end_of(std::make_unique<bell>(), toy(true));
    client.start();
    std::string frame;
    (void)toy(false)->send("abc", frame);
    client.receive("!WELCOME\n" + frame);
    CHECK(client.machine->is_open());
    CHECK(client.plain == "abc");
    CHECK(client.wire == "!HELLO\n");
}

TEST_CASE("layers: the error of any of them is that of the stack, with its details and its last words, and bytes in front of it pass",
          "[transport]") {
    layer_pair p = pair_of_stacks(2);
    p.start();
    std::string good, inner_bad, outer_bad = "\xFF\x01";
    SECTION("the upper one") {
        p.server.say("good");
        std::swap(good, p.server.wire);
        (void)toy(false)->send("\xFF\x01", inner_bad);
        p.client.receive(good + inner_bad);
        CHECK(p.client.plain == "good");
    }
    SECTION("the lower one") {
        p.server.say("good");
        std::swap(good, p.server.wire);
        p.client.receive(good + outer_bad);
        CHECK(p.client.plain == "good");
    }
    SECTION("while it begins") {
        layer_end late = end_of(std::make_unique<bell>(), toy(false));
        late.start();
        late.receive("!what");
        CHECK(late.error == std::errc::bad_message);
        CHECK(late.machine->details() == "it said what");
        CHECK(late.wire == "!WHO?");
        return;
    }
    CHECK(p.client.error == std::errc::bad_message);
    CHECK(p.client.machine->details() == "a frame of 65281");
}

TEST_CASE("layers: what one refuses to send is an error, whatever stands above it", "[transport]") {
    layer_pair p = pair_of_stacks(1, true);
    p.start();
    p.client.say("refused");
    CHECK(p.client.error == std::errc::bad_message);
    CHECK(p.client.wire.empty());
}

TEST_CASE("layers: they take their leave from above to below, and the peer knows that each is meant", "[transport]") {
    layer_pair p = pair_of_stacks(2);
    p.start();
    CHECK_FALSE(p.server.machine->is_finished());
    p.client.machine->finish(p.client.wire);
    std::string upper;
    (void)toy(true)->send("\xFF\xFF", upper);
    CHECK(p.client.wire == upper + "\xFF\xFF");
    p.exchange();
    CHECK(p.server.machine->is_finished());
    CHECK_FALSE(p.server.machine->ended());
    CHECK_FALSE(p.server.error);
    CHECK_FALSE(p.client.machine->is_finished());
}

TEST_CASE("layers: before they are open only those that have begun take their leave", "[transport]") {
    layer_end client = end_of(toy(true), toy(true));
    client.start();
    client.wire.clear();
    client.machine->finish(client.wire);
    CHECK(client.wire == "\xFF\xFF");
}

TEST_CASE("layers: an end below is the error of the first that minds, and of none if it was announced", "[transport]") {
    layer_pair p = pair_of_stacks(2, true);
    p.start();
    CHECK(p.client.machine->ended() == std::errc::connection_aborted);
    CHECK(p.client.machine->details() == "no farewell");

    layer_end early = end_of(std::make_unique<bell>(), toy(true));
    early.start();
    CHECK_FALSE(early.machine->ended()); // The bell does not mind, and the other has not begun.
    early.receive("!");
    CHECK(early.machine->ended() == std::errc::connection_aborted);
}

TEST_CASE("layers: a stack is transparent if all of it is, and those that are cost no copy on the way down", "[transport]") {
    layer_stack one;
    one.push(std::make_unique<bell>());
    CHECK(one.is_transparent());
    one.push(toy(true));
    CHECK_FALSE(one.is_transparent());
}
