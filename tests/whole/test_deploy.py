#!/usr/bin/python3
"""What lies in deploy/ fits the program and fits together: metrics, labels, options, rules, times. Needs no network and no
broker; what starts containers is checked by hand, since a machine that tests may have no engine."""
import functools
import itertools
import json
import re
import shutil
import subprocess
import tempfile

import yaml

from admin import Admin
from broker import free_ports
from child import ROOT
from tap import equal, run_all, skip, test
from worker import Worker, run_command

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
GUIDE = (DEPLOY / "README.md").read_text()


def read(path):
    return yaml.safe_load((DEPLOY / path).read_text())


def rules():
    return [rule for group in read("prometheus/rules.yml")["groups"] for rule in group["rules"]]


def dashboard():
    return json.loads((DEPLOY / "grafana/rxp-worker.json").read_text())


def trigger():
    return read("kubernetes/scaling/scaled-object.yaml")["spec"]["triggers"][0]["metadata"]


def expressions():
    """Everything in deploy/ that Prometheus is asked."""
    board = dashboard()
    targets = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    notes = [note["expr"] for note in board["annotations"]["list"]]
    queries = [item["query"]["query"] for item in board["templating"]["list"] if item["type"] == "query"]
    return targets + notes + queries + [rule["expr"] for rule in rules()] + [trigger()["query"]]


@functools.cache
def page():
    """What a worker that reaches no broker shows at /metrics: every family and, of closed sets, every label's value."""
    with Worker(f"127.0.0.1:{free_ports(1)[0]}", "invocations", "results", "deploy", admin_listen="127.0.0.1:0") as worker:
        return Admin(worker).get("/metrics").text


def families():
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", page(), re.M):
        names |= {f"{name}_{part}" for part in ("bucket", "count", "sum")} if kind == "histogram" else {name}
    return names


@test("every metric that a rule, the dashboard or the scaling asks for is on the worker's page")
def _():
    asked = set(re.findall(r"\b(?:rxp|process)_[a-z_]+\b", " ".join(expressions())))
    equal(len(asked) > 30, True, f"{sorted(asked)}")
    equal(sorted(asked - families()), [])


@test("every label's value that they ask for is one that the worker has")
def _():
    known = set(re.findall(r'([a-z_]+)="([^"]*)"', page()))
    of_prometheus = {"job", "instance", "topic"}
    asked = {(label, value) for label, values in re.findall(r'([a-z_]+)(?:=|=~|!=)"([^"]+)"', " ".join(expressions()))
             if label not in of_prometheus for value in values.split("|")}
    equal(len(asked) >= 8, True, f"{sorted(asked)}")
    equal(sorted(asked - known), [])


@test("every label that they sum by or leave out is one that the worker or Prometheus gives")
def _():
    known = set(re.findall(r'([a-z_]+)="', page())) | {"job", "instance", "topic", "partition", "origin", "loop", "le"}
    asked = {label.strip() for labels in re.findall(r"\b(?:by|without|on|ignoring) \(([^)]*)\)", " ".join(expressions()))
             for label in labels.split(",")}
    equal(sorted(asked - known), [])


def promtool(*arguments):
    if shutil.which("promtool") is None:
        skip("no promtool (Debian package prometheus)")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False, timeout=60,
                          cwd=DEPLOY / "prometheus")
    equal(done.returncode, 0, done.stdout + done.stderr)


@test("promtool takes the rules and the configuration, and each alert fires when it should")
def _():
    promtool("check", "rules", "rules.yml")
    promtool("check", "config", "--syntax-only", "prometheus.yml")
    promtool("test", "rules", "rules-test.yml")


@test("each alert has a test that sees it fire, and one that sees what must not make it fire")
def _():
    seen = {}
    for case in read("prometheus/rules-test.yml")["tests"]:
        for check in case["alert_rule_test"]:
            seen.setdefault(check["alertname"], []).append((len(check["exp_alerts"]), len(case["input_series"])))
    for rule in rules():
        checks = seen.get(rule["alert"], [])
        equal(any(fired for fired, _ in checks), True, f"{rule['alert']} fires")
        equal(any(not fired or series > fired for fired, series in checks), True, f"{rule['alert']} stays silent")


@test("each alert has a heading of its own in the guide, which its runbook names")
def _():
    headings = re.findall(r"^#+ (Rxp\w+)$", GUIDE, re.M)
    equal(headings, [rule["alert"] for rule in rules()])
    for rule in rules():
        equal(rule["annotations"]["runbook"], "deploy/README.md#" + rule["alert"].lower())


@test("the rules for the Prometheus operator are those of prometheus/rules.yml")
def _():
    equal(read("kubernetes/monitoring/prometheus-rule.yaml")["spec"]["groups"], read("prometheus/rules.yml")["groups"])


@test("expressions of the dashboard are such as Prometheus can read")
def _():
    filled = [expression.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$topic", ".*")
              for expression in expressions() if not expression.startswith("label_values(")]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"groups": [{"name": "dashboard", "rules": [
            {"record": f"dashboard:panel:{number}", "expr": expression} for number, expression in enumerate(filled)]}]}, file)
        file.flush()
        promtool("check", "rules", "--lint=none", file.name)


@test("the dashboard's panels have ids of their own and do not overlap")
def _():
    panels = dashboard()["panels"]
    equal(len({panel["id"] for panel in panels}), len(panels))
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels], 2):
        apart = (one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
                 or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"])
        equal(apart and one["x"] + one["w"] <= 24, True, f"{one} and {other}")


def pod():
    return read("kubernetes/deployment.yaml")["spec"]["template"]["spec"]


def option(text, name):
    return re.search(rf"^{name} = (.*)$", text, re.M).group(1)


@test("the sample configurations are such as run would take")
def _():
    for path in (DEPLOY / "worker.conf", KUBERNETES / "worker.conf"):
        done = run_command("config", "--config", path)
        equal((done.returncode, done.stderr), (0, ""), f"{path}")


@test("every RXP_ variable of the image, of compose.yaml and of the manifests is known")
def _():
    named = {}
    for path in (ROOT / "Dockerfile", DEPLOY / "compose.yaml", KUBERNETES / "deployment.yaml"):
        named |= {name: path for name in re.findall(r"\bRXP_[A-Z_]+\b", path.read_text())}
    known = re.findall(r"^\| `([a-z-]+)`", run_command("config", "--reference").stdout, re.M)
    variables = {"RXP_" + name.upper().replace("-", "_") for name in known}
    unknown = {name for name in named if name not in variables and not name.startswith("RXP_KAFKA_")}
    equal(unknown - {"RXP_WORKER_SERVICE_HOST"}, set(), "of " + ", ".join(sorted(named)))


@test("a pod is given its preStop, its drain and five seconds more before it is killed")
def _():
    pause = pod()["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = int(option((KUBERNETES / "worker.conf").read_text(), "drain-seconds"))
    equal(pod()["terminationGracePeriodSeconds"], pause + drain + 5)


@test("a pod's memory holds what it may have in flight twice over")
def _():
    text = (KUBERNETES / "worker.conf").read_text()
    equal(pod()["containers"][0]["resources"]["limits"]["memory"], "1Gi")
    equal(int(option(text, "max-in-flight-bytes")) * 2 <= 2**30, True)


@test("a pod has no more rights than it needs, and is probed where the worker answers")
def _():
    container = pod()["containers"][0]
    equal(container["securityContext"], {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                         "capabilities": {"drop": ["ALL"]}})
    equal(pod()["securityContext"]["runAsNonRoot"], True)
    equal(pod()["enableServiceLinks"], False)
    equal("group-instance-id" in (KUBERNETES / "worker.conf").read_text(), False)
    equal(container["livenessProbe"]["httpGet"]["path"], "/livez")
    equal(container["readinessProbe"]["httpGet"]["path"], "/readyz")
    image = (ROOT / "Dockerfile").read_text()
    port = int(re.search(r"^EXPOSE (\d+)$", image, re.M).group(1))
    user = int(re.search(r"^USER (\d+)", image, re.M).group(1))
    equal(container["ports"], [{"name": "admin", "containerPort": port}])
    equal((pod()["securityContext"]["runAsUser"], f"0.0.0.0:{port}" in image), (user, True))


@test("scaling asks for what is pending, goes no higher than there are partitions, and down slowly")
def _():
    spec = read("kubernetes/scaling/scaled-object.yaml")["spec"]
    equal(trigger()["query"], 'sum(rxp_pending_invocations{job="rxp-worker"})')
    partitions = set(re.findall(r"--topic rxp\.(?:invocations|checkpoints) --partitions (\d+)",
                                (DEPLOY / "compose.yaml").read_text()))
    equal(partitions, {str(spec["maxReplicaCount"])})
    behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    equal(behaviour["scaleDown"]["stabilizationWindowSeconds"] >= 300 and spec["minReplicaCount"] >= 1, True)


@test("workers of compose.yaml can be scaled, and mount files that are there")
def _():
    services = read("compose.yaml")["services"]
    worker = services["worker"]
    equal("container_name" in worker, False)
    equal(worker["ports"], ["127.0.0.1::9464"])
    for service in services.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            equal(not source.startswith(".") or (DEPLOY / source).exists(), True, volume)


@test("the invocations of the rehearsal are valid")
def _():
    equal(run_command("validate", DEPLOY / "rehearsal.json").returncode, 0)


@test("whom the network policy lets through is not asked for the workers' own label, which kustomize adds to matchLabels")
def _():
    equal([labels["includeSelectors"] for labels in read("kubernetes/kustomization.yaml")["labels"]], [True])
    rule = read("kubernetes/network-policy.yaml")["spec"]
    peers = [peer for way in rule["ingress"] for peer in way.get("from", [])] + \
        [peer for way in rule["egress"] for peer in way.get("to", [])]
    pods = [peer["podSelector"] for peer in peers if "podSelector" in peer]
    equal([bool(pod.get("matchExpressions")) and "matchLabels" not in pod for pod in pods], [True] * len(pods))
    assert pods, "no peer is chosen by its pods"


if __name__ == "__main__":
    run_all()
