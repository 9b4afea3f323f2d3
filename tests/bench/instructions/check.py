#!/usr/bin/python3
"""check: how many instructions the hot paths take, counted by callgrind, against those recorded in counts.txt.

    tests/bench/instructions/check.py [--update] [--top] [PATH…]

Builds the programs with the release's flags in build/bench, counts each path (or each PATH) and compares. Counts are
exact: the same program gives the same count, whatever else the machine does. They depend on compiler, libc and kind of
machine, which stand in counts.txt. With CI=true, and these as recorded, a path that takes over 3 % more than recorded is a
failure; else it is only told. tests/run.sh does this as tests/unit/test_instructions.py.

Who makes a path dearer on purpose, or cheaper, records it with --update, in the same commit. --top shows which functions
a path's instructions go to. --build FOLDER is one that stands elsewhere, and is not built; --counts FILE is another record."""
import argparse
import concurrent.futures
import fcntl
import json
import os
import pathlib
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parents[2]
COUNTS = FOLDER / "counts.txt"
BUILD = ROOT / "build/bench"
PROGRAMS = ("fixed_work", "fixed_run")
SCRIPT = "tests/bench/instructions/check.py"
UPDATE = f"{SCRIPT} --update"
MOST = 0.03
TOP = 12

# The processor must not choose libc's functions: all machines take the plain ones.
TUNABLES = "glibc.cpu.hwcaps=" + ",".join(f"-{name}" for name in (
    "AVX2", "AVX", "AVX_Fast_Unaligned_Load", "SSSE3", "SSE4_1", "SSE4_2", "Fast_Unaligned_Copy", "ERMS", "FSRM"))
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "GLIBC_TUNABLES": TUNABLES}
# What makes counts comparable. Flags do not belong to it: they are the project's own.
TERMS = ("compiler", "libc", "machine")
ROOMS = ("protocol", "base", "engine", "kafka", "core")


class Trouble(Exception):
    """Why nothing can be counted or compared, as a sentence."""


class Missing(Trouble):
    """What this machine lacks."""


def build(targets=PROGRAMS):
    """The folder of a build with the release's flags, which has these programs."""
    log = ROOT / f"build/bench-build-{targets[0]}.log"
    log.parent.mkdir(exist_ok=True)
    with open(ROOT / "build/bench.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several tests build there, and may run at the same time
        done = subprocess.run(["bash", "-c", 'source "$1" && build_preset bench "${@:2}"', SCRIPT,
                               str(ROOT / "deploy/prepare.sh"), str(log), *targets], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Trouble(f"{', '.join(targets)} cannot be built as in a release:\n{done.stdout.rstrip()}")
    return BUILD


def programs(build_folder):
    """All of them, or Trouble."""
    found = [build_folder / "tests/bench" / name for name in PROGRAMS]
    for program in found:
        if not program.exists():
            raise Trouble(f"there is no {program}: it is built by {SCRIPT}")
    return found


# ---- counting ----

def describe(build_folder):
    """({term: what it is here}, {path: (program, turns)}), as the programs say."""
    terms, paths = {"machine": platform.machine()}, {}
    for program in programs(build_folder):
        said = subprocess.run([program], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True).stdout
        for line in said.splitlines():
            word, rest = line.split(" ", 1)
            if word == "path":
                name, number = rest.split()
                paths[name] = program, int(number)
            else:
                terms[word] = rest
    return terms, paths


def callgrind():
    """The command."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise Missing("valgrind is not installed, whose callgrind counts: apt-get install valgrind (tests/run.sh does)")
    return [valgrind, "--tool=callgrind"]


def count_path(counter, program, path, turns, out, function):
    """Instructions that a turn of the path takes, all in `function`; callgrind's file is `out`."""
    done = subprocess.run([*counter, f"--toggle-collect={function}", f"--callgrind-out-file={out}", program, path],
                          env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True)
    if done.returncode != 0:
        raise Trouble(f"the path {path} ended with status {done.returncode}:\n{done.stdout.rstrip()}")
    total = re.search(r"^(?:totals|summary): (\d+)", out.read_text(errors="replace"), re.MULTILINE)
    if total is None or int(total.group(1)) == 0:
        raise Trouble(f"callgrind counted nothing for the path {path}: is there a function {function}?")
    return round(int(total.group(1)) / turns)


def count(build_folder, only=(), top=False):
    """({term: …}, {path: instructions a turn}) of all paths, or of those in `only`."""
    counter = callgrind()
    terms, known = describe(build_folder)
    unknown = [path for path in only if path not in known]
    if unknown:
        raise Trouble(f"there is no path {' or '.join(unknown)}; the paths are: {' '.join(known)}")
    paths = [path for path in known if not only or path in only]
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        files = {path: pathlib.Path(folder) / path for path in paths}
        begun = {path: pool.submit(count_path, counter, known[path][0], path, known[path][1], files[path], f"path_{path}")
                 for path in paths}
        found = {path: begun[path].result() for path in paths}
        for path in paths if top else ():
            show_top(path, known[path][1], files[path])
    return terms, found


def show_top(path, turns, file):
    """The functions that most of it goes to, each for itself."""
    said = subprocess.check_output(["callgrind_annotate", "--auto=no", file], text=True)
    found = {}
    for number, function in re.findall(r"^\s*([\d,]+) \([^)]*\)\s+\S*?:([^\s\[]+)(?: \[|$)", said, re.MULTILINE):
        # Inlined into several files it has several lines.
        found[function] = found.get(function, 0) + int(number.replace(",", ""))
    all_ = sum(found.values())
    print(f"\n{path}: instructions a turn")
    for function, number in sorted(found.items(), key=lambda item: -item[1])[:TOP]:
        print(f"  {number / turns:12,.0f} {number / all_:7.1%}  {function}")


def flags_of(build_folder):
    """The flags that may matter, with the rooms that have files compiled so; those of the most files first."""
    commands = build_folder / "compile_commands.json"
    if not commands.exists():
        return []
    files = {}
    for entry in json.loads(commands.read_text()):
        room = pathlib.Path(entry["file"]).parent.name
        if room in ROOMS:
            words = [word for word in shlex.split(entry["command"])
                     if re.match(r"-(O|f(?!no-common|file-prefix-map)|m|D_FORTIFY)", word)]
            files.setdefault(" ".join(words), []).append(room)
    return [f"{flags} ({', '.join(room for room in ROOMS if room in rooms)})"
            for flags, rooms in sorted(files.items(), key=lambda item: -len(item[1]))]


# ---- the record ----

def read_record(file):
    """({term: …}, {path: instructions}); the term "flags" has a list of lines."""
    try:
        text = file.read_text()
    except OSError as error:
        raise Trouble(f"{file.name} cannot be read ({error.strerror}): {UPDATE} writes it") from error
    terms, counts = {"flags": []}, {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        row = re.fullmatch(r"path (\w+) (\d+)", line)
        term = re.fullmatch(r"(compiler|libc|machine|flags) (.+)", line)
        if row and int(row.group(2)) > 0 and row.group(1) not in counts:
            counts[row.group(1)] = int(row.group(2))
        elif term and term.group(1) == "flags":
            terms["flags"].append(term.group(2))
        elif term:
            terms[term.group(1)] = term.group(2)
        else:
            raise Trouble(f"{file.name}, line {number}, is none of its rows: '{line}'; {UPDATE} writes it anew")
    lacking = [term for term in TERMS if term not in terms]
    if lacking:
        raise Trouble(f"{file.name} does not say with which {' and '.join(lacking)} it was counted; "
                      f"{UPDATE} writes it anew")
    return terms, counts


def write_record(file, terms, counts, flags):
    rows = ["# How many instructions a turn of each path takes, by callgrind: written by",
            f"# {UPDATE}, in the commit that changes them.",
            *(f"{term} {terms[term]}" for term in TERMS), *(f"flags {line}" for line in flags),
            *(f"path {path} {number}" for path, number in counts.items())]
    file.write_text("\n".join(rows) + "\n")


# ---- comparing ----

def differing(recorded, here):
    """The terms that are not as they were: "compiler gcc 12.2.0 (here gcc 14.2.0)"."""
    return [f"{term} {recorded[term]} (here {here[term]})" for term in TERMS if recorded[term] != here[term]]


def judge(path, recorded, measured, is_strict):
    """(does it fail?, a sentence or ''): what is to be said of a path. recorded, measured: None where there is none."""
    if recorded is None:
        return True, f"{path} takes {measured:,} instructions and is not in counts.txt: record it with {UPDATE}"
    if measured is None:
        return True, f"{path} is in counts.txt, and there is no such path: {UPDATE} takes it out"
    change = f"{path} takes {measured:,} instructions, recorded are {recorded:,} ({measured / recorded - 1:+.1%})"
    if measured > recorded * (1 + MOST):
        return is_strict, f"{change}, over {MOST:.0%} more: make it cheaper, or record that it is worth it with {UPDATE}"
    if measured < recorded * (1 - MOST):
        return False, f"{change}: record it with {UPDATE}, lest it be lost again"
    return False, ""


def compare(recorded, measured, is_strict, only=()):
    """{path: (does it fail?, sentence)} of all that one of the two knows, or of those in `only`."""
    paths = dict.fromkeys([*measured, *recorded])
    return {path: judge(path, recorded.get(path), measured.get(path), is_strict)
            for path in paths if not only or path in only}


def is_strict(recorded_terms, terms, environment=os.environ):
    return environment.get("CI") == "true" and not differing(recorded_terms, terms)


def tell_terms(recorded, here, flags):
    """Sentences about what all paths have in common: why growth is no failure, why there may be some."""
    others = differing(recorded, here)
    if others:
        yield f"counts.txt was recorded with {', '.join(others)}: what differs is only told"
    elif os.environ.get("CI") != "true":
        yield "without CI=true what differs is only told"
    if flags != recorded["flags"]:
        yield f"the flags are not those recorded, but: {'; '.join(flags) or 'not known'}"


# ---- the command ----

def table(recorded, measured):
    """(head, rows) for people."""
    return ["path", "instructions", "recorded", "change"], [
        [path, f"{number:,}", f"{recorded[path]:,}" if path in recorded else "",
         f"{number / recorded[path] - 1:+.1%}" if path in recorded else ""] for path, number in measured.items()]


def run(options):
    build_folder = options.build or build()
    terms, measured = count(build_folder, options.path, options.top)
    flags = flags_of(build_folder)
    if options.update:
        write_record(options.counts, terms, measured, flags)
        print(f"recorded in {options.counts}")
        return 0
    recorded_terms, recorded = read_record(options.counts)
    verdicts = compare(recorded, measured, is_strict(recorded_terms, terms), options.path)
    head, rows = table(recorded, measured)
    for row in [head, *rows]:
        print(f"{row[0]:16}" + "".join(f"{cell:>14}" for cell in row[1:]))
    told = [said for _, said in verdicts.values() if said]
    if told:
        print("\n".join([*tell_terms(recorded_terms, terms, flags), *told]))
    return 1 if any(fails for fails, _ in verdicts.values()) else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--top", action="store_true")
    parser.add_argument("--build", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--counts", type=pathlib.Path, default=COUNTS, metavar="FILE")
    parser.add_argument("path", nargs="*", metavar="PATH")
    options = parser.parse_args()
    if options.update and options.path:
        parser.error("--update records all paths: name none")
    if options.build:
        options.build = options.build.resolve()
    try:
        return run(options)
    except Trouble as trouble:
        print(f"{SCRIPT}: {trouble}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
