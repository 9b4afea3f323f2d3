"""gauge: what one process takes of the machine, and what others take of it meanwhile.

    gauge = Gauge(child.pid)
    before = gauge.cpu_seconds()
    ...
    gauge.cpu_seconds() - before, gauge.memory().anonymous_bytes, gauge.threads()
    usage = reap(child)                    # ends it, and holds the gauge against the kernel's last word

    others = Others()
    ...
    others.cores()                         # how many processors were busy for nobody of ours since then
"""
import collections
import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import time

# A turn in which others kept so much of the machine busy, or the hypervisor held back so much, is named.
MOST_OTHER_CORES = 0.1
MOST_STOLEN_CORES = 0.05
TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Memory:
    rss_bytes: int
    anonymous_bytes: int  # of these, what is no file: heap, stacks


def process_clock(pid):
    """clock_gettime's name for the CPU time of a process: all its threads, those too that have ended; nanoseconds, where
    /proc/PID/stat has hundredths of a second. It can be read by anybody (clock_getcpuclockid in the C library)."""
    return (~pid << 3) | 2


class Gauge:
    """One process, by its id; whoever started it. ProcessLookupError or OSError once it has been waited for."""

    def __init__(self, pid):
        self.pid = pid
        self.clock = process_clock(pid)

    def cpu_seconds(self):
        """User and system time so far."""
        return time.clock_gettime(self.clock)

    def by_thread(self):
        """{name: CPU seconds so far of the threads of that name that still live}"""
        found = collections.defaultdict(float)
        for thread in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):  # it has just ended
                nanoseconds = int((thread / "schedstat").read_text().split()[0])
                found[(thread / "comm").read_text().strip()] += nanoseconds / 1e9
        return found

    def memory(self):
        text = pathlib.Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        found = {name: int(kilobytes) * 1024 for name, kilobytes in re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE)}
        return Memory(found["Rss"], found["Anonymous"])

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))


def pin(pid, cpus):
    """Keeps all threads of a process, and those that they will start, on these processors."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            os.sched_setaffinity(int(thread), cpus)


@dataclasses.dataclass
class Usage:
    """What a process took from its first to its last moment."""
    status: int  # its exit status, negative for a signal's number
    user_seconds: float
    system_seconds: float
    clock_seconds: float  # the same by the gauge's clock

    def agrees(self):
        """Whether the gauge and getrusage say the same, to 1 % and two ticks: a kernel may count rusage by ticks."""
        whole = self.user_seconds + self.system_seconds
        return abs(whole - self.clock_seconds) <= 0.01 * whole + 2 * TICK_SECONDS


def reap(child, number=signal.SIGTERM, seconds=60):
    """Sends a child (tests/whole/child.py) the signal, unless number is None, and waits for its end: Usage."""
    if number is not None:
        child.signal(number)
    deadline = time.monotonic() + seconds
    # Not waited for at first: a zombie's clock still stands.
    while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        assert time.monotonic() < deadline, f"{child.name} still runs after {seconds} s\n{child.tail()}"
        time.sleep(0.005)
    clock_seconds = Gauge(child.pid).cpu_seconds()
    _, status, rusage = os.wait4(child.pid, 0)
    child.process.returncode = os.waitstatus_to_exitcode(status)
    usage = Usage(child.process.returncode, rusage.ru_utime, rusage.ru_stime, clock_seconds)
    assert usage.agrees(), f"the CPU clock of {child.name} says {clock_seconds:.3f} s, and getrusage " \
                           f"{usage.user_seconds + usage.system_seconds:.3f} s"
    return usage


def _stat_seconds(text):
    """Of /proc/PID/stat: the parent, and the time of the process and of the children that it has waited for."""
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), sum(map(int, fields[11:15])) * TICK_SECONDS


def family_seconds(roots):
    """CPU time of these processes and of all that came from them, ended or not; each counts once."""
    seconds, children = {}, collections.defaultdict(list)
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has just ended
                parent, took = _stat_seconds(pathlib.Path(f"/proc/{entry.name}/stat").read_text(errors="replace"))
                seconds[int(entry.name)] = took
                children[parent].append(int(entry.name))
    total, pending = 0.0, list(roots)
    while pending:
        pid = pending.pop()
        total += seconds.pop(pid, 0.0)
        pending += children.pop(pid, [])
    return total


def machine_seconds():
    """Busy time of all processors, and what the hypervisor held back of them."""
    fields = [int(word) * TICK_SECONDS for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = fields
    return user + nice + system + interrupts + soft_interrupts, stolen


class Others:
    """Who else kept the machine busy, since this was made. `also` are ids of processes that are ours, too, without having
    come from this one."""

    def __init__(self, also=()):
        self.roots = [os.getpid(), *also]
        self.begin = self._now()

    def _now(self):
        busy, stolen = machine_seconds()
        return time.monotonic(), busy, stolen, family_seconds(self.roots)

    def cores(self):
        """(processors' worth of time of others, and that the hypervisor held back)"""
        elapsed, busy, stolen, ours = (now - then for now, then in zip(self._now(), self.begin))
        return max(0.0, busy - ours) / elapsed, stolen / elapsed

    @staticmethod
    def disturbed(cores, stolen):
        return cores > MOST_OTHER_CORES or stolen > MOST_STOLEN_CORES
