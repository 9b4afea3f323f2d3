#!/usr/bin/python3
"""Backends that misbehave: they reset connections after the POST, send a byte a second, storm with 429 and 503, talk
garbage, stand still. Each input gets the result that is due, from one kickoff, and the worker does not grow."""
from fault import fault, run_fault
from fleet import Fleet
from history import Mode

OK, BAD = ("succeeded",), ("failed",)
COURSES = (  # of every ten
    ({"seconds": "0-1"}, OK),
    ({"drop": "kickoff"}, BAD),  # it was sent, so it is not sent again
    ({"seconds": "0-1", "poll_fail": "503", "poll_fail_seconds": "0.6", "retry_after": "1"}, OK),
    ({"seconds": "0-1", "poll_fail": "429", "poll_fail_count": "2"}, OK),
    ({"garbage": "kickoff"}, BAD),
    ({"seconds": "0-1", "garbage": "poll"}, BAD),
    ({"seconds": "0-1", "drop": "poll", "poll_fail_count": "2"}, OK),
    ({"code": "500", "message": "no"}, BAD),
    ({"seconds": "0-1", "poll_delay": "0.3"}, OK),
    ({"seconds": "0", "result_bytes": "20000"}, OK),
)
SLOW = ({"slow": "poll", "poll_fail_count": "1"}, OK)  # a byte a second: no answer in time; then it's well


def course(number):
    return SLOW if number % 200 == 0 else COURSES[number % len(COURSES)]


@fault("backends reset, trickle, storm and talk garbage", modes=(Mode(), Mode(exactly_once=True, checkpoints=True)),
       short_modes=(Mode(),))
def backend(mode, seed, short):
    inputs, storms = (1500, 2) if short else (40000, 20)  # 100,000 requests and more
    with Fleet(mode, seed, poll_timeout_seconds=3, poll_max_failures=20) as fleet:
        fleet.start()
        fleet.settle()
        fleet.measure()
        for _ in range(storms):
            fleet.send(inputs // storms, course)
            fleet.pause(0, 1)
            # As if it were cut off for a moment: nothing is refused, nothing is answered.
            fleet.freeze_backend(fleet.random.uniform(0.2, 2))
        fleet.heal("the last standstill")
        verdict = fleet.judge(60 if short else 600)
        print(f"#   requests {len(fleet.history.kickoffs) + len(fleet.history.polls)}", flush=True)
        kickoffs = len(fleet.history.kickoffs)
        assert kickoffs == fleet.sent, f"{kickoffs} kickoffs of {fleet.sent} inputs"
        return verdict


if __name__ == "__main__":
    run_fault()
