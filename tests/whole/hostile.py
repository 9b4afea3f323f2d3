"""hostile: a worker against backends that mean harm (hostile_server.py), in a network namespace of their own, where every denied
address is there, listens, and counts who comes.

The worker may go to 127.0.0.1 (its backend) and, by *, to what is not special. So whatever is denied could be reached: if
it is not, the policy kept the worker from it. A test makes sure that the counter counts.
"""
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request

from broker import Broker, Unavailable
from child import Child, wait_until
from scene import Scene, once_each
from tap import equal, skip

INSIDE = "RXP_TEST_HOSTILE_INSIDE"
PORT = 8099
# Denied, and of lo in the namespace. Multicast and broadcast are not: nothing can listen there.
ADDRESSES = ["169.254.169.254/32", "100.100.100.200/32", "168.63.129.16/32", "64:ff9b::a9fe:a9fe/128", "2002:a9fe:a9fe::1/128",
             "fd00:ec2::254/128", "fe80::1/128"]
# Denied with egress-private=deny, and there as well: one of each range that something can listen in.
PRIVATE = ["10.1.2.3", "100.64.0.1", "172.16.0.1", "172.31.255.254", "192.0.0.9", "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
           "203.0.113.1", "240.0.0.1", "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.175.48.1", "[2001::1]", "[2001:3::1]",
           "[2001:4:112::1]", "[2001:10::1]", "[2001:20::1]", "[2001:30::1]", "[2620:4f:8000::1]", "[3fff::1]", "[5f00::1]", "[100::1]", "[2001:2::1]", "[2001:db8::1]", "[fc00::1]", "[fd12:3456::1]", "[fec0::1]",
           "[64:ff9b::a01:203]", "[64:ff9b:1::a01:203]", "[2002:a01:203::1]"]
NAMES = {"metadata.test": "169.254.169.254", "sidecar.test": "127.0.0.2", "aws.test": "fd00:ec2::254", "six.test": "::1",
         "link.test": "169.254.1.1", "mapped.test": "::ffff:169.254.169.254", "nowhere.test": "0.0.0.0"}
DENIED = ["127.0.0.2", "127.2", "0x7f.2", "0x7f000002", "2130706434", "017700000002", "[::1]", "0.0.0.0", "0", "[::]", "169.254.169.254",
          "169.254.169.254.", "0xa9fea9fe", "2852039166", "169.254.43518", "0251.0376.0251.0376", "[::ffff:169.254.169.254]",
          "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[fe80::1]", "[fd00:ec2::254]", "100.100.100.200",
          "168.63.129.16", "224.0.0.1", "255.255.255.255", "[ff02::1]", "%31%36%39.254.169.254", *NAMES]


def enter():
    """This program again, in a namespace of its own; it ends as that does. Inside it only makes the place ready."""
    if os.environ.get(INSIDE):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        private = (host.strip("[]") for host in PRIVATE)
        for address in (*ADDRESSES, *(host + ("/128" if ":" in host else "/32") for host in private)):
            subprocess.run(["ip", "addr", "add", address, "dev", "lo"], check=True)
        with tempfile.NamedTemporaryFile("w", suffix=".hosts") as hosts:
            hosts.write("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in NAMES.items()))
            hosts.flush()
            subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
        return
    probe = subprocess.run(["unshare", "-rnm", "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
    if probe.returncode != 0:
        print(f"1..0 # skip there are no network namespaces here: {probe.stderr.decode(errors='replace').strip()}")
        sys.exit(0)
    environment = {name: value for name, value in os.environ.items() if name != "RXP_TEST_BROKER"}
    environment[INSIDE] = "yes"
    sys.exit(subprocess.run(["setpriv", "--pdeathsig", "KILL", "--", "unshare", "-rnm", sys.executable, *sys.argv], env=environment,
                            check=False).returncode)


def url(kind, number, phase="k"):
    return f"http://127.0.0.1:{PORT}/{phase}/{kind}/{number}"


def made(number, kind, last="", timeout_seconds=30, **more):
    metadata = {"http.url": url(kind, last or number), "http.poll_url_template": url(kind, "{run_id}", "p"),
                "http.poll_run_id_path": "id", "http.poll_status_path": "status", "http.poll_terminal_states": "completed",
                "http.poll_interval_seconds": "0", "http.poll_max_failures": "0", "kind": kind}
    for key, value in more.items():
        metadata[key.replace("_", ".", 1)] = value
    return {"invocation_id": f"{kind}-{number}", "runtime_name": "hostile", "runtime_kind": "http_async", "working_directory": "/",
            "command": ["none"], "timeout_seconds": timeout_seconds,
            "metadata": {key: value for key, value in metadata.items() if value is not None}}


# kind: (what its result must be, timeout_seconds)
KINDS = {
    "gzip": ("kickoff_not_json", 30), "deep": ("kickoff_not_json", 30), "nul": ("kickoff_not_json", 30),
    "length": ("kickoff_network", 30), "garbage": ("kickoff_network", 30), "chunk": ("kickoff_network", 30),
    "body": ("response_too_large", 30), "headers": ("response_too_large", 30),
    "drip": ("kickoff_timeout", 3), "drip-headers": ("kickoff_timeout", 3),
    "poll-gzip": ("poll_not_json", 30), "poll-deep": ("poll_not_json", 30), "poll-nul": ("poll_not_json", 30),
    "poll-length": ("poll_network", 30), "poll-garbage": ("poll_network", 30), "poll-chunk": ("poll_network", 30),
    "poll-body": ("response_too_large", 30), "poll-headers": ("response_too_large", 30),
    "poll-drip": ("poll_timeout", 3), "poll-drip-headers": ("poll_timeout", 3), "poll-to-metadata": ("egress_denied", 30),
    "id-dots": ("run_id_invalid", 30), "id-dot": ("run_id_invalid", 30), "id-empty": ("run_id_invalid", 30),
    "id-long": ("run_id_invalid", 30), "id-up": (None, 30), "id-lines": (None, 30), "id-query": (None, 30), "id-url": (None, 30),
    "id-encoded": (None, 30), "id-back": (None, 30), "id-longest": (None, 30),
}


def invocations(rounds, plain, polls, denied):
    """Of each kind and each denied place `rounds`, and `plain` that are polled so often; with what must become of each."""
    some, due = [], []

    def add(message, code):
        some.append(message)
        due.append(code)
    for number in range(rounds):
        for kind, (code, seconds) in KINDS.items():
            add(made(number, kind, timeout_seconds=seconds), code)
        for host in denied:
            where = urllib.parse.quote(f"http://{host}:{PORT}/k/x/1", safe="")
            add(made(f"{number}-{host}", "to-denied", where), "egress_denied")
            add(made(f"{number}-{host}", "named-denied", where, http_poll_url_header="Location", http_poll_url_template=None,
                     http_poll_run_id_path=None), "egress_denied")
    for number in range(plain):
        add(made(number, "plain", f"{number}-{polls}", timeout_seconds=3600), None)
    return some, due


def resident_mib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1)) / 1024


def stats():
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/stats", timeout=60) as answer:
        return json.load(answer)


def counter_counts():
    """A connection to a denied address is there to be seen."""
    before = stats()["denied_count"]
    hosts = ("169.254.169.254", "metadata.test", "127.0.0.2", "[fd00:ec2::254]", "[::1]", *PRIVATE)
    for host in hosts:
        with urllib.request.urlopen(f"http://{host}:{PORT}/stats", timeout=10):
            pass
    equal(stats()["denied_count"] - before, len(hosts), "connections that were counted")


def play(rounds, plain, polls, seconds, denied=(), **options):
    """A worker has all of them, `denied` among the denied places; its results, what the server saw, and its memory at a fifth of the way and at the end."""
    try:
        broker = Broker()
    except Unavailable as reason:
        skip(str(reason))
    server = [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "hostile_server.py"), PORT, 80]
    with broker, Child(server, "hostile") as hostile, Scene(broker.cluster(), partitions=6) as scene:
        hostile.wait_for("hostile")
        counter_counts()
        before = stats()["denied_count"]
        worker = scene.worker(egress_allow="*,127.0.0.1", poll_min_interval_ms=50, origin_max_connections=256, threads=2, **options)
        some, due = invocations(rounds, plain, polls, [*DENIED, *denied])
        where = scene.produce(some)
        wanted = len(some) + plain * polls
        wait_until(lambda: stats()["requests"] > wanted / 5, seconds, "a fifth of the requests")
        early = resident_mib(worker.pid)
        records = scene.wait_for_results(len(some), seconds)
        late = resident_mib(worker.pid)
        seen = stats()
        print(f"#   {seen['requests']} requests; the worker had {early:.0f} MiB at first and {late:.0f} MiB at last", flush=True)
        judge(where, due, some, once_each(where, records))
        equal(seen["denied_count"] - before, 0, f"connections to denied addresses, the last of {seen['denied']}")
        equal(seen["evil"], [], "requests that nobody asked for")
        assert late < early * 1.1 + 24, f"{early:.0f} MiB became {late:.0f} MiB"
        scene.wait_for_commit(60)
        equal(worker.stop(), 0)
        return seen["requests"]


def judge(where, due, some, results):
    wrong = collections.Counter()
    example = {}
    for place, code, message in zip(where, due, some):
        result = results[place]
        got = result["metadata"].get("error.code")
        if got != code:
            key = (message["metadata"]["kind"], code, got)
            wrong[key] += 1
            example.setdefault(key, (message["invocation_id"], result["error_summary"]))
        assert re.fullmatch(r"[^\x00-\x1f\x7f-\x9f]*", result["error_summary"] or ""), result["error_summary"]
    assert not wrong, "\n".join(f"{key} {count} times: {example[key]}" for key, count in wrong.items())
