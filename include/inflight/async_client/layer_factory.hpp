// inflight/async_client/layer_factory.hpp - which layers a broker's address and the options ask for.
#pragma once

#include <inflight/async_client/options.hpp>
#include <inflight/transport/layer_makers.hpp>

#include <asio/ip/address.hpp>

namespace inflight::detail {

inline bool uses_proxy(const broker& where, const proxy_options& proxy) {
    return proxy.kind != proxy_kind::none && where.transport != transport_kind::unix_socket;
}

/// What is needed on the way to the broker and the program has not got.
inline errc missing_layer(const broker& where, const proxy_options& proxy) {
    if (uses_tls(where.transport) && !known_layers.tls) return errc::tls_missing;
    if (uses_websocket(where.transport) && !known_layers.websocket) return errc::websocket_missing;
    return uses_proxy(where, proxy) && !known_layers.proxy ? errc::proxy_missing : errc::none;
}

/// Makes the layers of one client's connections, one after the other, by the options of one moment.
class layer_factory {
public:
    explicit layer_factory(const connection_options& options)
        : tls_(options.tls), websocket_(options.websocket), proxy_(options.proxy) {}

    /// There are layers to be made.
    static bool is_needed(const broker& where, const connection_options& options) {
        return uses_tls(where.transport) || uses_websocket(where.transport) ||
               uses_proxy(where, *options.proxy);
    }

    /// What is wrong with the options, or with this broker, before anything is tried.
    static errc check(broker where, const connection_options& options) {
        if (const errc bad = complete(where); bad != errc::none) return bad;
        if (uses_proxy(where, *options.proxy) && options.proxy->host.empty()) return errc::no_proxy_host;
        std::error_code no_address;
        const std::string& local = options.socket->local_address;
        if (!local.empty()) (void)asio::ip::make_address(local, no_address);
        if (no_address) return errc::local_address_invalid;
        return missing_layer(where, *options.proxy);
    }

    /// Takes a while: files are read. What went wrong; `details` says more of it, a file's name above all.
    std::error_code make(const broker& where, std::shared_ptr<layer>& out, std::string& details) {
        if (const errc bad = missing_layer(where, *proxy_); bad != errc::none) return bad;
        auto stack = std::make_shared<layer_stack>();
        if (uses_proxy(where, *proxy_)) stack->push(known_layers.proxy(*proxy_, where));
        if (uses_tls(where.transport)) {
            if (!tls_maker_) tls_maker_ = known_layers.tls(*tls_);
            std::unique_ptr<layer> made;
            if (const std::error_code bad = tls_maker_->make(where, made, details)) return bad;
            stack->push(std::move(made));
        }
        if (uses_websocket(where.transport)) {
            broker with_path = where;
            if (!where.path.is_set() && !websocket_->path.empty()) *with_path.path = websocket_->path;
            stack->push(known_layers.websocket(with_path, *websocket_));
        }
        out = std::move(stack);
        return {};
    }

    /// Whom the lower transport is to reach.
    broker next_hop(const broker& where) const {
        if (!uses_proxy(where, *proxy_)) return where;
        broker proxy;
        proxy.host = proxy_->host;
        proxy.port = port_of(*proxy_);
        return proxy;
    }

private:
    const boxed<tls_options> tls_;
    const boxed<websocket_options> websocket_;
    const boxed<proxy_options> proxy_;
    std::unique_ptr<tls_layer_maker> tls_maker_{};
};

} // namespace inflight::detail
