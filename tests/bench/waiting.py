#!/usr/bin/python3
"""waiting: what runs cost while they wait. Prints a table; --json FILE writes the figures as well.

    tests/bench/waiting.py [RUNS [SECONDS]]

RUNS (10,000) runs of which each is polled every 5 s are in flight in one worker with two loop threads, against a real
broker and the simulated backend, both other processes: without checkpoints, and with them. Memory is the worker's resident
set, CPU is its user and system time over SECONDS (30) of waiting, as a part of one core."""
import argparse
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "whole"))

from broker import Broker  # noqa: E402
from child import wait_until  # noqa: E402
from scene import Scene  # noqa: E402
from worker import invocation  # noqa: E402


CHECKPOINTS = {"without": {"checkpoints_topic": ""}, "with": {}}


def measure(broker, runs, seconds, options):
    with Scene(broker.cluster(), partitions=6) as scene:
        worker = scene.worker(threads=2, **options)
        worker.wait_for("partition_assigned")
        idle_bytes = worker.rss_bytes()
        before = worker.cpu_seconds()
        scene.produce(invocation(f"run-{n}", scene.backend, {"seconds": "3600"}, timeout_seconds=7200,
                                 http_poll_interval_seconds="5") for n in range(runs))
        wait_until(lambda: scene.backend.stats()["kickoffs"] == runs, 120, "the kickoffs")
        started = worker.cpu_seconds() - before
        # The first polls come at once; from then on every run waits.
        wait_until(lambda: scene.backend.stats()["polls"] >= runs, 60, "the first polls")
        polls = scene.backend.stats()["polls"]
        begin, cpu = time.monotonic(), worker.cpu_seconds()
        time.sleep(seconds)
        elapsed = time.monotonic() - begin
        cpu = worker.cpu_seconds() - cpu
        polls = scene.backend.stats()["polls"] - polls
        return {"runs": runs, "threads": worker.threads(), "idle_mb": idle_bytes / 1e6, "rss_mb": worker.rss_bytes() / 1e6,
                "bytes_per_run": (worker.rss_bytes() - idle_bytes) / runs, "start_cpu_us_per_run": started / runs * 1e6,
                "polls_per_second": polls / elapsed, "cpu_percent": cpu / elapsed * 100,
                "cpu_us_per_poll": cpu / max(polls, 1) * 1e6}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="?", type=int, default=10000)
    parser.add_argument("seconds", nargs="?", type=float, default=30)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    with Broker() as broker:
        figures = {name: measure(broker, arguments.runs, arguments.seconds, options)
                   for name, options in CHECKPOINTS.items()}
    print(f"{'checkpoints':22}", *(f"{name:>14}" for name in figures))
    for name in figures["with"]:
        print(f"{name:22}", *(f"{column[name]:14,.1f}" for column in figures.values()))
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
