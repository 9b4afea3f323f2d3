#!/usr/bin/python3
"""What a worker tells of its partitions, as GET /status shows it: what waits, what is in flight, what holds the frontier back."""
import json
import urllib.request

from child import wait_until
from cluster import Message
from confluent_kafka import Producer
from scene import Scene
from tap import equal, run_all, test
from worker import invocation

HANGING = {"seconds": "3600"}


class Status:
    """The worker's /status, asked anew each time."""

    def __init__(self, worker):
        self.worker = worker
        found = worker.wait_for(r"the admin server listens on 127\.0\.0\.1:0, port ([1-9][0-9]*)")
        self.url = f"http://127.0.0.1:{found.group(1)}/status"

    def read(self):
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            return json.load(answer)

    def await_sum(self, wanted, seconds=60):
        """Until the sums over the partitions are these."""
        last = {}

        def is_so():
            status = self.read()
            sums = {name: sum(part[name] or 0 for part in status["partitions"]) for name in wanted}
            last.update(sums=sums, status=status)
            return sums == wanted
        try:
            wait_until(is_so, seconds, f"{wanted}")
        except AssertionError as reason:
            raise AssertionError(f"{reason}: {last['sums']}; {self.worker.tail()}") from None
        return last["status"]


def hanging(backend, first, count):
    return [Message(invocation(f"run-{n}", backend, HANGING, timeout_seconds=7200), key=f"k{n}")
            for n in range(first, first + count)]


@test("what waits is right while nothing is taken, also of what comes then; the frontier's age grows; the phases sum up")
def _():
    with Scene(partitions=3) as scene:
        status = Status(scene.worker(max_in_flight=100, admin_listen="127.0.0.1:0", drain_seconds=2))
        scene.produce(hanging(scene.backend, 0, 5000))
        seen = status.await_sum({"in_flight": 100, "waiting": 4900, "lag": 5000})
        equal(seen["waiting"], 4900)
        equal(sum(seen["phases"].values()), 100)
        equal([part["paused"] for part in seen["partitions"]], [["limit"]] * 3)
        scene.produce(hanging(scene.backend, 5000, 2000))
        seen = status.await_sum({"in_flight": 100, "waiting": 6900, "lag": 7000})
        wait_until(lambda: min(part["frontier_age_ms"] for part in status.read()["partitions"] if part["in_flight"]) > 5000,
                   60, "ages")


@test("one stuck run holds the frontier: its age grows while all others end, and they are done beyond it")
def _():
    with Scene(partitions=1) as scene:
        status = Status(scene.worker(admin_listen="127.0.0.1:0", drain_seconds=2))
        scene.produce(hanging(scene.backend, 0, 1))
        scene.produce([Message(invocation(f"quick-{n}", scene.backend, {"seconds": "0"})) for n in range(300)])
        status.await_sum({"in_flight": 1, "waiting": 0, "done_beyond": 300, "span": 301, "frontier": 0, "end": 301})
        wait_until(lambda: status.read()["partitions"][0]["frontier_age_ms"] > 3000, 60, "age")
        scene.produce([Message(invocation(f"later-{n}", scene.backend, {"seconds": "0"})) for n in range(10)])
        seen = status.await_sum({"in_flight": 1, "waiting": 0, "done_beyond": 310, "span": 311})
        assert seen["partitions"][0]["frontier_age_ms"] > 3000, seen


@test("markers and aborted messages at a log's end do not wait; nor do those of a transaction that is open")
def _():
    with Scene(partitions=1) as scene:
        status = Status(scene.worker(admin_listen="127.0.0.1:0"))
        producer = Producer({"bootstrap.servers": scene.kafka.bootstrap, "transactional.id": scene.group})
        producer.init_transactions()
        for count, commit in ((20, True), (30, False), (40, None)):
            producer.begin_transaction()
            for n in range(count):
                producer.produce(scene.invocations, json.dumps(invocation(f"{count}-{n}", scene.backend, {"seconds": "0"})))
            producer.flush()
            if commit:
                producer.commit_transaction()
            elif commit is False:
                producer.abort_transaction()
        status.await_sum({"in_flight": 0, "waiting": 0, "end": 52, "position": 52, "committed": 52})
        producer.abort_transaction()
        status.await_sum({"in_flight": 0, "waiting": 0, "end": 93})


if __name__ == "__main__":
    run_all()
