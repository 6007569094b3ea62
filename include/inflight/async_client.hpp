// inflight/async_client.hpp - layer 3: the client in Asio's shape. Includes all it takes.
#pragma once

#include <inflight/async_client/basic_async_client.hpp>
#include <inflight/session.hpp>
