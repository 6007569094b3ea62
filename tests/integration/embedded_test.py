"""The broker of the examples, which is the server of the test kit, against foreign clients and our own."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import signal
import unittest

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from brokers import Embedded, find
from foreign import EVERY, MOSQUITTO_VERSION, PAYLOADS, Paho, digest, mosquitto_client
from programs import (EXAMPLES, VERSIONS, Program, example, holds, main, run_pair, same, side_by_side, subscribed)

PERSISTENT = {"5": ["-c", "-x", "3600"], "3.1.1": ["-c"]}


def publish(broker, version, topic, payload, qos, *more):
    with mosquitto_client("mosquitto_pub", broker, version, "-t", topic, "-m", payload, "-q", qos, *more) as pub:
        same(pub.finish(), 0, "exit status of mosquitto_pub", pub)


def subscriber(broker, version, topic, qos, *more):
    """mosquitto_sub; it is subscribed when the broker has said so."""
    before = broker.log().count("<- SUBACK")
    sub = mosquitto_client("mosquitto_sub", broker, version, "-t", topic, "-q", qos, "-F", "%t %q %r %p", *more)
    broker.wait_log("<- SUBACK", before + 1)
    return sub


class MosquittoClients(unittest.TestCase):
    def test_mosquitto_sub_gets_what_mosquitto_pub_sends_whatever_their_versions(self):
        def run(version, qos):
            with Embedded() as broker, subscriber(broker, version, "a/#", qos, "-C", 6) as sub:
                for theirs in VERSIONS:
                    for level in (0, 1, 2):
                        publish(broker, theirs, f"a/{theirs}", f"{level}", level)
                same(sub.finish(), 0, "exit status of mosquitto_sub", sub)
                same(sub.out, [f"a/{theirs} {min(level, qos)} 0 {level}" for theirs in VERSIONS for level in (0, 1, 2)],
                     "what mosquitto_sub got", sub)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v, q in EVERY})

    def test_a_retained_message_waits_for_subscribers_until_it_is_removed(self):
        for version in VERSIONS:
            with Embedded() as broker:
                publish(broker, version, "kept/1", "old", 1, "-r")
                publish(broker, version, "kept/1", "new", 1, "-r")
                publish(broker, version, "kept/2", "removed", 1, "-r")
                with mosquitto_client("mosquitto_pub", broker, version, "-t", "kept/2", "-q", 1, "-r", "-n") as pub:
                    same(pub.finish(), 0, "exit status of mosquitto_pub", pub)
                with subscriber(broker, version, "kept/+", 1, "-C", 2) as sub:
                    publish(broker, version, "kept/3", "live", 1)
                    same(sub.finish(), 0, "exit status of mosquitto_sub", sub)
                    same(sub.out, ["kept/1 1 1 new", "kept/3 1 0 live"], "what mosquitto_sub got", sub)

    def test_a_will_is_published_when_its_client_dies_and_not_when_it_leaves(self):
        for version in VERSIONS:
            with Embedded() as broker, subscriber(broker, version, "gone", 1, "-C", 1) as watcher:
                will = ["--will-topic", "gone", "--will-qos", 1, "--will-payload"]
                with subscriber(broker, version, "x", 0, *will, "left", "-E") as leaving:
                    same(leaving.finish(), 0, "exit status of mosquitto_sub -E", leaving)
                with subscriber(broker, version, "x", 0, *will, "died") as dying:
                    dying.kill()
                same(watcher.finish(), 0, "exit status of mosquitto_sub", watcher)
                same(watcher.out, ["gone 1 0 died"], "what mosquitto_sub got", watcher)

    def test_a_persistent_session_gets_what_came_while_its_client_was_away(self):
        for version in VERSIONS:
            options = ["-i", "sleeper", *PERSISTENT[version]]
            with Embedded() as broker:
                with mosquitto_client("mosquitto_sub", broker, version, "-t", "a", "-q", 2, "-E", *options) as sub:
                    same(sub.finish(), 0, "exit status of mosquitto_sub -E", sub)
                for qos in (1, 2):
                    publish(broker, version, "a", f"{qos}", qos)
                with mosquitto_client("mosquitto_sub", broker, version, "-t", "a", "-q", 2, "-C", 2, *options,
                                      "-F", "%q %p") as sub:
                    same(sub.finish(), 0, "exit status of mosquitto_sub", sub)
                    same(sub.out, ["1 1", "2 2"], "what mosquitto_sub got", sub)


class PythonPaho(unittest.TestCase):
    def test_payloads_of_every_size_pass(self):
        def run(version, qos):
            with Embedded() as broker, Paho(broker, version) as sender, Paho(broker, version) as receiver:
                receiver.subscribe("a/#", qos)
                for i, payload in enumerate(PAYLOADS):
                    sender.publish(f"a/{i}", payload, qos)
                got = [receiver.next(f"message {i}") for i in range(len(PAYLOADS))]
                same([(m.topic, m.qos, *digest(m.payload)) for m in got],
                     [(f"a/{i}", qos, *digest(payload)) for i, payload in enumerate(PAYLOADS)], "what paho got")

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v, q in EVERY}, workers=3)

    def test_two_thousand_messages_keep_their_order(self):
        def run(version, qos):
            with Embedded() as broker, Paho(broker, version) as sender, Paho(broker, version) as receiver:
                receiver.subscribe("a", qos)
                sender.publish_all("a", 2000, qos)
                got = [int(receiver.next(f"message {i}").payload) for i in range(2000)]
                holds(got == list(range(2000)), f"not in order: {got[:50]}...")

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v, q in EVERY}, workers=3)

    def test_properties_pass(self):
        with Embedded() as broker, Paho(broker, "5") as python:
            python.subscribe("a", 1)
            sent = Properties(PacketTypes.PUBLISH)
            sent.PayloadFormatIndicator = 1
            sent.MessageExpiryInterval = 1000
            sent.ContentType = "text/plain"
            sent.ResponseTopic = "to/me"
            sent.CorrelationData = b"\0\xff7"
            sent.UserProperty = [("a", "1"), ("b", "\u00e4"), ("a", "2")]
            python.publish("a", "hello", 1, sent)
            got = python.next("its own message").properties
            holds(900 < got.MessageExpiryInterval <= 1000, f"Message Expiry {got.MessageExpiryInterval}")
            same((got.PayloadFormatIndicator, got.ContentType, got.ResponseTopic, got.CorrelationData, got.UserProperty),
                 (1, "text/plain", "to/me", b"\0\xff7", [("a", "1"), ("b", "\u00e4"), ("a", "2")]), "properties")


class Ours(unittest.TestCase):
    def test_publisher_and_subscriber_print_what_is_promised(self):
        with Embedded() as broker:
            side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run_pair(broker, f"pair/{v}/{q}", q, v) for v, q in EVERY})


class TheProgram(unittest.TestCase):
    def test_it_ends_by_either_signal_while_clients_are_connected_and_tells_them(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with Embedded() as broker, example("subscriber", broker) as ours, \
                    mosquitto_client("mosquitto_sub", broker, "3.1.1", "-t", "a") as theirs:
                ours.wait_line(subscribed("sensor/temperature", 1))
                broker.wait_log("<- SUBACK", 2)
                program = broker.program
                program.send(number)
                same(program.finish(), 0, "exit status", program)
                same(program.out[-1], "Broker finished.", "last line", program)
                holds("DISCONNECT reason='server shutting down'" in broker.log(), "the client is told", program)

    def test_it_says_what_it_is_and_what_is_wrong(self):
        with Program(EXAMPLES / "broker", "--help") as program:
            same(program.finish(), 0, "exit status", program)
            holds("not for production" in program.out[0], "says what it is", program)
        with Program(EXAMPLES / "broker", "--port", "70000") as program:
            same(program.finish(), 1, "exit status", program)
            same(program.err[0], "bad argument: --port 70000", "error", program)
        with Embedded() as broker, Program(EXAMPLES / "broker", "--port", broker.port) as program:
            same(program.finish(), 1, "exit status", program)
            holds(program.err[0].endswith("Address already in use"), "error", program)


if __name__ == "__main__":
    main()
