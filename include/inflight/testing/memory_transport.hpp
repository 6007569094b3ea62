// inflight/testing/memory_transport.hpp - a client's connection to a server in the same process.
#pragma once

#include <inflight/async_client/basic_async_client.hpp>
#include <inflight/testing/network.hpp>

#include <asio/buffer.hpp>

namespace inflight::testing {

/// A transport through a testing::network, on virtual time. Broker names are names of servers there; ports
/// and kinds of transport do not matter.
class memory_transport {
public:
    using clock_type = virtual_clock;
    using timer_type = virtual_timer;

    explicit memory_transport(const asio::any_io_executor& executor)
        : executor_(executor),
          hub_(detail::hub::of(executor)),
          connection_(std::make_shared<detail::memory_connection>(executor)) {
        hub_.add(connection_);
    }
    memory_transport(const memory_transport&) = delete;
    memory_transport& operator=(const memory_transport&) = delete;
    ~memory_transport() { connection_->abandon(); }

    /// A name has one address.
    template <class Handler> void async_open(const broker& where, const opening&, Handler handler) {
        connection_->open(hub_.find(where.host), std::move(handler));
    }

    template <class Handler> void async_read(Handler handler) { connection_->read(std::move(handler)); }

    template <class Buffers, class Handler> void async_write(const Buffers& buffers, Handler handler) {
        connection_->write([executor = executor_, buffers,
                            handler = std::move(handler)](std::error_code error, std::string& sent) mutable {
            const std::size_t before = sent.size();
            std::size_t n = 0;
            if (!error) {
                n = std::min(asio::buffer_size(buffers), detail::memory_connection::max_unsent - before);
                sent.resize(before + n);
                asio::buffer_copy(asio::buffer(sent.data() + before, n), buffers);
            }
            asio::post(executor, [handler = std::move(handler), error, n]() mutable { handler(error, n); });
        });
    }

    void shutdown() { connection_->shutdown(); }
    void close() { connection_->close(); }

private:
    asio::any_io_executor executor_;
    detail::hub& hub_;
    std::shared_ptr<detail::memory_connection> connection_;
};

/// A client for tests: the same code as async_client, over a testing::network.
using memory_client = basic_async_client<memory_transport>;
/// With TLS, WebSocket or a proxy, if its options say so: see network::set_layers().
using layered_client = basic_async_client<layered_transport<memory_transport>>;

} // namespace inflight::testing
