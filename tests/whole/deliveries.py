"""deliveries: many invocations through Kafka, carried out by one worker in one batch, each held to the contract of a result.

    runs = Deliveries(profiles_dir=...)              # options of the worker
    runs.plan("a", invocation("a", backend))         # at the top of a test file
    ...
    runs["a"].result["status"]                       # in a test: the first one produces them all
    runs.end()

By then the worker has carried out what it took and was stopped, so that nothing more comes.
"""
import collections
import time

from execution import Outcome
from scene import Scene, by_source

LONGEST_SECONDS = 90


class Deliveries:
    def __init__(self, **options):
        self.options = options
        self.scene = None
        self.worker = None
        self.where = {}
        self.records = collections.defaultdict(list)  # by (partition, offset)
        self.exit_status = None
        self._planned = {}
        self._span = None

    def plan(self, name, given):
        """`given` is an invocation, or a function that makes it at the moment when it is produced."""
        if name in self._planned or self.scene is not None:
            raise ValueError(f"'{name}' is planned twice, or too late")
        self._planned[name] = given

    def start(self):
        if self.scene is not None:
            return
        self.scene = Scene(partitions=3)
        began = time.time()
        made = [given() if callable(given) else given for given in self._planned.values()]
        self.where = dict(zip(self._planned, self.scene.produce(made)))
        self.worker = self.scene.worker(**self.options)
        try:
            self.scene.wait_for_results(len(made), LONGEST_SECONDS)
        except AssertionError:
            pass  # whose result is missing says so
        self.exit_status = self.worker.stop(60)
        self.records = by_source(self.scene.kafka.read_all(self.scene.results))
        self._span = began, time.time()

    def __getitem__(self, name):
        self.start()
        found = self.records[self.where[name]]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} results of '{name}'; {self.worker.tail()}")
        return Outcome(found[0], *self._span)

    def names(self):
        return list(self._planned)

    def end(self):
        if self.scene is not None:
            self.scene.stack.close()
