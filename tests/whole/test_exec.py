#!/usr/bin/python3
"""One invocation without Kafka, against the simulated backend: its outcome, and every request as the backend recorded
it. What needs an answer scripted to the byte is in test_exec_wire.py."""
import json
import pathlib
import re
import tempfile
import urllib.parse

from execution import Executions
from stage import header_values
from tap import equal, lacks, rows, run_all, test
from worker import Backend, invocation, run_command

FOLDER = tempfile.TemporaryDirectory(prefix="rxp-exec-")
RECORD = pathlib.Path(FOLDER.name) / "requests"
BACKEND = Backend(record=RECORD)
RUNS = Executions()
OK = ("succeeded", 0)
VERSION = re.match(r"rxp-worker (\S+)", run_command("--version").stdout).group(1)

_records = []


def records():
    """What the backend saw in all of RUNS. It ends with that, since its record is whole only then."""
    if not _records:
        RUNS.wait()
        equal(BACKEND.stop(), 0)
        _records.extend(json.loads(line) for line in RECORD.read_text().splitlines())
    return _records


def id_of(name):
    """Of an execution; one that is a header's value as it stands."""
    return name.replace(" ", "-")


def requests_of(name):
    """(kickoffs, polls) of an execution: each poll has the id in its query."""
    mine = urllib.parse.quote(id_of(name), safe="-._~")
    kickoffs = [record for record in records() if record.get("key") == id_of(name)]
    polls = [record for record in records() if record.get("query", "").split("&")[0] == f"i={mine}"]
    return kickoffs, polls


def usual(name, simulate=None, change=None, timeout_seconds=30, **metadata):
    """An invocation of the backend, which is done at its first poll unless `simulate` says otherwise. `change` are
    fields of the invocation; None takes one away."""
    keys = {"http_poll_url_template": BACKEND.url("/runs/{run_id}") + "?i={invocation_id}",
            "http_poll_interval_seconds": "0.05", **metadata}
    made = invocation(id_of(name), BACKEND, {"seconds": 0, **(simulate or {})}, timeout_seconds, **keys)
    for field, value in (change or {}).items():
        made[field] = value
        if value is None:
            del made[field]
    return made


# ---- the cycle: sentence, what the backend shall do, metadata, outcome, what else the result says ----

DROPPED = "polls whose connection is dropped at first"
CYCLE = [
    ("a run that completes", {}, {}, OK, {"polls": 1, "state": "completed"}),
    ("a run that takes its time", {"seconds": 0.4}, {}, OK, {"state": "completed"}),
    ("a run that fails", {"outcome": "failed"}, {},
     ("failed", 1, "backend_failed", "backend reported terminal status: failed"), {"polls": 1, "state": "failed"}),
    ("a run that was cancelled there", {"outcome": "cancelled"}, {},
     ("failed", 1, "backend_failed", "backend reported terminal status: cancelled"), {"state": "cancelled"}),
    ("a run that ends in another success state", {"outcome": "done"},
     {"http_poll_terminal_states": " failed ,\tdone,", "http_poll_success_states": " , completed , done "}, OK,
     {"polls": 1, "state": "done"}),
    ("a terminal state that is no longer a success", {"outcome": "completed"},
     {"http_poll_terminal_states": "completed,done", "http_poll_success_states": "done"},
     ("failed", 1, "backend_failed", "backend reported terminal status: completed"), {}),
    ("a terminal number", {"outcome": "3", "bare": 1},
     {"http_poll_terminal_states": "3,4", "http_poll_success_states": "3"}, OK, {"state": "3"}),
    ("a terminal number that is a failure", {"outcome": "-1.50", "bare": 1},
     {"http_poll_terminal_states": "0,-1.50", "http_poll_success_states": "0"},
     ("failed", 1, "backend_failed", "backend reported terminal status: -1.50"), {"state": "-1.50"}),
    ("a terminal true", {"seconds": 0.2, "outcome": "true", "running": "false", "bare": 1},
     {"http_poll_terminal_states": "true", "http_poll_success_states": "true"}, OK, {"state": "true"}),
    ("a terminal false", {"outcome": "false", "bare": 1},
     {"http_poll_terminal_states": "true,false", "http_poll_success_states": "true"},
     ("failed", 1, "backend_failed", "backend reported terminal status: false"), {"state": "false"}),
    ("a status further down", {"status_field": "data.state"}, {"http_poll_status_path": "data.state"}, OK, {}),
    ("a status path with empty segments", {"status_field": "data.state"},
     {"http_poll_status_path": ".data..state."}, OK, {}),
    ("a pending code", {"seconds": 0.3, "pending": 404}, {"http_poll_pending_codes": " 404 , 425"}, OK, {}),
    ("a pending code of a failure that may pass", {"seconds": 0.3, "pending": 503},
     {"http_poll_pending_codes": "503", "http_poll_max_failures": "0"}, OK, {}),
    ("a kickoff that is answered with 200 and the outcome", {"instant": 1, "code": 200}, {}, OK,
     {"polls": 0, "state": "completed"}),
    ("a kickoff that is answered with 200 and a failure", {"instant": 1, "code": 200, "outcome": "failed"}, {},
     ("failed", 1, "backend_failed", "backend reported terminal status: failed"), {"polls": 0}),
    ("a job, whose one answer is the outcome", {"instant": 1, "code": 200, "kickoff_delay": 0.2, "run_id": "j"}, {}, OK,
     {"polls": 0, "run_id": "j"}),
    ("a kickoff that is answered with 200 and the outcome, but no run id",
     {"instant": 1, "code": 200, "run_id_type": "missing"}, {}, OK, {"polls": 0, "run_id": None}),
    ("a kickoff that is answered with 200 and no outcome", {"code": 200}, {}, OK, {"polls": 1}),
    ("a kickoff that is answered with 202 and the outcome is polled all the same", {"instant": 1}, {}, OK,
     {"polls": 1}),
    ("a kickoff whose answer is not JSON, where nothing is needed of it", {"garbage": "kickoff"},
     {"http_poll_url_template": BACKEND.url("/runs/x") + "?i={invocation_id}"},
     ("failed", None, "poll_status", re.compile(r"poll expected HTTP 200, got 404: .*no run 'x' is known here.*")),
     {"polls": 1, "run_id": None}),
    ("a 200 whose body is not JSON, where nothing is needed of it", {"garbage": "kickoff", "code": 200},
     {"http_poll_url_template": BACKEND.url("/runs/x") + "?i={invocation_id}"},
     ("failed", None, "poll_status"), {"polls": 1}),
    ("a status that is missing", {}, {"http_poll_status_path": "data.run.state"},
     ("failed", None, "status_missing", "poll response has no field at path 'data.run.state'"), {"polls": 1}),
    ("a status that is null", {"outcome": "null", "bare": 1}, {}, ("failed", None, "status_missing"), {"state": None}),
    ("a status that is an object", {"outcome": "{}", "bare": 1}, {}, ("failed", None, "status_missing"), {}),
    ("a status that is an array", {"outcome": "[1]", "bare": 1}, {}, ("failed", None, "status_missing"), {}),
    ("a kickoff that is refused", {"code": 500, "message": "boom"}, {},
     ("failed", None, "kickoff_status", "kickoff expected HTTP 200 or 202, got 500: boom"), {"polls": 0}),
    ("a kickoff that is answered with 201", {"code": 201}, {},
     ("failed", None, "kickoff_status", re.compile("kickoff expected HTTP 200 or 202, got 201: .*")), {"polls": 0}),
    ("a kickoff whose answer is not JSON", {"garbage": "kickoff"}, {},
     ("failed", None, "kickoff_not_json", re.compile("kickoff response is not JSON .*: <html>.*\\\\n")), {"polls": 0}),
    ("a poll whose answer is not JSON", {"garbage": "poll"}, {},
     ("failed", None, "poll_not_json", re.compile("poll response is not JSON .*: <html>.*")), {"polls": 1}),
    ("a kickoff whose connection is dropped", {"drop": "kickoff"}, {},
     ("failed", None, "kickoff_network", re.compile(r"kickoff to http://127\.0\.0\.1:\d+/runs failed: .+")),
     {"polls": 0}),
    (DROPPED, {"drop": "poll", "poll_fail_count": 3}, {}, OK, {}),
    ("a failure budget that is spent", {"poll_fail": 503},
     {"http_poll_max_failures": "2"},
     ("failed", None, "poll_status", re.compile(r"poll expected HTTP 200, got 503: simulated failure \(polled "
                                                r"http://[^?]*\) \(after 3 consecutive failures\)")), {"polls": 3}),
    ("no failure budget", {"poll_fail": 503}, {"http_poll_max_failures": "0"}, ("failed", None, "poll_status"),
     {"polls": 1}),
    ("five transient failures in a row by default", {"poll_fail": 500, "poll_fail_count": 5}, {}, OK, {"polls": 6}),
    ("polls that fail for good", {"poll_fail": 404}, {}, ("failed", None, "poll_status"), {"polls": 1}),
    ("a redirected kickoff", {"redirects": 5}, {}, OK, {"polls": 1}),
    ("one redirect too many", {"redirects": 6}, {},
     ("failed", None, "kickoff_status", "kickoff expected HTTP 200 or 202, got 307: more than 5 redirects"),
     {"polls": 0}),
    ("redirected polls", {"poll_redirects": 5}, {}, OK, {"polls": 1}),
    ("one redirect of a poll too many", {"poll_redirects": 6}, {},
     ("failed", None, "poll_status", re.compile("poll expected HTTP 200, got 307: more than 5 redirects .*")),
     {"polls": 1}),
    ("a redirect to an address that is never reached", {"redirect_to": "http://169.254.169.254/latest?token=x"}, {},
     ("failed", None, "egress_denied", re.compile(r".*169\.254\.169\.254 .* refused whatever is allowed")), {"polls": 0}),
    ("a redirect to another scheme", {"redirect_to": "ftp://127.0.0.1/x"}, {},
     ("failed", None, "kickoff_status", re.compile("kickoff expected HTTP 200 or 202, got 307: .*ftp.*")), {}),
    ("a kickoff answer without end", {"endless": "kickoff"}, {},
     ("failed", None, "response_too_large", re.compile("kickoff to .* failed: .* 1048576 bytes")), {"polls": 0}),
    ("a poll answer without end", {"endless": "poll"}, {},
     ("failed", None, "response_too_large", re.compile("poll of .* failed: .* 1048576 bytes")), {"polls": 1}),
    ("headers without measure", {"headers": 100000, "code": 200}, {},
     ("failed", None, "response_too_large", re.compile("kickoff to .* failed: .*headers.*")), {"polls": 0}),
]

# ---- run ids: sentence, what the backend shall do, path, the id; or the sentence that refuses it ----

HOSTILE = "/..%2F?a=b&c#d \"ü\u20ac\U0001F600\\:@;+'"
RUN_IDS = [
    ("a string", {"run_id": "abc-._~"}, "run_id", "abc-._~", "abc-._~"),
    ("a number beyond 2^53", {"run_id_type": "number", "run_id": "9007199254740993"}, "run_id", "9007199254740993",
     "9007199254740993"),
    ("a number as it is written", {"run_id_type": "number", "run_id": "-1.50e+2"}, "run_id", "-1.50e+2", "-1.50e%2B2"),
    ("true", {"run_id_type": "bool"}, "run_id", "true", "true"),
    ("what a URL would take for its own", {"run_id": HOSTILE}, "run_id", HOSTILE,
     urllib.parse.quote(HOSTILE, safe="-._~")),
    ("three dots", {"run_id": "..."}, "run_id", "...", "..."),
    ("a step up in a path", {"run_id": "../x"}, "run_id", "../x", "..%2Fx"),
    ("512 bytes", {"run_id": "x" * 512}, "run_id", "x" * 512, "x" * 512),
    ("an id further down", {"run_id": "a", "run_id_field": "data.run.id"}, "data.run.id", "a", "a"),
    ("an id behind empty segments", {"run_id": "a", "run_id_field": "data.run.id"}, "..data.run..id", "a", "a"),
]
REFUSED_IDS = [
    ("no field", {"run_id_type": "missing"}, "data.run.id", "run_id_missing",
     "kickoff response has no field at path 'data.run.id'"),
    ("a field of another case", {"run_id": "a"}, "RUN_ID", "run_id_missing",
     "kickoff response has no field at path 'RUN_ID'"),
    ("null", {"run_id_type": "null"}, "run_id", "run_id_invalid",
     "kickoff response has null at path 'run_id', where a run id is due"),
    ("an object", {"run_id_type": "object"}, "run_id", "run_id_invalid",
     "kickoff response has an object at path 'run_id', where a run id is due"),
    ("an array", {"run_id_type": "array"}, "run_id", "run_id_invalid",
     "kickoff response has an array at path 'run_id', where a run id is due"),
    ("an empty string", {"run_id": ""}, "run_id", "run_id_invalid",
     "kickoff response has an empty string at path 'run_id', where a run id is due"),
    ("'.'", {"run_id": "."}, "run_id", "run_id_invalid", re.compile(r"kickoff response has '\.' at path 'run_id', .*")),
    ("'..'", {"run_id": ".."}, "run_id", "run_id_invalid",
     re.compile(r"kickoff response has '\.\.' at path 'run_id', .*")),
    ("513 bytes", {"run_id": "x" * 513}, "run_id", "run_id_invalid",
     re.compile("kickoff response has more bytes at path 'run_id' than the 512 .*")),
]

for sentence, simulate, metadata, _, _ in CYCLE:
    RUNS.plan(sentence, usual(sentence, simulate, **metadata))
for sentence, simulate, path, *_ in [*RUN_IDS, *REFUSED_IDS]:
    RUNS.plan("id: " + sentence, usual("id: " + sentence, simulate, http_poll_run_id_path=path))


@rows("{0}", [(row[0], row) for row in CYCLE])
def _(sentence, row):
    RUNS[sentence].is_one(*row[3], **row[4])


@rows("a run id may be {0}", RUN_IDS)
def _(sentence, _simulate, _path, run_id, segment):
    RUNS["id: " + sentence].is_one(*OK, polls=1, run_id=run_id)
    _, polls = requests_of("id: " + sentence)
    equal([poll["path"] for poll in polls], ["/runs/" + segment])


@rows("a run id must not be {0}", REFUSED_IDS)
def _(sentence, _simulate, _path, error, summary):
    RUNS["id: " + sentence].is_one("failed", None, error, summary, polls=0, run_id=None)
    equal(requests_of("id: " + sentence)[1], [])


REQUESTS = [(row[0], row[1].get("redirects", 0), row[1].get("poll_redirects", 0)) for row in CYCLE]


@rows("every request was counted, and none was sent twice: {0}", REQUESTS)
def _(sentence, redirects, poll_redirects):
    kickoffs, polls = requests_of(sentence)
    equal(len(kickoffs), 1 + min(redirects, 5), "kickoffs")
    # Of a redirected poll only its first request has the id, since the backend names the next URL without it.
    equal(len(polls), 4 if sentence == DROPPED else int(RUNS[sentence].metadata["http.polls"]), "polls")
    hops = [record for record in records() if record.get("query", "").startswith("hop=")
            and record["path"].endswith("/" + (RUNS[sentence].metadata.get("http.run_id") or "-"))]
    equal(len(hops), min(poll_redirects, 5) * len(polls), "hops of polls")


@test("every kickoff has the same few headers, and no body where none was given")
def _():
    for sentence, *_ in CYCLE:
        for record in requests_of(sentence)[0]:
            equal((record["method"], record["path"], record["body"]), ("POST", "/runs", ""))
            equal(sorted(record["headers"]), sorted([
                f"Host: 127.0.0.1:{BACKEND.port}", f"User-Agent: rxp-worker/{VERSION}", "Accept: */*",
                "Content-Length: 0", f"Idempotency-Key: {id_of(sentence)}"]))


@test("every poll has the same few headers, and no body")
def _():
    for sentence, *_ in CYCLE:
        for record in requests_of(sentence)[1]:
            equal((record["method"], record["bytes"]), ("GET", 0))
            equal(sorted(record["headers"]), sorted([
                f"Host: 127.0.0.1:{BACKEND.port}", f"User-Agent: rxp-worker/{VERSION}", "Accept: */*"]))


# ---- kickoffs as they are sent: sentence, metadata, method, body, content type, content length ----

JSON_BODY = ' {"b" : [1.0, 1e2],\n\t"a":"\\u00fc ü", "a":9007199254740993}\r\n'
FORM_BODY = ('{"a":"x y&z=/~*","t":true,"f":false,"n":null,"list":[1,"two",null,true],"none":[],"num":1.50,'
             '"k\\u00fc":"\\u20ac\\n","":"", "a":9007199254740993}')
FORM_SENT = ("a=x+y%26z%3D%2F%7E*&t=true&f=false&n=&list=1&list=two&list=&list=true&num=1.50"
             "&k%C3%BC=%E2%82%AC%0A&=&a=9007199254740993")
KICKOFFS = [
    ("JSON goes byte for byte", {"http_body": JSON_BODY}, "POST", JSON_BODY, "application/json"),
    ("JSON that is named", {"http_body": "3", "http_body_format": "json"}, "POST", "3", "application/json"),
    ("a form", {"http_body": FORM_BODY, "http_body_format": "form"}, "POST", FORM_SENT,
     "application/x-www-form-urlencoded"),
    ("a form without fields", {"http_body": "{}", "http_body_format": "form"}, "POST", "",
     "application/x-www-form-urlencoded"),
    ("no body in any format", {"http_body_format": "form"}, "POST", "", None),
    ("a put", {"http_method": "put", "http_body": "[]"}, "PUT", "[]", "application/json"),
    ("a put without a body", {"http_method": "PUT"}, "PUT", "", None),
    ("a patch", {"http_method": "Patch", "http_body": "null"}, "PATCH", "null", "application/json"),
    ("a get", {"http_method": "get"}, "GET", "", None),
    ("a get with a body", {"http_method": "GET", "http_body": "{}"}, "GET", "{}", "application/json"),
    ("a delete", {"http_method": "dElete"}, "DELETE", "", None),
    ("a method of one's own", {"http_method": "start-Run", "http_body": "1"}, "START-RUN", "1", "application/json"),
    ("a long body", {"http_body": json.dumps("ü" * 500000, ensure_ascii=False)}, "POST", None, "application/json"),
]

for sentence, metadata, *_ in KICKOFFS:
    RUNS.plan("kickoff: " + sentence, usual("kickoff: " + sentence, **metadata))


@rows("a kickoff is sent as it was asked for: {0}", KICKOFFS)
def _(sentence, metadata, method, body, content_type):
    RUNS["kickoff: " + sentence].is_one(*OK, polls=1)
    [kickoff], [poll] = requests_of("kickoff: " + sentence)
    equal((kickoff["method"], kickoff["path"], kickoff["query"]), (method, "/runs", "seconds=0"))
    if body is None:  # too long for the record
        equal(kickoff["bytes"], len(metadata["http_body"].encode()))
        return
    equal(kickoff["body"], body)
    equal(header_values(kickoff["headers"], "Content-Type"), [content_type] if content_type else [])
    has_length = body or content_type or method in ("POST", "PUT", "PATCH")
    equal(header_values(kickoff["headers"], "Content-Length"), [str(len(body.encode()))] if has_length else [])
    equal((poll["method"], poll["body"]), ("GET", ""))


# ---- what else the cycle is told ----

ODD_ID = "an id \u00fc/?%&\""
RUNS.plan("interval", usual("interval", {"seconds": 30}, http_poll_interval_seconds=None, timeout_seconds=3))
RUNS.plan("at once", usual("at once", http_poll_interval_seconds="3600"))
RUNS.plan("budget", usual("budget", {"poll_fail": 429}), "--poll-max-failures", "1")
RUNS.plan("stalled polls", usual("stalled polls", {"stall": "poll", "poll_fail_count": 1}),
          "--poll-timeout-seconds", "0.3")
RUNS.plan("stalls", usual("stalls", {"stall": "poll"}, http_poll_max_failures="0"), "--poll-timeout-seconds", "0.3")
RUNS.plan("slow polls", usual("slow polls", {"slow": "poll"}, http_poll_max_failures="0"),
          "--poll-timeout-seconds", "0.3")
RUNS.plan("patience", usual("patience", {"kickoff_delay": 0.7}), "--poll-timeout-seconds", "0.3",
          "--connect-timeout-seconds", "0.3")
RUNS.plan("proxy", usual("proxy"), environment={
    name: "http://127.0.0.1:1" for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy")})
RUNS.plan("named", usual("named"), "--worker-id", "night shift")
RUNS.plan(ODD_ID, usual(ODD_ID, change={"invocation_id": ODD_ID}))
RUNS.plan("own header", usual("own header", http_idempotency_header="X-Request-Id"))
RUNS.plan("no header", usual("no header", http_idempotency_header=""))
RUNS.plan("other case", usual("other case", {"outcome": "Completed"}, timeout_seconds=2))
RUNS.plan("echo", usual("echo", change={"environment": {"E": "e"}}, **{
    "tenant": "t \u00fc\n", "": "empty", "source.topic": "mine", "worker.id": "mine", "error.code": "mine",
    "resumed": "mine", "HTTP.x": "kept", "httpx": "kept", "zlarge": "z" * 16384, "small": "s"}))


@test("polls are two seconds apart by default")
def _():
    # At 0 s, 2 to 2.2 s, and no more until 3 s.
    RUNS["interval"].is_one("timed_out", None, "poll_timeout", "poll exceeded timeout of 3s", polls=2, state="running")
    _, polls = requests_of("interval")
    gap = polls[1]["ms"] - polls[0]["ms"]
    equal(1995 <= gap, True, f"{gap} ms")


@test("the first poll comes at once")
def _():
    RUNS["at once"].is_one(*OK, polls=1)


@test("the worker's budget of transient failures holds where the invocation names none")
def _():
    RUNS["budget"].is_one("failed", None, "poll_status", polls=2)


@test("a stalled poll is a failure that may pass")
def _():
    RUNS["stalled polls"].is_one(*OK, polls=2)


@rows("{0} end at last", [("stalls",), ("slow polls",)])
def _(name):
    RUNS[name].is_one("failed", None, "poll_network",
                      re.compile(r"poll of http://127\.0\.0\.1:\d+/runs/\S+ failed: no answer within 0\.3 s"), polls=1)


@test("a kickoff may take longer than a poll or a connection")
def _():
    RUNS["patience"].is_one(*OK, polls=1)


@test("proxies of the environment are ignored")
def _():
    RUNS["proxy"].is_one(*OK)


@test("worker.id is exec, or what it was told")
def _():
    equal(RUNS["at once"].metadata["worker.id"], "exec")
    equal(RUNS["named"].metadata["worker.id"], "night shift")


@test("an invocation id is encoded in the poll's URL, and in its header as far as need be")
def _():
    RUNS[ODD_ID].is_one(*OK)
    equal(RUNS[ODD_ID].result["invocation_id"], ODD_ID)
    equal([record["query"] for record in records() if record.get("query", "").startswith("i=an%20")],
          ["i=an%20id%20%C3%BC%2F%3F%25%26%22"])
    equal([record["key"] for record in records() if record.get("key", "").startswith("an%20")],
          ["an%20id%20%C3%BC/?%25&\""])


@test("the header that carries the invocation id can be named, and turned off")
def _():
    for name, expected in (("own header", ["own header"]), ("no header", [])):
        RUNS[name].is_one(*OK)
        equal(requests_of(name)[0], [], "with the usual header")
    named = [record for record in records() if header_values(record["headers"] if "headers" in record else [],
                                                             "X-Request-Id")]
    equal([header_values(record["headers"], "X-Request-Id") for record in named], [["own-header"]])


@test("a state is compared exactly")
def _():
    RUNS["other case"].is_one("timed_out", None, "poll_timeout", "poll exceeded timeout of 2s", state="Completed")


@test("a result echoes the invocation's own keys, under the worker's, in 16 KiB")
def _():
    run = RUNS["echo"]
    run.is_one(*OK, polls=1, state="completed")
    run_id = run.metadata["http.run_id"]
    equal(run.metadata, {"tenant": "t \u00fc\n", "": "empty", "HTTP.x": "kept", "httpx": "kept", "small": "s",
                         "worker.id": "exec", "http.polls": "1", "http.status": "completed", "http.run_id": run_id})


@test("no secret of a URL's query shows")
def _():
    for sentence, *_ in CYCLE:
        lacks((RUNS[sentence].result["error_summary"] or ""), "seconds=", "?", "token=")


@test("every cause that this cycle knows was seen")
def _():
    seen = {RUNS[sentence].metadata.get("error.code") for sentence, *_ in CYCLE}
    seen |= {RUNS["id: " + sentence].metadata.get("error.code") for sentence, *_ in REFUSED_IDS}
    seen |= {RUNS[name].metadata.get("error.code") for name in ("stalls", "interval")}
    equal(seen - {None}, {"backend_failed", "kickoff_status", "kickoff_not_json", "kickoff_network", "run_id_missing",
                          "run_id_invalid", "poll_status", "poll_not_json", "poll_network", "status_missing",
                          "egress_denied", "response_too_large", "poll_timeout"})


if __name__ == "__main__":
    try:
        run_all()
    finally:
        BACKEND.end()
