#!/usr/bin/python3
"""A worker is frozen for twice its session timeout, so that others take over; then it goes on as if it were in charge.

It must commit nothing stale: the offsets never move back, and the group's last word covers every result. Under
exactly-once it must not publish either; otherwise what it publishes is a duplicate, which says so
by its source.*."""
import time

from fault import fault, run_fault
from fleet import SESSION_MS, Fleet
from history import Mode


@fault("a worker is frozen for twice its session timeout, and goes on", modes=(
    Mode(), Mode(checkpoints=True), Mode(exactly_once=True, checkpoints=True),
    Mode(at_most_once=True, checkpoints=True)),
    short_modes=(Mode(), Mode(exactly_once=True, checkpoints=True), Mode(at_most_once=True, checkpoints=True)))
def zombie(mode, seed, short):
    freezes = 1 if short else 20
    with Fleet(mode, seed) as fleet:
        for _ in range(2):
            fleet.start()
        fleet.settle()
        fleet.measure()
        for _ in range(freezes):
            # Some are kicked off, some rest, some end in the moment; some come while it is frozen.
            fleet.send(300, {"seconds": "0-4"})
            fleet.pause(0.2, 2)
            fleet.freeze(fleet.pick(), 2 * SESSION_MS / 1000, meanwhile=lambda: fleet.send(100, {"seconds": "0-1"}))
            fleet.heal("the freeze")
            time.sleep(1 if short else 3)
        return fleet.judge(90 if short else 180)


if __name__ == "__main__":
    run_fault()
