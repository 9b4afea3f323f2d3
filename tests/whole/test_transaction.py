#!/usr/bin/python3
"""worker/kafka/transaction on a real broker: what readers see, and what the group has. See support/transaction_driver.c."""
import collections
import os
import pathlib
import signal
import tempfile
import time
import uuid

from broker import Broker, Unavailable
from child import ROOT, Child, wait_until
from confluent_kafka import Consumer
from deaf_proxy import END_TXN, DeafProxy
from scene import cluster
from tap import equal, holds, run_all, skip, test

WORKER = pathlib.Path(os.environ.get("RXP_WORKER") or ROOT / "build/dev/rxp-worker")
DRIVER = WORKER.parent / "tests/transaction_driver"


class Driver(Child):
    def __init__(self, place, identity=None, timeout_ms=10000):
        self.folder = tempfile.TemporaryDirectory(prefix="rxp-driver-")
        fifo = os.path.join(self.folder.name, "lines")
        os.mkfifo(fifo)
        self.lines = os.open(fifo, os.O_RDWR)
        super().__init__([DRIVER, fifo, place.kafka.bootstrap, identity or place.identity, place.group, place.input,
                          place.output, timeout_ms], name="driver")

    def tell(self, line):
        os.write(self.lines, (line + "\n").encode())

    def batch(self, name, offset, metadata=None, count=10, bytes_=100, pause_ms=0, huge=-1, once=0):
        self.tell(f"batch {name} {offset} {metadata or 'm' + name} {count} {bytes_} {pause_ms} {huge} {once}")

    def settled(self, name, outcome, seconds=60):
        """The rest of the line, once the batch is settled so."""
        return self.wait_for(f"^settled {name} {outcome} (.*)$", seconds).group(1)

    def end(self):
        super().end()
        os.close(self.lines)
        self.folder.cleanup()


class Place:
    """Topics, a group and an id of their own."""

    def __init__(self, kafka=None):
        assert DRIVER.exists(), f"{DRIVER} is not built"
        self.kafka = kafka or cluster()
        self.input = self.kafka.create_topic("in", 1)
        self.output = self.kafka.create_topic("out", 3)
        self.group = f"group-{uuid.uuid4().hex[:8]}"
        self.identity = f"id-{uuid.uuid4().hex[:8]}"

    def seen(self, isolation="read_committed", seconds=60):
        """{name of the message: how often}"""
        records = self.kafka.read_all(self.output, seconds, isolation)
        return collections.Counter(record.value.split(b" ")[0].decode() for record in records)

    def commit(self):
        commit = self.kafka.committed(self.group, self.input)[0]
        return commit.offset, commit.metadata


def once_each(*names, count=10):
    return collections.Counter(f"{name}-{number}" for name in names for number in range(count))


def own_broker(properties=None):
    try:
        return Broker(properties)
    except Unavailable as reason:
        skip(str(reason))


@test("a batch's messages and offsets are seen together, with the metadata")
def _():
    place = Place()
    with Driver(place) as driver:
        driver.batch("a", 5, count=1000)
        driver.settled("a", "committed")
        equal(place.commit(), (5, "ma"))
        equal(place.seen(), once_each("a", count=1000))
        driver.batch("b", 6, count=0)  # offsets alone
        driver.settled("b", "committed")
        equal(place.commit(), (6, "mb"))
        driver.tell("quit")
        equal(driver.wait(), 0)


@test("a batch in the middle is not seen, and one that is ended there never is")
def _():
    place = Place()
    with Driver(place) as driver:
        driver.batch("a", 1)
        driver.settled("a", "committed")
        driver.batch("b", 2, pause_ms=60000)
        driver.wait_for("^half b")
        wait_until(lambda: place.seen("read_uncommitted").total() >= 15, 20, "half of the batch")
        equal((place.seen(), place.commit()), (once_each("a"), (1, "ma")))
        driver.tell("quit")
        driver.settled("b", "(aborted|lost)")
        equal(driver.wait(), 0)
        assert int(driver.wait_for(r"^ended (\d+)").group(1)) < 4000
    # Read to the end at once: nothing is open any more.
    equal((place.seen(), place.commit()), (once_each("a"), (1, "ma")))


@test("a producer that was fenced is made anew, and its batch goes again")
def _():
    place = Place()
    with Driver(place) as first:
        first.batch("a", 1)
        first.settled("a", "committed")
        # Nobody takes a worker's id away; but the brokers' words are the same as for a transaction that they have ended.
        with Driver(place) as second:
            second.batch("b", 2)
            second.settled("b", "committed")
            first.batch("c", 3)
            holds(first.settled("c", "aborted"), "old=0")
            first.settled("c", "committed")
            second.batch("d", 4)
            second.settled("d", "committed")
            equal((place.seen(), place.commit()), (once_each("a", "b", "c", "d"), (4, "md")))
            assert "fatal" not in first.output() + second.output(), first.tail()


@test("a producer that is fenced in the middle of a batch leaves nothing of that, and sends it again")
def _():
    place = Place()
    with Driver(place) as first:
        first.batch("a", 1, pause_ms=60000)
        first.wait_for("^half a")
        with Driver(place) as second:
            second.batch("b", 2)
            second.settled("b", "committed")
            equal((place.seen(), place.commit()), (once_each("b"), (2, "mb")))
        first.tell("go")
        first.settled("a", "aborted")
        first.settled("a", "committed")
        equal((place.seen(), place.commit()), (once_each("a", "b"), (1, "ma")))


@test("offsets of an old generation are refused, flagged, and go through with fresh metadata")
def _():
    place = Place()
    with Driver(place) as driver:
        driver.tell("join")
        driver.wait_for("^joined", 30)
        driver.batch("a", 1)
        driver.settled("a", "committed")
        other = Consumer({"bootstrap.servers": place.kafka.bootstrap, "group.id": place.group, "log_level": 0,
                          "partition.assignment.strategy": "cooperative-sticky"})
        assigned = []
        try:
            other.subscribe([place.input], on_assign=lambda *_: assigned.append(True))
            wait_until(lambda: other.poll(0.1) or len(place.kafka.members(place.group) or []) == 2, 60, "two members")
            driver.batch("b", 2, once=1)
            holds(driver.settled("b", "aborted"), "old=1")
            equal((place.seen(), place.commit()), (once_each("a"), (1, "ma")))
            driver.tell("fresh")
            driver.batch("c", 2)
            driver.settled("c", "committed")
            # librdkafka 2.0.2 may hang where a consumer is closed before its first assignment, be it an empty one.
            wait_until(lambda: other.poll(0.1) or assigned, 60, "the other's assignment")
        finally:
            if assigned:
                other.close()
        equal((place.seen(), place.commit()), (once_each("a", "c"), (2, "mc")))


@test("a message that is too large is named, and the batch goes through without it")
def _():
    place = Place()
    with Driver(place) as driver:
        driver.batch("a", 1)
        driver.settled("a", "committed")
        driver.batch("b", 2, count=30, huge=7)
        named = driver.wait_for(r"^settled b aborted old=0 refused=([\d,]+) ").group(1)
        assert "7" in named.split(","), named
        driver.wait_for("^settled b aborted old=0 refused=7 ")  # once it is alone
        driver.settled("b", "committed")
        expected = once_each("a") + once_each("b", count=30)
        del expected["b-7"]
        equal((place.seen(), place.commit()), (expected, (2, "mb")))


def stopped_broker(how, restart_after):
    """A broker that goes in the middle of a batch, and comes back: every message is there once."""
    with own_broker() as broker:
        place = Place(broker.cluster())
        with Driver(place, timeout_ms=5000) as driver:
            driver.batch("a", 1)
            driver.settled("a", "committed")
            driver.batch("b", 2, count=200, pause_ms=1000)
            driver.wait_for("^half b")
            getattr(broker, how)()
            time.sleep(restart_after)
            broker.thaw() if how == "freeze" else broker.start()
            driver.settled("b", "committed", 90)
            driver.batch("c", 3)
            driver.settled("c", "committed", 30)
            equal((place.seen(), place.commit()), (once_each("a", "c") + once_each("b", count=200), (3, "mc")))
            assert driver.running


@test("a broker that is killed in the middle of a batch: one copy is seen")
def _():
    stopped_broker("kill", 1)


@test("a broker that is stopped in the middle of a batch for longer than its timeout: one copy is seen")
def _():
    stopped_broker("stop", 8)


@test("a broker that stands still in the middle of a batch for longer than its timeout: one copy is seen")
def _():
    stopped_broker("freeze", 12)


@test("a broker that is killed at any moment of many batches: one copy of each is seen, and nothing is fatal")
def _():
    with own_broker() as broker:
        place = Place(broker.cluster())
        with Driver(place, timeout_ms=4000) as driver:
            names = []
            for number in range(8):
                name = f"n{number}"
                names.append(name)
                driver.batch(name, number + 1, count=500)
                time.sleep(0.003 * number)  # from the begin of the batch to behind its commit
                if number % 2:
                    broker.kill()
                    broker.start()
                else:
                    broker.freeze()
                    time.sleep(5)
                    broker.thaw()
                driver.settled(name, "committed", 90)
            equal(place.commit(), (8, "mn7"))
            equal(place.seen(), once_each(*names, count=500))
            assert "fatal" not in driver.output(), driver.tail()


def unknown_outcome(what, says):
    """Nobody answers the request for a commit; the group's offsets tell what came of it."""
    with DeafProxy() as proxy, own_broker({"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"}) as broker:
        proxy.serve(broker.port)
        place = Place(broker.cluster())
        with Driver(place, timeout_ms=4000) as driver:
            for number in range(1, 4):
                driver.batch(f"a{number}", number)
                driver.settled(f"a{number}", "committed")
                proxy.lose(END_TXN, what)
                mark = driver.mark()
                driver.batch(f"b{number}", number, f"map{number}")  # the metadata alone differs
                assert proxy.lost.wait(20)
                driver.wait_for("transaction_unknown", 30, after=mark)
                proxy.lose_nothing()
                driver.settled(f"b{number}", "committed", 60)
            driver.batch("c", 4)
            driver.settled("c", "committed")
            names = [f"{letter}{number}" for letter in "ab" for number in range(1, 4)]
            equal((place.seen(), place.commit()), (once_each(*names, "c"), (4, "mc")))
            equal(driver.output().count(f"transaction_known the batch was {says}committed"), 3, driver.tail())
            equal(driver.output().count(" aborted old="), 3 if says else 0, driver.tail())


@test("a commit whose answer is lost is found to be one, and not repeated")
def _():
    unknown_outcome(DeafProxy.ANSWER, "")


@test("a commit whose request is lost is found to be none, and repeated")
def _():
    unknown_outcome(DeafProxy.REQUEST, "not ")


@test("a process that is killed in the middle: the next goes on, and readers wait no longer than the timeout")
def _():
    place = Place()
    with Driver(place) as driver:
        driver.batch("a", 1)
        driver.settled("a", "committed")
        driver.batch("b", 2, pause_ms=60000)
        driver.wait_for("^half b")
        wait_until(lambda: place.seen("read_uncommitted").total() >= 15, 20, "half of the batch")
        driver.kill()
        killed = time.monotonic()
    # Behind what is open: a reader waits here.
    place.kafka.produce(place.output, ["late-0 x"])
    if place.seen()["late-0"] == 0:
        wait_until(lambda: place.seen()["late-0"], 25, "the end of what was open")
    assert time.monotonic() - killed < 25, time.monotonic() - killed
    with Driver(place) as heir:
        heir.batch("b", 2)
        heir.settled("b", "committed")
    equal((place.seen() - collections.Counter(["late-0"]), place.commit()), (once_each("a", "b"), (2, "mb")))


@test("a process that is killed in the middle: its heir with the same id ends what was open at once")
def _():
    place = Place()
    with Driver(place, timeout_ms=60000) as driver:
        driver.batch("b", 2, pause_ms=60000)
        driver.wait_for("^half b")
        wait_until(lambda: place.seen("read_uncommitted").total() >= 5, 20, "half of the batch")
        driver.kill()
    with Driver(place) as heir:
        heir.batch("c", 2)
        heir.settled("c", "committed", 20)
        equal((place.seen(), place.commit()), (once_each("c"), (2, "mc")))


@test("a process that stood still for longer than the timeout goes on")
def _():
    place = Place()
    with Driver(place, timeout_ms=2000) as driver:
        driver.batch("a", 1)
        driver.settled("a", "committed")
        driver.batch("b", 2, pause_ms=500)
        driver.wait_for("^half b")
        wait_until(lambda: place.seen("read_uncommitted").total() >= 15, 20, "half of the batch")
        driver.signal(signal.SIGSTOP)
        time.sleep(14)  # brokers look every ten seconds for what is late
        driver.signal(signal.SIGCONT)
        driver.settled("b", "committed")
        equal((place.seen(), place.commit()), (once_each("a", "b"), (2, "mb")))


if __name__ == "__main__":
    run_all()
