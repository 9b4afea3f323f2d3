"""race_reports: ThreadSanitizer's reports, but for those about what happens wholly within librdkafka.

Debian builds librdkafka without instrumentation. Thanks to c11_threads.c its threads, mutexes and conditions are seen, but
not the atomic operations by which it counts references and publishes flags: its own free() or destruction of a lock in one
of its threads then looks unordered to its own strcmp() or locking in another. Such a report is passed over if, and only
if, it is a data race and the code that made each of its accesses is librdkafka's.

ThreadSanitizer's suppressions can't say that: they look at every frame of a stack, and librdkafka is among the callers of
the project's callbacks, so that `race:librdkafka.so` would hide the races in them; and `called_from_lib:librdkafka.so`
hides locks, too, whereupon much else looks unordered.
"""
import re

BAR = "=" * 18
ACCESS = re.compile(r"^  (?:Previous )?(?:atomic )?(?:read|write) of size ", re.IGNORECASE)
FRAME = re.compile(r"^    #\d+ ")
PASSED_OVER = "librdkafka.so"


def read_reports(text):
    """The reports, in ThreadSanitizer's words, that count."""
    reports = [part.strip("\n") for part in text.split(BAR)]
    return [report for report in reports if "WARNING: ThreadSanitizer:" in report and not _is_passed_over(report)]


def _is_passed_over(report):
    stacks = _access_stacks(report)
    return ("WARNING: ThreadSanitizer: data race" in report and len(stacks) >= 2
            and all(PASSED_OVER in _accessing_frame(stack) for stack in stacks))


def _access_stacks(report):
    stacks = []
    inside = False
    for line in report.splitlines():
        if ACCESS.match(line):
            stacks.append([])
            inside = True
        elif inside and FRAME.match(line):
            stacks[-1].append(line)
        else:
            inside = False
    return stacks


def _accessing_frame(stack):
    """The innermost one behind ThreadSanitizer's own stand-ins for free, strcmp, …; "" when there is none."""
    return next((frame for frame in stack if "libtsan.so" not in frame and "libsanitizer/" not in frame), "")
