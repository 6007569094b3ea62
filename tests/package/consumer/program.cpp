#include <inflight/client.hpp>

int main() {
    inflight::client client;
    return client.is_connected() ? 1 : 0;
}
