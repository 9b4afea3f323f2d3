"""scene: what a test of the worker stands on: topics, a backend, workers of one group; and results matched to inputs."""
import collections
import contextlib

from broker import Unavailable, shared_cluster
from child import wait_until
from tap import equal, skip
from worker import Backend, Worker


def cluster():
    try:
        return shared_cluster()
    except Unavailable as reason:
        skip(str(reason))


class Scene:
    """Topics, a backend, and workers of one group; all gone at the end."""

    def __init__(self, kafka=None, partitions=6, backend=None, **results_properties):
        self.kafka = kafka or cluster()
        self.invocations = self.kafka.create_topic("invocations", partitions)
        self.results = self.kafka.create_topic("results", partitions, **results_properties)
        self.group = self.invocations.replace("invocations", "group")
        self.checkpoints = self.invocations.replace("invocations", "checkpoints")  # made by the first worker
        self.stack = contextlib.ExitStack()
        self.backend = self.stack.enter_context(Backend(**(backend or {})))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def worker(self, **options):
        options.setdefault("checkpoints_topic", self.checkpoints)
        return self.stack.enter_context(Worker(self.kafka, self.invocations, self.results, self.group, **options))

    def produce(self, messages):
        return self.kafka.produce(self.invocations, messages)

    def wait_for_results(self, count, seconds=60):
        """So many results, then those that come at the present end as well."""
        self.kafka.read_until(self.results, count, seconds)
        return self.kafka.read_all(self.results)

    def live_checkpoints(self):
        """The records of the checkpoints topic that no tombstone has erased: {(topic, partition, offset): [record, …]}."""
        last = {}
        for record in self.kafka.read_all(self.checkpoints):
            last[(record.partition, record.key)] = record
        found = collections.defaultdict(list)
        for record in last.values():
            if record.value is not None:
                group, topic, partition, offset, _ = record.key.decode().rsplit("/", 4)
                equal(group, self.group, "the group in a key")
                found[(topic, int(partition), int(offset))].append(record)
        return found

    def wait_for_checkpoints(self, count, seconds=30):
        def there():
            return self.kafka.topic_exists(self.checkpoints) and len(self.live_checkpoints()) == count
        wait_until(there, seconds, f"{count} live checkpoints")

    def wait_for_commit(self, seconds=30):
        """Until the group has committed the end of every partition."""
        end = self.kafka.end_offsets(self.invocations)

        def at_end():
            commits = self.kafka.committed(self.group, self.invocations)
            return all(end[number] == 0 or commits[number].offset == end[number] for number in end)
        wait_until(at_end, seconds, "the commit of the end")


def by_source(records):
    """{(partition, offset): [result, …]}"""
    found = collections.defaultdict(list)
    for record in records:
        result = record.json()
        keys = result["metadata"]
        found[(int(keys["source.partition"]), int(keys["source.offset"]))].append(result)
    return found


def once_each(where, records):
    """Every input has exactly one result: {(partition, offset): result}."""
    found = by_source(records)
    missing = [place for place in where if place not in found]
    twice = [place for place, results in found.items() if len(results) > 1]
    equal((len(missing), len(twice), len(found)), (0, 0, len(where)), "missing, twice, all results")
    return {place: results[0] for place, results in found.items()}
