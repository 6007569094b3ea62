// inflight/async_client/prepared_options.hpp - options as a client can go by them.
#pragma once

#include <inflight/async_client/options.hpp>

#include <random>

namespace inflight::detail {

/// Reads the addresses of brokers. What is wrong with the first that cannot be read, which is left as it is.
inline errc complete_all(std::vector<broker>& brokers, const connection_options& options) {
    errc wrong = errc::none;
    for (broker& b : brokers) {
        const errc bad = complete(b, options.tls.is_set() ? transport_kind::tls : transport_kind::tcp);
        if (wrong == errc::none) wrong = bad;
    }
    return wrong;
}

/// Time limits that clocks can be asked for, a client identifier and a seed if there was none.
inline client_options prepared(client_options options) {
    if (options.brokers.empty()) options.brokers = {broker{}};
    (void)complete_all(options.brokers, options); // Connecting tells.
    if (options.authentication)
        options.connect_properties.set<property_id::authentication_method>(options.authentication.method);
    for (auto* limit :
         {&options.connect_timeout, &options.address_delay, &options.reconnect_delay,
          &options.max_reconnect_delay, &options.stable_after, &options.drain_timeout,
          &options.ack_timeout, &options.ping_timeout})
        *limit = bounded(*limit);
    const std::uint64_t seed = options.seed ? *options.seed : std::random_device{}();
    options.seed = seed;
    std::mt19937_64 random(seed);
    if (options.client_id.empty() && !options.keep_session) {
        // 3.1.1 brokers must take up to 23 letters and digits. [v3:MQTT-3.1.3-5]
        constexpr std::string_view letters = "0123456789abcdefghijklmnopqrstuvwxyz";
        options.client_id = "inflight";
        for (int i = 0; i != 14; ++i) options.client_id.push_back(letters[random() % letters.size()]);
    } else if (options.keep_session && !options.first_packet_id) {
        // The broker may hold open identifiers of ours.
        options.first_packet_id = static_cast<std::uint16_t>(1 + random() % 65'535);
    }
    const auto most = std::clamp<std::size_t>(options.max_inbound_messages, 1, 65'535);
    options.receive_maximum = std::min(options.receive_maximum, static_cast<std::uint16_t>(most));
    if (options.receive_maximum == 0) options.receive_maximum = 1;
    return options;
}

} // namespace inflight::detail
