#!/usr/bin/python3
"""The worker as a member of its group: joining, leaving, topics and partitions that are added."""
import re
import signal
import time
import uuid

from broker import Broker, Unavailable
from child import wait_until
from cluster import Message
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions
from scene import Scene, once_each
from tap import equal, run_all, skip, test
from worker import invocation

QUICK = {"code": "200", "instant": "1"}
SHORT_SESSION = ["-X", "session.timeout.ms=6000"]


def own_broker(**options):
    try:
        return Broker(**options)
    except Unavailable as reason:
        skip(str(reason))


@test("members that are stopped while they join end with status 0")
def _():
    with Scene(partitions=6) as scene:
        for _ in range(3):
            # A member that died keeps the others waiting: they join for as long as its session lasts.
            alive, dead = [scene.worker(arguments=SHORT_SESSION) for _ in range(2)]
            for worker in (alive, dead):
                worker.wait_for("partition_assigned", 30)
            alive.kill()
            late = scene.worker(arguments=SHORT_SESSION)
            time.sleep(0.3)
            late.kill()
            dead.kill()
            first = scene.worker(name="first", arguments=SHORT_SESSION)
            time.sleep(0.4)
            second = scene.worker(name="second", arguments=SHORT_SESSION)
            time.sleep(1.4)
            first.signal(signal.SIGTERM)
            statuses = [first.wait(40)]
            second.signal(signal.SIGTERM)
            equal(statuses + [second.wait(40)], [0, 0], f"the statuses of {first.log} and {second.log}")


@test("a frozen broker does not keep a worker from ending in its time")
def _():
    with own_broker() as broker, Scene(broker.cluster(), partitions=3) as scene:
        for seconds in ("0", "0-30"):
            worker = scene.worker(drain_seconds=6)
            scene.produce([invocation(f"{seconds}-{n}", scene.backend, {"seconds": seconds}) for n in range(500)])
            wait_until(lambda: scene.backend.stats()["kickoffs"] >= 500, 30, "the kickoffs")
            broker.freeze()
            time.sleep(1)
            worker.signal(signal.SIGTERM)
            begin = time.monotonic()
            try:
                equal(worker.wait(30), 0, f"the status of {worker.log}")
                assert time.monotonic() - begin < 15, f"{time.monotonic() - begin} s, {worker.log}"
            finally:
                worker.kill()
                broker.thaw()


@test("partitions that are added to a topic are read by the workers that run")
def _():
    with Scene(partitions=2) as scene:
        worker = scene.worker()
        worker.wait_for("partition_assigned", 30)
        admin = AdminClient({"bootstrap.servers": scene.kafka.bootstrap})
        admin.create_partitions([NewPartitions(scene.invocations, 8)])[scene.invocations].result(20)
        wait_until(lambda: len(scene.kafka.partitions(scene.invocations)) == 8, 30, "eight partitions")
        where = scene.produce([Message(invocation(f"run-{n}", scene.backend, QUICK), partition=n % 8) for n in range(400)])
        once_each(where, scene.wait_for_results(400))
        scene.wait_for_commit(30)
        equal(worker.stop(), 0)


@test("one group reads two topics")
def _():
    with Scene(partitions=3) as scene:
        other = scene.kafka.create_topic("others", 2)
        workers = [scene.worker(invocations_topics=f"{scene.invocations},{other}") for _ in range(2)]
        sent = [invocation(f"run-{n}", scene.backend, QUICK) for n in range(100)]
        scene.produce(sent)
        scene.kafka.produce(other, sent)
        results = [record.json() for record in scene.wait_for_results(200)]
        places = {tuple(result["metadata"][f"source.{key}"] for key in ("topic", "partition", "offset"))
                  for result in results}
        equal((len(results), len(places), {place[0] for place in places}), (200, 200, {scene.invocations, other}))
        scene.wait_for_commit(30)
        equal([worker.stop() for worker in workers], [0, 0])


@test("offsets that an open transaction is about to commit are waited for")
def _():
    with Scene(partitions=1) as scene:
        where = scene.produce([invocation(f"run-{n}", scene.backend, QUICK) for n in range(10)])
        producer = Producer({"bootstrap.servers": scene.kafka.bootstrap, "transactional.id": f"id-{uuid.uuid4().hex[:8]}"})
        producer.init_transactions(30)
        producer.begin_transaction()
        member = Consumer({"bootstrap.servers": scene.kafka.bootstrap, "group.id": scene.group})
        producer.send_offsets_to_transaction([TopicPartition(scene.invocations, 0, 4)], member.consumer_group_metadata(), 30)
        worker = scene.worker()
        worker.wait_for("committed_offsets_unread", 30)
        equal(scene.backend.stats()["kickoffs"], 0, "kickoffs before the transaction's end")
        producer.commit_transaction(30)
        member.close()
        once_each(where[4:], scene.wait_for_results(6))
        scene.wait_for_commit(30)
        equal(scene.backend.stats()["kickoffs"], 6)
        equal(worker.stop(), 0)


MOVES = r"partition_assigned|partition_leaving|partition_left|partitions_lost"


def static_pair(scene):
    """Two static members that share the partitions and have come to rest; the words that start the first again."""
    words = {"group_instance_id": "one", "client_id": "one", "name": "one"}
    pair = scene.worker(**words), scene.worker(group_instance_id="two", client_id="two", name="two")
    scene.kafka.wait_for_members(scene.group, 2, 6)
    for worker in pair:
        wait_until(lambda worker=worker: assigned(worker) >= 3, 30, f"the partitions in {worker.log}")
    return *pair, words


def assigned(worker, after=0):
    return len(re.findall("partition_assigned", worker.output(after)))


@test("a static member that restarts within its session, or dies, gets its partitions back at once and disturbs nobody")
def _():
    with Scene(partitions=6) as scene:
        first, second, words = static_pair(scene)
        before = {member.client_id: member.partitions for member in scene.kafka.members(scene.group)}
        where = scene.produce([invocation(f"a-{n}", scene.backend, {"seconds": "0.2"}) for n in range(300)])
        wait_until(lambda: scene.backend.stats()["kickoffs"] >= 100, 30, "some kickoffs")
        mark = second.mark()
        begin = time.monotonic()
        equal(first.stop(), 0, f"the status of {first.log}")
        took = time.monotonic() - begin
        assert took < 4, f"its end took {took:.1f} s: {first.log}"
        equal(len(scene.kafka.members(scene.group) or []), 2, "members while the first is away")
        begin = time.monotonic()
        again = scene.worker(**words)
        wait_until(lambda: assigned(again) == 3, 30, f"its partitions in {again.log}")
        took = time.monotonic() - begin
        assert took < 5, f"its partitions came after {took:.1f} s: {again.log}"
        where += scene.produce([invocation(f"b-{n}", scene.backend, QUICK) for n in range(300)])
        once_each(where, scene.wait_for_results(600))
        scene.wait_for_commit(30)
        after = {member.client_id: member.partitions for member in scene.kafka.members(scene.group)}
        equal(after, before)
        again.kill()
        again = scene.worker(**words)
        wait_until(lambda: assigned(again) == 3, 5, f"the partitions of one that died, in {again.log}")
        where += scene.produce([invocation(f"c-{n}", scene.backend, QUICK) for n in range(60)])
        once_each(where, scene.wait_for_results(660))
        scene.wait_for_commit(30)
        equal(re.findall(MOVES, second.output(mark)), [], f"what happened to partitions in {second.log}")
        equal([again.stop(), second.stop()], [0, 0])


if __name__ == "__main__":
    run_all()
