// Proxies on foreign bytes: what they answer, and addresses, of theirs and of brokers. However an answer is cut, the same comes
// of it, and what is behind it passes on.
#include "fuzz/input.hpp"

#include <inflight/async_client/redirect.hpp>
#include <inflight/transport/proxy_address.hpp>

#include <algorithm>
#include <string>
#include <vector>

using namespace inflight;

namespace {

// The first byte of an input.
enum flag : unsigned { is_socks = 1, has_credentials = 2, is_address = 4, cuts = 0xf0 };

struct attempt {
    attempt(const proxy_options& proxy, std::string_view answer, std::size_t cut) {
        const auto one = make_proxy_layer(proxy, broker{.host = "broker.example", .port = 1883});
        std::string wire;
        check(!one->start(wire) && !wire.empty(), "start() has no error");
        for (; !answer.empty() && !error; answer.remove_prefix(std::min(cut, answer.size()))) {
            const std::string_view piece = answer.substr(0, cut);
            const std::vector<char> exact(piece.begin(), piece.end()); // Reading beyond it is found out.
            const bool was_open = one->is_open();
            const std::size_t before = plain.size();
            error = one->received({exact.data(), exact.size()}, plain, wire);
            check(one->is_open() || plain.empty(), "nothing comes out before the proxy has connected");
            check(!was_open || std::string_view(plain).substr(before) == piece, "then all passes as it is");
            check(!was_open || !error, "and there are no errors");
            check(plain.size() - before <= piece.size(), "no more comes out than goes in");
        }
        is_open = one->is_open();
        check(!error || error.category() == proxy_category(), "errors are of the category");
        check(!error || !is_open, "what has failed is not open");
        check((error == error_condition::fatal) != (error == error_condition::transient) || !error, "errors are judged");
        check(wire.size() < 1000, "little is said");
        check(one->details().size() < 1000, "details are short");
        check(is_open == !one->ended(), "an end before is an error");
    }

    std::error_code error{};
    std::string plain{};
    bool is_open = false;
};

void read_address(std::string_view text) {
    const auto proxy = parse_proxy(text);
    if (proxy) {
        check(!proxy->host.empty(), "an address has a host");
        check(proxy->kind != proxy_kind::none, "an address has a kind");
    }
    if (const auto where = parse_broker(text)) {
        check(!where->host.empty(), "a broker's address has a host");
        broker without_login = *where;
        without_login.login = {};
        const auto again = parse_broker(print(*where));
        check(again && *again == without_login, "what is printed is read as the same");
        broker twice = *where;
        check(detail::complete(twice) == errc::none && twice == *where, "what has been read is complete");
    }
    const auto has_control = [](const std::string& host) {
        return std::any_of(host.begin(), host.end(), detail::is_blank_or_control);
    };
    if (const auto all = parse_server_reference(text, broker{.port = 1883}))
        for (const broker& one : *all) check(!one.host.empty() && !has_control(one.host), "a reference names hosts");
    const std::string value(text);
    (void)detail::proxy_from(broker{.host = "a.b.example"}, [&](const char*) { return value.c_str(); });
    (void)detail::is_exempt_by(text, "a.b.example", 1883);
    (void)detail::is_exempt_by(text, "2001:db8::1", 1883);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    input in(data, size);
    const unsigned flags = in.byte();
    const std::string_view rest = in.bytes(size);
    if ((flags & is_address) != 0) {
        read_address(rest);
        return 0;
    }
    proxy_options proxy{.kind = (flags & is_socks) != 0 ? proxy_kind::socks5 : proxy_kind::http};
    if ((flags & has_credentials) != 0) {
        proxy.user_name = "user";
        proxy.password = "secret";
    }
    const attempt whole(proxy, rest, std::max<std::size_t>(1, rest.size())), pieces(proxy, rest, 1 + (flags & cuts) / 16);
    check(whole.error == pieces.error, "the same error, however the bytes are cut");
    check(whole.plain == pieces.plain, "the same bytes, however they are cut");
    check(whole.is_open == pieces.is_open, "the same state, however the bytes are cut");
    return 0;
}
