// inflight/async_client/observer.hpp - who is told what happens to a client as a whole.
#pragma once

#include <inflight/async_client/options.hpp>
#include <inflight/session/event.hpp>

namespace inflight::detail {

using packet_printer = std::string (*)(std::string_view packet, protocol_version version);

/// Called with the client's lock held: takes note and returns, and calls nothing of the client.
struct observer {
    virtual void on_connected(connect_result) {}
    virtual void on_connect_failed(connect_result) {}  // Final: no other attempt is made.
    virtual void on_disconnected(disconnect_result) {} // Had been connected.
    virtual void on_message_queued() {}                // There is one more to take.
    virtual void on_published(const event::published&, std::error_code) {}
    virtual void on_replied(event::replied, std::error_code) {} // tag 0: subscriptions were renewed.
    virtual void on_reauthenticated(const authentication_result&) {}
    virtual void on_oversized(const oversized_message&) {}
    virtual void on_packet(bool, std::string) {} // True: sent. One printed packet.
    virtual packet_printer wanted_printer() const { return nullptr; } // What prints it; null: not wanted.
    virtual void on_turn_end() {} // The client has done what there was to be done for now.
    virtual bool has_message_in_hand() const { return false; } // It will be acknowledged shortly.

protected:
    ~observer() = default;
};

/// The tag of operations whose outcome goes to the observer.
inline constexpr operation observer_tag = 1;

} // namespace inflight::detail
