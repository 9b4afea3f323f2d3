#!/usr/bin/python3
"""The admin server of a real worker: does it live, is it ready, what do its metrics say; and `rxp-worker health`."""
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from admin import Admin
from broker import Broker, Unavailable
from child import Child, wait_until
from cluster import Message
from confluent_kafka.admin import AdminClient, NewPartitions
from scene import Scene
from tap import equal, holds, lacks, run_all, skip, test
from worker import PROGRAM, Worker, invocation, run_command

ANY = "127.0.0.1:0"
TOKEN = "a-token-of-the-test"


def promtool(text):
    if shutil.which("promtool") is None:
        skip("no promtool (Debian package prometheus)")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False,
                          timeout=60)
    equal((done.returncode, done.stdout + done.stderr), (0, ""), "promtool check metrics")


@contextlib.contextmanager
def lonely(**options):
    """A worker whose broker is not there."""
    options.setdefault("admin_listen", ANY)
    with Worker("127.0.0.1:1", "in", "out", "g", **options) as worker:
        yield worker


def wait_ready(admin, seconds=60):
    wait_until(admin.ready, seconds, "/readyz")


@test("a worker lives and is ready, and its metrics tell of its runs")
def _():
    with Scene(partitions=3) as scene:
        here = f"127.0.0.1:{scene.backend.port}"
        worker = scene.worker(admin_listen=ANY, egress_allow=here)
        admin = Admin(worker)
        wait_ready(admin)
        equal(admin.get("/livez").json(), {"alive": True})
        equal(admin.get("/readyz").json(), {"ready": True})
        scene.produce([invocation(f"run-{n}", scene.backend, {"seconds": "0"}) for n in range(20)])
        scene.produce([{"contract_kind": "nonsense"}])
        scene.wait_for_results(21)
        scene.wait_for_commit()
        wait_until(lambda: admin.metrics()["rxp_pending_invocations"] == 0, 30, "an idle worker")
        metrics = admin.metrics()
        expected = {
            'rxp_runs_total{outcome="succeeded",code="none"}': 20,
            'rxp_runs_total{outcome="rejected",code="invalid_invocation"}': 1,
            f'rxp_runs_by_origin_total{{origin="{here}",outcome="succeeded"}}': 20,
            'rxp_runs_by_origin_total{origin="other",outcome="succeeded"}': 0,
            'rxp_runs_by_origin_total{origin="other",outcome="rejected"}': 1,
            "rxp_invocations_total": 21,
            'rxp_requests_total{call="kickoff"}': 20,
            "rxp_kickoff_duration_seconds_count": 20,
            "rxp_queue_age_seconds_count": 20,
            "rxp_result_latency_seconds_count": 21,
            'rxp_checkpoints_total{event="given_up"}': 0,
            'rxp_transactions_total{outcome="committed"}': 0,
            "rxp_assigned_partitions": 3,
            "rxp_waiting_invocations": 0,
            "rxp_draining": 0,
            "rxp_ready": 1,
        }
        equal({name: metrics.get(name) for name in expected}, expected)
        for phase in ("queued", "prepare", "kickoff", "wait", "poll", "fetch", "publish"):
            equal(metrics[f'rxp_runs_in_flight{{phase="{phase}"}}'], 0, phase)
        equal(set(admin.family("rxp_partition_lag")),
              {f'{{topic="{scene.invocations}",partition="{n}"}}' for n in range(3)})
        assert metrics["rxp_requests_total{call=\"poll\"}"] >= 20, metrics
        promtool(admin.get("/metrics").text)


@test("what is under way is counted by phase, and what waits in the topic as well")
def _():
    with Scene(partitions=1) as scene:
        worker = scene.worker(admin_listen=ANY, max_in_flight=5)
        admin = Admin(worker)
        wait_ready(admin)
        scene.produce([invocation(f"run-{n}", scene.backend, {"seconds": "60"}) for n in range(12)])

        def settled():
            metrics = admin.metrics()
            return sum(admin.family("rxp_runs_in_flight").values()) == 5 and metrics["rxp_waiting_invocations"] == 7
        wait_until(settled, 30, "5 in flight and 7 that wait")
        metrics = admin.metrics()
        equal((metrics["rxp_pending_invocations"], metrics["rxp_in_flight_limit"],
               metrics['rxp_paused_partitions{reason="limit"}']), (12, 5, 1))
        assert admin.family("rxp_partition_frontier_age_seconds").popitem()[1] > 0
        worker.kill()


@test("what waits in a partition that its topic got later is counted soon")
def _():
    with Scene(partitions=1) as scene:
        admin = Admin(scene.worker(admin_listen=ANY, max_in_flight=5))
        wait_ready(admin)
        scene.produce([Message(invocation("run", scene.backend, {"seconds": "60"}), partition=0)])
        wait_until(lambda: list(admin.family("rxp_partition_lag").values()) == [1], 30, "the first partition's end")
        broker = AdminClient({"bootstrap.servers": scene.kafka.bootstrap})
        broker.create_partitions([NewPartitions(scene.invocations, 2)], operation_timeout=30)[scene.invocations].result(30)
        other = scene.worker(name="other")  # its coming and going makes the group look
        wait_until(lambda: "partition_assigned" in other.output(), 60, "a partition at the other")
        equal(other.stop(), 0)
        wait_until(lambda: admin.metrics()["rxp_assigned_partitions"] == 2, 60, "two partitions")
        scene.produce([Message(invocation(f"run-{n}", scene.backend, {"seconds": "60"}), partition=1) for n in range(11)])

        def settled():
            metrics = admin.metrics()
            return sum(admin.family("rxp_runs_in_flight").values()) == 5 and metrics["rxp_waiting_invocations"] == 7
        wait_until(settled, 60, "5 in flight and 7 that wait")


@test("with its broker gone a worker lives, and says why it is not ready; with the broker back it is ready again")
def _():
    try:
        broker = Broker()
    except Unavailable as reason:
        skip(str(reason))
    with broker, Scene(broker.cluster(), partitions=1) as scene:
        worker = scene.worker(admin_listen=ANY, arguments=["-X", "session.timeout.ms=6000"])
        admin = Admin(worker)
        wait_ready(admin)
        broker.kill()
        wait_until(lambda: not admin.ready(), 60, "the worker to notice")
        wait_until(lambda: "no broker has answered for " in admin.get("/readyz").text, 60, "the true reason")
        answer = admin.get("/readyz")
        equal((answer.code, answer.json()["ready"]), (503, False))
        holds(answer.json()["reason"], str(broker.bootstrap.split(":")[1]))
        equal(admin.get("/livez").code, 200)
        equal(admin.metrics()["rxp_ready"], 0)
        done = run_command("health", "--ready", "--admin-listen", f"127.0.0.1:{admin.port}")
        equal(done.returncode, 1)
        holds(done.stderr, "is not ready: no broker has answered for ")
        equal(run_command("health", "--admin-listen", f"127.0.0.1:{admin.port}").returncode, 0)
        broker.start()
        wait_ready(admin, 90)
        scene.produce([invocation("run", scene.backend, {"seconds": "0"})])
        scene.wait_for_results(1, 60)


@test("a worker that drains lives, and is not ready since it was told to stop")
def _():
    with Scene(partitions=1) as scene:
        worker = scene.worker(admin_listen=ANY, checkpoints_topic="", drain_seconds=60)
        admin = Admin(worker)
        wait_ready(admin)
        scene.produce([invocation("run", scene.backend, {"seconds": "60"})])
        wait_until(lambda: scene.backend.stats()["polls"] > 0, 30, "a poll")
        worker.signal(signal.SIGTERM)
        wait_until(lambda: admin.metrics()["rxp_draining"] == 1, 20, "the drain")
        equal(admin.get("/livez").code, 200)
        answer = admin.get("/readyz")
        equal(answer.code, 503)
        holds(answer.json()["reason"], "told to stop")
        worker.kill()


@test("the series of a partition vanish with it")
def _():
    with Scene(partitions=4) as scene:
        first = Admin(scene.worker(admin_listen=ANY, name="first"))
        wait_until(lambda: len(first.family("rxp_partition_lag")) == 4, 60, "all partitions at the first")
        second = Admin(scene.worker(admin_listen=ANY, name="second"))

        def shared():
            one, other = first.family("rxp_partition_lag"), second.family("rxp_partition_lag")
            return (len(one), len(other)) == (2, 2) and not set(one) & set(other)
        wait_until(shared, 60, "two partitions each")
        equal(first.metrics()["rxp_assigned_partitions"], 2)
        assert first.metrics()['rxp_rebalanced_partitions_total{kind="revoked"}'] == 2


@contextlib.contextmanager
def stopped(thread):
    """That thread alone stands still, as it would in an endless loop or a dead lock."""
    libc = ctypes.CDLL(None, use_errno=True)
    seize, interrupt, detach, wall = 0x4206, 0x4207, 17, 0x40000000
    if libc.ptrace(seize, thread, None, None) != 0:
        skip(f"no ptrace here: {os.strerror(ctypes.get_errno())}")
    libc.ptrace(interrupt, thread, None, None)
    os.waitpid(thread, wall)
    yield
    libc.ptrace(detach, thread, None, None)


def loop_threads(worker):
    found = []
    for task in pathlib.Path(f"/proc/{worker.pid}/task").iterdir():
        with contextlib.suppress(OSError):
            if (task / "comm").read_text().strip() == "rxp-loop":
                found.append(int(task.name))
    return found


@test("a thread that stands still for ten seconds is told by /livez and by health, and forgotten when it goes on")
def _():
    with lonely(threads=2) as worker:
        admin = Admin(worker)
        worker.wait_for("no_broker")
        loops = loop_threads(worker)
        equal(len(loops), 2)
        for thread, reason in [(worker.pid, "the Kafka thread"), (loops[1], "an event loop")]:
            with stopped(thread):
                wait_until(lambda: admin.get("/livez").code == 503, 30, "/livez to notice")
                holds(admin.get("/livez").json()["reason"], f"{reason} has stood still for 1")
                done = run_command("health", "--admin-listen", f"127.0.0.1:{admin.port}")
                equal(done.returncode, 1)
                holds(done.stderr, f"is stuck: {reason} has stood still")
            wait_until(lambda: admin.get("/livez").code == 200, 20, "life")
        equal(worker.stop(), 0)


@test("without a broker it lives, and health says how it is")
def _():
    with lonely() as worker:
        admin = Admin(worker)
        equal(admin.get("/livez").code, 200)
        holds(admin.get("/readyz").json()["reason"], "no broker of 127.0.0.1:1 has answered yet")
        for listen in (f"127.0.0.1:{admin.port}", f"0.0.0.0:{admin.port}", f"localhost:{admin.port}", f":{admin.port}"):
            done = run_command("health", environment={"RXP_ADMIN_LISTEN": listen})
            equal((done.returncode, done.stdout, done.stderr), (0, f"the worker at {listen} lives\n", ""))
        listen = f"127.0.0.1:{admin.port}"
        done = run_command("health", "--ready", "--admin-listen", listen)
        equal((done.returncode, done.stdout), (1, ""))
        holds(done.stderr, f"the worker at {listen} is not ready: no broker of 127.0.0.1:1 has answered yet")
        equal(worker.stop(), 0)
        done = run_command("health", "--admin-listen", listen)
        equal((done.returncode, done.stderr),
              (1, f"rxp-worker health: no worker answers at {listen}: Connection refused\n"))
    done = run_command("health", "--admin-listen", "")
    equal(done.returncode, 2)
    holds(done.stderr, "admin-listen is empty")
    done = run_command("health", "--admin-listen", "nothing")
    equal(done.returncode, 1)
    holds(done.stderr, "'nothing'")


@test("health gives up after three seconds, and knows who is no worker")
def _():
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        done = run_command("health", "--admin-listen", f"127.0.0.1:{deaf.getsockname()[1]}", seconds=20)
        equal(done.returncode, 1)
        holds(done.stderr, "does not answer: ", "timed out")
    for said, sentence in [(b"HTTP/1.1 404 Not Found\r\n\r\n", "no worker's admin server: HTTP 404\n"),
                           (b"220 mail.example\r\n", "no worker's admin server\n")]:
        with socket.create_server(("127.0.0.1", 0)) as other:
            def greet(other=other, said=said):
                peer, _ = other.accept()
                with peer:
                    peer.recv(1000)
                    peer.sendall(said)
            threading.Thread(target=greet, daemon=True).start()
            done = run_command("health", "--admin-listen", f"127.0.0.1:{other.getsockname()[1]}", seconds=20)
            equal((done.returncode, done.stdout), (1, ""))
            holds(done.stderr, sentence)


@test("an admin-listen that is taken ends the start; the default one is gone without")
def _():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with lonely(admin_listen=f"127.0.0.1:{port}") as worker:
            equal(worker.wait(), 2)
            holds(worker.output(), f"rxp-worker run: admin-listen: cannot listen on '127.0.0.1:{port}': the port is taken")
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # somebody has it already: as well
            stack.enter_context(socket.create_server(("127.0.0.1", 9464)))
        worker = stack.enter_context(lonely(admin_listen=None))
        worker.wait_for('"event":"admin_off".*127.0.0.1:9464')
        worker.wait_for("no_broker")
        equal(worker.stop(), 0)
    with lonely(admin_listen="") as worker:
        worker.wait_for("no_broker")
        lacks(worker.output(), "admin_")
        equal(worker.stop(), 0)


@test("beyond loopback nothing of the runs is told without a token, and the start says so")
def _():
    with lonely(admin_listen="0.0.0.0:0") as worker:
        admin = Admin(worker)
        worker.wait_for('"warn","event":"admin_closed".*no admin token.*what tells of runs and cancels are refused')
        equal([admin.get(path).code for path in ("/livez", "/metrics", "/runs", "/status")], [200, 200, 403, 403])
        holds(admin.get("/runs").json()["error"], "admin-token-file", "RXP_ADMIN_TOKEN")
    with lonely(admin_listen="0.0.0.0:0", environment={"RXP_ADMIN_TOKEN": TOKEN}) as worker:
        admin = Admin(worker)
        worker.wait_for("worker_starting")
        equal([admin.get("/runs").code, admin.get("/runs", Authorization=f"Bearer {TOKEN}").code], [401, 200])
        lacks(worker.output(), "admin_closed", TOKEN)


@test("fewer files than its connections may need are warned of")
def _():
    command = [PROGRAM, "run", "--bootstrap-servers", "127.0.0.1:1", "--egress-allow", "*", "--admin-listen", ANY]
    with Child(["prlimit", "--nofile=200:200", *command], "few") as worker:
        worker.wait_for('"warn","event":"files_few".*200 files open, fewer than 256.*ulimit')
    with Child(["prlimit", "--nofile=100:256", *command], "enough") as worker:
        worker.wait_for("worker_starting")
        lacks(worker.output(), "files_few")


@test("a token comes from a file, without its line end")
def _():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "token"
        path.write_text(TOKEN + "\n")
        with lonely(admin_listen="0.0.0.0:0", admin_token_file=path) as worker:
            admin = Admin(worker)
            worker.wait_for("worker_starting")
            equal(admin.get("/runs", Authorization=f"Bearer {TOKEN}").code, 200)
            equal(admin.ask("POST", "/runs/x/cancel", {"Authorization": f"Bearer {TOKEN}"}, b"").code, 404)
            equal(admin.ask("POST", "/runs/x/cancel", {}, b"").code, 401)
        wrong = [("", "holds 0 characters"), ("short\n", "holds 5 characters"), ("a token with spaces in it", "no HTTP header"),
                 ("x" * 2000, "too long")]
        for text, sentence in wrong:
            path.write_text(text)
            done = run_command("run", "--bootstrap-servers", "127.0.0.1:1", "--admin-listen", ANY, "--admin-token-file", path)
            equal(done.returncode, 2)
            holds(done.stderr, f"'{path}'", sentence)
        done = run_command("run", "--bootstrap-servers", "127.0.0.1:1", "--admin-token-file", f"{path}-2")
        equal(done.returncode, 2)
        holds(done.stderr, f"admin-token-file '{path}-2' cannot be read: No such file")
        done = run_command("run", "--bootstrap-servers", "127.0.0.1:1", "--admin-token-file", path, "--admin-token", TOKEN)
        equal(done.returncode, 2)
        holds(done.stderr, "both set")
        lacks(done.stderr, TOKEN)


@test("SIGHUP takes the log level from the file, says so, and says when a flag wins")
def _():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "worker.conf"
        path.write_text("log-level = info\n")
        with lonely(config=path) as worker:
            worker.wait_for("no_broker")
            path.write_text("log-level = debug\nmax-in-flight = 7\n")
            worker.signal(signal.SIGHUP)
            worker.wait_for(rf'"warn","event":"log_level","message":"the log level is debug now, it was info \({path}:1\)"')
            worker.wait_for('"level":"debug"', 60)
            path.write_text("log-level = loud\n")
            worker.signal(signal.SIGHUP)
            worker.wait_for('"error","event":"reload_refused".*the log level stays debug: .*loud')
            equal(worker.stop(), 0)
        path.write_text("log-level = info\n")
        with lonely(config=path, log_level="warn") as worker:
            worker.wait_for("no_broker")
            path.write_text("log-level = debug\n")
            worker.signal(signal.SIGHUP)
            worker.signal(signal.SIGHUP)
            path.write_text("log-level = nonsense\n")
            worker.signal(signal.SIGHUP)
            worker.wait_for('"event":"reload_refused","message":"the log level stays warn')
            lacks(worker.output(), '"level":"debug"', '"level":"info"')


if __name__ == "__main__":
    run_all()
