#!/usr/bin/env python3
"""inflight beside its peers and the limit, in one run. README.md in this folder says how it is measured.

benchmark.py BINARIES [--short] [--only TEXT] [--csv FILE] [--markdown FILE]
"""
import argparse
import contextlib
import csv
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import sys
import time

import measuring
import plan
import report
import targets

ROUNDS, BROKER_ROUNDS = 5, 7
HERE = pathlib.Path(__file__).resolve().parent


class Run:
    def __init__(self, bench, is_short, only):
        self.bench = bench
        self.is_short = is_short
        self.only = only
        self.results = report.Results()
        self.seconds = 0.06 if is_short else 0.25  # Of a round.

    def wants(self, what):
        return self.only in str(what)

    def present(self, clients):
        """Those of `clients` that are built; the others are listed as not measured."""
        for client in clients:
            if not self.bench.has(client) and client.name not in self.results.not_measured:
                self.results.not_measured.append(client.name)
        return [client for client in clients if self.bench.has(client)]

    def throughput(self):
        scenarios = plan.SHORT if self.is_short else {s: s.clients for s in plan.THROUGHPUT + plan.BROKER}
        for scenario, clients in scenarios.items():
            if not self.wants(scenario):
                continue
            say(scenario)
            rounds = {client: [] for client in self.present(clients)}
            for _ in range(ROUNDS if scenario.server == plan.SINK else BROKER_ROUNDS):
                for client, done in rounds.items():
                    done.append(self.bench.measure(scenario, client, self.seconds))
            self.results.rounds[scenario] = rounds

    def count(self, name, scenarios, ask, tool=None):
        if tool and not shutil.which(tool):
            self.results.not_measured.append(name)
            return
        for scenario in filter(self.wants, scenarios):
            say(f"{name}, {scenario}")
            for client in self.present(scenario.clients):
                if not self.is_short or client in plan.SHORT_COUNTS:
                    self.results.counts[name, scenario, client] = ask(scenario, client)

    def counts(self):
        def number(client, many, few):
            return many if client.is_ours or client.name == "limit" else few

        self.count("allocations", plan.STEADY_STATE,
                   lambda s, c: self.bench.allocations(s, c, number(c, 100_000, 10_000)))
        self.count("system calls", plan.STEADY_STATE,
                   lambda s, c: self.bench.system_calls(s, c, number(c, 20_000, 2_000)), "strace")
        instructions = plan.INSTRUCTIONS[:2] + plan.INSTRUCTIONS[3:5] if self.is_short else plan.INSTRUCTIONS
        self.count("instructions", instructions,
                   lambda s, c: self.bench.instructions(s, c, number(c, 10_000, 2_000)), "valgrind")
        for scenario in filter(self.wants, [] if self.is_short else plan.WINDOW_COST):
            self.results.counts["instructions", scenario, plan.PUBLISH] = self.bench.instructions(
                scenario, plan.PUBLISH, 100_000)

    def latency(self):
        if not self.wants("latency"):
            return
        rounds = {client: [] for client in self.present(plan.LATENCIES)}
        for _ in range(ROUNDS):
            for client, done in rounds.items():
                done.append(self.bench.latency(client, 1000 if self.is_short else 10_000))
        self.results.latencies = rounds

    def idle(self):
        if self.wants("idle"):
            for client in self.present(plan.IDLE):
                self.results.idle[client.name] = self.bench.idle(client, 1000)

    def compiling(self):
        if self.is_short or not self.wants("compiling"):
            return
        say("compiling")
        with measuring.Program(sys.executable, HERE / "compile_cost.py", "--rounds", 3) as program:
            if program.finish(900) != 0:
                raise measuring.Failed(str(program))
            self.results.compiled = {row["name"]: row for row in csv.DictReader(program.out)}

    def codec(self):
        """Its own program, which Google Benchmark gives the clock."""
        binary = self.bench.binaries / "inflight_codec_benchmark"
        if not self.wants("codec"):
            return
        if not binary.exists():
            self.results.not_measured.append("codec")
            return
        say("codec")
        seconds = 0.01 if self.is_short else 0.3
        with measuring.Program(*measuring.pinned(measuring.CLIENT_CORE, binary), f"--benchmark_min_time={seconds}",
                               "--benchmark_format=json") as program:
            if program.finish(600) != 0:
                raise measuring.Failed(str(program))
            self.results.codec = {row["name"]: row["cpu_time"] for row in json.loads("\n".join(program.out))["benchmarks"]}


def say(what):
    """Progress, which is no part of the table."""
    print(what, file=sys.stderr, flush=True)


def heading(arguments):
    cpu = platform.processor()
    with contextlib.suppress(OSError, StopIteration):
        cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    command = "./tests/run.sh benchmark" + (" --short" if arguments.short else "")
    return f"`{command}`, {datetime.date.today()}, {os.cpu_count()} cores of {cpu}, Linux {platform.release()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binaries", help="where the programs are, build/release/tests/benchmark")
    parser.add_argument("--short", action="store_true", help="what a target speaks of, in less than a minute")
    parser.add_argument("--only", default="", metavar="TEXT", help="of what has TEXT in its name")
    parser.add_argument("--csv", type=argparse.FileType("w"), metavar="FILE")
    parser.add_argument("--markdown", type=argparse.FileType("w"), metavar="FILE")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # So that what was started is stopped.

    start = time.monotonic()
    with measuring.Bench(arguments.binaries) as bench:
        run = Run(bench, arguments.short, arguments.only)
        for part in (run.throughput, run.counts, run.latency, run.idle, run.compiling, run.codec):
            part()
    found = targets.all_targets(run.results)
    print(heading(arguments))
    report.print_table(run.results)
    report.print_targets([t for t in found if t.holds is not None or not arguments.short])
    if arguments.csv:
        report.write_csv(run.results, found, arguments.csv)
    if arguments.markdown:
        report.write_markdown(run.results, found, heading(arguments), arguments.markdown)
    print(f"benchmark: {time.monotonic() - start:.0f} s")
    stalled = targets.stalled(run.results)
    for row in stalled:
        print(f"STALLED {row}")
    return 1 if stalled else 0


if __name__ == "__main__":
    sys.exit(main())
