"""Brokers that refuse, that are not there, or that never answer: the message, the exit status, the time."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import socket
import threading
import unittest

from brokers import Mosquitto
from programs import (FINISHED, VERSIONS, example, free_port, holds, main, publisher_output, same, side_by_side,
                      subscribed, subscriber_output)

PROGRAMS = ("publisher", "subscriber", "manual_ack")


class Address:
    def __init__(self, port):
        self.port = port


class Listener:
    """Accepts connections and does what `answer` does with each of them."""

    def __init__(self, answer):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.connections = []
        self._answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            self._answer(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
        for connection in self.connections:
            connection.close()


class Refusals(unittest.TestCase):
    def test_a_bad_password_is_refused_with_the_number_of_the_version(self):
        with Mosquitto(users={"jane": "secret"}) as broker:
            def refused(program, version, code, *credentials):
                options = ["--version", version] if version else []
                with example(program, broker, *options, *credentials) as p:
                    same(p.finish(), 1, "exit status", p)
                    same(p.out, [f"Failed to connect, return code {code}"], "output", p)
                    same(len(p.err), 1, "lines of errors", p)
                    holds(p.err[0].startswith(f"Cannot connect to 127.0.0.1:{broker.port}: "), "the error", p)
                    holds(p.seconds < 9, f"took {p.seconds} s", p)

            # What Mosquitto says: 5 (not authorized) in 3.1.1, 135 (the same) in 5.0.
            scenarios = {
                f"{program}, version {version}": lambda p=program, v=version, c=code: refused(
                    p, v, c, "--user", "jane", "--password", "wrong")
                for program in PROGRAMS for version, code in (("3.1.1", 5), ("5", 135), (None, 135))}
            scenarios["anonymous"] = lambda: refused("publisher", None, 135)
            scenarios["no such user"] = lambda: refused("publisher", "3.1.1", 5, "--user", "joe", "--password", "x")
            scenarios["retry does not help"] = lambda: refused(
                "publisher", None, 135, "--user", "jane", "--password", "wrong", "--retry")
            side_by_side(scenarios, workers=4)

    def test_a_good_password_is_not_refused(self):
        with Mosquitto(users={"jane": "secret"}) as broker:
            for version in VERSIONS:
                with example("publisher", broker, "--user", "jane", "--password", "secret", "--version", version,
                             "--interval", "0") as p:
                    same(p.finish(), 0, "exit status", p)
                    same(p.out[-1], FINISHED, "last line", p)

    def test_a_password_that_changes_between_two_connections_is_read_anew(self):
        with Mosquitto(users={"jane": "first"}) as broker:
            token = broker.directory / "token"
            token.write_text("first\n")
            with example("credentials_provider", broker, "--user", "jane", "--password-file", token, "--count", 1000,
                         "--interval", 0.05) as p:
                p.wait_line("Connected to MQTT Broker!")
                broker.stop()
                p.wait_line(lambda line: line.endswith("Connection refused"))
                broker.set_password("jane", "second")
                token.write_text("second\n")
                broker.start()
                p.wait_line("Connected to MQTT Broker!", 2)
                broker.stop()  # And now it has no password at all.
                token.unlink()
                p.wait_line(f"lost 127.0.0.1:{broker.port}: No such file or directory")
                token.write_text("third\n")
                broker.set_password("jane", "third")
                broker.start()
                p.wait_line("Connected to MQTT Broker!", 3)
                p.stop()
                same(p.process.returncode, 0, "exit status", p)

    def test_a_provider_that_has_the_wrong_password_or_none_is_told(self):
        with Mosquitto(users={"jane": "first"}) as broker:
            token = broker.directory / "token"
            for content, error in (("second\n", "not authorized"), ("", "No such file or directory")):
                token.write_text(content)
                with example("credentials_provider", broker, "--user", "jane", "--password-file", token) as p:
                    same(p.finish(), 1, "exit status", p)
                    same((p.out, p.err), ([], [f"lost 127.0.0.1:{broker.port}: {error}"]), "output", p)
            with example("credentials_provider", broker) as p:
                same(p.finish(), 1, "exit status", p)
                same(p.err, ["it needs --user and --password-file"], "errors", p)

    def test_without_a_broker_there_is_a_plain_error_at_once(self):
        def alone(program, *options):
            nobody = Address(free_port())
            with example(program, nobody, *options) as p:
                same(p.finish(), 1, "exit status", p)
                same(p.out, [], "output", p)
                same(p.err, [f"Cannot connect to 127.0.0.1:{nobody.port}: Connection refused"]
                     if program != "coroutine" else ["Connection refused"], "errors", p)
                holds(p.seconds < 9, f"took {p.seconds} s", p)

        scenarios = {program: lambda p=program: alone(p) for program in (*PROGRAMS, "coroutine")}
        scenarios |= {f"publisher {v}": lambda v=v: alone("publisher", "--version", v) for v in VERSIONS}
        side_by_side(scenarios, workers=4)

    def test_a_name_that_does_not_exist_is_a_plain_error(self):
        with example("publisher", Address(1883), "--host", "no-such-host.invalid") as p:
            same(p.finish(), 1, "exit status", p)
            same(p.out, [], "output", p)
            same(len(p.err), 1, "lines of errors", p)
            holds(p.err[0].startswith("Cannot connect to no-such-host.invalid:1883: "), "the error", p)
            holds(p.seconds < 30, f"took {p.seconds} s", p)

    def test_a_port_that_never_answers_is_given_up_after_the_time_limit(self):
        def silent(program, *options):
            with Listener(lambda connection: None) as listener:
                with example(program, listener, *options) as p:
                    same(p.finish(), 1, "exit status", p)
                    same(p.out, [], "output", p)
                    same(len(p.err), 1, "lines of errors", p)
                    holds(p.err[0].startswith(f"Cannot connect to 127.0.0.1:{listener.port}: "), "the error", p)
                    holds(9.5 < p.seconds < 30, f"took {p.seconds} s, not 10", p)
                same(len(listener.connections), 1, "connections", p)

        side_by_side({"publisher": lambda: silent("publisher"), "subscriber": lambda: silent("subscriber"),
                      "3.1.1": lambda: silent("publisher", "--version", "3.1.1"),
                      "5": lambda: silent("publisher", "--version", "5")})

    def test_a_port_that_closes_at_once_is_tried_in_both_versions_and_given_up(self):
        def level_of(connection):  # The byte behind "MQTT" in CONNECT.
            connection.settimeout(10)
            first = connection.recv(1000)
            levels.append(first[first.index(b"MQTT") + 4])
            connection.close()

        for version, wanted in ((None, [5, 4]), ("5", [5]), ("3.1.1", [4])):
            levels = []
            with Listener(level_of) as listener:
                with example("publisher", listener, *(["--version", version] if version else [])) as p:
                    same(p.finish(), 1, "exit status", p)
                    same((p.out, len(p.err)), ([], 1), "output and number of errors", p)
                    holds(p.seconds < 9, f"took {p.seconds} s", p)
                    same(levels, wanted, "versions tried", p)

    def test_a_peer_that_is_no_broker_is_a_plain_error(self):
        def web(connection):
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            connection.close()

        with Listener(web) as listener, example("publisher", listener) as p:
            same(p.finish(), 1, "exit status", p)
            same((p.out, len(p.err)), ([], 1), "output and number of errors", p)
            holds(p.seconds < 9, f"took {p.seconds} s", p)

    def test_retry_waits_for_a_broker_that_comes_later(self):
        def patient(version):
            topic = "later"
            with Mosquitto() as broker:
                broker.stop()  # Its port is known now, and nobody is there.
                options = ["--retry", "--topic", topic, "--version", version]
                with example("subscriber", broker, "--count", 5, "--interval", 0, *options) as subscriber, \
                        example("manual_ack", broker, "--count", 5, "--interval", 0, *options) as worker:
                    # Long enough to find nobody, more than once.
                    try:
                        status = subscriber.finish(2.5)
                    except AssertionError:
                        status = None
                    same(status, None, "exit status while there is no broker", subscriber)
                    same(subscriber.out, [], "output while there is no broker", subscriber)
                    broker.start()
                    subscriber.wait_line(subscribed(topic, 1))
                    broker.wait_log("Sending SUBACK", 2)
                    with example("publisher", broker, "--interval", 0, *options) as publisher:
                        same(publisher.finish(), 0, "exit status", publisher)
                        same(publisher.out, publisher_output(topic), "output", publisher)
                    same(subscriber.finish(), 0, "exit status", subscriber)
                    same(subscriber.out, subscriber_output(topic, 1), "output", subscriber)
                    same(worker.finish(), 0, "exit status", worker)

        side_by_side({version: lambda v=version: patient(v) for version in VERSIONS})

    def test_wrong_arguments_are_refused(self):
        for arguments in (["--qos", "3"], ["--port", "0"], ["--port", "x"], ["--nonsense", "1"], ["--version", "6"],
                          ["--keep-session"], ["--topic"]):
            with example("subscriber", Address(1), *arguments) as p:
                same(p.finish(), 1, f"exit status for {arguments}", p)
                same(p.out, [], "output", p)
                holds(p.err, "says why", p)


if __name__ == "__main__":
    main()
