#include <inflight/client.hpp>

#include <asio/version.hpp>

#ifdef EXPECTED_ASIO_VERSION
static_assert(ASIO_VERSION == EXPECTED_ASIO_VERSION, "another Asio than the one asked for");
#endif

int main() {
    inflight::client client;
    return client.is_connected() ? 1 : 0;
}
