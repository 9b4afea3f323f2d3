#!/usr/bin/python3
"""sleepers: runs that wait for their next poll: what they take, how late they wake, and what they cost those beside them.

    tests/bench/sleepers.py [--quick] [--runs N[,N…]] [--interval S] [--checkpoints] [--rounds N] [--json FILE]

So many runs (1,000, 100,000 and 1,000,000; with --quick 10,000) lie in 96 partitions of one worker with two loop
threads, each polled every 2, 60 or 600 s (quick: 5), without jitter. They are brought in at an even pace over one such
interval, so that their polls come evenly as well: filling takes 2 s, 1 minute, 10 minutes. Then:

    memory     resident, now, less what the same worker had before the first of them and after 200 invocations, by run
    poll       CPU of the worker while it does nothing but poll, less that of its idle time before, by poll
    lateness   when a poll came to the backend, less when the one before it came, less the interval: so with the time that
               requests take. Of a part of the runs, whose backend records its requests. In three conditions: nothing else, 1,000
               invocations a second beside, and a saturating load beside
    beside     from when a message was sent to when its kickoff came to the backend, for new runs, 20 a second

And with one of the sizes (--beside N: 100,000, quick 10,000): CPU by invocation of a saturating load (see load.py), in turn of that
worker and of one that has no runs that wait: all of it, and less that of the sleepers' polls in that time, at the price above, or at
that of a request of the load, its loops' CPU alone, where that is less: requests that come thickly share their wakes."""
import contextlib
import sys
import time

from bench import Bench, on_path, quantiles, ratios, spread, values
from gauge import Gauge, Others, reap
from load import POLLED, Feeder, Work, courses, invocation_id, record_file

on_path()

from child import wait_until  # noqa: E402
from worker import Backend  # noqa: E402

PARTITIONS = 96
INTERVALS = {1000: 2, 10000: 5, 100000: 60, 1000000: 600}
NEW_FIRST, ALONE_FIRST = 60000000, 80000000  # numbers of the runs that come beside, and of the other worker's
LOAD_PER_SECOND = 1000
WARM = 1000
STEPS = 20  # of filling
LIMIT_BYTES = 64 << 30
QUIET, LOADED, SATURATED = "nothing else", f"{LOAD_PER_SECOND:,} invocations a second", "a saturating load"
WITHOUT, BESIDE = "without", "beside them"


def tell(text):
    print(f"# {time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Scene:
    """A worker with so many runs asleep, and another one that has none, with a group and topics of its own."""

    def __init__(self, stack, feeder, broker_pid, runs, interval, arguments):
        self.runs, self.interval, self.feeder, self.broker_pid = runs, interval, feeder, broker_pid
        self.record = stack.enter_context(record_file())
        # The one that records takes one run of two, of a million one of ten: what it writes is read afterwards.
        self.backends = [stack.enter_context(Backend(threads=1, record=self.record))]
        self.backends += [stack.enter_context(Backend(threads=1))] * (9 if runs > 100000 else 1)
        self.asleep = stack.enter_context(Work(feeder, self.backends, PARTITIONS, simulate={"seconds": 86400},
                                               runtime="sleep",
                                               profile={"http.poll_interval_seconds": f"{interval:g}"}))
        self.new = stack.enter_context(Work(feeder, self.backends, first=NEW_FIRST, group=self.asleep.group))
        options = {"threads": 2, "max_in_flight": runs + 200000, "max_in_flight_bytes": LIMIT_BYTES, "drain_seconds": 0,
                   "checkpoints": arguments.checkpoints}
        self.worker = stack.enter_context(self.new.worker(also=self.asleep, **options))
        self.gauge = Gauge(self.worker.pid)
        self.alone = stack.enter_context(Work(feeder, self.backends, first=ALONE_FIRST))
        self.other = stack.enter_context(self.alone.worker(**options)) if runs == arguments.beside else None
        self.spans = []  # (condition, begin, end), in ms
        self.saturations = []  # the first run of each turn, and the first one after it
        self.figures = {"runs": runs, "interval_seconds": interval}

    def stats(self):
        found = [backend.stats() for backend in dict.fromkeys(self.backends)]
        return {name: sum(stats[name] for stats in found) for name in ("kickoffs", "polls")}

    @contextlib.contextmanager
    def span(self, name):
        begin = time.time() * 1000
        yield
        self.spans.append((name, begin, time.time() * 1000))

    def settle(self, seconds):
        """The idle worker, after it has done something."""
        self.worker.wait_for("partition_assigned")
        self.new.put(200)
        self.feeder.release()
        self.new.wait(self.worker)
        before, begin = self.gauge.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        self.figures["idle_ms_per_second"] = (self.gauge.cpu_seconds() - before) / (time.monotonic() - begin) * 1000
        self.idle = self.gauge.memory()
        self.figures["idle_mb"] = self.idle.rss_bytes / 1e6

    def fill(self):
        before, begin, cpu = self.stats(), time.monotonic(), self.gauge.cpu_seconds()
        for step in range(STEPS):
            self.asleep.trickle(self.runs // STEPS, self.runs / self.interval, linger_ms=10)
            if self.interval >= 60:
                tell(f"{self.runs // STEPS * (step + 1):,} of {self.runs:,} runs are brought in, and the worker has "
                     f"{self.gauge.memory().rss_bytes / 1e6:,.0f} MB")

        def there():
            time.sleep(0.2)
            assert self.worker.running, self.worker.tail()
            now = self.stats()
            return now["kickoffs"] - before["kickoffs"] >= self.runs and now["polls"] - before["polls"] >= self.runs
        wait_until(there, 300 + self.interval, f"the kickoffs and first polls of {self.runs:,} runs")
        self.figures |= {"fill_seconds": time.monotonic() - begin,
                         "fill_cpu_us": (self.gauge.cpu_seconds() - cpu) / self.runs * 1e6}

    def wait(self, seconds):
        """They only wait, and are polled."""
        with self.span(QUIET):
            before, cpu, begin, others = self.stats(), self.gauge.cpu_seconds(), time.monotonic(), Others([self.broker_pid])
            time.sleep(seconds)
            cpu, took = self.gauge.cpu_seconds() - cpu, time.monotonic() - begin
            polls = self.stats()["polls"] - before["polls"]
        memory = self.gauge.memory()
        other_cores, stolen = others.cores()
        self.figures |= {
            "rss_mb": memory.rss_bytes / 1e6, "peak_mb": self.worker.peak_rss_bytes() / 1e6,
            "bytes_per_run": (memory.rss_bytes - self.idle.rss_bytes) / self.runs,
            "anonymous_bytes_per_run": (memory.anonymous_bytes - self.idle.anonymous_bytes) / self.runs,
            "polls_per_second": polls / took, "polls_due_per_second": self.runs / self.interval, "cores": cpu / took,
            "others": other_cores, "stolen": stolen,
            "poll_us": (cpu - self.figures["idle_ms_per_second"] / 1000 * took) / max(polls, 1) * 1e6}

        wanted = self.runs / self.interval
        if polls / took < 0.9 * wanted:
            tell(f"polls are behind: {polls / took:,.0f} a second came, and {wanted:,.0f} are due. Something here is overloaded, "
                 "and all that follows tells of that: polls go before kickoffs")

    def newcomers(self, count):
        """New runs, one at a time."""
        first = self.new.trickle(count, 20)
        self.new.wait(self.worker)
        self.probes = {name for name in self.new.sent_ms if name >= first}

    def load(self, seconds):
        """New runs at a pace that leaves it time."""
        with self.span(LOADED):
            self.new.trickle(int(seconds * LOAD_PER_SECOND), LOAD_PER_SECOND)
        self.new.wait(self.worker)

    def saturate(self, work, child, count):
        """A turn of either worker, with the same load."""
        self.saturations.append((invocation_id(work.first + work.numbers + WARM),
                                 invocation_id(work.first + work.numbers + WARM + count)))
        figures = work.measure(child, count, WARM, {"broker": self.broker_pid}, {"polls": lambda: self.stats()["polls"]})
        # The load's invocations are two polls each; what is more came of those that sleep.
        figures["sleepers_polls"] = figures.pop("polls") - POLLED["polls"] * count
        return figures

    def end(self):
        """Stops all, and reads what the backend has recorded."""
        began = time.monotonic()
        usage = reap(self.worker, seconds=300)
        assert usage.status == 0, f"the worker ended with {usage.status}\n{self.worker.tail()}"
        self.figures["stop_seconds"] = time.monotonic() - began
        self.backends[0].stop()
        seen = courses(self.record)
        for first, last in self.saturations:
            if first < invocation_id(ALONE_FIRST):
                load = [course for name, course in seen.items() if first <= name < last]
                self.spans.append((SATURATED, min(c.kickoff_ms for c in load), max(c.polls_ms[-1] for c in load)))
        late = {name: [] for name, _, _ in self.spans}
        for name, course in seen.items():
            if name < invocation_id(NEW_FIRST):
                for before, after in zip(course.polls_ms, course.polls_ms[1:]):
                    for condition, begin, end in self.spans:
                        if begin <= after < end:
                            late[condition].append(after - before - self.interval * 1000)
        self.figures["late_ms"] = {condition: quantiles(numbers) for condition, numbers in late.items()}
        self.figures["kickoff_ms"] = quantiles(course.kickoff_ms - self.new.sent_ms[name] for name, course in seen.items()
                                               if name in self.probes)


def take_polls_off(found, alone_us, count):
    """net_us: CPU of an invocation without that of the sleepers' polls. alone_us: a poll's, with nothing beside it."""
    price = {turn["round"]: min(alone_us, sum(us for name, us in turn["by_thread"].items() if name.startswith("rxp-loop")) /
                                (1 + POLLED["polls"])) for turn in found[WITHOUT]}
    for turn in found[WITHOUT]:
        turn["net_us"] = turn["cpu_us"]
    for turn in found[BESIDE]:
        turn["net_us"] = turn["cpu_us"] - turn["sleepers_polls"] * price[turn["round"]] / count


def measure(bench, arguments, feeder, broker_pid, runs):
    """Its figures, and those of the rounds that compare it with a worker that has none (None: there were none)."""
    found = None
    seconds, probes, count = (3, 20, 4000) if arguments.quick else (30, 200, 60000)
    interval = arguments.interval or INTERVALS.get(runs) or max(2, runs // 1700)
    with contextlib.ExitStack() as stack:
        scene = Scene(stack, feeder, broker_pid, runs, interval, arguments)
        scene.settle(1 if arguments.quick else 10)
        tell(f"{runs:,} runs, each polled every {interval:g} s, are brought in within as long")
        scene.fill()
        tell(f"they wait for {seconds} s")
        scene.wait(seconds)
        scene.newcomers(probes)
        scene.load(2 if arguments.quick else 20)
        if scene.other:
            scene.other.wait_for("partition_assigned")
            found = bench.rounds({WITHOUT: lambda: scene.saturate(scene.alone, scene.other, count),
                                  BESIDE: lambda: scene.saturate(scene.new, scene.worker, count)},
                                 arguments.rounds, f"saturated beside {runs}")
            take_polls_off(found, scene.figures["poll_us"], count)
        tell("the worker is stopped, and the backend's record is read")
        scene.end()
    return scene.figures, found


def tables(bench, found):
    bench.table("runs that wait", ["", *(f"{f['runs']:,}" for f in found)], [
        [name, *(form.format(f[key]) for f in found)] for name, key, form in (
            ("polled every, s", "interval_seconds", "{:g}"), ("memory of the idle worker, MB", "idle_mb", "{:.1f}"),
            ("memory with them, MB", "rss_mb", "{:.1f}"), ("most of it at any time, MB", "peak_mb", "{:.1f}"),
            ("resident bytes a run", "bytes_per_run", "{:,.0f}"), ("of them anonymous", "anonymous_bytes_per_run", "{:,.0f}"),
            ("polls a second", "polls_per_second", "{:,.0f}"), ("of so many due", "polls_due_per_second", "{:,.0f}"),
            ("CPU of a poll, µs", "poll_us", "{:.1f}"),
            ("CPU of a start and a poll, µs", "fill_cpu_us", "{:.1f}"), ("to stop it, s", "stop_seconds", "{:.2f}"))])
    rows = []
    for figures in found:
        for condition, late in [*figures["late_ms"].items(), ("message to kickoff", figures["kickoff_ms"])]:
            numbers = [f"{late[key]:.2f}" if key in late else "" for key in ("p50", "p95", "p99", "most")]
            rows.append([f"{figures['runs']:,}, {condition}", *numbers, late["count"]])
    bench.table("lateness of polls beside …, and from a new message to its kickoff, ms", ["", "p50", "p95", "p99", "most", "of"],
                rows)


def main():
    bench = Bench("sleepers", __doc__, rounds=5, quick_rounds=1)
    bench.parser.add_argument("--runs", metavar="N[,N…]", help="1000,100000,1000000; with --quick 10000")
    bench.parser.add_argument("--interval", type=float, metavar="S", help="seconds between two polls of a run")
    bench.parser.add_argument("--checkpoints", action="store_true", help="with checkpoints")
    bench.parser.add_argument("--beside", type=int, metavar="N", help="which of the sizes a load is measured beside; 0: none")
    with bench.run() as arguments, bench.broker() as (cluster, broker_pid):
        usual = "10000" if arguments.quick else "1000,100000,1000000"
        sizes = [int(word) for word in (arguments.runs or usual).split(",")]
        if arguments.beside is None:
            arguments.beside = 10000 if arguments.quick else 100000
        bench.figures |= {"checkpoints": arguments.checkpoints, "sizes": [], "threads": 2, "partitions": PARTITIONS}
        feeder = Feeder(cluster)
        for runs in sizes:
            figures, found = measure(bench, arguments, feeder, broker_pid, runs)
            bench.figures["sizes"].append(figures)
            if found:
                bench.table(f"CPU of an invocation at saturation, µs, {runs:,} asleep: median (least to most) of the rounds",
                            ["", "all", "ratio", "less the sleepers' polls", "ratio", "a second", "cores busy"],
                            [[name, spread(values(turns, "cpu_us")), spread(ratios(found, name, WITHOUT, "cpu_us"), "{:.2f}"),
                              spread(values(turns, "net_us")), spread(ratios(found, name, WITHOUT, "net_us"), "{:.2f}"),
                              spread(values(turns, "rate"), "{:,.0f}"), spread(values(turns, "cores"), "{:.2f}")] for name, turns in found.items()])
        tables(bench, bench.figures["sizes"])


if __name__ == "__main__":
    main()
