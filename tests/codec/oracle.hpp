// What must hold of any input, for the tests and the fuzzer alike: a reference for topics, written for
// plainness and not for speed, and the examination of a packet that was decoded from foreign bytes.
#pragma once

#include <inflight/codec.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace reference {

inline std::vector<std::string> levels(std::string_view text) {
    std::vector<std::string> out{""};
    for (const char c : text) {
        if (c == '/') out.emplace_back();
        else out.back().push_back(c);
    }
    return out;
}

inline bool has_wildcard(const std::string& level) { return level.find_first_of("+#") != level.npos; }

inline bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= 65'535 && inflight::wire::is_utf8(text)
        && !has_wildcard(std::string(text));
}

inline bool is_filter(std::string_view text) {
    if (text.empty() || text.size() > 65'535 || !inflight::wire::is_utf8(text)) return false;
    std::vector<std::string> all = levels(text);
    if (all.size() > 1 && all[0] == "$share") { // Then the share name, then a filter that is not empty.
        if (all[1].empty() || has_wildcard(all[1])) return false;
        all.erase(all.begin(), all.begin() + 2);
        if (all.empty() || (all.size() == 1 && all[0].empty())) return false;
    }
    for (std::size_t i = 0; i != all.size(); ++i) {
        const bool is_last = i + 1 == all.size();
        if (has_wildcard(all[i]) && all[i] != "+" && !(all[i] == "#" && is_last)) return false;
    }
    return true;
}

/// For a good filter and a good name.
inline bool matches(std::string_view filter, std::string_view name) {
    std::vector<std::string> wanted = levels(filter);
    const std::vector<std::string> have = levels(name);
    if (wanted.size() > 1 && wanted[0] == "$share") wanted.erase(wanted.begin(), wanted.begin() + 2);
    if (have[0].substr(0, 1) == "$" && (wanted[0] == "+" || wanted[0] == "#")) return false;
    if (wanted.back() == "#") {
        wanted.pop_back();
        if (have.size() < wanted.size()) return false;
    } else if (have.size() != wanted.size()) {
        return false;
    }
    for (std::size_t i = 0; i != wanted.size(); ++i)
        if (wanted[i] != "+" && wanted[i] != have[i]) return false;
    return true;
}

} // namespace reference

namespace oracle {

/// A refusal that no table knows ends the connection when it is received, and cannot be sent.
inline bool holds_foreign_refusal(const inflight::packet& p, inflight::protocol_version version) {
    using namespace inflight;
    const auto* ack = std::get_if<connack>(&p);
    const auto* bye = std::get_if<disconnect>(&p);
    if (!ack && !bye) return false;
    const reason_code code = ack ? ack->reason : bye->reason;
    if (version == protocol_version::v3_1_1) return connack_byte(code, version) >= 0x80;
    const reason_row* known = find_reason(code);
    return is_refusal(code) && (!known || !known->in.has(type_of(p)));
}

/// What is wrong with a packet that was decoded: empty if it prints as one clean line, and encodes to bytes
/// that decode to an equal packet.
inline std::string examine(const inflight::packet& p, inflight::protocol_version version) {
    using namespace inflight;
    const std::string line = print(p, version);
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
    if (std::any_of(line.begin(), line.end(), is_control)) return "print: a control character";
    if (!line.starts_with(name(type_of(p)))) return "print: another packet's name";

    std::string bytes;
    const errc refused = encode(p, version, bytes);
    if (refused == errc::reason_not_allowed && holds_foreign_refusal(p, version)) return {};
    if (refused != errc::none) return "encode: " + std::string(row(refused).text);
    const result<frame> f = next_frame(bytes, version);
    if (!f || f->size != bytes.size()) return "encode: not one frame";
    const result<packet> back = decode(*f, version);
    if (!back) return "decode again: " + std::string(row(back.error()).text);
    if (*back != p) return "decode again: another packet";
    return {};
}

} // namespace oracle
