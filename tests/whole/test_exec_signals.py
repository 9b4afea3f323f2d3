#!/usr/bin/python3
"""SIGINT and SIGTERM to `rxp-worker exec`: a result all the same. And what is refused before anything is sent."""
import json
import os
import pathlib
import signal
import socket
import tempfile
import threading

from child import Child, wait_until
from execution import EXIT_STATUSES
from tap import equal, holds, rows, run_all, test
from worker import PROGRAM, run_command

TEMPORARY = tempfile.TemporaryDirectory(prefix="rxp-signals-")
FOLDER = pathlib.Path(TEMPORARY.name)
PATIENCE = 30
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"


class Backend:
    """Gives each answer once, to one request each, and is then silent; `seen` is released for each request."""

    def __init__(self, *answers):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._answers = list(answers)
        self.seen = threading.Semaphore(0)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        kept = []
        while True:
            connection, _ = self._socket.accept()
            kept.append(connection)
            while connection.recv(65536):
                self.seen.release()
                if not self._answers:
                    break
                connection.sendall(self._answers.pop(0))


def start(name, backend, output_result_path=None):
    keys = {"http.url": backend.url + "/kickoff", "http.poll_url_template": backend.url + "/poll",
            "http.poll_status_path": "s", "http.poll_terminal_states": "completed",
            "http.poll_interval_seconds": "0.01"}
    made = {"schema_version": "0.1", "contract_kind": "runtime_invocation", "invocation_id": "i",
            "runtime_name": "test", "runtime_kind": "http_async", "working_directory": "/", "command": ["none"],
            "environment": {}, "timeout_seconds": 600, "input_payload_path": None,
            "output_result_path": output_result_path, "artifact_directory": None, "metadata": keys}
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(made))
    return Child([PROGRAM, "exec", path], name=name)


def await_requests(backend, n):
    for i in range(n):
        equal(backend.seen.acquire(timeout=PATIENCE), True, f"request {i} came")


@rows("{0} while {1} has no answer yet: the result says cancelled", [
    ("SIGINT", "a kickoff"),
    ("SIGTERM", "a kickoff"),
    ("SIGINT", "a poll"),
])
def _(number, what):
    backend = Backend(ACCEPTED) if what == "a poll" else Backend()
    with start(f"{number}-{what[2:]}", backend) as child:
        await_requests(backend, 2 if what == "a poll" else 1)
        child.signal(getattr(signal, number))
        equal(child.wait(PATIENCE), EXIT_STATUSES["cancelled"])
        equal(len(child.output().splitlines()), 1, "lines of output")
        equal(json.loads(child.output())["status"], "cancelled")


@test("a second signal ends it at once")
def _():
    fifo = FOLDER / "fifo"
    os.mkfifo(fifo)  # nobody reads: whoever opens it to write waits
    backend = Backend()
    with start("second", backend, output_result_path=str(fifo)) as child:
        await_requests(backend, 1)
        child.signal(signal.SIGTERM)
        child.wait_for('"status":"cancelled"', PATIENCE)
        wait_until(lambda: not child.signal_if_running(signal.SIGTERM), PATIENCE, "its end")
        equal(child.wait(PATIENCE), -signal.SIGTERM)


@rows("a ca-file that is {0} is a mistake of usage", [
    ("not there", "/no/such/file", "No such file"),
    ("a directory", str(FOLDER), "no regular file"),
    ("not PEM", __file__, "holds no certificate"),
])
def _(_, path, sentence):
    done = run_command("exec", "--ca-file", path, given="{}")
    equal((done.returncode, done.stdout), (2, ""))
    holds(done.stderr, path, sentence)


if __name__ == "__main__":
    run_all()
