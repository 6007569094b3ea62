// inflight/async_client/waiters.hpp - operations that wait in a list for what the client will do next.
#pragma once

#include <inflight/async_client/operation.hpp>
#include <inflight/async_client/options.hpp>
#include <inflight/session/numbered_queue.hpp>

#include <utility>

namespace inflight::detail {

/// In the order in which they came. Each has a number, since its address may serve another operation before a
/// late cancellation of it arrives.
template <class Result>
class waiters {
public:
    bool empty() const { return list_.empty(); }

    /// Its number.
    std::uint64_t push(pending<Result>* op) {
        list_.push(op);
        return list_.end() - 1;
    }

    pending<Result>* pop() {
        pending<Result>* const op = list_.take();
        drop_gaps();
        return op;
    }

    /// Null if it waits no more.
    pending<Result>* take(std::uint64_t number) {
        if (!list_.has(number)) return nullptr;
        pending<Result>* const op = std::exchange(list_[number], nullptr);
        drop_gaps();
        return op;
    }

    void complete_all(std::error_code error, const Result& result) {
        while (!empty()) pop()->complete(error, Result(result));
    }
    void fail_all(std::error_code error) {
        while (!empty()) pop()->complete(error);
    }

private:
    // What was taken from the middle leaves a gap. There is none in front.
    void drop_gaps() {
        while (!list_.empty() && !list_.front()) list_.pop();
    }

    numbered_queue<pending<Result>*> list_{};
};

/// A publish that waits for room, for queue_policy::wait.
struct blocked_publish {
    pending<publish_ack>* op;
    message what;
    std::shared_ptr<packet_id> id; // Once it is accepted. Tells this publish from all others, too.
    time_point expires = time_point::max();

    blocked_publish(pending<publish_ack>* o, message m, std::shared_ptr<packet_id> i, time_point now)
        : op(o), what(std::move(m)), id(std::move(i)) {
        if (const auto expiry = what.props.get<property_id::message_expiry_interval>())
            expires = now + std::chrono::seconds(*expiry);
    }

    /// The message says what is left of its time, which counts from the call, not from where room is found.
    /// False: nothing is.
    bool age(time_point now) {
        if (expires == time_point::max()) return true;
        const auto left = std::chrono::ceil<std::chrono::seconds>(expires - now);
        if (left.count() <= 0) return false;
        what.props.set<property_id::message_expiry_interval>(static_cast<std::uint32_t>(left.count()));
        return true;
    }
};

} // namespace inflight::detail
