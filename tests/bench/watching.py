#!/usr/bin/python3
"""watching: what it costs to be watched.

    tests/bench/watching.py [--quick] [--rounds N] [--runs N] [--seconds S] [--json FILE]

RUNS (100,000) runs of which each is polled every SECONDS (20) are in flight in one worker with two loop threads. Then, in each
round, it is left alone for as long as it takes to poll each run once, or watched: asked for /metrics, /runs and /status
once a second each, or besieged: asked for them over and over by three clients that wait for nothing but their answers.
Latency of polls is the worker's own histogram, as its mean; a poll's CPU is its share of the loops'."""
import contextlib
import http.client
import re
import threading
import time

from bench import Bench, on_path, ratios, spread, values
from gauge import Gauge, reap
from load import Feeder, Work

on_path()

from child import wait_until  # noqa: E402
from worker import Backend  # noqa: E402

PAUSES = {"alone": None, "watched": 1, "besieged": 0}
PATHS = ("/metrics", "/runs?limit=1000", "/status")
ACCEPTED = r'rxp_runs_in_flight\{phase="(?:wait|poll)"\}'


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


def state(gauge, port):
    text = metrics(port)
    polls = total(text, "rxp_poll_duration_seconds_count")
    return {"at": time.monotonic(), "cpu": gauge.cpu_seconds(), "polls": polls,
            "poll_seconds": total(text, "rxp_poll_duration_seconds_sum"),
            "slow": polls - total(text, r'rxp_poll_duration_seconds_bucket\{le="0\.1"\}'),
            "loops": total(text, r"rxp_loop_busy_seconds_total\{[^}]*\}")}


def turn(worker, port, seconds, pause):
    scrapers = [Scraper(port, path, pause) for path in PATHS] if pause is not None else []
    before = state(Gauge(worker.pid), port)
    time.sleep(seconds)
    after = state(Gauge(worker.pid), port)
    for scraper in scrapers:
        scraper.end()
    took = {name: after[name] - before[name] for name in before}
    polls = max(1, took["polls"])
    figures = {"polls_per_second": took["polls"] / took["at"], "poll_ms": took["poll_seconds"] / polls * 1000,
               "polls_over_100_ms_percent": took["slow"] / polls * 100, "cpu_percent": took["cpu"] / took["at"] * 100,
               "loops_us_per_poll": took["loops"] / polls * 1e6}
    for scraper in scrapers:
        name = scraper.path[1:].split("?")[0]
        figures[f"{name}_per_second"] = scraper.answers / took["at"]
        figures[f"{name}_slowest_ms"] = scraper.slowest * 1000
    return figures


def main():
    bench = Bench("watching", __doc__, rounds=6, quick_rounds=1)
    bench.parser.add_argument("--runs", type=int, metavar="N", help="100,000; with --quick 5,000")
    bench.parser.add_argument("--seconds", type=float, metavar="S", help="between two polls, and of a turn: 20; with --quick 2")
    with contextlib.ExitStack() as stack:
        arguments = stack.enter_context(bench.run())
        runs = arguments.runs or (5000 if arguments.quick else 100000)
        seconds = arguments.seconds or (2 if arguments.quick else 20)
        bench.figures |= {"runs": runs, "seconds": seconds}
        cluster, _ = stack.enter_context(bench.broker())
        backend = stack.enter_context(Backend())
        feeder = Feeder(cluster)
        work = stack.enter_context(Work(feeder, backend, simulate={"seconds": 86400},
                                        profile={"http.poll_interval_seconds": str(seconds)}))
        worker = stack.enter_context(work.worker(threads=2, max_in_flight=runs + 1000, checkpoints=True, poll_jitter=0.1))
        port = int(worker.wait_for(r"admin server listens on .*, port (\d+)").group(1))
        worker.wait_for("partition_assigned")
        work.put(runs)
        feeder.release()
        wait_until(lambda: total(metrics(port), ACCEPTED) >= runs, 600, "all runs accepted")
        time.sleep(seconds)  # each was polled once
        found = bench.rounds({name: lambda pause=pause: turn(worker, port, seconds, pause) for name, pause in PAUSES.items()},
                             arguments.rounds)
        names = dict.fromkeys(name for turns in found.values() for name in turns[0] if name not in ("round", "others", "stolen"))
        bench.table(f"{runs} runs in flight: median (least to most) of the rounds",
                    ["", *PAUSES, "watched to alone", "besieged to alone"],
                    [[name, *(spread(values(found[who], name), "{:,.2f}") for who in PAUSES),
                      *(spread(ratios(found, who, "alone", name), "{:.2f}") for who in ("watched", "besieged"))]
                     for name in names])
        reap(worker)


if __name__ == "__main__":
    main()
