#!/usr/bin/python3
"""peers: the same work by what else there is. Prints tables; all figures go to the --json file.

    tests/bench/peers.py [--quick] [--rounds N] [NAME…]

The work of each: one Kafka message of 300 bytes in, a kickoff, two polls, a result out, its offset committed once the result is
acknowledged, never past one that is not done. Each peer is a set-up of ours in tests/bench/peers, tuned as its documentation
says (each file tells how), one process, against the same broker and simulated backend. In each round every one has its turn,
in an order that rotates, with topics and a group of its own. Before what is measured it gets inputs to warm up with: the Java
one 40,000, since its code is compiled while it runs, and what that takes is in a column of its own. CPU is that of the process
alone. A turn counts only if each input has exactly one result, of success, if its
offset is committed, and if the backend saw one kickoff and two polls for each.

All may have 64 connections to the backend, as the worker has by default. Then, once, 10,000 runs that last, polled every 20 s:
what each takes in memory, or how many it had begun after ten minutes, or when the machine had no more memory to give.

A NAME chooses peers: parallel-consumer, benthos, asyncio, pool, threads; the worker always has its turn."""
import os
import resource
import signal
import sys
import time

from bench import ROOT, Bench, NotHere, one_of, ratios, spread, values
from gauge import Gauge, reap
from load import Feeder, Work, on_path

on_path()
sys.path.insert(0, str(ROOT / "tests/bench/peers"))

import supplies  # noqa: E402
from child import Child  # noqa: E402
from worker import Backend  # noqa: E402

HERE = ROOT / "tests/bench/peers"
CONNECTIONS = 64  # to the backend at most, as the worker's origin-max-connections
THREADS = 16  # of the pools: with 64 a run of the shared client cost twice the CPU, and no more were done
HELD_INTERVAL = 20  # seconds between the polls of a run that lasts
HELD_SECONDS = 600  # to begin them all
STALL_SECONDS = 15  # without one kickoff more: it holds what it can
SPARE_BYTES = 2 << 30  # of the machine's memory, which nobody may take
AT_ONCE = {"polls": 1}  # the backend's parameters: the first poll tells of the end
LASTING = {"seconds": 3600}
# A JVM keeps what it may, so it may have what 10,000 runs need, and some more. One processor's collector and compiler threads:
# the worker has one loop, and G1, ParallelGC and two processors all cost it more CPU.
JAVA = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:ActiveProcessorCount=1")
# Go's two knobs of CPU against memory and processors. They take a third off its CPU (155 to 105 µs); where memory is asked for,
# GOGC is as it comes.
GO = {"GOMAXPROCS": "1"}
GO_FAST = {**GO, "GOGC": "400"}


class Contestant:
    """`start(work, in_flight, interval)` gives a child that has so many runs under way at most, which suit it best. In a
    turn it gets `warm` and then `count` inputs, and where memory is asked for `held` runs; each is a pair: in full, and with
    --quick. `lacks` says what it leaves undone."""

    def __init__(self, name, start, lacks, warm, count, in_flight=CONNECTIONS, held=(10000, 500)):
        self.name, self.start, self.lacks = name, start, lacks
        self.warm, self.count, self.in_flight, self.held = warm, count, in_flight, held


def worker(**options):
    def start(work, in_flight, interval):
        # Of its runs only so many are on the wire as it has connections; it takes more in, as its default is.
        return work.worker(threads=1, **options)
    return start


def python(script, *words):
    def start(work, in_flight, interval):
        command = [supplies.python_program(), HERE / script, "--bootstrap", work.cluster.bootstrap, "--inputs", work.inputs,
                   "--results", work.results, "--group", work.group, "--in-flight", in_flight, "--interval", interval]
        return Child([*command, *words], name=script.removesuffix(".py"))
    return start


def parallel_consumer(work, in_flight, interval):
    return Child(["java", *JAVA, "-cp", supplies.java_classpath(), "ParallelWorker", work.cluster.bootstrap, work.inputs,
                  work.results, work.group, in_flight, CONNECTIONS, interval * 1000], name="parallel-consumer")


def benthos(work, in_flight, interval):
    return Child([supplies.connect_program(), HERE / "connect/pipeline.yaml"], name="benthos", environment={
        **(GO if interval else GO_FAST), "BOOTSTRAP": work.cluster.bootstrap, "INPUTS": work.inputs, "RESULTS": work.results,
        "GROUP": work.group, "IN_FLIGHT": in_flight, "CONNECTIONS": CONNECTIONS, "INTERVAL": f"{interval}s"})


LESS = "no resume of runs after a crash, no check of inputs, no limits, timeouts of runs, metrics"
CONTESTANTS = {
    "rxp-worker": Contestant(
        "worker", worker(), "no resume of runs after a crash: checkpoints are off, so that it promises what the peers do",
        (3000, 500), (40000, 5000)),
    "rxp-worker, checkpoints": Contestant(
        "worker", worker(checkpoints=True), "", (3000, 500), (40000, 5000)),
    "Parallel Consumer, Vert.x": Contestant(
        "parallel-consumer", parallel_consumer,
        LESS + "; but it begins failed runs again, and repeats no finished one after a restart", (40000, 1000), (30000, 2000),
        2 * CONNECTIONS),
    "Benthos, franz-go": Contestant(
        "benthos", benthos, LESS + "; its engine has metrics and retries, off here", (3000, 500), (30000, 2500)),
    "asyncio, aiokafka, aiohttp": Contestant(
        "asyncio", python("asyncio_worker.py", "--connections", CONNECTIONS), LESS + ", retries", (2000, 300), (20000, 1500)),
    "threads, one httpx client": Contestant(
        "pool", python("pool.py", "--client", "shared"), LESS + ", retries", (300, 50), (4000, 300), THREADS),
    "a thread and client a run": Contestant(
        "threads", python("pool.py", "--client", "run"), LESS + ", retries", (40, 16), (500, 32), THREADS,
        (10000, 50)),
}
WORKER = "rxp-worker"
NOTES = (
    "Benthos is the engine of Redpanda Connect, with its own http, while and sleep; its Kafka ends are ours, upon franz-go.",
    "Redpanda Connect: not here: the checksum of its module (v4.44.0) was not to be had where this was written.",
)

QUICK_NOTES = (
    "Quick: the Java one is far from warm here; it needs some 40,000 runs for that, and costs a quarter of this then.",
    "Quick: of so few runs, bytes a run are mostly what a process takes once, for connections and buffers.",
)


def check(work, backend, before):
    """Each input has exactly one result, and took one kickoff and two polls."""
    ends = [record.json()["metadata"] for record in work.cluster.read_all(work.results)]
    inputs = {(end["source.partition"], end["source.offset"]) for end in ends}
    assert len(ends) == len(inputs) == work.numbers, f"{work.numbers} inputs, {len(inputs)} of them with {len(ends)} results"
    seen = {name: backend.stats()[name] - before[name] for name in ("kickoffs", "polls")}
    assert seen == {"kickoffs": work.numbers, "polls": 2 * work.numbers}, f"of {work.numbers} inputs the backend saw {seen}"


def turn(feeder, backend, contestant, quick):
    before = backend.stats()
    with Work(feeder, backend) as work, contestant.start(work, contestant.in_flight, 0) as child:
        count = contestant.count[quick]
        figures = work.measure(child, count, contestant.warm[quick])
        figures["before_s"] = Gauge(child.pid).cpu_seconds() - figures["cpu_us"] * count / 1e6
        reap(child)
        check(work, backend, before)
        return figures


def kickoffs(backend, child):
    assert child.running, f"{child.name} ended\n{child.tail()}"
    return backend.stats()["kickoffs"]


def fairly(one, act):
    """A peer that goes wrong gets no figure, with the reason; the worker must not go wrong."""
    def go():
        try:
            return act(one)
        except AssertionError as error:
            if one.name == "worker":
                raise
            print(error, file=sys.stderr)
            raise NotHere(f"no figure: {str(error).splitlines()[0]}") from None
    return go


def begin(backend, child, wanted):
    """How many of the runs that were released it has begun, once it has begun all it can."""
    first, began = kickoffs(backend, child), time.monotonic()
    held, since = 0, began
    while held < wanted and time.monotonic() < min(since + STALL_SECONDS, began + HELD_SECONDS):
        time.sleep(0.25)
        now = kickoffs(backend, child) - first
        if now > held:
            held, since = now, time.monotonic()
        if os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") < SPARE_BYTES:
            break
    return held


def hold(feeder, backend, contestant, quick):
    """What so many runs that last take in memory, or as many as it can hold."""
    wanted = contestant.held[quick]
    with Work(feeder, backend, simulate=AT_ONCE, profile={"http.poll_interval_seconds": str(HELD_INTERVAL)}) as work, \
            contestant.start(work, wanted, HELD_INTERVAL) as child:
        work.put(50)
        feeder.release()
        work.wait(child)
        idle = Gauge(child.pid).memory().rss_bytes
        work.simulate = LASTING
        work.put(wanted)
        feeder.release()
        held = begin(backend, child, wanted)
        time.sleep(1 if quick else HELD_INTERVAL + 2)  # until each has been polled again
        kickoffs(backend, child)
        memory = Gauge(child.pid).memory().rss_bytes
        figures = {"held": held, "wanted": wanted, "idle_mb": idle / 1e6, "rss_mb": memory / 1e6,
                   "run_bytes": (memory - idle) / max(held, 1), "threads": Gauge(child.pid).threads()}
        reap(child, signal.SIGKILL)  # a peer would wait for runs that do not end
        return figures


def tell(bench, found, held):
    bench.table("the same work by what else there is: median (least to most)",
                ["", "CPU µs an invocation", "of the worker's", "invocations/s here", "by its CPU, a core", "cores busy", "CPU s until warm"],
                [[title, spread(values(turns, "cpu_us"), "{:,.0f}"), spread(ratios(found, title, WORKER, "cpu_us"), "{:.2f}"),
                  spread(values(turns, "rate"), "{:,.0f}"), spread(values(turns, "per_core"), "{:,.0f}"),
                  spread(values(turns, "cores"), "{:.2f}"), spread(values(turns, "before_s"), "{:.1f}")]
                 for title, turns in found.items()])
    rows = []
    for title, (figures,) in held.items():
        runs = f"{figures['held']:,}" + ("" if figures["held"] == figures["wanted"] else f" of {figures['wanted']:,}")
        rows.append([title, runs, f"{figures['idle_mb']:.0f}", f"{figures['rss_mb']:,.0f}", f"{figures['run_bytes']:,.0f}",
                     f"{figures['threads']:,}"])
    bench.table(f"memory with runs that last, polled every {HELD_INTERVAL} s",
                ["", "runs", "MB idle", "MB with them", "bytes a run", "threads"], rows)
    print("\n  what they do not do, as they are set up here")
    for title in found:
        if CONTESTANTS[title].lacks:
            print(f"    {title}: {CONTESTANTS[title].lacks}")
    for note in (*NOTES, *(QUICK_NOTES if bench.figures["quick"] else ())):
        print(f"  {note}")


def main():
    bench = Bench("peers", __doc__, quick_rounds=1)
    names = sorted({one.name for one in CONTESTANTS.values()})
    bench.parser.add_argument("names", nargs="*", metavar="NAME", type=one_of(names, "peer"), help="all without one")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a connection is a file; those who are started have it, too
    with bench.run() as arguments, bench.broker() as (cluster, _), Backend(threads=1) as backend:
        chosen = {title: one for title, one in CONTESTANTS.items()
                  if one.name == "worker" or not arguments.names or one.name in arguments.names}
        feeder, quick = Feeder(cluster), arguments.quick

        def each(act):
            return {title: fairly(one, lambda one: act(feeder, backend, one, quick)) for title, one in chosen.items()}

        found = bench.rounds(each(turn), arguments.rounds)
        held = bench.rounds(each(hold), 1, "held")
        tell(bench, found, held)


if __name__ == "__main__":
    main()
