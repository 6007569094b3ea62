// inflight/scram.hpp - SCRAM-SHA-256, a method of enhanced authentication (5.0) in which the password never
// leaves this machine and the broker proves that it knows it too. Needs OpenSSL: the CMake target is
// inflight::scram. Standard: RFC 5802, RFC 7677.
#pragma once

#include <inflight/async_client/authenticator.hpp>
#include <inflight/transport/from_base64.hpp>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <vector>

namespace inflight {

/// What went wrong on this side of a SCRAM exchange.
enum class scram_errc {
    none,
    malformed_message,  // The broker's message is not one of RFC 5802.
    unknown_extension,  // It asks for a mandatory extension that is not known here.
    bad_nonce,          // Its nonce does not go on where ours ends: a message of another exchange.
    bad_iteration_count, // Below what RFC 7677 demands, or above what we are willing to compute.
    refused,            // It says e=..., and what.
    bad_signature,      // It does not know the password: it is not who it should be.
    not_ascii,          // User name or password: SASLprep of other texts is not implemented.
    crypto_failed,      // OpenSSL has failed: no randomness, or no SHA-256 or PBKDF2.
};

/// The category of scram_errc.
inline const std::error_category& scram_category() {
    static const struct final : std::error_category {
        const char* name() const noexcept override { return "scram"; }
        std::string message(int code) const override {
            switch (static_cast<scram_errc>(code)) {
                case scram_errc::none: return "no error";
                case scram_errc::malformed_message: return "SCRAM message from the broker is malformed";
                case scram_errc::unknown_extension:
                    return "broker asks for a SCRAM extension that is not known";
                case scram_errc::bad_nonce: return "broker's SCRAM nonce does not go on where ours ends";
                case scram_errc::bad_iteration_count:
                    return "broker's SCRAM iteration count is outside 4,096 to 10,000,000";
                case scram_errc::refused: return "broker refuses the SCRAM exchange";
                case scram_errc::bad_signature:
                    return "broker's SCRAM signature is wrong: it does not know the password";
                case scram_errc::not_ascii:
                    return "SCRAM user name or password is empty, or not of printable ASCII";
                case scram_errc::crypto_failed: return "OpenSSL failed";
            }
            return "unknown SCRAM error";
        }
    } instance;
    return instance;
}
inline std::error_code make_error_code(scram_errc code) {
    return {static_cast<int>(code), scram_category()};
}

namespace detail {

/// A secret, which leaves nothing behind.
class scram_secret {
public:
    explicit scram_secret(std::string text) : text_(std::move(text)) {}
    scram_secret(const scram_secret&) = delete;
    scram_secret& operator=(const scram_secret&) = delete;
    ~scram_secret() { OPENSSL_cleanse(text_.data(), text_.size()); }
    const std::string& text() const { return text_; }

private:
    std::string text_;
};

using scram_digest = std::array<unsigned char, 32>; // Of SHA-256.

// As OpenSSL wants them.
inline const unsigned char* scram_bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

/// The five functions of RFC 5802 section 2.2. False: OpenSSL has failed.
struct scram_math {
    static bool hmac(std::string_view key, std::string_view text, scram_digest& out) {
        unsigned size = 0;
        return ::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), scram_bytes(text), text.size(),
                      out.data(), &size) != nullptr;
    }
    static bool hash(std::string_view text, scram_digest& out) {
        return ::EVP_Digest(text.data(), text.size(), out.data(), nullptr, EVP_sha256(), nullptr) == 1;
    }
    static bool salted(std::string_view password, std::string_view salt, int iterations, scram_digest& out) {
        return ::PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), scram_bytes(salt),
                                   static_cast<int>(salt.size()), iterations, EVP_sha256(),
                                   static_cast<int>(out.size()), out.data()) == 1;
    }
    static std::string_view view(const scram_digest& d) {
        return {reinterpret_cast<const char*>(d.data()), d.size()};
    }
    static void wipe(scram_digest& d) { OPENSSL_cleanse(d.data(), d.size()); }
};

} // namespace detail

/// The client's side of one exchange, without I/O: the messages of RFC 5802 section 5 as texts. Works alone,
/// too. The password is wiped with this object; what the caller and std::string's copies hold is theirs.
class scram_sha_256_exchange {
public:
    static constexpr int least_iterations = 4'096;       // RFC 7677 section 4.
    static constexpr int most_iterations = 10'000'000; // Seconds of work, which anybody could ask of us.

    /// User name and password are printable ASCII; of other texts SASLprep (RFC 4013) would have to be made,
    /// and is not. `nonce` is printable ASCII without a comma, at least 18 random bytes' worth.
    scram_sha_256_exchange(std::string_view user, std::string password, std::string nonce)
        : password_(std::move(password)), nonce_(std::move(nonce)) {
        first_bare_ = "n=" + escaped(user) + ",r=" + nonce_;
        is_plain_ = is_printable(user) && is_printable(password_.text());
    }
    ~scram_sha_256_exchange() { detail::scram_math::wipe(server_signature_); }
    scram_sha_256_exchange(const scram_sha_256_exchange&) = delete;
    scram_sha_256_exchange& operator=(const scram_sha_256_exchange&) = delete;

    /// 24 random bytes in Base64; empty if there is no randomness.
    static std::string random_nonce() {
        std::array<unsigned char, 24> bytes{};
        if (::RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return {};
        return detail::base64({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }

    /// client-first-message. There is no channel binding in MQTT.
    scram_errc client_first(std::string& out) const {
        if (!is_plain_) return scram_errc::not_ascii;
        if (nonce_.empty()) return scram_errc::crypto_failed;
        out = "n,," + first_bare_;
        return scram_errc::none;
    }

    /// server-first-message to client-final-message: r=nonce,s=salt,i=count, and extensions that may be
    /// ignored.
    scram_errc client_final(std::string_view server_first, std::string& out) {
        if (is_answered_) return scram_errc::malformed_message;
        std::string_view rest = server_first;
        if (rest.starts_with("m=")) return scram_errc::unknown_extension;
        if (rest.starts_with("e=")) return scram_errc::refused;
        const auto nonce = take(rest, 'r'), salt_text = take(rest, 's'), count = take(rest, 'i');
        if (!nonce || !salt_text || !count || !are_extensions(rest)) return scram_errc::malformed_message;
        const auto salt = detail::from_base64(*salt_text);
        if (!salt || !is_printable(*nonce)) return scram_errc::malformed_message;
        if (nonce->size() <= nonce_.size() || !nonce->starts_with(nonce_)) return scram_errc::bad_nonce;
        int iterations = 0;
        const auto [end, bad] = std::from_chars(count->data(), count->data() + count->size(), iterations);
        if (bad == std::errc::result_out_of_range) return scram_errc::bad_iteration_count;
        if (bad != std::errc{} || end != count->data() + count->size()) return scram_errc::malformed_message;
        if (iterations < least_iterations || iterations > most_iterations)
            return scram_errc::bad_iteration_count;
        std::string without_proof = "c=biws,r=" + std::string(*nonce); // "n,," in Base64.
        const std::string message = first_bare_ + "," + std::string(server_first) + "," + without_proof;
        std::string proof;
        if (!prove(*salt, iterations, message, proof)) return scram_errc::crypto_failed;
        is_answered_ = true;
        out = without_proof + ",p=" + proof;
        return scram_errc::none;
    }

    /// server-final-message: v=signature, which only one who knows the password can make; or e=error.
    scram_errc verify(std::string_view server_final) const {
        if (!is_answered_) return scram_errc::malformed_message; // It has not even asked.
        std::string_view rest = server_final;
        if (rest.starts_with("e=")) return scram_errc::refused;
        const auto text = take(rest, 'v');
        if (!text || !are_extensions(rest)) return scram_errc::malformed_message;
        const auto signature = detail::from_base64(*text);
        if (!signature) return scram_errc::malformed_message;
        const bool is_right = signature->size() == server_signature_.size() &&
                              ::CRYPTO_memcmp(signature->data(), server_signature_.data(),
                                              server_signature_.size()) == 0;
        return is_right ? scram_errc::none : scram_errc::bad_signature;
    }

private:
    static bool is_printable(std::string_view text) {
        return !text.empty() &&
               std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
    }

    static std::string escaped(std::string_view user) {
        std::string out;
        for (const char c : user) {
            if (c == ',') out += "=2C";
            else if (c == '=') out += "=3D";
            else out += c;
        }
        return out;
    }

    // The value of the attribute that comes next, if that is its name.
    static std::optional<std::string_view> take(std::string_view& rest, char name) {
        if (rest.size() < 2 || rest[0] != name || rest[1] != '=') return std::nullopt;
        const std::size_t end = std::min(rest.find(','), rest.size());
        const std::string_view value = rest.substr(2, end - 2);
        rest.remove_prefix(end); // A comma and what follows it.
        if (rest.size() > 1) rest.remove_prefix(1);
        return value;
    }

    // What is left are optional extensions, attributes of whatever name.
    static bool are_extensions(std::string_view rest) {
        while (!rest.empty()) {
            const char name = rest[0];
            const bool is_letter = (name >= 'a' && name <= 'z') || (name >= 'A' && name <= 'Z');
            if (!is_letter || !take(rest, name)) return false;
        }
        return true;
    }

    // RFC 5802 section 3.
    bool prove(std::string_view salt, int iterations, std::string_view message, std::string& proof) {
        using math = detail::scram_math;
        detail::scram_digest salted{}, client_key{}, stored{}, signature{}, server_key{};
        const bool good = math::salted(password_.text(), salt, iterations, salted) &&
                          math::hmac(math::view(salted), "Client Key", client_key) &&
                          math::hash(math::view(client_key), stored) &&
                          math::hmac(math::view(stored), message, signature) &&
                          math::hmac(math::view(salted), "Server Key", server_key) &&
                          math::hmac(math::view(server_key), message, server_signature_);
        for (std::size_t i = 0; i != client_key.size(); ++i)
            signature[i] = static_cast<unsigned char>(signature[i] ^ client_key[i]);
        proof = detail::base64(math::view(signature));
        for (auto* one : {&salted, &client_key, &stored, &signature, &server_key}) math::wipe(*one);
        return good;
    }

    detail::scram_secret password_;
    std::string nonce_, first_bare_{};
    detail::scram_digest server_signature_{};
    bool is_plain_ = false, is_answered_ = false;
};

namespace detail {

class scram_authenticator final : public authenticator {
public:
    scram_authenticator(std::string_view user, const std::string& password)
        : exchange_(user, password, scram_sha_256_exchange::random_nonce()) {}

    void begin(bool, reply done) override {
        std::string out;
        const scram_errc bad = exchange_.client_first(out);
        done(code(bad), std::move(out));
    }
    void next(std::string words, reply done) override {
        std::string out;
        const scram_errc bad = exchange_.client_final(words, out);
        done(code(bad), std::move(out));
    }
    void finish(std::string words, verdict done) override { done(code(exchange_.verify(words))); }

private:
    static std::error_code code(scram_errc bad) {
        return bad == scram_errc::none ? std::error_code{} : make_error_code(bad);
    }

    scram_sha_256_exchange exchange_;
};

} // namespace detail

/// For client_options::authentication. The password is not sent, and the broker must prove that it knows it,
/// or what is derived from it. Both are printable ASCII: a client with another text fails to connect with
/// scram_errc::not_ascii. Hashing takes as long as the broker's iteration count wants, some milliseconds for
/// the usual ones, on the thread that does the client's I/O.
inline enhanced_authentication scram_sha_256(std::string user, std::string password) {
    const auto secret = std::make_shared<const detail::scram_secret>(std::move(password));
    return {"SCRAM-SHA-256", [user = std::move(user), secret] {
                return std::make_shared<detail::scram_authenticator>(user, secret->text());
            }};
}

} // namespace inflight

template <>
struct std::is_error_code_enum<inflight::scram_errc> : std::true_type {};
