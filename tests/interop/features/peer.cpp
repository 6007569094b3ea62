#include "peer.hpp"

#include <inflight/async_client.hpp>
#include <inflight/async_client/request.hpp>
#include <inflight/client.hpp>
#include <inflight/client/request.hpp>
#include <inflight/client/simple.hpp>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <future>
#include <map>
#include <thread>

namespace features {

namespace {

/// inflight::client, its callbacks on a thread of loop_start().
class callback_peer final : public peer {
public:
    explicit callback_peer(client_options o)
        : where_(o.brokers.at(0)), keep_alive_(o.keep_alive), retries_(o.retry_first_connection), client_(std::move(o)) {
        client_.on_connect([this](const connect_result& r) { connected_.add(r); });
        client_.on_disconnect([this](const disconnect_result& r) { endings.add(r); });
        client_.on_message([this](const received_message& m) { messages.add(received_message(m.view())); });
        client_.on_subscribe([this](const subscribe_outcome& a) { answer(a); });
        client_.on_unsubscribe([this](const subscribe_outcome& a) { answer(a); });
        client_.loop_start();
    }
    ~callback_peer() override { client_.loop_stop(); } // Or a callback might use what is gone.

    connect_result connect() override {
        if (!retries_) {
            const std::error_code error = client_.connect(std::vector{where_}, keep_alive_);
            connect_result out = connected_.next(0s).value_or(connect_result{});
            out.error = error;
            return out;
        }
        const std::error_code error = client_.connect_async(std::vector{where_}, keep_alive_); // Has no end.
        const auto out = connected_.next();
        check(out.has_value(), "no connection " + error.message());
        return *out;
    }
    std::vector<reason_code> subscribe(const std::vector<subscription_request>& filters,
                                       const properties<packet_type::subscribe>& props) override {
        return wait(client_.subscribe(filters, props));
    }
    using peer::subscribe;
    std::vector<reason_code> unsubscribe(const std::string& filter) override {
        return wait(client_.unsubscribe(filter));
    }
    publish_result post(const message& m) override { return client_.publish(m); }
    std::error_code publish(const message& m) override {
        const publish_result r = client_.publish(m);
        return r ? client_.wait_for_publish(r.mid, patience) : make_error_code(to_errc(r.status));
    }
    std::error_code ack(const received_message& m, reason_code reason, explanation::view_type why) override {
        return client_.ack(m.mid, reason, why);
    }
    std::size_t disconnect(const disconnect_options& how) override {
        const auto status = client_.disconnect(how);
        check(!status.error, "disconnect: " + status.error.message());
        return status.unacknowledged;
    }
    std::size_t unsettled() override { return client_.unsettled(); }
    client_statistics statistics() override { return client_.statistics(); }
    std::string ask(const std::string& topic, const std::string& payload) override {
        const message_outcome o = request(client_, topic, payload, patience);
        check(!o.error, "request: " + o.error.message());
        return o.message.payload;
    }
    void respond(const std::string& filter, std::function<std::string(const std::string&)> f) override {
        const subscription_request requests(filter, qos::at_least_once);
        const std::function<std::string(const received_message&)> answer = [f](const received_message& m) {
            return f(m.payload);
        };
        wait(inflight::respond(client_, requests, answer));
    }
    std::error_code handle(const std::string& filter, std::function<void(const message&)> f) override {
        std::function<void(const received_message&)> handler;
        if (f) handler = f;
        return client_.message_callback_add(filter, handler);
    }

private:
    void answer(const subscribe_outcome& o) {
        const std::lock_guard lock(mutex_);
        answers_[o.mid] = o;
        answered_.notify_all();
    }
    std::vector<reason_code> wait(const inflight::client::subscribe_status& status) {
        check(!status.error, "subscribe: " + status.error.message());
        std::unique_lock lock(mutex_);
        const bool done = answered_.wait_for(lock, patience, [&] { return answers_.contains(status.mid); });
        check(done, "no answer to SUBSCRIBE or UNSUBSCRIBE");
        const subscribe_outcome o = answers_.extract(status.mid).mapped();
        check(!o.error, "subscribe: " + o.error.message());
        return o.reasons;
    }

    broker where_;
    std::chrono::seconds keep_alive_;
    bool retries_;
    inbox<connect_result> connected_{};
    std::mutex mutex_{};
    std::condition_variable answered_{};
    std::map<std::uint16_t, subscribe_outcome> answers_{};
    inflight::client client_; // Last: its callbacks use all the others.
};

/// inflight::async_client, on a thread of its own.
class async_peer final : public peer {
public:
    /// Calls `f` on the client's thread, and returns what it returns.
    template <class F> auto call(F f) {
        std::packaged_task<decltype(f())()> task(std::move(f));
        auto result = task.get_future();
        asio::post(io_, [&task] { task(); });
        return result.get();
    }
    /// Starts an operation there, with a handler for `start`, and waits for its end.
    template <class Result, class Start> std::pair<std::error_code, Result> wait(Start start) {
        using outcome = std::pair<std::error_code, Result>;
        const auto promise = std::make_shared<std::promise<outcome>>();
        auto result = promise->get_future();
        call([&] {
            start([promise](std::error_code error, Result r) { promise->set_value({error, std::move(r)}); });
            return 0;
        });
        check(result.wait_for(patience) == std::future_status::ready, "an operation does not complete");
        return result.get();
    }

    explicit async_peer(client_options o) {
        o.on_disconnected = [this](const disconnect_result& r) { endings.add(r); };
        client_.emplace(io_, std::move(o));
        client_->on_message([this](const received_view& m) { messages.add(received_message(m)); });
        thread_ = std::thread([this] { io_.run(); });
    }
    ~async_peer() override {
        call([this] {
            client_.reset();
            work_.reset();
            return 0;
        });
        thread_.join();
    }

    connect_result connect() override {
        auto [error, r] = wait<connect_result>([this](auto done) { client_->async_connect(done); });
        r.error = error;
        return r;
    }
    std::vector<reason_code> subscribe(const std::vector<subscription_request>& filters,
                                       const properties<packet_type::subscribe>& props) override {
        return reasons(wait<subscribe_ack>([&](auto done) { client_->async_subscribe(filters, props, done); }));
    }
    using peer::subscribe;
    std::vector<reason_code> unsubscribe(const std::string& filter) override {
        return reasons(wait<subscribe_ack>([&](auto done) { client_->async_unsubscribe(filter, done); }));
    }
    publish_result post(const message& m) override {
        return call([&] { return client_->publish(m); });
    }
    std::error_code publish(const message& m) override {
        return wait<publish_ack>([&](auto done) { client_->async_publish(m, done); }).first;
    }
    std::error_code ack(const received_message& m, reason_code reason, explanation::view_type why) override {
        return call([&] { return client_->acknowledge(m.delivery, reason, why); });
    }
    std::size_t disconnect(const disconnect_options& how) override {
        const auto [error, left] = wait<std::size_t>([&](auto done) { client_->async_disconnect(how, done); });
        check(!error, "disconnect: " + error.message());
        return left;
    }
    std::size_t unsettled() override {
        return call([this] { return client_->unsettled(); });
    }
    client_statistics statistics() override {
        return call([this] { return client_->statistics(); });
    }
    std::string ask(const std::string& topic, const std::string& payload) override {
        const auto [error, answer] = wait<received_message>(
            [&](auto done) { async_request(*client_, topic, payload, patience, done); });
        check(!error, "request: " + error.message());
        return answer.payload;
    }
    void respond(const std::string& filter, std::function<std::string(const std::string&)> f) override {
        const auto answer = [f](const received_view& m) { return f(std::string(m.payload)); };
        reasons(wait<subscribe_ack>([&](auto done) {
            async_respond(*client_, subscription_request(filter, qos::at_least_once), answer, done);
        }));
    }
    std::error_code handle(const std::string& filter, std::function<void(const message&)> f) override {
        std::function<void(const received_view&)> handler;
        if (f) handler = [f](const received_view& m) { f(received_message(m)); };
        return call([&] { return client_->on_message(filter, handler); });
    }
    std::vector<std::string> streamed(const std::string& filter, std::size_t count,
                                      std::function<void()> meanwhile) override {
        const auto stream = std::make_shared<message_stream>();
        const std::error_code error = wait<bool>([&](auto complete) {
            client_->async_subscribe_stream(filter, qos::at_least_once,
                                            [complete, stream](std::error_code e, message_stream s) {
                                                *stream = std::move(s);
                                                complete(e, true);
                                            });
        }).first;
        check(!error, "stream: " + error.message());
        meanwhile();
        std::vector<std::string> out;
        for (std::size_t i = 0; i != count; ++i)
            out.push_back(wait<received_message>([&](auto got) { stream->async_receive(got); }).second.payload);
        call([&] {
            stream->close();
            return 0;
        });
        return out;
    }


private:
    // An error that the broker has sent is in the codes too.
    static std::vector<reason_code> reasons(const std::pair<std::error_code, subscribe_ack>& answer) {
        const std::error_code error = answer.first;
        check(!error || !answer.second.reasons.empty(), "subscribe: " + error.message());
        return answer.second.reasons;
    }

    asio::io_context io_{1};
    asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
    std::optional<async_client> client_{};
    std::thread thread_{};
};

} // namespace

std::unique_ptr<peer> make_callback_peer(client_options o) { return std::make_unique<callback_peer>(std::move(o)); }
std::unique_ptr<peer> make_async_peer(client_options o) { return std::make_unique<async_peer>(std::move(o)); }

void publish_simply(const client_options& o, const message& m) {
    const std::error_code error = publish_single(o, m, patience);
    check(!error, "publish_single: " + error.message());
}

std::string receive_simply(const client_options& o, const std::string& filter) {
    const message_outcome got = receive_one(o, filter, patience);
    check(!got.error, "receive_one: " + got.error.message());
    return got.message.payload;
}

} // namespace features
