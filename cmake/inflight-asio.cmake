# Makes the target inflight::asio. Used by the build and, installed, by the package config, so that both
# find Asio in the same way. The first that applies:
#
#   INFLIGHT_ASIO_TARGET       a CMake target of yours that carries Asio's headers
#   INFLIGHT_ASIO_INCLUDE_DIR  the folder that holds asio.hpp
#   the system                 asio.hpp where find_path looks, unless INFLIGHT_FETCH_ASIO is ON
#   FetchContent               the pinned commit, unless INFLIGHT_FETCH_ASIO is OFF;
#                              FETCHCONTENT_SOURCE_DIR_ASIO names a local copy instead
#
# The target is imported: its headers are system headers to the compiler, and it can be named by an export.
include_guard(DIRECTORY)

set(INFLIGHT_ASIO_MINIMUM 1.22.1)
set(INFLIGHT_ASIO_COMMIT 8806a6803cde7054c3049d3666d3ec36786568c5) # asio-1-38-2

set(INFLIGHT_ASIO_TARGET "" CACHE STRING "CMake target to use as Asio")
set(INFLIGHT_ASIO_INCLUDE_DIR "" CACHE PATH "Folder that holds asio.hpp")
set(INFLIGHT_FETCH_ASIO AUTO CACHE STRING "Fetch Asio: AUTO (when the system has none), ON or OFF")
set_property(CACHE INFLIGHT_FETCH_ASIO PROPERTY STRINGS AUTO ON OFF)

# Sets `out` to the version of the Asio in `dir`, to nothing if there is none.
function(inflight_asio_version dir out)
    set(version "")
    if(EXISTS "${dir}/asio.hpp" AND EXISTS "${dir}/asio/version.hpp")
        file(STRINGS "${dir}/asio/version.hpp" line REGEX "^#define ASIO_VERSION [0-9]+")
        if(line MATCHES "ASIO_VERSION ([0-9]+)")
            math(EXPR major "${CMAKE_MATCH_1} / 100000")
            math(EXPR minor "${CMAKE_MATCH_1} / 100 % 1000")
            math(EXPR patch "${CMAKE_MATCH_1} % 100")
            set(version ${major}.${minor}.${patch})
        endif()
    endif()
    set(${out} "${version}" PARENT_SCOPE)
endfunction()

function(inflight_fetch_asio out)
    include(FetchContent)
    # Only the headers are wanted: the SOURCE_SUBDIR, which does not exist, keeps Asio's own build files out.
    FetchContent_Declare(asio
        GIT_REPOSITORY https://github.com/chriskohlhoff/asio.git
        GIT_TAG ${INFLIGHT_ASIO_COMMIT}
        SOURCE_SUBDIR headers-only)
    FetchContent_MakeAvailable(asio)
    # Older trees have asio/include only; in newer ones it is a link, which Windows may check out as a file.
    foreach(dir "${asio_SOURCE_DIR}/asio/include" "${asio_SOURCE_DIR}/include")
        if(EXISTS "${dir}/asio.hpp")
            set(${out} "${dir}" PARENT_SCOPE)
            return()
        endif()
    endforeach()
    message(FATAL_ERROR "inflight: no asio.hpp in ${asio_SOURCE_DIR}")
endfunction()

# Sets `out` to the folder of an Asio that is new enough.
function(inflight_find_asio out)
    if(INFLIGHT_ASIO_INCLUDE_DIR)
        set(dir "${INFLIGHT_ASIO_INCLUDE_DIR}")
    else()
        set(dir "")
        if(NOT INFLIGHT_FETCH_ASIO STREQUAL "ON")
            find_path(dir_on_system asio.hpp NO_CACHE)
            if(dir_on_system)
                string(REGEX REPLACE "/$" "" dir_on_system "${dir_on_system}")
                inflight_asio_version("${dir_on_system}" version)
                if(version VERSION_GREATER_EQUAL INFLIGHT_ASIO_MINIMUM)
                    set(dir "${dir_on_system}")
                else()
                    message(STATUS "inflight: ${dir_on_system} holds Asio '${version}', older than "
                        ${INFLIGHT_ASIO_MINIMUM})
                endif()
            endif()
        endif()
        if(NOT dir AND NOT INFLIGHT_FETCH_ASIO STREQUAL "OFF")
            inflight_fetch_asio(dir)
        elseif(NOT dir)
            message(FATAL_ERROR "inflight: no Asio >= ${INFLIGHT_ASIO_MINIMUM} on the system, and "
                "INFLIGHT_FETCH_ASIO is OFF. Install libasio-dev, or set INFLIGHT_ASIO_INCLUDE_DIR or "
                "INFLIGHT_ASIO_TARGET.")
        endif()
    endif()

    inflight_asio_version("${dir}" version)
    if(NOT version VERSION_GREATER_EQUAL INFLIGHT_ASIO_MINIMUM)
        message(FATAL_ERROR
            "inflight: Asio >= ${INFLIGHT_ASIO_MINIMUM} is needed; '${dir}' holds '${version}'")
    endif()
    message(STATUS "inflight: Asio ${version} in ${dir}")
    set(${out} "${dir}" PARENT_SCOPE)
endfunction()

if(NOT TARGET inflight::asio)
    add_library(inflight::asio INTERFACE IMPORTED GLOBAL)
    # Asio 1.22 does not know that Clang has coroutines.
    target_compile_definitions(inflight::asio INTERFACE
        ASIO_STANDALONE $<$<CXX_COMPILER_ID:Clang,AppleClang>:ASIO_HAS_CO_AWAIT=1>)
    if(INFLIGHT_ASIO_TARGET)
        if(NOT TARGET "${INFLIGHT_ASIO_TARGET}")
            message(FATAL_ERROR
                "inflight: INFLIGHT_ASIO_TARGET names '${INFLIGHT_ASIO_TARGET}', which is no target (yet)")
        endif()
        target_link_libraries(inflight::asio INTERFACE "${INFLIGHT_ASIO_TARGET}")
        # The user's target may not call its headers system headers; to the user of inflight they are.
        target_include_directories(inflight::asio SYSTEM INTERFACE
            "$<TARGET_PROPERTY:${INFLIGHT_ASIO_TARGET},INTERFACE_INCLUDE_DIRECTORIES>")
    else()
        inflight_find_asio(inflight_asio_dir)
        target_include_directories(inflight::asio SYSTEM INTERFACE "${inflight_asio_dir}")
        unset(inflight_asio_dir)
    endif()
endif()
