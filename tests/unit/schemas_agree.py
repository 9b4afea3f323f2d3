#!/usr/bin/python3
"""The JSON Schemas and the C reader must give the same verdict on the same files, and the expected one.

    schemas_agree.py [PATH/contract_verdict]        build/dev's where none is given

Prints TAP. Needs python3-jsonschema.
"""
import glob
import json
import os
import subprocess
import sys

import jsonschema

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCHEMAS = os.path.join(ROOT, "protocol", "schemas")
# Folder -> the verdict that its files must get.
FOLDERS = [
    ("protocol/examples", "valid"),
    ("tests/unit/contracts/valid", "valid"),
    ("tests/unit/contracts/invalid", "invalid"),
]
# An empty folder must not pass for agreement.
LEAST_FILES = {"invocation": 40, "result": 40, "control": 16}


class Tap:
    def __init__(self):
        self.n = 0
        self.failed = 0

    def line(self, good, name, reason=""):
        self.n += 1
        self.failed += not good
        print(("ok" if good else "not ok") + f" {self.n} - {name}")
        if not good and reason:
            print("# " + reason)

    def end(self):
        print(f"1..{self.n}")
        return 1 if self.failed else 0


def load_schema(kind):
    with open(os.path.join(SCHEMAS, f"runtime-{kind}.schema.json"), encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def c_verdicts(program, kind, files):
    done = subprocess.run([program, kind, *files], capture_output=True, check=True, encoding="utf-8")
    verdicts = {}
    for line in done.stdout.splitlines():
        file, verdict, reason = line.split("\t", 2)
        verdicts[file] = (verdict, reason)
    return verdicts


def compare(tap, program, kind):
    schema = load_schema(kind)
    tap.line(True, f"the schema of a {kind} is a schema")
    expected = {}
    for folder, verdict in FOLDERS:
        for file in sorted(glob.glob(os.path.join(ROOT, folder, f"{kind}-*.json"))):
            expected[file] = verdict
    tap.line(len(expected) >= LEAST_FILES[kind], f"there are {kind} files to compare", f"{len(expected)} files")
    reader = c_verdicts(program, kind, list(expected))
    for file, wanted in expected.items():
        name = os.path.relpath(file, ROOT)
        with open(file, encoding="utf-8") as text:
            error = next(schema.iter_errors(json.load(text)), None)
        by_schema = "valid" if error is None else "invalid"
        by_reader, reason = reader.get(file, ("no verdict", ""))
        said = f"schema: {by_schema} ({error.message if error else ''}), reader: {by_reader} ({reason})"
        tap.line(by_schema == wanted and by_reader == wanted, f"{name} is {wanted} to both", said.replace("\n", " "))


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else os.path.join(ROOT, "build", "dev", "tests", "contract_verdict")
    tap = Tap()
    for kind in LEAST_FILES:
        compare(tap, program, kind)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
