#!/usr/bin/python3
"""throughput: what the guarantees cost. Prints tables; --json FILE writes the figures of every round as well.

    tests/bench/throughput.py [--inputs N] [--rounds N] [--latency N] [WORD…]

One worker with two loop threads takes INPUTS (80,000) that wait for it, against a real broker and the simulated backend,
each a process of its own. In each round every guarantee has its turn, each turn with a group and topics of its own; a
WORD chooses loads: `instant` (the kickoff's answer bears the outcome) or `polled` (one or two polls). Results a second
are those between the first tenth and the last twentieth, by the broker's clock, as a read_committed reader gets them.
Processor time is what each process took for the whole turn, per result. A ratio compares turns of one round; the
median over all ROUNDS (5) stands in the table, with the least and the most.

Then the kickoffs' latency, from when the broker has an input to when the backend has its kickoff: LATENCY (1,500)
inputs, one each 10 ms."""
import argparse
import contextlib
import json
import pathlib
import statistics
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "whole"))

from broker import Broker  # noqa: E402
from child import wait_until  # noqa: E402
from cluster import Message  # noqa: E402
from confluent_kafka import Producer  # noqa: E402
from worker import Backend, Worker, invocation  # noqa: E402

PARTITIONS = 6
LOADS = {
    "instant": {"instant": "1", "code": "200"},
    "polled": {"seconds": "0-0.05"},
}
# The name, its options, and what it is compared with.
GUARANTEES = (
    ("at-least-once", {"checkpoints_topic": ""}, None),
    ("at-least-once, checkpoints", {}, "at-least-once"),
    ("exactly-once", {"checkpoints_topic": "", "results_guarantee": "exactly-once"}, "at-least-once"),
    ("exactly-once, checkpoints", {"results_guarantee": "exactly-once"}, "at-least-once, checkpoints"),
    ("kickoffs at-most-once", {"kickoff_guarantee": "at-most-once"}, "at-least-once, checkpoints"),
)


class Turn:
    """A worker with a group and topics of its own; `inputs` is the topic of the load."""

    def __init__(self, cluster, inputs, options):
        name = uuid.uuid4().hex[:8]
        self.cluster, self.inputs, self.group = cluster, inputs, f"group-{name}"
        self.results = cluster.create_topic(f"results-{name}", PARTITIONS, message_timestamp_type="LogAppendTime")
        self.worker = Worker(cluster, inputs, self.results, self.group, threads=2,
                             **{"checkpoints_topic": f"checkpoints-{name}", **options})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.worker.end()

    def wait_for_commit(self):
        """Until all inputs are committed. Nobody reads the results meanwhile: the reader would take a part of the
        processors, and so would who asks more often."""
        end = self.cluster.end_offsets(self.inputs)

        def at_end():
            time.sleep(0.25)
            assert self.worker.running, self.worker.tail()
            commits = self.cluster.committed(self.group, self.inputs)
            return all(commits[number].offset == offset for number, offset in end.items())
        wait_until(at_end, 300, "the commit of the end")

    def times(self, count):
        """When the broker appended each of so many results, sorted."""
        records = self.cluster.read_until(self.results, count, 300, "read_committed")
        wrong = [record for record in records if record.header("rxp-status") != b"succeeded"]
        assert not wrong, f"{len(wrong)} runs did not succeed, one with {wrong[0].value}"
        return sorted(record.timestamp_ms for record in records)


def turn_rates(cluster, broker, backend, inputs, count, options):
    processes = {"worker": None, "broker": broker.child, "backend": backend}
    before = {name: child.cpu_seconds() for name, child in processes.items() if child is not None}
    with Turn(cluster, inputs, options) as turn:
        turn.wait_for_commit()
        times = turn.times(count)
        processes["worker"] = turn.worker
        cpu = {f"{name}_us": (child.cpu_seconds() - before.get(name, 0)) / count * 1e6
               for name, child in processes.items()}
    first, last = count // 10, count - count // 20 - 1
    return {"rate": (last - first) / max(times[last] - times[first], 1) * 1000, **cpu}


def load_rates(cluster, broker, load, count, rounds):
    """{guarantee: [figures of each round]}"""
    simulate = LOADS[load]
    inputs = cluster.create_topic(f"inputs-{load}", PARTITIONS)
    found = {name: [] for name, _, _ in GUARANTEES}
    with Backend(threads=2) as backend:
        cluster.produce(inputs, (Message(invocation(f"{load}-{n}", backend, simulate), f"key-{n}")
                                 for n in range(count)))
        for number in range(rounds):
            # Who comes first changes, since a machine may get slower or faster.
            for index in range(len(GUARANTEES)):
                name, options, _ = GUARANTEES[(index + number) % len(GUARANTEES)]
                figures = turn_rates(cluster, broker, backend, inputs, count, options)
                found[name].append(figures)
                print(f"# {load}, round {number + 1}, {name}: " +
                      ", ".join(f"{key} {value:.0f}" for key, value in figures.items()), flush=True)
    return found


def print_rates(load, found):
    print(f"\n{load:28} {'results/s':>9} {'of what it is compared with':>30} {'worker':>9} {'broker':>9} {'backend':>9}")
    for name, _, base in GUARANTEES:
        rounds = found[name]
        compared = ""
        if base:
            ratios = [mine["rate"] / other["rate"] for mine, other in zip(rounds, found[base])]
            compared = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        costs = " ".join(f"{statistics.median(r[who] for r in rounds):6.0f} µs"
                         for who in ("worker_us", "broker_us", "backend_us"))
        print(f"{name:28} {statistics.median(r['rate'] for r in rounds):9.0f} {compared:>30} {costs}", flush=True)


def turn_latency(cluster, count, options, folder):
    """Milliseconds from input to kickoff, sorted."""
    inputs = cluster.create_topic("inputs-latency", PARTITIONS, message_timestamp_type="LogAppendTime")
    record = folder / f"requests-{uuid.uuid4().hex[:8]}"
    with Backend(threads=1, record=record) as backend, Turn(cluster, inputs, options) as turn:
        wait_until(lambda: turn.worker.output().count("partition_assigned") >= PARTITIONS, 30, "the assignment")
        producer = Producer({"bootstrap.servers": cluster.bootstrap, "linger.ms": 0, "acks": "all"})
        begin = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, begin + number * 0.01 - time.monotonic()))
            value = json.dumps(invocation(f"latency-{number}", backend, LOADS["instant"]))
            producer.produce(inputs, value, key=f"key-{number}")
            producer.poll(0)
        assert producer.flush(30) == 0
        turn.times(count)
        came = {entry.json()["invocation_id"]: entry.timestamp_ms for entry in cluster.read_all(inputs)}
        backend.stop()
    requests = map(json.loads, record.read_text(encoding="utf-8").splitlines())
    waits = [request["ms"] - came[request["key"]] for request in requests if request["method"] == "POST"]
    return sorted(waits[count // 10:])  # the first ones meet a cold worker


def print_latencies(cluster, count, folder):
    figures = {}
    print(f"\n{'from input to kickoff':28} {'median':>9} {'p99':>9} {'most':>9}")
    for name, options, _ in (GUARANTEES[1], GUARANTEES[4]):
        waits = turn_latency(cluster, count, options, folder)
        figures[name] = {"median_ms": statistics.median(waits), "p99_ms": waits[len(waits) * 99 // 100],
                         "most_ms": waits[-1]}
        print(f"{name:28} " + " ".join(f"{value:6.0f} ms" for value in figures[name].values()), flush=True)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("loads", nargs="*", metavar="WORD", help="instant, polled; both without one")
    parser.add_argument("--inputs", type=int, default=80000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--latency", type=int, default=1500, help="0: leave it out")
    parser.add_argument("--json")
    arguments = parser.parse_args()
    unknown = set(arguments.loads) - set(LOADS)
    if unknown:
        parser.error(f"no load is called {', '.join(sorted(unknown))}; the loads are {', '.join(LOADS)}")
    figures = {}
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(Broker())
        cluster = broker.cluster()
        for load in arguments.loads or LOADS:
            figures[load] = load_rates(cluster, broker, load, arguments.inputs, arguments.rounds)
            print_rates(load, figures[load])
        if arguments.latency:
            figures["latency"] = print_latencies(cluster, arguments.latency, broker.folder)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(figures) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
