#include <inflight/client.hpp>
#include <inflight/scram.hpp>

int main() {
    inflight::client_options options;
    options.authentication = inflight::scram_sha_256("user", "pencil");
    inflight::client client(options);
    std::string first;
    const inflight::scram_sha_256_exchange exchange("user", "pencil", exchange.random_nonce());
    return exchange.client_first(first) == inflight::scram_errc::none ? 0 : 1;
}
