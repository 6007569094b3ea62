#!/usr/bin/env bash
# rules.sh ROOT: the rules of this code that need no compiler. One line per breach; fails if there is any.
#
#   headers    include downwards only: codec < session, transport < async_client < client; these know no
#              opt-in part
#              codec, session and the test kit without its Asio parts know no Asio, thread, file or clock
#              #pragma once; fewer than 600 lines; functions of fewer than 70
#   all code   ASCII, no tabs, no blanks at line ends, 110 columns (tests 140, tables more), no leftovers
#
# The length of a function is found by counting braces from one that follows a parameter list.
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$1" && pwd)
cd "$root"

headers=() code=() scripts=()
while IFS= read -r file; do headers+=("$file"); done < <(find include -name '*.hpp' 2>/dev/null | sort)
while IFS= read -r file; do code+=("$file"); done < <(
    find include tests examples \( -name '*.hpp' -o -name '*.cpp' \) 2>/dev/null | sort)
while IFS= read -r file; do scripts+=("$file"); done < <(
    { find cmake tests examples .ci \( -name '*.cmake' -o -name '*.sh' -o -name '*.py' -o -name '*.in' \
        -o -name CMakeLists.txt -o -path .ci/run \) 2>/dev/null
      find . -maxdepth 1 -name CMakeLists.txt; } | sort)

breaches=$(mktemp)
trap 'rm -f "$breaches"' EXIT

for header in "${headers[@]}"; do
    grep -q '^#pragma once$' "$header" || echo "$header:1: no #pragma once" >>"$breaches"
done

if [ "${#headers[@]}" -gt 0 ]; then
    awk -f "$here/headers.awk" "${headers[@]}" >>"$breaches"
fi
if [ "${#code[@]}" -gt 0 ]; then
    awk -f "$here/text.awk" "${code[@]}" "${scripts[@]}" >>"$breaches"
fi

cat "$breaches"
count=$(wc -l <"$breaches")
echo "rules: ${#headers[@]} headers, ${#code[@]} sources, $count breaches"
[ "$count" -eq 0 ]
