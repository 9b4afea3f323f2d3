#!/usr/bin/python3
"""SIGTERM at any moment of a worker's life, its first second included: it ends with status 0 and in its time."""
import time

from fault import fault, run_fault
from fleet import Fleet
from history import Mode


@fault("SIGTERM comes at a random moment", modes=(
    Mode(), Mode(checkpoints=True), Mode(exactly_once=True, checkpoints=True),
    Mode(at_most_once=True, checkpoints=True)),
    short_modes=(Mode(), Mode(exactly_once=True, checkpoints=True)))
def drain(mode, seed, short):
    ends, at_once = (8, 4) if short else (200, 8)
    with Fleet(mode, seed) as fleet:
        fleet.start()
        fleet.settle()
        fleet.measure()
        for _ in range(ends // at_once):
            fleet.send(100, {"seconds": "0-1.5"})
            # Half of them in their first second, the others at work.
            begin = time.monotonic()
            moments = {fleet.start(): fleet.random.uniform(*((0, 1) if number % 2 else (1, 4)))
                       for number in range(at_once)}
            for worker, moment in sorted(moments.items(), key=lambda item: item[1]):
                time.sleep(max(0.0, begin + moment - time.monotonic()))
                fleet.leave(worker)
                fleet.look()
            fleet.wait_for_leavers()
        fleet.heal("the last SIGTERM")
        return fleet.judge(60)


if __name__ == "__main__":
    run_fault()
