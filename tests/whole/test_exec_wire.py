#!/usr/bin/python3
"""`rxp-worker exec` on the wire: answers scripted to the byte, and requests read as they came. Codes, JSON, redirects,
limits, connections that die, TLS."""
import pathlib
import re
import socket
import subprocess
import tempfile

from execution import Executions, execute
from stage import DROP, Stage, answer
from tap import equal, rows, run_all, test

STAGE = Stage()
OTHER = Stage()
RUNS = Executions()
OK = ("succeeded", 0)
ENDED = answer(200, '{"status":"completed"}')
RUNNING = answer(200, '{"status":"running"}')
ACCEPTED = answer(202)


def path_of(name):
    return "/" + re.sub(r"[^A-Za-z0-9]", "-", name)


def made(name, kind="http_async", timeout_seconds=30, **metadata):
    """An invocation whose kickoff goes to path_of(name), and its polls to path_of(name)/poll."""
    keys = {"http.url": STAGE.url(path_of(name)) + "?token=hush"}
    if kind == "http_async":
        keys.update({"http.poll_url_template": STAGE.url(path_of(name) + "/poll"), "http.poll_status_path": "status",
                     "http.poll_terminal_states": "completed,failed", "http.poll_interval_seconds": "0.02"})
    for key, value in metadata.items():
        keys[key.replace("_", ".", 1)] = value
    return {"invocation_id": name.replace(" ", "-"), "runtime_name": "wire", "runtime_kind": kind, "working_directory": "/",
            "command": ["none"], "timeout_seconds": timeout_seconds, "metadata": keys}


def play(name, kickoff, *polls, arguments=(), environment=None, **keywords):
    """Plans an execution whose kickoff and polls are answered so."""
    STAGE.on(path_of(name), *(kickoff if isinstance(kickoff, list) else [kickoff]))
    if polls:
        STAGE.on(path_of(name) + "/poll", *polls)
    RUNS.plan(name, made(name, **keywords), *arguments, environment=environment)


def sent(name):
    """(requests of the kickoff's path, of the polls')."""
    return STAGE.requests(path_of(name)), STAGE.requests(path_of(name) + "/poll")


# ---- every code ----

CODES = [200, 201, 202, 203, 204, 205, 206, 226, 299, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 403, 404, 405, 408, 409,
         410, 418, 422, 425, 429, 451, 499, 500, 501, 502, 503, 504, 505, 507, 511, 599]
TRANSIENT = [408, 429, 500, 502, 503, 504]
REDIRECTS = [301, 302, 303, 307, 308]

for code in CODES:
    play(f"http {code}", answer(code, "" if code == 205 else "boom"), kind="http", http_poll_interval_seconds="nonsense",
         http_poll_status_path="")
    play(f"kickoff {code}", answer(code, "" if code == 205 else "boom"), ENDED)
    play(f"poll {code}", ACCEPTED, answer(code, "" if code in (200, 205) else "boom"), http_poll_max_failures="1")
    if code not in REDIRECTS:  # those are followed: the plan refuses them
        play(f"pending {code}", ACCEPTED, answer(code, "{}" if code == 200 else ""), ENDED,
             http_poll_pending_codes=str(code), http_poll_max_failures="0")


def said(code):
    """What a sentence says behind the code."""
    return ": it has no Location header" if code in REDIRECTS else "" if code in (204, 205, 304) else ": boom"


def advised(code, key):
    """A 2xx may be the API's way to say that all is well."""
    return f"; if that is no failure, name it in {key}" if 200 <= code <= 299 else ""


@rows("http: the answer {0} is the result", [(code,) for code in CODES])
def _(code):
    run = RUNS[f"http {code}"]
    if 200 <= code <= 299:
        run.is_one("succeeded", code, polls=0)
    else:
        run.is_one("failed", code, "kickoff_status", f"kickoff expected HTTP 2xx, got {code}{said(code)}", polls=0)
    kickoffs, polls = sent(f"http {code}")
    equal((len(kickoffs), polls), (1, []))


@rows("http_async: a kickoff answered with {0}", [(code,) for code in CODES])
def _(code):
    run = RUNS[f"kickoff {code}"]
    if code in (200, 202):
        run.is_one(*OK, polls=1)
    else:
        run.is_one("failed", None, "kickoff_status",
                   f"kickoff expected HTTP 200 or 202, got {code}{said(code)}{advised(code, 'http.kickoff_accept_codes')}",
                   polls=0)
    equal(len(sent(f"kickoff {code}")[0]), 1)


@rows("http_async: a poll answered with {0}", [(code,) for code in CODES])
def _(code):
    run = RUNS[f"poll {code}"]
    polls = 2 if code in TRANSIENT else 1
    where = f" (polled {STAGE.url(path_of(f'poll {code}') + '/poll')})"
    if code == 200:
        run.is_one("failed", None, "poll_not_json", "poll response is not JSON: it is empty", polls=1)
    else:
        after = " (after 2 consecutive failures)" if code in TRANSIENT else ""
        advice = advised(code, "http.poll_pending_codes")
        run.is_one("failed", None, "poll_status", f"poll expected HTTP 200, got {code}{said(code)}{where}{advice}{after}",
                   polls=polls)
    equal(len(sent(f"poll {code}")[1]), polls)


@rows("http_async: {0} as a pending code", [(code,) for code in CODES if code not in REDIRECTS])
def _(code):
    RUNS[f"pending {code}"].is_one(*OK, polls=2)
    equal(len(sent(f"pending {code}")[1]), 2)


# ---- what counts as JSON, and as a status ----

STATUS = '"status":"completed"'
BODIES = [
    ("a plain one", "{" + STATUS + "}", None),
    ("white space about", " \r\n\t{" + STATUS + "}\n", None),
    ("an escaped word", '{"stat\\u0075s":"compl\\u0065ted"}', None),
    ("what it says twice", "{" + STATUS + ',"a":1,"a":2}', None),
    ("depth 64", "{" + STATUS + ',"a":' + "[" * 63 + "]" * 63 + "}", None),
    ("a latin charset in its type", b'{"status":"completed","x":"\xc3\xbc"}', None),
    ("a field of another case", '{"Status":"completed"}', "status_missing"),
    ("an array", "[{" + STATUS + "}]", "status_missing"),
    ("a string", '"completed"', "status_missing"),
    ("nothing", "", "poll_not_json"),
    ("white space", " ", "poll_not_json"),
    ("bytes behind it", "{" + STATUS + "} x", "poll_not_json"),
    ("two documents", "{" + STATUS + "}{}", "poll_not_json"),
    ("bytes that are no UTF-8", b'{"status":"completed","x":"\xff"}', "poll_not_json"),
    ("an escaped NUL", "{" + STATUS + ',"x":"\\u0000"}', "poll_not_json"),
    ("a raw NUL", "{" + STATUS + ',"x":"\0"}', "poll_not_json"),
    ("a raw control character", "{" + STATUS + ',"x":"\t"}', "poll_not_json"),
    ("a surrogate alone", "{" + STATUS + ',"x":"\\udc00"}', "poll_not_json"),
    ("01", "{" + STATUS + ',"x":01}', "poll_not_json"),
    ("1.", "{" + STATUS + ',"x":1.}', "poll_not_json"),
    ("NaN", "{" + STATUS + ',"x":NaN}', "poll_not_json"),
    ("a comma too many", "{" + STATUS + ",}", "poll_not_json"),
    ("single quotes", "{'status':'completed'}", "poll_not_json"),
    ("a byte order mark", "\ufeff{" + STATUS + "}", "poll_not_json"),
    ("depth 65", "{" + STATUS + ',"a":' + "[" * 64 + "]" * 64 + "}", "poll_not_json"),
    ("depth 100000", "[" * 100000, "poll_not_json"),
]
for what, body, _ in BODIES:
    play("body: " + what, ACCEPTED, answer(200, body))


@rows("a poll's body may have {0}, or not", BODIES)
def _(what, _body, error):
    if error is None:
        RUNS["body: " + what].is_one(*OK, polls=1, state="completed")
    else:
        RUNS["body: " + what].is_one("failed", None, error, polls=1, state=None)


# (what, body of the 200 that answers the kickoff, path of the status, terminal states, is polled, state)
FIRST_WORDS = [
    ("its status is terminal", '{"status":"completed"}', "status", "completed", False, "completed"),
    ("its status is a terminal number", '{"status": 200.0}', "status", "completed,200.0", False, "200.0"),
    ("its status is terminal in an array", '{"a":[{},{"s":true}]}', "a.1.s", "true,completed", False, "true"),
    ("its status is another spelling of a terminal number", '{"status":200}', "status", "completed,200.0", True, None),
    ("its status is not terminal", '{"status":"queued"}', "status", "completed", True, None),
    ("it has no status", "{}", "status", "completed", True, None),
    ("its status is null", '{"status":null}', "status", "completed,null", True, None),
    ("it is no JSON", "OK", "status", "completed", True, None),
    ("it is empty", "", "status", "completed", True, None),
]
for what, body, path, states, is_polled, _ in FIRST_WORDS:
    play("first: " + what, answer(200, body), answer(200, body if is_polled is None else '{"status":"completed"}'),
         http_poll_status_path=path, http_poll_terminal_states=states, http_poll_success_states=states)


@rows("a kickoff answered with 200: {0}", FIRST_WORDS)
def _(what, _body, _path, _states, is_polled, state):
    run = RUNS["first: " + what]
    run.is_one(*OK, polls=1 if is_polled else 0, state=state or "completed")
    equal(len(sent("first: " + what)[1]), 1 if is_polled else 0)


# ---- sentences ----

LONG = "x" * 198 + "ü" + "y" * 100
play("long words", answer(400, LONG))
play("odd words", answer(400, b'a\x00b\x1b[31m\r\n\t\x7f\xc2\x85"\xff\xe2\x82\xac'))
play("no JSON", answer(202, "<html>"), http_poll_url_template=STAGE.url("/{run_id}"), http_poll_run_id_path="id")
play("odd state", ACCEPTED, answer(200, '{"status":"fa\\nil"}'), http_poll_terminal_states="completed,fa\nil")
play("null status", ACCEPTED, answer(200, '{"a":{"status":{"x":[1]}}}'), http_poll_status_path="a.status")


@test("a sentence holds the first 200 bytes of the body, and no half character")
def _():
    RUNS["long words"].is_one("failed", None, "kickoff_status",
                              "kickoff expected HTTP 200 or 202, got 400: " + "x" * 198 + "ü")


@test("a sentence holds no control character")
def _():
    RUNS["odd words"].is_one("failed", None, "kickoff_status", "kickoff expected HTTP 200 or 202, got 400: "
                             "a\\x00b\\x1b[31m\\r\\n\\t\\x7f\\xc2\\x85\"\\xff\u20ac")
    RUNS["odd state"].is_one("failed", 1, "backend_failed", "backend reported terminal status: fa\\nil",
                             state="fa\nil")


@test("a sentence names what was found in place of JSON or of a status")
def _():
    RUNS["no JSON"].is_one("failed", None, "kickoff_not_json",
                           re.compile(r"kickoff response is not JSON \(.* at byte 0\): <html>"))
    RUNS["null status"].is_one("failed", None, "status_missing", re.compile(
        r"poll response has no status at path 'a\.status' but \{\"x\":\[1\]\}: .*"))


# ---- redirects: code, method, body, then the method and body that go on ----

HOPS = [(code, method, body, "GET" if code < 307 else method, None if code < 307 else body)
        for code in REDIRECTS for method, body in (("POST", '{"a":1}'), ("PUT", "[]"), ("POST", None), ("GET", None))]
for code, method, body, *_ in HOPS:
    name = f"hop {code} {method} {'with' if body else 'bare'}"
    play(name, answer(code, "moved", Location=f"{path_of(name)}-on?x=y#z"), ENDED, http_method=method,
         **({"http_body": body} if body else {}))
    STAGE.on(f"{path_of(name)}-on", answer(code, Location=OTHER.url(path_of(name))))
    OTHER.on(path_of(name), answer(202))


@rows("a redirect by {0} of {1} {2} goes on as {3} {4}", HOPS)
def _(code, method, body, next_method, next_body):
    name = f"hop {code} {method} {'with' if body else 'bare'}"
    RUNS[name].is_one(*OK, polls=1)
    [first], [second] = sent(name)[0], STAGE.requests(path_of(name) + "-on")
    [third] = OTHER.requests(path_of(name))
    equal((first.method, first.body.decode()), (method, body or ""))
    equal(second.line, f"{next_method} {path_of(name)}-on?x=y HTTP/1.1")
    for request in (second, third):
        equal((request.method, request.body.decode()), (next_method, next_body or ""))
        equal(request.header("Content-Type"), "application/json" if next_body else None)
    equal([request.header("Idempotency-Key") for request in (first, second, third)],
          [name.replace(" ", "-")] * 2 + [None])
    equal(third.header("Host"), f"127.0.0.1:{OTHER.port}")
    equal(third.header("User-Agent"), first.header("User-Agent"))


def chain(name, links, code=302):
    """path_of(name) and as many redirects behind it."""
    for i in range(links):
        STAGE.on(path_of(name) + (f"-{i}" if i else ""), answer(code, Location=f"{path_of(name)}-{i + 1}"))


chain("five", 5)
STAGE.on("/five-5", ACCEPTED)
STAGE.on("/five/poll", ENDED)
RUNS.plan("five", made("five"))
chain("six", 6)
RUNS.plan("six", made("six"))
chain("sync", 6)
RUNS.plan("sync", made("sync", kind="http"))
chain("poll-five/poll", 5)
STAGE.on("/poll-five", ACCEPTED)
STAGE.on(path_of("poll-five/poll") + "-5", ENDED)
RUNS.plan("poll-five", made("poll-five", http_poll_url_template=STAGE.url(path_of("poll-five/poll"))))


@test("five redirects are followed, and no sixth")
def _():
    RUNS["five"].is_one(*OK, polls=1)
    RUNS["six"].is_one("failed", None, "kickoff_status",
                       "kickoff expected HTTP 200 or 202, got 302: more than 5 redirects")
    equal((len(STAGE.requests("/six-5")), STAGE.requests("/six-6")), (1, []))
    RUNS["sync"].is_one("failed", 302, "kickoff_status", "kickoff expected HTTP 2xx, got 302: more than 5 redirects")
    RUNS["poll-five"].is_one(*OK, polls=1)


ELSEWHERE = [("ftp://127.0.0.1/x", "status"), ("file:///etc/passwd", "status"), ("gopher://127.0.0.1/", "status"),
             ("http://", "status"), ("http://127.0.0.1:99999/", "status"), ("//169.254.169.254/", "egress"),
             ("http://2852039166/", "egress"), ("http://[::ffff:169.254.169.254]/", "egress"),
             ("http://[fe80::1]/", "egress")]
for where, _ in ELSEWHERE:
    play("away " + where, answer(307, Location=where))
    play("poll away " + where, ACCEPTED, answer(307, Location=where))


@rows("a redirect to {0} is not followed", ELSEWHERE)
def _(where, why):
    if why == "status":
        RUNS["away " + where].is_one("failed", None, "kickoff_status",
                                     re.compile("kickoff expected HTTP 200 or 202, got 307: .+"), polls=0)
        RUNS["poll away " + where].is_one("failed", None, "poll_status",
                                          re.compile("poll expected HTTP 200, got 307: .+"), polls=1)
    else:
        RUNS["away " + where].is_one("failed", None, "egress_denied",
                                     re.compile("kickoff to .* refused: .* refused whatever is allowed"), polls=0)
        RUNS["poll away " + where].is_one("failed", None, "egress_denied",
                                          re.compile("poll of .* refused: .* refused whatever is allowed"), polls=1)


# ---- a kickoff is sent once ----

ONCE = [(method, body, where) for method in ("POST", "PUT", "GET", "START") for body in ("{}", None)
        for where in ("fresh", "reused")]
for method, body, where in ONCE:
    name = f"once {method} {body} {where}"
    keys = {"http_method": method, **({"http_body": body} if body else {})}
    if where == "fresh":
        play(name, DROP, **keys)
    else:
        play(name, answer(307, Location=path_of(name) + "/again"), **keys)
        STAGE.on(path_of(name) + "/again", DROP)
play("once 303", answer(303, Location="/once-303/again"))
STAGE.on("/once-303/again", DROP)


@rows("{0} {1} is sent once when a {2} connection dies", ONCE)
def _(method, body, where):
    name = f"once {method} {body} {where}"
    RUNS[name].is_one("failed", None, "kickoff_network", re.compile("kickoff to .* failed: .+"), polls=0)
    first = sent(name)[0]
    equal(len(first), 1)
    if where == "reused":
        second = STAGE.requests(path_of(name) + "/again")
        equal(len(second), 1)
        equal(second[0].connection, first[0].connection, "the connection")


@test("the request behind a redirect of a kickoff is sent once")
def _():
    RUNS["once 303"].is_one("failed", None, "kickoff_network", polls=0)
    [first], [second] = sent("once 303")[0], STAGE.requests("/once-303/again")
    equal((second.method, second.connection), ("GET", first.connection))


# ---- failures that may pass ----

BUSY = answer(503, "busy")
play("in turn", ACCEPTED, answer(503, "busy", close=True), DROP, RUNNING, BUSY, BUSY, RUNNING, BUSY, answer(200, '{"status":"failed"}'),
     http_poll_max_failures="2")
play("pending between", ACCEPTED, BUSY, BUSY, answer(425), BUSY, BUSY, ENDED, http_poll_max_failures="2",
     http_poll_pending_codes="425")
play("cut short", ACCEPTED, answer(200, '{"status":"completed"}', close=True)[:-5], ENDED)
play("cut short kickoff", answer(200, "x" * 100, close=True)[:-50])
play("no HTTP", b"hello\r\nConnection: close\r\n\r\n")
REFUSED = socket.socket()
REFUSED.bind(("127.0.0.1", 0))  # and never listens
NOWHERE = f"http://127.0.0.1:{REFUSED.getsockname()[1]}/x"
RUNS.plan("refused", made("refused", http_url=NOWHERE + "?token=hush"))
RUNS.plan("refused sync", made("refused sync", kind="http", http_url=NOWHERE))
play("refused polls", ACCEPTED, http_poll_url_template=NOWHERE, http_poll_max_failures="1")
play("no such name", ACCEPTED, http_url="http://no-such-host.invalid/x", arguments=("--connect-timeout-seconds", "2"))
play("poll of metadata", ACCEPTED, http_poll_url_template="http://169.254.169.254/latest")


@test("only failures in a row count")
def _():
    RUNS["in turn"].is_one("failed", 1, "backend_failed", "backend reported terminal status: failed", polls=8)
    RUNS["pending between"].is_one(*OK, polls=6)


@test("an answer that breaks off is a network failure: transient for a poll, the end for a kickoff")
def _():
    RUNS["cut short"].is_one(*OK, polls=2)
    RUNS["cut short kickoff"].is_one("failed", None, "kickoff_network", polls=0)
    equal(len(sent("cut short kickoff")[0]), 1)
    RUNS["no HTTP"].is_one("failed", None, "kickoff_network", polls=0)


@test("a connection that is refused")
def _():
    RUNS["refused"].is_one("failed", None, "kickoff_network", re.compile(re.escape(f"kickoff to {NOWHERE} failed: ") + ".+"))
    RUNS["refused sync"].is_one("failed", None, "kickoff_network", polls=0)
    RUNS["refused polls"].is_one("failed", None, "poll_network", re.compile(
        re.escape(f"poll of {NOWHERE} failed: ") + r".+ \(after 2 consecutive failures\)"), polls=2)


@test("a name without an address")
def _():
    RUNS["no such name"].is_one("failed", None, "kickoff_network",
                                re.compile("kickoff to http://no-such-host.invalid/x failed: .+"), polls=0)


@test("a poll URL that is not allowed fails the run, since the kickoff has left")
def _():
    RUNS["poll of metadata"].is_one("failed", None, "egress_denied", re.compile(
        "poll of http://169.254.169.254/latest refused: .*"), polls=1)
    equal(len(sent("poll of metadata")[0]), 1)


# ---- limits ----

FULL = '{"status":"completed","x":"' + "x" * (1000 - 29) + '"}'
BARE_LENGTH = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
for what, body in (("full", FULL), ("over", FULL + " ")):
    play(what, ACCEPTED, answer(200, body), arguments=("--max-response-bytes", "1000"))
    play(what + " without a length", ACCEPTED, BARE_LENGTH + body.encode(), arguments=("--max-response-bytes", "1000"))
play("over sync", answer(200, "x" * 1001), kind="http", arguments=("--max-response-bytes", "1000"))
play("over kickoff", answer(202, "x" * 1001), arguments=("--max-response-bytes", "1000"))


@test("a body may be as long as the limit, and not a byte longer")
def _():
    equal(len(FULL), 1000)
    for tail in ("", " without a length"):
        RUNS["full" + tail].is_one(*OK, polls=1)
        RUNS["over" + tail].is_one("failed", None, "response_too_large", re.compile("poll of .* 1000 bytes"), polls=1)
    for name in ("over sync", "over kickoff"):
        RUNS[name].is_one("failed", None, "response_too_large", re.compile("kickoff to .* 1000 bytes"), polls=0)


# ---- connecting, TLS ----

@test("connecting has a time of its own")
def _():
    with socket.socket() as full:  # whose queue is full, so that the next connection waits
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            waiting.append(client)
        run = execute(made("connect", http_url=f"http://127.0.0.1:{full.getsockname()[1]}/"),
                      "--connect-timeout-seconds", "0.4")
        run.is_one("failed", None, "kickoff_network", polls=0)
        equal(0.39 <= run.seconds < 5, True, f"{run.seconds} s")
        for client in waiting:
            client.close()


@test("certificates are verified")
def _():
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = pathlib.Path(folder, "key"), pathlib.Path(folder, "certificate")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate], check=True,
                       capture_output=True)
        stage = Stage(certificate, key)
        stage.on("/tls", answer(200, '{"status":"completed"}'))
        trusted = made("tls", http_url=stage.url("/tls"))
        execute(trusted, "--ca-file", certificate).is_one(*OK)
        equal(len(stage.requests("/tls")), 1)
        execute(trusted).is_one("failed", None, "kickoff_network", re.compile("kickoff to https://.*certificate.*"))
        other_name = made("tls", http_url=stage.url("/tls").replace("127.0.0.1", "localhost"))
        execute(other_name, "--ca-file", certificate).is_one("failed", None, "kickoff_network")
        equal(len(stage.requests("/tls")), 1, "no request without a verified certificate")
        silent = execute(made("tls", http_url=STAGE.url("/tls").replace("http:", "https:")),
                         "--connect-timeout-seconds", "0.3")  # the handshake counts as connecting
        silent.is_one("failed", None, "kickoff_network")
        equal(silent.seconds < 5, True, f"{silent.seconds} s")


@test("no secret of a URL's query shows anywhere")
def _():
    RUNS.wait()
    for name in RUNS.names():
        if "hush" in RUNS[name].stdout + RUNS[name].stderr:
            raise AssertionError(RUNS[name].stdout)


if __name__ == "__main__":
    run_all()
