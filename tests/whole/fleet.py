"""fleet: workers of one group at work while things are done to them, all of it recorded for check_history.

    with Fleet(Mode(checkpoints=True), seed=7) as fleet:
        fleet.start(); fleet.start()
        fleet.send(1000, {"seconds": "0-2"})
        fleet.kill(fleet.pick())
        fleet.heal("a kill")
        verdict = fleet.judge()

A fault is repeated by its seed: it settles what happens to whom and when. How far the workers have come by then is up
to the machine.
"""
import contextlib
import json
import os
import pathlib
import pickle
import random
import re
import signal
import tempfile
import time

from check_history import check_history
from child import TURN_SECONDS, wait_until
from cluster import Message
from history import Checkpoint, Drain, Fault, Healing, History, Input, Kickoff, Move, Poll, Result, Sample
from offsets_log import read_commits
from scene import Scene
from worker import invocation

SESSION_MS = 2500  # so long does a member that was killed keep its partitions
QUICK_SESSION = ["-X", f"session.timeout.ms={SESSION_MS}", "-X", "heartbeat.interval.ms=400"]
DRAIN_SECONDS = 25
LATE_SECONDS = 5  # a drain's own time, and what its end may take over it
MOST_CONNECTIONS = 64
REVIVED_MS = 70000  # so long ago it may have ended when that is noticed
IDEMPOTENCE_LOST = re.compile(r'"worker_fatal".*producer cannot go on \(OUT_OF_ORDER_SEQUENCE_NUMBER\)')
POLL_LINE = re.compile(r'\{"ms":(\d+),"method":"GET","path":"/runs/([^"?]+)"')


def mode_options(mode):
    """The worker's options for a mode."""
    return {**({"results_guarantee": "exactly-once"} if mode.exactly_once else {}),
            **({"kickoff_guarantee": "at-most-once"} if mode.at_most_once else {}),
            **({} if mode.checkpoints else {"checkpoints_topic": ""})}


def mode_name(mode):
    return ", ".join(["results exactly-once" if mode.exactly_once else "results at-least-once",
                      *(["kickoffs at-most-once"] if mode.at_most_once else []),
                      "with checkpoints" if mode.checkpoints else "without checkpoints"])


def now_ms():
    return time.time_ns() // 1000000


class Fleet(Scene):
    def __init__(self, mode, seed, kafka=None, partitions=6, leave_seconds=DRAIN_SECONDS + LATE_SECONDS, **options):
        self.leave_seconds = leave_seconds
        self.options = {**mode_options(mode), "commit_interval_ms": 100, **options}
        self.mode = mode
        self.random = random.Random(seed)
        self.history = History()
        self.partitions = partitions
        self.folder = tempfile.TemporaryDirectory(prefix="rxp-fleet-")
        self.record = pathlib.Path(self.folder.name) / "requests"
        super().__init__(kafka, partitions, {"record": self.record}, message_timestamp_type="LogAppendTime")
        self.stack.callback(self.folder.cleanup)
        try:
            if mode.checkpoints:
                # The worker would make it, but without the broker's time in its records.
                self.options["checkpoints_topic"] = self.kafka.create_topic(
                    "checkpoints", partitions, cleanup_policy="compact", message_timestamp_type="LogAppendTime")
        except BaseException:
            self.stack.close()
            raise
        self.workers = []
        self.leaving = []
        self.started = 0
        self.revived = 0  # after a fatal error
        self.sent = 0

    # What is done

    def start(self):
        self.started += 1
        name = f"w{self.started}"
        self.history.moves.append(Move(f"{name} joined", now_ms()))
        worker = self.worker(name=name, worker_id=name, drain_seconds=DRAIN_SECONDS, arguments=QUICK_SESSION,
                             **self.options)
        self.workers.append(worker)
        return worker

    def settle(self):
        """Until the workers share out the partitions."""
        def count():
            self.revive()
            return len(self.workers)
        self.kafka.wait_for_members(self.group, count, self.partitions)

    def revive(self):
        """Does what an orchestrator does: who ended because librdkafka's idempotent producer gave up, as those before
        2.3 may when a broker goes away, has a successor. Who ends for another reason has none, and is found by judge()."""
        for worker in [worker for worker in self.workers if not worker.running]:
            if worker.process.returncode != 1 or not IDEMPOTENCE_LOST.search(worker.output()):
                continue
            self.workers.remove(worker)
            self.revived += 1
            self.history.faults.append(Fault("ended", worker.name, now_ms() - REVIVED_MS, now_ms()))
            print(f"#   {worker.name} ended by itself, and has a successor: {worker.tail(1)}", flush=True)
            self.start()

    def pick(self):
        return self.random.choice(self.workers)

    def pause(self, low, high):
        time.sleep(self.random.uniform(low, high))

    def send(self, count, simulate=None, statuses=("succeeded",), timeout_seconds=600, **metadata):
        """Inputs with ids and keys of their own; `simulate` is for all of them, or a function of the number."""
        messages, entries = [], []
        for number in range(self.sent, self.sent + count):
            id_ = f"{self.group[-8:]}-{number}"
            what, due = simulate(number) if callable(simulate) else (simulate, statuses)
            value = invocation(id_, self.backend, what, timeout_seconds=timeout_seconds, **{
                "http_poll_interval_seconds": "0.5", "http_body": json.dumps({"input": id_}), **metadata})
            key = None if number % 7 == 0 else f"key-{number}".encode()
            messages.append(Message(value, key))
            entries.append((id_, key, frozenset(due)))
        self.sent += count
        # An input that its producer sent twice would be two inputs.
        where = self.kafka.produce(self.invocations, messages, enable_idempotence="true")
        self.history.inputs += [Input(*place, *entry) for place, entry in zip(where, entries)]

    def kill(self, worker):
        self.workers.remove(worker)
        begin = now_ms()
        if worker.running:
            worker.kill()
        else:
            self._ended(worker)
        self.history.faults.append(Fault("killed", worker.name, begin, now_ms()))

    def freeze(self, worker, seconds, meanwhile=lambda: None):
        begin = now_ms()
        worker.signal(signal.SIGSTOP)
        meanwhile()
        time.sleep(max(0.0, seconds - (now_ms() - begin) / 1000))
        self.history.faults.append(Fault("frozen", worker.name, begin, now_ms()))
        worker.signal(signal.SIGCONT)

    def freeze_backend(self, seconds):
        self.backend.signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.backend.signal(signal.SIGCONT)

    def leave(self, worker):
        """SIGTERM; it ends in its own time, which look() notes. A program that is being loaded can't but die of it,
        so that is waited for."""
        self.workers.remove(worker)
        wait_until(lambda: not worker.running or worker.catches(signal.SIGTERM), 10, "the worker's handler of SIGTERM")
        if not worker.running:
            self._ended(worker)
            return
        worker.left_at = time.monotonic()
        self.history.moves.append(Move(f"{worker.name} leaves", now_ms()))
        worker.signal(signal.SIGTERM)
        self.leaving.append(worker)

    def look(self):
        """Notes which of those that leave have ended."""
        for worker in list(self.leaving):
            took = time.monotonic() - worker.left_at
            if took > DRAIN_SECONDS + 30:
                worker.kill()
            if not worker.running:
                self.leaving.remove(worker)
                self._ended(worker, took)

    def _ended(self, worker, took=0.0):
        self.history.drains.append(Drain(worker.name, took, self.leave_seconds, worker.process.returncode))
        self.history.moves.append(Move(f"{worker.name} is gone", now_ms()))

    def wait_for_leavers(self):
        while self.leaving:
            self.look()
            time.sleep(TURN_SECONDS)

    def moved(self, what, since_ms):
        """Something else made partitions move, perhaps, from then until now."""
        self.history.moves.append(Move(what, since_ms, now_ms()))

    def heal(self, what, begun_ms=None):
        self.history.healings.append(Healing(what, now_ms(), begun_ms))

    def wait_for_kickoffs(self, count, seconds):
        wait_until(lambda: self.backend.stats()["kickoffs"] >= count, seconds, f"{count} kickoffs")

    def measure(self):
        """Takes the measure of the workers that are there, after a first load; who lasts is measured again by judge().
        Connections and threads are kept for later, so all that there may be of them are made before."""
        self.send(300, {"seconds": "0", "kickoff_delay": "0.5"})
        self.wait_for_all(60)
        self.sample(after=False)

    def sample(self, after):
        for worker in self.workers:
            self.history.samples.append(Sample(worker.name, after, worker.rss_bytes(),
                                               count_files(worker.pid, self.backend.port), worker.threads()))

    def wait_for_memory(self, seconds=15):
        """The worker gives memory back some seconds after a load. Whether it did is for the judge to say."""
        before = {sample.worker: sample.rss_bytes for sample in self.history.samples if not sample.after}
        grown = lambda worker: worker.rss_bytes() - before.get(worker.name, 0) > self.mode.rss_growth_bytes  # noqa: E731
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and any(grown(worker) for worker in self.workers if worker.name in before):
            time.sleep(TURN_SECONDS)

    # What became of it

    def wait_for_all(self, seconds):
        """Until every input has a result that counts, and all is committed. What results are missing then is for the
        judge to say; this says the other."""
        missing = {entry.place for entry in self.history.inputs}

        def enough(records):
            for record in records[enough.seen:]:
                missing.discard(_result(record).place)
            enough.seen = len(records)
            return not missing

        enough.seen = 0
        try:
            self.kafka.read_until(self.results, enough, seconds,
                                  "read_committed" if self.mode.exactly_once else "read_uncommitted")
        except AssertionError as error:
            print(f"#   {error}; without a result: {sorted(missing)[:5]}", flush=True)
            return None
        try:
            self.wait_for_commit(30)
        except AssertionError as error:
            return str(error)
        return None

    def end_all(self):
        for worker in list(self.workers):
            self.leave(worker)
        self.wait_for_leavers()

    def collect(self):
        """The history, with what the topics and the backend hold."""
        self.backend.stop()  # its record is whole then
        history = self.history
        history.results = [_result(record) for record in self.kafka.read_all(self.results)]
        history.visible = [_result(record) for record in
                           self.kafka.read_all(self.results, isolation="read_committed")]
        history.commits = read_commits(self.kafka, self.group, self.invocations)
        history.kickoffs, history.polls = read_requests(self.record)
        if self.mode.checkpoints:
            history.checkpoints = [checkpoint for checkpoint in
                                   map(_checkpoint, self.kafka.read_all(self.options["checkpoints_topic"]))
                                   if checkpoint is not None]
        return history

    def _blind_spots(self, verdict):
        """What should have been recorded and was not: nothing could be found wrong with it."""
        figures = verdict.figures
        if figures["results_missing"] == 0 and figures["inputs_passed"] < figures["inputs"]:
            yield f"only {figures['inputs_passed']} of {figures['inputs']} inputs are passed by the commits read"
        if not self.history.kickoffs:
            yield "the backend recorded no kickoff"
        if self.mode.checkpoints and not any(found.kind == "run" for found in self.history.checkpoints):
            yield "no checkpoint of a run was read"

    def judge(self, seconds=90):
        """Waits for the results, ends the workers, and judges: prints the figures, and raises what is violated."""
        self.revive()
        uncommitted = self.wait_for_all(seconds)
        self.revive()
        if self.history.samples:
            self.wait_for_memory()
            self.sample(after=True)
        self.history.until_ms = now_ms()
        self.end_all()
        verdict = check_history(self.collect(), self.mode)
        if uncommitted:
            verdict.violations.append(uncommitted)
        verdict.violations += self._blind_spots(verdict)
        if self.revived:
            verdict.figures["workers_revived"] = self.revived
        for name, value in verdict.figures.items():
            print(f"#   {name} {value}", flush=True)
        if verdict.violations:
            kept = self.backend.log.with_suffix(".history")
            kept.write_bytes(pickle.dumps(self.history))  # for whoever looks for the reason
            raise AssertionError("\n".join([*verdict.violations, f"logs: {kept.parent}, the history: {kept.name}"]))
        return verdict


def count_files(pid, port):
    """A process's open files. Of connections to that port those that are kept for later, up to --origin-max-connections'
    default, do not count: how many of them there are depends on how much came at once."""
    with open(f"/proc/{pid}/net/tcp", encoding="ascii") as lines:
        fields = [line.split() for line in lines][1:]
    kept = {f"socket:[{field[9]}]" for field in fields if int(field[2].rpartition(":")[2], 16) == port}
    links = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):  # it was closed meanwhile
            links.append(os.readlink(f"/proc/{pid}/fd/{number}"))
    return len(links) - min(sum(link in kept for link in links), MOST_CONNECTIONS)


def judge_all(fleets, seconds):
    """Judges each of them, whatever is found with another."""
    wrong = []
    for fleet in fleets:
        if len(fleets) > 1:
            print(f"#   {mode_name(fleet.mode)}:", flush=True)
        try:
            fleet.judge(seconds)
        except AssertionError as error:
            wrong.append(f"{mode_name(fleet.mode)}: {error}")
    if wrong:
        raise AssertionError("\n".join(wrong))


def _result(record):
    return Result(record.partition, record.offset, record.key, record.json(), record.timestamp_ms)


def read_requests(path):
    """The kickoffs, in order of time, and the polls of the simulated backend's record."""
    kickoffs, polls = [], []
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            poll = POLL_LINE.match(line)
            if poll:
                polls.append(Poll(poll.group(2), int(poll.group(1))))
            elif '"method":"POST"' in line[:60]:
                request = json.loads(line)
                id_ = json.loads(request.get("body") or "{}").get("input")
                kickoffs.append(Kickoff(id_, request.get("key"), request.get("run_id"), request["ms"]))
    return sorted(kickoffs, key=lambda kickoff: kickoff.at_ms), polls


def _checkpoint(record):
    """Its key: GROUP/TOPIC/PARTITION/OFFSET/WRITER. None for a record that is none of this worker's."""
    parts = record.key.decode(errors="replace").rsplit("/", 3)
    if len(parts) < 4 or not parts[1].isdigit() or not parts[2].isdigit():
        return None
    value = record.json() if record.value else {"kind": "tombstone"}
    return Checkpoint(int(parts[1]), int(parts[2]), value.get("kind"), record.timestamp_ms, parts[3],
                      value.get("run_id"))
