#!/usr/bin/python3
"""growth: CPU of an invocation at saturation, as one thing at a time grows.

    tests/bench/growth.py [--quick] [--rounds N] [--count N] [--json FILE] [AXIS…]

    partitions   1, 12, 96 of the inputs' and the results' topic
    threads      1, 2 loops
    origins      1, 100 names of the same backend (oN.localhost), each with its own connections
    kB           0.3, 30: bytes of a message; nearly all of the large one is the kickoff's body
    guarantees   at least once, with checkpoints, exactly-once results, at-most-once kickoffs (these with checkpoints)

All else is as where they meet: 12 partitions, one loop, one origin, 300 bytes, at least once without checkpoints. In each round each
of them has a turn with a worker, a group and topics of its own; a ratio is that to the meeting point's turn of the round. The
exponent is the slope of the CPU's logarithm over that of what grows: 0 where it does not matter, 1 where twice as much of it
takes twice as long."""
import math
import statistics
import types

from bench import Bench, on_path, one_of, ratios, spread, values
from gauge import reap
from load import MESSAGE_BYTES, Feeder, Work

on_path()

from worker import Backend  # noqa: E402

BASE = {"partitions": 12, "threads": 1, "origins": 1, "kB": MESSAGE_BYTES / 1000, "guarantees": "at least once"}
GUARANTEES = {
    "at least once": {},
    "with checkpoints": {"checkpoints": True},
    "exactly-once results": {"results_guarantee": "exactly-once", "checkpoints": True},
    "at-most-once kickoffs": {"kickoff_guarantee": "at-most-once", "checkpoints": True},
}
AXES = {"partitions": [1, 12, 96], "threads": [1, 2], "origins": [1, 100], "kB": [MESSAGE_BYTES / 1000, 30],
        "guarantees": list(GUARANTEES)}
MEET = "where they meet"


def origins(backend, count):
    """So many origins that are this backend: names which clients take for loopback without asking anybody (RFC 6761)."""
    if count == 1:
        return backend

    def origin(number):
        return types.SimpleNamespace(
            url=lambda path="/runs", **parameters: backend.url(path, **parameters).replace("127.0.0.1", f"o{number}.localhost"))
    return [origin(number) for number in range(count)]


def turn(feeder, broker_pid, backend, at, count):
    # A large message takes as long as some small ones; a hundred origins' connections are to stand before it counts.
    count = count // 5 if at["kB"] > 10 else count
    warm = max(1000, count // 2 if at["origins"] > 1 else 0)
    with Work(feeder, origins(backend, at["origins"]), at["partitions"], int(at["kB"] * 1000)) as work, \
            work.worker(threads=at["threads"], **GUARANTEES[at["guarantees"]]) as worker:
        figures = work.measure(worker, count, warm, {"broker": broker_pid, "backend": backend.pid})
        usage = reap(worker)
        assert usage.status == 0, f"the worker ended with {usage.status}\n{worker.tail()}"
        return figures


def slope(points):
    """Least squares through the logarithms of (x, y)."""
    xs, ys = ([math.log(point[n]) for point in points] for n in (0, 1))
    mean_x, mean_y = statistics.mean(xs), statistics.mean(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / sum((x - mean_x) ** 2 for x in xs)


def name_of(axis, value):
    return MEET if value == BASE[axis] else f"{axis} {value}" if isinstance(value, (int, float)) else value


def tables(bench, found, axes):
    rows, slopes = [], {}
    for axis in axes:
        for value in AXES[axis]:
            name = name_of(axis, value)
            turns = found.get(name, [])
            to_base = spread(ratios(found, name, MEET, "cpu_us"), "{:.2f}")
            rows.append([f"{axis}: {value}", spread(values(turns, "cpu_us")), to_base, spread(values(turns, "rate"), "{:,.0f}"),
                         spread(values(turns, "cores"), "{:.2f}"), spread(values(turns, "rss_mb"), "{:.0f}"),
                         *(spread(values(turns, f"{who}_us")) for who in ("broker", "backend"))])
        if axis != "guarantees":
            slopes[axis] = slope([(value, statistics.median(values(found[name_of(axis, value)], "cpu_us")))
                                  for value in AXES[axis]])
    bench.table("CPU of an invocation, µs: median (least to most) of the rounds",
                ["", "worker", f"of that {MEET}", "results/s", "cores busy", "MB at the end", "broker", "backend"], rows)
    bench.table("how it grows", ["with", "exponent"], [[axis, f"{number:.3f}"] for axis, number in slopes.items()])
    bench.figures["exponents"] = slopes


def main():
    bench = Bench("growth", __doc__, quick_rounds=1)
    bench.parser.add_argument("axes", nargs="*", metavar="AXIS", type=one_of(AXES, "axis"),
                              help="all without one; with --quick all but guarantees")
    bench.parser.add_argument("--count", type=int, metavar="N", help="invocations a turn (40,000; with --quick 2,000)")
    with bench.run() as arguments, bench.broker() as (cluster, broker_pid):
        count = arguments.count or (2000 if arguments.quick else 40000)
        axes = arguments.axes or [axis for axis in AXES if axis != "guarantees" or not arguments.quick]
        bench.figures |= {"count": count, "base": BASE}
        feeder = Feeder(cluster)
        with Backend(threads=1) as backend:
            points = {name_of(axis, value): {**BASE, axis: value} for axis in axes for value in AXES[axis]}
            tables(bench, bench.rounds({name: lambda at=at: turn(feeder, broker_pid, backend, at, count)
                                        for name, at in points.items()}, arguments.rounds), axes)


if __name__ == "__main__":
    main()
