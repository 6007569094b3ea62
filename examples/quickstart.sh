#!/usr/bin/env bash
# Builds the two examples and runs them side by side, the publisher as soon as the subscriber has subscribed.
# Works from any directory, on a fresh Debian 12 too. Exit status 0 only if all five messages arrived.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
    cat <<'EOF'
Usage: examples/quickstart.sh [--broker HOST:PORT]

Installs what is missing (as root or through sudo), builds publisher and subscriber in build/quickstart, and
runs both against the broker on localhost:1883. If none listens there, the broker for demonstrations is built
too and runs along, on a port that the system chooses. --broker names another one.
EOF
}

topic=sensor/temperature
host=localhost port=1883 chosen=
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help) usage; exit 0 ;;
    --broker)
        if ! [[ ${2:-} =~ ^(.+):([0-9]+)$ ]]; then echo "quickstart: --broker needs HOST:PORT" >&2; exit 2; fi
        host=${BASH_REMATCH[1]} port=${BASH_REMATCH[2]} chosen=1
        host=${host#[} host=${host%]} # [::1]:1883
        shift
        ;;
    *) echo "quickstart: unknown option '$1'" >&2; usage >&2; exit 2 ;;
    esac
    shift
done

fail() {
    echo "quickstart: $*" >&2
    exit 1
}

# What was started here, to be stopped here, whatever happens.
work=$(mktemp -d)
clean_up() {
    local pids
    pids=$(jobs -pr)
    if [ -n "$pids" ]; then
        kill $pids 2>/dev/null || true
        wait
    fi
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

listens() { timeout 5 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$1" "$2" 2>/dev/null; }

# within SECONDS COMMAND...: waits until the command succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        if [ "$SECONDS" -ge "$end" ]; then return 1; fi
        sleep 0.1
    done
}

running() { kill -0 "$1" 2>/dev/null; }

# ---- What is needed

sudo=
if [ "$(id -u)" -ne 0 ] && command -v sudo >/dev/null; then sudo=sudo; fi

need_broker=
if ! listens "$host" "$port"; then
    [ -z "$chosen" ] || fail "no broker listens on $host:$port"
    need_broker=1
fi

missing=()
command -v cmake >/dev/null || missing+=(cmake)
command -v ninja >/dev/null || missing+=(ninja-build)
command -v c++ >/dev/null || missing+=(g++)
[ -e /usr/include/asio.hpp ] || [ -e /usr/local/include/asio.hpp ] || missing+=(libasio-dev)

if [ "${#missing[@]}" -gt 0 ]; then
    command -v apt-get >/dev/null || fail "please install ${missing[*]}"
    echo "Installing ${missing[*]} ..."
    apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
    {
        $apt update && $apt install -y --no-install-recommends "${missing[@]}"
    } >"$work/install.log" 2>&1 </dev/null || {
        tail -n 20 "$work/install.log" >&2
        fail "could not install ${missing[*]}"
    }
fi

# ---- Build

echo "Building ..."
build=$root/build/quickstart
targets=(inflight_example_publisher inflight_example_subscriber)
if [ -n "$need_broker" ]; then targets+=(inflight_example_broker); fi
{
    cmake -S "$root" -B "$build" -G Ninja -D CMAKE_BUILD_TYPE=Release -D INFLIGHT_BUILD_TESTS=OFF &&
        cmake --build "$build" --target "${targets[@]}"
} >"$work/build.log" 2>&1 </dev/null || {
    tail -n 40 "$work/build.log" >&2
    fail "the build failed"
}

# ---- Broker

if [ -n "$need_broker" ]; then
    "$build/examples/broker" --port 0 >"$work/broker.log" 2>&1 </dev/null &
    broker=$!
    listening_or_dead() { grep -q '^Listening on ' "$work/broker.log" || ! running "$broker"; }
    within 10 listening_or_dead && running "$broker" || {
        cat "$work/broker.log" >&2
        fail "could not start the broker"
    }
    host=127.0.0.1
    port=$(sed -n 's/^Listening on [0-9.]*:\([0-9]*\).*/\1/p' "$work/broker.log")
    echo "Started the broker for demonstrations on $host:$port"
else
    echo "Using the broker on $host:$port"
fi

# ---- Side by side

followers=()
# side NAME ARGUMENT...: starts an example. Its output goes to a file and, with its name in front, to ours.
side() {
    local name=$1
    shift
    : >"$work/$name.log"
    stdbuf -oL "$build/examples/$name" --host "$host" --port "$port" --topic "$topic" "$@" \
        >"$work/$name.log" 2>&1 </dev/null &
    pid=$!
    tail -n +1 -s 0.1 --pid="$pid" -f "$work/$name.log" 2>/dev/null |
        sed -u "s/^/$(printf '%-10s' "$name") | /" &
    followers+=("$!")
}

side subscriber --count 5
subscriber=$pid
subscribed_or_dead() { grep -q '^Subscribed to topic:' "$work/subscriber.log" || ! running "$subscriber"; }
within 30 subscribed_or_dead || fail "the subscriber has not subscribed within 30 s"
running "$subscriber" || fail "the subscriber has ended before it subscribed"

side publisher
publisher=$pid

ended() { ! running "$1"; }
within 60 ended "$publisher" || fail "the publisher has not ended within 60 s"
wait "$publisher" || fail "the publisher has failed"
within 30 ended "$subscriber" || fail "the subscriber still waits for messages 30 s after the last was sent"
wait "$subscriber" || fail "the subscriber has failed"
wait "${followers[@]}" # Until all the output has been shown.

for value in 20 21 22 23 24; do
    grep -qxF "Received message: 'temp:$value' on topic '$topic' with QoS 1" "$work/subscriber.log" ||
        fail "temp:$value has not arrived"
done
for name in publisher subscriber; do
    printf '\nThe output of the %s:\n' "$name"
    cat "$work/$name.log"
done
printf '\nAll five messages arrived.\n'
