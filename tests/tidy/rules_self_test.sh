#!/usr/bin/env bash
# Proves that rules.sh sees each breach that it promises to see, and nothing in code that has none.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir -p "$tree"/include/inflight/{codec,session,testing,transport} "$tree"/{tests,examples,cmake,.ci}

# expect WANTED FILE: with standard input as FILE the tree has one breach, matching WANTED, or none for "-".
expect() {
    local wanted=$1 file=$tree/include/inflight/$2 output status=0
    cat >"$file"
    output=$(bash "$here/rules.sh" "$tree") || status=$?
    rm "$file"
    if [ "$wanted" = - ]; then
        [ "$status" -eq 0 ] && return
    elif [ "$status" -ne 0 ] && [ "$(grep -c "$2:" <<<"$output")" -eq 1 ]; then
        grep -q -- "$wanted" <<<"$output" && return
    fi
    echo "expected '$wanted' for $2, got: $output"
    touch "$tree/failed"
}

lines() { for ((i = 0; i < $1; ++i)); do echo "    ++x;"; done; }
header() { echo '#pragma once'; [ $# -eq 0 ] || printf '%s\n' "$@"; }

header '#include <inflight/codec/types.hpp>' '#include <chrono>' 'int f(time_point now);' |
    expect - session.hpp
header '#include <inflight/client.hpp>' | expect 'stands above' session.hpp
header '#include <inflight/session.hpp>' | expect - testing/server.hpp
header '#include <inflight/transport/layer.hpp>' | expect 'stands beside' session/flow.hpp
header '#include <inflight/session.hpp>' | expect 'stands beside' transport/layer.hpp
header '#include <inflight/transport/layer.hpp>' | expect - testing/server.hpp
header '#include <inflight/async_client.hpp>' | expect 'stands above' testing/server.hpp
header '#include <inflight/async_client.hpp>' | expect - testing/tcp_server.hpp
header '#include <inflight/testing/server.hpp>' | expect 'opt-in' session/flow.hpp
header '#include <asio/ip/tcp.hpp>' | expect 'knows no' testing/server.hpp
header '#include <inflight/session.hpp>' | expect 'stands above' codec/types.hpp
header '#include <inflight/testing.hpp>' | expect 'opt-in' client.hpp
header '#include "types.hpp"' | expect 'relative' client.hpp
header '#include <asio/ip/tcp.hpp>' | expect 'knows no' session.hpp
header '#include <asio/ip/tcp.hpp>' '#include <mutex>' | expect - client.hpp
header '#include <mutex>' | expect 'knows no' codec/types.hpp
header 'auto x = std::chrono::steady_clock::now();' | expect 'clock' session.hpp
header '// std::chrono::steady_clock::now() is for the caller.' | expect - session.hpp
echo 'int x;' | expect 'pragma once' codec.hpp
header "$(printf '// \303\251')" | expect 'ASCII' codec.hpp
header "$(printf '\tint x;')" | expect 'a tab' codec.hpp
header '// TO''DO: finish' | expect 'left to do' codec.hpp
header "// $(printf 'x%.0s' {1..110})" | expect 'columns' codec.hpp
header "    {1, 2, \"$(printf 'x%.0s' {1..110})\"}," | expect - codec.hpp
{ header; lines 598; } | expect - codec.hpp
{ header; lines 599; } | expect '600' codec.hpp
{ header 'template <class T> class x : y<T> {' 'int f(int x) const noexcept {'
  lines 67; echo '}' ; lines 60; echo '};'; } | expect - codec.hpp
{ header 'template <class T> requires (sizeof(T) > 1)' 'auto f(int x)' '    -> int' '{'
  lines 68; echo '}'; } | expect 'function of 70' codec.hpp
{ header 'struct a {' 'a(int b) : b_(b), c_{b} {' "const char c = '}'; // }"; lines 68; echo '}' '};'; } |
    expect 'function of 71' codec.hpp
{ header 'constexpr row table[] = {'
  for ((i = 0; i < 80; ++i)); do echo '    {f(1), 2},'; done; echo '};'; } | expect - codec.hpp
[ ! -e "$tree/failed" ]
