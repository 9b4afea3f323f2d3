#!/usr/bin/python3
"""results-guarantee=exactly-once: what a read_committed consumer sees."""
import collections
import re

from admin import Admin
from broker import Broker
from child import wait_until
from cluster import Message
from scene import Scene, once_each
from tap import equal, run_all, test
from worker import invocation

QUICK = ["-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500"]
EXACTLY = {"results_guarantee": "exactly-once"}


def committed_results(scene, count, seconds=90):
    """So many results as a read_committed consumer sees them, then those that come at the present end as well."""
    scene.kafka.read_until(scene.results, count, seconds, isolation="read_committed")
    return scene.kafka.read_all(scene.results, isolation="read_committed")


def size(record):
    return len(record.key) + len(record.value) + sum(len(name) + len(value) for name, value in record.headers)


@test("every input has one result, and its offset is committed with it")
def _():
    with Scene(partitions=3) as scene:
        dead = scene.kafka.create_topic("dead", 1)
        worker = scene.worker(dead_letter_topic=dead, **EXACTLY)
        messages = [Message(b"garbage" if n % 50 == 49 else invocation(f"run-{n}", scene.backend, {"seconds": "0-1"}),
                            key=f"k{n}") for n in range(2000)]
        where = scene.produce(messages)
        results = once_each(where, committed_results(scene, len(where)))
        counted = collections.Counter(result["status"] for result in results.values())
        equal(counted, {"succeeded": 1960, "rejected": 40})
        equal(len(scene.kafka.read_all(dead, isolation="read_committed")), 40, "dead letters")
        scene.wait_for_commit()
        equal(worker.stop(), 0)


@test("workers that are killed again and again repeat no result and start no run twice")
def _():
    with Scene(partitions=3) as scene:
        workers = [scene.worker(name=f"w{n}", arguments=QUICK, **EXACTLY) for n in range(2)]
        count = 3000
        where = scene.produce([Message(invocation(f"run-{n}", scene.backend, {"seconds": "1-6"}, timeout_seconds=600),
                                       key=f"k{n}") for n in range(count)])
        for round_number in range(3):
            share = count * (round_number + 1) // 4
            wait_until(lambda share=share: len(scene.kafka.read_all(scene.results)) >= share, 60, "results")
            workers[round_number % 2].kill()
            workers[round_number % 2] = scene.worker(name=f"again{round_number}", arguments=QUICK, **EXACTLY)
        results = once_each(where, committed_results(scene, count, 200))
        equal(collections.Counter(result["status"] for result in results.values()), {"succeeded": count})
        scene.wait_for_commit(60)
        repeated = scene.backend.stats()["idempotency_keys"]["repeated"]
        assert repeated < 200, f"{repeated} kickoffs fell between a kickoff and its checkpoint"


@test("results that their topic does not take go again smaller, few transactions are aborted for them, and no other is held back")
def _():
    count = 1000
    with Scene(partitions=3, max_message_bytes=20000) as scene:
        worker = scene.worker(log_level="debug", admin_listen="127.0.0.1:0", **EXACTLY)
        large = {"seconds": "0.1", "result_bytes": "100000"}
        where = scene.produce([invocation(f"run-{n}", scene.backend, large if n % 10 == 3 else {"seconds": "0.1"},
                                          http_result_path="result") for n in range(count)])
        records = committed_results(scene, count)
        results = once_each(where, records)
        shed = [n for n, place in enumerate(where) if "rxp.shed" in results[place]["metadata"]]
        equal(shed, [n for n in range(count) if n % 10 == 3], "those that say what was left out")
        # What goes together is halved until the topic takes it, from the 1 MB of librdkafka's batch.size on: less than 20 kB after
        # six times. All other refusals are of one that is smaller than all that were refused before.
        aborted = len(re.findall(r"[1-9]\d* of them refused", worker.output()))
        parted = worker.output().count('"transaction_parted"')
        sizes = {size(record) for record in records if b"rxp.shed" in record.value}  # and as much more as was left out of each
        assert aborted >= 1, "no transaction was aborted"
        assert parted <= 6, f"{parted} times results were too large together"
        assert aborted - parted <= len(sizes), f"{aborted - parted} transactions were aborted for results of {len(sizes)} sizes"
        # As they would behind a refused one, whose partition librdkafka sends nothing more of.
        assert "timed out" not in worker.output(), "results waited for their time-out"
        assert "transaction_aborted" not in worker.output(), worker.tail()
        scene.wait_for_commit()
        counted = Admin(worker).family("rxp_transactions_total")
        equal(counted['{outcome="aborted"}'], len(re.findall("a transaction was aborted", worker.output())), "aborted ones")
        assert 1 <= counted['{outcome="committed"}'] <= count, counted
        equal(worker.stop(), 0)


@test("brokers that take less in a transaction's time than is due at once get it in smaller transactions")
def _():
    count = 40
    with Broker() as broker, Scene(broker.cluster(), partitions=2) as scene:
        simulate = {"seconds": "8", "result_bytes": "200000"}
        where = scene.produce([invocation(f"run-{n}", scene.backend, simulate, timeout_seconds=600, http_result_path="result")
                               for n in range(count)])
        worker = scene.worker(client_id="slow", **EXACTLY)
        # 8 MB take 27 s, and a transaction 10 s.
        broker.tool("kafka.admin.ConfigCommand", "--alter", "--add-config", "producer_byte_rate=300000", "--entity-type",
                    "clients", "--entity-name", "slow")
        results = once_each(where, committed_results(scene, count, 120))
        equal(collections.Counter(result["status"] for result in results.values()), {"succeeded": count})
        equal(worker.stop(), 0)


@test("exactly-once and at-most-once together: a commit by transaction permits a kickoff")
def _():
    with Scene(partitions=2) as scene:
        worker = scene.worker(kickoff_guarantee="at-most-once", **EXACTLY)
        where = scene.produce([invocation(f"run-{n}", scene.backend, {"seconds": "0-1"}) for n in range(300)])
        results = once_each(where, committed_results(scene, 300))
        equal(collections.Counter(result["status"] for result in results.values()), {"succeeded": 300})
        equal(scene.backend.stats()["kickoffs"], 300)
        equal(worker.stop(), 0)


if __name__ == "__main__":
    run_all()
