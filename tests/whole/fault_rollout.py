#!/usr/bin/python3
"""Three workers are restarted one after the other while all their runs last: each is back soon, and no run begins anew.

The runs last longer than the whole rollout; that they would go on for an hour makes no difference to a worker."""
import time

from fault import fault, run_fault
from fleet import Fleet
from history import Mode

RESTART_SECONDS = 10


@fault("three workers are restarted one by one under long runs", modes=(
    Mode(checkpoints=True), Mode(exactly_once=True, checkpoints=True), Mode(at_most_once=True, checkpoints=True)),
    short_modes=(Mode(checkpoints=True),))
def rollout(mode, seed, short):
    inputs, lasting = (300, "14-16") if short else (5000, "110-120")
    with Fleet(mode, seed, leave_seconds=RESTART_SECONDS) as fleet:
        for _ in range(3):
            fleet.start()
        fleet.settle()
        fleet.send(inputs, {"seconds": lasting}, http_poll_interval_seconds="1")
        fleet.wait_for_kickoffs(inputs, 60)
        for worker in list(fleet.workers):
            begin = time.monotonic()
            fleet.leave(worker)
            fleet.wait_for_leavers()
            fleet.start()
            fleet.settle()
            print(f"#   restarted in {time.monotonic() - begin:.1f} s", flush=True)
        fleet.heal("the last restart")
        verdict = fleet.judge(60 if short else 180)
        kickoffs = len(fleet.history.kickoffs)
        assert kickoffs == inputs, f"{kickoffs} kickoffs of {inputs} inputs"
        return verdict


if __name__ == "__main__":
    run_fault()
