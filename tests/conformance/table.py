#!/usr/bin/env python3
"""Which test proves which statement of the standards.

A statement is proven by the tests that are tagged with it, bound to servers only, or excused in excused.csv by the
reason why no test can show it from a client. A tag is an id with its version, since the same id means different
things in 3.1.1 and 5.0:

    TEST_CASE("resend: PUBREL, not PUBLISH, after PUBREC", "[session][v5:MQTT-4.3.3-6][v3:MQTT-4.3.3-1]")

    # proves: v5:MQTT-4.3.3-6 v3:MQTT-4.3.3-1
    def test_pubrel_not_publish_after_pubrec(self):

A test proves four statements at most, else nobody can tell what a red one breaks. Tests of the test kit's server say
nothing of the client: they count for statements that bind servers only. The result is README.md beside this file; the
check fails when it is not up to date, and on every mistake it finds.
"""
import argparse
import collections
import csv
import dataclasses
import pathlib
import re
import sys

PROVEN_AT_MOST = 4
NOT_RUN_BY_CI = ("tests/interop/", "tests/benchmark/")
OF_THE_SERVER = "tests/testing/"
LISTS = {"v3": "mqtt-3.1.1.csv", "v5": "mqtt-5.0.csv"}
TITLES = {"v3": "MQTT 3.1.1", "v5": "MQTT 5.0"}

LITERALS = r'((?:"(?:\\.|[^"\\])*"\s*)+)'
CPP_CASE = re.compile(r"^(?:TEMPLATE_)?(?:TEST_CASE|SCENARIO)\w*\(\s*" + LITERALS + r"(?:,\s*" + LITERALS + ")?", re.M)
PYTHON_CASE = re.compile(r"^ *# proves: (.*)\n(?: *@.*\n)* *def test_(\w+)", re.M)
TAG = re.compile(r"\[([^\]]*)\]")
STATEMENT_TAG = re.compile(r"v\d:")
CITATION = re.compile(r"(?<![\w:.-])(v\d:)?(MQTT-\d[\w.]*-\d+|U\d-\d+)(?![\w-])")

INTRODUCTION = """# What proves which statement

Written by `table.py --write` from the lists beside it and the tags of the tests; do not edit. The lists hold every
normative statement of both standards in our own words, and what a client does about it. `U3` and `U5` are rules that
the standards do not number. The tables of properties and reason codes are read by tests/codec.

A statement is *proven* by the tests listed with it, *excused* by the reason why no test can show it from a client, or
binds *servers only*; what tests there are with the latter are those of the test kit's server and of topic matching.
"""


@dataclasses.dataclass
class Statement:
    paraphrase: str
    server_only: bool
    proofs: list = dataclasses.field(default_factory=list)  # Of (file, name of the test).
    excuse: str = ""

    def verdict(self):
        if self.server_only:
            return "server-only"
        return "proven" if self.proofs else "excused" if self.excuse else "open"


class Check:
    def __init__(self, root):
        self.root = root
        self.folder = root / "tests/conformance"
        self.mistakes = []
        self.unknown = set()
        self.statements = {}  # By version and id, as in v5:MQTT-4.3.3-6.
        for version, file in LISTS.items():
            self.read_statements(version, file)
        for version in LISTS:
            self.read_statements(version, "unnumbered.csv", f"U{version[1]}-")
        for path in sorted([*root.glob("tests/**/*"), *root.glob("include/**/*.hpp")]):
            if path.suffix in (".cpp", ".hpp", ".py", ".mutations") and self.folder not in path.parents:
                self.read_source(path.relative_to(root).as_posix(), path.read_text())
        self.read_excuses()

    def rows(self, file):
        with open(self.folder / file, newline="") as text:
            return list(csv.DictReader(text))

    def read_statements(self, version, file, beginning=""):
        for row in self.rows(file):
            if row["id"].startswith(beginning):
                self.statements[f"{version}:{row['id']}"] = Statement(
                    row["paraphrase"], row["applies_to"] == "server-only")

    def read_source(self, file, text):
        for version, name in CITATION.findall(text):
            if not version:
                self.mistakes.append(f"{file}: {name} names no version; write v3:{name} or v5:{name}")
            elif version + name not in self.statements:
                self.add_unknown(file, version + name)
        if re.search(r"_test\.(cpp|py)$", file):
            for name, tags in cases(file, text):
                self.read_case(file, name, tags)

    def read_case(self, file, name, tags):
        ids = [tag for tag in tags if STATEMENT_TAG.match(tag)]
        if len(ids) > PROVEN_AT_MOST:
            self.mistakes.append(f"{file}: {len(ids)} statements in one case, {PROVEN_AT_MOST} at most: {name}")
        if ids and (file.startswith(NOT_RUN_BY_CI) or any(tag[:1] in (".", "!") for tag in tags)):
            self.mistakes.append(f"{file}: CI does not run what is to prove {' '.join(ids)}: {name}")
            return
        for one in ids:
            statement = self.statements.get(one)
            if not statement:
                self.add_unknown(file, one)
            elif statement.server_only or not file.startswith(OF_THE_SERVER):
                statement.proofs.append((file, name))

    def add_unknown(self, file, name):
        self.unknown.add(name)
        mistake = f"{file}: no such statement: {name}"
        if mistake not in self.mistakes:
            self.mistakes.append(mistake)

    def read_excuses(self):
        for row in self.rows("excused.csv"):
            name, reason = row["id"], row["reason"]
            statement = self.statements.get(name)
            if not statement:
                self.add_unknown("excused.csv", name)
            elif statement.verdict() != "open":
                self.mistakes.append(f"excused.csv: {name} needs no excuse: it is {statement.verdict()}")
            elif not reason.strip():
                self.mistakes.append(f"excused.csv: {name} without a reason")
            else:
                statement.excuse = reason

    def count(self, version=""):
        return collections.Counter(one.verdict() for name, one in self.statements.items() if name.startswith(version))

    def excuses(self):
        return [(name, one.excuse) for name, one in self.statements.items() if one.excuse]

    def table(self):
        lines = [INTRODUCTION, "| | proven | excused | server-only | all |", "|---|---|---|---|---|"]
        for version, title in TITLES.items():
            n = self.count(version)
            lines.append(f"| {title} | {n['proven']} | {n['excused']} | {n['server-only']} | {sum(n.values())} |")
        lines += ["", "## What no test shows", "", "| statement | reason |", "|---|---|"]
        lines += [f"| {name} | {cell(reason)} |" for name, reason in self.excuses()]
        for version, title in TITLES.items():
            lines += ["", f"## {title}", "", "| statement | in our words | proof |", "|---|---|---|"]
            for name, one in self.statements.items():
                if name.startswith(version):
                    lines.append(f"| {name[3:]} | {cell(one.paraphrase)} | {proof(one)} |")
        return "\n".join(lines) + "\n"

    def check_table(self):
        path = self.folder / "README.md"
        if not path.exists() or path.read_text() != self.table():
            self.mistakes.append("tests/conformance/README.md is out of date: run tests/conformance/table.py --write")

    def report(self):
        self.mistakes += [f"{name} is neither proven nor excused: {one.paraphrase}"
                          for name, one in self.statements.items() if one.verdict() == "open"]
        for name, reason in self.excuses():
            print(f"excused: {name}: {reason}")
        for mistake in self.mistakes:
            print(mistake)
        n = self.count()
        print(f"{n['proven']} proven, {n['excused']} excused, {n['server-only']} server-only,",
              f"{n['open']} without proof or reason, {len(self.unknown)} unknown ids, {len(self.mistakes)} mistakes")
        return not self.mistakes


def cases(file, text):
    """The tests of a file: name and tags."""
    if file.endswith(".py"):
        return [(name.replace("_", " "), ids.split()) for ids, name in PYTHON_CASE.findall(text)]
    return [(unquote(name), TAG.findall(unquote(tags))) for name, tags in CPP_CASE.findall(text)]


def unquote(literals):
    return "".join(re.findall(r'"((?:\\.|[^"\\])*)"', literals)).replace(r"\"", '"')


def cell(text):
    return text.replace("|", r"\|")


def proof(statement):
    by_file = collections.defaultdict(list)
    for file, name in statement.proofs:
        by_file[file.removeprefix("tests/")].append(cell(name))
    lines = [f"[{file}](../{file}): {'; '.join(names)}" for file, names in by_file.items()]
    if statement.verdict() != "proven":
        lines.insert(0, statement.verdict() + (f": {cell(statement.excuse)}" if statement.excuse else ""))
    return "<br>".join(lines)


def main():
    here = pathlib.Path(__file__).resolve()
    parser = argparse.ArgumentParser(description="Checks that every statement of the standards is proven or excused.")
    parser.add_argument("--write", action="store_true", help="write tests/conformance/README.md")
    parser.add_argument("--root", type=pathlib.Path, default=here.parents[2], help="of the source tree")
    arguments = parser.parse_args()
    check = Check(arguments.root)
    if arguments.write:
        (check.folder / "README.md").write_text(check.table())
    check.check_table()
    sys.exit(0 if check.report() else 1)


if __name__ == "__main__":
    main()
