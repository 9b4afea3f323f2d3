#!/usr/bin/python3
"""The demo, as somebody meets the program for the first time: with and without a terminal, and --keep with own clients."""
import gzip
import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import tempfile
import time
import urllib.request

from child import Child, plain_environment
from tap import equal, holds, lacks, run_all, skip, test
from worker import PROGRAM, Backend, invocation, run_command

SUMMARY = r"1,000 invocations: 940 succeeded, 30 failed, 20 timed_out, 10 rejected"


@test("the demo ends by itself within 30 s in a summary, without a terminal")
def _():
    started = time.monotonic()
    done = run_command("demo", seconds=60)
    assert time.monotonic() - started < 30
    equal(done.returncode, 0, done.stderr)
    holds(done.stdout, SUMMARY, "Every invocation has exactly one result.")
    lacks(done.stderr + done.stdout, "\033", "\r")


@test("what it proposes to try next can be copied: it is called there as it was called")
def _():
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder)
        (here / "build").mkdir()
        (here / "build/a worker").symlink_to(PROGRAM)
        (here / "build/worker").symlink_to(PROGRAM)
        for program, shown in (("build/worker", "build/worker"), (here / "build/a worker", f"'{here}/build/a worker'")):
            done = subprocess.run([program, "demo", "--invocations", "1"], capture_output=True, check=True, cwd=folder,
                                  env=plain_environment(), text=True, timeout=60)
            holds(done.stdout, f"\n  {shown} demo --keep ", f"\n  {shown} exec FILE ", f"\n  {shown} run --help ")
    # As from the program's own folder in PATH.
    done = subprocess.run(["rxp-worker", "demo", "--invocations", "1"], executable=PROGRAM, capture_output=True, check=True,
                          env=plain_environment(), text=True, timeout=60)
    holds(done.stdout, "\n  rxp-worker demo --keep ")


@test("on a terminal the demo draws its progress in one line")
def _():
    try:
        master, slave = pty.openpty()
    except OSError as reason:  # a bare chroot has no /dev/pts
        skip(f"no pseudo-terminal here: {reason}")
    with subprocess.Popen([PROGRAM, "demo", "--invocations", "100"], stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
                          env=plain_environment()) as process:
        os.close(slave)
        written = b""
        try:
            while True:
                chunk = os.read(master, 65536)
                if not chunk:
                    break
                written += chunk
        except OSError:  # the other end has closed
            pass
        equal(process.wait(), 0)
    os.close(master)
    assert written.count(b"\r  ") > 5, written
    holds(written.decode(), "100 invocations: ")


@test("with --keep the demo serves one's own clients until Ctrl-C")
def _():
    command = [PROGRAM, "demo", "--keep", "--invocations", "10", "--admin-listen", "127.0.0.1:0"]
    with Child(command, name="demo") as demo, Backend() as backend:
        program, servers = demo.wait_for(r"(\S+) submit +--bootstrap-servers (\S+)", 40).groups()
        equal(program, PROGRAM)
        page = demo.wait_for(r"in a browser, what the worker does: (http://\S+)").group(1)
        with urllib.request.urlopen(urllib.request.Request(page, headers={"Accept-Encoding": "gzip"}), timeout=10) as answer:
            holds(gzip.decompress(answer.read()).decode(), "<title>rxp-worker</title>")
        with urllib.request.urlopen(page + "status", timeout=10) as answer:
            status = json.load(answer)
        equal((status["ready"], sum(status["runs"].values())), (True, 10), f"the status: {status}")
        done = run_command("submit", "--wait", "--bootstrap-servers", servers,
                           given=json.dumps(invocation("mine", backend, {"seconds": "0.2"})))
        equal(done.returncode, 0, done.stderr)
        result = json.loads(done.stdout)
        equal((result["invocation_id"], result["status"]), ("mine", "succeeded"))
        shown = run_command("results", "--bootstrap-servers", servers, "--invocation-id", "mine")
        equal(shown.stdout, done.stdout, shown.stderr)
        shown = run_command("offsets", "--bootstrap-servers", servers, "--json")
        equal(shown.returncode, 0, shown.stderr)
        equal(sum(json.loads(line)["end"] for line in shown.stdout.splitlines()), 11)
        demo.signal(signal.SIGINT)
        equal(demo.wait(), 0)
        assert re.search(r"10 invocations: ", demo.output())


if __name__ == "__main__":
    run_all()
