"""load: the unit of work of the benchmarks, and how it is brought in, waited for and counted.

One invocation is one Kafka message of 300 bytes in, a kickoff, two polls, a result out, and its offset committed. What is
the same for all of them (how to poll) stands in a profile, which the messages name.

    feeder = Feeder(cluster)                        # one for all turns
    with Work(feeder, backend) as work, work.worker(threads=1) as worker:
        figures = work.measure(worker, 20000)       # {"cpu_us": …, "rate": …, …}

A stranger (a peer) takes work.inputs, work.results, work.group and work.cluster.bootstrap instead, must read
read_committed, and writes `succeeded` into each of its results."""
import json
import pathlib
import shutil
import tempfile
import time
import uuid

from bench import on_path
from gauge import Gauge, Others

on_path()

from child import wait_until  # noqa: E402
from confluent_kafka import Consumer, Producer, TopicPartition  # noqa: E402
from worker import Worker  # noqa: E402

MESSAGE_BYTES = 300
PARTITIONS = 6
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


def message(number, backend, bytes_=MESSAGE_BYTES, simulate=None):
    """The bytes of an invocation, exactly so many: its http.body is as long as it takes."""
    invocation = {
        "invocation_id": invocation_id(number),
        "runtime_name": "bench",
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


def kickoffs(record):
    """{invocation_id: when its kickoff came, in ms}, of the record of a backend that has ended."""
    with open(record, encoding="utf-8") as lines:
        requests = map(json.loads, lines)
        return {request["key"]: request["ms"] for request in requests if request["method"] == "POST"}


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
    """Topics and a group of its own. profile: keys over those above. Properties are those of the inputs' topic."""

    def __init__(self, feeder, backend, partitions=PARTITIONS, bytes_=MESSAGE_BYTES, simulate=None, profile=None, **properties):
        name = uuid.uuid4().hex[:8]
        self.feeder, self.cluster, self.backend = feeder, feeder.cluster, backend
        self.partitions, self.bytes, self.simulate = partitions, bytes_, simulate
        self.group = f"group-{name}"
        self.checkpoints = f"checkpoints-{name}"
        self.inputs = self.cluster.create_topic(name=f"inputs-{name}", partitions=partitions, **properties)
        self.results = self.cluster.create_topic(name=f"results-{name}", partitions=partitions,
                                                 message_timestamp_type="LogAppendTime")
        self.profiles = pathlib.Path(tempfile.mkdtemp(prefix="rxp-bench-profiles-"))
        keys = {**PROFILE, **(profile or {})}
        (self.profiles / "bench.json").write_text(json.dumps({"metadata": keys}), encoding="utf-8")
        self.numbers = 0  # messages so far
        self.ends = {}
        self.onlooker = Consumer({"bootstrap.servers": self.cluster.bootstrap, "group.id": self.group, "log_level": 0})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.onlooker.close()
        shutil.rmtree(self.profiles, ignore_errors=True)
        for topic in (self.inputs, self.results, self.checkpoints):
            if topic != self.checkpoints or self.cluster.topic_exists(topic):
                self.cluster.delete_topic(topic)

    def worker(self, **options):
        """rxp-worker run. checkpoints=True: with checkpoints."""
        topic = self.checkpoints if options.pop("checkpoints", False) else ""
        settings = {**WORKER, "checkpoints_topic": topic, "profiles_dir": self.profiles, **options}
        return Worker(self.cluster, self.inputs, self.results, self.group, **settings)

    def put(self, count):
        """So many messages, which wait for feeder.release()."""
        first, self.numbers = self.numbers, self.numbers + count
        self.feeder.put(self.inputs, (message(first + n, self.backend, self.bytes, self.simulate) for n in range(count)),
                        self.partitions, self.ends)

    def trickle(self, count, per_second):
        """So many messages at an even pace, each sent when it is due. Returns the first one's invocation_id: later ones are
        greater."""
        first, self.numbers = self.numbers, self.numbers + count
        producer = Producer({"bootstrap.servers": self.cluster.bootstrap, "log_level": 0, "linger.ms": 0})
        producer.list_topics(self.inputs, timeout=30)  # who has just met a broker sends late

        def delivered(error, sent):
            assert error is None, error
            self.ends[sent.partition()] = max(self.ends.get(sent.partition(), 0), sent.offset() + 1)
        begin = time.monotonic()
        for n in range(count):
            producer.poll(0)
            while (left := begin + n / per_second - time.monotonic()) > 0:
                producer.poll(left)
            producer.produce(self.inputs, message(first + n, self.backend, self.bytes, self.simulate), key=f"key-{first + n}",
                             partition=n % self.partitions, on_delivery=delivered)
        assert producer.flush(60) == 0
        return invocation_id(first)

    def wait(self, child, seconds=600):
        """Until the group has committed all that was put; asked four times a second, by offsets alone: who read the results
        meanwhile would take a part of the processors."""
        wanted = [TopicPartition(self.inputs, number) for number in self.ends]

        def done():
            time.sleep(0.25)
            assert child.running, f"{child.name} ended with {child.process.returncode}\n{child.tail()}"
            return all(found.offset >= self.ends[found.partition]
                       for found in self.onlooker.committed(wanted, timeout=30))
        wait_until(done, seconds, f"the last commit of {self.group}")

    def times(self, count):
        """When the broker appended each of the last `count` results, in ms, sorted; all of the work must be there, each a
        success. To be called when nobody is measured."""
        records = self.cluster.read_until(self.results, self.numbers, 120, "read_committed")
        wrong = [record for record in records if b"succeeded" not in record.value]
        assert not wrong, f"{len(wrong)} of {len(records)} runs did not succeed, one with {wrong[0].value}"
        return sorted(record.timestamp_ms for record in records)[-count:]

    def measure(self, child, count, warm=1000, beside=None):
        """Puts `warm` invocations through, then `count`, and says what these took: cpu_us of the child for each of them,
        rate (results a second between the first tenth and the last twentieth, by the broker's clock), per_core (what a
        processor of its own would bear by its CPU time), cores (of which it kept so many busy: 1.0 with one loop is
        saturation), rss_mb and threads at the end, by_thread (cpu_us of those that live then, by name), others and stolen (gauge.Others). `beside`: {name: process id} of who
        else is to be measured, as NAME_us."""
        self.put(warm)
        self.feeder.release()
        self.wait(child)
        self.put(count)
        gauges = {"cpu": Gauge(child.pid), **{name: Gauge(pid) for name, pid in (beside or {}).items()}}
        others = Others((beside or {}).values())
        threads_before = gauges["cpu"].by_thread()
        before = {name: gauge.cpu_seconds() for name, gauge in gauges.items()}
        self.feeder.release()
        self.wait(child)
        took = {f"{name}_us": (gauge.cpu_seconds() - before[name]) / count * 1e6 for name, gauge in gauges.items()}
        other_cores, stolen_cores = others.cores()
        memory = gauges["cpu"].memory()
        threads = gauges["cpu"].threads()
        by_thread = {f"{name}_us": (seconds - threads_before.get(name, 0)) / count * 1e6
                     for name, seconds in gauges["cpu"].by_thread().items()}
        times = self.times(count)
        first, last = count // 10, count - count // 20 - 1
        rate = (last - first) / max(times[last] - times[first], 1) * 1000
        return {**took, "rate": rate, "per_core": 1e6 / took["cpu_us"], "cores": rate * took["cpu_us"] / 1e6,
                "rss_mb": memory.rss_bytes / 1e6, "threads": threads, "by_thread": by_thread, "others": other_cores, "stolen": stolen_cores}
