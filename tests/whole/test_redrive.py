#!/usr/bin/python3
"""`rxp-worker redrive` on a real broker: dead letters go back where they came from, once each."""
import json

from cluster import Message
from scene import Scene, once_each
from tap import equal, holds, lacks, run_all, test
from worker import invocation, run_command

OK = {"code": "200", "instant": "1"}
OWN = ("rxp-source-topic", "rxp-source-partition", "rxp-source-offset", "rxp-error-code", "rxp-error-summary")


class Desk:
    """A scene with a dead-letter topic of so many partitions."""

    def __init__(self, scene, partitions=2):
        self.scene = scene
        self.dead = scene.kafka.create_topic("dead", partitions)

    def redrive(self, *words, topics=None, status=0):
        done = run_command("redrive", "--bootstrap-servers", self.scene.kafka.bootstrap, "--dead-letter-topic", self.dead,
                           "--group-id", self.scene.group, "--invocations-topics", topics or self.scene.invocations, *words)
        equal(done.returncode, status, done.stderr)
        return done

    def reject(self, messages, **options):
        """Lets a worker reject them: 'egress_denied' for what is valid, since nothing is allowed."""
        with_nothing = {"egress_allow": "nowhere.invalid", **options}
        worker = self.scene.worker(dead_letter_topic=self.dead, name="strict", **with_nothing)
        before = len(self.scene.kafka.read_all(self.scene.results))
        where = self.scene.produce(messages)
        self.scene.wait_for_results(before + len(messages))
        self.scene.wait_for_commit()
        equal(worker.stop(), 0)
        return where

    def inputs(self):
        return self.scene.kafka.read_all(self.scene.invocations)


@test("dead letters go back as they were, are carried out, and do not go back again")
def _():
    with Scene(partitions=2) as scene:
        desk = Desk(scene)
        messages = [Message(invocation(f"run-{n}", scene.backend, OK), key=f"k{n}" if n % 2 else None,
                            headers=[("a", bytes([n, 0, 255])), ("a", b"twice")]) for n in range(20)]
        where = desk.reject(messages)
        originals = {record.json()["invocation_id"]: record for record in desk.inputs()}
        dead = scene.kafka.read_all(desk.dead)
        equal([{name for name, _ in record.headers} >= set(OWN) for record in dead], [True] * 20)
        done = desk.redrive()
        holds(done.stderr, "20 dead letters were put back")
        equal(done.stdout, "")
        again = [record for record in desk.inputs() if (record.partition, record.offset) not in where]
        equal(len(again), 20)
        for record in again:
            original = originals[record.json()["invocation_id"]]
            equal((record.key, record.value, record.headers), (original.key, original.value, original.headers))
        holds(desk.redrive().stderr, "0 dead letters were put back")
        equal(len(desk.inputs()), 40)
        scene.worker(dead_letter_topic=desk.dead)
        results = scene.wait_for_results(40)
        equal(sorted(record.json()["status"] for record in results), ["rejected"] * 20 + ["succeeded"] * 20)


@test("codes and ids choose; what is not chosen stays for another time, whatever went back before")
def _():
    with Scene(partitions=1) as scene:
        desk = Desk(scene, 1)
        desk.reject([b"{no json", invocation("denied", scene.backend, OK), b"[]", invocation("other", scene.backend, OK),
                     Message(None, key="no value"), invocation("denied", scene.backend, OK)])
        count = len(desk.inputs())
        done = desk.redrive("--code", "egress_denied", "--invocation-id", "denied")
        holds(done.stderr, "2 dead letters were put back", "4 not chosen")
        done = desk.redrive("--code", "egress_denied")
        holds(done.stderr, "1 dead letter was put back", "3 not chosen")
        done = desk.redrive("--code", "egress_denied")
        holds(done.stderr, "0 dead letters were put back", "3 not chosen")
        done = desk.redrive("--invocation-id", f"unreadable:{scene.invocations}/0/0")
        holds(done.stderr, "1 dead letter was put back", "2 not chosen")
        equal([record.value if record.value is None or record.value[:1] != b'{' or record.value == b"{no json" else
               record.json()["invocation_id"] for record in desk.inputs()[count:]], ["denied", "denied", "other", b"{no json"])
        done = desk.redrive()
        holds(done.stderr, "2 dead letters were put back")
        equal({record.value for record in desk.inputs()[-2:]}, {b"[]", None})
        holds(desk.redrive("--from-beginning", "--code", "egress_denied").stderr, "3 dead letters were put back", "3 not chosen")
        holds(desk.redrive().stderr, "0 dead letters were put back")


@test("--dry-run tells what would go, and changes nothing")
def _():
    with Scene(partitions=1) as scene:
        desk = Desk(scene)
        desk.reject([Message(invocation("denied", scene.backend, OK), key="a"), b"{no json"])
        count = len(desk.inputs())
        for _ in range(2):
            done = desk.redrive("--dry-run")
            holds(done.stderr, "2 dead letters would be put back")
            said = sorted((json.loads(line) for line in done.stdout.splitlines()), key=lambda one: one["code"])
            equal([(one["invocation_id"], one["from"], one["to"], one["code"]) for one in said],
                  [("denied", scene.invocations, scene.invocations, "egress_denied"),
                   (f"unreadable:{scene.invocations}/0/1", scene.invocations, scene.invocations, "invalid_json")])
            holds(said[0]["summary"], "egress")
        equal(len(desk.inputs()), count)
        holds(desk.redrive().stderr, "2 dead letters were put back")


@test("it looks only at what was there at its start: letters that come back as dead letters are not sent round and round")
def _():
    with Scene(partitions=2) as scene:
        desk = Desk(scene)
        desk.reject([b"never valid"] * 30)
        scene.worker(dead_letter_topic=desk.dead)  # rejects them again, at once
        for n in range(1, 4):
            holds(desk.redrive().stderr, "30 dead letters were put back")
            equal(len(desk.inputs()), 30 * (n + 1))
            scene.wait_for_results(30 * (n + 1))
            scene.wait_for_commit()


@test("one that came from elsewhere stays until --to names a topic, or its own is named; all topics must be there")
def _():
    with Scene(partitions=1) as scene:
        desk = Desk(scene, 1)
        desk.reject([b"first", b"second"])
        scene.kafka.produce(desk.dead, ["no headers at all"])
        other = scene.kafka.create_topic("other")
        done = desk.redrive(topics=other, status=1)
        holds(done.stderr, "0 dead letters", "3 without a topic to go to", "none of --invocations-topics", scene.invocations)
        equal(scene.kafka.read_all(other), [])
        done = desk.redrive(status=1)
        holds(done.stderr, "2 dead letters were put back", "1 without a topic to go to", "does not name")
        holds(desk.redrive("--to", "not-there", status=1).stderr, "'not-there' does not exist")
        holds(desk.redrive("--to", other).stderr, "1 dead letter was put back")
        equal([record.value for record in scene.kafka.read_all(other)], [b"no headers at all"])
        holds(desk.redrive("--from-beginning", topics="gone," + scene.invocations, status=1).stderr, "without a topic")
        holds(desk.redrive("--to", desk.dead, status=2).stderr, "--to is the dead-letter topic itself")
        holds(desk.redrive("--code", "egress_deneid", status=2).stderr, "egress_deneid", "egress_denied")
        holds(desk.redrive(topics=desk.dead, status=2).stderr, "both --dead-letter-topic")


@test("a letter that its topic does not take stays, and the others go")
def _():
    with Scene(partitions=1) as scene:
        desk = Desk(scene, 1)
        small = scene.kafka.create_topic("small", 1, max_message_bytes=1000)
        desk.reject([b"one", b"x" * 5000, b"three"])
        done = desk.redrive("--to", small, status=1)
        holds(done.stderr, "2 dead letters were put back", "1 not taken by the broker")
        equal([record.value for record in scene.kafka.read_all(small)], [b"one", b"three"])
        holds(desk.redrive().stderr, "1 dead letter was put back")
        equal(desk.inputs()[-1].value, b"x" * 5000)


@test("more letters than one commit notes go back, from several partitions; exactly-once letters, too")
def _():
    with Scene(partitions=3) as scene:
        desk = Desk(scene, 3)
        desk.reject([Message(f"not json {n}", key=f"k{n}") for n in range(5000)], results_guarantee="exactly-once")
        holds(desk.redrive().stderr, "5000 dead letters were put back")
        values = [record.value for record in desk.inputs()]
        equal((len(values), len(set(values))), (10000, 5000))


@test("more letters than the client takes at a time are not too many")
def _():
    with Scene(partitions=1) as scene:
        desk = Desk(scene, 1)
        headers = [("rxp-source-topic", scene.invocations.encode())]
        scene.kafka.produce(desk.dead, [Message(f"letter {n}", headers=headers) for n in range(2000)])
        holds(desk.redrive("-X", "queue.buffering.max.messages=10").stderr, "2000 dead letters were put back")
        equal(len({record.value for record in desk.inputs()}), 2000)


@test("so many letters that stay that no commit can tell them apart end it with a sentence")
def _():
    with Scene(partitions=1) as scene:
        desk = Desk(scene, 1)
        code = lambda n: [("rxp-error-code", b"invalid_json" if n % 2 else b"egress_denied"),
                          ("rxp-source-topic", scene.invocations.encode())]
        scene.kafka.produce(desk.dead, [Message(f"letter {n}", headers=code(n)) for n in range(40000)])
        done = desk.redrive("--code", "egress_denied", status=1)
        holds(done.stderr, "so many dead letters stay")
        count = len(desk.inputs())
        assert 10000 < count < 20000, count
        done = desk.redrive()
        values = [record.value for record in desk.inputs()]
        equal((len(values), len(set(values))), (40000, 40000))


@test("a broker that is not there is said within seconds")
def _():
    done = run_command("redrive", "--bootstrap-servers", "127.0.0.1:1", "--dead-letter-topic", "dead", seconds=30)
    equal(done.returncode, 1)
    holds(done.stderr, "no broker answered")
    done = run_command("redrive", "--bootstrap-servers", "127.0.0.1:1")
    equal(done.returncode, 2)
    holds(done.stderr, "--dead-letter-topic names no topic")


if __name__ == "__main__":
    run_all()
