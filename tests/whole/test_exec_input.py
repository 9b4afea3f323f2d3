#!/usr/bin/python3
"""What `rxp-worker exec` makes of its input: invocations that are refused, each with a reason, and files. Nothing here
may reach the server that all the URLs name."""
import json
import os
import pathlib
import re
import subprocess
import tempfile

from child import plain_environment
from execution import Executions, execute
from stage import Stage, answer
from tap import equal, holds, rows, run_all, test
from worker import PROGRAM, run_command

STAGE = Stage()
RUNS = Executions()


def made(changes=None, **metadata):
    """A valid invocation, changed; None takes a field or key away. Keys of metadata have _ for their first dot."""
    keys = {"http.url": STAGE.url("/never"), "http.poll_url_template": STAGE.url("/never/{run_id}"),
            "http.poll_run_id_path": "data.run.id", "http.poll_status_path": "status",
            "http.poll_terminal_states": "completed,failed"}
    for name, value in metadata.items():
        keys[name.replace("_", ".", 1)] = value
    value = {"schema_version": "0.1", "contract_kind": "runtime_invocation", "invocation_id": "a", "runtime_name": "r",
             "runtime_kind": "http_async", "working_directory": "/", "command": ["none"], "environment": {},
             "timeout_seconds": 10, "input_payload_path": None, "output_result_path": None, "artifact_directory": None,
             "metadata": {key: text for key, text in keys.items() if text is not None}}
    for field, change in (changes or {}).items():
        value[field] = change
        if change is ...:
            del value[field]
    return value


TEXT = json.dumps(made())

# ---- no JSON: what is wrong with it, the text or bytes, error.code, part of the sentence, the id in the result ----

UNREADABLE = "unreadable:stdin"
TEXTS = [
    ("nothing", b"", "invalid_json", "no payload", UNREADABLE),
    ("white space", b" \n", "invalid_json", "", UNREADABLE),
    ("prose", b"hello", "invalid_json", "", UNREADABLE),
    ("half an invocation", TEXT[:-1], "invalid_json", "", UNREADABLE),
    ("two invocations", TEXT + "\n" + TEXT, "invalid_json", "", UNREADABLE),
    ("a NUL behind it", TEXT + "\0", "invalid_json", "", UNREADABLE),
    ("a byte order mark", "\ufeff" + TEXT, "invalid_json", "", UNREADABLE),
    ("bytes that are no UTF-8", TEXT.encode().replace(b'"r"', b'"\xff"'), "invalid_json", "", UNREADABLE),
    ("a surrogate alone", TEXT.replace('"r"', '"\\ud800"'), "invalid_json", "", UNREADABLE),
    ("an escaped NUL", TEXT.replace('"r"', '"r\\u0000"'), "invalid_json", "", UNREADABLE),
    ("a raw control character", TEXT.replace('"r"', '"r\t"'), "invalid_json", "", UNREADABLE),
    ("a number that begins with 0", TEXT.replace(": 10", ": 010"), "invalid_json", "", UNREADABLE),
    ("a number that ends in a dot", TEXT.replace(": 10", ": 10."), "invalid_json", "", UNREADABLE),
    ("nesting without end", "[" * 100000, "invalid_json", "64", UNREADABLE),
    ("nesting of 65", TEXT[:-1] + ', "x": ' + "[" * 64 + "]" * 64 + "}", "invalid_json", "64", UNREADABLE),
    ("nesting of 64 in an unknown field", TEXT[:-1] + ', "x": ' + "[" * 63 + "]" * 63 + "}", "invalid_invocation", "'x'",
     "a"),
    ("a key twice", TEXT[:-1] + ', "command": ["x"]}', None, "command", "a"),
    ("an id twice", TEXT[:-1] + ', "invocation_id": "b"}', None, "invocation_id", UNREADABLE),
    ("a metadata key twice", TEXT.replace('"metadata": {', '"metadata": {"http.url": "http://x/", '), None, "http.url",
     "a"),
    ("a schema registry's frame", b"\0\0\0\0\x01" + TEXT.encode(), "invalid_json", "schema registry", UNREADABLE),
    ("an array", "[" + TEXT + "]", "invalid_invocation", "object", UNREADABLE),
    ("a string", '"x"', "invalid_invocation", "object", UNREADABLE),
]

# ---- no invocation: sentence, changed fields, part of the sentence, what the result still echoes ----

IDENTITY = ("a", "r", "http_async")
FIELDS = [
    *((f"no {name}", {name: ...}, name, {"invocation_id": (UNREADABLE, "r", "http_async"),
                                         "runtime_name": ("a", "unknown", "http_async"),
                                         "runtime_kind": ("a", "r", "unknown")}.get(name, IDENTITY))
      for name in ("invocation_id", "runtime_name", "runtime_kind", "working_directory", "command")),
    *((f"an empty {name}", {name: ""}, name, echoed) for name, echoed in (
        ("invocation_id", (UNREADABLE, "r", "http_async")), ("runtime_name", ("a", "unknown", "http_async")),
        ("working_directory", IDENTITY), ("runtime_kind", ("a", "r", "unknown")))),
    ("a kind outside the vocabulary", {"runtime_kind": "lambda"}, "lambda", ("a", "r", "unknown")),
    ("a kind of another case", {"runtime_kind": "HTTP"}, "HTTP", ("a", "r", "unknown")),
    ("a number for an id", {"invocation_id": 7}, "invocation_id", (UNREADABLE, "r", "http_async")),
    ("null for a name", {"runtime_name": None}, "runtime_name", ("a", "unknown", "http_async")),
    ("no words in the command", {"command": []}, "command", IDENTITY),
    ("a command that is a string", {"command": "x"}, "command", IDENTITY),
    ("a number in the command", {"command": ["x", 1]}, "command", IDENTITY),
    ("a number in the environment", {"environment": {"A": 1}}, "A", IDENTITY),
    ("an environment that is null", {"environment": None}, "environment", IDENTITY),
    ("a number in the metadata", {"metadata": {"http.poll_max_failures": 3}}, "http.poll_max_failures", IDENTITY),
    ("metadata that is an array", {"metadata": []}, "metadata", IDENTITY),
    *((f"timeout_seconds {value!r}", {"timeout_seconds": value}, "timeout_seconds", IDENTITY)
      for value in (0, -1, 1.5, "10", True, [10])),
    ("a number for a path", {"output_result_path": 3}, "output_result_path", IDENTITY),
    ("an unknown field", {"timout_seconds": 3}, "did you mean 'timeout_seconds'", IDENTITY),
    ("a field of another case", {"Command": ["x"]}, "did you mean 'command'", IDENTITY),
    ("another version", {"schema_version": "0.2"}, "0.2", IDENTITY),
    ("another contract", {"contract_kind": "runtime_result"}, "runtime_result", IDENTITY),
]

# ---- no plan: sentence, metadata, error.code, the whole error_summary or a pattern ----

NEVER = re.escape(STAGE.url("/never"))
PLANS = [
    *((f"no http.{name}", {f"http_{name}": None}, "missing_metadata",
       f"missing metadata 'http.{name}'" + (", for {run_id} in http.poll_url_template" if name == "poll_run_id_path" else ""))
      for name in ("url", "poll_url_template", "poll_run_id_path", "poll_status_path", "poll_terminal_states")),
    *((f"an empty http.{name}", {f"http_{name}": ""}, "missing_metadata",
       f"missing metadata 'http.{name}'" + (", for {run_id} in http.poll_url_template" if name == "poll_run_id_path" else ""))
      for name in ("url", "poll_url_template", "poll_run_id_path", "poll_status_path", "poll_terminal_states")),
    ("terminal states that are only commas", {"http_poll_terminal_states": " , ,"}, "invalid_metadata",
     re.compile("http.poll_terminal_states ' , ,' .*")),
    ("no success state among the terminal ones", {"http_poll_success_states": "done,Completed"}, "invalid_metadata",
     re.compile("no run could ever succeed: .*'done,Completed'.*'completed,failed'")),
    ("no usual success state among the terminal ones", {"http_poll_terminal_states": "done"}, "invalid_metadata",
     re.compile("no run could ever succeed: .*'completed' .*'done'")),
    ("an empty list of success states", {"http_poll_success_states": ""}, "invalid_metadata",
     re.compile("no run could ever succeed: .*")),
    *((f"an interval of '{value}'", {"http_poll_interval_seconds": value}, "invalid_metadata",
       re.compile(re.escape(f"http.poll_interval_seconds '{value}' ") + ".*"))
      for value in ("-1", "-0.5", "nan", "inf", "Infinity", "1e999", "", "two", "0x10", "1,5", "1 2")),
    *((f"a pending code '{value}'", {"http_poll_pending_codes": "404," + value}, "invalid_metadata",
       re.compile(f"http.poll_pending_codes has '{value}'.*")) for value in ("abc", "99", "100", "600", "2000", "-404", "4.4")),
    ("a redirect as a pending code", {"http_poll_pending_codes": "404,302"}, "invalid_metadata",
     re.compile("http.poll_pending_codes has 302, a redirect, .*")),
    *((f"a body that is {what}", {"http_body": value}, "invalid_metadata", re.compile("http.body .*JSON.*"))
      for what, value in (("empty", ""), ("prose", "hello"), ("two values", "1 2"), ("'NaN'", "NaN"), ("'01'", "01"),
                          ("half an object", '{"a":'), ("a NUL", '"\\u0000"'))),
    *((f"a form that is {what}", {"http_body": value, "http_body_format": "form"}, "invalid_metadata",
       re.compile("http.body is to be sent as a form, .*"))
      for what, value in (("an array", "[]"), ("a string", '"a=1"'), ("not flat", '{"a":{"b":1}}'),
                          ("not flat in an array", '{"a":[[1]]}'), ("not flat in an array's object", '{"a":[{}]}'))),
    ("another body format", {"http_body_format": "xml"}, "invalid_metadata",
     re.compile("http.body_format 'xml' .*json.*form.*")),
    *((f"the method '{value}'", {"http_method": value}, "invalid_metadata",
       re.compile(re.escape(f"http.method '{value}' ") + ".*")) for value in ("", "PO ST", "GET/", "connect")),
    ("a method with a line break", {"http_method": "GET\r\nX: y"}, "invalid_metadata",
     re.compile(r"http.method 'GET\\x0d\\x0aX: y' .*")),
    *((f"the URL {shown}", {"http_url": value}, "invalid_metadata", re.compile("http.url .*"))
      for shown, value in (("of a file", "file:///etc/passwd"), ("without a scheme", "127.0.0.1/x"), ("/path", "/path"),
                           ("of ftp", "ftp://127.0.0.1/"), ("without a host", "http:///x"),
                           ("with port 0", "http://127.0.0.1:0/"), ("with port 65536", "http://127.0.0.1:65536/"),
                           ("with a line break", STAGE.url("/never\r\nX: y")), ("with a space", STAGE.url("/ne ver")),
                           ("with a tab", STAGE.url("/\tnever")), ("with a NUL escaped by nobody", "http://a\x7f/"))),
    ("a URL with a password", {"http_url": f"http://user:hush@127.0.0.1:{STAGE.port}/"}, "invalid_metadata",
     re.compile("((?!hush).)*password((?!hush).)*")),
    ("a poll URL with a line break", {"http_poll_url_template": STAGE.url("/{run_id}\n")}, "invalid_metadata",
     re.compile("http.poll_url_template .*control character.*")),
    ("a poll URL of another scheme", {"http_poll_url_template": "file:///{run_id}"}, "invalid_metadata",
     re.compile("http.poll_url_template 'file:///{run_id}' .*")),
    ("a poll URL with an unknown placeholder", {"http_poll_url_template": STAGE.url("/{id}")}, "invalid_metadata",
     re.compile("http.poll_url_template .*'{id}': known here are {run_id}, .*; in its path also {[+]run_id}, .*")),
    ("a poll URL whose host is a placeholder", {"http_poll_url_template": "http://{run_id}/"}, "invalid_metadata",
     re.compile("http.poll_url_template .*host.*")),
    ("an unknown key", {"http_poll_url_tempalte": "x"}, "invalid_metadata",
     "unknown metadata key 'http.poll_url_tempalte': did you mean 'http.poll_url_template'?"),
    ("an unknown key of the worker's", {"rxp_pririty": "1"}, "invalid_metadata",
     re.compile("unknown metadata key 'rxp.pririty'.*")),
    ("an idempotency header that is none", {"http_idempotency_header": "X Y"}, "invalid_metadata",
     re.compile("http.idempotency_header 'X Y' .*")),
    ("an idempotency header that frames the message", {"http_idempotency_header": "content-length"},
     "invalid_metadata", re.compile("http.idempotency_header 'content-length' .*")),
    *((f"a failure budget of '{value}'", {"http_poll_max_failures": value}, "invalid_metadata",
       re.compile(f"http.poll_max_failures '{value}' .*")) for value in ("-1", "1.5", "many", "")),
]

# Where requests may not go, however it is written.
METADATA = "169.254.169.254"
HOSTS = [
    ("the metadata address", METADATA), ("the same with a port", METADATA + ":8080"),
    ("the same as one number", "2852039166"), ("the same in hexadecimal", "0xA9FEA9FE"),
    ("the same in octal", "0251.0376.0251.0376"), ("the same in two parts", "169.16689662"),
    ("the same with a dot behind", METADATA + "."), ("the same mapped into IPv6", "[::ffff:169.254.169.254]"),
    ("the same mapped in hexadecimal", "[::FFFF:A9FE:A9FE]"), ("the same translated", "[64:ff9b::a9fe:a9fe]"),
    ("the same tunnelled", "[2002:a9fe:a9fe::1]"), ("another of the link", "169.254.7.7"),
    ("an IPv6 address of the link", "[fe80::1]"), ("a cloud's IPv6 metadata address", "[fd00:ec2::254]"),
    ("a cloud's wire server", "168.63.129.16"), ("another cloud's metadata address", "100.100.100.200"),
]

for what, text, *_ in TEXTS:
    RUNS.plan("text: " + what, text)
for what, changes, *_ in FIELDS:
    RUNS.plan("field: " + what, made(changes))
for what, metadata, *_ in PLANS:
    RUNS.plan("plan: " + what, made(**metadata))
for what, host in HOSTS:
    RUNS.plan("host: " + what, made(http_url=f"http://{host}/latest?token=hush"), "--egress-allow", "*,169.254.0.0/16")
for kind in ("subprocess", "container", "manual", "unknown"):
    RUNS.plan("kind: " + kind, made({"runtime_kind": kind}))


@rows("{0} is no invocation", TEXTS)
def _(what, _text, error, part, invocation_id):
    run = RUNS["text: " + what]
    run.is_one("rejected", None, error or run.metadata["error.code"], polls=0)
    equal(run.metadata["error.code"] in ("invalid_json", "invalid_invocation"), True, run.metadata["error.code"])
    holds(run.result["error_summary"], part)
    equal(run.result["invocation_id"], invocation_id)
    if invocation_id == UNREADABLE and error:
        equal((run.result["runtime_name"], run.result["runtime_kind"]), ("unknown", "unknown"))


@rows("an invocation is refused for {0}", FIELDS)
def _(what, _changes, part, echoed):
    run = RUNS["field: " + what]
    run.is_one("rejected", None, "invalid_invocation", polls=0)
    holds(run.result["error_summary"], part)
    equal(tuple(run.result[name] for name in ("invocation_id", "runtime_name", "runtime_kind")), echoed)


@rows("metadata is refused for {0}", PLANS)
def _(what, _metadata, error, summary):
    RUNS["plan: " + what].is_one("rejected", None, error, summary, polls=0, run_id=None, state=None)


@rows("no request goes to {0}: {1}", HOSTS)
def _(what, _host):
    run = RUNS["host: " + what]
    run.is_one("rejected", None, "egress_denied",
               re.compile(r"kickoff to http://[^?]* refused: .*, refused whatever is allowed"), polls=0)


@rows("the kind {0} is not run here", [("subprocess",), ("container",), ("manual",), ("unknown",)])
def _(kind):
    run = RUNS["kind: " + kind]
    run.is_one("rejected", None, "unsupported_kind", re.compile(f"runtime_kind '{kind}' .*http_async.*"), polls=0)
    equal(run.result["runtime_kind"], kind)


@rows("{0} {1} keeps requests from {2}", [
    ("--egress-deny", "127.0.0.0/8", "127.0.0.1", "in egress-deny"),
    ("--egress-deny", "127.0.0.1,::1", "localhost", "in egress-deny"),
    ("--egress-allow", "example.com", "127.0.0.1", "egress-allow would allow it"),
    ("--egress-allow", "10.0.0.0/8", "localhost", "egress-allow would allow it"),
])
def _(option, value, host, part):
    run = execute(made(http_url=f"http://{host}:{STAGE.port}/never"), option, value)
    run.is_one("rejected", None, "egress_denied")
    holds(run.result["error_summary"], f"kickoff to http://{host}:{STAGE.port}/never refused: ", part)


@test("a message over the limit is refused, and one at the limit is not")
def _():
    text = json.dumps(made({"runtime_kind": "manual"}))
    over = execute(text, "--max-message-bytes", len(text) - 1)
    over.is_one("rejected", None, "invalid_invocation",
                f"the message has {len(text)} bytes, more than the {len(text) - 1} that max-message-bytes allows")
    execute(text, "--max-message-bytes", len(text)).is_one("rejected", None, "unsupported_kind")


@test("nothing that was refused had reached the server")
def _():
    RUNS.wait()
    equal(STAGE.paths(), [])


@test("what may be absent may be absent, and 10.0 is an integer")
def _():
    STAGE.on("/good", answer(200, '{"status":"completed"}'))
    few = made({name: ... for name in ("schema_version", "contract_kind", "environment", "timeout_seconds",
                                       "input_payload_path", "output_result_path", "artifact_directory")},
               http_url=STAGE.url("/good"))
    execute(few).is_one("succeeded", 0, polls=0)
    execute(json.dumps(made({"timeout_seconds": 10.0}, http_url=STAGE.url("/good")))).is_one("succeeded", 0)
    execute(made({"timeout_seconds": None}, http_url=STAGE.url("/good"))).is_one("succeeded", 0)


# ---- files ----

@test("an invocation is read from a file, and from stdin where it is named -")
def _():
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "a.json").write_text(json.dumps(made({"runtime_kind": "manual", "invocation_id": "f"})))
        run = execute("not read", "a.json", folder=folder)
        run.is_one("rejected", None, "unsupported_kind")
        equal(run.result["invocation_id"], "f")
        execute(made({"runtime_kind": "manual"}), "-").is_one("rejected", None, "unsupported_kind")


@rows("{0} is a mistake in usage", [
    ("a missing file", ["no-such-file"], "cannot open 'no-such-file': No such file"),
    ("a folder", ["/"], "cannot read '/': "),
    ("a second file", ["/dev/null", "/dev/null"], "one argument too many"),
    ("an unknown option", ["--poll-timeout-second", "3"], "did you mean '--poll-timeout-seconds'"),
    ("a malformed value", ["--poll-timeout-seconds", "soon"], "--poll-timeout-seconds"),
    ("a malformed egress list", ["--egress-allow", "10.0.0.0/99", "/dev/null"], "egress-allow"),
    ("an empty egress list", ["--egress-allow", "", "/dev/null"], "egress-allow"),
])
def _(_what, arguments, part):
    done = run_command("exec", *arguments)
    equal((done.returncode, done.stdout), (2, ""))
    holds(done.stderr, "rxp-worker exec: ", part)


@test("a stdin that can't be read is a mistake in usage")
def _():
    folder = os.open("/", os.O_RDONLY)
    try:
        done = subprocess.run([PROGRAM, "exec"], stdin=folder, capture_output=True, text=True, timeout=60, check=False,
                              env=plain_environment())
    finally:
        os.close(folder)
    equal((done.returncode, done.stdout), (2, ""))
    holds(done.stderr, "rxp-worker exec: cannot read '-': ")


@test("the result goes to output_result_path as well")
def _():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "result.json")
        path.write_text("what stood there before, and is longer than a result" * 100)
        STAGE.on("/out", answer(200, '{"status":"completed"}'))
        run = execute(made({"output_result_path": str(path)}, http_url=STAGE.url("/out")))
        run.is_one("succeeded", 0)
        equal(path.read_text(), run.stdout)
        run = execute(made({"output_result_path": "relative.json", "runtime_kind": "manual"}), folder=folder)
        run.is_one("rejected", None, "unsupported_kind")
        equal(pathlib.Path(folder, "relative.json").read_text(), run.stdout)


@rows("a result that can't be written to {0} is told", [("/no/such/folder/x",), ("/",), ("/dev/full",)])
def _(path):
    STAGE.on("/told", answer(200, '{"status":"completed"}'))
    run = execute(made({"output_result_path": path}, http_url=STAGE.url("/told")), has_file_failed=True)
    run.is_one("succeeded", 0)
    equal(run.exit_status, 1)
    holds(run.stderr, f"rxp-worker exec: output_result_path '{path}' could not be written: ")
    equal("Success" in run.stderr, False, run.stderr)


@test("a result that can't be written to stdout is told")
def _():
    with open("/dev/full", "w") as full:
        done = subprocess.run([PROGRAM, "exec"], input="{}", stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=60, check=False, env=plain_environment())
    equal(done.returncode, 1)
    holds(done.stderr, "rxp-worker exec: the result could not be written to stdout: No space left on device")


@test("files that an invocation names are not opened, save for the result's")
def _():
    with tempfile.TemporaryDirectory() as folder:
        fifo = pathlib.Path(folder, "fifo")
        os.mkfifo(fifo)  # opening it would block for ever
        execute(made({"input_payload_path": str(fifo), "artifact_directory": folder + "/new",
                      "working_directory": folder + "/none", "runtime_kind": "manual"})).is_one(
            "rejected", None, "unsupported_kind")
        equal(os.listdir(folder), ["fifo"])


if __name__ == "__main__":
    run_all()
