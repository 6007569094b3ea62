# The warnings of our own builds. Only tests and examples link this target; it is never exported, since
# what a user's compiler may complain about is the user's business.
add_library(inflight_warnings INTERFACE)
set(INFLIGHT_WARNING_FLAGS -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wold-style-cast -Werror)
target_compile_options(inflight_warnings INTERFACE
    $<$<CXX_COMPILER_ID:GNU,Clang,AppleClang>:${INFLIGHT_WARNING_FLAGS}>)
