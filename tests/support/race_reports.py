"""race_reports: ThreadSanitizer's reports, but for those that librdkafka's invisible atomic operations make.

Debian builds librdkafka without instrumentation. Thanks to tsan_threads.c its threads, mutexes and conditions are seen, but
not the atomic operations by which it counts references and publishes flags. So two kinds of data races are reported that
are none, and passed over here:
- the code that made each of the two accesses is librdkafka's: one thread's strcmp() or lock, then another's free();
- the project read a message, gave it back, and then librdkafka, in another thread, freed the buffer that it lay in. A read
  after it was given back would be the other way round, and is reported; AddressSanitizer watches it, too.

ThreadSanitizer's suppressions can't say that: they look at every frame of a stack, and librdkafka is among the callers of
the project's callbacks, so that `race:librdkafka.so` would hide the races in them; and `called_from_lib:librdkafka.so`
hides locks, too, whereupon much else looks unordered.
"""
import re

BAR = "=" * 18
ACCESS = re.compile(r"^  ((?:Previous )?(?:atomic )?(?:read|write)) of size ", re.IGNORECASE)
FRAME = re.compile(r"^    #\d+ ")
FREE = re.compile(r"^    #0 free ")
STAND_IN = re.compile(r"libtsan\.so|libsanitizer/|/tests/support/tsan_threads\.c:")
LIBRARY = "librdkafka.so"


class Access:
    """One of those in a report: what it was, and its stack."""

    def __init__(self, kind):
        self.kind = kind.lower()
        self.frames = []

    def is_of_library(self):
        # The innermost frame behind the stand-ins for free, strcmp, mtx_lock, … did it.
        return LIBRARY in next((frame for frame in self.frames if not STAND_IN.search(frame)), "")

    def is_free(self):
        return bool(self.frames) and FREE.match(self.frames[0]) is not None


def read_reports(text):
    """The reports, in ThreadSanitizer's words, that count."""
    reports = [part.strip("\n") for part in text.split(BAR)]
    return [report for report in reports if "WARNING: ThreadSanitizer:" in report and not _is_passed_over(report)]


def _is_passed_over(report):
    accesses = _accesses(report)
    if "WARNING: ThreadSanitizer: data race" not in report or len(accesses) != 2:
        return False
    last, previous = accesses
    return last.is_of_library() and (previous.is_of_library() or (last.is_free() and previous.kind == "previous read"))


def _accesses(report):
    accesses = []
    inside = False
    for line in report.splitlines():
        access = ACCESS.match(line)
        if access:
            accesses.append(Access(access.group(1)))
            inside = True
        elif inside and FRAME.match(line):
            accesses[-1].frames.append(line)
        else:
            inside = False
    return accesses
