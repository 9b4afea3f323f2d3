#!/usr/bin/python3
"""The worker as its users run it: real processes, a real Kafka broker, the simulated backend."""
import concurrent.futures
import datetime
import json
import signal
import time

from child import wait_until
from cluster import Commit, Message
from scene import Scene, by_source, cluster, once_each
from tap import equal, holds, run_all, test
from worker import Backend, Worker, invocation, run_command

MIXTURE = (  # of every ten: the name in the id, the status that is due, and how it comes about
    ("ok", "succeeded", {"seconds": "0-2"}),
    ("ok", "succeeded", {"seconds": "0.2"}),
    ("now", "succeeded", {"code": "200", "instant": "1"}),
    ("bumpy", "succeeded", {"seconds": "1", "poll_fail": "503", "poll_fail_seconds": "0.3"}),
    ("bad", "failed", {"outcome": "failed", "seconds": "0.1"}),
    ("refused", "failed", {"code": "500"}),
    ("late", "timed_out", {"seconds": "600"}),
    ("wrong", "rejected", None),  # no poll URL
    ("garbage", "rejected", None),  # no JSON
    ("ok", "succeeded", {"seconds": "0.1-1"}),
)


@test("20,000 invocations of mixed outcomes over 6 partitions and two workers: one right result each")
def _():
    with Scene() as scene:
        scene.worker(name="one")
        scene.worker(name="two")
        scene.kafka.wait_for_members(scene.group, 2, 6)
        count = 20000
        messages, due = [], []
        for number in range(count):
            name, status, simulate = MIXTURE[number % len(MIXTURE)]
            # Of those that time out, few: each of them is polled for its whole time.
            if name == "late" and number % 100 != 6:
                name, status, simulate = MIXTURE[0]
            value = invocation(f"{name}-{number}", scene.backend, simulate, timeout_seconds=3 if name == "late" else 60,
                               http_poll_interval_seconds="0.5")
            if name == "wrong":
                del value["metadata"]["http.poll_url_template"]
            if name == "garbage":
                value = b'{"half": '
            messages.append(Message(value, key=f"key-{number}"))
            due.append(status)
        where = scene.produce(messages)
        records = scene.wait_for_results(count, seconds=180)
        results = once_each(where, records)
        for place, status, message in zip(where, due, messages):
            result = results[place]
            equal(result["status"], status, f"status of {message.key}: {result}")
            if isinstance(message.value, dict):
                equal(result["invocation_id"], message.value["invocation_id"])
            else:
                equal(result["invocation_id"], f"unreadable:{scene.invocations}/{place[0]}/{place[1]}")
        keys = {(int(r.json()["metadata"]["source.partition"]), int(r.json()["metadata"]["source.offset"])): r.key
                for r in records}
        for place, message in zip(where, messages):
            equal(keys[place].decode(), message.key, "the result's key")
        scene.wait_for_commit()
        stats = scene.backend.stats()
        equal(stats["idempotency_keys"]["repeated"], 0, f"kickoffs that were sent twice: {stats}")


@test("a worker that was killed half-way repeats nothing that its commit says is done")
def _():
    with Scene(partitions=1) as scene:
        # A member that was killed is missed after its session timeout.
        quick = ["-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500"]
        first = scene.worker(name="first", commit_interval_ms=50, arguments=quick, checkpoints_topic="")
        slow = invocation("slow", scene.backend, {"seconds": "600"}, timeout_seconds=3600)
        done = [invocation(f"done-{n}", scene.backend, {"code": "200", "instant": "1"}) for n in range(500)]
        slow_too = [invocation(f"slow-{n}", scene.backend, {"seconds": "600"}, timeout_seconds=3600) for n in range(3)]
        where = scene.produce([slow, *done[:250], *slow_too, *done[250:]])
        scene.kafka.read_until(scene.results, 500)

        def committed_map():
            shown = run_command("offsets", "--json", "--bootstrap-servers", scene.kafka.bootstrap, "--group-id",
                                scene.group, "--invocations-topics", scene.invocations)
            equal(shown.returncode, 0, shown.stderr)
            row = json.loads(shown.stdout)
            return row["committed"] == 0 and row["done_beyond"] == 500 and row["open"] == 4
        wait_until(committed_map, 20, "a commit that says 500 are done beyond the first")
        first.kill()
        kickoffs = scene.backend.stats()["kickoffs"]
        equal(kickoffs, len(where), "kickoffs before")
        scene.worker(name="second", arguments=quick, checkpoints_topic="")
        wait_until(lambda: scene.backend.stats()["kickoffs"] == kickoffs + 4, 60, "the kickoffs of the four open ones")
        last = scene.produce([invocation("last", scene.backend, {"code": "200", "instant": "1"})])
        records = scene.wait_for_results(501)
        once_each([*where[1:251], *where[254:], *last], records)
        equal(scene.backend.stats()["kickoffs"], kickoffs + 5, "kickoffs after")
        equal(scene.backend.stats()["idempotency_keys"]["repeated"], 4, "kickoffs repeated with the same Idempotency-Key")


@test("commit metadata that is not the worker's counts as nothing done, with a warning")
def _():
    with Scene(partitions=1) as scene:
        where = scene.produce([invocation(f"run-{n}", scene.backend, {"code": "200", "instant": "1"}) for n in range(5)])
        scene.kafka.commit(scene.group, scene.invocations, {0: Commit(2, "somebody else's words")})
        worker = scene.worker()
        once_each(where[2:], scene.wait_for_results(3))
        scene.wait_for_commit()
        worker.wait_for("metadata")


@test("a poisoned message does not stop its partition, and its bytes go to the dead letters")
def _():
    with Scene(partitions=1) as scene:
        dead = scene.kafka.create_topic("dead", 1)
        poison = [
            (b"", "invalid_json"),
            (b"\x00\x00\x00\x00\x07{}", "invalid_json"),
            (b"\xff\xfe not UTF-8", "invalid_json"),
            (b"[" * 5000 + b"]" * 5000, "invalid_json"),
            (b'{"invocation_id":"\\u0000"}', "invalid_json"),
            (b"{}", "invalid_invocation"),
            (json.dumps({**invocation("odd", scene.backend), "surprise": 1}).encode(), "invalid_invocation"),
            (json.dumps({**invocation("other", scene.backend), "runtime_kind": "container"}).encode(),
             "unsupported_kind"),
            (json.dumps(invocation("far", scene.backend, http_url="http://169.254.169.254/latest")).encode(),
             "egress_denied"),
        ]
        good = {"code": "200", "instant": "1"}
        messages = [Message(invocation("before", scene.backend, good), key="k")]
        messages += [Message(bytes_, key="k", headers=[("trace", b"\x00\xff")]) for bytes_, _ in poison]
        messages += [Message(invocation("after", scene.backend, good), key="k")]
        where = scene.produce(messages)
        scene.worker(dead_letter_topic=dead)
        records = scene.wait_for_results(len(messages))
        results = once_each(where, records)
        for place, (bytes_, code) in zip(where[1:-1], poison):
            equal(results[place]["status"], "rejected")
            equal(results[place]["metadata"]["error.code"], code, bytes_[:40])
        equal([results[where[0]]["status"], results[where[-1]]["status"]], ["succeeded", "succeeded"])
        letters = {int(letter.header("rxp-source-offset")): letter for letter in scene.kafka.read_all(dead)}
        equal(len(letters), len(poison), "dead letters")
        for place, (bytes_, code) in zip(where[1:-1], poison):
            letter = letters[place[1]]
            equal(letter.value or b"", bytes_, "the dead letter's bytes")
            equal((letter.key, letter.header("trace"), letter.header("rxp-error-code")), (b"k", b"\x00\xff",
                                                                                           code.encode()))
            equal((letter.header("rxp-source-topic"), letter.header("rxp-source-partition")),
                  (scene.invocations.encode(), b"0"))
        scene.wait_for_commit()


@test("a message of 2 MiB is rejected with a sentence that names the limit")
def _():
    kafka = cluster()
    with Scene(kafka, partitions=1) as scene:
        big_topic = kafka.create_topic("invocations", 1, max_message_bytes=4 << 20)
        scene.invocations = big_topic
        scene.worker()
        value = invocation("big", scene.backend)
        value["metadata"]["padding"] = "x" * (2 << 20)
        where = scene.produce([value, invocation("small", scene.backend, {"seconds": "0"})])
        results = once_each(where, scene.wait_for_results(2))
        equal(results[where[0]]["status"], "rejected")
        holds(results[where[0]]["error_summary"], "max-message-bytes", "1048576")
        equal(results[where[1]]["status"], "succeeded")


@test("a result carries its input's key and headers, and its own three headers")
def _():
    with Scene(partitions=1) as scene:
        scene.worker()
        ok = {"code": "200", "instant": "1"}
        scene.produce([Message(invocation("with-key", scene.backend, ok, order="4711"), key=b"\x00key",
                               headers=[("a", b"1"), ("a", b"2"), ("rxp-status", b"forged")]),
                       Message(invocation("without", scene.backend, ok))])
        records = {r.json()["invocation_id"]: r for r in scene.wait_for_results(2)}
        keyed = records["with-key"]
        equal(keyed.key, b"\x00key")
        equal(sorted(keyed.headers), sorted([("a", b"1"), ("a", b"2"), ("rxp-invocation-id", b"with-key"),
                                             ("rxp-status", b"succeeded"), ("content-type", b"application/json")]))
        equal(keyed.json()["metadata"]["order"], "4711")
        equal(records["without"].key, b"without")


@test("results that are too large for their topic are shed until they fit, and innocent ones beside them stay whole")
def _():
    with Scene(partitions=1, max_message_bytes=6000) as scene:
        scene.worker()
        ok = {"code": "200", "instant": "1", "result_bytes": "20000"}
        small = {"code": "200", "instant": "1", "result": '{"n":1}'}
        messages = [Message(invocation(f"small-{n}", scene.backend, small, http_result_path="result"))
                    for n in range(50)]
        messages.append(Message(invocation("big-result", scene.backend, ok, http_result_path="result")))
        messages.append(Message(invocation("big-headers", scene.backend, small), headers=[("h", b"x" * 9000)]))
        messages.append(Message(invocation("big-echo", scene.backend, small, note="y" * 9000)))
        messages.append(Message(invocation("big-key", scene.backend, small), key=b"z" * 9000))
        messages.append(Message(invocation("i" * 9000, scene.backend, small)))
        where = scene.produce(messages)
        results = once_each(where, scene.wait_for_results(len(messages)))
        shed = [results[place]["metadata"].get("rxp.shed") for place in where]
        equal(shed[:50], [None] * 50, "what the small ones shed")
        equal([results[place]["metadata"]["http.result"] for place in where[:50]], ['{"n":1}'] * 50)
        equal(shed[50:], ["http.result", "http.result,headers", "http.result,headers,metadata",
                          "http.result,headers,metadata,key,identity", "http.result,headers,metadata,key,identity"])
        # An id that long can't be a header, so that one was rejected.
        equal([results[place]["status"] for place in where], ["succeeded"] * 54 + ["rejected"])
        scene.wait_for_commit()


@test("a result that its topic refuses even in its smallest form ends the worker with the reason; nothing is committed")
def _():
    with Scene(partitions=1, max_message_bytes=200) as scene:
        worker = scene.worker()
        scene.produce([invocation("x", scene.backend, {"code": "200", "instant": "1"})])
        equal(worker.wait(60), 1)
        holds(worker.output(), "cannot be sent, even in its smallest form", "does not take a message")
        equal(scene.kafka.committed(scene.group, scene.invocations)[0].offset, -1001)


@test("SIGTERM during load: exit 0 within the drain time, and nothing is lost")
def _():
    with Scene() as scene:
        worker = scene.worker(drain_seconds=8)
        count = 3000
        where = scene.produce([invocation(f"run-{n}", scene.backend, {"seconds": "0-4"} if n % 10 else
                                          {"seconds": "600"}, timeout_seconds=20) for n in range(count)])
        scene.kafka.read_until(scene.results, 200)
        started = time.monotonic()
        equal(worker.stop(), 0, "exit status")
        took = time.monotonic() - started
        assert took < 8 + 3, f"the drain took {took:.1f} s"
        equal(scene.kafka.members(scene.group), [], "members that have not left the group")
        ended = len(scene.kafka.read_all(scene.results))
        assert 200 <= ended < count, f"{ended} results at the end of the first worker"
        scene.worker(name="heir")
        scene.wait_for_results(count, seconds=90)
        scene.wait_for_commit(60)
        once_each(where, scene.kafka.read_all(scene.results))


@test("signals that come together are one wish to stop; a later one ends it at once")
def _():
    with Scene(partitions=1) as scene:
        worker = scene.worker(drain_seconds=600, checkpoints_topic="")
        scene.produce([invocation("run", scene.backend, {"seconds": "600"})])
        wait_until(lambda: scene.backend.stats()["polls"] > 0, 30, "a poll")
        worker.signal(signal.SIGTERM)
        worker.signal(signal.SIGINT)
        worker.wait_for("worker_phase")
        assert worker.running, worker.tail()
        wait_until(lambda: not worker.signal_if_running(signal.SIGTERM), 30, "its end")
        equal(worker.wait(5), 1)
        holds(worker.output(), "a second signal")


@test("SIGTERM before anything was assigned ends at once with 0")
def _():
    with Scene() as scene:
        worker = scene.worker()
        worker.wait_for("worker_starting")
        equal(worker.stop(15), 0)


@test("a stop with nothing left to wait for waits for nothing")
def _():
    def phase_seconds(worker):
        """From the message that the group was left to the end."""
        times = [datetime.datetime.fromisoformat(worker.wait_for(pattern)[1]) for pattern in (
            r'"time":"([^"Z]*)Z?","level":"info","event":"worker_phase".*leaving -> erasing',
            r'"time":"([^"Z]*)Z?","level":"info","event":"worker_phase".*erasing -> ended')]
        return (times[1] - times[0]).total_seconds()

    with Scene() as scene:
        took = []
        for n in range(3):
            worker = scene.worker(name=f"idle-{n}")
            worker.wait_for("worker_starting" if n == 0 else "partition_assigned", 60)
            equal(worker.stop(15), 0)
            took.append(phase_seconds(worker))
        # It would be 1.000 s each time.
        assert min(took) < 0.9, f"seconds until the end: {took}"


@test("a worker that waits for one that was killed says what it waits for")
def _():
    with Scene() as scene:
        session = ["-X", "session.timeout.ms=30000"]
        first = scene.worker(name="first", arguments=session)
        first.wait_for("partition_assigned", 60)
        first.kill()
        heir = scene.worker(name="heir", arguments=session)
        heir.wait_for(r'"info","event":"group_wait","message":"no partitions for \d+ s: group .* were killed', 25)
        heir.wait_for("partition_assigned", 60)


@test("back-pressure: with 100 in flight at most, 2,000 invocations all get their result")
def _():
    with Scene() as scene:
        where = scene.produce([invocation(f"run-{n}", scene.backend, {"seconds": "0.2"}) for n in range(2000)])
        scene.worker(max_in_flight=100)
        once_each(where, scene.wait_for_results(2000, seconds=120))
        scene.wait_for_commit()
        equal(scene.backend.stats()["idempotency_keys"]["repeated"], 0)


@test("a second worker joins under load and a first one leaves: every invocation has a result")
def _():
    with Scene() as scene:
        first = scene.worker(name="first")
        where = scene.produce([invocation(f"run-{n}", scene.backend, {"seconds": "0-3"}) for n in range(4000)])
        scene.kafka.read_until(scene.results, 100)
        scene.worker(name="second")
        scene.kafka.wait_for_members(scene.group, 2, 6)
        equal(first.stop(), 0)
        wait_until(lambda: set(where) <= set(by_source(scene.kafka.read_all(scene.results))), 90, "all results")
        scene.wait_for_commit(60)


@test("a wrong broker address is named, again and again, and SIGTERM still ends the worker with 0")
def _():
    with Backend() as backend, Worker("127.0.0.1:1", "in", "out", "g") as worker:
        assert backend.running
        worker.wait_for(r"127\.0\.0\.1:1", 30)
        assert worker.running
        equal(worker.stop(15), 0)


@test("a record larger than the worker may receive is told of, with the way out, and read once the limit is higher")
def _():
    with Scene(partitions=1) as scene:
        limits = ["-X", "message.max.bytes=50000", "-X", "fetch.max.bytes=50000", "-X", "receive.message.max.bytes=60000"]
        large = invocation("large", scene.backend, {"seconds": "0"})
        large["metadata"]["ballast"] = "x" * 200000
        scene.produce([Message(value) for value in (invocation("small", scene.backend, {"seconds": "0"}), large)])
        first = scene.worker(name="first", arguments=limits)
        first.wait_for(r'"error","event":"answer_too_large".*-X receive\.message\.max\.bytes=N')
        equal(first.stop(), 0)
        scene.worker(name="second")
        records = scene.wait_for_results(2)
        equal(sorted(record.json()["invocation_id"] for record in records), ["large", "small"])


@test("client commands give up on a broker that is not there, and say so")
def _():
    value = json.dumps(invocation("x", type("B", (), {"url": staticmethod(lambda path, **_: "http://h" + path)})))

    def give_up(command):
        started = time.monotonic()
        done = run_command(*command, "--bootstrap-servers", "127.0.0.1:1", given=value)
        return command, done, time.monotonic() - started

    commands = (["results"], ["offsets"], ["submit", "-"], ["config", "--check"])
    with concurrent.futures.ThreadPoolExecutor(len(commands)) as threads:
        for command, done, took in threads.map(give_up, commands):
            equal(done.returncode, 1, f"{command}: {done.stderr}")
            assert done.stderr.strip(), command
            assert took < 25, f"{command} took {took:.0f} s"


@test("a missing topic, of inputs or of results, ends the worker after half a minute with its name; nothing is committed")
def _():
    with Scene(partitions=1) as scene, Worker(scene.kafka, "never-created", scene.results, "group-missing") as inputless:
        scene.results = "never-created-results"
        resultless = scene.worker()
        scene.produce([invocation("x", scene.backend, {"code": "200", "instant": "1"})])
        equal((inputless.wait(90), resultless.wait(90)), (1, 1))
        holds(inputless.output(), "never-created")
        holds(resultless.output(), "never-created-results")
        equal(scene.kafka.committed(scene.group, scene.invocations)[0].offset, -1001)


@test("backends that say nothing, or without end, end in a sentence each and hold up nobody")
def _():
    with Scene(partitions=1) as scene:
        scene.worker(poll_timeout_seconds=1, poll_max_failures=1, max_response_bytes=65536)
        cases = [
            ({"stall": "kickoff"}, "timed_out", "kickoff_timeout"),
            ({"stall": "poll"}, "failed", "poll_network"),
            ({"drop": "kickoff"}, "failed", "kickoff_network"),
            ({"drop": "poll"}, "failed", "poll_network"),
            ({"endless": "kickoff"}, "failed", "response_too_large"),
            ({"endless": "poll"}, "failed", "response_too_large"),
            ({"headers": "90000"}, "failed", "response_too_large"),
            ({"slow": "poll"}, "failed", "poll_network"),
            ({"garbage": "kickoff"}, "failed", "kickoff_not_json"),
            ({"garbage": "poll"}, "failed", "poll_not_json"),
        ]
        where = scene.produce([invocation(f"case-{n}", scene.backend, simulate, timeout_seconds=12)
                               for n, (simulate, _, _) in enumerate(cases)])
        results = once_each(where, scene.wait_for_results(len(cases)))
        for place, (simulate, status, code) in zip(where, cases):
            result = results[place]
            equal((result["status"], result["metadata"].get("error.code")), (status, code), f"{simulate}: {result}")
            assert result["error_summary"], simulate


@test("client commands name a topic that is missing")
def _():
    kafka = cluster()
    value = json.dumps(invocation("x", type("B", (), {"url": staticmethod(lambda path, **_: "http://h" + path)})))
    for command, option in (("results", "results"), ("offsets", "invocations"), ("submit", "invocations")):
        topics = "topics" if option == "invocations" else "topic"
        done = run_command(command, "--bootstrap-servers", kafka.bootstrap, f"--{option}-{topics}", "not-there",
                           given=value)
        equal(done.returncode, 1, done.stderr)
        holds(done.stderr, "topic 'not-there' does not exist")


@test("submit --wait, results and offsets against a real broker")
def _():
    with Scene(partitions=3) as scene:
        scene.worker()
        common = ["--bootstrap-servers", scene.kafka.bootstrap]
        lines = [json.dumps(invocation(f"run-{n}", scene.backend, {"seconds": "0.1"} if n else
                                       {"outcome": "failed", "seconds": "0"})) for n in range(20)]
        done = run_command("submit", "--wait", *common, "--invocations-topics", scene.invocations, "--results-topic",
                           scene.results, given="\n".join(lines))
        equal(done.returncode, 0, done.stderr)
        equal(sorted(json.loads(line)["invocation_id"] for line in done.stdout.splitlines()),
              sorted(f"run-{n}" for n in range(20)))
        shown = run_command("results", *common, "--results-topic", scene.results, "--status", "failed")
        equal([json.loads(line)["invocation_id"] for line in shown.stdout.splitlines()], ["run-0"], shown.stderr)
        scene.wait_for_commit()
        shown = run_command("offsets", *common, "--group-id", scene.group, "--invocations-topics", scene.invocations,
                            "--json")
        equal(sum(json.loads(line)["lag"] for line in shown.stdout.splitlines()), 0, shown.stdout + shown.stderr)
        wrong = run_command("submit", *common, "--invocations-topics", scene.invocations,
                            given=lines[0] + "\n" + '{"invocation_id": 7}\n')
        equal(wrong.returncode, 2)
        holds(wrong.stderr, ":2:", "nothing was sent")


@test("the bytes of a message's headers count, too, in what may be in flight")
def _():
    seen = 0

    def comes_to_rest():
        nonlocal seen
        before, seen = seen, scene.backend.stats()["kickoffs"]
        time.sleep(1)
        return seen > 4 and seen == before

    with Scene(partitions=1) as scene:
        scene.worker(max_in_flight_bytes=1 << 20, drain_seconds=1)
        scene.produce([Message(invocation(f"run-{n}", scene.backend, {"seconds": "600"}), headers=[("large", b"x" * 100000)])
                       for n in range(60)])
        wait_until(comes_to_rest, 60, "a pause")
    assert seen < 30, f"{seen} kickoffs"


if __name__ == "__main__":
    run_all()
