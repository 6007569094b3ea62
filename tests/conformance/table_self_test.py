"""Proves that table.py sees each mistake that it is there for, and none where there is none."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TABLE = pathlib.Path(__file__).resolve().parent / "table.py"
HEADER = "id,section,applies_to,paraphrase,testable,expected\n"
LISTS = {
    "mqtt-3.1.1.csv": HEADER + "MQTT-1.0.0-1,1,codec,Old.,unit codec,\n",
    "mqtt-5.0.csv": HEADER + "MQTT-1.0.0-1,1,both,New.,unit codec,\nMQTT-1.0.0-2,1,server-only,Theirs.,not testable,\n",
    "unnumbered.csv": HEADER + "U5-01,1,codec,Five.,unit codec,\nU3-01,1,codec,Three.,unit codec,\n",
    "excused.csv": "id,reason\nv5:U5-01,Nobody can see it.\nv3:U3-01,Nor this.\n",
}
PROOF = 'TEST_CASE("a [ bracket; and a { brace",\n          "[codec][v5:MQTT-1.0.0-1]"\n          "[v3:MQTT-1.0.0-1]") {}\n'


class Table(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        for file, text in LISTS.items():
            self.write("tests/conformance/" + file, text)
        self.write("tests/codec/sample_test.cpp", PROOF)
        self.assertIn("0 mistakes", self.run_table("--write"))

    def write(self, file, text):
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_table(self, *options):
        done = subprocess.run([sys.executable, TABLE, "--root", self.root, *options], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0 if " 0 mistakes" in done.stdout else 1, ""))
        return done.stdout

    def finds(self, mistake):
        output = self.run_table("--write")
        self.assertIn(mistake, output)
        self.assertIn(" 1 mistakes", output)
        return output

    def test_everything_proven_or_excused_is_no_mistake_and_every_excuse_is_printed(self):
        self.write("include/sample.hpp", "// Obeys v5:U5-01. [v5:MQTT-1.0.0-2]\n")
        self.assertEqual(self.run_table().splitlines(), [
            "excused: v3:U3-01: Nor this.", "excused: v5:U5-01: Nobody can see it.",
            "2 proven, 2 excused, 1 server-only, 0 without proof or reason, 0 unknown ids, 0 mistakes"])

    def test_the_table_names_file_and_test_of_each_proof(self):
        text = (self.root / "tests/conformance/README.md").read_text()
        link = "[codec/sample_test.cpp](../codec/sample_test.cpp): a [ bracket; and a { brace"
        self.assertIn(f"| MQTT-1.0.0-1 | New. | {link} |\n", text)
        self.assertIn("| MQTT-1.0.0-2 | Theirs. | server-only |\n", text)
        self.assertIn("| U5-01 | Five. | excused: Nobody can see it. |\n", text)

    def test_a_python_test_proves_what_is_written_above_it(self):
        self.write("tests/codec/sample_test.cpp", PROOF.replace("[v3:MQTT-1.0.0-1]", ""))
        self.write("tests/integration/some_test.py", "    # proves: v3:MQTT-1.0.0-1\n    def test_it_works(self):\n")
        self.assertIn("0 mistakes", self.run_table("--write"))
        self.assertIn("): it works |", (self.root / "tests/conformance/README.md").read_text())

    def test_a_statement_without_proof_or_reason(self):
        self.write("tests/codec/sample_test.cpp", PROOF.replace("[v3:MQTT-1.0.0-1]", ""))
        self.assertIn(" 1 without proof or reason", self.finds("v3:MQTT-1.0.0-1 is neither proven nor excused: Old."))

    def test_a_comment_in_a_test_proves_nothing(self):
        self.write("tests/codec/sample_test.cpp", "// " + PROOF.replace("\n", " ") + "// v3:MQTT-1.0.0-1\n")
        self.assertIn(" 2 without proof or reason", self.run_table("--write"))

    def test_a_test_of_the_test_server_proves_nothing_of_the_client(self):
        self.write("tests/codec/sample_test.cpp", PROOF.replace("[v3:MQTT-1.0.0-1]", ""))
        self.write("tests/testing/server_test.cpp", 'TEST_CASE("x", "[v3:MQTT-1.0.0-1][v5:MQTT-1.0.0-2]") {}')
        self.finds("v3:MQTT-1.0.0-1 is neither proven nor excused")
        text = (self.root / "tests/conformance/README.md").read_text()
        self.assertIn("| server-only<br>[testing/server_test.cpp](../testing/server_test.cpp): x |", text)

    def test_an_unknown_id_of_a_tag_a_header_and_an_excuse(self):
        for file, text in {"tests/codec/other_test.cpp": 'TEST_CASE("x", "[v3:MQTT-1.0.0-2]") {}',
                           "include/sample.hpp": "// [v3:U5-01]",
                           "tests/conformance/excused.csv": LISTS["excused.csv"] + "v5:MQTT-1.0.0-9,None.\n"}.items():
            with self.subTest(file):
                self.write(file, text)
                self.assertIn(" 1 unknown ids", self.finds("no such statement: v"))
                self.write(file, LISTS["excused.csv"] if file.endswith("csv") else "")

    def test_an_id_without_a_version(self):
        self.write("include/sample.hpp", "// [MQTT-1.0.0-1]")
        self.finds("include/sample.hpp: MQTT-1.0.0-1 names no version")

    def test_five_statements_in_one_case(self):
        self.write("tests/codec/other_test.cpp", 'TEST_CASE("x",\n "[v5:MQTT-1.0.0-1]' + "[v5:MQTT-1.0.0-1]" * 4 + '") {}')
        self.finds("tests/codec/other_test.cpp: 5 statements in one case, 4 at most: x")

    def test_a_proof_that_ci_does_not_run(self):
        self.write("tests/interop/other_test.cpp", 'TEST_CASE("x", "[v5:MQTT-1.0.0-1]") {}')
        self.finds("tests/interop/other_test.cpp: CI does not run what is to prove v5:MQTT-1.0.0-1: x")
        self.write("tests/interop/other_test.cpp", "")
        self.write("tests/codec/other_test.cpp", 'TEST_CASE("x", "[.slow][v5:MQTT-1.0.0-1]") {}')
        self.finds("tests/codec/other_test.cpp: CI does not run")

    def test_an_excuse_for_what_needs_none_or_without_a_reason(self):
        for name, mistake in {"v5:MQTT-1.0.0-1,No.": "it is proven", "v5:MQTT-1.0.0-2,No.": "it is server-only"}.items():
            with self.subTest(name):
                self.write("tests/conformance/excused.csv", LISTS["excused.csv"] + name + "\n")
                self.finds(f"excused.csv: {name[:-4]} needs no excuse: {mistake}")
        self.write("tests/conformance/excused.csv", LISTS["excused.csv"].replace("Nobody can see it.", " "))
        self.assertIn("excused.csv: v5:U5-01 without a reason", self.run_table("--write"))

    def test_a_table_that_is_out_of_date(self):
        self.write("tests/codec/sample_test.cpp", PROOF.replace("brace", "curly"))
        self.assertIn("README.md is out of date: run tests/conformance/table.py --write", self.run_table())


if __name__ == "__main__":
    unittest.main()
