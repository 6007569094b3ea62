// inflight/client.hpp - layer 4: the client in the shape of Python's paho. Includes all it takes.
#pragma once

#include <inflight/client/client.hpp>
