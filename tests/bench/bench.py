"""bench: what the benchmarks share: turns and rounds, tables, a JSON file with all figures and what they were measured on.

    def main():
        bench = Bench("floor", __doc__)
        bench.parser.add_argument(…)
        with bench.run() as arguments, bench.broker() as broker:
            found = bench.rounds({"worker": turn_of_worker, "curl": turn_of_curl}, arguments.rounds)
            bench.table("CPU of an invocation", ["", "µs", "of curl's"],
                        [[name, spread(values(found[name], "cpu_us")), spread(ratios(found, name, "curl", "cpu_us"))]
                         for name in found])

The machine may get slower or faster, so every contestant has its turn in each round, the order rotates, and a ratio compares
turns of one round. What cannot be had raises NotHere, and its line in the table says why."""
import argparse
import contextlib
import datetime
import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys

from gauge import Others

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("RXP_BENCH_BUILD") or ROOT / "build/bench")  # the worker that is measured, and the programs


def on_path():
    """Makes what the whole tests have importable, with the measured build as their worker."""
    os.environ.setdefault("RXP_WORKER", str(BUILD / "rxp-worker"))
    folder = str(ROOT / "tests/whole")
    if folder not in sys.path:
        sys.path.insert(0, folder)


on_path()

from broker import Broker, Unavailable  # noqa: E402
from cluster import Cluster  # noqa: E402


class NotHere(Exception):
    """Why something cannot be measured on this machine."""


def program(name):
    """One that tests/bench/CMakeLists.txt builds."""
    path = BUILD / "tests/bench" / name
    if not path.exists():
        raise NotHere(f"{path} is not built: tests/bench/run.sh builds it")
    return path


# Figures

def values(turns, key):
    return [turn[key] for turn in turns if key in turn]


def ratios(found, name, base, key):
    """One for each round in which both had their turn."""
    by_round = {turn["round"]: turn[key] for turn in found.get(base, ()) if turn.get(key)}
    return [turn[key] / by_round[turn["round"]] for turn in found.get(name, ()) if turn["round"] in by_round and key in turn]


def spread(numbers, form="{:.1f}"):
    """`84.2 (80.1 to 91.0)`: median, least and most; nothing for no number."""
    if not numbers:
        return ""
    middle, least, most = (form.format(f(numbers)) for f in (statistics.median, min, max))
    return middle if least == most else f"{middle} ({least} to {most})"


def quantiles(numbers):
    """count, least, p50, p95, p99 and most; of none, their count alone."""
    numbers = sorted(numbers)
    parts = {"least": 0, "p50": 0.5, "p95": 0.95, "p99": 0.99, "most": 1}
    return {"count": len(numbers), **{name: numbers[min(len(numbers) - 1, int(len(numbers) * part))]
                                      for name, part in parts.items() if numbers}}


def print_table(title, head, rows):
    """Plain text; the first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[n]) for row in cells if n < len(row)) for n in range(len(head))]
    print(f"\n{title}")
    for row in cells:
        line = [cell.ljust(widths[n]) if n == 0 else cell.rjust(widths[n]) for n, cell in enumerate(row)]
        print("  " + "  ".join(line).rstrip())
    sys.stdout.flush()


def one_of(known, what):
    """For a parser's `type`: who mistypes a word is told before anything begins, and loses no file."""
    def check(word):
        if word not in known:
            raise argparse.ArgumentTypeError(f"there is no {what} '{word}'; there are {', '.join(known)}")
        return word
    return check


# What it was measured on

def _first(pattern, text):
    match = re.search(pattern, text, re.MULTILINE)
    return match.group(1).strip() if match else None


def _says(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, cwd=ROOT)
    except OSError:
        return None
    return done.stdout.strip() or None


def machine():
    release = pathlib.Path("/etc/os-release")
    return {
        "processor": _first(r"^model name\s*:(.*)", pathlib.Path("/proc/cpuinfo").read_text()),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1000000,
        "kernel": platform.release(),
        "system": _first(r'^PRETTY_NAME="?([^"\n]*)', release.read_text()) if release.exists() else None,
    }


def versions():
    """The worker's own, the tree's, and those of the libraries that it is linked with here."""
    libraries = _says("ldconfig", "-p") or ""
    files = {name: _first(rf"=> (\S*{name}\.so\.\d+)$", libraries) for name in ("librdkafka", "libcurl", "libc")}
    return {
        "worker": _says(os.environ["RXP_WORKER"], "--version"),
        "tree": _says("git", "describe", "--always", "--dirty"),
        "python": platform.python_version(),
        **{name: os.path.realpath(path) for name, path in files.items() if path},
    }


class Bench:
    """One benchmark: its options, its rounds, its file. Times in the file are those of the machine, in UTC."""

    def __init__(self, name, description, rounds=5, quick_rounds=2):
        self.name, self.all_rounds, self.quick_rounds = name, rounds, quick_rounds
        self.parser = argparse.ArgumentParser(prog=f"tests/bench/{name}.py", description=description,
                                              formatter_class=argparse.RawDescriptionHelpFormatter)
        self.parser.add_argument("--quick", action="store_true", help="a short turn each, to see that it works")
        self.parser.add_argument("--rounds", type=int, metavar="N", help=f"{rounds}; with --quick {quick_rounds}")
        self.parser.add_argument("--json", type=pathlib.Path, metavar="FILE",
                                 help="where all figures go (build/bench/NAME.json; with --quick NAME.quick.json)")
        self.figures = {"bench": name}
        self.missing = {}  # name of a contestant: why it is not here
        self.disturbed = []  # turns in which others kept the machine busy
        self.shared = []  # process ids of a broker that is not our child

    @contextlib.contextmanager
    def run(self, words=None):
        """The arguments. Whatever was measured inside is in the file in the end, however that came; what cannot be had at
        all is a line, and no failure. Who is told to stop (SIGTERM) leaves as orderly as by ctrl-C: no children, no record of a
        backend that would keep its memory."""
        arguments = self.parser.parse_args(words)
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        arguments.rounds = arguments.rounds or (self.quick_rounds if arguments.quick else self.all_rounds)
        arguments.json = arguments.json or BUILD / f"{self.name}{'.quick' if arguments.quick else ''}.json"
        self.figures |= {"quick": arguments.quick, "date": datetime.datetime.now(datetime.timezone.utc).isoformat("T", "seconds"),
                         "machine": machine(), "versions": versions(), "load_average_before": os.getloadavg()}
        try:
            yield arguments
        except (NotHere, Unavailable) as why:
            self.missing[self.name] = str(why).splitlines()[0]
        except BaseException as error:
            self.figures["unfinished"] = (str(error) or type(error).__name__).splitlines()[0]
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
            self._close(arguments.json)

    def _close(self, file):
        for name, why in self.missing.items():
            print(f"  {name}: not here: {why}")
        if self.disturbed:
            print("  others kept the machine busy in: " + "; ".join(self.disturbed))
        self.figures |= {"load_average_after": os.getloadavg(), "not_here": self.missing, "disturbed": self.disturbed}
        file.parent.mkdir(parents=True, exist_ok=True)
        unnamed = file.with_name(f".{file.name}.{os.getpid()}")
        unnamed.write_text(json.dumps(self.figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        unnamed.replace(file)

    @contextlib.contextmanager
    def broker(self):
        """(cluster, process id) of a real Kafka broker: that of tests/whole/with_broker.py, or one of its own."""
        if os.environ.get("RXP_TEST_BROKER_MISSING"):
            raise NotHere(os.environ["RXP_TEST_BROKER_MISSING"])
        if os.environ.get("RXP_TEST_BROKER"):
            pid = int(os.environ["RXP_TEST_BROKER_PID"])
            self.shared = [pid]
            yield Cluster(os.environ["RXP_TEST_BROKER"]), pid
        else:
            with Broker() as broker:
                yield broker.cluster(), broker.child.pid

    def rounds(self, contestants, number, what="turns"):
        """Calls each contestant once a round, the first one of a round being the next one in turn: {name: [its figures, with
        the round's number as "round"]}. One that raises NotHere is left out from then on. Also in the file, under `what`."""
        found = self.figures[what] = {name: [] for name in contestants}
        for round_ in range(number):
            names = list(contestants)
            for name in names[round_ % len(names):] + names[:round_ % len(names)]:
                if name in self.missing:
                    continue
                others = Others(self.shared)
                try:
                    figures = contestants[name]()
                except NotHere as why:
                    self.missing[name] = str(why).splitlines()[0]
                    continue
                if "others" not in figures:  # where the turn has not looked itself, around what it measures
                    figures["others"], figures["stolen"] = others.cores()
                found[name].append({"round": round_, **figures})
                self._tell(what, round_, name, figures)
        return {name: turns for name, turns in found.items() if turns}

    def _tell(self, what, round_, name, figures):
        told = [f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                for key, value in figures.items() if not isinstance(value, dict)]  # threads are in the file
        print(f"# {what}, round {round_ + 1}, {name}: {', '.join(told)}", file=sys.stderr, flush=True)
        if Others.disturbed(figures["others"], figures["stolen"]):
            self.disturbed.append(f"round {round_ + 1}, {name} ({figures['others']:.2f} cores, {figures['stolen']:.2f} stolen)")

    def table(self, title, head, rows):
        print_table(title, head, rows)
        self.figures.setdefault("tables", []).append({"title": title, "head": head, "rows": rows})
