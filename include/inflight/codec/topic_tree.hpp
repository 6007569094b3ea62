// inflight/codec/topic_tree.hpp - values at topics or filters, found level by level.
// Standard: MQTT 5.0 section 4.7; MQTT 3.1.1 section 4.7.
#pragma once

#include <inflight/codec/topic.hpp>

#include <deque>
#include <unordered_map>
#include <vector>

namespace inflight {

/// A tree with a node for each topic level: what does not match costs nothing, however much of it there is.
/// `Value` tells with empty() that it holds nothing. Paths are valid names, or valid filters without their
/// share names. No function recurses: a topic may have 65,536 levels.
template <class Value>
class topic_tree {
public:
    /// The value at `path`, made if there is none. Call prune() when it is empty again.
    Value& operator[](std::string_view path) {
        index at = root;
        for (bool more = true; more;) {
            const std::string_view level = detail::next_level(path, more);
            const index below = child(at, level);
            at = below != none ? below : add_child(at, level);
        }
        return nodes_[at].value;
    }

    /// Null when nothing is there.
    Value* find(std::string_view path) {
        const index at = locate(path);
        return at == none ? nullptr : &nodes_[at].value;
    }

    /// Removes the node at `path` and those above it, as far as they hold nothing.
    void prune(std::string_view path) {
        index at = locate(path);
        while (at != none && at != root && nodes_[at].value.empty() && nodes_[at].is_leaf()) {
            const index above = nodes_[at].above;
            const std::size_t slash = path.rfind('/');
            remove_child(above, path.substr(slash + 1));
            path = path.substr(0, slash == std::string_view::npos ? 0 : slash);
            nodes_[at] = node{};
            free_.push_back(at);
            at = above;
        }
    }

    /// The tree holds filters: visits the value of each that matches `name`, in no certain order. `visit`
    /// must not change the tree.
    template <class Visitor>
    void for_each_match(std::string_view name, Visitor&& visit) {
        const bool is_hidden = name.starts_with('$'); // [v5:MQTT-4.7.2-1]
        std::vector<branch> left = std::exchange(branches_, {}); // For its memory.
        left.assign(1, {root, name, true});
        while (!left.empty()) {
            branch b = left.back();
            left.pop_back();
            node& here = nodes_[b.at];
            const bool takes_wildcards = b.at != root || !is_hidden;
            if (takes_wildcards && here.rest != none) visit(nodes_[here.rest].value); // "a/#" matches "a".
            if (!b.more) {
                visit(here.value);
                continue;
            }
            const std::string_view level = detail::next_level(b.rest, b.more);
            if (takes_wildcards && here.one != none) left.push_back({here.one, b.rest, b.more});
            if (const index same = here.plain(level); same != none) left.push_back({same, b.rest, b.more});
        }
        branches_ = std::move(left);
    }

    /// The tree holds names: visits the value of each that `filter` matches, in no certain order.
    template <class Visitor>
    void for_each_matched(std::string_view filter, Visitor&& visit) const {
        std::vector<index> here{root}, below;
        for (bool more = true; more && !here.empty();) {
            const std::string_view level = detail::next_level(filter, more);
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

    bool is_empty() const { return node_count() == 1; }

    /// The root, and the levels that lead to a value.
    std::size_t node_count() const { return nodes_.size() - free_.size(); }

private:
    using index = std::uint32_t;
    static constexpr index root = 0, none = 0xFFFF'FFFF;

    struct level_hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view level) const { return std::hash<std::string_view>{}(level); }
    };

    struct node {
        index above = none;
        index one = none, rest = none; // Below '+' and '#'.
        std::unordered_map<std::string, index, level_hash, std::equal_to<>> children{}; // Below the others.
        Value value{};

        bool is_leaf() const { return one == none && rest == none && children.empty(); }
        index plain(std::string_view level) const {
            const auto place = children.find(level);
            return place == children.end() ? none : place->second;
        }
        index* wildcard(std::string_view level) {
            return level == "+" ? &one : level == "#" ? &rest : nullptr;
        }
    };

    // A node, and what is left of the name below it.
    struct branch {
        index at;
        std::string_view rest;
        bool more;
    };

    index child(index at, std::string_view level) const {
        const node& n = nodes_[at];
        return level == "+" ? n.one : level == "#" ? n.rest : n.plain(level);
    }

    index locate(std::string_view path) const {
        index at = root;
        for (bool more = true; more && at != none;) at = child(at, detail::next_level(path, more));
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
        if (index* const wildcard = nodes_[at].wildcard(level)) *wildcard = added;
        else nodes_[at].children.emplace(level, added);
        return added;
    }

    void remove_child(index at, std::string_view level) {
        node& n = nodes_[at];
        if (index* const wildcard = n.wildcard(level)) *wildcard = none;
        else n.children.erase(n.children.find(level));
    }

    void add_visible_children(index at, std::vector<index>& out) const {
        for (const auto& [level, below] : nodes_[at].children)
            if (at != root || !level.starts_with('$')) out.push_back(below); // [v5:MQTT-4.7.2-1]
    }

    // The nodes given and all below them.
    template <class Visitor>
    void visit_below(std::vector<index> left, Visitor& visit) const {
        while (!left.empty()) {
            const index at = left.back();
            left.pop_back();
            visit(nodes_[at].value);
            for (const auto& [level, below] : nodes_[at].children) left.push_back(below);
        }
    }

    std::deque<node> nodes_ = std::deque<node>(1);
    std::vector<index> free_{};
    std::vector<branch> branches_{}; // Empty, but for_each_match() need not allocate.
};

} // namespace inflight
