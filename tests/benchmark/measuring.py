"""Runs the programs of the benchmark, pinned, and gives back what they print or what others count about them.

The client has core 0, the server core 1. A round is one process of the client, from connecting to its end; what is
measured begins when its messages for the warm-up have been acknowledged, so that it is the steady state.
"""
import contextlib
import os
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import brokers  # noqa: E402
from programs import Failed, Program, temporary_directory  # noqa: E402

import plan  # noqa: E402

CLIENT_CORE, SERVER_CORE = 0, min(1, (os.cpu_count() or 1) - 1)
LIMIT_OF_A_RUN = 120  # Seconds.
SLOW = 1.0  # Seconds after which a round is not made longer.
VERSIONS = {"5.0": 5, "3.1.1": 4}  # As in CONNECT.


def pinned(core, *command):
    return ["taskset", "-c", str(core), *map(str, command)]


class Sink:
    """One for each transport. A certificate is made for its time."""

    def __init__(self, binaries, transport):
        self._directory = temporary_directory()
        directory = pathlib.Path(self._directory.name)
        self.arguments = ["--transport", transport]
        mine = []
        if transport == plan.UNIX:
            self.arguments += ["--path", directory / "socket"]
            mine = self.arguments[2:]
        if transport == plan.TLS:
            certificate, key = brokers.self_signed(directory)
            self.arguments += ["--ca-file", certificate]
            mine = ["--certificate", certificate, "--key", key]
        self.program = Program(*pinned(SERVER_CORE, binaries / "benchmark_sink"), "--transport", transport, *mine, name="sink")
        self.program.wait_line(str.isdigit)
        self.port = int(self.program.out[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.program.stop()
        self._directory.cleanup()


class Mosquitto(brokers.Mosquitto):
    """Without the limits on messages that it has by default (20 in flight, 1,000 queued), which would be what is
    measured, and without writing down each packet."""

    def __init__(self, nodelay):
        super().__init__(lines=["max_inflight_messages 0", "max_queued_messages 0", "persistence false", "log_type none",
                                "log_type information", "connection_messages false",
                                *(["set_tcp_nodelay true"] if nodelay else [])])

    arguments = ()  # A client needs no more than the port.

    def start(self):
        super().start()
        os.sched_setaffinity(self.program.pid, {SERVER_CORE})


class Bench:
    """The programs in `binaries`, and the servers, which are started when they are first needed."""

    def __init__(self, binaries):
        self.binaries = pathlib.Path(binaries)
        self._exits = contextlib.ExitStack()
        self._servers = {}
        self._messages = {}  # By scenario and client: how many make a round of a second.

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._exits.close()

    def has(self, client):
        return (self.binaries / f"benchmark_{client.program}").exists()

    def offers(self, transport):
        """All is built without OpenSSL and wslay if they are not there."""
        return transport not in (plan.TLS, plan.WEBSOCKET) or self.has(plan.RAW_ASIO_SSL)

    def server(self, name, transport=plan.TCP):
        if (name, transport) not in self._servers:
            started = Sink(self.binaries, transport) if name == plan.SINK else Mosquitto(name == plan.MOSQUITTO_NODELAY)
            self._servers[name, transport] = self._exits.enter_context(started)
        return self._servers[name, transport]

    # One round.

    def measure(self, scenario, client, seconds):
        """The results of one round that takes about `seconds`."""
        count, warm_up = self._sizes(scenario, client, seconds)
        return self.run(scenario, client, count, warm_up)

    def run(self, scenario, client, count, warm_up, extra=(), wrapper=()):
        """The results that the client prints, as numbers by name."""
        server = self.server(scenario.server, scenario.transport)
        arguments = [*server.arguments, "--way", client.way, "--version", VERSIONS[scenario.version], "--qos", scenario.qos,
                     "--size", scenario.size, "--window", scenario.window, "--count", count, "--warm-up", warm_up, *extra]
        with_feeder = scenario.direction == "receive" and scenario.server != plan.SINK
        if scenario.direction == "receive":
            order = f"send/{scenario.qos}/{scenario.size}/{count + warm_up}/{scenario.window}"
            arguments += ["--filter", "bench/t" if with_feeder else order]
        with self._start(client, server.port, arguments, wrapper) as program:
            if with_feeder:
                program.wait_line("ready", limit=LIMIT_OF_A_RUN)
                self._feed(scenario, server.port, count + warm_up)
            return results(program)

    def _feed(self, scenario, port, count):
        """Publishes what a subscriber of the broker is to receive, on the broker's core: not the client's."""
        with Program(*pinned(SERVER_CORE, self.binaries / "benchmark_limit"), "--port", port, "--qos", scenario.qos, "--size",
                     scenario.size, "--window", 1024, "--count", count, name="feeder") as feeder:
            results(feeder)

    def _start(self, client, port, arguments, wrapper=()):
        binary = self.binaries / f"benchmark_{client.program}"
        return Program(*pinned(CLIENT_CORE, *wrapper, binary), "--port", port, *arguments, name=client.name)

    def _sizes(self, scenario, client, seconds):
        """Messages of a round and of its warm-up. How many there are in a second is found out once, in small rounds."""
        most = self._most(scenario)
        if (scenario, client) not in self._messages:
            count, enough = min(1000, most), scenario.window if scenario.qos else 0
            while True:
                start = time.monotonic()
                round_ = self.run(scenario, client, count, count // 10)
                is_long = round_["seconds"] > seconds / 8 and count >= enough
                if is_long or count == most or time.monotonic() - start > SLOW:
                    break
                count = min(8 * count, most)
            self._messages[scenario, client] = round_["messages"] / round_["seconds"]
        # The window is to be full, and every record used before. A client that needs seconds for that is spared.
        rate = self._messages[scenario, client]
        count = min(most, max(500, int(rate * seconds), min(2 * scenario.window, int(rate * 0.25))))
        warm_up = count // 8 if scenario.qos == 0 else max(count // 8, min(scenario.window + scenario.window // 4, count))
        return count, warm_up

    @staticmethod
    def _most(scenario):
        """Messages of a round at most. The broker keeps all that its subscriber has not taken, and has no limit."""
        if scenario.server == plan.SINK or scenario.direction == "publish":
            return 50_000_000
        return min(100_000, (64 << 20) // scenario.size)

    # Counts.

    def allocations(self, scenario, client, count):
        round_ = self.run(scenario, client, count, count, extra=["--allocations", 1])
        return round_["allocations"] / round_["messages"]

    def system_calls(self, scenario, client, count):
        with temporary_directory() as directory:
            summary = pathlib.Path(directory) / "calls"

            def calls(messages):
                self.run(scenario, client, messages, 0, wrapper=["strace", "-f", "-c", "-o", summary])
                return int(summary.read_text().splitlines()[-1].split()[3])

            return (calls(2 * count) - calls(count)) / count

    def instructions(self, scenario, client, count):
        """In user mode, per message: the difference of two runs, so that neither starting nor connecting counts."""
        def collected(messages):
            with temporary_directory() as directory:
                out = pathlib.Path(directory) / "callgrind.out"
                self.run(scenario, client, messages, 0,
                         wrapper=["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}"])
                return int(re.search(r"^(?:totals|summary): (\d+)", out.read_text(), re.M).group(1))

        return (collected(2 * count) - collected(count)) / count

    # What has no scenario.

    def latency(self, client, count):
        with self._start(client, self.server(plan.SINK).port, ["--way", client.way, "--qos", 1, "--window", 1, "--count", count,
                                                        "--warm-up", count // 10]) as program:
            return results(program)


def finished(*command):
    """A program that has run to its good end, for its output."""
    with Program(*command) as program:
        if program.finish(900) != 0:
            raise Failed(f"fails\n{program}")
        return program


def results(program):
    status = program.finish(LIMIT_OF_A_RUN)
    lines = [line for line in program.out if "=" in line]
    if status != 0 or not lines:
        raise Failed(f"exit status {status}\n{program}")
    return {name: float(value) for name, value in (part.split("=") for part in lines[-1].split())}
