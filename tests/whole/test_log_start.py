#!/usr/bin/python3
"""Topics whose logs are not simply full of messages from offset 0 on: retention, a topic made anew, transactions."""
import ctypes
import shlex

import cluster as kafka_cluster
from child import wait_until
from cluster import Commit, Message
from confluent_kafka import Producer
from scene import Scene, once_each
from tap import equal, holds, run_all, test
from worker import invocation

QUICK = {"code": "200", "instant": "1"}


def delete_records(kafka, topic, before):
    """Of each partition all records below {partition: offset}, as retention does. Debian's confluent_kafka cannot."""
    library = kafka_cluster._load()
    pointer = ctypes.c_void_p
    signatures = {
        "rd_kafka_queue_new": (pointer, [pointer]),
        "rd_kafka_queue_poll": (pointer, [pointer, ctypes.c_int]),
        "rd_kafka_queue_destroy": (None, [pointer]),
        "rd_kafka_event_error": (ctypes.c_int, [pointer]),
        "rd_kafka_event_destroy": (None, [pointer]),
        "rd_kafka_DeleteRecords_new": (pointer, [ctypes.POINTER(kafka_cluster._TopicPartitionList)]),
        "rd_kafka_DeleteRecords_destroy": (None, [pointer]),
        "rd_kafka_DeleteRecords": (None, [pointer, ctypes.POINTER(pointer), ctypes.c_size_t, pointer, pointer]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    with kafka_cluster._Offsets(kafka.bootstrap, "nobody", topic, list(before)) as offsets:
        for element in offsets._elements():
            element.offset = before[element.partition]
        queue = library.rd_kafka_queue_new(offsets.handle)
        request = pointer(library.rd_kafka_DeleteRecords_new(offsets.list))
        library.rd_kafka_DeleteRecords(offsets.handle, ctypes.byref(request), 1, None, queue)
        event = library.rd_kafka_queue_poll(queue, 20000)
        assert event, "the broker did not answer"
        equal(library.rd_kafka_event_error(event), 0, "the error of deleting records")
        library.rd_kafka_event_destroy(event)
        library.rd_kafka_DeleteRecords_destroy(request)
        library.rd_kafka_queue_destroy(queue)


def kickoffs(scene):
    return scene.backend.stats()["kickoffs"]


@test("where the log begins above offset 0 restarts repeat nothing, and no partition is stuck")
def _():
    with Scene(partitions=24) as scene:
        worker = scene.worker()
        scene.produce([Message(invocation(f"first-{n}", scene.backend, QUICK), partition=n % 24) for n in range(1200)])
        scene.wait_for_commit(60)
        equal(worker.stop(), 0)
        delete_records(scene.kafka, scene.invocations, {number: 30 for number in range(24)})
        sent = 1200
        for turn in range(8):
            worker = scene.worker()
            scene.produce([Message(invocation(f"{turn}-{n}", scene.backend, QUICK), partition=n) for n in range(24)])
            sent += 24
            scene.wait_for_commit(20)
            equal(worker.stop(), 0)
            for event in ("log_replaced", "offset_out_of_range", "messages_gone"):
                assert event not in worker.output(), f"{event} in {worker.log}"
        equal(kickoffs(scene), sent, "kickoffs")


@test("a worker that joins takes over partitions of a log that begins above 0, and repeats nothing")
def _():
    with Scene(partitions=12) as scene:
        first = scene.worker(name="first")
        scene.produce([Message(invocation(f"first-{n}", scene.backend, QUICK), partition=n % 12) for n in range(600)])
        scene.wait_for_commit(60)
        delete_records(scene.kafka, scene.invocations, {number: 30 for number in range(12)})
        sent = 600
        for turn in range(3):
            second = scene.worker(name="second")
            scene.kafka.wait_for_members(scene.group, 2, 12)
            scene.produce([Message(invocation(f"{turn}-{n}", scene.backend, QUICK), partition=n) for n in range(12)])
            sent += 12
            scene.wait_for_commit(20)
            equal(second.stop(), 0)
            scene.kafka.wait_for_members(scene.group, 1, 12)
        equal(kickoffs(scene), sent, "kickoffs")
        for worker in (first, second):
            for event in ("log_replaced", "offset_out_of_range"):
                assert event not in worker.output(), f"{event} in {worker.log}"


@test("what retention took before it was read is passed with a warning, and nothing done is repeated")
def _():
    with Scene(partitions=2) as scene:
        worker = scene.worker()
        scene.produce([Message(invocation(f"first-{n}", scene.backend, QUICK), partition=n % 2) for n in range(40)])
        scene.wait_for_commit(60)
        equal(worker.stop(), 0)
        scene.produce([Message(invocation(f"gone-{n}", scene.backend, QUICK), partition=n % 2) for n in range(40)])
        delete_records(scene.kafka, scene.invocations, {0: 35, 1: 40})
        worker = scene.worker()
        worker.wait_for("messages_gone", 30)
        scene.wait_for_commit(30)
        scene.produce([Message(invocation(f"new-{n}", scene.backend, QUICK), partition=n % 2) for n in range(10)])
        scene.wait_for_commit(30)
        equal(kickoffs(scene), 40 + 5 + 10, "kickoffs")
        assert "log_replaced" not in worker.output(), worker.log
        equal(worker.stop(), 0)


@test("a topic made anew is read from its beginning, and committed from there")
def _():
    with Scene(partitions=2) as scene:
        worker = scene.worker()
        scene.produce([Message(invocation(f"first-{n}", scene.backend, QUICK), partition=n % 2) for n in range(40)])
        scene.wait_for_commit(60)
        equal(worker.stop(), 0)
        # A broker forgets a deleted topic's commits; what a group keeps elsewhere (mirrored, restored) it does not.
        scene.kafka.delete_topic(scene.invocations)
        wait_until(lambda: not scene.kafka.topic_exists(scene.invocations), 30, "the end of the topic")
        scene.kafka.create_topic(name=scene.invocations, partitions=2)
        scene.produce([Message(invocation(f"new-{n}", scene.backend, QUICK), partition=n % 2) for n in range(10)])
        scene.kafka.commit(scene.group, scene.invocations, {0: Commit(20, ""), 1: Commit(20, "")})
        worker = scene.worker()
        worker.wait_for("log_replaced", 30)
        scene.wait_for_commit(30)
        scene.produce([Message(invocation(f"newer-{n}", scene.backend, QUICK), partition=n % 2) for n in range(10)])
        scene.wait_for_commit(30)
        equal(kickoffs(scene), 40 + 20, "kickoffs")
        equal(worker.stop(), 0)


def carry_out_reset(scene, worker):
    """The command that the worker ended with, but for Kafka's own tool, which is not among the jars that a broker needs."""
    words = shlex.split(worker.wait_for(r"(kafka-consumer-groups\.sh .* --execute) ").group(1))
    equal(words[1:5], ["--bootstrap-server", scene.kafka.bootstrap, "--group", scene.group])
    equal((words[5], words[7], words[9:]), ("--topic", "--reset-offsets", ["--execute"]))
    topic, number = words[6].rsplit(":", 1)
    equal(topic, scene.invocations)
    offset = {"--to-earliest": 0, "--to-current": scene.kafka.committed(scene.group, topic)[int(number)].offset}[words[8]]
    scene.kafka.commit(scene.group, topic, {int(number): Commit(offset, "")})


@test("where nothing may run twice a topic made anew, or foreign metadata, ends the worker, and what it says helps")
def _():
    for guarantee in ({"results_guarantee": "exactly-once"}, {"kickoff_guarantee": "at-most-once"}):
        with Scene(partitions=1) as scene:
            scene.produce([invocation(f"first-{n}", scene.backend, QUICK) for n in range(20)])
            scene.kafka.commit(scene.group, scene.invocations, {0: Commit(30, "")})
            worker = scene.worker(**guarantee)
            equal(worker.wait(60), 1)
            holds(worker.output(), "ends before offset 30", "--to-earliest")
            equal(kickoffs(scene), 0, "kickoffs")
            carry_out_reset(scene, worker)
            worker = scene.worker(**guarantee)
            scene.wait_for_commit(60)
            equal(worker.stop(), 0)
            scene.produce([invocation(f"second-{n}", scene.backend, QUICK) for n in range(20)])
            scene.kafka.commit(scene.group, scene.invocations, {0: Commit(30, "somebody else's words")})
            worker = scene.worker(**guarantee)
            equal(worker.wait(60), 1)
            holds(worker.output(), "cannot be read", "--to-current")
            carry_out_reset(scene, worker)
            worker = scene.worker(**guarantee)
            scene.wait_for_commit(60)
            equal(kickoffs(scene), 20 + 10, "kickoffs")
            equal(worker.stop(), 0)


@test("aborted transactions run nothing, and the commit reaches the end behind them")
def _():
    with Scene(partitions=2) as scene:
        worker = scene.worker()
        producer = Producer({"bootstrap.servers": scene.kafka.bootstrap, "transactional.id": scene.group, "log_level": 0})
        producer.init_transactions(30)
        for turn in range(6):
            producer.begin_transaction()
            for n in range(10):
                producer.produce(scene.invocations,
                                 kafka_cluster.as_bytes(invocation(f"{turn}-{n}", scene.backend, QUICK)), partition=n % 2)
            producer.flush(30)
            if turn in (1, 4, 5):
                producer.abort_transaction(30)
            else:
                producer.commit_transaction(30)
        records = [record for record in scene.kafka.read_all(scene.invocations, isolation="read_committed")]
        equal(len(records), 30, "messages of committed transactions")
        scene.wait_for_commit(30)
        equal(kickoffs(scene), 30, "kickoffs")
        once_each([(record.partition, record.offset) for record in records], scene.wait_for_results(30))
        equal(worker.stop(), 0)
        # The end behind the markers is where the next one begins.
        worker = scene.worker()
        worker.wait_for("partition_assigned", 30)
        scene.produce([invocation("after", scene.backend, QUICK)])
        scene.wait_for_commit(30)
        equal(kickoffs(scene), 31, "kickoffs")


if __name__ == "__main__":
    run_all()
