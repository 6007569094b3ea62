"""What was measured, and how it is printed: the table, the targets, CSV, Markdown."""
import csv
import statistics

import targets

COUNTS = ("instructions", "system calls", "allocations")


class Results:
    def __init__(self):
        self.rounds = {}  # By scenario, then by client: the results of each round.
        self.counts = {}  # By name of the count, scenario and client: per message.
        self.latencies = {}  # By client: the results of each round.
        self.idle = {}  # By kind: KiB of a client.
        self.compiled = {}  # By way: the line of compile_cost.py.
        self.codec = {}  # By name: nanoseconds.
        self.not_measured = []

    def _median(self, scenario, client, value):
        rounds = self.rounds.get(scenario, {}).get(client)
        return statistics.median(map(value, rounds)) if rounds else None

    def rate(self, scenario, client):
        """Messages per second."""
        return self._median(scenario, client, lambda round_: round_["messages"] / round_["seconds"])

    def share(self, scenario, client):
        return self.times(scenario, client, scenario.clients[0])

    def times(self, scenario, client, other):
        return targets.ratio(self.rate(scenario, client), self.rate(scenario, other))

    def cpu(self, scenario, client, *kinds):
        """Seconds of CPU per million messages, of all rounds together: the system counts them in ticks, of which a
        round has few."""
        rounds = self.rounds.get(scenario, {}).get(client)
        if not rounds:
            return None
        return 1e6 * sum(round_[kind] for round_ in rounds for kind in kinds or ("user", "system")) / sum(
            round_["messages"] for round_ in rounds)

    def count(self, name, scenario, client):
        return self.counts.get((name, scenario, client))

    def latency(self, client, name):
        rounds = self.latencies.get(client)
        return statistics.median(round_[name] for round_ in rounds) if rounds else None

    def compile_ratio(self, way):
        row = self.compiled.get(way)
        return float(row["ratio"]) if row else None

    def scenarios(self):
        return list(dict.fromkeys([*self.rounds, *(scenario for _, scenario, _ in self.counts)]))

    def rows(self, scenario):
        """(client, values by name) for the table."""
        for client in scenario.clients:
            values = {
                "messages/s": self.rate(scenario, client),
                "of limit": self.share(scenario, client),
                "user s/M": self.cpu(scenario, client, "user"),
                "system s/M": self.cpu(scenario, client, "system"),
                **{name: self.count(name, scenario, client) for name in COUNTS},
            }
            if any(value is not None for value in values.values()):
                yield client, values


COLUMNS = ("messages/s", "of limit", "user s/M", "system s/M", *COUNTS)


def cell(name, value):
    if value is None:
        return ""
    if name == "messages/s":
        return f"{value / 1e6:.3f} M"
    if name == "instructions":
        return f"{value:,.0f}"
    return f"{value:.3f}" if value < 100 else f"{value:,.0f}"


def print_table(results):
    print("\nCPU in seconds per million messages; instructions (user mode), system calls and allocations per message")
    print(" " * 28 + "".join(f"{name:>14}" for name in COLUMNS))
    for scenario in results.scenarios():
        print(f"\n{scenario}")
        for client, values in results.rows(scenario):
            print(f"  {client.name:26}" + "".join(f"{cell(name, values[name]):>14}" for name in COLUMNS))
    print()
    for what, values in others(results):
        print(f"{what:60} {values}")


def others(results):
    """Lines for what has no scenario."""
    for client in results.latencies:
        yield f"latency, {client.name}", ", ".join(
            f"{name} {results.latency(client, name) * 1e6:.1f} us" for name in ("p50", "p99"))
    for kind, idle in results.idle.items():
        yield f"1,000 idle clients, {kind}", f"{idle['resident_kib']:.1f} KiB each, {idle['heap_kib']:.1f} of them on the heap"
    for way, row in results.compiled.items():
        yield f"compiling, {way}", f"{row['seconds']} s, {row['mib']} MiB, {row['ratio']} times Asio alone"
    for name, nanoseconds in results.codec.items():
        yield f"codec, {name}", f"{nanoseconds:,.1f} ns"
    for what in results.not_measured:
        yield what, "not measured"


def verdict(target):
    return {True: "met", False: "MISSED", None: "-"}[target.holds]


def print_targets(all_targets):
    print("\nTargets")
    for t in all_targets:
        print(f"  {verdict(t):7} {t.what:90} {t.wanted:18} {t.measured}")
    met, missed = (sum(t.holds is value for t in all_targets) for value in (True, False))
    print(f"{met} met, {missed} missed, {len(all_targets) - met - missed} not measured")


def write_csv(results, all_targets, file):
    out = csv.writer(file)
    out.writerow(["server", "transport", "direction", "qos", "bytes", "window", "version", "client", *COLUMNS])
    for s in results.scenarios():
        for client, values in results.rows(s):
            out.writerow([s.server, s.transport, s.direction, s.qos, s.size, s.window, s.version, client.name, *values.values()])
    for what, values in others(results):
        out.writerow([what, values])
    for t in all_targets:
        out.writerow(["target", t.what, t.wanted, t.measured, verdict(t)])


def write_markdown(results, all_targets, heading, file):
    file.write(f"{heading}\n\nMillions of messages per second, and the share of the limit:\n")
    for direction in ("publish", "receive"):
        scenarios = [s for s in results.rounds if s.direction == direction]
        if not scenarios:
            continue
        clients = list(dict.fromkeys(c for s in scenarios for c in results.rounds[s]))
        file.write(f"\n| | {' | '.join(c.name for c in clients)} |\n|---{'|---' * len(clients)}|\n")
        for s in scenarios:
            cells = [f"{rate / 1e6:.3g} ({results.share(s, c):.2f})" if (rate := results.rate(s, c)) else "" for c in clients]
            file.write(f"| {s} | {' | '.join(cells)} |\n")
    file.write("\nUser-mode instructions / system calls / allocations per message:\n")
    for direction in ("publish", "receive"):
        counted = list(dict.fromkeys(s for _, s, _ in results.counts if s.direction == direction))
        if not counted:
            continue
        clients = [c for c in counted[0].clients if any((n, s, c) in results.counts for n in COUNTS for s in counted)]
        file.write(f"\n| | {' | '.join(c.name for c in clients)} |\n|---{'|---' * len(clients)}|\n")
        for s in counted:
            cells = [" / ".join(cell(n, results.count(n, s, c)) or "-" for n in COUNTS) for c in clients]
            file.write(f"| {s} | {' | '.join(cells)} |\n")
    file.write("\n| | |\n|---|---|\n" + "".join(f"| {what} | {values} |\n" for what, values in others(results)))
    file.write("\n| target | wanted | measured | |\n|---|---|---|---|\n")
    for t in all_targets:
        file.write(f"| {t.what} | {t.wanted} | {t.measured} | {verdict(t)} |\n")
