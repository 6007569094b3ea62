// What brokers may be behind. To include it is enough.
#include <inflight/tls.hpp>
#include <inflight/websocket.hpp>
