// inflight/codec/topic.hpp - topic names, topic filters, and which filter matches which name.
// Standard: MQTT 5.0 sections 4.7, 4.8.2; MQTT 3.1.1 section 4.7.
#pragma once

#include <inflight/codec/wire.hpp>

namespace inflight {

// Most names and levels hold none of the characters up to the wildcards, and then one look will do.
constexpr char after_wildcards = '+' + 1;

constexpr bool has_wildcard(std::string_view text) {
    return !wire::is_ascii_from(after_wildcards, text) && text.find_first_of("+#") != std::string_view::npos;
}

namespace detail {

[[gnu::noinline]] constexpr errc check_unusual_characters(std::string_view name) {
    if (!wire::is_utf8(name)) return errc::not_utf8;
    return has_wildcard(name) ? errc::topic_wildcard : errc::none;
}

// What is wrong with the characters of the topic name `name`. [v5:MQTT-3.3.2-1] [v5:MQTT-3.3.2-2]
constexpr errc check_characters(std::string_view name) {
    return wire::is_ascii_from(after_wildcards, name) ? errc::none : check_unusual_characters(name);
}

} // namespace detail

/// What is wrong with `name` as a topic name; none if it may be published to. [v5:MQTT-4.7.3-1]
/// [v5:MQTT-4.7.0-1]
constexpr errc check_topic_name(std::string_view name) {
    if (name.empty()) return errc::topic_empty;
    if (name.size() > wire::text_max) return errc::field_too_long;
    return detail::check_characters(name);
}

/// "$share/group/a/+" taken apart: the share name "group" and the filter "a/+".
struct shared_filter {
    std::string_view share_name;
    std::string_view filter;
};

constexpr std::string_view share_prefix = "$share/";

constexpr bool is_shared(std::string_view filter) { return filter.starts_with(share_prefix); }

/// The parts of a shared filter; of any other, an empty share name and the filter itself.
constexpr shared_filter split_share(std::string_view filter) {
    if (!is_shared(filter)) return {{}, filter};
    const std::string_view rest = filter.substr(share_prefix.size());
    const std::size_t slash = rest.find('/');
    if (slash == std::string_view::npos) return {rest, {}};
    return {rest.substr(0, slash), rest.substr(slash + 1)};
}

namespace detail {

// Cuts the first level off `rest`; `more` tells whether a slash, and so another level, followed.
constexpr std::string_view next_level(std::string_view& rest, bool& more) {
    const std::size_t slash = rest.find('/');
    more = slash != std::string_view::npos;
    const std::string_view level = rest.substr(0, slash);
    rest.remove_prefix(more ? slash + 1 : rest.size());
    return level;
}

} // namespace detail

/// What is wrong with `filter` as a topic filter, shared or not; none if it may be subscribed to.
/// [v5:MQTT-4.7.1-1] [v5:MQTT-4.7.1-2] [v5:MQTT-4.8.2-1] [v5:MQTT-4.8.2-2]
constexpr errc check_topic_filter(std::string_view filter) {
    if (filter.empty()) return errc::topic_empty;
    if (filter.size() > wire::text_max) return errc::field_too_long;
    if (!wire::is_utf8(filter)) return errc::not_utf8;

    const shared_filter parts = split_share(filter);
    if (is_shared(filter) && (parts.share_name.empty() || has_wildcard(parts.share_name)))
        return errc::filter_invalid;
    if (parts.filter.empty()) return errc::filter_invalid;

    std::string_view rest = parts.filter;
    for (bool more = true; more;) {
        const std::string_view level = detail::next_level(rest, more);
        if (level == "#" && more) return errc::filter_invalid; // [v5:MQTT-4.7.1-1]
        if (level.size() > 1 && has_wildcard(level)) return errc::filter_invalid;
    }
    return errc::none;
}

/// Whether a message with topic `name` fits the subscription to `filter`. Both must be valid; the share name
/// of a shared filter plays no part. Names that start with $ are not matched by a leading wildcard.
constexpr bool matches(std::string_view filter, std::string_view name) {
    filter = split_share(filter).filter;
    if (name.starts_with('$') && (filter.starts_with('#') || filter.starts_with('+'))) return false;

    for (bool more_filter = true, more_name = true;;) {
        const std::string_view wanted = detail::next_level(filter, more_filter);
        if (wanted == "#") return true;
        const std::string_view level = detail::next_level(name, more_name);
        if (wanted != "+" && wanted != level) return false;
        if (!more_name) return !more_filter || filter == "#"; // "a/#" matches "a" as well.
        if (!more_filter) return false;
    }
}

} // namespace inflight
