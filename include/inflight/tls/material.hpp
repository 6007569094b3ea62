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

private:
    static constexpr std::size_t most = std::size_t{16}
                                        << 20; // Bytes of a file. Nobody has that many authorities.

    static void wipe(std::string& text) { OPENSSL_cleanse(text.data(), text.size()); }

    std::error_code read(const std::string& path, tls_errc kind, std::string& out, std::string& details) {
        if (path.empty()) return {};
        if (const int bad = contents(path, out)) {
            details = path + ": " + std::generic_category().message(bad);
            return kind;
        }
        unsigned char digest[32];
        if (::EVP_Digest(out.data(), out.size(), digest, nullptr, EVP_sha256(), nullptr) != 1)
            return take_openssl_error();
        mark.append(reinterpret_cast<const char*>(digest), sizeof digest);
        return {};
    }

    // 0, or the system's error.
    static int contents(const std::string& path, std::string& out) {
        struct closer {
            void operator()(std::FILE* file) const { (void)std::fclose(file); }
        };
        errno = 0;
        const std::unique_ptr<std::FILE, closer> file(std::fopen(path.c_str(), "rb"));
        if (!file) return errno != 0 ? errno : EIO;
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
