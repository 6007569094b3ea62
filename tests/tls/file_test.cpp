// TLS: files that cannot be read or used, each told by its name.
#include "tls/tls_support.hpp"

namespace {

struct failure {
    std::error_code error{};
    std::string details{};
    friend bool operator==(const failure&, const failure&) = default;
    friend std::ostream& operator<<(std::ostream& out, const failure& f) {
        return out << f.error.message() << " (" << f.details << ')';
    }
};

failure failure_of(const tls_options& options) {
    detail::tls_client_maker maker(options);
    std::unique_ptr<layer> out;
    failure f;
    f.error = maker.make({.host = "localhost"}, out, f.details);
    CHECK(!out == !!f.error);
    CHECK((!f.error || f.error == error_condition::fatal));
    return f;
}

failure failure_of(const tls_server_options& options) {
    tls_server server(options);
    CHECK(!server.make_layer() == !!server.error());
    return {server.error(), server.details()};
}

} // namespace

TEST_CASE("tls: a file that is not there, or is none, is named with the reason", "[tls]") {
    const certificates all;
    const std::string absent = all.files.path("absent.pem"), directory = all.files.path("");
    tls_options ca, crl, certificate, key, folder, no_folder;
    ca.ca_file = crl.crl_file = certificate.certificate_file = key.key_file = absent;
    key.certificate_file = all.file_of(all.client, "client.pem");
    CHECK(failure_of(ca) == failure{tls_errc::ca_unreadable, absent + ": No such file or directory"});
    CHECK(failure_of(crl) == failure{tls_errc::crl_unreadable, absent + ": No such file or directory"});
    CHECK(failure_of(certificate) == failure{tls_errc::certificate_unreadable, absent + ": No such file or directory"});
    CHECK(failure_of(key) == failure{tls_errc::key_unreadable, absent + ": No such file or directory"});
    ca.ca_file = directory;
    CHECK(failure_of(ca) == failure{tls_errc::ca_unreadable, directory + ": Is a directory"});
    no_folder.ca_directory = absent;
    CHECK(failure_of(no_folder) == failure{tls_errc::ca_unreadable, absent + ": No such file or directory"});
    folder.ca_directory = key.certificate_file;
    CHECK(failure_of(folder) == failure{tls_errc::ca_unreadable, key.certificate_file + ": Not a directory"});
    CHECK(make_error_code(tls_errc::ca_unreadable).message() == "the certificates of authorities cannot be read");
}

TEST_CASE("tls: a file that holds nothing of the kind, or something damaged, is named with the reason", "[tls]") {
    const certificates all;
    const std::string empty = all.files.write("empty", ""), text = all.files.write("text", "plain text\n");
    for (const std::string& file : {empty, text}) {
        tls_options ca, crl, certificate, key;
        ca.ca_file = crl.crl_file = certificate.certificate_file = key.key_file = file;
        key.certificate_file = all.file_of(all.client, "client.pem");
        CHECK(failure_of(ca) == failure{tls_errc::ca_unreadable, file + ": no certificate in PEM is in it"});
        CHECK(failure_of(crl) == failure{tls_errc::crl_unreadable, file + ": no list of revoked certificates in PEM is in it"});
        CHECK(failure_of(certificate) == failure{tls_errc::certificate_unreadable, file + ": no certificate in PEM is in it"});
        CHECK(failure_of(key) == failure{tls_errc::key_unreadable, file + ": no private key in PEM is in it"});
    }
    tls_options inline_text;
    inline_text.ca_text = "nothing";
    CHECK(failure_of(inline_text) == failure{tls_errc::ca_unreadable, "ca_text: no certificate in PEM is in it"});

    std::string damaged = all.root.pem();
    damaged[damaged.size() / 2] = '!';
    tls_options options;
    options.ca_file = all.files.write("damaged", all.root.pem() + damaged);
    const failure bad = failure_of(options);
    CHECK(bad.error == tls_errc::ca_unreadable);
    CHECK(bad.details == options.ca_file + ": TLS: bad base64 decode");
    options.ca_file = all.files.write("cut", all.root.pem() + all.root.pem().substr(0, 100));
    CHECK(failure_of(options).details.starts_with(options.ca_file + ": TLS: "));
}

TEST_CASE("tls: a file that is too large to be one is refused", "[tls]") {
    const certificates all;
    tls_options options;
    options.ca_file = all.files.write("large", std::string((std::size_t{16} << 20) + 1, '\n') + all.root.pem());
    CHECK(failure_of(options) == failure{tls_errc::ca_unreadable, options.ca_file + ": File too large"});
}

TEST_CASE("tls: an encrypted key opens with its passphrase only, and nobody is asked for it", "[tls]") {
    const certificates all;
    auto options = all.for_client();
    options.certificate_file = all.files.write("client.pem", all.client.pem() + all.authority.pem());
    options.key_file = all.files.write("client.key", all.client.key_pem("open sesame"));
    CHECK(failure_of(options) == failure{tls_errc::key_passphrase_missing, options.key_file});
    options.key_passphrase = "open barley";
    CHECK(failure_of(options) == failure{tls_errc::key_passphrase_wrong, options.key_file});
    options.key_passphrase = std::string(5000, 'x');
    CHECK(failure_of(options) == failure{tls_errc::key_passphrase_wrong, options.key_file});
    options.key_passphrase = "open sesame";
    CHECK(failure_of(options) == failure{});
    auto server = all.for_server();
    server.client_ca_file = options.ca_file;
    CHECK(tls_connections(options, server).connect().is_open());
}

TEST_CASE("tls: a key that does not belong to the certificate is told with both files", "[tls]") {
    const certificates all;
    tls_options options;
    options.certificate_file = all.files.write("client.pem", all.client.pem());
    options.key_file = all.files.write("other.key", all.server.key_pem());
    CHECK(failure_of(options) == failure{tls_errc::key_mismatch, options.key_file + " and " + options.certificate_file +
                                                                     ": TLS: key values mismatch"});
}

TEST_CASE("tls: a server's files are told in the same way, and it needs a certificate", "[tls]") {
    const certificates all;
    CHECK(failure_of(tls_server_options{}).error == tls_errc::no_certificate);
    auto options = all.for_server();
    CHECK(failure_of(options) == failure{});
    options.key_file = all.files.path("absent.key");
    CHECK(failure_of(options) == failure{tls_errc::key_unreadable, options.key_file + ": No such file or directory"});
    options = all.for_server();
    options.client_ca_file = all.files.path("absent.pem");
    CHECK(failure_of(options) == failure{tls_errc::ca_unreadable, options.client_ca_file + ": No such file or directory"});
    options = all.for_server();
    options.alpn = {""};
    CHECK(failure_of(options).error == tls_errc::invalid_alpn);
}

TEST_CASE("tls: each error has words of its own, and is of use or of none to try again after", "[tls]") {
    std::vector<std::string> seen;
    for (int code = 1; code <= static_cast<int>(tls_errc::openssl_failed); ++code) {
        const std::error_code error(code, tls_category());
        CHECK(error.message() != "unknown TLS error");
        CHECK(std::find(seen.begin(), seen.end(), error.message()) == seen.end());
        CHECK((error == error_condition::fatal) != (error == error_condition::transient));
        seen.push_back(error.message());
    }
    CHECK(std::error_code(99, tls_category()).message() == "unknown TLS error");
    CHECK(std::error_code(99, tls_category()) == error_condition::transient);
    CHECK(make_error_code(tls_errc::none) != error_condition::fatal);
    CHECK(std::error_code(X509_V_OK, verification_category()) != error_condition::fatal);
    CHECK(std::error_code(1, openssl_category()).message().starts_with("TLS: "));
    CHECK(std::string(tls_category().name()) == "tls");
}
