// TLS: handshakes and what follows them, both ends in memory.
#include "tls/tls_support.hpp"

TEST_CASE("tls: both ends are open after the handshake, however its bytes are cut", "[tls]") {
    const certificates all;
    for (const auto version : {tls_version::v1_2, tls_version::v1_3}) {
        for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{1000}, std::string::npos}) {
            CAPTURE(piece);
            auto options = all.for_server();
            options.maximum_version = version;
            tls_connections connections(all.for_client(), options);
            tls_pair pair = connections.connect(piece);
            INFO(pair.client.error.message() << " / " << pair.server.error.message());
            REQUIRE(pair.is_open());
            CHECK(pair.client.tls().version() == (version == tls_version::v1_3 ? "TLSv1.3" : "TLSv1.2"));
            pair.client.say("hello, server");
            pair.server.say("hello, client");
            pair.exchange();
            CHECK(pair.server.plain == "hello, server");
            CHECK(pair.client.plain == "hello, client");
            CHECK_FALSE(pair.client.machine->is_finished());
        }
    }
}
