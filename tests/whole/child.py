"""child: a process that a test starts: its output in a file, its end in the test's hands, and never outliving the test.

    with Child(["sleep", "60"], name="sleeper") as child:
        child.wait_for(r"listening on (\\S+)").group(1)
        child.signal(signal.SIGTERM)
        assert child.wait() == 0

Start children from the main thread, or one that lasts: the kernel kills them when the thread that started them ends.
"""
import ctypes
import itertools
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TURN_SECONDS = 0.02  # between two looks at something that is awaited

_numbers = itertools.count(1)


def logs_folder():
    """Where output is kept: build/test-logs under tests/run.sh, else a folder of its own in the temporary one."""
    folder = pathlib.Path(os.environ.get("RXP_TEST_LOGS") or pathlib.Path(tempfile.gettempdir()) / "rxp-test-logs")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def plain_environment(extra=None):
    """This process's environment without the settings of a real worker, and with `extra`; None takes a variable away."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RXP_")}
    for name, value in (extra or {}).items():
        environment.pop(name, None)
        if value is not None:
            environment[name] = str(value)
    return environment


def die_with_parent(number=signal.SIGTERM):
    """This process gets the signal when the one that started it ends, however that ends."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None, use_errno=True).prctl(pr_set_pdeathsig, int(number), 0, 0, 0)


def wait_until(condition, seconds=20, what="the condition"):
    """The first true value of condition(), asked again and again; AssertionError when there was none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"{what} did not come within {seconds} s")
        time.sleep(TURN_SECONDS)


class Child:
    def __init__(self, command, name, environment=None, folder=None):
        script = pathlib.Path(sys.argv[0]).stem or "test"
        self.name = name
        self.log = logs_folder() / f"{script}-{os.getpid()}-{next(_numbers)}-{name}.log"
        with open(self.log, "wb") as output:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)], stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, cwd=folder, env=plain_environment(environment))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def signal_if_running(self, number):
        """Was it running?"""
        running = self.running
        if running:
            self.signal(number)
        return running

    def kill(self):
        """SIGKILL, as a crash."""
        self.process.kill()
        self.process.wait()

    def wait(self, seconds=30):
        """The exit status, negative for a signal's number; AssertionError if it still runs then."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {seconds} s\n{self.tail()}") from None

    def stop(self, seconds=30):
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def end(self):
        """At the end of a test: gone, whatever state it is in."""
        if self.running:
            self.kill()

    def output(self, after=0):
        with open(self.log, "rb") as log:
            log.seek(after)
            return log.read().decode(errors="replace")

    def tail(self, lines=25):
        return f"the end of {self.log}:\n" + "\n".join(self.output().splitlines()[-lines:])

    def mark(self):
        """For `after`: what is written from now on."""
        return self.log.stat().st_size

    def wait_for(self, pattern, seconds=20, after=0):
        """The match of `pattern` in the first line of the output (from the mark `after` on) that has one."""
        expression = re.compile(pattern)
        deadline = time.monotonic() + seconds
        rest = b""
        with open(self.log, "rb") as log:
            log.seek(after)
            while True:
                alive = self.running  # asked before reading, so that the last words of one that ended are read
                *lines, rest = (rest + log.read()).split(b"\n")
                for line in lines if alive else [*lines, rest]:
                    match = expression.search(line.decode(errors="replace"))
                    if match:
                        return match
                if not alive:
                    raise AssertionError(f"{self.name} ended with {self.process.returncode} and never wrote "
                                         f"/{pattern}/\n{self.tail()}")
                if time.monotonic() >= deadline:
                    raise AssertionError(f"{self.name} did not write /{pattern}/ within {seconds} s\n{self.tail()}")
                time.sleep(TURN_SECONDS)

    def _status(self, field):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return line.split()[1]
        raise AssertionError(f"{self.name} has ended, so that {field} can't be read\n{self.tail()}")

    def rss_bytes(self):
        return int(self._status("VmRSS")) * 1024

    def peak_rss_bytes(self):
        return int(self._status("VmHWM")) * 1024

    def threads(self):
        return int(self._status("Threads"))

    def catches(self, number):
        """Whether it has come so far as to have a handler for that signal."""
        return bool(int(self._status("SigCgt"), 16) >> (number - 1) & 1)

    def cpu_seconds(self):
        """User and system time so far."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
