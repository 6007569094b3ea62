"""Breaks the library in small, plausible ways, one at a time, and demands that the tests see each of them.

The mutations stand in the *.mutations files beside this script; tests/README.md says how they are written. For each
one the changed headers are put into a folder of their own, which is searched before include/; the one test
file that is to see it is compiled against them and run. Before that, the same test files must pass unchanged.

A mutation is caught when a test case fails. One that no case sees has survived. One that cannot be applied or
compiled, or that makes the tests hang or end without naming a case, is broken: it proves nothing.
"""
import argparse
import collections
import concurrent.futures
import dataclasses
import difflib
import html
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

# No warnings, which a mutation may well cause, and no debug information, which nobody will look at. A test that waits in
# vain fails after 20 seconds instead of minutes: tests/support/watched.hpp.
COMPILE_FLAGS = ["-w", "-g0", "-DINFLIGHT_PATIENCE=20"]
SANITIZE_FLAGS = ["-fsanitize=address"]
# A report of AddressSanitizer becomes a signal, which Catch2 turns into a failure of the case that runs.
ENVIRONMENT = os.environ | {"ASAN_OPTIONS": "abort_on_error=1:symbolize=0"}


class Broken(Exception):
    """Why nothing can be said about a mutation."""


# Reading the mutations.

@dataclasses.dataclass
class Hunk:
    header: str  # Below include/inflight.
    lines: list = dataclasses.field(default_factory=list)  # Each with its sign: "-", "+", or " " for what stays.


@dataclasses.dataclass
class Mutation:
    name: str
    test: str = ""  # Below tests.
    with_sanitizer: bool = False
    hunks: list = dataclasses.field(default_factory=list)

    def unit(self):
        return self.test, self.with_sanitizer


def read_mutations(file):
    mutations = []
    for number, line in enumerate(file.read_text().splitlines(), 1):
        def wrong(what):
            sys.exit(f"{file}:{number}: {what}: {line}")

        if not line or line.startswith("#"):
            continue
        word, _, value = (part.strip() for part in line.partition(":"))
        if line[0] in "-+ ":
            if not mutations or not mutations[-1].hunks:
                wrong("no 'in HEADER:' before this")
            mutations[-1].hunks[-1].lines.append(line)
        elif word == "mutation":
            mutations.append(Mutation(value))
        elif not mutations:
            wrong("no 'mutation:' before this")
        elif word.startswith("in "):
            mutations[-1].hunks.append(Hunk(word.removeprefix("in ").strip()))
        elif word == "test":
            mutations[-1].test = value
        elif word == "with" and value == "AddressSanitizer":
            mutations[-1].with_sanitizer = True
        elif word != "breaks":
            wrong("not understood")
    return mutations


# Applying them.

def bare(line):
    """What of a line of code counts: neither its indentation nor the comment at its end."""
    return re.sub(r"\s*//.*", "", line).strip()


def apply_hunk(hunk, text):
    lines = text.splitlines()
    code = [bare(line) for line in lines]
    old = [bare(line[1:]) for line in hunk.lines if line[0] != "+"]
    found = [i for i in range(len(code)) if code[i:i + len(old)] == old]
    if len(found) != 1 or not old:
        raise Broken(f"found {len(found)} times in {hunk.header}, must be once: {' | '.join(old)}")
    rest = iter(lines[found[0]:])
    new = lines[:found[0]]
    for line in hunk.lines:
        if line[0] == "+":
            new.append(line[1:])
        elif line[0] == "-":
            next(rest)
        else:
            new.append(next(rest))
    return "\n".join([*new, *rest, ""])


def mutated_headers(mutation, root):
    """The headers that the mutation changes: their new texts by their names."""
    texts = {}
    for hunk in mutation.hunks:
        file = root / "include/inflight" / hunk.header
        if not file.is_file():
            raise Broken(f"no such header: {hunk.header}")
        texts[hunk.header] = apply_hunk(hunk, texts.get(hunk.header) or file.read_text())
    if not texts:
        raise Broken("changes nothing")
    if not (root / "tests" / mutation.test).is_file():
        raise Broken(f"no such test: {mutation.test or 'none is named'}")
    return texts


def diff_of(mutation, root):
    for header, text in mutated_headers(mutation, root).items():
        old = (root / "include/inflight" / header).read_text()
        name = f"include/inflight/{header}"
        yield from difflib.unified_diff(old.splitlines(), text.splitlines(), f"a/{name}", f"b/{name}", lineterm="")


# Building and running.

def sources_of(unit):
    """The files of which the build tree makes this one unit: of more than one in a unity build."""
    if unit.parent.name != "Unity":
        return [unit.resolve()]
    return [(unit.parent / name).resolve() for name in re.findall(r'^#include "(.*)"$', unit.read_text(), re.MULTILINE)]


class Toolchain:
    """Compiles single test files the way the build tree does."""

    def __init__(self, root, build, time_limit):
        self.root = root
        self.time_limit = time_limit  # For running the tests, in seconds.
        self.commands = {}
        for entry in json.loads((build / "compile_commands.json").read_text()):
            command = entry.get("arguments") or shlex.split(entry["command"])
            for source in sources_of(pathlib.Path(entry["file"])):
                self.commands[source] = (command, entry["directory"])
        self.libraries = shlex.split((build / "tests/mutation/libraries.txt").read_text())

    def build(self, unit, overlay, program):
        """Makes `program` of a test file; headers below `overlay` come before those of the tree."""
        test, with_sanitizer = unit
        source = (self.root / "tests" / test).resolve()
        if source not in self.commands:
            raise Broken(f"the build tree does not compile {test}")
        command, directory = self.commands[source]
        keep = [a for i, a in enumerate(command[1:], 1) if a not in ("-o", "-c") and command[i - 1] not in ("-o", "-c")]
        flags = COMPILE_FLAGS + (SANITIZE_FLAGS if with_sanitizer else [])
        done = subprocess.run([command[0], f"-I{overlay}", *keep, *flags, source, *self.libraries, "-pthread", "-o", program],
                              cwd=directory, text=True, capture_output=True)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error" in line]
            raise Broken("does not compile: " + (errors or [done.stderr.strip() or "no message"])[0])


Run = collections.namedtuple("Run", "passed, failed_case")


def run_tests(program, directory, time_limit):
    """Up to the first case that fails."""
    command = [program, "--abort", "--reporter", "xml"]
    with subprocess.Popen(command, cwd=directory, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, errors="replace") as process:
        try:
            output, _ = process.communicate(timeout=time_limit)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            raise Broken(f"the tests hang, in {last_case(output)}") from None
    case = None
    for name, failure in re.findall(r'<TestCase name="([^"]*)"|<OverallResult success="(false)"', output):
        if failure:
            return Run(False, html.unescape(case or "a case without a name"))
        case = name
    if process.returncode:
        raise Broken(f"the tests end with {process.returncode}, and no case says why; the last was {last_case(output)}")
    return Run(case is not None, None)


def last_case(output):
    names = re.findall(r'<TestCase name="([^"]*)"', output)
    return f"'{html.unescape(names[-1])}'" if names else "no case at all"


def try_unit(toolchain, unit, headers):
    with tempfile.TemporaryDirectory(prefix="inflight-mutation-") as name:
        directory = pathlib.Path(name)
        for header, text in headers.items():
            file = directory / "include/inflight" / header
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        toolchain.build(unit, directory / "include", directory / "tests")
        return run_tests(directory / "tests", directory, toolchain.time_limit)


# The whole.

def check_unmutated(pool, toolchain, units):
    """Without a mutation all must pass, else being caught means nothing. True if so."""
    started = time.monotonic()
    runs = {unit: pool.submit(try_unit, toolchain, unit, {}) for unit in units}
    good = True
    for (test, with_sanitizer), run in runs.items():
        try:
            why = None if run.result().passed else run.result().failed_case or "it has no cases"
        except Broken as problem:
            why = problem
        if why:
            good = False
            print(f"UNMUTATED {test}{' with AddressSanitizer' if with_sanitizer else ''} fails: {why}")
    print(f"unmutated: {len(units)} test files {'pass' if good else 'DO NOT ALL PASS'}, {time.monotonic() - started:.0f} s", flush=True)
    return good


def try_mutation(toolchain, mutation):
    """Its fate, and a line that tells it."""
    started = time.monotonic()
    try:
        run = try_unit(toolchain, mutation.unit(), mutated_headers(mutation, toolchain.root))
        fate, how = ("SURVIVED", f"all of {mutation.test} passes") if run.passed else ("caught", f"by '{run.failed_case}'")
    except Broken as problem:
        fate, how = "BROKEN", str(problem)
    return fate, f"{fate:8} {time.monotonic() - started:5.1f} s  {mutation.name}: {how}"


def run_all(toolchain, mutations, jobs):
    units = list(dict.fromkeys(m.unit() for m in mutations if (toolchain.root / "tests" / m.test).is_file()))
    fates = collections.Counter()
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        if not check_unmutated(pool, toolchain, units):
            return False
        for done in concurrent.futures.as_completed(pool.submit(try_mutation, toolchain, m) for m in mutations):
            fate, line = done.result()
            fates[fate] += 1
            print(line, flush=True)
    rest = "".join(f", {fates[fate]} {fate.lower()}" for fate in ("SURVIVED", "BROKEN") if fates[fate])
    print(f"{len(mutations)} mutations, {fates['caught']} caught{rest}")
    return fates["caught"] == len(mutations) > 0


def check_that_they_apply(mutations, root):
    bad = 0
    for mutation in mutations:
        try:
            mutated_headers(mutation, root)
        except Broken as problem:
            bad += 1
            print(f"BROKEN    {mutation.name}: {problem}")
    print(f"{len(mutations)} mutations, {len(mutations) - bad} can be applied")
    return bad == 0 and len(mutations) > 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", type=pathlib.Path, help="a configured tree in which inflight_test_main is built")
    parser.add_argument("--only", default="", metavar="TEXT", help="those with TEXT in their names or test files")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many at a time")
    parser.add_argument("--time-limit", type=float, default=300, metavar="SECONDS", help="after which a test file is said to hang; 300")
    parser.add_argument("--check", action="store_true", help="only see that they can be applied")
    parser.add_argument("--diff", action="store_true", help="only print them, as patches for git apply")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2], help=argparse.SUPPRESS)
    options = parser.parse_args()

    files = sorted((options.root / "tests/mutation").glob("*.mutations"))
    mutations = [m for file in files for m in read_mutations(file) if options.only in m.name + m.test]
    if options.diff:
        for mutation in mutations:
            print(mutation.name, *diff_of(mutation, options.root), sep="\n")
        return 0
    if options.check:
        return 0 if check_that_they_apply(mutations, options.root) else 1
    if not options.build:
        parser.error("name a build tree, or --check, or --diff")
    toolchain = Toolchain(options.root, options.build.resolve(), options.time_limit)
    return 0 if run_all(toolchain, mutations, options.jobs) else 1


if __name__ == "__main__":
    sys.exit(main())
