"""Foreign programs and libraries as clients: mosquitto_pub, mosquitto_sub, and the paho of Python."""
import hashlib
import queue
import random

import paho.mqtt.client as paho

from brokers import find
from programs import LIMIT, QOS, VERSIONS, Program, eventually

MOSQUITTO_VERSION = {"5": "5", "3.1.1": "311"}
PAHO_VERSION = {"5": paho.MQTTv5, "3.1.1": paho.MQTTv311}
EVERY = [(version, qos) for version in VERSIONS for qos in QOS]

# Edges of the length field (1 to 4 bytes of it), bytes of every value, nothing at all, a megabyte.
PAYLOADS = [b"", b"\0", b"temp:20", bytes(range(256)), b"x" * 100, b"x" * 128, b"y" * 16383, b"z" * 16384,
            random.Random(1).randbytes(1 << 20), b"a" * 2097152, "\u00e4\u6e29\U0001f321".encode()]


def digest(payload):
    return len(payload), hashlib.sha256(payload).hexdigest()


def mosquitto_client(name, broker, version, *arguments):
    return Program(find(name), "-h", "127.0.0.1", "-p", broker.port, "-V", MOSQUITTO_VERSION[version], *arguments)


class Paho:
    """A Python client with a queue of what it receives.

    Where order matters, one client publishes and another one receives: paho 1.6 counts a QoS 2 message that it has
    received as one of its own that is done (_handle_pubrel), without its lock. A client that does both sends more than
    its window and now and then a new message before those that wait.
    """

    def __init__(self, broker, version):
        self.version = version
        self.messages = queue.Queue()
        self.subscribed = []
        self.client = paho.Client(protocol=PAHO_VERSION[version])
        self.client.on_message = lambda client, data, message: self.messages.put(message)
        self.client.on_subscribe = lambda client, data, mid, *rest: self.subscribed.append(mid)
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()

    def __enter__(self):
        eventually(self.client.is_connected, "paho is connected")
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()

    def subscribe(self, topic, qos):
        _, mid = self.client.subscribe(topic, qos)
        eventually(lambda: mid in self.subscribed, f"paho is subscribed to {topic}")

    def publish(self, topic, payload, qos, properties=None):
        info = self.client.publish(topic, payload, qos, properties=properties)
        info.wait_for_publish(LIMIT)
        assert info.is_published(), f"paho's message on {topic} was not acknowledged"

    def publish_all(self, topic, count, qos):
        """The numbers 0 to count - 1, without waiting."""
        self.client.max_queued_messages_set(0)
        for i in range(count):
            self.client.publish(topic, str(i), qos)

    def next(self, what):
        try:
            return self.messages.get(timeout=LIMIT)
        except queue.Empty:
            raise AssertionError(f"paho did not get {what}") from None
