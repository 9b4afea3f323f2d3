#!/usr/bin/python3
"""Of three brokers, the one that coordinates the group (or the transactions) goes away for a while: stopped in order,
killed, frozen, or cut off, by a firewall that drops or by one that rejects. Work goes on within a minute of its return,
and nothing is lost."""
import time

from broker import Unavailable
from fault import fault, run_fault
from fleet import Fleet, now_ms
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


@fault("the coordinator's broker goes away", modes=(
    Mode(), Mode(checkpoints=True), Mode(exactly_once=True, checkpoints=True)), short_modes=(Mode(),))
def outage(mode, seed, short):
    # In short, one that moves the coordinator, and one that leaves it where it is.
    kinds = [killed, silent] if short else [stopped, killed, frozen, silent, refusing] * 20
    try:
        trio = Trio()
    except Unavailable as reason:
        skip(str(reason))
    with trio, Fleet(mode, seed, trio.cluster()) as fleet:
        for _ in range(2):
            fleet.start()
        fleet.settle()
        for kind in kinds:
            fleet.send(100, {"seconds": "0-3"})
            seconds = fleet.random.uniform(3, 5) if short else fleet.random.uniform(5, 60)
            topic = "__transaction_state" if mode.exactly_once and fleet.random.random() < 0.5 else "__consumer_offsets"
            node = trio.coordinator(fleet.group, topic)
            begin = now_ms()
            kind(node, seconds)
            fleet.heal(f"broker {node.number} {kind.__name__} for {seconds:.0f} s")
            trio.wait_until_whole()
            fleet.settle()
            fleet.moved(f"broker {node.number} {kind.__name__}", begin)
        return fleet.judge(90 if short else 180)


if __name__ == "__main__":
    run_fault()
