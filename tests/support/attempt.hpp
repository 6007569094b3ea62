// What comes of one attempt of the client with callbacks to connect.
#pragma once

#include "catch.hpp"

#include <inflight/client.hpp>

struct attempt {
    std::error_code error{};
    std::string details{}; // As the event has it.

    attempt(inflight::client_options o, const inflight::broker& where) {
        o.on_connection_event = [this](const inflight::connection_event& e) {
            if (e.step == inflight::connection_step::lost) details = e.details;
        };
        inflight::client c(o);
        error = c.connect({where});
        CHECK(c.is_connected() == !error);
        (void)c.disconnect();
    }
};
