"""offsets_log: every commit of a group, in order, as the coordinator wrote them to __consumer_offsets.

    for commit in read_commits(cluster, "group", "topic"): ...        # history.Commit

Offsets that were committed within a transaction count where it was committed, at the place where they were written. The
topic is compacted, but no log segment that is still written to is; a test's are.

The formats are those of Kafka's OffsetCommitKey (versions 0 and 1) and OffsetCommitValue (versions 0 to 3), and the
metadata's is that of worker/kafka/offset_map.c, read here once more by other means.
"""
import base64
import binascii
import struct

from history import Commit

TOPIC = "__consumer_offsets"
MAP_VERSION, FORM_BITMAP, FORM_RUNS = 0xa1, 1, 2


class _Bytes:
    """What is read from front to back, as Kafka writes it: big-endian."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def number(self, form):
        value, = struct.unpack_from(">" + form, self.text, self.at)
        self.at += struct.calcsize(">" + form)
        return value

    def string(self):
        length = self.number("h")
        self.at += length
        return self.text[self.at - length:self.at].decode()


def read_key(key):
    """(group, topic, partition), or None: a record that is not about a commit."""
    source = _Bytes(key)
    if source.number("h") > 1:  # 2: a group's members
        return None
    return source.string(), source.string(), source.number("i")


def read_value(value):
    """(offset, metadata, Unix ms)."""
    source = _Bytes(value)
    version = source.number("h")
    if version > 3:
        raise ValueError(f"an offset commit of version {version} can't be read")
    offset = source.number("q")
    if version == 3:
        source.number("i")  # the leader's epoch
    return offset, source.string(), source.number("q")


def read_map(text, base):
    """The runs (first, last) of offsets that commit metadata calls done above `base`; () where it is none of ours."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return ()
    if len(raw) < 3 or raw[0] != MAP_VERSION:
        return ()
    payload = raw[2:]
    if raw[1] == FORM_BITMAP:
        bits = [byte >> bit & 1 for byte in payload for bit in range(8)]
        starts = [i for i, bit in enumerate(bits) if bit and (i == 0 or not bits[i - 1])]
        ends = [i for i, bit in enumerate(bits) if bit and (i + 1 == len(bits) or not bits[i + 1])]
        return tuple((base + start, base + end) for start, end in zip(starts, ends))
    if raw[1] != FORM_RUNS:
        return ()
    numbers, value, shift = [], 0, 0
    for byte in payload:
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value)
            value = shift = 0
    runs, at = [], base
    for undone, done in zip(numbers[::2], numbers[1::2]):
        runs.append((at + undone, at + undone + done - 1))
        at += undone + done
    return tuple(runs)


def read_commits(cluster, group, topic, seconds=60):
    """In the order of the log, which is for one partition of a topic the order in which the group took them."""
    commits = []
    for record in cluster.read_all(TOPIC, seconds, isolation="read_committed"):
        place = read_key(record.key)
        if place is None or place[:2] != (group, topic) or record.value is None:
            continue
        offset, metadata, at_ms = read_value(record.value)
        commits.append(Commit(place[2], offset, at_ms, read_map(metadata, offset)))
    return commits
