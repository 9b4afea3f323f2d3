#!/usr/bin/python3
"""No hot path takes over 3 % more instructions than tests/bench/instructions/counts.txt says; and check.py can fail.

Builds the programs to count with the release's flags, in build/bench. Needs valgrind. Where growth is no failure, without
CI=true or with another compiler, it is told (run_tap.py)."""
import functools
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/bench/instructions"), str(ROOT / "tests/whole")]

import check  # noqa: E402
from tap import equal, holds, rows, run_all, skip, test  # noqa: E402

SAME = {"compiler": "gcc 12.2.0", "libc": "glibc 2.36", "machine": "x86_64"}
FAST = "poll_url"  # the command itself is tried with this path


@functools.cache
def build():
    return check.build()


@functools.cache
def measured():
    """({term: …}, {path: instructions})"""
    try:
        return check.count(build())
    except check.Missing as missing:
        skip(str(missing))


def refusal(function, *arguments):
    try:
        function(*arguments)
    except check.Trouble as trouble:
        return str(trouble)
    raise AssertionError("nothing was refused")


@rows("judged: {0} recorded, {1} counted; growth fails: {2}", (
    (1000, 1000, True, False, ""),
    (1000, 1030, True, False, ""),
    (1000, 1031, True, True, "+3.1%"),
    (1000, 1040, True, True, "--update"),
    (1000, 1040, False, False, "+4.0%"),
    (1000, 970, True, False, ""),
    (1000, 969, True, False, "lest it be lost"),
    (1000, 500, False, False, "--update"),
    (None, 1000, True, True, "is not in counts.txt"),
    (None, 1000, False, True, "is not in counts.txt"),
    (1000, None, True, True, "there is no such path"),
    (1000, None, False, True, "there is no such path"),
))
def _(recorded, counted, is_strict, should_fail, words):
    fails, said = check.judge("parse", recorded, counted, is_strict)
    equal(fails, should_fail, said)
    equal(said != "", words != "", said)
    holds(said, words)


@test("growth counts with CI=true alone, and only with the compiler, libc and machine that are recorded")
def _():
    equal(check.is_strict(SAME, SAME, {"CI": "true"}), True)
    for environment in ({}, {"CI": ""}, {"CI": "1"}):
        equal(check.is_strict(SAME, SAME, environment), False, str(environment))
    for term in SAME:
        equal(check.is_strict(SAME, {**SAME, term: "another"}, {"CI": "true"}), False, term)


@test("what was recorded is read again")
def _():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "counts.txt"
        check.write_record(file, SAME, {"parse": 30000, "plan": 1}, ["-O3 (base)", "-Os (kafka)"])
        terms, counts = check.read_record(file)
        equal({term: terms[term] for term in SAME}, SAME)
        equal(terms["flags"], ["-O3 (base)", "-Os (kafka)"])
        equal(counts, {"parse": 30000, "plan": 1})


@rows("a damaged record is refused: {1}", (
    ("", "does not say with which compiler and libc and machine"),
    ("compiler gcc 12.2.0\nlibc glibc 2.36\npath parse 1\n", "does not say with which machine"),
    ("path parse much\n", "line 1, is none of its rows: 'path parse much'"),
    ("path parse 0\n", "none of its rows: 'path parse 0'"),
    ("path parse 1\npath parse 2\n", "line 2"),
    ("<<<<<<< HEAD\n", "none of its rows: '<<<<<<< HEAD'"),
))
def _(text, words):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "counts.txt"
        file.write_text(text)
        holds(refusal(check.read_record, file), words, check.UPDATE)


@test("the same programs give the same counts, to the last instruction")
def _():
    _, counts = measured()
    equal(check.count(build())[1], counts)


def command(counts, environment, *words):
    """(status, what it said) of check.py."""
    settings = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run([check.FOLDER / "check.py", "--build", build(), "--counts", counts, *words],
                          env={**settings, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


# What is recorded of FAST, by what counts now; the environment; the command's words; its status, and a part of what it says.
@rows("the command: {5}", (
    (lambda now: {FAST: now}, {"CI": "true"}, [FAST], 0, "+0.0%", "as recorded"),
    (lambda now: {FAST: round(now / 1.04)}, {"CI": "true"}, [FAST], 1, "+4.0%", "4 % more fail with CI=true"),
    (lambda now: {FAST: round(now / 1.04)}, {}, [FAST], 0, "+4.0%", "4 % more are told without it"),
    (lambda now: {FAST: round(now * 1.04)}, {"CI": "true"}, [FAST], 0, "lest it be lost", "4 % less are told"),
    (lambda now: {"other": 1}, {"CI": "true"}, [FAST], 1, "is not in counts.txt", "a path that is not recorded fails"),
    (lambda now: {FAST: now, "other": 1}, {}, [FAST, "other"], 2, "there is no path other; the paths are: parse",
     "a path that there is not is named"),
    (lambda now: None, {"CI": "true"}, [FAST], 2, "counts.txt cannot be read", "without a record it says how to get one"),
))
def _(recorded, environment, words, status, said, _):
    terms, counts = measured()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "counts.txt"
        record = recorded(counts[FAST])
        if record is not None:
            check.write_record(file, terms, record, [])
        got, text = command(file, environment, *words)
        equal(got, status, text)
        holds(text, said)


@test("the command: of another compiler 4 % more are told")
def _():
    terms, counts = measured()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "counts.txt"
        check.write_record(file, {**terms, "compiler": "gcc 1"}, {FAST: round(counts[FAST] / 1.04)}, [])
        got, text = command(file, {"CI": "true"}, FAST)
        equal(got, 0, text)
        holds(text, "compiler gcc 1 (here", "the flags are not those recorded, but: -O", "+4.0%")


@test("a build without the programs is refused")
def _():
    holds(refusal(check.describe, pathlib.Path("/nonexistent")), "there is no /nonexistent/tests/bench/fixed_work")


@test("a path whose function is not found is no cheap one")
def _():
    measured()
    with tempfile.TemporaryDirectory() as folder:
        arguments = [check.callgrind(), check.programs(build())[0], FAST, 1, pathlib.Path(folder) / "out", "path_nonsense"]
        holds(refusal(check.count_path, *arguments), "callgrind counted nothing")


@test("no hot path takes over 3 % more instructions than are recorded")
def _():
    terms, counts = measured()
    recorded_terms, recorded = check.read_record(check.COUNTS)
    verdicts = check.compare(recorded, counts, check.is_strict(recorded_terms, terms)).values()
    wrong = [said for fails, said in verdicts if fails]
    told = [said for fails, said in verdicts if said and not fails]
    common = list(check.tell_terms(recorded_terms, terms, check.flags_of(build())))
    for sentence in [*common, *told] if told else ():
        print(f"# told: {sentence}")
    if wrong:
        raise AssertionError("\n".join([*common, *wrong]))


if __name__ == "__main__":
    run_all()
