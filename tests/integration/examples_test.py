"""The examples against Mosquitto: both versions, QoS 0, 1 and 2, output compared line by line."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import re
import signal
import socket
import tempfile
import types
import unittest

from brokers import Mosquitto
from programs import (CONNECTED, EXAMPLES, LIMIT, QOS, VERSIONS, Program, example, holds, main, publisher_output,
                      run_pair, same, side_by_side, subscribed, subscriber_output)


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = cls.enterClassContext(Mosquitto())

    def test_publisher_and_subscriber_print_what_is_promised(self):
        def pair(version, qos):
            topic = f"pair/{version}/{qos}"
            run_pair(self.broker, topic, qos, version)
            # The QoS and the version are not only printed, they are spoken.
            log = self.broker.log()
            holds(f"q{qos}, r0, m{1 if qos else 0}, '{topic}'" in log, f"no QoS {qos} PUBLISH in the log:\n{log}")

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: pair(v, q) for v in VERSIONS for q in QOS})
        level = {"5": 5, "3.1.1": 2}  # as Mosquitto logs it
        for version in VERSIONS:
            spoken = re.findall(r"New client connected from .* as \S+ \(p%d," % level[version], self.broker.log())
            self.assertGreaterEqual(len(spoken), 6, self.broker.log())

    def test_without_any_option_the_customer_s_example_runs(self):
        # Only the port differs from the defaults: topic, five messages, QoS 1, two seconds, one second.
        topic = "sensor/temperature"
        with example("subscriber", self.broker) as subscriber:
            subscriber.wait_line(subscribed(topic, 1))
            with example("publisher", self.broker) as publisher:
                same(publisher.finish(), 0, "exit status of the publisher", publisher)
                same(publisher.out, publisher_output(topic), "output of the publisher", publisher)
                same(publisher.err, [], "errors of the publisher", publisher)
                holds(8 <= publisher.seconds < 30, f"five messages two seconds apart took {publisher.seconds} s")
            wanted = subscriber_output(topic, 1)
            subscriber.wait_line(wanted[-1])
            subscriber.stop()  # Without --count it stays until it is told to leave.
            same(subscriber.process.returncode, 0, "exit status of the subscriber", subscriber)
            same(subscriber.out, wanted, "output of the subscriber", subscriber)
            same(subscriber.err, [], "errors of the subscriber", subscriber)

    def test_a_subscriber_that_takes_a_second_per_message_gets_all_of_a_fast_publisher(self):
        topic = "slow"
        with example("subscriber", self.broker, "--topic", topic, "--count", 5) as subscriber:
            subscriber.wait_line(subscribed(topic, 1))
            with example("publisher", self.broker, "--topic", topic, "--interval", 0) as publisher:
                same(publisher.finish(), 0, "exit status of the publisher", publisher)
                same(publisher.out, publisher_output(topic), "output of the publisher", publisher)
            same(subscriber.finish(), 0, "exit status of the subscriber", subscriber)
            same(subscriber.out, subscriber_output(topic, 1), "output of the subscriber", subscriber)
            holds(subscriber.seconds >= 5, f"five messages took {subscriber.seconds} s", subscriber)

    def test_a_publisher_that_is_interrupted_says_goodbye(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            name = f"interrupted{number}"
            with example("publisher", self.broker, "--id", name, "--count", 1000) as publisher:
                publisher.wait_line(lambda line: line.startswith("Sent"))
                self.broker.wait_log(f"Sending PUBACK to {name}")
                publisher.send(number)
                same(publisher.finish(), 0, "exit status", publisher)
                same((publisher.out[-1], publisher.err), ("Publisher interrupted.", []), "output", publisher)
                self.broker.wait_log(f"Received DISCONNECT from {name}")

    def test_a_publisher_that_is_interrupted_says_what_was_not_acknowledged(self):
        with Mosquitto() as broker, example("publisher", broker, "--count", 1000, "--interval", 0.1) as publisher:
            publisher.wait_line(lambda line: line.startswith("Sent"))
            broker.program.send(signal.SIGSTOP)
            before = len(publisher.out)
            publisher.wait_line(lambda line: line.startswith("Sent"), before + 1)
            publisher.send(signal.SIGTERM)
            same(publisher.finish(), 1, "exit status", publisher)
            holds(publisher.err[-1].endswith(" messages were not acknowledged"), "says what is left", publisher)

    def test_a_publisher_that_waits_for_a_broker_can_be_interrupted(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.settimeout(LIMIT)
            where = types.SimpleNamespace(port=silent.getsockname()[1])
            with example("publisher", where, "--retry") as publisher:
                with silent.accept()[0]:
                    publisher.send(signal.SIGTERM)
                    same(publisher.finish(), 1, "exit status", publisher)
                same(publisher.out, [], "output", publisher)
                holds(publisher.err[-1].startswith("Cannot connect to"), "says that it is not connected", publisher)

    def test_the_coroutine_talks_to_itself(self):
        def talk(version, qos):
            topic = f"coroutine/{version}/{qos}"
            with example("coroutine", self.broker, "--topic", topic, "--qos", qos, "--version", version) as program:
                same(program.finish(), 0, "exit status", program)
                same(program.err, [], "errors", program)
                masked = [re.sub(r"MID \d+", "MID n", line) for line in program.out]
                same(masked, [line for i in range(3) for line in (
                    "Acknowledged: MID n", f"Received message: 'temp:{20 + i}' on topic '{topic}'")],
                    "output", program)
                mids = [int(re.search(r"MID (\d+)", line)[1]) for line in program.out[::2]]
                holds(all(1 <= mid <= 65535 for mid in mids) and len(set(mids)) == 3,
                      "identifiers are different numbers", program)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: talk(v, q) for v in VERSIONS for q in QOS})

    def test_statistics_shows_each_step_and_what_has_been_counted(self):
        def run(version, qos):
            options = ["--qos", qos, "--version", version, "--interval", 0, "--count", 25]
            with example("statistics", self.broker, *options) as program:
                same(program.finish(), 0, "exit status", program)
                same(program.err, [], "errors", program)
                where = f"127.0.0.1:{self.broker.port}"
                same(program.out[:3], [f"connecting to {where} ({where})", f"connected to {where}, awaiting CONNACK",
                                       f"accepted by {where}"], "the steps", program)
                end = program.out[-5:]
                holds(end[0].startswith("sent 25 (again 0), "), "25 are sent", program)
                same(end[1:4], ["in flight 0, waiting 0, 0 bytes held", "connections 1, failed attempts 0",
                                "refused 0, rejected 0, dropped 0, expired 0"], "what is counted", program)
                known = r"acknowledged in \d+\.\d{3} ms \(smoothed \d+\.\d{3}, least \d+\.\d{3}\)"
                holds(re.fullmatch(known if qos else "acknowledged in not known yet", end[4]), "the round trip", program)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v in VERSIONS for q in QOS})

    def test_statistics_says_whether_to_try_again_where_there_is_no_broker(self):
        with socket.socket() as keeper:
            keeper.bind(("127.0.0.1", 0))  # And does not listen.
            where = types.SimpleNamespace(port=keeper.getsockname()[1])
            with example("statistics", where) as program:
                same(program.finish(), 1, "exit status", program)
                holds(program.err[-1].endswith("; try again, or --retry"), "a transient error", program)

    def test_requests_get_their_answers(self):
        with example("request_response", self.broker, "--topic", "ask/me") as program:
            same(program.finish(), 0, "exit status", program)
            same(program.out, [f"Answer {i + 1}: kitchen: {20 + i}" for i in range(3)], "output", program)
            same(program.err, [], "errors", program)
        with example("request_response", self.broker, "--version", "3.1.1") as program:
            same(program.finish(), 1, "exit status", program)
            holds("not support" in program.err[0], "says what is missing", program)

    def test_three_workers_share_the_messages(self):
        for version in VERSIONS:
            with example("shared_subscription", self.broker, "--version", version, "--topic", f"job/{version}") as program:
                same(program.finish(), 0, "exit status", program)
                done = [int(re.fullmatch(r"Worker \d: (\d+) messages", line)[1]) for line in program.out]
                holds(len(done) == 3 and sum(done) == 30 and min(done) > 0, "each message went to one of three", program)
                same(program.err, [], "errors", program)

    def test_a_will_is_told_to_the_others(self):
        for version in VERSIONS:
            with example("will", self.broker, "--version", version, "--topic", f"will/{version}") as program:
                same(program.finish(), 0, "exit status", program)
                same(program.out, ["Connected, with a Will.", f"Will on topic will/{version}: gone"], "output", program)
                same(program.err, [], "errors", program)

    def test_a_command_is_a_transport(self):
        relay = """
import os, socket, sys, threading
broker = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def up():
    while data := os.read(0, 65536):
        broker.sendall(data)
    broker.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := broker.recv(65536):
    os.write(1, data)
"""
        with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
            script.write(relay)
            script.flush()
            command = f'{sys.executable} {script.name} "$1" "$2"'
            for version, qos in (("5", 1), ("3.1.1", 2)):
                options = ["--version", version, "--qos", qos, "--topic", "command", "--command", command]
                with example("own_transport", self.broker, *options) as program:
                    same(program.finish(), 0, "exit status", program)
                    same(program.out, ["Acknowledged: MID 1"], "output", program)
                    same(program.err, [], "errors", program)
        with example("own_transport", self.broker, "--command", "exit 1", "--version", "5") as program:
            same(program.finish(), 1, "exit status", program)
            same(len(program.err), 1, "lines of errors", program)

    def test_brokers_are_given_by_their_addresses(self):
        with Program(EXAMPLES / "publisher", "--host", f"mqtt://127.0.0.1:{self.broker.port}", "--interval", 0, "--count", 1) as program:
            same(program.finish(), 0, "exit status", program)
            same(program.out[0], CONNECTED, "output", program)
        with Program(EXAMPLES / "publisher", "--host", "mqtt://127.0.0.1/topic") as program:
            same(program.finish(), 1, "exit status", program)
            holds("path" in program.err[0], "says what is wrong with it", program)

    def test_the_examples_say_how_they_are_used(self):
        for name in ("request_response", "shared_subscription", "will", "own_transport"):
            with Program(EXAMPLES / name, "--help") as program:
                same(program.finish(), 0, "exit status", program)
                holds(program.out[0].startswith(str(EXAMPLES / name) + ": ") and "--topic" in program.out[4] + program.out[3],
                      "says what it does and takes", program)

    def test_topics_with_spaces_and_other_letters_arrive(self):
        run_pair(self.broker, "K\u00fcche/\u6e29\u5ea6 1", 1)

    def test_a_hundred_messages_in_a_row_keep_their_order(self):
        def burst(version, qos):
            topic = f"burst/{version}/{qos}"
            options = ["--topic", topic, "--qos", qos, "--version", version, "--interval", "0", "--count", 100]
            with example("subscriber", self.broker, *options) as subscriber:
                subscriber.wait_line(subscribed(topic, qos))
                with example("publisher", self.broker, *options) as publisher:
                    same(publisher.finish(), 0, "exit status of the publisher", publisher)
                    holds(publisher.out[0] == CONNECTED and len(publisher.out) == 102, "102 lines", publisher)
                same(subscriber.finish(), 0, "exit status of the subscriber", subscriber)
                same(subscriber.out, subscriber_output(topic, qos, 100), "output of the subscriber", subscriber)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: burst(v, q) for v in VERSIONS for q in (1, 2)})


if __name__ == "__main__":
    main()
