"""history: what happened in a run of workers, as plain data: what check_history judges, however it was recorded.

Times are Unix milliseconds of one machine's clock: the broker's appends, the backend's requests and the deeds of the
test stand side by side. A place is (partition, offset) of an input.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Input:
    partition: int
    offset: int
    id: str
    key: bytes = None
    statuses: frozenset = frozenset()  # those that are due, each as good as the other; empty: any

    @property
    def place(self):
        return self.partition, self.offset


@dataclasses.dataclass(frozen=True)
class Result:
    """A record of the results topic."""
    partition: int
    offset: int
    key: bytes
    json: dict
    at_ms: int  # when the broker appended it

    @property
    def place(self):
        """Of the input that it says it belongs to; None where it names none."""
        try:
            return int(self.json["metadata"]["source.partition"]), int(self.json["metadata"]["source.offset"])
        except (KeyError, TypeError, ValueError):
            return None


@dataclasses.dataclass(frozen=True)
class Commit:
    """One commit of one partition, in the order in which the group took them."""
    partition: int
    offset: int
    at_ms: int
    done: tuple = ()  # (first, last) offsets that its metadata calls done beyond the committed one


@dataclasses.dataclass(frozen=True)
class Kickoff:
    """A kickoff that reached the backend, whatever became of its answer."""
    id: str  # of the input, by the request's body
    idempotency_key: str  # None: it had none
    run_id: str  # that the backend gave it; None: it accepted nothing
    at_ms: int


@dataclasses.dataclass(frozen=True)
class Poll:
    """A question about a run, whatever was answered."""
    run_id: str
    at_ms: int


@dataclasses.dataclass(frozen=True)
class Fault:
    """Something that was done to a worker and can cost it what it has not yet told Kafka. One that was killed is gone
    at once: from_ms == until_ms. One that was frozen goes on from until_ms, and does not know that others took over."""
    what: str  # "killed", "frozen", or "ended", by itself with a fatal error, at some moment of that time
    worker: str
    from_ms: int
    until_ms: int


@dataclasses.dataclass(frozen=True)
class Move:
    """A worker came or left in order, or a broker was away: partitions may have moved, and nothing may be lost by it."""
    what: str
    at_ms: int
    until_ms: int = None  # where it lasted

    @property
    def end_ms(self):
        return self.at_ms if self.until_ms is None else self.until_ms


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A record of the checkpoints topic."""
    partition: int  # of the input
    offset: int  # of the input
    kind: str  # "run", "intent", or "tombstone"
    at_ms: int
    writer: str = ""
    run_id: str = None


@dataclasses.dataclass(frozen=True)
class Drain:
    worker: str
    seconds: float  # from SIGTERM to its end
    limit: float  # seconds that it had
    status: int


@dataclasses.dataclass(frozen=True)
class Sample:
    """What a worker used before its load, or after it."""
    worker: str
    after: bool
    rss_bytes: int
    fds: int
    threads: int


@dataclasses.dataclass(frozen=True)
class Healing:
    """From here on nothing was in the way of the work any more; since begun_ms something was, if that is known."""
    what: str
    at_ms: int
    begun_ms: int = None


@dataclasses.dataclass
class History:
    inputs: list = dataclasses.field(default_factory=list)
    results: list = dataclasses.field(default_factory=list)  # as read with read_uncommitted
    visible: list = dataclasses.field(default_factory=list)  # as read with read_committed
    commits: list = dataclasses.field(default_factory=list)
    kickoffs: list = dataclasses.field(default_factory=list)  # in order of time
    polls: list = dataclasses.field(default_factory=list)
    faults: list = dataclasses.field(default_factory=list)
    moves: list = dataclasses.field(default_factory=list)
    checkpoints: list = dataclasses.field(default_factory=list)  # in the order of the log
    drains: list = dataclasses.field(default_factory=list)
    samples: list = dataclasses.field(default_factory=list)
    healings: list = dataclasses.field(default_factory=list)
    until_ms: int = None  # when the workers were told to end, whatever was open


@dataclasses.dataclass(frozen=True)
class Mode:
    """What was asked of the workers, and how much room the judge leaves where clocks and sockets do."""
    exactly_once: bool = False
    at_most_once: bool = False  # kickoffs
    checkpoints: bool = False
    transaction_ms: int = 10000  # the longest that a transaction may last; in it, a result may come after its commit
    flight_ms: int = 300  # how long a request may lie in a socket before the other side has seen it
    wake_ms: int = 3000  # after it was frozen, a worker learns within that time that others have taken over
    write_ms: int = 5000  # a checkpoint is written so soon after its kickoff, where no fault is in its way
    restore_ms: int = 0  # a checkpoint so young need not have been seen by who takes over
    duplicates: float = float("inf")  # results beyond the first that may be seen, as a part of the inputs
    heal_ms: int = 60000
    rss_growth_bytes: int = 32 << 20
    fd_growth: int = 8
    thread_growth: int = 0
