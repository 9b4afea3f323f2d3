#!/usr/bin/python3
"""guarantees: what checkpoints, exactly-once results and at-most-once kickoffs cost.

    tests/bench/guarantees.py [--quick] [--rounds N] [--count N] [--json FILE] [LOAD…]

One worker with two loop threads takes COUNT (80,000) inputs that wait for it. In each round every guarantee has its turn, with
a group and topics of its own; a LOAD is `instant` (the kickoff's answer bears the outcome) or `polled` (the second poll's
does). A rate is that of results, from when the inputs are let go to when the broker appended the last one. Processor time is
what each process took, by result. How long they take: latency.py."""
from bench import Bench, on_path, one_of, ratios, spread, values
from gauge import reap
from load import INSTANT, POLLED, Feeder, Work

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


def main():
    bench = Bench("guarantees", __doc__, quick_rounds=1)
    bench.parser.add_argument("loads", nargs="*", metavar="LOAD", type=one_of(LOADS, "load"),
                              help="instant, polled; both without one, with --quick polled")
    bench.parser.add_argument("--count", type=int, metavar="N", help="inputs of a turn (80,000; with --quick 3,000)")
    with bench.run() as arguments, bench.broker() as (cluster, broker_pid):
        count = arguments.count or (3000 if arguments.quick else 80000)
        feeder = Feeder(cluster)
        for load in arguments.loads or (["polled"] if arguments.quick else LOADS):
            with Backend(threads=2) as backend:
                def contestant(options, load=load, backend=backend):
                    return lambda: turn(feeder, broker_pid, backend, LOADS[load], count, options)
                print_rates(bench, load, bench.rounds({name: contestant(options) for name, options, _ in GUARANTEES},
                                                      arguments.rounds, load))


if __name__ == "__main__":
    main()
