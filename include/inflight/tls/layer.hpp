// inflight/tls/layer.hpp - TLS as a layer, the client's end or the server's: OpenSSL without a socket.
#pragma once

#include <inflight/tls/certificate.hpp>
#include <inflight/transport/layer.hpp>

#include <climits>

namespace inflight::detail {

/// What OpenSSL reads from and writes to: the bytes of the call that is going on. No copy of its own.
class tls_wire {
public:
    std::string_view in{};
    std::string* out = nullptr;

    /// Connects it with a connection, which must not outlive it. False: no memory.
    bool attach(SSL* ssl) {
        const auto* const kind = method();
        BIO* const bio = kind ? ::BIO_new(kind) : nullptr;
        if (!bio) return false;
        ::BIO_set_data(bio, this);
        ::BIO_set_init(bio, 1);
        ::SSL_set_bio(ssl, bio, bio);
        return true;
    }

private:
    static const BIO_METHOD* method() {
        // Made once and never freed: connections may live until the very end of the program.
        static const BIO_METHOD* const made = [] {
            BIO_METHOD* const m = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "inflight");
            if (m) {
                ::BIO_meth_set_read_ex(m, &read);
                ::BIO_meth_set_write_ex(m, &write);
                ::BIO_meth_set_ctrl(m, &control);
            }
            return m;
        }();
        return made;
    }

    // OpenSSL is C: nothing is thrown through it.
    static int read(BIO* bio, char* to, std::size_t size, std::size_t* done) noexcept {
        auto& self = *static_cast<tls_wire*>(::BIO_get_data(bio));
        ::BIO_clear_retry_flags(bio);
        *done = self.in.copy(to, size);
        self.in.remove_prefix(*done);
        if (*done != 0 || size == 0) return 1;
        ::BIO_set_retry_read(bio);
        return 0;
    }
    static int write(BIO* bio, const char* from, std::size_t size, std::size_t* done) noexcept {
        auto& self = *static_cast<tls_wire*>(::BIO_get_data(bio));
        ::BIO_clear_retry_flags(bio);
        if (!self.out) return 0;
        self.out->append(from, size);
        *done = size;
        return 1;
    }
    static long control(BIO*, int what, long, void*) noexcept { return what == BIO_CTRL_FLUSH ? 1 : 0; }
};

/// One end of one connection.
class tls_layer : public layer {
public:
    /// `name` is what the peer's certificate must bear, for the details of errors; may be empty.
    tls_layer(shared_ssl_ctx context, ssl_ptr ssl, std::string name)
        : context_(std::move(context)), name_(std::move(name)), ssl_(std::move(ssl)) {}

    ~tls_layer() override {
        // Of a connection that was cut off OpenSSL would let no session be resumed. It may: RFC 5246, 7.2.1.
        ::SSL_set_shutdown(ssl_.get(), ::SSL_get_shutdown(ssl_.get()) | SSL_SENT_SHUTDOWN);
    }

    std::error_code start(std::string& wire) override {
        if (!wire_.attach(ssl_.get())) return take_openssl_error();
        SSL_set_app_data(ssl_.get(), this);
        // OpenSSL's own words name no certificate.
        if (const int mode = ::SSL_get_verify_mode(ssl_.get()); mode != SSL_VERIFY_NONE)
            ::SSL_set_verify(ssl_.get(), mode, &note_refusal);
        const wire_for_call using_wire(*this, {}, wire);
        return shake_hands();
    }

    std::error_code received(std::string_view bytes, std::string& plain, std::string& wire) override {
        if (is_finished()) return {}; // Whatever comes behind close_notify. RFC 8446, 6.1.
        if (!has_begun_ && !bytes.empty()) {
            has_begun_ = true;
            if (const auto bad = look_at_beginning(bytes)) return bad;
        }
        const wire_for_call using_wire(*this, bytes, wire);
        if (!is_open_) {
            if (const auto bad = shake_hands(); bad || !is_open_) return bad;
        }
        return decrypt(plain);
    }

    bool is_open() const override { return is_open_; }

    std::error_code send(std::string_view bytes, std::string& wire) override {
        if (bytes.empty()) return {};
        const wire_for_call using_wire(*this, {}, wire);
        std::size_t written = 0;
        const int result = ::SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written);
        return result == 1 ? std::error_code() : failure(result);
    }

    void finish(std::string& wire) override {
        if (!is_open_) return;
        const wire_for_call using_wire(*this, {}, wire);
        (void)::SSL_shutdown(ssl_.get()); // Sends close_notify, once.
        ::ERR_clear_error();
    }

    bool is_finished() const override {
        return (::SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
    }

    std::error_code ended() override {
        if (!is_open_) {
            if (!has_begun_) details_ = "without a word: is it a port for TLS?";
            return tls_errc::closed_in_handshake;
        }
        return is_finished() ? std::error_code() : make_error_code(tls_errc::truncated);
    }

    std::string details() const override { return details_; }

    // What has been agreed on. Of interest to tests, and to who wants to show it.

    /// "TLSv1.3"
    std::string_view version() const { return ::SSL_get_version(ssl_.get()); }
    /// "TLS_AES_256_GCM_SHA384"
    std::string_view cipher() const { return ::SSL_get_cipher_name(ssl_.get()); }
    /// The session of an earlier connection goes on.
    bool is_resumed() const { return ::SSL_session_reused(ssl_.get()) == 1; }
    /// The protocol agreed on by ALPN; empty: none.
    std::string_view alpn() const {
        const unsigned char* name = nullptr;
        unsigned size = 0;
        ::SSL_get0_alpn_selected(ssl_.get(), &name, &size);
        return {reinterpret_cast<const char*>(name), size};
    }
    SSL* native() const { return ssl_.get(); }

    /// The peer has sent a session that another connection may resume.
    virtual void keep_session(ssl_session_ptr) {}

    static tls_layer& of(const SSL* ssl) { return *static_cast<tls_layer*>(SSL_get_app_data(ssl)); }

private:
    // OpenSSL has the wire for the length of a call.
    class wire_for_call {
    public:
        wire_for_call(tls_layer& self, std::string_view in, std::string& out) : wire_(self.wire_) {
            wire_.in = in;
            wire_.out = &out;
            ::ERR_clear_error(); // SSL_get_error() looks at the queue, where others' errors may be left.
        }
        wire_for_call(const wire_for_call&) = delete;
        wire_for_call& operator=(const wire_for_call&) = delete;
        ~wire_for_call() {
            wire_.in = {};
            wire_.out = nullptr;
        }

    private:
        tls_wire& wire_;
    };

    std::error_code shake_hands() {
        const int result = ::SSL_do_handshake(ssl_.get());
        if (result != 1) return failure(result);
        is_open_ = true;
        return {};
    }

    // All that has come. What OpenSSL keeps of a record that is not complete needs more bytes.
    std::error_code decrypt(std::string& plain) {
        char piece[16 * 1024]; // A whole record. RFC 8446, 5.1.
        while (!wire_.in.empty() || ::SSL_pending(ssl_.get()) > 0) {
            std::size_t size = 0;
            const int result = ::SSL_read_ex(ssl_.get(), piece, sizeof piece, &size);
            plain.append(piece, size);
            if (result != 1) return failure(result);
        }
        // For a ticket OpenSSL takes its buffers anew, and would keep them until something is sent.
        (void)::SSL_free_buffers(ssl_.get());
        return {};
    }

    // Both ends begin with a record of the handshake, or end with an alert; both of version 3. RFC 8446, 5.1.
    std::error_code look_at_beginning(std::string_view bytes) {
        constexpr char alert = 21, handshake = 22, version = 3;
        if ((bytes[0] == handshake || bytes[0] == alert) && (bytes.size() == 1 || bytes[1] == version))
            return {};
        details_ = "it says '";
        for (const char c : bytes.substr(0, 16)) {
            constexpr const char* digits = "0123456789abcdef";
            const auto value = static_cast<unsigned char>(c);
            if (c >= ' ' && c <= '~' && c != '\\')
                details_ += c;
            else
                details_ += {'\\', 'x', digits[value >> 4], digits[value & 15]};
        }
        details_ += '\'';
        return tls_errc::not_tls;
    }

    // What the result of one of OpenSSL's functions means, if it is no success.
    std::error_code failure(int result) {
        const int kind = ::SSL_get_error(ssl_.get(), result);
        if (kind == SSL_ERROR_WANT_READ) return {};
        if (kind == SSL_ERROR_ZERO_RETURN) // close_notify.
            return is_open_ ? std::error_code() : make_error_code(tls_errc::closed_in_handshake);
        const std::error_code error = take_openssl_error();
        if (refusal_ != X509_V_OK) return {refusal_, verification_category()};
        if (error.category() == openssl_category()) explain(static_cast<unsigned long>(error.value()));
        return error;
    }

    // What an alert of the peer's is likely to be about.
    void explain(unsigned long error) {
        X509* const own = ::SSL_get_certificate(ssl_.get());
        switch (alert_of(error)) {
        case SSL_AD_CERTIFICATE_REQUIRED: details_ = "it wants a certificate, and none was sent"; break;
        case SSL_AD_HANDSHAKE_FAILURE:
            details_ = "no version or cipher in common";
            if (!own) details_ += ", or it wants a certificate, and none was sent";
            break;
        case SSL_AD_NO_APPLICATION_PROTOCOL:
            details_ = "it speaks none of the protocols offered (ALPN)";
            break;
        case SSL_AD_UNRECOGNIZED_NAME: details_ = "it does not go by the name " + name_; break;
        case SSL_AD_UNKNOWN_CA:
        case SSL_AD_BAD_CERTIFICATE:
        case SSL_AD_UNSUPPORTED_CERTIFICATE:
        case SSL_AD_CERTIFICATE_REVOKED:
        case SSL_AD_CERTIFICATE_EXPIRED:
        case SSL_AD_CERTIFICATE_UNKNOWN:
            if (own) details_ = "it means our " + describe(own, 0);
            break;
        default: break;
        }
    }

    // Keeps the first refusal, which is what ends the handshake.
    static int note_refusal(int is_accepted, X509_STORE_CTX* store) noexcept {
        if (is_accepted == 1) return 1;
        const auto* const ssl = static_cast<const SSL*>(
            ::X509_STORE_CTX_get_ex_data(store, ::SSL_get_ex_data_X509_STORE_CTX_idx()));
        tls_layer& self = of(ssl);
        self.refusal_ = ::X509_STORE_CTX_get_error(store);
        self.details_ = describe_refusal(store, self.name_);
        return 0;
    }

    shared_ssl_ctx context_;
    std::string name_, details_{};
    tls_wire wire_{};
    ssl_ptr ssl_; // Goes before the wire that it is attached to.
    int refusal_ = X509_V_OK;
    bool has_begun_ = false, is_open_ = false;
};

} // namespace inflight::detail
