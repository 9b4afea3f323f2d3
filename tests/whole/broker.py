"""broker: a real Kafka broker (KRaft, broker and controller in one process) for a test to start, kill, fill and restart.

    with Broker() as broker:
        cluster = broker.cluster()      # see cluster.py
        broker.kill(); broker.start()   # on the same port, with the same data

Most tests share one: shared_cluster() is that of tests/whole/with_broker.py, or one that it starts and keeps until this
script ends. Where no broker can be had, Unavailable carries the reason, for a test to skip with.
"""
import atexit
import base64
import contextlib
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

from child import Child, plain_environment, wait_until
from cluster import Cluster
from libraries import Unavailable, kafka_libraries

READY_SECONDS = 90

# What a single node needs, and what makes it quick to start, to join and to run on two cores. The limits of messages are
# Kafka's defaults, as in the field.
PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "broker.heartbeat.interval.ms": 500,
    "broker.session.timeout.ms": 3000,  # so long does one that was killed count as running, and its heir has to wait
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1000,
    "offsets.topic.num.partitions": 4,
    "offsets.topic.replication.factor": 1,
    "transaction.state.log.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "num.network.threads": 2,
    "num.io.threads": 2,
    "background.threads": 2,
    "log.index.size.max.bytes": 1 << 20,
    "log.cleaner.dedupe.buffer.size": 4 << 20,
}


def free_ports(count):
    """Below the range from which the kernel takes ports for outgoing connections, so that a port that is free while a
    broker is down is still free when it starts again."""
    with contextlib.ExitStack() as sockets:
        ports = []
        while len(ports) < count:
            trial = sockets.enter_context(socket.socket())
            port = random.randrange(15000, 32000)
            with contextlib.suppress(OSError):
                trial.bind(("127.0.0.1", port))
                ports.append(port)
        return ports


class SmallDisk:
    """A file system of `bytes_` in memory, mounted at `path` for those alone who are started through `prefix`. It needs
    no root where users may make namespaces; inside a chroot it can't be had, since a mount could not be kept private
    there. Its content lasts until end(), so a broker can be started on it again."""

    def __init__(self, path, bytes_):
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        unshare = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
        # Entering a user namespace makes the kernel forget whom a process was to die with, so it is told again inside.
        mortal = ["setpriv", "--pdeathsig", "KILL", "--"]
        script = f'mount -t tmpfs -o size={bytes_} tmpfs "$0" && echo mounted && exec {" ".join(mortal)} sleep infinity'
        self.holder = Child([*unshare, "sh", "-c", script, path], name="small-disk")
        try:
            self.holder.wait_for("^mounted$")
        except AssertionError:
            raise Unavailable(self.holder.output().strip(), "no small disk can be mounted") from None
        enter = ["nsenter", "--target", str(self.holder.pid), "--mount"]
        self.prefix = [*enter, *([] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]), *mortal]

    def _run(self, script):
        return subprocess.run([*self.prefix, "sh", "-c", script, str(self.path)], capture_output=True, check=False,
                              text=True)

    def fill(self):
        """Not a byte is free afterwards."""
        self._run('cat /dev/zero >"$0/ballast"')

    def free(self):
        self._run('rm -f "$0/ballast"')

    def end(self):
        self.holder.end()


def new_identity():
    return base64.urlsafe_b64encode(b"\x01" + uuid.uuid4().bytes[1:]).decode()[:22]


class Broker:
    """Starts at once, and returns when it answers. `properties` are Kafka's own, over those above; `disk_bytes` puts its
    data on a SmallDisk of that size (broker.disk). With `users` ({name: password}) it has ACLs in force: who comes to
    broker.bootstrap may do all, a user (SASL PLAIN) who comes to broker.guarded what ACLs allow. Raises Unavailable."""

    def __init__(self, properties=None, disk_bytes=None, heap="512m", identity=None, wait=True, users=None):
        self.heap = heap
        self.identity = identity or new_identity()  # of the cluster
        self.libraries = kafka_libraries()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="rxp-broker-"))
        self.child = None
        self.disk = None
        self.guarded = None
        self.port, controller_port = free_ports(2)
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.prefix = []
        atexit.register(self.end)
        data = self.folder / "data"
        try:
            if disk_bytes:
                self.disk = SmallDisk(data, disk_bytes)
                self.prefix = self.disk.prefix
            settings = dict(PROPERTIES)
            settings.update({
                "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
                "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller_port}",
                "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
                "log.dirs": data / "kafka",
            })
            if users:
                settings.update(self._guard(settings, users))
            settings.update(properties or {})
            self.settings = self.folder / "server.properties"
            self.settings.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
            self._format()
            self.start(wait)
        except BaseException:
            self.end()
            raise

    def _guard(self, settings, users):
        """The settings that put ACLs in force."""
        port, = free_ports(1)
        self.guarded = f"127.0.0.1:{port}"
        listener = f",SASL_PLAINTEXT://{self.guarded}"
        logins = " ".join(f'user_{name}="{password}"' for name, password in users.items())
        return {
            "listeners": settings["listeners"] + listener,
            "advertised.listeners": settings["advertised.listeners"] + listener,
            "listener.security.protocol.map": settings["listener.security.protocol.map"] + ",SASL_PLAINTEXT:SASL_PLAINTEXT",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_plaintext.plain.sasl.jaas.config":
                f"org.apache.kafka.common.security.plain.PlainLoginModule required {logins};",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def _java(self, *arguments, heap=None):
        return [*self.prefix, "java", f"-Xmx{heap or self.heap}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS", "-cp", f"{self.libraries}/*", *arguments]

    def _format(self):
        done = subprocess.run(self._java("kafka.tools.StorageTool", "format", "-t", self.identity, "-c",
                                         str(self.settings), heap="128m"),
                              capture_output=True, text=True, check=False, env=plain_environment())
        if done.returncode != 0:
            raise Unavailable("its storage could not be formatted: " + (done.stdout + done.stderr).strip()[-500:])

    def start(self, wait=True):
        """On the port and the data that it had before. Returns when it answers, or at once."""
        assert not self.running, "the broker runs already"
        self.child = Child(self._java("kafka.Kafka", self.settings), name="broker", folder=self.folder)
        if wait:
            self.wait_until_up()

    def wait_until_up(self):
        cluster = self.cluster()

        def answers():
            if not self.child.running:
                raise Unavailable(f"it ended with {self.child.process.returncode}\n{self.child.tail()}")
            return cluster.is_up()

        try:
            wait_until(answers, READY_SECONDS, "the broker's answer")
        except AssertionError as error:
            raise Unavailable(f"{error}\n{self.child.tail()}") from None

    @property
    def running(self):
        return self.child is not None and self.child.running

    def stop(self, seconds=60):
        """An orderly shutdown, as for maintenance. The exit status."""
        return self.child.stop(seconds)

    def kill(self):
        """As a crash."""
        self.child.kill()

    def freeze(self):
        """It keeps its connections and answers nothing, until thaw()."""
        self.child.signal(signal.SIGSTOP)

    def thaw(self):
        self.child.signal(signal.SIGCONT)

    def cluster(self):
        return Cluster(self.bootstrap)

    def tool(self, program, *arguments):
        """Runs one of Kafka's own command-line tools against it, by its class."""
        done = subprocess.run(self._java(program, "--bootstrap-server", self.bootstrap, *arguments, heap="128m"),
                              capture_output=True, text=True, check=False, env=plain_environment())
        assert done.returncode == 0, done.stdout + done.stderr

    def end(self):
        """Gone, with its data; also at the end of the script. Its log stays."""
        if self.child is not None:
            self.child.end()
        if self.disk is not None:
            self.disk.end()
        shutil.rmtree(self.folder, ignore_errors=True)


_own = None


def shared_cluster():
    """The broker that all tests of a run share. Raises Unavailable."""
    global _own
    reason = os.environ.get("RXP_TEST_BROKER_MISSING")
    if reason:
        raise Unavailable(reason)
    if os.environ.get("RXP_TEST_BROKER"):
        return Cluster(os.environ["RXP_TEST_BROKER"])
    if _own is None:
        _own = Broker()
    return _own.cluster()
