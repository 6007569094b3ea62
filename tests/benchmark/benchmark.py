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
import types

import measuring
import plan
import report
import targets

HERE = pathlib.Path(__file__).resolve().parent
# At least: medians are taken of them. Over other transports than TCP a round wobbles by more than what is reached
# differs from the target: there are more of them, and each is longer.
ROUNDS, BROKER_ROUNDS, TRANSPORT_ROUNDS = 5, 7, 11
TRANSPORT_SECONDS = 0.12  # Of a round, at least.


def effort(scenario, seconds):
    """How many rounds, and of how many seconds each."""
    if scenario.transport != plan.TCP:
        return TRANSPORT_ROUNDS, max(seconds, TRANSPORT_SECONDS)
    return (ROUNDS if scenario.server == plan.SINK else BROKER_ROUNDS), seconds


class Run:
    def __init__(self, bench, is_short, only):
        self.bench = bench
        self.is_short = is_short
        self.only = only
        self.results = report.Results()
        self.failures = []
        self.seconds = 0.06 if is_short else 0.2  # Of a round.

    def wants(self, what):
        return self.only in str(what)

    def present(self, clients):
        """Those of `clients` that are built; the others are listed as not measured."""
        for client in clients:
            if not self.bench.has(client) and client.name not in self.results.not_measured:
                self.results.not_measured.append(client.name)
        return [client for client in clients if self.bench.has(client)]

    def throughput(self):
        everything = plan.THROUGHPUT + plan.OTHER_TRANSPORTS + plan.BROKER
        scenarios = plan.SHORT if self.is_short else {s: s.clients for s in everything}
        for scenario, clients in scenarios.items():
            if not self.wants(scenario):
                continue
            if not self.bench.offers(scenario.transport):
                self.results.not_measured.append(str(scenario))
                continue
            say(scenario)
            rounds, seconds = effort(scenario, self.seconds)
            self.results.rounds[scenario] = self.interleaved(
                clients, rounds, scenario,
                lambda client, s=scenario, t=seconds: self.bench.measure(s, client, t))

    def interleaved(self, clients, count, what, measure):
        """The results of `count` rounds for each client. One that fails drops out."""
        rounds = {client: [] for client in self.present(clients)}
        for _ in range(count):
            for client in list(rounds):
                with self.failing(f"{what}: {client.name}", client) as attempt:
                    rounds[client].append(measure(client))
                if attempt.failed:
                    del rounds[client]
        return rounds

    @contextlib.contextmanager
    def failing(self, what, client=None):
        """Something that may fail without taking the rest along. It fails the run in the end, unless it is a peer's."""
        attempt = types.SimpleNamespace(failed=False)
        try:
            yield attempt
        except measuring.Failed as why:
            attempt.failed = True
            if client in plan.PEERS:
                self.results.not_measured.append(what)
            else:
                self.failures.append(what)
            say(f"FAILED {what}: {why}")

    def count(self, name, scenarios, ask, tool=None, only=None):
        if tool and not shutil.which(tool):
            self.results.not_measured.append(name)
            return
        for scenario in filter(self.wants, scenarios):
            say(f"{name}, {scenario}")
            for client in self.present(scenario.clients):
                if self.is_short and client not in plan.SHORT_COUNTS or only and client not in only(scenario):
                    continue
                with self.failing(f"{name}, {scenario}: {client.name}", client):
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
        over_others = [s for s in plan.TRANSPORT_INSTRUCTIONS if self.bench.offers(s.transport)]
        self.count("instructions", [] if self.is_short else over_others,
                   lambda s, c: self.bench.instructions(s, c, 10_000), "valgrind", only=lambda s: (s.clients[0], plan.cheapest(s)))
        self.count("instructions", [] if self.is_short else plan.BROKER_INSTRUCTIONS,
                   lambda s, c: self.bench.instructions(s, c, 1_000 if s.size >= 16 * plan.KIB else 4_000), "valgrind",
                   only=lambda s: (s.clients[0], plan.cheapest(s)))
        for scenario in filter(self.wants, [] if self.is_short else plan.WINDOW_COST):
            say(f"instructions, {scenario}")
            with self.failing(f"instructions, {scenario}"):
                self.results.counts["instructions", scenario, plan.PUBLISH] = self.bench.instructions(
                    scenario, plan.PUBLISH, 100_000)

    def latency(self):
        if not self.wants("latency"):
            return
        say("latency")
        self.results.latencies = self.interleaved(
            plan.LATENCIES, ROUNDS, "latency", lambda client: self.bench.latency(client, 1000 if self.is_short else 5000))

    def idle(self):
        if not self.wants("idle"):
            return
        say("idle")
        for kind in plan.IDLE:
            with self.failing(f"idle: {kind}"):
                program = measuring.finished(self.bench.binaries / "inflight_idle_clients", kind, 1000)
                values = dict(part.split("=") for part in program.out[-1].split() if "=" in part)
                self.results.idle[kind] = {name: float(values[name]) for name in ("resident_kib", "heap_kib")}

    def compiling(self):
        if self.is_short or not self.wants("compiling"):
            return
        say("compiling")
        with self.failing("compiling"):
            program = measuring.finished(sys.executable, HERE / "compile_cost.py", "--rounds", 3)
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
        with self.failing("codec"):
            program = measuring.finished(*measuring.pinned(measuring.CLIENT_CORE, binary),
                                         f"--benchmark_min_time={seconds}", "--benchmark_format=json")
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

    load = os.getloadavg()[0]
    if load > 0.5:
        say(f"The machine is not idle (load {load:.1f}): only the counts will mean something.")
    start = time.monotonic()
    with measuring.Bench(arguments.binaries) as bench:
        run = Run(bench, arguments.short, arguments.only)
        for part in (run.throughput, run.counts, run.latency, run.idle, run.compiling, run.codec):
            part()
    found = targets.all_targets(run.results)
    print(heading(arguments))
    report.print_table(run.results)
    report.print_targets([t for t in found if t.holds is not None or not (arguments.short or arguments.only)])
    if arguments.csv:
        report.write_csv(run.results, found, arguments.csv)
    if arguments.markdown:
        report.write_markdown(run.results, found, heading(arguments), arguments.markdown)
    print(f"benchmark: {time.monotonic() - start:.0f} s")
    stalled = targets.stalled(run.results)
    for row in stalled:
        print(f"STALLED {row}")
    for what in run.failures:
        print(f"FAILED {what}")
    return 1 if stalled or run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
