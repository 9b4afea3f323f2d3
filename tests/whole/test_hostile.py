#!/usr/bin/python3
"""Backends that mean harm, in short: every kind of harm, every spelling of every denied address. fault_hostile.py has the million
requests."""
import hostile
from tap import run_all, test


@test("hostile backends: each run ends as it must, nothing denied is connected to, and memory stays flat")
def _():
    hostile.play(rounds=3, plain=300, polls=10, seconds=120)


@test("hostile backends, all special ranges denied: none of them is connected to")
def _():
    hostile.play(rounds=1, plain=50, polls=10, seconds=120, denied=hostile.PRIVATE, egress_private="deny")


if __name__ == "__main__":
    hostile.enter()
    run_all()
