"""Wireshark, that is tshark, understands every packet that we send: nothing is malformed, reserved or unknown."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import re
import shutil
import signal
import subprocess
import unittest

from brokers import Mosquitto
from programs import QOS, VERSIONS, Program, eventually, example, holds, main, run_pair, same, temporary_directory

CAPTURE_LIMIT = 30


class Wireshark(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("tshark"):
            raise unittest.SkipTest("tshark is not installed")
        cls.directory = pathlib.Path(cls.enterClassContext(temporary_directory()))
        cls.directory.chmod(0o777)  # The capturing program may give up root's rights.

    def capture(self, name, broker, run):
        """Everything on the broker's port while run() runs, until each client has said DISCONNECT."""
        file = self.directory / f"{name}.pcapng"
        with Program("tshark", "-i", "lo", "-f", f"tcp port {broker.port}", "-w", file, "-P", "-l",
                     "-d", f"tcp.port=={broker.port},mqtt") as tshark:
            eventually(lambda: tshark.process.poll() is not None or
                       any("Capture started" in line for line in tshark.err), lambda: f"tshark captures\n{tshark}",
                       CAPTURE_LIMIT)
            if tshark.process.poll() is not None:
                raise unittest.SkipTest(f"capturing is not permitted\n{tshark}")
            clients = run()
            # One packet of TCP may carry several of MQTT; the last of a client is DISCONNECT.
            eventually(lambda: sum(line.count("Disconnect Req") for line in tshark.out) >= clients,
                       lambda: f"{clients} DISCONNECT captured\n{tshark}", CAPTURE_LIMIT)
            tshark.stop(signal.SIGINT)
        return file

    def read(self, file, port, *arguments):
        done = subprocess.run(["tshark", "-r", file, "-d", f"tcp.port=={port},mqtt", *arguments],
                              capture_output=True, text=True, timeout=60, check=True)
        return done.stdout

    def check(self, name, version, run):
        with Mosquitto() as broker:
            file = self.capture(name, broker, lambda: run(broker))
            port = broker.port
        details = self.read(file, port, "-V", "-Y", "mqtt")
        same(re.findall(r".*(?:Malformed|Unreassembled|\(Unknown\)|Unknown property|Dissector bug).*", details), [],
             "what tshark does not understand")
        # Complaints of any dissector about what went to the broker; TCP's own notes are chat and not errors.
        complaints = self.read(file, port, "-Y", f"tcp.dstport == {port} && _ws.expert.severity >= 6291456",
                               "-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message")
        same([line for line in complaints.splitlines() if "mqtt" in line.lower()], [], "complaints of tshark")
        types = self.read(file, port, "-Y", f"mqtt && tcp.dstport == {port}", "-T", "fields", "-e", "mqtt.msgtype")
        levels = self.read(file, port, "-Y", "mqtt.ver", "-T", "fields", "-e", "mqtt.ver")
        same(set(levels.replace(",", "\n").split()), {"5" if version == "5" else "4"}, "protocol level in CONNECT")
        # Bytes that tshark takes for no MQTT at all.
        undissected = self.read(file, port, "-Y", f"tcp.dstport == {port} && tcp.len > 0 && !mqtt && "
                                                  "!tcp.analysis.retransmission && !tcp.reassembled_in")
        same(undissected, "", "segments to the broker without MQTT in them")
        return [int(number) for number in types.replace(",", "\n").split()], details

    def test_publisher_and_subscriber(self):
        for version in VERSIONS:
            def run(broker):
                for qos in QOS:
                    run_pair(broker, "sensor/temperature", qos, version)
                return 6  # clients

            types, details = self.check(f"pair-{version}", version, run)
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
                return 1

            _, details = self.check(f"credentials-{version}", version, run)
            for field in ("Client ID: named", "User Name: jane", "Password: secret"):
                holds(field in details, f"{field} in what tshark shows:\n{details[:5000]}")


if __name__ == "__main__":
    main()
