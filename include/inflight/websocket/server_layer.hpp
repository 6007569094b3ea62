// inflight/websocket/server_layer.hpp - the server's end of a WebSocket connection, for the test kit.
#pragma once

#include <inflight/websocket/handshake.hpp>

namespace inflight {

struct websocket_server_options {
    std::string path{}; // Requests for another one are answered with 404; empty: any will do.
    std::size_t max_frame_size = std::size_t{16} << 20; // Bytes; a larger one ends the connection.
};

/// Takes a client's request, if it is one for MQTT. A refusal is sent, with the reason in words; the error's
/// number is its HTTP status then, and details() has the words.
class websocket_server_layer final : public detail::websocket_layer {
public:
    explicit websocket_server_layer(const websocket_server_options& options = {})
        : websocket_layer(detail::websocket_role::server, options.max_frame_size), path_(options.path) {}

    std::error_code start(std::string&) override { return {}; }

    /// The request's lines, each with its end; so that a test can see what a client has said.
    std::string_view request() const { return head_.text(); }

private:
    // The methods of HTTP are capital letters, and so is no other protocol's beginning that comes to mind.
    bool could_be_http() const override {
        return head_.text().empty() || (head_.text()[0] >= 'A' && head_.text()[0] <= 'Z');
    }

    std::error_code refuse(websocket_errc why, std::string& wire) override {
        if (why == websocket_errc::head_too_large)
            return refuse(websocket_errc::head_fields_too_large, "request is larger than 16 KiB", wire);
        return refuse(websocket_errc::bad_request, "this is no HTTP request", wire);
    }

    std::error_code refuse(websocket_errc status, std::string_view words, std::string& wire) {
        details_ = words;
        const std::string number = std::to_string(static_cast<int>(status));
        wire +=
            "HTTP/1.1 " + number + ' ' + std::string(detail::text_of(status)) + "\r\nConnection: close\r\n";
        if (status == websocket_errc::upgrade_required) // RFC 9110, 15.5.22; RFC 6455, 4.2.2.
            wire += "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
        if (status == websocket_errc::method_not_allowed) wire += "Allow: GET\r\n";
        wire +=
            "Content-Type: text/plain\r\nContent-Length: " + std::to_string(words.size() + 1) + "\r\n\r\n";
        wire.append(words) += '\n';
        return status;
    }

    // RFC 6455, 4.2.
    std::error_code answered(std::string_view, std::string& wire) override {
        const auto line = head_.request_line();
        if (!line) return refuse(websocket_errc::bad_request, "this is no HTTP request", wire);
        if (line->method != "GET") return refuse(websocket_errc::method_not_allowed, "GET is wanted", wire);
        if (!path_.empty() && line->target.substr(0, line->target.find('?')) != path_)
            return refuse(websocket_errc::not_found, "MQTT is at " + path_, wire);
        if (line->minor_version == 0 || head_.count("Host") != 1)
            return refuse(websocket_errc::bad_request, "HTTP 1.1 with one Host is wanted", wire);
        if (!head_.has_element("Upgrade", "websocket") || !head_.has_element("Connection", "Upgrade"))
            return refuse(websocket_errc::upgrade_required, "WebSocket is wanted", wire);
        if (head_.value("Sec-WebSocket-Version") != "13")
            return refuse(websocket_errc::upgrade_required, "version 13 of WebSocket is wanted", wire);
        const auto key = head_.value("Sec-WebSocket-Key");
        if (!key || head_.count("Sec-WebSocket-Key") != 1 || !detail::is_websocket_key(*key))
            return refuse(websocket_errc::bad_request, "Sec-WebSocket-Key is wanted, 16 bytes in Base64",
                          wire);
        if (!offers_mqtt()) // [v5:MQTT-6.0.0-3]
            return refuse(websocket_errc::bad_request, "the subprotocol mqtt is wanted", wire);
        const std::string accept = detail::websocket_accept(*key);
        if (accept.empty()) return websocket_errc::crypto_failed;
        wire += "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: " + // [v5:MQTT-6.0.0-4]
                accept +
                "\r\n\r\n";
        is_open_ = true;
        return {};
    }

    bool offers_mqtt() const {
        bool is_offered = false; // In these letters, unlike most of what HTTP says.
        head_.for_each_element("Sec-WebSocket-Protocol",
                               [&](std::string_view protocol) { is_offered |= protocol == "mqtt"; });
        return is_offered;
    }

    std::string path_;
};

} // namespace inflight
