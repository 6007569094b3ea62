// inflight/testing/session_table.hpp - the sessions of a test server: how they begin, wait and end.
// Standard: MQTT 5.0 sections 3.1.2.4, 3.1.2.5, 3.1.2.11.2, 3.1.3.2.2, 4.1; MQTT 3.1.1
// sections 3.1.2.4, 3.1.2.5.
#pragma once

#include <inflight/testing/router.hpp>

namespace inflight::testing {

class session_table {
public:
    explicit session_table(server_parts& parts) : parts_(parts) {}

    router routes{};

    std::size_t size() const { return sessions_.size(); }

    server_session* find(std::string_view client_id) {
        const auto place = numbers_.find(client_id);
        return place == numbers_.end() ? nullptr : &sessions_.find(place->second)->second;
    }
    const server_session* find(std::string_view client_id) const {
        const auto place = numbers_.find(client_id);
        return place == numbers_.end() ? nullptr : &sessions_.find(place->second)->second;
    }

    struct opened {
        server_session* session;
        bool is_present; // It was there before.
    };

    /// The session for a CONNECT; whatever connection it had is detached already. [v5:MQTT-3.1.2-4]
    /// [v5:MQTT-3.1.2-5] [v5:MQTT-3.1.2-6]
    opened open(const std::string& client_id, bool clean_start, time_point now) {
        server_session* known = find(client_id);
        if (known && clean_start) end(*known, now);
        if (known && !clean_start) {
            parts_.timers.cancel(known->end_timer());
            parts_.timers.cancel(known->will_timer());
            known->will.reset(); // [v5:MQTT-3.1.3-9]
            return {known, true};
        }
        const std::uint64_t number = ++last_number_;
        numbers_.emplace(client_id, number);
        return {&sessions_.try_emplace(number, number, client_id, parts_).first->second, false};
    }

    /// The connection of this session is gone: its Will and its end are due now or later.
    void detach(server_session& s, time_point now) {
        s.connection = nullptr;
        if (s.expiry.count() == 0) return end(s, now);
        if (s.expiry != never) parts_.timers.set(s.end_timer(), now + s.expiry);
        if (!s.will) return;
        if (s.will->delay.count() == 0)
            publish_will(s, now);
        else
            parts_.timers.set(s.will_timer(), now + s.will->delay);
    }

    /// A timer of a session that is due.
    void due(timer which, time_point now) {
        server_session& s = sessions_.find(which.number)->second;
        if (which.what == timer::kind::will)
            publish_will(s, now);
        else
            end(s, now);
    }

    /// After a crash: what was stored, or nothing. Wills are lost, and expiry is counted anew.
    void restart(bool keep, time_point now) {
        if (!keep) routes.forget_retained();
        std::vector<server_session*> all; // Some end here, and leave the table.
        all.reserve(sessions_.size());
        for (auto& [number, s] : sessions_) all.push_back(&s);
        for (server_session* s : all) {
            s->will.reset();
            parts_.timers.cancel(s->will_timer());
            if (!keep)
                end(*s, now);
            else
                detach(*s, now);
        }
    }

    template <class Visitor>
    void for_each(Visitor&& visit) const {
        for (const auto& [number, s] : sessions_) visit(s);
    }

private:
    // The Will is published at the latest when the session ends. [v5:MQTT-3.1.2-8]
    void end(server_session& s, time_point now) {
        const std::optional<server_will> last = std::move(s.will);
        routes.forget(s);
        parts_.timers.cancel(s.end_timer());
        parts_.timers.cancel(s.will_timer());
        numbers_.erase(numbers_.find(s.client_id));
        sessions_.erase(s.number);
        if (last) publish_will(*last, nullptr, now);
    }

    void publish_will(server_session& s, time_point now) {
        const server_will last = *std::exchange(s.will, std::nullopt); // [v5:MQTT-3.1.2-10]
        publish_will(last, &s, now);
    }
    void publish_will(const server_will& w, const server_session* publisher, time_point now) {
        ++parts_.log.counters.wills;
        routes.route(make_routed(w.content, now), publisher, now);
    }

    server_parts& parts_;
    std::map<std::uint64_t, server_session> sessions_{};
    std::map<std::string, std::uint64_t, std::less<>> numbers_{}; // By Client Identifier.
    std::uint64_t last_number_ = 0;
};

} // namespace inflight::testing
