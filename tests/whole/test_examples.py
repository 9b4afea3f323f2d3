#!/usr/bin/python3
"""The invocations of protocol/examples that are for APIs of common shapes, carried out as they stand against the simulated
backend: their results, and each request that it got. What the guide in protocol/README.md shows is these files."""
import json
import pathlib
import re
import tempfile
import urllib.parse

from child import ROOT
from execution import Executions
from stage import header_values
from tap import equal, holds, rows, run_all, test
from worker import Backend, run_command

EXAMPLES = ROOT / "protocol/examples"
WRITTEN_ORIGIN = "http://127.0.0.1:8080"
FOLDER = tempfile.TemporaryDirectory(prefix="rxp-examples-")
RUNS = Executions()
BACKENDS = {}
KEY = "the-rehearsal-key"


def record_of(name):
    return pathlib.Path(FOLDER.name) / re.sub(r"\W", "-", name)


def shapes():
    """The names of those that are for the simulated backend."""
    return [path.name for path in sorted(EXAMPLES.glob("invocation-*.json")) if WRITTEN_ORIGIN in path.read_text()]


def plan(name, file, parameters=None, arguments=(), environment=None, timeout_seconds=None, **metadata):
    """The file with the address of a backend of its own, what else the backend shall do, and other metadata."""
    backend = BACKENDS[name] = Backend(record=record_of(name))
    given = json.loads((EXAMPLES / file).read_text().replace(WRITTEN_ORIGIN, backend.origin))
    if parameters:
        given["metadata"]["http.url"] += "?" + urllib.parse.urlencode(parameters)
    for key, value in metadata.items():
        given["metadata"][key.replace("_", ".", 1)] = value.replace(WRITTEN_ORIGIN, backend.origin)
    if timeout_seconds:
        given["timeout_seconds"] = timeout_seconds
    settings = {key: value.replace("PORT", str(backend.port)) for key, value in (environment or {}).items()}
    RUNS.plan(name, given, *arguments, environment=settings)


_requests = {}


def requests_of(name):
    """What its backend saw. It ends with that, since its record is whole only then."""
    if name not in _requests:
        RUNS[name]
        equal(BACKENDS[name].stop(), 0)
        _requests[name] = [json.loads(line) for line in record_of(name).read_text().splitlines()]
    return _requests[name]


def lines_of(name):
    """METHOD path code, ids by what they are; a line that comes again is one, since the number of polls is chance."""
    lines = []
    for request in requests_of(name):
        path = re.sub(r"conv-\d+-[0-9a-f]{8}", "CONVERSATION", request["path"])
        path = re.sub(r"[0-9a-z]{8}-[0-9a-z]+(\.[a-z]{2}[\w~]*)*", "ID", path)
        line = f"{request['method']} {path} {request['code']}"
        if not lines or lines[-1] != line:
            lines.append(line)
    return lines


# ---- what is carried out ----

SECRETS = {"RXP_SECRET_REHEARSAL_KEY": KEY, "RXP_SECRETS_HOSTS": "REHEARSAL_KEY=127.0.0.1:PORT"}
WORKFLOW = ["POST /conversations 201", "POST /workflows/support/run 200", "GET /runs/by-worker/CONVERSATION 404",
            "GET /runs/by-worker/CONVERSATION 200", "GET /runs/ID 200"]

# name, file, how it is planned, outcome, http.result, requests
CASES = [
    ("a run id in the kickoff's answer", "invocation-run-id.json", {}, ("succeeded", 0), None,
     ["POST /runs 202", "GET /runs/ID 200"]),
    ("a run id, and a run that fails", "invocation-run-id.json", {"parameters": {"outcome": "failed"}},
     ("failed", 1, "backend_failed", "backend reported terminal status: failed"), None,
     ["POST /runs 202", "GET /runs/ID 200"]),
    ("a workflow", "invocation-workflow.json", {}, ("succeeded", 0), ["started", "ended"],
     WORKFLOW + ["POST /runs/ID/abandon 200"]),
    ("a workflow that fails", "invocation-workflow.json", {"parameters": {"outcome": "failed"}},
     ("failed", 1, "backend_failed", "backend reported terminal status: failed"), ["started", "ended"],
     WORKFLOW + ["POST /runs/ID/abandon 200"]),
    ("a workflow that is paused is not abandoned", "invocation-workflow.json", {"parameters": {"outcome": "paused"}},
     ("failed", 1, "backend_failed", "backend reported terminal status: paused"), ["started", "ended"], WORKFLOW),
    ("a workflow that takes too long is cancelled", "invocation-workflow.json",
     {"parameters": {"seconds": 600}, "timeout_seconds": 2}, ("timed_out", None, "poll_timeout"), None,
     WORKFLOW[:4] + ["POST /runs/ID/cancel 200"]),
    ("a workflow that takes too long before its id is known is looked for, and cancelled", "invocation-workflow.json",
     {"parameters": {"seconds": 600, "pending_seconds": 1.5}, "timeout_seconds": 2,
      "http_poll_interval_seconds": "30"}, ("timed_out", None, "poll_timeout"), None,
     WORKFLOW[:4] + ["POST /runs/ID/cancel 200"]),
    ("Operation-Location", "invocation-operation-location.json", {"parameters": {"seconds": 1.5}}, ("succeeded", 0),
     {"words": 3}, ["POST /analyze 202", "GET /operations/ID 200"]),
    ("Operation-Location, and a run that fails", "invocation-operation-location.json",
     {"parameters": {"outcome": "Failed", "message": "page 3 is torn"}},
     ("failed", 1, "backend_failed", "backend reported terminal status: Failed: page 3 is torn"), None,
     ["POST /analyze 202", "GET /operations/ID 200"]),
    ("Location and Retry-After", "invocation-location.json", {"parameters": {"seconds": 2.5}}, ("succeeded", 0),
     "/files/export.csv", ["POST /exports 202", "GET /exports/ID 202", "GET /exports/ID 200"]),
    ("done: true", "invocation-done-true.json", {}, ("succeeded", 0), {"rows": 3},
     ["POST /v1/reports:run 200", "GET /v1/operations/ID 200"]),
    ("done: true, and a slash that is encoded", "invocation-done-true.json",
     {"http_poll_url_template": WRITTEN_ORIGIN + "/v1/{run_id}"}, ("failed", None, "poll_status"), None,
     ["POST /v1/reports:run 200", "GET /v1/operations%2FID 404"]),
    ("done: true, with an error", "invocation-done-true.json", {"parameters": {"message": "quota exceeded"}},
     ("failed", 1, "backend_failed", "backend reported terminal status: true: quota exceeded"), None,
     ["POST /v1/reports:run 200", "GET /v1/operations/ID 200"]),
    ("a result apart", "invocation-result-apart.json", {}, ("succeeded", 0), {"frames": 3},
     ["POST /renders 202", "GET /renders/ID 200", "GET /renders/ID/output 200"]),
    ("a result apart that is not fetched after a failure", "invocation-result-apart.json",
     {"parameters": {"outcome": "failed"}}, ("failed", 1, "backend_failed"), None,
     ["POST /renders 202", "GET /renders/ID 200"]),
    ("an API key", "invocation-api-key.json", {"environment": SECRETS}, ("succeeded", 0), None,
     ["POST /keyed/runs 202", "GET /keyed/runs/ID 200"]),
    ("an API key that the worker does not have", "invocation-api-key.json", {}, ("rejected", None, "secret_denied"), None, []),
]
for _name, _file, _how, *_ in CASES:
    plan(_name, _file, **_how)


@rows("{0}", CASES)
def _(name, _file, _how, outcome, result, lines):
    RUNS[name].is_one(*outcome)
    text = RUNS[name].metadata.get("http.result")
    equal(json.loads(text) if text is not None else None, result, "http.result")
    equal(lines_of(name), lines, "requests")


@test("only a kickoff bears the Idempotency-Key: the invocation_id")
def _():
    for name, file, *_ in CASES:
        for request in requests_of(name):
            is_kickoff = request["method"] == "POST" and not request["path"].endswith(("/conversations", "/abandon", "/cancel"))
            equal(request.get("key"), json.loads((EXAMPLES / file).read_text())["invocation_id"] if is_kickoff else None,
                  f"{name}: {request['path']}")


@test("a workflow's kickoff bears the id of its conversation and the message, escaped")
def _():
    kickoff = requests_of("a workflow")[1]
    body = json.loads(kickoff["body"])
    equal(body["message"], 'The order "4711" is late.')
    equal(requests_of("a workflow")[2]["path"], "/runs/by-worker/" + body["conversationId"])


@test("Retry-After is waited for")
def _():
    for name in ("Operation-Location", "Location and Retry-After"):
        times = [request["ms"] for request in requests_of(name)]
        for before, after in zip(times, times[1:]):
            equal(after - before >= 990, True, f"{name}: {after - before} ms between two requests")


@test("an API key goes with each request of its run, and shows nowhere in the result")
def _():
    for request in requests_of("an API key"):
        equal(header_values(request["headers"], "X-Api-Key"), [KEY], request["path"])
    equal(KEY in RUNS["an API key"].stdout, False)


# ---- what is written of them ----

@test("each of these examples is carried out here, is valid, and would run")
def _():
    equal(shapes(), sorted({file for _, file, *_ in CASES}))
    for name in shapes():
        equal(run_command("validate", EXAMPLES / name).returncode, 0, name)
        settings = {key: value.replace("PORT", "8080") for key, value in SECRETS.items()}
        equal(run_command("exec", "--dry-run", EXAMPLES / name, environment=settings).returncode, 0, name)


@test("the guide shows each of these examples as it is")
def _():
    guide = (ROOT / "protocol/README.md").read_text()
    for name in shapes():
        holds(guide, f"](examples/{name})")
        metadata = json.loads((EXAMPLES / name).read_text())["metadata"]
        shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", guide, re.S)]
        equal(any(block == metadata or block.get("metadata") == metadata for block in shown), True,
              f"the guide shows the metadata of {name}")


if __name__ == "__main__":
    try:
        run_all()
    finally:
        for _backend in BACKENDS.values():
            _backend.end()
