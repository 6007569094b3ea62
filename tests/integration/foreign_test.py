"""Foreign programs as peers, both directions: mosquitto_pub, mosquitto_sub, and the paho of Python."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import os
import tempfile
import unittest

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from brokers import Mosquitto
from foreign import EVERY, PAYLOADS, Paho, digest, mosquitto_client
from programs import (EXAMPLES, QOS, VERSIONS, Program, example, holds, main, publisher_output, received, same,
                      side_by_side, subscribed, subscriber_output)

ECHO = os.environ.get("INFLIGHT_ECHO", EXAMPLES.parent / "tests/integration/inflight_echo")


def echo(broker, version):
    program = Program(ECHO, "--host", "127.0.0.1", "--port", broker.port, "--version", version)
    try:
        program.wait_line("Ready")
    except BaseException:
        program.stop()
        raise
    return program


class MosquittoClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = cls.enterClassContext(Mosquitto())

    def test_our_subscriber_gets_what_mosquitto_pub_sends(self):
        def run(version, qos):
            topic = f"from/mosquitto/{version}/{qos}"
            with example("subscriber", self.broker, "--topic", topic, "--qos", qos, "--version", version,
                         "--count", 5, "--interval", 0) as subscriber:
                subscriber.wait_line(subscribed(topic, qos))
                for i in range(5):
                    with mosquitto_client("mosquitto_pub", self.broker, version, "-t", topic, "-q", qos,
                                          "-m", f"temp:{20 + i}") as pub:
                        same(pub.finish(), 0, "exit status of mosquitto_pub", pub)
                same(subscriber.finish(), 0, "exit status", subscriber)
                same(subscriber.out, subscriber_output(topic, qos), "output", subscriber)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v, q in EVERY})

    def test_mosquitto_sub_gets_what_our_publisher_sends(self):
        def run(version, qos):
            topic = f"to/mosquitto/{version}/{qos}"
            with mosquitto_client("mosquitto_sub", self.broker, version, "-t", topic, "-q", qos, "-C", 5,
                                  "-i", f"sub-{version}-{qos}", "-F", "%t %q %p") as sub:
                self.broker.wait_log(f"Sending SUBACK to sub-{version}-{qos}")
                with example("publisher", self.broker, "--topic", topic, "--qos", qos, "--version", version,
                             "--interval", 0) as publisher:
                    same(publisher.finish(), 0, "exit status", publisher)
                    same(publisher.out, publisher_output(topic), "output", publisher)
                same(sub.finish(), 0, "exit status of mosquitto_sub", sub)
                same(sub.out, [f"{topic} {qos} temp:{20 + i}" for i in range(5)], "what mosquitto_sub got", sub)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v, q in EVERY})

    def test_retained_messages_and_lower_qos_reach_our_subscriber(self):
        for version in VERSIONS:
            topic = f"retained/{version}"
            with mosquitto_client("mosquitto_pub", self.broker, version, "-t", topic, "-q", 2, "-r",
                                  "-m", "temp:20") as pub:
                same(pub.finish(), 0, "exit status of mosquitto_pub", pub)
            with example("subscriber", self.broker, "--topic", f"retained/+", "--qos", 1, "--version", version,
                         "--count", 1, "--interval", 0) as subscriber:
                same(subscriber.finish(), 0, "exit status", subscriber)
                same(subscriber.out[2:], [received(topic, 1, 0)], "output", subscriber)
            with mosquitto_client("mosquitto_pub", self.broker, version, "-t", topic, "-q", 1, "-r", "-n") as pub:
                same(pub.finish(), 0, "exit status of mosquitto_pub", pub)

    def test_payloads_go_from_mosquitto_pub_through_our_client_to_mosquitto_sub(self):
        def run(version, qos):
            with Mosquitto() as broker, echo(broker, version) as ours, tempfile.NamedTemporaryFile() as file, \
                    mosquitto_client("mosquitto_sub", broker, version, "-t", "answer/#", "-q", qos, "-i", "sub",
                                     "-C", len(PAYLOADS), "-F", "%t %q %x") as sub:
                broker.wait_log("Sending SUBACK to sub")
                for i, payload in enumerate(PAYLOADS):
                    file.seek(0)
                    file.truncate()
                    file.write(payload)
                    file.flush()
                    content = ["-f", file.name] if payload else ["-n"]
                    with mosquitto_client("mosquitto_pub", broker, version, "-t", f"ask/{i}", "-q", qos,
                                          *content) as pub:
                        same(pub.finish(), 0, "exit status of mosquitto_pub", pub)
                same(sub.finish(), 0, "exit status of mosquitto_sub", sub, ours)
                got = []
                for line in sub.out:
                    topic, level, text = line.split(" ")
                    got.append((topic, level, *digest(bytes.fromhex(text))))
                wanted = [(f"answer/{i}", str(qos), *digest(payload)) for i, payload in enumerate(PAYLOADS)]
                same(got, wanted, "what mosquitto_sub got", ours)
                same(ours.stop(), 0, "exit status of ours", ours)
                same(ours.err, [], "errors of ours", ours)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v, q in EVERY}, workers=3)


class PythonPaho(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = cls.enterClassContext(Mosquitto())

    def test_our_subscriber_gets_what_paho_publishes(self):
        def run(version, qos):
            topic = f"from/paho/{version}/{qos}"
            with example("subscriber", self.broker, "--topic", topic, "--qos", qos, "--version", version,
                         "--count", 5, "--interval", 0) as subscriber, Paho(self.broker, version) as python:
                subscriber.wait_line(subscribed(topic, qos))
                for i in range(5):
                    python.publish(topic, f"temp:{20 + i}", qos)
                same(subscriber.finish(), 0, "exit status", subscriber)
                same(subscriber.out, subscriber_output(topic, qos), "output", subscriber)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v, q in EVERY})

    def test_paho_gets_what_our_publisher_sends(self):
        def run(version, qos):
            topic = f"to/paho/{version}/{qos}"
            with Paho(self.broker, version) as python:
                python.subscribe(topic, qos)
                with example("publisher", self.broker, "--topic", topic, "--qos", qos, "--version", version,
                             "--interval", 0) as publisher:
                    same(publisher.finish(), 0, "exit status", publisher)
                    same(publisher.out, publisher_output(topic), "output", publisher)
                got = [python.next(f"message {i}") for i in range(5)]
                same([(m.topic, m.qos, m.retain, m.payload) for m in got],
                     [(topic, qos, 0, b"temp:%d" % (20 + i)) for i in range(5)], "what paho got", publisher)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v, q in EVERY})

    def test_paho_and_ours_in_different_versions(self):
        for theirs, ours in (("5", "3.1.1"), ("3.1.1", "5")):
            topic = f"mixed/{theirs}"
            with Paho(self.broker, theirs) as python:
                python.subscribe(topic, 2)
                with example("publisher", self.broker, "--topic", topic, "--qos", 2, "--version", ours,
                             "--interval", 0) as publisher:
                    same(publisher.finish(), 0, "exit status", publisher)
                same([python.next(f"message {i}").payload for i in range(5)],
                     [b"temp:%d" % (20 + i) for i in range(5)], "what paho got", publisher)

    def test_payloads_come_back_to_paho_through_our_client(self):
        def run(version, qos):
            with Mosquitto() as broker, echo(broker, version) as ours, Paho(broker, version) as python:
                python.subscribe("answer/#", qos)
                for i, payload in enumerate(PAYLOADS):
                    python.publish(f"ask/{i}", payload, qos)
                got = [python.next(f"answer {i} of QoS {qos}\n{ours}") for i in range(len(PAYLOADS))]
                same([(m.topic, m.qos, *digest(m.payload)) for m in got],
                     [(f"answer/{i}", qos, *digest(payload)) for i, payload in enumerate(PAYLOADS)],
                     "what came back", ours)
                same(ours.stop(), 0, "exit status of ours", ours)
                same(ours.err, [], "errors of ours", ours)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v, q in EVERY}, workers=3)

    def test_properties_come_back_to_paho_through_our_client(self):
        with Mosquitto() as broker, echo(broker, "5") as ours, Paho(broker, "5") as python:
            python.subscribe("answer/#", 1)
            for qos in QOS:
                sent = Properties(PacketTypes.PUBLISH)
                sent.PayloadFormatIndicator = 1
                sent.MessageExpiryInterval = 1000
                sent.ContentType = "text/plain"
                sent.ResponseTopic = "to/me"
                sent.CorrelationData = b"\0\xff7"
                sent.UserProperty = [("a", "1"), ("b", "\u00e4"), ("a", "2")]
                python.publish("ask/properties", b"hello", qos, sent)
                got = python.next("the answer").properties
                same(got.PayloadFormatIndicator, 1, "Payload Format Indicator", ours)
                holds(900 < got.MessageExpiryInterval <= 1000, f"Message Expiry {got.MessageExpiryInterval}", ours)
                same(got.ContentType, "text/plain", "Content Type", ours)
                same(got.ResponseTopic, "to/me", "Response Topic", ours)
                same(got.CorrelationData, b"\0\xff7", "Correlation Data", ours)
                same(got.UserProperty, [("a", "1"), ("b", "\u00e4"), ("a", "2")], "User Properties", ours)

    def test_many_messages_in_both_directions_keep_their_order(self):
        def run(version, qos):
            with Mosquitto(lines=["max_queued_messages 0"]) as broker, echo(broker, version) as ours, \
                    Paho(broker, version) as sender, Paho(broker, version) as receiver:
                receiver.subscribe("answer/#", qos)
                count = 2000
                sender.publish_all("ask/n", count, qos)
                got = [int(receiver.next(f"answer {i}\n{ours}").payload) for i in range(count)]
                same(got == list(range(count)), True, f"in order: {got[:50]}...", ours)

        side_by_side({f"{v}, QoS {q}": lambda v=v, q=q: run(v, q) for v in VERSIONS for q in (1, 2)}, workers=2)


if __name__ == "__main__":
    main()
