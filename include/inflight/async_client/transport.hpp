// inflight/async_client/transport.hpp - what a client needs of the way to its broker.
#pragma once

#include <inflight/async_client/options.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/buffer.hpp>

#include <concepts>
#include <span>

namespace inflight {

/// A stream of bytes to a broker and back. The library's own: socket_transport (TCP, Unix sockets),
/// layered_transport (proxy, TLS and WebSocket on any other), testing::memory_transport. One's own is the
/// argument of basic_async_client, or of layered_transport first; examples/own_transport.cpp is one.
///
/// An object is one connection. It is made with the client's executor, opened, and given up when it ends; the
/// client never copies or moves it. Its handlers are called through that executor, exactly once, never from
/// inside the function that they are given to, and only one at a time; not at all if the object is destroyed
/// first. They hold a std::shared_ptr to it: who keeps a handler keeps the transport. No two reads are under
/// way at a time, and no two writes.
///
///   clock_type, timer_type        std::chrono::steady_clock and asio::steady_timer, or what stands for them
///   async_open(broker, opening, handler)
///                                 Resolves, connects, shakes hands; handler(std::error_code). The broker's
///                                 address is complete: a port, no scheme. `opening` says how.
///   async_read(handler)           Waits for bytes; handler(std::error_code, std::string_view): they are good
///                                 during the call only. asio::error::eof: the peer has closed.
///   async_write(buffers, handler) Writes some of the bytes, which stay where they are meanwhile;
///                                 handler(std::error_code, std::size_t): how many. 0 without an error:
///                                 there is room again. `buffers` is a std::span<const asio::const_buffer>.
///   shutdown()                    Nothing more is written; the peer reads an end. Reading goes on.
///   close()                       Ends everything; handlers that wait are called with an error.
///
/// And it may have:
///
///   write_now(buffers)            Writes what can be written without waiting, and returns how many bytes. 0,
///                                 also of an error: async_write() will tell.
///   read_is_answered()            What was read has been dealt with, and what there was to write for it is
///                                 written, or being written: TCP's acknowledgement need not wait for more.
///   details()                     What there is to know of the error besides, for a human being.
///   has_layers                    A static member: it takes opening::layers. Without it the broker's kind of
///                                 transport (TLS, WebSocket ...) is the transport's own affair.
template <class T>
concept transport =
    std::constructible_from<T, const asio::any_io_executor&> &&
    requires(T t, const broker& where, opening how, std::span<const asio::const_buffer> buffers,
             std::function<void(std::error_code)> opened,
             std::function<void(std::error_code, std::string_view)> read,
             std::function<void(std::error_code, std::size_t)> written) {
        typename T::clock_type;
        typename T::timer_type;
        t.async_open(where, how, opened);
        t.async_read(read);
        t.async_write(buffers, written);
        t.shutdown();
        t.close();
    };

} // namespace inflight
