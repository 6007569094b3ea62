#include <inflight/session.hpp>

#ifdef ASIO_STANDALONE
#error "inflight::core brings no Asio"
#endif

int main() { return 0; }
