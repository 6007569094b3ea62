// inflight/testing/router.hpp - who gets which message: subscriptions, shared ones, retained messages.
// Standard: MQTT 5.0 sections 3.3.1.3, 3.3.4, 3.8.3.1, 4.8; MQTT 3.1.1 sections 3.3.1.3, 3.8.4.
#pragma once

#include <inflight/codec/topic_tree.hpp>
#include <inflight/testing/server_session.hpp>

#include <algorithm>

namespace inflight::testing {

class router {
public:
    /// Adds a subscription, or replaces the one to the same filter. True if there was none. [v5:MQTT-3.8.4-3]
    bool subscribe(server_session& who, server_subscription wish) {
        const std::string filter = wish.filter;
        const auto [place, is_new] = who.subscriptions.insert_or_assign(filter, std::move(wish));
        const shared_filter parts = split_share(filter);
        subscribers& here = subscribers_[parts.filter];
        auto& members = is_shared(filter) ? here.groups[std::string(parts.share_name)].members : here.single;
        members.insert_or_assign(who.number, subscriber{&who, &place->second});
        return is_new;
    }

    /// False if there was no such subscription.
    bool unsubscribe(server_session& who, std::string_view filter) {
        const auto place = who.subscriptions.find(std::string(filter));
        if (place == who.subscriptions.end()) return false;
        remove(who, filter);
        who.subscriptions.erase(place);
        return true;
    }

    /// Removes all subscriptions of a session.
    void forget(server_session& who) {
        for (const auto& [filter, subscription] : who.subscriptions) remove(who, filter);
        who.subscriptions.clear();
    }

    /// Keeps the message if it is a retained one, and gives it to everyone who has subscribed to its topic.
    /// The number of those.
    std::size_t route(const message_ptr& m, const server_session* publisher, time_point now) {
        if (m->content.retain) retain(m);
        std::map<std::uint64_t, copy> copies; // One for each session, however many subscriptions match.
        std::vector<copy> shared;
        subscribers_.for_each_match(m->content.topic, [&](subscribers& here) {
            for (const auto& [number, one] : here.single)
                if (!one.how->no_local || one.who != publisher) // [v5:MQTT-3.8.3-3]
                    copies[number].add(one, *m);
            for (auto& [name, group] : here.groups) shared.emplace_back().add(group.choose(), *m);
        });
        for (auto& [number, one] : copies) one.send(m, now);
        for (copy& one : shared) one.send(m, now);
        return copies.size() + shared.size();
    }

    /// Sends the retained messages that a new subscription asks for. [v5:MQTT-3.3.1-9]
    void send_retained(server_session& to, const server_subscription& how, time_point now) const {
        retained_.for_each_matched(how.filter, [&](const retained_message& one) {
            if (!one.message || one.message->has_expired(now)) return;
            delivery d{one.message, std::min(one.message->content.qos, how.qos), true, {}};
            if (how.identifier) d.identifiers.push_back(*how.identifier);
            to.deliver(std::move(d), now);
        });
    }

    /// The retained messages whose topic matches, by topic, without their Message Expiry Interval.
    std::vector<message> retained(std::string_view filter) const {
        std::vector<message> out;
        retained_.for_each_matched(filter, [&](const retained_message& one) {
            if (one.message) out.push_back(one.message->content);
        });
        std::ranges::sort(out, {}, &message::topic);
        return out;
    }
    void forget_retained() { retained_ = {}; }

private:
    struct subscriber {
        server_session* who = nullptr;
        const server_subscription* how = nullptr;
    };
    using members_by_number = std::map<std::uint64_t, subscriber>;

    struct share_group {
        members_by_number members{};
        std::uint64_t last = 0; // Who got the last message.

        // The next one in turn who is there; if nobody is, the next one.
        const subscriber& choose() {
            auto at = members.upper_bound(last);
            for (std::size_t i = 0; i != members.size(); ++i) {
                if (at == members.end()) at = members.begin();
                if (at->second.who->is_online()) break;
                ++at;
            }
            if (at == members.end()) at = members.begin();
            last = at->first;
            return at->second;
        }
    };

    struct subscribers { // To one filter.
        members_by_number single{};
        std::map<std::string, share_group, std::less<>> groups{};
        bool empty() const { return single.empty() && groups.empty(); }
    };

    struct retained_message {
        message_ptr message{};
        bool empty() const { return !message; }
    };

    struct copy { // For one session.
        server_session* to = nullptr;
        delivery what{};

        void add(const subscriber& s, const routed_message& m) { // [v5:MQTT-3.3.4-2] [v5:MQTT-3.3.4-4]
            to = s.who;
            what.qos = std::max(what.qos, std::min(m.content.qos, s.how->qos));
            what.retain = what.retain || (m.content.retain && s.how->retain_as_published);
            if (s.how->identifier) what.identifiers.push_back(*s.how->identifier);
        }
        void send(const message_ptr& m, time_point now) {
            what.message = m;
            to->deliver(std::move(what), now);
        }
    };

    void remove(server_session& who, std::string_view filter) {
        const shared_filter parts = split_share(filter);
        subscribers& here = *subscribers_.find(parts.filter);
        if (is_shared(filter)) {
            const auto group = here.groups.find(parts.share_name);
            group->second.members.erase(who.number);
            if (group->second.members.empty()) here.groups.erase(group);
        } else {
            here.single.erase(who.number);
        }
        subscribers_.prune(parts.filter);
    }

    // [v5:MQTT-3.3.1-5] [v5:MQTT-3.3.1-6] [v5:MQTT-3.3.1-7]
    void retain(const message_ptr& m) {
        const std::string& topic = m->content.topic;
        if (!m->content.payload.empty()) {
            retained_[topic].message = m;
        } else if (retained_message* old = retained_.find(topic)) {
            old->message = nullptr;
            retained_.prune(topic);
        }
    }

    topic_tree<subscribers> subscribers_{};
    topic_tree<retained_message> retained_{};
};

} // namespace inflight::testing
