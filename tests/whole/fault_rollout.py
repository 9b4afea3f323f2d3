#!/usr/bin/python3
"""Three workers are restarted one after the other while all their runs last: each is back soon, and no run begins anew."""
import time

from fault import fault, run_fault
from fleet import Fleet
from history import Mode

RESTART_SECONDS = 10


LONG = Mode(checkpoints=True), Mode(exactly_once=True, checkpoints=True), Mode(at_most_once=True, checkpoints=True)


def restart_all(fleet, inputs, lasting):
    """Three workers kick off all inputs; then each of them is restarted."""
    for _ in range(3):
        fleet.start()
    fleet.settle()
    fleet.send(inputs, {"seconds": lasting}, timeout_seconds=7200, http_poll_interval_seconds="1")
    fleet.wait_for_kickoffs(inputs, 60)
    for worker in list(fleet.workers):
        begin = time.monotonic()
        fleet.leave(worker)
        fleet.wait_for_leavers()
        fleet.start()
        fleet.settle()
        took = time.monotonic() - begin
        print(f"#   restarted in {took:.1f} s", flush=True)
        assert took < RESTART_SECONDS, f"a restart took {took:.1f} s"
    fleet.heal("the last restart")


@fault("three workers are restarted one by one under long runs", modes=LONG, short_modes=LONG[:1])
def rollout(mode, seed, short):
    """The runs last longer than the whole rollout, and are seen to their end."""
    inputs, lasting = (300, "14-16") if short else (5000, "110-120")
    with Fleet(mode, seed, leave_seconds=RESTART_SECONDS) as fleet:
        restart_all(fleet, inputs, lasting)
        fleet.judge(60 if short else 180)
        kickoffs = len(fleet.history.kickoffs)
        assert kickoffs == inputs, f"{kickoffs} kickoffs of {inputs} inputs"


@fault("three workers are restarted one by one under hour-long runs", modes=LONG, short_modes=())
def hours(mode, seed, _):
    """Nobody waits for their end: all of them are polled on."""
    inputs = 5000
    with Fleet(mode, seed, leave_seconds=RESTART_SECONDS) as fleet:
        restart_all(fleet, inputs, "3600")
        healed_ms = fleet.history.healings[-1].at_ms
        time.sleep(10)
        fleet.end_all()
        history = fleet.collect()
        polled = {poll.run_id for poll in history.polls if poll.at_ms > healed_ms}
        unpolled = [kickoff.run_id for kickoff in history.kickoffs if kickoff.run_id not in polled]
        late = [drain for drain in history.drains if drain.seconds > drain.limit or drain.status != 0]
        print(f"#   kickoffs {len(history.kickoffs)}, polled on {len(polled)}, checkpoints {len(history.checkpoints)}",
              flush=True)
        assert len(history.kickoffs) == inputs, f"{len(history.kickoffs)} kickoffs of {inputs} inputs"
        assert not unpolled, f"{len(unpolled)} runs are polled no more, such as {unpolled[0]}"
        assert not late and not history.results, f"{late}, {len(history.results)} results"


if __name__ == "__main__":
    run_fault()
