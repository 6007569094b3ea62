"""The examples against RabbitMQ 3.10: 3.1.1 only, closes on a 5.0 CONNECT, answers QoS 2 with PUBACK."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import unittest

from brokers import RabbitMq, WebRabbitMq
from programs import (CONNECTED, EXAMPLES, FINISHED, Program, example, holds, main, publisher_output, received,
                      run_pair, same, side_by_side, subscribed, subscriber_output)


class Rabbit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = cls.enterClassContext(RabbitMq())

    def test_publisher_and_subscriber_print_what_is_promised(self):
        # It grants QoS 1 at most; a QoS 2 publish is settled by its PUBACK, and nothing is left over. Without a
        # version the client tries 5.0, is cut off, and falls back by itself.
        def pair(version, qos):
            topic = f"pair/{'default' if version is None else 'old'}/{qos}"  # It turns a dot into a slash.
            publisher, _ = run_pair(self.broker, topic, qos, version, granted=min(qos, 1))
            holds(publisher.seconds < 8, f"took {publisher.seconds} s: not by waiting for what never comes", publisher)

        side_by_side({f"version {v}, QoS {q}": lambda v=v, q=q: pair(v, q)
                      for v in (None, "3.1.1") for q in (0, 1, 2)}, workers=2)

    def test_without_any_option_the_customer_s_example_runs(self):
        topic = "sensor/temperature"
        with example("subscriber", self.broker) as subscriber:
            subscriber.wait_line(subscribed(topic, 1))
            with example("publisher", self.broker) as publisher:
                same(publisher.finish(), 0, "exit status of the publisher", publisher)
                same(publisher.out, publisher_output(topic), "output of the publisher", publisher)
            subscriber.wait_line(received(topic, 1, 4))
            same(subscriber.stop(), 0, "exit status of the subscriber", subscriber)
            same(subscriber.out, subscriber_output(topic, 1), "output of the subscriber", subscriber)

    def test_a_required_version_does_not_fall_back(self):
        with example("publisher", self.broker, "--version", "5") as p:
            same(p.finish(), 1, "exit status", p)
            same((p.out, len(p.err)), ([], 1), "output and number of errors", p)
            holds(p.seconds < 5, f"took {p.seconds} s", p)

    def test_a_bad_password_is_refused_with_the_number_of_3_1_1(self):
        def refused(program, *options):
            with example(program, self.broker, "--user", "guest", "--password", "wrong", *options) as p:
                same(p.finish(), 1, "exit status", p)
                same(p.out, ["Failed to connect, return code 4"], "output", p)
                same(len(p.err), 1, "lines of errors", p)
                holds(p.err[0].startswith(f"Cannot connect to 127.0.0.1:{self.broker.port}: "), "the error", p)
                holds(p.seconds < 8, f"took {p.seconds} s", p)

        side_by_side({f"{program} {options}": lambda p=program, o=options: refused(p, *o)
                      for program in ("publisher", "subscriber") for options in ([], ["--version", "3.1.1"])})

    def test_a_good_password_is_not_refused(self):
        with example("publisher", self.broker, "--user", "guest", "--password", "guest", "--interval", 0) as p:
            same(p.finish(), 0, "exit status", p)
            same((p.out[0], p.out[-1]), (CONNECTED, FINISHED), "first and last line", p)

    def test_a_kept_session_gets_what_was_sent_while_it_was_away(self):
        options = ["--topic", "away", "--id", "keeper", "--keep-session", "--interval", 0]
        with example("subscriber", self.broker, *options) as first:
            first.wait_line(subscribed("away", 1))
            same(first.stop(), 0, "exit status", first)
        with example("publisher", self.broker, "--topic", "away", "--interval", 0) as publisher:
            same(publisher.finish(), 0, "exit status", publisher)
        with example("subscriber", self.broker, *options, "--count", 5) as second:
            same(second.finish(), 0, "exit status", second)
            same([line for line in second.out if line.startswith("Received")],
                 [received("away", 1, i) for i in range(5)], "messages", second)

    def test_coroutine_and_manual_acknowledgement(self):
        with example("manual_ack", self.broker, "--topic", "both", "--interval", 0, "--count", 3) as worker, \
                example("coroutine", self.broker, "--topic", "both") as coroutine:
            same(coroutine.finish(), 0, "exit status", coroutine)
            same([line for line in coroutine.out if line.startswith("Received")],
                 [f"Received message: 'temp:{20 + i}' on topic 'both'" for i in range(3)], "messages", coroutine)
            if worker.process.poll() is None:  # It may have subscribed too late for some.
                worker.stop()
            same(worker.process.returncode, 0, "exit status", worker)


@unittest.skipUnless((EXAMPLES / "websocket_subscriber").exists(), "the examples were built without OpenSSL or wslay")
class OverWebSocket(unittest.TestCase):
    def test_without_a_version_the_client_falls_back_by_itself(self):
        with WebRabbitMq() as broker, Program(EXAMPLES / "websocket_subscriber", "--host", broker.address) as s:
            s.wait_line("Subscribed to sensor/temperature: granted QoS 1")
            lost = [line for line in s.err if line.startswith("lost ")]
            same(lost, [f"lost {broker.address}: peer closed the WebSocket connection with code 1011 (internal error) "
                        "(Close code 1011)"], "answers to CONNECT of 5.0", s)
            same(s.stop(), 0, "exit status", s)

    def test_another_path_than_its_own_is_told(self):
        with WebRabbitMq() as broker, Program(EXAMPLES / "websocket_subscriber", "--host",
                                              broker.address.replace("/ws", "/mqtt")) as s:
            same(s.finish(), 1, "exit status", s)
            holds(any(line.endswith("HTTP status 404 (Not Found) (answer: HTTP/1.1 404 Not Found)") for line in s.err),
                  "says why", s)


if __name__ == "__main__":
    main()
