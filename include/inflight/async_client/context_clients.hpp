// inflight/async_client/context_clients.hpp - what pends in a client goes away with the execution context.
//
// Asio's own operations belong to services of the context, which destroy them at its end. Those of a client
// belong to the client, and it may live in the frame of the very coroutine that waits for one of them: each
// would keep the other alive for ever. So the clients of a context are known to a service of it, too.
#pragma once

#include <asio/execution_context.hpp>

#include <memory>
#include <mutex>
#include <set>
#include <utility>

namespace inflight::detail {

struct ends_with_context {
    virtual void shut_down() = 0;

protected:
    ~ends_with_context() = default;
};

class context_clients final : public asio::execution_context::service {
public:
    using key_type = context_clients;
    static inline asio::execution_context::id id;

    explicit context_clients(asio::execution_context& context) : service(context) {}

    void add(std::weak_ptr<ends_with_context> client) {
        const std::lock_guard lock(mutex_);
        clients_.insert(std::move(client));
    }
    void remove(const std::weak_ptr<ends_with_context>& client) {
        const std::lock_guard lock(mutex_);
        clients_.erase(client);
    }

private:
    using set = std::set<std::weak_ptr<ends_with_context>, std::owner_less<>>;

    // Completed, the operations wait in the queue of the context, which is emptied next.
    void shutdown() override {
        set all;
        {
            const std::lock_guard lock(mutex_);
            all.swap(clients_);
        }
        for (const auto& weak : all)
            if (const auto client = weak.lock()) client->shut_down();
    }

    std::mutex mutex_{};
    set clients_{};
};

} // namespace inflight::detail
