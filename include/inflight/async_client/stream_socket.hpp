// inflight/async_client/stream_socket.hpp - a socket of TCP or of the Unix kind, and its addresses. They are
// generic, so that a compiler sees one kind of both.
#pragma once

#include <asio/generic/stream_protocol.hpp>
#include <asio/ip/tcp.hpp>

#include <cstring>
#include <vector>

namespace inflight::detail {

using stream_socket = asio::generic::stream_protocol::socket;
using endpoint_list = std::vector<stream_socket::endpoint_type>;

inline bool is_tcp(const stream_socket::endpoint_type& where) {
    const int family = where.protocol().family();
    return family == AF_INET || family == AF_INET6;
}

/// What TCP makes of it; no address and port 0 if it is none of TCP's.
inline asio::ip::tcp::endpoint tcp_endpoint_of(const stream_socket::endpoint_type& where) {
    asio::ip::tcp::endpoint out;
    if (!is_tcp(where)) return out;
    out.resize(where.size());
    std::memcpy(out.data(), where.data(), where.size());
    return out;
}

} // namespace inflight::detail
