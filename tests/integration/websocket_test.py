"""The example over WebSocket, plain and secure, against Mosquitto; the messages come to it over a Unix socket."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import unittest

from brokers import Mosquitto, WebMosquitto
from programs import EXAMPLES, Program, holds, main, same

SUBSCRIBER = EXAMPLES / "websocket_subscriber"


def subscriber(broker, *arguments):
    return Program(SUBSCRIBER, "--host", broker.address, "--topic", "a/#", *arguments)


def is_message(line):
    return line.startswith("a/b: ")


def publish(broker, count):
    with Program(EXAMPLES / "publisher", "--host", f"unix:{broker.directory}/socket", "--topic", "a/b", "--count", count,
                 "--interval", 0) as p:
        same((p.finish(), p.err), (0, []), "exit status and errors of the publisher", p)


@unittest.skipUnless(SUBSCRIBER.exists(), "the examples were built without OpenSSL or wslay")
class Example(unittest.TestCase):
    def test_it_prints_what_comes_also_after_a_restart_of_the_broker(self):
        for is_secure in (False, True):
            with WebMosquitto(is_secure) as broker:
                trust = ["--ca", broker.certificate] if is_secure else []
                with subscriber(broker, "--count", 6, *trust) as s:
                    s.wait_line("Subscribed to a/#: granted QoS 1")
                    publish(broker, 3)
                    s.wait_line(is_message, 3)
                    broker.stop()
                    broker.start()
                    s.wait_line(f"accepted by {broker.address}", 2)  # Its session is there, and so is its subscription.
                    publish(broker, 3)
                    same(s.finish(), 0, "exit status", s)
                    same([line for line in s.out if is_message(line)], ["a/b: temp:20", "a/b: temp:21", "a/b: temp:22"] * 2,
                         "messages", s)

    def test_a_certificate_that_nobody_vouches_for_is_refused_and_named(self):
        with WebMosquitto(True) as broker, subscriber(broker) as s:
            same(s.finish(), 1, "exit status", s)
            holds(any("certificate refused" in line and "CN=localhost" in line for line in s.err), "says why", s)

    def test_a_port_without_websocket_is_told_as_such(self):
        with Mosquitto() as broker, Program(SUBSCRIBER, "--host", "127.0.0.1", "--port", broker.port) as s:
            same(s.finish(), 1, "exit status", s)
            holds(any("closed the connection during the WebSocket handshake" in line for line in s.err), "says why", s)


if __name__ == "__main__":
    main()
