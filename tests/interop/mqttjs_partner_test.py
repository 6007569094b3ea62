"""Our client and one of the npm package mqtt talk with each other over Mosquitto and over our broker: nothing of 5.0 is harmed,
either way. Needs npm and its registry."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import os
import unittest

from brokers import Embedded, Mosquitto, npm_mqtt
from programs import QOS, SOURCE_DIR, Program, main, same

SCRIPT = pathlib.Path(__file__).with_name("mqttjs_partner.js")
PARTNER = os.environ.get("INFLIGHT_PARTNER", SOURCE_DIR / "build/gcc/tests/interop/inflight_partner")

# What comes back.
WORKS = [line for qos in QOS for line in (f"QoS {qos}: all properties come back",
                                          f"QoS {qos}: with the subscription identifier")] + \
        ["a retained message keeps all properties", "a request is answered", "a request comes"]

# What arrives on our side. The package writes properties in an order of its own, User Properties by their names.
PAYLOAD = "00ff0a01"
TYPE = "text/\u00e4"
EVERY = {"payload_format_indicator=1", "message_expiry_interval=most", f"content_type={TYPE.encode().hex()}",
         f"response_topic={b'to/me'.hex()}", "correlation_data=00ff802037"}
USER = ["user_property=b:1", "user_property=b:2", "user_property=b:1", "user_property=a:\u6e29", "user_property=:"]


def parts(line):
    """The beginning of a line, its properties without order, its User Properties in their order."""
    words = line.split(" ")
    first = next((i for i, word in enumerate(words) if "=" in word), len(words))
    return (" ".join(words[:first]), {w for w in words[first:] if not w.startswith("user_property=")},
            [w for w in words[first:] if w.startswith("user_property=")])


class Partners(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = npm_mqtt(cls, SCRIPT)

    def talk(self, broker):
        with Program(PARTNER, "--host", "127.0.0.1", "--port", broker.port, "--version", "5") as ours:
            ours.wait_line("ready")
            with Program("node", SCRIPT.name, broker.port, cwd=self.directory) as theirs:
                same((theirs.finish(), theirs.out), (0, WORKS), "what works", theirs, ours)
                ours.wait_line(lambda line: line.startswith("got answers/ours"))
            same((ours.stop(), ours.err), (0, []), "exit status and errors", ours)
            number = {"subscription_identifier=7"}
            wanted = [(f"got ask/{qos} QoS {qos} {PAYLOAD}", EVERY | number, USER) for qos in QOS]
            wanted += [
                (f"got command QoS 1 {b'kept/js'.hex()}", number, []),
                (f"got kept/js QoS 1 retained {PAYLOAD}", EVERY, USER),
                (f"got requests/ours QoS 1 {b'question'.hex()}",
                 number | {f"response_topic={b'answers/js'.hex()}", "correlation_data=0001"}, []),
                (f"got command QoS 1 {b'request'.hex()}", number, []),
                (f"got answers/ours QoS 1 {b'question of ours!'.hex()}", number | {"correlation_data=00fe"}, []),
            ]
            got = [parts(line) for line in ours.out if line.startswith("got ")]
            # The retained message may come at any time after its command.
            same(sorted(got, key=lambda p: p[0]), sorted(wanted, key=lambda p: p[0]), "what arrives", ours)

    def test_over_mosquitto(self):
        with Mosquitto() as broker:
            self.talk(broker)

    def test_over_our_own_broker(self):
        with Embedded() as broker:
            self.talk(broker)


if __name__ == "__main__":
    main()
