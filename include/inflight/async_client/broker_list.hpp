// inflight/async_client/broker_list.hpp - which broker is next, and which one has our session.
#pragma once

#include <inflight/async_client/options.hpp>

#include <random>

namespace inflight::detail {

/// Goes through the brokers of the options. A broker may send us elsewhere: for a while, which is a detour
/// and ends with the connection there, or for good, which changes the list.
class broker_list {
public:
    explicit broker_list(std::vector<broker>& list) : list_(list) {}

    const broker& current() const { return detour_.empty() ? list_[at_] : detour_.front(); }
    /// Since begin() not every broker of the list has had its turn, the current one counted.
    bool has_untried() const { return detour_.size() > 1 || turns_ < list_.size(); }
    /// There is more than one way to go.
    bool has_others() const { return list_.size() + detour_.size() > 1; }
    /// The last CONNACK came from another one than the one that is next.
    bool is_elsewhere() const { return holder_ && *holder_ != current(); }
    /// Redirections followed in a row, without a wait in between.
    std::size_t hops() const { return hops_; }

    void set(std::vector<broker> list) {
        list_ = std::move(list);
        at_ = 0;
        detour_.clear();
    }

    /// The user asks for a connection: detours are over. In random order each client has an order of its own,
    /// and still no broker is tried twice before all have been tried.
    template <class Random>
    void begin(broker_order order, Random& random) {
        detour_.clear();
        hops_ = 0;
        turns_ = 1;
        if (order != broker_order::random) return;
        std::shuffle(list_.begin(), list_.end(), random);
        at_ = 0;
    }

    /// CONNACK.
    void connected() {
        if (!holder_ || *holder_ != current()) holder_ = current();
        if (!detour_.empty()) detour_.resize(1); // It is not on the list; when it is lost, the list counts.
    }

    /// A connection has lasted, or there is a wait before the next attempt.
    void forget_hops() { hops_ = 0; }

    /// The current one cannot be had, or is lost.
    void advance() {
        if (!detour_.empty()) detour_.erase(detour_.begin());
        if (!detour_.empty()) return;
        at_ = (at_ + 1) % list_.size();
        ++turns_;
    }

    /// The current one sends us to these, of which there is one at least.
    void redirect(std::vector<broker> to, bool for_good) {
        ++hops_;
        if (for_good && detour_.empty()) {
            const auto moved = list_.begin() + static_cast<std::ptrdiff_t>(at_);
            list_.insert(list_.erase(moved), to.begin(), to.end());
        } else {
            detour_ = std::move(to);
        }
    }

private:
    std::vector<broker>& list_; // Never empty.
    std::vector<broker> detour_{};
    std::optional<broker> holder_{};
    std::size_t at_ = 0;
    std::size_t hops_ = 0;
    std::size_t turns_ = 0; // Of brokers of the list, since begin().
};

} // namespace inflight::detail
