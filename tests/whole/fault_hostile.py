#!/usr/bin/python3
"""Backends that mean harm, a million requests of them (RXP_TEST_REQUESTS: another number)."""
import os

import hostile
from tap import run_all, test

REQUESTS = int(os.environ.get("RXP_TEST_REQUESTS", "1000000"))


@test("a million requests to hostile backends: nothing denied is connected to, and memory stays flat")
def _():
    plain = max(REQUESTS // 120, 100)
    seen = hostile.play(rounds=max(REQUESTS // 20000, 3), plain=plain, polls=REQUESTS // plain, seconds=7200,
                        denied=hostile.PRIVATE, egress_private="deny")
    assert seen >= REQUESTS, f"only {seen} requests"


if __name__ == "__main__":
    hostile.enter()
    run_all()
