#!/usr/bin/python3
"""What `rxp-worker exec` still does at the backend once the result is printed: the cancel and the after call."""
import json
import pathlib
import signal
import tempfile
import threading

from child import Child, wait_until
from execution import EXIT_STATUSES
from stage import STALL, Stage, answer
from tap import equal, holds, rows, run_all, test
from worker import PROGRAM

TEMPORARY = tempfile.TemporaryDirectory(prefix="rxp-errands-")
FOLDER = pathlib.Path(TEMPORARY.name)
STAGE = Stage()
PATIENCE = 30
ACCEPTED = answer(202, '{"id":"r/1"}')
RUNNING = answer(200, '{"status":"running"}')
ENDED = answer(200, '{"status":"completed"}')


def start(name, timeout_seconds=600, kickoff=ACCEPTED, poll=RUNNING, errand=answer(204), **keys):
    """Its calls go to /name, /name/poll and /name/errand; {0} in a key is /name's URL."""
    path = f"/{name}"
    STAGE.on(path, kickoff)
    STAGE.on(f"{path}/poll", poll)
    STAGE.on(f"{path}/errand", errand)
    metadata = {"http.url": "{0}", "http.poll_url_template": "{0}/poll", "http.poll_run_id_path": "id",
                "http.poll_status_path": "status", "http.poll_terminal_states": "completed",
                "http.poll_interval_seconds": "0.02"}
    metadata.update({key.replace("http_", "http."): value for key, value in keys.items()})
    made = {"invocation_id": f"of {name}", "runtime_name": "test", "runtime_kind": "http_async", "working_directory": "/",
            "command": ["none"], "timeout_seconds": timeout_seconds,
            "metadata": {key: value and value.replace("{0}", STAGE.url(path)) for key, value in metadata.items()
                         if value is not None}}
    file = FOLDER / f"{name}.json"
    file.write_text(json.dumps(made))
    return Child([PROGRAM, "exec", file], name=name)


def polled(name):
    return wait_until(lambda: STAGE.requests(f"/{name}/poll"), PATIENCE, "a poll")


def asked(name):
    """The one errand request."""
    requests = wait_until(lambda: STAGE.requests(f"/{name}/errand"), PATIENCE, "an errand")
    equal(len(requests), 1)
    return requests[0]


def status_of(child):
    lines = child.output().splitlines()
    return json.loads(next(line for line in lines if line.startswith("{")))["status"]


@test("a run that is cancelled is cancelled at its backend, and its result does not wait for that")
def _():
    printed = threading.Event()

    def when_printed(_):
        equal(printed.wait(PATIENCE), True, "the result was printed while the cancel call was not answered")
        return answer(200)

    with start("interrupt", errand=when_printed, http_cancel_url_template="{0}/errand",
               http_cancel_body='{"stop":"{run_id}"}') as child:
        polled("interrupt")
        child.signal(signal.SIGINT)
        child.wait_for('"status":"cancelled"', PATIENCE)
        request = asked("interrupt")
        equal(child.running, True, "it waits for the cancel call")
        printed.set()
        equal(child.wait(PATIENCE), EXIT_STATUSES["cancelled"])
        equal((request.method, request.body, request.header("Content-Type")),
              ("POST", b'{"stop":"r/1"}', "application/json"))
        equal(request.header("Idempotency-Key"), None)


@test("a run that times out is cancelled, too, and its poll is cut")
def _():
    with start("late", 1, poll=STALL, http_cancel_url_template="{0}/errand?id={run_id}", http_cancel_method="PUT") as child:
        equal(child.wait(PATIENCE), EXIT_STATUSES["timed_out"])
        request = asked("late")
        equal((request.method, request.target, request.body), ("PUT", "/late/errand?id=r%2F1", b""))


@test("a second signal ends it at once, also while the cancel call is not answered")
def _():
    with start("twice", errand=STALL, http_cancel_url_template="{0}/errand") as child:
        polled("twice")
        child.signal(signal.SIGTERM)
        child.wait_for('"status":"cancelled"', PATIENCE)
        asked("twice")
        wait_until(lambda: not child.signal_if_running(signal.SIGTERM), PATIENCE, "its end")
        equal(child.wait(PATIENCE), -signal.SIGTERM)


@test("a signal does not wait for the after call, and takes nothing from the result")
def _():
    with start("hasty", poll=ENDED, errand=STALL, http_after_url_template="{0}/errand") as child:
        child.wait_for('"status":"succeeded"', PATIENCE)
        asked("hasty")
        child.signal(signal.SIGTERM)
        equal(child.wait(PATIENCE), 0)


@rows("an id that the kickoff did not tell is looked for before the cancel call, where {0}", [
    ("a poll tells it", answer(200, '{"status":"running","run":"r 9"}'), True),
    ("none does", RUNNING, False),
])
def _(_, poll, is_told):
    name = "told" if is_told else "untold"
    with start(name, kickoff=STALL, poll=poll, http_poll_run_id_path=None, http_late_run_id_path="run",
               http_cancel_url_template="{0}/errand?id={run_id}") as child:
        wait_until(lambda: STAGE.requests(f"/{name}"), PATIENCE, "the kickoff")
        child.signal(signal.SIGTERM)
        equal(child.wait(PATIENCE), EXIT_STATUSES["cancelled"])
        equal(len(STAGE.requests(f"/{name}/poll")), 1, "polls")
        equal([request.target for request in STAGE.requests(f"/{name}/errand")],
              ["/told/errand?id=r%209"] if is_told else [])
        if not is_told:
            holds(child.output(), "the last poll, for the run id of a cancel call", "no field at path 'run'")


@rows("the after call, when its states are {0}", [
    ("all", None, True),
    ("this one", "completed", True),
    ("another", "failed", False),
])
def _(which, states, is_due):
    name = "after-" + which.replace(" ", "-")
    with start(name, poll=ENDED, errand=answer(500), http_poll_terminal_states="completed,failed",
               http_after_url_template="{0}/errand", http_after_method="DELETE", http_after_states=states) as child:
        equal(child.wait(PATIENCE), 0)
        equal(status_of(child), "succeeded")
        equal([request.method for request in STAGE.requests(f"/{name}/errand")], ["DELETE"] if is_due else [])


if __name__ == "__main__":
    run_all()
