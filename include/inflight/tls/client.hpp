// inflight/tls/client.hpp - the client's end of TLS: what one connection leaves to the next.
#pragma once

#include <inflight/tls/context.hpp>
#include <inflight/tls/layer.hpp>
#include <inflight/transport/layer_makers.hpp>

#include <algorithm>
#include <mutex>

namespace inflight::detail {

/// Clients with the same options and files have one SSL_CTX among them: authorities that were read once, for
/// thousands of clients. Goes with the last client. Safe from any thread.
class tls_context_pool {
public:
    static std::error_code find_or_make(const tls_options& options, const tls_material& files,
                                        shared_ssl_ctx& out, std::string& details) {
        static tls_context_pool pool;
        tls_options key = without_secret(options);
        const std::lock_guard lock(pool.mutex_);
        std::erase_if(pool.entries_, [](const entry& e) { return e.context.expired(); });
        for (const entry& e : pool.entries_) {
            if (e.mark != files.mark || e.options != key) continue;
            out = e.context.lock();
            if (out) return {};
        }
        tls_context_builder builder(tls_role::client, options, files, details);
        if (const std::error_code bad = builder.build(out)) return bad;
        prepare(out.get(), options);
        pool.entries_.push_back({std::move(key), files.mark, out});
        return {};
    }

private:
    // What is kept here outlives the client: of its passphrase no more than what it is known by.
    static tls_options without_secret(const tls_options& options) {
        tls_options out = options;
        std::string digest;
        if (!out.key_passphrase.empty()) (void)tls_material::digest(out.key_passphrase, digest);
        tls_material::wipe(out.key_passphrase);
        out.key_passphrase = digest;
        return out;
    }

    static void prepare(SSL_CTX* context, const tls_options& options) {
        ::SSL_CTX_set_verify(context, options.verify_certificate ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                             nullptr);
        if (!options.resume_sessions) return;
        ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        ::SSL_CTX_sess_set_new_cb(context, [](SSL* ssl, SSL_SESSION* session) {
            tls_layer::of(ssl).keep_session(ssl_session_ptr(session));
            return 1; // It is ours now.
        });
    }

    struct entry {
        tls_options options;
        std::string mark;
        std::weak_ptr<SSL_CTX> context;
    };
    std::mutex mutex_{};
    std::vector<entry> entries_{};
};

/// The last session of each server, to go on with. Of one client.
class tls_sessions {
public:
    /// `server`: name and port, since a session is resumed without a look at the certificate.
    void keep(const std::string& server, ssl_session_ptr session) {
        std::erase_if(entries_, [&](const entry& e) { return e.server == server; });
        if (entries_.size() == most) entries_.erase(entries_.begin());
        entries_.push_back({server, std::move(session)});
    }

    /// Hands it to the connection that begins. A session of TLS 1.3 serves once: used again it would tell
    /// who listens that it is the same client. RFC 8446, C.4.
    void resume(const std::string& server, SSL* ssl) {
        const auto found = std::find_if(entries_.begin(), entries_.end(),
                                        [&](const entry& e) { return e.server == server; });
        if (found == entries_.end()) return;
        (void)::SSL_set_session(ssl, found->session.get());
        if (::SSL_SESSION_get_protocol_version(found->session.get()) >= TLS1_3_VERSION) entries_.erase(found);
    }

private:
    static constexpr std::size_t most = 16; // Brokers of one client.
    struct entry {
        std::string server;
        ssl_session_ptr session;
    };
    std::vector<entry> entries_{}; // The oldest first.
};

/// The client's end: takes up an earlier session, and keeps its own.
class tls_client_layer final : public tls_layer {
public:
    tls_client_layer(shared_ssl_ctx context, ssl_ptr ssl, std::string name,
                     std::shared_ptr<tls_sessions> sessions, std::string server)
        : tls_layer(std::move(context), std::move(ssl), std::move(name)),
          sessions_(std::move(sessions)),
          server_(std::move(server)) {}

    std::error_code start(std::string& wire) override {
        ::SSL_set_connect_state(native());
        if (sessions_) sessions_->resume(server_, native());
        return tls_layer::start(wire);
    }

    void keep_session(ssl_session_ptr session) override {
        if (sessions_) sessions_->keep(server_, std::move(session));
    }

private:
    std::shared_ptr<tls_sessions> sessions_; // None if sessions are not to be resumed.
    std::string server_;
};

/// Makes the layers of one client's connections.
class tls_client_maker final : public tls_layer_maker {
public:
    explicit tls_client_maker(const tls_options& options) : options_(options) {}
    ~tls_client_maker() override { tls_material::wipe(options_.key_passphrase); }

    std::error_code make(const broker& where, std::unique_ptr<layer>& out, std::string& details) override {
        if (const std::error_code bad = renew(details)) return bad;
        ssl_ptr ssl(::SSL_new(context_.get()));
        if (!ssl) return take_openssl_error();
        const std::string name = name_of_server(where);
        if (const std::error_code bad = set_name(ssl.get(), name, details)) return bad;
        if (const std::error_code bad = set_alpn(ssl.get())) return bad;
        out = std::make_unique<tls_client_layer>(context_, std::move(ssl), name, sessions_,
                                                 name + ' ' + where.host + ' ' + std::to_string(where.port));
        return {};
    }

private:
    // The context, made anew when a file has changed. Then no session goes on: whom we trust may be others
    // now.
    std::error_code renew(std::string& details) {
        tls_material files;
        shared_ssl_ctx now;
        std::error_code bad = files.read(options_, details);
        if (!bad && context_ && files.mark == mark_) return {};
        if (!bad) bad = tls_context_pool::find_or_make(options_, files, now, details);
        if (bad && context_ && bad == error_condition::fatal) { // Somebody may be about to write them.
            details = bad.message() + ": " + details;
            return tls_errc::files_unreadable_again;
        }
        if (bad) return bad;
        context_ = std::move(now);
        mark_ = files.mark;
        sessions_ = options_.resume_sessions ? std::make_shared<tls_sessions>() : nullptr;
        return {};
    }

    // The name that the certificate must bear: without the brackets and the zone of an IPv6 address, and
    // without the dot that ends a name.
    std::string name_of_server(const broker& where) const {
        const std::string& wanted = options_.server_name.empty() ? where.host : options_.server_name;
        std::string name = without_brackets(wanted);
        if (is_address(name)) return name.substr(0, name.find('%'));
        if (name.ends_with('.')) name.pop_back();
        return name;
    }

    static bool is_address(std::string_view name) {
        return name.find(':') != name.npos || name.find_first_not_of("0123456789.") == name.npos;
    }

    // What is checked, and what is said: SNI is for names only. RFC 6066, 3.
    std::error_code set_name(SSL* ssl, const std::string& name, std::string& details) const {
        const bool is_checked = options_.verify_certificate && options_.verify_host_name;
        bool is_good = !name.empty() && name.find('\0') == name.npos;
        if (is_good && is_address(name)) {
            if (is_checked)
                is_good = ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl), name.c_str()) == 1;
        } else if (is_good) {
            ::SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
            if (is_checked) is_good = ::SSL_set1_host(ssl, name.c_str()) == 1;
            if (is_good) // What SSL_set_tlsext_host_name() is.
                is_good = ::SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                                     const_cast<char*>(name.c_str())) == 1;
        }
        if (is_good) return {};
        details = '\'' + name + '\'';
        return tls_errc::invalid_server_name;
    }

    std::error_code set_alpn(SSL* ssl) const {
        std::string names;
        if (const std::error_code bad = encode_alpn(options_.alpn, names); bad || names.empty()) return bad;
        const auto* const bytes = reinterpret_cast<const unsigned char*>(names.data());
        return ::SSL_set_alpn_protos(ssl, bytes, static_cast<unsigned>(names.size())) == 0
                   ? std::error_code()
                   : take_openssl_error();
    }

    tls_options options_;
    shared_ssl_ctx context_{};
    std::string mark_{}; // Of the files that the context was made of.
    std::shared_ptr<tls_sessions> sessions_{};
};

} // namespace inflight::detail
