#!/usr/bin/python3
"""Trace context on a real broker: what a message's traceparent makes of requests, results, replies and progress."""
import re

from cluster import Message
from scene import Scene
from stage import Stage, answer
from tap import equal, run_all, test
from worker import invocation

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
STATE = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"
QUICK = ["-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500"]


def span_of(parent):
    """Of a traceparent of TRACE."""
    found = re.fullmatch(rf"00-{TRACE}-([0-9a-f]{{16}})-01", parent)
    assert found, parent
    return found.group(1)


def staged(name, stage, **metadata):
    """Polled so seldom that it sleeps in between."""
    return invocation(name, stage, http_url=stage.url("/runs"), http_poll_url_template=stage.url("/status"),
                      http_poll_run_id_path=None, http_poll_interval_seconds="1.1", **metadata)


def says(status):
    return answer(200, f'{{"status":"{status}"}}')


def headers(record):
    return [(name, value) for name, value in record.headers if name in ("traceparent", "tracestate")]


@test("requests are spans of the message's trace, and result, reply and progress belong to the run's own span")
def _():
    stage = Stage()
    stage.on("/runs", answer(202, "{}"))
    stage.on("/status", says("running"), says("running"), says("completed"))
    with Scene(partitions=1) as scene:
        progress, replies = scene.kafka.create_topic("progress"), scene.kafka.create_topic("replies")
        scene.worker(progress_topic=progress, reply_topics=replies)
        scene.produce([Message(staged("run", stage), headers=[
            ("traceparent", b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-00"), ("traceparent", PARENT.encode()),
            ("tracestate", STATE.encode()), ("rxp-reply-topic", replies.encode())])])
        result = scene.wait_for_results(1)[0]
        own = result.header("traceparent").decode()
        for record in (result, *scene.kafka.read_all(replies), *scene.kafka.read_all(progress)):
            equal(sorted(headers(record)), [("traceparent", own.encode()), ("tracestate", STATE.encode())])
        requests = stage.requests("/runs") + stage.requests("/status")
        spans = [span_of(request.header("traceparent")) for request in requests]
        equal([request.header("tracestate") for request in requests], [STATE] * 4)
        equal(len({*spans, span_of(own), "00f067aa0ba902b7"}), 6, "spans of four requests, the run and its parent")


@test("a run keeps its trace and its span where another worker goes on with it")
def _():
    stage = Stage()
    stage.on("/runs", answer(202, "{}"))
    stage.on("/status", says("running"))
    with Scene(partitions=1) as scene:
        progress = scene.kafka.create_topic("progress")
        first = scene.worker(name="first", arguments=QUICK, progress_topic=progress)
        scene.produce([Message(staged("run", stage), headers=[("traceparent", PARENT.encode())])])
        scene.wait_for_checkpoints(1)
        told = scene.kafka.read_until(progress, 1)[0].header("traceparent")
        first.kill()
        before = len(stage.requests("/status"))
        scene.worker(name="second", arguments=QUICK)
        stage.on("/status", says("completed"))
        result = scene.wait_for_results(1)[0]
        equal(result.header("traceparent"), told)
        assert len(stage.requests("/status")) > before
        span_of(stage.requests("/status")[-1].header("traceparent"))
        equal(len(stage.requests("/runs")), 1)


@test("a traceparent that is none goes no further than the result's copied headers; without one there is none")
def _():
    stage = Stage()
    stage.on("/runs", answer(202, "{}"))
    stage.on("/status", says("completed"))
    with Scene(partitions=1) as scene:
        scene.worker()
        wrong = [b"", b"00-" + b"0" * 32 + b"-00f067aa0ba902b7-01", PARENT.upper().encode(), b"ff" + PARENT.encode()[2:],
                 PARENT.encode() + b"-x", b"\r\nInjected: yes", None]
        scene.produce([Message(staged(f"run-{n}", stage), headers=[("traceparent", parent)] if parent is not None else [])
                       for n, parent in enumerate(wrong)])
        results = scene.wait_for_results(len(wrong))
        for record in results:
            n = int(record.json()["invocation_id"].split("-")[1])
            equal(record.header("traceparent"), wrong[n])
        for request in stage.requests("/runs") + stage.requests("/status"):
            equal((request.header("traceparent"), request.header("tracestate"), request.header("Injected")), (None, None, None))


if __name__ == "__main__":
    run_all()
