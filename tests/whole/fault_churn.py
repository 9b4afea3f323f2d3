#!/usr/bin/python3
"""Workers join and leave twice a second, each in order. Nothing is lost, and hardly anything is done twice."""
import contextlib
import time

from fault import fault, run_fault
from fleet import Fleet, judge_all
from history import Mode

FEW = 0.01  # of the inputs may have a second result


ALL = Mode(duplicates=FEW), Mode(checkpoints=True, duplicates=FEW), Mode(exactly_once=True, checkpoints=True)


def come_or_leave(fleet, count):
    """One step of a fleet, with so many more inputs: between one and four workers of it are there."""
    fleet.send(count, {"seconds": "0-2"})
    if len(fleet.workers) == 1 or (len(fleet.workers) < 4 and fleet.random.random() < 0.5):
        fleet.start()
    else:
        fleet.leave(fleet.pick())
    fleet.look()


# In short, one partition that is lost with its runs, as librdkafka's commits during a rebalance may cost it, is more than a
# few: they are only counted.
@fault("workers join and leave all the time", modes=(ALL,), short_modes=(Mode(),))
def churn(mode, seed, short):
    seconds, inputs = (8, 1200) if short else (300, 30000)
    with contextlib.ExitStack() as stack:
        fleets = [stack.enter_context(Fleet(each, seed)) for each in (mode if isinstance(mode, tuple) else (mode,))]
        for fleet in fleets:
            for _ in range(2):
                fleet.start()
            fleet.settle()
        begin = next_step = time.monotonic()
        sent = 0
        while time.monotonic() - begin < seconds:
            part = min(1.0, (time.monotonic() - begin) / seconds + 0.1)
            count = int(inputs * part) - sent
            sent += count
            for fleet in fleets:
                come_or_leave(fleet, count)
            next_step = max(next_step + 0.5, time.monotonic())
            time.sleep(max(0.0, next_step - time.monotonic()))
        for fleet in fleets:
            fleet.wait_for_leavers()
            fleet.heal("the last one left")
        judge_all(fleets, 60 if short else 180)


if __name__ == "__main__":
    run_fault()
