#!/usr/bin/python3
"""The common ground of the benchmarks, tried without a broker: figures, gauges, messages, and what a run leaves behind."""
import contextlib
import fcntl
import io
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
import types

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/bench"), str(ROOT / "tests/whole")]

import bench  # noqa: E402
import growth  # noqa: E402
import sleepers  # noqa: E402
from bench import Bench, NotHere, quantiles, ratios, spread, values  # noqa: E402
from child import Child  # noqa: E402
from gauge import Gauge, Others, Usage, family_seconds, machine_seconds, pin, reap  # noqa: E402
from load import INSTANT, MESSAGE_BYTES, courses, kickoffs, message  # noqa: E402
from tap import equal, holds, run_all, test  # noqa: E402

# Burns as much CPU as it is told, half of it in a thread that ends, holds 50 MB, says so, and stays.
BURNER = """
import sys, threading, time
seconds, held = float(sys.argv[1]), bytearray(b"x" * 50000000)
def burn(until, clock):
    while clock() < until:
        sum(range(1000))
other = threading.Thread(target=burn, args=(seconds / 2, time.thread_time))
other.start()
other.join()
burn(seconds, time.process_time)
print("burnt", time.process_time(), flush=True)
time.sleep(600)
"""
BACKEND = types.SimpleNamespace(url=lambda path="/runs", **parameters: "http://127.0.0.1:12345" + path + (
    "?" + "&".join(f"{name}={value}" for name, value in parameters.items()) if parameters else ""))


def raises(kind, function, part):
    try:
        function()
    except kind as error:
        holds(str(error), part)
    else:
        raise AssertionError(f"no {kind.__name__} came")


def burner(seconds):
    return Child([sys.executable, "-c", BURNER, seconds], name="burner")


@test("a gauge knows the CPU time of a process, that of threads which have ended included")
def _():
    with burner(0.4) as child:
        said = float(child.wait_for(r"burnt (\S+)").group(1))
        got = Gauge(child.pid).cpu_seconds()
        assert said <= got < said + 0.05, (said, got)
        equal(Gauge(child.pid).threads(), 1)
        (_, main), = Gauge(child.pid).by_thread().items()
        assert 0.15 <= main <= got - 0.15, (main, got)  # not the other half, whose thread has ended


@test("a gauge knows a process's memory")
def _():
    with burner(0) as child:
        child.wait_for("burnt")
        memory = Gauge(child.pid).memory()
        assert 50000000 < memory.anonymous_bytes <= memory.rss_bytes < 150000000, memory


@test("who is reaped has the same CPU time by the gauge's clock and by getrusage")
def _():
    with burner(0.3) as child:
        child.wait_for("burnt")
        usage = reap(child)
        equal((usage.status, child.running), (-15, False))
        assert 0.3 <= usage.user_seconds + usage.system_seconds < 0.6, usage


@test("a process that is pinned keeps to these processors")
def _():
    with burner(0) as child:
        child.wait_for("burnt")
        one = {max(os.sched_getaffinity(0))}
        pin(child.pid, one)
        equal(os.sched_getaffinity(child.pid), one)


@test("a clock that is out by more than a hundredth is not believed")
def _():
    equal([Usage(0, 8.0, 2.0, clock).agrees() for clock in (10.0, 9.95, 10.11, 9.7, 10.3)], [True, True, True, False, False])


@test("the children of a process, ended or not, belong to its family, and its busy time is not that of others")
def _():
    before, others = family_seconds([os.getpid()]), Others()
    busy = machine_seconds()[0]
    with burner(0.5) as first, burner(0.5) as second:
        first.wait_for("burnt")
        second.wait_for("burnt")
        first.kill()
        took = family_seconds([os.getpid()]) - before
        assert 0.9 <= took < 2.0, took  # by ticks, each process
        assert machine_seconds()[0] - busy >= 0.9
        # The machine may well be busy with others, but not with these two as well.
        elapsed = others._now()[0] - others.begin[0]
        assert others.cores()[0] <= os.cpu_count() - took / elapsed + 0.2, (others.cores(), took, elapsed)


@test("a process that is named twice counts once")
def _():
    mine = family_seconds([os.getpid()])
    assert mine <= family_seconds([os.getpid(), os.getpid()]) < mine + 0.2


@test("others are told of when they keep a tenth of a processor, or the hypervisor holds back a twentieth")
def _():
    equal([Others.disturbed(*row) for row in ((0, 0), (0.09, 0.04), (0.11, 0), (0, 0.06))], [False, False, True, True])


@test("a message has exactly as many bytes as it shall, and is an invocation")
def _():
    for bytes_ in (MESSAGE_BYTES, 301, 30000):
        text = message(99999999, BACKEND, bytes_)
        equal(len(text), bytes_)
        invocation = json.loads(text)
        equal(invocation["invocation_id"], "bench-99999999")
        equal(invocation["metadata"]["http.url"], "http://127.0.0.1:12345/runs?polls=2")
        equal(list(json.loads(invocation["metadata"]["http.body"])), ["n"])
    equal(len({message(number, BACKEND) for number in (1, 2, 10)}), 3)
    holds(message(1, BACKEND, simulate=INSTANT).decode(), "instant=1")


@test("a message that cannot be so small is refused")
def _():
    raises(ValueError, lambda: message(1, BACKEND, 200), "does not fit into 200 bytes")


@test("a run's times are those of its requests in the backend's record")
def _():
    lines = [{"method": "POST", "path": "/runs", "key": "a", "run_id": "1", "us": 5000},
             {"method": "GET", "path": "/runs/1", "us": 6000}, {"method": "GET", "path": "/stats", "us": 6500},
             {"method": "POST", "path": "/runs", "key": "b", "run_id": "2", "us": 7500},
             {"method": "GET", "path": "/runs/2", "us": 8000}, {"method": "GET", "path": "/runs/1", "us": 9250}]
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("".join(json.dumps(line) + "\n" for line in lines))
        file.flush()
        equal(kickoffs(file.name), {"a": 5, "b": 7.5})
        equal({name: course.polls_ms for name, course in courses(file.name).items()}, {"a": [6, 9.25], "b": [8]})


@test("a slope is the exponent with which something grows")
def _():
    equal(round(growth.slope([(1, 7), (12, 7), (96, 7)]), 6), 0)
    equal(round(growth.slope([(1, 5), (100, 500)]), 6), 1)
    equal(round(growth.slope([(2, 3), (8, 6)]), 6), 0.5)


@test("polls of those that sleep are taken off at the lower of two prices, in the round's own money")
def _():
    without = [{"round": n, "cpu_us": 90.0, "by_thread": {"rxp-loop-0_us": loop, "rxp-loop-1_us": 30.0, "rdk:main_us": 9.0}}
               for n, loop in enumerate((30.0, 90.0))]
    beside = [{"round": n, "cpu_us": 150.0, "by_thread": {}, "sleepers_polls": 2000} for n in (1, 0)]
    found = {sleepers.WITHOUT: without, sleepers.BESIDE: beside}
    sleepers.take_polls_off(found, 25.0, 1000)
    equal([turn["net_us"] for turn in without], [90.0, 90.0])
    equal([turn["net_us"] for turn in beside], [100.0, 110.0])


@test("each origin of a backend is a name of this machine's own, at its port")
def _():
    equal(growth.origins(BACKEND, 1), BACKEND)
    equal([origin.url("/runs/{run_id}") for origin in growth.origins(BACKEND, 2)],
          ["http://o0.localhost:12345/runs/{run_id}", "http://o1.localhost:12345/runs/{run_id}"])


@test("quantiles are those of the numbers sorted; of none there is a count alone")
def _():
    equal(quantiles(range(100, 0, -1)), {"count": 100, "least": 1, "p50": 51, "p95": 96, "p99": 100, "most": 100})
    equal(quantiles([7]), {"count": 1, "least": 7, "p50": 7, "p95": 7, "p99": 7, "most": 7})
    equal(quantiles([]), {"count": 0})


@test("a spread is the median, the least and the most")
def _():
    equal(spread([3, 1, 2]), "2.0 (1.0 to 3.0)")
    equal(spread([4, 1, 2, 3], "{:.2f}"), "2.50 (1.00 to 4.00)")
    equal((spread([2]), spread([])), ("2.0", ""))
    equal(values([{"a": 1}, {}, {"a": 3}], "a"), [1, 3])


@test("a ratio is one of two turns of the same round")
def _():
    found = {"mine": [{"round": 0, "x": 2}, {"round": 2, "x": 9}], "base": [{"round": 2, "x": 3}, {"round": 0, "x": 4},
                                                                           {"round": 1, "x": 1}]}
    equal(ratios(found, "mine", "base", "x"), [0.5, 3.0])
    equal((ratios(found, "mine", "absent", "x"), ratios(found, "absent", "base", "x")), ([], []))


def run_bench(contestants, words, rounds=3):
    """(what it printed, its file)"""
    with tempfile.TemporaryDirectory(prefix="rxp-bench-") as folder:
        file = pathlib.Path(folder) / "deep/x.json"
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            trial = Bench("x", "", rounds=rounds, quick_rounds=1)
            with trial.run([*words, "--json", str(file)]) as arguments:
                found = trial.rounds(contestants, arguments.rounds)
                trial.table("T", ["", "µs"], [[name, spread(values(found[name], "cpu_us"))] for name in found])
        return printed.getvalue(), json.loads(file.read_text(encoding="utf-8"))


@test("every contestant has its turn in each round, and the order rotates")
def _():
    turns = []
    contestants = {name: lambda name=name: turns.append(name) or {"cpu_us": 1.0 * len(turns), "others": 0, "stolen": 0}
                   for name in "abc"}
    _, file = run_bench(contestants, [])
    equal("".join(turns), "abcbcacab")
    equal([turn["cpu_us"] for turn in file["turns"]["a"]], [1.0, 6.0, 8.0])
    equal([turn["round"] for turn in file["turns"]["a"]], [0, 1, 2])


@test("the file has all figures, the machine, the versions, the load and the date; the table stands there, too")
def _():
    printed, file = run_bench({"a": lambda: {"cpu_us": 2.5, "by": {"t": 1}, "others": 0, "stolen": 0}}, ["--quick"])
    holds(printed, "# turns, round 1, a: cpu_us 2.5, others 0, stolen 0\n", "T\n", "a", "2.5", "µs")
    equal((file["bench"], file["quick"], len(file["turns"]["a"]), file["disturbed"]), ("x", True, 1, []))
    equal(file["tables"], [{"title": "T", "head": ["", "µs"], "rows": [["a", "2.5"]]}])
    assert file["machine"]["cpus"] >= 1 and file["machine"]["kernel"] and len(file["load_average_before"]) == 3, file
    assert file["versions"]["python"] and file["date"].endswith("+00:00"), file


@test("who is not here is told with the reason, and left out from then on")
def _():
    def absent():
        calls.append(1)
        raise NotHere("it is somewhere else\nwith a second line")
    calls = []
    printed, file = run_bench({"a": lambda: {"cpu_us": 1.0, "others": 0, "stolen": 0}, "b": absent}, [])
    holds(printed, "b: not here: it is somewhere else\n")
    equal((len(calls), file["not_here"], list(file["turns"]), len(file["turns"]["a"])),
          (1, {"b": "it is somewhere else"}, ["a", "b"], 3))


@test("a benchmark that cannot be had at all ends well, with a line")
def _():
    def broken():
        with trial.run(["--json", file.name]), trial.broker():
            raise AssertionError("not reached")
    trial = Bench("x", "")
    os.environ["RXP_TEST_BROKER_MISSING"] = "no Kafka today"
    printed = io.StringIO()
    with tempfile.NamedTemporaryFile() as file, contextlib.redirect_stdout(printed):
        broken()
    holds(printed.getvalue(), "x: not here: no Kafka today")


@test("what was measured before a failure is in the file")
def _():
    def failing():
        if turns:
            raise AssertionError("the second turn fails")
        turns.append(1)
        return {"cpu_us": 1.0, "others": 0, "stolen": 0}
    turns = []
    with tempfile.NamedTemporaryFile() as file:
        def run():
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                trial = Bench("x", "")
                with trial.run(["--json", file.name]) as arguments:
                    trial.rounds({"a": failing}, arguments.rounds)
        raises(AssertionError, run, "the second turn fails")
        left = json.loads(pathlib.Path(file.name).read_text(encoding="utf-8"))
        equal((len(left["turns"]["a"]), left["unfinished"]), (1, "the second turn fails"))


@test("who is told to stop leaves in order: what is measured by then is in the file, and what was begun is ended")
def _():
    ended = []

    def run():
        with trial.run(["--json", file.name]), contextlib.closing(types.SimpleNamespace(close=lambda: ended.append(1))):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
    trial = Bench("x", "")
    with tempfile.NamedTemporaryFile() as file:
        raises(SystemExit, run, "143")
        equal((ended, json.loads(pathlib.Path(file.name).read_text(encoding="utf-8"))["unfinished"]), ([1], "143"))
    equal(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)


@test("a word that is none is told before anything begins, with those that are")
def _():
    told = io.StringIO()
    trial = Bench("x", "")
    trial.parser.add_argument("words", nargs="*", type=bench.one_of({"a": 1, "b": 2}, "letter"))

    def run(*words):
        with tempfile.NamedTemporaryFile() as file, contextlib.redirect_stderr(told):
            with trial.run([*words, "--json", file.name]) as arguments:
                return arguments.words
    equal((run(), run("b", "a")), ([], ["b", "a"]))
    raises(SystemExit, lambda: run("a", "c"), "2")
    holds(told.getvalue(), "there is no letter 'c'; there are a, b")


def run_sh(*words, **environment):
    return subprocess.run([ROOT / "tests/bench/run.sh", *words], capture_output=True, text=True, check=False, timeout=60, cwd="/",
                          env={name: value for name, value in os.environ.items() if name != "RXP_BENCH_LOCKED"} | environment)


@test("run.sh says which benchmarks there are, each of which has its script, and refuses others before all else")
def _():
    done = run_sh("quick", "-h")
    names = re.findall(r"^    ([a-z]+)  +\S", done.stdout, re.MULTILINE)
    equal((done.returncode, len(names) > 5), (0, True))
    equal([name for name in names if not (ROOT / f"tests/bench/{name}.py").exists()], [])
    done = run_sh("floor", "flor")
    equal((done.returncode, done.stderr), (2, f"run.sh: there is no benchmark 'flor'; they are: {' '.join(names)}\n"))


@test("benchmarks do not run twice at a time, nor without a worker")
def _():
    with tempfile.TemporaryDirectory(prefix="rxp-bench-") as folder, open(pathlib.Path(folder) / "run.lock", "w") as lock:
        done = run_sh("floor", RXP_BENCH_BUILD=folder)
        equal((done.returncode, done.stderr), (1, f"run.sh: there is no rxp-worker in {folder}\n"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        (pathlib.Path(folder) / "rxp-worker").touch(0o755)
        done = run_sh("floor", RXP_BENCH_BUILD=folder)
        equal((done.returncode, done.stderr), (1, "run.sh: it runs already, and two at a time would measure each other\n"))


@test("a turn beside which others were busy is named")
def _():
    printed, file = run_bench({"a": lambda: {"cpu_us": 1.0, "others": 0.5, "stolen": 0}}, ["--rounds", "1"])
    holds(printed, "others kept the machine busy in: round 1, a (0.50 cores, 0.00 stolen)")
    equal(len(file["disturbed"]), 1)


@test("a program that is not built is not here")
def _():
    raises(NotHere, lambda: bench.program("no-such-program"), "is not built")


if __name__ == "__main__":
    run_all()
