#!/usr/bin/python3
"""`rxp-worker config --check` on a real broker: what it finds, and that the commands it prints are what is needed."""
import argparse
import json
import shlex

from broker import Broker, Unavailable
from child import wait_until
from cluster import Message
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic
from scene import Scene, cluster, once_each
from tap import equal, holds, lacks, run_all, skip, test
from worker import Worker, flags, invocation, run_command

USER = {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "worker",
        "sasl.password": "secret-1"}


def own_broker(**options):
    try:
        return Broker(**options)
    except Unavailable as reason:
        skip(str(reason))


def check(bootstrap, *arguments, **options):
    """(exit status, findings, commands)"""
    done = run_command("config", "--check", "--bootstrap-servers", bootstrap, *flags(options), *arguments)
    commands = [line for line in done.stdout.splitlines() if line.startswith("kafka-")]
    return done.returncode, done.stderr, commands


def properties(values):
    return [word for name, value in values.items() for word in ("-X", f"{name}={value}")]


# kafka-topics.sh is not among the jars that a broker needs.
TOOLS = {"kafka-acls.sh": "kafka.admin.AclCommand", "kafka-configs.sh": "kafka.admin.ConfigCommand"}


def carry_out(broker, line):
    """A line that is meant for a shell with Kafka's own tools, as one who may do all."""
    name, servers, address, *words = shlex.split(line)
    equal(servers, "--bootstrap-server")
    holds((broker.bootstrap, broker.guarded), address)
    if name in TOOLS:
        broker.tool(TOOLS[name], *words)
        return
    equal(name, "kafka-topics.sh")
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--partitions", required=True, type=int)
    parser.add_argument("--config", action="append", default=[])
    for verb in ("--create", "--alter"):
        parser.add_argument(verb, action="store_true")
    said = parser.parse_args(words)
    equal(said.create + said.alter, 1)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    if said.create:
        topic = NewTopic(said.topic, said.partitions, config=dict(pair.split("=", 1) for pair in said.config))
        admin.create_topics([topic], operation_timeout=30)[said.topic].result(30)
    else:
        equal(said.config, [])
        admin.create_partitions([NewPartitions(said.topic, said.partitions)], operation_timeout=30)[said.topic].result(30)


def topic_settings(kafka, topic):
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})  # the call is dropped if this is
    found = admin.describe_configs([resource])[resource].result(20)
    return {name: entry.value for name, entry in found.items() if not entry.is_default}


@test("it prints the commands that create what is missing, and is content once it is there")
def _():
    kafka = cluster()
    inputs = kafka.create_topic("check-in", partitions=4)
    options = {"invocations_topics": inputs, "checkpoints_topic": ""}
    missing = inputs + "-results"
    status, said, commands = check(kafka.bootstrap, **options, results_topic=missing)
    equal(status, 1)
    holds(said, f"invocations topic '{inputs}': 4 partitions", f"results topic '{missing}' does not exist",
          "checkpoints-topic is empty")
    equal(commands, [f"kafka-topics.sh --bootstrap-server {kafka.bootstrap} --create --topic {missing} "
                     "--partitions 4 --replication-factor 1"])
    equal(check(kafka.bootstrap, **options, results_topic=missing)[0], 1, "asking created the topic")
    results = kafka.create_topic("check-out", partitions=1)
    status, said, commands = check(kafka.bootstrap, **options, results_topic=results)
    equal((status, commands), (0, []), said)
    status, said, commands = check(kafka.bootstrap, **options, results_topic=results, kickoff_guarantee="at-most-once")
    equal((status, commands), (1, []))
    holds(said, "WRONG   checkpoints-topic is empty, and kickoff-guarantee=at-most-once needs it")


@test("the checkpoints topic that its commands make, compact and grow is that of `run`")
def _():
    with own_broker() as broker:
        kafka = broker.cluster()
        inputs = kafka.create_topic("in", partitions=2)
        more = kafka.create_topic("in", partitions=3)
        results = kafka.create_topic("out")
        topic = "made-by-admin"
        options = {"invocations_topics": f"{inputs},{more}", "results_topic": results}
        status, said, commands = check(broker.bootstrap, **options, checkpoints_topic=topic)
        equal((status, len(commands)), (0, 1), said)
        holds(said, f"note    checkpoints topic '{topic}' does not exist: `run` makes it")
        carry_out(broker, commands[0])
        status, said, commands = check(broker.bootstrap, **options, checkpoints_topic=topic)
        equal((status, commands), (0, []), said)
        holds(said, f"ok      checkpoints topic '{topic}': 3 partitions")
        with Worker(kafka, options["invocations_topics"], results, "g", checkpoints_topic="made-by-run"):
            wait_until(lambda: kafka.topic_exists("made-by-run"), 30, "the worker's topic")
        equal(topic_settings(kafka, topic), topic_settings(kafka, "made-by-run"))
        equal(len(kafka.partitions("made-by-run")), 3)

        kafka.create_topic(name="plain", partitions=2, cleanup_policy="delete")
        status, said, commands = check(broker.bootstrap, **options, checkpoints_topic="plain")
        equal((status, len(commands)), (1, 2), said)
        holds(said, "note    checkpoints topic 'plain' has fewer partitions than an input topic",
              "WRONG   checkpoints topic 'plain' has cleanup.policy=delete")
        for command in commands:
            carry_out(broker, command)
        equal(check(broker.bootstrap, **options, checkpoints_topic="plain")[0::2], (0, []))

        kafka.create_topic(name="both", partitions=3, cleanup_policy="compact,delete")
        status, said, commands = check(broker.bootstrap, **options, checkpoints_topic="both")
        equal((status, len(commands)), (0, 1), said)
        holds(said, "note    checkpoints topic 'both' has cleanup.policy=compact,delete")


@test("reply topics: a name is looked up, a pattern can't be")
def _():
    kafka = cluster()
    inputs = kafka.create_topic("check-in")
    results = kafka.create_topic("check-out")
    status, said, commands = check(kafka.bootstrap, invocations_topics=inputs, results_topic=results, checkpoints_topic="",
                                   reply_topics=f"{results},app.*.replies,no.such.topic,no/topic")
    equal((status, len(commands)), (1, 1))
    holds(said, f"ok      reply topic '{results}': 1 partition", "note    reply topics 'app.*.replies': which topics",
          "MISSING reply topic 'no.such.topic' does not exist", "WRONG   reply-topics: 'no/topic' can match no topic")


@test("a topic with two parts to play is told of: `run` would not start")
def _():
    kafka = cluster()
    both = kafka.create_topic("check")
    status, said, commands = check(kafka.bootstrap, invocations_topics=both, results_topic=both, checkpoints_topic="")
    equal((status, commands), (1, []))
    holds(said, f"WRONG   '{both}' is both --results-topic and one of --invocations-topics")


@test("where nothing is allowed, the rights that its commands grant are all that a worker needs")
def _():
    with own_broker(users={"worker": "secret-1"}) as broker:
        kafka = broker.cluster()
        with Scene(kafka, partitions=2) as scene:
            replies = kafka.create_topic("replies.app", partitions=1)
            options = {"invocations_topics": scene.invocations, "results_topic": scene.results, "group_id": scene.group,
                       "dead_letter_topic": kafka.create_topic("dead"), "checkpoints_topic": scene.checkpoints,
                       "results_guarantee": "exactly-once", "reply_topics": "replies.*"}
            status, said, commands = check(broker.guarded, *properties(USER), **options)
            equal(status, 1)
            holds(said, "DENIED", f"invocations topic '{scene.invocations}': not even Describe is allowed",
                  f"checkpoints topic '{scene.checkpoints}'", f"group '{scene.group}': not even Describe is allowed",
                  "these commands grant all that the worker needs")
            begin = f"kafka-acls.sh --bootstrap-server {broker.guarded} --add --allow-principal User:worker --operation "
            rights = [command.removeprefix(begin) for command in commands]
            equal(rights[:2], [f"Read --operation Describe --topic {scene.invocations}",
                               f"Read --operation Describe --group {scene.group}"])
            equal(rights[-4:], [
                "Write --operation Describe --topic replies. --resource-pattern-type prefixed",
                "Read --operation Write --operation Describe --operation DescribeConfigs --operation Create --operation Alter "
                f"--topic {scene.checkpoints}",
                "Write --operation Describe --transactional-id rxp-worker- --resource-pattern-type prefixed",
                "IdempotentWrite --cluster"])
            lacks(said + "".join(commands), "secret-1")
            for command in commands:
                carry_out(broker, command)
            status, said, commands = check(broker.guarded, *properties(USER), **options)
            equal(status, 0, said)
            holds(said, f"note    checkpoints topic '{scene.checkpoints}' does not exist", "can't be seen from here")
            holds(commands[0], f"--create --topic {scene.checkpoints} --partitions 2 --config cleanup.policy=compact")

            worker = scene.stack.enter_context(Worker(broker.guarded, arguments=properties(USER), invocations=None,
                                                      results=None, group=None, **options))
            where = scene.produce([
                Message(invocation("one", scene.backend, {"seconds": "1"}), headers=[("kafka_replyTopic", replies.encode())]),
                Message("garbage")])
            once_each(where, scene.wait_for_results(2))
            equal(json.loads(kafka.read_until(replies, 1)[0].value)["invocation_id"], "one")
            equal(len(kafka.read_until(options["dead_letter_topic"], 1)), 1)
            scene.wait_for_commit()
            equal(worker.stop(), 0)
            assert kafka.end_offsets(scene.checkpoints), "no checkpoints topic"


@test("a missing right on the checkpoints topic is told of by name")
def _():
    with own_broker(users={"worker": "secret-1"}) as broker:
        kafka = broker.cluster()
        topic, results = kafka.create_topic("in"), kafka.create_topic("out")
        kafka.create_topic(name="kept", cleanup_policy="compact")
        for resource in (["--topic", topic], ["--topic", results], ["--topic", "kept"], ["--group", "rxp-worker"]):
            broker.tool("kafka.admin.AclCommand", "--add", "--allow-principal", "User:worker", "--operation", "Describe",
                        *resource)
        status, said, commands = check(broker.guarded, *properties(USER), invocations_topics=topic, results_topic=results,
                                       checkpoints_topic="kept")
        equal(status, 1)
        holds(said, "DENIED  checkpoints topic 'kept': whether it is compacted can't be seen without DescribeConfigs")
        equal([line for line in commands if "--topic kept" in line],
              [f"kafka-acls.sh --bootstrap-server {broker.guarded} --add --allow-principal User:worker --operation Read "
               "--operation Write --operation Describe --operation DescribeConfigs --topic kept"])
        lacks("\n".join(commands), "transactional")


@test("the topics of progress and control are asked about; a control topic that its writers stamp is remarked on, with the remedy")
def _():
    with Scene(partitions=1) as scene:
        progress, control = scene.results + "-progress", scene.results + "-control"
        options = {"invocations_topics": scene.invocations, "results_topic": scene.results, "checkpoints_topic": "",
                   "progress_topic": progress, "control_topic": control}
        status, said, commands = check(scene.kafka.bootstrap, **options)
        equal(status, 1)
        holds(said, f"progress topic '{progress}' does not exist", f"control topic '{control}' does not exist")
        equal([(command.split()[0], command.split()[5]) for command in commands],
              [("kafka-topics.sh", progress), ("kafka-topics.sh", control)])
        scene.kafka.create_topic(name=progress)
        scene.kafka.create_topic(name=control)
        status, said, commands = check(scene.kafka.bootstrap, **options)
        equal(status, 0, said)
        holds(said, "message.timestamp.type=CreateTime")
        equal([command.split(" --alter ")[1] for command in commands],
              [f"--entity-type topics --entity-name {control} --add-config message.timestamp.type=LogAppendTime"])
        stamped = scene.kafka.create_topic("stamped", message_timestamp_type="LogAppendTime")
        status, said, commands = check(scene.kafka.bootstrap, **{**options, "control_topic": stamped})
        equal((status, commands), (0, []), said)
        status, said, _ = check(scene.kafka.bootstrap, "-X", "security.protocol=plaintext",
                                **{**options, "control_topic": progress})
        equal(status, 1)
        holds(said, "is both --progress-topic and --control-topic")


if __name__ == "__main__":
    run_all()
