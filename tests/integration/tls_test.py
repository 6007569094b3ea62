"""The example that publishes over TLS: to a broker that it trusts, and to others."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import unittest

from brokers import Mosquitto, TlsMosquitto, tls_example
from programs import Program, holds, main, same


def publisher(broker, *options, host="localhost"):
    return Program(tls_example(), "--host", f"mqtts://{host}:{broker.port}", "--interval", 0, *options)


class Tls(unittest.TestCase):
    def test_it_publishes_to_a_broker_that_it_trusts(self):
        with TlsMosquitto() as broker:
            for version in ("3.1.1", "5"):
                with publisher(broker, "--ca", broker.certificate, "--version", version) as p:
                    same((p.finish(), p.err), (0, []), "exit status and errors", p)
                    same(p.out, ["Connected to MQTT Broker!",
                                 *(f"Sent `temp:{20 + i}` to topic `sensor/temperature`" for i in range(5))], "output", p)
            broker.wait_log("Received PUBLISH", 10)

    def refused(self, p, broker, why, host="localhost"):
        same((p.finish(), p.out), (1, []), "exit status and output", p)
        same(p.err, [f"mqtts://{host}:{broker.port}: {why}"], "errors", p)

    def test_it_says_why_it_does_not_trust_a_broker(self):
        shown = "certificate (subject CN=localhost; issuer CN=localhost)"
        with TlsMosquitto() as broker:
            with publisher(broker) as p:
                self.refused(p, broker, "certificate refused: self-signed certificate (no authority stands for it, and it is "
                                        f"not trusted itself: {shown})")
            with publisher(broker, "--ca", broker.certificate, host="localhost.localdomain") as p:
                status = p.finish()
                same(status, 1, "exit status", p)
                # Where that name is not known, there is nobody to be refused.
                if "hostname mismatch" in p.err[0]:
                    self.refused(p, broker, "certificate refused: hostname mismatch (wanted localhost.localdomain, but it is for "
                                            f"localhost, IP Address:127.0.0.1: {shown})", "localhost.localdomain")
            absent = broker.directory / "absent.pem"
            with publisher(broker, "--ca", absent) as p:
                self.refused(p, broker, "the certificates of authorities cannot be read "
                                        f"({absent}: No such file or directory)")

    def test_it_says_so_where_there_is_no_tls(self):
        with Mosquitto() as broker, publisher(broker) as p:
            self.refused(p, broker, "the peer closed the connection during the TLS handshake (without a word: is it a port "
                                    "for TLS?)")

    def test_other_examples_say_what_they_lack(self):
        program = tls_example().with_name("publisher")
        with Program(program, "--host", "mqtts://localhost") as p:
            same((p.finish(), p.out), (1, []), "exit status and output", p)
            holds(p.err[0].startswith("Cannot connect to mqtts://localhost:8883: ") and "inflight/tls.hpp" in p.err[0],
                  "says what to include", p)


if __name__ == "__main__":
    main()
