// inflight/testing/network.hpp - clients and servers in one process, on virtual time.
//
// Theory of operation. What a client wants of its transport is noted in a memory_connection. The network's
// turns alternate between the client's handlers and these connections; when neither has anything to do, the
// clock jumps to the next deadline of a timer or a server. So a scenario takes no time, needs no thread, and
// goes the same way each time it is run, if the clients have a seed (client_options).
#pragma once

#include <inflight/testing/server.hpp>
#include <inflight/testing/server_wire.hpp>
#include <inflight/testing/virtual_clock.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <functional>
#include <future>
#include <stdexcept>
#include <string>

namespace inflight::testing {

/// What a network does with connections. down: those that stand are reset, new ones refused. silent: nothing
/// passes, and nobody is told; what is sent meanwhile arrives when the link is up again.
enum class link_state : std::uint8_t { up, down, silent };

namespace detail {

// A server, and the way to it.
struct site {
    testing::server server;
    link_state link = link_state::up;
    layers_function make_layers{};
    explicit site(server_options options) : server(std::move(options)) {}
};

// One connection: what the client has asked for, and what has not arrived yet.
class memory_connection {
public:
    using open_handler = std::function<void(std::error_code)>;
    using read_handler = std::function<void(std::error_code, std::string_view)>;
    using write_handler = std::function<void(std::error_code, std::string& sent)>; // Appends some bytes.
    static constexpr std::size_t max_unsent = 64 * 1024; // Bytes: as much as a socket takes on a silent link.

    explicit memory_connection(asio::any_io_executor executor) : executor_(std::move(executor)) {}

    // The client's wishes.

    void open(site* where, open_handler done) {
        site_ = where;
        on_open_ = std::move(done);
        state_ = state::opening;
    }
    void read(read_handler done) { on_read_ = std::move(done); }
    void write(write_handler done) { on_write_ = std::move(done); }
    void shutdown() { is_finished_ = true; }

    /// What is pending ends with an error.
    void close() {
        is_closed_ = true;
        if (state_ != state::open) state_ = state::ended;
        error_ = asio::error::operation_aborted;
        tell_end();
    }
    /// What is pending is forgotten.
    void abandon() {
        forget_handlers();
        close();
    }
    void forget_handlers() { // Their end may be that of a transport, which comes here as well.
        const auto open = std::exchange(on_open_, nullptr);
        const auto read = std::exchange(on_read_, nullptr);
        const auto write = std::exchange(on_write_, nullptr);
    }

    // The network's turns.

    /// Does one of the things that are possible now. False if there is none.
    bool turn(time_point now) {
        if (state_ == state::opening) return connect(now);
        if (state_ != state::open) return tell_end();
        if (site_->link == link_state::down || is_cut_) return end(asio::error::connection_reset, now);
        if (buffer_write()) return true;
        if (site_->link == link_state::silent) return false;
        if (send(now)) return true;
        if (is_closed_ || is_finished_) return end(asio::error::eof, now);
        if (deliver(now)) return true;
        const bool is_said = site_->server.is_closing(id_) && site_->server.output(id_).empty();
        if (is_said) wire_->finish();
        if (wire_->has_output()) return deliver(now);
        return (is_said || wire_->is_over()) && end(asio::error::eof, now);
    }
    void cut() { is_cut_ = true; }
    /// Neither end will use it any more.
    bool is_over() const { return is_closed_ && state_ == state::ended; }

private:
    enum class state : std::uint8_t { idle, opening, open, ended };

    bool connect(time_point now) {
        if (site_ && site_->link == link_state::silent) return false;
        std::error_code error;
        if (!site_)
            error = asio::error::host_not_found;
        else if (site_->link == link_state::down)
            error = asio::error::connection_refused;
        if (!error) {
            id_ = site_->server.opened(now);
            wire_.emplace(site_->make_layers);
        }
        state_ = error ? state::ended : state::open;
        asio::post(executor_, [done = std::exchange(on_open_, nullptr), error] { done(error); });
        return true;
    }

    bool buffer_write() {
        if (!on_write_ || sent_.size() >= max_unsent) return false;
        std::exchange(on_write_, nullptr)({}, sent_);
        return true;
    }

    bool send(time_point now) {
        if (sent_.empty() || !site_->server.wants_input(id_)) return false;
        const std::string bytes = std::exchange(sent_, {});
        if (const std::string_view plain = wire_->received(bytes); !plain.empty())
            site_->server.received(id_, plain, now);
        return true;
    }

    bool deliver(time_point now) {
        std::string bytes;
        if (!on_read_) return false;
        const std::size_t n = wire_->take(site_->server.output(id_), bytes);
        if (bytes.empty()) return false;
        if (n != 0) site_->server.written(id_, n, now);
        post_read({}, std::move(bytes));
        return true;
    }

    bool end(std::error_code error, time_point now) {
        site_->server.closed(id_, now);
        state_ = state::ended;
        if (!is_closed_) error_ = error;
        return true;
    }

    bool tell_end() {
        if (!on_open_ && !on_read_ && !on_write_) return false;
        if (on_open_)
            asio::post(executor_, [done = std::exchange(on_open_, nullptr), e = error_] { done(e); });
        if (on_read_) post_read(error_, {});
        if (on_write_) std::exchange(on_write_, nullptr)(error_, sent_);
        return true;
    }

    void post_read(std::error_code error, std::string bytes) {
        asio::post(executor_, [done = std::exchange(on_read_, nullptr), error, bytes = std::move(bytes)] {
            done(error, bytes);
        });
    }

    asio::any_io_executor executor_;
    site* site_ = nullptr;
    connection_id id_{};
    state state_ = state::idle;
    bool is_finished_ = false, is_closed_ = false, is_cut_ = false;
    std::error_code error_{asio::error::not_connected};
    std::optional<server_wire> wire_{};
    std::string sent_{}; // By the client, and not at the server yet.
    open_handler on_open_{};
    read_handler on_read_{};
    write_handler on_write_{};
};

// What a network shares with the transports that run on its io_context.
class hub final : public asio::execution_context::service {
public:
    using key_type = hub;
    static inline asio::execution_context::id id{};

    explicit hub(asio::execution_context& context) : service(context) {}

    static hub& of(const asio::any_io_executor& executor) {
        auto& context = asio::query(executor, asio::execution::context_as<asio::execution_context&>);
        if (!asio::has_service<hub>(context))
            throw std::logic_error("memory_transport: its executor is not that of a testing::network");
        return asio::use_service<hub>(context);
    }

    void add(std::shared_ptr<memory_connection> c) { connections_.push_back(std::move(c)); }

    /// The server of that name, or else the one that answers to every name, if there is one.
    site* find(const std::string& host) {
        auto found = sites.find(host);
        if (found == sites.end()) found = sites.find("");
        return found == sites.end() ? nullptr : &found->second;
    }

    /// Each connection does one thing. False if none had anything to do.
    bool turn(time_point now) {
        bool done = false;
        for (const auto& c : connections_) done |= c->turn(now);
        std::erase_if(connections_, [](const auto& c) { return c->is_over(); });
        return done;
    }

    void cut() {
        for (const auto& c : connections_) c->cut();
    }

    std::map<std::string, site, std::less<>> sites{};

private:
    void shutdown() override {
        for (const auto& c : connections_) c->forget_handlers();
    }

    std::vector<std::shared_ptr<memory_connection>> connections_{}; // In the order of their making.
};

} // namespace detail

/// A server, a clock and an io_context for the clients that are to be tested. Everything happens inside the
/// run functions, on the calling thread. The clients use memory_transport and context(), and are destroyed
/// before the network.
class network {
public:
    using duration = virtual_clock::duration;

    /// The options are those of server().
    explicit network(server_options options = {}) : hub_(asio::use_service<detail::hub>(io_)) {
        add_server("", std::move(options));
    }
    network(const network&) = delete;
    network& operator=(const network&) = delete;

    asio::io_context& context() { return io_; }
    /// The server that clients reach under every name and port that no other server has. Whatever is done to
    /// it takes effect with the next run.
    testing::server& server() { return hub_.find("")->server; }
    /// Another one, for clients that have several brokers, under the name `host`.
    testing::server& add_server(std::string host, server_options options = {}) {
        return hub_.sites.try_emplace(std::move(host), std::move(options)).first->second.server;
    }

    /// The way to all servers, or to that of one name.
    void set_link(link_state state) {
        for (auto& [host, site] : hub_.sites) site.link = state;
    }
    void set_link(const std::string& host, link_state state) {
        if (auto* site = hub_.find(host)) site->link = state;
    }
    /// New connections to all servers, or to that of one name, get what `make` makes between MQTT and the
    /// network; an empty function: nothing. For clients whose transport knows layers: layered_client.
    void set_layers(const layers_function& make) {
        for (auto& [host, site] : hub_.sites) site.make_layers = make;
    }
    void set_layers(const std::string& host, layers_function make) {
        if (auto* site = hub_.find(host)) site->make_layers = std::move(make);
    }

    /// Resets all connections. New ones are possible at once.
    void cut() { hub_.cut(); }

    virtual_clock::time_point now() const { return virtual_clock::now(); }

    /// Lets time pass until `done()` is true, which is asked after each single thing that happens. False if
    /// it is not within `limit`.
    template <class Predicate> bool run_until(Predicate done, duration limit = std::chrono::hours(24)) {
        const auto end = now() + limit;
        for (;;) {
            if (done()) return true;
            if (!step() && !pass_time(end)) return false;
        }
    }

    void run_for(duration d) {
        (void)run_until([] { return false; }, d);
    }

    /// Whatever happens without time passing.
    void run_ready() {
        while (step()) {}
    }

#ifdef ASIO_HAS_CO_AWAIT
    /// Runs a coroutine to its end, and returns or throws what it does. Throws std::runtime_error if it has
    /// not ended within `limit`.
    template <class Result>
    Result run(asio::awaitable<Result> coroutine, duration limit = std::chrono::hours(24)) {
        // Not asio::use_future, which may set the future on a thread of its own.
        const auto promise = std::make_shared<std::promise<Result>>();
        asio::co_spawn(io_, std::move(coroutine), [promise](std::exception_ptr failure, auto&&... result) {
            if (failure)
                promise->set_exception(failure);
            else
                promise->set_value(std::move(result)...);
        });
        auto future = promise->get_future();
        const auto is_done = [&] { return future.wait_for(duration(0)) == std::future_status::ready; };
        if (!run_until(is_done, limit)) throw std::runtime_error("network: the coroutine does not end");
        return future.get();
    }
#endif

private:
    // One handler, or one turn of the connections. False if there is nothing to do now.
    bool step() {
        io_.restart();
        return io_.poll_one() != 0 || hub_.turn(now());
    }

    // Goes to the next deadline. False if there is none up to `limit`, which is the time then.
    bool pass_time(time_point limit) {
        const auto due = deadline();
        const bool is_due = due && *due <= limit;
        virtual_clock::advance(std::max(is_due ? *due : limit, now()) - now());
        for (auto& [host, site] : hub_.sites)
            if (const auto d = site.server.deadline(); d && *d <= now()) site.server.deadline_reached(now());
        return is_due;
    }

    std::optional<time_point> deadline() {
        auto first = detail::wait_queue::of(io_.get_executor()).deadline();
        for (auto& [host, site] : hub_.sites)
            if (const auto d = site.server.deadline(); d && (!first || *d < *first)) first = d;
        return first;
    }

    asio::io_context io_{1};
    detail::hub& hub_;
};

} // namespace inflight::testing
