#!/usr/bin/python3
"""The worker when its broker is away, or has no room: each test has brokers of its own to break."""
import time

from broker import Broker, Unavailable
from child import wait_until
from scene import Scene, by_source, once_each
from tap import equal, run_all, skip, test
from trio import Trio
from worker import invocation


def own_broker(**options):
    try:
        return Broker(**options)
    except Unavailable as reason:
        skip(str(reason))


@test("results that were due while the broker was down for 10 s are not lost")
def _():
    with own_broker() as broker, Scene(broker.cluster(), partitions=3) as scene:
        worker = scene.worker()
        where = scene.produce([invocation(f"run-{n}", scene.backend, {"seconds": "3"}) for n in range(200)])
        wait_until(lambda: scene.backend.stats()["kickoffs"] == 200, 30, "the kickoffs")
        broker.kill()
        down = time.monotonic()
        # Every run ends while the broker is away: from then on nobody polls.
        wait_until(lambda: time.monotonic() - down >= 10, 15, "ten seconds")
        polls = scene.backend.stats()["polls"]
        broker.start()
        once_each(where, scene.wait_for_results(200, seconds=90))
        scene.wait_for_commit(60)
        equal((scene.backend.stats()["kickoffs"], scene.backend.stats()["polls"]), (200, polls), "requests")
        assert worker.running
        equal(worker.stop(), 0)


@test("a worker that starts before its broker waits for it")
def _():
    with own_broker() as broker, Scene(broker.cluster(), partitions=1) as scene:
        where = scene.produce([invocation("run", scene.backend, {"seconds": "0"})])
        broker.stop()
        worker = scene.worker()
        worker.wait_for(str(broker.port), 30)
        broker.start()
        once_each(where, scene.wait_for_results(1, seconds=90))
        scene.wait_for_commit(30)


@test("a full disk at the broker loses nothing: results come when there is room again")
def _():
    with own_broker(disk_bytes=80 << 20) as broker, Scene(broker.cluster(), partitions=1) as scene:
        worker = scene.worker()
        where = scene.produce([invocation(f"run-{n}", scene.backend, {"seconds": "3"}, note="x" * 2000)
                               for n in range(50)])
        wait_until(lambda: scene.backend.stats()["kickoffs"] == 50, 30, "the kickoffs")
        broker.disk.fill()
        # A broker whose only disk fails ends by itself; whoever runs it makes room and starts it again.
        wait_until(lambda: not broker.running or scene.backend.stats()["polls"] > 500, 60, "the end of the runs")
        broker.disk.free()
        if not broker.running:
            broker.start()
        once_each(where, scene.wait_for_results(50, seconds=120))
        scene.wait_for_commit(60)
        assert worker.running


@test("a record that cannot be read holds its partition, is told of, and is read once it can be")
def _():
    with own_broker() as broker, Scene(broker.cluster(), partitions=1) as scene:
        where = []
        for name in ("before", "damaged", "behind"):  # a batch each
            where += scene.produce([invocation(name, scene.backend, {"seconds": "0"})])
        log, = (broker.folder / "data" / "kafka" / f"{scene.invocations}-0").glob("*.log")

        def exchange(old, new):
            with open(log, "r+b") as file:
                place = file.read().index(old)
                file.seek(place)
                file.write(new)

        exchange(b"damaged", b"dAmaged")
        worker = scene.worker()
        worker.wait_for(f'"partition_reread".*{scene.invocations} \\[0\\] cannot be read at offset 1', 30)
        worker.wait_for(f'"error","event":"partition_stopped".*{scene.invocations} \\[0\\] cannot be read at offset 1', 30)
        scene.wait_for_results(1)
        wait_until(lambda: scene.kafka.committed(scene.group, scene.invocations)[0].offset == 1, 30, "the first one's commit")
        equal(scene.backend.stats()["kickoffs"], 1, "kickoffs")
        exchange(b"dAmaged", b"damaged")
        once_each(where, scene.wait_for_results(3))
        scene.wait_for_commit()
        equal(worker.stop(), 0)


@test("checkpoints that cannot be written hold the intake before they fill the memory")
def _():
    try:
        trio = Trio()
    except Unavailable as reason:
        skip(str(reason))
    with trio, Scene(trio.cluster(), partitions=1) as scene:
        topic = scene.kafka.create_topic("needy", 1, cleanup_policy="compact", min_insync_replicas="3")
        scene.worker(max_in_flight_bytes=1 << 20, checkpoints_topic=topic)
        where = scene.produce([invocation("first", scene.backend, {"seconds": "0"})])
        scene.wait_for_results(1)
        trio.wait_until_whole()
        node = trio.coordinator(scene.group)
        node.stop()
        count, seen = 4000, 0

        def comes_to_rest():
            nonlocal seen
            before, seen = seen, scene.backend.stats()["kickoffs"]
            time.sleep(3)
            return seen > 200 and seen == before

        where += scene.produce([invocation(f"run-{n}", scene.backend, {"seconds": "0"}) for n in range(count)])
        wait_until(comes_to_rest, 60, "a pause")
        assert seen < count / 2, f"{seen} kickoffs while no checkpoint could be written"
        node.start(wait=False)
        results = scene.wait_for_results(count + 1, 120)
        equal(set(by_source(results)), set(where), "inputs with a result")
        scene.wait_for_commit(60)


if __name__ == "__main__":
    run_all()
