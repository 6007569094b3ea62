// inflight/async_client/resolver.hpp - names to addresses, without anybody waiting for the system.
#pragma once

#include <inflight/async_client/stream_socket.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/error.hpp>
#include <asio/execution/context_as.hpp>
#include <asio/execution_context.hpp>
#include <asio/post.hpp>

#ifndef _WIN32
#include <netdb.h>
#endif

#include <cerrno>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace inflight {
namespace detail {

// One look-up, and whom to tell. Its thread may outlive the executor's context, and touches that only while
// there is somebody to tell.
class lookup {
public:
    using endpoints = endpoint_list;
    using handler = std::function<void(std::error_code, endpoints)>;

    lookup(handler done, const asio::any_io_executor& executor)
        : done_(std::move(done)), work_(asio::prefer(executor, asio::execution::outstanding_work.tracked)) {}

    /// From the thread.
    static void post(const std::shared_ptr<lookup>& self, std::error_code error, endpoints found) {
        const std::lock_guard lock(self->mutex_);
        if (!self->done_) return;
        asio::post(self->work_, [self, error, found = std::move(found)]() mutable {
            if (const handler done = self->forget()) done(error, std::move(found));
        });
    }

    /// Nobody wants to know any more. The handler is returned, since its end may end who holds this look-up.
    handler forget() {
        const std::lock_guard lock(mutex_);
        work_ = {};
        return std::exchange(done_, nullptr);
    }

private:
    std::mutex mutex_{};
    handler done_;
    asio::any_io_executor work_;
};

// The look-ups of an execution context, to be forgotten when it goes away.
class lookup_service final : public asio::execution_context::service {
public:
    using key_type = lookup_service;
    static inline asio::execution_context::id id{};

    explicit lookup_service(asio::execution_context& context) : service(context) {}

    void add(const std::shared_ptr<lookup>& one) {
        const std::lock_guard lock(mutex_);
        std::erase_if(lookups_, [](const auto& other) { return other.expired(); });
        lookups_.push_back(one);
    }

private:
    void shutdown() override {
        std::unique_lock lock(mutex_);
        const auto all = std::exchange(lookups_, {});
        lock.unlock();
        for (const auto& one : all)
            if (const auto l = one.lock()) (void)l->forget();
    }

    std::mutex mutex_{};
    std::vector<std::weak_ptr<lookup>> lookups_{};
};

} // namespace detail

/// Resolves on a thread of its own for each look-up. getaddrinfo() cannot be interrupted, and Asio's resolver
/// lets the next look-up, and even the destructor of the io_context, wait for one that hangs; here it is left
/// to itself.
class detached_resolver {
public:
    using endpoints = detail::lookup::endpoints;
    using handler = detail::lookup::handler;

    explicit detached_resolver(asio::any_io_executor executor) : executor_(std::move(executor)) {}
    detached_resolver(const detached_resolver&) = delete;
    detached_resolver& operator=(const detached_resolver&) = delete;
    ~detached_resolver() { cancel(); }

    /// Calls `done` on the executor, unless cancel() comes first, or the executor's context goes away. One
    /// look-up at a time.
    void resolve(std::string host, std::uint16_t port, handler done) {
        cancel();
        lookup_ = std::make_shared<detail::lookup>(std::move(done), executor_);
        auto& context = asio::query(executor_, asio::execution::context_as<asio::execution_context&>);
        asio::use_service<detail::lookup_service>(context).add(lookup_);
        try {
            std::thread([l = lookup_, host = std::move(host), port] { run(l, host, port); }).detach();
        } catch (const std::system_error& no_thread) {
            detail::lookup::post(lookup_, no_thread.code(), {});
        }
    }

    /// Forgets the look-up; its thread ends when the system lets it.
    void cancel() {
        if (const auto l = std::exchange(lookup_, nullptr)) (void)l->forget();
    }

private:
    static void run(const std::shared_ptr<detail::lookup>& l, const std::string& host, std::uint16_t port) {
        endpoints found;
        std::error_code error;
        try {
            error = find(host, port, found);
        } catch (const std::bad_alloc&) {
            error = std::make_error_code(std::errc::not_enough_memory);
        }
        detail::lookup::post(l, error, std::move(found));
    }

    static void release(addrinfo* all) { ::freeaddrinfo(all); }

    // (Asio's own resolver does the same, but brings the compiler hundreds of functions.)
    static std::error_code find(const std::string& host, std::uint16_t port, endpoints& found) {
        addrinfo hints{}, *first = nullptr;
        hints.ai_socktype = SOCK_STREAM;
        hints.ai_protocol = IPPROTO_TCP;
        hints.ai_flags = AI_NUMERICSERV;
        const std::string service = std::to_string(port);
        if (const int error = ::getaddrinfo(host.c_str(), service.c_str(), &hints, &first))
            return to_error(error);
        const std::unique_ptr<addrinfo, void (*)(addrinfo*)> all(first, &release);
        for (const addrinfo* a = first; a; a = a->ai_next) {
            if (a->ai_family != AF_INET && a->ai_family != AF_INET6) continue;
            found.emplace_back(a->ai_addr, a->ai_addrlen, IPPROTO_TCP);
        }
        return {};
    }

    static std::error_code to_error(int error) { // As Asio has it.
        switch (error) {
            case EAI_AGAIN: return asio::error::host_not_found_try_again;
            case EAI_BADFLAGS: return asio::error::invalid_argument;
            case EAI_FAIL: return asio::error::no_recovery;
            case EAI_FAMILY: return asio::error::address_family_not_supported;
            case EAI_MEMORY: return asio::error::no_memory;
            case EAI_NONAME: return asio::error::host_not_found;
            case EAI_SERVICE: return asio::error::service_not_found;
            case EAI_SOCKTYPE: return asio::error::socket_type_not_supported;
            default: break;
        }
#ifdef EAI_SYSTEM
        if (error == EAI_SYSTEM) return {errno, std::system_category()};
#endif
        return asio::error::host_not_found; // Further names of that: EAI_NODATA, EAI_ADDRFAMILY.
    }

    asio::any_io_executor executor_;
    std::shared_ptr<detail::lookup> lookup_{};
};

} // namespace inflight
