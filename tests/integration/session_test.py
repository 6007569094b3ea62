"""Sessions that outlive the program, acknowledgements by hand, and leaving in an orderly way."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import signal
import unittest

from brokers import Mosquitto
from programs import (VERSIONS, eventually, example, holds, main, publisher_output, received, same, side_by_side,
                      subscribed)


def publish(broker, topic, qos, version, count=5):
    with example("publisher", broker, "--topic", topic, "--qos", qos, "--version", version, "--count", count,
                 "--interval", 0) as publisher:
        same(publisher.finish(), 0, "exit status of the publisher", publisher)
        same(publisher.out, publisher_output(topic, count), "output of the publisher", publisher)


def messages(program):
    return [line for line in program.out if line.startswith("Received")]


class Sessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = cls.enterClassContext(Mosquitto())

    def subscriber(self, client_id, topic, qos, version, *options):
        return example("subscriber", self.broker, "--id", client_id, "--topic", topic, "--qos", qos,
                       "--version", version, "--interval", 0, *options)

    def test_a_kept_session_gets_what_was_sent_while_it_was_away(self):
        def run(version, qos, leave):
            name = f"away-{version}-{qos}-{leave.name}"
            with self.subscriber(name, name, qos, version, "--keep-session") as first:
                first.wait_line(subscribed(name, qos))
                first.send(leave)
                same(first.finish(), 0 if leave == signal.SIGTERM else -leave, "exit status", first)
            self.broker.wait_log(f"Client {name} " + ("disconnected" if leave == signal.SIGTERM else "closed"))
            publish(self.broker, name, qos, version)
            with self.subscriber(name, name, qos, version, "--keep-session", "--count", 5) as second:
                same(second.finish(), 0, "exit status", second)
                same(messages(second), [received(name, qos, i) for i in range(5)], "messages", second)

        side_by_side({f"{v}, QoS {q}, {end.name}": lambda v=v, q=q, end=end: run(v, q, end)
                      for v in VERSIONS for q in (1, 2) for end in (signal.SIGTERM, signal.SIGKILL)})

    def test_a_message_that_was_acknowledged_does_not_come_again(self):
        # The subscriber leaves from within the handler of its last message.
        def run(version, qos):
            name = f"once-{version}-{qos}"
            with self.subscriber(name, name, qos, version, "--keep-session", "--count", 3) as first:
                first.wait_line(subscribed(name, qos))
                publish(self.broker, name, qos, version, 3)
                same(first.finish(), 0, "exit status", first)
                same(messages(first), [received(name, qos, i) for i in range(3)], "messages", first)
            publish(self.broker, name, qos, version, 2)
            with self.subscriber(name, name, qos, version, "--keep-session", "--count", 2) as second:
                same(second.finish(), 0, "exit status", second)
                same(messages(second), [received(name, qos, i) for i in range(2)], "messages", second, first)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v in VERSIONS for q in (1, 2)})

    def test_without_keep_session_nothing_is_kept(self):
        def run(version):
            name = f"forgotten-{version}"
            with self.subscriber(name, name, 1, version) as first:
                first.wait_line(subscribed(name, 1))
                same(first.stop(), 0, "exit status", first)
            publish(self.broker, name, 1, version, 2)
            with self.subscriber(name, name, 1, version, "--count", 5) as second:
                second.wait_line(subscribed(name, 1))
                publish(self.broker, name, 1, version)
                same(second.finish(), 0, "exit status", second)
                same(messages(second), [received(name, 1, i) for i in range(5)], "messages", second)

        side_by_side({version: lambda v=version: run(v) for version in VERSIONS})


class ManualAcknowledgement(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = cls.enterClassContext(Mosquitto())

    def worker(self, client_id, qos, version, *options):
        return example("manual_ack", self.broker, "--id", client_id, "--keep-session", "--topic", client_id,
                       "--qos", qos, "--version", version, *options)

    def test_a_message_whose_worker_is_killed_is_delivered_again(self):
        def run(version, qos):
            name = f"killed-{version}-{qos}"
            with self.worker(name, qos, version, "--interval", 3600) as first:
                self.broker.wait_log(f"Sending SUBACK to {name}")
                publish(self.broker, name, qos, version, 2)
                first.wait_line(lambda line: line.startswith("Working on 'temp:20' (MID: "))
                first.kill()
                same([line for line in first.out if line.startswith("Ack")], [], "acknowledged", first)
            self.broker.wait_log(f"Client {name} closed its connection")
            with self.worker(name, qos, version, "--interval", 0, "--count", 2) as second:
                same(second.finish(), 0, "exit status", second)
                same(second.err, [], "errors", second)
                same([line.split(" (")[0] for line in second.out if line.startswith("Working")],
                     ["Working on 'temp:20'", "Working on 'temp:21'"], "messages", second)
                holds("delivered before" in second.out[0], "known to be a repetition", second)
                same(len([line for line in second.out if line.startswith("Acknowledged MID ")]), 2, "acknowledged", second)
            # Both are off the broker's hands now.
            with self.worker(name, qos, version, "--interval", 0, "--count", 1) as third:
                self.broker.wait_log(f"Sending SUBACK to {name}", 3)
                publish(self.broker, name, qos, version, 1)
                same(third.finish(), 0, "exit status", third)
                same([line.split(" (")[0] for line in third.out if line.startswith("Working")],
                     ["Working on 'temp:20'"], "messages", third)
                holds("delivered before" not in third.out[0], "a new message", third)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v in VERSIONS for q in (1, 2)})

    def test_every_message_is_acknowledged_when_its_work_is_done(self):
        def run(version, qos):
            name = f"worker-{version}-{qos}"
            with self.worker(name, qos, version, "--interval", 0.1, "--count", 5) as worker:
                self.broker.wait_log(f"Sending SUBACK to {name}")
                publish(self.broker, name, qos, version)
                same(worker.finish(), 0, "exit status", worker)
                same(worker.err, [], "errors", worker)
                wanted = []
                for i in range(5):
                    mid = worker.out[2 * i].rsplit(" ", 1)[-1].rstrip(")") if len(worker.out) > 2 * i else "?"
                    wanted += [f"Working on 'temp:{20 + i}' (MID: {mid})", f"Acknowledged MID {mid}"]
                if qos == 0:
                    wanted = [f"Working on 'temp:{20 + i}' (MID: 0)" for i in range(5)]
                same(worker.out, wanted, "output", worker)
            if qos:
                self.broker.wait_log(f"Received {'PUBACK' if qos == 1 else 'PUBREC'} from {name}", 5)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v in VERSIONS for q in (0, 1, 2)})


class Leaving(unittest.TestCase):
    def test_a_signal_ends_the_program_cleanly(self):
        def run(broker, program, version, number):
            name = f"{program}-{version}-{number.name}"
            with example(program, broker, "--id", name, "--version", version, "--topic", name) as p:
                broker.wait_log(f"Sending SUBACK to {name}")
                p.send(number)
                same(p.finish(), 0, "exit status", p)
                same(p.err, [], "errors", p)
            broker.wait_log(f"Client {name} disconnected.")
            log = broker.log()
            holds(f"Received DISCONNECT from {name}" in log, f"no DISCONNECT in the log:\n{log}", p)
            holds(f"Client {name} closed its connection" not in log, f"not clean:\n{log}", p)

        with Mosquitto() as broker:
            side_by_side({f"{program} {version} {number.name}":
                          lambda p=program, v=version, n=number: run(broker, p, v, n)
                          for program in ("subscriber", "manual_ack") for version in VERSIONS
                          for number in (signal.SIGINT, signal.SIGTERM)})

    def test_a_signal_while_a_message_is_worked_on_neither_loses_nor_repeats_one(self):
        # The handler takes a second. The message it is at is acknowledged before the program leaves; those that
        # it has not begun come with the next run.
        def run(broker, version):
            name = f"busy-{version}"
            options = ["--id", name, "--version", version, "--topic", name, "--qos", 2, "--keep-session"]
            with example("subscriber", broker, *options, "--interval", 1) as first:
                first.wait_line(subscribed(name, 2))
                publish(broker, name, 2, version)
                first.wait_line(received(name, 2, 0))
                first.send(signal.SIGTERM)
                same(first.finish(), 0, "exit status", first)
                same(first.err, [], "errors", first)
            done = messages(first)
            with example("subscriber", broker, *options, "--interval", 0) as second:
                if len(done) < 5:
                    second.wait_line(received(name, 2, 4))
                same(second.stop(), 0, "exit status", second)
            same(done + messages(second), [received(name, 2, i) for i in range(5)], "messages", first, second)

        with Mosquitto() as broker:
            side_by_side({version: lambda v=version: run(broker, v) for version in VERSIONS})

    def test_the_publisher_disconnects_cleanly_and_leaves_nothing_behind(self):
        with Mosquitto() as broker:
            for version in VERSIONS:
                name = f"publisher-{version}"
                with example("publisher", broker, "--id", name, "--version", version, "--interval", 0) as p:
                    same(p.finish(), 0, "exit status", p)
                broker.wait_log(f"Client {name} disconnected.")
            eventually(lambda: broker.log().count("Sending PUBACK") == 10, "all were acknowledged")


if __name__ == "__main__":
    main()
