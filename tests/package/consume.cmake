# cmake -D WAY=... -D SEPARATE=... -D WORK=... -D ASIO_DIRS=... -D COMPILER=... -D GENERATOR=...
#       -P consume.cmake
#
# Builds the project in consumer/ and runs its programs, with the library got in one WAY:
#   add_subdirectory   from this tree
#   FetchContent       from this tree, as a SOURCE_DIR
#   find_package       after an installation into a temporary prefix
#   scram_package      the same, with the component scram; and so for each component
#   scram_subdirectory from this tree, with INFLIGHT_SCRAM; and so for each component
#   fetched_asio       Asio fetched although there is one on the system
#   absent_asio        Asio fetched since none is found on the system, by an installed package
#   asio_include_dir   Asio from INFLIGHT_ASIO_INCLUDE_DIR
#   asio_target        Asio from INFLIGHT_ASIO_TARGET
#   fetched_wslay      with INFLIGHT_WEBSOCKET, wslay fetched although there is one on the system
#   fetched_wslay_package the same, by an installed package
# SEPARATE is the value of INFLIGHT_SEPARATE_COMPILATION: of an installed package, when it was built.
# Those of Asio use a copy of the one at hand under another version number, which asio_version.cpp knows; the
# wslay that is fetched is a stand-in, which websocket.cpp knows. Fetched is what FETCHCONTENT_SOURCE_DIR_ASIO
# and _WSLAY name: no test needs the network.
cmake_minimum_required(VERSION 3.25)
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
cmake_path(GET root PARENT_PATH root)

function(run)
    execute_process(COMMAND ${ARGV} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(result)
        list(JOIN ARGV " " command)
        message(FATAL_ERROR "${command}\n${output}\n=> ${result}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()

# A tree like Asio's repository at the pinned commit: headers in include, asio/include a link to it.
function(make_asio_tree tree)
    foreach(dir ${ASIO_DIRS} /usr/include /usr/local/include)
        if(EXISTS ${dir}/asio.hpp)
            file(COPY ${dir}/asio.hpp ${dir}/asio DESTINATION ${tree}/include)
            break()
        endif()
    endforeach()
    file(MAKE_DIRECTORY ${tree}/asio)
    file(CREATE_LINK ../include ${tree}/asio/include SYMBOLIC)
    # Asio's own build must stay out: this would end the configuration.
    file(WRITE ${tree}/CMakeLists.txt "message(FATAL_ERROR \"Asio's build files were run\")\n")
    file(WRITE ${tree}/include/asio/version.hpp "#define ASIO_VERSION 103899\n")
endfunction()

# A tree like wslay's repository at the pinned commit, as far as it is wanted. Its functions have no memory
# left.
function(make_wslay_tree tree)
    find_path(dir wslay/wslay.h PATHS /usr/include /usr/local/include NO_CACHE REQUIRED)
    file(COPY ${dir}/wslay/wslay.h DESTINATION ${tree}/lib/includes/wslay)
    file(WRITE ${tree}/CMakeLists.txt "message(FATAL_ERROR \"wslay's build files were run\")\n")
    file(WRITE ${tree}/lib/wslay_net.c "#include <wslay/wslay.h>\n")
    file(WRITE ${tree}/lib/wslay_frame.c "#include <wslay/wslay.h>
typedef wslay_frame_context_ptr context;
int wslay_frame_context_init(context* c, const struct wslay_frame_callbacks* f, void* p) {
    return *c = 0, (void)f, (void)p, WSLAY_ERR_NOMEM;
}
void wslay_frame_context_free(context c) { (void)c; }
ssize_t wslay_frame_send(context c, struct wslay_frame_iocb* f) { return (void)c, (void)f, -1; }
ssize_t wslay_frame_recv(context c, struct wslay_frame_iocb* f) { return (void)c, (void)f, -1; }
")
endfunction()

# One way is built as a release: without assertions and with the optimiser there are other warnings (but not
# with find_package, whose headers are system headers to the compiler).
set(type Debug)
if(WAY STREQUAL "FetchContent")
    set(type Release)
endif()
set(args -G ${GENERATOR} -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_BUILD_TYPE=${type})
set(separate -D INFLIGHT_SEPARATE_COMPILATION=${SEPARATE})
set(consumer_args -D INFLIGHT_ROOT=${root} -D EXPECTED_SEPARATE=${SEPARATE})
set(use add_subdirectory)
file(REMOVE_RECURSE ${WORK})

set(component "")
if(WAY MATCHES "^(scram|tls|websocket)_")
    set(component ${CMAKE_MATCH_1})
elseif(WAY MATCHES "wslay")
    set(component websocket)
    make_wslay_tree(${WORK}/wslay)
    list(APPEND consumer_args -D INFLIGHT_FETCH_WSLAY=ON -D FETCHCONTENT_SOURCE_DIR_WSLAY=${WORK}/wslay)
endif()
if(WAY MATCHES "asio")
    make_asio_tree(${WORK}/asio)
    list(APPEND consumer_args -D EXPECTED_ASIO_VERSION=103899)
endif()
if(WAY STREQUAL "FetchContent")
    set(use FetchContent)
elseif(WAY STREQUAL "fetched_asio")
    list(APPEND consumer_args -D INFLIGHT_FETCH_ASIO=ON -D FETCHCONTENT_SOURCE_DIR_ASIO=${WORK}/asio)
elseif(WAY STREQUAL "asio_include_dir")
    list(APPEND consumer_args -D INFLIGHT_ASIO_INCLUDE_DIR=${WORK}/asio/include)
elseif(WAY STREQUAL "asio_target")
    set(use asio_target)
    list(APPEND consumer_args -D INFLIGHT_ASIO_TARGET=my_asio -D MY_ASIO_DIR=${WORK}/asio/include)
elseif(WAY STREQUAL "${component}_subdirectory" OR WAY STREQUAL "fetched_wslay")
    string(TOUPPER ${component} option)
    list(APPEND consumer_args -D INFLIGHT_${option}=ON -D COMPONENTS=${component})
elseif(WAY MATCHES "_package|absent_asio")
    set(use find_package)
    run(${CMAKE_COMMAND} -S ${root} -B ${WORK}/library ${args} -D CMAKE_INSTALL_PREFIX=${WORK}/prefix
        -D INFLIGHT_BUILD_TESTS=OFF -D INFLIGHT_BUILD_EXAMPLES=OFF ${separate})
    run(${CMAKE_COMMAND} --build ${WORK}/library)
    run(${CMAKE_COMMAND} --install ${WORK}/library)
    list(APPEND consumer_args -D CMAKE_PREFIX_PATH=${WORK}/prefix)
    if(component)
        list(APPEND consumer_args -D COMPONENTS=${component})
    endif()
    if(WAY STREQUAL "absent_asio")
        list(APPEND consumer_args -D FETCHCONTENT_SOURCE_DIR_ASIO=${WORK}/asio
            -D CMAKE_IGNORE_PATH=${ASIO_DIRS})
    endif()
endif()
if(NOT use STREQUAL "find_package")
    list(APPEND consumer_args ${separate})
endif()

run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/consumer -B ${WORK}/consumer
    ${args} ${consumer_args} -D USE=${use})
run(${CMAKE_COMMAND} --build ${WORK}/consumer)
if(output MATCHES "warning:")
    message(FATAL_ERROR "a warning in a user's build:\n${output}")
endif()
run(${WORK}/consumer/program)
run(${WORK}/consumer/embedded)
if(component)
    run(${WORK}/consumer/${component})
endif()
