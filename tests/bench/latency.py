#!/usr/bin/python3
"""latency: how long an invocation waits for the worker, and its result for whoever reads it.

    tests/bench/latency.py [--quick] [--rounds N] [--rates R[,R…]] [--seconds S] [--json FILE] [MODE…]

Invocations (a kickoff and two polls, which are answered at once) come at an even pace: 10, 500 and 3,000 a second, for 30, 10 and
10 s, to one worker with two loop threads. In each round each mode has a turn, with a worker, a group and topics of its own:

    plain        results and kickoffs at least once, without checkpoints
    checkpoints  the same with them: the default
    exactly      exactly-once results, with checkpoints (and so up to transaction-ms, 100, until a transaction begins)
    at-most      at-most-once kickoffs, with checkpoints

The way there ends when the backend has the kickoff; it begins when the message is handed to a producer that does not linger, or
when the broker has appended it. The way back begins when the backend has the poll whose answer ends the run; it ends when the
broker has appended the result, or when a read_committed consumer has it, which asks with fetch.wait.max.ms=10. All clocks are this
machine's, in microseconds, but for the broker's, whose whole milliseconds are taken for their middles."""
import contextlib
import json
import threading
import time

from bench import Bench, on_path, one_of, quantiles, spread, values
from confluent_kafka import Consumer, TopicPartition
from gauge import Others, reap
from load import Feeder, Work, courses, record_file

on_path()

from child import wait_until  # noqa: E402
from worker import Backend  # noqa: E402

THREADS = 2
WARM = 200
MODES = {
    "plain": {},
    "checkpoints": {"checkpoints": True},
    "exactly": {"results_guarantee": "exactly-once", "checkpoints": True},
    "at-most": {"kickoff_guarantee": "at-most-once", "checkpoints": True},
}
SECONDS = {10: 30}  # else 10
WAYS = {
    "sent_kickoff": "from the producer to the kickoff",
    "appended_kickoff": "from the topic to the kickoff",
    "answer_appended": "from the last answer to the result in the topic",
    "answer_read": "from the last answer to the result at a consumer",
}


class Reader:
    """Reads a topic from its present end on, in a thread, and notes when each record came."""

    def __init__(self, cluster, topic):
        ends = cluster.end_offsets(topic)
        self.consumer = Consumer({
            "bootstrap.servers": cluster.bootstrap, "group.id": "bench-latency", "enable.auto.commit": False, "log_level": 0,
            "isolation.level": "read_committed", "fetch.wait.max.ms": 10})
        self.consumer.assign([TopicPartition(topic, number, offset) for number, offset in ends.items()])
        self.records = []  # (when it came, in ms, its record)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._read)

    def _read(self):
        while not self.ended.is_set():
            record = self.consumer.poll(0.2)
            if record is not None and record.error() is None:
                self.records.append((time.time() * 1000, record))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.consumer.close()

    def results(self):
        """{invocation_id: (appended, read), in ms}"""
        return {json.loads(record.value())["invocation_id"]: (middle(record.timestamp()[1]), came)
                for came, record in self.records}


def middle(stamp_ms):
    return stamp_ms + 0.5


def figures_of(names, work, seen, appended, results):
    """Quantiles of each way, by these invocations."""
    ways = {way: [] for way in WAYS}
    for name in names:
        course, (result_appended, result_read) = seen[name], results[name]
        ways["sent_kickoff"].append(course.kickoff_ms - work.sent_ms[name])
        ways["appended_kickoff"].append(course.kickoff_ms - appended[name])
        ways["answer_appended"].append(result_appended - course.polls_ms[-1])
        ways["answer_read"].append(result_read - course.polls_ms[-1])
    return {way: quantiles(numbers) for way, numbers in ways.items()}


def turn(feeder, broker_pid, rates, options):
    """{"WAY RATE QUANTILE": ms}, and who else was busy."""
    names = {}
    with contextlib.ExitStack() as stack:
        record = stack.enter_context(record_file())
        backend = stack.enter_context(Backend(threads=1, record=record))
        work = stack.enter_context(Work(feeder, backend, message_timestamp_type="LogAppendTime"))
        worker = stack.enter_context(work.worker(threads=THREADS, **options))
        work.put(WARM)
        feeder.release()
        work.wait(worker)
        reader = stack.enter_context(Reader(work.cluster, work.results))
        others, expected = Others([broker_pid]), 0
        for rate, seconds in rates.items():
            before = set(work.sent_ms)
            work.trickle(max(int(rate * seconds), 10), rate)
            names[rate] = set(work.sent_ms) - before
            expected += len(names[rate])
            work.wait(worker)
            wait_until(lambda: len(reader.records) >= expected, 60, f"{expected} results at the consumer")
        busy = dict(zip(("others", "stolen"), others.cores()))
        usage = reap(worker)
        assert usage.status == 0, f"the worker ended with {usage.status}\n{worker.tail()}"
        appended = {entry.json()["invocation_id"]: middle(entry.timestamp_ms)
                    for entry in work.cluster.read_all(work.inputs, isolation="read_committed")}
        backend.stop()  # it writes the rest of its record
        seen, results = courses(record), reader.results()
    found = {rate: figures_of(some, work, seen, appended, results) for rate, some in names.items()}
    return {f"{way} {rate} {name}": ms for rate, ways in found.items() for way, figures in ways.items()
            for name, ms in figures.items() if name in ("p50", "p95", "p99", "most")} | busy


def tables(bench, found, rates):
    for way, title in WAYS.items():
        bench.table(f"{title}, ms: median (least to most) of the rounds",
                    ["", *(f"{rate:,}/s, {name}" for rate in rates for name in ("p50", "p99"))],
                    [[mode, *(spread(values(turns, f"{way} {rate} {name}"), "{:.2f}")
                              for rate in rates for name in ("p50", "p99"))] for mode, turns in found.items()])


def main():
    bench = Bench("latency", __doc__, rounds=3, quick_rounds=1)
    bench.parser.add_argument("modes", nargs="*", metavar="MODE", type=one_of(MODES, "mode"),
                              help="all without one; with --quick checkpoints and exactly")
    bench.parser.add_argument("--rates", metavar="R[,R…]", help="10,500,3000; with --quick 10,500")
    bench.parser.add_argument("--seconds", type=float, metavar="S", help="of each rate; with --quick 1")
    with bench.run() as arguments, bench.broker() as (cluster, broker_pid):
        modes = arguments.modes or (["checkpoints", "exactly"] if arguments.quick else list(MODES))
        rates = {int(word): arguments.seconds or (1 if arguments.quick else SECONDS.get(int(word), 10))
                 for word in (arguments.rates or ("10,500" if arguments.quick else "10,500,3000")).split(",")}
        bench.figures |= {"seconds": rates, "threads": THREADS}
        feeder = Feeder(cluster)
        tables(bench, bench.rounds({mode: lambda options=MODES[mode]: turn(feeder, broker_pid, rates, options) for mode in modes},
                                   arguments.rounds), rates)


if __name__ == "__main__":
    main()
