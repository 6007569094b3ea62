#include <inflight/client.hpp>

#if EXPECTED_SEPARATE != defined(INFLIGHT_SEPARATE_COMPILATION)
#error "the target does not say how the library is compiled"
#endif
#if EXPECTED_SEPARATE && defined(ASIO_VERSION)
#error "Asio is a matter of the library alone"
#endif

bool is_connected(const inflight::client& client); // other.cpp

int main() {
    inflight::client client;
    client.on_message([](const inflight::received_message&) {});
    return is_connected(client) ? 1 : 0;
}
