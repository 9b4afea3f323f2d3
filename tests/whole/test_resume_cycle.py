#!/usr/bin/python3
"""Runs of the whole HTTP cycle that outlive their worker: killed or stopped between any two of their calls, and gone on with
by an heir."""
import contextlib
import datetime
import json
import pathlib
import signal
import tempfile
import threading
import time

from child import wait_until
from scene import Scene, once_each
from stage import STALL, Stage, answer
from tap import equal, holds, rows, run_all, test

# A member that was killed is missed after its session timeout.
QUICK = ["-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=500"]
BOTH = [("at-least-once",), ("at-most-once",)]
ACCEPTED = answer(202)
RUNNING = answer(200, '{"status":"running"}')
ENDED = answer(200, '{"status":"completed"}')


class Play:
    """A stage for runs that do not end before go(); each has paths below its name."""

    def __init__(self):
        self.stage = Stage()
        self.gone = threading.Event()

    def go(self):
        self.gone.set()

    def until(self, before, after):
        """An answer that changes with go()."""
        return lambda _request: after if self.gone.is_set() else before

    def on(self, name, call, *answers):
        self.stage.on(f"/{name}/{call}", *answers)

    def targets(self, name, call):
        return [request.target for request in self.stage.requests(f"/{name}/{call}")]

    def count(self, name, call):
        return len(self.targets(name, call))

    def message(self, name, **metadata):
        base = self.stage.url(f"/{name}/")
        keys = {"http.url": base + "kickoff", "http.poll_url_template": base + "poll", "http.poll_status_path": "status",
                "http.poll_terminal_states": "completed,failed", "http.poll_interval_seconds": "0.1"}
        for key, value in metadata.items():
            keys.pop(key.replace("_", ".", 1), None)
            if value is not None:
                keys[key.replace("_", ".", 1)] = value.replace("{0}", base)
        return {"invocation_id": name, "runtime_name": "cycle", "runtime_kind": "http_async", "working_directory": "/",
                "command": ["none"], "timeout_seconds": 300, "metadata": keys}


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix="rxp-resume-") as path:
        yield pathlib.Path(path)


def noted(scene):
    """What the checkpoints say of runs that are under way: {invocation_id: checkpoint}."""
    if not scene.kafka.topic_exists(scene.checkpoints):
        return {}
    found = [record.json() for records in scene.live_checkpoints().values() for record in records]
    return {checkpoint["invocation_id"]: checkpoint for checkpoint in found if checkpoint["kind"] == "run"}


def wait_for_note(scene, name, **facts):
    def is_noted():
        checkpoint = noted(scene).get(name, {})
        return all(checkpoint.get(key) == value for key, value in facts.items()) and checkpoint
    return wait_until(is_noted, 30, f"a checkpoint of {name} with {facts}")


def results_of(scene, names, where):
    results = once_each(where, scene.wait_for_results(len(names)))
    return {name: results[place] for name, place in zip(names, where)}


def has_succeeded(result, resumed=True, http_result=None):
    equal((result["status"], result["metadata"].get("resumed")), ("succeeded", "true" if resumed else None), str(result))
    equal(result["metadata"].get("http.result"), http_result, "http.result")


def nothing_is_left(scene):
    scene.wait_for_commit()
    scene.wait_for_checkpoints(0)


PREPARED = {"http_prepare_url": "{0}prepare", "http_prepare_id_path": "id"}


def play_polled(play):
    """Runs that are polled when their worker dies: (message, what is noted of it, the heir's polls, its other calls)."""
    url = play.stage.url
    for name, *kickoff in (("prepared", ACCEPTED), ("named", answer(202, Operation_Location="op?sig=a%2Fb")),
                           ("moved", answer(202, Location="/moved/first")), ("late", ACCEPTED),
                           ("fetching", ACCEPTED), ("terminal", answer(200, '{"status":"completed"}'))):
        play.on(name, "prepare", answer(201, f'{{"id":"{name} ä/1"}}'), answer(500))
        play.on(name, "kickoff", *kickoff, answer(500))
        play.on(name, "poll", play.until(RUNNING, ENDED))
        play.on(name, "result", play.until(answer(503), answer(200, f'{{"of":"{name}"}}')))
        play.on(name, "after", answer(200))
    play.on("named", "op", play.until(RUNNING, ENDED))
    # The first URL is of no use any more once a poll has named the second.
    play.on("moved", "first", answer(200, '{"status":"running"}', Location="second"), answer(410))
    play.on("moved", "second", play.until(RUNNING, ENDED))
    play.on("late", "poll", play.until(answer(200, '{"status":"running","run":"r/1"}'), ENDED))
    play.on("fetching", "poll", ENDED)
    result = {"http_result_url_template": "{0}result", "http_poll_max_failures": "100"}
    return [
        (play.message("prepared", **PREPARED, http_poll_url_template="{0}poll?of={prepared_id}",
                      http_result_url_template="{0}result?of={prepared_id}",
                      http_after_url_template="{0}after?of={prepared_id}"),
         {"prepared_id": "prepared ä/1", "poll_url": url("/prepared/poll?of=prepared%20%C3%A4%2F1")},
         ("poll", "/prepared/poll?of=prepared%20%C3%A4%2F1"),
         [("result", "/prepared/result?of=prepared%20%C3%A4%2F1"), ("after", "/prepared/after?of=prepared%20%C3%A4%2F1")]),
        (play.message("named", http_poll_url_template=None, http_poll_url_header="Operation-Location"),
         {"poll_url": url("/named/op?sig=a%2Fb")}, ("op", "/named/op?sig=a%2Fb"), []),
        (play.message("moved", http_poll_url_template=None, http_poll_url_header="Location"),
         {"poll_url": url("/moved/second")}, ("second", "/moved/second"), []),
        (play.message("late", http_late_run_id_path="run", http_result_url_template="{0}result?of={run_id}",
                      http_after_url_template="{0}after?of={run_id}"),
         {"run_id": "r/1", "poll_url": url("/late/poll")}, ("poll", "/late/poll"),
         [("result", "/late/result?of=r%2F1"), ("after", "/late/after?of=r%2F1")]),
        (play.message("fetching", **result), {"poll_url": url("/fetching/poll")}, ("poll", "/fetching/poll"),
         [("result", "/fetching/result")]),
        (play.message("terminal", **result), {"poll_url": url("/terminal/poll")}, ("poll", "/terminal/poll"),
         [("result", "/terminal/result")]),
    ]


@rows("runs of a {0} worker go on with the right URLs and ids, also amid the fetch of their result ({1} kickoffs)", [
    ("killed", "at-least-once"), ("stopped", "at-most-once")])
def _(how, guarantee):
    play = Play()
    with Scene(partitions=3) as scene:
        runs = play_polled(play)
        names = [given["invocation_id"] for given, *_ in runs]
        options = {"arguments": QUICK, "kickoff_guarantee": guarantee}
        first = scene.worker(name="first", **options)
        scene.kafka.wait_for_members(scene.group, 1, 3)
        latest = time.time() + 10
        stamp = datetime.datetime.fromtimestamp(latest, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        for given, *_ in runs:
            given["metadata"]["rxp.start_before"] = stamp
        where = scene.produce([given for given, *_ in runs])
        for name, (_, facts, *_) in zip(names, runs):
            wait_for_note(scene, name, **facts)
        wait_until(lambda: all(play.count(name, "result") for name in ("fetching", "terminal")), what="fetches")
        if how == "killed":
            first.kill()
        else:
            equal(first.stop(20), 0)
        before = {name: play.count(name, call) for name, (_, _, (call, _), _) in zip(names, runs)}
        kept = play.count("moved", "first")
        wait_until(lambda: time.time() > latest, what="the end of the time to start in")  # which is no matter to them
        play.go()
        scene.worker(name="second", **options)
        results = results_of(scene, names, where)
        for name, (_, _, (call, target), others) in zip(names, runs):
            fetches = any(other == "result" for other, _ in others)
            has_succeeded(results[name], http_result=f'{{"of":"{name}"}}' if fetches else None)
            equal(play.count(name, "kickoff"), 1, f"kickoffs of {name}")
            equal(play.targets(name, call)[before[name]:], [target], f"the heir's polls of {name}")
            for other, at in others:
                wait_until(lambda name=name, other=other: play.targets(name, other), what=f"{other} of {name}")
                equal(play.targets(name, other)[-1], at, f"{other} of {name}")
        equal(results["late"]["metadata"]["http.run_id"], "r/1")
        equal((play.count("prepared", "prepare"), play.count("moved", "first")), (1, kept))
        nothing_is_left(scene)


@test("a worker that stops says where its runs are polled now, however new that is")
def _():
    play = Play()
    named = []

    def move(_request):
        if play.gone.is_set():
            return ENDED
        named.append(len(named))
        return answer(200, '{"status":"running"}', Location=f"op?n={named[-1]}")
    play.on("a", "kickoff", answer(202, Location="op?n=first"))
    play.on("a", "op", move)
    with Scene(partitions=1) as scene:
        first = scene.worker(name="first")
        where = scene.produce([play.message("a", http_poll_url_template=None, http_poll_url_header="Location")])
        wait_until(lambda: len(named) > 3, what="some polls")
        equal(first.stop(20), 0)
        polled = play.count("a", "op")
        play.go()
        scene.worker(name="second")
        has_succeeded(results_of(scene, ["a"], where)["a"])
        equal(play.targets("a", "op")[polled:], [f"/a/op?n={named[-1]}"])


@test("runs whose time is up before anybody polls them on: what has ended is fetched all the same, the rest is cancelled")
def _():
    play = Play()
    cancel = {"http_cancel_url_template": "{0}cancel?of={run_id}", "http_late_run_id_path": "run"}
    for name, after in (("ended", ENDED), ("slow", answer(200, '{"status":"running","run":"r 1"}'))):
        play.on(name, "kickoff", ACCEPTED, answer(500))
        play.on(name, "poll", play.until(RUNNING, after))
        play.on(name, "result", answer(200, "7"))
        play.on(name, "cancel", answer(200))
    with Scene(partitions=1) as scene:
        first = scene.worker(name="first")
        given = [play.message(name, http_result_url_template="{0}result", **cancel) for name in ("ended", "slow")]
        where = scene.produce([{**each, "timeout_seconds": 5} for each in given])
        began = time.monotonic()
        for name in ("ended", "slow"):
            wait_for_note(scene, name)
        equal(first.stop(20), 0)
        play.go()
        wait_until(lambda: time.monotonic() > began + 8, what="the end of their time")
        scene.worker(name="second")
        results = results_of(scene, ["ended", "slow"], where)
        has_succeeded(results["ended"], http_result="7")
        equal((results["slow"]["status"], results["slow"]["metadata"]["error.code"]), ("timed_out", "poll_timeout"))
        wait_until(lambda: play.count("slow", "cancel"), what="the cancel call")
        equal((play.targets("slow", "cancel"), play.count("ended", "cancel")), (["/slow/cancel?of=r%201"], 0))
        nothing_is_left(scene)


@rows("a run that was killed before its kickoff is prepared anew, and kicked off once ({0} kickoffs)", BOTH)
def _(guarantee):
    play = Play()
    play.on("a", "prepare", play.until(STALL, answer(201, '{"id":"2"}')))
    play.on("a", "kickoff", ACCEPTED, answer(500))
    play.on("a", "poll", ENDED)
    with Scene(partitions=1) as scene:
        options = {"arguments": QUICK, "kickoff_guarantee": guarantee}
        first = scene.worker(name="first", **options)
        where = scene.produce([play.message("a", **PREPARED, http_body='["{prepared_id}"]')])
        wait_until(lambda: play.count("a", "prepare"), what="the prepare call")
        first.kill()
        play.go()
        scene.worker(name="second", **options)
        has_succeeded(results_of(scene, ["a"], where)["a"], resumed=False)
        equal((play.count("a", "prepare"), [r.body for r in play.stage.requests("/a/kickoff")]), (2, [b'["2"]']))
        nothing_is_left(scene)


def play_resting(play):
    """A run that rests before its kickoff goes again."""
    play.on("a", "prepare", answer(201, '{"id":"1"}'), answer(201, '{"id":"2"}'))
    play.on("a", "kickoff", play.until(answer(503, Retry_After="250"), ACCEPTED))
    play.on("a", "poll", ENDED)
    return play.message("a", **PREPARED, http_body='["{prepared_id}"]')


@rows("a run that rests before its kickoff goes again is handed back by a worker that stops, and lost by none ({0} kickoffs)",
      BOTH)
def _(guarantee):
    play = Play()
    with Scene(partitions=1) as scene:
        options = {"kickoff_guarantee": guarantee}
        first = scene.worker(name="first", **options)
        where = scene.produce([play_resting(play)])
        wait_until(lambda: play.stage.sent_at("/a/kickoff"), what="a refused kickoff")
        equal(first.stop(20), 0)
        play.go()
        scene.worker(name="second", **options)
        has_succeeded(results_of(scene, ["a"], where)["a"], resumed=False)
        equal([r.body for r in play.stage.requests("/a/kickoff")], [b'["1"]', b'["2"]'])
        equal({r.header("Idempotency-Key") for r in play.stage.requests("/a/kickoff")}, {"a"})
        nothing_is_left(scene)


@test("a run that was killed while it rested before its kickoff went again starts anew")
def _():
    play = Play()
    with Scene(partitions=1) as scene:
        first = scene.worker(name="first", arguments=QUICK)
        where = scene.produce([play_resting(play)])
        wait_until(lambda: play.stage.sent_at("/a/kickoff"), what="a refused kickoff")
        first.kill()
        play.go()
        scene.worker(name="second", arguments=QUICK)
        has_succeeded(results_of(scene, ["a"], where)["a"], resumed=False)
        equal([r.body for r in play.stage.requests("/a/kickoff")], [b'["1"]', b'["2"]'])
        nothing_is_left(scene)


@test("at-most-once: nobody can know of a worker that was killed whether a kickoff that it was to send again had gone")
def _():
    play = Play()
    with Scene(partitions=1) as scene:
        options = {"arguments": QUICK, "kickoff_guarantee": "at-most-once"}
        first = scene.worker(name="first", **options)
        where = scene.produce([play_resting(play)])
        wait_until(lambda: play.stage.sent_at("/a/kickoff"), what="a refused kickoff")
        first.kill()
        play.go()
        scene.worker(name="second", **options)
        result = results_of(scene, ["a"], where)["a"]
        equal((result["status"], result["metadata"]["error.code"]), ("failed", "kickoff_unknown"))
        equal((play.count("a", "kickoff"), play.count("a", "prepare")), (1, 1))
        nothing_is_left(scene)


@rows("a run that waits for a token is handed back by a worker that stops, and kicked off once ({0} kickoffs)", BOTH)
def _(guarantee):
    play = Play()
    play.on("tokens", "get", play.until(STALL, answer(200, '{"access_token":"t-1","token_type":"Bearer"}')))
    play.on("a", "kickoff", ACCEPTED, answer(500))
    play.on("a", "poll", ENDED)
    with folder() as secrets, Scene(partitions=1) as scene:
        (secrets / "TOKEN.oauth2.json").write_text(json.dumps(
            {"token_url": play.stage.url("/tokens/get"), "client_id": "w", "client_secret": "x"}))
        options = {"secrets_dir": secrets, "secrets_hosts": "TOKEN=127.0.0.1", "kickoff_guarantee": guarantee}
        first = scene.worker(name="first", **options)
        given = play.message("a")
        given["metadata"]["http.header.Authorization"] = "Bearer ${secret:TOKEN}"
        where = scene.produce([given])
        wait_until(lambda: play.count("tokens", "get"), what="a request for a token")
        equal(first.stop(20), 0)
        equal(play.count("a", "kickoff"), 0)
        play.go()
        scene.worker(name="second", **options)
        has_succeeded(results_of(scene, ["a"], where)["a"], resumed=False)
        equal([r.header("Authorization") for r in play.stage.requests("/a/kickoff")], ["Bearer t-1"])
        nothing_is_left(scene)


# ---- another configuration ----

CHANGES = [
    ("asks for its status elsewhere", {"http.poll_url_template": "{0}elsewhere"}, None, None),
    ("names a secret that is bound to nothing", {"http.header.Authorization": "${secret:NOBODYS}"}, "secret_denied", "NOBODYS"),
    ("names no status", {"http.poll_status_path": None}, "missing_metadata", "http.poll_status_path"),
]


@test("a run that was accepted under one profile goes on under another, or fails with a sentence that says so")
def _():
    play = Play()
    with folder() as profiles, Scene(partitions=1) as scene:
        names = [f"p{n}" for n in range(len(CHANGES))]

        def lay_down(has_changed):
            for name, (_, change, *_) in zip(names, CHANGES):
                metadata = play.message(name)["metadata"] | {"http.result_path": "status"}
                for key, value in change.items() if has_changed else ():
                    metadata.pop(key, None)
                    if value is not None:
                        metadata[key] = value.replace("{0}", play.stage.url(f"/{name}/"))
                (profiles / f"{name}.json").write_text(json.dumps({"metadata": metadata}))
        lay_down(False)
        for name in names:
            play.on(name, "kickoff", ACCEPTED, answer(500))
            play.on(name, "poll", play.until(RUNNING, ENDED))
        first = scene.worker(name="first", profiles_dir=profiles)
        where = scene.produce([{**play.message(name), "runtime_name": name, "metadata": {}} for name in names])
        for name in names:
            wait_for_note(scene, name)
        first.signal(signal.SIGTERM)
        equal(first.wait(20), 0)
        lay_down(True)
        play.go()
        scene.worker(name="second", profiles_dir=profiles)
        results = results_of(scene, names, where)
        for name, (_, _, code, says) in zip(names, CHANGES):
            if code is None:
                has_succeeded(results[name], http_result='"completed"')
            else:
                equal((results[name]["status"], results[name]["metadata"]["error.code"]), ("failed", code), str(results[name]))
                holds(results[name]["error_summary"], "accepted under an earlier configuration", says)
            equal((play.count(name, "kickoff"), play.count(name, "elsewhere")), (1, 0), name)
        nothing_is_left(scene)


if __name__ == "__main__":
    run_all()
