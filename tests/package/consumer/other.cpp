// A second unit, so that what both contain must be the same to the linker.
#include <inflight/client.hpp>

bool is_connected(const inflight::client& client);

bool is_connected(const inflight::client& client) { return client.is_connected(); }
