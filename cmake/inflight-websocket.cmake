# Makes the target inflight::websocket: what a program needs that includes inflight/websocket.hpp. Used by the
# build, if INFLIGHT_WEBSOCKET is ON, and by the package config, if the component "websocket" is asked for; so
# nobody else needs OpenSSL and wslay. wslay is the first of:
#
#   INFLIGHT_WSLAY_TARGET  a CMake target of yours
#   the system             wslay/wslay.h and the library where find_path and find_library look, unless
#                          INFLIGHT_FETCH_WSLAY is ON
#   FetchContent           the pinned commit, unless INFLIGHT_FETCH_WSLAY is OFF;
#                          FETCHCONTENT_SOURCE_DIR_WSLAY names a local copy instead
include_guard(DIRECTORY)

set(INFLIGHT_WSLAY_COMMIT c9a84aa6df8512584c77c8cd15be9536b89c35aa) # release-1.1.1

set(INFLIGHT_WSLAY_TARGET "" CACHE STRING "CMake target to use as wslay")
set(INFLIGHT_FETCH_WSLAY AUTO CACHE STRING "Fetch wslay: AUTO (when the system has none), ON or OFF")
set_property(CACHE INFLIGHT_FETCH_WSLAY PROPERTY STRINGS AUTO ON OFF)

# Makes the target inflight::wslay of what the system has, if it has one.
function(inflight_find_wslay)
    find_path(dir wslay/wslay.h NO_CACHE)
    find_library(file wslay NO_CACHE)
    if(dir AND file)
        add_library(inflight::wslay UNKNOWN IMPORTED GLOBAL)
        set_target_properties(inflight::wslay PROPERTIES IMPORTED_LOCATION "${file}")
        target_include_directories(inflight::wslay SYSTEM INTERFACE "${dir}")
        message(STATUS "inflight: wslay in ${file}")
    endif()
endfunction()

function(inflight_fetch_wslay)
    include(FetchContent)
    FetchContent_Declare(wslay
        GIT_REPOSITORY https://github.com/tatsuhiro-t/wslay.git
        GIT_TAG ${INFLIGHT_WSLAY_COMMIT}
        SOURCE_SUBDIR without-its-build-files)
    FetchContent_MakeAvailable(wslay)
    add_subdirectory(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/wslay ${CMAKE_BINARY_DIR}/_deps/inflight-wslay)
    add_library(inflight::wslay ALIAS inflight_wslay)
    message(STATUS "inflight: wslay in ${wslay_SOURCE_DIR}")
endfunction()

if(NOT TARGET OpenSSL::Crypto)
    find_package(OpenSSL 3 REQUIRED COMPONENTS Crypto)
endif()
if(NOT TARGET inflight::wslay)
    if(INFLIGHT_WSLAY_TARGET)
        if(NOT TARGET "${INFLIGHT_WSLAY_TARGET}")
            message(FATAL_ERROR
                "inflight: INFLIGHT_WSLAY_TARGET names '${INFLIGHT_WSLAY_TARGET}', which is no target (yet)")
        endif()
        add_library(inflight::wslay INTERFACE IMPORTED GLOBAL)
        target_link_libraries(inflight::wslay INTERFACE "${INFLIGHT_WSLAY_TARGET}")
    elseif(NOT INFLIGHT_FETCH_WSLAY STREQUAL "ON")
        inflight_find_wslay()
    endif()
endif()
if(NOT TARGET inflight::wslay)
    if(INFLIGHT_FETCH_WSLAY STREQUAL "OFF")
        message(FATAL_ERROR "inflight: no wslay on the system, and INFLIGHT_FETCH_WSLAY is OFF. Install "
            "libwslay-dev, or set INFLIGHT_WSLAY_TARGET.")
    endif()
    inflight_fetch_wslay()
endif()
if(NOT TARGET inflight::websocket)
    add_library(inflight::websocket INTERFACE IMPORTED GLOBAL)
    target_link_libraries(inflight::websocket INTERFACE inflight::core inflight::wslay OpenSSL::Crypto)
endif()
