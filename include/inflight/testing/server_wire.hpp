// inflight/testing/server_wire.hpp - the server's side of what stands between MQTT and a connection.
#pragma once

#include <inflight/transport/layer.hpp>

#include <algorithm>
#include <functional>

namespace inflight::testing {

/// Makes the layers of one connection, for the server's role: a `layer_stack`, or a single layer.
using layers_function = std::function<std::unique_ptr<layer>()>;

namespace detail {

/// What passes between one connection and its server. Without layers the bytes themselves.
class server_wire {
public:
    static constexpr std::size_t max_chunk = 64 * 1024; // Bytes of output at a time.

    explicit server_wire(const layers_function& make) : layers_(make ? make() : nullptr) {
        if (layers_) is_over_ = bool(layers_->start(unsent_));
    }

    /// What these bytes hold for the server; good until the next call.
    std::string_view received(std::string_view bytes) {
        if (!layers_) return bytes;
        plain_.clear();
        if (is_over_) return {};
        is_over_ = bool(layers_->received(bytes, plain_, unsent_));
        if (!is_over_ && layers_->is_finished()) finish();
        return plain_;
    }

    /// Replaces `chunk` by what is to be sent next. How many bytes of the server's output it holds.
    std::size_t take(std::string_view output, std::string& chunk) {
        output = output.substr(0, max_chunk);
        if (!layers_) {
            chunk = output;
            return chunk.size();
        }
        if (is_over_ || !layers_->is_open()) output = {};
        if (!output.empty()) is_over_ = bool(layers_->send(output, unsent_));
        chunk = std::exchange(unsent_, {});
        return output.size();
    }

    /// The server has nothing more to say: then the layers take their leave.
    void finish() {
        if (layers_ && !std::exchange(is_over_, true)) layers_->finish(unsent_);
    }

    /// Nothing more passes, but what take() still gives.
    bool is_over() const { return is_over_; }
    bool has_output() const { return !unsent_.empty(); }

private:
    std::unique_ptr<layer> layers_;
    std::string unsent_{}, plain_{};
    bool is_over_ = false;
};

} // namespace detail
} // namespace inflight::testing
