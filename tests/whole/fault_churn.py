#!/usr/bin/python3
"""Workers join and leave twice a second, each in order. Nothing is lost, and hardly anything is done twice."""
import time

from fault import fault, run_fault
from fleet import Fleet
from history import Mode

FEW = 0.01  # of the inputs may have a second result


@fault("workers join and leave all the time", modes=(
    Mode(duplicates=FEW), Mode(checkpoints=True, duplicates=FEW), Mode(exactly_once=True, checkpoints=True)))
def churn(mode, seed, short):
    seconds, inputs = (8, 1200) if short else (300, 30000)
    with Fleet(mode, seed) as fleet:
        for _ in range(2):
            fleet.start()
        fleet.settle()
        begin = time.monotonic()
        sent = 0
        while time.monotonic() - begin < seconds:
            part = min(1.0, (time.monotonic() - begin) / seconds + 0.1)
            count = int(inputs * part) - sent
            sent += count
            fleet.send(count, {"seconds": "0-2"})
            # Between one and four of them.
            if len(fleet.workers) == 1 or (len(fleet.workers) < 4 and fleet.random.random() < 0.5):
                fleet.start()
            else:
                fleet.leave(fleet.pick())
            fleet.look()
            time.sleep(0.5)
        fleet.wait_for_leavers()
        fleet.heal("the last one left")
        return fleet.judge(60 if short else 180)


if __name__ == "__main__":
    run_fault()
