#!/usr/bin/python3
"""A real Prometheus scrapes three live workers, and its queries give what they should."""
import json
import pathlib
import shutil
import socket
import tempfile
import urllib.error
import urllib.parse
import urllib.request

from admin import Admin
from child import Child, wait_until
from cluster import Message
from scene import Scene
from tap import equal, run_all, skip, test
from worker import invocation

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: rxp-worker
    static_configs: [{{targets: [{targets}]}}]
"""


class Prometheus(Child):
    def __init__(self, folder, ports):
        if shutil.which("prometheus") is None:
            skip("no prometheus (Debian package prometheus)")
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self.origin = f"http://127.0.0.1:{port}"
        path = pathlib.Path(folder) / "prometheus.yml"
        path.write_text(CONFIG.format(targets=", ".join(f'"127.0.0.1:{port}"' for port in ports)))
        super().__init__(["prometheus", f"--config.file={path}", f"--storage.tsdb.path={folder}/data",
                          f"--web.listen-address=127.0.0.1:{port}"], name="prometheus")

    def ask(self, path, **parameters):
        with urllib.request.urlopen(f"{self.origin}{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, text):
        """The values of an instant query."""
        try:
            return [float(sample["value"][1]) for sample in self.ask("/api/v1/query", query=text)["result"]]
        except (urllib.error.URLError, ConnectionError):  # it is starting
            return []


@test("Prometheus scrapes three workers of a group: all are up, rates are told, and their waiting work sums up")
def _():
    with Scene(partitions=6) as scene, tempfile.TemporaryDirectory() as folder:
        admins = [Admin(scene.worker(admin_listen="127.0.0.1:0", name=f"worker-{n}", max_in_flight=2)) for n in range(3)]
        for admin in admins:
            wait_until(lambda admin=admin: admin.metrics()["rxp_assigned_partitions"] == 2, 60, "two partitions each")
        with Prometheus(folder, [admin.port for admin in admins]) as prometheus:
            wait_until(lambda: prometheus.query("up") == [1, 1, 1], 60, "three targets that are up")
            scene.produce([invocation(f"short-{n}", scene.backend, {"seconds": "0"}) for n in range(60)])
            scene.wait_for_results(60)
            wait_until(lambda: prometheus.query('sum(rxp_runs_total{outcome="succeeded"})') == [60], 60, "60 runs")
            # The counters stood at 0 from the start: that they grew is seen.
            wait_until(lambda: prometheus.query("sum(rate(rxp_runs_total[1m])) > 0") != [], 60, "a rate")
            wait_until(lambda: prometheus.query("histogram_quantile(0.9, sum by (le) (rate(rxp_kickoff_duration_seconds_bucket[1m])))"
                                                " > 0") != [], 60, "a quantile")
            # In each partition, which the partitioner need not give.
            scene.produce([Message(invocation(f"long-{n}", scene.backend, {"seconds": "120"}), partition=n % 6)
                           for n in range(30)])
            wait_until(lambda: prometheus.query("sum(rxp_runs_in_flight)") == [6], 60, "six runs in flight")
            wait_until(lambda: prometheus.query("sum(rxp_pending_invocations)") == [30], 60, "thirty that are due")
            equal(prometheus.query("count(rxp_build_info)"), [3])
            targets = prometheus.ask("/api/v1/targets")["activeTargets"]
            equal([target["lastError"] for target in targets], ["", "", ""])
            equal(prometheus.stop(), 0)


if __name__ == "__main__":
    run_all()
