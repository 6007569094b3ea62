// inflight/testing/topic_tree.hpp - values at topics or filters, found level by level.
#pragma once

#include <inflight/codec/topic.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <vector>

namespace inflight::testing {

/// A tree with a node for each topic level. `Value` tells with empty() that it holds nothing. No function
/// recurses: a topic may have 65,536 levels.
template <class Value> class topic_tree {
public:
    /// The value at `path`, made if there is none. Call prune() when it is empty again.
    Value& operator[](std::string_view path) {
        index at = root;
        for (bool more = true; more;) {
            const std::string_view level = inflight::detail::next_level(path, more);
            const index below = child(at, level);
            at = below != none ? below : add_child(at, level);
        }
        return nodes_[at].value;
    }

    Value* find(std::string_view path) {
        const index at = locate(path);
        return at == none ? nullptr : &nodes_[at].value;
    }

    /// Removes the node at `path` and those above it, as far as they hold nothing.
    void prune(std::string_view path) {
        index at = locate(path);
        while (at != none && at != root && nodes_[at].value.empty() && nodes_[at].children.empty()) {
            const index above = nodes_[at].above;
            const std::size_t slash = path.rfind('/');
            nodes_[above].children.erase(nodes_[above].children.find(path.substr(slash + 1)));
            path = path.substr(0, slash == std::string_view::npos ? 0 : slash);
            nodes_[at] = node{};
            free_.push_back(at);
            at = above;
        }
    }

    /// The tree holds filters: visits the value of each that matches `name`.
    template <class Visitor>
    void for_each_match(std::string_view name, Visitor&& visit) {
        const bool is_hidden = name.starts_with('$'); // [v5:MQTT-4.7.2-1]
        std::vector<index> here{root}, below;
        for (bool more = true; more && !here.empty();) {
            const std::string_view level = inflight::detail::next_level(name, more);
            below.clear();
            for (const index at : here) {
                if (at != root || !is_hidden) {
                    if (const index any = child(at, "#"); any != none) visit(nodes_[any].value);
                    if (const index one = child(at, "+"); one != none) below.push_back(one);
                }
                if (const index same = child(at, level); same != none) below.push_back(same);
            }
            here.swap(below);
        }
        for (const index at : here) {
            visit(nodes_[at].value);
            if (const index any = child(at, "#"); any != none) visit(nodes_[any].value); // "a/#" matches "a".
        }
    }

    /// The tree holds names: visits the value of each that `filter` matches.
    template <class Visitor>
    void for_each_matched(std::string_view filter, Visitor&& visit) const {
        std::vector<index> here{root}, below;
        for (bool more = true; more && !here.empty();) {
            const std::string_view level = inflight::detail::next_level(filter, more);
            const bool is_rest = level == "#";
            below.clear();
            for (const index at : here) {
                if (is_rest && at != root)
                    below.push_back(at); // "a/#" matches "a".
                else if (is_rest || level == "+")
                    add_visible_children(at, below);
                else if (const index same = child(at, level); same != none)
                    below.push_back(same);
            }
            here.swap(below);
            if (is_rest) return visit_below(std::move(here), visit);
        }
        for (const index at : here) visit(nodes_[at].value);
    }

    /// The root, and the levels that lead to a value.
    std::size_t node_count() const { return nodes_.size() - free_.size(); }

private:
    using index = std::uint32_t;
    static constexpr index root = 0, none = 0xFFFF'FFFF;

    struct node {
        index above = none;
        std::map<std::string, index, std::less<>> children{};
        Value value{};
    };

    index child(index at, std::string_view level) const {
        const auto place = nodes_[at].children.find(level);
        return place == nodes_[at].children.end() ? none : place->second;
    }

    index locate(std::string_view path) const {
        index at = root;
        for (bool more = true; more && at != none;) at = child(at, inflight::detail::next_level(path, more));
        return at;
    }

    index add_child(index at, std::string_view level) {
        index added = static_cast<index>(nodes_.size());
        if (free_.empty()) {
            nodes_.emplace_back();
        } else {
            added = free_.back();
            free_.pop_back();
        }
        nodes_[added].above = at;
        nodes_[at].children.emplace(level, added);
        return added;
    }

    void add_visible_children(index at, std::vector<index>& out) const {
        for (const auto& [level, below] : nodes_[at].children)
            if (at != root || !level.starts_with('$')) out.push_back(below); // [v5:MQTT-4.7.2-1]
    }

    // The nodes given and all below them, in the order of their levels.
    template <class Visitor>
    void visit_below(std::vector<index> left, Visitor& visit) const {
        std::reverse(left.begin(), left.end());
        while (!left.empty()) {
            const index at = left.back();
            left.pop_back();
            visit(nodes_[at].value);
            const auto& children = nodes_[at].children;
            for (auto below = children.rbegin(); below != children.rend(); ++below)
                left.push_back(below->second);
        }
    }

    std::deque<node> nodes_ = std::deque<node>(1);
    std::vector<index> free_{};
};

} // namespace inflight::testing
