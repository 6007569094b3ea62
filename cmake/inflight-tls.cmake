# Makes the target inflight::tls: what a program needs that includes inflight/tls.hpp. Used by the build, if
# INFLIGHT_TLS is ON, and by the package config, if the component "tls" is asked for; so nobody else needs
# OpenSSL.
include_guard(DIRECTORY)

if(NOT TARGET OpenSSL::SSL)
    find_package(OpenSSL 3 REQUIRED COMPONENTS SSL Crypto)
endif()
if(NOT TARGET inflight::tls)
    add_library(inflight::tls INTERFACE IMPORTED GLOBAL)
    target_link_libraries(inflight::tls INTERFACE inflight::core OpenSSL::SSL)
endif()
