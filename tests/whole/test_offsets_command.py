#!/usr/bin/python3
"""`rxp-worker offsets`: what is committed, what is done beyond it, and what is in flight, by the checkpoints."""
import base64
import json
import re
import time

from child import wait_until
from cluster import Commit, Message
from scene import Scene
from tap import equal, holds, lacks, run_all, test
from worker import invocation, run_command

LONG = {"seconds": "600"}


def offsets(scene, *arguments, topic=None):
    """(stdout, stderr)"""
    done = run_command("offsets", "--bootstrap-servers", scene.kafka.bootstrap, "--group-id", scene.group,
                       "--invocations-topics", scene.invocations, "--checkpoints-topic",
                       scene.checkpoints if topic is None else topic, *arguments)
    equal(done.returncode, 0, done.stderr)
    return done.stdout, done.stderr


def rows_of(scene, **options):
    """{partition: row}; nothing is said on stderr."""
    out, said = offsets(scene, "--json", **options)
    equal(said, "")
    return {row["partition"]: row for row in map(json.loads, out.splitlines())}


def table_of(out):
    """[{column: text}]: every cell ends where its column's title does; the topic has no blanks."""
    title, *lines = out.splitlines()
    columns = [(match.group(), match.start(), match.end()) for match in re.finditer(r"\S+", title)]
    found = []
    for line in lines:
        equal(len(line), len(title), f"the width of {line!r} under {title!r}")
        row = dict(zip(("TOPIC", "PARTITION"), line[:columns[1][2]].split()))
        for (_, _, before), (name, _, end) in zip(columns[1:], columns[2:]):
            row[name] = line[before:end].strip()
        found.append(row)
    return found


def produce(scene, partition, count, simulate):
    scene.produce([Message(invocation(f"p{partition}-{n}", scene.backend, simulate, timeout_seconds=3600),
                           partition=partition) for n in range(count)])


def figures(rows, *names):
    return [tuple(row[name] for name in names) for _, row in sorted(rows.items())]


@test("runs in flight are counted by partition, those done beyond the frontier apart, and so after the worker was killed")
def _():
    with Scene(partitions=3) as scene:
        worker = scene.worker()
        begin = time.time()
        produce(scene, 0, 4, LONG)
        produce(scene, 0, 6, {"seconds": "0"})
        produce(scene, 0, 1, LONG)
        produce(scene, 1, 5, {"seconds": "0"})
        produce(scene, 2, 2, LONG)
        names = ("committed", "end", "lag", "done_beyond", "open", "in_flight", "intents")
        shown = [(0, 11, 11, 6, 5, 5, 0), (5, 5, 0, 0, 0, 0, 0), (0, 2, 2, 0, 2, 2, 0)]

        def commit_of_none(rows):
            """A partition of which nothing could be committed yet may have no commit, or one of its first offset."""
            return [(row[0] or 0, *row[1:]) for row in figures(rows, *names)]

        wait_until(lambda: scene.kafka.topic_exists(scene.checkpoints), 30, "the checkpoints topic")
        wait_until(lambda: commit_of_none(rows_of(scene)) == shown, 30, f"{shown}")
        for rows in (rows_of(scene), None):
            if rows is None:
                worker.kill()
                rows = rows_of(scene)
            equal(commit_of_none(rows), shown)
            ages = [row["oldest_seconds"] for _, row in sorted(rows.items())]
            equal(ages[1], None)
            most = time.time() - begin + 1
            assert 0 <= ages[0] <= most and 0 <= ages[2] <= most, (ages, most)

        out, said = offsets(scene)
        table = table_of(out)
        equal(said, "")
        equal(list(table[0]), ["TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "DONE-BEYOND", "OPEN", "IN-FLIGHT", "OLDEST"])
        equal([(row["TOPIC"], row["PARTITION"], row["DONE-BEYOND"], row["IN-FLIGHT"]) for row in table],
              [(scene.invocations, "0", "6", "5"), (scene.invocations, "1", "0", "0"), (scene.invocations, "2", "0", "2")])
        equal(table[1]["OLDEST"], "-")
        assert re.fullmatch(r"(\d+m )?\d+s", table[0]["OLDEST"]), table[0]


@test("an input that two workers wrote of is counted once, and what is done, or no input at all, not")
def _():
    with Scene(partitions=2) as scene:
        scene.kafka.create_topic(name=scene.checkpoints, partitions=2, cleanup_policy="compact")
        scene.produce([Message("{}", partition=0)] * 5)
        now_ms = int(time.time() * 1000)

        def record(offset, writer, kind="run", age_seconds=0, group=scene.group, value=None):
            value = value or json.dumps({
                "version": 1, "readable_since": 1, "kind": kind, "invocation_id": "i", "input_hash": "0" * 16, "run_id": "r",
                "poll_url": "http://h/r", "started_at": now_ms - age_seconds * 1000, "deadline": now_ms, "polls": 0})
            return Message(value, key=f"{group}/{scene.invocations}/0/{offset}/{writer:016x}", partition=0)

        erased = record(3, 1)
        erased.value = None
        scene.kafka.produce(scene.checkpoints, [
            record(1, 1, "intent", 99999), record(1, 2, age_seconds=11520), record(1, 3, "intent"),  # a run, 3h 12m old
            record(2, 1, age_seconds=60),
            record(3, 1), erased,
            record(4, 1, "intent"),
            record(5, 1, age_seconds=200000),                          # there is no such input
            record(0, 1, group="a/" + scene.group, age_seconds=90000),  # another group's
            Message("x", key="foreign", partition=0), Message("x", key="foreign", partition=1),
        ])
        equal(figures(rows_of(scene), "in_flight", "intents"), [(2, 1), (0, 0)])
        table = table_of(offsets(scene)[0])
        equal([(row["IN-FLIGHT"], row["OLDEST"], row["INTENTS"]) for row in table], [("2", "3h 12m", "1"), ("0", "-", "0")])

        # 2 and 4 are done beyond a commit of 1.
        done_map = base64.b64encode(bytes([0xa1, 2, 1, 1, 1, 1])).decode()
        scene.kafka.commit(scene.group, scene.invocations, {0: Commit(1, done_map)})
        equal(figures(rows_of(scene), "open", "in_flight", "intents"), [(2, 1, 0), (0, 0, 0)])
        scene.kafka.commit(scene.group, scene.invocations, {0: Commit(2, "")})
        equal(figures(rows_of(scene), "open", "in_flight", "intents"), [(3, 1, 1), (0, 0, 0)])

        scene.kafka.produce(scene.checkpoints, [record(1, 1, value="{garbage"), record(2, 9, value="{garbage"),
                                                record(0, 1, value="{garbage"), record(3, 2, value="{garbage"),
                                                record(4, 1, value='{"version": 9, "readable_since": 8}')])
        end = scene.kafka.end_offsets(scene.checkpoints)
        out, said = offsets(scene, "--json")
        equal(json.loads(out.splitlines()[0])["in_flight"], 1)
        equal(said, f"rxp-worker offsets: 2 checkpoints in '{scene.checkpoints}' can't be read by this version, and are not "
                    "counted\n")
        equal(scene.kafka.end_offsets(scene.checkpoints), end, "it wrote something")
        equal(scene.kafka.members(scene.group), [], "it joined")


@test("at-most-once: intents are counted apart")
def _():
    with Scene(partitions=1) as scene:
        scene.worker(kickoff_guarantee="at-most-once")
        produce(scene, 0, 2, LONG)
        wait_until(lambda: scene.backend.stats()["kickoffs"] == 2, 30, "the first kickoffs")
        produce(scene, 0, 3, {"kickoff_delay": "60"})
        wait_until(lambda: figures(rows_of(scene), "in_flight", "intents") == [(2, 3)], 30, "three intents")


@test("without the checkpoints topic these figures are not known, and stderr says why")
def _():
    with Scene(partitions=1) as scene:
        scene.produce([Message("{}", partition=0)])
        for topic, reason in ((scene.checkpoints, f"topic '{scene.checkpoints}' does not exist"),
                              ("", "checkpoints-topic is empty")):
            out, said = offsets(scene, topic=topic)
            holds(said, "rxp-worker offsets: what is in flight is not known, since checkpoints can't be read: ", reason)
            row, = table_of(out)
            equal((row["OPEN"], row["IN-FLIGHT"], row["OLDEST"]), ("1", "-", "-"))
            row = json.loads(offsets(scene, "--json", topic=topic)[0])
            equal((row["open"], row["in_flight"], row["oldest_seconds"], row["intents"]), (1, None, None, None))
        equal(scene.kafka.topic_exists(scene.checkpoints), False, "asking made the topic")


@test("without a broker it gives up after 10 seconds, in all")
def _():
    begin = time.monotonic()
    done = run_command("offsets", "--bootstrap-servers", "127.0.0.1:1", seconds=30)
    took = time.monotonic() - begin
    equal((done.returncode, done.stdout), (1, ""))
    holds(done.stderr, "rxp-worker offsets: no broker answered within 10 s")
    equal(done.stderr.count("WARN"), 1, f"the reason, once, in\n{done.stderr}\nso many warnings")
    lacks(done.stderr, "checkpoints")
    assert 9 < took < 20, took


if __name__ == "__main__":
    run_all()
