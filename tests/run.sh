#!/usr/bin/env bash
# Builds and runs the tests; see --help. Works from any directory, on a fresh Debian 12 too: what is missing
# is installed first. Each part is a preset of CMakePresets.json, which one can also use by hand.
set -uo pipefail
from=$PWD
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1

usage() {
    cat <<'EOF'
Usage: tests/run.sh [PART...] [--seconds N] [--seeds N | --seed S] [--layers L] [--short] [--csv FILE]
                    [--markdown FILE]

Without a part: what CI runs, that is all parts but interop, benchmark and mutation.

  unit         the tests of each layer, built with GCC and with Clang
  simulation   sessions against the test kit's server on virtual time: 1000 seeds, or --seeds N on all cores;
               --seed S replays one, with its trace. --layers: over tls, websocket or secure_websocket only;
               else with --seeds and without arguments a tenth as many over each of them too
  integration  the client against a Mosquitto that the tests start
  interop      the client against other brokers and other clients
  sanitize     ASan and UBSan over unit tests, simulation and bad networks, TSan over those of the clients
  fuzz         libFuzzer for 60 seconds per target, or --seconds N
  package      headers alone, every way to get the library, the snippets of the READMEs
  tidy         rules of the code, clang-tidy
  conformance  that each statement of the standards is proven by a test, or excused with a reason
  benchmark    inflight beside its peers and the limit, and which targets it meets: a long run, or with
               --short a minute's; --csv, --markdown: to FILE too. Passes when it ends and no row stalls
  mutation     breaks the library in many small ways, each of which a test must see; counts as one
  all          every part

Exit status: 0 if everything passed, 1 if anything failed, 2 for a word that is not listed here.
The last line of the output counts test cases: "N passed, N failed".
EOF
}

# ---- Arguments

known="unit simulation integration interop sanitize fuzz package tidy conformance benchmark mutation"
parts=()
simulation=(--seeds 1000)
layers=()
benchmark=()
export INFLIGHT_FUZZ_SECONDS=60
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit 0 ;;
    --seconds)
        if ! [[ ${2:-} =~ ^[1-9][0-9]*$ ]]; then echo "run.sh: --seconds needs a number" >&2; exit 2; fi
        INFLIGHT_FUZZ_SECONDS=$2
        shift
        ;;
    --seeds | --seed)
        if ! [[ ${2:-} =~ ^[0-9]+$ ]]; then echo "run.sh: $1 needs a number" >&2; exit 2; fi
        simulation=("$1" "$2")
        if [ "$1" = --seeds ]; then simulation+=(--jobs "${INFLIGHT_JOBS:-$(nproc)}"); fi
        shift
        ;;
    --layers)
        layers=(--layers "${2:-}") # The program knows which there are.
        shift
        ;;
    --short) benchmark+=(--short) ;;
    --csv | --markdown)
        if [ -z "${2:-}" ]; then echo "run.sh: $1 needs a file" >&2; exit 2; fi
        case $2 in /*) benchmark+=("$1" "$2") ;; *) benchmark+=("$1" "$from/$2") ;; esac
        shift
        ;;
    all)
        parts+=(unit simulation integration interop sanitize fuzz package tidy conformance benchmark mutation)
        ;;
    *)
        if [[ " $known " != *" $1 "* ]]; then
            echo "run.sh: unknown part '$1'" >&2
            usage >&2
            exit 2
        fi
        parts+=("$1")
        ;;
    esac
    shift
done
if [ "${#parts[@]}" -eq 0 ]; then
    parts=(unit simulation integration sanitize package tidy conformance fuzz)
fi

jobs=${INFLIGHT_JOBS:-$(nproc)}
logs=$root/build/logs
mkdir -p "$logs"
passed=0 failed=0
broken=() # what failed, for the end of the output

# ---- Running programs

# Each program runs in a process group of its own, so that an interrupted run takes down what it started,
# grandchildren included, and nothing else.
group=
run() {
    setsid "$@" </dev/null &
    group=$!
    wait "$group"
    local status=$?
    group=
    return "$status"
}

policy= # the policy-rc.d that we have made
clean_up() {
    if [ -n "$group" ]; then kill -TERM -- "-$group" 2>/dev/null; fi
    if [ -n "$policy" ]; then $sudo rm -f "$policy"; policy=; fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# quietly LOG COMMAND...: shows the end of the output only if the command fails.
quietly() {
    local log=$logs/$1.log
    shift
    if run "$@" >"$log" 2>&1; then return 0; fi
    echo "--- $* failed; the end of $log:"
    tail -n 60 "$log"
    return 1
}

fail() {
    broken+=("$1")
    failed=$((failed + 1))
}

# ---- Packages

sudo=
if [ "$(id -u)" -ne 0 ] && command -v sudo >/dev/null; then sudo=sudo; fi

# need PACKAGE...: installs what is missing, without starting any service that comes along.
need() {
    command -v dpkg-query >/dev/null || return 0 # Not a Debian: CMake will say what it does not find.
    local package missing=()
    for package in "$@"; do
        if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
            missing+=("$package")
        fi
    done
    if [ "${#missing[@]}" -eq 0 ]; then return 0; fi
    echo "installing ${missing[*]}"
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
        $sudo chmod +x "$policy"
    fi
    local status=0 apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
    quietly apt-update $apt update
    quietly apt-install $apt install -y --no-install-recommends "${missing[@]}" || status=1
    if [ -n "$policy" ]; then $sudo rm -f "$policy"; policy=; fi
    return "$status"
}

# llvm-19 brings the symbolizer, without which a sanitizer's report is a list of addresses.
packages_of() {
    local gcc="cmake ninja-build g++ libasio-dev libssl-dev libwslay-dev catch2"
    local clang="$gcc clang-19 libclang-rt-19-dev llvm-19"
    case $1 in
    conformance) echo "$gcc python3" ;;
    integration)
        echo "$gcc mosquitto mosquitto-clients openssl python3 python3-paho-mqtt tinyproxy-bin microsocks"
        ;;
    interop) echo "$gcc mosquitto openssl python3 rabbitmq-server tshark" ;; # npm too, if it is there
    sanitize) echo "$clang mosquitto" ;;
    tidy) echo "$clang clang-tidy-19 python3" ;;
    mutation) echo "$gcc python3" ;;
    benchmark)
        echo "$gcc libbenchmark-dev libmosquitto-dev libpaho-mqtt-dev"
        echo "mosquitto openssl python3 strace util-linux valgrind"
        ;;
    *) echo "$clang" ;;
    esac
}

# ---- Building and testing

# build PRESET: configures and builds once per run.
built=" "
build() {
    if [[ $built == *" $1 "* ]]; then return 0; fi
    local start=$SECONDS
    quietly "configure-$1" cmake --preset "$1" || return 1
    quietly "build-$1" cmake --build --preset "$1" --parallel "$jobs" || return 1
    built+="$1 "
    echo "built $1 in $((SECONDS - start)) s"
}

# count_cases LOG: adds the outcome of a run of ctest to the counts. A Catch2 program counts as its cases,
# any other as one. A program that fails without a failed case (a crash, a leak) counts as one failed.
count_cases() {
    local result
    result=$(awk '
        / Testing: / { good = bad = known = counted = 0 }
        /^All tests passed \(.* in [0-9]+ test cases?\)/ {
            line = $0; sub(/^.* in /, "", line); good += line + 0; known = 1
        }
        /^test cases: / {
            for (i = 2; i <= NF; ++i) {
                if ($i == "passed") { good += $(i - 1) }
                if ($i == "failed") { bad += $(i - 1) }
            }
            known = 1
        }
        counted || !/^Test / { next }
        /^Test (Passed\.|Pass Reason:)/ { passed += known ? good : 1; counted = 1 }
        /^Test (Failed|Fail Reason:|Timeout)|^Test .*(Exception|Unable)/ {
            passed += good; failed += bad ? bad : 1; counted = 1
        }
        END { print passed + 0, failed + 0 }' "$1")
    passed=$((passed + ${result% *}))
    failed=$((failed + ${result#* }))
}

# check PRESET TREE: runs the tests of a preset that is built in build/TREE.
check() {
    local preset=$1 tree=$2 status=0 log=$root/build/$2/Testing/Temporary/LastTest.log before=$failed
    rm -f "$log"
    run ctest --preset "$preset" --parallel "$jobs" || status=$?
    if [ -f "$log" ]; then
        cp "$log" "$logs/test-$preset.log"
        count_cases "$log"
    fi
    # No tests, or ctest itself broke: that is a failure too.
    if [ "$status" -ne 0 ] && [ "$failed" -eq "$before" ]; then failed=$((failed + 1)); fi
    return "$status"
}

build_and_check() {
    local preset=$1 tree=$2
    if ! build "$tree"; then fail "$part: build of $tree"; return; fi
    if ! check "$preset" "$tree"; then broken+=("$part: tests of $preset"); fi
}

# build_and_run PRESET TARGET COMMAND...: a part that is one program. It counts as one case.
build_and_run() {
    local preset=$1 target=$2
    shift 2
    if ! quietly "configure-$preset" cmake --preset "$preset" ||
        ! quietly "build-$target" cmake --build --preset "$preset" --parallel "$jobs" --target "$target"; then
        fail "$part: build of $target"
    elif run "$@"; then
        passed=$((passed + 1))
    else
        fail "$part"
    fi
}

# Package, tidy and conformance bring their own builds: the tree of GCC needs to be configured only.
configure_and_check() {
    if ! quietly configure-gcc cmake --preset gcc; then fail "$part: configuration"; return; fi
    if ! check "$1" gcc; then broken+=("$part: tests of $1"); fi
}

# ---- Parts

run_unit() {
    build_and_check gcc gcc
    build_and_check clang clang
}
run_sanitize() {
    build_and_check asan asan
    build_and_check tsan tsan
}
run_simulation() {
    local program=build/gcc/tests/simulation/inflight_simulation one
    build_and_run gcc inflight_simulation "$program" "${simulation[@]}" "${layers[@]}"
    if [ "${#layers[@]}" -ne 0 ] || [ "${simulation[0]}" = --seed ]; then return; fi
    for one in tls websocket secure_websocket; do
        build_and_run gcc inflight_simulation \
            "$program" --seeds $((simulation[1] / 10)) "${simulation[@]:2}" --layers "$one"
    done
}
run_integration() { build_and_check integration gcc; }
run_interop() {
    export INFLIGHT_FEATURES_TABLE=$logs/features.txt
    rm -f "$INFLIGHT_FEATURES_TABLE"
    build_and_check interop gcc
    # Which ctest keeps to itself.
    if [ -f "$INFLIGHT_FEATURES_TABLE" ]; then cat "$INFLIGHT_FEATURES_TABLE"; fi
}
run_fuzz() { build_and_check fuzz fuzz; }
run_package() { configure_and_check package; }
run_tidy() { configure_and_check tidy; }
run_conformance() {
    configure_and_check conformance
    python3 tests/conformance/table.py # For the excuses and the numbers, which ctest keeps to itself.
}
run_benchmark() {
    build_and_run release inflight_benchmark \
        python3 tests/benchmark/benchmark.py build/release/tests/benchmark "${benchmark[@]}"
}
run_mutation() {
    build_and_run gcc inflight_test_main python3 tests/mutation/mutation.py build/gcc --jobs "$jobs"
}

# All at once and before anything is configured: the trees remember which programs they found.
packages=()
for part in "${parts[@]}"; do
    for package in $(packages_of "$part"); do
        if [[ " ${packages[*]} " != *" $package "* ]]; then packages+=("$package"); fi
    done
done
if ! need "${packages[@]}"; then fail "installation"; fi

for part in "${parts[@]}"; do
    echo
    echo "=== $part"
    start=$SECONDS
    "run_$part"
    echo "=== $part: $((SECONDS - start)) s"
done

echo
for what in "${broken[@]}"; do echo "FAILED $what"; done
echo "all parts: $SECONDS s"
echo "$passed passed, $failed failed"
[ "${#broken[@]}" -eq 0 ] && [ "$failed" -eq 0 ]
