#!/usr/bin/python3
"""Spring's own ReplyingKafkaTemplate, as it comes, asks for runs on a real broker and gets their results: the program is
tests/support/spring-reply."""
import atexit
import json
import os
import re
import shutil
import subprocess
import tempfile

from child import ROOT, logs_folder, plain_environment
from libraries import Unavailable, kafka_libraries, spring_libraries
from scene import Scene
from tap import equal, holds, run_all, skip, test
from worker import invocation

SOURCE = ROOT / "tests/support/spring-reply/SpringReply.java"
SECONDS = 150

_compiled = None
_missing = None  # why there is no Spring: not tried again


def classes():
    """The class path of the program, which is compiled once a run of this script."""
    global _compiled, _missing
    if _missing:
        skip(_missing)
    if _compiled is None:
        try:
            folders = [spring_libraries(), kafka_libraries()]
        except Unavailable as reason:
            _missing = str(reason)
            skip(_missing)
        # In this order: what Spring brings along wins.
        path = ":".join(f"{jar}" for folder in folders for jar in sorted(folder.glob("*.jar")))
        output = tempfile.mkdtemp(prefix="rxp-spring-")
        atexit.register(shutil.rmtree, output, ignore_errors=True)
        compiler = next(folders[0].glob("ecj-*.jar"))
        done = subprocess.run(["java", "-cp", compiler, "org.eclipse.jdt.internal.compiler.batch.Main", "-17", "-proc:none",
                               "-nowarn", "-cp", path, "-d", output, SOURCE],
                              capture_output=True, text=True, check=False, env=plain_environment(), timeout=SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        _compiled = f"{output}:{path}"
    return _compiled


def ask(scene, replies, template, requests, **plan):
    """What came of each request, in their order; see SpringReply."""
    path = classes()
    plan = {"bootstrap": scene.kafka.bootstrap, "topic": scene.invocations, "replies": replies, "template": template,
            "requests": requests, **plan}
    log = logs_folder() / f"test_spring_reply-{os.getpid()}-{replies}.log"
    with open(log, "wb") as said:
        done = subprocess.run(["setpriv", "--pdeathsig", "KILL", "--", "java", "-Xmx256m", "-XX:+UseSerialGC",
                               "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.log.org.apache.kafka=warn", "-cp", path,
                               "SpringReply"],
                              input=json.dumps(plan).encode(), stdout=subprocess.PIPE, stderr=said, check=False,
                              env=plain_environment(), timeout=SECONDS)
    assert done.returncode == 0, f"exit status {done.returncode}, the end of {log}:\n{log.read_text()[-3000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def request(name, scene, key=None, timeout_ms=None, **simulate):
    made = {"key": key, "value": json.dumps(invocation(name, scene.backend, simulate))}
    if timeout_ms is not None:
        made["timeout_ms"] = timeout_ms
    return made


def requests_of(scene, count):
    """Their runs take unlike times, so that replies overtake each other."""
    return [request(f"run-{n}", scene, key=f"key-{n}", seconds=f"{(count - n) % 7 * 0.1:.1f}") for n in range(count)]


def outcome(answer):
    """(invocation id, status) of a reply; the error where there was none."""
    if "error" in answer:
        return answer["error"], answer["message"]
    result = json.loads(answer["value"])
    equal(answer["headers"]["rxp-invocation-id"], result["invocation_id"].encode().hex())
    equal(answer["headers"]["rxp-status"], result["status"].encode().hex())
    return result["invocation_id"], result["status"]


def expect(answers, count):
    """Every future has its own result, whichever came first."""
    equal([outcome(answer) for answer in answers], [(f"run-{n}", "succeeded") for n in range(count)])
    equal([answer["key"] for answer in answers], [f"key-{n}" for n in range(count)])


@test("the template of the README, in two instances of one reply topic: each future gets its own result")
def _():
    with Scene() as scene:
        replies = scene.kafka.create_topic("replies", 4)
        scene.worker(reply_topics="replies-*")
        expect(ask(scene, replies, "readme", requests_of(scene, 60), instances=2), 60)


@test("the template that the tests use is the README's, word for word")
def _():
    readme = (ROOT / "README.md").read_text().split("## Request and reply", 1)[1].split("```java\n", 1)[1].split("```", 1)[0]
    method = readme.split("@Bean\n", 1)[1].split("\n}\n", 1)[0].replace('"orders.replies"', "this.replies")
    holds(re.sub(r"\s+", " ", SOURCE.read_text()), re.sub(r"\s+", " ", method))


@test("a container of one partition: the template names it, and all replies are there")
def _():
    with Scene() as scene:
        replies = scene.kafka.create_topic("replies", 4)
        scene.worker(reply_topics="replies-*")
        answers = ask(scene, replies, "string", requests_of(scene, 40), partition=2)
        expect(answers, 40)
        equal({record.partition for record in scene.kafka.read_all(replies)}, {2})
        # Of 40 keys some belong elsewhere.
        elsewhere = {record.partition for record in scene.kafka.read_all(scene.results)} - {2}
        assert elsewhere, "by their keys all results are in partition 2, too"


@test("a topic and a partition that the program names in each request")
def _():
    with Scene() as scene:
        one, other = scene.kafka.create_topic("replies", 2), scene.kafka.create_topic("replies", 3)
        scene.worker(reply_topics="replies-*")
        expect(ask(scene, other, "string", requests_of(scene, 9), topics=[one, other], by_hand=1), 9)
        equal({record.partition for record in scene.kafka.read_all(other)}, {1})
        equal(scene.kafka.read_all(one), [])


@test("values as bytes; correlation ids as text, under a header of the requester's own; rxp-reply-topic as the place")
def _():
    with Scene() as scene:
        replies = scene.kafka.create_topic("replies", 2)
        scene.worker(reply_topics=replies)
        answers = ask(scene, replies, "bytes", requests_of(scene, 9), plain_correlation=True,
                      correlation_header="order-number", topic_header="rxp-reply-topic")
        expect(answers, 9)
        ids = {bytes.fromhex(answer["headers"]["order-number"]).decode() for answer in answers}
        equal(len(ids), 9)
        assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) for text in ids), ids


@test("Spring's JSON serializer: the reply is not read as the request's class")
def _():
    with Scene() as scene:
        replies = scene.kafka.create_topic("replies", 2)
        scene.worker(reply_topics=replies)
        expect(ask(scene, replies, "json", requests_of(scene, 9)), 9)
        holds(scene.kafka.read_all(scene.invocations)[0].header("__TypeId__").decode(), "Invocation")


@test("a run that takes too long, one that fails and one that is rejected: each future says its own")
def _():
    with Scene() as scene:
        replies = scene.kafka.create_topic("replies", 2)
        scene.worker(reply_topics=replies)
        requests = [request("late", scene, timeout_ms=500, seconds="2"), request("failed", scene, code="500"),
                    {"value": "{no json"}, request("good", scene, seconds="0")]
        answers = [outcome(answer) for answer in ask(scene, replies, "readme", requests, check=True)]
        equal(answers[0][0], "KafkaReplyTimeoutException")
        equal([error for error, _ in answers[1:3]], ["IllegalStateException"] * 2)
        holds(answers[1][1], "failed")
        holds(answers[2][1], "rejected")
        equal(answers[3], ("good", "succeeded"))
        # The late reply comes all the same.
        scene.kafka.read_until(replies, 4)


@test("with results exactly once a reply comes as before")
def _():
    with Scene() as scene:
        replies = scene.kafka.create_topic("replies", 2)
        scene.worker(reply_topics=replies, results_guarantee="exactly-once")
        expect(ask(scene, replies, "readme", requests_of(scene, 20)), 20)


@test("an aggregating template collects the replies of two groups of workers")
def _():
    with Scene() as scene:
        replies = scene.kafka.create_topic("replies", 3)
        scene.worker(reply_topics=replies)
        other = scene.kafka.create_topic("results", 2)
        scene.worker(reply_topics=replies, group_id=f"{scene.group}-other", checkpoints_topic=f"{scene.checkpoints}-other",
                     results_topic=other)
        answers = ask(scene, replies, "aggregate", requests_of(scene, 9), size=2)
        for n, answer in enumerate(answers):
            assert "error" not in answer, answer
            results = [json.loads(value) for value in answer["values"]]
            equal([result["invocation_id"] for result in results], [f"run-{n}"] * 2)
            equal(len({result["metadata"]["worker.id"] for result in results}), 2)


if __name__ == "__main__":
    run_all()
