#!/usr/bin/python3
"""watching: what it costs to be watched. Prints a table and the ratios; --json FILE writes the figures as well.

    tests/bench/watching.py [RUNS [SECONDS [TURNS]]]

RUNS (100,000) runs of which each is polled every 20 s are in flight in one worker with two loop threads, against a real broker
and the simulated backend, both other processes. Then, in TURNS (6) turns by turns, it is left alone for SECONDS (20, as long
as it takes to poll each run once), or watched: asked for /metrics, /runs and /status once a second each, or besieged: asked
for them over and over by three clients that wait for nothing but their answers. Latency of polls is the worker's own
histogram, as its mean; CPU is the worker's, as a part of one core, and a poll's share of the loops' CPU."""
import argparse
import http.client
import json
import pathlib
import re
import statistics
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "whole"))

from broker import Broker  # noqa: E402
from child import wait_until  # noqa: E402
from scene import Scene  # noqa: E402
from worker import invocation  # noqa: E402

PAUSES = {"alone": None, "watched": 1, "besieged": 0}
PATHS = ("/metrics", "/runs?limit=1000", "/status")


class Scraper:
    """A client of its own connection, in a loop, until it is told to stop."""

    def __init__(self, port, path, pause):
        self.port, self.path, self.pause = port, path, pause
        self.answers, self.refused, self.slowest = 0, 0, 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self.ended.is_set():
            begin = time.monotonic()
            connection.request("GET", self.path)
            answer = connection.getresponse()
            answer.read()
            self.slowest = max(self.slowest, time.monotonic() - begin)
            self.answers += answer.status == 200
            self.refused += answer.status != 200
            if self.pause:
                self.ended.wait(self.pause)

    def end(self):
        self.ended.set()
        self.thread.join()


def metrics(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()


def total(text, pattern):
    return sum(float(value) for value in re.findall(rf"^{pattern} (\S+)$", text, re.MULTILINE))


def state(worker, port):
    text = metrics(port)
    polls = total(text, "rxp_poll_duration_seconds_count")
    return {"at": time.monotonic(), "cpu": worker.cpu_seconds(), "polls": polls,
            "poll_seconds": total(text, "rxp_poll_duration_seconds_sum"),
            "slow": polls - total(text, r'rxp_poll_duration_seconds_bucket\{le="0\.1"\}'),
            "loops": total(text, r"rxp_loop_busy_seconds_total\{[^}]*\}")}


def turn(worker, port, seconds, pause):
    scrapers = [Scraper(port, path, pause) for path in PATHS] if pause is not None else []
    before = state(worker, port)
    time.sleep(seconds)
    after = state(worker, port)
    for scraper in scrapers:
        scraper.end()
    took = {name: after[name] - before[name] for name in before}
    figures = {"polls_per_second": took["polls"] / took["at"], "poll_ms": took["poll_seconds"] / max(1, took["polls"]) * 1000,
               "polls_over_100_ms_percent": took["slow"] / max(1, took["polls"]) * 100,
               "cpu_percent": took["cpu"] / took["at"] * 100, "loops_us_per_poll": took["loops"] / max(1, took["polls"]) * 1e6}
    for scraper in scrapers:
        name = scraper.path[1:].split("?")[0]
        figures[f"{name}_per_second"] = scraper.answers / took["at"]
        figures[f"{name}_slowest_ms"] = scraper.slowest * 1000
    return figures


def measure(broker, runs, seconds, turns):
    with Scene(broker.cluster(), partitions=6) as scene:
        worker = scene.worker(threads=2, max_in_flight=runs + 1000, admin_listen="127.0.0.1:0")
        port = int(worker.wait_for(r"admin server listens on .*, port (\d+)").group(1))
        worker.wait_for("partition_assigned")
        scene.produce(invocation(f"run-{n}", scene.backend, {"seconds": "7200"}, timeout_seconds=14400,
                                 http_poll_interval_seconds="20") for n in range(runs))
        wait_until(lambda: total(metrics(port), r'rxp_runs_in_flight\{phase="(?:wait|poll)"\}') >= runs, 600, "all runs accepted")
        time.sleep(20)  # each was polled once
        columns = {name: [] for name in PAUSES}
        for number in range(turns):
            for name, pause in PAUSES.items():
                columns[name].append(turn(worker, port, seconds, pause))
                print(number, name, {key: round(value, 2) for key, value in columns[name][-1].items()}, file=sys.stderr)
        return {name: {key: statistics.median(row[key] for row in rows) for key in rows[0]} for name, rows in columns.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="?", type=int, default=100000)
    parser.add_argument("seconds", nargs="?", type=float, default=20)
    parser.add_argument("turns", nargs="?", type=int, default=6)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    with Broker() as broker:
        figures = measure(broker, arguments.runs, arguments.seconds, arguments.turns)
    print(f"{'medians':28}" + "".join(f"{name:>14}" for name in figures) + f"{'watched':>10}{'besieged':>10}")
    for name in figures["besieged"]:
        values = {column: figures[column].get(name) for column in figures}
        print(f"{name:28}" + "".join(f"{'':14}" if value is None else f"{value:14,.2f}" for value in values.values()) +
              ("".join(f"{values[column] / values['alone']:9.2f}x" for column in ("watched", "besieged")) if values["alone"] else ""))
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
