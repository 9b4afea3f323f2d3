"""cluster: what tests ask of a Kafka cluster: topics, messages in, records out, a group's members and commits.

    cluster = shared_cluster()                              # broker.py
    topic = cluster.create_topic("invocations", partitions=6, max_message_bytes=2 << 20)
    cluster.produce(topic, [Message(value, key="k")])
    for record in cluster.read_all(topic): ...
    cluster.committed("group", topic)[0].metadata           # the text that was committed with the offset
"""
import ctypes
import dataclasses
import json
import struct
import time
import uuid

from child import wait_until
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

QUIET = {"log_level": 0}  # librdkafka writes of every refused connection otherwise
LOGICAL_BEGINNING = -2
# While a coordinator moves, or makes itself ready.
UNSETTLED = (KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR,
             KafkaError._TIMED_OUT, KafkaError._TRANSPORT)


def as_bytes(value):
    """Bytes as they are, None as none, text as UTF-8, all else as JSON."""
    if value is None or isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()


@dataclasses.dataclass
class Message:
    value: object  # see as_bytes
    key: object = None
    headers: list = dataclasses.field(default_factory=list)  # pairs of text and bytes
    partition: int = -1  # the partitioner's choice
    timestamp_ms: int = 0  # now


@dataclasses.dataclass
class Record:
    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: list
    timestamp_ms: int

    def json(self):
        return json.loads(self.value)

    def header(self, name):
        """The last one of that name, as bytes; None if there is none."""
        return next((value for key, value in reversed(self.headers) if key == name), None)


@dataclasses.dataclass
class Commit:
    offset: int  # that of the next message to read; -1001 if nothing was committed
    metadata: str  # without NUL: librdkafka cuts at the first one


@dataclasses.dataclass
class Member:
    client_id: str
    partitions: set  # of (topic, partition)


class Cluster:
    def __init__(self, bootstrap, replicas=1):
        self.bootstrap = bootstrap
        self.replicas = replicas  # of the topics that it makes

    def _settings(self, **settings):
        return {"bootstrap.servers": self.bootstrap, **QUIET, **settings}

    def is_up(self):
        """Whether it answers a client that connects now."""
        try:
            return bool(AdminClient(self._settings()).list_topics(timeout=1).brokers)
        except KafkaException:
            return False

    # Topics

    def create_topic(self, prefix="topic", partitions=1, name=None, **properties):
        """The name, which is unique unless it is given. Properties are the topic's, with _ for the dots."""
        name = name or f"{prefix}-{uuid.uuid4().hex[:8]}"
        config = {key.replace("_", "."): str(value) for key, value in properties.items()}
        topic = NewTopic(name, num_partitions=partitions, replication_factor=self.replicas, config=config)
        admin = AdminClient(self._settings())
        admin.create_topics([topic], operation_timeout=30)[name].result(30)
        # Its creation is answered by the controller; clients ask the broker, which may learn of it a little later.
        wait_until(lambda: self._led(admin, name, partitions), 30, f"topic {name}")
        return name

    @staticmethod
    def _led(admin, name, partitions):
        topic = admin.list_topics(name, timeout=10).topics[name]
        return topic.error is None and sum(p.leader >= 0 for p in topic.partitions.values()) == partitions

    def delete_topic(self, name):
        admin = AdminClient(self._settings())  # the call is dropped if this is
        admin.delete_topics([name], operation_timeout=30)[name].result(30)

    def partitions(self, topic):
        """The numbers of its partitions, in order."""
        found = AdminClient(self._settings()).list_topics(topic, timeout=20).topics[topic]
        if found.error is not None:
            raise KafkaException(found.error)
        return sorted(found.partitions)

    def topic_exists(self, name):
        return name in AdminClient(self._settings()).list_topics(timeout=20).topics

    # Messages

    def produce(self, topic, messages, seconds=60, **settings):
        """Each message is a Message, or its value alone. Returns when all are acknowledged: [(partition, offset)] in the
        order of `messages`. Settings are librdkafka's, with _ for the dots."""
        where = []
        wrong = []

        def delivered(index, error, message):
            if error is not None:
                wrong.append(error)
            else:
                where[index] = (message.partition(), message.offset())

        config = {"linger.ms": 5, "acks": "all", "message.max.bytes": 64 << 20}
        config.update({key.replace("_", "."): value for key, value in settings.items()})
        producer = Producer(self._settings(**config))
        for message in messages:
            if not isinstance(message, Message):
                message = Message(message)
            index = len(where)
            where.append(None)
            arguments = {} if message.partition < 0 else {"partition": message.partition}
            while True:
                try:
                    producer.produce(topic, as_bytes(message.value), key=as_bytes(message.key),
                                     headers=message.headers or None, timestamp=message.timestamp_ms,
                                     on_delivery=lambda error, sent, index=index: delivered(index, error, sent),
                                     **arguments)
                    break
                except BufferError:  # the local queue is full
                    producer.poll(0.1)
            producer.poll(0)
        left = producer.flush(seconds)
        assert left == 0, f"{left} messages to {topic} were not acknowledged within {seconds} s"
        assert not wrong, f"{len(wrong)} messages to {topic} failed, one with: {wrong[0]}"
        return where

    def read_all(self, topic, seconds=60, isolation="read_uncommitted"):
        """All records from the beginning to the present end, partition by partition in order of offsets."""
        records = []
        ended = set()
        partitions = self.partitions(topic)

        def take(message):
            error = message.error()
            if error is None:
                records.append(_record(message))
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            else:
                raise KafkaException(error)
            return len(ended) == len(partitions)

        assert self._read(topic, partitions, take, seconds, isolation), f"{topic} could not be read in {seconds} s"
        return sorted(records, key=lambda record: (record.partition, record.offset))

    def read_until(self, topic, enough, seconds=60, isolation="read_uncommitted"):
        """Reads from the beginning, past the present end, until enough(records) is true; returns the records in order of
        arrival. `enough` may be a number."""
        records = []
        if isinstance(enough, int):
            count = enough
            enough = lambda found: len(found) >= count  # noqa: E731

        def take(message):
            error = message.error()
            if error is None:
                records.append(_record(message))
                return enough(records)
            if error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            return False

        if not enough(records):
            assert self._read(topic, self.partitions(topic), take, seconds, isolation), (
                f"what was awaited in {topic} did not come within {seconds} s: {len(records)} records came")
        return records

    def _read(self, topic, partitions, take, seconds, isolation):
        """Gives every message, ends of partitions included, to take() until it returns true: True; False when late.
        Errors of connections are waited out: a test may have stopped the broker."""
        consumer = Consumer(self._settings(**{
            "group.id": f"reader-{uuid.uuid4().hex[:8]}", "enable.auto.commit": False, "enable.partition.eof": True,
            "isolation.level": isolation, "fetch.wait.max.ms": 50, "auto.offset.reset": "earliest"}))
        passing = (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._RESOLVE)
        deadline = time.monotonic() + seconds
        try:
            consumer.assign([TopicPartition(topic, number, LOGICAL_BEGINNING) for number in partitions])
            while time.monotonic() < deadline:
                for message in consumer.consume(1000, timeout=0.1):
                    if message.error() is not None and message.error().code() in passing:
                        continue
                    if take(message):
                        return True
            return False
        finally:
            consumer.close()

    def end_offsets(self, topic):
        """Of each partition, the offset that the next message will get. A leader that moves is waited for."""
        consumer = Consumer(self._settings(**{"group.id": "end-offsets"}))

        def ask(number):
            try:
                return consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=20)
            except KafkaException:
                return None
        try:
            return {number: wait_until(lambda number=number: ask(number), 30, f"the end of {topic} [{number}]")[1]
                    for number in self.partitions(topic)}
        finally:
            consumer.close()

    # Groups

    def members(self, group):
        """Of a group that is at rest, its members; None while it rebalances."""
        try:
            found = AdminClient(self._settings()).list_groups(group, timeout=20)
        except KafkaException as error:
            if error.args[0].code() in UNSETTLED:
                return None
            raise
        if not found:
            return []
        if found[0].state not in ("Stable", "Empty", "Dead"):
            return None
        return [Member(member.client_id, _assigned(member.assignment)) for member in found[0].members]

    def wait_for_members(self, group, count, partitions, seconds=60):
        """Until `count` members (a function may say how many) share out all of so many partitions between them, each
        having some."""
        def settled():
            wanted = count() if callable(count) else count
            members = self.members(group)
            return (members is not None and len(members) == wanted and all(m.partitions for m in members)
                    and sum(len(m.partitions) for m in members) == partitions and members)
        return wait_until(settled, seconds, f"a group {group} that shares out {partitions} partitions") or []

    def committed(self, group, topic):
        """{partition: Commit}. A coordinator that moves is waited for."""
        partitions = self.partitions(topic)

        def read():
            try:
                with _Offsets(self.bootstrap, group, topic, partitions) as offsets:
                    return offsets.read()
            except RuntimeError as error:
                if "oordinator" in str(error):
                    return None
                raise
        return wait_until(read, 30, f"an answer about the commits of {group}")

    def commit(self, group, topic, commits):
        """Commits {partition: Commit} for a group that has no members."""
        with _Offsets(self.bootstrap, group, topic, list(commits)) as offsets:
            offsets.write(commits)


def _record(message):
    return Record(message.topic(), message.partition(), message.offset(), message.key(), message.value(),
                  message.headers() or [], message.timestamp()[1])


def _assigned(assignment):
    """The partitions in a member's assignment, as consumers encode it."""
    partitions = set()
    if not assignment:
        return partitions
    _, topics = struct.unpack_from(">hi", assignment)
    at = 6
    for _ in range(topics):
        length, = struct.unpack_from(">h", assignment, at)
        at += 2
        topic = assignment[at:at + length].decode()
        at += length
        count, = struct.unpack_from(">i", assignment, at)
        at += 4
        partitions.update((topic, number) for number in struct.unpack_from(f">{count}i", assignment, at))
        at += 4 * count
    return partitions


# Commit metadata: Debian's confluent_kafka has no access to it, so librdkafka is asked itself. The two structs are public
# parts of its interface (rdkafka.h).

class _TopicPartition(ctypes.Structure):
    _fields_ = [("topic", ctypes.c_char_p), ("partition", ctypes.c_int32), ("offset", ctypes.c_int64),
                ("metadata", ctypes.c_void_p), ("metadata_size", ctypes.c_size_t), ("opaque", ctypes.c_void_p),
                ("err", ctypes.c_int), ("private", ctypes.c_void_p)]


class _TopicPartitionList(ctypes.Structure):
    _fields_ = [("cnt", ctypes.c_int), ("size", ctypes.c_int), ("elems", ctypes.POINTER(_TopicPartition))]


def _load():
    library = ctypes.CDLL("librdkafka.so.1")
    pointer, text, whole = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    listing = ctypes.POINTER(_TopicPartitionList)
    signatures = {
        "rd_kafka_conf_new": (pointer, []),
        "rd_kafka_conf_set": (whole, [pointer, text, text, text, ctypes.c_size_t]),
        "rd_kafka_new": (pointer, [whole, pointer, text, ctypes.c_size_t]),
        "rd_kafka_destroy": (None, [pointer]),
        "rd_kafka_err2str": (text, [whole]),
        "rd_kafka_topic_partition_list_new": (listing, [whole]),
        "rd_kafka_topic_partition_list_add": (ctypes.POINTER(_TopicPartition), [listing, text, ctypes.c_int32]),
        "rd_kafka_topic_partition_list_destroy": (None, [listing]),
        "rd_kafka_committed": (whole, [pointer, listing, whole]),
        "rd_kafka_commit": (whole, [pointer, listing, whole]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class _Offsets:
    """A group's commits for partitions of one topic."""

    def __init__(self, bootstrap, group, topic, partitions):
        self.library = _load()
        why = ctypes.create_string_buffer(512)
        config = self.library.rd_kafka_conf_new()
        for name, value in {"bootstrap.servers": bootstrap, "group.id": group, "log_level": "0"}.items():
            if self.library.rd_kafka_conf_set(config, name.encode(), value.encode(), why, len(why)) != 0:
                raise RuntimeError(why.value.decode())
        consumer = 1
        self.handle = self.library.rd_kafka_new(consumer, config, why, len(why))
        if not self.handle:
            raise RuntimeError(why.value.decode())
        self.list = self.library.rd_kafka_topic_partition_list_new(len(partitions))
        for number in partitions:
            self.library.rd_kafka_topic_partition_list_add(self.list, topic.encode(), number)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.rd_kafka_topic_partition_list_destroy(self.list)
        self.library.rd_kafka_destroy(self.handle)

    def _elements(self):
        elements = [self.list.contents.elems[index] for index in range(self.list.contents.cnt)]
        for element in elements:
            self._check(element.err)
        return elements

    def _check(self, error):
        if error != 0:
            raise RuntimeError(self.library.rd_kafka_err2str(error).decode())

    def read(self):
        self._check(self.library.rd_kafka_committed(self.handle, self.list, 20000))
        # Up to a NUL: librdkafka may copy the metadata as a C string, and then its size points behind the copy; or as
        # bytes, and then there is no NUL at its end.
        text = ctypes.CDLL(None).strnlen
        text.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
        return {element.partition: Commit(element.offset, ctypes.string_at(
                    element.metadata, text(element.metadata, element.metadata_size)).decode() if element.metadata else "")
                for element in self._elements()}

    def write(self, commits):
        libc = ctypes.CDLL(None)
        libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
        for element in self._elements():
            commit = commits[element.partition]
            element.offset = commit.offset
            metadata = commit.metadata.encode()
            if metadata:
                # The list frees it.
                element.metadata = libc.malloc(len(metadata))
                element.metadata_size = len(metadata)
                ctypes.memmove(element.metadata, metadata, len(metadata))
        self._check(self.library.rd_kafka_commit(self.handle, self.list, 0))
        self._elements()
