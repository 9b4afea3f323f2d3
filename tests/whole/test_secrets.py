#!/usr/bin/python3
"""Secrets: sent to the hosts that they are bound to and to no other, fetched where they are tokens, and told to nobody."""
import base64
import contextlib
import json
import pathlib
import tempfile
import threading

from child import wait_until
from execution import execute
from scene import Scene, once_each
from stage import STALL, Stage, answer
from tap import equal, holds, lacks, rows, run_all, test
from worker import run_command

VALUE = "s3cr3t-value-of-the-test"


@contextlib.contextmanager
def folder(**files):
    with tempfile.TemporaryDirectory(prefix="rxp-secrets-") as path:
        place = pathlib.Path(path)
        for name, value in files.items():
            put(place, name, value)
        yield place


def put(place, name, value):
    """In one step, as what replaces files does it."""
    fresh = place / ".fresh"
    fresh.write_text(value if isinstance(value, str) else json.dumps(value))
    fresh.rename(place / name)


def message(url, invocation_id="i", authorization="Bearer ${secret:TOKEN}", **metadata):
    keys = {"http.url": url, "http.header.Authorization": authorization,
            **{key.replace("_", ".", 1): value for key, value in metadata.items()}}
    return {"invocation_id": invocation_id, "runtime_name": "archon", "runtime_kind": "http", "working_directory": "/",
            "command": ["none"], "timeout_seconds": 60, "metadata": keys}


def stage_of(*paths):
    stage = Stage()
    for path in paths:
        stage.on(path, answer(200, '{"ok":true}'))
    return stage


def authorizations(stage, path="/runs"):
    return [request.header("Authorization") for request in stage.requests(path)]


# ---- where they come from, and where they go ----


@test("a secret of a file is sent to the host that it is bound to, without its line end")
def _():
    stage = stage_of("/runs")
    with folder(TOKEN=VALUE + "\n") as place:
        execute(message(stage.url("/runs")), "--secrets-dir", place, "--secrets-hosts", "TOKEN=127.0.0.1").is_one(
            "succeeded", 200)
    equal(authorizations(stage), ["Bearer " + VALUE])


@test("a secret of a variable is sent too; a file of its name goes before it; and no warning says that it is unknown")
def _():
    stage = stage_of("/runs")
    hosts = ("--secrets-hosts", f"TOKEN=127.0.0.1:{stage.port}")
    environment = {"RXP_SECRET_TOKEN": "of-variable"}
    execute(message(stage.url("/runs")), *hosts, environment=environment).is_one("succeeded", 200)
    with folder(TOKEN="of-file") as place:
        execute(message(stage.url("/runs")), *hosts, "--secrets-dir", place, environment=environment).is_one("succeeded", 200)
    equal(authorizations(stage), ["Bearer of-variable", "Bearer of-file"])
    done = run_command("validate", given=json.dumps(message("http://h")), environment=environment)
    lacks(done.stderr, "RXP_SECRET")


@test("a profile binds a secret for its own runs")
def _():
    stage = stage_of("/runs")
    says = {"metadata": {"http.url": stage.url("/runs"), "http.header.Authorization": "Bearer ${secret:TOKEN}"},
            "secrets": {"TOKEN": "127.0.0.1"}}
    with folder(TOKEN=VALUE) as secrets, folder(**{"archon.json": says}) as profiles:
        value = message("")
        value["metadata"] = {}
        places = ("--secrets-dir", secrets, "--profiles-dir", profiles)
        execute(value, *places).is_one("succeeded", 200)
        execute({**value, "runtime_name": "other", "metadata": says["metadata"]}, *places).is_one(
            "rejected", None, "secret_denied")
        # An invocation that names another host gets neither the header nor, with one of its own, the secret.
        elsewhere = Stage(host="127.0.0.2")
        elsewhere.on("/mine", answer(200, "{}"))
        execute({**value, "metadata": {"http.url": elsewhere.url("/mine")}}, *places).is_one("succeeded", 200)
        execute(message(elsewhere.url("/mine")), *places).is_one("rejected", None, "secret_denied")
    equal(authorizations(stage), ["Bearer " + VALUE])
    equal(authorizations(elsewhere, "/mine"), [None])


@rows("nothing is sent where a secret may not go: {0}", [
    ("bound to nothing", "", "is bound to no host"),
    ("bound to another host", "TOKEN=localhost", "may not be sent to 127.0.0.1"),
    ("bound to another port", "TOKEN=127.0.0.1:1", "may not be sent to 127.0.0.1"),
    ("another secret is bound", "OTHER=127.0.0.1", "is bound to no host"),
    ("the secret is not there", "TOKEN=127.0.0.1", "is not known"),
])
def _(what, hosts, says):
    stage = stage_of("/runs")
    with folder(**({} if "not there" in what else {"TOKEN": VALUE})) as place:
        done = execute(message(stage.url("/runs")), "--secrets-dir", place, "--secrets-hosts", hosts)
    done.is_one("rejected", None, "secret_denied")
    holds(done.result["error_summary"], "TOKEN", says)
    equal(stage.paths(), [])


@test("what a redirect leads to elsewhere gets no secret")
def _():
    stage = Stage()
    other = Stage(host="127.0.0.2")
    stage.on("/runs", answer(307, Location=other.url("/else")))
    other.on("/else", answer(200, "{}"))
    with folder(TOKEN=VALUE) as place:
        execute(message(stage.url("/runs")), "--secrets-dir", place, "--secrets-hosts", "TOKEN=127.0.0.1,127.0.0.2").is_one(
            "succeeded", 200)
    equal((authorizations(stage), authorizations(other, "/else")), (["Bearer " + VALUE], [None]))


@test("a malformed secrets-hosts stops the start and names the entry")
def _():
    done = run_command("exec", "--secrets-hosts", "A=h;B=*.example.com", "-", given="{}")
    equal(done.returncode, 2)
    holds(done.stderr, "secrets-hosts: of B, '*.example.com': patterns are not taken here")


# ---- tokens ----


class TokenServer(Stage):
    """Gives out token-1, token-2, …; `fails` first answers 503 so often."""

    def __init__(self, fails=0, life=3600, wait=None):
        super().__init__()
        self.lock = threading.Lock()
        self.given = 0
        self.left = fails

        def serve(_):
            if wait:
                wait.wait(30)
            with self.lock:
                if self.left:
                    self.left -= 1
                    return answer(503, "later")
                self.given += 1
                return answer(200, json.dumps({"access_token": f"token-{self.given}", "token_type": "Bearer",
                                               "expires_in": life}))
        self.on("/token", serve)

    def grant(self, **others):
        return {"token_url": self.url("/token"), "client_id": "worker", "client_secret": VALUE, **others}


@test("an OAuth2 token is fetched with the client's credentials, and sent")
def _():
    stage, server = stage_of("/runs"), TokenServer()
    hosts = ("--secrets-hosts", "TOKEN=127.0.0.1")
    with folder(**{"TOKEN.oauth2.json": server.grant(scope="runs.write", audience="https://a")}) as place:
        execute(message(stage.url("/runs")), "--secrets-dir", place, *hosts).is_one("succeeded", 200)
        put(place, "TOKEN.oauth2.json", server.grant(auth="post"))
        execute(message(stage.url("/runs")), "--secrets-dir", place, *hosts).is_one("succeeded", 200)
    basic, post = server.requests("/token")
    equal(base64.b64decode(basic.header("Authorization").removeprefix("Basic ")).decode(), "worker:" + VALUE)
    equal(basic.body, b"grant_type=client_credentials&scope=runs.write&audience=https%3A%2F%2Fa")
    equal((post.header("Authorization"), post.body),
          (None, f"grant_type=client_credentials&client_id=worker&client_secret={VALUE}".encode()))
    equal(authorizations(stage), ["Bearer token-1", "Bearer token-2"])


@test("a kickoff waits for a token server that is back after a while")
def _():
    stage, server = stage_of("/runs"), TokenServer(fails=1)
    with folder(**{"TOKEN.oauth2.json": server.grant()}) as place:
        done = run_command("exec", "--secrets-dir", place, "--secrets-hosts", "TOKEN=127.0.0.1", "-",
                           given=json.dumps(message(stage.url("/runs"))))
    equal(json.loads(done.stdout)["status"], "succeeded", done.stdout)
    holds(done.stderr, "the OAuth2 token of secret 'TOKEN' could not be fetched: the token server answered 503")
    equal((authorizations(stage), len(server.requests("/token"))), (["Bearer token-1"], 2))


@test("a wrong grant is a secret that cannot be used")
def _():
    stage = stage_of("/runs")
    with folder(**{"TOKEN.oauth2.json": {"token_url": stage.url("/token"), "client_id": "x", "client_secret": VALUE,
                                         "scopes": "x"}}) as place:
        done = execute(message(stage.url("/runs")), "--secrets-dir", place, "--secrets-hosts", "TOKEN=127.0.0.1")
    done.is_one("rejected", None, "secret_denied")
    holds(done.result["error_summary"], "'TOKEN' cannot be used: ", "scopes")
    equal(stage.paths(), [])


# ---- the worker ----


@test("one token serves all runs of the worker, also those that waited for it")
def _():
    go = threading.Event()
    stage, server = stage_of("/runs"), TokenServer(wait=go)
    count = 200
    with folder(**{"TOKEN.oauth2.json": server.grant()}) as place, Scene(partitions=2) as scene:
        scene.worker(secrets_dir=place, secrets_hosts="TOKEN=127.0.0.1")
        where = scene.produce([message(stage.url("/runs"), f"i-{n}") for n in range(count)])
        wait_until(lambda: server.requests("/token"), what="a request for a token")
        equal(stage.paths(), [])
        go.set()
        for result in once_each(where, scene.wait_for_results(count)).values():
            equal(result["status"], "succeeded", str(result))
    equal((set(authorizations(stage)), len(stage.requests("/runs"))), ({"Bearer token-1"}, count))
    equal(len(server.requests("/token")), 1)


@test("a secret that is changed on disk is sent from then on; one that is taken away is not known")
def _():
    stage = stage_of("/runs")
    with folder(TOKEN="first") as place, Scene(partitions=1) as scene:
        worker = scene.worker(secrets_dir=place, secrets_hosts="TOKEN=127.0.0.1")
        scene.produce([message(stage.url("/runs"), "1")])
        scene.wait_for_results(1)
        mark = worker.mark()
        put(place, "TOKEN", "second")
        worker.wait_for("secret 'TOKEN' was read again", after=mark)
        scene.produce([message(stage.url("/runs"), "2")])
        scene.wait_for_results(2)
        mark = worker.mark()
        (place / "TOKEN").unlink()
        worker.wait_for("secret_gone", after=mark)
        scene.produce([message(stage.url("/runs"), "3")])
        last = [record.json() for record in scene.wait_for_results(3) if record.json()["invocation_id"] == "3"]
        equal([result["metadata"].get("error.code") for result in last], ["secret_denied"])
        equal(authorizations(stage), ["Bearer first", "Bearer second"])


@test("the worker says at its start which bound secrets are not there")
def _():
    with Scene(partitions=1) as scene:
        worker = scene.worker(secrets_hosts="NOWHERE=h")
        holds(worker.wait_for("secret_unknown").string, "'NOWHERE'", "RXP_SECRET_NOWHERE")


# ---- told to nobody ----


def reflect(name):
    """A service that lets every origin in, a gateway that gives back a request's id, one that trusts X-Forwarded-*."""
    def give(request):
        value = request.header(name)
        if name == "X-Forwarded-Prefix":
            return answer(307, Location=value + "/on")
        return answer(202, json.dumps({"id": value}), Access_Control_Allow_Origin=value)
    return give


@rows("a backend that gives back the header {0} cannot be led to tell a secret on: {1}", [
    ("Origin", "poll_url_invalid", {"http_poll_url_header": "Access-Control-Allow-Origin"}),
    ("X-Request-Id", "run_id_invalid", {"http_poll_run_id_path": "id"}),
    ("X-Forwarded-Prefix", "kickoff_status", {}),
])
def _(name, error, keys):
    stage, other = Stage(), stage_of("/")
    stage.on("/runs", reflect(name))
    given = message(stage.url("/runs"), http_poll_status_path="status", http_poll_terminal_states="completed",
                    http_poll_url_template=stage.url("/{run_id}" if "http_poll_run_id_path" in keys else "/polled"), **keys)
    given["runtime_kind"] = "http_async"
    given["metadata"]["http.header." + name] = other.url("/?${secret:TOKEN}")
    with folder(TOKEN=VALUE) as place:
        done = execute(given, "--secrets-dir", place, "--secrets-hosts", f"TOKEN=127.0.0.1:{stage.port}")
    done.is_one("failed", None, error)
    lacks(json.dumps(done.result), VALUE)
    equal(len(authorizations(stage)), 1)
    equal(other.requests("/"), [])


def echo(request):
    """What a debugging backend does: it gives back what it got."""
    return answer(200, json.dumps({"got": request.header("Authorization"), "status": "failed", "id": "7"}))


@test("no value of a secret stands in logs at debug level, results, checkpoints, dead letters or the configuration")
def _():
    go = threading.Event()
    stage, server = Stage(), TokenServer()
    stage.on("/echo", echo)
    stage.on("/runs", answer(202, '{"id":"7"}'))
    stage.on("/runs/7", lambda request: echo(request) if go.is_set() else answer(200, '{"status":"running"}'))
    stage.on("/refuses", lambda request: answer(500, "you sent " + request.header("Authorization")))
    stage.on("/unlike", lambda request: answer(200, request.header("Authorization")))
    stage.on("/stalls", STALL)
    polled = {"http_poll_url_template": stage.url("/runs/{run_id}"), "http_poll_run_id_path": "id",
              "http_poll_status_path": "status", "http_poll_terminal_states": "completed,failed", "http_result_path": "got",
              "http_poll_error_path": "got", "http_poll_interval_seconds": "0.1"}
    both = "Bearer ${secret:TOKEN} ${secret:FILED} ${secret:VARIED}"
    with folder(FILED=VALUE + "-filed", **{"TOKEN.oauth2.json": server.grant()}) as place, Scene(partitions=1) as scene:
        dead = scene.kafka.create_topic("dead", 1)
        options = {"secrets_dir": place, "secrets_hosts": "TOKEN=127.0.0.1;FILED=127.0.0.1;VARIED=127.0.0.1"}
        environment = {"RXP_SECRET_VARIED": VALUE + "-varied", "RXP_SECRET_UNBOUND": VALUE + "-unbound"}
        worker = scene.worker(log_level="debug", dead_letter_topic=dead, environment=environment, **options)
        messages = [message(stage.url("/echo"), "echo", both, http_result_path="got"),
                    {**message(stage.url("/runs"), "polled", both, **polled), "runtime_kind": "http_async"},
                    message(stage.url("/refuses"), "refused", both), message(stage.url("/unlike"), "unlike", both),
                    {**message(stage.url("/stalls"), "stalled", both), "timeout_seconds": 1},
                    message(stage.url("/echo"), "unbound", "${secret:UNBOUND}"),
                    message("http://127.0.0.1:1/", "nobody", both, http_kickoff_max_retries="0")]
        scene.produce(messages)
        wait_until(lambda: stage.requests("/runs/7"), what="a poll")
        wait_until(lambda: scene.kafka.topic_exists(scene.checkpoints) and scene.kafka.read_all(scene.checkpoints),
                   what="a checkpoint")
        go.set()
        records = scene.wait_for_results(len(messages))
        sent = authorizations(stage, "/echo") + authorizations(stage) + authorizations(stage, "/runs/7")
        equal(set(sent), {f"Bearer token-1 {VALUE}-filed {VALUE}-varied"})
        equal(worker.stop(), 0)
        told = [worker.output(), *(f"{r.key} {r.value} {r.headers}" for r in records),
                *(f"{r.key} {r.value} {r.headers}" for topic in (scene.checkpoints, dead) for r in scene.kafka.read_all(topic))]
        configured = run_command("config", "--bootstrap-servers", "127.0.0.1:1", "--secrets-dir", place,
                                 environment=environment)
        told += [configured.stdout, configured.stderr]
        for value, name in zip(messages, ("echo", "polled", "refused", "unlike", "stalled", "unbound", "nobody")):
            for arguments in (("--trace",), ("--dry-run",)):
                done = run_command("exec", *arguments, "--secrets-dir", place, "--secrets-hosts", options["secrets_hosts"],
                                   "-", given=json.dumps(value), environment=environment)
                told += [done.stdout, done.stderr]
                holds(done.stdout + done.stderr, "" if name == "unbound" else "127.0.0.1")
        for text in told:
            lacks(text, VALUE, "token-1", "token-2", base64.b64encode(("worker:" + VALUE).encode()).decode())


if __name__ == "__main__":
    run_all()
