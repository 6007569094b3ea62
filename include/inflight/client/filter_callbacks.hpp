// inflight/client/filter_callbacks.hpp - the user's callbacks for messages whose topics match a filter.
#pragma once

#include <inflight/async_client/received_message.hpp>
#include <inflight/codec/topic_tree.hpp>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

namespace inflight::detail {

// A callback that may be replaced while it runs, from wherever.
template <class... Args>
using callback = std::shared_ptr<const std::function<void(Args...)>>;

/// Changed by any thread, also inside one of these callbacks; no lock is held while one runs or dies.
class filter_callbacks {
public:
    using function = callback<const received_message&>;

    /// Null: none for this filter any more.
    void set(std::string_view filter, function f) {
        const shared_filter parts = split_share(filter);
        const std::string share_name(parts.share_name);
        const std::lock_guard lock(mutex_);
        auto& here = tree_[parts.filter].by_share_name;
        here[share_name].swap(f); // What was there dies with the parameter, unlocked.
        if (!here[share_name]) here.erase(share_name);
        tree_.prune(parts.filter);
        is_empty_ = tree_.is_empty();
    }

    /// Adds those to `out` whose filters match `topic`.
    void find(std::string_view topic, std::vector<function>& out) {
        if (is_empty_) return;
        const std::lock_guard lock(mutex_);
        tree_.for_each_match(topic, [&](const entry& e) {
            for (const auto& [name, f] : e.by_share_name) out.push_back(f);
        });
    }

private:
    struct entry {
        std::map<std::string, function> by_share_name{}; // Which is empty where nothing is shared.
        bool empty() const { return by_share_name.empty(); }
    };

    std::mutex mutex_{};
    topic_tree<entry> tree_{};
    std::atomic<bool> is_empty_{true}; // So that a client without filters needs no lock.
};

} // namespace inflight::detail
