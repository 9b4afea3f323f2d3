"""load: the unit of work of the benchmarks, and how it is brought in, waited for and counted.

One invocation is one Kafka message of 300 bytes in, a kickoff, two polls, a result out, and its offset committed. What is
the same for all of them (how to poll) stands in a profile, which the messages name.

    feeder = Feeder(cluster)                        # one for all turns
    with Work(feeder, backend) as work, work.worker(threads=1) as worker:
        figures = work.measure(worker, 20000)       # {"cpu_us": …, "rate": …, …}

A stranger (a peer) takes work.inputs, work.results, work.group and work.cluster.bootstrap instead, must read
read_committed, and writes `succeeded` into each of its results."""
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import tempfile
import time
import uuid

from bench import on_path
from gauge import Gauge, Others

on_path()

from child import wait_until  # noqa: E402
from cluster import UNSETTLED  # noqa: E402
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition  # noqa: E402
from worker import Worker  # noqa: E402

MESSAGE_BYTES = 300
PARTITIONS = 6
RECORD_ROOM_BYTES = 2 << 30
POLLED = {"polls": 2}  # the backend's parameters: the second poll tells of the end, whenever it comes
INSTANT = {"instant": 1, "code": 200}  # the kickoff's answer tells of it
PROFILE = {
    "http.poll_run_id_path": "run_id",
    "http.poll_status_path": "status",
    "http.poll_terminal_states": "completed,failed,cancelled",
    "http.poll_interval_seconds": "0",
}
# A poll comes as soon as the worker can send it; no line in the log for each run; the rest as it comes, but for what
# whoever measures says.
WORKER = {"poll_min_interval_ms": 0, "poll_jitter": 0, "log_runs": "failures"}


def invocation_id(number):
    return f"bench-{number:08d}"


def message(number, backend, bytes_=MESSAGE_BYTES, simulate=None, runtime="bench"):
    """The bytes of an invocation, exactly so many: its http.body is as long as it takes."""
    invocation = {
        "invocation_id": invocation_id(number),
        "runtime_name": runtime,
        "runtime_kind": "http_async",
        "working_directory": "/",
        "command": ["none"],
        "metadata": {
            "http.url": backend.url("/runs", **(POLLED if simulate is None else simulate)),
            "http.poll_url_template": backend.url("/runs/{run_id}"),
            "http.body": '{"n":"%s"}',
        },
    }
    text = json.dumps(invocation, separators=(",", ":"))
    left = bytes_ - len(text) + len("%s")
    if left < 0:
        raise ValueError(f"an invocation does not fit into {bytes_} bytes: it takes {bytes_ - left}")
    return text.replace("%s", "x" * left, 1).encode()


@contextlib.contextmanager
def record_file():
    """Where a backend may write its record; gone afterwards. In memory where that has room: who waits for a disk answers late."""
    memory = pathlib.Path("/dev/shm")
    roomy = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > RECORD_ROOM_BYTES
    with tempfile.TemporaryDirectory(prefix="rxp-bench-", dir=memory if roomy else None) as folder:
        yield pathlib.Path(folder) / "requests"


@dataclasses.dataclass
class Course:
    """What a backend saw of a run, in ms by the machine's clock."""
    kickoff_ms: float
    run_id: str
    polls_ms: list


def courses(record):
    """{invocation_id: Course}, of the record of a backend that has ended: runs whose kickoff it has, and that came once."""
    found, by_run = {}, {}
    with open(record, encoding="utf-8") as lines:
        for line in lines:
            request = json.loads(line)
            if request["method"] == "POST":
                course = Course(request["us"] / 1000, request["run_id"], [])
                found[request["key"]] = by_run[course.run_id] = course
            elif request["path"].startswith("/runs/") and request["path"][6:] in by_run:
                by_run[request["path"][6:]].polls_ms.append(request["us"] / 1000)
    return found


def kickoffs(record):
    """{invocation_id: when its kickoff came, in ms}"""
    return {name: course.kickoff_ms for name, course in courses(record).items()}


class Feeder:
    """Brings messages to the broker ahead of time: they lie in a transaction that is still open, so that nobody who reads
    read_committed (librdkafka's default) sees any before release(), and all are there at once then. Nobody produces
    while somebody is measured."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.producer = Producer({
            "bootstrap.servers": cluster.bootstrap, "log_level": 0, "linger.ms": 5, "message.max.bytes": 64 << 20,
            "queue.buffering.max.messages": 1000000, "transactional.id": f"bench-{uuid.uuid4().hex[:8]}",
            "transaction.timeout.ms": 600000})
        self.producer.init_transactions(60)

    def put(self, topic, values, partitions, ends):
        """To each partition in turn. `ends` gets for each partition the offset behind its last message."""
        wrong = []

        def delivered(error, sent):
            if error is not None:
                wrong.append(error)
            else:
                ends[sent.partition()] = max(ends.get(sent.partition(), 0), sent.offset() + 1)

        self.producer.begin_transaction()
        for number, value in enumerate(values):
            while True:
                try:
                    self.producer.produce(topic, value, key=f"key-{number}", partition=number % partitions,
                                          on_delivery=delivered)
                    break
                except BufferError:
                    self.producer.poll(0.1)
            self.producer.poll(0)
        left = self.producer.flush(120)
        assert left == 0 and not wrong, f"{left} messages were not acknowledged, {len(wrong)} failed: {wrong[:1]}"

    def release(self):
        self.producer.commit_transaction(60)


class Work:
    """Topics and a group of its own. backend: one, or a list, whose members have each message in turn. profile: keys
    over those above; runtime: the runtime_name, after which it goes. first: the number of its first message; group: that of another
    work, whose worker shall do this one as well. Properties are those of the inputs' topic."""

    def __init__(self, feeder, backend, partitions=PARTITIONS, bytes_=MESSAGE_BYTES, simulate=None, profile=None,
                 runtime="bench", first=0, group=None, **properties):
        name = uuid.uuid4().hex[:8]
        self.feeder, self.cluster = feeder, feeder.cluster
        self.backends = backend if isinstance(backend, list) else [backend]
        self.partitions, self.bytes, self.simulate, self.runtime = partitions, bytes_, simulate, runtime
        self.first, self.group = first, group or f"group-{name}"
        self.checkpoints = f"checkpoints-{name}"
        self.inputs = self.cluster.create_topic(name=f"inputs-{name}", partitions=partitions, **properties)
        self.results = self.cluster.create_topic(name=f"results-{name}", partitions=partitions,
                                                 message_timestamp_type="LogAppendTime")
        self.profiles = pathlib.Path(tempfile.mkdtemp(prefix="rxp-bench-profiles-"))
        keys = {**PROFILE, **(profile or {})}
        self.profile = json.dumps({"metadata": keys})
        self.numbers = 0  # messages so far
        self.sent_ms = {}  # when one went off, by its invocation_id: those of trickle()
        self.ends = {}
        self.onlooker = Consumer({"bootstrap.servers": self.cluster.bootstrap, "group.id": self.group, "log_level": 0})

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.onlooker.close()
        shutil.rmtree(self.profiles, ignore_errors=True)
        if kind in (KeyboardInterrupt, SystemExit):
            return  # the broker was interrupted as well, and is not waited for
        for topic in (self.inputs, self.results, self.checkpoints):
            if topic != self.checkpoints or self.cluster.topic_exists(topic):
                self.cluster.delete_topic(topic)

    def worker(self, **options):
        """rxp-worker run. checkpoints=True: with checkpoints. also: another work of this group, which it does as well; the results
        are in this one's topic."""
        topic = self.checkpoints if options.pop("checkpoints", False) else ""
        also = options.pop("also", None)
        settings = {**WORKER, "checkpoints_topic": topic, "profiles_dir": self.profiles, **options}
        for work in filter(None, (self, also)):
            (self.profiles / f"{work.runtime}.json").write_text(work.profile, encoding="utf-8")
        inputs = f"{self.inputs},{also.inputs}" if also else self.inputs
        return Worker(self.cluster, inputs, self.results, self.group, **settings)

    def _messages(self, count):
        """(invocation_id, bytes) of the next ones."""
        first, self.numbers = self.numbers, self.numbers + count
        for n in range(first, first + count):
            yield invocation_id(self.first + n), message(self.first + n, self.backends[n % len(self.backends)], self.bytes,
                                                         self.simulate, self.runtime)

    def put(self, count):
        """So many messages, which wait for feeder.release()."""
        self.feeder.put(self.inputs, (text for _, text in self._messages(count)), self.partitions, self.ends)

    def trickle(self, count, per_second, linger_ms=0):
        """So many messages at an even pace, each sent when it is due. Returns the first one's invocation_id: later ones are
        greater."""
        first = self.first + self.numbers
        producer = Producer({"bootstrap.servers": self.cluster.bootstrap, "log_level": 0, "linger.ms": linger_ms})
        producer.list_topics(self.inputs, timeout=30)  # who has just met a broker sends late

        def delivered(error, sent):
            assert error is None, error
            self.ends[sent.partition()] = max(self.ends.get(sent.partition(), 0), sent.offset() + 1)
        begin = time.monotonic()
        for n, (name, text) in enumerate(self._messages(count)):
            producer.poll(0)
            while (left := begin + n / per_second - time.monotonic()) > 0:
                producer.poll(left)
            self.sent_ms[name] = time.time() * 1000
            producer.produce(self.inputs, text, key=f"key-{first + n}", partition=n % self.partitions, on_delivery=delivered)
        assert producer.flush(60) == 0
        return invocation_id(first)

    def wait(self, child, seconds=600):
        """Until the group has committed all that was put; asked four times a second, by offsets alone: who read the results
        meanwhile would take a part of the processors."""
        wanted = [TopicPartition(self.inputs, number) for number in self.ends]

        def done():
            time.sleep(0.25)
            assert child.running, f"{child.name} ended with {child.process.returncode}\n{child.tail()}"
            try:
                committed = self.onlooker.committed(wanted, timeout=30)
            except KafkaException as error:
                if error.args[0].code() in UNSETTLED:  # of a broker that has just started, or is held up
                    return False
                raise
            return all(found.offset >= self.ends[found.partition] for found in committed)
        wait_until(done, seconds, f"the last commit of {self.group}")

    def times(self, count):
        """When the broker appended each of the last `count` results, in ms, sorted; all of the work must be there, each a
        success. To be called when nobody is measured."""
        records = self.cluster.read_until(self.results, self.numbers, 120, "read_committed")
        wrong = [record for record in records if b"succeeded" not in record.value]
        assert not wrong, f"{len(wrong)} of {len(records)} runs did not succeed, one with {wrong[0].value}"
        return sorted(record.timestamp_ms for record in records)[-count:]

    def measure(self, child, count, warm=1000, beside=None, counts=None):
        """Puts `warm` invocations through, then `count`, and says what these took: cpu_us of the child for each of them,
        rate (a second, from when they are let go to when the broker appended the last result: a part of that time would be
        faster than the whole, since the first results come when many runs have begun), per_core (what a processor of its own would
        bear by its CPU time), cores (of which it kept so many busy: 1.0 with one loop is saturation), rss_mb and threads at the end, by_thread (cpu_us of those that live then, by name), others and stolen
        (gauge.Others). `beside`: {name: process id} of who else is to be measured, as NAME_us. `counts`: {name: function that
        counts something}, told as how many more there are."""
        self.put(warm)
        self.feeder.release()
        self.wait(child)
        self.put(count)
        gauges = {"cpu": Gauge(child.pid), **{name: Gauge(pid) for name, pid in (beside or {}).items()}}
        others = Others((beside or {}).values())
        threads_before = gauges["cpu"].by_thread()
        counted = {name: function() for name, function in (counts or {}).items()}
        before = {name: gauge.cpu_seconds() for name, gauge in gauges.items()}
        released_ms = time.time() * 1000
        self.feeder.release()
        self.wait(child)
        took = {f"{name}_us": (gauge.cpu_seconds() - before[name]) / count * 1e6 for name, gauge in gauges.items()}
        took |= {name: function() - counted[name] for name, function in (counts or {}).items()}
        other_cores, stolen_cores = others.cores()
        memory = gauges["cpu"].memory()
        threads = gauges["cpu"].threads()
        by_thread = {f"{name}_us": (seconds - threads_before.get(name, 0)) / count * 1e6
                     for name, seconds in gauges["cpu"].by_thread().items()}
        rate = count / (self.times(count)[-1] + 1 - released_ms) * 1000
        return {**took, "rate": rate, "per_core": 1e6 / took["cpu_us"], "cores": rate * took["cpu_us"] / 1e6,
                "rss_mb": memory.rss_bytes / 1e6, "threads": threads, "by_thread": by_thread, "others": other_cores,
                "stolen": stolen_cores}
