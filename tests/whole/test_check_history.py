#!/usr/bin/python3
"""check_history itself: histories with one planted violation are caught, those that come near to one are not."""
import dataclasses

from check_history import check_history
from history import (Checkpoint, Commit, Drain, Fault, Healing, History, Input, Kickoff, Mode, Move, Poll, Result,
                     Sample)
from tap import equal, holds, rows, run_all, test

AT_LEAST_ONCE = Mode()
RESUMING = Mode(checkpoints=True)
EXACTLY_ONCE = Mode(exactly_once=True, checkpoints=True)
AT_MOST_ONCE = Mode(at_most_once=True, checkpoints=True)
N = 20
KILLED = Fault("killed", "one", 1350, 1350)
FROZEN = Fault("frozen", "one", 1350, 9000)


def result(number, at_ms, status="succeeded", partition=0, **metadata):
    keys = {"source.topic": "in", "source.partition": "0", "source.offset": str(number), "http.run_id": f"run-{number}"}
    keys.update({name.replace("_", ".", 1): value for name, value in metadata.items()})
    keys = {name: value for name, value in keys.items() if value is not None}
    return Result(partition, number, f"key-{number}".encode(),
                  {"invocation_id": f"id-{number}", "status": status, "metadata": keys}, at_ms)


def kickoff(number, at_ms, **other):
    values = {"id": f"id-{number}", "idempotency_key": f"id-{number}", "run_id": f"run-{number}", "at_ms": at_ms}
    return Kickoff(**{**values, **other})


def healthy():
    """Input n is kicked off at 1000 + 100 n, its checkpoint lies there 20 ms later, its result 500 ms later, and is
    committed 250 ms after that; the last ones out of order."""
    history = History()
    for number in range(N):
        at_ms = 1000 + 100 * number
        history.inputs.append(Input(0, number, f"id-{number}", f"key-{number}".encode(), frozenset(["succeeded"])))
        history.kickoffs.append(kickoff(number, at_ms))
        history.checkpoints.append(Checkpoint(0, number, "run", at_ms + 20, "w1", f"run-{number}"))
        history.results.append(result(number, at_ms + 500))
        if number < N - 3:
            history.commits.append(Commit(0, number + 1, at_ms + 750))
    history.commits.append(Commit(0, N - 3, 4000, ((N - 2, N - 1),)))
    history.commits.append(Commit(0, N, 4100))
    history.visible = list(history.results)
    history.drains = [Drain("one", 3.0, 25.0, 0)]
    history.samples = [Sample("one", False, 50 << 20, 40, 8), Sample("one", True, 60 << 20, 43, 8)]
    history.healings = [Healing("the broker", 1950)]
    return history


def judge(mode, plant):
    history = healthy()
    plant(history)
    return check_history(history, mode)


def drop_result(history, number, uncommitted=True):
    if uncommitted:
        history.results = [r for r in history.results if r.place != (0, number)]
    history.visible = [r for r in history.visible if r.place != (0, number)]


def add_result(history, record, visible=True):
    history.results.append(record)
    if visible:
        history.visible.append(record)


def change(records, index, **fields):
    records[index] = dataclasses.replace(records[index], **fields)


def change_result(history, index, **fields):
    change(history.results, index, **fields)
    change(history.visible, index, **fields)


def change_json(history, index, **fields):
    old = history.results[index].json
    change_result(history, index, json={**old, **fields})


def again(history, number, at_ms, *faults, **other):
    """A second kickoff."""
    history.kickoffs.append(kickoff(number, at_ms, **{"run_id": f"run-{number}b", **other}))
    history.faults += faults


def without_checkpoint(history, number):
    history.checkpoints = [c for c in history.checkpoints if c.offset != number]


def resume_unseen(history):
    without_checkpoint(history, 3)
    again(history, 3, 8000, KILLED)


CAUGHT = [
    # I1
    ("I1", "an input has no result", AT_LEAST_ONCE, "1 inputs have no result: id-7 at 0/7",
     lambda h: drop_result(h, 7)),
    ("I1", "an input's only result is of an aborted transaction", EXACTLY_ONCE, "have no result",
     lambda h: drop_result(h, 7, uncommitted=False)),
    ("I1", "an input has but a running report", AT_LEAST_ONCE, "1 inputs have no result",
     lambda h: (drop_result(h, 7), add_result(h, result(7, 2000, status="running")))),
    ("I1", "two results of an input are visible under exactly-once", EXACTLY_ONCE, "more than one result",
     lambda h: add_result(h, result(5, 5000))),
    ("I1", "duplicates are more than is allowed", Mode(duplicates=0.01), "1 results are duplicates, 5.00% of",
     lambda h: add_result(h, result(5, 5000))),
    ("I1", "a result names an input that is not there", AT_LEAST_ONCE, "belong to no input",
     lambda h: add_result(h, result(N + 4, 5000))),
    ("I1", "a result names no input", AT_LEAST_ONCE, "names no input",
     lambda h: add_result(h, result(5, 5000, source_offset=None))),
    ("I1", "a result failed where success was due", AT_LEAST_ONCE, "id-4 is failed (poll_network), due was succeeded",
     lambda h: change_json(h, 4, status="failed", metadata={**h.results[4].json["metadata"],
                                                            "error.code": "poll_network"})),
    # I2
    ("I2", "a commit passes an input without a result", AT_LEAST_ONCE, "0/7 by the commit of 8",
     lambda h: drop_result(h, 7)),
    ("I2", "a commit comes before the result", AT_LEAST_ONCE, "0/7 by the commit of 8, 250 ms before its result",
     lambda h: change_result(h, 7, at_ms=2700)),
    ("I2", "a commit comes a millisecond before the result", AT_LEAST_ONCE, "1 ms before its result",
     lambda h: change_result(h, 7, at_ms=2451)),
    ("I2", "commit metadata calls an input done that is not", AT_LEAST_ONCE, "0/19 by the commit of 17, 50 ms before",
     lambda h: change_result(h, 19, at_ms=4050)),
    ("I2", "a committed offset moves back", AT_LEAST_ONCE, "partition 0 from 20 to 6",
     lambda h: h.commits.append(Commit(0, 6, 4200))),
    ("I2", "a committed offset moves back long after it was committed, a broker being away", AT_LEAST_ONCE, "from 20 to 6",
     lambda h: (h.commits.append(Commit(0, 6, 19200)), h.moves.append(Move("away", 4000, 30000)))),
    ("I2", "a committed offset moves back that was committed after an outage", AT_LEAST_ONCE, "from 20 to 6",
     lambda h: (h.commits.append(Commit(0, 6, 4200)), h.moves.append(Move("away", 1000, 4099)))),
    ("I2", "a committed offset moves back under exactly-once, a broker being away", EXACTLY_ONCE, "from 20 to 6",
     lambda h: (h.commits.append(Commit(0, 6, 4200)), h.moves.append(Move("away", 4000, 9000)))),
    ("I2", "a commit passes the end", AT_LEAST_ONCE, "to 21, the last input is 19",
     lambda h: h.commits.append(Commit(0, 21, 4200))),
    ("I2", "under exactly-once, the result of a commit was aborted", EXACTLY_ONCE, "have no result",
     lambda h: drop_result(h, 7, uncommitted=False)),
    ("I2", "under exactly-once, a result comes later than a transaction lasts", EXACTLY_ONCE, "before its result",
     lambda h: change_result(h, 7, at_ms=2450 + 10001)),
    # I3
    ("I3", "a second kickoff with checkpoints, and nothing had happened", RESUMING, "no worker was killed",
     lambda h: (without_checkpoint(h, 3), again(h, 3, 8000))),
    ("I3", "a second kickoff though a checkpoint was there", RESUMING, "a checkpoint had been there for 6680 ms",
     lambda h: again(h, 3, 8000, KILLED)),
    ("I3", "a second kickoff long before which a checkpoint should have been written", RESUMING, "soon after the first",
     lambda h: (without_checkpoint(h, 3), again(h, 3, 9500, Fault("killed", "one", 8000, 8000)))),
    ("I3", "a second kickoff where the fault was over before the first", RESUMING, "no worker was killed",
     lambda h: (without_checkpoint(h, 13), again(h, 13, 8000, KILLED))),
    ("I3", "a second kickoff after partitions moved, with checkpoints", RESUMING, "no worker was killed",
     lambda h: (without_checkpoint(h, 3), again(h, 3, 8000), h.moves.append(Move("joined", 1500)))),
    ("I3", "a second kickoff while a broker is away, though a checkpoint was there", RESUMING, "a checkpoint had been",
     lambda h: (again(h, 3, 8000), h.moves.append(Move("away", 1100, 9000)))),
    ("I3", "a second kickoff long before which a broker had come back", RESUMING, "no worker was killed",
     lambda h: (without_checkpoint(h, 3), again(h, 3, 8000), h.moves.append(Move("away", 100, 900)))),
    ("I3", "a second kickoff without checkpoints, and nothing had happened", AT_LEAST_ONCE, "nothing had happened",
     lambda h: again(h, 3, 8000)),
    ("I3", "a second kickoff without checkpoints, when a broker had long been back", AT_LEAST_ONCE, "nothing had happened",
     lambda h: (again(h, 3, 8000), h.moves.append(Move("away", 100, 900)))),
    ("I3", "a third kickoff after one kill", AT_LEAST_ONCE, "1 inputs were kicked off again",
     lambda h: (again(h, 3, 8000, KILLED), again(h, 3, 9000))),
    ("I3", "a second kickoff under at-most-once", AT_MOST_ONCE, "under at-most-once",
     lambda h: (without_checkpoint(h, 3), again(h, 3, 8000, KILLED))),
    ("I3", "a zombie's second kickoff under at-most-once", AT_MOST_ONCE, "under at-most-once",
     lambda h: again(h, 3, 9100, FROZEN)),
    ("I3", "a zombie that goes on for long", RESUMING, "a checkpoint had been there",
     lambda h: again(h, 3, 13000, FROZEN)),
    ("I3", "a second kickoff with another Idempotency-Key", AT_LEAST_ONCE, "id-3 with 'id-3-b'",
     lambda h: again(h, 3, 8000, KILLED, idempotency_key="id-3-b")),
    ("I3", "a kickoff without an Idempotency-Key", AT_LEAST_ONCE, "id-3 with None",
     lambda h: change(h.kickoffs, 3, idempotency_key=None)),
    ("I3", "a kickoff of nothing", AT_LEAST_ONCE, "are of no input: 'id-77'",
     lambda h: h.kickoffs.append(kickoff(77, 2000))),
    ("I3", "kickoff_unknown under at-least-once", RESUMING, "kickoff_unknown without",
     lambda h: (h.faults.append(KILLED), change_json(h, 3, metadata={**h.results[3].json["metadata"],
                                                                     "error.code": "kickoff_unknown"}))),
    ("I3", "kickoff_unknown and nothing had happened", AT_MOST_ONCE, "kickoff_unknown without",
     lambda h: change_json(h, 3, metadata={**h.results[3].json["metadata"], "error.code": "kickoff_unknown"})),
    # I4
    ("I4", "a result bears another's run id", AT_LEAST_ONCE, "that of id-4 names run-5, which the backend gave to id-5",
     lambda h: change_json(h, 4, metadata={**h.results[4].json["metadata"], "http.run_id": "run-5"})),
    ("I4", "a result bears a run id that nobody has", AT_LEAST_ONCE, "names run-x, which the backend gave to nobody",
     lambda h: change_json(h, 4, metadata={**h.results[4].json["metadata"], "http.run_id": "run-x"})),
    ("I4", "a success bears no run id", AT_LEAST_ONCE, "names none, and succeeded",
     lambda h: change_result(h, 4, json=result(4, 0, http_run_id=None).json)),
    ("I4", "a result bears another key", AT_LEAST_ONCE, "0/4 has b'key-5', not b'key-4'",
     lambda h: change_result(h, 4, key=b"key-5")),
    ("I4", "a result of an input without a key has not its id for one", AT_LEAST_ONCE, "not b'id-4'",
     lambda h: change(h.inputs, 4, key=None)),
    ("I4", "a result bears another's id", AT_LEAST_ONCE, "says 'id-5', not 'id-4'",
     lambda h: change_json(h, 4, invocation_id="id-5")),
    # I5
    ("I5", "a drain takes too long", AT_LEAST_ONCE, "two took 25.1 s of 25",
     lambda h: h.drains.append(Drain("two", 25.1, 25.0, 0))),
    ("I5", "a drained worker ends with a status", AT_LEAST_ONCE, "two with -6",
     lambda h: h.drains.append(Drain("two", 1.0, 25.0, -6))),
    # I6
    ("I6", "memory has grown", AT_LEAST_ONCE, "rss_bytes of one from",
     lambda h: change(h.samples, 1, rss_bytes=90 << 20)),
    ("I6", "files are left open", AT_LEAST_ONCE, "fds of one from 40 to 49", lambda h: change(h.samples, 1, fds=49)),
    ("I6", "a thread is left", AT_LEAST_ONCE, "threads of one from 8 to 9", lambda h: change(h.samples, 1, threads=9)),
    # I7
    ("I7", "nothing goes on", AT_LEAST_ONCE, "nothing after 'nobody' in partition 0, with 1 inputs open",
     lambda h: (drop_result(h, 19), h.healings.append(Healing("nobody", 3500)))),
    ("I7", "it goes on too late", AT_LEAST_ONCE, "60.1 s without a sign of work after 'the broker' in partition 0",
     lambda h: (change_result(h, 19, at_ms=63600 + 2), h.healings.append(Healing("the broker", 3501)))),
    ("I7", "one partition stands still while another goes on", AT_LEAST_ONCE, "nothing after 'a move' in partition 1",
     lambda h: (h.inputs.append(Input(1, 0, "id-other")), h.kickoffs.append(kickoff("other", 1100)),
                h.healings.append(Healing("a move", 1500)))),
    ("I7", "work goes on, and stops before all is done", AT_LEAST_ONCE, "60.1 s without a sign of work after 'a move'",
     lambda h: (drop_result(h, 19), h.healings.append(Healing("a move", 2950)), setattr(h, "until_ms", 3300 + 60100))),
    ("I7", "work goes on, stops for long, and ends", AT_LEAST_ONCE, "61.7 s without a sign of work after 'a move'",
     lambda h: (change_result(h, 19, at_ms=65000), h.healings.append(Healing("a move", 2950)))),
    ("I7", "it stands still for a minute before a later fault, and after it", AT_LEAST_ONCE,
     "63.7 s without a sign of work after 'the broker' in partition 0",
     lambda h: (change_result(h, 19, at_ms=130000), h.healings.append(Healing("again", 130000 - 60100, 130000 - 63000)))),
    ("I7", "only a poll of another partition's run comes", AT_LEAST_ONCE, "nothing after 'a move' in partition 1",
     lambda h: (h.inputs.append(Input(1, 0, "id-other")), h.kickoffs.append(kickoff("other", 1100)),
                h.polls.append(Poll("run-7", 2000)), h.healings.append(Healing("a move", 1500)))),
]


@rows("{0}, planted: {1}", CAUGHT)
def _(invariant, _, mode, words, plant):
    verdict = judge(mode, plant)
    mine = [sentence for sentence in verdict.violations if sentence.startswith(invariant + ": ")]
    assert mine, f"{invariant} was not found: {verdict.text()}"
    holds("\n".join(mine), words)


PASSES = [
    ("nothing", AT_LEAST_ONCE, lambda h: None),
    ("nothing, with checkpoints", RESUMING, lambda h: None),
    ("nothing, under exactly-once", EXACTLY_ONCE, lambda h: None),
    ("nothing, under at-most-once", AT_MOST_ONCE, lambda h: None),
    ("a duplicate under at-least-once", AT_LEAST_ONCE, lambda h: add_result(h, result(5, 5000))),
    ("as many duplicates as are allowed", Mode(duplicates=0.05), lambda h: add_result(h, result(5, 5000))),
    ("a duplicate of an aborted transaction", EXACTLY_ONCE, lambda h: add_result(h, result(5, 1900), visible=False)),
    ("a running report beside the result", EXACTLY_ONCE, lambda h: add_result(h, result(5, 1600, status="running"))),
    ("a commit in the millisecond of its result", AT_LEAST_ONCE, lambda h: change_result(h, 7, at_ms=2450)),
    ("within a transaction, the offset before its result", EXACTLY_ONCE, lambda h: change_result(h, 7, at_ms=2490)),
    ("a later duplicate behind the commit", AT_LEAST_ONCE, lambda h: add_result(h, result(7, 9000))),
    ("a commit again of the same offset", AT_LEAST_ONCE, lambda h: h.commits.append(Commit(0, N, 4200))),
    ("a commit that a coordinator had in hand when it failed over", AT_LEAST_ONCE,
     lambda h: (h.commits.append(Commit(0, 19, 4200)), h.moves.append(Move("away", 4000, 9000)))),
    ("a commit that forgets what its metadata called done", AT_LEAST_ONCE,
     lambda h: h.commits.insert(-1, Commit(0, N - 3, 4050))),
    ("a second kickoff after a kill, without checkpoints", AT_LEAST_ONCE, lambda h: again(h, 3, 8000, KILLED)),
    ("a second kickoff after partitions moved, without checkpoints", AT_LEAST_ONCE,
     lambda h: (again(h, 3, 8000), h.moves.append(Move("joined", 1500)))),
    ("a second kickoff while a broker is away, without checkpoints", AT_LEAST_ONCE,
     lambda h: (again(h, 3, 8000), h.moves.append(Move("away", 1100, 9000)))),
    ("a second kickoff after a kill before the checkpoint", RESUMING, resume_unseen),
    ("a second kickoff where a broker was away, before the checkpoint", RESUMING,
     lambda h: (without_checkpoint(h, 3), again(h, 3, 8000), h.moves.append(Move("away", 1100, 7000)))),
    ("a kill that overtook a kickoff in its socket", RESUMING,
     lambda h: (without_checkpoint(h, 3), again(h, 3, 8000, Fault("killed", "one", 1290, 1290)))),
    ("a zombie that sends what it was about to send", RESUMING, lambda h: again(h, 3, 9100, FROZEN)),
    ("a zombie's checkpoint after the heir's kickoff", RESUMING,
     lambda h: (without_checkpoint(h, 3), again(h, 3, 8000, FROZEN),
                h.checkpoints.append(Checkpoint(0, 3, "run", 9010, "w1", "run-3")))),
    ("kickoff_unknown after a kill", AT_MOST_ONCE,
     lambda h: (h.faults.append(KILLED), change_json(h, 3, status="failed", metadata={
         **h.results[3].json["metadata"], "error.code": "kickoff_unknown", "http.run_id": "run-3"}))),
    ("a run id of the second kickoff", AT_LEAST_ONCE,
     lambda h: (again(h, 3, 8000, KILLED), change_json(h, 3, metadata={**h.results[3].json["metadata"],
                                                                       "http.run_id": "run-3b"}))),
    ("an input without a key", AT_LEAST_ONCE,
     lambda h: (change(h.inputs, 4, key=None), change_result(h, 4, key=b"id-4"))),
    ("a failure without a run id, where failure is due", AT_LEAST_ONCE,
     lambda h: (change(h.inputs, 4, statuses=frozenset(["failed"])),
                change_result(h, 4, json=result(4, 0, status="failed", http_run_id=None).json))),
    ("a drain that takes all its time", AT_LEAST_ONCE, lambda h: h.drains.append(Drain("two", 25.0, 25.0, 0))),
    ("growth within its limits", AT_LEAST_ONCE, lambda h: change(h.samples, 1, rss_bytes=82 << 20, fds=48)),
    ("a healing when all is done", AT_LEAST_ONCE, lambda h: h.healings.append(Healing("late", 90000))),
    ("work that goes on after a minute", AT_LEAST_ONCE,
     lambda h: (h.commits.clear(), change_result(h, 19, at_ms=63300), h.healings.append(Healing("late", 3300)))),
    ("nothing for more than a minute, in the most of which a later fault was", AT_LEAST_ONCE,
     lambda h: (h.commits.clear(), change_result(h, 19, at_ms=130000),
                h.healings.append(Healing("again", 130000 - 59000, 30000)))),
    ("polls that go on, of a run that lasts", AT_LEAST_ONCE,
     lambda h: (h.commits.clear(), change_result(h, 19, at_ms=99000), h.polls.append(Poll("run-19", 63300)),
                h.healings.append(Healing("late", 3300)))),
]


@rows("passes: {0}", PASSES)
def _(_, mode, plant):
    equal(judge(mode, plant).violations, [])


@test("a violation is said with its number and three examples")
def _():
    def plant(history):
        for number in range(2, 9):
            drop_result(history, number)
    sentences = judge(AT_LEAST_ONCE, plant).violations
    equal(sentences[0], "I1: 7 inputs have no result: id-2 at 0/2; id-3 at 0/3; id-4 at 0/4; and 4 more")


@test("the figures are there, and right")
def _():
    def plant(history):
        add_result(history, result(5, 5000, resumed="true"))
        again(history, 3, 8000, KILLED)
    figures = judge(AT_LEAST_ONCE, plant).figures
    expected = {"inputs": N, "results": N + 1, "results_missing": 0, "results_twice": 1, "results_resumed": 1,
                "commits": N - 1, "inputs_passed": N, "commit_after_result_ms_least": 250, "commits_undecided": 0,
                "kickoffs": N + 1, "inputs_kicked_off_again": 1, "kickoffs_of_one_input_most": 2, "drains": 1,
                "drain_seconds_most": 3.0, "growth_fds": 3, "healing_ms_most": 50}
    equal({name: figures[name] for name in expected}, expected)


if __name__ == "__main__":
    run_all()
