"""Captures what goes over a port of this machine, with tshark; needs the right to."""
import pathlib
import shutil
import signal
import socket
import subprocess
import unittest

from programs import Program, eventually, temporary_directory

CAPTURE_LIMIT = 30


class Capture:
    """Everything on the port, between `with` and its end; its file goes with the test. `dissector` is what tshark takes it
    for."""

    def __init__(self, test, port, dissector):
        if not shutil.which("tshark"):
            raise unittest.SkipTest("tshark is not installed")
        self.port = port
        self.decode = ["-d", f"tcp.port=={port},{dissector}"]
        directory = pathlib.Path(test.enterContext(temporary_directory()))
        directory.chmod(0o777)  # The capturing program may give up root's rights.
        self.file = directory / "capture.pcapng"

    def __enter__(self):
        self.tshark = Program("tshark", "-i", "lo", "-f", f"tcp port {self.port}", "-w", self.file, "-P", "-l", *self.decode)
        eventually(lambda: self.tshark.process.poll() is not None or
                   any("Capture started" in line for line in self.tshark.err), lambda: f"tshark captures\n{self.tshark}",
                   CAPTURE_LIMIT)
        if self.tshark.process.poll() is not None:
            raise unittest.SkipTest(f"capturing is not permitted\n{self.tshark}")
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self._wait_for_the_last()
        finally:
            self.tshark.stop(signal.SIGINT)

    def _wait_for_the_last(self):
        # A connection from a port of its own, which is captured after all that was before it.
        with socket.create_connection(("127.0.0.1", self.port)) as mark:
            number = str(mark.getsockname()[1])
        eventually(lambda: any(number in line.split() for line in self.tshark.out),
                   lambda: f"the connection from port {number} is captured\n{self.tshark}", CAPTURE_LIMIT)

    def read(self, *arguments):
        """What tshark makes of it, as text."""
        done = subprocess.run(["tshark", "-r", self.file, *self.decode, *arguments], capture_output=True, text=True,
                              timeout=60, check=True)
        return done.stdout

    def payload(self):
        """Every byte that went over the port, as it went."""
        return b"".join(bytes.fromhex(line) for line in self.read("-T", "fields", "-e", "tcp.payload").split())
