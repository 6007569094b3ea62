// Wrong uses that both clients must refuse: each with an error of its own, at once, without a word to the server.
#pragma once

#include "catch.hpp"

#include <inflight/async_client/options.hpp>
#include <inflight/testing/server_options.hpp>

#include <map>

namespace wrong_use {

using namespace inflight;
using namespace std::string_literals;

/// A server that has next to nothing.
inline testing::server_options poor_server() {
    testing::server_options o;
    o.maximum_qos = qos::at_least_once;
    o.retain_available = false;
    o.maximum_packet_size = 200'000;
    o.wildcard_subscriptions = o.shared_subscriptions = o.subscription_identifiers = false;
    return o;
}

struct bad_publish {
    message what;
    errc error;
};

struct bad_subscribe {
    std::vector<subscription_request> filters;
    properties<packet_type::subscribe> props;
    errc error;
};

inline message with(properties<packet_type::publish> props) { return {"a", "", qos::at_least_once, false, std::move(props)}; }

// Properties that no setter makes.
inline message with_bytes(std::string_view bytes) {
    return with(properties<packet_type::publish>(properties_view<packet_type::publish>(bytes)));
}

inline std::vector<bad_publish> publishes() {
    using props = properties<packet_type::publish>;
    using enum property_id;
    return {
        {{"", "x"}, errc::topic_empty},
        {{"a/#", "x"}, errc::topic_wildcard},
        {{"\xC3", "x"}, errc::topic_not_utf8},
        {{"a\0b"s, "x"}, errc::topic_nul},
        {{std::string(65'536, 'a'), "x"}, errc::topic_too_long},
        {{"a", "x", static_cast<qos>(3)}, errc::invalid_qos},
        {{"a", "x", qos::exactly_once}, errc::qos_not_supported},
        {{"a", "x", qos::at_most_once, true}, errc::retain_not_supported},
        {{"a", std::string(200'000, 'x')}, errc::packet_too_large},
        {with(props().set<topic_alias>(1)), errc::topic_alias_by_hand},
        {with_bytes("\x0B\x01"), errc::subscription_identifier_sent},
        {with(props().set<response_topic>("a/+")), errc::response_topic_invalid},
        {with(props().set<payload_format_indicator>(2)), errc::property_value},
        {with_bytes("\x01\x01\x01\x01"), errc::property_repeated},
        {with_bytes("\x21\x01\x01"), errc::property_not_allowed}, // Receive Maximum.
        {with(props().set<content_type>("\xC3")), errc::property_not_utf8},
        {with(props().add_user_property("a", std::string(65'536, 'x'))), errc::property_too_long},
    };
}

inline std::vector<bad_subscribe> subscribes() {
    properties<packet_type::subscribe> numbered;
    numbered.set<property_id::subscription_identifier>(1);
    subscription_request not_local{"$share/group/a", qos::at_least_once}, handling{"a", qos::at_least_once};
    not_local.no_local = true;
    handling.retain_handling = static_cast<retain_handling>(3);
    return {
        {{}, {}, errc::no_filter},
        {{{"", qos::at_most_once}}, {}, errc::filter_empty},
        {{{"a", qos::at_most_once}, {"a/#/b", qos::at_most_once}}, {}, errc::filter_invalid},
        {{{"a\0b"s, qos::at_most_once}}, {}, errc::filter_not_utf8},
        {{{std::string(65'536, 'a'), qos::at_most_once}}, {}, errc::filter_too_long},
        {{{"$share/group", qos::at_most_once}}, {}, errc::shared_filter_invalid}, // Without a level behind the name.
        {{not_local}, {}, errc::shared_no_local},
        {{handling}, {}, errc::invalid_retain_handling},
        {{{"a/+", qos::at_most_once}}, {}, errc::wildcards_not_supported},
        {{{"$share/group/a", qos::at_most_once}}, {}, errc::shared_not_supported},
        {{{"a", qos::at_most_once}}, numbered, errc::subscription_identifiers_not_supported},
    };
}

/// Each cause has its own error, and each error its own words.
class distinct {
public:
    void add(std::error_code got, errc wanted) {
        INFO("wanted: " << row(wanted).text << "; got: " << got.message());
        CHECK(got == wanted);
        CHECK(seen_.emplace(got.message(), wanted).second);
    }
    std::size_t size() const { return seen_.size(); }

private:
    std::map<std::string, errc> seen_{};
};

/// The packets that the server has got since the line number `since` of its trace.
template <class Trace> std::vector<std::string> received(const Trace& trace, std::size_t since) {
    std::vector<std::string> out;
    for (std::size_t i = since; i < trace.size(); ++i)
        if (trace[i].find(" -> ") != std::string::npos) out.push_back(trace[i].substr(trace[i].find(" -> ") + 4));
    return out;
}

} // namespace wrong_use
