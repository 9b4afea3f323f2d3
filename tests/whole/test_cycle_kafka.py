#!/usr/bin/python3
"""The whole HTTP cycle through Kafka: cycle_rows.py and more, all of it one batch that one worker takes; and a second worker
that allows no more than its profiles do, and gives the stricter guarantees."""
import datetime
import json
import pathlib
import tempfile
import urllib.parse

import cycle_rows
from child import ROOT
from cycle_rows import ACCEPTED, ENDED, FAILED, OK, RUNNING, STAGE, count, path_of, plan, url_of
from deliveries import Deliveries
from stage import STALL, Stage, answer
from tap import equal, holds, lacks, rows, run_all, test
from worker import Backend

FOLDER = tempfile.TemporaryDirectory(prefix="rxp-cycle-")
HERE = pathlib.Path(FOLDER.name)
PROFILES, SECRETS = HERE / "profiles", HERE / "secrets"
PROFILES.mkdir()
SECRETS.mkdir()
ELSEWHERE = Stage(host="127.0.0.2")
TOKENS = Stage()
VALUE = "s3cr3t-of-this-test"
QUEUED_SECONDS = 5  # until a start_before that passes while a run is queued

ALL = Deliveries(profiles_dir=PROFILES, secrets_dir=SECRETS, log_level="debug",
                 secrets_hosts="KEY=127.0.0.1;TOKEN=127.0.0.1;SLOW=127.0.0.1")
ONLY = Deliveries(profiles_dir=PROFILES, secrets_dir=SECRETS, profiles="only", origin_max_connections=2,
                  results_guarantee="exactly-once", kickoff_guarantee="at-most-once", secrets_hosts="KEY=127.0.0.1")
RUNS = cycle_rows.RUNS
RUNS.carrier = ALL


def message(name, runtime_name="cycle", kind="http", timeout_seconds=20, **metadata):
    return {"invocation_id": name.replace(" ", "-"), "runtime_name": runtime_name, "runtime_kind": kind,
            "working_directory": "/", "command": ["none"], "timeout_seconds": timeout_seconds,
            "metadata": {key.replace("_", ".", 1): value for key, value in metadata.items()}}


def profile(name, metadata, **others):
    (PROFILES / f"{name}.json").write_text(json.dumps({"metadata": metadata, **others}))


def soon(seconds):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def bodies(name, call):
    RUNS[name]
    return [(request.method, request.target, request.body) for request in STAGE.requests(path_of(name, call))]


# ---- the workflow API ----

BACKENDS = {}
TOGETHER = 25


def workflow(name, backend, timeout_seconds=60, parameters=None, **metadata):
    text = (ROOT / "protocol/examples/invocation-workflow.json").read_text()
    given = json.loads(text.replace("http://127.0.0.1:8080", backend.origin))
    given.update(invocation_id=name, timeout_seconds=timeout_seconds)
    given["metadata"]["http.poll_interval_seconds"] = "0.2"
    given["metadata"].update({key.replace("_", ".", 1): value for key, value in metadata.items()})
    if parameters:
        given["metadata"]["http.url"] += "?" + urllib.parse.urlencode(parameters)
    RUNS.plan(name, given)


def backend_of(name):
    BACKENDS[name] = Backend(name=name, record=HERE / f"{name}.record")
    return BACKENDS[name]


for _n in range(TOGETHER):
    workflow(f"workflow-{_n}", BACKENDS.get("many") or backend_of("many"), parameters={"seconds": 1})
workflow("workflow-paused", backend_of("paused"), parameters={"seconds": 1, "outcome": "paused"})
workflow("workflow-late", backend_of("late"), timeout_seconds=2, parameters={"seconds": 600})
workflow("workflow-unknown", backend_of("unknown"), timeout_seconds=2, http_poll_interval_seconds="30",
         parameters={"seconds": 600, "pending_seconds": 1})


def requests_of(name):
    """What that backend saw: (method, path, body)."""
    RUNS[next(iter(ALL.names() or ["workflow-0"]))]
    if BACKENDS[name].running:
        equal(BACKENDS[name].stop(), 0)
    lines = (HERE / f"{name}.record").read_text().splitlines()
    return [(request["method"], request["path"], request.get("body", "")) for request in map(json.loads, lines)]


@test("workflows, each in one message: a conversation, a run that is registered later, its events, and an end at the backend")
def _():
    for n in range(TOGETHER):
        RUNS[f"workflow-{n}"].is_one(*OK, state="completed")
        equal(json.loads(RUNS[f"workflow-{n}"].metadata["http.result"]), ["started", "ended"])
    made = requests_of("many")
    kickoffs = [json.loads(body)["conversationId"] for _, path, body in made if path.startswith("/workflows/support/run")]
    equal((len(kickoffs), len(set(kickoffs))), (TOGETHER, TOGETHER), "kickoffs, and their conversations")
    for conversation in kickoffs:
        equal(any(path == f"/runs/by-worker/{conversation}" for _, path, _ in made), True, f"{conversation} was polled")
    ids = {RUNS[f"workflow-{n}"].metadata["http.run_id"] for n in range(TOGETHER)}
    for run_id in ids:
        for method, path in (("GET", f"/runs/{run_id}"), ("POST", f"/runs/{run_id}/abandon")):
            equal(sum(line[:2] == (method, path) for line in made), 1, f"{method} {path}")
    equal(len(ids), TOGETHER)
    lacks(str(made), "/cancel")


@test("a workflow that is paused is not abandoned; one that takes too long is cancelled, also where its id is not known yet")
def _():
    RUNS["workflow-paused"].is_one("failed", 1, "backend_failed", state="paused")
    lacks(str(requests_of("paused")), "/abandon", "/cancel")
    for name in ("late", "unknown"):
        RUNS[f"workflow-{name}"].is_one("timed_out", None, "poll_timeout")
        cancels = [path for method, path, _ in requests_of(name) if method == "POST" and path.endswith("/cancel")]
        equal(len(cancels), 1, f"cancels of {name}")
        lacks(str(requests_of(name)), "/abandon")


# ---- calls behind the end ----

CANCEL = {"http_cancel_url_template": "{0}/cancel", "http_cancel_method": "PATCH", "http_cancel_body": '{"of":"{invocation_id}"}'}
AFTER = {"http_after_url_template": "{0}/after?id={run_id}", "http_after_method": "PUT", "http_after_states": "failed",
         "http_poll_run_id_path": "id"}
WITH_ID = answer(202, '{"id":"r 1"}')
plan("cut", timeout_seconds=1, kickoff=ACCEPTED, poll=RUNNING, cancel=answer(204), **CANCEL)
plan("cut, and not cancelled", timeout_seconds=1, kickoff=ACCEPTED, poll=RUNNING, cancel=answer(500), **CANCEL)
plan("not cut", kickoff=ACCEPTED, poll=ENDED, cancel=answer(204), **CANCEL)
plan("after a failure", kickoff=WITH_ID, poll=FAILED, after=answer(500), **AFTER)
plan("after with a body", kickoff=WITH_ID, poll=ENDED, after=answer(204), http_after_url_template="{0}/after",
     http_after_body='{"run":"{run_id}"}', http_poll_run_id_path="id")
plan("after another state", kickoff=WITH_ID, poll=ENDED, after=answer(200), **AFTER)
plan("after the fetch", kickoff=WITH_ID, poll=ENDED, result=answer(200, "1"), after=answer(200),
     http_result_url_template="{0}/result", **{**AFTER, "http_after_states": "completed"})


@test("a run that times out is cancelled once, whatever that call is answered, and no other run is")
def _():
    for name in ("cut", "cut, and not cancelled"):
        RUNS[name].is_one("timed_out", None, "poll_timeout", "poll exceeded timeout of 1s" if name == "cut" else None)
        body = json.dumps({"of": name.replace(" ", "-")}, separators=(",", ":")).encode()
        equal(bodies(name, "cancel"), [("PATCH", path_of(name, "cancel"), body)])
    equal(count("not cut", "cancel"), 0)


@test("an after call is made for its states, behind the fetch, and what it is answered changes nothing")
def _():
    RUNS["after a failure"].is_one("failed", 1, "backend_failed")
    equal(bodies("after a failure", "after"), [("PUT", path_of("after a failure", "after") + "?id=r%201", b"")])
    equal(bodies("after with a body", "after"), [("POST", path_of("after with a body", "after"), b'{"run":"r 1"}')])
    equal(count("after another state", "after"), 0)
    RUNS["after the fetch"].is_one(*OK)
    fetch, = STAGE.requests(path_of("after the fetch", "result"))
    after, = STAGE.requests(path_of("after the fetch", "after"))
    equal(fetch.at < after.at, True)


# ---- keys of kickoffs, bodies, variables ----

plan("key", kickoff=ACCEPTED, poll=ENDED)
plan("key of another name", kickoff=ACCEPTED, poll=ENDED, http_idempotency_header="X-Request-Id")
plan("no key", kickoff=ACCEPTED, poll=ENDED, http_idempotency_header="")
plan("filled", kind="http", http_url="{0}/of/{var.who}", http_body='{"w":"{var.who}","i":"{invocation_id}"}',
     var_who='a/b "c"')
STAGE.on(path_of("filled") + "/of/a%2Fb%20%22c%22", answer(200, "{}"))
for _again in ("once", "twice"):
    RUNS.plan(f"same id {_again}", {**message("same id", http_url=url_of("same id"))})
STAGE.on(path_of("same id"), answer(200, "{}"))


@rows("a kickoff alone bears {0}", [("key", "Idempotency-Key"), ("key of another name", "X-Request-Id")])
def _(name, header):
    RUNS[name].is_one(*OK)
    equal([r.header(header) for r in STAGE.requests(path_of(name))], [name.replace(" ", "-")])
    equal([r.header(header) for r in STAGE.requests(path_of(name, "poll"))], [None])
    if header != "Idempotency-Key":
        equal(STAGE.requests(path_of(name))[0].header("Idempotency-Key"), None)


@test("a kickoff bears no key where none is wanted; two messages with one id are two runs under one key")
def _():
    RUNS["no key"].is_one(*OK)
    equal([r.header("Idempotency-Key") for r in STAGE.requests(path_of("no key"))], [None])
    for name in ("same id once", "same id twice"):
        RUNS[name].is_one("succeeded", 200)
    equal([r.header("Idempotency-Key") for r in STAGE.requests(path_of("same id"))], ["same-id"] * 2)


@test("variables are filled as URLs and bodies need it")
def _():
    RUNS["filled"].is_one("succeeded", 200)
    request, = STAGE.requests(path_of("filled") + "/of/a%2Fb%20%22c%22")
    equal(json.loads(request.body), {"w": 'a/b "c"', "i": "{invocation_id}"})  # the message could have said it itself


# ---- headers and secrets ----

HEADED = {"http_header.X-Team": "blue", "http_header.Authorization": "Bearer ${secret:KEY}"}
NAMED = {"http_poll_url_template": None, "http_poll_url_header": "Location"}
(SECRETS / "KEY").write_text(VALUE + "\n")
for _name, _path in (("TOKEN", "/token"), ("SLOW", "/slow")):
    (SECRETS / f"{_name}.oauth2.json").write_text(json.dumps(
        {"token_url": TOKENS.url(_path), "client_id": "w", "client_secret": VALUE}))
TOKENS.on("/token", answer(200, '{"access_token":"t0ken-of-this-test","token_type":"Bearer","expires_in":3600}'))
TOKENS.on("/slow", STALL)
plan("headers", kickoff=ACCEPTED, poll=ENDED, **HEADED)
plan("headers elsewhere", kickoff=answer(202, Location=ELSEWHERE.url("/op")), **NAMED, **HEADED)
plan("headers where a message says so", kickoff=ACCEPTED, http_poll_url_template=ELSEWHERE.url("/said"),
     **{"http_header.X-Team": "blue"})
plan("a secret that is not for that place", kickoff=ACCEPTED, http_poll_url_template=ELSEWHERE.url("/denied"), **HEADED)
ELSEWHERE.on("/op", ENDED)
ELSEWHERE.on("/said", ENDED)
WITH_TOKEN = [f"token {n}" for n in range(10)]
for _name in WITH_TOKEN:
    plan(_name, kickoff=ACCEPTED, poll=ENDED, **{"http_header.Authorization": "Bearer ${secret:TOKEN}"})


def headers_of(requests):
    return [(request.header("X-Team"), request.header("Authorization")) for request in requests]


@test("headers go to the origins that the message names, and to none that a backend names")
def _():
    for name in ("headers", "headers elsewhere", "headers where a message says so"):
        RUNS[name].is_one(*OK, polls=1)
    both = [("blue", "Bearer " + VALUE)]
    equal(headers_of(STAGE.requests(path_of("headers")) + STAGE.requests(path_of("headers", "poll"))), both * 2)
    equal(headers_of(STAGE.requests(path_of("headers elsewhere"))), both)
    equal(headers_of(ELSEWHERE.requests("/op")), [(None, None)])
    equal(headers_of(ELSEWHERE.requests("/said")), [("blue", None)])


@test("a secret that may not go where the message sends it stops the run before anything leaves, and no value is told")
def _():
    RUNS["a secret that is not for that place"].is_one("rejected", None, "secret_denied", polls=0)
    equal(count("a secret that is not for that place"), 0)
    for text in (ALL.worker.output(), json.dumps(list(ALL.records.values()))):
        lacks(text, VALUE, "t0ken-of-this-test")


@test("one token serves all runs that need it")
def _():
    for name in WITH_TOKEN:
        RUNS[name].is_one(*OK)
        equal(headers_of(STAGE.requests(path_of(name)) + STAGE.requests(path_of(name, "poll"))), [(None, "Bearer t0ken-of-this-test")] * 2)
    equal(len(TOKENS.requests("/token")), 1)


# ---- too late, while queued ----

profile("slowly", {"http.url": STAGE.url("/slowly/{var.n}")}, kickoffs_per_second=0.02)
RATED, TOKENLESS, CROWDED = ([f"{what} {n}" for n in range(4)] for what in ("rated", "tokenless", "crowded"))
for _n, _name in enumerate(RATED):
    STAGE.on(f"/slowly/{_n}", answer(200, "{}"))
    RUNS.plan(_name, lambda name=_name, n=_n: message(name, "slowly", var_n=str(n), rxp_start_before=soon(QUEUED_SECONDS)))
STAGE.on("/tokenless", answer(200, "{}"))
for _name in TOKENLESS:
    RUNS.plan(_name, lambda name=_name: message(
        name, http_url=STAGE.url("/tokenless"), rxp_start_before=soon(QUEUED_SECONDS),
        **{"http_header.Authorization": "${secret:SLOW}"}))
profile("crowded", {"http.url": ELSEWHERE.url("/crowded/{var.n}")})
for _n, _name in enumerate(CROWDED):
    ELSEWHERE.on(f"/crowded/{_n}", STALL)
    ONLY.plan(_name, lambda name=_name, n=_n: message(name, "crowded", timeout_seconds=QUEUED_SECONDS + 3, var_n=str(n),
                                                      rxp_start_before=soon(QUEUED_SECONDS)))


@rows("a run whose start_before passes while it waits for {0} is not started", [
    ("its profile's rate", ALL, RATED, 1, lambda n: STAGE.requests(f"/slowly/{n}")),
    ("a token", ALL, TOKENLESS, 0, lambda n: STAGE.requests("/tokenless")),
    ("a connection", ONLY, CROWDED, 2, lambda n: ELSEWHERE.requests(f"/crowded/{n}")),
])
def _(what, runs, names, most, requests):
    runs.start()
    gone = [name for n, name in enumerate(names) if requests(n)]
    equal(len(gone) <= most, True, f"{gone} went")
    for name in names:
        if name not in gone:
            runs[name].is_one("timed_out", None, "start_expired", polls=0)
        elif what == "a connection":
            runs[name].is_one("timed_out", None, "kickoff_timeout", polls=0)
        else:
            runs[name].is_one("succeeded", 200)


# ---- profiles alone ----

profile("owned", {
    "http.url": STAGE.url("/owned/{var.model}"), "http.poll_url_template": STAGE.url("/owned/runs/{run_id}"),
    "http.poll_run_id_path": "id", "http.poll_status_path": "status", "http.poll_terminal_states": "completed",
    "http.poll_interval_seconds": "0.1", "http.header.Authorization": "Bearer ${secret:KEY}"}, runtime_kind="http_async")
STAGE.on("/owned/m-1", answer(202, '{"id":"7"}'))
STAGE.on("/owned/runs/7", RUNNING, ENDED)
ONLY.plan("owned", message("owned", "owned", "http_async", http_body="[1]", var_model="m-1", tenant="t"))
ONLY.plan("says more", message("says more", "owned", "http_async", var_model="m-1", http_url=STAGE.url("/owned/m-1")))
ONLY.plan("of another kind", message("of another kind", "owned", "http", var_model="m-1"))
ONLY.plan("without its variable", message("without its variable", "owned", "http_async"))
ONLY.plan("nobody", message("nobody", "nobody", http_url=STAGE.url("/owned/m-1")))


@test("with profiles=only a message needs an id, a name, a body and variables")
def _():
    ONLY["owned"].is_one(*OK, polls=2, run_id="7")
    equal(ONLY["owned"].metadata["tenant"], "t")
    kickoff, = STAGE.requests("/owned/m-1")
    equal((kickoff.body, kickoff.header("Authorization")), (b"[1]", "Bearer " + VALUE))


@rows("with profiles=only a message is refused that {0}", [
    ("says more", "says more", "invalid_metadata", "http.url"),
    ("is of another kind", "of another kind", "unsupported_kind", "owned.json"),
    ("lacks a variable", "without its variable", "missing_metadata", "var.model"),
    ("has no profile", "nobody", "unknown_profile", "nobody"),
])
def _(_what, name, code, says):
    ONLY[name].is_one("rejected", None, code, polls=0)
    holds(ONLY[name].result["error_summary"], says)


# ---- all of it ----


@test("each input has one result and is committed, nothing is left of its checkpoints, and the workers end well")
def _():
    for runs in (ALL, ONLY):
        runs.start()
        equal({place: len(found) for place, found in runs.records.items()}, {place: 1 for place in runs.where.values()})
        runs.scene.wait_for_commit()
        equal(len(runs.scene.live_checkpoints()), 0, "live checkpoints")
        equal(runs.exit_status, 0)


if __name__ == "__main__":
    try:
        run_all()
    finally:
        for _runs in (ALL, ONLY):
            _runs.end()
        for _backend in BACKENDS.values():
            _backend.end()
