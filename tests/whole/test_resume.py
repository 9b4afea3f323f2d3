#!/usr/bin/python3
"""Runs that outlive their worker: checkpoints, written, read back, and erased."""
import collections
import json
import re
import signal
import time

from admin import Admin
from child import wait_until
from cluster import Message
from confluent_kafka.admin import AdminClient, NewPartitions
from scene import Scene, once_each
from tap import equal, holds, lacks, run_all, test
from worker import invocation, run_command

# A member that was killed is missed after its session timeout.
QUICK = ["-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500"]
LONG = {"seconds": "600"}


def kickoffs(scene):
    stats = scene.backend.stats()
    return stats["kickoffs"], stats["idempotency_keys"]["repeated"]


def checkpoints(worker):
    """What the worker's metrics say became of them: {event: number}, without zeros."""
    found = Admin(worker).family("rxp_checkpoints_total")
    return {re.search('event="([a-z_]+)"', labels).group(1): number for labels, number in found.items() if number > 0}


@test("runs of a worker that was killed are polled on by the next, and none is started twice")
def _():
    with Scene(partitions=3) as scene:
        first = scene.worker(name="first", arguments=QUICK, admin_listen="127.0.0.1:0")
        count = 300
        where = scene.produce([Message(invocation(f"run-{n}", scene.backend, {"seconds": "8-14"}), key=f"k{n}")
                               for n in range(count)])
        scene.wait_for_checkpoints(count)
        equal(kickoffs(scene), (count, 0))
        wait_until(lambda: checkpoints(first) == {"written": count}, 30, "300 checkpoints to be counted")
        first.kill()
        second = scene.worker(name="second", arguments=QUICK, admin_listen="127.0.0.1:0")
        results = once_each(where, scene.wait_for_results(count))
        equal(kickoffs(scene), (count, 0), "kickoffs, and of them repeated ones")
        for result in results.values():
            equal((result["status"], result["metadata"].get("resumed")), ("succeeded", "true"))
        scene.wait_for_commit()
        scene.wait_for_checkpoints(0)
        wait_until(lambda: checkpoints(second) == {"restored": count, "resumed": count, "erased": count}, 30,
                   "what became of the checkpoints to be counted")


@test("a worker that is stopped amid hour-long runs ends within seconds, and its heir polls them on")
def _():
    with Scene(partitions=3) as scene:
        first = scene.worker(name="first")
        count = 500
        where = scene.produce([invocation(f"run-{n}", scene.backend, {"seconds": "20"}, timeout_seconds=3600)
                               for n in range(count)])
        scene.wait_for_checkpoints(count)
        begin = time.monotonic()
        first.signal(signal.SIGTERM)
        equal(first.wait(20), 0, f"the status of {first.log}")
        took = time.monotonic() - begin
        assert took < 8, f"{took} s"
        equal(len(scene.live_checkpoints()), count, "live checkpoints")
        scene.worker(name="second")
        results = once_each(where, scene.wait_for_results(count, 90))
        equal(kickoffs(scene), (count, 0))
        starts = {result["started_at"] for result in results.values()}
        assert max(starts) < min(result["finished_at"] for result in results.values())


@test("a partition that another worker takes over brings its runs along")
def _():
    with Scene(partitions=6) as scene:
        scene.worker(name="first")
        count = 600
        where = scene.produce([Message(invocation(f"run-{n}", scene.backend, {"seconds": "12-16"}), key=f"k{n}")
                               for n in range(count)])
        scene.wait_for_checkpoints(count)
        second = scene.worker(name="second")
        scene.kafka.wait_for_members(scene.group, 2, 6)
        results = once_each(where, scene.wait_for_results(count, 90))
        equal(kickoffs(scene), (count, 0))
        resumed = [result for result in results.values() if result["metadata"].get("resumed") == "true"]
        assert 100 < len(resumed) < 500, f"{len(resumed)} of {count} runs changed hands"
        scene.wait_for_commit()
        scene.wait_for_checkpoints(0)
        equal(second.stop(), 0)


@test("runs of partitions that were added while the worker ran have their checkpoints soon")
def _():
    with Scene(partitions=1) as scene:
        scene.worker()
        scene.produce([invocation("before", scene.backend, LONG)])
        scene.wait_for_checkpoints(1)
        admin = AdminClient({"bootstrap.servers": scene.kafka.bootstrap})
        admin.create_partitions([NewPartitions(scene.invocations, 4)])[scene.invocations].result(20)
        wait_until(lambda: len(scene.kafka.partitions(scene.invocations)) == 4, 30, "four partitions")
        scene.produce([Message(invocation(f"run-{n}", scene.backend, LONG), key=f"k{n}") for n in range(40)])
        scene.wait_for_checkpoints(41, 60)
        assert {partition for _, partition, _ in scene.live_checkpoints()} == {0, 1, 2, 3}


@test("a run whose time ran out while nobody polled it is asked once more")
def _():
    with Scene(partitions=1) as scene:
        first = scene.worker(name="first", arguments=QUICK)
        where = scene.produce([invocation("done", scene.backend, {"seconds": "2"}, timeout_seconds=4),
                               invocation("slow", scene.backend, LONG, timeout_seconds=4)])
        scene.wait_for_checkpoints(2)
        first.kill()
        time.sleep(4)
        scene.worker(name="second", arguments=QUICK)
        results = once_each(where, scene.wait_for_results(2))
        equal([results[place]["status"] for place in where], ["succeeded", "timed_out"])
        equal(results[where[1]]["metadata"]["error.code"], "poll_timeout")


@test("a run whose invocation_id is too long for any record goes on with the next worker all the same, in both guarantees")
def _():
    for guarantee in ("at-least-once", "at-most-once"):
        with Scene(partitions=1) as scene:
            scene.kafka.create_topic(name=scene.checkpoints, partitions=1, cleanup_policy="compact", max_message_bytes=20000)
            first = scene.worker(name="first", arguments=QUICK, kickoff_guarantee=guarantee)
            where = scene.produce([invocation("\x01" * 100000, scene.backend, {"seconds": "8"}, http_idempotency_header="")])
            scene.wait_for_checkpoints(1)
            wait_until(lambda: kickoffs(scene) == (1, 0), 30, "the kickoff")
            wait_until(lambda: any(record.json()["kind"] == "run" for records in scene.live_checkpoints().values()
                                   for record in records), 30, "the run's checkpoint")
            first.kill()
            lacks(first.output(), "checkpoint_refused")
            scene.worker(name="second", arguments=QUICK, kickoff_guarantee=guarantee)
            result = once_each(where, scene.wait_for_results(1))[where[0]]
            equal((result["status"], result["metadata"].get("resumed")), ("succeeded", "true"))
            equal(kickoffs(scene), (1, 0))


@test("a checkpoint of another input at the same place is left out, and erased with its input")
def _():
    with Scene(partitions=1) as scene:
        first = scene.worker(name="first", arguments=QUICK)
        scene.produce([invocation("one", scene.backend, LONG)])
        scene.wait_for_checkpoints(1)
        first.kill()
        # The topic is made anew: other messages at the same offsets.
        scene.kafka.delete_topic(scene.invocations)
        wait_until(lambda: not scene.kafka.topic_exists(scene.invocations), 30, "the topic's end")
        scene.kafka.create_topic(name=scene.invocations, partitions=1)
        where = scene.produce([invocation("other", scene.backend, {"seconds": "1"})])
        second = scene.worker(name="second", arguments=QUICK)
        results = once_each(where, scene.wait_for_results(1))
        equal((results[where[0]]["status"], results[where[0]]["metadata"].get("resumed")), ("succeeded", None))
        second.wait_for("checkpoint_of_another_input")
        scene.wait_for_checkpoints(0)


@test("a record that cannot be read counts as none, with a warning; one of a newer format ends the worker with a sentence")
def _():
    with Scene(partitions=1) as scene:
        scene.kafka.create_topic(name=scene.checkpoints, partitions=1, cleanup_policy="compact")
        key = f"{scene.group}/{scene.invocations}/0/0/00000000000000ff"
        scene.kafka.produce(scene.checkpoints, [Message(b"{garbage", key=key, partition=0)])
        where = scene.produce([invocation("one", scene.backend, {"seconds": "1"})])
        first = scene.worker(name="first")
        once_each(where, scene.wait_for_results(1))
        first.wait_for("checkpoint")
        scene.wait_for_commit()
        scene.wait_for_checkpoints(0)
        equal(first.stop(), 0)
        newer = json.dumps({"version": 9, "readable_since": 8, "kind": "run"})
        key = f"{scene.group}/{scene.invocations}/0/7/00000000000000ff"
        scene.kafka.produce(scene.checkpoints, [Message(newer, key=key, partition=0)])
        second = scene.worker(name="second")
        equal(second.wait(60), 1, f"the status of {second.log}")
        holds(second.output(), "version", scene.checkpoints)


@test("a checkpoints topic that is not compacted is refused")
def _():
    with Scene(partitions=1) as scene:
        scene.kafka.create_topic(name=scene.checkpoints, partitions=1, cleanup_policy="delete")
        worker = scene.worker()
        equal(worker.wait(60), 1, f"the status of {worker.log}")
        holds(worker.output(), scene.checkpoints, "compact")


@test("without checkpoints a killed worker's runs start again, with the same Idempotency-Key")
def _():
    with Scene(partitions=1) as scene:
        first = scene.worker(name="first", arguments=QUICK, checkpoints_topic="")
        where = scene.produce([invocation(f"run-{n}", scene.backend, {"seconds": "5"}) for n in range(20)])
        wait_until(lambda: kickoffs(scene)[0] == 20, 30, "the kickoffs")
        first.kill()
        scene.worker(name="second", arguments=QUICK, checkpoints_topic="")
        once_each(where, scene.wait_for_results(20))
        equal(kickoffs(scene), (40, 20))
        equal(scene.kafka.topic_exists(scene.checkpoints), False)


@test("at-most-once: a kickoff that was under way when its worker died is not sent again, and its result says so")
def _():
    with Scene(partitions=1) as scene:
        options = {"arguments": QUICK, "kickoff_guarantee": "at-most-once"}
        first = scene.worker(name="first", **options)
        stalled = scene.produce([invocation(f"stalled-{n}", scene.backend, {"kickoff_delay": "30"}) for n in range(5)])
        wait_until(lambda: kickoffs(scene)[0] == 5, 30, "the kickoffs")
        accepted = scene.produce([invocation(f"run-{n}", scene.backend, {"seconds": "10"}) for n in range(5)])
        wait_until(lambda: kickoffs(scene)[0] == 10, 30, "the kickoffs")
        scene.wait_for_checkpoints(10)
        first.kill()
        fresh = scene.produce([invocation(f"fresh-{n}", scene.backend, {"seconds": "1"}) for n in range(5)])
        scene.worker(name="second", **options)
        results = once_each([*stalled, *accepted, *fresh], scene.wait_for_results(15))
        for place in stalled:
            equal((results[place]["status"], results[place]["exit_code"], results[place]["metadata"]["error.code"]),
                  ("failed", None, "kickoff_unknown"))
        for place in [*accepted, *fresh]:
            equal(results[place]["status"], "succeeded")
        equal(kickoffs(scene), (15, 0))
        scene.wait_for_commit()
        scene.wait_for_checkpoints(0)


@test("at-most-once: a stop takes back the intents of kickoffs that never went")
def _():
    with Scene(partitions=1) as scene:
        options = {"kickoff_guarantee": "at-most-once", "origin_max_connections": 4, "threads": 1}
        first = scene.worker(name="first", drain_seconds=6, **options)
        count = 50
        where = scene.produce([invocation(f"run-{n}", scene.backend, {"kickoff_delay": "2", "seconds": "1"})
                               for n in range(count)])
        wait_until(lambda: kickoffs(scene)[0] >= 3, 30, "the first kickoffs")
        first.signal(signal.SIGTERM)
        equal(first.wait(30), 0)
        scene.worker(name="second", **options)
        results = once_each(where, scene.wait_for_results(count, 120))
        equal(collections.Counter(result["status"] for result in results.values()), {"succeeded": count})
        equal(kickoffs(scene), (count, 0))


@test("at-most-once needs its topic, and says so")
def _():
    done = run_command("run", "--bootstrap-servers", "127.0.0.1:1", "--kickoff-guarantee", "at-most-once",
                       "--checkpoints-topic", "")
    equal(done.returncode, 2)
    holds(done.stderr, "--checkpoints-topic")


if __name__ == "__main__":
    run_all()
