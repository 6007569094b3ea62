// The tree of topic levels against the reference.
#include "codec/oracle.hpp"

#include <inflight/codec/topic_tree.hpp>

#include "support/catch.hpp"

#include <random>
#include <set>

using namespace inflight;

namespace {

struct mark {
    std::string path{};
    bool empty() const { return path.empty(); }
};
using tree = topic_tree<mark>;
using paths = std::multiset<std::string>;

paths filters_matching(tree& t, std::string_view name) {
    paths out;
    t.for_each_match(name, [&](const mark& m) {
        if (!m.empty()) out.insert(m.path);
    });
    return out;
}
paths names_matched(tree& t, std::string_view filter) {
    paths out;
    t.for_each_matched(filter, [&](const mark& m) {
        if (!m.empty()) out.insert(m.path);
    });
    return out;
}

// A path of up to five levels out of a few words.
std::string random_path(std::mt19937& random, bool is_filter) {
    const std::vector<std::string> words{"", "a", "b", "$x", "aa", "+"};
    std::string out;
    const std::size_t levels = 1 + random() % 4;
    for (std::size_t i = 0; i != levels; ++i) {
        if (i != 0) out += '/';
        out += words[random() % (is_filter ? words.size() : words.size() - 1)];
    }
    if (is_filter && random() % 3 == 0) out += out.empty() ? "#" : "/#";
    return out;
}

} // namespace

TEST_CASE("topic_tree: finds the filters that match a name, and the names that a filter matches, each once", "[codec]") {
    std::mt19937 random(20261121);
    tree filters, names;
    paths all_filters, all_names;
    for (int i = 0; i != 3000; ++i) {
        const std::string filter = random_path(random, true), name = random_path(random, false);
        if (!filter.empty() && random() % 3 != 0) {
            filters[filter].path = filter;
            if (!all_filters.count(filter)) all_filters.insert(filter);
        } else if (mark* m = filter.empty() ? nullptr : filters.find(filter)) {
            m->path.clear();
            filters.prune(filter);
            all_filters.erase(filter);
        }
        if (name.empty()) continue;
        names[name].path = name;
        if (!all_names.count(name)) all_names.insert(name);

        paths wanted_filters, wanted_names;
        for (const std::string& one : all_filters)
            if (reference::matches(one, name)) wanted_filters.insert(one);
        CAPTURE(name, filter);
        CHECK(filters_matching(filters, name) == wanted_filters);
        if (filter.empty()) continue;
        for (const std::string& one : all_names)
            if (reference::matches(filter, one)) wanted_names.insert(one);
        CHECK(names_matched(names, filter) == wanted_names);
    }
}

TEST_CASE("topic_tree: keeps no node that leads nowhere", "[codec]") {
    tree t;
    t["a/b/c"].path = "a/b/c";
    t["a/b"].path = "a/b";
    CHECK(t.node_count() == 4);
    t.find("a/b/c")->path.clear();
    t.prune("a/b/c");
    CHECK(t.find("a/b/c") == nullptr);
    REQUIRE(t.find("a/b"));
    t.find("a/b")->path.clear();
    t.prune("a/b");
    CHECK(t.find("a") == nullptr);
    CHECK(t.node_count() == 1);
    t["x/y/z"].path = "x/y/z";
    CHECK(t.node_count() == 4);
    t.prune("nothing/here");
}

TEST_CASE("topic_tree: a filter that lost its place does not come back with a new one in that place", "[codec]") {
    tree t;
    for (const auto filter : {"a/+", "a/#", "a/b"}) t[filter].path = filter;
    for (const auto filter : {"a/+", "a/#", "a/b"}) {
        t.find(filter)->path.clear();
        t.prune(filter);
    }
    CHECK(t.node_count() == 1);
    for (const auto filter : {"+/x", "b/y", "b/#"}) t[filter].path = filter;
    CHECK(filters_matching(t, "a/b").empty());
    CHECK(filters_matching(t, "b/x") == paths{"+/x", "b/#"});
    CHECK(filters_matching(t, "b") == paths{"b/#"});
}

TEST_CASE("topic_tree: visits what matches and what is on the way to it, and nothing else", "[codec]") {
    tree t;
    for (int i = 0; i != 10'000; ++i) {
        const std::string number = std::to_string(i);
        for (const std::string& filter : {"site/" + number + "/state", number + "/+", "site/+/" + number, number + "/#"})
            t[filter].path = filter;
    }
    int visits = 0;
    t.for_each_match("site/4711/state", [&](const mark&) { ++visits; });
    CHECK(visits == 1);
    CHECK(filters_matching(t, "site/7/4711") == paths{"site/+/4711"});
    CHECK(filters_matching(t, "4711/x") == paths{"4711/#", "4711/+"});
}

TEST_CASE("topic_tree: the longest topic there can be is no trouble", "[codec]") {
    const std::string name(65'535, '/'), filter = name.substr(2) + "/#";
    tree t;
    t[filter].path = "found";
    CHECK(filters_matching(t, name).size() == 1);
    t.find(filter)->path.clear();
    t.prune(filter);
    t[name].path = "found";
    CHECK(names_matched(t, "#").size() == 1);
}
