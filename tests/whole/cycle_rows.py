"""The whole HTTP cycle on the wire: prepare calls, kickoffs that are sent again, Retry-After, named poll URLs, ids that come
late, fetched results, and what is said where one of these breaks. Tests for whoever says what carries the runs out:

    import cycle_rows                          # its tests are registered
    cycle_rows.RUNS.carrier = Executions()     # or anything with plan() and []
    run_all()
"""
import datetime
import json
import re
import socket
import urllib.parse

from stage import DROP, STALL, Stage, answer
from tap import equal, rows, test



class Runs:
    """What the carrier is to carry out, handed to it when the first result is asked for."""

    def __init__(self):
        self.carrier = None
        self._planned = {}

    def plan(self, name, given):
        if name in self._planned:
            raise ValueError(f"two runs are called '{name}'")
        self._planned[name] = given

    def __getitem__(self, name):
        for other, given in self._planned.items():
            self.carrier.plan(other, given)
        self._planned = {}
        return self.carrier[name]


STAGE = Stage()
RUNS = Runs()
OK = ("succeeded", 0)
ENDED = answer(200, '{"status":"completed"}')
FAILED = answer(200, '{"status":"failed"}')
RUNNING = answer(200, '{"status":"running"}')
ACCEPTED = answer(202)
PREPARED = answer(201, '{"session":{"id":"s 1"}}')
BACKEND_FAILED = "backend reported terminal status: failed"


def path_of(name, call=""):
    return "/" + re.sub(r"[^A-Za-z0-9]", "-", name) + (f"/{call}" if call else "")


def url_of(name, call=""):
    return STAGE.url(path_of(name, call))


def plan(name, timeout_seconds=20, kind="http_async", **calls):
    """`calls`: the answers of kickoff, poll, prepare, result, of any other path of the run; and http_*, rxp_* and var_* metadata, in which
    {0} is the run's own URL."""
    keys = {"http.url": url_of(name)}
    if kind == "http_async":
        keys.update({"http.poll_url_template": url_of(name, "poll"), "http.poll_status_path": "status",
                     "http.poll_terminal_states": "completed,failed", "http.poll_interval_seconds": "0.02"})
    for key, value in calls.items():
        if key.startswith(("http_", "rxp_", "var_")):
            keys[key.replace("_", ".", 1)] = value.replace("{0}", url_of(name)) if value is not None else None
        else:
            STAGE.on(path_of(name, "" if key == "kickoff" else key), *(value if isinstance(value, list) else [value]))
    metadata = {key: value for key, value in keys.items() if value is not None}
    RUNS.plan(name, {"invocation_id": name.replace(" ", "-"), "runtime_name": "cycle", "runtime_kind": kind,
                     "working_directory": "/", "command": ["none"], "timeout_seconds": timeout_seconds,
                     "metadata": metadata})


def count(name, call=""):
    RUNS[name]
    return len(STAGE.requests(path_of(name, call)))


def gap(name, calls):
    """Seconds between an answer to the first call and the request of the second."""
    RUNS[name]
    before, after = calls
    answered = STAGE.sent_at(path_of(name, before))[0]
    return min(request.at for request in STAGE.requests(path_of(name, after)) if request.at > answered) - answered


# ---- prepare ----

PREPARING = {"http_prepare_url": "{0}/prepare", "http_prepare_id_path": "session.id"}
plan("prepare", prepare=PREPARED, kickoff=ACCEPTED, poll=ENDED, http_prepare_body='{"for":"{invocation_id}"}',
     http_body='{"session":"{prepared_id}"}', **PREPARING)
plan("prepare of http", kind="http", prepare=PREPARED, kickoff=answer(204), **PREPARING)


@test("a prepare call comes first, and its id goes into the kickoff")
def _():
    RUNS["prepare"].is_one(*OK, polls=1)
    prepared, = STAGE.requests(path_of("prepare", "prepare"))
    kickoff, = STAGE.requests(path_of("prepare"))
    equal((prepared.method, prepared.body, kickoff.body), ("POST", b'{"for":"prepare"}', b'{"session":"s 1"}'))
    equal(prepared.at < kickoff.at, True)


@test("a kickoff without polls may be prepared too")
def _():
    RUNS["prepare of http"].is_one("succeeded", 204)
    equal((count("prepare of http", "prepare"), count("prepare of http")), (1, 1))


BROKEN_PREPARES = [
    ("500", answer(500, "boom"), "prepare expected HTTP 2xx, got 500: boom"),
    ("503 without Retry-After", answer(503), "prepare expected HTTP 2xx, got 503"),
    ("no JSON", answer(200, ""), "prepare response is not JSON: it is empty"),
    ("no id", answer(200, "{}"), "prepare response has no field at path 'session.id'"),
    ("an object", answer(200, '{"session":{"id":{}}}'),
     "prepare response has an object at path 'session.id', where a prepared id is due"),
    ("a close", DROP, re.compile("prepare call to .*/prepare failed: .+")),
    ("endless Retry-After", answer(503, Retry_After="86400"),
     "prepare expected HTTP 2xx, got 503 (Retry-After: 86400)"),
]
for what, reply, _ in BROKEN_PREPARES:
    plan(f"prepare with {what}", prepare=reply, kickoff=ACCEPTED, poll=ENDED, **PREPARING)


@rows("a prepare call with {0} breaks the run, and nothing is kicked off", BROKEN_PREPARES)
def _(what, _reply, sentence):
    RUNS[f"prepare with {what}"].is_one("failed", None, "prepare_failed", sentence, polls=0)
    equal((count(f"prepare with {what}", "prepare"), count(f"prepare with {what}")), (1, 0))


# ---- a kickoff that is sent again ----

ASKS = answer(503, "busy", Retry_After="1")
plan("again", kickoff=[ASKS, ACCEPTED], poll=ENDED)
plan("again after 429", kickoff=[answer(429, Retry_After="0"), ACCEPTED], poll=ENDED)
plan("again and again", kickoff=answer(503, "busy", Retry_After="0"), poll=ENDED, http_kickoff_max_retries="2")
plan("again of http", kind="http", kickoff=answer(503, "busy", Retry_After="0"), http_kickoff_max_retries="1")
plan("prepare again", prepare=[answer(503, Retry_After="0"), PREPARED], kickoff=ACCEPTED, poll=ENDED, **PREPARING)
plan("never again", kickoff=answer(503, "busy", Retry_After="0"), poll=ENDED, http_kickoff_max_retries="0")
plan("not asked again", kickoff=answer(503, "busy"), poll=ENDED)
plan("closed", kickoff=DROP, poll=ENDED)
plan("no time for another", timeout_seconds=1, kickoff=answer(503, Retry_After="60"), poll=ENDED)


@test("a kickoff is sent again after the Retry-After that its refusal names")
def _():
    RUNS["again"].is_one(*OK, polls=1)
    equal(count("again"), 2)
    first, second = STAGE.requests(path_of("again"))
    equal(second.at - first.at >= 0.95, True, f"waited a second, and not {second.at - first.at} s")
    equal(first.header("Idempotency-Key"), second.header("Idempotency-Key"))


@test("429 asks for it as well, and a prepare call is sent again by the same rules")
def _():
    RUNS["again after 429"].is_one(*OK, polls=1)
    RUNS["prepare again"].is_one(*OK, polls=1)
    equal((count("again after 429"), count("prepare again", "prepare"), count("prepare again")), (2, 2, 1))


@test("it is sent again within a budget, and the last refusal is told")
def _():
    refusal = "kickoff expected HTTP 200 or 202, got 503: busy (Retry-After: 0)"
    RUNS["again and again"].is_one("failed", None, "kickoff_status", f"{refusal} (after 3 attempts)", polls=0)
    RUNS["never again"].is_one("failed", None, "kickoff_status", refusal, polls=0)
    RUNS["again of http"].is_one(
        "failed", 503, "kickoff_status",
        "kickoff expected HTTP 2xx, got 503: busy (Retry-After: 0) (after 2 attempts)", polls=0)
    equal((count("again and again"), count("never again"), count("again of http")), (3, 1, 2))


@test("a kickoff that may have been taken is never sent again")
def _():
    RUNS["not asked again"].is_one("failed", None, "kickoff_status", "kickoff expected HTTP 200 or 202, got 503: busy")
    RUNS["closed"].is_one("failed", None, "kickoff_network")
    equal((count("not asked again"), count("closed")), (1, 1))


@test("the run's time goes on while a kickoff waits to be sent again")
def _():
    RUNS["no time for another"].is_one("timed_out", None, "kickoff_timeout", "kickoff exceeded timeout of 1s", polls=0)
    equal(count("no time for another"), 1)


with socket.create_server(("127.0.0.1", 0)) as closed:
    NOBODY = f"http://127.0.0.1:{closed.getsockname()[1]}/"
plan("nobody there", http_url=NOBODY, http_kickoff_max_retries="1")


@test("a kickoff that found no connection is sent again within the budget")
def _():
    RUNS["nobody there"].is_one("failed", None, "kickoff_network",
                                re.compile(f"kickoff to {NOBODY} failed: .+ \\(after 2 attempts\\)"), polls=0)


# ---- codes that accept, Retry-After, waits ----

plan("accepted by 409", kickoff=answer(409, "there is one"), poll=ENDED, http_kickoff_accept_codes="200,201,409")
plan("not accepted", kickoff=answer(202), poll=ENDED, http_kickoff_accept_codes="200,201,409")
plan("first poll later", kickoff=answer(202, Retry_After="1"), poll=ENDED)
plan("next poll later", kickoff=ACCEPTED, poll=[answer(200, '{"status":"running"}', Retry_After="1"), ENDED])
plan("poll refused", kickoff=ACCEPTED, poll=[answer(429, Retry_After="1"), ENDED])
plan("waits grow", kickoff=ACCEPTED, poll=[RUNNING] * 4 + [ENDED], http_poll_interval_seconds="0.1",
     http_poll_backoff_factor="2", http_poll_max_interval_seconds="0.4")


@test("the plan's codes accept a kickoff, and no others")
def _():
    RUNS["accepted by 409"].is_one(*OK, polls=1)
    RUNS["not accepted"].is_one("failed", None, "kickoff_status",
                                "kickoff expected HTTP 200, 201 or 409, got 202; if that is no failure, name it in "
                                "http.kickoff_accept_codes")


@rows("Retry-After of {0} is waited for", [("kickoff", "first poll later", ("", "poll")),
                                           ("a poll that is pending", "next poll later", ("poll", "poll")),
                                           ("a poll that fails", "poll refused", ("poll", "poll"))])
def _(_what, name, calls):
    RUNS[name].is_one(*OK)
    equal(gap(name, calls) >= 0.95, True, "waited")


@test("waits grow by their factor up to their ceiling")
def _():
    RUNS["waits grow"].is_one(*OK, polls=5)
    at = [request.at for request in STAGE.requests(path_of("waits grow", "poll"))]
    answered = STAGE.sent_at(path_of("waits grow", "poll"))
    for wait, before, after in zip((0.1, 0.2, 0.4, 0.4), answered, at[1:]):
        equal(after - before >= wait - 0.02, True, f"waited {wait} s")


# ---- poll URLs by a header ----

NAMED = {"http_poll_url_template": None, "http_poll_url_header": "Operation-Location"}
plan("named", kickoff=answer(202, Operation_Location="named/op?sig=1"), op=ENDED, **NAMED)
plan("named anew", kickoff=answer(202, Operation_Location="/named-anew/a"), http_poll_pending_codes="202",
     a=answer(202, Operation_Location="b"), b=ENDED, **NAMED)
plan("not named", kickoff=ACCEPTED, **NAMED)
plan("not named but known", kickoff=ACCEPTED, poll=ENDED, http_poll_url_header="Location")
plan("badly named", kickoff=answer(202, Operation_Location="ftp://u:p@h/x?sig=1"), **NAMED)
plan("badly named by a poll", kickoff=answer(202, Operation_Location="/badly-named-by-a-poll/a"),
     a=answer(200, '{"status":"running"}', Operation_Location="http://[oops/"), **NAMED)


@test("a header names the poll URL, and a later one replaces it")
def _():
    RUNS["named"].is_one(*OK, polls=1)
    equal(STAGE.requests(path_of("named", "op"))[0].target, path_of("named", "op") + "?sig=1")
    RUNS["named anew"].is_one(*OK, polls=2)
    RUNS["not named but known"].is_one(*OK, polls=1)


@test("a poll URL that is not named, or is none, breaks the run")
def _():
    RUNS["not named"].is_one("failed", None, "poll_url_missing",
                             "kickoff response has no header 'Operation-Location', which was to name the poll URL, "
                             "and there is no http.poll_url_template", polls=0)
    invalid = "response names no URL that can be polled in its header 'Operation-Location': "
    RUNS["badly named"].is_one("failed", None, "poll_url_invalid", f"kickoff {invalid}ftp://h/x", polls=0)
    RUNS["badly named by a poll"].is_one("failed", None, "poll_url_invalid", f"poll {invalid}http://[oops/", polls=1)


# ---- what polls say ----

plan("missing status", kickoff=ACCEPTED,
     poll=[answer(200, "{}"), answer(200, '{"done":null}'), answer(200, '{"done":true}')], http_poll_status_path="done", http_poll_terminal_states="true", http_poll_success_states="true",
     http_poll_missing_status="pending")
plan("gone", kickoff=ACCEPTED, poll=[answer(404), RUNNING, answer(404)], http_poll_pending_codes="404")
plan("believed no longer", kickoff=ACCEPTED, poll=answer(404), http_poll_pending_codes="404",
     http_poll_pending_seconds="0.2")
plan("by POST", kickoff=ACCEPTED, poll=[RUNNING, ENDED], http_poll_method="POST")
plan("fails and passes", kickoff=ACCEPTED, poll=[answer(503), answer(500), RUNNING, answer(502), answer(408), ENDED],
     http_poll_max_failures="2")
plan("fails too often", kickoff=ACCEPTED, poll=[RUNNING, answer(503, "no"), answer(503, "no"), ENDED],
     http_poll_max_failures="1")
plan("part of the end", kickoff=ACCEPTED, poll=answer(200, '{"status":"completed","out":{"n":[1.50]}}'),
     http_result_path="out.n")
plan("prepared by PUT", prepare=PREPARED, kickoff=ACCEPTED, poll=ENDED, http_prepare_method="PUT", **PREPARING)
plan("message", kickoff=ACCEPTED, poll=answer(200, '{"status":"failed","error":{"message":"out of\\ntea"}}'),
     http_poll_error_path="detail, error.message")
plan("late id", kickoff=ACCEPTED, poll=[answer(200, '{"status":"running","run":{"id":"r/1"}}'),
                                        answer(200, '{"status":"completed","run":{"id":"r2"}}')],
     http_late_run_id_path="run.id", http_result_url_template="{0}/result?of={run_id}",
     result=answer(200, '{"answer": 42.0}'))


@test("a status that is missing may mean that the run goes on")
def _():
    RUNS["missing status"].is_one(*OK, polls=3, state="true")


@test("a pending code is believed for a time, and not after a poll was answered with 200")
def _():
    where = f" (polled {url_of('gone', 'poll')})"
    RUNS["gone"].is_one("failed", None, "poll_status", f"poll expected HTTP 200, got 404{where}; as a pending code it "
                        "counts only until a poll is answered with 200", polls=3)
    RUNS["believed no longer"].is_one("failed", None, "poll_status",
                                      re.compile(".*; as a pending code it counts no longer .*"))


@test("polls and prepare calls are made by the method that the plan names")
def _():
    RUNS["by POST"].is_one(*OK, polls=2)
    equal([request.method for request in STAGE.requests(path_of("by POST", "poll"))], ["POST", "POST"])
    RUNS["prepared by PUT"].is_one(*OK, polls=1)
    equal(STAGE.requests(path_of("prepared by PUT", "prepare"))[0].method, "PUT")


@test("polls that fail in a row are survived within the plan's budget, which each other answer renews")
def _():
    RUNS["fails and passes"].is_one(*OK, polls=6)
    where = f" (polled {url_of('fails too often', 'poll')})"
    RUNS["fails too often"].is_one("failed", None, "poll_status",
                                   f"poll expected HTTP 200, got 503: no{where} (after 2 consecutive failures)", polls=3)


@test("a part of the last poll's body may be the result, as it stands there")
def _():
    RUNS["part of the end"].is_one(*OK, polls=1)
    equal(RUNS["part of the end"].metadata["http.result"], "[1.50]")


@test("a failure is told with the backend's own message")
def _():
    RUNS["message"].is_one("failed", 1, "backend_failed", f"{BACKEND_FAILED}: out of\\ntea", state="failed")


@test("a run id that comes with a poll is kept for the fetch")
def _():
    RUNS["late id"].is_one(*OK, polls=2, run_id="r/1")
    equal(RUNS["late id"].metadata["http.result"], '{"answer": 42.0}')
    fetch, = STAGE.requests(path_of("late id", "result"))
    equal(urllib.parse.parse_qs(fetch.target.partition("?")[2]), {"of": ["r/1"]})


# ---- fetched results ----

FETCHING = {"http_result_url_template": "{0}/result", "http_poll_max_failures": "1"}
FETCHES = [
    ("JSON", answer(200, ' [1.0]\n'), "[1.0]"),
    ("a text", answer(200, 'say "hi"'), '"say \\"hi\\""'),
    ("one that fails once", [answer(503), answer(200, "7")], "7"),
]
for what, reply, _ in FETCHES:
    plan(f"fetch of {what}", kickoff=ACCEPTED, poll=ENDED, result=reply, **FETCHING)
plan("fetch of a field", kickoff=ENDED, result=answer(200, '{"a":{"b":"c"}}'), http_result_path="a.b", **FETCHING)
plan("large fetch", kickoff=ACCEPTED, poll=ENDED, result=answer(200, json.dumps("x" * 300000)), **FETCHING)
plan("broken fetch", kickoff=ACCEPTED, poll=ENDED, result=answer(404, "no"), **FETCHING)
plan("fetch that goes on failing", kickoff=ACCEPTED, poll=ENDED, result=answer(503, "no"), **FETCHING)
plan("slow fetch", timeout_seconds=1, kickoff=ACCEPTED, poll=ENDED, result=STALL, **FETCHING)
plan("fetch of a failure", kickoff=ACCEPTED, poll=FAILED, result=answer(200, "7"), http_result_states="*", **FETCHING)
plan("no fetch of a failure", kickoff=ACCEPTED, poll=FAILED, result=answer(200, "7"), **FETCHING)
plan("broken fetch of a failure", kickoff=ACCEPTED, poll=FAILED, result=answer(404), http_result_states="*", **FETCHING)


@rows("a result is fetched: {0}", FETCHES)
def _(what, _reply, result):
    run = RUNS[f"fetch of {what}"]
    run.is_one(*OK, polls=1, state="completed")
    equal(run.metadata["http.result"], result)


@test("a field of it may be the result, also of a run that its kickoff ended")
def _():
    RUNS["fetch of a field"].is_one(*OK, polls=0)
    equal(RUNS["fetch of a field"].metadata["http.result"], '"c"')


@test("a result that is too large is left out, and the run has succeeded")
def _():
    RUNS["large fetch"].is_one(*OK, polls=1)
    equal(RUNS["large fetch"].metadata.get("http.result"), None)
    equal(RUNS["large fetch"].metadata["http.result_truncated"], "true")


@test("a success whose result cannot be fetched is none")
def _():
    asked = f"(asked {url_of('broken fetch', 'result')})"
    RUNS["broken fetch"].is_one("failed", None, "result_fetch", f"result fetch expected HTTP 200, got 404: no {asked}",
                                polls=1, state="completed")
    RUNS["fetch that goes on failing"].is_one("failed", None, "result_fetch",
                                              re.compile(".*got 503: no .* \\(after 2 consecutive failures\\)"))
    equal(count("fetch that goes on failing", "result"), 2)
    RUNS["slow fetch"].is_one("timed_out", None, "poll_timeout", "result fetch exceeded timeout of 1s",
                              state="completed")


@test("a failure stays one, whatever becomes of its fetch")
def _():
    RUNS["fetch of a failure"].is_one("failed", 1, "backend_failed", BACKEND_FAILED)
    equal(RUNS["fetch of a failure"].metadata["http.result"], "7")
    RUNS["no fetch of a failure"].is_one("failed", 1, "backend_failed", BACKEND_FAILED)
    equal(count("no fetch of a failure", "result"), 0)
    asked = f"(asked {url_of('broken fetch of a failure', 'result')})"
    RUNS["broken fetch of a failure"].is_one(
        "failed", 1, "backend_failed", f"{BACKEND_FAILED}; result fetch expected HTTP 200, got 404 {asked}")


# ---- too late ----

PAST = "2001-02-03T04:05:06Z"
plan("too late", kickoff=ACCEPTED, poll=ENDED, rxp_start_before=PAST)
SOON = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=600)).strftime("%Y-%m-%dT%H:%M:%SZ")
plan("in time", kickoff=ACCEPTED, poll=ENDED, rxp_start_before=SOON)


@test("a run is not started after its rxp.start_before")
def _():
    RUNS["too late"].is_one("timed_out", None, "start_expired",
                            "not kicked off by 2001-02-03T04:05:06.000Z: rxp.start_before has passed", polls=0)
    equal(count("too late"), 0)
    RUNS["in time"].is_one(*OK, polls=1)
