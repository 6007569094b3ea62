// inflight/testing.hpp - the test kit: an MQTT server in the process of the test. See
// include/inflight/README.md.
#pragma once

#include <inflight/testing/server.hpp>
