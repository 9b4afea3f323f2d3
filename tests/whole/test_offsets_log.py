#!/usr/bin/python3
"""offsets_log: what it reads from Kafka's own records of commits, and from the metadata beside them."""
import base64
import struct

from cluster import Commit
from offsets_log import read_commits, read_key, read_map, read_value
from scene import cluster
from tap import equal, rows, run_all, test


def text(words):
    return struct.pack(">h", len(words)) + words.encode()


@rows("a key of version {0} is read", [(0,), (1,)])
def _(version):
    equal(read_key(struct.pack(">h", version) + text("group") + text("a.topic") + struct.pack(">i", 7)),
          ("group", "a.topic", 7))


@test("the key of a group's members is none of a commit")
def _():
    equal(read_key(struct.pack(">h", 2) + text("group")), None)


@rows("a value of version {0} is read", [(0, b"", b""), (1, b"", b"\0" * 8), (2, b"", b""), (3, b"\0\0\0\5", b"")])
def _(version, epoch, expiry):
    value = struct.pack(">hq", version, 1 << 40) + epoch + text("words") + struct.pack(">q", 1700000000000) + expiry
    equal(read_value(value), (1 << 40, "words", 1700000000000))


@test("a value of a later version is refused")
def _():
    try:
        read_value(struct.pack(">hq", 4, 1))
    except ValueError as error:
        equal(str(error), "an offset commit of version 4 can't be read")
    else:
        raise AssertionError("it was read")


def encoded(*numbers):
    return base64.b64encode(bytes(numbers)).decode()


@rows("metadata is read: {0}", [
    ("a bitmap", encoded(0xa1, 1, 0b00000110, 0b10000001, 0b1), ((101, 102), (108, 108), (115, 116))),
    ("runs", encoded(0xa1, 2, 1, 2, 5, 1), ((101, 102), (108, 108))),
    ("runs from the first offset on", encoded(0xa1, 2, 0, 3), ((100, 102),)),
    ("long runs", encoded(0xa1, 2, 0x80, 0x01, 0x81, 0x01), ((228, 356),)),
    ("nothing", "", ()),
    ("another program's words", "somebody else's words", ()),
    ("another version", encoded(0xa2, 1, 1), ()),
])
def _(_, metadata, runs):
    equal(read_map(metadata, 100), runs)


@test("commits are read back from a broker in order, with their times")
def _():
    kafka = cluster()
    topic, other = kafka.create_topic("read", 2), kafka.create_topic("other", 1)
    for offset in (5, 9, 3):
        kafka.commit("group-of-log", topic, {1: Commit(offset, encoded(0xa1, 2, 1, 1))})
    kafka.commit("group-of-log", topic, {0: Commit(1, "")})
    kafka.commit("group-of-log", other, {0: Commit(1, "")})
    kafka.commit("another-group", topic, {0: Commit(2, "")})
    commits = read_commits(kafka, "group-of-log", topic)
    equal([(c.partition, c.offset, c.done) for c in commits],
          [(1, 5, ((6, 6),)), (1, 9, ((10, 10),)), (1, 3, ((4, 4),)), (0, 1, ())])
    times = [commit.at_ms for commit in commits]
    equal(times, sorted(times))
    assert 1700000000000 < times[0] < times[-1] + 1, times


if __name__ == "__main__":
    run_all()
