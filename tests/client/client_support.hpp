// What the tests of the client share.
#pragma once

#include "support/catch.hpp"
#include "support/fake_server.hpp"
#include "support/short_names.hpp"
#include "support/watched.hpp"

#include <inflight/client.hpp>

#include <algorithm>
#include <future>

using namespace inflight;
using namespace std::chrono_literals;

inline const std::string here = "127.0.0.1";

inline client_options test_options(std::optional<protocol_version> version = v5) {
    client_options o;
    o.client_id = "c";
    o.version = version;
    o.reconnect_delay = 10ms;
    o.max_reconnect_delay = 40ms;
    o.connect_timeout = o.ack_timeout = o.drain_timeout = patience;
    o.seed = 1;
    return o;
}

inline std::string words(std::error_code error) { return error ? error.message() : "ok"; }

inline publish delivered(unsigned number, qos level, std::string_view topic, std::string_view payload, bool dup = false) {
    return {.dup = dup, .qos = level, .topic = topic, .id = id(number), .payload = payload};
}
