#!/usr/bin/python3
"""Request and reply on a real broker, by the conventions of Spring's ReplyingKafkaTemplate."""
import os
import struct

from child import wait_until
from cluster import Message
from scene import Scene
from tap import equal, holds, rows, run_all, test
from worker import invocation, run_command

OK = {"code": "200", "instant": "1"}
# Sixteen bytes as of a UUID, NUL and bytes that are no UTF-8 among them.
CORRELATION = bytes([0, 255, 0, 1, 2, 3, 200, 10, 13, 0, 0, 128, 7, 8, 9, 0])


def spring(topic, partition=None, correlation=CORRELATION):
    """The headers that a template adds."""
    headers = [("kafka_replyTopic", topic if isinstance(topic, bytes) else topic.encode())]
    if partition is not None:
        headers.append(("kafka_replyPartition", partition if isinstance(partition, bytes) else struct.pack(">i", partition)))
    return [*headers, ("kafka_correlationId", correlation)]


def by_id(records):
    """{invocation id: record}, each being there once."""
    found = {}
    for record in records:
        name = record.header("rxp-invocation-id").decode()
        assert name not in found, f"{name} came twice"
        found[name] = record
    return found


def shed_of(record):
    return record.json()["metadata"].get("rxp.shed")


@test("a reply goes to the partition that was asked for, with the correlation id as it was, and is the result")
def _():
    with Scene() as scene:
        replies = scene.kafka.create_topic("replies", 4)
        scene.worker(reply_topics="other,replies-*")
        messages = [Message(invocation(f"to-{n % 4}-{n}", scene.backend, OK), key=f"key-{n}",
                            headers=[("a", b"1"), ("a", b"2"), *spring(replies, n % 4, CORRELATION + bytes([n]))])
                    for n in range(40)]
        messages.append(Message(invocation("failed", scene.backend, {"code": "500"}), headers=spring(replies, 0)))
        messages.append(Message(b"{no json", headers=spring(replies, 0)))
        scene.produce(messages)
        results = by_id(scene.wait_for_results(len(messages)))
        found = by_id(scene.kafka.read_all(replies))
        equal(sorted(found), sorted(results), "the replies")
        for n in range(40):
            name = f"to-{n % 4}-{n}"
            reply, result = found[name], results[name]
            equal(reply.partition, n % 4, f"partition of {name}")
            equal(reply.key, f"key-{n}".encode())
            equal(reply.value, result.value)
            equal(shed_of(result), None)
            equal(reply.headers, [("a", b"1"), ("a", b"2"), ("kafka_correlationId", CORRELATION + bytes([n])),
                                  ("rxp-invocation-id", name.encode()), ("rxp-status", b"succeeded"),
                                  ("content-type", b"application/json")])
            equal(result.header("kafka_replyTopic"), replies.encode(), "the result keeps its input's headers")
        equal(found["failed"].header("rxp-status"), b"failed")
        equal(found["failed"].key, None, "the key of a request without one")
        rejected = next(record for name, record in found.items() if name.startswith("unreadable:"))
        equal(rejected.header("rxp-status"), b"rejected")
        equal(rejected.header("kafka_correlationId"), CORRELATION)
        scene.wait_for_commit()


@test("rxp-reply-topic asks, too; a custom correlation header comes back; what is no partition is ignored and said")
def _():
    with Scene() as scene:
        replies = scene.kafka.create_topic("replies", 4)
        scene.worker(reply_topics=replies)
        scene.produce([
            Message(invocation("ours", scene.backend, OK), headers=[("rxp-reply-topic", replies.encode()), ("my-id", b"\0x")]),
            Message(invocation("text", scene.backend, OK), headers=spring(replies, b"3")),
            Message(invocation("negative", scene.backend, OK), headers=spring(replies, -1)),
            Message(invocation("last", scene.backend, OK), headers=[*spring("elsewhere", 1), *spring(replies, 2)]),
        ])
        results = by_id(scene.wait_for_results(4))
        found = by_id(scene.kafka.read_all(replies))
        equal(sorted(found), ["last", "negative", "ours", "text"])
        equal(found["ours"].header("my-id"), b"\0x")
        equal(found["last"].partition, 2)
        equal({name: shed_of(record) for name, record in results.items()},
              {"ours": None, "last": None, "text": "reply-partition", "negative": "reply-partition"})


@test("topics that are not allowed, hostile names and the worker's own topics get nothing, and the result says so")
def _():
    with Scene() as scene:
        dead = scene.kafka.create_topic("dead", 1)
        closed = scene.kafka.create_topic("closed", 1)
        worker = scene.worker(reply_topics="*ions-*,re*,d*,_*,*points-*", dead_letter_topic=dead)
        names = [b"", b".", b"..", b"re/../x", b"re plies", b"re\0x", b"re\xff\xfe", b"re" * 125, "r\u00e9".encode(), b"re'; --",
                 b"%s%n", closed.encode(), b"__consumer_offsets", b"__transaction_state", dead.encode(),
                 scene.invocations.encode(), scene.checkpoints.encode()]
        # With keys, since compacted topics take no message without one.
        scene.produce([Message(invocation(f"run-{n}", scene.backend, OK), key=f"key-{n}", headers=spring(name, 0))
                       for n, name in enumerate(names)])
        results = by_id(scene.wait_for_results(len(names)))
        equal({name: shed_of(record) for name, record in results.items()}, {f"run-{n}": "reply" for n in range(len(names))})
        for topic in (dead, closed):
            equal(scene.kafka.read_all(topic), [], topic)
        equal(len(scene.kafka.read_all(scene.invocations)), len(names), "inputs")
        equal([r for r in scene.kafka.read_all(scene.checkpoints) if r.header("rxp-status")], [], "results among checkpoints")
        worker.wait_for("gets none: ")
        scene.wait_for_commit()


@test("a reply to the results topic is the result; without the option the headers ask for nothing")
def _():
    with Scene() as scene:
        scene.worker(reply_topics="*")
        scene.produce([Message(invocation("itself", scene.backend, OK), headers=spring(scene.results))])
        results = by_id(scene.wait_for_results(1))
        equal(shed_of(results["itself"]), None)
        equal(results["itself"].header("kafka_correlationId"), CORRELATION)
        scene.wait_for_commit()
    with Scene() as scene:
        replies = scene.kafka.create_topic("replies", 1)
        scene.worker()
        scene.produce([Message(invocation("off", scene.backend, OK), headers=spring(replies, 0))])
        equal(shed_of(by_id(scene.wait_for_results(1))["off"]), None)
        scene.wait_for_commit()
        equal(scene.kafka.read_all(replies), [])


@rows("a partition or topic that is not there costs its own reply alone: other results are not late ({0})",
      [("at-least-once",), ("exactly-once",)])
def _(guarantee):
    with Scene() as scene:
        replies = scene.kafka.create_topic("replies", 2)
        worker = scene.worker(reply_topics="replies-*,missing-*", results_guarantee=guarantee)
        scene.produce([invocation("warm", scene.backend, OK)])
        scene.wait_for_results(1)
        missing = {"no-topic": spring("missing-1"), "no-topic-either": spring("missing-2", 0)}
        lost = {"no-partition": spring(replies, 2), "far": spring(replies, 0x7fffffff), **missing}
        count = 200
        scene.produce([*[Message(invocation(name, scene.backend, OK), headers=headers) for name, headers in lost.items()],
                       *[Message(invocation(f"other-{n}", scene.backend, OK), headers=spring(replies, 1))
                         for n in range(count)]])
        # Librdkafka waits half a minute for a topic that is not there; a result waits less for its reply.
        results = by_id(scene.wait_for_results(1 + len(lost) + count, 25))
        equal({name: shed_of(results[name]) for name in lost}, dict.fromkeys(lost, "reply"))
        equal({shed_of(results[f"other-{n}"]) for n in range(count)}, {None})
        equal(len(scene.kafka.read_all(replies)), count, "the others' replies")
        waited = min(results[name].timestamp_ms for name in missing)
        late = [n for n in range(count) if results[f"other-{n}"].timestamp_ms >= waited]
        equal(late, [], "others whose results waited for missing topics")
        # Once known to be missing, it is not waited for again.
        scene.produce([Message(invocation("again", scene.backend, OK), headers=spring("missing-1"))])
        results = by_id(scene.wait_for_results(2 + len(lost) + count))
        equal(shed_of(results["again"]), "reply")
        scene.wait_for_commit()
        equal(worker.stop(), 0)


@test("a topic that is made just before its first request gets the reply, and one that was missing does once it is there")
def _():
    with Scene() as scene:
        scene.worker(reply_topics="replies-*,late-*")
        scene.produce([invocation("warm", scene.backend, OK)])
        scene.wait_for_results(1)
        replies = scene.kafka.create_topic("replies", 2)
        late = replies.replace("replies", "late")
        scene.produce([Message(invocation("new", scene.backend, OK), headers=spring(replies, 1)),
                       Message(invocation("missed", scene.backend, OK), headers=spring(late))])
        results = by_id(scene.wait_for_results(3))
        equal((shed_of(results["new"]), shed_of(results["missed"])), (None, "reply"))
        equal(by_id(scene.kafka.read_all(replies)).keys(), {"new"})
        scene.kafka.create_topic(name=late)
        asked = []

        def one_more_is_replied_to():
            asked.append(f"try-{len(asked)}")
            scene.produce([Message(invocation(asked[-1], scene.backend, OK), headers=spring(late))])
            scene.wait_for_results(3 + len(asked))
            return scene.kafka.read_all(late)
        found = by_id(wait_until(one_more_is_replied_to, 60, "a reply in the topic that was missing"))
        equal(sorted(found), asked[-1:])


@test("a reply that is too large for its topic gets smaller, keeps its correlation id, and is left out at last")
def _():
    with Scene() as scene:
        replies = scene.kafka.create_topic("replies", 1, max_message_bytes=3000)
        scene.worker(reply_topics=replies)
        large = {**OK, "result_bytes": "20000"}
        small = {**OK, "result": '{"n":1}'}
        scene.produce([
            *[Message(invocation(f"small-{n}", scene.backend, small, http_result_path="result"), headers=spring(replies))
              for n in range(50)],
            Message(invocation("result", scene.backend, large, http_result_path="result"), headers=spring(replies, 0)),
            Message(invocation("headers", scene.backend, small, http_result_path="result"),
                    headers=[("h", b"x" * 9000), *spring(replies, 0), ("x-correlation-id", b"mine")]),
            Message(invocation("metadata", scene.backend, small, http_result_path="result", note="y" * 9000),
                    headers=spring(replies, 0)),
        ])
        results = by_id(scene.wait_for_results(53))
        found = by_id(scene.kafka.read_all(replies))
        equal({name: shed_of(record) for name, record in found.items()},
              {**{f"small-{n}": None for n in range(50)}, "result": "http.result", "headers": "http.result,headers"})
        equal(found["headers"].headers, [("kafka_correlationId", CORRELATION), ("x-correlation-id", b"mine"),
                                         ("rxp-invocation-id", b"headers"), ("rxp-status", b"succeeded"),
                                         ("content-type", b"application/json")])
        equal({name: shed_of(record) for name, record in results.items()},
              {**{f"small-{n}": None for n in range(50)}, "result": None, "headers": None, "metadata": "reply"})
        equal(len(results["headers"].header("h")), 9000, "the result's header")
        equal(len(results["result"].json()["metadata"]["http.result"]) > 20000, True, "the result has its http.result")
        scene.wait_for_commit()


@test("a pattern that can match no topic stops the start, and is named")
def _():
    done = run_command("run", "--bootstrap-servers", os.environ.get("RXP_TEST_BROKER", "127.0.0.1:1"), "--reply-topics",
                       "good,re plies")
    equal(done.returncode, 2)
    holds(done.stderr, "--reply-topics", "'re plies'")


if __name__ == "__main__":
    run_all()
