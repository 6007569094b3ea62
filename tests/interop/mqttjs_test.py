"""The broker of the examples against the npm package mqtt, a client for Node.js. Needs npm and its registry."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import unittest

from brokers import Embedded, npm_mqtt
from programs import VERSIONS, Program, main, same

SCRIPT = pathlib.Path(__file__).with_name("mqttjs_clients.js")

EACH = [*(f"QoS {qos} {what}" for qos in (0, 1, 2) for what in ("is granted", "passes")), "a retained message waits",
        "a will is published", "the session is resumed", "what came meanwhile is delivered"]


class MqttJs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = npm_mqtt(cls, SCRIPT)

    def test_both_versions_every_qos_retained_messages_wills_and_sessions_work(self):
        with Embedded() as broker, Program("node", SCRIPT.name, broker.port, cwd=self.directory) as clients:
            status = clients.finish()
            wanted = [f"{version}: {line}" for version in VERSIONS for line in EACH] + ["5: properties pass"]
            same((status, clients.out), (0, wanted), "what works", clients, broker.program)


if __name__ == "__main__":
    main()
