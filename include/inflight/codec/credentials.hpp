// inflight/codec/credentials.hpp - what the broker shall know the client by: the two fields of CONNECT.
#pragma once

#include <optional>
#include <string>

namespace inflight {

struct credentials {
    std::optional<std::string> user_name{};
    std::optional<std::string> password{}; // 3.1.1: only with a user name.
    friend bool operator==(const credentials&, const credentials&) = default;
};

} // namespace inflight
