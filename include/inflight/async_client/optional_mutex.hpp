// inflight/async_client/optional_mutex.hpp - the locks of a client, which may need none.
#pragma once

#include <type_traits>

namespace inflight::detail {

/// A lock for a client that is used from one thread, or one strand, only.
struct null_mutex {
    void lock() {}
    void unlock() {}
    bool try_lock() { return true; }
};

/// A mutex, its type forgotten, or none: that of a client on one thread costs no call.
class optional_mutex {
public:
    template <class Mutex>
        requires(!std::is_same_v<Mutex, optional_mutex>)
    explicit optional_mutex(Mutex& m)
        : mutex_(&m), lock_([](void* x) { static_cast<Mutex*>(x)->lock(); }),
          unlock_([](void* x) { static_cast<Mutex*>(x)->unlock(); }) {}
    explicit optional_mutex(null_mutex& /*none*/) {}

    void lock() {
        if (mutex_) lock_(mutex_);
    }
    void unlock() {
        if (mutex_) unlock_(mutex_);
    }

private:
    void* mutex_ = nullptr;
    void (*lock_)(void*) = nullptr;
    void (*unlock_)(void*) = nullptr;
};

} // namespace inflight::detail
