#include <asio/error_code.hpp>
#include <asio/version.hpp>

#include <inflight/session.hpp>

static_assert(ASIO_VERSION == EXPECTED_ASIO_VERSION, "another Asio than the one asked for");

int main() { return asio::error_code() ? 1 : 0; }
