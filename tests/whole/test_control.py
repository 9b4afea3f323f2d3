#!/usr/bin/python3
"""The control topic on a real broker: what is cancelled by it, when, and by whom."""
import contextlib
import json
import pathlib
import tempfile
import time

from admin import Admin
from admin import Admin
from broker import Broker, Unavailable
from child import wait_until
from cluster import Message
from confluent_kafka.admin import AdminClient, NewPartitions
from scene import Scene, once_each
from tap import equal, holds, run_all, skip, test
from worker import invocation, run_command

LONG = {"seconds": "600"}
QUICK = ["-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500"]


def control(invocation_id, **more):
    return {"contract_kind": "runtime_control", "action": "cancel", "invocation_id": invocation_id, **more}


def long_run(name, scene, **metadata):
    return invocation(name, scene.backend, LONG, timeout_seconds=900,
                      http_cancel_url_template=scene.backend.url("/runs/{run_id}/cancel"), **metadata)


def with_control(scene, partitions=1, **properties):
    return scene.kafka.create_topic("control", partitions, **{"message_timestamp_type": "LogAppendTime", **properties})


@contextlib.contextmanager
def recorded_scene(**options):
    """A scene whose backend notes its requests; and a function that tells how many runs were cancelled there."""
    with tempfile.TemporaryDirectory() as folder:
        record = pathlib.Path(folder, "requests.jsonl")

        def cancelled():
            lines = record.read_text(encoding="utf-8").splitlines() if record.exists() else []
            return len([line for line in lines if json.loads(line)["path"].endswith("/cancel")])
        with Scene(backend={"record": record}, **options) as scene:
            yield scene, cancelled


def wait_for_kickoffs(scene, count):
    wait_until(lambda: scene.backend.stats()["kickoffs"] == count, 60, f"{count} kickoffs")


def statuses(results):
    return {result["invocation_id"]: result["status"] for result in results.values()}


@test("a run is cancelled: its backend is told, its result says cancelled, its offset is committed, others go on")
def _():
    with recorded_scene(partitions=3) as (scene, cancelled):
        topic = with_control(scene, 3)
        workers = [scene.worker(name=name, control_topic=topic, log_level="debug", admin_listen="127.0.0.1:0")
                   for name in ("one", "two")]
        where = scene.produce([Message(long_run(f"run-{n}", scene, http_poll_interval_seconds="1.5"), key=f"k{n}")
                               for n in range(12)])
        wait_until(lambda: scene.backend.stats()["polls"] >= 12, 60, "a poll of each")  # now they sleep, or will
        done = run_command("cancel", "--bootstrap-servers", scene.kafka.bootstrap, "--control-topic", topic,
                           *[f"run-{n}" for n in range(11)])
        equal(done.returncode, 0, done.stderr)
        holds(done.stderr, "asked to cancel 'run-3'")
        results = scene.wait_for_results(11)
        equal(len(results), 11)
        for record in results:
            result = record.json()
            equal((result["status"], result["exit_code"], result["metadata"]["error.code"]), ("cancelled", None, "cancelled"))
            equal(record.header("rxp-status"), b"cancelled")
        equal(sorted({record.json()["invocation_id"] for record in results}), sorted(f"run-{n}" for n in range(11)))
        wait_until(lambda: cancelled() == 11, 30, "11 runs cancelled at the backend")
        run_command("cancel", "--bootstrap-servers", scene.kafka.bootstrap, "--control-topic", topic, "run-11")
        once_each(where, scene.wait_for_results(12))
        scene.wait_for_commit()
        counted = [Admin(worker).family("rxp_cancels_total") for worker in workers]
        equal([one['{event="control"}'] for one in counted], [12, 12], "cancels that each has read")
        equal([one['{event="admin"}'] for one in counted], [0, 0])
        equal(sum(one['{event="hit"}'] for one in counted), 12, "runs that they hit")
        equal([worker.stop() for worker in workers], [0, 0])


@test("a cancel hits what was enqueued before it, also while no worker runs, and nothing later")
def _():
    with Scene(partitions=1) as scene:
        topic = with_control(scene)
        quick = {"code": "200", "instant": "1"}
        where = scene.produce([invocation("early", scene.backend, quick), invocation("other", scene.backend, quick)])
        time.sleep(0.01)  # the moments are in milliseconds
        equal(run_command("cancel", "--bootstrap-servers", scene.kafka.bootstrap, "--control-topic", topic, "early").returncode, 0)
        time.sleep(0.01)
        where += scene.produce([invocation("early", scene.backend, quick)])
        scene.worker(control_topic=topic)
        results = once_each(where, scene.wait_for_results(3))
        equal([results[place]["status"] for place in where], ["cancelled", "succeeded", "succeeded"])
        equal(scene.backend.stats()["kickoffs"], 2)
        scene.wait_for_commit()


@test("no input is taken before the past hour of the control topic is read, however much that is")
def _():
    with Scene(partitions=1) as scene:
        topic = with_control(scene)
        where = scene.produce([invocation("early", scene.backend, {"code": "200", "instant": "1"})])
        scene.kafka.produce(topic, [json.dumps(control(f"another-{n}")) for n in range(300000)])
        scene.kafka.produce(topic, [control("early")])
        worker = scene.worker(control_topic=topic)
        results = once_each(where, scene.wait_for_results(1))
        equal(statuses(results), {"early": "cancelled"})
        equal(scene.backend.stats()["kickoffs"], 0)
        worker.wait_for("cancels_full")


@test("a cancel that comes before its invocation is read waits for it, with ordering and in a full worker, too")
def _():
    with Scene(partitions=1) as scene:
        topic = with_control(scene)
        scene.worker(control_topic=topic, max_in_flight=1)
        where = scene.produce([long_run("first", scene), long_run("queued", scene), long_run("last", scene)])
        wait_for_kickoffs(scene, 1)
        scene.kafka.produce(topic, [control("queued"), control("last", schema_version="0.1")])
        scene.kafka.produce(topic, [control("first")])
        results = once_each(where, scene.wait_for_results(3))
        equal(statuses(results), {"first": "cancelled", "queued": "cancelled", "last": "cancelled"})
        equal(scene.backend.stats()["kickoffs"], 1)


@test("a run that another worker began is cancelled by its heir, at the backend, too")
def _():
    with recorded_scene(partitions=1) as (scene, cancelled):
        topic = with_control(scene)
        first = scene.worker(name="first", arguments=QUICK, control_topic=topic)
        where = scene.produce([long_run("orphan", scene)])
        scene.wait_for_checkpoints(1)
        first.kill()
        scene.kafka.produce(topic, [control("orphan")])
        scene.worker(name="second", arguments=QUICK, control_topic=topic)
        results = once_each(where, scene.wait_for_results(1))
        equal(statuses(results), {"orphan": "cancelled"})
        equal(scene.backend.stats()["kickoffs"], 1)
        wait_until(lambda: cancelled() == 1, 30, "the run cancelled at the backend")
        scene.wait_for_checkpoints(0)


@test("what is no control message is said and passed over, and what comes after it counts")
def _():
    with Scene(partitions=1) as scene:
        topic = with_control(scene)
        garbage = [Message(None, key="run"), b"", b"{", b"[]", b"\0\0\0\0\1x", b"{}", control(""), control("run", reason="late"),
                   {"contract_kind": "runtime_control", "action": "pause", "invocation_id": "run"}, b"x" * 200000,
                   control("run-" + "x" * 20000)]
        scene.kafka.produce(topic, garbage)
        worker = scene.worker(control_topic=topic)
        scene.produce([long_run("run", scene)])
        wait_for_kickoffs(scene, 1)
        scene.kafka.produce(topic, garbage)
        worker.wait_for(r"control_garbage.*\[0\] offset 1 is passed over")  # the first one is a tombstone
        equal(scene.kafka.read_all(scene.results), [])
        scene.kafka.produce(topic, [control("run")])
        equal(scene.wait_for_results(1)[0].json()["status"], "cancelled")
        equal(worker.output().count("control_garbage"), 1)  # a minute
        equal(worker.stop(), 0)


@test("partitions that a control topic gets later are read from their beginning")
def _():
    with Scene(partitions=1) as scene:
        topic = with_control(scene)
        scene.worker(control_topic=topic)
        scene.produce([long_run("run", scene)])
        wait_for_kickoffs(scene, 1)
        admin = AdminClient({"bootstrap.servers": scene.kafka.bootstrap})
        admin.create_partitions([NewPartitions(topic, 3)], operation_timeout=30)[topic].result(30)
        wait_until(lambda: len(scene.kafka.partitions(topic)) == 3, 30, "three partitions")
        scene.kafka.produce(topic, [Message(control("run"), partition=2)])
        equal(scene.wait_for_results(1)[0].json()["status"], "cancelled")


@test("a control topic that is missing is warned of, and read once it is there; inputs do not wait for it")
def _():
    with Scene(partitions=1) as scene:
        topic = scene.invocations.replace("invocations", "control")
        begin = time.monotonic()
        worker = scene.worker(control_topic=topic)
        scene.produce([long_run("run", scene)])
        wait_for_kickoffs(scene, 1)
        worker.wait_for("control_unreadable")
        assert time.monotonic() - begin < 10, "the run waited for the topic"
        time.sleep(2.5)  # it looks each second, and says no more
        scene.kafka.create_topic(name=topic)
        scene.kafka.produce(topic, [control("run")])
        equal(scene.wait_for_results(1)[0].json()["status"], "cancelled")
        equal(worker.output().count("control_unreadable"), 1)


@test("the broker goes and comes: what was asked meanwhile is not lost")
def _():
    try:
        broker = Broker()
    except Unavailable as reason:
        skip(str(reason))
    with broker, Scene(broker.cluster(), partitions=1) as scene:
        topic = with_control(scene)
        worker = scene.worker(control_topic=topic, log_level="debug")
        scene.produce([long_run("run", scene), long_run("other", scene)])
        wait_for_kickoffs(scene, 2)
        broker.stop()
        broker.start()
        scene.kafka.produce(topic, [control("run")])
        equal(scene.wait_for_results(1)[0].json()["invocation_id"], "run")
        equal(worker.stop(), 0)


@test("the admin server cancels a run that is there, though its input claims to come from the future")
def _():
    token = "sixteen-letters-long"
    with Scene(partitions=1) as scene:
        worker = scene.worker(admin_listen="127.0.0.1:0", admin_token=token)
        scene.produce([Message(long_run("run", scene), timestamp_ms=int(time.time() + 3000) * 1000)])
        wait_for_kickoffs(scene, 1)
        asked = Admin(worker).ask("POST", "/runs/run/cancel", {"Authorization": "Bearer " + token}, b"")
        equal(asked.code, 202)
        equal([record.json()["status"] for record in scene.wait_for_results(1)], ["cancelled"])


@test("cancel says what is wrong with its words")
def _():
    status = lambda *words: run_command("cancel", "--bootstrap-servers", "127.0.0.1:1", *words)
    done = status("a")
    equal(done.returncode, 2)
    holds(done.stderr, "--control-topic names no topic")
    done = status("--control-topic", "c")
    equal(done.returncode, 2)
    holds(done.stderr, "names no invocation")
    done = status("--control-topic", "c", "a", "")
    equal(done.returncode, 2)
    holds(done.stderr, "0 bytes")
    with Scene(partitions=1) as scene:
        done = run_command("cancel", "--bootstrap-servers", scene.kafka.bootstrap, "--control-topic", "not-there", "a")
        equal(done.returncode, 1)
        holds(done.stderr, "'not-there' does not exist")
        topic = with_control(scene)
        done = run_command("cancel", "--bootstrap-servers", scene.kafka.bootstrap, "--control-topic", topic, "a", "b \"ü")
        equal(done.returncode, 0, done.stderr)
        records = scene.kafka.read_all(topic)
        equal([(record.key.decode(), record.json()) for record in records],
              [(name, {"schema_version": "0.1", **control(name)}) for name in ("a", "b \"ü")])
        equal(done.stdout, "")


@test("run refuses a control or progress topic that has another part to play")
def _():
    for name in ("control", "progress"):
        for part in ("invocations", "results", "checkpoints", "dead-letter"):
            done = run_command("run", "--bootstrap-servers", "127.0.0.1:1", f"--{name}-topic", "same",
                               *(("--invocations-topics",) if part == "invocations" else (f"--{part}-topic",)), "same")
            equal(done.returncode, 2, f"{name} {part}")
            holds(done.stderr, "'same' is both", f"--{name}-topic")
    done = run_command("run", "--bootstrap-servers", "127.0.0.1:1", "--progress-topic", "same", "--control-topic", "same")
    equal(done.returncode, 2)


if __name__ == "__main__":
    run_all()
