#!/usr/bin/python3
"""The clock of a run: its deadline, kept to within 50 ms whatever the run is about, and the intervals of its polls."""
import time

from execution import Executions, execute
from stage import STALL, Stage, Trickle, answer
from tap import equal, rows, run_all, test

LATE_SECONDS = 0.050
TRIES = 3  # another process may have had the machine
STAGE = Stage()
RUNS = Executions()
ACCEPTED = answer(202)
ENDED = answer(200, '{"status":"completed"}')
RUNNING = answer(200, '{"status":"running"}')


def made(path, kind="http_async", timeout_seconds=1, interval="0.1", **metadata):
    keys = {"http.url": STAGE.url(path)}
    if kind == "http_async":
        keys.update({"http.poll_url_template": STAGE.url(path + "/poll"), "http.poll_status_path": "status",
                     "http.poll_terminal_states": "completed,failed", "http.poll_interval_seconds": interval})
    for key, value in metadata.items():
        keys[key.replace("_", ".", 1)] = value
    return {"invocation_id": path, "runtime_name": "time", "runtime_kind": kind, "working_directory": "/",
            "command": ["none"], "timeout_seconds": timeout_seconds, "metadata": keys}


def play(path, kickoff, *polls):
    STAGE.on(path, kickoff)
    STAGE.on(path + "/poll", *polls)


def late(seconds, what):
    """An answer that comes so late."""
    def give(_request):
        time.sleep(seconds)
        return what
    return give


SLOW = Trickle(ENDED, len(ENDED) - 15)

# sentence, kickoff, polls, fields and metadata, the phase that the deadline finds
DEADLINES = [
    ("a kickoff without an answer", STALL, [ENDED], {}, "kickoff"),
    ("a kickoff whose body comes slowly", SLOW, [ENDED], {}, "kickoff"),
    ("a synchronous request without an answer", STALL, [ENDED], {"kind": "http"}, "kickoff"),
    ("a synchronous request whose body comes slowly", SLOW, [ENDED], {"kind": "http"}, "kickoff"),
    ("a kickoff that is redirected to where no answer comes", answer(307, Location="/stall"), [ENDED], {}, "kickoff"),
    ("a poll without an answer", ACCEPTED, [STALL], {}, "poll"),
    ("a poll whose body comes slowly", ACCEPTED, [SLOW], {}, "poll"),
    ("a poll that is redirected to where no answer comes", ACCEPTED, [answer(302, Location="/stall")], {}, "poll"),
    ("the wait between polls", ACCEPTED, [RUNNING], {"interval": "3600"}, "poll"),
    ("the wait after a pending code", ACCEPTED, [answer(404)], {"interval": "60", "http_poll_pending_codes": "404"},
     "poll"),
    ("the wait after a failure", ACCEPTED, [answer(503)], {"interval": "60"}, "poll"),
    ("many polls", ACCEPTED, [RUNNING], {"interval": "0.01"}, "poll"),
    ("polls without any interval", ACCEPTED, [RUNNING], {"interval": "0"}, "poll"),
    ("a slow kickoff and then a poll without an answer", late(0.6, ACCEPTED), [STALL], {}, "poll"),
]

STAGE.on("/stall", STALL)
for number, (sentence, kickoff, polls, _, _) in enumerate(DEADLINES):
    play(f"/{number}", kickoff, *polls)
    RUNS.plan(sentence, made(f"/{number}", **DEADLINES[number][3]))  # the first tries, all at once


def check_deadline(attempts, phase, seconds):
    """Each attempt is right but for the machine's delays, and one of them is in time."""
    told = []
    for attempt in attempts:
        run = attempt()
        run.is_one("timed_out", None, f"{phase}_timeout", f"{phase} exceeded timeout of {seconds:g}s")
        told.append(run.seconds - seconds)
        # The stamps are whole milliseconds, as is the worker's clock.
        equal(told[-1] >= -0.002, True, f"{told[-1]:.3f} s after the deadline")
        equal(run.ended - run.began < seconds + 5, True, "the process ends as well")
        if told[-1] <= LATE_SECONDS:
            return
    raise AssertionError(f"after the deadline by {told} s")


def again(number):
    return lambda: execute(made(f"/{number}", **DEADLINES[number][3]))


@rows("the deadline cuts through {0}", [(row[0], number) for number, row in enumerate(DEADLINES)])
def _(sentence, number):
    check_deadline([lambda: RUNS[sentence], *[again(number)] * (TRIES - 1)], DEADLINES[number][4], 1)


# ---- where the deadline comes from ----

play("/ceiling", STALL)
play("/null", STALL)
play("/below", ACCEPTED, STALL)
play("/terminal", late(0.7, answer(200, '{"status":"completed"}')))
RUNS.plan("ceiling", made("/ceiling", timeout_seconds=3600), "--max-run-seconds", "0.4")
RUNS.plan("null", made("/null", timeout_seconds=None), "--max-run-seconds", "1.25")
RUNS.plan("below", made("/below"), "--max-run-seconds", "3600")
RUNS.plan("terminal", made("/terminal", timeout_seconds=5))


@test("the worker's ceiling ends what asks for more time, or for no end")
def _():
    check_deadline([lambda: RUNS["ceiling"]] + [lambda: execute(
        made("/ceiling", timeout_seconds=3600), "--max-run-seconds", "0.4")] * 2, "kickoff", 0.4)
    check_deadline([lambda: RUNS["null"]] + [lambda: execute(
        made("/null", timeout_seconds=None), "--max-run-seconds", "1.25")] * 2, "kickoff", 1.25)
    check_deadline([lambda: RUNS["below"]] + [lambda: execute(made("/below"))] * 2, "poll", 1)


@test("an answer within the time is in time")
def _():
    RUNS["terminal"].is_one("succeeded", 0, polls=0)
    equal(0.69 <= RUNS["terminal"].seconds < 5, True, f"{RUNS['terminal'].seconds} s")


@test("the deadline reaches no further than the run: nothing is asked after it")
def _():
    RUNS.wait()
    number = next(i for i, row in enumerate(DEADLINES) if row[0] == "many polls")
    asked = len(STAGE.requests(f"/{number}/poll"))
    time.sleep(0.3)
    equal(len(STAGE.requests(f"/{number}/poll")), asked)


# ---- intervals ----

POLLS = 17
INTERVAL_SECONDS = 0.15
CLOCK_SECONDS = 0.002  # the worker's clock has milliseconds


def gaps(path):
    """Between each poll's answer and the next poll."""
    asked = [request.at for request in STAGE.requests(path + "/poll")]
    return [after - before for before, after in zip(STAGE.sent_at(path + "/poll"), asked[1:])]


JITTERS = [("the default", None, 0.1), ("none", "0", 0), ("a half", "0.5", 0.5)]
for jitter, option, _ in JITTERS:
    where = "/jitter-" + jitter.replace(" ", "-")
    # An answer that takes its time: the interval counts from its end.
    play(where, ACCEPTED, *[late(0.05, RUNNING)] * (POLLS - 1), ENDED)
    RUNS.plan("jitter " + jitter, made(where, timeout_seconds=60, interval=str(INTERVAL_SECONDS)),
              *(["--poll-jitter", option] if option else []))
play("/no-interval", ACCEPTED, *[RUNNING] * 30, ENDED)
RUNS.plan("no interval", made("/no-interval", timeout_seconds=60, interval="0"))
play("/codes", ACCEPTED, answer(404), answer(503), RUNNING, ENDED)
RUNS.plan("codes", made("/codes", timeout_seconds=60, interval="0.4", http_poll_pending_codes="404"))


@rows("an interval is never shortened, and stretched by the jitter: {0}", JITTERS)
def _(jitter, _option, part):
    where = "/jitter-" + jitter.replace(" ", "-")
    RUNS["jitter " + jitter].is_one("succeeded", 0, polls=POLLS)
    found = gaps(where)
    equal(len(found), POLLS - 1)
    equal(min(found) >= INTERVAL_SECONDS - CLOCK_SECONDS, True, f"{min(found):.4f} s")
    mean = sum(found) / len(found)
    # The mean of 16 is half the jitter, give or take a fourteenth of it.
    equal(mean >= INTERVAL_SECONDS * (1 + part * 0.2) - CLOCK_SECONDS, True, f"{mean:.4f} s on average")
    # The best of them shows what the machine adds at least.
    equal(min(found) <= INTERVAL_SECONDS * (1 + part * 0.6) + LATE_SECONDS, True, f"{min(found):.4f} s at least")


@test("exec has no shortest interval")
def _():
    RUNS["no interval"].is_one("succeeded", 0, polls=31)
    shortest = min(gaps("/no-interval"))
    equal(shortest < 0.05, True, f"{shortest:.4f} s")


@test("the interval is kept after pending codes and failures, too")
def _():
    RUNS["codes"].is_one("succeeded", 0, polls=4)
    found = gaps("/codes")
    equal(len(found), 3)
    equal(min(found) >= 0.4 - CLOCK_SECONDS, True, f"{found}")


if __name__ == "__main__":
    run_all()
