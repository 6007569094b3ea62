# Makes the target inflight::scram: what a program needs that includes inflight/scram.hpp. Used by the
# build, if INFLIGHT_SCRAM is ON, and by the package config, if the component "scram" is asked for; so
# nobody else needs OpenSSL.
include_guard(DIRECTORY)

if(NOT TARGET OpenSSL::Crypto)
    find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)
endif()
if(NOT TARGET inflight::scram)
    add_library(inflight::scram INTERFACE IMPORTED GLOBAL)
    target_link_libraries(inflight::scram INTERFACE inflight::core OpenSSL::Crypto)
endif()
