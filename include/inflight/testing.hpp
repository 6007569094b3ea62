// inflight/testing.hpp - the test kit: an MQTT server in the process of the test, and ways to reach it. Who
// has no Asio includes <inflight/testing/server.hpp>. See include/inflight/README.md.
#pragma once

#include <inflight/testing/memory_transport.hpp>
#include <inflight/testing/tcp_server.hpp>
