#!/usr/bin/python3
"""Profiles: what operators lay down for a runtime_name, as exec, validate, submit and the worker take it."""
import contextlib
import json
import pathlib
import re
import signal
import tempfile

from child import ROOT, wait_until
from execution import execute
from scene import Scene, once_each
from stage import Stage, answer
from tap import equal, holds, lacks, rows, run_all, test
from worker import flags, run_command

README = (ROOT / "README.md").read_text()


@contextlib.contextmanager
def folder(**files):
    """A directory with files NAME.json of these values; text is written as it is."""
    with tempfile.TemporaryDirectory(prefix="rxp-profiles-") as path:
        place = pathlib.Path(path)
        for name, value in files.items():
            put(place, name, value)
        yield place


def put(place, name, value):
    """In one step, as what replaces files does it."""
    fresh = place / ".fresh"
    fresh.write_text(value if isinstance(value, str) else json.dumps(value))
    fresh.rename(place / f"{name}.json")


def profile(stage, path="/runs", **others):
    return {"runtime_kind": "http", "metadata": {"http.url": stage.url(path), **others.pop("metadata", {})}, **others}


def message(invocation_id="i", name="archon", kind="http", **metadata):
    return {"invocation_id": invocation_id, "runtime_name": name, "runtime_kind": kind, "working_directory": "/",
            "command": ["none"], "timeout_seconds": 30,
            "metadata": {key.replace("_", ".", 1): value for key, value in metadata.items()}}


def stage_of(*paths):
    stage = Stage()
    for path in paths:
        stage.on(path, answer(200, '{"ok":true}'))
    return stage


@test("an invocation needs no more than an id and a name where its profile says the rest")
def _():
    stage = stage_of("/runs/m-1")
    says = {"http.url": stage.url("/runs/{var.model}"), "var.model": "m-0", "http.body": '{"m":"{var.model}"}',
            "http.header.X-Team": "blue"}
    with folder(archon={"metadata": says}) as place:
        execute(message(var_model="m-1"), "--profiles-dir", place).is_one("succeeded", 200)
    request, = stage.requests("/runs/m-1")
    equal((request.method, request.body, request.header("X-Team")), ("POST", b'{"m":"m-1"}', "blue"))


@test("what a message says itself counts more than its profile, and names without a profile go without one")
def _():
    stage = stage_of("/mine", "/theirs")
    with folder(archon=profile(stage, "/theirs")) as place:
        execute(message(http_url=stage.url("/mine")), "--profiles-dir", place).is_one("succeeded", 200)
        execute(message(name="other", http_url=stage.url("/mine")), "--profiles-dir", place).is_one("succeeded", 200)
    equal((len(stage.requests("/mine")), len(stage.requests("/theirs"))), (2, 0))


@test("with profiles=only a message says bodies, variables and keys of its own, and nothing else")
def _():
    stage = stage_of("/runs/a")
    with folder(archon={"metadata": {"http.url": stage.url("/runs/{var.x}")}}) as place:
        only = ("--profiles-dir", place, "--profiles", "only")
        done = execute(message(var_x="a", http_body="[1]", tenant="t"), *only)
        done.is_one("succeeded", 200)
        equal(done.metadata["tenant"], "t")
        for key, value in (("http_url", stage.url("/runs/a")), ("http_header.X", "y"), ("http_method", "PUT")):
            refused = execute(message(var_x="a", **{key: value}), *only)
            refused.is_one("rejected", None, "invalid_metadata")
            holds(refused.result["error_summary"], "archon.json")
    equal([request.body for request in stage.requests("/runs/a")], [b"[1]"])


@rows("a runtime_name finds its own profile and no file of another place: {0!r}", [
    ("nobody",), ("../archon",), ("./archon",), ("/etc/passwd",), ("archon.json",), ("archon/",), ("Archon",), (".hidden",),
    ("arch\x01n",), ("archon%00",),
])
def _(name):
    stage = stage_of("/runs")
    with folder(archon=profile(stage), **{".hidden": profile(stage)}) as place:
        done = execute(message(name=name), "--profiles-dir", place / ".." / place.name, "--profiles", "only")
    done.is_one("rejected", None, "unknown_profile")
    equal(stage.requests("/runs"), [])


WRONG = [
    ("not JSON", "{", "it is not JSON"),
    ("a key that there is not", '{"metadata":{},"secret":{}}', "unknown key 'secret'"),
    ("metadata that there is not", '{"metadata":{"http.ulr":"http://h"}}', "http.ulr"),
    ("a wrong URL", '{"metadata":{"http.url":"ftp://h"}}', "http.url"),
    ("a number", '{"metadata":{"http.poll_max_failures":3}}', "put it in quotes"),
    ("a pattern for a secret", '{"metadata":{},"secrets":{"A":"*.h"}}', "patterns are not taken here"),
]


@rows("a wrong profile stops the start and is named: {0}", WRONG)
def _(_, text, says):
    with folder(archon={"metadata": {"http.url": "http://h"}}, wrong=text) as place:
        for command in (("exec", "-"), ("validate", "-"), ("submit", "--bootstrap-servers", "127.0.0.1:1", "-"),
                        ("run", "--bootstrap-servers", "127.0.0.1:1")):
            done = run_command(command[0], "--profiles-dir", place, *command[1:], given=json.dumps(message()))
            equal((done.returncode, done.stdout), (2, ""), f"{command[0]}: {done.stderr}")
            holds(done.stderr, "profiles-dir: wrong.json: ", says)


@test("a directory that is not there, and profiles=only without one, stop the start")
def _():
    for arguments, says in ((("--profiles-dir", "/nonexistent"), "profiles-dir '/nonexistent' cannot be read"),
                            (("--profiles", "only"), "--profiles-dir")):
        done = run_command("validate", *arguments, given=json.dumps(message()))
        equal(done.returncode, 2)
        holds(done.stderr, says)


@test("validate and submit judge by the profiles that they are given")
def _():
    with folder(archon={"runtime_kind": "http", "metadata": {"http.url": "http://h/x"}}) as place:
        for arguments, status, says in (
                ((), 1, "invalid: missing_metadata: missing metadata 'http.url'"),
                (("--profiles-dir", place), 0, "valid i"),
                (("--profiles-dir", place, "--profiles", "only"), 0, "valid i")):
            done = run_command("validate", *arguments, given=json.dumps(message()))
            equal(done.returncode, status, done.stdout)
            holds(done.stdout, says)
        done = run_command("validate", "--profiles-dir", place, "--profiles", "only", given=json.dumps(message(name="b")))
        holds(done.stdout, "invalid: unknown_profile: runtime_name 'b' has no profile")
        done = run_command("validate", "--profiles-dir", place, given=json.dumps(message(kind="http_async")))
        holds(done.stdout, "invalid: ", "archon.json")
        done = run_command("submit", "--bootstrap-servers", "127.0.0.1:1", "--profiles-dir", place, "--profiles", "only",
                           given=json.dumps(message(name="b")))
        equal(done.returncode, 2)
        holds(done.stderr, "unknown_profile", "nothing was sent")


@test("the profile in the README is one, and needs what the README says")
def _():
    section = README.split("## Profiles and secrets", 1)[1].split("\n## ", 1)[0]
    text, grant = re.findall(r"```json\n(.*?)```", section, re.S)
    equal(sorted(json.loads(grant)), ["audience", "auth", "client_id", "client_secret", "scope", "token_url"])
    with folder(archon=text) as place:
        only = ("--profiles-dir", place, "--profiles", "only")
        done = run_command("validate", *only, given=json.dumps(message(kind="http_async", var_workflow="w")))
        equal(done.stdout, "stdin:1: valid i\n")
        done = run_command("validate", *only, given=json.dumps(message(kind="http_async")))
        holds(done.stdout, "missing_metadata", "var.workflow")


@test("config --check names profiles and secrets, and no value")
def _():
    with folder(archon={"metadata": {"http.url": "http://h"}}) as place:
        (place / "FILED").write_text("hidden-value")
        (place / "LONG").write_text("hidden-value" * 1000)
        settings = flags({"profiles_dir": place, "secrets_dir": place, "bootstrap_servers": "127.0.0.1:1",
                          "secrets_hosts": "FILED=h:1;LONG=h;NOWHERE=h"})
        done = run_command("config", "--check", *settings, environment={"RXP_SECRET_VARIED": "hidden-value"})
        equal(done.returncode, 1)
        holds(done.stderr, "profile archon.json\n", "secret FILED (file), for h:1\n", "secret VARIED (environment), bound to no",
              "WRONG   secret LONG (file) cannot be used: it is longer than 8 KiB", "MISSING secret NOWHERE, for h: ")
        lacks(done.stdout + done.stderr, "hidden-value")
        put(place, "wrong", "{")
        done = run_command("config", "--check", *settings)
        equal(done.returncode, 2)
        holds(done.stderr, "WRONG   profiles-dir: wrong.json: it is not JSON")


# ---- the worker ----


@test("the worker takes profiles, reads them again on SIGHUP, and keeps what it has where a file is wrong")
def _():
    stage = stage_of("/old", "/new")
    with folder(archon=profile(stage, "/old")) as place, Scene(partitions=1) as scene:
        worker = scene.worker(profiles_dir=place, profiles="only")
        where = scene.produce([message("first"), message("nobody", name="nobody")])
        results = once_each(where, scene.wait_for_results(2))
        equal(sorted((r["status"], r["metadata"].get("error.code")) for r in results.values()),
              [("rejected", "unknown_profile"), ("succeeded", None)])

        put(place, "archon", profile(stage, "/new"))
        put(place, "nobody", '{"metadata":')
        mark = worker.mark()
        worker.signal(signal.SIGHUP)
        holds(worker.wait_for("profiles_refused", after=mark).string, "the profiles stay as they were: profiles-dir: nobody.json: ")
        scene.produce([message("second")])
        scene.wait_for_results(3)
        equal((len(stage.requests("/old")), len(stage.requests("/new"))), (2, 0))

        put(place, "nobody", profile(stage, "/new"))
        mark = worker.mark()
        worker.signal(signal.SIGHUP)
        holds(worker.wait_for("profiles_read", after=mark).string, "the profiles were read again: 2")
        scene.produce([message("third"), message("fourth", name="nobody")])
        scene.wait_for_results(5)
        equal((len(stage.requests("/old")), len(stage.requests("/new"))), (2, 2))
        equal(worker.stop(), 0)


@test("runs that are under way keep the profile that they began with")
def _():
    stage = Stage()
    polls = '{"status":"%s"}'
    said = []

    def status(_):
        return answer(200, polls % ("completed" if said else "running"))
    stage.on("/old", answer(202, '{"id":"1"}'))
    stage.on("/old/1", status)
    keys = {"http.poll_run_id_path": "id", "http.poll_status_path": "status", "http.poll_terminal_states": "completed",
            "http.poll_interval_seconds": "1.1"}  # so that it sleeps in between

    def slow(path):
        return {"metadata": {"http.url": stage.url(path), "http.poll_url_template": stage.url(path + "/{run_id}"), **keys}}
    with folder(archon=slow("/old")) as place, Scene(partitions=1) as scene:
        worker = scene.worker(profiles_dir=place)
        where = scene.produce([message("run", kind="http_async")])
        wait_until(lambda: stage.requests("/old/1"), what="a poll")
        put(place, "archon", slow("/new"))
        mark = worker.mark()
        worker.signal(signal.SIGHUP)
        worker.wait_for("profiles_read", after=mark)
        said.append(True)
        result, = once_each(where, scene.wait_for_results(1)).values()
        equal(result["status"], "succeeded", str(result))
        equal(stage.requests("/new"), [])


@test("a run that was accepted, and that its profile refuses after a restart, fails and is not rejected")
def _():
    stage = Stage()
    stage.on("/runs", answer(202, '{"id":"1"}'))
    stage.on("/runs/1", answer(200, '{"status":"running"}'))
    says = {"metadata": {"http.url": stage.url("/runs"), "http.poll_url_template": stage.url("/runs/{run_id}"),
                         "http.poll_run_id_path": "id", "http.poll_status_path": "status",
                         "http.poll_terminal_states": "completed", "http.poll_interval_seconds": "0.1"}}
    with folder(archon=says) as place, Scene(partitions=1) as scene:
        worker = scene.worker(name="first", profiles_dir=place, profiles="only")
        where = scene.produce([message("run", kind="http_async")])
        wait_until(lambda: len(stage.requests("/runs/1")) > 1, what="two polls")
        equal(worker.stop(), 0)
        (place / "archon.json").unlink()
        scene.worker(name="second", profiles_dir=place, profiles="only")
        result, = once_each(where, scene.wait_for_results(1)).values()
        equal((result["status"], result["metadata"]["error.code"]), ("failed", "unknown_profile"), str(result))
        holds(result["error_summary"], "was accepted under an earlier configuration", "has no profile")


if __name__ == "__main__":
    run_all()
