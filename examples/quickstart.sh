#!/usr/bin/env bash
# Builds the two examples and runs them side by side, the publisher as soon as the subscriber has subscribed.
# Works from any directory, on a fresh Debian 12 too. Exit status 0 only if all five messages arrived.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
    cat <<'EOF'
Usage: examples/quickstart.sh [--broker HOST:PORT]

Installs what is missing (as root or through sudo), builds publisher and subscriber in build/quickstart, and
runs both against the broker on localhost:1883. If none listens there, a private Mosquitto is started for the
time of the run. --broker names another one.
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
policy=
work=$(mktemp -d)
clean_up() {
    local pids
    pids=$(jobs -pr)
    if [ -n "$pids" ]; then
        kill $pids 2>/dev/null || true
        wait
    fi
    if [ -n "$policy" ]; then $sudo rm -f "$policy"; fi
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
PATH=$PATH:/usr/sbin # where Debian keeps mosquitto

need_broker=
if [ -n "$chosen" ]; then
    listens "$host" "$port" || fail "no broker listens on $host:$port"
elif ! listens "$host" "$port"; then
    need_broker=1
fi

missing=()
command -v cmake >/dev/null || missing+=(cmake)
command -v ninja >/dev/null || missing+=(ninja-build)
command -v c++ >/dev/null || missing+=(g++)
[ -e /usr/include/asio.hpp ] || [ -e /usr/local/include/asio.hpp ] || missing+=(libasio-dev)
if [ -n "$need_broker" ]; then command -v mosquitto >/dev/null || missing+=(mosquitto); fi

if [ "${#missing[@]}" -gt 0 ]; then
    command -v apt-get >/dev/null || fail "please install ${missing[*]}"
    echo "Installing ${missing[*]} ..."
    # The package would start a broker of its own, and leave it running.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' | $sudo tee /usr/sbin/policy-rc.d >/dev/null
        policy=/usr/sbin/policy-rc.d
        $sudo chmod +x "$policy"
    fi
    apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
    {
        $apt update && $apt install -y --no-install-recommends "${missing[@]}"
    } >"$work/install.log" 2>&1 </dev/null || {
        tail -n 20 "$work/install.log" >&2
        fail "could not install ${missing[*]}"
    }
    if [ -n "$policy" ]; then $sudo rm -f "$policy"; policy=; fi
fi

# ---- Build

echo "Building ..."
build=$root/build/quickstart
{
    cmake -S "$root" -B "$build" -G Ninja -D CMAKE_BUILD_TYPE=Release -D INFLIGHT_BUILD_TESTS=OFF &&
        cmake --build "$build" --target inflight_example_publisher inflight_example_subscriber
} >"$work/build.log" 2>&1 </dev/null || {
    tail -n 40 "$work/build.log" >&2
    fail "the build failed"
}

# ---- Broker

free_port() {
    # Port 0 lets the system choose. Perl is on every Debian.
    perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0) or die $!;
        bind(S, sockaddr_in(0, INADDR_LOOPBACK)) or die $!;
        print((sockaddr_in(getsockname S))[0])'
}

start_broker() {
    port=$(free_port)
    printf 'listener %s 127.0.0.1\nallow_anonymous true\npersistence false\n' "$port" >"$work/mosquitto.conf"
    # Started by root it becomes another user, who must be able to read this.
    chmod 755 "$work"
    mosquitto -c "$work/mosquitto.conf" >"$work/mosquitto.log" 2>&1 </dev/null &
    broker=$!
    answers_or_dead() { listens "$host" "$port" || ! running "$broker"; }
    within 10 answers_or_dead && running "$broker"
}

if [ -n "$need_broker" ]; then
    host=127.0.0.1
    # Another program may take the port between the choice and the start.
    start_broker || start_broker || start_broker || {
        cat "$work/mosquitto.log" >&2
        fail "could not start mosquitto"
    }
    echo "Started a private Mosquitto on $host:$port"
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
