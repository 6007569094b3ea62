// inflight/async_client/resolver.hpp - names to addresses, without anybody waiting for the system.
#pragma once

#include <asio/any_io_executor.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace inflight {

/// Resolves on a thread of its own for each look-up. getaddrinfo() cannot be interrupted, and Asio's resolver
/// lets the next look-up, and even the destructor of the io_context, wait for one that hangs; here it is left
/// to itself.
class detached_resolver {
public:
    using endpoints = std::vector<asio::ip::tcp::endpoint>;
    using handler = std::function<void(std::error_code, endpoints)>;

    explicit detached_resolver(asio::any_io_executor executor) : executor_(std::move(executor)) {}
    detached_resolver(const detached_resolver&) = delete;
    detached_resolver& operator=(const detached_resolver&) = delete;
    ~detached_resolver() { cancel(); }

    /// Calls `done` on the executor, unless cancel() comes first. One look-up at a time.
    void resolve(std::string host, std::uint16_t port, handler done) {
        cancel();
        lookup_ = std::make_shared<lookup>();
        lookup_->done = std::move(done);
        lookup_->work = asio::prefer(executor_, asio::execution::outstanding_work.tracked);
        std::thread([l = lookup_, host = std::move(host), port] {
            std::error_code error;
            endpoints found;
            try { // Asio's own resolver, used blocking, on a context that nobody else knows.
                asio::io_context context;
                for (const auto& entry :
                     asio::ip::tcp::resolver(context).resolve(host, std::to_string(port), error))
                    found.push_back(entry.endpoint());
            } catch (const std::exception&) {
                error = std::make_error_code(std::errc::not_enough_memory);
            }
            const std::lock_guard lock(l->mutex);
            if (l->done)
                asio::post(l->work, [l, error, found = std::move(found)] { finish(*l, error, found); });
        }).detach();
    }

    /// Forgets the look-up; its thread ends when the system lets it.
    void cancel() {
        if (!lookup_) return;
        const std::lock_guard lock(lookup_->mutex);
        lookup_->done = nullptr;
        lookup_->work = {}; // The thread may outlive the executor's context, and must not touch it.
    }

private:
    struct lookup {
        std::mutex mutex{};
        handler done{}; // Empty: nobody wants to know any more.
        asio::any_io_executor work{};
    };

    static void finish(lookup& l, std::error_code error, const endpoints& found) {
        handler done;
        {
            const std::lock_guard lock(l.mutex);
            done = std::exchange(l.done, nullptr);
            l.work = {};
        }
        if (done) done(error, found);
    }

    asio::any_io_executor executor_;
    std::shared_ptr<lookup> lookup_{};
};

} // namespace inflight
