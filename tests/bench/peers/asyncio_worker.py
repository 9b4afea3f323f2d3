#!/usr/bin/python3
"""asyncio_worker: the best that some 200 lines of asyncio can do: aiokafka, aiohttp, one session, one process.

    asyncio_worker.py --bootstrap ADDRESS --inputs TOPIC --results TOPIC --group GROUP --in-flight N --connections N
                      --interval SECONDS

For each input: the kickoff, its first poll at once, further polls an interval apart, the result, and once that is
acknowledged the offset, never past one that is not done. What it does not do: take up runs after a crash or a rebalance
(they are kicked off again), judge anything but a plain 202 and a status field, limits, retries, refusals, timeouts of
runs, metrics. Its figures are what a service of this kind costs before it has any of that.

Tuned as the documentation of each part says:
  aiokafka  getmany(max_records=...) for batches instead of a message at a time; send() with its future instead of
            send_and_wait() for each, so that results go in batches (linger_ms)
  aiohttp   one ClientSession for all ("Don't create a session per request"), DummyCookieJar, yarl's URL(encoded=True), which
            saves requoting, no automatic headers (skip_auto_headers), a limit of connections (TCPConnector(limit=...))
  asyncio   uvloop, orjson; a higher threshold for the collector (gc.set_threshold), since tasks are many
Left out one by one, uvloop, encoded URLs, the cookie jar, the headers and the threshold each changed its CPU by a twentieth at
most here.
"""
import argparse
import asyncio
import gc
import signal

import aiohttp
import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from inputs import TERMINAL, Offsets, result_of, timestamp
from yarl import URL

BATCH = 500  # inputs taken at a time at most
COMMIT_SECONDS = 0.5  # as the worker's commit-interval-ms


class Forget(ConsumerRebalanceListener):
    """Who gets a partition later begins at its committed offset, this process, too."""

    def __init__(self, worker):
        self.worker = worker

    async def on_partitions_revoked(self, revoked):
        if revoked:
            await self.worker.commit()
        for partition in revoked:
            self.worker.offsets.pop(partition, None)

    async def on_partitions_assigned(self, assigned):
        for partition in assigned:
            self.worker.offsets[partition] = Offsets()


class AsyncioWorker:
    def __init__(self, options):
        self.options = options
        self.offsets = {}
        self.in_flight = 0
        self.room = asyncio.Event()
        self.stopping = asyncio.Event()

    async def request(self, method, url, body=None, headers=None):
        async with self.session.request(method, URL(url, encoded=True), data=body, headers=headers) as answer:
            body = await answer.read()
            if answer.status not in (200, 202):
                raise RuntimeError(f"{url} was answered with {answer.status}")
            return orjson.loads(body)

    async def drive(self, record):
        """The run of one input. Returns its result's text."""
        started = timestamp()
        invocation = orjson.loads(record.value)
        metadata = invocation["metadata"]
        answer = await self.request("POST", metadata["http.url"], metadata["http.body"].encode(),
                                    {"Idempotency-Key": invocation["invocation_id"], "Content-Type": "application/json"})
        run_id = answer["run_id"]
        url = metadata["http.poll_url_template"].replace("{run_id}", run_id)
        polls = 1
        while (status := (await self.request("GET", url))["status"]) not in TERMINAL:
            if self.options.interval:
                await asyncio.sleep(self.options.interval)
            polls += 1
        return orjson.dumps(result_of(invocation, started, (run_id, status, polls), "asyncio",
                                      (record.topic, record.partition, record.offset)))

    async def run(self, offsets, record):
        result = await self.drive(record)
        sent = await self.producer.send(self.options.results, result, key=record.key)
        sent.add_done_callback(lambda done: self.sent(done, offsets, record.offset))

    def sent(self, done, offsets, offset):
        done.result()  # one that could not be sent ends the process: a broker's trouble is not hidden
        offsets.finish(offset)
        self.in_flight -= 1
        self.room.set()

    def ended(self, task):
        if not task.cancelled() and task.exception():
            raise SystemExit(f"a run failed: {task.exception()!r}")

    async def commit(self):
        due = {}
        for partition, offsets in self.offsets.items():
            if offsets.next != offsets.committed:
                due[partition] = offsets.next
        if due:
            await self.consumer.commit(due)
            for partition, offset in due.items():
                self.offsets[partition].committed = offset

    async def commit_regularly(self):
        while not self.stopping.is_set():
            await asyncio.sleep(COMMIT_SECONDS)
            await self.commit()

    async def take(self):
        """Inputs to tasks, as many as there is room for."""
        while not self.stopping.is_set():
            room = self.options.in_flight - self.in_flight
            if room <= 0:
                self.room.clear()
                await self.room.wait()
                continue
            batch = await self.consumer.getmany(timeout_ms=200, max_records=min(room, BATCH))
            for partition, records in batch.items():
                offsets = self.offsets[TopicPartition(*partition)]
                for record in records:
                    offsets.open.append(record.offset)
                    self.in_flight += 1
                    asyncio.create_task(self.run(offsets, record)).add_done_callback(self.ended)

    async def work(self):
        options = self.options
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.stopping.set)
        self.consumer = AIOKafkaConsumer(bootstrap_servers=options.bootstrap, group_id=options.group,
                                         enable_auto_commit=False, auto_offset_reset="earliest",
                                         isolation_level="read_committed")
        self.producer = AIOKafkaProducer(bootstrap_servers=options.bootstrap, acks="all", linger_ms=5)
        connector = aiohttp.TCPConnector(limit=options.connections, ttl_dns_cache=300)
        self.consumer.subscribe([options.inputs], listener=Forget(self))
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(),
                                         auto_decompress=False, timeout=aiohttp.ClientTimeout(total=60),
                                         skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding")) as self.session:
            await self.producer.start()
            await self.consumer.start()
            committing = asyncio.create_task(self.commit_regularly())
            await self.take()
            await committing
            await self.commit()
            await self.consumer.stop()
            await self.producer.stop()


def main():
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "inputs", "results", "group"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--interval", type=float, required=True)
    gc.set_threshold(50000, 20, 20)
    worker = AsyncioWorker(parser.parse_args())
    uvloop.run(worker.work())


if __name__ == "__main__":
    main()
