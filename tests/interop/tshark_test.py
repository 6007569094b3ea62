"""Wireshark, that is tshark, understands every packet that we send: nothing is malformed, reserved or unknown."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import re
import unittest

from brokers import Mosquitto
from programs import QOS, VERSIONS, example, holds, main, run_pair, same
from wireshark import Capture


class Wireshark(unittest.TestCase):
    def check(self, version, run):
        with Mosquitto() as broker:
            port = broker.port
            with Capture(self, port, "mqtt") as capture:
                run(broker)
        details = capture.read("-V", "-Y", "mqtt")
        same(re.findall(r".*(?:Malformed|Unreassembled|\(Unknown\)|Unknown property|Dissector bug).*", details), [],
             "what tshark does not understand")
        # Complaints of any dissector about what went to the broker; TCP's own notes are chat and not errors.
        complaints = capture.read("-Y", f"tcp.dstport == {port} && _ws.expert.severity >= 6291456",
                                  "-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message")
        same([line for line in complaints.splitlines() if "mqtt" in line.lower()], [], "complaints of tshark")
        types = capture.read("-Y", f"mqtt && tcp.dstport == {port}", "-T", "fields", "-e", "mqtt.msgtype")
        levels = capture.read("-Y", "mqtt.ver", "-T", "fields", "-e", "mqtt.ver")
        same(set(levels.replace(",", "\n").split()), {"5" if version == "5" else "4"}, "protocol level in CONNECT")
        # Bytes that tshark takes for no MQTT at all.
        undissected = capture.read("-Y", f"tcp.dstport == {port} && tcp.len > 0 && !mqtt && "
                                         "!tcp.analysis.retransmission && !tcp.reassembled_in")
        same(undissected, "", "segments to the broker without MQTT in them")
        return [int(number) for number in types.replace(",", "\n").split()], details

    def test_publisher_and_subscriber(self):
        for version in VERSIONS:
            def run(broker):
                for qos in QOS:
                    run_pair(broker, "sensor/temperature", qos, version)

            types, details = self.check(version, run)
            count = {name: types.count(number) for name, number in (
                ("CONNECT", 1), ("PUBLISH", 3), ("PUBREC", 5), ("PUBREL", 6), ("SUBSCRIBE", 8), ("DISCONNECT", 14))}
            same(count["CONNECT"], 6, f"CONNECT among {count}")
            same(count["SUBSCRIBE"], 3, f"SUBSCRIBE among {count}")
            same(count["PUBLISH"], 15, f"PUBLISH among {count}")
            same(count["PUBREL"], 5, f"PUBREL among {count}")
            same(count["DISCONNECT"], 6, f"DISCONNECT among {count}")
            holds(types.count(4) >= 4 and count["PUBREC"] >= 4, f"acknowledgements among {types}")
            # It reads what we meant.
            for i in range(5):
                holds(f"Message: {(b'temp:%d' % (20 + i)).hex()}" in details or f"Message: temp:{20 + i}" in details,
                      f"temp:{20 + i} in what tshark shows:\n{details[-3000:]}")
            same(details.count("Topic: sensor/temperature") >= 18, True, "topics")

    def test_a_client_with_credentials_and_a_kept_session(self):
        for version in VERSIONS:
            def run(broker):
                with example("publisher", broker, "--version", version, "--id", "named", "--user", "jane", "--password",
                             "secret", "--keep-session", "--interval", 0) as p:
                    same(p.finish(), 0, "exit status", p)

            _, details = self.check(version, run)
            for field in ("Client ID: named", "User Name: jane", "Password: secret"):
                holds(field in details, f"{field} in what tshark shows:\n{details[:5000]}")


if __name__ == "__main__":
    main()
