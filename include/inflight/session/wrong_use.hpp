// inflight/session/wrong_use.hpp - what is wrong with a wish of the application.
//
// That a packet cannot be encoded the codec has found, with errors that hold for what a peer sends as well.
// Here it is asked once more, at leisure, for whoever has to find the mistake in his program.
#pragma once

#include <inflight/session/options.hpp>

namespace inflight::detail {

[[gnu::cold]] inline errc wrong_property(errc found) {
    if (found == errc::not_utf8) return errc::property_not_utf8;
    if (found == errc::unknown_property) return errc::property_too_long; // See properties::set().
    return found;
}

/// None if it may be published to.
[[gnu::cold]] inline errc wrong_topic(std::string_view topic) {
    const errc bad = check_topic_name(topic);
    if (bad == errc::field_too_long) return errc::topic_too_long;
    if (bad != errc::not_utf8) return bad;
    return topic.find('\0') == std::string_view::npos ? errc::topic_not_utf8 : errc::topic_nul;
}

/// None if it may be subscribed to.
[[gnu::cold]] inline errc wrong_filter(std::string_view filter) {
    const errc bad = check_topic_filter(filter);
    if (bad == errc::topic_empty) return errc::filter_empty;
    if (bad == errc::field_too_long) return errc::filter_too_long;
    if (bad == errc::not_utf8) return errc::filter_not_utf8;
    if (bad != errc::filter_invalid || !is_shared(filter)) return bad;
    const shared_filter parts = split_share(filter);
    const bool is_name_bad = parts.share_name.empty() || has_wildcard(parts.share_name);
    return is_name_bad || parts.filter.empty() ? errc::shared_filter_invalid : bad;
}

/// `found`: what the codec says.
[[gnu::cold]] inline errc wrong_use(const publish& p, errc found) {
    if (!is_valid(p.qos)) return errc::invalid_qos;
    if (const errc bad = wrong_topic(p.topic); bad != errc::none) return bad;
    if (p.props.has(property_id::topic_alias)) return errc::topic_alias_by_hand;
    if (p.props.has(property_id::subscription_identifier)) return errc::subscription_identifier_sent;
    const auto answer = p.props.get<property_id::response_topic>();
    if (answer && check_topic_name(*answer) != errc::none) return errc::response_topic_invalid;
    return wrong_property(found);
}

[[gnu::noinline, gnu::cold]] inline publish_result refuse(const publish& p, errc found) {
    return {to_status(wrong_use(p, found)), 0};
}

[[gnu::cold]] inline errc wrong_use(const subscribe& p, errc found) {
    if (p.subscriptions.empty()) return errc::no_filter;
    for (const subscription& s : p.subscriptions) {
        if (const errc bad = wrong_filter(s.filter); bad != errc::none) return bad;
        if (!is_valid(s.qos)) return errc::invalid_qos;
        if (!is_valid(s.retain_handling)) return errc::invalid_retain_handling;
    }
    return wrong_property(found);
}

[[gnu::cold]] inline errc wrong_use(const unsubscribe& p, errc found) {
    if (p.filters.empty()) return errc::no_filter;
    for (const std::string_view filter : p.filters)
        if (const errc bad = wrong_filter(filter); bad != errc::none) return bad;
    return wrong_property(found);
}

} // namespace inflight::detail
