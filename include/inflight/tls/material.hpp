// inflight/tls/material.hpp - the files that TLS needs, as they are at the moment.
#pragma once

#include <inflight/tls/openssl.hpp>
#include <inflight/transport/options.hpp>

#include <cerrno>
#include <cstdio>
#include <filesystem>

namespace inflight::detail {

/// The contents of the files that tls_options name, and what they are known by: whoever keeps the mark sees
/// that one has changed. Keys are wiped.
class tls_material {
public:
    tls_material() = default;
    tls_material(const tls_material&) = delete;
    tls_material& operator=(const tls_material&) = delete;
    ~tls_material() {
        wipe(key);
        wipe(certificate); // Which may hold the key too.
    }

    /// Reads them. `details` names the file if there is an error.
    std::error_code read(const tls_options& options, std::string& details) {
        if (const auto bad = read(options.ca_file, tls_errc::ca_unreadable, authorities, details)) return bad;
        if (const auto bad = look_at_directory(options.ca_directory, details)) return bad;
        if (const auto bad = read(options.crl_file, tls_errc::crl_unreadable, revoked, details)) return bad;
        const auto bad =
            read(options.certificate_file, tls_errc::certificate_unreadable, certificate, details);
        return bad ? bad : read(options.key_file, tls_errc::key_unreadable, key, details);
    }

    std::string authorities{}, revoked{}, certificate{}, key{}, mark{};

    /// Appends what a text is known by, without telling it.
    static bool digest(std::string_view text, std::string& out) {
        unsigned char bytes[32];
        const int good = ::EVP_Digest(text.data(), text.size(), bytes, nullptr, EVP_sha256(), nullptr);
        out.append(reinterpret_cast<const char*>(bytes), good == 1 ? sizeof bytes : 0);
        return good == 1;
    }
    static void wipe(std::string& text) { OPENSSL_cleanse(text.data(), text.size()); }

private:
    static constexpr std::size_t most = std::size_t{16}
                                        << 20; // Bytes of a file. Nobody has that many authorities.

    std::error_code read(const std::string& path, tls_errc kind, std::string& out, std::string& details) {
        if (path.empty()) return {};
        if (const int bad = contents(path, out)) {
            details = path + ": " + std::generic_category().message(bad);
            return kind;
        }
        return digest(out, mark) ? std::error_code() : take_openssl_error();
    }

    // 0, or the system's error.
    static int contents(const std::string& path, std::string& out) {
        struct closer {
            void operator()(std::FILE* file) const { (void)std::fclose(file); }
        };
        errno = 0;
        const std::unique_ptr<std::FILE, closer> file(std::fopen(path.c_str(), "rb"));
        if (!file) return errno != 0 ? errno : EIO;
        // A key is to be in one place only, where it is wiped.
        (void)std::setvbuf(file.get(), nullptr, _IONBF, 0);
        std::error_code unknown;
        if (const auto size = std::filesystem::file_size(path, unknown); !unknown && size < most)
            out.reserve(static_cast<std::size_t>(size));
        char piece[4096];
        while (out.size() < most) {
            const std::size_t size = std::fread(piece, 1, sizeof piece, file.get());
            if (size == 0) break;
            out.append(piece, size);
        }
        OPENSSL_cleanse(piece, sizeof piece);
        if (std::ferror(file.get()) != 0) return errno != 0 ? errno : EIO;
        return out.size() < most ? 0 : EFBIG;
    }

    // OpenSSL looks up there what it needs, when it needs it, and keeps it: what was added or taken away
    // shows in the directory's time.
    std::error_code look_at_directory(const std::string& path, std::string& details) {
        if (path.empty()) return {};
        std::error_code bad;
        const auto time = std::filesystem::last_write_time(path, bad);
        if (!bad && !std::filesystem::is_directory(path, bad) && !bad)
            bad = std::make_error_code(std::errc::not_a_directory);
        if (bad) {
            details = path + ": " + bad.message();
            return tls_errc::ca_unreadable;
        }
        mark += std::to_string(time.time_since_epoch().count());
        return {};
    }
};

} // namespace inflight::detail
