#!/usr/bin/python3
"""A random one of three workers is killed outright, again and again, and another takes its place at once."""
from fault import fault, run_fault
from fleet import Fleet
from history import Mode


@fault("workers are killed at random", modes=(
    Mode(), Mode(checkpoints=True), Mode(exactly_once=True), Mode(exactly_once=True, checkpoints=True),
    Mode(at_most_once=True, checkpoints=True)), short_modes=(Mode(), Mode(exactly_once=True, checkpoints=True)))
def crash(mode, seed, short):
    inputs, in_flight, kills = (1500, 600, 3) if short else (20000, 2000, 30)
    with Fleet(mode, seed, max_in_flight=in_flight // 3) as fleet:
        for _ in range(3):
            fleet.start()
        fleet.settle()
        # So long that there is work to the last kill.
        fleet.send(inputs, {"seconds": "0-2" if short else "1-20"})
        for _ in range(kills):
            fleet.pause(0.5, 2 if short else 5)
            fleet.kill(fleet.pick())
            fleet.start()
        fleet.heal("the last kill")
        verdict = fleet.judge(60 if short else 600)
        assert short or "healing_ms_most" in verdict.figures, "all was done before the last kill"
        return verdict


if __name__ == "__main__":
    run_fault()
