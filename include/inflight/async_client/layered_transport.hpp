// inflight/async_client/layered_transport.hpp - a transport with layers above it: proxy, TLS, WebSocket.
//
// Without layers everything is handed on as it is. With them, what is read rises through them on its way to
// the reader, and what is written sinks through them. Answers of the protocols themselves, a pong or an
// alert, are sent from here. Bytes of the wire that cannot be sent at once are kept, and written in the
// background; until they are gone nothing more is taken, so that there are never many.
#pragma once

#include <inflight/async_client/options.hpp>
#include <inflight/async_client/socket_transport.hpp>
#include <inflight/transport/layer.hpp>

#include <asio/buffer.hpp>
#include <asio/error.hpp>

#include <span>

namespace inflight {

namespace detail {

/// What a transport with layers knows of its connection. Operations that are under way hold it, and find in
/// it whether the transport is still there.
template <class Transport>
struct layered_connection {
    using write_handler = std::function<void(std::error_code, std::size_t)>;

    Transport* transport; // Null: gone.
    std::shared_ptr<layer> layers;
    std::error_code error{};                       // What ends it, or has ended it.
    std::error_code write_error{};                 // Nothing can be sent any more; what has come is read.
    std::string early{};                           // Has come with the end of the handshakes.
    std::string unsent{}, sending{};               // Bytes of the wire: that wait, that are being written.
    std::size_t sent = 0;                          // Of the latter.
    std::array<asio::const_buffer, 1> buffers{};   // The rest of them.
    write_handler on_written{};                    // Waits for all that to be gone.
    std::size_t taken = 0;                         // The bytes that it is told of.
    bool is_writing = false, is_finished = false;

    layered_connection(Transport* t, std::shared_ptr<layer> l) : transport(t), layers(std::move(l)) {}
};

} // namespace detail

/// A transport over another one. How it is opened says which layers there are.
template <transport Lower>
class layered_transport {
    using connection = detail::layered_connection<layered_transport>;
    using connection_ptr = std::shared_ptr<connection>;

public:
    using clock_type = typename Lower::clock_type;
    using timer_type = typename Lower::timer_type;
    using open_handler = std::function<void(std::error_code)>;
    static constexpr bool has_layers = true;
    static constexpr std::size_t max_piece = 64 * 1024;   // Bytes that sink at a time, for one write below.
    static constexpr std::size_t max_unsent = 256 * 1024; // Bytes of answers to a peer that does not read.

    explicit layered_transport(const asio::any_io_executor& executor) : lower_(executor) {}
    layered_transport(const layered_transport&) = delete;
    layered_transport& operator=(const layered_transport&) = delete;
    ~layered_transport() {
        if (connection_) connection_->transport = nullptr;
    }

    /// Opens the lower transport, and then lets the layers shake hands, each on those below it.
    void async_open(const broker& where, opening how, open_handler handler) {
        std::shared_ptr<layer> layers = std::move(how.layers);
        if (!layers) return lower_.async_open(where, std::move(how), std::move(handler));
        connection_ = std::make_shared<connection>(this, std::move(layers));
        auto opened = [c = connection_, tell = how.tell,
                       handler = std::move(handler)](std::error_code error) mutable {
            if (!c->transport) return;
            if (error) return handler(error);
            if (tell) tell({.step = connection_step::handshaking});
            std::string& wire = scratch<1>();
            c->error = c->layers->start(wire);
            c->transport->send_wire(wire);
            c->transport->shake_hands(std::move(handler));
        };
        lower_.async_open(where, std::move(how), std::move(opened));
    }

    template <class Handler>
    void async_read(Handler handler) {
        lower_.async_read(reader<Handler>{connection_, std::move(handler)});
    }

    template <class Buffers, class Handler>
    void async_write(const Buffers& buffers, Handler handler) {
        if (!connection_) return lower_.async_write(buffers, std::move(handler));
        connection& c = *connection_;
        c.on_written = std::move(handler);
        c.taken = 0;
        if (c.is_writing) return; // When that is done there is room again.
        std::string& wire = scratch<1>();
        if (!c.error && !c.write_error) c.taken = sink(buffers, wire);
        c.unsent = wire;
        if (!c.unsent.empty()) return write_in_background();
        if (c.error) lower_.close(); // Then writing tells at once that there is nothing to write on.
        c.unsent.assign(1, '\0');
        write_in_background();
    }

    template <class Buffers>
    std::size_t write_now(const Buffers& buffers) {
        if (!connection_) return write_below(buffers);
        connection& c = *connection_;
        if (c.is_writing || c.error || c.write_error) return 0;
        std::string& wire = scratch<1>();
        const std::size_t taken = sink(buffers, wire);
        send_wire(wire);
        return taken;
    }

    void read_is_answered() {
        if constexpr (requires { lower_.read_is_answered(); }) lower_.read_is_answered();
    }

    /// The layers take their leave before the lower transport does.
    void shutdown() {
        if (!connection_) return lower_.shutdown();
        connection& c = *connection_;
        if (std::exchange(c.is_finished, true)) return;
        std::string& wire = scratch<1>();
        if (!c.error) c.layers->finish(wire);
        send_wire(wire);
        if (!c.is_writing) lower_.shutdown();
    }

    void close() { lower_.close(); }

    /// What the layers know of the error that has ended the connection, in words for a human being.
    std::string details() const { return connection_ ? connection_->layers->details() : std::string(); }

private:
    // Buffers that are needed for a moment belong to the thread, and not to each connection: one for what
    // rises, one for what sinks, one for what is put together before it sinks.
    template <int>
    static std::string& scratch() {
        static thread_local std::string buffer;
        buffer.clear();
        if (buffer.capacity() > max_unsent) buffer.shrink_to_fit();
        return buffer;
    }

    // Owns the handler, so that it goes away with the operation below if that never ends.
    template <class Handler>
    struct reader {
        connection_ptr c;
        Handler handler;

        void operator()(std::error_code error, std::string_view bytes) {
            if (!c) return handler(error, bytes);
            if (!c->transport) return;
            std::string& plain = scratch<0>();
            plain.append(std::exchange(c->early, {}));
            c->transport->rise(error, bytes, plain);
            if (plain.empty() && !c->error) return c->transport->lower_.async_read(std::move(*this));
            if (plain.empty()) return handler(c->error, plain);
            if (c->error) c->transport->lower_.close(); // So that the next read tells, whatever comes.
            handler({}, plain);
        }
    };

    // The same during the handshakes.
    struct opener {
        connection_ptr c;
        open_handler handler;

        void operator()(std::error_code error, std::string_view bytes) {
            if (!c->transport) return;
            c->transport->rise(error, bytes, c->early);
            c->transport->shake_hands(std::move(handler));
        }
    };

    // Ends with the operation that writes in the background. If that is forgotten, so is who waits for it.
    struct writer {
        struct end {
            connection_ptr c;
            explicit end(connection_ptr whose) : c(std::move(whose)) {}
            end(const end&) = delete;
            end& operator=(const end&) = delete;
            ~end() {
                if (c) const auto forgotten = std::exchange(c->on_written, nullptr);
            }
        };
        std::shared_ptr<end> pending;

        void operator()(std::error_code error, std::size_t n) {
            const connection_ptr c = std::exchange(pending->c, nullptr);
            if (c->transport) c->transport->on_written(error, n);
        }
    };

    void shake_hands(open_handler handler) {
        connection& c = *connection_;
        if (c.error) return handler(c.error);
        if (!c.layers->is_open()) return lower_.async_read(opener{connection_, std::move(handler)});
        if (c.layers->is_transparent() && c.early.empty() && !c.is_writing) connection_.reset();
        handler({});
    }

    // Bytes have come from below, or there will be none.
    void rise(std::error_code error, std::string_view bytes, std::string& plain) {
        connection& c = *connection_;
        if (c.error) return;
        std::string& wire = scratch<1>();
        if (!error) {
            c.error = c.layers->received(bytes, plain, wire);
            if (!c.error && c.layers->is_finished()) {
                c.layers->finish(wire);
                c.error = asio::error::eof;
            }
        } else {
            // Who takes a handshake for nonsense closes without having read all of it: a reset.
            const bool is_refused = !c.layers->is_open() && error == asio::error::connection_reset;
            c.error = error;
            if (error == asio::error::eof || is_refused)
                if (const std::error_code why = c.layers->ended()) c.error = why;
        }
        send_wire(wire);
    }

    // So much of it as is written with one call. How many bytes.
    template <class Buffers>
    std::size_t sink(const Buffers& buffers, std::string& wire) {
        std::string& gathered = scratch<2>();
        std::string_view piece;
        for (auto b = asio::buffer_sequence_begin(buffers); b != asio::buffer_sequence_end(buffers); ++b) {
            const std::string_view next(static_cast<const char*>(b->data()), b->size());
            if (piece.empty()) {
                piece = next.substr(0, max_piece); // If it is the only one it need not be copied.
                continue;
            }
            if (piece.size() == max_piece) break;
            if (gathered.empty()) gathered = piece;
            piece = gathered.append(next.substr(0, max_piece - gathered.size()));
        }
        connection& c = *connection_;
        if (!piece.empty()) c.error = c.layers->send(piece, wire);
        return c.error ? 0 : piece.size();
    }

    template <class Buffers>
    std::size_t write_below(const Buffers& buffers) {
        if constexpr (requires { lower_.write_now(buffers); }) return lower_.write_now(buffers);
        else return 0;
    }

    void send_wire(std::string_view wire) {
        connection& c = *connection_;
        if (wire.empty()) return;
        if (!c.is_writing) {
            c.buffers[0] = asio::buffer(wire);
            wire.remove_prefix(write_below(std::span<const asio::const_buffer>(c.buffers)));
        }
        c.unsent.append(wire);
        if (c.unsent.size() > max_unsent && !c.error) c.error = asio::error::no_buffer_space;
        if (!c.is_writing && !c.unsent.empty()) write_in_background();
    }

    void write_in_background() {
        connection& c = *connection_;
        if (c.sent == c.sending.size()) {
            c.sending = std::exchange(c.unsent, {});
            c.sent = 0;
        }
        c.is_writing = true;
        c.buffers[0] = asio::buffer(c.sending) + c.sent;
        lower_.async_write(std::span<const asio::const_buffer>(c.buffers),
                           writer{std::make_shared<typename writer::end>(connection_)});
    }

    void on_written(std::error_code error, std::size_t n) {
        connection& c = *connection_;
        c.is_writing = false;
        c.sent += n;
        if (error) c.write_error = error;
        if (!error && (c.sent != c.sending.size() || !c.unsent.empty())) return write_in_background();
        c.sending = std::string();
        c.unsent = std::string();
        c.sent = 0;
        if (c.is_finished) lower_.shutdown();
        if (const auto done = std::exchange(c.on_written, nullptr)) done(c.error ? c.error : error, c.taken);
    }

    Lower lower_;
    connection_ptr connection_{}; // Null: there are no layers.
};

/// Over TCP or a Unix socket, with whatever layers the broker's address asks for.
using default_transport = layered_transport<socket_transport>;

} // namespace inflight
