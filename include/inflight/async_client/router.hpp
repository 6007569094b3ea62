// inflight/async_client/router.hpp - messages on their way to the handlers and streams of filters.
//
// A client has a router from the first handler or stream on; one that has none pays a look at a null pointer
// for each message, and instantiates nothing of this. What no filter matches goes on as if there were no
// router. Messages that came before a handler or stream, or that a stream leaves behind, are routed once
// more: in the meantime what arrives waits behind them.
#pragma once

#include <inflight/async_client/message_stream.hpp>
#include <inflight/async_client/routing.hpp>
#include <inflight/codec/topic_tree.hpp>

#include <limits>
#include <map>
#include <set>
#include <tuple>

namespace inflight::detail {

template <class Core>
class router final : public routing<typename Core::lock_type>, public stream_host {
    using lock_type = typename Core::lock_type;
    using handler_ptr = std::shared_ptr<const message_handler>;

public:
    explicit router(Core& core) : core_(core) {}

    /// That of a client, made if there is none.
    static router& of(Core& core) {
        const lock_type lock(core.mutex_);
        if (!core.router_) core.router_ = std::make_unique<router>(core);
        return static_cast<router&>(*core.router_);
    }

    // Handlers and streams.

    /// Replaces the handler of this filter; an empty one removes it.
    void set_handler(std::string_view filter, message_handler handler) {
        handler_ptr h = handler ? std::make_shared<const message_handler>(std::move(handler)) : nullptr;
        const lock_type lock(core_.mutex_);
        const std::string_view path = split_share(filter).filter;
        entry& here = tree_[path];
        const auto same = std::ranges::find(here.handlers, filter, &named_handler::first);
        if (same != here.handlers.end()) {
            same->second.swap(h); // What was there dies with the local, unlocked.
            if (!same->second) here.handlers.erase(same);
        } else if (h) {
            here.handlers.emplace_back(filter, std::move(h));
            route_what_waits();
        }
        tree_.prune(path);
    }

    stream_ptr add_stream(std::string_view filter, const stream_options& limits) {
        const lock_type lock(core_.mutex_);
        const std::uint32_t identifier = limits.subscription_identifier ? next_identifier() : 0;
        auto self = std::shared_ptr<stream_host>(core_.shared_from_this(), this);
        auto s = std::make_shared<stream_state>(filter, identifier, limits, std::move(self),
                                                core_.completions_);
        tree_[split_share(filter).filter].streams.push_back(s);
        streams_.insert(s);
        if (identifier != 0) identifiers_.insert(identifier);
        route_what_waits();
        return s;
    }

    // From the client, with the lock held.

    void take(event::message& m, lock_type& lock) override {
        if (!again_.empty()) return core_.add_handle(again_.push(m.packet));
        targets to = find(m.packet);
        if (!to.empty()) return hand_out(m.packet, std::move(to), lock);
        spare_ = std::move(to);
        core_.take_unrouted(m, lock);
    }

    void connected(bool session_present, std::uint32_t begun) override {
        if (session_present) drop_what_comes_again(begun);
        if (this->requests) this->requests->connected(session_present);
    }
    void drop_what_comes_again(std::uint32_t begun) {
        again_.drop_since(begun);
        for (const stream_ptr& s : streams_) {
            s->queue.drop_since(begun);
            count_full(*s);
        }
        std::erase_if(shared_, [begun](const auto& one) {
            const auto& [connection, level, sequence] = one.first;
            return level == qos::at_least_once && connection >= begun;
        });
    }
    void acknowledge_taken() override {
        for (const stream_ptr& s : streams_)
            while (!s->taken.empty()) acknowledge_oldest(*s);
    }
    void fail_all(std::error_code error) override {
        if (this->requests) this->requests->fail_all(error);
        for (const stream_ptr& s : streams_) s->receivers.fail_all(error);
    }
    void trim() override {
        again_.shrink_to_fit();
        for (const stream_ptr& s : streams_) s->queue.shrink_to_fit();
    }

    // From streams.

    void receive(const stream_ptr& s, pending<received_message>* op, waiting waits) override {
        const lock_type lock(core_.mutex_);
        acknowledge_oldest(*s);
        if (!s->is_open) {
            op->complete(asio::error::operation_aborted);
        } else if (!s->queue.empty()) {
            s->queue.pop_for_spare([&](received_message&& m) { give(*s, op, std::move(m)); });
            count_full(*s);
        } else if (core_.final_error_) {
            op->complete(core_.final_error_);
        } else {
            waits(s, op, s->receivers.push(op));
        }
        core_.schedule_flush();
    }

    pending<received_message>* take_back(stream_state& s, std::uint64_t number) override {
        const lock_type lock(core_.mutex_);
        return s.receivers.take(number);
    }

    void close(const stream_ptr& s, bool has_all_taken) override {
        const lock_type lock(core_.mutex_);
        if (!std::exchange(s->is_open, false)) return;
        const std::string_view path = split_share(s->filter).filter;
        std::erase(tree_[path].streams, s);
        tree_.prune(path);
        streams_.erase(s);
        identifiers_.erase(s->identifier);
        s->receivers.fail_all(asio::error::operation_aborted);
        if (has_ended()) return;
        while (has_all_taken && !s->taken.empty()) acknowledge_oldest(*s);
        while (!s->queue.empty()) leave(s->queue.pop());
        count_full(*s);
        if (!again_.empty()) route_again_soon();
        core_.schedule_flush();
    }

    std::size_t size(const stream_state& s) override {
        const lock_type lock(core_.mutex_);
        return s.queue.size();
    }
    std::uint64_t dropped(const stream_state& s) override {
        const lock_type lock(core_.mutex_);
        return s.dropped;
    }

private:
    using named_handler = std::pair<std::string, handler_ptr>; // Its whole filter, share name included.
    struct entry {
        std::vector<named_handler> handlers{};
        std::vector<stream_ptr> streams{};
        bool empty() const { return handlers.empty() && streams.empty(); }
    };

    // Who is to have a message.
    struct targets {
        std::vector<handler_ptr> handlers{};
        std::vector<stream_ptr> streams{};
        bool empty() const { return handlers.empty() && streams.empty(); }
        void clear() {
            handlers.clear();
            streams.clear();
        }
    };

    targets find(const received_view& m) {
        targets out = std::exchange(spare_, {}); // For its memory.
        const by_identifier asked = identifiers_.empty() ? by_identifier::none : kind(m);
        tree_.for_each_match(m.topic, [&](const entry& e) {
            for (const auto& [filter, handler] : e.handlers) out.handlers.push_back(handler);
            for (const stream_ptr& s : e.streams)
                if (s->identifier == 0 || is_for(*s, m, asked)) out.streams.push_back(s);
        });
        return out;
    }

    // Whether the Subscription Identifiers of a message say which stream of ours it is for. Those that are
    // not ours may be of a process before this one, which had the session that is now resumed.
    enum class by_identifier : std::uint8_t { none, ours, foreign };

    by_identifier kind(const received_view& m) const {
        if (core_.session_.version() != protocol_version::v5) return by_identifier::foreign;
        const auto all = m.subscription_identifiers();
        const bool has_ours = std::ranges::any_of(all, [&](auto id) { return identifiers_.contains(id); });
        return has_ours ? by_identifier::ours : all.empty() ? by_identifier::none : by_identifier::foreign;
    }
    static bool is_for(const stream_state& s, const received_view& m, by_identifier asked) {
        if (asked != by_identifier::ours) return asked == by_identifier::foreign;
        const auto all = m.subscription_identifiers();
        return std::ranges::find(all, s.identifier) != all.end();
    }

    // From the top, since the application counts its own from the bottom, if it has any.
    std::uint32_t next_identifier() {
        if (identifiers_.empty()) return wire::varint_max;
        return *identifiers_.begin() - 1;
    }

    void hand_out(const received_view& m, targets to, lock_type& lock) {
        const std::size_t takers = to.streams.size() + (to.handlers.empty() ? 0 : 1);
        if (takers > 1 && m.qos != qos::at_most_once) shared_[key(m.delivery)] = takers;
        for (const stream_ptr& s : to.streams) put(*s, m);
        if (!to.handlers.empty()) {
            lock.unlock();
            for (std::size_t i = 0; i != to.handlers.size() && (i == 0 || !has_ended(lock)); ++i)
                (*to.handlers[i])(m);
            to.clear(); // Handlers die unlocked: they may own anything.
            lock.lock();
            acknowledge(m.delivery);
        }
        to.clear();
        spare_ = std::move(to);
    }

    // One handler has destroyed the client, and with it maybe what the next one uses.
    bool has_ended(lock_type& lock) const {
        lock.lock();
        const bool is_over = has_ended();
        lock.unlock();
        return is_over;
    }
    bool has_ended() const { return core_.is_shut_down(); }

    void put(stream_state& s, const received_view& m) {
        if (m.qos == qos::at_most_once && s.queue.is_full() && core_.drops_qos_0()) {
            ++s.dropped;
            ++core_.dropped_;
            return;
        }
        if (!s.receivers.empty()) return give(s, s.receivers.pop(), core_.owned(m));
        core_.add_handle(s.queue.push(m));
        count_full(s);
    }

    static void give(stream_state& s, pending<received_message>* op, received_message&& m) {
        s.taken.push(m.delivery);
        op->complete({}, std::move(m));
    }

    // What a stream has not given to anyone, at its end.
    void leave(received_message&& m) {
        if (m.qos == qos::at_most_once) { // Whoever else matches has had it.
            targets others = find(m.view());
            if (others.empty()) again_.push(std::move(m));
            others.clear();
            spare_ = std::move(others);
        } else if (shared_.contains(key(m.delivery))) {
            acknowledge(m.delivery);
        } else {
            again_.push(std::move(m));
        }
    }

    // Acknowledging.

    using key_type = std::tuple<std::uint32_t, inflight::qos, std::uint64_t>;
    static key_type key(const delivery& d) { return {d.connection, d.qos, d.sequence}; }

    void acknowledge_oldest(stream_state& s) {
        if (!s.taken.empty()) acknowledge(s.taken.take());
    }

    // One of those who were to have it has.
    void acknowledge(const delivery& d) {
        if (d.qos == qos::at_most_once) return;
        if (const auto shared = shared_.find(key(d)); shared != shared_.end()) {
            if (--shared->second != 0) return;
            shared_.erase(shared);
        }
        if (!core_.options_.manual_ack) (void)core_.session_.acknowledge(d); // Stale: then it comes again.
        core_.schedule_flush();
    }

    // A full stream pauses the reading where a full queue of the client would.
    void count_full(stream_state& s) {
        const auto count = [](bool& was, bool is, std::size_t& number) {
            if (std::exchange(was, is) == is) return;
            number = is ? number + 1 : number - 1;
        };
        count(s.is_full, s.is_open && s.queue.is_full(), full_);
        count(s.is_overfull, s.is_open && s.queue.is_overfull(), overfull_);
        core_.inbound_.set_others(full_ != 0, overfull_ != 0);
    }

    // Routing once more.

    void route_what_waits() {
        while (!core_.inbound_.empty()) again_.push(core_.inbound_.pop());
        if (!again_.empty()) route_again_soon();
    }

    void route_again_soon() {
        if (std::exchange(is_posted_, true)) return;
        core_.post([this] {
            lock_type lock(core_.mutex_);
            is_posted_ = false;
            route_again(lock);
        });
    }

    void route_again(lock_type& lock) {
        const struct rest { // A handler has thrown.
            router& self;
            lock_type& lock;
            ~rest() {
                if (!lock.owns_lock()) lock.lock();
                if (!self.again_.empty() && !self.has_ended()) self.route_again_soon();
            }
        } at_end{*this, lock};
        while (!again_.empty() && !has_ended()) {
            received_message m = again_.pop();
            targets to = find(m.view());
            if (!to.empty()) {
                hand_out(m.view(), std::move(to), lock);
            } else {
                spare_ = std::move(to);
                core_.keep(std::move(m));
            }
        }
        core_.hand_over_what_waits();
        core_.schedule_flush();
    }

    Core& core_;
    topic_tree<entry> tree_{};
    std::set<stream_ptr> streams_{};
    std::set<std::uint32_t> identifiers_{};
    std::map<key_type, std::size_t> shared_{}; // Deliveries that several have: how many still.
    inbound_queue again_{std::numeric_limits<std::size_t>::max(), std::numeric_limits<std::size_t>::max()};
    targets spare_{};
    std::size_t full_ = 0, overfull_ = 0; // Streams.
    bool is_posted_ = false;
};

} // namespace inflight::detail
