#!/usr/bin/python3
"""guarantees: what checkpoints, exactly-once results and at-most-once kickoffs cost.

    tests/bench/guarantees.py [--quick] [--rounds N] [--count N] [--latency N] [--json FILE] [LOAD…]

One worker with two loop threads takes COUNT (80,000) inputs that wait for it. In each round every guarantee has its turn, with
a group and topics of its own; a LOAD is `instant` (the kickoff's answer bears the outcome) or `polled` (the second poll's
does). A rate is that of the results as a read_committed reader gets them, by the broker's clock. Processor time is what each
process took, by result.

Then the kickoffs' latency, from when the broker has an input to when the backend has its kickoff: LATENCY (1,500) inputs, 100
a second."""
import contextlib
import pathlib
import statistics
import tempfile

from bench import Bench, on_path, ratios, spread, values
from gauge import reap
from load import INSTANT, POLLED, Feeder, Work, kickoffs

on_path()

from worker import Backend  # noqa: E402

LOADS = {"instant": INSTANT, "polled": POLLED}
THREADS = 2
AT_LEAST, CHECKED, AT_MOST = "at-least-once", "at-least-once, checkpoints", "kickoffs at-most-once"
# The name, its options, and what it is compared with.
GUARANTEES = (
    (AT_LEAST, {}, None),
    (CHECKED, {"checkpoints": True}, AT_LEAST),
    ("exactly-once", {"results_guarantee": "exactly-once"}, AT_LEAST),
    ("exactly-once, checkpoints", {"results_guarantee": "exactly-once", "checkpoints": True}, CHECKED),
    (AT_MOST, {"kickoff_guarantee": "at-most-once", "checkpoints": True}, CHECKED),
)


def turn(feeder, broker_pid, backend, simulate, count, options):
    with Work(feeder, backend, simulate=simulate) as work, work.worker(threads=THREADS, **options) as worker:
        figures = work.measure(worker, count, beside={"broker": broker_pid, "backend": backend.pid})
        usage = reap(worker)
        assert usage.status == 0, f"the worker ended with {usage.status}\n{worker.tail()}"
        return figures


def print_rates(bench, load, found):
    rows = []
    for name, _, base in GUARANTEES:
        if name in found:
            rows.append([name, spread(values(found[name], "rate"), "{:,.0f}"),
                         spread(ratios(found, name, base, "rate"), "{:.2f}") if base else "", base or "",
                         *(spread(values(found[name], f"{who}_us")) for who in ("cpu", "broker", "backend"))])
    bench.table(f"{load}: median (least to most) of the rounds", ["", "results/s", "share", "of the rate of", "worker, µs",
                                                                  "broker, µs", "backend, µs"], rows)


def latencies(feeder, options, count):
    """Milliseconds from an input to its kickoff, sorted."""
    with tempfile.TemporaryDirectory(prefix="rxp-bench-") as folder, contextlib.ExitStack() as stack:
        record = pathlib.Path(folder) / "requests"
        backend = stack.enter_context(Backend(threads=1, record=record))
        work = stack.enter_context(Work(feeder, backend, simulate=INSTANT, message_timestamp_type="LogAppendTime"))
        worker = stack.enter_context(work.worker(threads=THREADS, **options))
        work.put(100)  # the first ones would meet a cold worker
        feeder.release()
        work.wait(worker)
        first = work.trickle(count, 100)
        work.wait(worker)
        work.times(count)
        came = {entry.json()["invocation_id"]: entry.timestamp_ms for entry in work.cluster.read_all(work.inputs)}
        backend.stop()  # it writes the rest of its record
        return sorted(kickoff - came[name] for name, kickoff in kickoffs(record).items() if name >= first)


def measure_latencies(bench, feeder, count):
    figures = {}
    for name in (CHECKED, AT_MOST):
        waits = latencies(feeder, next(options for other, options, _ in GUARANTEES if other == name), count)
        figures[name] = {"p50_ms": statistics.median(waits), "p99_ms": waits[len(waits) * 99 // 100], "most_ms": waits[-1]}
    bench.figures["latency"] = figures
    bench.table("from an input to its kickoff, ms", ["", "p50", "p99", "most"],
                [[name, *(f"{value:.0f}" for value in row.values())] for name, row in figures.items()])


def main():
    bench = Bench("guarantees", __doc__, quick_rounds=1)
    bench.parser.add_argument("loads", nargs="*", metavar="LOAD", help="instant, polled; both without one, with --quick polled")
    bench.parser.add_argument("--count", type=int, metavar="N", help="inputs of a turn (80,000; with --quick 3,000)")
    bench.parser.add_argument("--latency", type=int, metavar="N", help="inputs (1,500; with --quick 0: left out)")
    with bench.run() as arguments, bench.broker() as (cluster, broker_pid):
        unknown = set(arguments.loads) - set(LOADS)
        if unknown:
            bench.parser.error(f"no load is called {', '.join(sorted(unknown))}; the loads are {', '.join(LOADS)}")
        count = arguments.count or (3000 if arguments.quick else 80000)
        feeder = Feeder(cluster)
        for load in arguments.loads or (["polled"] if arguments.quick else LOADS):
            with Backend(threads=2) as backend:
                def contestant(options, load=load, backend=backend):
                    return lambda: turn(feeder, broker_pid, backend, LOADS[load], count, options)
                print_rates(bench, load, bench.rounds({name: contestant(options) for name, options, _ in GUARANTEES},
                                                      arguments.rounds, load))
        latency = arguments.latency if arguments.latency is not None else 0 if arguments.quick else 1500
        if latency:
            measure_latencies(bench, feeder, latency)


if __name__ == "__main__":
    main()
