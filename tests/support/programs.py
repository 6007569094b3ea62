"""Runs programs for the integration and interop tests: their output line by line, with a time limit on everything.

Whatever is started here is stopped by its pid when its `with` block, or at the latest this process, ends.
"""
import atexit
import concurrent.futures
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

SOURCE_DIR = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = pathlib.Path(os.environ.get("INFLIGHT_EXAMPLES", SOURCE_DIR / "build/gcc/examples"))
LIMIT = 120  # Seconds: for what takes two at most on an idle machine.

VERSIONS = ("5", "3.1.1")
QOS = (0, 1, 2)


class Failed(AssertionError):
    pass


def eventually(condition, what, limit=LIMIT, interval=0.02):
    """Waits until condition() is true, and returns what it returned."""
    end = time.monotonic() + limit
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failed(f"not within {limit} s: {what() if callable(what) else what}")
        time.sleep(interval)


def free_port():
    """A port that nobody listens on. Another program may take it before we do: who starts a server tries again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    """Whether somebody listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Program:
    """A process, the lines it has written so far, and a way to wait for more of them."""

    _running = set()

    def __init__(self, *command, name=None, **popen):
        self.command = [str(part) for part in command]
        self.name = name or os.path.basename(self.command[0])
        self.out, self.err = [], []
        self._news = threading.Condition()
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, **popen)
        Program._running.add(self)
        self._readers = [threading.Thread(target=self._read, args=pair, daemon=True)
                         for pair in ((self.process.stdout, self.out), (self.process.stderr, self.err))]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines):
        for line in stream:
            with self._news:
                lines.append(line.decode(errors="backslashreplace").rstrip("\n"))
                self._news.notify_all()
        stream.close()
        with self._news:
            self._news.notify_all()

    @property
    def pid(self):
        return self.process.pid

    def wait_line(self, line, count=1, limit=LIMIT):
        """Waits until `line`, a text or a predicate, has been written `count` times to standard output or error."""
        is_it = line if callable(line) else lambda text: text == line
        end = time.monotonic() + limit
        with self._news:
            while sum(map(is_it, self.out + self.err)) < count:
                if not any(reader.is_alive() for reader in self._readers):
                    raise Failed(f"ended without {line!r}\n{self}")
                if time.monotonic() > end:
                    raise Failed(f"did not write {line!r} within {limit} s\n{self}")
                self._news.wait(0.1)

    def finish(self, limit=LIMIT):
        """Waits for the end; returns the exit status."""
        try:
            status = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise Failed(f"still runs after {limit} s\n{self}") from None
        self.seconds = time.monotonic() - self.started
        for reader in self._readers:
            reader.join(5)
        Program._running.discard(self)
        return status

    def send(self, number):
        if self.process.poll() is None:
            self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM, limit=20):
        """Ends it, if it still runs: politely, then by force."""
        try:
            self.send(number)
            self.send(signal.SIGCONT)
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            Program._running.discard(self)
            for reader in self._readers:
                reader.join(5)

    def kill(self):
        return self.stop(signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def __str__(self):
        status = self.process.poll()
        lines = [f"--- {' '.join(self.command)}", f"    (pid {self.pid}, exit status {status})"]
        lines += [f"  out| {line[:500]}" for line in self.out[-60:]]
        lines += [f"  err| {line[:500]}" for line in self.err[-60:]]
        return "\n".join(lines)

    @classmethod
    def stop_all(cls):
        for program in list(cls._running):
            program.stop(limit=5)


atexit.register(Program.stop_all)


def example(name, broker, *arguments):
    """One of our examples, talking to `broker`: something with a port."""
    program = EXAMPLES / name
    return Program(program, "--host", "127.0.0.1", "--port", broker.port, *arguments, name=name)


def side_by_side(scenarios, workers=8):
    """Runs all of `scenarios`, a map from names to functions, several at a time. Fails with the failures of all."""
    failures = []
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        futures = {pool.submit(run): name for name, run in scenarios.items()}
        for future in concurrent.futures.as_completed(futures):
            if future.exception() is not None:
                failures.append(f"=== {futures[future]}: {type(future.exception()).__name__}: {future.exception()}")
    if failures:
        raise Failed("\n".join(failures))


def same(got, wanted, what, *programs):
    """`got` is `wanted`, or the test fails and shows both and what the programs wrote."""
    if got != wanted:
        raise Failed("\n".join([f"{what}:", f"  wanted {wanted!r}", f"  got    {got!r}", *map(str, programs)]))


def holds(condition, what, *programs):
    if not condition:
        raise Failed("\n".join([what, *map(str, programs)]))


def temporary_directory(prefix="inflight-test-"):
    return tempfile.TemporaryDirectory(prefix=prefix)


def npm_install(directory, *packages):
    """Packages from npm's registry; why not, if that is not possible."""
    if not shutil.which("npm") or not shutil.which("node"):
        return "npm is not installed"
    (pathlib.Path(directory) / "package.json").write_text("{}")
    environment = os.environ | {"npm_config_fetch_retries": "1", "npm_config_fetch_timeout": "30000"}
    with Program("npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages, cwd=directory,
                 env=environment) as npm:
        try:
            status = npm.finish(120)
        except Failed:
            return f"npm install {' '.join(packages)} does not end\n{npm}"
        return None if status == 0 else f"npm install {' '.join(packages)} fails\n{npm}"


# What the two examples print.

CONNECTED = "Connected to MQTT Broker!"
FINISHED = "Publisher finished."


def publisher_output(topic, count=5, mids=None):
    mids = mids or range(1, count + 1)
    sent = [f"Sent `temp:{20 + i}` to topic `{topic}` (MID: {mid})" for i, mid in zip(range(count), mids)]
    return [CONNECTED, *sent, FINISHED]


def subscribed(topic, qos):
    return f"Subscribed to topic: {topic} with QoS {qos}"


def received(topic, qos, i):
    return f"Received message: 'temp:{20 + i}' on topic '{topic}' with QoS {qos}"


def subscriber_output(topic, qos, count=5):
    return [CONNECTED, subscribed(topic, qos), *(received(topic, qos, i) for i in range(count))]


def run_pair(broker, topic, qos, version=None, granted=None, extra=("--interval", "0.02")):
    """Publisher and subscriber side by side; both outputs are compared with the promised ones, line by line."""
    granted = qos if granted is None else granted
    options = ["--topic", topic, "--qos", qos, *extra]
    if version:
        options += ["--version", version]
    with example("subscriber", broker, "--count", 5, *options) as subscriber:
        subscriber.wait_line(subscribed(topic, granted))
        with example("publisher", broker, *options) as publisher:
            status = publisher.finish()
            same((status, publisher.err), (0, []), "exit status and errors of the publisher", publisher)
            same(publisher.out, publisher_output(topic), "output of the publisher", publisher)
        status = subscriber.finish()
        same((status, subscriber.err), (0, []), "exit status and errors of the subscriber", subscriber)
        same(subscriber.out, subscriber_output(topic, granted), "output of the subscriber", subscriber)
    return publisher, subscriber


def main():
    """Runs the test cases of the calling script. Exit status 77, by which ctest knows it: all were skipped."""
    def terminated(*_):
        sys.exit(143)

    signal.signal(signal.SIGTERM, terminated)
    result = unittest.main(module="__main__", exit=False, verbosity=2).result
    sys.stdout.flush()
    if not result.wasSuccessful():
        sys.exit(1)
    if result.skipped and len(result.skipped) >= result.testsRun:
        for _, reason in result.skipped:
            print("SKIPPED:", reason)
        sys.exit(77)
    if result.testsRun == 0:
        print("there is no test in this script")
        sys.exit(1)
