"""What somebody sees who listens on the wire: with TLS nothing of what is said; that the next connection resumes the session
of the one before it."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import socket
import threading
import unittest

from brokers import Mosquitto, TlsMosquitto, tls_example
from programs import EXAMPLES, VERSIONS, Program, holds, main, same
from wireshark import Capture

# Each of them is to be found in a capture without TLS.
SECRETS = {"topic": "house/bedroom/window", "user name": "jane-of-the-house", "password": "open-sesame-1001"}
PAYLOAD = "temp:20"

CLIENT_HELLO, SERVER_HELLO, CERTIFICATE = 1, 2, 11  # RFC 8446, 4.
PRE_SHARED_KEY = 41  # RFC 8446, 4.2.


def broker_with_tls(**more):
    return TlsMosquitto(users={SECRETS["user name"]: SECRETS["password"]}, **more)


class Relay:
    """A port that leads to another one, until it is cut."""

    def __init__(self, port):
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._to))
            self._sockets += [client, server]
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self._carry, args=(a, b), daemon=True).start()

    @staticmethod
    def _carry(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def cut(self):
        """Both ends see the end of the connection, without a word of either about it."""
        for one in self._sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
        self.cut()
        for one in self._sockets:
            one.close()


class Listener(unittest.TestCase):
    def captured(self, broker, dissector, *command):
        with Capture(self, broker.port, dissector) as capture, Program(*command, "--count", 3, "--interval", 0, "--topic",
                SECRETS["topic"], "--user", SECRETS["user name"], "--password", SECRETS["password"]) as p:
            same((p.finish(), p.err), (0, []), "exit status and errors", p)
        return capture.payload()

    def test_nothing_that_is_said_is_to_be_read_with_tls_and_all_of_it_without(self):
        for version in VERSIONS:
            with Mosquitto(users={SECRETS["user name"]: SECRETS["password"]}) as broker:
                plain = self.captured(broker, "mqtt", EXAMPLES / "publisher", "--host", "127.0.0.1", "--port", broker.port,
                                      "--version", version)
            with broker_with_tls() as broker:
                secret = self.captured(broker, "tls", tls_example(), "--host", broker.address, "--version",
                                       version, "--ca", broker.certificate)
                broker.wait_log("Received PUBLISH", 3)  # It has all been said.
            for what, text in (SECRETS | {"payload": PAYLOAD, "protocol": "MQTT"}).items():
                holds(text.encode() in plain, f"the {what} is in the capture without TLS")
                holds(text.encode() not in secret, f"the {what} is not in the capture with TLS")
            # Not even a part of them.
            for what, text in SECRETS.items():
                for i in range(len(text) - 5):
                    holds(text[i:i + 6].encode() not in secret, f"{text[i:i + 6]!r} of the {what} is not in the capture")
            holds(len(secret) > len(plain), f"{len(secret)} bytes with TLS and {len(plain)} without")

    def reconnected(self, broker):
        """The handshakes of a client whose connection is cut: a list of (type, extensions) of each message."""
        with Relay(broker.port) as relay, Capture(self, broker.port, "tls") as capture, Program(
                tls_example(), "--host", f"mqtts://localhost:{relay.port}", "--ca", broker.certificate, "--user",
                SECRETS["user name"], "--password", SECRETS["password"], "--count", 1000, "--interval", 0.02) as p:
            broker.wait_log("Received PUBLISH", 3)
            relay.cut()
            broker.wait_log("New client connected", 2)
            p.stop()
            same(p.process.returncode, 0, "exit status", p)
        messages = []
        for line in capture.read("-Y", "tls.handshake.type", "-T", "fields", "-E", "occurrence=a", "-e", "tls.handshake.type",
                                 "-e", "tls.handshake.extension.type").splitlines():
            types, _, extensions = line.partition("\t")
            messages.append(([int(n) for n in types.split(",")], [int(n) for n in extensions.split(",") if n]))
        return messages

    def test_a_session_of_tls_1_3_is_resumed_after_the_connection_was_cut(self):
        with broker_with_tls() as broker:
            messages = self.reconnected(broker)
        offers = [PRE_SHARED_KEY in extensions for types, extensions in messages if CLIENT_HELLO in types]
        answers = [PRE_SHARED_KEY in extensions for types, extensions in messages if SERVER_HELLO in types]
        same(offers, [False, True], f"pre_shared_key in each ClientHello among {messages}")
        same(answers, [False, True], f"pre_shared_key in each ServerHello among {messages}")

    def test_a_session_of_tls_1_2_is_resumed_after_the_connection_was_cut(self):
        with broker_with_tls(most="TLSv1.2") as broker:
            messages = self.reconnected(broker)
        order = [kind for types, _ in messages for kind in types if kind in (CLIENT_HELLO, SERVER_HELLO, CERTIFICATE)]
        same(order, [CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, CLIENT_HELLO, SERVER_HELLO], f"messages among {messages}")


if __name__ == "__main__":
    main()
