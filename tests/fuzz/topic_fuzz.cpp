// Topics on foreign text, a topic or filter on each line: what is valid, which matches which, one by one and through
// topic_tree, all against a reference that is written for plainness.
#include "codec/oracle.hpp"
#include "fuzz/input.hpp"

#include <inflight/codec/topic_tree.hpp>

#include <set>

using namespace inflight;

namespace {

constexpr std::size_t most_lines = 24;

using texts = std::set<std::string>;

struct entry {
    texts here{};
    bool empty() const { return here.empty(); }
};
using tree = topic_tree<entry>;

texts all_of(std::string_view text) {
    texts out;
    for (bool more = true; more && out.size() != most_lines;) {
        const std::size_t feed = text.find('\n');
        more = feed != text.npos;
        out.emplace(text.substr(0, feed));
        text.remove_prefix(more ? feed + 1 : text.size());
    }
    return out;
}

void examine(const std::string& filter, const std::string& name) {
    const bool fits = matches(filter, name); // Arbitrary text must do no harm.
    if (!reference::is_filter(filter) || !reference::is_name(name)) return;
    check(fits == reference::matches(filter, name), "matches() agrees with the reference");
}

texts found(tree& t, std::string_view text, bool is_name) {
    texts out;
    const auto take = [&](const entry& e) {
        for (const std::string& one : e.here) check(out.insert(one).second, "the tree finds each thing once");
    };
    if (is_name) t.for_each_match(text, take);
    else t.for_each_matched(text, take);
    return out;
}

// What the trees find for each text, against the reference.
void examine(tree& filters, const texts& all_filters, tree& names, const texts& all_names) {
    for (const std::string& name : all_names) {
        texts wanted;
        for (const std::string& filter : all_filters)
            if (reference::matches(filter, name)) wanted.insert(filter);
        check(found(filters, name, true) == wanted, "the tree finds the filters that match a name");
    }
    for (const std::string& filter : all_filters) {
        texts wanted;
        for (const std::string& name : all_names)
            if (reference::matches(filter, name)) wanted.insert(name);
        check(found(names, split_share(filter).filter, false) == wanted, "the tree finds the names a filter matches");
    }
}

// Takes every other text out again.
void thin_out(tree& t, texts& all) {
    bool is_kept = false;
    std::erase_if(all, [&](const std::string& one) {
        is_kept = !is_kept;
        if (is_kept) return false;
        const std::string_view path = split_share(one).filter;
        t.find(path)->here.erase(one);
        t.prune(path);
        return true;
    });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const texts lines = all_of({reinterpret_cast<const char*>(data), size});
    tree filters, names;
    texts all_filters, all_names;
    for (const std::string& line : lines) {
        const bool is_filter = check_topic_filter(line) == errc::none, is_name = check_topic_name(line) == errc::none;
        check(is_filter == reference::is_filter(line), "check_topic_filter() agrees with the reference");
        check(is_name == reference::is_name(line), "check_topic_name() agrees with the reference");
        const shared_filter parts = split_share(line);
        check(!is_filter || (!parts.filter.empty() && parts.share_name.empty() == !is_shared(line)), "split_share() splits");
        for (const std::string& other : lines) examine(line, other);
        if (is_filter) filters[parts.filter].here.insert(*all_filters.insert(line).first);
        // The path of a name is the name: "$share" has no meaning in one.
        if (is_name && !is_shared(line)) names[line].here.insert(*all_names.insert(line).first);
    }
    examine(filters, all_filters, names, all_names);
    thin_out(filters, all_filters);
    thin_out(names, all_names);
    examine(filters, all_filters, names, all_names);
    return 0;
}
