#!/usr/bin/python3
"""floor: what an invocation costs the worker, against the least that it could cost.

    tests/bench/floor.py [--quick] [--rounds N] [--count N] [--loose] [--json FILE]

Each of them has the same work for the same simulated backend: a kickoff and two polls, 64 of them under way at a time.

    worker, one loop       reads 300-byte messages from Kafka, writes results, commits; threads=1, without checkpoints
    worker, as it comes    with its default threads, checkpoints, and a line in the log for each run
    libcurl and Kafka      floor/curl_loop.c: the same requests by libcurl as fast as it goes, with librdkafka for messages that
                           it does not read and results that are all alike
    libcurl                the same without Kafka
    epoll                  floor/epoll_client.c: the same requests with one write and one read each
    wrk                    its GETs of one poll's URL; a third of the others' requests

CPU is the user and system time of that process alone, librdkafka's threads included. With two processors (and without
--loose) whoever has one loop is kept on the first, the backend and the broker on the second, so that the one that is measured
is what limits the rate; the worker as it comes may use both. Who is faster than the backend (wrk, epoll) is not saturated:
it may wake for one answer at a time, and then takes more for each than it could. A line under the table names those."""
import contextlib
import json
import os
import re
import statistics
import subprocess
import urllib.request

from bench import Bench, NotHere, on_path, program, ratios, spread, values
from gauge import pin, reap
from load import POLLED, Feeder, Work

on_path()

from child import Child  # noqa: E402
from worker import Backend  # noqa: E402

CONNECTIONS = 64
WARM = 1000  # invocations that come before those that count
REQUESTS = 1 + POLLED["polls"]
SATURATED_CORES = 0.9
WORKER, DEFAULT, WITH_KAFKA, CURL, EPOLL, WRK = (
    "worker, one loop", "worker, as it comes", "libcurl and Kafka", "libcurl", "epoll", "wrk")
# How the names of threads begin in the figures.
MAIN, LOOP, LIBRDKAFKA = ["rxp-worker_us"], ["rxp-loop", "curl_loop_us"], ["rdk:"]


class Floor:
    def __init__(self, bench, arguments, cluster, broker_pid, backend):
        self.bench, self.backend, self.broker_pid = bench, backend, broker_pid
        self.count = arguments.count or (10000 if arguments.quick else 60000)
        self.seconds = 2 if arguments.quick else 8  # of wrk
        self.feeder = Feeder(cluster)
        cpus = sorted(os.sched_getaffinity(0))
        self.first, self.rest = ({cpus[0]}, set(cpus[1:])) if len(cpus) == 2 and not arguments.loose else (None, None)
        self.all = set(cpus)
        if self.rest:
            pin(backend.pid, self.rest)
            pin(broker_pid, self.rest)

    def close(self):
        """Others may go on with the broker."""
        pin(self.broker_pid, self.all)

    @contextlib.contextmanager
    def same_work(self):
        """What is done inside is what everybody does: no request more, and none less."""
        before = self.backend.stats()
        yield
        after = self.backend.stats()
        asked = {name: after[name] - before[name] for name in ("kickoffs", "polls")}
        wanted = {"kickoffs": self.count + WARM, "polls": (self.count + WARM) * POLLED["polls"]}
        assert asked == wanted, f"the backend was asked for {asked} and not for {wanted}"

    def measured(self, work, child, cpus):
        """Of one that takes its messages from Kafka."""
        if cpus:
            pin(child.pid, cpus)
        with self.same_work():
            figures = work.measure(child, self.count, WARM, {"broker": self.broker_pid, "backend": self.backend.pid})
        usage = reap(child)
        assert usage.status == 0, f"{child.name} ended with {usage.status}\n{child.tail()}"
        return figures

    def worker(self, cpus, **options):
        with Work(self.feeder, self.backend) as work, work.worker(**options) as child:
            return self.measured(work, child, cpus)

    def curl_and_kafka(self):
        with Work(self.feeder, self.backend) as work:
            command = [program("curl_loop"), self.backend.origin, 0, 0, work.cluster.bootstrap, work.inputs, work.results,
                       work.group]
            with Child(command, name="curl_loop") as child:
                return self.measured(work, child, self.first)

    def _run(self, command, name):
        """One that ends by itself: (what it said, its user and system time)."""
        with Child(command, name=name) as child:
            if self.first:
                pin(child.pid, self.first)
            usage = reap(child, None, 600)
            assert usage.status == 0, f"{name} ended with {usage.status}\n{child.tail()}"
            return child.output(), usage.user_seconds + usage.system_seconds

    def alone(self, name):
        with self.same_work():
            said, seconds = self._run([program(name), self.backend.origin, self.count, WARM], name)
        figures = json.loads(said)
        # What it says of itself is what the kernel says, but for its last moments.
        assert abs(figures["whole_seconds"] - seconds) <= 0.02 * seconds + 0.02, (figures, seconds)
        return {"cpu_us": figures["cpu_us"], "rate": figures["rate"], "per_core": 1e6 / figures["cpu_us"],
                "cores": figures["rate"] * figures["cpu_us"] / 1e6}

    def wrk(self):
        kickoff = urllib.request.Request(self.backend.url("/runs", seconds=86400), data=b"", method="POST")
        with urllib.request.urlopen(kickoff, timeout=10) as answer:
            url = self.backend.url("/runs/" + json.load(answer)["run_id"])
        try:
            subprocess.run(["wrk", "-v"], capture_output=True, check=False)
        except FileNotFoundError:
            raise NotHere("there is no program wrk (Debian's package of that name)") from None
        said, seconds = self._run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{self.seconds}s", url], "wrk")
        assert "Non-2xx" not in said and "Socket errors" not in said, said
        requests = int(re.search(r"(\d+) requests in", said).group(1))
        rate = float(re.search(r"Requests/sec: +(\S+)", said).group(1))
        us = seconds / requests * 1e6
        return {"request_us": us, "cpu_us": us * REQUESTS, "rate": rate / REQUESTS, "per_core": 1e6 / us / REQUESTS,
                "cores": rate * us / 1e6}


def sums(turns, names):
    """Of each turn, the sum of the figures whose name begins with one of these; nothing where there are none."""
    found = [sum(value for key, value in turn.items() if key.startswith(tuple(names))) for turn in turns]
    return found if any(found) else []


def tables(bench, found, pinned):
    def row(name):
        turns = found[name]
        return [name, spread(values(turns, "cpu_us")),
                *(spread(ratios(found, name, base, "cpu_us"), "{:.2f}") for base in (WITH_KAFKA, CURL)),
                spread(in_requests(name), "{:.1f}"), spread(values(turns, "per_core"), "{:,.0f}"),
                spread(values(turns, "rate"), "{:,.0f}"), spread(values(turns, "cores"), "{:.2f}")]

    def in_requests(name):
        """CPU of an invocation in units of wrk's request, by rounds."""
        return [ratio * REQUESTS for ratio in ratios(found, name, WRK, "cpu_us")] if WRK in found else []
    bench.table("CPU of an invocation (a kickoff, two polls): median (least to most) of the rounds; " + (
                    "one loop on one processor, broker and backend on the other" if pinned else "no processes pinned"),
                ["", "CPU, µs", "of libcurl's and Kafka's", "of libcurl's", "in wrk's requests", "a second and core",
                 "a second, measured", "cores busy"], [row(name) for name in found])
    idle = {name: statistics.median(values(turns, "cores")) for name, turns in found.items()}
    idle = {name: cores for name, cores in idle.items() if cores < SATURATED_CORES}
    bench.figures["not_saturated"] = idle
    if idle:
        print("  not saturated: " + ", ".join(f"{name} ({cores:.2f} cores)" for name, cores in idle.items()))
    with_kafka = {name: [turn["by_thread"] | turn for turn in turns] for name, turns in found.items() if "by_thread" in turns[0]}
    bench.table("where it goes, by threads, and what the others take, µs: worker's main thread, a loop or libcurl's, librdkafka's",
                ["", "main", "loop", "librdkafka", "the broker", "the backend"],
                [[name, *(spread(sums(turns, who)) for who in (MAIN, LOOP, LIBRDKAFKA, ["broker_us"], ["backend_us"]))]
                 for name, turns in with_kafka.items()])


def main():
    bench = Bench("floor", __doc__, quick_rounds=1)
    bench.parser.add_argument("--count", type=int, metavar="N", help="invocations a turn (60,000; with --quick 10,000)")
    bench.parser.add_argument("--loose", action="store_true", help="keep nobody on one processor")
    with contextlib.ExitStack() as stack:
        arguments = stack.enter_context(bench.run())
        cluster, broker_pid = stack.enter_context(bench.broker())
        backend = stack.enter_context(Backend(threads=1))
        floor = stack.enter_context(contextlib.closing(Floor(bench, arguments, cluster, broker_pid, backend)))
        bench.figures |= {"count": floor.count, "pinned": bool(floor.first)}
        tables(bench, bench.rounds({
            WORKER: lambda: floor.worker(floor.first, threads=1),
            DEFAULT: lambda: floor.worker(None, checkpoints=True, log_runs="all"),
            WITH_KAFKA: floor.curl_and_kafka,
            CURL: lambda: floor.alone("curl_loop"),
            EPOLL: lambda: floor.alone("epoll_client"),
            WRK: floor.wrk,
        }, arguments.rounds), floor.first)


if __name__ == "__main__":
    main()
