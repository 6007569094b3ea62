"""Every feature, with both clients, against each broker. What a broker has not got is listed, and the list is compared
with the one that is expected of it, so that a change is noticed. INFLIGHT_FEATURES_TABLE names the file for the lists,
which ctest would keep to itself."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import os
import unittest

from brokers import Aedes, Embedded, Mosquitto, RabbitMq, WebAedes, WebMosquitto, WebRabbitMq
from programs import SOURCE_DIR, VERSIONS, Program, main, same

FEATURES = os.environ.get("INFLIGHT_FEATURES", SOURCE_DIR / "build/gcc/tests/interop/inflight_features")
TABLE = os.environ.get("INFLIGHT_FEATURES_TABLE")
USERS = {"Embedded": ("jane", "secret"), "Mosquitto": ("jane", "secret"), "RabbitMq": ("guest", "guest"),
         "Aedes": ("jane", "secret")}
NOT_SUPPORTED = "not supported: "
NOT_IN_3_1_1 = ": MQTT 3.1.1 has no such thing"

QOS_2 = "SUBACK says granted QoS 1 for QoS 2"

# By broker, its version and that of MQTT: what is expected not to work, and how that shows. Another version of the broker
# may have more, or fewer of them: then its list is told, and compared with none.
LACKS = {
    ("Embedded", "", "5"): {},
    ("Embedded", "", "3.1.1"): {},
    ("Mosquitto", "2.0.11", "5"): {
        "session taken over": "closes without a DISCONNECT",
        "topic aliases from the broker": "uses none",
        "flow control by our receive maximum": "broker sends more messages than the Receive Maximum allows",
    },
    ("Mosquitto", "2.0.11", "3.1.1"): {},
    ("WebMosquitto", "2.0.11", "5"): {
        "session taken over": "closes without a DISCONNECT",
        "maximum packet size of the broker": "announces no Maximum Packet Size",
        "server keep alive": "announces none",
        "redirected to this broker by another": "the other one would have to speak it too",
        "topic aliases from the broker": "uses none",
        "flow control by our receive maximum": "broker sends more messages than the Receive Maximum allows",
    },
    ("RabbitMq", "3.10.8", "5"): {"MQTT 5.0": "End of file"},
    ("RabbitMq", "3.10.8", "3.1.1"): {
        "QoS 2 both ways": QOS_2,
        "1,000 messages in order, QoS 2": QOS_2,
        "retained message for a wildcard filter": "delivers no retained message",
        "session resumed with messages of QoS 2": QOS_2,
        "$ topics not matched by # and +": "# or + matches a topic that begins with $",
        "shared subscription among three": "one of three gets nothing",
        "manual acknowledgement, QoS 2": QOS_2,
    },
    ("Aedes", "0.51.3", "5"): {"MQTT 5.0": "unsupported protocol version"},
    ("Aedes", "0.51.3", "3.1.1"): {
        "overlapping subscriptions": "delivers with QoS 0 what QoS 1 is granted for",
        "shared subscription among three": "one of three gets nothing",
        "manual acknowledgement, QoS 1": "delivers a message again without DUP",
    },
}


def tell(broker, lines):
    """For whoever runs the tests: what works, and what does not."""
    lacks = [line for line in lines if line.startswith(NOT_SUPPORTED)]
    older = [line.removeprefix(NOT_SUPPORTED).removesuffix(NOT_IN_3_1_1) for line in lacks if line.endswith(NOT_IN_3_1_1)]
    text = [f"{broker}: {sum(line.startswith('works: ') for line in lines)} features work"]
    text += [f"  {line}" for line in lacks if not line.endswith(NOT_IN_3_1_1)]
    text += [f"  not in MQTT 3.1.1: {'; '.join(older)}"] if older else []
    print("", *text, sep="\n", flush=True)
    if TABLE:
        with open(TABLE, "a") as table:
            print(*text, sep="\n", file=table)


def lacks_of(lines):
    pairs = [line.removeprefix(NOT_SUPPORTED).split(": ", 1) for line in lines
             if line.startswith(NOT_SUPPORTED) and not line.endswith(NOT_IN_3_1_1)]
    return {name: why for name, why in pairs}


class Features(unittest.TestCase):
    def check(self, broker, version, *options):
        name = type(broker).__name__
        kind = name.removeprefix("Web")
        user, password = USERS[kind]
        trust = ["--ca", broker.certificate] if broker.certificate else []
        with Program(FEATURES, "--address", broker.address, "--version", version, "--user", user, "--password", password,
                     *trust, *options) as p:
            status = p.finish(600)
            tell(f"{kind} {broker.version()}".strip() + f", {broker.address.partition(':')[0]}, MQTT {version}", p.out)
            same([line for line in p.out if line.startswith("FAILED")], [], "failed", p)
            same((status, p.err), (0, []), "exit status and errors", p)
            is_known = (name, broker.version(), version) in LACKS
            wanted = LACKS.get((name if is_known else kind, broker.version(), version))
            if wanted is not None:
                same(lacks_of(p.out), wanted, "what is not supported", p)

    def test_our_own_broker_has_everything(self):
        for version in VERSIONS:
            with Embedded("--keep-alive", 30, "--receive-maximum", 100) as broker:
                self.check(broker, version)

    def test_mosquitto(self):
        for version in VERSIONS:
            limits = ["max_keepalive 30", "max_packet_size 3000000"] if version == "5" else []
            with Mosquitto(users={"jane": "secret"}, lines=limits) as broker:
                self.check(broker, version)

    def test_rabbitmq(self):
        with RabbitMq() as broker:
            for version in VERSIONS:
                self.check(broker, version)

    def test_aedes(self):
        with Aedes() as broker:
            for version in VERSIONS:
                self.check(broker, version)

    # What they have over TCP they have over WebSocket.

    def test_rabbitmq_over_websocket(self):
        for is_secure in (False, True):
            with WebRabbitMq(is_secure) as broker:
                # It publishes the Will after DISCONNECT too, sooner or later (its issue 4061).
                self.check(broker, "3.1.1", "--without", "will not published after DISCONNECT")

    def test_aedes_over_websocket(self):
        for is_secure in (False, True):
            with WebAedes(is_secure) as broker:
                self.check(broker, "3.1.1")

    def test_mosquitto_over_websocket(self):
        for version, is_secure in zip(VERSIONS, (False, True)):
            with WebMosquitto(is_secure, users={"jane": "secret"}) as broker:
                self.check(broker, version)


if __name__ == "__main__":
    main()
