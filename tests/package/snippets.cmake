# cmake -D README=... -D WORK=... -D COMPILER=... -D GENERATOR=... -D ASIO_FLAGS=... -D WARNING_FLAGS=...
#       -P snippets.cmake
#
# Compiles every ```cpp block of one README and configures every ```cmake block that fetches the library:
#
#   cpp    A block with "int main" is a program, compiled as it is with all our warnings; so is a block
#          that begins with #include (which may define functions). Any other block stands inside a function,
#          after the clients' headers and common standard ones, and may use
#            inflight::client client;                       unless it declares its own,
#          or, if it says co_await or co_return, stands inside an asio::awaitable<void> and may use
#            inflight::async_client client;
#          Names that it leaves unused are no error there.
#   cmake  A block that says FetchContent becomes the CMakeLists.txt of a project; a target that it links but
#          does not add is added in front of it. The library fetched is this tree.
cmake_minimum_required(VERSION 3.25)
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH root)
cmake_path(GET root PARENT_PATH root)

if(NOT EXISTS ${root}/${README})
    message(FATAL_ERROR "${README} is missing")
endif()
file(REMOVE_RECURSE ${WORK})
file(MAKE_DIRECTORY ${WORK})

set(prologue [[
#include <inflight/client.hpp>
#include <inflight/async_client.hpp>
#include <inflight/testing.hpp>
#include <asio.hpp>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <future>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>
using namespace std::chrono_literals;
]])

# Compiles a file of blocks; the compiler names README and line of what is wrong, through #line.
function(compile name)
    execute_process(COMMAND ${COMPILER} -std=c++20 -I${root}/include ${ASIO_FLAGS} ${ARGN} -fsyntax-only
        ${WORK}/${name}.cpp RESULT_VARIABLE result ERROR_VARIABLE output)
    if(result)
        message(SEND_ERROR "${README}: a block does not compile\n${output}")
    endif()
endfunction()

# Programs are files of their own; functions of all other blocks share one, for Asio's compile time.
function(check_cpp name line block)
    if(block MATCHES "int main" OR block MATCHES "^[ \n]*#include")
        file(WRITE ${WORK}/${name}.cpp "#line ${line} \"${README}\"\n${block}")
        compile(${name} ${WARNING_FLAGS})
        return()
    endif()
    # The inner braces let a block declare a `client` of its own.
    if(block MATCHES "co_await|co_return")
        set(before "asio::awaitable<void> ${name}(inflight::async_client& client) {{\n")
        set(after "\n} co_return; }\n")
    else()
        set(before "void ${name}(inflight::client& client) {{\n")
        set(after "\n}}\n")
    endif()
    file(APPEND ${WORK}/functions.cpp "${before}#line ${line} \"${README}\"\n${block}${after}")
endfunction()

function(check_cmake name line block)
    set(before "")
    if(NOT block MATCHES "project *\\(")
        set(before "cmake_minimum_required(VERSION 3.25)\nproject(snippet LANGUAGES CXX)\n")
    endif()
    file(WRITE ${WORK}/${name}/main.cpp "int main() {}\n")
    string(REGEX MATCHALL "[A-Za-z0-9_]+\\.cpp" sources "${block}")
    foreach(source IN LISTS sources)
        file(WRITE ${WORK}/${name}/${source} "int main() {}\n")
    endforeach()
    if(NOT block MATCHES "add_(executable|library)" AND
       block MATCHES "target_link_libraries *\\( *([A-Za-z0-9_]+)")
        string(APPEND before "add_executable(${CMAKE_MATCH_1} main.cpp)\n")
    endif()
    file(WRITE ${WORK}/${name}/CMakeLists.txt "${before}${block}")
    execute_process(COMMAND ${CMAKE_COMMAND} -S ${WORK}/${name} -B ${WORK}/${name}/build -G ${GENERATOR}
        -D CMAKE_CXX_COMPILER=${COMPILER} -D FETCHCONTENT_SOURCE_DIR_INFLIGHT=${root}
        RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(result)
        message(SEND_ERROR "${README}:${line}: this block does not configure\n${output}")
    endif()
endfunction()

# Blocks are cut out with FIND and SUBSTRING: they hold semicolons and brackets, which no CMake list survives.
file(READ ${root}/${README} text)
string(PREPEND text "\n")
set(line 0)
set(count 0)
while(TRUE)
    string(FIND "${text}" "\n```" start)
    if(start EQUAL -1)
        break()
    endif()
    math(EXPR start "${start} + 1")
    string(SUBSTRING "${text}" 0 ${start} skipped)
    string(SUBSTRING "${text}" ${start} -1 text)
    string(FIND "${text}" "\n" eol)
    string(SUBSTRING "${text}" 3 ${eol} language)
    string(REGEX REPLACE "[^a-z].*$" "" language "${language}")
    # From the line break before the block to the one before its end; an empty block has but one.
    string(SUBSTRING "${text}" ${eol} -1 text)
    string(FIND "${text}" "\n```" end)
    if(end EQUAL -1)
        message(FATAL_ERROR "${README}: a block without end")
    endif()
    string(SUBSTRING "${text}" 0 ${end} block)
    math(EXPR end "${end} + 4")
    string(SUBSTRING "${text}" ${end} -1 text)

    string(REGEX REPLACE "[^\n]" "" breaks "${skipped}")
    string(LENGTH "${breaks}" breaks)
    math(EXPR line "${line} + ${breaks}")
    string(REGEX REPLACE "^\n" "" body "${block}")
    math(EXPR first "${line} + 1")
    math(EXPR count "${count} + 1")
    if(language STREQUAL "cpp")
        check_cpp(block_${count} ${first} "${body}\n")
    elseif(language STREQUAL "cmake" AND body MATCHES "FetchContent")
        check_cmake(block_${count} ${first} "${body}\n")
    else()
        math(EXPR count "${count} - 1")
    endif()

    string(REGEX REPLACE "[^\n]" "" breaks "${block}")
    string(LENGTH "${breaks}" breaks)
    math(EXPR line "${line} + ${breaks} + 1")
endwhile()
if(EXISTS ${WORK}/functions.cpp)
    file(READ ${WORK}/functions.cpp functions)
    file(WRITE ${WORK}/functions.cpp "${prologue}${functions}")
    compile(functions -w)
endif()
message("${README}: ${count} blocks")
