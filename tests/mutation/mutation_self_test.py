"""mutation.py must tell mutations that are caught from those that survive and those that prove nothing.

mutation_self_test.py COMPILER: a tree of one header and one test, which answers as a program of Catch2 does.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).with_name("mutation.py")
COMPILER = sys.argv.pop() if len(sys.argv) > 1 else "c++"

HEADER = """\
#pragma once
inline int answer() {
    return 42; // As everybody knows.
}
inline int one() {
    int n = 0;
    ++n;
    return n;
}
inline int two() {
    int n = 1;
    ++n;
    return n;
}
"""

TEST = """\
#include <inflight/answer.hpp>
#include <cstdio>

static void check(const char* name, bool holds) {
    std::printf("<TestCase name=\\"%s\\">\\n<OverallResult success=\\"%s\\"/>\\n", name, holds ? "true" : "false");
}

int main() {
    check("one &lt; two", one() < two());
    check("the answer", answer() == 42);
}
"""


def mutation(name, *lines, test="answer_test.cpp", header="answer.hpp"):
    return "\n".join([f"mutation: {name}", "breaks:   v5:U5-01", f"test:     {test}", f"in {header}:", *lines, ""])


CAUGHT = mutation("wrong answer", "-    return 42;", "+    return 41;")


class Mutations(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.write("include/inflight/answer.hpp", HEADER)
        self.write("tests/answer_test.cpp", TEST)
        self.write("build/tests/mutation/libraries.txt", "\n")
        source = self.root / "tests/answer_test.cpp"
        command = f"{COMPILER} -I{self.root}/include -Wall -Werror -o answer_test.o -c {source}"
        self.write("build/compile_commands.json",
                   json.dumps([{"directory": str(self.root), "command": command, "file": str(source)}]))

    def write(self, name, text):
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run_script(self, *mutations, options=()):
        self.write("tests/mutation/self.mutations", "# One line of prose.\n\n" + "\n".join(mutations))
        done = subprocess.run([sys.executable, SCRIPT, "--root", self.root, *options], text=True, capture_output=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def fate(self, *mutations, options=()):
        """Exit status, the lines about the mutations, the last line."""
        status, output = self.run_script(*mutations, options=[self.root / "build", "--time-limit", "2", *options])
        lines = output.splitlines()
        self.assertTrue(lines[0].startswith("unmutated: 1 test files pass"), output)
        return status, "\n".join(lines[1:-1]), lines[-1]

    def assert_broken(self, why, *lines, **where):
        status, fates, last = self.fate(mutation("this one", *lines, **where), CAUGHT)
        self.assertEqual(status, 1)
        self.assertRegex(fates, f"(?m)^BROKEN .* this one: .*{why}")
        self.assertEqual(last, "2 mutations, 1 caught, 1 broken")

    def test_a_mutation_that_a_case_sees_is_caught_by_the_first_such_case(self):
        status, fates, last = self.fate(CAUGHT)
        self.assertEqual((status, last), (0, "1 mutations, 1 caught"))
        self.assertRegex(fates, "^caught .* wrong answer: by 'the answer'$")
        _, fates, _ = self.fate(mutation("both wrong", "-    return 42;", "+    return 41;", " }", " inline int one() {",
                                         "-    int n = 0;", "+    int n = 1;"))
        self.assertRegex(fates, "by 'one < two'$")

    def test_a_mutation_that_changes_nothing_survives(self):
        status, fates, last = self.fate(mutation("another comment", "-    return 42;", "+    return 42; // As nobody knows."))
        self.assertEqual((status, last), (1, "1 mutations, 0 caught, 1 survived"))
        self.assertRegex(fates, "^SURVIVED .* another comment: all of answer_test.cpp passes$")

    def test_a_mutation_that_cannot_be_applied_is_broken(self):
        self.assert_broken("found 0 times", "-    return 43;")
        self.assert_broken("found 2 times", "-    ++n;")
        self.assert_broken("no such header", "-    return 42;", header="question.hpp")
        self.assert_broken("no such test", "-    return 42;", test="question_test.cpp")

    def test_a_mutation_that_does_not_compile_is_broken(self):
        self.assert_broken("does not compile: .*answer.hpp:3", "-    return 42;", "+    return question;")

    def test_a_mutation_that_makes_the_tests_hang_is_broken(self):
        self.assert_broken("hang", "-    return 42;", "+    for (volatile int n = 0;;) n = 1;")

    def test_a_mutation_that_ends_the_tests_without_a_failed_case_is_broken(self):
        self.assert_broken("no case says why", " #pragma once", "+#include <cstdlib>", " inline int answer() {",
                           "-    return 42;", "+    std::_Exit(3);")

    def test_neither_indentation_nor_comments_are_compared_and_context_stays(self):
        status, output = self.run_script(mutation("n", " int n = 1; // Any.", "-++n;", "+    n += 1;"), options=["--diff"])
        self.assertEqual(status, 0)
        self.assertEqual(output.splitlines()[-5:], ["     int n = 1;", "-    ++n;", "+    n += 1;", "     return n;", " }"])

    def test_nothing_is_said_about_mutations_if_the_tests_fail_without(self):
        self.write("include/inflight/answer.hpp", HEADER.replace("42;", "43;"))
        status, output = self.run_script(mutation("right answer", "-    return 43;", "+    return 42;"),
                                         options=[self.root / "build"])
        self.assertEqual(status, 1)
        self.assertIn("UNMUTATED answer_test.cpp fails: the answer\n", output)
        self.assertNotIn("right answer", output)

    def test_a_check_applies_all_and_runs_nothing(self):
        self.assertEqual(self.run_script(CAUGHT, options=["--check"]), (0, "1 mutations, 1 can be applied\n"))
        status, output = self.run_script(CAUGHT, mutation("gone", "-    return 43;"), options=["--check"])
        self.assertEqual(status, 1)
        self.assertIn("BROKEN    gone: found 0 times", output)
        self.assertTrue(output.endswith("2 mutations, 1 can be applied\n"), output)

    def test_no_mutations_at_all_is_an_error(self):
        self.assertEqual(self.run_script(options=["--check"])[0], 1)

    def test_what_is_not_understood_is_named_with_its_line(self):
        status, output = self.run_script("mutation: a\nproves: nothing\n", options=["--check"])
        self.assertEqual(status, 1)
        self.assertIn("self.mutations:4: not understood: proves: nothing", output)


if __name__ == "__main__":
    unittest.main()
