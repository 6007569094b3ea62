// inflight/transport/layer.hpp - what stands between MQTT and a socket: proxy, TLS, WebSocket.
//
// A layer is a machine without I/O, like the session: bytes of the wire in, bytes of the stream out, and the
// other way round. So the same code runs over a socket, in memory, and a byte at a time in a test; and both
// ends of a protocol fit, the server's too.
#pragma once

#include <cassert>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace inflight {

/// One of the protocols below MQTT. Functions with an argument `wire` append to it what is to be sent. After
/// an error nothing more is called but details(); what was appended to `wire` still goes out (an alert, a
/// Close frame).
class layer {
public:
    layer() = default;
    layer(const layer&) = delete;
    layer& operator=(const layer&) = delete;
    virtual ~layer() = default;

    /// The connection below stands.
    virtual std::error_code start(std::string& wire) = 0;
    /// Bytes have come from below. Appends what they hold for above to `plain`, also if there is an error
    /// behind it.
    virtual std::error_code received(std::string_view bytes, std::string& plain, std::string& wire) = 0;
    /// The handshake is over: send() may be called.
    virtual bool is_open() const = 0;
    /// Sends bytes from above, all of them.
    virtual std::error_code send(std::string_view bytes, std::string& wire) = 0;
    /// Nothing more will come from above. Bytes from below may still come.
    virtual void finish(std::string& wire) { (void)wire; }
    /// The peer has said that nothing more will come: close_notify, a Close frame.
    virtual bool is_finished() const { return false; }
    /// The connection below has ended, in due form. Whether that may be now, or what it means.
    virtual std::error_code ended() { return {}; }
    /// What there is to know about the error, in words for a human being: which certificate, which answer.
    virtual std::string details() const { return {}; }
    /// Once open it changes nothing: bytes pass as they are.
    virtual bool is_transparent() const { return false; }
};

/// Layers on top of each other, as one. Once a layer is open the next one above it starts.
class layer_stack final : public layer {
public:
    /// The next one, above the others.
    void push(std::unique_ptr<layer> one) { layers_.push_back(std::move(one)); }
    bool empty() const { return layers_.empty(); }

    std::error_code start(std::string& wire) override { return start_next(wire); }

    std::error_code received(std::string_view bytes, std::string& plain, std::string& wire) override {
        return rise(0, bytes, plain, wire);
    }

    bool is_open() const override {
        return started_ == layers_.size() && (layers_.empty() || layers_.back()->is_open());
    }

    std::error_code send(std::string_view bytes, std::string& wire) override {
        return sink(layers_.size(), bytes, wire);
    }

    void finish(std::string& wire) override {
        for (std::size_t i = started_; i-- != 0;) {
            std::string out;
            layers_[i]->finish(out);
            (void)sink(i, out, wire);
        }
    }

    bool is_finished() const override {
        for (const auto& one : layers_)
            if (one->is_finished()) return true;
        return false;
    }

    std::error_code ended() override {
        for (std::size_t i = 0; i != started_; ++i) {
            if (layers_[i]->is_finished()) return {};
            if (const std::error_code bad = layers_[i]->ended()) return bad;
        }
        return {};
    }

    bool is_transparent() const override {
        for (const auto& one : layers_)
            if (!one->is_transparent()) return false;
        return true;
    }

    std::string details() const override {
        for (const auto& one : layers_)
            if (std::string words = one->details(); !words.empty()) return words;
        return {};
    }

private:
    // Starts what stands on open layers.
    std::error_code start_next(std::string& wire) {
        while (started_ != layers_.size() && (started_ == 0 || layers_[started_ - 1]->is_open())) {
            std::string out;
            const std::size_t at = started_++;
            const std::error_code bad = layers_[at]->start(out);
            if (const std::error_code worse = sink(at, out, wire); bad || worse) return bad ? bad : worse;
        }
        return {};
    }

    // Bytes come to layer `at` from below.
    std::error_code rise(std::size_t at, std::string_view bytes, std::string& plain, std::string& wire) {
        if (at == layers_.size()) {
            plain.append(bytes);
            return {};
        }
        if (at == started_) return {}; // Only a layer that is open passes bytes on, and the next has started.
        std::string up, out;
        const std::error_code bad = layers_[at]->received(bytes, up, out);
        std::error_code worse = sink(at, out, wire);
        if (!bad && !worse) worse = start_next(wire);
        if (!up.empty() && !worse) worse = rise(at + 1, up, plain, wire);
        return bad ? bad : worse;
    }

    // Bytes go down from layer `at`.
    std::error_code sink(std::size_t at, std::string_view bytes, std::string& wire) {
        if (bytes.empty()) return {};
        while (at != 0 && layers_[at - 1]->is_transparent()) --at;
        if (at == 0) {
            wire.append(bytes);
            return {};
        }
        if (at == 1) return layers_[0]->send(bytes, wire);
        std::string out;
        if (const std::error_code bad = layers_[at - 1]->send(bytes, out)) return bad;
        return sink(at - 1, out, wire);
    }

    std::vector<std::unique_ptr<layer>> layers_{}; // The lowest first.
    std::size_t started_ = 0;
};

} // namespace inflight
