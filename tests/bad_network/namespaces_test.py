"""Networks that fail without a word: a client and a broker in network namespaces of their own, a router between them that
drops what it is told to drop, name servers that fail or hang. Needs the right to make namespaces; else it is skipped."""
import os
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import shutil
import signal
import subprocess
import time
import unittest

from brokers import find
from programs import Program, eventually, holds, main, same, side_by_side, temporary_directory

PROBE = os.environ.get("INFLIGHT_PROBE", "")
PAUSE = float(os.environ.get("INFLIGHT_NETWORK_PAUSE", "4"))  # Seconds without any network; the minute: 60.
NOTICED = 1.5 * 2 + 0.9  # 1.5 times the keep alive of two seconds; the machine has others to serve.
VERSIONS = ("5", "3.1.1")


def ip(*arguments):
    subprocess.run([find("ip"), *arguments], check=True, capture_output=True)


def may_make_namespaces():
    name = f"inflight-{os.getpid()}-x"
    try:
        ip("netns", "add", name)
        ip("netns", "del", name)
        return True
    except Exception:
        return False


class Net:
    """client (10.99.1.2) - router - server (10.99.2.2), and Mosquitto there."""

    port = 1883  # In a namespace of ours every port is free.
    host = "10.99.2.2"

    def __init__(self, number):
        self.client, self.router, self.server = (f"inflight-{os.getpid()}-{number}{end}" for end in "crs")
        self._temporary = temporary_directory()
        self.etc = pathlib.Path("/etc/netns") / self.client
        self.broker = None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        for name in (self.client, self.router, self.server):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        for end, net in ((self.client, 1), (self.server, 2)):
            ip("link", "add", "net0", "netns", end, "type", "veth", "peer", "name", f"to{net}", "netns", self.router)
            ip("-n", end, "addr", "add", f"10.99.{net}.2/24", "dev", "net0")
            ip("-n", self.router, "addr", "add", f"10.99.{net}.1/24", "dev", f"to{net}")
            ip("-n", end, "link", "set", "net0", "up")
            ip("-n", self.router, "link", "set", f"to{net}", "up")
            ip("-n", end, "route", "add", "default", "via", f"10.99.{net}.1")
        ip("netns", "exec", self.router, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        self.etc.mkdir(parents=True)
        (self.etc / "hosts").write_text("127.0.0.1 localhost\n")
        (self.etc / "resolv.conf").write_text("nameserver 10.99.1.1\n")  # Where nobody answers, and says so.
        config = pathlib.Path(self._temporary.name) / "conf"
        config.write_text(f"listener {self.port}\nuser root\nallow_anonymous true\nmax_queued_messages 0\n")
        self.broker = self.run(self.server, find("mosquitto"), "-c", config)
        eventually(lambda: subprocess.run([find("ip"), "netns", "exec", self.server, "sh", "-c",
                                           f"grep -q :075B /proc/net/tcp"]).returncode == 0, "Mosquitto listens")

    def __exit__(self, *_):
        if self.broker:
            self.broker.stop()
        for name in (self.client, self.router, self.server):
            subprocess.run([find("ip"), "netns", "del", name], capture_output=True)
        shutil.rmtree(self.etc, ignore_errors=True)
        try:
            self.etc.parent.rmdir()  # Unless somebody else has something there.
        except OSError:
            pass
        self._temporary.cleanup()

    def run(self, where, *command, name=None):
        return Program(find("ip"), "netns", "exec", where, *command, name=name)

    def probe(self, version, host=None):
        return self.run(self.client, PROBE, host or self.host, self.port, version, name="probe")

    def drop(self, *ends):
        """The router drops all that is for these ends, without a word."""
        for end in ends:
            ip("-n", self.router, "route", "add", "blackhole", f"10.99.{end}.2/32")

    def pass_again(self, *ends):
        for end in ends:
            ip("-n", self.router, "route", "del", "blackhole", f"10.99.{end}.2/32")


def is_loss(line):
    return line.startswith("disconnected")


def finish(probe):
    """Everything that was accepted has been acknowledged and has come back."""
    probe.send(signal.SIGTERM)
    same(probe.finish(), 0, "exit status", probe)
    words = probe.out[-1].split()
    holds(words[0] == words[2] and int(words[4]) >= int(words[0]) > 0, "everything arrived", probe)
    print(f"{probe.command[-1]}: {probe.out[-1]}", flush=True)


@unittest.skipUnless(may_make_namespaces(), "no right to make network namespaces")
class Namespaces(unittest.TestCase):
    def half_open(self, number, version, ends):
        with Net(number) as net, net.probe(version) as probe:
            probe.wait_line("subscribed")
            start = time.monotonic()
            net.drop(*ends)
            probe.wait_line(is_loss)
            noticed = time.monotonic() - start
            net.pass_again(*ends)
            start = time.monotonic()
            probe.wait_line("connected", 2)
            again = time.monotonic() - start
            print(f"{version}, dropped towards {ends}: noticed after {noticed:.2f} s, connected {again:.2f} s after the end",
                  flush=True)
            holds(noticed < NOTICED, f"noticed after {noticed} s", probe)
            holds(again < 10, f"connected again after {again} s", probe)
            finish(probe)

    def test_a_half_open_connection_is_noticed_in_time_and_nothing_is_lost(self):
        ways = {"both": (1, 2), "to the server": (2,), "to the client": (1,)}
        side_by_side({f"{v}, {way}": lambda v=v, n=n, ends=ends: self.half_open(n, v, ends)
                      for n, (v, way, ends) in enumerate((v, way, ends) for v in VERSIONS for way, ends in ways.items())}, 3)

    def no_network(self, number, version):
        with Net(number) as net, net.probe(version) as probe:
            probe.wait_line("subscribed")
            ip("-n", net.client, "link", "set", "net0", "down")
            start = time.monotonic()
            probe.wait_line(is_loss)
            noticed = time.monotonic() - start
            time.sleep(PAUSE)  # This is what is tested.
            ip("-n", net.client, "link", "set", "net0", "up")
            ip("-n", net.client, "route", "add", "default", "via", "10.99.1.1")
            start = time.monotonic()
            probe.wait_line("connected", 2)
            print(f"{version}, no network for {PAUSE} s: noticed after {noticed:.2f} s, connected "
                  f"{time.monotonic() - start:.2f} s after its return", flush=True)
            holds(noticed < NOTICED, f"noticed after {noticed} s", probe)
            finish(probe)

    def test_after_a_time_without_any_network_all_goes_on(self):
        side_by_side({v: lambda v=v, n=n: self.no_network(10 + n, v) for n, v in enumerate(VERSIONS)})

    def names(self, number, hangs):
        with Net(number) as net:
            if hangs:
                (net.etc / "resolv.conf").write_text("nameserver 10.99.2.3\n")
                ip("-n", net.router, "route", "add", "blackhole", "10.99.2.3/32")
            with net.probe("5", "broker.example") as probe, net.probe("5", "broker.example") as victim:
                time.sleep(3)  # This is what is tested: several attempts without an answer.
                holds(probe.out == [] and probe.process.poll() is None, "still tries", probe)
                start = time.monotonic()
                victim.send(signal.SIGINT)
                same(victim.finish(), 0, "exit status", victim)
                ended = time.monotonic() - start
                holds(ended < 4, f"a look-up kept the program for {ended} s", victim)
                with open(net.etc / "hosts", "a") as hosts:
                    hosts.write(f"{net.host} broker.example\n")
                start = time.monotonic()
                probe.wait_line("subscribed")
                print(f"DNS that {'hangs' if hangs else 'fails'}: ended within {ended:.2f} s, connected "
                      f"{time.monotonic() - start:.2f} s after the name was known", flush=True)
                finish(probe)

    def test_name_servers_that_fail_or_hang_are_a_passing_trouble(self):
        side_by_side({str(h): lambda h=h, n=n: self.names(20 + n, h) for n, h in enumerate((False, True))})


if __name__ == "__main__":
    main()
