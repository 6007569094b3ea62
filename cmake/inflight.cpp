// The one unit of the library that INFLIGHT_SEPARATE_COMPILATION makes.
#define INFLIGHT_EXTERN
#include <inflight/client/impl/client.hpp>
#include <inflight/client/impl/request.hpp>
