"""The examples against aedes, a broker for Node.js that speaks 3.1.1 only. Needs npm and its registry."""
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import unittest

from brokers import Aedes
from programs import FINISHED, example, holds, main, run_pair, same, side_by_side


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = cls.enterClassContext(Aedes())

    def test_publisher_and_subscriber_print_what_is_promised(self):
        # Without a version the client tries 5.0, is refused, and falls back by itself.
        side_by_side({f"version {v}, QoS {q}": lambda v=v, q=q: run_pair(self.broker, f"pair/{v}/{q}", q, v)
                      for v in (None, "3.1.1") for q in (0, 1, 2)}, workers=2)

    def test_a_required_version_does_not_fall_back(self):
        with example("publisher", self.broker, "--version", "5") as p:
            same(p.finish(), 1, "exit status", p)
            holds(not any(line.startswith(("Connected", "Sent")) for line in p.out), "output", p)
            holds(p.err, "says why", p)
            holds(p.seconds < 5, f"took {p.seconds} s", p)

    def test_a_bad_password_is_refused_and_a_good_one_is_not(self):
        for options in ([], ["--version", "3.1.1"]):
            with example("publisher", self.broker, "--user", "jane", "--password", "wrong", *options) as p:
                same(p.finish(), 1, "exit status", p)
                same(p.out, ["Failed to connect, return code 4"], "output", p)
            with example("publisher", self.broker, "--user", "jane", "--password", "secret", "--interval", 0,
                         *options) as p:
                same(p.finish(), 0, "exit status", p)
                same(p.out[-1], FINISHED, "last line", p)


if __name__ == "__main__":
    main()
