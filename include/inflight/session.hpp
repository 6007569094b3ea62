// inflight/session.hpp - layer 2: MQTT as a machine without I/O. Includes the whole layer, and the codec.
#pragma once

#include <inflight/codec.hpp>
#include <inflight/session/client_session.hpp>
