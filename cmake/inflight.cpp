// The one unit of the library that INFLIGHT_SEPARATE_COMPILATION makes.
#include <inflight/client/impl/client.hpp>
