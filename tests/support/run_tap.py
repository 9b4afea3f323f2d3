#!/usr/bin/python3
"""run_tap: runs test programs, reads the TAP that they write, prints a line for each and the details of failures.

    run_tap.py --suite asan --logs DIR --totals FILE [--jobs N] [--timeout SECONDS] [--prefix WORD]... [--apart PROGRAM]...
               PROGRAM...

Each test of a program that is given with --apart, a libcheck binary, is run as a program of its own (check_main.c), so that
tests which only wait do so side by side; their logs are put together in the end. A PROGRAM ending in .py is run by Python and
writes TAP to stdout; any other is a libcheck binary, which writes it to the file that CK_TAP_LOG_FILE_NAME names. Whatever a program does that a passing one does not do is a failure: a crash, a
hang, no plan, fewer tests than planned, an exit status other than 0, a sanitizer's report (of ThreadSanitizer's, those
that race_reports.py lets count; they are in files of their own beside the log). One line is appended to
FILE for the suite: `total<TAB>passed<TAB>failed<TAB>skipped`, then one for every failed or skipped case:
`failed|skipped<TAB>sentence`. With CI=true a test of tests/whole that is skipped has failed, be it for want of a Kafka broker,
a network of its own, a small disk or anything else. A line `# told: SENTENCE` of a program is shown though nothing failed.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

from race_reports import read_reports

RESULT = re.compile(r"^(not )?ok\b\s*\d*\s*(?:- )?(.*?)(?:\s*#\s*(skip|todo)\b:?\s*(.*))?$", re.IGNORECASE)
SKIP_OF_C = re.compile(r"^# SKIP (.*)", re.MULTILINE)  # check_main.c, in the program's output
TOLD = re.compile(r"^# (told: .*)", re.MULTILINE)
PLAN = re.compile(r"^1\.\.(\d+)(?:\s*#\s*skip\S*\s*(.*))?$", re.IGNORECASE)
SANITIZER = re.compile(r"(ERROR: (Address|Leak)Sanitizer|ThreadSanitizer: |ThreadSanitizer:DEADLYSIGNAL|runtime error:)")
ROOT = f"{pathlib.Path(__file__).resolve().parents[2]}/"
NO_PLAN = "wrote no TAP plan"
WHOLE = ("test_", "fault_")  # how its programs' names begin, unlike those of other suites that may skip


class Outcome:
    """What one program came to."""

    def __init__(self, name, log):
        self.name, self.log = name, log
        self.passed = 0
        self.failures = []  # (sentence, [detail lines])
        self.skips = []
        self.seconds = 0.0

    def fail(self, sentence, details=()):
        self.failures.append((sentence, list(details)))

    def add(self, other):
        """What one test of the program came to."""
        self.passed += other.passed
        self.failures += other.failures
        self.skips += other.skips
        self.seconds += other.seconds


def read_tap(text, outcome):
    """Counts the cases of `text` into `outcome`."""
    planned = None
    seen = 0
    details = None  # of the failure that was read last
    for line in text.splitlines():
        plan = PLAN.match(line)
        result = RESULT.match(line)
        if plan:
            planned = int(plan.group(1))
            if planned == 0 and plan.group(2):
                take_skip(outcome, f"{outcome.name}: {plan.group(2)}")
                return
        elif line.startswith("Bail out!"):
            outcome.fail(line)
        elif result:
            seen += 1
            details = None
            is_not, name, directive, reason = result.groups()
            if directive and directive.lower() == "skip":
                take_skip(outcome, f"{outcome.name}: {name}: {reason or 'no reason given'}")
            elif is_not:
                outcome.fail(name.removeprefix(ROOT))
                details = outcome.failures[-1][1]
            else:
                outcome.passed += 1
        elif details is not None and len(details) < 40:
            details.append(line)
    if planned is None:
        outcome.fail(f"{NO_PLAN}: it crashed or was cut short after {seen} tests")
    elif planned == 0:
        outcome.fail("has no tests")
    elif planned != seen:
        outcome.fail(f"planned {planned} tests and reported {seen}")


def read_skips(said, outcome):
    """Libcheck has no word for a test that was skipped: it calls it passed."""
    for reason in SKIP_OF_C.findall(said)[:outcome.passed]:
        outcome.passed -= 1
        take_skip(outcome, f"{outcome.name}: {reason}")


def take_skip(outcome, sentence):
    if os.environ.get("CI") == "true" and outcome.name.startswith(WHOLE):
        outcome.fail(f"{sentence} (a skip is a failure here with CI=true)")
    else:
        outcome.skips.append(sentence)


def descendants(pid):
    """Pids below `pid`. Libcheck puts each test into a process group of its own, so killing ours is not enough."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def end_tree(process):
    """Ends a hung program with all that it started: politely, so that fixtures can clean up, then for good."""
    family = descendants(process.pid)
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in family:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Runner:
    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.running = set()
        self.outcomes = {}  # by program

    def stop(self, *_):
        for process in list(self.running):
            end_tree(process)
        os._exit(130)

    def pieces(self, program):
        """What is to be run for the program: itself (None), or each of its tests by its number."""
        if program not in self.options.apart:
            return [None]
        counted = subprocess.run([*self.options.prefix, program], env=dict(os.environ, RXP_TEST_PICK="count"),
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        number = counted.stdout.strip()
        # One that can't say it is run whole, which tells why.
        return list(range(int(number))) if counted.returncode == 0 and number.isdigit() and int(number) > 0 else [None]

    def run_all(self):
        """All programs, those apart last, by their numbers of tests; the outcomes in the order of the programs."""
        programs = [program for program in self.options.programs if program not in self.options.apart]
        programs += self.options.apart
        pieces = {program: self.pieces(program) for program in programs}
        programs.sort(key=lambda program: (len(pieces[program]) > 1, -len(pieces[program])))
        turns = [(program, piece) for program in programs for piece in pieces[program]]
        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            begun = {turn: pool.submit(self.run_piece, *turn) for turn in turns}
            for program in programs:
                for piece in pieces[program]:
                    begun[program, piece].add_done_callback(
                        lambda _, program=program: self.finish(program, [begun[program, p] for p in pieces[program]]))
        return [self.outcomes[program] for program in programs]

    def finish(self, program, futures):
        """Shows what the program came to once all its pieces have ended."""
        with self.lock:
            if program in self.outcomes or not all(future.done() for future in futures):
                return
            self.outcomes[program] = outcome = self.outcome_of(program)
            said = []
            for future in futures:
                piece, files = future.result()
                outcome.add(piece)
                said.append(files[0].read_text(errors="replace"))
                if len(futures) > 1:
                    for file, whole in zip(files, self.files(program)):
                        with open(whole, "a") as output:
                            output.write(file.read_text(errors="replace") if file.exists() else "")
                        file.unlink(missing_ok=True)
            show(outcome, "".join(said))

    def files(self, program, piece=None):
        """Its log, its TAP and how its reports of races begin."""
        stem = f"{self.options.suite}-{pathlib.Path(program).stem}" + ("" if piece is None else f".{piece}")
        return [self.options.logs / f"{stem}.{kind}" for kind in ("log", "tap", "races")]

    def outcome_of(self, program):
        return Outcome(pathlib.Path(program).stem, self.files(program)[0])

    def run_piece(self, program, piece):
        script = program.endswith(".py")
        log, tap, races = self.files(program, piece)
        outcome = self.outcome_of(program)
        environment = dict(os.environ, CK_TAP_LOG_FILE_NAME=str(tap), PYTHONUNBUFFERED="1",
                           PYTHONDONTWRITEBYTECODE="1", RXP_TEST_LOGS=str(self.options.logs))
        if piece is not None:
            environment["RXP_TEST_PICK"] = str(piece)
        if "TSAN_OPTIONS" in environment:
            # Its reports fail the program here, not by its exit status: it can't know which of them count.
            environment["TSAN_OPTIONS"] += f":exitcode=0:log_path={races}"
        command = [sys.executable, program] if script else self.options.prefix + [program]
        # Whoever kills this runner outright kills what it runs, too. The kernel looks at the thread that started the
        # program; it is in this function until the program has ended.
        command = ["setpriv", "--pdeathsig", "KILL", "--"] + command
        started = time.monotonic()
        with open(log, "wb") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                       env=environment, start_new_session=True)
            self.running.add(process)
            hung = False
            try:
                status = process.wait(self.options.timeout)
            except subprocess.TimeoutExpired:
                hung = True
                end_tree(process)
                status = process.returncode
            self.running.discard(process)
        outcome.seconds = time.monotonic() - started
        said = log.read_text(errors="replace")
        written = said if script else tap.read_text(errors="replace") if tap.exists() else ""
        read_tap(written, outcome)
        if not script:
            read_skips(said, outcome)
        if hung:
            # That its plan is missing follows from it.
            outcome.failures = [failure for failure in outcome.failures if not failure[0].startswith(NO_PLAN)]
            which = "" if piece is None else f"its test {piece} (RXP_TEST_PICK={piece}) "
            outcome.fail(f"{which}still ran after {self.options.timeout:g} s and was ended")
        elif status != 0 and not outcome.failures:
            outcome.fail(f"no test failed, but it ended with {describe(status)}")
        if not outcome.failures and SANITIZER.search(said):
            outcome.fail("a sanitizer reported something")
        for summary, report in self.race_reports(races).items():
            outcome.fail(summary, report.splitlines()[:60])
        return outcome, (log, tap)

    def race_reports(self, races):
        """The first of each that says the same, by its summary."""
        reports = {}
        for file in sorted(races.parent.glob(f"{races.name}.*")):
            for report in read_reports(file.read_text(errors="replace")):
                reports.setdefault(report.splitlines()[-1].removeprefix("SUMMARY: "), report)
        return reports


def describe(status):
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def show(outcome, said):
    word = "FAILED" if outcome.failures else "ok"
    counts = f"{outcome.passed} passed"
    if outcome.failures:
        counts += f", {len(outcome.failures)} failed"
    if outcome.skips:
        counts += f", {len(outcome.skips)} skipped"
    print(f"  {word:<7}{outcome.name:<28}{counts:<36}{outcome.seconds:6.1f} s", flush=True)
    for sentence in TOLD.findall(said):
        print(f"      {sentence}", flush=True)
    for sentence, details in outcome.failures:
        print(f"      failed: {sentence}")
        for line in details:
            print(f"        {line}")
    if outcome.failures:
        lines = said.splitlines()
        reports = sanitizer_reports(lines)
        if not reports:
            print("      its last words:")
        for line in reports or lines[-25:]:
            print(f"        {line}")
        print(f"      all of it: {outcome.log}", flush=True)


def sanitizer_reports(lines):
    """The first three, at most 30 lines of each."""
    quoted, reports, left = [], 0, 0
    for line in lines:
        if left == 0 and SANITIZER.search(line) and reports < 3:
            reports, left = reports + 1, 30
        if left > 0:
            quoted.append(line)
            left = 0 if line.startswith("SUMMARY:") else left - 1
    return quoted


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--suite", required=True)
    parser.add_argument("--logs", required=True, type=pathlib.Path)
    parser.add_argument("--totals", required=True, type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--timeout", type=float, default=300)
    parser.add_argument("--prefix", action="append", default=[])
    parser.add_argument("--apart", action="append", default=[])
    parser.add_argument("programs", nargs="*")
    options = parser.parse_intermixed_args()
    options.logs.mkdir(parents=True, exist_ok=True)
    for program in [*options.apart, *options.programs]:
        for old in options.logs.glob(f"{options.suite}-{pathlib.Path(program).stem}.*"):
            old.unlink()
    runner = Runner(options)
    signal.signal(signal.SIGTERM, runner.stop)
    signal.signal(signal.SIGINT, runner.stop)
    outcomes = runner.run_all()
    passed = sum(outcome.passed for outcome in outcomes)
    failures = [(o, sentence) for o in outcomes for sentence, _ in o.failures]
    skips = [sentence for o in outcomes for sentence in o.skips]
    with open(options.totals, "a") as totals:
        totals.write(f"total\t{passed}\t{len(failures)}\t{len(skips)}\n")
        for outcome, sentence in failures:
            totals.write(f"failed\t{options.suite}: {outcome.name}: {sentence}\n")
        for sentence in skips:
            totals.write(f"skipped\t{options.suite}: {sentence}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
