// inflight/transport/proxy.hpp - through a proxy: HTTP CONNECT (RFC 9110, 9.3.6) and SOCKS5 (RFC 1928, 1929).
//
// Both ask the proxy for a connection to the broker, and are transparent once it stands. The proxy looks up
// the broker's name. Credentials go to the proxy in clear: that is how both protocols are.
#pragma once

#include <inflight/codec/error_condition.hpp>
#include <inflight/transport/address.hpp>
#include <inflight/transport/base64.hpp>
#include <inflight/transport/http_head.hpp>
#include <inflight/transport/layer.hpp>
#include <inflight/transport/options.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#ifdef _WIN32
#include <ws2tcpip.h>
#else
#include <arpa/inet.h>
#endif

namespace inflight {

/// Why there is no connection through the proxy.
enum class proxy_errc {
    none,
    // What cannot be asked of such a proxy.
    host_invalid, host_too_long, credentials_invalid,
    // What the proxy answers.
    credentials_missing, credentials_refused, authentication_not_supported, forbidden, bad_request,
    connect_not_supported, address_type_not_supported, general_failure, network_unreachable,
    host_unreachable, connection_refused, timed_out, unavailable, unexpected_status,
    // What is no answer.
    malformed_answer, answer_too_long, closed,
};

struct proxy_errc_row {
    proxy_errc code;
    error_condition condition;
    std::string_view text;
};

inline constexpr auto proxy_errc_table = [] {
    using enum proxy_errc;
    using enum error_condition;
    return std::to_array<proxy_errc_row>({
        {none, transient, "no error"},
        {host_invalid, fatal, "the broker's host is empty, or has a character that no name and no address has"},
        {host_too_long, fatal, "the broker's host name is longer than the 255 bytes that SOCKS5 can say"},
        {credentials_invalid, fatal, "user name or password for the proxy cannot be said in its protocol"},
        {credentials_missing, fatal, "proxy wants a user name and a password"},
        {credentials_refused, fatal, "proxy does not accept user name and password"},
        {authentication_not_supported, fatal, "proxy wants a way of authentication other than user name and password"},
        {forbidden, fatal, "proxy does not allow a connection to this host and port"},
        {bad_request, fatal, "proxy does not understand the request"},
        {connect_not_supported, fatal, "proxy does not make connections: it does not support CONNECT"},
        {address_type_not_supported, fatal, "proxy does not support this type of address"},
        {general_failure, transient, "proxy has failed, or failed to connect to the broker"},
        {network_unreachable, transient, "proxy finds the broker's network unreachable"},
        {host_unreachable, transient, "proxy cannot reach the broker"},
        {connection_refused, transient, "the broker's host refuses the connection of the proxy"},
        {timed_out, transient, "proxy has had no answer from the broker's host in time"},
        {unavailable, transient, "proxy is overloaded or out of service"},
        {unexpected_status, transient, "proxy gives an answer that is not known"},
        {malformed_answer, transient, "answer is not that of a proxy of this kind"},
        {answer_too_long, transient, "the proxy's answer is longer than 16 KiB"},
        {closed, transient, "proxy has closed the connection without an answer"},
    });
}();

static_assert([] {
    for (std::size_t i = 0; i != proxy_errc_table.size(); ++i)
        if (proxy_errc_table[i].code != static_cast<proxy_errc>(i)) return false;
    return proxy_errc_table.size() == static_cast<std::size_t>(proxy_errc::closed) + 1;
}(), "proxy_errc_table has one row per proxy_errc, in order");

/// The category of proxy_errc.
inline const std::error_category& proxy_category() {
    static const struct final : std::error_category {
        const char* name() const noexcept override { return "proxy"; }
        std::string message(int code) const override {
            return std::string(is_known(code) ? row(code).text : "unknown error of a proxy");
        }
        std::error_condition default_error_condition(int code) const noexcept override {
            if (code == 0 || !is_known(code)) return {code, *this};
            return make_error_condition(row(code).condition);
        }

        static bool is_known(int code) {
            return code >= 0 && static_cast<std::size_t>(code) < proxy_errc_table.size();
        }
        static const proxy_errc_row& row(int code) {
            return proxy_errc_table[static_cast<std::size_t>(code)];
        }
    } instance;
    return instance;
}
inline std::error_code make_error_code(proxy_errc code) { return {static_cast<int>(code), proxy_category()}; }

} // namespace inflight

template <>
struct std::is_error_code_enum<inflight::proxy_errc> : std::true_type {};

namespace inflight {

namespace detail {

/// What the host is, if it is an address: its 4 or 16 bytes in the order of the network; otherwise empty.
inline std::string address_bytes(const std::string& host) {
    std::string bytes(16, '\0');
    if (::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1) return bytes;
    bytes.resize(4);
    return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ? bytes : std::string();
}

/// What both kinds of proxy have in common: whom they are asked for, by whom, and what is left when they are
/// through.
class proxy_layer : public layer {
public:
    bool is_open() const final { return is_open_; }
    std::error_code send(std::string_view bytes, std::string& wire) final {
        wire.append(bytes);
        return {};
    }
    std::error_code received(std::string_view bytes, std::string& plain, std::string& wire) final {
        const std::error_code bad = is_open_ ? std::error_code() : answered(bytes, wire);
        if (is_open_) plain.append(bytes);
        return bad;
    }
    std::error_code ended() final { return is_open_ ? std::error_code() : proxy_errc::closed; }
    std::string details() const final { return details_; }
    bool is_transparent() const final { return true; }

protected:
    proxy_layer(const proxy_options& proxy, const broker& where)
        : host_(without_brackets(where.host)), address_(address_bytes(host_)), port_(where.port),
          has_credentials_(proxy.user_name || proxy.password), user_name_(proxy.user_name.value_or("")),
          password_(proxy.password.value_or("")) {}

    /// Takes what belongs to the proxy's answer off the front of `bytes`.
    virtual std::error_code answered(std::string_view& bytes, std::string& wire) = 0;

    bool is_host() const {
        const auto is_bad = [](char c) {
            return c <= ' ' || c > '~' || std::string_view(":/?#@[]").find(c) != std::string_view::npos;
        };
        return !address_.empty() || (!host_.empty() && std::none_of(host_.begin(), host_.end(), is_bad));
    }

    std::error_code fail(proxy_errc code, std::string details) {
        details_ = std::move(details);
        return code;
    }
    std::error_code host_is_invalid() { return fail(proxy_errc::host_invalid, '"' + quotable(host_) + '"'); }
    std::error_code malformed(std::string_view answer) {
        std::string words = "it begins with";
        if (answer.starts_with("HTTP/")) {
            words += ' ' + quotable(answer);
        } else {
            constexpr std::string_view digits = "0123456789ABCDEF";
            for (const char c : answer.substr(0, 8))
                (words += ' ') += {digits[static_cast<unsigned char>(c) >> 4], digits[c & 15]};
        }
        return fail(proxy_errc::malformed_answer, std::move(words));
    }

    std::string host_;    // An address without brackets.
    std::string address_; // Its bytes; empty for a name.
    std::uint16_t port_;
    bool has_credentials_;
    std::string user_name_, password_;
    bool is_open_ = false;

private:
    std::string details_{};
};

} // namespace detail

/// HTTP CONNECT, in HTTP/1.1, with Basic credentials (RFC 7617) sent at once if there are any.
class http_connect_layer final : public detail::proxy_layer {
public:
    http_connect_layer(const proxy_options& proxy, const broker& where) : proxy_layer(proxy, where) {}

    std::error_code start(std::string& wire) override {
        if (!is_host()) return host_is_invalid();
        if (const std::string_view bad = wrong_credentials(); !bad.empty())
            return fail(proxy_errc::credentials_invalid, std::string(bad));
        const std::string target = detail::in_brackets(host_) + ':' + std::to_string(port_);
        wire += "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n";
        if (has_credentials_)
            wire += "Proxy-Authorization: Basic " + detail::base64(user_name_ + ':' + password_) + "\r\n";
        wire += "\r\n";
        return {};
    }

private:
    // RFC 7617, 2.
    std::string_view wrong_credentials() const {
        const auto has_control = [](const std::string& text) {
            return std::any_of(text.begin(), text.end(),
                               [](unsigned char c) { return c < ' ' || c == 127; });
        };
        if (user_name_.find(':') != std::string::npos) return "user name with a colon";
        if (has_control(user_name_) || has_control(password_)) return "control character";
        return {};
    }

    std::error_code answered(std::string_view& bytes, std::string&) override {
        using progress = detail::http_head::progress;
        while (!is_open_) {
            const std::size_t before = bytes.size();
            const progress now = head_.read(bytes);
            constexpr std::string_view beginning = "HTTP/1.";
            const std::string_view text = head_.text();
            if (!text.starts_with(beginning.substr(0, text.size()))) return malformed(text);
            taken_ += before - bytes.size();
            if (now == progress::too_large || taken_ > detail::http_head::limit)
                return fail(proxy_errc::answer_too_long, detail::quotable(head_.start_line()));
            if (now == progress::incomplete) return {};
            const auto line = head_.status_line();
            if (now == progress::malformed || !line) return malformed(text);
            // Any 2xx is a connection, whose bytes begin here whatever the header says of content.
            is_open_ = line->status / 100 == 2;
            // Interim answers come before the final one (RFC 9110, 15.2); 101 would be another protocol.
            const bool is_interim = line->status / 100 == 1 && line->status != 101;
            if (!is_open_ && !is_interim) return refused(line->status);
            head_.reset();
        }
        return {};
    }

    std::error_code refused(int status) {
        using enum proxy_errc;
        std::string words = detail::quotable(head_.start_line());
        const bool is_about_credentials = status == 407 || status == 401; // tinyproxy's for wrong ones.
        if (!is_about_credentials) return fail(meaning(status), std::move(words));
        bool is_told = false, has_basic = false; // RFC 9110, 11.6.1.
        head_.for_each_element("Proxy-Authenticate", [&](std::string_view way) {
            is_told = true;
            has_basic |= detail::equals_ignoring_case(way.substr(0, way.find(' ')), "Basic");
        });
        if (is_told && !has_basic) {
            words += "; Proxy-Authenticate: " + detail::quotable(*head_.value("Proxy-Authenticate"));
            return fail(authentication_not_supported, std::move(words));
        }
        return fail(has_credentials_ ? credentials_refused : credentials_missing, std::move(words));
    }

    static proxy_errc meaning(int status) {
        using enum proxy_errc;
        switch (status) { // RFC 9110, 15; RFC 6585; RFC 7725.
            case 400: return bad_request;
            case 403:
            case 451: return forbidden;
            case 405:
            case 501: return connect_not_supported;
            case 408:
            case 504: return timed_out;
            case 429:
            case 503: return unavailable;
            case 500: return general_failure;
            case 502: return host_unreachable;
            default: return unexpected_status;
        }
    }

    detail::http_head head_{};
    std::size_t taken_ = 0; // Bytes, those of interim answers included.
};

/// SOCKS5. With credentials it offers both to use them and to do without, and the proxy chooses.
class socks5_layer final : public detail::proxy_layer {
public:
    socks5_layer(const proxy_options& proxy, const broker& where) : proxy_layer(proxy, where) {}

    std::error_code start(std::string& wire) override {
        if (!is_host()) return host_is_invalid();
        if (address_.empty() && host_.size() > 255)
            return fail(proxy_errc::host_too_long, std::to_string(host_.size()) + " bytes");
        if (has_credentials_) { // RFC 1929, 2.
            if (!is_sayable(user_name_)) return wrong_length("user name", user_name_);
            if (!is_sayable(password_)) return wrong_length("password", password_);
        }
        wire += has_credentials_ ? std::string_view("\5\2\0\2", 4) : std::string_view("\5\1\0", 3);
        return {};
    }

private:
    enum class step : std::uint8_t { method, login, reply };

    static bool is_sayable(const std::string& text) { return !text.empty() && text.size() <= 255; }
    std::error_code wrong_length(const char* what, const std::string& text) {
        return fail(proxy_errc::credentials_invalid,
                    what + (" of " + std::to_string(text.size())) + " bytes; SOCKS5 takes 1 to 255");
    }

    unsigned octet(std::size_t at) const { return static_cast<unsigned char>(answer_[at]); }

    std::error_code answered(std::string_view& bytes, std::string& wire) override {
        for (; !is_open_ && !bytes.empty(); bytes.remove_prefix(1)) {
            answer_ += bytes.front();
            // Some proxies answer credentials with the version of SOCKS, not with that of RFC 1929.
            if (octet(0) != 5 && !(step_ == step::login && octet(0) == 1))
                return malformed(answer_.append(bytes.substr(1)));
            if (answer_.size() < 2) continue;
            const std::size_t size = step_ == step::reply && octet(1) == 0 ? size_of_reply() : 2;
            if (size == 0) return malformed(answer_);
            if (answer_.size() < size) continue;
            if (const std::error_code bad = take(wire)) return bad;
            answer_.clear();
        }
        return {};
    }

    std::error_code take(std::string& wire) {
        switch (step_) {
            case step::method: return choose(wire);
            case step::login:
                if (octet(1) != 0) return fail(proxy_errc::credentials_refused, answer("status"));
                ask(wire);
                return {};
            case step::reply: break;
        }
        if (octet(1) != 0) return fail(meaning(octet(1)), answer("reply"));
        is_open_ = true;
        return {};
    }

    std::error_code choose(std::string& wire) {
        constexpr unsigned nothing = 0, user_and_password = 2, none_of_these = 0xFF;
        if (octet(1) == nothing) {
            ask(wire);
            return {};
        }
        if (octet(1) == user_and_password && has_credentials_) {
            wire += '\1';
            append_counted(user_name_, wire);
            append_counted(password_, wire);
            step_ = step::login;
            return {};
        }
        if (octet(1) != none_of_these) return malformed(answer_); // It was not offered.
        using enum proxy_errc;
        return fail(has_credentials_ ? authentication_not_supported : credentials_missing, answer("method"));
    }

    // RFC 1928, 4.
    void ask(std::string& wire) {
        wire.append("\5\1\0", 3); // CONNECT.
        if (address_.empty()) {
            wire += '\3';
            append_counted(host_, wire);
        } else {
            wire += address_.size() == 4 ? '\1' : '\4';
            wire += address_;
        }
        wire += static_cast<char>(port_ >> 8);
        wire += static_cast<char>(port_ & 0xFF);
        step_ = step::reply;
    }

    static void append_counted(const std::string& text, std::string& wire) {
        wire += static_cast<char>(text.size());
        wire += text;
    }

    // As far as its beginning tells. It ends with the address that the proxy connects from, which is of no
    // interest. RFC 1928, 6. 0: there is no such type of address.
    std::size_t size_of_reply() const {
        constexpr std::size_t head = 4, port = 2;
        if (answer_.size() < head) return head;
        switch (octet(3)) {
            case 1: return head + 4 + port;
            case 3: return head + 1 + (answer_.size() > head ? octet(head) : 0) + port;
            case 4: return head + 16 + port;
            default: return 0;
        }
    }

    std::string answer(const char* what) const {
        return std::string("SOCKS5 ") + what + ' ' + std::to_string(octet(1));
    }

    static proxy_errc meaning(unsigned reply) {
        using enum proxy_errc;
        constexpr std::array known{none, general_failure, forbidden, network_unreachable, host_unreachable,
                                   connection_refused, timed_out, connect_not_supported,
                                   address_type_not_supported};
        return reply < known.size() ? known[reply] : unexpected_status;
    }

    step step_ = step::method;
    std::string answer_{}; // As far as it has come.
};

/// The layer that asks this proxy for a connection to that broker. None for proxy_kind::none.
inline std::unique_ptr<layer> make_proxy_layer(const proxy_options& proxy, const broker& where) {
    if (proxy.kind == proxy_kind::http) return std::make_unique<http_connect_layer>(proxy, where);
    if (proxy.kind == proxy_kind::socks5) return std::make_unique<socks5_layer>(proxy, where);
    return nullptr;
}

} // namespace inflight
