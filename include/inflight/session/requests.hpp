// inflight/session/requests.hpp - SUBSCRIBE and UNSUBSCRIBE, and the subscriptions that are to be renewed.
//
// A request waits for a connection, and is made anew on the next one if the link is lost before its answer:
// it is not part of the session that the standard resumes. [v5:MQTT-4.4.0-1] Standard: MQTT 5.0 and 3.1.1
// sections 3.8 to 3.11.
#pragma once

#include <inflight/session/event.hpp>
#include <inflight/session/link.hpp>
#include <inflight/session/wrong_use.hpp>

#include <list>
#include <map>

namespace inflight {

class requests {
public:
    static constexpr std::size_t renewed_at_a_time = 64; // Filters in one SUBSCRIBE that renews.

    requests(link& connection, packet_ids& ids, const session_options& options)
        : link_(connection), ids_(ids), options_(options) {}

    /// Subscribes. The answer is an event::replied with this tag.
    result<packet_id> add(const subscribe& p, operation tag, protocol_version preferred) {
        if (const errc bad = check(p, preferred); bad != errc::none) return bad;
        request r{.tag = tag, .subscribe_props = properties<packet_type::subscribe>(p.props)};
        for (const subscription& s : p.subscriptions) r.filters.push_back({std::string(s.filter), s});
        r.is_subscribe = true;
        return start(std::move(r));
    }

    /// Unsubscribes. The answer is an event::replied with this tag.
    result<packet_id> add(const unsubscribe& p, operation tag, protocol_version preferred) {
        if (const errc bad = check(p, preferred); bad != errc::none) return bad;
        request r{.tag = tag, .unsubscribe_props = properties<packet_type::unsubscribe>(p.props)};
        for (const std::string_view f : p.filters) {
            r.filters.push_back({std::string(f), {}});
            renewable_.erase(
                std::string(f)); // Wished away: not to be renewed, whatever becomes of the request.
        }
        return start(std::move(r));
    }

    bool detach(operation tag, packet_id id) {
        const auto found = find(id);
        if (found == open_.end() || found->tag != tag) return false;
        found->tag = 0;
        return true;
    }

    /// CONNACK. `renew`: the broker knows none of our subscriptions.
    void connected(bool renew) {
        if (std::exchange(must_renew_, false) || renew)
            if (options_.resubscribe) renew_all();
        for (request& r : open_) send(r);
        settle_refused();
    }

    /// The connection is gone: a renewal is made from scratch by the next one, even if that resumes the new
    /// session.
    void closed() {
        for (auto i = open_.begin(); i != open_.end();) {
            if (!i->is_renewal) {
                ++i;
                continue;
            }
            must_renew_ = true;
            ids_.release(i->id);
            i = open_.erase(i);
        }
    }

    /// SUBACK or UNSUBACK. An identifier that names nothing is ignored.
    template <packet_type Type>
    errc answered(const subscription_reply<Type>& p) {
        const auto found = find(p.id);
        if (found == open_.end()) return errc::none;
        const request& r = *found;
        if (r.is_subscribe != (Type == packet_type::suback))
            return errc::unexpected_packet; // [v5:MQTT-2.2.1-6]
        const bool counted = Type == packet_type::suback || link_.v5();
        if (counted && p.reasons.size() != r.filters.size()) return errc::reply_count; // [v5:MQTT-3.8.4-6]
        for (std::size_t i = 0; i != r.filters.size(); ++i) {
            if constexpr (Type == packet_type::suback) remember(r, i, p.reasons[i]); // [v5:MQTT-3.9.3-1]
            else unsubscribed(r, i);
        }
        settle(found, errc::none, p.reasons, explanation(p.props));
        return errc::none;
    }

    void stop() { stopped_ = true; }

    void abandon(errc error) {
        while (!open_.empty()) settle(open_.begin(), error, {});
    }

    bool has_replied() const { return !replied_.empty(); }
    std::optional<event::replied> next_replied() {
        if (replied_.empty()) return std::nullopt;
        event::replied out = std::move(replied_.front());
        replied_.pop_front();
        return out;
    }

    std::size_t size() const { return open_.size(); }

private:
    struct wanted {
        std::string filter{};
        subscription options{}; // Its own filter is not used.
    };
    struct request {
        packet_id id{};
        std::uint64_t sequence = 0;
        operation tag = 0;
        bool is_subscribe = false;
        bool is_renewal = false;
        errc refused = errc::none;
        std::vector<wanted> filters{};
        properties<packet_type::subscribe> subscribe_props{};
        properties<packet_type::unsubscribe> unsubscribe_props{};
    };
    using requests_list = std::list<request>; // In the order in which they are sent.
    struct renewable {
        std::uint64_t sequence = 0; // Of the request that made it.
        subscription options{};
        properties<packet_type::subscribe> props{};
    };

    template <class Packet>
    errc check(Packet p, protocol_version preferred) const {
        if (stopped_) return errc::shutting_down;
        p.id = packet_id{1}; // To measure with.
        const bool online = link_.is_connected();
        const auto size = measure_packet(p, online ? link_.version : preferred,
                                         online ? link_.limits.maximum_packet_size : wire::packet_max);
        if (!size) return detail::wrong_use(p, size.error());
        return online ? refusal(p) : errc::none;
    }

    errc refusal(const subscribe& p) const { // [v5:U5-19]
        const server_limits& limits = link_.limits;
        if (!limits.subscription_identifiers && p.props.has(property_id::subscription_identifier))
            return errc::subscription_identifiers_not_supported;
        for (const subscription& s : p.subscriptions)
            if (const errc bad = refusal(s.filter); bad != errc::none) return bad;
        return errc::none;
    }
    errc refusal(std::string_view filter) const {
        if (!link_.limits.shared_subscriptions && is_shared(filter)) return errc::shared_not_supported;
        if (!link_.limits.wildcard_subscriptions && has_wildcard(filter))
            return errc::wildcards_not_supported;
        return errc::none;
    }
    errc refusal(const unsubscribe&) const { return errc::none; }

    result<packet_id> start(request r) {
        const packet_id id = ids_.allocate();
        if (id == packet_id::none) return errc::packet_ids_exhausted;
        r.id = id;
        r.sequence = ++last_sequence_;
        open_.push_back(std::move(r));
        if (link_.is_connected()) send(open_.back());
        return id;
    }

    // As a rule the answers come in the order of the requests.
    requests_list::iterator find(packet_id id) {
        auto i = open_.begin();
        while (i != open_.end() && i->id != id) ++i;
        return i;
    }

    void send(request& r) {
        if (r.is_subscribe) {
            subscribe p{.id = r.id, .props = r.subscribe_props};
            for (const wanted& w : r.filters) {
                p.subscriptions.push_back(w.options);
                p.subscriptions.back().filter = w.filter;
            }
            r.refused = refusal(p);
            if (r.refused == errc::none) r.refused = put(p);
        } else {
            unsubscribe p{.id = r.id, .props = r.unsubscribe_props};
            for (const wanted& w : r.filters) p.filters.push_back(w.filter);
            r.refused = put(p);
        }
    }

    template <class Packet>
    errc put(const Packet& p) {
        return link_.is_connected() ? link_.output.add(p, link_.version, link_.limits.maximum_packet_size)
                                    : errc::none;
    }

    // What this connection's limits forbid, although it was accepted before.
    void settle_refused() {
        for (auto i = open_.begin(); i != open_.end();) {
            const auto here = i++;
            if (here->refused != errc::none) settle(here, here->refused, {});
        }
    }

    void settle(requests_list::iterator at, errc error, std::vector<reason_code> reasons,
                explanation why = {}) {
        const request& r = *at;
        if (r.tag != 0 || r.is_renewal)
            replied_.push_back(
                {r.tag, r.id, r.is_subscribe, error, std::move(reasons), renewed(r), std::move(why)});
        ids_.release(r.id);
        open_.erase(at);
    }

    static std::vector<std::string> renewed(const request& r) {
        std::vector<std::string> out;
        if (r.is_renewal)
            for (const wanted& w : r.filters) out.push_back(w.filter);
        return out;
    }

    void remember(const request& r, std::size_t i, reason_code reason) {
        if (is_refusal(reason)) renewable_.erase(r.filters[i].filter);
        else renewable_[r.filters[i].filter] = {r.sequence, r.filters[i].options, r.subscribe_props};
    }

    // A SUBACK may have come between this wish and its answer, for an earlier wish.
    void unsubscribed(const request& r, std::size_t i) {
        const auto found = renewable_.find(r.filters[i].filter);
        if (found != renewable_.end() && found->second.sequence < r.sequence) renewable_.erase(found);
    }

    void renew_all() {
        const auto before_all = open_.begin(); // What has been asked for since comes behind.
        for (auto i = renewable_.begin(); i != renewable_.end();) {
            request r{.is_subscribe = true, .is_renewal = true, .subscribe_props = i->second.props};
            std::size_t size = 0;
            for (; i != renewable_.end() && r.filters.size() != renewed_at_a_time &&
                   i->second.props == r.subscribe_props;
                 ++i) {
                size += 3 + i->first.size();
                const std::size_t most = link_.limits.maximum_packet_size;
                const bool fits = size + r.subscribe_props.bytes().size() + 11 <= most;
                const errc bad = refusal(i->first); // Then it goes alone: the others are not to fail with it.
                if (!r.filters.empty() && (!fits || bad != r.refused || bad != errc::none)) break;
                r.refused = bad;
                r.filters.push_back({i->first, i->second.options});
            }
            if (const packet_id id = ids_.allocate(); id != packet_id::none) {
                r.id = id;
                open_.insert(before_all, std::move(r));
            } else {
                must_renew_ = true;
                replied_.push_back({0, id, true, errc::packet_ids_exhausted, {}, renewed(r), {}});
            }
        }
    }

    link& link_;
    packet_ids& ids_;
    const session_options& options_;
    requests_list open_{};
    std::map<std::string, renewable> renewable_{};
    std::list<event::replied> replied_{};
    std::uint64_t last_sequence_ = 0;
    bool must_renew_ = false; // Some renewals have got no answer, or could not be asked for.
    bool stopped_ = false;
};

} // namespace inflight
