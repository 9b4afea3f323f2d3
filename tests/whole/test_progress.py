#!/usr/bin/python3
"""The progress topic on a real broker: what it tells of runs, and that it never holds one."""
import json
import os
import pty
import select
import subprocess
import time

import jsonschema

from admin import Admin
from broker import Broker, Unavailable
from child import ROOT, plain_environment, wait_until
from cluster import Message
from scene import Scene, once_each
from stage import Stage, answer
from tap import equal, holds, lacks, run_all, skip, test
from worker import PROGRAM, invocation, run_command


SCHEMA = jsonschema.Draft202012Validator(json.loads(
    (ROOT / "protocol/schemas/runtime-result.schema.json").read_text(encoding="utf-8")))


def staged(name, stage, **metadata):
    """An invocation whose backend is a stage: POST /runs, GET /status."""
    return invocation(name, stage, http_url=stage.url("/runs"), http_poll_url_template=stage.url("/status"),
                      http_poll_run_id_path=None, **{"http_poll_interval_seconds": "0.3", **metadata})


def says(status):
    return answer(200, f'{{"status":"{status}"}}')


@test("it tells of a run that is accepted, and of each status that its backend says, in order, as results are told")
def _():
    stage = Stage()
    stage.on("/runs", answer(202, "{}"))
    stage.on("/status", *[says("queued")] * 4, *[says("running")] * 5, *[says("saving")] * 5, says("completed"))
    with Scene(partitions=1) as scene:
        topic = scene.kafka.create_topic("progress", 2)
        worker = scene.worker(progress_topic=topic, worker_id="w1", admin_listen="127.0.0.1:0")
        scene.produce([Message(staged("run", stage, join="me"), key="the-key", headers=[("a", b"\0\1"), ("rxp-status", b"mine")])])
        result = scene.wait_for_results(1)[0].json()
        equal(result["status"], "succeeded")
        reports = scene.kafka.read_all(topic)
        equal([report.json()["metadata"].get("http.status") for report in reports], [None, "queued", "running", "saving"])
        for report in reports:
            said = report.json()
            equal((report.key, report.header("a"), report.header("rxp-invocation-id"), report.header("content-type")),
                  (b"the-key", b"\0\1", b"run", b"application/json"))
            equal([value for name, value in report.headers if name == "rxp-status"], [b"running"])
            equal((said["status"], said["exit_code"], said["error_summary"], said["started_at"], said["invocation_id"]),
                  ("running", None, None, result["started_at"], "run"))
            equal((said["metadata"]["worker.id"], said["metadata"]["source.topic"], said["metadata"]["source.offset"],
                   said["metadata"]["join"]), ("w1", scene.invocations, "0", "me"))
            assert said["finished_at"] >= said["started_at"]
            lacks(str(said["metadata"]), "error.code", "http.result")
            SCHEMA.validate(said)
        told = [report.json()["finished_at"] for report in reports]
        equal(told, sorted(told))
        assert told[1] < told[2] < told[3], told
        equal(Admin(worker).family("rxp_progress_reports_total"), {'{outcome="sent"}': 4, '{outcome="dropped"}': 0})
        equal(worker.stop(), 0)


@test("a status that changes all the time is told at most once a second")
def _():
    stage = Stage()
    stage.on("/runs", answer(202, "{}"))
    stage.on("/status", *[says(f"step {n}") for n in range(30)], says("completed"))
    with Scene(partitions=1) as scene:
        topic = scene.kafka.create_topic("progress")
        scene.worker(progress_topic=topic)
        begin = time.monotonic()
        scene.produce([staged("run", stage, http_poll_interval_seconds="0.1")])
        scene.wait_for_results(1)
        took = time.monotonic() - begin
        reports = scene.kafka.read_all(topic)
        assert 3 <= len(reports) <= 3 + took, f"{len(reports)} reports in {took} s"
        steps = [report.json()["metadata"].get("http.status") for report in reports]
        equal(steps[:2], [None, "step 0"])


@test("a status that changed within a second of the last report is told once that is over, though it changes no more")
def _():
    stage = Stage()
    stage.on("/runs", answer(202, "{}"))
    stage.on("/status", says("first"), says("last"))
    with Scene(partitions=1) as scene:
        topic = scene.kafka.create_topic("progress")
        scene.worker(progress_topic=topic)
        scene.produce([staged("run", stage, http_poll_interval_seconds="0.1")])
        told = [report.json()["metadata"].get("http.status") for report in scene.kafka.read_until(topic, 3, 30)]
        equal(told, [None, "first", "last"])
        stage.on("/status", says("completed"))
        scene.wait_for_results(1)
        equal(len(scene.kafka.read_all(topic)), 3)


@test("its topic is missing, or full to the brim: runs, results and the drain do not notice")
def _():
    with Scene(partitions=2) as scene:
        tight = scene.kafka.create_topic("tight", 1, max_message_bytes=200)
        for topic in ("not-there", tight):
            worker = scene.worker(progress_topic=topic, name=topic, admin_listen="127.0.0.1:0")
            where = scene.produce([invocation(f"{topic}-{n}", scene.backend, {"seconds": "1-2"}) for n in range(50)])
            begin = time.monotonic()
            scene.wait_for_results(len(where))
            assert time.monotonic() - begin < 20
            worker.wait_for("progress_dropped", 30)
            counted = Admin(worker).family("rxp_progress_reports_total")
            assert counted['{outcome="sent"}'] == 0 < counted['{outcome="dropped"}'], counted
            begin = time.monotonic()
            equal(worker.stop(), 0)
            assert time.monotonic() - begin < 10
            lacks(worker.output(), "worker_fatal")
            assert worker.output().count("progress_dropped") <= 2


@test("the broker goes for longer than a report is kept: the run goes on, and later reports arrive")
def _():
    try:
        broker = Broker()
    except Unavailable as reason:
        skip(str(reason))
    stage = Stage()
    stage.on("/runs", answer(202, "{}"))
    stage.on("/status", says("before"))
    with broker, Scene(broker.cluster(), partitions=1) as scene:
        topic = scene.kafka.create_topic("progress")
        worker = scene.worker(progress_topic=topic)
        scene.produce([staged("run", stage)])
        scene.kafka.read_until(topic, 2, 30)
        broker.stop()
        stage.on("/status", says("while it is away"))
        worker.wait_for("progress_dropped", 40)
        broker.start()
        stage.on("/status", says("after"))
        records = scene.kafka.read_until(topic, lambda found: any(b"after" in one.value for one in found), 60)
        lacks(str([one.value for one in records]), "while it is away")
        stage.on("/status", says("completed"))
        scene.wait_for_results(1)
        equal(worker.stop(), 0)


@test("submit --wait shows on a terminal what runs are doing, and prints the results alone on stdout")
def _():
    stage = Stage()
    stage.on("/runs", answer(202, "{}"))
    stage.on("/status", *[says("thinking")] * 8, says("completed"))
    with Scene(partitions=1) as scene:
        topic = scene.kafka.create_topic("progress")
        scene.worker(progress_topic=topic)
        words = ["submit", "--wait", "--bootstrap-servers", scene.kafka.bootstrap, "--invocations-topics", scene.invocations,
                 "--results-topic", scene.results, "--progress-topic", topic, "-"]
        given = json.dumps(staged("shown-run", stage)).encode()
        leader, follower = pty.openpty()
        process = subprocess.Popen([PROGRAM, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=follower,
                                   env=plain_environment())
        os.close(follower)
        process.stdin.write(given)
        process.stdin.close()
        shown = b""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            ready, _, _ = select.select([leader], [], [], 1)
            try:
                shown += os.read(leader, 65536) if ready else b""
            except OSError:
                break
        out = process.stdout.read()
        equal(process.wait(30), 0)
        equal(json.loads(out)["status"], "succeeded")
        equal(out.count(b"\n"), 1)
        holds(shown.decode(), "shown-run", "thinking", "1/1")
        done = run_command(*words, given=given)  # no terminal, and the stage says completed at once
        equal(done.returncode, 0, done.stderr)
        lacks(done.stderr, "\033", "thinking")


if __name__ == "__main__":
    run_all()
