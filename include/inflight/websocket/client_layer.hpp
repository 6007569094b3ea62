// inflight/websocket/client_layer.hpp - the client's end of a WebSocket connection.
#pragma once

#include <inflight/transport/address.hpp>
#include <inflight/transport/options.hpp>
#include <inflight/websocket/handshake.hpp>

namespace inflight {

/// Asks for WebSocket with the subprotocol mqtt, and speaks it then. Errors are websocket_errc's; details()
/// has the answer's status line and the first of what is behind it.
class websocket_client_layer final : public detail::websocket_layer {
public:
    websocket_client_layer(const broker& where, websocket_options options)
        : websocket_layer(detail::websocket_role::client, options.max_frame_size),
          where_(where),
          options_(std::move(options)) {}

    std::error_code start(std::string& wire) override {
        std::string path = where_.path.is_set() ? *where_.path : "/mqtt";
        websocket_options::header_list headers = options_.headers;
        if (options_.prepare_request) options_.prepare_request(path, headers);
        if (!path.starts_with('/')) path.insert(0, 1, '/'); // RFC 6455, 3: of an empty one, too.
        if (const std::error_code bad = check(path, headers)) return bad;
        key_ = detail::websocket_key();
        if (key_.empty()) return websocket_errc::crypto_failed;
        wire += "GET " + path + " HTTP/1.1\r\n";
        if (!has_host(headers)) wire += "Host: " + host() + "\r\n";
        wire += "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Key: " + // [v5:MQTT-6.0.0-3]
                key_ +
                "\r\n";
        for (const auto& [name, value] : headers) wire.append(name).append(": ").append(value).append("\r\n");
        wire += "\r\n";
        return {};
    }

private:
    // Whatever comes from an application ends where it should, and says nothing that is for us to say.
    std::error_code check(std::string_view path, const websocket_options::header_list& headers) {
        const bool is_path =
            std::all_of(path.begin(), path.end(), [](char c) { return c > ' ' && c < '\x7f' && c != '#'; });
        if (!is_path) {
            details_ = "path: " + detail::quotable(path);
            return websocket_errc::path_invalid;
        }
        for (const auto& [name, value] : headers)
            if (!detail::is_http_token(name) || !detail::is_http_value(value) || is_ours(name)) {
                details_ = "header: " + detail::quotable(name); // Not its value, which may be a secret.
                return websocket_errc::header_invalid;
            }
        return {};
    }

    static bool is_ours(std::string_view name) {
        constexpr std::string_view prefix = "Sec-WebSocket-";
        return detail::equals_ignoring_case(name.substr(0, prefix.size()), prefix) ||
               detail::equals_ignoring_case(name, "Upgrade") ||
               detail::equals_ignoring_case(name, "Connection") ||
               detail::equals_ignoring_case(name, "Content-Length") ||
               detail::equals_ignoring_case(name, "Transfer-Encoding");
    }

    static bool has_host(const websocket_options::header_list& headers) {
        return std::any_of(headers.begin(), headers.end(),
                           [](const auto& h) { return detail::equals_ignoring_case(h.first, "Host"); });
    }

    // RFC 6455, 4.1: with the port, unless it is the scheme's own; RFC 3986, 3.2.2: IPv6 in brackets;
    // RFC 6874, 1: without a zone, which only this machine knows.
    std::string host() const {
        std::string name = detail::without_brackets(where_.host);
        if (name.find(':') != name.npos) name = detail::in_brackets(name.substr(0, name.find('%')));
        const bool is_usual = where_.port == 0 || where_.port == detail::scheme_of(where_.transport).port;
        return is_usual ? name : name + ':' + std::to_string(where_.port);
    }

    bool could_be_http() const override {
        constexpr std::string_view begin = "HTTP/";
        return begin.starts_with(head_.text().substr(0, begin.size()));
    }

    std::error_code refuse(websocket_errc why, std::string&) override {
        details_ = "answer: " + detail::quotable(head_.text());
        return why;
    }

    std::error_code answered(std::string_view body, std::string& wire) override {
        const auto line = head_.status_line();
        if (!line) return refuse(websocket_errc::not_http, wire);
        details_ = "answer: " + detail::quotable(head_.start_line());
        if (line->status < 200 && line->status != 101) { // The answer is still to come. RFC 9110, 15.2.
            interim_ += head_.text().size();
            if (interim_ > detail::http_head::limit) return websocket_errc::head_too_large;
            head_.reset();
            return {};
        }
        if (line->status != 101) {
            if (const auto where = head_.value("Location"))
                details_ += ", Location: " + detail::quotable(*where);
            if (const std::string words = detail::quotable(body); !words.empty()) details_ += ", " + words;
            return static_cast<websocket_errc>(line->status);
        }
        if (line->minor_version == 0) return websocket_errc::http_version;
        const websocket_errc bad = consent();
        if (bad != websocket_errc::none) return bad;
        details_.clear();
        head_.reset(); // Its memory is for the handshake only.
        is_open_ = true;
        return {};
    }

    // RFC 6455, 4.1.
    websocket_errc consent() {
        if (!head_.has_element("Upgrade", "websocket") || !head_.has_element("Connection", "Upgrade"))
            return websocket_errc::no_upgrade;
        const std::string expected = detail::websocket_accept(key_);
        if (expected.empty()) return websocket_errc::crypto_failed;
        const auto accept = head_.value("Sec-WebSocket-Accept");
        if (accept != expected || head_.count("Sec-WebSocket-Accept") != 1) {
            details_ += accept ? ", Sec-WebSocket-Accept: " + detail::quotable(*accept) : ", without it";
            return websocket_errc::wrong_accept;
        }
        if (const auto extension = head_.value("Sec-WebSocket-Extensions");
            extension && !extension->empty()) {
            details_ += ", Sec-WebSocket-Extensions: " + detail::quotable(*extension);
            return websocket_errc::unknown_extension;
        }
        const auto protocol = head_.value("Sec-WebSocket-Protocol");
        if (!protocol) return websocket_errc::no_subprotocol;
        if (protocol != "mqtt" || head_.count("Sec-WebSocket-Protocol") != 1) { // [v5:MQTT-6.0.0-4]
            details_ += ", Sec-WebSocket-Protocol: " + detail::quotable(*protocol);
            return websocket_errc::wrong_subprotocol;
        }
        return websocket_errc::none;
    }

    broker where_;
    websocket_options options_;
    std::string key_{};
    std::size_t interim_ = 0; // Bytes of answers before the answer.
};

} // namespace inflight
