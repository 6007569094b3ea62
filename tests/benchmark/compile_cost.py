#!/usr/bin/env python3
"""What including the library costs a compiler, in one line for each of these units:

    name,seconds,mib,ratio,text

CPU seconds (user and system; the median of the rounds, which are interleaved), peak memory in MiB, the ratio of
the seconds to those of `asio`, bytes of machine code. The units:

    asio                a publisher by hand, compile_cost/asio_alone.cpp, with the headers of Asio that it needs
    asio_all            the same with <asio.hpp>
    publisher           examples/publisher.cpp, header-only: inflight::client
    publisher_compiled  the same with INFLIGHT_SEPARATE_COMPILATION
    coroutine           examples/coroutine.cpp, header-only: inflight::async_client
    coroutine_compiled  the same with INFLIGHT_SEPARATE_COMPILATION
    library             what INFLIGHT_SEPARATE_COMPILATION compiles once

    compile_cost.py [--compiler g++] [--flags=-O2] [--rounds 5] [--asio DIR] [--only NAME ...]
"""
import argparse
import os
import pathlib
import statistics
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
YARDSTICK = ROOT / "tests/benchmark/compile_cost/asio_alone.cpp"
SEPARATE = ["-DINFLIGHT_SEPARATE_COMPILATION"]
UNITS = {
    "asio": (YARDSTICK, []),
    "asio_all": (YARDSTICK, ["-DALL_OF_ASIO"]),
    "publisher": (ROOT / "examples/publisher.cpp", []),
    "publisher_compiled": (ROOT / "examples/publisher.cpp", SEPARATE),
    "coroutine": (ROOT / "examples/coroutine.cpp", []),
    "coroutine_compiled": (ROOT / "examples/coroutine.cpp", SEPARATE),
    "library": (ROOT / "cmake/inflight.cpp", SEPARATE),
}


def compile_once(command):
    """CPU seconds and MiB of the compiler and all that it starts."""
    pid = os.posix_spawnp(command[0], command, os.environ)
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        raise SystemExit("failed: " + " ".join(command))
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def text_size(path):
    sizes = subprocess.run(["size", path], capture_output=True, text=True, check=True).stdout
    return int(sizes.splitlines()[1].split()[0])


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--flags", default="-O2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--asio", help="folder of asio.hpp, if the compiler does not search it")
    parser.add_argument("--only", nargs="+", choices=UNITS, default=list(UNITS))
    return parser.parse_args()


def main():
    args = arguments()
    command = [args.compiler, "-std=c++20", *args.flags.split(), "-DASIO_STANDALONE", f"-I{ROOT}/include"]
    if args.asio:
        command += ["-isystem", args.asio]
    names = list(dict.fromkeys(["asio", *args.only]))
    seconds = {name: [] for name in names}
    mib, text = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.rounds):
            for name in names:
                source, more = UNITS[name]
                target = f"{folder}/{name}.o"
                took, mib[name] = compile_once([*command, *more, "-c", str(source), "-o", target])
                seconds[name].append(took)
                text[name] = text_size(target)
    unit = statistics.median(seconds["asio"])
    print("name,seconds,mib,ratio,text")
    for name in names:
        took = statistics.median(seconds[name])
        print(f"{name},{took:.2f},{mib[name]:.0f},{took / unit:.2f},{text[name]}")


if __name__ == "__main__":
    main()
