#!/usr/bin/python3
"""The checkpoints topic, as kafka/checkpoints makes sure of it and reads it back: without a worker, on a real broker."""
import collections
import os
import pathlib
import re
import subprocess
import time
import uuid

from broker import Broker, Unavailable, shared_cluster
from child import logs_folder, plain_environment, wait_until
from cluster import Message
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions
from tap import equal, holds, lacks, run_all, skip, test
from trio import Trio
from worker import PROGRAM

DRIVER = pathlib.Path(PROGRAM).parent / "tests" / "checkpoints_driver"
Entry = collections.namedtuple("Entry", "offset found writers value")


class Driver:
    """A checkpoints_driver: see there."""

    def __init__(self, bootstrap, topic, inputs, group="g", properties=()):
        name = f"test_checkpoints-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        self.output = logs_folder() / f"{name}-driver.out"
        self.log = logs_folder() / f"{name}-driver.log"
        with open(self.output, "wb") as output, open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", str(DRIVER), bootstrap, topic, group, ",".join(inputs), *properties],
                stdin=subprocess.PIPE, stdout=output, stderr=log, env=plain_environment())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def say(self, *lines):
        self.process.stdin.write("".join(line + "\n" for line in lines).encode())
        self.process.stdin.flush()

    def lines(self, verb):
        whole = self.output.read_text()
        found = [line.split("\t") for line in whole[:whole.rfind("\n") + 1].splitlines()]
        return [line[1:] for line in found if line[0] == verb]

    def wait_for(self, verb, seconds=30, count=1):
        """The fields of the count-th line with that verb."""
        def found():
            assert verb == "fatal" or not self.lines("fatal"), self.lines("fatal")
            return self.lines(verb)[count - 1:]
        return wait_until(found, seconds, f"'{verb}' in {self.output}")[0]

    def read(self, topic, partition, seconds=30):
        """The entries of one more assignment."""
        before = [line for line in self.lines("ready") if line[:2] == [topic, str(partition)]]
        self.say(f"read {topic} {partition}")
        wait_until(lambda: len([line for line in self.lines("ready") if line[:2] == [topic, str(partition)]]) > len(before),
                   seconds, f"the answer for {topic} [{partition}] in {self.output}, {self.log}: {self.lines('fatal')}")
        return self.entries(topic, partition)

    def entries(self, topic, partition):
        """Of the last answer."""
        rows = [line for line in self.output.read_text().splitlines()
                if line.split("\t")[0] in ("ready", "entry") and line.split("\t")[1:3] == [topic, str(partition)]]
        last = max(i for i, row in enumerate(rows) if row.startswith("ready"))
        return [Entry(int(fields[3]), *fields[4:]) for fields in (row.split("\t") for row in rows[last + 1:])]

    def end(self, seconds=10):
        """The milliseconds that checkpoints_free took."""
        self.process.stdin.close()
        equal(self.process.wait(seconds), 1 if self.lines("fatal") else 0, f"the status, see {self.log}")
        return int(self.lines("freed")[0][0])


def key(topic, partition, offset, writer, group="g"):
    return f"{group}/{topic}/{partition}/{offset}/{writer:016x}"


def record(topic, partition, offset, writer, value, group="g", at=None):
    return Message(value, key=key(topic, partition, offset, writer, group), partition=partition if at is None else at)


def names(*partitions, cluster=None):
    """Input topics with so many partitions each, and a name for the checkpoints'."""
    cluster = cluster or shared_cluster()
    return cluster, f"checkpoints-{uuid.uuid4().hex[:8]}", [cluster.create_topic("input", partitions=n) for n in partitions]


def admin_of(cluster):
    return AdminClient({"bootstrap.servers": cluster.bootstrap})


def settings_of(cluster, name, kind=ConfigResource.Type.TOPIC):
    resource = ConfigResource(kind, name)
    admin = admin_of(cluster)  # the call is dropped if this is
    found = admin.describe_configs([resource])[resource].result(20)
    return {name: entry.value for name, entry in found.items()}


def own_broker(**options):
    try:
        return Broker(**options)
    except Unavailable as reason:
        skip(str(reason))


@test("a topic that is missing is created: compacted, with the partitions of the largest input topic")
def _():
    cluster, topic, inputs = names(2, 5)
    with Driver(cluster.bootstrap, topic, [*inputs, "no-such-input"]) as driver:
        equal(driver.wait_for("changed"), ["5"])
        equal(cluster.partitions(topic), [0, 1, 2, 3, 4])
        settings = settings_of(cluster, topic)
        equal([settings[name] for name in ("cleanup.policy", "segment.bytes", "segment.ms", "min.cleanable.dirty.ratio",
                                           "delete.retention.ms")],
              ["compact", "33554432", "3600000", "0.1", "3600000"])
        equal(driver.read(inputs[1], 4), [])
        assert driver.end() < 2000
        equal(driver.lines("changed"), [["5"]])


@test("several that start at once create it once")
def _():
    cluster, topic, inputs = names(3)
    drivers = [Driver(cluster.bootstrap, topic, inputs) for _ in range(3)]
    for driver in drivers:
        equal(driver.wait_for("changed"), ["3"])
        driver.end()


@test("it waits for an input topic to tell how many partitions it should have")
def _():
    cluster = shared_cluster()
    topic, late = f"checkpoints-{uuid.uuid4().hex[:8]}", f"late-{uuid.uuid4().hex[:8]}"
    with Driver(cluster.bootstrap, topic, [late]) as driver:
        wait_until(lambda: "none of the input topics" in driver.log.read_text(), 20, "the warning")
        assert not cluster.topic_exists(topic)
        cluster.create_topic(name=late, partitions=4)
        equal(driver.wait_for("changed"), ["4"])
        driver.end()


@test("a topic with too few partitions grows, also when an input topic has grown since")
def _():
    cluster, topic, inputs = names(3)
    cluster.create_topic(name=topic, partitions=1, cleanup_policy="compact")
    cluster.produce(topic, [record(inputs[0], 0, 7, 1, "run")])
    with Driver(cluster.bootstrap, topic, inputs) as driver:
        equal(driver.wait_for("changed"), ["3"])
        equal(len(cluster.partitions(topic)), 3)
        equal([entry.offset for entry in driver.read(inputs[0], 0)], [7])
        admin = admin_of(cluster)
        admin.create_partitions([NewPartitions(inputs[0], 8)])[inputs[0]].result(20)
        equal(driver.read(inputs[0], 7), [])
        equal(driver.lines("changed"), [["3"], ["8"]])
        driver.end()


@test("that it may not grow while readings go on is warned of, until it has grown; what has its partition goes on")
def _():
    properties = {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                  "allow.everyone.if.no.acl.found": "true"}
    with own_broker(properties=properties) as broker:
        cluster, topic, inputs = names(1, cluster=broker.cluster())
        cluster.create_topic(name=topic, partitions=1, cleanup_policy="compact")
        everything = ["--allow-principal", "User:ANONYMOUS", "--topic", topic]
        for operation in ("Read", "Write", "DescribeConfigs"):
            everything += ["--operation", operation]
        broker.tool("kafka.admin.AclCommand", "--add", *everything)
        with Driver(broker.bootstrap, topic, inputs) as driver:
            driver.wait_for("changed")
            admin = admin_of(cluster)
            admin.create_partitions([NewPartitions(inputs[0], 3)])[inputs[0]].result(20)
            driver.say(f"read {inputs[0]} 2")
            wait_until(lambda: "checkpoints_topic_small" in driver.log.read_text(), 20, f"the warning in {driver.log}")
            holds(driver.log.read_text(), "has 1 partition where an input topic has 3",
                  f"`kafka-topics.sh --bootstrap-server {broker.bootstrap} --alter --topic {topic} --partitions 3`",
                  "input partitions from 1 on")
            cluster.produce(topic, [record(inputs[0], 0, 4, 1, "run")])
            equal([entry.offset for entry in driver.read(inputs[0], 0)], [4])
            equal(len(driver.lines("ready")), 1)
            broker.tool("kafka.admin.AclCommand", "--add", "--allow-principal", "User:ANONYMOUS", "--topic", topic,
                        "--operation", "Alter")
            driver.wait_for("ready", 60, count=2)
            equal((driver.lines("changed"), driver.lines("ready")[1][:2]), ([["1"], ["3"]], [inputs[0], "2"]))
            driver.end()
        with Driver(broker.bootstrap, topic, [cluster.create_topic("input", partitions=4)]) as driver:
            equal(driver.wait_for("changed"), ["4"])
            driver.end()


@test("one that is larger than the input topics is left as it is")
def _():
    cluster, topic, inputs = names(1)
    cluster.create_topic(name=topic, partitions=4, cleanup_policy="compact")
    with Driver(cluster.bootstrap, topic, inputs) as driver:
        equal(driver.wait_for("changed"), ["4"])
        equal(driver.read(inputs[0], 0), [])
        driver.end()


@test("a topic that is not compacted is refused, with the command that mends it")
def _():
    cluster, topic, inputs = names(1)
    cluster.create_topic(name=topic, partitions=1)
    with Driver(cluster.bootstrap, topic, inputs) as driver:
        holds(driver.wait_for("fatal")[0], topic, "cleanup.policy=delete", "must be compacted",
              f"`kafka-configs.sh --bootstrap-server {cluster.bootstrap} --alter --entity-type topics --entity-name {topic} "
              "--add-config cleanup.policy=compact`")
        driver.say(f"read {inputs[0]} 0")
        assert driver.end() < 2000
        equal((driver.lines("ready"), len(driver.lines("released"))), ([], 1))


@test("one that is compacted and deleted from is used, with a warning")
def _():
    cluster, topic, inputs = names(1)
    cluster.create_topic(name=topic, partitions=1, cleanup_policy="compact,delete")
    with Driver(cluster.bootstrap, topic, inputs) as driver:
        driver.wait_for("changed")
        holds(driver.log.read_text(), "older than its retention is deleted")
        driver.end()


@test("a name that no topic can have is refused")
def _():
    cluster, _, inputs = names(1)
    with Driver(cluster.bootstrap, "no topic", inputs) as driver:
        holds(driver.wait_for("fatal")[0], "'no topic'", "checkpoints-topic")
        driver.end()


@test("what was written is read back: the best record of each offset, with all its writers")
def _():
    cluster, topic, inputs = names(2)
    one = inputs[0]
    cluster.create_topic(name=topic, partitions=2, cleanup_policy="compact")
    cluster.produce(topic, [
        record(one, 1, 10, 0xA, "intent"), record(one, 1, 10, 0xA, "run ten"),
        record(one, 1, 11, 0xA, "run eleven"), record(one, 1, 11, 0xB, "intent"),
        record(one, 1, 12, 0xA, "run twelve"), record(one, 1, 12, 0xA, None),
        record(one, 1, 13, 0xA, "run of a"), record(one, 1, 13, 0xB, "run of b"), record(one, 1, 13, 0xB, None),
        record(one, 1, 14, 0xA, None), record(one, 1, 14, 0xA, "run fourteen"),
        record(one, 1, 15, 0xA, "?garbage"), record(one, 1, 16, 0xFFFFFFFFFFFFFFFF, "intent"),
    ])
    with Driver(cluster.bootstrap, topic, inputs) as driver:
        equal(driver.read(one, 1), [
            Entry(10, "run", "a", "run ten"), Entry(11, "run", "a,b", "run eleven"), Entry(13, "run", "a", "run of a"),
            Entry(14, "run", "a", "run fourteen"), Entry(15, "unreadable", "a", "?garbage"),
            Entry(16, "intent", "ffffffffffffffff", "intent")])
        equal(driver.read(one, 0), [])
        equal(len(driver.lines("released")), 2)
        driver.end()


@test("records of other groups, topics, partitions and strangers are passed over")
def _():
    cluster, topic, inputs = names(2)
    one = inputs[0]
    cluster.create_topic(name=topic, partitions=2, cleanup_policy="compact")
    cluster.produce(topic, [
        record(one, 1, 1, 1, "run", group="x/g"), record(one, 1, 2, 1, "run", group="g2"), record(one, 1, 3, 1, "run", group="G"),
        record(one + "2", 1, 4, 1, "run"), record(one[:-1], 1, 5, 1, "run"), record(one, 0, 6, 1, "run", at=1),
        Message("run", key="stranger", partition=1), Message("new", key=b"\xff\x00", partition=1),
        record(one, 1, 7, 1, "new", group="x/g"),
        record(one, 1, 8, 1, "run"), record(one, 1, 8, 1, None, group="x/g"),
    ])
    with Driver(cluster.bootstrap, topic, inputs) as driver:
        equal([entry.offset for entry in driver.read(one, 1)], [8])
        driver.end()
    with Driver(cluster.bootstrap, topic, inputs, group="g2") as driver:  # of which the other's name is the beginning
        equal([entry.offset for entry in driver.read(one, 1)], [2])
        driver.end()
    with Driver(cluster.bootstrap, topic, inputs, group="x/g") as driver:
        driver.say(f"read {one} 1")
        holds(driver.wait_for("fatal")[0], f"x/g/{one}/1/7/0000000000000001")
        driver.end()


@test("each reading holds all that was acknowledged before it was asked for")
def _():
    cluster, topic, inputs = names(1)
    with Driver(cluster.bootstrap, topic, inputs) as driver:
        driver.wait_for("changed")
        for n in range(30):
            cluster.produce(topic, [record(inputs[0], 0, n, 1, "run")], linger_ms=0)
            equal(len(driver.read(inputs[0], 0)), n + 1)
        driver.end()


@test("input topics that share a partition of the checkpoints are read together, and each gets its own")
def _():
    cluster, topic, inputs = names(3, 3)
    cluster.create_topic(name=topic, partitions=3, cleanup_policy="compact")
    cluster.produce(topic, [record(name, p, 100 * i + p, 1, "run") for i, name in enumerate(inputs) for p in range(3)])
    with Driver(cluster.bootstrap, topic, inputs) as driver:
        driver.say(*(f"read {name} {p}" for name in inputs for p in range(3)))
        driver.wait_for("ready", count=6)
        for i, name in enumerate(inputs):
            for p in range(3):
                equal([entry.offset for entry in driver.entries(name, p)], [100 * i + p])
        driver.end()


@test("a checkpoint of a later version stops it, naming the key and the way out")
def _():
    cluster, topic, inputs = names(1)
    cluster.create_topic(name=topic, partitions=1, cleanup_policy="compact")
    cluster.produce(topic, [record(inputs[0], 0, 5, 0xAB, "new")])
    with Driver(cluster.bootstrap, topic, inputs) as driver:
        driver.say(f"read {inputs[0]} 0")
        holds(driver.wait_for("fatal")[0], topic, f"g/{inputs[0]}/0/5/00000000000000ab", "later version", "go back")
        driver.end()


@test("a transaction that is left open on the topic keeps nobody waiting, nor do aborted ones and their markers")
def _():
    cluster, topic, inputs = names(1)
    cluster.create_topic(name=topic, partitions=1, cleanup_policy="compact")
    cluster.produce(topic, [record(inputs[0], 0, 1, 1, "run")])
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, "run", key="stranger", partition=0)
    producer.flush(30)
    producer.commit_transaction(30)  # its marker is the last thing in the log
    properties = ["isolation.level=read_committed", "fetch.min.bytes=100000"]
    with Driver(cluster.bootstrap, topic, inputs, properties=properties) as driver:
        equal([entry.offset for entry in driver.read(inputs[0], 0)], [1])
        producer.begin_transaction()
        producer.produce(topic, "run", key="stranger", partition=0)
        producer.flush(30)
        cluster.produce(topic, [record(inputs[0], 0, 2, 1, "run")])
        equal([entry.offset for entry in driver.read(inputs[0], 0, seconds=8)], [1, 2])
        driver.end()
    producer.abort_transaction(30)


@test("a reading whose records were all deleted ends")
def _():
    with own_broker(properties={"log.retention.check.interval.ms": 200, "log.initial.task.delay.ms": 100}) as broker:
        cluster, topic, inputs = names(1, cluster=broker.cluster())
        cluster.create_topic(name=topic, partitions=1, cleanup_policy="compact,delete", retention_ms=200)
        cluster.produce(topic, [record(inputs[0], 0, n, 1, "run") for n in range(10)])
        wait_until(lambda: not cluster.read_all(topic), 30, "the end of the records")
        equal(cluster.end_offsets(topic), {0: 10})
        with Driver(cluster.bootstrap, topic, inputs) as driver:
            equal(driver.read(inputs[0], 0), [])
            driver.end()


@test("an assignment that ends before its answer is let go, and not answered")
def _():
    with Driver("127.0.0.1:1", "checkpoints", ["input"]) as driver:
        driver.say("read input 0", "read input 1", "end input 0")
        equal(driver.wait_for("released"), ["input", "0"])
        time.sleep(0.5)
        equal((len(driver.lines("released")), driver.lines("ready")), (1, []))
        assert driver.end() < 2000
        equal(len(driver.lines("released")), 2)


def fill(cluster, topic, inputs, live, partitions):
    """So many live checkpoints of 300 bytes, over the partitions, and as many that are erased."""
    value = "run" + "x" * 297
    messages = [record(inputs[0], n % partitions, n, 1, value) for n in range(2 * live)]
    messages += [record(inputs[0], n % partitions, n, 1, None) for n in range(live)]
    cluster.produce(topic, messages, linger_ms=50)


@test("100,000 checkpoints and as many erased ones are read in 5 s, in one partition or in six")
def _():
    for partitions in (1, 6):
        cluster, topic, inputs = names(partitions)
        cluster.create_topic(name=topic, partitions=partitions, cleanup_policy="compact")
        fill(cluster, topic, inputs, 100000, partitions)
        with Driver(cluster.bootstrap, topic, inputs) as driver:
            driver.wait_for("changed")
            driver.say(*(f"read {inputs[0]} {p}" for p in range(partitions)))
            driver.wait_for("ready", count=partitions)
            answers = driver.lines("ready")
            equal(sum(int(answer[2]) for answer in answers), 100000)
            slowest = max(int(answer[3]) for answer in answers)
            print(f"# 100,000 live checkpoints in {partitions} partition{'s' * (partitions > 1)}: {slowest} ms")
            assert slowest < 5000, answers
            driver.end()
        cluster.delete_topic(topic)


@test("it waits for a broker that is away or frozen, reads when it is back, and ends promptly all the while")
def _():
    with own_broker() as broker:
        cluster, topic, inputs = names(2, cluster=broker.cluster())
        with Driver(broker.bootstrap, topic, inputs) as driver, Driver(broker.bootstrap, topic, inputs) as other:
            for each in (driver, other):
                each.wait_for("changed")
            cluster.produce(topic, [record(inputs[0], 1, 3, 1, "run")])
            broker.freeze()
            driver.say(f"read {inputs[0]} 1")
            other.say(f"read {inputs[0]} 1")
            wait_until(lambda: "can't be read for" in driver.log.read_text(), 20, f"a warning in {driver.log}")
            assert other.end() < 2000, other.lines("freed")
            broker.thaw()
            driver.wait_for("ready", 30)
            equal([entry.offset for entry in driver.entries(inputs[0], 1)], [3])
            holds(driver.log.read_text(), "can be read again")
            broker.kill()
            driver.say(f"read {inputs[0]} 0", f"read {inputs[0]} 1")
            with Driver(broker.bootstrap, topic, inputs) as late:
                time.sleep(3)
                assert late.end() < 2000, late.lines("freed")
            broker.start()
            driver.wait_for("ready", 60, count=3)
            equal([entry.offset for entry in driver.entries(inputs[0], 1)], [3])
            broker.kill()
            assert driver.end() < 2000, driver.lines("freed")


@test("a topic that is deleted meanwhile is created again")
def _():
    cluster, topic, inputs = names(2)
    with Driver(cluster.bootstrap, topic, inputs) as driver:
        driver.wait_for("changed")
        cluster.delete_topic(topic)
        wait_until(lambda: not cluster.topic_exists(topic), 20, "the topic's end")
        equal(driver.read(inputs[0], 1), [])
        equal(cluster.partitions(topic), [0, 1])
        driver.end()


def leaders(cluster, topic):
    found = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0}).list_topics(topic, timeout=20)
    return {number: partition.leader for number, partition in found.topics[topic].partitions.items()}


@test("with three brokers: two must have a checkpoint, and a leader that was replaced and does not know hides none")
def _():
    try:
        trio = Trio()
    except Unavailable as reason:
        skip(str(reason))
    with trio:
        cluster, topic, inputs = names(12, cluster=trio.cluster())
        trio.nodes[0].tool("kafka.admin.ConfigCommand", "--alter", "--entity-type", "brokers", "--entity-default",
                           "--add-config", "min.insync.replicas=1")
        wait_until(lambda: all(
            settings_of(cluster, str(node.number), ConfigResource.Type.BROKER)["min.insync.replicas"] == "1"
            for node in trio.nodes), 30, "that a topic's own setting counts")
        with Driver(cluster.bootstrap, topic, inputs) as driver:
            equal(driver.wait_for("changed"), ["12"])
            equal(settings_of(cluster, topic)["min.insync.replicas"], "2")
            driver.say(*(f"read {inputs[0]} {p}" for p in range(12)))
            driver.wait_for("ready", 60, count=12)
            node = trio.nodes[leaders(cluster, topic)[0] - 1]
            led = [p for p, leader in leaders(cluster, topic).items() if leader == node.number]
            # What it is asked while it is frozen it answers first, before it learns that others lead now.
            node.freeze()
            wait_until(lambda: all(leader > 0 and leader != node.number for leader in leaders(cluster, topic).values()),
                       60, "other leaders")
            cluster.produce(topic, [record(inputs[0], p, p, 1, "run") for p in led])
            driver.say(*(f"read {inputs[0]} {p}" for p in led))
            time.sleep(0.2)  # for the question to be on its way; the answer has to be right in any case
            node.thaw()
            driver.wait_for("ready", 60, count=12 + len(led))
            equal([[entry.offset for entry in driver.entries(inputs[0], p)] for p in led], [[p] for p in led])
            driver.end()


TOOLS = {"kafka-acls.sh": "kafka.admin.AclCommand", "kafka-configs.sh": "kafka.admin.ConfigCommand"}


def run_command(broker, sentence):
    """What an admin would do."""
    script, _, bootstrap, *arguments = re.search("`([^`]+)`", sentence).group(1).replace("User:NAME", "User:ANONYMOUS").split()
    equal(bootstrap, broker.bootstrap)
    broker.tool(TOOLS[script], *arguments)


@test("what is not allowed is said, with the commands for an admin")
def _():
    properties = {"authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                  "allow.everyone.if.no.acl.found": "true"}
    with own_broker(properties=properties) as broker:
        cluster, missing, inputs = names(2, cluster=broker.cluster())
        made = [cluster.create_topic("checkpoints", partitions=p, cleanup_policy="compact") for p in (2, 2, 2, 2, 1)]
        unknown, unread, unwritten, hidden, small = made
        cluster.produce(unread, [record(inputs[0], 0, 1, 1, "run")])

        def allow(operations, *what):
            """These and no others."""
            broker.tool("kafka.admin.AclCommand", "--add", "--allow-principal", "User:ANONYMOUS",
                        *(word for operation in operations for word in ("--operation", operation)), *what)

        uncompacted = cluster.create_topic("checkpoints", partitions=2)
        allow(["Read", "Write", "Describe"], "--topic", unknown)
        allow(["Describe", "DescribeConfigs"], "--topic", unread, "--topic", unwritten, "--topic", missing)
        allow(["Write"], "--topic", unread)
        allow(["Read"], "--topic", unwritten)
        allow(["Create"], "--topic", hidden)
        allow(["Read", "DescribeConfigs"], "--topic", small)
        allow(["ClusterAction", "Alter", "Describe"], "--cluster")
        with Driver(broker.bootstrap, unknown, inputs) as driver:
            equal(driver.read(inputs[0], 0), [])
            holds(driver.log.read_text(), "grant DescribeConfigs")
            driver.end()
        for topic, parts in (
                (missing, ["does not exist", f"`kafka-topics.sh --bootstrap-server {broker.bootstrap} --create --topic "
                           f"{missing} --partitions 2 --config cleanup.policy=compact --config segment.bytes=33554432"]),
                (small, ["has 1 partition where an input topic has 2", f"--alter --topic {small} --partitions 2`"]),
                (uncompacted, ["must be compacted"]),
                (hidden, ["closed to this user", "grant it Describe, Read and Write"]),
                (unwritten, ["closed to this user", "grant it Write"]),
                (unread, ["closed to this user", "grant it Read"])):
            with Driver(broker.bootstrap, topic, inputs) as driver:
                driver.say(f"read {inputs[0]} 0")
                sentence = driver.wait_for("fatal")[0]
                holds(sentence, f"'{topic}'", *parts)
                lacks(sentence, "null")
                print(f"# {sentence}")
                driver.end()
            if topic not in (missing, small):  # kafka-topics.sh is not at hand
                run_command(broker, sentence)
                with Driver(broker.bootstrap, topic, inputs) as driver:
                    driver.read(inputs[0], 0)
                    driver.end()


if __name__ == "__main__":
    run_all()
