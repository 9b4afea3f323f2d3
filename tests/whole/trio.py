"""trio: a Kafka cluster of three brokers, to stop, kill, freeze or cut off one of them.

    with Trio() as trio:
        cluster = trio.cluster()                # topics have three replicas, two of which must have a record
        node = trio.coordinator("group")        # of the nodes trio.nodes: a Broker, with a .proxy before it
        node.proxy.cut(Proxy.SILENT)
        node.proxy.mend()

Clients and the brokers themselves reach a broker through its proxy (proxy.py), and controllers directly: a broker that
is cut off stays in the cluster and keeps what it leads, but nobody reaches it. A frozen one is cut off both ways.
"""
import contextlib

from broker import Broker, free_ports, new_identity
from child import wait_until
from cluster import Cluster
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from proxy import Proxy

NODES = 3


class Trio:
    """Raises broker.Unavailable."""

    def __init__(self):
        self.stack = contextlib.ExitStack()
        ports = free_ports(2 * NODES)
        clients, controllers = ports[:NODES], ports[NODES:]
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in enumerate(controllers, 1))
        identity = new_identity()
        self.nodes = []
        try:
            for number, (client, controller) in enumerate(zip(clients, controllers), 1):
                proxy = self.stack.enter_context(Proxy(client))
                node = self.stack.enter_context(Broker({
                    "node.id": number,
                    "controller.quorum.voters": voters,
                    "listeners": f"PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}",
                    "advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}",
                    "default.replication.factor": NODES,
                    "min.insync.replicas": 2,
                    "offsets.topic.replication.factor": NODES,
                    "transaction.state.log.replication.factor": NODES,
                    "transaction.state.log.min.isr": 2,
                    "replica.lag.time.max.ms": 4000,
                    "controller.quorum.election.timeout.ms": 500,
                    "controller.quorum.fetch.timeout.ms": 1500,
                    "leader.imbalance.check.interval.seconds": 5,
                }, heap="256m", identity=identity, wait=False))
                node.number, node.proxy = number, proxy
                node.bootstrap = f"127.0.0.1:{proxy.port}"
                self.nodes.append(node)
            self.wait_until_whole()
        except BaseException:
            self.stack.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stack.close()

    def cluster(self):
        return Cluster(",".join(node.bootstrap for node in self.nodes), NODES)

    def wait_until_whole(self, seconds=90):
        """Until all brokers are there, and every partition has all its replicas in sync."""
        admin = AdminClient({"bootstrap.servers": self.cluster().bootstrap, "log_level": 0})

        def whole():
            try:
                found = admin.list_topics(timeout=5)
            except KafkaException:
                return False
            return len(found.brokers) == NODES and all(
                partition.leader > 0 and len(partition.isrs) == len(partition.replicas)
                for topic in found.topics.values() for partition in topic.partitions.values())
        wait_until(whole, seconds, "three brokers with all replicas in sync")

    def _leaders(self, topic):
        """{partition: node}"""
        partitions = AdminClient({"bootstrap.servers": self.cluster().bootstrap, "log_level": 0}).list_topics(
            topic, timeout=20).topics[topic].partitions
        return {number: self.nodes[partition.leader - 1] for number, partition in partitions.items()}

    def coordinator(self, group):
        """The node that leads the partition of the group's commits."""
        leaders = self._leaders("__consumer_offsets")
        return leaders[_java_hash(group) % len(leaders)]

    def group_beside(self, group, other):
        """A name like `other` for a group that has the same coordinator as `group` has, wherever that moves."""
        count = len(self._leaders("__consumer_offsets"))
        names = (f"{other}-{number}" for number in range(1000))
        return next(name for name in names if _java_hash(name) % count == _java_hash(group) % count)

    def transaction_coordinators(self):
        """{transactional.id: the node that leads the partition of its transactions}, of all that there ever were."""
        leaders = self._leaders("__transaction_state")
        found = {}
        for record in self.cluster().read_all("__transaction_state"):
            # Its key is a version of two bytes, and a string with its length in two bytes.
            found[record.key[4:].decode()] = leaders[record.partition]
        return found


def _java_hash(text):
    """String.hashCode() without its sign bit, by which Kafka chooses a group's partition."""
    value = 0
    for character in text:
        value = (31 * value + ord(character)) & 0xffffffff
    return value & 0x7fffffff
