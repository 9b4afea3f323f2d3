#!/usr/bin/python3
"""The benchmarks' unit of work (tests/bench/load.py), tried with a worker and a broker, and the programs that the worker is
compared with: what a benchmark says was done was."""
import json
import pathlib
import sys
import tempfile

from worker import PROGRAM, Backend  # before bench, which would take its own build of the worker
from child import Child, wait_until
from scene import cluster
from tap import equal, rows, run_all, skip, test

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))

from gauge import reap  # noqa: E402
from load import MESSAGE_BYTES, Feeder, Work, kickoffs  # noqa: E402


def program(name):
    path = pathlib.Path(PROGRAM).parent / "tests/bench" / name
    return path if path.exists() else skip(f"{name} is not built")


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


@test("a worker does another work of its group as well, and its messages go to several backends by their own profile")
def _():
    feeder = Feeder(cluster())
    with Backend(name="left", threads=1) as left, Backend(name="right", threads=1) as right, \
            Work(feeder, left, first=1000, simulate={"polls": 2}) as new, \
            Work(feeder, [left, right], group=new.group, runtime="sleep", simulate={"seconds": 600},
                 profile={"http.poll_interval_seconds": "600"}) as asleep, new.worker(threads=1, also=asleep) as worker:
        asleep.trickle(20, 1000)
        wait_until(lambda: left.stats()["polls"] + right.stats()["polls"] == 20, 30, "their first polls")
        figures = new.measure(worker, 30, 10, counts={"polls": lambda: left.stats()["polls"] + right.stats()["polls"]})
        equal(figures["polls"], 60)
        equal((left.stats()["kickoffs"], right.stats()["kickoffs"], right.stats()["polls"]), (50, 10, 10))
        equal(sorted(asleep.sent_ms)[::19], ["bench-00000000", "bench-00000019"])


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


@rows("{0} makes as many requests as it says, and knows its own CPU time", [("curl_loop",), ("epoll_client",)])
def _(name):
    with Backend(threads=1) as backend, Child([program(name), backend.origin, 500, 100], name=name) as child:
        usage = reap(child, None)
        equal(usage.status, 0, child.tail())
        figures = json.loads(child.output())
        stats = backend.stats()
        equal((stats["kickoffs"], stats["polls"], stats["idempotency_keys"]["distinct"]), (600, 1200, 600))
        equal(figures["count"], 500)
        whole = usage.user_seconds + usage.system_seconds
        assert 0 < figures["cpu_us"] * 500 / 1e6 < figures["whole_seconds"] <= whole + 0.011, (figures, usage)


@test("the libcurl loop does the worker's work with Kafka: a result of each input, and its commit")
def _():
    kafka = cluster()
    with Backend(threads=1) as backend, Work(Feeder(kafka), backend) as work:
        command = [program("curl_loop"), backend.origin, 0, 0, kafka.bootstrap, work.inputs, work.results, work.group]
        with Child(command, name="curl_loop") as child:
            assert work.measure(child, 300, 100)["cpu_us"] > 0
            equal((backend.stats()["kickoffs"], backend.stats()["polls"]), (400, 800))
            records = kafka.read_all(work.results)
            equal(sorted(record.key for record in records), sorted(record.key for record in kafka.read_all(work.inputs)))
            equal(reap(child).status, 0, child.tail())


if __name__ == "__main__":
    run_all()
