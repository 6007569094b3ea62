// A layer for tests, for both ends. The client says "HELLO\n" and the server "WELCOME\n"; then all is frames: a length of two
// bytes and so many bytes, each one greater than what it stands for. A frame without bytes is a ping, to be answered by
// "\xFF\xFE"; "\xFF\xFF" says that nothing more will come. A length beyond 0xF000 is else an error.
#pragma once

#include <inflight/transport/layer.hpp>
#include <inflight/transport/layer_makers.hpp>

#include <functional>

class toy_layer final : public inflight::layer {
public:
    enum class role { client, server };
    explicit toy_layer(role r) : role_(r) {}

    std::error_code start(std::string& wire) override {
        if (role_ == role::client) wire += "HELLO\n";
        return {};
    }

    std::error_code received(std::string_view bytes, std::string& plain, std::string& wire) override {
        in_ += bytes;
        if (!is_open_) {
            const std::string_view greeting = role_ == role::client ? "WELCOME\n" : "HELLO\n";
            if (greeting.substr(0, in_.size()) != in_.substr(0, greeting.size())) {
                wire += "WHO?";
                return fail("it said " + in_);
            }
            if (in_.size() < greeting.size()) return {};
            in_.erase(0, greeting.size());
            is_open_ = true;
            if (role_ == role::server) wire += "WELCOME\n";
        }
        while (in_.size() >= 2 && !is_finished_) {
            const std::size_t size = static_cast<unsigned char>(in_[0]) * 256u + static_cast<unsigned char>(in_[1]);
            if (size == 0xFFFF) is_finished_ = true;
            else if (size == 0xFFFE) ++pongs;
            else if (size == 0) wire += "\xFF\xFE";
            else if (size > 0xF000) return fail("a frame of " + std::to_string(size));
            else if (in_.size() < 2 + size) return {};
            else
                for (const char c : in_.substr(2, size)) plain += static_cast<char>(c - 1);
            in_.erase(0, 2 + (size > 0xF000 ? 0 : size));
        }
        return {};
    }

    bool is_open() const override { return is_open_; }

    std::error_code send(std::string_view bytes, std::string& wire) override {
        if (bytes == "refused") return fail("it was not to be sent");
        for (; !bytes.empty(); bytes.remove_prefix(std::min<std::size_t>(bytes.size(), 0xF000))) {
            const std::size_t n = std::min<std::size_t>(bytes.size(), 0xF000);
            wire += {static_cast<char>(n / 256), static_cast<char>(n % 256)};
            for (const char c : bytes.substr(0, n)) wire += static_cast<char>(c + 1);
        }
        return {};
    }

    void finish(std::string& wire) override { wire += "\xFF\xFF"; }
    bool is_finished() const override { return is_finished_; }
    std::error_code ended() override {
        if (is_finished_) return {};
        details_ = is_open_ ? "no farewell" : "no greeting";
        return std::make_error_code(std::errc::connection_aborted);
    }
    std::string details() const override { return details_; }

    unsigned pongs = 0;

private:
    std::error_code fail(std::string details) {
        details_ = std::move(details);
        return std::make_error_code(std::errc::bad_message);
    }

    role role_;
    std::string in_{}, details_{};
    bool is_open_ = false, is_finished_ = false;
};

inline std::unique_ptr<inflight::layer> toy_server() { return std::make_unique<toy_layer>(toy_layer::role::server); }

/// As long as it lives ws:// means the toy.
class toy_in_place_of_websocket {
public:
    toy_in_place_of_websocket() {
        inflight::detail::known_layers.websocket = [](const inflight::broker&, const inflight::websocket_options&) {
            return std::unique_ptr<inflight::layer>(std::make_unique<toy_layer>(toy_layer::role::client));
        };
    }
    ~toy_in_place_of_websocket() { inflight::detail::known_layers = before_; }
    toy_in_place_of_websocket(const toy_in_place_of_websocket&) = delete;
    toy_in_place_of_websocket& operator=(const toy_in_place_of_websocket&) = delete;

private:
    inflight::detail::layer_makers before_ = inflight::detail::known_layers;
};
