# The warnings of our own builds. Only tests and examples link this target; it is never exported, since
# what a user's compiler may complain about is the user's business. The presets make errors of them: a newer
# compiler than ours must not stop the build of somebody who only wants to see the examples.
add_library(inflight_warnings INTERFACE)
set(INFLIGHT_WARNING_FLAGS -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wold-style-cast)
target_compile_options(inflight_warnings INTERFACE
    $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:${INFLIGHT_WARNING_FLAGS}>
    # Optimising, GCC 12 sees copies within a std::string that overlap where none do: PR 105651.
    $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_LESS:$<CXX_COMPILER_VERSION>,13>>:-Wno-restrict>)
