#include <inflight/client.hpp>
#include <inflight/tls.hpp>

// The certificate of the authority that we trust cannot be read: whoever says so knows TLS.
int main() {
    inflight::tls_options options;
    options.ca_file = "no such file";
    const auto maker = inflight::detail::known_layers.tls(options);
    std::unique_ptr<inflight::layer> layer;
    std::string details;
    const auto error = maker->make({.host = "localhost", .port = 8883}, layer, details);
    return error == inflight::tls_errc::ca_unreadable && details.starts_with("no such file: ") ? 0 : 1;
}
