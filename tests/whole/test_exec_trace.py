#!/usr/bin/python3
"""`exec --dry-run` prints the requests that would be sent, `exec --trace` those that are: in words that show what is wrong, and
without what opens doors."""
import json
import pathlib
import re
import tempfile

from stage import Stage, answer
from tap import equal, holds, lacks, rows, run_all, test
from worker import Backend, invocation, run_command

BACKEND = Backend()
STAGE = Stage()
HIDDEN = "s3cret-value"


def dry(given, *arguments, **environment):
    return run_command("exec", "--dry-run", *arguments, given=json.dumps(given), environment=environment)


def traced(given, *arguments, **environment):
    done = run_command("exec", "--trace", *arguments, given=json.dumps(given), environment=environment)
    return done, json.loads(done.stdout), re.sub(r"^ *\d+\.\d{3} ", "", done.stderr, flags=re.M)


def secret_settings(name, port):
    return {"RXP_SECRET_" + name: HIDDEN, "RXP_SECRETS_HOSTS": f"{name}=127.0.0.1:{port}"}


# ---- dry runs ----

@test("a dry run sends nothing, and prints each request in its order with what is known only later as it stands")
def _():
    before = BACKEND.stats()["requests"]
    given = invocation("an id", BACKEND, {"seconds": 5}, http_prepare_url=BACKEND.url("/conversations"),
                       http_prepare_id_path="id", http_body='{"conversationId": "{prepared_id}"}',
                       http_result_url_template=BACKEND.url("/runs/{run_id}/output"),
                       http_after_url_template=BACKEND.url("/runs/{run_id}/abandon"), http_after_method="DELETE",
                       http_cancel_url_template=BACKEND.url("/runs/{+run_id}/cancel"))
    done = dry(given)
    equal((done.returncode, done.stderr), (0, ""))
    equal(re.findall(r"^(\d\. .*?): ", done.stdout, re.M),
          ["1. prepare", "2. kickoff", "3. poll", "4. result fetch", "5. after", "6. cancel"])
    equal(re.findall(r"^   ([A-Z]+) (\S+)$", done.stdout, re.M), [
        ("POST", BACKEND.url("/conversations")), ("POST", BACKEND.url("/runs", seconds=5)),
        ("GET", BACKEND.url("/runs/{run_id}")), ("GET", BACKEND.url("/runs/{run_id}/output")),
        ("DELETE", BACKEND.url("/runs/{run_id}/abandon")), ("POST", BACKEND.url("/runs/{+run_id}/cancel"))])
    holds(done.stdout, "\n   Idempotency-Key: an%20id\n", "\n   Content-Type: application/json\n",
          '\n\n   {"conversationId": "{prepared_id}"}\n', "time: 60 s from the kickoff (timeout_seconds)\n")
    equal(BACKEND.stats()["requests"], before + 1, "requests, this question among them")


RULES = [
    ("the interval and the states", {}, ["at once, then every 0.1 s (", "until 'status' is completed, failed or cancelled; a "
                                         "success is completed\n"]),
    ("growing waits", {"http_poll_backoff_factor": "1.5", "http_poll_max_interval_seconds": "30"},
     ["each wait 1.5 times the last, up to 30 s"]),
    ("codes that mean not yet", {"http_poll_pending_codes": "404, 425", "http_poll_pending_seconds": "90"},
     ["not yet: 404 or 425, for 90 s\n"]),
    ("a missing status that means not yet", {"http_poll_missing_status": "pending"}, ["not yet: an answer without that field"]),
    ("the failures that are survived", {"http_poll_max_failures": "7"}, ["7 failures in a row"]),
    ("the header that names the status URL",
     {"http_poll_url_header": "Location", "http_poll_url_template": None, "http_poll_run_id_path": None},
     ["the status URL is its Location header", "GET (the URL that Location names"]),
    ("where the run id is, also where no call wants it",
     {"http_poll_url_template": BACKEND.url("/status"), "http_poll_run_id_path": "data.id"},
     ["; the run id is read at 'data.id' of the answer\n"]),
    ("where the result is", {"http_result_path": "data.out"}, ["http.result is read at 'data.out' of the last answer"]),
    ("paths without their control characters",
     {"http_prepare_url": BACKEND.url("/conversations"), "http_prepare_id_path": "i\x1b[2J",
      "http_result_url_template": BACKEND.url("/output"), "http_result_path": "r\x1b[2J"},
     ["read at 'i\\x1b[2J' of", "read at 'r\\x1b[2J' of"]),
    ("until when it is started", {"rxp_start_before": "2099-01-01T00:00:00Z"}, ["; not started from 2099-01-01T00:00:00.000Z on"]),
    ("the worker's ceiling", {"timeout_seconds": None}, ["time: 86400 s from the kickoff (the worker's max-run-seconds)"]),
]


@rows("a dry run says {0}", RULES)
def _(_what, change, parts):
    timeout = change.get("timeout_seconds", 60)
    given = invocation("i", BACKEND, None, timeout, **{name: value for name, value in change.items() if name != "timeout_seconds"})
    done = dry(given)
    equal((done.returncode, done.stderr), (0, ""))
    holds(done.stdout, *parts)


@test("a dry run tells of a variable that is not given")
def _():
    given = invocation("i", BACKEND, http_body='{"a": "{var.one} {var.two}"}')
    given["metadata"]["var.one"] = "1"
    note = "is sent as it stands: the invocation has no such variable"
    holds(dry(given).stdout, f'   {{"a": "1 {{var.two}}"}}\n   # {{var.two}} {note}\n')
    given["metadata"]["var.two"] = "2"
    lacks(dry(given).stdout, note)


@test("a dry run shows a Content-Type of the invocation's own where there is a body")
def _():
    given = invocation("i", BACKEND, http_body="{}")
    given["metadata"]["http.header.Content-Type"] = "application/vnd.own+json"
    equal(dry(given).stdout.count("Content-Type"), 1)


@test("a dry run of kind http has one request")
def _():
    given = invocation("i", BACKEND)
    given["runtime_kind"] = "http"
    done = dry(given)
    equal(done.returncode, 0)
    holds(done.stdout, "1. kickoff: its answer is the result, 2xx is a success\n")
    lacks(done.stdout, "poll", "2.")


REFUSED = [
    ("a key that is not known", {"http_poll_satus_path": "x"}, [], "invalid_metadata: unknown metadata key"),
    ("a key that is missing", {"http_poll_status_path": None}, [], "missing_metadata: missing metadata 'http.poll_status_path'"),
    ("a host that the policy refuses", {}, ["--egress-deny", "127.0.0.1"], "egress_denied: "),
    ("a host of a later call that the policy refuses", {"http_cancel_url_template": "http://169.254.169.254/x"}, [],
     "egress_denied: "),
    ("a secret that is bound to no host", {"http_header.X-Api-Key": "${secret:NOBODY}"}, [], "secret_denied: "),
]


@rows("a dry run of what would be rejected says so: {0}", REFUSED)
def _(_what, change, arguments, sentence):
    done = dry(invocation("i", BACKEND, **change), *arguments)
    equal(done.returncode, 3)
    holds(done.stderr, "rxp-worker exec: it would be rejected: " + sentence)


@test("neither shows what sounds like a credential, nor a secret's value, also where an answer repeats it")
def _():
    STAGE.on("/echo", answer(202, json.dumps({"run_id": "r", "you": HIDDEN, "also": "an-other-value"}), Retry_After="0"))
    STAGE.on("/poll/r", answer(200, json.dumps({"status": "failed", "why": HIDDEN})))
    given = invocation("i", BACKEND, http_url=STAGE.url("/echo") + "?api_key=open&x=shown&sig=sesame",
                       http_poll_url_template=STAGE.url("/poll/{run_id}"), http_poll_error_path="why")
    given["metadata"].update({"http.header.Authorization": "Bearer open-sesame", "http.header.X-Api-Key": "sesame",
                              "http.header.Cookie": "a=sesame", "http.header.X-Plain": "plain",
                              "http.header.X-Token": "Token ${secret:OURS} ${secret:ALSO}"})
    settings = secret_settings("OURS", STAGE.port)
    settings["RXP_SECRET_ALSO"] = "an-other-value"
    settings["RXP_SECRETS_HOSTS"] += f";ALSO=127.0.0.1:{STAGE.port}"
    for text in (dry(given, **settings).stdout, traced(given, **settings)[2]):
        holds(text, "?api_key=***&x=shown&sig=***", "Authorization: Bearer ***\n", "X-Api-Key: ***\n", "Cookie: ***\n",
              "X-Plain: plain\n", "X-Token: Token ${secret:OURS} ${secret:ALSO}\n", "Idempotency-Key: i\n")
        lacks(text, "sesame", HIDDEN, "an-other-value")


@test("a trace hides a secret that a backend says back as a run id or a status")
def _():
    STAGE.on("/bad", answer(202, json.dumps({"run_id": HIDDEN})), answer(202, json.dumps({"run_id": "7"})))
    STAGE.on("/bad/7", answer(200, json.dumps({"status": HIDDEN})))
    given = invocation("i", BACKEND, None, 1, http_url=STAGE.url("/bad"), http_poll_url_template=STAGE.url("/bad/{run_id}"))
    given["metadata"]["http.header.X-Token"] = "${secret:OURS}"
    for says in ("body of 26 bytes: {\"run_id\": \"***\"}", "pending, status '***'"):
        done = traced(given, **secret_settings("OURS", STAGE.port))[0]
        lacks(done.stderr, HIDDEN)
        holds(done.stderr, says)


@test("a dry run says that the worker knows a secret and where it may go")
def _():
    given = invocation("i", BACKEND)
    given["metadata"]["http.header.X-Api-Key"] = "${secret:OURS}"
    done = dry(given, **secret_settings("OURS", BACKEND.port))
    equal((done.returncode, done.stderr), (0, ""))
    holds(done.stdout, f"# the worker knows this secret, and it may go to 127.0.0.1:{BACKEND.port}\n")


@test("a dry run shows what a profile adds, and where its headers do not go")
def _():
    with tempfile.TemporaryDirectory(prefix="rxp-profiles-") as folder:
        profile = {"metadata": {"http.url": BACKEND.url("/runs"), "http.header.X-Team": "ours"}, "kickoffs_per_second": 2.5}
        (pathlib.Path(folder) / "test.json").write_text(json.dumps(profile))
        given = invocation("i", BACKEND, http_url=None)
        done = dry(given, "--profiles-dir", folder)
        equal((done.returncode, done.stderr), (0, ""))
        holds(done.stdout, f"   POST {BACKEND.url('/runs')}\n", "   X-Team: ours\n", "\nprofile: test.json\n",
              "rate: 2.5 kickoffs a second at most")
        given["metadata"]["http.url"] = STAGE.url("/mine")
        done = dry(given, "--profiles-dir", folder)
        holds(done.stdout, f"   POST {STAGE.url('/mine')}\n", "   # X-Team: is not sent: the profile does not name this host\n")


# ---- traces ----

@test("a trace shows each request, its answer with times, and what the worker makes of it")
def _():
    STAGE.on("/runs", answer(202, '{"run_id":"r"}', Retry_After="0"))
    STAGE.on("/runs/r", answer(503, "busy"), answer(200, '{"status":"running"}'), answer(200, '{"status":"completed"}'))
    given = invocation("i", BACKEND, http_url=STAGE.url("/runs"), http_body='{"a":1}',
                       http_poll_url_template=STAGE.url("/runs/{run_id}"))
    done, result, text = traced(given)
    equal((done.returncode, result["status"]), (0, "succeeded"))
    text = re.sub(r"\(ms: [^)]*\)", "(ms)", text)
    text = re.sub(r"waits \d+\.\d s", "waits", text)
    poll = f"> poll: GET {STAGE.url('/runs/r')}\n"
    equal(text, f"> kickoff: POST {STAGE.url('/runs')}\n"
                ">   Content-Type: application/json\n>   Idempotency-Key: i\n>   body of 7 bytes: {\"a\":1}\n"
                "< 202 (ms)\n<   Retry-After: 0\n<   body of 14 bytes: {\"run_id\":\"r\"}\n"
                "= accepted, run id 'r' -> poll\n"
                f"{poll}< 503 (ms)\n<   body of 4 bytes: busy\n"
                f"= may pass: poll expected HTTP 200, got 503: busy (polled {STAGE.url('/runs/r')}): waits -> poll\n"
                f"{poll}< 200 (ms)\n<   body of 20 bytes: {{\"status\":\"running\"}}\n"
                "= pending, status 'running': waits -> poll\n"
                f"{poll}< 200 (ms)\n<   body of 22 bytes: {{\"status\":\"completed\"}}\n"
                "= terminal: status 'completed', a success -> end\n= succeeded\n")
    holds(done.stderr, "connect ", "first byte ", "connection reused", "total ")


@test("a trace says why there is no answer, and how the run ends")
def _():
    given = invocation("i", BACKEND, http_url="http://127.0.0.1:1/", http_kickoff_max_retries="0")
    done, result, text = traced(given)
    equal(done.returncode, 1)
    holds(text, "> kickoff: POST http://127.0.0.1:1/\n", "< no answer: ", "= failed (kickoff_network): " +
          result["error_summary"])


@test("a trace of a run that times out ends with that")
def _():
    _, result, text = traced(invocation("i", BACKEND, {"seconds": 60}, 1))
    holds(text, "= timed_out (poll_timeout): poll exceeded timeout of 1s\n= its last status was 'running': if a status above "
                "ends a run, name it in http.poll_terminal_states; else raise timeout_seconds\n")
    equal(result["status"], "timed_out")


HINTS = [
    ("a kickoff's code", {"code": 201}, {}, "kickoff_status", "http.kickoff_accept_codes"),
    ("a run id's path", {}, {"http_poll_run_id_path": "id"}, "run_id_missing", "compare http.poll_run_id_path"),
    ("a poll's code", {"pending": 404, "seconds": 9}, {}, "poll_status", "http.poll_pending_codes"),
    ("a slash that is encoded", {}, {"http_url": BACKEND.url("/v1/reports:run"), "http_poll_run_id_path": "name",
                                     "http_poll_url_template": BACKEND.url("/v1/{run_id}")},
     "poll_status", "; if it wants the slash of the id as it is, and not %2F, write {+run_id}"),
    ("a status's path", {}, {"http_poll_status_path": "state"}, "status_missing", "http.poll_missing_status"),
    ("a header that is not there", {}, {"http_poll_url_header": "Location", "http_poll_url_template": None,
                                        "http_poll_run_id_path": None}, "poll_url_missing", "http.poll_url_header"),
    ("a call before", {}, {"http_prepare_url": BACKEND.url("/conversations"), "http_prepare_id_path": "run.id"},
     "prepare_failed", "http.prepare_id_path"),
    ("a state that is no success", {"outcome": "done", "seconds": 0}, {"http_poll_terminal_states": "done,completed"},
     "backend_failed", "http.poll_success_states"),
    ("a result that is not there", {"seconds": 0}, {"http_result_url_template": BACKEND.url("/runs/none")}, "result_fetch",
     "http.result_url_template"),
]


@rows("a trace ends with where to look: {0}", HINTS)
def _(_what, simulate, change, code, part):
    _, result, text = traced(invocation("i", BACKEND, simulate, **change))
    equal(result["metadata"]["error.code"], code)
    end, hint = text.splitlines()[-2:]
    holds(end, f"= failed ({code}): ")
    holds(hint, part)


@test("a trace goes on to the calls after the end")
def _():
    given = invocation("i", BACKEND, {"seconds": 60}, 1, http_cancel_url_template=BACKEND.url("/runs/{run_id}/cancel"))
    text = traced(given)[2]
    holds(text.split("= timed_out")[1], "> cancel: POST ", "< 200 ", '"status":"cancelled"')
    given = invocation("i", BACKEND, {"seconds": 0}, http_after_url_template=BACKEND.url("/runs/{run_id}/abandon"))
    text = traced(given)[2]
    holds(text.split("= succeeded")[1], "> after: POST ", "< 200 ")


@test("a trace shows redirects, and cuts long bodies")
def _():
    done, _, text = traced(invocation("i", BACKEND, {"seconds": 0, "redirects": 2, "result_bytes": 5000}))
    equal(done.returncode, 0)
    holds(text, ") after 2 redirects\n", "rrrr…\n")
    equal(max(len(line) for line in text.splitlines()) < 500, True, "no line is long")


if __name__ == "__main__":
    try:
        run_all()
    finally:
        BACKEND.end()
