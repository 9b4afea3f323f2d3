#!/usr/bin/python3
"""ordering=key and ordering=partition: who waits for whom, and who does not."""
import collections

from cluster import Message
from scene import Scene, once_each
from tap import equal, run_all, test
from worker import invocation


def spans(results):
    """[(started, finished)] in the order of starting."""
    return sorted((result["started_at"], result["finished_at"]) for result in results)


def in_order(results, where):
    """They ran one after the other, in the order of their offsets."""
    by_offset = [results[place] for place in sorted(where)]
    return all(one["finished_at"] <= next_one["started_at"] for one, next_one in zip(by_offset, by_offset[1:]))


@test("ordering=key: of each key one at a time, in order; other keys and inputs without one go on beside a slow key")
def _():
    with Scene(partitions=2) as scene:
        scene.worker(ordering="key")
        slow = [Message(invocation(f"slow-{n}", scene.backend, {"seconds": "3"}), key="slow", partition=0)
                for n in range(4)]
        quick = [Message(invocation(f"quick-{n}", scene.backend, {"seconds": "0.1"}), key=f"q{n % 10}", partition=0)
                 for n in range(60)]
        free = [Message(invocation(f"free-{n}", scene.backend, {"seconds": "1"}), partition=0) for n in range(50)]
        where = scene.produce([*slow, *quick, *free])
        results = once_each(where, scene.wait_for_results(len(where)))
        equal(in_order(results, where[:4]), True, "the slow ones, one after the other")
        lanes = collections.defaultdict(list)
        for place, message in zip(where[4:64], quick):
            lanes[message.key].append(place)
        for key, places in lanes.items():
            equal(in_order(results, places), True, f"those of {key}, one after the other")
        slow_end = max(results[place]["finished_at"] for place in where[:4])
        assert all(results[place]["finished_at"] < slow_end for place in where[4:]), "somebody waited for the slow key"
        free_starts = [results[place]["started_at"] for place in where[64:]]
        assert max(free_starts) < min(results[place]["finished_at"] for place in where[64:]), "those without a key waited"


@test("ordering=partition: one at a time in each partition, in order")
def _():
    with Scene(partitions=2) as scene:
        scene.worker(ordering="partition")
        messages = [Message(invocation(f"run-{n}", scene.backend, {"seconds": "0.2"}), key=f"k{n}", partition=n % 2)
                    for n in range(20)]
        where = scene.produce(messages)
        results = once_each(where, scene.wait_for_results(len(where)))
        for number in (0, 1):
            equal(in_order(results, [place for place in where if place[0] == number]), True, f"partition {number}")
        first, second = (spans(results[place] for place in where if place[0] == number) for number in (0, 1))
        assert first[0][0] < second[-1][1] and second[0][0] < first[-1][1], "the partitions waited for each other"


@test("inputs that wait for a slow key keep no other partition from its work")
def _():
    with Scene(partitions=2) as scene:
        scene.worker(ordering="key", max_in_flight=100)
        scene.produce([Message(invocation(f"slow-{n}", scene.backend, {"seconds": "600"}, timeout_seconds=3600), key="slow",
                               partition=0) for n in range(500)])
        where = scene.produce([Message(invocation(f"quick-{n}", scene.backend, {"seconds": "0.1"}), key=f"k{n}", partition=1)
                               for n in range(300)])
        once_each(where, scene.wait_for_results(300))


@test("a rejected input holds its key no longer than its result takes")
def _():
    with Scene(partitions=1) as scene:
        scene.worker(ordering="key")
        where = scene.produce([Message(b"garbage", key="k") if n % 2 else
                               Message(invocation(f"run-{n}", scene.backend, {"seconds": "0.1"}), key="k")
                               for n in range(20)])
        results = once_each(where, scene.wait_for_results(20))
        equal([results[place]["status"] for place in where], ["succeeded", "rejected"] * 10)
        equal(in_order(results, where), True)


if __name__ == "__main__":
    run_all()
