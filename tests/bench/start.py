#!/usr/bin/python3
"""start: from the start of a worker to its kickoffs.

    tests/bench/start.py [--quick] [--rounds N] [--json FILE]

The broker runs, with group.initial.rebalance.delay.ms=0, the group is new and empty, and one message waits in each of six
partitions. Measured is from before the process is made until the backend has the first of their kickoffs, and until it has
the last: whichever partition a message lies in, it waits no longer than that."""
import contextlib
import time

from bench import Bench, on_path, spread, values
from load import INSTANT, PARTITIONS, Feeder, Work, kickoffs, record_file

on_path()

from worker import Backend  # noqa: E402

CONTESTANTS = {
    "checkpoints (the default)": {"checkpoints": True},
    "without checkpoints": {},
    "checkpoints, and librdkafka's own fetch.wait.max.ms=500": {"checkpoints": True, "arguments": ("-X", "fetch.wait.max.ms=500")},
}


def turn(feeder, options):
    with contextlib.ExitStack() as stack:
        record = stack.enter_context(record_file())
        backend = stack.enter_context(Backend(threads=1, record=record))
        work = stack.enter_context(Work(feeder, backend, simulate=INSTANT))
        work.put(PARTITIONS)
        feeder.release()
        begin_ms = time.time() * 1000
        worker = stack.enter_context(work.worker(**options))
        work.wait(worker)
        backend.stop()  # it writes the rest of its record
        came = sorted(kickoffs(record).values())
        assert len(came) == PARTITIONS, f"{len(came)} kickoffs of {PARTITIONS}\n{worker.tail()}"
        return {"first_ms": came[0] - begin_ms, "last_ms": came[-1] - begin_ms}


def main():
    bench = Bench("start", __doc__, quick_rounds=1)
    with bench.run() as arguments, bench.broker() as (cluster, _):
        feeder = Feeder(cluster)
        turn(feeder, {"checkpoints": True})  # the broker's own first of everything
        found = bench.rounds({name: lambda options=options: turn(feeder, options) for name, options in CONTESTANTS.items()},
                             arguments.rounds)
        bench.table("from the start, ms: median (least to most) of the rounds", ["", "to the first kickoff", "to the last of six"],
                    [[name, *(spread(values(turns, key), "{:.0f}") for key in ("first_ms", "last_ms"))]
                     for name, turns in found.items()])


if __name__ == "__main__":
    main()
