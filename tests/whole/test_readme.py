#!/usr/bin/python3
"""The README says what is true: its configuration table, its keys and codes, and the steps of its first real use."""
import json
import re

from admin import Admin
from child import ROOT
from scene import cluster
from tap import equal, run_all, test
from worker import Backend, Worker, run_command

README = (ROOT / "README.md").read_text()


def between(begin, end):
    return README.split(begin, 1)[1].split(end, 1)[0]


@test("the configuration table is the one that the program prints")
def _():
    printed = run_command("config", "--reference")
    equal(printed.returncode, 0, printed.stderr)
    written = README.split("<!-- config-reference", 1)[1].split("-->\n", 1)[1].split("<!-- /config-reference -->", 1)[0]
    equal(written.strip(), printed.stdout.strip(), "paste the output of `rxp-worker config --reference`: README.md")


@test("the keys in the README are keys of the program; the whole table is in protocol/README.md, which a unit test holds")
def _():
    known = set(re.findall(r'X\([A-Z_]+, "([^"]+)"', (ROOT / "protocol/plan_keys.h").read_text()))
    table = set(re.findall(r"^\| `([a-z]+\.[A-Za-z_.]+)` \|", between("## Writing an invocation", "### Statuses"), re.M))
    equal(sorted(table - known), [])
    equal(len(table) > 10 and len(known) > 30, True, f"{table} {known}")


@test("every error code of the program is in the table of codes, and no other")
def _():
    source = (ROOT / "protocol/vocab.c").read_text()
    known = set(re.findall(r'case RXP_ERROR_[A-Z_]+:\s+return "([a-z_]+)"', source))
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \|", between("| code | what happened", "## Configuration"), re.M)
    table = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    equal(sorted(table), sorted(known))


@test("every family of /metrics is in the table of metrics, and no other")
def _():
    with Worker("127.0.0.1:1", "in", "out", "g", admin_listen="127.0.0.1:0") as worker:
        page = Admin(worker).get("/metrics").text
    families = set(re.findall(r"^# TYPE (rxp_[a-z_]+) ", page, re.M))
    rows = re.findall(r"^\| (`rxp_[^|]*) \|", between("## Watching it", "## What it costs"), re.M)
    equal(sorted(name for row in rows for name in re.findall(r"`([a-z_]+)`", row)), sorted(families))


@test("the steps of the first real use work as they are written, up to the ports and topics")
def _():
    kafka = cluster()
    invocations, results = kafka.create_topic("invocations", 3), kafka.create_topic("results", 3)
    with Backend() as backend, Worker(kafka, invocations, results, "first-use",
                                      egress_allow=f"127.0.0.1:{backend.port}", log_format="text") as worker:
        first = between("cat > first.json <<'JSON'\n", "\nJSON\n").replace("127.0.0.1:8080", f"127.0.0.1:{backend.port}")
        environment = {"RXP_BOOTSTRAP_SERVERS": kafka.bootstrap, "RXP_INVOCATIONS_TOPICS": invocations,
                       "RXP_RESULTS_TOPIC": results, "RXP_GROUP_ID": "first-use"}

        def step(*arguments):
            done = run_command(*arguments, given=first, environment=environment)
            equal(done.returncode, 0, f"{arguments}: {done.stderr}{done.stdout}")
            return done.stdout

        step("config", "--check")
        step("validate")
        equal(json.loads(step("exec"))["status"], "succeeded")
        result = json.loads(step("submit", "--wait"))
        equal((result["invocation_id"], result["status"], result["metadata"]["order"]), ("first-1", "succeeded", "4711"))
        equal(json.loads(step("results", "--status", "succeeded"))["invocation_id"], "first-1")
        assert invocations in step("offsets")
        equal(worker.stop(), 0)


if __name__ == "__main__":
    run_all()
