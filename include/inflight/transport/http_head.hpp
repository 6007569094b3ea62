// inflight/transport/http_head.hpp - the head of an HTTP/1.1 message, as WebSocket and HTTP proxies begin
// with: a start line, fields, an empty line. RFC 9112, 2 to 5.
#pragma once

#include <inflight/transport/ascii.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace inflight::detail {

/// A byte of a method or a field's name. RFC 9110, 5.6.2.
constexpr bool is_http_token(char c) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'), is_digit = c >= '0' && c <= '9';
    return is_letter || is_digit || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
constexpr bool is_http_token(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return is_http_token(c); });
}

/// Fit for a field's value: no line break, above all, with which another field would begin. RFC 9110, 5.5.
constexpr bool is_http_value(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) {
        return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f');
    });
}

constexpr std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t";
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    return text.substr(0, text.find_last_not_of(blanks) + 1);
}

/// What a peer has said, for the eyes of a human being: printable ASCII on one line, and not too much of it.
inline std::string quotable(std::string_view words, std::size_t most = 200) {
    std::string out;
    for (const char c : words) {
        if (out.size() == most) return out + "...";
        const bool is_blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (is_blank && (out.empty() || out.back() == ' ')) continue;
        out += is_blank ? ' ' : c > ' ' && c < '\x7f' ? c : '?';
    }
    if (out.ends_with(' ')) out.pop_back();
    return out;
}

struct http_status_line {
    int minor_version; // Of HTTP/1.
    int status;        // 100 to 599.
    std::string_view reason;
};

struct http_request_line {
    std::string_view method, target;
    int minor_version;
};

/// Reads a head out of a stream that may be cut anywhere. What it says can be asked once it is complete.
class http_head {
public:
    static constexpr std::size_t limit = 16 * 1024; // Bytes; servers take 8 KiB, most of them.

    enum class progress : std::uint8_t { incomplete, complete, malformed, too_large };

    /// Takes what belongs to the head off the front of `bytes`. Nothing is to be read after `complete` or an
    /// error.
    progress read(std::string_view& bytes) {
        const std::size_t before = text_.size();
        text_.append(bytes.substr(0, limit - before));
        const std::size_t end = text_.find("\r\n\r\n", before - std::min<std::size_t>(before, 3));
        if (end == text_.npos) {
            bytes = {};
            return text_.size() == limit ? progress::too_large : progress::incomplete;
        }
        bytes.remove_prefix(end + 4 - before);
        text_.resize(end + 2); // Each line with its end.
        return are_fields_well_formed() ? progress::complete : progress::malformed;
    }

    /// Ready for another head, and without the memory of this one, which an assigned string would keep.
    void reset() { (void)std::exchange(text_, {}); }

    /// What there is of it so far.
    std::string_view text() const { return text_; }
    std::string_view start_line() const { return std::string_view(text_).substr(0, text_.find("\r\n")); }

    std::optional<http_status_line> status_line() const {
        const std::string_view line = start_line();
        const auto minor = version(line.substr(0, 8));
        if (!minor || line.size() < 12 || line[8] != ' ' || (line.size() > 12 && line[12] != ' '))
            return std::nullopt;
        int status = 0;
        for (const char c : line.substr(9, 3)) {
            if (c < '0' || c > '9') return std::nullopt;
            status = status * 10 + (c - '0');
        }
        if (status < 100 || status > 599) return std::nullopt;
        return http_status_line{*minor, status, trimmed(line.substr(12))};
    }

    std::optional<http_request_line> request_line() const {
        const std::string_view line = start_line();
        const std::size_t first = line.find(' '), last = line.rfind(' ');
        if (first == line.npos || first == last) return std::nullopt;
        const std::string_view method = line.substr(0, first),
                               target = line.substr(first + 1, last - first - 1);
        const auto minor = version(line.substr(last + 1));
        if (!minor || !is_http_token(method) || target.empty() || target.find(' ') != target.npos)
            return std::nullopt;
        return http_request_line{method, target, *minor};
    }

    /// The value of the first field of that name.
    std::optional<std::string_view> value(std::string_view name) const {
        std::optional<std::string_view> found;
        for_each_field([&](std::string_view n, std::string_view v) {
            if (!found && equals_ignoring_case(n, name)) found = v;
        });
        return found;
    }
    std::size_t count(std::string_view name) const {
        std::size_t n = 0;
        for_each_field([&](std::string_view other, std::string_view) {
            if (equals_ignoring_case(other, name)) ++n;
        });
        return n;
    }
    /// Calls `take` with each element of the fields of that name, each of them a list with commas.
    template <class Take> void for_each_element(std::string_view name, Take take) const {
        for_each_field([&](std::string_view n, std::string_view v) {
            while (equals_ignoring_case(n, name) && !v.empty()) {
                const std::size_t comma = std::min(v.find(','), v.size());
                take(trimmed(v.substr(0, comma)));
                v.remove_prefix(std::min(comma + 1, v.size()));
            }
        });
    }
    bool has_element(std::string_view name, std::string_view element) const {
        bool is_there = false;
        for_each_element(name, [&](std::string_view e) { is_there |= equals_ignoring_case(e, element); });
        return is_there;
    }

private:
    static std::optional<int> version(std::string_view text) {
        if (text.size() != 8 || !text.starts_with("HTTP/1.") || text[7] < '0' || text[7] > '9')
            return std::nullopt;
        return text[7] - '0';
    }

    // Calls `take` with each name and value, as long as they are such. False: not to the end.
    template <class Take> bool for_each_field(Take take) const {
        std::string_view rest(text_);
        rest.remove_prefix(start_line().size() + 2);
        while (!rest.empty()) {
            const std::size_t end = rest.find("\r\n");
            const std::string_view line = rest.substr(0, end);
            rest.remove_prefix(end + 2);
            const std::size_t colon = line.find(':');
            // Neither a blank before the colon nor a line that goes on is allowed any more. RFC
            // 9112, 5.1, 5.2.
            if (colon == line.npos || !is_http_token(line.substr(0, colon))) return false;
            const std::string_view value = trimmed(line.substr(colon + 1));
            if (!is_http_value(value)) return false;
            take(line.substr(0, colon), value);
        }
        return true;
    }

    bool are_fields_well_formed() const {
        return is_http_value(start_line()) && for_each_field([](std::string_view, std::string_view) {});
    }

    std::string text_{};
};

} // namespace inflight::detail
