// inflight/async_client/impl/instances.hpp - the templates behind async_client, which in a program that
// defines INFLIGHT_SEPARATE_COMPILATION are instantiated once: in the unit that says so by an empty
// INFLIGHT_EXTERN.
#pragma once

#include <inflight/async_client/layered_transport.hpp>
#include <inflight/async_client/supervisor.hpp>

#ifdef INFLIGHT_SEPARATE_COMPILATION
#ifndef INFLIGHT_EXTERN
#define INFLIGHT_EXTERN extern
#endif

namespace inflight {

INFLIGHT_EXTERN template class outgoing<memory_store>;
INFLIGHT_EXTERN template class incoming<memory_store>;
INFLIGHT_EXTERN template class client_session<memory_store>;

namespace detail {

INFLIGHT_EXTERN template class pump<default_transport, memory_store, null_mutex>;
INFLIGHT_EXTERN template class core<default_transport, memory_store, null_mutex>;
INFLIGHT_EXTERN template class login<default_transport, memory_store, null_mutex>;
INFLIGHT_EXTERN template class opener<default_transport, memory_store, null_mutex>;
INFLIGHT_EXTERN template class supervisor<default_transport, memory_store, null_mutex>;

} // namespace detail
} // namespace inflight
#endif
