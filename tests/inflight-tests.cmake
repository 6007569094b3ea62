# inflight_add_tests(<name> LINK <targets> [THREADED] [LABELS <labels>])
#
# Every *_test.cpp of the calling folder becomes part of the executable <name>_test, one test of ctest.
function(inflight_add_tests name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "THREADED" "" "LINK;LABELS")
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cpp)
    if(NOT sources)
        return()
    endif()
    if(NOT arg_LABELS)
        set(arg_LABELS unit)
    endif()

    add_executable(${name}_test ${sources})
    target_link_libraries(${name}_test PRIVATE ${arg_LINK} inflight_test_main inflight_warnings)
    add_test(NAME ${name} COMMAND ${name}_test)
    if("unit" IN_LIST arg_LABELS)
        add_dependencies(inflight_unit_tests ${name}_test)
    endif()
    if(arg_THREADED)
        add_dependencies(inflight_threaded_tests ${name}_test)
        list(APPEND arg_LABELS threaded)
    endif()
    set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 900)
endfunction()

# inflight_add_programs(<label>)
#
# Every *_test.sh and *_test.py of the calling folder is a test with that label, every *_test.cpp a part of
# the executable <label>_test. They find the examples through the variables below and skip by exit status 77.
function(inflight_add_programs label)
    inflight_add_tests(${label} LINK inflight::inflight LABELS ${label})
    # Debian's modules, paho among them, belong to Debian's python3, which may not be the first in the PATH.
    find_program(INFLIGHT_PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH)
    find_program(INFLIGHT_PYTHON3 python3)
    find_program(INFLIGHT_BASH bash)

    file(GLOB programs CONFIGURE_DEPENDS
        ${CMAKE_CURRENT_SOURCE_DIR}/*_test.sh ${CMAKE_CURRENT_SOURCE_DIR}/*_test.py)
    foreach(program IN LISTS programs)
        cmake_path(GET program STEM stem)
        string(REGEX REPLACE "_test$" "" stem "${stem}")
        if(program MATCHES "\\.py$")
            add_test(NAME ${label}.${stem} COMMAND ${INFLIGHT_PYTHON3} ${program})
        else()
            add_test(NAME ${label}.${stem} COMMAND ${INFLIGHT_BASH} ${program})
        endif()
        set_tests_properties(${label}.${stem} PROPERTIES LABELS ${label} TIMEOUT 900 SKIP_RETURN_CODE 77)
    endforeach()

    get_property(tests DIRECTORY PROPERTY TESTS)
    if(tests)
        set_property(TEST ${tests} PROPERTY ENVIRONMENT
            INFLIGHT_EXAMPLES=${PROJECT_BINARY_DIR}/examples
            INFLIGHT_PUBLISHER=${PROJECT_BINARY_DIR}/examples/publisher
            INFLIGHT_SUBSCRIBER=${PROJECT_BINARY_DIR}/examples/subscriber
            INFLIGHT_SOURCE_DIR=${PROJECT_SOURCE_DIR})
    endif()
endfunction()
