#!/usr/bin/python3
"""The benchmarks' unit of work (tests/bench/load.py), tried with a worker and a broker: what a benchmark says was done was."""
import pathlib
import sys
import tempfile

from worker import Backend  # before bench, which would take its own build of the worker
from scene import cluster
from tap import equal, run_all, test

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))

from gauge import reap  # noqa: E402
from load import MESSAGE_BYTES, Feeder, Work, kickoffs  # noqa: E402


@test("nobody sees a message before it is let go, and then all are there, spread evenly")
def _():
    kafka = cluster()
    feeder = Feeder(kafka)
    with Backend(threads=1) as backend, Work(feeder, backend) as work:
        work.put(60)
        equal(len(kafka.read_all(work.inputs, isolation="read_committed")), 0)
        feeder.release()
        records = kafka.read_all(work.inputs, isolation="read_committed")
        equal([record.partition for record in records], sorted(list(range(6)) * 10))
        equal({len(record.value) for record in records}, {MESSAGE_BYTES})
        equal(len({record.json()["invocation_id"] for record in records}), 60)
        equal(work.ends, {number: 10 for number in range(6)})


@test("each invocation is a kickoff and two polls, and a measurement ends with the last commit")
def _():
    with Backend(threads=1) as backend, Work(Feeder(cluster()), backend) as work, work.worker(threads=1) as worker:
        figures = work.measure(worker, 300, 100, {"backend": backend.pid})
        stats = backend.stats()
        equal((stats["kickoffs"], stats["polls"], stats["idempotency_keys"]["distinct"]), (400, 800, 400))
        commits = work.cluster.committed(work.group, work.inputs)
        equal({number: commit.offset >= work.ends[number] for number, commit in commits.items()}, dict.fromkeys(range(6), True))
        wrong = {name: figures[name] for name in ("cpu_us", "backend_us", "rate", "per_core", "cores", "rss_mb")
                 if not figures[name] > 0}
        equal(wrong, {})
        assert figures["threads"] > 3, figures
        equal(reap(worker).status, 0)


@test("inputs that come at a pace are all sent, and their kickoffs can be told apart from those before")
def _():
    with tempfile.TemporaryDirectory(prefix="rxp-bench-") as folder:
        record = pathlib.Path(folder) / "requests"
        with Backend(threads=1, record=record) as backend, Work(Feeder(cluster()), backend) as work, \
                work.worker(threads=1, checkpoints=True) as worker:
            work.put(10)
            work.feeder.release()
            work.wait(worker)
            first = work.trickle(30, 200)
            work.wait(worker)
            equal(len(work.times(30)), 30)
            backend.stop()
            equal(sum(name >= first for name in kickoffs(record)), 30)
            equal(len(kickoffs(record)), 40)


@test("a message that is not answered is missed")
def _():
    with Backend(threads=1) as backend, Work(Feeder(cluster()), backend, simulate={"seconds": 600}) as work, \
            work.worker(threads=1) as worker:
        work.put(1)
        work.feeder.release()
        try:
            work.wait(worker, 2)
        except AssertionError as error:
            equal("the last commit" in str(error), True)
        else:
            raise AssertionError("it was not missed")


if __name__ == "__main__":
    run_all()
