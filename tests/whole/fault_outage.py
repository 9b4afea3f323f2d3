#!/usr/bin/python3
"""Of three brokers, the one that coordinates the group (or the transactions) goes away for a while: stopped in order,
killed, frozen, or cut off, by a firewall that drops or by one that rejects. Work goes on within a minute of its return,
and nothing is lost."""
import contextlib
import time

from broker import Unavailable
from fault import fault, run_fault
from fleet import Fleet, judge_all, now_ms
from history import Mode
from proxy import Proxy
from tap import skip
from trio import Trio


def stopped(node, seconds):
    node.stop()
    time.sleep(seconds)
    node.start(wait=False)


def killed(node, seconds):
    node.kill()
    time.sleep(seconds)
    node.start(wait=False)


def frozen(node, seconds):
    node.freeze()
    time.sleep(seconds)
    node.thaw()


def silent(node, seconds):
    node.proxy.cut(Proxy.SILENT)
    time.sleep(seconds)
    node.proxy.mend()


def refusing(node, seconds):
    node.proxy.cut(Proxy.REFUSING)
    time.sleep(seconds)
    node.proxy.mend()


# How long it lasts. One that is stopped or killed is away for as long as its start takes, besides.
SECONDS = {stopped: (1, 10), killed: (1, 10), frozen: (5, 30), silent: (5, 60), refusing: (5, 60)}
GOES_ON_SECONDS = 60 + 10
ROUNDS = 20


def befall(trio, fleets, kind, seconds):
    """What went wrong. One fault for the broker that coordinates the groups of all fleets, or else the transactions of one worker; then
    all that was sent has its results within a minute, or the judge finds that work did not go on."""
    chance = fleets[0].random
    node, what = trio.coordinator(fleets[0].group), "the groups"
    if any(each.mode.exactly_once for each in fleets) and chance.random() < 0.25:
        transactions = sorted(trio.transaction_coordinators().items())
        if transactions:
            node, what = chance.choice(transactions)[1], "transactions"
    for each in fleets:
        each.revive()
        each.send(100, {"seconds": "0-3"})
    begin = now_ms()
    kind(node, seconds)
    named = f"broker {node.number}, which coordinates {what}, {kind.__name__} for {seconds:.0f} s"
    for each in fleets:
        each.heal(named, begin)
    healed = time.monotonic()
    trio.wait_until_whole()
    wrong = []
    for each in fleets:
        try:
            each.settle()
        except AssertionError as error:
            wrong.append(f"after {named}: {error}")
        # What stands still must not be saved by the next fault.
        each.wait_for_all(max(1.0, healed + GOES_ON_SECONDS - time.monotonic()))
        each.moved(named, begin)
    print(f"#   {named}: all is done {time.monotonic() - healed:.1f} s later", flush=True)
    return wrong


# A checkpoint that could not be written while a broker was away is written when that is back; who has taken over may have
# read what was there some seconds before, and waits for another partition.
RESTORE_MS = 10000
ALL = (Mode(), Mode(checkpoints=True, restore_ms=RESTORE_MS),
       Mode(exactly_once=True, checkpoints=True, restore_ms=RESTORE_MS))


@fault("the coordinator's broker goes away", modes=(ALL,), short_modes=ALL[:1])
def outage(mode, seed, short):
    # In short, one that moves the coordinator, and one that leaves it where it is.
    kinds = [killed, silent] if short else [stopped, killed, frozen, silent, refusing] * ROUNDS
    try:
        trio = Trio()
    except Unavailable as reason:
        skip(str(reason))
    with trio, contextlib.ExitStack() as stack:
        fleets = [stack.enter_context(Fleet(each, seed, trio.cluster()))
                  for each in (mode if isinstance(mode, tuple) else (mode,))]
        for fleet in fleets:
            if fleet is not fleets[0]:
                fleet.group = trio.group_beside(fleets[0].group, fleet.group)
            for _ in range(2):
                fleet.start()
            fleet.settle()
            fleet.measure()
        wrong = []
        for kind in kinds:
            wrong += befall(trio, fleets, kind, fleets[0].random.uniform(*(3, 5) if short else SECONDS[kind]))
        judge_all(fleets, 90 if short else 180)
        assert not wrong, "\n".join(wrong)


if __name__ == "__main__":
    run_fault()
