#!/usr/bin/python3
"""pool: what a Python service that grew out of a script usually is: confluent-kafka, httpx, and a thread for each run.

    pool.py --bootstrap ADDRESS --inputs TOPIC --results TOPIC --group GROUP --in-flight N --interval SECONDS
            --client run|shared

For each input a thread of a pool makes the kickoff, polls at once and then an interval apart, sleeping in between, and
hands the result to the producer; once that is acknowledged its offset may be committed, never past one that is not done.
What it does not do: take up runs after a crash or a rebalance (they are kicked off again), judge anything but a plain 202
and a status field, limits, retries, refusals, timeouts of runs, metrics.

  --client run     a short-lived httpx.Client for each run, as `with httpx.Client() as client:` in a run's method makes it.
                   A client of its own makes its TLS settings, too, for plain http as well: most of its cost.
  --client shared  one client for all threads, as httpx advises ("Clients": more efficient, since connections are pooled),
                   with room for as many connections as it keeps idle (Limits). This is the tuned form.

confluent-kafka is tuned as its documentation says: consume(num_messages) takes inputs in batches, produce() is
asynchronous with poll() for its delivery reports, linger.ms gathers results, commits are asynchronous."""
import argparse
import concurrent.futures
import contextlib
import json
import queue
import signal
import sys
import time

import httpx
from confluent_kafka import Consumer, Producer, TopicPartition
from inputs import TERMINAL, Offsets, result_of, timestamp

BATCH = 500  # inputs taken at a time at most
COMMIT_SECONDS = 0.5  # as the worker's commit-interval-ms
CONNECTIONS = 64  # of the shared client


def drive(client, message, interval):
    """The run of one input, in a thread of the pool. Returns its result's text."""
    started = timestamp()
    invocation = json.loads(message.value())
    metadata = invocation["metadata"]
    answer = client.post(metadata["http.url"], content=metadata["http.body"].encode(),
                         headers={"Idempotency-Key": invocation["invocation_id"], "Content-Type": "application/json"})
    answer.raise_for_status()
    run_id = answer.json()["run_id"]
    url = metadata["http.poll_url_template"].replace("{run_id}", run_id)
    polls = 0
    while True:
        answer = client.get(url)
        answer.raise_for_status()
        polls += 1
        status = answer.json()["status"]
        if status in TERMINAL:
            break
        if interval:
            time.sleep(interval)
    return json.dumps(result_of(invocation, started, (run_id, status, polls), "pool",
                                (message.topic(), message.partition(), message.offset())))


class Pool:
    def __init__(self, options):
        self.options = options
        self.threads = concurrent.futures.ThreadPoolExecutor(options.in_flight)
        self.consumer = Consumer({"bootstrap.servers": options.bootstrap, "group.id": options.group,
                                  "enable.auto.commit": False, "auto.offset.reset": "earliest"})
        self.producer = Producer({"bootstrap.servers": options.bootstrap, "acks": "all", "linger.ms": 5})
        self.shared = None
        if options.client == "shared":
            # A connection that is over the limit waits for one that comes back; none waits too long for the usual run.
            self.shared = httpx.Client(timeout=60, limits=httpx.Limits(max_connections=CONNECTIONS,
                                                                       max_keepalive_connections=CONNECTIONS))
        self.ended = queue.SimpleQueue()  # (message, result) from the threads
        self.offsets = {}  # {partition: Offsets}, the main thread's alone
        self.in_flight = 0
        self.stopping = False

    def run(self, message):
        try:
            with contextlib.nullcontext(self.shared) if self.shared else httpx.Client(timeout=60) as client:
                self.ended.put((message, drive(client, message, self.options.interval)))
        except Exception as error:  # any trouble ends the process, and is not hidden in a future
            self.ended.put((message, error))

    def delivered(self, error, offsets, offset):
        if error is not None:
            raise SystemExit(f"a result could not be sent: {error}")
        offsets.finish(offset)
        self.in_flight -= 1

    def send_ended(self):
        with contextlib.suppress(queue.Empty):
            while True:
                message, result = self.ended.get_nowait()
                if isinstance(result, Exception):
                    raise SystemExit(f"a run failed: {result!r}")
                offsets = self.offsets.get(message.partition())
                self.producer.produce(self.options.results, result, message.key(),
                                      on_delivery=lambda error, _, at=message.offset(), of=offsets:
                                      self.delivered(error, of, at))

    def commit(self, asynchronous=True):
        due = []
        for partition, offsets in self.offsets.items():
            if offsets.next != offsets.committed:
                offsets.committed = offsets.next
                due.append(TopicPartition(self.options.inputs, partition, offsets.next))
        if due:
            self.consumer.commit(offsets=due, asynchronous=asynchronous)

    def revoked(self, _, partitions):
        """Who gets a partition later begins at its committed offset, this process, too."""
        self.commit(asynchronous=False)
        for partition in partitions:
            self.offsets.pop(partition.partition, None)

    def work(self):
        self.consumer.subscribe([self.options.inputs], on_revoke=self.revoked)
        commit_at = time.monotonic() + COMMIT_SECONDS
        while not self.stopping:
            room = min(self.options.in_flight - self.in_flight, BATCH)
            # With room it waits for inputs, without it for ends; a few ms, so that neither waits for the other.
            for message in self.consumer.consume(room, 0.01) if room else ():
                if message.error():
                    raise SystemExit(f"an input could not be read: {message.error()}")
                self.offsets.setdefault(message.partition(), Offsets()).open.append(message.offset())
                self.in_flight += 1
                self.threads.submit(self.run, message)
            self.send_ended()
            self.producer.poll(0 if room else 0.01)
            if time.monotonic() >= commit_at:
                self.commit()
                commit_at = time.monotonic() + COMMIT_SECONDS
        self.producer.flush(10)
        self.commit(asynchronous=False)
        self.consumer.close()

    def stop(self, *_):
        self.stopping = True


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("bootstrap", "inputs", "results", "group"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    parser.add_argument("--interval", type=float, required=True)
    parser.add_argument("--client", choices=("run", "shared"), required=True)
    pool = Pool(parser.parse_args())
    signal.signal(signal.SIGTERM, pool.stop)
    pool.work()
    pool.threads.shutdown(wait=False, cancel_futures=True)
    sys.stdout.flush()


if __name__ == "__main__":
    main()
